//! What the calls of several Modules have in common.

use crate::call;
use crate::calls::callbacks::{self, Place, place};
use crate::calls::helpers;
use crate::calls::input::Input;
use crate::calls::world::{Kind, c, device, world};
use dmf::capi::types::*;
use std::ptr::null_mut;

/// A handle or pointer that another thread may be given.
pub struct Sent<T>(pub T);
// SAFETY: integers, and pointers that nobody dereferences but the library.
unsafe impl<T> Send for Sent<T> {}

/// A call that may wait. Outside of callbacks another thread does it, as soon as there is anybody to wait for; inside
/// of one it is made only where it is refused.
pub fn waiting(what: &'static str, module: usize, call: impl FnOnce() + Send + 'static) {
    match place() {
        Place::Outside if world().threaded => helpers::run(what, call),
        Place::Outside => call(),
        Place::InsideOf(own) if own == module => call(),
        _ => {}
    }
}

pub fn succeeded(status: NTSTATUS) -> bool {
    status >= 0
}

/// Whether the last Method without a status did what it was called for.
pub fn done() -> bool {
    succeeded(call!(DMF_LastStatusGet()))
}

/// What a Module is made with, beside its Config.
pub struct Making<C> {
    pub kind: Kind,
    pub config: C,
    pub attributes: DMF_MODULE_ATTRIBUTES,
    /// Bytes of its buffers and their contexts.
    pub size: u32,
    pub context_size: u32,
}

type Create = unsafe extern "C" fn(
    WDFDEVICE,
    *mut DMF_MODULE_ATTRIBUTES,
    *mut WDF_OBJECT_ATTRIBUTES,
    *mut DMFMODULE,
) -> NTSTATUS;

/// Makes a Module, rarely with something wrong.
pub fn create<C>(from: Input, making: Making<C>, create: Create) {
    let Making { kind, mut config, mut attributes, mut size, mut context_size } = making;
    attributes.module_config_pointer = (&raw mut config).cast();
    let mut events = DMF_MODULE_EVENT_CALLBACKS {
        evt_module_on_device_notification_post_open: None,
        evt_module_on_device_notification_pre_close: None,
    };
    let wrong = from.byte();
    if wrong.is_multiple_of(4) {
        call!(DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&mut attributes, &mut events));
        // SAFETY: they were just made to point to `events`.
        let events = unsafe { &mut *attributes.client_callbacks };
        events.evt_module_on_device_notification_post_open = Some(callbacks::module_event);
        events.evt_module_on_device_notification_pre_close = Some(callbacks::module_event);
    }
    match wrong {
        200..=219 => attributes.passive_level = wrong & 1,
        240 => attributes.size_of_header = from.number(),
        241 => attributes.size_of_module_specific_config ^= 1 << from.choose(8),
        242 => attributes.module_config_pointer = null_mut(),
        _ => {}
    }
    if attributes.module_config_pointer.is_null() {
        (size, context_size) = (0, 0);
    }
    let mut object = object_attributes(from);
    let object_pointer = object.as_mut().map_or(null_mut(), |object| &raw mut object.0);
    let device = device(from);
    let mut module = c(1);
    let attributes = if wrong == 243 { null_mut() } else { &raw mut attributes };
    let module_pointer = if wrong == 244 { null_mut() } else { &raw mut module };
    callbacks::is_making(Some((kind, size, context_size)));
    // SAFETY: the pointers are this function's, or NULL; the Config is of the size that the attributes tell.
    let status = unsafe { create(c(device), attributes, object_pointer, module_pointer) };
    callbacks::is_making(None);
    if wrong == 244 {
        assert!(!succeeded(status));
        return;
    }
    assert_eq!(succeeded(status), !module.is_null(), "{status:#x}");
    if succeeded(status) {
        let mut world = world();
        world.made += u32::from(object.is_some_and(|object| object.1));
        world.add(module.addr(), kind, size, context_size);
    }
}

