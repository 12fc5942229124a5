/*
 * hid_stream_test: a stream of Read Requests against real HID devices. Runs in the virtual machine (guest/hid-stream.sh).
 *
 *   hid_stream_test numbered REQUESTS    10,000 numbered reports at 1,000/s, in order and without loss
 *   hid_stream_test mouse                QEMU's USB mouse, moved from outside
 *   hid_stream_test stop                 StopAndWait on an idle device; give DMF_HID_SLICE_MS=1000 in the environment
 *   hid_stream_test unplug               the device goes away: idle, while it streams, and under a Client that never gives up
 *   hid_stream_test queued               reports that wait in the kernel when the device goes away, and more than it has room for
 *   hid_stream_test shared               one device opened several times: each open gets every report
 *   hid_stream_test open                 ways to open a device, and what is listed
 *   hid_stream_test refuse               opens that must fail
 *
 * DMF_HID_WAIT=descriptor|slices in the environment chooses how the library waits. With slices the system loses what it had
 * queued when the device goes away; what arrives then is printed ("note") and only its order is judged.
 *
 * One line per check; the exit status is 0 if all passed. Times are printed and never judged by the clock.
 * Each test is a process of its own, so that one that hangs ends by its watchdog and the others still run.
 */
#define _GNU_SOURCE
#include <dmf.h>

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "scripted_device.h"

enum {
    WATCHDOG_SECONDS = 120,
    REPORT_SIZE = 64,
    REPORTS = 10000,
    REPORTS_PER_SECOND = 1000,
    SEQUENCE_OFFSET = 1,              /* behind the report ID */
    LAST_REPORTS = 256,
    QUIET_MS = 3000,                  /* a stream that is silent for so long has ended */
    STOPS = 100,
    STOPS_WITH_REPORTS = 20,
    PENDING_REQUESTS = 4,
    KERNEL_ROOM = 63,                 /* reports that hidraw keeps for one open */
    TOO_MANY = 100,
    SHARED_OPENS = 3,
};

static const uint16_t TEST_VENDOR = 0x1209;
static const uint16_t TEST_PRODUCT = 0x0001;

/* ---- the table */

static bool any_failed;

__attribute__((format(printf, 3, 0))) static void print_line(const char *mark, const char *what, const char *format,
                                                             va_list arguments)
{
    printf("%-7s %-58s ", mark, what);
    vprintf(format, arguments);
    putchar('\n');
}

__attribute__((format(printf, 3, 4))) static void check(bool passed, const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(passed ? "ok" : "FAILED", what, format, arguments);
    va_end(arguments);
    any_failed = any_failed || !passed;
}

/* What is worth knowing and judges nothing. */
__attribute__((format(printf, 2, 3))) static void note(const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("note", what, format, arguments);
    va_end(arguments);
}

static void check_status(NTSTATUS status, NTSTATUS expected, const char *what)
{
    if (status == expected)
        check(true, what, "%s", DMF_StatusName(status));
    else
        check(false, what, "%s, expected %s", DMF_StatusName(status), DMF_StatusName(expected));
}

/* For steps that are not what the test is about: without them it cannot go on. */
static void must(NTSTATUS status, const char *what)
{
    if (NT_SUCCESS(status))
        return;
    check(false, what, "%s: %s", DMF_StatusName(status), DMF_LastErrorMessageGet());
    exit(1);
}

static void on_watchdog(int signal)
{
    static const char message[] = "FAILED  the watchdog ended the test: something hangs\n";
    (void)signal;
    (void)!write(STDOUT_FILENO, message, sizeof message - 1);
    _exit(1);
}

/* ---- what the stream's callback saw */

static struct {
    pthread_mutex_t lock;
    unsigned long calls;
    unsigned long reports;
    unsigned long bytes;
    unsigned long out_of_order;       /* reports whose sequence number is not the one after the last report's */
    unsigned long of_other_size;
    unsigned long disconnected;       /* calls with STATUS_DEVICE_NOT_CONNECTED and no bytes */
    unsigned long other_failures;
    unsigned long reports_after_failure;
    uint32_t next_sequence;
    size_t expected_size;             /* 0: any */
    bool never_give_up;               /* go on streaming after a failure */
    bool hold;                        /* keep the callback, and so the reading thread, waiting */
    pthread_cond_t let_go;
    long dx;
    long dy;
    size_t last_size;
    uint8_t last[REPORT_SIZE + 1];
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER, .let_go = PTHREAD_COND_INITIALIZER };

