/*
 * every_call.h - every exported function, once, over a world in which each Module has something to do. For tests that ask the
 * same of all functions: what they do in the child of a fork, how much stack they take.
 *
 *     WORLD world;
 *     world_make(&world, 0);
 *     every_call(&world, &calls[i]) ... calls[i].Run(&world, &answer)
 *     world_end(&world);
 *
 * world_entered(name), which the test defines, is called in every callback.
 */
#ifndef DMF_TESTS_EVERY_CALL_H
#define DMF_TESTS_EVERY_CALL_H

#include "harness.h"
#include "recording.h"

#include <stdatomic.h>

static void world_entered(const char* callback);

#define WORLD_BYTES 32
#define WORLD_IOCTL 0x00220004

typedef struct
{
    unsigned Number;
} WORLD_CONTEXT;
WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(WORLD_CONTEXT, WorldContextGet)

typedef struct
{
    WDFDEVICE Device;
    DMFMODULE Ring;
    DMFMODULE PingPong;
    DMFMODULE Source;
    DMFMODULE Sink;
    DMFMODULE Queue;
    DMFMODULE Notify;
    DMFMODULE Work;
    DMFMODULE Threaded;
    DMFMODULE Threaded2; /* not started */
    DMFMODULE Stream;    /* has a target, does not stream */
    DMFMODULE Streaming; /* of a recording without end */
    DMFMODULE Bare;      /* has no target */
    WDFIOTARGET Client;
    WDFIOTARGET Replay;
    WDFOBJECT Watch;
    WDFIOTARGET Keeper; /* keeps its Requests */
    DMFMODULE ToKeeper;
    WDFREQUEST Request; /* idle */
    /* With the keeper, without and with a way to cancel. */
    _Atomic(WDFREQUEST) Held;
    _Atomic(WDFREQUEST) Marked;
    WDFREQUEST Completed;
    RequestTarget_DmfRequestReuse Cookie;
    RequestTarget_DmfRequestCancel Id;
    VOID* FromSource;
    VOID* FromQueue;
    VOID* FromThreaded;
    WDFMEMORY Memory;
    RECORDING Recording;
    UCHAR In[WORLD_BYTES];
    UCHAR Out[WORLD_BYTES * 16];
    ULONG Word;
    size_t Size;
    NTSTATUS Status;
    ULONG_PTR Information;
    VOID* Pointer;
    VOID* Context;
    DMFMODULE Made;
    WDFOBJECT MadeObject;
    WDF_MEMORY_DESCRIPTOR Descriptor;
    DMF_IO_TARGET_STATISTICS Statistics;
    DMF_REPLAY_PARAMS Pace;
    DMF_HID_OPEN_PARAMS Hid;
    DMF_MODULE_EVENT_CALLBACKS Events;
    UCHAR* Segments[1];
    ULONG SegmentSizes[1];
    ULONG SegmentOffsets[1];
} WORLD;

/* ---------------------------------------------------------------------------------------------- callbacks */

static BOOLEAN WorldRingEnumeration(DMFMODULE Module, UCHAR* Buffer, ULONG Size, VOID* Context)
{
    (void)Module, (void)Buffer, (void)Size, (void)Context;
    world_entered("EVT_DMF_RingBuffer_Enumeration");
    return TRUE;
}

static BufferPool_EnumerationDispositionType WorldPoolEnumeration(DMFMODULE Module, VOID* Buffer, VOID* BufferContext,
                                                                  VOID* Context)
{
    (void)Module, (void)Buffer, (void)BufferContext, (void)Context;
    world_entered("EVT_DMF_BufferPool_Enumeration");
    return BufferPool_EnumerationDisposition_ResetTimerAndContinueEnumeration;
}

static atomic_uint world_expired;

static VOID WorldExpired(DMFMODULE Module, VOID* Buffer, VOID* BufferContext, VOID* Context)
{
    (void)BufferContext, (void)Context, (void)Module;
    world_entered("EVT_DMF_BufferPool_TimerCallback");
    if (Context != NULL)
    {
        DMF_BufferPool_Put((DMFMODULE)Context, Buffer);
    }
    else
    {
        DMF_BufferQueue_Reuse(Module, Buffer);
    }
    atomic_fetch_add(&world_expired, 1);
}

static VOID WorldReuse(DMFMODULE Module, VOID* Buffer, VOID* BufferContext)
{
    (void)Module, (void)Buffer, (void)BufferContext;
    world_entered("EVT_DMF_BufferQueue_ReuseCleanup");
}

static VOID WorldNotified(DMFMODULE Module, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS Status)
{
    (void)Module, (void)Context;
    world_entered("EVT_DMF_NotifyUserWithRequest_Complete");
    WdfRequestComplete(Request, Status);
}

static VOID WorldEnded(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    (void)Request, (void)Status, (void)Information, (void)Context;
    world_entered("EVT_DMF_Request_Completion");
}

static VOID WorldCanceled(WDFREQUEST Request)
{
    world_entered("EVT_WDF_REQUEST_CANCEL");
    WdfRequestComplete(Request, STATUS_CANCELLED);
}

