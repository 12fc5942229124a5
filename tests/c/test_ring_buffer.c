/* RingBuffer: items in the order in which they were written, whole or in segments, and what a full ring does. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <stdatomic.h>
#include <sys/resource.h>

/* Most rings here hold 32-bit numbers. */
#define NUMBER_SIZE ((ULONG)sizeof(ULONG))

/* --------------------------------------------------------------------------------------------------- rings */

static NTSTATUS ring_try(ULONG item_count, ULONG item_size, int mode, DMFMODULE* ring)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = item_count;
    config.ItemSize = item_size;
    config.Mode = (RingBuffer_ModeType)mode;
    return DMF_RingBuffer_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, ring);
}

static DMFMODULE ring_create(ULONG item_count, ULONG item_size, RingBuffer_ModeType mode)
{
    DMFMODULE ring = NULL;
    CHECK_SUCCESS(ring_try(item_count, item_size, mode, &ring));
    return ring;
}

/* A ring of numbers that fails when it is full. */
static DMFMODULE numbers_create(ULONG item_count)
{
    return ring_create(item_count, NUMBER_SIZE, RingBuffer_Mode_FailIfFullOnWrite);
}

static NTSTATUS number_write(DMFMODULE ring, ULONG number)
{
    return DMF_RingBuffer_Write(ring, (UCHAR*)&number, NUMBER_SIZE);
}

static void numbers_write(DMFMODULE ring, ULONG first, ULONG last)
{
    for (ULONG number = first; number <= last; number++)
    {
        CHECK_SUCCESS(number_write(ring, number));
    }
}

/* Reads one number and checks it. */
static void check_next(DMFMODULE ring, ULONG expected)
{
    ULONG number = 0xFFFFFFFF;
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, (UCHAR*)&number, NUMBER_SIZE));
    CHECK_EQUAL(number, expected);
}

static void check_empty(DMFMODULE ring)
{
    ULONG number;
    CHECK_STATUS(DMF_RingBuffer_Read(ring, (UCHAR*)&number, NUMBER_SIZE), STATUS_UNSUCCESSFUL);
}

/* Reads the numbers from first to last, and no more than those are there. */
static void check_numbers(DMFMODULE ring, ULONG first, ULONG last)
{
    for (ULONG number = first; number <= last; number++)
    {
        check_next(ring, number);
    }
    check_empty(ring);
}

/* Moves the place where the next item goes: as many writes and reads. The ring is empty before and after. */
static void ring_turn(DMFMODULE ring, ULONG steps)
{
    for (ULONG i = 0; i < steps; i++)
    {
        CHECK_SUCCESS(number_write(ring, 0xEEEEEEEE));
        check_next(ring, 0xEEEEEEEE);
    }
}

/* What an enumeration saw. */
typedef struct
{
    DMFMODULE Module;
    unsigned Calls;
    unsigned StopAfter; /* 0: never */
    ULONG Numbers[16];
    UCHAR* Addresses[16];
    ULONG Size;
} SEEN;

static EVT_DMF_RingBuffer_Enumeration Collect;

static BOOLEAN Collect(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    SEEN* seen = (SEEN*)CallbackContext;
    seen->Module = DmfModule;
    seen->Size = BufferSize;
    if (seen->Calls < 16)
    {
        memcpy(&seen->Numbers[seen->Calls], Buffer, BufferSize < NUMBER_SIZE ? BufferSize : NUMBER_SIZE);
        seen->Addresses[seen->Calls] = Buffer;
    }
    seen->Calls++;
    return seen->Calls != seen->StopAfter;
}

/* Where the memory of a ring begins. The ring must be empty; it is empty again afterwards. */
static UCHAR* ring_memory(DMFMODULE ring, ULONG item_count)
{
    SEEN seen = {0};
    UCHAR* lowest;

    numbers_write(ring, 1, item_count);
    DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &seen);
    CHECK_EQUAL(seen.Calls, item_count);
    lowest = seen.Addresses[0];
    for (ULONG i = 0; i < item_count; i++)
    {
        lowest = seen.Addresses[i] < lowest ? seen.Addresses[i] : lowest;
    }
    check_numbers(ring, 1, item_count);
    return lowest;
}

/* -------------------------------------------------------------------------------------------------- create */

static void check_refused(ULONG item_count, ULONG item_size, int mode, NTSTATUS expected)
{
    DMFMODULE ring = (DMFMODULE)&expected;
    CHECK_STATUS(ring_try(item_count, item_size, mode, &ring), expected);
    CHECK(ring == NULL);
    MISUSE_IGNORE();
}

TEST(a_ring_without_items_is_refused)
{
    check_refused(0, 4, RingBuffer_Mode_FailIfFullOnWrite, STATUS_INVALID_PARAMETER);
    check_refused(0, 4, RingBuffer_Mode_DeleteOldestIfFullOnWrite, STATUS_INVALID_PARAMETER);
}

TEST(a_ring_of_items_without_size_is_refused)
{
    check_refused(4, 0, RingBuffer_Mode_FailIfFullOnWrite, STATUS_INVALID_PARAMETER);
    check_refused(4, 0, RingBuffer_Mode_DeleteOldestIfFullOnWrite, STATUS_INVALID_PARAMETER);
}

TEST(a_ring_of_no_known_mode_is_refused)
{
    check_refused(4, 4, RingBuffer_Mode_Invalid, STATUS_INVALID_PARAMETER);
    check_refused(4, 4, RingBuffer_Mode_Maximum, STATUS_INVALID_PARAMETER);
    check_refused(4, 4, 99, STATUS_INVALID_PARAMETER);
    check_refused(4, 4, -1, STATUS_INVALID_PARAMETER);
}

TEST(a_ring_whose_size_does_not_fit_is_refused)
{
    check_refused(0x10000, 0x10000, RingBuffer_Mode_FailIfFullOnWrite, STATUS_INTEGER_OVERFLOW);
    check_refused(0xFFFFFFFF, 2, RingBuffer_Mode_FailIfFullOnWrite, STATUS_INTEGER_OVERFLOW);
    check_refused(2, 0xFFFFFFFF, RingBuffer_Mode_DeleteOldestIfFullOnWrite, STATUS_INTEGER_OVERFLOW);
    check_refused(0xFFFFFFFF, 0xFFFFFFFF, RingBuffer_Mode_FailIfFullOnWrite, STATUS_INTEGER_OVERFLOW);
}

TEST(a_ring_for_which_there_is_no_memory_is_refused)
{
    struct rlimit before, limit;
    unsigned long pages = 0;
    FILE* file = fopen("/proc/self/statm", "r");

    REQUIRE(file != NULL);
    CHECK_EQUAL(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
    limit = before;
    /* Room for the rest of the program, and not for the largest ring. */
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)1 << 30);
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    check_refused(0xFFFFFFFF, 1, RingBuffer_Mode_FailIfFullOnWrite, STATUS_INSUFFICIENT_RESOURCES);
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
}

TEST(a_ring_at_passive_level_is_refused)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE ring = (DMFMODULE)&config;

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = 1;
    config.ItemSize = 1;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    attributes.PassiveLevel = TRUE;
    CHECK_STATUS(DMF_RingBuffer_Create(NULL, &attributes, NULL, &ring), STATUS_INVALID_DEVICE_REQUEST);
    CHECK(ring == NULL);
    MISUSE_IGNORE();
}

TEST(a_ring_without_config_is_one_of_no_items_and_refused)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE ring = (DMFMODULE)&attributes;

    DMF_RingBuffer_ATTRIBUTES_INIT(&attributes);
    CHECK(attributes.InstanceCreator == DMF_RingBuffer_Create);
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, sizeof(DMF_CONFIG_RingBuffer));
    CHECK_STATUS(DMF_RingBuffer_Create(NULL, &attributes, NULL, &ring), STATUS_INVALID_PARAMETER);
    CHECK(ring == NULL);
    MISUSE_IGNORE();
}

TEST(a_rings_config_starts_as_zeros)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&config, 0xA5, sizeof(config));
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    CHECK_POINTER(attributes.ModuleConfigPointer, &config);
    CHECK_ALL_BYTES(&config, 0, sizeof(config));
}

TEST(a_ring_starts_empty)
{
    DMFMODULE ring = numbers_create(3);
    check_empty(ring);
    WdfObjectDelete(ring);
}

