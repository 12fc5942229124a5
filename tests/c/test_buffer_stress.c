/*
 * The buffer Modules under many threads. Every item carries who made it and its number, so that what was lost, doubled or
 * overtaken shows.
 *
 * All numbers of rounds stand here and are scaled by DMF_TEST_SCALE; a hundredth is enough for valgrind and sanitizers.
 */
#define _DEFAULT_SOURCE

#include "harness.h"

#include <sched.h>
#include <stdatomic.h>

/* Items through a ring, in each mode; cycles of a queue's buffers; buffers with timers. */
#define RING_ITEMS 10000000u
#define QUEUE_CYCLES 5000000u
#define TIMED_BUFFERS 10000u

enum {
    MAKERS = 4,
    TAKERS = 4,
    RING_SIZE = 512,
    /* A writer lets others run after so many items: more than a ring has room for, so that a ring that deletes has to. */
    WRITER_BURST = 2 * RING_SIZE,
};

/* -------------------------------------------------------------------------------------------------- ledger */

typedef struct
{
    ULONG Maker;
    ULONG Number; /* 0, 1, 2, ... of that maker */
} ITEM;

/* Which of each maker's numbers have been seen, one bit each. */
static struct
{
    unsigned PerMaker; /* so many numbers has each */
    _Atomic uint64_t* Seen[MAKERS];
    atomic_uint Taken;
    atomic_uint Doubled;
    atomic_uint Overtaken; /* came to the same taker after a later one of the same maker */
    atomic_uint Nonsense;  /* no maker made it */
    atomic_uint Failures;  /* a status that cannot be */
    atomic_uint MakersAtWork;
    atomic_uint MakersBeforeLastQuarter;
} ledger;

static void ledger_open(unsigned items)
{
    memset(&ledger, 0, sizeof(ledger));
    ledger.PerMaker = items / MAKERS > 0 ? items / MAKERS : 1;
    for (int i = 0; i < MAKERS; i++)
    {
        ledger.Seen[i] = (_Atomic uint64_t*)calloc(ledger.PerMaker / 64 + 1, sizeof(uint64_t));
    }
    atomic_store(&ledger.MakersAtWork, MAKERS);
    atomic_store(&ledger.MakersBeforeLastQuarter, MAKERS);
}

static void ledger_close(void)
{
    CHECK_EQUAL(atomic_load(&ledger.Doubled), 0);
    CHECK_EQUAL(atomic_load(&ledger.Overtaken), 0);
    CHECK_EQUAL(atomic_load(&ledger.Nonsense), 0);
    CHECK_EQUAL(atomic_load(&ledger.Failures), 0);
    for (int i = 0; i < MAKERS; i++)
    {
        free((void*)ledger.Seen[i]);
    }
}

static bool ledger_has(ULONG maker, ULONG number)
{
    return (atomic_load(&ledger.Seen[maker][number / 64]) >> (number % 64) & 1) != 0;
}

/* Of a maker's numbers, how many were seen. */
static unsigned ledger_count(ULONG maker)
{
    unsigned count = 0;
    for (ULONG number = 0; number < ledger.PerMaker; number++)
    {
        count += ledger_has(maker, number);
    }
    return count;
}

/* What one taker has seen last of each maker; -1: nothing. */
typedef struct
{
    long long Last[MAKERS];
} ORDER;

static void order_begin(ORDER* order)
{
    for (int i = 0; i < MAKERS; i++)
    {
        order->Last[i] = -1;
    }
}

static void item_taken(const ITEM* item, ORDER* order)
{
    uint64_t bit = (uint64_t)1 << (item->Number % 64);

    if (item->Maker >= MAKERS || item->Number >= ledger.PerMaker)
    {
        atomic_fetch_add(&ledger.Nonsense, 1);
        return;
    }
    if ((atomic_fetch_or(&ledger.Seen[item->Maker][item->Number / 64], bit) & bit) != 0)
    {
        atomic_fetch_add(&ledger.Doubled, 1);
    }
    if ((long long)item->Number <= order->Last[item->Maker])
    {
        atomic_fetch_add(&ledger.Overtaken, 1);
    }
    order->Last[item->Maker] = (long long)item->Number;
    atomic_fetch_add(&ledger.Taken, 1);
}

