/* QueuedWorkItem: work that is queued with its data and done later, in order, on another thread. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <semaphore.h>
#include <stdatomic.h>

#define CONTEXT_SIZE 24
#define RUNS_MAX 4096

/* ---------------------------------------------------------------------------------------------------- work */

/* What is queued. The callback does what it says, so that each test tells its own story. */
typedef struct Work
{
    int Number;
    ScheduledTask_Result_Type Result;
    sem_t* Entered; /* posted when the callback runs */
    sem_t* Go;      /* waited for before it goes on */
    void (*Do)(DMFMODULE DmfModule, struct Work* work);
    VOID* Argument;
} Work;

static struct
{
    atomic_int Count;
    atomic_int Inside;
    atomic_bool Overlapped;
    int Numbers[RUNS_MAX];
    DMFMODULE Module;
    VOID* Buffer;
    VOID* Context;
    pthread_t Thread;
} ran;

static ScheduledTask_Result_Type Works(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    Work* work = ClientBuffer;
    ScheduledTask_Result_Type result;

    if (atomic_fetch_add(&ran.Inside, 1) != 0)
    {
        atomic_store(&ran.Overlapped, true);
    }
    ran.Module = DmfModule;
    ran.Buffer = ClientBuffer;
    ran.Context = ClientBufferContext;
    ran.Thread = pthread_self();
    if (work->Entered != NULL)
    {
        sem_post(work->Entered);
    }
    if (work->Go != NULL)
    {
        sem_wait(work->Go);
    }
    if (work->Do != NULL)
    {
        work->Do(DmfModule, work);
    }
    result = work->Result;
    ran.Numbers[atomic_load(&ran.Count) % RUNS_MAX] = work->Number;
    atomic_fetch_sub(&ran.Inside, 1);
    atomic_fetch_add(&ran.Count, 1);
    return result;
}

static void ran_reset(void)
{
    memset(&ran, 0, sizeof(ran));
}

static Work work_of(int number)
{
    Work work = {number, ScheduledTask_WorkResult_Success, NULL, NULL, NULL, NULL};
    return work;
}

static NTSTATUS enqueue(DMFMODULE item, Work work)
{
    return DMF_QueuedWorkItem_Enqueue(item, &work, sizeof(work));
}

static NTSTATUS enqueue_and_wait(DMFMODULE item, Work work)
{
    return DMF_QueuedWorkItem_EnqueueAndWait(item, &work, sizeof(work));
}

/* ---------------------------------------------------------------------------------------------------- items */

static void item_configure(DMF_CONFIG_QueuedWorkItem* config, DMF_MODULE_ATTRIBUTES* attributes, ULONG count)
{
    DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(config, attributes);
    config->EvtQueuedWorkitemFunction = Works;
    config->BufferQueueConfig.SourceSettings.BufferCount = count;
    config->BufferQueueConfig.SourceSettings.BufferSize = sizeof(Work);
    config->BufferQueueConfig.SourceSettings.BufferContextSize = CONTEXT_SIZE;
}

static DMFMODULE item_create_on(WDFDEVICE device, ULONG count)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = NULL;

    ran_reset();
    item_configure(&config, &attributes, count);
    CHECK_SUCCESS(DMF_QueuedWorkItem_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &item));
    return item;
}

static DMFMODULE item_create(ULONG count)
{
    return item_create_on(NULL, count);
}

/* Work that keeps the item's thread busy until the test says go. */
typedef struct
{
    sem_t Entered;
    sem_t Go;
} Block;

static void block_start(Block* block, DMFMODULE item)
{
    Work work = work_of(-1);
    sem_init(&block->Entered, 0, 0);
    sem_init(&block->Go, 0, 0);
    work.Entered = &block->Entered;
    work.Go = &block->Go;
    CHECK_SUCCESS(enqueue(item, work));
    sem_wait(&block->Entered);
}

static void block_end(Block* block)
{
    sem_post(&block->Go);
}

/* --------------------------------------------------------------------------------------------------- create */

TEST(a_config_starts_as_zeros_in_memory_that_is_not_paged)
{
    DMF_CONFIG_QueuedWorkItem config, expected;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&config, 0xA5, sizeof(config));
    memset(&expected, 0, sizeof(expected));
    expected.BufferQueueConfig.SourceSettings.PoolType = NonPagedPoolNx;
    DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&config, &attributes);
    CHECK(config.EvtQueuedWorkitemFunction == NULL);
    CHECK(config.BufferQueueConfig.EvtBufferQueueReuseCleanup == NULL);
    CHECK(memcmp(&config.BufferQueueConfig.SourceSettings, &expected.BufferQueueConfig.SourceSettings,
                 sizeof(BufferPool_SourceSettings)) == 0);
    CHECK_POINTER(attributes.ModuleConfigPointer, &config);
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, sizeof(config));
    CHECK(attributes.InstanceCreator == DMF_QueuedWorkItem_Create);
}

TEST(an_item_without_a_callback_is_refused)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = (DMFMODULE)&config;

    item_configure(&config, &attributes, 4);
    config.EvtQueuedWorkitemFunction = NULL;
    CHECK_STATUS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item), STATUS_INVALID_PARAMETER);
    CHECK(item == NULL);
    MISUSE_IGNORE();
}

TEST(an_item_without_buffers_or_with_buffers_of_no_size_is_refused)
{
    for (int i = 0; i < 2; i++)
    {
        DMF_CONFIG_QueuedWorkItem config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE item = (DMFMODULE)&config;

        item_configure(&config, &attributes, i == 0 ? 0 : 4);
        config.BufferQueueConfig.SourceSettings.BufferSize = i == 0 ? 64 : 0;
        CHECK_STATUS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item), STATUS_INVALID_PARAMETER);
        CHECK(item == NULL);
        MISUSE_IGNORE();
    }
}

TEST(without_a_config_an_item_has_zeros_and_is_refused)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = (DMFMODULE)&attributes;

    DMF_QueuedWorkItem_ATTRIBUTES_INIT(&attributes);
    CHECK_STATUS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item), STATUS_INVALID_PARAMETER);
    CHECK(item == NULL);
    MISUSE_IGNORE();
}

