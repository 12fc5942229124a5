//! BufferPool and BufferQueue.

use super::Method;
use super::common::{Making, create, done, give, got, maybe, settings, succeeded};
use crate::calls::callbacks;
use crate::calls::input::Input;
use crate::calls::world::{Kind, c, world};
use crate::{call, entry};
use dmf::capi::buffer_pool::DMF_CONFIG_BufferPool;
use dmf::capi::buffer_queue::DMF_CONFIG_BufferQueue;
use dmf::capi::types::*;
use std::mem::zeroed;
use std::ptr::null_mut;

pub fn create_pool(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let (mut config, mut attributes): (DMF_CONFIG_BufferPool, _) = unsafe { (zeroed(), zeroed()) };
    call!(DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&mut config, &mut attributes));
    config.buffer_pool_mode = from.mode(2);
    let (mut size, mut context_size) = (0, 0);
    if config.buffer_pool_mode != 2 || from.one_in(8) {
        let settings = settings(from);
        config.mode.source_settings = settings;
        if config.buffer_pool_mode == 1 {
            (size, context_size) = (settings.buffer_size, settings.buffer_context_size);
        }
    }
    let making = Making { kind: Kind::Pool, config, attributes, size, context_size };
    create(from, making, entry!(DMF_BufferPool_Create));
}

pub const POOL: &[Method] = &[
    get,
    get,
    get_with_memory,
    get_with_descriptor,
    put,
    put,
    put_at_head,
    put_with_timer,
    enumerate,
    pool_context,
    parameters,
    count,
];

/// Notes a buffer that a pool gave. Only a Source says what it is like.
fn taken(pool: usize, buffer: *mut VOID, context: *mut VOID, has_context: bool) {
    let is_source = world().known(pool).is_some_and(|known| known.size > 0);
    let is_sink = world().known(pool).is_some() && !is_source;
    let mut context = context;
    if !has_context {
        call!(DMF_BufferPool_ContextGet(c(pool), buffer, &mut context));
    }
    got(pool, buffer, (!is_sink).then_some(context));
}

/// Those that give a buffer to a pool.
pub const PUTS: &[Method] = &[put, put_at_head, put_with_timer];

pub fn get(from: Input, pool: usize) {
    let (mut buffer, mut context) = (null_mut(), null_mut());
    let pointer = maybe(from, &mut buffer);
    let has_context = from.byte() % 4 != 0;
    let context_pointer = if has_context { &raw mut context } else { null_mut() };
    if succeeded(call!(DMF_BufferPool_Get(c(pool), pointer, context_pointer))) {
        taken(pool, buffer, context, has_context);
    }
}

fn get_with_memory(from: Input, pool: usize) {
    let (mut buffer, mut context, mut memory) = (null_mut(), null_mut(), null_mut());
    let pointer = maybe(from, &mut context);
    if succeeded(call!(DMF_BufferPool_GetWithMemory(c(pool), &mut buffer, pointer, &mut memory))) {
        taken(pool, buffer, context, true);
        see_memory(memory);
    }
}

fn see_memory(memory: WDFMEMORY) {
    world().add(memory.addr(), Kind::Memory, 0, 0);
}

fn descriptor() -> WDF_MEMORY_DESCRIPTOR {
    // SAFETY: integers and pointers.
    unsafe { zeroed() }
}

fn get_with_descriptor(from: Input, pool: usize) {
    let (mut buffer, mut context, mut descriptor) = (null_mut(), null_mut(), descriptor());
    let pointer = maybe(from, &mut descriptor);
    if succeeded(call!(DMF_BufferPool_GetWithMemoryDescriptor(
        c(pool),
        &mut buffer,
        pointer,
        &mut context
    ))) {
        taken(pool, buffer, context, true);
        see_memory(descriptor.handle_type.memory);
    }
}

fn put(from: Input, pool: usize) {
    give(from, |buffer| {
        call!(DMF_BufferPool_Put(c(pool), buffer));
        done()
    });
}

fn put_at_head(from: Input, pool: usize) {
    give(from, |buffer| {
        call!(DMF_BufferPool_PutAtHead(c(pool), buffer));
        done()
    });
}

fn timer_callback(from: Input) -> PEVT_DMF_BufferPool_TimerCallback {
    world().threaded = true;
    if from.one_in(16) { None } else { Some(callbacks::expired) }
}

fn put_with_timer(from: Input, pool: usize) {
    let (soon, callback) = (from.soon(), timer_callback(from));
    give(from, |buffer| {
        call!(DMF_BufferPool_PutInSinkWithTimer(c(pool), buffer, soon, callback, null_mut()));
        done()
    });
}

fn enumerate(from: Input, pool: usize) {
    let (mut buffer, mut context) = (null_mut(), null_mut());
    let callback = if from.one_in(32) { None } else { Some(callbacks::pool_entry as _) };
    let pointer = maybe(from, &mut buffer);
    call!(DMF_BufferPool_Enumerate(c(pool), callback, null_mut(), pointer, &mut context));
    if !buffer.is_null() {
        got(pool, buffer, None);
    }
}

/// A buffer, wherever it is.
fn any_buffer(from: Input) -> *mut VOID {
    let world = world();
    let all: Vec<usize> = world.shapes.keys().copied().collect();
    drop(world);
    match from.byte() {
        0..=219 => c(all.iter().min().copied().unwrap_or(0)),
        220..=239 => c(all.iter().max().map_or(0, |address| address + 16)),
        _ => c(from.u64() as usize),
    }
}

