/* Objects: devices, contexts, references, parents and children, and every way to get a handle wrong. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <stdatomic.h>
#include <sys/wait.h>

typedef struct
{
    unsigned Number;
    char Text[60];
} FIRST_CONTEXT;
WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(FIRST_CONTEXT, FirstContextGet)

typedef struct
{
    unsigned Number;
} SECOND_CONTEXT;
WDF_DECLARE_CONTEXT_TYPE(SECOND_CONTEXT)

static WDFDEVICE device_create(void)
{
    WDFDEVICE device = NULL;
    CHECK_SUCCESS(DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, &device));
    CHECK(device != NULL);
    return device;
}

/* A pool of one buffer, the smallest Module there is. */
static NTSTATUS pool_create(WDFDEVICE device, WDF_OBJECT_ATTRIBUTES* object_attributes, DMFMODULE* pool)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Source;
    config.Mode.SourceSettings.BufferCount = 1;
    config.Mode.SourceSettings.BufferSize = 32;
    return DMF_BufferPool_Create(device, &attributes, object_attributes, pool);
}

/* ---------------------------------------------------------------------------------------------- callbacks */

/* The order in which callbacks ran, one letter each. */
static pthread_mutex_t events_lock = PTHREAD_MUTEX_INITIALIZER;
static char events[64];

static void events_clear(void)
{
    memset(events, 0, sizeof(events));
}

static void event(char letter)
{
    pthread_mutex_lock(&events_lock);
    if (strlen(events) + 1 < sizeof(events))
    {
        events[strlen(events)] = letter;
    }
    pthread_mutex_unlock(&events_lock);
}

static VOID CleanedUp(WDFOBJECT Object)
{
    FIRST_CONTEXT* context = FirstContextGet(Object);
    event('c');
    CHECK(context != NULL && context->Number == 42);
}

static VOID Destroyed(WDFOBJECT Object)
{
    FIRST_CONTEXT* context = FirstContextGet(Object);
    event('d');
    CHECK(context != NULL && context->Number == 42);
}

static VOID CleanedUpA(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
    event('a');
}

static VOID CleanedUpB(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
    event('b');
}

static VOID CleanedUpC(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
    event('c');
}

/* ------------------------------------------------------------------------------------------------ devices */

TEST(a_device_needs_no_attributes)
{
    WDFDEVICE device = NULL;
    CHECK_SUCCESS(DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, &device));
    CHECK(device != NULL);
    WdfObjectDelete(device);
}

TEST(creating_a_device_without_a_place_for_its_handle_is_refused)
{
    CHECK_STATUS(DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
}

TEST(attributes_start_as_the_framework_has_them)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    memset(&attributes, 0xA5, sizeof(attributes));
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    CHECK_EQUAL(attributes.Size, sizeof(attributes));
    CHECK(attributes.EvtCleanupCallback == NULL);
    CHECK(attributes.EvtDestroyCallback == NULL);
    CHECK_EQUAL(attributes.ExecutionLevel, WdfExecutionLevelInheritFromParent);
    CHECK_EQUAL(attributes.SynchronizationScope, WdfSynchronizationScopeInheritFromParent);
    CHECK(attributes.ParentObject == NULL);
    CHECK_EQUAL(attributes.ContextSizeOverride, 0);
    CHECK(attributes.ContextTypeInfo == NULL);
}

TEST(initialising_no_attributes_does_nothing)
{
    WDF_OBJECT_ATTRIBUTES_INIT(NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
}

/* ----------------------------------------------------------------------------------------------- contexts */

TEST(a_context_is_zeros_aligned_and_always_at_the_same_place)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    FIRST_CONTEXT* context;

    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, FIRST_CONTEXT);
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
    context = FirstContextGet(device);
    REQUIRE(context != NULL);
    CHECK_ALL_BYTES(context, 0, sizeof(*context));
    CHECK_EQUAL((uintptr_t)context % _Alignof(max_align_t), 0);
    memset(context, 0x11, sizeof(*context));
    CHECK_POINTER(FirstContextGet(device), context);
    CHECK_POINTER(WdfObjectGetTypedContext(device, FIRST_CONTEXT), context);
    WdfObjectDelete(device);
}

