//! DMF_PingPongBuffer: two buffers, one that collects, one that is consumed. Source:
//! Dmf_PingPongBuffer.md; BEHAVIOUR, section 2.

#![allow(non_camel_case_types)]

use super::boundary::{at_once, not_null, put, span, status, usual_span, value};
use super::module::{self, config_init};
use super::types::*;
use crate::framework::handle::Handle;
use crate::framework::status::{Error, Status};
use crate::framework::table::{self, Guard};
use crate::modules::ping_pong_buffer::PingPongBuffer;
use std::ffi::CStr;

/// Configuration of a PingPongBuffer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_CONFIG_PingPongBuffer {
    /// Bytes of each of the two buffers.
    pub buffer_size: ULONG,
    /// Kind of memory.
    pub pool_type: POOL_TYPE_INT,
}

/// Initializes a Config (all zero) and attributes that lead to it.
#[unsafe(export_name = "DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn config_and_attributes_init(
    module_config: *mut DMF_CONFIG_PingPongBuffer,
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
) {
    value(c"DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT", module_config, || {
        let fresh = DMF_CONFIG_PingPongBuffer { buffer_size: 0, pool_type: 0 };
        // SAFETY: the caller's pointers, or NULL.
        unsafe { config_init(module_config, module_attributes, attributes_init, fresh) }
    })
}

/// Initializes the attributes of a PingPongBuffer.
#[unsafe(export_name = "DMF_PingPongBuffer_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: *mut DMF_MODULE_ATTRIBUTES) {
    // SAFETY: the caller's pointer, or NULL.
    unsafe { module::init::<DMF_CONFIG_PingPongBuffer>(attributes, create) }
}

/// Creates a PingPongBuffer; both buffers are zeroed.
///
/// Parameters: Device, ObjectAttributes: may be NULL; DmfModule: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (BufferSize 0; attributes); STATUS_INVALID_HANDLE
/// (Device or parent); STATUS_DELETE_PENDING; STATUS_INSUFFICIENT_RESOURCES.
/// Memory: all of it is taken now; pointers that Get and Consume gave end with the Module. The caller
/// deletes it with WdfObjectDelete. Any thread.
#[unsafe(export_name = "DMF_PingPongBuffer_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    dmf_module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    dmf_module: *mut DMFMODULE,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_PingPongBuffer_Create";
    // SAFETY: the caller's pointers; a Config of integers has no invalid bit pattern.
    unsafe {
        module::create(
            METHOD,
            device,
            dmf_module_attributes,
            object_attributes,
            dmf_module,
            |draft, config: &DMF_CONFIG_PingPongBuffer, setting| {
                setting.check_pool_type(draft.handle(), config.pool_type);
                PingPongBuffer::new(config.buffer_size)
            },
        )
    }
}

#[inline(always)]
fn buffers(module: DMFMODULE) -> Result<Guard<PingPongBuffer>, Error> {
    table::lock(Handle::from_c(module))
}

/// Takes a packet out of Ping: Ping and Pong are switched, and what was written behind the packet becomes
/// the start of the new Ping. What lies before StartOffset is discarded.
///
/// Parameters: StartOffset, PacketLength: where the packet is, in bytes.
/// Returns where the packet starts; NULL, and nothing changes, if StartOffset + PacketLength is beyond the
/// buffer (misuse).
/// Memory: the packet stays as it is through later Writes, until the next Consume or Shift; if that leaves
/// nothing over, until the Write after it. Any thread. Source: Dmf_PingPongBuffer.md, Consume.
#[unsafe(export_name = "DMF_PingPongBuffer_Consume")]
pub unsafe extern "C" fn consume(
    dmf_module: DMFMODULE,
    start_offset: ULONG,
    packet_length: ULONG,
) -> *mut UCHAR {
    value(c"DMF_PingPongBuffer_Consume", dmf_module, || {
        buffers(dmf_module)?.consume(start_offset, packet_length)
    })
}

/// Where Ping starts, and how many bytes were written to it.
///
/// Parameters: Size: gets the bytes in Ping. Returns Ping's address, or NULL.
/// Any thread. Source: Dmf_PingPongBuffer.md, Get.
#[unsafe(export_name = "DMF_PingPongBuffer_Get")]
pub unsafe extern "C" fn get(dmf_module: DMFMODULE, size: *mut ULONG) -> *mut UCHAR {
    value(c"DMF_PingPongBuffer_Get", dmf_module, || {
        let buffers = buffers(dmf_module)?;
        not_null(size, "Size is NULL")?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(size, buffers.len()) };
        Ok(buffers.ping())
    })
}

/// Forgets what was written to Ping. Any thread. Source: Dmf_PingPongBuffer.md, Reset.
#[unsafe(export_name = "DMF_PingPongBuffer_Reset")]
pub unsafe extern "C" fn reset(dmf_module: DMFMODULE) {
    value(c"DMF_PingPongBuffer_Reset", dmf_module, || {
        buffers(dmf_module)?.reset();
        Ok(())
    })
}

/// Discards the bytes of Ping before StartOffset: the others become the start of the other buffer, which
/// becomes Ping.
///
/// Misuse, and nothing changes: StartOffset beyond what was written. Any thread.
/// Source: Dmf_PingPongBuffer.md, Shift.
#[unsafe(export_name = "DMF_PingPongBuffer_Shift")]
pub unsafe extern "C" fn shift(dmf_module: DMFMODULE, start_offset: ULONG) {
    value(c"DMF_PingPongBuffer_Shift", dmf_module, || buffers(dmf_module)?.shift(start_offset))
}

/// Appends bytes to Ping.
///
/// Parameters: SourceBuffer: may be NULL if NumberOfBytesToWrite is 0; ResultSize: gets the bytes in Ping
/// afterwards, also when they did not fit.
/// Returns STATUS_SUCCESS; STATUS_INSUFFICIENT_RESOURCES (they do not fit; nothing is written);
/// STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE. Any thread.
/// Source: Dmf_PingPongBuffer.md, Write.
#[unsafe(export_name = "DMF_PingPongBuffer_Write")]
pub unsafe extern "C" fn write(
    dmf_module: DMFMODULE,
    source_buffer: *mut UCHAR,
    number_of_bytes_to_write: ULONG,
    result_size: *mut ULONG,
) -> NTSTATUS {
    let done = at_once(|| {
        // SAFETY: the caller's bytes.
        let source = unsafe { usual_span(source_buffer, number_of_bytes_to_write as usize)? };
        if result_size.is_null() {
            return None;
        }
        let mut buffers = table::try_lock::<PingPongBuffer>(Handle::from_c(dmf_module))?;
        buffers.try_write(source)?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(result_size, buffers.len()) };
        Some(())
    });
    if done.is_some() {
        return Status::SUCCESS.0;
    }
    write_or_refuse(dmf_module, source_buffer, number_of_bytes_to_write, result_size)
}

#[cold]
fn write_or_refuse(
    dmf_module: DMFMODULE,
    source_buffer: *mut UCHAR,
    number_of_bytes_to_write: ULONG,
    result_size: *mut ULONG,
) -> NTSTATUS {
    status(c"DMF_PingPongBuffer_Write", dmf_module, || {
        let mut buffers = buffers(dmf_module)?;
        not_null(result_size, "ResultSize is NULL")?;
        let length = number_of_bytes_to_write as usize;
        // SAFETY: the caller's bytes.
        let source = unsafe { span(source_buffer, length, "SourceBuffer is NULL")? };
        let written = buffers.write(source);
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(result_size, buffers.len()) };
        written
    })
}
