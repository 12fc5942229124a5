/*
 * All kinds of objects in the hands of all threads: they create, use and delete them, and their parents, through handles that
 * are shared, stale or guessed. Nothing crashes or hangs, each call gives a status that its documentation names, and what
 * was accepted comes out once.
 *
 * Each item of data and each send has a record. It says whether the Method accepted it and how often it came out: through
 * a callback, a Read, or the cleanup of an object that was deleted. Whoever deletes is not coordinated with whoever uses,
 * so that holds for handles that die meanwhile, too.
 */
#define _DEFAULT_SOURCE 1

#include "harness.h"

#include <sched.h>
#include <stdatomic.h>

/* Operations of all threads, scaled by DMF_TEST_SCALE; nothing may hang longer than this. */
#define OPERATIONS 1200000u
#define WATCHDOG_SECONDS 240

#define RECORDING "examples-c/data/usb-mouse.hid"

enum
{
    THREADS = 6,
    PLACES = 4,   /* live handles of each kind */
    STALE = 64,   /* handles of objects that were deleted */
    KEPT = 64,    /* output buffers of streams that the Client keeps */
    IDS = 16      /* of sends, to cancel by */
};

typedef enum
{
    DEVICE,
    RING,
    PING_PONG,
    SOURCE,
    SINK,
    QUEUE,
    WORK,
    THREADED,
    NOTIFY,
    STREAM,
    TARGET,
    REQUEST,
    WATCH,
    KINDS
} KIND;

/* What an item may do: see the file's head. */
typedef enum
{
    ONCE_IF_ACCEPTED,
    ONCE_AT_MOST
} RULE;

typedef struct
{
    const char* What;
    RULE Rule;
    atomic_uint Accepted;
    atomic_uint Ended;
    UCHAR In[8];
    UCHAR Out[16];
} RECORD;

typedef struct
{
    VOID* Buffer;
    DMFMODULE Module;
} KEPT_BUFFER;

static struct
{
    _Atomic(VOID*) Places[KINDS][PLACES];
    _Atomic(VOID*) Stale[STALE];
    _Atomic(VOID*) Ids[IDS];
    _Atomic(VOID*) Memory; /* a WDFMEMORY */
    /* The parent of all Requests: those that a Module has cannot be deleted before. */
    WDFDEVICE Root;
    unsigned PerThread;
    unsigned DeleteOneIn;
    atomic_uint AtWork;
    RECORD* Records;
    unsigned RecordCount;
    atomic_uint RecordsUsed;
    _Atomic(VOID*)* Made;
    unsigned MadeMost;
    atomic_uint MadeCount;
    atomic_uint WithContext, Destroyed;
    atomic_uint Unexpected, Doubled, Strange;
    pthread_mutex_t Lock;
    KEPT_BUFFER Kept[KEPT];
    unsigned KeptCount;
} world = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local unsigned seed;
static _Thread_local bool was_guessed; /* the last any_handle() */

static unsigned choose(unsigned count)
{
    return (unsigned)rand_r(&seed) % count;
}

/* ------------------------------------------------------------------------------------------------ statuses */

#define S(Name) (1u << STATUS_INDEX_##Name)
enum
{
    STATUS_INDEX_OTHER,
    STATUS_INDEX_SUCCESS,
    STATUS_INDEX_HANDLE,
    STATUS_INDEX_STATE,
    STATUS_INDEX_PARAMETER,
    STATUS_INDEX_UNSUCCESSFUL,
    STATUS_INDEX_RESOURCES,
    STATUS_INDEX_PENDING,
    STATUS_INDEX_DELETE_PENDING,
    STATUS_INDEX_CANCELLED,
    STATUS_INDEX_TIMEOUT,
    STATUS_INDEX_REQUEST,
    STATUS_INDEX_TOO_SMALL,
    STATUS_INDEX_NOT_CONNECTED,
    STATUS_INDEX_NOT_FOUND,
    STATUS_INDEX_NO_DEVICE,
    STATUS_INDEX_NO_NAME,
    STATUS_INDEX_BUFFER_SIZE
};

static unsigned status_bit(NTSTATUS status)
{
    switch (status)
    {
    case STATUS_SUCCESS: return S(SUCCESS);
    case STATUS_INVALID_HANDLE: return S(HANDLE);
    case STATUS_INVALID_DEVICE_STATE: return S(STATE);
    case STATUS_INVALID_PARAMETER: return S(PARAMETER);
    case STATUS_UNSUCCESSFUL: return S(UNSUCCESSFUL);
    case STATUS_INSUFFICIENT_RESOURCES: return S(RESOURCES);
    case STATUS_PENDING: return S(PENDING);
    case STATUS_DELETE_PENDING: return S(DELETE_PENDING);
    case STATUS_CANCELLED: return S(CANCELLED);
    case STATUS_IO_TIMEOUT: return S(TIMEOUT);
    case STATUS_INVALID_DEVICE_REQUEST: return S(REQUEST);
    case STATUS_BUFFER_TOO_SMALL: return S(TOO_SMALL);
    case STATUS_DEVICE_NOT_CONNECTED: return S(NOT_CONNECTED);
    case STATUS_OBJECTID_NOT_FOUND: return S(NOT_FOUND);
    case STATUS_NO_SUCH_DEVICE: return S(NO_DEVICE);
    case STATUS_OBJECT_NAME_NOT_FOUND: return S(NO_NAME);
    case STATUS_INVALID_BUFFER_SIZE: return S(BUFFER_SIZE);
    default: return S(OTHER);
    }
}

/* What any Method may say of a handle that is dead, dying, or no handle. */
#define ANY (S(SUCCESS) | S(HANDLE) | S(STATE))
#define CREATES (S(SUCCESS) | S(HANDLE) | S(DELETE_PENDING) | S(STATE))
#define SENDS                                                                                                          \
    (ANY | S(PARAMETER) | S(CANCELLED) | S(TIMEOUT) | S(NOT_CONNECTED) | S(REQUEST) | S(BUFFER_SIZE) | S(TOO_SMALL))

static bool expect(NTSTATUS status, unsigned allowed, const char* call)
{
    if ((status_bit(status) & allowed) == 0 && atomic_fetch_add(&world.Unexpected, 1) < 10)
    {
        printf("    %s: %s (0x%08x): %s\n", call, DMF_StatusName(status), (unsigned)status, DMF_LastErrorMessageGet());
    }
    return NT_SUCCESS(status);
}

#define EXPECT(Call, Allowed) expect((Call), (Allowed), #Call)
/* For a Method that returns something else than a status. */
#define EXPECT_LAST(Call, Allowed) ((void)(Call), expect(DMF_LastStatusGet(), (Allowed), #Call))

