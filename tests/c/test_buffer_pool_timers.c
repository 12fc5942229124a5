/* BufferPool: enumeration of a Sink, and buffers that leave it by themselves when their time is up. */
#define _DEFAULT_SOURCE

#include "harness.h"

#include <stdatomic.h>

#define BUFFER_SIZE 64
#define CONTEXT_SIZE 16
/* Longer than any test: a timer with this period never fires. */
#define NEVER 3600000ull

/* --------------------------------------------------------------------------------------------------- pools */

static DMFMODULE source_create_below(DMFMODULE parent, ULONG count, ULONG look_aside, ULONG timer)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDF_OBJECT_ATTRIBUTES object_attributes;
    DMFMODULE pool = NULL;

    WDF_OBJECT_ATTRIBUTES_INIT(&object_attributes);
    object_attributes.ParentObject = parent;
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Source;
    config.Mode.SourceSettings.BufferCount = count;
    config.Mode.SourceSettings.BufferSize = BUFFER_SIZE;
    config.Mode.SourceSettings.BufferContextSize = CONTEXT_SIZE;
    config.Mode.SourceSettings.EnableLookAside = look_aside;
    config.Mode.SourceSettings.CreateWithTimer = timer;
    CHECK_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, &object_attributes, &pool));
    return pool;
}

static DMFMODULE source_create_with(ULONG count, ULONG look_aside, ULONG timer)
{
    return source_create_below(NULL, count, look_aside, timer);
}

/* A source of buffers with timers. */
static DMFMODULE source_create(ULONG count)
{
    return source_create_with(count, FALSE, TRUE);
}

static DMFMODULE sink_create(void)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;

    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Sink;
    CHECK_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &pool));
    return pool;
}

/* A buffer whose first byte is its number. */
static VOID* buffer_get(DMFMODULE pool, int number)
{
    VOID* buffer = NULL;
    CHECK_SUCCESS(DMF_BufferPool_Get(pool, &buffer, NULL));
    if (buffer != NULL)
    {
        *(UCHAR*)buffer = (UCHAR)number;
    }
    return buffer;
}

/* A source of `count` buffers, all of which are in the sink, numbered from 0. */
typedef struct
{
    DMFMODULE Source;
    DMFMODULE Sink;
    VOID* Buffers[8];
} POOLS;

static POOLS pools_filled(DMFMODULE source, DMFMODULE sink, ULONG count)
{
    POOLS pools = {source, sink, {NULL}};
    for (ULONG i = 0; i < count; i++)
    {
        pools.Buffers[i] = buffer_get(source, (int)i);
        DMF_BufferPool_Put(sink, pools.Buffers[i]);
    }
    return pools;
}

static POOLS pools_create(ULONG count)
{
    return pools_filled(source_create(count), sink_create(), count);
}

static void pools_delete(const POOLS* pools)
{
    WdfObjectDelete(pools->Sink);
    WdfObjectDelete(pools->Source);
}

/* The sink holds exactly these buffers, in this order. It is empty afterwards; the buffers go back to their source. */
static void check_sink(const POOLS* pools, const char* numbers)
{
    CHECK_EQUAL(DMF_BufferPool_Count(pools->Sink), strlen(numbers));
    for (const char* number = numbers; *number != '\0'; number++)
    {
        VOID* buffer = NULL;
        CHECK_SUCCESS(DMF_BufferPool_Get(pools->Sink, &buffer, NULL));
        CHECK_POINTER(buffer, pools->Buffers[*number - '0']);
        DMF_BufferPool_Put(pools->Source, buffer);
    }
    CHECK_EQUAL(DMF_BufferPool_Count(pools->Sink), 0);
}

/* ------------------------------------------------------------------------------------------------- callbacks */

/* What an enumeration did, and what its callback shall answer. */
typedef struct
{
    DMFMODULE Module;
    unsigned Calls;
    VOID* Buffers[8];
    VOID* Contexts[8];
    int Answers[8];     /* for the calls, in turn */
    long Milliseconds;  /* spent in each call */
} LOOK;

static EVT_DMF_BufferPool_Enumeration Look;

static BufferPool_EnumerationDispositionType Look(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                                                  VOID* ClientDriverCallbackContext)
{
    LOOK* look = (LOOK*)ClientDriverCallbackContext;
    int answer = BufferPool_EnumerationDisposition_StopEnumeration;

    look->Module = DmfModule;
    if (look->Calls < 8)
    {
        look->Buffers[look->Calls] = ClientBuffer;
        look->Contexts[look->Calls] = ClientBufferContext;
        answer = look->Answers[look->Calls];
    }
    look->Calls++;
    if (look->Milliseconds != 0)
    {
        harness_sleep_milliseconds(look->Milliseconds);
    }
    return (BufferPool_EnumerationDispositionType)answer;
}

/* The same answer for every call. */
static LOOK look_with(int answer)
{
    LOOK look = {0};
    for (int i = 0; i < 8; i++)
    {
        look.Answers[i] = answer;
    }
    return look;
}

/* Enumerates the sink and gives every call the same answer. */
static LOOK look_at(DMFMODULE sink, int answer)
{
    LOOK look = look_with(answer);
    VOID* buffer = NULL;
    VOID* context = NULL;
    DMF_BufferPool_Enumerate(sink, Look, &look, &buffer, &context);
    CHECK_SUCCESS(DMF_LastStatusGet());
    return look;
}

/* What a timer's callback was told, and when. Runs on a thread of the library. */
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

/* Long enough for every timer of these tests that should not have fired to fire. */
static void wait_for_timers(void)
{
    harness_sleep_milliseconds(200);
}

static void check_not_before(double time, double earliest)
{
    if (!CHECK(time >= earliest))
    {
        printf("        %.1f ms too early\n", (earliest - time) * 1e3);
    }
}

/* ---------------------------------------------------------------------------------------------- enumeration */

TEST(enumerate_shows_the_buffers_of_a_sink_in_the_order_of_the_list)
{
    POOLS pools = pools_create(4);
    LOOK look = look_at(pools.Sink, BufferPool_EnumerationDisposition_ContinueEnumeration);

    CHECK_EQUAL(look.Calls, 4);
    CHECK_POINTER(look.Module, pools.Sink);
    for (int i = 0; i < 4; i++)
    {
        VOID* context = NULL;
        DMF_BufferPool_ContextGet(pools.Source, pools.Buffers[i], &context);
        CHECK_POINTER(look.Buffers[i], pools.Buffers[i]);
        CHECK_POINTER(look.Contexts[i], context);
    }
    check_sink(&pools, "0123");
    pools_delete(&pools);
}

TEST(enumerate_of_an_empty_sink_calls_nobody)
{
    POOLS pools = pools_create(1);
    LOOK look;

    check_sink(&pools, "0");
    look = look_at(pools.Sink, BufferPool_EnumerationDisposition_ContinueEnumeration);
    CHECK_EQUAL(look.Calls, 0);
    pools_delete(&pools);
}

TEST(enumerate_sets_its_outputs_to_null_first)
{
    POOLS pools = pools_create(1);
    LOOK look = look_with(BufferPool_EnumerationDisposition_ContinueEnumeration);
    VOID* buffer = &pools;
    VOID* context = &pools;

    DMF_BufferPool_Enumerate(pools.Sink, Look, &look, &buffer, &context);
    CHECK(buffer == NULL);
    CHECK(context == NULL);
    check_sink(&pools, "0");
    buffer = context = &pools;
    DMF_BufferPool_Enumerate(pools.Sink, Look, &look, &buffer, &context);
    CHECK(buffer == NULL);
    CHECK(context == NULL);
    pools_delete(&pools);
}

