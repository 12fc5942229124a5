//! DMF_BufferQueue: unused buffers and work to be done. Source: Dmf_BufferQueue.md; BEHAVIOUR,
//! section 4.

#![allow(non_camel_case_types)]

use super::boundary::{not_null, not_null_after, put, report, status, value};
use super::buffer_pool::{FRESH_SETTINGS, descriptor_of, enumerate_pool, put_with_timer, settings};
use super::module::{self, config_init};
use super::types::*;
use crate::framework::buffer::{self, Buffer, ClientBuffer};
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::try_box;
use crate::framework::status::{Error, Status, set_last_status};
use crate::framework::table::{self, Ref};
use crate::framework::tree;
use crate::modules::buffer_pool::{self, BufferPool, End};
use crate::modules::buffer_queue::{BufferQueue, Cleanup, Pools, pools, try_pools};
use std::ffi::CStr;

/// Configuration of a BufferQueue.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_CONFIG_BufferQueue {
    /// How the Producer's buffers are made.
    pub source_settings: BufferPool_SourceSettings,
    /// Called before a buffer is reused or flushed, on the thread that does it, for several buffers at the same
    /// time if several threads do; may be NULL.
    pub evt_buffer_queue_reuse_cleanup: PEVT_DMF_BufferQueue_ReuseCleanup,
}

/// A Config as the initializers give it.
pub(super) const FRESH_CONFIG: DMF_CONFIG_BufferQueue = DMF_CONFIG_BufferQueue {
    source_settings: FRESH_SETTINGS,
    evt_buffer_queue_reuse_cleanup: None,
};

/// Initializes a Config (PoolType NonPagedPoolNx, the rest zero) and attributes that lead to it.
#[unsafe(export_name = "DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn config_and_attributes_init(
    module_config: *mut DMF_CONFIG_BufferQueue,
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
) {
    value(c"DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT", module_config, || {
        // SAFETY: the caller's pointers, or NULL.
        unsafe { config_init(module_config, module_attributes, attributes_init, FRESH_CONFIG) }
    })
}

/// Initializes the attributes of a BufferQueue.
#[unsafe(export_name = "DMF_BufferQueue_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: *mut DMF_MODULE_ATTRIBUTES) {
    // SAFETY: the caller's pointer, or NULL.
    unsafe { module::init::<DMF_CONFIG_BufferQueue>(attributes, create) }
}

/// Creates a BufferQueue with all its buffers in the Producer.
///
/// Parameters: Device, ObjectAttributes: may be NULL; DmfModule: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (settings, as for DMF_BufferPool_Create; attributes);
/// STATUS_INVALID_HANDLE (Device or parent); STATUS_DELETE_PENDING; STATUS_INSUFFICIENT_RESOURCES.
/// Memory: the caller deletes the Module with WdfObjectDelete, which flushes the Consumer first (cleanup
/// callbacks run); buffers that the Client holds stay valid until they come back with Reuse. Any thread.
#[unsafe(export_name = "DMF_BufferQueue_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    dmf_module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    dmf_module: *mut DMFMODULE,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_BufferQueue_Create";
    // SAFETY: the caller's pointers; the Config has integers and an optional callback only.
    unsafe {
        module::create(
            METHOD,
            device,
            dmf_module_attributes,
            object_attributes,
            dmf_module,
            |draft, config: &DMF_CONFIG_BufferQueue, setting| {
                setting.check_pool_type(draft.handle(), config.source_settings.pool_type);
                let cleanup = cleanup(config.evt_buffer_queue_reuse_cleanup, None)?;
                BufferQueue::new(draft, settings(&config.source_settings), cleanup)
            },
        )
    }
}

/// The Client's cleanup callback, told of the queue, or of the Module that the queue is a part of.
pub fn cleanup(
    callback: PEVT_DMF_BufferQueue_ReuseCleanup,
    face: Option<Handle>,
) -> Result<Option<Box<dyn Cleanup>>, Error> {
    let Some(callback) = callback else { return Ok(None) };
    Ok(Some(try_box(Callback { callback, face })?))
}

