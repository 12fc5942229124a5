//! DMF_ContinuousRequestTarget: streams Requests to a target. Source:
//! Dmf_ContinuousRequestTarget.md; BEHAVIOUR, section 6.

#![allow(non_camel_case_types)]

use super::boundary::{not_null, not_null_after, put, report, span, status, value};
use super::module::{self, Setting, config_init};
use super::types::*;
use crate::framework::buffer::ClientBuffer;
use crate::framework::handle::Handle;
use crate::framework::memory::try_box;
use crate::framework::misuse;
use crate::framework::slab::Shape;
use crate::framework::status::{Error, Status};
use crate::framework::{table, tree::Draft};
use crate::io::request::{Operation, Outcome};
use crate::io::target::Target;
use crate::modules::buffer_pool::{Settings, free_after_close};
use crate::modules::continuous_request_target::{
    Client, Completion, Config, ContinuousRequestTarget, Disposition, Manner, Sent,
};
use std::ffi::CStr;
use std::time::Duration;

/// Configuration of a ContinuousRequestTarget. Sizes in bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_CONFIG_ContinuousRequestTarget {
    /// Requests that stream at the same time.
    pub continuous_request_count: ULONG,
    /// Input buffers to make.
    pub buffer_count_input: ULONG,
    /// Output buffers to make.
    pub buffer_count_output: ULONG,
    /// What the Requests ask. Invalid: the Module cannot stream.
    pub request_type: ContinuousRequestTarget_RequestType_INT,
    /// Size of each input buffer; 0: no input buffers.
    pub buffer_input_size: ULONG,
    /// Size of each input buffer's context.
    pub buffer_context_input_size: ULONG,
    /// Size of each output buffer; 0: no output buffers.
    pub buffer_output_size: ULONG,
    /// Size of each output buffer's context.
    pub buffer_context_output_size: ULONG,
    /// TRUE: output buffers are made when none is left.
    pub enable_look_aside_output: ULONG,
    /// Kind of memory of the input buffers.
    pub pool_type_input: POOL_TYPE_INT,
    /// Kind of memory of the output buffers.
    pub pool_type_output: POOL_TYPE_INT,
    /// Fills input buffers; NULL: zeros are sent.
    pub evt_continuous_request_target_buffer_input: PEVT_DMF_ContinuousRequestTarget_BufferInput,
    /// Takes output buffers; NULL: success continues, failure stops a Request.
    pub evt_continuous_request_target_buffer_output: PEVT_DMF_ContinuousRequestTarget_BufferOutput,
    /// The control code of Ioctl and InternalIoctl Requests.
    pub continuous_request_target_ioctl: ULONG,
    /// TRUE: before sleep the target finishes what it holds.
    pub purge_and_start_target_in_d0_callbacks: BOOLEAN,
    /// TRUE: before sleep Requests are canceled, and sent again afterwards.
    pub cancel_and_resend_request_in_d0_callbacks: BOOLEAN,
    /// How streaming starts and stops; 0 is Manual.
    pub continuous_request_target_mode: ContinuousRequestTarget_ModeType_INT,
}

const MODE_AUTOMATIC: ContinuousRequestTarget_ModeType_INT = 1;
const MODE_MAXIMUM: ContinuousRequestTarget_ModeType_INT = 3;

const REQUEST_TYPE_INVALID: ContinuousRequestTarget_RequestType_INT = 0;
const REQUEST_TYPE_INTERNAL_IOCTL: ContinuousRequestTarget_RequestType_INT = 1;
const REQUEST_TYPE_IOCTL: ContinuousRequestTarget_RequestType_INT = 2;
const REQUEST_TYPE_READ: ContinuousRequestTarget_RequestType_INT = 3;
const REQUEST_TYPE_WRITE: ContinuousRequestTarget_RequestType_INT = 4;

/// Initializes a Config (all zero) and attributes that lead to it.
#[unsafe(export_name = "DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn config_and_attributes_init(
    module_config: *mut DMF_CONFIG_ContinuousRequestTarget,
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
) {
    value(c"DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT", module_config, || {
        // SAFETY: a Config of integers and optional callbacks may be zero; the pointers are the
        // caller's, or NULL.
        unsafe {
            config_init(module_config, module_attributes, attributes_init, std::mem::zeroed())
        }
    })
}

