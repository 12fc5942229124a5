//! DMF_RingBuffer: a ring of items of one size. Source: Dmf_RingBuffer.md; BEHAVIOUR, section 1.

#![allow(non_camel_case_types)]

use super::boundary::{at_once, not_null, put, span, status, usual_span, value};
use super::module::{self, config_init};
use super::types::*;
use crate::framework::ends;
use crate::framework::handle::Handle;
use crate::framework::status::{Error, Status};
use crate::framework::sync;
use crate::framework::table::Guard;
use crate::modules::ring_buffer::{Mode, ReadEnd, Refusal, RingBuffer, Segment, WriteEnd};
use std::ffi::CStr;

/// Configuration of a RingBuffer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_CONFIG_RingBuffer {
    /// Items that the ring holds at most.
    pub item_count: ULONG,
    /// Bytes of each item.
    pub item_size: ULONG,
    /// What a write does when the ring is full.
    pub mode: RingBuffer_ModeType_INT,
}

const MODE_FAIL_IF_FULL: RingBuffer_ModeType_INT = 1;
const MODE_DELETE_OLDEST: RingBuffer_ModeType_INT = 2;

/// Initializes a Config (all zero) and attributes that lead to it.
#[unsafe(export_name = "DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn config_and_attributes_init(
    module_config: *mut DMF_CONFIG_RingBuffer,
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
) {
    value(c"DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT", module_config, || {
        let fresh = DMF_CONFIG_RingBuffer { item_count: 0, item_size: 0, mode: 0 };
        // SAFETY: the caller's pointers, or NULL.
        unsafe { config_init(module_config, module_attributes, attributes_init, fresh) }
    })
}

/// Initializes the attributes of a RingBuffer.
#[unsafe(export_name = "DMF_RingBuffer_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: *mut DMF_MODULE_ATTRIBUTES) {
    // SAFETY: the caller's pointer, or NULL.
    unsafe { module::init::<DMF_CONFIG_RingBuffer>(attributes, create) }
}

/// Creates a RingBuffer.
///
/// Parameters: Device, ObjectAttributes: may be NULL; DmfModule: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (ItemCount or ItemSize 0; Mode; attributes);
/// STATUS_INTEGER_OVERFLOW (ItemCount times ItemSize does not fit a ULONG);
/// STATUS_INVALID_DEVICE_REQUEST (PassiveLevel is TRUE); STATUS_INVALID_HANDLE (Device or parent);
/// STATUS_DELETE_PENDING; STATUS_INSUFFICIENT_RESOURCES.
/// Memory: all of it is taken now. The caller deletes the Module with WdfObjectDelete. Any thread.
#[unsafe(export_name = "DMF_RingBuffer_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    dmf_module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    dmf_module: *mut DMFMODULE,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_RingBuffer_Create";
    // SAFETY: the caller's pointers; a Config of integers has no invalid bit pattern.
    unsafe {
        module::create(
            METHOD,
            device,
            dmf_module_attributes,
            object_attributes,
            dmf_module,
            |_, config: &DMF_CONFIG_RingBuffer, setting| {
                if setting.passive_level {
                    return Err(Error::new(
                        Status::INVALID_DEVICE_REQUEST,
                        "a RingBuffer does not support PassiveLevel",
                    ));
                }
                RingBuffer::of_items(config.item_count, config.item_size, mode(config.mode)?)
            },
        )
    }
}

fn mode(mode: RingBuffer_ModeType_INT) -> Result<Mode, Error> {
    match mode {
        MODE_FAIL_IF_FULL => Ok(Mode::FailIfFull),
        MODE_DELETE_OLDEST => Ok(Mode::DeleteOldest),
        _ => Err(Error::new(Status::INVALID_PARAMETER, "Mode is none of the two")),
    }
}

#[inline(always)]
fn ring(module: DMFMODULE) -> Result<Guard<RingBuffer>, Error> {
    ends::lock(Handle::from_c(module))
}

#[inline(always)]
fn write_end(module: DMFMODULE) -> Result<WriteEnd, Error> {
    ends::lock_back(Handle::from_c(module))
}

