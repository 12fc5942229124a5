//! DMF_ContinuousRequestTarget: single Requests. Source: Dmf_ContinuousRequestTarget.md; BEHAVIOUR,
//! section 6.

#![allow(non_camel_case_types)]

use super::boundary::{not_null, put, span, status, value};
use super::continuous_request_target::{operation, with};
use super::types::*;
use crate::framework::handle::Handle;
use crate::framework::memory::try_box;
use crate::framework::status::{Error, Status};
use crate::framework::table;
use crate::io::request::{Operation, Outcome, Sent};
use crate::modules::continuous_request_target::{Completion, ContinuousRequestTarget, Manner};
use std::time::Duration;

/// Sends one Request and waits for its end.
///
/// Parameters: RequestBuffer: RequestLength bytes to send, may be NULL if that is 0; ResponseBuffer:
/// ResponseLength bytes to receive into, may be NULL if that is 0; RequestTimeoutMilliseconds: 0 for
/// ever; BytesWritten: may be NULL; bytes transferred, 0 on failure, always written.
/// Returns the Request's final status: STATUS_SUCCESS; STATUS_IO_TIMEOUT; STATUS_CANCELLED (the target
/// was deleted); STATUS_DEVICE_NOT_CONNECTED; STATUS_INVALID_DEVICE_REQUEST (the target does not answer
/// such a Request); STATUS_INVALID_BUFFER_SIZE; STATUS_INVALID_PARAMETER (RequestType, or NULL with a
/// length); STATUS_INVALID_DEVICE_STATE (no target is set, or it or the Module is being deleted);
/// STATUS_INVALID_HANDLE; STATUS_INSUFFICIENT_RESOURCES.
/// Misuse: on the thread that is to end the Request, in a stream's callback for example
/// (STATUS_INVALID_DEVICE_STATE). Any
/// other thread. Source: Dmf_ContinuousRequestTarget.md, SendSynchronously.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_SendSynchronously")]
pub unsafe extern "C" fn send_synchronously(
    dmf_module: DMFMODULE,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    bytes_written: *mut usize,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_SendSynchronously", dmf_module, || {
        // SAFETY: the caller's pointer, or NULL.
        unsafe { put(bytes_written, 0) };
        let outcome = with(dmf_module, |module| {
            // SAFETY: the spans are used until this returns.
            let (input, output) = unsafe {
                (
                    span(request_buffer, request_length, "RequestBuffer is NULL")?,
                    span(response_buffer, response_length, "ResponseBuffer is NULL")?,
                )
            };
            let operation = operation(request_type, request_ioctl)?;
            let timeout = Duration::from_millis(u64::from(request_timeout_milliseconds));
            module.send_synchronously(Sent { operation, input, output }, timeout)
        })?;
        if !outcome.status.is_success() {
            return Err(Error::new(outcome.status, "the target ended the Request with a failure"));
        }
        // SAFETY: the caller's pointer, or NULL.
        unsafe { put(bytes_written, outcome.information) };
        Ok(())
    })
}

/// The Client's completion callback of a single Request.
struct SendCallback {
    callback:
        unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID, usize, *mut VOID, usize, NTSTATUS),
    context: usize,
}

impl Completion for SendCallback {
    fn completed(&self, module: Handle, sent: Sent, outcome: Outcome) {
        let (input, output) = (sent.input.address(), sent.output.address());
        let nothing = (std::ptr::null_mut(), 0);
        let (written, read) = match sent.operation {
            Operation::Read => (nothing, (output, outcome.information)),
            Operation::Write => ((input, outcome.information), nothing),
            Operation::Ioctl(_) | Operation::InternalIoctl(_) => {
                ((input, sent.input.len()), (output, outcome.information))
            }
        };
        // SAFETY: the program vouches for its callback; its buffers are its own again.
        unsafe {
            (self.callback)(
                module.to_c(),
                std::ptr::with_exposed_provenance_mut(self.context),
                written.0.cast(),
                written.1,
                read.0.cast(),
                read.1,
                outcome.status.0,
            );
        }
    }
}

/// A single Request as C describes it.
struct Single {
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    ioctl: ULONG,
    timeout_milliseconds: ULONG,
    passive: bool,
    callback: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    context: *mut VOID,
}

/// # Safety
/// The buffers and the callback are the caller's until the Request's completion.
unsafe fn send_single(
    module: DMFMODULE,
    single: Single,
    cookie: Option<usize>,
    tell_id: impl FnOnce(usize),
) -> Result<(), Error> {
    with(module, |target| {
        // SAFETY: by the contract of this function.
        let (input, output) = unsafe {
            (
                span(single.request_buffer, single.request_length, "RequestBuffer is NULL")?,
                span(single.response_buffer, single.response_length, "ResponseBuffer is NULL")?,
            )
        };
        let operation = operation(single.request_type, single.ioctl)?;
        let completion: Option<Box<dyn Completion>> = match single.callback {
            Some(callback) => {
                let context = single.context.expose_provenance();
                Some(try_box(SendCallback { callback, context })?)
            }
            None => None,
        };
        let timeout = Duration::from_millis(u64::from(single.timeout_milliseconds));
        let manner = Manner { timeout, passive: single.passive, cookie };
        target.send(Sent { operation, input, output }, manner, completion, tell_id)
    })
}

