//! A Request of the model: the machine behind the checker's lock, as `src/io/request.rs` has it behind
//! its slot's, and the books of what happened.
//!
//! Each transition is made under the lock, with what must be known of it; completions, cancel routines
//! and what is given back run outside. The books are no part of what is checked: their lock is
//! invisible to the checker and never held across another.
//!
//! What must be true:
//! - a Request that was submitted ends exactly once, whatever became of it;
//! - nobody completes what he does not have, and whoever has it is not refused;
//! - a cancel routine runs at most once, never after it was taken back, and is there when it is asked
//!   for;
//! - what was left to the target is given back exactly once, when the target has let go;
//! - the sender's own memory is his again only when the target's callback does not run;
//! - a Request that is pending is not deleted, and nothing happens to a deleted one.

use crate::checker::Checker;
use crate::request_state::{Cancel, Holder, Submit};
use crate::seeded::{Reason, Seed, Seeded};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub const CANCELED: Reason = 1;
pub const TIMED_OUT: Reason = 2;
pub const REMOVED: Reason = 3;

/// A mistake around a sound machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slip {
    /// Whom to tell is looked up after the transition, when the Request may be deleted.
    OwnerLookedUpLater,
    /// The removal of a Request that is not pending lets it be submitted once more.
    RemovedButIdle,
    /// What is to be left to a target is dropped when the target was faster.
    LeftToNobody,
    /// A cancel routine that is taken back in the target's callback makes it the target's, as if the
    /// callback had returned.
    UnmarkedInTheCallback,
    /// A second mark, which is refused, takes the first one's routine away.
    MarkedTwice,
}

impl Slip {
    pub const ALL: [Slip; 5] = [
        Slip::OwnerLookedUpLater,
        Slip::RemovedButIdle,
        Slip::LeftToNobody,
        Slip::UnmarkedInTheCallback,
        Slip::MarkedTwice,
    ];
}

/// Whose Request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    /// The program, which deletes it.
    Program,
    /// A send of the library's; the buffers are the Client's.
    Single,
    /// A stream of the library's; the buffers are a pool's, and may be left to the target.
    Stream,
}

/// What a race sets before it begins.
#[derive(Clone, Copy)]
pub struct Terms {
    pub sender: Sender,
    /// Who claims from the queue.
    pub holder: Holder,
    /// The queue wants to be told of cancellations.
    pub tells: bool,
    /// The completion sends the Request once more.
    pub sends_again: bool,
    /// The cancel routine completes the Request; else its holder does.
    pub routine_completes: bool,
}

struct Slot {
    machine: Seeded,
    /// Kept by `claim` and `keep`: who is the holder again after an unmark.
    holder: Holder,
    routine: bool,
    limbo: bool,
    /// The handle is stale.
    gone: bool,
}

#[derive(Default)]
struct Books {
    violation: Option<String>,
    lives: u32,
    ticket: u64,
    submitted: bool,
    ended: bool,
    /// The completion has begun to run.
    told: bool,
    abandoned: bool,
    /// Somebody has the Request in order to complete it.
    held: bool,
    /// The holder is a target, which may write into the buffers.
    written_into: bool,
    callback_runs: bool,
    /// The target writes its answer.
    answering: bool,
    /// A cancellation was delivered.
    canceled: bool,
    marked: bool,
    /// The cancel routine was called.
    asked: bool,
    left: u32,
    given_back: u32,
    removed: bool,
    deleted: bool,
}

impl Books {
    fn check(&mut self, holds: bool, what: &str) {
        if !holds && self.violation.is_none() {
            self.violation = Some(what.to_string());
        }
    }
}

/// See the file's head.
pub struct Request<C: Checker> {
    terms: Terms,
    slip: Option<Slip>,
    slot: C::Lock<Slot>,
    books: Mutex<Books>,
}

/// What a completion must know of the transition that ended the Request.
struct Ended {
    abandoned: bool,
}

impl<C: Checker> Request<C> {
    pub fn new(terms: Terms, seed: Seed, slip: Option<Slip>) -> Self {
        let slot = Slot {
            machine: Seeded::new(seed),
            holder: terms.holder,
            routine: false,
            limbo: false,
            gone: false,
        };
        let books = Books { lives: 1, ..Books::default() };
        Self { terms, slip, slot: C::lock(slot), books: Mutex::new(books) }
    }

