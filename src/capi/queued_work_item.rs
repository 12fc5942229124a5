//! DMF_QueuedWorkItem: work in buffers, done in order on passive threads. BEHAVIOUR, section 7.

#![allow(non_camel_case_types)]

use super::boundary::{not_null, span, status, value};
use super::buffer_pool::settings;
use super::buffer_queue::{DMF_CONFIG_BufferQueue, FRESH_CONFIG, cleanup};
use super::module::{self, config_init};
use super::types::*;
use crate::framework::buffer::ClientBuffer;
use crate::framework::handle::Handle;
use crate::framework::memory::try_box;
use crate::framework::misuse;
use crate::framework::status::{Error, Status};
use crate::framework::table;
use crate::modules::queued_work_item::{QueuedWorkItem, Work};
use std::ffi::CStr;

/// Configuration of a QueuedWorkItem.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_CONFIG_QueuedWorkItem {
    /// Does the work of one buffer.
    pub evt_queued_workitem_function: PEVT_DMF_QueuedWorkItem_Callback,
    /// The buffers: as many as work may wait.
    pub buffer_queue_config: DMF_CONFIG_BufferQueue,
}

/// Initializes a Config (PoolType NonPagedPoolNx, the rest zero) and attributes that lead to it.
#[unsafe(export_name = "DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn config_and_attributes_init(
    module_config: *mut DMF_CONFIG_QueuedWorkItem,
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
) {
    value(c"DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT", module_config, || {
        let fresh = DMF_CONFIG_QueuedWorkItem {
            evt_queued_workitem_function: None,
            buffer_queue_config: FRESH_CONFIG,
        };
        // SAFETY: the caller's pointers, or NULL.
        unsafe { config_init(module_config, module_attributes, attributes_init, fresh) }
    })
}

/// Initializes the attributes of a QueuedWorkItem.
#[unsafe(export_name = "DMF_QueuedWorkItem_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: *mut DMF_MODULE_ATTRIBUTES) {
    // SAFETY: the caller's pointer, or NULL.
    unsafe { module::init::<DMF_CONFIG_QueuedWorkItem>(attributes, create) }
}

/// Creates a QueuedWorkItem.
///
/// Parameters: Device, ObjectAttributes: may be NULL; DmfModule: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (no work function; settings, as for
/// DMF_BufferPool_Create; attributes); STATUS_INVALID_HANDLE (Device or parent); STATUS_DELETE_PENDING;
/// STATUS_INSUFFICIENT_RESOURCES.
/// Memory: the caller deletes the Module with WdfObjectDelete, which waits until accepted work is done; from
/// inside the work function the rest is done after that has returned. Any thread.
#[unsafe(export_name = "DMF_QueuedWorkItem_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    dmf_module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    dmf_module: *mut DMFMODULE,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_QueuedWorkItem_Create";
    // SAFETY: the caller's pointers; the Config has integers and optional callbacks only.
    unsafe {
        module::create(
            METHOD,
            device,
            dmf_module_attributes,
            object_attributes,
            dmf_module,
            |draft, config: &DMF_CONFIG_QueuedWorkItem, setting| {
                let Some(callback) = config.evt_queued_workitem_function else {
                    return Err(Error::new(
                        Status::INVALID_PARAMETER,
                        "EvtQueuedWorkitemFunction is NULL",
                    ));
                };
                let queue = &config.buffer_queue_config;
                setting.check_pool_type(draft.handle(), queue.source_settings.pool_type);
                let cleanup = cleanup(queue.evt_buffer_queue_reuse_cleanup, None)?;
                let settings = settings(&queue.source_settings);
                QueuedWorkItem::new(draft, settings, try_box(Callback(callback))?, cleanup)
            },
        )
    }
}

struct Callback(unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID) -> i32);

/// `ScheduledTask_WorkResult_Success` and `_Fail`.
const RESULTS: [ScheduledTask_Result_Type_INT; 2] = [1, 2];