TEST(a_config_of_another_size_is_refused)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = (DMFMODULE)&config;

    item_configure(&config, &attributes, 4);
    attributes.SizeOfModuleSpecificConfig--;
    CHECK_STATUS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item), STATUS_INVALID_PARAMETER);
    attributes.SizeOfModuleSpecificConfig += 2;
    CHECK_STATUS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item), STATUS_INVALID_PARAMETER);
    CHECK(item == NULL);
    MISUSE_IGNORE();
}

TEST(create_copies_the_config)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = NULL;

    ran_reset();
    item_configure(&config, &attributes, 2);
    REQUIRE_SUCCESS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item));
    memset(&config, 0xA5, sizeof(config));
    memset(&attributes, 0xA5, sizeof(attributes));
    CHECK_SUCCESS(enqueue_and_wait(item, work_of(1)));
    CHECK_EQUAL(atomic_load(&ran.Count), 1);
    WdfObjectDelete(item);
}

TEST(paged_memory_needs_passive_level)
{
    for (int passive = 0; passive < 2; passive++)
    {
        DMF_CONFIG_QueuedWorkItem config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE item = NULL;

        ran_reset();
        item_configure(&config, &attributes, 2);
        config.BufferQueueConfig.SourceSettings.PoolType = PagedPool;
        attributes.PassiveLevel = (BOOLEAN)passive;
        CHECK_SUCCESS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item));
        CHECK_MISUSE(passive ? 0 : 1);
        CHECK_SUCCESS(enqueue_and_wait(item, work_of(1)));
        WdfObjectDelete(item);
    }
}

/* -------------------------------------------------------------------------------------------------- enqueue */

TEST(enqueued_work_is_done_on_another_thread)
{
    DMFMODULE item = item_create(4);
    CHECK_SUCCESS(enqueue(item, work_of(7)));
    EVENTUALLY(atomic_load(&ran.Count) == 1);
    CHECK_EQUAL(ran.Numbers[0], 7);
    CHECK(!pthread_equal(ran.Thread, pthread_self()));
    WdfObjectDelete(item);
}

TEST(the_callback_gets_the_handle_that_create_gave)
{
    WDFDEVICE device = NULL;
    DMFMODULE item;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    item = item_create_on(device, 4);
    CHECK_SUCCESS(enqueue_and_wait(item, work_of(1)));
    CHECK_POINTER(ran.Module, item);
    CHECK_POINTER(DMF_ParentDeviceGet(item), device);
    WdfObjectDelete(device);
}

TEST(what_is_queued_is_a_copy)
{
    DMFMODULE item = item_create(4);
    Block block;
    Work work = work_of(11);

    block_start(&block, item);
    CHECK_SUCCESS(DMF_QueuedWorkItem_Enqueue(item, &work, sizeof(work)));
    work.Number = 12;
    CHECK_SUCCESS(DMF_QueuedWorkItem_Enqueue(item, &work, sizeof(work)));
    memset(&work, 0xA5, sizeof(work));
    block_end(&block);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_EQUAL(atomic_load(&ran.Count), 3);
    CHECK_EQUAL(ran.Numbers[1], 11);
    CHECK_EQUAL(ran.Numbers[2], 12);
    CHECK(ran.Buffer != &work);
    WdfObjectDelete(item);
}

/* Sees a buffer and its context as they arrive, and spoils both for the next one. */
static struct
{
    atomic_int Calls;
    atomic_int Wrong;
    ULONG Filled;
} bytes;

static ScheduledTask_Result_Type Sees(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    bool holds = harness_bytes_are(ClientBuffer, 0x5A, bytes.Filled) &&
                 harness_bytes_are((char*)ClientBuffer + bytes.Filled, 0, 100 - bytes.Filled) &&
                 harness_bytes_are(ClientBufferContext, 0, CONTEXT_SIZE) &&
                 (uintptr_t)ClientBuffer % 16 == 0 && (uintptr_t)ClientBufferContext % 16 == 0;
    UNREFERENCED_PARAMETER(DmfModule);
    memset(ClientBuffer, 0xEE, 100);
    memset(ClientBufferContext, 0xEE, CONTEXT_SIZE);
    atomic_fetch_add(&bytes.Wrong, !holds);
    atomic_fetch_add(&bytes.Calls, 1);
    return ScheduledTask_WorkResult_Success;
}

TEST(beyond_what_was_queued_buffer_and_context_are_zeros)
{
    static const ULONG sizes[] = {100, 99, 17, 1, 0, 100};
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = NULL;
    char data[100];

    memset(&bytes, 0, sizeof(bytes));
    memset(data, 0x5A, sizeof(data));
    item_configure(&config, &attributes, 1);
    config.EvtQueuedWorkitemFunction = Sees;
    config.BufferQueueConfig.SourceSettings.BufferSize = sizeof(data);
    REQUIRE_SUCCESS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
    {
        bytes.Filled = sizes[i];
        CHECK_SUCCESS(DMF_QueuedWorkItem_EnqueueAndWait(item, data, sizes[i]));
        DMF_QueuedWorkItem_Flush(item);
    }
    CHECK_EQUAL(atomic_load(&bytes.Calls), sizeof(sizes) / sizeof(sizes[0]));
    CHECK_EQUAL(atomic_load(&bytes.Wrong), 0);
    WdfObjectDelete(item);
}

TEST(work_larger_than_a_buffer_is_refused_and_no_buffer_is_lost)
{
    DMFMODULE item = item_create(1);
    char large[sizeof(Work) + 1] = {0};

    for (int i = 0; i < 10; i++)
    {
        CHECK_STATUS(DMF_QueuedWorkItem_Enqueue(item, large, sizeof(large)), STATUS_BUFFER_TOO_SMALL);
        CHECK_STATUS(DMF_QueuedWorkItem_EnqueueAndWait(item, large, sizeof(large)), STATUS_BUFFER_TOO_SMALL);
        CHECK_STATUS(DMF_QueuedWorkItem_Enqueue(item, large, 0xFFFFFFFF), STATUS_BUFFER_TOO_SMALL);
        MISUSE_IGNORE();
        CHECK_SUCCESS(enqueue(item, work_of(i)));
        DMF_QueuedWorkItem_Flush(item);
    }
    CHECK_EQUAL(atomic_load(&ran.Count), 10);
    WdfObjectDelete(item);
}

