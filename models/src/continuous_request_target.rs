//! What a stream takes from `src/modules/continuous_request_target.rs` and from beside it.

use crate::framework::buffer::ClientBuffer;
use crate::framework::handle::Handle;
use crate::framework::status::Status;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Disposition {
    pub client_keeps_buffer: bool,
    pub go_on: bool,
}

pub trait Client: Send + Sync {
    fn buffer_input(&self, module: Handle, buffer: ClientBuffer) -> usize;

    fn buffer_output(
        &self,
        module: Handle,
        buffer: Option<ClientBuffer>,
        bytes: usize,
        status: Status,
    ) -> Disposition;
}

/// Callbacks run where Requests complete.
pub mod passive {
    use crate::framework::buffer::Buffer;
    use crate::framework::memory::Shared;
    use crate::io::request::Outcome;
    use crate::io::target::Core;

    pub enum Completed {
        Lane { lane: usize, outcome: Outcome, output: Option<Buffer>, target: Option<Shared<Core>> },
    }

    pub enum PassiveLane {}

    impl PassiveLane {
        pub fn post(&self, _: Completed) {
            match *self {}
        }
    }
}
