/** The framework's name of the ThreadedBufferQueue Module's header, here: everything of this library. See DmfModule.h. */
#include "wdm.h"
