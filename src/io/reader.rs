//! Takes reports from where they come and delivers them.
//!
//! A [`Drive`] does it step by step: for the thread of one target, which waits in slices (here), or
//! for the one thread of all devices, which waits for all of them ([`super::pump`]). A device that
//! nobody wants reports of is not read. Nothing but the end of a target waits for a slice.

use super::request::{Claim, Outcome, Teller};
use super::target::{Core, State};
use crate::framework::frames::{self, Activity};
use crate::framework::guarded::Inside;
use crate::framework::handle::Handle;
use crate::framework::memory::{Shared, try_box};
use crate::framework::status::{Error, Status};
use crate::framework::thread;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Where reports come from.
pub trait Source: Send + 'static {
    /// The next report, with its ID byte first.
    fn next(&mut self) -> Next<'_>;

    /// Nobody wants reports any more.
    fn pause(&mut self) {}

    /// Somebody wants reports again, after nobody did for a while: forget what was kept meanwhile. It
    /// is called under the target's lock, and waits for nothing.
    fn resume(&mut self, after: Duration);

    /// Whether a report is made only when somebody asks for one, so that none is ever superfluous.
    fn is_on_demand(&self) -> bool {
        false
    }
}

/// What came.
pub enum Next<'a> {
    /// A report, and how often what was kept had been forgotten when it was read ([`Kept`]); 0 where
    /// nothing is kept.
    ///
    /// [`Kept`]: super::target::Kept
    Report(&'a [u8], u64),
    /// Nothing within a slice.
    Nothing,
    /// Nothing before that moment.
    NotBefore(Instant),
    /// Nothing ever again.
    Gone,
}

/// Reports that were taken in a row since a source had none.
///
/// A system tells nobody when it has no room for a report. But whenever it had none, at least as many
/// as it has room for are taken in a row afterwards.
pub struct Drain {
    length: u32,
    room: u32,
}

impl Drain {
    /// Of a source with room for that many reports.
    pub fn new(room: u32) -> Self {
        Self { length: 0, room }
    }

    /// Counts one more report. True once in a drain: the source was full and may have lost some.
    pub fn shows_overrun(&mut self) -> bool {
        self.length = self.length.saturating_add(1);
        self.length == self.room
    }

    /// The source has nothing: the drain is over.
    pub fn ran_dry(&mut self) {
        self.length = 0;
    }
}

/// Starts the thread of a target.
pub fn start(
    name: &'static str,
    core: Shared<Core>,
    source: impl Source,
) -> Result<JoinHandle<()>, Error> {
    // Whoever wants reports before the thread runs waits for it too.
    core.state.lock().asleep = true;
    let drive = Drive::new(try_box(source)?);
    thread::start(name, move || run(&core, drive))
}

fn run(core: &Core, mut drive: Drive) {
    core.runs_here();
    loop {
        match drive.step(core) {
            Step::Done | Step::Dry => {}
            Step::Wait(mut state, until) => {
                state.asleep = state.paused.is_some() && !state.removed;
                match until {
                    Some(moment) => {
                        core.changed.wait_until(&mut state, moment);
                    }
                    None => core.changed.wait(&mut state),
                }
            }
            Step::Over => return,
        }
    }
}

/// A source at work for its target: sees what is to be done next, and does it.
pub struct Drive {
    source: Box<dyn Source>,
    /// The source has nothing before that.
    until: Option<Instant>,
    teller: Teller,
}

/// What a step has done.
pub enum Step<'a> {
    Done,
    /// Reports are wanted, and the source has none.
    Dry,
    /// Nothing is to be done before something changes, or that moment comes.
    Wait(Inside<'a, State>, Option<Instant>),
    /// Nothing will ever be done again.
    Over,
}

enum Task {
    Read,
    Backlog,
    Work(Claim),
    Announce,
    TellRemoval,
}

impl Drive {
    pub fn new(source: Box<dyn Source>) -> Self {
        Self { source, until: None, teller: Teller::default() }
    }

