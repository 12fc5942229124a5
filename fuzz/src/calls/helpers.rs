//! Threads for calls that may have to wait until another call ends what they wait for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
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
/// What a call that waits for nobody is done in.
const A_WHILE: Duration = Duration::from_millis(100);
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
    std::thread::spawn(relieve);
    OF_THE_FUZZER.set(other_threads()).unwrap();
}

/// Calls of the sequence so far.
pub static STEPS: AtomicU64 = AtomicU64::new(0);

/// Completes what the Client keeps when the sequence does not get on: a call may wait for just that, also one
/// that does not look like it, when a callback within it has deleted something.
fn relieve() {
    let mut before = 0;
    loop {
        std::thread::sleep(A_WHILE);
        let now = STEPS.load(Ordering::Relaxed);
        if now == before {
            super::complete_requests();
        }
        before = now;
    }
}

/// Whether the library has none any more, also none that ends. One that does looks to the leak detector as if it lost
/// its memory.
pub fn is_alone() -> bool {
    Some(&other_threads()) == OF_THE_FUZZER.get()
}

/// Waits until `test` finds nothing missing; what stays so hangs.
pub fn wait_until(mut test: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(missing) = test() {
        STEPS.fetch_add(1, Ordering::Relaxed);
        if start.elapsed() > TOO_LONG {
            let busy: Vec<_> = HELPERS.lock().unwrap().busy.iter().map(|busy| busy.1).collect();
            panic!("hangs: {missing}; calls that have not returned: {busy:?}");
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}