static void forget_what_was_seen(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.calls = seen.reports = seen.bytes = 0;
    seen.out_of_order = seen.of_other_size = 0;
    seen.disconnected = seen.other_failures = seen.reports_after_failure = 0;
    seen.next_sequence = 0;
    seen.expected_size = 0;
    seen.never_give_up = false;
    seen.hold = false;
    seen.dx = seen.dy = 0;
    seen.last_size = 0;
    pthread_mutex_unlock(&seen.lock);
}

static unsigned long look(const unsigned long *counter)
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

static EVT_DMF_ContinuousRequestTarget_BufferOutput on_output;

static ContinuousRequestTarget_BufferDisposition on_output(DMFMODULE module, VOID *buffer, size_t size, VOID *context,
                                                           NTSTATUS status)
{
    bool go_on;
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
    pthread_mutex_unlock(&seen.lock);
    return go_on ? ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
                 : ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
}

static void hold_the_callback(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.hold = true;
    pthread_mutex_unlock(&seen.lock);
}

static void let_the_callback_go(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.hold = false;
    pthread_cond_broadcast(&seen.let_go);
    pthread_mutex_unlock(&seen.lock);
}

/* ---- time */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Waits until the counter has reached the value, or nothing has moved for a while. */
static void wait_for_count(const unsigned long *counter, unsigned long value)
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

/* ---- a target with a stream on it */

struct stream {
    WDFDEVICE device;
    WDFIOTARGET target;
    DMFMODULE module;
};

static DMF_HID_OPEN_PARAMS select_path(const char *path)
{
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.Path = path;
    return params;
}

static DMF_HID_OPEN_PARAMS select_usage(USHORT page, USHORT usage)
{
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.UsagePage = page;
    params.Usage = usage;
    return params;
}

static DMF_HID_OPEN_PARAMS select_product(USHORT vendor, USHORT product, const char *serial)
{
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.VendorId = vendor;
    params.ProductId = product;
    params.SerialNumber = serial;
    return params;
}

static void create_stream_module(struct stream *stream, ULONG requests)
{
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ContinuousRequestCount = requests;
    config.BufferCountOutput = requests;
    config.BufferOutputSize = REPORT_SIZE + 1;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.EvtContinuousRequestTargetBufferOutput = on_output;
    config.ContinuousRequestTargetMode = ContinuousRequestTarget_Mode_Manual;
    must(DMF_ContinuousRequestTarget_Create(stream->device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &stream->module),
         "create the Module");
}

static void open_stream(struct stream *stream, const DMF_HID_OPEN_PARAMS *params, ULONG requests)
{
    forget_what_was_seen();
    must(DMF_Device_Create(NULL, &stream->device), "create the device object");
    must(DMF_IoTarget_HidOpen(stream->device, params, &stream->target), "open the HID device");
    create_stream_module(stream, requests);
    must(DMF_ContinuousRequestTarget_IoTargetSet(stream->module, stream->target), "set the target");
}

static void start_stream(struct stream *stream)
{
    must(DMF_ContinuousRequestTarget_Start(stream->module), "start the stream");
}

static void close_stream(struct stream *stream)
{
    DMF_ContinuousRequestTarget_StopAndWait(stream->module);
    DMF_ContinuousRequestTarget_IoTargetClear(stream->module);
    WdfObjectDelete(stream->module);
    WdfObjectDelete(stream->target);
    WdfObjectDelete(stream->device);
}

static DMF_IO_TARGET_STATISTICS statistics_of(const struct stream *stream)
{
    DMF_IO_TARGET_STATISTICS statistics;
    memset(&statistics, 0, sizeof statistics);
    statistics.Size = sizeof statistics;
    must(DMF_IoTarget_StatisticsGet(stream->target, &statistics), "get the statistics");
    return statistics;
}

static char *const NO_OPTIONS[] = { NULL };