/* ------------------------------------------------------------------------------------------------- records */

static RECORD* record_of(const char* what, RULE rule)
{
    unsigned number = atomic_fetch_add(&world.RecordsUsed, 1);
    RECORD* record = &world.Records[number % world.RecordCount];

    if (number >= world.RecordCount)
    {
        atomic_fetch_sub(&world.RecordsUsed, 1);
        return NULL;
    }
    record->What = what;
    record->Rule = rule;
    return record;
}

static void record_ended(RECORD* record)
{
    if (record < world.Records || record >= world.Records + world.RecordCount)
    {
        atomic_fetch_add(&world.Strange, 1);
    }
    else if (atomic_fetch_add(&record->Ended, 1) > 0)
    {
        atomic_fetch_add(&world.Doubled, 1);
    }
}

/* The record whose address a buffer starts with; the buffer forgets it. */
static void buffer_ended(VOID* buffer)
{
    RECORD* record = *(RECORD**)buffer;

    *(RECORD**)buffer = NULL;
    if (record != NULL)
    {
        record_ended(record);
    }
}

static void records_check(void)
{
    unsigned wrong = 0;
    unsigned accepted = 0;

    for (unsigned i = 0; i < atomic_load(&world.RecordsUsed); i++)
    {
        RECORD* record = &world.Records[i];
        unsigned ended = atomic_load(&record->Ended);
        bool holds = record->Rule == ONCE_AT_MOST ? ended <= 1 : ended == atomic_load(&record->Accepted);

        accepted += atomic_load(&record->Accepted);
        if (!holds && wrong++ < 10)
        {
            printf("    %s: accepted %u times, ended %u times\n", record->What, atomic_load(&record->Accepted), ended);
        }
    }
    CHECK_EQUAL(wrong, 0);
    CHECK(accepted > 0);
}

/* ------------------------------------------------------------------------------------------------- handles */

typedef struct
{
    atomic_uint Uses;
} USES;
WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(USES, UsesGet)

/* A live handle of a kind, which may die meanwhile; NULL: none was made yet. */
static VOID* shared(KIND kind)
{
    return atomic_load(&world.Places[kind][choose(PLACES)]);
}

/* A handle that is one off: in its slot, its generation or its kind. */
static VOID* guessed(VOID* handle)
{
    uint64_t bits = (uint64_t)(uintptr_t)handle;

    switch (choose(5))
    {
    case 0: bits ^= (uint64_t)1 << choose(4); break;
    case 1: bits += (uint64_t)1 << 24; break;
    case 2: bits -= (uint64_t)1 << 24; break;
    case 3: bits ^= (uint64_t)1 << (56 + choose(4)); break;
    default: bits = (uint64_t)rand_r(&seed) << 32 | (unsigned)rand_r(&seed); break;
    }
    handle = (VOID*)(uintptr_t)bits;
    return handle == world.Root ? NULL : handle;
}

static VOID* any_handle(KIND kind)
{
    VOID* handle = shared(kind);

    was_guessed = false;
    switch (choose(20))
    {
    case 0: was_guessed = true; return guessed(handle);
    case 1: return atomic_load(&world.Stale[choose(STALE)]);
    case 2: return shared((KIND)choose(KINDS));
    default: return handle;
    }
}

static void delete_any(VOID* handle)
{
    if (handle == NULL || handle == world.Root)
    {
        return;
    }
    if (!was_guessed)
    {
        atomic_store(&world.Stale[choose(STALE)], handle);
    }
    EXPECT_LAST(WdfObjectDelete((WDFOBJECT)handle), ANY | S(REQUEST));
}

/* A new object takes a place; the one that was there is deleted. */
static void place(KIND kind, VOID* handle)
{
    unsigned number = atomic_fetch_add(&world.MadeCount, 1);

    if (number < world.MadeMost)
    {
        atomic_store(&world.Made[number], handle);
    }
    handle = atomic_exchange(&world.Places[kind][choose(PLACES)], handle);
    if (kind == REQUEST && handle != NULL)
    {
        EXPECT_LAST(DMF_Request_Cancel((WDFREQUEST)handle), ANY);
    }
    was_guessed = false;
    delete_any(handle);
}

/* What callbacks do besides: Methods that do not wait, on whatever there is, also on what calls them. */
static void meddle(void)
{
    if (seed == 0)
    {
        seed = (unsigned)(uintptr_t)&seed | 1; /* a thread of the library's */
    }
    switch (choose(64))
    {
    case 0: delete_any(any_handle((KIND)choose(KINDS))); break;
    case 1: EXPECT_LAST(DMF_ContinuousRequestTarget_Stop((DMFMODULE)any_handle(STREAM)), ANY); break;
    case 2: EXPECT_LAST(DMF_Request_Cancel((WDFREQUEST)any_handle(REQUEST)), ANY); break;
    case 3: EXPECT_LAST(DMF_BufferQueue_Count((DMFMODULE)any_handle(QUEUE)), ANY); break;
    case 4: sched_yield(); break;
    default: break;
    }
}

/* ----------------------------------------------------------------------------------------------- callbacks */

static VOID Destroyed(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
    atomic_fetch_add(&world.Destroyed, 1);
}

static VOID CleanedUp(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
    meddle();
}

static VOID Reused(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    buffer_ended(ClientBuffer);
    meddle();
}

static VOID QueueTimedOut(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext, VOID* Context)
{
    UNREFERENCED_PARAMETER(ClientBufferContext);
    UNREFERENCED_PARAMETER(Context);
    buffer_ended(ClientBuffer);
    meddle();
    EXPECT_LAST(DMF_BufferQueue_Reuse(DmfModule, ClientBuffer), S(SUCCESS));
}

static VOID SinkTimedOut(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext, VOID* Context)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    buffer_ended(ClientBuffer);
    EXPECT_LAST(DMF_BufferPool_Put((DMFMODULE)Context, ClientBuffer), S(SUCCESS));
}

static ScheduledTask_Result_Type Worked(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    UNREFERENCED_PARAMETER(ClientBufferContext);
    buffer_ended(ClientBuffer);
    if (choose(8) == 0)
    {
        EXPECT_LAST(DMF_QueuedWorkItem_StatusSet(DmfModule, ClientBuffer, STATUS_SUCCESS), ANY | S(PARAMETER));
    }
    meddle();
    return ScheduledTask_WorkResult_Success;
}

