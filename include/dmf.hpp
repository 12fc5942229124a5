/**
 * dmf.hpp - the C ABI of dmf.h for C++17: owners, lambdas as callbacks, statuses as std::error_code. Header-only; each
 * class has a part of its own below dmf/hpp/.
 *
 * Failure: what can fail returns a std::error_code, which is false on success and true on failure; there is no exception
 * of the library's own (memory for a callback may throw std::bad_alloc). A factory `open`, `create` or `start` fills an
 * owner that is given as its last parameter, and leaves it untouched on failure.
 *
 * Owners delete their object when they go out of scope and can be moved, not copied. A device's deletion deletes what
 * was made with it, so declare the device first: it goes last. `handle()` gives what the C functions take.
 *
 * Buffers go back to where they are from at the end of their scope, and Requests that were handed over are completed;
 * moved into a Module, or kept, they are whoever's has them. Bytes are spans.
 *
 * Callbacks: what they capture lives until their object is gone and none of them runs. An exception never leaves one:
 * what is thrown in a callback that runs later ends there, `callback_threw()` tells, and the class says what becomes of
 * the work; what is thrown in one that runs before its Method returns (enumerations, request_return) is thrown by the
 * Method. Which thread runs which callback stands with each class.
 */
#ifndef DMF_HPP
#define DMF_HPP

#include "dmf/hpp/buffer_pool.hpp"
#include "dmf/hpp/buffer_queue.hpp"
#include "dmf/hpp/continuous_request_target.hpp"
#include "dmf/hpp/core.hpp"
#include "dmf/hpp/notify_user_with_request.hpp"
#include "dmf/hpp/ping_pong_buffer.hpp"
#include "dmf/hpp/queued_work_item.hpp"
#include "dmf/hpp/request.hpp"
#include "dmf/hpp/ring_buffer.hpp"
#include "dmf/hpp/target.hpp"
#include "dmf/hpp/threaded_buffer_queue.hpp"

#endif /* DMF_HPP */
