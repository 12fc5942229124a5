/**
 * dmf/types.h - what the generated headers build on: base types, statuses, handles, enumerations, callback types and the
 * structures that the framework and its Modules share. Types only; the functions stand in the other headers.
 *
 * Callback types are function types, not pointers: a Client writes `EVT_DMF_BufferPool_TimerCallback MyCallback;` as the
 * prototype of its function and passes `MyCallback` where a parameter says `EVT_DMF_BufferPool_TimerCallback*`.
 * No C++ exception may leave a callback.
 */
#ifndef DMF_TYPES_H
#define DMF_TYPES_H

#ifdef _WIN32
/* Without this, windows.h defines some STATUS_ names as unsigned numbers. */
#ifndef WIN32_NO_STATUS
#define WIN32_NO_STATUS
#define DMF_TYPES_WIN32_NO_STATUS
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>
#ifdef DMF_TYPES_WIN32_NO_STATUS
#undef WIN32_NO_STATUS
#undef DMF_TYPES_WIN32_NO_STATUS
#endif
#endif

#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------------------------------------------ versions */

/** Version of these headers, the first of three numbers. DMF_VersionGet() tells the version of the library in use. */
#define DMF_VERSION_MAJOR 0
/** Version of these headers, the second of three numbers. */
#define DMF_VERSION_MINOR 1
/** Version of these headers, the third of three numbers. */
#define DMF_VERSION_PATCH 0

/**
 * Which of the two published generations of the Modules' prototypes the program is written for: 2021 (the default) or
 * 2025. Define it before the first include. 2025 changes:
 * - `DMF_ContinuousRequestTarget_SendEx` has no CompletionOption and ends with a `RequestTarget_DmfRequestCancel*`;
 * - `ContinuousRequestTarget_Mode_Manual` is 0 and `ContinuousRequestTarget_Mode_Automatic` is 1;
 * - `ContinuousRequestTarget_CompletionOptions_Dispatch` exists (0);
 * - EventCallbackContext of `DMF_NotifyUserWithRequest_RequestReturn`, `...RequestReturnAll` and `...RequestReturnEx` is
 *   an integer (ULONG_PTR).
 */
#ifndef DMF_API_LEVEL
#define DMF_API_LEVEL 2021
#endif

/* ---------------------------------------------------------------------------------------------- annotations */

/*
 * The annotation words of the framework's sources. They mean nothing to this library and expand to nothing, so that
 * sources that use them compile unchanged.
 */
#ifndef _In_
#define _In_
#endif
#ifndef _In_opt_
#define _In_opt_
#endif
#ifndef _In_z_
#define _In_z_
#endif
#ifndef _In_opt_z_
#define _In_opt_z_
#endif
#ifndef _In_reads_
#define _In_reads_(Count)
#endif
#ifndef _In_reads_opt_
#define _In_reads_opt_(Count)
#endif
#ifndef _In_reads_bytes_
#define _In_reads_bytes_(Size)
#endif
#ifndef _In_reads_bytes_opt_
#define _In_reads_bytes_opt_(Size)
#endif
#ifndef _Out_
#define _Out_
#endif
#ifndef _Out_opt_
#define _Out_opt_
#endif
#ifndef _Out_writes_
#define _Out_writes_(Count)
#endif
#ifndef _Out_writes_opt_
#define _Out_writes_opt_(Count)
#endif
#ifndef _Out_writes_to_
#define _Out_writes_to_(Count, Written)
#endif
#ifndef _Out_writes_all_
#define _Out_writes_all_(Count)
#endif
#ifndef _Out_writes_bytes_
#define _Out_writes_bytes_(Size)
#endif
#ifndef _Out_writes_bytes_opt_
#define _Out_writes_bytes_opt_(Size)
#endif
#ifndef _Out_writes_bytes_to_
#define _Out_writes_bytes_to_(Size, Written)
#endif
#ifndef _Outptr_
#define _Outptr_
#endif
#ifndef _Outptr_opt_
#define _Outptr_opt_
#endif
#ifndef _Outptr_result_maybenull_
#define _Outptr_result_maybenull_
#endif
#ifndef _Inout_
#define _Inout_
#endif
#ifndef _Inout_opt_
#define _Inout_opt_
#endif
#ifndef _Inout_updates_
#define _Inout_updates_(Count)
#endif
#ifndef _Inout_updates_opt_
#define _Inout_updates_opt_(Count)
#endif
#ifndef _Inout_updates_bytes_
#define _Inout_updates_bytes_(Size)
#endif
#ifndef _Field_size_
#define _Field_size_(Count)
#endif
#ifndef _Field_size_bytes_
#define _Field_size_bytes_(Size)
#endif
#ifndef _Ret_maybenull_
#define _Ret_maybenull_
#endif
#ifndef _Ret_notnull_
#define _Ret_notnull_
#endif
#ifndef _Success_
#define _Success_(Expression)
#endif
#ifndef _When_
#define _When_(Expression, Annotation)
#endif
#ifndef _At_
#define _At_(Target, Annotation)
#endif
#ifndef _Must_inspect_result_
#define _Must_inspect_result_
#endif
#ifndef _Check_return_
#define _Check_return_
#endif
#ifndef _Use_decl_annotations_
#define _Use_decl_annotations_
#endif
#ifndef _Function_class_
#define _Function_class_(Name)
#endif
#ifndef _IRQL_requires_
#define _IRQL_requires_(Level)
#endif
#ifndef _IRQL_requires_max_
#define _IRQL_requires_max_(Level)
#endif
#ifndef _IRQL_requires_min_
#define _IRQL_requires_min_(Level)
#endif
#ifndef _IRQL_requires_same_
#define _IRQL_requires_same_
#endif
#ifndef _IRQL_raises_
#define _IRQL_raises_(Level)
#endif
#ifndef _IRQL_saves_
#define _IRQL_saves_
#endif
#ifndef _IRQL_restores_
#define _IRQL_restores_
#endif
#ifndef _Acquires_lock_
#define _Acquires_lock_(Lock)
#endif
#ifndef _Releases_lock_
#define _Releases_lock_(Lock)
#endif
#ifndef _Requires_lock_held_
#define _Requires_lock_held_(Lock)
#endif
#ifndef _Requires_lock_not_held_
#define _Requires_lock_not_held_(Lock)
#endif
#ifndef _Analysis_assume_
#define _Analysis_assume_(Expression)
#endif

