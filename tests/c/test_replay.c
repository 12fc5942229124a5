/* Replay targets: recordings that are wrong and say so, and recordings that play as they were made. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <stdatomic.h>
#include "recording.h"

#include <math.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------------------------------------- playing */

/* What a stream from a recording brought, oldest first. */
static struct
{
    pthread_mutex_t Lock;
    ULONG Reports;
    ULONG Failures;
    NTSTATUS Failure;
    size_t FailureBytes;
    UCHAR Bytes[256][16];
    size_t Sizes[256];
    ULONG OutOfOrder; /* for numbered recordings that play once */
    int SlowMilliseconds; /* that the callback takes */
    double Last;
} played = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static ContinuousRequestTarget_BufferDisposition ReportArrived(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                               size_t OutputBufferSize,
                                                               VOID* ClientBufferContextOutput,
                                                               NTSTATUS CompletionStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBufferContextOutput);
    harness_sleep_milliseconds(played.SlowMilliseconds);
    pthread_mutex_lock(&played.Lock);
    if (!NT_SUCCESS(CompletionStatus))
    {
        played.Failures++;
        played.Failure = CompletionStatus;
        played.FailureBytes += OutputBufferSize;
        pthread_mutex_unlock(&played.Lock);
        return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    }
    if (played.Reports < 256)
    {
        played.Sizes[played.Reports] = OutputBufferSize;
        memcpy(played.Bytes[played.Reports], OutputBuffer, OutputBufferSize < 16 ? OutputBufferSize : 16);
    }
    if (OutputBufferSize == RECORDING_REPORT_SIZE && recording_number(OutputBuffer) != played.Reports)
    {
        played.OutOfOrder++;
    }
    played.Reports++;
    played.Last = harness_seconds();
    pthread_mutex_unlock(&played.Lock);
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static ULONG reports_played(void)
{
    ULONG reports;
    pthread_mutex_lock(&played.Lock);
    reports = played.Reports;
    pthread_mutex_unlock(&played.Lock);
    return reports;
}

static DMFMODULE stream_create_at(WDFDEVICE device, ULONG requests, BOOLEAN passive_level,
                                  EVT_DMF_ContinuousRequestTarget_BufferOutput* EvtBufferOutput)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ContinuousRequestCount = requests;
    config.BufferCountOutput = 2 * requests;
    config.BufferOutputSize = 64;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.EvtContinuousRequestTargetBufferOutput = EvtBufferOutput;
    config.ContinuousRequestTargetMode = ContinuousRequestTarget_Mode_Manual;
    attributes.PassiveLevel = passive_level;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &module));
    CHECK(module != NULL);
    return module;
}

static DMFMODULE stream_create(WDFDEVICE device, ULONG requests)
{
    return stream_create_at(device, requests, FALSE, ReportArrived);
}

static void played_clear(void)
{
    pthread_mutex_lock(&played.Lock);
    played.Reports = played.Failures = played.OutOfOrder = 0;
    played.Failure = STATUS_SUCCESS;
    played.FailureBytes = 0;
    memset(played.Bytes, 0xA5, sizeof(played.Bytes));
    memset(played.Sizes, 0, sizeof(played.Sizes));
    pthread_mutex_unlock(&played.Lock);
}

/* Plays a recording to its end. Returns the seconds from Start to the last report. */
static double play(const char* path, const DMF_REPLAY_PARAMS* parameters, ULONG requests)
{
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;
    double begin;

    played_clear();
    CHECK_SUCCESS(DMF_Device_Create(NULL, &device));
    if (CHECK_SUCCESS(DMF_IoTarget_ReplayOpen(device, path, parameters, &target)))
    {
        module = stream_create(device, requests);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
        begin = harness_seconds();
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
        EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
        DMF_ContinuousRequestTarget_StopAndWait(module);
        WdfObjectDelete(device);
        return played.Last - begin;
    }
    WdfObjectDelete(device);
    return 0;
}

static DMF_REPLAY_PARAMS parameters_of(double speed, ULONG repeat)
{
    DMF_REPLAY_PARAMS parameters;
    memset(&parameters, 0, sizeof(parameters));
    parameters.Size = sizeof(parameters);
    parameters.Speed = speed;
    parameters.Repeat = repeat;
    return parameters;
}

/* ------------------------------------------------------------------------------------------ files, errors */

static NTSTATUS open_only(const char* path, const DMF_REPLAY_PARAMS* parameters)
{
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    NTSTATUS status;

    CHECK_SUCCESS(DMF_Device_Create(NULL, &device));
    status = DMF_IoTarget_ReplayOpen(device, path, parameters, &target);
    CHECK(NT_SUCCESS(status) == (target != NULL));
    /* Deleting the device must not disturb the message of the failure: it succeeds. */
    WdfObjectDelete(device);
    return status;
}