#[inline(always)]
fn read_end(module: DMFMODULE) -> Result<ReadEnd, Error> {
    ends::lock_front(Handle::from_c(module))
}

/// With `Lock` FALSE the ring is locked all the same, unless this thread holds its lock already.
fn ring_or_inner(module: DMFMODULE, lock: BOOLEAN) -> Result<Guard<RingBuffer>, Error> {
    if lock != 0 { ring(module) } else { ends::relock(Handle::from_c(module)) }
}

/// Calls a callback for each item from the oldest to the newest, until it returns FALSE. It may change the
/// item's bytes; nothing is removed.
///
/// Parameters: Lock: TRUE; FALSE from inside an enumeration callback of the same ring (elsewhere it locks
/// all the same); RingBufferEntryCallback; RingBufferEntryCallbackContext: handed to it.
/// The ring is locked while the callback runs: there its Methods fail with STATUS_INVALID_DEVICE_STATE
/// (misuse), except TotalSizeGet, and Enumerate and Reorder with Lock = FALSE. Any thread.
/// Source: Dmf_RingBuffer.md, Enumerate.
#[unsafe(export_name = "DMF_RingBuffer_Enumerate")]
pub unsafe extern "C" fn enumerate(
    dmf_module: DMFMODULE,
    lock: BOOLEAN,
    ring_buffer_entry_callback: PEVT_DMF_RingBuffer_Enumeration,
    ring_buffer_entry_callback_context: *mut VOID,
) {
    value(c"DMF_RingBuffer_Enumerate", dmf_module, || {
        let mut ring = ring_or_inner(dmf_module, lock)?;
        let callback = callback(ring_buffer_entry_callback)?;
        ring.lend_items(move |bytes, size| {
            let context = ring_buffer_entry_callback_context;
            // SAFETY: the program vouches for its callback; the item is locked meanwhile.
            unsafe { callback(dmf_module, bytes, size as ULONG, context) != 0 }
        });
        Ok(())
    })
}

type Callback = unsafe extern "C" fn(DMFMODULE, *mut UCHAR, ULONG, *mut VOID) -> BOOLEAN;

fn callback(callback: PEVT_DMF_RingBuffer_Enumeration) -> Result<Callback, Error> {
    callback.ok_or(Error::misuse(Status::INVALID_PARAMETER, "RingBufferEntryCallback is NULL"))
}

/// Calls a callback for each item whose first ItemSize bytes equal Item, from the oldest to the newest; what
/// it returns is ignored.
///
/// Parameters: Item: ItemSize bytes; ItemSize: 0 matches every item.
/// The ring is locked while the callback runs, as in DMF_RingBuffer_Enumerate. Misuse: ItemSize larger
/// than an item (no call). Any thread. Source: Dmf_RingBuffer.md, EnumerateToFindItem.
#[unsafe(export_name = "DMF_RingBuffer_EnumerateToFindItem")]
pub unsafe extern "C" fn enumerate_to_find_item(
    dmf_module: DMFMODULE,
    ring_buffer_entry_callback: PEVT_DMF_RingBuffer_Enumeration,
    ring_buffer_entry_callback_context: *mut VOID,
    item: *mut UCHAR,
    item_size: ULONG,
) {
    value(c"DMF_RingBuffer_EnumerateToFindItem", dmf_module, || {
        let mut ring = ring(dmf_module)?;
        let callback = callback(ring_buffer_entry_callback)?;
        // SAFETY: the caller's bytes.
        let wanted = unsafe { span(item, item_size as usize, "Item is NULL")? };
        if wanted.len() > ring.item_size() {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "ItemSize is larger than the ring's items",
            ));
        }
        ring.lend_items(|bytes, size| {
            // SAFETY: the item is locked, and nobody else's meanwhile.
            if wanted.is_start_of(unsafe { std::slice::from_raw_parts(bytes, size) }) {
                let context = ring_buffer_entry_callback_context;
                // SAFETY: the program vouches for its callback.
                unsafe { callback(dmf_module, bytes, size as ULONG, context) };
            }
            true
        });
        Ok(())
    })
}

