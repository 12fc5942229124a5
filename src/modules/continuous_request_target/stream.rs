//! The stream: a number of lanes, each one Request that is sent, completed, shown to the Client and
//! sent again.
//!
//! ```text
//!            start               completed              callback says go on
//!   idle ────────────> with target ─────────> in callback ──────────────────> with target
//!    ^                                            │ no buffer ──> waiting ──> with target
//!    └────────────────────────────────────────────┘ stop, or the callback says so
//! ```
//!
//! A lane is *active* unless it is idle. One lock guards all lanes; a Request is submitted under it, so
//! that nothing is sent once a stop has had the lock; no callback runs under it. Each start is a new
//! *epoch*: a lane that comes back from an earlier one (stopped, and started again before its callback
//! returned) starts over without a callback.

use crate::framework::buffer::Buffer;
use crate::framework::frames::{self, Activity};
use crate::framework::guarded::{Guarded, Inside, Level, Signal};
use crate::framework::handle::Handle;
use crate::framework::memory::{Shared, try_push};
use crate::framework::misuse;
use crate::framework::passive::Waiting;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::sync::{AtomicBool, AtomicU32, Ordering};
use crate::framework::table::Ref;
use crate::framework::tree;
use crate::io::request::{Limbo, Operation, Outcome, Owner, Request, Round, Sent, SharedOwner};
use crate::io::target::Core;
use crate::modules::buffer_pool::{BufferPool, End};

use std::time::{Duration, Instant};

use super::passive::{Completed, PassiveLane};
use super::{Client, Disposition};

/// How long a target may take to finish what it has begun before its device sleeps.
const LONGEST_PURGE: Duration = Duration::from_secs(5);

/// See the file's head.
pub struct Stream {
    handle: Handle,
    operation: Option<Operation>,
    input: Option<Ref<BufferPool>>,
    output: Option<Ref<BufferPool>>,
    output_size: u32,
    client: Box<dyn Client>,
    control: Guarded<Control>,
    /// Told when the last active lane becomes idle.
    quiet: Signal,
    /// Active lanes; changes under the lock.
    active: AtomicU32,
    /// Lanes that wait for an output buffer; changes under the lock.
    waiting: AtomicU32,
    /// The Module is being deleted.
    closing: AtomicBool,
}

struct Control {
    /// Of the lanes' Requests; gone when the Module closes.
    owner: Option<SharedOwner>,
    /// Stays until the last lane is idle, to count what comes back.
    target: Option<Shared<Core>>,
    is_set: bool,
    started: bool,
    /// Nothing is sent any more; what the target has begun comes to its end. Until the next start.
    finishing: bool,
    epoch: u64,
    lanes: Vec<Lane>,
}

impl Control {
    fn sends(&self) -> bool {
        self.started && !self.finishing
    }

    /// The lane, and how things stand for it.
    #[inline]
    fn lane(&mut self, index: usize) -> (&mut Lane, Standing) {
        let sends = self.sends();
        let lane = &mut self.lanes[index];
        let live = self.started && lane.epoch == self.epoch;
        (lane, Standing { live, sends })
    }
}

/// How things stand for a lane whose Request has ended.
#[derive(Clone, Copy)]
pub struct Standing {
    /// The lane is of this epoch.
    live: bool,
    sends: bool,
}

struct Lane {
    /// None while the last one is still with a target that was not waited for.
    request: Option<Ref<Request>>,
    active: bool,
    waiting: bool,
    epoch: u64,
    input: Option<Buffer>,
    output: Option<Buffer>,
    /// Bytes of the input.
    sent: usize,
}

impl Lane {
    fn new(request: Ref<Request>) -> Self {
        Self {
            request: Some(request),
            active: false,
            waiting: false,
            epoch: 0,
            input: None,
            output: None,
            sent: 0,
        }
    }

    fn may_reserve(&self) -> bool {
        !self.active && self.output.is_none()
    }

