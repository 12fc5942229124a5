//! Bodies with two ends that two threads may use at the same time: the front's lock guards one, the
//! back's lock the other. Whoever wants both takes the back's lock first.
//!
//! Where the ends are *joint* the object has no back side, and the front's lock guards both.

use super::belt::{Reader, Writer};
use super::frames;
use super::handle::Handle;
use super::lock::Held;
use super::slot::Slot;
use super::status::Error;
use super::sync::Ordering;
use super::table::{self, Guard, Object, behind, refused, slot_of, usual_slot_of};
use std::ptr::NonNull;

/// An end that knows whether the ends of its body are joint.
///
/// # Safety
/// The answer never changes, and the other end of the body gives the same.
pub unsafe trait Joint {
    /// Whether the answer is no, whatever body it is.
    const IS_APART: bool = false;

    fn is_joint(&self) -> bool;
}

/// An end of a body whose ends are never joint.
pub trait Apart {}

// SAFETY: the answer is always no. The front's answer is the one that counts.
unsafe impl<E: Apart> Joint for E {
    const IS_APART: bool = true;

    #[inline(always)]
    fn is_joint(&self) -> bool {
        false
    }
}

/// See the file's head.
pub struct Ends<F, B> {
    front: F,
    back: B,
}

impl<F: Joint, B: Joint> Ends<F, B> {
    pub fn new(front: F, back: B) -> Self {
        Self { front, back }
    }

    /// Whether the object has a back side.
    pub fn are_apart(&self) -> bool {
        !self.front.is_joint()
    }

    pub fn both(&mut self) -> (&mut F, &mut B) {
        (&mut self.front, &mut self.back)
    }
}

/// One end of a body, locked.
pub struct End<M, O> {
    held: Held<'static>,
    mine: *mut M,
    /// Unless another lock guards it.
    other: Option<NonNull<O>>,
}

impl<M, O> End<M, O> {
    /// The end, and the other one where the lock guards that, too.
    #[inline(always)]
    pub fn parts(&mut self) -> (&mut M, Option<&mut O>) {
        // SAFETY: the lock is held, and guards both.
        unsafe { (&mut *self.mine, self.other.map(|mut other| other.as_mut())) }
    }
}

impl<M, O> Drop for End<M, O> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the end was made with the lock held.
        unsafe { self.held.unlock() };
    }
}

/// The front end of the object that the handle names, if its front's lock was just taken.
#[inline(always)]
fn front<F: Joint, B>(
    slot: &'static Slot,
    held: Held<'static>,
    handle: Handle,
) -> Option<End<F, B>> {
    let body = behind::<Ends<F, B>>(&slot.front, held, handle)?;
    // SAFETY: the body stays while the lock is held, which guards the back, too, if the ends are joint.
    unsafe {
        let (front, back) = (&raw mut (*body).front, &raw mut (*body).back);
        let is_joint = !F::IS_APART && (*front).is_joint();
        let other = is_joint.then(|| NonNull::new_unchecked(back));
        Some(End { held, mine: front, other })
    }
}

/// Locks the front end of an object.
#[inline(always)]
pub fn lock_front<F, B>(handle: Handle) -> Result<End<F, B>, Error>
where
    Ends<F, B>: Object,
    F: Joint,
{
    let slot = slot_of(handle, Ends::<F, B>::KIND)?;
    let held = slot.front.acquire(handle)?;
    front(slot, held, handle).ok_or_else(|| refused(handle))
}

/// As [`lock_front`], if that needs neither waiting nor an excuse.
#[inline(always)]
pub fn try_lock_front<F, B>(handle: Handle) -> Option<End<F, B>>
where
    Ends<F, B>: Object,
    F: Joint,
{
    let slot = usual_slot_of(handle, Ends::<F, B>::KIND)?;
    front(slot, slot.front.lock.try_lock_at_once()?, handle)
}

/// The back end of the object that the handle names, if its back's lock was just taken.
#[inline(always)]
fn back<F, B>(slot: &'static Slot, held: Held<'static>, handle: Handle) -> Option<End<B, F>> {
    let body = behind::<Ends<F, B>>(&slot.back, held, handle)?;
    // SAFETY: the body stays while the lock is held.
    let mine = unsafe { &raw mut (*body).back };
    Some(End { held, mine, other: None })
}

