//! HID devices: enumerating and opening them.

#![allow(non_camel_case_types)]

use super::boundary::{not_null, put, status, text, value};
use super::io_target::register;
use super::object::device_of;
use super::types::*;
use crate::framework::frames::{self, Activity};
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::try_box;
use crate::framework::status::{Error, Status, fail};
use crate::framework::tree::{self, Choices};
use crate::framework::{deletion, table};
use crate::io::hid::{self, Selector};
use crate::io::hid_watch::{Watch, Watcher};
use hidapi::DeviceInfo;
use std::ffi::{CString, c_char};
use std::time::Duration;

/// Which device to open; NULL and 0 stand for any. Text is UTF-8.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_HID_OPEN_PARAMS {
    /// sizeof(DMF_HID_OPEN_PARAMS).
    pub size: ULONG,
    /// Such as "/dev/hidraw0".
    pub path: *const c_char,
    /// USB vendor ID.
    pub vendor_id: USHORT,
    /// USB product ID.
    pub product_id: USHORT,
    /// Serial number.
    pub serial_number: *const c_char,
    /// Usage page of a top-level collection.
    pub usage_page: USHORT,
    /// Usage of a top-level collection.
    pub usage: USHORT,
    /// How long to wait for such a device, and for the permission to open it.
    pub wait_milliseconds: ULONG,
}

/// Parameters that any device satisfies, without waiting.
#[unsafe(export_name = "DMF_HID_OPEN_PARAMS_INIT")]
pub unsafe extern "C" fn params_init(params: *mut DMF_HID_OPEN_PARAMS) {
    value(c"DMF_HID_OPEN_PARAMS_INIT", params, || {
        not_null(params, "Params is NULL")?;
        let fresh = DMF_HID_OPEN_PARAMS {
            size: size_of::<DMF_HID_OPEN_PARAMS>() as ULONG,
            path: std::ptr::null(),
            vendor_id: 0,
            product_id: 0,
            serial_number: std::ptr::null(),
            usage_page: 0,
            usage: 0,
            wait_milliseconds: 0,
        };
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(params, fresh) };
        Ok(())
    })
}

/// Opens the first HID device that matches, as a target. The first byte of every report is its ID (0
/// for devices without IDs). Reports that come while no stream is started and no read is pending are
/// forgotten; a read that is sent in the callback of another one misses none, unless that is a passive
/// thread's or another thread has sent one meanwhile.
///
/// Parameters: Device: parent, may be NULL; Params; Target: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND (no such path); STATUS_NO_SUCH_DEVICE (no device
/// matches); STATUS_ACCESS_DENIED; STATUS_INVALID_PARAMETER (Params; not a HID device);
/// STATUS_INVALID_HANDLE (Device); STATUS_DELETE_PENDING; STATUS_DEVICE_NOT_CONNECTED (it went away
/// meanwhile); STATUS_UNSUCCESSFUL (the system refuses for another reason);
/// STATUS_INSUFFICIENT_RESOURCES. DMF_LastErrorMessageGet says what to do.
/// Memory: WdfObjectDelete closes the target. Any thread.
#[unsafe(export_name = "DMF_IoTarget_HidOpen")]
pub unsafe extern "C" fn open(
    device: WDFDEVICE,
    params: *const DMF_HID_OPEN_PARAMS,
    target: *mut WDFIOTARGET,
) -> NTSTATUS {
    // SAFETY: the caller's pointer.
    unsafe { put(target, std::ptr::null_mut()) };
    status(c"DMF_IoTarget_HidOpen", device, || {
        not_null(target, "Target is NULL")?;
        // SAFETY: the caller's pointer and texts.
        let (selector, wait_milliseconds) = unsafe { selector(params, "Params is NULL")? };
        let wait = Duration::from_millis(u64::from(wait_milliseconds));
        let handle = register(device, |_| hid::open(selector, wait))?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(target, handle.to_c()) };
        Ok(())
    })
}

/// Calls EvtDevice for each HID device of the system until it returns FALSE.
///
/// Parameters: EvtDevice: gets what is known of the device, valid during the call, texts in UTF-8 and ""
/// if unknown; Context: handed to it.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (EvtDevice is NULL); STATUS_UNSUCCESSFUL (the system
/// does not tell its devices). Any thread; the callback runs on the calling thread without a lock.
#[unsafe(export_name = "DMF_Hid_Enumerate")]
pub unsafe extern "C" fn enumerate(
    evt_device: PEVT_DMF_Hid_Enumeration,
    context: *mut VOID,
) -> NTSTATUS {
    status(c"DMF_Hid_Enumerate", std::ptr::null_mut::<VOID>(), || {
        let Some(callback) = evt_device else {
            return Err(Error::misuse(Status::INVALID_PARAMETER, "EvtDevice is NULL"));
        };
        hid::enumerate(|device| {
            with_information(device, |information| {
                // SAFETY: the program vouches for its callback; the information lives during the call.
                let go_on = frames::within(Handle::NULL, Activity::Method, || unsafe {
                    callback(information, context)
                });
                go_on != 0
            })
        })
        .map_err(cannot_list)
    })
}

fn cannot_list(error: Error) -> Error {
    match error.status {
        Status::INTERNAL_ERROR | Status::INSUFFICIENT_RESOURCES => error,
        _ => fail!(UNSUCCESSFUL, "the HID devices of the system cannot be listed"),
    }
}

