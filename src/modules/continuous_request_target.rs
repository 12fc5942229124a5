//! ContinuousRequestTarget: keeps a number of Requests with a target and hands each completed buffer
//! to the Client.
//!
//! The Module has two halves over one target: the [`stream`] of Requests that are sent again and
//! again, and single Requests ([`send`]).
//!
//! ```text
//!   ContinuousRequestTarget ── Stream ── lane 0 ── Request ┐
//!            │                     ├──── lane 1 ── Request ┼──> target
//!            │                     └──── ...               ┘
//!            ├── input BufferPool, output BufferPool           children
//! ```
//!
//! Source: Dmf_ContinuousRequestTarget.md.

mod send;
mod stream;

use super::buffer_pool::{BufferPool, Settings};
use crate::framework::buffer::ClientBuffer;
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::Shared;
use crate::framework::status::{Error, Status};
use crate::framework::table::{Object, Ref};
use crate::framework::tree::Draft;
use crate::io::request::{Operation, Request};
use crate::io::target::Core;
use stream::{Lanes, Stream};

/// What the Module is configured to do.
pub struct Config {
    /// Requests that stream.
    pub requests: u32,
    /// What each asks; `None`: the Client did not say, and cannot stream.
    pub operation: Option<Operation>,
    pub input: Option<Settings>,
    pub output: Option<Settings>,
    /// Whether setting the target starts the stream, and clearing it stops it.
    pub automatic: bool,
}

/// Who has the buffer after the Client's callback, and whether its Request goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Disposition {
    pub client_keeps_buffer: bool,
    pub go_on: bool,
}

/// The Client's callbacks.
pub trait Client: Send + Sync {
    /// Fills an input buffer; the bytes to send.
    fn buffer_input(&self, module: Handle, buffer: ClientBuffer) -> usize;

    /// Takes an output buffer with that many bytes.
    fn buffer_output(
        &self,
        module: Handle,
        buffer: Option<ClientBuffer>,
        bytes: usize,
        status: Status,
    ) -> Disposition;
}

/// See the file's head.
pub struct ContinuousRequestTarget {
    stream: Shared<Stream>,
    automatic: bool,
}

impl ContinuousRequestTarget {
    /// The body of a Module that is being made, with its pools and Requests as children.
    pub fn new(draft: &Draft, config: Config, client: Box<dyn Client>) -> Result<Self, Error> {
        let pool = |settings: Option<Settings>| {
            settings.map(|settings| Ref::<BufferPool>::source_below(draft, settings)).transpose()
        };
        let input = pool(config.input)?;
        let output = pool(config.output)?;
        let stream = Shared::new(Stream::new(
            draft.handle(),
            config.operation,
            input,
            output,
            config.output.map_or(0, |settings| settings.shape.buffer_size),
            client,
        ))?;
        let owner = Lanes::owner(stream.clone())?;
        for index in 0..config.requests {
            let request = Ref::<Request>::below(draft, owner.clone(), index as usize)?;
            stream.add_lane(request)?;
        }
        Ok(Self { stream, automatic: config.automatic })
    }

    /// Sets the target; in automatic mode the stream starts, and if it cannot no target is set.
    pub fn target_set(&self, target: Shared<Core>) -> Result<(), Error> {
        self.stream.target_set(target)?;
        if self.automatic
            && let Err(error) = self.stream.start()
        {
            self.stream.target_clear();
            return Err(error);
        }
        Ok(())
    }

    /// Clears the target; a stream is stopped first, and waited for.
    pub fn target_clear(&self) -> Result<(), Error> {
        let was_streaming = self.stream.is_started();
        self.stream.stop();
        if !self.stream.is_in_its_own_callback() {
            self.stream.wait();
        }
        self.stream.target_clear();
        if was_streaming && !self.automatic {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "the target was cleared while streaming; the stream was stopped first",
            ));
        }
        Ok(())
    }

    pub fn start(&self) -> Result<(), Error> {
        self.stream.start()
    }

    pub fn stop(&self) {
        self.stream.stop();
    }

    /// Stops, and waits until every callback has returned.
    pub fn stop_and_wait(&self) -> Result<(), Error> {
        self.stream.stop();
        if self.stream.is_in_its_own_callback() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "StopAndWait from a callback of the same stream would wait for itself; it was stopped only",
            ));
        }
        self.stream.wait();
        Ok(())
    }

    /// Takes an output buffer back from the Client. `Some`: done, but somebody wrote beyond its end.
    pub fn buffer_put(&self, address: usize) -> Result<Option<Error>, Error> {
        self.stream.buffer_put(address)
    }

    /// Requests that stream.
    pub fn streaming_count(&self) -> u32 {
        self.stream.active()
    }
}

impl Object for ContinuousRequestTarget {
    const KIND: Kind = Kind::ContinuousRequestTarget;
    const ENTERED: bool = true;

    fn shut(&self) {
        self.stream.close();
    }

    fn drained(&self) -> bool {
        self.stream.active() == 0
    }

    fn close(&mut self, _handle: Handle) {
        self.stream.target_clear();
    }
}