static ThreadedBufferQueue_BufferDisposition ThreadWorked(DMFMODULE DmfModule, UCHAR* Buffer, ULONG Size, VOID* Context,
                                                          NTSTATUS* NtStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(Size);
    UNREFERENCED_PARAMETER(Context);
    meddle();
    *NtStatus = STATUS_SUCCESS;
    return ThreadedBufferQueue_BufferDisposition_WorkComplete;
}

static VOID Notified(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Context);
    meddle();
    /* Another thread may have completed it, from a guess. */
    EXPECT_LAST(WdfRequestComplete(Request, NtStatus), ANY | S(REQUEST));
}

static VOID RequestEnded(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    UNREFERENCED_PARAMETER(Information);
    UNREFERENCED_PARAMETER(Status);
    record_ended((RECORD*)Context);
    if (choose(4) == 0)
    {
        EXPECT_LAST(WdfObjectDelete(Request), ANY);
    }
}

static VOID SendEnded(DMFMODULE DmfModule, VOID* Context, VOID* Input, size_t Written, VOID* Output, size_t Read,
                      NTSTATUS Status)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Input);
    UNREFERENCED_PARAMETER(Written);
    UNREFERENCED_PARAMETER(Output);
    UNREFERENCED_PARAMETER(Read);
    UNREFERENCED_PARAMETER(Status);
    record_ended((RECORD*)Context);
    meddle();
}

static ContinuousRequestTarget_BufferDisposition Streamed(DMFMODULE DmfModule, VOID* Buffer, size_t Size, VOID* Context,
                                                          NTSTATUS Status)
{
    UNREFERENCED_PARAMETER(Size);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Status);
    meddle();
    if (Buffer != NULL && choose(4) == 0)
    {
        bool kept;
        pthread_mutex_lock(&world.Lock);
        kept = world.KeptCount < KEPT;
        if (kept)
        {
            world.Kept[world.KeptCount++] = (KEPT_BUFFER){Buffer, DmfModule};
        }
        pthread_mutex_unlock(&world.Lock);
        if (kept)
        {
            return choose(2) != 0 ? ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming
                                  : ContinuousRequestTarget_BufferDisposition_ClientAndStopStreaming;
        }
    }
    return choose(4) != 0 ? ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
                          : ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
}

static bool give_kept_back(void)
{
    KEPT_BUFFER kept = {NULL, NULL};

    pthread_mutex_lock(&world.Lock);
    if (world.KeptCount > 0)
    {
        kept = world.Kept[--world.KeptCount];
    }
    pthread_mutex_unlock(&world.Lock);
    return kept.Buffer != NULL &&
           EXPECT_LAST(DMF_ContinuousRequestTarget_BufferPut(kept.Module, kept.Buffer), S(SUCCESS));
}

static VOID CancelAsked(WDFREQUEST Request)
{
    EXPECT_LAST(WdfRequestComplete(Request, STATUS_CANCELLED), ANY | S(REQUEST));
}

/* A target that answers at once or keeps the Request, and shows its handle to everybody. */
static NTSTATUS Answered(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType Type, ULONG Ioctl,
                         VOID* Input, size_t InputLength, VOID* Output, size_t OutputLength, ULONG_PTR* Information,
                         VOID* Context)
{
    UNREFERENCED_PARAMETER(Target);
    UNREFERENCED_PARAMETER(Type);
    UNREFERENCED_PARAMETER(Ioctl);
    UNREFERENCED_PARAMETER(Input);
    UNREFERENCED_PARAMETER(InputLength);
    UNREFERENCED_PARAMETER(Output);
    UNREFERENCED_PARAMETER(Context);
    *Information = OutputLength;
    meddle();
    switch (choose(4))
    {
    case 0: atomic_store(&world.Stale[choose(STALE)], Request); return STATUS_PENDING;
    case 1:
        atomic_store(&world.Stale[choose(STALE)], Request);
        return EXPECT(WdfRequestMarkCancelableEx(Request, CancelAsked), ANY | S(CANCELLED) | S(REQUEST))
                   ? STATUS_PENDING
                   : STATUS_CANCELLED;
    default: return choose(8) == 0 ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS;
    }
}

static VOID Changed(const DMF_HID_DEVICE_INFORMATION* Information, BOOLEAN Arrived, VOID* Context)
{
    UNREFERENCED_PARAMETER(Information);
    UNREFERENCED_PARAMETER(Arrived);
    UNREFERENCED_PARAMETER(Context);
}

static BOOLEAN RingEntry(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    UNREFERENCED_PARAMETER(CallbackContext);
    if (choose(8) == 0)
    {
        delete_any(any_handle(RING)); /* its own is refused */
    }
    return choose(4) != 0;
}

static BufferPool_EnumerationDispositionType PoolEntry(DMFMODULE DmfModule, VOID* Buffer, VOID* BufferContext,
                                                       VOID* Context)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferContext);
    UNREFERENCED_PARAMETER(Context);
    return (BufferPool_EnumerationDispositionType)(BufferPool_EnumerationDisposition_ContinueEnumeration + choose(7));
}

/* -------------------------------------------------------------------------------------------------- create */

