/*
 * stream_hid - shows the reports of a HID device, or of a recording of one, as they come.
 *
 * The shortest way from a program to a stream of reports:
 *   1. a device object, the parent of everything else (deleting it deletes all of it),
 *   2. a target: the HID device or the recording,
 *   3. a DMF_ContinuousRequestTarget, which keeps a number of read Requests waiting at the target and hands every report
 *      to a callback, in a buffer of its own pool.
 *
 * This file is the stream. The headers beside it are the command line (stream_options.h), what is printed
 * (stream_output.h) and the picture on a terminal (stream_display.h); copy them with it, or the three steps alone.
 */
#define _POSIX_C_SOURCE 200809L

#include "stream_options.h"
#include "stream_output.h"

#include <dmf.h>

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The report ID and the longest report that the system delivers. */
#define REPORT_SIZE_MAX (1 + 16384)
/* Rows for the CSV file that the callback can be ahead of who writes them. */
#define ROWS_WAITING 65536

/* What the CSV file says of a report. */
typedef struct
{
    double Time; /* seconds */
    double Gap;  /* seconds since the report before; 0 for the first */
    ULONG Size;
} ROW;

WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(STREAM_CONTEXT, StreamContextGet)

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* -------------------------------------------------------------------------------------------- the stream */

/* Runs on a thread of the library, once for every report and once for every Request that fails. */
static EVT_DMF_ContinuousRequestTarget_BufferOutput ReportArrived;

static ContinuousRequestTarget_BufferDisposition ReportArrived(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                               size_t OutputBufferSize,
                                                               VOID* ClientBufferContextOutput,
                                                               NTSTATUS CompletionStatus)
{
    STREAM_CONTEXT* stream = StreamContextGet(DMF_ParentDeviceGet(DmfModule));
    ContinuousRequestTarget_BufferDisposition disposition =
        ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;

    double now = seconds_now();

    UNREFERENCED_PARAMETER(ClientBufferContextOutput);

    pthread_mutex_lock(&stream->Lock);
    if (!NT_SUCCESS(CompletionStatus))
    {
        stream->Failure = CompletionStatus;
        disposition = ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    }
    else if (stream->Limit != 0 && stream->Counts.Reports == stream->Limit)
    {
        disposition = ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    }
    else
    {
        COUNTS* counts = &stream->Counts;
        ROW row = {now, gaps_add(&counts->Gaps, now), (ULONG)OutputBufferSize};

        counts->Reports++;
        counts->Bytes += OutputBufferSize;
        counts->LastSize = OutputBufferSize;
        memcpy(counts->Last, OutputBuffer,
               OutputBufferSize < sizeof(counts->Last) ? OutputBufferSize : sizeof(counts->Last));
        /* This thread may serve other devices too, so it writes no file: the ring takes the row to who does. */
        if (stream->Rows != NULL && !NT_SUCCESS(DMF_RingBuffer_Write(stream->Rows, (UCHAR*)&row, sizeof(row))))
        {
            stream->RowsLost++;
        }
    }
    pthread_mutex_unlock(&stream->Lock);

    return disposition;
}

/* Runs when the device is gone and its context, which starts as zeros, is about to be freed. */
static EVT_WDF_OBJECT_CONTEXT_DESTROY ContextDestroyed;

static VOID ContextDestroyed(WDFOBJECT Object)
{
    pthread_mutex_destroy(&StreamContextGet(Object)->Lock);
}

static NTSTATUS stream_create(WDFDEVICE device, ULONG requests, DMFMODULE* module)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ContinuousRequestCount = requests;
    config.BufferCountOutput = 2 * requests;
    config.BufferOutputSize = REPORT_SIZE_MAX;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.EvtContinuousRequestTargetBufferOutput = ReportArrived;
    config.ContinuousRequestTargetMode = ContinuousRequestTarget_Mode_Manual;
    return DMF_ContinuousRequestTarget_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, module);
}

/* Writes the rows that wait. */
static void rows_write(const STREAM_CONTEXT* stream, FILE* csv, double begin)
{
    ROW row;

    while (csv != NULL && NT_SUCCESS(DMF_RingBuffer_Read(stream->Rows, (UCHAR*)&row, sizeof(row))))
    {
        fprintf(csv, "%.6f,%lu,%.6f\n", row.Time - begin, (unsigned long)row.Size, row.Gap);
    }
}

