/* ContinuousRequestTarget at targets that the test implements: single sends, streams of every type, power, deletion. */
#define _DEFAULT_SOURCE 1

#include "client_target.h"

#include <stdatomic.h>

#define READ ContinuousRequestTarget_RequestType_Read
#define WRITE ContinuousRequestTarget_RequestType_Write
#define IOCTL ContinuousRequestTarget_RequestType_Ioctl
#define INTERNAL ContinuousRequestTarget_RequestType_InternalIoctl

typedef ContinuousRequestTarget_BufferDisposition DISPOSITION;
#define TARGET_CONTINUES ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
#define TARGET_STOPS ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming
#define CLIENT_CONTINUES ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming

#define IN_SIZE 16
#define OUT_SIZE 24
#define CONTEXT_SIZE 8
#define CODE 0x222004

static CLIENT_TARGET target;
/* A copy of it, taken after a stream was stopped. */
static CLIENT_TARGET seen;

/* ----------------------------------------------------------------------------------------------- a single send */

typedef struct
{
    UCHAR In[IN_SIZE];
    UCHAR Out[OUT_SIZE];
    RequestTarget_DmfRequestCancel Id;
    /* What the callback saw. */
    atomic_int Calls;
    DMFMODULE Module;
    VOID* InputBuffer;
    size_t InputBytes;
    VOID* OutputBuffer;
    size_t OutputBytes;
    _Atomic NTSTATUS Status;
    RequestTarget_DmfRequestCancel IdThen;
    pthread_t Thread;
    /* What it does. */
    void (*Action)(DMFMODULE module);
} SEND;

static EVT_DMF_ContinuousRequestTarget_SendCompletion SendCompleted;

static VOID SendCompleted(DMFMODULE DmfModule, VOID* ClientRequestContext, VOID* InputBuffer,
                          size_t InputBufferBytesWritten, VOID* OutputBuffer, size_t OutputBufferBytesRead,
                          NTSTATUS CompletionStatus)
{
    SEND* send = (SEND*)ClientRequestContext;

    send->Module = DmfModule;
    send->InputBuffer = InputBuffer;
    send->InputBytes = InputBufferBytesWritten;
    send->OutputBuffer = OutputBuffer;
    send->OutputBytes = OutputBufferBytesRead;
    send->IdThen = send->Id;
    send->Thread = pthread_self();
    atomic_store(&send->Status, CompletionStatus);
    if (send->Action != NULL)
    {
        send->Action(DmfModule);
    }
    atomic_fetch_add(&send->Calls, 1);
}

static void send_clear(SEND* send)
{
    memset(send, 0, sizeof(*send));
    memset(send->In, 0x11, sizeof(send->In));
}

static NTSTATUS send_of_type(DMFMODULE module, SEND* send, ContinuousRequestTarget_RequestType type, ULONG milliseconds)
{
    return DMF_ContinuousRequestTarget_Send(module, send->In, IN_SIZE, send->Out, OUT_SIZE, type, CODE, milliseconds,
                                            SendCompleted, send);
}

static NTSTATUS send_with_id(DMFMODULE module, SEND* send)
{
    return DMF_ContinuousRequestTarget_SendEx_2025(module, send->In, IN_SIZE, send->Out, OUT_SIZE, IOCTL, CODE, 0,
                                                   SendCompleted, send, &send->Id);
}

static void check_sent(SEND* send, NTSTATUS status, int line)
{
    double end = harness_seconds() + HARNESS_EVENTUALLY_SECONDS;
    while (atomic_load(&send->Calls) == 0 && harness_seconds() < end)
    {
        harness_sleep_milliseconds(1);
    }
    harness_check_equal(atomic_load(&send->Calls), 1, __FILE__, line, "one completion");
    harness_check_status(atomic_load(&send->Status), status, __FILE__, line, "the completion's status");
}

#define CHECK_SENT(Send, Status) check_sent((Send), (Status), __LINE__)
#define CHECK_NOT_SENT(Send) CHECK_EQUAL(atomic_load(&(Send)->Calls), 0)

/* A device, a Module that streams nothing, and a target. */
typedef struct
{
    WDFDEVICE Device;
    DMFMODULE Module;
} FIXTURE;

static FIXTURE fixture_of(const DMF_CONFIG_ContinuousRequestTarget* config, DMF_MODULE_ATTRIBUTES* attributes,
                          CLIENT_TARGET_ANSWER answer)
{
    FIXTURE fixture = {NULL, NULL};

    attributes->ModuleConfigPointer = (VOID*)config;
    CHECK_SUCCESS(DMF_Device_Create(NULL, &fixture.Device));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, attributes, NULL, &fixture.Module));
    client_target_open(&target, fixture.Device, answer);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, target.Target));
    return fixture;
}

static FIXTURE fixture_create(CLIENT_TARGET_ANSWER answer)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    return fixture_of(&config, &attributes, answer);
}

static void fixture_delete(FIXTURE* fixture)
{
    client_target_close(&target);
    WdfObjectDelete(fixture->Device);
}

TEST(a_read_ends_with_its_output_only)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, READ, 0));
    CHECK_SENT(&send, STATUS_SUCCESS);
    CHECK_POINTER(send.Module, fixture.Module);
    CHECK(send.InputBuffer == NULL);
    CHECK_EQUAL(send.InputBytes, 0);
    CHECK_POINTER(send.OutputBuffer, send.Out);
    CHECK_EQUAL(send.OutputBytes, OUT_SIZE);
    CHECK_EQUAL(target.RequestType, READ);
    CHECK(target.InputBuffer == NULL);
    CHECK_EQUAL(target.InputLength, 0);
    CHECK_EQUAL(target.OutputLength, OUT_SIZE);
    fixture_delete(&fixture);
}

TEST(a_write_ends_with_its_input_only)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, WRITE, 0));
    CHECK_SENT(&send, STATUS_SUCCESS);
    CHECK_POINTER(send.InputBuffer, send.In);
    CHECK_EQUAL(send.InputBytes, IN_SIZE);
    CHECK(send.OutputBuffer == NULL);
    CHECK_EQUAL(send.OutputBytes, 0);
    CHECK_EQUAL(target.RequestType, WRITE);
    CHECK_ALL_BYTES(target.Input, 0x11, IN_SIZE);
    CHECK_EQUAL(target.InputLength, IN_SIZE);
    CHECK(target.OutputBuffer == NULL);
    CHECK_EQUAL(target.OutputLength, 0);
    CHECK_ALL_BYTES(send.Out, 0, OUT_SIZE);
    fixture_delete(&fixture);
}

TEST(a_write_tells_how_much_was_written)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    target.Information = 5;
    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, WRITE, 0));
    CHECK_SENT(&send, STATUS_SUCCESS);
    CHECK_EQUAL(send.InputBytes, 5);
    fixture_delete(&fixture);
}

TEST(a_control_code_ends_with_its_whole_input_and_the_output_that_was_written)
{
    static const ContinuousRequestTarget_RequestType types[] = {IOCTL, INTERNAL};

    for (int i = 0; i < 2; i++)
    {
        FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
        SEND send;

        target.Information = 5;
        send_clear(&send);
        CHECK_SUCCESS(send_of_type(fixture.Module, &send, types[i], 0));
        CHECK_SENT(&send, STATUS_SUCCESS);
        CHECK_POINTER(send.InputBuffer, send.In);
        CHECK_EQUAL(send.InputBytes, IN_SIZE);
        CHECK_POINTER(send.OutputBuffer, send.Out);
        CHECK_EQUAL(send.OutputBytes, 5);
        CHECK_EQUAL(target.RequestType, types[i]);
        CHECK_EQUAL(target.Ioctl, CODE);
        fixture_delete(&fixture);
    }
}

TEST(the_target_gets_the_buffers_in_place)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, IOCTL, 0));
    CHECK_SENT(&send, STATUS_SUCCESS);
    CHECK_POINTER(target.InputBuffer, send.In);
    CHECK_EQUAL(target.InputLength, IN_SIZE);
    CHECK_POINTER(target.OutputBuffer, send.Out);
    CHECK_EQUAL(target.OutputLength, OUT_SIZE);
    CHECK_EQUAL(client_target_number(send.Out), 0);
    CHECK_ALL_BYTES(send.Out + 4, CLIENT_TARGET_FILL, OUT_SIZE - 4);
    fixture_delete(&fixture);
}

TEST(lengths_of_0_are_legal)
{
    static const ContinuousRequestTarget_RequestType types[] = {READ, WRITE, IOCTL, INTERNAL};
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);

    for (int i = 0; i < 4; i++)
    {
        SEND send;

        send_clear(&send);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_Send(fixture.Module, NULL, 0, NULL, 0, types[i], CODE, 0,
                                                       SendCompleted, &send));
        CHECK_SENT(&send, STATUS_SUCCESS);
        CHECK_EQUAL(send.InputBytes, 0);
        CHECK_EQUAL(send.OutputBytes, 0);
        CHECK_EQUAL(target.InputLength, 0);
        CHECK_EQUAL(target.OutputLength, 0);
    }
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(a_send_without_a_callback_is_legal)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Send(fixture.Module, send.In, IN_SIZE, send.Out, OUT_SIZE, IOCTL, CODE, 0,
                                                   NULL, NULL));
    EVENTUALLY(client_target_calls(&target) == 1);
    fixture_delete(&fixture);
    CHECK_MISUSE(0);
}

TEST(without_a_target_nothing_is_sent)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;
    RequestTarget_DmfRequestReuse cookie = NULL;

    send_clear(&send);
    DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
    CHECK_STATUS(send_of_type(fixture.Module, &send, IOCTL, 0), STATUS_INVALID_DEVICE_STATE);
    CHECK_STATUS(DMF_ContinuousRequestTarget_SendEx(fixture.Module, send.In, IN_SIZE, send.Out, OUT_SIZE, IOCTL, CODE,
                                                    0, ContinuousRequestTarget_CompletionOptions_Passive,
                                                    SendCompleted, &send),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_STATUS(send_with_id(fixture.Module, &send), STATUS_INVALID_DEVICE_STATE);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &cookie));
    CHECK_STATUS(DMF_ContinuousRequestTarget_ReuseSend(fixture.Module, cookie, send.In, IN_SIZE, send.Out, OUT_SIZE,
                                                       IOCTL, CODE, 0, SendCompleted, &send, NULL),
                 STATUS_INVALID_DEVICE_STATE);
    /* What was not sent is not in use. */
    CHECK_EQUAL(DMF_ContinuousRequestTarget_ReuseDelete(fixture.Module, cookie), TRUE);
    MISUSE_IGNORE();
    fixture_delete(&fixture);
    CHECK_NOT_SENT(&send);
}

