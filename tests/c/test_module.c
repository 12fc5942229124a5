/* The life of a Module: attributes, Config, PostOpen and PreClose, parents, delete. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

typedef struct
{
    unsigned Number;
} MODULE_CONTEXT;
WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(MODULE_CONTEXT, ModuleContextGet)

/* The Config of a pool that can be created. */
static void pool_configure(DMF_CONFIG_BufferPool* config, DMF_MODULE_ATTRIBUTES* attributes)
{
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(config, attributes);
    config->BufferPoolMode = BufferPool_Mode_Source;
    config->Mode.SourceSettings.BufferCount = 2;
    config->Mode.SourceSettings.BufferSize = 32;
}

static DMFMODULE pool_create(WDFDEVICE device)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;
    pool_configure(&config, &attributes);
    CHECK_SUCCESS(DMF_BufferPool_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &pool));
    CHECK(pool != NULL);
    return pool;
}

static WDFDEVICE device_create(void)
{
    WDFDEVICE device = NULL;
    CHECK_SUCCESS(DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, &device));
    CHECK(device != NULL);
    return device;
}

/* --------------------------------------------------------------------------------------------- attributes */

TEST(module_attributes_start_as_the_framework_has_them)
{
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&attributes, 0xA5, sizeof(attributes));
    DMF_MODULE_ATTRIBUTES_INIT(&attributes, 24);
    CHECK_EQUAL(attributes.SizeOfHeader, sizeof(attributes));
    CHECK(attributes.ModuleConfigPointer == NULL);
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, 24);
    CHECK(attributes.InstanceCreator == NULL);
    CHECK(attributes.ClientCallbacks == NULL);
    CHECK(attributes.ResultantDmfModule == NULL);
    REQUIRE(attributes.ClientModuleInstanceName != NULL);
    CHECK(attributes.ClientModuleInstanceName[0] == '\0');
    CHECK_EQUAL(attributes.DynamicModuleImmediate, TRUE);
    CHECK_EQUAL(attributes.DynamicModule, TRUE);
    CHECK(attributes.TransportModuleAdd == NULL);
    CHECK_EQUAL(attributes.PassiveLevel, FALSE);
    CHECK_EQUAL(attributes.IsTransportModule, FALSE);
}

TEST(a_pools_attributes_know_its_create_function)
{
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&attributes, 0xA5, sizeof(attributes));
    DMF_BufferPool_ATTRIBUTES_INIT(&attributes);
    CHECK_EQUAL(attributes.SizeOfHeader, sizeof(attributes));
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, sizeof(DMF_CONFIG_BufferPool));
    CHECK(attributes.InstanceCreator == DMF_BufferPool_Create);
    CHECK(attributes.ModuleConfigPointer == NULL);
}

TEST(a_pools_config_starts_as_zeros_in_memory_that_is_not_paged)
{
    DMF_CONFIG_BufferPool config, zeros;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&config, 0xA5, sizeof(config));
    memset(&attributes, 0xA5, sizeof(attributes));
    memset(&zeros, 0, sizeof(zeros));
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    CHECK_POINTER(attributes.ModuleConfigPointer, &config);
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, sizeof(config));
    CHECK(attributes.InstanceCreator == DMF_BufferPool_Create);
    CHECK_EQUAL(config.Mode.SourceSettings.PoolType, NonPagedPoolNx);
    config.Mode.SourceSettings.PoolType = NonPagedPool;
    CHECK(memcmp(&config, &zeros, sizeof(config)) == 0);
}

TEST(a_targets_config_starts_as_zeros)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&config, 0xA5, sizeof(config));
    memset(&attributes, 0xA5, sizeof(attributes));
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    CHECK_POINTER(attributes.ModuleConfigPointer, &config);
    CHECK_EQUAL(attributes.SizeOfModuleSpecificConfig, sizeof(config));
    CHECK(attributes.InstanceCreator == DMF_ContinuousRequestTarget_Create);
    CHECK_ALL_BYTES(&config, 0, sizeof(config));
}

TEST(initialising_nothing_is_reported)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_MODULE_EVENT_CALLBACKS callbacks;

    DMF_MODULE_ATTRIBUTES_INIT(NULL, 1);
    DMF_BufferPool_ATTRIBUTES_INIT(NULL);
    DMF_ContinuousRequestTarget_ATTRIBUTES_INIT(NULL);
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(NULL, &attributes);
    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, NULL);
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(NULL, NULL);
    DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(NULL, &callbacks);
    DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&attributes, NULL);
    CHECK_MISUSE(8);
}

