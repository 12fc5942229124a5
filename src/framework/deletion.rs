//! Deletion: how an object goes from Open to Ended.
//!
//! ```text
//!   Claimed ──> Warned ──> Shut ─────────────> Closed ──────────────> CleanedUp ──> Ended
//!        PreClose     doors   what waits ends;      children, newest        cleanup
//!        callback     shut    nobody is inside;     first                   callback
//!                             the body closes
//! ```
//!
//! A delete that would wait for the code it is called from, or from inside any callback for another
//! thread, is put off: the handle is dead at once, and the rest happens when the outermost activity
//! of the deleting thread ends. So two callbacks that delete each other's objects do not deadlock. A
//! delete that finds another thread deleting a child, which may be waiting for this one, hands itself
//! over: whoever finishes the next delete goes on with it.

use super::frames::{self, Activity};
use super::handle::Handle;
use super::passive;
use super::slot::{self, Slot};
use super::status::{Error, Status};
use super::sync::{Backoff, Ordering};
use super::thread;
use super::tree::{CHANGED, Choices, Class, NONE, State, TREE, Tree, release};
use std::cell::Cell;

/// No thread deletes the object: one that was about to has handed it over.
const NOBODY: usize = 0;

/// What a delete does where it depends on another thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Nothing: the rest is put off.
    None,
    /// It waits.
    Endless,
    /// It waits, but not for another thread's delete, which may wait for the calling thread: that
    /// one goes on with it.
    HandsOver,
}

/// How far a delete has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Claimed,
    Warned,
    Shut,
    Closed,
    CleanedUp,
}

/// Deletes an object and its children.
pub fn delete(handle: Handle) -> Result<(), Error> {
    let mut tree = TREE.lock();
    let number = match tree.find(handle) {
        Some(number) if tree.life(number).state == State::Open => number,
        Some(_) => {
            return Err(Error::misuse(
                Status::INVALID_HANDLE,
                "the object is deleted already or still being made",
            ));
        }
        None => {
            drop(tree);
            return Err(super::table::refused(handle));
        }
    };
    let mut inside = false;
    let under_its_lock = frames::find(|object, activity| {
        let within = tree.find(object).is_some_and(|object| tree.is_within(object, number));
        inside |= within;
        within && activity == Activity::Enumeration
    });
    if under_its_lock {
        return Err(Error::misuse(
            Status::INVALID_DEVICE_STATE,
            "deleted from an enumeration callback that runs under the object's own lock",
        ));
    }
    let life = tree.life(number);
    life.state = State::Deleting(Stage::Claimed);
    life.remover = thread::current_id();
    drop(tree);
    run_or_defer(handle, inside);
    Ok(())
}

/// As [`delete`], for whoever asked for something else: another thread that deletes something below
/// the object, and may wait for the calling one, is not waited for but goes on with it.
pub fn delete_in_passing(handle: Handle) {
    frames::within(Handle::NULL, Activity::Method, || {
        let _ = delete(handle);
    });
}

/// Takes the object down as far as it goes without waiting for the calling thread itself, and puts
/// off the rest. `inside`: the thread is in an activity of the object or of one below it.
pub(super) fn run_or_defer(handle: Handle, inside: bool) {
    let patience = if frames::any() { Patience::None } else { Patience::Endless };
    // A frame of its own, so that what the object's callbacks put off waits for the end of this.
    frames::within(handle, Activity::Method, || {
        if inside {
            shut_doors(handle);
        } else if take_down(handle, patience) {
            return;
        }
        DEFERRED.set(TREE.lock().put_off(handle, DEFERRED.get()));
    });
}

impl Tree {
    /// Prepends an object to a list of deferred ones; the new head.
    fn put_off(&mut self, handle: Handle, head: u32) -> u32 {
        match self.find(handle) {
            Some(number) => self.prepend(number, head),
            None => head,
        }
    }

    fn prepend(&mut self, number: u32, head: u32) -> u32 {
        if head != NONE {
            self.life(head).deferred_before = number;
        }
        let life = self.life(number);
        (life.is_deferred, life.deferred_before, life.next_deferred) = (true, NONE, head);
        number
    }

    /// Takes an object out of the list of deferred ones that it is in, if it is in one; the new head.
    /// Without a remover an object is in no list but the orphans', and with one in none but that
    /// thread's.
    fn strike(&mut self, number: u32, head: u32) -> u32 {
        let life = self.life(number);
        if !std::mem::replace(&mut life.is_deferred, false) {
            return head;
        }
        let (before, after) = (life.deferred_before, life.next_deferred);
        if after != NONE {
            self.life(after).deferred_before = before;
        }
        if before == NONE {
            return after;
        }
        self.life(before).next_deferred = after;
        head
    }

