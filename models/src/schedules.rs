//! Races on the [`machine`](crate::machine): what threads do at the same time, under random schedules from a
//! fixed seed. What is wrong ends the process: a library that has gone astray is not to be cleaned up after.

use crate::machine;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What a process that found something ends with.
pub const FOUND: i32 = 101;

/// Unforced switches of the schedules that have few.
const SWITCHES: usize = 4;

static NAME: std::sync::Mutex<&str> = std::sync::Mutex::new("");

/// Something is not as it must be in this schedule.
pub fn wrong(what: &str) -> ! {
    let name = *NAME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    println!("{what} ({name})");
    std::process::exit(FOUND);
}

pub fn check(holds: bool, what: &str) {
    if !holds {
        wrong(what);
    }
}

/// What threads do at the same time with a world that each schedule makes anew.
pub struct Race<W: 'static> {
    pub name: &'static str,
    pub acts: &'static [fn(&W)],
}

/// Runs every race under that many schedules. `make` makes what the threads share, `audit` looks at it when they
/// have ended.
pub fn run<W: Send + Sync + 'static>(
    races: &'static [Race<W>],
    schedules: usize,
    make: fn() -> W,
    audit: fn(&W),
) {
    // What it would say of a model that is astray on purpose is long; the first line will do.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("a panic");
        wrong(text.lines().next().unwrap_or(""));
    }));
    let start = Instant::now();
    for race in races {
        *NAME.lock().expect("nobody panics") = race.name;
        let begun = Instant::now();
        let steps = check_race(race, schedules, make, audit);
        let mean = steps / schedules;
        println!("{}: {schedules} schedules of {mean} steps, {:?}", race.name, begun.elapsed());
    }
    println!("{} races, {:?}", races.len(), start.elapsed());
}

/// The number of steps of all schedules.
fn check_race<W: Send + Sync + 'static>(
    race: &'static Race<W>,
    schedules: usize,
    make: fn() -> W,
    audit: fn(&W),
) -> usize {
    // Half of them switch at random at each step; half let a thread run on but for a few times.
    let random = RandomScheduler::new_from_seed(1, schedules.div_ceil(2));
    let few = PctScheduler::new_from_seed(1, SWITCHES, schedules / 2);
    let steps = Arc::new(AtomicUsize::new(0));
    check_with(random, race, make, audit, &steps);
    check_with(few, race, make, audit, &steps);
    steps.load(Ordering::Relaxed)
}

fn check_with<W: Send + Sync + 'static>(
    scheduler: impl Scheduler + 'static,
    race: &'static Race<W>,
    make: fn() -> W,
    audit: fn(&W),
    steps: &Arc<AtomicUsize>,
) {
    let mut config = shuttle::Config::default();
    config.stack_size = 1 << 18;
    config.failure_persistence = shuttle::FailurePersistence::None;
    // Threads that wait for each other for ever without being parked.
    config.max_steps = shuttle::MaxSteps::FailAfter(50_000);
    let counted = steps.clone();
    shuttle::Runner::new(scheduler, config).run(move || {
        machine::reset();
        let world = Arc::new(make());
        machine::let_all_out(0);
        let act = |act: &'static fn(&W)| {
            let world = world.clone();
            machine::spawn(move || act(&world))
        };
        let threads: Vec<_> = race.acts.iter().map(act).collect();
        threads.into_iter().for_each(machine::Running::join);
        audit(&world);
        machine::let_all_out(0);
        counted.fetch_add(shuttle::current::context_switches(), Ordering::Relaxed);
    });
}
