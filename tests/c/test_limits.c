/*
 * How far things go: objects, generations of handles, sizes, pending Requests, deep and wide trees, and what is answered
 * beyond. docs/reliability.md states the limits.
 *
 *     test_limits --all-objects     every object that a handle can name at once (some 9 GiB); 77: too little memory here
 */
#define _GNU_SOURCE

#include "client_target.h"

#include <malloc.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Handles have 24 bits for the slot. */
#define OBJECTS_MAX 16777216u

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#else
#define UNDER_SANITIZER 0
#endif
/* Elsewhere memory costs nothing before it is touched. */
#define MEMORY_IS_TAKEN_AT_ONCE (UNDER_SANITIZER || RUNNING_ON_VALGRIND)

static WDFDEVICE child_of(WDFOBJECT parent)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.ParentObject = parent;
    return NT_SUCCESS(DMF_Device_Create(&attributes, &device)) ? device : NULL;
}

static unsigned long long available_mib(void)
{
    char line[256];
    unsigned long long available = 0;
    FILE* memory = fopen("/proc/meminfo", "r");

    while (memory != NULL && fgets(line, sizeof(line), memory) != NULL)
    {
        (void)sscanf(line, "MemAvailable: %llu", &available);
    }
    if (memory != NULL)
    {
        fclose(memory);
    }
    return available >> 10;
}

/* ------------------------------------------------------------------------------------------------ objects */

/* Creates until it is refused, in a tree of its own; how many there were, and the status. */
static unsigned create_until_refused(WDFDEVICE* root, NTSTATUS* status)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    unsigned count = 0;

    if (!NT_SUCCESS(*status = DMF_Device_Create(NULL, root)))
    {
        return 0;
    }
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.ParentObject = *root;
    do
    {
        count++;
        *status = DMF_Device_Create(&attributes, &device);
    } while (NT_SUCCESS(*status));
    return count;
}

/* Twice the same: what was refused took nothing, and what is deleted can be had again. */
static int fill_twice(unsigned least, unsigned most)
{
    unsigned counts[2];

    for (int round = 0; round < 2; round++)
    {
        WDFDEVICE root = NULL, another = NULL;
        NTSTATUS status;
        counts[round] = create_until_refused(&root, &status);
        printf("    %u objects, then %s: %s\n", counts[round], DMF_StatusName(status), DMF_LastErrorMessageGet());
        if (status != STATUS_INSUFFICIENT_RESOURCES || counts[round] < least || counts[round] > most)
        {
            return 1;
        }
        if (DMF_Device_Create(NULL, &another) != STATUS_INSUFFICIENT_RESOURCES || another != NULL)
        {
            return 2;
        }
        WdfObjectDelete(root);
        if (!NT_SUCCESS(DMF_Device_Create(NULL, &another)))
        {
            return 3;
        }
        WdfObjectDelete(another);
    }
    return counts[1] >= counts[0] ? 0 : 4;
}