    fn with<R>(&self, with: impl FnOnce(&mut Slot) -> R) -> R {
        C::with(&self.slot, with)
    }

    /// None: the handle is stale.
    fn with_open<R>(&self, with: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        self.with(|slot| (!slot.gone).then(|| with(slot)))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, holds: bool, what: &str) {
        self.books().check(holds, what);
    }

    fn slips(&self, slip: Slip) -> bool {
        self.slip == Some(slip)
    }

    fn is_programs(&self) -> bool {
        self.terms.sender == Sender::Program
    }

    // What senders do.

    /// Hands the Request to the queue. False: it was refused.
    pub fn submit(&self) -> bool {
        let submitted = self.with_open(|slot| {
            let due = slot.machine.as_is().is_idle();
            let submit = slot.machine.submit(self.terms.tells);
            let mut books = self.books();
            books.check(!due || submit != Submit::Refused, "an idle Request is refused");
            if submit != Submit::Refused {
                let once = !books.submitted && !books.ended && !books.deleted;
                books.check(once, "a Request that is submitted, ended or deleted is submitted");
                books.submitted = true;
                books.held = submit == Submit::Canceled;
                if let Submit::Queued(ticket) = submit {
                    books.ticket = ticket;
                    let wanted = !books.canceled;
                    books.check(wanted, "a Request that was canceled before waits");
                }
            }
            drop(books);
            submit
        });
        match submitted {
            None | Some(Submit::Refused) => return false,
            Some(Submit::Queued(_)) => {}
            Some(Submit::Canceled) => self.complete(),
        }
        true
    }

    pub fn cancel(&self, reason: Reason) {
        let was_deleted = self.books().deleted;
        let cancel = self.with_open(|slot| {
            let due = slot.machine.as_is().is_idle();
            let cancel = slot.machine.cancel(reason);
            let delivered = cancel != Cancel::TooLate;
            let mut books = self.books();
            books.check(!due || delivered, "an idle Request may not be canceled");
            books.canceled |= delivered;
            drop(books);
            let mut ended = None;
            match cancel {
                Cancel::End => ended = Some(self.end(slot, true)),
                Cancel::Told => self.takes(),
                Cancel::Routine => {
                    let there = std::mem::take(&mut slot.routine);
                    self.check(there, "the cancel routine that is asked for is not there");
                }
                Cancel::Noted | Cancel::TooLate => {}
            }
            (cancel, ended)
        });
        let Some((cancel, ended)) = cancel else { return };
        self.check(!was_deleted || cancel == Cancel::TooLate, "a deleted Request is canceled");
        match cancel {
            Cancel::End => self.tell(ended),
            Cancel::Told => self.canceler_is_told(),
            Cancel::Routine => self.routine_runs(),
            Cancel::Noted | Cancel::TooLate => {}
        }
    }

    /// The removal of what the Request belongs to: its deletion, without a question.
    pub fn remove(&self) {
        let ended = self.with_open(|slot| {
            let was_abandoned = slot.machine.as_is().is_abandoned();
            let end = slot.machine.force(REMOVED).is_some();
            if !self.slips(Slip::RemovedButIdle) {
                slot.machine.delete();
            }
            // Whatever had it is gone, too.
            let mut books = self.books();
            books.removed = true;
            books.written_into = false;
            books.callback_runs = false;
            books.answering = false;
            drop(books);
            let limbo = was_abandoned && std::mem::take(&mut slot.limbo);
            (end.then(|| self.end(slot, false)), limbo)
        });
        let Some((ended, limbo)) = ended else { return };
        if ended.is_some() {
            self.tell(ended);
        }
        if limbo {
            self.give_back();
        }
        self.with(|slot| slot.gone = true);
    }

    /// The program deletes the Request. False: it is pending, or deleted.
    pub fn delete(&self) -> bool {
        let deleted = self.with_open(|slot| {
            let is_completed = slot.machine.as_is().is_completed();
            let deleted = slot.machine.delete();
            if deleted {
                let mut books = self.books();
                let over = !books.submitted || books.ended;
                books.check(over, "a pending Request is deleted");
                let known = is_completed == books.ended;
                books.check(known, "a Request that has ended is not completed when it is deleted");
                books.deleted = true;
            }
            deleted
        });
        if deleted == Some(true) {
            self.with(|slot| slot.gone = true);
        }
        deleted == Some(true)
    }