struct Callback {
    callback: unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID),
    face: Option<Handle>,
}

impl Cleanup for Callback {
    fn reuse(&self, queue: Handle, buffer: ClientBuffer) {
        let module = self.face.unwrap_or(queue).to_c();
        let (bytes, context) = (buffer.buffer.as_ptr(), buffer.context.as_ptr());
        // SAFETY: the program vouches for its callback; the buffer is nobody else's.
        unsafe { (self.callback)(module, bytes.cast(), context.cast()) };
    }
}

fn queue(module: DMFMODULE) -> Result<Pools, Error> {
    pools(Handle::of_visible(module))
}

/// As [`queue`], for what is done at once: what [`at_once`](super::boundary::at_once) asks for holds here
/// and below, in functions, since a closure that two Methods share is not inlined.
#[inline(always)]
fn usual_queue(module: DMFMODULE) -> Option<Pools> {
    try_pools(Handle::from_c(module))
}

/// The context of one of the queue's buffers.
///
/// Parameters: ClientBuffer; ClientBufferContext: gets its context, never NULL, also when contexts have no
/// bytes.
/// Works while the Module closes. Misuse: ClientBuffer is no pool's buffer. Any thread, callbacks included.
/// Source: Dmf_BufferQueue.md, ContextGet.
#[unsafe(export_name = "DMF_BufferQueue_ContextGet")]
pub unsafe extern "C" fn context_get(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
    client_buffer_context: *mut *mut VOID,
) {
    value(c"DMF_BufferQueue_ContextGet", dmf_module, || {
        let handle = Handle::of_visible(dmf_module);
        if !handle.is_kind(Kind::BufferQueue)
            || matches!(tree::state_of(handle), tree::Existence::Never)
        {
            return Err(table::refused(handle));
        }
        not_null(client_buffer, "ClientBuffer is NULL")?;
        not_null(client_buffer_context, "ClientBufferContext is NULL")?;
        let facts = buffer::facts(client_buffer.addr())?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(client_buffer_context, facts.client.context.as_ptr().cast()) };
        Ok(())
    })
}

/// The number of buffers in the Consumer. It may have changed when the caller looks at it. Any thread.
/// Source: Dmf_BufferQueue.md, Count.
#[unsafe(export_name = "DMF_BufferQueue_Count")]
pub unsafe extern "C" fn count(dmf_module: DMFMODULE) -> ULONG {
    value(c"DMF_BufferQueue_Count", dmf_module, || queue(dmf_module)?.consumer.count())
}

/// Hands a buffer to the Client and reports an overrun that is found on it.
#[inline(never)]
pub fn hand_out(method: &'static CStr, module: DMFMODULE, buffer: Buffer) -> ClientBuffer {
    let overrun = buffer.check().err();
    let client = buffer.into_client();
    report(method, module, overrun);
    client
}

/// # Safety
/// The pointers are the caller's; the second may be NULL.
unsafe fn give(client: ClientBuffer, buffer: *mut *mut VOID, context: *mut *mut VOID) {
    // SAFETY: by the contract of this function.
    unsafe {
        put(buffer, client.buffer.as_ptr().cast());
        put(context, client.context.as_ptr().cast());
    }
}

/// Takes the first buffer of one of the queue's pools.
///
/// # Safety
/// The pointers are the caller's, or NULL.
#[inline(always)]
unsafe fn take_first(
    method: &'static CStr,
    module: DMFMODULE,
    which: fn(Pools) -> Ref<BufferPool>,
    client_buffer: *mut *mut VOID,
    context: *mut *mut VOID,
) -> NTSTATUS {
    match take_at_once(module, which, client_buffer) {
        Some(Some(buffer)) => {
            let client = if buffer.is_intact() {
                buffer.into_client()
            } else {
                hand_out(method, module, buffer)
            };
            // SAFETY: the caller's pointers.
            unsafe { give(client, client_buffer, context) };
            Status::SUCCESS.0
        }
        Some(None) => refuse(method, module),
        None => take_first_or_refuse(method, module, which, client_buffer, context),
    }
}