/* ------------------------------------------------------------------------------------------------ base types */

#ifdef __cplusplus
extern "C" {
#endif

#ifndef _WIN32

/** No value. */
#ifndef VOID
#define VOID void
#endif
/** The BOOLEAN that means yes. */
#ifndef TRUE
#define TRUE 1
#endif
/** The BOOLEAN that means no. */
#ifndef FALSE
#define FALSE 0
#endif

/** A character of text, one byte; UTF-8 wherever this library takes or gives text. */
typedef char CHAR;
/** One byte. */
typedef uint8_t UCHAR;
/** A signed number of 16 bits. */
typedef int16_t SHORT;
/** An unsigned number of 16 bits. */
typedef uint16_t USHORT;
/** A signed number of 32 bits, on every platform. */
typedef int32_t LONG;
/** An unsigned number of 32 bits, on every platform. */
typedef uint32_t ULONG;
/** A signed number of 64 bits. */
typedef int64_t LONGLONG;
/** An unsigned number of 64 bits. */
typedef uint64_t ULONGLONG;
/** One byte: FALSE is 0, everything else is TRUE. */
typedef uint8_t BOOLEAN;
/** A signed number as wide as a pointer. */
typedef intptr_t LONG_PTR;
/** An unsigned number as wide as a pointer. */
typedef uintptr_t ULONG_PTR;
/** A number of bytes. */
typedef size_t SIZE_T;
/** The address of anything. */
typedef void* PVOID;
/** The address of bytes. */
typedef UCHAR* PUCHAR;
/** The address of 16-bit numbers. */
typedef USHORT* PUSHORT;
/** The address of 32-bit numbers. */
typedef ULONG* PULONG;
/** One unit of UTF-16 text, 16 bits on every platform: `u"text"` literals have this type, `L"text"` literals do not. */
#ifdef __cplusplus
typedef char16_t WCHAR;
#else
typedef uint16_t WCHAR;
#endif
/** UTF-16 text that ends with a 0 unit. */
typedef WCHAR* PWSTR;
/** UTF-16 text that ends with a 0 unit and is only read. */
typedef const WCHAR* PCWSTR;

#endif /* !_WIN32 */

/** How a call ended: a signed number of 32 bits; NT_SUCCESS tells whether it is a success. DMF_StatusName() names it. */
typedef LONG NTSTATUS;

/** Whether a status is a success: 0 and all positive values (STATUS_PENDING too) are. */
#ifndef NT_SUCCESS
#define NT_SUCCESS(Status) (((NTSTATUS)(Status)) >= 0)
#endif

/** It is done. */
#ifndef STATUS_SUCCESS
#define STATUS_SUCCESS ((NTSTATUS)0x00000000L)
#endif
/** It is under way and ends later. */
#ifndef STATUS_PENDING
#define STATUS_PENDING ((NTSTATUS)0x00000103L)
#endif
/** It was not possible just now (a list is empty, a ring is full), or the system refused without a better reason. */
#ifndef STATUS_UNSUCCESSFUL
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001L)
#endif
/** NULL, garbage, a deleted object's handle or the handle of another kind of object. */
#ifndef STATUS_INVALID_HANDLE
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008L)
#endif
/** A parameter or a member of a structure has a value that is not allowed. */
#ifndef STATUS_INVALID_PARAMETER
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000DL)
#endif
/** No device fits what was asked for. */
#ifndef STATUS_NO_SUCH_DEVICE
#define STATUS_NO_SUCH_DEVICE ((NTSTATUS)0xC000000EL)
#endif
/** The target or the Module does not do this. */
#ifndef STATUS_INVALID_DEVICE_REQUEST
#define STATUS_INVALID_DEVICE_REQUEST ((NTSTATUS)0xC0000010L)
#endif
/** The program may not open this device. */
#ifndef STATUS_ACCESS_DENIED
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xC0000022L)
#endif
/** The given buffer is too small for what would be written; nothing was lost. */
#ifndef STATUS_BUFFER_TOO_SMALL
#define STATUS_BUFFER_TOO_SMALL ((NTSTATUS)0xC0000023L)
#endif
/** No file or device node has this path. */
#ifndef STATUS_OBJECT_NAME_NOT_FOUND
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034L)
#endif
/** The object is being deleted. */
#ifndef STATUS_DELETE_PENDING
#define STATUS_DELETE_PENDING ((NTSTATUS)0xC0000056L)
#endif
/** A size computed from the parameters does not fit its type. */
#ifndef STATUS_INTEGER_OVERFLOW
#define STATUS_INTEGER_OVERFLOW ((NTSTATUS)0xC0000095L)
#endif
/** The device is busy with something else. */
#ifndef STATUS_DEVICE_BUSY
#define STATUS_DEVICE_BUSY ((NTSTATUS)0x80000011L)
#endif
/** No memory, or no room in a buffer. */
#ifndef STATUS_INSUFFICIENT_RESOURCES
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009AL)
#endif
/** The device is gone (or the recording is at its end). */
#ifndef STATUS_DEVICE_NOT_CONNECTED
#define STATUS_DEVICE_NOT_CONNECTED ((NTSTATUS)0xC000009DL)
#endif
/** The time-out passed first. */
#ifndef STATUS_IO_TIMEOUT
#define STATUS_IO_TIMEOUT ((NTSTATUS)0xC00000B5L)
#endif
/** This platform or this target cannot do it. */
#ifndef STATUS_NOT_SUPPORTED
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BBL)
#endif
/** A defect of this library was caught; nothing can be said about the call's effect. */
#ifndef STATUS_INTERNAL_ERROR
#define STATUS_INTERNAL_ERROR ((NTSTATUS)0xC00000E5L)
#endif
/** The Request was canceled. */
#ifndef STATUS_CANCELLED
#define STATUS_CANCELLED ((NTSTATUS)0xC0000120L)
#endif
/** The object is not in a state in which this is possible. */
#ifndef STATUS_INVALID_DEVICE_STATE
#define STATUS_INVALID_DEVICE_STATE ((NTSTATUS)0xC0000184L)
#endif
/** A buffer does not have the required size. */
#ifndef STATUS_INVALID_BUFFER_SIZE
#define STATUS_INVALID_BUFFER_SIZE ((NTSTATUS)0xC0000206L)
#endif
/** No object has this identifier. */
#ifndef STATUS_OBJECTID_NOT_FOUND
#define STATUS_OBJECTID_NOT_FOUND ((NTSTATUS)0xC00002F0L)
#endif

