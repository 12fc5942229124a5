//! Threads for calls that may have to wait until another call ends what they wait for.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Helpers {
    jobs: VecDeque<(u64, &'static str, Job)>,
    /// Jobs that are not done, and what they are.
    busy: Vec<(u64, &'static str)>,
    threads: usize,
    next: u64,
}

static HELPERS: Mutex<Helpers> =
    Mutex::new(Helpers { jobs: VecDeque::new(), busy: Vec::new(), threads: 0, next: 0 });
static CHANGED: Condvar = Condvar::new();

const MOST: usize = 6;
/// What a call that does not wait is done in.
const A_MOMENT: Duration = Duration::from_millis(2);
/// What waits longer, when nothing is left to wait for, hangs.
const TOO_LONG: Duration = Duration::from_secs(15);

/// Runs a call on another thread, and waits a moment for it. Without a free thread nothing is called.
pub fn run(what: &'static str, job: impl FnOnce() + Send + 'static) {
    let mut helpers = HELPERS.lock().unwrap();
    if helpers.busy.len() == MOST {
        return;
    }
    if helpers.threads < MOST {
        helpers.threads += 1;
        std::thread::spawn(serve);
    }
    let number = helpers.next;
    helpers.next += 1;
    helpers.busy.push((number, what));
    helpers.jobs.push_back((number, what, Box::new(job)));
    CHANGED.notify_all();
    let is_busy = |helpers: &mut Helpers| helpers.busy.iter().any(|busy| busy.0 == number);
    drop(CHANGED.wait_timeout_while(helpers, A_MOMENT, is_busy).unwrap());
}

fn serve() {
    let mut helpers = HELPERS.lock().unwrap();
    loop {
        match helpers.jobs.pop_front() {
            Some((number, _, job)) => {
                drop(helpers);
                job();
                helpers = HELPERS.lock().unwrap();
                helpers.busy.retain(|busy| busy.0 != number);
                CHANGED.notify_all();
            }
            None => helpers = CHANGED.wait(helpers).unwrap(),
        }
    }
}

/// Whether all calls have returned.
pub fn are_idle() -> bool {
    HELPERS.lock().unwrap().busy.is_empty()
}

/// Threads of the process, beside those of this file.
fn other_threads() -> usize {
    // A helper that starts is counted by both, or by neither.
    let helpers = HELPERS.lock().unwrap();
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count) - helpers.threads
}

static OF_THE_FUZZER: OnceLock<usize> = OnceLock::new();

/// Called before the library has any threads.
pub fn count_threads() {
    OF_THE_FUZZER.set(other_threads()).unwrap();
}

/// Whether the library has none any more, also none that ends. One that does looks to the leak detector as if it lost
/// its memory.
pub fn is_alone() -> bool {
    Some(&other_threads()) == OF_THE_FUZZER.get()
}

/// Waits until `test` holds; what does not come true hangs.
pub fn wait_until(what: &str, mut test: impl FnMut() -> bool) {
    let start = Instant::now();
    while !test() {
        if start.elapsed() > TOO_LONG {
            let busy: Vec<_> = HELPERS.lock().unwrap().busy.iter().map(|busy| busy.1).collect();
            panic!("hangs: {what}; calls that have not returned: {busy:?}");
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}
