/*
 * hid_test.c: see hid_test.h.
 */
#define _GNU_SOURCE
#include "hid_test.h"

#include <stdarg.h>
#include <time.h>

/* ---- the table */

bool any_failed;

__attribute__((format(printf, 3, 0))) static void print_line(const char *mark, const char *what, const char *format,
                                                             va_list arguments)
{
    printf("%-7s %-58s ", mark, what);
    vprintf(format, arguments);
    putchar('\n');
}

void check(bool passed, const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(passed ? "ok" : "FAILED", what, format, arguments);
    va_end(arguments);
    any_failed = any_failed || !passed;
}

void note(const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("note", what, format, arguments);
    va_end(arguments);
}

void check_status(NTSTATUS status, NTSTATUS expected, const char *what)
{
    if (status == expected)
        check(true, what, "%s", DMF_StatusName(status));
    else
        check(false, what, "%s, expected %s", DMF_StatusName(status), DMF_StatusName(expected));
}

void must(NTSTATUS status, const char *what)
{
    if (NT_SUCCESS(status))
        return;
    check(false, what, "%s: %s", DMF_StatusName(status), DMF_LastErrorMessageGet());
    exit(1);
}

/* ---- what the stream's callback saw */

struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER, .let_go = PTHREAD_COND_INITIALIZER };

void forget_what_was_seen(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.calls = seen.reports = seen.bytes = 0;
    seen.out_of_order = seen.backwards = seen.of_other_size = 0;
    seen.disconnected = seen.other_failures = seen.reports_after_failure = 0;
    seen.next_sequence = 0;
    seen.expected_size = 0;
    seen.never_give_up = false;
    seen.hold = false;
    seen.sleep_us = 0;
    seen.dx = seen.dy = 0;
    seen.last_size = 0;
    pthread_mutex_unlock(&seen.lock);
}

unsigned long look(const unsigned long *counter)
{
    unsigned long value;
    pthread_mutex_lock(&seen.lock);
    value = *counter;
    pthread_mutex_unlock(&seen.lock);
    return value;
}

static void note_sequence(const uint8_t *report, size_t size)
{
    uint32_t sequence;
    if (size < SEQUENCE_OFFSET + sizeof sequence)
        return;
    memcpy(&sequence, report + SEQUENCE_OFFSET, sizeof sequence);
    if (sequence != seen.next_sequence)
        seen.out_of_order++;
    if (sequence < seen.next_sequence)
        seen.backwards++;
    seen.next_sequence = sequence + 1;
}

/* A mouse's report: 0 for "no ID", buttons, then signed movements. */
static void note_movement(const uint8_t *report, size_t size)
{
    if (size < 4)
        return;
    seen.dx += (int8_t)report[2];
    seen.dy += (int8_t)report[3];
}

static void note_report(const uint8_t *report, size_t size)
{
    seen.reports++;
    seen.bytes += size;
    if (seen.disconnected || seen.other_failures)
        seen.reports_after_failure++;
    if (seen.expected_size && size != seen.expected_size)
        seen.of_other_size++;
    note_sequence(report, size);
    note_movement(report, size);
    seen.last_size = size < sizeof seen.last ? size : sizeof seen.last;
    memcpy(seen.last, report, seen.last_size);
}

static void note_failure(NTSTATUS status, size_t size)
{
    if (status == STATUS_DEVICE_NOT_CONNECTED && size == 0)
        seen.disconnected++;
    else
        seen.other_failures++;
}

ContinuousRequestTarget_BufferDisposition on_output(DMFMODULE module, VOID *buffer, size_t size, VOID *context,
                                                           NTSTATUS status)
{
    bool go_on;
    unsigned sleep_us;
    (void)module;
    (void)context;
    pthread_mutex_lock(&seen.lock);
    seen.calls++;
    if (NT_SUCCESS(status))
        note_report(buffer, size);
    else
        note_failure(status, size);
    while (seen.hold)
        pthread_cond_wait(&seen.let_go, &seen.lock);
    go_on = NT_SUCCESS(status) || seen.never_give_up;
    sleep_us = seen.sleep_us;
    pthread_mutex_unlock(&seen.lock);
    if (sleep_us)
        usleep(sleep_us);
    return go_on ? ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
                 : ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
}

void hold_the_callback(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.hold = true;
    pthread_mutex_unlock(&seen.lock);
}

void let_the_callback_go(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.hold = false;
    pthread_cond_broadcast(&seen.let_go);
    pthread_mutex_unlock(&seen.lock);
}

