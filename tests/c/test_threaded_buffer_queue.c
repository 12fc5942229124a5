/* ThreadedBufferQueue: a BufferQueue whose buffers are worked on by a thread of its own. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <semaphore.h>
#include <stdatomic.h>

#define CONTEXT_SIZE 24
#define EVENTS_MAX 4096
/* How long a test watches that something does not happen. */
#define A_WHILE 60

/* ---------------------------------------------------------------------------------------------------- work */

/* What a buffer holds. The work callback does what it says, so that each test tells its own story. */
typedef struct Work
{
    int Number;
    ThreadedBufferQueue_BufferDisposition Disposition;
    NTSTATUS Status;
    bool LeaveStatus; /* *NtStatus is not written */
    sem_t* Entered;   /* posted when the callback runs */
    sem_t* Go;        /* waited for before it goes on */
    void (*Do)(DMFMODULE DmfModule, struct Work* work);
    VOID* Argument;
} Work;

/* What happened, in order: Pre, Post, numbers of work (0 and up), and of cleaned up work (CLEANED and up). */
#define PRE (-1)
#define POST (-2)
#define CLEANED 1000000

static struct
{
    pthread_mutex_t Lock;
    int Count;
    int Events[EVENTS_MAX];
    pthread_t Threads[EVENTS_MAX];
    atomic_int Works;
    atomic_int Cleanups;
    atomic_int Inside;
    atomic_bool Overlapped;
    DMFMODULE Module;
    VOID* Buffer;
    VOID* Context;
    ULONG Size;
    NTSTATUS InitialStatus;
    DMFMODULE CleanupModule;
    VOID* CleanupContext;
    DMFMODULE ThreadModule;
    void (*InPre)(DMFMODULE DmfModule);
    void (*InPost)(DMFMODULE DmfModule);
    void (*InCleanup)(DMFMODULE DmfModule, Work* work);
} saw = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static void saw_reset(void)
{
    memset(&saw, 0, sizeof(saw));
    pthread_mutex_init(&saw.Lock, NULL);
}

static void saw_event(int event)
{
    pthread_mutex_lock(&saw.Lock);
    saw.Threads[saw.Count % EVENTS_MAX] = pthread_self();
    saw.Events[saw.Count++ % EVENTS_MAX] = event;
    pthread_mutex_unlock(&saw.Lock);
}

static int saw_count(void)
{
    int count;
    pthread_mutex_lock(&saw.Lock);
    count = saw.Count;
    pthread_mutex_unlock(&saw.Lock);
    return count;
}

/* Exactly these events, in this order. */
static void check_events(const int* expected, int count, int line)
{
    pthread_mutex_lock(&saw.Lock);
    bool holds = saw.Count == count && memcmp(saw.Events, expected, (size_t)count * sizeof(int)) == 0;
    if (!holds)
    {
        printf("        events:");
        for (int i = 0; i < saw.Count && i < EVENTS_MAX; i++)
        {
            printf(" %d", saw.Events[i]);
        }
        printf("\n");
    }
    pthread_mutex_unlock(&saw.Lock);
    harness_check(holds, __FILE__, line, "the events are as expected");
}
#define CHECK_EVENTS(...)                                                                                              \
    check_events((const int[]){__VA_ARGS__}, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), __LINE__)

static VOID Pre(DMFMODULE DmfModule)
{
    saw.ThreadModule = DmfModule;
    saw_event(PRE);
    if (saw.InPre != NULL)
    {
        saw.InPre(DmfModule);
    }
}

static VOID Post(DMFMODULE DmfModule)
{
    saw.ThreadModule = DmfModule;
    saw_event(POST);
    if (saw.InPost != NULL)
    {
        saw.InPost(DmfModule);
    }
}

static ThreadedBufferQueue_BufferDisposition Works(DMFMODULE DmfModule, UCHAR* ClientWorkBuffer,
                                                   ULONG ClientWorkBufferSize, VOID* ClientWorkBufferContext,
                                                   NTSTATUS* NtStatus)
{
    /* A copy: once pending work is completed, its buffer is somebody else's. */
    const Work work = *(const Work*)(VOID*)ClientWorkBuffer;

    if (atomic_fetch_add(&saw.Inside, 1) != 0)
    {
        atomic_store(&saw.Overlapped, true);
    }
    saw_event(work.Number);
    saw.Module = DmfModule;
    saw.Buffer = ClientWorkBuffer;
    saw.Context = ClientWorkBufferContext;
    saw.Size = ClientWorkBufferSize;
    saw.InitialStatus = *NtStatus;
    if (work.Entered != NULL)
    {
        sem_post(work.Entered);
    }
    if (work.Go != NULL)
    {
        sem_wait(work.Go);
    }
    if (work.Do != NULL)
    {
        work.Do(DmfModule, (Work*)(VOID*)ClientWorkBuffer);
    }
    if (!work.LeaveStatus)
    {
        *NtStatus = work.Status;
    }
    atomic_fetch_sub(&saw.Inside, 1);
    atomic_fetch_add(&saw.Works, 1);
    return work.Disposition;
}

static VOID CleansUp(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    Work* work = ClientBuffer;
    saw_event(CLEANED + work->Number);
    /* Flush and the queue's thread may clean up two buffers at the same time. */
    pthread_mutex_lock(&saw.Lock);
    saw.CleanupModule = DmfModule;
    saw.CleanupContext = ClientBufferContext;
    pthread_mutex_unlock(&saw.Lock);
    if (saw.InCleanup != NULL)
    {
        saw.InCleanup(DmfModule, work);
    }
    atomic_fetch_add(&saw.Cleanups, 1);
}

/* --------------------------------------------------------------------------------------------------- queues */

static void queue_configure(DMF_CONFIG_ThreadedBufferQueue* config, DMF_MODULE_ATTRIBUTES* attributes, ULONG count)
{
    DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(config, attributes);
    config->BufferQueueConfig.SourceSettings.BufferCount = count;
    config->BufferQueueConfig.SourceSettings.BufferSize = sizeof(Work);
    config->BufferQueueConfig.SourceSettings.BufferContextSize = CONTEXT_SIZE;
    config->BufferQueueConfig.SourceSettings.PoolType = NonPagedPoolNx;
    config->EvtThreadedBufferQueuePre = Pre;
    config->EvtThreadedBufferQueueWork = Works;
    config->EvtThreadedBufferQueuePost = Post;
    config->EvtThreadedBufferQueueReuseCleanup = CleansUp;
}

static DMFMODULE queue_create_on(WDFDEVICE device, ULONG count)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = NULL;

    saw_reset();
    queue_configure(&config, &attributes, count);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &queue));
    return queue;
}

static DMFMODULE queue_create(ULONG count)
{
    return queue_create_on(NULL, count);
}

static DMFMODULE queue_create_started(ULONG count)
{
    DMFMODULE queue = queue_create(count);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    return queue;
}

static Work work_of(int number)
{
    Work work;
    memset(&work, 0, sizeof(work));
    work.Number = number;
    work.Disposition = ThreadedBufferQueue_BufferDisposition_WorkComplete;
    return work;
}

/* A buffer of the queue with that work in it. */
static Work* fetch(DMFMODULE queue, Work content)
{
    VOID* buffer = NULL;
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, NULL));
    if (buffer != NULL)
    {
        memcpy(buffer, &content, sizeof(content));
    }
    return buffer;
}

static void enqueue(DMFMODULE queue, Work content)
{
    DMF_ThreadedBufferQueue_Enqueue(queue, fetch(queue, content));
    CHECK_SUCCESS(DMF_LastStatusGet());
}

static NTSTATUS enqueue_and_wait(DMFMODULE queue, Work content)
{
    return DMF_ThreadedBufferQueue_EnqueueAndWait(queue, fetch(queue, content));
}

/* Exactly so many buffers can be had: none is lost, none is there twice. */
static void check_buffers(DMFMODULE queue, int count)
{
    VOID* buffers[64] = {NULL};
    VOID* more = NULL;
    int got;

    for (got = 0; got < count; got++)
    {
        /* A waiter is released before its buffer is back. */
        EVENTUALLY(buffers[got] != NULL || NT_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, &buffers[got], NULL)));
        if (buffers[got] == NULL)
        {
            break;
        }
    }
    CHECK_STATUS(DMF_ThreadedBufferQueue_Fetch(queue, &more, NULL), STATUS_UNSUCCESSFUL);
    for (int i = 0; i < got; i++)
    {
        DMF_ThreadedBufferQueue_Reuse(queue, buffers[i]);
    }
}

