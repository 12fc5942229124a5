//! Which threads own locks: a record for each and [rank](super::lock) of lock, in memory that is never
//! given back. A thread's number is the address of what the system keeps of it, so two threads have the
//! same one only after another, and share the record.

use super::clock;
use super::memory;
use super::sync::{AtomicPtr, AtomicUsize, Ordering};
use super::thread;
use std::alloc::Layout;
use std::ptr::null_mut;

/// How often in a row a thread takes a lock before it owns it, as long as nobody else has come.
pub const STREAK: u32 = 64;

/// And once an ownership was taken away, at least and at most: that costs as much as some thousand times.
pub const STREAK_AGAIN: u32 = 1 << 11;
pub const LONGEST_STREAK: u32 = 1 << 15;

/// An ownership of so many microseconds has lasted: many times what taking it away costs, and longer than one who waits
/// for a lock is mostly away.
pub const LASTING: u32 = 500;

/// The time, from time to time 0 again.
pub fn microseconds() -> u32 {
    (clock::now() / 1000) as u32
}

/// What is known of a thread that owns locks; see [`lock`](super::lock).
#[repr(align(128))]
pub struct Owner {
    thread: usize,
    rank: u32,
    /// The lock of that rank that the thread is in because it owns it; 0: none.
    pub inside: AtomicUsize,
    next: *mut Owner,
}

// SAFETY: `thread`, `rank` and `next` never change.
unsafe impl Sync for Owner {}

/// The newest record.
static ALL: AtomicPtr<Owner> = AtomicPtr::new(null_mut());

/// The calling thread's number.
#[inline(always)]
pub fn current() -> usize {
    thread::current_id()
}

impl Owner {
    #[inline(always)]
    pub fn is_mine(&self) -> bool {
        self.thread == current()
    }
}

/// The record at an address that [`record_of`] answered.
#[inline(always)]
pub fn at(address: usize) -> &'static Owner {
    // SAFETY: a lock's owner is the address of a record, and records are never freed.
    unsafe { &*(std::ptr::with_exposed_provenance::<Owner>(address)) }
}

/// The record of the calling thread for locks of that rank, made if there is none.
pub fn record_of(me: usize, rank: u32) -> Option<&'static Owner> {
    let mut next = ALL.load(Ordering::Acquire);
    // SAFETY: records are never freed.
    while let Some(record) = unsafe { next.as_ref() } {
        if record.thread == me && record.rank == rank {
            return Some(record);
        }
        next = record.next;
    }
    let record = memory::allocate_zeroed(Layout::new::<Owner>()).ok()?.cast::<Owner>().as_ptr();
    let mut newest = ALL.load(Ordering::Relaxed);
    loop {
        // SAFETY: the memory was just allocated for it, and nobody else knows it yet.
        unsafe {
            record.write(Owner { thread: me, rank, inside: AtomicUsize::new(0), next: newest });
        }
        match ALL.compare_exchange_weak(newest, record, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => newest = now,
        }
    }
    record.expose_provenance();
    // SAFETY: as above; it stays for ever.
    Some(unsafe { &*record })
}