TEST(without_a_free_buffer_nothing_is_queued)
{
    DMFMODULE item = item_create(3);
    Block block;

    block_start(&block, item);
    CHECK_SUCCESS(enqueue(item, work_of(1)));
    CHECK_SUCCESS(enqueue(item, work_of(2)));
    CHECK_STATUS(enqueue(item, work_of(3)), STATUS_UNSUCCESSFUL);
    CHECK_STATUS(enqueue_and_wait(item, work_of(4)), STATUS_UNSUCCESSFUL);
    block_end(&block);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_EQUAL(atomic_load(&ran.Count), 3);
    CHECK_EQUAL(ran.Numbers[1], 1);
    CHECK_EQUAL(ran.Numbers[2], 2);
    CHECK_SUCCESS(enqueue_and_wait(item, work_of(5)));
    CHECK_EQUAL(ran.Numbers[3], 5);
    WdfObjectDelete(item);
}

TEST(with_look_aside_there_is_always_a_free_buffer)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = NULL;
    Block block;

    ran_reset();
    item_configure(&config, &attributes, 1);
    config.BufferQueueConfig.SourceSettings.EnableLookAside = TRUE;
    REQUIRE_SUCCESS(DMF_QueuedWorkItem_Create(NULL, &attributes, NULL, &item));
    block_start(&block, item);
    for (int i = 0; i < 100; i++)
    {
        CHECK_SUCCESS(enqueue(item, work_of(i)));
    }
    block_end(&block);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_EQUAL(atomic_load(&ran.Count), 101);
    WdfObjectDelete(item);
}

