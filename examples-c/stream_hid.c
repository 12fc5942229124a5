/*
 * stream_hid - shows the reports of a HID device, or of a recording of one, as they come.
 *
 * The shortest way from a program to a stream of reports:
 *   1. a device object, the parent of everything else (deleting it deletes all of it),
 *   2. a target: the HID device or the recording,
 *   3. a DMF_ContinuousRequestTarget, which keeps a number of read Requests waiting at the target and hands every report
 *      to a callback, in a buffer of its own pool.
 */
#define _POSIX_C_SOURCE 200809L

#include "stream_display.h"

#include <dmf.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The report ID and the longest report that the system delivers. */
#define REPORT_SIZE_MAX (1 + 16384)
/* So many bytes of the last report are shown: on a terminal the line has to fit, and in a log it may be longer. */
#define BYTES_SHOWN_ON_TERMINAL 8
#define BYTES_SHOWN_IN_LINES 64
/* Rows for the CSV file that the callback can be ahead of who writes them. */
#define ROWS_WAITING 65536

/* What the CSV file says of a report. */
typedef struct
{
    double Time; /* seconds */
    double Gap;  /* seconds since the report before; 0 for the first */
    ULONG Size;
} ROW;

/* What the callback counts, and the program shows. It is the device's context. */
typedef struct
{
    pthread_mutex_t Lock;
    ULONGLONG Limit; /* stop after so many reports; 0: no limit */
    ULONGLONG Reports;
    ULONGLONG Bytes;
    NTSTATUS Failure; /* what ended the stream, if something did */
    UCHAR Last[BYTES_SHOWN_IN_LINES];
    size_t LastSize;
    GAPS Gaps;
    DMFMODULE Rows; /* a ring of ROWs, if there is a CSV file */
    ULONGLONG RowsLost;
} STREAM_CONTEXT;
WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(STREAM_CONTEXT, StreamContextGet)

typedef struct
{
    const char* Device;
    const char* Csv;
    bool List;
    bool Json;
    ULONGLONG Count;
    ULONG Seconds;
    ULONG Requests;
    double Speed;
    ULONG Repeat;
} OPTIONS;

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
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
    else if (stream->Limit != 0 && stream->Reports == stream->Limit)
    {
        disposition = ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    }
    else
    {
        ROW row = {now, gaps_add(&stream->Gaps, now), (ULONG)OutputBufferSize};

        stream->Reports++;
        stream->Bytes += OutputBufferSize;
        stream->LastSize = OutputBufferSize;
        memcpy(stream->Last, OutputBuffer,
               OutputBufferSize < sizeof(stream->Last) ? OutputBufferSize : sizeof(stream->Last));
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

/* ------------------------------------------------------------------------------------------- the display */

static void print_bytes(const UCHAR* bytes, size_t size, size_t shown)
{
    for (size_t i = 0; i < size && i < shown; i++)
    {
        printf(" %02x", bytes[i]);
    }
    printf("%s", size > shown ? " ..." : "");
}

static DMF_IO_TARGET_STATISTICS statistics_get(WDFIOTARGET target)
{
    DMF_IO_TARGET_STATISTICS statistics;
    memset(&statistics, 0, sizeof(statistics));
    statistics.Size = sizeof(statistics);
    (void)DMF_IoTarget_StatisticsGet(target, &statistics);
    return statistics;
}

/* How what has come is shown. */
typedef enum
{
    Show_Lines,  /* a line now and then */
    Show_Line,   /* one line, written over again and again */
    Show_Screen, /* the rate of the last minute and the times between reports as well */
    Show_Json,
} SHOW;

/* A program's or file's text as JSON has it. */
static void json_text(const char* text)
{
    putchar('"');
    for (; *text != '\0'; text++)
    {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f)
        {
            printf("\\u%04x", byte);
        }
        else
        {
            printf("%s%c", byte == '"' || byte == '\\' ? "\\" : "", byte);
        }
    }
    putchar('"');
}

