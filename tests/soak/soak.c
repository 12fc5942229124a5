/*
 * Everything at once, for a while: streams, Requests that end in every way, timers, rings, queues, work, restarts, and the
 * creation and deletion of everything. What comes out is checked all the time, and what the process has is measured.
 *
 *     soak SECONDS
 *
 * SOAK_LEAK=memory and SOAK_LEAK=objects leak on purpose, so that it is seen that a leak is found.
 * Exit status: 0; 1: something was wrong; 3: something grew.
 */
#define _GNU_SOURCE

#include "../process/every_call.h"
#include "measure.h"

#include <malloc.h>

static void world_entered(const char* callback)
{
    (void)callback;
}

static atomic_bool over;

static void soak_require(bool holds, const char* what, int line)
{
    if (!holds)
    {
        printf("FAILED: line %d: %s (%s)\n", line, what, DMF_LastErrorMessageGet());
        fflush(stdout);
        _exit(1);
    }
}
#define HOLDS(Condition) soak_require((Condition), #Condition, __LINE__)
#define SUCCEEDS(Call) HOLDS(NT_SUCCESS(Call))

static unsigned roll(unsigned* seed, unsigned sides)
{
    return (unsigned)rand_r(seed) % sides;
}

/* ------------------------------------------------------------------------------------------------ streams */

#define REPORTS 1000

typedef struct
{
    atomic_uint Count;
    atomic_uint Run;
    uint32_t Last;
    unsigned LastRun;
    atomic_uint Inside;
} STREAM;

/* The callbacks of a stream find theirs here: they get nothing but the Module. */
static struct
{
    _Atomic(DMFMODULE) Module;
    STREAM Stream;
} streams[3];

static ContinuousRequestTarget_BufferDisposition StreamOutput(DMFMODULE Module, VOID* Buffer, size_t Size,
                                                              VOID* BufferContext, NTSTATUS Status)
{
    uint32_t number;
    STREAM* stream = NULL;
    (void)BufferContext;
    for (size_t i = 0; i < 3; i++)
    {
        if (atomic_load(&streams[i].Module) == Module)
        {
            stream = &streams[i].Stream;
        }
    }
    HOLDS(stream != NULL && Status == STATUS_SUCCESS && Size == RECORDING_REPORT_SIZE);
    HOLDS(atomic_fetch_add(&stream->Inside, 1) == 0);
    number = recording_number(Buffer);
    /* In order, and none is left out while the stream runs. */
    HOLDS(number < REPORTS);
    if (stream->LastRun == atomic_load(&stream->Run))
    {
        HOLDS(number == (stream->Last + 1) % REPORTS);
    }
    stream->Last = number;
    stream->LastRun = atomic_load(&stream->Run);
    if (atomic_fetch_add(&stream->Count, 1) % 16 == 0)
    {
        harness_sleep_milliseconds(1);
    }
    atomic_fetch_sub(&stream->Inside, 1);
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

/* Two streams, one of them on passive threads, that are stopped and started in every way. */
static void* run_streams(void* progress)
{
    RECORDING recording = recording_numbered(REPORTS, 50);
    unsigned seed = 1;

    while (!atomic_load(&over))
    {
        WDFDEVICE device = NULL;
        SUCCEEDS(DMF_Device_Create(NULL, &device));
        for (int i = 0; i < 2; i++)
        {
            /* As fast as asked: then no report is superfluous, and none may be dropped. */
            DMF_REPLAY_PARAMS pace = {.Size = sizeof(pace), .Speed = 0, .Repeat = 0};
            DMF_CONFIG_ContinuousRequestTarget config;
            DMF_MODULE_ATTRIBUTES attributes;
            WDFIOTARGET target;
            DMFMODULE module;
            DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
            attributes.PassiveLevel = i == 1;
            config.RequestType = ContinuousRequestTarget_RequestType_Read;
            config.ContinuousRequestCount = i == 0 ? 1 : 8;
            config.BufferCountOutput = 16;
            config.BufferOutputSize = 64;
            config.EvtContinuousRequestTargetBufferOutput = StreamOutput;
            SUCCEEDS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &module));
            SUCCEEDS(DMF_IoTarget_ReplayOpen(device, recording.Path, &pace, &target));
            SUCCEEDS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
            atomic_fetch_add(&streams[i].Stream.Run, 1);
            atomic_store(&streams[i].Module, module);
            SUCCEEDS(DMF_ContinuousRequestTarget_Start(module));
        }
        for (int round = 0; round < 20 && !atomic_load(&over); round++)
        {
            int i = (int)roll(&seed, 2);
            DMFMODULE module = atomic_load(&streams[i].Module);
            unsigned before = atomic_load(&streams[i].Stream.Count);
            for (int wait = 0; wait < 20000 && atomic_load(&streams[i].Stream.Count) == before; wait++)
            {
                harness_sleep_milliseconds(1);
            }
            HOLDS(atomic_load(&streams[i].Stream.Count) != before);
            switch (roll(&seed, 4))
            {
            case 0:
                DMF_ContinuousRequestTarget_StopAndWait(module);
                HOLDS(atomic_load(&streams[i].Stream.Inside) == 0);
                atomic_fetch_add(&streams[i].Stream.Run, 1);
                SUCCEEDS(DMF_ContinuousRequestTarget_Start(module));
                break;
            case 1:
                DMF_ContinuousRequestTarget_Stop(module);
                DMF_ContinuousRequestTarget_StopAndWait(module);
                atomic_fetch_add(&streams[i].Stream.Run, 1);
                SUCCEEDS(DMF_ContinuousRequestTarget_Start(module));
                break;
            case 2:
                SUCCEEDS(DMF_Device_D0Exit(device));
                atomic_fetch_add(&streams[0].Stream.Run, 1);
                atomic_fetch_add(&streams[1].Stream.Run, 1);
                SUCCEEDS(DMF_Device_D0Entry(device));
                break;
            default:
                break;
            }
            atomic_fetch_add((atomic_uint*)progress, 1);
        }
        WdfObjectDelete(device);
        HOLDS(atomic_load(&streams[0].Stream.Inside) == 0 && atomic_load(&streams[1].Stream.Inside) == 0);
    }
    recording_remove(&recording);
    return NULL;
}

