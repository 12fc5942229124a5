/* BufferQueue: unused buffers are fetched and enqueued, work is dequeued and its buffers are used again. */
#define _DEFAULT_SOURCE

#include "harness.h"

#include <sched.h>
#include <stdatomic.h>

#define BUFFER_SIZE 64
#define CONTEXT_SIZE 16
/* Longer than any test: a timer with this period never fires. */
#define NEVER 3600000ull

/* -------------------------------------------------------------------------------------------------- queues */

/* What the cleanup callback saw. It has no context of its own, so there is one of these. */
static struct
{
    atomic_uint Calls;
    DMFMODULE Module;
    VOID* Buffers[8];
    VOID* Contexts[8];
    UCHAR Bytes[8];         /* the first of each buffer */
    UCHAR ContextBytes[8];  /* the first of each context */
    void (*Also)(DMFMODULE queue, VOID* buffer, VOID* context);
} cleaned;

static EVT_DMF_BufferQueue_ReuseCleanup Clean;

static VOID Clean(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    unsigned call = atomic_fetch_add(&cleaned.Calls, 1);
    cleaned.Module = DmfModule;
    if (call < 8)
    {
        cleaned.Buffers[call] = ClientBuffer;
        cleaned.Contexts[call] = ClientBufferContext;
        cleaned.Bytes[call] = *(UCHAR*)ClientBuffer;
        cleaned.ContextBytes[call] = *(UCHAR*)ClientBufferContext;
    }
    if (cleaned.Also != NULL)
    {
        cleaned.Also(DmfModule, ClientBuffer, ClientBufferContext);
    }
}

static unsigned cleaned_count(void)
{
    return atomic_load(&cleaned.Calls);
}

static NTSTATUS queue_try(const BufferPool_SourceSettings* settings, EVT_DMF_BufferQueue_ReuseCleanup* cleanup,
                          DMFMODULE* queue)
{
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&cleaned, 0, sizeof(cleaned));
    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings = *settings;
    config.EvtBufferQueueReuseCleanup = cleanup;
    return DMF_BufferQueue_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, queue);
}

static DMFMODULE queue_create_with(ULONG count, ULONG context_size, ULONG look_aside, ULONG timer)
{
    BufferPool_SourceSettings settings = {count, BUFFER_SIZE, context_size, look_aside, timer, NonPagedPoolNx};
    DMFMODULE queue = NULL;
    CHECK_SUCCESS(queue_try(&settings, Clean, &queue));
    return queue;
}

static DMFMODULE queue_create(ULONG count)
{
    return queue_create_with(count, CONTEXT_SIZE, FALSE, FALSE);
}

static DMFMODULE queue_create_with_timers(ULONG count)
{
    return queue_create_with(count, CONTEXT_SIZE, FALSE, TRUE);
}

/* An unused buffer, marked with a number: its bytes, and those of its context plus 100. */
static VOID* buffer_fetch(DMFMODULE queue, int number)
{
    VOID* buffer = NULL;
    VOID* context = NULL;
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, &context));
    if (buffer != NULL && context != NULL)
    {
        memset(buffer, number, BUFFER_SIZE);
        memset(context, number + 100, CONTEXT_SIZE);
    }
    return buffer;
}

/* Fetches buffers, marks them with 1 to `count` and enqueues them. */
static void fill(DMFMODULE queue, VOID** buffers, int count)
{
    for (int i = 0; i < count; i++)
    {
        buffers[i] = buffer_fetch(queue, i + 1);
        DMF_BufferQueue_Enqueue(queue, buffers[i]);
        CHECK_SUCCESS(DMF_LastStatusGet());
    }
}

/* Dequeues a buffer, which must be this one. */
static void check_next(DMFMODULE queue, VOID* expected)
{
    VOID* buffer = NULL;
    CHECK_SUCCESS(DMF_BufferQueue_Dequeue(queue, &buffer, NULL));
    CHECK_POINTER(buffer, expected);
}

/* Neither list has a buffer too few or too many: the Producer has so many, and the Consumer none. */
static void check_all_unused(DMFMODULE queue, int count)
{
    VOID* buffers[16];
    VOID* buffer = NULL;

    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    for (int i = 0; i < count; i++)
    {
        CHECK_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffers[i], NULL));
    }
    CHECK_STATUS(DMF_BufferQueue_Fetch(queue, &buffer, NULL), STATUS_UNSUCCESSFUL);
    for (int i = 0; i < count; i++)
    {
        DMF_BufferQueue_Reuse(queue, buffers[i]);
    }
}

/* -------------------------------------------------------------------------------------------------- create */

static void check_refused(ULONG count, ULONG size, ULONG look_aside, ULONG timer)
{
    BufferPool_SourceSettings settings = {count, size, 0, look_aside, timer, NonPagedPoolNx};
    DMFMODULE queue = (DMFMODULE)&settings;
    CHECK_STATUS(queue_try(&settings, NULL, &queue), STATUS_INVALID_PARAMETER);
    CHECK(queue == NULL);
    MISUSE_IGNORE();
}

TEST(a_queue_needs_a_source_that_can_be)
{
    check_refused(4, 0, FALSE, FALSE);
    check_refused(0, 64, FALSE, FALSE);
    check_refused(0, 64, TRUE, TRUE);
}

TEST(a_queue_for_which_there_is_no_memory_is_refused)
{
    BufferPool_SourceSettings settings = {0xFFFFFFFF, 0xFFFFFFFF, 0, 0, 0, NonPagedPoolNx};
    DMFMODULE queue = (DMFMODULE)&settings;
    CHECK_STATUS(queue_try(&settings, NULL, &queue), STATUS_INSUFFICIENT_RESOURCES);
    CHECK(queue == NULL);
    MISUSE_IGNORE();
}

TEST(a_queues_config_starts_as_zeros_in_memory_that_is_not_paged)
{
    DMF_CONFIG_BufferQueue config, zeros;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&config, 0xA5, sizeof(config));
    memset(&zeros, 0, sizeof(zeros));
    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    CHECK_POINTER(attributes.ModuleConfigPointer, &config);
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, sizeof(config));
    CHECK(attributes.InstanceCreator == DMF_BufferQueue_Create);
    CHECK_EQUAL(config.SourceSettings.PoolType, NonPagedPoolNx);
    config.SourceSettings.PoolType = NonPagedPool;
    CHECK(memcmp(&config, &zeros, sizeof(config)) == 0);
}

static void check_create_in_pool(POOL_TYPE pool_type, BOOLEAN passive, unsigned misuse)
{
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = NULL;

    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings.BufferCount = 2;
    config.SourceSettings.BufferSize = BUFFER_SIZE;
    config.SourceSettings.PoolType = pool_type;
    attributes.PassiveLevel = passive;
    REQUIRE_SUCCESS(DMF_BufferQueue_Create(NULL, &attributes, NULL, &queue));
    CHECK_MISUSE(misuse);
    check_all_unused(queue, 2);
    WdfObjectDelete(queue);
}

TEST(a_queue_at_passive_level_works)
{
    check_create_in_pool(NonPagedPoolNx, TRUE, 0);
    check_create_in_pool(PagedPool, TRUE, 0);
}

TEST(a_paged_queue_without_passive_level_is_reported_once_and_works)
{
    check_create_in_pool(PagedPool, FALSE, 1);
}

TEST(a_queue_starts_with_all_its_buffers_unused)
{
    DMFMODULE queue = queue_create(5);
    check_all_unused(queue, 5);
    WdfObjectDelete(queue);
}

/* ------------------------------------------------------------------------------------------- fetch, enqueue */

TEST(fetched_buffers_and_contexts_are_zeros)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffer = NULL;
    VOID* context = NULL;

    REQUIRE_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, &context));
    CHECK_ALL_BYTES(buffer, 0, BUFFER_SIZE);
    CHECK_ALL_BYTES(context, 0, CONTEXT_SIZE);
    DMF_BufferQueue_Reuse(queue, buffer);
    WdfObjectDelete(queue);
}

TEST(fetch_from_an_empty_producer_leaves_the_outputs_alone)
{
    DMFMODULE queue = queue_create(1);
    VOID* only = buffer_fetch(queue, 1);
    VOID* buffer = &queue;
    VOID* context = &queue;

    CHECK_STATUS(DMF_BufferQueue_Fetch(queue, &buffer, &context), STATUS_UNSUCCESSFUL);
    CHECK_STATUS(DMF_BufferQueue_Fetch(queue, &buffer, NULL), STATUS_UNSUCCESSFUL);
    CHECK_POINTER(buffer, &queue);
    CHECK_POINTER(context, &queue);
    CHECK_MISUSE(0);
    DMF_BufferQueue_Reuse(queue, only);
    WdfObjectDelete(queue);
}

