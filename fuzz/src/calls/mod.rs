//! Sequences of calls over the whole C surface: any handles, any enumerators, buffers of any length, callbacks that call
//! back, answer nonsense and delete what they are called from.
//!
//! What must hold besides: everything can be deleted afterwards, and is refused then; every call returns; each Request
//! and each Send that was accepted is completed once; what the Client has can be given back, also to Modules that are
//! gone; the callbacks for an object's end are called once. AddressSanitizer sees the memory, and what is not freed.

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
use world::{Shape, c, world};

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
    });
    world::renew();
    input::load(bytes);
    call!(DMF_MisuseHandlerSet(Some(callbacks::misuse), null_mut()));
    for _ in 0..LONGEST {
        if input::is_over() {
            break;
        }
        ops::any(Input::Front);
    }
    finish();
}

/// Ends everything, and looks whether it has ended.
fn finish() {
    input::end();
    let handles: Vec<usize> = world().handles.iter().map(|known| known.handle).collect();
    for handle in handles.iter().rev() {
        call!(WdfObjectDelete(c(*handle)));
    }
    helpers::wait_until("a call", helpers::are_idle);
    end_requests();
    give_buffers_back();
    for handle in &handles {
        let references = world().known(*handle).map_or(0, |known| known.references);
        for _ in 0..references {
            call!(WdfObjectDereference(c(*handle)));
        }
    }
    helpers::wait_until("an object's end", || {
        let world = world();
        world.destroyed == world.made && world.cleaned_up == world.made
    });
    helpers::wait_until("the end of all objects", || {
        handles.iter().all(|handle| is_refused(*handle))
    });
}

fn is_refused(handle: usize) -> bool {
    call!(WdfObjectReference(c(handle)));
    if call!(DMF_LastStatusGet()) < 0 {
        return true;
    }
    call!(WdfObjectDereference(c(handle)));
    call!(WdfObjectDelete(c(handle)));
    false
}

/// What a callback kept, and what was never submitted, is the Client's to complete.
fn end_requests() {
    let held = std::mem::take(&mut world().held);
    for request in held {
        call!(WdfRequestComplete(c(request), 0));
    }
    let all = world().pending.clone();
    for pending in &all {
        let handle = pending.handle.load(Ordering::SeqCst);
        if pending.is_request && handle != 0 && !is_gone(handle) {
            call!(WdfRequestComplete(c(handle), 0));
            helpers::wait_until("a Request's completion", || {
                pending.completions.load(Ordering::SeqCst) == 1 || is_gone(handle)
            });
            call!(WdfObjectDelete(c(handle)));
        }
    }
    helpers::wait_until("a Send's completion", || {
        let ended = |pending: &world::Pending| {
            pending.completions.load(Ordering::SeqCst) + pending.given_up.load(Ordering::SeqCst) > 0
        };
        all.iter().filter(|pending| !pending.is_request).all(|pending| ended(pending))
    });
}

fn is_gone(handle: usize) -> bool {
    let status = call!(WdfRequestGetStatus(c(handle)));
    const INVALID_HANDLE: i32 = 0xC000_0008_u32 as i32;
    const INVALID_DEVICE_STATE: i32 = 0xC000_0184_u32 as i32;
    [INVALID_HANDLE, INVALID_DEVICE_STATE].contains(&status)
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