/* ---- numbered */

static void check_statistics(const struct stream *stream)
{
    const DMF_IO_TARGET_STATISTICS statistics = statistics_of(stream);
    const bool agree = statistics.RequestsCompleted == REPORTS && statistics.BytesIn == (ULONGLONG)REPORTS * REPORT_SIZE;
    check(agree && statistics.ReportsDropped == 0, "  the target's statistics agree",
          "completed %llu, bytes %llu, dropped %llu, overruns suspected %llu",
          (unsigned long long)statistics.RequestsCompleted, (unsigned long long)statistics.BytesIn,
          (unsigned long long)statistics.ReportsDropped, (unsigned long long)statistics.OverrunsSuspected);
}

static void test_numbered(ULONG requests)
{
    struct scripted_device device;
    struct stream stream;
    DMF_HID_OPEN_PARAMS params;
    char what[80];
    char line[256];
    bool complete;

    device_start(&device, NO_OPTIONS);
    params = select_path(device.node);
    open_stream(&stream, &params, requests);
    seen.expected_size = REPORT_SIZE;
    start_stream(&stream);
    device_say(&device, "blast %d %d %d", REPORTS, REPORTS_PER_SECOND, REPORT_SIZE);
    device_wait_line(&device, "BLAST", line, sizeof line);
    wait_for_count(&seen.reports, REPORTS);
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);

    complete = seen.calls == REPORTS && seen.reports == REPORTS && seen.out_of_order == 0 && seen.of_other_size == 0;
    snprintf(what, sizeof what, "%d numbered reports, %u Requests", REPORTS, (unsigned)requests);
    check(complete, what,
          "%lu reports, %lu gaps, %lu of another size, %lu failures; device: %s", seen.reports, seen.out_of_order,
          seen.of_other_size, seen.calls - seen.reports, line);
    check_statistics(&stream);
    close_stream(&stream);
    device_end(&device);
}

/* ---- mouse */

static void wait_for_movement(long dx, long dy)
{
    for (int i = 0; i < QUIET_MS; i++) {
        bool arrived;
        pthread_mutex_lock(&seen.lock);
        arrived = seen.dx == dx && seen.dy == dy;
        pthread_mutex_unlock(&seen.lock);
        if (arrived)
            return;
        usleep(1000);
    }
}

static void test_mouse(void)
{
    static char *const arguments[] = { "qmp", "move", "3", "-2", "300", "100", NULL };
    const DMF_HID_OPEN_PARAMS params = select_usage(1, 2);
    struct scripted_device driver;
    struct stream stream;
    char line[256];
    unsigned events = 0;
    long dx = 0;
    long dy = 0;

    open_stream(&stream, &params, PENDING_REQUESTS);
    seen.expected_size = 5;
    start_stream(&stream);
    scripted_spawn(&driver, arguments);
    device_wait_line(&driver, "MOVED", line, sizeof line);
    sscanf(line, "MOVED events=%u dx=%ld dy=%ld", &events, &dx, &dy);
    wait_for_movement(dx, dy);
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);

    check(seen.dx == dx && seen.dy == dy && seen.reports > 0, "QEMU's USB mouse, moved from outside",
          "%lu reports for %u moves; sum %ld,%ld of %ld,%ld", seen.reports, events, seen.dx, seen.dy, dx, dy);
    check(seen.of_other_size == 0 && seen.last[0] == 0, "  a 0 stands for the missing report ID",
          "last report: %zu bytes, first %02x",
          seen.last_size, seen.last[0]);
    close_stream(&stream);
    device_end(&driver);
}

/* ---- stop */

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double slice_ms(void)
{
    const char *text = getenv("DMF_HID_SLICE_MS");
    return text ? atof(text) : 0;
}

/* Were a slice waited for, half of the stops would take more than half of it, however fast or slow the machine is. */
static void check_stop_times(double *times, int count)
{
    double median;
    qsort(times, (size_t)count, sizeof times[0], compare_doubles);
    median = times[count / 2];
    check(slice_ms() == 0 || median < slice_ms() / 2, "StopAndWait on an idle device does not wait for a read slice",
          "%d of %d returned; median %.3f ms, longest %.3f ms; slice %.0f ms", count, count, median,
          times[count - 1], slice_ms());
}

