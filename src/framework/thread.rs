//! Worker threads: named, with every signal blocked, so that a program's signal handlers run on the
//! program's own threads. And the flag that says a process is the child of a fork.

use super::memory;
use super::status::{Error, Status};
use super::sync::{AtomicBool, Ordering};
use std::cell::Cell;
pub use std::thread::JoinHandle;
use std::thread::{Builder, ThreadId};

/// The stack of each of the library's threads. What the library itself needs below a callback is
/// under 16 KiB; the rest is the callback's. Said here, since std takes its default from the
/// environment.
const STACK: usize = 2 << 20;

/// Starts a thread; `name` has at most 15 bytes, what Linux shows of it.
pub fn start(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    memory::permit_thread()?;
    let blocked = signals::Blocked::new();
    let started = Builder::new().name(name.to_owned()).stack_size(STACK).spawn(|| {
        WORKER.set(Some(std::thread::current().id()));
        body();
    });
    drop(blocked);
    started.map_err(|_| Error::new(Status::INSUFFICIENT_RESOURCES, "a thread could not be started"))
}

thread_local! {
    /// Set on the library's own threads. On a thread of C std would make a handle of its own, which
    /// stays allocated until that thread ends.
    static WORKER: Cell<Option<ThreadId>> = const { Cell::new(None) };
}

/// What tells threads apart while they live: an address that is each thread's own.
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64"))]
#[inline(always)]
pub fn current_id() -> usize {
    let control_block: usize;
    // SAFETY: the first word of a thread's control block holds its own address, as the ABI of thread-local
    // storage demands. In a shared library this is faster than the address of a thread-local: no call.
    unsafe {
        std::arch::asm!("mov {}, qword ptr fs:[0]", out(reg) control_block,
            options(pure, readonly, nostack, preserves_flags));
    }
    control_block
}

/// What tells threads apart while they live: an address that is each thread's own.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
pub fn current_id() -> usize {
    thread_local! {
        static IDENTITY: u16 = const { 0 };
    }
    IDENTITY.with(|identity| std::ptr::from_ref(identity).addr())
}

/// Whether the calling thread is one of the library's.
pub fn is_a_worker() -> bool {
    WORKER.get().is_some()
}

/// Waits for the end of a thread that was told to end; not from that thread itself.
pub fn join(thread: JoinHandle<()>) {
    if WORKER.get() != Some(thread.thread().id()) {
        let _ = thread.join();
    }
}

static FORKED: AtomicBool = AtomicBool::new(false);

/// Whether this process is the child of a fork of one that used the library. Its threads are gone
/// and its locks may be held by nobody, so every Method refuses.
#[inline]
pub fn forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// Watches for forks from now on.
pub fn watch_forks() {
    static ONCE: parking_lot::Once = parking_lot::Once::new();
    ONCE.call_once(signals::watch_forks);
}

#[cfg(unix)]
mod signals {
    use super::super::slot;
    use super::{FORKED, Ordering};

    /// All signals are blocked on the calling thread while this exists; a thread started meanwhile
    /// inherits that.
    pub struct Blocked(libc::sigset_t);

    impl Blocked {
        pub fn new() -> Self {
            // SAFETY: both sets live on this stack; the calls have no other condition.
            unsafe {
                let mut all = std::mem::zeroed();
                let mut before = std::mem::zeroed();
                libc::sigfillset(&mut all);
                libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
                Self(before)
            }
        }
    }

    impl Drop for Blocked {
        fn drop(&mut self) {
            // SAFETY: the set came from pthread_sigmask.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
        }
    }

    extern "C" fn in_child() {
        FORKED.store(true, Ordering::Relaxed);
        slot::close_directory();
    }

    pub fn watch_forks() {
        // SAFETY: the handler stays in memory: the library is never unloaded (-z nodelete).
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

#[cfg(not(unix))]
mod signals {
    pub struct Blocked;
    impl Blocked {
        pub fn new() -> Self {
            Self
        }
    }
    pub fn watch_forks() {}
}
