/*
 * record_hid - writes the reports of a HID device to a file, in the text format of the hid-recorder tool. stream_hid and
 * DMF_IoTarget_ReplayOpen() play such files.
 *
 * It shows what an application does that wants to keep reports for a while: the callback keeps each buffer (disposition
 * ClientAndContinueStreaming) and links it into a list through the buffer's own context; the main thread writes the
 * reports and gives the buffers back. The file never holds up the device.
 */
#define _POSIX_C_SOURCE 200809L

#include <dmf.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

/* The report ID and the longest report that the system delivers. */
#define REPORT_SIZE_MAX (1 + 16384)
#define DESCRIPTOR_SIZE_MAX 4096
#define REQUEST_COUNT 8
#define BUFFER_COUNT 32

/* The context of every buffer: a report that waits for being written. */
typedef struct REPORT
{
    struct REPORT* Next;
    UCHAR* Bytes;
    size_t Size;
    struct timespec Time;
} REPORT;

/* The device's context: the list of those reports, oldest first. */
typedef struct
{
    pthread_mutex_t Lock;
    REPORT* First;
    REPORT** Tail;
} RECORD_CONTEXT;
WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(RECORD_CONTEXT, RecordContextGet)

typedef struct
{
    const char* Device;
    const char* Output;
    ULONGLONG Count;
    ULONGLONG Seconds;
} OPTIONS;

/* The device that is recorded. */
typedef struct
{
    const char* Wanted; /* a path, or VVVV:PPPP */
    char Path[512];
    char Name[512];
    USHORT VendorId;
    USHORT ProductId;
} IDENTITY;

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
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
    const char* advice = "";

    if (status == STATUS_ACCESS_DENIED)
    {
        advice = "; to allow it, copy data/udev/70-dmf-hid.rules to /etc/udev/rules.d, run "
                 "`udevadm control --reload` as root and plug the device in again";
    }
    else if (status == STATUS_NO_SUCH_DEVICE || status == STATUS_OBJECT_NAME_NOT_FOUND)
    {
        advice = "; `stream_hid --list` shows the devices that are connected";
    }
    fprintf(stderr, "record_hid: cannot %s %s: %s (%s)%s\n", what, device,
            message_without(DMF_LastErrorMessageGet(), device), DMF_StatusName(status), advice);
    return 1;
}

/* ------------------------------------------------------------------------------------------- the reports */

/* Runs on a thread of the library: keeps the buffer, and leaves the writing to the main thread. */
static EVT_DMF_ContinuousRequestTarget_BufferOutput ReportArrived;

static ContinuousRequestTarget_BufferDisposition ReportArrived(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                               size_t OutputBufferSize,
                                                               VOID* ClientBufferContextOutput,
                                                               NTSTATUS CompletionStatus)
{
    RECORD_CONTEXT* record = RecordContextGet(DMF_ParentDeviceGet(DmfModule));
    REPORT* report = (REPORT*)ClientBufferContextOutput;

    if (!NT_SUCCESS(CompletionStatus))
    {
        return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    }
    clock_gettime(CLOCK_MONOTONIC, &report->Time);
    report->Bytes = (UCHAR*)OutputBuffer;
    report->Size = OutputBufferSize;
    report->Next = NULL;

    pthread_mutex_lock(&record->Lock);
    *record->Tail = report;
    record->Tail = &report->Next;
    pthread_mutex_unlock(&record->Lock);
    return ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming;
}

/* Runs when the device is gone and its context is about to be freed. */
static EVT_WDF_OBJECT_CONTEXT_DESTROY ContextDestroyed;

static VOID ContextDestroyed(WDFOBJECT Object)
{
    pthread_mutex_destroy(&RecordContextGet(Object)->Lock);
}

/* The oldest report that waits, or NULL. */
static REPORT* report_take(RECORD_CONTEXT* record)
{
    REPORT* report;

    pthread_mutex_lock(&record->Lock);
    report = record->First;
    if (report != NULL)
    {
        record->First = report->Next;
        if (record->First == NULL)
        {
            record->Tail = &record->First;
        }
    }
    pthread_mutex_unlock(&record->Lock);
    return report;
}