    /// The lane's Request, made anew if a target has kept the last one.
    fn request(
        &mut self,
        owner: &Option<SharedOwner>,
        index: usize,
    ) -> Result<Ref<Request>, Error> {
        if let Some(request) = self.request {
            return Ok(request);
        }
        let Some(owner) = owner else {
            return Err(Error::new(Status::INVALID_DEVICE_STATE, "being deleted"));
        };
        let request = Ref::of_stream(owner.clone(), index)?;
        self.request = Some(request);
        Ok(request)
    }
}

/// What a lane does after its callback.
enum Next {
    /// With that output buffer, or with one from the pool.
    Send(Option<Buffer>),
    Rest,
}

/// Why a Request was not sent.
enum Unsent {
    /// Every output buffer is with the Client.
    NoBuffer(Error),
    Failed(Error),
}

impl From<Error> for Unsent {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Unsent> for Error {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::NoBuffer(error) | Unsent::Failed(error) => error,
        }
    }
}

/// What the lanes' Requests tell of their completion.
pub struct Lanes {
    pub stream: Shared<Stream>,
    /// The callbacks run there.
    pub passive: Option<Shared<PassiveLane>>,
}

impl Owner for Lanes {
    fn completed(&self, request: Ref<Request>, lane: usize, outcome: Outcome, abandoned: bool) {
        let (output, now) = self.stream.take_back(request, lane, outcome, abandoned);
        match &self.passive {
            Some(passive) => {
                let target = self.stream.tells_later();
                passive.post(Completed::Lane { lane, outcome, output, target });
            }
            None => self.stream.completed(lane, outcome, output, Some(now)),
        }
    }

    fn give_back(&self, buffers: Limbo) {
        let [input, output] = buffers;
        self.stream.give_back_input(input);
        self.stream.give_back(output);
    }

    fn may_be_kept(&self) -> bool {
        // With the last passive lane its threads end.
        self.passive.is_none()
    }
}

impl Stream {
    pub fn new(
        handle: Handle,
        operation: Option<Operation>,
        input: Option<Ref<BufferPool>>,
        output: Option<Ref<BufferPool>>,
        output_size: u32,
        client: Box<dyn Client>,
    ) -> Self {
        Self {
            handle,
            operation,
            input,
            output,
            output_size,
            client,
            control: Guarded::new(
                Level::Outer,
                Control {
                    owner: None,
                    target: None,
                    is_set: false,
                    started: false,
                    finishing: false,
                    epoch: 0,
                    lanes: Vec::new(),
                },
            ),
            quiet: Signal::new(),
            active: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            closing: AtomicBool::new(false),
        }
    }

