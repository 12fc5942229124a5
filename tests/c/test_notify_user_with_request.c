/* NotifyUserWithRequest: Requests and data that wait for each other. */
#define _DEFAULT_SOURCE 1

#include "harness.h"

#include <stdatomic.h>

#define SEEN_MAX 64

/* ------------------------------------------------------------------------------------------------- what is seen */

/* Deliveries, cleanups and cancellations, in their order. Data is a ULONG, unless a test says otherwise. */
typedef struct
{
    WDFREQUEST Request;
    DMFMODULE Module;
    ULONG_PTR Context;
    ULONG Value;
    NTSTATUS Status;
} SEEN;

static struct
{
    pthread_mutex_t Lock;
    SEEN Deliveries[SEEN_MAX];
    ULONG DeliveryCount;
    SEEN Cleanups[SEEN_MAX];
    ULONG CleanupCount;
    SEEN Cancels[SEEN_MAX];
    ULONG CancelCount;
    /* In which order the completions came. */
    WDFREQUEST Completed[SEEN_MAX];
    ULONG CompletedCount;
    ULONG CleanupsBeforeTheLastCompletion;
    /* What the callbacks do. */
    void (*Action)(DMFMODULE module, WDFREQUEST request);
    bool HasData;
    bool CancelCompletes;
} seen = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static void seen_clear(void)
{
    pthread_mutex_lock(&seen.Lock);
    seen.DeliveryCount = seen.CleanupCount = seen.CancelCount = seen.CompletedCount = 0;
    seen.CleanupsBeforeTheLastCompletion = 0;
    seen.Action = NULL;
    seen.HasData = true;
    seen.CancelCompletes = true;
    pthread_mutex_unlock(&seen.Lock);
}

static ULONG seen_count(const ULONG* count)
{
    ULONG copy;
    pthread_mutex_lock(&seen.Lock);
    copy = *count;
    pthread_mutex_unlock(&seen.Lock);
    return copy;
}

#define DELIVERIES() seen_count(&seen.DeliveryCount)
#define CLEANUPS() seen_count(&seen.CleanupCount)
#define CANCELS() seen_count(&seen.CancelCount)

static void seen_add(SEEN* list, ULONG* count, SEEN entry)
{
    pthread_mutex_lock(&seen.Lock);
    if (*count < SEEN_MAX)
    {
        list[(*count)++] = entry;
    }
    pthread_mutex_unlock(&seen.Lock);
}

/* One callback of each name, which are one type. */
static EVT_DMF_NotifyUserWithRequest_Complete Delivered;
static EVT_DMF_NotifyUserWithRequest_Function Returned;
static EVT_DMF_NotifyUserWithRequeset_Complete RequestCanceled;

/* The Request ends with the data as its information. */
static VOID Delivered(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    SEEN entry = {Request, DmfModule, Context, seen.HasData ? *(ULONG*)Context : 0, NtStatus};

    seen_add(seen.Deliveries, &seen.DeliveryCount, entry);
    if (seen.Action != NULL)
    {
        seen.Action(DmfModule, Request);
    }
    WdfRequestCompleteWithInformation(Request, NtStatus, entry.Value);
}

static VOID Returned(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    SEEN entry = {Request, DmfModule, Context, 0, NtStatus};

    seen_add(seen.Deliveries, &seen.DeliveryCount, entry);
    if (seen.Action != NULL)
    {
        seen.Action(DmfModule, Request);
    }
    WdfRequestCompleteWithInformation(Request, NtStatus, Context);
}

static VOID RequestCanceled(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    SEEN entry = {Request, DmfModule, Context, 0, NtStatus};

    seen_add(seen.Cancels, &seen.CancelCount, entry);
    if (seen.CancelCompletes)
    {
        WdfRequestCompleteWithInformation(Request, NtStatus, 99);
    }
}

static EVT_DMF_BufferQueue_ReuseCleanup CleanedUp;

static VOID CleanedUp(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    SEEN entry = {NULL, DmfModule, (ULONG_PTR)ClientBuffer, *(ULONG*)ClientBuffer, STATUS_SUCCESS};

    UNREFERENCED_PARAMETER(ClientBufferContext);
    seen_add(seen.Cleanups, &seen.CleanupCount, entry);
}

/* --------------------------------------------------------------------------------------------- the requests */

typedef struct
{
    WDFREQUEST Request;
    atomic_int Completions;
    _Atomic NTSTATUS Status;
    _Atomic ULONG_PTR Information;
} CALLER;

static EVT_DMF_Request_Completion Completed;

static VOID Completed(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    CALLER* caller = (CALLER*)Context;

    atomic_store(&caller->Status, Status);
    atomic_store(&caller->Information, Information);
    pthread_mutex_lock(&seen.Lock);
    if (seen.CompletedCount < SEEN_MAX)
    {
        seen.Completed[seen.CompletedCount++] = Request;
    }
    seen.CleanupsBeforeTheLastCompletion = seen.CleanupCount;
    pthread_mutex_unlock(&seen.Lock);
    atomic_fetch_add(&caller->Completions, 1);
}

static void caller_create(CALLER* caller, WDFDEVICE device)
{
    memset(caller, 0, sizeof(*caller));
    CHECK_SUCCESS(DMF_Request_Create(device, NULL, 0, NULL, 0, 0, Completed, caller, &caller->Request));
}

static void check_ended(CALLER* caller, NTSTATUS status, ULONG_PTR information, int line)
{
    harness_check_equal(atomic_load(&caller->Completions), 1, __FILE__, line, "one completion");
    harness_check_status(atomic_load(&caller->Status), status, __FILE__, line, "the completion's status");
    harness_check_equal((long long)atomic_load(&caller->Information), (long long)information, __FILE__, line,
                        "the completion's information");
}

#define CHECK_ENDED(Caller, Status, Information) check_ended((Caller), (Status), (Information), __LINE__)
#define CHECK_PENDING(Caller) CHECK_EQUAL(atomic_load(&(Caller)->Completions), 0)

/* -------------------------------------------------------------------------------------------------- a module */

typedef struct
{
    WDFDEVICE Device;
    DMFMODULE Module;
} FIXTURE;

static void configure(DMF_CONFIG_NotifyUserWithRequest* config, DMF_MODULE_ATTRIBUTES* attributes, LONG requests,
                      LONG data)
{
    DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(config, attributes);
    config->MaximumNumberOfPendingRequests = requests;
    config->MaximumNumberOfPendingDataBuffers = data;
    config->SizeOfDataBuffer = sizeof(ULONG);
    config->EvtDataCleanup = CleanedUp;
}

static FIXTURE fixture_of(DMF_CONFIG_NotifyUserWithRequest* config, DMF_MODULE_ATTRIBUTES* attributes)
{
    FIXTURE fixture = {NULL, NULL};

    attributes->ModuleConfigPointer = config;
    seen_clear();
    CHECK_SUCCESS(DMF_Device_Create(NULL, &fixture.Device));
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_Create(fixture.Device, attributes, NULL, &fixture.Module));
    return fixture;
}

static FIXTURE fixture_create(LONG requests, LONG data)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;

    configure(&config, &attributes, requests, data);
    return fixture_of(&config, &attributes);
}

static FIXTURE fixture_create_canceled_by(EVT_DMF_NotifyUserWithRequest_Function* cancel, LONG requests, LONG data)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;

    configure(&config, &attributes, requests, data);
    config.EvtPendingRequestsCancel = cancel;
    return fixture_of(&config, &attributes);
}