/* A recording that is refused, with a message that names the line. */
static void check_refused_at(const char* text, unsigned line)
{
    RECORDING recording = recording_of_text(text);
    char expected[32];

    snprintf(expected, sizeof(expected), "line %u", line);
    CHECK_STATUS(open_only(recording.Path, NULL), STATUS_INVALID_PARAMETER);
    if (!CHECK_CONTAINS(DMF_LastErrorMessageGet(), expected))
    {
        printf("        the recording:\n%s\n", text);
    }
    CHECK(strchr(DMF_LastErrorMessageGet(), '\n') == NULL);
    CHECK_MISUSE(0);
    recording_remove(&recording);
}

TEST(a_path_that_does_not_exist_is_not_found)
{
    CHECK_STATUS(open_only("/nonexistent/recording.hid", NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_CONTAINS(DMF_LastErrorMessageGet(), "/nonexistent/recording.hid");
    CHECK_MISUSE(0);
}

TEST(a_directory_is_no_recording)
{
    CHECK_STATUS(open_only("/", NULL), STATUS_INVALID_PARAMETER);
    CHECK(DMF_LastErrorMessageGet()[0] != '\0');
}

TEST(a_file_without_permission_is_denied)
{
    RECORDING recording = recording_numbered(1, 0);
    bool root = geteuid() == 0;

    chmod(recording.Path, 0);
    /* Root may read everything, so it becomes nobody for a moment. */
    if (root && seteuid(65534) != 0)
    {
        printf("    skipped: cannot give up root's rights\n");
    }
    else
    {
        CHECK_STATUS(open_only(recording.Path, NULL), STATUS_ACCESS_DENIED);
        CHECK_CONTAINS(DMF_LastErrorMessageGet(), recording.Path);
        CHECK(!root || seteuid(0) == 0);
    }
    recording_remove(&recording);
}

TEST(an_empty_file_is_no_recording)
{
    RECORDING recording = recording_of_text("");
    CHECK_STATUS(open_only(recording.Path, NULL), STATUS_INVALID_PARAMETER);
    CHECK_CONTAINS(DMF_LastErrorMessageGet(), recording.Path);
    recording_remove(&recording);
}

TEST(a_file_of_comments_is_no_recording)
{
    RECORDING recording = recording_of_text("# nothing\n# here\n");
    CHECK_STATUS(open_only(recording.Path, NULL), STATUS_INVALID_PARAMETER);
    recording_remove(&recording);
}

TEST(other_text_is_no_recording)
{
    check_refused_at("Dear reader,\nthis is a letter.\n", 1);
}

TEST(binary_data_is_no_recording)
{
    unsigned char bytes[4096];
    RECORDING recording;

    for (size_t i = 0; i < sizeof(bytes); i++)
    {
        bytes[i] = (unsigned char)(i * 167 + i / 256);
    }
    recording = recording_of_bytes(bytes, sizeof(bytes));
    CHECK_STATUS(open_only(recording.Path, NULL), STATUS_INVALID_PARAMETER);
    CHECK_CONTAINS(DMF_LastErrorMessageGet(), "line 1");
    recording_remove(&recording);
}

TEST(a_recording_that_is_cut_off_names_its_last_line)
{
    check_refused_at(RECORDING_DESCRIPTOR_WITHOUT_ID RECORDING_IDENTITY
                     "E: 000000.000000 8 01 02 03 04 05 06 07 08\n"
                     "E: 000000.010000 8 01 02 03",
                     6);
    check_refused_at("R: 21 06 00 ff 09 01", 1);
}

TEST(every_byte_at_which_a_recording_is_cut_off_is_survived)
{
    static const char whole[] = RECORDING_DESCRIPTOR_WITHOUT_ID RECORDING_IDENTITY
        "E: 000000.000000 8 01 02 03 04 05 06 07 08\n";

    for (size_t size = 0; size < sizeof(whole); size++)
    {
        RECORDING recording = recording_of_bytes(whole, size);
        NTSTATUS status = open_only(recording.Path, NULL);
        CHECK(status == STATUS_SUCCESS || status == STATUS_INVALID_PARAMETER);
        recording_remove(&recording);
    }
}

TEST(wrong_lines_are_named)
{
    static const struct
    {
        const char* Line;
        const char* Why;
    } wrong[] = {
        {"E: 000000.000000 8 01 02 03 04 05 06 07\n", "fewer bytes than said"},
        {"E: 000000.000000 8 01 02 03 04 05 06 07 08 09\n", "more bytes than said"},
        {"E: 000000.000000 8 01 02 03 04 05 06 07 xx\n", "not hexadecimal"},
        {"E: 000000.000000 8 01 02 03 04 05 06 07 108\n", "more than a byte"},
        {"E: 000000.000000 8 01 02 03 04 05 06 07 -1\n", "negative"},
        {"E: 000000.000000 x 01\n", "the length is no number"},
        {"E: 000000.000000 -8 01\n", "the length is negative"},
        {"E: 000000.000000 99999999999999999999 01\n", "the length fits nothing"},
        {"E: 000000.000000\n", "no length"},
        {"E: yesterday 1 01\n", "the time is no number"},
        {"E: -1.000000 1 01\n", "the time is negative"},
        {"E: 1 1 01\n", "the time has no fraction"},
        {"E: 99999999999999999999.000000 1 01\n", "the time fits nothing"},
        {"E:\n", "nothing at all"},
        {"I: 3 1234\n", "no product"},
        {"I: 3 12345 1234\n", "the vendor is longer than 16 bits"},
        {"I: usb 1234 1234\n", "the bus is no number"},
        {"hello\n", "no known line"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
    {
        char text[1024];
        int failures = harness.Failures;
        snprintf(text, sizeof(text), "# comment\n%s%s%s", RECORDING_DESCRIPTOR_WITHOUT_ID,
                 "E: 000000.000000 8 01 02 03 04 05 06 07 08\n", wrong[i].Line);
        check_refused_at(text, 4);
        if (harness.Failures != failures)
        {
            printf("        which is wrong because: %s\n", wrong[i].Why);
        }
    }
}

TEST(a_wrong_report_descriptor_is_named)
{
    check_refused_at("# comment\nR: 21 06 00 ff 09 01\n", 2);
    check_refused_at("R: 2 06 zz\n", 1);
    check_refused_at("R: many 06 00\n", 1);
    check_refused_at("R:\n", 1);
}

TEST(null_is_no_path_and_no_place_for_the_target)
{
    RECORDING recording = recording_numbered(1, 0);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    CHECK_STATUS(DMF_IoTarget_ReplayOpen(device, NULL, NULL, &target), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    WdfObjectDelete(device);
    recording_remove(&recording);
}

TEST(a_bad_device_is_refused)
{
    RECORDING recording = recording_numbered(1, 0);
    VOID* handles[HARNESS_GARBAGE_MAX + 1];
    size_t count = harness_garbage(handles);
    WDFDEVICE stale = NULL;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &stale));
    WdfObjectDelete(stale);
    handles[count++] = stale;
    for (size_t i = 0; i < count; i++)
    {
        WDFIOTARGET target = NULL;
        CHECK_STATUS(DMF_IoTarget_ReplayOpen((WDFDEVICE)handles[i], recording.Path, NULL, &target),
                     STATUS_INVALID_HANDLE);
        CHECK(target == NULL);
        CHECK_MISUSE(1);
    }
    recording_remove(&recording);
}

TEST(parameters_that_make_no_sense_are_refused)
{
    RECORDING recording = recording_numbered(1, 0);
    DMF_REPLAY_PARAMS parameters;

    parameters = parameters_of(-1, 1);
    CHECK_STATUS(open_only(recording.Path, &parameters), STATUS_INVALID_PARAMETER);
    parameters = parameters_of((double)NAN, 1);
    CHECK_STATUS(open_only(recording.Path, &parameters), STATUS_INVALID_PARAMETER);
    parameters = parameters_of((double)INFINITY, 1);
    CHECK_STATUS(open_only(recording.Path, &parameters), STATUS_INVALID_PARAMETER);
    parameters = parameters_of(1, 1);
    parameters.Size = 0;
    CHECK_STATUS(open_only(recording.Path, &parameters), STATUS_INVALID_PARAMETER);
    parameters.Size = sizeof(parameters) + 8;
    CHECK_STATUS(open_only(recording.Path, &parameters), STATUS_INVALID_PARAMETER);
    MISUSE_IGNORE();
    recording_remove(&recording);
}

TEST(a_target_may_never_be_used)
{
    RECORDING recording = recording_numbered(10, 1000);
    CHECK_SUCCESS(open_only(recording.Path, NULL));
    recording_remove(&recording);
}

/* ------------------------------------------------------------------------------------------------- reports */

TEST(reports_of_a_device_without_report_ids_get_a_0_first)
{
    RECORDING recording = recording_of_text(RECORDING_DESCRIPTOR_WITHOUT_ID RECORDING_IDENTITY
                                            "E: 000000.000000 8 05 02 03 04 05 06 07 08\n"
                                            "E: 000000.000001 8 ff fe fd fc fb fa f9 f8\n");
    static const UCHAR first[] = {0, 5, 2, 3, 4, 5, 6, 7, 8};
    static const UCHAR second[] = {0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8};

    (void)play(recording.Path, NULL, 1);
    CHECK_EQUAL(played.Reports, 2);
    CHECK_EQUAL(played.Sizes[0], sizeof(first));
    CHECK(memcmp(played.Bytes[0], first, sizeof(first)) == 0);
    CHECK_EQUAL(played.Sizes[1], sizeof(second));
    CHECK(memcmp(played.Bytes[1], second, sizeof(second)) == 0);
    recording_remove(&recording);
}

TEST(reports_of_a_device_with_report_ids_come_as_they_are)
{
    RECORDING recording = recording_of_text(RECORDING_DESCRIPTOR_WITH_ID_5 RECORDING_IDENTITY
                                            "E: 000000.000000 9 05 01 02 03 04 05 06 07 08\n");
    static const UCHAR report[] = {5, 1, 2, 3, 4, 5, 6, 7, 8};

    (void)play(recording.Path, NULL, 1);
    CHECK_EQUAL(played.Reports, 1);
    CHECK_EQUAL(played.Sizes[0], sizeof(report));
    CHECK(memcmp(played.Bytes[0], report, sizeof(report)) == 0);
    recording_remove(&recording);
}

TEST(data_that_looks_like_a_report_id_item_is_no_report_id)
{
    /* 0x85 stands in the data of an item here (Logical Maximum 0x85), not as an item. */
    RECORDING recording = recording_of_text("R: 21 06 00 ff 09 01 a1 01 15 00 26 85 00 75 08 95 08 09 01 81 02 c0\n"
                                            "E: 000000.000000 8 01 02 03 04 05 06 07 08\n");
    (void)play(recording.Path, NULL, 1);
    CHECK_EQUAL(played.Reports, 1);
    CHECK_EQUAL(played.Sizes[0], 9);
    CHECK_EQUAL(played.Bytes[0][0], 0);
    recording_remove(&recording);
}

TEST(comments_and_empty_lines_are_skipped)
{
    RECORDING recording = recording_of_text("# one\n\n" RECORDING_DESCRIPTOR_WITHOUT_ID "# two\n"
                                            "E: 000000.000000 8 01 02 03 04 05 06 07 08\n\n# three\n"
                                            "E: 000000.000001 8 01 02 03 04 05 06 07 08\n");
    (void)play(recording.Path, NULL, 1);
    CHECK_EQUAL(played.Reports, 2);
    recording_remove(&recording);
}

TEST(a_last_line_without_its_end_counts)
{
    RECORDING recording = recording_of_text(RECORDING_DESCRIPTOR_WITHOUT_ID
                                            "E: 000000.000000 8 01 02 03 04 05 06 07 08");
    (void)play(recording.Path, NULL, 1);
    CHECK_EQUAL(played.Reports, 1);
    recording_remove(&recording);
}

TEST(a_recording_that_is_cut_off_within_a_byte_is_refused)
{
    check_refused_at(RECORDING_DESCRIPTOR_WITHOUT_ID "E: 000000.000000 8 01 02 03 04 05 06 07 0", 2);
}

TEST(lines_that_end_as_on_windows_are_read)
{
    RECORDING recording = recording_of_text(
        "R: 21 06 00 ff 09 01 a1 01 15 00 26 ff 00 75 08 95 08 09 01 81 02 c0\r\n"
        "N: Test device\r\nE: 000000.000000 8 01 02 03 04 05 06 07 08\r\n");
    (void)play(recording.Path, NULL, 1);
    CHECK_EQUAL(played.Reports, 1);
    recording_remove(&recording);
}

TEST(a_recording_plays_in_order_and_without_loss)
{
    static const ULONG requests[] = {1, 4, 16};
    RECORDING recording = recording_numbered(2000, 1000);
    DMF_REPLAY_PARAMS parameters = parameters_of(0, 1);

    for (size_t i = 0; i < 3; i++)
    {
        (void)play(recording.Path, &parameters, requests[i]);
        CHECK_EQUAL(played.Reports, 2000);
        CHECK_EQUAL(played.OutOfOrder, 0);
    }
    recording_remove(&recording);
}

/* ---------------------------------------------------------------------------------------------------- end */

TEST(at_the_end_every_pending_read_is_told)
{
    RECORDING recording = recording_numbered(5, 0);
    DMF_REPLAY_PARAMS parameters = parameters_of(0, 1);

    (void)play(recording.Path, &parameters, 3);
    CHECK_EQUAL(played.Reports, 5);
    CHECK_EQUAL(played.Failures, 3);
    CHECK_STATUS(played.Failure, STATUS_DEVICE_NOT_CONNECTED);
    CHECK_EQUAL(played.FailureBytes, 0);
    recording_remove(&recording);
}

TEST(after_the_end_a_stream_does_not_start)
{
    RECORDING recording = recording_numbered(2, 0);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;

    played_clear();
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, &target));
    module = stream_create(device, 2);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
    DMF_ContinuousRequestTarget_StopAndWait(module);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(module), STATUS_DEVICE_NOT_CONNECTED);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(module), STATUS_DEVICE_NOT_CONNECTED);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 0);
    WdfObjectDelete(device);
    recording_remove(&recording);
}

