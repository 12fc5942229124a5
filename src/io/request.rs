//! A Request: two buffers, what is asked, and exactly one completion.
//!
//! [`request_state`](super::request_state) is its life; the lock of its slot guards it; whoever ends
//! it runs the completion, outside the lock. A Request that waits in a queue is ended by its state
//! alone: the queue's entry carries the ticket that the Request had when it was queued, and is skipped
//! when that is not the Request's ticket any more. So nothing ever waits for a device in order to
//! cancel.
//!
//! Who owns what: from submission to completion the buffers belong to whoever works on the Request.
//! The library's own Requests (streams, sends) have no parent; their owner deletes them. A Request of
//! the program is the program's.

use super::request_state::{Cancel, Holder, Machine, Submit};
use crate::framework::buffer::Buffer;
use crate::framework::deletion;
use crate::framework::frames::{self, Activity};
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::Shared;
use crate::framework::passive;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::sync::{Condvar, Mutex};
use crate::framework::table::{Guard, Object, Ref, Visit};
use crate::framework::tree::{self, Choices};
use std::time::{Duration, Instant};

/// What a Request asks of a target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Read,
    Write,
    Ioctl(u32),
    InternalIoctl(u32),
}

/// What is sent in a Request.
#[derive(Clone, Copy)]
pub struct Sent {
    pub operation: Operation,
    pub input: Span,
    pub output: Span,
}

impl Sent {
    /// What the target gets of it: a read has no input, a write no output.
    pub fn used(self) -> Self {
        match self.operation {
            Operation::Read => Self { input: Span::EMPTY, ..self },
            Operation::Write => Self { output: Span::EMPTY, ..self },
            Operation::Ioctl(_) | Operation::InternalIoctl(_) => self,
        }
    }
}

/// A submission of a Request that is sent again and again.
#[derive(Clone, Copy)]
pub struct Round {
    /// What [`Ref::cancel_of`] knows it by.
    pub number: u64,
    pub sent: Sent,
}

/// How a Request ended.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub status: Status,
    /// Bytes transferred.
    pub information: usize,
}

impl Outcome {
    pub fn failed(status: Status) -> Self {
        Self { status, information: 0 }
    }
}

/// Buffers of a pool that a target which was not waited for may still write into.
pub type Limbo = [Option<Buffer>; 2];

/// Who is told of the completion.
pub trait Owner: Send + Sync {
    /// Runs on the thread that ended the Request, without a lock. `tag` is what the owner gave the
    /// Request to know it by. `abandoned`: the target still has the Request; what it may write into
    /// goes to [`Ref::leave`].
    fn completed(&self, request: Ref<Request>, tag: usize, outcome: Outcome, abandoned: bool);

    /// The target has let go of what was left to it.
    fn give_back(&self, _buffers: Limbo) {}

    /// A [`Teller`] may keep it: then it is nothing but memory.
    fn may_be_kept(&self) -> bool {
        false
    }
}

/// An owner, shared by its Requests.
pub type SharedOwner = Shared<Box<dyn Owner>>;

/// Who completes one Request after the other: may keep the owner that was told last, so that the reports of one
/// stream count no references.
#[derive(Default)]
pub struct Teller(Option<SharedOwner>);

/// The program's completion callback.
#[derive(Clone, Copy)]
pub struct Completion {
    /// Calls it.
    pub call: fn(callback: usize, context: usize, request: Handle, outcome: Outcome),
    pub callback: usize,
    pub context: usize,
}

/// Who made a Request, and is told of its completion.
#[derive(Clone)]
enum Maker {
    /// A part of the library; the tag is what it knows the Request by.
    Library(SharedOwner, usize),
    Program(Completion),
}

impl Maker {
    fn give_back(&self, buffers: Limbo) {
        if let Self::Library(owner, _) = self {
            owner.give_back(buffers);
        }
    }
}

/// A Module that wants to be told when a Request leaves its queue early. It closes after it has claimed all that
/// are in the queue.
#[derive(Clone, Copy)]
pub struct Canceler {
    pub module: Handle,
    pub left: fn(visit: Visit, left: Left),
}

/// Why a Request has left its queue early.
#[derive(Clone, Copy)]
pub enum Left {
    /// It was canceled, and is held; whoever is told sees to its completion.
    Canceled(Ref<Request>),
    /// It is being deleted, and ends.
    Deleted,
}

