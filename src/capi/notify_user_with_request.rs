//! DMF_NotifyUserWithRequest: Requests that wait for data. Source: Dmf_NotifyUserWithRequest.md;
//! BEHAVIOUR, section 5.

#![allow(non_camel_case_types)]

use super::boundary::{status, value};
use super::module::{self, config_init};
use super::types::*;
use crate::framework::handle::Handle;
use crate::framework::memory::try_box;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::table::{self, Ref};
use crate::io::request::Request;
use crate::modules::notify_user_with_request::{Client, Config, NotifyUserWithRequest};
use std::ffi::CStr;

/// Configuration of a NotifyUserWithRequest. Negative numbers of entries are taken as 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_CONFIG_NotifyUserWithRequest {
    /// Requests that may be pending; 0 refuses all.
    pub maximum_number_of_pending_requests: LONG,
    /// Entries of data that may wait; 0: the Module keeps no data.
    pub maximum_number_of_pending_data_buffers: LONG,
    /// Bytes of an entry of data; 0: entries without data.
    pub size_of_data_buffer: LONG,
    /// Called for a Request that is canceled while it is pending, and must complete it; may be NULL. Not called when
    /// the Module, or the Request with its device, is deleted.
    pub evt_pending_requests_cancel: PEVT_DMF_NotifyUserWithRequest_Function,
    /// Not used.
    pub client_driver_provider_name: PWSTR,
    /// Called for an entry of data after it was delivered, discarded or flushed; may be NULL. The context is
    /// NULL.
    pub evt_data_cleanup: PEVT_DMF_BufferQueue_ReuseCleanup,
    /// TRUE: the Module keeps the times of Requests and data.
    pub time_stamping: BOOLEAN,
    /// TRUE: entries of data are made when none is left; nothing is discarded.
    pub enable_look_aside: BOOLEAN,
}

/// Initializes a Config (all zero) and attributes that lead to it.
#[unsafe(export_name = "DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn config_and_attributes_init(
    module_config: *mut DMF_CONFIG_NotifyUserWithRequest,
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
) {
    value(c"DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT", module_config, || {
        // SAFETY: a Config of integers, pointers and optional callbacks may be zero; the pointers are the
        // caller's, or NULL.
        unsafe {
            config_init(module_config, module_attributes, attributes_init, std::mem::zeroed())
        }
    })
}

/// Initializes the attributes of a NotifyUserWithRequest.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: *mut DMF_MODULE_ATTRIBUTES) {
    // SAFETY: the caller's pointer, or NULL.
    unsafe { module::init::<DMF_CONFIG_NotifyUserWithRequest>(attributes, create) }
}

/// Creates a NotifyUserWithRequest.
///
/// Parameters: Device, ObjectAttributes: may be NULL; DmfModule: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (SizeOfDataBuffer is negative; attributes);
/// STATUS_INVALID_HANDLE (Device or parent); STATUS_DELETE_PENDING; STATUS_INSUFFICIENT_RESOURCES.
/// Memory: the caller deletes the Module with WdfObjectDelete: pending Requests end with STATUS_CANCELLED, before the
/// delete waits for callbacks that run; then pending data is flushed. Any thread.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    dmf_module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    dmf_module: *mut DMFMODULE,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_NotifyUserWithRequest_Create";
    // SAFETY: the caller's pointers; the Config has integers, pointers and optional callbacks only.
    unsafe {
        module::create(
            METHOD,
            device,
            dmf_module_attributes,
            object_attributes,
            dmf_module,
            |draft, config: &DMF_CONFIG_NotifyUserWithRequest, _| {
                let Ok(data_size) = u32::try_from(config.size_of_data_buffer) else {
                    return Err(Error::new(
                        Status::INVALID_PARAMETER,
                        "SizeOfDataBuffer is negative",
                    ));
                };
                let at_least_none = |count: LONG| u32::try_from(count).unwrap_or(0);
                let client = try_box(Callbacks {
                    cancel: config.evt_pending_requests_cancel,
                    cleanup: config.evt_data_cleanup,
                })?;
                let most_data = config.maximum_number_of_pending_data_buffers;
                let config = Config {
                    most_requests: at_least_none(config.maximum_number_of_pending_requests),
                    most_data: at_least_none(most_data),
                    data_size,
                    look_aside: config.enable_look_aside != 0,
                    time_stamping: config.time_stamping != 0,
                };
                NotifyUserWithRequest::new(draft, config, client)
            },
        )
    }
}

struct Callbacks {
    cancel: PEVT_DMF_NotifyUserWithRequest_Function,
    cleanup: PEVT_DMF_BufferQueue_ReuseCleanup,
}