TEST(a_request_type_that_is_none_is_refused)
{
    static const int types[] = {0, 5, 99, -1};
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;
    size_t written = 77;

    send_clear(&send);
    for (int i = 0; i < 4; i++)
    {
        ContinuousRequestTarget_RequestType type = (ContinuousRequestTarget_RequestType)types[i];

        CHECK_STATUS(send_of_type(fixture.Module, &send, type, 0), STATUS_INVALID_PARAMETER);
        CHECK_STATUS(DMF_ContinuousRequestTarget_SendSynchronously(fixture.Module, send.In, IN_SIZE, send.Out,
                                                                   OUT_SIZE, type, CODE, 0, &written),
                     STATUS_INVALID_PARAMETER);
        CHECK_EQUAL(written, 0);
    }
    MISUSE_IGNORE();
    fixture_delete(&fixture);
    CHECK_NOT_SENT(&send);
    CHECK_EQUAL(target.Calls, 0);
}

TEST(a_length_without_a_buffer_is_refused)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Send(fixture.Module, NULL, IN_SIZE, send.Out, OUT_SIZE, IOCTL, CODE, 0,
                                                  SendCompleted, &send),
                 STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Send(fixture.Module, send.In, IN_SIZE, NULL, OUT_SIZE, IOCTL, CODE, 0,
                                                  SendCompleted, &send),
                 STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(2);
    fixture_delete(&fixture);
    CHECK_NOT_SENT(&send);
}

TEST(a_completion_option_that_is_none_is_refused)
{
    static const int options[] = {ContinuousRequestTarget_CompletionOptions_Maximum, 99, -1};
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    for (int i = 0; i < 3; i++)
    {
        CHECK_STATUS(DMF_ContinuousRequestTarget_SendEx(
                         fixture.Module, send.In, IN_SIZE, send.Out, OUT_SIZE, IOCTL, CODE, 0,
                         (ContinuousRequestTarget_CompletionOptions)options[i], SendCompleted, &send),
                     STATUS_INVALID_PARAMETER);
    }
    MISUSE_IGNORE();
    fixture_delete(&fixture);
    CHECK_NOT_SENT(&send);
}

TEST(a_failure_of_the_target_is_the_completions)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    target.FailNumber = 1;
    target.FailStatus = STATUS_ACCESS_DENIED;
    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, READ, 0));
    CHECK_SENT(&send, STATUS_ACCESS_DENIED);
    CHECK_EQUAL(send.OutputBytes, 0);
    fixture_delete(&fixture);
}

TEST(sends_reach_the_target_in_order)
{
    enum { COUNT = 50 };
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    static SEND sends[COUNT];

    for (ULONG i = 0; i < COUNT; i++)
    {
        send_clear(&sends[i]);
        CHECK_SUCCESS(send_of_type(fixture.Module, &sends[i], READ, 0));
    }
    for (ULONG i = 0; i < COUNT; i++)
    {
        CHECK_SENT(&sends[i], STATUS_SUCCESS);
        CHECK_EQUAL(client_target_number(sends[i].Out), i);
    }
    fixture_delete(&fixture);
}

/* ------------------------------------------------------------------------------------------------- threads */

TEST(a_default_completion_runs_on_the_thread_that_completes)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendEx(fixture.Module, send.In, IN_SIZE, send.Out, OUT_SIZE, IOCTL, CODE,
                                                     0, ContinuousRequestTarget_CompletionOptions_Default,
                                                     SendCompleted, &send));
    EVENTUALLY(client_target_pending(&target) == 1);
    CHECK_NOT_SENT(&send);
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_EQUAL(atomic_load(&send.Calls), 1);
    CHECK(pthread_equal(send.Thread, pthread_self()));
    fixture_delete(&fixture);
}

static void takes_a_while(DMFMODULE module)
{
    UNREFERENCED_PARAMETER(module);
    harness_sleep_milliseconds(50);
}

TEST(a_passive_completion_runs_where_it_may_wait)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS);
    SEND slow, quick;

    send_clear(&slow);
    send_clear(&quick);
    slow.Action = takes_a_while;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendEx(fixture.Module, slow.In, IN_SIZE, slow.Out, OUT_SIZE, IOCTL, CODE,
                                                     0, ContinuousRequestTarget_CompletionOptions_Passive,
                                                     SendCompleted, &slow));
    CHECK_SUCCESS(send_of_type(fixture.Module, &quick, IOCTL, 0));
    EVENTUALLY(client_target_pending(&target) == 2);
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_EQUAL(atomic_load(&quick.Calls), 1);
    CHECK_SENT(&slow, STATUS_SUCCESS);
    CHECK(!pthread_equal(slow.Thread, pthread_self()));
    CHECK_EQUAL(slow.OutputBytes, OUT_SIZE);
    fixture_delete(&fixture);
}

static void sends_synchronously(DMFMODULE module)
{
    UCHAR out[8];
    size_t written = 0;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendSynchronously(module, NULL, 0, out, sizeof(out), READ, 0, 0, &written));
    CHECK_EQUAL(written, sizeof(out));
}

TEST(a_passive_completion_may_send_and_wait)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    send.Action = sends_synchronously;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendEx(fixture.Module, send.In, IN_SIZE, send.Out, OUT_SIZE, IOCTL, CODE,
                                                     0, ContinuousRequestTarget_CompletionOptions_Passive,
                                                     SendCompleted, &send));
    CHECK_SENT(&send, STATUS_SUCCESS);
    fixture_delete(&fixture);
}

TEST(with_passive_level_sends_complete_on_a_passive_thread)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;
    SEND send;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    attributes.PassiveLevel = TRUE;
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_PENDS);
    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, IOCTL, 0));
    EVENTUALLY(client_target_pending(&target) == 1);
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_SENT(&send, STATUS_SUCCESS);
    CHECK(!pthread_equal(send.Thread, pthread_self()));
    fixture_delete(&fixture);
}

/* ------------------------------------------------------------------------------------------------ time-outs */

TEST(a_send_that_takes_too_long_ends_as_timed_out)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS_CANCELABLE);
    SEND send;

    /* On a busy machine the time may be over before the target has the Request: then with more time. */
    for (ULONG milliseconds = 20; client_target_cancels(&target) == 0 && milliseconds < 10000; milliseconds *= 4)
    {
        send_clear(&send);
        CHECK_SUCCESS(send_of_type(fixture.Module, &send, IOCTL, milliseconds));
        CHECK_SENT(&send, STATUS_IO_TIMEOUT);
        CHECK_EQUAL(send.OutputBytes, 0);
    }
    CHECK_EQUAL(client_target_cancels(&target), 1);
    CHECK_EQUAL(client_target_pending(&target), 0);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(a_time_out_does_not_wait_for_a_target_that_cannot_be_canceled)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, IOCTL, 20));
    CHECK_SENT(&send, STATUS_IO_TIMEOUT);
    CHECK_EQUAL(client_target_pending(&target), 1);
    /* The target's late answer is legal, and nobody's. */
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_MISUSE(0);
    CHECK_EQUAL(atomic_load(&send.Calls), 1);
    fixture_delete(&fixture);
}

TEST(a_send_that_ends_in_time_does_not_time_out)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, IOCTL, 40));
    CHECK_SENT(&send, STATUS_SUCCESS);
    harness_sleep_milliseconds(80);
    CHECK_EQUAL(atomic_load(&send.Calls), 1);
    fixture_delete(&fixture);
}

TEST(a_time_of_0_is_none)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, IOCTL, 0));
    harness_sleep_milliseconds(60);
    CHECK_NOT_SENT(&send);
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_SENT(&send, STATUS_SUCCESS);
    fixture_delete(&fixture);
}

/* -------------------------------------------------------------------------------------------- synchronously */

TEST(a_synchronous_send_gives_the_bytes)
{
    static const ContinuousRequestTarget_RequestType types[] = {READ, WRITE, IOCTL, INTERNAL};
    static const size_t bytes[] = {OUT_SIZE, IN_SIZE, OUT_SIZE, OUT_SIZE};
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);

    for (int i = 0; i < 4; i++)
    {
        SEND send;
        size_t written = 77;

        send_clear(&send);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendSynchronously(fixture.Module, send.In, IN_SIZE, send.Out,
                                                                    OUT_SIZE, types[i], CODE, 0, &written));
        CHECK_EQUAL(written, bytes[i]);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendSynchronously(fixture.Module, send.In, IN_SIZE, send.Out,
                                                                    OUT_SIZE, types[i], CODE, 0, NULL));
    }
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(a_synchronous_send_gives_the_final_status_and_no_bytes_on_failure)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    UCHAR out[OUT_SIZE];
    size_t written = 77;

    target.FailNumber = 1;
    target.FailStatus = STATUS_DEVICE_NOT_CONNECTED;
    CHECK_STATUS(DMF_ContinuousRequestTarget_SendSynchronously(fixture.Module, NULL, 0, out, sizeof(out), READ, 0, 0,
                                                               &written),
                 STATUS_DEVICE_NOT_CONNECTED);
    CHECK_EQUAL(written, 0);
    fixture_delete(&fixture);
}

TEST(a_synchronous_send_times_out)
{
    static const CLIENT_TARGET_ANSWER answers[] = {CLIENT_TARGET_PENDS, CLIENT_TARGET_PENDS_CANCELABLE};

    for (int i = 0; i < 2; i++)
    {
        FIXTURE fixture = fixture_create(answers[i]);
        UCHAR out[OUT_SIZE];
        size_t written = 77;

        CHECK_STATUS(DMF_ContinuousRequestTarget_SendSynchronously(fixture.Module, NULL, 0, out, sizeof(out), READ, 0,
                                                                   20, &written),
                     STATUS_IO_TIMEOUT);
        CHECK_EQUAL(written, 0);
        fixture_delete(&fixture);
        CHECK_MISUSE(0);
    }
}

TEST(a_synchronous_send_waits_for_a_target_that_takes_its_time)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS);
    UCHAR out[OUT_SIZE];
    size_t written = 77;

    client_target_thread_start(&target, 0.03);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendSynchronously(fixture.Module, NULL, 0, out, sizeof(out), READ, 0, 0,
                                                                &written));
    CHECK_EQUAL(written, OUT_SIZE);
    fixture_delete(&fixture);
}

/* ------------------------------------------------------------------------------------------------- cancel ids */

