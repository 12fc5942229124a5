//! Bytes of somebody else: an address and a length that C, or a pool buffer, vouches for.
//!
//! Copies go by address and may overlap, so that bytes which C changes meanwhile are mixed up and
//! nothing worse.

use super::buffer::ClientBuffer;
use std::sync::atomic::{Ordering, compiler_fence};

/// See the file's head.
#[derive(Clone, Copy)]
pub struct Span {
    address: *mut u8,
    length: usize,
}

// SAFETY: a span is an address and a length; who made it says who may touch the bytes, and when.
unsafe impl Send for Span {}
// SAFETY: see above.
unsafe impl Sync for Span {}

/// Copies bytes that may overlap. The sizes of pointers and of cache lines are copied in place: a call
/// costs more than they do.
///
/// # Safety
/// As for [`std::ptr::copy`].
#[inline]
unsafe fn copy(source: *const u8, target: *mut u8, count: usize) {
    // SAFETY: by the contract of this function; each array is read whole before it is written.
    unsafe {
        match count {
            8 => target.cast::<Word>().write(source.cast::<Word>().read()),
            64 => {
                let mut words = [[0; 8]; 8];
                copy_words::<8>(source.cast(), words.as_mut_ptr());
                copy_words::<8>(words.as_ptr(), target.cast());
            }
            _ => std::ptr::copy(source, target, count),
        }
    }
}

type Word = [u8; 8];

/// Copies words one by one: they were mostly written in words just before, and a wider load of bytes that are
/// still on their way to the cache waits until they are there.
///
/// # Safety
/// As for [`std::ptr::copy`]; where they overlap they are mixed up.
#[inline(always)]
unsafe fn copy_words<const WORDS: usize>(source: *const Word, target: *mut Word) {
    for i in 0..WORDS {
        // SAFETY: by the contract of this function.
        unsafe { target.add(i).write(source.add(i).read()) };
        // Keeps the compiler from making wider ones of them.
        compiler_fence(Ordering::AcqRel);
    }
}

/// Copies one word, or an even number of them to where they are read in pairs. A pair that was written at once is
/// read at once without waiting.
///
/// # Safety
/// As for [`copy_words`].
#[inline(always)]
unsafe fn pair_words<const WORDS: usize>(source: *const Word, target: *mut Word) {
    const { assert!(WORDS == 1 || WORDS.is_multiple_of(2)) };
    if WORDS == 1 {
        // SAFETY: by the contract of this function.
        return unsafe { copy_words::<1>(source, target) };
    }
    for i in (0..WORDS).step_by(2) {
        // SAFETY: see above.
        unsafe { store_pair(source.add(i), target.add(i).cast()) };
    }
}

/// Copies what [`pair_words`] has copied.
///
/// # Safety
/// As for [`copy_words`].
#[inline(always)]
unsafe fn copy_pairs<const WORDS: usize>(source: *const Word, target: *mut Word) {
    if WORDS == 1 {
        // SAFETY: by the contract of this function.
        return unsafe { copy_words::<1>(source, target) };
    }
    for i in (0..WORDS).step_by(2) {
        // SAFETY: see above.
        unsafe { target.add(i).cast::<Pair>().write(source.add(i).cast::<Pair>().read()) };
    }
}

type Pair = [u8; 16];

/// Copies two words: two loads and one store.
///
/// # Safety
/// As for [`copy_words`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn store_pair(source: *const Word, target: *mut Pair) {
    use std::arch::x86_64::{_mm_loadh_pd, _mm_loadl_pd, _mm_setzero_pd, _mm_storeu_pd};
    // SAFETY: by the contract of this function; the instructions are in every processor of the kind, and want
    // no alignment.
    unsafe {
        let low = _mm_loadl_pd(_mm_setzero_pd(), source.cast());
        // Keeps the compiler from making one load of the two.
        compiler_fence(Ordering::AcqRel);
        _mm_storeu_pd(target.cast(), _mm_loadh_pd(low, source.add(1).cast()));
    }
}

/// Copies two words: two loads and one store.
///
/// # Safety
/// As for [`copy_words`].
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn store_pair(source: *const Word, target: *mut Pair) {
    // SAFETY: by the contract of this function.
    unsafe { target.cast::<[Word; 2]>().write([source.read(), source.add(1).read()]) };
}

