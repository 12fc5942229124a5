//! Pool timers: a timer that expires while its buffer is taken, shown, put back with another timer, or while
//! the pool is deleted. `buffer_pool`, `timer`, `alarms`, `list`, `slab` and `buffer` are the library's own files,
//! and so is what they stand on; time is the [`machine`]'s.
//!
//! What must be true:
//! - a buffer is in one place: a list, somebody's hands, or freed;
//! - a timer's callback gets a buffer that was put there with one, once, no sooner than its time has come, and
//!   only while the pool is there; and it does get it, if nobody else does;
//! - a timer that was stopped does not fire; in the end every buffer is freed.

use super::buffer_pool::{BufferPool, End, Expired, Settings, Step};
use crate::framework::buffer::{ClientBuffer, facts};
use crate::framework::frames::{self, Activity};
use crate::framework::handle::{Handle, Kind};
use crate::framework::slab::{Alarm, Shape};
use crate::framework::table::Ref;
use crate::framework::tree::{self, Choices};
use crate::framework::{deletion, is_empty, timer};
use crate::machine::{self, pause};
use crate::schedules::{self, Race, check};
use std::sync::{Mutex, MutexGuard};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Hands,
    /// On its way into the sink or out of it, or there; if with a timer, when that may fire.
    Sink(Option<u64>),
    Source,
}

#[derive(Default)]
struct Books {
    places: Vec<(usize, Place)>,
    /// Callbacks that run.
    inside: u32,
    /// What the timer's callback does next.
    actions: Vec<fn(&World, usize)>,
    world: Option<World>,
    deleted: bool,
}

/// The books are no part of what is checked: nothing of the machine happens while they are open.
static BOOKS: Mutex<Option<Books>> = Mutex::new(None);

fn with_books<R>(with: impl FnOnce(&mut Books) -> R) -> R {
    let mut books: MutexGuard<'_, Option<Books>> = BOOKS.lock().expect("nobody panics");
    with(books.as_mut().expect("a schedule runs"))
}

fn place_of(address: usize) -> Place {
    let place = with_books(|books| books.places.iter().find(|it| it.0 == address).map(|it| it.1));
    place.unwrap_or_else(|| schedules::wrong("a buffer comes that nobody made"))
}

fn moves(address: usize, place: Place) {
    with_books(|books| {
        for entry in books.places.iter_mut().filter(|entry| entry.0 == address) {
            entry.1 = place;
        }
    });
}

fn address_of(buffer: ClientBuffer) -> usize {
    buffer.buffer.as_ptr().addr()
}

/// A buffer has left the sink for somebody's hands.
fn taken(address: usize) {
    check(matches!(place_of(address), Place::Sink(_)), "a buffer is in two places");
    moves(address, Place::Hands);
}

#[derive(Clone, Copy)]
pub struct World {
    source: Ref<BufferPool>,
    sink: Ref<BufferPool>,
    buffers: [usize; BUFFERS],
}

const BUFFERS: usize = 3;
const SOON: u64 = 10;
const LATE: u64 = 200;
/// No schedule lasts so long.
const NEVER: u64 = 1 << 40;

fn made<T>(made: Result<T, crate::framework::status::Error>) -> T {
    made.unwrap_or_else(|error| error.with_text(|text| schedules::wrong(text)))
}

fn world() -> World {
    *BOOKS.lock().expect("nobody panics") = Some(Books::default());
    let draft = made(tree::reserve(Kind::BufferPool, Choices::default()));
    let shape = Shape { buffer_size: 16, context_size: 0, with_timer: true };
    let settings = Settings { count: BUFFERS as u32, shape, look_aside: false };
    let body = made(BufferPool::source(draft.handle(), settings));
    let source = Ref::<BufferPool>::new(made(draft.open(body)));
    let sink = Ref::<BufferPool>::new(made(tree::create(Choices::default(), made(BufferPool::sink()))));
    let buffers = std::array::from_fn(|_| address_of(made(source.get()).into_client()));
    let world = World { source, sink, buffers };
    with_books(|books| {
        books.places = buffers.iter().map(|address| (*address, Place::Hands)).collect();
        books.world = Some(world);
    });
    world
}

/// As `src/capi/buffer_pool.rs` does it, on the timer thread. Who keeps the pool lets go inside the frame: where that
/// ends, a delete that the callback began is finished.
fn expired(handle: Handle) {
    while let Some(Expired { buffer, alarm, module, pool }) =
        Ref::<BufferPool>::new(handle).expire(expired)
    {
        check(module == handle, "a timer fires for another Module");
        frames::within(handle, Activity::Callback, || {
            fires(address_of(buffer), alarm);
            drop(pool);
        });
    }
}

