//! A target that the program itself implements.
//!
//! Its callback runs on the target's own thread, one Request after the other, so that a Request that is
//! completed at once and sent again does not recurse. A Request that the callback keeps may be
//! completed from any thread.

use super::reader::Source;
use super::report_descriptor::Layout;
use super::request::{Claim, Operation, Outcome, Teller};
use super::request_state::Holder;
use super::target::{Core, Device, Route, Target};
use crate::framework::frames::{self, Activity};
use crate::framework::handle::Handle;
use crate::framework::memory::{Shared, try_box};
use crate::framework::misuse;
use crate::framework::status::{Error, Status};
use crate::framework::thread;

/// The program's callback.
pub trait Implementation: Send + Sync {
    /// Works on a Request. `None`: keeps it, and completes it later.
    fn perform(&self, claim: &Claim) -> Option<Outcome>;
}

/// Makes a target; `handle` is its own.
pub fn create(handle: Handle, implementation: Box<dyn Implementation>) -> Result<Target, Error> {
    let device = try_box(Client { handle, implementation })?;
    let core = Core::new(Layout::default(), device)?;
    let running = core.clone();
    let thread = thread::start("dmf-target", move || run(&running))?;
    Ok(Target::new(core, thread))
}

struct Client {
    handle: Handle,
    implementation: Box<dyn Implementation>,
}

impl Device for Client {
    fn route(&self, _operation: Operation) -> Result<Route, Error> {
        Ok(Route::Work)
    }

    fn holder(&self) -> Holder {
        Holder::Callback(false)
    }

    /// One Request after the other, until there is none, or a callback has put a delete off.
    fn perform(&self, core: &Core, _source: Option<&mut dyn Source>, first: Claim) {
        frames::within(self.handle, Activity::Callback, || {
            let (mut teller, mut next) = (Teller::default(), Some(first));
            while let Some(claim) = next {
                let answer = self.implementation.perform(&claim);
                match answer {
                    Some(Outcome { status, information }) => {
                        let information = Some(information);
                        if let Err(error) =
                            claim.request.complete_by(&mut teller, status, information)
                        {
                            misuse::report(c"EVT_DMF_IoTarget_Request", self.handle, &error);
                        }
                    }
                    None => claim.request.keep(claim.ticket),
                }
                next = core.next_work_after(answer.map(|_| &claim));
            }
            // Before the deletes that a callback put off: one may be of a target whose callback waits for
            // this.
            core.has_performed();
        });
    }
}

fn run(core: &Shared<Core>) {
    core.runs_here();
    loop {
        let claim = {
            let mut state = core.state.lock();
            loop {
                if state.closed {
                    return;
                }
                match state.claim_held(|state| core.next_work(state)) {
                    Some(claim) => {
                        core.performs();
                        break claim;
                    }
                    None => core.changed.wait(&mut state),
                }
            }
        };
        core.device.perform(core, None, claim);
    }
}

/// What a callback's answer means.
pub fn outcome(status: Status, information: usize) -> Option<Outcome> {
    (status != Status::PENDING).then_some(Outcome { status, information })
}
