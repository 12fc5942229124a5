//! Crates behind C functions, for the benchmark; `peers_rs.h` has their C side. Each queue is made once for each size of
//! items, and is called through pointers that the C side keeps.

mod pool;
mod queues;

use parking_lot::Mutex;
use parking_lot::lock_api::RawMutex as _;
use std::ffi::c_void;

/// See `RS_QUEUE`.
#[repr(C)]
pub struct Queue {
    create: unsafe extern "C" fn(usize) -> *mut c_void,
    destroy: unsafe extern "C" fn(*mut c_void),
    write: unsafe extern "C" fn(*mut c_void, *const c_void) -> bool,
    read: unsafe extern "C" fn(*mut c_void, *mut c_void) -> bool,
    overwrite: Option<unsafe extern "C" fn(*mut c_void, *const c_void)>,
}

#[unsafe(no_mangle)]
extern "C" fn rs_mutex_create() -> *mut Mutex<()> {
    Box::into_raw(Box::new(Mutex::new(())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rs_mutex_delete(mutex: *mut Mutex<()>) {
    // SAFETY: from rs_mutex_create, and used no more.
    drop(unsafe { Box::from_raw(mutex) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rs_mutex_lock(mutex: &Mutex<()>) {
    // SAFETY: the raw mutex is locked and unlocked in pairs.
    unsafe { mutex.raw() }.lock();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rs_mutex_unlock(mutex: &Mutex<()>) {
    // SAFETY: locked by rs_mutex_lock on this thread.
    unsafe { mutex.raw().unlock() };
}
