/* ContinuousRequestTarget: streams of reads from replay targets, and who owns their buffers. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"
#include "recording.h"

#include <stdatomic.h>

#define OUTPUT_SIZE 64
#define CONTEXT_SIZE 24
#define KEPT_MAX 256

typedef ContinuousRequestTarget_BufferDisposition DISPOSITION;
#define TARGET_CONTINUES ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
#define TARGET_STOPS ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming
#define CLIENT_CONTINUES ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming
#define CLIENT_STOPS ContinuousRequestTarget_BufferDisposition_ClientAndStopStreaming

/* ------------------------------------------------------------------------------------------------ a stream */

/* What the callback does, and what it saw. */
static struct
{
    pthread_mutex_t Lock;
    /* What it does. */
    DISPOSITION OnReport;
    DISPOSITION OnFailure;
    void (*Action)(DMFMODULE module); /* called in every callback, without the lock */
    /* What it saw. */
    ULONG Calls;
    ULONG Reports;
    ULONG Failures;
    NTSTATUS Failure;
    ULONGLONG Bytes;
    ULONG OutOfOrder;
    ULONG WrongContent;
    ULONG Overlaps;
    int Inside;
    DMFMODULE Module;
    VOID* Kept[KEPT_MAX]; /* buffers that it kept, oldest first */
    ULONG KeptCount;
    VOID* Seen[KEPT_MAX]; /* every buffer once */
    ULONG SeenCount;
    VOID* Shown[KEPT_MAX]; /* the buffers of the first calls */
} stream = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static void stream_clear(void)
{
    pthread_mutex_lock(&stream.Lock);
    stream.OnReport = TARGET_CONTINUES;
    stream.OnFailure = TARGET_STOPS;
    stream.Action = NULL;
    stream.Calls = stream.Reports = stream.Failures = 0;
    stream.Failure = STATUS_SUCCESS;
    stream.Bytes = 0;
    stream.OutOfOrder = stream.WrongContent = stream.Overlaps = 0;
    stream.Inside = 0;
    stream.Module = NULL;
    stream.KeptCount = stream.SeenCount = 0;
    pthread_mutex_unlock(&stream.Lock);
}

static EVT_DMF_ContinuousRequestTarget_BufferOutput ReportArrived;

static DISPOSITION ReportArrived(DMFMODULE DmfModule, VOID* OutputBuffer, size_t OutputBufferSize,
                                 VOID* ClientBufferContextOutput, NTSTATUS CompletionStatus)
{
    DISPOSITION disposition;
    void (*action)(DMFMODULE);
    ULONG i = 0;

    pthread_mutex_lock(&stream.Lock);
    stream.Calls++;
    stream.Module = DmfModule;
    stream.Overlaps += stream.Inside++ > 0 ? 1 : 0;
    disposition = NT_SUCCESS(CompletionStatus) ? stream.OnReport : stream.OnFailure;
    if (!NT_SUCCESS(CompletionStatus))
    {
        stream.Failures++;
        stream.Failure = CompletionStatus;
        stream.WrongContent += OutputBufferSize != 0 ? 1 : 0;
    }
    else
    {
        const UCHAR* bytes = (const UCHAR*)OutputBuffer;
        if (OutputBufferSize != RECORDING_REPORT_SIZE || bytes[0] != 0 || bytes[5] != 0x11 || bytes[8] != 0x44)
        {
            stream.WrongContent++;
        }
        /* The source hands out zeroed contexts and buffers, whoever had them before. */
        if (!harness_bytes_are(ClientBufferContextOutput, 0, CONTEXT_SIZE) ||
            !harness_bytes_are(bytes + OutputBufferSize, 0, OUTPUT_SIZE - OutputBufferSize))
        {
            stream.WrongContent++;
        }
        if (recording_number(OutputBuffer) != stream.Reports)
        {
            stream.OutOfOrder++;
        }
        stream.Reports++;
        stream.Bytes += OutputBufferSize;
    }
    memset(ClientBufferContextOutput, 0xEE, CONTEXT_SIZE);
    if (stream.Calls <= KEPT_MAX)
    {
        stream.Shown[stream.Calls - 1] = OutputBuffer;
    }
    while (i < stream.SeenCount && stream.Seen[i] != OutputBuffer)
    {
        i++;
    }
    if (i == stream.SeenCount && i < KEPT_MAX)
    {
        stream.Seen[stream.SeenCount++] = OutputBuffer;
    }
    if ((disposition == CLIENT_CONTINUES || disposition == CLIENT_STOPS) && stream.KeptCount < KEPT_MAX)
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

static ULONG locked(const ULONG* value)
{
    ULONG copy;
    pthread_mutex_lock(&stream.Lock);
    copy = *value;
    pthread_mutex_unlock(&stream.Lock);
    return copy;
}

#define REPORTS() locked(&stream.Reports)
#define CALLS() locked(&stream.Calls)
#define KEPT() locked(&stream.KeptCount)

static void on_report(DISPOSITION disposition)
{
    pthread_mutex_lock(&stream.Lock);
    stream.OnReport = disposition;
    pthread_mutex_unlock(&stream.Lock);
}

/* A device, a target that plays a recording, and a Module that is not started yet. */
typedef struct
{
    WDFDEVICE Device;
    WDFIOTARGET Target;
    DMFMODULE Module;
} FIXTURE;

static void configure(DMF_CONFIG_ContinuousRequestTarget* config, DMF_MODULE_ATTRIBUTES* attributes, ULONG requests,
                      ULONG buffers)
{
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(config, attributes);
    config->ContinuousRequestCount = requests;
    config->BufferCountOutput = buffers;
    config->BufferOutputSize = OUTPUT_SIZE;
    config->BufferContextOutputSize = CONTEXT_SIZE;
    config->RequestType = ContinuousRequestTarget_RequestType_Read;
    config->EvtContinuousRequestTargetBufferOutput = ReportArrived;
    config->ContinuousRequestTargetMode = ContinuousRequestTarget_Mode_Manual;
}

static WDFIOTARGET target_open(WDFDEVICE device, ULONG reports, double speed, ULONG repeat)
{
    RECORDING recording = recording_numbered(reports, 1000);
    DMF_REPLAY_PARAMS parameters;
    WDFIOTARGET target = NULL;

    memset(&parameters, 0, sizeof(parameters));
    parameters.Size = sizeof(parameters);
    parameters.Speed = speed;
    parameters.Repeat = repeat;
    CHECK_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, &parameters, &target));
    recording_remove(&recording);
    return target;
}

/* A target at which nothing happens for an hour, after its first report. */
static WDFIOTARGET target_open_idle(WDFDEVICE device)
{
    RECORDING recording = recording_numbered(2, 3600000000u);
    WDFIOTARGET target = NULL;
    CHECK_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, &target));
    recording_remove(&recording);
    return target;
}

