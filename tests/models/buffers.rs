//! What the models of pools and queues know of their buffers.

use super::*;
use dmf::capi::types::BufferPool_SourceSettings;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// A pointer that a step gives to a Method.
#[derive(Clone, Copy, Debug)]
pub enum Pointer {
    /// A buffer that the Client has.
    Held(usize),
    /// A buffer, wherever it is.
    Any(usize),
    /// A buffer that was freed.
    Gone(usize),
    /// Beside the start of a buffer.
    Beside(usize, isize),
    ContextOf(usize),
    Value(usize),
}

pub fn pointers() -> impl Strategy<Value = Pointer> {
    prop_oneof![
        14 => any::<usize>().prop_map(Pointer::Held),
        3 => any::<usize>().prop_map(Pointer::Any),
        1 => any::<usize>().prop_map(Pointer::Gone),
        1 => (any::<usize>(), -64..=64_isize).prop_map(|(of, by)| Pointer::Beside(of, by)),
        1 => any::<usize>().prop_map(Pointer::ContextOf),
        1 => prop_oneof![any::<usize>(), 0..=16_usize, (usize::MAX - 16)..=usize::MAX]
            .prop_map(Pointer::Value),
    ]
}

/// How a Source is made.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub count: u32,
    pub size: u32,
    pub context_size: u32,
    pub look_aside: bool,
    pub with_timer: bool,
}

pub fn settings() -> impl Strategy<Value = Setting> {
    let context = prop_oneof![1 => Just(0_u32), 2 => 1..=40_u32];
    (1..=6_u32, 1..=80_u32, context, any::<bool>(), any::<bool>()).prop_map(
        |(count, size, context_size, look_aside, with_timer)| Setting {
            count,
            size,
            context_size,
            look_aside,
            with_timer,
        },
    )
}

impl Setting {
    pub fn fill(&self, settings: &mut BufferPool_SourceSettings) {
        settings.buffer_count = self.count;
        settings.buffer_size = self.size;
        settings.buffer_context_size = self.context_size;
        settings.enable_look_aside = self.look_aside.into();
        settings.create_with_timer = self.with_timer.into();
    }
}

/// A list of unused buffers.
pub struct Source {
    pub setting: Setting,
    pub list: VecDeque<usize>,
    /// Buffers that exist.
    allocated: u32,
}

/// What a Source hands out.
#[derive(Clone, Copy)]
pub enum Got {
    Buffer(usize),
    /// One that did not exist before.
    New,
    Nothing,
}

impl Source {
    pub fn get(&mut self) -> Got {
        if let Some(address) = self.list.pop_front() {
            return Got::Buffer(address);
        }
        if !self.setting.look_aside {
            return Got::Nothing;
        }
        self.allocated += 1;
        Got::New
    }

    /// False: the buffer is freed, since there are more than were configured.
    pub fn put(&mut self, address: usize, at_head: bool) -> bool {
        if self.allocated > self.setting.count {
            self.allocated -= 1;
            return false;
        }
        if at_head {
            self.list.push_front(address)
        } else {
            self.list.push_back(address)
        }
        true
    }
}

#[derive(Clone, Copy)]
pub struct Buffer {
    /// The number of its Source.
    pub source: usize,
    pub held: bool,
    /// Each byte of the buffer; those of the context follow from it.
    pub fill: u8,
    pub size: u32,
    pub context: usize,
    pub context_size: u32,
}

fn context_fill(fill: u8) -> u8 {
    if fill == 0 { 0 } else { !fill }
}

/// The buffers of all Sources of a test.
#[derive(Default)]
pub struct Buffers {
    pub known: BTreeMap<usize, Buffer>,
    /// Their addresses, in the order in which they were first seen: a step means the same buffer in
    /// every run, wherever that lies.
    order: Vec<usize>,
    gone: Vec<usize>,
}

impl Buffers {
    pub fn address(&self, pointer: Pointer) -> usize {
        let pick = |index: usize, held: bool| {
            let all = self.order.iter().map(|address| (*address, self.known[address]));
            let all: Vec<_> = all.filter(|(_, buffer)| buffer.held || !held).collect();
            all.get(index % all.len().max(1)).map(|(address, buffer)| (*address, buffer.context))
        };
        match pointer {
            Pointer::Held(index) => pick(index, true).map_or(0, |(address, _)| address),
            Pointer::Any(index) => pick(index, false).map_or(0, |(address, _)| address),
            Pointer::Gone(index) => {
                self.gone.get(index % self.gone.len().max(1)).copied().unwrap_or(0)
            }
            Pointer::Beside(index, by) => {
                pick(index, false).map_or(0, |(address, _)| address.wrapping_add_signed(by))
            }
            Pointer::ContextOf(index) => pick(index, false).map_or(0, |(_, context)| context),
            Pointer::Value(value) => value,
        }
    }

    /// The buffer at an address, if the Client has it.
    pub fn held(&self, address: usize) -> Option<Buffer> {
        self.known.get(&address).copied().filter(|buffer| buffer.held)
    }

    /// Whether a freed buffer was at an address, and none is now.
    pub fn was_there(&self, address: usize) -> bool {
        self.gone.contains(&address) && !self.known.contains_key(&address)
    }

    pub fn forget(&mut self, address: usize) {
        self.known.remove(&address);
        self.order.retain(|other| *other != address);
        self.gone.push(address);
    }

