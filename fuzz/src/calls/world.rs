//! What the sequence knows: handles, buffers that the Client has, Requests and Sends that await their completion.
//!
//! Callbacks run on threads of the library, so all of it is behind one lock, which is never held during a call.

use super::input::Input;
use super::memory::Memory;
use std::collections::HashMap;
use std::ptr::with_exposed_provenance_mut;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a handle was made as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Device,
    Ring,
    PingPong,
    Pool,
    Queue,
    Work,
    Threaded,
    Notify,
    Stream,
    Request,
    Target,
    Watch,
    Memory,
    /// A part of a Module, which a callback was shown.
    Part,
}

#[derive(Clone, Copy)]
pub struct Known {
    pub handle: usize,
    pub kind: Kind,
    /// References that the sequence took.
    pub references: u32,
    /// Bytes of the Module's buffers and their contexts.
    pub size: u32,
    pub context_size: u32,
}

/// A pool's buffer.
#[derive(Clone, Copy)]
pub struct Shape {
    /// The Module that made it.
    pub source: usize,
    pub kind: Kind,
    pub size: u32,
    pub context: usize,
    pub context_size: u32,
}

/// A Request or Send, which is completed once.
pub struct Pending {
    pub handle: AtomicUsize,
    pub completions: AtomicU32,
    /// It was accepted, and must be completed.
    pub accepted: AtomicBool,
    pub is_request: bool,
    /// What is used in place until the completion, and freed by it.
    pub buffers: Mutex<Option<[Memory; 2]>>,
    /// Where an id to cancel by is written.
    pub id: AtomicUsize,
}

impl Pending {
    pub fn is_over(&self) -> bool {
        !self.accepted.load(Ordering::SeqCst) || self.completions.load(Ordering::SeqCst) == 1
    }
}

#[derive(Default)]
pub struct World {
    pub sequence: u32,
    pub handles: Vec<Known>,
    /// Buffers that the Client has.
    pub owned: Vec<usize>,
    /// Buffers that it may have: a call did not tell.
    pub unclear: Vec<usize>,
    pub shapes: HashMap<usize, Shape>,
    pub pending: Vec<Arc<Pending>>,
    /// Buffers that the Client is to end the work of.
    pub unfinished: Vec<usize>,
    /// Buffers that the Client had.
    pub former: Vec<usize>,
    /// Requests that a callback keeps.
    pub held: Vec<usize>,
    pub cookies: Vec<(usize, usize)>,
    /// Objects made with callbacks for their end; what these were called for.
    pub made: u32,
    pub cleaned_up: u32,
    pub destroyed: u32,
    /// Threads of the library may call back.
    pub threaded: bool,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);

pub struct Locked(MutexGuard<'static, Option<World>>);

impl std::ops::Deref for Locked {
    type Target = World;
    fn deref(&self) -> &World {
        self.0.as_ref().unwrap()
    }
}
impl std::ops::DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut World {
        self.0.as_mut().unwrap()
    }
}

pub fn world() -> Locked {
    let mut world = WORLD.lock().unwrap();
    world.get_or_insert_default();
    Locked(world)
}

/// A new world for the next sequence.
pub fn renew() {
    let mut world = world();
    let sequence = world.sequence.wrapping_add(1);
    *world = World { sequence, ..World::default() };
}

/// A handle, or any pointer, as C has it.
pub fn c<T>(value: usize) -> *mut T {
    with_exposed_provenance_mut(value)
}

impl World {
    pub fn add(&mut self, handle: usize, kind: Kind, size: u32, context_size: u32) {
        if self.known(handle).is_none() {
            self.handles.push(Known { handle, kind, references: 0, size, context_size });
        }
    }

    pub fn known(&mut self, handle: usize) -> Option<&mut Known> {
        self.handles.iter_mut().find(|known| known.handle == handle)
    }

    /// The buffer is the Client's now. `context`: it comes from the Module that made it.
    pub fn own(&mut self, address: usize, module: usize, context: Option<usize>) {
        if let Some(context) = context {
            // Of a Module that is not known, nobody says how long it is.
            self.shapes.remove(&address);
            if let Some(Known { kind, size, context_size, .. }) = self.known(module).copied() {
                let shape = Shape { source: module, kind, size, context, context_size };
                self.shapes.insert(address, shape);
            }
        }
        assert!(!self.owned.contains(&address), "the library gave the Client a buffer that it has");
        self.owned.push(address);
    }

    pub fn disown(&mut self, address: usize) -> bool {
        let before = self.owned.len();
        self.owned.retain(|owned| *owned != address);
        self.owned.len() < before
    }

    pub fn pending_of(&self, context: usize) -> Option<Arc<Pending>> {
        if (context >> 32) as u32 != self.sequence {
            return None;
        }
        self.pending.get(context & 0xFFFF_FFFF).cloned()
    }

    /// A Request that the library has accepted.
    pub fn accepted(&self, handle: usize) {
        let mut requests = self.pending.iter().filter(|pending| pending.is_request);
        if let Some(pending) =
            requests.find(|pending| pending.handle.load(Ordering::SeqCst) == handle)
        {
            pending.accepted.store(true, Ordering::SeqCst);
        }
    }

    /// Registers a Request or Send; the context by which its completion knows it.
    pub fn expect(
        &mut self,
        is_request: bool,
        input: Memory,
        output: Memory,
    ) -> (usize, Arc<Pending>) {
        let pending = Arc::new(Pending {
            handle: AtomicUsize::new(0),
            completions: AtomicU32::new(0),
            accepted: AtomicBool::new(false),
            is_request,
            buffers: Mutex::new(Some([input, output])),
            id: AtomicUsize::new(0),
        });
        self.pending.push(pending.clone());
        ((self.sequence as usize) << 32 | (self.pending.len() - 1), pending)
    }
}

/// Notes a completion: the only one, of this sequence.
pub fn completed(context: usize) -> Arc<Pending> {
    let pending = world().pending_of(context);
    let pending = pending.expect("a completion after the end of its sequence");
    let before = pending.completions.fetch_add(1, Ordering::SeqCst);
    assert_eq!(before, 0, "completed twice");
    // The library has no business with them any more.
    drop(pending.buffers.lock().unwrap().take());
    pending
}

/// A device, where there are any, or none; or anything.
pub fn device(input: Input) -> usize {
    let byte = input.byte();
    let some = world().handles.iter().any(|known| known.kind == Kind::Device);
    match byte {
        0..=15 => pick(input, Kind::Device),
        _ if some && byte & 1 == 0 => pick(input, Kind::Device),
        _ => 0,
    }
}

/// A handle of that kind mostly; also others, deleted ones, and what is none.
pub fn pick(input: Input, kind: Kind) -> usize {
    let world = world();
    let all: Vec<usize> = world.handles.iter().map(|known| known.handle).collect();
    let right: Vec<usize> =
        world.handles.iter().filter(|known| known.kind == kind).map(|known| known.handle).collect();
    drop(world);
    match input.byte() {
        byte @ 0..=207 => match right.len() {
            0 => all.last().copied().unwrap_or(0),
            // The newest are the likeliest to be there still.
            count => right[count - 1 - usize::from(byte) % count],
        },
        208..=227 => all.get(input.choose(all.len())).copied().unwrap_or(0),
        228..=243 => {
            let handle = all.get(input.choose(all.len())).copied().unwrap_or(0);
            handle ^ 1 << (input.byte() % 64)
        }
        244..=249 => 0,
        _ => input.u64() as usize,
    }
}