/* ------------------------------------------------------------------------------------------------- create */

TEST(a_module_needs_neither_device_nor_object_attributes)
{
    DMFMODULE pool = pool_create(NULL);
    CHECK(pool != NULL);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 2);
    WdfObjectDelete(pool);
}

TEST(create_without_attributes_is_refused)
{
    DMFMODULE pool = (DMFMODULE)&pool;
    CHECK_STATUS(DMF_BufferPool_Create(NULL, NULL, NULL, &pool), STATUS_INVALID_PARAMETER);
    CHECK(pool == NULL);
    CHECK_MISUSE(1);
}

TEST(create_without_a_place_for_the_handle_is_refused)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    pool_configure(&config, &attributes);
    CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
}

TEST(create_on_a_bad_device_is_refused)
{
    VOID* garbage[HARNESS_GARBAGE_MAX];
    size_t count = harness_garbage(garbage);
    WDFDEVICE stale = device_create();

    WdfObjectDelete(stale);
    garbage[count++] = stale;
    for (size_t i = 0; i < count; i++)
    {
        DMF_CONFIG_BufferPool config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE pool = (DMFMODULE)&pool;
        pool_configure(&config, &attributes);
        CHECK_STATUS(DMF_BufferPool_Create((WDFDEVICE)garbage[i], &attributes, NULL, &pool), STATUS_INVALID_HANDLE);
        CHECK(pool == NULL);
        CHECK_MISUSE(1);
    }
}

TEST(a_failed_create_leaves_null)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = (DMFMODULE)&pool;
    pool_configure(&config, &attributes);
    config.Mode.SourceSettings.BufferSize = 0;
    CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool), STATUS_INVALID_PARAMETER);
    CHECK(pool == NULL);
    MISUSE_IGNORE();
}

TEST(create_copies_the_config)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;
    VOID* buffer = NULL;
    ULONG size = 0;

    pool_configure(&config, &attributes);
    REQUIRE_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool));
    memset(&config, 0xFF, sizeof(config));
    memset(&attributes, 0xFF, sizeof(attributes));
    REQUIRE_SUCCESS(DMF_BufferPool_Get(pool, &buffer, NULL));
    DMF_BufferPool_ParametersGet(pool, buffer, NULL, NULL, &size, NULL, NULL);
    CHECK_EQUAL(size, 32);
    DMF_BufferPool_Put(pool, buffer);
    WdfObjectDelete(pool);
}

TEST(one_set_of_attributes_creates_many_modules)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE first = NULL, second = NULL;

    pool_configure(&config, &attributes);
    CHECK_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, NULL, &first));
    CHECK_SUCCESS(attributes.InstanceCreator(NULL, &attributes, NULL, &second));
    CHECK(first != second);
    WdfObjectDelete(first);
    CHECK_EQUAL(DMF_BufferPool_Count(second), 2);
    WdfObjectDelete(second);
}

TEST(without_a_config_a_module_gets_zeros)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = (DMFMODULE)&module;

    DMF_BufferPool_ATTRIBUTES_INIT(&attributes);
    /* Mode 0 is no mode of a pool. */
    CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, &module), STATUS_INVALID_PARAMETER);
    CHECK(module == NULL);
    MISUSE_IGNORE();

    DMF_ContinuousRequestTarget_ATTRIBUTES_INIT(&attributes);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &module));
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 0);
    WdfObjectDelete(module);
}

TEST(a_config_of_another_size_is_refused)
{
    static const int differences[] = {-(int)sizeof(DMF_CONFIG_BufferPool), -4, -1, 1, 4, 1000};

    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
    {
        DMF_CONFIG_BufferPool config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMFMODULE pool = (DMFMODULE)&pool;
        pool_configure(&config, &attributes);
        attributes.SizeOfModuleSpecificConfig = (ULONG)((int)sizeof(config) + differences[i]);
        CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool), STATUS_INVALID_PARAMETER);
        CHECK(pool == NULL);
        MISUSE_IGNORE();
    }
}

TEST(attributes_that_were_never_initialised_are_refused)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = (DMFMODULE)&pool;

    pool_configure(&config, &attributes);
    attributes.SizeOfHeader = 0;
    CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool), STATUS_INVALID_PARAMETER);
    CHECK(pool == NULL);
    MISUSE_IGNORE();
    attributes.SizeOfHeader = 0xA5A5A5A5;
    CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool), STATUS_INVALID_PARAMETER);
    MISUSE_IGNORE();
}