/// Initializes the attributes of a ContinuousRequestTarget.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: *mut DMF_MODULE_ATTRIBUTES) {
    // SAFETY: the caller's pointer, or NULL.
    unsafe { module::init::<DMF_CONFIG_ContinuousRequestTarget>(attributes, create) }
}

/// Creates a ContinuousRequestTarget with its buffers and Requests.
///
/// Parameters: Device, ObjectAttributes: may be NULL; DmfModule: gets the handle, NULL on failure.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER (mode or RequestType out of range; a pool without
/// buffers; attributes); STATUS_INVALID_HANDLE (Device or parent); STATUS_DELETE_PENDING;
/// STATUS_INSUFFICIENT_RESOURCES.
/// Memory: the caller deletes the Module with WdfObjectDelete, which stops the stream and waits for its
/// callbacks; buffers that the Client holds stay valid until they are put back. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_Create")]
pub unsafe extern "C" fn create(
    device: WDFDEVICE,
    dmf_module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    dmf_module: *mut DMFMODULE,
) -> NTSTATUS {
    const METHOD: &CStr = c"DMF_ContinuousRequestTarget_Create";
    status(METHOD, device, || {
        // SAFETY: the caller's pointers; the Config has integers and optional callbacks only.
        unsafe {
            module::create(
                METHOD,
                device,
                dmf_module_attributes,
                object_attributes,
                dmf_module,
                build,
            )
        }
    })
}

fn build(
    draft: &Draft,
    config: &DMF_CONFIG_ContinuousRequestTarget,
    setting: &Setting,
) -> Result<ContinuousRequestTarget, Error> {
    if !(0..MODE_MAXIMUM).contains(&config.continuous_request_target_mode) {
        return Err(Error::new(
            Status::INVALID_PARAMETER,
            "ContinuousRequestTargetMode is neither Automatic nor Manual",
        ));
    }
    let operation = match config.request_type {
        REQUEST_TYPE_INVALID => None,
        kind => Some(operation(kind, config.continuous_request_target_ioctl)?),
    };
    setting.check_pool_type(draft.handle(), config.pool_type_input);
    setting.check_pool_type(draft.handle(), config.pool_type_output);
    let pool = |count, buffer_size, context_size, look_aside| {
        (buffer_size != 0).then_some(Settings {
            count,
            shape: Shape { buffer_size, context_size, with_timer: false },
            look_aside,
        })
    };
    let has_input = operation != Some(Operation::Read);
    let has_output = operation != Some(Operation::Write);
    let input = pool(
        config.buffer_count_input,
        config.buffer_input_size,
        config.buffer_context_input_size,
        false,
    );
    let output = pool(
        config.buffer_count_output,
        config.buffer_output_size,
        config.buffer_context_output_size,
        config.enable_look_aside_output != 0,
    );
    ContinuousRequestTarget::new(
        draft,
        Config {
            requests: config.continuous_request_count,
            operation,
            input: input.filter(|_| has_input),
            output: output.filter(|_| has_output),
            automatic: config.continuous_request_target_mode == MODE_AUTOMATIC,
            passive: setting.passive_level,
            purge: config.purge_and_start_target_in_d0_callbacks != 0,
        },
        try_box(Callbacks {
            input: config.evt_continuous_request_target_buffer_input,
            output: config.evt_continuous_request_target_buffer_output,
        })?,
    )
}

fn operation(
    kind: ContinuousRequestTarget_RequestType_INT,
    ioctl: ULONG,
) -> Result<Operation, Error> {
    match kind {
        REQUEST_TYPE_READ => Ok(Operation::Read),
        REQUEST_TYPE_WRITE => Ok(Operation::Write),
        REQUEST_TYPE_IOCTL => Ok(Operation::Ioctl(ioctl)),
        REQUEST_TYPE_INTERNAL_IOCTL => Ok(Operation::InternalIoctl(ioctl)),
        _ => Err(Error::new(Status::INVALID_PARAMETER, "RequestType is invalid")),
    }
}

/// The Client's callbacks.
struct Callbacks {
    input: PEVT_DMF_ContinuousRequestTarget_BufferInput,
    output: PEVT_DMF_ContinuousRequestTarget_BufferOutput,
}

