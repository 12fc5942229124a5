//! Reads from a HID report descriptor what the library must know of a device's reports: whether they
//! start with an ID, and how long the longest of each kind is.
//!
//! The descriptor is untrusted: any bytes give an answer. Source: Device Class Definition for HID
//! 1.11, section 6.2.2.

/// Lengths in bytes, with the ID byte that the C surface always has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// Whether reports on the wire start with an ID.
    pub has_ids: bool,
    pub longest_input: usize,
    pub longest_output: usize,
    pub longest_feature: usize,
}

const MAIN: u8 = 0;
const GLOBAL: u8 = 1;
const LONG_ITEM: u8 = 0xFE;

const TAG_INPUT: u8 = 8;
const TAG_OUTPUT: u8 = 9;
const TAG_FEATURE: u8 = 11;
const TAG_REPORT_SIZE: u8 = 7;
const TAG_REPORT_ID: u8 = 8;
const TAG_REPORT_COUNT: u8 = 9;
const TAG_PUSH: u8 = 10;
const TAG_POP: u8 = 11;

/// No report of a device is longer (hidraw's own limit, and more than USB allows in practice).
const LONGEST_REPORT: usize = 16384;

/// Levels of Push that are followed.
const STACK: usize = 16;

#[derive(Clone, Copy, Default)]
struct Globals {
    size: u64,
    count: u64,
    id: u8,
}

/// Kinds of report.
#[derive(Clone, Copy)]
pub enum ReportKind {
    Input,
    Output,
    Feature,
}

/// See the file's head.
pub fn layout(descriptor: &[u8]) -> Layout {
    let mut sizes = Sizes::new();
    sizes.read(descriptor);
    let longest = |kind: ReportKind| {
        let bits = sizes.bits[kind as usize].iter().copied().max();
        bytes_of(bits.unwrap_or(0))
    };
    Layout {
        has_ids: sizes.has_ids,
        longest_input: longest(ReportKind::Input),
        longest_output: longest(ReportKind::Output),
        longest_feature: longest(ReportKind::Feature),
    }
}

/// Bytes of one report with its ID byte; 0: the device does not declare it.
pub fn length_of(descriptor: &[u8], kind: ReportKind, id: u8) -> usize {
    let mut sizes = Sizes::new();
    sizes.read(descriptor);
    bytes_of(sizes.bits[kind as usize][usize::from(id)])
}

fn bytes_of(bits: u32) -> usize {
    match bits {
        0 => 0,
        bits => (bits.div_ceil(8) as usize).min(LONGEST_REPORT) + 1,
    }
}

/// Bits of each report, by kind and ID. It lies on the stack, and is filled where it lies.
struct Sizes {
    bits: [[u32; 256]; 3],
    has_ids: bool,
}

impl Sizes {
    fn new() -> Self {
        Self { bits: [[0; 256]; 3], has_ids: false }
    }

    fn read(&mut self, descriptor: &[u8]) {
        let mut globals = Globals::default();
        let mut stack = [Globals::default(); STACK];
        let mut depth = 0;
        let mut rest = descriptor;
        while let Some((&prefix, tail)) = rest.split_first() {
            if prefix == LONG_ITEM {
                let length = tail.first().map_or(0, |&length| usize::from(length) + 2);
                rest = tail.get(length..).unwrap_or(&[]);
                continue;
            }
            let length = [0, 1, 2, 4][usize::from(prefix & 3)];
            let Some(data) = tail.get(..length) else { break };
            rest = &tail[length..];
            let value = data.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
            match (prefix >> 2 & 3, prefix >> 4) {
                (MAIN, tag @ (TAG_INPUT | TAG_OUTPUT | TAG_FEATURE)) => {
                    let kind = match tag {
                        TAG_INPUT => ReportKind::Input,
                        TAG_OUTPUT => ReportKind::Output,
                        _ => ReportKind::Feature,
                    };
                    let more = globals.size.saturating_mul(globals.count);
                    let total = &mut self.bits[kind as usize][usize::from(globals.id)];
                    *total = total.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
                }
                (GLOBAL, TAG_REPORT_SIZE) => globals.size = value,
                (GLOBAL, TAG_REPORT_COUNT) => globals.count = value,
                (GLOBAL, TAG_REPORT_ID) => {
                    globals.id = value as u8;
                    self.has_ids = true;
                }
                (GLOBAL, TAG_PUSH) if depth < STACK => {
                    stack[depth] = globals;
                    depth += 1;
                }
                (GLOBAL, TAG_POP) if depth > 0 => {
                    depth -= 1;
                    globals = stack[depth];
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT_MOUSE: &[u8] = &[
        0x05, 0x01, 0x09, 0x02, 0xA1, 0x01, 0x09, 0x01, 0xA1, 0x00, 0x05, 0x09, 0x19, 0x01, 0x29,
        0x03, 0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, 0x81, 0x02, 0x95, 0x01, 0x75, 0x05,
        0x81, 0x01, 0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x81, 0x25, 0x7F, 0x75, 0x08, 0x95,
        0x02, 0x81, 0x06, 0xC0, 0xC0,
    ];

    #[test]
    fn a_boot_mouse_has_three_bytes_and_no_ids() {
        let expected = Layout { longest_input: 4, ..Layout::default() };
        assert_eq!(layout(BOOT_MOUSE), expected);
    }

    #[test]
    fn the_longest_of_several_ids_counts() {
        let descriptor = [
            0x85, 1, 0x75, 8, 0x95, 63, 0x81, 2, 0x91, 2, 0x85, 2, 0x95, 31, 0xB1, 2, 0x85, 3,
            0x95, 15, 0x81, 2,
        ];
        let expected =
            Layout { has_ids: true, longest_input: 64, longest_output: 64, longest_feature: 32 };
        assert_eq!(layout(&descriptor), expected);
        assert_eq!(length_of(&descriptor, ReportKind::Input, 3), 16);
        assert_eq!(length_of(&descriptor, ReportKind::Output, 3), 0);
    }

    #[test]
    fn an_absurd_size_is_capped_and_a_cut_item_ends_the_reading() {
        let descriptor =
            [0x77, 0xFF, 0xFF, 0xFF, 0xFF, 0x97, 0xFF, 0xFF, 0xFF, 0xFF, 0x81, 2, 0x97];
        assert_eq!(layout(&descriptor).longest_input, LONGEST_REPORT + 1);
    }

    #[test]
    fn an_id_inside_a_long_item_is_none() {
        assert!(!layout(&[0xFE, 2, 0xF0, 0x85, 1]).has_ids);
    }
}
