//! Where every lock, condition variable and atomic of the library comes from.
//!
//! Locks are parking_lot's: one byte, never poisoned, visible to ThreadSanitizer. The one that every
//! Method of a buffer takes is our own, [`RawLock`].

pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
pub use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

use std::hint;
use std::thread;
use std::time::Duration;

/// A lock without data: it lies in a slot and guards the body that the slot points to.
///
/// Taking it when it is free costs one atomic exchange, giving it back a plain store: nobody is
/// woken. Whoever finds it taken pauses, then lets others run, and then naps, a millisecond at most at
/// a time; Methods hold it for less than the first pause, and only enumerations for longer. It is not
/// fair, so that a thread that has it hot in its cache keeps working.
pub struct RawLock(AtomicBool);

/// Pauses before the lock is looked at again: the first time, and at most.
const PAUSES: std::ops::RangeInclusive<u32> = 64..=256;
/// How often it is looked at between pauses, and then after letting others run.
const LOOKS: u32 = 8;
const YIELDS: u32 = 3;
/// The first nap and the longest.
const NAPS: std::ops::RangeInclusive<Duration> =
    Duration::from_micros(50)..=Duration::from_millis(1);

impl RawLock {
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    #[inline]
    pub fn lock(&self) {
        if self.0.swap(true, Ordering::Acquire) {
            self.lock_contended();
        }
    }

    #[inline]
    pub fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    #[cold]
    fn lock_contended(&self) {
        // Looking does not take the cache line away from the one who has the lock.
        let is_free = || !self.0.load(Ordering::Relaxed);
        let mut pauses = *PAUSES.start();
        for _ in 0..LOOKS {
            for _ in 0..pauses {
                hint::spin_loop();
            }
            if is_free() && self.try_lock() {
                return;
            }
            pauses = (pauses * 2).min(*PAUSES.end());
        }
        for _ in 0..YIELDS {
            thread::yield_now();
            if is_free() && self.try_lock() {
                return;
            }
        }
        let mut nap = *NAPS.start();
        loop {
            thread::sleep(nap);
            if is_free() && self.try_lock() {
                return;
            }
            nap = (nap * 2).min(*NAPS.end());
        }
    }

    /// # Safety
    /// The calling thread holds the lock.
    #[inline]
    pub unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counted {
        lock: RawLock,
        /// Changed in two steps, under the lock.
        count: AtomicU64,
    }

    fn count(counted: &Counted, times: u64, hold: Duration) {
        for _ in 0..times {
            counted.lock.lock();
            let before = counted.count.load(Ordering::Relaxed);
            if !hold.is_zero() {
                thread::sleep(hold);
            }
            counted.count.store(before + 1, Ordering::Relaxed);
            // SAFETY: this thread holds the lock.
            unsafe { counted.lock.unlock() };
        }
    }

    #[test]
    fn one_at_a_time_has_the_lock_however_long_it_is_held() {
        for (threads, times, hold) in
            [(4, 100_000, Duration::ZERO), (8, 10, Duration::from_millis(2))]
        {
            let counted = Counted { lock: RawLock::new(), count: AtomicU64::new(0) };
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| count(&counted, times, hold));
                }
            });
            assert_eq!(counted.count.into_inner(), threads * times);
        }
    }
}
