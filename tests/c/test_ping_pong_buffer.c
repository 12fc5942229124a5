/* PingPongBuffer: bytes are appended to Ping, packets are taken out of it, and what is left over changes the buffer. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <sched.h>

#define SIZE 16

/* ------------------------------------------------------------------------------------------------- buffers */

static DMFMODULE buffer_create(ULONG size)
{
    DMF_CONFIG_PingPongBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE buffer = NULL;

    DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferSize = size;
    config.PoolType = NonPagedPoolNx;
    CHECK_SUCCESS(DMF_PingPongBuffer_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &buffer));
    return buffer;
}

/* Appends text and checks how much is there afterwards. */
static void text_write(DMFMODULE buffer, const char* text, ULONG expected)
{
    ULONG size = 0xFFFFFFFF;
    CHECK_SUCCESS(DMF_PingPongBuffer_Write(buffer, (UCHAR*)(uintptr_t)text, (ULONG)strlen(text), &size));
    CHECK_EQUAL(size, expected);
}

/* A buffer of SIZE bytes that has this text in it. */
static DMFMODULE buffer_with(const char* text)
{
    DMFMODULE buffer = buffer_create(SIZE);
    text_write(buffer, text, (ULONG)strlen(text));
    return buffer;
}

static UCHAR* ping_of(DMFMODULE buffer)
{
    ULONG size = 0;
    return DMF_PingPongBuffer_Get(buffer, &size);
}

/* What Ping holds, exactly. */
static void check_ping(DMFMODULE buffer, const char* text)
{
    ULONG size = 0xFFFFFFFF;
    UCHAR* ping = DMF_PingPongBuffer_Get(buffer, &size);
    CHECK_SUCCESS(DMF_LastStatusGet());
    REQUIRE(ping != NULL);
    CHECK_EQUAL(size, strlen(text));
    CHECK(size == strlen(text) && memcmp(ping, text, size) == 0);
}

/* -------------------------------------------------------------------------------------------------- create */

TEST(a_buffer_without_size_is_refused)
{
    DMF_CONFIG_PingPongBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE buffer = (DMFMODULE)&config;

    DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    CHECK_STATUS(DMF_PingPongBuffer_Create(NULL, &attributes, NULL, &buffer), STATUS_INVALID_PARAMETER);
    CHECK(buffer == NULL);
    MISUSE_IGNORE();
}

TEST(a_buffer_without_config_has_no_size_and_is_refused)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE buffer = (DMFMODULE)&attributes;

    DMF_PingPongBuffer_ATTRIBUTES_INIT(&attributes);
    CHECK(attributes.InstanceCreator == DMF_PingPongBuffer_Create);
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, sizeof(DMF_CONFIG_PingPongBuffer));
    CHECK_STATUS(DMF_PingPongBuffer_Create(NULL, &attributes, NULL, &buffer), STATUS_INVALID_PARAMETER);
    CHECK(buffer == NULL);
    MISUSE_IGNORE();
}

TEST(a_buffers_config_starts_as_zeros)
{
    DMF_CONFIG_PingPongBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&config, 0xA5, sizeof(config));
    DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    CHECK_POINTER(attributes.ModuleConfigPointer, &config);
    CHECK_ALL_BYTES(&config, 0, sizeof(config));
}

static void check_create_in_pool(POOL_TYPE pool_type, BOOLEAN passive, unsigned misuse)
{
    DMF_CONFIG_PingPongBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE buffer = NULL;

    DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferSize = SIZE;
    config.PoolType = pool_type;
    attributes.PassiveLevel = passive;
    REQUIRE_SUCCESS(DMF_PingPongBuffer_Create(NULL, &attributes, NULL, &buffer));
    CHECK_MISUSE(misuse);
    text_write(buffer, "works", 5);
    check_ping(buffer, "works");
    WdfObjectDelete(buffer);
}

TEST(a_buffer_at_passive_level_works)
{
    check_create_in_pool(NonPagedPoolNx, TRUE, 0);
    check_create_in_pool(PagedPool, TRUE, 0);
}

TEST(a_paged_buffer_without_passive_level_is_reported_and_works)
{
    check_create_in_pool(PagedPool, FALSE, 1);
}

