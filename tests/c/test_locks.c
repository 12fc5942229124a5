/*
 * Modules that one thread uses alone for long are quicker for it: their locks become its own. Nothing else may change, whatever
 * the thread does afterwards: another thread comes, the thread ends, the Module goes and its place gets another one.
 */
#define _DEFAULT_SOURCE

#include "harness.h"

#include <sched.h>
#include <stdatomic.h>

/* Often enough in a row for the first thread to own a lock. */
#define OWNING 100u
#define ROUNDS 200000u
#define THREADS 40u
#define RINGS 400u

enum { RING_SIZE = 64 };

static DMFMODULE ring_create(ULONG item_size)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = RING_SIZE;
    config.ItemSize = item_size;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    CHECK_SUCCESS(DMF_RingBuffer_Create(NULL, &attributes, NULL, &module));
    return module;
}

static NTSTATUS put(DMFMODULE module, uint64_t value)
{
    return DMF_RingBuffer_Write(module, (UCHAR*)&value, sizeof(value));
}

static NTSTATUS take(DMFMODULE module, uint64_t* value)
{
    return DMF_RingBuffer_Read(module, (UCHAR*)value, sizeof(*value));
}

/* The calling thread owns the ring's lock afterwards; the ring is as before. */
static void come_to_own(DMFMODULE module)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < OWNING; i++)
    {
        CHECK_SUCCESS(put(module, i));
        CHECK_SUCCESS(take(module, &value));
        CHECK_EQUAL(value, i);
    }
}

/* ------------------------------------------------------------------------------------------- a thread that ends */

static void* leaves_one_and_ends(void* module)
{
    CHECK_SUCCESS(put((DMFMODULE)module, 7));
    return NULL;
}

static void* owns_leaves_one_and_ends(void* module)
{
    come_to_own((DMFMODULE)module);
    return leaves_one_and_ends(module);
}

static void run_thread(void* (*body)(void*), void* context)
{
    pthread_t thread;

    REQUIRE(pthread_create(&thread, NULL, body, context) == 0);
    pthread_join(thread, NULL);
}

TEST(a_thread_that_ends_leaves_nothing_locked)
{
    for (unsigned i = 0; i < harness_rounds(THREADS) + 1; i++)
    {
        DMFMODULE module = ring_create(sizeof(uint64_t));
        uint64_t value = 0;

        run_thread(owns_leaves_one_and_ends, module);
        if (i % 2 != 0)
        {
            /* It is likely to have the number of the one that ended. */
            run_thread(leaves_one_and_ends, module);
            CHECK_SUCCESS(take(module, &value));
            CHECK_EQUAL(value, 7);
        }
        CHECK_SUCCESS(take(module, &value));
        CHECK_EQUAL(value, 7);
        CHECK_STATUS(take(module, &value), STATUS_UNSUCCESSFUL);
        run_thread(owns_leaves_one_and_ends, module);
        WdfObjectDelete(module);
    }
}

/* --------------------------------------------------------------------------------------- another thread comes */

static struct
{
    DMFMODULE Module;
    atomic_uint Failures;
} shared;

/* The ring has one item; whoever takes it gives it back one higher. */
static void* counts(void* rounds)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < *(unsigned*)rounds;)
    {
        if (!NT_SUCCESS(take(shared.Module, &value)))
        {
            sched_yield();
            continue;
        }
        if (!NT_SUCCESS(put(shared.Module, value + 1)))
        {
            atomic_fetch_add(&shared.Failures, 1);
        }
        i++;
    }
    return NULL;
}

TEST(another_thread_takes_part_at_any_moment)
{
    unsigned rounds = harness_rounds(ROUNDS) / RINGS + 1;

    for (unsigned i = 0; i < RINGS; i++)
    {
        pthread_t thread;
        uint64_t value = 0;

        shared.Module = ring_create(sizeof(uint64_t));
        atomic_store(&shared.Failures, 0);
        come_to_own(shared.Module);
        CHECK_SUCCESS(put(shared.Module, 0));
        REQUIRE(pthread_create(&thread, NULL, counts, &rounds) == 0);
        counts(&rounds);
        pthread_join(thread, NULL);
        CHECK_SUCCESS(take(shared.Module, &value));
        CHECK_EQUAL(value, 2 * rounds);
        CHECK_EQUAL(atomic_load(&shared.Failures), 0);
        WdfObjectDelete(shared.Module);
    }
}

/* --------------------------------------------------------------------------------- the Module's place is taken */

enum { STRANGERS = 2 };

static _Atomic(DMFMODULE) current;
static atomic_bool ended;
static atomic_bool busy[STRANGERS];

/* Takes an item, if there is one, and gives it back. */
static void take_and_put(DMFMODULE module)
{
    uint64_t value;
    NTSTATUS status = take(module, &value);

    if (status == STATUS_SUCCESS)
    {
        status = put(module, value);
    }
    if (status != STATUS_SUCCESS && status != STATUS_UNSUCCESSFUL && status != STATUS_INVALID_HANDLE &&
        status != STATUS_INVALID_DEVICE_STATE)
    {
        atomic_fetch_add(&shared.Failures, 1);
    }
}

