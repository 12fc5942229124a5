//! BufferPool: a list of buffers. A Source makes its buffers and takes only its own back; a Sink takes
//! buffers of any Source.
//!
//! ```text
//!                back                     front
//!  put ──> | room for some | ──────> | the older ones | ──> get, enumerate, timers
//!                chute                    list
//! ```
//!
//! Those who append buffers have a lock, and those who take them have one. A buffer goes through the chute;
//! where buffers need places, or the chute is full, the front *gathers* what has arrived into its list, which
//! holds any number. The first buffer is the list's, else the chute's. Whoever takes both locks takes the back's
//! first.
//!
//! The invariant: a buffer is in exactly one pool's list or chute, with the Client, or freed.
//!
//! Look-aside. A Source that runs dry makes one buffer more, and is *grown* while more buffers exist
//! than were configured. A buffer put back while grown does not go to the list; if it has a slab of
//! its own it is freed, if it belongs to the pool's slab it waits in `spare` for the next growth.
//!
//! Timers. A buffer put into a Sink with a timer is taken out again when the timer expires; whether
//! the timer or somebody else gets it is decided under the front's lock. The pool keeps its timers in a
//! heap of its own and has the timer thread call it when the first is due.
//!
//! Source: Dmf_BufferQueue.md, Module Remarks.

use crate::framework::alarms::Alarms;
use crate::framework::buffer::{Buffer, ClientBuffer, Home};
use crate::framework::chute::{self, Inlet, Outlet};
use crate::framework::ends::{self, Apart, Ends};
use crate::framework::handle::{Handle, Kind};
pub use crate::framework::list::End;
use crate::framework::list::{List, Place};
use crate::framework::slab::{Alarm, Owners, Shape, Slab};
use crate::framework::status::{Error, Status};
use crate::framework::sync;
use crate::framework::table::{Guard, Kept, Object, Ref};
use crate::framework::timer;
use crate::framework::tree::{self, Draft, Existence};
use std::ops::RangeInclusive;

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
pub type BufferPool = Ends<Front, Back>;

/// The end that buffers are taken from.
pub struct Front {
    /// Older than those that arrive.
    list: List,
    arriving: Outlet,
    is_source: bool,
    makes_more: bool,
    /// Of a Sink that belongs to a queue: the Module that timer callbacks are told.
    face: Option<Handle>,
    /// Of buffers in the list.
    alarms: Alarms,
    timers: Option<timer::Calls>,
    /// When the timer thread is going to call, at the latest.
    called_at: u64,
}

/// The end where buffers are put.
pub struct Back {
    leaving: Inlet,
    source: Option<Source>,
    /// The Source whose buffers alone may be put here.
    only: Option<Handle>,
    /// The slab that buffers put here mostly come from.
    home: Home,
    /// Nothing is put here any more.
    sealed: bool,
    /// Of the Source of a queue: the queue shows buffers to its Client before they are put here.
    shown_before: bool,
    /// `only`, while its buffers go to the list and nothing more is to be looked at; else NULL.
    usual: Handle,
}

type FrontEnd = ends::End<Front, Back>;
type BackEnd = ends::End<Back, Front>;

struct Source {
    settings: Settings,
    owners: Owners,
    /// Buffers that exist, as the Client counts them.
    allocated: u32,
    /// Buffers of the pool's slab that do not count.
    spare: List,
}

/// How many buffers may be on their way from the back to the front.
const ROOM: RangeInclusive<u32> = 16..=4096;

impl Object for BufferPool {
    const KIND: Kind = Kind::BufferPool;

    fn is_ownable(&self) -> bool {
        true
    }

    fn has_back(&self) -> bool {
        self.are_apart()
    }

    /// A Sink's buffers are freed; their Sources count them no more.
    fn close(&mut self, handle: Handle) {
        let mut buffers = self.both().0.drain();
        while let Some(buffer) = buffers.pop_front() {
            let source = buffer.source();
            drop(buffer);
            if source != handle
                && let Ok(mut end) = Ref::<BufferPool>::new(source).back()
            {
                end.parts().0.count_one_less();
            }
        }
    }
}