TEST(without_memory_objects_are_refused_and_come_back_when_others_go)
{
    char self[4096] = "";
    int status = 0;
    pid_t child;

    if (UNDER_SANITIZER)
    {
        printf("    skipped: a sanitizer needs address space without limit\n");
        return;
    }
    /* Under valgrind the link itself is valgrind's. */
    REQUIRE(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    fflush(stdout);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
    {
        /* A process of its own: the library refuses the child of a fork. */
        execl(self, "test_limits", "--little-memory", (char*)NULL);
        _exit(126);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int little_memory(void)
{
    static char buffer[BUFSIZ];
    struct rlimit limit = {256u << 20, 256u << 20};

    /* What is printed is not to take memory between two attempts. */
    setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
    if (setrlimit(RLIMIT_AS, &limit) != 0)
    {
        return 9;
    }
    return fill_twice(10000, OBJECTS_MAX);
}

static int all_objects(void)
{
    unsigned long long available = available_mib();

    if (available < 11264)
    {
        printf("skipped: %llu MiB of memory are available, 11264 are needed\n", available);
        return 77;
    }
    return fill_twice(OBJECTS_MAX, OBJECTS_MAX);
}

/* --------------------------------------------------------------------------------------------- generations */

TEST(a_slot_that_is_used_a_million_times_refuses_all_its_old_handles)
{
    unsigned rounds = harness_rounds(1u << 20);
    unsigned step = rounds / 4096 + 1;
    WDFDEVICE* old = calloc(rounds / step + 1, sizeof(WDFDEVICE));
    WDFDEVICE device = NULL;
    uintptr_t slots = 0, first = 0;
    unsigned sampled = 0, found = 0;

    REQUIRE(old != NULL);
    for (unsigned i = 0; i < rounds; i++)
    {
        REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
        /* The slot is the low 24 bits. */
        first = i == 0 ? (uintptr_t)device & 0xFFFFFF : first;
        slots |= ((uintptr_t)device & 0xFFFFFF) ^ first;
        if (i % step == 0)
        {
            old[sampled++] = device;
        }
        WdfObjectDelete(device);
    }
    CHECK_EQUAL(slots, 0);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    CHECK_EQUAL((uintptr_t)device & 0xFFFFFF, first);
    for (unsigned i = 0; i < sampled; i++)
    {
        found += old[i] == device;
        WdfObjectReference(old[i]);
        found += DMF_LastStatusGet() != STATUS_INVALID_HANDLE;
    }
    CHECK_EQUAL(found, 0);
    CHECK_MISUSE(sampled);
    WdfObjectDelete(device);
    free(old);
}

/* The first 4,096 slots are found in another way than the later ones. */
TEST(of_many_rings_each_has_its_own_item_and_none_another_handle)
{
    enum { RINGS = 4400 };
    static DMFMODULE rings[RINGS];
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE another = NULL;
    uint64_t item = 0;
    uintptr_t largest = 0;
    unsigned wrong = 0, refused = 0;

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = 2;
    config.ItemSize = sizeof(item);
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    for (unsigned i = 0; i < RINGS; i++)
    {
        uintptr_t slot;
        REQUIRE_SUCCESS(DMF_RingBuffer_Create(NULL, &attributes, NULL, &rings[i]));
        slot = (uintptr_t)rings[i] & 0xFFFFFF;
        largest = slot > largest ? slot : largest;
    }
    CHECK(largest >= 4352);
    for (uint64_t round = 0; round < 2; round++)
    {
        for (uint64_t i = 0; i < RINGS; i++)
        {
            item = i << 8 | round;
            wrong += DMF_RingBuffer_Write(rings[i], (UCHAR*)&item, sizeof(item)) != STATUS_SUCCESS;
        }
    }
    for (uint64_t round = 0; round < 2; round++)
    {
        for (uint64_t i = 0; i < RINGS; i++)
        {
            wrong += DMF_RingBuffer_Read(rings[i], (UCHAR*)&item, sizeof(item)) != STATUS_SUCCESS;
            wrong += item != (i << 8 | round);
        }
    }
    CHECK_EQUAL(wrong, 0);
    for (unsigned i = 0; i < RINGS; i++)
    {
        WdfObjectDelete(rings[i]);
        REQUIRE_SUCCESS(DMF_RingBuffer_Create(NULL, &attributes, NULL, &another));
        refused += DMF_RingBuffer_Write(rings[i], (UCHAR*)&item, sizeof(item)) == STATUS_INVALID_HANDLE;
        WdfObjectDelete(another);
    }
    CHECK_EQUAL(refused, RINGS);
    CHECK_MISUSE(RINGS);
}

/* --------------------------------------------------------------------------------------------------- trees */

static atomic_uint cleanups;

static VOID CountsCleanup(WDFOBJECT Object)
{
    (void)Object;
    atomic_fetch_add(&cleanups, 1);
}

static void* deletes(void* device)
{
    WdfObjectDelete(device);
    return NULL;
}

/* On a thread with the smallest stack that there is. */
static void delete_on_a_small_stack(WDFOBJECT object)
{
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    CHECK_EQUAL(pthread_attr_setstacksize(&small, UNDER_SANITIZER ? 1 << 20 : 64 * 1024), 0);
    if (CHECK_EQUAL(pthread_create(&thread, &small, deletes, object), 0))
    {
        pthread_join(thread, NULL);
    }
    pthread_attr_destroy(&small);
}

TEST(a_tree_of_any_depth_is_deleted_without_recursion)
{
    unsigned depth = harness_rounds(1000000);
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE root = NULL, device = NULL;
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES module;
    DMFMODULE ring = NULL;

    atomic_store(&cleanups, 0);
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.EvtCleanupCallback = CountsCleanup;
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &root));
    device = root;
    for (unsigned i = 1; i < depth; i++)
    {
        attributes.ParentObject = device;
        REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
    }
    /* The deepest is reachable: its parent is found. */
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &module);
    config.ItemCount = 1;
    config.ItemSize = 1;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    REQUIRE_SUCCESS(DMF_RingBuffer_Create(device, &module, NULL, &ring));
    CHECK_POINTER(DMF_ParentDeviceGet(ring), device);
    delete_on_a_small_stack(root);
    CHECK_EQUAL(atomic_load(&cleanups), depth);
    CHECK_STATUS(DMF_RingBuffer_Write(ring, (UCHAR*)"", 1), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

static WDFDEVICE deleted_in_callback;

static VOID DeletesAnother(WDFOBJECT Object)
{
    (void)Object;
    atomic_fetch_add(&cleanups, 1);
    WdfObjectDelete(deleted_in_callback);
}

/* In a callback the rest of a delete may be put off; that is no recursion either. */
TEST(a_deep_tree_is_deleted_from_a_callback_too)
{
    unsigned depth = harness_rounds(100000);
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE outer = NULL, device = NULL;

    atomic_store(&cleanups, 0);
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.EvtCleanupCallback = CountsCleanup;
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &deleted_in_callback));
    device = deleted_in_callback;
    for (unsigned i = 1; i < depth; i++)
    {
        attributes.ParentObject = device;
        REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
    }
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.EvtCleanupCallback = DeletesAnother;
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &outer));
    delete_on_a_small_stack(outer);
    CHECK_EQUAL(atomic_load(&cleanups), depth + 1);
    CHECK_MISUSE(0);
}