static ScheduledTask_Result_Type WorldWorks(DMFMODULE Module, VOID* Buffer, VOID* BufferContext)
{
    (void)BufferContext;
    world_entered("EVT_DMF_QueuedWorkItem_Callback");
    DMF_QueuedWorkItem_StatusSet(Module, Buffer, STATUS_SUCCESS);
    return ScheduledTask_WorkResult_Success;
}

static VOID WorldThread(DMFMODULE Module)
{
    (void)Module;
    world_entered("EVT_DMF_Thread_Function");
}

static ThreadedBufferQueue_BufferDisposition WorldThreaded(DMFMODULE Module, UCHAR* Buffer, ULONG Size,
                                                           VOID* BufferContext, NTSTATUS* Status)
{
    (void)Module, (void)Buffer, (void)Size, (void)BufferContext;
    world_entered("EVT_DMF_ThreadedBufferQueue_Callback");
    *Status = STATUS_SUCCESS;
    return ThreadedBufferQueue_BufferDisposition_WorkComplete;
}

static VOID WorldThreadedReuse(DMFMODULE Module, VOID* Buffer, VOID* BufferContext)
{
    (void)Module, (void)Buffer, (void)BufferContext;
    world_entered("EVT_DMF_ThreadedBufferQueue_ReuseCleanup");
}

static VOID WorldInput(DMFMODULE Module, VOID* Buffer, size_t* Size, VOID* BufferContext)
{
    (void)Module, (void)Buffer, (void)Size, (void)BufferContext;
    world_entered("EVT_DMF_ContinuousRequestTarget_BufferInput");
}

static ContinuousRequestTarget_BufferDisposition WorldOutput(DMFMODULE Module, VOID* Buffer, size_t Size,
                                                             VOID* BufferContext, NTSTATUS Status)
{
    (void)Module, (void)Buffer, (void)Size, (void)BufferContext, (void)Status;
    world_entered("EVT_DMF_ContinuousRequestTarget_BufferOutput");
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static VOID WorldSent(DMFMODULE Module, VOID* Context, VOID* Input, size_t InputBytes, VOID* Output, size_t OutputBytes,
                      NTSTATUS Status)
{
    (void)Module, (void)Context, (void)Input, (void)InputBytes, (void)Output, (void)OutputBytes, (void)Status;
    world_entered("EVT_DMF_ContinuousRequestTarget_SendCompletion");
}

static NTSTATUS WorldAnswers(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType Type,
                             ULONG Ioctl, VOID* Input, size_t InputLength, VOID* Output, size_t OutputLength,
                             ULONG_PTR* Information, VOID* Context)
{
    (void)Target, (void)Request, (void)Type, (void)Ioctl, (void)Input, (void)InputLength, (void)Context, (void)Output;
    world_entered("EVT_DMF_IoTarget_Request");
    *Information = OutputLength;
    return STATUS_SUCCESS;
}

static NTSTATUS WorldKeeps(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType Type,
                           ULONG Ioctl, VOID* Input, size_t InputLength, VOID* Output, size_t OutputLength,
                           ULONG_PTR* Information, VOID* Context)
{
    WORLD* w = Context;
    (void)Target, (void)Type, (void)Ioctl, (void)Input, (void)InputLength, (void)Output, (void)OutputLength;
    (void)Information;
    if (atomic_load(&w->Held) == NULL)
    {
        atomic_store(&w->Held, Request);
    }
    else if (CHECK_SUCCESS(WdfRequestMarkCancelableEx(Request, WorldCanceled)))
    {
        atomic_store(&w->Marked, Request);
    }
    return STATUS_PENDING;
}

static VOID WorldRemoved(WDFIOTARGET Target, VOID* Context)
{
    (void)Target, (void)Context;
    world_entered("EVT_DMF_IoTarget_Removal");
}

static BOOLEAN WorldHid(const DMF_HID_DEVICE_INFORMATION* Information, VOID* Context)
{
    (void)Information, (void)Context;
    world_entered("EVT_DMF_Hid_Enumeration");
    return TRUE;
}

static VOID WorldHidChange(const DMF_HID_DEVICE_INFORMATION* Information, BOOLEAN Arrived, VOID* Context)
{
    (void)Information, (void)Arrived, (void)Context;
    world_entered("EVT_DMF_Hid_Change");
}

static VOID WorldObject(WDFOBJECT Object)
{
    (void)Object;
    world_entered("EVT_WDF_OBJECT_CONTEXT_CLEANUP");
}

static VOID WorldModule(DMFMODULE Module)
{
    (void)Module;
    world_entered("EVT_DMF_MODULE_OnDeviceNotificationPostOpen");
}

/* ---------------------------------------------------------------------------------------------- the world */

static NTSTATUS world_stream(WORLD* w, ContinuousRequestTarget_RequestType type, BOOLEAN passive, DMFMODULE* stream)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    attributes.PassiveLevel = passive;
    config.RequestType = type;
    config.ContinuousRequestCount = 2;
    config.BufferCountOutput = 4;
    config.BufferOutputSize = WORLD_BYTES;
    if (type == ContinuousRequestTarget_RequestType_Ioctl)
    {
        config.BufferCountInput = 2;
        config.BufferInputSize = WORLD_BYTES;
        config.ContinuousRequestTargetIoctl = WORLD_IOCTL;
        config.EvtContinuousRequestTargetBufferInput = WorldInput;
    }
    config.EvtContinuousRequestTargetBufferOutput = WorldOutput;
    return DMF_ContinuousRequestTarget_Create(w->Device, &attributes, NULL, stream);
}

