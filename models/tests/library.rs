//! The library's own files under random schedules: they are sound, each mistake in them is found, and so is each
//! operation that lapses. Every run is a process of its own, since one that finds something ends there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

/// Schedules of each race with the library as it is, and with something wrong: more of them where that is not found,
/// since most is found by a few, and not by the first race.
const SCHEDULES: &str = "250";
const SCHEDULES_FOR_A_MISTAKE: [&str; 3] = ["100", "600", "2400"];

/// What `schedules` ends with when it has found something.
const FOUND: i32 = 101;

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_schedules");
    Command::new(program).args(arguments).output().expect("the program runs")
}

/// The run that found what is wrong, or the longest, which did not.
fn look(model: &str, wrong: &[&str]) -> Output {
    let attempt = |schedules| run(&[&[model, schedules], wrong].concat());
    let [few, more, most] = SCHEDULES_FOR_A_MISTAKE;
    let found = [few, more].into_iter().map(attempt).find(|output| !output.status.success());
    found.unwrap_or_else(|| attempt(most))
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or("").to_owned()
}

/// The races of a model with the library as it is; what is printed.
fn is_sound(model: &str, more: &[&str]) -> String {
    let output = run(&[&[model, SCHEDULES], more].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    assert!(output.status.success(), "{model}: {}", last_line(&output));
    text
}

fn every_mistake_is_found(model: &str, mistakes: &[&str]) {
    let mut unnoticed = Vec::new();
    for (number, mistake) in mistakes.iter().enumerate() {
        let output = look(model, &["mistake", &number.to_string()]);
        println!("{mistake}: {}", last_line(&output));
        // Anything but success: what is astray may also crash.
        if output.status.success() {
            unnoticed.push(mistake);
        }
    }
    assert!(unnoticed.is_empty(), "nobody notices {unnoticed:#?}");
}

/// The files of the object table. The lock has a model of its own.
const FILES: [&str; 4] = ["table.rs", "slot.rs", "tree.rs", "deletion.rs"];

/// Operations that are not missed, and why.
const NOT_MISSED: &[(&str, &str, &str)] = &[
    // Nobody reads a body whose handle is gone.
    ("Lost", "deletion.rs", "let body = slot.front.body.swap(std::ptr::null_mut()"),
    ("Lost", "deletion.rs", "slot.back.body.store(std::ptr::null_mut()"),
    // Each of these follows or precedes another that wakes the same threads.
    ("Lost", "deletion.rs", "CHANGED.notify_all();"),
    ("Lost", "tree.rs", "CHANGED.notify_all();"),
    // Who tells though nobody waits does no harm.
    ("Lost", "tree.rs", "side.closing.store(false"),
    // One of the two looks at the handle sees what the other does not, but where an object comes and goes
    // between two instructions.
    ("Stale", "table.rs", "if slot.front.handle.load("),
    // To wake nobody does no harm.
    ("Lost", "guarded.rs", "self.waiters.fetch_sub("),
    // Who finds fewer near slots than there are looks into the directory.
    ("Lost", "slot.rs", "NEAR_SLOTS.open.store("),
    ("Stale", "slot.rs", "if (number as usize) < NEAR_SLOTS.open.load("),
    // It changes in the child of a fork only, which has one thread.
    ("Stale", "slot.rs", "find_in(unsafe { &*OPEN.load("),
];

fn line_of(file: &str, line: usize) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/framework");
    let source = std::fs::read_to_string(folder.join(file)).expect("the library's source");
    source.lines().nth(line - 1).expect("a line").trim().to_owned()
}

/// The model is sound, and every operation of these files that lapses is found; `least` is how many there are.
fn every_lapse_is_found(model: &str, files: &[&str], least: usize) {
    let start = Instant::now();
    let text = is_sound(model, &["watch"]);
    let sites: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("site ")).collect();
    let (mut lapsed, mut unnoticed) = (0, Vec::new());
    for site in sites {
        let words: Vec<&str> = site.split(' ').collect();
        let [lapse, file, line, column] = words[..] else { panic!("not a site: {site}") };
        if !files.contains(&file) || lapse == "Unlocked" {
            continue;
        }
        let code = line_of(file, line.parse().expect("a number"));
        if NOT_MISSED.iter().any(|it| (it.0, it.1) == (lapse, file) && code.starts_with(it.2)) {
            continue;
        }
        lapsed += 1;
        let output = look(model, &[lapse, file, line, column]);
        println!("{lapse} {file}:{line}: {}", last_line(&output));
        if output.status.success() {
            unnoticed.push(format!("{lapse} {file}:{line}: {code}"));
        }
    }
    println!("{lapsed} operations, {:?}", start.elapsed());
    assert!(lapsed >= least, "only {lapsed} operations were found");
    assert!(unnoticed.is_empty(), "nobody notices {unnoticed:#?}");
}

#[test]
fn the_object_table_is_sound_and_every_operation_that_lapses_is_found() {
    every_lapse_is_found("objects", &FILES, 20);
}

#[test]
fn every_operation_of_what_streams_wait_for_that_lapses_is_found() {
    every_lapse_is_found("streams", &["guarded.rs"], 3);
}

#[test]
fn pool_timers_are_sound_and_every_mistake_is_found() {
    is_sound("pools", &[]);
    every_mistake_is_found("pools", models::copies::pools::MISTAKES);
}

#[test]
fn streams_are_sound_and_every_mistake_is_found() {
    is_sound("streams", &[]);
    every_mistake_is_found("streams", models::copies::streams::MISTAKES);
}

#[test]
fn what_is_wrong_ends_the_program_with_its_own_status() {
    let output = look("pools", &["mistake", "0"]);
    assert_eq!(output.status.code(), Some(FOUND), "{}", last_line(&output));
}