typedef struct
{
    atomic_uint Calls;
    ULONG ReportsBefore;
    ULONG FailuresBefore;
    DMFMODULE Module;
} REMOVAL;

static VOID on_removal(WDFIOTARGET Target, VOID* Context)
{
    REMOVAL* removal = Context;

    (void)Target;
    removal->ReportsBefore = (ULONG)played.Reports;
    removal->FailuresBefore = (ULONG)played.Failures;
    atomic_fetch_add(&removal->Calls, 1);
}

static VOID deletes_the_target(WDFIOTARGET Target, VOID* Context)
{
    WdfObjectDelete(Target);
    atomic_fetch_add(&((REMOVAL*)Context)->Calls, 1);
}

TEST(the_removal_is_told_once_after_the_last_report_and_the_last_request)
{
    RECORDING recording = recording_numbered(3, 0);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;
    REMOVAL removal = {0};
    REMOVAL late = {0};

    played_clear();
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, &target));
    CHECK_SUCCESS(DMF_IoTarget_RemovalCallbackSet(target, on_removal, &removal));
    module = stream_create(device, 2);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(atomic_load(&removal.Calls) == 1);
    CHECK_EQUAL(removal.ReportsBefore, 3);
    CHECK_EQUAL(removal.FailuresBefore, 2);
    CHECK_SUCCESS(DMF_IoTarget_RemovalCallbackSet(target, on_removal, &late));
    CHECK_EQUAL(atomic_load(&late.Calls), 1);
    WdfObjectDelete(device);
    CHECK_EQUAL(atomic_load(&removal.Calls), 1);
    CHECK_EQUAL(atomic_load(&late.Calls), 1);
    recording_remove(&recording);
}