/* ----------------------------------------------------------------------------------------------- Requests */

#define SENDS 256

static atomic_uint sends_ended;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static WDFREQUEST kept[SENDS];
static unsigned kept_count;

static VOID SendEnded(DMFMODULE Module, VOID* Context, VOID* Input, size_t InputBytes, VOID* Output, size_t OutputBytes,
                      NTSTATUS Status)
{
    (void)Module, (void)Input, (void)InputBytes;
    HOLDS(Status == STATUS_SUCCESS || Status == STATUS_CANCELLED || Status == STATUS_IO_TIMEOUT);
    HOLDS(Status != STATUS_SUCCESS || OutputBytes == 0 || *(UCHAR*)Output == 0x77);
    /* Once for each. */
    HOLDS(atomic_exchange((atomic_bool*)Context, false));
    atomic_fetch_add(&sends_ended, 1);
}

static VOID KeptCanceled(WDFREQUEST Request)
{
    pthread_mutex_lock(&kept_lock);
    for (unsigned i = 0; i < kept_count; i++)
    {
        if (kept[i] == Request)
        {
            kept[i] = kept[--kept_count];
            break;
        }
    }
    pthread_mutex_unlock(&kept_lock);
    WdfRequestComplete(Request, STATUS_CANCELLED);
}