TEST(fetch_does_not_take_queued_work)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffers[1];
    VOID* buffer = NULL;

    fill(queue, buffers, 1);
    CHECK_STATUS(DMF_BufferQueue_Fetch(queue, &buffer, NULL), STATUS_UNSUCCESSFUL);
    check_next(queue, buffers[0]);
    WdfObjectDelete(queue);
    DMF_BufferQueue_Reuse(queue, buffers[0]);
}

TEST(fetch_grows_with_look_aside)
{
    DMFMODULE queue = queue_create_with(1, CONTEXT_SIZE, TRUE, FALSE);
    VOID* buffers[4];

    for (int i = 0; i < 4; i++)
    {
        REQUIRE_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffers[i], NULL));
        CHECK_ALL_BYTES(buffers[i], 0, BUFFER_SIZE);
    }
    for (int i = 0; i < 4; i++)
    {
        DMF_BufferQueue_Enqueue(queue, buffers[i]);
    }
    for (int i = 0; i < 4; i++)
    {
        check_next(queue, buffers[i]);
        DMF_BufferQueue_Reuse(queue, buffers[i]);
    }
    CHECK_EQUAL(cleaned_count(), 4);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
}

TEST(dequeue_does_not_grow_with_look_aside)
{
    DMFMODULE queue = queue_create_with(1, CONTEXT_SIZE, TRUE, FALSE);
    VOID* buffer = &queue;
    CHECK_STATUS(DMF_BufferQueue_Dequeue(queue, &buffer, NULL), STATUS_UNSUCCESSFUL);
    CHECK_POINTER(buffer, &queue);
    WdfObjectDelete(queue);
}

TEST(fetch_without_a_place_for_the_buffer_takes_none)
{
    DMFMODULE queue = queue_create(2);
    VOID* context = NULL;
    CHECK_STATUS(DMF_BufferQueue_Fetch(queue, NULL, &context), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    check_all_unused(queue, 2);
    WdfObjectDelete(queue);
}

TEST(work_is_dequeued_in_the_order_in_which_it_was_enqueued)
{
    DMFMODULE queue = queue_create(4);
    VOID* buffers[4];

    fill(queue, buffers, 4);
    for (int i = 0; i < 4; i++)
    {
        check_next(queue, buffers[i]);
        CHECK_ALL_BYTES(buffers[i], i + 1, BUFFER_SIZE);
        DMF_BufferQueue_Reuse(queue, buffers[i]);
    }
    check_all_unused(queue, 4);
    WdfObjectDelete(queue);
}

TEST(work_that_is_enqueued_at_the_head_comes_first)
{
    DMFMODULE queue = queue_create(3);
    VOID* buffers[3];

    fill(queue, buffers, 2);
    buffers[2] = buffer_fetch(queue, 3);
    DMF_BufferQueue_EnqueueAtHead(queue, buffers[2]);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 3);
    check_next(queue, buffers[2]);
    check_next(queue, buffers[0]);
    check_next(queue, buffers[1]);
    for (int i = 0; i < 3; i++)
    {
        DMF_BufferQueue_Reuse(queue, buffers[i]);
    }
    WdfObjectDelete(queue);
}

TEST(dequeued_work_can_be_enqueued_again)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffers[2];

    fill(queue, buffers, 2);
    check_next(queue, buffers[0]);
    DMF_BufferQueue_Enqueue(queue, buffers[0]);
    check_next(queue, buffers[1]);
    DMF_BufferQueue_EnqueueAtHead(queue, buffers[1]);
    check_next(queue, buffers[1]);
    check_next(queue, buffers[0]);
    CHECK_ALL_BYTES(buffers[0], 1, BUFFER_SIZE);
    CHECK_ALL_BYTES(buffers[1], 2, BUFFER_SIZE);
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, buffers[1]);
    WdfObjectDelete(queue);
}

TEST(count_tells_of_queued_work_only)
{
    DMFMODULE queue = queue_create(3);
    VOID* buffers[3];
    VOID* held;

    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    held = buffer_fetch(queue, 9);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    fill(queue, buffers, 2);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 2);
    check_next(queue, buffers[0]);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 1);
    CHECK_SUCCESS(DMF_LastStatusGet());
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 1);
    DMF_BufferQueue_Reuse(queue, held);
    WdfObjectDelete(queue);
}

/* ------------------------------------------------------------------------------------------------- dequeue */

TEST(dequeue_gives_buffer_and_context_as_they_were_enqueued)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffers[1];
    VOID* buffer = NULL;
    VOID* context = NULL;

    fill(queue, buffers, 1);
    REQUIRE_SUCCESS(DMF_BufferQueue_Dequeue(queue, &buffer, &context));
    CHECK_POINTER(buffer, buffers[0]);
    CHECK_ALL_BYTES(buffer, 1, BUFFER_SIZE);
    CHECK_ALL_BYTES(context, 101, CONTEXT_SIZE);
    DMF_BufferQueue_Reuse(queue, buffer);
    WdfObjectDelete(queue);
}

TEST(dequeue_from_an_empty_consumer_leaves_the_outputs_alone)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffer = &queue;
    VOID* context = &queue;
    WDF_MEMORY_DESCRIPTOR descriptor, untouched;

    memset(&descriptor, 0xA5, sizeof(descriptor));
    memcpy(&untouched, &descriptor, sizeof(descriptor));
    CHECK_STATUS(DMF_BufferQueue_Dequeue(queue, &buffer, &context), STATUS_UNSUCCESSFUL);
    CHECK_STATUS(DMF_BufferQueue_Dequeue(queue, &buffer, NULL), STATUS_UNSUCCESSFUL);
    CHECK_STATUS(DMF_BufferQueue_DequeueWithMemoryDescriptor(queue, &buffer, &descriptor, &context),
                 STATUS_INSUFFICIENT_RESOURCES);
    CHECK_POINTER(buffer, &queue);
    CHECK_POINTER(context, &queue);
    CHECK(memcmp(&descriptor, &untouched, sizeof(descriptor)) == 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
}

TEST(dequeue_with_memory_descriptor_describes_the_buffer_by_handle)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffers[1];
    VOID* buffer = NULL;
    VOID* context = NULL;
    WDF_MEMORY_DESCRIPTOR descriptor;
    size_t size = 0;

    fill(queue, buffers, 1);
    memset(&descriptor, 0xA5, sizeof(descriptor));
    REQUIRE_SUCCESS(DMF_BufferQueue_DequeueWithMemoryDescriptor(queue, &buffer, &descriptor, &context));
    CHECK_POINTER(buffer, buffers[0]);
    CHECK_ALL_BYTES(context, 101, CONTEXT_SIZE);
    CHECK_EQUAL(descriptor.Type, WdfMemoryDescriptorTypeHandle);
    CHECK(descriptor.u.HandleType.Offsets == NULL);
    CHECK_POINTER(WdfMemoryGetBuffer(descriptor.u.HandleType.Memory, &size), buffer);
    CHECK_EQUAL(size, BUFFER_SIZE);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    DMF_BufferQueue_Reuse(queue, buffer);
    WdfObjectDelete(queue);
}

TEST(dequeue_with_nowhere_to_put_the_result_takes_nothing)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffers[1];
    VOID* buffer = NULL;
    VOID* context = NULL;
    WDF_MEMORY_DESCRIPTOR descriptor;

    fill(queue, buffers, 1);
    CHECK_STATUS(DMF_BufferQueue_Dequeue(queue, NULL, &context), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferQueue_DequeueWithMemoryDescriptor(queue, NULL, &descriptor, &context),
                 STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferQueue_DequeueWithMemoryDescriptor(queue, &buffer, NULL, &context),
                 STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferQueue_DequeueWithMemoryDescriptor(queue, &buffer, &descriptor, NULL),
                 STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(4);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 1);
    WdfObjectDelete(queue);
}

TEST(a_context_of_no_bytes_is_not_null)
{
    DMFMODULE queue = queue_create_with(1, 0, FALSE, FALSE);
    VOID* buffer = NULL;
    VOID* context = NULL;
    WDF_MEMORY_DESCRIPTOR descriptor;

    REQUIRE_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, &context));
    CHECK(context != NULL);
    context = NULL;
    DMF_BufferQueue_ContextGet(queue, buffer, &context);
    CHECK(context != NULL);
    DMF_BufferQueue_Enqueue(queue, buffer);
    context = NULL;
    REQUIRE_SUCCESS(DMF_BufferQueue_Dequeue(queue, &buffer, &context));
    CHECK(context != NULL);
    DMF_BufferQueue_Enqueue(queue, buffer);
    context = NULL;
    REQUIRE_SUCCESS(DMF_BufferQueue_DequeueWithMemoryDescriptor(queue, &buffer, &descriptor, &context));
    CHECK(context != NULL);
    DMF_BufferQueue_Reuse(queue, buffer);
    CHECK(cleaned.Contexts[0] != NULL);
    WdfObjectDelete(queue);
}

