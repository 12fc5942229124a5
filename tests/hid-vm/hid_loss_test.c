/*
 * hid_loss_test.c: no report is lost in silence; and what a report is: its ID and its size.
 *
 * The reports are numbered. Of the numbers that are missing, the library has dropped ReportsDropped and the kernel the rest;
 * whenever there is a rest, OverrunsSuspected is above zero.
 */
#define _GNU_SOURCE
#include "hid_test.h"

/* ---- sizes and IDs */

/* Input reports of 300 bytes with ID 1 and of 20 bytes with ID 2; usage page 0xFF00. */
#define LONG_DESCRIPTOR "0600ff0901a101150026ff007508" "8501" "962b01" "09028102" "8502" "9513" "09038102" "c0"
/* Input reports of 300 bytes without ID. */
#define LONG_UNNUMBERED "0600ff0901a101150026ff007508" "962c01" "09028102" "c0"

static char *const LONG_OPTIONS[] = { "--descriptor", LONG_DESCRIPTOR, NULL };
static char *const LONG_UNNUMBERED_OPTIONS[] = { "--unnumbered", "--descriptor", LONG_UNNUMBERED, NULL };
static char *const UNNUMBERED_OPTIONS[] = { "--unnumbered", NULL };

enum { REPORTS_OF_A_SIZE = 20, LONG_SIZE = 300 };

static void check_reports(struct scripted_device *device, unsigned sent_size, unsigned sent_id, size_t size, uint8_t id,
                          const char *what)
{
    pthread_mutex_lock(&seen.lock);
    seen.reports = seen.out_of_order = seen.of_other_size = 0;
    seen.next_sequence = 0;
    seen.expected_size = size;
    pthread_mutex_unlock(&seen.lock);
    device_say(device, "blast %d 1000 %u %u", REPORTS_OF_A_SIZE, sent_size, sent_id);
    device_wait(device, "BLAST");
    wait_for_count(&seen.reports, REPORTS_OF_A_SIZE);
    check(seen.reports == REPORTS_OF_A_SIZE && seen.out_of_order == 0 && seen.of_other_size == 0 && seen.last[0] == id, what,
          "%lu reports of %d, %lu gaps; the last: %zu bytes, ID %u", seen.reports, REPORTS_OF_A_SIZE, seen.out_of_order,
          seen.last_size, seen.last[0]);
}

static void open_sized(struct stream *stream, struct scripted_device *device, char *const options[], ULONG size)
{
    DMF_HID_OPEN_PARAMS params;
    device_start(device, options);
    params = select_path(device->node);
    forget_what_was_seen();
    open_stream_with(stream, &params, PENDING_REQUESTS, size, on_output, WDF_NO_OBJECT_ATTRIBUTES);
}

static void check_too_small(char *const options[], ULONG size, const char *needed, const char *what)
{
    struct scripted_device device;
    struct stream stream;
    NTSTATUS status;
    open_sized(&stream, &device, options, size);
    status = DMF_ContinuousRequestTarget_Start(stream.module);
    check(status == STATUS_BUFFER_TOO_SMALL && strstr(DMF_LastErrorMessageGet(), needed), what, "%s: %s", DMF_StatusName(status),
          DMF_LastErrorMessageGet());
    close_stream(&stream);
    device_end(&device);
}

void test_ids(void)
{
    struct scripted_device device;
    struct stream stream;
    open_sized(&stream, &device, NO_OPTIONS, 64);
    start_stream(&stream);
    check_reports(&device, 64, 1, 64, 1, "with IDs: the longest, into buffers that just fit");
    check_reports(&device, 16, 3, 16, 3, "  a shorter one, with another ID");
    close_stream(&stream);
    device_end(&device);
    open_sized(&stream, &device, UNNUMBERED_OPTIONS, 65);
    start_stream(&stream);
    check_reports(&device, 64, 0, 65, 0, "without IDs: a 0 in front, into buffers that just fit");
    close_stream(&stream);
    device_end(&device);
    open_sized(&stream, &device, LONG_OPTIONS, LONG_SIZE);
    start_stream(&stream);
    check_reports(&device, LONG_SIZE, 1, LONG_SIZE, 1, "300 bytes with their ID");
    check_reports(&device, 20, 2, 20, 2, "  shorter ones of the same device");
    close_stream(&stream);
    device_end(&device);
    open_sized(&stream, &device, LONG_UNNUMBERED_OPTIONS, LONG_SIZE + 1);
    start_stream(&stream);
    check_reports(&device, LONG_SIZE, 0, LONG_SIZE + 1, 0, "300 bytes without ID");
    close_stream(&stream);
    device_end(&device);
    check_too_small(NO_OPTIONS, 63, "64", "buffers one byte too small, with IDs");
    check_too_small(UNNUMBERED_OPTIONS, 64, "65", "  without IDs");
    check_too_small(LONG_OPTIONS, 64, "300", "  for 300 bytes");
}