/** Says that a parameter is not used on purpose. */
#ifndef UNREFERENCED_PARAMETER
#define UNREFERENCED_PARAMETER(Parameter) ((void)(Parameter))
#endif

/* --------------------------------------------------------------------------------------------------- handles */

/** Makes a handle type: a pointer to a structure that nothing else points to, so that the compiler keeps handles apart. */
#ifndef DECLARE_HANDLE
#define DECLARE_HANDLE(Name) struct Name##__ { int unused; }; typedef struct Name##__* Name
#endif

/**
 * Any object: every handle type below converts to it.
 *
 * A handle is a number, not an address: it names one object, and no other object ever, also after that object's delete.
 * Every function checks the handles it is given.
 */
typedef void* WDFOBJECT;
/** An instance of a Module. */
DECLARE_HANDLE(DMFMODULE);
/** A device: the root of a tree of objects, which are deleted with it. Made by DMF_Device_Create(). */
DECLARE_HANDLE(WDFDEVICE);
/** Memory of a pool buffer. WdfMemoryGetBuffer() gives its address and size. */
DECLARE_HANDLE(WDFMEMORY);
/** A Request: one operation with its buffers, which reaches exactly one completion. */
DECLARE_HANDLE(WDFREQUEST);
/** A target: what Requests are sent to (a HID device, a recording, the program itself). */
DECLARE_HANDLE(WDFIOTARGET);
/** Identifies one Request sent by SendEx or ReuseSend, for DMF_ContinuousRequestTarget_Cancel(). Never NULL, never used twice. */
DECLARE_HANDLE(RequestTarget_DmfRequestCancel);
/** An earlier name of RequestTarget_DmfRequestCancel. */
typedef RequestTarget_DmfRequestCancel RequestTarget_DmfRequest;
/** A Request that is made once and sent many times. Made by DMF_ContinuousRequestTarget_ReuseCreate(). */
DECLARE_HANDLE(RequestTarget_DmfRequestReuse);

/* ---------------------------------------------------------------------------------------------------- memory */

/**
 * Kind of memory. All of it is process memory; the value is kept and has no other effect here than that a Module which
 * uses paged memory (bit 0 set) must have DMF_MODULE_ATTRIBUTES.PassiveLevel TRUE.
 */
typedef enum _POOL_TYPE
{
    /** Not paged. What an all-zero Config means. */
    NonPagedPool = 0,
    /** The same value as NonPagedPool. */
    NonPagedPoolExecute = 0,
    /** Paged. */
    PagedPool = 1,
    /** Not paged, aligned to a cache line. */
    NonPagedPoolCacheAligned = 4,
    /** Paged, aligned to a cache line. */
    PagedPoolCacheAligned = 5,
    /** Not paged, of the session. */
    NonPagedPoolSession = 32,
    /** Paged, of the session. */
    PagedPoolSession = 33,
    /** Not paged, not executable. What the ..._AND_ATTRIBUTES_INIT functions of the buffer Modules set. */
    NonPagedPoolNx = 512,
    /** Not paged, not executable, aligned to a cache line. */
    NonPagedPoolNxCacheAligned = 516,
    /** Not paged, not executable, of the session. */
    NonPagedPoolSessionNx = 544
} POOL_TYPE;

/** A part of a WDFMEMORY, in bytes. */
typedef struct _WDFMEMORY_OFFSET
{
    /** Where the part begins. */
    size_t BufferOffset;
    /** How long it is. */
    size_t BufferLength;
} WDFMEMORY_OFFSET, *PWDFMEMORY_OFFSET;

/** Which member of a WDF_MEMORY_DESCRIPTOR's union counts. */
typedef enum
{
    /** None. */
    WdfMemoryDescriptorTypeInvalid = 0,
    /** BufferType. */
    WdfMemoryDescriptorTypeBuffer,
    /** MdlType. */
    WdfMemoryDescriptorTypeMdl,
    /** HandleType. What the pools fill in. */
    WdfMemoryDescriptorTypeHandle
} WDF_MEMORY_DESCRIPTOR_TYPE;

/** Describes memory in one of three ways. The pools of this library describe theirs by handle, with Offsets NULL. */
typedef struct _WDF_MEMORY_DESCRIPTOR
{
    /** Which of the three. */
    WDF_MEMORY_DESCRIPTOR_TYPE Type;
    /** The description. */
    union
    {
        /** By address. */
        struct
        {
            /** Address of the first byte. */
            PVOID Buffer;
            /** Number of bytes. */
            ULONG Length;
        } BufferType;
        /** By memory descriptor list; this library makes none. */
        struct
        {
            /** The list. */
            PVOID Mdl;
            /** Number of bytes. */
            ULONG BufferLength;
        } MdlType;
        /** By handle. */
        struct
        {
            /** The memory. */
            WDFMEMORY Memory;
            /** The part of it, or NULL for all of it. */
            PWDFMEMORY_OFFSET Offsets;
        } HandleType;
    } u;
} WDF_MEMORY_DESCRIPTOR, *PWDF_MEMORY_DESCRIPTOR;