TEST(context_get_gives_the_context_that_fetch_gave)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffer = NULL;
    VOID* context = NULL;
    VOID* again = NULL;

    REQUIRE_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, &context));
    DMF_BufferQueue_ContextGet(queue, buffer, &again);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_POINTER(again, context);
    DMF_BufferQueue_Reuse(queue, buffer);
    WdfObjectDelete(queue);
}

TEST(context_get_of_what_is_no_buffer_is_reported)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffer = buffer_fetch(queue, 1);
    VOID* context = &queue;

    DMF_BufferQueue_ContextGet(queue, NULL, &context);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    DMF_BufferQueue_ContextGet(queue, buffer, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    DMF_BufferQueue_ContextGet(queue, &context, &context);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_POINTER(context, &queue);
    DMF_BufferQueue_Reuse(queue, buffer);
    WdfObjectDelete(queue);
}

/* ---------------------------------------------------------------------------------------------------- reuse */

TEST(reuse_shows_the_buffer_to_the_cleanup_callback_with_its_content)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffer = buffer_fetch(queue, 7);
    VOID* context = NULL;

    DMF_BufferQueue_ContextGet(queue, buffer, &context);
    DMF_BufferQueue_Reuse(queue, buffer);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EQUAL(cleaned_count(), 1);
    CHECK_POINTER(cleaned.Module, queue);
    CHECK_POINTER(cleaned.Buffers[0], buffer);
    CHECK_POINTER(cleaned.Contexts[0], context);
    CHECK_EQUAL(cleaned.Bytes[0], 7);
    CHECK_EQUAL(cleaned.ContextBytes[0], 107);
    WdfObjectDelete(queue);
}

TEST(a_buffer_that_is_used_again_is_zeros)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffer = buffer_fetch(queue, 7);
    VOID* context = NULL;

    DMF_BufferQueue_Reuse(queue, buffer);
    REQUIRE_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, &context));
    CHECK_ALL_BYTES(buffer, 0, BUFFER_SIZE);
    CHECK_ALL_BYTES(context, 0, CONTEXT_SIZE);
    DMF_BufferQueue_Reuse(queue, buffer);
    WdfObjectDelete(queue);
}

TEST(reuse_works_without_a_cleanup_callback)
{
    BufferPool_SourceSettings settings = {1, BUFFER_SIZE, CONTEXT_SIZE, FALSE, FALSE, NonPagedPoolNx};
    DMFMODULE queue = NULL;
    VOID* buffers[1];

    REQUIRE_SUCCESS(queue_try(&settings, NULL, &queue));
    fill(queue, buffers, 1);
    check_next(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    check_all_unused(queue, 1);
    fill(queue, buffers, 1);
    DMF_BufferQueue_Flush(queue);
    check_all_unused(queue, 1);
    fill(queue, buffers, 1);
    WdfObjectDelete(queue);
}

/* Calls Methods of the queue from its cleanup callback, which runs without a lock. */
static void use_the_queue(DMFMODULE queue, VOID* buffer, VOID* context)
{
    VOID* other = NULL;
    VOID* same = NULL;

    cleaned.Also = NULL;
    DMF_BufferQueue_ContextGet(queue, buffer, &same);
    CHECK_POINTER(same, context);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(queue, &other, NULL));
    DMF_BufferQueue_Enqueue(queue, other);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 1);
    CHECK_SUCCESS(DMF_BufferQueue_Dequeue(queue, &other, NULL));
    DMF_BufferQueue_Reuse(queue, other);
}

TEST(the_cleanup_callback_may_use_the_queue)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffer = buffer_fetch(queue, 7);

    cleaned.Also = use_the_queue;
    DMF_BufferQueue_Reuse(queue, buffer);
    CHECK_EQUAL(cleaned_count(), 2);
    CHECK_MISUSE(0);
    check_all_unused(queue, 2);
    WdfObjectDelete(queue);
}

TEST(a_buffer_that_the_client_does_not_hold_is_neither_reused_nor_cleaned)
{
    DMFMODULE queue = queue_create(3), other = queue_create(1);
    VOID* garbage[HARNESS_GARBAGE_MAX + 6];
    size_t count = harness_garbage(garbage);
    VOID* buffers[2];
    VOID* held;
    VOID* foreign = buffer_fetch(other, 9);
    VOID* unused = buffer_fetch(queue, 9);

    DMF_BufferQueue_Reuse(queue, unused);
    held = buffer_fetch(queue, 8);
    fill(queue, buffers, 1);
    memset(&cleaned, 0, sizeof(cleaned));
    garbage[count++] = buffers[0]; /* queued */
    garbage[count++] = unused != held && unused != buffers[0] ? unused : (VOID*)&count;
    garbage[count++] = foreign;
    garbage[count++] = (UCHAR*)held + 1;
    garbage[count++] = (UCHAR*)held - 1;
    for (size_t i = 0; i < count; i++)
    {
        DMF_BufferQueue_Reuse(queue, garbage[i]);
        CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
        CHECK_MISUSE(1);
    }
    DMF_BufferQueue_Reuse(queue, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    CHECK_EQUAL(cleaned_count(), 0);
    check_next(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, held);
    check_all_unused(queue, 3);
    DMF_BufferQueue_Reuse(other, foreign);
    check_all_unused(other, 1);
    WdfObjectDelete(queue);
    WdfObjectDelete(other);
}

static void check_enqueue_refused(DMFMODULE queue, VOID* buffer)
{
    ULONG count = DMF_BufferQueue_Count(queue);
    DMF_BufferQueue_Enqueue(queue, buffer);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    DMF_BufferQueue_EnqueueAtHead(queue, buffer);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), count);
}

