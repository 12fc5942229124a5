//! The belt of a ring, the library's own file, under loom: one thread lays items on it while another
//! takes them off. Loom's cells stand for the slots; whoever uses one that is still the other's, or
//! whose bytes it need not see yet, is found.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[path = "../../src/framework/belt.rs"]
#[allow(dead_code, reason = "the model uses the ends apart")]
pub mod belt;

/// What the belt is built on, as loom has it.
pub mod sync {
    use super::{Slip, slips};
    /// Whatever it says, the slots are the same ones.
    pub use std::sync::atomic::AtomicBool;
    pub use std::sync::atomic::Ordering;

    #[derive(Default)]
    pub struct AtomicUsize(loom::sync::atomic::AtomicUsize);

    impl AtomicUsize {
        pub fn load(&self, order: Ordering) -> usize {
            let is_late = slips(Slip::LooksWithoutAcquiring) && order == Ordering::Acquire;
            self.0.load(if is_late { Ordering::Relaxed } else { order })
        }

        pub fn store(&self, value: usize, order: Ordering) {
            let is_early = slips(Slip::PublishesTooEarly) && order == Ordering::Release;
            self.0.store(value, if is_early { Ordering::Relaxed } else { order });
        }
    }
}

pub mod memory {
    use super::status::Error;
    use std::ptr::NonNull;
    use std::sync::Arc;

    /// Nobody looks at it: the model's slots are cells.
    pub struct Block(Box<[u8]>);

    impl Block {
        pub fn new(length: usize) -> Result<Self, Error> {
            Ok(Self(vec![0; length].into()))
        }

        pub fn address(&self) -> NonNull<u8> {
            NonNull::from(&self.0[0])
        }
    }

    pub struct Shared<T>(Arc<T>);

    impl<T> Shared<T> {
        pub fn new(value: T) -> Result<Self, Error> {
            Ok(Self(Arc::new(value)))
        }

        pub fn same(&self, other: &Self) -> bool {
            Arc::ptr_eq(&self.0, &other.0)
        }
    }

    impl<T> Clone for Shared<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> std::ops::Deref for Shared<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }
}

pub mod status {
    #[derive(Debug)]
    pub struct Error;
}

pub mod ends {
    /// # Safety
    /// As for the library's.
    pub unsafe trait Joint {
        fn is_joint(&self) -> bool;
    }
}

pub mod span {
    /// The processor's caches are not in the model.
    pub fn prefetch_from_another(_slot: &[u8]) {}
}

pub mod thread {
    use std::hash::{DefaultHasher, Hash, Hasher};

    pub fn current_id() -> usize {
        let mut hasher = DefaultHasher::new();
        loom::thread::current().id().hash(&mut hasher);
        hasher.finish() as usize
    }
}

/// Mistakes in how the ends tell each other where they are; each must be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Slip {
    None,
    PublishesTooEarly,
    LooksWithoutAcquiring,
}

/// The slip of the model that runs: one at a time.
static SLIP: AtomicU8 = AtomicU8::new(0);

fn slips(slip: Slip) -> bool {
    SLIP.load(Ordering::Relaxed) == slip as u8
}

/// Every schedule, or every one with so many preemptions, of a writer and a reader of so many items, over a belt with so
/// many slots. Each is a cache line: once the writer knows that the reader is another thread it goes on slot by slot, if
/// it has two. Panics with what is wrong.
pub fn check(count: usize, items: usize, preemptions: Option<usize>) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(move || {
        let cells = (0..count).map(|_| loom::cell::UnsafeCell::new(0)).collect::<Vec<_>>();
        let cells = Arc::new(Slots(cells));
        let (mut reader, mut writer) = belt::new(count, 64, false).expect("memory");
        let written = cells.clone();
        let thread = loom::thread::spawn(move || {
            for item in 0..items {
                // SAFETY: loom looks whether somebody else uses the cell.
                let fill = |_: &mut [u8]| {
                    written.0[item % count].with_mut(|slot| unsafe { *slot = item });
                };
                while writer.write(None, fill).is_none() {
                    loom::thread::yield_now();
                }
            }
        });
        for item in 0..items {
            // SAFETY: as above.
            let take = |_: &[u8]| {
                let found = cells.0[item % count].with(|slot| unsafe { *slot });
                assert_eq!(found, item, "an item is lost, doubled or out of order");
            };
            while reader.read(None, take).is_none() {
                loom::thread::yield_now();
            }
        }
        assert!(reader.read(None, |_| ()).is_none(), "more items than were written");
        thread.join().expect("the writer does not panic");
    });
}

struct Slots(Vec<loom::cell::UnsafeCell<usize>>);

// SAFETY: loom looks who uses a cell when.
unsafe impl Sync for Slots {}

/// Whether a schedule fails with the slip.
pub fn finds(count: usize, items: usize, preemptions: Option<usize>, slip: Slip) -> bool {
    SLIP.store(slip as u8, Ordering::Relaxed);
    let result = std::panic::catch_unwind(|| check(count, items, preemptions));
    SLIP.store(Slip::None as u8, Ordering::Relaxed);
    result.is_err()
}
