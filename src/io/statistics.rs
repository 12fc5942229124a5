//! What a target counts, as `DMF_IO_TARGET_STATISTICS` shows it. The target's own thread has counters of
//! its own, which nobody else changes: it counts without an atomic addition.

use crate::framework::status::Status;
use crate::framework::sync::{AtomicU64, Ordering};

/// See the file's head.
#[derive(Default)]
pub struct Statistics {
    /// What the target's own thread counts.
    own: Ends,
    others: Ends,
    /// Changes under the target's lock.
    dropped: AtomicU64,
    /// Whoever reads the device counts.
    overruns: AtomicU64,
}

/// How Requests ended.
#[derive(Default)]
struct Ends {
    completed: AtomicU64,
    failed: AtomicU64,
    canceled: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// What a Request has transferred.
#[derive(Clone, Copy)]
pub struct Bytes {
    pub read: usize,
    pub written: usize,
}

/// What was counted up to now.
pub struct Counted {
    pub completed: u64,
    pub failed: u64,
    pub canceled: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub dropped: u64,
    pub overruns: u64,
}

impl Statistics {
    /// Counts how a Request ended, and what it has transferred.
    #[inline]
    pub fn count_end(&self, is_own_thread: bool, bytes: Bytes, status: Status) {
        let ends = if is_own_thread { &self.own } else { &self.others };
        let requests = match status {
            Status::CANCELLED => &ends.canceled,
            status if status.is_success() => &ends.completed,
            _ => &ends.failed,
        };
        let Bytes { read, written } = bytes;
        let counts = [(&ends.bytes_in, read), (&ends.bytes_out, written), (requests, 1)];
        for (counter, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            if is_own_thread {
                add_alone(counter, count as u64);
            } else {
                counter.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }

    /// Counts reports that nobody asked for in time; under the target's lock.
    pub fn count_dropped(&self, count: u64) {
        add_alone(&self.dropped, count);
    }

    /// Counts a time that the system may have lost reports; on the thread that reads the device.
    pub fn count_overrun(&self) {
        add_alone(&self.overruns, 1);
    }

    pub fn counted(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sum =
            |of: fn(&Ends) -> &AtomicU64| read(of(&self.own)).wrapping_add(read(of(&self.others)));
        Counted {
            completed: sum(|ends| &ends.completed),
            failed: sum(|ends| &ends.failed),
            canceled: sum(|ends| &ends.canceled),
            bytes_in: sum(|ends| &ends.bytes_in),
            bytes_out: sum(|ends| &ends.bytes_out),
            dropped: read(&self.dropped),
            overruns: read(&self.overruns),
        }
    }
}

/// Adds to a counter that no other thread changes at the same time.
fn add_alone(counter: &AtomicU64, count: u64) {
    // A program's target may say anything of what it has transferred.
    let sum = counter.load(Ordering::Relaxed).wrapping_add(count);
    counter.store(sum, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_round() {
        let counter = AtomicU64::new(u64::MAX);
        add_alone(&counter, 2);
        assert_eq!(counter.into_inner(), 1);
    }

    #[test]
    fn nothing_that_threads_count_at_the_same_time_is_lost() {
        const TIMES: u64 = 100_000;
        let statistics = Statistics::default();
        let count = |is_own_thread| {
            for status in [Status::SUCCESS, Status::UNSUCCESSFUL, Status::CANCELLED] {
                for bytes in [Bytes { read: 3, written: 0 }, Bytes { read: 0, written: 3 }] {
                    for _ in 0..TIMES {
                        statistics.count_end(is_own_thread, bytes, status);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for is_own_thread in [true, false, false] {
                scope.spawn(move || count(is_own_thread));
            }
        });
        let counted = statistics.counted();
        for requests in [counted.completed, counted.failed, counted.canceled] {
            assert_eq!(requests, 3 * 2 * TIMES);
        }
        for bytes in [counted.bytes_in, counted.bytes_out] {
            assert_eq!(bytes, 3 * 3 * 3 * TIMES);
        }
    }
}
