//! The Request's state machine is checked, and every dropped transition is shown to be found.

use models::checker::{Checker, Loom, Shuttle};
use models::races::{self, Race};
use models::request::Slip;
use models::seeded::{self, Answers, Seed, Transition};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Checks a race under all of the checker's schedules; how many there were. Panics as the race does.
fn check<C: Checker>(race: &Race<C>, seed: Seed, slip: Option<Slip>) -> usize {
    let schedules = Arc::new(AtomicUsize::new(0));
    let (race, counted) = (race.clone(), schedules.clone());
    C::check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        race.run(seed.clone(), slip);
    });
    schedules.load(Ordering::Relaxed)
}

/// Why the race fails, if it does.
fn failure<C: Checker>(race: &Race<C>, seed: Seed, slip: Option<Slip>) -> Option<String> {
    let result = catch_unwind(AssertUnwindSafe(|| check(race, seed, slip)));
    result.err().map(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(_) => "a panic without a text".to_string(),
    })
}

/// Checks every race with the sound machine.
fn check_all<C: Checker>() {
    let start = Instant::now();
    let mut sum = 0;
    let mut failures = Vec::new();
    let races = races::all::<C>();
    for race in &races {
        let begun = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| check(race, Seed::Sound, None)));
        let Ok(schedules) = result else {
            failures.push(&race.name);
            continue;
        };
        sum += schedules;
        println!("{:3} threads {schedules:7} {:?} {}", race.threads(), begun.elapsed(), race.name);
    }
    println!("{} races, {sum} schedules, {:?}", races.len(), start.elapsed());
    assert!(failures.is_empty(), "these races fail: {failures:#?}");
}

#[test]
fn no_schedule_of_loom_breaks_the_machine() {
    check_all::<Loom>();
}

#[test]
fn no_random_schedule_breaks_the_machine() {
    check_all::<Shuttle>();
}

/// A race, what the sound machine does in it, and how many schedules it has.
struct Seen {
    race: Race<Loom>,
    transitions: BTreeSet<Transition>,
    schedules: usize,
}

/// All races, the shortest first.
fn survey() -> Vec<Seen> {
    let look = |race: Race<Loom>| {
        let transitions = Arc::new(Mutex::new(BTreeSet::new()));
        let schedules = check(&race, Seed::Watched(transitions.clone()), None);
        let transitions = std::mem::take(&mut *transitions.lock().unwrap());
        Seen { race, transitions, schedules }
    };
    let mut seen: Vec<Seen> = races::all().into_iter().map(look).collect();
    seen.sort_by_key(|seen| seen.schedules);
    seen
}

#[test]
fn every_transition_that_is_dropped_is_found() {
    let start = Instant::now();
    let survey = survey();
    println!("survey {:?}", start.elapsed());
    let transitions = seeded::transitions();
    let mut unnoticed = Vec::new();
    for transition in &transitions {
        for answers in [Answers::AsIfMade, Answers::NothingToDo] {
            // A race in which the transition does not happen cannot miss it.
            let found = survey.iter().filter(|seen| seen.transitions.contains(transition)).find_map(
                |seen| {
                    let seed = Seed::Dropped(transition.clone(), answers);
                    Some((&seen.race.name, failure(&seen.race, seed, None)?))
                },
            );
            let Transition { call, from, to } = transition;
            let bug = format!("{call} in {from} leads to {to}, dropped, answers {answers:?}");
            match found {
                Some((race, why)) => println!("{bug}: {why} ({race})"),
                None => unnoticed.push(bug),
            }
        }
    }
    println!("{} transitions, {:?}", transitions.len(), start.elapsed());
    assert!(unnoticed.is_empty(), "{} unnoticed: {unnoticed:#?}", unnoticed.len());
}

#[test]
fn every_mistake_around_the_machine_is_found() {
    for slip in Slip::ALL {
        let found = races::all::<Loom>()
            .into_iter()
            .find_map(|race| Some((failure(&race, Seed::Sound, Some(slip))?, race.name)));
        let (why, race) = found.unwrap_or_else(|| panic!("{slip:?} goes unnoticed"));
        println!("{slip:?}: {why} ({race})");
    }
}
