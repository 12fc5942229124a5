//! BufferPool beside lists of addresses: two Sources and two Sinks.

use super::buffers::*;
use super::*;
use dmf::capi::buffer_pool as pool;
use dmf::capi::memory;
use dmf::capi::types::{WDF_MEMORY_DESCRIPTOR, WDFMEMORY};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::mem::zeroed;
use std::ptr::null_mut;

const SOURCES: usize = 2;
const POOLS: usize = 4;
const MODE_SOURCE: i32 = 1;
const MODE_SINK: i32 = 2;

#[derive(Clone, Copy, Debug)]
enum Get {
    Plain,
    WithoutContext,
    WithMemory,
    WithDescriptor,
}

#[derive(Clone, Copy, Debug)]
enum Put {
    Tail,
    Head,
    /// With a timer of an hour.
    Timer,
    /// With a timer that expires at once, and the test waits for it.
    TimerAtOnce,
    TimerWithoutCallback,
}

#[derive(Clone, Debug)]
enum Operation {
    Get { pool: usize, how: Get },
    Put { pool: usize, pointer: Pointer, how: Put },
    Fill { index: usize, fill: u8 },
    Enumerate { pool: usize, answers: Vec<i32>, outputs: bool, call_inside: bool },
    ContextGet { pool: usize, pointer: Pointer },
    ParametersGet { pool: usize, pointer: Pointer },
}

fn operations() -> impl Strategy<Value = Operation> {
    let get = prop_oneof![
        3 => Just(Get::Plain),
        1 => Just(Get::WithoutContext),
        1 => Just(Get::WithMemory),
        1 => Just(Get::WithDescriptor),
    ];
    let put = prop_oneof![
        6 => Just(Put::Tail),
        2 => Just(Put::Head),
        4 => Just(Put::Timer),
        1 => Just(Put::TimerAtOnce),
        1 => Just(Put::TimerWithoutCallback),
    ];
    prop_oneof![
        10 => (0..POOLS, get).prop_map(|(pool, how)| Operation::Get { pool, how }),
        10 => (0..POOLS, pointers(), put)
            .prop_map(|(pool, pointer, how)| Operation::Put { pool, pointer, how }),
        5 => (any::<usize>(), 1..=254_u8).prop_map(|(index, fill)| Operation::Fill { index, fill }),
        4 => (0..POOLS, dispositions(), prop::bool::weighted(0.8), prop::bool::weighted(0.2))
            .prop_map(|(pool, answers, outputs, call_inside)| Operation::Enumerate {
                pool, answers, outputs, call_inside,
            }),
        1 => (0..POOLS, pointers())
            .prop_map(|(pool, pointer)| Operation::ContextGet { pool, pointer }),
        1 => (0..POOLS, pointers())
            .prop_map(|(pool, pointer)| Operation::ParametersGet { pool, pointer }),
    ]
}

struct Pair {
    modules: Vec<Module>,
    world: World,
    sinks: [VecDeque<usize>; POOLS - SOURCES],
    fired: Fired,
}

/// What an enumeration callback answers, and what it sees.
struct Visitor {
    module: DMFMODULE,
    answers: Vec<i32>,
    call_inside: bool,
    seen: Vec<(usize, usize)>,
    wrong: bool,
}

unsafe extern "C" fn visit(
    module: DMFMODULE,
    buffer: *mut VOID,
    context: *mut VOID,
    visitor: *mut VOID,
) -> i32 {
    // SAFETY: the context is a Visitor that nothing else uses during the enumeration.
    let visitor = unsafe { &mut *visitor.cast::<Visitor>() };
    visitor.wrong |= module != visitor.module;
    if visitor.call_inside && visitor.seen.is_empty() {
        // SAFETY: no pointer is involved.
        let count = unsafe { pool::count(module) };
        visitor.wrong |= count != 0 || misuse::last_status_get() != INVALID_DEVICE_STATE;
    }
    visitor.seen.push((buffer.addr(), context.addr()));
    visitor.answers[(visitor.seen.len() - 1) % visitor.answers.len()]
}

