/*
 * A callback of every kind that blocks for ten seconds: others go on meanwhile; what waits for the callback waits, what
 * promises not to returns; nothing is lost. All kinds at the same time, each on threads of its own.
 *
 * A callback blocks for ten seconds and then until its scene lets it go, so that a slow machine makes the test slower and
 * not wrong. (A watch's callback needs devices that come: the virtual machine's tests have them.)
 */
#define _DEFAULT_SOURCE 1

#include "client_target.h"
#include "recording.h"

#include <stdatomic.h>

#define BLOCK_SECONDS 10
#define REPORTS 100
#define BUFFERS 4

typedef ContinuousRequestTarget_BufferDisposition DISPOSITION;
#define GOES_ON ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
#define STOPS ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming

/* -------------------------------------------------------------------------------------------------- blocking */

/* One callback that blocks, the first time it is called. */
typedef struct
{
    atomic_int Entered;
    atomic_bool Inside;
    atomic_bool LetGo;
} BLOCK;

static void block(BLOCK* block)
{
    if (atomic_fetch_add(&block->Entered, 1) != 0)
    {
        return;
    }
    atomic_store(&block->Inside, true);
    harness_sleep_milliseconds(BLOCK_SECONDS * 1000);
    while (!atomic_load(&block->LetGo))
    {
        harness_sleep_milliseconds(1);
    }
    atomic_store(&block->Inside, false);
}

#define BLOCKS(Block) EVENTUALLY(atomic_load(&(Block)->Inside))
/* What was done before did not wait for the callback. */
#define STILL_BLOCKS(Block) CHECK(atomic_load(&(Block)->Inside))

/* A call that a thread of its own makes. */
typedef struct
{
    void (*Call)(VOID* argument);
    VOID* Argument;
    BLOCK* Block;
    pthread_t Thread;
    atomic_bool Returned;
    bool WasInside; /* when it returned */
} CALLER;

static void* calls(void* context)
{
    CALLER* caller = context;
    caller->Call(caller->Argument);
    caller->WasInside = atomic_load(&caller->Block->Inside);
    atomic_store(&caller->Returned, true);
    return NULL;
}

static CALLER* calls_elsewhere(void (*call)(VOID*), VOID* argument, BLOCK* block)
{
    CALLER* caller = calloc(1, sizeof(*caller));
    caller->Call = call;
    caller->Argument = argument;
    caller->Block = block;
    CHECK_EQUAL(pthread_create(&caller->Thread, NULL, calls, caller), 0);
    return caller;
}

static void joins(CALLER* caller)
{
    pthread_join(caller->Thread, NULL);
    free(caller);
}

/* The call came back only after the callback. */
static void joins_what_waited(CALLER* caller, const char* what)
{
    pthread_join(caller->Thread, NULL);
    harness_check(!caller->WasInside, __FILE__, __LINE__, what);
    free(caller);
}

/* The call has had time to return, and has not. */
static void waits(CALLER* caller, const char* what)
{
    harness_sleep_milliseconds(50);
    harness_check(!atomic_load(&caller->Returned), __FILE__, __LINE__, what);
}

static void deletes(VOID* object)
{
    WdfObjectDelete(object);
}

static void lets_go(BLOCK* block)
{
    STILL_BLOCKS(block);
    atomic_store(&block->LetGo, true);
}

/* --------------------------------------------------------------------------------------------------- streams */

/* A stream of a recording whose first report blocks the callback; `streams` tells whose callback it is. */
typedef struct
{
    BLOCK Block;
    bool Blocks;
    DMFMODULE Module;
    WDFIOTARGET Target;
    RECORDING Recording;
    EVT_DMF_IoTarget_Removal* EvtRemoval;
    atomic_uint Next;
    atomic_uint Wrong;
    atomic_uint Failures;
} STREAM;

#define STREAMS_MAX 16
static struct
{
    pthread_mutex_t Lock;
    STREAM* Streams[STREAMS_MAX];
} streams = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static STREAM* stream_of(DMFMODULE module)
{
    STREAM* found = NULL;
    pthread_mutex_lock(&streams.Lock);
    for (int i = 0; i < STREAMS_MAX; i++)
    {
        if (streams.Streams[i] != NULL && streams.Streams[i]->Module == module)
        {
            found = streams.Streams[i];
        }
    }
    pthread_mutex_unlock(&streams.Lock);
    return found;
}

static EVT_DMF_ContinuousRequestTarget_BufferOutput Arrived;

static DISPOSITION Arrived(DMFMODULE DmfModule, VOID* OutputBuffer, size_t OutputBufferSize, VOID* Context,
                           NTSTATUS CompletionStatus)
{
    STREAM* stream = stream_of(DmfModule);

    UNREFERENCED_PARAMETER(Context);
    if (!NT_SUCCESS(CompletionStatus))
    {
        atomic_fetch_add(&stream->Failures, 1);
        return STOPS;
    }
    if (stream->Blocks)
    {
        block(&stream->Block);
    }
    if (OutputBufferSize != RECORDING_REPORT_SIZE ||
        recording_number(OutputBuffer) != atomic_fetch_add(&stream->Next, 1))
    {
        atomic_fetch_add(&stream->Wrong, 1);
    }
    return GOES_ON;
}