TEST(enqueue_of_what_the_client_does_not_hold_changes_nothing)
{
    DMFMODULE queue = queue_create(2);
    VOID* garbage[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(garbage);
    VOID* buffers[1];
    VOID* held;

    fill(queue, buffers, 1);
    held = buffer_fetch(queue, 8);
    garbage[count++] = buffers[0];
    garbage[count++] = (UCHAR*)held + 8;
    garbage[count++] = &held;
    for (size_t i = 0; i < count; i++)
    {
        check_enqueue_refused(queue, garbage[i]);
    }
    DMF_BufferQueue_Enqueue(queue, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    DMF_BufferQueue_EnqueueAtHead(queue, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(2);
    check_next(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, held);
    check_enqueue_refused(queue, held); /* it is unused now */
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    check_all_unused(queue, 2);
    WdfObjectDelete(queue);
}

TEST(a_buffer_of_another_queue_is_refused)
{
    DMFMODULE queue = queue_create(1), other = queue_create(1);
    VOID* foreign = buffer_fetch(other, 9);

    check_enqueue_refused(queue, foreign);
    DMF_BufferQueue_Enqueue(other, foreign);
    CHECK_EQUAL(DMF_BufferQueue_Count(other), 1);
    WdfObjectDelete(queue);
    WdfObjectDelete(other);
}

/* ---------------------------------------------------------------------------------------------------- flush */

TEST(flush_cleans_the_queued_buffers_head_first)
{
    DMFMODULE queue = queue_create(4);
    VOID* buffers[3];
    VOID* head;

    fill(queue, buffers, 3);
    head = buffer_fetch(queue, 9);
    DMF_BufferQueue_EnqueueAtHead(queue, head);
    DMF_BufferQueue_Flush(queue);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EQUAL(cleaned_count(), 4);
    CHECK_POINTER(cleaned.Module, queue);
    CHECK_POINTER(cleaned.Buffers[0], head);
    CHECK_EQUAL(cleaned.Bytes[0], 9);
    CHECK_EQUAL(cleaned.ContextBytes[0], 109);
    for (int i = 0; i < 3; i++)
    {
        CHECK_POINTER(cleaned.Buffers[i + 1], buffers[i]);
        CHECK_EQUAL(cleaned.Bytes[i + 1], i + 1);
    }
    check_all_unused(queue, 4);
    WdfObjectDelete(queue);
}

TEST(flush_of_an_empty_queue_does_nothing)
{
    DMFMODULE queue = queue_create(2);
    DMF_BufferQueue_Flush(queue);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EQUAL(cleaned_count(), 0);
    check_all_unused(queue, 2);
    WdfObjectDelete(queue);
}

TEST(flush_leaves_alone_what_the_client_holds)
{
    DMFMODULE queue = queue_create(3);
    VOID* held = buffer_fetch(queue, 9);
    VOID* buffers[2];

    fill(queue, buffers, 2);
    DMF_BufferQueue_Flush(queue);
    CHECK_EQUAL(cleaned_count(), 2);
    CHECK_ALL_BYTES(held, 9, BUFFER_SIZE);
    DMF_BufferQueue_Reuse(queue, held);
    check_all_unused(queue, 3);
    WdfObjectDelete(queue);
}

static void enqueue_another(DMFMODULE queue, VOID* buffer, VOID* context)
{
    VOID* other = NULL;
    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(context);
    if (NT_SUCCESS(DMF_BufferQueue_Fetch(queue, &other, NULL)))
    {
        DMF_BufferQueue_Enqueue(queue, other);
    }
}

TEST(flush_takes_what_is_queued_when_it_starts)
{
    DMFMODULE queue = queue_create(5);
    VOID* buffers[2];

    fill(queue, buffers, 2);
    cleaned.Also = enqueue_another;
    DMF_BufferQueue_Flush(queue);
    cleaned.Also = NULL;
    CHECK_EQUAL(cleaned_count(), 2);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 2);
    DMF_BufferQueue_Flush(queue);
    check_all_unused(queue, 5);
    WdfObjectDelete(queue);
}

static struct
{
    DMFMODULE Queue;
    atomic_bool End;
    atomic_uint Enqueued;
} busy;

static void* produces_without_end(void* argument)
{
    UNREFERENCED_PARAMETER(argument);
    while (!atomic_load(&busy.End))
    {
        VOID* buffer = NULL;
        if (NT_SUCCESS(DMF_BufferQueue_Fetch(busy.Queue, &buffer, NULL)))
        {
            DMF_BufferQueue_Enqueue(busy.Queue, buffer);
            atomic_fetch_add(&busy.Enqueued, 1);
        }
        else
        {
            sched_yield();
        }
    }
    return NULL;
}

TEST(flush_ends_against_a_busy_producer)
{
    pthread_t producer;

    memset(&busy, 0, sizeof(busy));
    busy.Queue = queue_create(4);
    pthread_create(&producer, NULL, produces_without_end, NULL);
    for (unsigned i = harness_rounds(2000); i > 0; i--)
    {
        DMF_BufferQueue_Flush(busy.Queue);
    }
    atomic_store(&busy.End, true);
    pthread_join(producer, NULL);
    DMF_BufferQueue_Flush(busy.Queue);
    CHECK_EQUAL(cleaned_count(), atomic_load(&busy.Enqueued));
    check_all_unused(busy.Queue, 4);
    CHECK_MISUSE(0);
    WdfObjectDelete(busy.Queue);
}

/* ------------------------------------------------------------------------------------------------ enumerate */

typedef struct
{
    DMFMODULE Queue;
    DMFMODULE Module;
    unsigned Calls;
    VOID* Buffers[8];
    VOID* Contexts[8];
    unsigned RemoveAt; /* the call that removes its buffer, from 1; 0: none */
    VOID* Held;
} LOOK;

static EVT_DMF_BufferPool_Enumeration Look;

static BufferPool_EnumerationDispositionType Look(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                                                  VOID* ClientDriverCallbackContext)
{
    LOOK* look = (LOOK*)ClientDriverCallbackContext;
    look->Module = DmfModule;
    if (look->Calls < 8)
    {
        look->Buffers[look->Calls] = ClientBuffer;
        look->Contexts[look->Calls] = ClientBufferContext;
    }
    look->Calls++;
    return look->Calls == look->RemoveAt ? BufferPool_EnumerationDisposition_RemoveAndStopEnumeration
                                         : BufferPool_EnumerationDisposition_ContinueEnumeration;
}

TEST(enumerate_shows_queued_work_in_order)
{
    DMFMODULE queue = queue_create(5);
    VOID* buffers[3];
    LOOK look = {0};
    VOID* buffer = &look;
    VOID* context = &look;

    fill(queue, buffers, 3);
    DMF_BufferQueue_Enumerate(queue, Look, &look, &buffer, &context);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EQUAL(look.Calls, 3);
    for (int i = 0; i < 3; i++)
    {
        CHECK_POINTER(look.Buffers[i], buffers[i]);
        CHECK_ALL_BYTES(look.Contexts[i], i + 101, CONTEXT_SIZE);
    }
    CHECK(buffer == NULL && context == NULL);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 3);
    WdfObjectDelete(queue);
}

/* A queue that grows, beside an array of what is in it: every third buffer goes to the head. */
TEST(work_keeps_its_order_however_much_is_queued)
{
    enum { COUNT = 200 };
    DMFMODULE queue = queue_create_with(2, CONTEXT_SIZE, TRUE, FALSE);
    VOID* places[2 * COUNT];
    LOOK look = {0};
    int first = COUNT;
    int behind = COUNT;

    for (int i = 0; i < COUNT; i++)
    {
        VOID* buffer = buffer_fetch(queue, i % 100);
        if (i % 3 == 2)
        {
            places[--first] = buffer;
            DMF_BufferQueue_EnqueueAtHead(queue, buffer);
        }
        else
        {
            places[behind++] = buffer;
            DMF_BufferQueue_Enqueue(queue, buffer);
        }
        CHECK_SUCCESS(DMF_LastStatusGet());
        CHECK_EQUAL(DMF_BufferQueue_Count(queue), behind - first);
        if (i % 50 == 25)
        {
            memset(&look, 0, sizeof(look));
            DMF_BufferQueue_Enumerate(queue, Look, &look, NULL, NULL);
            CHECK_EQUAL(look.Calls, behind - first);
            CHECK_POINTER(look.Buffers[0], places[first]);
            check_next(queue, places[first]);
            DMF_BufferQueue_Reuse(queue, places[first++]);
        }
    }
    while (first < behind)
    {
        check_next(queue, places[first]);
        DMF_BufferQueue_Reuse(queue, places[first++]);
    }
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    WdfObjectDelete(queue);
}

TEST(the_callback_gets_the_inner_pool_whose_parent_is_the_queue)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffers[1];
    LOOK look = {0};

    fill(queue, buffers, 1);
    DMF_BufferQueue_Enumerate(queue, Look, &look, NULL, NULL);
    CHECK(look.Module != NULL);
    CHECK(look.Module != queue);
    CHECK_POINTER(DMF_ParentModuleGet(look.Module), queue);
    WdfObjectDelete(queue);
}

TEST(enumerate_can_remove_a_buffer)
{
    DMFMODULE queue = queue_create(3);
    VOID* buffers[3];
    LOOK look = {.RemoveAt = 2};
    VOID* buffer = NULL;
    VOID* context = NULL;

    fill(queue, buffers, 3);
    DMF_BufferQueue_Enumerate(queue, Look, &look, &buffer, &context);
    CHECK_EQUAL(look.Calls, 2);
    CHECK_POINTER(buffer, buffers[1]);
    CHECK_ALL_BYTES(context, 102, CONTEXT_SIZE);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 2);
    DMF_BufferQueue_Reuse(queue, buffer);
    check_next(queue, buffers[0]);
    check_next(queue, buffers[2]);
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, buffers[2]);
    check_all_unused(queue, 3);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
}

