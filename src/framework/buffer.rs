//! A buffer in the library's hands: a token that exists once, so that safe code can pass buffers
//! around and never has one twice.
//!
//! A buffer is the Client's, or in the library's hands (a [`Buffer`], alone or in a list), or freed.
//! The step from the Client to the library is one atomic exchange: of two threads that give back the
//! same buffer, one succeeds and the other is misuse. A token that is dropped frees the buffer.

use super::handle::Handle;
use super::slab::{self, Meta, Owners, Shape, Slab, holder};
use super::span::Span;
use super::status::{Error, Status};
use super::sync::Ordering;
use std::ptr::NonNull;

/// See the file's head.
pub struct Buffer(NonNull<Meta>);

// SAFETY: the token is the only way to the buffer while it exists.
unsafe impl Send for Buffer {}

/// What the Client gets.
#[derive(Clone, Copy)]
pub struct ClientBuffer {
    pub buffer: NonNull<u8>,
    pub context: NonNull<u8>,
    pub size: u32,
    pub context_size: u32,
}

impl ClientBuffer {
    /// The WDFMEMORY of the buffer.
    pub fn memory(&self) -> Handle {
        Handle::of_memory(self.buffer.as_ptr().addr())
    }
}

/// What is known of a buffer that may be anybody's.
#[derive(Clone, Copy)]
pub struct Facts {
    pub client: ClientBuffer,
    pub source: Handle,
}

/// Looks at the buffer at `address`, whoever holds it.
pub fn facts(address: usize) -> Result<Facts, Error> {
    slab::find(address, |meta| {
        (meta.holder.load(Ordering::Relaxed) != holder::NOBODY)
            .then(|| Facts { client: client_view(meta), source: meta.slab().source() })
    })
    .flatten()
    .ok_or_else(slab::no_such_buffer)
}

/// Copies the start of the context of the buffer at `address`, whoever holds it, if it is one of
/// `source`.
pub fn read_context(address: usize, source: Handle, target: &mut [u8]) -> Result<(), Error> {
    slab::find(address, |meta| {
        let is_one =
            meta.slab().source() == source && meta.holder.load(Ordering::Relaxed) != holder::NOBODY;
        if is_one {
            Span::of_context(client_view(meta)).copy_to(target);
        }
        is_one
    })
    .filter(|is_one| *is_one)
    .map(|_| ())
    .ok_or_else(slab::no_such_buffer)
}

fn client_view(meta: &Meta) -> ClientBuffer {
    ClientBuffer {
        buffer: meta.buffer(),
        context: meta.context(),
        size: meta.buffer_size(),
        context_size: meta.context_size(),
    }
}

/// Only the Client gives buffers back, and only those it has.
#[inline(always)]
fn try_take(meta: &Meta) -> Option<Buffer> {
    let taken = meta.holder.compare_exchange(
        holder::CLIENT,
        holder::LIBRARY,
        Ordering::Acquire,
        Ordering::Relaxed,
    );
    taken.is_ok().then(|| Buffer(NonNull::from(meta)))
}

fn take(meta: &Meta) -> Result<Buffer, Error> {
    try_take(meta).ok_or(Error::misuse(
        Status::INVALID_PARAMETER,
        "the buffer is not the Client's: it is in a list already, or was freed",
    ))
}

impl Buffer {
    /// The buffers of a new slab.
    pub fn all_of_new_slab(
        shape: Shape,
        count: u32,
        owners: Owners,
    ) -> Result<impl Iterator<Item = Buffer>, Error> {
        let slab = Slab::new(shape, count, owners)?;
        // SAFETY: the slab is new, and each of its buffers is taken once below.
        let slab = unsafe { slab.as_ref() };
        Ok((0..slab.count()).map(|index| Buffer(slab.meta(index))))
    }

    /// Takes back the buffer that the Client has at `address`, wherever it comes from.
    ///
    /// `allowed` decides by the buffer's Source before anything changes.
    pub fn from_client(
        address: usize,
        allowed: impl FnOnce(&Slab) -> Result<(), Error>,
    ) -> Result<Buffer, Error> {
        slab::find(address, |meta| {
            allowed(meta.slab())?;
            take(meta)
        })
        .unwrap_or_else(|| Err(slab::no_such_buffer()))
    }