TEST(attributes_of_another_module_are_refused)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = (DMFMODULE)&module;

    pool_configure(&config, &attributes);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &module), STATUS_INVALID_PARAMETER);
    CHECK(module == NULL);
    MISUSE_IGNORE();
}

TEST(a_paged_pool_without_passive_level_is_reported_and_works)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;

    pool_configure(&config, &attributes);
    config.Mode.SourceSettings.PoolType = PagedPool;
    CHECK_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool));
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 2);
    WdfObjectDelete(pool);
}

TEST(a_paged_pool_with_passive_level_is_fine)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;

    pool_configure(&config, &attributes);
    config.Mode.SourceSettings.PoolType = PagedPool;
    attributes.PassiveLevel = TRUE;
    CHECK_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool));
    CHECK_MISUSE(0);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 2);
    WdfObjectDelete(pool);
}

/* --------------------------------------------------------------------------------- PostOpen and PreClose */

static struct
{
    unsigned PostOpens;
    unsigned PreCloses;
    DMFMODULE Opened;
    DMFMODULE Closing;
    NTSTATUS GetInPostOpen;
    NTSTATUS GetInPreClose;
    char Order[16];
} life;

static NTSTATUS get_and_put(DMFMODULE pool)
{
    VOID* buffer = NULL;
    NTSTATUS status = DMF_BufferPool_Get(pool, &buffer, NULL);
    if (NT_SUCCESS(status))
    {
        DMF_BufferPool_Put(pool, buffer);
    }
    return status;
}

static VOID PostOpened(DMFMODULE DmfModule)
{
    life.PostOpens++;
    life.Opened = DmfModule;
    life.GetInPostOpen = get_and_put(DmfModule);
}

static VOID AboutToClose(DMFMODULE DmfModule)
{
    life.PreCloses++;
    life.Closing = DmfModule;
    life.GetInPreClose = get_and_put(DmfModule);
}

static DMFMODULE pool_create_with_callbacks(WDFDEVICE device, WDF_OBJECT_ATTRIBUTES* object_attributes,
                                            EVT_DMF_MODULE_OnDeviceNotificationPreClose* pre_close)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_MODULE_EVENT_CALLBACKS callbacks;
    DMFMODULE pool = NULL;

    pool_configure(&config, &attributes);
    DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&attributes, &callbacks);
    callbacks.EvtModuleOnDeviceNotificationPostOpen = PostOpened;
    callbacks.EvtModuleOnDeviceNotificationPreClose = pre_close;
    CHECK_SUCCESS(DMF_BufferPool_Create(device, &attributes, object_attributes, &pool));
    /* The callbacks are copied, as the Config is. */
    memset(&callbacks, 0xFF, sizeof(callbacks));
    return pool;
}

TEST(the_event_callbacks_start_as_none)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_MODULE_EVENT_CALLBACKS callbacks;

    memset(&callbacks, 0xA5, sizeof(callbacks));
    DMF_MODULE_ATTRIBUTES_INIT(&attributes, 0);
    DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&attributes, &callbacks);
    CHECK(callbacks.EvtModuleOnDeviceNotificationPostOpen == NULL);
    CHECK(callbacks.EvtModuleOnDeviceNotificationPreClose == NULL);
    CHECK_POINTER(attributes.ClientCallbacks, &callbacks);
}

TEST(post_open_runs_before_create_returns_with_an_open_module)
{
    DMFMODULE pool;

    memset(&life, 0, sizeof(life));
    life.GetInPostOpen = STATUS_PENDING;
    pool = pool_create_with_callbacks(NULL, NULL, AboutToClose);
    CHECK_EQUAL(life.PostOpens, 1);
    CHECK_EQUAL(life.PreCloses, 0);
    CHECK_POINTER(life.Opened, pool);
    CHECK_SUCCESS(life.GetInPostOpen);
    WdfObjectDelete(pool);
}

TEST(pre_close_runs_once_while_the_methods_still_work)
{
    DMFMODULE pool;

    memset(&life, 0, sizeof(life));
    pool = pool_create_with_callbacks(NULL, NULL, AboutToClose);
    life.GetInPreClose = STATUS_PENDING;
    WdfObjectDelete(pool);
    CHECK_EQUAL(life.PreCloses, 1);
    CHECK_POINTER(life.Closing, pool);
    CHECK_SUCCESS(life.GetInPreClose);
    WdfObjectDelete(pool);
    CHECK_EQUAL(life.PreCloses, 1);
    CHECK_MISUSE(1);
}