TEST(enumerate_needs_no_outputs)
{
    POOLS pools = pools_create(3);
    LOOK look = look_with(BufferPool_EnumerationDisposition_ContinueEnumeration);

    DMF_BufferPool_Enumerate(pools.Sink, Look, &look, NULL, NULL);
    CHECK_EQUAL(look.Calls, 3);
    CHECK_MISUSE(0);
    check_sink(&pools, "012");
    pools_delete(&pools);
}

TEST(stop_ends_an_enumeration_and_removes_nothing)
{
    POOLS pools = pools_create(4);
    LOOK look = look_with(BufferPool_EnumerationDisposition_ContinueEnumeration);
    VOID* buffer = &pools;
    VOID* context = &pools;

    look.Answers[1] = BufferPool_EnumerationDisposition_StopEnumeration;
    DMF_BufferPool_Enumerate(pools.Sink, Look, &look, &buffer, &context);
    CHECK_EQUAL(look.Calls, 2);
    CHECK(buffer == NULL && context == NULL);
    check_sink(&pools, "0123");
    pools_delete(&pools);
}

TEST(remove_gives_the_buffer_to_the_client_and_keeps_the_others_in_order)
{
    static const char* const left[] = {"123", "023", "013", "012"};

    for (int which = 0; which < 4; which++)
    {
        POOLS pools = pools_create(4);
        LOOK look = look_with(BufferPool_EnumerationDisposition_ContinueEnumeration);
        VOID* buffer = NULL;
        VOID* context = NULL;
        VOID* expected_context = NULL;

        look.Answers[which] = BufferPool_EnumerationDisposition_RemoveAndStopEnumeration;
        DMF_BufferPool_Enumerate(pools.Sink, Look, &look, &buffer, &context);
        CHECK_EQUAL(look.Calls, which + 1);
        CHECK_POINTER(buffer, pools.Buffers[which]);
        CHECK_EQUAL(*(UCHAR*)buffer, which);
        DMF_BufferPool_ContextGet(pools.Source, buffer, &expected_context);
        CHECK_POINTER(context, expected_context);
        check_sink(&pools, left[which]);
        DMF_BufferPool_Put(pools.Source, buffer);
        CHECK_EQUAL(DMF_BufferPool_Count(pools.Source), 4);
        CHECK_MISUSE(0);
        pools_delete(&pools);
    }
}

TEST(remove_of_the_only_buffer_leaves_an_empty_sink)
{
    POOLS pools = pools_create(1);
    LOOK look = look_with(BufferPool_EnumerationDisposition_RemoveAndStopEnumeration);
    VOID* buffer = NULL;
    VOID* context = NULL;

    DMF_BufferPool_Enumerate(pools.Sink, Look, &look, &buffer, &context);
    CHECK_POINTER(buffer, pools.Buffers[0]);
    check_sink(&pools, "");
    DMF_BufferPool_Put(pools.Sink, buffer);
    check_sink(&pools, "0");
    pools_delete(&pools);
}

TEST(remove_without_a_place_for_the_buffer_removes_nothing)
{
    POOLS pools = pools_create(2);
    LOOK look = look_with(BufferPool_EnumerationDisposition_RemoveAndStopEnumeration);

    DMF_BufferPool_Enumerate(pools.Sink, Look, &look, NULL, NULL);
    CHECK_MISUSE(1);
    CHECK_EQUAL(look.Calls, 1);
    check_sink(&pools, "01");
    pools_delete(&pools);
}

TEST(an_unknown_disposition_stops_and_is_reported)
{
    static const int answers[] = {BufferPool_EnumerationDisposition_Invalid, BufferPool_EnumerationDisposition_Maximum,
                                  99, -1};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
    {
        POOLS pools = pools_create(3);
        LOOK look = look_with(answers[i]);
        VOID* buffer = &pools;
        VOID* context = &pools;

        DMF_BufferPool_Enumerate(pools.Sink, Look, &look, &buffer, &context);
        CHECK_MISUSE(1);
        CHECK_EQUAL(look.Calls, 1);
        CHECK(buffer == NULL && context == NULL);
        check_sink(&pools, "012");
        pools_delete(&pools);
    }
}

