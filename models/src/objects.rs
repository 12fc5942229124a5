//! The object table: handles that are validated while their objects are deleted and their slots given to
//! others. `table`, `slot`, `tree`, `deletion`, `frames` and `lock` are the library's own files.
//!
//! What must be true:
//! - a Method works on the object that its handle names and on no other, alone where it locks;
//! - no Method finds an object after its delete has returned, and each finds it before that begins;
//! - an object is closed once, when nobody is inside, then dropped once, after its children;
//! - of several deletes one succeeds; when it returns outside of callbacks the object is gone;
//! - a slot that is given again has another handle; in the end nothing is left.

use crate::framework::frames;
use crate::framework::handle::{Handle, Kind};
use crate::framework::status::Status;
use crate::framework::table::{self, Object, Ref, Visit};
use crate::framework::tree::{self, Choices, Existence};
use crate::framework::{deletion, is_empty};
use crate::machine::step;
use crate::schedules::{self, Race, check};
use std::sync::{Mutex, MutexGuard};

/// What became of an object.
#[derive(Default)]
struct Fate {
    /// 0 while its maker does not know it.
    handle: u64,
    parent: Option<usize>,
    opened: bool,
    deletes_begun: u32,
    deleted: bool,
    closed: bool,
    dropped: bool,
    /// Threads inside.
    alone: u32,
    inside: u32,
    /// Work that a Method has begun goes on.
    owes: bool,
    destroyed: u32,
}

/// The books are no part of what is checked: nothing of the machine happens while they are open.
static FATES: Mutex<Vec<Fate>> = Mutex::new(Vec::new());

fn fates() -> MutexGuard<'static, Vec<Fate>> {
    FATES.lock().expect("nobody panics")
}

fn with_fate<R>(number: usize, with: impl FnOnce(&mut Fate) -> R) -> R {
    let mut fates = fates();
    let Some(fate) = fates.get_mut(number) else {
        drop(fates);
        schedules::wrong("the body is none: its memory was given back");
    };
    with(fate)
}

/// Which object a handle named; `None`: its maker does not know it yet.
fn number_of(handle: Handle) -> Option<usize> {
    fates().iter().position(|fate| fate.handle == handle.0)
}

/// A body. What the allocator writes into memory that was given back is not its number.
#[repr(C)]
struct Body {
    allocator: [usize; 4],
    number: usize,
}

impl Body {
    fn new() -> Self {
        let mut fates = fates();
        fates.push(Fate::default());
        Self { allocator: [usize::MAX; 4], number: fates.len() - 1 }
    }

    fn close(&self, handle: Handle) {
        with_fate(self.number, |fate| {
            check(fate.handle == 0 || fate.handle == handle.0, "another object is closed");
            check(!fate.closed && !fate.dropped, "an object is closed twice");
            check(fate.alone + fate.inside == 0, "an object is closed while somebody is inside");
            check(
                !fate.owes,
                "an object is closed before the work that a Method has begun is done",
            );
            fate.closed = true;
        });
    }

    /// A Method on the object that `handle` names.
    fn work(&self, handle: Handle, alone: bool) {
        let all_is_well = |fate: &Fate| {
            check(fate.handle == 0 || fate.handle == handle.0, "a handle leads to another object");
            check(!fate.closed && !fate.dropped, "a Method is inside an object that is closed");
            check(fate.alone <= 1, "two have the object's lock");
        };
        with_fate(self.number, |fate| {
            if alone {
                fate.alone += 1
            } else {
                fate.inside += 1
            }
            all_is_well(fate);
        });
        step();
        with_fate(self.number, |fate| {
            all_is_well(fate);
            if alone { fate.alone -= 1 } else { fate.inside -= 1 }
        });
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let handle = with_fate(self.number, |fate| {
            check(!fate.dropped, "an object is dropped twice");
            check(fate.closed || !fate.opened, "an object is dropped that was not closed");
            check(fate.alone + fate.inside == 0, "an object is dropped while somebody is inside");
            fate.dropped = true;
            fate.handle
        });
        let children = fates().iter().any(|fate| {
            fate.parent.is_some_and(|parent| parent == self.number) && fate.opened && !fate.dropped
        });
        check(!children || handle == 0, "an object is dropped before its children");
        self.number = usize::MAX;
    }
}

/// An object that Methods lock.
struct Locked(Body);

impl Object for Locked {
    const KIND: Kind = Kind::RingBuffer;