static void stream_open(STREAM* stream, bool blocks, BOOLEAN passive)
{
    DMF_REPLAY_PARAMS pace = {.Size = sizeof(pace), .Speed = 0, .Repeat = 1};
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    stream->Blocks = blocks;
    stream->Recording = recording_numbered(REPORTS, 1);
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    attributes.PassiveLevel = passive;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = 2;
    config.BufferCountOutput = BUFFERS;
    config.BufferOutputSize = 64;
    config.EvtContinuousRequestTargetBufferOutput = Arrived;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &stream->Module));
    CHECK_SUCCESS(DMF_IoTarget_ReplayOpen(NULL, stream->Recording.Path, &pace, &stream->Target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(stream->Module, stream->Target));
    pthread_mutex_lock(&streams.Lock);
    for (int i = 0; i < STREAMS_MAX; i++)
    {
        if (streams.Streams[i] == NULL)
        {
            streams.Streams[i] = stream;
            break;
        }
    }
    pthread_mutex_unlock(&streams.Lock);
    if (stream->EvtRemoval != NULL)
    {
        CHECK_SUCCESS(DMF_IoTarget_RemovalCallbackSet(stream->Target, stream->EvtRemoval, NULL));
    }
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(stream->Module));
}

static void check_all_arrived(STREAM* stream)
{
    DMF_IO_TARGET_STATISTICS statistics = {.Size = sizeof(statistics)};

    EVENTUALLY(atomic_load(&stream->Next) == REPORTS);
    CHECK_EQUAL(atomic_load(&stream->Wrong), 0);
    CHECK_SUCCESS(DMF_IoTarget_StatisticsGet(stream->Target, &statistics));
    CHECK_EQUAL(statistics.ReportsDropped, 0);
}

/* The recording has ended, and the stream with it. */
static void check_ends(STREAM* stream)
{
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(stream->Module) == 0);
    CHECK(atomic_load(&stream->Failures) > 0);
}

static void stream_close(STREAM* stream)
{
    WdfObjectDelete(stream->Module);
    WdfObjectDelete(stream->Target);
    recording_remove(&stream->Recording);
}

static void stops_and_waits(VOID* module)
{
    DMF_ContinuousRequestTarget_StopAndWait(module);
}

/* Its own reports wait, another stream's do not. */
static void output_callback_holds_up_its_own_stream_only(void)
{
    static STREAM blocked, other;

    stream_open(&blocked, true, FALSE);
    BLOCKS(&blocked.Block);
    stream_open(&other, false, FALSE);
    check_all_arrived(&other);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(blocked.Module), 2);
    CHECK_EQUAL(atomic_load(&blocked.Next), 0);
    lets_go(&blocked.Block);
    check_all_arrived(&blocked);
    stream_close(&other);
    stream_close(&blocked);
}

static void stop_returns_and_stop_and_wait_waits(BOOLEAN passive, STREAM* stream)
{
    CALLER* waiter;
    ULONG seen;

    stream_open(stream, true, passive);
    BLOCKS(&stream->Block);
    DMF_ContinuousRequestTarget_Stop(stream->Module);
    STILL_BLOCKS(&stream->Block);
    waiter = calls_elsewhere(stops_and_waits, stream->Module, &stream->Block);
    waits(waiter, "StopAndWait waits for the callback");
    lets_go(&stream->Block);
    joins_what_waited(waiter, "StopAndWait returns after the callback");
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(stream->Module), 0);
    seen = atomic_load(&stream->Next);
    harness_sleep_milliseconds(20);
    CHECK_EQUAL(atomic_load(&stream->Next), seen);
    /* The recording stood still: nothing but what was completed while the stream stopped is missing. */
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(stream->Module));
    check_ends(stream);
    CHECK(atomic_load(&stream->Next) > seen);
    stream_close(stream);
}

static void stop_while_an_output_callback_blocks(void)
{
    static STREAM stream;
    stop_returns_and_stop_and_wait_waits(FALSE, &stream);
}

static void stop_while_a_passive_output_callback_blocks(void)
{
    static STREAM stream;
    stop_returns_and_stop_and_wait_waits(TRUE, &stream);
}

static void restart_while_an_output_callback_blocks(void)
{
    static STREAM stream;

    stream_open(&stream, true, FALSE);
    BLOCKS(&stream.Block);
    DMF_ContinuousRequestTarget_Stop(stream.Module);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(stream.Module));
    STILL_BLOCKS(&stream.Block);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(stream.Module), 2);
    lets_go(&stream.Block);
    check_ends(&stream);
    CHECK(atomic_load(&stream.Next) > 1);
    stream_close(&stream);
}

