/** The kernel's declarations, as far as Clients of the Modules need them. See DmfModule.h. */
#include "wdm.h"