/// `None`: the Method goes its ordinary way. `Some(None)`: the pool is empty.
#[inline(always)]
fn take_at_once(
    module: DMFMODULE,
    which: fn(Pools) -> Ref<BufferPool>,
    client_buffer: *mut *mut VOID,
) -> Option<Option<Buffer>> {
    if client_buffer.is_null() {
        return None;
    }
    which(usual_queue(module)?).try_get()
}

#[cold]
#[inline(never)]
fn refuse(method: &'static CStr, module: DMFMODULE) -> NTSTATUS {
    status(method, module, || Err(without_buffer(module, buffer_pool::empty())))
}

/// What a Method answers that found no buffer in the queue: one whose delete has begun has none because of that.
#[cold]
fn without_buffer(module: DMFMODULE, error: Error) -> Error {
    if queue(module).is_ok() { error } else { table::being_deleted() }
}

fn first(module: DMFMODULE, pool: Ref<BufferPool>) -> Result<Buffer, Error> {
    pool.get().map_err(|error| without_buffer(module, error))
}

#[cold]
#[inline(never)]
fn take_first_or_refuse(
    method: &'static CStr,
    module: DMFMODULE,
    which: fn(Pools) -> Ref<BufferPool>,
    client_buffer: *mut *mut VOID,
    context: *mut *mut VOID,
) -> NTSTATUS {
    status(method, module, || {
        let pools = queue(module)?;
        not_null(client_buffer, "ClientBuffer is NULL")?;
        let client = hand_out(method, module, first(module, which(pools))?);
        // SAFETY: the caller's pointers.
        unsafe { give(client, client_buffer, context) };
        Ok(())
    })
}

/// Takes the first buffer of the Consumer.
///
/// Parameters: ClientBuffer: gets the buffer; ClientBufferContext: may be NULL; gets its context.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (the Consumer is empty; outputs untouched);
/// STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE.
/// Memory: the buffer is the caller's until Enqueue or Reuse. Any thread; those who enqueue and those who dequeue
/// do not wait for each other. Who has dequeued all that another thread has enqueued pauses for about a
/// microsecond and looks once more before the answer is that there is none.
/// Source: Dmf_BufferQueue.md, Dequeue.
#[unsafe(export_name = "DMF_BufferQueue_Dequeue")]
pub unsafe extern "C" fn dequeue(
    dmf_module: DMFMODULE,
    client_buffer: *mut *mut VOID,
    client_buffer_context: *mut *mut VOID,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_BufferQueue_Dequeue";
    // SAFETY: the caller's pointers.
    unsafe {
        take_first(METHOD, dmf_module, |pools| pools.consumer, client_buffer, client_buffer_context)
    }
}

/// As DMF_BufferQueue_Dequeue, with a memory descriptor of the buffer (Type Handle, Offsets NULL).
///
/// Returns as DMF_BufferQueue_Dequeue, but STATUS_INSUFFICIENT_RESOURCES when the Consumer is empty. Any
/// thread. Source: Dmf_BufferQueue.md, DequeueWithMemoryDescriptor.
#[unsafe(export_name = "DMF_BufferQueue_DequeueWithMemoryDescriptor")]
pub unsafe extern "C" fn dequeue_with_memory_descriptor(
    dmf_module: DMFMODULE,
    client_buffer: *mut *mut VOID,
    memory_descriptor: PWDF_MEMORY_DESCRIPTOR,
    client_buffer_context: *mut *mut VOID,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_BufferQueue_DequeueWithMemoryDescriptor";
    status(METHOD, dmf_module, || {
        let pools = queue(dmf_module)?;
        not_null(client_buffer, "ClientBuffer is NULL")?;
        not_null(memory_descriptor, "MemoryDescriptor is NULL")?;
        not_null(client_buffer_context, "ClientBufferContext is NULL")?;
        let buffer = first(dmf_module, pools.consumer).map_err(|error| match error.status {
            Status::UNSUCCESSFUL => error.with_status(Status::INSUFFICIENT_RESOURCES),
            _ => error,
        })?;
        let client = hand_out(METHOD, dmf_module, buffer);
        // SAFETY: the caller's pointers, not NULL.
        unsafe {
            give(client, client_buffer, client_buffer_context);
            put(memory_descriptor, descriptor_of(&client));
        }
        Ok(())
    })
}

