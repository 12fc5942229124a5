//! What the Client does in callbacks: mostly what it should, sometimes anything.
//!
//! The rules that a Client has to keep are kept: what would wait for another Module's callback is not called inside
//! one, and under the lock of an enumeration only that Module is called.

use super::input::{self, Input};
use super::memory;
use super::ops;
use super::world::{Kind, c, world};
use crate::call;
use dmf::capi::types::*;
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::sync::atomic::Ordering;

/// Where the thread is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In no callback.
    Outside,
    /// In a callback, from which anything may be called that does not wait.
    Inside,
    /// In a callback of this Module, whose Methods that wait refuse to.
    InsideOf(usize),
    /// In an enumeration of this Module, which is locked.
    Locked(usize),
}

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place::Outside) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// What the thread is making: PostOpen is shown it before Create has told its handle.
    static MAKING: Cell<Option<(Kind, u32, u32)>> = const { Cell::new(None) };
}

/// Before a Create: the Module's kind, and the bytes of its buffers and their contexts. None after it.
pub fn is_making(module: Option<(Kind, u32, u32)>) {
    MAKING.set(module);
}

pub fn place() -> Place {
    PLACE.get()
}

/// How deep callbacks call what calls back.
const DEEPEST: u32 = 3;

/// A callback: perhaps it does something.
fn within(new: Place, module: usize) {
    if input::is_over() || DEPTH.get() >= DEEPEST {
        return;
    }
    let before = PLACE.get();
    // What is under a lock stays under it, further in.
    let new = if matches!(before, Place::Locked(_)) { before } else { new };
    PLACE.set(new);
    DEPTH.set(DEPTH.get() + 1);
    act(new, module);
    DEPTH.set(DEPTH.get() - 1);
    PLACE.set(before);
}

fn act(place: Place, module: usize) {
    let from = Input::Back;
    match from.byte() {
        0..=159 => {}
        160..=199 if !matches!(place, Place::Locked(_)) => ops::any(from),
        160..=219 => ops::own(from, module),
        220..=231 => {
            call!(WdfObjectDelete(c(module)));
        }
        232..=239 => {
            let parent = call!(DMF_ParentModuleGet(c(module)));
            call!(WdfObjectDelete(parent.cast()));
        }
        240..=247 if !matches!(place, Place::Locked(_)) => {
            let device = call!(DMF_ParentDeviceGet(c(module)));
            call!(WdfObjectDelete(device.cast()));
        }
        _ => {
            let parent = call!(DMF_ParentModuleGet(c(module)));
            if !parent.is_null() {
                world().add(module, Kind::Part, 0, 0);
            }
            ops::own(from, parent.addr());
        }
    }
}

/// Reads and writes a buffer that the callback was given.
pub fn touch(address: *mut VOID, length: usize) {
    if !address.is_null() {
        // SAFETY: the library says that it is there.
        unsafe {
            memory::read(address.cast(), length);
            address.cast::<u8>().write_bytes(0x5A, length.min(1 << 16));
        }
    }
}

// ---- enumerations

pub unsafe extern "C" fn ring_entry(
    module: DMFMODULE,
    item: *mut UCHAR,
    size: ULONG,
    _: *mut VOID,
) -> BOOLEAN {
    touch(item.cast(), size as usize);
    within(Place::Locked(module.addr()), module.addr());
    (!Input::Back.one_in(6)).into()
}

pub unsafe extern "C" fn pool_entry(
    module: DMFMODULE,
    _: *mut VOID,
    _: *mut VOID,
    _: *mut VOID,
) -> i32 {
    world().add(module.addr(), Kind::Part, 0, 0);
    within(Place::Locked(module.addr()), module.addr());
    if input::is_over() { 1 } else { Input::Back.enumerator(8) }
}

pub unsafe extern "C" fn hid_entry(_: *const DMF_HID_DEVICE_INFORMATION, _: *mut VOID) -> BOOLEAN {
    within(Place::Inside, 0);
    Input::Back.flag().into()
}

pub unsafe extern "C" fn hid_change(
    _: *const DMF_HID_DEVICE_INFORMATION,
    _: BOOLEAN,
    _: *mut VOID,
) {
    within(Place::Inside, 0);
}

// ---- buffers

pub unsafe extern "C" fn expired(module: DMFMODULE, buffer: *mut VOID, _: *mut VOID, _: *mut VOID) {
    world().own(buffer.addr(), 0, None);
    within(Place::Inside, module.addr());
}

/// Of a BufferQueue, or a part of a Module.
pub unsafe extern "C" fn reuse(module: DMFMODULE, buffer: *mut VOID, context: *mut VOID) {
    let shape = world().shapes.get(&buffer.addr()).copied();
    if let Some(shape) = shape {
        touch(buffer, shape.size as usize);
        touch(context, shape.context_size as usize);
    }
    within(Place::Inside, module.addr());
}