    /// Makes the lanes, each with its Request.
    pub fn make_lanes(&self, owner: SharedOwner, count: u32) -> Result<(), Error> {
        let mut control = self.control.lock();
        control.owner = Some(owner.clone());
        for index in 0..count as usize {
            let request = Ref::of_stream(owner.clone(), index)?;
            if let Err(error) = try_push(&mut control.lanes, Lane::new(request)) {
                request.discard();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Deletes the lanes' Requests. No lane is active, now or later.
    pub fn discard(&self) {
        let (owner, lanes) = {
            let mut control = self.control.lock();
            (control.owner.take(), std::mem::take(&mut control.lanes))
        };
        for request in lanes.iter().filter_map(|lane| lane.request) {
            request.discard();
        }
        drop(owner);
    }

    pub fn handle(&self) -> Handle {
        self.handle
    }

    pub fn active(&self) -> u32 {
        self.active.load(Ordering::SeqCst)
    }

    pub fn is_started(&self) -> bool {
        self.control.lock().started
    }

    pub fn is_in_its_own_callback(&self) -> bool {
        frames::in_callback_of(self.handle)
    }

    pub fn target_set(&self, target: Shared<Core>) -> Result<(), Error> {
        let mut control = self.control.lock();
        if control.is_set {
            return Err(Error::new(Status::INVALID_DEVICE_STATE, "a target is set already"));
        }
        control.target = Some(target);
        control.is_set = true;
        Ok(())
    }

    /// Stops the stream and clears the target; whether the stream was started. Whoever starts it again
    /// meanwhile is stopped, too: a stream that streams has its target set.
    pub fn target_clear(&self) -> bool {
        let mut was_started = false;
        loop {
            was_started |= self.stop();
            if !self.is_in_its_own_callback() {
                self.wait();
            }
            let mut control = self.control.lock();
            if control.started {
                continue;
            }
            control.is_set = false;
            if self.active() == 0 {
                control.target = None;
            }
            return was_started;
        }
    }

    /// The target, for a single Request.
    pub fn target(&self) -> Result<Shared<Core>, Error> {
        let control = self.control.lock();
        match &control.target {
            Some(target) if control.is_set => Ok(target.clone()),
            _ => Err(no_target()),
        }
    }

    /// Sends every lane's Request. The first failure stops what was sent.
    pub fn start(&self) -> Result<(), Error> {
        let (count, target) = {
            let mut control = self.control.lock();
            let control = &mut *control;
            if control.started {
                return Err(Error::new(Status::INVALID_DEVICE_STATE, "started already"));
            }
            if self.closing.load(Ordering::SeqCst) {
                return Err(Error::new(Status::INVALID_DEVICE_STATE, "being deleted"));
            }
            if control.lanes.is_empty() {
                return Ok(());
            }
            if self.operation.is_none() {
                return Err(Error::new(Status::INVALID_PARAMETER, "RequestType is Invalid"));
            }
            let target =
                control.target.as_ref().filter(|_| control.is_set).ok_or_else(no_target)?;
            target.stream_started();
            control.started = true;
            control.finishing = false;
            control.epoch += 1;
            // Who waits for the end of what was stopped does not wait for what starts now.
            self.quiet.give();
            // Starting is active too: lanes that stop by themselves meanwhile do not end the stream.
            self.active.fetch_add(1, Ordering::SeqCst);
            (control.lanes.len(), target.clone())
        };
        // All buffers first: what the Client keeps of the first reports is not missing for the rest.
        let reserved = (0..count).try_for_each(|index| self.reserve(index));
        let sent = reserved.and_then(|()| (0..count).try_for_each(|index| self.start_lane(index)));
        (0..count).for_each(|index| self.give_back(self.reserved(index)));
        if sent.is_err() {
            self.stop();
        }
        // Another one may be set by now.
        target.stream_sent();
        self.leave(self.control.lock());
        sent
    }

    /// Sets an output buffer aside for an idle lane.
    fn reserve(&self, index: usize) -> Result<(), Error> {
        let Some(pool) = self.output else { return Ok(()) };
        if !self.control.lock().lanes[index].may_reserve() {
            return Ok(());
        }
        let buffer = pool.get()?;
        let mut control = self.control.lock();
        let lane = &mut control.lanes[index];
        if lane.may_reserve() {
            lane.output = Some(buffer);
        } else {
            drop(control);
            self.give_back(Some(buffer));
        }
        Ok(())
    }

    /// The buffer that was set aside for a lane, if it is still idle.
    fn reserved(&self, index: usize) -> Option<Buffer> {
        let mut control = self.control.lock();
        let lane = &mut control.lanes[index];
        if lane.active { None } else { lane.output.take() }
    }

    fn start_lane(&self, index: usize) -> Result<(), Error> {
        let output = {
            let mut control = self.control.lock();
            let (sends, epoch) = (control.sends(), control.epoch);
            let lane = &mut control.lanes[index];
            if !sends || lane.active {
                // Stopped meanwhile; or still in a callback of an earlier epoch, after which it
                // starts by itself.
                return Ok(());
            }
            lane.active = true;
            lane.epoch = epoch;
            self.active.fetch_add(1, Ordering::SeqCst);
            lane.output.take()
        };
        let sent = self.send(index, output);
        if sent.is_err() {
            self.rest(index);
        }
        Ok(sent?)
    }

    /// Ends the pending Requests; nothing is sent any more. False: the stream was not started.
    pub fn stop(&self) -> bool {
        let (count, epoch) = {
            let mut control = self.control.lock();
            if !control.started {
                return false;
            }
            control.started = false;
            if let Some(target) = &control.target {
                target.stream_stopped();
            }
            (control.lanes.len(), control.epoch)
        };
        self.end_lanes(count, epoch, |request| request.cancel_of(epoch, Status::CANCELLED));
        true
    }

    /// Sends nothing more and lets the target finish what it has begun, for a while.
    pub fn finish(&self) {
        let (count, epoch) = {
            let mut control = self.control.lock();
            control.finishing = true;
            (control.lanes.len(), control.epoch)
        };
        self.end_lanes(count, epoch, |request| request.withdraw_of(epoch, Status::CANCELLED));
        let _waiting = Waiting::begin();
        let deadline = Instant::now() + LONGEST_PURGE;
        let mut control = self.control.lock();
        while control.started && control.epoch == epoch && Instant::now() < deadline {
            self.quiet.wait_until(&mut control, deadline);
        }
    }

    /// Ends what waits for a buffer, and each Request in that way. Somebody may start the stream again
    /// meanwhile: what is sent or waits since then goes on. A target's cancel routine that waits for the stream would
    /// wait for this, so it is one of the stream's callbacks.
    fn end_lanes(&self, count: usize, epoch: u64, end: impl Fn(Ref<Request>) -> bool) {
        frames::within(self.handle, Activity::Callback, || {
            for index in 0..count {
                self.end_lane(index, epoch, &end);
            }
        });
    }

    fn end_lane(&self, index: usize, epoch: u64, end: impl Fn(Ref<Request>) -> bool) {
        let (request, was_waiting) = {
            let mut control = self.control.lock();
            let lane = &mut control.lanes[index];
            let was_waiting = lane.waiting && lane.epoch == epoch;
            if was_waiting {
                lane.waiting = false;
                self.waiting.fetch_sub(1, Ordering::SeqCst);
            }
            (lane.request, was_waiting)
        };
        match request {
            _ if was_waiting => self.rest(index),
            Some(request) => {
                end(request);
            }
            None => {}
        }
    }

    /// Waits until no lane is active, or somebody has started the stream again.
    pub fn wait(&self) {
        let _waiting = Waiting::begin();
        let mut control = self.control.lock();
        while self.active() > 0 && !control.started {
            self.quiet.wait(&mut control);
        }
    }

    /// The Module is being deleted.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// Takes an output buffer back from the Client; a waiting lane gets it.
    pub fn buffer_put(&self, address: usize) -> Result<Option<Error>, Error> {
        let Some(pool) = self.output else {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "the Module has no output buffers",
            ));
        };
        let overrun = pool.put_from_client(address, End::Tail)?;
        self.feed_waiting();
        Ok(overrun)
    }

    /// A lane's Request has ended, on whatever thread ended it: the output buffer to show.
    fn take_back(
        &self,
        request: Ref<Request>,
        index: usize,
        outcome: Outcome,
        abandoned: bool,
    ) -> (Option<Buffer>, Standing) {
        let (input, output, standing) = {
            let mut control = self.control.lock();
            if let (Some(target), Some(operation)) = (&control.target, self.operation) {
                target.count(operation, control.lanes[index].sent, outcome);
            }
            let (lane, standing) = control.lane(index);
            if abandoned {
                lane.request = None;
            }
            (lane.input.take(), lane.output.take(), standing)
        };
        if abandoned {
            let [input, output] = request.leave([input, output]);
            self.give_back_input(input);
            self.give_back(output);
            // Giving back may have called the Client.
            return (None, self.standing(index));
        }
        self.give_back_input(input);
        (output, standing)
    }

    fn standing(&self, index: usize) -> Standing {
        self.control.lock().lane(index).1
    }

    /// A completion is told on another thread: the target, which has to know when.
    fn tells_later(&self) -> Option<Shared<Core>> {
        let target = self.control.lock().target.clone();
        target.inspect(|target| target.tells_later())
    }

    /// The rest of a completion, where the Client's callbacks run. `now`: how things stand, if that was
    /// looked at just now.
    pub fn completed(
        &self,
        index: usize,
        outcome: Outcome,
        output: Option<Buffer>,
        now: Option<Standing>,
    ) {
        frames::within(self.handle, Activity::Callback, || {
            let standing = now.unwrap_or_else(|| self.standing(index));
            self.go_on(index, outcome, output, standing);
        });
    }

    fn go_on(&self, index: usize, outcome: Outcome, output: Option<Buffer>, standing: Standing) {
        // What stopping cancels is not shown.
        let next = if standing.live && (standing.sends || outcome.status != Status::CANCELLED) {
            self.show(output, outcome, standing.sends)
        } else {
            self.give_back(output);
            Next::Rest
        };
        let output = match next {
            Next::Send(output) => output,
            Next::Rest => return self.rest(index),
        };
        match self.send(index, output) {
            Ok(()) => {}
            Err(Unsent::NoBuffer(_)) => self.wait_for_buffer(index),
            Err(Unsent::Failed(error)) => {
                // The device has gone while the Client was told of its report: as if it had gone just after.
                if error.status == Status::DEVICE_NOT_CONNECTED && outcome.status.is_success() {
                    self.show_end(error.status);
                }
                self.rest(index);
            }
        }
    }

    /// Shows the Client how the Request would have ended that could not be sent.
    #[cold]
    fn show_end(&self, status: Status) {
        let output = self.output.and_then(|pool| pool.get().ok());
        self.show(output, Outcome::failed(status), false);
    }

    /// Shows a completed buffer to the Client.
    #[inline(always)]
    fn show(&self, output: Option<Buffer>, outcome: Outcome, sends: bool) -> Next {
        // The buffer is the Client's during the callback, so that it may pass it on from there.
        let buffer = output.map(Buffer::into_client);
        // A program's target may say anything of what it has transferred.
        let bytes = buffer
            .map_or(outcome.information, |buffer| outcome.information.min(buffer.size as usize));
        let Disposition { client_keeps_buffer, go_on } =
            self.client.buffer_output(self.handle, buffer, bytes, outcome.status);
        let go_on = go_on && sends;
        if let (Some(buffer), Some(pool), false) = (buffer, self.output, client_keeps_buffer) {
            let address = buffer.buffer.as_ptr().addr();
            if go_on
                && self.waiting.load(Ordering::SeqCst) == 0
                && let Some(next) = pool.try_exchange(address)
            {
                return Next::Send(Some(next));
            }
            match pool.put_from_client(address, End::Tail) {
                Ok(None) => {}
                Ok(Some(report)) | Err(report) => self.client_broke_the_contract(&report),
            }
            self.feed_waiting();
        }
        if go_on { Next::Send(None) } else { Next::Rest }
    }

    fn client_broke_the_contract(&self, report: &Error) {
        misuse::report(c"EVT_DMF_ContinuousRequestTarget_BufferOutput", self.handle, report);
    }

    fn give_back_input(&self, input: Option<Buffer>) {
        if let (Some(input), Some(pool)) = (input, self.input) {
            pool.put(input, End::Tail);
        }
    }

    fn give_back(&self, output: Option<Buffer>) {
        if let (Some(output), Some(pool)) = (output, self.output) {
            pool.put(output, End::Tail);
            self.feed_waiting();
        }
    }

    /// Sends an active lane's Request, with that output buffer or with one from the pool.
    fn send(&self, index: usize, output: Option<Buffer>) -> Result<(), Unsent> {
        let output = match (output, self.output) {
            (Some(output), _) => Some(output),
            (None, Some(pool)) => Some(match pool.try_get() {
                Some(Some(buffer)) => buffer,
                _ => pool.get().map_err(Unsent::NoBuffer)?,
            }),
            (None, None) => None,
        };
        match self.fill_input() {
            Ok((input, input_span)) => self.submit(index, input, input_span, output),
            Err(error) => {
                self.give_back(output);
                Err(Unsent::Failed(error))
            }
        }
    }

    /// An input buffer that the Client has filled, and the bytes of it to send.
    fn fill_input(&self) -> Result<(Option<Buffer>, Span), Error> {
        let Some(pool) = self.input else { return Ok((None, Span::EMPTY)) };
        let buffer = pool.get()?;
        let view = buffer.view();
        let length = frames::within(self.handle, Activity::Callback, || {
            self.client.buffer_input(self.handle, view)
        });
        if length > view.size as usize {
            pool.put(buffer, End::Tail);
            return Err(Error::new(
                Status::INVALID_BUFFER_SIZE,
                "BufferInput set a size larger than the buffer",
            ));
        }
        Ok((Some(buffer), Span::of_buffer(view, length)))
    }

    fn submit(
        &self,
        index: usize,
        input: Option<Buffer>,
        input_span: Span,
        output: Option<Buffer>,
    ) -> Result<(), Unsent> {
        let output_span = output.as_ref().map_or(Span::EMPTY, |buffer| {
            Span::of_buffer(buffer.view(), self.output_size as usize)
        });
        let mut control = self.control.lock();
        let sends = control.sends();
        let Control { owner, target, epoch, lanes, .. } = &mut *control;
        let lane = &mut lanes[index];
        lane.input = input;
        lane.output = output;
        lane.sent = input_span.len();
        let sent = match (target, self.operation) {
            (Some(target), Some(operation)) if sends && lane.epoch == *epoch => {
                lane.request(owner, index).and_then(|request| {
                    let sent = Sent { operation, input: input_span, output: output_span };
                    let round = Round { number: lane.epoch, sent };
                    Core::submit(target, request, operation, Some(&round))
                })
            }
            _ => Err(Error::new(Status::CANCELLED, "stopped")),
        };
        let error = match sent {
            // Armed in the turn of its lock in which it was queued, it waits: nobody has canceled it before.
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let (input, output) = (lane.input.take(), lane.output.take());
        drop(control);
        self.give_back_input(input);
        self.give_back(output);
        Err(Unsent::Failed(error))
    }

    /// The lane waits until an output buffer comes back.
    fn wait_for_buffer(&self, index: usize) {
        let stopped = {
            let mut control = self.control.lock();
            let (sends, epoch) = (control.sends(), control.epoch);
            let lane = &mut control.lanes[index];
            let stopped = !sends || lane.epoch != epoch;
            if !stopped {
                lane.waiting = true;
                self.waiting.fetch_add(1, Ordering::SeqCst);
            }
            stopped
        };
        if stopped {
            self.rest(index);
        } else {
            // One may have come back before the lane was known to wait.
            self.feed_waiting();
        }
    }

    /// Sends lanes that wait, while there are buffers for them.
    #[inline]
    fn feed_waiting(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.feed();
        }
    }

    #[cold]
    fn feed(&self) {
        while self.waiting.load(Ordering::SeqCst) > 0 {
            let Some(pool) = self.output else { return };
            let Ok(buffer) = pool.get_before_waiting() else { return };
            let index = {
                let mut control = self.control.lock();
                let waiting = control.lanes.iter().position(|lane| lane.waiting);
                if let Some(index) = waiting {
                    control.lanes[index].waiting = false;
                    self.waiting.fetch_sub(1, Ordering::SeqCst);
                }
                waiting
            };
            match index {
                Some(index) => {
                    if self.send(index, Some(buffer)).is_err() {
                        self.rest(index);
                    }
                }
                None => pool.put(buffer, End::Tail),
            }
        }
    }

    /// The lane becomes idle, or starts over if the stream has been started again.
    fn rest(&self, index: usize) {
        loop {
            let mut control = self.control.lock();
            let (sends, epoch) = (control.sends(), control.epoch);
            let lane = &mut control.lanes[index];
            if sends && lane.epoch != epoch {
                lane.epoch = epoch;
                drop(control);
                match self.send(index, None) {
                    Ok(()) => return,
                    Err(Unsent::NoBuffer(_)) => return self.wait_for_buffer(index),
                    Err(Unsent::Failed(_)) => continue,
                }
            }
            lane.active = false;
            return self.leave(control);
        }
    }

    /// One less that is active; the last one leaves everything quiet.
    fn leave(&self, mut control: Inside<'_, Control>) {
        if self.active.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        self.last_lane_rests(&mut control);
        drop(control);
        self.quiet.give();
        if self.closing.load(Ordering::SeqCst) {
            tree::tell();
        }
    }

    fn last_lane_rests(&self, control: &mut Control) {
        if std::mem::replace(&mut control.started, false)
            && let Some(target) = &control.target
        {
            // Every Request has stopped by itself; the stream may be started again.
            target.stream_stopped();
        }
        if !control.is_set {
            control.target = None;
        }
    }
}

#[cold]
fn no_target() -> Error {
    Error::new(Status::INVALID_DEVICE_STATE, "no target is set")
}
