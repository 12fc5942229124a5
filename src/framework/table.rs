//! From a handle to the object behind it.
//!
//! Two ways in, chosen by the kind of object:
//! - [`lock`]: one lock, the handle compared under it, `&mut` to the body. Buffers. A body with two ends
//!   has a lock for each: [`ends`](super::ends).
//! - [`enter`]: works without the lock; the object counts, under it, who is inside, and deletion waits for
//!   them. Everything that calls back or waits.
//!
//! `enter` against deletion: the visitor compares the handle and adds to `running` in one turn of the lock;
//! the deleter clears the handle, then reads `running` in a turn of its own. So whoever found the handle has been
//! counted by then.

use super::frames::{self, Activity};
use super::handle::{Handle, Kind};
use super::lock::Held;
use super::slot::{self, Side, Slot};
use super::status::{Error, Status};
use super::sync::{Ordering, fence};
use super::tree;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A body that the table holds.
pub trait Object: Send + Sized + 'static {
    const KIND: Kind;

    /// The object works without its lock ([`enter`]), and is Sync; only then are [`Object::shut`],
    /// [`Object::end_waiting`] and [`Object::drained`] called.
    const ENTERED: bool = false;

    /// Whether a thread that uses the object alone comes to own its lock: for objects that live long. Those that
    /// are entered are.
    fn is_ownable(&self) -> bool {
        false
    }

    /// Whether the back's lock guards a part of the object.
    fn has_back(&self) -> bool {
        false
    }

    /// Deletion has begun: refuse new work and end what can be ended, without waiting.
    fn shut(&self) {}

    /// Before it is waited for: ends what waits, which may call back. Perhaps more than once.
    fn end_waiting(&self) {}

    /// Whether nothing of the object runs any more. Whoever makes it so calls [`tree::tell`].
    fn drained(&self) -> bool {
        true
    }

    /// The object is about to be deleted; its Methods still work.
    fn before_delete(_handle: Handle) {}

    /// Nothing else uses the object now. Its children are still there.
    fn close(&mut self, _handle: Handle) {}
}

/// A handle of an object of type `T`, as Modules keep their children. It may be stale.
pub struct Ref<T> {
    pub handle: Handle,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}

impl<T: Object> Ref<T> {
    pub fn new(handle: Handle) -> Self {
        Self { handle, kind: PhantomData }
    }

    /// Locks the object; see [`lock`].
    #[inline(always)]
    pub fn lock(&self) -> Result<Guard<T>, Error> {
        lock(self.handle)
    }
}

/// The slot that a handle of that kind names; its generation is still to be compared.
#[inline(always)]
pub(super) fn slot_of(handle: Handle, kind: Kind) -> Result<&'static Slot, Error> {
    if !handle.is_kind(kind) {
        return Err(refused(handle));
    }
    slot::find(handle.slot()).ok_or_else(|| refused(handle))
}

/// As [`slot_of`], without an excuse, and none in the child of a fork.
#[inline(always)]
pub(super) fn usual_slot_of(handle: Handle, kind: Kind) -> Option<&'static Slot> {
    if handle.is_kind(kind) { slot::find_unless_forked(handle.slot()) } else { None }
}

/// Why a Method on `handle` was refused.
#[cold]
pub fn refused(handle: Handle) -> Error {
    if handle == Handle::NULL {
        return Error::misuse(Status::INVALID_HANDLE, "the handle is NULL");
    }
    match tree::state_of(handle) {
        tree::Existence::Never => Error::misuse(
            Status::INVALID_HANDLE,
            "the handle is not one, or names an object that was deleted",
        ),
        tree::Existence::Closed => being_deleted(),
        tree::Existence::Open => {
            Error::misuse(Status::INVALID_HANDLE, "the handle names another kind of object")
        }
    }
}

/// Why a Method failed that a delete overtook.
#[cold]
pub fn being_deleted() -> Error {
    Error::new(Status::INVALID_DEVICE_STATE, "the object is being deleted")
}

/// An object, locked.
pub struct Guard<T> {
    side: &'static Side,
    /// None: the lock is held by an enumeration further up the stack, and stays held.
    held: Option<Held<'static>>,
    /// The back's lock, if the object has one and it is held, too.
    pub(super) held_back: Option<Held<'static>>,
    handle: Handle,
    pub(super) body: *mut T,
    lent: bool,
}