/* ---- time */

double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void wait_for_count(const unsigned long *counter, unsigned long value)
{
    unsigned long before = look(&seen.calls);
    double last_progress = now_ms();
    while (look(counter) < value && now_ms() - last_progress < QUIET_MS) {
        const unsigned long calls = look(&seen.calls);
        usleep(1000);
        if (calls != before)
            last_progress = now_ms();
        before = calls;
    }
}

/* ---- the way of waiting */

bool waits_in_slices(void)
{
    const char *way = getenv("DMF_HID_WAIT");
    return way && !strcmp(way, "slices");
}

/* ---- a target with a stream on it */

char *const NO_OPTIONS[] = { NULL };

DMF_HID_OPEN_PARAMS select_path(const char *path)
{
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.Path = path;
    return params;
}

DMF_HID_OPEN_PARAMS select_usage(USHORT page, USHORT usage)
{
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.UsagePage = page;
    params.Usage = usage;
    return params;
}

DMF_HID_OPEN_PARAMS select_product(USHORT vendor, USHORT product, const char *serial)
{
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.VendorId = vendor;
    params.ProductId = product;
    params.SerialNumber = serial;
    return params;
}

void open_stream_with(struct stream *stream, const DMF_HID_OPEN_PARAMS *params, ULONG requests, ULONG buffer_size,
                      EVT_DMF_ContinuousRequestTarget_BufferOutput *callback, WDF_OBJECT_ATTRIBUTES *attributes)
{
    DMF_MODULE_ATTRIBUTES module_attributes;
    DMF_CONFIG_ContinuousRequestTarget config;
    must(DMF_Device_Create(NULL, &stream->device), "create the device object");
    must(DMF_IoTarget_HidOpen(stream->device, params, &stream->target), "open the HID device");
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &module_attributes);
    config.ContinuousRequestCount = requests;
    config.BufferCountOutput = requests;
    config.BufferOutputSize = buffer_size;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.EvtContinuousRequestTargetBufferOutput = callback;
    config.ContinuousRequestTargetMode = ContinuousRequestTarget_Mode_Manual;
    must(DMF_ContinuousRequestTarget_Create(stream->device, &module_attributes, attributes, &stream->module),
         "create the Module");
    must(DMF_ContinuousRequestTarget_IoTargetSet(stream->module, stream->target), "set the target");
}

void open_stream(struct stream *stream, const DMF_HID_OPEN_PARAMS *params, ULONG requests)
{
    forget_what_was_seen();
    open_stream_with(stream, params, requests, REPORT_SIZE + 1, on_output, WDF_NO_OBJECT_ATTRIBUTES);
}

void start_stream(struct stream *stream)
{
    must(DMF_ContinuousRequestTarget_Start(stream->module), "start the stream");
}

void close_stream(struct stream *stream)
{
    DMF_ContinuousRequestTarget_StopAndWait(stream->module);
    DMF_ContinuousRequestTarget_IoTargetClear(stream->module);
    WdfObjectDelete(stream->module);
    WdfObjectDelete(stream->target);
    WdfObjectDelete(stream->device);
}

DMF_IO_TARGET_STATISTICS statistics_of(const struct stream *stream)
{
    DMF_IO_TARGET_STATISTICS statistics;
    memset(&statistics, 0, sizeof statistics);
    statistics.Size = sizeof statistics;
    must(DMF_IoTarget_StatisticsGet(stream->target, &statistics), "get the statistics");
    return statistics;
}

void open_pending_stream(struct stream *stream, struct scripted_device *device)
{
    DMF_HID_OPEN_PARAMS params;
    device_start(device, NO_OPTIONS);
    params = select_path(device->node);
    open_stream(stream, &params, PENDING_REQUESTS);
    start_stream(stream);
}

void block_the_reader(struct scripted_device *device)
{
    const unsigned long before = look(&seen.reports);
    hold_the_callback();
    device_say(device, "blast 1 0");
    device_wait(device, "BLAST");
    wait_for_count(&seen.reports, before + 1);
    if (look(&seen.reports) != before + 1)
        check(false, "the report that is to block the reader", "%lu reports, expected %lu", look(&seen.reports), before + 1);
    pthread_mutex_lock(&seen.lock);
    seen.reports = 0;
    seen.next_sequence = 0;
    seen.out_of_order = 0;
    pthread_mutex_unlock(&seen.lock);
}
