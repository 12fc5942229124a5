//! The lock that every Method of a buffer takes. It has no data: it lies in a slot and guards the body
//! that the slot points to, or beside a value that it [guards](super::guarded).
//!
//! ```text
//!           arm              one thread, often in a row             another thread
//!  plain ────────> armed ─────────────────────────────> owned ─────────────────────────> armed
//! ```
//!
//! - *Plain*: one atomic exchange takes it, a plain store gives it back; nobody is woken. Whoever finds
//!   it taken pauses, lets others run, and then naps. It is not fair, so that a thread that has it hot in
//!   its cache keeps working. *Armed*: as plain, and it counts who takes it.
//! - *Owned*: its owner says in its own record that it is inside, and looks whether it owns the lock
//!   still: no exchange, no fence of the processor. Another thread takes the plain lock, takes the
//!   ownership away, has every processor of the process pass a fence, and waits until the owner is
//!   out. From then on a thread has to take the lock as often in a row as that is worth before it owns the
//!   lock; twice as often after each ownership that did not last, so that threads that want it at the same
//!   time are not made to pay again and again, and a quarter as often after one that did, so that threads
//!   that are given a processor in turns soon own what the last one did.
//!
//! The owner's two steps (write `inside`, read `owner`) against the other's (write `owner`, read
//! `inside`) are Dekker's; the fence between them is asymmetric, free for the owner. `owner` changes only
//! while the plain lock is held. `inside` lies with the thread and not with the lock: an owner that is
//! held up between its two steps, while the slot gets another object and that another owner, disturbs
//! nobody. A thread has a record for each rank of locks, so that it can be inside both locks of an
//! object, and inside those that are taken before them. It may end as an owner; its records serve the next
//! thread that has its number.
//!
//! `models/` runs this very file under a model checker, the fences and records being the checker's.

use super::asymmetric;
use super::owners::{self, Owner};
use super::sync::{AtomicU32, AtomicUsize, Backoff, Ordering};
use std::hint::cold_path;

/// See the file's head.
pub struct RawLock {
    /// 1 while the plain lock is held.
    taken: AtomicUsize,
    /// The address of an [`Owner`], or one of the values below, whose lowest bit is set.
    owner: AtomicUsize,
    /// The thread that took the armed lock last, how often it still has to in a row until it owns it, and how
    /// often in all. Guarded by the plain lock.
    last: AtomicUsize,
    left: AtomicU32,
    streak: AtomicU32,
    /// When the owner came to own it, in microseconds. Guarded by the plain lock.
    since: AtomicU32,
    /// Locks of one rank are never held at once but by accident.
    rank: u32,
}

/// The lock is plain.
const NOBODY: usize = 1;
/// A thread that takes the lock often enough in a row will own it.
const ARMED: usize = 3;
/// Set in the address of an owner whose ownership has ended and who may still be inside.
const LEAVING: usize = 1;

/// What the owner of a lock is that nobody owns yet.
fn ownable() -> usize {
    if asymmetric::available() { ARMED } else { NOBODY }
}

/// How often in a row a lock has to be taken until it is owned again, if it took `streak` times and was owned for that
/// long.
fn streak_after(streak: u32, microseconds: u32) -> u32 {
    let next = if microseconds < owners::LASTING { streak * 2 } else { streak / 4 };
    next.clamp(owners::STREAK_AGAIN, owners::LONGEST_STREAK)
}

/// A lock that is held: what gives it back.
#[must_use]
#[derive(Clone, Copy)]
pub struct Held<'a>(&'a AtomicUsize);

impl Held<'_> {
    /// # Safety
    /// The calling thread holds the lock through this.
    #[inline(always)]
    pub unsafe fn unlock(self) {
        self.0.store(0, Ordering::Release);
    }
}

