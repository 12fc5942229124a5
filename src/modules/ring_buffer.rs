//! RingBuffer: a fixed number of items of a fixed size, first in, first out.
//!
//! ```text
//!            head
//!             v
//!  +------+------+------+------+------+------+
//!  |      | old  |      | new  |      |      |       item i is at (head + i) mod capacity
//!  +------+------+------+------+------+------+
//!           0      1      2
//! ```
//!
//! Everything is checked before anything changes. Source: Dmf_RingBuffer.md.

use crate::framework::handle::Kind;
use crate::framework::memory::Block;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::table::Object;
use std::ops::Range;

/// What a write does when the ring is full.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    FailIfFull,
    DeleteOldest,
}

/// See the file's head.
pub struct RingBuffer {
    items: Block,
    item_size: usize,
    capacity: usize,
    /// Where the oldest item is, and where the next one goes, in bytes.
    head: usize,
    tail: usize,
    count: usize,
    mode: Mode,
}

impl Object for RingBuffer {
    const KIND: Kind = Kind::RingBuffer;

    fn is_ownable(&self) -> bool {
        true
    }
}

/// A part of an item and where it stands outside.
#[derive(Clone, Copy)]
pub struct Segment {
    pub bytes: Span,
    pub offset: usize,
}

#[cold]
fn empty() -> Error {
    Error::new(Status::UNSUCCESSFUL, "the ring is empty")
}

#[cold]
fn full() -> Error {
    Error::new(Status::UNSUCCESSFUL, "the ring is full")
}

impl RingBuffer {
    /// A ring of `count` items of `size` bytes, neither zero.
    pub fn new(count: u32, size: u32, mode: Mode) -> Result<Self, Error> {
        if count == 0 || size == 0 {
            return Err(Error::new(Status::INVALID_PARAMETER, "ItemCount or ItemSize is 0"));
        }
        let Some(total) = count.checked_mul(size) else {
            return Err(Error::new(
                Status::INTEGER_OVERFLOW,
                "ItemCount times ItemSize does not fit a ULONG",
            ));
        };
        Ok(Self {
            items: Block::new(total as usize)?,
            item_size: size as usize,
            capacity: count as usize,
            head: 0,
            tail: 0,
            count: 0,
            mode,
        })
    }

    pub fn total_size(&self) -> u32 {
        (self.capacity * self.item_size) as u32
    }

    /// The item behind the one at `place`.
    #[inline]
    fn after(&self, place: usize) -> usize {
        let next = place + self.item_size;
        if next == self.items.len() { 0 } else { next }
    }

    /// Where the next item goes; the oldest one is dropped if it must be.
    #[inline]
    fn next_slot(&mut self) -> Result<Range<usize>, Error> {
        if self.count == self.capacity {
            if self.mode == Mode::FailIfFull {
                return Err(full());
            }
            self.drop_oldest();
        }
        let place = self.tail;
        self.tail = self.after(place);
        self.count += 1;
        Ok(place..place + self.item_size)
    }

    #[inline]
    fn drop_oldest(&mut self) {
        self.head = self.after(self.head);
        self.count -= 1;
    }

    fn oldest(&self) -> Result<Range<usize>, Error> {
        if self.count == 0 { Err(empty()) } else { Ok(self.head..self.head + self.item_size) }
    }

    /// As [`RingBuffer::write`], if nothing speaks against it: short enough to stand in a Method.
    #[inline(always)]
    pub fn try_write(&mut self, source: Span) -> Option<()> {
        if source.len() != self.item_size {
            return None;
        }
        if self.count != self.capacity {
            self.count += 1;
        } else if self.mode == Mode::DeleteOldest {
            self.head = self.after(self.head);
        } else {
            return None;
        }
        let place = self.tail;
        self.tail = self.after(place);
        source.copy_to(self.items.get_mut(place..place + self.item_size)?);
        Some(())
    }

