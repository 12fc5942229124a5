//! What a stream takes from `src/io/target.rs`: a target that keeps its pending reads in the library's own queue
//! (`src/io/queue.rs`) and counts. Reports come when a thread of the model says so.

use crate::framework::guarded::{Guarded, Level};
use crate::framework::memory::Shared;
use crate::framework::status::{Error, Status};
use crate::framework::table::Ref;
pub use crate::io::queue::Pushed;
use crate::io::queue::RequestQueue;
use crate::io::request::{Claim, Operation, Outcome, Request, Round};
use crate::io::request_state::Holder;
use crate::schedules::check;

pub struct Core(Guarded<State>);

struct State {
    reads: RequestQueue,
    streams: u32,
    starting: u32,
    counted: u32,
    gone: bool,
}

impl Core {
    pub fn new() -> Result<Shared<Self>, Error> {
        Shared::new(Self(Guarded::new(
            Level::Inner,
            State {
                reads: RequestQueue::default(),
                streams: 0,
                starting: 0,
                counted: 0,
                gone: false,
            },
        )))
    }

    pub fn submit(
        this: &Shared<Self>,
        request: Ref<Request>,
        _operation: Operation,
        round: Option<&Round>,
    ) -> Result<Pushed, Error> {
        let mut state = this.0.lock();
        if state.gone {
            return Err(Error::new(Status::DEVICE_NOT_CONNECTED, "the device is gone"));
        }
        check(state.streams > 0, "a Request is sent though no stream is started");
        state.reads.push(request, None, round)
    }

    pub fn stream_started(&self) {
        let mut state = self.0.lock();
        state.streams += 1;
        state.starting += 1;
    }

    pub fn stream_sent(&self) {
        let mut state = self.0.lock();
        check(state.starting > 0, "a start ends twice");
        state.starting -= 1;
    }

    pub fn stream_stopped(&self) {
        let mut state = self.0.lock();
        check(state.streams > 0, "a stream stops twice");
        state.streams -= 1;
    }

    pub fn count(&self, _operation: Operation, _sent: usize, _outcome: Outcome) {
        self.0.lock().counted += 1;
    }

    pub fn tells_later(&self) {
        unreachable!("no stream of the models is passive");
    }

    /// The oldest Request, for a thread of the target's to work on.
    pub fn claim(&self) -> Option<Claim> {
        self.0.lock().reads.claim(Holder::Transport)
    }

    /// No more Requests are taken.
    pub fn goes(&self) {
        self.0.lock().gone = true;
    }

    pub fn is_idle(&self) -> bool {
        let mut state = self.0.lock();
        state.streams == 0 && state.starting == 0 && !state.reads.is_waited()
    }
}