static NTSTATUS create_module(KIND kind, WDFDEVICE device, WDF_OBJECT_ATTRIBUTES* object, DMFMODULE* module)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_BufferQueue queue;

    memset(&queue, 0, sizeof(queue));
    queue.SourceSettings.BufferCount = 4;
    queue.SourceSettings.BufferSize = 16;
    queue.SourceSettings.BufferContextSize = 8;
    queue.SourceSettings.CreateWithTimer = kind == QUEUE;
    queue.SourceSettings.EnableLookAside = choose(2);
    queue.EvtBufferQueueReuseCleanup = kind == WORK ? NULL : Reused;
    switch (kind)
    {
    case RING:
    {
        DMF_CONFIG_RingBuffer config;
        DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.ItemCount = 4;
        config.ItemSize = sizeof(RECORD*);
        config.Mode = choose(2) != 0 ? RingBuffer_Mode_DeleteOldestIfFullOnWrite : RingBuffer_Mode_FailIfFullOnWrite;
        return DMF_RingBuffer_Create(device, &attributes, object, module);
    }
    case PING_PONG:
    {
        DMF_CONFIG_PingPongBuffer config;
        DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferSize = 64;
        return DMF_PingPongBuffer_Create(device, &attributes, object, module);
    }
    case SOURCE:
    case SINK:
    {
        DMF_CONFIG_BufferPool config;
        DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferPoolMode = kind == SOURCE ? BufferPool_Mode_Source : BufferPool_Mode_Sink;
        if (kind == SOURCE)
        {
            config.Mode.SourceSettings = queue.SourceSettings;
            config.Mode.SourceSettings.CreateWithTimer = TRUE;
        }
        return DMF_BufferPool_Create(device, &attributes, object, module);
    }
    case QUEUE:
        DMF_BufferQueue_ATTRIBUTES_INIT(&attributes);
        attributes.ModuleConfigPointer = &queue;
        return DMF_BufferQueue_Create(device, &attributes, object, module);
    case WORK:
    {
        DMF_CONFIG_QueuedWorkItem config;
        DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferQueueConfig = queue;
        config.EvtQueuedWorkitemFunction = Worked;
        return DMF_QueuedWorkItem_Create(device, &attributes, object, module);
    }
    case THREADED:
    {
        DMF_CONFIG_ThreadedBufferQueue config;
        DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferQueueConfig = queue;
        config.BufferQueueConfig.EvtBufferQueueReuseCleanup = NULL;
        config.EvtThreadedBufferQueueWork = ThreadWorked;
        config.EvtThreadedBufferQueueReuseCleanup = Reused;
        return DMF_ThreadedBufferQueue_Create(device, &attributes, object, module);
    }
    case NOTIFY:
    {
        DMF_CONFIG_NotifyUserWithRequest config;
        DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.MaximumNumberOfPendingRequests = 4;
        config.MaximumNumberOfPendingDataBuffers = 4;
        config.SizeOfDataBuffer = sizeof(RECORD*);
        config.EvtPendingRequestsCancel = choose(2) != 0 ? Notified : NULL;
        config.EvtDataCleanup = Reused;
        config.EnableLookAside = (BOOLEAN)choose(2);
        config.TimeStamping = (BOOLEAN)choose(2);
        return DMF_NotifyUserWithRequest_Create(device, &attributes, object, module);
    }
    default:
    {
        DMF_CONFIG_ContinuousRequestTarget config;
        DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.ContinuousRequestCount = 2;
        config.BufferCountOutput = 3;
        config.BufferOutputSize = 16;
        config.RequestType = ContinuousRequestTarget_RequestType_Read;
        config.ContinuousRequestTargetMode =
            choose(2) != 0 ? ContinuousRequestTarget_Mode_Automatic : ContinuousRequestTarget_Mode_Manual;
        config.EvtContinuousRequestTargetBufferOutput = Streamed;
        attributes.PassiveLevel = (BOOLEAN)choose(2);
        return DMF_ContinuousRequestTarget_Create(device, &attributes, object, module);
    }
    }
}

static void create(KIND kind)
{
    static const DMF_REPLAY_PARAMS fast = {.Size = sizeof(fast), .Speed = 0, .Repeat = 3};
    WDF_OBJECT_ATTRIBUTES object;
    WDFDEVICE device = choose(3) != 0 ? (WDFDEVICE)any_handle(DEVICE) : NULL;
    VOID* handle = NULL;
    bool made;

    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&object, USES);
    object.EvtDestroyCallback = Destroyed;
    object.EvtCleanupCallback = choose(2) != 0 ? CleanedUp : NULL;
    object.ParentObject = choose(4) == 0 ? any_handle((KIND)choose(KINDS)) : NULL;
    if (kind == REQUEST)
    {
        RECORD* record = record_of("a Request", ONCE_AT_MOST);
        if (record != NULL && EXPECT(DMF_Request_Create(world.Root, record->In, sizeof(record->In), record->Out,
                                                        sizeof(record->Out), 1, RequestEnded, record,
                                                        (WDFREQUEST*)&handle),
                                     S(SUCCESS)))
        {
            place(kind, handle);
        }
        return;
    }
    if (kind == WATCH)
    {
        if (EXPECT(DMF_Hid_WatchStart(device, NULL, Changed, NULL, &handle), CREATES | S(UNSUCCESSFUL)))
        {
            place(kind, handle);
        }
        return;
    }
    if (kind == TARGET)
    {
        if (choose(4) == 0
                ? EXPECT(DMF_IoTarget_ReplayOpen(device, RECORDING, &fast, (WDFIOTARGET*)&handle), CREATES)
                : EXPECT(DMF_IoTarget_ClientCreate(device, Answered, NULL, (WDFIOTARGET*)&handle), CREATES))
        {
            place(kind, handle);
        }
        return;
    }
    made = kind == DEVICE
               ? EXPECT(DMF_Device_Create(&object, (WDFDEVICE*)&handle), CREATES)
               : expect(create_module(kind, device, &object, (DMFMODULE*)&handle), CREATES, "a Module's Create");
    if (made)
    {
        atomic_fetch_add(&world.WithContext, 1);
        place(kind, handle);
    }
}

/* ----------------------------------------------------------------------------------------------------- use */

static void use_object(VOID* handle)
{
    EXPECT_LAST(WdfObjectReference((WDFOBJECT)handle), ANY);
    if (NT_SUCCESS(DMF_LastStatusGet()))
    {
        /* The reference keeps the context, whoever deletes the object. */
        USES* uses = UsesGet(handle);
        if (uses != NULL)
        {
            atomic_fetch_add(&uses->Uses, 1);
        }
        EXPECT_LAST(WdfObjectDereference((WDFOBJECT)handle), S(SUCCESS));
    }
    EXPECT_LAST(DMF_ParentModuleGet((DMFMODULE)handle), ANY);
    EXPECT_LAST(DMF_ParentDeviceGet((DMFMODULE)handle), ANY);
}

static void use_ring(DMFMODULE ring)
{
    RECORD* records[4] = {NULL, NULL, NULL, NULL};
    ULONG bytes = 0;

    switch (choose(6))
    {
    case 0:
        if (EXPECT(DMF_RingBuffer_Read(ring, (UCHAR*)records, sizeof(RECORD*)), ANY | S(UNSUCCESSFUL)))
        {
            record_ended(records[0]);
        }
        break;
    case 1:
        if (EXPECT(DMF_RingBuffer_ReadAll(ring, (UCHAR*)records, sizeof(records), &bytes), ANY))
        {
            for (size_t i = 0; i < bytes / sizeof(RECORD*); i++)
            {
                record_ended(records[i]);
            }
        }
        break;
    case 2: EXPECT_LAST(DMF_RingBuffer_Enumerate(ring, (BOOLEAN)choose(2), RingEntry, NULL), ANY); break;
    case 3: EXPECT_LAST(DMF_RingBuffer_Reorder(ring, (BOOLEAN)choose(2)), ANY); break;
    default:
        records[0] = record_of("an item of a ring", ONCE_AT_MOST);
        if (records[0] != NULL)
        {
            EXPECT(DMF_RingBuffer_Write(ring, (UCHAR*)records, sizeof(RECORD*)), ANY | S(UNSUCCESSFUL));
        }
        break;
    }
}

