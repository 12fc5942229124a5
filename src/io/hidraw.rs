//! Linux: the descriptor behind a hidapi handle, and reads through a duplicate of it.
//!
//! hidapi keeps its descriptor to itself, and its own read looks at hang-up before data, so reports
//! that the kernel still holds when a device goes away are lost on that way. A duplicate shares the
//! open file, and with it the ring of reports: each report comes out once, whichever of the two
//! reads it.
//!
//! A duplicate is taken only when there is no doubt whose it is: [`Opened`] lists the process's
//! descriptors of the node before hidapi opens it, and exactly one new one must be there afterwards.
//! Otherwise there is none, and the reports are read through hidapi.
//!
//! Called from [`super::hid`]. Every operating-system call that this takes is in this file.

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Descriptor, Opened};
#[cfg(all(test, target_os = "linux"))]
pub use linux::tests;
#[cfg(target_os = "linux")]
pub use linux::{Descriptor, Opened};

#[cfg(target_os = "linux")]
mod linux {
    use crate::framework::memory::try_push;
    use crate::framework::status::Status;
    use crate::io::hid_error;
    use std::ffi::{CStr, OsStr};
    use std::fs::{self, File, Metadata};
    use std::io::{self, ErrorKind, Read};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    /// The calling thread's own table: it is there even after the main thread has ended.
    const DESCRIPTORS: &str = "/proc/thread-self/fd";

    /// Descriptors below are standard input, output and error, for whoever closed and expects them.
    const LOWEST_DUPLICATE: libc::c_int = 3;

    /// The process's descriptors of one device node, at one moment.
    pub struct Opened {
        device_number: u64,
        descriptors: Vec<RawFd>,
    }

    impl Opened {
        /// `None`: the node, or the process's own descriptors, cannot be looked at.
        pub fn of(path: &CStr) -> Option<Self> {
            let facts = fs::metadata(OsStr::from_bytes(path.to_bytes())).ok()?;
            let device_number = facts.rdev();
            Some(Self { device_number, descriptors: descriptors_of(device_number)? })
        }

        /// A duplicate of the descriptor that the node has been opened with since. `None`: there is
        /// none, or more than one.
        ///
        /// The one that is looked for stays open during the call.
        pub fn find_new(&self) -> Option<Descriptor> {
            let mut found = None;
            for number in descriptors_of(self.device_number)? {
                if self.descriptors.contains(&number) {
                    continue;
                }
                let Some(descriptor) = Descriptor::duplicate(number, self.device_number) else {
                    continue;
                };
                if found.replace(descriptor).is_some() {
                    return None;
                }
            }
            found
        }
    }

    fn descriptors_of(device_number: u64) -> Option<Vec<RawFd>> {
        let mut descriptors = Vec::new();
        for entry in fs::read_dir(DESCRIPTORS).ok()? {
            let entry = entry.ok()?;
            // Other threads close theirs meanwhile.
            let Ok(facts) = fs::metadata(entry.path()) else { continue };
            if is_device(&facts, device_number) {
                let number = entry.file_name().to_str()?.parse().ok()?;
                try_push(&mut descriptors, number).ok()?;
            }
        }
        Some(descriptors)
    }

    fn is_device(facts: &Metadata, number: u64) -> bool {
        facts.file_type().is_char_device() && facts.rdev() == number
    }

    /// A duplicate of a hidraw descriptor, in non-blocking mode.
    pub struct Descriptor(File);

