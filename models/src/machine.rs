//! The machine that the library's own files run on under shuttle: what they take from [`sync`], `asymmetric`
//! and `thread` in the library, they take from here.
//!
//! Every thread has a queue of stores that the others do not see yet (total store order, as x86 has it).
//! Before each operation shuttle chooses which thread goes on, and stores are let out at random from a fixed
//! seed. A lock that is held and a condition variable park the thread, so that a deadlock is seen.
//!
//! Any operation can be made to lapse, once it is known where in the library's source it stands
//! ([`Lapse`], [`choose`]): a schedule must fail then.

use shuttle::rand::Rng;
use shuttle::thread::Thread;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::panic::Location;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Threads of a schedule, its own included.
pub const THREADS: usize = 8;

/// A store that its thread has made and the others do not see.
struct Store {
    cell: *const (),
    value: u64,
    put: unsafe fn(*const (), u64),
}

thread_local! {
    /// The queues of stores. Shuttle's threads take turns on one thread of the system.
    static QUEUES: RefCell<[VecDeque<Store>; THREADS]> = const {
        RefCell::new([const { VecDeque::new() }; THREADS])
    };
    /// The model's thread that runs.
    static RUNNING: Cell<usize> = const { Cell::new(0) };
    /// The number of the thread that is started next.
    static NEXT: Cell<usize> = const { Cell::new(1) };
    /// The time, in nanoseconds.
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

/// The number of the thread that runs.
pub fn running() -> usize {
    RUNNING.get()
}

/// A schedule begins.
pub fn reset() {
    QUEUES.with_borrow_mut(|queues| queues.iter_mut().for_each(VecDeque::clear));
    RUNNING.set(0);
    NEXT.set(1);
    CLOCK.set(1);
}

/// Does what may let another thread run.
fn switching<R>(with: impl FnOnce() -> R) -> R {
    let me = RUNNING.get();
    let result = with();
    RUNNING.set(me);
    result
}

/// A thread of the model.
pub struct Running {
    number: usize,
    thread: shuttle::thread::JoinHandle<()>,
}

pub fn spawn(body: impl FnOnce() + Send + 'static) -> Running {
    let number = NEXT.replace(NEXT.get() + 1);
    assert!(number < THREADS, "more threads than the machine has");
    let thread = switching(|| {
        shuttle::thread::spawn(move || {
            RUNNING.set(number);
            body();
            let_all_out(number);
        })
    });
    Running { number, thread }
}

impl Running {
    /// Waits for the thread's end; not for that of the thread that runs.
    pub fn join(self) {
        if self.number != running() {
            let_all_out(running());
            switching(|| self.thread.join()).expect("no thread panics");
        }
    }
}

fn let_out(queue: &mut VecDeque<Store>) {
    if let Some(store) = queue.pop_front() {
        // SAFETY: the cells belong to what outlives the threads' queues: slots, records, statics, and what
        // is shared until all that was stored is out.
        unsafe { (store.put)(store.cell, store.value) };
    }
}

pub fn let_all_out(thread: usize) {
    QUEUES.with_borrow_mut(|queues| {
        while !queues[thread].is_empty() {
            let_out(&mut queues[thread]);
        }
    });
}

/// Another thread may run, and stores may be let out.
pub fn step() {
    switching(|| shuttle::thread::sleep(std::time::Duration::ZERO));
    let mut random = shuttle::rand::thread_rng();
    QUEUES.with_borrow_mut(|queues| {
        for queue in queues.iter_mut().filter(|queue| !queue.is_empty()) {
            if random.gen_ratio(1, 6) {
                let_out(queue);
            }
        }
    });
}

/// Another thread runs, if one can.
pub fn pause() {
    switching(shuttle::thread::yield_now);
}

/// The machine's time; it passes a little with each look.
pub fn now() -> u64 {
    step();
    CLOCK.replace(CLOCK.get() + 1)
}

/// What an operation of the library fails to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Lapse {
    /// It has no effect.
    Lost,
    /// A load answers what was there before the last change.
    Stale,
    /// A lock is not taken: others may run whenever what it guards is looked at.
    Unlocked,
}

pub const LAPSES: [Lapse; 3] = [Lapse::Lost, Lapse::Stale, Lapse::Unlocked];

/// A lapse, and where: the file's name, line and column.
pub type Site = (Lapse, &'static str, u32, u32);

static CHOSEN_PLACE: AtomicU64 = AtomicU64::new(0);
static CHOSEN: std::sync::Mutex<Option<(Lapse, String)>> = std::sync::Mutex::new(None);
static WATCHING: AtomicBool = AtomicBool::new(false);
static SEEN: std::sync::Mutex<BTreeSet<Site>> = std::sync::Mutex::new(BTreeSet::new());

/// From now on this operation lapses, each time.
pub fn choose(lapse: Lapse, file: &str, line: u32, column: u32) {
    *CHOSEN.lock().expect("nobody panics") = Some((lapse, file.to_owned()));
    CHOSEN_PLACE.store(u64::from(line) << 32 | u64::from(column), Relaxed);
}

/// From now on the operations are noted that may lapse.
pub fn watch() {
    WATCHING.store(true, Relaxed);
}

pub fn seen() -> BTreeSet<Site> {
    SEEN.lock().expect("nobody panics").clone()
}

fn name_of(location: &'static Location<'static>) -> &'static str {
    location.file().rsplit('/').next().unwrap_or("")
}

