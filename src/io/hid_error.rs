//! What went wrong, from what hidapi says. Its errors carry no kind: an errno stands in an I/O error
//! or only in the text, by backend and by call. All knowledge of those texts is here.

use crate::framework::status::Status;
use hidapi::HidError;

/// The status of a failed hidapi call.
pub fn status(error: &HidError) -> Status {
    match error {
        HidError::IoError { error } => error.raw_os_error().map_or(Status::UNSUCCESSFUL, of_errno),
        HidError::IncompleteSendError { .. } | HidError::InvalidZeroSizeData => {
            Status::INVALID_BUFFER_SIZE
        }
        HidError::HidApiError { message } => of_text(message),
        _ => Status::UNSUCCESSFUL,
    }
}

/// Whether a signal came, and nothing is wrong.
pub fn is_interruption(error: &HidError) -> bool {
    match error {
        HidError::IoError { error } => error.kind() == std::io::ErrorKind::Interrupted,
        HidError::HidApiError { message } => errno_in(message) == Some(libc::EINTR),
        _ => false,
    }
}

/// The status of a text: of the errno that it names, or of hidapi's own words.
fn of_text(text: &str) -> Status {
    if text.contains("not a HIDRAW device") && !text.contains("ENODEV") {
        return Status::INVALID_PARAMETER;
    }
    if let Some(errno) = errno_in(text) {
        let is_opening = text.contains("failed to open device");
        return if is_opening { of_path_errno(errno) } else { of_errno(errno) };
    }
    if names_an_errno(text) {
        return Status::UNSUCCESSFUL;
    }
    if text.contains("device disconnected") {
        return Status::DEVICE_NOT_CONNECTED;
    }
    if text.contains("not supported") || text.contains("not implemented") {
        return Status::NOT_SUPPORTED;
    }
    if text.contains("device not found") {
        return Status::NO_SUCH_DEVICE;
    }
    Status::UNSUCCESSFUL
}

/// "(os error 13)", or a symbol that stands as a word of its own: "EPERM: Operation …".
fn errno_in(text: &str) -> Option<i32> {
    if let Some((_, rest)) = text.rsplit_once("(os error ") {
        return rest.split(')').next()?.parse().ok();
    }
    NAMES.iter().find_map(|&(name, errno)| {
        text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name).then_some(errno)
    })
}

/// Whether the text names any errno: then its words are the system's, not hidapi's.
fn names_an_errno(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        word.len() > 2 && word.starts_with('E') && !word.contains(|c: char| c.is_ascii_lowercase())
    })
}

/// Those that have a status of their own.
const NAMES: &[(&str, i32)] = &[
    ("EPERM", libc::EPERM),
    ("ENOENT", libc::ENOENT),
    ("EINTR", libc::EINTR),
    ("EMSGSIZE", libc::EMSGSIZE),
    ("EOVERFLOW", libc::EOVERFLOW),
    ("EIO", libc::EIO),
    ("ENXIO", libc::ENXIO),
    ("EACCES", libc::EACCES),
    ("EBUSY", libc::EBUSY),
    ("ENODEV", libc::ENODEV),
    ("EINVAL", libc::EINVAL),
    ("EPIPE", libc::EPIPE),
    ("ETIMEDOUT", libc::ETIMEDOUT),
    ("ENOTTY", libc::ENOTTY),
    ("EAGAIN", libc::EAGAIN),
    ("ENOMEM", libc::ENOMEM),
    ("ENOSYS", libc::ENOSYS),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
    #[cfg(unix)]
    ("ESHUTDOWN", libc::ESHUTDOWN),
];

/// The status of an errno of opening a path, which may name anything.
fn of_path_errno(errno: i32) -> Status {
    match errno {
        libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG => Status::OBJECT_NAME_NOT_FOUND,
        libc::EISDIR | libc::ETXTBSY | libc::ENXIO => Status::INVALID_PARAMETER,
        errno => of_errno(errno),
    }
}