TEST(pre_close_runs_when_the_device_is_deleted)
{
    WDFDEVICE device = device_create();

    memset(&life, 0, sizeof(life));
    (void)pool_create_with_callbacks(device, NULL, AboutToClose);
    WdfObjectDelete(device);
    CHECK_EQUAL(life.PreCloses, 1);
    CHECK_SUCCESS(life.GetInPreClose);
}

TEST(a_create_that_fails_calls_neither)
{
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_MODULE_EVENT_CALLBACKS callbacks;
    DMFMODULE pool = NULL;

    memset(&life, 0, sizeof(life));
    pool_configure(&config, &attributes);
    config.Mode.SourceSettings.BufferSize = 0;
    DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT(&attributes, &callbacks);
    callbacks.EvtModuleOnDeviceNotificationPostOpen = PostOpened;
    callbacks.EvtModuleOnDeviceNotificationPreClose = AboutToClose;
    CHECK_STATUS(DMF_BufferPool_Create(NULL, &attributes, NULL, &pool), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(life.PostOpens, 0);
    CHECK_EQUAL(life.PreCloses, 0);
    MISUSE_IGNORE();
}

TEST(either_callback_may_be_missing)
{
    DMFMODULE pool;
    memset(&life, 0, sizeof(life));
    pool = pool_create_with_callbacks(NULL, NULL, NULL);
    CHECK_EQUAL(life.PostOpens, 1);
    WdfObjectDelete(pool);
}

static VOID DeletesItself(DMFMODULE DmfModule)
{
    life.PreCloses++;
    WdfObjectDelete(DmfModule);
}

TEST(deleting_a_module_in_its_pre_close_is_a_second_delete)
{
    DMFMODULE pool;

    memset(&life, 0, sizeof(life));
    pool = pool_create_with_callbacks(NULL, NULL, DeletesItself);
    WdfObjectDelete(pool);
    CHECK_EQUAL(life.PreCloses, 1);
    CHECK_MISUSE(1);
}

static VOID ClosingA(DMFMODULE DmfModule)
{
    UNREFERENCED_PARAMETER(DmfModule);
    strcat(life.Order, "a");
}

static VOID ClosingB(DMFMODULE DmfModule)
{
    UNREFERENCED_PARAMETER(DmfModule);
    strcat(life.Order, "b");
}

TEST(of_two_modules_of_a_device_the_later_closes_first)
{
    WDFDEVICE device = device_create();

    memset(&life, 0, sizeof(life));
    (void)pool_create_with_callbacks(device, NULL, ClosingA);
    (void)pool_create_with_callbacks(device, NULL, ClosingB);
    WdfObjectDelete(device);
    CHECK(strcmp(life.Order, "ba") == 0);
}

TEST(a_parent_module_closes_before_its_child)
{
    WDF_OBJECT_ATTRIBUTES object_attributes;
    DMFMODULE parent;

    memset(&life, 0, sizeof(life));
    parent = pool_create_with_callbacks(NULL, NULL, ClosingA);
    WDF_OBJECT_ATTRIBUTES_INIT(&object_attributes);
    object_attributes.ParentObject = parent;
    (void)pool_create_with_callbacks(NULL, &object_attributes, ClosingB);
    WdfObjectDelete(parent);
    CHECK(strcmp(life.Order, "ab") == 0);
}

/* ------------------------------------------------------------------------------------------------ parents */

TEST(a_module_knows_its_device)
{
    WDFDEVICE device = device_create();
    DMFMODULE pool = pool_create(device);
    CHECK_POINTER(DMF_ParentDeviceGet(pool), device);
    WdfObjectDelete(device);
}

TEST(a_module_without_device_has_none)
{
    DMFMODULE pool = pool_create(NULL);
    CHECK(DMF_ParentDeviceGet(pool) == NULL);
    MISUSE_IGNORE();
    WdfObjectDelete(pool);
}

TEST(a_module_that_the_program_made_has_no_parent_module)
{
    WDFDEVICE device = device_create();
    DMFMODULE pool = pool_create(device);
    CHECK(DMF_ParentModuleGet(pool) == NULL);
    MISUSE_IGNORE();
    WdfObjectDelete(device);
}

TEST(bad_handles_have_no_parents)
{
    VOID* garbage[HARNESS_GARBAGE_MAX];
    size_t count = harness_garbage(garbage);
    DMFMODULE stale = pool_create(NULL);

    WdfObjectDelete(stale);
    garbage[count++] = stale;
    garbage[count++] = NULL;
    for (size_t i = 0; i < count; i++)
    {
        CHECK(DMF_ParentDeviceGet((DMFMODULE)garbage[i]) == NULL);
        CHECK(DMF_ParentModuleGet((DMFMODULE)garbage[i]) == NULL);
        CHECK_MISUSE(2);
    }
}

/* ------------------------------------------------------------------------------------------------- delete */

static NTSTATUS get_in_cleanup;

static VOID CleanedUp(WDFOBJECT Object)
{
    VOID* buffer = NULL;
    MODULE_CONTEXT* context = ModuleContextGet(Object);
    CHECK(context != NULL && context->Number == 7);
    get_in_cleanup = DMF_BufferPool_Get((DMFMODULE)Object, &buffer, NULL);
    MISUSE_IGNORE();
}

TEST(in_its_cleanup_a_module_has_its_context_and_no_methods)
{
    WDF_OBJECT_ATTRIBUTES object_attributes;
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;

    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&object_attributes, MODULE_CONTEXT);
    object_attributes.EvtCleanupCallback = CleanedUp;
    pool_configure(&config, &attributes);
    REQUIRE_SUCCESS(DMF_BufferPool_Create(NULL, &attributes, &object_attributes, &pool));
    ModuleContextGet(pool)->Number = 7;
    get_in_cleanup = STATUS_PENDING;
    WdfObjectDelete(pool);
    CHECK_STATUS(get_in_cleanup, STATUS_INVALID_DEVICE_STATE);
}

