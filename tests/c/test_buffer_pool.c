/* BufferPool: sources, sinks, and what happens to buffers that do not belong. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <stdatomic.h>

#define BUFFER_SIZE 64
#define CONTEXT_SIZE 16

/* ---------------------------------------------------------------------------------------------------- pools */

static NTSTATUS source_try(const BufferPool_SourceSettings* settings, DMFMODULE* pool)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Source;
    config.Mode.SourceSettings = *settings;
    return DMF_BufferPool_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, pool);
}

static DMFMODULE source_create_sized(ULONG count, ULONG look_aside, ULONG buffer_size, ULONG context_size)
{
    BufferPool_SourceSettings settings = {count, buffer_size, context_size, look_aside, 0, NonPagedPoolNx};
    DMFMODULE pool = NULL;
    CHECK_SUCCESS(source_try(&settings, &pool));
    CHECK(pool != NULL);
    return pool;
}

static DMFMODULE source_create(ULONG count)
{
    return source_create_sized(count, 0, BUFFER_SIZE, CONTEXT_SIZE);
}

static DMFMODULE sink_create(void)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Sink;
    CHECK_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &pool));
    CHECK(pool != NULL);
    return pool;
}

static VOID* buffer_get(DMFMODULE pool)
{
    VOID* buffer = NULL;
    CHECK_SUCCESS(DMF_BufferPool_Get(pool, &buffer, NULL));
    CHECK(buffer != NULL);
    return buffer;
}

/* -------------------------------------------------------------------------------------------------- create */

static void check_refused(ULONG count, ULONG size, ULONG look_aside, ULONG timer)
{
    BufferPool_SourceSettings settings = {count, size, 0, look_aside, timer, NonPagedPoolNx};
    DMFMODULE pool = (DMFMODULE)&settings;
    CHECK_STATUS(source_try(&settings, &pool), STATUS_INVALID_PARAMETER);
    CHECK(pool == NULL);
    MISUSE_IGNORE();
}

TEST(a_source_of_buffers_without_size_is_refused)
{
    check_refused(4, 0, FALSE, FALSE);
    check_refused(4, 0, TRUE, FALSE);
}

TEST(a_source_without_buffers_and_without_look_aside_is_refused)
{
    check_refused(0, 64, FALSE, FALSE);
}

TEST(a_source_with_timers_and_without_buffers_is_refused)
{
    check_refused(0, 64, FALSE, TRUE);
    check_refused(0, 64, TRUE, TRUE);
}

TEST(a_pool_of_no_known_mode_is_refused)
{
    static const int modes[] = {BufferPool_Mode_Invalid, BufferPool_Mode_Maximum, 99, -1};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
    {
        DMF_CONFIG_BufferPool config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE pool = (DMFMODULE)&config;
        DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferPoolMode = (BufferPool_ModeType)modes[i];
        config.Mode.SourceSettings.BufferCount = 1;
        config.Mode.SourceSettings.BufferSize = 1;
        CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool), STATUS_INVALID_PARAMETER);
        CHECK(pool == NULL);
        MISUSE_IGNORE();
    }
}

TEST(a_sink_with_buffers_or_look_aside_is_refused)
{
    for (int i = 0; i < 2; i++)
    {
        DMF_CONFIG_BufferPool config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE pool = (DMFMODULE)&config;
        DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferPoolMode = BufferPool_Mode_Sink;
        config.Mode.SourceSettings.BufferCount = i == 0 ? 1 : 0;
        config.Mode.SourceSettings.EnableLookAside = i == 0 ? 0 : 1;
        CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool), STATUS_INVALID_PARAMETER);
        CHECK(pool == NULL);
        MISUSE_IGNORE();
    }
}

TEST(more_memory_than_there_is_fails_without_harm)
{
    static const BufferPool_SourceSettings settings[] = {
        {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0, NonPagedPoolNx},
        {0xFFFFFFFF, 0x7FFFFFFF, 0, 0, 0, NonPagedPoolNx},
    };
    for (size_t i = 0; i < 2; i++)
    {
        DMFMODULE pool = (DMFMODULE)&pool;
        NTSTATUS status = source_try(&settings[i], &pool);
        CHECK(status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_INTEGER_OVERFLOW);
        CHECK(pool == NULL);
        MISUSE_IGNORE();
    }
}

TEST(a_source_starts_with_all_its_buffers)
{
    DMFMODULE pool = source_create(5);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 5);
    WdfObjectDelete(pool);
}

TEST(a_sink_starts_empty)
{
    DMFMODULE sink = sink_create();
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 0);
    WdfObjectDelete(sink);
}

/* ----------------------------------------------------------------------------------------------------- get */

TEST(get_takes_one_buffer_after_the_other)
{
    DMFMODULE pool = source_create(3);
    VOID* buffers[3];

    for (int i = 0; i < 3; i++)
    {
        buffers[i] = buffer_get(pool);
        CHECK_EQUAL(DMF_BufferPool_Count(pool), 2 - i);
    }
    CHECK(buffers[0] != buffers[1] && buffers[1] != buffers[2] && buffers[0] != buffers[2]);
    for (int i = 0; i < 3; i++)
    {
        DMF_BufferPool_Put(pool, buffers[i]);
    }
    WdfObjectDelete(pool);
}

TEST(fresh_buffers_and_contexts_are_zeros_aligned_and_apart)
{
    enum { COUNT = 8 };
    static const ULONG sizes[] = {1, 15, 16, 17, 61, 64, 1000, 4096, 100000};

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
    {
        ULONG size = sizes[s];
        ULONG context_size = size % 97 + 1;
        DMFMODULE pool = source_create_sized(COUNT, 0, size, context_size);
        VOID* buffers[COUNT] = {NULL};
        VOID* contexts[COUNT] = {NULL};

        for (int i = 0; i < COUNT; i++)
        {
            REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffers[i], &contexts[i]));
            CHECK_EQUAL((uintptr_t)buffers[i] % 16, 0);
            CHECK_EQUAL((uintptr_t)contexts[i] % 16, 0);
            CHECK_ALL_BYTES(buffers[i], 0, size);
            CHECK_ALL_BYTES(contexts[i], 0, context_size);
            memset(buffers[i], i + 1, size);
            memset(contexts[i], i + 101, context_size);
        }
        for (int i = 0; i < COUNT; i++)
        {
            CHECK_ALL_BYTES(buffers[i], i + 1, size);
            CHECK_ALL_BYTES(contexts[i], i + 101, context_size);
            DMF_BufferPool_Put(pool, buffers[i]);
        }
        CHECK_EQUAL(DMF_BufferPool_Count(pool), COUNT);
        WdfObjectDelete(pool);
    }
}