TEST(a_context_can_be_larger_than_its_type)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    unsigned char* context;

    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, SECOND_CONTEXT);
    attributes.ContextSizeOverride = 1000;
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
    context = (unsigned char*)WdfObjectGet_SECOND_CONTEXT(device);
    REQUIRE(context != NULL);
    CHECK_ALL_BYTES(context, 0, 1000);
    memset(context, 0xFF, 1000);
    WdfObjectDelete(device);
}

TEST(a_context_of_another_type_is_null)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;

    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, FIRST_CONTEXT);
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
    CHECK(FirstContextGet(device) != NULL);
    CHECK(WdfObjectGet_SECOND_CONTEXT(device) == NULL);
    MISUSE_IGNORE();
    WdfObjectDelete(device);
}

TEST(an_object_without_context_gives_null)
{
    WDFDEVICE device = device_create();
    CHECK(FirstContextGet(device) == NULL);
    MISUSE_IGNORE();
    WdfObjectDelete(device);
}

TEST(a_module_has_a_context_too)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;
    FIRST_CONTEXT* context;

    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, FIRST_CONTEXT);
    REQUIRE_SUCCESS(pool_create(NULL, &attributes, &pool));
    context = FirstContextGet(pool);
    REQUIRE(context != NULL);
    CHECK_ALL_BYTES(context, 0, sizeof(*context));
    WdfObjectDelete(pool);
}

TEST(the_context_of_a_bad_handle_is_null)
{
    VOID* garbage[HARNESS_GARBAGE_MAX];
    size_t count = harness_garbage(garbage);
    WDFDEVICE device = device_create();

    CHECK(FirstContextGet(NULL) == NULL);
    CHECK_MISUSE(1);
    for (size_t i = 0; i < count; i++)
    {
        CHECK(FirstContextGet(garbage[i]) == NULL);
        CHECK_MISUSE(1);
    }
    WdfObjectDelete(device);
    CHECK(FirstContextGet(device) == NULL);
    CHECK_MISUSE(1);
}

TEST(a_context_type_of_null_gives_null)
{
    WDFDEVICE device = device_create();
    CHECK(WdfObjectGetTypedContextWorker(device, NULL) == NULL);
    CHECK_MISUSE(1);
    WdfObjectDelete(device);
}

/* ---------------------------------------------------------------------------------------------- callbacks */

TEST(delete_calls_cleanup_then_destroy_with_the_context_intact)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;

    events_clear();
    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, FIRST_CONTEXT);
    attributes.EvtCleanupCallback = CleanedUp;
    attributes.EvtDestroyCallback = Destroyed;
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
    FirstContextGet(device)->Number = 42;
    CHECK_CONTAINS(events, "");
    WdfObjectDelete(device);
    CHECK(strcmp(events, "cd") == 0);
}

TEST(a_reference_keeps_the_context_until_it_is_given_back)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    FIRST_CONTEXT* context;

    events_clear();
    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, FIRST_CONTEXT);
    attributes.EvtCleanupCallback = CleanedUp;
    attributes.EvtDestroyCallback = Destroyed;
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
    context = FirstContextGet(device);
    context->Number = 42;
    WdfObjectReference(device);
    WdfObjectDelete(device);
    CHECK(strcmp(events, "c") == 0);
    CHECK_POINTER(FirstContextGet(device), context);
    context->Text[0] = 'x';
    WdfObjectDereference(device);
    CHECK(strcmp(events, "cd") == 0);
    CHECK(FirstContextGet(device) == NULL);
    CHECK_MISUSE(1);
}

TEST(a_reference_does_not_keep_a_deleted_module_working)
{
    DMFMODULE pool = NULL;
    VOID* buffer = NULL;

    REQUIRE_SUCCESS(pool_create(NULL, NULL, &pool));
    WdfObjectReference(pool);
    WdfObjectDelete(pool);
    CHECK(!NT_SUCCESS(DMF_BufferPool_Get(pool, &buffer, NULL)));
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 0);
    MISUSE_IGNORE();
    WdfObjectDereference(pool);
}

