//! QueuedWorkItem and ThreadedBufferQueue.

use super::Method;
use super::common::{
    Making, Sent, choose, create, done, give, got, maybe, settings, succeeded, waiting,
};
use crate::calls::callbacks;
use crate::calls::input::Input;
use crate::calls::memory::Memory;
use crate::calls::world::{Kind, c, world};
use crate::{call, entry};
use dmf::capi::queued_work_item::DMF_CONFIG_QueuedWorkItem;
use dmf::capi::threaded_buffer_queue::DMF_CONFIG_ThreadedBufferQueue;
use std::mem::zeroed;
use std::ptr::null_mut;

pub fn create_work(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let (mut config, mut attributes): (DMF_CONFIG_QueuedWorkItem, _) =
        unsafe { (zeroed(), zeroed()) };
    call!(DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&mut config, &mut attributes));
    config.evt_queued_workitem_function =
        if from.one_in(32) { None } else { Some(callbacks::work) };
    config.buffer_queue_config.source_settings = settings(from);
    if from.flag() {
        config.buffer_queue_config.evt_buffer_queue_reuse_cleanup = Some(callbacks::reuse);
    }
    let settings = config.buffer_queue_config.source_settings;
    let (size, context_size) = (settings.buffer_size, settings.buffer_context_size);
    let making = Making { kind: Kind::Work, config, attributes, size, context_size };
    world().threaded = true;
    create(from, making, entry!(DMF_QueuedWorkItem_Create));
}

pub const WORK: &[Method] =
    &[enqueue_work, enqueue_work, enqueue_work_and_wait, flush_work, status_set];

fn enqueue_work(from: Input, module: usize) {
    let bytes = Memory::any(from);
    call!(DMF_QueuedWorkItem_Enqueue(c(module), bytes.pointer(), bytes.u32()));
}

fn enqueue_work_and_wait(from: Input, module: usize) {
    let bytes = Memory::any(from);
    waiting("DMF_QueuedWorkItem_EnqueueAndWait", module, move || {
        call!(DMF_QueuedWorkItem_EnqueueAndWait(c(module), bytes.pointer(), bytes.u32()));
    });
}

fn flush_work(_: Input, module: usize) {
    waiting("DMF_QueuedWorkItem_Flush", module, move || {
        call!(DMF_QueuedWorkItem_Flush(c(module)));
    });
}

fn status_set(from: Input, module: usize) {
    let any = world().former.first().copied().unwrap_or(0);
    let buffer = if from.flag() { any } else { from.u64() as usize };
    call!(DMF_QueuedWorkItem_StatusSet(c(module), c(buffer), from.status()));
}

pub fn create_threaded(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let (mut config, mut attributes): (DMF_CONFIG_ThreadedBufferQueue, _) =
        unsafe { (zeroed(), zeroed()) };
    call!(DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&mut config, &mut attributes));
    config.buffer_queue_config.source_settings = settings(from);
    config.evt_threaded_buffer_queue_work =
        if from.one_in(32) { None } else { Some(callbacks::threaded_work) };
    let which = from.byte();
    if which & 1 == 1 {
        config.evt_threaded_buffer_queue_pre = Some(callbacks::thread);
        config.evt_threaded_buffer_queue_post = Some(callbacks::thread);
    }
    if which & 2 == 2 {
        config.evt_threaded_buffer_queue_reuse_cleanup = Some(callbacks::reuse);
    }
    let settings = config.buffer_queue_config.source_settings;
    let (size, context_size) = (settings.buffer_size, settings.buffer_context_size);
    let making = Making { kind: Kind::Threaded, config, attributes, size, context_size };
    world().threaded = true;
    create(from, making, entry!(DMF_ThreadedBufferQueue_Create));
}

pub const THREADED: &[Method] = &[
    start,
    start,
    stop,
    fetch,
    fetch,
    enqueue,
    enqueue,
    enqueue_at_head,
    enqueue_and_wait,
    enqueue_at_head_and_wait,
    reuse,
    flush,
    work_completed,
    work_completed,
    count,
];

/// Those that give a buffer to the thread.
pub const ENQUEUES: &[Method] =
    &[enqueue, enqueue_at_head, enqueue_and_wait, enqueue_at_head_and_wait];

pub fn start(_: Input, queue: usize) {
    call!(DMF_ThreadedBufferQueue_Start(c(queue)));
}

fn stop(_: Input, queue: usize) {
    waiting("DMF_ThreadedBufferQueue_Stop", queue, move || {
        call!(DMF_ThreadedBufferQueue_Stop(c(queue)));
    });
}

pub fn fetch(from: Input, queue: usize) {
    let (mut buffer, mut context) = (null_mut(), null_mut());
    let pointer = maybe(from, &mut buffer);
    if succeeded(call!(DMF_ThreadedBufferQueue_Fetch(c(queue), pointer, &mut context))) {
        got(queue, buffer, Some(context));
    }
}

fn enqueue(from: Input, queue: usize) {
    give(from, |buffer| {
        call!(DMF_ThreadedBufferQueue_Enqueue(c(queue), buffer));
        done()
    });
}

fn enqueue_at_head(from: Input, queue: usize) {
    give(from, |buffer| {
        call!(DMF_ThreadedBufferQueue_EnqueueAtHead(c(queue), buffer));
        done()
    });
}

/// The status is the work's, so what became of the buffer is not always clear.
fn enqueue_waiting(from: Input, queue: usize, at_head: bool) {
    let (address, is_owned) = choose(from);
    if !is_owned {
        // Garbage, which is refused at once, whoever calls.
        let status = if at_head {
            call!(DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait(c(queue), c(address)))
        } else {
            call!(DMF_ThreadedBufferQueue_EnqueueAndWait(c(queue), c(address)))
        };
        return assert!(!succeeded(status));
    }
    let buffer = Sent(address);
    world().unclear.push(address);
    waiting("DMF_ThreadedBufferQueue_EnqueueAndWait", queue, move || {
        let Sent(address) = buffer;
        if at_head {
            call!(DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait(c(queue), c(address)));
        } else {
            call!(DMF_ThreadedBufferQueue_EnqueueAndWait(c(queue), c(address)));
        }
    });
}

fn enqueue_and_wait(from: Input, queue: usize) {
    enqueue_waiting(from, queue, false);
}

fn enqueue_at_head_and_wait(from: Input, queue: usize) {
    enqueue_waiting(from, queue, true);
}

fn reuse(from: Input, queue: usize) {
    give(from, |buffer| {
        call!(DMF_ThreadedBufferQueue_Reuse(c(queue), buffer));
        done()
    });
}

fn flush(_: Input, queue: usize) {
    waiting("DMF_ThreadedBufferQueue_Flush", queue, move || {
        call!(DMF_ThreadedBufferQueue_Flush(c(queue)));
    });
}

fn work_completed(from: Input, queue: usize) {
    let unfinished = world().unfinished.pop();
    let any = unfinished.unwrap_or(from.u64() as usize | 1);
    call!(DMF_ThreadedBufferQueue_WorkCompleted(c(queue), c(any), from.status()));
    if let Some(unfinished) = unfinished.filter(|_| !done()) {
        world().unfinished.push(unfinished);
    }
}

fn count(_: Input, queue: usize) {
    call!(DMF_ThreadedBufferQueue_Count(c(queue)));
}
