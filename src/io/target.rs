//! What all I/O targets share: pending reads, the backlog of reports that nobody has asked for yet,
//! the end of the device, and what was counted.
//!
//! A target keeps its pending reads in its own queue and gives each report to the oldest. When none
//! is pending the report waits in the backlog; the oldest one there makes room for the newest, and is
//! counted. Once the device is gone the backlog is delivered before anybody is told.
//!
//! The lock is never held across a completion.

pub use super::queue::Pushed;
use super::queue::{HeldRequests, RequestQueue};
use super::report_descriptor::Layout;
use super::request::{Claim, Operation, Outcome, Request};
use super::request_state::Holder;
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::{self, Block, Shared};
use crate::framework::status::{Error, Status, fail};
use crate::framework::sync::{AtomicU64, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering};
use crate::framework::table::{Object, Ref};
use crate::framework::thread;
use std::thread::JoinHandle;

/// Why a Request is sent; only the statuses of refusals depend on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Stream,
    Single,
}

/// Reports that wait for somebody to ask for them.
pub const BACKLOG_DEPTH: usize = 32;

/// What a target does with a Request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// It waits for a report.
    Reports,
    /// The target's thread works on it.
    Work,
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

    /// Who holds a Request that is worked on.
    fn holder(&self) -> Holder {
        Holder::Transport
    }

    /// Works on a claimed Request, on the target's thread.
    fn perform(&self, claim: Claim);
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

/// Counters, as `DMF_IO_TARGET_STATISTICS` shows them.
#[derive(Default)]
pub struct Statistics {
    pub completed: AtomicU64,
    pub failed: AtomicU64,
    pub canceled: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub dropped: AtomicU64,
    pub overruns: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// What a target and its users hold together.
pub struct Core {
    pub layout: Layout,
    pub statistics: Statistics,
    device: Box<dyn Device>,
    /// [`thread::current_id`] of the target's thread.
    own_thread: AtomicUsize,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

/// Guarded by the core's lock.
pub(super) struct State {
    pub reads: RequestQueue,
    pub work: RequestQueue,
    /// Requests that a target of the program's own has.
    pub held: HeldRequests,
    pub backlog: Backlog,
    /// Streams that are started.
    pub streams: u32,
    /// The target is deleted.
    pub closed: bool,
    /// Streams that are about to send their first Requests.
    pub starting: u32,
    /// The device has nothing more to give.
    pub removed: bool,
    /// Everybody has been told that the device is gone.
    pub announced: bool,
    /// Who is told last.
    removal: Option<Box<dyn Removal>>,
    /// His time has come.
    removal_told: bool,
    /// The thread sleeps because nobody wants reports, and forgets first what was kept meanwhile when
    /// it wakes.
    pub asleep: bool,
}

impl State {
    /// Whether somebody wants reports.
    pub fn is_wanted(&mut self) -> bool {
        self.streams > 0 || self.reads.is_waited()
    }

    fn claim_any(&mut self) -> Option<Claim> {
        self.reads.claim(Holder::Transport).or_else(|| self.work.claim(Holder::Transport))
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
        let backlog = Backlog::new(BACKLOG_DEPTH, layout.longest_input)?;
        Shared::new(Self {
            layout,
            statistics: Statistics::default(),
            device,
            own_thread: AtomicUsize::new(0),
            state: Mutex::new(State {
                reads: RequestQueue::default(),
                work: RequestQueue::default(),
                held: HeldRequests::default(),
                backlog,
                streams: 0,
                starting: 0,
                closed: false,
                removed: false,
                announced: false,
                removal: None,
                removal_told: false,
                asleep: false,
            }),
            changed: Condvar::new(),
        })
    }