static void bytes_write(FILE* file, const UCHAR* bytes, size_t size)
{
    fprintf(file, " %zu", size);
    for (size_t i = 0; i < size; i++)
    {
        fprintf(file, " %02x", bytes[i]);
    }
    fprintf(file, "\n");
}

/* Times are counted from the first report. */
static void report_write(FILE* file, const REPORT* report, const struct timespec* first, bool report_ids)
{
    long long nanoseconds = (long long)(report->Time.tv_sec - first->tv_sec) * 1000000000LL +
                            (report->Time.tv_nsec - first->tv_nsec);
    /* The library puts a 0 before the reports of devices that do not number them; the format has the device's bytes. */
    size_t skipped = !report_ids && report->Size > 0 ? 1 : 0;

    fprintf(file, "E: %06lld.%06lld", nanoseconds / 1000000000LL, nanoseconds / 1000 % 1000000);
    bytes_write(file, report->Bytes + skipped, report->Size - skipped);
}

/* Writes reports until the stream ends, the user ends it, or enough has come. Returns how many. */
static ULONGLONG reports_write(FILE* file, RECORD_CONTEXT* record, DMFMODULE module, const OPTIONS* options,
                               bool report_ids)
{
    const struct timespec tick = {0, 20 * 1000 * 1000};
    struct timespec begin, now, first = {0, 0};
    ULONGLONG written = 0;
    bool streaming = true;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (streaming)
    {
        REPORT* report;

        clock_gettime(CLOCK_MONOTONIC, &now);
        streaming = !interrupted && DMF_ContinuousRequestTarget_StreamingCountGet(module) > 0 &&
                    (options->Count == 0 || written < options->Count) &&
                    (options->Seconds == 0 || (ULONGLONG)(now.tv_sec - begin.tv_sec) < options->Seconds);
        if (!streaming)
        {
            /* What has come already is written, and nothing comes after that. */
            DMF_ContinuousRequestTarget_StopAndWait(module);
        }
        while ((report = report_take(record)) != NULL)
        {
            if (options->Count == 0 || written < options->Count)
            {
                if (written == 0)
                {
                    first = report->Time;
                }
                report_write(file, report, &first, report_ids);
                written++;
            }
            DMF_ContinuousRequestTarget_BufferPut(module, report->Bytes);
        }
        fflush(file);
        if (streaming)
        {
            nanosleep(&tick, NULL);
        }
    }
    return written;
}

/* -------------------------------------------------------------------------------------------- the device */

static EVT_DMF_Hid_Enumeration DeviceFound;

static BOOLEAN DeviceFound(const DMF_HID_DEVICE_INFORMATION* Information, VOID* Context)
{
    IDENTITY* identity = (IDENTITY*)Context;
    char numbers[10];

    snprintf(numbers, sizeof(numbers), "%04x:%04x", Information->VendorId, Information->ProductId);
    if (strcmp(identity->Wanted, Information->Path) != 0 && strcasecmp(identity->Wanted, numbers) != 0)
    {
        return TRUE;
    }
    snprintf(identity->Path, sizeof(identity->Path), "%s", Information->Path);
    snprintf(identity->Name, sizeof(identity->Name), "%s%s%s", Information->Manufacturer,
             Information->Manufacturer[0] != '\0' && Information->Product[0] != '\0' ? " " : "", Information->Product);
    identity->VendorId = Information->VendorId;
    identity->ProductId = Information->ProductId;
    return FALSE;
}

/* Whether a report descriptor has an item "Report ID". */
static bool report_ids_used(const UCHAR* descriptor, size_t size)
{
    size_t i = 0;

    while (i < size)
    {
        UCHAR prefix = descriptor[i];
        if (prefix == 0xFE)
        {
            /* A long item: the next byte is the size of its data. */
            i += 3 + (i + 1 < size ? descriptor[i + 1] : 0u);
            continue;
        }
        if ((prefix & 0xFC) == 0x84)
        {
            return true;
        }
        i += 1 + ((prefix & 3) == 3 ? 4u : (size_t)(prefix & 3));
    }
    return false;
}

