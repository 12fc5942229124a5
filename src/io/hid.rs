//! A real HID device as a target, through the crate `hidapi`.
//!
//! hidapi's calls cannot be cancelled, so nothing waits for one: reads go, in slices, into a scratch
//! buffer on the device's own thread, and Requests wait in the target's queue. The device stays open
//! while nobody reads (the first moments after an open lose reports); what the system kept meanwhile
//! is thrown away when reading starts again.
//!
//! Reports come through a duplicate of hidapi's descriptor where one is found ([`super::hidraw`]): it
//! gives all that the system kept of a device that is gone before it tells so. Elsewhere they come
//! through hidapi's own read, which does not. The environment variable `DMF_HID_WAIT`, `descriptor` or
//! `slices`, chooses.
//!
//! On the C surface the first byte of every report is its ID; devices without IDs do not send one, so
//! a zero is put before their reports.

use super::hid_error;
use super::hidraw::{Descriptor, Opened};
use super::reader::{self, Drain, Next, Source};
use super::report_descriptor::{self, Layout};
use super::request::Claim;
use super::target::{Core, Device, Target, answer_control};
use crate::framework::memory::{Block, Shared, try_box, try_vec};
use crate::framework::status::{Error, Status, fail};
use crate::framework::sync::{Mutex, Ordering};
use hidapi::{DeviceInfo, HidApi, HidDevice, HidResult};
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The report descriptor of the device.
pub const IOCTL_HID_GET_REPORT_DESCRIPTOR: u32 = 0x000B_0007;

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
    fn matches(&self, device: &DeviceInfo) -> bool {
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
fn guarded<R>(call: impl FnOnce() -> HidResult<R>) -> Result<R, Error> {
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
    let (device, reading) = {
        let _one = LIBRARY.lock();
        find_and_open(selector)?
    };
    let mut descriptor = Block::new(LONGEST_DESCRIPTOR)?;
    let length = guarded(|| device.get_report_descriptor(&mut descriptor))?;
    let descriptor = &descriptor[..length];
    let layout = report_descriptor::layout(descriptor);
    let described = try_box(Described { descriptor: try_vec(descriptor)? })?;
    let core = Core::new(layout, described)?;
    let device = Reports {
        device,
        descriptor: reading,
        scratch: Block::new(layout.longest_input.max(64) + 1)?,
        layout,
        slice: slice(),
        drain: Drain::new(ROOM_IN_THE_SYSTEM),
        core: core.clone(),
    };
    let thread = reader::start("dmf-hid", core.clone(), device)?;
    Ok(Target::new(core, thread))
}

fn find_and_open(selector: Selector<'_>) -> Result<Handle, Error> {
    let api = guarded(HidApi::new)?;
    if let Some(path) = selector.path
        && !selector.is_particular()
    {
        return open_handle(&api, path);
    }
    match api.device_list().find(|device| selector.matches(device)) {
        Some(device) => open_handle(&api, device.path()),
        None => Err(fail!(
            NO_SUCH_DEVICE,
            "no HID device {}matches; is it plugged in?",
            Wanted(selector)
        )),
    }
}

/// hidapi's handle, and a duplicate of the descriptor behind it where that was found.
type Handle = (HidDevice, Option<Descriptor>);

/// An open can take the number of a descriptor of the same node that the program closes meanwhile,
/// and is not seen to be new then. The next one has another number.
const OPENS: usize = 2;

/// The caller holds [`LIBRARY`]: no other open of ours comes in between.
fn open_handle(api: &HidApi, path: &CStr) -> Result<Handle, Error> {
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
    match std::env::var_os("DMF_HID_WAIT") {
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
    let milliseconds = std::env::var("DMF_HID_SLICE_MS").ok().and_then(|text| text.parse().ok());
    Duration::from_millis(milliseconds.unwrap_or(100).clamp(1, 10_000))
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

/// What the device answers to control requests.
struct Described {
    descriptor: Vec<u8>,
}

impl Device for Described {
    fn perform(&self, claim: Claim) {
        answer_control(claim, |code, claim| match code {
            IOCTL_HID_GET_REPORT_DESCRIPTOR => answer(claim, &self.descriptor),
            _ => Err(Error::new(
                Status::INVALID_DEVICE_REQUEST,
                "the device does not answer this control code",
            )),
        });
    }
}

/// The reports of a device.
struct Reports {
    device: HidDevice,
    /// `None`: read through hidapi.
    descriptor: Option<Descriptor>,
    scratch: Block,
    layout: Layout,
    slice: Duration,
    drain: Drain,
    core: Shared<Core>,
}

impl Reports {
    /// Reads into the scratch buffer; the report's length there, with its ID byte.
    fn read(&mut self, wait: Duration) -> Result<usize, Status> {
        let start = usize::from(!self.layout.has_ids);
        let room = &mut self.scratch[start..];
        let length = match &self.descriptor {
            Some(descriptor) => descriptor.read(room, wait)?,
            None => read_through_hidapi(&self.device, room, wait)?,
        };
        Ok(if length == 0 { 0 } else { length + start })
    }

    /// The next report; what the system holds already is looked at first, so as to notice when it
    /// holds nothing.
    fn read_or_wait(&mut self) -> Result<usize, Status> {
        match self.read(Duration::ZERO)? {
            0 => self.drain.ran_dry(),
            length => return Ok(length),
        }
        self.read(self.slice)
    }

    fn suspect_overrun(&self) {
        self.core.statistics.overruns.fetch_add(1, Ordering::Relaxed);
    }
}

fn read_through_hidapi(
    device: &HidDevice,
    room: &mut [u8],
    wait: Duration,
) -> Result<usize, Status> {
    match device.read_timeout(room, wait.as_millis() as i32) {
        Ok(length) => Ok(length),
        Err(error) if is_interruption(&error) => Ok(0),
        Err(error) => Err(hid_error::status(&error)),
    }
}

fn is_interruption(error: &hidapi::HidError) -> bool {
    matches!(error, hidapi::HidError::IoError { error }
        if error.kind() == std::io::ErrorKind::Interrupted)
}

impl Source for Reports {
    fn next(&mut self) -> Next<'_> {
        match self.read_or_wait() {
            Ok(0) => Next::Nothing,
            Ok(length) => {
                if self.drain.shows_overrun() {
                    self.suspect_overrun();
                }
                Next::Report(&self.scratch[..length])
            }
            Err(_) => {
                // hidapi does not say what it threw away.
                if self.descriptor.is_none() {
                    self.suspect_overrun();
                }
                Next::Gone
            }
        }
    }

    fn resume(&mut self, _after: Duration) {
        self.drain.ran_dry();
        // As many as the system can have kept, and no more, so that a fast device cannot hold us.
        for _ in 0..memory_of_the_system() {
            if !matches!(self.read(Duration::ZERO), Ok(1..)) {
                return;
            }
        }
    }
}

/// Reports that the system keeps for one open device, at most.
fn memory_of_the_system() -> usize {
    // hidraw 64, Windows 512.
    if cfg!(windows) { 512 } else { 64 }
}

/// Reports that the system has room for where hidapi opened the device: hidraw's ring of 64 slots
/// keeps one free, hidapi asks Windows for 64 and keeps 30 itself on macOS.
const ROOM_IN_THE_SYSTEM: u32 = if cfg!(windows) {
    64
} else if cfg!(target_os = "macos") {
    30
} else {
    63
};
