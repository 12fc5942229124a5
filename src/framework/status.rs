//! Statuses, the crate's error type, and what the calling thread last failed with.
//!
//! An [`Error`] is a status, a text for people, and whether the Client broke the contract. It is
//! three words and allocates nothing: the text is a literal, or was formatted into the calling
//! thread's message buffer by [`fail!`](crate::framework::status::fail).

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};

/// A 32-bit NTSTATUS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub i32);

macro_rules! statuses {
    ($($name:ident = $value:literal;)*) => {
        impl Status {
            $(pub const $name: Status = Status($value as u32 as i32);)*

            /// The name that C knows the status by, with a terminating NUL.
            pub fn c_name(self) -> &'static str {
                match self {
                    $(Status::$name => concat!("STATUS_", stringify!($name), "\0"),)*
                    _ => "STATUS_?\0",
                }
            }
        }
    };
}

statuses! {
    SUCCESS = 0;
    PENDING = 0x0000_0103u32;
    UNSUCCESSFUL = 0xC000_0001u32;
    INVALID_HANDLE = 0xC000_0008u32;
    INVALID_PARAMETER = 0xC000_000Du32;
    NO_SUCH_DEVICE = 0xC000_000Eu32;
    INVALID_DEVICE_REQUEST = 0xC000_0010u32;
    ACCESS_DENIED = 0xC000_0022u32;
    BUFFER_TOO_SMALL = 0xC000_0023u32;
    OBJECT_NAME_NOT_FOUND = 0xC000_0034u32;
    DELETE_PENDING = 0xC000_0056u32;
    INTEGER_OVERFLOW = 0xC000_0095u32;
    DEVICE_BUSY = 0x8000_0011u32;
    INSUFFICIENT_RESOURCES = 0xC000_009Au32;
    DEVICE_NOT_CONNECTED = 0xC000_009Du32;
    IO_TIMEOUT = 0xC000_00B5u32;
    NOT_SUPPORTED = 0xC000_00BBu32;
    INTERNAL_ERROR = 0xC000_00E5u32;
    CANCELLED = 0xC000_0120u32;
    INVALID_DEVICE_STATE = 0xC000_0184u32;
    INVALID_BUFFER_SIZE = 0xC000_0206u32;
    OBJECTID_NOT_FOUND = 0xC000_02F0u32;
}

impl Status {
    #[inline]
    pub fn is_success(self) -> bool {
        self.0 >= 0
    }
}

/// Why something was not done.
#[derive(Clone, Copy)]
pub struct Error {
    pub status: Status,
    /// The Client broke the contract; the boundary reports it.
    pub misuse: bool,
    /// `None`: the text stands in the calling thread's message buffer.
    text: Option<&'static str>,
}

impl Error {
    /// A failure on a regular path.
    #[inline]
    pub const fn new(status: Status, text: &'static str) -> Self {
        Self { status, misuse: false, text: Some(text) }
    }

    /// A broken contract: reported, besides being returned.
    #[inline]
    pub const fn misuse(status: Status, text: &'static str) -> Self {
        Self { status, misuse: true, text: Some(text) }
    }

    /// A failure whose text is formatted now, into the calling thread's message buffer.
    #[cold]
    pub fn formatted(status: Status, misuse: bool, text: fmt::Arguments<'_>) -> Self {
        LAST.with(|last| {
            let mut message = last.message.borrow_mut();
            message.clear();
            let _ = message.write_fmt(text);
        });
        Self { status, misuse, text: None }
    }

    /// The same failure, told by another status.
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// Calls `with` with the text for people.
    pub fn with_text<R>(&self, with: impl FnOnce(&str) -> R) -> R {
        match self.text {
            Some(text) => with(text),
            None => LAST.with(|last| with(last.message.borrow().as_str())),
        }
    }
}

/// `fail!(STATUS, "format", …)`: an [`Error`] with a formatted text.
macro_rules! fail {
    ($status:ident, $($text:tt)*) => {
        $crate::framework::status::Error::formatted(
            $crate::framework::status::Status::$status, false, format_args!($($text)*))
    };
}
pub(crate) use fail;

/// A line of text in place. What does not fit is cut at a character's end.
pub struct Line {
    bytes: [u8; Line::CAPACITY],
    length: usize,
}

impl Line {
    const CAPACITY: usize = 512;

    pub const fn new() -> Self {
        Self { bytes: [0; Line::CAPACITY], length: 0 }
    }

    pub fn clear(&mut self) {
        self.length = 0;
        self.bytes[0] = 0;
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }

    /// The text with its terminating NUL, for C.
    pub fn as_c_bytes(&self) -> &[u8] {
        &self.bytes[..=self.length]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            // One line for people: whatever a file or a device put into it, and no NUL inside.
            let character = if character.is_control() { ' ' } else { character };
            let end = self.length + character.len_utf8();
            if end >= Line::CAPACITY {
                break;
            }
            character.encode_utf8(&mut self.bytes[self.length..end]);
            self.length = end;
        }
        self.bytes[self.length] = 0;
        Ok(())
    }
}

/// What the calling thread last failed with.
struct Last {
    /// Of its last Method that does not return NTSTATUS.
    status: Cell<i32>,
    /// A literal, or `None` when the text stands in `message`.
    literal: Cell<Option<&'static str>>,
    message: RefCell<Line>,
    /// What C was handed last; it stays valid until the thread asks again.
    shown: RefCell<Line>,
}

thread_local! {
    static LAST: Last = const {
        Last {
            status: Cell::new(0),
            literal: Cell::new(Some("")),
            message: RefCell::new(Line::new()),
            shown: RefCell::new(Line::new()),
        }
    };
}

/// Remembers `error` as the calling thread's last failure.
pub fn remember(error: &Error) {
    LAST.with(|last| last.literal.set(error.text));
}

/// Sets what `DMF_LastStatusGet` answers on this thread.
#[inline]
pub fn set_last_status(status: Status) {
    LAST.with(|last| last.status.set(status.0));
}

pub fn last_status() -> i32 {
    LAST.with(|last| last.status.get())
}

/// The calling thread's last failure as a C string, valid until the thread asks again.
pub fn last_message() -> *const u8 {
    LAST.with(|last| {
        let mut shown = last.shown.borrow_mut();
        shown.clear();
        let _ = match last.literal.get() {
            Some(text) => shown.write_str(text),
            None => shown.write_str(last.message.borrow().as_str()),
        };
        shown.as_c_bytes().as_ptr()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_never_grows_beyond_its_capacity_and_ends_at_a_character() {
        let mut line = Line::new();
        for _ in 0..400 {
            line.write_str("é").unwrap();
        }
        assert!(line.as_str().len() < Line::CAPACITY);
        assert!(line.as_str().chars().all(|c| c == 'é'));
        assert_eq!(line.as_c_bytes().last(), Some(&0));
    }

    #[test]
    fn a_line_has_no_control_characters() {
        let mut line = Line::new();
        line.write_str("a\0b\nc").unwrap();
        assert_eq!(line.as_str(), "a b c");
    }
}
