//! Reads recordings in the plain-text format of the Linux hid-recorder tool.
//!
//! ```text
//! # a comment
//! D: 0                                  device number; what follows belongs to it (optional)
//! R: 4 05 01 09 02                      report descriptor: length, then bytes in hex
//! N: QEMU USB Mouse                     name
//! P: usb-0000:00:03.0-2/input0          physical path
//! I: 3 0627 0001                        bus, vendor, product in hex
//! E: 000000.007915 4 00 01 00 00        an event: seconds.microseconds, length, bytes in hex
//! ```
//!
//! A recording is untrusted: every mistake is an error with its line's number. Reports are kept as
//! the C surface shows them, with the ID byte first, all in one buffer.

use super::report_descriptor::{self, Layout};
use crate::framework::memory::{self, try_push};
use crate::framework::status::{Error, fail};
use std::time::Duration;

/// No report is longer.
const LONGEST_REPORT: usize = 16384;
/// No report descriptor is longer (the kernel's own limit).
const LONGEST_DESCRIPTOR: usize = 4096;

/// See the file's head.
pub struct Recording {
    pub descriptor: Vec<u8>,
    pub layout: Layout,
    bytes: Vec<u8>,
    events: Vec<Event>,
}

#[derive(Clone, Copy)]
struct Event {
    /// Since the first event.
    at: Duration,
    start: usize,
    length: usize,
}

impl Recording {
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// When event `index` happened, counted from the first one, and its report.
    pub fn event(&self, index: usize) -> (Duration, &[u8]) {
        let event = self.events[index];
        (event.at, &self.bytes[event.start..event.start + event.length])
    }
}

/// Reads a whole recording.
pub fn parse(text: &[u8]) -> Result<Recording, Error> {
    let mut reader = Reader::default();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(fail!(INVALID_PARAMETER, "line {number}: not text; not a recording"));
        };
        reader.line(number, line.trim_end_matches('\r'))?;
    }
    // A last line without its end is whole if its last byte is: they have two digits each.
    let cut = matches!(text, [.., b' ', last] if *last != b'\n');
    reader.finish(cut)
}

#[derive(Default)]
struct Reader {
    descriptor: Option<Vec<u8>>,
    layout: Layout,
    bytes: Vec<u8>,
    events: Vec<Event>,
    first: Option<Duration>,
    last_line: usize,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Error> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        self.last_line = number;
        let Some((key, value)) = line.split_once(':') else {
            return Err(fail!(
                INVALID_PARAMETER,
                "line {number}: not a recording of hid-recorder (expected a line such as \"E: 0.1 2 00 ff\")"
            ));
        };
        let mut words = value.split_ascii_whitespace();
        match key {
            "R" => self.descriptor(number, &mut words),
            "I" => self.identity(number, &mut words),
            "E" => self.event(number, &mut words),
            "N" | "P" | "D" => Ok(()),
            _ => Err(fail!(
                INVALID_PARAMETER,
                "line {number}: not a recording of hid-recorder (unknown kind of line)"
            )),
        }
    }

    fn descriptor<'a>(
        &mut self,
        number: usize,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        if self.descriptor.is_some() {
            return Err(fail!(
                INVALID_PARAMETER,
                "line {number}: a second report descriptor; one device per recording"
            ));
        }
        let length = length(number, words, LONGEST_DESCRIPTOR)?;
        let mut descriptor = Vec::new();
        hex_bytes(number, words, length, &mut descriptor)?;
        self.layout = report_descriptor::layout(&descriptor);
        self.descriptor = Some(descriptor);
        Ok(())
    }

    fn identity<'a>(
        &self,
        number: usize,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let mut word = || words.next().and_then(|word| u16::from_str_radix(word, 16).ok());
        match (word(), word(), word()) {
            (Some(_bus), Some(_vendor), Some(_product)) => Ok(()),
            _ => Err(fail!(
                INVALID_PARAMETER,
                "line {number}: expected bus, vendor and product in hex"
            )),
        }
    }

    fn event<'a>(
        &mut self,
        number: usize,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        if self.descriptor.is_none() {
            return Err(fail!(
                INVALID_PARAMETER,
                "line {number}: an event before the report descriptor (R:)"
            ));
        }
        let at = words.next().and_then(time).ok_or_else(|| {
            fail!(INVALID_PARAMETER, "line {number}: expected a time as seconds.microseconds")
        })?;
        let length = length(number, words, LONGEST_REPORT)?;
        if length == 0 {
            return Err(fail!(INVALID_PARAMETER, "line {number}: an empty report"));
        }
        let start = self.bytes.len();
        if !self.layout.has_ids {
            try_push(&mut self.bytes, 0)?;
        }
        hex_bytes(number, words, length, &mut self.bytes)?;
        let first = *self.first.get_or_insert(at);
        let length = self.bytes.len() - start;
        try_push(&mut self.events, Event { at: at.saturating_sub(first), start, length })
    }

    fn finish(self, cut: bool) -> Result<Recording, Error> {
        let last_line = self.last_line;
        let Some(descriptor) = self.descriptor else {
            return Err(fail!(
                INVALID_PARAMETER,
                "line {last_line}: the file ends without a report descriptor (R:); not a recording"
            ));
        };
        if cut {
            return Err(fail!(
                INVALID_PARAMETER,
                "line {last_line}: the file ends within a byte; the recording is truncated"
            ));
        }
        let mut layout = self.layout;
        // What was recorded counts, whatever the descriptor says.
        for event in &self.events {
            layout.longest_input = layout.longest_input.max(event.length);
        }
        Ok(Recording { descriptor, layout, bytes: self.bytes, events: self.events })
    }
}