static void stop_an_idle_device(struct stream *stream)
{
    double times[STOPS];
    for (int i = 0; i < STOPS; i++) {
        double before;
        start_stream(stream);
        usleep(2000);
        before = now_ms();
        DMF_ContinuousRequestTarget_StopAndWait(stream->module);
        times[i] = now_ms() - before;
    }
    check_stop_times(times, STOPS);
    check(look(&seen.calls) == 0, "  no callback for canceled Requests", "%lu callbacks", look(&seen.calls));
}

static void stop_before_a_report_comes(struct stream *stream, struct scripted_device *device)
{
    unsigned long late = 0;
    for (int i = 0; i < STOPS_WITH_REPORTS; i++) {
        unsigned long before;
        start_stream(stream);
        usleep(2000);
        DMF_ContinuousRequestTarget_StopAndWait(stream->module);
        before = look(&seen.calls);
        device_say(device, "blast 8 0");
        device_wait(device, "BLAST");
        usleep(20000);
        late += look(&seen.calls) - before;
    }
    check(late == 0, "  no callback after it returned, though reports come",
          "%lu callbacks in %d rounds of 8 reports", late, STOPS_WITH_REPORTS);
}

/* The stop falls between reports that are being delivered. */
static void stop_while_reports_come(struct stream *stream, struct scripted_device *device)
{
    unsigned long late = 0;
    unsigned long during = 0;
    device_say(device, "stream 1000000 2000");
    for (int i = 0; i < STOPS; i++) {
        unsigned long before;
        start_stream(stream);
        usleep(5000);
        DMF_ContinuousRequestTarget_StopAndWait(stream->module);
        before = look(&seen.calls);
        usleep(3000);
        late += look(&seen.calls) - before;
        during = before;
    }
    device_say(device, "stop");
    device_wait(device, "BLAST");
    check(late == 0 && during > 0, "  the same in the middle of 2,000 reports a second",
          "%lu callbacks late, %lu in time, %d stops", late, during, STOPS);
}

static void test_stop(void)
{
    struct scripted_device device;
    struct stream stream;
    DMF_HID_OPEN_PARAMS params;
    device_start(&device, NO_OPTIONS);
    params = select_path(device.node);
    open_stream(&stream, &params, PENDING_REQUESTS);
    stop_an_idle_device(&stream);
    stop_before_a_report_comes(&stream, &device);
    stop_while_reports_come(&stream, &device);
    close_stream(&stream);
    device_end(&device);
}

/* ---- unplug */

static void check_pending_ended(const char *what)
{
    const bool exact = seen.disconnected == PENDING_REQUESTS && seen.other_failures == 0;
    check(exact && seen.reports_after_failure == 0, what,
          "%lu of %d with STATUS_DEVICE_NOT_CONNECTED, %lu other failures, %lu reports afterwards",
          seen.disconnected, PENDING_REQUESTS, seen.other_failures, seen.reports_after_failure);
}

static void check_start_fails(struct stream *stream)
{
    check_status(DMF_ContinuousRequestTarget_Start(stream->module), STATUS_DEVICE_NOT_CONNECTED, "  Start afterwards");
    check(DMF_ContinuousRequestTarget_StreamingCountGet(stream->module) == 0, "  nothing streams any more", "%u Requests",
          (unsigned)DMF_ContinuousRequestTarget_StreamingCountGet(stream->module));
}

static void open_pending_stream(struct stream *stream, struct scripted_device *device)
{
    DMF_HID_OPEN_PARAMS params;
    device_start(device, NO_OPTIONS);
    params = select_path(device->node);
    open_stream(stream, &params, PENDING_REQUESTS);
    start_stream(stream);
}

static void unplug(struct scripted_device *device)
{
    device_say(device, "destroy");
    device_wait(device, "DESTROYED");
    wait_for_count(&seen.disconnected, PENDING_REQUESTS);
    /* One that comes too often would come now. */
    usleep(50000);
}

static bool waits_in_slices(void)
{
    const char *way = getenv("DMF_HID_WAIT");
    return way && !strcmp(way, "slices");
}

