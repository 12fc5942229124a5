//! The life of a Request: one small machine, without locks, callbacks or memory of its own.
//!
//! ```text
//!            submit              claim                         complete
//!   Idle ─────────────> Queued ─────────> Held ──────────────────────────────> Completed
//!    │                    │                │  ^                                  ^
//!    │ complete           │ cancel         │  │ unmark              complete     │
//!    │                    │           mark v  │             ┌────────────────────┤
//!    │                    │              Marked ──cancel──> Canceling            │
//!    │                    │                │                                     │
//!    │                    │                └─────────────── complete ────────────┤
//!    │                    └──────────────────────────────────────────────────────┤
//!    └───────────────────────────────────────────────────────────────────────────┘
//!
//!   Held by a target that keeps it unmarked ──cancel──> Abandoned ──complete──> Completed
//!      │ take up: the target has the answer
//!      └──> Held by a transport
//! ```
//!
//! "Cancel" is a cancellation by the program, a time-out or the removal of the device alike; they
//! differ in the status. Exactly one transition of a Request's life answers [`End`]: whoever makes
//! that one runs the completion. The lock of the Request's slot guards the machine.
//!
//! Abandoned: the sender has had its completion, the target still has the Request. The sender never
//! waits for a target that does not say how to cancel; what the target may still write into stays
//! reserved until the target completes the Request too.

/// Who has a Request that is being worked on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A transport that is about to complete it.
    Transport,
    /// A Module's Client.
    Client,
    /// A target's callback, which has not returned. `true`: what it writes into is the library's, and
    /// may be left to it.
    Callback(bool),
    /// A target that keeps it.
    Target,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    Queued,
    Held(Holder),
    Marked,
    Canceling,
    Abandoned,
    Completed,
    Deleted,
}

/// What a cancellation does, and what its caller owes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancel {
    /// The Request ends now.
    End,
    /// It was in a queue that wants to be told; it is the caller's, held for the Client.
    Told,
    /// The holder's cancel routine is to be called.
    Routine,
    /// Whoever holds the Request, or submits it, will see.
    Noted,
    /// It has ended, or is ending, without the cancellation.
    TooLate,
}

/// What a submission does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Submit {
    Queued(u64),
    /// It was canceled before; it is the caller's, to be ended.
    Canceled,
    /// It is submitted, completed or deleted.
    Refused,
}

/// The answer of the one transition after which the completion runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End;

/// See the file's head. `S` is a status.
#[derive(Debug)]
pub struct Machine<S> {
    phase: Phase,
    ticket: u64,
    /// Why the Request was canceled.
    reason: Option<S>,
    /// The queue wants to be told of a cancellation.
    tells: bool,
}

impl<S: Copy> Machine<S> {
    pub const fn new() -> Self {
        Self { phase: Phase::Idle, ticket: 0, reason: None, tells: false }
    }

    /// Makes a completed Request idle again; false: it is not completed.
    pub fn rearm(&mut self) -> bool {
        if !matches!(self.phase, Phase::Idle | Phase::Completed) {
            return false;
        }
        self.phase = Phase::Idle;
        self.reason = None;
        true
    }

    /// Puts the Request into a queue. `tells`: the queue wants to be told of a cancellation.
    pub fn submit(&mut self, tells: bool) -> Submit {
        if self.phase != Phase::Idle {
            return Submit::Refused;
        }
        self.ticket += 1;
        self.tells = tells;
        if self.reason.is_some() {
            self.phase = Phase::Held(Holder::Client);
            return Submit::Canceled;
        }
        self.phase = Phase::Queued;
        Submit::Queued(self.ticket)
    }

    /// Whether the Request waits in a queue.
    pub fn is_queued(&self) -> bool {
        self.phase == Phase::Queued
    }

    /// Whether the Request waits in the queue that got that ticket.
    pub fn waits(&self, ticket: u64) -> bool {
        self.is_queued() && self.ticket == ticket
    }

    /// Takes the Request out of the queue that got that ticket.
    pub fn claim(&mut self, ticket: u64, holder: Holder) -> bool {
        let waits = self.waits(ticket);
        if waits {
            self.phase = Phase::Held(holder);
        }
        waits
    }

    /// Whether somebody works on the Request.
    pub fn has_begun(&self) -> bool {
        matches!(self.phase, Phase::Held(_) | Phase::Marked | Phase::Canceling | Phase::Abandoned)
    }

    /// Whether somebody works on the Request since it was queued with that ticket.
    pub fn is_held(&self, ticket: u64) -> bool {
        self.ticket == ticket && self.has_begun()
    }

