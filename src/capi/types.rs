//! The types of the C surface, as `include/dmf/types.h` declares them by hand: base types, handles,
//! callbacks, and structures that callbacks need. Enumerations come from C as integers, since any
//! value can come.

#![allow(non_camel_case_types, missing_docs)]

use std::ffi::{c_char, c_void};

pub type VOID = c_void;
pub type PVOID = *mut c_void;
pub type UCHAR = u8;
pub type BOOLEAN = u8;
pub type USHORT = u16;
pub type ULONG = u32;
pub type LONG = i32;
pub type ULONGLONG = u64;
pub type LONGLONG = i64;
pub type ULONG_PTR = usize;
pub type NTSTATUS = i32;
pub type PWSTR = *mut u16;
/// `VOID*`, or an integer of the same size at DMF_API_LEVEL 2025.
pub type DMF_NotifyUserWithRequest_EventCallbackContext = *mut c_void;

/// Handles: ids behind opaque pointers.
pub struct DMFMODULE__;
pub struct WDFDEVICE__;
pub struct WDFMEMORY__;
pub struct WDFREQUEST__;
pub struct WDFIOTARGET__;
pub type DMFMODULE = *mut DMFMODULE__;
pub type WDFDEVICE = *mut WDFDEVICE__;
pub type WDFMEMORY = *mut WDFMEMORY__;
pub type WDFREQUEST = *mut WDFREQUEST__;
pub type WDFIOTARGET = *mut WDFIOTARGET__;
pub type WDFOBJECT = *mut c_void;
pub struct RequestTarget_DmfRequestCancel__;
pub struct RequestTarget_DmfRequestReuse__;
pub type RequestTarget_DmfRequestCancel = *mut RequestTarget_DmfRequestCancel__;
pub type RequestTarget_DmfRequestReuse = *mut RequestTarget_DmfRequestReuse__;

pub type POOL_TYPE_INT = i32;
pub type ContinuousRequestTarget_RequestType_INT = i32;
pub type ContinuousRequestTarget_ModeType_INT = i32;
pub type ContinuousRequestTarget_BufferDisposition_INT = i32;
pub type ContinuousRequestTarget_CompletionOptions_INT = i32;
pub type BufferPool_ModeType_INT = i32;
pub type BufferPool_EnumerationDispositionType_INT = i32;
pub type ThreadedBufferQueue_BufferDisposition_INT = i32;
pub type ScheduledTask_Result_Type_INT = i32;
pub type RingBuffer_ModeType_INT = i32;

/// The one bit of a POOL_TYPE that matters: paged memory.
pub const PAGED_POOL: POOL_TYPE_INT = 1;
/// `NonPagedPoolNx`.
pub const NON_PAGED_POOL_NX: POOL_TYPE_INT = 512;

pub type PFN_WDF_OBJECT_CONTEXT_CLEANUP = Option<unsafe extern "C" fn(WDFOBJECT)>;
pub type PFN_WDF_OBJECT_CONTEXT_DESTROY = Option<unsafe extern "C" fn(WDFOBJECT)>;
pub type PFN_GET_UNIQUE_CONTEXT_TYPE =
    Option<unsafe extern "C" fn() -> *const WDF_OBJECT_CONTEXT_TYPE_INFO>;
pub type PCWDF_OBJECT_CONTEXT_TYPE_INFO = *const WDF_OBJECT_CONTEXT_TYPE_INFO;

#[repr(C)]
pub struct WDF_OBJECT_CONTEXT_TYPE_INFO {
    pub size: ULONG,
    pub context_name: *const c_char,
    pub context_size: usize,
    pub unique_type: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    pub evt_driver_get_unique_context_type: PFN_GET_UNIQUE_CONTEXT_TYPE,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct WDF_OBJECT_ATTRIBUTES {
    pub size: ULONG,
    pub evt_cleanup_callback: PFN_WDF_OBJECT_CONTEXT_CLEANUP,
    pub evt_destroy_callback: PFN_WDF_OBJECT_CONTEXT_DESTROY,
    pub execution_level: i32,
    pub synchronization_scope: i32,
    pub parent_object: WDFOBJECT,
    pub context_size_override: usize,
    pub context_type_info: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
}
pub type PWDF_OBJECT_ATTRIBUTES = *mut WDF_OBJECT_ATTRIBUTES;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct WDF_MEMORY_DESCRIPTOR_HandleType {
    pub memory: WDFMEMORY,
    pub offsets: *mut c_void,
}

/// cbindgen:field-names=[Type, u]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WDF_MEMORY_DESCRIPTOR {
    pub kind: i32,
    /// The other members of the union are not larger.
    pub handle_type: WDF_MEMORY_DESCRIPTOR_HandleType,
}
pub type PWDF_MEMORY_DESCRIPTOR = *mut WDF_MEMORY_DESCRIPTOR;
/// `WdfMemoryDescriptorTypeHandle`.
pub const MEMORY_DESCRIPTOR_TYPE_HANDLE: i32 = 3;