static void unexpected(NTSTATUS status)
{
    if (atomic_fetch_add(&ledger.Failures, 1) == 0)
    {
        printf("    unexpected: %s\n", DMF_StatusName(status));
    }
}

/* Runs the makers, numbered from 0, and the takers, and waits for all. The takers' orders are left in `orders`. */
static void threads_run(void* (*maker)(void*), void* (*taker)(void*), ORDER* orders)
{
    pthread_t threads[MAKERS + TAKERS];

    for (int i = 0; i < TAKERS; i++)
    {
        order_begin(&orders[i]);
        pthread_create(&threads[MAKERS + i], NULL, taker, &orders[i]);
    }
    for (int i = 0; i < MAKERS; i++)
    {
        pthread_create(&threads[i], NULL, maker, (void*)(intptr_t)i);
    }
    for (int i = 0; i < MAKERS + TAKERS; i++)
    {
        pthread_join(threads[i], NULL);
    }
}

/* --------------------------------------------------------------------------------------------------- rings */

static DMFMODULE ring;

static void ring_open(ULONG item_count, RingBuffer_ModeType mode)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;

    ring = NULL;
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = item_count;
    config.ItemSize = sizeof(ITEM);
    config.Mode = mode;
    CHECK_SUCCESS(DMF_RingBuffer_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &ring));
}

/* Every second item in two segments. */
static NTSTATUS item_write(ITEM* item)
{
    UCHAR* segments[] = {(UCHAR*)&item->Number, (UCHAR*)&item->Maker};
    ULONG sizes[] = {sizeof(item->Number), sizeof(item->Maker)};
    ULONG offsets[] = {offsetof(ITEM, Number), offsetof(ITEM, Maker)};

    return item->Number % 2 == 0 ? DMF_RingBuffer_Write(ring, (UCHAR*)item, sizeof(*item))
                                 : DMF_RingBuffer_SegmentsWrite(ring, segments, sizes, offsets, 2);
}

static void* writes_items(void* argument)
{
    ITEM item = {(ULONG)(intptr_t)argument, 0};

    while (item.Number < ledger.PerMaker)
    {
        NTSTATUS status = item_write(&item);
        if (NT_SUCCESS(status))
        {
            if (item.Number == ledger.PerMaker / 4 * 3)
            {
                atomic_fetch_sub(&ledger.MakersBeforeLastQuarter, 1);
            }
            item.Number++;
            if (item.Number % WRITER_BURST == 0)
            {
                sched_yield();
            }
        }
        else if (status == STATUS_UNSUCCESSFUL)
        {
            sched_yield();
        }
        else
        {
            unexpected(status);
            break;
        }
    }
    atomic_fetch_sub(&ledger.MakersAtWork, 1);
    return NULL;
}

/* Reads one at a time, and now and then all at once. */
static void* reads_items(void* argument)
{
    ORDER* order = (ORDER*)argument;
    ITEM items[RING_SIZE];

    for (unsigned round = 1;; round++)
    {
        /* Looked at before the ring: what is written afterwards is seen in the next round. */
        bool last_round = atomic_load(&ledger.MakersAtWork) == 0;
        ULONG bytes = sizeof(ITEM);
        NTSTATUS status = round % 64 == 0 ? DMF_RingBuffer_ReadAll(ring, (UCHAR*)items, sizeof(items), &bytes)
                                          : DMF_RingBuffer_Read(ring, (UCHAR*)items, sizeof(items));
        if (NT_SUCCESS(status))
        {
            for (ULONG i = 0; i < bytes / sizeof(ITEM); i++)
            {
                item_taken(&items[i], order);
            }
        }
        else if (status != STATUS_UNSUCCESSFUL)
        {
            unexpected(status);
            return NULL;
        }
        else if (last_round)
        {
            return NULL;
        }
        else
        {
            sched_yield();
        }
    }
}

