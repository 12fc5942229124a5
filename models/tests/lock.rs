//! Random schedules of the lock's races, and every slip found. One test: the slip is the process's.

use models::lock::{RACES, Slip, check, finds};

/// Random schedules of each race.
const SCHEDULES: usize = 20_000;

#[test]
fn one_at_a_time_has_the_lock_whoever_owns_it() {
    for (name, acts) in RACES {
        println!("{name}");
        check(acts, SCHEDULES);
    }
    for slip in [Slip::NoHeavyFence, Slip::AnyRecordIsMine] {
        let found = RACES.iter().find(|(_, acts)| finds(acts, SCHEDULES, slip));
        println!("{slip:?}: found by {:?}", found.map(|(name, _)| name));
        assert!(found.is_some(), "no race notices {slip:?}");
    }
}