/* Waits until the stream ends, the user ends it, or enough has come; shows what comes now and then. */
static void watch(STREAM_CONTEXT* stream, DMFMODULE module, WDFIOTARGET target, const OPTIONS* options, FILE* csv,
                  double begin)
{
    const struct timespec tick = {0, 20 * 1000 * 1000};
    DISPLAY display = {.How = show_choose(options), .Begin = begin, .Time = begin, .SecondTime = begin};
    double interval = display.How == Show_Screen || display.How == Show_Line ? 0.2 : 1.0;
    double next = begin + interval;

    while (!interrupted && DMF_ContinuousRequestTarget_StreamingCountGet(module) > 0)
    {
        bool enough;

        nanosleep(&tick, NULL);
        rows_write(stream, csv, begin);
        pthread_mutex_lock(&stream->Lock);
        enough = stream->Limit != 0 && stream->Counts.Reports == stream->Limit;
        pthread_mutex_unlock(&stream->Lock);
        if (enough || (options->Seconds != 0 && seconds_now() - begin >= options->Seconds))
        {
            break;
        }
        if (seconds_now() >= next)
        {
            progress_show(stream, target, &display);
            next += interval;
        }
    }
    if (display.How == Show_Screen)
    {
        progress_show(stream, target, &display);
    }
    printf("%s", display.How == Show_Line ? "\n" : "");
}

/* ------------------------------------------------------------------------------------------- the devices */

static EVT_DMF_Hid_Enumeration DeviceFound;

static BOOLEAN DeviceFound(const DMF_HID_DEVICE_INFORMATION* Information, VOID* Context)
{
    ULONG* found = (ULONG*)Context;
    (*found)++;
    printf("%-16s %04x:%04x  usage %04x:%04x  %s %s %s\n", Information->Path, Information->VendorId,
           Information->ProductId, Information->UsagePage, Information->Usage, Information->Manufacturer,
           Information->Product, Information->SerialNumber);
    return TRUE;
}

static int devices_list(void)
{
    ULONG found = 0;
    NTSTATUS status = DMF_Hid_Enumerate(DeviceFound, &found);

    if (!NT_SUCCESS(status))
    {
        fprintf(stderr, "stream_hid: cannot list the HID devices: %s (%s)\n", DMF_LastErrorMessageGet(),
                DMF_StatusName(status));
        return 1;
    }
    if (found == 0)
    {
        fprintf(stderr, "stream_hid: no HID device is connected, or the system shows none to this program\n");
        return 1;
    }
    return 0;
}

static NTSTATUS target_open(WDFDEVICE device, const OPTIONS* options, WDFIOTARGET* target)
{
    DMF_HID_OPEN_PARAMS hid;
    DMF_REPLAY_PARAMS replay;

    if (is_recording(options->Device))
    {
        replay.Size = sizeof(replay);
        replay.Speed = options->Speed;
        replay.Repeat = options->Repeat;
        return DMF_IoTarget_ReplayOpen(device, options->Device, &replay, target);
    }

    DMF_HID_OPEN_PARAMS_INIT(&hid);
    if (!identity_parse(options->Device, &hid.VendorId, &hid.ProductId))
    {
        hid.Path = options->Device;
    }
    return DMF_IoTarget_HidOpen(device, &hid, target);
}

/* The library's messages begin with the path where there is one, and so do the lines of this program. */
static const char* message_without(const char* message, const char* path)
{
    size_t length = strlen(path);
    return strncmp(message, path, length) == 0 && strncmp(message + length, ": ", 2) == 0 ? message + length + 2
                                                                                             : message;
}

/* One line: what went wrong, and what to do about it. */
static int failed(const char* what, const char* device, NTSTATUS status)
{
    const char* message = DMF_LastErrorMessageGet();
    const char* advice = "";

    if (is_recording(device))
    {
        /* The message says it all. */
    }
    else if (status == STATUS_ACCESS_DENIED)
    {
        advice = "; to allow it, copy data/udev/70-dmf-hid.rules to /etc/udev/rules.d, run "
                 "`udevadm control --reload` as root and plug the device in again";
    }
    else if (status == STATUS_NO_SUCH_DEVICE || status == STATUS_OBJECT_NAME_NOT_FOUND)
    {
        advice = "; `stream_hid --list` shows the devices that are connected";
    }
    fprintf(stderr, "stream_hid: cannot %s %s: %s (%s)%s\n", what, device, message_without(message, device),
            DMF_StatusName(status), advice);
    return 1;
}