impl Pair {
    fn new(settings: &[Setting; SOURCES]) -> Result<Self, TestCaseError> {
        let make = |number: usize| {
            let fill = |config: &mut pool::DMF_CONFIG_BufferPool| match settings.get(number) {
                Some(setting) => {
                    config.buffer_pool_mode = MODE_SOURCE;
                    // SAFETY: the union has one member, of integers.
                    setting.fill(unsafe { &mut config.mode.source_settings });
                }
                None => config.buffer_pool_mode = MODE_SINK,
            };
            create(pool::config_and_attributes_init, fill, pool::create)
        };
        let mut pair = Self {
            modules: (0..POOLS).map(make).collect(),
            world: World::new(settings),
            sinks: Default::default(),
            fired: Fired::default(),
        };
        pair.meet_the_buffers()?;
        Ok(pair)
    }

    /// Takes every buffer once, and puts it back.
    fn meet_the_buffers(&mut self) -> Outcome {
        for source in 0..SOURCES {
            let count = self.world.sources[source].setting.count;
            let mut all = Vec::new();
            for _ in 0..count {
                let (status, address, context) = self.call_get(source, Get::WithMemory)?;
                same("Get", status, SUCCESS)?;
                self.world.introduce(source, address, context)?;
                self.world.buffers.content_is_the_same(address)?;
                all.push(address);
            }
            for address in all {
                // SAFETY: any pointer is allowed.
                unsafe { pool::put_at_tail(self.modules[source].0, pointer_of(address)) };
                self.world.put_in_source(address, false);
            }
        }
        same("reports", reports(), 0)
    }

    /// Status, buffer and context; the addresses 1 and 1 where nothing was written.
    fn call_get(&self, number: usize, how: Get) -> Result<(NTSTATUS, usize, usize), TestCaseError> {
        let module = self.modules[number].0;
        let mut buffer = pointer_of(1);
        let mut context = pointer_of(1);
        let mut of_memory: Option<WDFMEMORY> = None;
        // SAFETY: the outputs are this function's; a descriptor of zeros is valid.
        let status = unsafe {
            match how {
                Get::Plain => pool::get(module, &mut buffer, &mut context),
                Get::WithoutContext => pool::get(module, &mut buffer, null_mut()),
                Get::WithMemory => {
                    let memory = of_memory.insert(null_mut());
                    pool::get_with_memory(module, &mut buffer, &mut context, memory)
                }
                Get::WithDescriptor => {
                    let mut descriptor: WDF_MEMORY_DESCRIPTOR = zeroed();
                    let status = pool::get_with_memory_descriptor(
                        module,
                        &mut buffer,
                        &mut descriptor,
                        &mut context,
                    );
                    of_memory = Some(descriptor.handle_type.memory);
                    status
                }
            }
        };
        if status == SUCCESS
            && let Some(of_memory) = of_memory
        {
            let mut size = 0;
            // SAFETY: any handle value is allowed, the size is this function's.
            let start = unsafe { memory::get_buffer(of_memory, &mut size) };
            same("the memory's buffer", start, buffer)?;
        }
        Ok((status, buffer.addr(), context.addr()))
    }

    fn get(&mut self, number: usize, how: Get) -> Outcome {
        let (status, address, context) = self.call_get(number, how)?;
        let expected = match number.checked_sub(SOURCES) {
            None => self.world.sources[number].get(),
            Some(sink) => self.sinks[sink].pop_front().map_or(Got::Nothing, Got::Buffer),
        };
        let context_size = match expected {
            Got::Nothing => {
                let refusal = match how {
                    Get::WithDescriptor => INSUFFICIENT_RESOURCES,
                    _ => UNSUCCESSFUL,
                };
                same_status("Get", status, refusal)?;
                return same("outputs", (address, context), (1, 1));
            }
            Got::Buffer(expected) => {
                same_status("Get", status, SUCCESS)?;
                same("buffer", address, expected)?;
                self.world.buffers.set_held(address, true);
                self.world.buffers.known[&address].context_size
            }
            Got::New => {
                same_status("Get", status, SUCCESS)?;
                let mut its_context = null_mut();
                // SAFETY: the output is this function's.
                unsafe {
                    pool::context_get(self.modules[number].0, pointer_of(address), &mut its_context)
                };
                self.world.introduce(number, address, its_context.addr())?;
                self.world.sources[number].setting.context_size
            }
        };
        let expected_context = match how {
            Get::WithoutContext => 1,
            Get::Plain if context_size == 0 => 0,
            _ => self.world.buffers.known[&address].context,
        };
        same("context", context, expected_context)?;
        self.world.buffers.content_is_the_same(address)
    }

