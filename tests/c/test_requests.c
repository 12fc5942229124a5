/* Requests: made, submitted, marked, canceled, completed, deleted; exactly one completion, whatever races. */
#define _DEFAULT_SOURCE 1

#include "client_target.h"

#include <stdatomic.h>
#include <sys/syscall.h>

#define LIMIT 64

/* ----------------------------------------------------------------------------------------- a request's end */

/* What a Request's completion callback saw. */
typedef struct
{
    atomic_int Completions;
    _Atomic NTSTATUS Status;
    _Atomic ULONG_PTR Information;
    _Atomic(WDFREQUEST) Request;
    atomic_bool Deletes; /* what the callback does: it frees the Request */
    atomic_int Milliseconds; /* and how long it takes */
    atomic_int Returned;
} ENDING;

static EVT_DMF_Request_Completion Completed;

static VOID Completed(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    ENDING* ending = (ENDING*)Context;

    atomic_store(&ending->Status, Status);
    atomic_store(&ending->Information, Information);
    atomic_store(&ending->Request, Request);
    if (atomic_load(&ending->Deletes))
    {
        WdfObjectDelete(Request);
    }
    atomic_fetch_add(&ending->Completions, 1);
    if (atomic_load(&ending->Milliseconds) != 0)
    {
        harness_sleep_milliseconds(atomic_load(&ending->Milliseconds));
    }
    atomic_fetch_add(&ending->Returned, 1);
}

static void check_ended(ENDING* ending, NTSTATUS status, ULONG_PTR information, int line)
{
    harness_check_equal(atomic_load(&ending->Completions), 1, __FILE__, line, "one completion");
    harness_check_status(atomic_load(&ending->Status), status, __FILE__, line, "the completion's status");
    harness_check_equal((long long)atomic_load(&ending->Information), (long long)information, __FILE__, line,
                        "the completion's information");
}

#define CHECK_ENDED(Ending, Status, Information) check_ended((Ending), (Status), (Information), __LINE__)
#define CHECK_NOT_ENDED(Ending) CHECK_EQUAL(atomic_load(&(Ending)->Completions), 0)

/* A device and a Module that keeps Requests: what is added to it is pending. */
typedef struct
{
    WDFDEVICE Device;
    DMFMODULE Keeper;
} FIXTURE;

static FIXTURE fixture_create(void)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = {NULL, NULL};

    DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.MaximumNumberOfPendingRequests = LIMIT;
    CHECK_SUCCESS(DMF_Device_Create(NULL, &fixture.Device));
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_Create(fixture.Device, &attributes, NULL, &fixture.Keeper));
    return fixture;
}

static UCHAR input_bytes[32], output_bytes[48];

static WDFREQUEST request_create(WDFDEVICE device, ENDING* ending)
{
    WDFREQUEST request = NULL;

    CHECK_SUCCESS(DMF_Request_Create(device, input_bytes, sizeof(input_bytes), output_bytes, sizeof(output_bytes), 0,
                                     ending != NULL ? Completed : NULL, ending, &request));
    CHECK(request != NULL);
    return request;
}

static WDFREQUEST request_pending(const FIXTURE* fixture, ENDING* ending)
{
    WDFREQUEST request = request_create(fixture->Device, ending);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture->Keeper, request));
    return request;
}

/* While a Request is with the Module's Client, which is in its callback. */
static EVT_DMF_NotifyUserWithRequest_Complete WithClient;

static VOID WithClient(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    void (*const* action)(WDFREQUEST) = (void (*const*)(WDFREQUEST))Context;
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(NtStatus);
    (*action)(Request);
}

/* Hands a pending Request to the Client, which does this with it. */
static void with_client(const FIXTURE* fixture, void (*action)(WDFREQUEST))
{
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture->Keeper, WithClient, &action, STATUS_SUCCESS));
}

/* -------------------------------------------------------------------------------------------------- create */

TEST(create_needs_a_place_for_the_handle)
{
    CHECK_STATUS(DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, NULL, NULL, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
}

TEST(create_needs_a_buffer_where_there_is_a_length)
{
    UCHAR bytes[8];
    WDFREQUEST request = (WDFREQUEST)bytes;

    CHECK_STATUS(DMF_Request_Create(NULL, NULL, 8, bytes, 8, 0, NULL, NULL, &request), STATUS_INVALID_PARAMETER);
    CHECK(request == NULL);
    request = (WDFREQUEST)bytes;
    CHECK_STATUS(DMF_Request_Create(NULL, bytes, 8, NULL, 8, 0, NULL, NULL, &request), STATUS_INVALID_PARAMETER);
    CHECK(request == NULL);
    CHECK_MISUSE(2);
}

TEST(create_refuses_a_device_that_is_none)
{
    FIXTURE fixture = fixture_create();
    VOID* handles[HARNESS_GARBAGE_MAX + 1];
    size_t count = harness_garbage(handles);

    handles[count++] = fixture.Keeper;
    for (size_t i = 0; i < count; i++)
    {
        WDFREQUEST request = (WDFREQUEST)&fixture;
        CHECK_STATUS(DMF_Request_Create((WDFDEVICE)handles[i], NULL, 0, NULL, 0, 0, NULL, NULL, &request),
                     STATUS_INVALID_HANDLE);
        CHECK(request == NULL);
        CHECK_MISUSE(1);
    }
    WdfObjectDelete(fixture.Device);
}

TEST(a_request_needs_neither_device_nor_buffers_nor_callback)
{
    WDFREQUEST request = NULL;

    REQUIRE_SUCCESS(DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, NULL, NULL, &request));
    CHECK(request != NULL);
    WdfObjectDelete(request);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_SUCCESS);
}

TEST(a_fresh_request_is_neither_canceled_nor_has_information)
{
    WDFREQUEST request = request_create(NULL, NULL);

    CHECK_EQUAL(WdfRequestIsCanceled(request), FALSE);
    CHECK_EQUAL(WdfRequestGetInformation(request), 0);
    WdfObjectDelete(request);
}

/* ------------------------------------------------------------------------------------------------- buffers */