fn fires(address: usize, alarm: Alarm) {
    let now = machine::now();
    let (world, action, deleted) = with_books(|books| {
        books.inside += 1;
        (books.world, books.actions.pop(), books.deleted)
    });
    check(!deleted, "a timer fires after its pool is deleted");
    match place_of(address) {
        Place::Sink(Some(at)) => {
            check(now >= at, "a timer fires too soon");
            check(alarm.context == address, "a timer has another timer's context");
        }
        Place::Sink(None) => schedules::wrong("a timer fires that was stopped"),
        Place::Hands | Place::Source => schedules::wrong("a buffer is in two places"),
    }
    moves(address, Place::Hands);
    if let (Some(world), Some(action)) = (world, action) {
        action(&world, address);
    }
    with_books(|books| books.inside -= 1);
}

fn put_with_timer(world: &World, address: usize, period: u64) {
    moves(address, Place::Sink(Some(machine::now() + period)));
    let alarm = Alarm { callback: 0, context: address, period };
    match world.sink.put_from_client_with_timer(address, alarm, expired) {
        Ok(overrun) => check(overrun.is_none(), "nobody writes into a buffer"),
        Err(_) => {
            check(deletion_has_begun(world), "a pool that is open takes no buffer");
            moves(address, Place::Hands);
        }
    }
}

fn deletion_has_begun(world: &World) -> bool {
    !matches!(tree::state_of(world.sink.handle), tree::Existence::Open)
}

fn get(world: &World) {
    // As a Method does it.
    if let Some(buffer) = world.sink.try_get().unwrap_or_else(|| world.sink.get().ok()) {
        taken(address_of(buffer.into_client()));
    }
}

fn audit(world: &World) {
    // What was put with a timer that fires in the schedule's time fires, unless the pool is gone.
    for _ in 0..2_000 {
        let waits = with_books(|books| {
            let due = |place: &Place| matches!(place, Place::Sink(Some(at)) if *at < NEVER);
            let comes = !books.deleted && books.places.iter().any(|entry| due(&entry.1));
            comes || books.inside > 0
        });
        if !waits {
            break;
        }
        machine::now();
        pause();
    }
    let (deleted, places) = with_books(|books| (books.deleted, books.places.clone()));
    let in_sink = places.iter().filter(|entry| matches!(entry.1, Place::Sink(_))).count();
    if !deleted {
        let never = places.iter().any(|it| matches!(it.1, Place::Sink(Some(at)) if at < NEVER));
        check(!never, "a timer never fires");
        let count = made(world.sink.count());
        check(count as usize == in_sink, "a buffer is lost, or there twice");
        check(deletion::delete(world.sink.handle).is_ok(), "the sink cannot be deleted");
    }
    for (address, _) in places.iter().filter(|entry| entry.1 == Place::Hands) {
        let put = world.source.put_from_client(*address, End::Tail);
        check(put.is_ok(), "a buffer in somebody's hands cannot be put back");
    }
    let home = places.iter().filter(|entry| !matches!(entry.1, Place::Sink(_))).count();
    check(made(world.source.count()) as usize == home, "a buffer does not come home");
    check(deletion::delete(world.source.handle).is_ok(), "the source cannot be deleted");
    for (address, _) in places {
        check(facts(address).is_err(), "a buffer is never freed");
    }
    check(is_empty(), "something is left when all is deleted");
}

// What the timer's callback does.

fn puts_back(world: &World, address: usize) {
    let put = world.source.try_put_from_client(address, End::Tail).is_some()
        || world.source.put_from_client(address, End::Tail).is_ok();
    check(put, "a buffer cannot be put back");
    moves(address, Place::Source);
}

fn puts_again(world: &World, address: usize) {
    put_with_timer(world, address, SOON);
}

fn deletes(world: &World, _address: usize) {
    delete(world);
}

// What threads do.

fn put_soon(world: &World) {
    put_with_timer(world, world.buffers[0], SOON);
}

fn put_soon_and_home(world: &World) {
    with_books(|books| books.actions = vec![puts_back]);
    put_soon(world);
}

fn put_soon_and_again(world: &World) {
    with_books(|books| books.actions = vec![puts_again, puts_again]);
    put_soon(world);
}

fn put_soon_and_delete(world: &World) {
    with_books(|books| books.actions = vec![deletes]);
    put_soon(world);
}

/// The earlier timer comes later.
fn put_late_then_soon(world: &World) {
    put_with_timer(world, world.buffers[1], LATE);
    put_with_timer(world, world.buffers[2], SOON);
}

fn put_never_then_soon(world: &World) {
    put_with_timer(world, world.buffers[1], NEVER);
    put_with_timer(world, world.buffers[2], SOON);
}

fn put_without_timer(world: &World) {
    let address = world.buffers[1];
    moves(address, Place::Sink(None));
    if world.sink.put_from_client(address, End::Tail).is_err() {
        moves(address, Place::Hands);
    }
}

/// Often enough to own the lock, and take buffers at once.
fn get_often(world: &World) {
    (0..5).for_each(|_| get(world));
}

