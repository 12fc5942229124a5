//! Which objects the calling thread is busy with, innermost first: a list through the thread's own
//! stack, without allocation.
//!
//! It answers three questions. Would this call wait for itself (a lock that an enumeration further
//! up holds, a callback that has not returned)? Would this delete pull an object from under the code
//! that is using it? And when may a delete that had to be put off be finished: when the outermost
//! frame is left.

use super::deletion;
use super::handle::Handle;
use std::cell::Cell;
use std::ptr::null;

/// Why a thread is busy with an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// In a Method that works without the object's lock.
    Method,
    /// In a callback of the object.
    Callback,
    /// In an enumeration callback, with the object's lock held.
    Enumeration,
}

struct Frame {
    object: Handle,
    activity: Activity,
    outer: *const Frame,
}

thread_local! {
    static TOP: Cell<*const Frame> = const { Cell::new(null()) };
}

/// Runs `body` as an activity on `object`. Leaving the outermost frame finishes deletes that were
/// put off, except after an enumeration, whose lock is still held: [`settle`] does it then.
#[inline]
pub fn within<R>(object: Handle, activity: Activity, body: impl FnOnce() -> R) -> R {
    struct Leave(*const Frame);
    impl Drop for Leave {
        fn drop(&mut self) {
            TOP.set(self.0);
        }
    }
    let frame = Frame { object, activity, outer: TOP.get() };
    let leave = Leave(frame.outer);
    TOP.set(&frame);
    let result = body();
    drop(leave);
    if activity != Activity::Enumeration {
        settle();
    }
    result
}

/// Finishes deletes that were put off, if the thread is outside every frame.
#[inline]
pub fn settle() {
    if TOP.get().is_null() {
        deletion::finish_deferred();
    }
}

/// Whether the thread is inside any frame.
pub fn any() -> bool {
    !TOP.get().is_null()
}

/// Whether one of the thread's frames satisfies `test`.
pub fn find(mut test: impl FnMut(Handle, Activity) -> bool) -> bool {
    let mut frame = TOP.get();
    // SAFETY: frames lie on this thread's stack, above this call.
    while let Some(this) = unsafe { frame.as_ref() } {
        if test(this.object, this.activity) {
            return true;
        }
        frame = this.outer;
    }
    false
}

/// Whether the thread is inside an enumeration that holds the lock of `object`.
pub fn holds_lock_of(object: Handle) -> bool {
    find(|handle, activity| handle == object && activity == Activity::Enumeration)
}

/// Whether the thread is inside a callback of `object`.
pub fn in_callback_of(object: Handle) -> bool {
    find(|handle, activity| handle == object && activity == Activity::Callback)
}