/* The reports, numbered from 0, that were sent before the device went. */
static void check_sent_arrived(unsigned long sent, const char *what)
{
    if (waits_in_slices()) {
        note(what, "%lu of %lu reports", seen.reports, sent);
        check(seen.out_of_order == 0, "  what arrives is in order", "%lu gaps", seen.out_of_order);
        return;
    }
    check(seen.reports == sent && seen.out_of_order == 0, what, "%lu of %lu reports, %lu gaps", seen.reports, sent,
          seen.out_of_order);
}

static void unplug_an_idle_device(void)
{
    struct scripted_device device;
    struct stream stream;
    open_pending_stream(&stream, &device);
    unplug(&device);
    check_pending_ended("unplugged while idle: pending Requests end");
    check_start_fails(&stream);
    close_stream(&stream);
    device_end(&device);
}

static void unplug_a_streaming_device(void)
{
    struct scripted_device device;
    struct stream stream;
    unsigned long sent;
    open_pending_stream(&stream, &device);
    device_say(&device, "stream 1000000 1000");
    wait_for_count(&seen.reports, 300);
    unplug(&device);
    sent = device_sent(&device);
    check_sent_arrived(sent, "unplugged while streaming: what was sent arrives first");
    check_pending_ended("  then pending Requests end");
    check_start_fails(&stream);
    close_stream(&stream);
    device_end(&device);
}

/* Reports that nobody has fetched when the device goes: the last ones still wait in the kernel. */
static void unplug_right_behind_reports(void)
{
    struct scripted_device device;
    struct stream stream;
    unsigned long sent;
    open_pending_stream(&stream, &device);
    device_say(&device, "blast 40 0\ndestroy");
    device_wait(&device, "DESTROYED");
    wait_for_count(&seen.disconnected, PENDING_REQUESTS);
    usleep(50000);
    sent = device_sent(&device);
    check_sent_arrived(sent, "unplugged right behind 40 reports: they arrive first");
    check_pending_ended("  then pending Requests end");
    close_stream(&stream);
    device_end(&device);
}

static void unplug_under_a_stubborn_client(void)
{
    struct scripted_device device;
    struct stream stream;
    open_pending_stream(&stream, &device);
    seen.never_give_up = true;
    unplug(&device);
    check_pending_ended("unplugged, and the Client answers \"continue\"");
    check_start_fails(&stream);
    close_stream(&stream);
    device_end(&device);
}

static void test_unplug(void)
{
    unplug_an_idle_device();
    unplug_a_streaming_device();
    unplug_right_behind_reports();
    unplug_under_a_stubborn_client();
}

/* ---- queued */

/* Holds the callback of one more report: nobody reads then, and what follows waits in the kernel. Counts from 0 again. */
static void block_the_reader(struct scripted_device *device)
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

static void check_overruns(const struct stream *stream, bool expected, const char *what)
{
    const DMF_IO_TARGET_STATISTICS statistics = statistics_of(stream);
    check((statistics.OverrunsSuspected > 0) == expected && statistics.ReportsDropped == 0, what,
          "%llu overruns suspected, %llu reports dropped", (unsigned long long)statistics.OverrunsSuspected,
          (unsigned long long)statistics.ReportsDropped);
}

static void unplug_with_reports_queued(unsigned count)
{
    struct scripted_device device;
    struct stream stream;
    char what[80];
    open_pending_stream(&stream, &device);
    block_the_reader(&device);
    device_say(&device, "blast %u 0\ndestroy", count);
    device_wait(&device, "DESTROYED");
    let_the_callback_go();
    wait_for_count(&seen.disconnected, PENDING_REQUESTS);
    usleep(50000);
    snprintf(what, sizeof what, "unplugged with %u reports queued: they arrive first", count);
    check_sent_arrived(count, what);
    /* hidapi's own read does not say what is lost at the end, so there every removal is suspect. */
    check_overruns(&stream, waits_in_slices() || count >= KERNEL_ROOM, "  a loss is suspected where one is possible");
    check_pending_ended("  then pending Requests end");
    check_start_fails(&stream);
    close_stream(&stream);
    device_end(&device);
}

