//! BufferPool: a list of buffers. A Source makes its buffers and takes only its own back; a Sink takes
//! buffers of any Source.
//!
//! The invariant: a buffer is in exactly one list, with the Client, or freed.
//!
//! Look-aside. A Source that runs dry makes one buffer more, and is *grown* while more buffers exist
//! than were configured. A buffer put back while grown does not go to the list; if it has a slab of
//! its own it is freed, if it belongs to the pool's slab it waits in `spare` for the next growth.
//!
//! Timers. A buffer put into a Sink with a timer is taken out again when the timer expires; whether
//! the timer or somebody else gets it is decided under the pool's lock. The pool keeps its timers in a
//! heap of its own and has the timer thread call it when the first is due.
//!
//! Source: Dmf_BufferQueue.md, Module Remarks.

use crate::framework::alarms::Alarms;
use crate::framework::buffer::{Buffer, ClientBuffer, Home};
use crate::framework::handle::{Handle, Kind};
pub use crate::framework::list::End;
use crate::framework::list::{List, Place};
use crate::framework::slab::{Alarm, Owners, Shape, Slab};
use crate::framework::status::{Error, Status};
use crate::framework::table::{self, Guard, Kept, Object, Ref};
use crate::framework::timer;
use crate::framework::tree::Draft;

/// How a Source makes its buffers.
#[derive(Clone, Copy)]
pub struct Settings {
    pub count: u32,
    pub shape: Shape,
    pub look_aside: bool,
}

/// What an enumeration does with the buffer it has just shown, and whether it goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Continue,
    Stop,
    RemoveAndStop,
    StopTimerAndStop,
    StopTimerAndContinue,
    ResetTimerAndStop,
    ResetTimerAndContinue,
}

/// See the file's head.
pub struct BufferPool {
    list: List,
    source: Option<Source>,
    /// The slab that buffers put here mostly come from.
    home: Home,
    /// Of a Sink that belongs to a queue: the Source whose buffers alone it takes, and the Module that
    /// timer callbacks are told.
    queue: Option<QueueSide>,
    /// Nothing is put here any more.
    sealed: bool,
    /// Of the Source of a queue: the queue shows buffers to its Client before they are put here.
    shown_before: bool,
    alarms: Alarms,
    timers: Option<timer::Calls>,
    /// When the timer thread is going to call, at the latest.
    called_at: u64,
}

struct Source {
    settings: Settings,
    owners: Owners,
    /// Buffers that exist, as the Client counts them.
    allocated: u32,
    /// Buffers of the pool's slab that do not count.
    spare: List,
}

#[derive(Clone, Copy)]
struct QueueSide {
    only: Handle,
    face: Handle,
}

impl Object for BufferPool {
    const KIND: Kind = Kind::BufferPool;

    fn is_ownable(&self) -> bool {
        true
    }
}

impl BufferPool {
    fn empty() -> Self {
        Self {
            list: List::default(),
            source: None,
            home: Home::default(),
            queue: None,
            sealed: false,
            shown_before: false,
            alarms: Alarms::default(),
            timers: None,
            called_at: u64::MAX,
        }
    }

    /// An empty list for buffers of any Source.
    pub fn sink() -> Self {
        Self::empty()
    }

    /// A Source with all its buffers. `handle` is the pool's own.
    pub fn source(handle: Handle, settings: Settings) -> Result<Self, Error> {
        let Settings { count, shape, look_aside } = settings;
        let invalid = |text| Err(Error::new(Status::INVALID_PARAMETER, text));
        if shape.buffer_size == 0 {
            return invalid("BufferSize is 0");
        }
        if count == 0 && !look_aside {
            return invalid("BufferCount is 0 without EnableLookAside");
        }
        if count == 0 && shape.with_timer {
            return invalid("CreateWithTimer with BufferCount 0");
        }
        let owners = Owners::of(handle);
        let mut pool = Self::empty();
        if count > 0 {
            for buffer in Buffer::all_of_new_slab(shape, count, owners)? {
                if pool.list.len() == 0 {
                    pool.home = buffer.home();
                }
                pool.list.push_back(buffer);
            }
        }
        pool.source = Some(Source { settings, owners, allocated: count, spare: List::default() });
        Ok(pool)
    }

    pub fn count(&self) -> u32 {
        self.list.len()
    }

