/** The framework's name of the BufferQueue Module's header, here: everything of this library. See DmfModule.h. */
#include "wdm.h"
