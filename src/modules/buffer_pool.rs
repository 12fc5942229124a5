//! BufferPool: a list of buffers. A Source makes its buffers and takes only its own back; a Sink takes
//! buffers of any Source.
//!
//! The invariant: a buffer is in exactly one list, with the Client, or freed.
//!
//! Look-aside. A Source that runs dry makes one buffer more, and is *grown* while more buffers exist
//! than were configured. A buffer put back while grown does not go to the list; if it has a slab of
//! its own it is freed, if it belongs to the pool's slab it waits in `spare` for the next growth.
//!
//! Source: Dmf_BufferQueue.md, Module Remarks.

use crate::framework::buffer::{Buffer, Hint};
use crate::framework::handle::{Handle, Kind};
use crate::framework::list::List;
use crate::framework::slab::Shape;
use crate::framework::status::{Error, Status};
use crate::framework::table::{Object, Ref};
use crate::framework::tree::Draft;

/// How a Source makes its buffers.
#[derive(Clone, Copy)]
pub struct Settings {
    pub count: u32,
    pub shape: Shape,
    pub look_aside: bool,
    pub with_timer: bool,
}

/// Where a buffer goes in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Head,
    Tail,
}

/// See the file's head.
pub struct BufferPool {
    list: List,
    source: Option<Source>,
    /// The slab that buffers put here mostly come from.
    home: Hint,
}

struct Source {
    settings: Settings,
    /// Buffers that exist, as the Client counts them.
    allocated: u32,
    /// Buffers of the pool's slab that do not count.
    spare: List,
}

impl Object for BufferPool {
    const KIND: Kind = Kind::BufferPool;
}

impl BufferPool {
    /// An empty list for buffers of any Source. `home`: where they mostly come from.
    pub fn sink(home: Hint) -> Self {
        Self { list: List::default(), source: None, home }
    }

    /// A Source with all its buffers. `handle` is the pool's own.
    pub fn source(handle: Handle, settings: Settings) -> Result<Self, Error> {
        let Settings { count, shape, look_aside, with_timer } = settings;
        let invalid = |text| Err(Error::new(Status::INVALID_PARAMETER, text));
        if shape.buffer_size == 0 {
            return invalid("BufferSize is 0");
        }
        if count == 0 && !look_aside {
            return invalid("BufferCount is 0 without EnableLookAside");
        }
        if count == 0 && with_timer {
            return invalid("CreateWithTimer with BufferCount 0");
        }
        let mut list = List::default();
        let mut home = Hint::default();
        if count > 0 {
            for buffer in Buffer::all_of_new_slab(shape, count, handle)? {
                home = buffer.hint();
                list.push_back(buffer);
            }
        }
        let source = Source { settings, allocated: count, spare: List::default() };
        Ok(Self { list, source: Some(source), home })
    }

    pub fn count(&self) -> u32 {
        self.list.len()
    }

    /// Where this Source's buffers lie; the hint may be used while the pool is open.
    pub fn home(&self) -> Hint {
        self.home
    }

    /// Takes what the Client gives back; nothing changes unless that is one of its buffers and may be
    /// put here.
    #[inline]
    fn take(&self, handle: Handle, address: usize) -> Result<Buffer, Error> {
        if let Some(taken) = Buffer::from_client_near(address, self.home) {
            return taken;
        }
        Buffer::from_client(address, |slab| {
            if self.source.is_some() && slab.source() != handle {
                return Err(Error::misuse(
                    Status::INVALID_PARAMETER,
                    "the buffer belongs to another Source",
                ));
            }
            Ok(())
        })
    }

    /// Puts a buffer into the list; gives it back if the pool has shrunk by it.
    #[inline]
    fn put(&mut self, buffer: Buffer, end: End) -> Option<Buffer> {
        if let Some(source) = &mut self.source
            && source.allocated > source.settings.count
        {
            source.allocated -= 1;
            if buffer.is_single() {
                return Some(buffer);
            }
            source.spare.push_back(buffer);
            return None;
        }
        match end {
            End::Head => self.list.push_front(buffer),
            End::Tail => self.list.push_back(buffer),
        }
        None
    }