fn lapses(lapse: Lapse, at: &'static Location<'static>) -> bool {
    if WATCHING.load(Relaxed) {
        let site = (lapse, name_of(at), at.line(), at.column());
        SEEN.lock().expect("nobody panics").insert(site);
    }
    let place = u64::from(at.line()) << 32 | u64::from(at.column());
    place == CHOSEN_PLACE.load(Relaxed) && {
        let chosen = CHOSEN.lock().expect("nobody panics");
        chosen.as_ref().is_some_and(|(which, file)| *which == lapse && file == name_of(at))
    }
}

fn park_with(waiters: &RefCell<Vec<Thread>>) {
    waiters.borrow_mut().push(shuttle::thread::current());
    let_all_out(running());
    switching(shuttle::thread::park);
}

fn wake(waiters: &RefCell<Vec<Thread>>) {
    let woken = waiters.take();
    switching(|| woken.iter().for_each(Thread::unpark));
}

pub mod sync {
    use super::{CLOCK, Lapse, QUEUES, Store, lapses, let_all_out, park_with, running, step, wake};
    use shuttle::thread::Thread;
    use std::cell::{Cell, RefCell, UnsafeCell};
    use std::ops::{Deref, DerefMut};
    use std::panic::Location;
    use std::sync::atomic;
    pub use std::sync::atomic::Ordering;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::{Duration, Instant};

    /// What a value is in a queue of stores.
    trait Word: Copy {
        fn to_word(self) -> u64;
        fn of_word(word: u64) -> Self;
    }

    impl Word for bool {
        fn to_word(self) -> u64 {
            self.into()
        }
        fn of_word(word: u64) -> Self {
            word != 0
        }
    }

    impl<T> Word for *mut T {
        fn to_word(self) -> u64 {
            self.expose_provenance() as u64
        }
        fn of_word(word: u64) -> Self {
            std::ptr::with_exposed_provenance_mut(word as usize)
        }
    }

    macro_rules! numbers {
        ($($number:ident)*) => {$(
            impl Word for $number {
                fn to_word(self) -> u64 {
                    self as u64
                }
                fn of_word(word: u64) -> Self {
                    word as Self
                }
            }
        )*};
    }
    numbers!(u8 u32 u64 usize);

    macro_rules! atomics {
        ($($name:ident $(<$type:ident>)? of $value:ty;)*) => {$(
            pub struct $name $(<$type>)? {
                value: atomic::$name $(<$type>)?,
                before: atomic::$name $(<$type>)?,
            }

            impl $(<$type>)? $name $(<$type>)? {
                pub const fn new(value: $value) -> Self {
                    Self { value: atomic::$name::new(value), before: atomic::$name::new(value) }
                }

                fn put(&self, value: $value) {
                    self.before.store(self.value.swap(value, Relaxed), Relaxed);
                }

                #[track_caller]
                pub fn load(&self, _: Ordering) -> $value {
                    step();
                    if lapses(Lapse::Stale, Location::caller()) {
                        return self.before.load(Relaxed);
                    }
                    QUEUES.with_borrow(|queues| {
                        let cell = std::ptr::from_ref(self).cast();
                        let own = queues[running()].iter().rev().find(|store| store.cell == cell);
                        own.map_or_else(|| self.value.load(Relaxed), |store| Word::of_word(store.value))
                    })
                }

                #[track_caller]
                pub fn store(&self, value: $value, order: Ordering) {
                    step();
                    if lapses(Lapse::Lost, Location::caller()) {
                        return;
                    }
                    let store = Store {
                        cell: std::ptr::from_ref(self).cast(),
                        value: value.to_word(),
                        // SAFETY: the cell is that of this store, of this type.
                        put: |cell, value| unsafe { (*cell.cast::<Self>()).put(Word::of_word(value)) },
                    };
                    QUEUES.with_borrow_mut(|queues| queues[running()].push_back(store));
                    if order == Ordering::SeqCst {
                        let_all_out(running());
                    }
                }

                /// All that reads and writes in one: what was there, which `change` may replace.
                #[track_caller]
                fn change(&self, change: impl FnOnce($value) -> Option<$value>) -> $value {
                    step();
                    let_all_out(running());
                    let before = self.value.load(Relaxed);
                    if let Some(value) = change(before)
                        && !lapses(Lapse::Lost, Location::caller())
                    {
                        self.put(value);
                    }
                    before
                }

                #[track_caller]
                pub fn swap(&self, value: $value, _: Ordering) -> $value {
                    self.change(|_| Some(value))
                }

                #[track_caller]
                pub fn compare_exchange(
                    &self,
                    expected: $value,
                    value: $value,
                    _: Ordering,
                    _: Ordering,
                ) -> Result<$value, $value> {
                    let before = self.change(|before| (before == expected).then_some(value));
                    if before == expected { Ok(before) } else { Err(before) }
                }
            }
        )*};
    }
    atomics! {
        AtomicBool of bool;
        AtomicU8 of u8;
        AtomicU32 of u32;
        AtomicU64 of u64;
        AtomicUsize of usize;
        AtomicPtr<T> of *mut T;
    }