TEST(the_buffers_are_the_ones_that_were_given)
{
    WDFREQUEST request = request_create(NULL, NULL);
    PVOID buffer = NULL;
    size_t length = 0;

    CHECK_SUCCESS(WdfRequestRetrieveInputBuffer(request, 0, &buffer, &length));
    CHECK_POINTER(buffer, input_bytes);
    CHECK_EQUAL(length, sizeof(input_bytes));
    CHECK_SUCCESS(WdfRequestRetrieveOutputBuffer(request, 0, &buffer, &length));
    CHECK_POINTER(buffer, output_bytes);
    CHECK_EQUAL(length, sizeof(output_bytes));
    WdfObjectDelete(request);
}

TEST(the_length_of_a_buffer_need_not_be_asked_for)
{
    WDFREQUEST request = request_create(NULL, NULL);
    PVOID buffer = NULL;

    CHECK_SUCCESS(WdfRequestRetrieveInputBuffer(request, 1, &buffer, NULL));
    CHECK_POINTER(buffer, input_bytes);
    CHECK_SUCCESS(WdfRequestRetrieveOutputBuffer(request, 1, &buffer, NULL));
    CHECK_POINTER(buffer, output_bytes);
    WdfObjectDelete(request);
}

TEST(a_buffer_exactly_as_long_as_required_is_long_enough)
{
    WDFREQUEST request = request_create(NULL, NULL);
    PVOID buffer = NULL;
    size_t length = 0;

    CHECK_SUCCESS(WdfRequestRetrieveInputBuffer(request, sizeof(input_bytes), &buffer, &length));
    CHECK_SUCCESS(WdfRequestRetrieveOutputBuffer(request, sizeof(output_bytes), &buffer, &length));
    WdfObjectDelete(request);
}

TEST(a_buffer_shorter_than_required_is_not_given)
{
    WDFREQUEST request = request_create(NULL, NULL);
    PVOID buffer = input_bytes;
    size_t length = 77;

    CHECK_STATUS(WdfRequestRetrieveInputBuffer(request, sizeof(input_bytes) + 1, &buffer, &length),
                 STATUS_BUFFER_TOO_SMALL);
    CHECK(buffer == NULL);
    CHECK_EQUAL(length, 0);
    buffer = output_bytes;
    length = 77;
    CHECK_STATUS(WdfRequestRetrieveOutputBuffer(request, SIZE_MAX, &buffer, &length), STATUS_BUFFER_TOO_SMALL);
    CHECK(buffer == NULL);
    CHECK_EQUAL(length, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(request);
}

TEST(a_buffer_of_no_length_is_too_small_whatever_is_required)
{
    WDFREQUEST request = NULL;
    PVOID buffer = NULL;
    size_t length = 77;

    REQUIRE_SUCCESS(DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, NULL, NULL, &request));
    CHECK_STATUS(WdfRequestRetrieveInputBuffer(request, 0, &buffer, &length), STATUS_BUFFER_TOO_SMALL);
    CHECK_STATUS(WdfRequestRetrieveOutputBuffer(request, 0, &buffer, &length), STATUS_BUFFER_TOO_SMALL);
    CHECK_MISUSE(0);
    WdfObjectDelete(request);
}

TEST(retrieving_needs_a_place_for_the_address)
{
    WDFREQUEST request = request_create(NULL, NULL);
    size_t length = 0;

    CHECK_STATUS(WdfRequestRetrieveInputBuffer(request, 0, NULL, &length), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(WdfRequestRetrieveOutputBuffer(request, 0, NULL, &length), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(2);
    WdfObjectDelete(request);
}

TEST(the_buffers_of_a_completed_request_are_its_senders_again)
{
    WDFREQUEST request = request_create(NULL, NULL);
    PVOID buffer = input_bytes;
    size_t length = 77;

    WdfRequestComplete(request, STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(WdfRequestRetrieveInputBuffer(request, 0, &buffer, &length)));
    CHECK(buffer == NULL);
    CHECK(!NT_SUCCESS(WdfRequestRetrieveOutputBuffer(request, 0, &buffer, &length)));
    MISUSE_IGNORE();
    WdfObjectDelete(request);
}

static void reads_and_writes(WDFREQUEST request)
{
    PVOID in = NULL, out = NULL;
    size_t length = 0;

    CHECK_SUCCESS(WdfRequestRetrieveInputBuffer(request, sizeof(input_bytes), &in, &length));
    CHECK_SUCCESS(WdfRequestRetrieveOutputBuffer(request, sizeof(input_bytes), &out, &length));
    if (in != NULL && out != NULL)
    {
        memcpy(out, in, sizeof(input_bytes));
    }
    WdfRequestCompleteWithInformation(request, STATUS_SUCCESS, sizeof(input_bytes));
}

TEST(what_the_client_writes_is_in_the_senders_buffer)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    memset(input_bytes, 0x3C, sizeof(input_bytes));
    memset(output_bytes, 0, sizeof(output_bytes));
    (void)request_pending(&fixture, &ending);
    with_client(&fixture, reads_and_writes);
    CHECK_ENDED(&ending, STATUS_SUCCESS, sizeof(input_bytes));
    CHECK_ALL_BYTES(output_bytes, 0x3C, sizeof(input_bytes));
    CHECK_ALL_BYTES(output_bytes + sizeof(input_bytes), 0, sizeof(output_bytes) - sizeof(input_bytes));
    WdfObjectDelete(fixture.Device);
}

/* ---------------------------------------------------------------------------------------------- completion */

TEST(the_creator_may_complete_a_request_that_was_never_submitted)
{
    ENDING ending = {0};
    WDFREQUEST request = request_create(NULL, &ending);

    WdfRequestCompleteWithInformation(request, STATUS_IO_TIMEOUT, 7);
    CHECK_ENDED(&ending, STATUS_IO_TIMEOUT, 7);
    CHECK_POINTER(atomic_load(&ending.Request), request);
    WdfObjectDelete(request);
    CHECK_EQUAL(atomic_load(&ending.Completions), 1);
}

TEST(the_creator_may_complete_a_request_that_a_module_refused)
{
    FIXTURE fixture = fixture_create();
    ENDING endings[LIMIT + 1] = {0};
    WDFREQUEST refused;

    for (int i = 0; i < LIMIT; i++)
    {
        (void)request_pending(&fixture, &endings[i]);
    }
    refused = request_create(fixture.Device, &endings[LIMIT]);
    CHECK_STATUS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Keeper, refused), STATUS_INVALID_DEVICE_STATE);
    CHECK_NOT_ENDED(&endings[LIMIT]);
    WdfRequestComplete(refused, STATUS_ACCESS_DENIED);
    CHECK_ENDED(&endings[LIMIT], STATUS_ACCESS_DENIED, 0);
    MISUSE_IGNORE();
    WdfObjectDelete(fixture.Device);
}

