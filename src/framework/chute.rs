//! A chute: buffers go in at one end and come out at the other, first in, first out. One thread may use the
//! inlet while another uses the outlet; it is a [`belt`] of tokens.

use super::belt::{self, Reader, Writer};
use super::buffer::Buffer;
use super::slab::Meta;
use super::status::Error;
use std::ptr::NonNull;

/// What lies on the belt.
type Token = NonNull<Meta>;

/// Where buffers go in.
pub struct Inlet(Writer);

/// Where they come out. Dropped, it frees those that are in the chute: nobody uses the inlet any more.
pub struct Outlet(Reader);

/// The two ends of a chute with room for so many buffers, not zero.
pub fn new(room: usize) -> Result<(Outlet, Inlet), Error> {
    let (reader, writer) = belt::new(room, size_of::<Token>(), false)?;
    Ok((Outlet(reader), Inlet(writer)))
}

impl Inlet {
    /// Whether one buffer more can be put in.
    pub fn has_room(&mut self) -> bool {
        self.0.has_room()
    }

    /// Puts a buffer in, or gives it back if there is no room.
    #[inline(always)]
    pub fn push(&mut self, buffer: Buffer) -> Result<(), Buffer> {
        let token: Token = buffer.into_meta();
        // SAFETY: a slot has the size of a token.
        let fill = |slot: &mut [u8]| unsafe { slot.as_mut_ptr().cast::<Token>().write(token) };
        // SAFETY: the token was just made, and does not lie on the belt.
        self.0.write(None, fill).ok_or_else(|| unsafe { Buffer::from_meta(token) })
    }
}

impl Outlet {
    /// Whether it is better to look a moment later: see [`Reader::has_caught_up`].
    #[inline(always)]
    pub fn has_caught_up(&self) -> bool {
        self.0.has_caught_up()
    }

    /// The buffer that was put in first.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Buffer> {
        let mut token = None;
        // SAFETY: the inlet has filled the slot with a token.
        self.0.read(None, |slot| token = Some(unsafe { slot.as_ptr().cast::<Token>().read() }))?;
        // SAFETY: the inlet gave the buffer up, and each slot is read once.
        token.map(|token| unsafe { Buffer::from_meta(token) })
    }

    /// How many buffers are in the chute.
    pub fn count(&mut self) -> usize {
        self.0.count()
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        while let Some(buffer) = self.pop() {
            drop(buffer);
        }
    }
}