/* --------------------------------------------------------------------------------------------------- objects */

/** Where an object's callbacks run. Accepted and kept. */
typedef enum
{
    /** Not set. */
    WdfExecutionLevelInvalid = 0,
    /** As the parent's. */
    WdfExecutionLevelInheritFromParent,
    /** On threads that may wait. */
    WdfExecutionLevelPassive,
    /** On any thread. */
    WdfExecutionLevelDispatch
} WDF_EXECUTION_LEVEL;

/** Which callbacks of an object exclude each other. Accepted and kept. */
typedef enum
{
    /** Not set. */
    WdfSynchronizationScopeInvalid = 0,
    /** As the parent's. */
    WdfSynchronizationScopeInheritFromParent,
    /** All of the device's. */
    WdfSynchronizationScopeDevice,
    /** Those of one queue. */
    WdfSynchronizationScopeQueue,
    /** None. */
    WdfSynchronizationScopeNone
} WDF_SYNCHRONIZATION_SCOPE;

/** Called once when the object is deleted, while its context is still readable. */
typedef VOID EVT_WDF_OBJECT_CONTEXT_CLEANUP(WDFOBJECT Object);
/** Pointer to a cleanup callback. */
typedef EVT_WDF_OBJECT_CONTEXT_CLEANUP* PFN_WDF_OBJECT_CONTEXT_CLEANUP;
/** Called when the last reference to a deleted object is gone, just before its context is freed. */
typedef VOID EVT_WDF_OBJECT_CONTEXT_DESTROY(WDFOBJECT Object);
/** Pointer to a destroy callback. */
typedef EVT_WDF_OBJECT_CONTEXT_DESTROY* PFN_WDF_OBJECT_CONTEXT_DESTROY;

/** Identity of a context type: the address of the one description that all source files of a program share. */
typedef const struct _WDF_OBJECT_CONTEXT_TYPE_INFO* PCWDF_OBJECT_CONTEXT_TYPE_INFO;
/** Gives the identity of a context type at run time. */
typedef PCWDF_OBJECT_CONTEXT_TYPE_INFO (*PFN_GET_UNIQUE_CONTEXT_TYPE)(void);

/** Describes a context type. Written by WDF_DECLARE_CONTEXT_TYPE_WITH_NAME. */
typedef struct _WDF_OBJECT_CONTEXT_TYPE_INFO
{
    /** Size of this structure in bytes. */
    ULONG Size;
    /** Name of the type, for people. */
    const char* ContextName;
    /** Size of a context in bytes. */
    size_t ContextSize;
    /** The identity: two descriptions with the same value describe the same type. */
    PCWDF_OBJECT_CONTEXT_TYPE_INFO UniqueType;
    /** Gives UniqueType where it is not known when compiling, else NULL. */
    PFN_GET_UNIQUE_CONTEXT_TYPE EvtDriverGetUniqueContextType;
} WDF_OBJECT_CONTEXT_TYPE_INFO;

/** What an object gets when it is made. Initialise with WDF_OBJECT_ATTRIBUTES_INIT(). */
typedef struct _WDF_OBJECT_ATTRIBUTES
{
    /** Size of this structure in bytes. */
    ULONG Size;
    /** Called when the object is deleted, or NULL. */
    PFN_WDF_OBJECT_CONTEXT_CLEANUP EvtCleanupCallback;
    /** Called when the object's context is about to be freed, or NULL. */
    PFN_WDF_OBJECT_CONTEXT_DESTROY EvtDestroyCallback;
    /** Accepted and kept. */
    WDF_EXECUTION_LEVEL ExecutionLevel;
    /** Accepted and kept. */
    WDF_SYNCHRONIZATION_SCOPE SynchronizationScope;
    /** The object with which this one is deleted, or NULL. */
    WDFOBJECT ParentObject;
    /** Size of the context in bytes where it is more than the type's, else 0. */
    size_t ContextSizeOverride;
    /** Type of the object's context, or NULL for none. */
    PCWDF_OBJECT_CONTEXT_TYPE_INFO ContextTypeInfo;
} WDF_OBJECT_ATTRIBUTES, *PWDF_OBJECT_ATTRIBUTES;

/** "No attributes", where a function takes a WDF_OBJECT_ATTRIBUTES*. */
#ifndef WDF_NO_OBJECT_ATTRIBUTES
#define WDF_NO_OBJECT_ATTRIBUTES NULL
#endif

/** Address of an object's context of the given type; NULL if the object has none of that type. The accessors call it. */
PVOID WdfObjectGetTypedContextWorker(WDFOBJECT Handle, PCWDF_OBJECT_CONTEXT_TYPE_INFO TypeInfo);

/** Name of the variable that describes a context type. */
#define WDF_TYPE_NAME_TO_TYPE_INFO(ContextType) _WDF_##ContextType##_TYPE_INFO
/** Identity of a context type that WDF_DECLARE_CONTEXT_TYPE_WITH_NAME declared. */
#define WDF_GET_CONTEXT_TYPE_INFO(ContextType) ((&WDF_TYPE_NAME_TO_TYPE_INFO(ContextType))->UniqueType)

/*
 * The description of a context type must be one variable in the whole program, although a header defines it: the linker
 * merges the copies.
 */
