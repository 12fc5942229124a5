//! WDFIOTARGET: what receives Requests; replay targets and what all targets have.

#![allow(non_camel_case_types)]

use super::boundary::{not_null, put, status, text};
use super::object::device_of;
use super::types::*;
use crate::framework::frames::{self, Activity};
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::try_box;
use crate::framework::status::{Error, Status};
use crate::framework::table;
use crate::framework::tree::{self, Choices};
use crate::io::client::{self, Implementation};
use crate::io::replay::{self, Pace};
use crate::io::request::{Claim, Operation, Outcome};
use crate::io::target::{Removal, Target};
use std::ffi::c_char;
use std::path::Path;

/// How a recording is played.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_REPLAY_PARAMS {
    /// sizeof(DMF_REPLAY_PARAMS).
    pub size: ULONG,
    /// 1 as recorded, 2 twice as fast; 0 as fast as reports are asked for.
    pub speed: f64,
    /// How many times; 0 for ever.
    pub repeat: ULONG,
}

/// What a target has counted since it was opened.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_IO_TARGET_STATISTICS {
    /// sizeof(DMF_IO_TARGET_STATISTICS), set by the caller.
    pub size: ULONG,
    /// Requests that ended with success.
    pub requests_completed: ULONGLONG,
    /// Requests that ended with a failure other than cancellation.
    pub requests_failed: ULONGLONG,
    /// Requests that ended with STATUS_CANCELLED.
    pub requests_canceled: ULONGLONG,
    /// Bytes that came from the target: read, and the output of control codes.
    pub bytes_in: ULONGLONG,
    /// Bytes that went to the target: written, and the input of control codes that it answered with success.
    pub bytes_out: ULONGLONG,
    /// Reports that this library dropped, since nobody asked for them in time.
    pub reports_dropped: ULONGLONG,
    /// Times that the system may have dropped reports.
    pub overruns_suspected: ULONGLONG,
}

/// Makes a target as an object below the device, which is looked at before anything is opened.
pub fn register(
    device: WDFDEVICE,
    open: impl FnOnce(Handle) -> Result<Target, Error>,
) -> Result<Handle, Error> {
    let choices = Choices { parent: device_of(device)?, ..Choices::default() };
    let draft = tree::reserve(Kind::IoTarget, choices)?;
    let target = open(draft.handle())?;
    draft.open(target)
}

/// Opens a recording in hid-recorder's format as a target that answers reads and
/// IOCTL_HID_GET_REPORT_DESCRIPTOR. Reports have their ID byte first (0 for devices without IDs). While
/// nobody reads it stands still. At the end pending and later reads end with
/// STATUS_DEVICE_NOT_CONNECTED.
///
/// Parameters: Device: parent, may be NULL; Path: UTF-8; Params: NULL for Speed 1, Repeat 1; Target: gets
/// the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND (no such file); STATUS_ACCESS_DENIED;
/// STATUS_INVALID_PARAMETER (not a recording: DMF_LastErrorMessageGet names the line; Params);
/// STATUS_INVALID_HANDLE (Device); STATUS_DELETE_PENDING; STATUS_INSUFFICIENT_RESOURCES.
/// Memory: the file is read now. WdfObjectDelete closes the target. Any thread.
#[unsafe(export_name = "DMF_IoTarget_ReplayOpen")]
pub unsafe extern "C" fn replay_open(
    device: WDFDEVICE,
    path: *const c_char,
    params: *const DMF_REPLAY_PARAMS,
    target: *mut WDFIOTARGET,
) -> NTSTATUS {
    // SAFETY: the caller's pointer.
    unsafe { put(target, std::ptr::null_mut()) };
    status(c"DMF_IoTarget_ReplayOpen", device, || {
        not_null(target, "Target is NULL")?;
        // SAFETY: the caller's pointers.
        let (path, pace) = unsafe {
            not_null(path, "Path is NULL")?;
            (text(path), pace(params)?)
        };
        let path = path.and_then(|path| path.to_str().ok());
        let path = path.ok_or(Error::new(Status::INVALID_PARAMETER, "Path is not UTF-8"))?;
        let handle = register(device, |_| replay::open(Path::new(path), pace))?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(target, handle.to_c()) };
        Ok(())
    })
}