TEST(both_buffers_start_as_zeros)
{
    DMFMODULE buffer = buffer_create(SIZE);
    UCHAR* ping = ping_of(buffer);
    UCHAR* pong;

    check_ping(buffer, "");
    CHECK_ALL_BYTES(ping, 0, SIZE);
    DMF_PingPongBuffer_Shift(buffer, 0);
    pong = ping_of(buffer);
    CHECK(pong != ping);
    CHECK_ALL_BYTES(pong, 0, SIZE);
    WdfObjectDelete(buffer);
}

/* --------------------------------------------------------------------------------------------- write, get */

TEST(a_write_is_appended_and_tells_how_much_is_there)
{
    DMFMODULE buffer = buffer_create(SIZE);
    text_write(buffer, "abc", 3);
    text_write(buffer, "defg", 7);
    check_ping(buffer, "abcdefg");
    WdfObjectDelete(buffer);
}

TEST(a_write_of_no_bytes_is_a_success)
{
    DMFMODULE buffer = buffer_with("abc");
    text_write(buffer, "", 3);
    check_ping(buffer, "abc");
    WdfObjectDelete(buffer);
}

TEST(a_write_may_fill_the_buffer_exactly)
{
    DMFMODULE buffer = buffer_with("0123456789");
    text_write(buffer, "abcdef", SIZE);
    text_write(buffer, "", SIZE);
    check_ping(buffer, "0123456789abcdef");
    WdfObjectDelete(buffer);
}

TEST(a_write_that_does_not_fit_writes_nothing)
{
    DMFMODULE buffer = buffer_with("0123456789");
    UCHAR bytes[SIZE + 1];
    ULONG size = 99;

    memset(bytes, 'x', sizeof(bytes));
    CHECK_STATUS(DMF_PingPongBuffer_Write(buffer, bytes, 7, &size), STATUS_INSUFFICIENT_RESOURCES);
    CHECK_EQUAL(size, 10);
    CHECK_STATUS(DMF_PingPongBuffer_Write(buffer, bytes, SIZE + 1, &size), STATUS_INSUFFICIENT_RESOURCES);
    CHECK_EQUAL(size, 10);
    check_ping(buffer, "0123456789");
    CHECK_ALL_BYTES(ping_of(buffer) + 10, 0, SIZE - 10);
    text_write(buffer, "abcdef", SIZE);
    WdfObjectDelete(buffer);
}

TEST(a_write_of_more_bytes_than_can_be_counted_does_not_fit)
{
    static const ULONG sizes[] = {0xFFFFFFFF, 0xFFFFFFFF - 9, 0xFFFFFFFF - 10, 0x80000000};
    DMFMODULE buffer = buffer_with("0123456789");
    UCHAR byte = 'x';

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
    {
        ULONG size = 99;
        CHECK_STATUS(DMF_PingPongBuffer_Write(buffer, &byte, sizes[i], &size), STATUS_INSUFFICIENT_RESOURCES);
        CHECK_EQUAL(size, 10);
    }
    check_ping(buffer, "0123456789");
    WdfObjectDelete(buffer);
}