/* A semaphore pair that keeps the thread of a queue inside a callback. */
typedef struct
{
    sem_t Entered;
    sem_t Go;
} Block;

static Work work_that_blocks(Block* block, int number)
{
    Work work = work_of(number);
    sem_init(&block->Entered, 0, 0);
    sem_init(&block->Go, 0, 0);
    work.Entered = &block->Entered;
    work.Go = &block->Go;
    return work;
}

typedef struct
{
    DMFMODULE Queue;
    Work Content;
    Work* Buffer; /* fetched already, or NULL */
    bool AtHead;
    NTSTATUS Got;
    atomic_bool Done;
    pthread_t Thread;
} Waiter;

static void* waits(void* argument)
{
    Waiter* waiter = argument;
    VOID* buffer = waiter->Buffer != NULL ? waiter->Buffer : fetch(waiter->Queue, waiter->Content);
    waiter->Got = waiter->AtHead ? DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait(waiter->Queue, buffer)
                                 : DMF_ThreadedBufferQueue_EnqueueAndWait(waiter->Queue, buffer);
    atomic_store(&waiter->Done, true);
    return NULL;
}

static void waiter_start(Waiter* waiter, DMFMODULE queue, Work content)
{
    memset(waiter, 0, sizeof(*waiter));
    waiter->Queue = queue;
    waiter->Content = content;
    waiter->Got = STATUS_INTERNAL_ERROR;
    CHECK(pthread_create(&waiter->Thread, NULL, waits, waiter) == 0);
}

static void waiter_join(Waiter* waiter)
{
    pthread_join(waiter->Thread, NULL);
}

typedef struct
{
    DMFMODULE Queue;
    void (*Call)(DMFMODULE DmfModule);
    atomic_bool Begun;
    atomic_bool Done;
    pthread_t Thread;
} Caller;

static void* calls(void* argument)
{
    Caller* caller = argument;
    atomic_store(&caller->Begun, true);
    caller->Call(caller->Queue);
    atomic_store(&caller->Done, true);
    return NULL;
}

static void caller_start(Caller* caller, DMFMODULE queue, void (*call)(DMFMODULE))
{
    memset(caller, 0, sizeof(*caller));
    caller->Queue = queue;
    caller->Call = call;
    CHECK(pthread_create(&caller->Thread, NULL, calls, caller) == 0);
    EVENTUALLY(atomic_load(&caller->Begun));
}

static void delete_it(DMFMODULE queue)
{
    WdfObjectDelete(queue);
}

/* --------------------------------------------------------------------------------------------------- create */

TEST(a_config_starts_as_zeros)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&config, 0xA5, sizeof(config));
    DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    CHECK(config.EvtThreadedBufferQueuePre == NULL);
    CHECK(config.EvtThreadedBufferQueueWork == NULL);
    CHECK(config.EvtThreadedBufferQueuePost == NULL);
    CHECK(config.EvtThreadedBufferQueueReuseCleanup == NULL);
    CHECK(config.BufferQueueConfig.EvtBufferQueueReuseCleanup == NULL);
    CHECK_EQUAL(config.BufferQueueConfig.SourceSettings.BufferCount, 0);
    CHECK_EQUAL(config.BufferQueueConfig.SourceSettings.BufferSize, 0);
    CHECK_EQUAL(config.BufferQueueConfig.SourceSettings.PoolType, 0);
    CHECK_POINTER(attributes.ModuleConfigPointer, &config);
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, sizeof(config));
    CHECK(attributes.InstanceCreator == DMF_ThreadedBufferQueue_Create);
}

TEST(a_queue_without_a_work_callback_is_refused)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = (DMFMODULE)&config;

    queue_configure(&config, &attributes, 4);
    config.EvtThreadedBufferQueueWork = NULL;
    CHECK_STATUS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue), STATUS_INVALID_PARAMETER);
    CHECK(queue == NULL);
    MISUSE_IGNORE();
}

TEST(a_queue_without_buffers_or_with_buffers_of_no_size_is_refused)
{
    for (int i = 0; i < 2; i++)
    {
        DMF_CONFIG_ThreadedBufferQueue config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE queue = (DMFMODULE)&config;

        queue_configure(&config, &attributes, i == 0 ? 0 : 4);
        config.BufferQueueConfig.SourceSettings.BufferSize = i == 0 ? 64 : 0;
        CHECK_STATUS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue), STATUS_INVALID_PARAMETER);
        CHECK(queue == NULL);
        MISUSE_IGNORE();
    }
}

TEST(without_a_config_a_queue_has_zeros_and_is_refused)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = (DMFMODULE)&attributes;

    DMF_ThreadedBufferQueue_ATTRIBUTES_INIT(&attributes);
    CHECK_STATUS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue), STATUS_INVALID_PARAMETER);
    CHECK(queue == NULL);
    MISUSE_IGNORE();
}

TEST(a_config_of_another_size_is_refused)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = (DMFMODULE)&config;

    queue_configure(&config, &attributes, 4);
    attributes.SizeOfModuleSpecificConfig--;
    CHECK_STATUS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue), STATUS_INVALID_PARAMETER);
    attributes.SizeOfModuleSpecificConfig += 2;
    CHECK_STATUS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue), STATUS_INVALID_PARAMETER);
    CHECK(queue == NULL);
    MISUSE_IGNORE();
}

TEST(paged_memory_needs_passive_level)
{
    for (int passive = 0; passive < 2; passive++)
    {
        DMF_CONFIG_ThreadedBufferQueue config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE queue = NULL;

        saw_reset();
        queue_configure(&config, &attributes, 2);
        config.BufferQueueConfig.SourceSettings.PoolType = PagedPool;
        attributes.PassiveLevel = (BOOLEAN)passive;
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue));
        CHECK_MISUSE(passive ? 0 : 1);
        WdfObjectDelete(queue);
    }
}

TEST(create_does_not_start_the_thread)
{
    unsigned before = harness_threads();
    DMFMODULE queue = queue_create(4);

    enqueue(queue, work_of(1));
    harness_sleep_milliseconds(A_WHILE);
    CHECK_EQUAL(saw_count(), 0);
    CHECK_EQUAL(harness_threads(), before);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 1);
    WdfObjectDelete(queue);
}

/* -------------------------------------------------------------------------------------------- start and stop */

TEST(start_works_off_what_is_queued)
{
    DMFMODULE queue = queue_create(4);

    enqueue(queue, work_of(1));
    enqueue(queue, work_of(2));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    EVENTUALLY(atomic_load(&saw.Cleanups) == 2);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, 2, CLEANED + 2);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 0);
    WdfObjectDelete(queue);
}

TEST(work_that_comes_after_start_is_done)
{
    DMFMODULE queue = queue_create_started(4);

    harness_sleep_milliseconds(A_WHILE);
    enqueue(queue, work_of(1));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    WdfObjectDelete(queue);
}

TEST(pre_and_post_run_on_the_thread_around_all_work)
{
    DMFMODULE queue = queue_create(4);

    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    CHECK_SUCCESS(enqueue_and_wait(queue, work_of(1)));
    CHECK_SUCCESS(enqueue_and_wait(queue, work_of(2)));
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, 2, CLEANED + 2, POST);
    for (int i = 0; i < saw_count(); i++)
    {
        CHECK(pthread_equal(saw.Threads[i], saw.Threads[0]));
        CHECK(!pthread_equal(saw.Threads[i], pthread_self()));
    }
    WdfObjectDelete(queue);
}

static DMFMODULE parent_seen[2];

static void LooksForItsQueue(DMFMODULE DmfModule)
{
    parent_seen[parent_seen[0] != NULL] = DMF_ParentModuleGet(DmfModule);
}