static void completes(WDFREQUEST request)
{
    WdfRequestComplete(request, STATUS_SUCCESS);
}

TEST(the_client_completes_the_request_that_it_was_given)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    CHECK_NOT_ENDED(&ending);
    with_client(&fixture, completes);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    CHECK_POINTER(atomic_load(&ending.Request), request);
    WdfObjectDelete(fixture.Device);
}

static WDFREQUEST kept;

static void keeps(WDFREQUEST request)
{
    kept = request;
}

static void* completes_kept(void* context)
{
    UNREFERENCED_PARAMETER(context);
    WdfRequestCompleteWithInformation(kept, STATUS_SUCCESS, 5);
    return NULL;
}

TEST(the_client_may_complete_later_and_on_another_thread)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    pthread_t thread;

    (void)request_pending(&fixture, &ending);
    with_client(&fixture, keeps);
    CHECK_NOT_ENDED(&ending);
    REQUIRE(pthread_create(&thread, NULL, completes_kept, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 5);
    WdfObjectDelete(fixture.Device);
}

TEST(complete_ends_with_the_information_that_was_set)
{
    ENDING ending = {0};
    WDFREQUEST request = request_create(NULL, &ending);

    WdfRequestSetInformation(request, 11);
    CHECK_EQUAL(WdfRequestGetInformation(request), 11);
    WdfRequestComplete(request, STATUS_SUCCESS);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 11);
    WdfObjectDelete(request);
}

TEST(complete_with_information_overrides_what_was_set)
{
    ENDING ending = {0};
    WDFREQUEST request = request_create(NULL, &ending);

    WdfRequestSetInformation(request, 11);
    WdfRequestCompleteWithInformation(request, STATUS_SUCCESS, 12);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 12);
    CHECK_EQUAL(WdfRequestGetInformation(request), 12);
    WdfObjectDelete(request);
}

TEST(what_a_request_was_completed_with_does_not_change)
{
    ENDING ending = {0};
    NTSTATUS status = STATUS_PENDING;
    ULONG_PTR information = 0;
    WDFREQUEST request = request_create(NULL, &ending);

    WdfRequestCompleteWithInformation(request, STATUS_SUCCESS, 4);
    WdfRequestSetInformation(request, 88);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_DEVICE_STATE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(WdfRequestGetInformation(request), 4);
    CHECK_SUCCESS(DMF_Request_Wait(request, 0, &status, &information));
    CHECK_STATUS(status, STATUS_SUCCESS);
    CHECK_EQUAL(information, 4);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 4);
    WdfObjectDelete(request);
}

TEST(a_completed_request_still_tells_its_status)
{
    WDFREQUEST request = request_create(NULL, NULL);

    WdfRequestComplete(request, STATUS_DEVICE_NOT_CONNECTED);
    CHECK_STATUS(WdfRequestGetStatus(request), STATUS_DEVICE_NOT_CONNECTED);
    WdfObjectDelete(request);
}

TEST(a_second_completion_is_reported_and_changes_nothing)
{
    ENDING ending = {0};
    WDFREQUEST request = request_create(NULL, &ending);

    WdfRequestCompleteWithInformation(request, STATUS_SUCCESS, 1);
    CHECK_MISUSE(0);
    WdfRequestCompleteWithInformation(request, STATUS_UNSUCCESSFUL, 2);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    WdfRequestComplete(request, STATUS_UNSUCCESSFUL);
    CHECK_MISUSE(2);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 1);
    CHECK_STATUS(WdfRequestGetStatus(request), STATUS_SUCCESS);
    CHECK_EQUAL(WdfRequestGetInformation(request), 1);
    WdfObjectDelete(request);
}

static void completes_twice(WDFREQUEST request)
{
    WdfRequestComplete(request, STATUS_SUCCESS);
    WdfRequestComplete(request, STATUS_UNSUCCESSFUL);
}

TEST(a_second_completion_by_the_client_is_reported_and_changes_nothing)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    (void)request_pending(&fixture, &ending);
    with_client(&fixture, completes_twice);
    CHECK_MISUSE(1);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(what_a_module_keeps_nobody_else_completes)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    WdfRequestComplete(request, STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_NOT_ENDED(&ending);
    with_client(&fixture, completes);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_completed_request_cannot_be_submitted_again)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_create(fixture.Device, &ending);

    WdfRequestComplete(request, STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Keeper, request)));
    CHECK_MISUSE(1);
    WdfObjectDelete(fixture.Device);
    CHECK_EQUAL(atomic_load(&ending.Completions), 1);
}

TEST(a_pending_request_cannot_be_submitted_again)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    CHECK(!NT_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Keeper, request)));
    CHECK_MISUSE(1);
    CHECK_NOT_ENDED(&ending);
    with_client(&fixture, completes);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    CHECK_STATUS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Keeper, NULL, NULL, STATUS_SUCCESS),
                 STATUS_UNSUCCESSFUL);
    WdfObjectDelete(fixture.Device);
}

/* --------------------------------------------------------------------------------------------------- wait */

static void* completes_later(void* request)
{
    harness_sleep_milliseconds(30);
    WdfRequestCompleteWithInformation((WDFREQUEST)request, STATUS_SUCCESS, 9);
    return NULL;
}

TEST(wait_without_a_time_waits_until_the_end)
{
    WDFREQUEST request = request_create(NULL, NULL);
    NTSTATUS status = STATUS_PENDING;
    ULONG_PTR information = 0;
    pthread_t thread;

    REQUIRE(pthread_create(&thread, NULL, completes_later, request) == 0);
    CHECK_SUCCESS(DMF_Request_Wait(request, 0, &status, &information));
    CHECK_STATUS(status, STATUS_SUCCESS);
    CHECK_EQUAL(information, 9);
    pthread_join(thread, NULL);
    WdfObjectDelete(request);
}