TEST(a_tree_of_any_width_is_deleted_in_time)
{
    unsigned width = harness_rounds(1000000);
    WDFDEVICE root = NULL;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &root));
    for (unsigned i = 0; i < width; i++)
    {
        REQUIRE(child_of(root) != NULL);
    }
    delete_on_a_small_stack(root);
}

/* --------------------------------------------------------------------------------------------------- sizes */

static NTSTATUS ring_create(ULONG count, ULONG size, DMFMODULE* ring)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = count;
    config.ItemSize = size;
    config.Mode = RingBuffer_Mode_DeleteOldestIfFullOnWrite;
    return DMF_RingBuffer_Create(NULL, &attributes, NULL, ring);
}

TEST(the_largest_ring_has_one_byte_less_than_4_gib)
{
    DMFMODULE ring = NULL;
    UCHAR* bytes = malloc(0x10000);
    ULONG total = 0;

    REQUIRE(bytes != NULL);
    CHECK_STATUS(ring_create(0x10000, 0x10000, &ring), STATUS_INTEGER_OVERFLOW);
    CHECK_STATUS(ring_create(0xFFFFFFFF, 2, &ring), STATUS_INTEGER_OVERFLOW);
    CHECK_POINTER(ring, NULL);
    if (MEMORY_IS_TAKEN_AT_ONCE)
    {
        free(bytes);
        return;
    }
    /* 65535 * 65537 = 2^32 - 1. */
    if (CHECK_SUCCESS(ring_create(0x10001, 0xFFFF, &ring)))
    {
        DMF_RingBuffer_TotalSizeGet(ring, &total);
        CHECK_EQUAL(total, 0xFFFFFFFF);
        memset(bytes, 0x5A, 0xFFFF);
        CHECK_SUCCESS(DMF_RingBuffer_Write(ring, bytes, 0xFFFF));
        memset(bytes, 0, 0xFFFF);
        CHECK_SUCCESS(DMF_RingBuffer_Read(ring, bytes, 0xFFFF));
        CHECK_ALL_BYTES(bytes, 0x5A, 0xFFFF);
        WdfObjectDelete((WDFOBJECT)ring);
    }
    free(bytes);
}

static NTSTATUS pool_create(ULONG count, ULONG size, ULONG context_size, DMFMODULE* pool)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Source;
    config.Mode.SourceSettings =
        (BufferPool_SourceSettings){.BufferCount = count, .BufferSize = size, .BufferContextSize = context_size};
    return DMF_BufferPool_Create(NULL, &attributes, NULL, pool);
}

TEST(the_largest_buffer_is_4_gib_and_what_memory_does_not_hold_is_refused)
{
    DMFMODULE pool = NULL;
    VOID* buffer = NULL;
    VOID* context = NULL;

    /* 2^64 bytes: the sum is checked before anything is asked for. */
    CHECK_STATUS(pool_create(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, &pool), STATUS_INSUFFICIENT_RESOURCES);
    CHECK_STATUS(pool_create(0x10000, 0xFFFFFFFF, 0, &pool), STATUS_INSUFFICIENT_RESOURCES);
    CHECK_POINTER(pool, NULL);
    /* The buffer is zeroed when it is given back, which takes its memory. */
    if (available_mib() < 6144)
    {
        printf("    skipped: %llu MiB of memory are available, 6144 are needed\n", available_mib());
        return;
    }
    if (!MEMORY_IS_TAKEN_AT_ONCE && CHECK_SUCCESS(pool_create(1, 0xFFFFFFFF, 8, &pool)))
    {
        CHECK_SUCCESS(DMF_BufferPool_Get(pool, &buffer, &context));
        ((UCHAR*)buffer)[0xFFFFFFFE] = 1;
        ((UCHAR*)context)[7] = 1;
        CHECK_EQUAL((UCHAR*)context - (UCHAR*)buffer >= 0xFFFFFFFF, 1);
        WdfObjectDelete((WDFOBJECT)pool);
        DMF_BufferPool_Put(pool, buffer);
    }
}