impl Client for Callbacks {
    fn call(
        &self,
        module: Handle,
        callback: usize,
        request: Handle,
        context: usize,
        status: Status,
    ) {
        // SAFETY: `address_of` stored such a callback, and the program vouches for it.
        unsafe {
            let callback = std::mem::transmute::<
                *const (),
                unsafe extern "C" fn(DMFMODULE, WDFREQUEST, ULONG_PTR, NTSTATUS),
            >(std::ptr::with_exposed_provenance(callback));
            callback(module.to_c(), request.to_c(), context, status.0);
        }
    }

    fn canceled(&self, module: Handle, request: Handle) {
        let Some(cancel) = self.cancel else { return };
        // SAFETY: the program vouches for its callback.
        unsafe { cancel(module.to_c(), request.to_c(), 0, Status::CANCELLED.0) };
    }

    fn clean_up(&self, module: Handle, data: *mut u8) {
        if let Some(cleanup) = self.cleanup {
            // SAFETY: the program vouches for its callback; the data is nobody else's meanwhile.
            unsafe { cleanup(module.to_c(), data.cast(), std::ptr::null_mut()) };
        }
    }
}

fn address_of(callback: PEVT_DMF_NotifyUserWithRequest_Function) -> usize {
    callback.map_or(0, |callback| (callback as *const ()).expose_provenance())
}

fn with<R>(
    module: DMFMODULE,
    body: impl FnOnce(&NotifyUserWithRequest) -> Result<R, Error>,
) -> Result<R, Error> {
    table::enter(Handle::from_c(module), body)
}

/// Queues a copy of the data, then completes at most one pending Request: the oldest, with the oldest data.
///
/// Parameters: EventCallbackFunction: called without a lock with (Module, Request, address of the copy,
/// NtStatus); it must complete the Request, and the copy is valid during the call. NULL: the Request is
/// completed with NtStatus. EventCallbackContext: SizeOfDataBuffer bytes (NULL: zeros, misuse).
/// When all entries are in use the oldest waiting one is discarded and counted; with EnableLookAside one is
/// made. Misuse: MaximumNumberOfPendingDataBuffers is 0 (STATUS_INVALID_DEVICE_STATE). The status is
/// DMF_LastStatusGet's. Any thread, callbacks included. Source: Dmf_NotifyUserWithRequest.md, DataProcess.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_DataProcess")]
pub unsafe extern "C" fn data_process(
    dmf_module: DMFMODULE,
    event_callback_function: PEVT_DMF_NotifyUserWithRequest_Function,
    event_callback_context: *mut VOID,
    nt_status: NTSTATUS,
) {
    value(c"DMF_NotifyUserWithRequest_DataProcess", dmf_module, || {
        with(dmf_module, |module| {
            let size = module.data_size() as usize;
            let missing = size > 0 && event_callback_context.is_null();
            // SAFETY: the caller's bytes.
            let data =
                (!missing).then(|| unsafe { Span::new(event_callback_context.cast(), size) });
            module.data_process(address_of(event_callback_function), data, Status(nt_status))?;
            if missing {
                return Err(Error::misuse(
                    Status::INVALID_PARAMETER,
                    "EventCallbackContext is NULL: an entry of zeros was queued",
                ));
            }
            Ok(())
        })
    })
}

/// Queues a Request; no attempt is made to complete it.
///
/// Returns STATUS_SUCCESS (also for a Request that was canceled before: it is completed with
/// STATUS_CANCELLED); STATUS_INVALID_DEVICE_STATE (MaximumNumberOfPendingRequests are pending, the Request is
/// submitted already, or the Module is being deleted); STATUS_INSUFFICIENT_RESOURCES; STATUS_INVALID_HANDLE.
/// Memory: on failure the Request stays the caller's. Any thread.
/// Source: Dmf_NotifyUserWithRequest.md, EventRequestAdd.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_EventRequestAdd")]
pub unsafe extern "C" fn event_request_add(dmf_module: DMFMODULE, request: WDFREQUEST) -> NTSTATUS {
    status(c"DMF_NotifyUserWithRequest_EventRequestAdd", dmf_module, || {
        with(dmf_module, |module| module.request_add(the_request(request)?))
    })
}

fn the_request(request: WDFREQUEST) -> Result<Ref<Request>, Error> {
    let request = Ref::<Request>::new(Handle::from_c(request));
    table::check::<Request>(request.handle)?;
    Ok(request)
}

/// Queues a Request, then completes at most one Request with pending data.
///
/// Returns as DMF_NotifyUserWithRequest_EventRequestAdd: STATUS_SUCCESS also when the Request stays pending.
/// STATUS_INVALID_DEVICE_STATE, and misuse, if MaximumNumberOfPendingDataBuffers is 0. Any thread.
/// Source: Dmf_NotifyUserWithRequest.md, RequestProcess.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_RequestProcess")]
pub unsafe extern "C" fn request_process(dmf_module: DMFMODULE, request: WDFREQUEST) -> NTSTATUS {
    status(c"DMF_NotifyUserWithRequest_RequestProcess", dmf_module, || {
        with(dmf_module, |module| module.request_process(the_request(request)?))
    })
}