static VOID stops_the_stream(WDFIOTARGET Target, VOID* Context)
{
    on_removal(Target, Context);
    DMF_ContinuousRequestTarget_StopAndWait(((REMOVAL*)Context)->Module);
}

TEST(the_removal_is_told_last_where_reports_are_told_on_another_thread)
{
    RECORDING recording = recording_numbered(20, 0);
    DMF_REPLAY_PARAMS parameters = parameters_of(0, 1);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    REMOVAL removal = {0};

    played_clear();
    played.SlowMilliseconds = 2;
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, &parameters, &target));
    CHECK_SUCCESS(DMF_IoTarget_RemovalCallbackSet(target, stops_the_stream, &removal));
    removal.Module = stream_create_at(device, 4, TRUE, ReportArrived);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(removal.Module, target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(removal.Module));
    EVENTUALLY(atomic_load(&removal.Calls) == 1);
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(removal.Module) == 0);
    CHECK_EQUAL(removal.ReportsBefore, 20);
    CHECK_EQUAL(removal.FailuresBefore, 4);
    CHECK_EQUAL(played.Reports, 20);
    CHECK_EQUAL(played.OutOfOrder, 0);
    CHECK_STATUS(played.Failure, STATUS_DEVICE_NOT_CONNECTED);
    CHECK_EQUAL(played.Failures, 4);
    CHECK_MISUSE(0);
    played.SlowMilliseconds = 0;
    WdfObjectDelete(device);
    recording_remove(&recording);
}