TEST(ids_are_new_each_time_and_increase)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND sends[3];

    for (int i = 0; i < 3; i++)
    {
        send_clear(&sends[i]);
        CHECK_SUCCESS(send_with_id(fixture.Module, &sends[i]));
        CHECK_SENT(&sends[i], STATUS_SUCCESS);
        CHECK(sends[i].Id != NULL);
        CHECK(i == 0 || (uintptr_t)sends[i].Id > (uintptr_t)sends[i - 1].Id);
    }
    fixture_delete(&fixture);
}

TEST(the_id_is_there_before_the_callback_runs)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    unsigned rounds = harness_rounds(2000);

    for (unsigned i = 0; i < rounds; i++)
    {
        SEND send;

        send_clear(&send);
        REQUIRE_SUCCESS(send_with_id(fixture.Module, &send));
        while (atomic_load(&send.Calls) == 0)
        {
        }
        CHECK(send.IdThen != NULL);
        CHECK_POINTER(send.IdThen, send.Id);
    }
    fixture_delete(&fixture);
}

TEST(a_canceled_send_ends_as_canceled_and_its_callback_comes)
{
    static const CLIENT_TARGET_ANSWER answers[] = {CLIENT_TARGET_PENDS, CLIENT_TARGET_PENDS_CANCELABLE};

    for (int i = 0; i < 2; i++)
    {
        FIXTURE fixture = fixture_create(answers[i]);
        SEND send;

        send_clear(&send);
        CHECK_SUCCESS(send_with_id(fixture.Module, &send));
        EVENTUALLY(client_target_pending(&target) == 1);
        CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, send.Id), TRUE);
        CHECK_SENT(&send, STATUS_CANCELLED);
        CHECK_EQUAL(send.OutputBytes, 0);
        CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, send.Id), FALSE);
        fixture_delete(&fixture);
        CHECK_EQUAL(atomic_load(&send.Calls), 1);
        CHECK_MISUSE(0);
    }
}

TEST(only_the_send_with_that_id_is_canceled)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS_CANCELABLE);
    SEND sends[3];

    for (int i = 0; i < 3; i++)
    {
        send_clear(&sends[i]);
        CHECK_SUCCESS(send_with_id(fixture.Module, &sends[i]));
    }
    EVENTUALLY(client_target_pending(&target) == 3);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, sends[1].Id), TRUE);
    CHECK_SENT(&sends[1], STATUS_CANCELLED);
    CHECK_EQUAL(client_target_pending(&target), 2);
    client_target_complete_all(&target, STATUS_SUCCESS);
    CHECK_SENT(&sends[0], STATUS_SUCCESS);
    CHECK_SENT(&sends[2], STATUS_SUCCESS);
    fixture_delete(&fixture);
}

TEST(what_is_finished_or_unknown_cannot_be_canceled)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    VOID* garbage[HARNESS_GARBAGE_MAX + 1];
    size_t count = harness_garbage(garbage);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(send_with_id(fixture.Module, &send));
    CHECK_SENT(&send, STATUS_SUCCESS);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, send.Id), FALSE);
    garbage[count++] = NULL;
    for (size_t i = 0; i < count; i++)
    {
        CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, (RequestTarget_DmfRequestCancel)garbage[i]),
                    FALSE);
    }
    MISUSE_IGNORE();
    fixture_delete(&fixture);
    CHECK_EQUAL(atomic_load(&send.Calls), 1);
}

TEST(an_id_need_not_be_asked_for)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    send_clear(&send);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendEx_2025(fixture.Module, send.In, IN_SIZE, send.Out, OUT_SIZE, IOCTL,
                                                          CODE, 0, SendCompleted, &send, NULL));
    CHECK_SENT(&send, STATUS_SUCCESS);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

/* ------------------------------------------------------------------------------------------------------ reuse */

static NTSTATUS reuse_send(DMFMODULE module, RequestTarget_DmfRequestReuse cookie, SEND* send)
{
    return DMF_ContinuousRequestTarget_ReuseSend(module, cookie, send->In, IN_SIZE, send->Out, OUT_SIZE, IOCTL, CODE, 0,
                                                 SendCompleted, send, &send->Id);
}

TEST(a_reused_request_is_sent_again_and_again)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    RequestTarget_DmfRequestReuse cookie = NULL;
    RequestTarget_DmfRequestCancel last = NULL;

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &cookie));
    CHECK(cookie != NULL);
    for (ULONG i = 0; i < 20; i++)
    {
        SEND send;

        send_clear(&send);
        CHECK_SUCCESS(reuse_send(fixture.Module, cookie, &send));
        CHECK_SENT(&send, STATUS_SUCCESS);
        CHECK_EQUAL(client_target_number(send.Out), i);
        CHECK((uintptr_t)send.Id > (uintptr_t)last);
        last = send.Id;
    }
    CHECK_EQUAL(DMF_ContinuousRequestTarget_ReuseDelete(fixture.Module, cookie), TRUE);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(a_reused_request_in_use_is_neither_sent_nor_deleted)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS);
    RequestTarget_DmfRequestReuse cookie = NULL;
    SEND first, second;

    send_clear(&first);
    send_clear(&second);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &cookie));
    CHECK_SUCCESS(reuse_send(fixture.Module, cookie, &first));
    EVENTUALLY(client_target_pending(&target) == 1);
    CHECK_STATUS(reuse_send(fixture.Module, cookie, &second), STATUS_OBJECTID_NOT_FOUND);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_ReuseDelete(fixture.Module, cookie), FALSE);
    MISUSE_IGNORE();
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_SENT(&first, STATUS_SUCCESS);
    CHECK_NOT_SENT(&second);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_ReuseDelete(fixture.Module, cookie), TRUE);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(a_cookie_that_is_none_is_not_found)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    VOID* garbage[HARNESS_GARBAGE_MAX + 2];
    size_t count = harness_garbage(garbage);
    RequestTarget_DmfRequestReuse stale = NULL;
    SEND send;

    send_clear(&send);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &stale));
    CHECK_EQUAL(DMF_ContinuousRequestTarget_ReuseDelete(fixture.Module, stale), TRUE);
    garbage[count++] = NULL;
    garbage[count++] = stale;
    for (size_t i = 0; i < count; i++)
    {
        CHECK_STATUS(reuse_send(fixture.Module, (RequestTarget_DmfRequestReuse)garbage[i], &send),
                     STATUS_OBJECTID_NOT_FOUND);
        CHECK_EQUAL(DMF_ContinuousRequestTarget_ReuseDelete(fixture.Module, (RequestTarget_DmfRequestReuse)garbage[i]),
                    FALSE);
    }
    MISUSE_IGNORE();
    fixture_delete(&fixture);
    CHECK_NOT_SENT(&send);
    CHECK_EQUAL(target.Calls, 0);
}

TEST(reuse_create_needs_a_place_for_the_cookie)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);

    CHECK_STATUS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    fixture_delete(&fixture);
}

static RequestTarget_DmfRequestReuse resent_cookie;
static SEND resent[10];
static atomic_uint resent_count;
static _Atomic NTSTATUS resend_status;

static void resends(DMFMODULE module)
{
    unsigned next = atomic_fetch_add(&resent_count, 1) + 1;
    if (next < 10)
    {
        NTSTATUS status;
        send_clear(&resent[next]);
        resent[next].Action = resends;
        status = reuse_send(module, resent_cookie, &resent[next]);
        if (!NT_SUCCESS(status))
        {
            atomic_store(&resend_status, status);
        }
    }
}

TEST(the_callback_may_send_its_request_again)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);

    atomic_store(&resent_count, 0);
    atomic_store(&resend_status, STATUS_SUCCESS);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &resent_cookie));
    send_clear(&resent[0]);
    resent[0].Action = resends;
    CHECK_SUCCESS(reuse_send(fixture.Module, resent_cookie, &resent[0]));
    EVENTUALLY(atomic_load(&resent_count) == 10);
    CHECK_STATUS(atomic_load(&resend_status), STATUS_SUCCESS);
    for (int i = 0; i < 10; i++)
    {
        CHECK_SENT(&resent[i], STATUS_SUCCESS);
    }
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(a_reused_send_can_be_canceled_and_times_out)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS_CANCELABLE);
    RequestTarget_DmfRequestReuse cookie = NULL;
    SEND send;

    send_clear(&send);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &cookie));
    CHECK_SUCCESS(reuse_send(fixture.Module, cookie, &send));
    EVENTUALLY(client_target_pending(&target) == 1);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, send.Id), TRUE);
    CHECK_SENT(&send, STATUS_CANCELLED);
    send_clear(&send);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_ReuseSend(fixture.Module, cookie, send.In, IN_SIZE, send.Out, OUT_SIZE,
                                                        IOCTL, CODE, 20, SendCompleted, &send, NULL));
    CHECK_SENT(&send, STATUS_IO_TIMEOUT);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(an_abandoned_reused_request_is_sent_again_while_the_target_still_has_it)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS);
    RequestTarget_DmfRequestReuse cookie = NULL;
    SEND first, second;

    send_clear(&first);
    send_clear(&second);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &cookie));
    CHECK_SUCCESS(reuse_send(fixture.Module, cookie, &first));
    EVENTUALLY(client_target_pending(&target) == 1);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, first.Id), TRUE);
    CHECK_SENT(&first, STATUS_CANCELLED);
    CHECK_SUCCESS(reuse_send(fixture.Module, cookie, &second));
    EVENTUALLY(client_target_pending(&target) == 2);
    /* The late answer to the first is not taken for the second's. */
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_NOT_SENT(&second);
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_SENT(&second, STATUS_SUCCESS);
    CHECK_EQUAL(atomic_load(&first.Calls), 1);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(delete_of_the_module_frees_forgotten_cookies)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    RequestTarget_DmfRequestReuse cookie = NULL;

    for (int i = 0; i < 8; i++)
    {
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &cookie));
    }
    fixture_delete(&fixture);
    CHECK_MISUSE(0);
}

/* -------------------------------------------------------------------------------- outstanding when deleted */

TEST(delete_of_the_module_ends_outstanding_sends_as_canceled)
{
    static const CLIENT_TARGET_ANSWER answers[] = {CLIENT_TARGET_PENDS, CLIENT_TARGET_PENDS_CANCELABLE};

    for (int answer = 0; answer < 2; answer++)
    {
        FIXTURE fixture = fixture_create(answers[answer]);
        RequestTarget_DmfRequestReuse cookie = NULL;
        SEND sends[6];

        CHECK_SUCCESS(DMF_ContinuousRequestTarget_ReuseCreate(fixture.Module, &cookie));
        for (int i = 0; i < 6; i++)
        {
            send_clear(&sends[i]);
            CHECK_SUCCESS(i < 2    ? send_of_type(fixture.Module, &sends[i], READ, 0)
                          : i < 4  ? send_with_id(fixture.Module, &sends[i])
                          : i == 4 ? send_of_type(fixture.Module, &sends[i], WRITE, 60000)
                                   : reuse_send(fixture.Module, cookie, &sends[i]));
        }
        EVENTUALLY(client_target_pending(&target) == 6);
        WdfObjectDelete(fixture.Module);
        for (int i = 0; i < 6; i++)
        {
            CHECK_EQUAL(atomic_load(&sends[i].Calls), 1);
            CHECK_STATUS(atomic_load(&sends[i].Status), STATUS_CANCELLED);
        }
        fixture_delete(&fixture);
        CHECK_MISUSE(0);
    }
}