#ifdef _WIN32
#define DMF_TYPES_MERGED_DECLARATION
#define DMF_TYPES_MERGED_DEFINITION __declspec(selectany)
#define DMF_TYPES_MAY_BE_UNUSED
#else
#define DMF_TYPES_MERGED_DECLARATION __attribute__((weak))
#define DMF_TYPES_MERGED_DEFINITION
#define DMF_TYPES_MAY_BE_UNUSED __attribute__((unused))
#endif
#ifdef __cplusplus
#define DMF_TYPES_EXTERN_C_BEGIN extern "C" {
#define DMF_TYPES_EXTERN_C_END }
#else
#define DMF_TYPES_EXTERN_C_BEGIN
#define DMF_TYPES_EXTERN_C_END
#endif

/**
 * Declares a context type at file scope, and its accessor `ContextType* AccessorName(WDFOBJECT Handle)`, which gives NULL
 * for a handle that has no such context. No semicolon after it.
 */
#define WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(ContextType, AccessorName)                                                  \
    DMF_TYPES_EXTERN_C_BEGIN                                                                                           \
    extern DMF_TYPES_MERGED_DECLARATION const WDF_OBJECT_CONTEXT_TYPE_INFO WDF_TYPE_NAME_TO_TYPE_INFO(ContextType);    \
    DMF_TYPES_MERGED_DEFINITION const WDF_OBJECT_CONTEXT_TYPE_INFO WDF_TYPE_NAME_TO_TYPE_INFO(ContextType) = {         \
        sizeof(WDF_OBJECT_CONTEXT_TYPE_INFO), #ContextType, sizeof(ContextType),                                       \
        &WDF_TYPE_NAME_TO_TYPE_INFO(ContextType), NULL};                                                               \
    DMF_TYPES_EXTERN_C_END                                                                                             \
    DMF_TYPES_MAY_BE_UNUSED static inline ContextType* AccessorName(WDFOBJECT Handle)                                  \
    {                                                                                                                  \
        return (ContextType*)WdfObjectGetTypedContextWorker(Handle, WDF_GET_CONTEXT_TYPE_INFO(ContextType));           \
    }

/** As WDF_DECLARE_CONTEXT_TYPE_WITH_NAME, with an accessor called WdfObjectGet_ContextType. */
#define WDF_DECLARE_CONTEXT_TYPE(ContextType) WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(ContextType, WdfObjectGet_##ContextType)

/** Address of an object's context of the given type; NULL if the object has none of that type. */
#define WdfObjectGetTypedContext(Handle, ContextType)                                                                  \
    ((ContextType*)WdfObjectGetTypedContextWorker((WDFOBJECT)(Handle), WDF_GET_CONTEXT_TYPE_INFO(ContextType)))

/** Sets the context type of initialised attributes. */
#define WDF_OBJECT_ATTRIBUTES_SET_CONTEXT_TYPE(Attributes, ContextType)                                                \
    ((Attributes)->ContextTypeInfo = WDF_GET_CONTEXT_TYPE_INFO(ContextType))

/** Initialises attributes and sets their context type. */
#define WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(Attributes, ContextType)                                               \
    (WDF_OBJECT_ATTRIBUTES_INIT(Attributes), (void)WDF_OBJECT_ATTRIBUTES_SET_CONTEXT_TYPE(Attributes, ContextType))

/* -------------------------------------------------------------------------------------------------- requests */

/**
 * Called once when a Request that is marked cancelable is canceled. The callback, or something that it sets going, must
 * complete the Request.
 */
typedef VOID EVT_WDF_REQUEST_CANCEL(WDFREQUEST Request);
/** Pointer to a cancel callback. */
typedef EVT_WDF_REQUEST_CANCEL* PFN_WDF_REQUEST_CANCEL;

/**
 * Called exactly once when a Request is complete. Information is the number of bytes transferred; Context is what
 * DMF_Request_Create() was given. Deleting the Request here is legal.
 */
typedef VOID EVT_DMF_Request_Completion(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context);

/* --------------------------------------------------------------------------------------------------- Modules */

struct _DMF_MODULE_ATTRIBUTES;

/** Called when a Module is open, before its Create returns. */
typedef VOID EVT_DMF_MODULE_OnDeviceNotificationPostOpen(DMFMODULE DmfModule);
/** Called when a Module is about to close: its Methods still work. */
typedef VOID EVT_DMF_MODULE_OnDeviceNotificationPreClose(DMFMODULE DmfModule);

/** Callbacks about a Module's life. Set up with DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(). */
typedef struct
{
    /** The Module is open; or NULL. */
    EVT_DMF_MODULE_OnDeviceNotificationPostOpen* EvtModuleOnDeviceNotificationPostOpen;
    /** The Module is about to close; or NULL. */
    EVT_DMF_MODULE_OnDeviceNotificationPreClose* EvtModuleOnDeviceNotificationPreClose;
} DMF_MODULE_EVENT_CALLBACKS;

/** Type of every Module's Create function. */
typedef NTSTATUS DMF_ModuleInstanceCreate(WDFDEVICE Device, struct _DMF_MODULE_ATTRIBUTES* DmfModuleAttributes,
                                          WDF_OBJECT_ATTRIBUTES* ObjectAttributes, DMFMODULE* DmfModule);
/** Adds a transport to a Module. Accepted and not called by the Modules of this library, which have none. */
typedef VOID DMF_TransportModuleAdd(DMFMODULE DmfModule, struct _DMF_MODULE_ATTRIBUTES* DmfParentModuleAttributes,
                                    PVOID DmfModuleInit);