TEST(get_from_an_empty_pool_leaves_the_outputs_alone)
{
    DMFMODULE pools[2] = {source_create(1), sink_create()};
    VOID* only = buffer_get(pools[0]);

    for (int i = 0; i < 2; i++)
    {
        VOID* buffer = &pools;
        VOID* context = &pools;
        WDFMEMORY memory = (WDFMEMORY)&pools;
        WDF_MEMORY_DESCRIPTOR descriptor, untouched;

        memset(&descriptor, 0xA5, sizeof(descriptor));
        untouched = descriptor;
        CHECK_STATUS(DMF_BufferPool_Get(pools[i], &buffer, &context), STATUS_UNSUCCESSFUL);
        CHECK_STATUS(DMF_BufferPool_Get(pools[i], &buffer, NULL), STATUS_UNSUCCESSFUL);
        CHECK_STATUS(DMF_BufferPool_GetWithMemory(pools[i], &buffer, &context, &memory), STATUS_UNSUCCESSFUL);
        CHECK_STATUS(DMF_BufferPool_GetWithMemoryDescriptor(pools[i], &buffer, &descriptor, &context),
                     STATUS_INSUFFICIENT_RESOURCES);
        CHECK_POINTER(buffer, &pools);
        CHECK_POINTER(context, &pools);
        CHECK_POINTER(memory, &pools);
        CHECK(memcmp(&descriptor, &untouched, sizeof(descriptor)) == 0);
    }
    DMF_BufferPool_Put(pools[0], only);
    WdfObjectDelete(pools[0]);
    WdfObjectDelete(pools[1]);
}

TEST(get_with_nowhere_to_put_the_buffer_takes_none)
{
    DMFMODULE pool = source_create(2);
    VOID* buffer;
    VOID* context;
    WDFMEMORY memory;
    WDF_MEMORY_DESCRIPTOR descriptor;

    CHECK_STATUS(DMF_BufferPool_Get(pool, NULL, &context), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferPool_GetWithMemory(pool, NULL, &context, &memory), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferPool_GetWithMemory(pool, &buffer, NULL, &memory), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferPool_GetWithMemory(pool, &buffer, &context, NULL), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferPool_GetWithMemoryDescriptor(pool, NULL, &descriptor, &context), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferPool_GetWithMemoryDescriptor(pool, &buffer, NULL, &context), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_BufferPool_GetWithMemoryDescriptor(pool, &buffer, &descriptor, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(7);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 2);
    WdfObjectDelete(pool);
}

TEST(get_gives_no_context_where_there_is_none)
{
    DMFMODULE pool = source_create_sized(1, 0, BUFFER_SIZE, 0);
    VOID* buffer = NULL;
    VOID* context = &pool;

    CHECK_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context));
    CHECK(context == NULL);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

