//! Where every lock, condition variable and atomic of the library comes from.
//!
//! Locks are parking_lot's: one byte, never poisoned, visible to ThreadSanitizer. A model checker or
//! a faster lock replaces them here and nowhere else.

pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
pub use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

use parking_lot::lock_api::RawMutex as _;

/// A lock without data: it lies in a slot and guards the body that the slot points to.
pub struct RawLock(parking_lot::RawMutex);

impl RawLock {
    pub const fn new() -> Self {
        Self(parking_lot::RawMutex::INIT)
    }

    #[inline]
    pub fn lock(&self) {
        self.0.lock();
    }

    #[inline]
    pub fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    /// # Safety
    /// The calling thread holds the lock.
    #[inline]
    pub unsafe fn unlock(&self) {
        // SAFETY: the caller holds the lock.
        unsafe { self.0.unlock() }
    }
}