static FIXTURE fixture_create_with_cancel_callback(LONG requests, LONG data)
{
    return fixture_create_canceled_by(RequestCanceled, requests, data);
}

static void add(const FIXTURE* fixture, CALLER* caller)
{
    caller_create(caller, fixture->Device);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture->Module, caller->Request));
}

static void process(const FIXTURE* fixture, CALLER* caller)
{
    caller_create(caller, fixture->Device);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_RequestProcess(fixture->Module, caller->Request));
}

static void post(const FIXTURE* fixture, ULONG value)
{
    DMF_NotifyUserWithRequest_DataProcess(fixture->Module, Delivered, &value, STATUS_SUCCESS);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_SUCCESS);
}

/* How many Requests still wait; takes them all. */
static ULONG drain(const FIXTURE* fixture)
{
    ULONG count = 0;
    while (NT_SUCCESS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture->Module, NULL, NULL, STATUS_UNSUCCESSFUL)))
    {
        count++;
    }
    return count;
}

/* -------------------------------------------------------------------------------------------------- create */

TEST(a_module_without_a_config_is_made_and_keeps_nothing)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;

    seen_clear();
    DMF_NotifyUserWithRequest_ATTRIBUTES_INIT(&attributes);
    REQUIRE_SUCCESS(DMF_NotifyUserWithRequest_Create(NULL, &attributes, NULL, &module));
    CHECK(module != NULL);
    CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(module), 0);
    WdfObjectDelete(module);
}

TEST(a_negative_size_of_data_is_refused)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = (DMFMODULE)&config;

    configure(&config, &attributes, 1, 1);
    config.SizeOfDataBuffer = -1;
    CHECK_STATUS(DMF_NotifyUserWithRequest_Create(NULL, &attributes, NULL, &module), STATUS_INVALID_PARAMETER);
    CHECK(module == NULL);
    config.SizeOfDataBuffer = INT32_MIN;
    CHECK_STATUS(DMF_NotifyUserWithRequest_Create(NULL, &attributes, NULL, &module), STATUS_INVALID_PARAMETER);
    MISUSE_IGNORE();
}

TEST(a_config_of_another_size_is_refused)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = (DMFMODULE)&config;

    configure(&config, &attributes, 1, 1);
    attributes.SizeOfModuleSpecificConfig = sizeof(config) + 8;
    CHECK_STATUS(DMF_NotifyUserWithRequest_Create(NULL, &attributes, NULL, &module), STATUS_INVALID_PARAMETER);
    CHECK(module == NULL);
    attributes.SizeOfModuleSpecificConfig = 1;
    CHECK_STATUS(DMF_NotifyUserWithRequest_Create(NULL, &attributes, NULL, &module), STATUS_INVALID_PARAMETER);
    MISUSE_IGNORE();
}

TEST(the_provider_name_is_accepted)
{
    static WCHAR name[] = {'d', 'm', 'f', 0};
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;

    configure(&config, &attributes, 1, 1);
    config.ClientDriverProviderName = name;
    fixture = fixture_of(&config, &attributes);
    CHECK(fixture.Module != NULL);
    WdfObjectDelete(fixture.Device);
}

/* --------------------------------------------------------------------------------------------------- order */

TEST(the_oldest_data_goes_to_the_oldest_request)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[4];

    for (int i = 0; i < 4; i++)
    {
        add(&fixture, &callers[i]);
    }
    for (ULONG i = 0; i < 4; i++)
    {
        post(&fixture, 10 + i);
    }
    for (ULONG i = 0; i < 4; i++)
    {
        CHECK_ENDED(&callers[i], STATUS_SUCCESS, 10 + i);
    }
    WdfObjectDelete(fixture.Device);
}

TEST(data_that_waits_is_taken_oldest_first)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[4];

    for (ULONG i = 0; i < 4; i++)
    {
        post(&fixture, 10 + i);
    }
    CHECK_EQUAL(DELIVERIES(), 0);
    for (ULONG i = 0; i < 4; i++)
    {
        process(&fixture, &callers[i]);
        CHECK_ENDED(&callers[i], STATUS_SUCCESS, 10 + i);
    }
    WdfObjectDelete(fixture.Device);
}

TEST(each_data_has_the_callback_and_the_status_that_came_with_it)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[3];
    ULONG value = 5;

    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, Delivered, &value, STATUS_SUCCESS);
    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, NULL, &value, STATUS_ACCESS_DENIED);
    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, Delivered, &value, STATUS_UNSUCCESSFUL);
    for (int i = 0; i < 3; i++)
    {
        process(&fixture, &callers[i]);
    }
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 5);
    CHECK_ENDED(&callers[1], STATUS_ACCESS_DENIED, 0);
    CHECK_ENDED(&callers[2], STATUS_UNSUCCESSFUL, 5);
    CHECK_EQUAL(DELIVERIES(), 2);
    WdfObjectDelete(fixture.Device);
}

/* ---------------------------------------------------------------------------------------------- the limits */

TEST(a_request_beyond_the_limit_is_refused_and_stays_the_callers)
{
    FIXTURE fixture = fixture_create(2, 1);
    CALLER callers[3];

    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    caller_create(&callers[2], fixture.Device);
    CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, callers[2].Request),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_STATUS(DMF_NotifyUserWithRequest_RequestProcess(fixture.Module, callers[2].Request),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_PENDING(&callers[2]);
    WdfRequestComplete(callers[2].Request, STATUS_ACCESS_DENIED);
    CHECK_ENDED(&callers[2], STATUS_ACCESS_DENIED, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_refused_request_may_be_submitted_later)
{
    FIXTURE fixture = fixture_create(1, 1);
    CALLER callers[2];

    add(&fixture, &callers[0]);
    caller_create(&callers[1], fixture.Device);
    CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, callers[1].Request),
                 STATUS_INVALID_DEVICE_STATE);
    post(&fixture, 1);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, callers[1].Request));
    post(&fixture, 2);
    CHECK_ENDED(&callers[1], STATUS_SUCCESS, 2);
    WdfObjectDelete(fixture.Device);
}

TEST(limit_0_refuses_all_requests)
{
    FIXTURE fixture = fixture_create(0, 1);
    CALLER caller;

    caller_create(&caller, fixture.Device);
    CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, caller.Request),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_PENDING(&caller);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_negative_limit_refuses_all_requests)
{
    FIXTURE fixture = fixture_create(-5, 1);
    CALLER caller;

    caller_create(&caller, fixture.Device);
    CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, caller.Request),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_PENDING(&caller);
    WdfObjectDelete(fixture.Device);
}

TEST(every_failure_gives_its_slot_back)
{
    FIXTURE fixture = fixture_create(1, 1);
    CALLER over, pending;

    caller_create(&over, fixture.Device);
    WdfRequestComplete(over.Request, STATUS_SUCCESS);
    for (int i = 0; i < 5; i++)
    {
        CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, NULL), STATUS_INVALID_HANDLE);
        CHECK(!NT_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, over.Request)));
        CHECK(!NT_SUCCESS(DMF_NotifyUserWithRequest_RequestProcess(fixture.Module, over.Request)));
    }
    CHECK_MISUSE(15);
    add(&fixture, &pending);
    for (int i = 0; i < 5; i++)
    {
        CHECK(!NT_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, pending.Request)));
    }
    MISUSE_IGNORE();
    CHECK_EQUAL(drain(&fixture), 1);
    add(&fixture, &pending);
    WdfObjectDelete(fixture.Device);
}

