//! RingBuffer: a fixed number of items of a fixed size, first in, first out.
//!
//! The items lie on a [`belt`]. A ring that refuses an item when it is full has a lock for those who
//! write and one for those who read. In one that drops its oldest item a write moves both ends, and one
//! lock guards both.
//!
//! Everything is checked before anything changes. Source: Dmf_RingBuffer.md.

use crate::framework::belt::{self, Miss, Reader, Writer};
use crate::framework::ends::{End, Ends};
use crate::framework::handle::Kind;
use crate::framework::span::{Span, prefetch};
use crate::framework::status::{Error, Status};
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

/// Why an item was neither written nor read.
#[derive(Clone, Copy)]
pub enum Refusal {
    Empty,
    Full,
    /// The source is not an item's size.
    Size,
    /// The target is less than an item's size.
    Room,
    /// Perhaps empty, or full. It is better to look a moment later, without the lock meanwhile.
    Early,
}

impl From<Refusal> for Error {
    #[cold]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Empty | Refusal::Early => {
                Error::new(Status::UNSUCCESSFUL, "the ring is empty")
            }
            Refusal::Full => Error::new(Status::UNSUCCESSFUL, "the ring is full"),
            Refusal::Size => {
                Error::misuse(Status::INVALID_BUFFER_SIZE, "SourceBufferSize is not ItemSize")
            }
            Refusal::Room => {
                Error::misuse(Status::BUFFER_TOO_SMALL, "TargetBufferSize is less than ItemSize")
            }
        }
    }
}

impl From<Miss> for Refusal {
    #[inline(always)]
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Full => Self::Full,
            Miss::Early => Self::Early,
        }
    }
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
    /// As [`WriteEnd::write`], of an item that is so many words: it stands in a Method and calls nothing.
    /// `None`: the ring's items are not.
    #[inline(always)]
    pub fn write_words<const WORDS: usize>(&mut self, source: Span) -> Option<Result<(), Refusal>> {
        let (writer, reader) = self.parts();
        if writer.size() != source.len() {
            return None;
        }
        let fill = |slot: &mut [u8]| source.copy_words_to::<WORDS>(slot);
        Some(writer.write_unless_early(reader, fill).map_err(Refusal::from))
    }

    /// Appends an item. [`Refusal::Early`] is only for callers that have not waited.
    #[inline(always)]
    pub fn write(&mut self, source: Span, has_waited: bool) -> Result<(), Refusal> {
        let (writer, reader) = self.parts();
        if source.len() != writer.size() {
            return Err(Refusal::Size);
        }
        let overwrites = reader.is_some();
        let fill = |slot: &mut [u8]| {
            if overwrites {
                // A slot that is used again was looked at long ago, and is in no near cache.
                prefetch(slot);
            }
            source.copy_to(slot);
        };
        if has_waited {
            return writer.write(reader, fill).ok_or(Refusal::Full);
        }
        Ok(writer.write_unless_early(reader, fill)?)
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
        written.ok_or(Refusal::Full.into())
    }
}

impl ReadEnd {
    /// As [`ReadEnd::read_unless_early`], to a target of so many words: it stands in a Method and calls
    /// nothing. `None`: the ring's items are not.
    #[inline(always)]
    pub fn read_words<const WORDS: usize>(&mut self, target: Span) -> Option<Result<(), Refusal>> {
        let (reader, writer) = self.parts();
        if reader.size() != target.len() {
            return None;
        }
        if reader.has_caught_up() {
            return Some(Err(Refusal::Early));
        }
        let take = |slot: &[u8]| target.fill_words::<WORDS>(slot);
        Some(reader.read(writer, take).ok_or(Refusal::Empty))
    }

    /// As [`ReadEnd::read`], but for [`Refusal::Early`].
    #[inline(always)]
    pub fn read_unless_early(&mut self, target: Span) -> Result<(), Refusal> {
        if self.parts().0.has_caught_up() { Err(Refusal::Early) } else { self.read(target) }
    }

    /// Takes the oldest item.
    #[inline(always)]
    pub fn read(&mut self, target: Span) -> Result<(), Refusal> {
        let (reader, writer) = self.parts();
        if target.len() < reader.size() {
            return Err(Refusal::Room);
        }
        if let Some(slot) = reader.slot_ahead() {
            prefetch(slot);
        }
        let take = |slot: &[u8]| {
            target.fill(slot);
        };
        reader.read(writer, take).ok_or(Refusal::Empty)
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
        read.ok_or(Refusal::Empty.into())
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

    pub fn total_size(&mut self) -> u32 {
        self.both().0.total_size() as u32
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