TEST(enumerate_without_callback_is_reported)
{
    DMFMODULE queue = queue_create(1);
    DMF_BufferQueue_Enumerate(queue, NULL, NULL, NULL, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    WdfObjectDelete(queue);
}

static EVT_DMF_BufferPool_TimerCallback NeverCalled;

static VOID NeverCalled(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                        VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
    CHECK(!"a timer fired that should not have");
}

static BufferPool_EnumerationDispositionType CallEveryLockingMethod(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                                    VOID* ClientBufferContext,
                                                                    VOID* ClientDriverCallbackContext)
{
    LOOK* outer = (LOOK*)ClientDriverCallbackContext;
    DMFMODULE queue = DMF_ParentModuleGet(DmfModule);
    WDF_MEMORY_DESCRIPTOR descriptor;
    VOID* buffer = NULL;
    VOID* context = NULL;
    LOOK look = {0};

    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    outer->Calls++;
    CHECK_POINTER(queue, outer->Queue);
    CHECK_STATUS(DMF_BufferQueue_Dequeue(queue, &buffer, &context), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_BufferQueue_DequeueWithMemoryDescriptor(queue, &buffer, &descriptor, &context),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK(buffer == NULL && context == NULL);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_BufferQueue_Enqueue(queue, outer->Held);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_BufferQueue_EnqueueAtHead(queue, outer->Held);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_BufferQueue_EnqueueWithTimer(queue, outer->Held, NEVER, NeverCalled, NULL),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_BufferQueue_Flush(queue);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_BufferQueue_Enumerate(queue, Look, &look, NULL, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(look.Calls, 0);
    return BufferPool_EnumerationDisposition_ContinueEnumeration;
}

TEST(methods_of_the_consumer_are_refused_inside_an_enumeration)
{
    DMFMODULE queue = queue_create_with_timers(4);
    VOID* buffers[2];
    LOOK look = {.Queue = queue, .Held = buffer_fetch(queue, 9)};

    fill(queue, buffers, 2);
    DMF_BufferQueue_Enumerate(queue, CallEveryLockingMethod, &look, NULL, NULL);
    CHECK_EQUAL(look.Calls, 2);
    CHECK_EQUAL(cleaned_count(), 0);
    check_next(queue, buffers[0]);
    check_next(queue, buffers[1]);
    /* What was refused has not taken the buffer. */
    DMF_BufferQueue_Reuse(queue, look.Held);
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, buffers[1]);
    check_all_unused(queue, 4);
    WdfObjectDelete(queue);
}

static BufferPool_EnumerationDispositionType FetchAndReuse(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                           VOID* ClientBufferContext, VOID* ClientDriverCallbackContext)
{
    DMFMODULE queue = DMF_ParentModuleGet(DmfModule);
    VOID* buffer = NULL;
    VOID* context = NULL;

    (*(unsigned*)ClientDriverCallbackContext)++;
    DMF_BufferQueue_ContextGet(queue, ClientBuffer, &context);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_POINTER(context, ClientBufferContext);
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, &context));
    DMF_BufferQueue_Reuse(queue, buffer);
    CHECK_SUCCESS(DMF_LastStatusGet());
    return BufferPool_EnumerationDisposition_ContinueEnumeration;
}

TEST(fetch_reuse_and_context_get_work_inside_an_enumeration)
{
    DMFMODULE queue = queue_create(3);
    VOID* buffers[2];
    unsigned calls = 0;

    fill(queue, buffers, 2);
    DMF_BufferQueue_Enumerate(queue, FetchAndReuse, &calls, NULL, NULL);
    CHECK_EQUAL(calls, 2);
    CHECK_EQUAL(cleaned_count(), 2);
    CHECK_MISUSE(0);
    check_next(queue, buffers[0]);
    check_next(queue, buffers[1]);
    WdfObjectDelete(queue);
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, buffers[1]);
}

static BufferPool_EnumerationDispositionType DeleteTheQueue(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                            VOID* ClientBufferContext,
                                                            VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    (*(unsigned*)ClientDriverCallbackContext)++;
    WdfObjectDelete(DMF_ParentModuleGet(DmfModule));
    CHECK_MISUSE(1);
    return BufferPool_EnumerationDisposition_ContinueEnumeration;
}

TEST(a_queue_cannot_be_deleted_inside_its_enumeration)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffers[2];
    unsigned calls = 0;

    fill(queue, buffers, 2);
    DMF_BufferQueue_Enumerate(queue, DeleteTheQueue, &calls, NULL, NULL);
    CHECK_EQUAL(calls, 2);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 2);
    DMF_BufferQueue_Flush(queue);
    check_all_unused(queue, 2);
    WdfObjectDelete(queue);
    CHECK_MISUSE(0);
}

static pthread_barrier_t both_enumerate;

typedef struct
{
    DMFMODULE Own;
    DMFMODULE Others;
    unsigned Calls;
} ENUMERATOR;

static BufferPool_EnumerationDispositionType DeleteTheOthersQueue(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                                  VOID* ClientBufferContext,
                                                                  VOID* ClientDriverCallbackContext)
{
    ENUMERATOR* enumerator = (ENUMERATOR*)ClientDriverCallbackContext;

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    enumerator->Calls++;
    pthread_barrier_wait(&both_enumerate);
    WdfObjectDelete(enumerator->Others);
    pthread_barrier_wait(&both_enumerate);
    return BufferPool_EnumerationDisposition_StopEnumeration;
}

static void* enumerates(void* argument)
{
    ENUMERATOR* enumerator = (ENUMERATOR*)argument;

    DMF_BufferQueue_Enumerate(enumerator->Own, DeleteTheOthersQueue, enumerator, NULL, NULL);
    return NULL;
}

TEST(two_enumerations_that_delete_each_others_queue_both_end)
{
    /* Both may close at the same time, in two threads: no cleanup callback. */
    BufferPool_SourceSettings settings = {1, BUFFER_SIZE, CONTEXT_SIZE, FALSE, FALSE, NonPagedPoolNx};
    DMFMODULE queues[2] = {NULL, NULL};
    ENUMERATOR enumerators[2];
    pthread_t other;
    VOID* buffer;

    for (int i = 0; i < 2; i++)
    {
        REQUIRE_SUCCESS(queue_try(&settings, NULL, &queues[i]));
    }
    for (int i = 0; i < 2; i++)
    {
        enumerators[i] = (ENUMERATOR){queues[i], queues[1 - i], 0};
    }
    fill(queues[0], &buffer, 1);
    fill(queues[1], &buffer, 1);
    REQUIRE(pthread_barrier_init(&both_enumerate, NULL, 2) == 0);
    alarm(20);
    REQUIRE(pthread_create(&other, NULL, enumerates, &enumerators[1]) == 0);
    enumerates(&enumerators[0]);
    pthread_join(other, NULL);
    alarm(0);
    pthread_barrier_destroy(&both_enumerate);
    CHECK_EQUAL(enumerators[0].Calls, 1);
    CHECK_EQUAL(enumerators[1].Calls, 1);
    CHECK_EQUAL(DMF_BufferQueue_Count(queues[0]), 0);
    CHECK_EQUAL(DMF_BufferQueue_Count(queues[1]), 0);
    CHECK_MISUSE(2);
}

typedef struct
{
    DMFMODULE Queue;
    bool Dequeues;
    VOID* Buffer; /* enqueued or dequeued */
    atomic_bool Begun;
    NTSTATUS Got;
} COMER;

static atomic_bool somebody_enumerates, enumeration_may_end;

static BufferPool_EnumerationDispositionType StayInside(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                        VOID* ClientBufferContext, VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
    atomic_store(&somebody_enumerates, true);
    EVENTUALLY(atomic_load(&enumeration_may_end));
    return BufferPool_EnumerationDisposition_StopEnumeration;
}

static void* stays_inside(void* argument)
{
    DMF_BufferQueue_Enumerate(((COMER*)argument)->Queue, StayInside, NULL, NULL, NULL);
    return NULL;
}

static void* comes_too_late(void* argument)
{
    COMER* comer = argument;

    atomic_store(&comer->Begun, true);
    if (comer->Dequeues)
    {
        comer->Got = DMF_BufferQueue_Dequeue(comer->Queue, &comer->Buffer, NULL);
        return NULL;
    }
    DMF_BufferQueue_Enqueue(comer->Queue, comer->Buffer);
    comer->Got = DMF_LastStatusGet();
    return NULL;
}

static void* deletes_the_queue(void* argument)
{
    WdfObjectDelete(((COMER*)argument)->Queue);
    return NULL;
}

TEST(who_waits_for_the_queue_while_it_is_deleted_has_done_nothing_wrong)
{
    for (int round = 0; round < 6; round++)
    {
        DMFMODULE queue = queue_create(2);
        VOID* enqueued = buffer_fetch(queue, 1);
        VOID* kept = buffer_fetch(queue, 2);
        bool dequeues = round % 2 == 1;
        COMER comer = {queue, dequeues, dequeues ? NULL : kept, false, STATUS_INTERNAL_ERROR};
        pthread_t threads[3];

        DMF_BufferQueue_Enqueue(queue, enqueued);
        atomic_store(&somebody_enumerates, false);
        atomic_store(&enumeration_may_end, false);
        REQUIRE(pthread_create(&threads[0], NULL, stays_inside, &comer) == 0);
        EVENTUALLY(atomic_load(&somebody_enumerates));
        REQUIRE(pthread_create(&threads[1], NULL, comes_too_late, &comer) == 0);
        EVENTUALLY(atomic_load(&comer.Begun));
        harness_sleep_milliseconds(50);
        REQUIRE(pthread_create(&threads[2], NULL, deletes_the_queue, &comer) == 0);
        harness_sleep_milliseconds(50);
        atomic_store(&enumeration_may_end, true);
        for (int i = 0; i < 3; i++)
        {
            pthread_join(threads[i], NULL);
        }
        /* He may have been just in time: then what he enqueued has gone with the queue. */
        CHECK(comer.Got == STATUS_SUCCESS || comer.Got == STATUS_INVALID_DEVICE_STATE);
        if (dequeues && comer.Got == STATUS_SUCCESS)
        {
            CHECK_POINTER(comer.Buffer, enqueued);
            DMF_BufferQueue_Reuse(queue, enqueued);
        }
        if (dequeues || comer.Got != STATUS_SUCCESS)
        {
            DMF_BufferQueue_Reuse(queue, kept);
        }
        CHECK_MISUSE(0);
    }
}

