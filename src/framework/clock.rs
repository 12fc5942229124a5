//! The time that timers and time stamps are in.

/// Nanoseconds of the system's monotonic clock, as C reads it with CLOCK_MONOTONIC.
#[cfg(unix)]
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the result goes to this stack; the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds of a monotonic clock, since the library's first look at it.
#[cfg(not(unix))]
pub fn now() -> u64 {
    static START: once_cell::sync::OnceCell<std::time::Instant> = once_cell::sync::OnceCell::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}
