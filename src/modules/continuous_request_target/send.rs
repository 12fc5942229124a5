//! Single Requests over the Module's target.
//!
//! Each is a Request of its own, alive from the send to the end of its completion callback. What is
//! outstanding stands in one list, ordered by id, for cancellation and for the end of the Module.

use super::passive::{Completed, PassiveLane};
use super::stream::Stream;
use crate::framework::frames::{self, Activity};
use crate::framework::handle::Handle;
use crate::framework::memory::{self, Shared, try_box, try_push};
use crate::framework::passive;
use crate::framework::status::{Error, Status};
use crate::framework::sync::{AtomicBool, AtomicU32, AtomicUsize, Condvar, Mutex, Ordering};
use crate::framework::table::Ref;
use crate::framework::{timer, tree};
use crate::io::request::{Outcome, Owner, Request, Sent};
use crate::io::target::{Core, Pushed};
use std::collections::VecDeque;
use std::time::Duration;

/// The Client's completion callback of one Request.
pub trait Completion: Send + Sync {
    fn completed(&self, module: Handle, sent: Sent, outcome: Outcome);
}
/// How to send.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Zero: for ever.
    pub timeout: Duration,
    pub passive: bool,
    /// The reusable Request to send.
    pub cookie: Option<usize>,
}

/// The single Requests of a Module.
pub struct Sends {
    handle: Handle,
    stream: Shared<Stream>,
    passive: Mutex<Option<Shared<PassiveLane>>>,
    outstanding: Mutex<VecDeque<(usize, Ref<Request>)>>,
    cookies: Mutex<Vec<Cookie>>,
    timers: Mutex<Option<timer::User>>,
    /// Sends whose callback has not returned.
    active: AtomicU32,
    closing: AtomicBool,
}

struct Cookie {
    id: usize,
    in_use: bool,
}

/// Ids of sends and cookies: never zero, never twice in a process.
static NEXT_ID: AtomicUsize = AtomicUsize::new(1);