static void use_ping_pong(DMFMODULE module)
{
    UCHAR bytes[16] = {0};
    ULONG size = 0;

    switch (choose(4))
    {
    case 0: EXPECT_LAST(DMF_PingPongBuffer_Consume(module, choose(8), choose(8)), ANY); break;
    case 1: EXPECT_LAST(DMF_PingPongBuffer_Get(module, &size), ANY); break;
    case 2: EXPECT_LAST(DMF_PingPongBuffer_Shift(module, choose(4)), ANY | S(PARAMETER)); break;
    default: EXPECT(DMF_PingPongBuffer_Write(module, bytes, sizeof(bytes), &size), ANY | S(RESOURCES)); break;
    }
}

/* The Source that a buffer's context tells: the only one that takes it. Without, it comes from the Source that gave it. */
static DMFMODULE source_of(VOID* context, DMFMODULE giver)
{
    DMFMODULE source = *(DMFMODULE*)context;
    return source != NULL ? source : giver;
}

/*
 * What a guess finds may be the inner part of another Module. Who takes buffers out of that takes them from the Module; so
 * this only looks, and puts what is no buffer.
 */
static void look_at(DMFMODULE module)
{
    VOID* context = NULL;
    UCHAR bytes[64];

    EXPECT_LAST(DMF_BufferPool_Count(module), ANY);
    EXPECT_LAST(DMF_BufferPool_ContextGet(module, bytes, &context), ANY | S(PARAMETER));
    EXPECT_LAST(DMF_BufferPool_Put(module, bytes), S(HANDLE) | S(STATE) | S(PARAMETER));
    EXPECT_LAST(DMF_BufferQueue_Count(module), ANY);
    EXPECT_LAST(DMF_BufferQueue_Enqueue(module, bytes + 16), S(HANDLE) | S(STATE) | S(PARAMETER));
    EXPECT_LAST(DMF_BufferQueue_Reuse(module, bytes + 32), S(HANDLE) | S(STATE) | S(PARAMETER));
    EXPECT_LAST(WdfMemoryGetBuffer((WDFMEMORY)guessed(atomic_load(&world.Memory)), NULL), S(SUCCESS) | S(HANDLE));
}

/* A buffer of a Source goes into a Sink, and from there to whoever gets it. */
static void use_pools(DMFMODULE source, DMFMODULE sink)
{
    VOID* buffer = NULL;
    VOID* context = NULL;
    WDFMEMORY memory = NULL;
    size_t size = 0;
    RECORD* record;

    if (choose(2) != 0)
    {
        if (EXPECT(DMF_BufferPool_Get(sink, &buffer, &context), ANY | S(UNSUCCESSFUL)))
        {
            buffer_ended(buffer);
            EXPECT_LAST(DMF_BufferPool_Put(source_of(context, sink), buffer), S(SUCCESS));
        }
        return;
    }
    if (choose(8) == 0)
    {
        EXPECT_LAST(DMF_BufferPool_Enumerate(sink, PoolEntry, NULL, &buffer, &context),
                    ANY | S(PARAMETER) | S(REQUEST));
        if (buffer != NULL)
        {
            buffer_ended(buffer);
            EXPECT_LAST(DMF_BufferPool_Put(source_of(context, sink), buffer), S(SUCCESS));
        }
        return;
    }
    record = record_of("a pool's buffer", ONCE_AT_MOST);
    if (record == NULL ||
        !EXPECT(DMF_BufferPool_GetWithMemory(source, &buffer, &context, &memory), ANY | S(UNSUCCESSFUL)))
    {
        return;
    }
    atomic_store(&world.Memory, memory);
    if (WdfMemoryGetBuffer(memory, &size) != buffer || size != 16)
    {
        atomic_fetch_add(&world.Strange, 1);
    }
    buffer_ended(buffer); /* not zero: of a Sink */
    *(RECORD**)buffer = record;
    *(DMFMODULE*)context = source_of(context, source);
    if (!(choose(2) != 0 ? EXPECT_LAST(DMF_BufferPool_PutInSinkWithTimer(sink, buffer, choose(3), SinkTimedOut,
                                                                   source_of(context, source)),
                                       ANY | S(PARAMETER) | S(REQUEST))
                         : EXPECT_LAST(DMF_BufferPool_Put(sink, buffer), ANY | S(PARAMETER))))
    {
        EXPECT_LAST(DMF_BufferPool_Put(source_of(context, source), buffer), S(SUCCESS));
    }
}

static void use_queue(DMFMODULE queue)
{
    VOID* buffer = NULL;
    RECORD* record;

    switch (choose(8))
    {
    case 0: EXPECT_LAST(DMF_BufferQueue_Flush(queue), ANY); break;
    case 1: EXPECT_LAST(DMF_BufferQueue_Enumerate(queue, PoolEntry, NULL, &buffer, NULL), ANY | S(PARAMETER)); break;
    case 2:
    case 3:
    case 4: EXPECT(DMF_BufferQueue_Dequeue(queue, &buffer, NULL), ANY | S(UNSUCCESSFUL)); break;
    default:
        record = record_of("a queue's buffer", ONCE_IF_ACCEPTED);
        if (record == NULL || !EXPECT(DMF_BufferQueue_Fetch(queue, &buffer, NULL), ANY | S(UNSUCCESSFUL)))
        {
            return;
        }
        *(RECORD**)buffer = record;
        /* It may come out before this returns. */
        atomic_fetch_add(&record->Accepted, 1);
        if (choose(2) != 0 ? EXPECT(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, choose(3), QueueTimedOut, NULL), ANY)
                           : EXPECT_LAST(DMF_BufferQueue_Enqueue(queue, buffer), ANY))
        {
            return;
        }
        atomic_fetch_sub(&record->Accepted, 1);
        *(RECORD**)buffer = NULL;
        EXPECT_LAST(DMF_BufferQueue_Reuse(queue, buffer), S(SUCCESS));
        return;
    }
    if (buffer != NULL)
    {
        buffer_ended(buffer);
        EXPECT_LAST(DMF_BufferQueue_Reuse(queue, buffer), S(SUCCESS));
    }
}