    fn is_ownable(&self) -> bool {
        true
    }

    fn close(&mut self, handle: Handle) {
        self.0.close(handle);
    }
}

/// An object that Methods enter.
struct Entered(Body);

impl Object for Entered {
    const KIND: Kind = Kind::NotifyUserWithRequest;
    const ENTERED: bool = true;

    fn drained(&self) -> bool {
        step();
        with_fate(self.0.number, |fate| !fate.owes)
    }

    fn close(&mut self, handle: Handle) {
        self.0.close(handle);
    }
}

unsafe extern "C" fn destroyed(handle: *mut std::ffi::c_void) {
    if let Some(number) = number_of(Handle::from_c(handle)) {
        with_fate(number, |fate| fate.destroyed += 1);
    }
}

fn links_of(handle: Handle) -> [Handle; 2] {
    [Handle(!handle.0), handle]
}

/// Makes an object, as the surface does it; `None`: its parent is being deleted.
fn make<T: Object>(parent: Option<Handle>, body: fn(Body) -> T) -> Option<Handle> {
    let choices = Choices { parent, destroy: Some(destroyed), ..Choices::default() };
    let draft = match tree::reserve(T::KIND, choices) {
        Ok(draft) => draft,
        Err(error) => {
            let expected = [Status::DELETE_PENDING, Status::INVALID_HANDLE].contains(&error.status);
            check(parent.is_some() && expected, "an object cannot be made");
            return None;
        }
    };
    let handle = draft.handle();
    check(number_of(handle).is_none(), "a handle is given twice");
    draft.set_links(links_of(handle));
    let made = Body::new();
    let number = made.number;
    let parent = parent.and_then(number_of);
    with_fate(number, |fate| (fate.opened, fate.parent) = (true, parent));
    let opened = draft.open(body(made));
    check(opened.is_ok_and(|opened| opened == handle), "an object cannot be opened");
    with_fate(number, |fate| fate.handle = handle.0);
    Some(handle)
}

/// What a schedule begins with.
pub struct World {
    first: Handle,
    second: Handle,
    parent: Handle,
    child: Handle,
}

fn world() -> World {
    fates().clear();
    let parent = make(None, Entered).expect("no parent is in the way");
    World {
        child: make(Some(parent), Locked).expect("the parent is open"),
        parent,
        second: make(None, Entered).expect("no parent is in the way"),
        // The slot that was made last is given first.
        first: make(None, Locked).expect("no parent is in the way"),
    }
}

/// Everything is deleted that is not, and nothing is left.
fn audit(world: &World) {
    for handle in [world.first, world.second, world.parent] {
        delete_if_open(handle);
    }
    let rest: Vec<u64> = fates().iter().map(|fate| fate.handle).collect();
    rest.into_iter().for_each(|handle| delete_if_open(Handle(handle)));
    for fate in fates().iter() {
        check(fate.closed && fate.dropped, "an object is never closed");
        check(fate.destroyed == 1, "an object's destroy callback does not run once");
    }
    check(is_empty(), "something is left when all is deleted");
}

fn delete_if_open(handle: Handle) {
    if matches!(tree::state_of(handle), Existence::Open) {
        delete(handle);
    }
}

fn delete(handle: Handle) {
    let number = number_of(handle);
    if let Some(number) = number {
        with_fate(number, |fate| fate.deletes_begun += 1);
    }
    let deleted = deletion::delete(handle).is_ok();
    let Some(number) = number else { return };
    with_fate(number, |fate| {
        if deleted {
            check(!fate.deleted, "an object is deleted twice");
            fate.deleted = true;
            check(frames::any() || fate.dropped, "a delete returns before the object is gone");
        } else {
            let by_another = fate.deletes_begun > 1 || fate.parent.is_some();
            check(by_another, "an object cannot be deleted");
        }
    });
}

/// Whether a delete of an object, or of one above it, has begun, and whether it has returned.
fn delete_of(handle: Handle) -> (bool, bool) {
    let fates = fates();
    let mut next = fates.iter().position(|fate| fate.handle == handle.0);
    let (mut begun, mut over) = (false, false);
    while let Some(number) = next {
        begun |= fates[number].deletes_begun > 0;
        over |= fates[number].deleted && fates[number].dropped;
        next = fates[number].parent;
    }
    (begun, over)
}

