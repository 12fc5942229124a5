//! The thread on which a device does what may block: writes and control requests.
//!
//! It works on copies. A Request can be canceled, or time out, while the system blocks: its sender is
//! answered at once, and its buffers are not touched afterwards. The thread starts with the first such
//! Request and does one after the other.

use super::request::{Claim, Operation, Outcome};
use super::request_state::Holder;
use super::target::Core;
use crate::framework::memory::{self, Shared};
use crate::framework::status::{Error, Status};
use crate::framework::thread;
use std::thread::JoinHandle;

/// Starts the thread of a target.
pub fn start(core: Shared<Core>) -> Result<JoinHandle<()>, Error> {
    thread::start("dmf-operation", move || run(&core))
}

fn run(core: &Core) {
    core.operates_here();
    let mut copies = Copies::default();
    while let Some(claim) = next(core) {
        let outcome = copies.take(&claim).map(|()| {
            // From here on a cancellation ends the Request for its sender.
            claim.request.keep(claim.ticket);
            let done = core.device.operate(claim.operation, &copies.input, &mut copies.output);
            // The target may be deleted, or the next Request sent, as soon as this one is completed.
            core.state.lock().operating = false;
            done
        });
        let is_sender_waiting = match outcome {
            Ok(_) => claim.request.take_up(claim.ticket),
            Err(_) => true,
        };
        let outcome = match outcome.and_then(|done| done) {
            Ok(information) => {
                if is_sender_waiting && gives_output(claim.operation) {
                    claim.output.fill(&copies.output[..information.min(copies.output.len())]);
                }
                Outcome { status: Status::SUCCESS, information }
            }
            Err(error) => Outcome::failed(error.status),
        };
        claim.complete(outcome);
    }
}

fn gives_output(operation: Operation) -> bool {
    operation != Operation::Write
}

/// The next Request. `None`: the target is closed.
fn next(core: &Core) -> Option<Claim> {
    let mut state = core.state.lock();
    state.operating = false;
    loop {
        if state.closed {
            return None;
        }
        let claim = state.claim_held(|state| state.slow.claim(Holder::Callback(false)));
        if let Some(claim) = claim {
            state.operating = true;
            return Some(claim);
        }
        core.operations.wait(&mut state);
    }
}

/// What an operation reads and writes instead of the caller's buffers.
#[derive(Default)]
struct Copies {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Copies {
    fn take(&mut self, claim: &Claim) -> Result<(), Error> {
        resize(&mut self.input, claim.input.len())?;
        claim.input.copy_to(&mut self.input);
        resize(&mut self.output, claim.output.len())?;
        // A report's ID stands there.
        let id = self.output.len().min(1);
        claim.output.copy_to(&mut self.output[..id]);
        Ok(())
    }
}

/// Reports are not longer; a longer buffer is not filled beyond this.
const LONGEST: usize = 16384;

fn resize(bytes: &mut Vec<u8>, length: usize) -> Result<(), Error> {
    let length = length.min(LONGEST + 1);
    bytes.clear();
    if bytes.capacity() < length {
        memory::permit()?;
        bytes.try_reserve_exact(length).map_err(|_| memory::no_memory())?;
    }
    bytes.resize(length, 0);
    Ok(())
}