impl Client for Callbacks {
    fn buffer_input(&self, module: Handle, buffer: ClientBuffer) -> usize {
        let mut size = buffer.size as usize;
        if let Some(callback) = self.input {
            let (bytes, context) = (buffer.buffer.as_ptr(), buffer.context.as_ptr());
            // SAFETY: the program vouches for its callback; the buffer is nobody else's.
            unsafe { callback(module.to_c(), bytes.cast(), &mut size, context.cast()) };
        }
        size
    }

    fn buffer_output(
        &self,
        module: Handle,
        buffer: Option<ClientBuffer>,
        bytes: usize,
        status: Status,
    ) -> Disposition {
        let Some(callback) = self.output else {
            return Disposition { client_keeps_buffer: false, go_on: status.is_success() };
        };
        let (address, context) = match buffer {
            Some(buffer) => (buffer.buffer.as_ptr(), buffer.context.as_ptr()),
            None => (std::ptr::null_mut(), std::ptr::null_mut()),
        };
        // SAFETY: the program vouches for its callback; the buffer is the Client's during the call.
        let answer =
            unsafe { callback(module.to_c(), address.cast(), bytes, context.cast(), status.0) };
        disposition(module, answer)
    }
}

fn disposition(module: Handle, answer: i32) -> Disposition {
    let (client_keeps_buffer, go_on) = match answer {
        1 => (false, true),
        2 => (false, false),
        3 => (true, true),
        4 => (true, false),
        _ => {
            const MESSAGE: &str = "the callback returned no disposition; taken as ContinuousRequestTargetAndStopStreaming";
            misuse::report(
                c"EVT_DMF_ContinuousRequestTarget_BufferOutput",
                module,
                &Error::misuse(Status::INVALID_PARAMETER, MESSAGE),
            );
            (false, false)
        }
    };
    Disposition { client_keeps_buffer, go_on }
}

fn with<R>(
    module: DMFMODULE,
    body: impl FnOnce(&ContinuousRequestTarget) -> Result<R, Error>,
) -> Result<R, Error> {
    table::enter(Handle::from_c(module), body)
}

/// Gives an output buffer back that the Client kept; a Request that waits for one is sent with it.
///
/// Legal while the Module closes and after its delete: the buffer is freed. Misuse, and nothing changes:
/// a pointer that is not one of the Module's output buffers, or one that the Client does not hold.
/// Any thread, callbacks included. Source: Dmf_ContinuousRequestTarget.md, BufferPut.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_BufferPut")]
pub unsafe extern "C" fn buffer_put(dmf_module: DMFMODULE, client_buffer: *mut VOID) {
    const METHOD: &CStr = c"DMF_ContinuousRequestTarget_BufferPut";
    value(METHOD, dmf_module, || {
        not_null_after(client_buffer, "ClientBuffer is NULL", || with(dmf_module, |_| Ok(())))?;
        let address = client_buffer.addr();
        let mut inside = false;
        let done = with(dmf_module, |target| {
            inside = true;
            target.buffer_put(address)
        });
        match done {
            Ok(overrun) => report(METHOD, dmf_module, overrun),
            Err(error) if inside => return Err(error),
            Err(error) => free_after_close(Handle::from_c(dmf_module), address, error)?,
        }
        Ok(())
    })
}

/// Sets the target that receives the Requests. In automatic mode the stream starts.
///
/// Returns STATUS_SUCCESS; STATUS_INVALID_HANDLE (Module or target); STATUS_INVALID_DEVICE_STATE (one
/// is set already, or the Module is being deleted); in automatic mode DMF_ContinuousRequestTarget_Start's
/// status, and on failure no target is set. Any thread.
/// Source: Dmf_ContinuousRequestTarget.md, IoTargetSet.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_IoTargetSet")]
pub unsafe extern "C" fn io_target_set(dmf_module: DMFMODULE, io_target: WDFIOTARGET) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_IoTargetSet", dmf_module, || {
        with(dmf_module, |module| {
            let core =
                table::enter(Handle::from_c(io_target), |target: &Target| Ok(target.core.clone()))?;
            module.target_set(core)
        })
    })
}

/// Clears the target. A stream is stopped first and waited for; in manual mode that is misuse. From
/// inside a callback of the stream: as DMF_ContinuousRequestTarget_Stop, without waiting. No target is
/// set: nothing. Any thread. Source: Dmf_ContinuousRequestTarget.md, IoTargetClear.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_IoTargetClear")]
pub unsafe extern "C" fn io_target_clear(dmf_module: DMFMODULE) {
    value(c"DMF_ContinuousRequestTarget_IoTargetClear", dmf_module, || {
        with(dmf_module, ContinuousRequestTarget::target_clear)
    })
}

