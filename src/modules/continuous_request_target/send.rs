//! Single Requests over the Module's target.

use super::ContinuousRequestTarget;
use crate::framework::memory::{Shared, try_box};
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::sync::{Condvar, Mutex};
use crate::framework::table::Ref;
use crate::framework::tree;
use crate::io::request::{Operation, Outcome, Owner, Request};
use crate::io::target::Purpose;
use std::time::{Duration, Instant};

impl ContinuousRequestTarget {
    /// Sends a Request and waits for its end. `timeout` zero: for ever.
    pub fn send_synchronously(
        &self,
        operation: Operation,
        input: Span,
        output: Span,
        timeout: Duration,
    ) -> Result<Outcome, Error> {
        let target = self.stream.target()?;
        let end = Shared::new(End::default())?;
        let owner = Shared::new(try_box(Waiting(end.clone()))? as Box<dyn Owner>)?;
        let request = Ref::<Request>::alone(owner, 0)?;
        let sent = request
            .arm(operation, input, output)
            .and_then(|()| target.submit(request, operation, Purpose::Single));
        let outcome = sent.map(|()| end.wait(request, timeout));
        let _ = tree::delete(request.handle);
        let outcome = outcome?;
        target.count(operation, outcome);
        Ok(outcome)
    }
}

/// Where a waiting thread finds the outcome.
#[derive(Default)]
struct End {
    outcome: Mutex<Option<Outcome>>,
    changed: Condvar,
}

impl End {
    fn wait(&self, request: Ref<Request>, timeout: Duration) -> Outcome {
        let deadline = Instant::now().checked_add(timeout).filter(|_| !timeout.is_zero());
        let mut outcome = self.outcome.lock();
        loop {
            if let Some(outcome) = *outcome {
                return outcome;
            }
            match deadline {
                Some(deadline) if Instant::now() >= deadline => {
                    drop(outcome);
                    // A Request that is being worked on ends by itself.
                    if !request.end(Status::IO_TIMEOUT) {
                        outcome = self.outcome.lock();
                        if outcome.is_none() {
                            self.changed.wait(&mut outcome);
                        }
                    } else {
                        outcome = self.outcome.lock();
                    }
                }
                Some(deadline) => {
                    self.changed.wait_until(&mut outcome, deadline);
                }
                None => self.changed.wait(&mut outcome),
            }
        }
    }
}

struct Waiting(Shared<End>);

impl Owner for Waiting {
    fn completed(&self, _request: Ref<Request>, _tag: usize, outcome: Outcome) {
        *self.0.outcome.lock() = Some(outcome);
        self.0.changed.notify_all();
    }
}