/// The back end of the object that the handle names, if its front's lock was just taken, and guards it.
#[inline(always)]
fn joint_back<F: Joint, B>(
    slot: &'static Slot,
    held: Held<'static>,
    handle: Handle,
) -> Option<End<B, F>> {
    let body = behind::<Ends<F, B>>(&slot.front, held, handle)?;
    // SAFETY: the body stays while the lock is held.
    let (front, mine) = unsafe { (&raw mut (*body).front, &raw mut (*body).back) };
    // SAFETY: the lock is held.
    unsafe {
        if !(*front).is_joint() {
            // The handle was guessed, and the object opened after the caller had looked for its back.
            held.unlock();
            return None;
        }
    }
    Some(End { held, mine, other: NonNull::new(front) })
}

/// Whether the object that the handle names has a back side.
#[inline(always)]
fn has_back<F: Joint>(slot: &Slot, handle: Handle) -> bool {
    F::IS_APART || slot.back.handle.load(Ordering::Acquire) == handle.0
}

/// Locks the back end of an object.
#[inline(always)]
pub fn lock_back<F, B>(handle: Handle) -> Result<End<B, F>, Error>
where
    Ends<F, B>: Object,
    F: Joint,
{
    let slot = slot_of(handle, Ends::<F, B>::KIND)?;
    let end = if has_back::<F>(slot, handle) {
        back(slot, slot.back.acquire(handle)?, handle)
    } else {
        joint_back(slot, slot.front.acquire(handle)?, handle)
    };
    end.ok_or_else(|| refused(handle))
}

/// As [`lock_back`], if that needs neither waiting nor an excuse.
#[inline(always)]
pub fn try_lock_back<F, B>(handle: Handle) -> Option<End<B, F>>
where
    Ends<F, B>: Object,
    F: Joint,
{
    let slot = usual_slot_of(handle, Ends::<F, B>::KIND)?;
    if has_back::<F>(slot, handle) {
        back(slot, slot.back.lock.try_lock_at_once()?, handle)
    } else {
        joint_back(slot, slot.front.lock.try_lock_at_once()?, handle)
    }
}

/// Locks both ends of an object.
pub fn lock<F, B>(handle: Handle) -> Result<Guard<Ends<F, B>>, Error>
where
    Ends<F, B>: Object,
    F: Joint,
{
    let slot = slot_of(handle, Ends::<F, B>::KIND)?;
    if !has_back::<F>(slot, handle) {
        let whole = table::lock::<Ends<F, B>>(handle)?;
        // SAFETY: the front's lock is held.
        return if unsafe { (*whole.body).front.is_joint() } {
            Ok(whole)
        } else {
            Err(refused(handle))
        };
    }
    let held = slot.back.acquire(handle)?;
    match table::lock(handle) {
        Ok(mut whole) => {
            whole.held_back = Some(held);
            Ok(whole)
        }
        Err(error) => {
            // SAFETY: taken above.
            unsafe { held.unlock() };
            Err(error)
        }
    }
}

/// As [`lock`]; from inside an enumeration callback of the object it uses the locks that are held.
pub fn relock<F, B>(handle: Handle) -> Result<Guard<Ends<F, B>>, Error>
where
    Ends<F, B>: Object,
    F: Joint,
{
    if frames::holds_lock_of(handle) { table::relock(handle) } else { lock(handle) }
}

impl Guard<Ends<Reader, Writer>> {
    /// Shows each item of a belt, from the oldest, to a callback of C, until it is content. The body is out of
    /// reach of the callback, as in [`Guard::lend`]. A function of its own: its loop needs all registers.
    #[inline(never)]
    pub fn lend_items(&mut self, mut callback: impl FnMut(*mut u8, usize) -> bool) {
        let body = self.body;
        self.lend(|| {
            // SAFETY: both ends are locked, and nothing of the body is borrowed while the callback runs.
            let mut walk = unsafe { (*body).front.walk() };
            // SAFETY: as above; the callback can move items, but take none.
            while let Some(item) = unsafe { (*body).front.next_item(&mut walk) } {
                if !callback(item.as_mut_ptr(), item.len()) {
                    break;
                }
            }
        });
    }
}