TEST(total_size_is_the_number_of_items_times_their_size)
{
    static const ULONG shapes[][2] = {{1, 1}, {3, 4}, {1000, 17}, {7, 4096}};

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
    {
        DMFMODULE ring = ring_create(shapes[i][0], shapes[i][1], RingBuffer_Mode_FailIfFullOnWrite);
        ULONG total = 0;
        DMF_RingBuffer_TotalSizeGet(ring, &total);
        CHECK_SUCCESS(DMF_LastStatusGet());
        CHECK_EQUAL(total, shapes[i][0] * shapes[i][1]);
        WdfObjectDelete(ring);
    }
}

/* ------------------------------------------------------------------------------------------ write and read */

TEST(items_are_read_in_the_order_in_which_they_were_written)
{
    DMFMODULE ring = numbers_create(5);
    numbers_write(ring, 1, 5);
    check_numbers(ring, 1, 5);
    WdfObjectDelete(ring);
}

TEST(the_order_holds_from_every_position_in_the_ring)
{
    for (ULONG count = 1; count <= 5; count++)
    {
        DMFMODULE ring = numbers_create(count);
        for (ULONG steps = 0; steps <= count; steps++)
        {
            ring_turn(ring, 1);
            numbers_write(ring, 1, count);
            check_numbers(ring, 1, count);
        }
        WdfObjectDelete(ring);
    }
}

TEST(writes_and_reads_alternate_over_many_rounds)
{
    DMFMODULE ring = numbers_create(7);
    ULONG written = 0, read = 0;

    for (ULONG round = 0; round < 200; round++)
    {
        for (ULONG i = 0; i < round % 8 && written - read < 7; i++)
        {
            CHECK_SUCCESS(number_write(ring, written++));
        }
        for (ULONG i = 0; i < round % 5 && read < written; i++)
        {
            check_next(ring, read++);
        }
    }
    while (read < written)
    {
        check_next(ring, read++);
    }
    check_empty(ring);
    WdfObjectDelete(ring);
}

TEST(items_of_any_size_come_back_as_they_were)
{
    static const ULONG sizes[] = {1, 3, 16, 17, 1000, 5000};

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
    {
        static UCHAR item[5000], got[5000];
        DMFMODULE ring = ring_create(3, sizes[s], RingBuffer_Mode_FailIfFullOnWrite);
        for (int round = 0; round < 7; round++)
        {
            for (ULONG i = 0; i < sizes[s]; i++)
            {
                item[i] = (UCHAR)(i * 7 + (ULONG)round);
            }
            CHECK_SUCCESS(DMF_RingBuffer_Write(ring, item, sizes[s]));
            memset(got, 0, sizeof(got));
            CHECK_SUCCESS(DMF_RingBuffer_Read(ring, got, sizes[s]));
            CHECK(memcmp(got, item, sizes[s]) == 0);
        }
        WdfObjectDelete(ring);
    }
}

TEST(write_into_a_full_ring_that_fails_changes_nothing)
{
    DMFMODULE ring = numbers_create(3);
    numbers_write(ring, 1, 3);
    CHECK_STATUS(number_write(ring, 4), STATUS_UNSUCCESSFUL);
    CHECK_STATUS(number_write(ring, 5), STATUS_UNSUCCESSFUL);
    check_numbers(ring, 1, 3);
    WdfObjectDelete(ring);
}

TEST(a_ring_that_failed_takes_items_again_when_there_is_room)
{
    DMFMODULE ring = numbers_create(2);
    numbers_write(ring, 1, 2);
    CHECK_STATUS(number_write(ring, 9), STATUS_UNSUCCESSFUL);
    check_next(ring, 1);
    CHECK_SUCCESS(number_write(ring, 3));
    check_numbers(ring, 2, 3);
    WdfObjectDelete(ring);
}

