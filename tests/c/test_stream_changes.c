/*
 * A stream that is stopped, and whose target is changed, from the callback that fills its input, which Start itself calls;
 * and devices that sleep while their streams come and go.
 */
#define _DEFAULT_SOURCE 1

#define HARNESS_EVENTUALLY_SECONDS 10
#include "client_target.h"
#include "recording.h"

#include <sched.h>
#include <stdatomic.h>

static struct
{
    void (*Action)(DMFMODULE); /* what the next input callback does */
    CLIENT_TARGET Target;
    WDFIOTARGET Other;
    atomic_uint Inputs;
} change;

static VOID Fill(DMFMODULE DmfModule, VOID* InputBuffer, size_t* InputBufferSize, VOID* Context)
{
    void (*action)(DMFMODULE) = change.Action;

    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputBufferSize);
    UNREFERENCED_PARAMETER(Context);
    atomic_fetch_add(&change.Inputs, 1);
    change.Action = NULL;
    if (action != NULL)
    {
        action(DmfModule);
    }
}

static DMFMODULE stream_create(WDFDEVICE device, ContinuousRequestTarget_RequestType type)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.RequestType = type;
    config.ContinuousRequestCount = 2;
    config.BufferCountInput = 2;
    config.BufferInputSize = 4;
    config.BufferCountOutput = 2;
    config.BufferOutputSize = 64;
    config.EvtContinuousRequestTargetBufferInput = Fill;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &module));
    return module;
}

static void stops_and_waits(DMFMODULE module)
{
    DMF_ContinuousRequestTarget_StopAndWait(module);
}

TEST(stop_and_wait_from_the_input_callback_of_a_start_only_stops)
{
    WDFDEVICE device = NULL;
    DMFMODULE module;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    module = stream_create(device, ContinuousRequestTarget_RequestType_Ioctl);
    client_target_open(&change.Target, device, CLIENT_TARGET_PENDS_CANCELABLE);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, change.Target.Target));
    change.Action = stops_and_waits;
    alarm(20);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(module), STATUS_CANCELLED);
    CHECK_MISUSE(1);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(client_target_pending(&change.Target) == 2);
    DMF_ContinuousRequestTarget_StopAndWait(module);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 0);
    WdfObjectDelete(module);
    client_target_close(&change.Target);
    WdfObjectDelete(device);
}

static void changes_the_target(DMFMODULE module)
{
    DMF_ContinuousRequestTarget_IoTargetClear(module);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, change.Other));
}

/* A target that had taken the end of another target's start for its own would wait for the rest of it for ever. */
TEST(the_target_may_be_changed_while_a_stream_starts)
{
    DMF_REPLAY_PARAMS pace = {.Size = sizeof(pace), .Speed = 0, .Repeat = 1};
    RECORDING recording = recording_numbered(10, 1);
    WDFDEVICE device = NULL;
    DMFMODULE module, reader;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    module = stream_create(device, ContinuousRequestTarget_RequestType_Ioctl);
    reader = stream_create(device, ContinuousRequestTarget_RequestType_Read);
    client_target_open(&change.Target, device, CLIENT_TARGET_PENDS_CANCELABLE);
    CHECK_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, &pace, &change.Other));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, change.Target.Target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(reader, change.Other));
    change.Action = changes_the_target;
    alarm(40);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(module), STATUS_CANCELLED);
    MISUSE_IGNORE(); /* it was streaming when it was cleared */

    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(reader));
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(reader) == 0);
    WdfObjectDelete(module);
    WdfObjectDelete(reader);
    client_target_close(&change.Target);
    WdfObjectDelete(device);
    recording_remove(&recording);
}

