//! Slabs: the memory of a pool's buffers, and the answer to "is this address a buffer, and whose".
//!
//! ```text
//!  one allocation
//! +------+-------+--------+--------+-----+
//! | Slab | Metas | buffer | buffer | ... |      every Meta on a cache line, every buffer one stride apart
//! +------+-------+--------+--------+-----+
//!
//!  one stride                                    S: buffer size, C: context size
//! +-----------+----------+-----+-------------+----------+-----+
//! | S bytes   | sentinel | pad | C bytes     | sentinel | pad |      both parts 16-byte aligned
//! +-----------+----------+-----+-------------+----------+-----+
//! ```
//!
//! Of two threads that pass buffers to each other one works on a buffer while the other works on the next:
//! strides of more than a cache line are whole lines where that costs no more than [`MOST_BESIDE`].
//!
//! What the library knows of a buffer stands in its [`Meta`], away from the bytes that C writes, so an
//! overrun is found and cannot lead the library astray. An address from C is looked up by its value
//! alone: in the slab that the caller knows to be alive, or among all slabs, under the lock that
//! freeing a slab takes too.

use super::handle::Handle;
use super::memory::{self, no_memory};
use super::status::{Error, Status};
use super::sync::{AtomicU8, AtomicUsize, Ordering, RwLock};
use intrusive_collections::{
    Bound, KeyAdapter, RBTree, RBTreeAtomicLink, UnsafeRef, intrusive_adapter,
};
use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::NonNull;

/// Client buffers and contexts start on a multiple of this.
pub const ALIGNMENT: usize = 16;

/// Bytes of a cache line.
const LINE: usize = 64;

/// What a buffer costs at most beside its own bytes and its context's, and what of it a running timer takes in the
/// list that the buffer is in.
const MOST_BESIDE: usize = 128;
const RUNNING_TIMER: usize = 32;

const SENTINEL: [u8; 8] = *b"\xD6\x4F\xB1\x73\x9E\x21\xC8\x5A";

/// Modules that a slab belongs to: the Source pool, then the Modules that it is a child of; NULL-filled.
#[derive(Clone, Copy)]
pub struct Owners([Handle; 4]);

impl Owners {
    /// Those of a pool that is being made. Later some of them may be gone, while buffers are still made.
    pub fn of(pool: Handle) -> Self {
        let mut owners = [Handle::NULL; 4];
        let mut next = Some(pool);
        for owner in &mut owners {
            let Some(handle) = next.filter(|handle| handle.is_module()) else { break };
            *owner = handle;
            next = super::tree::parent_of(handle);
        }
        Self(owners)
    }
}

/// Who holds a buffer.
pub mod holder {
    pub const NOBODY: u8 = 0;
    pub const CLIENT: u8 = 1;
    pub const LIBRARY: u8 = 2;
}

/// What the library knows of one buffer. Whoever owns the buffer owns what is a cell.
#[repr(C, align(64))]
pub struct Meta {
    /// The list that the buffer is in guards its links with its own lock.
    pub previous: Cell<Option<NonNull<Meta>>>,
    pub next: Cell<Option<NonNull<Meta>>>,
    slab: NonNull<Slab>,
    /// Where the Client's bytes start.
    buffer: NonNull<u8>,
    /// Of a buffer that was made with a timer.
    pub alarm: Cell<Alarm>,
    /// Where the buffer stands among its list's alarms, plus one; 0: its timer does not run.
    position: Cell<u32>,
    pub holder: AtomicU8,
    /// The Client has had the buffer since it was last zeroed.
    pub dirty: Cell<bool>,
}

/// What happens when a buffer's timer expires.
#[derive(Clone, Copy, Default)]
pub struct Alarm {
    /// C's callback and context, as the surface gave them.
    pub callback: usize,
    pub context: usize,
    /// Nanoseconds.
    pub period: u64,
}

/// See the file's head.
#[repr(C, align(64))]
pub struct Slab {
    link: RBTreeAtomicLink,
    /// Of the allocation.
    size: usize,
    first_buffer: NonNull<u8>,
    stride: usize,
    /// ceil(2^64 / stride), so that an offset becomes an index with one multiplication.
    reciprocal: u64,
    count: usize,
    has_timers: bool,
    buffer_size: u32,
    context_size: u32,
    context_offset: usize,
    /// Buffers that somebody may still use, and pools that look here first.
    live: AtomicUsize,
    owners: Owners,
}

// SAFETY: everything is constant or atomic, except the metas' links and marks, which whoever holds
// the buffer owns.
unsafe impl Sync for Slab {}
// SAFETY: see above; a slab is freed by whichever thread gives the last buffer back.
unsafe impl Send for Slab {}

