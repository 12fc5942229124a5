//! Pending Requests, oldest first, and those that somebody works on ([`HeldRequests`]). The owner's lock guards
//! both.
//!
//! A Request leaves the queue by its own state, at once, from any thread; its entry stays behind and
//! is skipped. When the queue would grow, entries that nobody waits for are swept out first.

use super::request::{Canceler, Claim, Queued, Request, Round};
use super::request_state::Holder;
use crate::framework::memory;
use crate::framework::status::Error;
use crate::framework::table::Ref;
use std::collections::VecDeque;

/// See the file's head.
#[derive(Default)]
pub struct RequestQueue {
    entries: VecDeque<(Ref<Request>, u64)>,
    /// Entries that have left the queue.
    passed: u64,
}

/// What became of a Request that was pushed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    Waits,
    /// It was canceled before; the caller ends it, without the queue's lock.
    Canceled,
}

impl RequestQueue {
    /// Appends a Request that is idle. The canceler is told when it is canceled in the queue; without one it
    /// just ends. `round`: it is completed, or idle, and is armed for that before.
    pub fn push(
        &mut self,
        request: Ref<Request>,
        canceler: Option<Canceler>,
        round: Option<&Round>,
    ) -> Result<Pushed, Error> {
        let before = self.entries.len();
        let room = make_room(&mut self.entries, |request, ticket| request.waits(ticket));
        // Entries that were swept out have left too; so places behind the others stay what they were.
        self.passed += (before - self.entries.len()) as u64;
        room?;
        Ok(match request.enqueue(canceler, round)? {
            Queued::Waits(ticket) => {
                self.entries.push_back((request, ticket));
                Pushed::Waits
            }
            Queued::Canceled => Pushed::Canceled,
        })
    }

    /// Claims the oldest Request that still waits.
    pub fn claim(&mut self, holder: Holder) -> Option<Claim> {
        self.claim_before(u64::MAX, holder)
    }

    /// The place behind the youngest Request.
    pub fn end(&self) -> u64 {
        self.passed + self.entries.len() as u64
    }

    /// As [`RequestQueue::claim`], for Requests that were pushed before the queue's end was `end`.
    pub fn claim_before(&mut self, end: u64, holder: Holder) -> Option<Claim> {
        while self.passed < end {
            let (request, ticket) = self.entries.pop_front()?;
            self.passed += 1;
            if let Some(claim) = request.claim(ticket, holder) {
                return Some(claim);
            }
        }
        None
    }

    /// Whether a Request waits.
    pub fn is_waited(&mut self) -> bool {
        while let Some((request, ticket)) = self.entries.front() {
            if request.waits(*ticket) {
                return true;
            }
            self.entries.pop_front();
            self.passed += 1;
        }
        false
    }
}

/// Requests that somebody works on, in no particular order of their ends.
#[derive(Default)]
pub struct HeldRequests {
    /// The last one pushed. Mostly it is forgotten before the next one comes.
    last: Option<(Ref<Request>, u64)>,
    entries: VecDeque<(Ref<Request>, u64)>,
}

impl HeldRequests {
    /// Takes the memory that the next [`HeldRequests::push`] needs. False: there is none.
    pub fn make_room(&mut self) -> bool {
        make_room(&mut self.entries, |request, ticket| request.is_held(ticket)).is_ok()
    }

    pub fn push(&mut self, claim: &Claim) {
        self.append((claim.request, claim.ticket));
    }

    /// There is room.
    fn append(&mut self, entry: (Ref<Request>, u64)) {
        if let Some(before) = self.last.replace(entry) {
            self.entries.push_back(before);
        }
    }

    /// Forgets a Request that is completed, if it was the last one pushed.
    pub fn forget(&mut self, claim: &Claim) {
        let is_it = |(request, ticket): &mut (Ref<Request>, u64)| {
            request.handle == claim.request.handle && *ticket == claim.ticket
        };
        self.last.take_if(is_it);
    }

    /// Those that are held now, or were; from the oldest to the last one pushed, [`HeldRequests::turn`] answers
    /// them in so many calls.
    pub fn len(&self) -> usize {
        self.entries.len() + usize::from(self.last.is_some())
    }

    /// The oldest, which is the youngest from now on.
    pub fn turn(&mut self) -> Option<(Ref<Request>, u64)> {
        let Some(oldest) = self.entries.pop_front() else { return self.last };
        self.append(oldest);
        Some(oldest)
    }

    pub fn pop(&mut self) -> Option<Ref<Request>> {
        while let Some((request, ticket)) = self.entries.pop_front().or_else(|| self.last.take()) {
            if request.is_held(ticket) {
                return Some(request);
            }
        }
        None
    }
}

/// Room for one entry more. Stale entries go first; the queue grows when they were few.
#[inline]
fn make_room(
    entries: &mut VecDeque<(Ref<Request>, u64)>,
    is_live: impl Fn(&Ref<Request>, u64) -> bool,
) -> Result<(), Error> {
    if entries.len() < entries.capacity() { Ok(()) } else { sweep(entries, is_live) }
}

#[cold]
fn sweep(
    entries: &mut VecDeque<(Ref<Request>, u64)>,
    is_live: impl Fn(&Ref<Request>, u64) -> bool,
) -> Result<(), Error> {
    entries.retain(|(request, ticket)| is_live(request, *ticket));
    if entries.len() > entries.capacity() / 2 || entries.capacity() == 0 {
        memory::permit()?;
        let more = entries.len().max(8);
        entries.try_reserve(more).map_err(|_| memory::no_memory())?;
    }
    Ok(())
}
