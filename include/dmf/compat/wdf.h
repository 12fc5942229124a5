/** The framework's objects and Requests, here: everything of this library. See DmfModule.h. */
#include "wdm.h"