/// Calls a Method, which may find its object only when its delete has not returned, and must when that has not
/// begun.
fn call(handle: Handle, method: impl FnOnce() -> bool) {
    let (_, over) = delete_of(handle);
    let found = method();
    let (begun, _) = delete_of(handle);
    check(!found || !over, "a Method finds an object after its delete has returned");
    check(found || begun, "a Method does not find an object that nobody deletes");
}

fn lock(handle: Handle) {
    call(handle, || match table::lock::<Locked>(handle) {
        Ok(guard) => {
            guard.0.work(handle, true);
            true
        }
        Err(_) => false,
    });
}

fn enter(handle: Handle) {
    call(handle, || {
        table::enter(handle, |body: &Entered| {
            body.0.work(handle, false);
            Ok(())
        })
        .is_ok()
    });
}

fn visit(handle: Handle) {
    call(handle, || match Visit::of(handle) {
        Some(visit) => {
            visit.body::<Entered>().expect("its kind").0.work(handle, false);
            true
        }
        None => false,
    });
}

// What threads do.

/// A Method begins work that goes on when it has returned.
fn begin_work(world: &World) {
    let begun = table::enter(world.second, |body: &Entered| {
        step();
        with_fate(body.0.number, |fate| fate.owes = true);
        Ok(body.0.number)
    });
    step();
    if let Ok(number) = begun {
        with_fate(number, |fate| fate.owes = false);
        tree::tell();
    }
}

fn lock_first(world: &World) {
    lock(world.first);
}

fn lock_first_twice(world: &World) {
    lock(world.first);
    lock(world.first);
}

/// The short way of a Method that has another.
fn try_lock_first(world: &World) {
    let (_, over) = delete_of(world.first);
    if let Some(guard) = table::try_lock::<Locked>(world.first) {
        check(!over, "a Method finds an object after its delete has returned");
        guard.0.work(world.first, true);
    }
}

fn delete_first(world: &World) {
    delete(world.first);
}

fn delete_second(world: &World) {
    delete(world.second);
}

/// The slot's next object is of the same kind.
fn delete_first_and_reuse(world: &World) {
    delete(world.first);
    if let Some(handle) = make(None, Locked) {
        lock(handle);
        lock(handle);
    }
}

/// The slot's next object is of another kind.
fn delete_second_and_reuse(world: &World) {
    delete(world.second);
    if let Some(handle) = make(None, Locked) {
        lock(handle);
    }
}

fn delete_second_and_reuse_alike(world: &World) {
    delete(world.second);
    if let Some(handle) = make(None, Entered) {
        enter(handle);
    }
}

/// Uses the handle that the slot's next object will have, before anybody knows it.
fn guess_after_first(world: &World) {
    let Handle(value) = world.first;
    let guess = Handle(value + (1 << 24));
    for _ in 0..2 {
        if let Ok(guard) = table::lock::<Locked>(guess) {
            guard.0.work(guess, true);
        }
    }
}

fn guess_after_second(world: &World) {
    let Handle(value) = world.second;
    let guess = Handle(value + (1 << 24));
    for _ in 0..2 {
        let _ = table::enter(guess, |body: &Entered| {
            body.0.work(guess, false);
            Ok(())
        });
    }
}

fn enter_second(world: &World) {
    enter(world.second);
}

fn visit_second(world: &World) {
    visit(world.second);
}

fn enter_second_twice(world: &World) {
    enter(world.second);
    enter(world.second);
}

/// A callback that the object owes keeps it open.
fn keep_first(world: &World) {
    let handle = world.first;
    let Ok(guard) = table::lock::<Locked>(handle) else { return };
    let number = guard.0.number;
    with_fate(number, |fate| fate.inside += 1);
    let kept = guard.keep();
    step();
    with_fate(number, |fate| {
        check(!fate.closed, "an object is closed that a callback keeps open");
        fate.inside -= 1;
    });
    drop(kept);
}

fn delete_parent(world: &World) {
    delete(world.parent);
}

fn delete_child(world: &World) {
    delete(world.child);
}

fn lock_child(world: &World) {
    lock(world.child);
}

fn make_child(world: &World) {
    if let Some(child) = make(Some(world.parent), Locked) {
        lock(child);
    }
}

/// In a callback of one object another is deleted.
fn delete_within(inside: Handle, object: Handle) {
    let _ = table::enter(inside, |body: &Entered| {
        body.0.work(inside, false);
        delete(object);
        body.0.work(inside, false);
        Ok(())
    });
}

fn delete_parent_within_second(world: &World) {
    delete_within(world.second, world.parent);
}

