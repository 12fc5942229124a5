//! BufferQueue: a Source of unused buffers (the Producer) and a Sink of work to be done (the Consumer).
//!
//! ```text
//!            Fetch            Enqueue            Dequeue            Reuse
//!  Producer ───────> Client ──────────> Consumer ───────> Client ──────────> Producer
//! ```
//!
//! Most Methods need the two pools only, and what the pools are does not change while the queue lives:
//! the surface reads them from the queue's slot and takes one lock, of a pool's end. What calls back enters
//! the queue. Source: Dmf_BufferQueue.md.

use super::buffer_pool::{BufferPool, End, Settings, free_after_close};
use crate::framework::buffer::{Buffer, ClientBuffer};
use crate::framework::frames::{self, Activity};
use crate::framework::handle::{Handle, Kind};
use crate::framework::list::List;
use crate::framework::status::Error;
use crate::framework::table::{self, Object, Ref};
use crate::framework::tree::Draft;

/// The Client's callback before a buffer is reused.
pub trait Cleanup: Send + Sync {
    fn reuse(&self, queue: Handle, buffer: ClientBuffer);
}

/// The two pools of a queue.
#[derive(Clone, Copy)]
pub struct Pools {
    pub producer: Ref<BufferPool>,
    pub consumer: Ref<BufferPool>,
}

/// See the file's head.
pub struct BufferQueue {
    handle: Handle,
    pools: Pools,
    cleanup: Option<Box<dyn Cleanup>>,
}

impl Object for BufferQueue {
    const KIND: Kind = Kind::BufferQueue;
    const ENTERED: bool = true;

    fn close(&mut self, _handle: Handle) {
        self.clean_up(self.pools.consumer.seal());
    }
}

impl BufferQueue {
    /// The body of a queue that is being made, with its pools as children.
    pub fn new(
        draft: &Draft,
        settings: Settings,
        cleanup: Option<Box<dyn Cleanup>>,
    ) -> Result<Self, Error> {
        let producer = Ref::<BufferPool>::source_below(draft, settings)?;
        let consumer = Ref::<BufferPool>::sink_below(draft, producer)?;
        if cleanup.is_some() {
            producer.show_before()?;
        }
        draft.set_links([producer.handle, consumer.handle]);
        let pools = Pools { producer, consumer };
        Ok(Self { handle: draft.handle(), pools, cleanup })
    }

    /// Makes a queue as a hidden part of a Module that is being made.
    pub fn below(
        parent: &Draft,
        settings: Settings,
        cleanup: Option<Box<dyn Cleanup>>,
    ) -> Result<(Ref<Self>, Pools), Error> {
        let draft = parent.hidden_part(Kind::BufferQueue)?;
        let queue = Self::new(&draft, settings, cleanup)?;
        let pools = queue.pools;
        Ok((Ref::new(draft.open(queue)?), pools))
    }

    /// Shows a buffer to the cleanup callback, content intact, and puts it into the Producer.
    pub fn reuse(&self, buffer: Buffer) {
        if let Some(cleanup) = &self.cleanup {
            let view = buffer.view();
            frames::within(self.handle, Activity::Callback, || cleanup.reuse(self.handle, view));
        }
        self.pools.producer.put(buffer, End::Tail);
    }

    fn clean_up(&self, mut buffers: List) {
        while let Some(buffer) = buffers.pop_front() {
            self.reuse(buffer);
        }
    }

    /// What is queued.
    pub fn consumer(&self) -> Ref<BufferPool> {
        self.pools.consumer
    }

    /// Reuses what is queued now.
    pub fn flush(&self) -> Result<(), Error> {
        self.clean_up(self.pools.consumer.drain()?);
        Ok(())
    }
}

/// The pools of the queue behind a handle.
#[inline]
pub fn pools(queue: Handle) -> Result<Pools, Error> {
    let [producer, consumer] = table::links::<BufferQueue>(queue)?;
    Ok(Pools { producer: Ref::new(producer), consumer: Ref::new(consumer) })
}

/// As [`pools`], of a queue that is not hidden and without an excuse.
#[inline(always)]
pub fn try_pools(queue: Handle) -> Option<Pools> {
    let [producer, consumer] = table::try_links::<BufferQueue>(queue)?;
    Some(Pools { producer: Ref::new(producer), consumer: Ref::new(consumer) })
}

impl Ref<BufferQueue> {
    /// Gives back to the Producer what the Client has at `address`; see [`BufferQueue::reuse`]. A queue
    /// that closes or is gone frees its own buffer.
    pub fn reuse_from_client(&self, address: usize) -> Result<Option<Error>, Error> {
        // Without a callback the Producer alone has to do with it, and its lock is enough.
        if let Ok(pools) = pools(self.handle)
            && let Some(done) = pools.producer.put_unshown(address)
        {
            return done;
        }
        let mut entered = false;
        let done = table::enter(self.handle, |queue: &BufferQueue| {
            entered = true;
            if queue.cleanup.is_none() {
                return queue.pools.producer.put_from_client(address, End::Tail);
            }
            let buffer = queue.pools.producer.take_from_client(address)?;
            let overrun = buffer.check().err();
            queue.reuse(buffer);
            Ok(overrun)
        });
        match done {
            Err(error) if !entered => free_after_close(self.handle, address, error).map(|()| None),
            done => done,
        }
    }

    /// Reuses a buffer that the library has; it is freed if the queue is gone.
    pub fn reuse(&self, buffer: Buffer) {
        let _ = table::enter(self.handle, |queue: &BufferQueue| {
            queue.reuse(buffer);
            Ok(())
        });
    }
}