/// Has the processor fetch a slot's first cache lines, since they are soon used.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn prefetch(slot: &[u8]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for offset in (0..slot.len().min(1024)).step_by(64) {
        // SAFETY: the place lies in the slot; it is a hint, of every processor of the kind.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(slot.as_ptr().add(offset).cast()) };
    }
}

/// As [`prefetch`], to be written: away from the processor that has them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn prefetch_from_another(slot: &[u8]) {
    for offset in (0..slot.len().min(1024)).step_by(64) {
        // SAFETY: as above; processors that do not know this hint take it for nothing.
        unsafe {
            let line = slot.as_ptr().add(offset);
            std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags));
        }
    }
}

/// Has the processor fetch a slot's first cache lines, since they are soon used.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn prefetch(_slot: &[u8]) {}

/// As [`prefetch`], to be written: away from the processor that has them.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn prefetch_from_another(_slot: &[u8]) {}

impl Span {
    pub const EMPTY: Span = Span { address: std::ptr::null_mut(), length: 0 };

    /// # Safety
    /// `length` bytes at `address` may be read and written whenever the span is handed to somebody
    /// who works on it; the address may be NULL when the length is zero.
    pub const unsafe fn new(address: *mut u8, length: usize) -> Self {
        Self { address, length }
    }

    /// The first `length` bytes of a buffer that the caller keeps until nobody uses the span.
    pub fn of_buffer(buffer: ClientBuffer, length: usize) -> Self {
        debug_assert!(length <= buffer.size as usize);
        Self { address: buffer.buffer.as_ptr(), length }
    }

    /// The context of a buffer that the caller keeps until nobody uses the span.
    pub fn of_context(buffer: ClientBuffer) -> Self {
        Self { address: buffer.context.as_ptr(), length: buffer.context_size as usize }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    #[inline]
    pub fn address(&self) -> *mut u8 {
        self.address
    }

    /// Copies what fits of `bytes` to the span, from `offset` on; the number of bytes copied.
    #[inline]
    pub fn fill_at(&self, offset: usize, bytes: &[u8]) -> usize {
        let room = self.length.saturating_sub(offset);
        let count = bytes.len().min(room);
        if count > 0 {
            // SAFETY: the range lies within the span, which its maker vouches for.
            unsafe { copy(bytes.as_ptr(), self.address.add(offset), count) };
        }
        count
    }

    /// Copies what fits of `bytes` to the span; the number of bytes copied.
    #[inline]
    pub fn fill(&self, bytes: &[u8]) -> usize {
        self.fill_at(0, bytes)
    }

    /// Copies what fits of another span to this one.
    #[inline]
    pub fn copy_from(&self, source: Span) -> usize {
        let count = self.length.min(source.length);
        if count > 0 {
            // SAFETY: both ranges lie within spans, which their makers vouch for.
            unsafe { copy(source.address, self.address, count) };
        }
        count
    }

    /// Copies so many words (one or an even number) to a slot of their size, with few registers and no call; to another,
    /// or from another length, none.
    #[inline(always)]
    pub fn copy_words_to<const WORDS: usize>(&self, slot: &mut [u8]) {
        if self.length == slot.len() && slot.len() == WORDS * size_of::<Word>() {
            // SAFETY: the range is the span, which its maker vouches for.
            unsafe { pair_words::<WORDS>(self.address.cast(), slot.as_mut_ptr().cast()) };
        }
    }

    /// As [`Span::copy_words_to`], the other way.
    #[inline(always)]
    pub fn fill_words<const WORDS: usize>(&self, slot: &[u8]) {
        if self.length == slot.len() && slot.len() == WORDS * size_of::<Word>() {
            // SAFETY: see above.
            unsafe { copy_pairs::<WORDS>(slot.as_ptr().cast(), self.address.cast()) };
        }
    }

    /// Whether `bytes` start with the span's bytes.
    pub fn is_start_of(&self, bytes: &[u8]) -> bool {
        if self.length == 0 {
            return true;
        }
        let Some(start) = bytes.get(..self.length) else { return false };
        // SAFETY: the span's maker vouches for its bytes.
        unsafe { std::slice::from_raw_parts(self.address, self.length) == start }
    }

    /// Copies the span's bytes into `target`, what fits; the number of bytes copied.
    #[inline]
    pub fn copy_to(&self, target: &mut [u8]) -> usize {
        let count = target.len().min(self.length);
        if count > 0 {
            // SAFETY: the range lies within the span, which its maker vouches for.
            unsafe { copy(self.address, target.as_mut_ptr(), count) };
        }
        count
    }
}
