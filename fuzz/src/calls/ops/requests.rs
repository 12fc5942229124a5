//! Requests of the program, and NotifyUserWithRequest.

use super::Method;
use super::common::{Making, create, maybe, succeeded, waiting};
use crate::calls::callbacks;
use crate::calls::input::Input;
use crate::calls::memory::Memory;
use crate::calls::world::{Kind, c, device, pick, world};
use crate::{call, entry};
use dmf::capi::notify_user_with_request::DMF_CONFIG_NotifyUserWithRequest;
use dmf::capi::types::*;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

pub fn create_request(from: Input) {
    let device = device(from);
    let (input, output) = (Memory::any(from), Memory::any(from));
    let places = [&input, &output].map(|memory| (memory.pointer(), memory.length));
    let mut request = null_mut();
    let pointer = maybe(from, &mut request);
    let code = if from.flag() { 0 } else { from.u32() };
    let (context, pending) = world().expect(true, input, output);
    let status = call!(DMF_Request_Create(
        c(device),
        places[0].0,
        places[0].1,
        places[1].0,
        places[1].1,
        code,
        Some(callbacks::request_completed),
        c(context),
        pointer
    ));
    assert_eq!(succeeded(status), !request.is_null());
    if succeeded(status) {
        pending.handle.store(request.addr(), Ordering::SeqCst);
        world().add(request.addr(), Kind::Request, 0, 0);
    }
}

pub const REQUEST: &[Method] = &[
    cancel,
    cancel,
    wait,
    wait_for_ever,
    input_buffer,
    output_buffer,
    complete,
    complete_held,
    complete_with_information,
    set_information,
    get_information,
    get_status,
    is_canceled,
    mark,
    mark_ex,
    unmark,
];

fn cancel(_: Input, request: usize) {
    call!(DMF_Request_Cancel(c(request)));
}

fn wait(from: Input, request: usize) {
    let (mut status, mut information) = (0, 0);
    let pointer = maybe(from, &mut status);
    call!(DMF_Request_Wait(c(request), 1, pointer, maybe(from, &mut information)));
}

fn wait_for_ever(_: Input, request: usize) {
    // Whoever waits for what only this thread can end waits for ever: another thread does.
    if callbacks::place() == callbacks::Place::Outside {
        world().threaded = true;
    }
    waiting("DMF_Request_Wait", request, move || {
        call!(DMF_Request_Wait(c(request), 0, null_mut(), null_mut()));
    });
}

fn input_buffer(from: Input, request: usize) {
    let (mut buffer, mut length) = (null_mut(), 0);
    let pointer = maybe(from, &mut length);
    call!(WdfRequestRetrieveInputBuffer(c(request), from.number() as usize, &mut buffer, pointer));
}

fn output_buffer(from: Input, request: usize) {
    let (mut buffer, mut length) = (null_mut(), 0);
    let pointer = maybe(from, &mut buffer);
    call!(WdfRequestRetrieveOutputBuffer(c(request), from.number() as usize, pointer, &mut length));
}

fn complete(from: Input, request: usize) {
    call!(WdfRequestComplete(c(request), from.status()));
}

fn complete_held(from: Input, request: usize) {
    let held = world().held.pop().unwrap_or(request);
    call!(WdfRequestCompleteWithInformation(c(held), from.status(), from.number() as usize));
}

fn complete_with_information(from: Input, request: usize) {
    let status = if from.one_in(4) { 0x103 } else { from.status() };
    call!(WdfRequestCompleteWithInformation(c(request), status, from.u64() as usize));
}

fn set_information(from: Input, request: usize) {
    call!(WdfRequestSetInformation(c(request), from.number() as usize));
}

fn get_information(_: Input, request: usize) {
    call!(WdfRequestGetInformation(c(request)));
}

fn get_status(_: Input, request: usize) {
    call!(WdfRequestGetStatus(c(request)));
}

fn is_canceled(_: Input, request: usize) {
    call!(WdfRequestIsCanceled(c(request)));
}

fn routine(from: Input) -> PFN_WDF_REQUEST_CANCEL {
    if from.one_in(16) { None } else { Some(callbacks::cancel_routine) }
}