TEST(wait_for_a_completed_request_returns_at_once)
{
    WDFREQUEST request = request_create(NULL, NULL);
    NTSTATUS status = STATUS_SUCCESS;
    ULONG_PTR information = 0;

    WdfRequestCompleteWithInformation(request, STATUS_ACCESS_DENIED, 3);
    for (int i = 0; i < 2; i++)
    {
        CHECK_SUCCESS(DMF_Request_Wait(request, 0, &status, &information));
        CHECK_STATUS(status, STATUS_ACCESS_DENIED);
        CHECK_EQUAL(information, 3);
    }
    WdfObjectDelete(request);
}

TEST(a_wait_that_times_out_leaves_the_request_pending)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);
    NTSTATUS status = STATUS_ACCESS_DENIED;
    ULONG_PTR information = 77;

    CHECK_STATUS(DMF_Request_Wait(request, 20, &status, &information), STATUS_IO_TIMEOUT);
    CHECK_MISUSE(0);
    CHECK_NOT_ENDED(&ending);
    with_client(&fixture, completes);
    CHECK_SUCCESS(DMF_Request_Wait(request, 20, &status, &information));
    CHECK_STATUS(status, STATUS_SUCCESS);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    WdfObjectDelete(fixture.Device);
}

static atomic_int waits_ended;

static void* waits(void* request)
{
    NTSTATUS status = STATUS_PENDING;
    ULONG_PTR information = 0;

    if (DMF_Request_Wait((WDFREQUEST)request, 0, &status, &information) == STATUS_SUCCESS &&
        status == STATUS_SUCCESS && information == 9)
    {
        atomic_fetch_add(&waits_ended, 1);
    }
    return NULL;
}

TEST(several_threads_may_wait_for_one_request)
{
    WDFREQUEST request = request_create(NULL, NULL);
    pthread_t threads[4];

    atomic_store(&waits_ended, 0);
    for (int i = 0; i < 4; i++)
    {
        REQUIRE(pthread_create(&threads[i], NULL, waits, request) == 0);
    }
    (void)completes_later(request);
    for (int i = 0; i < 4; i++)
    {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQUAL(atomic_load(&waits_ended), 4);
    WdfObjectDelete(request);
}

static void* waits_for_ending(void* request)
{
    NTSTATUS status = STATUS_PENDING;
    ULONG_PTR information = 0;
    CHECK_SUCCESS(DMF_Request_Wait((WDFREQUEST)request, 0, &status, &information));
    return NULL;
}

TEST(whoever_waits_may_free_the_request_and_what_its_callback_uses)
{
    ENDING ending = {0};
    WDFREQUEST request = request_create(NULL, &ending);
    pthread_t thread;

    atomic_store(&ending.Milliseconds, 30);
    REQUIRE(pthread_create(&thread, NULL, completes_later, request) == 0);
    (void)waits_for_ending(request);
    /* The callback is over, or the context on this stack could go while it runs. */
    CHECK_EQUAL(atomic_load(&ending.Returned), 1);
    pthread_join(thread, NULL);
    WdfObjectDelete(request);
}

/* ------------------------------------------------------------------------------------------------- cancel */

TEST(canceling_a_request_that_is_not_submitted_marks_it)
{
    ENDING ending = {0};
    WDFREQUEST request = request_create(NULL, &ending);

    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    CHECK_EQUAL(WdfRequestIsCanceled(request), TRUE);
    CHECK_NOT_ENDED(&ending);
    WdfObjectDelete(request);
}

TEST(a_request_canceled_before_it_is_submitted_is_accepted_and_ends_as_canceled)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_create(fixture.Device, &ending);

    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(fixture.Keeper, request));
    EVENTUALLY(atomic_load(&ending.Completions) == 1);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    CHECK_STATUS(DMF_NotifyUserWithRequest_RequestReturnEx(fixture.Keeper, NULL, NULL, STATUS_SUCCESS),
                 STATUS_UNSUCCESSFUL);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(canceling_a_pending_request_ends_it)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    CHECK_EQUAL(WdfRequestIsCanceled(request), FALSE);
    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    EVENTUALLY(atomic_load(&ending.Completions) == 1);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    CHECK_EQUAL(WdfRequestIsCanceled(request), TRUE);
    WdfObjectDelete(fixture.Device);
}

TEST(a_completed_request_cannot_be_canceled)
{
    ENDING ending = {0};
    WDFREQUEST request = request_create(NULL, &ending);

    WdfRequestComplete(request, STATUS_SUCCESS);
    CHECK_EQUAL(DMF_Request_Cancel(request), FALSE);
    CHECK_EQUAL(WdfRequestIsCanceled(request), FALSE);
    CHECK_STATUS(WdfRequestGetStatus(request), STATUS_SUCCESS);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(request);
}

TEST(a_cancel_is_delivered_once)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    CHECK_EQUAL(DMF_Request_Cancel(request), FALSE);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

/* --------------------------------------------------------------------------------------------- cancelable */

static atomic_int routine_calls;
static _Atomic(WDFREQUEST) routine_request;
static atomic_bool routine_completes;

static EVT_WDF_REQUEST_CANCEL Routine;

static VOID Routine(WDFREQUEST Request)
{
    atomic_store(&routine_request, Request);
    atomic_fetch_add(&routine_calls, 1);
    if (atomic_load(&routine_completes))
    {
        WdfRequestComplete(Request, STATUS_CANCELLED);
    }
}

static void routine_clear(bool completes_the_request)
{
    atomic_store(&routine_calls, 0);
    atomic_store(&routine_request, NULL);
    atomic_store(&routine_completes, completes_the_request);
}

static void is_canceled_while_marked(WDFREQUEST request)
{
    CHECK_SUCCESS(WdfRequestMarkCancelableEx(request, Routine));
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    CHECK_EQUAL(atomic_load(&routine_calls), 1);
    CHECK_POINTER(atomic_load(&routine_request), request);
}

TEST(canceling_a_marked_request_calls_its_routine_once)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    routine_clear(true);
    with_client(&fixture, is_canceled_while_marked);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    CHECK_EQUAL(DMF_Request_Cancel(request), FALSE);
    CHECK_EQUAL(atomic_load(&routine_calls), 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

static void is_marked(WDFREQUEST request)
{
    WdfRequestMarkCancelable(request, Routine);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_SUCCESS);
}