TEST(all_other_methods_give_a_context_even_of_no_bytes)
{
    DMFMODULE pool = source_create_sized(1, 0, BUFFER_SIZE, 0);
    WDF_MEMORY_DESCRIPTOR descriptor;
    WDFMEMORY memory = NULL;
    VOID* buffer = NULL;
    VOID* context = NULL;
    ULONG context_size = 99;

    CHECK_SUCCESS(DMF_BufferPool_GetWithMemory(pool, &buffer, &context, &memory));
    CHECK(context != NULL);
    context = NULL;
    DMF_BufferPool_ContextGet(pool, buffer, &context);
    CHECK(context != NULL);
    context = NULL;
    DMF_BufferPool_ParametersGet(pool, buffer, NULL, NULL, NULL, &context, &context_size);
    CHECK(context != NULL);
    CHECK_EQUAL(context_size, 0);
    DMF_BufferPool_Put(pool, buffer);
    context = NULL;
    CHECK_SUCCESS(DMF_BufferPool_GetWithMemoryDescriptor(pool, &buffer, &descriptor, &context));
    CHECK(context != NULL);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

TEST(get_with_memory_gives_the_buffers_memory)
{
    DMFMODULE pool = source_create(1);
    VOID* buffer = NULL;
    VOID* context = NULL;
    WDFMEMORY memory = NULL;
    size_t size = 0;

    REQUIRE_SUCCESS(DMF_BufferPool_GetWithMemory(pool, &buffer, &context, &memory));
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 0);
    CHECK_POINTER(WdfMemoryGetBuffer(memory, &size), buffer);
    CHECK_EQUAL(size, BUFFER_SIZE);
    CHECK_POINTER(WdfMemoryGetBuffer(memory, NULL), buffer);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

TEST(get_with_memory_descriptor_describes_the_buffer_by_handle)
{
    DMFMODULE pool = source_create(1);
    WDF_MEMORY_DESCRIPTOR descriptor;
    VOID* buffer = NULL;
    VOID* context = NULL;
    size_t size = 0;

    memset(&descriptor, 0xA5, sizeof(descriptor));
    REQUIRE_SUCCESS(DMF_BufferPool_GetWithMemoryDescriptor(pool, &buffer, &descriptor, &context));
    CHECK_EQUAL(descriptor.Type, WdfMemoryDescriptorTypeHandle);
    CHECK(descriptor.u.HandleType.Offsets == NULL);
    CHECK_POINTER(WdfMemoryGetBuffer(descriptor.u.HandleType.Memory, &size), buffer);
    CHECK_EQUAL(size, BUFFER_SIZE);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

/* ------------------------------------------------------------------------------------ context, parameters */

TEST(context_get_gives_the_context_that_get_gave)
{
    DMFMODULE pool = source_create(2);
    VOID* buffer = NULL;
    VOID* context = NULL;
    VOID* again = NULL;

    REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context));
    DMF_BufferPool_ContextGet(pool, buffer, &again);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_POINTER(again, context);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

TEST(context_get_with_null_or_a_foreign_pointer_is_reported)
{
    DMFMODULE pool = source_create(1);
    VOID* buffer = buffer_get(pool);
    VOID* context = &pool;

    DMF_BufferPool_ContextGet(pool, NULL, &context);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    DMF_BufferPool_ContextGet(pool, buffer, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    DMF_BufferPool_ContextGet(pool, &context, &context);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

TEST(parameters_get_tells_everything_about_a_buffer)
{
    DMFMODULE pool = source_create_sized(2, 0, 61, 5);
    WDF_MEMORY_DESCRIPTOR descriptor;
    WDFMEMORY memory = NULL;
    VOID* buffer = NULL;
    VOID* context = NULL;
    VOID* context_of_get = NULL;
    ULONG size = 0, context_size = 0;
    size_t memory_size = 0;

    REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context_of_get));
    memset(&descriptor, 0xA5, sizeof(descriptor));
    DMF_BufferPool_ParametersGet(pool, buffer, &descriptor, &memory, &size, &context, &context_size);
    CHECK_EQUAL(size, 61);
    CHECK_EQUAL(context_size, 5);
    CHECK_POINTER(context, context_of_get);
    CHECK_POINTER(WdfMemoryGetBuffer(memory, &memory_size), buffer);
    CHECK_EQUAL(memory_size, 61);
    CHECK_EQUAL(descriptor.Type, WdfMemoryDescriptorTypeHandle);
    CHECK_POINTER(descriptor.u.HandleType.Memory, memory);
    CHECK(descriptor.u.HandleType.Offsets == NULL);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

TEST(every_output_of_parameters_get_is_optional)
{
    DMFMODULE pool = source_create(1);
    VOID* buffer = buffer_get(pool);
    WDF_MEMORY_DESCRIPTOR descriptor;
    WDFMEMORY memory = NULL;
    VOID* context = NULL;
    ULONG size = 0, context_size = 0;

    DMF_BufferPool_ParametersGet(pool, buffer, NULL, NULL, NULL, NULL, NULL);
    DMF_BufferPool_ParametersGet(pool, buffer, &descriptor, NULL, NULL, NULL, NULL);
    DMF_BufferPool_ParametersGet(pool, buffer, NULL, &memory, NULL, NULL, NULL);
    DMF_BufferPool_ParametersGet(pool, buffer, NULL, NULL, &size, NULL, NULL);
    DMF_BufferPool_ParametersGet(pool, buffer, NULL, NULL, NULL, &context, NULL);
    DMF_BufferPool_ParametersGet(pool, buffer, NULL, NULL, NULL, NULL, &context_size);
    CHECK_EQUAL(descriptor.Type, WdfMemoryDescriptorTypeHandle);
    CHECK(memory != NULL);
    CHECK_EQUAL(size, BUFFER_SIZE);
    CHECK(context != NULL);
    CHECK_EQUAL(context_size, CONTEXT_SIZE);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

TEST(parameters_get_of_a_buffer_that_is_not_this_sources_writes_nothing)
{
    DMFMODULE pool = source_create(1), other = source_create(1);
    VOID* buffer = buffer_get(pool);
    VOID* foreign[3];
    ULONG local = 0;

    foreign[0] = NULL;
    foreign[1] = &local;
    foreign[2] = buffer;
    for (int i = 0; i < 3; i++)
    {
        ULONG size = 4711;
        VOID* context = &local;
        DMF_BufferPool_ParametersGet(i == 2 ? other : pool, foreign[i], NULL, NULL, &size, &context, NULL);
        CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
        CHECK_EQUAL(size, 4711);
        CHECK_POINTER(context, &local);
        CHECK_MISUSE(1);
    }
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
    WdfObjectDelete(other);
}

/* ----------------------------------------------------------------------------------------------------- put */

TEST(put_adds_at_the_tail)
{
    DMFMODULE pool = source_create(3);
    VOID* buffers[3];

    for (int i = 0; i < 3; i++)
    {
        buffers[i] = buffer_get(pool);
    }
    DMF_BufferPool_Put(pool, buffers[1]);
    DMF_BufferPool_Put(pool, buffers[2]);
    DMF_BufferPool_Put(pool, buffers[0]);
    CHECK_POINTER(buffer_get(pool), buffers[1]);
    CHECK_POINTER(buffer_get(pool), buffers[2]);
    CHECK_POINTER(buffer_get(pool), buffers[0]);
    for (int i = 0; i < 3; i++)
    {
        DMF_BufferPool_Put(pool, buffers[i]);
    }
    WdfObjectDelete(pool);
}

TEST(put_at_head_adds_at_the_head)
{
    DMFMODULE pool = source_create(3);
    VOID* first = buffer_get(pool);
    VOID* second = buffer_get(pool);

    DMF_BufferPool_PutAtHead(pool, first);
    DMF_BufferPool_PutAtHead(pool, second);
    CHECK_POINTER(buffer_get(pool), second);
    CHECK_POINTER(buffer_get(pool), first);
    DMF_BufferPool_Put(pool, first);
    DMF_BufferPool_Put(pool, second);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 3);
    WdfObjectDelete(pool);
}

TEST(a_source_zeroes_what_is_put_back)
{
    DMFMODULE pool = source_create(1);

    for (int i = 0; i < 2; i++)
    {
        VOID* buffer = NULL;
        VOID* context = NULL;
        REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context));
        memset(buffer, 0xEE, BUFFER_SIZE);
        memset(context, 0xEE, CONTEXT_SIZE);
        if (i == 0)
        {
            DMF_BufferPool_Put(pool, buffer);
        }
        else
        {
            DMF_BufferPool_PutAtHead(pool, buffer);
        }
        REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context));
        CHECK_ALL_BYTES(buffer, 0, BUFFER_SIZE);
        CHECK_ALL_BYTES(context, 0, CONTEXT_SIZE);
        DMF_BufferPool_Put(pool, buffer);
    }
    WdfObjectDelete(pool);
}