TEST(references_that_are_given_back_leave_the_object_alone)
{
    WDFDEVICE device = device_create();
    DMFMODULE pool = NULL;

    for (int i = 0; i < 10; i++)
    {
        WdfObjectReference(device);
    }
    for (int i = 0; i < 10; i++)
    {
        WdfObjectDereference(device);
    }
    CHECK_SUCCESS(pool_create(device, NULL, &pool));
    WdfObjectDelete(device);
}

TEST(giving_back_a_reference_that_nobody_took_leaves_the_object_alone)
{
    WDFDEVICE device = device_create();
    DMFMODULE pool = NULL;

    WdfObjectDereference(device);
    CHECK_MISUSE(1);
    CHECK_SUCCESS(pool_create(device, NULL, &pool));
    WdfObjectDelete(device);
}

static WDFOBJECT deleted_in_cleanup;

static VOID DeletesItself(WDFOBJECT Object)
{
    event('s');
    WdfObjectDelete(Object);
    WdfObjectDelete(deleted_in_cleanup);
}

TEST(an_object_that_deletes_itself_in_its_cleanup_is_deleted_once)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;

    events_clear();
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.EvtCleanupCallback = DeletesItself;
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
    deleted_in_cleanup = device;
    WdfObjectDelete(device);
    CHECK(strcmp(events, "s") == 0);
    CHECK_MISUSE(2);
}

/* --------------------------------------------------------------------------------------- parents, children */

TEST(deleting_a_device_deletes_its_modules)
{
    WDFDEVICE device = device_create();
    DMFMODULE pool = NULL;
    VOID* buffer;

    REQUIRE_SUCCESS(pool_create(device, NULL, &pool));
    WdfObjectDelete(device);
    CHECK_STATUS(DMF_BufferPool_Get(pool, &buffer, NULL), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

TEST(deleting_a_parent_object_deletes_what_names_it_as_parent)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = device_create();
    DMFMODULE parent = NULL, child = NULL;
    VOID* buffer;

    REQUIRE_SUCCESS(pool_create(device, NULL, &parent));
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.ParentObject = parent;
    REQUIRE_SUCCESS(pool_create(device, &attributes, &child));
    WdfObjectDelete(parent);
    CHECK_STATUS(DMF_BufferPool_Get(child, &buffer, NULL), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    WdfObjectDelete(device);
}

TEST(a_device_can_be_the_child_of_a_device)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE parent = device_create();
    WDFDEVICE child = NULL;

    events_clear();
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.ParentObject = parent;
    attributes.EvtCleanupCallback = CleanedUpA;
    REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &child));
    WdfObjectDelete(parent);
    CHECK(strcmp(events, "a") == 0);
    WdfObjectDelete(child);
    CHECK_MISUSE(1);
}

TEST(children_are_deleted_in_reverse_order)
{
    static EVT_WDF_OBJECT_CONTEXT_CLEANUP* const callbacks[] = {CleanedUpA, CleanedUpB, CleanedUpC};
    WDFDEVICE device = device_create();

    events_clear();
    for (size_t i = 0; i < 3; i++)
    {
        WDF_OBJECT_ATTRIBUTES attributes;
        DMFMODULE pool = NULL;
        WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
        attributes.EvtCleanupCallback = callbacks[i];
        REQUIRE_SUCCESS(pool_create(device, &attributes, &pool));
    }
    WdfObjectDelete(device);
    CHECK(strcmp(events, "cba") == 0);
}

TEST(a_deleted_child_is_no_longer_its_parents)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = device_create();
    DMFMODULE pool = NULL;

    events_clear();
    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.EvtCleanupCallback = CleanedUpA;
    REQUIRE_SUCCESS(pool_create(device, &attributes, &pool));
    WdfObjectDelete(pool);
    CHECK(strcmp(events, "a") == 0);
    WdfObjectDelete(device);
    CHECK(strcmp(events, "a") == 0);
}