TEST(pre_and_post_get_the_inner_thread_whose_parent_is_the_queue)
{
    DMFMODULE queue = queue_create(4);

    parent_seen[0] = parent_seen[1] = NULL;
    saw.InPre = LooksForItsQueue;
    saw.InPost = LooksForItsQueue;
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_EVENTS(PRE, POST);
    CHECK(saw.ThreadModule != NULL && saw.ThreadModule != queue);
    CHECK_POINTER(parent_seen[0], queue);
    CHECK_POINTER(parent_seen[1], queue);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(saw.ThreadModule), 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    WdfObjectDelete(queue);
}

TEST(pre_post_and_cleanup_may_be_missing)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = NULL;

    saw_reset();
    queue_configure(&config, &attributes, 2);
    config.EvtThreadedBufferQueuePre = NULL;
    config.EvtThreadedBufferQueuePost = NULL;
    config.EvtThreadedBufferQueueReuseCleanup = NULL;
    REQUIRE_SUCCESS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue));
    memset(&config, 0xA5, sizeof(config));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    CHECK_SUCCESS(enqueue_and_wait(queue, work_of(1)));
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_EVENTS(1);
    check_buffers(queue, 2);
    WdfObjectDelete(queue);
}

TEST(stop_lets_the_running_callback_finish_and_takes_nothing_more)
{
    DMFMODULE queue = queue_create(4);
    Block block;
    Caller stop;

    enqueue(queue, work_that_blocks(&block, 1));
    enqueue(queue, work_of(2));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    sem_wait(&block.Entered);
    caller_start(&stop, queue, DMF_ThreadedBufferQueue_Stop);
    harness_sleep_milliseconds(A_WHILE);
    CHECK(!atomic_load(&stop.Done));
    sem_post(&block.Go);
    pthread_join(stop.Thread, NULL);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, POST);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 1);
    WdfObjectDelete(queue);
}

TEST(after_stop_start_goes_on_where_it_was)
{
    DMFMODULE queue = queue_create(4);

    for (int i = 0; i < 5; i++)
    {
        saw.Count = 0;
        enqueue(queue, work_of(1));
        harness_sleep_milliseconds(1);
        CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 1);
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
        CHECK_SUCCESS(enqueue_and_wait(queue, work_of(2)));
        DMF_ThreadedBufferQueue_Stop(queue);
        CHECK_EVENTS(PRE, 1, CLEANED + 1, 2, CLEANED + 2, POST);
    }
    WdfObjectDelete(queue);
}

TEST(stop_of_what_is_not_started_does_nothing)
{
    DMFMODULE queue = queue_create(4);

    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    DMF_ThreadedBufferQueue_Stop(queue);
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_EVENTS(PRE, POST);
    MISUSE_IGNORE();
    WdfObjectDelete(queue);
}

TEST(a_second_start_makes_no_second_thread)
{
    DMFMODULE queue = queue_create(16);

    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    (void)DMF_ThreadedBufferQueue_Start(queue);
    MISUSE_IGNORE();
    for (int i = 0; i < 16; i++)
    {
        enqueue(queue, work_of(i));
    }
    EVENTUALLY(atomic_load(&saw.Works) == 16);
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK(!atomic_load(&saw.Overlapped));
    CHECK_EQUAL(saw.Events[0], PRE);
    CHECK_EQUAL(saw.Events[saw_count() - 1], POST);
    CHECK_EQUAL(saw_count(), 2 + 2 * 16);
    WdfObjectDelete(queue);
}

static void StopsItsQueue(DMFMODULE DmfModule, Work* work)
{
    UNREFERENCED_PARAMETER(work);
    DMF_ThreadedBufferQueue_Stop(DmfModule);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
}

TEST(stop_from_inside_the_work_callback_is_reported_and_does_not_hang)
{
    DMFMODULE queue = queue_create_started(4);
    Work work = work_of(1);

    work.Do = StopsItsQueue;
    enqueue(queue, work);
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    CHECK_MISUSE(1);
    CHECK_CONTAINS(harness.MisuseMethod, "DMF_ThreadedBufferQueue_Stop");
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_MISUSE(0);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, POST);
    WdfObjectDelete(queue);
}

static void StopsTheQueueOfItsThread(DMFMODULE DmfModule)
{
    DMF_ThreadedBufferQueue_Stop(DMF_ParentModuleGet(DmfModule));
}

TEST(stop_from_inside_pre_or_post_is_reported_and_does_not_hang)
{
    DMFMODULE queue = queue_create(4);

    saw.InPre = StopsTheQueueOfItsThread;
    saw.InPost = StopsTheQueueOfItsThread;
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    DMF_ThreadedBufferQueue_Stop(queue);
    EVENTUALLY(saw_count() == 2);
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_MISUSE(2);
    CHECK_EVENTS(PRE, POST);
    WdfObjectDelete(queue);
}

/* ---------------------------------------------------------------------------------------------------- fetch */

TEST(fetch_gives_zeroed_buffers_with_their_contexts_until_there_are_none)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffers[2] = {NULL, NULL};
    VOID* contexts[2] = {NULL, NULL};
    VOID* buffer = &queue;
    VOID* context = &queue;

    for (int i = 0; i < 2; i++)
    {
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, &buffers[i], &contexts[i]));
        CHECK_ALL_BYTES(buffers[i], 0, sizeof(Work));
        CHECK_ALL_BYTES(contexts[i], 0, CONTEXT_SIZE);
        memset(buffers[i], 0xEE, sizeof(Work));
        memset(contexts[i], 0xEE, CONTEXT_SIZE);
    }
    CHECK_STATUS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, &context), STATUS_UNSUCCESSFUL);
    CHECK_STATUS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, NULL), STATUS_UNSUCCESSFUL);
    CHECK_POINTER(buffer, &queue);
    CHECK_POINTER(context, &queue);
    for (int i = 0; i < 2; i++)
    {
        ((Work*)buffers[i])->Number = i;
        DMF_ThreadedBufferQueue_Reuse(queue, buffers[i]);
    }
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, &context));
    CHECK_ALL_BYTES(buffer, 0, sizeof(Work));
    CHECK_ALL_BYTES(context, 0, CONTEXT_SIZE);
    DMF_ThreadedBufferQueue_Reuse(queue, buffer);
    WdfObjectDelete(queue);
}

TEST(fetch_grows_with_look_aside)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = NULL;

    saw_reset();
    queue_configure(&config, &attributes, 1);
    config.BufferQueueConfig.SourceSettings.EnableLookAside = TRUE;
    REQUIRE_SUCCESS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, NULL, &queue));
    for (int i = 0; i < 50; i++)
    {
        enqueue(queue, work_of(i));
    }
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 50);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    EVENTUALLY(atomic_load(&saw.Cleanups) == 50);
    WdfObjectDelete(queue);
}

TEST(fetch_with_nowhere_to_put_the_buffer_takes_none)
{
    DMFMODULE queue = queue_create(1);
    VOID* context = NULL;

    CHECK_STATUS(DMF_ThreadedBufferQueue_Fetch(queue, NULL, &context), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    check_buffers(queue, 1);
    WdfObjectDelete(queue);
}

TEST(reuse_gives_a_buffer_back_after_its_cleanup)
{
    DMFMODULE queue = queue_create(1);
    Work* work = fetch(queue, work_of(5));
    VOID* context = NULL;

    DMF_ThreadedBufferQueue_Reuse(queue, work);
    CHECK_EVENTS(CLEANED + 5);
    CHECK_POINTER(saw.CleanupModule, queue);
    CHECK(pthread_equal(saw.Threads[0], pthread_self()));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, (VOID**)&work, &context));
    CHECK_POINTER(context, saw.CleanupContext);
    CHECK_ALL_BYTES(work, 0, sizeof(Work));
    DMF_ThreadedBufferQueue_Reuse(queue, work);
    WdfObjectDelete(queue);
}

/* ---------------------------------------------------------------------------------------------------- work */

TEST(the_work_callback_gets_queue_buffer_size_and_context)
{
    DMFMODULE queue = queue_create_started(2);
    VOID* buffer = NULL;
    VOID* context = NULL;
    Work work = work_of(1);

    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, &context));
    memcpy(buffer, &work, sizeof(work));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_EnqueueAndWait(queue, buffer));
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_POINTER(saw.Module, queue);
    CHECK_POINTER(saw.Buffer, buffer);
    CHECK_EQUAL(saw.Size, sizeof(Work));
    CHECK_POINTER(saw.Context, context);
    CHECK_POINTER(saw.CleanupModule, queue);
    CHECK_POINTER(saw.CleanupContext, context);
    WdfObjectDelete(queue);
}

