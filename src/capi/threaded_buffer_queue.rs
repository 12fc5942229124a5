//! DMF_ThreadedBufferQueue: a BufferQueue with a thread that works through it. BEHAVIOUR, section 7.

#![allow(non_camel_case_types)]

use super::boundary::{not_null, not_null_after, put, report, status, value};
use super::buffer_pool::settings;
use super::buffer_queue::{DMF_CONFIG_BufferQueue, cleanup, hand_out};
use super::module::{self, config_init};
use super::types::*;
use crate::framework::buffer::ClientBuffer;
use crate::framework::handle::Handle;
use crate::framework::memory::try_box;
use crate::framework::misuse;
use crate::framework::status::{Error, Status};
use crate::framework::table;
use crate::modules::buffer_pool::{End, free_after_close};
use crate::modules::threaded_buffer_queue::{ThreadedBufferQueue, Work, Worked};
use std::ffi::CStr;

/// Configuration of a ThreadedBufferQueue.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_CONFIG_ThreadedBufferQueue {
    /// The buffers. Its cleanup callback is not used: the one below is.
    pub buffer_queue_config: DMF_CONFIG_BufferQueue,
    /// Called when the thread starts; may be NULL.
    pub evt_threaded_buffer_queue_pre: PEVT_DMF_Thread_Function,
    /// Does the work of one buffer.
    pub evt_threaded_buffer_queue_work: PEVT_DMF_ThreadedBufferQueue_Callback,
    /// Called when the thread ends; may be NULL.
    pub evt_threaded_buffer_queue_post: PEVT_DMF_Thread_Function,
    /// Called before a buffer is reused or flushed, on the thread that does it, for several buffers at the same
    /// time if several threads do; may be NULL.
    pub evt_threaded_buffer_queue_reuse_cleanup: PEVT_DMF_ThreadedBufferQueue_ReuseCleanup,
}

/// Initializes a Config (all zero) and attributes that lead to it.
#[unsafe(export_name = "DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn config_and_attributes_init(
    module_config: *mut DMF_CONFIG_ThreadedBufferQueue,
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
) {
    value(c"DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT", module_config, || {
        // SAFETY: a Config of integers and optional callbacks may be zero.
        let fresh = unsafe { std::mem::zeroed() };
        // SAFETY: the caller's pointers, or NULL.
        unsafe { config_init(module_config, module_attributes, attributes_init, fresh) }
    })
}

/// Initializes the attributes of a ThreadedBufferQueue.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: *mut DMF_MODULE_ATTRIBUTES) {
    // SAFETY: the caller's pointer, or NULL.
    unsafe { module::init::<DMF_CONFIG_ThreadedBufferQueue>(attributes, create) }
}

/// Creates a ThreadedBufferQueue; its thread starts with DMF_ThreadedBufferQueue_Start.
///
/// Parameters: Device, ObjectAttributes: may be NULL; DmfModule: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (no work callback; settings, as for
/// DMF_BufferPool_Create; attributes); STATUS_INVALID_HANDLE (Device or parent); STATUS_DELETE_PENDING;
/// STATUS_INSUFFICIENT_RESOURCES.
/// Memory: the caller deletes the Module with WdfObjectDelete, which stops the thread, then flushes. Any
/// thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    dmf_module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    dmf_module: *mut DMFMODULE,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_ThreadedBufferQueue_Create";
    // SAFETY: the caller's pointers; the Config has integers and optional callbacks only.
    unsafe {
        module::create(
            METHOD,
            device,
            dmf_module_attributes,
            object_attributes,
            dmf_module,
            |draft, config: &DMF_CONFIG_ThreadedBufferQueue, setting| {
                let Some(work) = config.evt_threaded_buffer_queue_work else {
                    return Err(Error::new(
                        Status::INVALID_PARAMETER,
                        "EvtThreadedBufferQueueWork is NULL",
                    ));
                };
                let source = &config.buffer_queue_config.source_settings;
                setting.check_pool_type(draft.handle(), source.pool_type);
                let callbacks = Callbacks {
                    pre: config.evt_threaded_buffer_queue_pre,
                    work,
                    post: config.evt_threaded_buffer_queue_post,
                };
                let face = Some(draft.handle());
                let cleanup = cleanup(config.evt_threaded_buffer_queue_reuse_cleanup, face)?;
                let work = try_box(callbacks)?;
                ThreadedBufferQueue::new(draft, settings(source), work, cleanup)
            },
        )
    }
}

struct Callbacks {
    pre: PEVT_DMF_Thread_Function,
    work: unsafe extern "C" fn(DMFMODULE, *mut UCHAR, ULONG, *mut VOID, *mut NTSTATUS) -> i32,
    post: PEVT_DMF_Thread_Function,
}