TEST(a_pool_of_a_million_buffers_gives_each_once)
{
    unsigned count = harness_rounds(1000000);
    DMFMODULE pool = NULL;
    VOID* first = NULL;
    VOID* last = NULL;
    VOID* buffer = NULL;

    REQUIRE_SUCCESS(pool_create(count, 16, 0, &pool));
    CHECK_EQUAL(DMF_BufferPool_Count(pool), count);
    for (unsigned i = 0; i < count; i++)
    {
        REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, NULL));
        *(VOID**)buffer = last;
        first = i == 0 ? buffer : first;
        last = buffer;
    }
    CHECK_STATUS(DMF_BufferPool_Get(pool, &buffer, NULL), STATUS_UNSUCCESSFUL);
    /* The chain through the buffers has them all: none was given twice. */
    for (unsigned i = 0; i < count; i++)
    {
        VOID* next = *(VOID**)last;
        REQUIRE((next == NULL) == (i == count - 1));
        DMF_BufferPool_Put(pool, last);
        last = next;
    }
    CHECK_EQUAL(DMF_BufferPool_Count(pool), count);
    CHECK(first != NULL);
    WdfObjectDelete((WDFOBJECT)pool);
}

TEST(a_context_that_is_too_large_is_refused)
{
    static const WDF_OBJECT_CONTEXT_TYPE_INFO huge = {sizeof(huge), "HUGE", SIZE_MAX, &huge, NULL};
    static const WDF_OBJECT_CONTEXT_TYPE_INFO large = {sizeof(large), "LARGE", SIZE_MAX / 4, &large, NULL};
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;

    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.ContextTypeInfo = &huge;
    CHECK_STATUS(DMF_Device_Create(&attributes, &device), STATUS_INVALID_PARAMETER);
    attributes.ContextTypeInfo = &large;
    CHECK_STATUS(DMF_Device_Create(&attributes, &device), STATUS_INSUFFICIENT_RESOURCES);
    CHECK_POINTER(device, NULL);
    MISUSE_IGNORE();
}

/* ------------------------------------------------------------------------------------------------ Requests */

#define READ ContinuousRequestTarget_RequestType_Read

static atomic_uint canceled;

static VOID CountsCanceled(DMFMODULE Module, VOID* Context, VOID* Input, size_t InputBytes, VOID* Output,
                           size_t OutputBytes, NTSTATUS Status)
{
    (void)Module, (void)Context, (void)Input, (void)InputBytes, (void)Output, (void)OutputBytes;
    if (Status == STATUS_CANCELLED)
    {
        atomic_fetch_add(&canceled, 1);
    }
}

TEST(a_million_requests_are_pending_at_a_target_and_all_end)
{
    unsigned count = harness_rounds(1000000);
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    CLIENT_TARGET target;
    WDFDEVICE device = NULL;
    DMFMODULE module = NULL;
    static UCHAR out[8];

    atomic_store(&canceled, 0);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    client_target_open(&target, device, CLIENT_TARGET_PENDS_CANCELABLE);
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &module));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target.Target));
    /* The target's callback does not get past the first: the others wait. */
    pthread_mutex_lock(&client_targets.Lock);
    for (unsigned i = 0; i < count; i++)
    {
        NTSTATUS status = DMF_ContinuousRequestTarget_Send(module, NULL, 0, out, sizeof(out), READ, 0, 0, CountsCanceled, NULL);
        if (status != STATUS_SUCCESS)
        {
            CHECK_STATUS(status, STATUS_SUCCESS);
            break;
        }
    }
    /* The target finishes a few with its callback, and those that it could not keep fail; the rest is canceled. */
    pthread_mutex_unlock(&client_targets.Lock);
    WdfObjectDelete(module);
    CHECK(atomic_load(&canceled) <= count && atomic_load(&canceled) > 0);
    client_target_close(&target);
    WdfObjectDelete(device);
}

