//! Finds and opens HID devices, through the crate `hidapi`.
//!
//! hidapi's calls cannot be cancelled, so nothing waits for one: Requests wait in the target's queue, and
//! what may block has a thread of its own. The device stays open while nobody reads (the first moments
//! after an open lose reports); what the system kept meanwhile is thrown away when reading starts again.
//!
//! Reports come by one of two ways, which the environment variable `DMF_HID_WAIT`, `descriptor` or
//! `slices`, chooses:
//! - through a duplicate of hidapi's descriptor where one is found ([`super::hidraw`]). One thread
//!   waits for all devices ([`super::pump`]), and all that the system kept of a device that is gone
//!   comes before its end is told;
//! - elsewhere through hidapi's own read, in slices, on a thread for each device. It loses what the
//!   system kept of a device that is gone.
//!
//! On the C surface the first byte of every report is its ID; devices without IDs do not send one, so
//! a zero is put before their reports.

use super::hid_device::Controls;
use super::hid_error;
use super::hid_reports::{Means, Reports};
use super::hidraw::{Descriptor, Opened};
use super::reader;
use super::report_descriptor;
use super::request::Claim;
use super::target::{Core, Target};
use crate::framework::environment::variable;
use crate::framework::memory::{Block, Shared, try_box, try_vec};
use crate::framework::status::{Error, Status, fail};
use crate::framework::sync::Mutex;
use hidapi::{DeviceInfo, HidApi, HidDevice, HidResult};
use once_cell::sync::OnceCell;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// No report descriptor is longer (the kernel's own limit).
const LONGEST_DESCRIPTOR: usize = 4096;

/// Which device; `None` and zero stand for any.
#[derive(Clone, Copy, Default)]
pub struct Selector<'a> {
    pub path: Option<&'a CStr>,
    pub vendor: u16,
    pub product: u16,
    pub serial: Option<&'a str>,
    pub usage_page: u16,
    pub usage: u16,
}

impl Selector<'_> {
    pub fn matches(&self, device: &DeviceInfo) -> bool {
        let number = |wanted: u16, actual: u16| wanted == 0 || wanted == actual;
        number(self.vendor, device.vendor_id())
            && number(self.product, device.product_id())
            && number(self.usage_page, device.usage_page())
            && number(self.usage, device.usage())
            && self.serial.is_none_or(|serial| device.serial_number() == Some(serial))
            && self.path.is_none_or(|path| device.path() == path)
    }

    /// Whether more than a path is asked for.
    fn is_particular(&self) -> bool {
        self.vendor != 0
            || self.product != 0
            || self.usage_page != 0
            || self.usage != 0
            || self.serial.is_some()
    }
}

/// One open or enumeration at a time: hidapi's backends share global state.
static LIBRARY: Mutex<()> = Mutex::new(());

/// Calls into hidapi, whose enumeration can panic on what a device says of itself.
pub(super) fn guarded<R>(call: impl FnOnce() -> HidResult<R>) -> Result<R, Error> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(fail_with(&error)),
        Err(_) => {
            Err(Error::new(Status::INTERNAL_ERROR, "hidapi failed on what a device says of itself"))
        }
    }
}

fn fail_with(error: &hidapi::HidError) -> Error {
    Error::formatted(hid_error::status(error), false, format_args!("{error}"))
}

/// Calls `with` on each device until it answers false.
pub fn enumerate(mut with: impl FnMut(&DeviceInfo) -> bool) -> Result<(), Error> {
    let devices = {
        let _one = LIBRARY.lock();
        guarded(HidApi::new)?
    };
    for device in devices.device_list() {
        if !with(device) {
            break;
        }
    }
    Ok(())
}

/// How often a device that is waited for is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Opens a device as a target; waits for one that is not there, or not yet permitted.
pub fn open(selector: Selector<'_>, wait: Duration) -> Result<Target, Error> {
    let deadline = Instant::now() + wait;
    loop {
        let error = match open_once(selector) {
            Ok(target) => return Ok(target),
            Err(error) => error,
        };
        let may_come = matches!(
            error.status,
            Status::OBJECT_NAME_NOT_FOUND
                | Status::NO_SUCH_DEVICE
                | Status::ACCESS_DENIED
                | Status::DEVICE_NOT_CONNECTED
        );
        let left = deadline.saturating_duration_since(Instant::now());
        if !may_come || left.is_zero() {
            return Err(error);
        }
        std::thread::sleep(left.min(LOOK_AGAIN));
    }
}

fn open_once(selector: Selector<'_>) -> Result<Target, Error> {
    let Opening { way, control, information } = {
        let _one = LIBRARY.lock();
        find_and_open(selector)?
    };
    let mut descriptor = Block::new(LONGEST_DESCRIPTOR)?;
    let length = guarded(|| control.get_report_descriptor(&mut descriptor))?;
    let descriptor = &descriptor[..length];
    let layout = report_descriptor::layout(descriptor);
    let controls = Controls::new(control, try_vec(descriptor)?, information);
    let core = Core::new(layout, try_box(controls)?)?;
    match way {
        Found::Descriptor(descriptor) => start_descriptor(core, descriptor),
        Found::Handle(device) => {
            // The core keeps it, too: closing it waits for whatever blocks another handle of any device.
            let reports = Reports::new(&core, Means::Slices(Mutex::new(device), slice()))?;
            let thread = reader::start("dmf-hid", core.clone(), reports)?;
            Ok(Target::new(core, thread))
        }
    }
}

#[cfg(target_os = "linux")]
fn start_descriptor(core: Shared<Core>, descriptor: Descriptor) -> Result<Target, Error> {
    let descriptor = Shared::new(descriptor)?;
    let reports = Reports::new(&core, Means::Descriptor(descriptor.clone()))?;
    super::pump::attach(&core, descriptor, try_box(reports)?)?;
    Ok(Target::carried(core))
}

