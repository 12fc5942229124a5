//! The reader of HID report descriptors, beside a second one that is slow and plain: first all items, then
//! what they mean.

use dmf::fuzzing::report_descriptor::{layout, length_of};
use dmf::fuzzing::{Layout, ReportKind};
use std::collections::BTreeMap;

/// The longest report without its ID, and the levels of Push that are followed.
const LONGEST_REPORT: u128 = 16384;
const STACK: usize = 16;

pub fn read(bytes: &[u8]) {
    let reports = plain(&items(bytes));
    let longest = |kind: u8| {
        let of_kind = reports.sizes.iter().filter(|((its, _), _)| *its == kind);
        of_kind.map(|(_, bits)| length(*bits)).max().unwrap_or(0)
    };
    let expected = Layout {
        has_ids: reports.has_ids,
        longest_input: longest(INPUT),
        longest_output: longest(OUTPUT),
        longest_feature: longest(FEATURE),
    };
    assert_eq!(layout(bytes), expected);
    let id = bytes.first().copied().unwrap_or(0);
    for (kind, tag) in
        [(ReportKind::Input, INPUT), (ReportKind::Output, OUTPUT), (ReportKind::Feature, FEATURE)]
    {
        for id in [0, 1, id] {
            let bits = reports.sizes.get(&(tag, id)).copied().unwrap_or(0);
            assert_eq!(length_of(bytes, kind, id), length(bits), "report {id} of kind {tag:#x}");
        }
    }
}

/// The prefix of an item without the length of its data.
const INPUT: u8 = 0x80;
const OUTPUT: u8 = 0x90;
const FEATURE: u8 = 0xB0;
const REPORT_SIZE: u8 = 0x74;
const REPORT_ID: u8 = 0x84;
const REPORT_COUNT: u8 = 0x94;
const PUSH: u8 = 0xA4;
const POP: u8 = 0xB4;

/// The short items, each with its value.
fn items(bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut items = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let prefix = bytes[at];
        if prefix == 0xFE {
            // A long item: the length of its data, a tag, the data.
            let Some(length) = bytes.get(at + 1) else { break };
            at += 3 + usize::from(*length);
            continue;
        }
        let length = if prefix & 3 == 3 { 4 } else { usize::from(prefix & 3) };
        if at + 1 + length > bytes.len() {
            break;
        }
        let mut value = [0; 4];
        value[..length].copy_from_slice(&bytes[at + 1..at + 1 + length]);
        items.push((prefix & !3, u32::from_le_bytes(value)));
        at += 1 + length;
    }
    items
}

/// Bits by kind and ID.
#[derive(Default)]
struct Reports {
    sizes: BTreeMap<(u8, u8), u128>,
    has_ids: bool,
}

fn plain(items: &[(u8, u32)]) -> Reports {
    let mut reports = Reports::default();
    let mut stack: Vec<(u32, u32, u8)> = Vec::new();
    let (mut size, mut count, mut id) = (0, 0, 0);
    for (prefix, value) in items.iter().copied() {
        match prefix {
            INPUT | OUTPUT | FEATURE => {
                let bits = reports.sizes.entry((prefix, id)).or_default();
                *bits += u128::from(size) * u128::from(count);
            }
            REPORT_SIZE => size = value,
            REPORT_COUNT => count = value,
            REPORT_ID => (id, reports.has_ids) = (value as u8, true),
            PUSH if stack.len() < STACK => stack.push((size, count, id)),
            POP => (size, count, id) = stack.pop().unwrap_or((size, count, id)),
            _ => {}
        }
    }
    reports
}

/// Bytes of a report with its ID; 0: there is none.
fn length(bits: u128) -> usize {
    if bits == 0 { 0 } else { bits.div_ceil(8).min(LONGEST_REPORT) as usize + 1 }
}
