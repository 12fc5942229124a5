//! A value with a lock of its own, for what one thread mostly has to itself: that thread comes to own the
//! [`lock`](super::lock), and a turn of it costs next to nothing. Whoever waits *for* something under the
//! lock waits for a [`Signal`].

use super::lock::{Held, RawLock};
use super::sync::{AtomicU32, Condvar, Mutex, MutexGuard, Ordering};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

/// Which of the locks that a thread has at once. Both are taken before any slot's.
#[derive(Clone, Copy)]
pub enum Level {
    /// Taken before the inner ones.
    Outer = 3,
    Inner = 2,
}

/// See the file's head.
pub struct Guarded<T> {
    lock: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time reach the value.
unsafe impl<T: Send> Sync for Guarded<T> {}

/// The value of a [`Guarded`], locked. Whoever locked it gives it back, on his own thread.
pub struct Inside<'a, T> {
    held: Held<'a>,
    guarded: &'a Guarded<T>,
    here: PhantomData<*mut T>,
}

impl<T> Guarded<T> {
    pub fn new(level: Level, value: T) -> Self {
        Self { lock: RawLock::armed(level as u32), value: UnsafeCell::new(value) }
    }

    /// A thread that has the lock already waits for ever.
    #[inline]
    pub fn lock(&self) -> Inside<'_, T> {
        let held = self.lock.try_lock_at_once().unwrap_or_else(|| self.lock.lock());
        Inside { held, guarded: self, here: PhantomData }
    }
}

impl<T> Inside<'_, T> {
    /// Gives the lock up meanwhile.
    fn without(&mut self, meanwhile: impl FnOnce()) {
        // SAFETY: the lock is held, and is taken again before anybody uses the value.
        unsafe { self.held.unlock() };
        meanwhile();
        self.held = self.guarded.lock.lock();
    }
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.guarded.value.get() }
    }
}

impl<T> DerefMut for Inside<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and borrowed exclusively.
        unsafe { &mut *self.guarded.value.get() }
    }
}

impl<T> Drop for Inside<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it was made with the lock held, and goes away.
        unsafe { self.held.unlock() };
    }
}

/// What threads wait for under a [`Guarded`]'s lock. To give it is a look while nobody waits.
pub struct Signal {
    waiters: AtomicU32,
    /// How often the signal was given to somebody.
    times: Mutex<u64>,
    given: Condvar,
}

impl Signal {
    pub const fn new() -> Self {
        Self { waiters: AtomicU32::new(0), times: Mutex::new(0), given: Condvar::new() }
    }

    /// Gives up the lock until the signal is given. Whoever changes something under the lock and gives the
    /// signal, still under it or later, is not missed.
    pub fn wait<T>(&self, inside: &mut Inside<'_, T>) {
        self.wait_as(inside, |times| {
            self.given.wait(times);
            true
        });
    }

    /// As [`Signal::wait`], until that moment at most.
    pub fn wait_until<T>(&self, inside: &mut Inside<'_, T>, moment: Instant) {
        self.wait_as(inside, |times| {
            self.given.wait_until(times, moment);
            Instant::now() < moment
        });
    }

    /// `wait` waits once, and says whether to wait on.
    fn wait_as<T>(
        &self,
        inside: &mut Inside<'_, T>,
        wait: impl Fn(&mut MutexGuard<'_, u64>) -> bool,
    ) {
        // Before the lock is given up: whoever has it afterwards sees that somebody waits.
        self.waiters.fetch_add(1, Ordering::Relaxed);
        let before = *self.times.lock();
        inside.without(|| {
            let mut times = self.times.lock();
            while *times == before && wait(&mut times) {}
        });
        self.waiters.fetch_sub(1, Ordering::Relaxed);
    }

    /// Wakes everybody who waits.
    #[inline]
    pub fn give(&self) {
        if self.waiters.load(Ordering::Relaxed) > 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        *self.times.lock() += 1;
        self.given.notify_all();
    }
}