static void use_work(DMFMODULE module)
{
    RECORD* record = record_of("work", ONCE_IF_ACCEPTED);
    bool accepted;

    if (choose(8) == 0)
    {
        EXPECT_LAST(DMF_QueuedWorkItem_Flush(module), ANY);
    }
    if (record == NULL)
    {
        return;
    }
    atomic_fetch_add(&record->Accepted, 1);
    accepted = choose(4) == 0
                   ? EXPECT(DMF_QueuedWorkItem_EnqueueAndWait(module, &record, sizeof(RECORD*)), ANY | S(UNSUCCESSFUL))
                   : EXPECT(DMF_QueuedWorkItem_Enqueue(module, &record, sizeof(RECORD*)), ANY | S(UNSUCCESSFUL));
    if (!accepted)
    {
        atomic_fetch_sub(&record->Accepted, 1);
    }
}

static void use_threaded(DMFMODULE queue)
{
    VOID* buffer = NULL;
    NTSTATUS status;
    RECORD* record;

    switch (choose(8))
    {
    case 0: EXPECT_LAST(DMF_ThreadedBufferQueue_Stop(queue), ANY); break;
    case 1: EXPECT_LAST(DMF_ThreadedBufferQueue_Flush(queue), ANY); break;
    case 2:
    case 3: EXPECT(DMF_ThreadedBufferQueue_Start(queue), ANY); break;
    default:
        record = record_of("a threaded queue's buffer", ONCE_IF_ACCEPTED);
        if (record == NULL || !EXPECT(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, NULL), ANY | S(UNSUCCESSFUL)))
        {
            return;
        }
        *(RECORD**)buffer = record;
        atomic_fetch_add(&record->Accepted, 1);
        if (choose(4) == 0)
        {
            status = DMF_ThreadedBufferQueue_EnqueueAndWait(queue, buffer);
            EXPECT(status, ANY | S(CANCELLED));
        }
        else
        {
            EXPECT_LAST(DMF_ThreadedBufferQueue_Enqueue(queue, buffer), ANY);
            status = DMF_LastStatusGet();
        }
        if (status == STATUS_INVALID_HANDLE || status == STATUS_INVALID_DEVICE_STATE)
        {
            atomic_fetch_sub(&record->Accepted, 1);
            *(RECORD**)buffer = NULL;
            EXPECT_LAST(DMF_ThreadedBufferQueue_Reuse(queue, buffer), S(SUCCESS));
        }
        break;
    }
}

static void use_request(WDFREQUEST request)
{
    VOID* buffer = NULL;
    size_t length = 0;
    NTSTATUS status = STATUS_SUCCESS;

    switch (choose(10))
    {
    case 0: EXPECT_LAST(DMF_Request_Cancel(request), ANY); break;
    case 1: EXPECT_LAST(WdfRequestComplete(request, STATUS_SUCCESS), ANY | S(REQUEST)); break;
    case 2: EXPECT_LAST(WdfRequestCompleteWithInformation(request, STATUS_UNSUCCESSFUL, 3), ANY | S(REQUEST)); break;
    case 3: EXPECT(DMF_Request_Wait(request, 1, &status, NULL), ANY | S(TIMEOUT)); break;
    case 4: EXPECT(WdfRequestRetrieveInputBuffer(request, 1, &buffer, &length), ANY | S(TOO_SMALL)); break;
    case 5: EXPECT(WdfRequestRetrieveOutputBuffer(request, 1, &buffer, &length), ANY | S(TOO_SMALL)); break;
    case 6: EXPECT(WdfRequestMarkCancelableEx(request, CancelAsked), ANY | S(CANCELLED) | S(REQUEST)); break;
    case 7: EXPECT(WdfRequestUnmarkCancelable(request), ANY | S(CANCELLED) | S(REQUEST)); break;
    case 8: EXPECT_LAST(WdfRequestMarkCancelable(request, CancelAsked), ANY | S(REQUEST)); break;
    default:
        (void)WdfRequestGetStatus(request);
        EXPECT_LAST(WdfRequestIsCanceled(request), ANY);
        EXPECT_LAST(WdfRequestSetInformation(request, 2), ANY);
        EXPECT_LAST(WdfRequestGetInformation(request), ANY);
        break;
    }
}

static void use_notify(DMFMODULE module, WDFREQUEST request)
{
    RECORD* record;

    switch (choose(8))
    {
    case 0: EXPECT(DMF_NotifyUserWithRequest_RequestProcess(module, request), ANY); break;
    case 1: EXPECT_LAST(DMF_NotifyUserWithRequest_RequestReturn(module, Notified, NULL, STATUS_SUCCESS), ANY); break;
    case 2:
        EXPECT(DMF_NotifyUserWithRequest_RequestReturnEx(module, NULL, NULL, STATUS_SUCCESS), ANY | S(UNSUCCESSFUL));
        break;
    case 3:
        EXPECT_LAST(DMF_NotifyUserWithRequest_RequestReturnAll(module, Notified, NULL, STATUS_SUCCESS), ANY);
        EXPECT_LAST(DMF_NotifyUserWithRequest_DiscardedCountGet(module), ANY);
        break;
    case 4:
    case 5:
        record = record_of("data", ONCE_IF_ACCEPTED);
        if (record != NULL)
        {
            atomic_fetch_add(&record->Accepted, 1);
            if (!EXPECT_LAST(DMF_NotifyUserWithRequest_DataProcess(module, choose(2) != 0 ? Notified : NULL, &record,
                                                                   STATUS_SUCCESS),
                             ANY))
            {
                atomic_fetch_sub(&record->Accepted, 1);
            }
        }
        break;
    default: EXPECT(DMF_NotifyUserWithRequest_EventRequestAdd(module, request), ANY); break;
    }
}