/** What a Module's Create needs to know. Initialise with the Module's DMF_CONFIG_..._AND_ATTRIBUTES_INIT(). */
typedef struct _DMF_MODULE_ATTRIBUTES
{
    /** Size of this structure in bytes. */
    ULONG SizeOfHeader;
    /** The Module's Config, copied by Create; NULL means one that is all zeros. */
    VOID* ModuleConfigPointer;
    /** Size of that Config in bytes. */
    ULONG SizeOfModuleSpecificConfig;
    /** The Module's Create function. */
    DMF_ModuleInstanceCreate* InstanceCreator;
    /** The Client's callbacks about the Module's life, or NULL. */
    DMF_MODULE_EVENT_CALLBACKS* ClientCallbacks;
    /** Accepted and kept: where a framework that makes the Module later writes its handle. */
    DMFMODULE* ResultantDmfModule;
    /** A name for people, or "". */
    const char* ClientModuleInstanceName;
    /** Accepted and kept. */
    BOOLEAN DynamicModuleImmediate;
    /** Accepted and kept. */
    BOOLEAN DynamicModule;
    /** Accepted and kept. */
    DMF_TransportModuleAdd* TransportModuleAdd;
    /** TRUE: callbacks run where they may wait, and paged memory is allowed. */
    BOOLEAN PassiveLevel;
    /** Accepted and kept. */
    BOOLEAN IsTransportModule;
} DMF_MODULE_ATTRIBUTES;

/* ------------------------------------------------------------------------------------------------ RingBuffer */

/** What a write into a full ring does. Source: Dmf_RingBuffer.md, RingBuffer_ModeType. */
typedef enum
{
    /** Not set; refused. */
    RingBuffer_Mode_Invalid = 0,
    /** The write fails. */
    RingBuffer_Mode_FailIfFullOnWrite,
    /** The oldest item makes room. */
    RingBuffer_Mode_DeleteOldestIfFullOnWrite,
    /** The end of the enumeration; refused. */
    RingBuffer_Mode_Maximum
} RingBuffer_ModeType;

/**
 * Called for an item of the ring. Buffer holds its BufferSize bytes and may be changed. FALSE ends an enumeration.
 * Source: Dmf_RingBuffer.md, EVT_DMF_RingBuffer_Enumeration.
 */
typedef BOOLEAN EVT_DMF_RingBuffer_Enumeration(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize,
                                               VOID* CallbackContext);

/* ------------------------------------------------------------------------------------------------ BufferPool */

/** What kind of list a pool is. */
typedef enum
{
    /** Not set; refused. */
    BufferPool_Mode_Invalid = 0,
    /** Owns buffers: makes them, hands them out, takes them back. */
    BufferPool_Mode_Source,
    /** Starts empty and holds buffers that come from Sources. */
    BufferPool_Mode_Sink,
    /** The end of the enumeration; refused. */
    BufferPool_Mode_Maximum
} BufferPool_ModeType;

/** What an enumeration does after its callback has looked at a buffer. */
typedef enum
{
    /** Not set: treated as StopEnumeration and reported as misuse. */
    BufferPool_EnumerationDisposition_Invalid = 0,
    /** Goes on; a running timer resumes with what it had left. */
    BufferPool_EnumerationDisposition_ContinueEnumeration,
    /** Ends; a running timer resumes with what it had left. */
    BufferPool_EnumerationDisposition_StopEnumeration,
    /** Ends; the buffer leaves the list without its timer and belongs to the Client. */
    BufferPool_EnumerationDisposition_RemoveAndStopEnumeration,
    /** Ends; the buffer's timer is dropped. */
    BufferPool_EnumerationDisposition_StopTimerAndStopEnumeration,
    /** Goes on; the buffer's timer is dropped. */
    BufferPool_EnumerationDisposition_StopTimerAndContinueEnumeration,
    /** Ends; the buffer's timer starts again with its full period. */
    BufferPool_EnumerationDisposition_ResetTimerAndStopEnumeration,
    /** Goes on; the buffer's timer starts again with its full period. */
    BufferPool_EnumerationDisposition_ResetTimerAndContinueEnumeration,
    /** The end of the enumeration: treated as StopEnumeration and reported as misuse. */
    BufferPool_EnumerationDisposition_Maximum
} BufferPool_EnumerationDispositionType;

/**
 * Called for a buffer of a Sink, with the pool's lock held: of the same pool's Methods only ContextGet may be called
 * from it.
 */
typedef BufferPool_EnumerationDispositionType EVT_DMF_BufferPool_Enumeration(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                                             VOID* ClientBufferContext,
                                                                             VOID* ClientDriverCallbackContext);

/** Called without a lock when a buffer's timer has expired. The buffer has left the list and belongs to the Client. */
typedef VOID EVT_DMF_BufferPool_TimerCallback(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                                              VOID* ClientDriverCallbackContext);

/** The buffers of a Source. */
typedef struct
{
    /** How many buffers are made at once. 0 is allowed with EnableLookAside only. */
    ULONG BufferCount;
    /** Size of a buffer in bytes, at least 1. */
    ULONG BufferSize;
    /** Size of the context beside each buffer in bytes; may be 0. */
    ULONG BufferContextSize;
    /** Not 0: when the list is empty, a further buffer is made. */
    ULONG EnableLookAside;
    /** Not 0: the buffers can be put into a Sink with a timer. */
    ULONG CreateWithTimer;
    /** Kind of memory. */
    POOL_TYPE PoolType;
} BufferPool_SourceSettings;

/* ----------------------------------------------------------------------------------------------- BufferQueue */

/**
 * Called without a lock before a buffer goes back to the unused ones, with its content intact.
 * Source: Dmf_BufferQueue.md, EVT_DMF_BufferQueue_ReuseCleanup.
 */
typedef VOID EVT_DMF_BufferQueue_ReuseCleanup(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext);

/* ------------------------------------------------------------------------------------- NotifyUserWithRequest */

/**
 * Called without a lock with a Request that it must complete. Context is what the Method was given, or for
 * DataProcess the address of the copy of the data, valid during the callback. NtStatus is what the Method was given.
 * Source: Dmf_NotifyUserWithRequest.md, Module Callbacks.
 */
typedef VOID EVT_DMF_NotifyUserWithRequest_Complete(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context,
                                                    NTSTATUS NtStatus);
