//! The life of objects, and the tree they form.
//!
//! ```text
//!   reserve ──> Reserved ──open──> Open ──delete──> Deleting ──> Ended ──last reference──> Free
//!                   └────────── dropped: children deleted ────────────────────────────────────┘
//!
//! ```
//!
//! How an object goes from Open to Ended stands in [`deletion`](super::deletion).
//!
//! One lock guards every object's [`Life`] and the links between them; it is never held while
//! anything of C or of a Module runs, and no lock is taken under it but one of an object's slot, under which
//! no other is.

use super::deletion::{self, Stage};
use super::frames::{self, Activity};
use super::handle::{Handle, Kind, LAST_GENERATION, SLOTS};
use super::memory;
use super::slot;
use super::status::{Error, Status};
use super::sync::{Condvar, Mutex, MutexGuard, Ordering};
use super::table::Object;
use super::thread;
use std::alloc::Layout;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A callback of C that gets an object's handle.
pub type ObjectCallback = unsafe extern "C" fn(*mut c_void);

/// What the creator of an object chose.
#[derive(Clone, Copy, Default)]
pub struct Choices {
    pub parent: Option<Handle>,
    pub cleanup: Option<ObjectCallback>,
    pub destroy: Option<ObjectCallback>,
    /// Modules only.
    pub pre_close: Option<ObjectCallback>,
    /// A part of its parent: C does not delete it.
    pub is_part: bool,
    /// C is not told of it.
    pub is_hidden: bool,
}

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Free,
    Reserved,
    Open,
    Deleting(Stage),
    /// Deleted, and kept by references.
    Ended,
}

/// What the tree knows of the object in a slot.
pub struct Life {
    pub(super) state: State,
    pub(super) generation: u32,
    pub(super) handle: Handle,
    pub(super) references: u32,
    pub(super) class: Option<&'static Class>,
    pub(super) choices: Choices,
    /// The thread that deletes the object.
    pub(super) remover: usize,
    pub(super) parent: u32,
    pub(super) newest_child: u32,
    /// The sibling that is older, or the next slot of the free list.
    pub(super) older: u32,
    pub(super) newer: u32,
    /// The object is in a list of those whose delete was put off, between these two.
    pub(super) is_deferred: bool,
    pub(super) deferred_before: u32,
    pub(super) next_deferred: u32,
}

impl Life {
    pub const fn new() -> Self {
        Self {
            state: State::Free,
            generation: 0,
            handle: Handle::NULL,
            references: 0,
            class: None,
            choices: Choices {
                parent: None,
                cleanup: None,
                destroy: None,
                pre_close: None,
                is_part: false,
                is_hidden: false,
            },
            remover: 0,
            parent: NONE,
            newest_child: NONE,
            older: NONE,
            newer: NONE,
            is_deferred: false,
            deferred_before: NONE,
            next_deferred: NONE,
        }
    }
}

/// What the tree calls on a body whose type it does not know.
pub(super) struct Class {
    pub(super) entered: bool,
    pub(super) before_delete: fn(Handle),
    pub(super) shut: unsafe fn(*mut ()),
    pub(super) end_waiting: unsafe fn(*mut ()),
    pub(super) drained: unsafe fn(*mut ()) -> bool,
    pub(super) close: unsafe fn(*mut (), Handle),
    pub(super) drop: unsafe fn(*mut ()),
}

struct ClassOf<T>(PhantomData<T>);

impl<T: Object> ClassOf<T> {
    const CLASS: Class = Class {
        entered: T::ENTERED,
        before_delete: T::before_delete,
        // SAFETY (all five): the tree passes the body that `open` was given, of type T; `close` and
        // `drop` when nothing else can reach it.
        shut: |body| unsafe { (*body.cast::<T>()).shut() },
        end_waiting: |body| unsafe { (*body.cast::<T>()).end_waiting() },
        drained: |body| unsafe { (*body.cast::<T>()).drained() },
        close: |body, handle| unsafe { (*body.cast::<T>()).close(handle) },
        drop: |body| drop(unsafe { Box::from_raw(body.cast::<T>()) }),
    };
}

/// A context that C attached to an object; a list.
pub struct Context {
    /// The type's identity: the address of its `WDF_OBJECT_CONTEXT_TYPE_INFO`.
    kind: usize,
    memory: NonNull<u8>,
    layout: Layout,
    next: Option<Box<Context>>,
}

// SAFETY: the memory belongs to the context; what C does in it is C's.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the memory came from `allocate_zeroed` with this layout.
        unsafe { memory::free(self.memory, self.layout) };
    }
}