/// Starts streaming: sends every Request to the target.
///
/// Returns STATUS_SUCCESS (without Requests also when no target is set); STATUS_INVALID_DEVICE_STATE (no
/// target, or started already); STATUS_INVALID_PARAMETER (RequestType is Invalid);
/// STATUS_UNSUCCESSFUL (no buffer for a Request); STATUS_BUFFER_TOO_SMALL (output buffers shorter than the
/// device's longest report); STATUS_DEVICE_NOT_CONNECTED (the device is gone); STATUS_INVALID_DEVICE_REQUEST (the
/// target does not answer such a Request); STATUS_INVALID_BUFFER_SIZE (BufferInput set a size larger than its
/// buffer); STATUS_CANCELLED (stopped meanwhile); STATUS_INSUFFICIENT_RESOURCES; STATUS_INVALID_HANDLE. The
/// first Request that cannot be sent gives its status, and what was sent is canceled; Start may be called
/// again.
/// BufferInput runs on the calling thread here, BufferOutput on the thread that ends a Request. Any thread.
/// Source: Dmf_ContinuousRequestTarget.md, Start.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_Start")]
pub unsafe extern "C" fn start(dmf_module: DMFMODULE) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_Start", dmf_module, || {
        with(dmf_module, ContinuousRequestTarget::start)
    })
}

/// Stops streaming: cancels the pending Requests and returns at once. A callback may still be running.
/// Any thread, callbacks included. Source: Dmf_ContinuousRequestTarget.md, Stop.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_Stop")]
pub unsafe extern "C" fn stop(dmf_module: DMFMODULE) {
    value(c"DMF_ContinuousRequestTarget_Stop", dmf_module, || {
        with(dmf_module, |module| {
            module.stop();
            Ok(())
        })
    })
}

/// Stops streaming and waits until every callback has returned; it never waits for the device. From
/// inside a callback of the stream: misuse, behaves as DMF_ContinuousRequestTarget_Stop.
/// Any thread. Source: Dmf_ContinuousRequestTarget.md, StopAndWait.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_StopAndWait")]
pub unsafe extern "C" fn stop_and_wait(dmf_module: DMFMODULE) {
    value(c"DMF_ContinuousRequestTarget_StopAndWait", dmf_module, || {
        with(dmf_module, ContinuousRequestTarget::stop_and_wait)
    })
}

/// The number of Requests that are streaming: with the target, in a callback, or waiting for a buffer.
/// Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_StreamingCountGet")]
pub unsafe extern "C" fn streaming_count_get(dmf_module: DMFMODULE) -> ULONG {
    value(c"DMF_ContinuousRequestTarget_StreamingCountGet", dmf_module, || {
        with(dmf_module, |module| Ok(module.streaming_count()))
    })
}

/// Sends one Request and waits for its end.
///
/// Parameters: RequestBuffer: RequestLength bytes to send, may be NULL if that is 0; ResponseBuffer:
/// ResponseLength bytes to receive into, may be NULL if that is 0; RequestTimeoutMilliseconds: 0 for
/// ever; BytesWritten: may be NULL; bytes transferred, 0 on failure, always written.
/// Returns the Request's final status: STATUS_SUCCESS; STATUS_IO_TIMEOUT; STATUS_CANCELLED (the target
/// was deleted); STATUS_DEVICE_NOT_CONNECTED; STATUS_INVALID_DEVICE_REQUEST (the target does not answer
/// such a Request); STATUS_INVALID_BUFFER_SIZE; STATUS_INVALID_PARAMETER (RequestType, or NULL with a
/// length); STATUS_INVALID_DEVICE_STATE (no target is set, or it or the Module is being deleted);
/// STATUS_INVALID_HANDLE; STATUS_INSUFFICIENT_RESOURCES.
/// Misuse: on the target's own thread, in a stream's callback for example (STATUS_INVALID_DEVICE_STATE). Any
/// other thread. Source: Dmf_ContinuousRequestTarget.md, SendSynchronously.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_SendSynchronously")]
pub unsafe extern "C" fn send_synchronously(
    dmf_module: DMFMODULE,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    bytes_written: *mut usize,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_SendSynchronously", dmf_module, || {
        // SAFETY: the caller's pointer, or NULL.
        unsafe { put(bytes_written, 0) };
        let outcome = with(dmf_module, |module| {
            // SAFETY: the spans are used until this returns.
            let (input, output) = unsafe {
                (
                    span(request_buffer, request_length, "RequestBuffer is NULL")?,
                    span(response_buffer, response_length, "ResponseBuffer is NULL")?,
                )
            };
            let operation = operation(request_type, request_ioctl)?;
            let timeout = Duration::from_millis(u64::from(request_timeout_milliseconds));
            module.send_synchronously(Sent { operation, input, output }, timeout)
        })?;
        if !outcome.status.is_success() {
            return Err(Error::new(outcome.status, "the target ended the Request with a failure"));
        }
        // SAFETY: the caller's pointer, or NULL.
        unsafe { put(bytes_written, outcome.information) };
        Ok(())
    })
}

