//! Random schedules. In a program of its own, since shuttle reports every panic of the process.

use models::checker::Shuttle;
use models::races;
use models::request::Slip;
use models::seeded::Seed;

#[test]
fn no_random_schedule_breaks_the_machine() {
    races::check_all::<Shuttle>();
}

#[test]
fn random_schedules_find_a_mistake() {
    let slip = Slip::UnmarkedInTheCallback;
    let mut races = races::all::<Shuttle>().into_iter();
    assert!(races.any(|race| race.failure(Seed::Sound, Some(slip)).is_some()));
}