TEST(work_is_done_in_the_order_of_its_queuing)
{
    enum { COUNT = 60 };
    DMFMODULE queue = queue_create(COUNT);

    for (int i = 0; i < COUNT; i++)
    {
        enqueue(queue, work_of(i));
        CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), i + 1);
    }
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    EVENTUALLY(atomic_load(&saw.Cleanups) == COUNT);
    for (int i = 0; i < COUNT; i++)
    {
        CHECK_EQUAL(saw.Events[1 + 2 * i], i);
        CHECK_EQUAL(saw.Events[2 + 2 * i], CLEANED + i);
    }
    WdfObjectDelete(queue);
}

TEST(enqueue_at_head_comes_first)
{
    DMFMODULE queue = queue_create(4);

    enqueue(queue, work_of(1));
    enqueue(queue, work_of(2));
    DMF_ThreadedBufferQueue_EnqueueAtHead(queue, fetch(queue, work_of(3)));
    DMF_ThreadedBufferQueue_EnqueueAtHead(queue, fetch(queue, work_of(4)));
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 4);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    EVENTUALLY(atomic_load(&saw.Cleanups) == 4);
    CHECK_EVENTS(PRE, 4, CLEANED + 4, 3, CLEANED + 3, 1, CLEANED + 1, 2, CLEANED + 2);
    WdfObjectDelete(queue);
}

TEST(enqueue_at_head_wakes_the_thread)
{
    DMFMODULE queue = queue_create_started(4);

    harness_sleep_milliseconds(A_WHILE);
    DMF_ThreadedBufferQueue_EnqueueAtHead(queue, fetch(queue, work_of(3)));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    WdfObjectDelete(queue);
}

TEST(enqueue_and_wait_returns_what_the_callback_wrote)
{
    static const NTSTATUS statuses[] = {STATUS_SUCCESS, STATUS_NOT_SUPPORTED, STATUS_PENDING, STATUS_UNSUCCESSFUL};
    DMFMODULE queue = queue_create_started(4);

    for (int i = 0; i < 8; i++)
    {
        Work work = work_of(i);
        NTSTATUS got;
        work.Status = statuses[i % 4];
        got = i < 4 ? enqueue_and_wait(queue, work)
                    : DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait(queue, fetch(queue, work));
        CHECK_STATUS(got, statuses[i % 4]);
        CHECK_EQUAL(atomic_load(&saw.Works), i + 1);
    }
    WdfObjectDelete(queue);
}

TEST(a_callback_that_writes_no_status_means_success)
{
    DMFMODULE queue = queue_create_started(2);
    Work work = work_of(1);

    work.LeaveStatus = true;
    CHECK_SUCCESS(enqueue_and_wait(queue, work));
    CHECK_SUCCESS(saw.InitialStatus);
    work.LeaveStatus = false;
    work.Status = STATUS_UNSUCCESSFUL;
    CHECK_STATUS(enqueue_and_wait(queue, work), STATUS_UNSUCCESSFUL);
    CHECK_SUCCESS(saw.InitialStatus);
    work.LeaveStatus = true;
    CHECK_SUCCESS(enqueue_and_wait(queue, work));
    WdfObjectDelete(queue);
}

TEST(enqueue_and_wait_waits_for_start)
{
    DMFMODULE queue = queue_create(4);
    Waiter waiters[2];

    waiter_start(&waiters[0], queue, work_of(1));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 1);
    waiter_start(&waiters[1], queue, work_of(2));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 2);
    harness_sleep_milliseconds(A_WHILE);
    CHECK(!atomic_load(&waiters[0].Done) && !atomic_load(&waiters[1].Done));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    for (int i = 0; i < 2; i++)
    {
        waiter_join(&waiters[i]);
        CHECK_SUCCESS(waiters[i].Got);
    }
    WdfObjectDelete(queue);
}

TEST(enqueue_at_head_and_wait_comes_first)
{
    DMFMODULE queue = queue_create(4);
    Waiter waiter;

    enqueue(queue, work_of(1));
    memset(&waiter, 0, sizeof(waiter));
    waiter.Queue = queue;
    waiter.Content = work_of(2);
    waiter.AtHead = true;
    CHECK(pthread_create(&waiter.Thread, NULL, waits, &waiter) == 0);
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 2);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    waiter_join(&waiter);
    CHECK_SUCCESS(waiter.Got);
    EVENTUALLY(atomic_load(&saw.Cleanups) == 2);
    CHECK_EVENTS(PRE, 2, CLEANED + 2, 1, CLEANED + 1);
    WdfObjectDelete(queue);
}

TEST(a_buffer_that_is_waited_for_is_reused_when_its_work_is_done)
{
    DMFMODULE queue = queue_create_started(1);

    for (unsigned i = 0; i < harness_rounds(200); i++)
    {
        VOID* buffer = NULL;
        Work work = work_of(1);
        EVENTUALLY(buffer != NULL || NT_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, NULL)));
        REQUIRE(buffer != NULL);
        CHECK_ALL_BYTES(buffer, 0, sizeof(Work));
        memcpy(buffer, &work, sizeof(work));
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_EnqueueAndWait(queue, buffer));
    }
    check_buffers(queue, 1);
    WdfObjectDelete(queue);
}

TEST(another_disposition_is_reported_and_counts_as_complete)
{
    static const int dispositions[] = {ThreadedBufferQueue_BufferDisposition_Invalid,
                                       ThreadedBufferQueue_BufferDisposition_Maximum, 4, -1, 0x7FFFFFFF};
    DMFMODULE queue = queue_create_started(2);

    for (size_t i = 0; i < sizeof(dispositions) / sizeof(dispositions[0]); i++)
    {
        Work work = work_of((int)i);
        work.Disposition = (ThreadedBufferQueue_BufferDisposition)dispositions[i];
        work.Status = STATUS_NOT_SUPPORTED;
        CHECK_STATUS(enqueue_and_wait(queue, work), STATUS_NOT_SUPPORTED);
        EVENTUALLY(atomic_load(&saw.Cleanups) == (int)i + 1);
    }
    DMF_ThreadedBufferQueue_Stop(queue);
    CHECK_MISUSE(5);
    check_buffers(queue, 2);
    WdfObjectDelete(queue);
}

/* ------------------------------------------------------------------------------------------------- pending */

static Work work_that_pends(int number)
{
    Work work = work_of(number);
    work.Disposition = ThreadedBufferQueue_BufferDisposition_WorkPending;
    work.Status = STATUS_UNSUCCESSFUL;
    return work;
}

TEST(pending_work_keeps_its_buffer_until_work_completed)
{
    DMFMODULE queue = queue_create_started(1);
    VOID* buffer = NULL;

    enqueue(queue, work_that_pends(1));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    harness_sleep_milliseconds(A_WHILE);
    CHECK_EVENTS(PRE, 1);
    CHECK_STATUS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, NULL), STATUS_UNSUCCESSFUL);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 0);
    DMF_ThreadedBufferQueue_WorkCompleted(queue, saw.Buffer, STATUS_SUCCESS);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EVENTS(PRE, 1, CLEANED + 1);
    check_buffers(queue, 1);
    WdfObjectDelete(queue);
}

TEST(after_pending_work_nothing_is_taken_until_the_next_enqueue)
{
    DMFMODULE queue = queue_create(4);

    enqueue(queue, work_that_pends(1));
    enqueue(queue, work_of(2));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    harness_sleep_milliseconds(A_WHILE);
    CHECK_EVENTS(PRE, 1);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 1);
    DMF_ThreadedBufferQueue_WorkCompleted(queue, saw.Buffer, STATUS_SUCCESS);
    harness_sleep_milliseconds(A_WHILE);
    CHECK_EVENTS(PRE, 1, CLEANED + 1);
    enqueue(queue, work_of(3));
    EVENTUALLY(atomic_load(&saw.Cleanups) == 3);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, 2, CLEANED + 2, 3, CLEANED + 3);
    WdfObjectDelete(queue);
}