pub(super) struct Tree {
    pub(super) free: u32,
    /// Objects whose delete was handed over: whoever next finishes a delete goes on with them.
    pub(super) orphans: u32,
    /// Slots ever used.
    pub(super) used: u32,
}

pub(super) static TREE: Mutex<Tree> = Mutex::new(Tree { free: NONE, orphans: NONE, used: 0 });

/// Something that a deleting thread may wait for has changed.
pub(super) static CHANGED: Condvar = Condvar::new();

type Locked = MutexGuard<'static, Tree>;

/// Tells deleting threads to look again.
pub fn tell() {
    drop(TREE.lock());
    CHANGED.notify_all();
}

impl Tree {
    pub(super) fn life(&mut self, number: u32) -> &mut Life {
        let slot = slot::find(number).expect("the tree only keeps slots that exist");
        // SAFETY: a life is reached through the tree's lock only, which `self` proves, and the
        // borrow of `self` keeps a second one away.
        unsafe { &mut *slot.life.get() }
    }

    /// The number of the slot, if the handle's object is still in it.
    pub(super) fn find(&mut self, handle: Handle) -> Option<u32> {
        let number = handle.slot();
        if handle == Handle::NULL || number >= self.used {
            return None;
        }
        let life = self.life(number);
        (life.state != State::Free && life.handle == handle).then_some(number)
    }

    pub(super) fn unlink(&mut self, number: u32) {
        let life = self.life(number);
        let (parent, older, newer) = (life.parent, life.older, life.newer);
        (life.parent, life.older, life.newer) = (NONE, NONE, NONE);
        if older != NONE {
            self.life(older).newer = newer;
        }
        if newer != NONE {
            self.life(newer).older = older;
        } else if parent != NONE {
            self.life(parent).newest_child = older;
        }
    }

    fn link(&mut self, number: u32, parent: u32) {
        let older = std::mem::replace(&mut self.life(parent).newest_child, number);
        let life = self.life(number);
        life.parent = parent;
        life.older = older;
        if older != NONE {
            self.life(older).newer = number;
        }
    }

    /// The child that is deleted next: the newest, but targets after the Modules that stream from
    /// them, so that a stream ends by being stopped.
    pub(super) fn next_to_go(&mut self, parent: u32) -> u32 {
        let newest = self.life(parent).newest_child;
        let mut child = newest;
        while child != NONE {
            let life = self.life(child);
            if !life.handle.is_kind(Kind::IoTarget) {
                return child;
            }
            child = life.older;
        }
        newest
    }

    /// The object after `number` in a walk through everything below `root`.
    fn next_below(&mut self, number: u32, root: u32) -> u32 {
        let child = self.life(number).newest_child;
        if child != NONE {
            return child;
        }
        let mut number = number;
        loop {
            let life = self.life(number);
            if life.older != NONE {
                return life.older;
            }
            number = life.parent;
            if number == root || number == NONE {
                return NONE;
            }
        }
    }

    pub(super) fn is_within(&mut self, mut number: u32, root: u32) -> bool {
        while number != NONE {
            if number == root {
                return true;
            }
            number = self.life(number).parent;
        }
        false
    }

    /// Gives the slot back to be used again, unless its generations have run out.
    fn recycle(&mut self, number: u32) {
        let free = self.free;
        let life = self.life(number);
        let generation = life.generation;
        *life = Life::new();
        life.generation = generation;
        if generation == LAST_GENERATION {
            return;
        }
        life.older = free;
        self.free = number;
    }
}

/// Slots with something in them.
#[cfg(test)]
pub fn existing() -> usize {
    let mut tree = TREE.lock();
    (0..tree.used).filter(|number| tree.life(*number).state != State::Free).count()
}

/// How much of an object is left.
#[derive(PartialEq, Eq)]
pub enum Existence {
    Never,
    Open,
    Closed,
}

pub fn state_of(handle: Handle) -> Existence {
    let mut tree = TREE.lock();
    match tree.find(handle).map(|number| tree.life(number).state) {
        None => Existence::Never,
        Some(State::Open | State::Reserved) => Existence::Open,
        Some(_) => Existence::Closed,
    }
}

/// Whether an object is a part of its parent.
pub fn is_part(handle: Handle) -> bool {
    let mut tree = TREE.lock();
    tree.find(handle).is_some_and(|number| tree.life(number).choices.is_part)
}

/// The parent of an object that still exists.
pub fn parent_of(handle: Handle) -> Option<Handle> {
    let mut tree = TREE.lock();
    let number = tree.find(handle)?;
    let parent = tree.life(number).parent;
    (parent != NONE).then(|| tree.life(parent).handle)
}

