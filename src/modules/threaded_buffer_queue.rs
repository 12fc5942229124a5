//! ThreadedBufferQueue: a BufferQueue and a thread that works through it.
//!
//! ```text
//!   Stopped ──Start──> Running ──Stop──> Stopping ──the thread has ended──> Stopped
//! ```
//!
//! The thread wakes when something is enqueued and takes buffers until none is left, or until the work
//! callback keeps one (WorkPending); then it takes nothing more before the next Enqueue. A buffer is
//! the Client's during the callback.

use super::buffer_pool::{End, Settings};
use super::buffer_queue::{BufferQueue, Cleanup, Pools};
use crate::framework::buffer::{Buffer, ClientBuffer};
use crate::framework::deletion;
use crate::framework::frames::{self, Activity};
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::{Shared, try_push};
use crate::framework::passive;
use crate::framework::status::{Error, Status};
use crate::framework::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, Ordering};
use crate::framework::table::{Object, Ref};
use crate::framework::thread;
use crate::framework::tree::{self, Draft};
use std::thread::JoinHandle;

/// What became of a buffer in the work callback.
#[derive(Clone, Copy)]
pub enum Worked {
    Complete(Status),
    /// The Client keeps it and completes it later.
    Pending,
}

/// The Client's callbacks.
pub trait Work: Send + Sync {
    fn before(&self, thread: Handle);
    fn work(&self, module: Handle, buffer: ClientBuffer) -> Worked;
    fn after(&self, thread: Handle);
    fn broke_the_contract(&self, module: Handle, report: &Error);
}

/// See the file's head.
pub struct ThreadedBufferQueue {
    worker: Shared<Worker>,
}

/// The object that the Pre and Post callbacks are told: the thread, a child of the queue.
struct InnerThread;

impl Object for InnerThread {
    const KIND: Kind = Kind::Thread;
}

struct Worker {
    handle: Handle,
    thread: Handle,
    queue: Ref<BufferQueue>,
    pools: Pools,
    work: Box<dyn Work>,
    state: Mutex<State>,
    changed: Condvar,
    /// The thread may still call back.
    alive: AtomicBool,
    /// [`thread::current_id`] of the thread.
    own_thread: AtomicUsize,
    closing: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Stopped,
    Running,
    Stopping,
}

struct State {
    phase: Phase,
    /// Something was enqueued since the thread last looked.
    signaled: bool,
    thread: Option<JoinHandle<()>>,
    /// The thread is finishing deletes that its callbacks put off, which may wait for whoever is
    /// inside the Module: nobody there waits for it.
    lingers: bool,
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

impl ThreadedBufferQueue {
    /// The body of a Module that is being made; its thread does not run yet.
    pub fn new(
        draft: &Draft,
        settings: Settings,
        work: Box<dyn Work>,
        cleanup: Option<Box<dyn Cleanup>>,
    ) -> Result<Self, Error> {
        let (queue, pools) = BufferQueue::below(draft, settings, cleanup)?;
        let thread = draft.part(Kind::Thread)?.open(InnerThread)?;
        let worker = Shared::new(Worker {
            handle: draft.handle(),
            thread,
            queue,
            pools,
            work,
            state: Mutex::new(State {
                phase: Phase::Stopped,
                signaled: false,
                thread: None,
                lingers: false,
                waiting: Vec::new(),
                ticket: 0,
            }),
            changed: Condvar::new(),
            alive: AtomicBool::new(false),
            own_thread: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        })?;
        Ok(Self { worker })
    }

    pub fn count(&self) -> Result<u32, Error> {
        self.worker.pools.consumer.count()
    }

    pub fn fetch(&self) -> Result<Buffer, Error> {
        self.worker.pools.producer.get()
    }

    pub fn start(&self) -> Result<(), Error> {
        let worker = &self.worker;
        let mut state = worker.state.lock();
        if state.phase != Phase::Stopped || worker.closing.load(Ordering::SeqCst) {
            return Err(Error::new(Status::INVALID_DEVICE_STATE, "started already"));
        }
        // A thread that stopped itself has ended but for its last few instructions.
        let ended = state.take_ended();
        let running = worker.clone();
        state.thread = Some(thread::start("dmf-queue", move || running.run())?);
        state.phase = Phase::Running;
        // What is queued already is work.
        state.signaled = true;
        worker.alive.store(true, Ordering::SeqCst);
        drop(state);
        if let Some(ended) = ended {
            thread::join(ended);
        }
        Ok(())
    }