TEST(the_next_enqueue_goes_on_though_work_is_still_pending)
{
    DMFMODULE queue = queue_create_started(4);
    VOID* pending;

    enqueue(queue, work_that_pends(1));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    pending = saw.Buffer;
    CHECK_SUCCESS(enqueue_and_wait(queue, work_of(2)));
    EVENTUALLY(atomic_load(&saw.Cleanups) == 1);
    CHECK_EVENTS(PRE, 1, 2, CLEANED + 2);
    DMF_ThreadedBufferQueue_WorkCompleted(queue, pending, STATUS_SUCCESS);
    CHECK_EVENTS(PRE, 1, 2, CLEANED + 2, CLEANED + 1);
    check_buffers(queue, 4);
    WdfObjectDelete(queue);
}

TEST(who_waits_for_pending_work_gets_the_status_of_work_completed)
{
    DMFMODULE queue = queue_create_started(2);
    Waiter waiter;

    waiter_start(&waiter, queue, work_that_pends(1));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    harness_sleep_milliseconds(A_WHILE);
    CHECK(!atomic_load(&waiter.Done));
    DMF_ThreadedBufferQueue_WorkCompleted(queue, saw.Buffer, STATUS_NOT_SUPPORTED);
    waiter_join(&waiter);
    CHECK_STATUS(waiter.Got, STATUS_NOT_SUPPORTED);
    WdfObjectDelete(queue);
}

TEST(who_waits_for_pending_work_is_told_when_its_buffer_is_reused)
{
    DMFMODULE queue = queue_create_started(1);
    Waiter waiter;

    waiter_start(&waiter, queue, work_that_pends(1));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    DMF_ThreadedBufferQueue_Reuse(queue, saw.Buffer);
    EVENTUALLY(atomic_load(&waiter.Done));
    CHECK_EQUAL(atomic_load(&saw.Cleanups), 1);
    /* Who waits for the same buffer later has an answer of his own. */
    Work work = work_of(2);
    work.Status = STATUS_NOT_SUPPORTED;
    CHECK_STATUS(enqueue_and_wait(queue, work), STATUS_NOT_SUPPORTED);
    waiter_join(&waiter);
    CHECK_STATUS(waiter.Got, STATUS_CANCELLED);
    check_buffers(queue, 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
}

TEST(all_who_wait_for_the_work_in_a_buffer_are_told)
{
    DMFMODULE queue = queue_create_started(1);
    Work work = work_of(2);
    Waiter waiter;

    waiter_start(&waiter, queue, work_that_pends(1));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    work.Status = STATUS_NOT_SUPPORTED;
    memcpy(saw.Buffer, &work, sizeof(work));
    CHECK_STATUS(DMF_ThreadedBufferQueue_EnqueueAndWait(queue, saw.Buffer), STATUS_NOT_SUPPORTED);
    EVENTUALLY(atomic_load(&waiter.Done));
    waiter_join(&waiter);
    CHECK_STATUS(waiter.Got, STATUS_NOT_SUPPORTED);
    check_buffers(queue, 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
}

typedef struct
{
    DMFMODULE Queue;
    sem_t Entered;
} Completer;

static void* completes_what_was_entered(void* argument)
{
    Completer* completer = argument;
    sem_wait(&completer->Entered);
    DMF_ThreadedBufferQueue_WorkCompleted(completer->Queue, saw.Buffer, STATUS_NOT_SUPPORTED);
    return NULL;
}

TEST(work_completed_may_come_before_the_callback_has_said_pending)
{
    for (unsigned i = 0; i < harness_rounds(200); i++)
    {
        DMFMODULE queue = queue_create_started(1);
        Completer completer = {.Queue = queue};
        Work work = work_that_pends(1);
        pthread_t thread;

        sem_init(&completer.Entered, 0, 0);
        work.Entered = &completer.Entered;
        REQUIRE(pthread_create(&thread, NULL, completes_what_was_entered, &completer) == 0);
        CHECK_STATUS(enqueue_and_wait(queue, work), STATUS_NOT_SUPPORTED);
        pthread_join(thread, NULL);
        EVENTUALLY(atomic_load(&saw.Cleanups) == 1);
        check_buffers(queue, 1);
        WdfObjectDelete(queue);
    }
}

TEST(work_completed_on_what_is_not_pending_is_reported)
{
    DMFMODULE queue = queue_create(2);
    int local = 0;
    Work* queued;

    DMF_ThreadedBufferQueue_WorkCompleted(queue, NULL, STATUS_SUCCESS);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    DMF_ThreadedBufferQueue_WorkCompleted(queue, &local, STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    queued = fetch(queue, work_of(1));
    DMF_ThreadedBufferQueue_Enqueue(queue, queued);
    DMF_ThreadedBufferQueue_WorkCompleted(queue, queued, STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 1);
    CHECK_EQUAL(saw_count(), 0);
    WdfObjectDelete(queue);
}

TEST(work_is_completed_only_once)
{
    DMFMODULE queue = queue_create_started(1);

    enqueue(queue, work_that_pends(1));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    DMF_ThreadedBufferQueue_Stop(queue);
    DMF_ThreadedBufferQueue_WorkCompleted(queue, saw.Buffer, STATUS_SUCCESS);
    CHECK_MISUSE(0);
    DMF_ThreadedBufferQueue_WorkCompleted(queue, saw.Buffer, STATUS_SUCCESS);
    CHECK_MISUSE(1);
    CHECK_EVENTS(PRE, 1, POST, CLEANED + 1);
    check_buffers(queue, 1);
    WdfObjectDelete(queue);
}

/* ---------------------------------------------------------------------------------------------------- flush */

TEST(flush_ends_waiting_work_with_cancelled)
{
    DMFMODULE queue = queue_create(4);
    Waiter waiters[2];

    enqueue(queue, work_of(1));
    waiter_start(&waiters[0], queue, work_of(2));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 2);
    waiter_start(&waiters[1], queue, work_of(3));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 3);
    DMF_ThreadedBufferQueue_Flush(queue);
    CHECK_SUCCESS(DMF_LastStatusGet());
    for (int i = 0; i < 2; i++)
    {
        waiter_join(&waiters[i]);
        CHECK_STATUS(waiters[i].Got, STATUS_CANCELLED);
    }
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 0);
    CHECK_EVENTS(CLEANED + 1, CLEANED + 2, CLEANED + 3);
    CHECK_EQUAL(atomic_load(&saw.Works), 0);
    check_buffers(queue, 4);
    WdfObjectDelete(queue);
}

TEST(flush_leaves_the_running_work_alone)
{
    DMFMODULE queue = queue_create_started(4);
    Block block;
    Waiter running, waiting;

    waiter_start(&running, queue, work_that_blocks(&block, 1));
    sem_wait(&block.Entered);
    waiter_start(&waiting, queue, work_of(2));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 1);
    DMF_ThreadedBufferQueue_Flush(queue);
    waiter_join(&waiting);
    CHECK_STATUS(waiting.Got, STATUS_CANCELLED);
    CHECK(!atomic_load(&running.Done));
    sem_post(&block.Go);
    waiter_join(&running);
    CHECK_SUCCESS(running.Got);
    EVENTUALLY(atomic_load(&saw.Cleanups) == 2);
    CHECK_EVENTS(PRE, 1, CLEANED + 2, CLEANED + 1);
    WdfObjectDelete(queue);
}

static void FlushesItsQueue(DMFMODULE DmfModule, Work* work)
{
    UNREFERENCED_PARAMETER(work);
    DMF_ThreadedBufferQueue_Flush(DmfModule);
    CHECK_SUCCESS(DMF_LastStatusGet());
}

TEST(the_work_callback_may_flush)
{
    DMFMODULE queue = queue_create(4);
    Work work = work_of(1);

    work.Do = FlushesItsQueue;
    enqueue(queue, work);
    enqueue(queue, work_of(2));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    EVENTUALLY(atomic_load(&saw.Cleanups) == 2);
    CHECK_EVENTS(PRE, 1, CLEANED + 2, CLEANED + 1);
    WdfObjectDelete(queue);
}

/* ------------------------------------------------------------------------------------ from inside a callback */

