//! Linux: waits for many descriptors at once, and for a word from another thread.
//!
//! Every operating-system call that this takes is in this file. Called from [`super::pump`].

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Descriptors that are waited for, and an eventfd that ends a wait.
pub struct Poll {
    epoll: OwnedFd,
    bell: File,
}

/// What a wait found.
#[derive(Clone, Copy)]
pub struct Event {
    pub token: u64,
    /// The other end is gone.
    pub is_hung_up: bool,
}

/// What a descriptor is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Something to read, or the other end gone.
    Readable,
    /// The other end gone.
    HangUp,
    /// Nothing.
    Nothing,
}

/// The token of the bell.
const BELL: u64 = u64::MAX;

/// Events that one wait gives at most.
const MOST_EVENTS: usize = 64;

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

impl Poll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call reads no memory.
        let epoll = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the call above has just made this descriptor, and nobody else knows it.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        // SAFETY: the call reads no memory.
        let bell = checked(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: as above.
        let bell = File::from(unsafe { OwnedFd::from_raw_fd(bell) });
        let poll = Self { epoll, bell };
        poll.control(libc::EPOLL_CTL_ADD, poll.bell.as_raw_fd(), libc::EPOLLIN as u32, BELL)?;
        Ok(poll)
    }

    fn control(
        &self,
        what: libc::c_int,
        descriptor: RawFd,
        events: u32,
        token: u64,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` outlives the call, which fails for numbers that are no descriptors.
        checked(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), what, descriptor, &mut event) })?;
        Ok(())
    }

    /// Changes what an open descriptor is waited for. It must not be closed before that is `Nothing`.
    pub fn set(
        &self,
        descriptor: RawFd,
        token: u64,
        before: Interest,
        now: Interest,
    ) -> io::Result<()> {
        let events = match now {
            Interest::Readable => libc::EPOLLIN as u32,
            Interest::HangUp | Interest::Nothing => 0,
        };
        match (before, now) {
            (before, now) if before == now => Ok(()),
            (Interest::Nothing, _) => self.control(libc::EPOLL_CTL_ADD, descriptor, events, token),
            (_, Interest::Nothing) => self.control(libc::EPOLL_CTL_DEL, descriptor, 0, token),
            _ => self.control(libc::EPOLL_CTL_MOD, descriptor, events, token),
        }
    }

    /// Ends a wait, or the next one.
    pub fn ring(&self) {
        // It fails only when it has been rung so often that it rings anyway.
        let _ = (&self.bell).write(&1u64.to_ne_bytes());
    }

    /// Waits for events and calls `with` on each.
    pub fn wait(&self, mut with: impl FnMut(Event)) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; MOST_EVENTS];
        // SAFETY: the array is writable and has as many entries as the call is told.
        let count = checked(unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                MOST_EVENTS as libc::c_int,
                -1,
            )
        });
        let count = match count {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            count => count? as usize,
        };
        for event in &events[..count] {
            let libc::epoll_event { events, u64: token } = *event;
            if token == BELL {
                let _ = (&self.bell).read(&mut [0; 8]);
                continue;
            }
            let is_hung_up = events & (libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0;
            with(Event { token, is_hung_up });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn events_of(poll: &Poll) -> Vec<(u64, bool)> {
        let mut found = Vec::new();
        poll.wait(|event| found.push((event.token, event.is_hung_up))).unwrap();
        found
    }

    #[test]
    fn what_is_readable_is_found_by_its_token() {
        let poll = Poll::new().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        poll.set(ours.as_raw_fd(), 7, Interest::Nothing, Interest::Readable).unwrap();
        theirs.write_all(b"x").unwrap();
        assert_eq!(events_of(&poll), [(7, false)]);
    }

    #[test]
    fn a_hang_up_is_found_whatever_is_waited_for() {
        let poll = Poll::new().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        poll.set(ours.as_raw_fd(), 7, Interest::Nothing, Interest::HangUp).unwrap();
        theirs.write_all(b"x").unwrap();
        drop(theirs);
        assert_eq!(events_of(&poll), [(7, true)]);
    }

    #[test]
    fn the_bell_ends_a_wait_once() {
        let poll = Poll::new().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        poll.set(ours.as_raw_fd(), 7, Interest::Nothing, Interest::Readable).unwrap();
        poll.ring();
        poll.ring();
        assert_eq!(events_of(&poll), []);
        theirs.write_all(b"x").unwrap();
        assert_eq!(events_of(&poll), [(7, false)]);
    }
}