    /// Takes the first buffer, or says how to make one.
    #[inline]
    fn get(&mut self) -> Got {
        if let Some(buffer) = self.list.pop_front() {
            return Got::Buffer(buffer);
        }
        let Some(source) = self.source.as_mut().filter(|source| source.settings.look_aside) else {
            return Got::Nothing;
        };
        source.allocated += 1;
        match source.spare.pop_front() {
            Some(buffer) => Got::Buffer(buffer),
            None => Got::Grow(source.settings.shape),
        }
    }
}

enum Got {
    Buffer(Buffer),
    /// The pool counts one buffer more; the caller makes it, outside the lock.
    Grow(Shape),
    Nothing,
}

impl Ref<BufferPool> {
    /// Makes a Source as a child of an object that is being made.
    pub fn source_below(parent: &Draft, settings: Settings) -> Result<Self, Error> {
        let draft = parent.child(Kind::BufferPool)?;
        let pool = BufferPool::source(draft.handle(), settings)?;
        Ok(Self::new(draft.open(pool)?))
    }

    /// The first buffer; a Source's is zeroed. UNSUCCESSFUL: none, and none could be made.
    #[inline]
    pub fn get(&self) -> Result<Buffer, Error> {
        let mut pool = self.lock()?;
        let is_source = pool.source.is_some();
        let got = pool.get();
        drop(pool);
        let buffer = match got {
            Got::Buffer(buffer) => buffer,
            Got::Grow(shape) => self.grow(shape)?,
            Got::Nothing => return Err(Error::new(Status::UNSUCCESSFUL, "the pool is empty")),
        };
        if is_source {
            buffer.zero();
        }
        Ok(buffer)
    }

    #[cold]
    fn grow(&self, shape: Shape) -> Result<Buffer, Error> {
        let made = Buffer::all_of_new_slab(shape, 1, self.handle)
            .map(|mut buffers| buffers.next().expect("a slab of one buffer"));
        if made.is_err()
            && let Ok(mut pool) = self.lock()
            && let Some(source) = &mut pool.source
        {
            source.allocated -= 1;
        }
        made.map_err(|_| Error::new(Status::UNSUCCESSFUL, "the pool is empty and out of memory"))
    }

    /// Puts back what the Client has at `address`. A pool that closes or is gone frees its own
    /// buffer. `Ok(Some(report))`: done, but somebody wrote beyond the buffer's end.
    #[inline]
    pub fn put_from_client(&self, address: usize, end: End) -> Result<Option<Error>, Error> {
        let mut pool = match self.lock() {
            Ok(pool) => pool,
            Err(error) => return free_after_close(self.handle, address, error).map(|()| None),
        };
        let buffer = pool.take(self.handle, address)?;
        let overrun = buffer.check().err();
        let superfluous = pool.put(buffer, end);
        drop(pool);
        drop(superfluous);
        Ok(overrun)
    }

    /// Puts back a buffer that the library has; it is freed if the pool is gone.
    #[inline]
    pub fn put(&self, buffer: Buffer, end: End) {
        let superfluous = match self.lock() {
            Ok(mut pool) => pool.put(buffer, end),
            Err(_) => Some(buffer),
        };
        drop(superfluous);
    }

    pub fn count(&self) -> Result<u32, Error> {
        Ok(self.lock()?.count())
    }
}

/// Giving a buffer back to its Module while that closes, or after its delete, is legal and frees the
/// buffer. Anything else was refused with `error`.
#[cold]
pub fn free_after_close(module: Handle, address: usize, error: Error) -> Result<(), Error> {
    let taken = Buffer::from_client(address, |slab| {
        if slab.belongs_to(module) { Ok(()) } else { Err(error) }
    });
    match taken {
        Ok(buffer) => {
            drop(buffer);
            Ok(())
        }
        Err(_) => Err(error),
    }
}