/// The Client's completion callback of a single Request.
struct SendCallback {
    callback:
        unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID, usize, *mut VOID, usize, NTSTATUS),
    context: usize,
}

impl Completion for SendCallback {
    fn completed(&self, module: Handle, sent: Sent, outcome: Outcome) {
        let (input, output) = (sent.input.address(), sent.output.address());
        let nothing = (std::ptr::null_mut(), 0);
        let (written, read) = match sent.operation {
            Operation::Read => (nothing, (output, outcome.information)),
            Operation::Write => ((input, outcome.information), nothing),
            Operation::Ioctl(_) | Operation::InternalIoctl(_) => {
                ((input, sent.input.len()), (output, outcome.information))
            }
        };
        // SAFETY: the program vouches for its callback; its buffers are its own again.
        unsafe {
            (self.callback)(
                module.to_c(),
                std::ptr::with_exposed_provenance_mut(self.context),
                written.0.cast(),
                written.1,
                read.0.cast(),
                read.1,
                outcome.status.0,
            );
        }
    }
}

/// A single Request as C describes it.
struct Single {
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    ioctl: ULONG,
    timeout_milliseconds: ULONG,
    passive: bool,
    callback: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    context: *mut VOID,
}

/// # Safety
/// The buffers and the callback are the caller's until the Request's completion.
unsafe fn send_single(
    module: DMFMODULE,
    single: Single,
    cookie: Option<usize>,
    tell_id: impl FnOnce(usize),
) -> Result<(), Error> {
    with(module, |target| {
        // SAFETY: by the contract of this function.
        let (input, output) = unsafe {
            (
                span(single.request_buffer, single.request_length, "RequestBuffer is NULL")?,
                span(single.response_buffer, single.response_length, "ResponseBuffer is NULL")?,
            )
        };
        let operation = operation(single.request_type, single.ioctl)?;
        let completion: Option<Box<dyn Completion>> = match single.callback {
            Some(callback) => {
                let context = single.context.expose_provenance();
                Some(try_box(SendCallback { callback, context })?)
            }
            None => None,
        };
        let timeout = Duration::from_millis(u64::from(single.timeout_milliseconds));
        let manner = Manner { timeout, passive: single.passive, cookie };
        target.send(Sent { operation, input, output }, manner, completion, tell_id)
    })
}

