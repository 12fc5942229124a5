//! A stream that is stopped and started again while its Requests complete, its target is changed, and its Module
//! is deleted. `stream`, `request`, `request_state`, `queue` and `buffer_pool` are the library's own files; the
//! target is the model's.
//!
//! What must be true:
//! - no callback runs for a Request of an earlier start, none after a stop that was waited for, none after the
//!   delete; for each lane one at a time;
//! - a stream that is started streams: all of its lanes are with the target, in a callback, or wait for a
//!   buffer, until it is stopped or they stop by themselves;
//! - who waits is woken; a stream that has stopped can be started; the target is told of each start and each stop once;
//! - what a target has begun before its device sleeps is finished and shown;
//! - every buffer is in the pool again in the end.

use super::stream::{Lanes, Stream};
use super::{Client, Disposition};
use crate::framework::buffer::ClientBuffer;
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::{Shared, try_box};
use crate::framework::slab::Shape;
use crate::framework::status::{Error, Status};
use crate::framework::table::{self, Object, Ref};
use crate::framework::tree::{self, Choices};
use crate::framework::{deletion, is_empty};
use crate::io::request::{Operation, Outcome, Owner};
use crate::io::target::Core;
use crate::machine::{pause, step};
use crate::modules::buffer_pool::{BufferPool, End, Settings};
use crate::schedules::{self, Race, check};
use std::sync::Mutex;

const LANES: u32 = 2;
const BUFFERS: u32 = 3;

#[derive(Default)]
struct Books {
    /// Callbacks that run.
    inside: u32,
    shown: u32,
    /// Requests that the target has completed itself.
    answered: u32,
    /// The stream was finished before it was stopped.
    finished: bool,
    /// Starts that have begun and that have returned.
    starts: (u32, u32),
    /// A stop was waited for while nobody started the stream, and nobody has since.
    quiet: bool,
    deleted: bool,
    /// Buffers that the Client has kept.
    kept: Vec<usize>,
    keeps: bool,
    /// Callbacks that stop their Request.
    stops: u32,
    /// Lanes may have stopped by themselves.
    rests: bool,
}

/// The books are no part of what is checked: nothing of the machine happens while they are open.
static BOOKS: Mutex<Option<Books>> = Mutex::new(None);

fn with_books<R>(with: impl FnOnce(&mut Books) -> R) -> R {
    let mut books = BOOKS.lock().expect("nobody panics");
    with(books.as_mut().expect("a schedule runs"))
}

struct Program;

impl Client for Program {
    fn buffer_input(&self, _module: Handle, _buffer: ClientBuffer) -> usize {
        schedules::wrong("a stream without input asks for some")
    }

    fn buffer_output(
        &self,
        _module: Handle,
        buffer: Option<ClientBuffer>,
        _bytes: usize,
        status: Status,
    ) -> Disposition {
        let Some(buffer) = buffer else { schedules::wrong("a completion has no buffer") };
        with_books(|books| {
            check(!books.deleted, "a callback runs after the delete");
            check(!books.quiet, "a callback runs after a stop that was waited for");
            check(status != Status::CANCELLED, "a canceled Request is shown");
            books.inside += 1;
            books.shown += 1;
            check(books.inside <= LANES, "a lane has two callbacks at once");
        });
        step();
        with_books(|books| {
            check(!books.deleted && !books.quiet, "a stop does not wait for a callback");
            books.inside -= 1;
            let keeps = books.keeps && status.is_success();
            if keeps {
                books.kept.push(buffer.buffer.as_ptr().addr());
            }
            let go_on = books.stops == 0;
            books.stops = books.stops.saturating_sub(1);
            Disposition { client_keeps_buffer: keeps, go_on }
        })
    }
}

/// The Module around the stream, as `src/modules/continuous_request_target.rs` has it.
struct Module {
    stream: Shared<Stream>,
}

impl Object for Module {
    const KIND: Kind = Kind::ContinuousRequestTarget;
    const ENTERED: bool = true;

    fn shut(&self) {
        self.stream.close();
    }

    fn drained(&self) -> bool {
        self.stream.active() == 0
    }

    fn close(&mut self, _handle: Handle) {
        self.stream.target_clear();
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.stream.discard();
    }
}

pub struct World {
    module: Handle,
    pool: Ref<BufferPool>,
    target: Shared<Core>,
    other: Shared<Core>,
}

fn made<T>(made: Result<T, Error>) -> T {
    made.unwrap_or_else(|error| error.with_text(|text| schedules::wrong(text)))
}

