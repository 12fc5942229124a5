//! DMF_BufferPool: lists of buffers. Source: Dmf_BufferQueue.md, Module Remarks; BEHAVIOUR, section 3.

#![allow(non_camel_case_types, non_snake_case)]

use super::boundary::{not_null, put, report, status, value};
use super::module::{self, Setting, config_init};
use super::types::*;
use crate::framework::buffer::{self, ClientBuffer, Hint};
use crate::framework::handle::Handle;
use crate::framework::slab::Shape;
use crate::framework::status::{Error, Status};
use crate::framework::table::{self, Ref};
use crate::modules::buffer_pool::{BufferPool, End, Settings};

/// Settings by mode; a Sink has none.
#[repr(C)]
#[derive(Clone, Copy)]
pub union DMF_CONFIG_BufferPool_Mode {
    /// Of a Source.
    pub source_settings: BufferPool_SourceSettings,
}

/// Configuration of a BufferPool.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_CONFIG_BufferPool {
    /// Source: makes its buffers. Sink: takes buffers of any Source.
    pub buffer_pool_mode: BufferPool_ModeType_INT,
    /// Settings of that mode.
    pub mode: DMF_CONFIG_BufferPool_Mode,
}

const MODE_SOURCE: BufferPool_ModeType_INT = 1;
const MODE_SINK: BufferPool_ModeType_INT = 2;

/// Settings as the initializers give them.
pub const FRESH_SETTINGS: BufferPool_SourceSettings = BufferPool_SourceSettings {
    buffer_count: 0,
    buffer_size: 0,
    buffer_context_size: 0,
    enable_look_aside: 0,
    create_with_timer: 0,
    pool_type: NON_PAGED_POOL_NX,
};

/// What the settings of C mean.
pub fn settings(settings: &BufferPool_SourceSettings) -> Settings {
    Settings {
        count: settings.buffer_count,
        shape: Shape {
            buffer_size: settings.buffer_size,
            context_size: settings.buffer_context_size,
        },
        look_aside: settings.enable_look_aside != 0,
        with_timer: settings.create_with_timer != 0,
    }
}

/// Initializes a Config (PoolType NonPagedPoolNx, the rest zero) and attributes that lead to it.
#[unsafe(export_name = "DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn config_and_attributes_init(
    module_config: *mut DMF_CONFIG_BufferPool,
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
) {
    value(c"DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT", module_config, || {
        let mode = DMF_CONFIG_BufferPool_Mode { source_settings: FRESH_SETTINGS };
        let fresh = DMF_CONFIG_BufferPool { buffer_pool_mode: 0, mode };
        // SAFETY: the caller's pointers, or NULL.
        unsafe { config_init(module_config, module_attributes, attributes_init, fresh) }
    })
}

/// Initializes the attributes of a BufferPool.
#[unsafe(export_name = "DMF_BufferPool_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: *mut DMF_MODULE_ATTRIBUTES) {
    // SAFETY: the caller's pointer, or NULL.
    unsafe { module::init::<DMF_CONFIG_BufferPool>(attributes, create) }
}

/// Creates a BufferPool.
///
/// Parameters: Device, ObjectAttributes: may be NULL; DmfModule: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (mode; BufferSize 0; BufferCount 0 without
/// EnableLookAside; CreateWithTimer with BufferCount 0; BufferCount or EnableLookAside of a Sink;
/// attributes); STATUS_INVALID_HANDLE (Device or parent); STATUS_DELETE_PENDING;
/// STATUS_INSUFFICIENT_RESOURCES.
/// Memory: a Source's buffers are made now, zeroed, client buffer and context each 16-byte aligned. The
/// caller deletes the Module with WdfObjectDelete, which frees the buffers that are in it; those that
/// the Client holds stay valid until they are put back. Any thread.
#[unsafe(export_name = "DMF_BufferPool_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    dmf_module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    dmf_module: *mut DMFMODULE,
) -> NTSTATUS {
    const METHOD: &std::ffi::CStr = c"DMF_BufferPool_Create";
    status(METHOD, device, || {
        // SAFETY: the caller's pointers; a Config of integers has no invalid bit pattern.
        unsafe {
            module::create(
                METHOD,
                device,
                dmf_module_attributes,
                object_attributes,
                dmf_module,
                |draft, config: &DMF_CONFIG_BufferPool, setting| {
                    build(draft.handle(), config, setting)
                },
            )
        }
    })
}

fn build(
    handle: Handle,
    config: &DMF_CONFIG_BufferPool,
    setting: &Setting,
) -> Result<BufferPool, Error> {
    // SAFETY: the union has one member, of integers.
    let source = unsafe { config.mode.source_settings };
    setting.check_pool_type(handle, source.pool_type);
    match config.buffer_pool_mode {
        MODE_SOURCE => BufferPool::source(handle, settings(&source)),
        MODE_SINK if source.buffer_count != 0 || source.enable_look_aside != 0 => Err(Error::new(
            Status::INVALID_PARAMETER,
            "a Sink makes no buffers: BufferCount and EnableLookAside must be 0",
        )),
        MODE_SINK => Ok(BufferPool::sink(Hint::default())),
        _ => Err(Error::new(
            Status::INVALID_PARAMETER,
            "BufferPoolMode is neither BufferPool_Mode_Source nor BufferPool_Mode_Sink",
        )),
    }
}