TEST(a_parent_that_is_no_object_is_refused)
{
    VOID* garbage[HARNESS_GARBAGE_MAX];
    size_t count = harness_garbage(garbage);
    WDFDEVICE stale = device_create();

    WdfObjectDelete(stale);
    garbage[count++] = stale;
    for (size_t i = 0; i < count; i++)
    {
        WDF_OBJECT_ATTRIBUTES attributes;
        DMFMODULE pool = (DMFMODULE)&attributes;
        WDFDEVICE device = NULL;

        WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
        attributes.ParentObject = garbage[i];
        CHECK_STATUS(pool_create(NULL, &attributes, &pool), STATUS_INVALID_HANDLE);
        CHECK(pool == NULL);
        CHECK_MISUSE(1);
        CHECK_STATUS(DMF_Device_Create(&attributes, &device), STATUS_INVALID_HANDLE);
        CHECK_MISUSE(1);
    }
}

TEST(a_tree_of_objects_goes_as_a_whole)
{
    enum { DEPTH = 50 };
    DMFMODULE pools[DEPTH] = {NULL};
    WDFDEVICE device = device_create();
    WDFOBJECT parent = device;

    for (int i = 0; i < DEPTH; i++)
    {
        WDF_OBJECT_ATTRIBUTES attributes;
        WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
        attributes.ParentObject = parent;
        REQUIRE_SUCCESS(pool_create(device, &attributes, &pools[i]));
        parent = pools[i];
    }
    WdfObjectDelete(device);
    for (int i = 0; i < DEPTH; i++)
    {
        CHECK_EQUAL(DMF_BufferPool_Count(pools[i]), 0);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    }
    CHECK_MISUSE(DEPTH);
}

/* -------------------------------------------------------------------------------------------- bad handles */

TEST(a_second_delete_is_reported_and_does_nothing)
{
    WDFDEVICE device = device_create();
    WdfObjectDelete(device);
    CHECK_MISUSE(0);
    WdfObjectDelete(device);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_CONTAINS(harness.MisuseMethod, "WdfObjectDelete");
    CHECK_POINTER(harness.MisuseHandle, device);
    CHECK_MISUSE(1);
}

TEST(null_is_no_object)
{
    WdfObjectDelete(NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    WdfObjectReference(NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    WdfObjectDereference(NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(3);
}

TEST(garbage_is_no_object)
{
    VOID* garbage[HARNESS_GARBAGE_MAX];
    size_t count = harness_garbage(garbage);

    for (size_t i = 0; i < count; i++)
    {
        WdfObjectDelete(garbage[i]);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        WdfObjectReference(garbage[i]);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        WdfObjectDereference(garbage[i]);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    }
    CHECK_MISUSE((unsigned)(3 * count));
}

TEST(numbers_near_a_handle_are_no_objects)
{
    WDFDEVICE device = device_create();

    for (int bit = 0; bit < (int)(8 * sizeof(uintptr_t)); bit++)
    {
        WDFOBJECT near = (WDFOBJECT)((uintptr_t)device ^ (uintptr_t)1 << bit);
        WdfObjectReference(near);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    }
    CHECK_MISUSE(8 * sizeof(uintptr_t));
    WdfObjectDelete(device);
}

TEST(a_pools_buffer_is_no_object)
{
    DMFMODULE pool = NULL;
    VOID* buffer = NULL;

    REQUIRE_SUCCESS(pool_create(NULL, NULL, &pool));
    REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, NULL));
    WdfObjectDelete(buffer);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    DMF_BufferPool_Put(pool, buffer);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 1);
    WdfObjectDelete(pool);
}

TEST(a_device_is_no_module)
{
    WDFDEVICE device = device_create();
    VOID* buffer = device;

    CHECK_STATUS(DMF_BufferPool_Get((DMFMODULE)device, &buffer, NULL), STATUS_INVALID_HANDLE);
    CHECK_POINTER(buffer, device);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start((DMFMODULE)device), STATUS_INVALID_HANDLE);
    CHECK(DMF_ParentDeviceGet((DMFMODULE)device) == NULL);
    CHECK(DMF_ParentModuleGet((DMFMODULE)device) == NULL);
    CHECK_MISUSE(4);
    WdfObjectDelete(device);
}

TEST(a_module_is_no_device)
{
    DMFMODULE pool = NULL, other = (DMFMODULE)&pool;

    REQUIRE_SUCCESS(pool_create(NULL, NULL, &pool));
    CHECK_STATUS(pool_create((WDFDEVICE)pool, NULL, &other), STATUS_INVALID_HANDLE);
    CHECK(other == NULL);
    CHECK_MISUSE(1);
    WdfObjectDelete(pool);
}