const CALLBACK: &CStr = c"EVT_DMF_ThreadedBufferQueue_Callback";

impl Work for Callbacks {
    fn before(&self, thread: Handle) {
        if let Some(pre) = self.pre {
            // SAFETY: the program vouches for its callback.
            unsafe { pre(thread.to_c()) };
        }
    }

    fn work(&self, module: Handle, buffer: ClientBuffer) -> Worked {
        let mut status = Status::SUCCESS.0;
        let (bytes, context) = (buffer.buffer.as_ptr(), buffer.context.as_ptr());
        // SAFETY: the program vouches for its callback; the buffer is the Client's meanwhile.
        let disposition =
            unsafe { (self.work)(module.to_c(), bytes, buffer.size, context.cast(), &mut status) };
        match disposition {
            1 => Worked::Complete(Status(status)),
            2 => Worked::Pending,
            _ => {
                const MESSAGE: &str = "the callback returned no disposition; taken as WorkComplete";
                self.broke_the_contract(module, &Error::misuse(Status::INVALID_PARAMETER, MESSAGE));
                Worked::Complete(Status(status))
            }
        }
    }

    fn after(&self, thread: Handle) {
        if let Some(post) = self.post {
            // SAFETY: the program vouches for its callback.
            unsafe { post(thread.to_c()) };
        }
    }

    fn broke_the_contract(&self, module: Handle, report: &Error) {
        misuse::report(CALLBACK, module, report);
    }
}

fn with<R>(
    module: DMFMODULE,
    body: impl FnOnce(&ThreadedBufferQueue) -> Result<R, Error>,
) -> Result<R, Error> {
    table::enter(Handle::from_c(module), body)
}

/// The number of buffers that wait for work. Any thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_Count")]
pub unsafe extern "C" fn count(dmf_module: DMFMODULE) -> ULONG {
    value(c"DMF_ThreadedBufferQueue_Count", dmf_module, || {
        with(dmf_module, ThreadedBufferQueue::count)
    })
}

fn enqueue_at(
    method: &'static CStr,
    module: DMFMODULE,
    client_buffer: *mut VOID,
    end: End,
) -> Result<(), Error> {
    let overrun = with(module, |queue| {
        not_null(client_buffer, "ClientBuffer is NULL")?;
        queue.enqueue(client_buffer.addr(), end)
    })?;
    report(method, module, overrun);
    Ok(())
}

/// Puts a fetched buffer at the tail of the queue and wakes the thread. Misuse, and nothing changes: a buffer
/// that is not this queue's or not the Client's. Any thread, callbacks included.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_Enqueue")]
pub unsafe extern "C" fn enqueue(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    const METHOD: &CStr = c"DMF_ThreadedBufferQueue_Enqueue";
    value(METHOD, dmf_module, || enqueue_at(METHOD, dmf_module, client_buffer, End::Tail))
}

/// As DMF_ThreadedBufferQueue_Enqueue, at the head.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_EnqueueAtHead")]
pub unsafe extern "C" fn enqueue_at_head(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    const METHOD: &CStr = c"DMF_ThreadedBufferQueue_EnqueueAtHead";
    value(METHOD, dmf_module, || enqueue_at(METHOD, dmf_module, client_buffer, End::Head))
}

fn enqueue_and_wait_at(
    method: &'static CStr,
    module: DMFMODULE,
    client_buffer: *mut VOID,
    end: End,
) -> Result<(), Error> {
    let (status, overrun) = with(module, |queue| {
        not_null(client_buffer, "ClientBuffer is NULL")?;
        queue.enqueue_and_wait(client_buffer.addr(), end)
    })?;
    report(method, module, overrun);
    match status {
        Status::SUCCESS => Ok(()),
        status => Err(Error::new(status, "the work ended with this status")),
    }
}

/// As DMF_ThreadedBufferQueue_Enqueue, and waits until the work is done.
///
/// Returns the status that the work callback set, or that DMF_ThreadedBufferQueue_WorkCompleted was given;
/// STATUS_CANCELLED (flushed, reused while it was pending, or the Module was deleted); STATUS_INVALID_PARAMETER;
/// STATUS_INSUFFICIENT_RESOURCES (nothing is enqueued); STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE (also
/// from the Module's own callback: misuse). Any other thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_EnqueueAndWait")]
pub unsafe extern "C" fn enqueue_and_wait(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_ThreadedBufferQueue_EnqueueAndWait";
    status(METHOD, dmf_module, || enqueue_and_wait_at(METHOD, dmf_module, client_buffer, End::Tail))
}

