//! Every schedule of every race; and every dropped transition, and every mistake, is shown to be found.

use models::checker::Loom;
use models::races::{self, Race};
use models::request::Slip;
use models::seeded::{self, Answers, Seed, Transition};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

#[test]
fn no_schedule_breaks_the_machine() {
    races::check_all::<Loom>();
}

/// A transition that makes no difference: in a callback that may be left to itself a cancellation
/// abandons the Request, as it does once a target keeps it. No call tells the two states apart.
const SAME: (&str, &str, &str) = ("keep", "Held(Callback(true))", "Held(Target)");

/// A race, what the sound machine does in it, and how many schedules it has.
struct Seen {
    race: Race<Loom>,
    transitions: BTreeSet<Transition>,
    schedules: usize,
}

impl Seen {
    fn of(race: Race<Loom>) -> Self {
        let transitions = Arc::new(Mutex::new(BTreeSet::new()));
        let schedules = race.check(Seed::Watched(transitions.clone()), None);
        let transitions = std::mem::take(&mut *transitions.lock().unwrap());
        Self { race, transitions, schedules }
    }
}

/// Which race fails when the transition is dropped, and why.
fn found(seen: &[Seen], transition: &Transition, answers: Answers) -> Option<String> {
    // Where the transition does not happen nobody misses it.
    let mut concerned = seen.iter().filter(|seen| seen.transitions.contains(transition));
    concerned.find_map(|seen| {
        let why = seen.race.failure(Seed::Dropped(transition.clone(), answers), None)?;
        Some(format!("{why} ({})", seen.race.name))
    })
}

#[test]
fn every_transition_that_is_dropped_is_found() {
    let start = Instant::now();
    let mut seen: Vec<Seen> = races::all().into_iter().map(Seen::of).collect();
    // The shortest first, since one that fails is enough.
    seen.sort_by_key(|seen| seen.schedules);
    let (mut dropped, mut unnoticed) = (0, Vec::new());
    for transition in seeded::transitions() {
        let Transition { call, from, to } = &transition;
        if (*call, from.as_str(), to.as_str()) == SAME {
            continue;
        }
        for answers in [Answers::AsIfMade, Answers::NothingToDo] {
            dropped += 1;
            let bug = format!("{call}: {from} -> {to}, dropped, answers {answers:?}");
            match found(&seen, &transition, answers) {
                Some(why) => println!("{bug}: {why}"),
                None => unnoticed.push(bug),
            }
        }
    }
    println!("{dropped} dropped, {:?}", start.elapsed());
    assert!(unnoticed.is_empty(), "nobody notices {unnoticed:#?}");
}

#[test]
fn every_mistake_around_the_machine_is_found() {
    for slip in Slip::ALL {
        let found = races::all::<Loom>()
            .into_iter()
            .find_map(|race| Some((race.failure(Seed::Sound, Some(slip))?, race.name)));
        let (why, race) = found.unwrap_or_else(|| panic!("nobody notices {slip:?}"));
        println!("{slip:?}: {why} ({race})");
    }
}