fn get_twice(world: &World) {
    get(world);
    get(world);
}

/// Takes a buffer out and puts it back with a new timer.
fn replace(world: &World) {
    if let Ok(buffer) = world.sink.get() {
        let address = address_of(buffer.into_client());
        taken(address);
        put_with_timer(world, address, SOON);
    }
}

fn replace_by_a_late_one(world: &World) {
    if let Ok(buffer) = world.sink.get() {
        let address = address_of(buffer.into_client());
        taken(address);
        put_with_timer(world, address, LATE);
    }
}

fn replace_by_none(world: &World) {
    if let Ok(buffer) = world.sink.get() {
        let address = address_of(buffer.into_client());
        taken(address);
        moves(address, Place::Sink(None));
        if world.sink.put_from_client(address, End::Head).is_err() {
            moves(address, Place::Hands);
        }
    }
}

/// Each buffer of the sink is shown; the lock is held.
fn enumerate(world: &World, step: Step) {
    let removed = world.sink.enumerate(expired, |guard, buffer| {
        let address = address_of(buffer);
        guard.lend(machine::step);
        match (step, place_of(address)) {
            (Step::StopTimerAndContinue, Place::Sink(_)) => moves(address, Place::Sink(None)),
            (Step::ResetTimerAndContinue, Place::Sink(Some(at))) if at < NEVER => {
                moves(address, Place::Sink(Some(machine::now() + SOON)));
            }
            (_, Place::Sink(_)) => {}
            _ => schedules::wrong("a buffer is shown that is elsewhere"),
        }
        step
    });
    if let Ok(Some(buffer)) = removed {
        taken(address_of(buffer));
    }
}

fn enumerate_and_go_on(world: &World) {
    enumerate(world, Step::Continue);
}

fn enumerate_and_stop_timers(world: &World) {
    enumerate(world, Step::StopTimerAndContinue);
}

fn enumerate_and_reset_timers(world: &World) {
    enumerate(world, Step::ResetTimerAndContinue);
}

fn enumerate_and_remove(world: &World) {
    enumerate(world, Step::RemoveAndStop);
}

fn drain(world: &World) {
    if let Ok(mut list) = world.sink.drain() {
        while let Some(buffer) = list.pop_front() {
            taken(address_of(buffer.into_client()));
        }
    }
}

fn delete(world: &World) {
    let inside = frames::any();
    if deletion::delete(world.sink.handle).is_ok() && !inside {
        with_books(|books| books.deleted = true);
    } else if inside {
        // It is finished when the callback has returned.
        with_books(|books| books.world = None);
    }
}

/// Waits until the delete that a callback began is finished.
fn wait_for_the_delete(world: &World) {
    for _ in 0..2_000 {
        if matches!(tree::state_of(world.sink.handle), tree::Existence::Never) {
            with_books(|books| books.deleted = true);
            return;
        }
        machine::now();
        pause();
    }
    schedules::wrong("a pool that a timer deletes is never gone");
}

pub const RACES: &[Race<World>] = &[
    Race { name: "expire, get", acts: &[put_soon, get_twice] },
    Race { name: "expire, get often", acts: &[put_late_then_soon, get_often] },
    Race { name: "expire, get, put", acts: &[put_soon_and_home, get_twice, put_without_timer] },
    Race { name: "expire again and again, get", acts: &[put_soon_and_again, get_twice] },
    Race { name: "expire, expire earlier", acts: &[put_soon, put_late_then_soon] },
    Race { name: "one that never expires, one soon", acts: &[put_soon, put_never_then_soon] },
    Race { name: "expire, replace", acts: &[put_soon, replace, replace] },
    Race { name: "expire, replace by a later one", acts: &[put_late_then_soon, replace_by_a_late_one] },
    Race { name: "expire, replace by none", acts: &[put_soon, replace_by_none] },
    Race { name: "expire, show", acts: &[put_soon, put_late_then_soon, enumerate_and_go_on] },
    Race { name: "expire, stop", acts: &[put_soon, put_late_then_soon, enumerate_and_stop_timers] },
    Race { name: "expire, reset", acts: &[put_soon, put_late_then_soon, enumerate_and_reset_timers] },
    Race { name: "expire, remove", acts: &[put_soon, put_late_then_soon, enumerate_and_remove] },
    Race { name: "expire, drain", acts: &[put_soon, put_late_then_soon, drain] },
    Race { name: "expire, delete", acts: &[put_soon, put_late_then_soon, delete] },
    Race { name: "expire, get, delete", acts: &[put_soon_and_home, get_twice, delete] },
    Race { name: "expire again, delete", acts: &[put_soon_and_again, delete] },
    Race { name: "expire and delete", acts: &[put_soon_and_delete, wait_for_the_delete] },
];

pub fn run(schedules: usize) {
    schedules::run(RACES, schedules, world, audit);
}