fn next_id() -> usize {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

fn unknown_cookie() -> Error {
    Error::new(Status::OBJECTID_NOT_FOUND, "the reusable Request is unknown or in use")
}

impl Sends {
    pub fn new(handle: Handle, stream: Shared<Stream>) -> Self {
        Self {
            handle,
            stream,
            passive: Mutex::new(None),
            outstanding: Mutex::new(VecDeque::new()),
            cookies: Mutex::new(Vec::new()),
            timers: Mutex::new(None),
            active: AtomicU32::new(0),
            closing: AtomicBool::new(false),
        }
    }

    pub fn active(&self) -> u32 {
        self.active.load(Ordering::SeqCst)
    }

    /// The lane for passive completions, made when it is first needed.
    pub fn passive_lane(&self) -> Result<Shared<PassiveLane>, Error> {
        let mut passive = self.passive.lock();
        if let Some(lane) = &*passive {
            return Ok(lane.clone());
        }
        let lane = PassiveLane::new(self.stream.clone())?;
        *passive = Some(lane.clone());
        Ok(lane)
    }

    /// The Module is being deleted: what is outstanding is canceled.
    pub fn shut(&self) {
        self.closing.store(true, Ordering::SeqCst);
        let mut index = 0;
        loop {
            let next = self.outstanding.lock().get(index).copied();
            let Some((_, request)) = next else { return };
            request.cancel(Status::CANCELLED);
            index += 1;
        }
    }

    /// Nothing is outstanding, now or later.
    pub fn close(&self) {
        let lane = self.passive.lock().take();
        if let Some(lane) = lane {
            lane.close();
        }
        let timers = self.timers.lock().take();
        drop(timers);
    }

    /// Sends a Request; `tell_id` gets its id before its callback can run.
    pub fn send(
        this: &Shared<Self>,
        sent: Sent,
        manner: Manner,
        completion: Option<Box<dyn Completion>>,
        tell_id: impl FnOnce(usize),
    ) -> Result<(), Error> {
        if let Some(cookie) = manner.cookie {
            this.take_cookie(cookie)?;
        }
        let done = Self::send_one(this, sent, manner, completion, tell_id);
        if let (Err(_), Some(cookie)) = (&done, manner.cookie) {
            this.free_cookie(cookie);
        }
        done
    }

    fn send_one(
        this: &Shared<Self>,
        sent: Sent,
        manner: Manner,
        completion: Option<Box<dyn Completion>>,
        tell_id: impl FnOnce(usize),
    ) -> Result<(), Error> {
        let target = this.stream.target()?;
        let passive = if manner.passive { Some(this.passive_lane()?) } else { None };
        let single = Shared::new(Single {
            sends: this.clone(),
            sent,
            completion,
            cookie: manner.cookie,
            target: target.clone(),
        })?;
        let owner = Shared::new(
            try_box(SingleOwner { single, passive: passive.clone() })? as Box<dyn Owner>
        )?;
        let request = Ref::alone(owner)?;
        let submitted = this.prepare(request, sent, manner.timeout).and_then(|id| {
            if let Some(passive) = &passive {
                passive.expect(1)?;
            }
            tell_id(id);
            this.active.fetch_add(1, Ordering::SeqCst);
            Core::submit(&target, request, sent.operation, None).inspect_err(|_| {
                if let Some(passive) = &passive {
                    passive.expect_less();
                }
                this.one_less();
            })
        });
        match submitted {
            Ok(Pushed::Waits) => Ok(()),
            Ok(Pushed::Canceled) => {
                let _ = request.complete(Status::CANCELLED, Some(0));
                Ok(())
            }
            Err(error) => {
                request.discard();
                Err(error)
            }
        }
    }

    /// Everything that can fail before a Request is sent; its id.
    fn prepare(
        &self,
        request: Ref<Request>,
        sent: Sent,
        timeout: Duration,
    ) -> Result<usize, Error> {
        request.arm(sent.used())?;
        let id = self.remember(request)?;
        if !timeout.is_zero() {
            let mut timers = self.timers.lock();
            if timers.is_none() {
                *timers = Some(timer::User::attach()?);
            }
            if let Some(timers) = &*timers {
                let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
                let at = timer::now().saturating_add(nanoseconds);
                timers.schedule(at, request.handle, timed_out)?;
            }
        }
        Ok(id)
    }

    fn remember(&self, request: Ref<Request>) -> Result<usize, Error> {
        let mut outstanding = self.outstanding.lock();
        // From here on either this is seen, or the Request is by whoever cancels what is outstanding.
        if self.closing.load(Ordering::SeqCst) {
            return Err(Error::new(Status::INVALID_DEVICE_STATE, "the Module is being deleted"));
        }
        if outstanding.len() == outstanding.capacity() {
            outstanding.retain(|(_, request)| request.lock().is_ok());
            if outstanding.len() > outstanding.capacity() / 2 || outstanding.capacity() == 0 {
                memory::permit()?;
                let more = outstanding.len().max(8);
                outstanding.try_reserve(more).map_err(|_| memory::no_memory())?;
            }
        }
        let id = next_id();
        outstanding.push_back((id, request));
        Ok(id)
    }

    fn one_less(&self) {
        if self.active.fetch_sub(1, Ordering::SeqCst) == 1 && self.closing.load(Ordering::SeqCst) {
            tree::tell();
        }
    }

    /// Cancels the Request with that id. False: unknown, or it has ended.
    pub fn cancel(&self, id: usize) -> bool {
        let request = {
            let outstanding = self.outstanding.lock();
            let Ok(index) = outstanding.binary_search_by_key(&id, |(id, _)| *id) else {
                return false;
            };
            outstanding[index].1
        };
        request.cancel(Status::CANCELLED)
    }

    pub fn reuse_create(&self) -> Result<usize, Error> {
        let id = next_id();
        try_push(&mut self.cookies.lock(), Cookie { id, in_use: false })?;
        Ok(id)
    }

    /// False: the cookie is unknown or in use.
    pub fn reuse_delete(&self, id: usize) -> bool {
        let mut cookies = self.cookies.lock();
        match cookies.iter().position(|cookie| cookie.id == id && !cookie.in_use) {
            Some(index) => {
                cookies.swap_remove(index);
                true
            }
            None => false,
        }
    }

    fn take_cookie(&self, id: usize) -> Result<(), Error> {
        let mut cookies = self.cookies.lock();
        let cookie = cookies.iter_mut().find(|cookie| cookie.id == id && !cookie.in_use);
        cookie.ok_or_else(unknown_cookie)?.in_use = true;
        Ok(())
    }

    fn free_cookie(&self, id: usize) {
        let mut cookies = self.cookies.lock();
        if let Some(cookie) = cookies.iter_mut().find(|cookie| cookie.id == id) {
            cookie.in_use = false;
        }
    }

    /// Sends a Request and waits for its end.
    pub fn send_synchronously(
        this: &Shared<Self>,
        sent: Sent,
        timeout: Duration,
    ) -> Result<Outcome, Error> {
        let target = this.stream.target()?;
        if target.would_wait_for_itself(sent.operation) {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "SendSynchronously on the thread that is to end the Request would wait for itself",
            ));
        }
        let end = Shared::new(End::default())?;
        let owner = Shared::new(try_box(Waiting(end.clone()))? as Box<dyn Owner>)?;
        let request = Ref::alone(owner)?;
        let submitted = this
            .prepare(request, sent, timeout)
            .and_then(|_| Core::submit(&target, request, sent.operation, None));
        match submitted {
            Ok(Pushed::Waits) => {}
            Ok(Pushed::Canceled) => {
                let _ = request.complete(Status::CANCELLED, Some(0));
            }
            Err(error) => {
                request.discard();
                return Err(error);
            }
        }
        let outcome = end.wait();
        target.count(sent.operation, sent.input.len(), outcome);
        Ok(outcome)
    }
}