impl Work for Callback {
    fn run(&self, module: Handle, buffer: ClientBuffer) {
        let (bytes, context) = (buffer.buffer.as_ptr(), buffer.context.as_ptr());
        // SAFETY: the program vouches for its callback; the buffer is nobody else's meanwhile.
        let result = unsafe { (self.0)(module.to_c(), bytes.cast(), context.cast()) };
        if !RESULTS.contains(&result) {
            const MESSAGE: &str =
                "the work function returned neither Success nor Fail; taken as Success";
            misuse::report(
                c"EVT_DMF_QueuedWorkItem_Callback",
                module,
                &Error::misuse(Status::INVALID_PARAMETER, MESSAGE),
            );
        }
    }
}

fn enqueue_bytes(
    module: DMFMODULE,
    buffer: *mut VOID,
    size: ULONG,
    wait: bool,
) -> Result<Status, Error> {
    table::enter(Handle::from_c(module), |item: &QueuedWorkItem| {
        // SAFETY: the caller's bytes, used until this returns.
        let bytes = unsafe { span(buffer, size as usize, "ContextBuffer is NULL")? };
        item.enqueue(bytes, wait)
    })
}

/// Queues work: a copy of the caller's bytes.
///
/// Parameters: ContextBuffer, ContextBufferSize: at most the size of the Module's buffers.
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (no free buffer); STATUS_BUFFER_TOO_SMALL (larger than the
/// buffers; nothing is queued); STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE;
/// STATUS_INVALID_DEVICE_STATE. Any thread, the work function included.
#[unsafe(export_name = "DMF_QueuedWorkItem_Enqueue")]
pub unsafe extern "C" fn enqueue(
    dmf_module: DMFMODULE,
    context_buffer: *mut VOID,
    context_buffer_size: ULONG,
) -> NTSTATUS {
    status(c"DMF_QueuedWorkItem_Enqueue", dmf_module, || {
        enqueue_bytes(dmf_module, context_buffer, context_buffer_size, false).map(|_| ())
    })
}

/// As DMF_QueuedWorkItem_Enqueue, and waits until the work is done.
///
/// Returns what the work function set with DMF_QueuedWorkItem_StatusSet, STATUS_SUCCESS if it set nothing; else
/// as DMF_QueuedWorkItem_Enqueue; STATUS_INSUFFICIENT_RESOURCES (nothing is queued). Misuse: from the Module's own
/// work function (STATUS_INVALID_DEVICE_STATE). Any other thread.
#[unsafe(export_name = "DMF_QueuedWorkItem_EnqueueAndWait")]
pub unsafe extern "C" fn enqueue_and_wait(
    dmf_module: DMFMODULE,
    context_buffer: *mut VOID,
    context_buffer_size: ULONG,
) -> NTSTATUS {
    status(c"DMF_QueuedWorkItem_EnqueueAndWait", dmf_module, || {
        match enqueue_bytes(dmf_module, context_buffer, context_buffer_size, true)? {
            Status::SUCCESS => Ok(()),
            status => Err(Error::new(status, "the work function set this status")),
        }
    })
}

/// Waits until the work that is queued now is done. Misuse, and returns at once: from the Module's own work
/// function. Any other thread.
#[unsafe(export_name = "DMF_QueuedWorkItem_Flush")]
pub unsafe extern "C" fn flush(dmf_module: DMFMODULE) {
    value(c"DMF_QueuedWorkItem_Flush", dmf_module, || {
        table::enter(Handle::from_c(dmf_module), QueuedWorkItem::flush)
    })
}

/// Sets what DMF_QueuedWorkItem_EnqueueAndWait returns for the buffer that is being worked on; called from the
/// work function. Misuse: another buffer.
#[unsafe(export_name = "DMF_QueuedWorkItem_StatusSet")]
pub unsafe extern "C" fn status_set(
    dmf_module: DMFMODULE,
    client_buffer: *mut VOID,
    nt_status: NTSTATUS,
) {
    value(c"DMF_QueuedWorkItem_StatusSet", dmf_module, || {
        table::enter_from_callback(Handle::from_c(dmf_module), |item: &QueuedWorkItem| {
            not_null(client_buffer, "ClientBuffer is NULL")?;
            item.status_set(client_buffer.addr(), Status(nt_status))
        })
    })
}