TEST(every_way_out_of_the_queue_gives_the_slot_back)
{
    FIXTURE fixture = fixture_create_with_cancel_callback(1, 1);

    for (int i = 0; i < 10; i++)
    {
        CALLER caller;

        add(&fixture, &caller);
        post(&fixture, 1);
        CHECK_ENDED(&caller, STATUS_SUCCESS, 1);
        add(&fixture, &caller);
        DMF_NotifyUserWithRequest_RequestReturn(fixture.Module, Returned, NULL, STATUS_SUCCESS);
        CHECK_ENDED(&caller, STATUS_SUCCESS, 0);
        add(&fixture, &caller);
        DMF_NotifyUserWithRequest_RequestReturnAll(fixture.Module, NULL, NULL, STATUS_SUCCESS);
        CHECK_ENDED(&caller, STATUS_SUCCESS, 0);
        add(&fixture, &caller);
        CHECK_EQUAL(DMF_Request_Cancel(caller.Request), TRUE);
        EVENTUALLY(atomic_load(&caller.Completions) == 1);
        caller_create(&caller, fixture.Device);
        CHECK_EQUAL(DMF_Request_Cancel(caller.Request), TRUE);
        CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, caller.Request));
        EVENTUALLY(atomic_load(&caller.Completions) == 1);
    }
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(requests_that_end_with_their_device_give_their_slots_back)
{
    FIXTURE fixture = fixture_create_with_cancel_callback(1, 1);
    CALLER caller;

    for (int i = 0; i < 3; i++)
    {
        WDFDEVICE other;

        REQUIRE_SUCCESS(DMF_Device_Create(NULL, &other));
        caller_create(&caller, other);
        CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, caller.Request));
        WdfObjectDelete(other);
        CHECK_ENDED(&caller, STATUS_CANCELLED, 0);
    }
    CHECK_EQUAL(CANCELS(), 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

typedef struct
{
    DMFMODULE Module;
    WDFREQUEST Next;
    NTSTATUS Status;
} COMPLETION;

static VOID AddsTheNext(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    COMPLETION* completion = (COMPLETION*)Context;

    UNREFERENCED_PARAMETER(Request);
    UNREFERENCED_PARAMETER(Status);
    UNREFERENCED_PARAMETER(Information);
    completion->Status = DMF_NotifyUserWithRequest_EventRequestAdd(completion->Module, completion->Next);
}

TEST(a_request_that_ends_with_its_device_has_given_its_slot_back_when_it_completes)
{
    FIXTURE fixture = fixture_create(1, 1);
    COMPLETION completion = {fixture.Module, NULL, STATUS_PENDING};
    CALLER caller;
    WDFDEVICE other;
    WDFREQUEST request;

    caller_create(&caller, fixture.Device);
    completion.Next = caller.Request;
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &other));
    REQUIRE_SUCCESS(DMF_Request_Create(other, NULL, 0, NULL, 0, 0, AddsTheNext, &completion, &request));
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, request));
    WdfObjectDelete(other);
    CHECK_SUCCESS(completion.Status);
    post(&fixture, 3);
    CHECK_ENDED(&caller, STATUS_SUCCESS, 3);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

static atomic_int delete_has_returned;

static void* deletes(void* module)
{
    WdfObjectDelete(module);
    atomic_store(&delete_has_returned, 1);
    return NULL;
}

static VOID WaitsForADeleteElsewhere(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    COMPLETION* completion = (COMPLETION*)Context;
    pthread_t deleter;

    UNREFERENCED_PARAMETER(Request);
    UNREFERENCED_PARAMETER(Information);
    REQUIRE(pthread_create(&deleter, NULL, deletes, completion->Module) == 0);
    pthread_join(deleter, NULL);
    completion->Status = Status;
}

TEST(a_request_that_ends_with_its_device_keeps_nobody_from_deleting_the_module_when_it_completes)
{
    FIXTURE fixture = fixture_create(1, 1);
    COMPLETION completion = {fixture.Module, NULL, STATUS_PENDING};
    WDFDEVICE other;
    WDFREQUEST request;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &other));
    REQUIRE_SUCCESS(
        DMF_Request_Create(other, NULL, 0, NULL, 0, 0, WaitsForADeleteElsewhere, &completion, &request));
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, request));
    WdfObjectDelete(other);
    CHECK_STATUS(completion.Status, STATUS_CANCELLED);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

/* ------------------------------------------------------------------------------------------------ requests */

TEST(event_request_add_never_looks_at_pending_data)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;

    post(&fixture, 1);
    add(&fixture, &caller);
    harness_sleep_milliseconds(10);
    CHECK_PENDING(&caller);
    CHECK_EQUAL(DELIVERIES(), 0);
    WdfObjectDelete(fixture.Device);
}

TEST(request_process_without_data_stays_pending)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;

    process(&fixture, &caller);
    CHECK_PENDING(&caller);
    post(&fixture, 3);
    CHECK_ENDED(&caller, STATUS_SUCCESS, 3);
    WdfObjectDelete(fixture.Device);
}

TEST(request_process_serves_the_oldest_request_first)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER first, second;

    post(&fixture, 1);
    add(&fixture, &first);
    process(&fixture, &second);
    CHECK_ENDED(&first, STATUS_SUCCESS, 1);
    CHECK_PENDING(&second);
    WdfObjectDelete(fixture.Device);
}

TEST(request_process_makes_one_attempt)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[3];

    post(&fixture, 1);
    post(&fixture, 2);
    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    process(&fixture, &callers[2]);
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 1);
    CHECK_PENDING(&callers[1]);
    CHECK_PENDING(&callers[2]);
    WdfObjectDelete(fixture.Device);
}

/* ---------------------------------------------------------------------------------------------------- data */

TEST(the_data_is_copied)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;
    ULONG value = 21;

    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, Delivered, &value, STATUS_SUCCESS);
    value = 22;
    process(&fixture, &caller);
    CHECK_ENDED(&caller, STATUS_SUCCESS, 21);
    CHECK(seen.Deliveries[0].Context != (ULONG_PTR)&value);
    WdfObjectDelete(fixture.Device);
}

TEST(data_process_completes_at_most_one_request)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[2];

    post(&fixture, 1);
    post(&fixture, 2);
    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    post(&fixture, 3);
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 1);
    CHECK_PENDING(&callers[1]);
    WdfObjectDelete(fixture.Device);
}

TEST(without_a_callback_the_request_ends_with_the_status)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;
    ULONG value = 4;

    add(&fixture, &caller);
    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, NULL, &value, STATUS_DEVICE_NOT_CONNECTED);
    CHECK_ENDED(&caller, STATUS_DEVICE_NOT_CONNECTED, 0);
    CHECK_EQUAL(CLEANUPS(), 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(when_the_queue_is_full_the_oldest_data_is_discarded_and_counted)
{
    FIXTURE fixture = fixture_create(4, 3);
    CALLER callers[4];

    for (ULONG i = 1; i <= 5; i++)
    {
        post(&fixture, i);
    }
    CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(fixture.Module), 2);
    CHECK_EQUAL(CLEANUPS(), 2);
    CHECK_EQUAL(seen.Cleanups[0].Value, 1);
    CHECK_EQUAL(seen.Cleanups[1].Value, 2);
    for (ULONG i = 0; i < 3; i++)
    {
        process(&fixture, &callers[i]);
        CHECK_ENDED(&callers[i], STATUS_SUCCESS, 3 + i);
    }
    process(&fixture, &callers[3]);
    CHECK_PENDING(&callers[3]);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(data_for_a_waiting_request_is_never_discarded)
{
    FIXTURE fixture = fixture_create(4, 1);
    CALLER callers[4];

    for (int i = 0; i < 4; i++)
    {
        add(&fixture, &callers[i]);
    }
    for (ULONG i = 0; i < 4; i++)
    {
        post(&fixture, i);
        CHECK_ENDED(&callers[i], STATUS_SUCCESS, i);
    }
    CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(fixture.Module), 0);
    WdfObjectDelete(fixture.Device);
}

