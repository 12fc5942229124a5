//! WDFMEMORY: the memory of a pool's buffer.

use super::boundary::{put, value};
use super::types::*;
use crate::framework::buffer;
use crate::framework::handle::Handle;
use crate::framework::table;

/// The address and size of a pool buffer, from the handle that GetWithMemory or ParametersGet gave.
///
/// Parameters: Memory; BufferSize: bytes of the buffer, may be NULL.
/// Returns the buffer, or NULL if Memory is not one of a pool's.
/// Any thread.
#[unsafe(export_name = "WdfMemoryGetBuffer")]
pub unsafe extern "C" fn get_buffer(memory: WDFMEMORY, buffer_size: *mut usize) -> PVOID {
    value(c"WdfMemoryGetBuffer", memory, || {
        let handle = Handle::from_c(memory);
        let address = handle.memory_address().ok_or_else(|| table::refused(handle))?;
        let facts = buffer::facts(address).map_err(|_| table::refused(handle))?;
        // SAFETY: the caller's pointer, or NULL.
        unsafe { put(buffer_size, facts.client.size as usize) };
        Ok(facts.client.buffer.as_ptr().cast())
    })
}