/// A callback of C that cancels a Request.
pub type CancelRoutine = fn(routine: usize, request: Handle);

/// See the file's head.
pub struct Request {
    machine: Machine<Status>,
    pub operation: Operation,
    pub input: Span,
    pub output: Span,
    pub information: usize,
    status: Status,
    maker: Maker,
    /// For which of its owner's rounds it was armed.
    round: u64,
    canceler: Option<Canceler>,
    routine: Option<(CancelRoutine, usize)>,
    limbo: Limbo,
    /// Its buffers are the library's, and may be left to a target.
    may_be_left: bool,
    /// Who has it, or had it last.
    holder: Holder,
    /// The completion has run.
    told: bool,
    waiters: u32,
    /// Nanoseconds; when a queue that keeps times got it.
    pub timestamp: u64,
}

impl Object for Request {
    const KIND: Kind = Kind::Request;

    // A stream sends the same Request again and again, from one thread.
    fn is_ownable(&self) -> bool {
        !self.is_programs()
    }

    fn close(&mut self, _handle: Handle) {
        // Whoever waits finds the handle dead.
        if self.waiters > 0 {
            tell_waiters();
        }
    }

    fn before_delete(handle: Handle) {
        Ref::<Request>::new(handle).end_for_deletion();
    }
}

/// A claimed Request: the one who holds this completes it.
#[must_use]
pub struct Claim {
    pub request: Ref<Request>,
    pub operation: Operation,
    pub input: Span,
    pub output: Span,
    pub ticket: u64,
}

impl Claim {
    pub fn complete(self, outcome: Outcome) {
        self.complete_by(&mut Teller::default(), outcome);
    }

    pub fn complete_by(self, teller: &mut Teller, outcome: Outcome) {
        let Outcome { status, information } = outcome;
        let _ = self.request.complete_by(teller, status, Some(information));
    }
}

/// What became of a Request that was handed to a queue.
pub enum Queued {
    Waits(u64),
    /// It was canceled before; the caller ends it.
    Canceled,
}

fn not_held() -> Error {
    Error::misuse(
        Status::INVALID_DEVICE_REQUEST,
        "the caller does not have the Request: it is completed, in a queue of the library, or not submitted",
    )
}

impl Ref<Request> {
    /// Makes a Request of the library's own.
    pub fn alone(owner: SharedOwner) -> Result<Self, Error> {
        Ok(Self::new(tree::create(Choices::default(), Request::new(Maker::Library(owner, 0)))?))
    }

    /// Makes a Request of the library's own whose buffers are the library's, too.
    pub fn of_stream(owner: SharedOwner, tag: usize) -> Result<Self, Error> {
        let mut request = Request::new(Maker::Library(owner, tag));
        request.may_be_left = true;
        Ok(Self::new(tree::create(Choices::default(), request)?))
    }

    /// Makes a Request of the program's.
    pub fn of_program(
        choices: Choices,
        completion: Completion,
        operation: Operation,
        input: Span,
        output: Span,
    ) -> Result<Self, Error> {
        let mut request = Request::new(Maker::Program(completion));
        request.operation = operation;
        request.input = input;
        request.output = output;
        Ok(Self::new(tree::create(choices, request)?))
    }

    /// Prepares an idle Request of the library's own for its next submission.
    pub fn arm(&self, sent: Sent) -> Result<(), Error> {
        self.lock()?.arm(&Round { number: 0, sent })
    }

    pub fn output_length(&self) -> Result<usize, Error> {
        Ok(self.lock()?.output.len())
    }