TEST(with_look_aside_nothing_is_discarded)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;
    CALLER caller;

    configure(&config, &attributes, 4, 2);
    config.EnableLookAside = TRUE;
    fixture = fixture_of(&config, &attributes);
    for (ULONG i = 0; i < 500; i++)
    {
        post(&fixture, i);
    }
    CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(fixture.Module), 0);
    CHECK_EQUAL(CLEANUPS(), 0);
    for (ULONG i = 0; i < 500; i++)
    {
        process(&fixture, &caller);
        CHECK_ENDED(&caller, STATUS_SUCCESS, i);
        WdfObjectDelete(caller.Request);
    }
    WdfObjectDelete(fixture.Device);
}

TEST(data_of_size_0_is_legal_and_its_pointer_is_not_null)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;
    CALLER callers[2];
    ULONG value = 9;

    configure(&config, &attributes, 4, 4);
    config.SizeOfDataBuffer = 0;
    config.EvtDataCleanup = NULL;
    fixture = fixture_of(&config, &attributes);
    seen.HasData = false;
    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, Delivered, NULL, STATUS_SUCCESS);
    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, Delivered, &value, STATUS_SUCCESS);
    process(&fixture, &callers[0]);
    process(&fixture, &callers[1]);
    CHECK_EQUAL(DELIVERIES(), 2);
    CHECK(seen.Deliveries[0].Context != 0);
    CHECK(seen.Deliveries[1].Context != 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(data_that_is_null_is_zeros_and_reported)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;

    /* An entry that was used before must not show its old content. */
    add(&fixture, &caller);
    post(&fixture, 0xFFFFFFFF);
    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, Delivered, NULL, STATUS_SUCCESS);
    CHECK_MISUSE(1);
    process(&fixture, &caller);
    CHECK_ENDED(&caller, STATUS_SUCCESS, 0);
    WdfObjectDelete(fixture.Device);
}

static void posts_once_more(DMFMODULE module, WDFREQUEST request)
{
    ULONG value = 50;

    UNREFERENCED_PARAMETER(request);
    seen.Action = NULL;
    DMF_NotifyUserWithRequest_DataProcess(module, Delivered, &value, STATUS_SUCCESS);
}

TEST(data_posted_in_the_callback_with_every_entry_in_use_is_not_lost)
{
    FIXTURE fixture = fixture_create(4, 1);
    CALLER callers[2];

    seen.Action = posts_once_more;
    add(&fixture, &callers[0]);
    /* The only entry is being delivered when the callback posts. */
    post(&fixture, 49);
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 49);
    process(&fixture, &callers[1]);
    CHECK_ENDED(&callers[1], STATUS_SUCCESS, 50);
    CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(fixture.Module), 0);
    CHECK_EQUAL(CLEANUPS(), 2);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(data_posted_in_the_callback_goes_to_the_next_request)
{
    FIXTURE fixture = fixture_create(4, 1);
    CALLER callers[2];

    seen.Action = posts_once_more;
    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    post(&fixture, 49);
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 49);
    CHECK_ENDED(&callers[1], STATUS_SUCCESS, 50);
    CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(fixture.Module), 0);
    WdfObjectDelete(fixture.Device);
}

TEST(what_grew_in_a_callback_does_not_stay)
{
    FIXTURE fixture = fixture_create(4, 1);
    CALLER callers[2];

    seen.Action = posts_once_more;
    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    post(&fixture, 49);
    /* One entry again: the second of these replaces the first. */
    post(&fixture, 60);
    post(&fixture, 61);
    CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(fixture.Module), 1);
    WdfObjectDelete(fixture.Device);
}

static WDFDEVICE adding_device;
static CALLER added_in_callback;

static void adds_and_returns(DMFMODULE module, WDFREQUEST request)
{
    UNREFERENCED_PARAMETER(request);
    seen.Action = NULL;
    caller_create(&added_in_callback, adding_device);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(module, added_in_callback.Request));
    DMF_NotifyUserWithRequest_RequestReturn(module, Returned, (VOID*)(ULONG_PTR)8, STATUS_SUCCESS);
}

TEST(the_callback_may_call_any_method)
{
    FIXTURE fixture = fixture_create(1, 1);
    CALLER caller;

    adding_device = fixture.Device;
    seen.Action = adds_and_returns;
    add(&fixture, &caller);
    post(&fixture, 7);
    CHECK_ENDED(&caller, STATUS_SUCCESS, 7);
    CHECK_ENDED(&added_in_callback, STATUS_SUCCESS, 8);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

/* ------------------------------------------------------------------------------------------------- cleanup */

TEST(the_cleanup_callback_runs_after_every_delivery)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;

    post(&fixture, 31);
    CHECK_EQUAL(CLEANUPS(), 0);
    process(&fixture, &caller);
    CHECK_EQUAL(CLEANUPS(), 1);
    CHECK_EQUAL(seen.Cleanups[0].Value, 31);
    CHECK_POINTER(seen.Cleanups[0].Module, fixture.Module);
    CHECK_EQUAL(seen.Cleanups[0].Context, seen.Deliveries[0].Context);
    CHECK_EQUAL(seen.CleanupsBeforeTheLastCompletion, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(the_cleanup_callback_runs_when_data_is_flushed)
{
    FIXTURE fixture = fixture_create(4, 4);

    post(&fixture, 1);
    post(&fixture, 2);
    WdfObjectDelete(fixture.Module);
    CHECK_EQUAL(CLEANUPS(), 2);
    CHECK_EQUAL(seen.Cleanups[0].Value, 1);
    CHECK_EQUAL(seen.Cleanups[1].Value, 2);
    CHECK_POINTER(seen.Cleanups[0].Module, fixture.Module);
    WdfObjectDelete(fixture.Device);
}

TEST(without_a_cleanup_callback_everything_works)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;
    CALLER caller;

    configure(&config, &attributes, 4, 1);
    config.EvtDataCleanup = NULL;
    fixture = fixture_of(&config, &attributes);
    post(&fixture, 1);
    post(&fixture, 2);
    process(&fixture, &caller);
    CHECK_ENDED(&caller, STATUS_SUCCESS, 2);
    post(&fixture, 3);
    WdfObjectDelete(fixture.Device);
    CHECK_EQUAL(CLEANUPS(), 0);
}

/* -------------------------------------------------------------------------------------------------- return */

TEST(request_return_gives_the_oldest_request_to_the_callback)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[2];

    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    DMF_NotifyUserWithRequest_RequestReturn(fixture.Module, Returned, (VOID*)(ULONG_PTR)77, STATUS_UNSUCCESSFUL);
    CHECK_EQUAL(DELIVERIES(), 1);
    CHECK_POINTER(seen.Deliveries[0].Module, fixture.Module);
    CHECK_POINTER(seen.Deliveries[0].Request, callers[0].Request);
    CHECK_EQUAL(seen.Deliveries[0].Context, 77);
    CHECK_ENDED(&callers[0], STATUS_UNSUCCESSFUL, 77);
    CHECK_PENDING(&callers[1]);
    WdfObjectDelete(fixture.Device);
}