impl Apart for Front {}

impl Apart for Back {}

impl BufferPool {
    fn empty(room: u32) -> Result<Self, Error> {
        let (arriving, leaving) = chute::new(room as usize)?;
        let front = Front {
            list: List::default(),
            arriving,
            is_source: false,
            makes_more: false,
            face: None,
            alarms: Alarms::default(),
            timers: None,
            called_at: u64::MAX,
        };
        let back = Back {
            leaving,
            source: None,
            only: None,
            home: Home::default(),
            sealed: false,
            shown_before: false,
            usual: Handle::NULL,
        };
        Ok(Self::new(front, back))
    }

    /// An empty list for buffers of any Source.
    pub fn sink() -> Result<Self, Error> {
        Self::empty(*ROOM.start())
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
        let mut pool = Self::empty(room_for(count))?;
        let (front, back) = pool.both();
        if count > 0 {
            for buffer in Buffer::all_of_new_slab(shape, count, owners)? {
                if front.list.len() == 0 {
                    back.home = buffer.home();
                }
                front.list.push_back(buffer);
            }
        }
        front.is_source = true;
        front.makes_more = look_aside;
        back.only = Some(handle);
        back.source = Some(Source { settings, owners, allocated: count, spare: List::default() });
        back.note_what_is_usual();
        Ok(pool)
    }

    /// Takes the first buffer, or says how to make one more.
    fn get_or_grow(&mut self) -> Result<Buffer, (Shape, Owners)> {
        let (front, back) = self.both();
        if let Some(buffer) = front.pop() {
            return Ok(buffer);
        }
        back.count_one_more()
    }
}

fn room_for(count: u32) -> u32 {
    count.clamp(*ROOM.start(), *ROOM.end())
}

impl Front {
    /// Whether there is perhaps no buffer, and it is better to look a moment later, without the lock meanwhile.
    #[inline(always)]
    fn has_caught_up(&self) -> bool {
        self.list.len() == 0 && self.arriving.has_caught_up()
    }

    /// Takes the first buffer.
    #[inline]
    fn pop(&mut self) -> Option<Buffer> {
        match self.list.first() {
            Some(place) => Some(self.remove(place)),
            None => self.arriving.pop(),
        }
    }

    /// As [`Front::pop`], while no timer runs.
    #[inline(always)]
    fn pop_without_timer(&mut self) -> Option<Buffer> {
        if self.list.len() == 0 { self.arriving.pop() } else { self.list.pop_front() }
    }

    /// The list, with all buffers that have arrived.
    fn gather(&mut self) -> &mut List {
        for _ in 0..self.arriving.count() {
            let Some(buffer) = self.arriving.pop() else { break };
            self.list.push_back(buffer);
        }
        &mut self.list
    }

    /// Takes the buffer at `place`; its timer is forgotten.
    #[inline]
    fn remove(&mut self, place: Place) -> Buffer {
        if !self.alarms.is_empty() {
            self.alarms.stop(place);
        }
        self.list.remove(place)
    }

    fn drain(&mut self) -> List {
        self.alarms.clear();
        std::mem::take(self.gather())
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
        self.gather().push_back(buffer);
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

    /// Stops the timer of a buffer; what was left of it, in nanoseconds.
    fn pause(&mut self, place: Place) -> Option<u64> {
        let at = self.alarms.stop(place)?;
        Some(at.saturating_sub(timer::now()))
    }
}

impl Back {
    /// Whether a buffer of that slab may be put here.
    #[inline]
    fn admits(&self, slab: &Slab) -> Result<(), Error> {
        if self.only.is_none_or(|only| slab.source() == only) {
            return Ok(());
        }
        Err(Error::misuse(Status::INVALID_PARAMETER, "the buffer belongs to another Source"))
    }

    /// Whether more buffers exist than were configured.
    #[inline]
    fn is_grown(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.allocated > source.settings.count)
    }

