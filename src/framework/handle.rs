//! Handles: what C holds instead of addresses.
//!
//! ```text
//!  63      56   55    54                 24 23             0
//! +----------+--------+---------------------+----------------+
//! | kind     | hidden | generation          | slot           |     objects
//! +----------+--------+---------------------+----------------+
//! | MEMORY   | address of a pool buffer, divided by 16       |     WDFMEMORY
//! +----------+-----------------------------------------------+
//! ```
//!
//! The kind is never zero, so a handle is neither NULL nor the address of anything in user space. A
//! slot's generation grows each time the slot is given out; a slot whose generation has run out is
//! never given out again, so no handle is ever valid twice. What is hidden is a part of a Module that C is
//! never told of: C's Methods refuse it, should somebody guess its handle.

use std::ffi::c_void;

/// What a handle names. The values are part of no contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Device = 0x41,
    Request,
    IoTarget,
    Memory,
    RingBuffer,
    PingPongBuffer,
    BufferPool,
    BufferQueue,
    NotifyUserWithRequest,
    ContinuousRequestTarget,
    QueuedWorkItem,
    ThreadedBufferQueue,
    Thread,
    Watch,
}

const SLOT_BITS: u32 = 24;
const KIND_SHIFT: u32 = 56;

/// Slots that a handle can name.
pub const SLOTS: u32 = 1 << SLOT_BITS;

/// The last generation of a slot.
pub const LAST_GENERATION: u32 = u32::MAX >> 1;

const HIDDEN: u64 = 1 << 55;

/// A handle as C sees it. Any 64 bits can stand here; the table says whether they name something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Handle(pub u64);

impl Handle {
    pub const NULL: Handle = Handle(0);

    #[inline]
    pub const fn new(kind: Kind, generation: u32, slot: u32) -> Self {
        Self((kind as u64) << KIND_SHIFT | (generation as u64) << SLOT_BITS | slot as u64)
    }

    #[inline]
    pub fn from_c<T>(pointer: *mut T) -> Self {
        Self(pointer as usize as u64)
    }

    /// As [`Handle::from_c`]; what is hidden is no handle.
    #[inline(always)]
    pub fn of_visible<T>(pointer: *mut T) -> Self {
        let handle = Self::from_c(pointer);
        if handle.is_hidden() { Self(u64::MAX) } else { handle }
    }

    /// The same, hidden.
    #[must_use]
    pub fn hide(self) -> Self {
        Self(self.0 | HIDDEN)
    }

    #[inline(always)]
    pub fn is_hidden(self) -> bool {
        self.0 & HIDDEN != 0
    }

    #[inline]
    pub fn to_c<T>(self) -> *mut T {
        self.0 as usize as *mut T
    }

    pub fn as_void(self) -> *mut c_void {
        self.to_c()
    }

    #[inline]
    pub fn is_kind(self, kind: Kind) -> bool {
        self.0 >> KIND_SHIFT == kind as u64
    }

    pub fn is_module(self) -> bool {
        let kind = (self.0 >> KIND_SHIFT) as u8;
        (Kind::RingBuffer as u8..=Kind::Thread as u8).contains(&kind)
    }

    #[inline]
    pub fn slot(self) -> u32 {
        // Masked at its full width: what is an index next needs no other mask.
        (self.0 & (SLOTS as u64 - 1)) as u32
    }

    #[inline]
    pub fn generation(self) -> u32 {
        (self.0 >> SLOT_BITS) as u32 & LAST_GENERATION
    }

    /// The WDFMEMORY of the pool buffer at `address`, which is a multiple of 16.
    pub fn of_memory(address: usize) -> Self {
        Self((Kind::Memory as u64) << KIND_SHIFT | (address as u64) >> 4)
    }

    /// The address that a WDFMEMORY claims.
    pub fn memory_address(self) -> Option<usize> {
        let address = (self.0 & ((1 << KIND_SHIFT) - 1)) << 4;
        self.is_kind(Kind::Memory).then_some(address as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_gives_back_what_it_was_made_of() {
        let handle = Handle::new(Kind::RingBuffer, 0x5EAD_BEEF, 0x00AB_CDEF);
        for handle in [handle, handle.hide()] {
            assert!(handle.is_kind(Kind::RingBuffer));
            assert_eq!(handle.generation(), 0x5EAD_BEEF);
            assert_eq!(handle.slot(), 0x00AB_CDEF);
            assert!(handle.is_module());
        }
        assert!(handle.hide().is_hidden() && !handle.is_hidden());
    }

    #[test]
    fn a_memory_handle_gives_back_its_address() {
        let handle = Handle::of_memory(0x7FFF_1234_5670);
        assert_eq!(handle.memory_address(), Some(0x7FFF_1234_5670));
        assert!(!handle.is_module());
    }
}
