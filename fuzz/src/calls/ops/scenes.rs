//! Several calls that lead somewhere, since few sequences at random do: a stream that streams, work that is done.

use super::common::waiting;
use super::{Function, buffers, objects, own, pools, requests, streams, targets, work};
use crate::call;
use crate::calls::input::Input;
use crate::calls::world::{Kind, c, world};

const IN_A_ROW: usize = 100;

/// The newest object of that kind.
fn newest(kind: Kind) -> usize {
    let world = world();
    let newest = world.handles.iter().rev().find(|known| known.kind == kind);
    newest.map_or(0, |known| known.handle)
}

pub fn stream(from: Input) {
    if from.byte() % 3 == 0 {
        targets::open_replay(from);
    } else {
        targets::create_client(from);
    }
    streams::create_stream(from);
    let (stream, target) = (newest(Kind::Stream), newest(Kind::Target));
    streams::set(stream, target);
    streams::start(from, stream);
}

pub fn sends(from: Input) {
    stream(from);
    let stream = newest(Kind::Stream);
    for _ in 0..from.choose(4) {
        streams::SENDS[from.choose(streams::SENDS.len())](from, stream);
    }
}

pub fn threaded_work(from: Input) {
    work::create_threaded(from);
    let queue = newest(Kind::Threaded);
    work::start(from, queue);
    for _ in 0..from.choose(4) {
        work::fetch(from, queue);
        work::ENQUEUES[from.choose(work::ENQUEUES.len())](from, queue);
    }
}

pub fn queued_work(from: Input) {
    work::create_work(from);
    let module = newest(Kind::Work);
    for _ in 0..from.choose(4) {
        work::WORK[from.choose(2)](from, module);
    }
}

pub fn queue(from: Input) {
    pools::create_queue(from);
    let queue = newest(Kind::Queue);
    for _ in 0..from.choose(6) {
        pools::fetch(from, queue);
        pools::ENQUEUES[from.choose(pools::ENQUEUES.len())](from, queue);
    }
}

pub fn sink(from: Input) {
    pools::create_pool(from);
    let source = newest(Kind::Pool);
    pools::create_pool(from);
    let sink = newest(Kind::Pool);
    for _ in 0..from.choose(6) {
        pools::get(from, source);
        pools::PUTS[from.choose(pools::PUTS.len())](from, sink);
    }
}

pub fn notification(from: Input) {
    requests::create_notify(from);
    let module = newest(Kind::Notify);
    for _ in 0..from.choose(5) {
        requests::create_request(from);
        requests::add(from, module, newest(Kind::Request));
    }
}

const LIVES: &[(Kind, Function)] = &[
    (Kind::Ring, buffers::create_ring),
    (Kind::PingPong, buffers::create_ping_pong),
    (Kind::Pool, pools::create_pool),
    (Kind::Queue, pools::create_queue),
    (Kind::Work, work::create_work),
    (Kind::Threaded, work::create_threaded),
    (Kind::Notify, requests::create_notify),
    (Kind::Stream, streams::create_stream),
    (Kind::Request, requests::create_request),
    (Kind::Target, targets::create_client),
    (Kind::Target, targets::open_replay),
    (Kind::Device, objects::create_device),
];

/// An object, and calls of its own.
pub fn life(from: Input) {
    let (kind, create) = LIVES[from.choose(LIVES.len())];
    create(from);
    let object = newest(kind);
    for _ in 0..from.choose(12) {
        own(from, object);
    }
}

pub fn ring(from: Input) {
    buffers::create_ring(from);
    let ring = newest(Kind::Ring);
    for _ in 0..from.choose(6) {
        buffers::RING[0](from, ring);
    }
    for _ in 0..from.choose(6) {
        own(from, ring);
    }
}

/// What one thread calls often enough in a row is its own, until another thread calls it.
pub fn owned(from: Input) {
    let (kind, create) = LIVES[from.choose(4)];
    create(from);
    let object = newest(kind);
    for _ in 0..IN_A_ROW {
        match kind {
            Kind::Ring => call!(DMF_RingBuffer_TotalSizeGet(c(object), &mut 0)),
            Kind::PingPong => call!(DMF_PingPongBuffer_Reset(c(object))),
            Kind::Pool => std::mem::drop(call!(DMF_BufferPool_Count(c(object)))),
            _ => std::mem::drop(call!(DMF_BufferQueue_Count(c(object)))),
        }
    }
    for _ in 0..from.choose(12) {
        if from.one_in(6) {
            world().threaded = true;
            waiting("a call of what another thread owns", object, move || own(from, object));
        } else {
            own(from, object);
        }
    }
}