static void EnqueuesOneMore(DMFMODULE DmfModule, Work* work)
{
    enqueue(DmfModule, work_of(work->Number + 1));
}

TEST(the_work_callback_may_enqueue)
{
    DMFMODULE queue = queue_create_started(2);
    Work work = work_of(1);

    work.Do = EnqueuesOneMore;
    enqueue(queue, work);
    EVENTUALLY(atomic_load(&saw.Cleanups) == 2);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, 2, CLEANED + 2);
    WdfObjectDelete(queue);
}

static NTSTATUS status_inside[2];

static void WaitsForItself(DMFMODULE DmfModule, Work* work)
{
    Work* more = fetch(DmfModule, work_of(9));
    UNREFERENCED_PARAMETER(work);
    status_inside[0] = DMF_ThreadedBufferQueue_EnqueueAndWait(DmfModule, more);
    status_inside[1] = DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait(DmfModule, more);
    DMF_ThreadedBufferQueue_Reuse(DmfModule, more);
}

TEST(a_work_callback_that_waits_for_its_own_queue_is_refused)
{
    DMFMODULE queue = queue_create_started(2);
    Work work = work_of(1);

    work.Do = WaitsForItself;
    CHECK_SUCCESS(enqueue_and_wait(queue, work));
    CHECK_STATUS(status_inside[0], STATUS_INVALID_DEVICE_STATE);
    CHECK_STATUS(status_inside[1], STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(2);
    EVENTUALLY(atomic_load(&saw.Cleanups) == 2);
    CHECK_EVENTS(PRE, 1, CLEANED + 9, CLEANED + 1);
    check_buffers(queue, 2);
    WdfObjectDelete(queue);
}

static void DeletesItsQueue(DMFMODULE DmfModule, Work* work)
{
    UNREFERENCED_PARAMETER(work);
    WdfObjectDelete(DmfModule);
    status_inside[0] = DMF_ThreadedBufferQueue_Start(DmfModule);
}

TEST(the_work_callback_may_delete_its_queue)
{
    DMFMODULE queue = queue_create(4);
    Work work = work_of(1);

    work.Do = DeletesItsQueue;
    enqueue(queue, work);
    enqueue(queue, work_of(2));
    status_inside[0] = STATUS_SUCCESS;
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    EVENTUALLY(saw_count() == 5);
    CHECK(!NT_SUCCESS(status_inside[0]));
    CHECK_EQUAL(atomic_load(&saw.Works), 1);
    CHECK_EQUAL(atomic_load(&saw.Cleanups), 2);
    EVENTUALLY(DMF_ThreadedBufferQueue_Start(queue) == STATUS_INVALID_HANDLE);
    MISUSE_IGNORE();
}

static void DeletesTheQueueOfItsThread(DMFMODULE DmfModule)
{
    WdfObjectDelete(DMF_ParentModuleGet(DmfModule));
}

TEST(the_work_callback_may_delete_its_queue_while_others_stop_it_and_wait)
{
    DMFMODULE queue = queue_create(4);
    Block block;
    Work work = work_that_blocks(&block, 1);
    Waiter waiter;
    Caller stop;

    work.Do = DeletesItsQueue;
    enqueue(queue, work);
    waiter_start(&waiter, queue, work_of(2));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 2);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    sem_wait(&block.Entered);
    caller_start(&stop, queue, DMF_ThreadedBufferQueue_Stop);
    harness_sleep_milliseconds(A_WHILE);
    CHECK(!atomic_load(&stop.Done));
    sem_post(&block.Go);
    pthread_join(stop.Thread, NULL);
    waiter_join(&waiter);
    CHECK_STATUS(waiter.Got, STATUS_CANCELLED);
    EVENTUALLY(DMF_ThreadedBufferQueue_Start(queue) == STATUS_INVALID_HANDLE);
    MISUSE_IGNORE();
    EVENTUALLY(saw_count() == 5);
    CHECK_EQUAL(atomic_load(&saw.Works), 1);
}

static void DeletesTheDevice(DMFMODULE DmfModule, Work* work)
{
    UNREFERENCED_PARAMETER(DmfModule);
    WdfObjectDelete(work->Argument);
}

TEST(the_work_callback_may_delete_the_device_while_another_thread_deletes_the_queue)
{
    WDFDEVICE device = NULL;
    DMFMODULE queue;
    Block block;
    Work work = work_that_blocks(&block, 1);
    Caller deletion;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    queue = queue_create_on(device, 2);
    work.Do = DeletesTheDevice;
    work.Argument = device;
    enqueue(queue, work);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    sem_wait(&block.Entered);
    caller_start(&deletion, queue, delete_it);
    harness_sleep_milliseconds(A_WHILE);
    sem_post(&block.Go);
    pthread_join(deletion.Thread, NULL);
    EVENTUALLY(saw_count() == 4);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, POST);
}

TEST(pre_may_delete_the_queue)
{
    DMFMODULE queue = queue_create(4);

    saw.InPre = DeletesTheQueueOfItsThread;
    enqueue(queue, work_of(1));
    (void)DMF_ThreadedBufferQueue_Start(queue);
    EVENTUALLY(DMF_ThreadedBufferQueue_Start(queue) == STATUS_INVALID_HANDLE);
    MISUSE_IGNORE();
    EVENTUALLY(saw_count() == 3);
    CHECK_EVENTS(PRE, POST, CLEANED + 1);
}

TEST(post_may_delete_the_queue)
{
    DMFMODULE queue = queue_create_started(4);

    saw.InPost = DeletesTheQueueOfItsThread;
    DMF_ThreadedBufferQueue_Stop(queue);
    EVENTUALLY(DMF_ThreadedBufferQueue_Start(queue) == STATUS_INVALID_HANDLE);
    MISUSE_IGNORE();
    CHECK_EVENTS(PRE, POST);
}

static void DeletesFromCleanup(DMFMODULE DmfModule, Work* work)
{
    saw.InCleanup = NULL;
    UNREFERENCED_PARAMETER(work);
    WdfObjectDelete(DmfModule);
}

TEST(the_cleanup_callback_may_delete_the_queue)
{
    for (int on_the_thread = 0; on_the_thread < 2; on_the_thread++)
    {
        DMFMODULE queue = queue_create(4);

        saw.InCleanup = DeletesFromCleanup;
        if (on_the_thread)
        {
            enqueue(queue, work_of(1));
            CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
        }
        else
        {
            DMF_ThreadedBufferQueue_Reuse(queue, fetch(queue, work_of(1)));
        }
        EVENTUALLY(DMF_ThreadedBufferQueue_Start(queue) == STATUS_INVALID_HANDLE);
        MISUSE_IGNORE();
        CHECK_EQUAL(atomic_load(&saw.Cleanups), 1);
    }
}

/* --------------------------------------------------------------------------------------------------- delete */

TEST(delete_stops_and_then_flushes)
{
    DMFMODULE queue = queue_create(4);
    Block block;
    Waiter running, waiting;
    Caller deletion;

    waiter_start(&running, queue, work_that_blocks(&block, 1));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 1);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    sem_wait(&block.Entered);
    waiter_start(&waiting, queue, work_of(2));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 1);
    enqueue(queue, work_of(3));
    caller_start(&deletion, queue, delete_it);
    harness_sleep_milliseconds(A_WHILE);
    CHECK(!atomic_load(&deletion.Done));
    sem_post(&block.Go);
    pthread_join(deletion.Thread, NULL);
    waiter_join(&running);
    waiter_join(&waiting);
    CHECK_SUCCESS(running.Got);
    CHECK_STATUS(waiting.Got, STATUS_CANCELLED);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, POST, CLEANED + 2, CLEANED + 3);
}

TEST(delete_of_a_queue_that_never_started_flushes)
{
    DMFMODULE queue = queue_create(4);
    Waiter waiter;

    enqueue(queue, work_of(1));
    waiter_start(&waiter, queue, work_of(2));
    EVENTUALLY(DMF_ThreadedBufferQueue_Count(queue) == 2);
    WdfObjectDelete(queue);
    waiter_join(&waiter);
    CHECK_STATUS(waiter.Got, STATUS_CANCELLED);
    CHECK_EVENTS(CLEANED + 1, CLEANED + 2);
}

