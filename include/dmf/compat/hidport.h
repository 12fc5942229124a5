/** HID control codes and structures. */
#include "../hid.h"