/// Whether `handle` names an object of type `T` that is open, and why not. It may not be so any more when
/// the caller sees the answer.
pub fn check<T: Object>(handle: Handle) -> Result<(), Error> {
    let side = &slot_of(handle, T::KIND)?.front;
    if side.handle.load(Ordering::Acquire) == handle.0 { Ok(()) } else { Err(refused(handle)) }
}

/// The body behind a side whose lock was just taken. The lock is given back if the handle does not name it.
#[inline(always)]
pub(super) fn behind<T>(
    side: &'static Side,
    held: Held<'static>,
    handle: Handle,
) -> Option<*mut T> {
    // An object opens without its lock: the handle first, so that the body is the one it names, also
    // for a thread that guessed the handle.
    if side.handle.load(Ordering::Acquire) == handle.0 {
        return Some(side.body.load(Ordering::Relaxed).cast());
    }
    // SAFETY: the lock was just taken.
    unsafe { held.unlock() };
    None
}

/// Locks the object behind `handle` if it is one of type `T` and open. Always inlined: the answer would
/// go through memory, piece by piece, which costs as much as the lock.
#[inline(always)]
pub fn lock<T: Object>(handle: Handle) -> Result<Guard<T>, Error> {
    const { assert!(!T::ENTERED) };
    let side = &slot_of(handle, T::KIND)?.front;
    let held = side.acquire(handle)?;
    let body = behind(side, held, handle).ok_or_else(|| refused(handle))?;
    Ok(Guard { side, held: Some(held), held_back: None, handle, body, lent: false })
}

/// As [`lock`], if that needs neither waiting nor an excuse.
#[inline(always)]
pub fn try_lock<T: Object>(handle: Handle) -> Option<Guard<T>> {
    const { assert!(!T::ENTERED) };
    let side = &usual_slot_of(handle, T::KIND)?.front;
    let held = side.lock.try_lock_at_once()?;
    let body = behind(side, held, handle)?;
    Some(Guard { side, held: Some(held), held_back: None, handle, body, lent: false })
}

/// As [`lock`]; from inside an enumeration callback of the object it uses the lock that is held.
pub fn relock<T: Object>(handle: Handle) -> Result<Guard<T>, Error> {
    if !frames::holds_lock_of(handle) {
        return lock(handle);
    }
    let side = &slot_of(handle, T::KIND)?.front;
    let body = side.body.load(Ordering::Relaxed).cast::<T>();
    Ok(Guard { side, held: None, held_back: None, handle, body, lent: false })
}

impl<T> Guard<T> {
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// Runs a callback of C with the lock held. The body is out of reach meanwhile, except through
    /// [`relock`] from inside the callback.
    pub fn lend<R>(&mut self, callback: impl FnOnce() -> R) -> R {
        self.lent = true;
        frames::within(self.handle, Activity::Enumeration, callback)
    }
}

impl<T> Deref for Guard<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the side's lock is held, and its handle names a body of type T until it is released.
        unsafe { &*self.body }
    }
}

impl<T> DerefMut for Guard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the guard is borrowed exclusively, and `lend` borrows it too.
        unsafe { &mut *self.body }
    }
}

impl<T> Guard<T> {
    #[inline(always)]
    fn release(&self) {
        let Some(held) = self.held else { return };
        // SAFETY: the guard was made with the lock held, and goes away.
        unsafe { held.unlock() };
        if let Some(held_back) = self.held_back {
            // SAFETY: as above.
            unsafe { held_back.unlock() };
        }
        if self.lent {
            settle();
        }
    }

    /// As dropping it; always inlined, which what the compiler makes of a drop is not.
    #[inline(always)]
    pub fn unlock(self) {
        self.release();
        std::mem::forget(self);
    }
}

/// As [`frames::settle`]; few have lent anything.
#[cold]
fn settle() {
    frames::settle();
}

impl<T> Drop for Guard<T> {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}

impl<T> Guard<T> {
    /// Unlocks, and keeps the object from being closed until the answer is dropped: for a callback
    /// that the object owes.
    pub fn keep(self) -> Kept {
        self.side.running.fetch_add(1, Ordering::SeqCst);
        Kept(self.side)
    }
}