/* Stops before the writers do: what they leave behind shows what the ring has dropped. */
static void* reads_items_for_a_while(void* argument)
{
    ORDER* order = (ORDER*)argument;

    while (atomic_load(&ledger.MakersBeforeLastQuarter) != 0)
    {
        ITEM item;
        NTSTATUS status = DMF_RingBuffer_Read(ring, (UCHAR*)&item, sizeof(item));
        if (NT_SUCCESS(status))
        {
            item_taken(&item, order);
        }
        else if (status != STATUS_UNSUCCESSFUL)
        {
            unexpected(status);
            return NULL;
        }
        else
        {
            sched_yield();
        }
    }
    return NULL;
}

static EVT_DMF_RingBuffer_Enumeration InOrder;

/* An item that a maker wrote, behind those that it wrote before. */
static BOOLEAN InOrder(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    ORDER* order = (ORDER*)CallbackContext;
    ITEM item;

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(BufferSize);
    memcpy(&item, Buffer, sizeof(item));
    if (item.Maker >= MAKERS || item.Number >= ledger.PerMaker)
    {
        atomic_fetch_add(&ledger.Nonsense, 1);
        return FALSE;
    }
    if ((long long)item.Number <= order->Last[item.Maker])
    {
        atomic_fetch_add(&ledger.Overtaken, 1);
    }
    order->Last[item.Maker] = (long long)item.Number;
    return TRUE;
}

/* Looks at the ring and reorders it until it is told to stop: each time it has both ends to itself. */
static void* looks_at_the_ring(void* argument)
{
    const atomic_bool* stop = (const atomic_bool*)argument;

    for (unsigned round = 1; !atomic_load(stop); round++)
    {
        ORDER order;
        order_begin(&order);
        DMF_RingBuffer_Enumerate(ring, TRUE, InOrder, &order);
        if (round % 4 == 0)
        {
            DMF_RingBuffer_Reorder(ring, TRUE);
        }
        sched_yield();
    }
    return NULL;
}

TEST(a_ring_that_fails_when_full_loses_and_doubles_nothing)
{
    ORDER orders[TAKERS];
    pthread_t looker;
    atomic_bool stop = false;

    ledger_open(harness_rounds(RING_ITEMS));
    ring_open(RING_SIZE, RingBuffer_Mode_FailIfFullOnWrite);
    threads_run(writes_items, reads_items, orders);
    CHECK_EQUAL(atomic_load(&ledger.Taken), ledger.PerMaker * MAKERS);
    ledger_close();

    ledger_open(harness_rounds(RING_ITEMS / 4));
    pthread_create(&looker, NULL, looks_at_the_ring, &stop);
    threads_run(writes_items, reads_items, orders);
    atomic_store(&stop, true);
    pthread_join(looker, NULL);
    CHECK_EQUAL(atomic_load(&ledger.Taken), ledger.PerMaker * MAKERS);
    for (ULONG maker = 0; maker < MAKERS; maker++)
    {
        CHECK_EQUAL(ledger_count(maker), ledger.PerMaker);
    }
    ledger_close();
    WdfObjectDelete(ring);
}

/* What is in the ring at the end, oldest first. */
typedef struct
{
    ITEM Items[RING_SIZE];
    unsigned Count;
} PRESENT;

static EVT_DMF_RingBuffer_Enumeration Collect;

static BOOLEAN Collect(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    PRESENT* present = (PRESENT*)CallbackContext;
    UNREFERENCED_PARAMETER(DmfModule);
    CHECK_EQUAL(BufferSize, sizeof(ITEM));
    if (CHECK(present->Count < RING_SIZE))
    {
        memcpy(&present->Items[present->Count++], Buffer, sizeof(ITEM));
    }
    return TRUE;
}