TEST(request_return_without_a_request_does_nothing)
{
    FIXTURE fixture = fixture_create(4, 4);

    DMF_NotifyUserWithRequest_RequestReturn(fixture.Module, Returned, NULL, STATUS_SUCCESS);
    DMF_NotifyUserWithRequest_RequestReturnAll(fixture.Module, Returned, NULL, STATUS_SUCCESS);
    CHECK_EQUAL(DELIVERIES(), 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(request_return_ex_says_whether_there_was_a_request)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;

    CHECK_STATUS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Module, Returned, NULL, STATUS_SUCCESS),
                 STATUS_UNSUCCESSFUL);
    add(&fixture, &caller);
    /* What it says is about the Request's presence, not its status. */
    CHECK_STATUS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Module, Returned, NULL, STATUS_ACCESS_DENIED),
                 STATUS_SUCCESS);
    CHECK_ENDED(&caller, STATUS_ACCESS_DENIED, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(returning_requests_never_consumes_data)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[4];

    post(&fixture, 1);
    add(&fixture, &callers[0]);
    DMF_NotifyUserWithRequest_RequestReturn(fixture.Module, Returned, NULL, STATUS_SUCCESS);
    add(&fixture, &callers[1]);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Module, Returned, NULL, STATUS_SUCCESS));
    add(&fixture, &callers[2]);
    DMF_NotifyUserWithRequest_RequestReturnAll(fixture.Module, Returned, NULL, STATUS_SUCCESS);
    CHECK_EQUAL(CLEANUPS(), 0);
    process(&fixture, &callers[3]);
    CHECK_ENDED(&callers[3], STATUS_SUCCESS, 1);
    WdfObjectDelete(fixture.Device);
}

TEST(returning_without_a_callback_ends_the_request_with_the_status)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[4];

    for (int i = 0; i < 4; i++)
    {
        add(&fixture, &callers[i]);
    }
    DMF_NotifyUserWithRequest_RequestReturn(fixture.Module, NULL, NULL, STATUS_ACCESS_DENIED);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Module, NULL, NULL, STATUS_UNSUCCESSFUL));
    DMF_NotifyUserWithRequest_RequestReturnAll(fixture.Module, NULL, NULL, STATUS_IO_TIMEOUT);
    CHECK_ENDED(&callers[0], STATUS_ACCESS_DENIED, 0);
    CHECK_ENDED(&callers[1], STATUS_UNSUCCESSFUL, 0);
    CHECK_ENDED(&callers[2], STATUS_IO_TIMEOUT, 0);
    CHECK_ENDED(&callers[3], STATUS_IO_TIMEOUT, 0);
    WdfObjectDelete(fixture.Device);
}

static CALLER late_callers[3];

static void adds_a_late_one(DMFMODULE module, WDFREQUEST request)
{
    static int count;

    UNREFERENCED_PARAMETER(request);
    caller_create(&late_callers[count % 3], adding_device);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(module, late_callers[count % 3].Request));
    count++;
}

TEST(request_return_all_returns_what_was_pending_when_it_began)
{
    FIXTURE fixture = fixture_create(8, 4);
    CALLER callers[3];

    adding_device = fixture.Device;
    for (int i = 0; i < 3; i++)
    {
        add(&fixture, &callers[i]);
    }
    seen.Action = adds_a_late_one;
    DMF_NotifyUserWithRequest_RequestReturnAll(fixture.Module, Returned, (VOID*)(ULONG_PTR)6, STATUS_SUCCESS);
    seen.Action = NULL;
    CHECK_EQUAL(DELIVERIES(), 3);
    for (int i = 0; i < 3; i++)
    {
        CHECK_POINTER(seen.Deliveries[i].Request, callers[i].Request);
        CHECK_EQUAL(seen.Deliveries[i].Context, 6);
        CHECK_ENDED(&callers[i], STATUS_SUCCESS, 6);
        CHECK_PENDING(&late_callers[i]);
    }
    CHECK_EQUAL(drain(&fixture), 3);
    WdfObjectDelete(fixture.Device);
}

static CALLER* canceled_in_callback;

static void cancels_and_adds(DMFMODULE module, WDFREQUEST request)
{
    seen.Action = NULL;
    CHECK_EQUAL(DMF_Request_Cancel(canceled_in_callback->Request), TRUE);
    adds_a_late_one(module, request);
}

TEST(request_return_all_returns_no_later_request_in_place_of_a_canceled_one)
{
    FIXTURE fixture = fixture_create(8, 4);
    CALLER callers[3];

    adding_device = fixture.Device;
    for (int i = 0; i < 3; i++)
    {
        add(&fixture, &callers[i]);
    }
    canceled_in_callback = &callers[1];
    seen.Action = cancels_and_adds;
    DMF_NotifyUserWithRequest_RequestReturnAll(fixture.Module, Returned, NULL, STATUS_SUCCESS);
    CHECK_EQUAL(DELIVERIES(), 2);
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 0);
    CHECK_ENDED(&callers[1], STATUS_CANCELLED, 0);
    CHECK_ENDED(&callers[2], STATUS_SUCCESS, 0);
    CHECK_EQUAL(drain(&fixture), 1);
    WdfObjectDelete(fixture.Device);
}

/* -------------------------------------------------------------------------------------------------- cancel */

TEST(a_canceled_request_leaves_the_queue_through_the_cancel_callback)
{
    FIXTURE fixture = fixture_create_with_cancel_callback(4, 4);
    CALLER callers[2];

    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    CHECK_EQUAL(DMF_Request_Cancel(callers[0].Request), TRUE);
    EVENTUALLY(atomic_load(&callers[0].Completions) == 1);
    CHECK_ENDED(&callers[0], STATUS_CANCELLED, 99);
    CHECK_EQUAL(CANCELS(), 1);
    CHECK_POINTER(seen.Cancels[0].Module, fixture.Module);
    CHECK_POINTER(seen.Cancels[0].Request, callers[0].Request);
    CHECK_EQUAL(seen.Cancels[0].Context, 0);
    CHECK_STATUS(seen.Cancels[0].Status, STATUS_CANCELLED);
    post(&fixture, 3);
    CHECK_ENDED(&callers[1], STATUS_SUCCESS, 3);
    WdfObjectDelete(fixture.Device);
}

TEST(what_the_cancel_callback_leaves_is_completed_as_canceled)
{
    FIXTURE fixture = fixture_create_with_cancel_callback(4, 4);
    CALLER caller;

    seen.CancelCompletes = false;
    add(&fixture, &caller);
    CHECK_EQUAL(DMF_Request_Cancel(caller.Request), TRUE);
    EVENTUALLY(atomic_load(&caller.Completions) == 1);
    CHECK_ENDED(&caller, STATUS_CANCELLED, 0);
    CHECK_EQUAL(CANCELS(), 1);
    MISUSE_IGNORE();
    WdfObjectDelete(fixture.Device);
}

TEST(without_a_cancel_callback_a_canceled_request_is_completed_as_canceled)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;

    add(&fixture, &caller);
    CHECK_EQUAL(DMF_Request_Cancel(caller.Request), TRUE);
    EVENTUALLY(atomic_load(&caller.Completions) == 1);
    CHECK_ENDED(&caller, STATUS_CANCELLED, 0);
    CHECK_EQUAL(drain(&fixture), 0);
    WdfObjectDelete(fixture.Device);
}

TEST(canceling_does_not_touch_the_data)
{
    FIXTURE fixture = fixture_create_with_cancel_callback(4, 4);
    CALLER callers[2];

    add(&fixture, &callers[0]);
    CHECK_EQUAL(DMF_Request_Cancel(callers[0].Request), TRUE);
    post(&fixture, 5);
    CHECK_EQUAL(CLEANUPS(), 0);
    process(&fixture, &callers[1]);
    CHECK_ENDED(&callers[1], STATUS_SUCCESS, 5);
    CHECK_ENDED(&callers[0], STATUS_CANCELLED, 99);
    WdfObjectDelete(fixture.Device);
}