/** Another name of EVT_DMF_NotifyUserWithRequest_Complete. */
typedef EVT_DMF_NotifyUserWithRequest_Complete EVT_DMF_NotifyUserWithRequest_Function;
/** EVT_DMF_NotifyUserWithRequest_Complete as the Module's page spells it. */
typedef EVT_DMF_NotifyUserWithRequest_Complete EVT_DMF_NotifyUserWithRequeset_Complete;

/** EventCallbackContext of RequestReturn, RequestReturnAll and RequestReturnEx, passed to the callback. */
#if DMF_API_LEVEL >= 2025
typedef ULONG_PTR DMF_NotifyUserWithRequest_EventCallbackContext;
#else
typedef VOID* DMF_NotifyUserWithRequest_EventCallbackContext;
#endif

/* ----------------------------------------------------------------------------------- ContinuousRequestTarget */

/** Which kind of Request is sent. Source: Dmf_ContinuousRequestTarget.md, ContinuousRequestTarget_RequestType. */
typedef enum
{
    /** Not set: refused when something is sent. */
    ContinuousRequestTarget_RequestType_Invalid,
    /** A control code for callers inside the system; input and output. */
    ContinuousRequestTarget_RequestType_InternalIoctl,
    /** A control code; input and output. */
    ContinuousRequestTarget_RequestType_Ioctl,
    /** A read; output only. */
    ContinuousRequestTarget_RequestType_Read,
    /** A write; input only. */
    ContinuousRequestTarget_RequestType_Write
} ContinuousRequestTarget_RequestType;

/**
 * What BufferOutput answers: who owns the output buffer now, and whether this Request goes on.
 * Source: Dmf_ContinuousRequestTarget.md, ContinuousRequestTarget_BufferDisposition.
 */
typedef enum
{
    /** Not set: treated as ContinuousRequestTargetAndStopStreaming and reported as misuse. */
    ContinuousRequestTarget_BufferDisposition_Invalid,
    /** The buffer goes back to the pool; the Request is sent again. */
    ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming,
    /** The buffer goes back to the pool; this Request stops. */
    ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming,
    /** The Client keeps the buffer until its BufferPut; the Request is sent again. */
    ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming,
    /** The Client keeps the buffer until its BufferPut; this Request stops. */
    ContinuousRequestTarget_BufferDisposition_ClientAndStopStreaming,
    /** The end of the enumeration: treated as ContinuousRequestTargetAndStopStreaming and reported as misuse. */
    ContinuousRequestTarget_BufferDisposition_Maximum
} ContinuousRequestTarget_BufferDisposition;

/**
 * Who starts and stops the stream. 0, which is what a zeroed Config has, is Manual at both API levels.
 * Source: Dmf_ContinuousRequestTarget.md, ContinuousRequestTarget_ModeType.
 */
#if DMF_API_LEVEL >= 2025
typedef enum
{
    /** The Client calls Start and Stop. */
    ContinuousRequestTarget_Mode_Manual = 0,
    /** IoTargetSet starts; IoTargetClear stops and waits. */
    ContinuousRequestTarget_Mode_Automatic = 1,
    /** The end of the enumeration. */
    ContinuousRequestTarget_Mode_Maximum = 2
} ContinuousRequestTarget_ModeType;
#else
typedef enum
{
    /** Not set: as Manual. */
    ContinuousRequestTarget_Mode_Invalid = 0,
    /** IoTargetSet starts; IoTargetClear stops and waits. */
    ContinuousRequestTarget_Mode_Automatic,
    /** The Client calls Start and Stop. */
    ContinuousRequestTarget_Mode_Manual,
    /** The end of the enumeration; refused. */
    ContinuousRequestTarget_Mode_Maximum
} ContinuousRequestTarget_ModeType;
#endif

/** On which thread SendEx calls back. Source: Dmf_ContinuousRequestTarget.md, ContinuousRequestTarget_CompletionOptions. */
typedef enum
{
#if DMF_API_LEVEL >= 2025
    /** The transport's thread; the callback must not wait. The later name of Default. */
    ContinuousRequestTarget_CompletionOptions_Dispatch = 0,
#endif
    /** The transport's thread; the callback must not wait. */
    ContinuousRequestTarget_CompletionOptions_Default = 0,
    /** A thread of the passive pool; the callback may wait. */
    ContinuousRequestTarget_CompletionOptions_Passive,
    /** The end of the enumeration; refused. */
    ContinuousRequestTarget_CompletionOptions_Maximum
} ContinuousRequestTarget_CompletionOptions;

/**
 * Fills an input buffer before it is sent. On entry *InputBufferSize is the buffer's size in bytes; on return it is the
 * number of bytes to send. Source: Dmf_ContinuousRequestTarget.md, EVT_DMF_ContinuousRequestTarget_BufferInput.
 */
typedef VOID EVT_DMF_ContinuousRequestTarget_BufferInput(DMFMODULE DmfModule, VOID* InputBuffer,
                                                         size_t* InputBufferSize, VOID* ClientBuferContextInput);

/**
 * Called without a lock for every stream Request that completes, failed ones too: OutputBufferSize bytes of OutputBuffer
 * are valid. The answer tells who owns the buffer and whether the Request goes on. Not called while the stream is being
 * stopped. Source: Dmf_ContinuousRequestTarget.md, EVT_DMF_ContinuousRequestTarget_BufferOutput.
 */
typedef ContinuousRequestTarget_BufferDisposition EVT_DMF_ContinuousRequestTarget_BufferOutput(
    DMFMODULE DmfModule, VOID* OutputBuffer, size_t OutputBufferSize, VOID* ClientBufferContextOutput,
    NTSTATUS CompletionStatus);

/**
 * Called exactly once for a Send, SendEx or ReuseSend that returned STATUS_SUCCESS. The buffers are the ones that were
 * given and belong to the Client again. A Read has no input, a Write no output (NULL, 0).
 * Source: Dmf_ContinuousRequestTarget.md, EVT_DMF_ContinuousRequestTarget_SendCompletion.
 */