/* The kernel drops the newest and says nothing. */
static void overrun_the_kernel(void)
{
    struct scripted_device device;
    struct stream stream;
    open_pending_stream(&stream, &device);
    block_the_reader(&device);
    device_say(&device, "blast %d 0", TOO_MANY);
    device_wait(&device, "BLAST");
    let_the_callback_go();
    wait_for_count(&seen.reports, KERNEL_ROOM);
    usleep(50000);
    check(seen.reports == KERNEL_ROOM && seen.out_of_order == 0, "100 reports at once: what the kernel has room for arrives",
          "%lu of %d reports, %lu gaps", seen.reports, TOO_MANY, seen.out_of_order);
    check_overruns(&stream, true, "  and an overrun is suspected");
    close_stream(&stream);
    device_end(&device);
}

/* With the report that blocks the reader one fewer than there is room for, again and again. */
static void fill_the_kernel_almost(void)
{
    enum { ROUNDS = 5, REPORTS_OF_A_ROUND = KERNEL_ROOM - 2 };
    struct scripted_device device;
    struct stream stream;
    unsigned long arrived = 0;
    unsigned long gaps = 0;
    open_pending_stream(&stream, &device);
    for (int i = 0; i < ROUNDS; i++) {
        block_the_reader(&device);
        device_say(&device, "blast %d 0", REPORTS_OF_A_ROUND);
        device_wait(&device, "BLAST");
        let_the_callback_go();
        wait_for_count(&seen.reports, REPORTS_OF_A_ROUND);
        usleep(50000);
        arrived += look(&seen.reports);
        gaps += look(&seen.out_of_order);
    }
    check(arrived == ROUNDS * REPORTS_OF_A_ROUND && gaps == 0, "5 times 61 reports at once: all arrive",
          "%lu of %d reports, %lu gaps", arrived, ROUNDS * REPORTS_OF_A_ROUND, gaps);
    check_overruns(&stream, false, "  and no overrun is suspected");
    close_stream(&stream);
    device_end(&device);
}

static void test_queued(void)
{
    unplug_with_reports_queued(40);
    unplug_with_reports_queued(KERNEL_ROOM);
    fill_the_kernel_almost();
    overrun_the_kernel();
}

/* ---- shared */

/* The whole reports that a descriptor of our own still gets. */
static unsigned count_reports(int descriptor)
{
    uint8_t report[REPORT_SIZE];
    unsigned count = 0;
    while (read(descriptor, report, sizeof report) == REPORT_SIZE)
        count++;
    return count;
}

/*
 * Each open has its own ring in the kernel. A library that took the wrong one of the process's descriptors would leave one
 * stream without reports, or take the program's own.
 */