/// The timer thread: a Request's time is over.
fn timed_out(request: Handle) {
    Ref::<Request>::new(request).cancel(Status::IO_TIMEOUT);
}

/// One Request that was sent.
struct Single {
    sends: Shared<Sends>,
    sent: Sent,
    completion: Option<Box<dyn Completion>>,
    cookie: Option<usize>,
    target: Shared<Core>,
}

struct SingleOwner {
    single: Shared<Single>,
    passive: Option<Shared<PassiveLane>>,
}

/// A send that has ended; its callback is still to be called.
pub struct Finished {
    single: Shared<Single>,
    outcome: Outcome,
}

impl Owner for SingleOwner {
    fn completed(&self, request: Ref<Request>, _tag: usize, outcome: Outcome, abandoned: bool) {
        if abandoned {
            let _ = request.leave([None, None]);
        } else {
            request.discard();
        }
        let Sent { operation, input, .. } = self.single.sent;
        self.single.target.count(operation, input.len(), outcome);
        let finished = Finished { single: self.single.clone(), outcome };
        match &self.passive {
            Some(passive) => {
                self.single.target.tells_later();
                passive.post(Completed::Send(finished));
            }
            None => finished.tell(),
        }
    }
}

impl Finished {
    pub fn target(&self) -> Shared<Core> {
        self.single.target.clone()
    }

    /// Calls the Client's callback.
    pub fn tell(self) {
        let single = &self.single;
        let sends = single.sends.clone();
        frames::within(sends.handle, Activity::Callback, || {
            if let Some(cookie) = single.cookie {
                // The callback may send it again.
                sends.free_cookie(cookie);
            }
            if let Some(completion) = &single.completion {
                completion.completed(sends.handle, single.sent, self.outcome);
            }
            sends.one_less();
        });
    }
}

/// Where a waiting thread finds the outcome.
#[derive(Default)]
struct End {
    outcome: Mutex<Option<Outcome>>,
    changed: Condvar,
}

impl End {
    fn wait(&self) -> Outcome {
        let _waiting = passive::Waiting::begin();
        let mut outcome = self.outcome.lock();
        loop {
            if let Some(outcome) = *outcome {
                return outcome;
            }
            self.changed.wait(&mut outcome);
        }
    }
}

struct Waiting(Shared<End>);

impl Owner for Waiting {
    fn completed(&self, request: Ref<Request>, _tag: usize, outcome: Outcome, abandoned: bool) {
        if abandoned {
            let _ = request.leave([None, None]);
        } else {
            request.discard();
        }
        *self.0.outcome.lock() = Some(outcome);
        self.0.changed.notify_all();
    }
}
