//! One thread that takes the reports of all HID devices of the process.
//!
//! ```text
//!   descriptor ─┐
//!   descriptor ─┼─> epoll ──> thread "dmf-hid" ──> a turn of each device that has reports
//!   eventfd ────┘                              └─> a turn of each device that was kicked
//! ```
//!
//! A turn is a number of steps of the device's [`Drive`], bounded, so that a fast device does not hold
//! up the others. While a device's turn lasts, its state says `carried`: who changes the state then
//! leaves word there; at other times he kicks. The thread starts with the first device and ends with
//! the last.
//!
//! Locks: [`PUMP`] before a pump's `lines`; a target's lock before `lines`; a line's `turn` is the
//! thread's alone.

use super::epoll::{Event, Interest, Poll};
use super::hidraw::Descriptor;
use super::reader::{Drive, Source, Step};
use super::target::{Carrier, Core, State};
use crate::framework::guarded::Inside;
use crate::framework::handle::Handle;
use crate::framework::memory::{self, Shared, try_box};
use crate::framework::misuse;
use crate::framework::status::{Error, Status};
use crate::framework::sync::{AtomicUsize, Mutex, Ordering};
use crate::framework::thread;
use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Steps of one turn.
const TURN: u32 = 64;

/// A callback that takes longer keeps all devices waiting, which is reported once for each.
const TOO_LONG: Duration = Duration::from_millis(500);

/// The process's pump, while there are devices.
static PUMP: Mutex<Option<Running>> = Mutex::new(None);

struct Running {
    pump: Shared<Pump>,
    thread: JoinHandle<()>,
}

struct Pump {
    poll: Poll,
    lines: Mutex<Lines>,
    /// [`thread::current_id`] of the thread.
    thread: AtomicUsize,
}

#[derive(Default)]
struct Lines {
    entries: Vec<Option<Shared<Line>>>,
    kicked: VecDeque<usize>,
    /// The last device has left.
    over: bool,
}

/// A device.
struct Line {
    core: Shared<Core>,
    descriptor: Shared<Descriptor>,
    turn: Mutex<Turn>,
}

struct Turn {
    drive: Drive,
    interest: Interest,
    told_of_blocking: bool,
}

/// Has the reports of `core` taken from `source`, whose `next` never waits; `descriptor` says when.
pub fn attach(
    core: &Shared<Core>,
    descriptor: Shared<Descriptor>,
    source: Box<dyn Source>,
) -> Result<(), Error> {
    let line = Shared::new(Line {
        core: core.clone(),
        descriptor,
        turn: Mutex::new(Turn {
            drive: Drive::new(source),
            interest: Interest::Nothing,
            told_of_blocking: false,
        }),
    })?;
    let mut running = PUMP.lock();
    let pump = match &*running {
        Some(running) => running.pump.clone(),
        None => {
            let fresh = start()?;
            let pump = fresh.pump.clone();
            *running = Some(fresh);
            pump
        }
    };
    let entered = pump.enter(line);
    let carrier = entered.and_then(|index| {
        try_box(Attached { pump: pump.clone(), index }).inspect_err(|_| {
            pump.lines.lock().entries[index] = None;
        })
    });
    match carrier {
        Ok(carrier) => {
            let index = carrier.index;
            core.set_carrier(carrier);
            drop(running);
            // From now on the end of the device is noticed, whether somebody reads or not.
            core.state.lock().kicked = true;
            pump.kick(index);
            Ok(())
        }
        Err(error) => {
            let last = pump.end_if_empty(&mut running);
            drop(running);
            pump.finish(last);
            Err(error)
        }
    }
}

fn start() -> Result<Running, Error> {
    let poll = Poll::new().map_err(|_| {
        Error::new(Status::INSUFFICIENT_RESOURCES, "the process has no descriptor left")
    })?;
    let pump = Shared::new(Pump {
        poll,
        lines: Mutex::new(Lines::default()),
        thread: AtomicUsize::new(0),
    })?;
    let running = pump.clone();
    let thread = thread::start("dmf-hid", move || running.run())?;
    Ok(Running { pump, thread })
}

impl Pump {
    /// The line's place.
    fn enter(&self, line: Shared<Line>) -> Result<usize, Error> {
        let mut lines = self.lines.lock();
        let Lines { entries, kicked, .. } = &mut *lines;
        let free = entries.iter().position(Option::is_none);
        if free.is_none() {
            memory::permit()?;
            entries.try_reserve(1).map_err(|_| memory::no_memory())?;
            // Each line is kicked once until it has its turn, so that kicking needs no memory.
            let room = entries.len() + 1 - kicked.len().min(entries.len());
            kicked.try_reserve(room).map_err(|_| memory::no_memory())?;
        }
        Ok(match free {
            Some(index) => {
                entries[index] = Some(line);
                index
            }
            None => {
                entries.push(Some(line));
                entries.len() - 1
            }
        })
    }