/* Members that both a second and the summary have. */
static void json_counts(const STREAM_CONTEXT* stream, WDFIOTARGET target, double rate)
{
    DMF_IO_TARGET_STATISTICS statistics = statistics_get(target);
    size_t shown = stream->LastSize < BYTES_SHOWN_IN_LINES ? stream->LastSize : BYTES_SHOWN_IN_LINES;

    printf("\"reports\": %llu, \"bytes\": %llu, \"reports_per_second\": %.1f, \"dropped\": %llu, "
           "\"overruns_suspected\": %llu, \"last_report\": \"",
           (unsigned long long)stream->Reports, (unsigned long long)stream->Bytes, rate,
           (unsigned long long)statistics.ReportsDropped, (unsigned long long)statistics.OverrunsSuspected);
    for (size_t i = 0; i < shown; i++)
    {
        printf("%02x", stream->Last[i]);
    }
    printf("\"");
}

/* What was shown last, to show the difference. */
typedef struct
{
    SHOW How;
    double Begin;
    double Time;
    ULONGLONG Reports;
    ULONGLONG Bytes;
    double SecondTime; /* the same for the rate of a whole second */
    ULONGLONG SecondReports;
    RATES Rates;
    bool Drawn;
} DISPLAY;

static void line_show(const STREAM_CONTEXT* stream, WDFIOTARGET target, const DISPLAY* display, double elapsed)
{
    bool terminal = display->How != Show_Lines;
    DMF_IO_TARGET_STATISTICS statistics = statistics_get(target);

    printf("%s%8.0f reports/s %9.0f bytes/s %5llu dropped |", terminal ? "\r" : "",
           (double)(stream->Reports - display->Reports) / elapsed, (double)(stream->Bytes - display->Bytes) / elapsed,
           (unsigned long long)statistics.ReportsDropped);
    print_bytes(stream->Last, stream->LastSize, terminal ? BYTES_SHOWN_ON_TERMINAL : BYTES_SHOWN_IN_LINES);
    printf("%s", terminal ? "\033[K" : "\n");
}

static void screen_show(const STREAM_CONTEXT* stream, WDFIOTARGET target, DISPLAY* display, double elapsed)
{
    bool blocks = display_has_blocks();

    if (display->Drawn)
    {
        printf("\033[%dA", DISPLAY_LINES);
    }
    display->Drawn = true;
    line_show(stream, target, display, elapsed);
    printf("\n\033[K\nreports/s, the last minute (most: %.0f)\033[K\n", rates_highest(&display->Rates));
    rates_draw(&display->Rates, blocks);
    printf("time between reports\033[K\n");
    gaps_draw(&stream->Gaps, blocks);
}

/* Shows what has come since the last time. */
static void progress_show(STREAM_CONTEXT* stream, WDFIOTARGET target, DISPLAY* display)
{
    double now = seconds_now();
    double elapsed = now - display->Time;

    pthread_mutex_lock(&stream->Lock);
    if (now - display->SecondTime >= 1)
    {
        rates_add(&display->Rates, (double)(stream->Reports - display->SecondReports) / (now - display->SecondTime));
        display->SecondTime = now;
        display->SecondReports = stream->Reports;
    }
    if (display->How == Show_Json)
    {
        printf("{\"type\": \"progress\", \"seconds\": %.3f, ", now - display->Begin);
        json_counts(stream, target, (double)(stream->Reports - display->Reports) / elapsed);
        printf("}\n");
    }
    else if (display->How == Show_Screen)
    {
        screen_show(stream, target, display, elapsed);
    }
    else
    {
        line_show(stream, target, display, elapsed);
    }
    display->Reports = stream->Reports;
    display->Bytes = stream->Bytes;
    display->Time = now;
    pthread_mutex_unlock(&stream->Lock);
    fflush(stdout);
}