TEST(dispositions_about_timers_go_on_or_stop_without_timers_too)
{
    static const struct
    {
        int Answer;
        unsigned Calls;
    } cases[] = {
        {BufferPool_EnumerationDisposition_StopTimerAndStopEnumeration, 1},
        {BufferPool_EnumerationDisposition_StopTimerAndContinueEnumeration, 3},
        {BufferPool_EnumerationDisposition_ResetTimerAndStopEnumeration, 1},
        {BufferPool_EnumerationDisposition_ResetTimerAndContinueEnumeration, 3},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    {
        POOLS pools = pools_create(3);
        LOOK look = look_with(cases[i].Answer);
        DMF_BufferPool_Enumerate(pools.Sink, Look, &look, NULL, NULL);
        CHECK_EQUAL(look.Calls, cases[i].Calls);
        MISUSE_IGNORE();
        check_sink(&pools, "012");
        pools_delete(&pools);
    }
}

TEST(enumerate_of_a_source_is_reported_and_calls_nobody)
{
    DMFMODULE source = source_create(3);
    LOOK look = look_with(BufferPool_EnumerationDisposition_ContinueEnumeration);

    DMF_BufferPool_Enumerate(source, Look, &look, NULL, NULL);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_EQUAL(look.Calls, 0);
    WdfObjectDelete(source);
}

TEST(enumerate_without_callback_is_reported)
{
    POOLS pools = pools_create(1);
    DMF_BufferPool_Enumerate(pools.Sink, NULL, NULL, NULL, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    check_sink(&pools, "0");
    pools_delete(&pools);
}

/* What a callback that runs under the sink's lock needs. */
typedef struct
{
    POOLS Pools;
    VOID* Spare; /* a buffer that the Client holds */
    unsigned Calls;
} INSIDE;

static BufferPool_EnumerationDispositionType CallEveryMethodOfTheSink(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                                      VOID* ClientBufferContext,
                                                                      VOID* ClientDriverCallbackContext)
{
    INSIDE* inside = (INSIDE*)ClientDriverCallbackContext;
    WDF_MEMORY_DESCRIPTOR descriptor;
    WDFMEMORY memory;
    VOID* buffer = NULL;
    VOID* context = NULL;
    LOOK look = look_with(BufferPool_EnumerationDisposition_ContinueEnumeration);
    FIRED fired = {0};

    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    inside->Calls++;
    CHECK_STATUS(DMF_BufferPool_Get(DmfModule, &buffer, &context), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_BufferPool_GetWithMemory(DmfModule, &buffer, &context, &memory), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_BufferPool_GetWithMemoryDescriptor(DmfModule, &buffer, &descriptor, &context),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferPool_Count(DmfModule), 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_BufferPool_Put(DmfModule, inside->Spare);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_BufferPool_PutAtHead(DmfModule, inside->Spare);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_BufferPool_PutInSinkWithTimer(DmfModule, inside->Spare, NEVER, Fire, &fired);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_BufferPool_Enumerate(DmfModule, Look, &look, NULL, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(look.Calls, 0);
    CHECK(buffer == NULL && context == NULL);
    return BufferPool_EnumerationDisposition_ContinueEnumeration;
}

TEST(locking_methods_of_a_sink_are_refused_inside_its_enumeration)
{
    INSIDE inside = {pools_create(3), NULL, 0};

    CHECK_SUCCESS(DMF_BufferPool_Get(inside.Pools.Sink, &inside.Spare, NULL));
    DMF_BufferPool_Enumerate(inside.Pools.Sink, CallEveryMethodOfTheSink, &inside, NULL, NULL);
    CHECK_EQUAL(inside.Calls, 2);
    /* What was refused did not take the buffer. */
    DMF_BufferPool_PutAtHead(inside.Pools.Sink, inside.Spare);
    CHECK_MISUSE(0);
    check_sink(&inside.Pools, "012");
    pools_delete(&inside.Pools);
}

TEST(so_they_are_where_the_sink_is_the_parent_of_the_source)
{
    DMFMODULE sink = sink_create();
    INSIDE inside = {pools_filled(source_create_below(sink, 3, FALSE, TRUE), sink, 3), NULL, 0};

    CHECK_SUCCESS(DMF_BufferPool_Get(sink, &inside.Spare, NULL));
    DMF_BufferPool_Enumerate(sink, CallEveryMethodOfTheSink, &inside, NULL, NULL);
    CHECK_EQUAL(inside.Calls, 2);
    DMF_BufferPool_PutAtHead(sink, inside.Spare);
    CHECK_MISUSE(0);
    check_sink(&inside.Pools, "012");
    WdfObjectDelete(sink);
    CHECK_MISUSE(0);
}

static BufferPool_EnumerationDispositionType UseTheSource(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                          VOID* ClientBufferContext, VOID* ClientDriverCallbackContext)
{
    INSIDE* inside = (INSIDE*)ClientDriverCallbackContext;
    VOID* buffer = NULL;
    VOID* context = NULL;
    ULONG size = 0;

    inside->Calls++;
    DMF_BufferPool_ContextGet(DmfModule, ClientBuffer, &context);
    CHECK_POINTER(context, ClientBufferContext);
    DMF_BufferPool_ParametersGet(inside->Pools.Source, ClientBuffer, NULL, NULL, &size, NULL, NULL);
    CHECK_EQUAL(size, BUFFER_SIZE);
    CHECK_SUCCESS(DMF_BufferPool_Get(inside->Pools.Source, &buffer, NULL));
    DMF_BufferPool_Put(inside->Pools.Source, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(inside->Pools.Source), 1);
    return BufferPool_EnumerationDisposition_ContinueEnumeration;
}

TEST(the_source_and_the_contexts_can_be_used_inside_an_enumeration)
{
    INSIDE inside = {pools_create(3), NULL, 0};
    VOID* buffer = NULL;

    CHECK_SUCCESS(DMF_BufferPool_Get(inside.Pools.Sink, &buffer, NULL));
    DMF_BufferPool_Put(inside.Pools.Source, buffer);
    DMF_BufferPool_Enumerate(inside.Pools.Sink, UseTheSource, &inside, NULL, NULL);
    CHECK_EQUAL(inside.Calls, 2);
    CHECK_MISUSE(0);
    check_sink(&inside.Pools, "12");
    pools_delete(&inside.Pools);
}

static BufferPool_EnumerationDispositionType DeleteTheSink(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                           VOID* ClientBufferContext, VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    (*(unsigned*)ClientDriverCallbackContext)++;
    WdfObjectDelete(DmfModule);
    CHECK_MISUSE(1);
    return BufferPool_EnumerationDisposition_ContinueEnumeration;
}

TEST(a_sink_cannot_be_deleted_inside_its_enumeration)
{
    POOLS pools = pools_create(2);
    unsigned calls = 0;

    DMF_BufferPool_Enumerate(pools.Sink, DeleteTheSink, &calls, NULL, NULL);
    CHECK_EQUAL(calls, 2);
    check_sink(&pools, "01");
    pools_delete(&pools);
    CHECK_MISUSE(0);
}

/* A thread that takes a buffer while an enumeration runs. */
static struct
{
    DMFMODULE Sink;
    atomic_int Getting;
    atomic_int Got;
    VOID* Buffer;
} other_thread;

static void* gets_one_buffer(void* argument)
{
    UNREFERENCED_PARAMETER(argument);
    atomic_store(&other_thread.Getting, 1);
    CHECK_SUCCESS(DMF_BufferPool_Get(other_thread.Sink, &other_thread.Buffer, NULL));
    atomic_store(&other_thread.Got, 1);
    return NULL;
}

static BufferPool_EnumerationDispositionType KeepOtherThreadWaiting(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                                    VOID* ClientBufferContext,
                                                                    VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    pthread_create((pthread_t*)ClientDriverCallbackContext, NULL, gets_one_buffer, NULL);
    EVENTUALLY(atomic_load(&other_thread.Getting));
    harness_sleep_milliseconds(50);
    CHECK_EQUAL(atomic_load(&other_thread.Got), 0);
    return BufferPool_EnumerationDisposition_StopEnumeration;
}

TEST(another_thread_waits_for_the_end_of_an_enumeration)
{
    POOLS pools = pools_create(1);
    pthread_t thread;

    memset(&other_thread, 0, sizeof(other_thread));
    other_thread.Sink = pools.Sink;
    DMF_BufferPool_Enumerate(pools.Sink, KeepOtherThreadWaiting, &thread, NULL, NULL);
    pthread_join(thread, NULL);
    CHECK_POINTER(other_thread.Buffer, pools.Buffers[0]);
    CHECK_MISUSE(0);
    DMF_BufferPool_Put(pools.Source, other_thread.Buffer);
    pools_delete(&pools);
}

/* --------------------------------------------------------------------------------------------------- timers */

TEST(when_the_time_is_up_the_callback_gets_the_buffer)
{
    DMFMODULE source = source_create(1), sink = sink_create();
    VOID* buffer = NULL;
    VOID* context = NULL;
    FIRED fired = {0};

    REQUIRE_SUCCESS(DMF_BufferPool_Get(source, &buffer, &context));
    memset(buffer, 0x12, BUFFER_SIZE);
    memset(context, 0x34, CONTEXT_SIZE);
    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 30, Fire, &fired);
    CHECK_SUCCESS(DMF_LastStatusGet());
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    CHECK_POINTER(fired.Module, sink);
    CHECK_POINTER(fired.Buffer, buffer);
    CHECK_POINTER(fired.Context, context);
    CHECK_ALL_BYTES(buffer, 0x12, BUFFER_SIZE);
    CHECK_ALL_BYTES(context, 0x34, CONTEXT_SIZE);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 0);
    /* The buffer is the Client's. */
    DMF_BufferPool_Put(source, buffer);
    CHECK_MISUSE(0);
    wait_for_timers();
    CHECK_EQUAL(atomic_load(&fired.Calls), 1);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(a_timer_does_not_fire_before_its_time)
{
    static const ULONGLONG periods[] = {1, 20, 100};

    for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++)
    {
        DMFMODULE source = source_create(1), sink = sink_create();
        VOID* buffer = buffer_get(source, 0);
        FIRED fired = {0};
        double begin = harness_seconds();

        DMF_BufferPool_PutInSinkWithTimer(sink, buffer, periods[i], Fire, &fired);
        EVENTUALLY(atomic_load(&fired.Calls) == 1);
        check_not_before(fired.Time, begin + (double)periods[i] / 1e3);
        DMF_BufferPool_Put(source, buffer);
        WdfObjectDelete(sink);
        WdfObjectDelete(source);
    }
}

TEST(a_timer_of_no_time_fires_at_once)
{
    DMFMODULE source = source_create(1), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);
    FIRED fired = {0};

    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 0, Fire, &fired);
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    CHECK_POINTER(fired.Buffer, buffer);
    DMF_BufferPool_Put(source, buffer);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(a_timer_of_more_time_than_can_be_counted_waits)
{
    static const ULONGLONG periods[] = {UINT64_MAX, UINT64_MAX / 1000, UINT64_MAX / 1000000 + 1, 1ull << 53, 1ull << 32};

    for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++)
    {
        POOLS pools = {source_create(1), sink_create(), {NULL}};
        FIRED fired = {0};

        pools.Buffers[0] = buffer_get(pools.Source, 0);
        DMF_BufferPool_PutInSinkWithTimer(pools.Sink, pools.Buffers[0], periods[i], Fire, &fired);
        CHECK_SUCCESS(DMF_LastStatusGet());
        harness_sleep_milliseconds(30);
        CHECK_EQUAL(atomic_load(&fired.Calls), 0);
        check_sink(&pools, "0");
        pools_delete(&pools);
    }
}

