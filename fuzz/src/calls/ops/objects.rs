//! Devices, objects of every kind, memory, and functions without an object.

use super::common::{done, object_attributes, succeeded, waiting};
use super::{Function, Method};
use crate::call;
use crate::calls::callbacks;
use crate::calls::input::Input;
use crate::calls::world::{Kind, c, device, world};
use dmf::capi::types::*;
use std::ffi::CStr;
use std::mem::zeroed;
use std::ptr::{null, null_mut};

pub fn create_device(from: Input) {
    let mut attributes = object_attributes(from);
    let pointer = attributes.as_mut().map_or(null_mut(), |attributes| &raw mut attributes.0);
    let mut device = null_mut();
    if from.one_in(64) {
        assert!(!succeeded(call!(DMF_Device_Create(pointer, null_mut()))));
        return;
    }
    let status = call!(DMF_Device_Create(pointer, &mut device));
    assert_eq!(succeeded(status), !device.is_null());
    if succeeded(status) {
        let mut world = world();
        world.made += u32::from(attributes.is_some());
        world.add(device.addr(), Kind::Device, 0, 0);
    }
}

pub const DEVICE: &[Method] = &[d0_exit, d0_entry, delete];

fn d0_exit(_: Input, device: usize) {
    waiting("DMF_Device_D0Exit", device, move || {
        call!(DMF_Device_D0Exit(c(device)));
    });
}

fn d0_entry(_: Input, device: usize) {
    call!(DMF_Device_D0Entry(c(device)));
}

/// What every object has.
pub const OBJECT: &[Method] =
    &[delete, delete, reference, reference, dereference, context, parent_module, parent_device];

fn delete(_: Input, object: usize) {
    if callbacks::place() == callbacks::Place::Outside {
        waiting("WdfObjectDelete", object, move || {
            call!(WdfObjectDelete(c(object)));
        });
    } else {
        call!(WdfObjectDelete(c(object)));
    }
}

fn reference(_: Input, object: usize) {
    call!(WdfObjectReference(c(object)));
    if done()
        && let Some(known) = world().known(object)
    {
        known.references += 1;
    }
}

fn dereference(_: Input, object: usize) {
    // What is not known, or of which no reference is left, refuses.
    let mut world = world();
    let known = world.known(object);
    let mine = known.filter(|known| known.references > 0);
    let is_mine = mine.map(|known| known.references -= 1).is_some();
    drop(world);
    call!(WdfObjectDereference(c(object)));
    assert!(!is_mine || done(), "a reference could not be given back");
}

fn context(from: Input, object: usize) {
    let info = if from.one_in(16) { std::ptr::null() } else { &raw const callbacks::CONTEXT.0 };
    call!(WdfObjectGetTypedContextWorker(c(object), info));
}

fn parent_module(_: Input, object: usize) {
    call!(DMF_ParentModuleGet(c(object)));
}

fn parent_device(_: Input, object: usize) {
    call!(DMF_ParentDeviceGet(c(object)));
}

pub const MEMORY: &[Method] = &[get_buffer, delete];

fn get_buffer(from: Input, memory: usize) {
    let mut size = 0;
    call!(WdfMemoryGetBuffer(c(memory), super::common::maybe(from, &mut size)));
}

/// Every initializer, with and without somewhere to write.
pub fn initializers(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let mut attributes: DMF_MODULE_ATTRIBUTES = unsafe { zeroed() };
    let attributes = if from.one_in(4) { null_mut() } else { &raw mut attributes };
    macro_rules! initialize {
        ($both:ident, $alone:ident, $config:ty) => {{
            // SAFETY: as above.
            let mut config: $config = unsafe { zeroed() };
            let config = if from.one_in(4) { null_mut() } else { &raw mut config };
            call!($both(config, attributes));
            call!($alone(attributes));
        }};
    }
    use dmf::capi::*;
    match from.byte() % 12 {
        0 => initialize!(
            DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT,
            DMF_RingBuffer_ATTRIBUTES_INIT,
            ring_buffer::DMF_CONFIG_RingBuffer
        ),
        1 => initialize!(
            DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT,
            DMF_PingPongBuffer_ATTRIBUTES_INIT,
            ping_pong_buffer::DMF_CONFIG_PingPongBuffer
        ),
        2 => initialize!(
            DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT,
            DMF_BufferPool_ATTRIBUTES_INIT,
            buffer_pool::DMF_CONFIG_BufferPool
        ),
        3 => initialize!(
            DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT,
            DMF_BufferQueue_ATTRIBUTES_INIT,
            buffer_queue::DMF_CONFIG_BufferQueue
        ),
        4 => initialize!(
            DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT,
            DMF_QueuedWorkItem_ATTRIBUTES_INIT,
            queued_work_item::DMF_CONFIG_QueuedWorkItem
        ),
        5 => initialize!(
            DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT,
            DMF_ThreadedBufferQueue_ATTRIBUTES_INIT,
            threaded_buffer_queue::DMF_CONFIG_ThreadedBufferQueue
        ),
        6 => initialize!(
            DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT,
            DMF_NotifyUserWithRequest_ATTRIBUTES_INIT,
            notify_user_with_request::DMF_CONFIG_NotifyUserWithRequest
        ),
        7 => initialize!(
            DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT,
            DMF_ContinuousRequestTarget_ATTRIBUTES_INIT,
            continuous_request_target::DMF_CONFIG_ContinuousRequestTarget
        ),
        8 => call!(DMF_MODULE_ATTRIBUTES_INIT(attributes, from.number())),
        9 => call!(DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(attributes, null_mut())),
        10 => call!(WDF_OBJECT_ATTRIBUTES_INIT(null_mut())),
        _ => call!(DMF_HID_OPEN_PARAMS_INIT(null_mut())),
    }
}

const OTHERS: &[Function] = &[status_name, last_error, misuse_handler, hid_enumerate, hid_watch];

/// What is called without an object.
pub fn others(from: Input) {
    OTHERS[from.choose(OTHERS.len())](from);
}

fn status_name(from: Input) {
    let status = if from.flag() { from.status() } else { from.u32() as i32 };
    // SAFETY: the library's text, which is never NULL.
    let name = unsafe { CStr::from_ptr(call!(DMF_StatusName(status))) };
    assert!(name.to_bytes().starts_with(b"STATUS_"));
    assert!(call!(DMF_VersionGet()) > 0);
}

fn last_error(_: Input) {
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(call!(DMF_LastErrorMessageGet())) };
    assert!(text.to_str().is_ok());
}

/// Without a handler DMF_MISUSE decides, which is `ignore` here.
fn misuse_handler(from: Input) {
    let handler = if from.flag() { Some(callbacks::misuse as _) } else { None };
    call!(DMF_MisuseHandlerSet(handler, null_mut()));
}

fn hid_enumerate(from: Input) {
    // It reads the system's list, which takes a while.
    if from.one_in(2) {
        call!(DMF_Hid_Enumerate(Some(callbacks::hid_entry), null_mut()));
    }
}

fn hid_watch(from: Input) {
    let mut watch = null_mut();
    let callback = if from.one_in(16) { None } else { Some(callbacks::hid_change as _) };
    let pointer = super::common::maybe(from, &mut watch);
    world().threaded = true;
    let device = c(device(from));
    if succeeded(call!(DMF_Hid_WatchStart(device, null(), callback, null_mut(), pointer))) {
        world().add(watch.addr(), Kind::Watch, 0, 0);
    }
}
