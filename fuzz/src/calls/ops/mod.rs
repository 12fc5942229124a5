//! What is called: for each kind of object its Methods, each with arguments of all kinds.

mod buffers;
mod common;
mod objects;
mod pools;
mod requests;
mod scenes;
mod streams;
mod targets;
mod work;

use super::input::Input;
use super::world::{Kind, pick, world};
pub use common::put_back;

/// A call on an object.
type Method = fn(Input, usize);
/// A call on none.
type Function = fn(Input);

const METHODS: [(Kind, &[Method]); 14] = [
    (Kind::Ring, buffers::RING),
    (Kind::PingPong, buffers::PING_PONG),
    (Kind::Pool, pools::POOL),
    (Kind::Queue, pools::QUEUE),
    (Kind::Work, work::WORK),
    (Kind::Threaded, work::THREADED),
    (Kind::Notify, requests::NOTIFY),
    (Kind::Stream, streams::STREAM),
    (Kind::Request, requests::REQUEST),
    (Kind::Target, targets::TARGET),
    (Kind::Watch, objects::OBJECT),
    (Kind::Device, objects::DEVICE),
    (Kind::Memory, objects::MEMORY),
    (Kind::Part, pools::POOL),
];

const FUNCTIONS: &[Function] = &[
    scenes::stream,
    scenes::sends,
    scenes::threaded_work,
    scenes::queued_work,
    scenes::queue,
    scenes::sink,
    scenes::notification,
    scenes::ring,
    scenes::life,
    scenes::life,
    scenes::owned,
    scenes::owned,
    objects::create_device,
    buffers::create_ring,
    buffers::create_ping_pong,
    pools::create_pool,
    pools::create_pool,
    pools::create_queue,
    work::create_work,
    work::create_threaded,
    requests::create_notify,
    requests::create_request,
    requests::create_request,
    streams::create_stream,
    targets::create_client,
    targets::open_replay,
    targets::open_hid,
    objects::initializers,
    objects::others,
];

/// Any call.
pub fn any(from: Input) {
    match from.byte() {
        byte @ 0..=95 => FUNCTIONS[usize::from(byte) % FUNCTIONS.len()](from),
        byte @ 96..=111 => {
            objects::OBJECT[usize::from(byte) % objects::OBJECT.len()](from, any_handle(from))
        }
        byte => {
            let (kind, methods) = METHODS[usize::from(byte) % METHODS.len()];
            let handle = pick(from, kind);
            methods[from.choose(methods.len())](from, handle);
        }
    }
}

fn any_handle(from: Input) -> usize {
    let kind = METHODS[from.choose(METHODS.len())].0;
    pick(from, kind)
}

/// A call on that object.
pub fn own(from: Input, handle: usize) {
    let kind = world().known(handle).map_or(Kind::Part, |known| known.kind);
    let methods = METHODS.iter().find(|(its, _)| *its == kind).unwrap().1;
    methods[from.choose(methods.len())](from, handle);
}