    fn kick(&self, index: usize) {
        let mut lines = self.lines.lock();
        if !lines.kicked.contains(&index) {
            lines.kicked.push_back(index);
        }
        drop(lines);
        self.poll.ring();
    }

    fn run(&self) {
        self.thread.store(thread::current_id(), Ordering::SeqCst);
        loop {
            let waited = self
                .poll
                .wait(|Event { token, is_hung_up }| self.turn_of(token as usize, is_hung_up));
            if waited.is_err() {
                // Nothing but a lack of kernel memory; it passes.
                std::thread::sleep(Duration::from_millis(10));
            }
            let kicks = self.lines.lock().kicked.len();
            for _ in 0..kicks {
                let Some(index) = self.lines.lock().kicked.pop_front() else { break };
                self.turn_of(index, false);
            }
            if self.lines.lock().over {
                return;
            }
        }
    }

    fn turn_of(&self, index: usize, is_hung_up: bool) {
        let line = match self.lines.lock().entries.get(index) {
            Some(Some(line)) => line.clone(),
            // It has left since the event.
            _ => return,
        };
        let core = &line.core;
        {
            let mut state = core.state.lock();
            if state.closed {
                return;
            }
            state.carried = true;
            state.kicked = false;
            if is_hung_up && !state.is_wanted() {
                // What the system still holds is nobody's.
                state.removed = true;
            }
        }
        let mut turn = line.turn.lock();
        let (mut state, interest) = self.run_turn(index, core, &mut turn, is_hung_up);
        // A device that is closed has been taken from the poll, and its descriptor's number may be
        // another's soon.
        if !state.closed {
            let descriptor = line.descriptor.as_raw_fd();
            if self.poll.set(descriptor, index as u64, turn.interest, interest).is_ok() {
                turn.interest = interest;
            }
        }
        state.watched = turn.interest == Interest::Readable;
        state.carried = false;
        if state.closed {
            core.changed.give();
        }
    }

    fn run_turn<'a>(
        &self,
        index: usize,
        core: &'a Core,
        turn: &mut Turn,
        is_hung_up: bool,
    ) -> (Inside<'a, State>, Interest) {
        for _ in 0..TURN {
            let begun = Instant::now();
            let (mut state, interest) = match turn.drive.step(core) {
                Step::Done => {
                    if !turn.told_of_blocking && begun.elapsed() > TOO_LONG {
                        turn.told_of_blocking = true;
                        report_blocking();
                    }
                    continue;
                }
                Step::Dry if is_hung_up => {
                    // Nothing is left of what came before the end.
                    core.state.lock().removed = true;
                    continue;
                }
                Step::Dry => (core.state.lock(), Interest::Readable),
                // A hang-up would be told again and again to one who does not read.
                Step::Wait(state, _) if is_hung_up => (state, Interest::Nothing),
                Step::Wait(state, _) => (state, Interest::HangUp),
                Step::Over => (core.state.lock(), Interest::Nothing),
            };
            if !std::mem::take(&mut state.kicked) || interest == Interest::Nothing {
                return (state, interest);
            }
        }
        // The others first.
        let mut state = core.state.lock();
        state.kicked = true;
        self.kick(index);
        (state, Interest::Readable)
    }

    /// Whether the last line has left: then the pump is over, and nobody's any more.
    fn end_if_empty(&self, running: &mut Option<Running>) -> Option<Running> {
        let mut lines = self.lines.lock();
        if lines.entries.iter().any(Option::is_some) {
            return None;
        }
        lines.over = true;
        running.take()
    }

    fn finish(&self, last: Option<Running>) {
        if let Some(running) = last {
            self.poll.ring();
            thread::join(running.thread);
        }
    }

    fn is_this_thread(&self) -> bool {
        self.thread.load(Ordering::SeqCst) == thread::current_id()
    }
}

#[cold]
fn report_blocking() {
    let error = Error::misuse(
        Status::IO_TIMEOUT,
        "a callback blocked the thread that serves all HID devices for more than half a second; \
         PassiveLevel gives a Module's callbacks a thread of their own",
    );
    misuse::report(c"EVT_DMF_ContinuousRequestTarget_BufferOutput", Handle::NULL, &error);
}

/// A target's place in the pump.
struct Attached {
    pump: Shared<Pump>,
    index: usize,
}

impl Carrier for Attached {
    fn kick(&self) {
        self.pump.kick(self.index);
    }

    fn is_this_thread(&self) -> bool {
        self.pump.is_this_thread()
    }