TEST(a_cancel_routine_may_leave_the_completion_to_somebody_else)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    routine_clear(false);
    with_client(&fixture, is_marked);
    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    CHECK_EQUAL(atomic_load(&routine_calls), 1);
    CHECK_NOT_ENDED(&ending);
    CHECK_EQUAL(WdfRequestIsCanceled(request), TRUE);
    WdfRequestCompleteWithInformation(request, STATUS_CANCELLED, 4);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 4);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(what_was_canceled_may_end_well_all_the_same)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    routine_clear(false);
    with_client(&fixture, is_marked);
    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    WdfRequestCompleteWithInformation(request, STATUS_SUCCESS, 8);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 8);
    WdfObjectDelete(fixture.Device);
}

TEST(an_unmarked_request_is_canceled_without_the_routine)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    routine_clear(true);
    with_client(&fixture, is_marked);
    CHECK_SUCCESS(WdfRequestUnmarkCancelable(request));
    (void)DMF_Request_Cancel(request);
    CHECK_EQUAL(WdfRequestIsCanceled(request), TRUE);
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    CHECK_NOT_ENDED(&ending);
    WdfRequestComplete(request, STATUS_SUCCESS);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_request_can_be_marked_and_unmarked_again_and_again)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    routine_clear(true);
    with_client(&fixture, is_marked);
    for (int i = 0; i < 3; i++)
    {
        CHECK_SUCCESS(WdfRequestUnmarkCancelable(request));
        CHECK_SUCCESS(WdfRequestMarkCancelableEx(request, Routine));
    }
    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    CHECK_EQUAL(atomic_load(&routine_calls), 1);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(unmarking_what_was_canceled_says_so)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    routine_clear(false);
    with_client(&fixture, is_marked);
    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    CHECK_STATUS(WdfRequestUnmarkCancelable(request), STATUS_CANCELLED);
    CHECK_MISUSE(0);
    WdfRequestComplete(request, STATUS_CANCELLED);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    WdfObjectDelete(fixture.Device);
}

static void is_unmarked(WDFREQUEST request)
{
    CHECK_STATUS(WdfRequestUnmarkCancelable(request), STATUS_INVALID_DEVICE_REQUEST);
    WdfRequestComplete(request, STATUS_SUCCESS);
}

TEST(unmarking_what_is_not_marked_is_refused)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    (void)request_pending(&fixture, &ending);
    with_client(&fixture, is_unmarked);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    MISUSE_IGNORE();
    WdfObjectDelete(fixture.Device);
}

static void is_marked_when_canceled(WDFREQUEST request)
{
    (void)DMF_Request_Cancel(request);
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    WdfRequestMarkCancelable(request, Routine);
    CHECK_EQUAL(atomic_load(&routine_calls), 1);
}

TEST(marking_a_canceled_request_calls_the_routine_at_once)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    routine_clear(true);
    (void)request_pending(&fixture, &ending);
    with_client(&fixture, is_marked_when_canceled);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    CHECK_EQUAL(atomic_load(&routine_calls), 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

static void is_marked_ex_when_canceled(WDFREQUEST request)
{
    (void)DMF_Request_Cancel(request);
    CHECK_STATUS(WdfRequestMarkCancelableEx(request, Routine), STATUS_CANCELLED);
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    WdfRequestComplete(request, STATUS_CANCELLED);
}

TEST(marking_a_canceled_request_the_other_way_says_so_and_calls_nothing)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    routine_clear(true);
    (void)request_pending(&fixture, &ending);
    with_client(&fixture, is_marked_ex_when_canceled);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(completing_a_request_that_is_still_marked_is_tolerated)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    routine_clear(true);
    with_client(&fixture, is_marked);
    WdfRequestComplete(request, STATUS_SUCCESS);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    CHECK_MISUSE(0);
    CHECK_EQUAL(DMF_Request_Cancel(request), FALSE);
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    WdfObjectDelete(fixture.Device);
}

static void is_marked_without_a_routine(WDFREQUEST request)
{
    CHECK_STATUS(WdfRequestMarkCancelableEx(request, NULL), STATUS_INVALID_PARAMETER);
    WdfRequestMarkCancelable(request, NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(2);
    WdfRequestComplete(request, STATUS_SUCCESS);
}

TEST(marking_needs_a_routine)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    (void)request_pending(&fixture, &ending);
    with_client(&fixture, is_marked_without_a_routine);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(what_was_not_submitted_cannot_be_marked)
{
    WDFREQUEST request = request_create(NULL, NULL);

    routine_clear(false);
    CHECK_STATUS(WdfRequestMarkCancelableEx(request, Routine), STATUS_INVALID_DEVICE_REQUEST);
    CHECK_MISUSE(1);
    WdfRequestMarkCancelable(request, Routine);
    CHECK_MISUSE(1);
    CHECK(strstr(DMF_LastErrorMessageGet(), "not submitted") != NULL);
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    WdfRequestComplete(request, STATUS_SUCCESS);
    WdfObjectDelete(request);
}

TEST(what_is_completed_cannot_be_marked)
{
    WDFREQUEST request = request_create(NULL, NULL);

    routine_clear(false);
    WdfRequestComplete(request, STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(WdfRequestMarkCancelableEx(request, Routine)));
    WdfRequestMarkCancelable(request, Routine);
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    MISUSE_IGNORE();
    WdfObjectDelete(request);
}

/* ------------------------------------------------------------------------------------------------- delete */

TEST(a_pending_request_cannot_be_deleted)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_pending(&fixture, &ending);

    WdfObjectDelete(request);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    CHECK_NOT_ENDED(&ending);
    with_client(&fixture, completes);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    WdfObjectDelete(request);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

static void is_deleted(WDFREQUEST request)
{
    WdfObjectDelete(request);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    WdfRequestComplete(request, STATUS_SUCCESS);
}

TEST(a_request_that_is_with_the_client_cannot_be_deleted)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    (void)request_pending(&fixture, &ending);
    with_client(&fixture, is_deleted);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(the_completion_callback_may_free_the_request)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request;

    atomic_store(&ending.Deletes, true);
    request = request_pending(&fixture, &ending);
    with_client(&fixture, completes);
    CHECK_ENDED(&ending, STATUS_SUCCESS, 0);
    CHECK_MISUSE(0);
    CHECK_STATUS(WdfRequestGetStatus(request), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    WdfObjectDelete(fixture.Device);
}

TEST(the_completion_callback_may_free_the_request_that_is_canceled)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request;

    atomic_store(&ending.Deletes, true);
    request = request_pending(&fixture, &ending);
    CHECK_EQUAL(DMF_Request_Cancel(request), TRUE);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    CHECK_MISUSE(0);
    CHECK_EQUAL(DMF_Request_Cancel(request), FALSE);
    CHECK_MISUSE(1);
    WdfObjectDelete(fixture.Device);
}