    macro_rules! counters {
        ($($name:ident of $value:ty;)*) => {$(
            impl Default for $name {
                fn default() -> Self {
                    Self::new(0)
                }
            }

            impl $name {
                #[track_caller]
                pub fn fetch_add(&self, value: $value, _: Ordering) -> $value {
                    self.change(|before| Some(before.wrapping_add(value)))
                }

                #[track_caller]
                pub fn fetch_sub(&self, value: $value, _: Ordering) -> $value {
                    self.change(|before| Some(before.wrapping_sub(value)))
                }
            }
        )*};
    }
    counters! {
        AtomicU32 of u32;
        AtomicU64 of u64;
        AtomicUsize of usize;
    }

    impl Default for AtomicBool {
        fn default() -> Self {
            Self::new(false)
        }
    }

    pub use super::pause;

    pub fn fence(order: Ordering) {
        step();
        if order == Ordering::SeqCst {
            let_all_out(running());
        }
    }

    #[derive(Default)]
    pub struct Backoff;

    impl Backoff {
        pub fn wait(&mut self) {
            pause();
        }
    }

    pub struct Mutex<T> {
        taken: Cell<bool>,
        waiters: RefCell<Vec<Thread>>,
        value: UnsafeCell<T>,
    }

    // SAFETY: one thread of the model runs at a time, and the lock gives the value to one.
    unsafe impl<T: Send> Sync for Mutex<T> {}
    // SAFETY: as above.
    unsafe impl<T: Send> Send for Mutex<T> {}

    pub struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        is_held: bool,
    }

    impl<T> Mutex<T> {
        pub const fn new(value: T) -> Self {
            let taken = Cell::new(false);
            Self { taken, waiters: RefCell::new(Vec::new()), value: UnsafeCell::new(value) }
        }

        #[track_caller]
        pub fn lock(&self) -> MutexGuard<'_, T> {
            step();
            let_all_out(running());
            if lapses(Lapse::Unlocked, Location::caller()) {
                return MutexGuard { mutex: self, is_held: false };
            }
            self.take()
        }

        fn take(&self) -> MutexGuard<'_, T> {
            while self.taken.get() {
                park_with(&self.waiters);
            }
            self.taken.set(true);
            MutexGuard { mutex: self, is_held: true }
        }

        fn release(&self) {
            let_all_out(running());
            self.taken.set(false);
            wake(&self.waiters);
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.look();
            // SAFETY: the lock is held, but where a model shows what happens when it is not.
            unsafe { &*self.mutex.value.get() }
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.look();
            // SAFETY: as above.
            unsafe { &mut *self.mutex.value.get() }
        }
    }

    impl<T> Drop for MutexGuard<'_, T> {
        fn drop(&mut self) {
            if self.is_held {
                self.mutex.release();
            }
        }
    }

    impl<T> MutexGuard<'_, T> {
        fn look(&self) {
            if !self.is_held {
                step();
            }
        }

        /// Gives the lock back while `wait` waits.
        fn without(&mut self, wait: impl FnOnce()) {
            if self.is_held {
                self.mutex.release();
            }
            wait();
            if self.is_held {
                std::mem::forget(self.mutex.take());
            }
        }
    }

    /// Readers keep each other out: fewer schedules, and none that the library counts on.
    pub struct RwLock<T>(Mutex<T>);

    impl<T> RwLock<T> {
        pub const fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        #[track_caller]
        pub fn read(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }

        #[track_caller]
        pub fn write(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }
    }

    pub struct Condvar {
        calls: Cell<u64>,
        waiters: RefCell<Vec<Thread>>,
    }

    // SAFETY: one thread of the model runs at a time.
    unsafe impl Sync for Condvar {}
    // SAFETY: as above.
    unsafe impl Send for Condvar {}

    impl Condvar {
        pub const fn new() -> Self {
            Self { calls: Cell::new(0), waiters: RefCell::new(Vec::new()) }
        }

        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let seen = self.calls.get();
            guard.without(|| {
                while self.calls.get() == seen {
                    park_with(&self.waiters);
                }
            });
        }

        /// Waits no longer than that, in the machine's time, which passes while somebody waits.
        pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, time: Duration) {
            let seen = self.calls.get();
            let end = CLOCK.get().saturating_add(time.as_nanos() as u64);
            guard.without(|| {
                while self.calls.get() == seen && CLOCK.get() < end {
                    CLOCK.set(CLOCK.get() + 1);
                    pause();
                }
            });
        }

        /// The moments of the library's longest waits never come.
        pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) {
            self.wait(guard);
        }

        #[track_caller]
        pub fn notify_all(&self) {
            step();
            if !lapses(Lapse::Lost, Location::caller()) {
                self.calls.set(self.calls.get() + 1);
                wake(&self.waiters);
            }
        }
    }
}