/* What the first target had once is the second one's by now. */
TEST(a_target_that_is_deleted_cancels_nothing_that_another_has)
{
    WDFDEVICE device = NULL;
    CLIENT_TARGET first;
    DMFMODULE module;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    module = stream_create(device, ContinuousRequestTarget_RequestType_Read);
    client_target_open(&first, device, CLIENT_TARGET_PENDS_CANCELABLE);
    client_target_open(&change.Target, device, CLIENT_TARGET_PENDS_CANCELABLE);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, first.Target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    for (ULONG i = 0; i < 5; i++)
    {
        EVENTUALLY(client_target_pending(&first) == 2);
        CHECK(client_target_complete(&first, STATUS_SUCCESS));
    }
    EVENTUALLY(client_target_pending(&first) == 2);
    DMF_ContinuousRequestTarget_StopAndWait(module);
    CHECK_EQUAL(client_target_cancels(&first), 2);
    DMF_ContinuousRequestTarget_IoTargetClear(module);

    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, change.Target.Target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(client_target_pending(&change.Target) == 2);
    client_target_close(&first);
    CHECK_EQUAL(client_target_cancels(&change.Target), 0);
    CHECK_EQUAL(client_target_pending(&change.Target), 2);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 2);
    DMF_ContinuousRequestTarget_StopAndWait(module);
    WdfObjectDelete(module);
    client_target_close(&change.Target);
    WdfObjectDelete(device);
}

/* ---------------------------------------------------------------------------------------------- send, delete */

static atomic_uint sent, ended;
static _Atomic(VOID*) sender;

static VOID SendEnded(DMFMODULE DmfModule, VOID* Context, VOID* Input, size_t Written, VOID* Output, size_t Read,
                      NTSTATUS Status)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Input);
    UNREFERENCED_PARAMETER(Written);
    UNREFERENCED_PARAMETER(Output);
    UNREFERENCED_PARAMETER(Read);
    UNREFERENCED_PARAMETER(Status);
    atomic_fetch_add(&ended, 1);
}

/* Sends until the Module is deleted. */
static void* sends(void* context)
{
    VOID* module;

    while ((module = atomic_load(&sender)) != NULL)
    {
        atomic_fetch_add(&sent, 1);
        if (!NT_SUCCESS(DMF_ContinuousRequestTarget_Send((DMFMODULE)module, NULL, 0, NULL, 0,
                                                         ContinuousRequestTarget_RequestType_Read, 0, 0, SendEnded,
                                                         NULL)))
        {
            atomic_fetch_sub(&sent, 1);
        }
    }
    return context;
}

/* The target answers nothing: only the delete ends what was sent, and what is sent while it begins. */
TEST(what_is_sent_while_the_module_is_deleted_ends)
{
    WDFDEVICE device = NULL;
    pthread_t thread;

    alarm(100);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    client_target_open(&change.Target, device, CLIENT_TARGET_PENDS_CANCELABLE);
    for (unsigned i = 0; i < harness_rounds(200); i++)
    {
        DMFMODULE module = stream_create(device, ContinuousRequestTarget_RequestType_Read);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, change.Target.Target));
        atomic_store(&sender, (VOID*)module);
        REQUIRE(pthread_create(&thread, NULL, sends, NULL) == 0);
        while (client_target_calls(&change.Target) == 0)
        {
        }
        WdfObjectDelete(module);
        atomic_store(&sender, NULL);
        pthread_join(thread, NULL);
        CHECK_EQUAL(atomic_load(&ended), atomic_load(&sent));
        pthread_mutex_lock(&client_targets.Lock);
        change.Target.Calls = 0;
        pthread_mutex_unlock(&client_targets.Lock);
    }
    MISUSE_IGNORE(); /* the handle was dead */
    client_target_close(&change.Target);
    WdfObjectDelete(device);
}

/* ---------------------------------------------------------------------------------------------------- sleep */

static atomic_uint rounds;

static void* streams_come_and_go(void* device)
{
    while (atomic_load(&rounds) > 0)
    {
        DMFMODULE modules[16];

        for (int i = 0; i < 16; i++)
        {
            modules[i] = stream_create((WDFDEVICE)device, ContinuousRequestTarget_RequestType_Read);
        }
        for (int i = 0; i < 16; i++)
        {
            WdfObjectDelete(modules[i]);
        }
        atomic_fetch_sub(&rounds, 1);
    }
    return NULL;
}

TEST(a_device_sleeps_and_wakes_whatever_streams_come_and_go_below_it)
{
    WDFDEVICE device = NULL;
    pthread_t thread;
    unsigned wrong = 0;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    atomic_store(&rounds, harness_rounds(3000));
    REQUIRE(pthread_create(&thread, NULL, streams_come_and_go, device) == 0);
    while (atomic_load(&rounds) > 0)
    {
        wrong += DMF_Device_D0Exit(device) != STATUS_SUCCESS;
        wrong += DMF_Device_D0Entry(device) != STATUS_SUCCESS;
    }
    pthread_join(thread, NULL);
    CHECK_EQUAL(wrong, 0);
    WdfObjectDelete(device);
}