fn world() -> World {
    *BOOKS.lock().expect("nobody panics") = Some(Books { quiet: true, ..Books::default() });
    let draft = made(tree::reserve(Kind::ContinuousRequestTarget, Choices::default()));
    // Beside the Module, so that its buffers are counted when that is gone.
    let pool = made(tree::reserve(Kind::BufferPool, Choices::default()));
    let shape = Shape { buffer_size: 16, context_size: 0, with_timer: false };
    let settings = Settings { count: BUFFERS, shape, look_aside: false };
    let body = made(BufferPool::source(pool.handle(), settings));
    let pool = Ref::<BufferPool>::new(made(pool.open(body)));
    let client: Box<dyn Client> = Box::new(Program);
    let stream = made(Shared::new(Stream::new(
        draft.handle(),
        Some(Operation::Read),
        None,
        Some(pool),
        16,
        client,
    )));
    let lanes = Lanes { stream: stream.clone(), passive: None };
    let owner = made(Shared::new(made(try_box(lanes)) as Box<dyn Owner>));
    made(stream.make_lanes(owner, LANES));
    let (target, other) = (made(Core::new()), made(Core::new()));
    made(stream.target_set(target.clone()));
    World { module: made(draft.open(Module { stream })), pool, target, other }
}

/// Calls a Method, unless the Module is being deleted.
fn call<R>(world: &World, method: impl FnOnce(&Stream) -> R) -> Option<R> {
    table::enter(world.module, |module: &Module| Ok(method(&module.stream))).ok()
}

/// The target gives a report to the oldest Request; false: there is none.
fn answer(target: &Core, status: Status) -> bool {
    let Some(claim) = target.claim() else { return false };
    step();
    claim.complete(Outcome { status, information: 4 });
    with_books(|books| books.answered += 1);
    true
}

fn audit(world: &World) {
    if let Some(true) = call(world, Stream::is_started) {
        let active = call(world, Stream::active).unwrap_or(0);
        let rests = with_books(|books| books.rests);
        check(active == LANES || rests && active > 0, "a lane of a stream that is started rests");
        let next = || world.target.claim().or_else(|| world.other.claim());
        let pending: Vec<_> = std::iter::from_fn(next).collect();
        let waits = active as usize > pending.len();
        check(!waits || made(world.pool.count()) == 0, "a lane waits though there is a buffer");
        with_books(|books| (books.keeps, books.stops) = (false, 0));
        for claim in pending {
            claim.complete(Outcome { status: Status::SUCCESS, information: 4 });
        }
        // Each report that comes is shown.
        let before = with_books(|books| books.shown);
        let kept = with_books(|books| std::mem::take(&mut books.kept));
        for address in kept {
            call(world, |stream| made(stream.buffer_put(address)));
        }
        let answered = (0..2 * LANES)
            .filter(|_| {
                answer(&world.target, Status::SUCCESS) || answer(&world.other, Status::SUCCESS)
            })
            .count();
        let shown = with_books(|books| books.shown) - before;
        check(shown as usize == answered, "a report is lost");
        check(answered > 0, "a stream that is started streams nothing");
        call(world, Stream::stop);
        call(world, Stream::wait);
    }
    if call(world, Stream::is_started).is_some() {
        check(call(world, Stream::active) == Some(0), "a stream that has stopped is still active");
        check(deletion::delete(world.module).is_ok(), "the Module cannot be deleted");
    }
    with_books(|books| {
        check(books.inside == 0, "a callback still runs");
        let all_shown = !books.finished || books.shown == books.answered;
        check(all_shown, "what the target had begun before sleep is not shown");
        books.deleted = true;
    });
    check(world.target.is_idle() && world.other.is_idle(), "a target still streams");
    let kept = with_books(|books| std::mem::take(&mut books.kept));
    for address in kept {
        check(world.pool.put_from_client(address, End::Tail).is_ok(), "a kept buffer is not taken");
    }
    check(made(world.pool.count()) == BUFFERS, "a buffer is lost");
    check(deletion::delete(world.pool.handle).is_ok(), "the pool cannot be deleted");
    check(is_empty(), "something is left when all is deleted");
}

// What threads do.

fn start(world: &World) {
    with_books(|books| {
        books.quiet = false;
        books.starts.0 += 1;
    });
    call(world, Stream::start);
    with_books(|books| books.starts.1 += 1);
}

fn start_twice(world: &World) {
    start(world);
    start(world);
}

fn stop(world: &World) {
    call(world, Stream::stop);
}

/// Nobody else starts the stream meanwhile.
fn start_stop_and_wait(world: &World) {
    start(world);
    stop_and_wait(world);
}