    /// Idle to Queued. A queue that wants to be told of cancellations is one of the program's Requests.
    /// `round`: it is completed, or idle, and is armed for that before.
    pub fn enqueue(
        &self,
        canceler: Option<Canceler>,
        round: Option<&Round>,
    ) -> Result<Queued, Error> {
        let mut request = self.lock()?;
        if let Some(round) = round {
            request.arm(round)?;
        }
        if canceler.is_some() && !request.is_programs() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "the Request belongs to the library",
            ));
        }
        match request.machine.submit(canceler.is_some()) {
            Submit::Queued(ticket) => {
                request.canceler = canceler;
                Ok(Queued::Waits(ticket))
            }
            Submit::Canceled => Ok(Queued::Canceled),
            Submit::Refused => Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "the Request is submitted already, or completed",
            )),
        }
    }

    /// Queued to Held, if the Request still is what was queued with that ticket.
    pub fn claim(&self, ticket: u64, holder: Holder) -> Option<Claim> {
        let mut request = self.lock().ok()?;
        let holder = match holder {
            Holder::Callback(_) => Holder::Callback(request.may_be_left),
            holder => holder,
        };
        if !request.machine.claim(ticket, holder) {
            return None;
        }
        request.holder = holder;
        let Request { operation, input, output, .. } = *request;
        Some(Claim { request: *self, operation, input, output, ticket })
    }

    /// Whether the Request still waits in its queue with that ticket.
    pub fn waits(&self, ticket: u64) -> bool {
        self.lock().is_ok_and(|request| request.machine.waits(ticket))
    }

    /// Whether somebody still works on the Request since it had that ticket.
    pub fn is_held(&self, ticket: u64) -> bool {
        self.lock().is_ok_and(|request| request.machine.is_held(ticket))
    }

    /// Ends the Request early, or has its holder asked to. True: the cancellation was delivered.
    pub fn cancel(&self, reason: Status) -> bool {
        self.lock().is_ok_and(|request| self.cancel_locked(request, reason))
    }

    /// As [`Ref::cancel`], if somebody still works on the Request since it had that ticket.
    pub fn cancel_held(&self, ticket: u64, reason: Status) -> bool {
        self.lock().is_ok_and(|request| {
            request.machine.is_held(ticket) && self.cancel_locked(request, reason)
        })
    }

    /// As [`Ref::cancel`], unless the Request has been armed for another round meanwhile.
    pub fn cancel_of(&self, round: u64, reason: Status) -> bool {
        self.lock()
            .is_ok_and(|request| request.round == round && self.cancel_locked(request, reason))
    }

    /// As [`Ref::cancel_of`], unless somebody works on the Request already.
    pub fn withdraw_of(&self, round: u64, reason: Status) -> bool {
        self.lock().is_ok_and(|request| {
            request.round == round
                && !request.machine.has_begun()
                && self.cancel_locked(request, reason)
        })
    }

    fn cancel_locked(&self, mut request: Guard<Request>, reason: Status) -> bool {
        match request.machine.cancel(reason) {
            Cancel::End => {
                request.status = reason;
                let abandoned = request.machine.is_abandoned();
                self.tell(request, Outcome::failed(reason), abandoned);
                true
            }
            Cancel::Told => {
                let canceler = request.canceler_visited();
                drop(request);
                match canceler {
                    Some((told, visit)) => (told.left)(visit, Left::Canceled(*self)),
                    None => self.complete_if_with_client(reason),
                }
                true
            }
            Cancel::Routine => {
                let routine = request.routine.take();
                drop(request);
                self.call_routine(routine);
                true
            }
            Cancel::Noted => true,
            Cancel::TooLate => false,
        }
    }

    fn call_routine(&self, routine: Option<(CancelRoutine, usize)>) {
        if let Some((call, routine)) = routine {
            frames::within(self.handle, Activity::Callback, || call(routine, self.handle));
        }
    }

    /// Completes the Request for whoever has it.
    pub fn complete(&self, status: Status, information: Option<usize>) -> Result<(), Error> {
        self.complete_by(&mut Teller::default(), status, information)
    }

    /// As [`Ref::complete`].
    pub fn complete_by(
        &self,
        teller: &mut Teller,
        status: Status,
        information: Option<usize>,
    ) -> Result<(), Error> {
        let mut request = self.lock()?;
        if request.is_idle_in_the_library() {
            return Err(not_held());
        }
        let end = request.machine.complete().map_err(|()| not_held())?;
        if end.is_none() {
            // The sender has had its completion; this was the target letting go.
            let (maker, limbo) = (request.maker.clone(), std::mem::take(&mut request.limbo));
            drop(request);
            maker.give_back(limbo);
            self.discard();
            return Ok(());
        }
        if let Some(information) = information {
            request.information = information;
        }
        // A holder that was asked to cancel says so; why it was asked is the sender's answer.
        let reason = request.machine.reason().filter(|_| status == Status::CANCELLED);
        let outcome =
            Outcome { status: reason.unwrap_or(status), information: request.information };
        request.status = outcome.status;
        self.tell_by(teller, request, outcome, false);
        Ok(())
    }

    /// A target's callback has returned and keeps the Request.
    pub fn keep(&self, ticket: u64) {
        let Ok(mut request) = self.lock() else { return };
        if !request.machine.is_held(ticket) {
            // Completed in the callback already, and perhaps on its way again.
            return;
        }
        request.holder = Holder::Target;
        if request.machine.keep().is_some() {
            let status = request.machine.reason().unwrap_or(Status::CANCELLED);
            request.status = status;
            self.tell(request, Outcome::failed(status), true);
        }
    }

    /// A target that kept the Request is about to answer it. False: it was canceled, and its buffers
    /// are not to be touched any more; it is still to be completed.
    pub fn take_up(&self, ticket: u64) -> bool {
        let Ok(mut request) = self.lock() else { return false };
        request.machine.is_held(ticket) && request.machine.take_up()
    }

    /// Ends the Request whoever has it: it is being deleted, and can be submitted no more.
    fn end_for_deletion(&self) {
        let Ok(mut request) = self.lock() else { return };
        let abandoned = request.machine.is_abandoned();
        let canceler = if request.machine.is_queued() { request.canceler_visited() } else { None };
        let end = request.machine.force(Status::CANCELLED);
        request.machine.delete();
        if end.is_some() {
            request.status = Status::CANCELLED;
            if let Some((told, visit)) = canceler {
                drop(request);
                (told.left)(visit, Left::Deleted);
                // Nobody can do anything with it meanwhile.
                let Ok(again) = self.lock() else { return };
                request = again;
            }
            self.tell(request, Outcome::failed(Status::CANCELLED), false);
        } else if abandoned {
            let (maker, limbo) = (request.maker.clone(), std::mem::take(&mut request.limbo));
            drop(request);
            maker.give_back(limbo);
        }
    }

    /// Takes the Request back from a target that is gone.
    pub fn reclaim(&self) {
        let Ok(mut request) = self.lock() else { return };
        if request.machine.is_abandoned() {
            drop(request);
            let _ = self.complete(Status::CANCELLED, None);
        } else if request.machine.force(Status::CANCELLED).is_some() {
            request.status = Status::CANCELLED;
            self.tell(request, Outcome::failed(Status::CANCELLED), false);
        }
    }

    /// Leaves to the target what it may still write into; the caller's again if it has let go already.
    pub fn leave(&self, buffers: Limbo) -> Limbo {
        match self.lock() {
            Ok(mut request) if request.machine.is_abandoned() => {
                request.input = Span::EMPTY;
                request.output = Span::EMPTY;
                std::mem::replace(&mut request.limbo, buffers)
            }
            _ => buffers,
        }
    }

    /// Runs the completion, without the lock. From the moment that this gives it up the Request may be
    /// deleted: by the target that had it, or by a program that saw it completed.
    fn tell(&self, request: Guard<Request>, outcome: Outcome, abandoned: bool) {
        self.tell_by(&mut Teller::default(), request, outcome, abandoned);
    }

    /// As [`Ref::tell`].
    #[inline(always)]
    fn tell_by(
        &self,
        teller: &mut Teller,
        request: Guard<Request>,
        outcome: Outcome,
        abandoned: bool,
    ) {
        match &request.maker {
            Maker::Library(owner, tag) => {
                let tag = *tag;
                match &teller.0 {
                    Some(kept) if kept.same(owner) => {
                        request.unlock();
                        kept.completed(*self, tag, outcome, abandoned);
                    }
                    _ => {
                        let owner = owner.clone();
                        request.unlock();
                        owner.completed(*self, tag, outcome, abandoned);
                        teller.0 = Some(owner).filter(|owner| owner.may_be_kept());
                    }
                }
            }
            Maker::Program(completion) => {
                let completion = *completion;
                request.unlock();
                self.tell_program(completion, outcome);
            }
        }
    }

    fn tell_program(&self, completion: Completion, outcome: Outcome) {
        let Completion { call, callback, context } = completion;
        frames::within(self.handle, Activity::Callback, || {
            call(callback, context, self.handle, outcome);
        });
        // The completion may have deleted the Request.
        if let Ok(mut request) = self.lock() {
            request.told = true;
            let waited_for = request.waiters > 0;
            drop(request);
            if waited_for {
                tell_waiters();
            }
        }
    }

    /// Waits until the Request is completed and its completion callback has returned.
    pub fn wait(&self, timeout: Duration) -> Result<Outcome, Error> {
        let deadline = Instant::now().checked_add(timeout).filter(|_| !timeout.is_zero());
        self.lock()?.waiters += 1;
        let _waiting = passive::Waiting::begin();
        let mut told = TOLD.lock();
        let result = loop {
            let Ok(request) = self.lock() else {
                return Err(Error::new(
                    Status::INVALID_HANDLE,
                    "the Request was deleted meanwhile",
                ));
            };
            if request.told {
                break Ok(Outcome { status: request.status, information: request.information });
            }
            drop(request);
            match deadline {
                Some(deadline) if Instant::now() >= deadline => {
                    break Err(Error::new(Status::IO_TIMEOUT, "the Request is still pending"));
                }
                Some(deadline) => {
                    CHANGED.wait_until(&mut told, deadline);
                }
                None => CHANGED.wait(&mut told),
            }
        };
        if let Ok(mut request) = self.lock() {
            request.waiters -= 1;
        }
        result
    }

    /// The holder says how to cancel the Request; called at once if it is canceled already.
    pub fn mark(&self, call: CancelRoutine, routine: usize) -> Result<(), Error> {
        let mut request = self.lock()?;
        match request.machine.mark_or_cancel() {
            Some(true) => {
                request.routine = Some((call, routine));
                Ok(())
            }
            Some(false) => {
                drop(request);
                self.call_routine(Some((call, routine)));
                Ok(())
            }
            None => Err(not_held()),
        }
    }

    /// As [`Ref::mark`]; CANCELLED, and nothing is called, if it is canceled already.
    pub fn mark_ex(&self, call: CancelRoutine, routine: usize) -> Result<(), Error> {
        let mut request = self.lock()?;
        match request.machine.mark() {
            Some(true) => {
                request.routine = Some((call, routine));
                Ok(())
            }
            Some(false) => Err(Error::new(Status::CANCELLED, "the Request is canceled already")),
            None => Err(not_held()),
        }
    }

    /// The holder takes its cancel routine back.
    pub fn unmark(&self) -> Result<(), Error> {
        let mut request = self.lock()?;
        let holder = request.holder;
        match request.machine.unmark(holder) {
            Some(true) => {
                request.routine = None;
                Ok(())
            }
            Some(false) => Err(Error::new(
                Status::CANCELLED,
                "the cancel routine was called, or is being called",
            )),
            None => Err(Error::misuse(
                Status::INVALID_DEVICE_REQUEST,
                "the Request is not marked cancelable",
            )),
        }
    }

    /// Has a Request that the Client was to complete completed, if it has not.
    pub fn complete_if_with_client(&self, status: Status) {
        let held = self.lock().is_ok_and(|request| request.machine.is_with_its_client());
        if held {
            let _ = self.complete(status, None);
        }
    }

    pub fn is_canceled(&self) -> Result<bool, Error> {
        Ok(self.lock()?.machine.is_canceled())
    }

    pub fn status(&self) -> Result<Status, Error> {
        Ok(self.lock()?.status)
    }

    /// Sets what the Request is to be completed with.
    pub fn set_information(&self, information: usize) -> Result<(), Error> {
        let mut request = self.lock()?;
        if request.machine.is_completed() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "the Request is completed: its information is known",
            ));
        }
        // A sender that was told already keeps the answer that it got.
        if !request.machine.is_abandoned() {
            request.information = information;
        }
        Ok(())
    }

    /// A buffer of the Request, for whoever works on it.
    pub fn span(
        &self,
        which: impl FnOnce(&Request) -> Span,
        minimum: usize,
    ) -> Result<Span, Error> {
        let request = self.lock()?;
        if request.machine.is_completed() || request.machine.is_abandoned() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "the Request is completed: its buffers are its sender's",
            ));
        }
        let span = which(&request);
        if span.len() == 0 || span.len() < minimum {
            return Err(Error::new(
                Status::BUFFER_TOO_SMALL,
                "the Request's buffer is shorter than asked for, or there is none",
            ));
        }
        Ok(span)
    }

    /// Deletes a Request of the library's own that nobody has.
    pub fn discard(&self) {
        deletion::delete_in_passing(self.handle);
    }
}