#define WAITERS 24

/* All wait for the lock that an enumeration holds, and are let go together: for each of those who dequeue there is a buffer,
   so none may hear that the queue is empty. */
TEST(a_delete_does_not_make_a_queue_look_empty)
{
    for (unsigned round = harness_rounds(100); round > 0; round--)
    {
        DMFMODULE queue = queue_create(WAITERS);
        COMER comers[WAITERS];
        pthread_t enumerator, deleter, waiters[WAITERS];

        for (int i = 0; i < WAITERS; i++)
        {
            DMF_BufferQueue_Enqueue(queue, buffer_fetch(queue, i));
            comers[i] = (COMER){queue, true, NULL, false, STATUS_INTERNAL_ERROR};
        }
        atomic_store(&somebody_enumerates, false);
        atomic_store(&enumeration_may_end, false);
        REQUIRE(pthread_create(&enumerator, NULL, stays_inside, &comers[0]) == 0);
        EVENTUALLY(atomic_load(&somebody_enumerates));
        for (int i = 0; i < WAITERS; i++)
        {
            REQUIRE(pthread_create(&waiters[i], NULL, comes_too_late, &comers[i]) == 0);
        }
        harness_sleep_milliseconds(5);
        REQUIRE(pthread_create(&deleter, NULL, deletes_the_queue, &comers[0]) == 0);
        harness_sleep_milliseconds(5);
        atomic_store(&enumeration_may_end, true);
        pthread_join(enumerator, NULL);
        pthread_join(deleter, NULL);
        for (int i = 0; i < WAITERS; i++)
        {
            pthread_join(waiters[i], NULL);
            CHECK(comers[i].Got != STATUS_UNSUCCESSFUL);
            if (comers[i].Got == STATUS_SUCCESS)
            {
                DMF_BufferQueue_Reuse(queue, comers[i].Buffer);
            }
        }
        MISUSE_IGNORE();
    }
}

/* --------------------------------------------------------------------------------------------------- timers */

typedef struct
{
    atomic_uint Calls;
    DMFMODULE Module;
    VOID* Buffer;
    VOID* Context;
    double Time;
} FIRED;

static EVT_DMF_BufferPool_TimerCallback Fire;

static VOID Fire(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext, VOID* ClientDriverCallbackContext)
{
    FIRED* fired = (FIRED*)ClientDriverCallbackContext;
    fired->Module = DmfModule;
    fired->Buffer = ClientBuffer;
    fired->Context = ClientBufferContext;
    fired->Time = harness_seconds();
    atomic_fetch_add(&fired->Calls, 1);
}

TEST(when_the_time_is_up_the_callback_gets_the_buffer_and_the_queue)
{
    DMFMODULE queue = queue_create_with_timers(1);
    VOID* buffer = buffer_fetch(queue, 7);
    VOID* context = NULL;
    FIRED fired = {0};
    double begin = harness_seconds();

    DMF_BufferQueue_ContextGet(queue, buffer, &context);
    REQUIRE_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, 30, Fire, &fired));
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    CHECK(fired.Time >= begin + 0.03);
    CHECK_POINTER(fired.Module, queue);
    CHECK_POINTER(fired.Buffer, buffer);
    CHECK_POINTER(fired.Context, context);
    CHECK_ALL_BYTES(buffer, 7, BUFFER_SIZE);
    CHECK_ALL_BYTES(context, 107, CONTEXT_SIZE);
    CHECK_EQUAL(cleaned_count(), 0);
    DMF_BufferQueue_Reuse(queue, buffer);
    check_all_unused(queue, 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
}

TEST(enqueue_with_timer_adds_at_the_tail)
{
    DMFMODULE queue = queue_create_with_timers(3);
    VOID* buffers[2];
    VOID* timed;

    fill(queue, buffers, 1);
    timed = buffer_fetch(queue, 2);
    CHECK_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, timed, NEVER, NeverCalled, NULL));
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 2);
    buffers[1] = buffer_fetch(queue, 3);
    DMF_BufferQueue_Enqueue(queue, buffers[1]);
    check_next(queue, buffers[0]);
    check_next(queue, timed);
    check_next(queue, buffers[1]);
    WdfObjectDelete(queue);
    DMF_BufferQueue_Reuse(queue, buffers[0]);
    DMF_BufferQueue_Reuse(queue, buffers[1]);
    DMF_BufferQueue_Reuse(queue, timed);
}

TEST(work_that_is_dequeued_in_time_keeps_its_callback_silent)
{
    DMFMODULE queue = queue_create_with_timers(1);
    VOID* buffer = buffer_fetch(queue, 1);

    CHECK_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, 100, NeverCalled, NULL));
    check_next(queue, buffer);
    harness_sleep_milliseconds(200);
    DMF_BufferQueue_Reuse(queue, buffer);
    check_all_unused(queue, 1);
    WdfObjectDelete(queue);
}

TEST(work_that_is_flushed_in_time_keeps_its_callback_silent)
{
    DMFMODULE queue = queue_create_with_timers(1);
    VOID* buffer = buffer_fetch(queue, 1);

    CHECK_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, 100, NeverCalled, NULL));
    DMF_BufferQueue_Flush(queue);
    CHECK_EQUAL(cleaned_count(), 1);
    harness_sleep_milliseconds(200);
    check_all_unused(queue, 1);
    WdfObjectDelete(queue);
}

TEST(enqueue_with_timer_without_callback_does_not_enqueue)
{
    DMFMODULE queue = queue_create_with_timers(1);
    VOID* buffer = buffer_fetch(queue, 1);

    CHECK_STATUS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, 1, NULL, NULL), STATUS_INVALID_PARAMETER);
    MISUSE_IGNORE();
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    DMF_BufferQueue_Reuse(queue, buffer);
    check_all_unused(queue, 1);
    WdfObjectDelete(queue);
}

TEST(enqueue_with_timer_of_a_buffer_without_timer_does_not_enqueue)
{
    DMFMODULE queue = queue_create(1);
    VOID* buffer = buffer_fetch(queue, 1);

    CHECK_STATUS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, 1, NeverCalled, NULL), STATUS_INVALID_PARAMETER);
    MISUSE_IGNORE();
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    harness_sleep_milliseconds(30);
    DMF_BufferQueue_Reuse(queue, buffer);
    check_all_unused(queue, 1);
    WdfObjectDelete(queue);
}

TEST(enqueue_with_timer_of_what_the_client_does_not_hold_changes_nothing)
{
    DMFMODULE queue = queue_create_with_timers(2);
    VOID* buffers[1];
    int local = 0;

    fill(queue, buffers, 1);
    CHECK(!NT_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffers[0], 1, NeverCalled, NULL)));
    CHECK_MISUSE(1);
    CHECK(!NT_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, &local, 1, NeverCalled, NULL)));
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_BufferQueue_EnqueueWithTimer(queue, NULL, 1, NeverCalled, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    harness_sleep_milliseconds(30);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 1);
    WdfObjectDelete(queue);
}

static BufferPool_EnumerationDispositionType StopTimers(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                        VOID* ClientBufferContext, VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
    return BufferPool_EnumerationDisposition_StopTimerAndContinueEnumeration;
}

TEST(an_enumeration_of_the_queue_can_stop_timers)
{
    DMFMODULE queue = queue_create_with_timers(2);
    VOID* buffers[2];

    for (int i = 0; i < 2; i++)
    {
        buffers[i] = buffer_fetch(queue, i);
        CHECK_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffers[i], 200, NeverCalled, NULL));
    }
    DMF_BufferQueue_Enumerate(queue, StopTimers, NULL, NULL, NULL);
    harness_sleep_milliseconds(300);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 2);
    WdfObjectDelete(queue);
}

static VOID ReuseWhenDue(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                         VOID* ClientDriverCallbackContext)
{
    DMF_BufferQueue_Reuse(DmfModule, ClientBuffer);
    Fire(DmfModule, ClientBuffer, ClientBufferContext, ClientDriverCallbackContext);
}