fn delete_second_within_parent(world: &World) {
    delete_within(world.parent, world.second);
}

fn delete_second_within_itself(world: &World) {
    delete_within(world.second, world.second);
}

fn delete_child_within_second(world: &World) {
    delete_within(world.second, world.child);
}

fn refer_to_second(world: &World) {
    if tree::reference(world.second).is_ok() {
        let there = !matches!(tree::state_of(world.second), Existence::Never);
        check(there, "an object that is referred to is nothing any more");
        check(tree::dereference(world.second).is_ok(), "a reference cannot be given back");
    }
}

fn read_links(world: &World) {
    for _ in 0..3 {
        if let Ok(links) = table::links::<Locked>(world.first) {
            check(links == links_of(world.first), "an object has another object's links");
        }
    }
}

/// The handle that the slot's next object will have finds nothing of the object before.
fn guess_links(world: &World) {
    let guess = Handle(world.first.0 + (1 << 24));
    for _ in 0..3 {
        if let Ok(links) = table::links::<Locked>(guess) {
            check(links == links_of(guess), "an object has another object's links");
        }
    }
}

fn refer_to_child(world: &World) {
    if tree::reference(world.child).is_ok() {
        step();
        check(tree::dereference(world.child).is_ok(), "a reference cannot be given back");
    }
}

/// As the Methods of a composed Module do it: the whole's links, then the part's lock.
fn lock_through_links(world: &World) {
    let _ = table::links::<Entered>(world.second);
    let _ = Ref::<Locked>::new(world.child).lock().map(|guard| guard.0.work(world.child, true));
}

pub const RACES: &[Race<World>] = &[
    Race { name: "lock, delete", acts: &[lock_first_twice, delete_first] },
    Race { name: "lock, lock, delete", acts: &[lock_first_twice, lock_first, delete_first] },
    Race {
        name: "try, delete, reuse",
        acts: &[try_lock_first, lock_first, delete_first_and_reuse],
    },
    Race { name: "lock, delete, reuse", acts: &[lock_first_twice, delete_first_and_reuse] },
    Race {
        name: "lock, lock, delete, reuse",
        acts: &[lock_first_twice, lock_first_twice, delete_first_and_reuse],
    },
    Race { name: "guess, delete, reuse", acts: &[guess_after_first, delete_first_and_reuse] },
    Race { name: "enter, delete", acts: &[enter_second_twice, delete_second] },
    Race { name: "enter, enter, delete", acts: &[enter_second, enter_second, delete_second] },
    Race { name: "visit, enter, delete", acts: &[visit_second, enter_second, delete_second] },
    Race { name: "visit, delete, reuse", acts: &[visit_second, delete_second_and_reuse_alike] },
    Race { name: "enter, delete, reuse", acts: &[enter_second_twice, delete_second_and_reuse] },
    Race {
        name: "guess, enter, delete, reuse",
        acts: &[guess_after_second, enter_second, delete_second_and_reuse_alike],
    },
    Race { name: "keep, delete", acts: &[keep_first, lock_first, delete_first] },
    Race { name: "delete, delete", acts: &[delete_first, delete_first, lock_first] },
    Race { name: "parent, child", acts: &[delete_parent, delete_child, lock_child] },
    Race { name: "parent, a child more", acts: &[delete_parent, make_child] },
    Race {
        name: "each in the other",
        acts: &[delete_parent_within_second, delete_second_within_parent],
    },
    Race {
        name: "each in the other, and a child",
        acts: &[delete_parent_within_second, delete_second_within_parent, delete_child],
    },
    Race {
        name: "a parent and its child, both put off",
        acts: &[delete_parent_within_second, delete_child_within_second, lock_child],
    },
    Race { name: "itself", acts: &[delete_second_within_itself, enter_second, delete_second] },
    Race { name: "work, delete", acts: &[begin_work, delete_second] },
    Race { name: "reference, delete", acts: &[refer_to_second, delete_second_and_reuse] },
    Race { name: "links, delete, reuse", acts: &[read_links, delete_first_and_reuse] },
    Race { name: "guessed links, delete, reuse", acts: &[guess_links, delete_first_and_reuse] },
    Race {
        name: "parent, a child that is referred to",
        acts: &[delete_parent, delete_child, refer_to_child],
    },
    Race { name: "parts, delete", acts: &[lock_through_links, delete_second, delete_parent] },
];

pub fn run(schedules: usize) {
    schedules::run(RACES, schedules, world, audit);
}
