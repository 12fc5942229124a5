//! DMF_BufferPool: lists of buffers. Source: Dmf_BufferQueue.md, Module Remarks; BEHAVIOUR, section 3.

#![allow(non_camel_case_types)]

use super::boundary::{not_null, not_null_after, put, report, status, value};
use super::module::{self, Setting, config_init};
use super::types::*;
use crate::framework::buffer::{self, ClientBuffer};
use crate::framework::frames::{self, Activity};
use crate::framework::handle::Handle;
use crate::framework::slab::{Alarm, Shape};
use crate::framework::status::{Error, Status};
use crate::framework::table::{self, Ref};
use crate::modules::buffer_pool::{BufferPool, End, Expired, Settings, Step};
use std::ffi::CStr;

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
            with_timer: settings.create_with_timer != 0,
        },
        look_aside: settings.enable_look_aside != 0,
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
    const METHOD: &CStr = c"DMF_BufferPool_Create";
    // SAFETY: the caller's pointers; a Config of integers has no invalid bit pattern.
    unsafe {
        module::create(
            METHOD,
            device,
            dmf_module_attributes,
            object_attributes,
            dmf_module,
            |draft, config: &DMF_CONFIG_BufferPool, setting| build(draft.handle(), config, setting),
        )
    }
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
        MODE_SINK => BufferPool::sink(),
        _ => Err(Error::new(
            Status::INVALID_PARAMETER,
            "BufferPoolMode is neither BufferPool_Mode_Source nor BufferPool_Mode_Sink",
        )),
    }
}

fn pool(module: DMFMODULE) -> Ref<BufferPool> {
    Ref::new(Handle::of_visible(module))
}

/// Whether the handle names an open pool.
fn exists(module: DMFMODULE) -> Result<(), Error> {
    pool(module).check()
}

/// Takes the pool's first buffer and reports an overrun that is found on it.
fn get_buffer(method: &'static CStr, module: DMFMODULE) -> Result<ClientBuffer, Error> {
    let buffer = pool(module).get()?;
    let overrun = buffer.check().err();
    let client = buffer.into_client();
    report(method, module, overrun);
    Ok(client)
}

