//! RingBuffer and PingPongBuffer.

use super::Method;
use super::common::{Making, affordable, create, done, maybe, succeeded};
use crate::calls::callbacks;
use crate::calls::input::Input;
use crate::calls::memory::{self, Memory};
use crate::calls::world::{Kind, c};
use crate::{call, entry};
use dmf::capi::ping_pong_buffer::DMF_CONFIG_PingPongBuffer;
use dmf::capi::ring_buffer::DMF_CONFIG_RingBuffer;
use std::mem::zeroed;
use std::ptr::null_mut;

pub fn create_ring(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let (mut config, mut attributes): (DMF_CONFIG_RingBuffer, _) = unsafe { (zeroed(), zeroed()) };
    call!(DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&mut config, &mut attributes));
    config.item_count = affordable(from.count(), 1 << 10);
    config.item_size = affordable(from.number(), 1 << 14);
    config.mode = from.mode(2);
    let size = config.item_size;
    let making = Making { kind: Kind::Ring, config, attributes, size, context_size: 0 };
    create(from, making, entry!(DMF_RingBuffer_Create));
}

pub const RING: &[Method] = &[
    write,
    write,
    write,
    read,
    read,
    read_all,
    enumerate,
    find,
    reorder,
    segments_write,
    segments_read,
    total_size,
];

/// Of the right size, where that is known.
fn item(from: Input, ring: usize) -> Memory {
    let size = super::world().known(ring).map_or(0, |known| known.size);
    if from.byte() < 200 { Memory::of(size as usize, from.byte()) } else { Memory::any(from) }
}

fn write(from: Input, ring: usize) {
    let item = item(from, ring);
    call!(DMF_RingBuffer_Write(c(ring), item.pointer(), item.u32()));
}

fn read(from: Input, ring: usize) {
    let item = item(from, ring);
    call!(DMF_RingBuffer_Read(c(ring), item.pointer(), item.u32()));
}

fn read_all(from: Input, ring: usize) {
    let target = Memory::any(from);
    let mut written = u32::MAX;
    let pointer = maybe(from, &mut written);
    let status = call!(DMF_RingBuffer_ReadAll(c(ring), target.pointer(), target.u32(), pointer));
    assert!(!succeeded(status) || written <= target.u32());
}

fn enumerate(from: Input, ring: usize) {
    let callback = if from.one_in(32) { None } else { Some(callbacks::ring_entry as _) };
    call!(DMF_RingBuffer_Enumerate(c(ring), from.byte() & 3, callback, c(from.byte().into())));
}

fn find(from: Input, ring: usize) {
    let callback = if from.one_in(32) { None } else { Some(callbacks::ring_entry as _) };
    let item = Memory::any(from);
    call!(DMF_RingBuffer_EnumerateToFindItem(
        c(ring),
        callback,
        null_mut(),
        item.pointer(),
        item.u32()
    ));
}

fn reorder(from: Input, ring: usize) {
    call!(DMF_RingBuffer_Reorder(c(ring), from.byte() & 3));
}

/// Segments, each with memory of its size.
struct Segments {
    _memory: Vec<Memory>,
    pointers: Vec<*mut u8>,
    sizes: Vec<u32>,
    offsets: Vec<u32>,
}

impl Segments {
    fn any(from: Input) -> Self {
        let memory: Vec<_> = (0..from.choose(5)).map(|_| Memory::any(from)).collect();
        Self {
            pointers: memory.iter().map(Memory::pointer).collect(),
            sizes: memory.iter().map(Memory::u32).collect(),
            offsets: memory.iter().map(|_| from.number()).collect(),
            _memory: memory,
        }
    }
}

fn segments_write(from: Input, ring: usize) {
    let mut segments = Segments::any(from);
    let sizes = if from.one_in(32) { null_mut() } else { segments.sizes.as_mut_ptr() };
    let (pointers, offsets) = (segments.pointers.as_mut_ptr(), segments.offsets.as_mut_ptr());
    let count = segments.pointers.len() as u32;
    call!(DMF_RingBuffer_SegmentsWrite(c(ring), pointers, sizes, offsets, count));
}

fn segments_read(from: Input, ring: usize) {
    let mut segments = Segments::any(from);
    let offsets = if from.one_in(32) { null_mut() } else { segments.offsets.as_mut_ptr() };
    let (pointers, sizes) = (segments.pointers.as_mut_ptr(), segments.sizes.as_mut_ptr());
    let count = segments.pointers.len() as u32;
    call!(DMF_RingBuffer_SegmentsRead(c(ring), pointers, sizes, offsets, count));
}

fn total_size(from: Input, ring: usize) {
    let mut size = 0;
    call!(DMF_RingBuffer_TotalSizeGet(c(ring), maybe(from, &mut size)));
}

pub fn create_ping_pong(from: Input) {
    // SAFETY: integers, pointers and optional callbacks.
    let (mut config, mut attributes): (DMF_CONFIG_PingPongBuffer, _) =
        unsafe { (zeroed(), zeroed()) };
    call!(DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&mut config, &mut attributes));
    config.buffer_size = affordable(from.number(), 1 << 14);
    let size = config.buffer_size;
    let making = Making { kind: Kind::PingPong, config, attributes, size, context_size: 0 };
    create(from, making, entry!(DMF_PingPongBuffer_Create));
}

pub const PING_PONG: &[Method] = &[append, append, get, consume, shift, reset];

fn append(from: Input, buffer: usize) {
    let bytes = Memory::any(from);
    let mut result = 0;
    let pointer = maybe(from, &mut result);
    call!(DMF_PingPongBuffer_Write(c(buffer), bytes.pointer(), bytes.u32(), pointer));
}

/// What Get and Consume answer stays while only this thread calls.
fn look(address: *const u8, length: u32) {
    if !address.is_null() && !super::world().threaded {
        // SAFETY: the library says so.
        unsafe { memory::read(address, length as usize) };
    }
}

fn get(from: Input, buffer: usize) {
    let mut size = 0;
    let pointer = maybe(from, &mut size);
    let address = call!(DMF_PingPongBuffer_Get(c(buffer), pointer));
    assert_eq!(done(), !address.is_null());
    look(address, size);
}

fn consume(from: Input, buffer: usize) {
    let (start, length) = (from.number(), from.number());
    let packet = call!(DMF_PingPongBuffer_Consume(c(buffer), start, length));
    look(packet, length);
}

fn shift(from: Input, buffer: usize) {
    call!(DMF_PingPongBuffer_Shift(c(buffer), from.number()));
}

fn reset(_: Input, buffer: usize) {
    call!(DMF_PingPongBuffer_Reset(c(buffer)));
}
