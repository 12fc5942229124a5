//! BufferQueue beside lists of addresses: two queues, so that each sees buffers of the other.

use super::buffers::*;
use super::*;
use dmf::capi::buffer_queue as queue;
use dmf::capi::module::parent_module_get;
use dmf::capi::types::WDF_MEMORY_DESCRIPTOR;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::zeroed;
use std::ptr::null_mut;

const QUEUES: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Take {
    Fetch,
    FetchWithoutContext,
    Dequeue,
    DequeueWithoutContext,
    DequeueWithDescriptor,
}

#[derive(Clone, Copy, Debug)]
enum Enqueue {
    Tail,
    Head,
    /// With a timer of an hour.
    Timer,
    /// With a timer that expires at once, and the test waits for it.
    TimerAtOnce,
    TimerWithoutCallback,
}

/// What an enumeration callback calls, the first time.
#[derive(Clone, Copy, Debug)]
enum Inside {
    Nothing,
    Count,
    Dequeue,
    Fetch,
}

#[derive(Clone, Debug)]
enum Operation {
    Take { queue: usize, how: Take },
    Enqueue { queue: usize, pointer: Pointer, how: Enqueue },
    Reuse { queue: usize, pointer: Pointer },
    Flush { queue: usize },
    Fill { index: usize, fill: u8 },
    Enumerate { queue: usize, answers: Vec<i32>, outputs: bool, inside: Inside },
    ContextGet { queue: usize, pointer: Pointer },
}

fn operations() -> impl Strategy<Value = Operation> {
    let take = prop_oneof![
        5 => Just(Take::Fetch),
        1 => Just(Take::FetchWithoutContext),
        2 => Just(Take::Dequeue),
        1 => Just(Take::DequeueWithoutContext),
        1 => Just(Take::DequeueWithDescriptor),
    ];
    let enqueue = prop_oneof![
        6 => Just(Enqueue::Tail),
        2 => Just(Enqueue::Head),
        4 => Just(Enqueue::Timer),
        1 => Just(Enqueue::TimerAtOnce),
        1 => Just(Enqueue::TimerWithoutCallback),
    ];
    let inside = prop_oneof![
        6 => Just(Inside::Nothing),
        1 => Just(Inside::Count),
        1 => Just(Inside::Dequeue),
        1 => Just(Inside::Fetch),
    ];
    prop_oneof![
        12 => (0..QUEUES, take).prop_map(|(queue, how)| Operation::Take { queue, how }),
        10 => (0..QUEUES, pointers(), enqueue)
            .prop_map(|(queue, pointer, how)| Operation::Enqueue { queue, pointer, how }),
        4 => (0..QUEUES, pointers()).prop_map(|(queue, pointer)| Operation::Reuse { queue, pointer }),
        1 => (0..QUEUES).prop_map(|queue| Operation::Flush { queue }),
        6 => (any::<usize>(), 1..=254_u8).prop_map(|(index, fill)| Operation::Fill { index, fill }),
        4 => (0..QUEUES, dispositions(), prop::bool::weighted(0.8), inside).prop_map(
            |(queue, answers, outputs, inside)| Operation::Enumerate {
                queue, answers, outputs, inside,
            }
        ),
        1 => (0..QUEUES, pointers())
            .prop_map(|(queue, pointer)| Operation::ContextGet { queue, pointer }),
    ]
}

/// What a cleanup callback was shown: queue, buffer, context, first byte.
type Shown = (usize, usize, usize, u8);

