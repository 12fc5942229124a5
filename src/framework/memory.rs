//! The one place where the library's own memory comes from, so that a failed allocation is a status
//! and never an abort.
//!
//! [`allocate`] is the bottom; [`try_box`], [`Shared`] and [`try_push`] stand on it or ask
//! [`permit`] first, where tests make them fail.

use super::status::{Error, Status};
use super::sync::{AtomicUsize, Ordering, fence};
use std::alloc::Layout;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Says whether an allocation may go on; every allocation of the library asks here.
#[cfg(not(test))]
#[inline]
pub fn permit() -> Result<(), Error> {
    Ok(())
}

/// Says whether a thread may be started.
#[cfg(not(test))]
#[inline]
pub fn permit_thread() -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
pub use failing::{permit, permit_thread};

/// Makes an allocation, or the start of a thread, of the calling thread fail.
#[cfg(test)]
pub mod failing {
    use super::{Error, no_memory};
    use std::cell::Cell;

    /// What fails.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Fault {
        Allocation,
        Thread,
    }

    thread_local! {
        /// Of what is to fail, how many still succeed before one fails.
        static LEFT: Cell<Option<(Fault, u32)>> = const { Cell::new(None) };
    }

    /// Makes the one after the next `count` fail, once.
    pub fn after(fault: Fault, count: u32) {
        LEFT.set(Some((fault, count)));
    }

    /// Whether the one that was to fail was never asked for; none fails any more.
    pub fn was_not_reached() -> bool {
        LEFT.take().is_some()
    }

    fn ask(fault: Fault) -> Result<(), Error> {
        match LEFT.get() {
            Some((which, 0)) if which == fault => {
                LEFT.set(None);
                Err(no_memory())
            }
            Some((which, left)) if which == fault => {
                LEFT.set(Some((which, left - 1)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub fn permit() -> Result<(), Error> {
        ask(Fault::Allocation)
    }

    pub fn permit_thread() -> Result<(), Error> {
        ask(Fault::Thread)
    }
}

#[cold]
pub fn no_memory() -> Error {
    Error::new(Status::INSUFFICIENT_RESOURCES, "out of memory")
}

/// Zeroed memory of `layout`, which must not be of size zero.
pub fn allocate_zeroed(layout: Layout) -> Result<NonNull<u8>, Error> {
    permit()?;
    debug_assert!(layout.size() > 0);
    // SAFETY: the size is not zero.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).ok_or_else(no_memory)
}

/// # Safety
/// `memory` came from [`allocate_zeroed`] with the same layout and is not used any more.
pub unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    // SAFETY: by the contract of this function.
    unsafe { std::alloc::dealloc(memory.as_ptr(), layout) }
}

/// `Box::new` that can fail.
pub fn try_box<T>(value: T) -> Result<Box<T>, Error> {
    permit()?;
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        return Ok(Box::new(value));
    }
    // SAFETY: the size is not zero; the memory has T's layout and is initialised before the Box sees it.
    unsafe {
        let memory = NonNull::new(std::alloc::alloc(layout)).ok_or_else(no_memory)?.cast::<T>();
        memory.write(value);
        Ok(Box::from_raw(memory.as_ptr()))
    }
}

/// `Vec::push` that can fail.
pub fn try_push<T>(list: &mut Vec<T>, value: T) -> Result<(), Error> {
    if list.len() == list.capacity() {
        permit()?;
        list.try_reserve(1).map_err(|_| no_memory())?;
    }
    list.push(value);
    Ok(())
}

/// A copy of `bytes` in a Vec.
pub fn try_vec(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    permit()?;
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| no_memory())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Zeroed bytes of a fixed length, on a cache line. The system gives large ones page by page when
/// they are touched: the line is found inside memory of the ordinary alignment, since for a larger
/// one the allocator writes all the zeros itself.
pub struct Block {
    memory: NonNull<u8>,
    layout: Layout,
    first: NonNull<u8>,
    length: usize,
}

const CACHE_LINE: usize = 64;
const ORDINARY_ALIGNMENT: usize = 16;

// SAFETY: the block owns its bytes.
unsafe impl Send for Block {}
// SAFETY: shared access only reads.
unsafe impl Sync for Block {}

impl Block {
    pub fn new(length: usize) -> Result<Self, Error> {
        let size = length.checked_add(CACHE_LINE - ORDINARY_ALIGNMENT).ok_or_else(no_memory)?;
        let layout = Layout::from_size_align(size, ORDINARY_ALIGNMENT).map_err(|_| no_memory())?;
        let memory = allocate_zeroed(layout)?;
        let offset = memory.as_ptr().addr().wrapping_neg() % CACHE_LINE;
        // SAFETY: the offset is below what was allocated beyond the length.
        let first = unsafe { memory.add(offset) };
        Ok(Self { memory, layout, first, length })
    }

    /// Where the bytes are, for C.
    pub fn address(&self) -> NonNull<u8> {
        self.first
    }
}

impl Deref for Block {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the block owns `length` initialised bytes.
        unsafe { std::slice::from_raw_parts(self.address().as_ptr(), self.length) }
    }
}

impl DerefMut for Block {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.address().as_ptr(), self.length) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { free(self.memory, self.layout) };
    }
}

/// A counted pointer whose creation can fail. It is cloned when objects are wired together, never
/// per report.
pub struct Shared<T>(NonNull<Counted<T>>);

struct Counted<T> {
    count: AtomicUsize,
    value: T,
}

// SAFETY: as for Arc: the value is reached from several threads and dropped on any of them.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: see above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub fn new(value: T) -> Result<Self, Error> {
        let counted = try_box(Counted { count: AtomicUsize::new(1), value })?;
        Ok(Self(NonNull::from(Box::leak(counted))))
    }

    /// Whether two pointers share one value.
    pub fn same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the count is above zero while `self` exists.
        unsafe { &self.0.as_ref().value }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        // SAFETY: the count is above zero while `self` exists.
        unsafe { self.0.as_ref() }.count.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: the count is above zero until the line below.
        if unsafe { self.0.as_ref() }.count.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        // SAFETY: this was the last pointer, and the value came from a Box.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_drops_its_value_with_the_last_pointer() {
        struct Count<'a>(&'a AtomicUsize);
        impl Drop for Count<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let drops = AtomicUsize::new(0);
        let first = Shared::new(Count(&drops)).ok().unwrap();
        let second = first.clone();
        drop(first);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(second);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
}
