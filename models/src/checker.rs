//! The two model checkers, behind one trait: a lock, threads, and the check of a model.

/// A body of a thread.
pub type Actor = Box<dyn FnOnce() + Send>;

/// What a model needs of a checker.
pub trait Checker: 'static {
    type Lock<T: Send + 'static>: Send + Sync + 'static;

    fn lock<T: Send + 'static>(value: T) -> Self::Lock<T>;

    /// Takes the lock for as long as `with` runs.
    fn with<T: Send + 'static, R>(lock: &Self::Lock<T>, with: impl FnOnce(&mut T) -> R) -> R;

    /// Runs the actors at the same time, each on its thread, and waits for all.
    fn run(actors: Vec<Actor>);

    /// Runs the model under many schedules; panics where the model does.
    fn check(model: impl Fn() + Send + Sync + 'static);
}

/// Preemptions that loom tries in one schedule. With more the search does not end in useful time.
const PREEMPTIONS: usize = 3;
/// Random schedules of each race.
const SCHEDULES: usize = 1_000;

pub struct Loom;

impl Checker for Loom {
    type Lock<T: Send + 'static> = loom::sync::Mutex<T>;

    fn lock<T: Send + 'static>(value: T) -> Self::Lock<T> {
        loom::sync::Mutex::new(value)
    }

    fn with<T: Send + 'static, R>(lock: &Self::Lock<T>, with: impl FnOnce(&mut T) -> R) -> R {
        with(&mut lock.lock().expect("no actor panics"))
    }

    fn run(mut actors: Vec<Actor>) {
        // The model's own thread is one of them: one fewer to interleave.
        let last = actors.pop();
        let threads: Vec<_> = actors.into_iter().map(loom::thread::spawn).collect();
        if let Some(last) = last {
            last();
        }
        for thread in threads {
            thread.join().expect("no actor panics");
        }
    }

    fn check(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(PREEMPTIONS);
        builder.check(model);
    }
}

pub struct Shuttle;

impl Checker for Shuttle {
    type Lock<T: Send + 'static> = shuttle::sync::Mutex<T>;

    fn lock<T: Send + 'static>(value: T) -> Self::Lock<T> {
        shuttle::sync::Mutex::new(value)
    }

    fn with<T: Send + 'static, R>(lock: &Self::Lock<T>, with: impl FnOnce(&mut T) -> R) -> R {
        with(&mut lock.lock().expect("no actor panics"))
    }

    fn run(mut actors: Vec<Actor>) {
        let last = actors.pop();
        let threads: Vec<_> = actors.into_iter().map(shuttle::thread::spawn).collect();
        if let Some(last) = last {
            last();
        }
        for thread in threads {
            thread.join().expect("no actor panics");
        }
    }

    fn check(model: impl Fn() + Send + Sync + 'static) {
        let mut config = shuttle::Config::default();
        // A failed race is named by its panic; it fails again with the next run.
        config.failure_persistence = shuttle::FailurePersistence::None;
        // The same schedules in every run: a test that passed does not fail by chance.
        let scheduler = shuttle::scheduler::RandomScheduler::new_from_seed(1, SCHEDULES);
        shuttle::Runner::new(scheduler, config).run(model);
    }
}
