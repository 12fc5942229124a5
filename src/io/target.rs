//! What all I/O targets share: pending reads, the backlog of reports that nobody has asked for yet,
//! the end of the device, and what was counted.
//!
//! A target keeps its pending reads in its own queue and gives each report to the oldest. When none
//! is pending the report waits in the backlog; the oldest one there makes room for the newest, and is
//! counted. Once the device is gone the backlog is delivered before anybody is told.
//!
//! What may block goes to a thread of its own ([`super::worker`]). The lock is never held across a
//! completion.

use super::backlog::{self, Backlog};
pub use super::queue::Pushed;
use super::queue::{HeldRequests, RequestQueue};
use super::report_descriptor::Layout;
use super::request::{Claim, Operation, Outcome, Request, Round, Teller};
use super::request_state::Holder;
use super::statistics::{Bytes, Statistics};
use crate::framework::deletion;
use crate::framework::guarded::{Guarded, Inside, Level, Signal};
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::Shared;
use crate::framework::status::{Error, Status, fail};
use crate::framework::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};
use crate::framework::table::{Object, Ref};
use crate::framework::thread;
use crate::framework::tree;
use once_cell::sync::OnceCell;
use std::thread::JoinHandle;
use std::time::Instant;

use super::reader::Source;
use super::worker;

/// What a target does with a Request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// It waits for a report.
    Reports,
    /// The target's thread works on it.
    Work,
    /// It may block: a thread of its own works on it.
    Operation,
}

/// What a target can do besides delivering reports.
pub trait Device: Send + Sync {
    fn route(&self, operation: Operation) -> Result<Route, Error> {
        match operation {
            Operation::Read => Ok(Route::Reports),
            Operation::Ioctl(_) | Operation::InternalIoctl(_) => Ok(Route::Work),
            Operation::Write => {
                Err(Error::new(Status::INVALID_DEVICE_REQUEST, "the target takes no writes"))
            }
        }
    }

    /// Whether what an operation transfers goes to the device.
    fn is_output(&self, operation: Operation) -> bool {
        operation == Operation::Write
    }

    /// Who holds a Request that is worked on.
    fn holder(&self) -> Holder {
        Holder::Transport
    }

    /// Works on a claimed Request, on the target's thread; `source` is where its reports come from.
    fn perform(&self, core: &Core, source: Option<&mut dyn Source>, claim: Claim);

    /// Does what may block. `output` has the caller's first byte on entry and is as long as his buffer;
    /// the bytes that were transferred.
    fn operate(
        &self,
        _operation: Operation,
        _input: &[u8],
        _output: &mut [u8],
    ) -> Result<usize, Error> {
        Err(Error::new(Status::INVALID_DEVICE_REQUEST, "the target does not do this"))
    }
}

/// Reports that the system keeps of a device while nobody wants them.
pub trait Kept: Send + Sync {
    /// Forgets them, and says how often that was done. Under the target's lock. Whoever reads may be in
    /// the middle of it: what was read before has a smaller number ([`Next::Report`]). `None`: he waits
    /// for the device, which has kept nothing.
    ///
    /// [`Next::Report`]: super::reader::Next::Report
    fn forget(&self) -> Option<u64>;
}

/// What takes the reports of a target that has no thread of its own.
pub trait Carrier: Send + Sync {
    /// Has the target looked at soon.
    fn kick(&self);

    fn is_this_thread(&self) -> bool;

    /// The target is closed: it is not looked at any more when this returns, except further up the
    /// calling thread's stack.
    fn detach(&self, core: &Core);
}

/// Who is told, once, that a target's device is gone.
pub trait Removal: Send {
    fn removed(&self);
}