TEST(a_ring_that_deletes_when_full_drops_the_oldest_and_nothing_else)
{
    ORDER orders[TAKERS], order;
    PRESENT present = {.Count = 0};
    unsigned written, read, dropped = 0;

    ledger_open(harness_rounds(RING_ITEMS));
    ring_open(RING_SIZE, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
    threads_run(writes_items, reads_items_for_a_while, orders);
    written = ledger.PerMaker * MAKERS;
    read = atomic_load(&ledger.Taken);

    /* What is still there came after everything that was read, whoever read it. */
    order_begin(&order);
    for (ULONG maker = 0; maker < MAKERS; maker++)
    {
        for (int i = 0; i < TAKERS; i++)
        {
            order.Last[maker] = orders[i].Last[maker] > order.Last[maker] ? orders[i].Last[maker] : order.Last[maker];
        }
    }
    DMF_RingBuffer_Enumerate(ring, TRUE, Collect, &present);
    for (unsigned i = 0; i < present.Count; i++)
    {
        item_taken(&present.Items[i], &order);
    }

    for (ULONG maker = 0; maker < MAKERS; maker++)
    {
        unsigned seen = ledger_count(maker), first_present = ledger.PerMaker, count_present = 0;
        for (unsigned i = 0; i < present.Count; i++)
        {
            if (present.Items[i].Maker == maker)
            {
                first_present = count_present == 0 ? present.Items[i].Number : first_present;
                count_present++;
            }
        }
        /* Of each writer the newest are there, without a gap: only the oldest are ever dropped. */
        CHECK_EQUAL(first_present + count_present, ledger.PerMaker);
        dropped += ledger.PerMaker - seen;
    }
    /* A reader whose last Read waited for the ring until all was written took one of these. */
    CHECK(present.Count <= RING_SIZE && present.Count + TAKERS >= RING_SIZE);
    CHECK_EQUAL(read + dropped + present.Count, written);
    /* Otherwise this has tested nothing. */
    CHECK(read > 0 && dropped > 0);
    printf("    %u written = %u read + %u dropped + %u present\n", written, read, dropped, present.Count);
    ledger_close();
    WdfObjectDelete(ring);
}

TEST(a_ring_that_deletes_when_full_loses_nothing_that_it_had_room_for)
{
    /* So much room that nothing need be dropped. */
    unsigned items = harness_rounds(RING_ITEMS / 100);
    ORDER orders[TAKERS];

    ledger_open(items);
    ring_open(ledger.PerMaker * MAKERS, RingBuffer_Mode_DeleteOldestIfFullOnWrite);
    threads_run(writes_items, reads_items_for_a_while, orders);
    for (;;)
    {
        ITEM item;
        /* One reader now, after the others: the order of each of them is checked already. */
        ORDER order;
        order_begin(&order);
        if (!NT_SUCCESS(DMF_RingBuffer_Read(ring, (UCHAR*)&item, sizeof(item))))
        {
            break;
        }
        item_taken(&item, &order);
    }
    CHECK_EQUAL(atomic_load(&ledger.Taken), ledger.PerMaker * MAKERS);
    ledger_close();
    WdfObjectDelete(ring);
}

/* -------------------------------------------------------------------------------------------------- queues */

enum { QUEUE_BUFFERS = 256 };

static DMFMODULE queue;
static atomic_uint cleaned;

static EVT_DMF_BufferQueue_ReuseCleanup Clean;

/* The content is intact until here. */
static VOID Clean(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    const ITEM* item = (const ITEM*)ClientBuffer;
    const ITEM* copy = (const ITEM*)ClientBufferContext;

    if (DmfModule != queue || item->Maker != copy->Maker || item->Number != copy->Number)
    {
        atomic_fetch_add(&ledger.Nonsense, 1);
    }
    atomic_fetch_add(&cleaned, 1);
}

static void queue_open_with(ULONG count, ULONG look_aside, ULONG timer, EVT_DMF_BufferQueue_ReuseCleanup* cleanup)
{
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;

    queue = NULL;
    atomic_store(&cleaned, 0);
    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings.BufferCount = count;
    config.SourceSettings.BufferSize = sizeof(ITEM);
    config.SourceSettings.BufferContextSize = sizeof(ITEM);
    config.SourceSettings.EnableLookAside = look_aside;
    config.SourceSettings.CreateWithTimer = timer;
    config.EvtBufferQueueReuseCleanup = cleanup;
    CHECK_SUCCESS(DMF_BufferQueue_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &queue));
}

