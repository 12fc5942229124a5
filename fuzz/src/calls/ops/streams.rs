//! ContinuousRequestTarget.

use super::Method;
use super::common::{Making, affordable, create, done, give, maybe, succeeded, waiting};
use crate::calls::callbacks::{self, Place, place};
use crate::calls::input::Input;
use crate::calls::memory::Memory;
use crate::calls::world::{Kind, Pending, c, pick, world};
use crate::{call, entry};
use dmf::capi::continuous_request_target::DMF_CONFIG_ContinuousRequestTarget;
use dmf::capi::types::*;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub fn create_stream(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let (mut config, mut attributes): (DMF_CONFIG_ContinuousRequestTarget, _) =
        unsafe { (zeroed(), zeroed()) };
    call!(DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&mut config, &mut attributes));
    config.continuous_request_count = affordable(from.count(), 1 << 8);
    config.buffer_count_input = affordable(from.count(), 1 << 8);
    config.buffer_count_output = affordable(from.count(), 1 << 8);
    config.request_type = from.mode(4);
    config.buffer_input_size = affordable(from.number(), 1 << 12);
    config.buffer_context_input_size = affordable(from.number(), 1 << 12);
    config.buffer_output_size = affordable(from.number(), 1 << 12);
    config.buffer_context_output_size = affordable(from.number(), 1 << 12);
    config.continuous_request_target_mode = from.enumerator(2);
    config.continuous_request_target_ioctl = from.byte().into();
    let which = from.byte();
    config.enable_look_aside_output = (which & 1).into();
    config.purge_and_start_target_in_d0_callbacks = which & 2;
    config.cancel_and_resend_request_in_d0_callbacks = which & 4;
    if which & 8 == 8 {
        config.evt_continuous_request_target_buffer_input = Some(callbacks::buffer_input);
    }
    if which & 48 != 48 {
        config.evt_continuous_request_target_buffer_output = Some(callbacks::buffer_output);
    }
    let (size, context_size) = (config.buffer_output_size, config.buffer_context_output_size);
    let making = Making { kind: Kind::Stream, config, attributes, size, context_size };
    create(from, making, entry!(DMF_ContinuousRequestTarget_Create));
}

pub const STREAM: &[Method] = &[
    target_set,
    target_set,
    target_set,
    target_clear,
    start,
    start,
    stop,
    stop_and_wait,
    streaming_count,
    buffer_put,
    buffer_put,
    send_synchronously,
    send,
    send_ex,
    send_2025,
    cancel,
    reuse_create,
    reuse_delete,
    reuse_send,
];

/// Those that send a single Request.
pub const SENDS: &[Method] =
    &[send, send_ex, send_2025, reuse_create, reuse_send, send_synchronously];

fn target_set(from: Input, module: usize) {
    set(module, pick(from, Kind::Target));
}

/// With an automatic start that fails it waits for the Requests that were sent, which the Client's target may keep.
pub fn set(module: usize, target: usize) {
    waiting("DMF_ContinuousRequestTarget_IoTargetSet", module, move || {
        call!(DMF_ContinuousRequestTarget_IoTargetSet(c(module), c(target)));
    });
}

fn target_clear(_: Input, module: usize) {
    waiting("DMF_ContinuousRequestTarget_IoTargetClear", module, move || {
        call!(DMF_ContinuousRequestTarget_IoTargetClear(c(module)));
    });
}

pub fn start(_: Input, module: usize) {
    call!(DMF_ContinuousRequestTarget_Start(c(module)));
}

fn stop(_: Input, module: usize) {
    call!(DMF_ContinuousRequestTarget_Stop(c(module)));
}

fn stop_and_wait(_: Input, module: usize) {
    waiting("DMF_ContinuousRequestTarget_StopAndWait", module, move || {
        call!(DMF_ContinuousRequestTarget_StopAndWait(c(module)));
    });
}

fn streaming_count(_: Input, module: usize) {
    call!(DMF_ContinuousRequestTarget_StreamingCountGet(c(module)));
}

fn buffer_put(from: Input, module: usize) {
    give(from, |buffer| {
        call!(DMF_ContinuousRequestTarget_BufferPut(c(module), buffer));
        done()
    });
}

/// What a Send is given: buffers, kind, code, time-out.
struct Single {
    input: Memory,
    output: Memory,
    kind: i32,
    code: u32,
    timeout: u32,
}

impl Single {
    fn any(from: Input) -> Self {
        let kind = from.mode(4);
        // HID's own codes are among those that replayed and real devices answer.
        let code =
            if from.flag() { 0x000B_0000 + 4 * from.u16() as u32 } else { from.byte().into() };
        let timeout = from.soon().min(100_000) as u32;
        Self { input: Memory::any(from), output: Memory::any(from), kind, code, timeout }
    }
}