/* ---- the backlog */

static struct {
    bool keep;                        /* the Client keeps the buffers */
    VOID *kept[PENDING_REQUESTS];
    unsigned count;
} client;

static EVT_DMF_ContinuousRequestTarget_BufferOutput on_output_of_a_busy_client;

static ContinuousRequestTarget_BufferDisposition on_output_of_a_busy_client(DMFMODULE module, VOID *buffer, size_t size,
                                                                            VOID *context, NTSTATUS status)
{
    const ContinuousRequestTarget_BufferDisposition disposition = on_output(module, buffer, size, context, status);
    bool keeps;
    pthread_mutex_lock(&seen.lock);
    keeps = client.keep && client.count < PENDING_REQUESTS;
    if (keeps)
        client.kept[client.count++] = buffer;
    pthread_mutex_unlock(&seen.lock);
    return keeps ? ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming : disposition;
}

static void give_the_buffers_back(const struct stream *stream)
{
    VOID *kept[PENDING_REQUESTS];
    unsigned count;
    pthread_mutex_lock(&seen.lock);
    client.keep = false;
    count = client.count;
    memcpy(kept, client.kept, sizeof kept);
    client.count = 0;
    pthread_mutex_unlock(&seen.lock);
    for (unsigned i = 0; i < count; i++)
        DMF_ContinuousRequestTarget_BufferPut(stream->module, kept[i]);
}

static void set_depth(const struct stream *stream, ULONG depth)
{
    must(DMF_ContinuousRequestTarget_SendSynchronously(stream->module, &depth, sizeof depth, NULL, 0,
                                                       ContinuousRequestTarget_RequestType_Ioctl,
                                                       IOCTL_SET_NUM_DEVICE_INPUT_BUFFERS, QUIET_MS, NULL),
         "set the depth");
}

/* sent = delivered + dropped + lost by the kernel, which is suspected whenever it is not 0. */
static void check_sum(const struct stream *stream, unsigned long sent, const char *what)
{
    const DMF_IO_TARGET_STATISTICS statistics = statistics_of(stream);
    const unsigned long dropped = (unsigned long)statistics.ReportsDropped;
    const unsigned long accounted = seen.reports + dropped;
    const unsigned long lost = sent - accounted;
    check(accounted <= sent && (lost == 0 || statistics.OverrunsSuspected > 0) && seen.backwards == 0, what,
          "%lu sent = %lu delivered + %lu dropped + %ld lost by the kernel; %llu overruns suspected, %lu out of order", sent,
          seen.reports, dropped, (long)lost, (unsigned long long)statistics.OverrunsSuspected, seen.backwards);
}

/* All Requests are with the Client, so what comes waits in the backlog, from which the newest are delivered. */
static void fill_the_backlog(unsigned depth, unsigned sent)
{
    const unsigned kept = sent - PENDING_REQUESTS < depth ? sent - PENDING_REQUESTS : depth;
    const unsigned dropped = sent - PENDING_REQUESTS - kept;
    struct scripted_device device;
    struct stream stream;
    DMF_HID_OPEN_PARAMS params;
    DMF_IO_TARGET_STATISTICS statistics;
    char what[80];
    device_start(&device, NO_OPTIONS);
    params = select_path(device.node);
    forget_what_was_seen();
    client.keep = true;
    client.count = 0;
    open_stream_with(&stream, &params, PENDING_REQUESTS, REPORT_SIZE, on_output_of_a_busy_client, WDF_NO_OBJECT_ATTRIBUTES);
    set_depth(&stream, depth);
    start_stream(&stream);
    device_say(&device, "blast %u 1000", sent);
    device_wait(&device, "BLAST");
    for (int i = 0; i < QUIET_MS && statistics_of(&stream).ReportsDropped < dropped; i++)
        usleep(1000);
    usleep(100000);
    check(look(&seen.reports) == PENDING_REQUESTS, "a Client that keeps all buffers", "%lu reports delivered",
          look(&seen.reports));
    give_the_buffers_back(&stream);
    wait_for_count(&seen.reports, PENDING_REQUESTS + kept);
    usleep(20000);
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);
    statistics = statistics_of(&stream);
    snprintf(what, sizeof what, "  depth %u, %u reports sent", depth, sent);
    check(seen.reports == PENDING_REQUESTS + kept && statistics.ReportsDropped == dropped && seen.next_sequence == sent &&
              seen.out_of_order == (dropped > 0),
          what, "%lu delivered + %llu dropped, %lu gap; the last number is %u", seen.reports,
          (unsigned long long)statistics.ReportsDropped, seen.out_of_order, (unsigned)seen.next_sequence - 1);
    check_sum(&stream, sent, "  nothing is unaccounted for");
    close_stream(&stream);
    device_end(&device);
}