static void delete_waits_for_an_output_callback(void)
{
    static STREAM stream;
    CALLER* waiter;

    stream_open(&stream, true, FALSE);
    BLOCKS(&stream.Block);
    waiter = calls_elsewhere(deletes, stream.Module, &stream.Block);
    waits(waiter, "delete waits for the callback");
    lets_go(&stream.Block);
    joins_what_waited(waiter, "delete returns after the callback");
    CHECK_EQUAL(atomic_load(&stream.Next), 1);
    WdfObjectDelete(stream.Target);
    recording_remove(&stream.Recording);
}

static void delete_of_the_target_waits_for_an_output_callback(void)
{
    static STREAM stream;
    CALLER* waiter;

    stream_open(&stream, true, FALSE);
    BLOCKS(&stream.Block);
    waiter = calls_elsewhere(deletes, stream.Target, &stream.Block);
    waits(waiter, "delete of the target waits for its thread");
    lets_go(&stream.Block);
    joins_what_waited(waiter, "delete of the target returns after the callback");
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(stream.Module) == 0);
    WdfObjectDelete(stream.Module);
    recording_remove(&stream.Recording);
}

/* ------------------------------------------------------------------------------------- input, sends, targets */

static BLOCK input_block;
static EVT_DMF_ContinuousRequestTarget_BufferInput Fill;

static VOID Fill(DMFMODULE DmfModule, VOID* InputBuffer, size_t* InputBufferSize, VOID* Context)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputBufferSize);
    UNREFERENCED_PARAMETER(Context);
    block(&input_block);
}

static DMFMODULE sender_create(ULONG requests, EVT_DMF_ContinuousRequestTarget_BufferInput* input)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.RequestType = ContinuousRequestTarget_RequestType_Ioctl;
    config.ContinuousRequestCount = requests;
    config.BufferCountInput = 2 * requests; /* a target may keep some for a while */
    config.BufferInputSize = requests > 0 ? 4 : 0;
    config.BufferCountOutput = 2 * requests;
    config.BufferOutputSize = requests > 0 ? 8 : 0;
    config.EvtContinuousRequestTargetBufferInput = input;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &module));
    return module;
}

static void starts(VOID* module)
{
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(module), STATUS_CANCELLED);
}

static void input_callback_holds_up_its_start_only(void)
{
    static CLIENT_TARGET target;
    DMFMODULE module = sender_create(1, Fill);
    CALLER* starter;

    client_target_open(&target, NULL, CLIENT_TARGET_PENDS_CANCELABLE);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target.Target));
    starter = calls_elsewhere(starts, module, &input_block);
    BLOCKS(&input_block);
    DMF_ContinuousRequestTarget_Stop(module);
    STILL_BLOCKS(&input_block);
    CHECK_EQUAL(client_target_calls(&target), 0);
    lets_go(&input_block);
    joins(starter);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(client_target_pending(&target) == 1);
    WdfObjectDelete(module);
    client_target_close(&target);
}

typedef struct
{
    BLOCK Block;
    atomic_int Ended;
    _Atomic NTSTATUS Status;
} SENT;

static EVT_DMF_ContinuousRequestTarget_SendCompletion SendEnded;

static VOID SendEnded(DMFMODULE DmfModule, VOID* Context, VOID* Input, size_t Written, VOID* Output, size_t Read,
                      NTSTATUS Status)
{
    SENT* sent = Context;

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Input);
    UNREFERENCED_PARAMETER(Written);
    UNREFERENCED_PARAMETER(Output);
    UNREFERENCED_PARAMETER(Read);
    atomic_store(&sent->Status, Status);
    block(&sent->Block);
    atomic_fetch_add(&sent->Ended, 1);
}

static NTSTATUS send(DMFMODULE module, SENT* sent, ContinuousRequestTarget_CompletionOptions option)
{
    return DMF_ContinuousRequestTarget_SendEx(module, NULL, 0, NULL, 0, ContinuousRequestTarget_RequestType_Ioctl, 1, 0,
                                              option, SendEnded, sent);
}