TEST(delete_of_the_target_ends_outstanding_sends_as_canceled)
{
    static const CLIENT_TARGET_ANSWER answers[] = {CLIENT_TARGET_PENDS, CLIENT_TARGET_PENDS_CANCELABLE};

    for (int answer = 0; answer < 2; answer++)
    {
        FIXTURE fixture = fixture_create(answers[answer]);
        SEND sends[4], late;

        for (int i = 0; i < 4; i++)
        {
            send_clear(&sends[i]);
            CHECK_SUCCESS(send_of_type(fixture.Module, &sends[i], IOCTL, 0));
        }
        EVENTUALLY(client_target_pending(&target) == 4);
        WdfObjectDelete(target.Target);
        for (int i = 0; i < 4; i++)
        {
            CHECK_SENT(&sends[i], STATUS_CANCELLED);
        }
        send_clear(&late);
        CHECK(!NT_SUCCESS(send_of_type(fixture.Module, &late, IOCTL, 0)));
        CHECK_NOT_SENT(&late);
        MISUSE_IGNORE();
        client_target_forget(&target);
        WdfObjectDelete(fixture.Device);
    }
}

TEST(delete_of_the_device_ends_outstanding_sends_as_canceled)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_PENDS_CANCELABLE);
    SEND sends[4];

    for (int i = 0; i < 4; i++)
    {
        send_clear(&sends[i]);
        CHECK_SUCCESS(send_of_type(fixture.Module, &sends[i], IOCTL, 0));
    }
    WdfObjectDelete(fixture.Device);
    for (int i = 0; i < 4; i++)
    {
        CHECK_SENT(&sends[i], STATUS_CANCELLED);
    }
    client_target_forget(&target);
    MISUSE_IGNORE();
}

/* Two targets, each of which deletes the other one while both are in their callbacks. */
static struct
{
    WDFIOTARGET Targets[2];
    pthread_barrier_t BothInside;
} pair;

static EVT_DMF_IoTarget_Request DeletesTheOther;

static NTSTATUS DeletesTheOther(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType RequestType,
                                ULONG IoctlCode, VOID* InputBuffer, size_t InputBufferSize, VOID* OutputBuffer,
                                size_t OutputBufferSize, ULONG_PTR* Information, VOID* Context)
{
    (void)Request, (void)RequestType, (void)IoctlCode, (void)InputBuffer, (void)InputBufferSize, (void)OutputBuffer;
    (void)OutputBufferSize, (void)Information, (void)Context;
    pthread_barrier_wait(&pair.BothInside);
    WdfObjectDelete(pair.Targets[Target == pair.Targets[0]]);
    return STATUS_SUCCESS;
}

TEST(targets_may_delete_each_other_in_their_callbacks)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE modules[2];
    SEND sends[2];

    pthread_barrier_init(&pair.BothInside, NULL, 2);
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    for (int i = 0; i < 2; i++)
    {
        send_clear(&sends[i]);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &modules[i]));
        CHECK_SUCCESS(DMF_IoTarget_ClientCreate(NULL, DeletesTheOther, NULL, &pair.Targets[i]));
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(modules[i], pair.Targets[i]));
    }
    for (int i = 0; i < 2; i++)
    {
        CHECK_SUCCESS(send_of_type(modules[i], &sends[i], IOCTL, 0));
    }
    for (int i = 0; i < 2; i++)
    {
        EVENTUALLY(atomic_load(&sends[i].Calls) == 1);
    }
    MISUSE_IGNORE();
    for (int i = 0; i < 2; i++)
    {
        WdfObjectDelete(modules[i]);
    }
    pthread_barrier_destroy(&pair.BothInside);
}

static void deletes_the_module(DMFMODULE module)
{
    WdfObjectDelete(module);
}

static void delete_from_the_callback_of_a_send(BOOLEAN passive_level)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;
    SEND sends[3];
    NTSTATUS gone = STATUS_SUCCESS;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    attributes.PassiveLevel = passive_level;
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_PENDS);
    for (int i = 0; i < 3; i++)
    {
        send_clear(&sends[i]);
        CHECK_SUCCESS(send_of_type(fixture.Module, &sends[i], IOCTL, 0));
    }
    sends[0].Action = deletes_the_module;
    EVENTUALLY(client_target_pending(&target) == 3);
    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    CHECK_SENT(&sends[0], STATUS_SUCCESS);
    CHECK_SENT(&sends[1], STATUS_CANCELLED);
    CHECK_SENT(&sends[2], STATUS_CANCELLED);
    /* The last callback may return a moment before the delete that waits for it is done. */
    EVENTUALLY((gone = send_of_type(fixture.Module, &sends[0], IOCTL, 0)) != STATUS_INVALID_DEVICE_STATE);
    CHECK_STATUS(gone, STATUS_INVALID_HANDLE);
    MISUSE_IGNORE();
    fixture_delete(&fixture);
}

TEST(the_callback_of_a_send_may_delete_the_module)
{
    delete_from_the_callback_of_a_send(FALSE);
}

/* The other completions are to run on the very thread that deletes. */
TEST(the_callback_of_a_send_at_passive_level_may_delete_the_module)
{
    delete_from_the_callback_of_a_send(TRUE);
}

/* ------------------------------------------------------------------------------------------------- a stream */

static struct
{
    pthread_mutex_t Lock;
    /* What the callbacks do. */
    DISPOSITION OnSuccess;
    DISPOSITION OnFailure;
    size_t InputSizeSet; /* 0: left as it is */
    void (*Action)(DMFMODULE module);
    void (*InputAction)(DMFMODULE module);
    /* What they saw. */
    ULONG InputCalls;
    ULONG WrongInput; /* no buffer, wrong size, a context that is not zeros */
    ULONG Calls;
    ULONG Failures;
    NTSTATUS Failure;
    ULONG WrongOutput;
    ULONG NullBuffers;
    ULONG Overlaps;
    int Inside;
    size_t LastBytes;
    pthread_t Thread;
    VOID* Kept[64];
    ULONG KeptCount;
} stream = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static void stream_clear(void)
{
    pthread_mutex_lock(&stream.Lock);
    stream.OnSuccess = TARGET_CONTINUES;
    stream.OnFailure = TARGET_STOPS;
    stream.InputSizeSet = 0;
    stream.Action = stream.InputAction = NULL;
    stream.InputCalls = stream.WrongInput = stream.Calls = stream.Failures = stream.WrongOutput = 0;
    stream.NullBuffers = stream.Overlaps = stream.KeptCount = 0;
    stream.Failure = STATUS_SUCCESS;
    stream.Inside = 0;
    stream.LastBytes = 0;
    pthread_mutex_unlock(&stream.Lock);
}

static ULONG stream_read(const ULONG* value)
{
    ULONG copy;
    pthread_mutex_lock(&stream.Lock);
    copy = *value;
    pthread_mutex_unlock(&stream.Lock);
    return copy;
}

#define CALLS() stream_read(&stream.Calls)

static EVT_DMF_ContinuousRequestTarget_BufferInput FillInput;

/* Input number n is n bytes of 0x33 behind four bytes of n. */
static VOID FillInput(DMFMODULE DmfModule, VOID* InputBuffer, size_t* InputBufferSize, VOID* ClientBuferContextInput)
{
    void (*action)(DMFMODULE);

    pthread_mutex_lock(&stream.Lock);
    if (InputBuffer == NULL || *InputBufferSize != IN_SIZE || ClientBuferContextInput == NULL ||
        !harness_bytes_are(InputBuffer, 0, IN_SIZE) || !harness_bytes_are(ClientBuferContextInput, 0, CONTEXT_SIZE))
    {
        stream.WrongInput++;
    }
    else
    {
        memset(InputBuffer, 0x33, IN_SIZE);
        memset(ClientBuferContextInput, 0xEE, CONTEXT_SIZE);
    }
    if (stream.InputSizeSet != 0)
    {
        *InputBufferSize = stream.InputSizeSet;
    }
    stream.InputCalls++;
    action = stream.InputAction;
    pthread_mutex_unlock(&stream.Lock);

    if (action != NULL)
    {
        action(DmfModule);
    }
}

static EVT_DMF_ContinuousRequestTarget_BufferOutput TakeOutput;

static DISPOSITION TakeOutput(DMFMODULE DmfModule, VOID* OutputBuffer, size_t OutputBufferSize,
                              VOID* ClientBufferContextOutput, NTSTATUS CompletionStatus)
{
    DISPOSITION disposition;
    void (*action)(DMFMODULE);

    pthread_mutex_lock(&stream.Lock);
    stream.Calls++;
    stream.Overlaps += stream.Inside++ > 0;
    stream.Thread = pthread_self();
    stream.LastBytes = OutputBufferSize;
    disposition = NT_SUCCESS(CompletionStatus) ? stream.OnSuccess : stream.OnFailure;
    if (!NT_SUCCESS(CompletionStatus))
    {
        stream.Failures++;
        stream.Failure = CompletionStatus;
        stream.WrongOutput += OutputBufferSize != 0;
    }
    if (OutputBuffer == NULL)
    {
        stream.NullBuffers++;
        stream.WrongOutput += ClientBufferContextOutput != NULL;
    }
    else
    {
        if (NT_SUCCESS(CompletionStatus) &&
            (OutputBufferSize < 4 ||
             !harness_bytes_are((UCHAR*)OutputBuffer + 4, CLIENT_TARGET_FILL, OutputBufferSize - 4)))
        {
            stream.WrongOutput++;
        }
        stream.WrongOutput += !harness_bytes_are(ClientBufferContextOutput, 0, CONTEXT_SIZE);
        memset(ClientBufferContextOutput, 0xEE, CONTEXT_SIZE);
    }
    if (disposition == CLIENT_CONTINUES && stream.KeptCount < 64)
    {
        stream.Kept[stream.KeptCount++] = OutputBuffer;
    }
    action = stream.Action;
    pthread_mutex_unlock(&stream.Lock);

    if (action != NULL)
    {
        action(DmfModule);
    }
    pthread_mutex_lock(&stream.Lock);
    stream.Inside--;
    pthread_mutex_unlock(&stream.Lock);
    return disposition;
}