/// # Safety
/// `params` is NULL or the caller's own.
unsafe fn pace(params: *const DMF_REPLAY_PARAMS) -> Result<Pace, Error> {
    if params.is_null() {
        return Ok(Pace { speed: 1.0, repeat: 1 });
    }
    // SAFETY: not NULL; the size is compared before anything else is looked at.
    let size = unsafe { (&raw const (*params).size).read_unaligned() };
    if size as usize != size_of::<DMF_REPLAY_PARAMS>() {
        return Err(Error::misuse(Status::INVALID_PARAMETER, "Params.Size is not its size"));
    }
    // SAFETY: not NULL, and of the right size.
    let params = unsafe { params.read_unaligned() };
    Ok(Pace { speed: params.speed, repeat: params.repeat })
}

/// What the target has counted.
///
/// Parameters: Statistics: Size set by the caller.
/// Returns STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE (being deleted);
/// STATUS_INVALID_PARAMETER (NULL, or Size). Any thread, callbacks included.
#[unsafe(export_name = "DMF_IoTarget_StatisticsGet")]
pub unsafe extern "C" fn statistics_get(
    target: WDFIOTARGET,
    statistics: *mut DMF_IO_TARGET_STATISTICS,
) -> NTSTATUS {
    status(c"DMF_IoTarget_StatisticsGet", target, || {
        let filled = table::enter(Handle::from_c(target), |target: &Target| {
            let counted = target.core.statistics.counted();
            Ok(DMF_IO_TARGET_STATISTICS {
                size: size_of::<DMF_IO_TARGET_STATISTICS>() as ULONG,
                requests_completed: counted.completed,
                requests_failed: counted.failed,
                requests_canceled: counted.canceled,
                bytes_in: counted.bytes_in,
                bytes_out: counted.bytes_out,
                reports_dropped: counted.dropped,
                overruns_suspected: counted.overruns,
            })
        })?;
        not_null(statistics, "Statistics is NULL")?;
        // SAFETY: not NULL; the size is compared before anything is written.
        let size = unsafe { (&raw const (*statistics).size).read_unaligned() };
        if size != filled.size {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "Statistics.Size is not its size",
            ));
        }
        // SAFETY: not NULL, and of the right size.
        unsafe { put(statistics, filled) };
        Ok(())
    })
}

/// The program's removal callback.
struct OnRemoval {
    callback: unsafe extern "C" fn(WDFIOTARGET, *mut VOID),
    target: Handle,
    context: usize,
}

impl Removal for OnRemoval {
    fn removed(&self) {
        frames::within(self.target, Activity::Callback, || {
            // SAFETY: the program vouches for its callback.
            unsafe {
                (self.callback)(
                    self.target.to_c(),
                    std::ptr::with_exposed_provenance_mut(self.context),
                );
            }
        });
    }
}