    /// The Source whose buffers alone may be put here.
    #[inline]
    fn only(&self, handle: Handle) -> Option<Handle> {
        match (&self.source, self.queue) {
            (Some(_), _) => Some(handle),
            (None, queue) => queue.map(|queue| queue.only),
        }
    }

    /// Whether a buffer of that slab may be put here.
    #[inline]
    fn admits(&self, handle: Handle, slab: &Slab) -> Result<(), Error> {
        if self.only(handle).is_none_or(|only| slab.source() == only) {
            return Ok(());
        }
        Err(Error::misuse(Status::INVALID_PARAMETER, "the buffer belongs to another Source"))
    }

    fn makes_more(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.settings.look_aside)
    }

    /// Whether more buffers exist than were configured.
    #[inline]
    fn is_grown(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.allocated > source.settings.count)
    }

    /// Takes what the Client gives back; nothing changes unless that is one of its buffers and may be
    /// put here.
    #[inline]
    fn take(
        &self,
        handle: Handle,
        address: usize,
        also: impl Fn(&Slab) -> Result<(), Error>,
    ) -> Result<Buffer, Error> {
        if self.sealed {
            return Err(Error::new(Status::INVALID_DEVICE_STATE, "the queue is being deleted"));
        }
        let allowed = |slab: &Slab| self.admits(handle, slab).and_then(|()| also(slab));
        match Buffer::from_client_near(address, &self.home, allowed) {
            Some(taken) => taken,
            None => Buffer::from_client(address, allowed),
        }
    }

    /// As [`BufferPool::take`], if that takes no more than the lock, the buffer goes to the list next, and there
    /// is nothing to be reported, nor shown before.
    #[inline(always)]
    fn try_take(&self, handle: Handle, address: usize) -> Option<Buffer> {
        if self.sealed || self.shown_before || self.is_grown() {
            return None;
        }
        let only = self.only(handle)?;
        let buffer = Buffer::try_from_client_near(address, &self.home, only)?;
        if !buffer.is_intact() {
            buffer.into_client();
            return None;
        }
        Some(buffer)
    }

    /// Puts a buffer into the list; gives it back if the pool has shrunk by it.
    #[inline]
    fn put(&mut self, buffer: Buffer, end: End) -> Option<Buffer> {
        if self.is_grown()
            && let Some(source) = &mut self.source
        {
            source.allocated -= 1;
            if buffer.is_single() {
                return Some(buffer);
            }
            source.spare.push_back(buffer);
            return None;
        }
        self.list.push(buffer, end);
        None
    }

    /// Takes the buffer at `place`; its timer is forgotten.
    #[inline]
    fn remove(&mut self, place: Place) -> Buffer {
        if !self.alarms.is_empty() {
            self.alarms.stop(place);
        }
        self.list.remove(place)
    }

    /// Takes the first buffer, or says how to make one.
    #[inline]
    fn get(&mut self) -> Got {
        if let Some(place) = self.list.first() {
            return Got::Buffer(self.remove(place));
        }
        let Some(source) = self.source.as_mut().filter(|source| source.settings.look_aside) else {
            return Got::Nothing;
        };
        source.allocated += 1;
        match source.spare.pop_front() {
            Some(buffer) => Got::Buffer(buffer),
            None => Got::Grow(source.settings.shape, source.owners),
        }
    }

    /// Appends a buffer whose timer expires at `at`; gives it back if that cannot be.
    fn put_with_timer(
        &mut self,
        handle: Handle,
        buffer: Buffer,
        alarm: Alarm,
        at: u64,
        expired: timer::Fire,
    ) -> Result<(), (Buffer, Error)> {
        self.list.push_back(buffer);
        let Some(place) = self.list.last() else { unreachable!("a buffer was just appended") };
        place.set_alarm(alarm);
        let started =
            self.alarms.start(place, at).and_then(|()| self.schedule(handle, at, expired));
        started.map_err(|error| (self.remove(place), error))
    }

    /// Has the timer thread call at `at`, unless it calls earlier anyway.
    fn schedule(&mut self, handle: Handle, at: u64, expired: timer::Fire) -> Result<(), Error> {
        if self.called_at <= at {
            return Ok(());
        }
        if self.timers.is_none() {
            self.timers = Some(timer::Calls::attach()?);
        }
        if let Some(timers) = &self.timers {
            timers.schedule(at, handle, expired)?;
        }
        self.called_at = at;
        Ok(())
    }
}

enum Got {
    Buffer(Buffer),
    /// The pool counts one buffer more; the caller makes it, outside the lock.
    Grow(Shape, Owners),
    Nothing,
}

