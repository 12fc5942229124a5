//! Passive-level work: threads for callbacks that may block.
//!
//! Who posts work attaches first, which takes the memory that posting needs, so that posting cannot
//! fail. The first thread starts with the first user; more start while work waits and all are busy,
//! up to [`MOST_THREADS`] that do not wait in the library; all end with the last user.

use super::memory::{self, Shared};
use super::status::Error;
use super::sync::{Condvar, Mutex};
use super::thread;
use std::cell::Cell;
use std::collections::VecDeque;
use std::thread::JoinHandle;

/// Something that can be posted, again and again, but waits at most once.
pub trait Task: Send + Sync {
    fn run(&self);
}

/// A task, shared by its owner and the queue.
pub type SharedTask = Shared<Box<dyn Task>>;

/// Callbacks that wait for each other outside of the library need a thread each.
const MOST_THREADS: usize = 32;

struct Pool {
    queue: VecDeque<SharedTask>,
    users: usize,
    idle: usize,
    /// Threads that are [`Waiting`].
    waiting: usize,
    /// Which generation of threads is the current one.
    epoch: u64,
    threads: Vec<JoinHandle<()>>,
}

/// No other lock is taken by who holds it.
static POOL: Mutex<Pool> = Mutex::new(Pool {
    queue: VecDeque::new(),
    users: 0,
    idle: 0,
    waiting: 0,
    epoch: 0,
    threads: Vec::new(),
});

static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// The thread is one of the pool's, and not [`Waiting`].
    static WORKS: Cell<bool> = const { Cell::new(false) };
}

/// While this exists the calling thread may wait for what another thread of the pool does: if it is one
/// of the pool's itself, another one may take its place.
pub struct Waiting {
    takes_leave: bool,
}

impl Waiting {
    pub fn begin() -> Self {
        let takes_leave = WORKS.replace(false);
        if takes_leave {
            let mut pool = POOL.lock();
            pool.waiting += 1;
            pool.ensure_threads();
        }
        Self { takes_leave }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.takes_leave {
            POOL.lock().waiting -= 1;
            WORKS.set(true);
        }
    }
}

/// One who posts work. Dropped, it posts no more.
pub struct User(());

impl User {
    pub fn attach() -> Result<Self, Error> {
        let mut pool = POOL.lock();
        memory::permit()?;
        let more = pool.users + 1 - pool.queue.len().min(pool.users);
        pool.queue.try_reserve(more).map_err(|_| memory::no_memory())?;
        if pool.users == 0 {
            pool.epoch += 1;
            pool.start_thread()?;
        }
        pool.users += 1;
        Ok(Self(()))
    }

    /// Has the task run soon. A task is posted once until it has begun to run.
    pub fn post(&self, task: SharedTask) {
        let mut pool = POOL.lock();
        debug_assert!(pool.queue.len() < pool.queue.capacity());
        pool.queue.push_back(task);
        pool.ensure_threads();
        drop(pool);
        CHANGED.notify_one();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut pool = POOL.lock();
        pool.users -= 1;
        if pool.users > 0 {
            return;
        }
        pool.epoch += 1;
        pool.idle = 0;
        let threads = std::mem::take(&mut pool.threads);
        drop(pool);
        CHANGED.notify_all();
        // Told to end, they do so by themselves; one that this thread waited for might wait for this thread.
        if !thread::is_a_worker() {
            threads.into_iter().for_each(thread::join);
        }
    }
}

impl Pool {
    /// Starts a thread if work waits for one and there may be one more.
    fn ensure_threads(&mut self) {
        if self.idle < self.queue.len() && self.threads.len() < MOST_THREADS + self.waiting {
            // Without another thread the work waits for one that is busy.
            let _ = self.start_thread();
        }
    }

    fn start_thread(&mut self) -> Result<(), Error> {
        memory::permit()?;
        self.threads.try_reserve(1).map_err(|_| memory::no_memory())?;
        let epoch = self.epoch;
        self.threads.push(thread::start("dmf-passive", move || run(epoch))?);
        Ok(())
    }
}

fn run(epoch: u64) {
    WORKS.set(true);
    let mut pool = POOL.lock();
    while pool.epoch == epoch {
        if let Some(task) = pool.queue.pop_front() {
            drop(pool);
            task.run();
            drop(task);
            pool = POOL.lock();
        } else {
            pool.idle += 1;
            CHANGED.wait(&mut pool);
            if pool.epoch == epoch {
                pool.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::memory::try_box;
    use crate::framework::sync::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    /// Two who wait for each other, were it not for the time.
    #[derive(Default)]
    struct Meeting {
        runs: AtomicBool,
        has_gone: AtomicBool,
        was_met: AtomicBool,
    }

    struct Waits(Shared<Meeting>);

    impl Task for Waits {
        fn run(&self) {
            self.0.runs.store(true, Ordering::SeqCst);
            let deadline = Instant::now() + Duration::from_secs(10);
            while !self.0.has_gone.load(Ordering::SeqCst) && Instant::now() < deadline {
                std::thread::yield_now();
            }
            self.0.was_met.store(Instant::now() < deadline, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_thread_of_the_library_leaves_without_waiting_for_the_work() {
        let meeting = Shared::new(Meeting::default()).ok().expect("memory");
        let task = try_box(Waits(meeting.clone())).ok().expect("memory") as Box<dyn Task>;
        let task = Shared::new(task).ok().expect("memory");
        let goes = meeting.clone();
        let thread = thread::start("dmf-test", move || {
            let user = User::attach().ok().expect("memory");
            user.post(task);
            while !goes.runs.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            drop(user);
            goes.has_gone.store(true, Ordering::SeqCst);
        });
        thread::join(thread.ok().expect("memory"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !meeting.was_met.load(Ordering::SeqCst) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(meeting.was_met.load(Ordering::SeqCst));
    }
}