/* Answers half at once, and keeps the others until they are canceled, or the next ones come. */
static NTSTATUS SoakTarget(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType Type, ULONG Ioctl,
                           VOID* Input, size_t InputLength, VOID* Output, size_t OutputLength, ULONG_PTR* Information,
                           VOID* Context)
{
    unsigned* seed = Context;
    WDFREQUEST oldest = NULL;
    NTSTATUS status = STATUS_SUCCESS;
    (void)Target, (void)Type, (void)Ioctl, (void)Input, (void)InputLength;
    memset(Output, 0x77, OutputLength);
    *Information = OutputLength;
    pthread_mutex_lock(&kept_lock);
    if (roll(seed, 2) == 0 && kept_count < SENDS && NT_SUCCESS(WdfRequestMarkCancelableEx(Request, KeptCanceled)))
    {
        kept[kept_count++] = Request;
        status = STATUS_PENDING;
    }
    if (kept_count > 8)
    {
        oldest = kept[0];
        if (WdfRequestUnmarkCancelable(oldest) == STATUS_SUCCESS)
        {
            kept[0] = kept[--kept_count];
        }
        else
        {
            oldest = NULL; /* its cancel routine has it */
        }
    }
    pthread_mutex_unlock(&kept_lock);
    if (oldest != NULL)
    {
        WdfRequestCompleteWithInformation(oldest, STATUS_SUCCESS, 0);
    }
    return status;
}

static void* run_requests(void* progress)
{
    static struct
    {
        atomic_bool Busy;
        UCHAR In[16];
        UCHAR Out[16];
        RequestTarget_DmfRequestReuse Cookie;
        RequestTarget_DmfRequestCancel Id;
    } places[SENDS];
    static unsigned target_seed = 5;
    unsigned seed = 2;

    while (!atomic_load(&over))
    {
        DMF_CONFIG_ContinuousRequestTarget config;
        DMF_MODULE_ATTRIBUTES attributes;
        WDFDEVICE device = NULL;
        WDFIOTARGET target;
        DMFMODULE module;
        unsigned sent = 0, before = atomic_load(&sends_ended);

        SUCCEEDS(DMF_Device_Create(NULL, &device));
        SUCCEEDS(DMF_IoTarget_ClientCreate(device, SoakTarget, &target_seed, &target));
        DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
        SUCCEEDS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &module));
        SUCCEEDS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
        for (int i = 0; i < SENDS; i++)
        {
            SUCCEEDS(DMF_ContinuousRequestTarget_ReuseCreate(module, &places[i].Cookie));
        }
        for (int round = 0; round < 20000 && !atomic_load(&over); round++)
        {
            unsigned at = roll(&seed, SENDS);
            NTSTATUS status;
            if (roll(&seed, 4) == 0)
            {
                (void)DMF_ContinuousRequestTarget_Cancel(module, places[at].Id);
                continue;
            }
            if (atomic_exchange(&places[at].Busy, true))
            {
                continue;
            }
            if (roll(&seed, 2) == 0)
            {
                status = DMF_ContinuousRequestTarget_ReuseSend(module, places[at].Cookie, places[at].In, 16, places[at].Out, 16,
                                                               ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL,
                                                               roll(&seed, 3) == 0 ? 1 : 3600000, SendEnded,
                                                               &places[at].Busy, &places[at].Id);
                /* The completion runs before the cookie is free again. */
                HOLDS(NT_SUCCESS(status) || status == STATUS_OBJECTID_NOT_FOUND);
                if (!NT_SUCCESS(status))
                {
                    atomic_store(&places[at].Busy, false);
                    continue;
                }
            }
            else
            {
                status = DMF_ContinuousRequestTarget_SendEx(module, places[at].In, 16, places[at].Out, 16,
                                                            ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL,
                                                            roll(&seed, 3) == 0 ? 1 : 3600000,
                                                            roll(&seed, 2) == 0
                                                                ? ContinuousRequestTarget_CompletionOptions_Passive
                                                                : ContinuousRequestTarget_CompletionOptions_Default,
                                                            SendEnded, &places[at].Busy);
                SUCCEEDS(status);
            }
            sent++;
            atomic_fetch_add((atomic_uint*)progress, 1);
        }
        WdfObjectDelete(device);
        /* Each has ended, and none twice. */
        HOLDS(atomic_load(&sends_ended) - before == sent);
        for (int i = 0; i < SENDS; i++)
        {
            HOLDS(!atomic_load(&places[i].Busy));
        }
        HOLDS(kept_count == 0);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------ rings, queues */

