//! Timers: one thread for the whole process.
//!
//! Who needs timers attaches; the thread starts with the first user and ends with the last. An entry
//! says when, for which object, and what to call; it is never taken back: what it calls looks whether
//! the object is still there and whether anything is due. Entries of objects that are gone, and
//! those of [`Calls`] that were replaced, are swept out when the heap would grow.

pub use super::clock::now;
use super::handle::Handle;
use super::memory::{self, Shared};
use super::status::Error;
use super::sync::{self, AtomicU64, Condvar, Mutex};
use super::thread::{self, JoinHandle};
use super::tree;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What is called, on the timer thread, without a lock.
pub type Fire = fn(Handle);

struct Entry {
    at: u64,
    order: u64,
    object: Handle,
    fire: Fire,
    /// The order of the entry that counts, where only the last of several does.
    last: Option<Shared<AtomicU64>>,
}

impl Entry {
    fn is_replaced(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.load(sync::Ordering::Relaxed) != self.order)
    }

    fn is_needed(&self) -> bool {
        !self.is_replaced() && !matches!(tree::state_of(self.object), tree::Existence::Never)
    }
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
        self.enter(at, object, fire, None)
    }

    fn enter(
        &self,
        at: u64,
        object: Handle,
        fire: Fire,
        last: Option<&Shared<AtomicU64>>,
    ) -> Result<(), Error> {
        let mut service = SERVICE.lock();
        if service.entries.len() == service.entries.capacity() {
            service.make_room()?;
        }
        service.order += 1;
        let order = service.order;
        if let Some(last) = last {
            last.store(order, sync::Ordering::Relaxed);
        }
        let entry = Entry { at, order, object, fire, last: last.cloned() };
        let is_first = service.entries.peek().is_none_or(|first| entry > *first);
        service.entries.push(entry);
        drop(service);
        if is_first {
            CHANGED.notify_all();
        }
        Ok(())
    }
}

/// One who needs one call at a time: what is scheduled replaces what was scheduled before.
pub struct Calls {
    user: User,
    last: Shared<AtomicU64>,
}

impl Calls {
    pub fn attach() -> Result<Self, Error> {
        Ok(Self { last: Shared::new(AtomicU64::new(0))?, user: User::attach()? })
    }

    /// Has `fire` called with `object` at that moment, and not when it was to be called before.
    pub fn schedule(&self, at: u64, object: Handle, fire: Fire) -> Result<(), Error> {
        self.user.enter(at, object, fire, Some(&self.last))
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
        self.entries.retain(Entry::is_needed);
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
        if let Some(entry) = service.entries.pop()
            && !entry.is_replaced()
        {
            drop(service);
            (entry.fire)(entry.object);
            service = SERVICE.lock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::handle::Kind;
    use super::super::tree::Choices;
    use super::*;

    #[test]
    fn calls_that_are_replaced_take_no_room() {
        let calls = Calls::attach().ok().unwrap();
        let object = tree::reserve(Kind::Device, Choices::default()).ok().unwrap();
        for i in 0..100_000 {
            assert!(calls.schedule(u64::MAX - i, object.handle(), |_| ()).is_ok());
        }
        assert!(SERVICE.lock().entries.capacity() < 10_000);
    }
}