fn send_synchronously(from: Input, module: usize) {
    let single = Single::any(from);
    let has_result = from.flag();
    // In a callback it must not wait for a target that waits for the callback.
    let place = place();
    let timeout = if place == Place::Outside { single.timeout } else { 1 };
    let call = move || {
        let mut written = usize::MAX;
        let pointer = if has_result { &raw mut written } else { null_mut() };
        let Single { input, output, kind, code, .. } = single;
        let status = call!(DMF_ContinuousRequestTarget_SendSynchronously(
            c(module),
            input.pointer(),
            input.length,
            output.pointer(),
            output.length,
            kind,
            code,
            timeout,
            pointer
        ));
        assert!(!has_result || succeeded(status) || written == 0);
    };
    match place {
        Place::Outside => waiting("DMF_ContinuousRequestTarget_SendSynchronously", module, call),
        Place::Locked(_) => {}
        _ => call(),
    }
}

/// Registers what is sent. Without a callback nobody says when the buffers are free, so there are none.
fn expect(
    from: Input,
    single: &mut Single,
) -> (usize, Arc<Pending>, PEVT_DMF_ContinuousRequestTarget_SendCompletion) {
    let is_told = !from.one_in(16);
    if !is_told {
        (single.input, single.output) = (Memory::none(), Memory::none());
    }
    let (input, output) = (single.input.alias(), single.output.alias());
    let input = std::mem::replace(&mut single.input, input);
    let output = std::mem::replace(&mut single.output, output);
    let (context, pending) = world().expect(false, input, output);
    if !is_told {
        return (context, pending, None);
    }
    (context, pending, Some(callbacks::sent))
}

fn settle(pending: &Pending, callback: bool, status: NTSTATUS) {
    if succeeded(status) {
        pending.accepted.store(callback, Ordering::SeqCst);
    } else {
        assert_eq!(pending.completions.load(Ordering::SeqCst), 0, "completed, and refused");
    }
}

fn send(from: Input, module: usize) {
    let mut single = Single::any(from);
    let (context, pending, callback) = expect(from, &mut single);
    let Single { input, output, kind, code, timeout } = single;
    let status = call!(DMF_ContinuousRequestTarget_Send(
        c(module),
        input.pointer(),
        input.length,
        output.pointer(),
        output.length,
        kind,
        code,
        timeout,
        callback,
        c(context)
    ));
    settle(&pending, callback.is_some(), status);
}

fn send_ex(from: Input, module: usize) {
    let mut single = Single::any(from);
    let (context, pending, callback) = expect(from, &mut single);
    let Single { input, output, kind, code, timeout } = single;
    let option = from.enumerator(2);
    let status = call!(DMF_ContinuousRequestTarget_SendEx(
        c(module),
        input.pointer(),
        input.length,
        output.pointer(),
        output.length,
        kind,
        code,
        timeout,
        option,
        callback,
        c(context)
    ));
    settle(&pending, callback.is_some(), status);
}

fn send_2025(from: Input, module: usize) {
    let mut single = Single::any(from);
    let (context, pending, callback) = expect(from, &mut single);
    let Single { input, output, kind, code, timeout } = single;
    let id = if from.one_in(8) { null_mut() } else { pending.id.as_ptr().cast() };
    let status = call!(DMF_ContinuousRequestTarget_SendEx_2025(
        c(module),
        input.pointer(),
        input.length,
        output.pointer(),
        output.length,
        kind,
        code,
        timeout,
        callback,
        c(context),
        id
    ));
    settle(&pending, callback.is_some(), status);
}

fn cancel(from: Input, module: usize) {
    let id = if from.byte() < 200 {
        let world = world();
        let pending = world.pending.iter().rev().find(|pending| !pending.is_request);
        pending.map_or(0, |pending| pending.id.load(Ordering::SeqCst))
    } else {
        from.u64() as usize
    };
    call!(DMF_ContinuousRequestTarget_Cancel(c(module), c(id)));
}

fn reuse_create(from: Input, module: usize) {
    let mut cookie = null_mut();
    let pointer = maybe(from, &mut cookie);
    if succeeded(call!(DMF_ContinuousRequestTarget_ReuseCreate(c(module), pointer))) {
        world().cookies.push((module, cookie.addr()));
    }
}

/// A cookie, with its Module mostly.
fn cookie(from: Input, module: usize) -> (usize, usize) {
    let world = world();
    match world.cookies.get(from.choose(world.cookies.len())) {
        Some((its, cookie)) if !from.one_in(8) => (*its, *cookie),
        Some((_, cookie)) => (module, *cookie),
        None => (module, from.u16().into()),
    }
}

fn reuse_delete(from: Input, module: usize) {
    let (module, cookie) = cookie(from, module);
    call!(DMF_ContinuousRequestTarget_ReuseDelete(c(module), c(cookie)));
}

fn reuse_send(from: Input, module: usize) {
    let (module, cookie) = cookie(from, module);
    let mut single = Single::any(from);
    let (context, pending, callback) = expect(from, &mut single);
    let Single { input, output, kind, code, timeout } = single;
    let id = if from.one_in(8) { null_mut() } else { pending.id.as_ptr().cast() };
    let status = call!(DMF_ContinuousRequestTarget_ReuseSend(
        c(module),
        c(cookie),
        input.pointer(),
        input.length,
        output.pointer(),
        output.length,
        kind,
        code,
        timeout,
        callback,
        c(context),
        id
    ));
    settle(&pending, callback.is_some(), status);
}
