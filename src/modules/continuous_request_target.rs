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

mod passive;
mod send;
mod stream;

use super::buffer_pool::{BufferPool, Settings};
use crate::framework::buffer::ClientBuffer;
use crate::framework::handle::{Handle, Kind, SLOTS};
use crate::framework::memory::{Shared, try_box};
use crate::framework::status::{Error, Status};
use crate::framework::sync::Mutex;
use crate::framework::table::{Object, Ref};
use crate::framework::tree::Draft;
use crate::io::request::{Operation, Outcome, Owner, Sent};
use crate::io::target::Core;
use send::Sends;
pub use send::{Completion, Manner};
use std::time::Duration;
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
    /// Callbacks run on a passive thread, one at a time.
    pub passive: bool,
    /// Before sleep the target finishes what it has begun.
    pub purge: bool,
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
    sends: Shared<Sends>,
    automatic: bool,
    passive: bool,
    purge: bool,
    /// The device sleeps; `true`: the stream is to start when it wakes.
    asleep: Mutex<Option<bool>>,
}

impl ContinuousRequestTarget {
    /// The body of a Module that is being made, with its pools as children.
    pub fn new(draft: &Draft, config: Config, client: Box<dyn Client>) -> Result<Self, Error> {
        if config.requests >= SLOTS {
            // They would be made, one by one, until the machine has no memory left.
            const MESSAGE: &str = "more Requests than there can be objects";
            return Err(Error::new(Status::INSUFFICIENT_RESOURCES, MESSAGE));
        }
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
        let sends = Shared::new(Sends::new(draft.handle(), stream.clone()))?;
        // From here on dropping the Module takes everything apart.
        let module = Self {
            stream,
            sends,
            automatic: config.automatic,
            passive: config.passive,
            purge: config.purge,
            asleep: Mutex::new(None),
        };
        let passive = if config.passive { Some(module.sends.passive_lane()?) } else { None };
        if let Some(passive) = &passive {
            passive.expect(config.requests as usize)?;
        }
        let lanes = Lanes { stream: module.stream.clone(), passive };
        let owner = Shared::new(try_box(lanes)? as Box<dyn Owner>)?;
        module.stream.make_lanes(owner, config.requests)?;
        Ok(module)
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
        self.forget_sleep();
        let was_streaming = self.stream.target_clear();
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
        self.forget_sleep();
        self.stream.stop();
    }

    /// Who stops a stream while its device sleeps does not want it back afterwards.
    fn forget_sleep(&self) {
        if let Some(was_streaming) = self.asleep.lock().as_mut() {
            *was_streaming = false;
        }
    }

    /// Stops, and waits until every callback has returned.
    pub fn stop_and_wait(&self) -> Result<(), Error> {
        self.stop();
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

    /// Sends a single Request; `tell_id` gets its id before the completion can run.
    pub fn send(
        &self,
        sent: Sent,
        manner: Manner,
        completion: Option<Box<dyn Completion>>,
        tell_id: impl FnOnce(usize),
    ) -> Result<(), Error> {
        let passive = manner.passive || self.passive;
        Sends::send(&self.sends, sent, Manner { passive, ..manner }, completion, tell_id)
    }

    /// Sends a single Request and waits for its end.
    pub fn send_synchronously(&self, sent: Sent, timeout: Duration) -> Result<Outcome, Error> {
        Sends::send_synchronously(&self.sends, sent, timeout)
    }

    /// Cancels a single Request. False: the id is unknown, or the Request has ended.
    pub fn cancel(&self, id: usize) -> bool {
        self.sends.cancel(id)
    }

    pub fn reuse_create(&self) -> Result<usize, Error> {
        self.sends.reuse_create()
    }

    pub fn reuse_delete(&self, id: usize) -> bool {
        self.sends.reuse_delete(id)
    }

    /// The device goes to sleep: the stream stops.
    pub fn sleep(&self) {
        let mut asleep = self.asleep.lock();
        if asleep.is_some() {
            return;
        }
        *asleep = Some(self.stream.is_started());
        drop(asleep);
        let may_wait = !self.stream.is_in_its_own_callback();
        if self.purge && may_wait {
            self.stream.finish();
        }
        self.stream.stop();
        if may_wait {
            self.stream.wait();
        }
    }

    /// The device wakes: a stream that was stopped for its sleep starts.
    pub fn wake(&self) -> Result<(), Error> {
        // No lock is held: the callbacks may stop the stream.
        let was_streaming = self.asleep.lock().take();
        if was_streaming == Some(true) { self.stream.start() } else { Ok(()) }
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
        self.sends.shut();
    }

    fn drained(&self) -> bool {
        self.stream.active() == 0 && self.sends.active() == 0
    }

    fn close(&mut self, _handle: Handle) {
        self.stream.target_clear();
    }
}

impl Drop for ContinuousRequestTarget {
    fn drop(&mut self) {
        self.sends.close();
        self.stream.discard();
    }
}