/* The completion runs on the target's thread: its other Requests wait and are not lost. Other targets go on. */
static void send_completion_holds_up_its_target_only(void)
{
    static CLIENT_TARGET target, other;
    static SENT first = {0}, second = {.Block.Entered = 1}, third = {.Block.Entered = 1};
    DMFMODULE module = sender_create(0, NULL);
    DMFMODULE elsewhere = sender_create(0, NULL);
    CALLER* waiter;

    client_target_open(&target, NULL, CLIENT_TARGET_COMPLETES);
    client_target_open(&other, NULL, CLIENT_TARGET_COMPLETES);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target.Target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(elsewhere, other.Target));
    CHECK_SUCCESS(send(module, &first, ContinuousRequestTarget_CompletionOptions_Default));
    BLOCKS(&first.Block);
    CHECK_SUCCESS(send(module, &second, ContinuousRequestTarget_CompletionOptions_Default));
    CHECK_SUCCESS(send(elsewhere, &third, ContinuousRequestTarget_CompletionOptions_Default));
    EVENTUALLY(atomic_load(&third.Ended) == 1);
    STILL_BLOCKS(&first.Block);
    CHECK_EQUAL(atomic_load(&second.Ended), 0);
    waiter = calls_elsewhere(deletes, module, &first.Block);
    waits(waiter, "delete waits for the completion");
    lets_go(&first.Block);
    joins_what_waited(waiter, "delete returns after the completion");
    CHECK_EQUAL(atomic_load(&first.Ended), 1);
    CHECK_EQUAL(atomic_load(&second.Ended), 1);
    CHECK_STATUS(atomic_load(&second.Status), STATUS_CANCELLED);
    WdfObjectDelete(elsewhere);
    client_target_close(&target);
    client_target_close(&other);
}

/* On a passive thread it holds up nobody but its Module's delete. */
static void passive_send_completion_holds_up_nobody(void)
{
    static CLIENT_TARGET target;
    static SENT first = {0}, second = {.Block.Entered = 1};
    DMFMODULE module = sender_create(0, NULL);
    CALLER* waiter;

    client_target_open(&target, NULL, CLIENT_TARGET_COMPLETES);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target.Target));
    CHECK_SUCCESS(send(module, &first, ContinuousRequestTarget_CompletionOptions_Passive));
    BLOCKS(&first.Block);
    CHECK_SUCCESS(send(module, &second, ContinuousRequestTarget_CompletionOptions_Default));
    EVENTUALLY(atomic_load(&second.Ended) == 1);
    waiter = calls_elsewhere(deletes, module, &first.Block);
    waits(waiter, "delete waits for the completion");
    lets_go(&first.Block);
    joins_what_waited(waiter, "delete returns after the completion");
    client_target_close(&target);
}

static BLOCK request_block;
static EVT_DMF_IoTarget_Request TargetWorks;

static NTSTATUS TargetWorks(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType RequestType,
                            ULONG Ioctl, VOID* InputBuffer, size_t InputLength, VOID* OutputBuffer, size_t OutputLength,
                            ULONG_PTR* Information, VOID* Context)
{
    UNREFERENCED_PARAMETER(Target);
    UNREFERENCED_PARAMETER(Request);
    UNREFERENCED_PARAMETER(RequestType);
    UNREFERENCED_PARAMETER(Ioctl);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputLength);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputLength);
    UNREFERENCED_PARAMETER(Context);
    block(&request_block);
    *Information = 0;
    return STATUS_SUCCESS;
}

/* A stream leaves a target's callback to itself. */
static void a_stream_does_not_wait_for_its_target(void)
{
    DMFMODULE module = sender_create(2, NULL);
    WDFIOTARGET target = NULL;
    CALLER* waiter;

    CHECK_SUCCESS(DMF_IoTarget_ClientCreate(NULL, TargetWorks, NULL, &target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    BLOCKS(&request_block);
    DMF_ContinuousRequestTarget_StopAndWait(module);
    STILL_BLOCKS(&request_block);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    WdfObjectDelete(module);
    STILL_BLOCKS(&request_block);
    waiter = calls_elsewhere(deletes, target, &request_block);
    waits(waiter, "delete of the target waits for its callback");
    lets_go(&request_block);
    joins_what_waited(waiter, "delete of the target returns after its callback");
}

static BLOCK removal_block;
static EVT_DMF_IoTarget_Removal Removed;

static VOID Removed(WDFIOTARGET Target, VOID* Context)
{
    UNREFERENCED_PARAMETER(Target);
    UNREFERENCED_PARAMETER(Context);
    block(&removal_block);
}

static void removal_callback_holds_up_its_target_only(void)
{
    static STREAM stream = {.EvtRemoval = Removed}, other;
    CALLER* waiter;

    stream_open(&stream, false, FALSE);
    BLOCKS(&removal_block);
    check_all_arrived(&stream);
    stream_open(&other, false, FALSE);
    check_all_arrived(&other);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(stream.Module), STATUS_DEVICE_NOT_CONNECTED);
    waiter = calls_elsewhere(deletes, stream.Target, &removal_block);
    waits(waiter, "delete of the target waits for its callback");
    lets_go(&removal_block);
    joins_what_waited(waiter, "delete of the target returns after its callback");
    WdfObjectDelete(stream.Module);
    recording_remove(&stream.Recording);
    stream_close(&other);
}

/* --------------------------------------------------------------------------------------------- queued work */

typedef struct
{
    BLOCK* Block;
    atomic_int* Done;
} WORK;

static EVT_DMF_QueuedWorkItem_Callback Works;

static ScheduledTask_Result_Type Works(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    WORK work = *(WORK*)ClientBuffer;

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    block(work.Block);
    atomic_fetch_add(work.Done, 1);
    return ScheduledTask_WorkResult_Success;
}

static DMFMODULE work_item_create(void)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = NULL;

    DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferQueueConfig.SourceSettings.BufferCount = BUFFERS;
    config.BufferQueueConfig.SourceSettings.BufferSize = sizeof(WORK);
    config.EvtQueuedWorkitemFunction = Works;
    CHECK_SUCCESS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item));
    return item;
}