static _Atomic NTSTATUS read_in_callback;
static atomic_uint reads_in_callback;

static ContinuousRequestTarget_BufferDisposition ReadsOn(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                         size_t OutputBufferSize, VOID* ClientBufferContextOutput,
                                                         NTSTATUS CompletionStatus)
{
    UCHAR report[64];
    size_t bytes;

    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputBufferSize);
    UNREFERENCED_PARAMETER(ClientBufferContextOutput);
    if (NT_SUCCESS(CompletionStatus))
    {
        atomic_store(&read_in_callback, DMF_ContinuousRequestTarget_SendSynchronously(
                                            DmfModule, NULL, 0, report, sizeof(report),
                                            ContinuousRequestTarget_RequestType_Read, 0, 0, &bytes));
        atomic_fetch_add(&reads_in_callback, 1);
    }
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
}

TEST(a_passive_callback_that_waits_for_a_report_is_told_when_the_device_is_gone)
{
    RECORDING recording = recording_numbered(1, 0);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;
    REMOVAL removal = {0};

    played_clear();
    atomic_store(&reads_in_callback, 0);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, &target));
    CHECK_SUCCESS(DMF_IoTarget_RemovalCallbackSet(target, on_removal, &removal));
    module = stream_create_at(device, 1, TRUE, ReadsOn);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(atomic_load(&reads_in_callback) == 1);
    CHECK_STATUS(atomic_load(&read_in_callback), STATUS_DEVICE_NOT_CONNECTED);
    EVENTUALLY(atomic_load(&removal.Calls) == 1);
    CHECK_MISUSE(0);
    WdfObjectDelete(device);
    recording_remove(&recording);
}