static void stream_configure(DMF_CONFIG_ContinuousRequestTarget* config, DMF_MODULE_ATTRIBUTES* attributes,
                             ContinuousRequestTarget_RequestType type, ULONG requests)
{
    stream_clear();
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(config, attributes);
    config->ContinuousRequestCount = requests;
    config->RequestType = type;
    config->ContinuousRequestTargetIoctl = CODE;
    if (type != READ)
    {
        config->BufferCountInput = 2 * requests;
        config->BufferInputSize = IN_SIZE;
        config->BufferContextInputSize = CONTEXT_SIZE;
        config->EvtContinuousRequestTargetBufferInput = FillInput;
    }
    if (type != WRITE)
    {
        config->BufferCountOutput = 2 * requests;
        config->BufferOutputSize = OUT_SIZE;
        config->BufferContextOutputSize = CONTEXT_SIZE;
    }
    config->EvtContinuousRequestTargetBufferOutput = TakeOutput;
    config->ContinuousRequestTargetMode = ContinuousRequestTarget_Mode_Manual;
}

static FIXTURE stream_create(ContinuousRequestTarget_RequestType type, ULONG requests, CLIENT_TARGET_ANSWER answer)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    stream_configure(&config, &attributes, type, requests);
    return fixture_of(&config, &attributes, answer);
}

#define STREAMING(Fixture) DMF_ContinuousRequestTarget_StreamingCountGet((Fixture).Module)

TEST(a_stream_of_writes_sends_what_the_client_fills_in)
{
    FIXTURE fixture = stream_create(WRITE, 2, CLIENT_TARGET_COMPLETES);

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 20);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    seen = client_target_seen(&target);
    CHECK_EQUAL(stream.WrongInput, 0);
    CHECK_EQUAL(stream.WrongOutput, 0);
    CHECK_EQUAL(stream.NullBuffers, stream.Calls);
    CHECK(stream.InputCalls >= stream.Calls);
    CHECK_EQUAL(seen.RequestType, WRITE);
    CHECK_EQUAL(seen.InputLength, IN_SIZE);
    CHECK_EQUAL(seen.OutputLength, 0);
    CHECK_ALL_BYTES(seen.Input, 0x33, IN_SIZE);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(streams_of_control_codes_have_input_and_output)
{
    static const ContinuousRequestTarget_RequestType types[] = {IOCTL, INTERNAL};

    for (int i = 0; i < 2; i++)
    {
        DMF_IO_TARGET_STATISTICS statistics;
        FIXTURE fixture = stream_create(types[i], 2, CLIENT_TARGET_COMPLETES);

        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(CALLS() > 20);
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
        seen = client_target_seen(&target);
        CHECK_EQUAL(stream.WrongInput, 0);
        CHECK_EQUAL(stream.WrongOutput, 0);
        CHECK_EQUAL(stream.NullBuffers, 0);
        CHECK_EQUAL(stream.LastBytes, OUT_SIZE);
        CHECK_EQUAL(seen.RequestType, types[i]);
        CHECK_EQUAL(seen.Ioctl, CODE);
        CHECK_EQUAL(seen.InputLength, IN_SIZE);
        CHECK_EQUAL(seen.OutputLength, OUT_SIZE);
        CHECK_ALL_BYTES(seen.Input, 0x33, IN_SIZE);
        memset(&statistics, 0, sizeof(statistics));
        statistics.Size = sizeof(statistics);
        CHECK_SUCCESS(DMF_IoTarget_StatisticsGet(target.Target, &statistics));
        CHECK_EQUAL(statistics.BytesIn, statistics.RequestsCompleted * OUT_SIZE);
        CHECK_EQUAL(statistics.BytesOut, statistics.RequestsCompleted * IN_SIZE);
        fixture_delete(&fixture);
    }
}

TEST(a_stream_shows_no_more_bytes_than_a_buffer_has)
{
    FIXTURE fixture = stream_create(READ, 2, CLIENT_TARGET_COMPLETES);

    target.Information = 100 * OUT_SIZE;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 5);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_EQUAL(stream.LastBytes, OUT_SIZE);
    fixture_delete(&fixture);
}

/* A target whose cancel routine waits for the stream that is being stopped. */
static DMFMODULE stopped_stream;
static atomic_uint held_requests, stopping_routines;

static VOID StopsTheStream(WDFREQUEST Request)
{
    atomic_fetch_add(&stopping_routines, 1);
    WdfRequestComplete(Request, STATUS_CANCELLED);
    DMF_ContinuousRequestTarget_StopAndWait(stopped_stream);
}

static NTSTATUS HoldsRequests(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType RequestType,
                              ULONG Ioctl, VOID* InputBuffer, size_t InputLength, VOID* OutputBuffer,
                              size_t OutputLength, ULONG_PTR* Information, VOID* Context)
{
    NTSTATUS status = WdfRequestMarkCancelableEx(Request, StopsTheStream);

    UNREFERENCED_PARAMETER(Target);
    UNREFERENCED_PARAMETER(RequestType);
    UNREFERENCED_PARAMETER(Ioctl);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputLength);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputLength);
    UNREFERENCED_PARAMETER(Information);
    UNREFERENCED_PARAMETER(Context);
    atomic_fetch_add(&held_requests, 1);
    return NT_SUCCESS(status) ? STATUS_PENDING : status;
}

TEST(a_cancel_routine_that_waits_for_its_stream_waits_for_nothing)
{
    for (int way = 0; way < 3; way++)
    {
        DMF_CONFIG_ContinuousRequestTarget config;
        DMF_MODULE_ATTRIBUTES attributes;
        WDFDEVICE device = NULL;
        WDFIOTARGET held = NULL;

        atomic_store(&held_requests, 0);
        atomic_store(&stopping_routines, 0);
        stream_configure(&config, &attributes, READ, 2);
        attributes.ModuleConfigPointer = &config;
        REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &stopped_stream));
        REQUIRE_SUCCESS(DMF_IoTarget_ClientCreate(device, HoldsRequests, NULL, &held));
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(stopped_stream, held));
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(stopped_stream));
        EVENTUALLY(atomic_load(&held_requests) == 2);
        alarm(20);
        switch (way)
        {
        case 0:
            DMF_ContinuousRequestTarget_Stop(stopped_stream);
            break;
        case 1:
            DMF_ContinuousRequestTarget_StopAndWait(stopped_stream);
            break;
        default:
            CHECK_SUCCESS(DMF_Device_D0Exit(device));
        }
        alarm(0);
        CHECK_EQUAL(atomic_load(&stopping_routines), 2);
        EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(stopped_stream) == 0);
        CHECK_MISUSE(2);
        WdfObjectDelete(device);
    }
}

TEST(a_stream_of_reads_asks_for_no_input)
{
    FIXTURE fixture = stream_create(READ, 2, CLIENT_TARGET_COMPLETES);

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 20);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    seen = client_target_seen(&target);
    CHECK_EQUAL(stream.InputCalls, 0);
    CHECK_EQUAL(seen.InputLength, 0);
    CHECK_EQUAL(stream.WrongOutput, 0);
    fixture_delete(&fixture);
}

TEST(control_codes_may_stream_without_input_or_without_output)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;

    stream_configure(&config, &attributes, IOCTL, 2);
    config.BufferInputSize = 0;
    config.BufferCountInput = 0;
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_COMPLETES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 5);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    seen = client_target_seen(&target);
    CHECK_EQUAL(stream.InputCalls, 0);
    CHECK_EQUAL(stream.NullBuffers, 0);
    CHECK_EQUAL(seen.InputLength, 0);
    fixture_delete(&fixture);

    stream_configure(&config, &attributes, IOCTL, 2);
    config.BufferOutputSize = 0;
    config.BufferCountOutput = 0;
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_COMPLETES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 5);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    seen = client_target_seen(&target);
    CHECK_EQUAL(stream.NullBuffers, stream.Calls);
    CHECK_EQUAL(stream.WrongOutput, 0);
    CHECK_EQUAL(seen.OutputLength, 0);
    fixture_delete(&fixture);
}

TEST(the_size_that_the_client_sets_is_what_is_sent)
{
    FIXTURE fixture = stream_create(WRITE, 1, CLIENT_TARGET_COMPLETES);

    stream.InputSizeSet = 7;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 5);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    seen = client_target_seen(&target);
    CHECK_EQUAL(seen.InputLength, 7);
    fixture_delete(&fixture);
}

TEST(a_size_larger_than_the_input_buffer_is_not_sent)
{
    FIXTURE fixture = stream_create(WRITE, 2, CLIENT_TARGET_COMPLETES);

    stream.InputSizeSet = IN_SIZE + 1;
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(fixture.Module), STATUS_INVALID_BUFFER_SIZE);
    CHECK_EQUAL(STREAMING(fixture), 0);
    CHECK_EQUAL(client_target_calls(&target), 0);
    MISUSE_IGNORE();
    /* It may be started again. */
    stream.InputSizeSet = IN_SIZE;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 5);
    CHECK_EQUAL(stream.WrongInput, 0);
    fixture_delete(&fixture);
}

TEST(without_an_input_callback_zeros_are_sent)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;

    stream_configure(&config, &attributes, WRITE, 1);
    config.EvtContinuousRequestTargetBufferInput = NULL;
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_COMPLETES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 5);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    seen = client_target_seen(&target);
    CHECK_EQUAL(seen.InputLength, IN_SIZE);
    CHECK_ALL_BYTES(seen.Input, 0, IN_SIZE);
    fixture_delete(&fixture);
}

TEST(a_failure_reaches_the_callback_without_bytes)
{
    FIXTURE fixture = stream_create(IOCTL, 1, CLIENT_TARGET_COMPLETES);

    target.FailNumber = 4;
    target.FailStatus = STATUS_ACCESS_DENIED;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    CHECK_EQUAL(stream.Calls, 4);
    CHECK_EQUAL(stream.Failures, 1);
    CHECK_STATUS(stream.Failure, STATUS_ACCESS_DENIED);
    CHECK_EQUAL(stream.WrongOutput, 0);
    fixture_delete(&fixture);
}

TEST(a_stream_may_go_on_after_a_failure)
{
    FIXTURE fixture = stream_create(IOCTL, 1, CLIENT_TARGET_COMPLETES);

    stream.OnFailure = TARGET_CONTINUES;
    target.FailNumber = 4;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 10);
    CHECK_EQUAL(STREAMING(fixture), 1);
    CHECK_EQUAL(stream_read(&stream.Failures), 1);
    fixture_delete(&fixture);
}