TEST(delete_does_not_wait_for_pending_work)
{
    DMFMODULE queue = queue_create_started(2);
    Waiter waiter;
    Work* pending;

    waiter_start(&waiter, queue, work_that_pends(1));
    EVENTUALLY(atomic_load(&saw.Works) == 1);
    pending = saw.Buffer;
    WdfObjectDelete(queue);
    waiter_join(&waiter);
    CHECK_STATUS(waiter.Got, STATUS_CANCELLED);
    CHECK_EQUAL(pending->Number, 1);
    DMF_ThreadedBufferQueue_Reuse(queue, pending);
    CHECK_MISUSE(0);
}

TEST(a_buffer_may_be_given_back_after_delete)
{
    DMFMODULE queue = queue_create(2);
    Work* kept = fetch(queue, work_of(1));

    WdfObjectDelete(queue);
    CHECK_EQUAL(kept->Number, 1);
    kept->Number = 2;
    DMF_ThreadedBufferQueue_Reuse(queue, kept);
    CHECK_MISUSE(0);
}

TEST(a_queue_goes_with_its_device)
{
    WDFDEVICE device = NULL;
    DMFMODULE queue;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    queue = queue_create_on(device, 2);
    CHECK_POINTER(DMF_ParentDeviceGet(queue), device);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    CHECK_SUCCESS(enqueue_and_wait(queue, work_of(1)));
    WdfObjectDelete(device);
    CHECK_EVENTS(PRE, 1, CLEANED + 1, POST);
    CHECK_STATUS(DMF_ThreadedBufferQueue_Start(queue), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

static NTSTATUS status_of_notification[3];

static VOID PostOpen(DMFMODULE DmfModule)
{
    status_of_notification[0] = DMF_ThreadedBufferQueue_Start(DmfModule);
}

static VOID PreClose(DMFMODULE DmfModule)
{
    status_of_notification[1] = enqueue_and_wait(DmfModule, work_of(2));
}

static VOID Cleanup(WDFOBJECT Object)
{
    status_of_notification[2] = DMF_ThreadedBufferQueue_Start((DMFMODULE)Object);
}

TEST(the_methods_work_from_post_open_to_pre_close_and_not_after)
{
    DMF_CONFIG_ThreadedBufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_MODULE_EVENT_CALLBACKS callbacks;
    WDF_OBJECT_ATTRIBUTES object_attributes;
    DMFMODULE queue = NULL;

    saw_reset();
    queue_configure(&config, &attributes, 2);
    DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&attributes, &callbacks);
    callbacks.EvtModuleOnDeviceNotificationPostOpen = PostOpen;
    callbacks.EvtModuleOnDeviceNotificationPreClose = PreClose;
    WDF_OBJECT_ATTRIBUTES_INIT(&object_attributes);
    object_attributes.EvtCleanupCallback = Cleanup;
    for (int i = 0; i < 3; i++)
    {
        status_of_notification[i] = STATUS_INTERNAL_ERROR;
    }
    REQUIRE_SUCCESS(DMF_ThreadedBufferQueue_Create(NULL, &attributes, &object_attributes, &queue));
    CHECK_SUCCESS(status_of_notification[0]);
    WdfObjectDelete(queue);
    CHECK_SUCCESS(status_of_notification[1]);
    CHECK_STATUS(status_of_notification[2], STATUS_INVALID_DEVICE_STATE);
    CHECK_EVENTS(PRE, 2, CLEANED + 2, POST);
}

TEST(the_thread_ends_with_stop_and_with_the_queue)
{
    unsigned before = harness_threads();
    DMFMODULE queue = queue_create_started(2);

    CHECK_EQUAL(harness_threads(), before + 1);
    DMF_ThreadedBufferQueue_Stop(queue);
    EVENTUALLY(harness_threads() == before);
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    WdfObjectDelete(queue);
    EVENTUALLY(harness_threads() == before);
}

TEST(queues_come_and_go_without_end)
{
    for (unsigned i = 0; i < harness_rounds(500); i++)
    {
        DMFMODULE queue = queue_create_started(2);
        REQUIRE(queue != NULL);
        enqueue(queue, work_of(1));
        if (i % 2 == 0)
        {
            CHECK_SUCCESS(enqueue_and_wait(queue, work_of(2)));
        }
        WdfObjectDelete(queue);
        CHECK_EQUAL(atomic_load(&saw.Cleanups), i % 2 == 0 ? 2 : 1);
    }
}

/* ---------------------------------------------------------------------------------------------------- stress */

typedef struct
{
    DMFMODULE Queue;
    int Rounds;
    int Wrong;
    int Cancelled;
    pthread_t Thread;
} Producer;

static void* produces(void* argument)
{
    Producer* producer = argument;
    for (int i = 0; i < producer->Rounds; i++)
    {
        Work work = work_of(i);
        VOID* buffer = NULL;
        NTSTATUS status;
        work.Status = (NTSTATUS)(0xE0000000u + (unsigned)(i % 1000));
        while (!NT_SUCCESS(DMF_ThreadedBufferQueue_Fetch(producer->Queue, &buffer, NULL)))
        {
            sched_yield();
        }
        memcpy(buffer, &work, sizeof(work));
        switch (i % 3)
        {
        case 0:
            DMF_ThreadedBufferQueue_Enqueue(producer->Queue, buffer);
            break;
        case 1:
            status = DMF_ThreadedBufferQueue_EnqueueAndWait(producer->Queue, buffer);
            producer->Cancelled += status == STATUS_CANCELLED;
            producer->Wrong += status != work.Status && status != STATUS_CANCELLED;
            break;
        default:
            status = DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait(producer->Queue, buffer);
            producer->Cancelled += status == STATUS_CANCELLED;
            producer->Wrong += status != work.Status && status != STATUS_CANCELLED;
            break;
        }
    }
    return NULL;
}

TEST(producers_get_their_own_status_while_others_start_stop_and_flush)
{
    enum { PRODUCERS = 4 };
    DMFMODULE queue = queue_create(8);
    Producer producers[PRODUCERS];
    int rounds = (int)harness_rounds(5000);

    for (int i = 0; i < PRODUCERS; i++)
    {
        memset(&producers[i], 0, sizeof(producers[i]));
        producers[i].Queue = queue;
        producers[i].Rounds = rounds;
        REQUIRE(pthread_create(&producers[i].Thread, NULL, produces, &producers[i]) == 0);
    }
    for (unsigned i = 0; i < harness_rounds(100); i++)
    {
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
        harness_sleep_milliseconds(1);
        if (i % 3 == 0)
        {
            DMF_ThreadedBufferQueue_Flush(queue);
        }
        DMF_ThreadedBufferQueue_Stop(queue);
    }
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(queue));
    for (int i = 0; i < PRODUCERS; i++)
    {
        pthread_join(producers[i].Thread, NULL);
        CHECK_EQUAL(producers[i].Wrong, 0);
    }
    EVENTUALLY(atomic_load(&saw.Cleanups) == PRODUCERS * rounds);
    CHECK(!atomic_load(&saw.Overlapped));
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 0);
    check_buffers(queue, 8);
    WdfObjectDelete(queue);
}

/* ------------------------------------------------------------------------------------- buffers that are not */

TEST(what_is_no_buffer_of_the_queue_is_refused)
{
    VOID* pointers[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(pointers);
    DMFMODULE queue = queue_create(2);
    Work* queued = fetch(queue, work_of(1));
    Work* unused = fetch(queue, work_of(2));

    DMF_ThreadedBufferQueue_Enqueue(queue, queued);
    pointers[count++] = NULL;
    pointers[count++] = queued;
    pointers[count++] = (char*)unused + 16;
    for (size_t i = 0; i < count; i++)
    {
        DMF_ThreadedBufferQueue_Enqueue(queue, pointers[i]);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
        CHECK_MISUSE(1);
        DMF_ThreadedBufferQueue_EnqueueAtHead(queue, pointers[i]);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
        CHECK_MISUSE(1);
        DMF_ThreadedBufferQueue_Reuse(queue, pointers[i]);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
        CHECK_MISUSE(1);
        CHECK_STATUS(DMF_ThreadedBufferQueue_EnqueueAndWait(queue, pointers[i]), STATUS_INVALID_PARAMETER);
        CHECK_MISUSE(1);
        CHECK_STATUS(DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait(queue, pointers[i]), STATUS_INVALID_PARAMETER);
        CHECK_MISUSE(1);
    }
    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(queue), 1);
    CHECK_EQUAL(saw_count(), 0);
    DMF_ThreadedBufferQueue_Reuse(queue, unused);
    WdfObjectDelete(queue);
}