TEST(a_removal_callback_may_delete_its_target_or_be_taken_back)
{
    RECORDING recording = recording_numbered(1, 0);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;
    REMOVAL removal = {0};

    for (unsigned taken_back = 0; taken_back < 2; taken_back++)
    {
        played_clear();
        REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
        REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, &target));
        CHECK_SUCCESS(DMF_IoTarget_RemovalCallbackSet(target, deletes_the_target, &removal));
        if (taken_back)
        {
            CHECK_SUCCESS(DMF_IoTarget_RemovalCallbackSet(target, NULL, NULL));
        }
        module = stream_create(device, 1);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
        EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
        if (!taken_back)
        {
            EVENTUALLY(atomic_load(&removal.Calls) == 1);
        }
        WdfObjectDelete(device);
    }
    CHECK_EQUAL(atomic_load(&removal.Calls), 1);
    CHECK_MISUSE(0);
    CHECK_STATUS(DMF_IoTarget_RemovalCallbackSet(NULL, on_removal, NULL), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    recording_remove(&recording);
}

TEST(a_recording_without_reports_is_at_its_end)
{
    RECORDING recording = recording_of_text(RECORDING_DESCRIPTOR_WITHOUT_ID RECORDING_IDENTITY);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;
    NTSTATUS status;

    played_clear();
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, &target));
    module = stream_create(device, 1);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    status = DMF_ContinuousRequestTarget_Start(module);
    CHECK(status == STATUS_SUCCESS || status == STATUS_DEVICE_NOT_CONNECTED);
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
    CHECK_EQUAL(reports_played(), 0);
    WdfObjectDelete(device);
    recording_remove(&recording);
}

TEST(a_recording_without_reports_that_repeats_for_ever_does_not_hang)
{
    RECORDING recording = recording_of_text(RECORDING_DESCRIPTOR_WITHOUT_ID RECORDING_IDENTITY);
    static const double speeds[] = {0, 1};

    for (int i = 0; i < 2; i++)
    {
        DMF_REPLAY_PARAMS parameters = parameters_of(speeds[i], 0);
        WDFDEVICE device = NULL;
        WDFIOTARGET target = NULL;
        DMFMODULE module;

        played_clear();
        REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
        REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, &parameters, &target));
        module = stream_create(device, 1);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
        (void)DMF_ContinuousRequestTarget_Start(module);
        harness_sleep_milliseconds(20);
        DMF_ContinuousRequestTarget_StopAndWait(module);
        CHECK_EQUAL(reports_played(), 0);
        WdfObjectDelete(device);
    }
    recording_remove(&recording);
}

TEST(a_recording_stands_still_while_the_stream_is_stopped)
{
    RECORDING recording = recording_numbered(2, 1000000);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;
    double streamed = 0;

    played_clear();
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, &target));
    module = stream_create(device, 1);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(reports_played() == 1);
    DMF_ContinuousRequestTarget_StopAndWait(module);
    streamed = harness_seconds() - played.Last;
    harness_sleep_milliseconds(600);
    if (streamed < 0.2)
    {
        /*
         * What was left of the second when the stream was stopped is left when it starts again. Without standing
         * still there would be 0.6 s less; a busy machine is granted half of that.
         */
        double begin = harness_seconds();
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
        EVENTUALLY(reports_played() == 2);
        CHECK(played.Last - begin >= 0.7 - streamed);
    }
    WdfObjectDelete(device);
    recording_remove(&recording);
}

TEST(the_file_may_go_while_it_is_played)
{
    RECORDING recording = recording_numbered(50, 2000);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;

    played_clear();
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, NULL, &target));
    recording_remove(&recording);
    module = stream_create(device, 2);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
    CHECK_EQUAL(reports_played(), 50);
    WdfObjectDelete(device);
}

/* -------------------------------------------------------------------------------------------- speed, repeat */

TEST(without_parameters_a_recording_plays_once_as_recorded)
{
    RECORDING recording = recording_numbered(11, 30000);
    double seconds = play(recording.Path, NULL, 2);
    CHECK_EQUAL(played.Reports, 11);
    CHECK_EQUAL(played.OutOfOrder, 0);
    /* The last report was recorded 0.3 s after the first; a busy machine may be late, and never early. */
    CHECK(seconds >= 0.29);
    recording_remove(&recording);
}

