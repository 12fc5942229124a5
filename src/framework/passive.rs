//! Passive-level work: threads for callbacks that may block.
//!
//! Who posts work attaches first, which takes the memory that posting needs, so that posting cannot
//! fail. The first thread starts with the first user; more start while work waits and all are busy,
//! up to [`MOST_THREADS`]; all end with the last user.

use super::memory::{self, Shared};
use super::status::Error;
use super::sync::{Condvar, Mutex};
use super::thread;
use std::collections::VecDeque;
use std::thread::JoinHandle;

/// Something that can be posted, again and again, but waits at most once.
pub trait Task: Send + Sync {
    fn run(&self);
}

/// A task, shared by its owner and the queue.
pub type SharedTask = Shared<Box<dyn Task>>;

/// Callbacks that wait for each other's Modules need a thread each.
const MOST_THREADS: usize = 32;

struct Pool {
    queue: VecDeque<SharedTask>,
    users: usize,
    idle: usize,
    /// Which generation of threads is the current one.
    epoch: u64,
    threads: Vec<JoinHandle<()>>,
}

static POOL: Mutex<Pool> =
    Mutex::new(Pool { queue: VecDeque::new(), users: 0, idle: 0, epoch: 0, threads: Vec::new() });

static CHANGED: Condvar = Condvar::new();

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
            pool.threads.try_reserve(MOST_THREADS).map_err(|_| memory::no_memory())?;
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
        if pool.idle < pool.queue.len() && pool.threads.len() < MOST_THREADS {
            // Without another thread the work waits for one that is busy.
            let _ = pool.start_thread();
        }
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
        for thread in threads {
            thread::join(thread);
        }
    }
}

impl Pool {
    fn start_thread(&mut self) -> Result<(), Error> {
        let epoch = self.epoch;
        self.threads.push(thread::start("dmf-passive", move || run(epoch))?);
        Ok(())
    }
}

fn run(epoch: u64) {
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