/// Sends one Request without waiting for its end.
///
/// Parameters: RequestBuffer: RequestLength bytes to send, may be NULL if that is 0; ResponseBuffer:
/// ResponseLength bytes to receive into, may be NULL if that is 0; both are used in place until the callback;
/// RequestTimeoutMilliseconds: 0 for ever; EvtContinuousRequestTargetSingleAsynchronousRequest: called
/// exactly once if the Request was sent, may be NULL; SingleAsynchronousRequestClientContext: handed to it.
/// Returns whether the Request was sent: STATUS_SUCCESS; STATUS_INVALID_DEVICE_STATE (no target is set, or it or
/// the Module is being deleted);
/// STATUS_INVALID_PARAMETER (RequestType, or NULL with a length); STATUS_INVALID_BUFFER_SIZE (shorter than
/// the device's longest report); STATUS_INVALID_DEVICE_REQUEST; STATUS_DEVICE_NOT_CONNECTED;
/// STATUS_INVALID_HANDLE; STATUS_INSUFFICIENT_RESOURCES.
/// The callback runs on the thread that ends the Request (the target's, the one that cancels it, or the timer
/// thread), without a lock; with PassiveLevel on a passive thread. Its status is the Request's:
/// STATUS_IO_TIMEOUT after the time, STATUS_CANCELLED when the Module or the target is deleted. Any thread,
/// callbacks included. Source: Dmf_ContinuousRequestTarget.md, Send.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_Send")]
pub unsafe extern "C" fn send(
    dmf_module: DMFMODULE,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    evt_continuous_request_target_single_asynchronous_request: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    single_asynchronous_request_client_context: *mut VOID,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_Send", dmf_module, || {
        let single = Single {
            request_buffer,
            request_length,
            response_buffer,
            response_length,
            request_type,
            ioctl: request_ioctl,
            timeout_milliseconds: request_timeout_milliseconds,
            passive: false,
            callback: evt_continuous_request_target_single_asynchronous_request,
            context: single_asynchronous_request_client_context,
        };
        // SAFETY: the caller's buffers and callback.
        unsafe { send_single(dmf_module, single, None, |_| ()) }
    })
}

const COMPLETION_DEFAULT: ContinuousRequestTarget_CompletionOptions_INT = 0;
const COMPLETION_PASSIVE: ContinuousRequestTarget_CompletionOptions_INT = 1;

/// As DMF_ContinuousRequestTarget_Send, and says where the callback runs.
///
/// Parameters: CompletionOption: Default: the thread that ends the Request; Passive: a passive thread, where it may
/// block.
/// Returns as DMF_ContinuousRequestTarget_Send; STATUS_INVALID_PARAMETER also for another CompletionOption.
/// Any thread. Source: Dmf_ContinuousRequestTarget.md, SendEx.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_SendEx")]
pub unsafe extern "C" fn send_ex(
    dmf_module: DMFMODULE,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    completion_option: ContinuousRequestTarget_CompletionOptions_INT,
    evt_continuous_request_target_single_asynchronous_request: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    single_asynchronous_request_client_context: *mut VOID,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_SendEx", dmf_module, || {
        let handle = Handle::from_c(dmf_module);
        let passive = match completion_option {
            COMPLETION_DEFAULT => false,
            COMPLETION_PASSIVE => true,
            _ => {
                // A handle that is none speaks first.
                table::enter(handle, |_: &ContinuousRequestTarget| Ok(()))?;
                return Err(Error::new(Status::INVALID_PARAMETER, "CompletionOption is invalid"));
            }
        };
        let single = Single {
            request_buffer,
            request_length,
            response_buffer,
            response_length,
            request_type,
            ioctl: request_ioctl,
            timeout_milliseconds: request_timeout_milliseconds,
            passive,
            callback: evt_continuous_request_target_single_asynchronous_request,
            context: single_asynchronous_request_client_context,
        };
        // SAFETY: the caller's buffers and callback.
        unsafe { send_single(dmf_module, single, None, |_| ()) }
    })
}