TEST(put_with_timer_adds_at_the_tail)
{
    POOLS pools = pools_create(3);
    VOID* buffer = NULL;
    FIRED fired = {0};

    for (int i = 0; i < 2; i++)
    {
        CHECK_SUCCESS(DMF_BufferPool_Get(pools.Sink, &buffer, NULL));
        DMF_BufferPool_PutInSinkWithTimer(pools.Sink, buffer, NEVER - (unsigned)i, Fire, &fired);
    }
    check_sink(&pools, "201");
    CHECK_EQUAL(atomic_load(&fired.Calls), 0);
    pools_delete(&pools);
}

TEST(timers_fire_in_the_order_of_their_times_from_anywhere_in_the_list)
{
    enum { COUNT = 5 };
    /* Milliseconds; the buffers lie in the list in this order. */
    static const ULONGLONG periods[COUNT] = {150, 50, 250, 100, 200};
    POOLS pools = {source_create(COUNT), sink_create(), {NULL}};
    FIRED fired[COUNT];
    double begin = harness_seconds();
    bool at_once;

    memset(fired, 0, sizeof(fired));
    for (int i = 0; i < COUNT; i++)
    {
        pools.Buffers[i] = buffer_get(pools.Source, i);
        DMF_BufferPool_PutInSinkWithTimer(pools.Sink, pools.Buffers[i], periods[i], Fire, &fired[i]);
    }
    at_once = harness_seconds() - begin < 0.04;
    for (int i = 0; i < COUNT; i++)
    {
        EVENTUALLY(atomic_load(&fired[i].Calls) == 1);
        CHECK_POINTER(fired[i].Buffer, pools.Buffers[i]);
        DMF_BufferPool_Put(pools.Source, pools.Buffers[i]);
    }
    /* A machine that took long to put them has given them another order. */
    CHECK(!at_once || (fired[1].Time <= fired[3].Time && fired[3].Time <= fired[0].Time &&
                       fired[0].Time <= fired[4].Time && fired[4].Time <= fired[2].Time));
    pools_delete(&pools);
}

TEST(a_buffer_that_is_taken_in_time_keeps_its_callback_silent)
{
    DMFMODULE source = source_create(1), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);
    VOID* again = NULL;
    FIRED fired = {0};

    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 100, Fire, &fired);
    CHECK_SUCCESS(DMF_BufferPool_Get(sink, &again, NULL));
    CHECK_POINTER(again, buffer);
    wait_for_timers();
    CHECK_EQUAL(atomic_load(&fired.Calls), 0);
    DMF_BufferPool_Put(source, buffer);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(an_old_timer_does_not_touch_a_buffer_that_came_back)
{
    DMFMODULE source = source_create(1), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);
    FIRED first = {0}, second = {0};

    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 100, Fire, &first);
    CHECK_SUCCESS(DMF_BufferPool_Get(sink, &buffer, NULL));
    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, NEVER, Fire, &second);
    wait_for_timers();
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 1);
    CHECK_SUCCESS(DMF_BufferPool_Get(sink, &buffer, NULL));
    DMF_BufferPool_Put(sink, buffer);
    wait_for_timers();
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 1);
    CHECK_EQUAL(atomic_load(&first.Calls), 0);
    CHECK_EQUAL(atomic_load(&second.Calls), 0);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(a_buffer_can_have_a_timer_again_and_again)
{
    DMFMODULE source = source_create(1), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);
    FIRED fired = {0};

    for (unsigned i = 1; i <= 5; i++)
    {
        DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 1, Fire, &fired);
        EVENTUALLY(atomic_load(&fired.Calls) == i);
    }
    DMF_BufferPool_Put(source, buffer);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(a_new_timer_that_is_due_earlier_is_not_held_up_by_those_that_wait)
{
    POOLS pools = {source_create(2), sink_create(), {NULL}};
    FIRED late = {0}, early = {0};

    pools.Buffers[0] = buffer_get(pools.Source, 0);
    pools.Buffers[1] = buffer_get(pools.Source, 1);
    DMF_BufferPool_PutInSinkWithTimer(pools.Sink, pools.Buffers[0], NEVER, Fire, &late);
    harness_sleep_milliseconds(30);
    DMF_BufferPool_PutInSinkWithTimer(pools.Sink, pools.Buffers[1], 10, Fire, &early);
    EVENTUALLY(atomic_load(&early.Calls) == 1);
    DMF_BufferPool_Put(pools.Source, pools.Buffers[1]);
    check_sink(&pools, "0");
    pools_delete(&pools);
}

/* A callback that uses the sink: it may, because no lock is held. */
typedef struct
{
    atomic_uint Calls;
    ULONG CountInside;
    unsigned Rounds;
} USES;

static VOID UseTheSink(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                       VOID* ClientDriverCallbackContext)
{
    USES* uses = (USES*)ClientDriverCallbackContext;
    VOID* again = NULL;
    LOOK look;

    UNREFERENCED_PARAMETER(ClientBufferContext);
    uses->CountInside = DMF_BufferPool_Count(DmfModule);
    DMF_BufferPool_Put(DmfModule, ClientBuffer);
    look = look_at(DmfModule, BufferPool_EnumerationDisposition_ContinueEnumeration);
    CHECK_EQUAL(look.Calls, 1);
    CHECK_SUCCESS(DMF_BufferPool_Get(DmfModule, &again, NULL));
    CHECK_POINTER(again, ClientBuffer);
    DMF_BufferPool_PutInSinkWithTimer(DmfModule, ClientBuffer,
                                      atomic_load(&uses->Calls) + 1 < uses->Rounds ? 1 : NEVER, UseTheSink, uses);
    atomic_fetch_add(&uses->Calls, 1);
}

TEST(a_timers_callback_may_use_the_sink_and_start_the_timer_again)
{
    DMFMODULE source = source_create(1), sink = sink_create();
    USES uses = {.Rounds = 5};

    DMF_BufferPool_PutInSinkWithTimer(sink, buffer_get(source, 0), 1, UseTheSink, &uses);
    EVENTUALLY(atomic_load(&uses.Calls) == 5);
    CHECK_EQUAL(uses.CountInside, 0);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(put_with_timer_without_callback_changes_nothing)
{
    DMFMODULE source = source_create(1), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);

    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 1, NULL, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 0);
    DMF_BufferPool_Put(source, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 1);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(put_with_timer_of_a_buffer_without_timer_changes_nothing)
{
    DMFMODULE source = source_create_with(1, FALSE, FALSE), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);
    FIRED fired = {0};

    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 1, Fire, &fired);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferPool_Count(sink), 0);
    DMF_BufferPool_Put(source, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 1);
    wait_for_timers();
    CHECK_EQUAL(atomic_load(&fired.Calls), 0);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