static void flushes(VOID* item)
{
    DMF_QueuedWorkItem_Flush(item);
}

static void work_item_holds_up_its_own_work_only(void)
{
    static BLOCK blocks, passes = {.Entered = 1};
    static atomic_int done, others;
    WORK work = {&blocks, &done}, other = {&passes, &others};
    DMFMODULE item = work_item_create();
    DMFMODULE elsewhere = work_item_create();
    CALLER *flusher, *deleter;

    CHECK_SUCCESS(DMF_QueuedWorkItem_Enqueue(item, &work, sizeof(work)));
    BLOCKS(&blocks);
    for (int i = 1; i < BUFFERS; i++)
    {
        CHECK_SUCCESS(DMF_QueuedWorkItem_Enqueue(item, &work, sizeof(work)));
    }
    CHECK_STATUS(DMF_QueuedWorkItem_Enqueue(item, &work, sizeof(work)), STATUS_UNSUCCESSFUL);
    CHECK_SUCCESS(DMF_QueuedWorkItem_EnqueueAndWait(elsewhere, &other, sizeof(other)));
    CHECK_EQUAL(atomic_load(&others), 1);
    flusher = calls_elsewhere(flushes, item, &blocks);
    waits(flusher, "Flush waits for the work");
    CHECK_EQUAL(atomic_load(&done), 0);
    deleter = calls_elsewhere(deletes, item, &blocks);
    waits(deleter, "delete waits for the work");
    lets_go(&blocks);
    joins_what_waited(flusher, "Flush returns after the work");
    joins_what_waited(deleter, "delete returns after the work");
    CHECK(atomic_load(&done) >= 1 && atomic_load(&done) <= BUFFERS);
    WdfObjectDelete(elsewhere);
}

/* As above without a delete: nothing is lost. */
static void work_that_waited_is_done(void)
{
    static BLOCK blocks;
    static atomic_int done;
    WORK work = {&blocks, &done};
    DMFMODULE item = work_item_create();

    for (int i = 0; i < BUFFERS; i++)
    {
        CHECK_SUCCESS(DMF_QueuedWorkItem_Enqueue(item, &work, sizeof(work)));
    }
    BLOCKS(&blocks);
    lets_go(&blocks);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_EQUAL(atomic_load(&done), BUFFERS);
    WdfObjectDelete(item);
}

static EVT_DMF_ThreadedBufferQueue_Callback ThreadWorks;

static ThreadedBufferQueue_BufferDisposition ThreadWorks(DMFMODULE DmfModule, UCHAR* ClientWorkBuffer,
                                                         ULONG ClientWorkBufferSize, VOID* ClientWorkBufferContext,
                                                         NTSTATUS* NtStatus)
{
    WORK work = *(WORK*)(VOID*)ClientWorkBuffer;

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientWorkBufferSize);
    UNREFERENCED_PARAMETER(ClientWorkBufferContext);
    block(work.Block);
    atomic_fetch_add(work.Done, 1);
    *NtStatus = STATUS_SUCCESS;
    return ThreadedBufferQueue_BufferDisposition_WorkComplete;
}

static EVT_DMF_ThreadedBufferQueue_ReuseCleanup ThreadCleans;
static BLOCK thread_cleanup_block;

static VOID ThreadCleans(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    block(&thread_cleanup_block);
}

static DMFMODULE threaded_queue_create(EVT_DMF_ThreadedBufferQueue_ReuseCleanup* cleanup)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = NULL;

    DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferQueueConfig.SourceSettings.BufferCount = BUFFERS;
    config.BufferQueueConfig.SourceSettings.BufferSize = sizeof(WORK);
    config.EvtThreadedBufferQueueWork = ThreadWorks;
    config.EvtThreadedBufferQueueReuseCleanup = cleanup;
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    return queue;
}

static void thread_enqueue(DMFMODULE queue, BLOCK* block, atomic_int* done)
{
    WORK work = {block, done};
    VOID* buffer = NULL;

    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, NULL));
    if (buffer != NULL)
    {
        memcpy(buffer, &work, sizeof(work));
        DMF_ThreadedBufferQueue_Enqueue(queue, buffer);
    }
}

static void thread_stops(VOID* queue)
{
    DMF_ThreadedBufferQueue_Stop(queue);
}

