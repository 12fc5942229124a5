//! What a HID device does besides sending reports: output reports, features, and what it tells of
//! itself. Source: the control codes of the Windows HID class, as include/dmf/hid.h lists them.
//!
//! What is known already, or is the library's own, is answered at once. What goes to the device may
//! block for seconds and runs on the target's worker.

use super::backlog::DEPTHS;
use super::hid::{answer, guarded};
use super::reader::Source;
use super::report_descriptor::{self, ReportKind};
use super::request::{Claim, Operation};
use super::target::{Core, Device, Route, answer_control};
use crate::framework::span::Span;
use crate::framework::status::{Error, Status, fail};
use crate::framework::sync::Mutex;
use hidapi::{DeviceInfo, HidDevice};
use std::time::Duration;

const GET_FEATURE: u32 = 0x000B_0192;
const SET_FEATURE: u32 = 0x000B_0191;
const GET_INPUT_REPORT: u32 = 0x000B_01A2;
const SET_OUTPUT_REPORT: u32 = 0x000B_0195;
const GET_COLLECTION_INFORMATION: u32 = 0x000B_01A8;
const GET_MANUFACTURER_STRING: u32 = 0x000B_01BA;
const GET_PRODUCT_STRING: u32 = 0x000B_01BE;
const GET_SERIALNUMBER_STRING: u32 = 0x000B_01C2;
const GET_INDEXED_STRING: u32 = 0x000B_01E2;
const GET_NUM_DEVICE_INPUT_BUFFERS: u32 = 0x000B_01A0;
const SET_NUM_DEVICE_INPUT_BUFFERS: u32 = 0x000B_01A4;
const FLUSH_QUEUE: u32 = 0x000B_0197;
// Internal ones.
pub const GET_REPORT_DESCRIPTOR: u32 = 0x000B_0007;
const GET_DEVICE_ATTRIBUTES: u32 = 0x000B_0027;
const READ_REPORT: u32 = 0x000B_000B;
const WRITE_REPORT: u32 = 0x000B_000F;

/// See the file's head.
pub struct Controls {
    handle: Mutex<HidDevice>,
    descriptor: Vec<u8>,
    information: Option<DeviceInfo>,
}

impl Controls {
    pub fn new(handle: HidDevice, descriptor: Vec<u8>, information: Option<DeviceInfo>) -> Self {
        Self { handle: Mutex::new(handle), descriptor, information }
    }

    /// What the system tells of the device.
    fn information(&self) -> Result<&DeviceInfo, Error> {
        self.information.as_ref().ok_or(Error::new(
            Status::NOT_SUPPORTED,
            "the system does not list the device and tells nothing of it",
        ))
    }

    /// A report that begins with its ID and has no more bytes than the device takes.
    fn check_outgoing(&self, kind: ReportKind, report: &[u8]) -> Result<(), Error> {
        let Some(&id) = report.first() else {
            return Err(Error::new(
                Status::INVALID_BUFFER_SIZE,
                "a report has an ID byte at least",
            ));
        };
        let most = report_descriptor::length_of(&self.descriptor, kind, id);
        if most != 0 && report.len() > most {
            return Err(fail!(
                INVALID_BUFFER_SIZE,
                "report {id} has {most} bytes with its ID; {} were given",
                report.len()
            ));
        }
        Ok(())
    }

    /// A buffer that begins with the ID and takes the report whole.
    fn check_incoming(&self, kind: ReportKind, buffer: &[u8]) -> Result<(), Error> {
        let Some(&id) = buffer.first() else {
            return Err(Error::new(
                Status::INVALID_BUFFER_SIZE,
                "a report has an ID byte at least",
            ));
        };
        let needed = report_descriptor::length_of(&self.descriptor, kind, id);
        if buffer.len() < needed {
            return Err(fail!(
                INVALID_BUFFER_SIZE,
                "the buffer has {} bytes; report {id} needs {needed}",
                buffer.len()
            ));
        }
        Ok(())
    }

    fn text(&self, code: u32, output: Span) -> Result<usize, Error> {
        let information = self.information()?;
        let text = match code {
            GET_MANUFACTURER_STRING => information.manufacturer_string(),
            GET_PRODUCT_STRING => information.product_string(),
            _ => information.serial_number(),
        };
        fill_text(text.unwrap_or(""), output.len(), |offset, bytes| {
            output.fill_at(offset, bytes);
        })
    }

    fn collection_information(&self) -> Result<[u8; 12], Error> {
        let device = self.information()?;
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&(self.descriptor.len() as u32).to_ne_bytes());
        bytes[6..8].copy_from_slice(&device.vendor_id().to_ne_bytes());
        bytes[8..10].copy_from_slice(&device.product_id().to_ne_bytes());
        bytes[10..].copy_from_slice(&device.release_number().to_ne_bytes());
        Ok(bytes)
    }

    fn attributes(&self) -> Result<[u8; 32], Error> {
        let device = self.information()?;
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&32u32.to_ne_bytes());
        bytes[4..6].copy_from_slice(&device.vendor_id().to_ne_bytes());
        bytes[6..8].copy_from_slice(&device.product_id().to_ne_bytes());
        bytes[8..10].copy_from_slice(&device.release_number().to_ne_bytes());
        Ok(bytes)
    }
}

impl Device for Controls {
    fn route(&self, operation: Operation) -> Result<Route, Error> {
        match operation {
            Operation::Read | Operation::InternalIoctl(READ_REPORT) => Ok(Route::Reports),
            Operation::Write
            | Operation::InternalIoctl(WRITE_REPORT)
            | Operation::Ioctl(
                GET_FEATURE | SET_FEATURE | GET_INPUT_REPORT | SET_OUTPUT_REPORT
                | GET_INDEXED_STRING,
            ) => Ok(Route::Operation),
            Operation::Ioctl(_) | Operation::InternalIoctl(_) => Ok(Route::Work),
        }
    }