/// The status of an errno of a HID operation.
pub fn of_errno(errno: i32) -> Status {
    match errno {
        libc::EPERM | libc::EACCES => Status::ACCESS_DENIED,
        libc::ENOENT => Status::OBJECT_NAME_NOT_FOUND,
        libc::ENODEV | libc::ENXIO => Status::DEVICE_NOT_CONNECTED,
        #[cfg(unix)] // Windows has no such errno.
        libc::ESHUTDOWN => Status::DEVICE_NOT_CONNECTED,
        libc::ETIMEDOUT => Status::IO_TIMEOUT,
        libc::EINVAL | libc::EMSGSIZE | libc::EOVERFLOW => Status::INVALID_BUFFER_SIZE,
        libc::EBUSY | libc::EAGAIN => Status::DEVICE_BUSY,
        libc::ENOSYS | libc::EOPNOTSUPP => Status::NOT_SUPPORTED,
        libc::ENOTTY => Status::INVALID_PARAMETER,
        libc::ENOMEM => Status::INSUFFICIENT_RESOURCES,
        _ => Status::UNSUCCESSFUL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_message(message: &str) -> Status {
        status(&HidError::HidApiError { message: message.to_owned() })
    }

    /// The texts are hidapi 2.6.7's, as its native Linux backend makes them.
    #[test]
    fn hidapis_own_texts_have_their_statuses() {
        for (text, expected) in [
            (
                "failed to open device with path /dev/hidraw0: Permission denied (os error 13)",
                Status::ACCESS_DENIED,
            ),
            (
                "failed to open device with path /dev/hidraw9: No such file or directory (os error 2)",
                Status::OBJECT_NAME_NOT_FOUND,
            ),
            (
                "failed to open device with path /dev/null/x: Not a directory (os error 20)",
                Status::OBJECT_NAME_NOT_FOUND,
            ),
            (
                "failed to open device with path /tmp: Is a directory (os error 21)",
                Status::INVALID_PARAMETER,
            ),
            (
                "failed to open device with path /dev/tty: No such device or address (os error 6)",
                Status::INVALID_PARAMETER,
            ),
            ("ioctl (GFEATURE): ENXIO: No such device or address", Status::DEVICE_NOT_CONNECTED),
            (
                "ioctl(GRDESCSIZE) error for /dev/null, not a HIDRAW device?: ENOTTY: Not a typewriter",
                Status::INVALID_PARAMETER,
            ),
            (
                "ioctl(GRDESCSIZE) error for /dev/hidraw0, not a HIDRAW device?: ENODEV: No such device",
                Status::DEVICE_NOT_CONNECTED,
            ),
            ("unexpected poll error (device disconnected)", Status::DEVICE_NOT_CONNECTED),
            ("ioctl (GFEATURE): ENODEV: No such device", Status::DEVICE_NOT_CONNECTED),
            ("ioctl (GINPUT): ETIMEDOUT: Connection timed out", Status::IO_TIMEOUT),
            ("ioctl (GFEATURE): EBUSY: Device or resource busy", Status::DEVICE_BUSY),
            ("ioctl (SOUTPUT): EINVAL: Invalid argument", Status::INVALID_BUFFER_SIZE),
            ("ioctl (GFEATURE): ENOMEM: Out of memory", Status::INSUFFICIENT_RESOURCES),
            ("ioctl (GFEATURE): EPROTONOSUPPORT: Protocol not supported", Status::UNSUCCESSFUL),
            ("not supported", Status::NOT_SUPPORTED),
            ("device not found", Status::NO_SUCH_DEVICE),
            ("something new", Status::UNSUCCESSFUL),
        ] {
            assert!(of_message(text) == expected, "{text}");
        }
    }

    #[test]
    fn an_io_error_has_the_status_of_its_errno() {
        let error = HidError::IoError { error: std::io::Error::from_raw_os_error(libc::ENODEV) };
        assert!(status(&error) == Status::DEVICE_NOT_CONNECTED);
    }
}
