//! schedules MODEL SCHEDULES [watch | mistake NUMBER | LAPSE FILE LINE COLUMN]
//!
//! Runs the races of a model: with the library as it is, with that mistake in it, or with that operation of it
//! lapsing; `watch` lists the operations that may. Ends with 101 and a line that says what is wrong where something
//! is.

use models::copies::{pools, streams};
use models::{machine, objects};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (model, schedules, rest) = match words.as_slice() {
        [model, schedules, rest @ ..] => (*model, schedules.parse().expect("a number"), rest),
        _ => panic!("schedules MODEL SCHEDULES [watch | mistake NUMBER | LAPSE FILE LINE COLUMN]"),
    };
    let mut mistake = None;
    match rest {
        [] => {}
        ["mistake", number] => mistake = Some(number.parse::<usize>().expect("a number")),
        ["watch"] => machine::watch(),
        [lapse, file, line, column] => {
            let chosen = machine::LAPSES.iter().find(|it| format!("{it:?}") == *lapse);
            let place = |text: &str| text.parse().expect("a number");
            machine::choose(*chosen.expect("a lapse"), file, place(line), place(column));
        }
        _ => panic!("a lapse is LAPSE FILE LINE COLUMN"),
    }
    let run: fn(usize) = match (model, mistake) {
        ("objects", None) => objects::run,
        ("pools", None) => pools::sound::races::run,
        ("pools", Some(number)) => pools::RUNS[number],
        ("streams", None) => streams::sound::races::run,
        ("streams", Some(number)) => streams::RUNS[number],
        _ => panic!("no such model, or no such mistake"),
    };
    run(schedules);
    for (lapse, file, line, column) in machine::seen() {
        println!("site {lapse:?} {file} {line} {column}");
    }
}
