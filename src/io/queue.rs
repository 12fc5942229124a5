//! Pending Requests, oldest first. The owner's lock guards the queue.
//!
//! A Request leaves the queue by its own state, at once, from any thread; its entry stays behind and
//! is skipped. When the queue would grow, entries that nobody waits for are swept out first.

use super::request::{Claim, Request};
use crate::framework::memory;
use crate::framework::status::Error;
use crate::framework::table::Ref;
use std::collections::VecDeque;

/// See the file's head.
#[derive(Default)]
pub struct RequestQueue {
    entries: VecDeque<(Ref<Request>, u64)>,
}

impl RequestQueue {
    /// Appends an idle Request.
    pub fn push(&mut self, request: Ref<Request>) -> Result<(), Error> {
        if self.entries.len() == self.entries.capacity() {
            self.make_room()?;
        }
        let ticket = request.enqueue()?;
        self.entries.push_back((request, ticket));
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), Error> {
        self.entries.retain(|(request, ticket)| request.waits(*ticket));
        if self.entries.len() > self.entries.capacity() / 2 || self.entries.capacity() == 0 {
            memory::permit()?;
            let more = self.entries.len().max(8);
            self.entries.try_reserve(more).map_err(|_| memory::no_memory())?;
        }
        Ok(())
    }

    /// Claims the oldest Request that still waits.
    pub fn claim(&mut self) -> Option<Claim> {
        while let Some((request, ticket)) = self.entries.pop_front() {
            if let Some(claim) = request.claim(ticket) {
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
        }
        false
    }
}