typedef VOID EVT_DMF_RequestTarget_SendCompletion(DMFMODULE DmfModule, VOID* ClientRequestContext, VOID* InputBuffer,
                                                  size_t InputBufferBytesWritten, VOID* OutputBuffer,
                                                  size_t OutputBufferBytesRead, NTSTATUS CompletionStatus);
/** EVT_DMF_RequestTarget_SendCompletion under this Module's name. */
typedef EVT_DMF_RequestTarget_SendCompletion EVT_DMF_ContinuousRequestTarget_SendCompletion;

/* -------------------------------------------------------------------------------------------- QueuedWorkItem */

/** What a piece of deferred work answers. */
typedef enum
{
    /** Not set: treated as Success and reported as misuse. */
    ScheduledTask_WorkResult_Invalid,
    /** Done. */
    ScheduledTask_WorkResult_Success,
    /** Done, without success. */
    ScheduledTask_WorkResult_Fail,
    /** Not for queued work: treated as Success and reported as misuse. */
    ScheduledTask_WorkResult_FailButTryAgain,
    /** Not for queued work: treated as Success and reported as misuse. */
    ScheduledTask_WorkResult_SuccessButTryAgain
} ScheduledTask_Result_Type;

/** Does one piece of queued work, on a thread that may wait. ClientBuffer is the copy of what was queued. */
typedef ScheduledTask_Result_Type EVT_DMF_QueuedWorkItem_Callback(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                                  VOID* ClientBufferContext);

/* --------------------------------------------------------------------------------------- ThreadedBufferQueue */

/** Called at the start and at the end of a thread. The handle is the inner thread's; DMF_ParentModuleGet gives the queue. */
typedef VOID EVT_DMF_Thread_Function(DMFMODULE DmfModule);

/** What the work callback of a ThreadedBufferQueue answers. */
typedef enum
{
    /** Not set: treated as WorkComplete and reported as misuse. */
    ThreadedBufferQueue_BufferDisposition_Invalid,
    /** The work is done; the buffer goes back. */
    ThreadedBufferQueue_BufferDisposition_WorkComplete,
    /** The work goes on elsewhere; the Client ends it with WorkCompleted. */
    ThreadedBufferQueue_BufferDisposition_WorkPending,
    /** The end of the enumeration: treated as WorkComplete and reported as misuse. */
    ThreadedBufferQueue_BufferDisposition_Maximum
} ThreadedBufferQueue_BufferDisposition;

/** Does the work that a buffer describes. What it writes to *NtStatus reaches a waiting EnqueueAndWait. */
typedef ThreadedBufferQueue_BufferDisposition EVT_DMF_ThreadedBufferQueue_Callback(DMFMODULE DmfModule,
                                                                                   UCHAR* ClientWorkBuffer,
                                                                                   ULONG ClientWorkBufferSize,
                                                                                   VOID* ClientWorkBufferContext,
                                                                                   NTSTATUS* NtStatus);

/** Called without a lock before a buffer goes back to the unused ones, with its content intact. */
typedef VOID EVT_DMF_ThreadedBufferQueue_ReuseCleanup(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                      VOID* ClientBufferContext);

/* --------------------------------------------------------------------------------------------------- targets */

/** A HID device as it is listed. Valid during the callback; text is UTF-8, and "" where it is not known. */
typedef struct
{
    /** Size of this structure in bytes. */
    ULONG Size;
    /** What DMF_HID_OPEN_PARAMS.Path takes to open exactly this one. */
    const char* Path;
    /** Vendor, as assigned by USB-IF. */
    USHORT VendorId;
    /** Product, as assigned by the vendor. */
    USHORT ProductId;
    /** Release of the device, binary coded decimal. */
    USHORT ReleaseNumber;
    /** Usage page of the top-level collection. */
    USHORT UsagePage;
    /** Usage of the top-level collection. */
    USHORT Usage;
    /** USB interface, -1 where there is none. */
    LONG InterfaceNumber;
    /** Who made it. */
    const char* Manufacturer;
    /** What it is called. */
    const char* Product;
    /** Which one it is. */
    const char* SerialNumber;
} DMF_HID_DEVICE_INFORMATION;

/** Called for each HID device that is present. FALSE ends the enumeration. */
typedef BOOLEAN EVT_DMF_Hid_Enumeration(const DMF_HID_DEVICE_INFORMATION* Information, VOID* Context);

/** Called when a watched HID device has arrived (TRUE) or has gone (FALSE). */
typedef VOID EVT_DMF_Hid_Change(const DMF_HID_DEVICE_INFORMATION* Information, BOOLEAN Arrived, VOID* Context);

/** Called once when a target's device has gone, after the last report. */
typedef VOID EVT_DMF_IoTarget_Removal(WDFIOTARGET Target, VOID* Context);

/**
 * Answers a Request for a target that the program itself implements. The returned status completes the Request with
 * *Information bytes; STATUS_PENDING keeps it, and WdfRequestCompleteWithInformation() completes it later.
 */
typedef NTSTATUS EVT_DMF_IoTarget_Request(WDFIOTARGET Target, WDFREQUEST Request,
                                          ContinuousRequestTarget_RequestType RequestType, ULONG Ioctl,
                                          VOID* InputBuffer, size_t InputLength, VOID* OutputBuffer,
                                          size_t OutputLength, ULONG_PTR* Information, VOID* Context);

/* ---------------------------------------------------------------------------------------------------- misuse */

/**
 * Called when a Client breaks the contract: which Method, with which handle (or other pointer), and what was wrong, in
 * one line. Runs on the thread that made the call, or on a callback's thread where what that returned was wrong; the
 * texts are valid during the callback.
 */
typedef VOID EVT_DMF_Misuse(const char* Method, VOID* Handle, const char* Message, VOID* Context);

#ifdef __cplusplus
}
#endif

#endif /* DMF_TYPES_H */
