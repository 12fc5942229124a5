/**
 * What sources written for the framework include, here: everything of this library, and the kernel's small helpers.
 * Add <prefix>/include/dmf/compat to the include path and compile them unchanged.
 */
#include "wdm.h"