TEST(write_into_a_full_ring_that_deletes_drops_the_oldest_item)
{
    DMFMODULE ring = ring_create(3, NUMBER_SIZE, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
    numbers_write(ring, 1, 4);
    check_numbers(ring, 2, 4);
    numbers_write(ring, 1, 20);
    check_numbers(ring, 18, 20);
    WdfObjectDelete(ring);
}

TEST(a_ring_of_one_item_keeps_the_newest)
{
    DMFMODULE ring = ring_create(1, NUMBER_SIZE, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
    numbers_write(ring, 1, 5);
    check_numbers(ring, 5, 5);
    WdfObjectDelete(ring);
}

static void check_write_of_the_wrong_size(RingBuffer_ModeType mode, ULONG present)
{
    static const ULONG sizes[] = {0, 1, 3, 5, 8, 0xFFFFFFFF};
    DMFMODULE ring = ring_create(3, NUMBER_SIZE, mode);
    UCHAR bytes[8] = {0};

    numbers_write(ring, 1, present);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
    {
        CHECK_STATUS(DMF_RingBuffer_Write(ring, bytes, sizes[i]), STATUS_INVALID_BUFFER_SIZE);
        MISUSE_IGNORE();
    }
    check_numbers(ring, 1, present);
    WdfObjectDelete(ring);
}

TEST(write_of_the_wrong_size_leaves_a_ring_untouched)
{
    check_write_of_the_wrong_size(RingBuffer_Mode_FailIfFullOnWrite, 2);
    check_write_of_the_wrong_size(RingBuffer_Mode_DeleteOldestIfFullOnWrite, 2);
}

TEST(write_of_the_wrong_size_drops_nothing_from_a_full_ring)
{
    check_write_of_the_wrong_size(RingBuffer_Mode_DeleteOldestIfFullOnWrite, 3);
}

TEST(the_wrong_size_counts_before_a_full_ring)
{
    check_write_of_the_wrong_size(RingBuffer_Mode_FailIfFullOnWrite, 3);
}

TEST(write_from_null_writes_nothing)
{
    DMFMODULE ring = numbers_create(2);
    CHECK_STATUS(DMF_RingBuffer_Write(ring, NULL, NUMBER_SIZE), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    check_empty(ring);
    WdfObjectDelete(ring);
}

TEST(read_from_an_empty_ring_leaves_the_target_untouched)
{
    DMFMODULE ring = numbers_create(2);
    UCHAR target[NUMBER_SIZE];

    memset(target, 0xA5, sizeof(target));
    CHECK_STATUS(DMF_RingBuffer_Read(ring, target, sizeof(target)), STATUS_UNSUCCESSFUL);
    CHECK_ALL_BYTES(target, 0xA5, sizeof(target));
    CHECK_MISUSE(0);
    WdfObjectDelete(ring);
}

TEST(read_into_a_target_that_is_too_small_keeps_the_item)
{
    DMFMODULE ring = numbers_create(2);
    UCHAR target[NUMBER_SIZE];

    numbers_write(ring, 7, 8);
    memset(target, 0xA5, sizeof(target));
    for (ULONG size = 0; size < NUMBER_SIZE; size++)
    {
        CHECK_STATUS(DMF_RingBuffer_Read(ring, target, size), STATUS_BUFFER_TOO_SMALL);
        MISUSE_IGNORE();
    }
    CHECK_ALL_BYTES(target, 0xA5, sizeof(target));
    check_numbers(ring, 7, 8);
    WdfObjectDelete(ring);
}

TEST(read_into_a_larger_target_writes_one_items_bytes)
{
    DMFMODULE ring = numbers_create(2);
    UCHAR target[NUMBER_SIZE + 5];
    ULONG number = 0;

    numbers_write(ring, 7, 7);
    memset(target, 0xA5, sizeof(target));
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, target, sizeof(target)));
    memcpy(&number, target, sizeof(number));
    CHECK_EQUAL(number, 7);
    CHECK_ALL_BYTES(target + NUMBER_SIZE, 0xA5, 5);
    WdfObjectDelete(ring);
}

TEST(read_into_null_keeps_the_item)
{
    DMFMODULE ring = numbers_create(2);
    numbers_write(ring, 7, 7);
    CHECK_STATUS(DMF_RingBuffer_Read(ring, NULL, NUMBER_SIZE), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    check_numbers(ring, 7, 7);
    WdfObjectDelete(ring);
}

/* ------------------------------------------------------------------------------------------------ read all */

TEST(read_all_removes_everything_oldest_first)
{
    for (ULONG steps = 0; steps < 4; steps++)
    {
        DMFMODULE ring = numbers_create(4);
        ULONG numbers[4] = {0};
        ULONG written = 99;

        ring_turn(ring, steps);
        numbers_write(ring, 1, 3);
        CHECK_SUCCESS(DMF_RingBuffer_ReadAll(ring, (UCHAR*)numbers, sizeof(numbers), &written));
        CHECK_EQUAL(written, 3 * NUMBER_SIZE);
        CHECK(numbers[0] == 1 && numbers[1] == 2 && numbers[2] == 3 && numbers[3] == 0);
        check_empty(ring);
        numbers_write(ring, 5, 8);
        check_numbers(ring, 5, 8);
        WdfObjectDelete(ring);
    }
}

TEST(read_all_of_a_full_ring_fills_the_whole_size)
{
    for (ULONG steps = 0; steps < 4; steps++)
    {
        DMFMODULE ring = numbers_create(4);
        ULONG numbers[4] = {0};
        ULONG written = 0, total = 0;

        ring_turn(ring, steps);
        numbers_write(ring, 1, 4);
        DMF_RingBuffer_TotalSizeGet(ring, &total);
        CHECK_SUCCESS(DMF_RingBuffer_ReadAll(ring, (UCHAR*)numbers, total, &written));
        CHECK_EQUAL(written, total);
        CHECK(numbers[0] == 1 && numbers[1] == 2 && numbers[2] == 3 && numbers[3] == 4);
        check_empty(ring);
        WdfObjectDelete(ring);
    }
}

TEST(read_all_of_an_empty_ring_is_a_success_of_no_bytes)
{
    DMFMODULE ring = numbers_create(4);
    UCHAR target[16];
    ULONG written = 99;

    memset(target, 0xA5, sizeof(target));
    CHECK_SUCCESS(DMF_RingBuffer_ReadAll(ring, target, sizeof(target), &written));
    CHECK_EQUAL(written, 0);
    CHECK_ALL_BYTES(target, 0xA5, sizeof(target));
    WdfObjectDelete(ring);
}

TEST(read_all_into_a_target_that_is_too_small_removes_nothing)
{
    DMFMODULE ring = numbers_create(4);
    UCHAR target[16];
    ULONG written = 99;

    ring_turn(ring, 3);
    numbers_write(ring, 1, 3);
    memset(target, 0xA5, sizeof(target));
    CHECK_STATUS(DMF_RingBuffer_ReadAll(ring, target, 3 * NUMBER_SIZE - 1, &written), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(written, 0);
    CHECK_ALL_BYTES(target, 0xA5, sizeof(target));
    MISUSE_IGNORE();
    check_numbers(ring, 1, 3);
    WdfObjectDelete(ring);
}

TEST(read_all_needs_room_for_what_is_present_only)
{
    DMFMODULE ring = numbers_create(4);
    ULONG number = 0, written = 0;

    numbers_write(ring, 9, 9);
    CHECK_SUCCESS(DMF_RingBuffer_ReadAll(ring, (UCHAR*)&number, NUMBER_SIZE, &written));
    CHECK_EQUAL(number, 9);
    CHECK_EQUAL(written, NUMBER_SIZE);
    WdfObjectDelete(ring);
}

TEST(read_all_without_its_pointers_removes_nothing)
{
    DMFMODULE ring = numbers_create(4);
    UCHAR target[16];
    ULONG written = 99;

    numbers_write(ring, 1, 2);
    CHECK_STATUS(DMF_RingBuffer_ReadAll(ring, NULL, 16, &written), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_RingBuffer_ReadAll(ring, target, sizeof(target), NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(2);
    check_numbers(ring, 1, 2);
    WdfObjectDelete(ring);
}

/* ------------------------------------------------------------------------------------------------ segments */

TEST(segments_of_a_write_become_one_item)
{
    DMFMODULE ring = ring_create(2, 8, RingBuffer_Mode_FailIfFullOnWrite);
    UCHAR head[] = {1, 2, 3}, tail[] = {4, 5, 6, 7, 8};
    UCHAR* segments[] = {head, tail};
    ULONG sizes[] = {3, 5};
    ULONG offsets[] = {0, 3};
    UCHAR item[8] = {0};

    CHECK_SUCCESS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 2));
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 8));
    CHECK(memcmp(item, "\1\2\3\4\5\6\7\10", 8) == 0);
    CHECK_STATUS(DMF_RingBuffer_Read(ring, item, 8), STATUS_UNSUCCESSFUL);
    WdfObjectDelete(ring);
}

TEST(segments_of_a_read_take_one_item_apart)
{
    DMFMODULE ring = ring_create(2, 8, RingBuffer_Mode_FailIfFullOnWrite);
    UCHAR item[] = {1, 2, 3, 4, 5, 6, 7, 8};
    UCHAR head[4], tail[4];
    UCHAR* segments[] = {tail, head};
    ULONG sizes[] = {2, 3};
    ULONG offsets[] = {6, 0};

    memset(head, 0xA5, sizeof(head));
    memset(tail, 0xA5, sizeof(tail));
    CHECK_SUCCESS(DMF_RingBuffer_Write(ring, item, 8));
    CHECK_SUCCESS(DMF_RingBuffer_SegmentsRead(ring, segments, sizes, offsets, 2));
    CHECK(memcmp(head, "\1\2\3\xA5", 4) == 0);
    CHECK(memcmp(tail, "\7\10\xA5\xA5", 4) == 0);
    CHECK_STATUS(DMF_RingBuffer_Read(ring, item, 8), STATUS_UNSUCCESSFUL);
    WdfObjectDelete(ring);
}

TEST(of_overlapping_segments_of_a_write_the_later_wins)
{
    DMFMODULE ring = ring_create(1, 4, RingBuffer_Mode_FailIfFullOnWrite);
    UCHAR first[] = {1, 1, 1, 1}, second[] = {2, 2};
    UCHAR* segments[] = {first, second};
    ULONG sizes[] = {4, 2};
    ULONG offsets[] = {0, 1};
    UCHAR item[4] = {0};

    CHECK_SUCCESS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 2));
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 4));
    CHECK(memcmp(item, "\1\2\2\1", 4) == 0);
    WdfObjectDelete(ring);
}

TEST(bytes_that_no_segment_covers_are_zero)
{
    DMFMODULE ring = ring_create(1, 8, RingBuffer_Mode_FailIfFullOnWrite);
    UCHAR old[8], part[] = {7, 7};
    UCHAR* segments[] = {part};
    ULONG sizes[] = {2};
    ULONG offsets[] = {3};
    UCHAR item[8];

    memset(old, 0xEE, sizeof(old));
    CHECK_SUCCESS(DMF_RingBuffer_Write(ring, old, 8));
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 8));
    CHECK_SUCCESS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 1));
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 8));
    CHECK(memcmp(item, "\0\0\0\7\7\0\0\0", 8) == 0);
    WdfObjectDelete(ring);
}

TEST(bytes_that_no_segment_covers_are_zero_in_the_place_of_a_dropped_item_too)
{
    DMFMODULE ring = ring_create(1, 8, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
    UCHAR old[8], part[] = {7, 7};
    UCHAR* segments[] = {part};
    ULONG sizes[] = {2};
    ULONG offsets[] = {6};
    UCHAR item[8];

    memset(old, 0xEE, sizeof(old));
    CHECK_SUCCESS(DMF_RingBuffer_Write(ring, old, 8));
    CHECK_SUCCESS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 1));
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 8));
    CHECK(memcmp(item, "\0\0\0\0\0\0\7\7", 8) == 0);
    WdfObjectDelete(ring);
}

TEST(a_write_of_no_segments_adds_an_item_of_zeros)
{
    DMFMODULE ring = ring_create(2, 8, RingBuffer_Mode_FailIfFullOnWrite);
    UCHAR old[8], item[8];

    memset(old, 0xEE, sizeof(old));
    for (int i = 0; i < 2; i++)
    {
        CHECK_SUCCESS(DMF_RingBuffer_Write(ring, old, 8));
        CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 8));
    }
    CHECK_SUCCESS(DMF_RingBuffer_SegmentsWrite(ring, NULL, NULL, NULL, 0));
    CHECK_MISUSE(0);
    memset(item, 0xA5, sizeof(item));
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 8));
    CHECK_ALL_BYTES(item, 0, 8);
    CHECK_STATUS(DMF_RingBuffer_Read(ring, item, 8), STATUS_UNSUCCESSFUL);
    WdfObjectDelete(ring);
}