/// One of those who are counted in `running`. It waits for no lock: an enumeration may have the object's.
pub struct Kept(&'static Side);

impl Drop for Kept {
    fn drop(&mut self) {
        let side = self.0;
        if side.running.fetch_sub(1, Ordering::SeqCst) == 1 && side.closing.load(Ordering::SeqCst) {
            tree::tell();
        }
    }
}

/// The children that a composed Module works on, read without a lock: what they are is settled by
/// locking them.
#[inline]
pub fn links<T: Object>(handle: Handle) -> Result<[Handle; 2], Error> {
    links_in(slot_of(handle, T::KIND)?, handle).ok_or_else(|| refused(handle))
}

/// As [`links`], of what is not hidden and without an excuse.
#[inline(always)]
pub fn try_links<T: Object>(handle: Handle) -> Option<[Handle; 2]> {
    if handle.is_hidden() {
        return None;
    }
    links_in(usual_slot_of(handle, T::KIND)?, handle)
}

#[inline(always)]
fn links_in(slot: &Slot, handle: Handle) -> Option<[Handle; 2]> {
    // The links are written before the handle appears and after it has gone, so links that were read
    // between two looks at the handle are this object's.
    if slot.front.handle.load(Ordering::Acquire) == handle.0 {
        let links = [0, 1].map(|i| Handle(slot.links[i].load(Ordering::Relaxed)));
        fence(Ordering::Acquire);
        if slot.front.handle.load(Ordering::Relaxed) == handle.0 {
            return Some(links);
        }
    }
    None
}

/// As [`enter`], also while the object closes if the thread is in one of its callbacks.
pub fn enter_from_callback<T: Object + Sync, R>(
    handle: Handle,
    body: impl FnOnce(&T) -> Result<R, Error>,
) -> Result<R, Error> {
    if !frames::in_callback_of(handle) {
        return enter(handle, body);
    }
    let side = &slot_of(handle, T::KIND)?.front;
    // SAFETY: an object is not closed while one of its callbacks runs.
    body(unsafe { &*side.body.load(Ordering::Relaxed).cast::<T>() })
}

/// Runs `body` on the object behind `handle` if it is one of type `T` and open. The object stays
/// until `body` returns; deletion waits for it.
pub fn enter<T: Object + Sync, R>(
    handle: Handle,
    body: impl FnOnce(&T) -> Result<R, Error>,
) -> Result<R, Error> {
    const { assert!(T::ENTERED) };
    let side = &slot_of(handle, T::KIND)?.front;
    frames::within(handle, Activity::Method, || {
        let held = side.acquire(handle)?;
        let visited = behind(side, held, handle).ok_or_else(|| refused(handle))?;
        let _visit = Visit::begin(side, held, handle);
        // SAFETY: the handle was there when the visitor was counted, so the body stays until he has left; T is
        // Sync and reached by shared reference only.
        body(unsafe { &*visited })
    })
}

/// A visitor of an object that is entered: the body stays until he has left. He counts himself under the object's
/// lock, which nobody has for long.
pub struct Visit {
    side: &'static Side,
    pub handle: Handle,
}

impl Visit {
    /// A visit whether the doors are shut or not; `None`: nobody is inside any more, and the object closes. The
    /// calling thread does not hold the object's lock.
    pub fn of(handle: Handle) -> Option<Self> {
        let slot = slot::find(handle.slot())?;
        let side = &slot.front;
        let held = side.lock.take();
        if slot.visited.load(Ordering::Relaxed) == handle.0 {
            return Some(Self::begin(side, held, handle));
        }
        // SAFETY: the lock was just taken.
        unsafe { held.unlock() };
        None
    }

    #[inline(always)]
    fn begin(side: &'static Side, held: Held<'static>, handle: Handle) -> Self {
        side.running.store(side.running.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // SAFETY: the caller has just taken the lock, for this.
        unsafe { held.unlock() };
        Self { side, handle }
    }

    /// The object, if it is one of type `T`.
    pub fn body<T: Object + Sync>(&self) -> Option<&T> {
        const { assert!(T::ENTERED) };
        // SAFETY: the body is not closed while there are visitors, and T is reached by shared reference only.
        self.handle
            .is_kind(T::KIND)
            .then(|| unsafe { &*self.side.body.load(Ordering::Relaxed).cast::<T>() })
    }
}

impl Drop for Visit {
    #[inline]
    fn drop(&mut self) {
        let side = self.side;
        let held = side.lock.take();
        let left = side.running.load(Ordering::Relaxed) - 1;
        side.running.store(left, Ordering::Relaxed);
        let is_waited_for = left == 0 && side.closing.load(Ordering::Relaxed);
        // SAFETY: the lock was just taken.
        unsafe { held.unlock() };
        if is_waited_for {
            tree::tell();
        }
    }
}