TEST(put_with_timer_of_what_the_client_does_not_hold_changes_nothing)
{
    VOID* garbage[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(garbage);
    POOLS pools = pools_create(2);
    VOID* in_source = NULL;
    int local = 0;
    FIRED fired = {0};

    CHECK_SUCCESS(DMF_BufferPool_Get(pools.Sink, &in_source, NULL));
    DMF_BufferPool_Put(pools.Source, in_source);
    garbage[count++] = pools.Buffers[1]; /* in the sink */
    garbage[count++] = in_source;
    garbage[count++] = &local;
    garbage[count++] = (UCHAR*)pools.Buffers[1] + 16;
    for (size_t i = 0; i < count; i++)
    {
        DMF_BufferPool_PutInSinkWithTimer(pools.Sink, garbage[i], 0, Fire, &fired);
        CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
        CHECK_MISUSE(1);
    }
    DMF_BufferPool_PutInSinkWithTimer(pools.Sink, NULL, 0, Fire, &fired);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    wait_for_timers();
    CHECK_EQUAL(atomic_load(&fired.Calls), 0);
    CHECK_EQUAL(DMF_BufferPool_Count(pools.Source), 1);
    check_sink(&pools, "1");
    pools_delete(&pools);
}

TEST(put_with_timer_into_a_source_changes_nothing)
{
    DMFMODULE source = source_create(2);
    VOID* buffer = buffer_get(source, 0);
    FIRED fired = {0};

    DMF_BufferPool_PutInSinkWithTimer(source, buffer, 0, Fire, &fired);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    wait_for_timers();
    CHECK_EQUAL(atomic_load(&fired.Calls), 0);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 1);
    DMF_BufferPool_Put(source, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 2);
    WdfObjectDelete(source);
}

TEST(a_buffer_that_the_look_aside_made_has_a_timer_too)
{
    DMFMODULE source = source_create_with(1, TRUE, TRUE), sink = sink_create();
    VOID* first = buffer_get(source, 0);
    VOID* made = buffer_get(source, 1);
    FIRED fired = {0}, silent = {0};

    DMF_BufferPool_PutInSinkWithTimer(sink, made, 1, Fire, &fired);
    DMF_BufferPool_PutInSinkWithTimer(sink, first, NEVER, Fire, &silent);
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    CHECK_POINTER(fired.Buffer, made);
    CHECK_MISUSE(0);
    DMF_BufferPool_Put(source, made);
    WdfObjectDelete(sink);
    WdfObjectDelete(source);
}

/* ----------------------------------------------------------------------------- timers and their enumeration */

/* One buffer with a timer. */
typedef struct
{
    DMFMODULE Source;
    DMFMODULE Sink;
    VOID* Buffer;
    FIRED Fired;
    double Begin;
    double Period; /* seconds */
} TIMED;

static void timed_begin(TIMED* timed, ULONGLONG milliseconds)
{
    memset(timed, 0, sizeof(*timed));
    timed->Source = source_create(1);
    timed->Sink = sink_create();
    timed->Buffer = buffer_get(timed->Source, 0);
    timed->Period = (double)milliseconds / 1e3;
    timed->Begin = harness_seconds();
    DMF_BufferPool_PutInSinkWithTimer(timed->Sink, timed->Buffer, milliseconds, Fire, &timed->Fired);
}

/* Waits until a number of seconds have passed since the beginning. */
static void timed_wait_until(const TIMED* timed, double seconds)
{
    double left = timed->Begin + seconds - harness_seconds();
    harness_sleep_milliseconds(left > 0 ? (long)(left * 1e3) : 0);
}

/* The timer fires, and its buffer, which is the Client's then, goes back. */
static void timed_check_fires(TIMED* timed, double earliest)
{
    EVENTUALLY(atomic_load(&timed->Fired.Calls) == 1);
    check_not_before(timed->Fired.Time, earliest);
    CHECK_POINTER(timed->Fired.Buffer, timed->Buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(timed->Sink), 0);
    DMF_BufferPool_Put(timed->Source, timed->Buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(timed->Source), 1);
}

static void timed_end(const TIMED* timed)
{
    WdfObjectDelete(timed->Sink);
    WdfObjectDelete(timed->Source);
}

static void check_timer_resumes(int answer, unsigned misuse)
{
    TIMED timed;
    LOOK look = look_with(answer);
    double look_begin, look_end;

    look.Milliseconds = 150;
    timed_begin(&timed, 100);
    look_begin = harness_seconds();
    DMF_BufferPool_Enumerate(timed.Sink, Look, &look, NULL, NULL);
    look_end = harness_seconds();
    CHECK_MISUSE(misuse);
    /* A machine that is busy enough lets the timer fire before the enumeration begins. */
    if (look.Calls == 1)
    {
        /* A little less than what was left: the pause begins after look_begin. */
        timed_check_fires(&timed, look_end + (timed.Period - (look_begin - timed.Begin)) - 0.03);
    }
    else
    {
        timed_check_fires(&timed, timed.Begin + timed.Period);
    }
    timed_end(&timed);
}

TEST(a_timer_pauses_while_its_buffer_is_looked_at)
{
    check_timer_resumes(BufferPool_EnumerationDisposition_ContinueEnumeration, 0);
}

TEST(a_timer_pauses_while_its_buffer_is_looked_at_for_the_last_time_too)
{
    check_timer_resumes(BufferPool_EnumerationDisposition_StopEnumeration, 0);
}

TEST(after_an_unknown_disposition_the_timer_resumes)
{
    check_timer_resumes(BufferPool_EnumerationDisposition_Maximum, 1);
}

TEST(a_short_look_leaves_the_timer_its_remaining_time)
{
    TIMED timed;
    DMFMODULE source = source_create(1);
    VOID* other = buffer_get(source, 0);
    FIRED fired = {0};

    timed_begin(&timed, 400);
    /* A clock that is never looked at, and late enough for nothing but a timer that has been given more time. */
    DMF_BufferPool_PutInSinkWithTimer(timed.Sink, other, 550, Fire, &fired);
    for (int i = 1; i <= 3; i++)
    {
        LOOK look = look_with(BufferPool_EnumerationDisposition_StopEnumeration);
        timed_wait_until(&timed, 0.1 * i);
        DMF_BufferPool_Enumerate(timed.Sink, Look, &look, NULL, NULL);
    }
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    CHECK_EQUAL(atomic_load(&timed.Fired.Calls), 1);
    CHECK(timed.Fired.Time <= fired.Time);
    timed_check_fires(&timed, timed.Begin + 0.4);
    DMF_BufferPool_Put(source, other);
    WdfObjectDelete(source);
    timed_end(&timed);
}

TEST(looking_often_does_not_keep_a_timer_from_firing)
{
    TIMED timed;
    double end = harness_seconds() + HARNESS_EVENTUALLY_SECONDS;

    timed_begin(&timed, 50);
    while (atomic_load(&timed.Fired.Calls) == 0 && harness_seconds() < end)
    {
        (void)look_at(timed.Sink, BufferPool_EnumerationDisposition_ContinueEnumeration);
    }
    CHECK_EQUAL(atomic_load(&timed.Fired.Calls), 1);
    timed_check_fires(&timed, timed.Begin + 0.05);
    timed_end(&timed);
}