    /// After each change of what it depends on.
    fn note_what_is_usual(&mut self) {
        let is_usual = !self.sealed && !self.shown_before && !self.is_grown();
        self.usual = self.only.filter(|_| is_usual).unwrap_or(Handle::NULL);
    }

    /// Takes what the Client gives back; nothing changes unless that is one of its buffers and may be
    /// put here.
    #[inline]
    fn take(
        &self,
        address: usize,
        also: impl Fn(&Slab) -> Result<(), Error>,
    ) -> Result<Buffer, Error> {
        if self.sealed {
            return Err(Error::new(Status::INVALID_DEVICE_STATE, "the queue is being deleted"));
        }
        let allowed = |slab: &Slab| self.admits(slab).and_then(|()| also(slab));
        match Buffer::from_client_near(address, &self.home, allowed) {
            Some(taken) => taken,
            None => Buffer::from_client(address, allowed),
        }
    }

    /// Takes what the Client gives back and appends it, if that takes no more than the lock, and nothing is to be
    /// reported, nor shown before.
    #[inline(always)]
    fn try_put(&mut self, address: usize) -> Option<()> {
        let buffer = Buffer::try_from_client_near(address, &self.home, self.usual)?;
        let kept = if buffer.is_intact() { self.leaving.push(buffer) } else { Err(buffer) };
        kept.map_err(|buffer| {
            buffer.into_client();
        })
        .ok()
    }

    /// Puts a buffer into the list, at the head if the front is here; gives it back if the pool has shrunk by it.
    /// Elsewhere there is room for it.
    #[inline]
    fn put(&mut self, buffer: Buffer, front: Option<&mut Front>) -> Option<Buffer> {
        if self.is_grown()
            && let Some(source) = &mut self.source
        {
            source.allocated -= 1;
            let superfluous = if buffer.is_single() {
                Some(buffer)
            } else {
                source.spare.push_back(buffer);
                None
            };
            self.note_what_is_usual();
            return superfluous;
        }
        match front {
            Some(front) => {
                front.list.push(buffer, End::Head);
                None
            }
            None => self.leaving.push(buffer).err(),
        }
    }

    fn count_one_less(&mut self) {
        if let Some(source) = &mut self.source {
            source.allocated -= 1;
        }
        self.note_what_is_usual();
    }