static void queue_open(ULONG count, ULONG look_aside, ULONG timer)
{
    queue_open_with(count, look_aside, timer, Clean);
}

static void* produces(void* argument)
{
    ITEM item = {(ULONG)(intptr_t)argument, 0};
    ITEM zeros = {0, 0};

    while (item.Number < ledger.PerMaker)
    {
        VOID* buffer = NULL;
        VOID* context = NULL;
        NTSTATUS status = DMF_BufferQueue_Fetch(queue, &buffer, &context);
        if (status == STATUS_UNSUCCESSFUL)
        {
            sched_yield();
            continue;
        }
        if (!NT_SUCCESS(status))
        {
            unexpected(status);
            break;
        }
        if (memcmp(buffer, &zeros, sizeof(ITEM)) != 0 || memcmp(context, &zeros, sizeof(ITEM)) != 0)
        {
            atomic_fetch_add(&ledger.Nonsense, 1);
        }
        *(ITEM*)buffer = item;
        *(ITEM*)context = item;
        item.Number++;
        DMF_BufferQueue_Enqueue(queue, buffer);
    }
    atomic_fetch_sub(&ledger.MakersAtWork, 1);
    return NULL;
}

static void* consumes(void* argument)
{
    ORDER* order = (ORDER*)argument;

    for (;;)
    {
        bool last_round = atomic_load(&ledger.MakersAtWork) == 0;
        VOID* buffer = NULL;
        VOID* context = NULL;
        NTSTATUS status = DMF_BufferQueue_Dequeue(queue, &buffer, &context);
        if (NT_SUCCESS(status))
        {
            if (memcmp(buffer, context, sizeof(ITEM)) != 0)
            {
                atomic_fetch_add(&ledger.Nonsense, 1);
            }
            item_taken((const ITEM*)buffer, order);
            DMF_BufferQueue_Reuse(queue, buffer);
        }
        else if (status != STATUS_UNSUCCESSFUL)
        {
            unexpected(status);
            return NULL;
        }
        else if (last_round)
        {
            return NULL;
        }
        else
        {
            sched_yield();
        }
    }
}

/* The queue has all its buffers again, each once. */
static void check_all_unused(ULONG count)
{
    VOID** buffers = (VOID**)calloc(count, sizeof(VOID*));
    VOID* buffer = NULL;

    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    for (ULONG i = 0; i < count; i++)
    {
        CHECK_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffers[i], NULL));
        for (ULONG j = 0; count <= QUEUE_BUFFERS && j < i; j++)
        {
            CHECK(buffers[j] != buffers[i]);
        }
    }
    CHECK_STATUS(DMF_BufferQueue_Fetch(queue, &buffer, NULL), STATUS_UNSUCCESSFUL);
    for (ULONG i = 0; i < count; i++)
    {
        DMF_BufferQueue_Reuse(queue, buffers[i]);
    }
    free(buffers);
}

static void check_every_item(void)
{
    CHECK_EQUAL(atomic_load(&ledger.Taken), ledger.PerMaker * MAKERS);
    for (ULONG maker = 0; maker < MAKERS; maker++)
    {
        CHECK_EQUAL(ledger_count(maker), ledger.PerMaker);
    }
}

static void check_every_cycle(void)
{
    check_every_item();
    CHECK_EQUAL(atomic_load(&cleaned), ledger.PerMaker * MAKERS);
}

TEST(a_queue_accounts_for_every_buffer)
{
    ORDER orders[TAKERS];

    ledger_open(harness_rounds(QUEUE_CYCLES));
    queue_open(QUEUE_BUFFERS, FALSE, FALSE);
    threads_run(produces, consumes, orders);
    check_every_cycle();
    check_all_unused(QUEUE_BUFFERS);
    ledger_close();
    WdfObjectDelete(queue);
}