    impl Descriptor {
        fn duplicate(number: RawFd, device_number: u64) -> Option<Self> {
            // SAFETY: the call reads no memory, and fails for a number that is no descriptor.
            let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, LOWEST_DUPLICATE) };
            if copy < 0 {
                return None;
            }
            // SAFETY: the call above has just made this descriptor, and nobody else knows it.
            let file = File::from(unsafe { OwnedFd::from_raw_fd(copy) });
            // The number may mean something else by now than when it was listed; the copy stays.
            let is_of_device = is_device(&file.metadata().ok()?, device_number);
            (is_of_device && never_blocks(&file)).then_some(Self(file))
        }

        /// Reads one report. 0: there is none.
        ///
        /// What the kernel still holds of a device that is gone comes first, and then
        /// [`Status::DEVICE_NOT_CONNECTED`].
        pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Status> {
            loop {
                match (&self.0).read(buffer) {
                    Ok(length) => return Ok(length),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                    // Not the same as nothing to read: what is there may be all there is room for.
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(status_of(&error)),
                }
            }
        }

        /// Throws away what the kernel holds, `most` reports at most.
        pub fn discard(&self, most: usize) {
            // A report that is longer than the buffer is gone all the same.
            let mut report = [0; 1];
            for _ in 0..most {
                match (&self.0).read(&mut report) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    _ => return,
                }
            }
        }
    }

    impl AsRawFd for Descriptor {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }
    }

    fn never_blocks(file: &File) -> bool {
        // SAFETY: the call reads no memory, and the descriptor is open.
        let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
        flags >= 0 && flags & libc::O_NONBLOCK != 0
    }

    fn status_of(error: &io::Error) -> Status {
        match error.raw_os_error() {
            // hidraw's word for a device that is gone and has nothing left.
            Some(libc::EIO) => Status::DEVICE_NOT_CONNECTED,
            errno => errno.map_or(Status::UNSUCCESSFUL, hid_error::of_errno),
        }
    }

    #[cfg(test)]
    pub mod tests {
        use super::*;
        use std::fs::OpenOptions;
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        use std::os::unix::net::UnixStream;
        use std::sync::{Mutex, MutexGuard};

        /// A character device that everybody may open and no other test does.
        const NODE: &CStr = c"/dev/full";

        /// These tests look at each other's descriptors.
        fn alone() -> MutexGuard<'static, ()> {
            static ONE: Mutex<()> = Mutex::new(());
            ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        fn open_node(flags: libc::c_int) -> File {
            let path = NODE.to_str().unwrap();
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap()
        }

        fn is_closed_by_exec(file: &File) -> bool {
            // SAFETY: the call reads no memory, and the descriptor is open.
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
        }

        #[test]
        fn the_descriptor_that_was_not_there_before_is_duplicated() {
            let _alone = alone();
            let _earlier = open_node(libc::O_NONBLOCK);
            let before = Opened::of(NODE).unwrap();
            let file = open_node(libc::O_NONBLOCK);
            let found = before.find_new().expect("a new descriptor");
            assert_ne!(found.0.as_raw_fd(), file.as_raw_fd());
            assert!(is_closed_by_exec(&found.0));
            drop(file);
            // The duplicate holds the file by itself; this device is full of zeros.
            let mut report = [1; 4];
            assert!(found.read(&mut report) == Ok(4));
            assert_eq!(report, [0; 4]);
        }

        #[test]
        fn nothing_new_is_not_found() {
            let _alone = alone();
            let _earlier = open_node(libc::O_NONBLOCK);
            assert!(Opened::of(NODE).unwrap().find_new().is_none());
        }

        #[test]
        fn of_two_new_descriptors_neither_is_taken() {
            let _alone = alone();
            let before = Opened::of(NODE).unwrap();
            let _one = open_node(libc::O_NONBLOCK);
            let _another = open_node(libc::O_NONBLOCK);
            assert!(before.find_new().is_none());
        }

        #[test]
        fn a_descriptor_that_may_block_is_somebody_elses() {
            let _alone = alone();
            let before = Opened::of(NODE).unwrap();
            let _blocking = open_node(0);
            assert!(before.find_new().is_none());
            let _ours = open_node(libc::O_NONBLOCK);
            assert!(before.find_new().is_some());
        }

        #[test]
        fn a_path_that_does_not_exist_has_no_descriptors() {
            assert!(Opened::of(c"/dev/hidraw-that-does-not-exist").is_none());
        }

        const REPORT: usize = 8;

        /// Two ends; the other one is the device.
        pub fn connected() -> (Descriptor, UnixStream) {
            let (ours, device) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            (Descriptor(File::from(OwnedFd::from(ours))), device)
        }

        #[test]
        fn a_read_takes_what_there_is_and_does_not_wait() {
            let (descriptor, mut device) = connected();
            let mut report = [0; REPORT];
            assert!(descriptor.read(&mut report) == Ok(0));
            device.write_all(&[7; REPORT]).unwrap();
            assert!(descriptor.read(&mut report) == Ok(REPORT));
            assert_eq!(report, [7; REPORT]);
            assert!(descriptor.read(&mut report) == Ok(0));
        }

        #[test]
        fn no_more_is_discarded_than_asked_for() {
            let (descriptor, mut device) = connected();
            device.write_all(&[1, 2, 3]).unwrap();
            // A stream gives a byte to each read where hidraw gives a report.
            descriptor.discard(2);
            let mut report = [0; REPORT];
            assert!(descriptor.read(&mut report) == Ok(1) && report[0] == 3);
            descriptor.discard(2);
        }

        #[test]
        fn the_errnos_of_a_read_have_their_statuses() {
            let status = |errno| status_of(&io::Error::from_raw_os_error(errno));
            for gone in [libc::EIO, libc::ENODEV] {
                assert!(status(gone) == Status::DEVICE_NOT_CONNECTED);
            }
            assert!(status(libc::ENOMEM) == Status::INSUFFICIENT_RESOURCES);
        }
    }
}

/// Where a descriptor cannot be found: these types have no values.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use crate::framework::status::Status;
    use std::ffi::CStr;

    pub enum Opened {}

    impl Opened {
        pub fn of(_path: &CStr) -> Option<Self> {
            None
        }

        pub fn find_new(&self) -> Option<Descriptor> {
            match *self {}
        }
    }

    pub enum Descriptor {}

    impl Descriptor {
        pub fn read(&self, _buffer: &mut [u8]) -> Result<usize, Status> {
            match *self {}
        }

        pub fn discard(&self, _most: usize) {
            match *self {}
        }
    }
}