    /// As [`RingBuffer::read`], if nothing speaks against it.
    #[inline(always)]
    pub fn try_read(&mut self, target: Span) -> Option<()> {
        if target.len() < self.item_size || self.count == 0 {
            return None;
        }
        let slot = self.head..self.head + self.item_size;
        self.drop_oldest();
        target.fill(self.items.get(slot)?);
        Some(())
    }

    /// Appends an item.
    pub fn write(&mut self, source: Span) -> Result<(), Error> {
        if source.len() != self.item_size {
            return Err(Error::misuse(
                Status::INVALID_BUFFER_SIZE,
                "SourceBufferSize is not ItemSize",
            ));
        }
        self.try_write(source).ok_or_else(full)
    }

    /// Takes the oldest item.
    pub fn read(&mut self, target: Span) -> Result<(), Error> {
        if target.len() < self.item_size {
            return Err(Error::misuse(
                Status::BUFFER_TOO_SMALL,
                "TargetBufferSize is less than ItemSize",
            ));
        }
        self.try_read(target).ok_or_else(empty)
    }

    /// Takes all items; the bytes written.
    pub fn read_all(&mut self, target: Span) -> Result<u32, Error> {
        let needed = self.count * self.item_size;
        if target.len() < needed {
            return Err(Error::new(
                Status::BUFFER_TOO_SMALL,
                "TargetBufferSize is less than what the ring holds",
            ));
        }
        let first = (self.items.len() - self.head).min(needed);
        target.fill(&self.items[self.head..self.head + first]);
        target.fill_at(first, &self.items[..needed - first]);
        (self.head, self.tail, self.count) = (0, 0, 0);
        Ok(needed as u32)
    }

    /// Refuses segments that do not lie within an item.
    fn check(&self, segments: impl Iterator<Item = Segment>) -> Result<(), Error> {
        for Segment { bytes, offset } in segments {
            if bytes.len() == 0 {
                continue;
            }
            if bytes.address().is_null() {
                return Err(Error::misuse(
                    Status::INVALID_PARAMETER,
                    "a segment is NULL while its size is not 0",
                ));
            }
            if offset + bytes.len() > self.item_size {
                return Err(Error::misuse(
                    Status::INVALID_PARAMETER,
                    "a segment reaches beyond the item",
                ));
            }
        }
        Ok(())
    }

    /// Appends an item made of segments; bytes that none covers are zero.
    pub fn segments_write(
        &mut self,
        segments: impl Iterator<Item = Segment> + Clone,
    ) -> Result<(), Error> {
        self.check(segments.clone())?;
        let slot = self.next_slot()?;
        let item = &mut self.items[slot];
        item.fill(0);
        for Segment { bytes, offset } in segments {
            if let Some(part) = item.get_mut(offset..) {
                bytes.copy_to(part);
            }
        }
        Ok(())
    }

    /// Takes the oldest item into segments.
    pub fn segments_read(
        &mut self,
        segments: impl Iterator<Item = Segment> + Clone,
    ) -> Result<(), Error> {
        self.check(segments.clone())?;
        let slot = self.oldest()?;
        let item = &self.items[slot];
        for Segment { bytes, offset } in segments {
            if let Some(part) = item.get(offset..) {
                bytes.fill(part);
            }
        }
        self.drop_oldest();
        Ok(())
    }

    /// Item `index`, counted from the oldest, for a callback that may change its bytes.
    pub fn item_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        if index >= self.count {
            return None;
        }
        let place = self.head + index * self.item_size;
        let wrapped = if place < self.items.len() { place } else { place - self.items.len() };
        self.items.get_mut(wrapped..wrapped + self.item_size)
    }

    pub fn item_size(&self) -> usize {
        self.item_size
    }

    /// Moves the oldest item to the start of the memory, the others behind it; the rest is zero.
    pub fn reorder(&mut self) {
        self.items.rotate_left(self.head);
        self.head = 0;
        let used = self.count * self.item_size;
        self.tail = if used == self.items.len() { 0 } else { used };
        self.items[used..].fill(0);
    }
}