TEST(a_sink_keeps_what_is_in_a_buffer)
{
    DMFMODULE source = source_create(2), sink = sink_create();
    VOID* buffer = NULL;
    VOID* context = NULL;
    VOID* taken = NULL;
    VOID* taken_context = NULL;

    REQUIRE_SUCCESS(DMF_BufferPool_Get(source, &buffer, &context));
    memset(buffer, 0x33, BUFFER_SIZE);
    memset(context, 0x44, CONTEXT_SIZE);
    DMF_BufferPool_Put(sink, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 1);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 1);
    REQUIRE_SUCCESS(DMF_BufferPool_Get(sink, &taken, &taken_context));
    CHECK_POINTER(taken, buffer);
    CHECK_POINTER(taken_context, context);
    CHECK_ALL_BYTES(buffer, 0x33, BUFFER_SIZE);
    CHECK_ALL_BYTES(context, 0x44, CONTEXT_SIZE);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 0);
    DMF_BufferPool_Put(source, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 2);
    WdfObjectDelete(source);
    WdfObjectDelete(sink);
}

TEST(a_sink_is_first_in_first_out_and_its_head_is_reachable)
{
    DMFMODULE source = source_create(3), sink = sink_create();
    VOID* a = buffer_get(source);
    VOID* b = buffer_get(source);
    VOID* c = buffer_get(source);

    DMF_BufferPool_Put(sink, a);
    DMF_BufferPool_Put(sink, b);
    DMF_BufferPool_PutAtHead(sink, c);
    CHECK_POINTER(buffer_get(sink), c);
    CHECK_POINTER(buffer_get(sink), a);
    CHECK_POINTER(buffer_get(sink), b);
    DMF_BufferPool_Put(source, a);
    DMF_BufferPool_Put(source, b);
    DMF_BufferPool_Put(source, c);
    WdfObjectDelete(source);
    WdfObjectDelete(sink);
}

TEST(a_sink_takes_buffers_of_several_sources)
{
    DMFMODULE small = source_create_sized(1, 0, 8, 0), large = source_create_sized(1, 0, 800, 80);
    DMFMODULE sink = sink_create();
    VOID* a = buffer_get(small);
    VOID* b = buffer_get(large);

    DMF_BufferPool_Put(sink, a);
    DMF_BufferPool_Put(sink, b);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 2);
    CHECK_POINTER(buffer_get(sink), a);
    CHECK_POINTER(buffer_get(sink), b);
    DMF_BufferPool_Put(small, a);
    DMF_BufferPool_Put(large, b);
    WdfObjectDelete(small);
    WdfObjectDelete(large);
    WdfObjectDelete(sink);
}

TEST(a_buffer_of_another_source_is_refused)
{
    DMFMODULE pool = source_create(1), other = source_create(1);
    VOID* buffer = buffer_get(other);

    memset(buffer, 0x77, BUFFER_SIZE);
    DMF_BufferPool_Put(pool, buffer);
    CHECK_MISUSE(1);
    DMF_BufferPool_PutAtHead(pool, buffer);
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 1);
    CHECK_ALL_BYTES(buffer, 0x77, BUFFER_SIZE);
    DMF_BufferPool_Put(other, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(other), 1);
    WdfObjectDelete(pool);
    WdfObjectDelete(other);
}

TEST(a_buffer_that_is_in_a_list_already_is_refused)
{
    DMFMODULE source = source_create(2), sink = sink_create();
    VOID* buffer = buffer_get(source);
    VOID* other;

    DMF_BufferPool_Put(source, buffer);
    DMF_BufferPool_Put(source, buffer);
    DMF_BufferPool_PutAtHead(source, buffer);
    DMF_BufferPool_Put(sink, buffer);
    CHECK_MISUSE(3);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 2);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 0);

    other = buffer_get(source);
    CHECK_POINTER(buffer_get(source), buffer);
    DMF_BufferPool_Put(sink, buffer);
    DMF_BufferPool_Put(source, buffer);
    DMF_BufferPool_Put(sink, buffer);
    CHECK_MISUSE(2);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 0);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 1);
    DMF_BufferPool_Put(source, other);
    WdfObjectDelete(source);
    WdfObjectDelete(sink);
}

TEST(a_pointer_that_is_no_pool_buffer_is_refused)
{
    static char zeros[256];
    DMFMODULE pools[2] = {source_create(4), sink_create()};
    VOID* buffer = NULL;
    VOID* context = NULL;
    char* heap = malloc(4096);
    VOID* pointers[HARNESS_GARBAGE_MAX + 16];
    size_t count = harness_garbage(pointers);

    REQUIRE(heap != NULL);
    REQUIRE_SUCCESS(DMF_BufferPool_Get(pools[0], &buffer, &context));
    pointers[count++] = heap;
    pointers[count++] = heap + 1024;
    pointers[count++] = &pools;
    pointers[count++] = zeros + 64;
    pointers[count++] = (char*)buffer + 1;
    pointers[count++] = (char*)buffer + 16;
    pointers[count++] = (char*)buffer - 16;
    pointers[count++] = (char*)buffer + BUFFER_SIZE;
    pointers[count++] = context;
    pointers[count++] = (char*)context + 1;
    pointers[count++] = pools[0];
    for (size_t i = 0; i < count; i++)
    {
        for (int p = 0; p < 2; p++)
        {
            DMF_BufferPool_Put(pools[p], pointers[i]);
            CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
            DMF_BufferPool_PutAtHead(pools[p], pointers[i]);
            CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
            CHECK_MISUSE(2);
        }
    }
    CHECK_EQUAL(DMF_BufferPool_Count(pools[0]), 3);
    CHECK_EQUAL(DMF_BufferPool_Count(pools[1]), 0);
    DMF_BufferPool_Put(pools[0], buffer);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EQUAL(DMF_BufferPool_Count(pools[0]), 4);
    free(heap);
    WdfObjectDelete(pools[0]);
    WdfObjectDelete(pools[1]);
}