fn stop_and_wait(world: &World) {
    let (begun, ended) = with_books(|books| books.starts);
    call(world, |stream| {
        stream.stop();
        stream.wait();
        with_books(|books| {
            if begun == ended && books.starts.0 == begun {
                check(books.inside == 0, "a stop that was waited for leaves a callback");
                books.quiet = true;
            }
        });
    });
}

fn start_stop_start(world: &World) {
    start(world);
    stop(world);
    start(world);
}

fn start_stop_wait_start(world: &World) {
    start_stop_and_wait(world);
    start(world);
}

/// Reports, as many as are asked for and a few times more.
fn reports(world: &World) {
    for _ in 0..4 {
        if !answer(&world.target, Status::SUCCESS) {
            pause();
        }
    }
}

/// One after which its Request stops, and others.
fn reports_that_stop(world: &World) {
    with_books(|books| (books.stops, books.rests) = (1, true));
    reports(world);
}

fn reports_that_stop_all(world: &World) {
    with_books(|books| (books.stops, books.rests) = (LANES, true));
    reports(world);
}

fn reports_that_are_kept(world: &World) {
    with_books(|books| books.keeps = true);
    reports(world);
}

fn put_back(world: &World) {
    for _ in 0..6 {
        let kept = with_books(|books| books.kept.pop());
        match kept {
            Some(address) => {
                let put = call(world, |stream| stream.buffer_put(address).is_ok());
                if put != Some(true) {
                    with_books(|books| books.kept.push(address));
                }
            }
            None => pause(),
        }
    }
}

fn fails(world: &World) {
    for _ in 0..LANES {
        with_books(|books| (books.stops, books.rests) = (1, true));
        answer(&world.target, Status::UNSUCCESSFUL);
    }
}

fn clear(world: &World) {
    call(world, Stream::target_clear);
}

fn change_the_target(world: &World) {
    call(world, |stream| {
        stream.target_clear();
        let _ = stream.target_set(world.other.clone());
    });
    start(world);
}

fn device_goes(world: &World) {
    with_books(|books| books.rests = true);
    world.target.goes();
    while answer(&world.target, Status::DEVICE_NOT_CONNECTED) {}
}

fn delete(world: &World) {
    if deletion::delete(world.module).is_ok() {
        with_books(|books| {
            check(books.inside == 0, "a delete does not wait for a callback");
            books.deleted = true;
        });
    }
}

fn finish_and_stop(world: &World) {
    start(world);
    call(world, |stream| {
        stream.finish();
        stream.stop();
        stream.wait();
    });
    with_books(|books| books.finished = true);
}

pub const RACES: &[Race<World>] = &[
    Race { name: "start, reports, stop", acts: &[start, reports, stop] },
    Race { name: "start, reports, stop and wait", acts: &[start_stop_and_wait, reports] },
    Race { name: "start, stop, start, reports", acts: &[start_stop_start, reports] },
    Race { name: "start, stop, start, reports of two", acts: &[start_stop_start, reports, reports] },
    Race { name: "start, wait, start, reports", acts: &[start_stop_wait_start, reports] },
    Race { name: "start, start, stop and wait, reports", acts: &[start_twice, stop_and_wait, reports] },
    Race { name: "two stop", acts: &[start, stop_and_wait, stop_and_wait, reports] },
    Race { name: "a Request stops by itself", acts: &[start, reports_that_stop, stop_and_wait] },
    Race { name: "all stop by themselves", acts: &[start_twice, reports_that_stop_all] },
    Race { name: "buffers are kept", acts: &[start, reports_that_are_kept, put_back] },
    Race { name: "buffers are kept, stop", acts: &[start, reports_that_are_kept, stop_and_wait] },
    Race {
        name: "buffers are kept, stop, start",
        acts: &[start_stop_start, reports_that_are_kept, put_back],
    },
    Race { name: "failures", acts: &[start_twice, fails, stop] },
    Race { name: "the target is cleared", acts: &[start, reports, clear] },
    Race { name: "the target is changed", acts: &[start, reports, change_the_target] },
    Race { name: "the device goes", acts: &[start, device_goes, stop_and_wait] },
    Race { name: "delete", acts: &[start, reports, delete] },
    Race { name: "stop, start, delete", acts: &[start_stop_start, reports, delete] },
    Race { name: "buffers are kept, delete", acts: &[start, reports_that_are_kept, delete] },
    Race { name: "the device sleeps", acts: &[finish_and_stop, reports, reports] },
    Race {
        name: "the device sleeps, buffers are kept",
        acts: &[finish_and_stop, reports_that_are_kept, reports_that_are_kept],
    },
];

pub fn run(schedules: usize) {
    schedules::run(RACES, schedules, world, audit);
}