static void threaded_queue_holds_up_its_own_work_only(void)
{
    static BLOCK blocks, passes = {.Entered = 1};
    static atomic_int done, others;
    DMFMODULE queue = threaded_queue_create(NULL);
    DMFMODULE elsewhere = threaded_queue_create(NULL);
    CALLER* stopper;

    thread_enqueue(queue, &blocks, &done);
    BLOCKS(&blocks);
    for (int i = 1; i < BUFFERS; i++)
    {
        thread_enqueue(queue, &blocks, &done);
        thread_enqueue(elsewhere, &passes, &others);
    }
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), BUFFERS - 1);
    EVENTUALLY(atomic_load(&others) == BUFFERS - 1);
    stopper = calls_elsewhere(thread_stops, queue, &blocks);
    waits(stopper, "Stop waits for the work that has begun");
    lets_go(&blocks);
    joins_what_waited(stopper, "Stop returns after the work");
    CHECK_EQUAL(atomic_load(&done), 1);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), BUFFERS - 1);
    /* Started again, it does the rest. */
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    EVENTUALLY(atomic_load(&done) == BUFFERS);
    WdfObjectDelete(queue);
    WdfObjectDelete(elsewhere);
}

/* The cleanup of a buffer runs on the queue's thread: its work waits, Fetch and Enqueue do not, delete does. */
static void cleanup_on_a_threaded_queue(void)
{
    static BLOCK passes = {.Entered = 1};
    static atomic_int done;
    DMFMODULE queue = threaded_queue_create(ThreadCleans);
    CALLER* deleter;

    thread_enqueue(queue, &passes, &done);
    BLOCKS(&thread_cleanup_block);
    CHECK_EQUAL(atomic_load(&done), 1);
    thread_enqueue(queue, &passes, &done);
    STILL_BLOCKS(&thread_cleanup_block);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 1);
    deleter = calls_elsewhere(deletes, queue, &thread_cleanup_block);
    waits(deleter, "delete waits for the cleanup");
    lets_go(&thread_cleanup_block);
    joins_what_waited(deleter, "delete returns after the cleanup");
}

/* ----------------------------------------------------------------------------------------- buffers and timers */

static BLOCK timer_block;
static atomic_int other_expirations;
static EVT_DMF_BufferPool_TimerCallback Expired, OtherExpired;

static VOID Expired(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext, VOID* Context)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    block(&timer_block);
    DMF_BufferPool_Put((DMFMODULE)Context, ClientBuffer);
}

static VOID OtherExpired(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext, VOID* Context)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    DMF_BufferPool_Put((DMFMODULE)Context, ClientBuffer);
    atomic_fetch_add(&other_expirations, 1);
}

static DMFMODULE pool_create(BufferPool_ModeType mode)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;

    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = mode;
    if (mode == BufferPool_Mode_Source)
    {
        config.Mode.SourceSettings.BufferCount = BUFFERS;
        config.Mode.SourceSettings.BufferSize = 64;
        config.Mode.SourceSettings.CreateWithTimer = TRUE;
    }
    CHECK_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool));
    return pool;
}

static VOID* pool_get(DMFMODULE pool)
{
    VOID* buffer = NULL;
    CHECK_SUCCESS(DMF_BufferPool_Get(pool, &buffer, NULL));
    return buffer;
}

/* Other timers wait, and fire; everything else goes on, in the same pool too. */
static void timer_callback_holds_up_timers_only(void)
{
    DMFMODULE source = pool_create(BufferPool_Mode_Source);
    DMFMODULE sink = pool_create(BufferPool_Mode_Sink);
    DMFMODULE other = pool_create(BufferPool_Mode_Sink);
    CALLER* deleter;

    DMF_BufferPool_PutInSinkWithTimer(sink, pool_get(source), 1, Expired, source);
    BLOCKS(&timer_block);
    DMF_BufferPool_PutInSinkWithTimer(other, pool_get(source), 1, OtherExpired, source);
    DMF_BufferPool_PutInSinkWithTimer(sink, pool_get(source), 3600000, Expired, source);
    DMF_BufferPool_Put(sink, pool_get(source));
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 2);
    DMF_BufferPool_Put(source, pool_get(sink));
    STILL_BLOCKS(&timer_block);
    CHECK_EQUAL(atomic_load(&other_expirations), 0);
    CHECK_EQUAL(DMF_BufferPool_Count(other), 1);
    deleter = calls_elsewhere(deletes, sink, &timer_block);
    waits(deleter, "delete waits for the timer's callback");
    lets_go(&timer_block);
    joins_what_waited(deleter, "delete returns after the timer's callback");
    EVENTUALLY(atomic_load(&other_expirations) == 1);
    /* All but the one that the sink had are back. */
    EVENTUALLY(DMF_BufferPool_Count(source) == BUFFERS - 1);
    WdfObjectDelete(other);
    WdfObjectDelete(source);
}

static BLOCK cleanup_block;
static EVT_DMF_BufferQueue_ReuseCleanup Cleans;

static VOID Cleans(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    block(&cleanup_block);
}

