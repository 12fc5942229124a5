//! A pair of fences of which one costs nothing: whoever passes the heavy one makes every thread of the
//! process pass a full fence, wherever it is, so that [`light`] need only keep the compiler from
//! reordering.

use std::sync::atomic::{Ordering, compiler_fence};

/// The cheap one. Between it and another thread's [`heavy`] everything is as between two full fences.
#[inline(always)]
pub fn light() {
    compiler_fence(Ordering::SeqCst);
}

#[cfg(all(target_os = "linux", not(feature = "plain-locks")))]
pub use linux::{available, heavy};

#[cfg(all(target_os = "linux", not(feature = "plain-locks")))]
mod linux {
    use super::super::sync::{AtomicBool, Ordering};
    use once_cell::sync::Lazy;
    use std::time::Duration;

    // From linux/membarrier.h.
    const PRIVATE_EXPEDITED: i64 = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: i64 = 1 << 4;

    fn membarrier(command: i64) -> bool {
        // SAFETY: the call takes integers only.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    static REGISTERED: Lazy<bool> = Lazy::new(|| membarrier(REGISTER_PRIVATE_EXPEDITED));

    /// A sandbox that was put up meanwhile forbids them.
    static FORBIDDEN: AtomicBool = AtomicBool::new(false);

    /// Whether the system has them.
    pub fn available() -> bool {
        *REGISTERED && !FORBIDDEN.load(Ordering::Relaxed)
    }

    /// The dear one: some microseconds.
    #[cold]
    pub fn heavy() {
        if !membarrier(PRIVATE_EXPEDITED) {
            FORBIDDEN.store(true, Ordering::Relaxed);
            // No processor holds a store back that long.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[cfg(not(all(target_os = "linux", not(feature = "plain-locks"))))]
pub fn available() -> bool {
    false
}

#[cfg(not(all(target_os = "linux", not(feature = "plain-locks"))))]
pub fn heavy() {
    unreachable!("nobody owns a lock without these fences");
}