static void test_shared(void)
{
    enum { REPORTS_SENT = 30 };
    struct scripted_device device;
    struct stream streams[SHARED_OPENS];
    DMF_HID_OPEN_PARAMS params;
    unsigned complete = 0;
    unsigned own;
    int ours;
    device_start(&device, NO_OPTIONS);
    params = select_path(device.node);
    ours = open(device.node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (ours < 0)
        scripted_die("cannot open the node");
    for (int i = 0; i < SHARED_OPENS; i++) {
        open_stream(&streams[i], &params, PENDING_REQUESTS);
        start_stream(&streams[i]);
    }
    usleep(50000);
    device_say(&device, "blast %d 1000", REPORTS_SENT);
    device_wait(&device, "BLAST");
    wait_for_count(&seen.reports, SHARED_OPENS * REPORTS_SENT);
    for (int i = 0; i < SHARED_OPENS; i++)
        complete += statistics_of(&streams[i]).RequestsCompleted == REPORTS_SENT;
    check(complete == SHARED_OPENS, "one device opened three times: each gets every report", "%u of %d, %lu reports in all",
          complete, SHARED_OPENS, look(&seen.reports));
    own = count_reports(ours);
    check(own == REPORTS_SENT, "  the program's own descriptor keeps its reports", "%u of %d reports", own, REPORTS_SENT);
    for (int i = 0; i < SHARED_OPENS; i++)
        close_stream(&streams[i]);
    close(ours);
    device_end(&device);
}

/* ---- open */

/* The other device of this test: usage page 0xFF42, usage 7, 8 bytes of input without ID. */
#define OTHER_DESCRIPTOR "0642ff0907a101150026ff007508950809028102c0"

static char *const FIRST_OPTIONS[] = { "--uniq", "SN-0001", "--phys", "vm/first", "--name", "first device", NULL };
static char *const SECOND_OPTIONS[] = { "--uniq", "SN-0002", "--phys", "vm/second", "--name", "second device", NULL };
static char *const OTHER_OPTIONS[] = { "--uniq", "SN-0003", "--phys", "vm/other", "--pid", "0003", "--unnumbered",
                                       "--descriptor", OTHER_DESCRIPTOR, NULL };

/* A report's hexadecimal form: what stands before the mark (its ID, or nothing) and the zeros behind. */
struct report_form {
    const char *before_mark;
    int zeros_behind;
};

static const struct report_form NUMBERED_FORM = { "01", REPORT_SIZE - 2 };
static const struct report_form OTHER_FORM = { "", 7 };

/* Opens what params select and sees whether this device's report comes out of it. */
static void check_opens(const DMF_HID_OPEN_PARAMS *params, struct scripted_device *device, struct report_form form,
                        const char *what)
{
    static unsigned marker;
    struct stream stream;
    uint8_t arrived;
    open_stream(&stream, params, 1);
    start_stream(&stream);
    marker++;
    device_say(device, "input %s%02x%0*d", form.before_mark, marker, 2 * form.zeros_behind, 0);
    wait_for_count(&seen.reports, 1);
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);
    arrived = seen.last[1];
    check(seen.reports == 1 && arrived == marker, what, "%lu report, mark %u of %u", seen.reports, arrived, marker);
    close_stream(&stream);
}

struct listing {
    const char *path;
    unsigned devices;
    unsigned times_found;
    bool as_described;
};

static EVT_DMF_Hid_Enumeration on_listed_device;

static BOOLEAN on_listed_device(const DMF_HID_DEVICE_INFORMATION *information, VOID *context)
{
    struct listing *listing = context;
    listing->devices++;
    if (strcmp(information->Path, listing->path))
        return TRUE;
    listing->times_found++;
    listing->as_described = information->VendorId == TEST_VENDOR && information->ProductId == TEST_PRODUCT &&
                            information->UsagePage == 0xFF00 && information->Usage == 1 &&
                            !strcmp(information->SerialNumber, "SN-0002") && !strcmp(information->Product, "second device");
    if (!listing->as_described)
        printf("        listed as %04x:%04x usage %04x/%04x serial \"%s\" product \"%s\" maker \"%s\"\n",
               information->VendorId, information->ProductId, information->UsagePage, information->Usage, information->SerialNumber,
               information->Product, information->Manufacturer);
    return TRUE;
}

static EVT_DMF_Hid_Enumeration on_first_device;

static BOOLEAN on_first_device(const DMF_HID_DEVICE_INFORMATION *information, VOID *context)
{
    unsigned *calls = context;
    (void)information;
    (*calls)++;
    return FALSE;
}

static void check_listing(const char *path)
{
    struct listing listing = { .path = path };
    unsigned calls = 0;
    must(DMF_Hid_Enumerate(on_listed_device, &listing), "enumerate");
    check(listing.times_found == 1 && listing.as_described, "DMF_Hid_Enumerate lists it as it is", "%u devices, %u times this one",
          listing.devices, listing.times_found);
    must(DMF_Hid_Enumerate(on_first_device, &calls), "enumerate");
    check(calls == 1, "  FALSE ends the enumeration", "%u call", calls);
}

