//! Misuse, errors, versions: what a program asks the library itself.

use super::boundary::value;
use super::types::*;
use crate::framework::misuse;
use crate::framework::status::{self, Status};
use std::ffi::c_char;

/// Sets who is told of broken contracts; NULL brings the default back, which writes a line to standard
/// error (environment variable DMF_MISUSE: abort, print, ignore).
///
/// The handler gets the Method's name, the handle it was called with, one line of text, and Context;
/// the texts are valid during the call. It may be called on any thread that calls a Method and, where what a
/// callback returned was wrong, on the thread of that callback. It may call Methods itself.
#[unsafe(export_name = "DMF_MisuseHandlerSet")]
pub unsafe extern "C" fn handler_set(evt_misuse: PEVT_DMF_Misuse, context: *mut VOID) {
    value(c"DMF_MisuseHandlerSet", std::ptr::null_mut::<VOID>(), || {
        misuse::set_handler(evt_misuse, context);
        Ok(())
    })
}

/// The status of the calling thread's last Method that does not itself return NTSTATUS.
#[unsafe(export_name = "DMF_LastStatusGet")]
pub extern "C" fn last_status_get() -> NTSTATUS {
    status::last_status()
}

/// One line for people about the calling thread's last failure; never NULL, "" before the first.
///
/// The text is valid until this thread calls the function again.
#[unsafe(export_name = "DMF_LastErrorMessageGet")]
pub extern "C" fn last_error_message_get() -> *const c_char {
    status::last_message().cast()
}

/// The name of a status, such as "STATUS_UNSUCCESSFUL"; "STATUS_?" for one that the library does not
/// use. Never NULL; valid for ever.
#[unsafe(export_name = "DMF_StatusName")]
pub extern "C" fn status_name(status: NTSTATUS) -> *const c_char {
    Status(status).c_name().as_ptr().cast()
}

/// The version of the library in use: (major << 16) | (minor << 8) | patch.
#[unsafe(export_name = "DMF_VersionGet")]
pub extern "C" fn version_get() -> ULONG {
    const fn number(text: &str) -> u32 {
        let bytes = text.as_bytes();
        let mut value = 0;
        let mut i = 0;
        while i < bytes.len() {
            value = value * 10 + (bytes[i] - b'0') as u32;
            i += 1;
        }
        value
    }
    const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}