TEST(memory_of_a_bad_handle_is_null)
{
    VOID* garbage[HARNESS_GARBAGE_MAX];
    size_t count = harness_garbage(garbage);
    WDFDEVICE device = device_create();

    garbage[count++] = NULL;
    garbage[count++] = device;
    for (size_t i = 0; i < count; i++)
    {
        size_t size = 77;
        CHECK(WdfMemoryGetBuffer((WDFMEMORY)garbage[i], &size) == NULL);
    }
    CHECK_MISUSE((unsigned)count);
    WdfObjectDelete(device);
}

TEST(a_handle_is_never_given_to_another_object)
{
    unsigned rounds = harness_rounds(20000);
    WDFDEVICE first = device_create();

    WdfObjectDelete(first);
    for (unsigned i = 0; i < rounds; i++)
    {
        WDFDEVICE device = NULL;
        REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
        REQUIRE(device != first);
        WdfObjectDelete(device);
    }
    WdfObjectReference(first);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

TEST(a_stale_handle_does_not_reach_the_object_that_took_its_place)
{
    WDFDEVICE stale[100];
    WDFDEVICE fresh[100];

    for (int i = 0; i < 100; i++)
    {
        stale[i] = device_create();
    }
    for (int i = 0; i < 100; i++)
    {
        WdfObjectDelete(stale[i]);
    }
    for (int i = 0; i < 100; i++)
    {
        fresh[i] = device_create();
    }
    for (int i = 0; i < 100; i++)
    {
        WdfObjectDelete(stale[i]);
    }
    CHECK_MISUSE(100);
    for (int i = 0; i < 100; i++)
    {
        WdfObjectDelete(fresh[i]);
    }
    CHECK_MISUSE(0);
}

TEST(many_objects_live_at_once)
{
    unsigned count = harness_rounds(3000);
    WDFDEVICE* devices = calloc(count, sizeof(*devices));

    REQUIRE(devices != NULL);
    for (unsigned i = 0; i < count; i++)
    {
        WDF_OBJECT_ATTRIBUTES attributes;
        WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, SECOND_CONTEXT);
        CHECK_SUCCESS(DMF_Device_Create(&attributes, &devices[i]));
        WdfObjectGet_SECOND_CONTEXT(devices[i])->Number = i;
    }
    for (unsigned i = 0; i < count; i++)
    {
        CHECK_EQUAL(WdfObjectGet_SECOND_CONTEXT(devices[i])->Number, i);
    }
    for (unsigned i = 0; i < count; i++)
    {
        WdfObjectDelete(devices[i]);
    }
    free(devices);
}

/* ------------------------------------------------------------------------------------------------ threads */

static atomic_uint cleanups;

static VOID CountsCleanups(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
    atomic_fetch_add(&cleanups, 1);
}

static pthread_barrier_t start_line;

static void* deletes(void* object)
{
    pthread_barrier_wait(&start_line);
    WdfObjectDelete(object);
    return NULL;
}

TEST(of_many_threads_that_delete_an_object_one_does)
{
    enum { THREADS = 4 };
    unsigned rounds = harness_rounds(200);

    pthread_barrier_init(&start_line, NULL, THREADS);
    atomic_store(&cleanups, 0);
    for (unsigned round = 0; round < rounds; round++)
    {
        WDF_OBJECT_ATTRIBUTES attributes;
        pthread_t threads[THREADS];
        WDFDEVICE device = NULL;

        WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
        attributes.EvtCleanupCallback = CountsCleanups;
        REQUIRE_SUCCESS(DMF_Device_Create(&attributes, &device));
        for (int i = 0; i < THREADS; i++)
        {
            pthread_create(&threads[i], NULL, deletes, device);
        }
        for (int i = 0; i < THREADS; i++)
        {
            pthread_join(threads[i], NULL);
        }
    }
    pthread_barrier_destroy(&start_line);
    CHECK_EQUAL(atomic_load(&cleanups), rounds);
    CHECK_MISUSE((THREADS - 1) * rounds);
}