    pub fn set_held(&mut self, address: usize, held: bool) {
        self.known.get_mut(&address).unwrap().held = held;
    }

    pub fn set_zeroed(&mut self, address: usize) {
        self.known.get_mut(&address).unwrap().fill = 0;
    }

    /// The Client writes all bytes of a buffer and its context.
    pub fn fill(&mut self, index: usize, fill: u8) {
        let address = self.address(Pointer::Held(index));
        let Some(buffer) = self.held(address) else { return };
        let place = std::ptr::with_exposed_provenance_mut::<u8>(address);
        let context = std::ptr::with_exposed_provenance_mut::<u8>(buffer.context);
        // SAFETY: the Client holds the buffer, which has these sizes.
        unsafe {
            place.write_bytes(fill, buffer.size as usize);
            context.write_bytes(context_fill(fill), buffer.context_size as usize);
        }
        self.known.get_mut(&address).unwrap().fill = fill;
    }

    /// What is in a buffer is what the model says.
    pub fn content_is_the_same(&self, address: usize) -> Outcome {
        let buffer = self.known[&address];
        for (start, size, fill) in [
            (address, buffer.size, buffer.fill),
            (buffer.context, buffer.context_size, context_fill(buffer.fill)),
        ] {
            let place = std::ptr::with_exposed_provenance::<u8>(start);
            // SAFETY: the buffer is the Client's, or lies in a list that nobody else uses.
            let bytes = unsafe { std::slice::from_raw_parts(place, size as usize) };
            same("content", bytes, &vec![fill; size as usize])?;
        }
        Ok(())
    }
}

/// Sources by number, and what their buffers are.
pub struct World {
    pub sources: Vec<Source>,
    pub buffers: Buffers,
}

impl World {
    pub fn new(settings: &[Setting]) -> Self {
        let source = |setting: &Setting| Source {
            setting: *setting,
            list: VecDeque::new(),
            allocated: setting.count,
        };
        Self { sources: settings.iter().map(source).collect(), buffers: Buffers::default() }
    }

    /// A buffer of a Source, seen for the first time.
    pub fn introduce(&mut self, source: usize, address: usize, context: usize) -> Outcome {
        same("16-byte aligned", (address % 16, context % 16), (0, 0))?;
        let Setting { size, context_size, .. } = self.sources[source].setting;
        let buffer = Buffer { source, held: true, fill: 0, size, context, context_size };
        self.buffers.order.push(address);
        same("a new buffer", self.buffers.known.insert(address, buffer).is_none(), true)
    }

    /// The Client gives a buffer to its Source.
    pub fn put_in_source(&mut self, address: usize, at_head: bool) {
        let source = self.buffers.known[&address].source;
        if self.sources[source].put(address, at_head) {
            self.buffers.set_held(address, false);
            self.buffers.set_zeroed(address);
        } else {
            self.buffers.forget(address);
        }
    }
}

/// What enumeration callbacks answer: the dispositions of C, and values that are none.
pub fn dispositions() -> impl Strategy<Value = Vec<i32>> {
    vec(
        prop_oneof![8 => Just(1), 5 => 1..=7_i32, 1 => Just(0), 1 => Just(8), 1 => any::<i32>()],
        1..6,
    )
}

pub const REMOVE_AND_STOP: i32 = 3;

/// How far an enumeration with these dispositions comes: how many buffers it shows, and the last answer.
pub fn walk(dispositions: &[i32], length: usize) -> (usize, Option<i32>) {
    const GO_ON: [i32; 3] = [1, 5, 7];
    let answer = |i: usize| dispositions[i % dispositions.len()];
    match (0..length).find(|i| !GO_ON.contains(&answer(*i))) {
        Some(last) => (last + 1, Some(answer(last))),
        None => (length, None),
    }
}

pub fn is_a_disposition(answer: i32) -> bool {
    (1..=7).contains(&answer)
}

/// What an expired timer gave to its callback.
#[derive(Default)]
pub struct Fired {
    calls: Mutex<Vec<(usize, usize, usize)>>,
    changed: Condvar,
}

/// The callback of a timer; its context is a [`Fired`].
pub unsafe extern "C" fn fire(
    module: DMFMODULE,
    buffer: *mut VOID,
    context: *mut VOID,
    fired: *mut VOID,
) {
    // SAFETY: the test waits for the call and keeps the context until then.
    let fired = unsafe { &*fired.cast::<Fired>() };
    fired.calls.lock().unwrap().push((module.addr(), buffer.addr(), context.addr()));
    fired.changed.notify_all();
}

/// The callback of a timer that never expires.
pub unsafe extern "C" fn never(_: DMFMODULE, _: *mut VOID, _: *mut VOID, _: *mut VOID) {
    std::process::abort();
}

/// Longer than a test takes.
pub const AN_HOUR: u64 = 3_600_000;

impl Fired {
    pub fn context(&self) -> *mut VOID {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// Waits until the timer has given this Module's buffer away.
    pub fn wait(&self, module: DMFMODULE, address: usize, context: usize) -> Outcome {
        let calls = self.calls.lock().unwrap();
        let (mut calls, timeout) = self
            .changed
            .wait_timeout_while(calls, Duration::from_secs(30), |calls| calls.is_empty())
            .unwrap();
        same("the timer has expired", timeout.timed_out(), false)?;
        same("the timer's callback", calls.remove(0), (module.addr(), address, context))
    }
}