/// The nearest ancestor that satisfies `test`.
pub fn ancestor_of(handle: Handle, test: impl Fn(Handle) -> bool) -> Option<Handle> {
    let mut next = parent_of(handle);
    while let Some(parent) = next {
        if test(parent) {
            return Some(parent);
        }
        next = parent_of(parent);
    }
    None
}

/// Calls `with` on each open object of a kind below an object, without a lock. Objects that come
/// meanwhile may be left out.
pub fn for_each_below(root: Handle, kind: Kind, mut with: impl FnMut(Handle)) -> Result<(), Error> {
    let mut found = Vec::new();
    {
        let mut tree = TREE.lock();
        let Some(root) = tree.find(root) else { return Ok(()) };
        let mut next = tree.life(root).newest_child;
        while next != NONE {
            let life = tree.life(next);
            if life.handle.is_kind(kind) && life.state == State::Open {
                let handle = life.handle;
                memory::try_push(&mut found, handle)?;
            }
            next = tree.next_below(next, root);
        }
    }
    found.into_iter().for_each(&mut with);
    Ok(())
}

/// An object that is being made: it has its handle and may have children, but nobody gets in.
/// Dropped, it vanishes with its children.
pub struct Draft {
    handle: Handle,
}

/// The first step of making an object.
pub fn reserve(kind: Kind, choices: Choices) -> Result<Draft, Error> {
    thread::watch_forks();
    let mut tree = TREE.lock();
    let parent = match choices.parent {
        None => NONE,
        Some(handle) => {
            let number = tree
                .find(handle)
                .ok_or(Error::misuse(Status::INVALID_HANDLE, "the parent is not an object"))?;
            if !matches!(tree.life(number).state, State::Open | State::Reserved) {
                return Err(Error::new(Status::DELETE_PENDING, "the parent is being deleted"));
            }
            number
        }
    };
    let number = if tree.free != NONE { tree.free } else { tree.used };
    slot::find_or_make(number)?;
    if number == tree.used {
        debug_assert!(number < SLOTS);
        tree.used += 1;
    } else {
        tree.free = tree.life(number).older;
    }
    let life = tree.life(number);
    life.generation += 1;
    let handle = Handle::new(kind, life.generation, number);
    let handle = if choices.is_hidden { handle.hide() } else { handle };
    life.handle = handle;
    life.state = State::Reserved;
    life.references = 1;
    life.choices = choices;
    life.older = NONE;
    if parent != NONE {
        tree.link(number, parent);
    }
    Ok(Draft { handle })
}

impl Draft {
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The first step of making a part. What is hidden has hidden parts.
    pub fn part(&self, kind: Kind) -> Result<Draft, Error> {
        self.make_part(kind, self.handle.is_hidden())
    }

    /// As [`Draft::part`], one that C is not told of.
    pub fn hidden_part(&self, kind: Kind) -> Result<Draft, Error> {
        self.make_part(kind, true)
    }

    fn make_part(&self, kind: Kind, is_hidden: bool) -> Result<Draft, Error> {
        let parent = Some(self.handle);
        reserve(kind, Choices { parent, is_part: true, is_hidden, ..Choices::default() })
    }

    /// Attaches a zeroed context.
    pub fn add_context(&self, kind: usize, size: usize) -> Result<NonNull<u8>, Error> {
        add_context(self.handle, kind, size)
    }

    /// Sets the children that [`table::links`](super::table::links) gives.
    pub fn set_links(&self, links: [Handle; 2]) {
        let slot = slot::find(self.handle.slot()).expect("reserved");
        for (cell, link) in slot.links.iter().zip(links) {
            cell.store(link.0, Ordering::Relaxed);
        }
    }

    /// The last step: Methods may come.
    pub fn open<T: Object>(self, body: T) -> Result<Handle, Error> {
        let (is_ownable, has_back) = (T::ENTERED || body.is_ownable(), body.has_back());
        let body = Box::into_raw(memory::try_box(body)?).cast::<()>();
        let handle = self.handle;
        std::mem::forget(self);
        let slot = slot::find(handle.slot()).expect("reserved");
        let sides = [Some(&slot.back).filter(|_| has_back), Some(&slot.front)];
        if is_ownable {
            sides.iter().flatten().for_each(|side| side.lock.arm());
        }
        let mut tree = TREE.lock();
        let life = tree.life(handle.slot());
        life.class = Some(&ClassOf::<T>::CLASS);
        life.state = State::Open;
        if T::ENTERED {
            slot.visited.store(handle.0, Ordering::Relaxed);
        }
        for side in sides.into_iter().flatten() {
            side.closing.store(false, Ordering::Relaxed);
            side.body.store(body, Ordering::Relaxed);
            side.handle.store(handle.0, Ordering::SeqCst);
        }
        CHANGED.notify_all();
        Ok(handle)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let mut tree = TREE.lock();
        let life = tree.life(self.handle.slot());
        // It never was: no callback speaks of it.
        life.choices = Choices::default();
        life.state = State::Deleting(Stage::Shut);
        life.remover = thread::current_id();
        drop(tree);
        deletion::run_or_defer(self.handle, false);
    }
}