    fn put(&mut self, number: usize, pointer: Pointer, how: Put) -> Outcome {
        let module = self.modules[number].0;
        let address = self.world.buffers.address(pointer);
        let buffer = pointer_of(address);
        // SAFETY: any pointer is allowed; the timer's context lives until the timer has expired.
        unsafe {
            match how {
                Put::Tail => pool::put_at_tail(module, buffer),
                Put::Head => pool::put_at_head(module, buffer),
                Put::Timer => {
                    pool::put_in_sink_with_timer(module, buffer, AN_HOUR, Some(never), null_mut());
                }
                Put::TimerAtOnce => {
                    let context = self.fired.context();
                    pool::put_in_sink_with_timer(module, buffer, 0, Some(fire), context);
                }
                Put::TimerWithoutCallback => {
                    pool::put_in_sink_with_timer(module, buffer, 1, None, null_mut());
                }
            }
        }
        let sink = number.checked_sub(SOURCES);
        let is_timed = matches!(how, Put::Timer | Put::TimerAtOnce | Put::TimerWithoutCallback);
        let held = self.world.buffers.held(address).filter(|buffer| {
            let timer_is_possible = sink.is_some()
                && self.world.sources[buffer.source].setting.with_timer
                && !matches!(how, Put::TimerWithoutCallback);
            (sink.is_some() || buffer.source == number) && (!is_timed || timer_is_possible)
        });
        let Some(held) = held else {
            same("Put is refused", misuse::last_status_get() < 0, true)?;
            return same("reports", reports(), 1);
        };
        same_status("Put", misuse::last_status_get(), SUCCESS)?;
        match (sink, how) {
            (None, _) => self.world.put_in_source(address, matches!(how, Put::Head)),
            (Some(_), Put::TimerAtOnce) => self.fired.wait(module, address, held.context)?,
            (Some(sink), Put::Head) => self.sinks[sink].push_front(address),
            (Some(sink), _) => self.sinks[sink].push_back(address),
        }
        if sink.is_some() && !matches!(how, Put::TimerAtOnce) {
            self.world.buffers.set_held(address, false);
        }
        Ok(())
    }

    fn enumerate(
        &mut self,
        number: usize,
        answers: &[i32],
        outputs: bool,
        call_inside: bool,
    ) -> Outcome {
        let module = self.modules[number].0;
        let answers = answers.to_vec();
        let mut visitor = Visitor { module, answers, call_inside, seen: Vec::new(), wrong: false };
        let (mut buffer, mut context) = (pointer_of(1), pointer_of(1));
        let outs: (*mut *mut VOID, *mut *mut VOID) =
            if outputs { (&mut buffer, &mut context) } else { (null_mut(), null_mut()) };
        let visitor_pointer = (&raw mut visitor).cast();
        // SAFETY: context and outputs live during the call.
        unsafe { pool::enumerate(module, Some(visit), visitor_pointer, outs.0, outs.1) };
        let Some(sink) = number.checked_sub(SOURCES) else {
            same("visited", visitor.seen.len(), 0)?;
            return same("reports", reports(), 1);
        };
        let (visited, last) = walk(&visitor.answers, self.sinks[sink].len());
        let expected: Vec<_> = self.sinks[sink]
            .iter()
            .take(visited)
            .map(|address| (*address, self.world.buffers.known[address].context))
            .collect();
        same("visited", visitor.seen, expected)?;
        same("wrong inside", visitor.wrong, false)?;
        let removes = last == Some(REMOVE_AND_STOP);
        let removed = if removes && outputs { self.sinks[sink].remove(visited - 1) } else { None };
        let expected_outputs = match removed {
            Some(address) => {
                self.world.buffers.set_held(address, true);
                (address, self.world.buffers.known[&address].context)
            }
            None if outputs => (0, 0),
            None => (1, 1),
        };
        same("outputs", (buffer.addr(), context.addr()), expected_outputs)?;
        let misused = u32::from(last.is_some_and(|last| !is_a_disposition(last)))
            + u32::from(removes && !outputs)
            + u32::from(call_inside && visited > 0);
        same("reports", reports(), misused)
    }