TEST(a_request_canceled_before_it_is_submitted_is_accepted_and_takes_no_data)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[3];

    post(&fixture, 5);
    caller_create(&callers[0], fixture.Device);
    CHECK_EQUAL(DMF_Request_Cancel(callers[0].Request), TRUE);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_RequestProcess(fixture.Module, callers[0].Request));
    EVENTUALLY(atomic_load(&callers[0].Completions) == 1);
    CHECK_ENDED(&callers[0], STATUS_CANCELLED, 0);
    caller_create(&callers[1], fixture.Device);
    CHECK_EQUAL(DMF_Request_Cancel(callers[1].Request), TRUE);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, callers[1].Request));
    EVENTUALLY(atomic_load(&callers[1].Completions) == 1);
    CHECK_ENDED(&callers[1], STATUS_CANCELLED, 0);
    process(&fixture, &callers[2]);
    CHECK_ENDED(&callers[2], STATUS_SUCCESS, 5);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

/* -------------------------------------------------------------------------------------------------- delete */

TEST(delete_completes_pending_requests_and_then_flushes_data)
{
    FIXTURE fixture = fixture_create_with_cancel_callback(4, 4);
    CALLER callers[3];

    post(&fixture, 1);
    post(&fixture, 2);
    for (int i = 0; i < 3; i++)
    {
        add(&fixture, &callers[i]);
    }
    WdfObjectDelete(fixture.Module);
    for (int i = 0; i < 3; i++)
    {
        CHECK_ENDED(&callers[i], STATUS_CANCELLED, 0);
    }
    CHECK_EQUAL(CANCELS(), 0);
    CHECK_EQUAL(seen.CleanupsBeforeTheLastCompletion, 0);
    CHECK_EQUAL(CLEANUPS(), 2);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(delete_of_the_device_ends_requests_and_data)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;

    post(&fixture, 1);
    add(&fixture, &caller);
    WdfObjectDelete(fixture.Device);
    CHECK_ENDED(&caller, STATUS_CANCELLED, 0);
    CHECK_EQUAL(CLEANUPS(), 1);
    CHECK_MISUSE(0);
}

static atomic_int status_after_delete;

static void deletes_the_module(DMFMODULE module, WDFREQUEST request)
{
    UNREFERENCED_PARAMETER(request);
    seen.Action = NULL;
    WdfObjectDelete(module);
    atomic_store(&status_after_delete,
                 DMF_NotifyUserWithRequest_RequestReturnEx(module, NULL, NULL, STATUS_SUCCESS));
}

TEST(a_module_deleted_in_its_callback_closes_when_the_callback_has_returned)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER callers[2];

    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    seen.Action = deletes_the_module;
    post(&fixture, 1);
    CHECK_STATUS(atomic_load(&status_after_delete), STATUS_INVALID_DEVICE_STATE);
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 1);
    CHECK_ENDED(&callers[1], STATUS_CANCELLED, 0);
    CHECK_EQUAL(CLEANUPS(), 1);
    MISUSE_IGNORE();
    CHECK_STATUS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Module, NULL, NULL, STATUS_SUCCESS),
                 STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    WdfObjectDelete(fixture.Device);
}

static atomic_int callback_is_in;
static atomic_int callback_may_leave;

static void stays(DMFMODULE module, WDFREQUEST request)
{
    UNREFERENCED_PARAMETER(module);
    UNREFERENCED_PARAMETER(request);
    atomic_store(&callback_is_in, 1);
    EVENTUALLY(atomic_load(&callback_may_leave));
}

static void* posts(void* fixture)
{
    post((const FIXTURE*)fixture, 1);
    return NULL;
}

static void* cancels(void* request)
{
    CHECK_EQUAL(DMF_Request_Cancel((WDFREQUEST)request), TRUE);
    return NULL;
}

TEST(delete_ends_pending_requests_before_it_waits_for_a_callback)
{
    FIXTURE fixture = fixture_create_with_cancel_callback(4, 4);
    CALLER callers[2];
    pthread_t poster;
    pthread_t deleter;

    atomic_store(&callback_is_in, 0);
    atomic_store(&callback_may_leave, 0);
    atomic_store(&delete_has_returned, 0);
    add(&fixture, &callers[0]);
    add(&fixture, &callers[1]);
    seen.Action = stays;
    REQUIRE(pthread_create(&poster, NULL, posts, &fixture) == 0);
    EVENTUALLY(atomic_load(&callback_is_in));
    REQUIRE(pthread_create(&deleter, NULL, deletes, fixture.Module) == 0);
    EVENTUALLY(atomic_load(&callers[1].Completions) == 1);
    CHECK_ENDED(&callers[1], STATUS_CANCELLED, 0);
    CHECK_EQUAL(CANCELS(), 0);
    harness_sleep_milliseconds(10);
    CHECK_EQUAL(atomic_load(&delete_has_returned), 0);
    atomic_store(&callback_may_leave, 1);
    pthread_join(poster, NULL);
    pthread_join(deleter, NULL);
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

static VOID StaysWhenCanceled(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    UNREFERENCED_PARAMETER(Context);
    stays(DmfModule, Request);
    WdfRequestComplete(Request, NtStatus);
}

TEST(delete_waits_for_a_cancellation)
{
    FIXTURE fixture = fixture_create_canceled_by(StaysWhenCanceled, 4, 4);
    CALLER caller;
    pthread_t canceler;
    pthread_t deleter;

    atomic_store(&callback_is_in, 0);
    atomic_store(&callback_may_leave, 0);
    atomic_store(&delete_has_returned, 0);
    add(&fixture, &caller);
    REQUIRE(pthread_create(&canceler, NULL, cancels, caller.Request) == 0);
    EVENTUALLY(atomic_load(&callback_is_in));
    REQUIRE(pthread_create(&deleter, NULL, deletes, fixture.Module) == 0);
    harness_sleep_milliseconds(10);
    CHECK_EQUAL(atomic_load(&delete_has_returned), 0);
    CHECK_PENDING(&caller);
    atomic_store(&callback_may_leave, 1);
    pthread_join(canceler, NULL);
    pthread_join(deleter, NULL);
    CHECK_ENDED(&caller, STATUS_CANCELLED, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

/* ----------------------------------------------------------------------------------------------- no data */

TEST(without_data_entries_only_requests_are_kept_and_returned)
{
    FIXTURE fixture = fixture_create(4, 0);
    CALLER callers[4];
    ULONG value = 1;

    add(&fixture, &callers[0]);
    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, Delivered, &value, STATUS_SUCCESS);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_PENDING(&callers[0]);
    caller_create(&callers[1], fixture.Device);
    CHECK_STATUS(DMF_NotifyUserWithRequest_RequestProcess(fixture.Module, callers[1].Request),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_PENDING(&callers[1]);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Module, Returned, NULL, STATUS_SUCCESS));
    CHECK_ENDED(&callers[0], STATUS_SUCCESS, 0);
    CHECK_STATUS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Module, Returned, NULL, STATUS_SUCCESS),
                 STATUS_UNSUCCESSFUL);
    WdfObjectDelete(fixture.Device);
}

