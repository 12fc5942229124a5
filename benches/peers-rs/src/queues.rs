//! The queues: what each crate does for `write`, `read` and `overwrite`, and the C functions that are made of it.

use crate::Queue;
use crossbeam_channel::{Receiver, Sender};
use crossbeam_queue::ArrayQueue;
use parking_lot::Mutex;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use ringbuffer::{AllocRingBuffer, RingBuffer as _};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use thingbuf::ThingBuf;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Item<const N: usize>([u8; N]);

impl<const N: usize> Default for Item<N> {
    fn default() -> Self {
        Item([0; N])
    }
}

trait Peer<T> {
    fn new(capacity: usize) -> Self;
    /// One at a time for each end where the crate has one producer and one consumer; else on any thread.
    fn write(&self, item: &T) -> bool;
    fn read(&self) -> Option<T>;
    /// Drops the oldest item of a full queue.
    const OVERWRITE: Option<fn(&Self, &T)> = None;
}

impl<T: Copy> Peer<T> for ArrayQueue<T> {
    fn new(capacity: usize) -> Self {
        ArrayQueue::new(capacity)
    }
    fn write(&self, item: &T) -> bool {
        self.push(*item).is_ok()
    }
    fn read(&self) -> Option<T> {
        self.pop()
    }
    const OVERWRITE: Option<fn(&Self, &T)> = Some(|queue, item| _ = queue.force_push(*item));
}

impl<T: Copy> Peer<T> for (Sender<T>, Receiver<T>) {
    fn new(capacity: usize) -> Self {
        crossbeam_channel::bounded(capacity)
    }
    fn write(&self, item: &T) -> bool {
        self.0.try_send(*item).is_ok()
    }
    fn read(&self) -> Option<T> {
        self.1.try_recv().ok()
    }
}

impl<T: Copy + Default> Peer<T> for ThingBuf<T> {
    fn new(capacity: usize) -> Self {
        ThingBuf::new(capacity)
    }
    fn write(&self, item: &T) -> bool {
        self.push_with(|slot| *slot = *item).is_ok()
    }
    fn read(&self) -> Option<T> {
        self.pop_with(|slot| *slot)
    }
}

impl<T: Copy> Peer<T> for Mutex<AllocRingBuffer<T>> {
    fn new(capacity: usize) -> Self {
        Mutex::new(AllocRingBuffer::new(capacity))
    }
    fn write(&self, item: &T) -> bool {
        let mut ring = self.lock();
        let fits = !ring.is_full();
        if fits {
            ring.enqueue(*item);
        }
        fits
    }
    fn read(&self) -> Option<T> {
        self.lock().dequeue()
    }
    const OVERWRITE: Option<fn(&Self, &T)> = Some(|ring, item| _ = ring.lock().enqueue(*item));
}

/// Both ends of a queue for one producer and one consumer, each on cache lines of its own.
#[repr(align(128))]
struct Apart<E>(UnsafeCell<E>);
struct Ends<P, C>(Apart<P>, Apart<C>);

impl<T: Copy> Peer<T> for Ends<rtrb::Producer<T>, rtrb::Consumer<T>> {
    fn new(capacity: usize) -> Self {
        let (producer, consumer) = rtrb::RingBuffer::new(capacity);
        Ends(Apart(producer.into()), Apart(consumer.into()))
    }
    fn write(&self, item: &T) -> bool {
        // SAFETY: the benchmark writes on one thread.
        unsafe { &mut *self.0.0.get() }.push(*item).is_ok()
    }
    fn read(&self) -> Option<T> {
        // SAFETY: the benchmark reads on one thread.
        unsafe { &mut *self.1.0.get() }.pop().ok()
    }
}

impl<T: Copy> Peer<T> for Ends<HeapProd<T>, HeapCons<T>> {
    fn new(capacity: usize) -> Self {
        let (producer, consumer) = HeapRb::new(capacity).split();
        Ends(Apart(producer.into()), Apart(consumer.into()))
    }
    fn write(&self, item: &T) -> bool {
        // SAFETY: the benchmark writes on one thread.
        unsafe { &mut *self.0.0.get() }.try_push(*item).is_ok()
    }
    fn read(&self) -> Option<T> {
        // SAFETY: the benchmark reads on one thread.
        unsafe { &mut *self.1.0.get() }.try_pop()
    }
}

unsafe extern "C" fn create<T, P: Peer<T>>(capacity: usize) -> *mut c_void {
    Box::into_raw(Box::new(P::new(capacity))).cast()
}

unsafe extern "C" fn destroy<T, P: Peer<T>>(queue: *mut c_void) {
    // SAFETY: from `create`, and used no more.
    drop(unsafe { Box::from_raw(queue.cast::<P>()) });
}

unsafe extern "C" fn write<T, P: Peer<T>>(queue: *mut c_void, item: *const c_void) -> bool {
    // SAFETY: a queue of these items, and an item.
    unsafe { (*queue.cast::<P>()).write(&*item.cast::<T>()) }
}

unsafe extern "C" fn read<T, P: Peer<T>>(queue: *mut c_void, item: *mut c_void) -> bool {
    // SAFETY: a queue of these items, and room for one.
    unsafe {
        match (*queue.cast::<P>()).read() {
            Some(found) => {
                item.cast::<T>().write(found);
                true
            }
            None => false,
        }
    }
}

unsafe extern "C" fn overwrite<T, P: Peer<T>>(queue: *mut c_void, item: *const c_void) {
    // SAFETY: a queue of these items, and an item.
    unsafe { P::OVERWRITE.unwrap_unchecked()(&*queue.cast::<P>(), &*item.cast::<T>()) };
}

fn functions<T, P: Peer<T>>() -> Queue {
    Queue {
        create: create::<T, P>,
        destroy: destroy::<T, P>,
        write: write::<T, P>,
        read: read::<T, P>,
        overwrite: P::OVERWRITE.map(|_| overwrite::<T, P> as _),
    }
}

macro_rules! queue {
    ($name:ident, $item:ident => $peer:ty) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(size: usize) -> Queue {
            fn of<$item: Copy + Default>() -> Queue {
                functions::<$item, $peer>()
            }
            match size {
                8 => of::<Item<8>>(),
                64 => of::<Item<64>>(),
                1024 => of::<Item<1024>>(),
                _ => panic!("items of {size} bytes"),
            }
        }
    };
}

queue!(rs_array_queue, T => ArrayQueue<T>);
queue!(rs_channel, T => (Sender<T>, Receiver<T>));
queue!(rs_thingbuf, T => ThingBuf<T>);
queue!(rs_ringbuffer_locked, T => Mutex<AllocRingBuffer<T>>);
queue!(rs_rtrb, T => Ends<rtrb::Producer<T>, rtrb::Consumer<T>>);
queue!(rs_ringbuf, T => Ends<HeapProd<T>, HeapCons<T>>);