/* A smaller depth keeps the newest and counts the others. */
static void shrink_the_backlog(void)
{
    enum { SENT = 40 };
    struct scripted_device device;
    struct stream stream;
    DMF_HID_OPEN_PARAMS params;
    DMF_IO_TARGET_STATISTICS statistics;
    device_start(&device, NO_OPTIONS);
    params = select_path(device.node);
    forget_what_was_seen();
    client.keep = true;
    client.count = 0;
    open_stream_with(&stream, &params, PENDING_REQUESTS, REPORT_SIZE, on_output_of_a_busy_client, WDF_NO_OBJECT_ATTRIBUTES);
    set_depth(&stream, 64);
    start_stream(&stream);
    device_say(&device, "blast %d 1000", SENT);
    device_wait(&device, "BLAST");
    usleep(200000);
    set_depth(&stream, 5);
    give_the_buffers_back(&stream);
    wait_for_count(&seen.reports, PENDING_REQUESTS + 5);
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);
    statistics = statistics_of(&stream);
    check(seen.reports == PENDING_REQUESTS + 5 && statistics.ReportsDropped == SENT - PENDING_REQUESTS - 5 &&
              seen.next_sequence == SENT,
          "a backlog of 36 made 5 deep", "%lu delivered + %llu dropped of %d; the last number is %u", seen.reports,
          (unsigned long long)statistics.ReportsDropped, SENT, (unsigned)seen.next_sequence - 1);
    close_stream(&stream);
    device_end(&device);
}

void test_backlog(void)
{
    fill_the_backlog(2, 50);
    fill_the_backlog(32, 30);
    fill_the_backlog(32, 200);
    fill_the_backlog(512, 1000);
    shrink_the_backlog();
}

/* ---- overruns of the kernel */

static void overrun(unsigned sleep_us, unsigned count, unsigned rate)
{
    struct scripted_device device;
    struct stream stream;
    unsigned long sent;
    char what[80];
    open_pending_stream(&stream, &device);
    pthread_mutex_lock(&seen.lock);
    seen.sleep_us = sleep_us;
    pthread_mutex_unlock(&seen.lock);
    device_say(&device, "blast %u %u", count, rate);
    device_wait(&device, "BLAST");
    wait_for_count(&seen.reports, count);
    sent = device_sent(&device);
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);
    snprintf(what, sizeof what, "%u reports at %u/s, a callback of %u us", count, rate, sleep_us);
    check_sum(&stream, sent, what);
    if (sleep_us)
        check(seen.reports < sent, "  which is more than can be taken", "%lu of %lu delivered", seen.reports, sent);
    close_stream(&stream);
    device_end(&device);
}

void test_overrun(void)
{
    overrun(5000, 1000, 1000);
    overrun(0, 10000, 0);
    overrun(0, 5000, 5000);
}

/* ---- stopped */

/* What comes while the stream is stopped is old when it starts again. */
void test_restart(void)
{
    enum { ROUNDS = 20, OLD = 40, NEW = 10 };
    struct scripted_device device;
    struct stream stream;
    unsigned long arrived = 0;
    unsigned long gaps = 0;
    DMF_IO_TARGET_STATISTICS statistics;
    open_pending_stream(&stream, &device);
    for (int i = 0; i < ROUNDS; i++) {
        DMF_ContinuousRequestTarget_StopAndWait(stream.module);
        device_say(&device, "blast %d 0", i % 2 ? OLD : 2 * OLD);
        device_wait(&device, "BLAST");
        pthread_mutex_lock(&seen.lock);
        seen.reports = seen.out_of_order = 0;
        seen.next_sequence = 0;
        pthread_mutex_unlock(&seen.lock);
        start_stream(&stream);
        device_say(&device, "blast %d 0", NEW);
        device_wait(&device, "BLAST");
        wait_for_count(&seen.reports, NEW);
        usleep(5000);
        arrived += look(&seen.reports);
        gaps += look(&seen.out_of_order);
    }
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);
    statistics = statistics_of(&stream);
    check(arrived == ROUNDS * NEW && gaps == 0, "stopped, reports come, started: only what comes then arrives",
          "%lu of %d reports in %d rounds, %lu gaps", arrived, ROUNDS * NEW, ROUNDS, gaps);
    check(statistics.ReportsDropped == 0 && statistics.OverrunsSuspected == 0, "  the old ones are not counted",
          "%llu dropped, %llu overruns suspected", (unsigned long long)statistics.ReportsDropped,
          (unsigned long long)statistics.OverrunsSuspected);
    close_stream(&stream);
    device_end(&device);
}