TEST(a_queue_for_requests_takes_as_many_as_it_was_made_for)
{
    unsigned count = harness_rounds(100000);
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    DMFMODULE module = NULL;
    WDFREQUEST request = NULL;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.MaximumNumberOfPendingRequests = (LONG)count;
    REQUIRE_SUCCESS(DMF_NotifyUserWithRequest_Create(device, &attributes, NULL, &module));
    for (unsigned i = 0; i < count; i++)
    {
        REQUIRE_SUCCESS(DMF_Request_Create(device, NULL, 0, NULL, 0, 0, NULL, NULL, &request));
        REQUIRE_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(module, request));
    }
    REQUIRE_SUCCESS(DMF_Request_Create(device, NULL, 0, NULL, 0, 0, NULL, NULL, &request));
    CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(module, request), STATUS_INVALID_DEVICE_STATE);
    WdfObjectDelete(device);

    /* A limit of 2^31 - 1 takes no memory for what is not there. */
    config.MaximumNumberOfPendingRequests = INT32_MAX;
    REQUIRE_SUCCESS(DMF_NotifyUserWithRequest_Create(NULL, &attributes, NULL, &module));
    WdfObjectDelete((WDFOBJECT)module);
}

/* -------------------------------------------------------------------------------------------------- timers */

static VOID NeverExpires(DMFMODULE Module, VOID* Buffer, VOID* BufferContext, VOID* Context)
{
    (void)Module, (void)Buffer, (void)BufferContext, (void)Context;
    CHECK(false);
}

static size_t allocated(void)
{
#if UNDER_SANITIZER
    return 0;
#else
    return mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
}

/* Each timer is due before the one that was stopped, so each makes the timer thread look earlier. */
TEST(timers_that_are_started_and_stopped_take_no_memory)
{
    unsigned rounds = harness_rounds(1000000);
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE queue = NULL;
    VOID* buffer = NULL;
    size_t before = 0;

    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings = (BufferPool_SourceSettings){.BufferCount = 2, .BufferSize = 8, .CreateWithTimer = TRUE};
    REQUIRE_SUCCESS(DMF_BufferQueue_Create(NULL, &attributes, NULL, &queue));
    REQUIRE_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, NULL));
    REQUIRE_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, UINT64_MAX, NeverExpires, NULL));
    REQUIRE_SUCCESS(DMF_BufferQueue_Fetch(queue, &buffer, NULL));
    for (unsigned i = 0; i < rounds; i++)
    {
        if (i == 1000)
        {
            before = allocated();
        }
        REQUIRE_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(queue, buffer, 4000000000u - i, NeverExpires, NULL));
        DMF_BufferQueue_Enqueue(queue, buffer); /* not the Client's: misuse, nothing changes */
        REQUIRE_SUCCESS(DMF_BufferQueue_Dequeue(queue, &buffer, NULL));
        DMF_BufferQueue_Enqueue(queue, buffer);
        REQUIRE_SUCCESS(DMF_BufferQueue_Dequeue(queue, &buffer, NULL));
        if (i == 0)
        {
            MISUSE_IGNORE();
        }
    }
    MISUSE_IGNORE();
    if (rounds > 1000)
    {
        CHECK(allocated() < before + 65536);
    }
    WdfObjectDelete((WDFOBJECT)queue);
    DMF_BufferQueue_Reuse(queue, buffer);
}

int main(int argc, char** argv)
{
    if (argc > 1)
    {
        return strcmp(argv[1], "--all-objects") == 0 ? all_objects() : little_memory();
    }
    RUN(without_memory_objects_are_refused_and_come_back_when_others_go);
    RUN(a_slot_that_is_used_a_million_times_refuses_all_its_old_handles);
    RUN(of_many_rings_each_has_its_own_item_and_none_another_handle);
    RUN(a_tree_of_any_depth_is_deleted_without_recursion);
    RUN(a_deep_tree_is_deleted_from_a_callback_too);
    RUN(a_tree_of_any_width_is_deleted_in_time);
    RUN(the_largest_ring_has_one_byte_less_than_4_gib);
    RUN(the_largest_buffer_is_4_gib_and_what_memory_does_not_hold_is_refused);
    RUN(a_pool_of_a_million_buffers_gives_each_once);
    RUN(a_context_that_is_too_large_is_refused);
    RUN(a_million_requests_are_pending_at_a_target_and_all_end);
    RUN(a_queue_for_requests_takes_as_many_as_it_was_made_for);
    RUN(timers_that_are_started_and_stopped_take_no_memory);
    return TESTS_RESULT();
}