static SHOW show_choose(const OPTIONS* options)
{
    if (options->Json)
    {
        return Show_Json;
    }
    return display_fits() ? Show_Screen : isatty(STDOUT_FILENO) ? Show_Line : Show_Lines;
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
        enough = stream->Limit != 0 && stream->Reports == stream->Limit;
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

static void summary_show(const STREAM_CONTEXT* stream, WDFIOTARGET target, double elapsed, const OPTIONS* options)
{
    DMF_IO_TARGET_STATISTICS statistics = statistics_get(target);
    const GAPS* gaps = &stream->Gaps;
    double rate = elapsed > 0 ? (double)stream->Reports / elapsed : 0.0;
    double mean = gaps->Gaps > 0 ? gaps->Sum / (double)gaps->Gaps * 1e3 : 0.0;

    if (options->Json)
    {
        printf("{\"type\": \"summary\", \"device\": ");
        json_text(options->Device);
        printf(", \"seconds\": %.3f, ", elapsed);
        json_counts(stream, target, rate);
        printf(", \"milliseconds_between_reports\": {\"mean\": %.6f, \"longest\": %.6f, \"classes\": [", mean,
               gaps->Longest * 1e3);
        for (int i = 0; i < GAP_CLASSES; i++)
        {
            if (i < GAP_CLASSES - 1)
            {
                printf("{\"up_to\": %.2f, \"count\": %llu}, ", gap_class_limit(i), gaps->Count[i]);
            }
            else
            {
                printf("{\"up_to\": null, \"count\": %llu}", gaps->Count[i]);
            }
        }
        printf("]}, \"ended_by\": \"%s\"}\n", DMF_StatusName(stream->Failure));
        return;
    }
    printf("%llu reports, %llu bytes in %.1f s (%.0f reports/s); %llu dropped, %llu overruns suspected\n",
           (unsigned long long)stream->Reports, (unsigned long long)stream->Bytes, elapsed, rate,
           (unsigned long long)statistics.ReportsDropped, (unsigned long long)statistics.OverrunsSuspected);
    if (stream->Reports > 0)
    {
        printf("last report:");
        print_bytes(stream->Last, stream->LastSize, BYTES_SHOWN_IN_LINES);
        printf("\n");
    }
    if (gaps->Gaps > 0)
    {
        printf("time between reports: %.3f ms on average, %.3f ms at most\n", mean, gaps->Longest * 1e3);
    }
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

/* VVVV:PPPP, both in hexadecimal. */
static bool identity_parse(const char* text, USHORT* vendor, USHORT* product)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    unsigned int v, p;

    if (strlen(text) != 9 || strspn(text, digits) != 4 || strspn(text + 5, digits) != 4 ||
        sscanf(text, "%4x:%4x", &v, &p) != 2)
    {
        return false;
    }
    *vendor = (USHORT)v;
    *product = (USHORT)p;
    return true;
}

/* A file, or what looks like the name of one that is missing. */
static bool is_recording(const char* path)
{
    struct stat information;

    if (stat(path, &information) == 0)
    {
        return S_ISREG(information.st_mode);
    }
    return strncmp(path, "/dev/", 5) != 0 && strchr(path, ':') == NULL;
}

/* Whether the argument can be a device at all; if not, says what it should have been. */
static bool device_is_named(const char* text)
{
    struct stat information;
    USHORT vendor, product;

    if (stat(text, &information) == 0)
    {
        if (S_ISDIR(information.st_mode))
        {
            fprintf(stderr, "stream_hid: %s is a folder, not a device or a recording\n", text);
            return false;
        }
        return true;
    }
    if (strchr(text, ':') != NULL && strchr(text, '/') == NULL && !identity_parse(text, &vendor, &product))
    {
        fprintf(stderr, "stream_hid: %s is not VVVV:PPPP: four hexadecimal digits each, such as 046d:c52b\n", text);
        return false;
    }
    return true;
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

/* ------------------------------------------------------------------------------------------- the options */

static const char usage_text[] =
    "Usage: stream_hid [OPTIONS] DEVICE\n"
    "       stream_hid --list\n"
    "Shows the reports of a HID device as they come. Ctrl-C ends it with a summary.\n"
    "\n"
    "DEVICE is /dev/hidrawN, VVVV:PPPP (vendor and product, hexadecimal) or the path of a recording.\n"
    "  --list         list the HID devices that are connected\n"
    "  --json         print a JSON object each second, and one at the end\n"
    "  --csv FILE     write a row for each report: when it came, its bytes, the time since the one before\n"
    "  --count N      end after N reports\n"
    "  --seconds N    end after N seconds\n"
    "  --requests N   keep N read Requests waiting at the device (4)\n"
    "  --speed X      recordings: X times as fast as recorded (1); 0: as fast as possible\n"
    "  --repeat N     recordings: play N times (1); 0: for ever\n"
    "  --help         this text\n";

static bool number_parse(const char* text, ULONGLONG maximum, ULONGLONG* value)
{
    char* end;

    if (text == NULL || text[0] < '0' || text[0] > '9')
    {
        return false;
    }
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *value <= maximum;
}

static bool factor_parse(const char* text, double* value)
{
    char* end;

    if (text == NULL || text[0] == '\0')
    {
        return false;
    }
    *value = strtod(text, &end);
    return *end == '\0' && *value >= 0 && *value <= 1e9;
}

static bool options_parse(int argc, char** argv, OPTIONS* options)
{
    for (int i = 1; i < argc; i++)
    {
        const char* name = argv[i];
        const char* text = i + 1 < argc ? argv[i + 1] : NULL;
        ULONGLONG number = 0;
        bool valid;

        if (strcmp(name, "--list") == 0)
        {
            options->List = true;
            continue;
        }
        if (strcmp(name, "--json") == 0)
        {
            options->Json = true;
            continue;
        }
        if (name[0] != '-')
        {
            if (options->Device != NULL)
            {
                fprintf(stderr, "stream_hid: one DEVICE, please: %s is the second\n", name);
                return false;
            }
            options->Device = name;
            continue;
        }

        if (strcmp(name, "--csv") == 0)
        {
            if (text == NULL)
            {
                fprintf(stderr, "stream_hid: --csv needs the name of a file\n");
                return false;
            }
            options->Csv = text;
            i++;
            continue;
        }
        if (strcmp(name, "--count") == 0)
        {
            valid = number_parse(text, UINT64_MAX, &options->Count);
        }
        else if (strcmp(name, "--seconds") == 0)
        {
            valid = number_parse(text, UINT32_MAX, &number);
            options->Seconds = (ULONG)number;
        }
        else if (strcmp(name, "--requests") == 0)
        {
            valid = number_parse(text, 1024, &number) && number > 0;
            options->Requests = (ULONG)number;
        }
        else if (strcmp(name, "--speed") == 0)
        {
            valid = factor_parse(text, &options->Speed);
        }
        else if (strcmp(name, "--repeat") == 0)
        {
            valid = number_parse(text, UINT32_MAX, &number);
            options->Repeat = (ULONG)number;
        }
        else
        {
            fprintf(stderr, "stream_hid: unknown option %s\n", name);
            return false;
        }
        if (!valid)
        {
            fprintf(stderr, "stream_hid: %s needs a number, not \"%s\"\n", name, text != NULL ? text : "");
            return false;
        }
        i++;
    }
    if (options->Device == NULL && !options->List)
    {
        fprintf(stderr, "stream_hid: which DEVICE?\n");
        return false;
    }
    return options->Device == NULL || device_is_named(options->Device);
}

int main(int argc, char** argv)
{
    OPTIONS options = {.Requests = 4, .Speed = 1, .Repeat = 1};
    struct sigaction action;

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
    return stream(&options);
}