/// A buffer whose timer has expired, on its way to the Client's callback.
pub struct Expired {
    pub buffer: ClientBuffer,
    pub alarm: Alarm,
    /// The Module that the callback is told.
    pub module: Handle,
    /// Keeps the pool open until the callback has returned.
    pub pool: Kept,
}

impl Ref<BufferPool> {
    /// Makes a Source as a child of an object that is being made.
    pub fn source_below(parent: &Draft, settings: Settings) -> Result<Self, Error> {
        let draft = parent.part(Kind::BufferPool)?;
        let pool = BufferPool::source(draft.handle(), settings)?;
        Ok(Self::new(draft.open(pool)?))
    }

    /// Makes the Sink of a queue as a child of the queue, which is being made. It takes the buffers of
    /// `source` alone.
    pub fn sink_below(parent: &Draft, source: Self) -> Result<Self, Error> {
        let mut pool = BufferPool::sink();
        pool.home = source.lock()?.home.clone();
        pool.queue = Some(QueueSide { only: source.handle, face: parent.handle() });
        Ok(Self::new(parent.part(Kind::BufferPool)?.open(pool)?))
    }

    /// A buffer beyond those that were configured, zeroed; the next one that is put back is freed for
    /// it.
    pub fn get_extra(&self) -> Result<Buffer, Error> {
        let (shape, owners) = {
            let mut pool = self.lock()?;
            let Some(source) = &mut pool.source else {
                return Err(Error::new(Status::INVALID_DEVICE_REQUEST, "not a Source"));
            };
            source.allocated += 1;
            (source.settings.shape, source.owners)
        };
        self.grow(shape, owners)
    }

    /// The first buffer; a Source's is zeroed. UNSUCCESSFUL: none, and none could be made.
    #[inline(always)]
    pub fn get(&self) -> Result<Buffer, Error> {
        let mut pool = self.lock()?;
        let is_source = pool.source.is_some();
        let got = pool.get();
        drop(pool);
        let buffer = match got {
            Got::Buffer(buffer) => buffer,
            Got::Grow(shape, owners) => self.grow(shape, owners)?,
            Got::Nothing => return Err(empty()),
        };
        if is_source {
            buffer.zero();
        }
        Ok(buffer)
    }

    /// As [`Ref::get`], if that takes no more than the pool's list and lock: short enough to stand in a
    /// Method. `Some(None)`: the pool is empty, and makes no buffer.
    #[inline(always)]
    pub fn try_get(&self) -> Option<Option<Buffer>> {
        let mut pool = table::try_lock::<BufferPool>(self.handle)?;
        if !pool.alarms.is_empty() {
            return None;
        }
        let Some(buffer) = pool.list.pop_front() else {
            return if pool.makes_more() { None } else { Some(None) };
        };
        let is_source = pool.source.is_some();
        pool.unlock();
        if is_source {
            buffer.zero();
        }
        Some(Some(buffer))
    }

    #[cold]
    fn grow(&self, shape: Shape, owners: Owners) -> Result<Buffer, Error> {
        let made = Buffer::all_of_new_slab(shape, 1, owners)
            .map(|mut buffers| buffers.next().expect("a slab of one buffer"));
        if made.is_err()
            && let Ok(mut pool) = self.lock()
            && let Some(source) = &mut pool.source
        {
            source.allocated -= 1;
        }
        made.map_err(|_| Error::new(Status::UNSUCCESSFUL, "the pool is empty and out of memory"))
    }

    /// Takes from the Client a buffer that may be put here, without putting it.
    pub fn take_from_client(&self, address: usize) -> Result<Buffer, Error> {
        match self.lock() {
            Ok(pool) => pool.take(self.handle, address, |_| Ok(())),
            Err(error) => Err(error),
        }
    }

    /// Puts back what the Client has at `address`. A pool that closes or is gone frees its own
    /// buffer. `Ok(Some(report))`: done, but somebody wrote beyond the buffer's end.
    #[inline(always)]
    pub fn put_from_client(&self, address: usize, end: End) -> Result<Option<Error>, Error> {
        let pool = match self.lock() {
            Ok(pool) => pool,
            Err(error) => return free_after_close(self.handle, address, error).map(|()| None),
        };
        put_back(pool, address, end)
    }