    fn is_output(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Write | Operation::InternalIoctl(WRITE_REPORT))
    }

    fn perform(&self, core: &Core, source: Option<&mut dyn Source>, claim: Claim) {
        answer_control(claim, |code, claim| match (claim.operation, code) {
            // Windows has it among the internal codes; asking as a program asks is as good.
            (_, GET_REPORT_DESCRIPTOR) => answer(claim, &self.descriptor),
            (Operation::InternalIoctl(_), GET_DEVICE_ATTRIBUTES) => {
                answer(claim, &self.attributes()?)
            }
            (Operation::Ioctl(_), GET_COLLECTION_INFORMATION) => {
                answer(claim, &self.collection_information()?)
            }
            (
                Operation::Ioctl(_),
                GET_MANUFACTURER_STRING | GET_PRODUCT_STRING | GET_SERIALNUMBER_STRING,
            ) => self.text(code, claim.output),
            (Operation::Ioctl(_), GET_NUM_DEVICE_INPUT_BUFFERS) => {
                answer(claim, &(core.backlog_depth() as u32).to_ne_bytes())
            }
            (Operation::Ioctl(_), SET_NUM_DEVICE_INPUT_BUFFERS) => {
                set_backlog_depth(core, number(claim.input)?)
            }
            (Operation::Ioctl(_), FLUSH_QUEUE) => {
                core.forget_backlog();
                if let Some(source) = source {
                    source.resume(Duration::ZERO);
                }
                Ok(0)
            }
            _ => Err(Error::new(
                Status::INVALID_DEVICE_REQUEST,
                "a HID device does not answer this control code",
            )),
        });
    }

    fn operate(
        &self,
        operation: Operation,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, Error> {
        let handle = self.handle.lock();
        match operation {
            Operation::Write | Operation::InternalIoctl(WRITE_REPORT) => {
                self.check_outgoing(ReportKind::Output, input)?;
                guarded(|| handle.write(input))
            }
            Operation::Ioctl(SET_OUTPUT_REPORT) => {
                self.check_outgoing(ReportKind::Output, input)?;
                guarded(|| handle.send_output_report(input)).map(|()| 0)
            }
            Operation::Ioctl(SET_FEATURE) => {
                self.check_outgoing(ReportKind::Feature, input)?;
                guarded(|| handle.send_feature_report(input)).map(|()| 0)
            }
            Operation::Ioctl(GET_FEATURE) => {
                self.check_incoming(ReportKind::Feature, output)?;
                guarded(|| handle.get_feature_report(output))
            }
            Operation::Ioctl(GET_INPUT_REPORT) => {
                self.check_incoming(ReportKind::Input, output)?;
                get_input_report(&handle, output)
            }
            Operation::Ioctl(GET_INDEXED_STRING) => {
                let Ok(index) = <[u8; 4]>::try_from(input) else {
                    return Err(Error::new(Status::INVALID_BUFFER_SIZE, "the index is a ULONG"));
                };
                indexed_string(&handle, u32::from_ne_bytes(index), output)
            }
            _ => Err(Error::new(Status::INVALID_DEVICE_REQUEST, "not an operation of a device")),
        }
    }
}

#[cfg(not(windows))]
fn get_input_report(handle: &HidDevice, output: &mut [u8]) -> Result<usize, Error> {
    guarded(|| handle.get_input_report(output))
}

#[cfg(windows)]
fn get_input_report(_handle: &HidDevice, _output: &mut [u8]) -> Result<usize, Error> {
    Err(Error::new(Status::NOT_SUPPORTED, "hidapi cannot do this on Windows"))
}

fn indexed_string(handle: &HidDevice, index: u32, output: &mut [u8]) -> Result<usize, Error> {
    let index = i32::try_from(index)
        .map_err(|_| Error::new(Status::INVALID_PARAMETER, "no device has so many strings"))?;
    let text = guarded(|| handle.get_indexed_string(index))?.unwrap_or_default();
    let room = output.len();
    fill_text(&text, room, |offset, bytes| {
        output[offset..offset + bytes.len()].copy_from_slice(bytes);
    })
}

/// Writes a text as UTF-16 with its final 0, if it fits: the number of bytes.
fn fill_text(text: &str, room: usize, mut write: impl FnMut(usize, &[u8])) -> Result<usize, Error> {
    let needed = (text.encode_utf16().count() + 1) * 2;
    if room < needed {
        return Err(fail!(
            INVALID_BUFFER_SIZE,
            "the buffer has {room} bytes; the text needs {needed}"
        ));
    }
    for (place, unit) in text.encode_utf16().chain([0]).enumerate() {
        write(place * 2, &unit.to_ne_bytes());
    }
    Ok(needed)
}

/// A ULONG that the caller gave.
fn number(input: Span) -> Result<u32, Error> {
    if input.len() != 4 {
        return Err(Error::new(Status::INVALID_BUFFER_SIZE, "the input is a ULONG"));
    }
    let mut bytes = [0; 4];
    input.copy_to(&mut bytes);
    Ok(u32::from_ne_bytes(bytes))
}

fn set_backlog_depth(core: &Core, depth: u32) -> Result<usize, Error> {
    if !DEPTHS.contains(&(depth as usize)) {
        return Err(fail!(
            INVALID_PARAMETER,
            "{depth} reports: from {} to {} can be kept",
            DEPTHS.start(),
            DEPTHS.end()
        ));
    }
    core.set_backlog_depth(depth as usize)?;
    Ok(0)
}
