/*
 * What a pool costs: N buffers of S bytes take at most N * (S + context + 128) bytes and 64 KiB. Asked of the C library's
 * allocator, which the library uses too; tools that put their own in its place know nothing of it, and skip this.
 */
#define _GNU_SOURCE

#include "harness.h"

#include <malloc.h>

#define OVERHEAD_PER_BUFFER 128ull
#define OVERHEAD_PER_POOL (64ull * 1024)
/* A buffer that the look-aside makes has an allocation of its own, so that it can be freed alone. */
#define OVERHEAD_PER_GROWN_BUFFER 320ull

/* Bytes that the process has allocated now, those of mappings of their own included. */
static long long allocated_bytes(void)
{
    struct mallinfo2 information = mallinfo2();
    return (long long)(information.uordblks + information.hblkhd);
}

/* Whether the allocator counts what this process allocates. */
static bool allocator_counts(void)
{
    long long before = allocated_bytes();
    void* volatile block = malloc(10000);
    bool counts = allocated_bytes() >= before + 10000;
    free(block);
    return counts;
}

static DMFMODULE source_create(ULONG count, ULONG size, ULONG context_size, ULONG look_aside, ULONG timer)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;

    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Source;
    config.Mode.SourceSettings.BufferCount = count;
    config.Mode.SourceSettings.BufferSize = size;
    config.Mode.SourceSettings.BufferContextSize = context_size;
    config.Mode.SourceSettings.EnableLookAside = look_aside;
    config.Mode.SourceSettings.CreateWithTimer = timer;
    CHECK_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &pool));
    return pool;
}

static void check_cost_with(unsigned long long overhead, const char* what, ULONG count, ULONG size, ULONG context_size,
                            long long cost)
{
    long long at_least = (long long)count * ((long long)size + context_size);
    long long at_most = at_least + (long long)(count * overhead + OVERHEAD_PER_POOL);

    if (!CHECK(cost <= at_most) || !CHECK(cost >= at_least))
    {
        printf("        %s: %u buffers of %u + %u bytes cost %lld: %.1f a buffer beyond its bytes\n", what, count, size,
               context_size, cost, (double)(cost - at_least) / count);
    }
}

static void check_cost(const char* what, ULONG count, ULONG size, ULONG context_size, long long cost)
{
    check_cost_with(OVERHEAD_PER_BUFFER, what, count, size, context_size, cost);
}

/* Sizes just beyond a multiple of the alignment cost the most. */
static const ULONG sizes[] = {1, 8, 9, 16, 64, 65, 100, 1000, 1017, 4096, 4089, 65536};
static const ULONG context_sizes[] = {0, 1, 9, 16, 100};
static const ULONG counts[] = {1, 2, 10, 100, 1000, 10000};

#define COUNT_OF(Array) (sizeof(Array) / sizeof((Array)[0]))

/* Calls `check` for every pool of at most 64 MiB. */
static void for_each_shape(void (*check)(ULONG count, ULONG size, ULONG context_size))
{
    for (size_t c = 0; c < COUNT_OF(counts); c++)
    {
        for (size_t s = 0; s < COUNT_OF(sizes); s++)
        {
            for (size_t x = 0; x < COUNT_OF(context_sizes); x++)
            {
                if ((long long)counts[c] * (sizes[s] + context_sizes[x]) <= 64ll * 1024 * 1024)
                {
                    check(counts[c], sizes[s], context_sizes[x]);
                }
            }
        }
    }
}

static void fresh_pool_check(ULONG count, ULONG size, ULONG context_size)
{
    long long before = allocated_bytes();
    DMFMODULE pool = source_create(count, size, context_size, FALSE, FALSE);
    check_cost("fresh", count, size, context_size, allocated_bytes() - before);
    WdfObjectDelete(pool);
}

TEST(a_pool_costs_little_more_than_its_buffers)
{
    for_each_shape(fresh_pool_check);
}