    /// Ends the thread; a running callback returns first. From inside a callback: misuse, and the
    /// thread ends when that has returned.
    pub fn stop(&self) -> Result<(), Error> {
        let worker = &self.worker;
        let mut state = worker.state.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Stopping;
            worker.changed.notify_all();
        }
        if worker.is_in_its_own_callback() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "Stop from the Module's own callback would wait for itself; the thread ends later",
            ));
        }
        let _waiting = passive::Waiting::begin();
        while state.phase == Phase::Stopping
            && !(state.lingers && worker.closing.load(Ordering::SeqCst))
        {
            worker.changed.wait(&mut state);
        }
        let ended = if state.phase == Phase::Stopped { state.take_ended() } else { None };
        drop(state);
        if let Some(ended) = ended {
            thread::join(ended);
        }
        Ok(())
    }

    pub fn enqueue(&self, address: usize, end: End) -> Result<Option<Error>, Error> {
        let overrun = self.worker.pools.consumer.put_from_client(address, end)?;
        self.worker.signal(&mut self.worker.state.lock());
        Ok(overrun)
    }

    /// Enqueues and waits until the work in the buffer is done; its status.
    pub fn enqueue_and_wait(
        &self,
        address: usize,
        end: End,
    ) -> Result<(Status, Option<Error>), Error> {
        let worker = &self.worker;
        if worker.is_in_its_own_callback() {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "waiting from the Module's own callback would wait for itself",
            ));
        }
        let mut state = worker.state.lock();
        if worker.closing.load(Ordering::SeqCst) {
            return Err(Error::new(Status::INVALID_DEVICE_STATE, "the Module is being deleted"));
        }
        let ticket = state.ticket;
        try_push(&mut state.waiting, Waiting { ticket, address, status: None })?;
        state.ticket += 1;
        let overrun = match worker.pools.consumer.put_from_client(address, end) {
            Ok(overrun) => overrun,
            Err(error) => {
                state.waiting.pop();
                return Err(error);
            }
        };
        worker.signal(&mut state);
        let _waiting = passive::Waiting::begin();
        loop {
            let found =
                state.waiting.iter().position(|one| one.ticket == ticket && one.status.is_some());
            if let Some(index) = found {
                let status = state.waiting.swap_remove(index).status;
                return Ok((status.unwrap_or(Status::SUCCESS), overrun));
            }
            worker.changed.wait(&mut state);
        }
    }

    /// Ends waiting work with CANCELLED.
    pub fn flush(&self) {
        self.worker.cancel(false);
    }

    /// Gives a buffer back. Work in it that the callback left pending is never done.
    pub fn reuse(&self, address: usize) -> Result<Option<Error>, Error> {
        self.work_completed(address, Status::CANCELLED)
    }

    /// Ends work that the callback left pending.
    pub fn work_completed(&self, address: usize, status: Status) -> Result<Option<Error>, Error> {
        let buffer = self.worker.pools.producer.take_from_client(address)?;
        let overrun = buffer.check().err();
        self.worker.complete(buffer, status);
        Ok(overrun)
    }
}

impl Object for ThreadedBufferQueue {
    const KIND: Kind = Kind::ThreadedBufferQueue;
    const ENTERED: bool = true;

    fn shut(&self) {
        let worker = &self.worker;
        worker.closing.store(true, Ordering::SeqCst);
        let mut state = worker.state.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Stopping;
        }
        worker.changed.notify_all();
        drop(state);
        // Whoever waits in a Method is inside the Module, which closes when he has left. A thread that
        // is still to end tells him when it does.
        if self.drained() {
            worker.give_up_waiting();
        }
    }

    fn drained(&self) -> bool {
        let worker = &self.worker;
        // The thread itself, outside its callbacks, closes a Module that was deleted from one of them.
        !worker.alive.load(Ordering::SeqCst)
            || worker.own_thread.load(Ordering::SeqCst) == thread::current_id()
    }

    fn close(&mut self, _handle: Handle) {
        self.worker.end();
        let thread = self.worker.state.lock().take_ended();
        if let Some(thread) = thread {
            thread::join(thread);
        }
        self.worker.cancel(true);
    }
}