static DMFMODULE soak_ring;

static void* reads_ring(void* context)
{
    uint64_t item, last = 0;
    (void)context;
    while (!atomic_load(&over))
    {
        if (NT_SUCCESS(DMF_RingBuffer_Read(soak_ring, (UCHAR*)&item, sizeof(item))))
        {
            HOLDS(item == last + 1);
            last = item;
        }
        else
        {
            sched_yield();
        }
    }
    return NULL;
}

static void* run_ring(void* progress)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    pthread_t reader;
    uint64_t item = 1;

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = 64;
    config.ItemSize = sizeof(item);
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    SUCCEEDS(DMF_RingBuffer_Create(NULL, &attributes, NULL, &soak_ring));
    HOLDS(pthread_create(&reader, NULL, reads_ring, NULL) == 0);
    while (!atomic_load(&over))
    {
        if (NT_SUCCESS(DMF_RingBuffer_Write(soak_ring, (UCHAR*)&item, sizeof(item))))
        {
            item++;
            atomic_fetch_add((atomic_uint*)progress, 1);
        }
        else
        {
            sched_yield();
        }
    }
    pthread_join(reader, NULL);
    WdfObjectDelete((WDFOBJECT)soak_ring);
    return NULL;
}

#define TIMED 32

static atomic_uint timed_expired;

static VOID TimedExpired(DMFMODULE Module, VOID* Buffer, VOID* BufferContext, VOID* Context)
{
    (void)BufferContext, (void)Context;
    HOLDS(*(uint32_t*)Buffer == 0xD00D);
    atomic_fetch_add(&timed_expired, 1);
    DMF_BufferQueue_Reuse(Module, Buffer);
}

/* Long timers that never expire beside short ones that do, and some that are stopped in time. */
static void* run_timers(void* progress)
{
    unsigned seed = 3;

    while (!atomic_load(&over))
    {
        DMF_CONFIG_BufferQueue config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE queue;
        VOID* buffer;
        DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.SourceSettings = (BufferPool_SourceSettings){.BufferCount = TIMED, .BufferSize = 8, .CreateWithTimer = TRUE};
        SUCCEEDS(DMF_BufferQueue_Create(NULL, &attributes, NULL, &queue));
        for (int round = 0; round < 5000 && !atomic_load(&over); round++)
        {
            while (NT_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, NULL)))
            {
                HOLDS(*(uint32_t*)buffer == 0);
                *(uint32_t*)buffer = 0xD00D;
                SUCCEEDS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, roll(&seed, 4) == 0 ? 3600000 : roll(&seed, 3),
                                                          TimedExpired, NULL));
            }
            for (unsigned i = roll(&seed, 4); i > 0 && NT_SUCCESS(DMF_BufferQueue_Dequeue(queue, &buffer, NULL)); i--)
            {
                HOLDS(*(uint32_t*)buffer == 0xD00D);
                DMF_BufferQueue_Reuse(queue, buffer);
            }
            if (round % 16 == 0)
            {
                harness_sleep_milliseconds(1);
            }
            atomic_fetch_add((atomic_uint*)progress, 1);
        }
        WdfObjectDelete((WDFOBJECT)queue);
    }
    return NULL;
}

static atomic_uint worked_last;
static atomic_uint threaded_last;

static ScheduledTask_Result_Type SoakWork(DMFMODULE Module, VOID* Buffer, VOID* BufferContext)
{
    uint32_t number = *(uint32_t*)Buffer;
    (void)Module, (void)BufferContext;
    HOLDS(atomic_exchange(&worked_last, number) == number - 1);
    return ScheduledTask_WorkResult_Success;
}

static ThreadedBufferQueue_BufferDisposition SoakThreaded(DMFMODULE Module, UCHAR* Buffer, ULONG Size, VOID* BufferContext,
                                                          NTSTATUS* Status)
{
    uint32_t number = *(uint32_t*)Buffer;
    (void)Module, (void)Size, (void)BufferContext;
    HOLDS(atomic_exchange(&threaded_last, number) == number - 1);
    *Status = STATUS_SUCCESS;
    return ThreadedBufferQueue_BufferDisposition_WorkComplete;
}

