//! The reader of recordings: any bytes give a recording or an error that names its line.

use dmf::fuzzing::recording::parse;
use dmf::fuzzing::{Recording, Status};
use std::fmt::Write;

/// What a reading of the library's may not be longer than; the report's ID comes on top.
const LONGEST_REPORT: usize = 16384;

pub fn read(bytes: &[u8]) {
    match parse(bytes) {
        Ok(recording) => {
            check(&recording);
            let text = written(&recording);
            let again = parse(text.as_bytes()).ok().expect("what was read can be written and read");
            assert_same(&recording, &again);
        }
        Err(error) => {
            assert!(error.status == Status::INVALID_PARAMETER && !error.misuse);
            error.with_text(|text| names_a_line(text, bytes));
        }
    }
}

fn names_a_line(text: &str, bytes: &[u8]) {
    let number = text.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let number: usize = number.expect("a line").0.parse().expect("a number");
    assert!(number <= bytes.iter().filter(|byte| **byte == b'\n').count() + 1, "{text}");
}

fn check(recording: &Recording) {
    let layout = recording.layout;
    for index in 0..recording.len() {
        let (at, report) = recording.event(index);
        assert!(index > 0 || at.is_zero(), "the first event is the start");
        assert!((1..=LONGEST_REPORT + 1).contains(&report.len()));
        assert!(report.len() <= layout.longest_input, "{} bytes: {layout:?}", report.len());
        assert!(layout.has_ids || report.len() > 1 && report[0] == 0, "a report without an ID");
    }
}

/// The recording as hid-recorder would write it.
fn written(recording: &Recording) -> String {
    let mut text = String::new();
    let hex = |text: &mut String, bytes: &[u8]| {
        write!(text, "{}", bytes.len()).unwrap();
        bytes.iter().for_each(|byte| write!(text, " {byte:02x}").unwrap());
        text.push('\n');
    };
    text.push_str("R: ");
    hex(&mut text, &recording.descriptor);
    text.push_str("N: again\nI: 3 0001 0002\n");
    for index in 0..recording.len() {
        let (at, report) = recording.event(index);
        write!(text, "E: {}.{:06} ", at.as_secs(), at.subsec_micros()).unwrap();
        hex(&mut text, if recording.layout.has_ids { report } else { &report[1..] });
    }
    text
}

fn assert_same(one: &Recording, other: &Recording) {
    assert_eq!(one.descriptor, other.descriptor);
    assert_eq!(one.layout, other.layout);
    assert_eq!(one.len(), other.len());
    (0..one.len()).for_each(|index| assert_eq!(one.event(index), other.event(index)));
}
