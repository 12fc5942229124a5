//! The machine with at most one of its transitions dropped.
//!
//! The machine's state is private to its source file, so a transition is dropped by making the
//! machine anew: every call that changed it is kept, and made again on a new one, without the last.
//! States are told apart by what `Debug` shows of them.

use crate::request_state::{Cancel, End, Holder, Machine, Submit};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// A status, here: who canceled.
pub type Reason = u32;

/// A call of the machine.
#[derive(Clone, Copy, Debug)]
enum Call {
    Rearm,
    Submit(bool),
    Claim(u64, Holder),
    Cancel(Reason),
    Mark,
    MarkOrCancel,
    Unmark(Holder),
    Keep,
    TakeUp,
    Complete,
    Force(Reason),
    Delete,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Call::Rearm => "rearm",
            Call::Submit(_) => "submit",
            Call::Claim(..) => "claim",
            Call::Cancel(_) => "cancel",
            Call::Mark => "mark",
            Call::MarkOrCancel => "mark_or_cancel",
            Call::Unmark(_) => "unmark",
            Call::Keep => "keep",
            Call::TakeUp => "take_up",
            Call::Complete => "complete",
            Call::Force(_) => "force",
            Call::Delete => "delete",
        }
    }

    fn make(self, machine: &mut Machine<Reason>) -> Answer {
        match self {
            Call::Rearm => Answer::Done(machine.rearm()),
            Call::Submit(tells) => Answer::Submitted(machine.submit(tells)),
            Call::Claim(ticket, holder) => Answer::Done(machine.claim(ticket, holder)),
            Call::Cancel(reason) => Answer::Canceled(machine.cancel(reason)),
            Call::Mark => Answer::Marked(machine.mark()),
            Call::MarkOrCancel => Answer::Marked(machine.mark_or_cancel()),
            Call::Unmark(holder) => Answer::Marked(machine.unmark(holder)),
            Call::Keep => Answer::Ended(machine.keep()),
            Call::TakeUp => Answer::Done(machine.take_up()),
            Call::Complete => Answer::Completed(machine.complete()),
            Call::Force(reason) => Answer::Ended(machine.force(reason)),
            Call::Delete => Answer::Done(machine.delete()),
        }
    }

    /// The answer when there is nothing to do.
    fn refusal(self) -> Answer {
        match self {
            Call::Rearm | Call::Claim(..) | Call::TakeUp | Call::Delete => Answer::Done(false),
            Call::Submit(_) => Answer::Submitted(Submit::Refused),
            Call::Cancel(_) => Answer::Canceled(Cancel::TooLate),
            Call::Mark | Call::MarkOrCancel | Call::Unmark(_) => Answer::Marked(None),
            Call::Keep | Call::Force(_) => Answer::Ended(None),
            Call::Complete => Answer::Completed(Err(())),
        }
    }
}

#[derive(Clone, Copy)]
enum Answer {
    Done(bool),
    Submitted(Submit),
    Canceled(Cancel),
    Marked(Option<bool>),
    Ended(Option<End>),
    Completed(Result<Option<End>, ()>),
}

/// A change of the machine's state: the call, the state before and after.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Transition {
    pub call: &'static str,
    pub from: String,
    pub to: String,
}

/// How a transition is dropped. The state does not change either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answers {
    /// The call answers as if it had changed.
    AsIfMade,
    /// The call answers that there was nothing to do.
    NothingToDo,
}

/// What is special about the machine of a model.
#[derive(Clone)]
pub enum Seed {
    /// Nothing.
    Sound,
    /// Nothing; the transitions that are made are written down.
    Watched(Arc<Mutex<BTreeSet<Transition>>>),
    /// One transition is dropped.
    Dropped(Transition, Answers),
}

/// The machine as the model's Request has it.
pub struct Seeded {
    machine: Machine<Reason>,
    calls: Vec<Call>,
    seed: Seed,
}

/// The phase and whether the Request is canceled: what the machine's answers depend on, but for
/// numbers.
fn state_of(machine: &Machine<Reason>) -> String {
    let shown = format!("{machine:?}");
    let phase = shown
        .split_once("phase: ")
        .and_then(|(_, rest)| rest.split_once(", ticket"))
        .map(|(phase, _)| phase)
        .expect("the machine's first two fields are its phase and its ticket");
    if machine.is_canceled() { format!("{phase}, canceled") } else { phase.to_string() }
}

fn replayed(calls: &[Call]) -> Machine<Reason> {
    let mut machine = Machine::new();
    for call in calls {
        call.make(&mut machine);
    }
    machine
}

impl Seeded {
    pub fn new(seed: Seed) -> Self {
        Self { machine: Machine::new(), calls: Vec::new(), seed }
    }