/// Makes an object that needs no children.
pub fn create<T: Object>(choices: Choices, body: T) -> Result<Handle, Error> {
    reserve(T::KIND, choices)?.open(body)
}

/// Attaches a zeroed context of `size` bytes to an object.
fn add_context(handle: Handle, kind: usize, size: usize) -> Result<NonNull<u8>, Error> {
    let layout = Layout::from_size_align(size.max(1), 16)
        .map_err(|_| Error::new(Status::INVALID_PARAMETER, "the context is too large"))?;
    let memory = memory::allocate_zeroed(layout)?;
    let slot = slot::find(handle.slot()).expect("reserved");
    let mut contexts = slot.contexts.lock();
    let next = contexts.take();
    let context = Context { kind, memory, layout, next: None };
    match memory::try_box(context) {
        Ok(mut context) => {
            context.next = next;
            *contexts = Some(context);
            Ok(memory)
        }
        Err(error) => {
            *contexts = next;
            Err(error)
        }
    }
}

/// The context of that type, for as long as the object's memory exists.
pub fn context_of(handle: Handle, kind: usize) -> Result<Option<NonNull<u8>>, Error> {
    let mut tree = TREE.lock();
    let number = tree.find(handle);
    let slot = number.and_then(slot::find);
    let Some(slot) = slot else {
        drop(tree);
        return Err(super::table::refused(handle));
    };
    let contexts = slot.contexts.lock();
    let mut next = contexts.as_deref();
    while let Some(context) = next {
        if context.kind == kind {
            return Ok(Some(context.memory));
        }
        next = context.next.as_deref();
    }
    Ok(None)
}

/// Keeps an object's memory and contexts, not its function.
pub fn reference(handle: Handle) -> Result<(), Error> {
    let mut tree = TREE.lock();
    match tree.find(handle) {
        Some(number) if (1..u32::MAX).contains(&tree.life(number).references) => {
            tree.life(number).references += 1;
            Ok(())
        }
        Some(_) => Err(Error::misuse(
            Status::INVALID_DEVICE_STATE,
            "the object is being destroyed, or has too many references",
        )),
        None => {
            drop(tree);
            Err(super::table::refused(handle))
        }
    }
}

/// Gives a reference back; the last one of a deleted object destroys it.
pub fn dereference(handle: Handle) -> Result<(), Error> {
    let mut tree = TREE.lock();
    let Some(number) = tree.find(handle) else {
        drop(tree);
        return Err(super::table::refused(handle));
    };
    let life = tree.life(number);
    if life.references == 0 || life.references == 1 && life.state != State::Ended {
        return Err(Error::misuse(
            Status::INVALID_DEVICE_STATE,
            "more references given back than taken",
        ));
    }
    release(tree, number);
    Ok(())
}

/// Drops a reference; destroys the object with the last one.
pub(super) fn release(mut tree: Locked, number: u32) {
    let life = tree.life(number);
    life.references -= 1;
    if life.references > 0 {
        return;
    }
    let (handle, destroy) = (life.handle, life.choices.destroy);
    drop(tree);
    if let Some(destroy) = destroy {
        // The object answers to its handle until the callback has returned, but to no reference.
        // It is none of the callbacks that keep the body: that is gone.
        // SAFETY: the program vouches for its callback.
        frames::within(handle, Activity::Method, || unsafe { destroy(handle.as_void()) });
    }
    let contexts = slot::find(number).and_then(|slot| slot.contexts.lock().take());
    drop(contexts);
    TREE.lock().recycle(number);
    CHANGED.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_whose_generations_have_run_out_is_given_to_nobody() {
        let draft = reserve(Kind::Device, Choices::default()).ok().unwrap();
        let number = draft.handle().slot();
        TREE.lock().life(number).generation = LAST_GENERATION;
        drop(draft);
        let mut tree = TREE.lock();
        assert!(tree.life(number).state == State::Free);
        let mut free = tree.free;
        while free != NONE {
            assert_ne!(free, number);
            free = tree.life(free).older;
        }
    }
}