/// Sends one Request without waiting for its end.
///
/// Parameters: RequestBuffer: RequestLength bytes to send, may be NULL if that is 0; ResponseBuffer:
/// ResponseLength bytes to receive into, may be NULL if that is 0; both are used in place until the callback;
/// RequestTimeoutMilliseconds: 0 for ever; EvtContinuousRequestTargetSingleAsynchronousRequest: called
/// exactly once if the Request was sent, may be NULL; SingleAsynchronousRequestClientContext: handed to it.
/// Returns whether the Request was sent: STATUS_SUCCESS; STATUS_INVALID_DEVICE_STATE (no target is set, or it or
/// the Module is being deleted);
/// STATUS_INVALID_PARAMETER (RequestType, or NULL with a length); STATUS_INVALID_BUFFER_SIZE (shorter than
/// the device's longest report); STATUS_INVALID_DEVICE_REQUEST; STATUS_DEVICE_NOT_CONNECTED;
/// STATUS_INVALID_HANDLE; STATUS_INSUFFICIENT_RESOURCES.
/// The callback runs on the thread that ends the Request (the target's, the one that cancels it, or the timer
/// thread), without a lock; with PassiveLevel on a passive thread. Its status is the Request's:
/// STATUS_IO_TIMEOUT after the time, STATUS_CANCELLED when the Module or the target is deleted. Any thread,
/// callbacks included. Source: Dmf_ContinuousRequestTarget.md, Send.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_Send")]
pub unsafe extern "C" fn send(
    dmf_module: DMFMODULE,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    evt_continuous_request_target_single_asynchronous_request: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    single_asynchronous_request_client_context: *mut VOID,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_Send", dmf_module, || {
        let single = Single {
            request_buffer,
            request_length,
            response_buffer,
            response_length,
            request_type,
            ioctl: request_ioctl,
            timeout_milliseconds: request_timeout_milliseconds,
            passive: false,
            callback: evt_continuous_request_target_single_asynchronous_request,
            context: single_asynchronous_request_client_context,
        };
        // SAFETY: the caller's buffers and callback.
        unsafe { send_single(dmf_module, single, None, |_| ()) }
    })
}

const COMPLETION_DEFAULT: ContinuousRequestTarget_CompletionOptions_INT = 0;
const COMPLETION_PASSIVE: ContinuousRequestTarget_CompletionOptions_INT = 1;

/// As DMF_ContinuousRequestTarget_Send, and says where the callback runs.
///
/// Parameters: CompletionOption: Default: the thread that ends the Request; Passive: a passive thread, where it may
/// block.
/// Returns as DMF_ContinuousRequestTarget_Send; STATUS_INVALID_PARAMETER also for another CompletionOption.
/// Any thread. Source: Dmf_ContinuousRequestTarget.md, SendEx.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_SendEx")]
pub unsafe extern "C" fn send_ex(
    dmf_module: DMFMODULE,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    completion_option: ContinuousRequestTarget_CompletionOptions_INT,
    evt_continuous_request_target_single_asynchronous_request: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    single_asynchronous_request_client_context: *mut VOID,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_SendEx", dmf_module, || {
        let handle = Handle::from_c(dmf_module);
        let passive = match completion_option {
            COMPLETION_DEFAULT => false,
            COMPLETION_PASSIVE => true,
            _ => {
                // A handle that is none speaks first.
                table::enter(handle, |_: &ContinuousRequestTarget| Ok(()))?;
                return Err(Error::new(Status::INVALID_PARAMETER, "CompletionOption is invalid"));
            }
        };
        let single = Single {
            request_buffer,
            request_length,
            response_buffer,
            response_length,
            request_type,
            ioctl: request_ioctl,
            timeout_milliseconds: request_timeout_milliseconds,
            passive,
            callback: evt_continuous_request_target_single_asynchronous_request,
            context: single_asynchronous_request_client_context,
        };
        // SAFETY: the caller's buffers and callback.
        unsafe { send_single(dmf_module, single, None, |_| ()) }
    })
}

/// DMF_ContinuousRequestTarget_SendEx of the later API (DMF_API_LEVEL 2025): as
/// DMF_ContinuousRequestTarget_Send, with an id to cancel by.
///
/// Parameters: DmfRequestIdCancel: gets the id before the callback can run, may be NULL.
/// Returns as DMF_ContinuousRequestTarget_Send. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_SendEx_2025")]
pub unsafe extern "C" fn send_ex_2025(
    dmf_module: DMFMODULE,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    evt_continuous_request_target_single_asynchronous_request: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    single_asynchronous_request_client_context: *mut VOID,
    dmf_request_id_cancel: *mut RequestTarget_DmfRequestCancel,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_SendEx_2025", dmf_module, || {
        let single = Single {
            request_buffer,
            request_length,
            response_buffer,
            response_length,
            request_type,
            ioctl: request_ioctl,
            timeout_milliseconds: request_timeout_milliseconds,
            passive: false,
            callback: evt_continuous_request_target_single_asynchronous_request,
            context: single_asynchronous_request_client_context,
        };
        // SAFETY: the caller's buffers, callback and pointer.
        unsafe {
            send_single(dmf_module, single, None, |id| {
                put(dmf_request_id_cancel, std::ptr::without_provenance_mut(id));
            })
        }
    })
}