TEST(work_without_data_is_refused)
{
    DMFMODULE item = item_create(1);

    CHECK_STATUS(DMF_QueuedWorkItem_Enqueue(item, NULL, 8), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_QueuedWorkItem_EnqueueAndWait(item, NULL, 8), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    CHECK_SUCCESS(enqueue_and_wait(item, work_of(1)));
    CHECK_EQUAL(atomic_load(&ran.Count), 1);
    WdfObjectDelete(item);
}

/* ---------------------------------------------------------------------------------------------------- order */

TEST(work_is_done_in_the_order_of_its_queuing)
{
    enum { COUNT = 200 };
    DMFMODULE item = item_create(COUNT + 1);
    Block block;

    block_start(&block, item);
    for (int i = 0; i < COUNT; i++)
    {
        CHECK_SUCCESS(enqueue(item, work_of(i)));
    }
    block_end(&block);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_EQUAL(atomic_load(&ran.Count), COUNT + 1);
    for (int i = 0; i < COUNT; i++)
    {
        CHECK_EQUAL(ran.Numbers[i + 1], i);
    }
    WdfObjectDelete(item);
}

typedef struct
{
    DMFMODULE Item;
    int First;
    int Count;
    atomic_int Failed;
} Producer;

static void* produces(void* argument)
{
    Producer* producer = argument;
    for (int i = 0; i < producer->Count; i++)
    {
        NTSTATUS status;
        while ((status = enqueue(producer->Item, work_of(producer->First + i))) == STATUS_UNSUCCESSFUL)
        {
            sched_yield();
        }
        atomic_fetch_add(&producer->Failed, !NT_SUCCESS(status));
    }
    return NULL;
}

TEST(of_one_item_one_callback_runs_at_a_time_and_each_producers_order_is_kept)
{
    enum { PRODUCERS = 4, EACH = RUNS_MAX / PRODUCERS };
    DMFMODULE item = item_create(16);
    Producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    int each = (int)harness_rounds(EACH);
    int next[PRODUCERS] = {0};

    each = each < EACH ? each : EACH;
    for (int i = 0; i < PRODUCERS; i++)
    {
        producers[i].Item = item;
        producers[i].First = i * EACH;
        producers[i].Count = each;
        atomic_init(&producers[i].Failed, 0);
        REQUIRE(pthread_create(&threads[i], NULL, produces, &producers[i]) == 0);
    }
    for (int i = 0; i < PRODUCERS; i++)
    {
        pthread_join(threads[i], NULL);
        CHECK_EQUAL(atomic_load(&producers[i].Failed), 0);
    }
    DMF_QueuedWorkItem_Flush(item);
    CHECK_EQUAL(atomic_load(&ran.Count), PRODUCERS * each);
    CHECK(!atomic_load(&ran.Overlapped));
    for (int i = 0; i < PRODUCERS * each; i++)
    {
        int producer = ran.Numbers[i] / EACH;
        if (!CHECK_EQUAL(ran.Numbers[i] % EACH, next[producer]))
        {
            break;
        }
        next[producer]++;
    }
    WdfObjectDelete(item);
}

TEST(an_item_that_is_busy_does_not_hold_up_another)
{
    DMFMODULE busy = item_create(2);
    DMFMODULE other = item_create(2);
    Block block;

    block_start(&block, busy);
    CHECK_SUCCESS(enqueue_and_wait(other, work_of(2)));
    block_end(&block);
    WdfObjectDelete(busy);
    WdfObjectDelete(other);
}

static atomic_int chain_left;
static DMFMODULE chain_items[17];

static void WaitsForTheNext(DMFMODULE DmfModule, Work* work)
{
    int next = work->Number + 1;
    UNREFERENCED_PARAMETER(DmfModule);
    if (chain_items[next] != NULL)
    {
        Work following = work_of(next);
        following.Do = WaitsForTheNext;
        CHECK_SUCCESS(enqueue_and_wait(chain_items[next], following));
    }
    atomic_fetch_sub(&chain_left, 1);
}

TEST(callbacks_that_wait_for_other_items_all_get_on)
{
    enum { LINKS = 16 };
    Work work = work_of(0);

    for (int i = 0; i < LINKS; i++)
    {
        chain_items[i] = item_create(1);
    }
    atomic_store(&chain_left, LINKS);
    work.Do = WaitsForTheNext;
    CHECK_SUCCESS(enqueue_and_wait(chain_items[0], work));
    CHECK_EQUAL(atomic_load(&chain_left), 0);
    for (int i = 0; i < LINKS; i++)
    {
        WdfObjectDelete(chain_items[i]);
        chain_items[i] = NULL;
    }
}

static void EnqueuesOneMore(DMFMODULE DmfModule, Work* work)
{
    CHECK_SUCCESS(enqueue(DmfModule, work_of(work->Number + 1)));
}

TEST(a_callback_may_enqueue_more_work_of_its_own)
{
    DMFMODULE item = item_create(2);
    Work work = work_of(1);

    work.Do = EnqueuesOneMore;
    CHECK_SUCCESS(enqueue(item, work));
    EVENTUALLY(atomic_load(&ran.Count) == 2);
    CHECK_EQUAL(ran.Numbers[1], 2);
    CHECK(!atomic_load(&ran.Overlapped));
    WdfObjectDelete(item);
}

/* ----------------------------------------------------------------------------------------------------- wait */

TEST(enqueue_and_wait_returns_when_the_work_is_done)
{
    DMFMODULE item = item_create(2);
    for (int i = 0; i < 100; i++)
    {
        CHECK_SUCCESS(enqueue_and_wait(item, work_of(i)));
        CHECK_EQUAL(atomic_load(&ran.Count), i + 1);
    }
    WdfObjectDelete(item);
}

TEST(enqueue_and_wait_succeeds_whatever_the_callback_returns)
{
    DMFMODULE item = item_create(2);
    Work work = work_of(1);

    work.Result = ScheduledTask_WorkResult_Fail;
    CHECK_SUCCESS(enqueue_and_wait(item, work));
    CHECK_MISUSE(0);
    WdfObjectDelete(item);
}

static void SetsTheStatus(DMFMODULE DmfModule, Work* work)
{
    DMF_QueuedWorkItem_StatusSet(DmfModule, work, (NTSTATUS)(intptr_t)work->Argument);
}

TEST(enqueue_and_wait_returns_what_status_set_said)
{
    static const NTSTATUS statuses[] = {STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, STATUS_PENDING,
                                        STATUS_UNSUCCESSFUL};
    DMFMODULE item = item_create(2);

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
    {
        Work work = work_of(1);
        work.Do = SetsTheStatus;
        work.Argument = (VOID*)(intptr_t)statuses[i];
        CHECK_STATUS(enqueue_and_wait(item, work), statuses[i]);
    }
    WdfObjectDelete(item);
}

static void SetsTheStatusTwice(DMFMODULE DmfModule, Work* work)
{
    DMF_QueuedWorkItem_StatusSet(DmfModule, work, STATUS_UNSUCCESSFUL);
    DMF_QueuedWorkItem_StatusSet(DmfModule, work, STATUS_NOT_SUPPORTED);
}

TEST(the_last_status_set_counts)
{
    DMFMODULE item = item_create(2);
    Work work = work_of(1);

    work.Do = SetsTheStatusTwice;
    CHECK_STATUS(enqueue_and_wait(item, work), STATUS_NOT_SUPPORTED);
    WdfObjectDelete(item);
}

TEST(a_status_reaches_its_own_work_only)
{
    DMFMODULE item = item_create(1);
    Work work = work_of(1);

    work.Do = SetsTheStatus;
    work.Argument = (VOID*)(intptr_t)STATUS_UNSUCCESSFUL;
    CHECK_STATUS(enqueue_and_wait(item, work), STATUS_UNSUCCESSFUL);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_SUCCESS(enqueue_and_wait(item, work_of(2)));
    DMF_QueuedWorkItem_Flush(item);
    CHECK_SUCCESS(enqueue(item, work));
    DMF_QueuedWorkItem_Flush(item);
    CHECK_SUCCESS(enqueue_and_wait(item, work_of(3)));
    WdfObjectDelete(item);
}

typedef struct
{
    DMFMODULE Item;
    NTSTATUS Status;
    NTSTATUS Got;
    atomic_bool Done;
} Waiter;

static void* waits(void* argument)
{
    Waiter* waiter = argument;
    Work work = work_of((int)waiter->Status);
    work.Do = SetsTheStatus;
    work.Argument = (VOID*)(intptr_t)waiter->Status;
    waiter->Got = enqueue_and_wait(waiter->Item, work);
    atomic_store(&waiter->Done, true);
    return NULL;
}

TEST(each_of_several_waiters_gets_the_status_of_its_own_work)
{
    enum { WAITERS = 8 };
    DMFMODULE item = item_create(WAITERS + 1);
    Waiter waiters[WAITERS];
    pthread_t threads[WAITERS];
    Block block;

    block_start(&block, item);
    for (int i = 0; i < WAITERS; i++)
    {
        waiters[i].Item = item;
        waiters[i].Status = (NTSTATUS)(0xE0000000u + (unsigned)i);
        atomic_init(&waiters[i].Done, false);
        REQUIRE(pthread_create(&threads[i], NULL, waits, &waiters[i]) == 0);
    }
    harness_sleep_milliseconds(10);
    for (int i = 0; i < WAITERS; i++)
    {
        CHECK(!atomic_load(&waiters[i].Done));
    }
    block_end(&block);
    for (int i = 0; i < WAITERS; i++)
    {
        pthread_join(threads[i], NULL);
        CHECK_EQUAL(waiters[i].Got, waiters[i].Status);
    }
    WdfObjectDelete(item);
}

static void* waits_often(void* argument)
{
    Waiter* waiter = argument;
    int rounds = (int)harness_rounds(3000);
    for (int i = 0; i < rounds; i++)
    {
        Work work = work_of(i);
        NTSTATUS expected = waiter->Status + i, got;
        work.Do = SetsTheStatus;
        work.Argument = (VOID*)(intptr_t)expected;
        while ((got = enqueue_and_wait(waiter->Item, work)) == STATUS_UNSUCCESSFUL)
        {
            sched_yield();
        }
        if (got != expected)
        {
            waiter->Got = got;
            return NULL;
        }
    }
    waiter->Got = STATUS_SUCCESS;
    return NULL;
}

TEST(waiters_that_share_few_buffers_never_get_each_others_status)
{
    enum { WAITERS = 8 };
    DMFMODULE item = item_create(2);
    Waiter waiters[WAITERS];
    pthread_t threads[WAITERS];

    for (int i = 0; i < WAITERS; i++)
    {
        waiters[i].Item = item;
        waiters[i].Status = (NTSTATUS)(0xE0000000u + (unsigned)i * 0x10000u);
        REQUIRE(pthread_create(&threads[i], NULL, waits_often, &waiters[i]) == 0);
    }
    for (int i = 0; i < WAITERS; i++)
    {
        pthread_join(threads[i], NULL);
        CHECK_SUCCESS(waiters[i].Got);
    }
    WdfObjectDelete(item);
}

TEST(status_set_on_what_is_not_work_in_progress_is_reported)
{
    DMFMODULE item = item_create(2);
    int local = 0;

    CHECK_SUCCESS(enqueue_and_wait(item, work_of(1)));
    DMF_QueuedWorkItem_Flush(item);
    DMF_QueuedWorkItem_StatusSet(item, NULL, STATUS_UNSUCCESSFUL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    DMF_QueuedWorkItem_StatusSet(item, &local, STATUS_UNSUCCESSFUL);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    DMF_QueuedWorkItem_StatusSet(item, (char*)ran.Buffer + 1, STATUS_UNSUCCESSFUL);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    DMF_QueuedWorkItem_StatusSet(item, ran.Buffer, STATUS_UNSUCCESSFUL);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_SUCCESS(enqueue_and_wait(item, work_of(2)));
    WdfObjectDelete(item);
}

static void SetsTheStatusOfAnothersWork(DMFMODULE DmfModule, Work* work)
{
    UNREFERENCED_PARAMETER(DmfModule);
    DMF_QueuedWorkItem_StatusSet(work->Argument, work, STATUS_UNSUCCESSFUL);
}

TEST(status_set_on_the_work_of_another_item_is_reported)
{
    DMFMODULE item = item_create(1), other = item_create(1);
    Work work = work_of(1);

    work.Do = SetsTheStatusOfAnothersWork;
    work.Argument = other;
    CHECK_SUCCESS(enqueue_and_wait(item, work));
    CHECK_MISUSE(1);
    WdfObjectDelete(item);
    WdfObjectDelete(other);
}

static NTSTATUS status_inside;

static void WaitsForItself(DMFMODULE DmfModule, Work* work)
{
    UNREFERENCED_PARAMETER(work);
    status_inside = enqueue_and_wait(DmfModule, work_of(99));
}

TEST(a_callback_that_waits_for_its_own_item_is_refused)
{
    DMFMODULE item = item_create(3);
    Work work = work_of(1);

    work.Do = WaitsForItself;
    CHECK_SUCCESS(enqueue_and_wait(item, work));
    CHECK_STATUS(status_inside, STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_EQUAL(atomic_load(&ran.Count), 1);
    WdfObjectDelete(item);
}

/* ---------------------------------------------------------------------------------------------------- flush */

TEST(flush_of_an_item_without_work_returns_at_once)
{
    DMFMODULE item = item_create(2);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EQUAL(atomic_load(&ran.Count), 0);
    WdfObjectDelete(item);
}

TEST(flush_returns_when_all_that_was_queued_is_done)
{
    enum { COUNT = 20 };
    DMFMODULE item = item_create(COUNT);

    for (unsigned round = 0; round < harness_rounds(200); round++)
    {
        ran_reset();
        for (int i = 0; i < COUNT; i++)
        {
            CHECK_SUCCESS(enqueue(item, work_of(i)));
        }
        DMF_QueuedWorkItem_Flush(item);
        if (!CHECK_EQUAL(atomic_load(&ran.Count), COUNT))
        {
            break;
        }
    }
    WdfObjectDelete(item);
}

static void* flushes(void* argument)
{
    Waiter* waiter = argument;
    DMF_QueuedWorkItem_Flush(waiter->Item);
    atomic_store(&waiter->Done, true);
    return NULL;
}

TEST(flush_waits_for_the_running_callback)
{
    DMFMODULE item = item_create(2);
    Waiter waiter = {item, 0, 0, false};
    pthread_t thread;
    Block block;

    block_start(&block, item);
    REQUIRE(pthread_create(&thread, NULL, flushes, &waiter) == 0);
    harness_sleep_milliseconds(20);
    CHECK(!atomic_load(&waiter.Done));
    block_end(&block);
    pthread_join(thread, NULL);
    CHECK_EQUAL(atomic_load(&ran.Count), 1);
    WdfObjectDelete(item);
}

static atomic_bool goes_on;

static void EnqueuesItselfAgain(DMFMODULE DmfModule, Work* work)
{
    if (atomic_load(&goes_on))
    {
        CHECK_SUCCESS(enqueue(DmfModule, *work));
    }
}

TEST(flush_ends_though_work_keeps_coming)
{
    DMFMODULE item = item_create(4);
    Work work = work_of(1);

    atomic_store(&goes_on, true);
    work.Do = EnqueuesItselfAgain;
    CHECK_SUCCESS(enqueue(item, work));
    CHECK_SUCCESS(enqueue(item, work));
    for (unsigned i = 0; i < 10; i++)
    {
        DMF_QueuedWorkItem_Flush(item);
    }
    atomic_store(&goes_on, false);
    DMF_QueuedWorkItem_Flush(item);
    CHECK(atomic_load(&ran.Count) >= 2);
    WdfObjectDelete(item);
}

static void FlushesItself(DMFMODULE DmfModule, Work* work)
{
    UNREFERENCED_PARAMETER(work);
    DMF_QueuedWorkItem_Flush(DmfModule);
    status_inside = DMF_LastStatusGet();
}

TEST(a_callback_that_flushes_its_own_item_is_refused)
{
    DMFMODULE item = item_create(2);
    Work work = work_of(1);
    Block block;

    block_start(&block, item);
    work.Do = FlushesItself;
    CHECK_SUCCESS(enqueue(item, work));
    block_end(&block);
    DMF_QueuedWorkItem_Flush(item);
    CHECK_STATUS(status_inside, STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(atomic_load(&ran.Count), 2);
    WdfObjectDelete(item);
}

/* -------------------------------------------------------------------------------------------------- results */

TEST(results_other_than_success_and_fail_are_reported_and_count_as_success)
{
    static const int results[] = {ScheduledTask_WorkResult_Invalid, ScheduledTask_WorkResult_FailButTryAgain,
                                  ScheduledTask_WorkResult_SuccessButTryAgain, 5, -1, 0x7FFFFFFF};
    DMFMODULE item = item_create(1);

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
    {
        Work work = work_of((int)i);
        work.Result = (ScheduledTask_Result_Type)results[i];
        CHECK_SUCCESS(enqueue_and_wait(item, work));
        DMF_QueuedWorkItem_Flush(item);
        CHECK_MISUSE(1);
        CHECK_EQUAL(atomic_load(&ran.Count), i + 1);
    }
    WdfObjectDelete(item);
}

/* --------------------------------------------------------------------------------------------------- delete */

typedef struct
{
    WDFOBJECT Object;
    atomic_bool Done;
} Deletion;

static void* deletes(void* argument)
{
    Deletion* deletion = argument;
    WdfObjectDelete(deletion->Object);
    atomic_store(&deletion->Done, true);
    return NULL;
}

TEST(delete_waits_for_the_running_callback)
{
    DMFMODULE item = item_create(2);
    Deletion deletion = {item, false};
    pthread_t thread;
    Block block;

    block_start(&block, item);
    REQUIRE(pthread_create(&thread, NULL, deletes, &deletion) == 0);
    harness_sleep_milliseconds(20);
    CHECK(!atomic_load(&deletion.Done));
    block_end(&block);
    pthread_join(thread, NULL);
    CHECK_EQUAL(atomic_load(&ran.Count), 1);
}

TEST(after_delete_nothing_runs_and_nothing_ran_twice)
{
    enum { COUNT = 50 };
    for (unsigned round = 0; round < harness_rounds(50); round++)
    {
        DMFMODULE item = item_create(COUNT);
        int count;

        for (int i = 0; i < COUNT; i++)
        {
            CHECK_SUCCESS(enqueue(item, work_of(i)));
        }
        WdfObjectDelete(item);
        count = atomic_load(&ran.Count);
        CHECK_EQUAL(atomic_load(&ran.Inside), 0);
        CHECK(count <= COUNT);
        for (int i = 0; i < count; i++)
        {
            CHECK_EQUAL(ran.Numbers[i], i);
        }
        if (round == 0)
        {
            harness_sleep_milliseconds(20);
            CHECK_EQUAL(atomic_load(&ran.Count), count);
        }
    }
}

TEST(delete_with_work_queued_ends_those_who_wait_for_it)
{
    DMFMODULE item = item_create(4);
    Waiter waiter = {item, STATUS_NOT_SUPPORTED, 0, false};
    Deletion deletion = {item, false};
    pthread_t waiting, deleting;
    Block block;

    block_start(&block, item);
    REQUIRE(pthread_create(&waiting, NULL, waits, &waiter) == 0);
    harness_sleep_milliseconds(20);
    REQUIRE(pthread_create(&deleting, NULL, deletes, &deletion) == 0);
    harness_sleep_milliseconds(20);
    block_end(&block);
    pthread_join(waiting, NULL);
    pthread_join(deleting, NULL);
    CHECK(waiter.Got == STATUS_NOT_SUPPORTED || waiter.Got == STATUS_CANCELLED);
    CHECK_EQUAL(atomic_load(&ran.Count), waiter.Got == STATUS_CANCELLED ? 1 : 2);
}

static void DeletesItsItem(DMFMODULE DmfModule, Work* work)
{
    WdfObjectDelete(DmfModule);
    status_inside = enqueue(DmfModule, work_of(work->Number + 1));
}

TEST(a_callback_may_delete_its_own_item)
{
    DMFMODULE item = item_create(3);
    Work work = work_of(1);

    work.Do = DeletesItsItem;
    status_inside = STATUS_SUCCESS;
    CHECK_SUCCESS(enqueue(item, work));
    EVENTUALLY(atomic_load(&ran.Count) == 1);
    CHECK(!NT_SUCCESS(status_inside));
    MISUSE_IGNORE();
    harness_sleep_milliseconds(20);
    CHECK_EQUAL(atomic_load(&ran.Count), 1);
    CHECK(!NT_SUCCESS(enqueue(item, work_of(3))));
    MISUSE_IGNORE();
}

static void DeletesTheDevice(DMFMODULE DmfModule, Work* work)
{
    UNREFERENCED_PARAMETER(DmfModule);
    WdfObjectDelete(work->Argument);
}

TEST(a_callback_may_delete_the_device_of_its_item)
{
    WDFDEVICE device = NULL;
    DMFMODULE item;
    Work work = work_of(1);

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    item = item_create_on(device, 2);
    work.Do = DeletesTheDevice;
    work.Argument = device;
    CHECK_SUCCESS(enqueue(item, work));
    EVENTUALLY(atomic_load(&ran.Count) == 1);
    EVENTUALLY(enqueue(item, work_of(2)) == STATUS_INVALID_HANDLE);
    MISUSE_IGNORE();
}

TEST(a_callback_may_delete_the_device_while_another_thread_deletes_the_item)
{
    WDFDEVICE device = NULL;
    DMFMODULE item;
    Work work = work_of(1);
    sem_t entered, go;
    Deletion deletion;
    pthread_t thread;

    sem_init(&entered, 0, 0);
    sem_init(&go, 0, 0);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    item = item_create_on(device, 2);
    work.Entered = &entered;
    work.Go = &go;
    work.Do = DeletesTheDevice;
    work.Argument = device;
    CHECK_SUCCESS(enqueue(item, work));
    sem_wait(&entered);
    deletion.Object = item;
    atomic_init(&deletion.Done, false);
    REQUIRE(pthread_create(&thread, NULL, deletes, &deletion) == 0);
    harness_sleep_milliseconds(20);
    sem_post(&go);
    pthread_join(thread, NULL);
    CHECK_EQUAL(atomic_load(&ran.Count), 1);
}

TEST(an_item_goes_with_its_device)
{
    WDFDEVICE device = NULL;
    DMFMODULE item;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    item = item_create_on(device, 2);
    CHECK_SUCCESS(enqueue_and_wait(item, work_of(1)));
    WdfObjectDelete(device);
    CHECK_STATUS(enqueue(item, work_of(2)), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

static NTSTATUS status_of_notification[3];

static VOID PreClose(DMFMODULE DmfModule)
{
    status_of_notification[1] = enqueue_and_wait(DmfModule, work_of(2));
}

static VOID PostOpen(DMFMODULE DmfModule)
{
    status_of_notification[0] = enqueue_and_wait(DmfModule, work_of(1));
}

static VOID Cleanup(WDFOBJECT Object)
{
    status_of_notification[2] = enqueue((DMFMODULE)Object, work_of(3));
}

TEST(the_methods_work_from_post_open_to_pre_close_and_not_after)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_MODULE_EVENT_CALLBACKS callbacks;
    WDF_OBJECT_ATTRIBUTES object_attributes;
    DMFMODULE item = NULL;

    ran_reset();
    item_configure(&config, &attributes, 2);
    DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&attributes, &callbacks);
    callbacks.EvtModuleOnDeviceNotificationPostOpen = PostOpen;
    callbacks.EvtModuleOnDeviceNotificationPreClose = PreClose;
    WDF_OBJECT_ATTRIBUTES_INIT(&object_attributes);
    object_attributes.EvtCleanupCallback = Cleanup;
    for (int i = 0; i < 3; i++)
    {
        status_of_notification[i] = STATUS_INTERNAL_ERROR;
    }
    REQUIRE_SUCCESS(DMF_QueuedWorkItem_Create(NULL, &attributes, &object_attributes, &item));
    CHECK_SUCCESS(status_of_notification[0]);
    WdfObjectDelete(item);
    CHECK_SUCCESS(status_of_notification[1]);
    CHECK_STATUS(status_of_notification[2], STATUS_INVALID_DEVICE_STATE);
    CHECK_EQUAL(atomic_load(&ran.Count), 2);
}

static NTSTATUS status_set_when_destroyed;

static EVT_WDF_OBJECT_CONTEXT_DESTROY SetsAStatusAtTheEnd;

static VOID SetsAStatusAtTheEnd(WDFOBJECT Object)
{
    DMF_QueuedWorkItem_StatusSet(Object, &status_set_when_destroyed, STATUS_SUCCESS);
    status_set_when_destroyed = DMF_LastStatusGet();
}

TEST(the_destroy_callback_finds_no_item_to_work_on)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDF_OBJECT_ATTRIBUTES object;
    DMFMODULE item = NULL;

    item_configure(&config, &attributes, 1);
    WDF_OBJECT_ATTRIBUTES_INIT(&object);
    object.EvtDestroyCallback = SetsAStatusAtTheEnd;
    REQUIRE_SUCCESS(DMF_QueuedWorkItem_Create(NULL, &attributes, &object, &item));
    status_set_when_destroyed = STATUS_SUCCESS;
    WdfObjectDelete(item);
    CHECK(!NT_SUCCESS(status_set_when_destroyed));
    MISUSE_IGNORE();
}

/* ------------------------------------------------------------------------ callbacks that wait for callbacks */

/* As many as the library has threads for callbacks that may block, where none of them waits in the library. */
#define THREADS_MOST 32

static struct
{
    DMFMODULE Outer[THREADS_MOST];
    DMFMODULE Inner[THREADS_MOST];
    bool Deletes;
    atomic_int Inside;
    atomic_int InnerRan;
    atomic_int OuterRan;
} nest;

static ScheduledTask_Result_Type InnerRuns(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    atomic_fetch_add(&nest.InnerRan, 1);
    return ScheduledTask_WorkResult_Success;
}

/* When all threads are in here, each wants one more. */
static ScheduledTask_Result_Type OuterRuns(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    int which = *(int*)ClientBuffer;

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    atomic_fetch_add(&nest.Inside, 1);
    EVENTUALLY(atomic_load(&nest.Inside) == THREADS_MOST);
    if (nest.Deletes)
    {
        CHECK_SUCCESS(DMF_QueuedWorkItem_Enqueue(nest.Inner[which], &which, sizeof(which)));
        WdfObjectDelete(nest.Inner[which]);
    }
    else
    {
        CHECK_SUCCESS(DMF_QueuedWorkItem_EnqueueAndWait(nest.Inner[which], &which, sizeof(which)));
    }
    atomic_fetch_add(&nest.OuterRan, 1);
    return ScheduledTask_WorkResult_Success;
}

static void check_nest(bool deletes)
{
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;

    memset(&nest, 0, sizeof(nest));
    nest.Deletes = deletes;
    CHECK_SUCCESS(DMF_Device_Create(NULL, &device));
    item_configure(&config, &attributes, 1);
    for (int i = 0; i < THREADS_MOST; i++)
    {
        config.EvtQueuedWorkitemFunction = OuterRuns;
        CHECK_SUCCESS(DMF_QueuedWorkItem_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &nest.Outer[i]));
        config.EvtQueuedWorkitemFunction = InnerRuns;
        CHECK_SUCCESS(DMF_QueuedWorkItem_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &nest.Inner[i]));
    }
    for (int i = 0; i < THREADS_MOST; i++)
    {
        CHECK_SUCCESS(DMF_QueuedWorkItem_Enqueue(nest.Outer[i], &i, sizeof(i)));
    }
    EVENTUALLY(atomic_load(&nest.OuterRan) == THREADS_MOST);
    EVENTUALLY(atomic_load(&nest.InnerRan) == THREADS_MOST);
    WdfObjectDelete(device);
}

TEST(as_many_callbacks_as_there_are_threads_may_wait_for_work_of_other_items)
{
    check_nest(false);
}

TEST(as_many_callbacks_as_there_are_threads_may_delete_items_that_have_work)
{
    check_nest(true);
}

TEST(the_threads_end_with_the_last_item)
{
    unsigned before = harness_threads();
    DMFMODULE items[3];

    for (int i = 0; i < 3; i++)
    {
        items[i] = item_create(2);
        CHECK_SUCCESS(enqueue_and_wait(items[i], work_of(i)));
    }
    CHECK(harness_threads() > before);
    for (int i = 0; i < 3; i++)
    {
        WdfObjectDelete(items[i]);
    }
    EVENTUALLY(harness_threads() == before);
}

TEST(items_come_and_go_without_end)
{
    for (unsigned i = 0; i < harness_rounds(500); i++)
    {
        DMFMODULE item = item_create(2);
        REQUIRE(item != NULL);
        CHECK_SUCCESS(enqueue(item, work_of(1)));
        if (i % 2 == 0)
        {
            CHECK_SUCCESS(enqueue_and_wait(item, work_of(2)));
        }
        WdfObjectDelete(item);
    }
}

/* ---------------------------------------------------------------------------------------------- bad handles */

static void check_refused(VOID* handle)
{
    DMFMODULE bad = (DMFMODULE)handle;
    Work work = work_of(1);

    CHECK_STATUS(DMF_QueuedWorkItem_Enqueue(bad, &work, sizeof(work)), STATUS_INVALID_HANDLE);
    CHECK_CONTAINS(harness.MisuseMethod, "DMF_QueuedWorkItem_Enqueue");
    CHECK_POINTER(harness.MisuseHandle, handle);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_QueuedWorkItem_EnqueueAndWait(bad, &work, sizeof(work)), STATUS_INVALID_HANDLE);
    CHECK_CONTAINS(harness.MisuseMethod, "DMF_QueuedWorkItem_EnqueueAndWait");
    CHECK_MISUSE(1);
    DMF_QueuedWorkItem_Flush(bad);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_CONTAINS(harness.MisuseMethod, "DMF_QueuedWorkItem_Flush");
    CHECK_MISUSE(1);
    DMF_QueuedWorkItem_StatusSet(bad, &work, STATUS_SUCCESS);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_CONTAINS(harness.MisuseMethod, "DMF_QueuedWorkItem_StatusSet");
    CHECK_MISUSE(1);
}

