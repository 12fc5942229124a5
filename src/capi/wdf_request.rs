//! WDFREQUEST as whoever works on one uses it.

use super::boundary::{not_null, put, status, value};
use super::types::*;
use crate::framework::handle::Handle;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::table::Ref;
use crate::io::request::Request;
use std::ffi::CStr;

fn of(request: WDFREQUEST) -> Ref<Request> {
    Ref::new(Handle::from_c(request))
}

fn retrieve(
    method: &'static CStr,
    request: WDFREQUEST,
    minimum: usize,
    which: fn(&Request) -> Span,
    buffer: *mut PVOID,
    length: *mut usize,
) -> NTSTATUS {
    status(method, request, || {
        drop(of(request).lock()?);
        not_null(buffer, "Buffer is NULL")?;
        // SAFETY: the caller's pointers; Length may be NULL.
        unsafe {
            put(buffer, std::ptr::null_mut());
            put(length, 0);
        }
        let span = of(request).span(which, minimum)?;
        // SAFETY: as above.
        unsafe {
            put(buffer, span.address().cast());
            put(length, span.len());
        }
        Ok(())
    })
}

/// The Request's input buffer.
///
/// Parameters: MinimumRequiredLength: bytes it must have; Buffer: gets its address; Length: gets its bytes, may
/// be NULL.
/// Returns STATUS_SUCCESS; STATUS_BUFFER_TOO_SMALL (shorter, or there is none); STATUS_INVALID_DEVICE_STATE
/// (completed); STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE.
/// Memory: valid until the Request is completed. Any thread.
#[unsafe(export_name = "WdfRequestRetrieveInputBuffer")]
pub unsafe extern "C" fn retrieve_input_buffer(
    request: WDFREQUEST,
    minimum_required_length: usize,
    buffer: *mut PVOID,
    length: *mut usize,
) -> NTSTATUS {
    const METHOD: &CStr = c"WdfRequestRetrieveInputBuffer";
    retrieve(METHOD, request, minimum_required_length, |request| request.input, buffer, length)
}

/// The Request's output buffer; see WdfRequestRetrieveInputBuffer.
#[unsafe(export_name = "WdfRequestRetrieveOutputBuffer")]
pub unsafe extern "C" fn retrieve_output_buffer(
    request: WDFREQUEST,
    minimum_required_size: usize,
    buffer: *mut PVOID,
    length: *mut usize,
) -> NTSTATUS {
    const METHOD: &CStr = c"WdfRequestRetrieveOutputBuffer";
    retrieve(METHOD, request, minimum_required_size, |request| request.output, buffer, length)
}

/// Completes a Request, with the information that was set.
///
/// Whoever has the Request may complete it, from any thread: its creator before it is submitted or after a Module
/// refused it, a Module's Client or a target while it is with them. The completion callback runs before this
/// returns. Misuse, and nothing happens: a Request that is completed already, or waits in a queue of the
/// library.
#[unsafe(export_name = "WdfRequestComplete")]
pub unsafe extern "C" fn complete(request: WDFREQUEST, status: NTSTATUS) {
    value(c"WdfRequestComplete", request, || of(request).complete(Status(status), None))
}

/// As WdfRequestComplete, and sets the information: bytes transferred, by convention.
#[unsafe(export_name = "WdfRequestCompleteWithInformation")]
pub unsafe extern "C" fn complete_with_information(
    request: WDFREQUEST,
    status: NTSTATUS,
    information: ULONG_PTR,
) {
    value(c"WdfRequestCompleteWithInformation", request, || {
        of(request).complete(Status(status), Some(information))
    })
}

/// Sets the information that the Request is completed with. Misuse, and nothing changes: it is completed already
/// (STATUS_INVALID_DEVICE_STATE). Any thread.
#[unsafe(export_name = "WdfRequestSetInformation")]
pub unsafe extern "C" fn set_information(request: WDFREQUEST, information: ULONG_PTR) {
    value(c"WdfRequestSetInformation", request, || of(request).set_information(information))
}

