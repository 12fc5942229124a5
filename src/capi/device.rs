//! WDFDEVICE: the root that a program hangs its objects on.

use super::boundary::{not_null, put, status};
use super::object::Attributes;
use super::types::*;
use crate::framework::handle::Kind;
use crate::framework::table::Object;

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
    status(c"DMF_Device_Create", std::ptr::null_mut::<VOID>(), || {
        not_null(device, "Device is NULL")?;
        // SAFETY: the caller's pointers; `device` is not NULL.
        let attributes = unsafe {
            put(device, std::ptr::null_mut());
            Attributes::read(object_attributes, None)?
        };
        let handle = attributes.reserve(Kind::Device)?.open(Device)?;
        // SAFETY: as above.
        unsafe { put(device, handle.to_c()) };
        Ok(())
    })
}