static NTSTATUS world_pool(WORLD* w, BufferPool_ModeType mode, DMFMODULE* pool)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = mode;
    if (mode == BufferPool_Mode_Source)
    {
        config.Mode.SourceSettings =
            (BufferPool_SourceSettings){.BufferCount = 8, .BufferSize = WORLD_BYTES, .BufferContextSize = 8, .CreateWithTimer = TRUE};
    }
    return DMF_BufferPool_Create(w->Device, &attributes, NULL, pool);
}

static NTSTATUS world_queue(WORLD* w, DMFMODULE* queue)
{
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings =
        (BufferPool_SourceSettings){.BufferCount = 8, .BufferSize = WORLD_BYTES, .BufferContextSize = 8, .CreateWithTimer = TRUE};
    config.EvtBufferQueueReuseCleanup = WorldReuse;
    return DMF_BufferQueue_Create(w->Device, &attributes, NULL, queue);
}

static NTSTATUS world_ring(WORLD* w, DMFMODULE* ring)
{
    WDF_OBJECT_ATTRIBUTES object;
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = 4;
    config.ItemSize = WORLD_BYTES;
    config.Mode = RingBuffer_Mode_DeleteOldestIfFullOnWrite;
    w->Events.EvtModuleOnDeviceNotificationPostOpen = WorldModule;
    w->Events.EvtModuleOnDeviceNotificationPreClose = WorldModule;
    DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&attributes, &w->Events);
    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&object, WORLD_CONTEXT);
    object.EvtCleanupCallback = WorldObject;
    object.EvtDestroyCallback = WorldObject;
    return DMF_RingBuffer_Create(w->Device, &attributes, &object, ring);
}

static NTSTATUS world_ping_pong(WORLD* w, DMFMODULE* module)
{
    DMF_CONFIG_PingPongBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferSize = 4 * WORLD_BYTES;
    return DMF_PingPongBuffer_Create(w->Device, &attributes, NULL, module);
}

static NTSTATUS world_notify(WORLD* w, DMFMODULE* module)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.MaximumNumberOfPendingRequests = 8;
    config.MaximumNumberOfPendingDataBuffers = 8;
    config.SizeOfDataBuffer = 8;
    config.EvtPendingRequestsCancel = WorldNotified;
    config.EvtDataCleanup = WorldReuse;
    config.TimeStamping = TRUE;
    return DMF_NotifyUserWithRequest_Create(w->Device, &attributes, NULL, module);
}

static NTSTATUS world_work(WORLD* w, DMFMODULE* module)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.EvtQueuedWorkitemFunction = WorldWorks;
    config.BufferQueueConfig.SourceSettings = (BufferPool_SourceSettings){.BufferCount = 4, .BufferSize = WORLD_BYTES};
    return DMF_QueuedWorkItem_Create(w->Device, &attributes, NULL, module);
}

static NTSTATUS world_threaded(WORLD* w, DMFMODULE* module)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferQueueConfig.SourceSettings = (BufferPool_SourceSettings){.BufferCount = 4, .BufferSize = WORLD_BYTES};
    config.EvtThreadedBufferQueuePre = WorldThread;
    config.EvtThreadedBufferQueuePost = WorldThread;
    config.EvtThreadedBufferQueueWork = WorldThreaded;
    config.EvtThreadedBufferQueueReuseCleanup = WorldThreadedReuse;
    return DMF_ThreadedBufferQueue_Create(w->Device, &attributes, NULL, module);
}

static WDFREQUEST world_request(WORLD* w)
{
    WDFREQUEST request = NULL;
    CHECK_SUCCESS(DMF_Request_Create(w->Device, w->In, WORLD_BYTES, w->Out, WORLD_BYTES, WORLD_IOCTL, WorldEnded, NULL,
                                     &request));
    return request;
}