pub unsafe extern "C" fn data_cleanup(module: DMFMODULE, data: *mut VOID, _: *mut VOID) {
    let size = world().known(module.addr()).map_or(0, |known| known.size);
    touch(data, size as usize);
    within(Place::Inside, module.addr());
}

pub unsafe extern "C" fn work(module: DMFMODULE, buffer: *mut VOID, context: *mut VOID) -> i32 {
    let known = world().known(module.addr()).copied();
    if let Some(known) = known {
        touch(buffer, known.size as usize);
        touch(context, known.context_size as usize);
    }
    let from = Input::Back;
    if from.one_in(3) {
        call!(DMF_QueuedWorkItem_StatusSet(module, buffer, from.status()));
    }
    within(Place::InsideOf(module.addr()), module.addr());
    from.enumerator(4)
}

pub unsafe extern "C" fn thread(module: DMFMODULE) {
    world().add(module.addr(), Kind::Part, 0, 0);
    within(Place::Inside, module.addr());
}

pub unsafe extern "C" fn threaded_work(
    module: DMFMODULE,
    buffer: *mut UCHAR,
    size: ULONG,
    context: *mut VOID,
    status: *mut NTSTATUS,
) -> i32 {
    touch(buffer.cast(), size as usize);
    let context_size = world().known(module.addr()).map_or(0, |known| known.context_size);
    touch(context, context_size as usize);
    let from = Input::Back;
    // SAFETY: the library's own.
    unsafe { status.write(from.status()) };
    within(Place::InsideOf(module.addr()), module.addr());
    if input::is_over() {
        return 1;
    }
    let disposition = from.enumerator(3);
    if disposition == 2 {
        world().unfinished.push(buffer.addr());
    }
    disposition
}

// ---- objects

pub unsafe extern "C" fn module_event(module: DMFMODULE) {
    if let Some((kind, size, context_size)) = MAKING.take() {
        world().add(module.addr(), kind, size, context_size);
    }
    within(Place::Inside, module.addr());
}

/// The context that [`ops`] asks for in attributes.
pub static CONTEXT: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    size: size_of::<WDF_OBJECT_CONTEXT_TYPE_INFO>() as ULONG,
    context_name: c"Fuzzed".as_ptr(),
    context_size: CONTEXT_SIZE,
    unique_type: std::ptr::null(),
    evt_driver_get_unique_context_type: Some(unique),
});
pub const CONTEXT_SIZE: usize = 24;

pub struct ContextType(pub WDF_OBJECT_CONTEXT_TYPE_INFO);
// SAFETY: nothing of it is ever written.
unsafe impl Sync for ContextType {}

unsafe extern "C" fn unique() -> *const WDF_OBJECT_CONTEXT_TYPE_INFO {
    &raw const CONTEXT.0
}

pub unsafe extern "C" fn cleanup(object: WDFOBJECT) {
    touch(call!(WdfObjectGetTypedContextWorker(object, &raw const CONTEXT.0)), CONTEXT_SIZE);
    world().cleaned_up += 1;
    within(Place::Inside, object.addr());
}

pub unsafe extern "C" fn destroy(object: WDFOBJECT) {
    touch(call!(WdfObjectGetTypedContextWorker(object, &raw const CONTEXT.0)), CONTEXT_SIZE);
    within(Place::Inside, object.addr());
    world().destroyed += 1;
}

pub unsafe extern "C" fn misuse(
    method: *const c_char,
    _: *mut VOID,
    message: *const c_char,
    _: *mut VOID,
) {
    // SAFETY: the library's texts.
    unsafe { assert!(!CStr::from_ptr(method).is_empty() && !CStr::from_ptr(message).is_empty()) };
}

// ---- Requests

pub unsafe extern "C" fn request_completed(
    request: WDFREQUEST,
    _: NTSTATUS,
    _: ULONG_PTR,
    context: *mut VOID,
) {
    super::world::completed(context.addr());
    if Input::Back.one_in(4) {
        call!(WdfObjectDelete(request.cast()));
    }
    within(Place::Inside, request.addr());
}

/// Of a NotifyUserWithRequest: it must complete the Request, at once or later.
pub unsafe extern "C" fn notified(
    module: DMFMODULE,
    request: WDFREQUEST,
    data: ULONG_PTR,
    _: NTSTATUS,
) {
    // Requests come back with the caller's context, which is no address.
    let known = world().known(module.addr()).copied();
    if let Some(known) = known.filter(|_| data > 0x1_0000) {
        touch(c(data), known.size as usize);
        call!(DMF_NotifyUserWithRequest_DataBufferTimestampGet(module, c(data)));
    }
    complete_or_keep(request);
    within(Place::Inside, module.addr());
}