/// Puts a buffer into the Consumer.
#[inline(always)]
fn enqueue_at(method: &'static CStr, module: DMFMODULE, client_buffer: *mut VOID, end: End) {
    if put_at_once(module, |pools| pools.consumer, client_buffer, end).is_some() {
        return set_last_status(Status::SUCCESS);
    }
    give_back(method, module, move || {
        let pools = queue(module)?;
        not_null(client_buffer, "ClientBuffer is NULL")?;
        pools.consumer.put_from_client(client_buffer.addr(), end)
    });
}

/// `None`: the Method goes its ordinary way, and nothing has changed.
#[inline(always)]
fn put_at_once(
    module: DMFMODULE,
    which: fn(Pools) -> Ref<BufferPool>,
    client_buffer: *mut VOID,
    end: End,
) -> Option<()> {
    which(usual_queue(module)?).try_put_from_client(client_buffer.addr(), end)
}

/// The ordinary way of a Method that gives a buffer back. An overrun that is found is reported.
#[cold]
#[inline(never)]
fn give_back(
    method: &'static CStr,
    module: DMFMODULE,
    put: impl FnOnce() -> Result<Option<Error>, Error>,
) {
    value(method, module, || {
        report(method, module, put()?);
        Ok(())
    })
}

/// Puts a buffer of this queue at the tail of the Consumer.
///
/// Misuse, and nothing changes: a buffer that is not this queue's or not the Client's.
/// Memory: the buffer is the queue's. Any thread. Source: Dmf_BufferQueue.md, Enqueue.
#[unsafe(export_name = "DMF_BufferQueue_Enqueue")]
pub unsafe extern "C" fn enqueue(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    enqueue_at(c"DMF_BufferQueue_Enqueue", dmf_module, client_buffer, End::Tail)
}

/// As DMF_BufferQueue_Enqueue, at the head. Source: Dmf_BufferQueue.md, EnqueueAtHead.
#[unsafe(export_name = "DMF_BufferQueue_EnqueueAtHead")]
pub unsafe extern "C" fn enqueue_at_head(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    enqueue_at(c"DMF_BufferQueue_EnqueueAtHead", dmf_module, client_buffer, End::Head)
}

/// Puts a buffer at the tail of the Consumer; when its timer expires before somebody takes it, it is taken out
/// and TimerExpirationCallback gets (queue, buffer, context, TimerExpirationCallbackContext) and owns it.
///
/// Parameters: TimerExpirationMilliseconds: 0 fires at once.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (no callback, a buffer without a timer, a buffer that is not
/// this queue's or not the Client's; not queued); STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE;
/// STATUS_INSUFFICIENT_RESOURCES. The callback runs on the timer thread, without a lock. Any thread.
#[unsafe(export_name = "DMF_BufferQueue_EnqueueWithTimer")]
pub unsafe extern "C" fn enqueue_with_timer(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
    timer_expiration_milliseconds: ULONGLONG,
    timer_expiration_callback: PEVT_DMF_BufferPool_TimerCallback,
    timer_expiration_callback_context: *mut VOID,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_BufferQueue_EnqueueWithTimer";
    status(METHOD, dmf_module, || {
        let overrun = put_with_timer(
            queue(dmf_module)?.consumer,
            client_buffer,
            timer_expiration_milliseconds,
            timer_expiration_callback,
            timer_expiration_callback_context,
        )?;
        report(METHOD, dmf_module, overrun);
        Ok(())
    })
}