    /// Does one thing for the target. It blocks as long as the source's `next` does.
    pub fn step<'a>(&mut self, core: &'a Core) -> Step<'a> {
        let mut state = core.state.lock();
        if state.closed {
            // Whoever waits for the thread to wake does not wait for ever.
            core.woke(&mut state);
            return Step::Over;
        }
        let task = match self.next_task(core, &mut state) {
            Ok(task) => task,
            Err(until) => return Step::Wait(state, until),
        };
        core.woke(&mut state);
        core.performs();
        drop(state);
        // What callbacks delete goes after the step: it may wait for another target's, and that for this.
        frames::within(Handle::NULL, Activity::Method, || {
            let step = self.perform(core, task);
            core.has_performed();
            step
        })
    }

    fn perform<'a>(&mut self, core: &'a Core, task: Task) -> Step<'a> {
        match task {
            Task::Announce => core.announce_removal(),
            Task::TellRemoval => {
                core.tell_removal();
                return Step::Over;
            }
            Task::Work(claim) => core.device.perform(core, Some(&mut *self.source), claim),
            Task::Backlog => deliver_from_backlog(core, &mut self.teller),
            Task::Read => match self.source.next() {
                Next::Report(report, forgets) => core.deliver(&mut self.teller, report, forgets),
                Next::Nothing => return Step::Dry,
                Next::NotBefore(moment) => self.until = Some(moment),
                Next::Gone => core.state.lock().removed = true,
            },
        }
        Step::Done
    }

    /// An error: nothing before that moment, or before something changes.
    fn next_task(&mut self, core: &Core, state: &mut State) -> Result<Task, Option<Instant>> {
        if state.announced {
            let is_last = state.untold == 0 && !state.removal_told;
            return if is_last { Ok(Task::TellRemoval) } else { Err(None) };
        }
        let wanted = state.is_wanted();
        if wanted
            && !state.removed
            && let Some(since) = state.paused.take()
        {
            self.source.resume(since.elapsed());
            self.until = None;
            core.woke(state);
        }
        if let Some(claim) = core.next_work(state) {
            return Ok(Task::Work(claim));
        }
        let asked = state.reads.is_waited();
        if asked && !state.backlog.is_empty() {
            return Ok(Task::Backlog);
        }
        if state.removed {
            // At once: who is still to be told of a report may wait for what is pending.
            if state.starting == 0 && (state.backlog.is_empty() || !wanted) {
                state.backlog.clear();
                state.announced = true;
                return Ok(Task::Announce);
            }
        } else if asked || wanted && state.starting == 0 && !self.source.is_on_demand() {
            // A stream that is about to send its first Requests takes what comes without a detour.
            return match self.until.filter(|moment| Instant::now() < *moment) {
                Some(moment) => Err(Some(moment)),
                None => Ok(Task::Read),
            };
        }
        if !wanted {
            state.paused.get_or_insert_with(Instant::now);
            self.source.pause();
            // Who waits for reports that nobody wants any more is not to wait for more.
            core.woke(state);
        }
        Err(None)
    }
}