/// Takes the oldest item.
///
/// Parameters: TargetBuffer: gets ItemSize bytes; TargetBufferSize: bytes there, ItemSize or more.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (empty; the target is untouched);
/// STATUS_BUFFER_TOO_SMALL (also when empty; the item stays); STATUS_INVALID_PARAMETER;
/// STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE. Any thread; in RingBuffer_Mode_FailIfFullOnWrite
/// those who read and those who write do not wait for each other. Who has read all that another thread
/// has written pauses for about a microsecond and looks once more before the answer is that the ring is
/// empty. Source: Dmf_RingBuffer.md, Read.
#[unsafe(export_name = "DMF_RingBuffer_Read")]
pub unsafe extern "C" fn read(
    dmf_module: DMFMODULE,
    target_buffer: *mut UCHAR,
    target_buffer_size: ULONG,
) -> NTSTATUS {
    let usual = match target_buffer_size {
        8 => read_words::<1>(dmf_module, target_buffer),
        64 => read_words::<8>(dmf_module, target_buffer),
        _ => None,
    };
    match usual {
        Some(Ok(())) => Status::SUCCESS.0,
        Some(Err(Refusal::Early)) => read_later(dmf_module, target_buffer, target_buffer_size),
        Some(Err(refusal)) => refuse(READ, dmf_module, refusal),
        None => read_longer(dmf_module, target_buffer, target_buffer_size),
    }
}

const READ: &CStr = c"DMF_RingBuffer_Read";

#[inline(always)]
fn read_words<const WORDS: usize>(
    module: DMFMODULE,
    target: *mut UCHAR,
) -> Option<Result<(), Refusal>> {
    at_once(|| {
        // SAFETY: the caller's bytes.
        let target = unsafe { usual_span(target, WORDS * 8)? };
        let mut end: ReadEnd = ends::try_lock_front(Handle::from_c(module))?;
        end.read_words::<WORDS>(target)
    })
}

#[inline(never)]
fn read_longer(module: DMFMODULE, target: *mut UCHAR, target_size: ULONG) -> NTSTATUS {
    let usual = at_once(|| {
        // SAFETY: the caller's bytes.
        let target = unsafe { usual_span(target, target_size as usize)? };
        let mut end: ReadEnd = ends::try_lock_front(Handle::from_c(module))?;
        Some(end.read_unless_early(target))
    });
    match usual {
        Some(Ok(())) => Status::SUCCESS.0,
        Some(Err(Refusal::Early)) => read_later(module, target, target_size),
        Some(Err(refusal)) => refuse(READ, module, refusal),
        None => wait_and_read(module, target, target_size),
    }
}

#[cold]
fn read_later(module: DMFMODULE, target: *mut UCHAR, target_size: ULONG) -> NTSTATUS {
    sync::pause();
    wait_and_read(module, target, target_size)
}

#[cold]
fn wait_and_read(module: DMFMODULE, target: *mut UCHAR, target_size: ULONG) -> NTSTATUS {
    status(READ, module, || {
        let mut end = read_end(module)?;
        // SAFETY: the caller's bytes.
        let target = unsafe { span(target, target_size as usize, "TargetBuffer is NULL")? };
        Ok(end.read(target)?)
    })
}

/// The answer to what a ring has refused, without its lock.
#[inline(never)]
fn refuse(method: &'static CStr, module: DMFMODULE, refusal: Refusal) -> NTSTATUS {
    status(method, module, || Err(refusal.into()))
}

/// Takes all items, oldest first, one behind the other.
///
/// Parameters: TargetBuffer, TargetBufferSize: room for what the ring holds; BytesWritten: gets items times
/// ItemSize; 0 where the target is NULL or too small; other failures leave it alone.
/// Returns STATUS_SUCCESS (also when empty); STATUS_BUFFER_TOO_SMALL (nothing is removed);
/// STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE. Any thread.
/// Source: Dmf_RingBuffer.md, ReadAll.
#[unsafe(export_name = "DMF_RingBuffer_ReadAll")]
pub unsafe extern "C" fn read_all(
    dmf_module: DMFMODULE,
    target_buffer: *mut UCHAR,
    target_buffer_size: ULONG,
    bytes_written: *mut ULONG,
) -> NTSTATUS {
    status(c"DMF_RingBuffer_ReadAll", dmf_module, || {
        let mut ring = ring(dmf_module)?;
        not_null(bytes_written, "BytesWritten is NULL")?;
        // SAFETY: the caller's pointer, not NULL; the caller's bytes.
        let target = unsafe {
            put(bytes_written, 0);
            span(target_buffer, target_buffer_size as usize, "TargetBuffer is NULL")?
        };
        let written = ring.read_all(target)?;
        // SAFETY: as above.
        unsafe { put(bytes_written, written) };
        Ok(())
    })
}

