/** The NTSTATUS values that this library knows. */
#include "../types.h"