fn length<'a>(
    number: usize,
    words: &mut impl Iterator<Item = &'a str>,
    longest: usize,
) -> Result<usize, Error> {
    let length = words.next().and_then(|word| word.parse::<usize>().ok());
    match length {
        Some(length) if length <= longest => Ok(length),
        Some(_) => {
            Err(fail!(INVALID_PARAMETER, "line {number}: a length of more than {longest} bytes"))
        }
        None => Err(fail!(INVALID_PARAMETER, "line {number}: expected a length")),
    }
}

/// Appends exactly `length` bytes.
fn hex_bytes<'a>(
    number: usize,
    words: &mut impl Iterator<Item = &'a str>,
    length: usize,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    memory::permit()?;
    bytes.try_reserve(length).map_err(|_| memory::no_memory())?;
    for done in 0..length {
        let Some(word) = words.next() else {
            return Err(fail!(
                INVALID_PARAMETER,
                "line {number}: truncated: {done} of {length} bytes"
            ));
        };
        let byte = (word.len() <= 2).then(|| u8::from_str_radix(word, 16).ok()).flatten();
        let Some(byte) = byte else {
            return Err(fail!(INVALID_PARAMETER, "line {number}: \"{word}\" is no byte in hex"));
        };
        bytes.push(byte);
    }
    match words.next() {
        None => Ok(()),
        Some(_) => Err(fail!(INVALID_PARAMETER, "line {number}: more than {length} bytes")),
    }
}

/// `seconds.microseconds`.
fn time(word: &str) -> Option<Duration> {
    let (seconds, micros) = word.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(micros) || micros.len() > 6 {
        return None;
    }
    // Fewer digits than six are a fraction all the same.
    let scale = 10u32.pow(6 - micros.len() as u32);
    Some(Duration::new(seconds.parse().ok()?, micros.parse::<u32>().ok()? * scale * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::status::Status;

    fn refusal(text: &str) -> String {
        let error = parse(text.as_bytes()).err().expect("refused");
        assert!(error.status == Status::INVALID_PARAMETER);
        error.with_text(str::to_owned)
    }

    const HEAD: &str = "R: 2 81 02\nN: x\nI: 3 046d c52b\n";

    #[test]
    fn reports_without_ids_get_a_zero_byte() {
        let text = format!("{HEAD}E: 5.000001 2 0a ff\nE: 5.5 1 01\n");
        let recording = parse(text.as_bytes()).ok().unwrap();
        assert_eq!(recording.len(), 2);
        assert_eq!(recording.event(0), (Duration::ZERO, &[0, 0x0A, 0xFF][..]));
        assert_eq!(recording.event(1), (Duration::from_micros(499_999), &[0, 1][..]));
        assert_eq!(recording.layout.longest_input, 3);
    }

    #[test]
    fn reports_with_ids_stay_as_they_are() {
        let recording = parse(b"R: 4 85 01 81 02\nE: 0.0 2 01 02\n").ok().unwrap();
        assert_eq!(recording.event(0).1, [1, 2]);
    }

    #[test]
    fn a_last_line_without_its_end_counts() {
        let recording = parse(format!("{HEAD}E: 0.1 1 0f").as_bytes()).ok().unwrap();
        assert_eq!(recording.event(0).1, [0, 0x0F]);
    }

    #[test]
    fn every_mistake_names_its_line() {
        for (text, line, word) in [
            ("\x7fELF\n".to_owned(), 1, "not a recording"),
            ("hello\n".to_owned(), 1, "not a recording"),
            (format!("{HEAD}E: 0.1 3 00 01\n"), 4, "truncated: 2 of 3"),
            (format!("{HEAD}E: 0.1 1 0"), 4, "truncated"),
            (format!("{HEAD}E: 0.1 1 00 01\n"), 4, "more than 1"),
            (format!("{HEAD}E: 0.1 1 0g\n"), 4, "no byte"),
            (format!("{HEAD}E: x 1 00\n"), 4, "time"),
            (format!("{HEAD}E: 0.1 99999999999999999999 00\n"), 4, "length"),
            (format!("{HEAD}E: 0.1 70000 00\n"), 4, "16384"),
            ("E: 0.1 1 00\n".to_owned(), 1, "before the report descriptor"),
            (format!("{HEAD}R: 1 00\n"), 4, "second"),
            (String::new(), 0, "without a report descriptor"),
        ] {
            let message = refusal(&text);
            assert!(message.starts_with(&format!("line {line}:")), "{message}");
            assert!(message.contains(word), "{message}");
        }
    }
}