/* Uses what is there, and what was there before. */
static void* uses_all_handles(void* number)
{
    DMFMODULE before = NULL;
    atomic_bool* working = &busy[*(unsigned*)number];

    while (!atomic_load(&ended))
    {
        atomic_store(working, true);
        DMFMODULE module = atomic_load(&current);
        if (module != NULL)
        {
            take_and_put(module);
            take_and_put(before);
            before = module;
        }
        atomic_store(working, false);
        if (module == NULL)
        {
            sched_yield();
        }
    }
    return NULL;
}

TEST(a_place_that_gets_another_module_is_nobodys)
{
    pthread_t threads[STRANGERS];
    unsigned numbers[STRANGERS];
    unsigned rounds = harness_rounds(ROUNDS) / 20 + 1;

    atomic_store(&shared.Failures, 0);
    atomic_store(&ended, false);
    atomic_store(&current, NULL);
    for (unsigned i = 0; i < STRANGERS; i++)
    {
        numbers[i] = i;
        REQUIRE(pthread_create(&threads[i], NULL, uses_all_handles, &numbers[i]) == 0);
    }
    for (unsigned i = 0; i < rounds; i++)
    {
        DMFMODULE module = ring_create(sizeof(uint64_t));
        uint64_t value, sum = 0;
        unsigned taken = 0;

        come_to_own(module);
        for (unsigned j = 0; j < RING_SIZE / 2; j++)
        {
            CHECK_SUCCESS(put(module, j));
        }
        atomic_store(&current, module);
        for (unsigned j = 0; j < 100; j++)
        {
            take_and_put(module);
        }
        atomic_store(&current, NULL);
        for (unsigned j = 0; j < STRANGERS; j++)
        {
            while (atomic_load(&busy[j]))
            {
                sched_yield();
            }
        }
        /* Every item is there, once. */
        while (NT_SUCCESS(take(module, &value)))
        {
            taken++;
            sum += value;
        }
        CHECK_EQUAL(taken, RING_SIZE / 2);
        CHECK_EQUAL(sum, RING_SIZE / 2 * (RING_SIZE / 2 - 1) / 2);
        WdfObjectDelete(module);
    }
    atomic_store(&ended, true);
    for (unsigned i = 0; i < STRANGERS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQUAL(atomic_load(&shared.Failures), 0);
    MISUSE_IGNORE();
}

/* ------------------------------------------------------------------------------------------ one inside another */

static DMFMODULE other;

static BOOLEAN uses_both(DMFMODULE Module, UCHAR* Buffer, ULONG Size, VOID* Context)
{
    uint64_t value = 0;

    (void)Buffer;
    (void)Size;
    ++*(unsigned*)Context;
    CHECK_STATUS(take(Module, &value), STATUS_INVALID_DEVICE_STATE);
    CHECK_SUCCESS(put(other, 3));
    CHECK_SUCCESS(take(other, &value));
    CHECK_EQUAL(value, 3);
    return TRUE;
}

TEST(a_thread_inside_one_module_of_its_own_uses_another)
{
    DMFMODULE module = ring_create(sizeof(uint64_t));
    unsigned calls = 0;
    uint64_t value = 0;

    other = ring_create(sizeof(uint64_t));
    come_to_own(module);
    come_to_own(other);
    for (unsigned i = 0; i < 3; i++)
    {
        CHECK_SUCCESS(put(module, i));
    }
    DMF_RingBuffer_Enumerate(module, TRUE, uses_both, &calls);
    CHECK_EQUAL(calls, 3);
    CHECK_MISUSE(3);
    come_to_own(other);
    for (unsigned i = 0; i < 3; i++)
    {
        CHECK_SUCCESS(take(module, &value));
        CHECK_EQUAL(value, i);
    }
    WdfObjectDelete(module);
    WdfObjectDelete(other);
}

static DMFMODULE doomed;

static void* deletes(void* context)
{
    (void)context;
    WdfObjectDelete(doomed);
    return NULL;
}

static BOOLEAN takes_its_time(DMFMODULE Module, UCHAR* Buffer, ULONG Size, VOID* Context)
{
    (void)Module;
    (void)Size;
    harness_sleep_milliseconds(20);
    /* The item is still there, whoever deletes the ring meanwhile. */
    CHECK_EQUAL(Buffer[0], 42);
    ++*(unsigned*)Context;
    return TRUE;
}

TEST(a_delete_waits_for_the_owner_that_is_inside)
{
    pthread_t thread;
    unsigned calls = 0;
    uint64_t value = 0;

    doomed = ring_create(sizeof(uint64_t));
    come_to_own(doomed);
    CHECK_SUCCESS(put(doomed, 42));
    CHECK_SUCCESS(put(doomed, 42));
    REQUIRE(pthread_create(&thread, NULL, deletes, NULL) == 0);
    DMF_RingBuffer_Enumerate(doomed, TRUE, takes_its_time, &calls);
    pthread_join(thread, NULL);
    /* Both, or none if the delete came first. */
    CHECK(calls == 2 || calls == 0);
    CHECK(!NT_SUCCESS(take(doomed, &value)));
    MISUSE_IGNORE();
}

int main(void)
{
    RUN(a_thread_that_ends_leaves_nothing_locked);
    RUN(another_thread_takes_part_at_any_moment);
    RUN(a_place_that_gets_another_module_is_nobodys);
    RUN(a_thread_inside_one_module_of_its_own_uses_another);
    RUN(a_delete_waits_for_the_owner_that_is_inside);
    return TESTS_RESULT();
}