static NTSTATUS stream_create(WDFDEVICE device, DMFMODULE* module)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ContinuousRequestCount = REQUEST_COUNT;
    config.BufferCountOutput = BUFFER_COUNT;
    config.BufferOutputSize = REPORT_SIZE_MAX;
    config.BufferContextOutputSize = sizeof(REPORT);
    /* While the main thread writes, reports get further buffers. */
    config.EnableLookAsideOutput = TRUE;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.EvtContinuousRequestTargetBufferOutput = ReportArrived;
    config.ContinuousRequestTargetMode = ContinuousRequestTarget_Mode_Manual;
    return DMF_ContinuousRequestTarget_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, module);
}

static int record_to(FILE* file, const OPTIONS* options, WDFDEVICE device)
{
    RECORD_CONTEXT* record = RecordContextGet(device);
    UCHAR descriptor[DESCRIPTOR_SIZE_MAX];
    size_t descriptor_size = 0;
    DMF_HID_OPEN_PARAMS open;
    WDFIOTARGET target;
    DMFMODULE module;
    IDENTITY identity;
    NTSTATUS status;
    ULONGLONG written;

    memset(&identity, 0, sizeof(identity));
    identity.Wanted = options->Device;
    status = DMF_Hid_Enumerate(DeviceFound, &identity);
    if (!NT_SUCCESS(status))
    {
        return failed("list the HID devices to find", options->Device, status);
    }
    if (identity.Path[0] == '\0')
    {
        /* Not listed: let opening it tell why. */
        snprintf(identity.Path, sizeof(identity.Path), "%s", options->Device);
    }

    DMF_HID_OPEN_PARAMS_INIT(&open);
    open.Path = identity.Path;
    status = DMF_IoTarget_HidOpen(device, &open, &target);
    if (!NT_SUCCESS(status))
    {
        return failed("open", options->Device, status);
    }
    status = stream_create(device, &module);
    if (NT_SUCCESS(status))
    {
        status = DMF_ContinuousRequestTarget_IoTargetSet(module, target);
    }
    if (NT_SUCCESS(status))
    {
        status = DMF_ContinuousRequestTarget_SendSynchronously(
            module, NULL, 0, descriptor, sizeof(descriptor), ContinuousRequestTarget_RequestType_InternalIoctl,
            IOCTL_HID_GET_REPORT_DESCRIPTOR, 0, &descriptor_size);
    }
    if (!NT_SUCCESS(status))
    {
        return failed("read the report descriptor of", options->Device, status);
    }

    fprintf(file, "R:");
    bytes_write(file, descriptor, descriptor_size);
    fprintf(file, "N: %s\n", identity.Name[0] != '\0' ? identity.Name : identity.Path);
    fprintf(file, "P: %s\n", identity.Path);
    /* The first number is the bus; 3, USB, is what nearly all devices are on. */
    fprintf(file, "I: 3 %04x %04x\n", identity.VendorId, identity.ProductId);

    status = DMF_ContinuousRequestTarget_Start(module);
    if (!NT_SUCCESS(status))
    {
        return failed("stream from", options->Device, status);
    }
    written = reports_write(file, record, module, options, report_ids_used(descriptor, descriptor_size));

    if (fflush(file) != 0 || ferror(file))
    {
        fprintf(stderr, "record_hid: cannot write: %s\n", strerror(errno));
        return 1;
    }
    fprintf(stderr, "record_hid: %llu reports\n", (unsigned long long)written);
    return 0;
}