/* Work in order and none of it lost, through both Modules that do work. */
static void* run_work(void* progress)
{
    unsigned seed = 4;

    while (!atomic_load(&over))
    {
        const BufferPool_SourceSettings settings = {.BufferCount = 16, .BufferSize = 8};
        DMF_CONFIG_QueuedWorkItem work_config;
        DMF_CONFIG_ThreadedBufferQueue threaded_config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE work, threaded;
        uint32_t worked = 0, queued = 0;
        VOID* buffer;

        atomic_store(&worked_last, 0);
        atomic_store(&threaded_last, 0);
        DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&work_config, &attributes);
        work_config.EvtQueuedWorkitemFunction = SoakWork;
        work_config.BufferQueueConfig.SourceSettings = settings;
        SUCCEEDS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &work));
        DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&threaded_config, &attributes);
        threaded_config.EvtThreadedBufferQueueWork = SoakThreaded;
        threaded_config.BufferQueueConfig.SourceSettings = settings;
        SUCCEEDS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &threaded));
        SUCCEEDS(DMF_ThreadedBufferQueue_Start(threaded));
        for (int round = 0; round < 5000 && !atomic_load(&over); round++)
        {
            uint32_t number = worked + 1;
            NTSTATUS status = roll(&seed, 8) == 0
                                  ? DMF_QueuedWorkItem_EnqueueAndWait(work, &number, sizeof(number))
                                  : DMF_QueuedWorkItem_Enqueue(work, &number, sizeof(number));
            worked += NT_SUCCESS(status);
            HOLDS(NT_SUCCESS(status) || status == STATUS_UNSUCCESSFUL);
            if (NT_SUCCESS(DMF_ThreadedBufferQueue_Fetch(threaded, &buffer, NULL)))
            {
                *(uint32_t*)buffer = ++queued;
                if (roll(&seed, 8) == 0)
                {
                    SUCCEEDS(DMF_ThreadedBufferQueue_EnqueueAndWait(threaded, buffer));
                    HOLDS(atomic_load(&threaded_last) == queued);
                }
                else
                {
                    DMF_ThreadedBufferQueue_Enqueue(threaded, buffer);
                }
            }
            if (roll(&seed, 200) == 0)
            {
                DMF_ThreadedBufferQueue_Stop(threaded);
                SUCCEEDS(DMF_ThreadedBufferQueue_Start(threaded));
            }
            atomic_fetch_add((atomic_uint*)progress, 1);
        }
        DMF_QueuedWorkItem_Flush(work);
        HOLDS(atomic_load(&worked_last) == worked);
        WdfObjectDelete((WDFOBJECT)work);
        WdfObjectDelete((WDFOBJECT)threaded);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- notify */

static atomic_uint notify_last;

static VOID SoakNotified(DMFMODULE Module, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS Status)
{
    (void)Module;
    WdfRequestCompleteWithInformation(Request, Status, Context != 0 ? *(uint32_t*)Context : 0);
}

static VOID SoakRequestEnded(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    (void)Context;
    if (NT_SUCCESS(Status))
    {
        HOLDS(atomic_exchange(&notify_last, (unsigned)Information) == (unsigned)Information - 1);
    }
    else
    {
        HOLDS(Status == STATUS_CANCELLED);
    }
    WdfObjectDelete(Request);
}

