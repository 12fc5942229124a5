//! Environment variables, which a program that has more rights than its user does not listen to.

use std::ffi::OsString;

/// The variable's value, unless the process runs with the rights of its file (setuid, setgid or
/// capabilities): its environment is not to be trusted then.
pub fn variable(name: &str) -> Option<OsString> {
    if is_privileged() { None } else { std::env::var_os(name) }
}

#[cfg(target_os = "linux")]
fn is_privileged() -> bool {
    // SAFETY: the call has no condition.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(target_os = "macos")]
fn is_privileged() -> bool {
    // SAFETY: the call has no condition.
    unsafe { libc::issetugid() != 0 }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn is_privileged() -> bool {
    false
}