static void test_open(void)
{
    struct scripted_device first;
    struct scripted_device second;
    struct scripted_device other;
    DMF_HID_OPEN_PARAMS params;
    device_start(&first, FIRST_OPTIONS);
    device_start(&second, SECOND_OPTIONS);
    device_start(&other, OTHER_OPTIONS);

    params = select_path(second.node);
    check_opens(&params, &second, NUMBERED_FORM, "open by path");
    params = select_product(TEST_VENDOR, 0x0003, NULL);
    check_opens(&params, &other, OTHER_FORM, "open by vendor and product");
    params = select_product(TEST_VENDOR, TEST_PRODUCT, "SN-0002");
    check_opens(&params, &second, NUMBERED_FORM, "open by vendor, product and serial number");
    params = select_product(0, 0, "SN-0001");
    check_opens(&params, &first, NUMBERED_FORM, "open by serial number");
    params = select_usage(0xFF42, 7);
    check_opens(&params, &other, OTHER_FORM, "open by usage");
    check_listing(second.node);

    device_end(&first);
    device_end(&second);
    device_end(&other);
}

/* ---- refuse */

static bool is_one_line(const char *message)
{
    return message && *message && !strchr(message, '\n');
}

static void check_refused(const DMF_HID_OPEN_PARAMS *params, NTSTATUS expected, const char *what)
{
    WDFDEVICE device;
    WDFIOTARGET target = NULL;
    NTSTATUS status;
    const char *message;
    must(DMF_Device_Create(NULL, &device), "create the device object");
    status = DMF_IoTarget_HidOpen(device, params, &target);
    message = DMF_LastErrorMessageGet();
    check(status == expected && target == NULL && is_one_line(message), what, "%s: %s", DMF_StatusName(status), message);
    WdfObjectDelete(device);
}

/* A process of its own: the library may have opened things while it was root. */
static void test_nobody(const char *path)
{
    const DMF_HID_OPEN_PARAMS params = select_path(path);
    if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
        scripted_die("cannot become another user");
    check_refused(&params, STATUS_ACCESS_DENIED, "a node without permission");
}

static void run_as_nobody(char *path)
{
    char *const arguments[] = { "/proc/self/exe", "nobody", path, NULL };
    pid_t pid;
    int status = 0;
    fflush(stdout);
    if (posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ))
        scripted_die("cannot start this program again");
    waitpid(pid, &status, 0);
    any_failed = any_failed || status != 0;
}

static void test_refuse(void)
{
    struct scripted_device device;
    DMF_HID_OPEN_PARAMS params;
    device_start(&device, NO_OPTIONS);
    if (chmod(device.node, 0))
        scripted_die("chmod");
    run_as_nobody(device.node);

    params = select_path("/dev/hidraw-that-does-not-exist");
    check_refused(&params, STATUS_OBJECT_NAME_NOT_FOUND, "a path that does not exist");
    params = select_product(0xDEAD, 0xBEEF, NULL);
    check_refused(&params, STATUS_NO_SUCH_DEVICE, "a vendor and product that is not there");
    params = select_product(TEST_VENDOR, TEST_PRODUCT, "no such serial number");
    check_refused(&params, STATUS_NO_SUCH_DEVICE, "a serial number that is not there");
    params = select_usage(0xFFEE, 1);
    check_refused(&params, STATUS_NO_SUCH_DEVICE, "a usage that is not there");
    params = select_path("/dev/null");
    check_refused(&params, STATUS_INVALID_PARAMETER, "a node that is no HID device");
    device_end(&device);
}

/* ---- start */

static bool run_test(int argc, char **argv)
{
    const char *test = argc > 1 ? argv[1] : "";
    if (!strcmp(test, "numbered") && argc == 3)
        test_numbered((ULONG)strtoul(argv[2], NULL, 10));
    else if (!strcmp(test, "mouse"))
        test_mouse();
    else if (!strcmp(test, "stop"))
        test_stop();
    else if (!strcmp(test, "unplug"))
        test_unplug();
    else if (!strcmp(test, "queued"))
        test_queued();
    else if (!strcmp(test, "shared"))
        test_shared();
    else if (!strcmp(test, "open"))
        test_open();
    else if (!strcmp(test, "refuse"))
        test_refuse();
    else if (!strcmp(test, "nobody") && argc == 3)
        test_nobody(argv[2]);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, on_watchdog);
    alarm(WATCHDOG_SECONDS);
    if (!run_test(argc, argv)) {
        fprintf(stderr, "usage: hid_stream_test numbered REQUESTS | mouse | stop | unplug | queued | shared | open | refuse\n");
        return 2;
    }
    return any_failed ? 1 : 0;
}