    fn detach(&self, core: &Core) {
        let mut running = PUMP.lock();
        let line = {
            let mut lines = self.pump.lines.lock();
            lines.kicked.retain(|index| *index != self.index);
            lines.entries.get_mut(self.index).and_then(Option::take)
        };
        let Some(line) = line else { return };
        let last = self.pump.end_if_empty(&mut running);
        drop(running);
        // Whatever it is waited for; the thread does not change that any more.
        let mut state = core.state.lock();
        let _ = self.pump.poll.set(
            line.descriptor.as_raw_fd(),
            0,
            Interest::Readable,
            Interest::Nothing,
        );
        while state.carried && !self.is_this_thread() {
            core.changed.wait(&mut state);
        }
        drop(state);
        self.pump.finish(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::sync::AtomicU32;
    use crate::io::hidraw::tests::connected;
    use crate::io::reader::Next;
    use crate::io::report_descriptor::Layout;
    use crate::io::request::Claim;
    use crate::io::target::{Device, Kept, Removal, Target};
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    struct Silent;

    impl Device for Silent {
        fn perform(&self, _core: &Core, _source: Option<&mut dyn Source>, _claim: Claim) {}
    }

    /// Reports of one byte.
    struct Bytes {
        descriptor: Shared<Descriptor>,
        report: [u8; 1],
        /// Held back by whoever has it.
        gate: Shared<Mutex<()>>,
    }

    impl Source for Bytes {
        fn next(&mut self) -> Next<'_> {
            drop(self.gate.lock());
            match self.descriptor.read(&mut self.report) {
                Ok(0) => Next::Nothing,
                Ok(_) => Next::Report(&self.report, 0),
                Err(_) => Next::Gone,
            }
        }

        fn resume(&mut self, _after: Duration) {
            unreachable!("whoever wants reports has them forgotten");
        }
    }

    struct Waiting(Shared<Descriptor>);

    impl Kept for Waiting {
        fn forget(&self) -> Option<u64> {
            self.0.discard(64);
            Some(0)
        }
    }

    struct Opened {
        target: Target,
        device: UnixStream,
        gate: Shared<Mutex<()>>,
    }

    fn open() -> Opened {
        let layout = Layout { longest_input: 1, ..Layout::default() };
        let core = Core::new(layout, try_box(Silent).ok().unwrap()).ok().unwrap();
        let (descriptor, device) = connected();
        let descriptor = Shared::new(descriptor).ok().unwrap();
        let gate = Shared::new(Mutex::new(())).ok().unwrap();
        let source = Bytes { descriptor: descriptor.clone(), report: [0], gate: gate.clone() };
        core.set_kept(Box::new(Waiting(descriptor.clone())));
        attach(&core, descriptor, Box::new(source)).ok().unwrap();
        Opened { target: Target::carried(core), device, gate }
    }

    fn start_stream(opened: &Opened) {
        opened.target.core.stream_started();
        opened.target.core.stream_sent();
    }

    fn wait_for(what: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !what() {
            assert!(Instant::now() < deadline, "it never comes");
            std::thread::yield_now();
        }
    }

    fn kept(opened: &Opened) -> usize {
        opened.target.core.state.lock().backlog.len()
    }

    #[test]
    fn the_reports_of_many_devices_arrive_while_others_leave() {
        let mut devices: Vec<Opened> = (0..20).map(|_| open()).collect();
        devices.iter().for_each(start_stream);
        for round in 1..=10 {
            for opened in &mut devices {
                opened.device.write_all(&[round]).unwrap();
            }
            devices.iter().for_each(|opened| wait_for(|| kept(opened) == usize::from(round)));
            devices.pop();
        }
    }

    #[test]
    fn what_came_while_nobody_read_is_forgotten() {
        let mut opened = open();
        for _ in 0..100 {
            opened.device.write_all(&[1, 2, 3]).unwrap();
            start_stream(&opened);
            opened.device.write_all(&[4]).unwrap();
            wait_for(|| kept(&opened) == 1);
            opened.target.core.stream_stopped();
        }
    }

    #[test]
    fn a_device_that_is_held_up_does_not_hold_up_the_end_of_another() {
        let (mut slow, other) = (open(), open());
        start_stream(&slow);
        let gate = slow.gate.clone();
        let held = gate.lock();
        slow.device.write_all(&[1]).unwrap();
        wait_for(|| slow.target.core.state.lock().carried);
        drop(other);
        drop(held);
        wait_for(|| kept(&slow) == 1);
    }

    struct Told(Shared<AtomicU32>);

    impl Removal for Told {
        fn removed(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_end_of_a_device_is_told_once_whether_somebody_reads_or_not() {
        for reads in [false, true] {
            let opened = open();
            let told = Shared::new(AtomicU32::new(0)).ok().unwrap();
            opened.target.core.set_removal(Some(Box::new(Told(told.clone()))));
            if reads {
                start_stream(&opened);
            }
            let Opened { target, device, .. } = opened;
            drop(device);
            wait_for(|| told.load(Ordering::SeqCst) > 0);
            drop(target);
            assert_eq!(told.load(Ordering::SeqCst), 1);
        }
    }
}