static void world_make(WORLD* w)
{
    VOID* buffer = NULL;
    memset(w, 0, sizeof(*w));
    CHECK_SUCCESS(DMF_Device_Create(NULL, &w->Device));
    CHECK_SUCCESS(world_ring(w, &w->Ring));
    CHECK_SUCCESS(world_ping_pong(w, &w->PingPong));
    CHECK_SUCCESS(world_pool(w, BufferPool_Mode_Source, &w->Source));
    CHECK_SUCCESS(world_pool(w, BufferPool_Mode_Sink, &w->Sink));
    CHECK_SUCCESS(world_queue(w, &w->Queue));
    CHECK_SUCCESS(world_notify(w, &w->Notify));
    CHECK_SUCCESS(world_work(w, &w->Work));
    CHECK_SUCCESS(world_threaded(w, &w->Threaded));
    CHECK_SUCCESS(world_threaded(w, &w->Threaded2));
    CHECK_SUCCESS(world_stream(w, ContinuousRequestTarget_RequestType_Ioctl, FALSE, &w->Stream));
    CHECK_SUCCESS(world_stream(w, ContinuousRequestTarget_RequestType_Read, FALSE, &w->Streaming));
    CHECK_SUCCESS(world_stream(w, ContinuousRequestTarget_RequestType_Ioctl, FALSE, &w->Bare));
    CHECK_SUCCESS(DMF_IoTarget_ClientCreate(w->Device, WorldAnswers, NULL, &w->Client));
    w->Recording = recording_numbered(20, 100);
    w->Pace = (DMF_REPLAY_PARAMS){.Size = sizeof(w->Pace), .Speed = 1, .Repeat = 0};
    CHECK_SUCCESS(DMF_IoTarget_ReplayOpen(w->Device, w->Recording.Path, &w->Pace, &w->Replay));
    DMF_HID_OPEN_PARAMS_INIT(&w->Hid);
    CHECK_SUCCESS(DMF_Hid_WatchStart(w->Device, &w->Hid, WorldHidChange, NULL, &w->Watch));

    w->Segments[0] = w->In;
    w->SegmentSizes[0] = 4;
    w->Descriptor.Type = WdfMemoryDescriptorTypeInvalid;
    w->Statistics.Size = sizeof(w->Statistics);
    for (int i = 0; i < 3; i++)
    {
        CHECK_SUCCESS(DMF_RingBuffer_Write(w->Ring, w->In, WORLD_BYTES));
        CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(w->Notify, world_request(w)));
        CHECK_SUCCESS(DMF_BufferPool_Get(w->Source, &buffer, NULL));
        DMF_BufferPool_PutInSinkWithTimer(w->Sink, buffer, 600000, WorldExpired, w->Source);
        CHECK_SUCCESS(DMF_BufferQueue_Fetch(w->Queue, &buffer, NULL));
        DMF_BufferQueue_Enqueue(w->Queue, buffer);
    }
    CHECK_SUCCESS(DMF_PingPongBuffer_Write(w->PingPong, w->In, WORLD_BYTES, &w->Word));
    CHECK_SUCCESS(DMF_BufferPool_GetWithMemory(w->Source, &w->FromSource, &w->Context, &w->Memory));
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(w->Queue, &w->FromQueue, NULL));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(w->Threaded));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(w->Threaded, &w->FromThreaded, NULL));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(w->Stream, w->Client));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(w->Streaming, w->Replay));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(w->Streaming));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(w->Stream, &w->Cookie));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendEx_2025(w->Stream, w->In, 4, w->Out, 4,
                                                          ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 1000,
                                                          WorldSent, NULL, &w->Id));
    CHECK_SUCCESS(DMF_IoTarget_ClientCreate(w->Device, WorldKeeps, w, &w->Keeper));
    CHECK_SUCCESS(world_stream(w, ContinuousRequestTarget_RequestType_Ioctl, FALSE, &w->ToKeeper));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(w->ToKeeper, w->Keeper));
    for (int i = 0; i < 2; i++)
    {
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_Send(w->ToKeeper, w->In, 4, w->Out, 4,
                                                       ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 0,
                                                       WorldSent, NULL));
    }
    EVENTUALLY(atomic_load(&w->Marked) != NULL);
    w->Request = world_request(w);
    w->Completed = world_request(w);
    WdfRequestComplete(w->Completed, STATUS_SUCCESS);
}

static void world_end(WORLD* w)
{
    WdfObjectDelete(w->Device);
    if (w->FromSource != NULL)
    {
        DMF_BufferPool_Put(w->Source, w->FromSource);
    }
    if (w->FromQueue != NULL)
    {
        DMF_BufferQueue_Reuse(w->Queue, w->FromQueue);
    }
    if (w->FromThreaded != NULL)
    {
        DMF_ThreadedBufferQueue_Reuse(w->Threaded, w->FromThreaded);
    }
    recording_remove(&w->Recording);
}

/* ----------------------------------------------------------------------------------------------- the calls */

typedef enum
{
    ANSWERS_STATUS,
    ANSWERS_VALUE,   /* 0 when nothing was done */
    ANSWERS_NOTHING,
    ANSWERS_ALWAYS   /* touches no object; works everywhere */
} ANSWERS;

typedef struct
{
    const char* Name;
    ANSWERS Kind;
    uint64_t (*Run)(WORLD* w);
} CALL;