/// Completes a claimed control request with the answer to its code, which does not wait for a device.
pub fn answer_control(claim: Claim, answer: impl FnOnce(u32, &Claim) -> Result<usize, Error>) {
    let answered = match claim.operation {
        Operation::Ioctl(code) | Operation::InternalIoctl(code) => answer(code, &claim),
        Operation::Read | Operation::Write => {
            Err(Error::new(Status::INVALID_DEVICE_REQUEST, "not a control request"))
        }
    };
    claim.complete(match answered {
        Ok(information) => Outcome { status: Status::SUCCESS, information },
        Err(error) => Outcome::failed(error.status),
    });
}

fn is_here(thread: &AtomicUsize) -> bool {
    thread.load(Ordering::Relaxed) == thread::current_id()
}

/// What a target and its users hold together.
pub struct Core {
    pub layout: Layout,
    pub statistics: Statistics,
    pub(super) device: Box<dyn Device>,
    /// `None`: the target's own thread, which waits for `changed`.
    carrier: OnceCell<Box<dyn Carrier>>,
    /// `None`: whoever takes the reports forgets them himself ([`Source::resume`]).
    kept: OnceCell<Box<dyn Kept>>,
    /// [`thread::current_id`] of the target's thread.
    own_thread: AtomicUsize,
    /// The same of its worker.
    operating_thread: AtomicUsize,
    /// The target's thread does something from which callbacks may be called.
    performing: AtomicBool,
    pub(super) state: Guarded<State>,
    pub(super) changed: Signal,
    /// Told when there is something to operate on.
    pub(super) operations: Signal,
    worker: Mutex<Option<JoinHandle<()>>>,
}

/// Guarded by the core's lock.
pub struct State {
    pub reads: RequestQueue,
    pub work: RequestQueue,
    pub slow: RequestQueue,
    /// Requests that a target of the program's own has, or that an operation works on.
    pub held: HeldRequests,
    /// The worker is in an operation.
    pub operating: bool,
    pub backlog: Backlog,
    /// Streams that are started.
    pub streams: u32,
    /// The target is deleted.
    pub closed: bool,
    /// Streams that are about to send their first Requests.
    pub starting: u32,
    /// The device has nothing more to give.
    pub removed: bool,
    /// What was pending then has been told that the device is gone, or is being told, and nothing more is taken.
    pub announced: bool,
    /// Requests that have ended, and whose Client is still to be told, on another thread.
    pub untold: usize,
    /// Who is told last.
    removal: Option<Box<dyn Removal>>,
    /// His time has come.
    pub removal_told: bool,
    /// Nobody has wanted reports since then. Whoever takes it forgets what was kept meanwhile.
    pub paused: Option<Instant>,
    /// A read is being completed on the target's thread, and no stream has stopped since: who asks for
    /// the next report in its callback misses none.
    delivering: bool,
    /// How often what was kept was forgotten ([`Kept`]).
    forgets: u64,
    /// The thread sleeps, and is to forget when it wakes.
    pub asleep: bool,
    /// The carrier looks at the target.
    pub carried: bool,
    /// It is to look again.
    pub kicked: bool,
    /// It will look by itself when a report comes.
    pub watched: bool,
}

impl State {
    /// Whether somebody wants reports.
    pub fn is_wanted(&mut self) -> bool {
        self.streams > 0 || self.reads.is_waited()
    }

    /// Claims a Request, and holds it. Nothing is handed out that could not be taken back; what waits can be
    /// canceled.
    pub fn claim_held(&mut self, claim: impl FnOnce(&mut Self) -> Option<Claim>) -> Option<Claim> {
        if !self.held.make_room() {
            return None;
        }
        let claim = claim(self)?;
        self.held.push(&claim);
        Some(claim)
    }

    fn claim_any(&mut self) -> Option<Claim> {
        let State { reads, work, slow, .. } = self;
        [reads, work, slow].into_iter().find_map(|queue| queue.claim(Holder::Transport))
    }

    /// Whether a carrier that waits for reports has anything else to do.
    fn has_more_than_reports(&mut self) -> bool {
        !self.watched
            || self.closed
            || self.removed
            || !self.backlog.is_empty()
            || !self.is_wanted()
            || self.work.is_waited()
    }

