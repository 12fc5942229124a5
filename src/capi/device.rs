//! WDFDEVICE: the root that a program hangs its objects on.

use super::boundary::{not_null, put, status};
use super::object::Attributes;
use super::types::*;
use crate::framework::handle::Handle;
use crate::framework::handle::Kind;
use crate::framework::status::Error;
use crate::framework::table::Object;
use crate::framework::tree::Existence;
use crate::framework::{table, tree};
use crate::modules::continuous_request_target::ContinuousRequestTarget;

/// A device has no function of its own; deleting it deletes its objects.
struct Device;

impl Object for Device {
    const KIND: Kind = Kind::Device;
}

/// Makes a device: the object that others have as their parent.
///
/// Parameters: ObjectAttributes: may be NULL; Device: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (Device is NULL, attributes not initialized);
/// STATUS_INVALID_HANDLE (the parent is none); STATUS_DELETE_PENDING (the parent is being deleted);
/// STATUS_INSUFFICIENT_RESOURCES.
/// Memory: the caller deletes it with WdfObjectDelete. Any thread.
#[unsafe(export_name = "DMF_Device_Create")]
pub unsafe extern "C" fn create(
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    device: *mut WDFDEVICE,
) -> NTSTATUS {
    // SAFETY: the caller's pointer.
    unsafe { put(device, std::ptr::null_mut()) };
    status(c"DMF_Device_Create", std::ptr::null_mut::<VOID>(), || {
        not_null(device, "Device is NULL")?;
        // SAFETY: the caller's pointer.
        let attributes = unsafe { Attributes::read(object_attributes, None)? };
        let handle = attributes.reserve(Kind::Device)?.open(Device)?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(device, handle.to_c()) };
        Ok(())
    })
}

/// Tells the Modules below a device, one after the other.
fn tell_streams(
    device: WDFDEVICE,
    tell: fn(&ContinuousRequestTarget) -> Result<(), Error>,
) -> Result<(), Error> {
    let device = Handle::from_c(device);
    // The device must be one, and open.
    drop(table::lock::<Device>(device)?);
    let mut first = Ok(());
    tree::for_each_below(device, Kind::ContinuousRequestTarget, |module| {
        let told = table::enter(module, tell);
        // Who was deleted meanwhile is not told, and nobody's mistake.
        let is_gone = !matches!(tree::state_of(module), Existence::Open);
        if first.is_ok() && !(told.is_err() && is_gone) {
            first = told;
        }
    })?;
    first
}

/// The program is about to sleep: streams of the device's Modules stop, as after
/// DMF_ContinuousRequestTarget_StopAndWait. With PurgeAndStartTargetInD0Callbacks the target first finishes
/// what it has begun, for five seconds at most; with CancelAndResendRequestInD0Callbacks, and without
/// either, its Requests are canceled.
///
/// Returns STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE (being deleted). From inside a
/// stream's own callback that stream is stopped without waiting. Any thread.
#[unsafe(export_name = "DMF_Device_D0Exit")]
pub unsafe extern "C" fn d0_exit(device: WDFDEVICE) -> NTSTATUS {
    status(c"DMF_Device_D0Exit", device, || {
        tell_streams(device, |module| {
            module.sleep();
            Ok(())
        })
    })
}

/// The program has woken: streams that DMF_Device_D0Exit stopped start again.
///
/// Returns STATUS_SUCCESS; the first stream's status that could not start (the others are started);
/// STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE (being deleted). Any thread.
#[unsafe(export_name = "DMF_Device_D0Entry")]
pub unsafe extern "C" fn d0_entry(device: WDFDEVICE) -> NTSTATUS {
    status(c"DMF_Device_D0Entry", device, || tell_streams(device, ContinuousRequestTarget::wake))
}