thread_local! {
    static CLEANED_UP: RefCell<Vec<Shown>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn clean_up(module: DMFMODULE, buffer: *mut VOID, context: *mut VOID) {
    // SAFETY: a buffer has at least one byte.
    let first = unsafe { buffer.cast::<u8>().read() };
    CLEANED_UP.with_borrow_mut(|shown| {
        shown.push((module.addr(), buffer.addr(), context.addr(), first));
    });
}

/// What an enumeration callback answers, and what it sees.
struct Visitor {
    queue: DMFMODULE,
    answers: Vec<i32>,
    inside: Inside,
    seen: Vec<(usize, usize)>,
    fetched: Option<(NTSTATUS, usize)>,
    wrong: bool,
}

unsafe extern "C" fn visit(
    module: DMFMODULE,
    buffer: *mut VOID,
    context: *mut VOID,
    visitor: *mut VOID,
) -> i32 {
    // SAFETY: the context is a Visitor that nothing else uses during the enumeration; any handle value
    // is allowed; the outputs are this function's.
    unsafe {
        let visitor = &mut *visitor.cast::<Visitor>();
        visitor.wrong |= parent_module_get(module) != visitor.queue || module == visitor.queue;
        if visitor.seen.is_empty() {
            let mut taken = pointer_of(1);
            match visitor.inside {
                Inside::Nothing => {}
                Inside::Count => visitor.wrong |= queue::count(visitor.queue) != 0,
                Inside::Dequeue => {
                    let status = queue::dequeue(visitor.queue, &mut taken, null_mut());
                    visitor.wrong |= status != INVALID_DEVICE_STATE || taken.addr() != 1;
                }
                Inside::Fetch => {
                    let status = queue::fetch(visitor.queue, &mut taken, null_mut());
                    visitor.fetched = Some((status, taken.addr()));
                }
            }
        }
        visitor.seen.push((buffer.addr(), context.addr()));
        visitor.answers[(visitor.seen.len() - 1) % visitor.answers.len()]
    }
}

struct Pair {
    modules: Vec<Module>,
    world: World,
    consumers: [VecDeque<usize>; QUEUES],
    fired: Fired,
}

impl Pair {
    fn new(settings: &[Setting; QUEUES]) -> Result<Self, TestCaseError> {
        let make = |setting: &Setting| {
            let fill = |config: &mut queue::DMF_CONFIG_BufferQueue| {
                setting.fill(&mut config.source_settings);
                config.evt_buffer_queue_reuse_cleanup = Some(clean_up);
            };
            create(queue::config_and_attributes_init, fill, queue::create)
        };
        let mut pair = Self {
            modules: settings.iter().map(make).collect(),
            world: World::new(settings),
            consumers: Default::default(),
            fired: Fired::default(),
        };
        pair.meet_the_buffers()?;
        Ok(pair)
    }

    /// Takes every buffer once, and gives it back.
    fn meet_the_buffers(&mut self) -> Outcome {
        for number in 0..QUEUES {
            let count = self.world.sources[number].setting.count;
            let mut all = Vec::new();
            for _ in 0..count {
                let (status, address, _) = self.call_take(number, Take::FetchWithoutContext);
                same("Fetch", status, SUCCESS)?;
                self.introduce(number, address)?;
                all.push(address);
            }
            for address in all {
                // SAFETY: any pointer is allowed.
                unsafe { queue::reuse(self.modules[number].0, pointer_of(address)) };
                self.reused(number, address)?;
            }
        }
        same("reports", reports(), 0)
    }

    fn introduce(&mut self, number: usize, address: usize) -> Outcome {
        let mut context = null_mut();
        // SAFETY: the output is this function's.
        unsafe { queue::context_get(self.modules[number].0, pointer_of(address), &mut context) };
        self.world.introduce(number, address, context.addr())?;
        self.world.buffers.content_is_the_same(address)
    }

    /// The library has reused a buffer: it was cleaned up first.
    fn reused(&mut self, number: usize, address: usize) -> Outcome {
        let shown = CLEANED_UP.with_borrow_mut(|all| (!all.is_empty()).then(|| all.remove(0)));
        let buffer = self.world.buffers.known[&address];
        let expected = (self.modules[number].0.addr(), address, buffer.context, buffer.fill);
        same("cleaned up", shown, Some(expected))?;
        self.world.put_in_source(address, false);
        Ok(())
    }

    /// Status, buffer and context; the addresses 1 and 1 where nothing was written.
    fn call_take(&self, number: usize, how: Take) -> (NTSTATUS, usize, usize) {
        let module = self.modules[number].0;
        let (mut buffer, mut context) = (pointer_of(1), pointer_of(1));
        // SAFETY: the outputs are this function's; a descriptor of zeros is valid.
        let status = unsafe {
            match how {
                Take::Fetch => queue::fetch(module, &mut buffer, &mut context),
                Take::FetchWithoutContext => queue::fetch(module, &mut buffer, null_mut()),
                Take::Dequeue => queue::dequeue(module, &mut buffer, &mut context),
                Take::DequeueWithoutContext => queue::dequeue(module, &mut buffer, null_mut()),
                Take::DequeueWithDescriptor => {
                    let mut descriptor: WDF_MEMORY_DESCRIPTOR = zeroed();
                    queue::dequeue_with_memory_descriptor(
                        module,
                        &mut buffer,
                        &mut descriptor,
                        &mut context,
                    )
                }
            }
        };
        (status, buffer.addr(), context.addr())
    }

    fn take(&mut self, number: usize, how: Take) -> Outcome {
        let (status, address, context) = self.call_take(number, how);
        let expected = match how {
            Take::Fetch | Take::FetchWithoutContext => self.world.sources[number].get(),
            _ => self.consumers[number].pop_front().map_or(Got::Nothing, Got::Buffer),
        };
        match expected {
            Got::Nothing => {
                let refusal = match how {
                    Take::DequeueWithDescriptor => INSUFFICIENT_RESOURCES,
                    _ => UNSUCCESSFUL,
                };
                same_status("taking", status, refusal)?;
                return same("outputs", (address, context), (1, 1));
            }
            Got::Buffer(expected) => {
                same_status("taking", status, SUCCESS)?;
                same("buffer", address, expected)?;
                self.world.buffers.set_held(address, true);
            }
            Got::New => {
                same_status("taking", status, SUCCESS)?;
                self.introduce(number, address)?;
            }
        }
        // In a queue a context is never NULL, also one of no bytes.
        let expected_context = match how {
            Take::FetchWithoutContext | Take::DequeueWithoutContext => 1,
            _ => self.world.buffers.known[&address].context,
        };
        same("context", context, expected_context)?;
        self.world.buffers.content_is_the_same(address)
    }

    fn enqueue(&mut self, number: usize, pointer: Pointer, how: Enqueue) -> Outcome {
        let module = self.modules[number].0;
        let address = self.world.buffers.address(pointer);
        let buffer = pointer_of(address);
        // SAFETY: any pointer is allowed; the timer's context lives until the timer has expired.
        let status = unsafe {
            match how {
                Enqueue::Tail => {
                    queue::enqueue(module, buffer);
                    misuse::last_status_get()
                }
                Enqueue::Head => {
                    queue::enqueue_at_head(module, buffer);
                    misuse::last_status_get()
                }
                Enqueue::Timer => {
                    queue::enqueue_with_timer(module, buffer, AN_HOUR, Some(never), null_mut())
                }
                Enqueue::TimerAtOnce => {
                    let context = self.fired.context();
                    queue::enqueue_with_timer(module, buffer, 0, Some(fire), context)
                }
                Enqueue::TimerWithoutCallback => {
                    queue::enqueue_with_timer(module, buffer, 1, None, null_mut())
                }
            }
        };
        let is_timed = !matches!(how, Enqueue::Tail | Enqueue::Head);
        let has_timer = self.world.sources[number].setting.with_timer;
        let held = self.world.buffers.held(address).filter(|buffer| {
            buffer.source == number
                && (!is_timed || has_timer && !matches!(how, Enqueue::TimerWithoutCallback))
        });
        let Some(held) = held else {
            same("Enqueue is refused", status, INVALID_PARAMETER)?;
            return match how {
                Enqueue::TimerWithoutCallback => reports_are_possible(),
                _ if is_timed && !has_timer => reports_are_possible(),
                _ => same("reports", reports(), 1),
            };
        };
        same_status("Enqueue", status, SUCCESS)?;
        match how {
            Enqueue::TimerAtOnce => return self.fired.wait(module, address, held.context),
            Enqueue::Head => self.consumers[number].push_front(address),
            _ => self.consumers[number].push_back(address),
        }
        self.world.buffers.set_held(address, false);
        Ok(())
    }

    fn reuse(&mut self, number: usize, pointer: Pointer) -> Outcome {
        let address = self.world.buffers.address(pointer);
        // SAFETY: any pointer is allowed.
        unsafe { queue::reuse(self.modules[number].0, pointer_of(address)) };
        let held = self.world.buffers.held(address).filter(|buffer| buffer.source == number);
        if held.is_none() {
            same("Reuse is refused", misuse::last_status_get() < 0, true)?;
            return same("reports", reports(), 1);
        }
        same_status("Reuse", misuse::last_status_get(), SUCCESS)?;
        self.reused(number, address)
    }

    fn flush(&mut self, number: usize) -> Outcome {
        // SAFETY: no pointer is involved.
        unsafe { queue::flush(self.modules[number].0) };
        same_status("Flush", misuse::last_status_get(), SUCCESS)?;
        while let Some(address) = self.consumers[number].pop_front() {
            self.reused(number, address)?;
        }
        Ok(())
    }

    fn enumerate(
        &mut self,
        number: usize,
        answers: &[i32],
        outputs: bool,
        inside: Inside,
    ) -> Outcome {
        let queue = self.modules[number].0;
        let answers = answers.to_vec();
        let mut visitor =
            Visitor { queue, answers, inside, seen: Vec::new(), fetched: None, wrong: false };
        let (mut buffer, mut context) = (pointer_of(1), pointer_of(1));
        let outs: (*mut *mut VOID, *mut *mut VOID) =
            if outputs { (&mut buffer, &mut context) } else { (null_mut(), null_mut()) };
        let visitor_pointer = (&raw mut visitor).cast();
        // SAFETY: context and outputs live during the call.
        unsafe { queue::enumerate(queue, Some(visit), visitor_pointer, outs.0, outs.1) };
        let (visited, last) = walk(&visitor.answers, self.consumers[number].len());
        let expected: Vec<_> = self.consumers[number]
            .iter()
            .take(visited)
            .map(|address| (*address, self.world.buffers.known[address].context))
            .collect();
        same("visited", visitor.seen, expected)?;
        same("wrong inside", visitor.wrong, false)?;
        let removes = last == Some(REMOVE_AND_STOP);
        let removed =
            if removes && outputs { self.consumers[number].remove(visited - 1) } else { None };
        let expected_outputs = match removed {
            Some(address) => {
                self.world.buffers.set_held(address, true);
                (address, self.world.buffers.known[&address].context)
            }
            None if outputs => (0, 0),
            None => (1, 1),
        };
        same("outputs", (buffer.addr(), context.addr()), expected_outputs)?;
        let refused_inside = matches!(inside, Inside::Count | Inside::Dequeue) && visited > 0;
        let misused = u32::from(last.is_some_and(|last| !is_a_disposition(last)))
            + u32::from(removes && !outputs)
            + u32::from(refused_inside);
        same("reports", reports(), misused)?;
        self.fetched_inside(number, visitor.fetched)
    }

    /// The Producer is not locked during an enumeration.
    fn fetched_inside(&mut self, number: usize, fetched: Option<(NTSTATUS, usize)>) -> Outcome {
        let Some((status, address)) = fetched else { return Ok(()) };
        match self.world.sources[number].get() {
            Got::Nothing => same_status("Fetch inside", status, UNSUCCESSFUL),
            Got::Buffer(expected) => {
                same_status("Fetch inside", status, SUCCESS)?;
                self.world.buffers.set_held(address, true);
                same("buffer", address, expected)
            }
            Got::New => {
                same_status("Fetch inside", status, SUCCESS)?;
                self.introduce(number, address)
            }
        }
    }

    fn context_get(&mut self, number: usize, pointer: Pointer) -> Outcome {
        let address = self.world.buffers.address(pointer);
        let known = self.world.buffers.known.get(&address);
        if known.is_none() && self.world.buffers.was_there(address) {
            // Its memory may be kept for later; then it has a context.
            reports();
            return Ok(());
        }
        if known.is_some_and(|buffer| buffer.source != number) {
            return Ok(());
        }
        let mut context = pointer_of(1);
        // SAFETY: any pointer is allowed; the output is this function's.
        unsafe { queue::context_get(self.modules[number].0, pointer_of(address), &mut context) };
        same("context", context.addr(), known.map_or(1, |buffer| buffer.context))?;
        same("reports", reports(), known.is_none().into())
    }

    /// Both do `operation`.
    fn step(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Take { queue, how } => self.take(*queue, *how),
            Operation::Enqueue { queue, pointer, how } => self.enqueue(*queue, *pointer, *how),
            Operation::Reuse { queue, pointer } => self.reuse(*queue, *pointer),
            Operation::Flush { queue } => self.flush(*queue),
            Operation::Fill { index, fill } => {
                self.world.buffers.fill(*index, *fill);
                Ok(())
            }
            Operation::Enumerate { queue, answers, outputs, inside } => {
                self.enumerate(*queue, answers, *outputs, *inside)
            }
            Operation::ContextGet { queue, pointer } => self.context_get(*queue, *pointer),
        }?;
        for (module, consumer) in self.modules.iter().zip(&self.consumers) {
            // SAFETY: no pointer is involved.
            same("count", unsafe { queue::count(module.0) } as usize, consumer.len())?;
        }
        same("cleaned up", CLEANED_UP.with_borrow(|all| all.len()), 0)?;
        same("reports", reports(), 0)
    }

    /// Delete cleans up what is queued; what the Client holds outlives the queue, and may be given back.
    fn finish(mut self) -> Outcome {
        let handles: Vec<_> = self.modules.iter().map(|module| module.0).collect();
        self.modules.clear();
        let shown: Vec<_> = CLEANED_UP.take().iter().map(|(_, address, ..)| *address).collect();
        let queued: Vec<_> = self.consumers.iter().flatten().copied().collect();
        same("cleaned up by delete", shown, queued)?;
        let buffers = &self.world.buffers;
        for (address, buffer) in buffers.known.iter().filter(|(_, buffer)| buffer.held) {
            buffers.content_is_the_same(*address)?;
            // SAFETY: any pointer is allowed.
            unsafe { queue::reuse(handles[buffer.source], pointer_of(*address)) };
            same("reports", reports(), 0)?;
        }
        CLEANED_UP.take();
        Ok(())
    }
}

/// One sequence, from new Modules to deleted ones.
fn agree((first, second): &(Setting, Setting), operations: &[Operation]) -> Outcome {
    reports();
    CLEANED_UP.take();
    let mut pair = Pair::new(&[*first, *second])?;
    operations.iter().try_for_each(|operation| pair.step(operation))?;
    pair.finish()
}

#[test]
fn queues_answer_as_lists_of_addresses_do() {
    check((settings(), settings()), operations(), agree);
}

/// The sequence that a fuzzer's bytes stand for.
#[cfg(fuzzing)]
pub fn agree_on(bytes: &[u8]) {
    replay(bytes, (settings(), settings()), operations(), agree);
}