    /// Sends an armed Request. An error: it was not sent, and is the caller's again. Canceled: the
    /// caller completes it, without a lock.
    pub fn submit(
        &self,
        request: Ref<Request>,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Pushed, Error> {
        let route = self.device.route(operation)?;
        if route == Route::Reports {
            self.check_read(request.output_length()?, purpose)?;
        }
        let mut state = self.state.lock();
        if let Some(refusal) = state.refusal() {
            return Err(refusal);
        }
        let queue = match route {
            Route::Reports => &mut state.reads,
            Route::Work => &mut state.work,
        };
        let pushed = queue.push(request, None)?;
        self.wake(state);
        Ok(pushed)
    }

    /// Works on a claimed Request, on the target's thread.
    pub(super) fn perform(&self, claim: Claim) {
        self.device.perform(claim);
    }

    /// The oldest Request that is to be worked on.
    pub(super) fn next_work(&self, state: &mut State) -> Option<Claim> {
        state.work.claim(self.device.holder())
    }

    /// The calling thread is the target's.
    pub(super) fn runs_here(&self) {
        self.own_thread.store(thread::current_id(), Ordering::Relaxed);
    }

    /// Whether waiting for the target would be waiting for the calling thread.
    pub fn is_own_thread(&self) -> bool {
        self.own_thread.load(Ordering::Relaxed) == thread::current_id()
    }

    /// A read takes any of the device's reports whole.
    pub fn check_read(&self, length: usize, purpose: Purpose) -> Result<(), Error> {
        let needed = self.layout.longest_input;
        if length >= needed {
            return Ok(());
        }
        Err(match purpose {
            Purpose::Stream => fail!(
                BUFFER_TOO_SMALL,
                "the buffers have {length} bytes; the device's longest report needs {needed}"
            ),
            Purpose::Single => fail!(
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

    /// Wakes the thread. Where reports are wanted that were not wanted before, it has forgotten the old
    /// ones when this returns: one that comes from now on is not taken for old.
    ///
    /// The caller may hold locks: the thread takes none on its way.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        self.changed.notify_all();
        while state.asleep && state.is_wanted() {
            self.changed.wait(&mut state);
        }
    }

    /// The thread does not sleep any more, or there is nothing to wait for.
    pub(super) fn woke(&self, state: &mut State) {
        if std::mem::take(&mut state.asleep) {
            self.changed.notify_all();
        }
    }

    /// The stream has sent its first Requests.
    pub fn stream_sent(&self) {
        self.state.lock().starting -= 1;
        self.changed.notify_all();
    }

    /// A stream has stopped. What the last one leaves unread is nobody's.
    pub fn stream_stopped(&self) {
        let mut state = self.state.lock();
        state.streams -= 1;
        if state.streams == 0 {
            state.backlog.clear();
            // The thread is to notice the pause when it begins.
            drop(state);
            self.changed.notify_all();
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

    /// Counts how a Request of this target ended.
    pub fn count(&self, operation: Operation, outcome: Outcome) {
        let bytes = outcome.information as u64;
        match operation {
            Operation::Write => add(&self.statistics.bytes_out, bytes),
            _ => add(&self.statistics.bytes_in, bytes),
        }
        add(
            match outcome.status {
                Status::CANCELLED => &self.statistics.canceled,
                status if status.is_success() => &self.statistics.completed,
                _ => &self.statistics.failed,
            },
            1,
        );
        if !outcome.status.is_success() {
            // It may have been the last one that wanted reports; the queue does not see it leave.
            drop(self.state.lock());
            self.changed.notify_all();
        }
    }

    /// Gives a report to the oldest read, or keeps it.
    pub(super) fn deliver(&self, report: &[u8]) {
        let mut state = self.state.lock();
        let Some(claim) = state.reads.claim(Holder::Transport) else {
            if state.backlog.push(report) {
                add(&self.statistics.dropped, 1);
            }
            return;
        };
        drop(state);
        let information = claim.output.fill(report);
        claim.complete(Outcome { status: Status::SUCCESS, information });
    }

    /// Cancels what the program's target holds.
    fn cancel_held(&self) {
        let held = std::mem::take(&mut self.state.lock().held);
        let held = HeldRequests::cancel_all(held, Status::CANCELLED);
        self.state.lock().held.append(held);
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
    pub(super) fn end_all(&self, status: Status) {
        loop {
            let claim = self.state.lock().claim_any();
            let Some(claim) = claim else { return };
            claim.complete(Outcome::failed(status));
        }
    }
}

/// A ring of reports, oldest first. All of its memory is taken when it is made.
pub(super) struct Backlog {
    bytes: Block,
    lengths: Vec<u32>,
    /// Bytes a report may have.
    room: usize,
    first: usize,
    count: usize,
}

impl Backlog {
    fn new(depth: usize, room: usize) -> Result<Self, Error> {
        let mut lengths = Vec::new();
        memory::permit()?;
        lengths.try_reserve_exact(depth).map_err(|_| memory::no_memory())?;
        lengths.resize(depth, 0);
        Ok(Self { bytes: Block::new(depth * room)?, lengths, room, first: 0, count: 0 })
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Appends a report. True: the oldest one had to go.
    fn push(&mut self, report: &[u8]) -> bool {
        let depth = self.lengths.len();
        let full = self.count == depth;
        if full {
            self.first = (self.first + 1) % depth;
            self.count -= 1;
        }
        let place = (self.first + self.count) % depth;
        let length = report.len().min(self.room);
        let start = place * self.room;
        self.bytes[start..start + length].copy_from_slice(&report[..length]);
        self.lengths[place] = length as u32;
        self.count += 1;
        full
    }

    /// Calls `with` on the oldest report and removes it.
    pub fn pop<R>(&mut self, with: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.count == 0 {
            return None;
        }
        let start = self.first * self.room;
        let result = with(&self.bytes[start..start + self.lengths[self.first] as usize]);
        self.first = (self.first + 1) % self.lengths.len();
        self.count -= 1;
        Some(result)
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
}

impl Object for Target {
    const KIND: Kind = Kind::IoTarget;
    const ENTERED: bool = true;

    fn shut(&self) {
        self.core.state.lock().closed = true;
        self.core.changed.notify_all();
        self.core.end_all(Status::CANCELLED);
        self.core.cancel_held();
    }

    fn close(&mut self, _handle: Handle) {
        self.end();
    }
}

impl Target {
    fn end(&self) {
        self.shut();
        if let Some(thread) = self.thread.lock().take() {
            thread::join(thread);
        }
        self.core.reclaim_held();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // One that never became an object has a thread all the same.
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_backlog_drops_its_oldest_report() {
        let mut backlog = Backlog::new(2, 3).ok().unwrap();
        assert!(!backlog.push(&[1]));
        assert!(!backlog.push(&[2, 2]));
        assert!(backlog.push(&[3, 3, 3]));
        assert_eq!(backlog.pop(<[u8]>::to_vec), Some(vec![2, 2]));
        assert_eq!(backlog.pop(<[u8]>::to_vec), Some(vec![3, 3, 3]));
        assert_eq!(backlog.pop(<[u8]>::to_vec), None);
    }
}