intrusive_adapter!(ByAddress = UnsafeRef<Slab>: Slab { link => RBTreeAtomicLink });

impl<'a> KeyAdapter<'a> for ByAddress {
    type Key = usize;
    fn get_key(&self, slab: &'a Slab) -> usize {
        slab.first_buffer.as_ptr().addr()
    }
}

static ALL: RwLock<Option<RBTree<ByAddress>>> = RwLock::new(None);

/// Sizes of the buffers of a slab.
#[derive(Clone, Copy)]
pub struct Shape {
    pub buffer_size: u32,
    pub context_size: u32,
    pub with_timer: bool,
}

impl Shape {
    /// The stride of buffers that take so many bytes each: short ones stand as close as they can.
    fn spaced(&self, dense: usize) -> usize {
        let timer = if self.with_timer { RUNNING_TIMER } else { 0 };
        let own = self.buffer_size as usize + self.context_size as usize;
        match dense.checked_next_multiple_of(LINE) {
            Some(lines)
                if dense > LINE && lines - own + size_of::<Meta>() + timer <= MOST_BESIDE =>
            {
                lines
            }
            _ => dense,
        }
    }
}

fn rounded(size: u32) -> Option<usize> {
    (size as usize).checked_add(SENTINEL.len())?.checked_next_multiple_of(ALIGNMENT)
}

impl Slab {
    /// A slab of `count` zeroed buffers, at least one. All are in the library's hands: the caller
    /// takes each exactly once with [`Slab::meta`].
    pub fn new(shape: Shape, count: u32, owners: Owners) -> Result<NonNull<Slab>, Error> {
        debug_assert!(count > 0);
        let count = count as usize;
        let context_offset = rounded(shape.buffer_size).ok_or_else(no_memory)?;
        let dense = rounded(shape.context_size)
            .and_then(|size| size.checked_add(context_offset))
            .ok_or_else(no_memory)?;
        let stride = if count == 1 { dense } else { shape.spaced(dense) };
        let head = size_of::<Meta>()
            .checked_mul(count)
            .and_then(|metas| metas.checked_add(size_of::<Slab>()))
            .ok_or_else(no_memory)?;
        let size = stride
            .checked_mul(count)
            .and_then(|size| size.checked_add(head))
            .ok_or_else(no_memory)?;
        let layout = Layout::from_size_align(size, align_of::<Slab>()).map_err(|_| no_memory())?;
        let memory = memory::allocate_zeroed(layout)?;
        // SAFETY: all within the allocation, whose parts the sums above laid out.
        unsafe {
            let first_buffer = memory.add(head);
            let slab = memory.cast::<Slab>();
            slab.write(Slab {
                link: RBTreeAtomicLink::new(),
                size,
                first_buffer,
                stride,
                reciprocal: u64::MAX / stride as u64 + 1,
                count,
                has_timers: shape.with_timer,
                buffer_size: shape.buffer_size,
                context_size: shape.context_size,
                context_offset,
                live: AtomicUsize::new(count),
                owners,
            });
            for i in 0..count {
                let buffer = first_buffer.add(i * stride);
                slab.add(1).cast::<Meta>().add(i).write(Meta {
                    previous: Cell::new(None),
                    next: Cell::new(None),
                    slab,
                    buffer,
                    alarm: Cell::default(),
                    position: Cell::new(0),
                    holder: AtomicU8::new(holder::LIBRARY),
                    dirty: Cell::new(false),
                });
                put_sentinel(buffer.add(shape.buffer_size as usize));
                put_sentinel(buffer.add(context_offset + shape.context_size as usize));
            }
            let entry = UnsafeRef::from_raw(slab.as_ptr());
            ALL.write().get_or_insert_with(|| RBTree::new(ByAddress::new())).insert(entry);
            Ok(slab)
        }
    }

    /// The meta of buffer `index`.
    pub fn meta(&self, index: usize) -> NonNull<Meta> {
        assert!(index < self.count);
        // SAFETY: just looked at.
        unsafe { self.meta_unchecked(index) }
    }