static void check_timer_is_dropped(int answer)
{
    POOLS pools = {source_create(2), sink_create(), {NULL}};
    FIRED fired = {0};
    LOOK look;

    for (int i = 0; i < 2; i++)
    {
        pools.Buffers[i] = buffer_get(pools.Source, i);
    }
    DMF_BufferPool_PutInSinkWithTimer(pools.Sink, pools.Buffers[0], 300, Fire, &fired);
    DMF_BufferPool_Put(pools.Sink, pools.Buffers[1]);
    look = look_at(pools.Sink, answer);
    CHECK_EQUAL(look.Calls, answer == BufferPool_EnumerationDisposition_StopTimerAndContinueEnumeration ? 2 : 1);
    CHECK_POINTER(look.Buffers[0], pools.Buffers[0]);
    /* A timer that is gone does not resume either. */
    (void)look_at(pools.Sink, BufferPool_EnumerationDisposition_ContinueEnumeration);
    harness_sleep_milliseconds(400);
    CHECK_EQUAL(atomic_load(&fired.Calls), 0);
    check_sink(&pools, "01");
    pools_delete(&pools);
}

TEST(stop_timer_drops_the_timer_and_keeps_the_buffer)
{
    check_timer_is_dropped(BufferPool_EnumerationDisposition_StopTimerAndStopEnumeration);
}

TEST(stop_timer_and_continue_goes_on_to_the_next_buffer)
{
    check_timer_is_dropped(BufferPool_EnumerationDisposition_StopTimerAndContinueEnumeration);
}

static void check_timer_restarts(int answer)
{
    TIMED timed;
    LOOK look;
    double reset;

    timed_begin(&timed, 300);
    timed_wait_until(&timed, 0.15);
    reset = harness_seconds();
    look = look_at(timed.Sink, answer);
    /* Looked at in time, it has its full period again; a machine that is too busy for that lets it fire as it was. */
    timed_check_fires(&timed, look.Calls == 1 ? reset + 0.3 : timed.Begin + 0.3);
    timed_end(&timed);
}

TEST(reset_timer_starts_the_full_period_again)
{
    check_timer_restarts(BufferPool_EnumerationDisposition_ResetTimerAndStopEnumeration);
}

TEST(reset_timer_and_continue_starts_the_full_period_again)
{
    check_timer_restarts(BufferPool_EnumerationDisposition_ResetTimerAndContinueEnumeration);
}

TEST(a_look_after_a_reset_counts_from_the_new_deadline)
{
    TIMED timed;
    LOOK first;
    double reset;

    timed_begin(&timed, 300);
    timed_wait_until(&timed, 0.2);
    reset = harness_seconds();
    first = look_at(timed.Sink, BufferPool_EnumerationDisposition_ResetTimerAndContinueEnumeration);
    /* Beyond the first deadline, before the new one. */
    timed_wait_until(&timed, 0.4);
    (void)look_at(timed.Sink, BufferPool_EnumerationDisposition_ContinueEnumeration);
    timed_check_fires(&timed, first.Calls == 1 ? reset + 0.3 : timed.Begin + 0.3);
    timed_end(&timed);
}

TEST(a_timer_can_be_reset_many_times)
{
    TIMED timed;
    double reset = 0;
    unsigned looked = 1;

    timed_begin(&timed, 200);
    for (int i = 0; i < 4 && looked == 1; i++)
    {
        double now;
        harness_sleep_milliseconds(80);
        now = harness_seconds();
        looked = look_at(timed.Sink, BufferPool_EnumerationDisposition_ResetTimerAndContinueEnumeration).Calls;
        reset = looked == 1 ? now : reset;
    }
    timed_check_fires(&timed, (reset > 0 ? reset : timed.Begin) + 0.2);
    timed_end(&timed);
}

TEST(remove_forgets_the_timer)
{
    POOLS pools = {source_create(1), sink_create(), {NULL}};
    LOOK look = look_with(BufferPool_EnumerationDisposition_RemoveAndStopEnumeration);
    FIRED fired = {0};
    VOID* buffer = NULL;
    VOID* context = NULL;

    pools.Buffers[0] = buffer_get(pools.Source, 0);
    DMF_BufferPool_PutInSinkWithTimer(pools.Sink, pools.Buffers[0], 300, Fire, &fired);
    DMF_BufferPool_Enumerate(pools.Sink, Look, &look, &buffer, &context);
    CHECK_POINTER(buffer, pools.Buffers[0]);
    DMF_BufferPool_Put(pools.Sink, buffer);
    harness_sleep_milliseconds(400);
    CHECK_EQUAL(atomic_load(&fired.Calls), 0);
    check_sink(&pools, "0");
    pools_delete(&pools);
}

TEST(remove_without_a_place_for_the_buffer_leaves_its_timer)
{
    TIMED timed;
    LOOK look = look_with(BufferPool_EnumerationDisposition_RemoveAndStopEnumeration);

    timed_begin(&timed, 300);
    DMF_BufferPool_Enumerate(timed.Sink, Look, &look, NULL, NULL);
    CHECK_MISUSE(1);
    timed_check_fires(&timed, timed.Begin + 0.3);
    timed_end(&timed);
}

TEST(a_timer_that_is_due_waits_for_the_end_of_the_enumeration)
{
    POOLS pools = {source_create(2), sink_create(), {NULL}};
    LOOK look = look_with(BufferPool_EnumerationDisposition_StopEnumeration);
    FIRED fired = {0};
    double end;

    pools.Buffers[0] = buffer_get(pools.Source, 0);
    pools.Buffers[1] = buffer_get(pools.Source, 1);
    DMF_BufferPool_Put(pools.Sink, pools.Buffers[0]);
    DMF_BufferPool_PutInSinkWithTimer(pools.Sink, pools.Buffers[1], 100, Fire, &fired);
    look.Milliseconds = 250;
    DMF_BufferPool_Enumerate(pools.Sink, Look, &look, NULL, NULL);
    end = harness_seconds();
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    /* Only the list's first buffer was looked at, so the other's timer went on, and the lock was held. */
    check_not_before(fired.Time, end - 0.03);
    DMF_BufferPool_Put(pools.Source, pools.Buffers[1]);
    check_sink(&pools, "0");
    pools_delete(&pools);
}

/* --------------------------------------------------------------------------------------------------- delete */

TEST(deleting_a_sink_stops_its_timers_without_callbacks)
{
    DMFMODULE source = source_create(3), sink = sink_create();
    FIRED fired = {0};

    for (int i = 0; i < 3; i++)
    {
        DMF_BufferPool_PutInSinkWithTimer(sink, buffer_get(source, i), 100, Fire, &fired);
    }
    WdfObjectDelete(sink);
    wait_for_timers();
    CHECK_EQUAL(atomic_load(&fired.Calls), 0);
    WdfObjectDelete(source);
}

TEST(a_timer_fires_after_its_source_was_deleted)
{
    DMFMODULE source = source_create(2), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);
    FIRED fired = {0};

    memset(buffer, 0x77, BUFFER_SIZE);
    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 30, Fire, &fired);
    WdfObjectDelete(source);
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    CHECK_POINTER(fired.Buffer, buffer);
    CHECK_ALL_BYTES(buffer, 0x77, BUFFER_SIZE);
    DMF_BufferPool_Put(source, buffer);
    CHECK_MISUSE(0);
    WdfObjectDelete(sink);
}

static VOID DeleteInCallback(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                             VOID* ClientDriverCallbackContext)
{
    FIRED* fired = (FIRED*)ClientDriverCallbackContext;
    VOID* buffer = NULL;

    WdfObjectDelete(DmfModule);
    /* Dead at once; it closes when the callback has returned. */
    CHECK_STATUS(DMF_BufferPool_Get(DmfModule, &buffer, NULL), STATUS_INVALID_DEVICE_STATE);
    Fire(DmfModule, ClientBuffer, ClientBufferContext, fired);
}

