//! Sequences of calls over the whole C surface: any handles, any enumerators, buffers of any length, callbacks that call
//! back, answer nonsense and delete what they are called from.
//!
//! What must hold besides: everything can be deleted afterwards, and is refused then; every call returns; each Request
//! and each Send that was accepted is completed once; what the Client has can be given back, also to Modules that are
//! gone; the callbacks for an object's end are called once; no thread of the library is left. AddressSanitizer sees the memory, and what is not freed.

mod callbacks;
mod helpers;
mod input;
mod memory;
mod ops;
pub mod surface;
mod world;

use crate::call;
use input::Input;
use std::ptr::null_mut;
use std::sync::Once;
use std::sync::atomic::Ordering;
use world::{Shape, World, c, world};

/// Calls of one sequence, at most.
const LONGEST: usize = 300;

pub fn run(bytes: &[u8]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: no other thread runs yet; the function lives as long as the program.
        unsafe {
            std::env::set_var("DMF_MISUSE", "ignore");
            libc::atexit(surface::write_called);
        }
        helpers::count_threads();
    });
    world::renew();
    input::load(bytes);
    call!(DMF_MisuseHandlerSet(Some(callbacks::misuse), null_mut()));
    for _ in 0..LONGEST {
        if input::is_over() {
            break;
        }
        helpers::STEPS.fetch_add(1, Ordering::Relaxed);
        ops::any(Input::Front);
    }
    finish();
}

/// Ends everything, and looks whether it has ended. Callbacks that still run may make more of it.
fn finish() {
    input::end();
    helpers::wait_until(|| {
        let is_idle = helpers::are_idle();
        complete_requests();
        let handles: Vec<usize> = world().handles.iter().map(|known| known.handle).collect();
        let left: Vec<usize> = handles.iter().copied().rev().filter(|it| !is_gone(*it)).collect();
        let mut world = world();
        let left: Vec<_> = left.iter().map(|it| world.known(*it).map(|known| known.kind)).collect();
        let World { made, cleaned_up, destroyed, .. } = *world;
        let is_over = is_idle && left.is_empty() && destroyed == made && cleaned_up == made;
        if is_over && world.handles.len() == handles.len() {
            return Ok(());
        }
        Err(format!("left {left:?}; {made} made, {cleaned_up} cleaned up, {destroyed} destroyed"))
    });
    give_buffers_back();
    helpers::wait_until(|| {
        let is_over = world().pending.iter().all(|pending| pending.is_over());
        if is_over { Ok(()) } else { Err("a completion".into()) }
    });
    helpers::wait_until(|| {
        if helpers::is_alone() { Ok(()) } else { Err("a thread of the library is left".into()) }
    });
}

/// Deletes an object. True: there is none any more.
fn is_gone(handle: usize) -> bool {
    call!(WdfObjectDelete(c(handle)));
    let references = world().known(handle).map_or(0, |known| std::mem::take(&mut known.references));
    for _ in 0..references {
        call!(WdfObjectDereference(c(handle)));
    }
    call!(WdfObjectReference(c(handle)));
    if call!(DMF_LastStatusGet()) < 0 {
        return true;
    }
    call!(WdfObjectDereference(c(handle)));
    false
}

/// What a callback kept, and what was never submitted, is the Client's to complete.
fn complete_requests() {
    // One by one: a call that waits for another of them leaves that to who looks after calls that wait.
    loop {
        let next = world().held.pop();
        let Some(request) = next else { break };
        call!(WdfRequestComplete(c(request), 0));
    }
    let all = world().pending.clone();
    for pending in all.iter().filter(|pending| pending.is_request) {
        let handle = pending.handle.load(Ordering::SeqCst);
        if handle != 0 && pending.completions.load(Ordering::SeqCst) == 0 {
            call!(WdfRequestComplete(c(handle), 0));
        }
    }
}

/// The Modules are gone, and take their buffers all the same.
fn give_buffers_back() {
    let owned = std::mem::take(&mut world().owned);
    for address in owned {
        let shape = world().shapes.get(&address).copied();
        if let Some(Shape { source, kind, size, context, context_size }) = shape {
            callbacks::touch(c(address), size as usize);
            callbacks::touch(c(context), context_size as usize);
            assert!(ops::put_back(source, kind, address), "a buffer of a Module that is gone");
            assert!(!ops::put_back(source, kind, address), "the same buffer, twice");
        }
    }
    let unclear = std::mem::take(&mut world().unclear);
    for address in unclear {
        let shape = world().shapes.get(&address).copied();
        if let Some(Shape { source, kind, .. }) = shape {
            ops::put_back(source, kind, address);
        }
    }
}