fn mark(from: Input, request: usize) {
    call!(WdfRequestMarkCancelable(c(request), routine(from)));
}

fn mark_ex(from: Input, request: usize) {
    call!(WdfRequestMarkCancelableEx(c(request), routine(from)));
}

fn unmark(_: Input, request: usize) {
    call!(WdfRequestUnmarkCancelable(c(request)));
}

pub fn create_notify(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let (mut config, mut attributes): (DMF_CONFIG_NotifyUserWithRequest, _) =
        unsafe { (zeroed(), zeroed()) };
    call!(DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&mut config, &mut attributes));
    let affordable = |number: u32| if number < 1 << 28 { number % 1024 } else { number } as i32;
    config.maximum_number_of_pending_requests = affordable(from.count());
    config.maximum_number_of_pending_data_buffers = affordable(from.count());
    config.size_of_data_buffer = affordable(from.number());
    let which = from.byte();
    if which & 1 == 1 {
        config.evt_pending_requests_cancel = Some(callbacks::request_canceled);
    }
    if which & 2 == 2 {
        config.evt_data_cleanup = Some(callbacks::data_cleanup);
    }
    config.time_stamping = which & 4;
    config.enable_look_aside = which & 8;
    let size = u32::try_from(config.size_of_data_buffer).unwrap_or(0);
    let making = Making { kind: Kind::Notify, config, attributes, size, context_size: 0 };
    create(from, making, entry!(DMF_NotifyUserWithRequest_Create));
}

pub const NOTIFY: &[Method] = &[
    data_process,
    data_process,
    data_process,
    request_add,
    request_add,
    request_process,
    request_process,
    request_return,
    request_return_all,
    request_return_ex,
    data_timestamp,
    request_timestamp,
    discarded,
];

fn callback(from: Input) -> PEVT_DMF_NotifyUserWithRequest_Function {
    if from.one_in(4) { None } else { Some(callbacks::notified) }
}

fn data_process(from: Input, module: usize) {
    let size = world().known(module).map_or(0, |known| known.size);
    // The library reads as many bytes as the Config says.
    let data =
        if from.one_in(16) { Memory::none() } else { Memory::of(size as usize, from.byte()) };
    call!(DMF_NotifyUserWithRequest_DataProcess(
        c(module),
        callback(from),
        data.pointer(),
        from.status()
    ));
}

fn request_add(from: Input, module: usize) {
    let request = pick(from, Kind::Request);
    add(from, module, request);
}

pub fn add(_: Input, module: usize, request: usize) {
    if succeeded(call!(DMF_NotifyUserWithRequest_EventRequestAdd(c(module), c(request)))) {
        world().accepted(request);
    }
}

fn request_process(from: Input, module: usize) {
    let request = pick(from, Kind::Request);
    if succeeded(call!(DMF_NotifyUserWithRequest_RequestProcess(c(module), c(request)))) {
        world().accepted(request);
    }
}

fn request_return(from: Input, module: usize) {
    let context = c(from.u16().into());
    call!(DMF_NotifyUserWithRequest_RequestReturn(
        c(module),
        callback(from),
        context,
        from.status()
    ));
}

fn request_return_all(from: Input, module: usize) {
    let context = c(from.u16().into());
    call!(DMF_NotifyUserWithRequest_RequestReturnAll(
        c(module),
        callback(from),
        context,
        from.status()
    ));
}

fn request_return_ex(from: Input, module: usize) {
    let context = c(from.u16().into());
    call!(DMF_NotifyUserWithRequest_RequestReturnEx(
        c(module),
        callback(from),
        context,
        from.status()
    ));
}

fn data_timestamp(from: Input, module: usize) {
    call!(DMF_NotifyUserWithRequest_DataBufferTimestampGet(c(module), c(from.u64() as usize)));
}

fn request_timestamp(from: Input, module: usize) {
    let request = pick(from, Kind::Request);
    call!(DMF_NotifyUserWithRequest_RequestTimestampGet(c(module), c(request)));
}

fn discarded(_: Input, module: usize) {
    call!(DMF_NotifyUserWithRequest_DiscardedCountGet(c(module)));
}