/// Told when a Request's completion has run and somebody waits.
static TOLD: Mutex<()> = Mutex::new(());
static CHANGED: Condvar = Condvar::new();

fn tell_waiters() {
    drop(TOLD.lock());
    CHANGED.notify_all();
}

impl Request {
    fn new(maker: Maker) -> Self {
        Self {
            machine: Machine::new(),
            operation: Operation::Read,
            input: Span::EMPTY,
            output: Span::EMPTY,
            information: 0,
            status: Status::PENDING,
            maker,
            round: 0,
            canceler: None,
            routine: None,
            limbo: [None, None],
            may_be_left: false,
            holder: Holder::Client,
            told: false,
            waiters: 0,
            timestamp: 0,
        }
    }

    fn arm(&mut self, round: &Round) -> Result<(), Error> {
        if !self.machine.rearm() {
            return Err(not_held());
        }
        self.round = round.number;
        Sent { operation: self.operation, input: self.input, output: self.output } = round.sent;
        self.information = 0;
        self.told = false;
        Ok(())
    }

    /// Whom to tell that the Request leaves its queue early, before the Request's lock is given up: the Module
    /// closes after it has had that lock.
    fn canceler_visited(&self) -> Option<(Canceler, Visit)> {
        let canceler = self.canceler?;
        Some((canceler, Visit::of(canceler.module)?))
    }