typedef struct
{
    DMFMODULE Queue;
    VOID* Buffer;
} REUSE;

static void reuses(VOID* argument)
{
    REUSE* reuse = argument;
    DMF_BufferQueue_Reuse(reuse->Queue, reuse->Buffer);
}

static void cleanup_of_a_buffer_holds_up_its_thread_only(void)
{
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    REUSE reuse = {NULL, NULL};
    VOID* buffer = NULL;
    CALLER* caller;

    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings.BufferCount = 2;
    config.SourceSettings.BufferSize = 16;
    config.EvtBufferQueueReuseCleanup = Cleans;
    CHECK_SUCCESS(DMF_BufferQueue_Create(NULL, &attributes, NULL, &reuse.Queue));
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(reuse.Queue, &reuse.Buffer, NULL));
    caller = calls_elsewhere(reuses, &reuse, &cleanup_block);
    BLOCKS(&cleanup_block);
    for (int i = 0; i < 3; i++)
    {
        CHECK_SUCCESS(DMF_BufferQueue_Fetch(reuse.Queue, &buffer, NULL));
        DMF_BufferQueue_Enqueue(reuse.Queue, buffer);
        CHECK_SUCCESS(DMF_BufferQueue_Dequeue(reuse.Queue, &buffer, NULL));
        DMF_BufferQueue_Reuse(reuse.Queue, buffer);
    }
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(reuse.Queue, &buffer, NULL));
    CHECK_STATUS(DMF_BufferQueue_Fetch(reuse.Queue, &reuse.Buffer, NULL), STATUS_UNSUCCESSFUL);
    lets_go(&cleanup_block);
    joins_what_waited(caller, "Reuse returns after the cleanup");
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(reuse.Queue, &reuse.Buffer, NULL));
    WdfObjectDelete(reuse.Queue);
    DMF_BufferQueue_Reuse(reuse.Queue, buffer);
    DMF_BufferQueue_Reuse(reuse.Queue, reuse.Buffer);
}

static BLOCK enumeration_block;
static EVT_DMF_RingBuffer_Enumeration Shown;

static BOOLEAN Shown(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* Context)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    UNREFERENCED_PARAMETER(Context);
    block(&enumeration_block);
    return TRUE;
}

static DMFMODULE ring_create(void)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE ring = NULL;

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = BUFFERS;
    config.ItemSize = 4;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    CHECK_SUCCESS(DMF_RingBuffer_Create(NULL, &attributes, NULL, &ring));
    return ring;
}

static void writes(VOID* ring)
{
    UCHAR item[4] = {1, 2, 3, 4};
    CHECK_SUCCESS(DMF_RingBuffer_Write(ring, item, sizeof(item)));
}

static void enumerates(VOID* ring)
{
    DMF_RingBuffer_Enumerate(ring, TRUE, Shown, NULL);
}

/* The one kind of callback that runs under a lock: its own Module waits, and nobody else. */
static void enumeration_holds_up_its_module_only(void)
{
    DMFMODULE ring = ring_create();
    DMFMODULE other = ring_create();
    CALLER *enumerator, *writer, *deleter;

    writes(ring);
    enumerator = calls_elsewhere(enumerates, ring, &enumeration_block);
    BLOCKS(&enumeration_block);
    writes(other);
    writer = calls_elsewhere(writes, ring, &enumeration_block);
    waits(writer, "Write waits for the lock");
    STILL_BLOCKS(&enumeration_block);
    lets_go(&enumeration_block);
    joins(enumerator);
    joins_what_waited(writer, "Write goes on after the enumeration");
    deleter = calls_elsewhere(deletes, ring, &enumeration_block);
    joins(deleter);
    WdfObjectDelete(other);
}

/* --------------------------------------------------------------------------------- Requests, objects, Notify */

typedef struct
{
    BLOCK Block;
    WDFREQUEST Request;
    atomic_int Completions;
} ASKED;

static EVT_DMF_Request_Completion Completed;

static VOID Completed(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    ASKED* asked = Context;

    UNREFERENCED_PARAMETER(Request);
    UNREFERENCED_PARAMETER(Status);
    UNREFERENCED_PARAMETER(Information);
    block(&asked->Block);
    atomic_fetch_add(&asked->Completions, 1);
}

static void asks(DMFMODULE notify, ASKED* asked)
{
    CHECK_SUCCESS(DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, Completed, asked, &asked->Request));
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(notify, asked->Request));
}

static void returns(VOID* notify)
{
    DMF_NotifyUserWithRequest_RequestReturn(notify, NULL, NULL, STATUS_SUCCESS);
}

static void waits_for_the_request(VOID* request)
{
    CHECK_SUCCESS(DMF_Request_Wait(request, 0, NULL, NULL));
}