/// Sets a callback that is called once when the target's device is gone: after the last report was delivered
/// and every pending Request has ended with STATUS_DEVICE_NOT_CONNECTED; where that is told on passive threads, after
/// those callbacks have returned. A target that is deleted before has none to tell. NULL takes it back.
///
/// It runs on the thread that serves the target, without a lock, or on the calling thread at once if the device
/// is known to be gone. A HID device is watched whether somebody reads it or not (with DMF_HID_WAIT=slices, and
/// where the library cannot wait for descriptors, only while somebody reads). Deleting the target inside is legal.
/// Returns STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE (being deleted);
/// STATUS_INSUFFICIENT_RESOURCES. Any thread.
#[unsafe(export_name = "DMF_IoTarget_RemovalCallbackSet")]
pub unsafe extern "C" fn removal_callback_set(
    target: WDFIOTARGET,
    evt_removal: PEVT_DMF_IoTarget_Removal,
    context: *mut VOID,
) -> NTSTATUS {
    status(c"DMF_IoTarget_RemovalCallbackSet", target, || {
        let handle = Handle::from_c(target);
        table::enter(handle, |target: &Target| {
            let removal: Option<Box<dyn Removal>> = match evt_removal {
                Some(callback) => {
                    let context = context.expose_provenance();
                    Some(try_box(OnRemoval { callback, target: handle, context })?)
                }
                None => None,
            };
            target.core.set_removal(removal);
            Ok(())
        })
    })
}

/// A target that the program implements.
struct Callback {
    callback: unsafe extern "C" fn(
        WDFIOTARGET,
        WDFREQUEST,
        ContinuousRequestTarget_RequestType_INT,
        ULONG,
        *mut VOID,
        usize,
        *mut VOID,
        usize,
        *mut ULONG_PTR,
        *mut VOID,
    ) -> NTSTATUS,
    target: Handle,
    context: usize,
}

impl Implementation for Callback {
    fn perform(&self, claim: &Claim) -> Option<Outcome> {
        let (request_type, ioctl) = match claim.operation {
            Operation::InternalIoctl(code) => (1, code),
            Operation::Ioctl(code) => (2, code),
            Operation::Read => (3, 0),
            Operation::Write => (4, 0),
        };
        let mut information = 0;
        // SAFETY: the program vouches for its callback; the Request's buffers are its until it completes
        // the Request.
        let status = unsafe {
            (self.callback)(
                self.target.to_c(),
                claim.request.handle.to_c(),
                request_type,
                ioctl,
                claim.input.address().cast(),
                claim.input.len(),
                claim.output.address().cast(),
                claim.output.len(),
                &mut information,
                std::ptr::with_exposed_provenance_mut(self.context),
            )
        };
        client::outcome(Status(status), information)
    }
}

/// Makes a target that the program itself implements.
///
/// Parameters: Device: parent, may be NULL; EvtRequest: called for each Request, one after the other, on the
/// target's own thread: it returns the Request's status with Information set, or STATUS_PENDING to keep it and
/// complete it later, from any thread, with WdfRequestCompleteWithInformation. Context: handed to it. Target:
/// gets the handle, NULL on failure.
/// Cancellation: WdfRequestMarkCancelable says how to cancel a Request that is kept. One that is kept without it
/// ends for its sender at once when it is canceled, and its buffers must not be touched any more; a stream's
/// buffers stay reserved until the target completes the Request all the same.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (EvtRequest or Target is NULL); STATUS_INVALID_HANDLE
/// (Device); STATUS_DELETE_PENDING; STATUS_INSUFFICIENT_RESOURCES.
/// Memory: WdfObjectDelete closes the target: what it has ends with STATUS_CANCELLED. Any thread.
#[unsafe(export_name = "DMF_IoTarget_ClientCreate")]
pub unsafe extern "C" fn client_create(
    device: WDFDEVICE,
    evt_request: PEVT_DMF_IoTarget_Request,
    context: *mut VOID,
    target: *mut WDFIOTARGET,
) -> NTSTATUS {
    // SAFETY: the caller's pointer.
    unsafe { put(target, std::ptr::null_mut()) };
    status(c"DMF_IoTarget_ClientCreate", device, || {
        not_null(target, "Target is NULL")?;
        let Some(callback) = evt_request else {
            return Err(Error::misuse(Status::INVALID_PARAMETER, "EvtRequest is NULL"));
        };
        let context = context.expose_provenance();
        let handle = register(device, |handle| {
            client::create(handle, try_box(Callback { callback, target: handle, context })?)
        })?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(target, handle.to_c()) };
        Ok(())
    })
}