TEST(speed_2_takes_half_the_time)
{
    RECORDING recording = recording_numbered(11, 40000);
    DMF_REPLAY_PARAMS parameters = parameters_of(2, 1);
    double seconds = play(recording.Path, &parameters, 2);
    CHECK_EQUAL(played.Reports, 11);
    CHECK(seconds >= 0.19);
    recording_remove(&recording);
}

TEST(speed_1000_plays_a_minute_in_a_moment)
{
    RECORDING recording = recording_numbered(61, 1000000);
    DMF_REPLAY_PARAMS parameters = parameters_of(1000, 1);
    double seconds = play(recording.Path, &parameters, 2);
    CHECK_EQUAL(played.Reports, 61);
    CHECK(seconds >= 0.05);
    CHECK(seconds < 30);
    recording_remove(&recording);
}

TEST(speed_0_does_not_wait)
{
    RECORDING recording = recording_numbered(3600, 1000000);
    DMF_REPLAY_PARAMS parameters = parameters_of(0, 1);
    double seconds = play(recording.Path, &parameters, 2);
    CHECK_EQUAL(played.Reports, 3600);
    CHECK(seconds < 30);
    recording_remove(&recording);
}

TEST(a_recording_repeats_as_often_as_asked)
{
    RECORDING recording = recording_numbered(7, 100);
    DMF_REPLAY_PARAMS parameters = parameters_of(0, 3);
    (void)play(recording.Path, &parameters, 2);
    CHECK_EQUAL(played.Reports, 21);
    for (ULONG i = 0; i < 21; i++)
    {
        CHECK_EQUAL(recording_number(played.Bytes[i]), i % 7);
    }
    recording_remove(&recording);
}

TEST(a_recording_can_repeat_for_ever)
{
    RECORDING recording = recording_numbered(3, 100);
    DMF_REPLAY_PARAMS parameters = parameters_of(0, 0);
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE module;

    played_clear();
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, &parameters, &target));
    module = stream_create(device, 2);
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    EVENTUALLY(reports_played() > 1000);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(module), 2);
    DMF_ContinuousRequestTarget_StopAndWait(module);
    CHECK_EQUAL(played.Failures, 0);
    WdfObjectDelete(device);
    recording_remove(&recording);
}

TEST(two_targets_play_one_file_apart_from_each_other)
{
    RECORDING recording = recording_numbered(20, 1000);
    DMF_REPLAY_PARAMS parameters = parameters_of(0, 1);
    WDFDEVICE device = NULL;
    WDFIOTARGET targets[2] = {NULL};
    DMFMODULE modules[2];

    played_clear();
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    for (int i = 0; i < 2; i++)
    {
        REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, &parameters, &targets[i]));
        modules[i] = stream_create(device, 1);
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(modules[i], targets[i]));
    }
    CHECK(targets[0] != targets[1]);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(modules[0]));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(modules[1]));
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(modules[0]) == 0);
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(modules[1]) == 0);
    CHECK_EQUAL(reports_played(), 40);
    WdfObjectDelete(device);
    recording_remove(&recording);
}

/* Two targets, each of which is deleted in the callback of the other one's stream while both are in them. */
static struct
{
    DMFMODULE Modules[2];
    WDFIOTARGET Targets[2];
    pthread_barrier_t BothInside;
    atomic_int Calls[2];
} pair;

static EVT_DMF_ContinuousRequestTarget_BufferOutput DeletesTheOther;

static ContinuousRequestTarget_BufferDisposition DeletesTheOther(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                                 size_t OutputBufferSize, VOID* ClientBufferContextOutput,
                                                                 NTSTATUS CompletionStatus)
{
    int which = DmfModule == pair.Modules[1];

    (void)OutputBuffer, (void)OutputBufferSize, (void)ClientBufferContextOutput, (void)CompletionStatus;
    if (atomic_fetch_add(&pair.Calls[which], 1) == 0)
    {
        pthread_barrier_wait(&pair.BothInside);
        WdfObjectDelete(pair.Targets[1 - which]);
    }
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static bool is_gone(WDFIOTARGET target)
{
    WdfObjectReference(target);
    if (!NT_SUCCESS(DMF_LastStatusGet()))
    {
        return true;
    }
    WdfObjectDereference(target);
    return false;
}

TEST(targets_may_be_deleted_in_the_callbacks_of_each_others_streams)
{
    RECORDING recording = recording_numbered(3, 100);
    DMF_REPLAY_PARAMS parameters = parameters_of(0, 0);
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    memset(&pair, 0, sizeof(pair));
    pthread_barrier_init(&pair.BothInside, NULL, 2);
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ContinuousRequestCount = 1;
    config.BufferCountOutput = 2;
    config.BufferOutputSize = 64;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.EvtContinuousRequestTargetBufferOutput = DeletesTheOther;
    for (int i = 0; i < 2; i++)
    {
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &pair.Modules[i]));
        REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(NULL, recording.Path, &parameters, &pair.Targets[i]));
        REQUIRE_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(pair.Modules[i], pair.Targets[i]));
    }
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(pair.Modules[0]));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(pair.Modules[1]));
    MISUSE_IGNORE();
    for (int i = 0; i < 2; i++)
    {
        /* Each goes when the callback that has it deleted has returned. */
        EVENTUALLY(!NT_SUCCESS(DMF_ContinuousRequestTarget_Start(pair.Modules[i])) &&
                   DMF_ContinuousRequestTarget_StreamingCountGet(pair.Modules[i]) == 0);
        EVENTUALLY(is_gone(pair.Targets[i]));
        WdfObjectDelete(pair.Modules[i]);
    }
    MISUSE_IGNORE();
    pthread_barrier_destroy(&pair.BothInside);
    recording_remove(&recording);
}