TEST(a_completed_request_is_deleted_once)
{
    WDFREQUEST request = request_create(NULL, NULL);

    WdfRequestComplete(request, STATUS_SUCCESS);
    WdfObjectDelete(request);
    CHECK_MISUSE(0);
    WdfObjectDelete(request);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

TEST(a_request_that_was_never_submitted_is_deleted_without_completion)
{
    ENDING ending = {0};
    WDFREQUEST request = request_create(NULL, &ending);

    WdfObjectDelete(request);
    CHECK_NOT_ENDED(&ending);
    CHECK_MISUSE(0);
}

TEST(deleting_the_device_ends_its_pending_requests_as_canceled)
{
    FIXTURE fixture = fixture_create();
    ENDING endings[8] = {0};

    for (int i = 0; i < 8; i++)
    {
        (void)request_pending(&fixture, &endings[i]);
    }
    WdfObjectDelete(fixture.Device);
    for (int i = 0; i < 8; i++)
    {
        CHECK_ENDED(&endings[i], STATUS_CANCELLED, 0);
    }
    CHECK_MISUSE(0);
}

TEST(deleting_the_device_ends_a_request_that_the_client_holds)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    (void)request_pending(&fixture, &ending);
    with_client(&fixture, keeps);
    WdfObjectDelete(fixture.Device);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    /* The Client comes too late, and is told so. */
    WdfRequestComplete(kept, STATUS_SUCCESS);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    CHECK_EQUAL(atomic_load(&ending.Completions), 1);
}

TEST(deleting_the_device_ends_a_marked_request_once)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};

    routine_clear(true);
    (void)request_pending(&fixture, &ending);
    with_client(&fixture, is_marked);
    WdfObjectDelete(fixture.Device);
    CHECK_ENDED(&ending, STATUS_CANCELLED, 0);
    CHECK(atomic_load(&routine_calls) <= 1);
    MISUSE_IGNORE();
}

TEST(deleting_the_device_frees_the_requests_that_are_over)
{
    FIXTURE fixture = fixture_create();
    ENDING ending = {0};
    WDFREQUEST request = request_create(fixture.Device, &ending);

    WdfRequestComplete(request, STATUS_SUCCESS);
    WdfObjectDelete(fixture.Device);
    CHECK_EQUAL(atomic_load(&ending.Completions), 1);
    CHECK_STATUS(WdfRequestGetStatus(request), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

/* ------------------------------------------------------------------------------- requests of a client target */

static NTSTATUS look(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType RequestType,
                     ULONG Ioctl, VOID* InputBuffer, size_t InputLength, VOID* OutputBuffer, size_t OutputLength,
                     ULONG_PTR* Information, VOID* Context)
{
    PVOID buffer = NULL;
    size_t length = 0;

    UNREFERENCED_PARAMETER(Target);
    UNREFERENCED_PARAMETER(RequestType);
    UNREFERENCED_PARAMETER(Ioctl);
    CHECK_SUCCESS(WdfRequestRetrieveInputBuffer(Request, 1, &buffer, &length));
    CHECK_POINTER(buffer, InputBuffer);
    CHECK_EQUAL(length, InputLength);
    CHECK_SUCCESS(WdfRequestRetrieveOutputBuffer(Request, 1, &buffer, &length));
    CHECK_POINTER(buffer, OutputBuffer);
    CHECK_EQUAL(length, OutputLength);
    CHECK_EQUAL(WdfRequestIsCanceled(Request), FALSE);
    WdfObjectDelete(Request);
    CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
    CHECK_MISUSE(1);
    *Information = 6;
    atomic_fetch_add((atomic_int*)Context, 1);
    return STATUS_SUCCESS;
}

TEST(a_target_sees_the_senders_buffers_and_cannot_delete_the_request)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;
    WDFIOTARGET target = NULL;
    atomic_int looks = 0;
    size_t written = 0;

    DMF_ContinuousRequestTarget_ATTRIBUTES_INIT(&attributes);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &module));
    REQUIRE_SUCCESS(DMF_IoTarget_ClientCreate(NULL, look, &looks, &target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendSynchronously(
        module, input_bytes, sizeof(input_bytes), output_bytes, sizeof(output_bytes),
        ContinuousRequestTarget_RequestType_Ioctl, 1, 0, &written));
    CHECK_EQUAL(written, 6);
    CHECK_EQUAL(atomic_load(&looks), 1);
    WdfObjectDelete(module);
    WdfObjectDelete(target);
}

TEST(a_client_target_needs_a_callback_and_a_place_for_the_handle)
{
    WDFIOTARGET target = (WDFIOTARGET)&target;

    CHECK_STATUS(DMF_IoTarget_ClientCreate(NULL, NULL, NULL, &target), STATUS_INVALID_PARAMETER);
    CHECK(target == NULL);
    CHECK_STATUS(DMF_IoTarget_ClientCreate(NULL, look, NULL, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(2);
    CHECK_STATUS(DMF_IoTarget_ClientCreate((WDFDEVICE)&target, look, NULL, &target), STATUS_INVALID_HANDLE);
    CHECK(target == NULL);
    CHECK_MISUSE(1);
}

/* -------------------------------------------------------------------------------------------- bad handles */

TEST(every_function_refuses_a_handle_that_is_no_request)
{
    FIXTURE fixture = fixture_create();
    WDFREQUEST stale = request_create(NULL, NULL);
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);

    routine_clear(false);
    WdfObjectDelete(stale);
    handles[count++] = NULL;
    handles[count++] = stale;
    handles[count++] = fixture.Device;
    handles[count++] = fixture.Keeper;
    for (size_t i = 0; i < count; i++)
    {
        WDFREQUEST bad = (WDFREQUEST)handles[i];
        PVOID buffer = NULL;
        size_t length = 0;
        NTSTATUS status = STATUS_SUCCESS;
        ULONG_PTR information = 0;

        CHECK_EQUAL(DMF_Request_Cancel(bad), FALSE);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_Request_Wait(bad, 0, &status, &information), STATUS_INVALID_HANDLE);
        CHECK_STATUS(WdfRequestRetrieveInputBuffer(bad, 0, &buffer, &length), STATUS_INVALID_HANDLE);
        CHECK_STATUS(WdfRequestRetrieveOutputBuffer(bad, 0, &buffer, &length), STATUS_INVALID_HANDLE);
        WdfRequestComplete(bad, STATUS_SUCCESS);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        WdfRequestCompleteWithInformation(bad, STATUS_SUCCESS, 1);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        WdfRequestSetInformation(bad, 1);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_EQUAL(WdfRequestGetInformation(bad), 0);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_STATUS(WdfRequestGetStatus(bad), STATUS_INVALID_HANDLE);
        CHECK_EQUAL(WdfRequestIsCanceled(bad), FALSE);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        WdfRequestMarkCancelable(bad, Routine);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_STATUS(WdfRequestMarkCancelableEx(bad, Routine), STATUS_INVALID_HANDLE);
        CHECK_STATUS(WdfRequestUnmarkCancelable(bad), STATUS_INVALID_HANDLE);
        CHECK_MISUSE(13);
    }
    CHECK_EQUAL(atomic_load(&routine_calls), 0);
    WdfObjectDelete(fixture.Device);
}

