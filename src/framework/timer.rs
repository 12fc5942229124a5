//! Timers: one thread for the whole process.
//!
//! Who needs timers attaches; the thread starts with the first user and ends with the last. An entry
//! says when, for which object, and what to call; it is never taken back: what it calls looks whether
//! the object is still there and whether anything is due. Entries of objects that are gone are swept
//! out when the heap would grow.

use super::handle::Handle;
use super::memory;
use super::status::Error;
use super::sync::{Condvar, Mutex};
use super::{thread, tree};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::thread::JoinHandle;
use std::time::Duration;

/// Nanoseconds of the system's monotonic clock, as C reads it with CLOCK_MONOTONIC.
#[cfg(unix)]
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the result goes to this stack; the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds of a monotonic clock, since the library's first look at it.
#[cfg(not(unix))]
pub fn now() -> u64 {
    static START: once_cell::sync::OnceCell<std::time::Instant> = once_cell::sync::OnceCell::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

/// What is called, on the timer thread, without a lock.
pub type Fire = fn(Handle);

struct Entry {
    at: u64,
    order: u64,
    object: Handle,
    fire: Fire,
}

/// The entry that is due first is the greatest, as the heap wants it.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Entry {}

/// Longer waits are made of several, so that no clock arithmetic overflows.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

struct Service {
    entries: BinaryHeap<Entry>,
    order: u64,
    users: u32,
    /// Which start of the thread is the current one.
    epoch: u64,
    thread: Option<JoinHandle<()>>,
}

static SERVICE: Mutex<Service> =
    Mutex::new(Service { entries: BinaryHeap::new(), order: 0, users: 0, epoch: 0, thread: None });

static CHANGED: Condvar = Condvar::new();

/// One who needs timers. Dropped, it needs them no more.
pub struct User(());

impl User {
    pub fn attach() -> Result<Self, Error> {
        let mut service = SERVICE.lock();
        if service.users == 0 {
            service.epoch += 1;
            let epoch = service.epoch;
            service.thread = Some(thread::start("dmf-timer", move || run(epoch))?);
        }
        service.users += 1;
        Ok(Self(()))
    }

    /// Has `fire` called with `object` at that moment.
    pub fn schedule(&self, at: u64, object: Handle, fire: Fire) -> Result<(), Error> {
        let mut service = SERVICE.lock();
        if service.entries.len() == service.entries.capacity() {
            service.make_room()?;
        }
        service.order += 1;
        let entry = Entry { at, order: service.order, object, fire };
        let is_first = service.entries.peek().is_none_or(|first| entry > *first);
        service.entries.push(entry);
        drop(service);
        if is_first {
            CHANGED.notify_all();
        }
        Ok(())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut service = SERVICE.lock();
        service.users -= 1;
        if service.users > 0 {
            return;
        }
        service.epoch += 1;
        service.entries = BinaryHeap::new();
        let thread = service.thread.take();
        drop(service);
        CHANGED.notify_all();
        if let Some(thread) = thread {
            thread::join(thread);
        }
    }
}

impl Service {
    fn make_room(&mut self) -> Result<(), Error> {
        self.entries
            .retain(|entry| !matches!(tree::state_of(entry.object), tree::Existence::Never));
        if self.entries.len() > self.entries.capacity() / 2 || self.entries.capacity() == 0 {
            memory::permit()?;
            let more = self.entries.len().max(16);
            self.entries.try_reserve(more).map_err(|_| memory::no_memory())?;
        }
        Ok(())
    }
}

fn run(epoch: u64) {
    let mut service = SERVICE.lock();
    while service.epoch == epoch {
        let Some(first) = service.entries.peek() else {
            CHANGED.wait(&mut service);
            continue;
        };
        let wait = first.at.saturating_sub(now());
        if wait > 0 {
            CHANGED.wait_for(&mut service, Duration::from_nanos(wait).min(LONGEST_WAIT));
            continue;
        }
        if let Some(Entry { object, fire, .. }) = service.entries.pop() {
            drop(service);
            fire(object);
            service = SERVICE.lock();
        }
    }
}