TEST(a_buffer_of_another_queue_cannot_be_reused)
{
    DMFMODULE queue = queue_create(1);
    DMFMODULE other = queue_create(1);
    Work* foreign = fetch(other, work_of(1));

    DMF_ThreadedBufferQueue_Reuse(queue, foreign);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_EQUAL(saw_count(), 0);
    CHECK_EQUAL(foreign->Number, 1);
    DMF_ThreadedBufferQueue_Reuse(other, foreign);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
    WdfObjectDelete(other);
}

/* ---------------------------------------------------------------------------------------------- bad handles */

static void check_reported(const char* method, VOID* handle)
{
    CHECK(strcmp(harness.MisuseMethod, method) == 0);
    CHECK_POINTER(harness.MisuseHandle, handle);
    CHECK_MISUSE(1);
}

static void check_refused(VOID* handle)
{
    DMFMODULE bad = (DMFMODULE)handle;
    int local = 0;
    VOID* buffer = &local;
    VOID* context = &local;

    CHECK_EQUAL(DMF_ThreadedBufferQueue_Count(bad), 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_Count", handle);
    DMF_ThreadedBufferQueue_Enqueue(bad, &local);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_Enqueue", handle);
    DMF_ThreadedBufferQueue_EnqueueAtHead(bad, &local);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_EnqueueAtHead", handle);
    CHECK_STATUS(DMF_ThreadedBufferQueue_EnqueueAndWait(bad, &local), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_EnqueueAndWait", handle);
    CHECK_STATUS(DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait(bad, &local), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait", handle);
    CHECK_STATUS(DMF_ThreadedBufferQueue_Fetch(bad, &buffer, &context), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_Fetch", handle);
    CHECK_POINTER(buffer, &local);
    CHECK_POINTER(context, &local);
    DMF_ThreadedBufferQueue_Flush(bad);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_Flush", handle);
    DMF_ThreadedBufferQueue_Reuse(bad, &local);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_Reuse", handle);
    CHECK_STATUS(DMF_ThreadedBufferQueue_Start(bad), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_Start", handle);
    DMF_ThreadedBufferQueue_Stop(bad);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_Stop", handle);
    DMF_ThreadedBufferQueue_WorkCompleted(bad, &local, STATUS_SUCCESS);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    check_reported("DMF_ThreadedBufferQueue_WorkCompleted", handle);
}

TEST(what_is_not_a_queue_is_refused_by_every_method)
{
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE deleted = queue_create(2), pool = NULL;
    WDFDEVICE device = NULL;

    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Sink;
    REQUIRE_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool));
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    WdfObjectDelete(deleted);
    handles[count++] = NULL;
    handles[count++] = deleted;
    handles[count++] = pool;
    handles[count++] = device;
    for (size_t i = 0; i < count; i++)
    {
        check_refused(handles[i]);
    }
    WdfObjectDelete(pool);
    WdfObjectDelete(device);
}

TEST(a_reference_keeps_the_handle_and_not_the_methods)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffer = NULL;

    WdfObjectReference(queue);
    WdfObjectDelete(queue);
    CHECK(!NT_SUCCESS(DMF_ThreadedBufferQueue_Start(queue)));
    CHECK(!NT_SUCCESS(DMF_ThreadedBufferQueue_Fetch(queue, &buffer, NULL)));
    CHECK(buffer == NULL);
    MISUSE_IGNORE();
    WdfObjectDereference(queue);
}

int main(void)
{
    RUN(a_config_starts_as_zeros);
    RUN(a_queue_without_a_work_callback_is_refused);
    RUN(a_queue_without_buffers_or_with_buffers_of_no_size_is_refused);
    RUN(without_a_config_a_queue_has_zeros_and_is_refused);
    RUN(a_config_of_another_size_is_refused);
    RUN(paged_memory_needs_passive_level);
    RUN(create_does_not_start_the_thread);

    RUN(start_works_off_what_is_queued);
    RUN(work_that_comes_after_start_is_done);
    RUN(pre_and_post_run_on_the_thread_around_all_work);
    RUN(pre_and_post_get_the_inner_thread_whose_parent_is_the_queue);
    RUN(pre_post_and_cleanup_may_be_missing);
    RUN(stop_lets_the_running_callback_finish_and_takes_nothing_more);
    RUN(after_stop_start_goes_on_where_it_was);
    RUN(stop_of_what_is_not_started_does_nothing);
    RUN(a_second_start_makes_no_second_thread);
    RUN(stop_from_inside_the_work_callback_is_reported_and_does_not_hang);
    RUN(stop_from_inside_pre_or_post_is_reported_and_does_not_hang);

    RUN(fetch_gives_zeroed_buffers_with_their_contexts_until_there_are_none);
    RUN(fetch_grows_with_look_aside);
    RUN(fetch_with_nowhere_to_put_the_buffer_takes_none);
    RUN(reuse_gives_a_buffer_back_after_its_cleanup);

    RUN(the_work_callback_gets_queue_buffer_size_and_context);
    RUN(work_is_done_in_the_order_of_its_queuing);
    RUN(enqueue_at_head_comes_first);
    RUN(enqueue_at_head_wakes_the_thread);
    RUN(enqueue_and_wait_returns_what_the_callback_wrote);
    RUN(a_callback_that_writes_no_status_means_success);
    RUN(enqueue_and_wait_waits_for_start);
    RUN(enqueue_at_head_and_wait_comes_first);
    RUN(a_buffer_that_is_waited_for_is_reused_when_its_work_is_done);
    RUN(another_disposition_is_reported_and_counts_as_complete);

    RUN(pending_work_keeps_its_buffer_until_work_completed);
    RUN(after_pending_work_nothing_is_taken_until_the_next_enqueue);
    RUN(the_next_enqueue_goes_on_though_work_is_still_pending);
    RUN(who_waits_for_pending_work_gets_the_status_of_work_completed);
    RUN(who_waits_for_pending_work_is_told_when_its_buffer_is_reused);
    RUN(all_who_wait_for_the_work_in_a_buffer_are_told);
    RUN(work_completed_may_come_before_the_callback_has_said_pending);
    RUN(work_completed_on_what_is_not_pending_is_reported);
    RUN(work_is_completed_only_once);

    RUN(flush_ends_waiting_work_with_cancelled);
    RUN(flush_leaves_the_running_work_alone);
    RUN(the_work_callback_may_flush);

    RUN(the_work_callback_may_enqueue);
    RUN(a_work_callback_that_waits_for_its_own_queue_is_refused);
    RUN(the_work_callback_may_delete_its_queue);
    RUN(the_work_callback_may_delete_its_queue_while_others_stop_it_and_wait);
    RUN(the_work_callback_may_delete_the_device_while_another_thread_deletes_the_queue);
    RUN(pre_may_delete_the_queue);
    RUN(post_may_delete_the_queue);
    RUN(the_cleanup_callback_may_delete_the_queue);

    RUN(delete_stops_and_then_flushes);
    RUN(delete_of_a_queue_that_never_started_flushes);
    RUN(delete_does_not_wait_for_pending_work);
    RUN(a_buffer_may_be_given_back_after_delete);
    RUN(a_queue_goes_with_its_device);
    RUN(the_methods_work_from_post_open_to_pre_close_and_not_after);
    RUN(the_thread_ends_with_stop_and_with_the_queue);
    RUN(queues_come_and_go_without_end);

    RUN(producers_get_their_own_status_while_others_start_stop_and_flush);

    RUN(what_is_no_buffer_of_the_queue_is_refused);
    RUN(a_buffer_of_another_queue_cannot_be_reused);

    RUN(what_is_not_a_queue_is_refused_by_every_method);
    RUN(a_reference_keeps_the_handle_and_not_the_methods);
    return TESTS_RESULT();
}