TEST(a_sink_can_be_deleted_in_its_timers_callback)
{
    DMFMODULE source = source_create(2), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);
    FIRED fired = {0}, silent = {0};

    DMF_BufferPool_PutInSinkWithTimer(sink, buffer_get(source, 1), 150, Fire, &silent);
    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 1, DeleteInCallback, &fired);
    EVENTUALLY(atomic_load(&fired.Calls) == 1);
    MISUSE_IGNORE();
    DMF_BufferPool_Put(source, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 1);
    wait_for_timers();
    CHECK_EQUAL(atomic_load(&silent.Calls), 0);
    WdfObjectDelete(sink);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    WdfObjectDelete(source);
}

/* A callback that takes its time. */
typedef struct
{
    atomic_int Begun;
    atomic_int Ended;
} SLOW;

static VOID FireSlowly(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                       VOID* ClientDriverCallbackContext)
{
    SLOW* slow = (SLOW*)ClientDriverCallbackContext;
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    atomic_store(&slow->Begun, 1);
    harness_sleep_milliseconds(100);
    atomic_store(&slow->Ended, 1);
}

TEST(deleting_a_sink_waits_for_a_callback_that_runs)
{
    DMFMODULE source = source_create(1), sink = sink_create();
    VOID* buffer = buffer_get(source, 0);
    SLOW slow = {0};

    DMF_BufferPool_PutInSinkWithTimer(sink, buffer, 0, FireSlowly, &slow);
    EVENTUALLY(atomic_load(&slow.Begun));
    WdfObjectDelete(sink);
    CHECK_EQUAL(atomic_load(&slow.Ended), 1);
    DMF_BufferPool_Put(source, buffer);
    WdfObjectDelete(source);
}

TEST(all_timers_of_the_process_share_one_thread_that_ends_with_them)
{
    enum { COUNT = 4 };
    unsigned before = harness_threads();
    DMFMODULE sources[COUNT], sinks[COUNT];
    FIRED fired = {0};

    for (int i = 0; i < COUNT; i++)
    {
        sources[i] = source_create(2);
        sinks[i] = sink_create();
        DMF_BufferPool_PutInSinkWithTimer(sinks[i], buffer_get(sources[i], 0), 1, Fire, &fired);
        DMF_BufferPool_PutInSinkWithTimer(sinks[i], buffer_get(sources[i], 1), NEVER, Fire, &fired);
    }
    EVENTUALLY(atomic_load(&fired.Calls) == COUNT);
    CHECK(harness_threads() <= before + 1);
    for (int i = 0; i < COUNT; i++)
    {
        WdfObjectDelete(sinks[i]);
        WdfObjectDelete(sources[i]);
    }
    EVENTUALLY(harness_threads() == before);
}

/* -------------------------------------------------------------------------------------------- bad handles */

TEST(enumerate_and_put_with_timer_refuse_a_handle_that_is_no_pool)
{
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);
    DMFMODULE source = source_create(1), stale = sink_create(), ring = NULL;
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    VOID* buffer = buffer_get(source, 0);
    LOOK look = look_with(BufferPool_EnumerationDisposition_ContinueEnumeration);
    FIRED fired = {0};

    WdfObjectDelete(stale);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = config.ItemSize = 1;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    REQUIRE_SUCCESS(DMF_RingBuffer_Create(device, &attributes, NULL, &ring));
    handles[count++] = NULL;
    handles[count++] = stale;
    handles[count++] = device;
    handles[count++] = ring;
    for (size_t i = 0; i < count; i++)
    {
        DMF_BufferPool_Enumerate((DMFMODULE)handles[i], Look, &look, NULL, NULL);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        DMF_BufferPool_PutInSinkWithTimer((DMFMODULE)handles[i], buffer, 0, Fire, &fired);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_MISUSE(2);
    }
    CHECK_EQUAL(look.Calls, 0);
    DMF_BufferPool_Put(source, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(source), 1);
    WdfObjectDelete(device);
    WdfObjectDelete(source);
}

/* -------------------------------------------------------------------------------------------------- threads */

/*
 * Buffers with random expiries, taken by Get, by enumeration and by their timers at the same time. Whoever gets a buffer
 * writes so into its context; at the end each must have been got exactly once.
 */
enum { GETTERS = 2 };

typedef struct
{
    atomic_uint Owners;
} MARK;

static struct
{
    DMFMODULE Source;
    DMFMODULE Sink;
    unsigned Count;
    atomic_bool AllPut;
    atomic_uint ByTimer;
    atomic_uint ByGet;
    atomic_uint ByEnumerate;
    atomic_uint EmptyWithBuffers; /* Get failed, and buffers were there */
    VOID** Buffers;
} race;

static void own(VOID* buffer, VOID* context, atomic_uint* how)
{
    UNREFERENCED_PARAMETER(buffer);
    atomic_fetch_add(&((MARK*)context)->Owners, 1);
    atomic_fetch_add(how, 1);
}

static unsigned owned_count(void)
{
    return atomic_load(&race.ByTimer) + atomic_load(&race.ByGet) + atomic_load(&race.ByEnumerate);
}

static VOID OwnByTimer(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                       VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
    own(ClientBuffer, ClientBufferContext, &race.ByTimer);
}

static void* gets_buffers(void* argument)
{
    UNREFERENCED_PARAMETER(argument);
    while (owned_count() < race.Count)
    {
        VOID* buffer = NULL;
        VOID* context = NULL;
        bool all_put = atomic_load(&race.AllPut);
        if (NT_SUCCESS(DMF_BufferPool_Get(race.Sink, &buffer, &context)))
        {
            own(buffer, context, &race.ByGet);
        }
        else if (all_put)
        {
            /* Nothing is put any more: a list that was empty stays so. */
            if (DMF_BufferPool_Count(race.Sink) != 0)
            {
                atomic_fetch_add(&race.EmptyWithBuffers, 1);
            }
            break;
        }
        /* Slowly enough for many timers to come first. */
        harness_sleep_milliseconds(0);
    }
    return NULL;
}

/* Takes the third buffer of the list, after it has let the timers of the first two pause and start again. */
static BufferPool_EnumerationDispositionType TakeTheThird(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                          VOID* ClientBufferContext, VOID* ClientDriverCallbackContext)
{
    unsigned* calls = (unsigned*)ClientDriverCallbackContext;
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    switch ((*calls)++)
    {
    case 0:
        return BufferPool_EnumerationDisposition_ContinueEnumeration;
    case 1:
        return BufferPool_EnumerationDisposition_ResetTimerAndContinueEnumeration;
    default:
        return BufferPool_EnumerationDisposition_RemoveAndStopEnumeration;
    }
}

static void* enumerates_buffers(void* argument)
{
    UNREFERENCED_PARAMETER(argument);
    while (owned_count() < race.Count && !(atomic_load(&race.AllPut) && DMF_BufferPool_Count(race.Sink) < 3))
    {
        VOID* buffer = NULL;
        VOID* context = NULL;
        unsigned calls = 0;
        DMF_BufferPool_Enumerate(race.Sink, TakeTheThird, &calls, &buffer, &context);
        if (buffer != NULL)
        {
            own(buffer, context, &race.ByEnumerate);
        }
        harness_sleep_milliseconds(0);
    }
    return NULL;
}