pub unsafe extern "C" fn request_canceled(
    module: DMFMODULE,
    request: WDFREQUEST,
    _: ULONG_PTR,
    _: NTSTATUS,
) {
    complete_or_keep(request);
    within(Place::Inside, module.addr());
}

pub unsafe extern "C" fn cancel_routine(request: WDFREQUEST) {
    complete_or_keep(request);
    within(Place::Inside, request.addr());
}

fn complete_or_keep(request: WDFREQUEST) {
    let from = Input::Back;
    if input::is_over() || !from.one_in(4) {
        call!(WdfRequestCompleteWithInformation(request, from.status(), from.byte().into()));
    } else {
        world().held.push(request.addr());
    }
}

// ---- streams

pub unsafe extern "C" fn buffer_input(
    module: DMFMODULE,
    buffer: *mut VOID,
    size: *mut usize,
    _: *mut VOID,
) {
    // SAFETY: the library's own.
    let length = unsafe { size.read() };
    touch(buffer, length);
    let from = Input::Back;
    if from.one_in(8) {
        // SAFETY: as above.
        unsafe { size.write(from.number() as usize) };
    }
    within(Place::InsideOf(module.addr()), module.addr());
}

pub unsafe extern "C" fn buffer_output(
    module: DMFMODULE,
    buffer: *mut VOID,
    _: usize,
    context: *mut VOID,
    _: NTSTATUS,
) -> i32 {
    // The size is what the target says, and the program's own says anything.
    let known = world().known(module.addr()).copied();
    if let Some(known) = known {
        touch(buffer, known.size as usize);
        if !buffer.is_null() {
            touch(context, known.context_size as usize);
        }
    }
    let address = buffer.addr();
    within(Place::InsideOf(module.addr()), module.addr());
    let from = Input::Back;
    if input::is_over() {
        return 2;
    }
    if !buffer.is_null() && from.one_in(16) {
        // Given back already, and then kept: refused, or forgotten.
        ops::put_back(module.addr(), Kind::Stream, address);
        world().unclear.push(address);
        return from.enumerator(5);
    }
    let disposition = from.enumerator(5);
    if matches!(disposition, 3 | 4) && address != 0 && known.is_some() {
        world().own(address, module.addr(), Some(context.addr()));
    }
    disposition
}

pub unsafe extern "C" fn sent(
    module: DMFMODULE,
    context: *mut VOID,
    _: *mut VOID,
    _: usize,
    _: *mut VOID,
    _: usize,
    _: NTSTATUS,
) {
    let pending = super::world::completed(context.addr());
    std::hint::black_box(pending.id.load(Ordering::Relaxed));
    within(Place::Inside, module.addr());
}

pub unsafe extern "C" fn removed(target: WDFIOTARGET, _: *mut VOID) {
    within(Place::Inside, target.addr());
}

/// A target of the Client's own.
pub unsafe extern "C" fn target_request(
    target: WDFIOTARGET,
    request: WDFREQUEST,
    _: i32,
    _: ULONG,
    input: *mut VOID,
    input_length: usize,
    output: *mut VOID,
    output_length: usize,
    information: *mut ULONG_PTR,
    _: *mut VOID,
) -> NTSTATUS {
    const PENDING: NTSTATUS = 0x103;
    const CANCELLED: NTSTATUS = 0xC000_0120_u32 as i32;
    if !input.is_null() {
        // SAFETY: the sender's buffer, this callback's until the Request is completed.
        unsafe { memory::read(input.cast(), input_length) };
    }
    touch(output, output_length);
    let from = Input::Back;
    if input::is_over() {
        return CANCELLED;
    }
    // SAFETY: the library's own.
    unsafe { information.write(if from.one_in(16) { from.u64() as usize } else { output_length }) };
    world().add(request.addr(), Kind::Request, 0, 0);
    let answer = from.byte();
    if answer % 8 == 7 {
        call!(WdfRequestComplete(request, from.status()));
    }
    if answer % 4 == 1 {
        // Who keeps a Request may say how it is canceled.
        world().held.push(request.addr());
        match answer % 16 {
            1 => call!(WdfRequestMarkCancelable(request, Some(cancel_routine))),
            5 => std::mem::drop(call!(WdfRequestMarkCancelableEx(request, Some(cancel_routine)))),
            _ => {}
        }
    }
    within(Place::InsideOf(target.addr()), target.addr());
    if answer % 4 == 1 || answer % 32 == 7 { PENDING } else { from.status() }
}
