/** The framework's name of the BufferPool Module's header, here: everything of this library. See DmfModule.h. */
#include "wdm.h"