/* Calls are written as: kind, function, arguments. w is the world. */
#define EVERY_CALL(STATUS, VALUE, NOTHING, ALWAYS)                                                                     \
    NOTHING(DMF_BufferPool_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out)                                            \
    NOTHING(DMF_BufferPool_ContextGet, w->Source, w->FromSource, &w->Context)                                          \
    VALUE(DMF_BufferPool_Count, w->Source)                                                                             \
    STATUS(DMF_BufferPool_Create, w->Device, world_attributes(w, 'p'), NULL, &w->Made)                                 \
    NOTHING(DMF_BufferPool_Enumerate, w->Sink, WorldPoolEnumeration, NULL, &w->Pointer, &w->Context)                   \
    STATUS(DMF_BufferPool_Get, w->Source, &w->Pointer, &w->Context)                                                    \
    STATUS(DMF_BufferPool_GetWithMemory, w->Source, &w->Pointer, &w->Context, &w->Memory)                              \
    STATUS(DMF_BufferPool_GetWithMemoryDescriptor, w->Source, &w->Pointer, &w->Descriptor, &w->Context)                \
    NOTHING(DMF_BufferPool_ParametersGet, w->Source, w->FromSource, &w->Descriptor, &w->Memory, &w->Word, &w->Context, \
            &w->Word)                                                                                                  \
    NOTHING(DMF_BufferPool_Put, w->Source, world_take(&w->FromSource))                                                 \
    NOTHING(DMF_BufferPool_PutAtHead, w->Source, world_take(&w->FromSource))                                           \
    NOTHING(DMF_BufferPool_PutInSinkWithTimer, w->Sink, world_take(&w->FromSource), 0, WorldExpired, w->Source)        \
    NOTHING(DMF_BufferQueue_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out)                                           \
    NOTHING(DMF_BufferQueue_ContextGet, w->Queue, w->FromQueue, &w->Context)                                           \
    VALUE(DMF_BufferQueue_Count, w->Queue)                                                                             \
    STATUS(DMF_BufferQueue_Create, w->Device, world_attributes(w, 'q'), NULL, &w->Made)                                \
    STATUS(DMF_BufferQueue_Dequeue, w->Queue, &w->Pointer, &w->Context)                                                \
    STATUS(DMF_BufferQueue_DequeueWithMemoryDescriptor, w->Queue, &w->Pointer, &w->Descriptor, &w->Context)            \
    NOTHING(DMF_BufferQueue_Enqueue, w->Queue, world_take(&w->FromQueue))                                              \
    NOTHING(DMF_BufferQueue_EnqueueAtHead, w->Queue, world_take(&w->FromQueue))                                        \
    STATUS(DMF_BufferQueue_EnqueueWithTimer, w->Queue, world_take(&w->FromQueue), 0, WorldExpired, NULL)               \
    NOTHING(DMF_BufferQueue_Enumerate, w->Queue, WorldPoolEnumeration, NULL, &w->Pointer, &w->Context)                 \
    STATUS(DMF_BufferQueue_Fetch, w->Queue, &w->Pointer, &w->Context)                                                  \
    NOTHING(DMF_BufferQueue_Flush, w->Queue)                                                                           \
    NOTHING(DMF_BufferQueue_Reuse, w->Queue, world_take(&w->FromQueue))                                                \
    NOTHING(DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT, (DMF_CONFIG_BufferPool*)w->Out,                                 \
            (DMF_MODULE_ATTRIBUTES*)(w->Out + 256))                                                                    \
    NOTHING(DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT, (DMF_CONFIG_BufferQueue*)w->Out,                               \
            (DMF_MODULE_ATTRIBUTES*)(w->Out + 256))                                                                    \
    NOTHING(DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT, (DMF_CONFIG_ContinuousRequestTarget*)w->Out,       \
            (DMF_MODULE_ATTRIBUTES*)(w->Out + 256))                                                                    \
    NOTHING(DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT, (DMF_CONFIG_NotifyUserWithRequest*)w->Out,           \
            (DMF_MODULE_ATTRIBUTES*)(w->Out + 256))                                                                    \
    NOTHING(DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT, (DMF_CONFIG_PingPongBuffer*)w->Out,                         \
            (DMF_MODULE_ATTRIBUTES*)(w->Out + 256))                                                                    \
    NOTHING(DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT, (DMF_CONFIG_QueuedWorkItem*)w->Out,                         \
            (DMF_MODULE_ATTRIBUTES*)(w->Out + 256))                                                                    \
    NOTHING(DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT, (DMF_CONFIG_RingBuffer*)w->Out,                                 \
            (DMF_MODULE_ATTRIBUTES*)(w->Out + 256))                                                                    \
    NOTHING(DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT, (DMF_CONFIG_ThreadedBufferQueue*)w->Out,               \
            (DMF_MODULE_ATTRIBUTES*)(w->Out + 256))                                                                    \
    NOTHING(DMF_ContinuousRequestTarget_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out)                               \
    NOTHING(DMF_ContinuousRequestTarget_BufferPut, w->Stream, w->Out)                                                  \
    VALUE(DMF_ContinuousRequestTarget_Cancel, w->Stream, w->Id)                                                        \
    STATUS(DMF_ContinuousRequestTarget_Create, w->Device, world_attributes(w, 's'), NULL, &w->Made)                    \
    NOTHING(DMF_ContinuousRequestTarget_IoTargetClear, w->Streaming)                                                   \
    STATUS(DMF_ContinuousRequestTarget_IoTargetSet, w->Bare, w->Client)                                                \
    STATUS(DMF_ContinuousRequestTarget_ReuseCreate, w->Stream, &w->Cookie)                                             \
    VALUE(DMF_ContinuousRequestTarget_ReuseDelete, w->Stream, w->Cookie)                                               \
    STATUS(DMF_ContinuousRequestTarget_ReuseSend, w->Stream, w->Cookie, w->In, 4, w->Out, 4,                           \
           ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 1000, WorldSent, NULL, &w->Id)                      \
    STATUS(DMF_ContinuousRequestTarget_Send, w->Stream, w->In, 4, w->Out, 4,                                           \
           ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 1000, WorldSent, NULL)                              \
    STATUS(DMF_ContinuousRequestTarget_SendEx, w->Stream, w->In, 4, w->Out, 4,                                         \
           ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 1000,                                               \
           ContinuousRequestTarget_CompletionOptions_Passive, WorldSent, NULL)                                         \
    STATUS(DMF_ContinuousRequestTarget_SendEx_2025, w->Stream, w->In, 4, w->Out, 4,                                    \
           ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 1000, WorldSent, NULL, &w->Id)                      \
    STATUS(DMF_ContinuousRequestTarget_SendSynchronously, w->Stream, w->In, 4, w->Out, 4,                              \
           ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 1000, &w->Size)                                     \
    STATUS(DMF_ContinuousRequestTarget_Start, w->Stream)                                                               \
    NOTHING(DMF_ContinuousRequestTarget_Stop, w->Streaming)                                                            \
    NOTHING(DMF_ContinuousRequestTarget_StopAndWait, w->Streaming)                                                     \
    VALUE(DMF_ContinuousRequestTarget_StreamingCountGet, w->Streaming)                                                 \
    STATUS(DMF_Device_Create, NULL, (WDFDEVICE*)&w->MadeObject)                                                        \
    STATUS(DMF_Device_D0Entry, w->Device)                                                                              \
    STATUS(DMF_Device_D0Exit, w->Device)                                                                               \
    NOTHING(DMF_HID_OPEN_PARAMS_INIT, &w->Hid)                                                                         \
    STATUS(DMF_Hid_Enumerate, WorldHid, NULL)                                                                          \
    STATUS(DMF_Hid_WatchStart, w->Device, &w->Hid, WorldHidChange, NULL, &w->MadeObject)                               \
    STATUS(DMF_IoTarget_ClientCreate, w->Device, WorldAnswers, NULL, (WDFIOTARGET*)&w->MadeObject)                     \
    STATUS(DMF_IoTarget_HidOpen, w->Device, world_no_device(w), (WDFIOTARGET*)&w->MadeObject)                          \
    STATUS(DMF_IoTarget_RemovalCallbackSet, w->Replay, WorldRemoved, NULL)                                             \
    STATUS(DMF_IoTarget_ReplayOpen, w->Device, w->Recording.Path, &w->Pace, (WDFIOTARGET*)&w->MadeObject)              \
    STATUS(DMF_IoTarget_StatisticsGet, w->Client, &w->Statistics)                                                      \
    ALWAYS(DMF_LastErrorMessageGet)                                                                                    \
    ALWAYS(DMF_LastStatusGet)                                                                                          \
    NOTHING(DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out, &w->Events)                    \
    NOTHING(DMF_MODULE_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out, 4)                                             \
    NOTHING(DMF_MisuseHandlerSet, harness_misuse, NULL)                                                                \
    NOTHING(DMF_NotifyUserWithRequest_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out)                                 \
    STATUS(DMF_NotifyUserWithRequest_Create, w->Device, world_attributes(w, 'n'), NULL, &w->Made)                      \
    VALUE(DMF_NotifyUserWithRequest_DataBufferTimestampGet, w->Notify, w->FromSource)                                  \
    NOTHING(DMF_NotifyUserWithRequest_DataProcess, w->Notify, WorldNotified, w->In, STATUS_SUCCESS)                    \
    VALUE(DMF_NotifyUserWithRequest_DiscardedCountGet, w->Notify)                                                      \
    STATUS(DMF_NotifyUserWithRequest_EventRequestAdd, w->Notify, w->Request)                                           \
    STATUS(DMF_NotifyUserWithRequest_RequestProcess, w->Notify, w->Request)                                            \
    NOTHING(DMF_NotifyUserWithRequest_RequestReturn, w->Notify, WorldNotified, NULL, STATUS_SUCCESS)                   \
    NOTHING(DMF_NotifyUserWithRequest_RequestReturnAll, w->Notify, WorldNotified, NULL, STATUS_SUCCESS)                \
    STATUS(DMF_NotifyUserWithRequest_RequestReturnEx, w->Notify, WorldNotified, NULL, STATUS_SUCCESS)                  \
    VALUE(DMF_NotifyUserWithRequest_RequestTimestampGet, w->Notify, w->Request)                                        \
    VALUE(DMF_ParentDeviceGet, w->Ring)                                                                                \
    VALUE(DMF_ParentModuleGet, w->Ring)                                                                                \
    NOTHING(DMF_PingPongBuffer_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out)                                        \
    VALUE(DMF_PingPongBuffer_Consume, w->PingPong, 0, 4)                                                               \
    STATUS(DMF_PingPongBuffer_Create, w->Device, world_attributes(w, '2'), NULL, &w->Made)                             \
    VALUE(DMF_PingPongBuffer_Get, w->PingPong, &w->Word)                                                               \
    NOTHING(DMF_PingPongBuffer_Reset, w->PingPong)                                                                     \
    NOTHING(DMF_PingPongBuffer_Shift, w->PingPong, 2)                                                                  \
    STATUS(DMF_PingPongBuffer_Write, w->PingPong, w->In, 4, &w->Word)                                                  \
    NOTHING(DMF_QueuedWorkItem_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out)                                        \
    STATUS(DMF_QueuedWorkItem_Create, w->Device, world_attributes(w, 'w'), NULL, &w->Made)                             \
    STATUS(DMF_QueuedWorkItem_Enqueue, w->Work, w->In, 4)                                                              \
    STATUS(DMF_QueuedWorkItem_EnqueueAndWait, w->Work, w->In, 4)                                                       \
    NOTHING(DMF_QueuedWorkItem_Flush, w->Work)                                                                         \
    NOTHING(DMF_QueuedWorkItem_StatusSet, w->Work, w->In, STATUS_SUCCESS)                                              \
    VALUE(DMF_Request_Cancel, w->Request)                                                                               \
    STATUS(DMF_Request_Create, w->Device, w->In, 4, w->Out, 4, 0, WorldEnded, NULL, (WDFREQUEST*)&w->MadeObject)       \
    STATUS(DMF_Request_Wait, w->Completed, 1, &w->Status, &w->Information)                                             \
    NOTHING(DMF_RingBuffer_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out)                                            \
    STATUS(DMF_RingBuffer_Create, w->Device, world_attributes(w, 'r'), NULL, &w->Made)                                 \
    NOTHING(DMF_RingBuffer_Enumerate, w->Ring, TRUE, WorldRingEnumeration, NULL)                                       \
    NOTHING(DMF_RingBuffer_EnumerateToFindItem, w->Ring, WorldRingEnumeration, NULL, w->In, 1)                         \
    STATUS(DMF_RingBuffer_Read, w->Ring, w->Out, WORLD_BYTES)                                                          \
    STATUS(DMF_RingBuffer_ReadAll, w->Ring, w->Out, sizeof(w->Out), &w->Word)                                          \
    NOTHING(DMF_RingBuffer_Reorder, w->Ring, TRUE)                                                                     \
    STATUS(DMF_RingBuffer_SegmentsRead, w->Ring, w->Segments, w->SegmentSizes, w->SegmentOffsets, 1)                   \
    STATUS(DMF_RingBuffer_SegmentsWrite, w->Ring, w->Segments, w->SegmentSizes, w->SegmentOffsets, 1)                  \
    NOTHING(DMF_RingBuffer_TotalSizeGet, w->Ring, &w->Word)                                                            \
    STATUS(DMF_RingBuffer_Write, w->Ring, w->In, WORLD_BYTES)                                                          \
    ALWAYS(DMF_StatusName, 0)                                                                                          \
    NOTHING(DMF_ThreadedBufferQueue_ATTRIBUTES_INIT, (DMF_MODULE_ATTRIBUTES*)w->Out)                                   \
    VALUE(DMF_ThreadedBufferQueue_Count, w->Threaded)                                                                  \
    STATUS(DMF_ThreadedBufferQueue_Create, w->Device, world_attributes(w, 't'), NULL, &w->Made)                        \
    NOTHING(DMF_ThreadedBufferQueue_Enqueue, w->Threaded, world_take(&w->FromThreaded))                                \
    STATUS(DMF_ThreadedBufferQueue_EnqueueAndWait, w->Threaded, world_take(&w->FromThreaded))                          \
    NOTHING(DMF_ThreadedBufferQueue_EnqueueAtHead, w->Threaded, world_take(&w->FromThreaded))                          \
    STATUS(DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait, w->Threaded, world_take(&w->FromThreaded))                    \
    STATUS(DMF_ThreadedBufferQueue_Fetch, w->Threaded, &w->Pointer, &w->Context)                                       \
    NOTHING(DMF_ThreadedBufferQueue_Flush, w->Threaded)                                                                \
    NOTHING(DMF_ThreadedBufferQueue_Reuse, w->Threaded, world_take(&w->FromThreaded))                                  \
    STATUS(DMF_ThreadedBufferQueue_Start, w->Threaded2)                                                                \
    NOTHING(DMF_ThreadedBufferQueue_Stop, w->Threaded)                                                                 \
    NOTHING(DMF_ThreadedBufferQueue_WorkCompleted, w->Threaded, w->FromThreaded, STATUS_SUCCESS)                       \
    ALWAYS(DMF_VersionGet)                                                                                             \
    NOTHING(WDF_OBJECT_ATTRIBUTES_INIT, (WDF_OBJECT_ATTRIBUTES*)w->Out)                                                \
    VALUE(WdfMemoryGetBuffer, w->Memory, &w->Size)                                                                     \
    NOTHING(WdfObjectDelete, w->Ring)                                                                                  \
    NOTHING(WdfObjectDereference, w->Device)                                                                           \
    VALUE(WdfObjectGetTypedContextWorker, w->Ring, WDF_GET_CONTEXT_TYPE_INFO(WORLD_CONTEXT))                           \
    NOTHING(WdfObjectReference, w->Ring)                                                                               \
    NOTHING(WdfRequestComplete, w->Request, STATUS_SUCCESS)                                                            \
    NOTHING(WdfRequestCompleteWithInformation, w->Request, STATUS_SUCCESS, 1)                                          \
    VALUE(WdfRequestGetInformation, w->Request)                                                                        \
    STATUS(WdfRequestGetStatus, w->Completed)                                                                          \
    VALUE(WdfRequestIsCanceled, w->Request)                                                                            \
    NOTHING(WdfRequestMarkCancelable, w->Held, WorldCanceled)                                                       \
    STATUS(WdfRequestMarkCancelableEx, w->Held, WorldCanceled)                                                      \
    STATUS(WdfRequestRetrieveInputBuffer, w->Request, 0, &w->Pointer, &w->Size)                                        \
    STATUS(WdfRequestRetrieveOutputBuffer, w->Request, 0, &w->Pointer, &w->Size)                                       \
    NOTHING(WdfRequestSetInformation, w->Request, 1)                                                                   \
    STATUS(WdfRequestUnmarkCancelable, w->Marked)

