//! Slots: where handles lead. A slot is never unmapped, so a stale handle finds a slot whose handle
//! differs and touches nothing else.
//!
//! ```text
//!            +---------------------------------------------------+
//! front side | lock | handle | body | running, closing           |  one pair of cache lines
//!            +---------------------------------------------------+
//! back side  | lock | handle | body                              |  its own pair of cache lines
//!            +---------------------------------------------------+
//! cold       | life (guarded by the tree's lock), contexts,      |
//!            | links, visited                                    |
//!            +---------------------------------------------------+
//! ```
//!
//! A side's handle is the object's while Methods may use that side, and zero otherwise. A Method
//! locks a side, compares the handle, works on the body, unlocks. Only a body with two ends that are
//! used at the same time ([`Ends`](super::ends::Ends)) has a back side; whoever takes both locks takes
//! the back's first.
//!
//! Slots are made in chunks, as they are needed. A directory says where a chunk is. The first chunks lie one
//! behind the other in the library's own memory: a Method finds their slots without the directory.

use super::frames;
use super::handle::{Handle, SLOTS};
use super::lock::{Held, RawLock};
use super::memory;
use super::status::{Error, Status};
use super::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering};
use super::table;
use super::tree::{Context, Life};
use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::hint::cold_path;
use std::mem::MaybeUninit;

/// One lock of a slot, and what a Method reads under it.
#[repr(align(128))]
pub struct Side {
    pub lock: RawLock,
    pub handle: AtomicU64,
    pub body: AtomicPtr<()>,
    /// Methods and callbacks that use the object without holding a lock of it. Of an object that is entered,
    /// it is changed under the lock.
    pub running: AtomicU32,
    /// The object's doors are shut; whoever takes `running` to zero tells.
    pub closing: AtomicBool,
}

/// See the file's head.
#[repr(align(128))]
pub struct Slot {
    pub front: Side,
    pub back: Side,
    /// Guarded by the tree's lock.
    pub life: UnsafeCell<Life>,
    pub contexts: Mutex<Option<Box<Context>>>,
    /// Handles of the children that a composed Module works on.
    pub links: [AtomicU64; 2],
    /// The handle of an object that is entered, until it is quiet and closes. Read, and cleared, under the front's
    /// lock.
    pub visited: AtomicU64,
}

// SAFETY: `life` is reached through the tree's lock only; bodies by the rules of `table`.
unsafe impl Sync for Slot {}

impl Slot {
    /// From now on nobody visits the object, which is one that is entered; false: somebody is inside.
    pub fn lock_out(&self) -> bool {
        let held = self.front.lock.take();
        let is_empty = self.front.running.load(Ordering::Relaxed) == 0;
        if is_empty {
            self.visited.store(0, Ordering::Relaxed);
        }
        // SAFETY: the lock was just taken.
        unsafe { held.unlock() };
        is_empty
    }
}

impl Side {
    fn new(rank: u32) -> Self {
        Self {
            lock: RawLock::new(rank),
            handle: AtomicU64::new(0),
            body: AtomicPtr::new(std::ptr::null_mut()),
            running: AtomicU32::new(0),
            closing: AtomicBool::new(false),
        }
    }

    /// Locks the side, unless the calling thread already holds it further up its stack.
    #[inline(always)]
    pub fn acquire(&self, handle: Handle) -> Result<Held<'_>, Error> {
        match self.lock.try_lock() {
            Some(held) => Ok(held),
            None => self.acquire_contended(handle),
        }
    }

    #[cold]
    fn acquire_contended(&self, handle: Handle) -> Result<Held<'_>, Error> {
        if frames::holds_lock_of(handle) {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "called from an enumeration callback that runs under this Module's own lock",
            ));
        }
        // As long as it is waited for: the slot may be another object's by now, whose lock is held by the calling
        // thread itself, or in a callback of whatever length.
        let is_open = || self.handle.load(Ordering::Acquire) == handle.0;
        if !is_open() {
            return Err(table::refused(handle));
        }
        if let Some(held) = self.lock.lock_while(is_open) {
            if is_open() {
                return Ok(held);
            }
            // SAFETY: just taken.
            unsafe { held.unlock() };
        }
        // Whether it is deleted by now, or about to be: the call came before.
        Err(table::being_deleted())
    }
}