/// Attributes of an object, and whether they have callbacks for its end.
pub fn object_attributes(from: Input) -> Option<(WDF_OBJECT_ATTRIBUTES, bool)> {
    let choice = from.byte();
    if choice >= 160 {
        return None;
    }
    // SAFETY: integers, pointers and optional callbacks.
    let mut attributes: WDF_OBJECT_ATTRIBUTES = unsafe { std::mem::zeroed() };
    call!(WDF_OBJECT_ATTRIBUTES_INIT(&mut attributes));
    attributes.evt_cleanup_callback = Some(callbacks::cleanup);
    attributes.evt_destroy_callback = Some(callbacks::destroy);
    if choice.is_multiple_of(2) {
        attributes.context_type_info = &raw const callbacks::CONTEXT.0;
        attributes.context_size_override = if choice == 158 { from.number() as usize } else { 0 };
    }
    match choice {
        150 => attributes.size = from.number(),
        60..=110 => attributes.parent_object = c(super::any_handle(from)),
        _ => {}
    }
    attributes.execution_level = i32::from(choice);
    Some((attributes, true))
}

/// An address where C writes a value, or NULL.
pub fn maybe<T>(from: Input, value: &mut T) -> *mut T {
    if from.one_in(32) { null_mut() } else { value }
}

/// How many are made, and of which size: few and short, or more than there is memory for.
pub fn settings(from: Input) -> BufferPool_SourceSettings {
    BufferPool_SourceSettings {
        buffer_count: affordable(from.count(), 1 << 10),
        buffer_size: affordable(from.number(), 1 << 14),
        buffer_context_size: affordable(from.number(), 1 << 12),
        enable_look_aside: (from.byte() % 4 == 0).into(),
        create_with_timer: (from.byte() % 4 == 0).into(),
        pool_type: if from.one_in(8) { from.u32() as i32 } else { 512 },
    }
}

/// Nothing that the machine would have to work long for.
pub fn affordable(number: u32, most: u32) -> u32 {
    if number < 1 << 28 { number % most } else { number }
}

/// A successful Get, Fetch or Dequeue of a Module.
pub fn got(module: usize, buffer: *mut VOID, context: Option<*mut VOID>) {
    assert!(!buffer.is_null());
    world().own(buffer.addr(), module, context.map(|context| context.addr()));
}

/// Gives a buffer to a Method, which says whether it took it: one that the Client has, mostly.
pub fn give(from: Input, method: impl FnOnce(*mut VOID) -> bool) {
    let (address, is_owned) = choose(from);
    let taken = method(c(address));
    let mut world = world();
    if is_owned {
        match taken {
            true => world.former.push(address),
            false => world.owned.push(address),
        }
    } else {
        assert!(!taken, "the library took {address:#x}, which is not the Client's");
    }
}

/// A buffer for a Method that takes one. What the Client has is not its own any more.
pub fn choose(from: Input) -> (usize, bool) {
    let byte = from.byte();
    let mut world = world();
    if byte < 208 && !world.owned.is_empty() {
        let index = usize::from(byte) % world.owned.len();
        return (world.owned.swap_remove(index), true);
    }
    let former = world.former.get(from.choose(world.former.len())).copied();
    let address = match (byte, former) {
        // With other threads about it may be anybody's by now.
        (0..=229, Some(former)) if !world.threaded && !world.unclear.contains(&former) => former,
        (230..=239, Some(former)) => former.wrapping_add(1 + usize::from(byte % 15)),
        (240..=247, _) => {
            let any = world.owned.first().copied().unwrap_or(0);
            let context = world.shapes.get(&any).map_or(0, |shape| shape.context);
            if byte & 1 == 0 { any.wrapping_add(8) } else { context }
        }
        (248..=251, _) => 0,
        (252.., _) => from.u64() as usize | 1,
        _ => 0,
    };
    let is_owned = world.disown(address);
    (address, is_owned)
}

/// Gives a buffer back to the Module that made it; whether that took it.
pub fn put_back(module: usize, kind: Kind, address: usize) -> bool {
    match kind {
        Kind::Queue => call!(DMF_BufferQueue_Reuse(c(module), c(address))),
        Kind::Threaded => call!(DMF_ThreadedBufferQueue_Reuse(c(module), c(address))),
        Kind::Stream => call!(DMF_ContinuousRequestTarget_BufferPut(c(module), c(address))),
        _ => call!(DMF_BufferPool_Put(c(module), c(address))),
    }
    done()
}