TEST(the_methods_of_a_deleted_module_fail)
{
    DMFMODULE pool = pool_create(NULL);
    VOID* buffer = &pool;

    WdfObjectDelete(pool);
    CHECK_STATUS(DMF_BufferPool_Get(pool, &buffer, NULL), STATUS_INVALID_HANDLE);
    CHECK_POINTER(buffer, &pool);
    CHECK_EQUAL(DMF_BufferPool_Count(pool), 0);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(2);
}

TEST(modules_come_and_go_without_end)
{
    unsigned rounds = harness_rounds(2000);
    WDFDEVICE device = device_create();

    for (unsigned i = 0; i < rounds; i++)
    {
        DMFMODULE pool = pool_create(device);
        REQUIRE(pool != NULL);
        WdfObjectDelete(pool);
    }
    WdfObjectDelete(device);
}

int main(void)
{
    RUN(module_attributes_start_as_the_framework_has_them);
    RUN(a_pools_attributes_know_its_create_function);
    RUN(a_pools_config_starts_as_zeros_in_memory_that_is_not_paged);
    RUN(a_targets_config_starts_as_zeros);
    RUN(initialising_nothing_is_reported);
    RUN(a_module_needs_neither_device_nor_object_attributes);
    RUN(create_without_attributes_is_refused);
    RUN(create_without_a_place_for_the_handle_is_refused);
    RUN(create_on_a_bad_device_is_refused);
    RUN(a_failed_create_leaves_null);
    RUN(create_copies_the_config);
    RUN(one_set_of_attributes_creates_many_modules);
    RUN(without_a_config_a_module_gets_zeros);
    RUN(a_config_of_another_size_is_refused);
    RUN(attributes_that_were_never_initialised_are_refused);
    RUN(attributes_of_another_module_are_refused);
    RUN(a_paged_pool_without_passive_level_is_reported_and_works);
    RUN(a_paged_pool_with_passive_level_is_fine);
    RUN(the_event_callbacks_start_as_none);
    RUN(post_open_runs_before_create_returns_with_an_open_module);
    RUN(pre_close_runs_once_while_the_methods_still_work);
    RUN(pre_close_runs_when_the_device_is_deleted);
    RUN(a_create_that_fails_calls_neither);
    RUN(either_callback_may_be_missing);
    RUN(deleting_a_module_in_its_pre_close_is_a_second_delete);
    RUN(of_two_modules_of_a_device_the_later_closes_first);
    RUN(a_parent_module_closes_before_its_child);
    RUN(a_module_knows_its_device);
    RUN(a_module_without_device_has_none);
    RUN(a_module_that_the_program_made_has_no_parent_module);
    RUN(bad_handles_have_no_parents);
    RUN(in_its_cleanup_a_module_has_its_context_and_no_methods);
    RUN(the_methods_of_a_deleted_module_fail);
    RUN(modules_come_and_go_without_end);
    return TESTS_RESULT();
}
