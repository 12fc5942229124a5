//! RingBuffer: a fixed number of items of a fixed size, first in, first out.
//!
//! The items lie on a [`belt`]. A ring that refuses an item when it is full has a lock for those who
//! write and one for those who read. In one that drops its oldest item a write moves both ends, and one
//! lock guards both.
//!
//! Everything is checked before anything changes. Source: Dmf_RingBuffer.md.

use crate::framework::belt::{self, Reader, Writer};
use crate::framework::ends::{End, Ends};
use crate::framework::handle::Kind;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::sync::pause;
use crate::framework::table::Object;

/// What a write does when the ring is full.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    FailIfFull,
    DeleteOldest,
}

/// See the file's head.
pub type RingBuffer = Ends<Reader, Writer>;

/// The end of a ring that writes, locked.
pub type WriteEnd = End<Writer, Reader>;

/// The end of a ring that reads, locked.
pub type ReadEnd = End<Reader, Writer>;

impl Object for RingBuffer {
    const KIND: Kind = Kind::RingBuffer;

    fn is_ownable(&self) -> bool {
        true
    }

    fn has_back(&self) -> bool {
        self.are_apart()
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

/// Refuses segments that do not lie within an item.
fn check(segments: impl Iterator<Item = Segment>, item_size: usize) -> Result<(), Error> {
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
        if offset + bytes.len() > item_size {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "a segment reaches beyond the item",
            ));
        }
    }
    Ok(())
}

impl WriteEnd {
    /// As [`WriteEnd::write`], if nothing speaks against it, of a [short](Span::is_short) source: it
    /// stands in a Method and calls nothing.
    #[inline(always)]
    pub fn try_write_short(&mut self, source: Span) -> Option<()> {
        let (writer, reader) = self.parts();
        if source.len() != writer.size() {
            return None;
        }
        writer.write(reader, |slot| source.copy_short_to(slot))
    }

    /// As [`WriteEnd::write`], if nothing speaks against it.
    #[inline(always)]
    pub fn try_write(&mut self, source: Span) -> Option<()> {
        let (writer, reader) = self.parts();
        if source.len() != writer.size() {
            return None;
        }
        writer.write(reader, |slot| {
            source.copy_to(slot);
        })
    }

    /// Appends an item.
    pub fn write(&mut self, source: Span) -> Result<(), Error> {
        if source.len() != self.parts().0.size() {
            return Err(Error::misuse(
                Status::INVALID_BUFFER_SIZE,
                "SourceBufferSize is not ItemSize",
            ));
        }
        self.try_write(source).ok_or_else(full)
    }

    /// Appends an item made of segments; bytes that none covers are zero.
    pub fn write_segments(
        &mut self,
        segments: impl Iterator<Item = Segment> + Clone,
    ) -> Result<(), Error> {
        let (writer, reader) = self.parts();
        check(segments.clone(), writer.size())?;
        let written = writer.write(reader, |slot| {
            slot.fill(0);
            for Segment { bytes, offset } in segments {
                if let Some(part) = slot.get_mut(offset..) {
                    bytes.copy_to(part);
                }
            }
        });
        written.ok_or_else(full)
    }
}

/// Waits before a reader that has caught up looks for more. False: it is to wait without the lock, for which
/// another one may be waiting.
#[inline(always)]
fn is_time_to_look(reader: &Reader, is_owned: bool) -> bool {
    if reader.has_caught_up() {
        if !is_owned {
            return false;
        }
        pause();
    }
    true
}

impl ReadEnd {
    /// As [`ReadEnd::read`], if nothing speaks against it, to a [short](Span::is_short) target: it stands
    /// in a Method and calls nothing.
    #[inline(always)]
    pub fn try_read_short(&mut self, target: Span) -> Option<()> {
        let is_owned = self.is_owned();
        let (reader, writer) = self.parts();
        if target.len() != reader.size() || !is_time_to_look(reader, is_owned) {
            return None;
        }
        reader.read(writer, |slot| target.fill_short(slot))
    }

    /// As [`ReadEnd::read`], if nothing speaks against it.
    #[inline(always)]
    pub fn try_read(&mut self, target: Span) -> Option<()> {
        let is_owned = self.is_owned();
        let (reader, writer) = self.parts();
        if target.len() < reader.size() || !is_time_to_look(reader, is_owned) {
            return None;
        }
        reader.read(writer, |slot| {
            target.fill(slot);
        })
    }

    /// Takes the oldest item.
    pub fn read(&mut self, target: Span) -> Result<(), Error> {
        let (reader, writer) = self.parts();
        if target.len() < reader.size() {
            return Err(Error::misuse(
                Status::BUFFER_TOO_SMALL,
                "TargetBufferSize is less than ItemSize",
            ));
        }
        let read = reader.read(writer, |slot| {
            target.fill(slot);
        });
        read.ok_or_else(empty)
    }

    /// Takes the oldest item into segments.
    pub fn read_segments(
        &mut self,
        segments: impl Iterator<Item = Segment> + Clone,
    ) -> Result<(), Error> {
        let (reader, writer) = self.parts();
        check(segments.clone(), reader.size())?;
        let read = reader.read(writer, |slot| {
            for Segment { bytes, offset } in segments {
                if let Some(part) = slot.get(offset..) {
                    bytes.fill(part);
                }
            }
        });
        read.ok_or_else(empty)
    }

    /// Whether it is better to look at the ring a moment later; see [`Reader::has_caught_up`].
    pub fn has_caught_up(&mut self) -> bool {
        self.parts().0.has_caught_up()
    }

    pub fn total_size(&mut self) -> u32 {
        self.parts().0.total_size() as u32
    }
}

impl RingBuffer {
    /// A ring of `count` items of `size` bytes, neither zero.
    pub fn of_items(count: u32, size: u32, mode: Mode) -> Result<Self, Error> {
        if count == 0 || size == 0 {
            return Err(Error::new(Status::INVALID_PARAMETER, "ItemCount or ItemSize is 0"));
        }
        if count.checked_mul(size).is_none() {
            return Err(Error::new(
                Status::INTEGER_OVERFLOW,
                "ItemCount times ItemSize does not fit a ULONG",
            ));
        }
        let is_joint = mode == Mode::DeleteOldest;
        let (reader, writer) = belt::new(count as usize, size as usize, is_joint)?;
        Ok(Self::new(reader, writer))
    }

    pub fn item_size(&mut self) -> usize {
        self.both().0.size()
    }

    /// Item `index`, counted from the oldest, for a callback that may change its bytes.
    pub fn item_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        self.both().0.item(index)
    }

    /// Takes all items; the bytes written.
    pub fn read_all(&mut self, target: Span) -> Result<u32, Error> {
        let (reader, writer) = self.both();
        let needed = reader.count() * reader.size();
        if target.len() < needed {
            return Err(Error::new(
                Status::BUFFER_TOO_SMALL,
                "TargetBufferSize is less than what the ring holds",
            ));
        }
        let mut written = 0;
        reader.read_all(writer, |bytes| written += target.fill_at(written, bytes));
        Ok(needed as u32)
    }

    /// Moves the oldest item to the start of the memory, the others behind it; the rest is zero.
    pub fn reorder(&mut self) {
        let (reader, writer) = self.both();
        reader.reorder(writer);
    }
}