/* Reports 0 to reports - 1, as fast as they are asked for. */
static FIXTURE fixture_create(ULONG requests, ULONG buffers, ULONG reports)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = {NULL, NULL, NULL};

    stream_clear();
    configure(&config, &attributes, requests, buffers);
    CHECK_SUCCESS(DMF_Device_Create(NULL, &fixture.Device));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &fixture.Module));
    CHECK(fixture.Module != NULL);
    if (reports != 0)
    {
        fixture.Target = target_open(fixture.Device, reports, 0, 1);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    }
    return fixture;
}

/* Pending requests and an idle target: the one report has come already when this returns. */
static FIXTURE fixture_create_idle(ULONG requests)
{
    FIXTURE fixture = fixture_create(requests, 2 * requests, 0);
    fixture.Target = target_open_idle(fixture.Device);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() == 1);
    return fixture;
}

/* Reports for ever. */
static FIXTURE fixture_create_endless(ULONG requests, ULONG buffers)
{
    FIXTURE fixture = fixture_create(requests, buffers, 0);
    fixture.Target = target_open(fixture.Device, 100, 0, 0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    return fixture;
}

#define STREAMING(Fixture) DMF_ContinuousRequestTarget_StreamingCountGet((Fixture).Module)

/* ------------------------------------------------------------------------------------------------- create */

static NTSTATUS create_with_mode(int mode)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = (DMFMODULE)&config;
    NTSTATUS status;

    configure(&config, &attributes, 1, 2);
    config.ContinuousRequestTargetMode = (ContinuousRequestTarget_ModeType)mode;
    status = DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &module);
    if (NT_SUCCESS(status))
    {
        WdfObjectDelete(module);
    }
    else
    {
        CHECK(module == NULL);
    }
    MISUSE_IGNORE();
    return status;
}

TEST(only_known_modes_are_accepted)
{
    CHECK_SUCCESS(create_with_mode(0));
    CHECK_SUCCESS(create_with_mode(ContinuousRequestTarget_Mode_Automatic));
    CHECK_SUCCESS(create_with_mode(ContinuousRequestTarget_Mode_Manual));
    CHECK_STATUS(create_with_mode(ContinuousRequestTarget_Mode_Maximum), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(create_with_mode(99), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(create_with_mode(-1), STATUS_INVALID_PARAMETER);
}

TEST(more_requests_than_there_can_be_are_refused_at_once)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = (DMFMODULE)&config;

    configure(&config, &attributes, 0xFFFFFFFF, 2);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &module),
                 STATUS_INSUFFICIENT_RESOURCES);
    CHECK(module == NULL);
}

TEST(a_module_without_requests_needs_no_request_type)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;

    DMF_ContinuousRequestTarget_ATTRIBUTES_INIT(&attributes);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &module));
    CHECK(module != NULL);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 0);
    WdfObjectDelete(module);
}

/* ------------------------------------------------------------------------------------------------- target */

TEST(only_a_target_can_be_set)
{
    FIXTURE fixture = fixture_create(1, 2, 0);
    VOID* handles[HARNESS_GARBAGE_MAX + 4];
    size_t count = harness_garbage(handles);
    WDFIOTARGET stale = target_open_idle(fixture.Device);

    WdfObjectDelete(stale);
    handles[count++] = NULL;
    handles[count++] = stale;
    handles[count++] = fixture.Device;
    handles[count++] = fixture.Module;
    for (size_t i = 0; i < count; i++)
    {
        CHECK_STATUS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, (WDFIOTARGET)handles[i]),
                     STATUS_INVALID_HANDLE);
        CHECK_MISUSE(1);
    }
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(fixture.Module), STATUS_INVALID_DEVICE_STATE);
    WdfObjectDelete(fixture.Device);
}

TEST(a_second_target_is_refused)
{
    FIXTURE fixture = fixture_create(1, 2, 10);
    WDFIOTARGET second = target_open_idle(fixture.Device);

    CHECK_STATUS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, second), STATUS_INVALID_DEVICE_STATE);
    CHECK_STATUS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target), STATUS_INVALID_DEVICE_STATE);
    MISUSE_IGNORE();
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() == 10);
    WdfObjectDelete(fixture.Device);
}

TEST(clearing_no_target_does_nothing)
{
    FIXTURE fixture = fixture_create(1, 2, 0);
    DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_cleared_target_can_be_set_again)
{
    FIXTURE fixture = fixture_create(1, 2, 10);

    DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(fixture.Module), STATUS_INVALID_DEVICE_STATE);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() == 10);
    CHECK_EQUAL(stream.OutOfOrder, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(clearing_the_target_of_a_manual_stream_stops_it_and_is_reported)
{
    FIXTURE fixture = fixture_create_endless(2, 4);
    ULONG calls;

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() > 10);
    DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
    CHECK_MISUSE(1);
    calls = CALLS();
    CHECK_EQUAL(STREAMING(fixture), 0);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(fixture.Module), STATUS_INVALID_DEVICE_STATE);
    harness_sleep_milliseconds(30);
    CHECK_EQUAL(CALLS(), calls);
    WdfObjectDelete(fixture.Device);
}

/* ---------------------------------------------------------------------------------------------- automatic */

static FIXTURE fixture_create_automatic(ULONG requests)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = {NULL, NULL, NULL};

    stream_clear();
    configure(&config, &attributes, requests, 2 * requests);
    config.ContinuousRequestTargetMode = ContinuousRequestTarget_Mode_Automatic;
    CHECK_SUCCESS(DMF_Device_Create(NULL, &fixture.Device));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &fixture.Module));
    return fixture;
}

TEST(in_automatic_mode_setting_the_target_starts)
{
    FIXTURE fixture = fixture_create_automatic(2);

    fixture.Target = target_open(fixture.Device, 20, 0, 1);
    CHECK_EQUAL(STREAMING(fixture), 0);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    EVENTUALLY(REPORTS() == 20);
    CHECK_EQUAL(stream.OutOfOrder, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(in_automatic_mode_clearing_the_target_stops_and_waits)
{
    FIXTURE fixture = fixture_create_automatic(2);
    ULONG calls;

    fixture.Target = target_open(fixture.Device, 100, 0, 0);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    EVENTUALLY(REPORTS() > 10);
    DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
    CHECK_MISUSE(0);
    calls = CALLS();
    CHECK_EQUAL(STREAMING(fixture), 0);
    harness_sleep_milliseconds(30);
    CHECK_EQUAL(CALLS(), calls);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    EVENTUALLY(CALLS() > calls);
    WdfObjectDelete(fixture.Device);
}

static void clears_the_target(DMFMODULE module)
{
    DMF_ContinuousRequestTarget_IoTargetClear(module);
}

TEST(in_automatic_mode_the_callback_may_clear_the_target)
{
    FIXTURE fixture = fixture_create_automatic(2);

    stream.Action = clears_the_target;
    fixture.Target = target_open(fixture.Device, 100, 0, 0);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    EVENTUALLY(CALLS() > 0 && STREAMING(fixture) == 0);
    CHECK_EQUAL(CALLS(), 1);
    MISUSE_IGNORE();
    WdfObjectDelete(fixture.Device);
}

TEST(in_automatic_mode_a_target_that_cannot_start_is_not_set)
{
    FIXTURE fixture = fixture_create_automatic(1);
    WDFIOTARGET ended = target_open(fixture.Device, 1, 0, 1);

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, ended));
    EVENTUALLY(STREAMING(fixture) == 0);
    DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
    CHECK_STATUS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, ended), STATUS_DEVICE_NOT_CONNECTED);
    CHECK_EQUAL(STREAMING(fixture), 0);

    stream_clear();
    fixture.Target = target_open(fixture.Device, 5, 0, 1);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    EVENTUALLY(REPORTS() == 5);
    WdfObjectDelete(fixture.Device);
}