static void send_from(DMFMODULE stream)
{
    RECORD* record = record_of("a send", ONCE_IF_ACCEPTED);
    RequestTarget_DmfRequestCancel id = NULL;
    RequestTarget_DmfRequestReuse cookie = NULL;
    ULONG milliseconds = choose(2);
    size_t written = 0;
    bool accepted = false;

    if (record == NULL)
    {
        return;
    }
    atomic_fetch_add(&record->Accepted, 1);
    switch (choose(4))
    {
    case 0:
        accepted = EXPECT(DMF_ContinuousRequestTarget_Send(stream, NULL, 0, record->Out, sizeof(record->Out),
                                                           ContinuousRequestTarget_RequestType_Read, 0, milliseconds,
                                                           SendEnded, record),
                          SENDS);
        break;
    case 1:
        accepted = EXPECT(DMF_ContinuousRequestTarget_SendEx_2025(stream, record->In, sizeof(record->In), record->Out,
                                                                  sizeof(record->Out),
                                                                  ContinuousRequestTarget_RequestType_Ioctl, 1,
                                                                  milliseconds, SendEnded, record, &id),
                          SENDS);
        break;
    case 2:
        if (EXPECT(DMF_ContinuousRequestTarget_ReuseCreate(stream, &cookie), ANY))
        {
            accepted = EXPECT(DMF_ContinuousRequestTarget_ReuseSend(stream, cookie, record->In, sizeof(record->In), NULL,
                                                                    0, ContinuousRequestTarget_RequestType_Write, 0,
                                                                    milliseconds, SendEnded, record, &id),
                              SENDS | S(NOT_FOUND));
            EXPECT_LAST(DMF_ContinuousRequestTarget_ReuseDelete(stream, cookie), ANY | S(NOT_FOUND));
        }
        break;
    default:
        EXPECT(DMF_ContinuousRequestTarget_SendSynchronously(stream, NULL, 0, record->Out, sizeof(record->Out),
                                                             ContinuousRequestTarget_RequestType_Read, 0, 1, &written),
               SENDS | S(UNSUCCESSFUL));
        break;
    }
    if (!accepted)
    {
        atomic_fetch_sub(&record->Accepted, 1);
    }
    if (id != NULL)
    {
        atomic_store(&world.Ids[choose(IDS)], id);
    }
}

static void use_stream(DMFMODULE stream, WDFIOTARGET target)
{
    const unsigned start = SENDS | S(UNSUCCESSFUL);
    DMF_IO_TARGET_STATISTICS statistics = {.Size = sizeof(statistics)};

    switch (choose(12))
    {
    case 0:
    case 1: EXPECT(DMF_ContinuousRequestTarget_IoTargetSet(stream, target), start); break;
    case 2: EXPECT_LAST(DMF_ContinuousRequestTarget_IoTargetClear(stream), ANY); break;
    case 3: EXPECT(DMF_ContinuousRequestTarget_Start(stream), start); break;
    case 4: EXPECT_LAST(DMF_ContinuousRequestTarget_Stop(stream), ANY); break;
    case 5: EXPECT_LAST(DMF_ContinuousRequestTarget_StopAndWait(stream), ANY); break;
    case 6: EXPECT_LAST(DMF_ContinuousRequestTarget_StreamingCountGet(stream), ANY); break;
    case 7: EXPECT(DMF_IoTarget_StatisticsGet(target, &statistics), ANY); break;
    case 8:
        EXPECT_LAST(DMF_ContinuousRequestTarget_Cancel(
                        stream, (RequestTarget_DmfRequestCancel)atomic_load(&world.Ids[choose(IDS)])),
                    ANY | S(NOT_FOUND));
        break;
    case 9: (void)give_kept_back(); break;
    default: send_from(stream); break;
    }
}

static void use(KIND kind)
{
    VOID* handle = any_handle(kind);

    switch (kind)
    {
    case DEVICE:
        if (choose(8) == 0)
        {
            EXPECT(DMF_Device_D0Exit((WDFDEVICE)handle), ANY);
            EXPECT(DMF_Device_D0Entry((WDFDEVICE)handle), SENDS | S(UNSUCCESSFUL));
        }
        break;
    case RING: use_ring((DMFMODULE)handle); break;
    case PING_PONG: use_ping_pong((DMFMODULE)handle); break;
    case SOURCE:
    case SINK:
    case QUEUE:
        if (was_guessed)
        {
            look_at((DMFMODULE)handle);
        }
        else if (kind == QUEUE)
        {
            use_queue((DMFMODULE)handle);
        }
        else
        {
            VOID* other = any_handle(kind == SOURCE ? SINK : SOURCE);
            other = was_guessed ? NULL : other;
            use_pools((DMFMODULE)(kind == SOURCE ? handle : other), (DMFMODULE)(kind == SOURCE ? other : handle));
        }
        break;
    case WORK: use_work((DMFMODULE)handle); break;
    case THREADED: use_threaded((DMFMODULE)handle); break;
    case NOTIFY: use_notify((DMFMODULE)handle, (WDFREQUEST)any_handle(REQUEST)); break;
    case STREAM: use_stream((DMFMODULE)handle, (WDFIOTARGET)any_handle(TARGET)); break;
    case REQUEST: use_request((WDFREQUEST)handle); break;
    default: break;
    }
    if (choose(4) == 0)
    {
        use_object(handle);
    }
}

/* ----------------------------------------------------------------------------------------------- the tests */

static void* works(void* context)
{
    seed = (unsigned)(intptr_t)context * 7919 + 1;
    for (unsigned i = 0; i < world.PerThread; i++)
    {
        KIND kind = (KIND)choose(KINDS);
        unsigned what = choose(world.DeleteOneIn);

        if (what == 0)
        {
            delete_any(any_handle(kind));
        }
        else if ((what == 1 && (kind != WATCH || choose(16) == 0)) || (kind != WATCH && shared(kind) == NULL))
        {
            create(kind);
        }
        else
        {
            use(kind);
        }
    }
    atomic_fetch_sub(&world.AtWork, 1);
    return NULL;
}

static void* deletes_now_and_then(void* context)
{
    seed = 4711;
    (void)context;
    /* Whoever waits for work that nobody does is freed by this: nobody waits for the others for ever. */
    while (atomic_load(&world.AtWork) > 0)
    {
        delete_any(shared((KIND)choose(KINDS)));
        harness_sleep_milliseconds(1);
    }
    return NULL;
}

static void world_end(void)
{
    unsigned alive = 0;

    for (int kind = 0; kind < KINDS; kind++)
    {
        for (int i = 0; i < PLACES; i++)
        {
            VOID* handle = atomic_exchange(&world.Places[kind][i], NULL);
            if (handle != NULL && kind != REQUEST)
            {
                EXPECT_LAST(WdfObjectDelete((WDFOBJECT)handle), ANY);
            }
        }
    }
    WdfObjectDelete(world.Root);
    while (give_kept_back())
    {
    }
    CHECK(atomic_load(&world.MadeCount) < world.MadeMost);
    for (unsigned i = 0; i < atomic_load(&world.MadeCount); i++)
    {
        WdfObjectReference((WDFOBJECT)atomic_load(&world.Made[i]));
        alive += DMF_LastStatusGet() != STATUS_INVALID_HANDLE;
    }
    CHECK_EQUAL(alive, 0);
    CHECK_EQUAL(atomic_load(&world.Destroyed), atomic_load(&world.WithContext));
    CHECK_EQUAL(atomic_load(&world.Unexpected), 0);
    CHECK_EQUAL(atomic_load(&world.Doubled), 0);
    CHECK_EQUAL(atomic_load(&world.Strange), 0);
    records_check();
    free(world.Records);
    free((void*)world.Made);
    MISUSE_IGNORE();
}