static int record(const OPTIONS* options)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    RECORD_CONTEXT* context;
    WDFDEVICE device;
    FILE* file = stdout;
    NTSTATUS status;
    int result;

    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, RECORD_CONTEXT);
    attributes.EvtDestroyCallback = ContextDestroyed;
    status = DMF_Device_Create(&attributes, &device);
    if (!NT_SUCCESS(status))
    {
        return failed("create the device for", options->Device, status);
    }
    context = RecordContextGet(device);
    pthread_mutex_init(&context->Lock, NULL);
    context->Tail = &context->First;

    if (options->Output != NULL)
    {
        file = fopen(options->Output, "w");
    }
    if (file == NULL)
    {
        fprintf(stderr, "record_hid: cannot write to %s: %s\n", options->Output, strerror(errno));
        result = 1;
    }
    else
    {
        result = record_to(file, options, device);
        if (file != stdout && fclose(file) != 0 && result == 0)
        {
            fprintf(stderr, "record_hid: cannot write to %s: %s\n", options->Output, strerror(errno));
            result = 1;
        }
    }
    /* The module and the target are its children. */
    WdfObjectDelete(device);
    return result;
}

/* ------------------------------------------------------------------------------------------- the options */

static const char usage_text[] =
    "Usage: record_hid [OPTIONS] DEVICE\n"
    "Writes the reports of a HID device as text that stream_hid can play. Ctrl-C ends it.\n"
    "\n"
    "DEVICE is /dev/hidrawN or VVVV:PPPP (vendor and product, hexadecimal).\n"
    "  --output FILE  write to FILE, not to standard output\n"
    "  --count N      end after N reports\n"
    "  --seconds N    end after N seconds\n"
    "  --help         this text\n";

static bool number_parse(const char* text, ULONGLONG* value)
{
    char* end;
    unsigned long long number;

    if (text == NULL || text[0] < '0' || text[0] > '9')
    {
        return false;
    }
    errno = 0;
    number = strtoull(text, &end, 10);
    *value = number;
    return errno == 0 && *end == '\0';
}

/* Whether the argument can be a device at all; if not, says what it should have been. */
static bool device_is_named(const char* text)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    struct stat information;

    if (stat(text, &information) == 0)
    {
        if (S_ISDIR(information.st_mode))
        {
            fprintf(stderr, "record_hid: %s is a folder, not a device\n", text);
            return false;
        }
        return true;
    }
    if (strchr(text, ':') != NULL && strchr(text, '/') == NULL &&
        !(strlen(text) == 9 && strspn(text, digits) == 4 && strspn(text + 5, digits) == 4))
    {
        fprintf(stderr, "record_hid: %s is not VVVV:PPPP: four hexadecimal digits each, such as 046d:c52b\n", text);
        return false;
    }
    return true;
}

static bool options_parse(int argc, char** argv, OPTIONS* options)
{
    for (int i = 1; i < argc; i++)
    {
        const char* name = argv[i];
        const char* text = i + 1 < argc ? argv[i + 1] : NULL;
        bool valid;

        if (name[0] != '-')
        {
            if (options->Device != NULL)
            {
                fprintf(stderr, "record_hid: one DEVICE, please: %s is the second\n", name);
                return false;
            }
            options->Device = name;
            continue;
        }
        if (strcmp(name, "--output") == 0)
        {
            options->Output = text;
            valid = text != NULL;
        }
        else if (strcmp(name, "--count") == 0)
        {
            valid = number_parse(text, &options->Count);
        }
        else if (strcmp(name, "--seconds") == 0)
        {
            valid = number_parse(text, &options->Seconds);
        }
        else
        {
            fprintf(stderr, "record_hid: unknown option %s\n", name);
            return false;
        }
        if (!valid)
        {
            fprintf(stderr, "record_hid: %s does not take \"%s\"\n", name, text != NULL ? text : "");
            return false;
        }
        i++;
    }
    if (options->Device == NULL)
    {
        fprintf(stderr, "record_hid: which DEVICE?\n");
        return false;
    }
    return device_is_named(options->Device);
}

int main(int argc, char** argv)
{
    OPTIONS options = {NULL, NULL, 0, 0};
    struct sigaction action;

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

    memset(&action, 0, sizeof(action));
    action.sa_handler = interrupt;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return record(&options);
}