TEST(putting_null_is_a_missing_parameter)
{
    DMFMODULE pool = source_create(1);

    DMF_BufferPool_Put(pool, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    DMF_BufferPool_PutAtHead(pool, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(2);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 1);
    WdfObjectDelete(pool);
}

/* ---------------------------------------------------------------------------------------------- look-aside */

TEST(look_aside_makes_buffers_when_the_list_is_empty)
{
    enum { COUNT = 20 };
    DMFMODULE pool = source_create_sized(2, TRUE, BUFFER_SIZE, CONTEXT_SIZE);
    VOID* buffers[COUNT] = {NULL};

    for (int i = 0; i < COUNT; i++)
    {
        VOID* context = NULL;
        REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffers[i], &context));
        CHECK_ALL_BYTES(buffers[i], 0, BUFFER_SIZE);
        CHECK_ALL_BYTES(context, 0, CONTEXT_SIZE);
        memset(buffers[i], i + 1, BUFFER_SIZE);
        memset(context, i + 1, CONTEXT_SIZE);
    }
    for (int i = 0; i < COUNT; i++)
    {
        CHECK_ALL_BYTES(buffers[i], i + 1, BUFFER_SIZE);
    }
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 0);
    for (int i = 0; i < COUNT; i++)
    {
        DMF_BufferPool_Put(pool, buffers[i]);
        CHECK(DMF_BufferPool_Count(pool) <= 2);
    }
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 2);
    WdfObjectDelete(pool);
}

TEST(look_aside_alone_is_enough)
{
    DMFMODULE pool = source_create_sized(0, TRUE, BUFFER_SIZE, CONTEXT_SIZE);
    VOID* buffer;

    CHECK_EQUAL(DMF_BufferPool_Count(pool), 0);
    buffer = buffer_get(pool);
    DMF_BufferPool_Put(pool, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 0);
    WdfObjectDelete(pool);
}

TEST(all_ways_to_get_a_buffer_use_the_look_aside)
{
    DMFMODULE pool = source_create_sized(0, TRUE, BUFFER_SIZE, CONTEXT_SIZE);
    WDF_MEMORY_DESCRIPTOR descriptor;
    WDFMEMORY memory = NULL;
    VOID* buffer = NULL;
    VOID* other = NULL;
    VOID* context = NULL;
    size_t size = 0;

    REQUIRE_SUCCESS(DMF_BufferPool_GetWithMemory(pool, &buffer, &context, &memory));
    CHECK_POINTER(WdfMemoryGetBuffer(memory, &size), buffer);
    REQUIRE_SUCCESS(DMF_BufferPool_GetWithMemoryDescriptor(pool, &other, &descriptor, &context));
    CHECK_POINTER(WdfMemoryGetBuffer(descriptor.u.HandleType.Memory, &size), other);
    DMF_BufferPool_Put(pool, buffer);
    DMF_BufferPool_Put(pool, other);
    WdfObjectDelete(pool);
}

TEST(a_source_of_one_buffer_grows_and_shrinks_again_and_again)
{
    DMFMODULE pool = source_create_sized(1, TRUE, BUFFER_SIZE, CONTEXT_SIZE);

    for (int round = 0; round < 4; round++)
    {
        VOID* buffers[3];
        for (int i = 0; i < 3; i++)
        {
            buffers[i] = buffer_get(pool);
        }
        for (int i = 0; i < 3; i++)
        {
            /* Each of them is the first to come back once, so that each is freed once. */
            DMF_BufferPool_Put(pool, buffers[(i + round) % 3]);
        }
        CHECK_EQUAL(DMF_BufferPool_Count(pool), 1);
    }
    CHECK_MISUSE(0);
    WdfObjectDelete(pool);
}

TEST(a_buffer_that_the_look_aside_freed_is_gone)
{
    DMFMODULE pool = source_create_sized(0, TRUE, BUFFER_SIZE, CONTEXT_SIZE);
    VOID* buffer = buffer_get(pool);

    DMF_BufferPool_Put(pool, buffer);
    DMF_BufferPool_Put(pool, buffer);
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 0);
    WdfObjectDelete(pool);
}

/* ----------------------------------------------------------------------------------------------- overruns */

TEST(an_overrun_is_reported_when_the_buffer_comes_back)
{
    static const ULONG sizes[] = {61, 64};

    for (size_t i = 0; i < 2; i++)
    {
        DMFMODULE pool = source_create_sized(2, 0, sizes[i], CONTEXT_SIZE);
        VOID* buffer = buffer_get(pool);

        ((unsigned char*)buffer)[sizes[i]] ^= 0x5A;
        DMF_BufferPool_Put(pool, buffer);
        CHECK_MISUSE(1);
        CHECK_EQUAL(DMF_BufferPool_Count(pool), 2);
        WdfObjectDelete(pool);
        MISUSE_IGNORE();
    }
}

TEST(an_overrun_of_a_context_is_reported_too)
{
    static const ULONG sizes[] = {5, 16};

    for (size_t i = 0; i < 2; i++)
    {
        DMFMODULE pool = source_create_sized(1, 0, BUFFER_SIZE, sizes[i]);
        VOID* buffer = NULL;
        VOID* context = NULL;

        REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context));
        ((unsigned char*)context)[sizes[i]] ^= 0x5A;
        DMF_BufferPool_Put(pool, buffer);
        CHECK_MISUSE(1);
        CHECK_EQUAL(DMF_BufferPool_Count(pool), 1);
        WdfObjectDelete(pool);
        MISUSE_IGNORE();
    }
}

TEST(after_an_overrun_the_pool_goes_on)
{
    DMFMODULE pool = source_create(1);

    for (int i = 0; i < 3; i++)
    {
        VOID* buffer = NULL;
        VOID* context = NULL;
        REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context));
        CHECK_ALL_BYTES(buffer, 0, BUFFER_SIZE);
        ((unsigned char*)buffer)[BUFFER_SIZE] ^= 0x5A;
        DMF_BufferPool_Put(pool, buffer);
        MISUSE_IGNORE();
    }
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 1);
    WdfObjectDelete(pool);
    MISUSE_IGNORE();
}