static void pool_with_timers_check(ULONG count, ULONG size, ULONG context_size)
{
    long long before = allocated_bytes();
    DMFMODULE pool = source_create(count, size, context_size, FALSE, TRUE);
    check_cost("with timers", count, size, context_size, allocated_bytes() - before);
    WdfObjectDelete(pool);
}

TEST(a_pool_with_timers_costs_little_more_than_its_buffers)
{
    for_each_shape(pool_with_timers_check);
}

static EVT_DMF_BufferPool_TimerCallback NeverCalled;

static VOID NeverCalled(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                        VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
}

TEST(timers_that_run_cost_no_more)
{
    enum { COUNT = 10000, SIZE = 64, CONTEXT_SIZE = 16 };
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE source, sink = NULL;
    long long before = allocated_bytes();

    source = source_create(COUNT, SIZE, CONTEXT_SIZE, FALSE, TRUE);
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Sink;
    REQUIRE_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &sink));
    for (unsigned i = 0; i < COUNT; i++)
    {
        VOID* buffer = NULL;
        REQUIRE_SUCCESS(DMF_BufferPool_Get(source, &buffer, NULL));
        DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 3600000 + i * 7919 % 10007, NeverCalled, NULL);
    }
    check_cost("with running timers", COUNT, SIZE, CONTEXT_SIZE, allocated_bytes() - before);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(taking_and_putting_buffers_allocates_nothing)
{
    enum { COUNT = 100 };
    DMFMODULE pool = source_create(COUNT, 64, 16, FALSE, FALSE);
    VOID* buffers[COUNT];
    long long before = allocated_bytes();

    for (int round = 0; round < 3; round++)
    {
        for (int i = 0; i < COUNT; i++)
        {
            REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffers[i], NULL));
        }
        for (int i = 0; i < COUNT; i++)
        {
            DMF_BufferPool_Put(pool, buffers[i]);
        }
        CHECK_EQUAL(allocated_bytes(), before);
    }
    WdfObjectDelete(pool);
}

/* A pool that has grown to `count` buffers. */
static void grown_pool_check(ULONG count, ULONG size, ULONG context_size)
{
    VOID** buffers = (VOID**)calloc(count, sizeof(VOID*));
    long long before = allocated_bytes();
    DMFMODULE pool = source_create(0, size, context_size, TRUE, FALSE);

    for (ULONG i = 0; i < count; i++)
    {
        REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffers[i], NULL));
    }
    check_cost_with(OVERHEAD_PER_GROWN_BUFFER, "grown", count, size, context_size, allocated_bytes() - before);
    for (ULONG i = 0; i < count; i++)
    {
        DMF_BufferPool_Put(pool, buffers[i]);
    }
    WdfObjectDelete(pool);
    free(buffers);
}

TEST(a_pool_that_has_grown_costs_one_allocation_a_buffer)
{
    for_each_shape(grown_pool_check);
}

TEST(a_deleted_pool_gives_its_memory_back)
{
    long long before, after;

    WdfObjectDelete(source_create(10000, 1000, 100, FALSE, TRUE));
    before = allocated_bytes();
    for (int i = 0; i < 20; i++)
    {
        WdfObjectDelete(source_create(1000, 1000, 100, FALSE, TRUE));
    }
    after = allocated_bytes();
    CHECK(after - before < 1024);
}

int main(void)
{
    if (!allocator_counts())
    {
        printf("skipped: the allocator does not count here\n");
        return 0;
    }
    RUN(a_pool_costs_little_more_than_its_buffers);
    RUN(a_pool_with_timers_costs_little_more_than_its_buffers);
    RUN(timers_that_run_cost_no_more);
    RUN(taking_and_putting_buffers_allocates_nothing);
    RUN(a_pool_that_has_grown_costs_one_allocation_a_buffer);
    RUN(a_deleted_pool_gives_its_memory_back);
    return TESTS_RESULT();
}
