/**
 * dmf.h - everything an application needs.
 *
 * The buffer, notification and streaming Modules of the Driver Module Framework for ordinary programs, behind a C ABI.
 *
 *     #include <dmf.h>
 *
 * Define DMF_API_LEVEL before the include to choose the generation of a few prototypes (see dmf/types.h).
 * Compiles as C11, C23 and C++17.
 *
 * Every function may be called from any thread, and none from a signal handler. In the child of a fork() all functions fail
 * with STATUS_INVALID_DEVICE_STATE, or answer FALSE, 0 or NULL, once the process has made an object: let the child exec. No
 * C++ exception, longjmp or pthread_exit may leave a callback. The library takes less than 16 KiB of the caller's stack.
 */
#ifndef DMF_H
#define DMF_H

#include "dmf/types.h"
#include "dmf/hid.h"
#include "dmf/wdf.h"
#include "dmf/module.h"
#include "dmf/io_target.h"
#include "dmf/Dmf_RingBuffer.h"
#include "dmf/Dmf_PingPongBuffer.h"
#include "dmf/Dmf_BufferPool.h"
#include "dmf/Dmf_BufferQueue.h"
#include "dmf/Dmf_QueuedWorkItem.h"
#include "dmf/Dmf_ThreadedBufferQueue.h"
#include "dmf/Dmf_NotifyUserWithRequest.h"
#include "dmf/Dmf_ContinuousRequestTarget.h"

#endif /* DMF_H */