/* ------------------------------------------------------------------------------------------------- delete */

TEST(a_buffer_that_the_client_owns_outlives_its_source)
{
    DMFMODULE pool = source_create(3);
    VOID* buffer = NULL;
    VOID* context = NULL;

    REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context));
    WdfObjectDelete(pool);
    memset(buffer, 0xEE, BUFFER_SIZE);
    memset(context, 0xEE, CONTEXT_SIZE);
    CHECK_ALL_BYTES(buffer, 0xEE, BUFFER_SIZE);
    DMF_BufferPool_Put(pool, buffer);
    CHECK_MISUSE(0);
}

TEST(put_at_head_of_a_buffer_of_a_deleted_source_is_legal_too)
{
    DMFMODULE pool = source_create(1);
    VOID* buffer = buffer_get(pool);

    WdfObjectDelete(pool);
    DMF_BufferPool_PutAtHead(pool, buffer);
    CHECK_MISUSE(0);
}

TEST(many_buffers_come_back_after_the_delete_in_any_order)
{
    enum { COUNT = 16 };
    DMFMODULE pool = source_create_sized(COUNT / 2, TRUE, BUFFER_SIZE, CONTEXT_SIZE);
    VOID* buffers[COUNT];

    for (int i = 0; i < COUNT; i++)
    {
        buffers[i] = buffer_get(pool);
    }
    WdfObjectDelete(pool);
    for (int i = 0; i < COUNT; i++)
    {
        int which = i * 7 % COUNT;
        memset(buffers[which], 0xEE, BUFFER_SIZE);
        DMF_BufferPool_Put(pool, buffers[which]);
    }
    CHECK_MISUSE(0);
}

TEST(a_buffer_comes_back_to_a_deleted_source_only_once)
{
    DMFMODULE pool = source_create(2);
    VOID* first = buffer_get(pool);
    VOID* second = buffer_get(pool);

    WdfObjectDelete(pool);
    DMF_BufferPool_Put(pool, first);
    CHECK_MISUSE(0);
    DMF_BufferPool_Put(pool, first);
    CHECK_MISUSE(1);
    DMF_BufferPool_Put(pool, second);
    CHECK_MISUSE(0);
}

TEST(a_foreign_pointer_is_not_given_back_to_a_deleted_source)
{
    DMFMODULE pool = source_create(1), other = source_create(1);
    VOID* foreign = buffer_get(other);
    int local = 0;

    WdfObjectDelete(pool);
    DMF_BufferPool_Put(pool, &local);
    CHECK_MISUSE(1);
    DMF_BufferPool_Put(pool, foreign);
    CHECK_MISUSE(1);
    DMF_BufferPool_Put(other, foreign);
    CHECK_EQUAL(DMF_BufferPool_Count(other), 1);
    WdfObjectDelete(other);
}

TEST(a_sink_keeps_buffers_whose_source_is_deleted)
{
    DMFMODULE source = source_create(2), sink = sink_create();
    VOID* buffer = buffer_get(source);

    memset(buffer, 0x12, BUFFER_SIZE);
    DMF_BufferPool_Put(sink, buffer);
    WdfObjectDelete(source);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 1);
    CHECK_POINTER(buffer_get(sink), buffer);
    CHECK_ALL_BYTES(buffer, 0x12, BUFFER_SIZE);
    DMF_BufferPool_Put(source, buffer);
    CHECK_MISUSE(0);
    WdfObjectDelete(sink);
}

TEST(deleting_a_sink_frees_the_buffers_in_it)
{
    DMFMODULE source = source_create(3), sink = sink_create();
    VOID* buffer = buffer_get(source);

    DMF_BufferPool_Put(sink, buffer);
    WdfObjectDelete(sink);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 2);
    DMF_BufferPool_Put(source, buffer);
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 2);
    WdfObjectDelete(source);
}

TEST(a_source_whose_buffers_a_sink_has_all_freed_is_just_empty)
{
    for (ULONG look_aside = 0; look_aside < 2; look_aside++)
    {
        DMFMODULE source = source_create_sized(2, look_aside, BUFFER_SIZE, CONTEXT_SIZE), sink = sink_create();
        VOID* freed[2] = {buffer_get(source), buffer_get(source)};
        VOID* buffer = NULL;

        DMF_BufferPool_Put(sink, freed[0]);
        DMF_BufferPool_Put(sink, freed[1]);
        WdfObjectDelete(sink);
        DMF_BufferPool_Put(source, freed[0]);
        CHECK_MISUSE(1);
        CHECK_EQUAL(DMF_BufferPool_Count(source), 0);
        CHECK_STATUS(DMF_BufferPool_Get(source, &buffer, NULL), look_aside ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL);
        if (buffer != NULL)
        {
            DMF_BufferPool_Put(source, buffer);
        }
        CHECK_MISUSE(0);
        WdfObjectDelete(source);
    }
}

TEST(a_source_counts_buffers_no_more_that_a_sink_has_freed)
{
    DMFMODULE source = source_create_sized(2, 1, BUFFER_SIZE, CONTEXT_SIZE), sink = sink_create();
    VOID* buffers[5];

    for (int i = 0; i < 5; i++)
    {
        buffers[i] = buffer_get(source);
    }
    for (int i = 0; i < 3; i++)
    {
        DMF_BufferPool_Put(sink, buffers[i]);
    }
    WdfObjectDelete(sink);
    /* Two are left, as many as were configured. */
    DMF_BufferPool_Put(source, buffers[3]);
    DMF_BufferPool_Put(source, buffers[4]);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 2);
    for (int i = 0; i < 3; i++)
    {
        buffers[i] = buffer_get(source);
    }
    for (int i = 0; i < 3; i++)
    {
        DMF_BufferPool_Put(source, buffers[i]);
    }
    CHECK_EQUAL(DMF_BufferPool_Count(source), 2);
    CHECK_MISUSE(0);
    WdfObjectDelete(source);
}