    pub fn cancel(&mut self, reason: S) -> Cancel {
        match self.phase {
            Phase::Idle | Phase::Held(Holder::Client | Holder::Callback(false)) => {
                self.reason.get_or_insert(reason);
                Cancel::Noted
            }
            Phase::Queued => {
                self.reason = Some(reason);
                if self.tells {
                    self.phase = Phase::Held(Holder::Client);
                    return Cancel::Told;
                }
                self.phase = Phase::Completed;
                Cancel::End
            }
            Phase::Held(Holder::Callback(true) | Holder::Target) => {
                self.reason = Some(reason);
                self.phase = Phase::Abandoned;
                Cancel::End
            }
            Phase::Marked => {
                self.reason = Some(reason);
                self.phase = Phase::Canceling;
                Cancel::Routine
            }
            Phase::Held(Holder::Transport)
            | Phase::Canceling
            | Phase::Abandoned
            | Phase::Completed
            | Phase::Deleted => Cancel::TooLate,
        }
    }

    pub fn is_canceled(&self) -> bool {
        self.reason.is_some()
    }

    pub fn reason(&self) -> Option<S> {
        self.reason
    }

    /// The holder says how to cancel. `Some(true)`: it can be called from now on; `Some(false)`: the
    /// Request is canceled already; `None`: the caller does not hold it.
    pub fn mark(&mut self) -> Option<bool> {
        match self.phase {
            Phase::Held(Holder::Transport) => None,
            Phase::Held(_) if self.reason.is_none() => {
                self.phase = Phase::Marked;
                Some(true)
            }
            Phase::Held(_) | Phase::Abandoned => Some(false),
            _ => None,
        }
    }

    /// As [`Machine::mark`] for a holder whose routine is called at once when the Request is canceled
    /// already.
    pub fn mark_or_cancel(&mut self) -> Option<bool> {
        let marked = self.mark();
        if marked == Some(false) && self.phase != Phase::Abandoned {
            self.phase = Phase::Canceling;
        }
        marked
    }

    /// The holder takes its cancel routine back. `Some(true)`: it was not and will not be called;
    /// `Some(false)`: it is too late; `None`: the Request was not marked.
    pub fn unmark(&mut self, holder: Holder) -> Option<bool> {
        match self.phase {
            Phase::Marked => {
                self.phase = Phase::Held(holder);
                Some(true)
            }
            Phase::Canceling | Phase::Abandoned => Some(false),
            // The routine, or whoever it asked, was faster.
            Phase::Completed if self.reason.is_some() => Some(false),
            _ => None,
        }
    }

    /// A target's callback has returned and keeps the Request. `Some`: it was canceled meanwhile, and
    /// is abandoned.
    pub fn keep(&mut self) -> Option<End> {
        if !matches!(self.phase, Phase::Held(Holder::Callback(_))) {
            return None;
        }
        if self.reason.is_none() {
            self.phase = Phase::Held(Holder::Target);
            return None;
        }
        self.phase = Phase::Abandoned;
        Some(End)
    }

    /// A target that keeps the Request is about to answer it, and cannot be asked to cancel any more.
    /// False: it does not have the Request, or the sender has had its completion.
    pub fn take_up(&mut self) -> bool {
        let is_kept = self.phase == Phase::Held(Holder::Target);
        if is_kept {
            self.phase = Phase::Held(Holder::Transport);
        }
        is_kept
    }

    /// Whoever has the Request completes it. `Ok(None)`: its sender has had the completion already;
    /// `Err`: the caller does not have it.
    pub fn complete(&mut self) -> Result<Option<End>, ()> {
        match self.phase {
            Phase::Idle | Phase::Held(_) | Phase::Marked | Phase::Canceling => {
                self.phase = Phase::Completed;
                Ok(Some(End))
            }
            Phase::Abandoned => {
                self.phase = Phase::Completed;
                Ok(None)
            }
            Phase::Queued | Phase::Completed | Phase::Deleted => Err(()),
        }
    }

    /// Ends the Request whoever has it: what it belongs to is going away.
    pub fn force(&mut self, reason: S) -> Option<End> {
        match self.phase {
            Phase::Idle | Phase::Completed | Phase::Deleted => None,
            Phase::Abandoned => {
                self.phase = Phase::Completed;
                None
            }
            Phase::Queued | Phase::Held(_) | Phase::Marked | Phase::Canceling => {
                self.reason = Some(reason);
                self.phase = Phase::Completed;
                Some(End)
            }
        }
    }

    pub fn is_abandoned(&self) -> bool {
        self.phase == Phase::Abandoned
    }

    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    pub fn is_completed(&self) -> bool {
        self.phase == Phase::Completed
    }

    /// Whether somebody has the Request in order to complete it.
    pub fn is_with_its_client(&self) -> bool {
        matches!(self.phase, Phase::Held(Holder::Client) | Phase::Canceling)
    }

    /// Nobody submits the Request any more; false: it is pending.
    pub fn delete(&mut self) -> bool {
        let over = matches!(self.phase, Phase::Idle | Phase::Completed);
        if over {
            self.phase = Phase::Deleted;
        }
        over
    }
}