/// The memory descriptor of a buffer.
pub fn descriptor_of(client: &ClientBuffer) -> WDF_MEMORY_DESCRIPTOR {
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
    let handle = Handle::of_visible(module);
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
    const METHOD: &CStr = c"DMF_BufferPool_Get";
    status(METHOD, dmf_module, || {
        not_null_after(client_buffer, "ClientBuffer is NULL", || exists(dmf_module))?;
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
    const METHOD: &CStr = c"DMF_BufferPool_GetWithMemory";
    status(METHOD, dmf_module, || {
        not_null_after(client_buffer, "ClientBuffer is NULL", || exists(dmf_module))?;
        not_null_after(client_buffer_context, "ClientBufferContext is NULL", || {
            exists(dmf_module)
        })?;
        not_null_after(client_buffer_memory, "ClientBufferMemory is NULL", || exists(dmf_module))?;
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
    const METHOD: &CStr = c"DMF_BufferPool_GetWithMemoryDescriptor";
    status(METHOD, dmf_module, || {
        not_null_after(client_buffer, "ClientBuffer is NULL", || exists(dmf_module))?;
        not_null_after(memory_descriptor, "MemoryDescriptor is NULL", || exists(dmf_module))?;
        not_null_after(client_buffer_context, "ClientBufferContext is NULL", || {
            exists(dmf_module)
        })?;
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
        if facts.source != Handle::of_visible(dmf_module) {
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
    method: &'static CStr,
    module: DMFMODULE,
    client_buffer: *mut VOID,
    end: End,
) -> Result<(), Error> {
    not_null_after(client_buffer, "ClientBuffer is NULL", || exists(module))?;
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
    const METHOD: &CStr = c"DMF_BufferPool_Put";
    value(METHOD, dmf_module, || put_at(METHOD, dmf_module, client_buffer, End::Tail))
}

/// As DMF_BufferPool_Put, at the head of the list.
#[unsafe(export_name = "DMF_BufferPool_PutAtHead")]
pub unsafe extern "C" fn put_at_head(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    const METHOD: &CStr = c"DMF_BufferPool_PutAtHead";
    value(METHOD, dmf_module, || put_at(METHOD, dmf_module, client_buffer, End::Head))
}

/// Shows the buffers of a Sink from the head to the tail to a callback, which says what becomes of each. A
/// running timer is paused while its buffer is shown.
///
/// Parameters: EntryEnumerationCallback: gets the pool, the buffer, its context and
/// ClientDriverCallbackContext; returns a BufferPool_EnumerationDisposition (another value: as
/// StopEnumeration, misuse). ClientBuffer, ClientBufferContext: may be NULL; get the buffer that
/// RemoveAndStopEnumeration took out, which is the caller's then, else NULL; without ClientBuffer nothing is
/// removed (misuse).
/// The list is locked while the callback runs: there the pool's Methods fail with
/// STATUS_INVALID_DEVICE_STATE (misuse), except ContextGet. Misuse: a Source. Any thread.
#[unsafe(export_name = "DMF_BufferPool_Enumerate")]
pub unsafe extern "C" fn enumerate(
    dmf_module: DMFMODULE,
    entry_enumeration_callback: PEVT_DMF_BufferPool_Enumeration,
    client_driver_callback_context: *mut VOID,
    client_buffer: *mut *mut VOID,
    client_buffer_context: *mut *mut VOID,
) {
    const METHOD: &CStr = c"DMF_BufferPool_Enumerate";
    value(METHOD, dmf_module, || {
        // SAFETY: the caller's pointers and callback.
        unsafe {
            enumerate_pool(
                METHOD,
                dmf_module,
                pool(dmf_module),
                entry_enumeration_callback,
                client_driver_callback_context,
                client_buffer,
                client_buffer_context,
            )
        }
    })
}

/// Enumerates a Sink for `module`, which is the pool itself or its queue.
///
/// # Safety
/// The pointers are the caller's own, or NULL.
pub unsafe fn enumerate_pool(
    method: &'static CStr,
    module: DMFMODULE,
    pool: Ref<BufferPool>,
    callback: PEVT_DMF_BufferPool_Enumeration,
    callback_context: *mut VOID,
    client_buffer: *mut *mut VOID,
    client_buffer_context: *mut *mut VOID,
) -> Result<(), Error> {
    // SAFETY: by the contract of this function.
    unsafe {
        put(client_buffer, std::ptr::null_mut());
        put(client_buffer_context, std::ptr::null_mut());
    }
    // The handle speaks first.
    pool.check()?;
    let Some(callback) = callback else {
        return Err(Error::misuse(Status::INVALID_PARAMETER, "EntryEnumerationCallback is NULL"));
    };
    let mut complaint = None;
    let removed = pool.enumerate(expired, |guard, buffer| {
        // SAFETY: the program vouches for its callback; the list is locked meanwhile.
        let answer = guard.lend(|| unsafe {
            callback(
                pool.handle.to_c(),
                buffer.buffer.as_ptr().cast(),
                buffer.context.as_ptr().cast(),
                callback_context,
            )
        });
        let (step, misuse) = step(answer, !client_buffer.is_null());
        complaint = misuse;
        step
    })?;
    if let Some(removed) = removed {
        // SAFETY: as above.
        unsafe {
            put(client_buffer, removed.buffer.as_ptr().cast());
            put(client_buffer_context, removed.context.as_ptr().cast());
        }
    }
    report(method, module, complaint);
    Ok(())
}

fn step(
    answer: BufferPool_EnumerationDispositionType_INT,
    may_remove: bool,
) -> (Step, Option<Error>) {
    match answer {
        1 => (Step::Continue, None),
        2 => (Step::Stop, None),
        3 if may_remove => (Step::RemoveAndStop, None),
        4 => (Step::StopTimerAndStop, None),
        5 => (Step::StopTimerAndContinue, None),
        6 => (Step::ResetTimerAndStop, None),
        7 => (Step::ResetTimerAndContinue, None),
        3 => (
            Step::Stop,
            Some(Error::misuse(
                Status::INVALID_PARAMETER,
                "RemoveAndStopEnumeration without a ClientBuffer: nothing was removed",
            )),
        ),
        _ => (
            Step::Stop,
            Some(Error::misuse(
                Status::INVALID_PARAMETER,
                "the callback returned no disposition; taken as StopEnumeration",
            )),
        ),
    }
}

/// Puts a buffer at the tail of a Sink. When its timer expires before somebody takes it, it is taken out and
/// TimerExpirationCallback gets (pool, buffer, context, TimerExpirationCallbackContext) and owns it.
///
/// Parameters: TimerExpirationMilliseconds: 0 fires at once.
/// The callback runs on the timer thread, without a lock; others' timers wait for it. Misuse, and nothing
/// changes: no callback, a buffer without a timer (CreateWithTimer of its Source), a Source. Any thread.
#[unsafe(export_name = "DMF_BufferPool_PutInSinkWithTimer")]
pub unsafe extern "C" fn put_in_sink_with_timer(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
    timer_expiration_milliseconds: ULONGLONG,
    timer_expiration_callback: PEVT_DMF_BufferPool_TimerCallback,
    timer_expiration_callback_context: *mut VOID,
) {
    const METHOD: &CStr = c"DMF_BufferPool_PutInSinkWithTimer";
    value(METHOD, dmf_module, || {
        let overrun = put_with_timer(
            pool(dmf_module),
            client_buffer,
            timer_expiration_milliseconds,
            timer_expiration_callback,
            timer_expiration_callback_context,
        )?;
        report(METHOD, dmf_module, overrun);
        Ok(())
    })
}

/// Puts a buffer with a timer into a Sink.
pub fn put_with_timer(
    pool: Ref<BufferPool>,
    client_buffer: *mut VOID,
    milliseconds: ULONGLONG,
    callback: PEVT_DMF_BufferPool_TimerCallback,
    context: *mut VOID,
) -> Result<Option<Error>, Error> {
    pool.check()?;
    not_null(client_buffer, "ClientBuffer is NULL")?;
    let Some(callback) = callback else {
        return Err(Error::misuse(Status::INVALID_PARAMETER, "TimerExpirationCallback is NULL"));
    };
    let alarm = Alarm {
        callback: (callback as *const ()).expose_provenance(),
        context: context.expose_provenance(),
        period: milliseconds.saturating_mul(1_000_000),
    };
    pool.put_from_client_with_timer(client_buffer.addr(), alarm, expired)
}

/// The timer thread: hands expired buffers to their callbacks.
fn expired(handle: Handle) {
    while let Some(Expired { buffer, alarm, module, pool }) =
        Ref::<BufferPool>::new(handle).expire(expired)
    {
        // SAFETY: `put_with_timer` stored such a callback.
        let callback = unsafe {
            std::mem::transmute::<
                *const (),
                unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID, *mut VOID),
            >(std::ptr::with_exposed_provenance(alarm.callback))
        };
        frames::within(handle, Activity::Callback, || {
            // SAFETY: the program vouches for its callback; the buffer is its own now.
            unsafe {
                callback(
                    module.to_c(),
                    buffer.buffer.as_ptr().cast(),
                    buffer.context.as_ptr().cast(),
                    std::ptr::with_exposed_provenance_mut(alarm.context),
                );
            }
            drop(pool);
        });
    }
}