    /// Why a new Request is refused.
    fn refusal(&self) -> Option<Error> {
        if self.closed {
            return Some(Error::new(Status::INVALID_DEVICE_STATE, "the target is deleted"));
        }
        if self.announced {
            return Some(Error::new(Status::DEVICE_NOT_CONNECTED, "the device is gone"));
        }
        None
    }
}

impl Core {
    pub fn new(layout: Layout, device: Box<dyn Device>) -> Result<Shared<Self>, Error> {
        let backlog = Backlog::new(backlog::DEPTH, layout.longest_input)?;
        Shared::new(Self {
            layout,
            statistics: Statistics::default(),
            device,
            carrier: OnceCell::new(),
            kept: OnceCell::new(),
            own_thread: AtomicUsize::new(0),
            operating_thread: AtomicUsize::new(0),
            performing: AtomicBool::new(false),
            state: Guarded::new(
                Level::Inner,
                State {
                    reads: RequestQueue::default(),
                    work: RequestQueue::default(),
                    slow: RequestQueue::default(),
                    held: HeldRequests::default(),
                    operating: false,
                    backlog,
                    streams: 0,
                    starting: 0,
                    closed: false,
                    removed: false,
                    announced: false,
                    untold: 0,
                    removal: None,
                    removal_told: false,
                    paused: Some(Instant::now()),
                    delivering: false,
                    forgets: 0,
                    asleep: false,
                    carried: false,
                    kicked: false,
                    watched: false,
                },
            ),
            changed: Signal::new(),
            operations: Signal::new(),
            worker: Mutex::new(None),
        })
    }

    /// Sends a Request. `round`: a stream's, which is armed for that now, and so never canceled before; others
    /// are armed already. An error: it was not sent, and is the caller's again. Canceled: the caller completes
    /// it, without a lock.
    pub fn submit(
        this: &Shared<Self>,
        request: Ref<Request>,
        operation: Operation,
        round: Option<&Round>,
    ) -> Result<Pushed, Error> {
        let route = this.device.route(operation)?;
        match route {
            Route::Reports => this.check_read(request, round)?,
            Route::Work => {}
            Route::Operation => Self::ensure_worker(this)?,
        }
        let mut state = this.state.lock();
        if let Some(refusal) = state.refusal() {
            return Err(refusal);
        }
        let queue = match route {
            Route::Reports => &mut state.reads,
            Route::Work => &mut state.work,
            Route::Operation => &mut state.slow,
        };
        let pushed = queue.push(request, None, round)?;
        match route {
            Route::Reports | Route::Work => this.wake(state),
            Route::Operation => {
                drop(state);
                this.operations.give();
            }
        }
        Ok(pushed)
    }

    /// The thread for what may block starts when it is first needed.
    fn ensure_worker(this: &Shared<Self>) -> Result<(), Error> {
        let mut worker = this.worker.lock();
        if worker.is_none() && !this.state.lock().closed {
            *worker = Some(worker::start(this.clone())?);
        }
        Ok(())
    }

    /// The target's thread begins something from which callbacks may be called; under the state's lock,
    /// and not once the target is closed.
    pub(super) fn performs(&self) {
        self.performing.store(true, Ordering::Relaxed);
    }

    /// It has done it, and no callback runs on it any more.
    pub(super) fn has_performed(&self) {
        // Whoever closes the target has its lock after this, and sees it, or before, and is told.
        self.performing.store(false, Ordering::Release);
        let mut state = self.state.lock();
        state.delivering = false;
        if state.closed {
            drop(state);
            tree::tell();
        }
    }

    /// The target's reports are taken by `carrier` from now on.
    pub(super) fn set_carrier(&self, carrier: Box<dyn Carrier>) {
        let _ = self.carrier.set(carrier);
    }

    /// Whoever wants reports again has these forgotten before he gets the first.
    pub(super) fn set_kept(&self, kept: Box<dyn Kept>) {
        let _ = self.kept.set(kept);
    }

