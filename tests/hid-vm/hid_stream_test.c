/*
 * hid_stream_test: the library against real HID devices. Runs in the virtual machine (guest/hid-stream.sh).
 *
 *   hid_stream_test numbered REQUESTS    10,000 numbered reports at 1,000/s, in order and without loss
 *   hid_stream_test mouse                QEMU's USB mouse, moved from outside
 *   hid_stream_test stop                 StopAndWait on an idle device; give DMF_HID_SLICE_MS=1000 in the environment
 *   hid_stream_test unplug               the device goes away: idle, while it streams, and under a Client that never gives up
 *   hid_stream_test queued               reports that wait in the kernel when the device goes away, and more than it has room for
 *   hid_stream_test shared               one device opened several times: each open gets every report
 *   hid_stream_test open                 ways to open a device, and what is listed
 *   hid_stream_test refuse               opens that must fail
 *   hid_stream_test wait                 opens that wait: for a device that comes later, and for its permission
 *   hid_stream_test watch                arrivals and removals
 *   hid_stream_test ids                  report IDs and sizes: with, without, long, short
 *   hid_stream_test control              each control code, writes
 *   hid_stream_test gadget               strings, features and stalls of a USB device; needs the module group gadget
 *   hid_stream_test errors               devices that do not answer, answer late, or are gone
 *   hid_stream_test backlog              what the library drops is counted exactly
 *   hid_stream_test overrun              what the kernel drops is suspected, and the rest is in order
 *   hid_stream_test restart              what comes while the stream is stopped
 *   hid_stream_test many                 64 devices in one process, of which some are closed, removed, opened
 *   hid_stream_test rate SECONDS         one device at 1,000 reports/s
 *   hid_stream_test soak SECONDS         a device is unplugged and replugged all the time; memory is measured
 *   hid_stream_test idle SECONDS         what 64 open streams use while nothing comes (printed only)
 *
 * DMF_HID_WAIT=descriptor|slices in the environment chooses how the library waits.
 *
 * One line per check; the exit status is 0 if all passed. Each test is a process of its own, so that one that hangs ends
 * by its watchdog and the others still run.
 */
#define _GNU_SOURCE
#include "hid_test.h"

#include <signal.h>

enum {
    REPORTS = 10000,
    REPORTS_PER_SECOND = 1000,
    STOPS = 100,
    STOPS_WITH_REPORTS = 20,
};

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

/* ---- start */

static void on_watchdog(int signal)
{
    static const char message[] = "FAILED  the watchdog ended the test: something hangs\n";
    (void)signal;
    (void)!write(STDOUT_FILENO, message, sizeof message - 1);
    _exit(1);
}

static void run_numbered(const char *requests)
{
    test_numbered((ULONG)strtoul(requests, NULL, 10));
}

static void run_rate(const char *seconds)
{
    test_rate((unsigned)strtoul(seconds, NULL, 10));
}

static void run_soak(const char *seconds)
{
    test_soak((unsigned)strtoul(seconds, NULL, 10));
}

static void run_idle(const char *seconds)
{
    test_idle((unsigned)strtoul(seconds, NULL, 10));
}

static const struct {
    const char *name;
    void (*run)(void);
    void (*run_with)(const char *argument);
} tests[] = {
    { .name = "numbered", .run_with = run_numbered },
    { .name = "mouse", .run = test_mouse },
    { .name = "stop", .run = test_stop },
    { .name = "unplug", .run = test_unplug },
    { .name = "queued", .run = test_queued },
    { .name = "shared", .run = test_shared },
    { .name = "open", .run = test_open },
    { .name = "refuse", .run = test_refuse },
    { .name = "nobody", .run_with = test_nobody },
    { .name = "wait", .run = test_wait },
    { .name = "wait-as-nobody", .run_with = test_wait_as_nobody },
    { .name = "watch", .run = test_watch },
    { .name = "ids", .run = test_ids },
    { .name = "control", .run = test_control },
    { .name = "gadget", .run = test_gadget },
    { .name = "errors", .run = test_errors },
    { .name = "backlog", .run = test_backlog },
    { .name = "overrun", .run = test_overrun },
    { .name = "restart", .run = test_restart },
    { .name = "many", .run = test_many },
    { .name = "rate", .run_with = run_rate },
    { .name = "idle", .run_with = run_idle },
    { .name = "soak", .run_with = run_soak },
};

static bool run_test(const char *name, const char *argument)
{
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        if (strcmp(tests[i].name, name))
            continue;
        if ((tests[i].run_with != NULL) != (argument != NULL))
            return false;
        if (argument)
            tests[i].run_with(argument);
        else
            tests[i].run();
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, on_watchdog);
    alarm(WATCHDOG_SECONDS);
    if (argc < 2 || argc > 3 || !run_test(argv[1], argv[2])) {
        fprintf(stderr, "usage: hid_stream_test TEST [ARGUMENT]; the head of hid_stream_test.c lists them\n");
        return 2;
    }
    return any_failed ? 1 : 0;
}
