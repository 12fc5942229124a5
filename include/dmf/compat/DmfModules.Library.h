/** The framework's header of all library Modules, here: everything of this library. See DmfModule.h. */
#include "wdm.h"