fn pool(module: DMFMODULE) -> Ref<BufferPool> {
    Ref::new(Handle::from_c(module))
}

/// Takes the pool's first buffer and reports an overrun that is found on it.
fn get_buffer(method: &'static std::ffi::CStr, module: DMFMODULE) -> Result<ClientBuffer, Error> {
    let buffer = pool(module).get()?;
    let overrun = buffer.check().err();
    let client = buffer.into_client();
    report(method, module, overrun);
    Ok(client)
}

fn descriptor_of(client: &ClientBuffer) -> WDF_MEMORY_DESCRIPTOR {
    WDF_MEMORY_DESCRIPTOR {
        kind: MEMORY_DESCRIPTOR_TYPE_HANDLE,
        handle_type: WDF_MEMORY_DESCRIPTOR_HandleType {
            memory: client.memory().to_c(),
            offsets: std::ptr::null_mut(),
        },
    }
}

/// The context of a buffer.
///
/// Parameters: ClientBuffer: a buffer of a pool; ClientBufferContext: gets its context, never NULL, also
/// when contexts have no bytes.
/// Works while the Module closes. Misuse: ClientBuffer is no pool's buffer.
/// Any thread, enumeration callbacks included.
#[unsafe(export_name = "DMF_BufferPool_ContextGet")]
pub unsafe extern "C" fn context_get(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
    client_buffer_context: *mut *mut VOID,
) {
    value(c"DMF_BufferPool_ContextGet", dmf_module, || {
        check_exists(dmf_module)?;
        not_null(client_buffer, "ClientBuffer is NULL")?;
        not_null(client_buffer_context, "ClientBufferContext is NULL")?;
        let facts = buffer::facts(client_buffer.addr())?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(client_buffer_context, facts.client.context.as_ptr().cast()) };
        Ok(())
    })
}

/// The handle is a BufferPool's, open or closing.
fn check_exists(module: DMFMODULE) -> Result<(), Error> {
    use crate::framework::{handle::Kind, tree};
    let handle = Handle::from_c(module);
    let exists = handle.is_kind(Kind::BufferPool)
        && !matches!(tree::state_of(handle), tree::Existence::Never);
    if exists { Ok(()) } else { Err(table::refused(handle)) }
}

/// The number of buffers in the list. It may have changed when the caller looks at it. Any thread.
#[unsafe(export_name = "DMF_BufferPool_Count")]
pub unsafe extern "C" fn count(dmf_module: DMFMODULE) -> ULONG {
    value(c"DMF_BufferPool_Count", dmf_module, || pool(dmf_module).count())
}

/// Takes the buffer at the head of the list.
///
/// Parameters: ClientBuffer: gets the buffer; ClientBufferContext: may be NULL; gets the context, NULL if
/// contexts have no bytes. A Source's buffer and context are zeroed.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (the list is empty, and with look-aside no memory;
/// outputs untouched); STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE.
/// Memory: the buffer is the caller's until it is put into a pool. Any thread.
#[unsafe(export_name = "DMF_BufferPool_Get")]
pub unsafe extern "C" fn get(
    dmf_module: DMFMODULE,
    client_buffer: *mut *mut VOID,
    client_buffer_context: *mut *mut VOID,
) -> NTSTATUS {
    const METHOD: &std::ffi::CStr = c"DMF_BufferPool_Get";
    status(METHOD, dmf_module, || {
        not_null(client_buffer, "ClientBuffer is NULL")?;
        let client = get_buffer(METHOD, dmf_module)?;
        let context = match client.context_size {
            0 => std::ptr::null_mut(),
            _ => client.context.as_ptr().cast(),
        };
        // SAFETY: the caller's pointers; the second may be NULL.
        unsafe {
            put(client_buffer, client.buffer.as_ptr().cast());
            put(client_buffer_context, context);
        }
        Ok(())
    })
}

/// As DMF_BufferPool_Get, with the WDFMEMORY of the buffer; the context is never NULL.
///
/// Returns as DMF_BufferPool_Get. Any thread.
#[unsafe(export_name = "DMF_BufferPool_GetWithMemory")]
pub unsafe extern "C" fn get_with_memory(
    dmf_module: DMFMODULE,
    client_buffer: *mut *mut VOID,
    client_buffer_context: *mut *mut VOID,
    client_buffer_memory: *mut WDFMEMORY,
) -> NTSTATUS {
    const METHOD: &std::ffi::CStr = c"DMF_BufferPool_GetWithMemory";
    status(METHOD, dmf_module, || {
        not_null(client_buffer, "ClientBuffer is NULL")?;
        not_null(client_buffer_context, "ClientBufferContext is NULL")?;
        not_null(client_buffer_memory, "ClientBufferMemory is NULL")?;
        let client = get_buffer(METHOD, dmf_module)?;
        // SAFETY: the caller's pointers, not NULL.
        unsafe {
            put(client_buffer, client.buffer.as_ptr().cast());
            put(client_buffer_context, client.context.as_ptr().cast());
            put(client_buffer_memory, client.memory().to_c());
        }
        Ok(())
    })
}