pub type PEVT_DMF_MODULE_Notification = Option<unsafe extern "C" fn(DMFMODULE)>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_MODULE_EVENT_CALLBACKS {
    pub evt_module_on_device_notification_post_open: PEVT_DMF_MODULE_Notification,
    pub evt_module_on_device_notification_pre_close: PEVT_DMF_MODULE_Notification,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_MODULE_ATTRIBUTES {
    pub size_of_header: ULONG,
    pub module_config_pointer: *mut VOID,
    pub size_of_module_specific_config: ULONG,
    pub instance_creator: Option<
        unsafe extern "C" fn(
            WDFDEVICE,
            *mut DMF_MODULE_ATTRIBUTES,
            *mut WDF_OBJECT_ATTRIBUTES,
            *mut DMFMODULE,
        ) -> NTSTATUS,
    >,
    pub client_callbacks: *mut DMF_MODULE_EVENT_CALLBACKS,
    pub resultant_dmf_module: *mut DMFMODULE,
    pub client_module_instance_name: *const c_char,
    pub dynamic_module_immediate: BOOLEAN,
    pub dynamic_module: BOOLEAN,
    pub transport_module_add:
        Option<unsafe extern "C" fn(DMFMODULE, *mut DMF_MODULE_ATTRIBUTES, PVOID)>,
    pub passive_level: BOOLEAN,
    pub is_transport_module: BOOLEAN,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct BufferPool_SourceSettings {
    pub buffer_count: ULONG,
    pub buffer_size: ULONG,
    pub buffer_context_size: ULONG,
    pub enable_look_aside: ULONG,
    pub create_with_timer: ULONG,
    pub pool_type: POOL_TYPE_INT,
}

pub type PEVT_DMF_ContinuousRequestTarget_SendCompletion = Option<
    unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID, usize, *mut VOID, usize, NTSTATUS),
>;
pub type PEVT_DMF_NotifyUserWithRequest_Function =
    Option<unsafe extern "C" fn(DMFMODULE, WDFREQUEST, ULONG_PTR, NTSTATUS)>;
pub type PEVT_DMF_Request_Completion =
    Option<unsafe extern "C" fn(WDFREQUEST, NTSTATUS, ULONG_PTR, *mut VOID)>;
pub type PFN_WDF_REQUEST_CANCEL = Option<unsafe extern "C" fn(WDFREQUEST)>;
pub type PEVT_DMF_IoTarget_Request = Option<
    unsafe extern "C" fn(
        WDFIOTARGET,
        WDFREQUEST,
        ContinuousRequestTarget_RequestType_INT,
        ULONG,
        *mut VOID,
        usize,
        *mut VOID,
        usize,
        *mut ULONG_PTR,
        *mut VOID,
    ) -> NTSTATUS,
>;
pub type PEVT_DMF_BufferPool_Enumeration = Option<
    unsafe extern "C" fn(
        DMFMODULE,
        *mut VOID,
        *mut VOID,
        *mut VOID,
    ) -> BufferPool_EnumerationDispositionType_INT,
>;
pub type PEVT_DMF_BufferPool_TimerCallback =
    Option<unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID, *mut VOID)>;
pub type PEVT_DMF_BufferQueue_ReuseCleanup =
    Option<unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID)>;
pub type PEVT_DMF_ThreadedBufferQueue_ReuseCleanup =
    Option<unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID)>;
pub type PEVT_DMF_Thread_Function = Option<unsafe extern "C" fn(DMFMODULE)>;
pub type PEVT_DMF_ThreadedBufferQueue_Callback = Option<
    unsafe extern "C" fn(
        DMFMODULE,
        *mut UCHAR,
        ULONG,
        *mut VOID,
        *mut NTSTATUS,
    ) -> ThreadedBufferQueue_BufferDisposition_INT,
>;
pub type PEVT_DMF_QueuedWorkItem_Callback =
    Option<unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut VOID) -> ScheduledTask_Result_Type_INT>;
pub type PEVT_DMF_RingBuffer_Enumeration =
    Option<unsafe extern "C" fn(DMFMODULE, *mut UCHAR, ULONG, *mut VOID) -> BOOLEAN>;
pub type PEVT_DMF_ContinuousRequestTarget_BufferInput =
    Option<unsafe extern "C" fn(DMFMODULE, *mut VOID, *mut usize, *mut VOID)>;
pub type PEVT_DMF_ContinuousRequestTarget_BufferOutput = Option<
    unsafe extern "C" fn(
        DMFMODULE,
        *mut VOID,
        usize,
        *mut VOID,
        NTSTATUS,
    ) -> ContinuousRequestTarget_BufferDisposition_INT,
>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMF_HID_DEVICE_INFORMATION {
    pub size: ULONG,
    pub path: *const c_char,
    pub vendor_id: USHORT,
    pub product_id: USHORT,
    pub release_number: USHORT,
    pub usage_page: USHORT,
    pub usage: USHORT,
    pub interface_number: LONG,
    pub manufacturer: *const c_char,
    pub product: *const c_char,
    pub serial_number: *const c_char,
}

pub type PEVT_DMF_IoTarget_Removal = Option<unsafe extern "C" fn(WDFIOTARGET, *mut VOID)>;
pub type PEVT_DMF_Hid_Enumeration =
    Option<unsafe extern "C" fn(*const DMF_HID_DEVICE_INFORMATION, *mut VOID) -> BOOLEAN>;
pub type PEVT_DMF_Hid_Change =
    Option<unsafe extern "C" fn(*const DMF_HID_DEVICE_INFORMATION, BOOLEAN, *mut VOID)>;
pub type PEVT_DMF_Misuse =
    Option<unsafe extern "C" fn(*const c_char, *mut VOID, *const c_char, *mut VOID)>;