#[cfg(not(target_os = "linux"))]
fn start_descriptor(_core: Shared<Core>, descriptor: Descriptor) -> Result<Target, Error> {
    match descriptor {}
}

/// What the reports come from.
enum Found {
    Descriptor(Descriptor),
    Handle(HidDevice),
}

/// An open device.
struct Opening {
    way: Found,
    /// For everything but reports. Reading and writing through one handle at the same time is not
    /// safe with every backend, so it is none that is read.
    control: HidDevice,
    /// What the system tells of it; a device that is not listed can be opened all the same.
    information: Option<DeviceInfo>,
}

fn find_and_open(selector: Selector<'_>) -> Result<Opening, Error> {
    // Listing the devices takes long where there are many; a path needs no list.
    if let Some(path) = selector.path
        && !selector.is_particular()
    {
        return open_found(library()?, path, None);
    }
    let api = guarded(HidApi::new)?;
    let Some(found) = api.device_list().find(|device| selector.matches(device)) else {
        return Err(fail!(
            NO_SUCH_DEVICE,
            "no HID device {}matches; is it plugged in?",
            Wanted(selector)
        ));
    };
    open_found(&api, found.path(), Some(found))
}

/// The caller holds [`LIBRARY`].
fn library() -> Result<&'static HidApi, Error> {
    static API: OnceCell<HidApi> = OnceCell::new();
    API.get_or_try_init(|| guarded(HidApi::new))
}

fn open_found(api: &HidApi, path: &CStr, listed: Option<&DeviceInfo>) -> Result<Opening, Error> {
    let (control, descriptor) = open_handle(api, path)?;
    let way = match descriptor {
        Some(descriptor) => Found::Descriptor(descriptor),
        None => Found::Handle(open_path(api, path)?),
    };
    let information = listed.cloned().or_else(|| guarded(|| control.get_device_info()).ok());
    Ok(Opening { way, control, information })
}

/// hidapi's handle, and a duplicate of the descriptor behind it where that was found.
type OpenDevice = (HidDevice, Option<Descriptor>);

/// An open can take the number of a descriptor of the same node that the program closes meanwhile,
/// and is not seen to be new then. The next one has another number.
const OPENS: usize = 2;

/// The caller holds [`LIBRARY`]: no other open of ours comes in between.
fn open_handle(api: &HidApi, path: &CStr) -> Result<OpenDevice, Error> {
    let mut without = None;
    for _ in 0..OPENS {
        let Some(before) = opened_before(path) else { break };
        let device = open_path(api, path)?;
        if let Some(descriptor) = before.find_new() {
            return Ok((device, Some(descriptor)));
        }
        without = Some(device);
    }
    match without {
        Some(device) => Ok((device, None)),
        None => Ok((open_path(api, path)?, None)),
    }
}

/// `None`: the reports are to be read through hidapi.
fn opened_before(path: &CStr) -> Option<Opened> {
    match variable("DMF_HID_WAIT") {
        Some(way) if way == "slices" => None,
        _ => Opened::of(path),
    }
}

fn open_path(api: &HidApi, path: &CStr) -> Result<HidDevice, Error> {
    let Ok(text) = path.to_str() else {
        return Err(Error::new(Status::INVALID_PARAMETER, "Path is not UTF-8"));
    };
    let error = match guarded(|| api.open_path(path)) {
        Ok(device) => return Ok(device),
        Err(error) => error,
    };
    Err(match error.status {
        Status::OBJECT_NAME_NOT_FOUND => fail!(OBJECT_NAME_NOT_FOUND, "{text}: no such device"),
        Status::ACCESS_DENIED => fail!(
            ACCESS_DENIED,
            "{text}: no permission; install the udev rule 70-dmf-hid.rules and plug the device in again"
        ),
        Status::INVALID_PARAMETER => fail!(INVALID_PARAMETER, "{text}: not a HID device"),
        status => {
            let cause = error.with_text(str::to_owned);
            Error::formatted(status, false, format_args!("{text}: {cause}"))
        }
    })
}

/// What was asked for, for people.
struct Wanted<'a>(Selector<'a>);

impl std::fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Selector { path, vendor, product, serial, usage_page, usage } = self.0;
        if let Some(path) = path {
            write!(f, "{} ", path.to_string_lossy())?;
        }
        if vendor != 0 || product != 0 {
            write!(f, "{vendor:04x}:{product:04x} ")?;
        }
        if let Some(serial) = serial {
            write!(f, "with serial number {serial} ")?;
        }
        if usage_page != 0 || usage != 0 {
            write!(f, "with usage {usage_page:04x}:{usage:04x} ")?;
        }
        Ok(())
    }
}

/// How long one read waits for the device: long enough to cost nothing, short enough to close soon.
fn slice() -> Duration {
    let milliseconds = variable("DMF_HID_SLICE_MS").and_then(|text| text.to_str()?.parse().ok());
    Duration::from_millis(milliseconds.unwrap_or(100).clamp(1, 10_000))
}

/// Reports that the system keeps for one open device, at most.
pub(super) fn memory_of_the_system() -> usize {
    // hidraw 64, Windows 512.
    if cfg!(windows) { 512 } else { 64 }
}

/// Writes `bytes` as the answer to a control request.
pub fn answer(claim: &Claim, bytes: &[u8]) -> Result<usize, Error> {
    if claim.output.len() < bytes.len() {
        return Err(fail!(
            INVALID_BUFFER_SIZE,
            "the buffer has {} bytes; the answer needs {}",
            claim.output.len(),
            bytes.len()
        ));
    }
    Ok(claim.output.fill(bytes))
}