    /// # Safety
    /// There is a buffer of that index.
    #[inline(always)]
    unsafe fn meta_unchecked(&self, index: usize) -> NonNull<Meta> {
        // SAFETY: the metas follow the slab's head in the same allocation.
        unsafe { NonNull::from(self).add(1).cast::<Meta>().add(index) }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn source(&self) -> Handle {
        self.owners.0[0]
    }

    pub fn has_timers(&self) -> bool {
        self.has_timers
    }

    /// Whether `module` is the slab's pool or a Module that the pool belongs to.
    pub fn belongs_to(&self, module: Handle) -> bool {
        module != Handle::NULL && self.owners.0.contains(&module)
    }

    /// The meta of the buffer that starts at `address`.
    #[inline]
    pub fn at(&self, address: usize) -> Option<NonNull<Meta>> {
        let offset = address.wrapping_sub(self.first_buffer.as_ptr().addr());
        if offset >= self.count * self.stride {
            return None;
        }
        // Exact for every offset below 2^32, and offsets beyond are divided.
        let index = match u32::try_from(offset) {
            Ok(offset) => ((u128::from(offset) * u128::from(self.reciprocal)) >> 64) as usize,
            Err(_) => self.far_index(offset),
        };
        // SAFETY: an offset below `count` strides is that of a buffer below `count`.
        (index * self.stride == offset).then(|| unsafe { self.meta_unchecked(index) })
    }

    #[cold]
    fn far_index(&self, offset: usize) -> usize {
        offset.checked_div(self.stride).unwrap_or(0)
    }

    /// Keeps the slab until [`Slab::release`].
    pub(super) fn retain(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// One buffer fewer, or one who retained the slab; the last one frees it.
    ///
    /// # Safety
    /// The caller owns a buffer of the slab, or has retained it, and does not use it any more.
    pub(super) unsafe fn release(slab: NonNull<Slab>) {
        // SAFETY: the slab lives until its last user releases it.
        if unsafe { slab.as_ref() }.live.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        if let Some(all) = ALL.write().as_mut() {
            // SAFETY: `new` inserted the slab, and only this removes it.
            let _ = unsafe { all.cursor_mut_from_ptr(slab.as_ptr()) }.remove();
        }
        // SAFETY: no buffer is left, and nobody finds the slab any more.
        unsafe {
            let layout = Layout::from_size_align_unchecked(slab.as_ref().size, align_of::<Slab>());
            memory::free(slab.cast(), layout);
        }
    }
}

/// Sizes that are usual are zeroed in place: a call costs more than they do.
///
/// # Safety
/// `size` bytes at `place` may be written.
#[inline]
unsafe fn zero(place: NonNull<u8>, size: u32) {
    // SAFETY: by the contract of this function.
    unsafe {
        match size {
            0 => {}
            64 => place.cast::<[u8; 64]>().write([0; 64]),
            size => place.write_bytes(0, size as usize),
        }
    }
}

/// # Safety
/// Eight bytes at `place` are the slab's.
unsafe fn put_sentinel(place: NonNull<u8>) {
    // SAFETY: by the contract of this function; the place may be unaligned.
    unsafe { place.cast::<[u8; 8]>().write_unaligned(SENTINEL) }
}

/// Finds the buffer that starts at `address`, whatever the address is, and calls `with` on its meta
/// while no slab can be freed. `with` calls nothing that looks up buffers or frees them.
pub fn find<R>(address: usize, with: impl FnOnce(&Meta) -> R) -> Option<R> {
    let all = ALL.read();
    let tree = all.as_ref()?;
    let slab = tree.upper_bound(Bound::Included(&address)).get()?;
    let meta = slab.at(address)?;
    // SAFETY: the slab is not freed while `all` is read-locked.
    Some(with(unsafe { meta.as_ref() }))
}

impl Meta {
    #[inline]
    pub fn slab(&self) -> &Slab {
        // SAFETY: a meta lies in its slab.
        unsafe { self.slab.as_ref() }
    }

    /// Where the Client's bytes start.
    #[inline]
    pub fn buffer(&self) -> NonNull<u8> {
        self.buffer
    }

    /// Where the Client's context starts; its size may be zero.
    #[inline]
    pub fn context(&self) -> NonNull<u8> {
        // SAFETY: the context lies behind the buffer, in the same stride.
        unsafe { self.buffer().add(self.slab().context_offset) }
    }

    /// Where the buffer stands among its list's alarms, if its timer runs.
    pub fn position(&self) -> Option<usize> {
        (self.position.get() as usize).checked_sub(1)
    }

    pub fn set_position(&self, position: Option<usize>) {
        self.position.set(position.map_or(0, |position| position as u32 + 1));
    }

    pub fn buffer_size(&self) -> u32 {
        self.slab().buffer_size
    }

    pub fn context_size(&self) -> u32 {
        self.slab().context_size
    }

    /// Zeroes what the Client may have written. The caller owns the buffer.
    #[inline(always)]
    pub fn zero(&self) {
        if !self.dirty.replace(false) {
            return;
        }
        // SAFETY: both ranges are the buffer's, and the caller owns it.
        unsafe {
            zero(self.buffer, self.buffer_size());
            zero(self.context(), self.context_size());
        }
    }

    /// Where the sentinels lie: right behind the buffer and the context.
    #[inline(always)]
    fn sentinels(&self) -> [NonNull<[u8; 8]>; 2] {
        // SAFETY: both lie in the buffer's stride.
        unsafe {
            [
                self.buffer().add(self.buffer_size() as usize).cast(),
                self.context().add(self.context_size() as usize).cast(),
            ]
        }
    }

    /// Whether both sentinels stand. The caller owns the buffer.
    #[inline(always)]
    pub fn is_intact(&self) -> bool {
        // SAFETY: they are the slab's.
        self.sentinels().iter().all(|place| unsafe { place.read_unaligned() } == SENTINEL)
    }

    /// As [`Meta::is_intact`], and puts the sentinels back if not.
    #[inline]
    pub fn check_sentinels(&self) -> bool {
        let is_intact = self.is_intact();
        if !is_intact {
            for place in self.sentinels() {
                // SAFETY: it is the slab's.
                unsafe { put_sentinel(place.cast()) };
            }
        }
        is_intact
    }

    /// Gives the buffer's memory up.
    ///
    /// # Safety
    /// The caller owns the buffer, and neither it nor the meta is used any more.
    pub unsafe fn free(meta: NonNull<Meta>) {
        // SAFETY: the slab lives until the last release, which is this one or a later one.
        unsafe {
            let slab = meta.as_ref().slab;
            meta.as_ref().holder.store(holder::NOBODY, Ordering::Release);
            Slab::release(slab);
        }
    }
}

/// The refusal of an address that is no buffer.
#[cold]
pub fn no_such_buffer() -> Error {
    Error::misuse(Status::INVALID_PARAMETER, "the address is no buffer of a pool")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_all(slab: NonNull<Slab>) {
        // SAFETY: the slab lives until the last of its buffers is freed, below.
        let count = unsafe { slab.as_ref() }.count();
        for i in 0..count {
            // SAFETY: this buffer is not freed yet, so the slab lives.
            let meta = unsafe { slab.as_ref() }.meta(i);
            // SAFETY: each buffer is freed once, and the test has let go of all.
            unsafe { Meta::free(meta) };
        }
    }

    #[test]
    fn every_buffer_is_found_by_its_address_and_nothing_else_is() {
        for (buffer_size, context_size, count) in [(1, 0, 3), (64, 16, 100), (4097, 3, 17)] {
            let shape = Shape { buffer_size, context_size, with_timer: count == 3 };
            let slab = Slab::new(shape, count, Owners::of(Handle::NULL)).ok().unwrap();
            // SAFETY: the slab lives until `free_all`.
            let reference = unsafe { slab.as_ref() };
            for i in 0..count as usize {
                let meta = reference.meta(i);
                // SAFETY: as above.
                let start = unsafe { meta.as_ref() }.buffer().as_ptr().addr();
                assert_eq!(start % ALIGNMENT, 0);
                assert_eq!(find(start, std::ptr::from_ref), Some(meta.as_ptr().cast_const()));
                for wrong in [start + 1, start + 15, start + 16, start.wrapping_sub(1)] {
                    assert!(find(wrong, |_| ()).is_none());
                }
            }
            free_all(slab);
        }
        for address in [0, 1, 16, usize::MAX, usize::MAX & !15, 0xDEAD_BEEF_0000] {
            assert!(find(address, |_| ()).is_none());
        }
    }

    #[test]
    fn a_freed_slab_is_not_found() {
        let shape = Shape { buffer_size: 64, context_size: 0, with_timer: false };
        let slab = Slab::new(shape, 2, Owners::of(Handle::NULL)).ok().unwrap();
        // SAFETY: the slab lives until `free_all`.
        let start = unsafe { slab.as_ref().meta(0).as_ref() }.buffer().as_ptr().addr();
        free_all(slab);
        assert!(find(start, |_| ()).is_none());
    }

    #[test]
    fn an_overrun_of_one_byte_is_seen_once() {
        let shape = Shape { buffer_size: 5, context_size: 3, with_timer: true };
        let slab = Slab::new(shape, 1, Owners::of(Handle::NULL)).ok().unwrap();
        // SAFETY: the slab lives until `free_all`.
        let meta = unsafe { slab.as_ref().meta(0).as_ref() };
        assert!(meta.check_sentinels());
        // SAFETY: the sentinel lies right behind the buffer.
        unsafe { meta.buffer().add(5).write(1) };
        assert!(!meta.check_sentinels());
        assert!(meta.check_sentinels());
        // SAFETY: as above, behind the context.
        unsafe { meta.context().add(3).write(1) };
        assert!(!meta.check_sentinels());
        free_all(slab);
    }
}