    /// Whether the calling thread deletes an object from now on.
    fn claim(&mut self, number: u32) -> bool {
        let life = self.life(number);
        match life.state {
            State::Open => life.state = State::Deleting(Stage::Claimed),
            State::Deleting(_) if life.remover == NOBODY => {
                self.orphans = self.strike(number, self.orphans);
            }
            State::Deleting(_) => return life.remover == thread::current_id(),
            _ => return false,
        }
        self.life(number).remover = thread::current_id();
        true
    }

    fn is_being_deleted(&mut self, handle: Handle) -> bool {
        self.find(handle)
            .is_some_and(|number| matches!(self.life(number).state, State::Deleting(_)))
    }

    /// The calling thread does not delete an object any more, nor what is above it up to `root`.
    fn let_go(&mut self, handle: Handle, root: Handle) {
        let mut number = handle.slot();
        loop {
            DEFERRED.set(self.strike(number, DEFERRED.get()));
            let life = self.life(number);
            life.remover = NOBODY;
            if life.handle == root {
                return;
            }
            number = life.parent;
        }
    }

    /// The calling thread goes on with what was handed over.
    fn adopt_orphans(&mut self) {
        while self.orphans != NONE {
            let number = self.orphans;
            self.claim(number);
            DEFERRED.set(self.prepend(number, DEFERRED.get()));
        }
    }
}

thread_local! {
    /// The newest object whose delete this thread put off.
    static DEFERRED: Cell<u32> = const { Cell::new(NONE) };
    /// Whose delete, by another thread, keeps the calling thread's from going on.
    static OBSTACLE: Cell<Handle> = const { Cell::new(Handle::NULL) };
    /// The thread is in [`finish_deferred`] already, further up its stack.
    static FINISHING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread has put off deletes that are not finished.
pub fn has_deferred() -> bool {
    DEFERRED.get() != NONE
}

/// Finishes the deletes that this thread put off. It is inside no activity.
#[inline]
pub fn finish_deferred() {
    if DEFERRED.get() != NONE {
        finish_deferred_now();
    }
}

#[cold]
fn finish_deferred_now() {
    if FINISHING.replace(true) {
        return;
    }
    loop {
        let mut tree = TREE.lock();
        let head = DEFERRED.get();
        if head == NONE {
            FINISHING.set(false);
            return;
        }
        let handle = tree.life(head).handle;
        DEFERRED.set(tree.strike(head, head));
        drop(tree);
        frames::within(handle, Activity::Method, || finish_or_hand_over(handle));
    }
}

fn finish_or_hand_over(handle: Handle) {
    let _waiting = passive::Waiting::begin();
    while !take_down(handle, Patience::HandsOver) {
        let mut tree = TREE.lock();
        let Some(number) = tree.find(handle) else { return };
        if tree.life(number).remover != NOBODY {
            return;
        }
        if tree.is_being_deleted(OBSTACLE.get()) {
            let orphans = tree.orphans;
            tree.orphans = tree.prepend(number, orphans);
            return;
        }
        tree.claim(number);
    }
}

fn slot_of(handle: Handle) -> &'static Slot {
    slot::find(handle.slot()).expect("an object that is being deleted has a slot")
}

fn stage(handle: Handle) -> Stage {
    let mut tree = TREE.lock();
    match tree.life(handle.slot()).state {
        State::Deleting(stage) => stage,
        _ => Stage::CleanedUp,
    }
}

fn set_stage(handle: Handle, stage: Stage) {
    TREE.lock().life(handle.slot()).state = State::Deleting(stage);
}

fn facts(handle: Handle) -> (Option<&'static Class>, Choices) {
    let mut tree = TREE.lock();
    let life = tree.life(handle.slot());
    (life.class, life.choices)
}

/// The PreClose callback, then the doors: no Method gets in any more.
fn shut_doors(handle: Handle) {
    let (class, choices) = facts(handle);
    if stage(handle) < Stage::Warned {
        if let Some(pre_close) = choices.pre_close {
            // SAFETY: the program vouches for its callback.
            frames::within(handle, Activity::Method, || unsafe { pre_close(handle.as_void()) });
        }
        if let Some(class) = class {
            (class.before_delete)(handle);
        }
        set_stage(handle, Stage::Warned);
    }
    if stage(handle) < Stage::Shut {
        let slot = slot_of(handle);
        for side in [&slot.front, &slot.back] {
            side.handle.store(0, Ordering::SeqCst);
            side.closing.store(true, Ordering::SeqCst);
        }
        if let Some(class) = class.filter(|class| class.entered) {
            let body = slot.front.body.load(Ordering::Relaxed);
            // SAFETY: the body stays until `close`; an entered type is Sync.
            unsafe { (class.shut)(body) };
        }
        set_stage(handle, Stage::Shut);
    }
}