/// DMF_ContinuousRequestTarget_SendEx of the later API (DMF_API_LEVEL 2025): as
/// DMF_ContinuousRequestTarget_Send, with an id to cancel by.
///
/// Parameters: DmfRequestIdCancel: gets the id before the callback can run, may be NULL.
/// Returns as DMF_ContinuousRequestTarget_Send. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_SendEx_2025")]
pub unsafe extern "C" fn send_ex_2025(
    dmf_module: DMFMODULE,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    evt_continuous_request_target_single_asynchronous_request: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    single_asynchronous_request_client_context: *mut VOID,
    dmf_request_id_cancel: *mut RequestTarget_DmfRequestCancel,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_SendEx_2025", dmf_module, || {
        let single = Single {
            request_buffer,
            request_length,
            response_buffer,
            response_length,
            request_type,
            ioctl: request_ioctl,
            timeout_milliseconds: request_timeout_milliseconds,
            passive: false,
            callback: evt_continuous_request_target_single_asynchronous_request,
            context: single_asynchronous_request_client_context,
        };
        // SAFETY: the caller's buffers, callback and pointer.
        unsafe {
            send_single(dmf_module, single, None, |id| {
                put(dmf_request_id_cancel, std::ptr::without_provenance_mut(id));
            })
        }
    })
}

/// Cancels a single Request.
///
/// Parameters: DmfRequestIdCancel: the id that sending it gave.
/// Returns TRUE if the cancellation was delivered: the callback still comes, with STATUS_CANCELLED; FALSE if
/// the id is unknown or the Request has ended. Never waits for the device. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_Cancel")]
pub unsafe extern "C" fn cancel(
    dmf_module: DMFMODULE,
    dmf_request_id_cancel: RequestTarget_DmfRequestCancel,
) -> BOOLEAN {
    value(c"DMF_ContinuousRequestTarget_Cancel", dmf_module, || {
        with(dmf_module, |target| Ok(BOOLEAN::from(target.cancel(dmf_request_id_cancel.addr()))))
    })
}

/// Makes a Request that can be sent again and again.
///
/// Parameters: DmfRequestIdReuse: gets its id.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE;
/// STATUS_INSUFFICIENT_RESOURCES.
/// Memory: freed with DMF_ContinuousRequestTarget_ReuseDelete, or with the Module. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_ReuseCreate")]
pub unsafe extern "C" fn reuse_create(
    dmf_module: DMFMODULE,
    dmf_request_id_reuse: *mut RequestTarget_DmfRequestReuse,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_ReuseCreate", dmf_module, || {
        with(dmf_module, |target| {
            not_null(dmf_request_id_reuse, "DmfRequestIdReuse is NULL")?;
            let id = target.reuse_create()?;
            // SAFETY: the caller's pointer, not NULL.
            unsafe { put(dmf_request_id_reuse, std::ptr::without_provenance_mut(id)) };
            Ok(())
        })
    })
}

/// Deletes a Request that DMF_ContinuousRequestTarget_ReuseCreate made.
///
/// Returns TRUE; FALSE if the id is unknown or the Request is being sent. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_ReuseDelete")]
pub unsafe extern "C" fn reuse_delete(
    dmf_module: DMFMODULE,
    dmf_request_id_reuse: RequestTarget_DmfRequestReuse,
) -> BOOLEAN {
    value(c"DMF_ContinuousRequestTarget_ReuseDelete", dmf_module, || {
        with(dmf_module, |target| {
            Ok(BOOLEAN::from(target.reuse_delete(dmf_request_id_reuse.addr())))
        })
    })
}

/// As DMF_ContinuousRequestTarget_Send, with a Request that DMF_ContinuousRequestTarget_ReuseCreate made.
///
/// Parameters: DmfRequestIdReuse: its id; DmfRequestIdCancel: gets an id to cancel by before the callback can
/// run, may be NULL.
/// Returns as DMF_ContinuousRequestTarget_Send; STATUS_OBJECTID_NOT_FOUND (unknown, or being sent). The
/// callback may send it again. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_ReuseSend")]
pub unsafe extern "C" fn reuse_send(
    dmf_module: DMFMODULE,
    dmf_request_id_reuse: RequestTarget_DmfRequestReuse,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    evt_continuous_request_target_single_asynchronous_request: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    single_asynchronous_request_client_context: *mut VOID,
    dmf_request_id_cancel: *mut RequestTarget_DmfRequestCancel,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_ReuseSend", dmf_module, || {
        let single = Single {
            request_buffer,
            request_length,
            response_buffer,
            response_length,
            request_type,
            ioctl: request_ioctl,
            timeout_milliseconds: request_timeout_milliseconds,
            passive: false,
            callback: evt_continuous_request_target_single_asynchronous_request,
            context: single_asynchronous_request_client_context,
        };
        let cookie = Some(dmf_request_id_reuse.addr());
        // SAFETY: the caller's buffers, callback and pointer.
        unsafe {
            send_single(dmf_module, single, cookie, |id| {
                put(dmf_request_id_cancel, std::ptr::without_provenance_mut(id));
            })
        }
    })
}