static DMFMODULE notify_create(WDFDEVICE device)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE notify = NULL;

    DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.MaximumNumberOfPendingRequests = BUFFERS;
    config.MaximumNumberOfPendingDataBuffers = BUFFERS;
    config.SizeOfDataBuffer = sizeof(ULONG);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_Create(device, &attributes, NULL, &notify));
    return notify;
}

/* The completion runs in the call that returns the Request: other calls, other Requests of the same Module go on. */
static void request_completion_holds_up_its_thread_only(void)
{
    static ASKED first = {0}, second = {.Block.Entered = 1}, third = {.Block.Entered = 1};
    DMFMODULE notify = notify_create(NULL);
    CALLER *returner, *waiter, *deleter;

    asks(notify, &first);
    returner = calls_elsewhere(returns, notify, &first.Block);
    BLOCKS(&first.Block);
    asks(notify, &second);
    returns(notify);
    CHECK_EQUAL(atomic_load(&second.Completions), 1);
    STILL_BLOCKS(&first.Block);
    CHECK(!DMF_Request_Cancel(first.Request));
    waiter = calls_elsewhere(waits_for_the_request, first.Request, &first.Block);
    waits(waiter, "Request_Wait waits for the completion callback");
    asks(notify, &third);
    deleter = calls_elsewhere(deletes, notify, &first.Block);
    waits(deleter, "delete waits for the completion");
    lets_go(&first.Block);
    joins(returner);
    joins_what_waited(waiter, "Request_Wait returns after the completion callback");
    joins_what_waited(deleter, "delete returns after the completion");
    CHECK_EQUAL(atomic_load(&first.Completions), 1);
    CHECK_EQUAL(atomic_load(&third.Completions), 1);
    WdfObjectDelete(first.Request);
    WdfObjectDelete(second.Request);
    WdfObjectDelete(third.Request);
}

static BLOCK object_block;
static EVT_WDF_OBJECT_CONTEXT_CLEANUP ObjectCleans;

static VOID ObjectCleans(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
    block(&object_block);
}

/* Objects come and go meanwhile, beside it and below its own parent; that parent's delete waits. */
static void cleanup_of_an_object_holds_up_its_own_delete_only(void)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDF_OBJECT_ATTRIBUTES object;
    WDFDEVICE device = NULL, other = NULL;
    DMFMODULE ring = NULL;
    CALLER *deleter, *parent;

    CHECK_SUCCESS(DMF_Device_Create(NULL, &device));
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = BUFFERS;
    config.ItemSize = 4;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    WDF_OBJECT_ATTRIBUTES_INIT(&object);
    object.EvtCleanupCallback = ObjectCleans;
    CHECK_SUCCESS(DMF_RingBuffer_Create(device, &attributes, &object, &ring));
    deleter = calls_elsewhere(deletes, ring, &object_block);
    BLOCKS(&object_block);
    CHECK_SUCCESS(DMF_Device_Create(NULL, &other));
    WdfObjectDelete(notify_create(other));
    WdfObjectDelete(notify_create(device));
    WdfObjectDelete(other);
    STILL_BLOCKS(&object_block);
    parent = calls_elsewhere(deletes, device, &object_block);
    waits(parent, "delete of the parent waits for the cleanup");
    lets_go(&object_block);
    joins_what_waited(deleter, "delete returns after the cleanup");
    joins_what_waited(parent, "delete of the parent returns after the cleanup");
}

/* ------------------------------------------------------------------------------------------------------- all */

static void (*const scenes[])(void) = {
    output_callback_holds_up_its_own_stream_only,
    stop_while_an_output_callback_blocks,
    stop_while_a_passive_output_callback_blocks,
    restart_while_an_output_callback_blocks,
    delete_waits_for_an_output_callback,
    delete_of_the_target_waits_for_an_output_callback,
    input_callback_holds_up_its_start_only,
    send_completion_holds_up_its_target_only,
    passive_send_completion_holds_up_nobody,
    a_stream_does_not_wait_for_its_target,
    removal_callback_holds_up_its_target_only,
    work_item_holds_up_its_own_work_only,
    work_that_waited_is_done,
    threaded_queue_holds_up_its_own_work_only,
    cleanup_on_a_threaded_queue,
    timer_callback_holds_up_timers_only,
    cleanup_of_a_buffer_holds_up_its_thread_only,
    enumeration_holds_up_its_module_only,
    request_completion_holds_up_its_thread_only,
    cleanup_of_an_object_holds_up_its_own_delete_only,
};
#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

static void* plays(void* scene)
{
    (*(void (*const*)(void))scene)();
    return NULL;
}

TEST(a_callback_that_blocks_holds_up_what_it_must_and_nothing_else)
{
    pthread_t threads[SCENES];

    for (size_t i = 0; i < SCENES; i++)
    {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, plays, (void*)(uintptr_t)&scenes[i]), 0);
    }
    for (size_t i = 0; i < SCENES; i++)
    {
        pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    RUN(a_callback_that_blocks_holds_up_what_it_must_and_nothing_else);
    return TESTS_RESULT();
}