TEST(without_an_output_callback_failure_stops_that_request_only)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;

    stream_configure(&config, &attributes, IOCTL, 3);
    config.EvtContinuousRequestTargetBufferOutput = NULL;
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_COMPLETES);
    target.FailNumber = 10;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(client_target_calls(&target) > 50);
    CHECK_EQUAL(STREAMING(fixture), 2);
    fixture_delete(&fixture);
}

TEST(what_completes_while_stopping_is_not_shown)
{
    FIXTURE fixture = stream_create(IOCTL, 4, CLIENT_TARGET_PENDS_CANCELABLE);

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(client_target_pending(&target) == 4);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_EQUAL(client_target_cancels(&target), 4);
    CHECK_EQUAL(stream.Calls, 0);
    CHECK_EQUAL(STREAMING(fixture), 0);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(a_request_that_waits_for_a_buffer_is_streaming_and_can_be_stopped)
{
    FIXTURE fixture = stream_create(IOCTL, 2, CLIENT_TARGET_COMPLETES);

    stream.OnSuccess = CLIENT_CONTINUES;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(stream_read(&stream.KeptCount) == 4);
    harness_sleep_milliseconds(5);
    CHECK_EQUAL(STREAMING(fixture), 2);
    /* One buffer back: one more Request goes out, and its buffer is kept as well. */
    DMF_ContinuousRequestTarget_BufferPut(fixture.Module, stream.Kept[0]);
    EVENTUALLY(stream_read(&stream.KeptCount) == 5);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_EQUAL(STREAMING(fixture), 0);
    for (ULONG i = 1; i < stream.KeptCount; i++)
    {
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, stream.Kept[i]);
    }
    stream_clear();
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 10);
    CHECK_EQUAL(stream_read(&stream.WrongOutput), 0);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

/* ------------------------------------------------------------------------------------------------ passive */

TEST(with_passive_level_stream_callbacks_run_one_at_a_time_on_a_passive_thread)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;

    stream_configure(&config, &attributes, IOCTL, 4);
    attributes.PassiveLevel = TRUE;
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_PENDS);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    for (int round = 0; round < 10; round++)
    {
        EVENTUALLY(client_target_pending(&target) == 4);
        for (int i = 0; i < 4; i++)
        {
            CHECK(client_target_complete(&target, STATUS_SUCCESS));
        }
    }
    EVENTUALLY(CALLS() == 40);
    CHECK(!pthread_equal(stream.Thread, pthread_self()));
    CHECK_EQUAL(stream.Overlaps, 0);
    CHECK_EQUAL(stream.WrongInput, 0);
    CHECK_EQUAL(stream.WrongOutput, 0);
    fixture_delete(&fixture);
}

static void waits_a_moment(DMFMODULE module)
{
    UNREFERENCED_PARAMETER(module);
    harness_sleep_milliseconds(1);
}

TEST(with_passive_level_a_callback_may_wait_while_the_stream_is_stopped_and_deleted)
{
    unsigned rounds = harness_rounds(50);

    for (unsigned round = 0; round < rounds; round++)
    {
        DMF_CONFIG_ContinuousRequestTarget config;
        DMF_MODULE_ATTRIBUTES attributes;
        FIXTURE fixture;

        stream_configure(&config, &attributes, IOCTL, 3);
        attributes.PassiveLevel = TRUE;
        fixture = fixture_of(&config, &attributes, CLIENT_TARGET_COMPLETES);
        stream.Action = waits_a_moment;
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(CALLS() > 0);
        if (round % 2 == 0)
        {
            DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
            CHECK_EQUAL(stream.Inside, 0);
        }
        WdfObjectDelete(fixture.Module);
        CHECK_EQUAL(stream.Inside, 0);
        CHECK_EQUAL(stream.Overlaps, 0);
        fixture_delete(&fixture);
    }
    CHECK_MISUSE(0);
}

/* -------------------------------------------------------------------------------- the target in callbacks */

static CLIENT_TARGET other;
static atomic_int cleared;
static atomic_int set_anew;

static void clears_and_sets(DMFMODULE module)
{
    if (atomic_fetch_add(&cleared, 1) == 0)
    {
        DMF_ContinuousRequestTarget_IoTargetClear(module);
        (void)DMF_ContinuousRequestTarget_IoTargetSet(module, other.Target);
        atomic_store(&set_anew, 1);
    }
}

static atomic_int restart;

enum
{
    RESTART_NOT_YET,
    RESTART_IN_CALLBACK,
    RESTART_WAITED_FOR,
    RESTART_DONE,
};

static void starts_what_is_waited_for(DMFMODULE module)
{
    int expected = RESTART_NOT_YET;

    if (!atomic_compare_exchange_strong(&restart, &expected, RESTART_IN_CALLBACK))
    {
        return;
    }
    EVENTUALLY(atomic_load(&restart) == RESTART_WAITED_FOR);
    /* By then the other thread is inside StopAndWait. */
    harness_sleep_milliseconds(50);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    atomic_store(&restart, RESTART_DONE);
}

TEST(stop_and_wait_does_not_wait_for_a_stream_that_is_started_meanwhile)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;

    stream_configure(&config, &attributes, IOCTL, 1);
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_COMPLETES);
    atomic_store(&restart, RESTART_NOT_YET);
    stream.Action = starts_what_is_waited_for;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(atomic_load(&restart) == RESTART_IN_CALLBACK);
    atomic_store(&restart, RESTART_WAITED_FOR);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    EVENTUALLY(atomic_load(&restart) == RESTART_DONE);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_EQUAL(STREAMING(fixture), 0);
    fixture_delete(&fixture);
    CHECK_MISUSE(0);
}

TEST(a_stream_callback_may_clear_the_target_and_set_another)
{
    static const ContinuousRequestTarget_ModeType modes[] = {ContinuousRequestTarget_Mode_Manual,
                                                             ContinuousRequestTarget_Mode_Automatic};

    for (int i = 0; i < 2; i++)
    {
        DMF_CONFIG_ContinuousRequestTarget config;
        DMF_MODULE_ATTRIBUTES attributes;
        FIXTURE fixture = {NULL, NULL};

        stream_configure(&config, &attributes, IOCTL, 2);
        config.ContinuousRequestTargetMode = modes[i];
        attributes.ModuleConfigPointer = &config;
        CHECK_SUCCESS(DMF_Device_Create(NULL, &fixture.Device));
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &fixture.Module));
        client_target_open(&target, fixture.Device, CLIENT_TARGET_COMPLETES);
        client_target_open(&other, fixture.Device, CLIENT_TARGET_COMPLETES);
        atomic_store(&cleared, 0);
        atomic_store(&set_anew, 0);
        stream.Action = clears_and_sets;
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, target.Target));
        if (i == 0)
        {
            CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        }
        /* In automatic mode that starts the stream, which who stops it before would not wait for. */
        EVENTUALLY(atomic_load(&set_anew) == 1);
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
        CHECK_EQUAL(STREAMING(fixture), 0);
        /* Whatever is set now, it can be replaced from outside, and streams. */
        DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, target.Target));
        stream_clear();
        if (i == 0)
        {
            CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        }
        EVENTUALLY(CALLS() > 10);
        MISUSE_IGNORE();
        WdfObjectDelete(fixture.Module);
        client_target_close(&other);
        fixture_delete(&fixture);
    }
}

static SEND onward;

static void clears_sets_and_sends(DMFMODULE module)
{
    DMF_ContinuousRequestTarget_IoTargetClear(module);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, other.Target));
    CHECK_SUCCESS(send_of_type(module, &onward, READ, 0));
}

TEST(the_callback_of_a_send_may_change_the_target_and_send_on)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    SEND send;

    client_target_open(&other, fixture.Device, CLIENT_TARGET_COMPLETES);
    send_clear(&onward);
    send_clear(&send);
    send.Action = clears_sets_and_sends;
    CHECK_SUCCESS(send_of_type(fixture.Module, &send, READ, 0));
    CHECK_SENT(&send, STATUS_SUCCESS);
    CHECK_SENT(&onward, STATUS_SUCCESS);
    CHECK_EQUAL(client_target_calls(&other), 1);
    CHECK_MISUSE(0);
    client_target_close(&other);
    fixture_delete(&fixture);
}

/* -------------------------------------------------------------------------------------------------- power */

TEST(a_device_that_sleeps_stops_its_streams_and_starts_them_again)
{
    FIXTURE fixture = stream_create(IOCTL, 3, CLIENT_TARGET_COMPLETES);
    ULONG calls;

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 10);
    CHECK_SUCCESS(DMF_Device_D0Exit(fixture.Device));
    calls = CALLS();
    CHECK_EQUAL(stream.Inside, 0);
    harness_sleep_milliseconds(10);
    CHECK_EQUAL(CALLS(), calls);
    CHECK_SUCCESS(DMF_Device_D0Entry(fixture.Device));
    CHECK_EQUAL(STREAMING(fixture), 3);
    EVENTUALLY(CALLS() > calls + 10);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(only_streams_that_ran_start_again)
{
    FIXTURE fixture = stream_create(IOCTL, 3, CLIENT_TARGET_COMPLETES);

    CHECK_SUCCESS(DMF_Device_D0Exit(fixture.Device));
    CHECK_SUCCESS(DMF_Device_D0Entry(fixture.Device));
    CHECK_EQUAL(STREAMING(fixture), 0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 0);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_SUCCESS(DMF_Device_D0Exit(fixture.Device));
    CHECK_SUCCESS(DMF_Device_D0Entry(fixture.Device));
    CHECK_EQUAL(STREAMING(fixture), 0);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

TEST(a_stream_stopped_in_sleep_stays_stopped)
{
    FIXTURE fixture = stream_create(IOCTL, 3, CLIENT_TARGET_COMPLETES);

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    CHECK_SUCCESS(DMF_Device_D0Exit(fixture.Device));
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_SUCCESS(DMF_Device_D0Entry(fixture.Device));
    CHECK_EQUAL(STREAMING(fixture), 0);
    MISUSE_IGNORE();
    fixture_delete(&fixture);
}

/* Whether DMF_Device_D0Entry has returned, and what. */
static struct
{
    WDFDEVICE Device;
    atomic_bool Returned;
    NTSTATUS Status;
} waking;

static void* wakes(void* context)
{
    (void)context;
    waking.Status = DMF_Device_D0Entry(waking.Device);
    atomic_store(&waking.Returned, true);
    return NULL;
}

static void waits_for_the_stop(DMFMODULE module)
{
    DMF_ContinuousRequestTarget_StopAndWait(module);
}

static void sleeps_again(DMFMODULE module)
{
    (void)module;
    CHECK_SUCCESS(DMF_Device_D0Exit(waking.Device));
}

TEST(what_waking_calls_back_may_stop_the_stream)
{
    void (*const actions[])(DMFMODULE) = {DMF_ContinuousRequestTarget_Stop, waits_for_the_stop,
                                          DMF_ContinuousRequestTarget_IoTargetClear, sleeps_again};

    for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
    {
        FIXTURE fixture = stream_create(WRITE, 2, CLIENT_TARGET_COMPLETES);
        pthread_t thread;

        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        CHECK_SUCCESS(DMF_Device_D0Exit(fixture.Device));
        pthread_mutex_lock(&stream.Lock);
        stream.InputAction = actions[i];
        pthread_mutex_unlock(&stream.Lock);
        waking.Device = fixture.Device;
        atomic_store(&waking.Returned, false);
        REQUIRE(pthread_create(&thread, NULL, wakes, NULL) == 0);
        EVENTUALLY(atomic_load(&waking.Returned));
        REQUIRE(atomic_load(&waking.Returned));
        pthread_join(thread, NULL);
        CHECK_STATUS(waking.Status, STATUS_CANCELLED);
        CHECK_EQUAL(STREAMING(fixture), 0);
        MISUSE_IGNORE();
        fixture_delete(&fixture);
    }
}

TEST(sleep_cancels_what_the_target_holds)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    for (int flag = 0; flag < 2; flag++)
    {
        FIXTURE fixture;

        stream_configure(&config, &attributes, IOCTL, 3);
        config.CancelAndResendRequestInD0Callbacks = flag != 0;
        fixture = fixture_of(&config, &attributes, CLIENT_TARGET_PENDS_CANCELABLE);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(client_target_pending(&target) == 3);
        CHECK_SUCCESS(DMF_Device_D0Exit(fixture.Device));
        CHECK_EQUAL(client_target_cancels(&target), 3);
        CHECK_EQUAL(client_target_pending(&target), 0);
        CHECK_EQUAL(stream.Calls, 0);
        CHECK_SUCCESS(DMF_Device_D0Entry(fixture.Device));
        EVENTUALLY(client_target_pending(&target) == 3);
        CHECK_EQUAL(client_target_calls(&target), 6);
        CHECK_MISUSE(0);
        fixture_delete(&fixture);
    }
}

