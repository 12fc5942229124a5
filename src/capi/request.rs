//! WDFREQUEST as the program makes it. BEHAVIOUR, sections 5 and 9.

use super::boundary::{not_null, put, span, status, value};
use super::object::device_of;
use super::types::*;
use crate::framework::frames;
use crate::framework::handle::Handle;
use crate::framework::status::{Error, Status};
use crate::framework::table::Ref;
use crate::framework::tree::Choices;
use crate::io::request::{Completion, Operation, Outcome, Request};
use std::time::Duration;

/// Calls the program's completion callback.
fn call(callback: usize, context: usize, request: Handle, outcome: Outcome) {
    if callback == 0 {
        return;
    }
    // SAFETY: `create` stored such a callback, and the program vouches for it.
    unsafe {
        let callback = std::mem::transmute::<
            *const (),
            unsafe extern "C" fn(WDFREQUEST, NTSTATUS, ULONG_PTR, *mut VOID),
        >(std::ptr::with_exposed_provenance(callback));
        callback(
            request.to_c(),
            outcome.status.0,
            outcome.information,
            std::ptr::with_exposed_provenance_mut(context),
        );
    }
}

/// Makes a Request, to be submitted to a Method that takes one.
///
/// Parameters: Device: parent, may be NULL; InputBuffer, InputLength, OutputBuffer, OutputLength: used in place,
/// the caller's from the completion on; NULL if the length is 0; IoControlCode; EvtCompletion: called exactly
/// once, on the thread that ends the Request, without a lock; may be NULL; Context: handed to it; Request: gets
/// the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (NULL); STATUS_INVALID_HANDLE (Device);
/// STATUS_DELETE_PENDING; STATUS_INSUFFICIENT_RESOURCES.
/// Memory: the caller deletes the Request with WdfObjectDelete once it is completed, in its callback at the
/// earliest, or leaves it to the Device, whose deletion ends it with STATUS_CANCELLED. Who deletes it on another
/// thread waits with DMF_Request_Wait before: the status alone does not say that the callback has begun. Any thread.
#[unsafe(export_name = "DMF_Request_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    input_buffer: *mut VOID,
    input_length: usize,
    output_buffer: *mut VOID,
    output_length: usize,
    io_control_code: ULONG,
    evt_completion: PEVT_DMF_Request_Completion,
    context: *mut VOID,
    request: *mut WDFREQUEST,
) -> NTSTATUS {
    // SAFETY: the caller's pointer.
    unsafe { put(request, std::ptr::null_mut()) };
    status(c"DMF_Request_Create", device, || {
        not_null(request, "Request is NULL")?;
        // SAFETY: the caller's buffers are its word until the completion.
        let (input, output) = unsafe {
            (
                span(input_buffer, input_length, "InputBuffer is NULL")?,
                span(output_buffer, output_length, "OutputBuffer is NULL")?,
            )
        };
        let completion = Completion {
            call,
            callback: evt_completion
                .map_or(0, |callback| (callback as *const ()).expose_provenance()),
            context: context.expose_provenance(),
        };
        let choices = Choices { parent: device_of(device)?, ..Choices::default() };
        let operation = Operation::Ioctl(io_control_code);
        let made = Ref::<Request>::of_program(choices, completion, operation, input, output)?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(request, made.handle.to_c()) };
        Ok(())
    })
}

/// Cancels a Request. One that is not submitted yet is marked: its submission completes it with
/// STATUS_CANCELLED.
///
/// Returns TRUE if the cancellation was delivered; FALSE if the Request has ended, or is no Request. Never waits
/// for whoever has the Request. Any thread.
#[unsafe(export_name = "DMF_Request_Cancel")]
pub unsafe extern "C" fn cancel(request: WDFREQUEST) -> BOOLEAN {
    value(c"DMF_Request_Cancel", request, || {
        let request = Ref::<Request>::new(Handle::from_c(request));
        drop(request.lock()?);
        Ok(BOOLEAN::from(request.cancel(Status::CANCELLED)))
    })
}

/// Waits until a Request is completed and its completion callback has returned.
///
/// Parameters: TimeoutMilliseconds: 0 for ever; Status, Information: get how it ended; may be NULL.
/// Returns STATUS_SUCCESS; STATUS_IO_TIMEOUT (the Request stays pending); STATUS_INVALID_HANDLE (also when it is
/// deleted meanwhile); STATUS_INVALID_DEVICE_STATE (in the Request's own callback: misuse). Any thread but the
/// one that is to complete it.
#[unsafe(export_name = "DMF_Request_Wait")]
pub unsafe extern "C" fn wait(
    request: WDFREQUEST,
    timeout_milliseconds: ULONG,
    status: *mut NTSTATUS,
    information: *mut ULONG_PTR,
) -> NTSTATUS {
    super::boundary::status(c"DMF_Request_Wait", request, || {
        let timeout = Duration::from_millis(u64::from(timeout_milliseconds));
        let handle = Handle::from_c(request);
        if frames::in_callback_of(handle) {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "waiting in the Request's own callback would wait for itself",
            ));
        }
        let outcome = Ref::<Request>::new(handle).wait(timeout)?;
        // SAFETY: the caller's pointers, or NULL.
        unsafe {
            put(status, outcome.status.0);
            put(information, outcome.information);
        }
        Ok(())
    })
}
