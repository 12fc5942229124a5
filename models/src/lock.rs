//! The slot's lock on processors that keep stores back: threads that come to own it, take it away from
//! each other, and give its slot to another object.
//!
//! [`real`] is the library's own source file. What it takes from its neighbours is the model's: atomics on
//! a machine where every thread has a queue of stores that the others do not see yet (total store order,
//! as x86 has it); the light fence, which does nothing; the heavy one, which empties every queue; and the
//! threads' numbers and records. Shuttle chooses which thread goes on, and the model when a store is let
//! out, both at random from a fixed seed. A thread owns the lock at its first turn, so that schedules
//! are short. (Loom models the fences too, but not a lock that is given back by a plain store and looked at
//! in a loop: its waiting threads read old values for ever.)

#[path = "../../src/framework/lock.rs"]
mod real;

use real::{Held, RawLock};
use shuttle::rand::Rng;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

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

fn slips(slip: Slip) -> bool {
    SLIP.load(Ordering::Relaxed) == slip as u8
}

/// A store that its thread has made and the others do not see.
struct Store {
    cell: *const AtomicUsize,
    value: usize,
}

const THREADS: usize = 4;

thread_local! {
    /// The queues of stores. Shuttle's threads take turns on one thread of the system.
    static QUEUES: RefCell<[VecDeque<Store>; THREADS]> = const {
        RefCell::new([const { VecDeque::new() }; THREADS])
    };
    /// The model's thread that runs.
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

fn let_out(queue: &mut VecDeque<Store>) {
    if let Some(store) = queue.pop_front() {
        // SAFETY: the cells belong to the slot and to the records, which outlive the threads' queues.
        unsafe { (*store.cell).store(store.value, Ordering::Relaxed) };
    }
}

fn let_all_out(thread: usize) {
    QUEUES.with_borrow_mut(|queues| {
        while !queues[thread].is_empty() {
            let_out(&mut queues[thread]);
        }
    });
}

/// Another thread may run, and stores may be let out.
fn step() {
    let me = RUNNING.get();
    shuttle::thread::sleep(std::time::Duration::ZERO);
    RUNNING.set(me);
    let mut random = shuttle::rand::thread_rng();
    QUEUES.with_borrow_mut(|queues| {
        for queue in queues {
            if random.gen_ratio(1, 6) {
                let_out(queue);
            }
        }
    });
}

mod sync {
    use super::{QUEUES, RUNNING, Store, let_all_out, step};
    pub use std::sync::atomic::{AtomicU32, Ordering};

    pub struct AtomicUsize(std::sync::atomic::AtomicUsize);

    impl AtomicUsize {
        pub fn new(value: usize) -> Self {
            Self(std::sync::atomic::AtomicUsize::new(value))
        }

        pub fn load(&self, _: Ordering) -> usize {
            step();
            QUEUES.with_borrow(|queues| {
                let mine = queues[RUNNING.get()].iter().rev();
                let own = mine.into_iter().find(|store| std::ptr::eq(store.cell, &self.0));
                own.map_or_else(|| self.0.load(Ordering::Relaxed), |store| store.value)
            })
        }

        pub fn store(&self, value: usize, _: Ordering) {
            step();
            let store = Store { cell: &self.0, value };
            QUEUES.with_borrow_mut(|queues| queues[RUNNING.get()].push_back(store));
        }

        pub fn swap(&self, value: usize, _: Ordering) -> usize {
            step();
            let_all_out(RUNNING.get());
            self.0.swap(value, Ordering::Relaxed)
        }
    }

    #[derive(Default)]
    pub struct Backoff;

    impl Backoff {
        pub fn wait(&mut self) {
            let me = RUNNING.get();
            shuttle::thread::yield_now();
            RUNNING.set(me);
        }
    }
}

mod asymmetric {
    use super::{Slip, THREADS, let_all_out, slips, step};

    pub fn available() -> bool {
        true
    }

    pub fn light() {}

    pub fn heavy() {
        step();
        if !slips(Slip::NoHeavyFence) {
            (0..THREADS).for_each(let_all_out);
        }
    }
}

mod owners {
    use super::sync::AtomicUsize;
    use super::{RUNNING, Slip, THREADS, slips};
    use std::sync::OnceLock;

    pub const STREAK: u32 = 1;

    #[repr(align(16))]
    pub struct Owner {
        thread: usize,
        pub inside: AtomicUsize,
    }

    /// Every thread's record; its cell is 0 again when no thread is inside.
    static RECORDS: OnceLock<[Owner; THREADS]> = OnceLock::new();

    fn records() -> &'static [Owner; THREADS] {
        RECORDS.get_or_init(|| {
            std::array::from_fn(|thread| Owner { thread, inside: AtomicUsize::new(0) })
        })
    }

    pub fn current() -> usize {
        RUNNING.get() + 1
    }

    impl Owner {
        pub fn is_mine(&self) -> bool {
            slips(Slip::AnyRecordIsMine) || self.thread == RUNNING.get()
        }
    }

    pub fn at(address: usize) -> &'static Owner {
        records().iter().find(|it| std::ptr::from_ref(*it).addr() == address).expect("a record")
    }

    pub fn record_of(me: usize) -> Option<&'static Owner> {
        Some(&records()[me - 1])
    }
}