    /// As [`Buffer::from_client`], if the buffer is one of the home slab; `None` if it
    /// is not.
    #[inline]
    pub fn from_client_near(
        address: usize,
        home: &Home,
        allowed: impl FnOnce(&Slab) -> Result<(), Error>,
    ) -> Option<Result<Buffer, Error>> {
        // SAFETY: the home keeps its slab.
        let slab = unsafe { home.0?.as_ref() };
        let meta = slab.at(address)?;
        // SAFETY: the meta lies in its slab.
        Some(allowed(slab).and_then(|()| take(unsafe { meta.as_ref() })))
    }

    /// As [`Buffer::from_client_near`], for a buffer of `source` and without an excuse.
    #[inline(always)]
    pub fn try_from_client_near(address: usize, home: &Home, source: Handle) -> Option<Buffer> {
        // SAFETY: the home keeps its slab.
        let slab = unsafe { home.0?.as_ref() };
        let meta = slab.at(address).filter(|_| slab.source() == source)?;
        // SAFETY: the meta lies in its slab.
        try_take(unsafe { meta.as_ref() })
    }

    /// Hands the buffer to the Client.
    #[inline]
    pub fn into_client(self) -> ClientBuffer {
        let meta = self.meta();
        meta.dirty.set(true);
        let client = client_view(meta);
        meta.holder.store(holder::CLIENT, Ordering::Release);
        std::mem::forget(self);
        client
    }

    /// What the Client would get, while the library keeps the buffer.
    #[inline]
    pub fn view(&self) -> ClientBuffer {
        // Whoever asks lets somebody write.
        self.meta().dirty.set(true);
        client_view(self.meta())
    }

    pub fn source(&self) -> Handle {
        self.meta().slab().source()
    }

    /// Whether the buffer has a slab of its own: it was made when its pool ran dry.
    pub fn is_single(&self) -> bool {
        self.meta().slab().count() == 1
    }

    #[inline]
    pub fn zero(&self) {
        self.meta().zero();
    }

    /// Whether nobody wrote beyond the buffer's or the context's end.
    #[inline(always)]
    pub fn is_intact(&self) -> bool {
        self.meta().is_intact()
    }

    /// An error, to be reported, if somebody wrote beyond the buffer's or the context's end.
    #[inline]
    pub fn check(&self) -> Result<(), Error> {
        if self.meta().check_sentinels() {
            return Ok(());
        }
        Err(self.overrun())
    }

    #[cold]
    fn overrun(&self) -> Error {
        Error::formatted(
            Status::INVALID_PARAMETER,
            true,
            format_args!(
                "somebody wrote beyond the end of buffer {:p} ({} bytes) or of its context ({} bytes)",
                self.meta().buffer(),
                self.meta().buffer_size(),
                self.meta().context_size()
            ),
        )
    }

    /// The slab of the buffer, for later look-ups.
    pub fn home(&self) -> Home {
        let slab = self.meta().slab();
        slab.retain();
        Home(Some(NonNull::from(slab)))
    }

    pub(super) fn meta(&self) -> &Meta {
        // SAFETY: the slab lives while one of its buffers does, and this token is one.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn into_meta(self) -> NonNull<Meta> {
        let meta = self.0;
        std::mem::forget(self);
        meta
    }

    /// # Safety
    /// The meta came from [`Buffer::into_meta`], and no other token of it exists.
    pub(super) unsafe fn from_meta(meta: NonNull<Meta>) -> Self {
        Self(meta)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the token owns the buffer, and goes away.
        unsafe { Meta::free(self.0) };
    }
}

/// A slab that is looked into first. It keeps the slab: all of its buffers may be freed before.
#[derive(Default)]
pub struct Home(Option<NonNull<Slab>>);

// SAFETY: a slab is Sync, and is freed by whichever thread releases it last.
unsafe impl Send for Home {}
// SAFETY: see above.
unsafe impl Sync for Home {}

impl Clone for Home {
    fn clone(&self) -> Self {
        if let Some(slab) = self.0 {
            // SAFETY: this home keeps the slab.
            unsafe { slab.as_ref() }.retain();
        }
        Self(self.0)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(slab) = self.0 {
            // SAFETY: the slab was retained for this home, which goes away.
            unsafe { Slab::release(slab) };
        }
    }
}