TEST(a_timers_callback_may_give_the_buffer_back)
{
    DMFMODULE queue = queue_create_with_timers(1);
    FIRED fired = {0};

    CHECK_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer_fetch(queue, 1), 1, ReuseWhenDue, &fired));
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    CHECK_EQUAL(cleaned_count(), 1);
    CHECK_MISUSE(0);
    check_all_unused(queue, 1);
    WdfObjectDelete(queue);
}

/* --------------------------------------------------------------------------------------------------- delete */

TEST(delete_flushes_with_the_cleanup_callback)
{
    DMFMODULE queue = queue_create(4);
    VOID* buffers[3];

    fill(queue, buffers, 3);
    WdfObjectDelete(queue);
    CHECK_EQUAL(cleaned_count(), 3);
    CHECK_POINTER(cleaned.Module, queue);
    for (int i = 0; i < 3; i++)
    {
        CHECK_POINTER(cleaned.Buffers[i], buffers[i]);
        CHECK_EQUAL(cleaned.Bytes[i], i + 1);
        CHECK_EQUAL(cleaned.ContextBytes[i], i + 101);
    }
    CHECK_MISUSE(0);
}

static void get_the_context(DMFMODULE queue, VOID* buffer, VOID* context)
{
    VOID* same = NULL;
    DMF_BufferQueue_ContextGet(queue, buffer, &same);
    CHECK_POINTER(same, context);
}

TEST(context_get_works_in_the_cleanup_of_a_delete)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffers[2];

    fill(queue, buffers, 2);
    cleaned.Also = get_the_context;
    WdfObjectDelete(queue);
    CHECK_EQUAL(cleaned_count(), 2);
    CHECK_MISUSE(0);
}

static void fail_to_fetch(DMFMODULE queue, VOID* buffer, VOID* context)
{
    VOID* other = NULL;
    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(context);
    CHECK_STATUS(DMF_BufferQueue_Fetch(queue, &other, NULL), STATUS_INVALID_DEVICE_STATE);
    MISUSE_IGNORE();
}

TEST(other_methods_fail_in_the_cleanup_of_a_delete)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffers[1];

    fill(queue, buffers, 1);
    cleaned.Also = fail_to_fetch;
    WdfObjectDelete(queue);
    CHECK_EQUAL(cleaned_count(), 1);
}

static VOID* given_back_in_cleanup;

static void give_another_back(DMFMODULE queue, VOID* buffer, VOID* context)
{
    VOID* held = given_back_in_cleanup;
    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(context);
    given_back_in_cleanup = NULL;
    if (held != NULL)
    {
        DMF_BufferQueue_Reuse(queue, held);
    }
}

TEST(a_buffer_may_be_given_back_while_the_queue_closes)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffers[1];

    given_back_in_cleanup = buffer_fetch(queue, 9);
    fill(queue, buffers, 1);
    cleaned.Also = give_another_back;
    WdfObjectDelete(queue);
    CHECK_MISUSE(0);
}

TEST(a_buffer_that_the_client_holds_outlives_the_queue)
{
    DMFMODULE queue = queue_create(3);
    VOID* held = buffer_fetch(queue, 9);
    VOID* dequeued[1];

    fill(queue, dequeued, 1);
    check_next(queue, dequeued[0]);
    WdfObjectDelete(queue);
    CHECK_ALL_BYTES(held, 9, BUFFER_SIZE);
    memset(held, 0x44, BUFFER_SIZE);
    memset(dequeued[0], 0x55, BUFFER_SIZE);
    CHECK_ALL_BYTES(held, 0x44, BUFFER_SIZE);
    DMF_BufferQueue_Reuse(queue, held);
    DMF_BufferQueue_Reuse(queue, dequeued[0]);
    CHECK_MISUSE(0);
}

TEST(a_buffer_comes_back_to_a_deleted_queue_only_once)
{
    DMFMODULE queue = queue_create(2);
    VOID* first = buffer_fetch(queue, 1);
    VOID* second = buffer_fetch(queue, 2);

    WdfObjectDelete(queue);
    DMF_BufferQueue_Reuse(queue, first);
    CHECK_MISUSE(0);
    DMF_BufferQueue_Reuse(queue, first);
    CHECK_MISUSE(1);
    DMF_BufferQueue_Reuse(queue, second);
    CHECK_MISUSE(0);
}

TEST(an_open_queue_keeps_a_buffer_that_comes_back_by_another_modules_method)
{
    DMFMODULE queue = queue_create(2);
    VOID* buffer = buffer_fetch(queue, 9);

    DMF_BufferPool_Put(queue, buffer);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferPool_PutAtHead(queue, buffer);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_ThreadedBufferQueue_Reuse(queue, buffer);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_ContinuousRequestTarget_BufferPut(queue, buffer);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(4);
    CHECK_ALL_BYTES(buffer, 9, BUFFER_SIZE);
    DMF_BufferQueue_Enqueue(queue, buffer);
    CHECK_MISUSE(0);
    check_next(queue, buffer);
    DMF_BufferQueue_Reuse(queue, buffer);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
}

TEST(a_deleted_queue_takes_no_work)
{
    DMFMODULE queue = queue_create_with_timers(1);
    VOID* held = buffer_fetch(queue, 1);

    WdfObjectDelete(queue);
    DMF_BufferQueue_Enqueue(queue, held);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferQueue_EnqueueAtHead(queue, held);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_BufferQueue_EnqueueWithTimer(queue, held, 0, NeverCalled, NULL), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(3);
    DMF_BufferQueue_Reuse(queue, held);
    CHECK_MISUSE(0);
}

TEST(delete_stops_the_timers_without_callbacks)
{
    DMFMODULE queue = queue_create_with_timers(2);

    for (int i = 0; i < 2; i++)
    {
        CHECK_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer_fetch(queue, i), 100, NeverCalled, NULL));
    }
    WdfObjectDelete(queue);
    CHECK_EQUAL(cleaned_count(), 2);
    harness_sleep_milliseconds(200);
}

static VOID DeleteWhenDue(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                          VOID* ClientDriverCallbackContext)
{
    WdfObjectDelete(DmfModule);
    DMF_BufferQueue_Reuse(DmfModule, ClientBuffer);
    Fire(DmfModule, ClientBuffer, ClientBufferContext, ClientDriverCallbackContext);
}

TEST(a_queue_can_be_deleted_in_its_timers_callback)
{
    DMFMODULE queue = queue_create_with_timers(2);
    VOID* queued[1];
    FIRED fired = {0};

    fill(queue, queued, 1);
    CHECK_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer_fetch(queue, 2), 1, DeleteWhenDue, &fired));
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    /* Close runs when the callback has returned, and flushes. */
    EVENTUALLY(cleaned_count() >= 1);
    CHECK_MISUSE(0);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    /* The end comes a moment after the flush. */
    EVENTUALLY(DMF_BufferQueue_Count(queue) == 0 && DMF_LastStatusGet() == STATUS_INVALID_HANDLE);
    MISUSE_IGNORE();
}

static void delete_the_queue(DMFMODULE queue, VOID* buffer, VOID* context)
{
    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(context);
    cleaned.Also = NULL;
    WdfObjectDelete(queue);
    CHECK_MISUSE(0);
}