TEST(a_sink_that_outlives_the_source_frees_its_buffers)
{
    DMFMODULE source = source_create(4), sink = sink_create();

    for (int i = 0; i < 4; i++)
    {
        DMF_BufferPool_Put(sink, buffer_get(source));
    }
    WdfObjectDelete(source);
    WdfObjectDelete(sink);
    CHECK_MISUSE(0);
}

/* -------------------------------------------------------------------------------------------- bad handles */

static void check_bad_handle(DMFMODULE bad, VOID* buffer_of_another)
{
    WDF_MEMORY_DESCRIPTOR descriptor;
    WDFMEMORY memory = NULL;
    VOID* buffer = &descriptor;
    VOID* context = &descriptor;
    ULONG size = 5;

    CHECK_EQUAL(DMF_BufferPool_Count(bad), 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_BufferPool_Get(bad, &buffer, &context), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_BufferPool_GetWithMemory(bad, &buffer, &context, &memory), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_BufferPool_GetWithMemoryDescriptor(bad, &buffer, &descriptor, &context), STATUS_INVALID_HANDLE);
    DMF_BufferPool_ContextGet(bad, buffer_of_another, &context);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferPool_ParametersGet(bad, buffer_of_another, NULL, NULL, &size, NULL, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferPool_Put(bad, buffer_of_another);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_BufferPool_PutAtHead(bad, buffer_of_another);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(8);
    CHECK_POINTER(buffer, &descriptor);
    CHECK_POINTER(context, &descriptor);
    CHECK(memory == NULL);
    CHECK_EQUAL(size, 5);
}

TEST(every_method_refuses_a_handle_that_is_no_pool)
{
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);
    DMFMODULE pool = source_create(1), stale = source_create(1);
    VOID* buffer = buffer_get(pool);
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE target = NULL;
    WDFDEVICE device = NULL;

    WdfObjectDelete(stale);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    DMF_ContinuousRequestTarget_ATTRIBUTES_INIT(&attributes);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &target));
    handles[count++] = NULL;
    handles[count++] = stale;
    handles[count++] = device;
    handles[count++] = target;
    for (size_t i = 0; i < count; i++)
    {
        check_bad_handle((DMFMODULE)handles[i], buffer);
    }
    DMF_BufferPool_Put(pool, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 1);
    WdfObjectDelete(pool);
    WdfObjectDelete(device);
}

/* ------------------------------------------------------------------------------------------------ threads */

static struct
{
    DMFMODULE Source;
    DMFMODULE Sink;
    atomic_bool End;
    atomic_uint Errors;
    atomic_uint Moved;
} shared;

/* A buffer belongs to one thread at a time: it finds the zeros that a source promises, and afterwards its own bytes. */
static void* uses_buffers(void* argument)
{
    unsigned rounds = harness_rounds(20000);
    int mark = (int)(intptr_t)argument;

    for (unsigned i = 0; i < rounds; i++)
    {
        VOID* buffer = NULL;
        VOID* context = NULL;
        if (!NT_SUCCESS(DMF_BufferPool_Get(shared.Source, &buffer, &context)))
        {
            continue;
        }
        if (!harness_bytes_are(buffer, 0, BUFFER_SIZE) || !harness_bytes_are(context, 0, CONTEXT_SIZE))
        {
            atomic_fetch_add(&shared.Errors, 1);
        }
        memset(buffer, mark, BUFFER_SIZE);
        memset(context, mark, CONTEXT_SIZE);
        if (!harness_bytes_are(buffer, mark, BUFFER_SIZE) || !harness_bytes_are(context, mark, CONTEXT_SIZE))
        {
            atomic_fetch_add(&shared.Errors, 1);
        }
        if (i % 2 == 0)
        {
            DMF_BufferPool_Put(shared.Source, buffer);
        }
        else
        {
            DMF_BufferPool_PutAtHead(shared.Source, buffer);
        }
    }
    return NULL;
}

static void use_buffers_in_threads(ULONG count, ULONG look_aside)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];

    memset(&shared, 0, sizeof(shared));
    shared.Source = source_create_sized(count, look_aside, BUFFER_SIZE, CONTEXT_SIZE);
    for (int i = 0; i < THREADS; i++)
    {
        pthread_create(&threads[i], NULL, uses_buffers, (void*)(intptr_t)(i + 1));
    }
    for (int i = 0; i < THREADS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQUAL(atomic_load(&shared.Errors), 0);
    CHECK_EQUAL(DMF_BufferPool_Count(shared.Source), count);
    WdfObjectDelete(shared.Source);
}

TEST(threads_share_a_source_and_no_buffer)
{
    use_buffers_in_threads(3, FALSE);
}

TEST(threads_share_a_source_that_grows)
{
    use_buffers_in_threads(2, TRUE);
}

static void* moves_to_the_sink(void* argument)
{
    unsigned rounds = *(unsigned*)argument;
    unsigned number = 0;
    while (number < rounds)
    {
        VOID* buffer = NULL;
        if (NT_SUCCESS(DMF_BufferPool_Get(shared.Source, &buffer, NULL)))
        {
            memcpy(buffer, &number, sizeof(number));
            DMF_BufferPool_Put(shared.Sink, buffer);
            number++;
        }
    }
    return NULL;
}

TEST(buffers_pass_through_a_sink_in_order)
{
    unsigned rounds = harness_rounds(50000);
    pthread_t producer;

    memset(&shared, 0, sizeof(shared));
    shared.Source = source_create(8);
    shared.Sink = sink_create();
    pthread_create(&producer, NULL, moves_to_the_sink, &rounds);
    for (unsigned expected = 0; expected < rounds;)
    {
        VOID* buffer = NULL;
        if (NT_SUCCESS(DMF_BufferPool_Get(shared.Sink, &buffer, NULL)))
        {
            unsigned number = 0;
            memcpy(&number, buffer, sizeof(number));
            if (number != expected)
            {
                atomic_fetch_add(&shared.Errors, 1);
            }
            expected++;
            DMF_BufferPool_Put(shared.Source, buffer);
        }
    }
    pthread_join(producer, NULL);
    CHECK_EQUAL(atomic_load(&shared.Errors), 0);
    CHECK_EQUAL(DMF_BufferPool_Count(shared.Source), 8);
    CHECK_EQUAL(DMF_BufferPool_Count(shared.Sink), 0);
    WdfObjectDelete(shared.Source);
    WdfObjectDelete(shared.Sink);
}