static void race_run(void* (*taker)(void*), void* (*second_taker)(void*))
{
    pthread_t threads[GETTERS];
    unsigned wrong = 0;
    unsigned seed = 12345;

    memset(&race, 0, sizeof(race));
    race.Count = harness_rounds(10000);
    race.Source = source_create(race.Count);
    race.Sink = sink_create();
    race.Buffers = (VOID**)calloc(race.Count, sizeof(VOID*));
    pthread_create(&threads[0], NULL, taker, NULL);
    pthread_create(&threads[1], NULL, second_taker, NULL);
    for (unsigned i = 0; i < race.Count; i++)
    {
        race.Buffers[i] = buffer_get(race.Source, 0);
        seed = seed * 1103515245u + 12345u;
        DMF_BufferPool_PutInSinkWithTimer(race.Sink, race.Buffers[i], (seed >> 16) % 100, OwnByTimer, NULL);
    }
    atomic_store(&race.AllPut, true);
    EVENTUALLY(owned_count() >= race.Count);
    for (int i = 0; i < GETTERS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    /* A second owner would come late. */
    wait_for_timers();
    CHECK_EQUAL(owned_count(), race.Count);
    CHECK_EQUAL(atomic_load(&race.EmptyWithBuffers), 0);
    CHECK_EQUAL(DMF_BufferPool_Count(race.Sink), 0);
    for (unsigned i = 0; i < race.Count; i++)
    {
        VOID* context = NULL;
        DMF_BufferPool_ContextGet(race.Source, race.Buffers[i], &context);
        wrong += atomic_load(&((MARK*)context)->Owners) != 1;
        DMF_BufferPool_Put(race.Source, race.Buffers[i]);
    }
    CHECK_EQUAL(wrong, 0);
    CHECK_EQUAL(DMF_BufferPool_Count(race.Source), race.Count);
    printf("    %u buffers: %u by timer, %u by Get, %u by enumeration\n", race.Count, atomic_load(&race.ByTimer),
           atomic_load(&race.ByGet), atomic_load(&race.ByEnumerate));
    free(race.Buffers);
    WdfObjectDelete(race.Sink);
    WdfObjectDelete(race.Source);
}

TEST(a_buffer_goes_either_to_get_or_to_its_timer)
{
    race_run(gets_buffers, gets_buffers);
}

TEST(a_buffer_goes_either_to_an_enumeration_or_to_its_timer)
{
    race_run(enumerates_buffers, enumerates_buffers);
}

TEST(a_buffer_goes_to_one_of_get_enumeration_and_timer)
{
    race_run(gets_buffers, enumerates_buffers);
}

/* Deletes a sink at about the time at which its timers fire: the callback owns a buffer, or the delete frees it. */
TEST(a_sink_is_deleted_while_its_timers_fire)
{
    enum { COUNT = 8 };
    unsigned rounds = harness_rounds(200);

    for (unsigned round = 0; round < rounds; round++)
    {
        DMFMODULE source = source_create(COUNT), sink = sink_create();
        VOID* buffers[COUNT];
        FIRED fired[COUNT];

        memset(fired, 0, sizeof(fired));
        for (int i = 0; i < COUNT; i++)
        {
            buffers[i] = buffer_get(source, i);
            DMF_BufferPool_PutInSinkWithTimer(sink, buffers[i], (ULONGLONG)i / 2, Fire, &fired[i]);
        }
        harness_sleep_milliseconds(round % 4);
        WdfObjectDelete(sink);
        for (int i = 0; i < COUNT; i++)
        {
            if (atomic_load(&fired[i].Calls) == 1)
            {
                DMF_BufferPool_Put(source, buffers[i]);
                CHECK_MISUSE(0);
            }
        }
        WdfObjectDelete(source);
    }
}

int main(void)
{
    RUN(enumerate_shows_the_buffers_of_a_sink_in_the_order_of_the_list);
    RUN(enumerate_of_an_empty_sink_calls_nobody);
    RUN(enumerate_sets_its_outputs_to_null_first);
    RUN(enumerate_needs_no_outputs);
    RUN(stop_ends_an_enumeration_and_removes_nothing);
    RUN(remove_gives_the_buffer_to_the_client_and_keeps_the_others_in_order);
    RUN(remove_of_the_only_buffer_leaves_an_empty_sink);
    RUN(remove_without_a_place_for_the_buffer_removes_nothing);
    RUN(an_unknown_disposition_stops_and_is_reported);
    RUN(dispositions_about_timers_go_on_or_stop_without_timers_too);
    RUN(enumerate_of_a_source_is_reported_and_calls_nobody);
    RUN(enumerate_without_callback_is_reported);
    RUN(locking_methods_of_a_sink_are_refused_inside_its_enumeration);
    RUN(so_they_are_where_the_sink_is_the_parent_of_the_source);
    RUN(the_source_and_the_contexts_can_be_used_inside_an_enumeration);
    RUN(a_sink_cannot_be_deleted_inside_its_enumeration);
    RUN(another_thread_waits_for_the_end_of_an_enumeration);
    RUN(when_the_time_is_up_the_callback_gets_the_buffer);
    RUN(a_timer_does_not_fire_before_its_time);
    RUN(a_timer_of_no_time_fires_at_once);
    RUN(a_timer_of_more_time_than_can_be_counted_waits);
    RUN(put_with_timer_adds_at_the_tail);
    RUN(timers_fire_in_the_order_of_their_times_from_anywhere_in_the_list);
    RUN(a_buffer_that_is_taken_in_time_keeps_its_callback_silent);
    RUN(an_old_timer_does_not_touch_a_buffer_that_came_back);
    RUN(a_buffer_can_have_a_timer_again_and_again);
    RUN(a_new_timer_that_is_due_earlier_is_not_held_up_by_those_that_wait);
    RUN(a_timers_callback_may_use_the_sink_and_start_the_timer_again);
    RUN(put_with_timer_without_callback_changes_nothing);
    RUN(put_with_timer_of_a_buffer_without_timer_changes_nothing);
    RUN(put_with_timer_of_what_the_client_does_not_hold_changes_nothing);
    RUN(put_with_timer_into_a_source_changes_nothing);
    RUN(a_buffer_that_the_look_aside_made_has_a_timer_too);
    RUN(a_timer_pauses_while_its_buffer_is_looked_at);
    RUN(a_timer_pauses_while_its_buffer_is_looked_at_for_the_last_time_too);
    RUN(after_an_unknown_disposition_the_timer_resumes);
    RUN(a_short_look_leaves_the_timer_its_remaining_time);
    RUN(looking_often_does_not_keep_a_timer_from_firing);
    RUN(stop_timer_drops_the_timer_and_keeps_the_buffer);
    RUN(stop_timer_and_continue_goes_on_to_the_next_buffer);
    RUN(reset_timer_starts_the_full_period_again);
    RUN(reset_timer_and_continue_starts_the_full_period_again);
    RUN(a_look_after_a_reset_counts_from_the_new_deadline);
    RUN(a_timer_can_be_reset_many_times);
    RUN(remove_forgets_the_timer);
    RUN(remove_without_a_place_for_the_buffer_leaves_its_timer);
    RUN(a_timer_that_is_due_waits_for_the_end_of_the_enumeration);
    RUN(deleting_a_sink_stops_its_timers_without_callbacks);
    RUN(a_timer_fires_after_its_source_was_deleted);
    RUN(a_sink_can_be_deleted_in_its_timers_callback);
    RUN(deleting_a_sink_waits_for_a_callback_that_runs);
    RUN(all_timers_of_the_process_share_one_thread_that_ends_with_them);
    RUN(enumerate_and_put_with_timer_refuse_a_handle_that_is_no_pool);
    RUN(a_buffer_goes_either_to_get_or_to_its_timer);
    RUN(a_buffer_goes_either_to_an_enumeration_or_to_its_timer);
    RUN(a_buffer_goes_to_one_of_get_enumeration_and_timer);
    RUN(a_sink_is_deleted_while_its_timers_fire);
    return TESTS_RESULT();
}