/// Shows the buffers of the Consumer to a callback; see DMF_BufferPool_Enumerate.
///
/// The callback gets the handle of the inner BufferPool; DMF_ParentModuleGet gives the queue. Only the
/// Consumer is locked meanwhile: Fetch, Reuse and ContextGet of the queue work inside. Any thread.
/// Source: Dmf_BufferQueue.md, Enumerate.
#[unsafe(export_name = "DMF_BufferQueue_Enumerate")]
pub unsafe extern "C" fn enumerate(
    dmf_module: DMFMODULE,
    entry_enumeration_callback: PEVT_DMF_BufferPool_Enumeration,
    client_driver_callback_context: *mut VOID,
    client_buffer: *mut *mut VOID,
    client_buffer_context: *mut *mut VOID,
) {
    const METHOD: &CStr = c"DMF_BufferQueue_Enumerate";
    value(METHOD, dmf_module, || {
        // SAFETY: the caller's pointers and callback.
        unsafe {
            put(client_buffer, std::ptr::null_mut());
            put(client_buffer_context, std::ptr::null_mut());
            // Entered, so that a delete on another thread does not wait for the list's lock, but for the end of this.
            table::enter(Handle::of_visible(dmf_module), |queue: &BufferQueue| {
                enumerate_pool(
                    METHOD,
                    dmf_module,
                    queue.consumer(),
                    entry_enumeration_callback,
                    client_driver_callback_context,
                    client_buffer,
                    client_buffer_context,
                )
            })
        }
    })
}

/// Takes an unused, zeroed buffer from the Producer.
///
/// Parameters: ClientBuffer: gets the buffer; ClientBufferContext: may be NULL; gets its context.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (none left, and with look-aside no memory; outputs untouched);
/// STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE.
/// Memory: the buffer is the caller's until Enqueue or Reuse. Any thread.
/// Source: Dmf_BufferQueue.md, Fetch.
#[unsafe(export_name = "DMF_BufferQueue_Fetch")]
pub unsafe extern "C" fn fetch(
    dmf_module: DMFMODULE,
    client_buffer: *mut *mut VOID,
    client_buffer_context: *mut *mut VOID,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_BufferQueue_Fetch";
    // SAFETY: the caller's pointers.
    unsafe {
        take_first(METHOD, dmf_module, |pools| pools.producer, client_buffer, client_buffer_context)
    }
}

/// Moves what the Consumer holds now to the Producer, head first; the cleanup callback sees each buffer. Any
/// thread. Source: Dmf_BufferQueue.md, Flush.
#[unsafe(export_name = "DMF_BufferQueue_Flush")]
pub unsafe extern "C" fn flush(dmf_module: DMFMODULE) {
    value(c"DMF_BufferQueue_Flush", dmf_module, || {
        table::enter(Handle::of_visible(dmf_module), BufferQueue::flush)
    })
}

/// Gives a buffer back to the Producer, after the cleanup callback has seen it with its content; it is zeroed
/// before it is handed out again.
///
/// Legal while the Module closes and after its delete: the buffer is freed. Misuse, and nothing changes: a
/// buffer that is not this queue's or not the Client's. Any thread. Source: Dmf_BufferQueue.md, Reuse.
#[unsafe(export_name = "DMF_BufferQueue_Reuse")]
pub unsafe extern "C" fn reuse(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    if put_at_once(dmf_module, |pools| pools.producer, client_buffer, End::Tail).is_some() {
        return set_last_status(Status::SUCCESS);
    }
    give_back(c"DMF_BufferQueue_Reuse", dmf_module, move || {
        not_null_after(client_buffer, "ClientBuffer is NULL", || queue(dmf_module).map(drop))?;
        let queue = Ref::<BufferQueue>::new(Handle::of_visible(dmf_module));
        queue.reuse_from_client(client_buffer.addr())
    });
}
