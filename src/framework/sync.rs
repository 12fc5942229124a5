//! Where every lock, condition variable and atomic of the library comes from.
//!
//! Locks are parking_lot's: one byte, never poisoned, visible to ThreadSanitizer. The one that every
//! Method of a buffer takes, and every report, is our own: [`lock`](super::lock).

pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
pub use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

use std::hint;
use std::thread;
use std::time::Duration;

/// Lets the thread of another processor go on undisturbed for a moment: about a microsecond.
#[inline(always)]
pub fn pause() {
    (0..64).for_each(|_| hint::spin_loop());
}

/// How long somebody who waits for a lock waits before looking again: pauses, more of them each time;
/// then others are let run; then naps.
pub struct Backoff {
    looks: u32,
    pauses: u32,
    nap: Duration,
}

/// The first pauses and the most of them at once.
const PAUSES: std::ops::RangeInclusive<u32> = 64..=256;
/// How often the processor pauses, and then how often others are let run.
const LOOKS: u32 = 8;
const YIELDS: u32 = 3;
/// The first nap and the longest.
const NAPS: std::ops::RangeInclusive<Duration> =
    Duration::from_micros(50)..=Duration::from_millis(1);

impl Default for Backoff {
    fn default() -> Self {
        Self { looks: 0, pauses: *PAUSES.start(), nap: *NAPS.start() }
    }
}

impl Backoff {
    pub fn wait(&mut self) {
        self.looks += 1;
        if self.looks <= LOOKS {
            for _ in 0..self.pauses {
                hint::spin_loop();
            }
            self.pauses = (self.pauses * 2).min(*PAUSES.end());
        } else if self.looks <= LOOKS + YIELDS {
            thread::yield_now();
        } else {
            thread::sleep(self.nap);
            self.nap = (self.nap * 2).min(*NAPS.end());
        }
    }
}