    fn context_get(&mut self, number: usize, pointer: Pointer) -> Outcome {
        let address = self.world.buffers.address(pointer);
        let known = self.world.buffers.known.get(&address);
        if known.is_none() && self.world.buffers.was_there(address) {
            // Its memory may be kept for later; then it has a context.
            reports();
            return Ok(());
        }
        if known.is_some_and(|buffer| number < SOURCES && buffer.source != number) {
            return Ok(());
        }
        let mut context = pointer_of(1);
        // SAFETY: any pointer is allowed; the output is this function's.
        unsafe { pool::context_get(self.modules[number].0, pointer_of(address), &mut context) };
        same("context", context.addr(), known.map_or(1, |buffer| buffer.context))?;
        same("reports", reports(), known.is_none().into())
    }

    fn parameters_get(&mut self, number: usize, pointer: Pointer) -> Outcome {
        let address = self.world.buffers.address(pointer);
        let (mut size, mut context, mut context_size) = (4711, pointer_of(1), 4712);
        // SAFETY: any pointer is allowed; the outputs are this function's, or NULL.
        unsafe {
            pool::parameters_get(
                self.modules[number].0,
                pointer_of(address),
                null_mut(),
                null_mut(),
                &mut size,
                &mut context,
                &mut context_size,
            );
        }
        if self.world.buffers.was_there(address) {
            reports();
            return Ok(());
        }
        let own = self.world.buffers.known.get(&address).filter(|buffer| buffer.source == number);
        let expected = own.map_or((4711, 1, 4712), |b| (b.size, b.context, b.context_size));
        same("parameters", (size, context.addr(), context_size), expected)?;
        same("reports", reports(), own.is_none().into())
    }

    /// Both do `operation`.
    fn step(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Get { pool, how } => self.get(*pool, *how),
            Operation::Put { pool, pointer, how } => self.put(*pool, *pointer, *how),
            Operation::Fill { index, fill } => {
                self.world.buffers.fill(*index, *fill);
                Ok(())
            }
            Operation::Enumerate { pool, answers, outputs, call_inside } => {
                self.enumerate(*pool, answers, *outputs, *call_inside)
            }
            Operation::ContextGet { pool, pointer } => self.context_get(*pool, *pointer),
            Operation::ParametersGet { pool, pointer } => self.parameters_get(*pool, *pointer),
        }?;
        self.counts_are_the_same()
    }

    fn counts_are_the_same(&self) -> Outcome {
        let lists = self.world.sources.iter().map(|source| &source.list).chain(self.sinks.iter());
        for (module, list) in self.modules.iter().zip(lists) {
            // SAFETY: no pointer is involved.
            same("count", unsafe { pool::count(module.0) } as usize, list.len())?;
        }
        same("reports", reports(), 0)
    }

    /// Buffers that the Client holds outlive their pools, and may be given back.
    fn finish(mut self) -> Outcome {
        let handles: Vec<_> = self.modules.iter().map(|module| module.0).collect();
        self.modules.clear();
        let buffers = &self.world.buffers;
        for (address, buffer) in buffers.known.iter().filter(|(_, buffer)| buffer.held) {
            buffers.content_is_the_same(*address)?;
            // SAFETY: any pointer is allowed.
            unsafe { pool::put_at_tail(handles[buffer.source], pointer_of(*address)) };
            same("reports", reports(), 0)?;
        }
        Ok(())
    }
}

/// One sequence, from new Modules to deleted ones.
fn agree((first, second): &(Setting, Setting), operations: &[Operation]) -> Outcome {
    reports();
    let mut pair = Pair::new(&[*first, *second])?;
    operations.iter().try_for_each(|operation| pair.step(operation))?;
    pair.finish()
}

#[test]
fn pools_answer_as_lists_of_addresses_do() {
    check((settings(), settings()), operations(), agree);
}

/// The sequence that a fuzzer's bytes stand for.
#[cfg(fuzzing)]
pub fn agree_on(bytes: &[u8]) {
    replay(bytes, (settings(), settings()), operations(), agree);
}