TEST(a_read_of_no_segments_removes_one_item)
{
    DMFMODULE ring = numbers_create(2);
    numbers_write(ring, 1, 2);
    CHECK_SUCCESS(DMF_RingBuffer_SegmentsRead(ring, NULL, NULL, NULL, 0));
    CHECK_MISUSE(0);
    check_numbers(ring, 2, 2);
    WdfObjectDelete(ring);
}

TEST(a_segment_of_no_bytes_does_nothing_and_may_be_null)
{
    DMFMODULE ring = ring_create(1, 4, RingBuffer_Mode_FailIfFullOnWrite);
    UCHAR bytes[] = {1, 2, 3, 4};
    UCHAR item[4] = {0};
    UCHAR* in[] = {NULL, bytes, bytes};
    UCHAR* out[] = {item, NULL, NULL};
    ULONG in_sizes[] = {0, 4, 0}, out_sizes[] = {4, 0, 0};
    ULONG offsets[] = {0, 0, 4};

    CHECK_SUCCESS(DMF_RingBuffer_SegmentsWrite(ring, in, in_sizes, offsets, 3));
    CHECK_SUCCESS(DMF_RingBuffer_SegmentsRead(ring, out, out_sizes, offsets, 3));
    CHECK(memcmp(item, bytes, 4) == 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(ring);
}

TEST(a_segment_write_into_a_full_ring_that_fails_changes_nothing)
{
    DMFMODULE ring = numbers_create(2);
    ULONG number = 9;
    UCHAR* segments[] = {(UCHAR*)&number};
    ULONG sizes[] = {NUMBER_SIZE};
    ULONG offsets[] = {0};

    numbers_write(ring, 1, 2);
    CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 1), STATUS_UNSUCCESSFUL);
    CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(ring, NULL, NULL, NULL, 0), STATUS_UNSUCCESSFUL);
    check_numbers(ring, 1, 2);
    WdfObjectDelete(ring);
}

TEST(a_segment_write_into_a_full_ring_that_deletes_drops_the_oldest_item)
{
    DMFMODULE ring = ring_create(2, NUMBER_SIZE, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
    ULONG number = 3;
    UCHAR* segments[] = {(UCHAR*)&number};
    ULONG sizes[] = {NUMBER_SIZE};
    ULONG offsets[] = {0};

    numbers_write(ring, 1, 2);
    CHECK_SUCCESS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 1));
    check_numbers(ring, 2, 3);
    WdfObjectDelete(ring);
}

TEST(a_segment_read_from_an_empty_ring_leaves_the_targets_untouched)
{
    DMFMODULE ring = numbers_create(2);
    UCHAR target[NUMBER_SIZE];
    UCHAR* segments[] = {target};
    ULONG sizes[] = {NUMBER_SIZE};
    ULONG offsets[] = {0};

    memset(target, 0xA5, sizeof(target));
    CHECK_STATUS(DMF_RingBuffer_SegmentsRead(ring, segments, sizes, offsets, 1), STATUS_UNSUCCESSFUL);
    CHECK_STATUS(DMF_RingBuffer_SegmentsRead(ring, NULL, NULL, NULL, 0), STATUS_UNSUCCESSFUL);
    CHECK_ALL_BYTES(target, 0xA5, sizeof(target));
    WdfObjectDelete(ring);
}

/* Segments that leave the item, of a ring of items of 8 bytes; the last two wrap around a ULONG. */
static const ULONG beyond[][2] = {{9, 0}, {8, 1}, {1, 8}, {4, 5}, {1, 0xFFFFFFFF}, {0xFFFFFFFF, 1}, {0xFFFFFFFC, 8}};

TEST(a_segment_write_beyond_the_item_changes_nothing)
{
    for (int mode = RingBuffer_Mode_FailIfFullOnWrite; mode < RingBuffer_Mode_Maximum; mode++)
    {
        /* Full where a write would drop an item, and with room where it would be added. */
        ULONG present = mode == RingBuffer_Mode_DeleteOldestIfFullOnWrite ? 2 : 1;
        DMFMODULE ring = ring_create(2, 8, (RingBuffer_ModeType)mode);
        UCHAR good[8] = {0}, bytes[16] = {0};
        UCHAR* segments[] = {good, bytes};
        UCHAR item[8];

        for (ULONG i = 0; i < present; i++)
        {
            memset(item, (int)i + 1, sizeof(item));
            CHECK_SUCCESS(DMF_RingBuffer_Write(ring, item, 8));
        }
        for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
        {
            ULONG sizes[] = {8, beyond[i][0]};
            ULONG offsets[] = {0, beyond[i][1]};
            CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 2), STATUS_INVALID_PARAMETER);
            MISUSE_IGNORE();
        }
        for (ULONG i = 0; i < present; i++)
        {
            CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 8));
            CHECK_ALL_BYTES(item, (int)i + 1, 8);
        }
        CHECK_STATUS(DMF_RingBuffer_Read(ring, item, 8), STATUS_UNSUCCESSFUL);
        WdfObjectDelete(ring);
    }
}

TEST(a_segment_read_beyond_the_item_changes_nothing)
{
    DMFMODULE ring = ring_create(2, 8, RingBuffer_Mode_FailIfFullOnWrite);
    UCHAR good[8], bytes[16], item[8];
    UCHAR* segments[] = {good, bytes};

    memset(item, 5, sizeof(item));
    memset(good, 0xA5, sizeof(good));
    memset(bytes, 0xA5, sizeof(bytes));
    CHECK_SUCCESS(DMF_RingBuffer_Write(ring, item, 8));
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
    {
        ULONG sizes[] = {8, beyond[i][0]};
        ULONG offsets[] = {0, beyond[i][1]};
        CHECK_STATUS(DMF_RingBuffer_SegmentsRead(ring, segments, sizes, offsets, 2), STATUS_INVALID_PARAMETER);
        MISUSE_IGNORE();
    }
    CHECK_ALL_BYTES(good, 0xA5, sizeof(good));
    CHECK_ALL_BYTES(bytes, 0xA5, sizeof(bytes));
    CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, 8));
    CHECK_ALL_BYTES(item, 5, 8);
    WdfObjectDelete(ring);
}

TEST(a_segment_with_bytes_and_without_address_changes_nothing)
{
    DMFMODULE ring = numbers_create(2);
    UCHAR good[NUMBER_SIZE];
    UCHAR* segments[] = {good, NULL};
    ULONG sizes[] = {NUMBER_SIZE, 1};
    ULONG offsets[] = {0, 0};

    memset(good, 0xA5, sizeof(good));
    numbers_write(ring, 1, 1);
    CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 2), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_RingBuffer_SegmentsRead(ring, segments, sizes, offsets, 2), STATUS_INVALID_PARAMETER);
    MISUSE_IGNORE();
    CHECK_ALL_BYTES(good, 0xA5, sizeof(good));
    check_numbers(ring, 1, 1);
    WdfObjectDelete(ring);
}

TEST(segments_without_their_arrays_change_nothing)
{
    DMFMODULE ring = numbers_create(2);
    UCHAR bytes[NUMBER_SIZE] = {0};
    UCHAR* segments[] = {bytes};
    ULONG sizes[] = {NUMBER_SIZE};
    ULONG offsets[] = {0};

    numbers_write(ring, 1, 1);
    CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(ring, NULL, sizes, offsets, 1), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(ring, segments, NULL, offsets, 1), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, NULL, 1), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_RingBuffer_SegmentsRead(ring, NULL, sizes, offsets, 1), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_RingBuffer_SegmentsRead(ring, segments, NULL, offsets, 1), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_RingBuffer_SegmentsRead(ring, segments, sizes, NULL, 1), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(6);
    check_numbers(ring, 1, 1);
    WdfObjectDelete(ring);
}

/* ----------------------------------------------------------------------------------------------- enumerate */

TEST(enumerate_shows_every_item_from_oldest_to_newest)
{
    for (ULONG steps = 0; steps < 4; steps++)
    {
        DMFMODULE ring = numbers_create(4);
        SEEN seen = {0};

        ring_turn(ring, steps);
        numbers_write(ring, 1, 3);
        DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &seen);
        CHECK_SUCCESS(DMF_LastStatusGet());
        CHECK_EQUAL(seen.Calls, 3);
        CHECK(seen.Numbers[0] == 1 && seen.Numbers[1] == 2 && seen.Numbers[2] == 3);
        CHECK_POINTER(seen.Module, ring);
        CHECK_EQUAL(seen.Size, NUMBER_SIZE);
        WdfObjectDelete(ring);
    }
}