    /// Counts one buffer more. It is taken from those that do not count, or the caller makes it, without the
    /// lock.
    fn count_one_more(&mut self) -> Result<Buffer, (Shape, Owners)> {
        let source = self.source.as_mut().expect("a Source alone makes buffers");
        source.allocated += 1;
        let buffer = source.spare.pop_front().ok_or((source.settings.shape, source.owners));
        self.note_what_is_usual();
        buffer
    }
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
        Self::source_in(parent.part(Kind::BufferPool)?, settings)
    }

    /// As [`Ref::source_below`], one that C is not told of.
    pub fn hidden_source_below(parent: &Draft, settings: Settings) -> Result<Self, Error> {
        Self::source_in(parent.hidden_part(Kind::BufferPool)?, settings)
    }

    fn source_in(draft: Draft, settings: Settings) -> Result<Self, Error> {
        let pool = BufferPool::source(draft.handle(), settings)?;
        Ok(Self::new(draft.open(pool)?))
    }

    /// Makes the Sink of a queue as a child of the queue, which is being made. It takes the buffers of
    /// `source` alone.
    pub fn sink_below(parent: &Draft, source: Self) -> Result<Self, Error> {
        let (count, home) = {
            let mut source = source.back()?;
            let back = source.parts().0;
            (back.source.as_ref().map_or(0, |it| it.settings.count), back.home.clone())
        };
        let mut pool = BufferPool::empty(room_for(count))?;
        let (front, back) = pool.both();
        front.face = Some(parent.handle());
        back.home = home;
        back.only = Some(source.handle);
        back.note_what_is_usual();
        Ok(Self::new(parent.part(Kind::BufferPool)?.open(pool)?))
    }

    #[inline(always)]
    fn front(&self) -> Result<FrontEnd, Error> {
        ends::lock_front(self.handle)
    }

    #[inline(always)]
    fn back(&self) -> Result<BackEnd, Error> {
        ends::lock_back(self.handle)
    }

    fn both(&self) -> Result<Guard<BufferPool>, Error> {
        ends::lock(self.handle)
    }

    /// Whether Methods can lock the pool.
    pub fn check(&self) -> Result<(), Error> {
        self.front().map(drop)
    }

    /// A buffer beyond those that were configured, zeroed; the next one that is put back is freed for
    /// it.
    pub fn get_extra(&self) -> Result<Buffer, Error> {
        let (shape, owners) = {
            let mut end = self.back()?;
            let back = end.parts().0;
            let Some(source) = &mut back.source else {
                return Err(Error::new(Status::INVALID_DEVICE_REQUEST, "not a Source"));
            };
            source.allocated += 1;
            let of_one = (source.settings.shape, source.owners);
            back.note_what_is_usual();
            of_one
        };
        self.make(shape, owners)
    }

    /// The first buffer; a Source's is zeroed. UNSUCCESSFUL: none, and none could be made.
    #[inline(always)]
    pub fn get(&self) -> Result<Buffer, Error> {
        let mut end = self.front()?;
        if end.parts().0.has_caught_up() {
            drop(end);
            sync::pause();
            end = self.front()?;
        }
        let front = end.parts().0;
        let (is_source, makes_more) = (front.is_source, front.makes_more);
        let first = front.pop();
        drop(end);
        let buffer = match first {
            Some(buffer) => buffer,
            None if makes_more => self.grow()?,
            None => return Err(empty()),
        };
        if is_source {
            buffer.zero();
        }
        Ok(buffer)
    }

    /// As [`Ref::get`], for somebody who has said that he waits if there is none. Whoever puts a buffer takes the back's
    /// lock before this look or after it: either it is found here, or he knows of the one who waits.
    pub fn get_before_waiting(&self) -> Result<Buffer, Error> {
        self.get().or_else(|error| {
            let mut pool = self.both()?;
            let front = pool.both().0;
            let (is_source, first) = (front.is_source, front.pop());
            drop(pool);
            let buffer = first.ok_or(error)?;
            if is_source {
                buffer.zero();
            }
            Ok(buffer)
        })
    }

    /// As [`Ref::get`], if that takes no more than the pool's list and lock: short enough to stand in a
    /// Method. `Some(None)`: the pool is empty, and makes no buffer.
    #[inline(always)]
    pub fn try_get(&self) -> Option<Option<Buffer>> {
        let mut end: FrontEnd = ends::try_lock_front(self.handle)?;
        let front = end.parts().0;
        if front.has_caught_up() || !front.alarms.is_empty() {
            return None;
        }
        let Some(buffer) = front.pop_without_timer() else {
            return if front.makes_more { None } else { Some(None) };
        };
        let is_source = front.is_source;
        drop(end);
        if is_source {
            buffer.zero();
        }
        Some(Some(buffer))
    }

    /// The first buffer, or one that the pool counts more from now on.
    #[cold]
    fn grow(&self) -> Result<Buffer, Error> {
        let got = self.both()?.get_or_grow();
        got.or_else(|(shape, owners)| self.make(shape, owners))
    }

    /// Makes a buffer that the pool counts already.
    #[cold]
    fn make(&self, shape: Shape, owners: Owners) -> Result<Buffer, Error> {
        let made = Buffer::all_of_new_slab(shape, 1, owners)
            .map(|mut buffers| buffers.next().expect("a slab of one buffer"));
        if made.is_err()
            && let Ok(mut end) = self.back()
        {
            end.parts().0.count_one_less();
        }
        made.map_err(|_| Error::new(Status::UNSUCCESSFUL, "the pool is empty and out of memory"))
    }

    /// Takes from the Client a buffer that may be put here, without putting it.
    pub fn take_from_client(&self, address: usize) -> Result<Buffer, Error> {
        self.back()?.parts().0.take(address, |_| Ok(()))
    }

    /// The back, with room for a buffer; and the front, if the buffer goes to the head.
    #[inline(always)]
    fn open(&self, end: End) -> Result<(BackEnd, Option<FrontEnd>), Error> {
        let mut back = self.back()?;
        if end == End::Head {
            return Ok((back, Some(self.front()?)));
        }
        if !back.parts().0.leaving.has_room() {
            self.front()?.parts().0.gather();
        }
        Ok((back, None))
    }

    /// Puts back what the Client has at `address`. A pool that closes or is gone frees its own
    /// buffer. `Ok(Some(report))`: done, but somebody wrote beyond the buffer's end.
    #[inline(always)]
    pub fn put_from_client(&self, address: usize, end: End) -> Result<Option<Error>, Error> {
        match self.open(end) {
            Ok((back, front)) => put_back(back, front, address),
            Err(error) => free_after_close(self.handle, address, error).map(|()| None),
        }
    }

    /// As [`Ref::put_from_client`], if that takes no more than the pool's back and its lock, and nothing is to
    /// be reported, nor shown before.
    #[inline(always)]
    pub fn try_put_from_client(&self, address: usize, end: End) -> Option<()> {
        if end == End::Head {
            return None;
        }
        let mut end: BackEnd = ends::try_lock_back(self.handle)?;
        end.parts().0.try_put(address)
    }

    /// Appends to a Source what the Client has at `address`, and takes the first buffer; as
    /// [`Ref::try_put_from_client`].
    #[inline(always)]
    pub fn try_exchange(&self, address: usize) -> Option<Buffer> {
        let mut end: BackEnd = ends::try_lock_back(self.handle)?;
        let mut other: FrontEnd = ends::try_lock_front(self.handle)?;
        let (back, front) = (end.parts().0, other.parts().0);
        if !front.is_source {
            return None;
        }
        back.try_put(address)?;
        let first = front.pop_without_timer();
        drop((end, other));
        first.as_ref()?.zero();
        first
    }

    /// From now on [`Ref::put_unshown`] leaves buffers to the queue.
    pub fn show_before(&self) -> Result<(), Error> {
        let mut end = self.back()?;
        let back = end.parts().0;
        back.shown_before = true;
        back.note_what_is_usual();
        Ok(())
    }

    /// Appends to the Source of a queue what the Client has at `address`; `None` if that is not to be
    /// decided here: the queue has to show the buffer first, or the pool closes.
    #[inline(always)]
    pub fn put_unshown(&self, address: usize) -> Option<Result<Option<Error>, Error>> {
        let (mut back, front) = self.open(End::Tail).ok()?;
        if back.parts().0.shown_before {
            return None;
        }
        Some(put_back(back, front, address))
    }

    /// Appends to a Sink what the Client has at `address`; when the timer expires `expired` is called
    /// with this pool's handle, on the timer thread.
    pub fn put_from_client_with_timer(
        &self,
        address: usize,
        alarm: Alarm,
        expired: timer::Fire,
    ) -> Result<Option<Error>, Error> {
        let mut pool = self.both()?;
        let (front, back) = pool.both();
        if front.is_source {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_REQUEST,
                "buffers with a timer go into a Sink",
            ));
        }
        let buffer = back.take(address, |slab| {
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
        match front.put_with_timer(self.handle, buffer, alarm, at, expired) {
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
        let mut pool = self.both().ok()?;
        let front = pool.both().0;
        let Some(place) = front.alarms.due(timer::now()) else {
            front.called_at = u64::MAX;
            if let Some(at) = front.alarms.next() {
                // Without memory for it the timer fires with the next one that is started.
                let _ = front.schedule(self.handle, at, expired);
            }
            return None;
        };
        let alarm = place.alarm();
        let buffer = front.remove(place);
        let module = front.face.unwrap_or(self.handle);
        Some(Expired { buffer: buffer.into_client(), alarm, module, pool: pool.keep() })
    }

    /// Puts back a buffer that the library has; it is freed if the pool is gone.
    #[inline]
    pub fn put(&self, buffer: Buffer, end: End) {
        let Ok((mut back, mut front)) = self.open(end) else { return };
        if back.parts().0.sealed {
            return;
        }
        let superfluous = back.parts().0.put(buffer, front.as_mut().map(|front| front.parts().0));
        drop((front, back));
        drop(superfluous);
    }

    /// Takes all buffers at once, without their timers.
    pub fn drain(&self) -> Result<List, Error> {
        Ok(self.front()?.parts().0.drain())
    }

    /// As [`Ref::drain`]; nothing can be put here any more.
    pub fn seal(&self) -> List {
        self.both().map_or_else(
            |_| List::default(),
            |mut pool| {
                let (front, back) = pool.both();
                back.sealed = true;
                back.note_what_is_usual();
                front.drain()
            },
        )
    }

    pub fn count(&self) -> Result<u32, Error> {
        let mut end = self.front()?;
        let front = end.parts().0;
        Ok(front.list.len() + front.arriving.count() as u32)
    }

    /// Shows the buffers of a Sink, first to last, under the lock, which `show` keeps. A running timer
    /// is paused while its buffer is shown. The buffer that was removed, if one was.
    pub fn enumerate(
        &self,
        expired: timer::Fire,
        mut show: impl FnMut(&mut Guard<BufferPool>, ClientBuffer) -> Step,
    ) -> Result<Option<ClientBuffer>, Error> {
        let mut pool = self.both()?;
        let front = pool.both().0;
        if front.is_source {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_REQUEST,
                "a Source is not enumerated: its buffers are unused",
            ));
        }
        let mut next = front.gather().first();
        while let Some(place) = next {
            let front = pool.both().0;
            let paused = front.pause(place);
            let view = front.list.view(place);
            let step = show(&mut pool, view);
            let front = pool.both().0;
            if step == Step::RemoveAndStop {
                return Ok(Some(front.list.remove(place).into_client()));
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
                    let _ = front.alarms.start(place, at);
                    let _ = front.schedule(self.handle, at, expired);
                }
            }
            let goes_on = matches!(
                step,
                Step::Continue | Step::StopTimerAndContinue | Step::ResetTimerAndContinue
            );
            next = if goes_on { front.list.after(place) } else { None };
        }
        Ok(None)
    }
}