    /// Sets how many reports wait at most. The newest of those that wait are kept.
    pub(super) fn set_backlog_depth(&self, depth: usize) -> Result<(), Error> {
        let fresh = Backlog::new(depth, self.layout.longest_input)?;
        let mut state = self.state.lock();
        let mut old = std::mem::replace(&mut state.backlog, fresh);
        let mut dropped = 0;
        while let Some(full) = old.pop(|report| state.backlog.push(report)) {
            dropped += u64::from(full);
        }
        self.statistics.count_dropped(dropped);
        Ok(())
    }

    /// Forgets the reports that wait; they are not counted.
    pub(super) fn forget_backlog(&self) {
        self.state.lock().backlog.clear();
    }

    pub(super) fn backlog_depth(&self) -> usize {
        self.state.lock().backlog.depth()
    }

    /// The oldest Request that is to be worked on.
    pub(super) fn next_work(&self, state: &mut State) -> Option<Claim> {
        state.work.claim(self.device.holder())
    }

    /// What the target's thread does next while it [performs](Core::performs); nothing, if a callback has put
    /// a delete off. `completed`: what it has done, and holds no more.
    pub(super) fn next_work_after(&self, completed: Option<&Claim>) -> Option<Claim> {
        let mut state = self.state.lock();
        if let Some(completed) = completed {
            state.held.forget(completed);
        }
        if state.closed || deletion::has_deferred() {
            return None;
        }
        state.claim_held(|state| self.next_work(state))
    }

    /// The calling thread is the target's.
    pub(super) fn runs_here(&self) {
        self.own_thread.store(thread::current_id(), Ordering::Relaxed);
    }

    /// Whether the calling thread is the target's.
    fn is_own_thread(&self) -> bool {
        match self.carrier.get() {
            Some(carrier) => carrier.is_this_thread(),
            None => is_here(&self.own_thread),
        }
    }

    /// The calling thread is the target's worker.
    pub(super) fn operates_here(&self) {
        self.operating_thread.store(thread::current_id(), Ordering::Relaxed);
    }

    /// Whether waiting for such a Request would be waiting for the calling thread.
    pub fn would_wait_for_itself(&self, operation: Operation) -> bool {
        match self.device.route(operation) {
            Ok(Route::Operation) => is_here(&self.operating_thread),
            _ => self.is_own_thread(),
        }
    }

    /// A read takes any of the device's reports whole.
    fn check_read(&self, request: Ref<Request>, round: Option<&Round>) -> Result<(), Error> {
        let length = match round {
            Some(round) => round.sent.output.len(),
            None => request.output_length()?,
        };
        let needed = self.layout.longest_input;
        if length >= needed {
            return Ok(());
        }
        Err(match round {
            Some(_) => fail!(
                BUFFER_TOO_SMALL,
                "the buffers have {length} bytes; the device's longest report needs {needed}"
            ),
            None => fail!(
                INVALID_BUFFER_SIZE,
                "the buffer has {length} bytes; the device's longest report needs {needed}"
            ),
        })
    }

    /// A stream starts: from now on reports are kept for it. Until [`Core::stream_sent`] nobody is
    /// told that the device is gone, so that a short recording does not end between two Requests.
    pub fn stream_started(&self) {
        let mut state = self.state.lock();
        state.streams += 1;
        state.starting += 1;
        self.wake(state);
    }

    /// Has the target looked at. Where reports are wanted that were not wanted before, the old ones are
    /// forgotten when this returns: one that comes from now on is not taken for old.
    ///
    /// The caller may hold locks: the thread takes none on its way.
    #[inline]
    fn wake(&self, state: Inside<'_, State>) {
        if self.kept.get().is_some() || self.carrier.get().is_some() || state.asleep {
            return self.wake_reader(state);
        }
        self.changed.give();
    }

