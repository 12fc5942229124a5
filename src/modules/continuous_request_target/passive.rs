//! Completions that run at passive level: one after the other, on a passive thread.
//!
//! The room for a completion is taken before its Request is sent, so that telling it cannot fail.

use super::send::Finished;
use super::stream::Stream;
use crate::framework::buffer::Buffer;
use crate::framework::deletion;
use crate::framework::frames::{self, Activity};
use crate::framework::memory::{self, Shared, try_box};
use crate::framework::passive::{self, SharedTask, Task};
use crate::framework::status::Error;
use crate::framework::sync::Mutex;
use crate::io::request::Outcome;
use crate::io::target::Core;
use std::collections::VecDeque;

/// A completion that is to be told.
pub enum Completed {
    Lane { lane: usize, outcome: Outcome, output: Option<Buffer>, target: Option<Shared<Core>> },
    Send(Finished),
}

/// See the file's head.
pub struct PassiveLane {
    stream: Shared<Stream>,
    state: Mutex<State>,
    user: passive::User,
}

struct State {
    completed: VecDeque<Completed>,
    /// Completions that may still come.
    expected: usize,
    posted: bool,
    /// None once the Module has closed.
    task: Option<SharedTask>,
}

impl PassiveLane {
    pub fn new(stream: Shared<Stream>) -> Result<Shared<Self>, Error> {
        let lane = Shared::new(Self {
            stream,
            state: Mutex::new(State {
                completed: VecDeque::new(),
                expected: 0,
                posted: false,
                task: None,
            }),
            user: passive::User::attach()?,
        })?;
        let task = Shared::new(try_box(Run(lane.clone()))? as Box<dyn Task>)?;
        lane.state.lock().task = Some(task);
        Ok(lane)
    }

    /// Takes the room for that many completions more.
    pub fn expect(&self, count: usize) -> Result<(), Error> {
        let mut state = self.state.lock();
        memory::permit()?;
        let room = state.expected + count - state.completed.len().min(state.expected);
        state.completed.try_reserve(room).map_err(|_| memory::no_memory())?;
        state.expected += count;
        Ok(())
    }

    /// A completion that was expected will not come.
    pub fn expect_less(&self) {
        self.state.lock().expected -= 1;
    }

    pub fn post(&self, completed: Completed) {
        let mut state = self.state.lock();
        state.completed.push_back(completed);
        if !std::mem::replace(&mut state.posted, true)
            && let Some(task) = &state.task
        {
            self.user.post(task.clone());
        }
    }

    /// The Module closes: nothing is posted any more.
    pub fn close(&self) {
        let task = self.state.lock().task.take();
        drop(task);
    }
}

struct Run(Shared<PassiveLane>);

impl Task for Run {
    fn run(&self) {
        frames::within(self.0.stream.handle(), Activity::Method, || self.0.tell_all());
    }
}

impl PassiveLane {
    /// Tells what is completed. A callback may delete the Module, which waits for the completions behind
    /// it, so deletes are put off until what is there by then was told. Another thread tells the rest.
    fn tell_all(&self) {
        let mut left: Option<usize> = None;
        loop {
            let completed = {
                let mut state = self.state.lock();
                if left == Some(0)
                    && !state.completed.is_empty()
                    && let Some(task) = &state.task
                {
                    self.user.post(task.clone());
                    return;
                }
                let Some(completed) = state.completed.pop_front() else {
                    state.posted = false;
                    return;
                };
                completed
            };
            match completed {
                Completed::Lane { lane, outcome, output, target } => {
                    self.stream.completed(lane, outcome, output, None);
                    if let Some(target) = target {
                        target.has_told();
                    }
                }
                Completed::Send(finished) => {
                    self.expect_less();
                    let target = finished.target();
                    finished.tell();
                    target.has_told();
                }
            }
            left = match left {
                Some(count) => Some(count.saturating_sub(1)),
                None if deletion::has_deferred() => Some(self.state.lock().completed.len()),
                None => None,
            };
        }
    }
}
