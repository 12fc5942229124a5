//! Reports of broken contracts: the Method, the handle, and what was wrong.
//!
//! A program's own handler gets every report. Without one a line goes to standard error, at most
//! [`LINES_PER_SECOND`] of them. The environment variable `DMF_MISUSE` (`abort`, `print`, `ignore`)
//! chooses what happens when no handler is set.

use super::environment::variable;
use super::handle::Handle;
use super::status::{Error, Line};
use super::sync::{AtomicU64, Mutex, Ordering};
use once_cell::sync::OnceCell;
use std::ffi::{CStr, c_char, c_void};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

/// What C sets: `EVT_DMF_Misuse*`.
pub type Handler = unsafe extern "C" fn(*const c_char, *mut c_void, *const c_char, *mut c_void);

#[derive(Clone, Copy)]
struct Installed {
    handler: Option<Handler>,
    context: *mut c_void,
}

// SAFETY: the context is C's; it is handed back and never looked at.
unsafe impl Send for Installed {}

static INSTALLED: Mutex<Installed> =
    Mutex::new(Installed { handler: None, context: std::ptr::null_mut() });

const LINES_PER_SECOND: u64 = 10;

/// Sets the handler; `None` brings the default back.
pub fn set_handler(handler: Option<Handler>, context: *mut c_void) {
    *INSTALLED.lock() = Installed { handler, context };
}

/// Hands a report to the handler.
#[cold]
pub fn report(method: &'static CStr, handle: Handle, error: &Error) {
    let mut message = Line::new();
    error.with_text(|text| {
        let _ = message.write_str(text);
    });
    let installed = *INSTALLED.lock();
    let Some(handler) = installed.handler else {
        return default(method.to_str().unwrap_or(""), handle, &message);
    };
    // SAFETY: the program vouches for its handler; both texts end with a NUL.
    unsafe {
        handler(
            method.as_ptr(),
            handle.as_void(),
            message.as_c_bytes().as_ptr().cast(),
            installed.context,
        );
    }
}

enum Choice {
    Abort,
    Print,
    Ignore,
}

fn choice() -> &'static Choice {
    static CHOICE: OnceCell<Choice> = OnceCell::new();
    CHOICE.get_or_init(|| match variable("DMF_MISUSE") {
        Some(word) if word == "abort" => Choice::Abort,
        Some(word) if word == "ignore" => Choice::Ignore,
        _ => Choice::Print,
    })
}

fn default(method: &str, handle: Handle, message: &Line) {
    match choice() {
        Choice::Ignore => {}
        Choice::Print => print(method, handle, message),
        Choice::Abort => {
            print(method, handle, message);
            std::process::abort();
        }
    }
}

fn print(method: &str, handle: Handle, message: &Line) {
    static STARTED: OnceCell<Instant> = OnceCell::new();
    /// The second of the last line, and the lines in it: `second << 32 | lines`.
    static PRINTED: AtomicU64 = AtomicU64::new(0);
    let second = STARTED.get_or_init(Instant::now).elapsed().as_secs();
    let before = PRINTED
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |printed| {
            Some(if printed >> 32 == second { printed + 1 } else { second << 32 | 1 })
        })
        .unwrap_or(0);
    let lines = if before >> 32 == second { before & u64::from(u32::MAX) } else { 0 };
    // One write per line, so that lines of several threads do not mix.
    let mut line = Line::new();
    let _ = match lines {
        0..LINES_PER_SECOND => {
            write!(line, "dmf: misuse: {method}({:#x}): {}", handle.0, message.as_str())
        }
        LINES_PER_SECOND => write!(line, "dmf: misuse: more reports in this second are left out"),
        _ => return,
    };
    let mut bytes = [0; 520];
    let text = line.as_str().as_bytes();
    bytes[..text.len()].copy_from_slice(text);
    bytes[text.len()] = b'\n';
    let _ = std::io::stderr().write_all(&bytes[..=text.len()]);
}
