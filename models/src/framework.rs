//! The library's `src/framework`, its own files, on the [`machine`](crate::machine). What they take from the
//! system is the machine's: locks, atomics, fences, threads, the clock, and what each thread has to itself.

/// What a thread of the model has to itself. Shuttle's threads take turns on one thread of the system.
pub struct Local<T>(pub [T; THREADS]);

// SAFETY: one thread of the model runs at a time, and each has its own.
unsafe impl<T> Sync for Local<T> {}

impl<T> Local<T> {
    pub fn with<R>(&self, with: impl FnOnce(&T) -> R) -> R {
        with(&self.0[running()])
    }
}

impl<T> Local<Cell<T>> {
    pub fn get(&self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    pub fn set(&self, value: T) {
        self.with(|cell| cell.set(value));
    }

    pub fn replace(&self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// In the files below it stands for the standard library's.
macro_rules! thread_local {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = const $value:block;)*) => {$(
        $(#[$attribute])*
        static $name: crate::framework::Local<$type> =
            crate::framework::Local([const $value; crate::machine::THREADS]);
    )*};
}

#[path = "../../src/framework/alarms.rs"]
pub mod alarms;
#[path = "../../src/framework/belt.rs"]
#[allow(dead_code, reason = "the models know no ring")]
pub mod belt;
#[path = "../../src/framework/buffer.rs"]
pub mod buffer;
#[path = "../../src/framework/chute.rs"]
pub mod chute;
#[path = "../../src/framework/deletion.rs"]
pub mod deletion;
#[path = "../../src/framework/ends.rs"]
#[allow(dead_code, reason = "the models know no ring")]
pub mod ends;
#[path = "../../src/framework/frames.rs"]
pub mod frames;
#[path = "../../src/framework/guarded.rs"]
pub mod guarded;
#[path = "../../src/framework/handle.rs"]
pub mod handle;
#[path = "../../src/framework/list.rs"]
pub mod list;
#[path = "../../src/framework/lock.rs"]
#[allow(dead_code, reason = "not every model takes it in every way")]
pub mod lock;
#[path = "../../src/framework/memory.rs"]
pub mod memory;
#[path = "../../src/framework/slab.rs"]
pub mod slab;
#[path = "../../src/framework/slot.rs"]
pub mod slot;
#[path = "../../src/framework/span.rs"]
pub mod span;
#[path = "../../src/framework/status.rs"]
#[allow(unused_imports, unused_macros, reason = "not every model has a use for fail!")]
pub mod status;
#[path = "../../src/framework/table.rs"]
pub mod table;
#[path = "../../src/framework/timer.rs"]
pub mod timer;
#[path = "../../src/framework/tree.rs"]
pub mod tree;

use crate::machine::{THREADS, running};
use std::cell::Cell;

pub mod sync {
    pub use crate::machine::sync::*;
}

pub mod clock {
    pub use crate::machine::now;
}

pub mod asymmetric {
    use crate::lock::{Slip, slips};
    use crate::machine::{THREADS, let_all_out, step};

    pub fn available() -> bool {
        true
    }

    pub fn light() {}

    pub fn heavy() {
        step();
        if !slips(Slip::NoHeavyFence) {
            (0..THREADS).for_each(let_all_out);
        }
    }
}

/// A thread owns a lock at its first turn, so that schedules are short.
pub mod owners {
    use super::sync::AtomicUsize;
    use crate::lock::{Slip, slips};
    use crate::machine::{THREADS, running};
    use std::sync::OnceLock;

    pub const STREAK: u32 = 1;
    pub const LONGEST_STREAK: u32 = 1;
    pub const STREAK_AGAIN: u32 = 1;
    pub const LASTING: u32 = 500;

    /// Here time passes when it is looked at, and timers would expire.
    pub fn microseconds() -> u32 {
        0
    }

    const RANKS: usize = 4;

    #[repr(align(16))]
    pub struct Owner {
        thread: usize,
        pub inside: AtomicUsize,
    }

    /// Every thread's records, one for each rank; they are 0 again when no thread is inside.
    static RECORDS: OnceLock<[[Owner; RANKS]; THREADS]> = OnceLock::new();

    fn records() -> &'static [[Owner; RANKS]; THREADS] {
        RECORDS.get_or_init(|| {
            std::array::from_fn(|thread| {
                [(); RANKS].map(|()| Owner { thread, inside: AtomicUsize::new(0) })
            })
        })
    }

    pub fn current() -> usize {
        running() + 1
    }

    impl Owner {
        pub fn is_mine(&self) -> bool {
            slips(Slip::AnyRecordIsMine) || self.thread == running()
        }
    }

    pub fn at(address: usize) -> &'static Owner {
        records()
            .as_flattened()
            .iter()
            .find(|it| std::ptr::from_ref(*it).addr() == address)
            .expect("a record")
    }

    pub fn record_of(me: usize, rank: u32) -> Option<&'static Owner> {
        Some(&records()[me - 1][rank as usize])
    }
}

pub mod passive {
    pub struct Waiting;

    impl Waiting {
        pub fn begin() -> Self {
            Self
        }
    }
}

pub mod thread {
    use super::status::Error;
    use crate::machine::{self, Running};

    pub use super::owners::current as current_id;

    pub fn watch_forks() {}

    pub struct JoinHandle<T>(Running, std::marker::PhantomData<T>);

    pub fn start(
        _name: &'static str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, Error> {
        Ok(JoinHandle(machine::spawn(body), std::marker::PhantomData))
    }

    pub fn join(thread: JoinHandle<()>) {
        thread.0.join();
    }
}

pub mod misuse {
    use super::handle::Handle;
    use super::status::Error;
    use std::ffi::CStr;

    /// No model breaks the library's contract.
    pub fn report(method: &'static CStr, _handle: Handle, error: &Error) {
        error.with_text(|text| crate::schedules::wrong(&format!("misuse: {method:?}: {text}")));
    }
}

/// Whether every delete is finished, and nothing is left of any object.
pub fn is_empty() -> bool {
    let mut tree = tree::TREE.lock();
    let free = (0..tree.used).all(|number| tree.life(number).state == tree::State::Free);
    free && tree.orphans == tree::NONE
}
