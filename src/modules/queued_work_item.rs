//! QueuedWorkItem: a BufferQueue whose buffers are work that passive threads do, in order, one at a
//! time.
//!
//! Work that was accepted is done: Flush waits for it, and so does deletion. The Module posts one task
//! while there is work; the task runs until the queue is empty.

use super::buffer_pool::{End, Settings};
use super::buffer_queue::{BufferQueue, Cleanup, Pools};
use crate::framework::buffer::ClientBuffer;
use crate::framework::frames::{self, Activity};
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::{Shared, try_box, try_push};
use crate::framework::passive::{self, SharedTask, Task};
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::sync::{AtomicBool, AtomicU64, Condvar, Mutex, MutexGuard, Ordering};
use crate::framework::table::{Object, Ref};
use crate::framework::tree::{self, Draft};

/// The Client's work.
pub trait Work: Send + Sync {
    fn run(&self, module: Handle, buffer: ClientBuffer);
}

/// See the file's head.
pub struct QueuedWorkItem {
    runner: Shared<Runner>,
    task: SharedTask,
    passive: passive::User,
    buffer_size: u32,
}

/// What the task and the Module share.
struct Runner {
    handle: Handle,
    queue: Ref<BufferQueue>,
    pools: Pools,
    work: Box<dyn Work>,
    state: Mutex<State>,
    changed: Condvar,
    accepted: AtomicU64,
    done: AtomicU64,
    /// The task is posted or runs. Changed under the lock of `state`.
    posted: AtomicBool,
    closing: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The buffer that is being worked on, and the status that the Client set for it.
    current: Option<(usize, Status)>,
    waiting: Vec<Waiting>,
    /// Of the next one who waits.
    ticket: u64,
}

/// Somebody who waits for the work in a buffer.
struct Waiting {
    /// Tells him from a later one, who may wait for the same buffer before he has looked.
    ticket: u64,
    address: usize,
    status: Option<Status>,
}

impl QueuedWorkItem {
    /// The body of a Module that is being made.
    pub fn new(
        draft: &Draft,
        settings: Settings,
        work: Box<dyn Work>,
        cleanup: Option<Box<dyn Cleanup>>,
    ) -> Result<Self, Error> {
        let (queue, pools) = BufferQueue::below(draft, settings, cleanup)?;
        let runner = Shared::new(Runner {
            handle: draft.handle(),
            queue,
            pools,
            work,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            accepted: AtomicU64::new(0),
            done: AtomicU64::new(0),
            posted: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        })?;
        let task = Shared::new(try_box(Run(runner.clone()))? as Box<dyn Task>)?;
        let buffer_size = settings.shape.buffer_size;
        Ok(Self { runner, task, passive: passive::User::attach()?, buffer_size })
    }

    /// Queues a copy of the Client's bytes; waits for the work's status if `wait`.
    pub fn enqueue(&self, bytes: Span, wait: bool) -> Result<Status, Error> {
        if bytes.len() > self.buffer_size as usize {
            return Err(Error::new(
                Status::BUFFER_TOO_SMALL,
                "ContextBufferSize is larger than the Module's buffers",
            ));
        }
        if wait && self.is_in_its_own_callback() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "EnqueueAndWait from the Module's own callback would wait for itself",
            ));
        }
        let runner = &self.runner;
        let buffer = runner.pools.producer.get()?;
        let view = buffer.view();
        Span::of_buffer(view, bytes.len()).copy_from(bytes);
        let address = view.buffer.as_ptr().addr();
        let mut state = runner.state.lock();
        let ticket = state.ticket;
        if wait
            && let Err(error) =
                try_push(&mut state.waiting, Waiting { ticket, address, status: None })
        {
            drop(state);
            runner.pools.producer.put(buffer, End::Tail);
            return Err(error);
        }
        state.ticket += 1;
        runner.accepted.fetch_add(1, Ordering::SeqCst);
        runner.pools.consumer.put(buffer, End::Tail);
        if !runner.posted.swap(true, Ordering::SeqCst) {
            self.passive.post(self.task.clone());
        }
        if !wait {
            return Ok(Status::SUCCESS);
        }
        let _waiting = passive::Waiting::begin();
        loop {
            let found =
                state.waiting.iter().position(|one| one.ticket == ticket && one.status.is_some());
            if let Some(index) = found {
                return Ok(state.waiting.swap_remove(index).status.unwrap_or(Status::SUCCESS));
            }
            runner.changed.wait(&mut state);
        }
    }

    /// Waits until the work that is queued now is done.
    pub fn flush(&self) -> Result<(), Error> {
        if self.is_in_its_own_callback() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "Flush from the Module's own callback would wait for itself",
            ));
        }
        let runner = &self.runner;
        let mut state = runner.state.lock();
        let until = runner.accepted.load(Ordering::SeqCst);
        let _waiting = passive::Waiting::begin();
        while runner.done.load(Ordering::SeqCst) < until {
            runner.changed.wait(&mut state);
        }
        Ok(())
    }

    /// Sets what EnqueueAndWait returns for the buffer that is being worked on.
    pub fn status_set(&self, address: usize, status: Status) -> Result<(), Error> {
        let mut state = self.runner.state.lock();
        match &mut state.current {
            Some((current, its_status)) if *current == address => {
                *its_status = status;
                Ok(())
            }
            _ => Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "the buffer is not the one that is being worked on",
            )),
        }
    }

    fn is_in_its_own_callback(&self) -> bool {
        frames::in_callback_of(self.runner.handle)
    }
}

impl Object for QueuedWorkItem {
    const KIND: Kind = Kind::QueuedWorkItem;
    const ENTERED: bool = true;

    fn shut(&self) {
        self.runner.closing.store(true, Ordering::SeqCst);
    }

    fn drained(&self) -> bool {
        !self.runner.posted.load(Ordering::SeqCst)
    }
}

struct Run(Shared<Runner>);

impl Task for Run {
    fn run(&self) {
        let runner = &self.0;
        // One activity for all, so that a delete from inside the work waits for what is queued.
        frames::within(runner.handle, Activity::Callback, || while runner.run_one() {});
    }
}

impl Runner {
    /// The task is over: what was accepted is done, except what somebody who guessed the handle of the
    /// queue below took out of it. Nobody waits for that.
    fn end(&self, mut state: MutexGuard<'_, State>) {
        for waiting in &mut state.waiting {
            waiting.status.get_or_insert(Status::CANCELLED);
        }
        self.done.store(self.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
        self.posted.store(false, Ordering::SeqCst);
        drop(state);
        self.changed.notify_all();
        if self.closing.load(Ordering::SeqCst) {
            tree::tell();
        }
    }

    /// Does the oldest work. False: there was none, and the task is over.
    fn run_one(&self) -> bool {
        let buffer = {
            let mut state = self.state.lock();
            let Ok(buffer) = self.pools.consumer.get() else {
                self.end(state);
                return false;
            };
            let address = buffer.view().buffer.as_ptr().addr();
            state.current = Some((address, Status::SUCCESS));
            buffer
        };
        let view = buffer.view();
        self.work.run(self.handle, view);
        {
            let mut state = self.state.lock();
            let current = state.current.take();
            let waiting = state.waiting.iter_mut().find(|one| {
                Some(one.address) == current.map(|(address, _)| address) && one.status.is_none()
            });
            if let (Some(waiting), Some((_, status))) = (waiting, current) {
                waiting.status = Some(status);
            }
        }
        self.queue.reuse(buffer);
        {
            let _state = self.state.lock();
            self.done.fetch_add(1, Ordering::SeqCst);
        }
        self.changed.notify_all();
        true
    }
}