/// Waits until nobody is inside the object. False: somebody is, and waiting is not allowed.
fn wait_until_quiet(handle: Handle, class: Option<&'static Class>, may_wait: bool) -> bool {
    let slot = slot_of(handle);
    let body = slot.front.body.load(Ordering::Relaxed);
    // Whoever took a side's lock before its handle was cleared is out once the lock was had.
    for side in [&slot.front, &slot.back] {
        let mut backoff = Backoff::default();
        while !side.lock.try_disarm() {
            if !may_wait {
                return false;
            }
            backoff.wait();
        }
    }
    let entered = class.filter(|class| class.entered);
    let mut tree = TREE.lock();
    loop {
        let is_quiet = match entered {
            // In this order: what a Method has begun on its last way out is not drained.
            // SAFETY: the body stays until `close`; an entered type is Sync.
            Some(class) => slot.lock_out() && unsafe { (class.drained)(body) },
            None => slot.front.running.load(Ordering::SeqCst) == 0,
        };
        if is_quiet {
            return true;
        }
        if !may_wait {
            return false;
        }
        CHANGED.wait(&mut tree);
    }
}

/// Goes through the stages of an object and of all below it, from where they stand. False: it would
/// have to wait and may not. A walk, not a recursion: the tree may be deeper than the stack.
fn take_down(root: Handle, patience: Patience) -> bool {
    if TREE.lock().find(root).is_none() {
        return true;
    }
    let mut at = root;
    loop {
        if !close(at, patience) {
            return false;
        }
        match next_child(at, patience) {
            Next::Child(child) => at = child,
            Next::None => {
                let parent = end(at);
                if at == root {
                    return true;
                }
                at = parent;
            }
            Next::InTheWay => {
                if patience == Patience::HandsOver {
                    TREE.lock().let_go(at, root);
                }
                return false;
            }
        }
    }
}

/// Shuts the doors, ends what waits and closes the body. False: somebody is inside, and waiting is not allowed.
fn close(handle: Handle, patience: Patience) -> bool {
    shut_doors(handle);
    if stage(handle) >= Stage::Closed {
        return true;
    }
    let (class, _) = facts(handle);
    if let Some(class) = class.filter(|class| class.entered) {
        let body = slot_of(handle).front.body.load(Ordering::Relaxed);
        // SAFETY: the body stays until `close`; an entered type is Sync.
        unsafe { (class.end_waiting)(body) };
    }
    if !wait_until_quiet(handle, class, patience != Patience::None) {
        return false;
    }
    if let Some(class) = class {
        let body = slot_of(handle).front.body.load(Ordering::Relaxed);
        // SAFETY: the doors are shut and nobody is inside.
        unsafe { (class.close)(body, handle) };
    }
    set_stage(handle, Stage::Closed);
    true
}

/// The cleanup callback and the end of an object without children; its parent, which may be NULL.
fn end(handle: Handle) -> Handle {
    let (class, choices) = facts(handle);
    let slot = slot_of(handle);
    if stage(handle) < Stage::CleanedUp {
        set_stage(handle, Stage::CleanedUp);
        if let Some(cleanup) = choices.cleanup {
            // SAFETY: the program vouches for its callback.
            frames::within(handle, Activity::Method, || unsafe { cleanup(handle.as_void()) });
        }
    }
    let body = slot.front.body.swap(std::ptr::null_mut(), Ordering::Relaxed);
    slot.back.body.store(std::ptr::null_mut(), Ordering::Relaxed);
    if let Some(class) = class {
        // SAFETY: the object is closed; nothing reaches its body any more.
        unsafe { (class.drop)(body) };
    }
    let mut tree = TREE.lock();
    let number = handle.slot();
    let parent = tree.life(number).parent;
    let parent = if parent == NONE { Handle::NULL } else { tree.life(parent).handle };
    tree.unlink(number);
    DEFERRED.set(tree.strike(number, DEFERRED.get()));
    tree.life(number).state = State::Ended;
    tree.adopt_orphans();
    release(tree, number);
    CHANGED.notify_all();
    parent
}

/// What is to be deleted before an object.
enum Next {
    /// A child; the calling thread deletes it from now on.
    Child(Handle),
    None,
    /// A child that another thread makes or deletes, and waiting is not allowed.
    InTheWay,
}

/// The newest child.
fn next_child(handle: Handle, patience: Patience) -> Next {
    let mut tree = TREE.lock();
    loop {
        let child = tree.next_to_go(handle.slot());
        if child == NONE {
            return Next::None;
        }
        let mine = tree.claim(child);
        let life = tree.life(child);
        let (child, is_being_deleted) = (life.handle, matches!(life.state, State::Deleting(_)));
        if mine {
            return Next::Child(child);
        }
        if patience == Patience::None {
            return Next::InTheWay;
        }
        if patience == Patience::HandsOver && is_being_deleted {
            OBSTACLE.set(child);
            return Next::InTheWay;
        }
        // Another thread makes or deletes it, and tells when it is done.
        CHANGED.wait(&mut tree);
    }
}