    /// As [`Ref::put_from_client`], if that takes no more than the pool's list and lock, and nothing is to
    /// be reported, nor shown before.
    #[inline(always)]
    pub fn try_put_from_client(&self, address: usize, end: End) -> Option<()> {
        let mut pool = table::try_lock::<BufferPool>(self.handle)?;
        let buffer = pool.try_take(self.handle, address)?;
        pool.list.push(buffer, end);
        pool.unlock();
        Some(())
    }

    /// Appends to a Source what the Client has at `address`, and takes the first buffer, in one turn of the
    /// lock; as [`Ref::try_put_from_client`].
    #[inline(always)]
    pub fn try_exchange(&self, address: usize) -> Option<Buffer> {
        let mut pool = table::try_lock::<BufferPool>(self.handle)?;
        pool.source.as_ref()?;
        let buffer = pool.try_take(self.handle, address)?;
        let first = match pool.list.pop_front() {
            Some(first) => {
                pool.list.push_back(buffer);
                first
            }
            None => buffer,
        };
        pool.unlock();
        first.zero();
        Some(first)
    }

    /// From now on [`Ref::put_unshown`] leaves buffers to the queue.
    pub fn show_before(&self) -> Result<(), Error> {
        self.lock()?.shown_before = true;
        Ok(())
    }

    /// Appends to the Source of a queue what the Client has at `address`; `None` if that is not to be
    /// decided here: the queue has to show the buffer first, or the pool closes.
    #[inline(always)]
    pub fn put_unshown(&self, address: usize) -> Option<Result<Option<Error>, Error>> {
        let pool = self.lock().ok()?;
        if pool.shown_before {
            return None;
        }
        Some(put_back(pool, address, End::Tail))
    }

    /// Appends to a Sink what the Client has at `address`; when the timer expires `expired` is called
    /// with this pool's handle, on the timer thread.
    pub fn put_from_client_with_timer(
        &self,
        address: usize,
        alarm: Alarm,
        expired: timer::Fire,
    ) -> Result<Option<Error>, Error> {
        let mut pool = self.lock()?;
        if pool.source.is_some() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_REQUEST,
                "buffers with a timer go into a Sink",
            ));
        }
        let buffer = pool.take(self.handle, address, |slab| {
            if slab.has_timers() {
                return Ok(());
            }
            Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "the buffer has no timer: its Source was made without CreateWithTimer",
            ))
        })?;
        let overrun = buffer.check().err();
        let at = timer::now().saturating_add(alarm.period);
        match pool.put_with_timer(self.handle, buffer, alarm, at, expired) {
            Ok(()) => Ok(overrun),
            Err((buffer, error)) => {
                drop(pool);
                buffer.into_client();
                Err(error)
            }
        }
    }

    /// The next buffer whose timer has expired; `None` once there is none, and then the timer thread
    /// calls again when the next one is due.
    pub fn expire(&self, expired: timer::Fire) -> Option<Expired> {
        let mut pool = self.lock().ok()?;
        let Some(place) = pool.alarms.due(timer::now()) else {
            pool.called_at = u64::MAX;
            if let Some(at) = pool.alarms.next() {
                // Without memory for it the timer fires with the next one that is started.
                let _ = pool.schedule(self.handle, at, expired);
            }
            return None;
        };
        let alarm = place.alarm();
        let buffer = pool.remove(place);
        let module = pool.queue.map_or(self.handle, |queue| queue.face);
        Some(Expired { buffer: buffer.into_client(), alarm, module, pool: pool.keep() })
    }

    /// Puts back a buffer that the library has; it is freed if the pool is gone.
    #[inline]
    pub fn put(&self, buffer: Buffer, end: End) {
        let superfluous = match self.lock() {
            Ok(mut pool) if !pool.sealed => pool.put(buffer, end),
            _ => Some(buffer),
        };
        drop(superfluous);
    }

    /// Takes all buffers at once, without their timers.
    pub fn drain(&self) -> Result<List, Error> {
        Ok(self.lock()?.drain())
    }

    /// As [`Ref::drain`]; nothing can be put here any more.
    pub fn seal(&self) -> List {
        self.lock().map_or_else(
            |_| List::default(),
            |mut pool| {
                pool.sealed = true;
                pool.drain()
            },
        )
    }

    pub fn count(&self) -> Result<u32, Error> {
        Ok(self.lock()?.count())
    }

    /// Shows the buffers of a Sink, first to last, under the lock, which `show` keeps. A running timer
    /// is paused while its buffer is shown. The buffer that was removed, if one was.
    pub fn enumerate(
        &self,
        expired: timer::Fire,
        mut show: impl FnMut(&mut Guard<BufferPool>, ClientBuffer) -> Step,
    ) -> Result<Option<ClientBuffer>, Error> {
        let mut pool = self.lock()?;
        if pool.source.is_some() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_REQUEST,
                "a Source is not enumerated: its buffers are unused",
            ));
        }
        let mut next = pool.list.first();
        while let Some(place) = next {
            let paused = pool.pause(place);
            let view = pool.list.view(place);
            let step = show(&mut pool, view);
            if step == Step::RemoveAndStop {
                return Ok(Some(pool.list.remove(place).into_client()));
            }
            if let Some(remaining) = paused {
                let after = match step {
                    Step::StopTimerAndStop | Step::StopTimerAndContinue => None,
                    Step::ResetTimerAndStop | Step::ResetTimerAndContinue => {
                        Some(place.alarm().period)
                    }
                    _ => Some(remaining),
                };
                if let Some(after) = after {
                    let at = timer::now().saturating_add(after);
                    // The alarm's place in the heap was just given back: there is room for it.
                    let _ = pool.alarms.start(place, at);
                    let _ = pool.schedule(self.handle, at, expired);
                }
            }
            let goes_on = matches!(
                step,
                Step::Continue | Step::StopTimerAndContinue | Step::ResetTimerAndContinue
            );
            next = if goes_on { pool.list.after(place) } else { None };
        }
        Ok(None)
    }
}