    /// Prepares the Request for its next submission.
    pub fn arm(&self) -> bool {
        self.with_open(|slot| {
            let due = slot.machine.as_is().is_idle() || slot.machine.as_is().is_completed();
            let armed = slot.machine.rearm();
            self.check(armed || !due, "a Request that is not pending may not be armed");
            if armed {
                let fresh = !slot.machine.as_is().is_canceled();
                let mut books = self.books();
                books.check(fresh, "a Request is canceled by what canceled it before");
                let over = !books.submitted || books.ended;
                let has_it = over && !books.abandoned;
                books.check(has_it, "a pending Request is armed");
                books.lives += 1;
                books.submitted = false;
                books.ended = false;
                books.told = false;
                books.canceled = false;
                books.marked = false;
                books.asked = false;
            }
            armed
        })
        .unwrap_or(false)
    }

    // What those do who work on Requests.

    /// Takes the Request out of its queue.
    pub fn claim(&self) -> bool {
        let ticket = self.books().ticket;
        self.claim_of(ticket)
    }

    /// As [`Request::claim`], with the ticket of an entry that may be stale.
    pub fn claim_of(&self, ticket: u64) -> bool {
        self.with_open(|slot| {
            let claimed = slot.machine.claim(ticket, self.terms.holder);
            if claimed {
                slot.holder = self.terms.holder;
                self.takes();
                let mut books = self.books();
                let its = books.ticket == ticket && books.submitted;
                books.check(its, "an entry that is stale is claimed");
                books.callback_runs = matches!(self.terms.holder, Holder::Callback(_));
                books.written_into = books.callback_runs;
            }
            claimed
        })
        .unwrap_or(false)
    }

    fn takes(&self) {
        let mut books = self.books();
        let alone = !books.held && !books.ended;
        books.check(alone, "two have the Request");
        books.held = true;
    }

    /// Whether this caller is to complete the Request; nobody else is told so.
    pub fn take_over(&self) -> bool {
        std::mem::take(&mut self.books().held)
    }

    /// Whoever has the Request completes it.
    pub fn complete(&self) {
        if !self.take_over() {
            return;
        }
        let refused = !self.try_complete(true);
        let mut books = self.books();
        // A removal takes the Request from whoever has it.
        let removed = books.removed;
        books.check(!refused || removed, "who has the Request may not complete it");
    }

    /// `has`: the caller has the Request.
    fn try_complete(&self, has: bool) -> bool {
        enum Completed {
            No,
            End(Ended),
            LetGo(bool),
        }
        let completed = self.with_open(|slot| {
            if !self.is_programs() && slot.machine.as_is().is_idle() {
                return Completed::No;
            }
            let Ok(end) = slot.machine.complete() else { return Completed::No };
            let mut books = self.books();
            let has = has || !books.submitted;
            books.check(has, "somebody completes what he does not have");
            books.written_into = false;
            books.callback_runs = false;
            books.answering = false;
            drop(books);
            match end {
                Some(_) => Completed::End(self.end(slot, false)),
                None => Completed::LetGo(std::mem::take(&mut slot.limbo)),
            }
        });
        match completed.unwrap_or(Completed::No) {
            Completed::No => return false,
            Completed::End(ended) => self.tell(Some(ended)),
            Completed::LetGo(limbo) => {
                if limbo {
                    self.give_back();
                }
                self.with(|slot| slot.gone = true);
            }
        }
        true
    }

    /// The creator completes a Request that it has not submitted, as far as it knows.
    pub fn give_up(&self) {
        let completed = self.try_complete(false);
        let mut books = self.books();
        let due = !books.submitted && !books.deleted && !books.removed;
        books.check(completed || !due, "its creator may not complete an idle Request");
    }

    /// The target's callback returns STATUS_PENDING.
    pub fn keep(&self) {
        let ended = self.with_open(|slot| {
            if matches!(slot.holder, Holder::Callback(_)) {
                slot.holder = Holder::Target;
            }
            self.books().callback_runs = false;
            slot.machine.keep().map(|_| self.end(slot, true))
        });
        if let Some(Some(ended)) = ended {
            self.tell(Some(ended));
        }
    }