TEST(enumerate_removes_nothing)
{
    DMFMODULE ring = numbers_create(3);
    SEEN seen = {0};

    numbers_write(ring, 1, 3);
    DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &seen);
    DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &seen);
    CHECK_EQUAL(seen.Calls, 6);
    check_numbers(ring, 1, 3);
    WdfObjectDelete(ring);
}

TEST(enumerate_of_an_empty_ring_calls_nobody)
{
    DMFMODULE ring = numbers_create(3);
    SEEN seen = {0};

    DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &seen);
    DMF_RingBuffer_Enumerate(ring, FALSE, Collect, &seen);
    CHECK_EQUAL(seen.Calls, 0);
    WdfObjectDelete(ring);
}

TEST(false_stops_an_enumeration_after_that_call)
{
    DMFMODULE ring = numbers_create(5);
    SEEN seen = {.StopAfter = 2};

    numbers_write(ring, 1, 5);
    DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &seen);
    CHECK_EQUAL(seen.Calls, 2);
    check_numbers(ring, 1, 5);
    WdfObjectDelete(ring);
}

static EVT_DMF_RingBuffer_Enumeration AddHundred;

static BOOLEAN AddHundred(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    ULONG number;
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(CallbackContext);
    memcpy(&number, Buffer, BufferSize);
    number += 100;
    memcpy(Buffer, &number, BufferSize);
    return TRUE;
}

TEST(an_enumeration_may_change_the_items)
{
    DMFMODULE ring = numbers_create(3);
    numbers_write(ring, 1, 3);
    DMF_RingBuffer_Enumerate(ring, TRUE, AddHundred, NULL);
    check_numbers(ring, 101, 103);
    WdfObjectDelete(ring);
}

TEST(without_lock_an_enumeration_shows_the_same)
{
    DMFMODULE ring = numbers_create(3);
    SEEN seen = {0};

    ring_turn(ring, 2);
    numbers_write(ring, 1, 3);
    DMF_RingBuffer_Enumerate(ring, FALSE, Collect, &seen);
    CHECK_EQUAL(seen.Calls, 3);
    CHECK(seen.Numbers[0] == 1 && seen.Numbers[1] == 2 && seen.Numbers[2] == 3);
    CHECK_MISUSE(0);
    WdfObjectDelete(ring);
}

TEST(enumerate_without_callback_is_reported)
{
    DMFMODULE ring = numbers_create(1);
    numbers_write(ring, 1, 1);
    DMF_RingBuffer_Enumerate(ring, TRUE, NULL, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    DMF_RingBuffer_Enumerate(ring, FALSE, NULL, NULL);
    CHECK_MISUSE(1);
    WdfObjectDelete(ring);
}

/* ------------------------------------------------------------------------------------------------ find item */

/* Writes pairs: a key of four bytes and a value of four bytes. */
static DMFMODULE pairs_create(const ULONG (*pairs)[2], ULONG count)
{
    DMFMODULE ring = ring_create(count, 2 * NUMBER_SIZE, RingBuffer_Mode_FailIfFullOnWrite);
    for (ULONG i = 0; i < count; i++)
    {
        ULONG pair[2] = {pairs[i][0], pairs[i][1]};
        CHECK_SUCCESS(DMF_RingBuffer_Write(ring, (UCHAR*)pair, sizeof(pair)));
    }
    return ring;
}

static const ULONG some_pairs[][2] = {{7, 1}, {8, 2}, {7, 3}, {9, 4}, {7, 1}};

TEST(find_calls_for_every_item_that_begins_like_the_given_one)
{
    DMFMODULE ring = pairs_create(some_pairs, 5);
    ULONG key = 7;
    SEEN seen = {0};

    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, (UCHAR*)&key, NUMBER_SIZE);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_EQUAL(seen.Calls, 3);
    CHECK(seen.Addresses[0] < seen.Addresses[1] && seen.Addresses[1] < seen.Addresses[2]);
    CHECK_POINTER(seen.Module, ring);
    CHECK_EQUAL(seen.Size, 2 * NUMBER_SIZE);
    WdfObjectDelete(ring);
}

TEST(find_compares_whole_items_too)
{
    DMFMODULE ring = pairs_create(some_pairs, 5);
    ULONG pair[2] = {7, 1};
    SEEN seen = {0};

    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, (UCHAR*)pair, sizeof(pair));
    CHECK_EQUAL(seen.Calls, 2);
    WdfObjectDelete(ring);
}

TEST(find_ignores_what_its_callback_returns)
{
    DMFMODULE ring = pairs_create(some_pairs, 5);
    ULONG key = 7;
    SEEN seen = {.StopAfter = 1};

    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, (UCHAR*)&key, NUMBER_SIZE);
    CHECK_EQUAL(seen.Calls, 3);
    WdfObjectDelete(ring);
}

TEST(find_of_nothing_calls_nobody)
{
    DMFMODULE ring = pairs_create(some_pairs, 5);
    ULONG key = 77;
    SEEN seen = {0};

    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, (UCHAR*)&key, NUMBER_SIZE);
    CHECK_EQUAL(seen.Calls, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(ring);
}

TEST(find_of_no_bytes_matches_every_item)
{
    DMFMODULE ring = pairs_create(some_pairs, 5);
    ULONG key = 77;
    SEEN seen = {0};

    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, (UCHAR*)&key, 0);
    CHECK_EQUAL(seen.Calls, 5);
    CHECK_MISUSE(0);
    WdfObjectDelete(ring);
}

TEST(find_of_more_bytes_than_an_item_has_calls_nobody_and_is_reported)
{
    DMFMODULE ring = pairs_create(some_pairs, 5);
    ULONG key[3] = {7, 1, 0};
    SEEN seen = {0};

    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, (UCHAR*)key, 2 * NUMBER_SIZE + 1);
    CHECK_MISUSE(1);
    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, (UCHAR*)key, 0xFFFFFFFF);
    CHECK_MISUSE(1);
    CHECK_EQUAL(seen.Calls, 0);
    WdfObjectDelete(ring);
}

TEST(find_looks_at_items_that_are_present_only)
{
    DMFMODULE ring = numbers_create(3);
    ULONG key = 1;
    SEEN seen = {0};

    numbers_write(ring, 1, 3);
    check_next(ring, 1);
    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, (UCHAR*)&key, NUMBER_SIZE);
    CHECK_EQUAL(seen.Calls, 0);
    WdfObjectDelete(ring);
}

TEST(find_without_its_pointers_is_reported)
{
    DMFMODULE ring = numbers_create(1);
    ULONG key = 1;
    SEEN seen = {0};

    numbers_write(ring, 1, 1);
    DMF_RingBuffer_EnumerateToFindItem(ring, NULL, &seen, (UCHAR*)&key, NUMBER_SIZE);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    DMF_RingBuffer_EnumerateToFindItem(ring, Collect, &seen, NULL, NUMBER_SIZE);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    CHECK_EQUAL(seen.Calls, 0);
    WdfObjectDelete(ring);
}

/* ------------------------------------------------------------------------------------------------- reorder */

/* Every number of items, from every position. */
static void check_reorder(BOOLEAN lock)
{
    enum { COUNT = 6 };

    for (ULONG present = 0; present <= COUNT; present++)
    {
        for (ULONG steps = 0; steps < COUNT; steps++)
        {
            DMFMODULE ring = numbers_create(COUNT);
            UCHAR* memory = ring_memory(ring, COUNT);
            SEEN seen = {0};

            ring_turn(ring, steps);
            numbers_write(ring, 1, present);
            DMF_RingBuffer_Reorder(ring, lock);
            CHECK_SUCCESS(DMF_LastStatusGet());
            DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &seen);
            CHECK_EQUAL(seen.Calls, present);
            for (ULONG i = 0; i < present; i++)
            {
                CHECK_EQUAL(seen.Numbers[i], i + 1);
                CHECK_POINTER(seen.Addresses[i], memory + i * NUMBER_SIZE);
            }
            CHECK_ALL_BYTES(memory + present * NUMBER_SIZE, 0, (COUNT - present) * NUMBER_SIZE);
            numbers_write(ring, present + 1, COUNT);
            CHECK_STATUS(number_write(ring, 99), STATUS_UNSUCCESSFUL);
            check_numbers(ring, 1, COUNT);
            WdfObjectDelete(ring);
        }
    }
}