impl BufferPool {
    fn drain(&mut self) -> List {
        self.alarms.clear();
        std::mem::take(&mut self.list)
    }

    /// Stops the timer of a buffer; what was left of it, in nanoseconds.
    fn pause(&mut self, place: Place) -> Option<u64> {
        let at = self.alarms.stop(place)?;
        Some(at.saturating_sub(timer::now()))
    }
}

/// The refusal of a pool without a buffer.
#[cold]
pub fn empty() -> Error {
    Error::new(Status::UNSUCCESSFUL, "the pool is empty")
}

/// Puts into a locked pool what the Client has at `address`; what is superfluous is freed unlocked.
#[inline]
fn put_back(mut pool: Guard<BufferPool>, address: usize, end: End) -> Result<Option<Error>, Error> {
    let buffer = pool.take(pool.handle(), address, |_| Ok(()))?;
    let overrun = buffer.check().err();
    let superfluous = pool.put(buffer, end);
    drop(pool);
    drop(superfluous);
    Ok(overrun)
}

/// Giving a buffer back to its Module while that closes, or after its delete, is legal and frees the
/// buffer. Anything else was refused with `error`.
#[cold]
pub fn free_after_close(module: Handle, address: usize, error: Error) -> Result<(), Error> {
    let taken =
        Buffer::from_client(
            address,
            |slab| {
                if slab.belongs_to(module) { Ok(()) } else { Err(error) }
            },
        );
    match taken {
        Ok(buffer) => {
            drop(buffer);
            Ok(())
        }
        Err(_) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::deletion;
    use crate::framework::tree::{Choices, reserve};
    use crate::modules::buffer_queue::BufferQueue;

    /// One thread has found the Producer empty and is about to make a buffer; another deletes the queue.
    #[test]
    fn a_buffer_made_while_its_queue_is_deleted_is_the_queues_all_the_same() {
        let shape = Shape { buffer_size: 8, context_size: 0, with_timer: false };
        let draft = reserve(Kind::BufferQueue, Choices::default()).ok().unwrap();
        let settings = Settings { count: 0, shape, look_aside: true };
        let queue = BufferQueue::new(&draft, settings, None).ok().unwrap();
        let queue = Ref::<BufferQueue>::new(draft.open(queue).ok().unwrap());
        let pools = crate::modules::buffer_queue::pools(queue.handle).ok().unwrap();
        let Got::Grow(shape, owners) = pools.producer.lock().ok().unwrap().get() else {
            panic!("an empty pool with look-aside grows");
        };
        deletion::delete(queue.handle).ok().unwrap();
        let buffer = pools.producer.grow(shape, owners).ok().unwrap().into_client();
        assert!(queue.reuse_from_client(buffer.buffer.as_ptr().addr()).is_ok());
        assert!(slab_is_gone(buffer));
    }

    fn slab_is_gone(buffer: ClientBuffer) -> bool {
        crate::framework::buffer::facts(buffer.buffer.as_ptr().addr()).is_err()
    }
}