TEST(a_pipe_that_nobody_writes_to_is_refused_at_once)
{
    char path[] = "/tmp/dmf-process-XXXXXX";
    char pipe_path[64];
    WDFIOTARGET target = NULL;

    REQUIRE(mkdtemp(path) != NULL);
    snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", path);
    REQUIRE(mkfifo(pipe_path, 0600) == 0);
    CHECK_STATUS(DMF_IoTarget_ReplayOpen(NULL, pipe_path, NULL, &target), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_IoTarget_ReplayOpen(NULL, path, NULL, &target), STATUS_INVALID_PARAMETER);
    CHECK_STATUS(DMF_IoTarget_ReplayOpen(NULL, "/dev/zero", NULL, &target), STATUS_INVALID_PARAMETER);
    unlink(pipe_path);
    rmdir(path);
}

int main(void)
{
    RUN(a_path_that_does_not_exist_is_not_found);
    RUN(a_directory_is_no_recording);
    RUN(a_file_without_permission_is_denied);
    RUN(an_empty_file_is_no_recording);
    RUN(a_file_of_comments_is_no_recording);
    RUN(other_text_is_no_recording);
    RUN(binary_data_is_no_recording);
    RUN(a_recording_that_is_cut_off_names_its_last_line);
    RUN(every_byte_at_which_a_recording_is_cut_off_is_survived);
    RUN(wrong_lines_are_named);
    RUN(a_wrong_report_descriptor_is_named);
    RUN(null_is_no_path_and_no_place_for_the_target);
    RUN(a_bad_device_is_refused);
    RUN(parameters_that_make_no_sense_are_refused);
    RUN(a_target_may_never_be_used);
    RUN(reports_of_a_device_without_report_ids_get_a_0_first);
    RUN(reports_of_a_device_with_report_ids_come_as_they_are);
    RUN(data_that_looks_like_a_report_id_item_is_no_report_id);
    RUN(comments_and_empty_lines_are_skipped);
    RUN(a_last_line_without_its_end_counts);
    RUN(a_recording_that_is_cut_off_within_a_byte_is_refused);
    RUN(lines_that_end_as_on_windows_are_read);
    RUN(a_recording_plays_in_order_and_without_loss);
    RUN(at_the_end_every_pending_read_is_told);
    RUN(after_the_end_a_stream_does_not_start);
    RUN(the_removal_is_told_once_after_the_last_report_and_the_last_request);
    RUN(the_removal_is_told_last_where_reports_are_told_on_another_thread);
    RUN(a_passive_callback_that_waits_for_a_report_is_told_when_the_device_is_gone);
    RUN(a_removal_callback_may_delete_its_target_or_be_taken_back);
    RUN(a_recording_without_reports_is_at_its_end);
    RUN(a_recording_without_reports_that_repeats_for_ever_does_not_hang);
    RUN(a_recording_stands_still_while_the_stream_is_stopped);
    RUN(the_file_may_go_while_it_is_played);
    RUN(without_parameters_a_recording_plays_once_as_recorded);
    RUN(speed_2_takes_half_the_time);
    RUN(speed_1000_plays_a_minute_in_a_moment);
    RUN(speed_0_does_not_wait);
    RUN(a_recording_repeats_as_often_as_asked);
    RUN(a_recording_can_repeat_for_ever);
    RUN(two_targets_play_one_file_apart_from_each_other);
    RUN(targets_may_be_deleted_in_the_callbacks_of_each_others_streams);
    RUN(a_pipe_that_nobody_writes_to_is_refused_at_once);
    return TESTS_RESULT();
}