/* -------------------------------------------------------------------------------------------------- start */

TEST(in_manual_mode_nothing_streams_before_start)
{
    FIXTURE fixture = fixture_create(2, 4, 10);
    harness_sleep_milliseconds(20);
    CHECK_EQUAL(CALLS(), 0);
    CHECK_EQUAL(STREAMING(fixture), 0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() == 10);
    CHECK_POINTER(stream.Module, fixture.Module);
    WdfObjectDelete(fixture.Device);
}

TEST(mode_0_is_manual)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = fixture_create(0, 1, 0);
    DMFMODULE module = NULL;

    configure(&config, &attributes, 1, 2);
    memset(&config.ContinuousRequestTargetMode, 0, sizeof(config.ContinuousRequestTargetMode));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &module));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target_open(fixture.Device, 3, 0, 1)));
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(REPORTS() == 3);
    WdfObjectDelete(fixture.Device);
}

TEST(start_without_target_is_refused)
{
    FIXTURE fixture = fixture_create(1, 2, 0);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(fixture.Module), STATUS_INVALID_DEVICE_STATE);
    WdfObjectDelete(fixture.Device);
    MISUSE_IGNORE();
}

TEST(start_with_no_requests_succeeds_without_target)
{
    FIXTURE fixture = fixture_create(0, 2, 0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    CHECK_EQUAL(STREAMING(fixture), 0);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    WdfObjectDelete(fixture.Device);
}

TEST(a_second_start_is_refused_and_changes_nothing)
{
    FIXTURE fixture = fixture_create_idle(3);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(fixture.Module), STATUS_INVALID_DEVICE_STATE);
    MISUSE_IGNORE();
    CHECK_EQUAL(STREAMING(fixture), 3);
    WdfObjectDelete(fixture.Device);
}

TEST(start_without_a_request_type_is_refused)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = fixture_create(0, 1, 0);
    DMFMODULE module = NULL;

    configure(&config, &attributes, 1, 2);
    config.RequestType = ContinuousRequestTarget_RequestType_Invalid;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &module));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target_open_idle(fixture.Device)));
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(module), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 0);
    MISUSE_IGNORE();
    WdfObjectDelete(fixture.Device);
}

TEST(start_with_fewer_buffers_than_requests_sends_nothing)
{
    FIXTURE fixture = fixture_create(4, 2, 0);

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, target_open_idle(fixture.Device)));
    CHECK(!NT_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module)));
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_EQUAL(STREAMING(fixture), 0);
    /* And may be tried again, with the same result: the two buffers came back. */
    CHECK(!NT_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module)));
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    WdfObjectDelete(fixture.Device);
    MISUSE_IGNORE();
}

TEST(every_request_streams)
{
    static const ULONG requests[] = {1, 4, 16, 100};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
    {
        FIXTURE fixture = fixture_create_idle(requests[i]);
        CHECK_EQUAL(STREAMING(fixture), requests[i]);
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
        CHECK_EQUAL(STREAMING(fixture), 0);
        WdfObjectDelete(fixture.Device);
    }
}

/* ----------------------------------------------------------------------------------------- what streams */

TEST(reports_arrive_in_order_and_complete)
{
    static const ULONG requests[] = {1, 4, 16};
    ULONG reports = harness_rounds(20000);

    for (size_t i = 0; i < 3; i++)
    {
        FIXTURE fixture = fixture_create(requests[i], 2 * requests[i], reports);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(STREAMING(fixture) == 0);
        CHECK_EQUAL(REPORTS(), reports);
        CHECK_EQUAL(stream.OutOfOrder, 0);
        CHECK_EQUAL(stream.WrongContent, 0);
        CHECK_EQUAL(stream.Bytes, (ULONGLONG)reports * RECORDING_REPORT_SIZE);
        CHECK_EQUAL(stream.Failures, requests[i]);
        CHECK_STATUS(stream.Failure, STATUS_DEVICE_NOT_CONNECTED);
        WdfObjectDelete(fixture.Device);
    }
}

TEST(with_passive_level_callbacks_run_one_at_a_time_and_in_order)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = fixture_create(0, 1, 0);
    DMFMODULE module = NULL;

    configure(&config, &attributes, 8, 16);
    attributes.PassiveLevel = TRUE;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &module));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target_open(fixture.Device, 2000, 0, 1)));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
    CHECK_EQUAL(REPORTS(), 2000);
    CHECK_EQUAL(stream.OutOfOrder, 0);
    CHECK_EQUAL(stream.Overlaps, 0);
    CHECK_EQUAL(stream.WrongContent, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(without_a_callback_success_goes_on_and_failure_stops)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = fixture_create(0, 1, 0);
    DMF_IO_TARGET_STATISTICS statistics;
    DMFMODULE module = NULL;
    WDFIOTARGET target = target_open(fixture.Device, 50, 0, 1);

    configure(&config, &attributes, 2, 4);
    config.EvtContinuousRequestTargetBufferOutput = NULL;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &module));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
    memset(&statistics, 0, sizeof(statistics));
    statistics.Size = sizeof(statistics);
    CHECK_SUCCESS(DMF_IoTarget_StatisticsGet(target, &statistics));
    CHECK_EQUAL(statistics.RequestsCompleted, 50);
    WdfObjectDelete(fixture.Device);
}

TEST(a_failure_that_the_client_wants_to_go_on_from_ends_all_the_same_when_the_device_is_gone)
{
    FIXTURE fixture = fixture_create(2, 4, 10);

    stream.OnFailure = TARGET_CONTINUES;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    CHECK_EQUAL(REPORTS(), 10);
    CHECK_STATUS(stream.Failure, STATUS_DEVICE_NOT_CONNECTED);
    WdfObjectDelete(fixture.Device);
}