/// The information of the Request; 0 before it is set. Any thread.
#[unsafe(export_name = "WdfRequestGetInformation")]
pub unsafe extern "C" fn get_information(request: WDFREQUEST) -> ULONG_PTR {
    value(c"WdfRequestGetInformation", request, || Ok(of(request).lock()?.information))
}

/// The status that the Request was completed with, STATUS_PENDING before; STATUS_INVALID_HANDLE if it is no
/// Request; STATUS_INVALID_DEVICE_STATE if it was deleted in the callback that runs. Any thread.
#[unsafe(export_name = "WdfRequestGetStatus")]
pub unsafe extern "C" fn get_status(request: WDFREQUEST) -> NTSTATUS {
    let mut answer = Status::PENDING.0;
    let asked = status(c"WdfRequestGetStatus", request, || {
        answer = of(request).status()?.0;
        Ok(())
    });
    if asked == Status::SUCCESS.0 { answer } else { asked }
}

/// Whether the Request was canceled, has timed out, or lost its device. Any thread.
#[unsafe(export_name = "WdfRequestIsCanceled")]
pub unsafe extern "C" fn is_canceled(request: WDFREQUEST) -> BOOLEAN {
    value(c"WdfRequestIsCanceled", request, || Ok(BOOLEAN::from(of(request).is_canceled()?)))
}

/// Calls the program's cancel routine.
fn call(routine: usize, request: Handle) {
    // SAFETY: `routine_of` stored such a callback, and the program vouches for it.
    unsafe {
        let routine = std::mem::transmute::<*const (), unsafe extern "C" fn(WDFREQUEST)>(
            std::ptr::with_exposed_provenance(routine),
        );
        routine(request.to_c());
    }
}

fn routine_of(routine: PFN_WDF_REQUEST_CANCEL) -> Result<usize, Error> {
    match routine {
        Some(routine) => Ok((routine as *const ()).expose_provenance()),
        None => Err(Error::misuse(Status::INVALID_PARAMETER, "EvtRequestCancel is NULL")),
    }
}

/// Says how a Request that the caller has can be canceled: EvtRequestCancel is called, without a lock, on the
/// thread that cancels, and must complete the Request. If it is canceled already the routine is called at
/// once. Misuse: a Request that the caller does not have, or that was not submitted to anybody. Any thread.
#[unsafe(export_name = "WdfRequestMarkCancelable")]
pub unsafe extern "C" fn mark_cancelable(
    request: WDFREQUEST,
    evt_request_cancel: PFN_WDF_REQUEST_CANCEL,
) {
    value(c"WdfRequestMarkCancelable", request, || {
        drop(of(request).lock()?);
        of(request).mark(call, routine_of(evt_request_cancel)?)
    })
}

/// As WdfRequestMarkCancelable, but a Request that is canceled already stays with the caller.
///
/// Returns STATUS_SUCCESS; STATUS_CANCELLED (the routine is not called; the caller completes the Request);
/// STATUS_INVALID_DEVICE_REQUEST (misuse: the caller does not have the Request, or it was not submitted);
/// STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE. Any thread.
#[unsafe(export_name = "WdfRequestMarkCancelableEx")]
pub unsafe extern "C" fn mark_cancelable_ex(
    request: WDFREQUEST,
    evt_request_cancel: PFN_WDF_REQUEST_CANCEL,
) -> NTSTATUS {
    status(c"WdfRequestMarkCancelableEx", request, || {
        drop(of(request).lock()?);
        of(request).mark_ex(call, routine_of(evt_request_cancel)?)
    })
}

/// Takes the cancel routine back, before the Request is completed.
///
/// Returns STATUS_SUCCESS (the routine was not called and will not be); STATUS_CANCELLED (it was, and completes the
/// Request); STATUS_INVALID_DEVICE_REQUEST (the Request is not marked: misuse); STATUS_INVALID_HANDLE. Any
/// thread.
#[unsafe(export_name = "WdfRequestUnmarkCancelable")]
pub unsafe extern "C" fn unmark_cancelable(request: WDFREQUEST) -> NTSTATUS {
    status(c"WdfRequestUnmarkCancelable", request, || of(request).unmark())
}