/* The ring of rows on their way to the file. */
static NTSTATUS rows_create(WDFDEVICE device, DMFMODULE* rows)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = ROWS_WAITING;
    config.ItemSize = sizeof(ROW);
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    return DMF_RingBuffer_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, rows);
}

/* Writes the last rows. 0, or 1 if not all of the file is there. */
static int csv_close(FILE* csv, const STREAM_CONTEXT* stream, const OPTIONS* options, double begin)
{
    bool failed_before;
    int result = 0;

    if (csv == NULL)
    {
        return 0;
    }
    rows_write(stream, csv, begin);
    failed_before = ferror(csv) != 0;
    if (fclose(csv) != 0 || failed_before)
    {
        fprintf(stderr, "stream_hid: cannot write all of %s\n", options->Csv);
        result = 1;
    }
    if (stream->RowsLost > 0)
    {
        fprintf(stderr, "stream_hid: %s lacks %llu reports, which came faster than it could be written\n", options->Csv,
                (unsigned long long)stream->RowsLost);
        result = 1;
    }
    return result;
}

static int stream(const OPTIONS* options)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device;
    WDFIOTARGET target;
    DMFMODULE module;
    STREAM_CONTEXT* context;
    NTSTATUS status;
    FILE* csv = NULL;
    double begin = 0;
    int result = 0;

    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, STREAM_CONTEXT);
    attributes.EvtDestroyCallback = ContextDestroyed;
    status = DMF_Device_Create(&attributes, &device);
    if (!NT_SUCCESS(status))
    {
        return failed("create the device for", options->Device, status);
    }
    context = StreamContextGet(device);
    pthread_mutex_init(&context->Lock, NULL);
    context->Limit = options->Count;

    status = target_open(device, options, &target);
    if (!NT_SUCCESS(status))
    {
        result = failed("open", options->Device, status);
        goto Exit;
    }
    if (options->Csv != NULL)
    {
        csv = fopen(options->Csv, "w");
        if (csv == NULL)
        {
            fprintf(stderr, "stream_hid: cannot write to %s: %s\n", options->Csv, strerror(errno));
            result = 1;
            goto Exit;
        }
        fputs("seconds,bytes,seconds_since_the_last\n", csv);
        status = rows_create(device, &context->Rows);
    }
    if (NT_SUCCESS(status))
    {
        status = stream_create(device, options->Requests, &module);
    }
    if (NT_SUCCESS(status))
    {
        status = DMF_ContinuousRequestTarget_IoTargetSet(module, target);
    }
    begin = seconds_now();
    if (NT_SUCCESS(status))
    {
        status = DMF_ContinuousRequestTarget_Start(module);
    }
    if (!NT_SUCCESS(status))
    {
        result = failed("stream from", options->Device, status);
        goto Exit;
    }

    watch(context, module, target, options, csv, begin);
    /* From here on no callback runs, so the context needs no lock. */
    DMF_ContinuousRequestTarget_StopAndWait(module);
    summary_show(context, target, seconds_now() - begin, options);

    if (!NT_SUCCESS(context->Failure) &&
        !(context->Failure == STATUS_DEVICE_NOT_CONNECTED && is_recording(options->Device)))
    {
        fprintf(stderr, "stream_hid: the stream from %s ended: %s\n", options->Device,
                context->Failure == STATUS_DEVICE_NOT_CONNECTED ? "the device is gone"
                                                                 : DMF_StatusName(context->Failure));
        result = 1;
    }

Exit:
    if (csv_close(csv, context, options, begin) != 0)
    {
        result = 1;
    }
    /* The module and the target are its children. */
    WdfObjectDelete(device);
    return result;
}

int main(int argc, char** argv)
{
    OPTIONS options = {.Requests = 4, .Speed = 1, .Repeat = 1};
    struct sigaction action;
    int result;

    setlocale(LC_CTYPE, "");

    for (int i = 1; i < argc; i++)
    {
        if (strcmp(argv[i], "--help") == 0)
        {
            fputs(usage_text, stdout);
            return 0;
        }
    }
    if (!options_parse(argc, argv, &options))
    {
        fputs(usage_text, stderr);
        return 2;
    }
    if (options.List)
    {
        return devices_list();
    }

    memset(&action, 0, sizeof(action));
    action.sa_handler = interrupt;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    result = stream(&options);
    /* Whoever reads the output would take what is there for all of it. */
    if (fflush(stdout) != 0 || ferror(stdout))
    {
        fputs("stream_hid: cannot write all of its output\n", stderr);
        result = 1;
    }
    return result;
}