/* -------------------------------------------------------------------------------------------------- races */

enum
{
    RACERS = 3
};

static struct
{
    pthread_barrier_t Line;
    _Atomic(WDFREQUEST) Request;
    atomic_bool Over;
    void (*Step[RACERS])(WDFREQUEST);
} race;

/* The threads leave the barrier one after the other; a pause of random length makes up for it. */
static void hesitate(unsigned* seed)
{
    for (volatile int i = rand_r(seed) % 3000; i > 0; i--)
    {
    }
}

static void cancels(WDFREQUEST request)
{
    (void)DMF_Request_Cancel(request);
}

static void marks_and_completes(WDFREQUEST request)
{
    static unsigned seed;

    if (!NT_SUCCESS(WdfRequestMarkCancelableEx(request, Routine)))
    {
        WdfRequestComplete(request, STATUS_CANCELLED);
        return;
    }
    hesitate(&seed);
    if (NT_SUCCESS(WdfRequestUnmarkCancelable(request)))
    {
        WdfRequestComplete(request, STATUS_SUCCESS);
    }
    /* Otherwise the routine has it, and completes it. */
}

static DMFMODULE racing_keeper;

static void returns_the_oldest(WDFREQUEST request)
{
    UNREFERENCED_PARAMETER(request);
    DMF_NotifyUserWithRequest_RequestReturn(racing_keeper, NULL, NULL, STATUS_SUCCESS);
}

static void waits_for_the_end(WDFREQUEST request)
{
    NTSTATUS status = STATUS_PENDING;
    ULONG_PTR information = 0;
    CHECK_SUCCESS(DMF_Request_Wait(request, 0, &status, &information));
}

static void* races(void* context)
{
    intptr_t number = (intptr_t)context;
    unsigned seed = (unsigned)number + 1;

    for (;;)
    {
        pthread_barrier_wait(&race.Line);
        if (atomic_load(&race.Over))
        {
            return NULL;
        }
        hesitate(&seed);
        race.Step[number](atomic_load(&race.Request));
        pthread_barrier_wait(&race.Line);
    }
}

/* Each of the steps on a thread of its own, all at once, for many Requests; every one of them ends once. */
static void run_races(unsigned rounds, bool with_the_client, void (*a)(WDFREQUEST), void (*b)(WDFREQUEST),
                      void (*c)(WDFREQUEST))
{
    FIXTURE fixture = fixture_create();
    pthread_t threads[RACERS];
    unsigned canceled = 0, completed = 0, others = 0, lost = 0;

    routine_clear(true);
    racing_keeper = fixture.Keeper;
    race.Step[0] = a;
    race.Step[1] = b;
    race.Step[2] = c;
    atomic_store(&race.Over, false);
    pthread_barrier_init(&race.Line, NULL, RACERS + 1);
    for (intptr_t i = 0; i < RACERS; i++)
    {
        REQUIRE(pthread_create(&threads[i], NULL, races, (void*)i) == 0);
    }
    for (unsigned round = 0; round < rounds; round++)
    {
        ENDING ending = {0};
        WDFREQUEST request = request_pending(&fixture, &ending);

        if (with_the_client)
        {
            with_client(&fixture, keeps);
        }
        atomic_store(&race.Request, request);
        pthread_barrier_wait(&race.Line);
        pthread_barrier_wait(&race.Line);
        lost += atomic_load(&ending.Completions) != 1;
        switch (atomic_load(&ending.Status))
        {
        case STATUS_SUCCESS:
            completed++;
            break;
        case STATUS_CANCELLED:
            canceled++;
            break;
        default:
            others++;
            break;
        }
        WdfObjectDelete(request);
    }
    atomic_store(&race.Over, true);
    pthread_barrier_wait(&race.Line);
    for (int i = 0; i < RACERS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&race.Line);
    printf("    %u completed, %u canceled\n", completed, canceled);
    CHECK_EQUAL(lost, 0);
    CHECK_EQUAL(others, 0);
    CHECK_EQUAL(completed + canceled, rounds);
    WdfObjectDelete(fixture.Device);
}

TEST(completing_and_canceling_at_the_same_time_end_a_marked_request_once)
{
    run_races(harness_rounds(20000), true, marks_and_completes, cancels, waits_for_the_end);
    CHECK_MISUSE(0);
}

TEST(canceling_twice_at_the_same_time_and_completing_end_a_request_once)
{
    run_races(harness_rounds(20000), true, marks_and_completes, cancels, cancels);
    CHECK_MISUSE(0);
}

TEST(returning_and_canceling_at_the_same_time_end_a_pending_request_once)
{
    /* Many more than the keeper's limit: every slot comes back, whoever ended the Request. */
    run_races(harness_rounds(20000), false, returns_the_oldest, cancels, waits_for_the_end);
    CHECK_MISUSE(0);
}

/* ------------------------------------------------------------------------------- deletion under a waiting thread */

static VOID deletes_its_request(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    (void)Status;
    (void)Information;
    (void)Context;
    WdfObjectDelete(Request);
}