/// As DMF_ThreadedBufferQueue_EnqueueAndWait, at the head.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait")]
pub unsafe extern "C" fn enqueue_at_head_and_wait(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait";
    status(METHOD, dmf_module, || enqueue_and_wait_at(METHOD, dmf_module, client_buffer, End::Head))
}

/// Takes an unused, zeroed buffer.
///
/// Parameters: ClientBuffer: gets the buffer; ClientBufferContext: may be NULL; gets its context.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (none left; outputs untouched); STATUS_INVALID_PARAMETER;
/// STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE.
/// Memory: the buffer is the caller's until it is enqueued or reused. Any thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_Fetch")]
pub unsafe extern "C" fn fetch(
    dmf_module: DMFMODULE,
    client_buffer: *mut *mut VOID,
    client_buffer_context: *mut *mut VOID,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_ThreadedBufferQueue_Fetch";
    status(METHOD, dmf_module, || {
        let buffer = with(dmf_module, |queue| {
            not_null(client_buffer, "ClientBuffer is NULL")?;
            queue.fetch()
        })?;
        let client = hand_out(METHOD, dmf_module, buffer);
        // SAFETY: the caller's pointers; the second may be NULL.
        unsafe {
            put(client_buffer, client.buffer.as_ptr().cast());
            put(client_buffer_context, client.context.as_ptr().cast());
        }
        Ok(())
    })
}

/// Ends the work that waits now: who waits for it gets STATUS_CANCELLED, the cleanup callback sees each buffer.
/// Work that has begun goes on. Any thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_Flush")]
pub unsafe extern "C" fn flush(dmf_module: DMFMODULE) {
    value(c"DMF_ThreadedBufferQueue_Flush", dmf_module, || {
        with(dmf_module, |queue| {
            queue.flush();
            Ok(())
        })
    })
}

/// Gives back a fetched buffer that was not enqueued; the cleanup callback sees it. If the work callback left
/// it pending, who waits for that work gets STATUS_CANCELLED.
///
/// Legal while the Module closes and after its delete: the buffer is freed. Misuse, and nothing changes: a
/// buffer that is not this queue's or not the Client's. Any thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_Reuse")]
pub unsafe extern "C" fn reuse(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    const METHOD: &CStr = c"DMF_ThreadedBufferQueue_Reuse";
    value(METHOD, dmf_module, || {
        not_null_after(client_buffer, "ClientBuffer is NULL", || with(dmf_module, |_| Ok(())))?;
        let address = client_buffer.addr();
        let mut entered = false;
        let done = with(dmf_module, |queue| {
            entered = true;
            queue.reuse(address)
        });
        match done {
            Ok(overrun) => report(METHOD, dmf_module, overrun),
            Err(error) if entered => return Err(error),
            Err(error) => free_after_close(Handle::from_c(dmf_module), address, error)?,
        }
        Ok(())
    })
}

/// Starts the thread; what is queued already is work.
///
/// Returns STATUS_SUCCESS; STATUS_INVALID_DEVICE_STATE (started already, or the Module is being deleted);
/// STATUS_INSUFFICIENT_RESOURCES (no thread); STATUS_INVALID_HANDLE. Any thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_Start")]
pub unsafe extern "C" fn start(dmf_module: DMFMODULE) -> NTSTATUS {
    status(c"DMF_ThreadedBufferQueue_Start", dmf_module, || {
        with(dmf_module, ThreadedBufferQueue::start)
    })
}

/// Stops the thread: a running callback returns first; work that waits stays queued. From inside one of the
/// Module's own callbacks: misuse, and the thread ends when that has returned. Any thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_Stop")]
pub unsafe extern "C" fn stop(dmf_module: DMFMODULE) {
    value(c"DMF_ThreadedBufferQueue_Stop", dmf_module, || {
        with(dmf_module, ThreadedBufferQueue::stop)
    })
}

/// Ends work that the callback left pending: who waits for it gets NtStatus, the buffer is reused.
///
/// Misuse, and nothing changes: a buffer that is not this queue's or not the Client's. Any thread.
#[unsafe(export_name = "DMF_ThreadedBufferQueue_WorkCompleted")]
pub unsafe extern "C" fn work_completed(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
    nt_status: NTSTATUS,
) {
    const METHOD: &CStr = c"DMF_ThreadedBufferQueue_WorkCompleted";
    value(METHOD, dmf_module, || {
        let overrun = with(dmf_module, |queue| {
            not_null(client_buffer, "ClientBuffer is NULL")?;
            queue.work_completed(client_buffer.addr(), Status(nt_status))
        })?;
        report(METHOD, dmf_module, overrun);
        Ok(())
    })
}