    /// The program made it, and deletes it.
    fn is_programs(&self) -> bool {
        matches!(self.maker, Maker::Program(_))
    }

    /// Nobody but the library may complete one of its own that is not submitted.
    fn is_idle_in_the_library(&self) -> bool {
        !self.is_programs() && self.machine.is_idle()
    }
}

/// Whether C may delete the object behind a handle: a Request must be its own, and not pending. From
/// then on nobody can submit it.
pub fn check_delete(handle: Handle) -> Result<(), Error> {
    if !handle.is_kind(Kind::Request) {
        return Ok(());
    }
    let Ok(mut request) = Ref::<Request>::new(handle).lock() else {
        // Whatever is wrong with the handle, deletion says it.
        return Ok(());
    };
    if !request.is_programs() {
        return Err(Error::misuse(
            Status::INVALID_DEVICE_STATE,
            "the Request belongs to the library",
        ));
    }
    if !request.machine.delete() {
        return Err(Error::misuse(
            Status::INVALID_DEVICE_STATE,
            "the Request is pending; cancel it and wait for its completion first",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::memory::try_box;
    use crate::framework::sync::{AtomicU32, Ordering};

    /// Says when it has ended.
    struct Told {
        may_be_kept: bool,
        ended: Shared<AtomicU32>,
    }

    impl Owner for Told {
        fn completed(&self, request: Ref<Request>, _tag: usize, _outcome: Outcome, _: bool) {
            request.discard();
        }

        fn may_be_kept(&self) -> bool {
            self.may_be_kept
        }
    }

    impl Drop for Told {
        fn drop(&mut self) {
            self.ended.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_teller_keeps_who_was_told_last_if_he_may_be_kept() {
        let ended = Shared::new(AtomicU32::new(0)).ok().expect("memory");
        let mut teller = Teller::default();
        for (may_be_kept, has_ended) in [(false, 1), (true, 1), (true, 2), (false, 4), (true, 4)] {
            let told = Told { may_be_kept, ended: ended.clone() };
            let owner = Shared::new(try_box(told).ok().expect("memory") as Box<dyn Owner>);
            let request = Ref::alone(owner.ok().expect("memory")).ok().expect("memory");
            let sent = Sent { operation: Operation::Read, input: Span::EMPTY, output: Span::EMPTY };
            request.arm(sent).ok().expect("it is idle");
            let Ok(Queued::Waits(ticket)) = request.enqueue(None, None) else {
                panic!("it is armed")
            };
            let claim = request.claim(ticket, Holder::Transport).expect("it waits");
            claim.complete_by(&mut teller, Outcome { status: Status::SUCCESS, information: 0 });
            assert_eq!(ended.load(Ordering::SeqCst), has_ended);
        }
        drop(teller);
        assert_eq!(ended.load(Ordering::SeqCst), 5);
    }
}