fn pool_context(from: Input, pool: usize) {
    let mut context = null_mut();
    let pointer = maybe(from, &mut context);
    call!(DMF_BufferPool_ContextGet(c(pool), any_buffer(from), pointer));
}

fn parameters(from: Input, pool: usize) {
    let (mut descriptor, mut memory, mut size) = (descriptor(), null_mut(), 0);
    let (mut context, mut context_size) = (null_mut(), 0);
    call!(DMF_BufferPool_ParametersGet(
        c(pool),
        any_buffer(from),
        maybe(from, &mut descriptor),
        maybe(from, &mut memory),
        maybe(from, &mut size),
        maybe(from, &mut context),
        maybe(from, &mut context_size),
    ));
    if !memory.is_null() {
        see_memory(memory);
    }
}

fn count(_: Input, pool: usize) {
    call!(DMF_BufferPool_Count(c(pool)));
}

pub fn create_queue(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let (mut config, mut attributes): (DMF_CONFIG_BufferQueue, _) = unsafe { (zeroed(), zeroed()) };
    call!(DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&mut config, &mut attributes));
    config.source_settings = settings(from);
    if from.flag() {
        config.evt_buffer_queue_reuse_cleanup = Some(callbacks::reuse);
    }
    let BufferPool_SourceSettings { buffer_size: size, buffer_context_size: context_size, .. } =
        config.source_settings;
    let making = Making { kind: Kind::Queue, config, attributes, size, context_size };
    create(from, making, entry!(DMF_BufferQueue_Create));
}

pub const QUEUE: &[Method] = &[
    fetch,
    fetch,
    enqueue,
    enqueue,
    enqueue_at_head,
    enqueue_with_timer,
    dequeue,
    dequeue_with_descriptor,
    reuse,
    flush,
    enumerate_queue,
    queue_context,
    queue_count,
];

/// Those that give a buffer to the Consumer.
pub const ENQUEUES: &[Method] = &[enqueue, enqueue_at_head, enqueue_with_timer];

pub fn fetch(from: Input, queue: usize) {
    let (mut buffer, mut context) = (null_mut(), null_mut());
    let pointer = maybe(from, &mut buffer);
    let has_context = from.byte() % 4 != 0;
    let context_pointer = if has_context { &raw mut context } else { null_mut() };
    if succeeded(call!(DMF_BufferQueue_Fetch(c(queue), pointer, context_pointer))) {
        if !has_context {
            call!(DMF_BufferQueue_ContextGet(c(queue), buffer, &mut context));
        }
        got(queue, buffer, Some(context));
    }
}

fn enqueue(from: Input, queue: usize) {
    give(from, |buffer| {
        call!(DMF_BufferQueue_Enqueue(c(queue), buffer));
        done()
    });
}

fn enqueue_at_head(from: Input, queue: usize) {
    give(from, |buffer| {
        call!(DMF_BufferQueue_EnqueueAtHead(c(queue), buffer));
        done()
    });
}

fn enqueue_with_timer(from: Input, queue: usize) {
    let (soon, callback) = (from.soon(), timer_callback(from));
    give(from, |buffer| {
        succeeded(call!(DMF_BufferQueue_EnqueueWithTimer(
            c(queue),
            buffer,
            soon,
            callback,
            null_mut()
        )))
    });
}

fn dequeue(from: Input, queue: usize) {
    let (mut buffer, mut context) = (null_mut(), null_mut());
    let pointer = maybe(from, &mut buffer);
    if succeeded(call!(DMF_BufferQueue_Dequeue(c(queue), pointer, maybe(from, &mut context)))) {
        got(queue, buffer, None);
    }
}

fn dequeue_with_descriptor(from: Input, queue: usize) {
    let (mut buffer, mut context, mut descriptor) = (null_mut(), null_mut(), descriptor());
    let pointer = maybe(from, &mut descriptor);
    if succeeded(call!(DMF_BufferQueue_DequeueWithMemoryDescriptor(
        c(queue),
        &mut buffer,
        pointer,
        &mut context
    ))) {
        got(queue, buffer, None);
        see_memory(descriptor.handle_type.memory);
    }
}

fn reuse(from: Input, queue: usize) {
    give(from, |buffer| {
        call!(DMF_BufferQueue_Reuse(c(queue), buffer));
        done()
    });
}

fn flush(_: Input, queue: usize) {
    call!(DMF_BufferQueue_Flush(c(queue)));
}

fn enumerate_queue(from: Input, queue: usize) {
    let (mut buffer, mut context) = (null_mut(), null_mut());
    let callback = if from.one_in(32) { None } else { Some(callbacks::pool_entry as _) };
    let pointer = maybe(from, &mut buffer);
    call!(DMF_BufferQueue_Enumerate(c(queue), callback, null_mut(), pointer, &mut context));
    if !buffer.is_null() {
        got(queue, buffer, None);
    }
}

fn queue_context(from: Input, queue: usize) {
    let mut context = null_mut();
    call!(DMF_BufferQueue_ContextGet(c(queue), any_buffer(from), maybe(from, &mut context)));
}

fn queue_count(_: Input, queue: usize) {
    call!(DMF_BufferQueue_Count(c(queue)));
}