/* ------------------------------------------------------------------------------- the only buffer is elsewhere */

static struct
{
    _Atomic(WDFREQUEST) Request; /* that the target keeps */
    _Atomic(VOID*) Buffer;       /* that the Client keeps */
    atomic_uint Reports;
    atomic_bool Ends;
} only;

static NTSTATUS Keeps(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType RequestType, ULONG Ioctl,
                      VOID* InputBuffer, size_t InputLength, VOID* OutputBuffer, size_t OutputLength, ULONG_PTR* Information,
                      VOID* Context)
{
    (void)Target, (void)RequestType, (void)Ioctl, (void)InputBuffer, (void)InputLength, (void)OutputBuffer;
    (void)OutputLength, (void)Information, (void)Context;
    atomic_store(&only.Request, Request);
    return STATUS_PENDING;
}

static ContinuousRequestTarget_BufferDisposition KeepsTheBuffer(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                                size_t OutputBufferSize, VOID* Context,
                                                                NTSTATUS CompletionStatus)
{
    (void)DmfModule, (void)OutputBufferSize, (void)Context, (void)CompletionStatus;
    atomic_fetch_add(&only.Reports, 1);
    atomic_store(&only.Buffer, OutputBuffer);
    return ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming;
}

static void* completes(void* argument)
{
    for (unsigned looks = 0; !atomic_load(&only.Ends); looks++)
    {
        WDFREQUEST request = atomic_exchange(&only.Request, NULL);

        if (request != NULL)
        {
            WdfRequestCompleteWithInformation(request, STATUS_SUCCESS, 8);
        }
        else if (looks % 1024 == 0)
        {
            sched_yield();
        }
    }
    return argument;
}

/* The lane begins to wait for a buffer while another thread gives back the only one. */
TEST(a_buffer_that_comes_back_while_its_lane_begins_to_wait_is_the_lanes)
{
    unsigned rounds = harness_rounds(100000);
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    pthread_t thread;
    unsigned lost = 0;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ClientCreate(device, Keeps, NULL, &target));
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = 1;
    config.BufferCountOutput = 1;
    config.BufferOutputSize = 8;
    config.EvtContinuousRequestTargetBufferOutput = KeepsTheBuffer;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &module));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    REQUIRE(pthread_create(&thread, NULL, completes, NULL) == 0);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    for (unsigned round = 0; round < rounds && lost == 0; round++)
    {
        VOID* buffer;
        double begun = harness_seconds();

        for (unsigned looks = 1; (buffer = atomic_exchange(&only.Buffer, NULL)) == NULL && lost == 0; looks++)
        {
            if (looks % 1024 == 0)
            {
                sched_yield();
                lost = harness_seconds() - begun > HARNESS_EVENTUALLY_SECONDS;
            }
        }
        if (buffer != NULL)
        {
            DMF_ContinuousRequestTarget_BufferPut(module, buffer);
        }
    }
    CHECK_EQUAL(lost, 0);
    CHECK(lost != 0 || atomic_load(&only.Reports) >= rounds);
    DMF_ContinuousRequestTarget_Stop(module);
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
    atomic_store(&only.Ends, true);
    pthread_join(thread, NULL);
    if (only.Buffer != NULL)
    {
        DMF_ContinuousRequestTarget_BufferPut(module, only.Buffer);
    }
    WdfObjectDelete(module);
    WdfObjectDelete(device);
}

int main(void)
{
    RUN(stop_and_wait_from_the_input_callback_of_a_start_only_stops);
    RUN(the_target_may_be_changed_while_a_stream_starts);
    RUN(a_target_that_is_deleted_cancels_nothing_that_another_has);
    RUN(what_is_sent_while_the_module_is_deleted_ends);
    RUN(a_buffer_that_comes_back_while_its_lane_begins_to_wait_is_the_lanes);
    RUN(a_device_sleeps_and_wakes_whatever_streams_come_and_go_below_it);
    return TESTS_RESULT();
}