TEST(reorder_puts_the_oldest_item_at_the_start_and_zeros_behind_the_newest)
{
    check_reorder(TRUE);
}

TEST(reorder_without_lock_does_the_same)
{
    check_reorder(FALSE);
}

TEST(reorder_moves_items_of_odd_sizes_whole)
{
    enum { COUNT = 5, SIZE = 13 };
    DMFMODULE ring = ring_create(COUNT, SIZE, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
    UCHAR item[SIZE];

    for (int i = 1; i <= COUNT + 3; i++)
    {
        memset(item, i, SIZE);
        CHECK_SUCCESS(DMF_RingBuffer_Write(ring, item, SIZE));
    }
    DMF_RingBuffer_Reorder(ring, TRUE);
    for (int i = 4; i <= COUNT + 3; i++)
    {
        CHECK_SUCCESS(DMF_RingBuffer_Read(ring, item, SIZE));
        CHECK_ALL_BYTES(item, i, SIZE);
    }
    CHECK_STATUS(DMF_RingBuffer_Read(ring, item, SIZE), STATUS_UNSUCCESSFUL);
    WdfObjectDelete(ring);
}

TEST(reorder_takes_no_longer_than_the_ring_is_long)
{
    /* A large ring, as far from its order as it can be: an algorithm that moves items one step at a time takes hours. */
    ULONG count = harness_rounds(1000000) + 3;
    DMFMODULE ring = ring_create(count, NUMBER_SIZE, RingBuffer_Mode_DeleteOldestIfFullOnWrite);

    numbers_write(ring, 1, count + count / 2);
    DMF_RingBuffer_Reorder(ring, TRUE);
    check_numbers(ring, count / 2 + 1, count + count / 2);
    WdfObjectDelete(ring);
}

/* ----------------------------------------------------------------------------------- inside an enumeration */

static BOOLEAN CallEveryLockingMethod(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    unsigned* calls = (unsigned*)CallbackContext;
    UCHAR bytes[4 * NUMBER_SIZE] = {0};
    UCHAR* segments[] = {bytes};
    ULONG sizes[] = {NUMBER_SIZE};
    ULONG offsets[] = {0};
    ULONG written = 0;
    SEEN seen = {0};

    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    (*calls)++;
    CHECK_STATUS(DMF_RingBuffer_Write(DmfModule, bytes, NUMBER_SIZE), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_RingBuffer_Read(DmfModule, bytes, NUMBER_SIZE), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_RingBuffer_ReadAll(DmfModule, bytes, sizeof(bytes), &written), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(DmfModule, segments, sizes, offsets, 1), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_RingBuffer_SegmentsRead(DmfModule, segments, sizes, offsets, 1), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_RingBuffer_Reorder(DmfModule, TRUE);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_RingBuffer_Enumerate(DmfModule, TRUE, Collect, &seen);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    DMF_RingBuffer_EnumerateToFindItem(DmfModule, Collect, &seen, bytes, 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(seen.Calls, 0);
    return TRUE;
}

TEST(locking_methods_are_refused_inside_an_enumeration)
{
    DMFMODULE ring = numbers_create(3);
    unsigned calls = 0;

    numbers_write(ring, 1, 2);
    DMF_RingBuffer_Enumerate(ring, TRUE, CallEveryLockingMethod, &calls);
    CHECK_EQUAL(calls, 2);
    check_numbers(ring, 1, 2);
    WdfObjectDelete(ring);
}

TEST(locking_methods_are_refused_inside_a_find)
{
    DMFMODULE ring = numbers_create(3);
    unsigned calls = 0;
    ULONG key = 2;

    numbers_write(ring, 1, 2);
    DMF_RingBuffer_EnumerateToFindItem(ring, CallEveryLockingMethod, &calls, (UCHAR*)&key, NUMBER_SIZE);
    CHECK_EQUAL(calls, 1);
    check_numbers(ring, 1, 2);
    WdfObjectDelete(ring);
}

TEST(an_enumeration_that_found_the_lock_free_takes_it_whatever_it_was_told)
{
    DMFMODULE ring = numbers_create(3);
    unsigned calls = 0;

    numbers_write(ring, 1, 2);
    DMF_RingBuffer_Enumerate(ring, FALSE, CallEveryLockingMethod, &calls);
    CHECK_EQUAL(calls, 2);
    check_numbers(ring, 1, 2);
    WdfObjectDelete(ring);
}

static BOOLEAN AskForTheSize(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    ULONG* total = (ULONG*)CallbackContext;

    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    DMF_RingBuffer_TotalSizeGet(DmfModule, total);
    CHECK_SUCCESS(DMF_LastStatusGet());
    return TRUE;
}

TEST(the_size_of_a_ring_is_known_inside_its_enumeration)
{
    const RingBuffer_ModeType modes[] = {RingBuffer_Mode_FailIfFullOnWrite, RingBuffer_Mode_DeleteOldestIfFullOnWrite};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
    {
        DMFMODULE ring = ring_create(3, NUMBER_SIZE, modes[i]);
        ULONG total = 0, key = 2;

        numbers_write(ring, 1, 2);
        DMF_RingBuffer_Enumerate(ring, TRUE, AskForTheSize, &total);
        CHECK_EQUAL(total, 3 * NUMBER_SIZE);
        total = 0;
        DMF_RingBuffer_EnumerateToFindItem(ring, AskForTheSize, &total, (UCHAR*)&key, NUMBER_SIZE);
        CHECK_EQUAL(total, 3 * NUMBER_SIZE);
        check_numbers(ring, 1, 2);
        WdfObjectDelete(ring);
    }
    CHECK_MISUSE(0);
}

static BOOLEAN EnumerateAgainWithoutLock(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    DMF_RingBuffer_Enumerate(DmfModule, FALSE, Collect, CallbackContext);
    CHECK_SUCCESS(DMF_LastStatusGet());
    return TRUE;
}

TEST(an_enumeration_without_lock_works_inside_one_with_lock)
{
    DMFMODULE ring = numbers_create(3);
    ULONG key = 3;
    SEEN seen = {0};

    numbers_write(ring, 1, 3);
    DMF_RingBuffer_Enumerate(ring, TRUE, EnumerateAgainWithoutLock, &seen);
    CHECK_EQUAL(seen.Calls, 9);
    DMF_RingBuffer_EnumerateToFindItem(ring, EnumerateAgainWithoutLock, &seen, (UCHAR*)&key, NUMBER_SIZE);
    CHECK_EQUAL(seen.Calls, 12);
    CHECK_MISUSE(0);
    check_numbers(ring, 1, 3);
    WdfObjectDelete(ring);
}

TEST(after_an_inner_enumeration_the_outer_one_still_has_the_lock)
{
    DMFMODULE ring = numbers_create(3);
    unsigned calls = 0;
    SEEN seen = {0};

    numbers_write(ring, 1, 1);
    DMF_RingBuffer_Enumerate(ring, TRUE, EnumerateAgainWithoutLock, &seen);
    DMF_RingBuffer_Enumerate(ring, TRUE, CallEveryLockingMethod, &calls);
    CHECK_EQUAL(calls, 1);
    numbers_write(ring, 2, 3);
    check_numbers(ring, 1, 3);
    WdfObjectDelete(ring);
}

static BOOLEAN ReorderWithoutLock(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    (*(unsigned*)CallbackContext)++;
    DMF_RingBuffer_Reorder(DmfModule, FALSE);
    CHECK_SUCCESS(DMF_LastStatusGet());
    return TRUE;
}

TEST(reorder_without_lock_works_inside_an_enumeration)
{
    for (ULONG steps = 0; steps < 4; steps++)
    {
        DMFMODULE ring = numbers_create(4);
        UCHAR* memory = ring_memory(ring, 4);
        unsigned calls = 0;
        SEEN seen = {0};

        ring_turn(ring, steps);
        numbers_write(ring, 1, 3);
        DMF_RingBuffer_Enumerate(ring, TRUE, ReorderWithoutLock, &calls);
        CHECK_EQUAL(calls, 3);
        CHECK_MISUSE(0);
        DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &seen);
        CHECK_POINTER(seen.Addresses[0], memory);
        check_numbers(ring, 1, 3);
        WdfObjectDelete(ring);
    }
}

static BOOLEAN WriteIntoAnother(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    CHECK_SUCCESS(DMF_RingBuffer_Write(*(DMFMODULE*)CallbackContext, Buffer, BufferSize));
    return TRUE;
}

TEST(another_ring_can_be_used_inside_an_enumeration)
{
    DMFMODULE ring = numbers_create(3), other = numbers_create(3);

    numbers_write(ring, 1, 3);
    DMF_RingBuffer_Enumerate(ring, TRUE, WriteIntoAnother, &other);
    check_numbers(ring, 1, 3);
    check_numbers(other, 1, 3);
    WdfObjectDelete(ring);
    WdfObjectDelete(other);
}

static BOOLEAN DeleteInside(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    (*(unsigned*)CallbackContext)++;
    WdfObjectDelete(DmfModule);
    CHECK_MISUSE(1);
    return TRUE;
}

TEST(a_ring_cannot_be_deleted_inside_its_enumeration)
{
    DMFMODULE ring = numbers_create(3);
    ULONG key = 1;
    unsigned calls = 0;

    numbers_write(ring, 1, 2);
    DMF_RingBuffer_Enumerate(ring, TRUE, DeleteInside, &calls);
    CHECK_EQUAL(calls, 2);
    DMF_RingBuffer_Enumerate(ring, FALSE, DeleteInside, &calls);
    CHECK_EQUAL(calls, 4);
    DMF_RingBuffer_EnumerateToFindItem(ring, DeleteInside, &calls, (UCHAR*)&key, NUMBER_SIZE);
    CHECK_EQUAL(calls, 5);
    check_numbers(ring, 1, 2);
    WdfObjectDelete(ring);
    CHECK_MISUSE(0);
}

/* A second thread that writes while an enumeration runs. */
static struct
{
    DMFMODULE Ring;
    atomic_int Writing;
    atomic_int Written;
} other_thread;

static void* writes_one_number(void* argument)
{
    UNREFERENCED_PARAMETER(argument);
    atomic_store(&other_thread.Writing, 1);
    CHECK_SUCCESS(number_write(other_thread.Ring, 9));
    atomic_store(&other_thread.Written, 1);
    return NULL;
}

static BOOLEAN KeepOtherThreadWaiting(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    pthread_create((pthread_t*)CallbackContext, NULL, writes_one_number, NULL);
    EVENTUALLY(atomic_load(&other_thread.Writing));
    harness_sleep_milliseconds(50);
    CHECK_EQUAL(atomic_load(&other_thread.Written), 0);
    return TRUE;
}

static void check_other_thread_waits(BOOLEAN lock, RingBuffer_ModeType mode)
{
    DMFMODULE ring = ring_create(3, NUMBER_SIZE, mode);
    pthread_t thread;

    memset(&other_thread, 0, sizeof(other_thread));
    other_thread.Ring = ring;
    numbers_write(ring, 8, 8);
    DMF_RingBuffer_Enumerate(ring, lock, KeepOtherThreadWaiting, &thread);
    pthread_join(thread, NULL);
    CHECK_EQUAL(atomic_load(&other_thread.Written), 1);
    check_numbers(ring, 8, 9);
    CHECK_MISUSE(0);
    WdfObjectDelete(ring);
}

TEST(another_thread_waits_for_the_end_of_an_enumeration)
{
    check_other_thread_waits(TRUE, RingBuffer_Mode_FailIfFullOnWrite);
    check_other_thread_waits(TRUE, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
}

TEST(another_thread_waits_for_an_enumeration_without_lock_too)
{
    check_other_thread_waits(FALSE, RingBuffer_Mode_FailIfFullOnWrite);
    check_other_thread_waits(FALSE, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
}

static void* reads_one_number(void* argument)
{
    ULONG number = 0;

    UNREFERENCED_PARAMETER(argument);
    atomic_store(&other_thread.Writing, 1);
    CHECK_SUCCESS(DMF_RingBuffer_Read(other_thread.Ring, (UCHAR*)&number, NUMBER_SIZE));
    CHECK_EQUAL(number, 1);
    atomic_store(&other_thread.Written, 1);
    return NULL;
}

static BOOLEAN KeepReaderWaiting(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    pthread_create((pthread_t*)CallbackContext, NULL, reads_one_number, NULL);
    EVENTUALLY(atomic_load(&other_thread.Writing));
    harness_sleep_milliseconds(50);
    CHECK_EQUAL(atomic_load(&other_thread.Written), 0);
    return FALSE;
}

TEST(a_thread_that_reads_waits_for_the_end_of_an_enumeration)
{
    static const RingBuffer_ModeType modes[] = {RingBuffer_Mode_FailIfFullOnWrite,
                                                RingBuffer_Mode_DeleteOldestIfFullOnWrite};

    for (int i = 0; i < 2; i++)
    {
        DMFMODULE ring = ring_create(3, NUMBER_SIZE, modes[i]);
        pthread_t thread;

        memset(&other_thread, 0, sizeof(other_thread));
        other_thread.Ring = ring;
        numbers_write(ring, 1, 2);
        DMF_RingBuffer_Enumerate(ring, TRUE, KeepReaderWaiting, &thread);
        pthread_join(thread, NULL);
        check_numbers(ring, 2, 2);
        WdfObjectDelete(ring);
    }
}

/* -------------------------------------------------------------------------------------------- bad handles */

static void check_bad_handle(DMFMODULE bad)
{
    UCHAR bytes[16], untouched[16];
    UCHAR* segments[] = {bytes};
    ULONG sizes[] = {4};
    ULONG offsets[] = {0};
    ULONG written = 5, total = 5;
    SEEN seen = {0};

    memset(bytes, 0xA5, sizeof(bytes));
    memset(untouched, 0xA5, sizeof(untouched));
    CHECK_STATUS(DMF_RingBuffer_Write(bad, bytes, 4), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_RingBuffer_Read(bad, bytes, 4), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_RingBuffer_ReadAll(bad, bytes, 16, &written), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_RingBuffer_SegmentsWrite(bad, segments, sizes, offsets, 1), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_RingBuffer_SegmentsRead(bad, segments, sizes, offsets, 1), STATUS_INVALID_HANDLE);
    DMF_RingBuffer_Reorder(bad, TRUE);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_RingBuffer_Reorder(bad, FALSE);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_RingBuffer_Enumerate(bad, TRUE, Collect, &seen);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_RingBuffer_Enumerate(bad, FALSE, Collect, &seen);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_RingBuffer_EnumerateToFindItem(bad, Collect, &seen, bytes, 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    DMF_RingBuffer_TotalSizeGet(bad, &total);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(11);
    CHECK(memcmp(bytes, untouched, sizeof(bytes)) == 0);
    CHECK_EQUAL(seen.Calls, 0);
    CHECK_EQUAL(written, 5);
    CHECK_EQUAL(total, 5);
}

TEST(every_method_refuses_a_handle_that_is_no_ring)
{
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);
    DMFMODULE stale = numbers_create(1), pool = NULL;
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

TEST(total_size_get_without_a_place_for_it_is_reported)
{
    DMFMODULE ring = numbers_create(1);
    DMF_RingBuffer_TotalSizeGet(ring, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    WdfObjectDelete(ring);
}

/* ------------------------------------------------------------------------------------------------- delete */

TEST(deleting_the_device_deletes_its_rings)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE ring = NULL;
    WDFDEVICE device = NULL;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = 2;
    config.ItemSize = NUMBER_SIZE;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    REQUIRE_SUCCESS(DMF_RingBuffer_Create(device, &attributes, NULL, &ring));
    CHECK_POINTER(DMF_ParentDeviceGet(ring), device);
    CHECK_SUCCESS(number_write(ring, 1));
    WdfObjectDelete(device);
    CHECK_STATUS(number_write(ring, 2), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

static NTSTATUS write_in_cleanup;

static EVT_WDF_OBJECT_CONTEXT_CLEANUP WriteInCleanup;

static VOID WriteInCleanup(WDFOBJECT Object)
{
    write_in_cleanup = number_write((DMFMODULE)Object, 1);
    MISUSE_IGNORE();
}

TEST(while_a_ring_closes_its_methods_fail)
{
    WDF_OBJECT_ATTRIBUTES object_attributes;
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE ring = NULL;

    WDF_OBJECT_ATTRIBUTES_INIT(&object_attributes);
    object_attributes.EvtCleanupCallback = WriteInCleanup;
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = 2;
    config.ItemSize = NUMBER_SIZE;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    REQUIRE_SUCCESS(DMF_RingBuffer_Create(NULL, &attributes, &object_attributes, &ring));
    write_in_cleanup = STATUS_PENDING;
    WdfObjectDelete(ring);
    CHECK_STATUS(write_in_cleanup, STATUS_INVALID_DEVICE_STATE);
}

static void* writes_until_deleted(void* argument)
{
    DMFMODULE ring = (DMFMODULE)argument;
    for (;;)
    {
        NTSTATUS status = number_write(ring, 1);
        if (status == STATUS_INVALID_HANDLE || status == STATUS_INVALID_DEVICE_STATE)
        {
            return NULL;
        }
        CHECK(NT_SUCCESS(status) || status == STATUS_UNSUCCESSFUL);
        atomic_store(&other_thread.Written, 1);
    }
}

static void* reads_until_deleted(void* argument)
{
    DMFMODULE ring = (DMFMODULE)argument;
    for (;;)
    {
        ULONG number = 1;
        NTSTATUS status = DMF_RingBuffer_Read(ring, (UCHAR*)&number, NUMBER_SIZE);
        if (status == STATUS_INVALID_HANDLE || status == STATUS_INVALID_DEVICE_STATE)
        {
            return NULL;
        }
        CHECK(NT_SUCCESS(status) || status == STATUS_UNSUCCESSFUL);
        CHECK_EQUAL(number, 1);
    }
}

TEST(a_ring_is_deleted_while_threads_use_it)
{
    enum { THREADS = 4 };
    unsigned rounds = harness_rounds(100);

    for (unsigned round = 0; round < rounds; round++)
    {
        DMFMODULE ring = ring_create(3, NUMBER_SIZE,
                                     round % 2 == 0 ? RingBuffer_Mode_DeleteOldestIfFullOnWrite
                                                    : RingBuffer_Mode_FailIfFullOnWrite);
        pthread_t threads[THREADS];

        memset(&other_thread, 0, sizeof(other_thread));
        for (int i = 0; i < THREADS; i++)
        {
            pthread_create(&threads[i], NULL, i < 2 ? writes_until_deleted : reads_until_deleted, ring);
        }
        EVENTUALLY(atomic_load(&other_thread.Written));
        WdfObjectDelete(ring);
        for (int i = 0; i < THREADS; i++)
        {
            pthread_join(threads[i], NULL);
        }
        MISUSE_IGNORE();
    }
}

int main(void)
{
    RUN(a_ring_without_items_is_refused);
    RUN(a_ring_of_items_without_size_is_refused);
    RUN(a_ring_of_no_known_mode_is_refused);
    RUN(a_ring_whose_size_does_not_fit_is_refused);
    RUN(a_ring_for_which_there_is_no_memory_is_refused);
    RUN(a_ring_at_passive_level_is_refused);
    RUN(a_ring_without_config_is_one_of_no_items_and_refused);
    RUN(a_rings_config_starts_as_zeros);
    RUN(a_ring_starts_empty);
    RUN(total_size_is_the_number_of_items_times_their_size);
    RUN(items_are_read_in_the_order_in_which_they_were_written);
    RUN(the_order_holds_from_every_position_in_the_ring);
    RUN(writes_and_reads_alternate_over_many_rounds);
    RUN(items_of_any_size_come_back_as_they_were);
    RUN(write_into_a_full_ring_that_fails_changes_nothing);
    RUN(a_ring_that_failed_takes_items_again_when_there_is_room);
    RUN(write_into_a_full_ring_that_deletes_drops_the_oldest_item);
    RUN(a_ring_of_one_item_keeps_the_newest);
    RUN(write_of_the_wrong_size_leaves_a_ring_untouched);
    RUN(write_of_the_wrong_size_drops_nothing_from_a_full_ring);
    RUN(the_wrong_size_counts_before_a_full_ring);
    RUN(write_from_null_writes_nothing);
    RUN(read_from_an_empty_ring_leaves_the_target_untouched);
    RUN(read_into_a_target_that_is_too_small_keeps_the_item);
    RUN(read_into_a_larger_target_writes_one_items_bytes);
    RUN(read_into_null_keeps_the_item);
    RUN(read_all_removes_everything_oldest_first);
    RUN(read_all_of_a_full_ring_fills_the_whole_size);
    RUN(read_all_of_an_empty_ring_is_a_success_of_no_bytes);
    RUN(read_all_into_a_target_that_is_too_small_removes_nothing);
    RUN(read_all_needs_room_for_what_is_present_only);
    RUN(read_all_without_its_pointers_removes_nothing);
    RUN(segments_of_a_write_become_one_item);
    RUN(segments_of_a_read_take_one_item_apart);
    RUN(of_overlapping_segments_of_a_write_the_later_wins);
    RUN(bytes_that_no_segment_covers_are_zero);
    RUN(bytes_that_no_segment_covers_are_zero_in_the_place_of_a_dropped_item_too);
    RUN(a_write_of_no_segments_adds_an_item_of_zeros);
    RUN(a_read_of_no_segments_removes_one_item);
    RUN(a_segment_of_no_bytes_does_nothing_and_may_be_null);
    RUN(a_segment_write_into_a_full_ring_that_fails_changes_nothing);
    RUN(a_segment_write_into_a_full_ring_that_deletes_drops_the_oldest_item);
    RUN(a_segment_read_from_an_empty_ring_leaves_the_targets_untouched);
    RUN(a_segment_write_beyond_the_item_changes_nothing);
    RUN(a_segment_read_beyond_the_item_changes_nothing);
    RUN(a_segment_with_bytes_and_without_address_changes_nothing);
    RUN(segments_without_their_arrays_change_nothing);
    RUN(enumerate_shows_every_item_from_oldest_to_newest);
    RUN(enumerate_removes_nothing);
    RUN(enumerate_of_an_empty_ring_calls_nobody);
    RUN(false_stops_an_enumeration_after_that_call);
    RUN(an_enumeration_may_change_the_items);
    RUN(without_lock_an_enumeration_shows_the_same);
    RUN(enumerate_without_callback_is_reported);
    RUN(find_calls_for_every_item_that_begins_like_the_given_one);
    RUN(find_compares_whole_items_too);
    RUN(find_ignores_what_its_callback_returns);
    RUN(find_of_nothing_calls_nobody);
    RUN(find_of_no_bytes_matches_every_item);
    RUN(find_of_more_bytes_than_an_item_has_calls_nobody_and_is_reported);
    RUN(find_looks_at_items_that_are_present_only);
    RUN(find_without_its_pointers_is_reported);
    RUN(reorder_puts_the_oldest_item_at_the_start_and_zeros_behind_the_newest);
    RUN(reorder_without_lock_does_the_same);
    RUN(reorder_moves_items_of_odd_sizes_whole);
    RUN(reorder_takes_no_longer_than_the_ring_is_long);
    RUN(locking_methods_are_refused_inside_an_enumeration);
    RUN(locking_methods_are_refused_inside_a_find);
    RUN(an_enumeration_that_found_the_lock_free_takes_it_whatever_it_was_told);
    RUN(an_enumeration_without_lock_works_inside_one_with_lock);
    RUN(after_an_inner_enumeration_the_outer_one_still_has_the_lock);
    RUN(the_size_of_a_ring_is_known_inside_its_enumeration);
    RUN(reorder_without_lock_works_inside_an_enumeration);
    RUN(another_ring_can_be_used_inside_an_enumeration);
    RUN(a_ring_cannot_be_deleted_inside_its_enumeration);
    RUN(another_thread_waits_for_the_end_of_an_enumeration);
    RUN(another_thread_waits_for_an_enumeration_without_lock_too);
    RUN(a_thread_that_reads_waits_for_the_end_of_an_enumeration);
    RUN(every_method_refuses_a_handle_that_is_no_ring);
    RUN(total_size_get_without_a_place_for_it_is_reported);
    RUN(deleting_the_device_deletes_its_rings);
    RUN(while_a_ring_closes_its_methods_fail);
    RUN(a_ring_is_deleted_while_threads_use_it);
    return TESTS_RESULT();
}