/* Uses a pool until it is gone; what it owns then it gives back all the same. */
static void* uses_until_deleted(void* argument)
{
    UNREFERENCED_PARAMETER(argument);
    for (;;)
    {
        VOID* buffer = NULL;
        NTSTATUS status = DMF_BufferPool_Get(shared.Source, &buffer, NULL);
        if (NT_SUCCESS(status))
        {
            memset(buffer, 0x55, BUFFER_SIZE);
            DMF_BufferPool_Put(shared.Source, buffer);
            atomic_fetch_add(&shared.Moved, 1);
        }
        else if (status == STATUS_INVALID_HANDLE || status == STATUS_INVALID_DEVICE_STATE)
        {
            return NULL;
        }
        else if (status != STATUS_UNSUCCESSFUL)
        {
            atomic_fetch_add(&shared.Errors, 1);
            return NULL;
        }
    }
}

TEST(a_pool_is_deleted_while_threads_use_it)
{
    enum { THREADS = 3 };
    unsigned rounds = harness_rounds(100);

    for (unsigned round = 0; round < rounds; round++)
    {
        pthread_t threads[THREADS];
        memset(&shared, 0, sizeof(shared));
        shared.Source = source_create_sized(2, round % 2, BUFFER_SIZE, CONTEXT_SIZE);
        for (int i = 0; i < THREADS; i++)
        {
            pthread_create(&threads[i], NULL, uses_until_deleted, NULL);
        }
        EVENTUALLY(atomic_load(&shared.Moved) > 50);
        WdfObjectDelete(shared.Source);
        for (int i = 0; i < THREADS; i++)
        {
            pthread_join(threads[i], NULL);
        }
        CHECK_EQUAL(atomic_load(&shared.Errors), 0);
        MISUSE_IGNORE();
    }
}

int main(void)
{
    RUN(a_source_of_buffers_without_size_is_refused);
    RUN(a_source_without_buffers_and_without_look_aside_is_refused);
    RUN(a_source_with_timers_and_without_buffers_is_refused);
    RUN(a_pool_of_no_known_mode_is_refused);
    RUN(a_sink_with_buffers_or_look_aside_is_refused);
    RUN(more_memory_than_there_is_fails_without_harm);
    RUN(a_source_starts_with_all_its_buffers);
    RUN(a_sink_starts_empty);
    RUN(get_takes_one_buffer_after_the_other);
    RUN(fresh_buffers_and_contexts_are_zeros_aligned_and_apart);
    RUN(get_from_an_empty_pool_leaves_the_outputs_alone);
    RUN(get_with_nowhere_to_put_the_buffer_takes_none);
    RUN(get_gives_no_context_where_there_is_none);
    RUN(all_other_methods_give_a_context_even_of_no_bytes);
    RUN(get_with_memory_gives_the_buffers_memory);
    RUN(get_with_memory_descriptor_describes_the_buffer_by_handle);
    RUN(context_get_gives_the_context_that_get_gave);
    RUN(context_get_with_null_or_a_foreign_pointer_is_reported);
    RUN(parameters_get_tells_everything_about_a_buffer);
    RUN(every_output_of_parameters_get_is_optional);
    RUN(parameters_get_of_a_buffer_that_is_not_this_sources_writes_nothing);
    RUN(put_adds_at_the_tail);
    RUN(put_at_head_adds_at_the_head);
    RUN(a_source_zeroes_what_is_put_back);
    RUN(a_sink_keeps_what_is_in_a_buffer);
    RUN(a_sink_is_first_in_first_out_and_its_head_is_reachable);
    RUN(a_sink_takes_buffers_of_several_sources);
    RUN(a_buffer_of_another_source_is_refused);
    RUN(a_buffer_that_is_in_a_list_already_is_refused);
    RUN(a_pointer_that_is_no_pool_buffer_is_refused);
    RUN(putting_null_is_a_missing_parameter);
    RUN(look_aside_makes_buffers_when_the_list_is_empty);
    RUN(look_aside_alone_is_enough);
    RUN(all_ways_to_get_a_buffer_use_the_look_aside);
    RUN(a_source_of_one_buffer_grows_and_shrinks_again_and_again);
    RUN(a_buffer_that_the_look_aside_freed_is_gone);
    RUN(an_overrun_is_reported_when_the_buffer_comes_back);
    RUN(an_overrun_of_a_context_is_reported_too);
    RUN(after_an_overrun_the_pool_goes_on);
    RUN(a_buffer_that_the_client_owns_outlives_its_source);
    RUN(put_at_head_of_a_buffer_of_a_deleted_source_is_legal_too);
    RUN(many_buffers_come_back_after_the_delete_in_any_order);
    RUN(a_buffer_comes_back_to_a_deleted_source_only_once);
    RUN(a_foreign_pointer_is_not_given_back_to_a_deleted_source);
    RUN(a_sink_keeps_buffers_whose_source_is_deleted);
    RUN(deleting_a_sink_frees_the_buffers_in_it);
    RUN(a_source_whose_buffers_a_sink_has_all_freed_is_just_empty);
    RUN(a_source_counts_buffers_no_more_that_a_sink_has_freed);
    RUN(a_sink_that_outlives_the_source_frees_its_buffers);
    RUN(every_method_refuses_a_handle_that_is_no_pool);
    RUN(threads_share_a_source_and_no_buffer);
    RUN(threads_share_a_source_that_grows);
    RUN(buffers_pass_through_a_sink_in_order);
    RUN(a_pool_is_deleted_while_threads_use_it);
    return TESTS_RESULT();
}