    /// A target that kept the Request has its answer, and writes it if the sender still waits.
    pub fn take_up(&self) {
        self.with_open(|slot| {
            let is_canceled = slot.machine.as_is().is_canceled();
            let taken = slot.machine.take_up();
            let mut books = self.books();
            let due = !is_canceled && !books.ended && !books.removed;
            books.check(taken || !due, "an answer is refused that the sender waits for");
            books.answering = taken;
        });
    }

    /// The target is gone, and its thread has ended: takes back what it has.
    pub fn reclaim(&self) {
        let mut books = self.books();
        books.removed = true;
        books.written_into = false;
        books.callback_runs = false;
        drop(books);
        let is_abandoned = |slot: &mut Slot| slot.machine.as_is().is_abandoned();
        if self.with_open(is_abandoned) == Some(true) {
            self.try_complete(true);
        } else {
            self.remove();
        }
    }

    /// The holder says how to cancel, which is called at once if the Request is canceled.
    pub fn mark(&self) {
        let marked = self.with_open(|slot| {
            let had = slot.routine;
            slot.routine = true;
            let marked = slot.machine.mark_or_cancel();
            match marked {
                Some(true) => self.books().marked = true,
                Some(false) => slot.routine = false,
                None => slot.routine = had && !self.slips(Slip::MarkedTwice),
            }
            marked
        });
        match marked {
            Some(Some(true)) | None => {}
            Some(Some(false)) => {
                self.books().marked = true;
                self.routine_runs();
            }
            Some(None) => self.refused_mark(),
        }
    }

    /// As [`Request::mark`]; a holder whose Request is canceled already completes it himself.
    pub fn mark_ex(&self) {
        let marked = self.with_open(|slot| {
            let marked = slot.machine.mark();
            if marked == Some(true) {
                slot.routine = true;
                self.books().marked = true;
            }
            marked
        });
        match marked {
            Some(Some(true)) | None => {}
            Some(Some(false)) => self.complete(),
            Some(None) => self.refused_mark(),
        }
    }

    fn refused_mark(&self) {
        let mut books = self.books();
        let due = books.marked || !books.held || books.removed;
        books.check(due, "who has the Request may not mark it");
    }

    /// The holder takes his routine back. True: the Request is his to complete.
    pub fn unmark(&self) -> bool {
        let unmarked = self.with_open(|slot| {
            let holder = match slot.holder {
                Holder::Callback(_) if self.slips(Slip::UnmarkedInTheCallback) => Holder::Target,
                holder => holder,
            };
            let unmarked = slot.machine.unmark(holder);
            let mut books = self.books();
            match unmarked {
                Some(true) => {
                    slot.routine = false;
                    let was_marked = std::mem::take(&mut books.marked);
                    books.check(was_marked, "a routine that has run is taken back");
                }
                Some(false) => {
                    let waits = slot.routine && !books.removed;
                    books.check(!waits, "a routine is not taken back, and will not run");
                }
                None => {
                    let due = !books.marked && !books.asked || books.removed;
                    books.check(due, "a marked Request may not be unmarked");
                }
            }
            unmarked
        });
        unmarked == Some(Some(true))
    }

    fn routine_runs(&self) {
        let mut books = self.books();
        let due = std::mem::take(&mut books.marked);
        books.asked = true;
        books.check(due, "a cancel routine runs twice, or after it was taken back");
        drop(books);
        if self.terms.routine_completes {
            self.complete();
        }
    }

    /// The queue's owner has what was canceled in the queue.
    fn canceler_is_told(&self) {
        let with_client = |slot: &mut Slot| slot.machine.as_is().is_with_its_client();
        if self.with_open(with_client) == Some(true) {
            self.complete();
        }
    }

    // What happens to Requests.