/// Moves the oldest item to the start of the ring's memory, the others behind it; unused slots become zero.
/// The order of the items stays.
///
/// Parameters: Lock: as for DMF_RingBuffer_Enumerate. Any thread.
/// Source: Dmf_RingBuffer.md, Reorder.
#[unsafe(export_name = "DMF_RingBuffer_Reorder")]
pub unsafe extern "C" fn reorder(dmf_module: DMFMODULE, lock: BOOLEAN) {
    value(c"DMF_RingBuffer_Reorder", dmf_module, || {
        ring_or_inner(dmf_module, lock)?.reorder();
        Ok(())
    })
}

/// Takes the oldest item into several places.
///
/// Parameters: Segments: where each part goes; SegmentSizes: its bytes; SegmentOffsets: where it starts in
/// the item; NumberOfSegments: 0 just removes the item.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (empty); STATUS_INVALID_PARAMETER (a segment beyond the item,
/// or NULL with a size; nothing changes); STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE. Any thread.
/// Source: Dmf_RingBuffer.md, SegmentsRead.
#[unsafe(export_name = "DMF_RingBuffer_SegmentsRead")]
pub unsafe extern "C" fn segments_read(
    dmf_module: DMFMODULE,
    segments: *mut *mut UCHAR,
    segment_sizes: *mut ULONG,
    segment_offsets: *mut ULONG,
    number_of_segments: ULONG,
) -> NTSTATUS {
    status(c"DMF_RingBuffer_SegmentsRead", dmf_module, || {
        let mut ring = read_end(dmf_module)?;
        // SAFETY: the caller's arrays.
        let segments =
            unsafe { list(segments, segment_sizes, segment_offsets, number_of_segments)? };
        ring.read_segments(segments)
    })
}

/// Appends an item that stands in several places; bytes that no segment covers are zero.
///
/// Parameters: Segments: where each part stands; SegmentSizes: its bytes; SegmentOffsets: where it goes in
/// the item; NumberOfSegments: 0 appends zeros.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (full, in RingBuffer_Mode_FailIfFullOnWrite);
/// STATUS_INVALID_PARAMETER (a segment beyond the item, or NULL with a size; nothing changes);
/// STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE. Any thread.
/// Source: Dmf_RingBuffer.md, SegmentsWrite.
#[unsafe(export_name = "DMF_RingBuffer_SegmentsWrite")]
pub unsafe extern "C" fn segments_write(
    dmf_module: DMFMODULE,
    segments: *mut *mut UCHAR,
    segment_sizes: *mut ULONG,
    segment_offsets: *mut ULONG,
    number_of_segments: ULONG,
) -> NTSTATUS {
    status(c"DMF_RingBuffer_SegmentsWrite", dmf_module, || {
        let mut ring = write_end(dmf_module)?;
        // SAFETY: the caller's arrays.
        let segments =
            unsafe { list(segments, segment_sizes, segment_offsets, number_of_segments)? };
        ring.write_segments(segments)
    })
}

/// The caller's three arrays as one sequence.
///
/// # Safety
/// Each array has `count` elements, or is NULL.
unsafe fn list(
    segments: *mut *mut UCHAR,
    sizes: *mut ULONG,
    offsets: *mut ULONG,
    count: ULONG,
) -> Result<impl Iterator<Item = Segment> + Clone, Error> {
    if count > 0 {
        not_null(segments, "Segments is NULL")?;
        not_null(sizes, "SegmentSizes is NULL")?;
        not_null(offsets, "SegmentOffsets is NULL")?;
    }
    Ok((0..count as usize).map(move |i| {
        // SAFETY: the arrays have `count` elements; each segment is the caller's.
        unsafe {
            let size = sizes.add(i).read_unaligned() as usize;
            Segment {
                bytes: crate::framework::span::Span::new(segments.add(i).read_unaligned(), size),
                offset: offsets.add(i).read_unaligned() as usize,
            }
        }
    }))
}

