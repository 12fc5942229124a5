//! A Request: two buffers, what is asked, and exactly one completion.
//!
//! ```text
//!                    submit                     claim
//!   Idle ──────────────────────────> Queued ──────────────> Held
//!    ^                                  │ cancel, time-out,   │ complete
//!    │                                  │ removal             │
//!    │ arm (the library's own)          v                     v
//!    └────────────────────────────── Completed <──────────────┘
//! ```
//!
//! The slot's lock guards the state; whoever moves it to Completed runs the completion, outside the
//! lock, so it runs once whatever races. A Request that waits in a queue is ended by its state alone:
//! the queue's entry carries the ticket that the Request had when it was queued and is skipped when
//! that is not the Request's ticket any more. So nothing ever waits for a device in order to cancel.
//!
//! Who owns what: from submission to completion the buffers belong to whoever works on the Request. A
//! claimed Request cannot be ended under him.

use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::Shared;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::table::{Object, Ref};
use crate::framework::tree::{self, Draft};

/// What a Request asks of a target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Read,
    Write,
    Ioctl(u32),
    InternalIoctl(u32),
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

/// Who is told of the completion.
pub trait Owner: Send + Sync {
    /// Runs on the thread that ended the Request, without a lock. `tag` is what the owner gave the
    /// Request to know it by. The Request may be armed again, or deleted.
    fn completed(&self, request: Ref<Request>, tag: usize, outcome: Outcome);
}

/// An owner, shared by its Requests.
pub type SharedOwner = Shared<Box<dyn Owner>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// In a queue.
    Queued,
    /// Claimed: somebody works on it and will complete it.
    Held,
    Completed,
}

/// See the file's head.
pub struct Request {
    state: State,
    ticket: u64,
    pub operation: Operation,
    pub input: Span,
    pub output: Span,
    owner: SharedOwner,
    tag: usize,
}

impl Object for Request {
    const KIND: Kind = Kind::Request;
}

/// A claimed Request: the one who holds this completes it.
#[must_use]
pub struct Claim {
    request: Ref<Request>,
    pub operation: Operation,
    pub output: Span,
}

impl Ref<Request> {
    /// Makes a Request of the library's own, as a child of an object that is being made.
    pub fn below(parent: &Draft, owner: SharedOwner, tag: usize) -> Result<Self, Error> {
        Ok(Self::new(parent.child(Kind::Request)?.open(Request::new(owner, tag))?))
    }

    /// Makes a Request of the library's own that belongs to nobody.
    pub fn alone(owner: SharedOwner, tag: usize) -> Result<Self, Error> {
        Ok(Self::new(tree::create(tree::Choices::default(), Request::new(owner, tag))?))
    }

    /// Prepares an idle Request of the library's own for its next submission.
    pub fn arm(&self, operation: Operation, input: Span, output: Span) -> Result<(), Error> {
        let mut request = self.lock()?;
        debug_assert!(request.state != State::Queued && request.state != State::Held);
        request.state = State::Idle;
        request.operation = operation;
        request.input = input;
        request.output = output;
        Ok(())
    }

    pub fn output_length(&self) -> Result<usize, Error> {
        Ok(self.lock()?.output.len())
    }

    /// Idle to Queued; the ticket that the queue's entry carries.
    pub fn enqueue(&self) -> Result<u64, Error> {
        let mut request = self.lock()?;
        if request.state != State::Idle {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "the Request is submitted already, or completed",
            ));
        }
        request.state = State::Queued;
        request.ticket += 1;
        Ok(request.ticket)
    }

    /// Queued to Held, if the Request still is what was queued with that ticket.
    pub fn claim(&self, ticket: u64) -> Option<Claim> {
        let mut request = self.lock().ok()?;
        if request.state != State::Queued || request.ticket != ticket {
            return None;
        }
        request.state = State::Held;
        Some(Claim { request: *self, operation: request.operation, output: request.output })
    }

    /// Whether the Request still waits in its queue with that ticket.
    pub fn waits(&self, ticket: u64) -> bool {
        self.lock().is_ok_and(|request| request.state == State::Queued && request.ticket == ticket)
    }

    /// Ends a Request that waits in a queue, at once. False: it does not wait.
    pub fn end(&self, status: Status) -> bool {
        self.finish(Outcome::failed(status), State::Queued)
    }

    /// `from` to Completed, then the completion.
    fn finish(&self, outcome: Outcome, from: State) -> bool {
        let Ok(mut request) = self.lock() else { return false };
        if request.state != from {
            return false;
        }
        request.state = State::Completed;
        let (owner, tag) = (request.owner.clone(), request.tag);
        drop(request);
        owner.completed(*self, tag, outcome);
        true
    }
}

impl Claim {
    pub fn complete(self, outcome: Outcome) {
        let done = self.request.finish(outcome, State::Held);
        debug_assert!(done);
    }
}

impl Request {
    fn new(owner: SharedOwner, tag: usize) -> Self {
        Self {
            state: State::Idle,
            ticket: 0,
            operation: Operation::Read,
            input: Span::EMPTY,
            output: Span::EMPTY,
            owner,
            tag,
        }
    }
}

/// Whether the handle is a Request that the library made for itself; C does not delete those.
pub fn is_the_librarys_own(handle: Handle) -> bool {
    Ref::<Request>::new(handle).lock().is_ok()
}