TEST(a_write_without_its_pointers_writes_nothing)
{
    DMFMODULE buffer = buffer_with("abc");
    UCHAR byte = 'x';
    ULONG size = 99;

    CHECK_STATUS(DMF_PingPongBuffer_Write(buffer, NULL, 1, &size), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_PingPongBuffer_Write(buffer, &byte, 1, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(2);
    check_ping(buffer, "abc");
    WdfObjectDelete(buffer);
}

TEST(get_always_gives_the_same_base_between_switches)
{
    DMFMODULE buffer = buffer_create(SIZE);
    UCHAR* ping = ping_of(buffer);
    text_write(buffer, "abc", 3);
    CHECK_POINTER(ping_of(buffer), ping);
    WdfObjectDelete(buffer);
}

TEST(get_without_a_place_for_the_size_gives_null)
{
    DMFMODULE buffer = buffer_with("abc");
    CHECK(DMF_PingPongBuffer_Get(buffer, NULL) == NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    WdfObjectDelete(buffer);
}

/* ------------------------------------------------------------------------------------------------- consume */

TEST(consume_gives_the_packet_and_keeps_what_follows_it)
{
    DMFMODULE buffer = buffer_with("..packet rest");
    UCHAR* ping = ping_of(buffer);
    UCHAR* packet = DMF_PingPongBuffer_Consume(buffer, 2, 6);

    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_POINTER(packet, ping + 2);
    CHECK(memcmp(packet, "packet", 6) == 0);
    check_ping(buffer, " rest");
    WdfObjectDelete(buffer);
}

TEST(consume_switches_the_buffers)
{
    DMFMODULE buffer = buffer_with("aabb");
    UCHAR* first = ping_of(buffer);
    UCHAR* second;

    CHECK_POINTER(DMF_PingPongBuffer_Consume(buffer, 0, 2), first);
    second = ping_of(buffer);
    CHECK(second != first);
    CHECK(second >= first + SIZE || first >= second + SIZE);
    CHECK_POINTER(DMF_PingPongBuffer_Consume(buffer, 0, 1), second);
    CHECK_POINTER(ping_of(buffer), first);
    check_ping(buffer, "b");
    WdfObjectDelete(buffer);
}

TEST(consume_switches_when_nothing_is_left_too)
{
    DMFMODULE buffer = buffer_with("abcd");
    UCHAR* ping = ping_of(buffer);

    CHECK_POINTER(DMF_PingPongBuffer_Consume(buffer, 0, 4), ping);
    CHECK(ping_of(buffer) != ping);
    check_ping(buffer, "");
    WdfObjectDelete(buffer);
}

TEST(consume_of_nothing_keeps_everything_and_switches)
{
    DMFMODULE buffer = buffer_with("abcd");
    UCHAR* ping = ping_of(buffer);

    CHECK_POINTER(DMF_PingPongBuffer_Consume(buffer, 0, 0), ping);
    CHECK(ping_of(buffer) != ping);
    check_ping(buffer, "abcd");
    WdfObjectDelete(buffer);
}

TEST(consume_of_a_whole_buffer_gives_all_of_it)
{
    DMFMODULE buffer = buffer_with("0123456789abcdef");
    UCHAR* packet = DMF_PingPongBuffer_Consume(buffer, 0, SIZE);

    REQUIRE(packet != NULL);
    CHECK(memcmp(packet, "0123456789abcdef", SIZE) == 0);
    check_ping(buffer, "");
    CHECK_MISUSE(0);
    WdfObjectDelete(buffer);
}

TEST(consume_beyond_what_was_written_leaves_nothing_over)
{
    static const ULONG ranges[][2] = {{0, 5}, {2, 6}, {4, 1}, {10, 6}, {0, SIZE}, {SIZE, 0}};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
    {
        DMFMODULE buffer = buffer_with("abcd");
        UCHAR* ping = ping_of(buffer);
        CHECK_POINTER(DMF_PingPongBuffer_Consume(buffer, ranges[i][0], ranges[i][1]), ping + ranges[i][0]);
        CHECK(ping_of(buffer) != ping);
        check_ping(buffer, "");
        CHECK_MISUSE(0);
        WdfObjectDelete(buffer);
    }
}

TEST(consume_beyond_the_buffer_changes_nothing)
{
    static const ULONG ranges[][2] = {{0, SIZE + 1}, {1, SIZE},         {SIZE, 1},         {SIZE + 1, 0},
                                      {8, 9},        {1, 0xFFFFFFFF},   {0xFFFFFFFF, 1},   {0xFFFFFFFF, 0},
                                      {0, 0xFFFFFFFF}, {0x80000000, 0x80000000}, {0xFFFFFFFF, 0xFFFFFFFF}};
    DMFMODULE buffer = buffer_with("abcd");
    UCHAR* ping = ping_of(buffer);

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
    {
        CHECK(DMF_PingPongBuffer_Consume(buffer, ranges[i][0], ranges[i][1]) == NULL);
        CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
        CHECK_MISUSE(1);
        CHECK_POINTER(ping_of(buffer), ping);
        check_ping(buffer, "abcd");
    }
    WdfObjectDelete(buffer);
}

TEST(after_a_consume_writes_go_behind_what_was_left_over)
{
    DMFMODULE buffer = buffer_with("packet rest");

    CHECK(DMF_PingPongBuffer_Consume(buffer, 0, 7) != NULL);
    text_write(buffer, " and more", 13);
    check_ping(buffer, "rest and more");
    WdfObjectDelete(buffer);
}

TEST(a_consumed_packet_stays_as_it_is_through_later_writes)
{
    DMFMODULE buffer = buffer_with("packet rest");
    UCHAR* packet = DMF_PingPongBuffer_Consume(buffer, 0, 6);

    text_write(buffer, "0123456789", 15);
    text_write(buffer, "x", SIZE);
    CHECK(memcmp(packet, "packet", 6) == 0);
    DMF_PingPongBuffer_Reset(buffer);
    text_write(buffer, "yyyyyyyyyyyyyyyy", SIZE);
    CHECK(memcmp(packet, "packet", 6) == 0);
    WdfObjectDelete(buffer);
}

TEST(a_consumed_packet_stays_when_the_next_consume_leaves_nothing_over)
{
    DMFMODULE buffer = buffer_with("packetnext");
    UCHAR* packet = DMF_PingPongBuffer_Consume(buffer, 0, 6);

    CHECK(DMF_PingPongBuffer_Consume(buffer, 0, 4) != NULL);
    CHECK(memcmp(packet, "packet", 6) == 0);
    WdfObjectDelete(buffer);
}

TEST(the_next_consume_with_something_left_over_takes_the_packets_place)
{
    DMFMODULE buffer = buffer_with("packetABCDEFGH");
    UCHAR* packet = DMF_PingPongBuffer_Consume(buffer, 0, 6);

    CHECK(DMF_PingPongBuffer_Consume(buffer, 0, 2) != NULL);
    CHECK(memcmp(packet, "CDEFGH", 6) == 0);
    WdfObjectDelete(buffer);
}

/* --------------------------------------------------------------------------------------------------- shift */

TEST(shift_moves_the_rest_to_the_start_of_the_other_buffer)
{
    DMFMODULE buffer = buffer_with("noisedata");
    UCHAR* ping = ping_of(buffer);

    DMF_PingPongBuffer_Shift(buffer, 5);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK(ping_of(buffer) != ping);
    check_ping(buffer, "data");
    text_write(buffer, "!", 5);
    check_ping(buffer, "data!");
    WdfObjectDelete(buffer);
}

TEST(shift_by_nothing_moves_everything)
{
    DMFMODULE buffer = buffer_with("data");
    UCHAR* ping = ping_of(buffer);

    DMF_PingPongBuffer_Shift(buffer, 0);
    CHECK(ping_of(buffer) != ping);
    check_ping(buffer, "data");
    WdfObjectDelete(buffer);
}

TEST(shift_by_everything_leaves_nothing_and_switches)
{
    DMFMODULE buffer = buffer_with("data");
    UCHAR* ping = ping_of(buffer);

    DMF_PingPongBuffer_Shift(buffer, 4);
    CHECK_MISUSE(0);
    CHECK(ping_of(buffer) != ping);
    check_ping(buffer, "");
    WdfObjectDelete(buffer);
}

TEST(shift_of_a_full_buffer_moves_all_its_bytes)
{
    DMFMODULE buffer = buffer_with("0123456789abcdef");
    DMF_PingPongBuffer_Shift(buffer, 0);
    check_ping(buffer, "0123456789abcdef");
    DMF_PingPongBuffer_Shift(buffer, SIZE - 1);
    check_ping(buffer, "f");
    WdfObjectDelete(buffer);
}

TEST(shift_beyond_what_was_written_changes_nothing)
{
    static const ULONG starts[] = {5, SIZE, SIZE + 1, 0x80000000, 0xFFFFFFFF};
    DMFMODULE buffer = buffer_with("data");
    UCHAR* ping = ping_of(buffer);

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
    {
        DMF_PingPongBuffer_Shift(buffer, starts[i]);
        CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
        CHECK_MISUSE(1);
        CHECK_POINTER(ping_of(buffer), ping);
        check_ping(buffer, "data");
    }
    WdfObjectDelete(buffer);
}

TEST(shift_overwrites_a_consumed_packet)
{
    DMFMODULE buffer = buffer_with("packetnext");
    UCHAR* packet = DMF_PingPongBuffer_Consume(buffer, 0, 6);

    DMF_PingPongBuffer_Shift(buffer, 0);
    CHECK(memcmp(packet, "nextet", 6) == 0);
    WdfObjectDelete(buffer);
}

/* --------------------------------------------------------------------------------------------------- reset */

TEST(reset_forgets_what_is_in_ping)
{
    DMFMODULE buffer = buffer_with("data");
    DMF_PingPongBuffer_Reset(buffer);
    CHECK_SUCCESS(DMF_LastStatusGet());
    check_ping(buffer, "");
    text_write(buffer, "new", 3);
    check_ping(buffer, "new");
    WdfObjectDelete(buffer);
}

TEST(reset_neither_switches_nor_erases)
{
    DMFMODULE buffer = buffer_with("packetdata");
    UCHAR* packet = DMF_PingPongBuffer_Consume(buffer, 0, 6);
    UCHAR* ping = ping_of(buffer);

    DMF_PingPongBuffer_Reset(buffer);
    CHECK_POINTER(ping_of(buffer), ping);
    CHECK(memcmp(ping, "data", 4) == 0);
    CHECK(memcmp(packet, "packet", 6) == 0);
    WdfObjectDelete(buffer);
}

/* -------------------------------------------------------------------------------------------- bad handles */

static void check_bad_handle(DMFMODULE bad)
{
    UCHAR byte = 'x';
    ULONG size = 5;

    CHECK_STATUS(DMF_PingPongBuffer_Write(bad, &byte, 1, &size), STATUS_INVALID_HANDLE);
    CHECK(DMF_PingPongBuffer_Get(bad, &size) == NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK(DMF_PingPongBuffer_Consume(bad, 0, 0) == NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_PingPongBuffer_Shift(bad, 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_PingPongBuffer_Reset(bad);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(5);
    CHECK_EQUAL(size, 5);
}

TEST(every_method_refuses_a_handle_that_is_no_ping_pong_buffer)
{
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);
    DMFMODULE stale = buffer_create(SIZE), pool = NULL;
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;

    WdfObjectDelete(stale);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Sink;
    REQUIRE_SUCCESS(DMF_BufferPool_Create(device, &attributes, NULL, &pool));
    handles[count++] = NULL;
    handles[count++] = stale;
    handles[count++] = device;
    handles[count++] = pool;
    for (size_t i = 0; i < count; i++)
    {
        check_bad_handle((DMFMODULE)handles[i]);
    }
    WdfObjectDelete(device);
}

static NTSTATUS write_in_cleanup;

static EVT_WDF_OBJECT_CONTEXT_CLEANUP WriteInCleanup;

static VOID WriteInCleanup(WDFOBJECT Object)
{
    UCHAR byte = 'x';
    ULONG size = 0;
    write_in_cleanup = DMF_PingPongBuffer_Write((DMFMODULE)Object, &byte, 1, &size);
    MISUSE_IGNORE();
}

TEST(while_a_buffer_closes_its_methods_fail)
{
    WDF_OBJECT_ATTRIBUTES object_attributes;
    DMF_CONFIG_PingPongBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE buffer = NULL;

    WDF_OBJECT_ATTRIBUTES_INIT(&object_attributes);
    object_attributes.EvtCleanupCallback = WriteInCleanup;
    DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferSize = SIZE;
    REQUIRE_SUCCESS(DMF_PingPongBuffer_Create(NULL, &attributes, &object_attributes, &buffer));
    write_in_cleanup = STATUS_PENDING;
    WdfObjectDelete(buffer);
    CHECK_STATUS(write_in_cleanup, STATUS_INVALID_DEVICE_STATE);
}

/* ------------------------------------------------------------------------------------------------ threads */

typedef struct
{
    DMFMODULE Buffer;
    unsigned Bytes;
} STREAM;

/* Writes 0, 1, 2, ... (modulo 251) in pieces of odd sizes. */
static void* streams_bytes(void* argument)
{
    const STREAM* stream = (const STREAM*)argument;
    UCHAR piece[13];
    unsigned written = 0, length = 1;

    while (written < stream->Bytes)
    {
        ULONG size;
        unsigned count = stream->Bytes - written < length ? stream->Bytes - written : length;
        for (unsigned i = 0; i < count; i++)
        {
            piece[i] = (UCHAR)((written + i) % 251);
        }
        if (NT_SUCCESS(DMF_PingPongBuffer_Write(stream->Buffer, piece, count, &size)))
        {
            written += count;
            length = length % sizeof(piece) + 1;
        }
        else
        {
            sched_yield();
        }
    }
    return NULL;
}

TEST(what_one_thread_writes_another_consumes_without_a_gap)
{
    STREAM stream = {buffer_create(64), harness_rounds(1000000)};
    unsigned consumed = 0, wrong = 0, round = 0;
    pthread_t thread;

    pthread_create(&thread, NULL, streams_bytes, &stream);
    while (consumed < stream.Bytes)
    {
        ULONG size = 0;
        UCHAR* packet;
        (void)DMF_PingPongBuffer_Get(stream.Buffer, &size);
        if (size == 0)
        {
            sched_yield();
            continue;
        }
        /* Now and then only a part of what is there. */
        size -= round++ % 3 == 0 ? size / 2 : 0;
        packet = DMF_PingPongBuffer_Consume(stream.Buffer, 0, size);
        if (!CHECK(packet != NULL))
        {
            break;
        }
        for (ULONG i = 0; i < size; i++)
        {
            wrong += packet[i] != (UCHAR)((consumed + i) % 251);
        }
        consumed += size;
    }
    pthread_join(thread, NULL);
    CHECK_EQUAL(wrong, 0);
    check_ping(stream.Buffer, "");
    WdfObjectDelete(stream.Buffer);
}

enum { WRITERS = 4, WRITES = 500, RECORD = 8 };

static void* writes_records(void* argument)
{
    STREAM* stream = (STREAM*)argument;
    UCHAR record[RECORD];

    memset(record, (int)stream->Bytes, sizeof(record));
    for (int i = 0; i < WRITES; i++)
    {
        ULONG size = 0;
        CHECK_SUCCESS(DMF_PingPongBuffer_Write(stream->Buffer, record, RECORD, &size));
    }
    return NULL;
}

TEST(writes_of_several_threads_stay_whole)
{
    DMFMODULE buffer = buffer_create(WRITERS * WRITES * RECORD);
    STREAM streams[WRITERS];
    pthread_t threads[WRITERS];
    unsigned counts[WRITERS] = {0};
    UCHAR* ping;
    ULONG size = 0;

    for (unsigned i = 0; i < WRITERS; i++)
    {
        streams[i] = (STREAM){buffer, i};
        pthread_create(&threads[i], NULL, writes_records, &streams[i]);
    }
    for (int i = 0; i < WRITERS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    ping = DMF_PingPongBuffer_Get(buffer, &size);
    CHECK_EQUAL(size, WRITERS * WRITES * RECORD);
    for (ULONG i = 0; i < size; i += RECORD)
    {
        CHECK(harness_bytes_are(ping + i, ping[i], RECORD));
        counts[ping[i] % WRITERS]++;
    }
    for (int i = 0; i < WRITERS; i++)
    {
        CHECK_EQUAL(counts[i], WRITES);
    }
    WdfObjectDelete(buffer);
}

int main(void)
{
    RUN(a_buffer_without_size_is_refused);
    RUN(a_buffer_without_config_has_no_size_and_is_refused);
    RUN(a_buffers_config_starts_as_zeros);
    RUN(a_buffer_at_passive_level_works);
    RUN(a_paged_buffer_without_passive_level_is_reported_and_works);
    RUN(both_buffers_start_as_zeros);
    RUN(a_write_is_appended_and_tells_how_much_is_there);
    RUN(a_write_of_no_bytes_is_a_success);
    RUN(a_write_may_fill_the_buffer_exactly);
    RUN(a_write_that_does_not_fit_writes_nothing);
    RUN(a_write_of_more_bytes_than_can_be_counted_does_not_fit);
    RUN(a_write_without_its_pointers_writes_nothing);
    RUN(get_always_gives_the_same_base_between_switches);
    RUN(get_without_a_place_for_the_size_gives_null);
    RUN(consume_gives_the_packet_and_keeps_what_follows_it);
    RUN(consume_switches_the_buffers);
    RUN(consume_switches_when_nothing_is_left_too);
    RUN(consume_of_nothing_keeps_everything_and_switches);
    RUN(consume_of_a_whole_buffer_gives_all_of_it);
    RUN(consume_beyond_what_was_written_leaves_nothing_over);
    RUN(consume_beyond_the_buffer_changes_nothing);
    RUN(after_a_consume_writes_go_behind_what_was_left_over);
    RUN(a_consumed_packet_stays_as_it_is_through_later_writes);
    RUN(a_consumed_packet_stays_when_the_next_consume_leaves_nothing_over);
    RUN(the_next_consume_with_something_left_over_takes_the_packets_place);
    RUN(shift_moves_the_rest_to_the_start_of_the_other_buffer);
    RUN(shift_by_nothing_moves_everything);
    RUN(shift_by_everything_leaves_nothing_and_switches);
    RUN(shift_of_a_full_buffer_moves_all_its_bytes);
    RUN(shift_beyond_what_was_written_changes_nothing);
    RUN(shift_overwrites_a_consumed_packet);
    RUN(reset_forgets_what_is_in_ping);
    RUN(reset_neither_switches_nor_erases);
    RUN(every_method_refuses_a_handle_that_is_no_ping_pong_buffer);
    RUN(while_a_buffer_closes_its_methods_fail);
    RUN(what_one_thread_writes_another_consumes_without_a_gap);
    RUN(writes_of_several_threads_stay_whole);
    return TESTS_RESULT();
}