/// Gives the oldest pending Request to a callback, which must complete it; pending data is not touched.
///
/// Parameters: EventCallbackFunction: gets (Module, Request, EventCallbackContext, NtStatus); NULL: the Request
/// is completed with NtStatus. No Request is pending: nothing. Any thread.
/// Source: Dmf_NotifyUserWithRequest.md, RequestReturn.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_RequestReturn")]
pub unsafe extern "C" fn request_return(
    dmf_module: DMFMODULE,
    event_callback_function: PEVT_DMF_NotifyUserWithRequest_Function,
    event_callback_context: DMF_NotifyUserWithRequest_EventCallbackContext,
    nt_status: NTSTATUS,
) {
    value(c"DMF_NotifyUserWithRequest_RequestReturn", dmf_module, || {
        with(dmf_module, |module| {
            let callback = address_of(event_callback_function);
            let context = event_callback_context.expose_provenance();
            module.request_return(callback, context, Status(nt_status));
            Ok(())
        })
    })
}

/// Gives the Requests that are pending now to a callback, the oldest first; see
/// DMF_NotifyUserWithRequest_RequestReturn. Any thread.
/// Source: Dmf_NotifyUserWithRequest.md, RequestReturnAll.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_RequestReturnAll")]
pub unsafe extern "C" fn request_return_all(
    dmf_module: DMFMODULE,
    event_callback_function: PEVT_DMF_NotifyUserWithRequest_Function,
    event_callback_context: DMF_NotifyUserWithRequest_EventCallbackContext,
    nt_status: NTSTATUS,
) {
    value(c"DMF_NotifyUserWithRequest_RequestReturnAll", dmf_module, || {
        with(dmf_module, |module| {
            let callback = address_of(event_callback_function);
            let context = event_callback_context.expose_provenance();
            module.request_return_all(callback, context, Status(nt_status));
            Ok(())
        })
    })
}

/// As DMF_NotifyUserWithRequest_RequestReturn, and says whether there was a Request.
///
/// Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL (none is pending); STATUS_INVALID_HANDLE;
/// STATUS_INVALID_DEVICE_STATE. Any thread. Source: Dmf_NotifyUserWithRequest.md, RequestReturnEx.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_RequestReturnEx")]
pub unsafe extern "C" fn request_return_ex(
    dmf_module: DMFMODULE,
    event_callback_function: PEVT_DMF_NotifyUserWithRequest_Function,
    event_callback_context: DMF_NotifyUserWithRequest_EventCallbackContext,
    nt_status: NTSTATUS,
) -> NTSTATUS {
    status(c"DMF_NotifyUserWithRequest_RequestReturnEx", dmf_module, || {
        with(dmf_module, |module| {
            let callback = address_of(event_callback_function);
            let context = event_callback_context.expose_provenance();
            if module.request_return(callback, context, Status(nt_status)) {
                return Ok(());
            }
            Err(Error::new(Status::UNSUCCESSFUL, "no Request is pending"))
        })
    })
}

/// When the data came, in nanoseconds of the monotonic clock; 0 without TimeStamping.
///
/// Parameters: DataBuffer: the address that the completion callback got, during the callback. Any thread.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_DataBufferTimestampGet")]
pub unsafe extern "C" fn data_buffer_timestamp_get(
    dmf_module: DMFMODULE,
    data_buffer: *mut VOID,
) -> LONGLONG {
    value(c"DMF_NotifyUserWithRequest_DataBufferTimestampGet", dmf_module, || {
        with(dmf_module, |module| Ok(module.data_timestamp(data_buffer.addr())? as LONGLONG))
    })
}

/// When the Request was queued, in nanoseconds of the monotonic clock; 0 without TimeStamping. Any thread.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_RequestTimestampGet")]
pub unsafe extern "C" fn request_timestamp_get(
    dmf_module: DMFMODULE,
    request: WDFREQUEST,
) -> LONGLONG {
    value(c"DMF_NotifyUserWithRequest_RequestTimestampGet", dmf_module, || {
        with(dmf_module, |module| Ok(module.request_timestamp(the_request(request)?)? as LONGLONG))
    })
}

/// Entries of data that were discarded since the Module was created, because all were in use. Any thread.
#[unsafe(export_name = "DMF_NotifyUserWithRequest_DiscardedCountGet")]
pub unsafe extern "C" fn discarded_count_get(dmf_module: DMFMODULE) -> ULONGLONG {
    value(c"DMF_NotifyUserWithRequest_DiscardedCountGet", dmf_module, || {
        with(dmf_module, |module| Ok(module.discarded()))
    })
}