static atomic_long waiting_thread;

/* Nothing but the wait lets the thread sleep. */
static bool it_sleeps(void)
{
    char path[64], text[512] = "";
    const char* state = NULL;
    long thread = atomic_load(&waiting_thread);
    FILE* file;

    snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", thread);
    if (thread != 0 && (file = fopen(path, "r")) != NULL)
    {
        state = fgets(text, sizeof(text), file) != NULL ? strrchr(text, ')') : NULL;
        fclose(file);
    }
    return state != NULL && strncmp(state, ") S", 3) == 0;
}

static void* waits_for_ever(void* request)
{
    atomic_store(&waiting_thread, syscall(SYS_gettid));
    return (void*)(intptr_t)DMF_Request_Wait(request, 0, NULL, NULL);
}

TEST(a_thread_that_waits_is_told_when_the_request_is_deleted)
{
    for (unsigned completed = 0; completed < 2; completed++)
    {
        WDFREQUEST request = NULL;
        pthread_t thread;
        void* status;

        REQUIRE_SUCCESS(
            DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, completed ? deletes_its_request : NULL, NULL, &request));
        atomic_store(&waiting_thread, 0);
        REQUIRE(pthread_create(&thread, NULL, waits_for_ever, request) == 0);
        EVENTUALLY(it_sleeps());
        harness_sleep_milliseconds(20); /* valgrind lets it sleep once before */
        if (completed)
        {
            WdfRequestComplete(request, STATUS_SUCCESS);
        }
        else
        {
            WdfObjectDelete(request);
        }
        pthread_join(thread, &status);
        CHECK_STATUS((NTSTATUS)(intptr_t)status, STATUS_INVALID_HANDLE);
    }
    CHECK_MISUSE(0);
}

int main(void)
{
    RUN(create_needs_a_place_for_the_handle);
    RUN(create_needs_a_buffer_where_there_is_a_length);
    RUN(create_refuses_a_device_that_is_none);
    RUN(a_request_needs_neither_device_nor_buffers_nor_callback);
    RUN(a_fresh_request_is_neither_canceled_nor_has_information);
    RUN(the_buffers_are_the_ones_that_were_given);
    RUN(the_length_of_a_buffer_need_not_be_asked_for);
    RUN(a_buffer_exactly_as_long_as_required_is_long_enough);
    RUN(a_buffer_shorter_than_required_is_not_given);
    RUN(a_buffer_of_no_length_is_too_small_whatever_is_required);
    RUN(retrieving_needs_a_place_for_the_address);
    RUN(the_buffers_of_a_completed_request_are_its_senders_again);
    RUN(what_the_client_writes_is_in_the_senders_buffer);
    RUN(the_creator_may_complete_a_request_that_was_never_submitted);
    RUN(the_creator_may_complete_a_request_that_a_module_refused);
    RUN(the_client_completes_the_request_that_it_was_given);
    RUN(the_client_may_complete_later_and_on_another_thread);
    RUN(complete_ends_with_the_information_that_was_set);
    RUN(complete_with_information_overrides_what_was_set);
    RUN(what_a_request_was_completed_with_does_not_change);
    RUN(a_completed_request_still_tells_its_status);
    RUN(a_second_completion_is_reported_and_changes_nothing);
    RUN(a_second_completion_by_the_client_is_reported_and_changes_nothing);
    RUN(what_a_module_keeps_nobody_else_completes);
    RUN(a_completed_request_cannot_be_submitted_again);
    RUN(a_pending_request_cannot_be_submitted_again);
    RUN(wait_without_a_time_waits_until_the_end);
    RUN(wait_for_a_completed_request_returns_at_once);
    RUN(a_wait_that_times_out_leaves_the_request_pending);
    RUN(several_threads_may_wait_for_one_request);
    RUN(whoever_waits_may_free_the_request_and_what_its_callback_uses);
    RUN(canceling_a_request_that_is_not_submitted_marks_it);
    RUN(a_request_canceled_before_it_is_submitted_is_accepted_and_ends_as_canceled);
    RUN(canceling_a_pending_request_ends_it);
    RUN(a_completed_request_cannot_be_canceled);
    RUN(a_cancel_is_delivered_once);
    RUN(canceling_a_marked_request_calls_its_routine_once);
    RUN(a_cancel_routine_may_leave_the_completion_to_somebody_else);
    RUN(what_was_canceled_may_end_well_all_the_same);
    RUN(an_unmarked_request_is_canceled_without_the_routine);
    RUN(a_request_can_be_marked_and_unmarked_again_and_again);
    RUN(unmarking_what_was_canceled_says_so);
    RUN(unmarking_what_is_not_marked_is_refused);
    RUN(marking_a_canceled_request_calls_the_routine_at_once);
    RUN(marking_a_canceled_request_the_other_way_says_so_and_calls_nothing);
    RUN(completing_a_request_that_is_still_marked_is_tolerated);
    RUN(marking_needs_a_routine);
    RUN(what_was_not_submitted_cannot_be_marked);
    RUN(what_is_completed_cannot_be_marked);
    RUN(a_pending_request_cannot_be_deleted);
    RUN(a_request_that_is_with_the_client_cannot_be_deleted);
    RUN(the_completion_callback_may_free_the_request);
    RUN(the_completion_callback_may_free_the_request_that_is_canceled);
    RUN(a_completed_request_is_deleted_once);
    RUN(a_request_that_was_never_submitted_is_deleted_without_completion);
    RUN(deleting_the_device_ends_its_pending_requests_as_canceled);
    RUN(deleting_the_device_ends_a_request_that_the_client_holds);
    RUN(deleting_the_device_ends_a_marked_request_once);
    RUN(deleting_the_device_frees_the_requests_that_are_over);
    RUN(a_target_sees_the_senders_buffers_and_cannot_delete_the_request);
    RUN(a_client_target_needs_a_callback_and_a_place_for_the_handle);
    RUN(every_function_refuses_a_handle_that_is_no_request);
    RUN(completing_and_canceling_at_the_same_time_end_a_marked_request_once);
    RUN(canceling_twice_at_the_same_time_and_completing_end_a_request_once);
    RUN(returning_and_canceling_at_the_same_time_end_a_pending_request_once);
    RUN(a_thread_that_waits_is_told_when_the_request_is_deleted);
    return TESTS_RESULT();
}
