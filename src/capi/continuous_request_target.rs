//! DMF_ContinuousRequestTarget: streams Requests to a target. Source:
//! Dmf_ContinuousRequestTarget.md; BEHAVIOUR, section 6.

#![allow(non_camel_case_types)]

use super::boundary::{not_null_after, report, status, value};
use super::module::{self, Setting, config_init};
use super::types::*;
use crate::framework::buffer::ClientBuffer;
use crate::framework::handle::Handle;
use crate::framework::memory::try_box;
use crate::framework::misuse;
use crate::framework::slab::Shape;
use crate::framework::status::{Error, Status};
use crate::framework::{table, tree::Draft};
use crate::io::request::Operation;
use crate::io::target::Target;
use crate::modules::buffer_pool::{Settings, free_after_close};
use crate::modules::continuous_request_target::{
    Client, Config, ContinuousRequestTarget, Disposition,
};
use std::ffi::CStr;

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
    // SAFETY: the caller's pointers; the Config has integers and optional callbacks only.
    unsafe {
        module::create(METHOD, device, dmf_module_attributes, object_attributes, dmf_module, build)
    }
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

/// What a RequestType of C asks.
pub(super) fn operation(
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

/// Runs `body` on an open ContinuousRequestTarget.
pub(super) fn with<R>(
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
/// inside a callback of the stream, or a cancel routine that stopping it has called: misuse, behaves as
/// DMF_ContinuousRequestTarget_Stop.
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