/* A buffer that the call takes over. */
static VOID* world_take(VOID** buffer)
{
    VOID* taken = *buffer;
    *buffer = NULL;
    return taken;
}

static DMF_HID_OPEN_PARAMS* world_no_device(WORLD* w)
{
    w->Hid.VendorId = 0xFFFF;
    w->Hid.ProductId = 0xFFFF;
    return &w->Hid;
}

/* Attributes and Config for Create, which outlive the call. */
static DMF_MODULE_ATTRIBUTES* world_attributes(WORLD* w, char which)
{
    static union
    {
        DMF_CONFIG_BufferPool Pool;
        DMF_CONFIG_BufferQueue Queue;
        DMF_CONFIG_ContinuousRequestTarget Stream;
        DMF_CONFIG_NotifyUserWithRequest Notify;
        DMF_CONFIG_PingPongBuffer PingPong;
        DMF_CONFIG_QueuedWorkItem Work;
        DMF_CONFIG_RingBuffer Ring;
        DMF_CONFIG_ThreadedBufferQueue Threaded;
    } config;
    static DMF_MODULE_ATTRIBUTES attributes;
    const BufferPool_SourceSettings settings = {.BufferCount = 4, .BufferSize = WORLD_BYTES};
    (void)w;
    switch (which)
    {
    case 'p':
        DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config.Pool, &attributes);
        config.Pool.BufferPoolMode = BufferPool_Mode_Source;
        config.Pool.Mode.SourceSettings = settings;
        break;
    case 'q':
        DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config.Queue, &attributes);
        config.Queue.SourceSettings = settings;
        break;
    case 's':
        DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config.Stream, &attributes);
        config.Stream.RequestType = ContinuousRequestTarget_RequestType_Read;
        config.Stream.ContinuousRequestCount = 2;
        config.Stream.BufferCountOutput = 4;
        config.Stream.BufferOutputSize = WORLD_BYTES;
        break;
    case 'n':
        DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config.Notify, &attributes);
        config.Notify.MaximumNumberOfPendingRequests = 4;
        config.Notify.MaximumNumberOfPendingDataBuffers = 4;
        config.Notify.SizeOfDataBuffer = 8;
        break;
    case '2':
        DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config.PingPong, &attributes);
        config.PingPong.BufferSize = 64;
        break;
    case 'w':
        DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&config.Work, &attributes);
        config.Work.EvtQueuedWorkitemFunction = WorldWorks;
        config.Work.BufferQueueConfig.SourceSettings = settings;
        break;
    case 'r':
        DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config.Ring, &attributes);
        config.Ring.ItemCount = 4;
        config.Ring.ItemSize = 8;
        config.Ring.Mode = RingBuffer_Mode_FailIfFullOnWrite;
        DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&attributes, &w->Events);
        break;
    default:
        DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&config.Threaded, &attributes);
        config.Threaded.BufferQueueConfig.SourceSettings = settings;
        config.Threaded.EvtThreadedBufferQueueWork = WorldThreaded;
        break;
    }
    return &attributes;
}