/// Calls `with` on what C is told of a device.
fn with_information<R>(
    device: &DeviceInfo,
    with: impl FnOnce(&DMF_HID_DEVICE_INFORMATION) -> R,
) -> R {
    let c_text = |text: Option<&str>| CString::new(text.unwrap_or("")).unwrap_or_default();
    let manufacturer = c_text(device.manufacturer_string());
    let product = c_text(device.product_string());
    let serial_number = c_text(device.serial_number());
    with(&DMF_HID_DEVICE_INFORMATION {
        size: size_of::<DMF_HID_DEVICE_INFORMATION>() as ULONG,
        path: device.path().as_ptr(),
        vendor_id: device.vendor_id(),
        product_id: device.product_id(),
        release_number: device.release_number(),
        usage_page: device.usage_page(),
        usage: device.usage(),
        interface_number: device.interface_number(),
        manufacturer: manufacturer.as_ptr(),
        product: product.as_ptr(),
        serial_number: serial_number.as_ptr(),
    })
}

/// The program's callback for changes.
struct OnChange {
    callback: unsafe extern "C" fn(*const DMF_HID_DEVICE_INFORMATION, BOOLEAN, *mut VOID),
    context: usize,
}

impl Watcher for OnChange {
    fn changed(&self, _watch: Handle, device: &DeviceInfo, arrived: bool) {
        let context = std::ptr::with_exposed_provenance_mut(self.context);
        with_information(device, |information| {
            // SAFETY: the program vouches for its callback; the information lives during the call.
            unsafe { (self.callback)(information, BOOLEAN::from(arrived), context) }
        });
    }
}

/// Watches for HID devices that come and go. Works without a udev daemon and without permission to open
/// the devices.
///
/// Parameters: Device: parent, may be NULL; Selector: which devices, NULL for all (WaitMilliseconds is not
/// looked at); EvtChange: called with TRUE for each that is there, on the calling thread before this returns,
/// and then for each that arrives (TRUE) or goes (FALSE), on a thread of the watch, one after the other,
/// without a lock; Context: handed to it; Watch: gets the handle before the first call, NULL on failure.
/// A device with several collections is told once, by the first that matches.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (EvtChange or Watch is NULL; Selector);
/// STATUS_INVALID_HANDLE (Device); STATUS_DELETE_PENDING; STATUS_UNSUCCESSFUL (the system does not tell its
/// devices); STATUS_INSUFFICIENT_RESOURCES.
/// Memory: WdfObjectDelete ends the watch, also from the callback; no call runs when it has returned. Any
/// thread.
#[unsafe(export_name = "DMF_Hid_WatchStart")]
pub unsafe extern "C" fn watch_start(
    device: WDFDEVICE,
    selector: *const DMF_HID_OPEN_PARAMS,
    evt_change: PEVT_DMF_Hid_Change,
    context: *mut VOID,
    watch: *mut WDFOBJECT,
) -> NTSTATUS {
    // SAFETY: the caller's pointer.
    unsafe { put(watch, std::ptr::null_mut()) };
    status(c"DMF_Hid_WatchStart", device, || {
        not_null(watch, "Watch is NULL")?;
        let Some(callback) = evt_change else {
            return Err(Error::misuse(Status::INVALID_PARAMETER, "EvtChange is NULL"));
        };
        let wanted = match selector.is_null() {
            true => Selector::default(),
            // SAFETY: the caller's pointer and texts.
            false => unsafe { self::selector(selector, "Selector is NULL")?.0 },
        };
        let choices = Choices { parent: device_of(device)?, ..Choices::default() };
        let draft = tree::reserve(Kind::Watch, choices)?;
        let watcher = try_box(OnChange { callback, context: context.expose_provenance() })?;
        let made = Watch::new(draft.handle(), wanted, watcher)?;
        let handle = draft.open(made)?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(watch, handle.to_c()) };
        let told = table::enter(handle, |watch: &Watch| watch.tell_present());
        if let Err(error) = told {
            // SAFETY: as above.
            unsafe { put(watch, std::ptr::null_mut()) };
            let _ = deletion::delete(handle);
            return Err(cannot_list(error));
        }
        Ok(())
    })
}

/// Which device is meant, and how long to wait for it.
///
/// # Safety
/// `params` is NULL or the caller's own, and its texts are his during the call.
unsafe fn selector<'a>(
    params: *const DMF_HID_OPEN_PARAMS,
    refusal: &'static str,
) -> Result<(Selector<'a>, ULONG), Error> {
    not_null(params, refusal)?;
    // SAFETY: not NULL; the size is compared before anything else is looked at.
    let size = unsafe { (&raw const (*params).size).read_unaligned() };
    if size as usize != size_of::<DMF_HID_OPEN_PARAMS>() {
        return Err(Error::misuse(Status::INVALID_PARAMETER, "its Size is not its size"));
    }
    // SAFETY: not NULL, and of the right size; its texts are the caller's.
    let (params, path, serial) = unsafe {
        let params = params.read_unaligned();
        (params, text(params.path), text(params.serial_number))
    };
    let serial = match serial.map(|serial| serial.to_str()) {
        None => None,
        Some(Ok(serial)) => Some(serial),
        Some(Err(_)) => {
            return Err(Error::new(Status::INVALID_PARAMETER, "SerialNumber is not UTF-8"));
        }
    };
    let selector = Selector {
        path,
        vendor: params.vendor_id,
        product: params.product_id,
        serial,
        usage_page: params.usage_page,
        usage: params.usage,
    };
    Ok((selector, params.wait_milliseconds))
}