/* At any moment of the stream: what the target was given comes back as it answers it, and the Client sees it. */
TEST(with_the_purge_flag_the_target_finishes_what_it_holds_before_sleep)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    for (unsigned round = 0; round < harness_rounds(500); round++)
    {
        FIXTURE fixture;
        ULONG shown;

        stream_configure(&config, &attributes, IOCTL, 3);
        config.PurgeAndStartTargetInD0Callbacks = TRUE;
        fixture = fixture_of(&config, &attributes, CLIENT_TARGET_PENDS_CANCELABLE);
        client_target_thread_start(&target, round % 10 * 1e-4);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(client_target_calls(&target) >= 3);
        CHECK_SUCCESS(DMF_Device_D0Exit(fixture.Device));
        CHECK_EQUAL(client_target_cancels(&target), 0);
        CHECK_EQUAL(client_target_pending(&target), 0);
        shown = CALLS();
        CHECK_EQUAL(shown, client_target_calls(&target));
        CHECK_EQUAL(stream_read(&stream.Failures), 0);
        CHECK_SUCCESS(DMF_Device_D0Entry(fixture.Device));
        EVENTUALLY(CALLS() > shown);
        CHECK_MISUSE(0);
        fixture_delete(&fixture);
    }
}

TEST(what_is_no_device_neither_sleeps_nor_wakes)
{
    FIXTURE fixture = stream_create(IOCTL, 1, CLIENT_TARGET_COMPLETES);
    VOID* handles[HARNESS_GARBAGE_MAX + 2];
    size_t count = harness_garbage(handles);

    handles[count++] = NULL;
    handles[count++] = fixture.Module;
    for (size_t i = 0; i < count; i++)
    {
        CHECK_STATUS(DMF_Device_D0Exit((WDFDEVICE)handles[i]), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_Device_D0Entry((WDFDEVICE)handles[i]), STATUS_INVALID_HANDLE);
        CHECK_MISUSE(2);
    }
    fixture_delete(&fixture);
}

/* ---------------------------------------------------------------------------- targets that take their time */

TEST(neither_cancel_nor_stop_waits_for_a_target_that_answers_after_10_seconds)
{
    enum { REQUESTS = 64 };
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture;
    SEND send;
    double begin;

    alarm(9);
    stream_configure(&config, &attributes, IOCTL, REQUESTS);
    fixture = fixture_of(&config, &attributes, CLIENT_TARGET_PENDS);
    client_target_thread_start(&target, 10);
    send_clear(&send);
    CHECK_SUCCESS(send_with_id(fixture.Module, &send));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(client_target_pending(&target) == REQUESTS + 1);

    begin = harness_seconds();
    CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, send.Id), TRUE);
    CHECK_SENT(&send, STATUS_CANCELLED);
    printf("    a pending send was canceled in %.3f ms\n", (harness_seconds() - begin) * 1e3);

    begin = harness_seconds();
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    printf("    %d pending requests were stopped in %.3f ms\n", REQUESTS, (harness_seconds() - begin) * 1e3);
    CHECK_EQUAL(STREAMING(fixture), 0);
    CHECK_EQUAL(client_target_pending(&target), REQUESTS + 1);
    CHECK_EQUAL(stream.Calls, 0);

    /* The target keeps what it has; the stream goes on with its other buffers. */
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(client_target_pending(&target) == 2 * REQUESTS + 1);
    begin = harness_seconds();
    WdfObjectDelete(fixture.Module);
    printf("    a streaming module was deleted in %.3f ms\n", (harness_seconds() - begin) * 1e3);

    /* The late answers, all at once: nobody is told, and nothing is written into freed memory. */
    fixture_delete(&fixture);
    CHECK_EQUAL(atomic_load(&send.Calls), 1);
    CHECK_EQUAL(stream.Calls, 0);
    CHECK_MISUSE(0);
}

TEST(buffers_left_to_a_slow_target_come_back_with_its_answer)
{
    FIXTURE fixture = stream_create(IOCTL, 2, CLIENT_TARGET_PENDS);

    for (int round = 0; round < 10; round++)
    {
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(client_target_pending(&target) == 2);
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
        client_target_complete_all(&target, STATUS_SUCCESS);
    }
    CHECK_EQUAL(stream.WrongInput, 0);
    CHECK_MISUSE(0);
    fixture_delete(&fixture);
}

/* ----------------------------------------------------------------------------------- deletion at any moment */

static void random_moment(unsigned* seed)
{
    struct timespec time = {0, rand_r(seed) % 400 * 1000};
    nanosleep(&time, NULL);
}

typedef enum
{
    DELETES_THE_MODULE,
    DELETES_THE_TARGET,
    DELETES_THE_DEVICE
} DELETES;

/* A stream and some sends are under way; something is deleted; everything ends, once. */
static void delete_at_random_moments(DELETES what)
{
    enum { SENDS = 4 };
    static SEND sends[SENDS];
    unsigned rounds = harness_rounds(1000);
    unsigned seed = 1;

    for (unsigned round = 0; round < rounds; round++)
    {
        FIXTURE fixture =
            stream_create(round % 4 == 0 ? WRITE : IOCTL, 1 + round % 5, (CLIENT_TARGET_ANSWER)(round % 3));
        bool sent[SENDS];

        client_target_thread_start(&target, round % 2 == 0 ? 0 : 0.0001);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        for (int i = 0; i < SENDS; i++)
        {
            send_clear(&sends[i]);
            sent[i] = NT_SUCCESS(send_of_type(fixture.Module, &sends[i], i % 2 == 0 ? READ : WRITE, i == 3 ? 1 : 0));
            CHECK(sent[i]);
        }
        random_moment(&seed);
        switch (what)
        {
        case DELETES_THE_MODULE:
            WdfObjectDelete(fixture.Module);
            break;
        case DELETES_THE_TARGET:
            WdfObjectDelete(target.Target);
            EVENTUALLY(STREAMING(fixture) == 0);
            break;
        case DELETES_THE_DEVICE:
            WdfObjectDelete(fixture.Device);
            break;
        }
        for (int i = 0; i < SENDS; i++)
        {
            if (sent[i])
            {
                EVENTUALLY(atomic_load(&sends[i].Calls) == 1);
            }
        }
        if (what == DELETES_THE_TARGET)
        {
            WdfObjectDelete(fixture.Module);
        }
        CHECK_EQUAL(stream_read(&stream.WrongInput) + stream_read(&stream.WrongOutput), 0);
        /* The program's side of a deleted target may answer what is over already. */
        client_target_thread_stop(&target);
        if (what == DELETES_THE_MODULE)
        {
            client_target_close(&target);
            CHECK_MISUSE(0);
        }
        else
        {
            client_target_forget(&target);
            MISUSE_IGNORE();
        }
        if (what != DELETES_THE_DEVICE)
        {
            WdfObjectDelete(fixture.Device);
        }
        for (int i = 0; i < SENDS; i++)
        {
            CHECK_EQUAL(atomic_load(&sends[i].Calls), sent[i] ? 1 : 0);
        }
    }
}

/* Work that goes on until it is told to end. */
static struct
{
    atomic_bool Begun, MayEnd;
} slow_work;

static EVT_DMF_QueuedWorkItem_Callback WorksSlowly;

static ScheduledTask_Result_Type WorksSlowly(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    (void)DmfModule, (void)ClientBuffer, (void)ClientBufferContext;
    atomic_store(&slow_work.Begun, true);
    EVENTUALLY(atomic_load(&slow_work.MayEnd));
    return ScheduledTask_WorkResult_Success;
}

static void* deletes(void* object)
{
    WdfObjectDelete((WDFOBJECT)object);
    return NULL;
}