static void race(unsigned delete_one_in)
{
    pthread_t threads[THREADS], deleter;
    double begin = harness_seconds();

    alarm(WATCHDOG_SECONDS);
    memset(&world, 0, sizeof(world));
    pthread_mutex_init(&world.Lock, NULL);
    seed = 1;
    world.PerThread = harness_rounds(OPERATIONS) / THREADS + 1;
    world.DeleteOneIn = delete_one_in;
    world.RecordCount = 2 * THREADS * world.PerThread;
    world.Records = (RECORD*)calloc(world.RecordCount, sizeof(RECORD));
    world.MadeMost = 2 * THREADS * world.PerThread;
    world.Made = (_Atomic(VOID*)*)calloc(world.MadeMost, sizeof(VOID*));
    REQUIRE(world.Records != NULL && world.Made != NULL);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &world.Root));
    atomic_store(&world.AtWork, THREADS);
    for (intptr_t i = 0; i < THREADS; i++)
    {
        REQUIRE(pthread_create(&threads[i], NULL, works, (void*)i) == 0);
    }
    REQUIRE(pthread_create(&deleter, NULL, deletes_now_and_then, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    pthread_join(deleter, NULL);
    printf("    %u operations, %u objects, %u items; %.1f s\n", THREADS * world.PerThread,
           atomic_load(&world.MadeCount), atomic_load(&world.RecordsUsed), harness_seconds() - begin);
    world_end();
}

static DMFMODULE ring_create(void)
{
    DMFMODULE ring = NULL;
    WDF_OBJECT_ATTRIBUTES object;

    WDF_OBJECT_ATTRIBUTES_INIT(&object);
    CHECK_SUCCESS(create_module(RING, NULL, &object, &ring));
    return ring;
}

static BOOLEAN UseStale(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* Stale)
{
    UNREFERENCED_PARAMETER(DmfModule);
    CHECK_STATUS(DMF_RingBuffer_Write((DMFMODULE)Stale, Buffer, BufferSize), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    WdfObjectDelete(Stale);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    return TRUE;
}

/* The object that has the slot now is locked, by the thread itself. */
TEST(a_stale_handle_is_refused_inside_an_enumeration_of_the_object_that_has_its_slot)
{
    const uint64_t slot = ((uint64_t)1 << 24) - 1;
    UCHAR item[sizeof(RECORD*)] = {0};
    DMFMODULE stale = ring_create();
    DMFMODULE ring;

    WdfObjectDelete(stale);
    ring = ring_create();
    CHECK_EQUAL((uint64_t)(uintptr_t)ring & slot, (uint64_t)(uintptr_t)stale & slot);
    CHECK_SUCCESS(DMF_RingBuffer_Write(ring, item, sizeof(item)));
    alarm(20);
    DMF_RingBuffer_Enumerate(ring, TRUE, UseStale, stale);
    CHECK_SUCCESS(DMF_LastStatusGet());
    WdfObjectDelete(ring);
}

/* A stream has Requests of its own, whose handles nobody is told before they are sent. */
TEST(a_guessed_request_of_the_librarys_waits_in_no_queue)
{
    WDF_OBJECT_ATTRIBUTES object;
    DMFMODULE stream = NULL;
    DMFMODULE notify = NULL;
    WDFREQUEST request = NULL;
    unsigned accepted = 0;

    alarm(60);
    WDF_OBJECT_ATTRIBUTES_INIT(&object);
    CHECK_SUCCESS(create_module(NOTIFY, NULL, &object, &notify));
    CHECK_SUCCESS(create_module(STREAM, NULL, &object, &stream));
    CHECK_SUCCESS(DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, NULL, NULL, &request));
    for (uint64_t slot = 0; slot < 64; slot++)
    {
        for (uint64_t generation = 1; generation < 16; generation++)
        {
            uint64_t guess = ((uint64_t)(uintptr_t)request >> 56 << 56) | generation << 24 | slot;
            if ((WDFREQUEST)(uintptr_t)guess != request)
            {
                accepted += NT_SUCCESS(
                    DMF_NotifyUserWithRequest_EventRequestAdd(notify, (WDFREQUEST)(uintptr_t)guess));
            }
        }
    }
    MISUSE_IGNORE();
    CHECK_EQUAL(accepted, 0);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(stream), 0);
    WdfObjectDelete(request);
    WdfObjectDelete(notify);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(stream), 0);
    WdfObjectDelete(stream);
}

/* A ThreadedBufferQueue keeps a BufferQueue, which keeps two BufferPools. Nobody but the Module takes buffers out of these. */
TEST(the_queue_inside_of_a_module_answers_to_no_guess)
{
    WDF_OBJECT_ATTRIBUTES object;
    DMFMODULE threaded = NULL;
    unsigned accepted = 0;

    alarm(60);
    WDF_OBJECT_ATTRIBUTES_INIT(&object);
    CHECK_SUCCESS(create_module(THREADED, NULL, &object, &threaded));
    for (uint64_t kind = 1; kind < 128; kind++)
    {
        for (uint64_t generation = 0; generation < 16; generation++)
        {
            for (uint64_t slot = 0; slot < 2 * 64; slot++)
            {
                /* Also with the bit that marks what is inside. */
                uint64_t guess = kind << 56 | (slot % 2) << 55 | generation << 24 | slot / 2;
                VOID* buffer;
                VOID* context;
                accepted += NT_SUCCESS(DMF_BufferQueue_Fetch((DMFMODULE)(uintptr_t)guess, &buffer, &context));
                accepted += NT_SUCCESS(DMF_BufferPool_Get((DMFMODULE)(uintptr_t)guess, &buffer, &context));
            }
        }
    }
    MISUSE_IGNORE();
    CHECK_EQUAL(accepted, 0);
    WdfObjectDelete(threaded);
}

TEST(what_is_accepted_comes_out_once_while_objects_come_and_go_seldom)
{
    race(100);
}

TEST(what_is_accepted_comes_out_once_while_objects_come_and_go_often)
{
    race(6);
}

int main(void)
{
    RUN(a_stale_handle_is_refused_inside_an_enumeration_of_the_object_that_has_its_slot);
    RUN(a_guessed_request_of_the_librarys_waits_in_no_queue);
    RUN(the_queue_inside_of_a_module_answers_to_no_guess);
    RUN(what_is_accepted_comes_out_once_while_objects_come_and_go_seldom);
    RUN(what_is_accepted_comes_out_once_while_objects_come_and_go_often);
    return TESTS_RESULT();
}