/// As DMF_BufferPool_Get, with a memory descriptor of the buffer (Type Handle, Offsets NULL); the context
/// is never NULL.
///
/// Returns as DMF_BufferPool_Get, but STATUS_INSUFFICIENT_RESOURCES when the list is empty. Any thread.
#[unsafe(export_name = "DMF_BufferPool_GetWithMemoryDescriptor")]
pub unsafe extern "C" fn get_with_memory_descriptor(
    dmf_module: DMFMODULE,
    client_buffer: *mut *mut VOID,
    memory_descriptor: PWDF_MEMORY_DESCRIPTOR,
    client_buffer_context: *mut *mut VOID,
) -> NTSTATUS {
    const METHOD: &std::ffi::CStr = c"DMF_BufferPool_GetWithMemoryDescriptor";
    status(METHOD, dmf_module, || {
        not_null(client_buffer, "ClientBuffer is NULL")?;
        not_null(memory_descriptor, "MemoryDescriptor is NULL")?;
        not_null(client_buffer_context, "ClientBufferContext is NULL")?;
        let client = get_buffer(METHOD, dmf_module).map_err(|error| match error.status {
            Status::UNSUCCESSFUL => error.with_status(Status::INSUFFICIENT_RESOURCES),
            _ => error,
        })?;
        // SAFETY: the caller's pointers, not NULL.
        unsafe {
            put(client_buffer, client.buffer.as_ptr().cast());
            put(memory_descriptor, descriptor_of(&client));
            put(client_buffer_context, client.context.as_ptr().cast());
        }
        Ok(())
    })
}

/// What is known of a buffer of this Source. Every output may be NULL; the context is never NULL, also
/// when contexts have no bytes.
///
/// Misuse: ClientBuffer is not a buffer of this Source. Any thread.
#[unsafe(export_name = "DMF_BufferPool_ParametersGet")]
pub unsafe extern "C" fn parameters_get(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
    memory_descriptor: PWDF_MEMORY_DESCRIPTOR,
    client_buffer_memory: *mut WDFMEMORY,
    client_buffer_size: *mut ULONG,
    client_buffer_context: *mut *mut VOID,
    client_buffer_context_size: *mut ULONG,
) {
    value(c"DMF_BufferPool_ParametersGet", dmf_module, || {
        check_exists(dmf_module)?;
        not_null(client_buffer, "ClientBuffer is NULL")?;
        let facts = buffer::facts(client_buffer.addr())?;
        if facts.source != Handle::from_c(dmf_module) {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "the buffer belongs to another Source",
            ));
        }
        let client = facts.client;
        // SAFETY: the caller's pointers, or NULL.
        unsafe {
            put(memory_descriptor, descriptor_of(&client));
            put(client_buffer_memory, client.memory().to_c());
            put(client_buffer_size, client.size);
            put(client_buffer_context, client.context.as_ptr().cast());
            put(client_buffer_context_size, client.context_size);
        }
        Ok(())
    })
}

fn put_at(
    method: &'static std::ffi::CStr,
    module: DMFMODULE,
    client_buffer: *mut VOID,
    end: End,
) -> Result<(), Error> {
    not_null(client_buffer, "ClientBuffer is NULL")?;
    let overrun = pool(module).put_from_client(client_buffer.addr(), end)?;
    report(method, module, overrun);
    Ok(())
}

/// Puts a buffer at the tail of the list. A Source takes its own buffers only and zeroes them before they
/// are handed out again; a Sink takes any pool's and leaves their content.
///
/// Legal after the Source was deleted: the buffer is freed. Misuse, and nothing changes: a pointer that is
/// no pool buffer, a buffer that the Client does not hold, another Source's buffer.
/// Memory: the buffer is the pool's. Any thread.
#[unsafe(export_name = "DMF_BufferPool_Put")]
pub unsafe extern "C" fn put_at_tail(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    const METHOD: &std::ffi::CStr = c"DMF_BufferPool_Put";
    value(METHOD, dmf_module, || put_at(METHOD, dmf_module, client_buffer, End::Tail))
}

/// As DMF_BufferPool_Put, at the head of the list.
#[unsafe(export_name = "DMF_BufferPool_PutAtHead")]
pub unsafe extern "C" fn put_at_head(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    const METHOD: &std::ffi::CStr = c"DMF_BufferPool_PutAtHead";
    value(METHOD, dmf_module, || put_at(METHOD, dmf_module, client_buffer, End::Head))
}