/* Data in order, each entry to one Request, whatever Requests are canceled. */
static void* run_notify(void* progress)
{
    unsigned seed = 6;

    while (!atomic_load(&over))
    {
        DMF_CONFIG_NotifyUserWithRequest config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE module;
        uint32_t number = 0;

        atomic_store(&notify_last, 0);
        DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.MaximumNumberOfPendingRequests = 64;
        config.MaximumNumberOfPendingDataBuffers = 16;
        config.SizeOfDataBuffer = sizeof(number);
        config.EnableLookAside = TRUE;
        SUCCEEDS(DMF_NotifyUserWithRequest_Create(NULL, &attributes, NULL, &module));
        for (int round = 0; round < 5000 && !atomic_load(&over); round++)
        {
            WDFREQUEST request = NULL;
            SUCCEEDS(DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, SoakRequestEnded, NULL, &request));
            if (roll(&seed, 8) == 0)
            {
                (void)DMF_Request_Cancel(request); /* completed as soon as it is submitted */
            }
            if (!NT_SUCCESS(DMF_NotifyUserWithRequest_RequestProcess(module, request)))
            {
                WdfRequestComplete(request, STATUS_CANCELLED);
            }
            for (unsigned i = roll(&seed, 3); i > 0; i--)
            {
                number++;
                DMF_NotifyUserWithRequest_DataProcess(module, SoakNotified, &number, STATUS_SUCCESS);
            }
            atomic_fetch_add((atomic_uint*)progress, 1);
        }
        HOLDS(DMF_NotifyUserWithRequest_DiscardedCountGet(module) == 0);
        WdfObjectDelete((WDFOBJECT)module);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------ creation and deletion */

static const char* leak;

/* What leaves something behind that is no part of the world, and what makes another call wait for ever. */
static bool is_left_out(const CALL* call)
{
    static const char* const names[] = {"WdfObjectReference",
                                        "DMF_BufferPool_Get",
                                        "DMF_BufferPool_GetWithMemory",
                                        "DMF_BufferPool_GetWithMemoryDescriptor",
                                        "DMF_BufferPool_Put",
                                        "DMF_BufferPool_PutAtHead",
                                        "DMF_BufferPool_PutInSinkWithTimer",
                                        "DMF_BufferQueue_Fetch",
                                        "DMF_BufferQueue_Dequeue",
                                        "DMF_BufferQueue_DequeueWithMemoryDescriptor",
                                        "DMF_ThreadedBufferQueue_Fetch",
                                        "DMF_ThreadedBufferQueue_Stop", /* EnqueueAndWait waits until it is started */
                                        "DMF_Device_Create"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    {
        if (strcmp(call->Name, names[i]) == 0)
        {
            return true;
        }
    }
    return false;
}

/* All Modules, all functions in any order, and the deletion of what is left. */
static void* run_worlds(void* progress)
{
    unsigned seed = 7;
    WORLD* world = calloc(1, sizeof(WORLD));

    HOLDS(world != NULL);
    while (!atomic_load(&over))
    {
        world_make(world);
        HOLDS(harness.Failures == 0);
        for (int i = 0; i < 40; i++)
        {
            const CALL* call = &calls[roll(&seed, CALLS)];
            if (!is_left_out(call))
            {
                (void)call->Run(world);
            }
        }
        world_end(world);
        /* Several: also where others use the processors, and worlds are few, more than may be left out of account. */
        for (int i = 0; i < 10 && leak != NULL && strcmp(leak, "objects") == 0; i++)
        {
            WDFDEVICE lost;
            (void)DMF_Device_Create(NULL, &lost);
        }
        atomic_fetch_add((atomic_uint*)progress, 1);
    }
    free(world);
    return NULL;
}

/* Trees of objects, deep and wide, that several threads take down. */
static void* run_trees(void* progress)
{
    unsigned seed = 8;

    while (!atomic_load(&over))
    {
        WDF_OBJECT_ATTRIBUTES attributes;
        WDFDEVICE objects[200] = {NULL};
        SUCCEEDS(DMF_Device_Create(NULL, &objects[0]));
        WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
        for (unsigned i = 1; i < 200; i++)
        {
            attributes.ParentObject = objects[roll(&seed, 2) == 0 ? i - 1 : roll(&seed, i)];
            SUCCEEDS(DMF_Device_Create(&attributes, &objects[i]));
        }
        for (unsigned i = 0; i < 20; i++)
        {
            /* What it was below of may be gone: then this is misuse and nothing else. */
            WdfObjectDelete(objects[1 + roll(&seed, 199)]);
        }
        WdfObjectDelete(objects[0]);
        atomic_fetch_add((atomic_uint*)progress, 1);
    }
    return NULL;
}

/* --------------------------------------------------------------------------------------------------- main */

typedef struct
{
    const char* Name;
    void* (*Run)(void* progress);
    atomic_uint Progress;
    unsigned Before;
    double Changed;
    pthread_t Thread;
} PART;

static PART parts[] = {{.Name = "streams", .Run = run_streams},   {.Name = "Requests", .Run = run_requests},
                       {.Name = "ring", .Run = run_ring},         {.Name = "timers", .Run = run_timers},
                       {.Name = "work", .Run = run_work},         {.Name = "notify", .Run = run_notify},
                       {.Name = "worlds", .Run = run_worlds},     {.Name = "trees", .Run = run_trees}};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

#define PROGRESS_SECONDS 10
/* A part that does nothing for so long hangs. */
#define HANGS_SECONDS 120

static void quiet(const char* Method, VOID* Handle, const char* Message, VOID* Context)
{
    (void)Method, (void)Handle, (void)Context;
    HOLDS(strstr(Message, "the library failed") == NULL);
}

int main(int argc, char** argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 0;
    double begin = harness_seconds(), now = 0, told = 0;
    MEASURE measure = {0};
    bool flat;

    if (seconds <= 0)
    {
        fprintf(stderr, "usage: soak SECONDS\n");
        return 2;
    }
    leak = getenv("SOAK_LEAK");
    harness.Test = "soak";
    /* Two arenas, so that the memory that each of many threads keeps for itself is not taken for a leak. */
    mallopt(M_ARENA_MAX, 2);
    DMF_MisuseHandlerSet(quiet, NULL);
    for (size_t i = 0; i < PARTS; i++)
    {
        HOLDS(pthread_create(&parts[i].Thread, NULL, parts[i].Run, &parts[i].Progress) == 0);
    }
    while (now < seconds)
    {
        SAMPLE sample;
        harness_sleep_milliseconds(1000);
        now = harness_seconds() - begin;
        sample = measure_take(&measure, now);
        if (leak != NULL && strcmp(leak, "memory") == 0)
        {
            char* lost = malloc(65536);
            HOLDS(lost != NULL);
            memset(lost, 1, 65536);
            __asm__ volatile("" : : "r"(lost) : "memory");
        }
        for (size_t i = 0; i < PARTS; i++)
        {
            unsigned progress = atomic_load(&parts[i].Progress);
            if (progress != parts[i].Before)
            {
                parts[i].Before = progress;
                parts[i].Changed = now;
            }
            if (now - parts[i].Changed > HANGS_SECONDS)
            {
                printf("FAILED: %s hang\n", parts[i].Name);
                fflush(stdout);
                abort();
            }
        }
        if (now - told >= PROGRESS_SECONDS)
        {
            told = now;
            printf("%5.0f s: %6.0f KiB, %3u threads, %3u descriptors, slot %5u;", now, sample.MemoryKib, sample.Threads,
                   sample.Descriptors, sample.Slot);
            for (size_t i = 0; i < PARTS; i++)
            {
                printf(" %s %u", parts[i].Name, atomic_load(&parts[i].Progress));
            }
            printf("\n");
            fflush(stdout);
        }
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < PARTS; i++)
    {
        pthread_join(parts[i].Thread, NULL);
        HOLDS(atomic_load(&parts[i].Progress) > 0);
    }
    HOLDS(atomic_load(&timed_expired) > 0);
    printf("%u stream callbacks, %u Requests ended, %u timers expired\n",
           atomic_load(&streams[0].Stream.Count) + atomic_load(&streams[1].Stream.Count), atomic_load(&sends_ended),
           atomic_load(&timed_expired));
    flat = measure_judge(&measure, seconds);
    measure_end(&measure);
    return harness.Failures != 0 ? 1 : flat ? 0 : 3;
}
