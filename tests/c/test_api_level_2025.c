/* What DMF_API_LEVEL 2025 changes: a program that is written for the later prototypes compiles and works. */
#define _DEFAULT_SOURCE 1
#define DMF_API_LEVEL 2025

#include "client_target.h"

#include <stdatomic.h>

#define READ ContinuousRequestTarget_RequestType_Read

static CLIENT_TARGET target;

typedef struct
{
    WDFDEVICE Device;
    DMFMODULE Module;
} FIXTURE;

static atomic_int calls;
static _Atomic NTSTATUS status_then;

static EVT_DMF_ContinuousRequestTarget_SendCompletion SendCompleted;

static VOID SendCompleted(DMFMODULE DmfModule, VOID* ClientRequestContext, VOID* InputBuffer,
                          size_t InputBufferBytesWritten, VOID* OutputBuffer, size_t OutputBufferBytesRead,
                          NTSTATUS CompletionStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientRequestContext);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputBufferBytesWritten);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputBufferBytesRead);
    atomic_store(&status_then, CompletionStatus);
    atomic_fetch_add(&calls, 1);
}

static atomic_int outputs;

static EVT_DMF_ContinuousRequestTarget_BufferOutput TakeOutput;

static ContinuousRequestTarget_BufferDisposition TakeOutput(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                            size_t OutputBufferSize, VOID* ClientBufferContextOutput,
                                                            NTSTATUS CompletionStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputBufferSize);
    UNREFERENCED_PARAMETER(ClientBufferContextOutput);
    UNREFERENCED_PARAMETER(CompletionStatus);
    atomic_fetch_add(&outputs, 1);
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static FIXTURE fixture_create(CLIENT_TARGET_ANSWER answer, ContinuousRequestTarget_ModeType mode)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = {NULL, NULL};

    atomic_store(&calls, 0);
    atomic_store(&outputs, 0);
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ContinuousRequestCount = 2;
    config.BufferCountOutput = 4;
    config.BufferOutputSize = 16;
    config.RequestType = READ;
    config.EvtContinuousRequestTargetBufferOutput = TakeOutput;
    config.ContinuousRequestTargetMode = mode;
    CHECK_SUCCESS(DMF_Device_Create(NULL, &fixture.Device));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &fixture.Module));
    client_target_open(&target, fixture.Device, answer);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, target.Target));
    return fixture;
}

static void fixture_delete(FIXTURE* fixture)
{
    client_target_close(&target);
    WdfObjectDelete(fixture->Device);
}

TEST(the_modes_have_their_later_values)
{
    CHECK_EQUAL(ContinuousRequestTarget_Mode_Manual, 0);
    CHECK_EQUAL(ContinuousRequestTarget_Mode_Automatic, 1);
    CHECK_EQUAL(ContinuousRequestTarget_Mode_Maximum, 2);
}

TEST(the_default_completion_option_is_also_called_dispatch)
{
    CHECK_EQUAL(ContinuousRequestTarget_CompletionOptions_Dispatch, 0);
    CHECK_EQUAL(ContinuousRequestTarget_CompletionOptions_Dispatch, ContinuousRequestTarget_CompletionOptions_Default);
    CHECK_EQUAL(ContinuousRequestTarget_CompletionOptions_Passive, 1);
}

TEST(manual_streams_when_it_is_told_to)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES, ContinuousRequestTarget_Mode_Manual);

    harness_sleep_milliseconds(5);
    CHECK_EQUAL(atomic_load(&outputs), 0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(atomic_load(&outputs) > 5);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(automatic_streams_as_soon_as_there_is_a_target)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES, ContinuousRequestTarget_Mode_Automatic);

    EVENTUALLY(atomic_load(&outputs) > 5);
    DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(fixture.Module), 0);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(send_ex_ends_with_an_id_to_cancel_by)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS_CANCELABLE, ContinuousRequestTarget_Mode_Manual);
    RequestTarget_DmfRequestCancel id = NULL;
    UCHAR out[16];

    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendEx(fixture.Module, NULL, 0, out, sizeof(out), READ, 0, 0,
                                                     SendCompleted, NULL, &id));
    CHECK(id != NULL);
    EVENTUALLY(client_target_pending(&target) == 1);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, id), TRUE);
    EVENTUALLY(atomic_load(&calls) == 1);
    CHECK_STATUS(atomic_load(&status_then), STATUS_CANCELLED);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, id), FALSE);
    fixture_delete(&fixture);
}

static ULONG_PTR context_then;

static EVT_DMF_NotifyUserWithRequest_Complete Returned;

static VOID Returned(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    context_then = Context;
    WdfRequestComplete(Request, NtStatus);
}

static EVT_DMF_NotifyUserWithRequest_Complete DataDelivered;

static VOID DataDelivered(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    context_then = *(ULONG*)Context;
    WdfRequestComplete(Request, NtStatus);
}

TEST(requests_are_returned_with_a_number_as_context_and_data_is_still_a_pointer)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;
    WDFREQUEST requests[4];
    ULONG data = 44;

    DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.MaximumNumberOfPendingRequests = 4;
    config.MaximumNumberOfPendingDataBuffers = 1;
    config.SizeOfDataBuffer = sizeof(data);
    REQUIRE_SUCCESS(DMF_NotifyUserWithRequest_Create(NULL, &attributes, NULL, &module));
    for (int i = 0; i < 4; i++)
    {
        CHECK_SUCCESS(DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, NULL, NULL, &requests[i]));
        CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(module, requests[i]));
    }
    DMF_NotifyUserWithRequest_RequestReturn(module, Returned, (ULONG_PTR)41, STATUS_SUCCESS);
    CHECK_EQUAL(context_then, 41);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_RequestReturnEx(module, Returned, (ULONG_PTR)42, STATUS_SUCCESS));
    CHECK_EQUAL(context_then, 42);
    DMF_NotifyUserWithRequest_DataProcess(module, DataDelivered, &data, STATUS_SUCCESS);
    CHECK_EQUAL(context_then, 44);
    DMF_NotifyUserWithRequest_RequestReturnAll(module, Returned, (ULONG_PTR)43, STATUS_SUCCESS);
    CHECK_EQUAL(context_then, 43);
    for (int i = 0; i < 4; i++)
    {
        WdfObjectDelete(requests[i]);
    }
    CHECK_MISUSE(0);
    WdfObjectDelete(module);
}

int main(void)
{
    RUN(the_modes_have_their_later_values);
    RUN(the_default_completion_option_is_also_called_dispatch);
    RUN(manual_streams_when_it_is_told_to);
    RUN(automatic_streams_as_soon_as_there_is_a_target);
    RUN(send_ex_ends_with_an_id_to_cancel_by);
    RUN(requests_are_returned_with_a_number_as_context_and_data_is_still_a_pointer);
    return TESTS_RESULT();
}