/// The refusal of a pool without a buffer.
#[cold]
pub fn empty() -> Error {
    Error::new(Status::UNSUCCESSFUL, "the pool is empty")
}

/// Puts into an open pool what the Client has at `address`; what is superfluous is freed unlocked.
#[inline]
fn put_back(
    mut back: BackEnd,
    mut front: Option<FrontEnd>,
    address: usize,
) -> Result<Option<Error>, Error> {
    let buffer = back.parts().0.take(address, |_| Ok(()))?;
    let overrun = buffer.check().err();
    let superfluous = back.parts().0.put(buffer, front.as_mut().map(|front| front.parts().0));
    drop((front, back));
    drop(superfluous);
    Ok(overrun)
}

/// Giving a buffer back to its Module while that closes, or after its delete, is legal and frees the
/// buffer. Anything else was refused with `error`.
#[cold]
pub fn free_after_close(module: Handle, address: usize, error: Error) -> Result<(), Error> {
    if tree::state_of(module) == Existence::Open {
        return Err(error);
    }
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
        let got = pools.producer.both().ok().unwrap().get_or_grow();
        let (shape, owners) = got.err().expect("an empty pool with look-aside grows");
        deletion::delete(queue.handle).ok().unwrap();
        let buffer = pools.producer.make(shape, owners).ok().unwrap().into_client();
        assert!(queue.reuse_from_client(buffer.buffer.as_ptr().addr()).is_ok());
        assert!(slab_is_gone(buffer));
    }

    fn slab_is_gone(buffer: ClientBuffer) -> bool {
        crate::framework::buffer::facts(buffer.buffer.as_ptr().addr()).is_err()
    }
}