TEST(a_queue_that_grows_accounts_for_every_buffer)
{
    ORDER orders[TAKERS];
    VOID* buffer = NULL;

    ledger_open(harness_rounds(QUEUE_CYCLES / 10));
    queue_open(QUEUE_BUFFERS, TRUE, FALSE);
    threads_run(produces, consumes, orders);
    check_every_cycle();
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, NULL));
    DMF_BufferQueue_Reuse(queue, buffer);
    ledger_close();
    WdfObjectDelete(queue);
}

/* Without a cleanup callback a buffer is fetched, enqueued, dequeued and used again at once, where it can be. */
TEST(a_queue_without_a_cleanup_callback_accounts_for_every_buffer)
{
    ORDER orders[TAKERS];

    ledger_open(harness_rounds(QUEUE_CYCLES));
    queue_open_with(QUEUE_BUFFERS, FALSE, FALSE, NULL);
    threads_run(produces, consumes, orders);
    check_every_item();
    check_all_unused(QUEUE_BUFFERS);
    ledger_close();
    WdfObjectDelete(queue);
}

static EVT_DMF_BufferPool_Enumeration Passes;

static BufferPool_EnumerationDispositionType Passes(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                                                    VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
    if (memcmp(ClientBuffer, ClientBufferContext, sizeof(ITEM)) != 0)
    {
        atomic_fetch_add(&ledger.Nonsense, 1);
    }
    return BufferPool_EnumerationDisposition_ContinueEnumeration;
}

/* Puts every third buffer back to the head first, and looks at all of them now and then. Others may have overtaken. */
static void* consumes_in_any_order(void* argument)
{
    ORDER* order = (ORDER*)argument;

    for (unsigned round = 0;; round++)
    {
        bool last_round = atomic_load(&ledger.MakersAtWork) == 0;
        VOID* buffer = NULL;
        NTSTATUS status;

        if (round % 64 == 0)
        {
            DMF_BufferQueue_Enumerate(queue, Passes, NULL, NULL, NULL);
        }
        status = DMF_BufferQueue_Dequeue(queue, &buffer, NULL);
        if (NT_SUCCESS(status) && round % 3 == 0)
        {
            DMF_BufferQueue_EnqueueAtHead(queue, buffer);
        }
        else if (NT_SUCCESS(status))
        {
            order_begin(order);
            item_taken((const ITEM*)buffer, order);
            DMF_BufferQueue_Reuse(queue, buffer);
        }
        else if (status != STATUS_UNSUCCESSFUL)
        {
            unexpected(status);
            return NULL;
        }
        else if (last_round && DMF_BufferQueue_Count(queue) == 0)
        {
            return NULL;
        }
        else
        {
            sched_yield();
        }
    }
}

TEST(a_queue_that_grows_and_is_used_in_all_ways_accounts_for_every_buffer)
{
    ORDER orders[TAKERS];

    ledger_open(harness_rounds(QUEUE_CYCLES / 20));
    queue_open_with(2, TRUE, FALSE, NULL);
    threads_run(produces, consumes_in_any_order, orders);
    check_every_item();
    CHECK_EQUAL(DMF_BufferQueue_Count(queue), 0);
    ledger_close();
    WdfObjectDelete(queue);
}

/* Ends what is queued, again and again, beside the consumers. */
static void* flushes(void* argument)
{
    ORDER* order = (ORDER*)argument;

    UNREFERENCED_PARAMETER(order);
    while (atomic_load(&ledger.MakersAtWork) != 0)
    {
        DMF_BufferQueue_Flush(queue);
        sched_yield();
    }
    DMF_BufferQueue_Flush(queue);
    return NULL;
}

TEST(a_queue_that_is_flushed_at_work_accounts_for_every_buffer)
{
    ORDER orders[TAKERS];

    ledger_open(harness_rounds(QUEUE_CYCLES / 10));
    queue_open(QUEUE_BUFFERS, FALSE, FALSE);
    threads_run(produces, flushes, orders);
    CHECK_EQUAL(atomic_load(&cleaned), ledger.PerMaker * MAKERS);
    check_all_unused(QUEUE_BUFFERS);
    ledger_close();
    WdfObjectDelete(queue);
}