/* ------------------------------------------------------------------------------------------ dispositions */

TEST(target_continues_uses_the_buffers_again)
{
    FIXTURE fixture = fixture_create(2, 3, 500);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() == 500);
    CHECK(stream.SeenCount <= 3);
    WdfObjectDelete(fixture.Device);
}

TEST(the_buffers_of_a_stream_take_turns)
{
    enum { BUFFERS = 3, REPORTS_ALL = 60 };
    FIXTURE fixture = fixture_create(1, BUFFERS, REPORTS_ALL);

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    CHECK_EQUAL(REPORTS(), REPORTS_ALL);
    CHECK_EQUAL(stream.SeenCount, BUFFERS);
    for (ULONG i = BUFFERS; i < REPORTS_ALL; i++)
    {
        CHECK(stream.Shown[i] == stream.Shown[i - BUFFERS]);
    }
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(target_stops_ends_this_request_only)
{
    FIXTURE fixture = fixture_create_endless(4, 8);

    stream.OnReport = TARGET_STOPS;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    CHECK_EQUAL(CALLS(), 4);
    CHECK_EQUAL(REPORTS(), 4);
    WdfObjectDelete(fixture.Device);
}

TEST(a_stream_whose_requests_have_all_stopped_may_start_again)
{
    FIXTURE fixture = fixture_create(2, 4, 1000);

    stream.OnReport = TARGET_STOPS;
    for (ULONG round = 1; round <= 5; round++)
    {
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(STREAMING(fixture) == 0);
        CHECK_EQUAL(REPORTS(), 2 * round);
    }
    CHECK_EQUAL(stream.OutOfOrder, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(client_continues_lets_the_client_keep_every_buffer)
{
    enum { BUFFERS = 6 };
    FIXTURE fixture = fixture_create(2, BUFFERS, 100);

    on_report(CLIENT_CONTINUES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(KEPT() == BUFFERS);
    harness_sleep_milliseconds(20);
    CHECK_EQUAL(CALLS(), BUFFERS);
    for (ULONG i = 0; i < BUFFERS; i++)
    {
        CHECK_EQUAL(recording_number(stream.Kept[i]), i);
        for (ULONG j = 0; j < i; j++)
        {
            CHECK(stream.Kept[i] != stream.Kept[j]);
        }
    }
    for (ULONG i = 0; i < BUFFERS; i++)
    {
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, stream.Kept[i]);
    }
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    /* With two requests and six buffers, further ones may have been kept meanwhile. */
    for (ULONG i = BUFFERS; i < stream.KeptCount; i++)
    {
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, stream.Kept[i]);
    }
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_stream_without_buffers_goes_on_when_one_comes_back)
{
    enum { BUFFERS = 3, REPORTS_ALL = 60 };
    FIXTURE fixture = fixture_create(2, BUFFERS, REPORTS_ALL);

    on_report(CLIENT_CONTINUES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    for (ULONG i = 0; i < REPORTS_ALL; i++)
    {
        EVENTUALLY(KEPT() > i);
        REQUIRE(KEPT() > i);
        CHECK_EQUAL(recording_number(stream.Kept[i]), i);
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, stream.Kept[i]);
    }
    EVENTUALLY(STREAMING(fixture) == 0);
    CHECK_EQUAL(REPORTS(), REPORTS_ALL);
    CHECK_EQUAL(stream.OutOfOrder, 0);
    CHECK(stream.SeenCount <= BUFFERS);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

static atomic_bool bring_back;

/* Another thread of the Client gives back what the callback kept. */
static void* brings_back(void* module)
{
    ULONG next = 0;
    while (atomic_load(&bring_back) || next < KEPT())
    {
        if (next < KEPT())
        {
            VOID* buffer;
            pthread_mutex_lock(&stream.Lock);
            buffer = stream.Kept[next];
            pthread_mutex_unlock(&stream.Lock);
            DMF_ContinuousRequestTarget_BufferPut((DMFMODULE)module, buffer);
            next++;
        }
    }
    return NULL;
}

TEST(another_thread_gives_the_buffers_back)
{
    FIXTURE fixture = fixture_create(3, 4, KEPT_MAX);
    pthread_t thread;

    on_report(CLIENT_CONTINUES);
    atomic_store(&bring_back, true);
    pthread_create(&thread, NULL, brings_back, fixture.Module);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    atomic_store(&bring_back, false);
    pthread_join(thread, NULL);
    CHECK_EQUAL(REPORTS(), KEPT_MAX);
    CHECK_EQUAL(stream.OutOfOrder, 0);
    CHECK_EQUAL(stream.WrongContent, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(with_look_aside_there_is_always_a_buffer)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    FIXTURE fixture = fixture_create(0, 1, 0);
    DMFMODULE module = NULL;

    configure(&config, &attributes, 2, 2);
    config.EnableLookAsideOutput = TRUE;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(fixture.Device, &attributes, NULL, &module));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target_open(fixture.Device, 200, 0, 1)));
    on_report(CLIENT_CONTINUES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
    CHECK_EQUAL(KEPT(), 200);
    CHECK_EQUAL(stream.SeenCount >= 200, 1);
    for (ULONG i = 0; i < 200; i++)
    {
        CHECK_EQUAL(recording_number(stream.Kept[i]), i);
        DMF_ContinuousRequestTarget_BufferPut(module, stream.Kept[i]);
    }
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(client_stops_keeps_the_buffer_and_ends_the_request)
{
    FIXTURE fixture = fixture_create_endless(3, 6);

    on_report(CLIENT_STOPS);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    CHECK_EQUAL(CALLS(), 3);
    REQUIRE(KEPT() == 3);
    for (ULONG i = 0; i < 3; i++)
    {
        CHECK_EQUAL(recording_number(stream.Kept[i]), i);
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, stream.Kept[i]);
    }
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_disposition_that_is_none_stops_the_request_and_is_reported)
{
    static const int dispositions[] = {ContinuousRequestTarget_BufferDisposition_Invalid,
                                       ContinuousRequestTarget_BufferDisposition_Maximum, 99, -1};

    for (size_t i = 0; i < sizeof(dispositions) / sizeof(dispositions[0]); i++)
    {
        FIXTURE fixture = fixture_create_endless(2, 2);
        on_report((DISPOSITION)dispositions[i]);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(STREAMING(fixture) == 0);
        CHECK_EQUAL(CALLS(), 2);
        CHECK_MISUSE(2);
        /* The buffers are back in the pool: both requests find one. */
        on_report(TARGET_STOPS);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(STREAMING(fixture) == 0);
        CHECK_EQUAL(CALLS(), 4);
        WdfObjectDelete(fixture.Device);
    }
}

/* -------------------------------------------------------------------------------------------------- stop */

TEST(stopping_what_has_not_started_does_nothing)
{
    FIXTURE fixture = fixture_create(1, 2, 10);

    DMF_ContinuousRequestTarget_Stop(fixture.Module);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_MISUSE(0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() == 10);
    WdfObjectDelete(fixture.Device);
}

TEST(stop_and_wait_on_an_idle_target_returns_without_a_callback)
{
    unsigned rounds = harness_rounds(100);
    FIXTURE fixture = fixture_create_idle(4);
    double longest = 0;

    for (unsigned i = 0; i < rounds; i++)
    {
        double begin = harness_seconds();
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
        double took = harness_seconds() - begin;
        longest = took > longest ? took : longest;
        CHECK_EQUAL(STREAMING(fixture), 0);
        CHECK_EQUAL(CALLS(), 1);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    }
    printf("    the longest StopAndWait of %u took %.3f ms\n", rounds, longest * 1000);
    WdfObjectDelete(fixture.Device);
    CHECK_EQUAL(CALLS(), 1);
}

TEST(stop_cancels_the_pending_requests)
{
    FIXTURE fixture = fixture_create_idle(4);

    DMF_ContinuousRequestTarget_Stop(fixture.Module);
    EVENTUALLY(STREAMING(fixture) == 0);
    CHECK_EQUAL(CALLS(), 1);
    WdfObjectDelete(fixture.Device);
}

TEST(after_stop_and_wait_no_callback_runs)
{
    unsigned rounds = harness_rounds(100);
    FIXTURE fixture = fixture_create_endless(4, 8);

    for (unsigned i = 0; i < rounds; i++)
    {
        ULONG calls = CALLS();
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(CALLS() > calls + 5);
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
        calls = CALLS();
        CHECK_EQUAL(stream.Inside, 0);
        CHECK_EQUAL(STREAMING(fixture), 0);
        harness_sleep_milliseconds(1);
        CHECK_EQUAL(CALLS(), calls);
    }
    CHECK_EQUAL(stream.Failures, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_stream_can_be_stopped_and_started_at_any_time)
{
    enum { REPORTS_ALL = 3000 };
    FIXTURE fixture = fixture_create(2, 4, REPORTS_ALL);

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    for (int i = 0; i < 20; i++)
    {
        NTSTATUS status;
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
        status = DMF_ContinuousRequestTarget_Start(fixture.Module);
        if (status == STATUS_DEVICE_NOT_CONNECTED)
        {
            break;
        }
        CHECK_SUCCESS(status);
    }
    EVENTUALLY(STREAMING(fixture) == 0);
    /* A report that was with a Request when that was canceled is not shown: the Client stopped before it came. */
    CHECK_EQUAL(stream.WrongContent, 0);
    CHECK(REPORTS() > 0);
    CHECK(REPORTS() <= REPORTS_ALL);
    WdfObjectDelete(fixture.Device);
}

static atomic_bool hold_callback, callback_held, callback_left;

static void holds(DMFMODULE module)
{
    UNREFERENCED_PARAMETER(module);
    atomic_store(&callback_held, true);
    while (atomic_load(&hold_callback))
    {
        harness_sleep_milliseconds(1);
    }
    harness_sleep_milliseconds(20);
    atomic_store(&callback_left, true);
}

static void* lets_the_callback_go(void* unused)
{
    UNREFERENCED_PARAMETER(unused);
    harness_sleep_milliseconds(50);
    atomic_store(&hold_callback, false);
    return NULL;
}

TEST(stop_and_wait_waits_for_the_running_callback)
{
    FIXTURE fixture = fixture_create_endless(1, 2);
    pthread_t thread;

    atomic_store(&hold_callback, true);
    atomic_store(&callback_held, false);
    atomic_store(&callback_left, false);
    stream.Action = holds;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(atomic_load(&callback_held));
    pthread_create(&thread, NULL, lets_the_callback_go, NULL);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK(atomic_load(&callback_left));
    CHECK_EQUAL(stream.Inside, 0);
    CHECK_EQUAL(CALLS(), 1);
    pthread_join(thread, NULL);
    WdfObjectDelete(fixture.Device);
}

TEST(stop_does_not_wait_for_the_running_callback)
{
    FIXTURE fixture = fixture_create_endless(1, 2);

    atomic_store(&hold_callback, true);
    atomic_store(&callback_held, false);
    atomic_store(&callback_left, false);
    stream.Action = holds;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(atomic_load(&callback_held));
    DMF_ContinuousRequestTarget_Stop(fixture.Module);
    CHECK(!atomic_load(&callback_left));
    atomic_store(&hold_callback, false);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK(atomic_load(&callback_left));
    CHECK_EQUAL(CALLS(), 1);
    WdfObjectDelete(fixture.Device);
}

static void stops(DMFMODULE module)
{
    DMF_ContinuousRequestTarget_Stop(module);
}

TEST(the_callback_may_stop_the_stream)
{
    FIXTURE fixture = fixture_create_endless(3, 6);

    stream.Action = stops;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 0 && STREAMING(fixture) == 0);
    CHECK_EQUAL(CALLS(), 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

static void stops_and_waits(DMFMODULE module)
{
    DMF_ContinuousRequestTarget_StopAndWait(module);
}

TEST(stop_and_wait_from_the_callback_is_reported_and_only_stops)
{
    FIXTURE fixture = fixture_create_endless(3, 6);

    stream.Action = stops_and_waits;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(CALLS() > 0 && STREAMING(fixture) == 0);
    CHECK_EQUAL(CALLS(), 1);
    CHECK_MISUSE(1);
    WdfObjectDelete(fixture.Device);
}

TEST(a_report_in_flight_while_stopping_is_not_shown)
{
    FIXTURE fixture = fixture_create_endless(1, 2);

    /* The one Request's callback stops the stream: its own disposition must not send it again. */
    stream.Action = stops;
    for (int i = 0; i < 50; i++)
    {
        ULONG calls = CALLS();
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(CALLS() == calls + 1 && STREAMING(fixture) == 0);
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    }
    CHECK_EQUAL(CALLS(), 50);
    WdfObjectDelete(fixture.Device);
}

/* ---------------------------------------------------------------------------------------------- ownership */

TEST(a_pointer_that_is_no_output_buffer_is_refused)
{
    FIXTURE fixture = fixture_create_endless(1, 2);
    FIXTURE other;
    VOID* pointers[HARNESS_GARBAGE_MAX + 8];
    size_t count = harness_garbage(pointers);
    VOID* mine;
    int local = 0;

    on_report(CLIENT_STOPS);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    REQUIRE(KEPT() == 1);
    mine = stream.Kept[0];

    other = fixture_create_endless(1, 2);
    on_report(CLIENT_STOPS);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(other.Module));
    EVENTUALLY(STREAMING(other) == 0);
    REQUIRE(KEPT() == 1);

    pointers[count++] = &local;
    pointers[count++] = (UCHAR*)mine + 1;
    pointers[count++] = (UCHAR*)mine + 16;
    pointers[count++] = stream.Kept[0]; /* the other Module's */
    pointers[count++] = NULL;
    for (size_t i = 0; i < count; i++)
    {
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, pointers[i]);
        CHECK(!NT_SUCCESS(DMF_LastStatusGet()));
        CHECK_MISUSE(1);
    }
    DMF_ContinuousRequestTarget_BufferPut(fixture.Module, mine);
    CHECK_SUCCESS(DMF_LastStatusGet());
    CHECK_MISUSE(0);
    DMF_ContinuousRequestTarget_BufferPut(fixture.Module, mine);
    CHECK_MISUSE(1);
    DMF_ContinuousRequestTarget_BufferPut(other.Module, stream.Kept[0]);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
    WdfObjectDelete(other.Device);
}

static void puts_back_in_the_callback(DMFMODULE module)
{
    VOID* buffer = NULL;
    pthread_mutex_lock(&stream.Lock);
    buffer = stream.KeptCount > 0 ? stream.Kept[--stream.KeptCount] : NULL;
    pthread_mutex_unlock(&stream.Lock);
    if (buffer != NULL)
    {
        DMF_ContinuousRequestTarget_BufferPut(module, buffer);
    }
}

TEST(the_callback_may_give_its_own_buffer_back_and_say_that_it_keeps_it)
{
    FIXTURE fixture = fixture_create(1, 1, 100);

    stream.Action = puts_back_in_the_callback;
    on_report(CLIENT_CONTINUES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    CHECK_EQUAL(REPORTS(), 100);
    CHECK_EQUAL(stream.OutOfOrder, 0);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(buffers_that_the_client_kept_come_back_after_the_delete)
{
    enum { BUFFERS = 8 };
    FIXTURE fixture = fixture_create_endless(2, BUFFERS);

    on_report(CLIENT_CONTINUES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(KEPT() == BUFFERS);
    WdfObjectDelete(fixture.Module);
    REQUIRE(KEPT() == BUFFERS);
    for (ULONG i = 0; i < BUFFERS; i++)
    {
        VOID* buffer = stream.Kept[i];
        CHECK_EQUAL(recording_number(buffer), i);
        memset(buffer, 0xEE, OUTPUT_SIZE);
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, buffer);
        CHECK_MISUSE(0);
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, buffer);
        CHECK_MISUSE(1);
    }
    WdfObjectDelete(fixture.Device);
}

TEST(buffers_that_the_client_kept_come_back_after_the_devices_delete)
{
    FIXTURE fixture = fixture_create_endless(2, 3);

    on_report(CLIENT_CONTINUES);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(KEPT() == 3);
    WdfObjectDelete(fixture.Device);
    for (ULONG i = 0; i < 3; i++)
    {
        memset(stream.Kept[i], 0xEE, OUTPUT_SIZE);
        DMF_ContinuousRequestTarget_BufferPut(fixture.Module, stream.Kept[i]);
    }
    CHECK_MISUSE(0);
}

TEST(the_pool_accounts_for_every_buffer_after_many_rounds)
{
    enum { BUFFERS = 5 };
    unsigned rounds = harness_rounds(50);
    FIXTURE fixture = fixture_create_endless(2, BUFFERS);

    for (unsigned round = 0; round < rounds; round++)
    {
        /* Keeping all there are shows that none got lost before. */
        pthread_mutex_lock(&stream.Lock);
        stream.KeptCount = stream.SeenCount = 0;
        stream.OnReport = CLIENT_CONTINUES;
        pthread_mutex_unlock(&stream.Lock);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(KEPT() == BUFFERS);
        CHECK_EQUAL(locked(&stream.SeenCount), BUFFERS);
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
        for (ULONG i = 0; i < BUFFERS; i++)
        {
            DMF_ContinuousRequestTarget_BufferPut(fixture.Module, stream.Kept[i]);
        }
        on_report(TARGET_CONTINUES);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        harness_sleep_milliseconds(1);
        DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    }
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

/* ------------------------------------------------------------------------------------------------- delete */

TEST(delete_stops_and_waits_by_itself)
{
    unsigned rounds = harness_rounds(50);

    for (unsigned round = 0; round < rounds; round++)
    {
        FIXTURE fixture = fixture_create_endless(4, 8);
        ULONG calls;
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(REPORTS() > 5);
        WdfObjectDelete(fixture.Module);
        calls = CALLS();
        CHECK_EQUAL(stream.Inside, 0);
        harness_sleep_milliseconds(1);
        CHECK_EQUAL(CALLS(), calls);
        WdfObjectDelete(fixture.Device);
    }
    CHECK_MISUSE(0);
}

TEST(deleting_the_device_of_a_stream_ends_everything)
{
    unsigned rounds = harness_rounds(50);

    for (unsigned round = 0; round < rounds; round++)
    {
        FIXTURE fixture = fixture_create_endless(4, 8);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
        EVENTUALLY(REPORTS() > 5);
        WdfObjectDelete(fixture.Device);
        CHECK_EQUAL(stream.Inside, 0);
        CHECK_STATUS(DMF_ContinuousRequestTarget_Start(fixture.Module), STATUS_INVALID_HANDLE);
        CHECK_MISUSE(1);
    }
}

static atomic_int status_after_delete, status_of_second_delete;

static void deletes_the_module(DMFMODULE module)
{
    WdfObjectDelete(module);
    atomic_store(&status_after_delete, DMF_ContinuousRequestTarget_Start(module));
    WdfObjectDelete(module);
    atomic_store(&status_of_second_delete, DMF_LastStatusGet());
}

TEST(a_module_deleted_in_its_callback_is_dead_at_once)
{
    FIXTURE fixture = fixture_create_endless(2, 4);

    atomic_store(&status_after_delete, 0);
    atomic_store(&status_of_second_delete, 0);
    stream.Action = deletes_the_module;
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(atomic_load(&status_of_second_delete) != 0);
    /* It closes when the callback has returned; until then it is being deleted. */
    CHECK_STATUS(atomic_load(&status_after_delete), STATUS_INVALID_DEVICE_STATE);
    CHECK_STATUS(atomic_load(&status_of_second_delete), STATUS_INVALID_HANDLE);
    WdfObjectDelete(fixture.Device);
    CHECK_EQUAL(CALLS(), 1);
    MISUSE_IGNORE();
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(fixture.Module), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

TEST(deleting_the_target_of_a_stream_ends_the_stream)
{
    FIXTURE fixture = fixture_create_idle(3);

    WdfObjectDelete(fixture.Target);
    EVENTUALLY(STREAMING(fixture) == 0);
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK(!NT_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module)));
    MISUSE_IGNORE();
    DMF_ContinuousRequestTarget_IoTargetClear(fixture.Module);
    stream_clear();
    fixture.Target = target_open(fixture.Device, 5, 0, 1);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(fixture.Module, fixture.Target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() == 5);
    MISUSE_IGNORE();
    WdfObjectDelete(fixture.Device);
}

TEST(a_module_that_never_started_is_deleted)
{
    FIXTURE fixture = fixture_create(4, 8, 10);
    WdfObjectDelete(fixture.Module);
    WdfObjectDelete(fixture.Device);
    CHECK_EQUAL(CALLS(), 0);
}

/* --------------------------------------------------------------------------------------------- statistics */

TEST(statistics_count_what_was_read)
{
    FIXTURE fixture = fixture_create(2, 4, 100);
    DMF_IO_TARGET_STATISTICS statistics;

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(STREAMING(fixture) == 0);
    memset(&statistics, 0xA5, sizeof(statistics));
    statistics.Size = sizeof(statistics);
    REQUIRE_SUCCESS(DMF_IoTarget_StatisticsGet(fixture.Target, &statistics));
    CHECK_EQUAL(statistics.RequestsCompleted, 100);
    CHECK_EQUAL(statistics.RequestsFailed, 2);
    CHECK_EQUAL(statistics.RequestsCanceled, 0);
    CHECK_EQUAL(statistics.BytesIn, stream.Bytes);
    CHECK_EQUAL(statistics.BytesOut, 0);
    CHECK_EQUAL(statistics.ReportsDropped, 0);
    CHECK_EQUAL(statistics.OverrunsSuspected, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(statistics_count_what_was_canceled)
{
    FIXTURE fixture = fixture_create_idle(3);
    DMF_IO_TARGET_STATISTICS statistics;

    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    memset(&statistics, 0, sizeof(statistics));
    statistics.Size = sizeof(statistics);
    REQUIRE_SUCCESS(DMF_IoTarget_StatisticsGet(fixture.Target, &statistics));
    CHECK_EQUAL(statistics.RequestsCompleted, 1);
    CHECK_EQUAL(statistics.RequestsCanceled, 3);
    CHECK_EQUAL(statistics.RequestsFailed, 0);
    WdfObjectDelete(fixture.Device);
}

TEST(statistics_need_a_target_a_place_and_its_size)
{
    FIXTURE fixture = fixture_create(1, 2, 1);
    DMF_IO_TARGET_STATISTICS statistics;
    VOID* handles[HARNESS_GARBAGE_MAX + 3];
    size_t count = harness_garbage(handles);

    memset(&statistics, 0, sizeof(statistics));
    statistics.Size = sizeof(statistics);
    handles[count++] = NULL;
    handles[count++] = fixture.Device;
    handles[count++] = fixture.Module;
    for (size_t i = 0; i < count; i++)
    {
        CHECK_STATUS(DMF_IoTarget_StatisticsGet((WDFIOTARGET)handles[i], &statistics), STATUS_INVALID_HANDLE);
        CHECK_MISUSE(1);
    }
    CHECK_STATUS(DMF_IoTarget_StatisticsGet(fixture.Target, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    statistics.Size = 0;
    CHECK_STATUS(DMF_IoTarget_StatisticsGet(fixture.Target, &statistics), STATUS_INVALID_PARAMETER);
    statistics.Size = sizeof(statistics) + 8;
    CHECK_STATUS(DMF_IoTarget_StatisticsGet(fixture.Target, &statistics), STATUS_INVALID_PARAMETER);
    MISUSE_IGNORE();
    WdfObjectDelete(fixture.Device);
}

/* -------------------------------------------------------------------------------------------- bad handles */

TEST(every_method_refuses_a_handle_that_is_no_such_module)
{
    FIXTURE fixture = fixture_create(1, 2, 1);
    FIXTURE stale = fixture_create(1, 2, 0);
    DMF_CONFIG_BufferPool config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE pool = NULL;
    VOID* handles[HARNESS_GARBAGE_MAX + 5];
    size_t count = harness_garbage(handles);
    int local = 0;

    DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.BufferPoolMode = BufferPool_Mode_Sink;
    REQUIRE_SUCCESS(DMF_BufferPool_Create(fixture.Device, &attributes, NULL, &pool));
    WdfObjectDelete(stale.Module);
    handles[count++] = NULL;
    handles[count++] = fixture.Device;
    handles[count++] = fixture.Target;
    handles[count++] = pool;
    handles[count++] = stale.Module;
    for (size_t i = 0; i < count; i++)
    {
        DMFMODULE bad = (DMFMODULE)handles[i];
        UCHAR bytes[16];
        size_t written = 77;

        CHECK_STATUS(DMF_ContinuousRequestTarget_IoTargetSet(bad, fixture.Target), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_ContinuousRequestTarget_Start(bad), STATUS_INVALID_HANDLE);
        DMF_ContinuousRequestTarget_Stop(bad);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        DMF_ContinuousRequestTarget_StopAndWait(bad);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        DMF_ContinuousRequestTarget_IoTargetClear(bad);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        DMF_ContinuousRequestTarget_BufferPut(bad, &local);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(bad), 0);
        CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
        CHECK_STATUS(DMF_ContinuousRequestTarget_SendSynchronously(
                         bad, NULL, 0, bytes, sizeof(bytes), ContinuousRequestTarget_RequestType_InternalIoctl,
                         IOCTL_HID_GET_REPORT_DESCRIPTOR, 0, &written),
                     STATUS_INVALID_HANDLE);
        CHECK_MISUSE(8);
    }
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(fixture.Module));
    EVENTUALLY(REPORTS() == 1);
    WdfObjectDelete(fixture.Device);
    WdfObjectDelete(stale.Device);
}

/* -------------------------------------------------------------------------------------- report descriptor */

TEST(a_recording_answers_its_report_descriptor)
{
    FIXTURE fixture = fixture_create(0, 1, 1);
    UCHAR bytes[64];
    size_t written = 77;

    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_SendSynchronously(
        fixture.Module, NULL, 0, bytes, sizeof(bytes), ContinuousRequestTarget_RequestType_InternalIoctl,
        IOCTL_HID_GET_REPORT_DESCRIPTOR, 0, &written));
    CHECK_EQUAL(written, 21);
    CHECK_EQUAL(bytes[0], 0x06);
    CHECK_EQUAL(bytes[20], 0xC0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_synchronous_send_without_target_is_refused)
{
    FIXTURE fixture = fixture_create(0, 1, 0);
    UCHAR bytes[64];
    size_t written = 77;

    CHECK_STATUS(DMF_ContinuousRequestTarget_SendSynchronously(
                     fixture.Module, NULL, 0, bytes, sizeof(bytes),
                     ContinuousRequestTarget_RequestType_InternalIoctl, IOCTL_HID_GET_REPORT_DESCRIPTOR, 0, &written),
                 STATUS_INVALID_DEVICE_STATE);
    CHECK_EQUAL(written, 0);
    MISUSE_IGNORE();
    WdfObjectDelete(fixture.Device);
}

/* ------------------------------------------------------------------------------------------------ threads */

static atomic_bool keep_toggling;

static void* toggles(void* module)
{
    while (atomic_load(&keep_toggling))
    {
        (void)DMF_ContinuousRequestTarget_Start((DMFMODULE)module);
        DMF_ContinuousRequestTarget_Stop((DMFMODULE)module);
        (void)DMF_ContinuousRequestTarget_Start((DMFMODULE)module);
        DMF_ContinuousRequestTarget_StopAndWait((DMFMODULE)module);
    }
    return NULL;
}

TEST(threads_may_start_and_stop_the_same_stream)
{
    enum { THREADS = 3 };
    FIXTURE fixture = fixture_create_endless(3, 6);
    pthread_t threads[THREADS];

    atomic_store(&keep_toggling, true);
    for (int i = 0; i < THREADS; i++)
    {
        pthread_create(&threads[i], NULL, toggles, fixture.Module);
    }
    harness_sleep_milliseconds((long)harness_rounds(300));
    EVENTUALLY(CALLS() > 0);
    atomic_store(&keep_toggling, false);
    for (int i = 0; i < THREADS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    DMF_ContinuousRequestTarget_StopAndWait(fixture.Module);
    CHECK_EQUAL(STREAMING(fixture), 0);
    CHECK_EQUAL(stream.WrongContent, 0);
    CHECK(stream.SeenCount <= 6);
    CHECK_MISUSE(0);
    WdfObjectDelete(fixture.Device);
}

TEST(a_stream_is_deleted_while_threads_start_and_stop_it)
{
    enum { THREADS = 2 };
    unsigned rounds = harness_rounds(30);

    for (unsigned round = 0; round < rounds; round++)
    {
        FIXTURE fixture = fixture_create_endless(2, 4);
        pthread_t threads[THREADS];

        atomic_store(&keep_toggling, true);
        for (int i = 0; i < THREADS; i++)
        {
            pthread_create(&threads[i], NULL, toggles, fixture.Module);
        }
        harness_sleep_milliseconds(3);
        WdfObjectDelete(fixture.Device);
        atomic_store(&keep_toggling, false);
        for (int i = 0; i < THREADS; i++)
        {
            pthread_join(threads[i], NULL);
        }
        CHECK_EQUAL(stream.Inside, 0);
        MISUSE_IGNORE();
    }
}

int main(void)
{
    RUN(only_known_modes_are_accepted);
    RUN(more_requests_than_there_can_be_are_refused_at_once);
    RUN(a_module_without_requests_needs_no_request_type);
    RUN(only_a_target_can_be_set);
    RUN(a_second_target_is_refused);
    RUN(clearing_no_target_does_nothing);
    RUN(a_cleared_target_can_be_set_again);
    RUN(clearing_the_target_of_a_manual_stream_stops_it_and_is_reported);
    RUN(in_automatic_mode_setting_the_target_starts);
    RUN(in_automatic_mode_clearing_the_target_stops_and_waits);
    RUN(in_automatic_mode_the_callback_may_clear_the_target);
    RUN(in_automatic_mode_a_target_that_cannot_start_is_not_set);
    RUN(in_manual_mode_nothing_streams_before_start);
    RUN(mode_0_is_manual);
    RUN(start_without_target_is_refused);
    RUN(start_with_no_requests_succeeds_without_target);
    RUN(a_second_start_is_refused_and_changes_nothing);
    RUN(start_without_a_request_type_is_refused);
    RUN(start_with_fewer_buffers_than_requests_sends_nothing);
    RUN(every_request_streams);
    RUN(reports_arrive_in_order_and_complete);
    RUN(with_passive_level_callbacks_run_one_at_a_time_and_in_order);
    RUN(without_a_callback_success_goes_on_and_failure_stops);
    RUN(a_failure_that_the_client_wants_to_go_on_from_ends_all_the_same_when_the_device_is_gone);
    RUN(target_continues_uses_the_buffers_again);
    RUN(the_buffers_of_a_stream_take_turns);
    RUN(target_stops_ends_this_request_only);
    RUN(a_stream_whose_requests_have_all_stopped_may_start_again);
    RUN(client_continues_lets_the_client_keep_every_buffer);
    RUN(a_stream_without_buffers_goes_on_when_one_comes_back);
    RUN(another_thread_gives_the_buffers_back);
    RUN(with_look_aside_there_is_always_a_buffer);
    RUN(client_stops_keeps_the_buffer_and_ends_the_request);
    RUN(a_disposition_that_is_none_stops_the_request_and_is_reported);
    RUN(stopping_what_has_not_started_does_nothing);
    RUN(stop_and_wait_on_an_idle_target_returns_without_a_callback);
    RUN(stop_cancels_the_pending_requests);
    RUN(after_stop_and_wait_no_callback_runs);
    RUN(a_stream_can_be_stopped_and_started_at_any_time);
    RUN(stop_and_wait_waits_for_the_running_callback);
    RUN(stop_does_not_wait_for_the_running_callback);
    RUN(the_callback_may_stop_the_stream);
    RUN(stop_and_wait_from_the_callback_is_reported_and_only_stops);
    RUN(a_report_in_flight_while_stopping_is_not_shown);
    RUN(a_pointer_that_is_no_output_buffer_is_refused);
    RUN(the_callback_may_give_its_own_buffer_back_and_say_that_it_keeps_it);
    RUN(buffers_that_the_client_kept_come_back_after_the_delete);
    RUN(buffers_that_the_client_kept_come_back_after_the_devices_delete);
    RUN(the_pool_accounts_for_every_buffer_after_many_rounds);
    RUN(delete_stops_and_waits_by_itself);
    RUN(deleting_the_device_of_a_stream_ends_everything);
    RUN(a_module_deleted_in_its_callback_is_dead_at_once);
    RUN(deleting_the_target_of_a_stream_ends_the_stream);
    RUN(a_module_that_never_started_is_deleted);
    RUN(statistics_count_what_was_read);
    RUN(statistics_count_what_was_canceled);
    RUN(statistics_need_a_target_a_place_and_its_size);
    RUN(every_method_refuses_a_handle_that_is_no_such_module);
    RUN(a_recording_answers_its_report_descriptor);
    RUN(a_synchronous_send_without_target_is_refused);
    RUN(threads_may_start_and_stop_the_same_stream);
    RUN(a_stream_is_deleted_while_threads_start_and_stop_it);
    return TESTS_RESULT();
}