TEST(a_negative_number_of_data_entries_is_0)
{
    FIXTURE fixture = fixture_create(4, -1);
    ULONG value = 1;

    DMF_NotifyUserWithRequest_DataProcess(fixture.Module, Delivered, &value, STATUS_SUCCESS);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(DELIVERIES(), 0);
    WdfObjectDelete(fixture.Device);
}

/* -------------------------------------------------------------------------------------------------- times */

static LONGLONG nanoseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (LONGLONG)now.tv_sec * 1000000000 + now.tv_nsec;
}

static LONGLONG data_time, request_time;

static void reads_the_times(DMFMODULE module, WDFREQUEST request)
{
    data_time =
        DMF_NotifyUserWithRequest_DataBufferTimestampGet(module, (VOID*)seen.Deliveries[seen.DeliveryCount - 1].Context);
    request_time = DMF_NotifyUserWithRequest_RequestTimestampGet(module, request);
}

TEST(with_time_stamping_the_callback_can_read_when_both_came)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;
    CALLER caller;
    LONGLONG before, between, after;

    configure(&config, &attributes, 4, 4);
    config.TimeStamping = TRUE;
    fixture = fixture_of(&config, &attributes);
    seen.Action = reads_the_times;
    before = nanoseconds_now();
    post(&fixture, 1);
    between = nanoseconds_now();
    harness_sleep_milliseconds(3);
    process(&fixture, &caller);
    after = nanoseconds_now();
    CHECK(before <= data_time && data_time <= between);
    CHECK(between + 3000000 <= request_time && request_time <= after);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(without_time_stamping_the_times_are_0)
{
    FIXTURE fixture = fixture_create(4, 4);
    CALLER caller;

    data_time = request_time = 77;
    seen.Action = reads_the_times;
    post(&fixture, 1);
    process(&fixture, &caller);
    CHECK_EQUAL(data_time, 0);
    CHECK_EQUAL(request_time, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(the_time_of_what_is_no_data_is_0_and_reported)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;
    VOID* garbage[HARNESS_GARBAGE_MAX + 1];
    size_t count = harness_garbage(garbage);

    configure(&config, &attributes, 4, 4);
    config.TimeStamping = TRUE;
    fixture = fixture_of(&config, &attributes);
    garbage[count++] = NULL;
    for (size_t i = 0; i < count; i++)
    {
        CHECK_EQUAL(DMF_NotifyUserWithRequest_DataBufferTimestampGet(fixture.Module, garbage[i]), 0);
        CHECK_MISUSE(1);
        CHECK_EQUAL(DMF_NotifyUserWithRequest_RequestTimestampGet(fixture.Module, (WDFREQUEST)garbage[i]), 0);
        CHECK_MISUSE(1);
    }
    WdfObjectDelete(fixture.Device);
}

/* -------------------------------------------------------------------------------------------- bad handles */

TEST(every_method_refuses_a_handle_that_is_no_such_module)
{
    FIXTURE fixture = fixture_create(4, 4);
    FIXTURE stale = fixture_create(4, 4);
    CALLER caller;
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);
    ULONG value = 1;

    caller_create(&caller, fixture.Device);
    WdfObjectDelete(stale.Module);
    handles[count++] = NULL;
    handles[count++] = stale.Module;
    handles[count++] = fixture.Device;
    handles[count++] = caller.Request;
    for (size_t i = 0; i < count; i++)
    {
        DMFMODULE bad = (DMFMODULE)handles[i];

        DMF_NotifyUserWithRequest_DataProcess(bad, Delivered, &value, STATUS_SUCCESS);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(bad, caller.Request), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_NotifyUserWithRequest_RequestProcess(bad, caller.Request), STATUS_INVALID_HANDLE);
        DMF_NotifyUserWithRequest_RequestReturn(bad, Returned, NULL, STATUS_SUCCESS);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        DMF_NotifyUserWithRequest_RequestReturnAll(bad, Returned, NULL, STATUS_SUCCESS);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_NotifyUserWithRequest_RequestReturnEx(bad, Returned, NULL, STATUS_SUCCESS),
                     STATUS_INVALID_HANDLE);
        CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(bad), 0);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_EQUAL(DMF_NotifyUserWithRequest_DataBufferTimestampGet(bad, &value), 0);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_EQUAL(DMF_NotifyUserWithRequest_RequestTimestampGet(bad, caller.Request), 0);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_MISUSE(9);
    }
    CHECK_PENDING(&caller);
    CHECK_EQUAL(DELIVERIES(), 0);
    WdfObjectDelete(fixture.Device);
    WdfObjectDelete(stale.Device);
}

TEST(what_is_no_request_is_refused)
{
    FIXTURE fixture = fixture_create(4, 4);
    VOID* handles[HARNESS_GARBAGE_MAX + 3];
    size_t count = harness_garbage(handles);

    handles[count++] = NULL;
    handles[count++] = fixture.Device;
    handles[count++] = fixture.Module;
    for (size_t i = 0; i < count; i++)
    {
        CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Module, (WDFREQUEST)handles[i]),
                     STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_NotifyUserWithRequest_RequestProcess(fixture.Module, (WDFREQUEST)handles[i]),
                     STATUS_INVALID_HANDLE);
        CHECK_MISUSE(2);
    }
    CHECK_EQUAL(drain(&fixture), 0);
    WdfObjectDelete(fixture.Device);
}

/* ------------------------------------------------------------------------------------------------- threads */

enum
{
    PRODUCERS = 2,
    CONSUMERS = 2
};

static struct
{
    FIXTURE Fixture;
    unsigned PerProducer;
    atomic_uint Posted;
    atomic_uint Got;
    atomic_uint Canceled;
    atomic_uint Wrong;
    _Atomic uint64_t Sum; /* of the values that were delivered */
    atomic_bool Over;
} pipe_of;

static EVT_DMF_NotifyUserWithRequest_Complete PipeDelivered;

static VOID PipeDelivered(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    WdfRequestCompleteWithInformation(Request, NtStatus, *(ULONG*)Context);
}

static void* produces(void* context)
{
    UNREFERENCED_PARAMETER(context);
    for (unsigned i = 0; i < pipe_of.PerProducer; i++)
    {
        ULONG value = atomic_fetch_add(&pipe_of.Posted, 1) + 1;
        DMF_NotifyUserWithRequest_DataProcess(pipe_of.Fixture.Module, PipeDelivered, &value, STATUS_SUCCESS);
    }
    return NULL;
}

/* Every other Request is canceled a moment after it was submitted. */
static void* consumes(void* context)
{
    bool impatient = context != NULL;

    for (unsigned round = 0; !atomic_load(&pipe_of.Over); round++)
    {
        WDFREQUEST request = NULL;
        NTSTATUS status = STATUS_PENDING;
        ULONG_PTR value = 0;

        CHECK_SUCCESS(DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, NULL, NULL, &request));
        CHECK_SUCCESS(DMF_NotifyUserWithRequest_RequestProcess(pipe_of.Fixture.Module, request));
        if (impatient && round % 2 == 0)
        {
            (void)DMF_Request_Cancel(request);
        }
        CHECK_SUCCESS(DMF_Request_Wait(request, 0, &status, &value));
        if (status == STATUS_SUCCESS)
        {
            atomic_fetch_add(&pipe_of.Got, 1);
            atomic_fetch_add(&pipe_of.Sum, value);
        }
        else
        {
            atomic_fetch_add(status == STATUS_CANCELLED ? &pipe_of.Canceled : &pipe_of.Wrong, 1);
        }
        WdfObjectDelete(request);
    }
    return NULL;
}