impl RawLock {
    /// A plain lock.
    pub fn new(rank: u32) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            owner: AtomicUsize::new(NOBODY),
            last: AtomicUsize::new(0),
            left: AtomicU32::new(0),
            streak: AtomicU32::new(owners::STREAK),
            since: AtomicU32::new(0),
            rank,
        }
    }

    /// A lock that threads may come to own.
    pub fn armed(rank: u32) -> Self {
        Self { owner: AtomicUsize::new(ownable()), ..Self::new(rank) }
    }

    /// What an owner writes down while it is inside.
    #[inline(always)]
    fn name(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Takes the lock unless it is held, by whomever.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<Held<'_>> {
        let owner = self.owner.load(Ordering::Acquire);
        if owner & LEAVING == 0 {
            let record = owners::at(owner);
            if record.is_mine() {
                return match self.try_enter(owner, record) {
                    Some(held) => Some(held),
                    None => self.try_lock_out_of_turn(record),
                };
            }
        }
        if self.taken.swap(1, Ordering::Acquire) != 0 {
            return None;
        }
        if self.is_to_be_settled() {
            return self.settle();
        }
        Some(Held(&self.taken))
    }

    /// The plain lock was just taken. Whether somebody owns the lock, or the calling thread is to own it.
    #[inline(always)]
    fn is_to_be_settled(&self) -> bool {
        match self.owner.load(Ordering::Relaxed) {
            NOBODY => false,
            ARMED => self.count(),
            _ => true,
        }
    }

    /// Counts a turn of the armed lock. Whether it was one of enough in a row.
    #[inline(always)]
    fn count(&self) -> bool {
        let me = owners::current();
        if self.last.load(Ordering::Relaxed) != me {
            self.last.store(me, Ordering::Relaxed);
            self.left.store(self.streak.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let left = self.left.load(Ordering::Relaxed);
        if left > 1 {
            self.left.store(left - 1, Ordering::Relaxed);
        }
        left <= 1
    }

    #[inline(always)]
    fn try_enter(&self, owner: usize, record: &'static Owner) -> Option<Held<'_>> {
        // What an earlier thread of the same number did under the lock is seen, too.
        if record.inside.load(Ordering::Acquire) == 0 {
            // Whoever sees another lock's name here sees, too, what was done under the last one.
            record.inside.store(self.name(), Ordering::Release);
            asymmetric::light();
            if self.owner.load(Ordering::Relaxed) == owner {
                return Some(Held(&record.inside));
            }
            record.inside.store(0, Ordering::Release);
        }
        None
    }

    /// As [`RawLock::try_lock`], if that takes nothing but itself: short enough to stand in a Method.
    #[inline(always)]
    pub fn try_lock_at_once(&self) -> Option<Held<'_>> {
        let owner = self.owner.load(Ordering::Acquire);
        if owner & LEAVING == 0 {
            let record = owners::at(owner);
            if record.is_mine() {
                return self.try_enter(owner, record);
            }
        }
        cold_path();
        if self.taken.swap(1, Ordering::Acquire) != 0 {
            return None;
        }
        if self.is_to_be_settled() {
            self.taken.store(0, Ordering::Release);
            return None;
        }
        Some(Held(&self.taken))
    }

    /// The calling thread owned the lock a moment ago, or is inside a lock that it owns.
    #[cold]
    fn try_lock_out_of_turn(&self, record: &'static Owner) -> Option<Held<'_>> {
        if record.inside.load(Ordering::Relaxed) == self.name()
            || self.taken.swap(1, Ordering::Acquire) != 0
        {
            return None;
        }
        self.settle()
    }

    /// Takes the lock, which mostly is free. A thread that holds it already waits for ever.
    #[inline(always)]
    pub fn take(&self) -> Held<'_> {
        self.try_lock().unwrap_or_else(|| self.lock())
    }

    /// Takes the lock. A thread that holds it already waits for ever.
    #[cold]
    pub fn lock(&self) -> Held<'_> {
        self.lock_while(|| true).expect("it is wanted for ever")
    }

    /// As [`RawLock::lock`], while `is_wanted` says so.
    #[cold]
    pub fn lock_while(&self, is_wanted: impl Fn() -> bool) -> Option<Held<'_>> {
        let mut backoff = Backoff::default();
        while is_wanted() {
            // Looking does not take the cache line away from the one who has the lock.
            if self.taken.load(Ordering::Relaxed) == 0
                && let Some(held) = self.try_lock()
            {
                return Some(held);
            }
            backoff.wait();
        }
        None
    }

    /// The plain lock was just taken. Its owner does not own it any more, or the calling thread does, if it is
    /// to.
    #[cold]
    fn settle(&self) -> Option<Held<'_>> {
        match self.owner.load(Ordering::Relaxed) {
            NOBODY => {}
            ARMED => {
                if let Some(record) = self.own() {
                    record.inside.store(self.name(), Ordering::Release);
                    self.taken.store(0, Ordering::Release);
                    return Some(Held(&record.inside));
                }
            }
            _ => {
                if !self.end_ownership() {
                    self.taken.store(0, Ordering::Release);
                    return None;
                }
                self.owner.store(ownable(), Ordering::Relaxed);
            }
        }
        Some(Held(&self.taken))
    }

    /// The plain lock is held and armed. The calling thread's record, if it owns the lock from now on.
    fn own(&self) -> Option<&'static Owner> {
        if !self.count() || !asymmetric::available() {
            return None;
        }
        let me = owners::current();
        // Who is inside another lock of that rank that it owns has its record in use.
        let record =
            owners::record_of(me, self.rank).filter(|it| it.inside.load(Ordering::Relaxed) == 0)?;
        self.since.store(owners::microseconds(), Ordering::Relaxed);
        // The record is complete for whoever finds it here.
        self.owner.store(std::ptr::from_ref(record).addr(), Ordering::Release);
        Some(record)
    }

    /// The plain lock is held. Nobody owns the lock from now on; whether nobody is inside either.
    fn end_ownership(&self) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner == ARMED {
            self.owner.store(NOBODY, Ordering::Relaxed);
        }
        if owner == ARMED || owner == NOBODY {
            return true;
        }
        let record = owners::at(owner & !LEAVING);
        if owner & LEAVING == 0 {
            self.owner.store(owner | LEAVING, Ordering::Relaxed);
            let lasted = owners::microseconds().wrapping_sub(self.since.load(Ordering::Relaxed));
            let streak = streak_after(self.streak.load(Ordering::Relaxed), lasted);
            self.streak.store(streak, Ordering::Relaxed);
            if !record.is_mine() {
                asymmetric::heavy();
            }
        }
        if record.inside.load(Ordering::Acquire) == self.name() {
            return false;
        }
        self.last.store(0, Ordering::Relaxed);
        self.owner.store(NOBODY, Ordering::Relaxed);
        true
    }

    /// Lets threads come to own the lock. It is plain.
    pub fn arm(&self) {
        let held = self.lock();
        self.last.store(0, Ordering::Relaxed);
        self.streak.store(owners::STREAK, Ordering::Relaxed);
        self.owner.store(ownable(), Ordering::Relaxed);
        // SAFETY: taken above; a lock that is not armed is held plainly.
        unsafe { held.unlock() };
    }

    /// Makes a plain lock of it. False: somebody holds it, and it is to be tried again.
    pub fn try_disarm(&self) -> bool {
        if self.taken.swap(1, Ordering::Acquire) != 0 {
            return false;
        }
        let is_free = self.end_ownership();
        self.taken.store(0, Ordering::Release);
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use std::thread;
    use std::time::Duration;

    struct Counted {
        lock: RawLock,
        /// Changed in two steps, under the lock.
        count: AtomicU64,
    }

    fn count(counted: &Counted, times: u64, hold: impl Fn()) {
        for _ in 0..times {
            let held = counted.lock.lock();
            let before = counted.count.load(Ordering::Relaxed);
            hold();
            counted.count.store(before + 1, Ordering::Relaxed);
            // SAFETY: this thread holds the lock.
            unsafe { held.unlock() };
        }
    }

    #[test]
    fn one_at_a_time_has_the_lock_however_long_it_is_held() {
        let nap: fn() = || thread::sleep(Duration::from_millis(2));
        for (threads, times, hold) in [(4, 100_000, (|| {}) as fn()), (8, 10, nap)] {
            let counted = Counted { lock: RawLock::new(0), count: AtomicU64::new(0) };
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| count(&counted, times, hold));
                }
            });
            assert_eq!(counted.count.into_inner(), threads * times);
        }
    }

    #[test]
    fn one_at_a_time_has_the_lock_whoever_owns_it_meanwhile() {
        const BURSTS: [u64; 6] = [70, 1, 2100, 4200, 2, 2100];
        const THREADS: u64 = 3;
        for _ in 0..30 {
            let counted = Counted { lock: RawLock::armed(2), count: AtomicU64::new(0) };
            let hold = || (0..4).for_each(|_| std::hint::spin_loop());
            let bursts = || {
                for burst in BURSTS {
                    count(&counted, burst, hold);
                    thread::yield_now();
                }
            };
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(bursts);
                }
            });
            assert_eq!(counted.count.into_inner(), THREADS * BURSTS.iter().sum::<u64>());
        }
    }

    #[test]
    fn who_takes_it_often_owns_it_and_whoever_has_it_taken_away_soon_takes_it_more_often_first() {
        let lock = RawLock::armed(2);
        let turn = || {
            let held = lock.lock();
            // SAFETY: this thread holds the lock.
            unsafe { held.unlock() };
        };
        let turns_until_owned = || {
            let is_owned = || {
                turn();
                lock.owner.load(Ordering::Relaxed) & LEAVING == 0
            };
            (1..100_000).find(|_| is_owned())
        };
        let expected = |streak| asymmetric::available().then_some(streak);
        let mut streak = owners::STREAK;
        for pause in [0, 0, 0, 2, 0, 2, 2] {
            assert_eq!(turns_until_owned(), expected(streak));
            let since = lock.since.load(Ordering::Relaxed);
            if asymmetric::available() {
                assert!(owners::microseconds().wrapping_sub(since) < 60_000_000);
            }
            thread::sleep(Duration::from_millis(pause));
            thread::scope(|scope| scope.spawn(turn).join().expect("a turn"));
            let next = lock.streak.load(Ordering::Relaxed);
            let lasted = owners::microseconds().wrapping_sub(since);
            // On a busy machine it can have lasted for long without a pause.
            let was_short = lasted < owners::LASTING || (pause == 0 && next > streak);
            streak = streak_after(streak, if was_short { 0 } else { owners::LASTING });
            if asymmetric::available() {
                assert_eq!(next, streak);
            }
        }
    }

    #[test]
    fn an_ownership_that_lasts_is_had_again_sooner() {
        assert_eq!(streak_after(owners::STREAK, 0), owners::STREAK_AGAIN);
        assert_eq!(streak_after(owners::STREAK, u32::MAX), owners::STREAK_AGAIN);
        let streak = 8 * owners::STREAK_AGAIN;
        assert_eq!(streak_after(streak, owners::LASTING - 1), 2 * streak);
        assert_eq!(streak_after(owners::LONGEST_STREAK, 0), owners::LONGEST_STREAK);
        assert_eq!(streak_after(streak, owners::LASTING), streak / 4);
        assert_eq!(streak_after(owners::STREAK_AGAIN, u32::MAX), owners::STREAK_AGAIN);
    }
}