impl State {
    /// The thread that has ended, to be joined; one that lingers ends by itself.
    fn take_ended(&mut self) -> Option<JoinHandle<()>> {
        self.thread.take().filter(|_| !self.lingers)
    }
}

impl Worker {
    fn is_in_its_own_callback(&self) -> bool {
        frames::in_callback_of(self.handle)
    }

    fn signal(&self, state: &mut State) {
        state.signaled = true;
        self.changed.notify_all();
    }

    /// Runs something that calls back. Deletes that this puts off are finished before it returns.
    fn in_callback<R>(&self, callback: impl FnOnce() -> R) -> R {
        let (result, lingered) = frames::within(self.handle, Activity::Callback, || {
            let result = callback();
            let lingers = deletion::has_deferred();
            if lingers {
                self.state.lock().lingers = true;
                self.changed.notify_all();
            }
            (result, lingers)
        });
        if lingered {
            self.state.lock().lingers = false;
        }
        result
    }

    /// The thread.
    fn run(&self) {
        self.own_thread.store(thread::current_id(), Ordering::SeqCst);
        self.in_callback(|| self.work.before(self.thread));
        while self.wait_for_work() {
            while self.in_callback(|| self.work_once()) {}
        }
        self.end();
    }

    /// The thread's last callback. The Module may have been closed by the thread already, after the
    /// callback that deleted it.
    fn end(&self) {
        if !self.alive.load(Ordering::SeqCst) {
            return;
        }
        // The thread has stopped before a delete that the callback puts off is finished: that waits
        // for whoever is in Stop.
        self.in_callback(|| {
            self.work.after(self.thread);
            let mut state = self.state.lock();
            state.phase = Phase::Stopped;
            state.lingers = deletion::has_deferred();
            self.alive.store(false, Ordering::SeqCst);
            drop(state);
            self.changed.notify_all();
            if self.closing.load(Ordering::SeqCst) {
                self.give_up_waiting();
                tree::tell();
            }
        });
    }

    /// False: the thread is to end.
    fn wait_for_work(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.phase != Phase::Running {
                return false;
            }
            if std::mem::replace(&mut state.signaled, false) {
                return true;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Works on the first buffer. False: nothing more is to be taken now.
    fn work_once(&self) -> bool {
        if self.state.lock().phase != Phase::Running {
            return false;
        }
        let Ok(buffer) = self.pools.consumer.get() else { return false };
        let client = buffer.into_client();
        let status = match self.work.work(self.handle, client) {
            Worked::Complete(status) => status,
            Worked::Pending => return false,
        };
        match self.pools.producer.take_from_client(client.buffer.as_ptr().addr()) {
            Ok(buffer) => {
                if let Err(overrun) = buffer.check() {
                    self.work.broke_the_contract(self.handle, &overrun);
                }
                self.complete(buffer, status);
            }
            Err(error) => self.work.broke_the_contract(self.handle, &error),
        }
        true
    }

    /// Tells all who wait for the work in the buffer (one who enqueued it, and those who did so again while it was
    /// pending), and reuses it.
    fn complete(&self, buffer: Buffer, status: Status) {
        let address = buffer.view().buffer.as_ptr().addr();
        let mut state = self.state.lock();
        let mut is_waited_for = false;
        for waiting in state.waiting.iter_mut().filter(|one| one.address == address) {
            waiting.status.get_or_insert(status);
            is_waited_for = true;
        }
        if is_waited_for {
            self.changed.notify_all();
        }
        drop(state);
        self.queue.reuse(buffer);
    }

    /// Ends what is queued with CANCELLED.
    fn cancel(&self, for_good: bool) {
        let consumer = self.pools.consumer;
        let drained = if for_good { Ok(consumer.seal()) } else { consumer.drain() };
        // Nothing is drained only where the queue is gone.
        let mut buffers = drained.unwrap_or_default();
        while let Some(buffer) = buffers.pop_front() {
            self.complete(buffer, Status::CANCELLED);
        }
    }

    /// Tells everybody who waits that the work is not done.
    fn give_up_waiting(&self) {
        let mut state = self.state.lock();
        for waiting in &mut state.waiting {
            waiting.status.get_or_insert(Status::CANCELLED);
        }
        self.changed.notify_all();
    }
}
