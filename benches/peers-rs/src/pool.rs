//! lockfree-object-pool, with a queue for the buffers that wait. A buffer is owned by a guard; the pool keeps the one that was
//! fetched last and the one that was dequeued last, so that C needs the address only.

use crossbeam_queue::ArrayQueue;
use lockfree_object_pool::{LinearObjectPool, LinearOwnedReusable};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::Arc;

#[repr(align(64))]
struct Buffer<const N: usize>([u8; N]);

type Guard<const N: usize> = LinearOwnedReusable<Box<Buffer<N>>>;

#[repr(align(128))]
struct Apart<T>(UnsafeCell<T>);

struct Pool<const N: usize> {
    unused: Arc<LinearObjectPool<Box<Buffer<N>>>>,
    waiting: ArrayQueue<Guard<N>>,
    fetched: Apart<Option<Guard<N>>>,
    dequeued: Apart<Option<Guard<N>>>,
}

impl<const N: usize> Pool<N> {
    fn new(count: usize) -> Self {
        // A buffer is zeroed when it comes back, not when it is fetched: that is where the crate has a hook.
        let unused = LinearObjectPool::new(|| Box::new(Buffer([0; N])), |buffer| buffer.0.fill(0));
        Pool {
            unused: Arc::new(unused),
            waiting: ArrayQueue::new(count * 2),
            fetched: Apart(None.into()),
            dequeued: Apart(None.into()),
        }
    }
    /// The pool has no limit; the queue has. A producer that is too far ahead finds none.
    fn fetch(&self) -> *mut c_void {
        if self.waiting.is_full() {
            return std::ptr::null_mut();
        }
        let mut guard = self.unused.pull_owned();
        let address = (&raw mut guard.0).cast();
        // SAFETY: one thread fetches and enqueues.
        unsafe { *self.fetched.0.get() = Some(guard) };
        address
    }
    fn enqueue(&self) {
        // SAFETY: one thread fetches and enqueues.
        if let Some(guard) = unsafe { (*self.fetched.0.get()).take() } {
            assert!(self.waiting.push(guard).is_ok());
        }
    }
    fn dequeue(&self) -> *mut c_void {
        let Some(mut guard) = self.waiting.pop() else {
            return std::ptr::null_mut();
        };
        let address = (&raw mut guard.0).cast();
        // SAFETY: one thread dequeues and reuses.
        unsafe { *self.dequeued.0.get() = Some(guard) };
        address
    }
    fn reuse(&self) {
        // SAFETY: one thread dequeues and reuses.
        unsafe { *self.dequeued.0.get() = None };
    }
}

#[unsafe(no_mangle)]
extern "C" fn rs_pool_create(size: usize, count: usize) -> *mut c_void {
    match size {
        64 => Box::into_raw(Box::new(Pool::<64>::new(count))).cast(),
        4096 => Box::into_raw(Box::new(Pool::<4096>::new(count))).cast(),
        _ => panic!("buffers of {size} bytes"),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rs_pool_delete(pool: *mut c_void, size: usize) {
    // SAFETY: from rs_pool_create with that size, and used no more.
    unsafe {
        match size {
            64 => drop(Box::from_raw(pool.cast::<Pool<64>>())),
            _ => drop(Box::from_raw(pool.cast::<Pool<4096>>())),
        }
    }
}

macro_rules! functions {
    ($size:literal, $fetch:ident, $enqueue:ident, $dequeue:ident, $reuse:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $fetch(pool: &Pool<$size>) -> *mut c_void {
            pool.fetch()
        }
        #[unsafe(no_mangle)]
        extern "C" fn $enqueue(pool: &Pool<$size>) {
            pool.enqueue();
        }
        #[unsafe(no_mangle)]
        extern "C" fn $dequeue(pool: &Pool<$size>) -> *mut c_void {
            pool.dequeue()
        }
        #[unsafe(no_mangle)]
        extern "C" fn $reuse(pool: &Pool<$size>) {
            pool.reuse();
        }
    };
}

functions!(64, rs_pool_fetch_64, rs_pool_enqueue_64, rs_pool_dequeue_64, rs_pool_reuse_64);
functions!(
    4096,
    rs_pool_fetch_4096,
    rs_pool_enqueue_4096,
    rs_pool_dequeue_4096,
    rs_pool_reuse_4096
);
