/*
 * hid_unplug_test.c: a device goes away: idle, while it streams, with reports that wait in the kernel; and more of them than it has
 * room for.
 *
 * With slices the system loses what it had queued when the device goes; what arrives then is printed ("note") and only its
 * order is judged.
 */
#define _GNU_SOURCE
#include "hid_test.h"

enum { TOO_MANY = 100 };

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

static void unplug(struct scripted_device *device)
{
    device_say(device, "destroy");
    device_wait(device, "DESTROYED");
    wait_for_count(&seen.disconnected, PENDING_REQUESTS);
    /* One that comes too often would come now. */
    usleep(50000);
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
    pthread_mutex_lock(&seen.lock);
    seen.never_give_up = true;
    pthread_mutex_unlock(&seen.lock);
    unplug(&device);
    check_pending_ended("unplugged, and the Client answers \"continue\"");
    check_start_fails(&stream);
    close_stream(&stream);
    device_end(&device);
}

void test_unplug(void)
{
    unplug_an_idle_device();
    unplug_a_streaming_device();
    unplug_right_behind_reports();
    unplug_under_a_stubborn_client();
}

/* ---- queued */

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

void test_queued(void)
{
    unplug_with_reports_queued(40);
    unplug_with_reports_queued(KERNEL_ROOM);
    fill_the_kernel_almost();
    overrun_the_kernel();
}