TEST(no_data_is_lost_between_threads_that_post_take_and_cancel)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    unsigned total;
    uint64_t sum;

    configure(&config, &attributes, 16, 16);
    config.EvtDataCleanup = NULL;
    config.EnableLookAside = TRUE;
    pipe_of.Fixture = fixture_of(&config, &attributes);
    pipe_of.PerProducer = harness_rounds(100000);
    total = PRODUCERS * pipe_of.PerProducer;
    sum = (uint64_t)total * (total + 1) / 2;
    atomic_store(&pipe_of.Over, false);
    for (int i = 0; i < PRODUCERS; i++)
    {
        REQUIRE(pthread_create(&producers[i], NULL, produces, NULL) == 0);
    }
    for (intptr_t i = 0; i < CONSUMERS; i++)
    {
        REQUIRE(pthread_create(&consumers[i], NULL, consumes, (void*)i) == 0);
    }
    for (int i = 0; i < PRODUCERS; i++)
    {
        pthread_join(producers[i], NULL);
    }
    EVENTUALLY(atomic_load(&pipe_of.Got) == total);
    atomic_store(&pipe_of.Over, true);
    /* A consumer may wait: its Request ends without data. */
    while (DMF_NotifyUserWithRequest_RequestReturnEx(pipe_of.Fixture.Module, NULL, NULL, STATUS_CANCELLED) ==
           STATUS_SUCCESS)
    {
    }
    for (int i = 0; i < 20; i++)
    {
        DMF_NotifyUserWithRequest_RequestReturnAll(pipe_of.Fixture.Module, NULL, NULL, STATUS_CANCELLED);
        harness_sleep_milliseconds(1);
    }
    for (int i = 0; i < CONSUMERS; i++)
    {
        pthread_join(consumers[i], NULL);
    }
    printf("    %u delivered, %u canceled\n", atomic_load(&pipe_of.Got), atomic_load(&pipe_of.Canceled));
    CHECK_EQUAL(atomic_load(&pipe_of.Got), total);
    CHECK_EQUAL(atomic_load(&pipe_of.Sum), sum);
    CHECK_EQUAL(atomic_load(&pipe_of.Wrong), 0);
    CHECK_EQUAL(DMF_NotifyUserWithRequest_DiscardedCountGet(pipe_of.Fixture.Module), 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(pipe_of.Fixture.Device);
}

static void* posts_forever(void* module)
{
    ULONG value = 1;
    while (!atomic_load(&pipe_of.Over))
    {
        DMF_NotifyUserWithRequest_DataProcess((DMFMODULE)module, PipeDelivered, &value, STATUS_SUCCESS);
    }
    return NULL;
}

TEST(a_module_is_deleted_while_threads_use_it)
{
    unsigned rounds = harness_rounds(200);

    for (unsigned round = 0; round < rounds; round++)
    {
        FIXTURE fixture = fixture_create(16, 4);
        CALLER callers[8];
        pthread_t thread;

        atomic_store(&pipe_of.Over, false);
        REQUIRE(pthread_create(&thread, NULL, posts_forever, fixture.Module) == 0);
        for (int i = 0; i < 8; i++)
        {
            process(&fixture, &callers[i]);
        }
        WdfObjectDelete(fixture.Module);
        atomic_store(&pipe_of.Over, true);
        pthread_join(thread, NULL);
        for (int i = 0; i < 8; i++)
        {
            CHECK_EQUAL(atomic_load(&callers[i].Completions), 1);
        }
        MISUSE_IGNORE();
        WdfObjectDelete(fixture.Device);
    }
}

int main(void)
{
    RUN(a_module_without_a_config_is_made_and_keeps_nothing);
    RUN(a_negative_size_of_data_is_refused);
    RUN(a_config_of_another_size_is_refused);
    RUN(the_provider_name_is_accepted);
    RUN(the_oldest_data_goes_to_the_oldest_request);
    RUN(data_that_waits_is_taken_oldest_first);
    RUN(each_data_has_the_callback_and_the_status_that_came_with_it);
    RUN(a_request_beyond_the_limit_is_refused_and_stays_the_callers);
    RUN(a_refused_request_may_be_submitted_later);
    RUN(limit_0_refuses_all_requests);
    RUN(a_negative_limit_refuses_all_requests);
    RUN(every_failure_gives_its_slot_back);
    RUN(every_way_out_of_the_queue_gives_the_slot_back);
    RUN(requests_that_end_with_their_device_give_their_slots_back);
    RUN(a_request_that_ends_with_its_device_has_given_its_slot_back_when_it_completes);
    RUN(a_request_that_ends_with_its_device_keeps_nobody_from_deleting_the_module_when_it_completes);
    RUN(event_request_add_never_looks_at_pending_data);
    RUN(request_process_without_data_stays_pending);
    RUN(request_process_serves_the_oldest_request_first);
    RUN(request_process_makes_one_attempt);
    RUN(the_data_is_copied);
    RUN(data_process_completes_at_most_one_request);
    RUN(without_a_callback_the_request_ends_with_the_status);
    RUN(when_the_queue_is_full_the_oldest_data_is_discarded_and_counted);
    RUN(data_for_a_waiting_request_is_never_discarded);
    RUN(with_look_aside_nothing_is_discarded);
    RUN(data_of_size_0_is_legal_and_its_pointer_is_not_null);
    RUN(data_that_is_null_is_zeros_and_reported);
    RUN(data_posted_in_the_callback_with_every_entry_in_use_is_not_lost);
    RUN(data_posted_in_the_callback_goes_to_the_next_request);
    RUN(what_grew_in_a_callback_does_not_stay);
    RUN(the_callback_may_call_any_method);
    RUN(the_cleanup_callback_runs_after_every_delivery);
    RUN(the_cleanup_callback_runs_when_data_is_flushed);
    RUN(without_a_cleanup_callback_everything_works);
    RUN(request_return_gives_the_oldest_request_to_the_callback);
    RUN(request_return_without_a_request_does_nothing);
    RUN(request_return_ex_says_whether_there_was_a_request);
    RUN(returning_requests_never_consumes_data);
    RUN(returning_without_a_callback_ends_the_request_with_the_status);
    RUN(request_return_all_returns_what_was_pending_when_it_began);
    RUN(request_return_all_returns_no_later_request_in_place_of_a_canceled_one);
    RUN(a_canceled_request_leaves_the_queue_through_the_cancel_callback);
    RUN(what_the_cancel_callback_leaves_is_completed_as_canceled);
    RUN(without_a_cancel_callback_a_canceled_request_is_completed_as_canceled);
    RUN(canceling_does_not_touch_the_data);
    RUN(a_request_canceled_before_it_is_submitted_is_accepted_and_takes_no_data);
    RUN(delete_completes_pending_requests_and_then_flushes_data);
    RUN(delete_of_the_device_ends_requests_and_data);
    RUN(a_module_deleted_in_its_callback_closes_when_the_callback_has_returned);
    RUN(delete_ends_pending_requests_before_it_waits_for_a_callback);
    RUN(delete_waits_for_a_cancellation);
    RUN(without_data_entries_only_requests_are_kept_and_returned);
    RUN(a_negative_number_of_data_entries_is_0);
    RUN(with_time_stamping_the_callback_can_read_when_both_came);
    RUN(without_time_stamping_the_times_are_0);
    RUN(the_time_of_what_is_no_data_is_0_and_reported);
    RUN(every_method_refuses_a_handle_that_is_no_such_module);
    RUN(what_is_no_request_is_refused);
    RUN(no_data_is_lost_between_threads_that_post_take_and_cancel);
    RUN(a_module_is_deleted_while_threads_use_it);
    return TESTS_RESULT();
}