    /// The rest of [`Core::wake`], where reports come from somewhere.
    #[inline(never)]
    fn wake_reader(&self, mut state: Inside<'_, State>) {
        if let Some(kept) = self.kept.get()
            && state.is_wanted()
            && !state.removed
            && state.paused.take().is_some()
        {
            if !(state.delivering && self.is_own_thread()) {
                state.backlog.clear();
                if let Some(forgets) = kept.forget() {
                    state.forgets = forgets;
                }
            }
            // There is nothing more to wait for.
            state.asleep = false;
        }
        if self.carrier.get().is_some() {
            return self.stir(state);
        }
        self.changed.give();
        while state.asleep && state.is_wanted() {
            self.changed.wait(&mut state);
        }
    }

    /// Has the target looked at because something has changed.
    fn stir(&self, mut state: Inside<'_, State>) {
        self.note_pause(&mut state);
        let Some(carrier) = self.carrier.get() else {
            drop(state);
            self.changed.give();
            return;
        };
        if state.kicked || state.carried && carrier.is_this_thread() {
            // It looks again by itself.
            return;
        }
        if state.carried {
            state.kicked = true;
        } else if state.has_more_than_reports() {
            state.kicked = true;
            drop(state);
            carrier.kick();
        }
    }

    /// Notes when nobody wants reports any more: whoever reads may still be busy when somebody does
    /// again.
    fn note_pause(&self, state: &mut State) {
        if self.kept.get().is_some() && state.paused.is_none() && !state.is_wanted() {
            state.paused = Some(Instant::now());
        }
    }

    /// The thread does not sleep any more, or there is nothing to wait for.
    pub(super) fn woke(&self, state: &mut State) {
        if std::mem::take(&mut state.asleep) {
            self.changed.give();
        }
    }

    /// The stream has sent its first Requests.
    pub fn stream_sent(&self) {
        let mut state = self.state.lock();
        state.starting -= 1;
        self.stir(state);
    }

    /// A stream has stopped. What the last one leaves unread is nobody's.
    pub fn stream_stopped(&self) {
        let mut state = self.state.lock();
        state.streams -= 1;
        if state.streams == 0 {
            state.backlog.clear();
            state.delivering = false;
            // The thread is to notice the pause when it begins.
            self.stir(state);
        }
    }

    /// Sets who is told of the removal, after the last report and the last Request; at once if that is
    /// past.
    pub fn set_removal(&self, removal: Option<Box<dyn Removal>>) {
        let mut state = self.state.lock();
        if !state.removal_told {
            state.removal = removal;
            return;
        }
        drop(state);
        if let Some(removal) = removal {
            removal.removed();
        }
    }

    /// A Request of this target has ended, and its Client is told later, on another thread: until
    /// [`Core::has_told`].
    pub fn tells_later(&self) {
        self.state.lock().untold += 1;
    }

    pub fn has_told(&self) {
        let mut state = self.state.lock();
        state.untold -= 1;
        if state.untold == 0 && state.announced {
            self.stir(state);
        }
    }

    /// The device has nothing more to give: ends what is pending.
    pub(super) fn announce_removal(&self) {
        self.end_all(Status::DEVICE_NOT_CONNECTED);
        self.cancel_held(Status::DEVICE_NOT_CONNECTED);
    }

    /// Everybody else has been told.
    pub(super) fn tell_removal(&self) {
        let removal = {
            let mut state = self.state.lock();
            state.removal_told = true;
            state.removal.take()
        };
        if let Some(removal) = removal {
            removal.removed();
        }
    }

    /// Counts how a Request of this target ended, whose input had `sent` bytes.
    #[inline(always)]
    pub fn count(&self, operation: Operation, sent: usize, outcome: Outcome) {
        let bytes = match operation {
            _ if self.device.is_output(operation) => {
                Bytes { read: 0, written: outcome.information }
            }
            Operation::Ioctl(_) | Operation::InternalIoctl(_) if outcome.status.is_success() => {
                Bytes { read: outcome.information, written: sent }
            }
            _ => Bytes { read: outcome.information, written: 0 },
        };
        self.statistics.count_end(self.is_own_thread(), bytes, outcome.status);
        if !outcome.status.is_success() {
            // It may have been the last one that wanted reports; the queue does not see it leave.
            self.stir(self.state.lock());
        }
    }