/// A slot: the lock, and whether somebody works on what it guards.
#[derive(Default)]
pub struct Slot {
    lock: RawLock,
    busy: AtomicBool,
}

impl Slot {
    fn work(&self, held: Held<'_>) {
        assert!(!self.busy.swap(true, Ordering::Relaxed), "two have the lock at once");
        step();
        self.busy.store(false, Ordering::Relaxed);
        // SAFETY: the lock was taken by this thread.
        unsafe { held.unlock() };
    }

    fn lock(&self) {
        self.work(self.lock.lock());
    }

    fn try_lock(&self) {
        if let Some(held) = self.lock.try_lock() {
            self.work(held);
        }
    }

    /// Deletes the slot's object and gives the slot to another one.
    fn give_away(&self) {
        while !self.lock.try_disarm() {
            sync::Backoff.wait();
        }
        self.lock.arm();
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

/// What threads do at the same time.
pub const RACES: &[(&str, &[Act])] = &[
    ("an owner and another", &[lock_twice, Slot::lock]),
    ("two of them often", &[lock_twice, lock_twice]),
    ("an owner and two others", &[lock_twice, Slot::lock, Slot::try_lock]),
    ("an owner and the end of the object", &[lock_twice, Slot::give_away]),
    ("the slot changes hands", &[lock_twice, lock_and_give_away, Slot::lock]),
    ("the slot changes hands twice", &[lock_twice, lock_and_give_away, lock_and_give_away]),
];

/// Runs a race under that many schedules. Panics with what is wrong.
pub fn check(acts: &'static [Act], schedules: usize) {
    let mut config = shuttle::Config::default();
    config.failure_persistence = shuttle::FailurePersistence::None;
    let scheduler = shuttle::scheduler::RandomScheduler::new_from_seed(1, schedules);
    shuttle::Runner::new(scheduler, config).run(move || {
        RUNNING.set(0);
        let slot = Arc::new(Slot::default());
        slot.lock.arm();
        let_all_out(0);
        let threads: Vec<_> = acts
            .iter()
            .enumerate()
            .map(|(number, act)| {
                let slot = slot.clone();
                shuttle::thread::spawn(move || {
                    RUNNING.set(number + 1);
                    act(&slot);
                    let_all_out(number + 1);
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no act panics");
        }
    });
}

/// Whether a schedule fails with the slip.
pub fn finds(acts: &'static [Act], schedules: usize, slip: Slip) -> bool {
    SLIP.store(slip as u8, Ordering::Relaxed);
    let result = catch_unwind(AssertUnwindSafe(|| check(acts, schedules)));
    SLIP.store(Slip::None as u8, Ordering::Relaxed);
    QUEUES.with_borrow_mut(|queues| queues.iter_mut().for_each(VecDeque::clear));
    result.is_err()
}