TEST(a_queue_can_be_deleted_in_its_cleanup_callback)
{
    DMFMODULE queue = queue_create(3);
    VOID* queued[1];
    VOID* held = buffer_fetch(queue, 9);

    fill(queue, queued, 1);
    cleaned.Also = delete_the_queue;
    DMF_BufferQueue_Reuse(queue, held);
    CHECK_MISUSE(0);
    /* The one that was given back, and the one that the delete flushed. */
    CHECK_EQUAL(cleaned_count(), 2);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

TEST(deleting_the_device_deletes_its_queues_and_their_pools)
{
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = NULL;
    WDFDEVICE device = NULL;
    VOID* buffers[1];
    LOOK look = {0};

    memset(&cleaned, 0, sizeof(cleaned));
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings.BufferCount = 2;
    config.SourceSettings.BufferSize = BUFFER_SIZE;
    config.SourceSettings.BufferContextSize = CONTEXT_SIZE;
    config.EvtBufferQueueReuseCleanup = Clean;
    REQUIRE_SUCCESS(DMF_BufferQueue_Create(device, &attributes, NULL, &queue));
    CHECK_POINTER(DMF_ParentDeviceGet(queue), device);
    fill(queue, buffers, 1);
    DMF_BufferQueue_Enumerate(queue, Look, &look, NULL, NULL);
    CHECK_POINTER(DMF_ParentDeviceGet(look.Module), device);
    WdfObjectDelete(device);
    CHECK_EQUAL(cleaned_count(), 1);
    CHECK_MISUSE(0);
    CHECK(DMF_ParentModuleGet(look.Module) == NULL);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    CHECK_MISUSE(2);
}

/* -------------------------------------------------------------------------------------------- bad handles */

static void check_bad_handle(DMFMODULE bad, VOID* buffer_of_another)
{
    WDF_MEMORY_DESCRIPTOR descriptor;
    VOID* buffer = &descriptor;
    VOID* context = &descriptor;
    LOOK look = {0};

    CHECK_EQUAL(DMF_BufferQueue_Count(bad), 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_BufferQueue_Fetch(bad, &buffer, &context), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_BufferQueue_Dequeue(bad, &buffer, &context), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_BufferQueue_DequeueWithMemoryDescriptor(bad, &buffer, &descriptor, &context),
                 STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_BufferQueue_EnqueueWithTimer(bad, buffer_of_another, 0, NeverCalled, NULL),
                 STATUS_INVALID_HANDLE);
    DMF_BufferQueue_Enqueue(bad, buffer_of_another);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferQueue_EnqueueAtHead(bad, buffer_of_another);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferQueue_Reuse(bad, buffer_of_another);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferQueue_Flush(bad);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferQueue_ContextGet(bad, buffer_of_another, &context);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferQueue_Enumerate(bad, Look, &look, NULL, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(11);
    CHECK_POINTER(buffer, &descriptor);
    CHECK_POINTER(context, &descriptor);
    CHECK_EQUAL(look.Calls, 0);
}

TEST(every_method_refuses_a_handle_that_is_no_queue)
{
    VOID* handles[HARNESS_GARBAGE_MAX + 5];
    size_t count = harness_garbage(handles);
    DMFMODULE queue = queue_create_with_timers(2), stale = queue_create(1), pool = NULL;
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    VOID* buffers[1];
    VOID* held;
    LOOK look = {0};

    fill(queue, buffers, 1);
    held = buffer_fetch(queue, 9);
    DMF_BufferQueue_Enumerate(queue, Look, &look, NULL, NULL);
    WdfObjectDelete(stale);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Sink;
    REQUIRE_SUCCESS(DMF_BufferPool_Create(device, &attributes, NULL, &pool));
    handles[count++] = NULL;
    handles[count++] = stale;
    handles[count++] = device;
    handles[count++] = pool;
    handles[count++] = look.Module; /* the queue's own inner pool */
    for (size_t i = 0; i < count; i++)
    {
        check_bad_handle((DMFMODULE)handles[i], held);
    }
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 1);
    DMF_BufferQueue_Reuse(queue, held);
    CHECK_MISUSE(0);
    WdfObjectDelete(queue);
    WdfObjectDelete(device);
}

static BufferPool_EnumerationDispositionType tells_the_inner_pool(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                                  VOID* ClientBufferContext,
                                                                  VOID* ClientDriverCallbackContext)
{
    (void)ClientBuffer;
    (void)ClientBufferContext;
    *(DMFMODULE*)ClientDriverCallbackContext = DmfModule;
    return BufferPool_EnumerationDisposition_StopEnumeration;
}

TEST(the_inner_pool_of_a_queue_is_not_deleted_by_its_handle)
{
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = NULL;
    DMFMODULE pool = NULL;
    VOID* buffer = NULL;

    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings.BufferCount = 1;
    config.SourceSettings.BufferSize = 16;
    REQUIRE_SUCCESS(DMF_BufferQueue_Create(NULL, &attributes, NULL, &queue));
    REQUIRE_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, NULL));
    DMF_BufferQueue_Enqueue(queue, buffer);
    DMF_BufferQueue_Enumerate(queue, tells_the_inner_pool, &pool, NULL, NULL);
    REQUIRE(pool != NULL);
    WdfObjectDelete(pool);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 1);
    WdfObjectDelete(queue);
}

int main(void)
{
    RUN(a_queue_needs_a_source_that_can_be);
    RUN(a_queue_for_which_there_is_no_memory_is_refused);
    RUN(a_queues_config_starts_as_zeros_in_memory_that_is_not_paged);
    RUN(a_queue_at_passive_level_works);
    RUN(a_paged_queue_without_passive_level_is_reported_once_and_works);
    RUN(a_queue_starts_with_all_its_buffers_unused);
    RUN(fetched_buffers_and_contexts_are_zeros);
    RUN(fetch_from_an_empty_producer_leaves_the_outputs_alone);
    RUN(fetch_does_not_take_queued_work);
    RUN(fetch_grows_with_look_aside);
    RUN(dequeue_does_not_grow_with_look_aside);
    RUN(fetch_without_a_place_for_the_buffer_takes_none);
    RUN(work_is_dequeued_in_the_order_in_which_it_was_enqueued);
    RUN(work_that_is_enqueued_at_the_head_comes_first);
    RUN(dequeued_work_can_be_enqueued_again);
    RUN(count_tells_of_queued_work_only);
    RUN(dequeue_gives_buffer_and_context_as_they_were_enqueued);
    RUN(dequeue_from_an_empty_consumer_leaves_the_outputs_alone);
    RUN(dequeue_with_memory_descriptor_describes_the_buffer_by_handle);
    RUN(dequeue_with_nowhere_to_put_the_result_takes_nothing);
    RUN(a_context_of_no_bytes_is_not_null);
    RUN(context_get_gives_the_context_that_fetch_gave);
    RUN(context_get_of_what_is_no_buffer_is_reported);
    RUN(reuse_shows_the_buffer_to_the_cleanup_callback_with_its_content);
    RUN(a_buffer_that_is_used_again_is_zeros);
    RUN(reuse_works_without_a_cleanup_callback);
    RUN(the_cleanup_callback_may_use_the_queue);
    RUN(a_buffer_that_the_client_does_not_hold_is_neither_reused_nor_cleaned);
    RUN(enqueue_of_what_the_client_does_not_hold_changes_nothing);
    RUN(a_buffer_of_another_queue_is_refused);
    RUN(flush_cleans_the_queued_buffers_head_first);
    RUN(flush_of_an_empty_queue_does_nothing);
    RUN(flush_leaves_alone_what_the_client_holds);
    RUN(flush_takes_what_is_queued_when_it_starts);
    RUN(flush_ends_against_a_busy_producer);
    RUN(enumerate_shows_queued_work_in_order);
    RUN(work_keeps_its_order_however_much_is_queued);
    RUN(the_callback_gets_the_inner_pool_whose_parent_is_the_queue);
    RUN(enumerate_can_remove_a_buffer);
    RUN(enumerate_without_callback_is_reported);
    RUN(methods_of_the_consumer_are_refused_inside_an_enumeration);
    RUN(fetch_reuse_and_context_get_work_inside_an_enumeration);
    RUN(a_queue_cannot_be_deleted_inside_its_enumeration);
    RUN(two_enumerations_that_delete_each_others_queue_both_end);
    RUN(who_waits_for_the_queue_while_it_is_deleted_has_done_nothing_wrong);
    RUN(a_delete_does_not_make_a_queue_look_empty);
    RUN(when_the_time_is_up_the_callback_gets_the_buffer_and_the_queue);
    RUN(enqueue_with_timer_adds_at_the_tail);
    RUN(work_that_is_dequeued_in_time_keeps_its_callback_silent);
    RUN(work_that_is_flushed_in_time_keeps_its_callback_silent);
    RUN(enqueue_with_timer_without_callback_does_not_enqueue);
    RUN(enqueue_with_timer_of_a_buffer_without_timer_does_not_enqueue);
    RUN(enqueue_with_timer_of_what_the_client_does_not_hold_changes_nothing);
    RUN(an_enumeration_of_the_queue_can_stop_timers);
    RUN(a_timers_callback_may_give_the_buffer_back);
    RUN(delete_flushes_with_the_cleanup_callback);
    RUN(context_get_works_in_the_cleanup_of_a_delete);
    RUN(other_methods_fail_in_the_cleanup_of_a_delete);
    RUN(a_buffer_may_be_given_back_while_the_queue_closes);
    RUN(a_buffer_that_the_client_holds_outlives_the_queue);
    RUN(a_buffer_comes_back_to_a_deleted_queue_only_once);
    RUN(an_open_queue_keeps_a_buffer_that_comes_back_by_another_modules_method);
    RUN(a_deleted_queue_takes_no_work);
    RUN(delete_stops_the_timers_without_callbacks);
    RUN(a_queue_can_be_deleted_in_its_timers_callback);
    RUN(a_queue_can_be_deleted_in_its_cleanup_callback);
    RUN(deleting_the_device_deletes_its_queues_and_their_pools);
    RUN(every_method_refuses_a_handle_that_is_no_queue);
    RUN(the_inner_pool_of_a_queue_is_not_deleted_by_its_handle);
    return TESTS_RESULT();
}