    /// Under the lock, with the transition. `early`: a cancellation ends it.
    fn end(&self, slot: &mut Slot, early: bool) -> Ended {
        let abandoned = slot.machine.as_is().is_abandoned();
        let mut books = self.books();
        let (once, there) = (!books.ended, !books.deleted);
        books.check(once, "a Request ends twice");
        books.check(there, "a deleted Request ends");
        books.ended = true;
        books.abandoned = abandoned;
        let free = !early || self.terms.sender == Sender::Stream || !books.callback_runs;
        books.check(free, "the sender's memory is his again while the callback uses it");
        let whole = !early || !books.answering;
        books.check(whole, "the sender has had his completion while the answer is written");
        let safe = abandoned || !books.written_into;
        books.check(safe, "memory is given back that the target writes into");
        drop(books);
        Ended { abandoned }
    }

    /// Runs the completion.
    fn tell(&self, ended: Option<Ended>) {
        let Some(Ended { abandoned }) = ended else { return };
        let found = self.with_open(|_| ()).is_some();
        if !found && self.slips(Slip::OwnerLookedUpLater) {
            return;
        }
        let mut books = self.books();
        let once = !books.told;
        books.check(once, "a completion runs twice");
        books.told = true;
        let again = self.terms.sends_again && !abandoned && books.lives == 1 && !books.removed;
        drop(books);
        if abandoned {
            self.leave();
        }
        if again {
            let armed = self.arm();
            let removed = self.books().removed;
            self.check(armed || removed, "a Request that has ended may not be sent again");
            if armed {
                let submitted = self.submit();
                let removed = self.books().removed;
                self.check(submitted || removed, "an armed Request is refused");
            }
        }
    }

    /// Leaves to the target what it may still write into.
    fn leave(&self) {
        if self.terms.sender != Sender::Stream {
            return;
        }
        self.books().left += 1;
        let abandoned = self.with_open(|slot| {
            let abandoned = slot.machine.as_is().is_abandoned();
            slot.limbo |= abandoned;
            abandoned
        });
        match abandoned {
            Some(true) => {}
            None if self.slips(Slip::LeftToNobody) => {}
            Some(false) | None => self.give_back(),
        }
    }

    fn give_back(&self) {
        let mut books = self.books();
        let let_go = !books.written_into;
        books.check(let_go, "what was left to the target is given back while the target has it");
        books.given_back += 1;
    }

    // The end of a race.

    /// Everybody has finished: the queue is emptied, and the books must balance.
    ///
    /// Panics with what is wrong.
    pub fn audit(&self) {
        if self.claim() {
            self.complete();
        }
        let (submitted, ended, told) = {
            let books = self.books();
            (books.submitted, books.ended, books.told)
        };
        self.check(!submitted || ended, "a Request never ends");
        self.check(told == ended, "a Request ends, and its completion never runs");
        if ended {
            self.audit_end();
        }
        let gone = self.with(|slot| slot.gone);
        if !gone {
            let deleted = self.with(|slot| slot.machine.delete());
            self.check(deleted, "a Request that is not pending may not be deleted");
        }
        if !gone || self.books().deleted {
            self.audit_deletion();
        }
        let mut books = self.books();
        let balanced = books.left == books.given_back;
        books.check(balanced, "what was left to the target is not given back exactly once");
        if let Some(violation) = books.violation.take() {
            drop(books);
            panic!("{violation}");
        }
    }

    /// Nobody can do anything with a Request that has ended, but send it again or delete it.
    fn audit_end(&self) {
        if self.books().abandoned {
            self.reclaim();
        }
        let ticket = self.books().ticket;
        let (refused, let_go) = self.with(|slot| {
            let machine = &mut slot.machine;
            let let_go = !machine.as_is().is_abandoned() && !machine.as_is().has_begun();
            let refused = machine.complete().is_err()
                && machine.cancel(CANCELED) == Cancel::TooLate
                && !machine.claim(ticket, self.terms.holder)
                && machine.keep().is_none()
                && machine.mark().is_none()
                && machine.unmark(Holder::Client) != Some(true)
                && machine.force(REMOVED).is_none();
            (refused, let_go)
        });
        self.check(let_go, "a Request that has ended is held");
        self.check(refused, "something can be done to a Request that has ended");
    }

    fn audit_deletion(&self) {
        let refused = self.with(|slot| {
            let machine = &mut slot.machine;
            machine.submit(false) == Submit::Refused
                && !machine.rearm()
                && !machine.delete()
                && machine.complete().is_err()
                && machine.cancel(CANCELED) == Cancel::TooLate
        });
        self.check(refused, "something can be done to a Request that is deleted");
    }
}