/// The size of the ring in bytes: ItemCount times ItemSize. Any thread, and enumeration callbacks of
/// the same ring. Source: Dmf_RingBuffer.md, TotalSizeGet.
#[unsafe(export_name = "DMF_RingBuffer_TotalSizeGet")]
pub unsafe extern "C" fn total_size_get(dmf_module: DMFMODULE, total_size: *mut ULONG) {
    value(c"DMF_RingBuffer_TotalSizeGet", dmf_module, || {
        let mut ring: Guard<RingBuffer> = ends::relock(Handle::from_c(dmf_module))?;
        let total = ring.total_size();
        not_null(total_size, "TotalSize is NULL")?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(total_size, total) };
        Ok(())
    })
}

/// Appends an item.
///
/// Parameters: SourceBuffer: the item; SourceBufferSize: must be ItemSize.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (full, in RingBuffer_Mode_FailIfFullOnWrite; in the other
/// mode the oldest item is dropped); STATUS_INVALID_BUFFER_SIZE (nothing is dropped);
/// STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE.
/// Memory: the item is copied. Any thread. In RingBuffer_Mode_FailIfFullOnWrite, who has filled what
/// another thread reads pauses for about a microsecond and looks once more before the answer is that the ring is full.
/// Source: Dmf_RingBuffer.md, Write.
#[unsafe(export_name = "DMF_RingBuffer_Write")]
pub unsafe extern "C" fn write(
    dmf_module: DMFMODULE,
    source_buffer: *mut UCHAR,
    source_buffer_size: ULONG,
) -> NTSTATUS {
    let usual = match source_buffer_size {
        8 => write_words::<1>(dmf_module, source_buffer),
        64 => write_words::<8>(dmf_module, source_buffer),
        _ => None,
    };
    match usual {
        Some(Ok(())) => Status::SUCCESS.0,
        Some(Err(Refusal::Early)) => write_later(dmf_module, source_buffer, source_buffer_size),
        Some(Err(refusal)) => refuse(WRITE, dmf_module, refusal),
        None => write_longer(dmf_module, source_buffer, source_buffer_size),
    }
}

const WRITE: &CStr = c"DMF_RingBuffer_Write";

#[inline(always)]
fn write_words<const WORDS: usize>(
    module: DMFMODULE,
    source: *mut UCHAR,
) -> Option<Result<(), Refusal>> {
    at_once(|| {
        // SAFETY: the caller's bytes.
        let source = unsafe { usual_span(source, WORDS * 8)? };
        let mut end: WriteEnd = ends::try_lock_back(Handle::from_c(module))?;
        end.write_words::<WORDS>(source)
    })
}

#[inline(never)]
fn write_longer(module: DMFMODULE, source: *mut UCHAR, source_size: ULONG) -> NTSTATUS {
    let usual = at_once(|| {
        // SAFETY: the caller's bytes.
        let source = unsafe { usual_span(source, source_size as usize)? };
        let mut end: WriteEnd = ends::try_lock_back(Handle::from_c(module))?;
        Some(end.write(source, false))
    });
    match usual {
        Some(Ok(())) => Status::SUCCESS.0,
        Some(Err(Refusal::Early)) => write_later(module, source, source_size),
        Some(Err(refusal)) => refuse(WRITE, module, refusal),
        None => wait_and_write(module, source, source_size),
    }
}

#[cold]
fn write_later(module: DMFMODULE, source: *mut UCHAR, source_size: ULONG) -> NTSTATUS {
    sync::pause();
    wait_and_write(module, source, source_size)
}

#[cold]
fn wait_and_write(module: DMFMODULE, source: *mut UCHAR, source_size: ULONG) -> NTSTATUS {
    status(WRITE, module, || {
        let mut end = write_end(module)?;
        // SAFETY: the caller's bytes.
        let source = unsafe { span(source, source_size as usize, "SourceBuffer is NULL")? };
        Ok(end.write(source, true)?)
    })
}