TEST(what_is_not_an_item_is_refused_by_every_method)
{
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE item = item_create(2), deleted = item_create(2), pool = NULL;
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
    CHECK_EQUAL(atomic_load(&ran.Count), 0);
    WdfObjectDelete(item);
    WdfObjectDelete(pool);
    WdfObjectDelete(device);
}

TEST(a_reference_keeps_the_handle_and_not_the_methods)
{
    DMFMODULE item = item_create(2);

    WdfObjectReference(item);
    WdfObjectDelete(item);
    CHECK(!NT_SUCCESS(enqueue(item, work_of(1))));
    CHECK(!NT_SUCCESS(enqueue_and_wait(item, work_of(1))));
    MISUSE_IGNORE();
    CHECK_EQUAL(atomic_load(&ran.Count), 0);
    WdfObjectDereference(item);
}

int main(void)
{
    RUN(a_config_starts_as_zeros_in_memory_that_is_not_paged);
    RUN(an_item_without_a_callback_is_refused);
    RUN(an_item_without_buffers_or_with_buffers_of_no_size_is_refused);
    RUN(without_a_config_an_item_has_zeros_and_is_refused);
    RUN(a_config_of_another_size_is_refused);
    RUN(create_copies_the_config);
    RUN(paged_memory_needs_passive_level);

    RUN(enqueued_work_is_done_on_another_thread);
    RUN(the_callback_gets_the_handle_that_create_gave);
    RUN(what_is_queued_is_a_copy);
    RUN(beyond_what_was_queued_buffer_and_context_are_zeros);
    RUN(work_larger_than_a_buffer_is_refused_and_no_buffer_is_lost);
    RUN(without_a_free_buffer_nothing_is_queued);
    RUN(with_look_aside_there_is_always_a_free_buffer);
    RUN(work_without_data_is_refused);

    RUN(work_is_done_in_the_order_of_its_queuing);
    RUN(of_one_item_one_callback_runs_at_a_time_and_each_producers_order_is_kept);
    RUN(an_item_that_is_busy_does_not_hold_up_another);
    RUN(callbacks_that_wait_for_other_items_all_get_on);
    RUN(a_callback_may_enqueue_more_work_of_its_own);

    RUN(enqueue_and_wait_returns_when_the_work_is_done);
    RUN(enqueue_and_wait_succeeds_whatever_the_callback_returns);
    RUN(enqueue_and_wait_returns_what_status_set_said);
    RUN(the_last_status_set_counts);
    RUN(a_status_reaches_its_own_work_only);
    RUN(each_of_several_waiters_gets_the_status_of_its_own_work);
    RUN(waiters_that_share_few_buffers_never_get_each_others_status);
    RUN(status_set_on_what_is_not_work_in_progress_is_reported);
    RUN(status_set_on_the_work_of_another_item_is_reported);
    RUN(a_callback_that_waits_for_its_own_item_is_refused);

    RUN(flush_of_an_item_without_work_returns_at_once);
    RUN(flush_returns_when_all_that_was_queued_is_done);
    RUN(flush_waits_for_the_running_callback);
    RUN(flush_ends_though_work_keeps_coming);
    RUN(a_callback_that_flushes_its_own_item_is_refused);

    RUN(results_other_than_success_and_fail_are_reported_and_count_as_success);

    RUN(delete_waits_for_the_running_callback);
    RUN(after_delete_nothing_runs_and_nothing_ran_twice);
    RUN(delete_with_work_queued_ends_those_who_wait_for_it);
    RUN(a_callback_may_delete_its_own_item);
    RUN(a_callback_may_delete_the_device_of_its_item);
    RUN(a_callback_may_delete_the_device_while_another_thread_deletes_the_item);
    RUN(an_item_goes_with_its_device);
    RUN(the_methods_work_from_post_open_to_pre_close_and_not_after);
    RUN(the_destroy_callback_finds_no_item_to_work_on);
    RUN(as_many_callbacks_as_there_are_threads_may_wait_for_work_of_other_items);
    RUN(as_many_callbacks_as_there_are_threads_may_delete_items_that_have_work);
    RUN(the_threads_end_with_the_last_item);
    RUN(items_come_and_go_without_end);

    RUN(what_is_not_an_item_is_refused_by_every_method);
    RUN(a_reference_keeps_the_handle_and_not_the_methods);
    return TESTS_RESULT();
}
