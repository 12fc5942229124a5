//! PingPongBuffer: bytes are collected in one buffer (Ping) while what was collected before is
//! consumed from the other (Pong).
//!
//! ```text
//!   Ping:  | discarded | packet | left over |  free  |          Consume(Start, Length)
//!          0         Start                  ^offset
//!
//!   then:  Pong is this buffer, the packet stays where it is; Ping is the other one:
//!          | left over |          free               |
//! ```
//!
//! Source: Dmf_PingPongBuffer.md.

use crate::framework::handle::Kind;
use crate::framework::memory::Block;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::table::Object;

/// See the file's head.
pub struct PingPongBuffer {
    ping: Block,
    pong: Block,
    /// Bytes in Ping.
    offset: usize,
}

impl Object for PingPongBuffer {
    const KIND: Kind = Kind::PingPongBuffer;

    fn is_ownable(&self) -> bool {
        true
    }
}

impl PingPongBuffer {
    pub fn new(size: u32) -> Result<Self, Error> {
        if size == 0 {
            return Err(Error::new(Status::INVALID_PARAMETER, "BufferSize is 0"));
        }
        let size = size as usize;
        Ok(Self { ping: Block::new(size)?, pong: Block::new(size)?, offset: 0 })
    }

    /// Bytes in Ping.
    pub fn len(&self) -> u32 {
        self.offset as u32
    }

    /// Where Ping starts.
    pub fn ping(&self) -> *mut u8 {
        self.ping.address().as_ptr()
    }

    /// As [`PingPongBuffer::write`], if nothing speaks against it: short enough to stand in a Method.
    #[inline(always)]
    pub fn try_write(&mut self, source: Span) -> Option<()> {
        let end = self.offset + source.len();
        let free = self.ping.get_mut(self.offset..end)?;
        if source.len() == 64 {
            // Without a copy in between, which is for bytes that overlap: what is free in Ping is nobody's source.
            source.copy_words_to::<8>(free);
        } else {
            source.copy_to(free);
        }
        self.offset = end;
        Some(())
    }

    /// Appends to Ping; nothing is written unless all fits.
    pub fn write(&mut self, source: Span) -> Result<(), Error> {
        self.try_write(source).ok_or_else(|| {
            Error::new(Status::INSUFFICIENT_RESOURCES, "the bytes do not fit into the Ping buffer")
        })
    }

    /// Switches, and keeps what lies behind the packet; where the packet starts.
    #[inline]
    pub fn consume(&mut self, start: u32, length: u32) -> Result<*mut u8, Error> {
        let size = self.ping.len();
        let (start, length) = (start as usize, length as usize);
        if start + length > size {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "StartOffset + PacketLength reach beyond the buffer",
            ));
        }
        let packet = self.ping.address();
        self.switch(start + length);
        Ok(packet.as_ptr().wrapping_add(start))
    }

    /// Switches, and keeps what lies behind `start`.
    pub fn shift(&mut self, start: u32) -> Result<(), Error> {
        if start as usize > self.offset {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "StartOffset is beyond what was written",
            ));
        }
        self.switch(start as usize);
        Ok(())
    }

    /// The bytes from `from` up to the write offset become the start of the other buffer, the new Ping.
    fn switch(&mut self, from: usize) {
        let left_over = self.ping.get(from..self.offset).unwrap_or(&[]);
        self.pong[..left_over.len()].copy_from_slice(left_over);
        self.offset = left_over.len();
        std::mem::swap(&mut self.ping, &mut self.pong);
    }

    /// Forgets what is in Ping.
    pub fn reset(&mut self) {
        self.offset = 0;
    }
}