    fn call(&mut self, call: Call) -> Answer {
        if matches!(self.seed, Seed::Sound) {
            return call.make(&mut self.machine);
        }
        let from = state_of(&self.machine);
        let answer = call.make(&mut self.machine);
        let made = Transition { call: call.name(), from, to: state_of(&self.machine) };
        match &self.seed {
            Seed::Dropped(dropped, answers) if *dropped == made => {
                self.machine = replayed(&self.calls);
                return match answers {
                    Answers::AsIfMade => answer,
                    Answers::NothingToDo => call.refusal(),
                };
            }
            Seed::Watched(transitions) if made.from != made.to => {
                transitions.lock().unwrap_or_else(PoisonError::into_inner).insert(made);
            }
            _ => {}
        }
        self.calls.push(call);
        answer
    }

    fn done(&mut self, call: Call) -> bool {
        matches!(self.call(call), Answer::Done(true))
    }

    pub fn rearm(&mut self) -> bool {
        self.done(Call::Rearm)
    }

    pub fn submit(&mut self, tells: bool) -> Submit {
        match self.call(Call::Submit(tells)) {
            Answer::Submitted(submit) => submit,
            _ => unreachable!(),
        }
    }

    pub fn claim(&mut self, ticket: u64, holder: Holder) -> bool {
        self.done(Call::Claim(ticket, holder))
    }

    pub fn cancel(&mut self, reason: Reason) -> Cancel {
        match self.call(Call::Cancel(reason)) {
            Answer::Canceled(cancel) => cancel,
            _ => unreachable!(),
        }
    }

    fn marked(&mut self, call: Call) -> Option<bool> {
        match self.call(call) {
            Answer::Marked(marked) => marked,
            _ => unreachable!(),
        }
    }

    pub fn mark(&mut self) -> Option<bool> {
        self.marked(Call::Mark)
    }

    pub fn mark_or_cancel(&mut self) -> Option<bool> {
        self.marked(Call::MarkOrCancel)
    }

    pub fn unmark(&mut self, holder: Holder) -> Option<bool> {
        self.marked(Call::Unmark(holder))
    }

    fn ended(&mut self, call: Call) -> Option<End> {
        match self.call(call) {
            Answer::Ended(end) => end,
            _ => unreachable!(),
        }
    }

    pub fn keep(&mut self) -> Option<End> {
        self.ended(Call::Keep)
    }

    pub fn take_up(&mut self) -> bool {
        self.done(Call::TakeUp)
    }

    pub fn force(&mut self, reason: Reason) -> Option<End> {
        self.ended(Call::Force(reason))
    }

    pub fn complete(&mut self) -> Result<Option<End>, ()> {
        match self.call(Call::Complete) {
            Answer::Completed(completed) => completed,
            _ => unreachable!(),
        }
    }

    pub fn delete(&mut self) -> bool {
        self.done(Call::Delete)
    }

    /// The machine, for what does not change it.
    pub fn as_is(&self) -> &Machine<Reason> {
        &self.machine
    }
}

/// Every transition of the machine that the library's calls can make.
pub fn transitions() -> BTreeSet<Transition> {
    let calls = [
        Call::Rearm,
        Call::Submit(false),
        Call::Submit(true),
        Call::Claim(1, Holder::Transport),
        Call::Claim(1, Holder::Client),
        Call::Claim(1, Holder::Callback(false)),
        Call::Claim(1, Holder::Callback(true)),
        Call::Cancel(1),
        Call::Mark,
        Call::MarkOrCancel,
        Call::Unmark(Holder::Client),
        Call::Unmark(Holder::Callback(false)),
        Call::Unmark(Holder::Callback(true)),
        Call::Unmark(Holder::Target),
        Call::Keep,
        Call::TakeUp,
        Call::Complete,
        Call::Force(1),
        Call::Delete,
    ];
    let mut found = BTreeSet::new();
    // Machines that differ in numbers only behave alike. The shortest way to each comes first, so the
    // ticket is never above 1.
    let mut seen = BTreeSet::new();
    let mut open: VecDeque<Vec<Call>> = VecDeque::from([Vec::new()]);
    while let Some(path) = open.pop_front() {
        for call in calls {
            let mut machine = replayed(&path);
            let from = state_of(&machine);
            call.make(&mut machine);
            let to = state_of(&machine);
            if from != to {
                found.insert(Transition { call: call.name(), from, to });
            }
            let shown = format!("{machine:?}").replace(|c: char| c.is_ascii_digit(), "");
            if seen.insert(shown) {
                open.push_back(path.iter().copied().chain([call]).collect());
            }
        }
    }
    found
}