static void* creates_and_deletes(void* failed)
{
    unsigned rounds = harness_rounds(2000);
    for (unsigned i = 0; i < rounds; i++)
    {
        WDFDEVICE device = NULL;
        DMFMODULE pool = NULL;
        VOID* buffer = NULL;

        if (!NT_SUCCESS(DMF_Device_Create(NULL, &device)) || !NT_SUCCESS(pool_create(device, NULL, &pool)) ||
            !NT_SUCCESS(DMF_BufferPool_Get(pool, &buffer, NULL)) || buffer == NULL)
        {
            atomic_fetch_add((atomic_uint*)failed, 1);
            continue;
        }
        DMF_BufferPool_Put(pool, buffer);
        WdfObjectDelete(device);
    }
    return NULL;
}

TEST(threads_create_and_delete_their_own_objects)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    atomic_uint failed = 0;

    for (int i = 0; i < THREADS; i++)
    {
        pthread_create(&threads[i], NULL, creates_and_deletes, &failed);
    }
    for (int i = 0; i < THREADS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQUAL(atomic_load(&failed), 0);
}

TEST(after_fork_the_childs_calls_fail)
{
    WDFDEVICE device = device_create();
    DMFMODULE pool = NULL;
    int child_status = 0;
    pid_t child;

    REQUIRE_SUCCESS(pool_create(device, NULL, &pool));
    fflush(stdout);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
    {
        VOID* buffer = NULL;
        NTSTATUS status = DMF_BufferPool_Get(pool, &buffer, NULL);
        _exit(status == STATUS_INVALID_DEVICE_STATE ? 0 : 1);
    }
    CHECK_EQUAL(waitpid(child, &child_status, 0), child);
    CHECK(WIFEXITED(child_status) && WEXITSTATUS(child_status) == 0);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 1);
    WdfObjectDelete(device);
}

int main(void)
{
    RUN(a_device_needs_no_attributes);
    RUN(creating_a_device_without_a_place_for_its_handle_is_refused);
    RUN(attributes_start_as_the_framework_has_them);
    RUN(initialising_no_attributes_does_nothing);
    RUN(a_context_is_zeros_aligned_and_always_at_the_same_place);
    RUN(a_context_can_be_larger_than_its_type);
    RUN(a_context_of_another_type_is_null);
    RUN(an_object_without_context_gives_null);
    RUN(a_module_has_a_context_too);
    RUN(the_context_of_a_bad_handle_is_null);
    RUN(a_context_type_of_null_gives_null);
    RUN(delete_calls_cleanup_then_destroy_with_the_context_intact);
    RUN(a_reference_keeps_the_context_until_it_is_given_back);
    RUN(a_reference_does_not_keep_a_deleted_module_working);
    RUN(references_that_are_given_back_leave_the_object_alone);
    RUN(giving_back_a_reference_that_nobody_took_leaves_the_object_alone);
    RUN(an_object_that_deletes_itself_in_its_cleanup_is_deleted_once);
    RUN(deleting_a_device_deletes_its_modules);
    RUN(deleting_a_parent_object_deletes_what_names_it_as_parent);
    RUN(a_device_can_be_the_child_of_a_device);
    RUN(children_are_deleted_in_reverse_order);
    RUN(a_deleted_child_is_no_longer_its_parents);
    RUN(a_parent_that_is_no_object_is_refused);
    RUN(a_tree_of_objects_goes_as_a_whole);
    RUN(a_second_delete_is_reported_and_does_nothing);
    RUN(null_is_no_object);
    RUN(garbage_is_no_object);
    RUN(numbers_near_a_handle_are_no_objects);
    RUN(a_pools_buffer_is_no_object);
    RUN(a_device_is_no_module);
    RUN(a_module_is_no_device);
    RUN(memory_of_a_bad_handle_is_null);
    RUN(a_handle_is_never_given_to_another_object);
    RUN(a_stale_handle_does_not_reach_the_object_that_took_its_place);
    RUN(many_objects_live_at_once);
    RUN(of_many_threads_that_delete_an_object_one_does);
    RUN(threads_create_and_delete_their_own_objects);
    RUN(after_fork_the_childs_calls_fail);
    return TESTS_RESULT();
}