/* -------------------------------------------------------------------------------------------------- timers */

static atomic_uint by_timer;

static EVT_DMF_BufferPool_TimerCallback Expired;

/* Each item is taken once: by its timer, here, or by a thread that dequeues. */
static VOID Expired(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                    VOID* ClientDriverCallbackContext)
{
    ORDER order;

    UNREFERENCED_PARAMETER(ClientBufferContext);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
    order_begin(&order);
    item_taken((const ITEM*)ClientBuffer, &order);
    atomic_fetch_add(&by_timer, 1);
    DMF_BufferQueue_Reuse(DmfModule, ClientBuffer);
}

static void* produces_with_timers(void* argument)
{
    ITEM item = {(ULONG)(intptr_t)argument, 0};
    unsigned seed = 99 + item.Maker;

    for (; item.Number < ledger.PerMaker; item.Number++)
    {
        VOID* buffer = NULL;
        VOID* context = NULL;
        NTSTATUS status = DMF_BufferQueue_Fetch(queue, &buffer, &context);
        if (NT_SUCCESS(status))
        {
            *(ITEM*)buffer = item;
            *(ITEM*)context = item;
            seed = seed * 1103515245u + 12345u;
            status = DMF_BufferQueue_EnqueueWithTimer(queue, buffer, (seed >> 16) % 50, Expired, NULL);
        }
        if (!NT_SUCCESS(status))
        {
            unexpected(status);
            break;
        }
    }
    atomic_fetch_sub(&ledger.MakersAtWork, 1);
    return NULL;
}

/* The oldest first, slowly enough for the timers to come first often. */
static void* consumes_slowly(void* argument)
{
    UNREFERENCED_PARAMETER(argument);
    while (atomic_load(&ledger.Taken) < ledger.PerMaker * MAKERS && atomic_load(&ledger.Failures) == 0)
    {
        VOID* buffer = NULL;
        if (NT_SUCCESS(DMF_BufferQueue_Dequeue(queue, &buffer, NULL)))
        {
            ORDER order;
            order_begin(&order);
            item_taken((const ITEM*)buffer, &order);
            DMF_BufferQueue_Reuse(queue, buffer);
        }
        harness_sleep_milliseconds(0);
    }
    return NULL;
}

TEST(a_buffer_goes_either_to_dequeue_or_to_its_timer)
{
    ORDER orders[TAKERS];
    ULONG count;

    atomic_store(&by_timer, 0);
    ledger_open(harness_rounds(TIMED_BUFFERS));
    count = ledger.PerMaker * MAKERS;
    queue_open(count, FALSE, TRUE);
    threads_run(produces_with_timers, consumes_slowly, orders);
    /* A second owner would come late. */
    harness_sleep_milliseconds(100);
    check_every_cycle();
    check_all_unused(count);
    printf("    %u buffers: %u by timer, %u by Dequeue\n", count, atomic_load(&by_timer),
           count - atomic_load(&by_timer));
    WdfObjectDelete(queue);
    ledger_close();
}

int main(void)
{
    RUN(a_ring_that_fails_when_full_loses_and_doubles_nothing);
    RUN(a_ring_that_deletes_when_full_drops_the_oldest_and_nothing_else);
    RUN(a_ring_that_deletes_when_full_loses_nothing_that_it_had_room_for);
    RUN(a_queue_accounts_for_every_buffer);
    RUN(a_queue_that_grows_accounts_for_every_buffer);
    RUN(a_queue_without_a_cleanup_callback_accounts_for_every_buffer);
    RUN(a_queue_that_grows_and_is_used_in_all_ways_accounts_for_every_buffer);
    RUN(a_queue_that_is_flushed_at_work_accounts_for_every_buffer);
    RUN(a_buffer_goes_either_to_dequeue_or_to_its_timer);
    return TESTS_RESULT();
}