#define EVERY_CALL_RUNS(Name, ...)                                                                                     \
    static uint64_t call_##Name(WORLD* w)                                                                              \
    {                                                                                                                  \
        (void)w;                                                                                                       \
        return (uint64_t)Name(__VA_ARGS__);                                                                            \
    }
#define EVERY_CALL_RUNS_VOID(Name, ...)                                                                                \
    static uint64_t call_##Name(WORLD* w)                                                                              \
    {                                                                                                                  \
        (void)w;                                                                                                       \
        Name(__VA_ARGS__);                                                                                             \
        return 0;                                                                                                      \
    }
#define EVERY_CALL_STATUS(Name, ...) {#Name, ANSWERS_STATUS, call_##Name},
#define EVERY_CALL_VALUE(Name, ...) {#Name, ANSWERS_VALUE, call_##Name},
#define EVERY_CALL_NOTHING(Name, ...) {#Name, ANSWERS_NOTHING, call_##Name},
#define EVERY_CALL_ALWAYS(Name, ...) {#Name, ANSWERS_ALWAYS, call_##Name},

EVERY_CALL(EVERY_CALL_RUNS, EVERY_CALL_RUNS, EVERY_CALL_RUNS_VOID, EVERY_CALL_RUNS)

static const CALL calls[] = {
    EVERY_CALL(EVERY_CALL_STATUS, EVERY_CALL_VALUE, EVERY_CALL_NOTHING, EVERY_CALL_ALWAYS)};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* How many exported functions the list leaves out; -1 without the list of symbols. */
static HARNESS_UNUSED int calls_missing(void)
{
    FILE* list = fopen("abi/symbols.txt", "r");
    char name[128];
    int missing = 0;
    if (list == NULL)
    {
        return -1;
    }
    while (fscanf(list, "%127s", name) == 1)
    {
        bool found = false;
        for (size_t i = 0; i < CALLS; i++)
        {
            found |= strcmp(calls[i].Name, name) == 0;
        }
        if (!found)
        {
            printf("    not called: %s\n", name);
            missing++;
        }
    }
    fclose(list);
    return missing;
}

#endif /* DMF_TESTS_EVERY_CALL_H */