const CHUNK: usize = 64;
const CHUNKS: usize = SLOTS as usize / CHUNK;

type Directory = [AtomicPtr<Slot>; CHUNKS];

static DIRECTORY: Directory = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];

/// What the child of a fork has instead. It takes no memory.
static EMPTY: Directory = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];

/// One of the two.
static OPEN: AtomicPtr<Directory> = AtomicPtr::new((&raw const DIRECTORY).cast_mut());

/// Slots in the library's own memory: whole chunks.
const NEAR: usize = 4096;
const _: () = assert!(NEAR.is_multiple_of(CHUNK));

/// Zero until slots are made there, so that it takes no memory.
struct Near {
    /// How many slots Methods may use: none in the child of a fork.
    open: AtomicUsize,
    slots: UnsafeCell<MaybeUninit<[Slot; NEAR]>>,
}

// SAFETY: its slots are shared once they are made, and before that nobody has them but who makes them, under
// the tree's lock.
unsafe impl Sync for Near {}

static NEAR_SLOTS: Near =
    Near { open: AtomicUsize::new(0), slots: UnsafeCell::new(MaybeUninit::zeroed()) };

impl Near {
    /// # Safety
    /// There are so many.
    #[inline(always)]
    unsafe fn at(&self, number: usize) -> *mut Slot {
        // SAFETY: by the contract of this function.
        unsafe { self.slots.get().cast::<Slot>().add(number) }
    }
}

/// From now on this process is the child of a fork.
pub fn close_directory() {
    NEAR_SLOTS.open.store(0, Ordering::Relaxed);
    OPEN.store((&raw const EMPTY).cast_mut(), Ordering::Relaxed);
}

/// The slot of that number, if there has ever been one.
#[inline]
pub fn find(number: u32) -> Option<&'static Slot> {
    find_in(&DIRECTORY, number)
}

/// As [`find`], but in the child of a fork there is none.
#[inline(always)]
pub fn find_unless_forked(number: u32) -> Option<&'static Slot> {
    if (number as usize) < NEAR_SLOTS.open.load(Ordering::Acquire) {
        // SAFETY: so many have been made.
        return Some(unsafe { &*NEAR_SLOTS.at(number as usize) });
    }
    cold_path();
    // SAFETY: it is one of the two directories.
    find_in(unsafe { &*OPEN.load(Ordering::Relaxed) }, number)
}

#[inline(always)]
fn find_in(directory: &Directory, number: u32) -> Option<&'static Slot> {
    let chunk = directory[number as usize / CHUNK % CHUNKS].load(Ordering::Acquire);
    if chunk.is_null() {
        return None;
    }
    // SAFETY: a chunk holds CHUNK slots and is never freed.
    Some(unsafe { &*chunk.add(number as usize % CHUNK) })
}

/// The slot of that number, made if it is new. The caller holds the tree's lock.
pub fn find_or_make(number: u32) -> Result<&'static Slot, Error> {
    if number >= SLOTS {
        return Err(Error::new(Status::INSUFFICIENT_RESOURCES, "too many objects"));
    }
    if let Some(slot) = find(number) {
        return Ok(slot);
    }
    let first = number as usize / CHUNK * CHUNK;
    let chunk = if first < NEAR {
        // SAFETY: just looked at.
        unsafe { NEAR_SLOTS.at(first) }
    } else {
        let layout = Layout::array::<Slot>(CHUNK).map_err(|_| memory::no_memory())?;
        memory::allocate_zeroed(layout)?.cast::<Slot>().as_ptr()
    };
    for i in 0..CHUNK {
        // SAFETY: the memory is that of CHUNK slots, which nobody has yet.
        unsafe {
            chunk.add(i).write(Slot {
                front: Side::new(0),
                back: Side::new(1),
                life: UnsafeCell::new(Life::new()),
                contexts: Mutex::new(None),
                links: [const { AtomicU64::new(0) }; 2],
                visited: AtomicU64::new(0),
            });
        }
    }
    DIRECTORY[number as usize / CHUNK].store(chunk, Ordering::Release);
    if first < NEAR {
        NEAR_SLOTS.open.store(first + CHUNK, Ordering::Release);
    }
    Ok(find(number).expect("the chunk was just stored"))
}