fn deliver_from_backlog(core: &Core, teller: &mut Teller) {
    let mut state = core.state.lock();
    if state.backlog.is_empty() {
        return;
    }
    let Some(claim) = core.claim_read(&mut state) else { return };
    let information = state.backlog.pop(|report| claim.output.fill(report)).unwrap_or(0);
    drop(state);
    claim.complete_by(teller, Outcome { status: Status::SUCCESS, information });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::sync::{AtomicU32, Mutex, Ordering};
    use crate::io::report_descriptor::Layout;
    use crate::io::target::{Device, Kept, Target};

    struct Silent;

    impl Device for Silent {
        fn perform(&self, _core: &Core, _source: Option<&mut dyn Source>, _claim: Claim) {}
    }

    /// Takes its time to forget, and counts.
    struct Forgetful(Shared<AtomicU32>);

    impl Source for Forgetful {
        fn next(&mut self) -> Next<'_> {
            std::thread::sleep(Duration::from_millis(1));
            Next::Nothing
        }

        fn resume(&mut self, _after: Duration) {
            std::thread::sleep(Duration::from_millis(20));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_stream_has_started_when_old_reports_are_forgotten() {
        let forgotten = Shared::new(AtomicU32::new(0)).ok().unwrap();
        let device = try_box(Silent).ok().unwrap();
        let core = Core::new(Layout::default(), device).ok().unwrap();
        let source = Forgetful(forgotten.clone());
        let thread = start("dmf-test", core.clone(), source).ok().unwrap();
        let target = Target::new(core, thread);
        for round in 1..=3 {
            target.core.stream_started();
            assert_eq!(forgotten.load(Ordering::SeqCst), round);
            target.core.stream_sent();
            target.core.stream_stopped();
            while !target.core.state.lock().asleep {
                std::thread::yield_now();
            }
        }
    }

    /// A device with one report, which comes while nobody wants it.
    struct Late {
        /// How often what was kept was forgotten.
        forgets: Mutex<u64>,
        /// The report has come.
        come: AtomicU32,
        /// The thread that has read it may go on.
        go_on: AtomicU32,
        reads: AtomicU32,
    }

    struct LateSource(Shared<Late>);
    struct LateKept(Shared<Late>);

    fn wait_for(what: &AtomicU32) {
        while what.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
    }

    impl Source for LateSource {
        fn next(&mut self) -> Next<'_> {
            if self.0.reads.fetch_add(1, Ordering::SeqCst) > 0 {
                std::thread::sleep(Duration::from_millis(1));
                return Next::Nothing;
            }
            let forgets = {
                let forgets = self.0.forgets.lock();
                wait_for(&self.0.come);
                *forgets
            };
            wait_for(&self.0.go_on);
            Next::Report(&[7], forgets)
        }

        fn resume(&mut self, _after: Duration) {}
    }

    impl Kept for LateKept {
        fn forget(&self) -> Option<u64> {
            let mut forgets = self.0.forgets.lock();
            *forgets += 1;
            Some(*forgets)
        }
    }

    /// The thread that is in a read when the stream stops, and has its report only when it is started
    /// again, has an old one. It did not see that there was a pause.
    #[test]
    fn a_report_that_was_read_before_the_pause_ended_is_forgotten() {
        let late = Shared::new(Late {
            forgets: Mutex::new(0),
            come: AtomicU32::new(0),
            go_on: AtomicU32::new(0),
            reads: AtomicU32::new(0),
        });
        let late = late.ok().unwrap();
        let layout = Layout { longest_input: 1, ..Layout::default() };
        let core = Core::new(layout, try_box(Silent).ok().unwrap()).ok().unwrap();
        core.set_kept(try_box(LateKept(late.clone())).ok().unwrap());
        let thread = start("dmf-test", core.clone(), LateSource(late.clone())).ok().unwrap();
        let target = Target::new(core, thread);
        let start_stream = || {
            target.core.stream_started();
            target.core.stream_sent();
        };

        start_stream();
        wait_for(&late.reads);
        target.core.stream_stopped();
        late.come.store(1, Ordering::SeqCst);
        start_stream();
        let forgets = *late.forgets.lock();
        late.go_on.store(1, Ordering::SeqCst);
        assert_eq!(forgets, 2, "once for each start");
        while late.reads.load(Ordering::SeqCst) < 3 {
            std::thread::yield_now();
        }
        assert_eq!(target.core.state.lock().backlog.len(), 0);
        target.core.stream_stopped();
    }

    const ROOM: u32 = 4;

    #[test]
    fn a_drain_as_long_as_the_source_is_deep_shows_an_overrun_once() {
        let mut drain = Drain::new(ROOM);
        let shown: Vec<u32> = (1..=3 * ROOM).filter(|_| drain.shows_overrun()).collect();
        assert_eq!(shown, [ROOM]);
    }

    #[test]
    fn a_source_that_ran_dry_in_between_was_not_full() {
        let mut drain = Drain::new(ROOM);
        for _ in 0..3 {
            assert!((1..ROOM).all(|_| !drain.shows_overrun()));
            drain.ran_dry();
        }
    }
}