/// Cancels a single Request.
///
/// Parameters: DmfRequestIdCancel: the id that sending it gave.
/// Returns TRUE if the cancellation was delivered: the callback still comes, with STATUS_CANCELLED; FALSE if
/// the id is unknown or the Request has ended. Never waits for the device. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_Cancel")]
pub unsafe extern "C" fn cancel(
    dmf_module: DMFMODULE,
    dmf_request_id_cancel: RequestTarget_DmfRequestCancel,
) -> BOOLEAN {
    value(c"DMF_ContinuousRequestTarget_Cancel", dmf_module, || {
        with(dmf_module, |target| Ok(BOOLEAN::from(target.cancel(dmf_request_id_cancel.addr()))))
    })
}

/// Makes a Request that can be sent again and again.
///
/// Parameters: DmfRequestIdReuse: gets its id.
/// Returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER; STATUS_INVALID_HANDLE; STATUS_INVALID_DEVICE_STATE;
/// STATUS_INSUFFICIENT_RESOURCES.
/// Memory: freed with DMF_ContinuousRequestTarget_ReuseDelete, or with the Module. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_ReuseCreate")]
pub unsafe extern "C" fn reuse_create(
    dmf_module: DMFMODULE,
    dmf_request_id_reuse: *mut RequestTarget_DmfRequestReuse,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_ReuseCreate", dmf_module, || {
        with(dmf_module, |target| {
            not_null(dmf_request_id_reuse, "DmfRequestIdReuse is NULL")?;
            let id = target.reuse_create()?;
            // SAFETY: the caller's pointer, not NULL.
            unsafe { put(dmf_request_id_reuse, std::ptr::without_provenance_mut(id)) };
            Ok(())
        })
    })
}

/// Deletes a Request that DMF_ContinuousRequestTarget_ReuseCreate made.
///
/// Returns TRUE; FALSE if the id is unknown or the Request is being sent. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_ReuseDelete")]
pub unsafe extern "C" fn reuse_delete(
    dmf_module: DMFMODULE,
    dmf_request_id_reuse: RequestTarget_DmfRequestReuse,
) -> BOOLEAN {
    value(c"DMF_ContinuousRequestTarget_ReuseDelete", dmf_module, || {
        with(dmf_module, |target| {
            Ok(BOOLEAN::from(target.reuse_delete(dmf_request_id_reuse.addr())))
        })
    })
}

/// As DMF_ContinuousRequestTarget_Send, with a Request that DMF_ContinuousRequestTarget_ReuseCreate made.
///
/// Parameters: DmfRequestIdReuse: its id; DmfRequestIdCancel: gets an id to cancel by before the callback can
/// run, may be NULL.
/// Returns as DMF_ContinuousRequestTarget_Send; STATUS_OBJECTID_NOT_FOUND (unknown, or being sent). The
/// callback may send it again. Any thread.
#[unsafe(export_name = "DMF_ContinuousRequestTarget_ReuseSend")]
pub unsafe extern "C" fn reuse_send(
    dmf_module: DMFMODULE,
    dmf_request_id_reuse: RequestTarget_DmfRequestReuse,
    request_buffer: *mut VOID,
    request_length: usize,
    response_buffer: *mut VOID,
    response_length: usize,
    request_type: ContinuousRequestTarget_RequestType_INT,
    request_ioctl: ULONG,
    request_timeout_milliseconds: ULONG,
    evt_continuous_request_target_single_asynchronous_request: PEVT_DMF_ContinuousRequestTarget_SendCompletion,
    single_asynchronous_request_client_context: *mut VOID,
    dmf_request_id_cancel: *mut RequestTarget_DmfRequestCancel,
) -> NTSTATUS {
    status(c"DMF_ContinuousRequestTarget_ReuseSend", dmf_module, || {
        let single = Single {
            request_buffer,
            request_length,
            response_buffer,
            response_length,
            request_type,
            ioctl: request_ioctl,
            timeout_milliseconds: request_timeout_milliseconds,
            passive: false,
            callback: evt_continuous_request_target_single_asynchronous_request,
            context: single_asynchronous_request_client_context,
        };
        let cookie = Some(dmf_request_id_reuse.addr());
        // SAFETY: the caller's buffers, callback and pointer.
        unsafe {
            send_single(dmf_module, single, cookie, |id| {
                put(dmf_request_id_cancel, std::ptr::without_provenance_mut(id));
            })
        }
    })
}
