//! The slot's lock on processors that keep stores back: threads that come to own it, take it away from
//! each other, and give its slot to another object.
//!
//! The lock is the library's own source file, on the [`machine`]. The light fence does nothing there, the
//! heavy one empties every queue of stores. A thread owns the lock at its first turn, so that schedules are
//! short. (Loom models the fences too, but not a lock that is given back by a plain store and looked at
//! in a loop: its waiting threads read old values for ever.)

use crate::framework::lock::{Held, RawLock};
use crate::framework::sync::Backoff;
use crate::machine::{self, let_all_out, step};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Mistakes in what the lock is built on; each must be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Slip {
    None,
    /// The heavy fence does not reach the owner.
    NoHeavyFence,
    /// Threads take each other's records for their own.
    AnyRecordIsMine,
}

/// The slip of the model that runs: one at a time.
static SLIP: AtomicU8 = AtomicU8::new(0);

pub fn slips(slip: Slip) -> bool {
    SLIP.load(Ordering::Relaxed) == slip as u8
}

/// A lock, and whether somebody works on what it guards.
struct Guarded {
    lock: RawLock,
    busy: AtomicBool,
}

impl Guarded {
    fn new(rank: u32) -> Self {
        Self { lock: RawLock::new(rank), busy: AtomicBool::new(false) }
    }

    fn work(&self, held: Held<'_>, work: impl FnOnce()) {
        assert!(!self.busy.swap(true, Ordering::Relaxed), "two have the lock at once");
        work();
        self.busy.store(false, Ordering::Relaxed);
        // SAFETY: the lock was taken by this thread.
        unsafe { held.unlock() };
    }
}

/// A slot's two sides.
pub struct Slot {
    front: Guarded,
    back: Guarded,
}

impl Slot {
    fn new() -> Self {
        Self { front: Guarded::new(0), back: Guarded::new(1) }
    }

    fn lock(&self) {
        self.front.work(self.front.lock.lock(), step);
    }

    fn try_lock(&self) {
        if let Some(held) = self.front.lock.try_lock() {
            self.front.work(held, step);
        }
    }

    fn lock_back(&self) {
        self.back.work(self.back.lock.lock(), step);
    }

    fn lock_both(&self) {
        self.back.work(self.back.lock.lock(), || self.lock());
    }

    /// Deletes the slot's object and gives the slot to another one.
    fn give_away(&self) {
        for side in [&self.front, &self.back] {
            while !side.lock.try_disarm() {
                Backoff.wait();
            }
        }
        self.arm();
    }

    fn arm(&self) {
        self.back.lock.arm();
        self.front.lock.arm();
    }
}

type Act = fn(&Slot);

fn lock_twice(slot: &Slot) {
    slot.lock();
    slot.lock();
}

fn lock_and_give_away(slot: &Slot) {
    slot.lock();
    slot.give_away();
    slot.lock();
}

fn lock_both_and_each(slot: &Slot) {
    slot.lock_both();
    slot.lock_back();
    slot.lock();
}

/// What threads do at the same time.
pub const RACES: &[(&str, &[Act])] = &[
    ("an owner and another", &[lock_twice, Slot::lock]),
    ("two of them often", &[lock_twice, lock_twice]),
    ("an owner and two others", &[lock_twice, Slot::lock, Slot::try_lock]),
    ("an owner and the end of the object", &[lock_twice, Slot::give_away]),
    ("the slot changes hands", &[lock_twice, lock_and_give_away, Slot::lock]),
    ("the slot changes hands twice", &[lock_twice, lock_and_give_away, lock_and_give_away]),
    ("both sides and each", &[lock_both_and_each, lock_twice, Slot::lock_back]),
    ("both sides and the end of the object", &[lock_both_and_each, Slot::give_away]),
];

/// Runs a race under that many schedules. Panics with what is wrong.
pub fn check(acts: &'static [Act], schedules: usize) {
    let mut config = shuttle::Config::default();
    config.failure_persistence = shuttle::FailurePersistence::None;
    let scheduler = shuttle::scheduler::RandomScheduler::new_from_seed(1, schedules);
    shuttle::Runner::new(scheduler, config).run(move || {
        machine::reset();
        let slot = Arc::new(Slot::new());
        slot.arm();
        let_all_out(0);
        let threads: Vec<_> = acts
            .iter()
            .map(|act| {
                let slot = slot.clone();
                machine::spawn(move || act(&slot))
            })
            .collect();
        for thread in threads {
            thread.join();
        }
    });
}

/// Whether a schedule fails with the slip.
pub fn finds(acts: &'static [Act], schedules: usize, slip: Slip) -> bool {
    SLIP.store(slip as u8, Ordering::Relaxed);
    let result = catch_unwind(AssertUnwindSafe(|| check(acts, schedules)));
    SLIP.store(Slip::None as u8, Ordering::Relaxed);
    result.is_err()
}