/* What is below a Request that the target lets go of is being deleted by a thread that waits for the one that lets go. */
TEST(letting_go_of_a_request_does_not_wait_for_another_threads_delete)
{
    FIXTURE fixture = stream_create(IOCTL, 1, CLIENT_TARGET_PENDS);
    DMF_CONFIG_QueuedWorkItem config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDF_OBJECT_ATTRIBUTES object;
    WDFREQUEST request;
    DMFMODULE item = NULL;
    pthread_t thread;
    UCHAR work[8] = {0};

    atomic_store(&slow_work.Begun, false);
    atomic_store(&slow_work.MayEnd, false);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(client_target_pending(&target) == 1);
    request = client_target_seen(&target).Request;
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);

    DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.EvtQueuedWorkitemFunction = WorksSlowly;
    config.BufferQueueConfig.SourceSettings.BufferCount = 1;
    config.BufferQueueConfig.SourceSettings.BufferSize = sizeof(work);
    WDF_OBJECT_ATTRIBUTES_INIT(&object);
    object.ParentObject = (WDFOBJECT)request;
    REQUIRE_SUCCESS(DMF_QueuedWorkItem_Create(NULL, &attributes, &object, &item));
    REQUIRE_SUCCESS(DMF_QueuedWorkItem_Enqueue(item, work, sizeof(work)));
    EVENTUALLY(atomic_load(&slow_work.Begun));
    REQUIRE(pthread_create(&thread, NULL, deletes, item) == 0);
    EVENTUALLY(DMF_QueuedWorkItem_Enqueue(item, work, sizeof(work)) == STATUS_INVALID_DEVICE_STATE);
    MISUSE_IGNORE();

    CHECK(client_target_complete(&target, STATUS_SUCCESS));
    atomic_store(&slow_work.MayEnd, true);
    pthread_join(thread, NULL);
    /* The Request went with the last of what was below it. */
    CHECK(!DMF_Request_Cancel(request));
    CHECK_MISUSE(1);
    fixture_delete(&fixture);
}

TEST(a_module_is_deleted_at_any_moment_of_its_stream)
{
    delete_at_random_moments(DELETES_THE_MODULE);
}

TEST(a_target_is_deleted_at_any_moment_of_a_stream)
{
    delete_at_random_moments(DELETES_THE_TARGET);
}

TEST(a_device_is_deleted_at_any_moment_of_a_stream)
{
    delete_at_random_moments(DELETES_THE_DEVICE);
}

/* ------------------------------------------------------------------------------------------------ statistics */

TEST(statistics_of_a_client_target_count_every_end)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    DMF_IO_TARGET_STATISTICS statistics;
    SEND sends[6];

    target.FailNumber = 3;
    for (int i = 0; i < 4; i++)
    {
        static const ContinuousRequestTarget_RequestType types[] = {READ, WRITE, READ, IOCTL};
        send_clear(&sends[i]);
        CHECK_SUCCESS(send_of_type(fixture.Module, &sends[i], types[i], 0));
        CHECK_SENT(&sends[i], i == 2 ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS);
    }
    client_target_answer(&target, CLIENT_TARGET_PENDS_CANCELABLE);
    for (int i = 4; i < 6; i++)
    {
        send_clear(&sends[i]);
        CHECK_SUCCESS(send_with_id(fixture.Module, &sends[i]));
        EVENTUALLY(client_target_pending(&target) == 1);
        CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(fixture.Module, sends[i].Id), TRUE);
        CHECK_SENT(&sends[i], STATUS_CANCELLED);
    }
    memset(&statistics, 0, sizeof(statistics));
    statistics.Size = sizeof(statistics);
    REQUIRE_SUCCESS(DMF_IoTarget_StatisticsGet(target.Target, &statistics));
    CHECK_EQUAL(statistics.RequestsCompleted, 3);
    CHECK_EQUAL(statistics.RequestsFailed, 1);
    CHECK_EQUAL(statistics.RequestsCanceled, 2);
    CHECK_EQUAL(statistics.BytesIn, 2 * OUT_SIZE);
    CHECK_EQUAL(statistics.BytesOut, 2 * IN_SIZE);
    CHECK_EQUAL(statistics.ReportsDropped, 0);
    fixture_delete(&fixture);
}

/* -------------------------------------------------------------------------------------------- bad handles */

TEST(every_way_of_sending_refuses_a_handle_that_is_no_such_module)
{
    FIXTURE fixture = fixture_create(CLIENT_TARGET_COMPLETES);
    VOID* handles[HARNESS_GARBAGE_MAX + 3];
    size_t count = harness_garbage(handles);
    RequestTarget_DmfRequestReuse cookie = NULL;
    SEND send;

    send_clear(&send);
    handles[count++] = NULL;
    handles[count++] = fixture.Device;
    handles[count++] = target.Target;
    for (size_t i = 0; i < count; i++)
    {
        DMFMODULE bad = (DMFMODULE)handles[i];

        CHECK_STATUS(send_of_type(bad, &send, IOCTL, 0), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_ContinuousRequestTarget_SendEx(bad, send.In, IN_SIZE, send.Out, OUT_SIZE, IOCTL, CODE, 0,
                                                        ContinuousRequestTarget_CompletionOptions_Default,
                                                        SendCompleted, &send),
                     STATUS_INVALID_HANDLE);
        CHECK_STATUS(send_with_id(bad, &send), STATUS_INVALID_HANDLE);
        CHECK_EQUAL(DMF_ContinuousRequestTarget_Cancel(bad, send.Id), FALSE);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_ContinuousRequestTarget_ReuseCreate(bad, &cookie), STATUS_INVALID_HANDLE);
        CHECK_STATUS(reuse_send(bad, cookie, &send), STATUS_INVALID_HANDLE);
        CHECK_EQUAL(DMF_ContinuousRequestTarget_ReuseDelete(bad, cookie), FALSE);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_MISUSE(7);
    }
    fixture_delete(&fixture);
    CHECK_NOT_SENT(&send);
}

int main(void)
{
    RUN(a_read_ends_with_its_output_only);
    RUN(a_write_ends_with_its_input_only);
    RUN(a_write_tells_how_much_was_written);
    RUN(a_control_code_ends_with_its_whole_input_and_the_output_that_was_written);
    RUN(the_target_gets_the_buffers_in_place);
    RUN(lengths_of_0_are_legal);
    RUN(a_send_without_a_callback_is_legal);
    RUN(without_a_target_nothing_is_sent);
    RUN(a_request_type_that_is_none_is_refused);
    RUN(a_length_without_a_buffer_is_refused);
    RUN(a_completion_option_that_is_none_is_refused);
    RUN(a_failure_of_the_target_is_the_completions);
    RUN(sends_reach_the_target_in_order);
    RUN(a_default_completion_runs_on_the_thread_that_completes);
    RUN(a_passive_completion_runs_where_it_may_wait);
    RUN(a_passive_completion_may_send_and_wait);
    RUN(with_passive_level_sends_complete_on_a_passive_thread);
    RUN(a_send_that_takes_too_long_ends_as_timed_out);
    RUN(a_time_out_does_not_wait_for_a_target_that_cannot_be_canceled);
    RUN(a_send_that_ends_in_time_does_not_time_out);
    RUN(a_time_of_0_is_none);
    RUN(a_synchronous_send_gives_the_bytes);
    RUN(a_synchronous_send_gives_the_final_status_and_no_bytes_on_failure);
    RUN(a_synchronous_send_times_out);
    RUN(a_synchronous_send_waits_for_a_target_that_takes_its_time);
    RUN(ids_are_new_each_time_and_increase);
    RUN(the_id_is_there_before_the_callback_runs);
    RUN(a_canceled_send_ends_as_canceled_and_its_callback_comes);
    RUN(only_the_send_with_that_id_is_canceled);
    RUN(what_is_finished_or_unknown_cannot_be_canceled);
    RUN(an_id_need_not_be_asked_for);
    RUN(a_reused_request_is_sent_again_and_again);
    RUN(a_reused_request_in_use_is_neither_sent_nor_deleted);
    RUN(a_cookie_that_is_none_is_not_found);
    RUN(reuse_create_needs_a_place_for_the_cookie);
    RUN(the_callback_may_send_its_request_again);
    RUN(a_reused_send_can_be_canceled_and_times_out);
    RUN(an_abandoned_reused_request_is_sent_again_while_the_target_still_has_it);
    RUN(delete_of_the_module_frees_forgotten_cookies);
    RUN(delete_of_the_module_ends_outstanding_sends_as_canceled);
    RUN(delete_of_the_target_ends_outstanding_sends_as_canceled);
    RUN(delete_of_the_device_ends_outstanding_sends_as_canceled);
    RUN(targets_may_delete_each_other_in_their_callbacks);
    RUN(the_callback_of_a_send_may_delete_the_module);
    RUN(the_callback_of_a_send_at_passive_level_may_delete_the_module);
    RUN(a_stream_of_writes_sends_what_the_client_fills_in);
    RUN(streams_of_control_codes_have_input_and_output);
    RUN(a_stream_shows_no_more_bytes_than_a_buffer_has);
    RUN(a_cancel_routine_that_waits_for_its_stream_waits_for_nothing);
    RUN(a_stream_of_reads_asks_for_no_input);
    RUN(control_codes_may_stream_without_input_or_without_output);
    RUN(the_size_that_the_client_sets_is_what_is_sent);
    RUN(a_size_larger_than_the_input_buffer_is_not_sent);
    RUN(without_an_input_callback_zeros_are_sent);
    RUN(a_failure_reaches_the_callback_without_bytes);
    RUN(a_stream_may_go_on_after_a_failure);
    RUN(without_an_output_callback_failure_stops_that_request_only);
    RUN(what_completes_while_stopping_is_not_shown);
    RUN(a_request_that_waits_for_a_buffer_is_streaming_and_can_be_stopped);
    RUN(with_passive_level_stream_callbacks_run_one_at_a_time_on_a_passive_thread);
    RUN(with_passive_level_a_callback_may_wait_while_the_stream_is_stopped_and_deleted);
    RUN(stop_and_wait_does_not_wait_for_a_stream_that_is_started_meanwhile);
    RUN(a_stream_callback_may_clear_the_target_and_set_another);
    RUN(the_callback_of_a_send_may_change_the_target_and_send_on);
    RUN(a_device_that_sleeps_stops_its_streams_and_starts_them_again);
    RUN(only_streams_that_ran_start_again);
    RUN(a_stream_stopped_in_sleep_stays_stopped);
    RUN(what_waking_calls_back_may_stop_the_stream);
    RUN(sleep_cancels_what_the_target_holds);
    RUN(with_the_purge_flag_the_target_finishes_what_it_holds_before_sleep);
    RUN(what_is_no_device_neither_sleeps_nor_wakes);
    RUN(neither_cancel_nor_stop_waits_for_a_target_that_answers_after_10_seconds);
    RUN(buffers_left_to_a_slow_target_come_back_with_its_answer);
    RUN(letting_go_of_a_request_does_not_wait_for_another_threads_delete);
    RUN(a_module_is_deleted_at_any_moment_of_its_stream);
    RUN(a_target_is_deleted_at_any_moment_of_a_stream);
    RUN(a_device_is_deleted_at_any_moment_of_a_stream);
    RUN(statistics_of_a_client_target_count_every_end);
    RUN(every_way_of_sending_refuses_a_handle_that_is_no_such_module);
    return TESTS_RESULT();
}