    /// Claims the oldest read, for the report that it is given on the target's thread.
    pub(super) fn claim_read(&self, state: &mut State) -> Option<Claim> {
        let claim = state.reads.claim(Holder::Transport)?;
        // Before its completion: another thread may ask for the next report at once.
        self.note_pause(state);
        state.delivering = true;
        Some(claim)
    }

    /// Gives a report to the oldest read, or keeps it. One that was read before the last
    /// [`Kept::forget`] is forgotten with the others.
    pub(super) fn deliver(&self, teller: &mut Teller, report: &[u8], forgets: u64) {
        let mut state = self.state.lock();
        if forgets < state.forgets {
            return;
        }
        let Some(claim) = self.claim_read(&mut state) else {
            if state.backlog.push(report) {
                self.statistics.count_dropped(1);
            }
            return;
        };
        drop(state);
        let information = claim.output.fill(report);
        claim.complete_by(teller, Outcome { status: Status::SUCCESS, information });
    }

    /// Cancels what the program's target holds, and what an operation works on.
    pub(super) fn cancel_held(&self, reason: Status) {
        let count = self.state.lock().held.len();
        for _ in 0..count {
            // Nothing is held any more that was not, so each has its turn.
            let Some((request, ticket)) = self.state.lock().held.turn() else { return };
            request.cancel_held(ticket, reason);
        }
    }

    /// Takes back what the program's target has not let go of; the target is gone.
    fn reclaim_held(&self) {
        loop {
            let request = self.state.lock().held.pop();
            let Some(request) = request else { return };
            request.reclaim();
        }
    }

    /// Ends everything that is pending.
    fn end_all(&self, status: Status) {
        loop {
            let claim = self.state.lock().claim_any();
            let Some(claim) = claim else { return };
            claim.complete(Outcome::failed(status));
        }
    }
}

/// The object behind a WDFIOTARGET.
pub struct Target {
    pub core: Shared<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Target {
    pub fn new(core: Shared<Core>, thread: JoinHandle<()>) -> Self {
        Self { core, thread: Mutex::new(Some(thread)) }
    }

    /// A target whose core has a carrier.
    pub fn carried(core: Shared<Core>) -> Self {
        Self { core, thread: Mutex::new(None) }
    }
}

impl Object for Target {
    const KIND: Kind = Kind::IoTarget;
    const ENTERED: bool = true;

    fn shut(&self) {
        let mut state = self.core.state.lock();
        state.closed = true;
        self.core.stir(state);
        self.core.operations.give();
        self.core.end_all(Status::CANCELLED);
        self.core.cancel_held(Status::CANCELLED);
    }

    fn drained(&self) -> bool {
        !self.core.performing.load(Ordering::Acquire)
    }

    fn close(&mut self, _handle: Handle) {
        self.end();
    }
}

impl Target {
    fn end(&self) {
        self.shut();
        if let Some(carrier) = self.core.carrier.get() {
            carrier.detach(&self.core);
        }
        let thread = self.thread.lock().take();
        let worker = self.core.worker.lock().take();
        // Two targets that are deleted in each other's callbacks must not wait for each other. Told to end,
        // their threads do so by themselves.
        let may_wait = !thread::is_a_worker();
        if let Some(thread) = thread
            && may_wait
        {
            thread::join(thread);
        }
        self.core.reclaim_held();
        // A worker that is in an operation ends when the system lets it.
        if let Some(worker) = worker
            && may_wait
            && !self.core.state.lock().operating
        {
            thread::join(worker);
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // One that never became an object has a thread all the same.
        self.end();
    }
}
