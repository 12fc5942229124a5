/*
 * hid_many_test.c: 64 devices in one process, of which some come and go; one device for long; and what idle streams use.
 */
#define _GNU_SOURCE
#include "hid_test.h"

#include <dirent.h>
#include <sys/resource.h>

enum {
    DEVICES = 64,
    RATE = 25,                        /* reports a second of each */
    LATE_FROM = 56,                   /* these are opened while the others stream; */
    CLOSED_FROM = 40,                 /* these closed, */
    REMOVED_FROM = 48,                /* these unplugged */
    PART_SECONDS = 3,
    RATE_OF_ONE = 1000,
};

/* What one stream's callback saw; written on the library's thread, read under the lock. */
typedef struct {
    pthread_mutex_t lock;
    unsigned long reports;
    unsigned long gaps;
    unsigned long disconnected;
    unsigned long other_failures;
    uint32_t next_sequence;
} STREAM_COUNTS;

WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(STREAM_COUNTS, CountsOf)

static struct member {
    struct scripted_device device;
    struct stream stream;
    char serial[16];
    bool open;
} members[DEVICES];

static EVT_DMF_ContinuousRequestTarget_BufferOutput on_report_of_many;

static ContinuousRequestTarget_BufferDisposition on_report_of_many(DMFMODULE module, VOID *buffer, size_t size, VOID *context,
                                                                   NTSTATUS status)
{
    STREAM_COUNTS *counts = CountsOf(module);
    uint32_t sequence;
    (void)context;
    pthread_mutex_lock(&counts->lock);
    if (NT_SUCCESS(status) && size == REPORT_SIZE) {
        memcpy(&sequence, (const uint8_t *)buffer + SEQUENCE_OFFSET, sizeof sequence);
        counts->reports++;
        counts->gaps += sequence != counts->next_sequence;
        counts->next_sequence = sequence + 1;
    } else if (status == STATUS_DEVICE_NOT_CONNECTED) {
        counts->disconnected++;
    } else {
        counts->other_failures++;
    }
    pthread_mutex_unlock(&counts->lock);
    return NT_SUCCESS(status) ? ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
                              : ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
}

static STREAM_COUNTS counts_of(const struct member *member)
{
    STREAM_COUNTS *counts = CountsOf(member->stream.module);
    STREAM_COUNTS copy;
    pthread_mutex_lock(&counts->lock);
    copy = *counts;
    pthread_mutex_unlock(&counts->lock);
    return copy;
}

static void plug_in(struct member *member, int number)
{
    char *options[] = { "--quiet", "--uniq", member->serial, NULL };
    snprintf(member->serial, sizeof member->serial, "MANY-%02d", number);
    device_start(&member->device, options);
}

static void open_member(struct member *member)
{
    const DMF_HID_OPEN_PARAMS params = select_path(member->device.node);
    WDF_OBJECT_ATTRIBUTES attributes;
    WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, STREAM_COUNTS);
    open_stream_with(&member->stream, &params, PENDING_REQUESTS, REPORT_SIZE, on_report_of_many, &attributes);
    pthread_mutex_init(&CountsOf(member->stream.module)->lock, NULL);
    start_stream(&member->stream);
    member->open = true;
}

static void close_member(struct member *member)
{
    if (member->open)
        close_stream(&member->stream);
    member->open = false;
}

/* Threads of this process with the given name. */
static unsigned threads_called(const char *name)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    unsigned count = 0;
    if (!tasks)
        scripted_die("/proc/self/task");
    while ((entry = readdir(tasks)) != NULL) {
        char path[300];
        char text[32] = "";
        FILE *file;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "r");
        if (!file)
            continue;
        if (fgets(text, sizeof text, file))
            text[strcspn(text, "\n")] = '\0';
        fclose(file);
        count += !strcmp(text, name);
    }
    closedir(tasks);
    return count;
}

static void check_threads(unsigned devices, const char *what)
{
    const unsigned expected = !devices ? 0 : waits_in_slices() ? devices : 1;
    unsigned threads = threads_called("dmf-hid");
    /* A thread that has been joined is listed a moment longer. */
    for (int i = 0; i < QUIET_MS && threads != expected; i++) {
        usleep(1000);
        threads = threads_called("dmf-hid");
    }
    check(threads == expected, what, "%u called dmf-hid for %u devices", threads, devices);
}

static void send_reports(int from, int to)
{
    for (int i = from; i < to; i++)
        device_say(&members[i].device, "stream 1000000 %d", RATE);
}

/* Ends the sending of the devices and says how many reports were lost on their way, of how many. */
static unsigned long end_and_count_lost(int from, int to, unsigned long *sent_in_all, unsigned long *gaps)
{
    unsigned long lost = 0;
    for (int i = from; i < to; i++)
        device_say(&members[i].device, "stop");
    for (int i = from; i < to; i++) {
        char line[256];
        unsigned sent = 0;
        STREAM_COUNTS counts;
        device_wait_line(&members[i].device, "BLAST", line, sizeof line);
        sscanf(line, "BLAST n=%u", &sent);
        for (int j = 0; j < QUIET_MS && counts_of(&members[i]).next_sequence < sent; j++)
            usleep(1000);
        counts = counts_of(&members[i]);
        *sent_in_all += sent;
        lost += sent - counts.reports;
        *gaps += counts.gaps + counts.other_failures + counts.disconnected;
    }
    return lost;
}

static void check_no_loss(int from, int to, const char *what)
{
    unsigned long sent = 0;
    unsigned long gaps = 0;
    unsigned long dropped = 0;
    const unsigned long lost = end_and_count_lost(from, to, &sent, &gaps);
    for (int i = from; i < to; i++)
        dropped += (unsigned long)statistics_of(&members[i].stream).ReportsDropped;
    check(lost == 0 && gaps == 0 && dropped == 0 && sent > 0, what, "%d devices: %lu reports sent, %lu lost, %lu gaps, %lu dropped",
          to - from, sent, lost, gaps, dropped);
}

static void close_some(void)
{
    unsigned long gaps = 0;
    unsigned long reports = 0;
    for (int i = CLOSED_FROM; i < REMOVED_FROM; i++) {
        const STREAM_COUNTS counts = counts_of(&members[i]);
        reports += counts.reports;
        gaps += counts.gaps + counts.disconnected + counts.other_failures;
        close_member(&members[i]);
        device_say(&members[i].device, "stop");
    }
    check(gaps == 0 && reports > 0, "  some are closed", "%d devices: %lu reports until then, %lu gaps",
          REMOVED_FROM - CLOSED_FROM, reports, gaps);
}

static void remove_some(void)
{
    unsigned long gaps = 0;
    unsigned long lost = 0;
    unsigned long sent = 0;
    unsigned long ended = 0;
    for (int i = REMOVED_FROM; i < LATE_FROM; i++) {
        device_say(&members[i].device, "destroy");
        device_wait(&members[i].device, "DESTROYED");
    }
    for (int i = REMOVED_FROM; i < LATE_FROM; i++) {
        STREAM_COUNTS counts;
        unsigned long of_this;
        for (int j = 0; j < QUIET_MS && counts_of(&members[i]).disconnected < PENDING_REQUESTS; j++)
            usleep(1000);
        counts = counts_of(&members[i]);
        of_this = device_sent(&members[i].device);
        sent += of_this;
        lost += of_this - counts.reports;
        gaps += counts.gaps + counts.other_failures;
        ended += counts.disconnected;
    }
    check(gaps == 0 && (lost == 0 || waits_in_slices()) && ended == (LATE_FROM - REMOVED_FROM) * PENDING_REQUESTS,
          "  some are unplugged", "%d devices: %lu reports sent until then, %lu lost, %lu gaps, %lu Requests ended",
          LATE_FROM - REMOVED_FROM, sent, lost, gaps, ended);
}

static double cpu_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* Printed, not judged: it is a time. */
static void note_idle(unsigned seconds)
{
    char what[80];
    double cpu;
    double time;
    usleep(500000);
    time = now_ms();
    cpu = cpu_ms();
    sleep(seconds);
    cpu = cpu_ms() - cpu;
    time = now_ms() - time;
    snprintf(what, sizeof what, "  open streams, idle for %u s", seconds);
    note(what, "%.3f ms of CPU time in %.0f ms: %.4f %% of a core", cpu, time, 100 * cpu / time);
}

void test_many(void)
{
    for (int i = 0; i < DEVICES; i++)
        plug_in(&members[i], i);
    for (int i = 0; i < LATE_FROM; i++)
        open_member(&members[i]);
    check_threads(LATE_FROM, "threads");
    note_idle(PART_SECONDS);
    send_reports(0, LATE_FROM);
    sleep(1);
    for (int i = LATE_FROM; i < DEVICES; i++) {
        open_member(&members[i]);
        send_reports(i, i + 1);
    }
    check_threads(DEVICES, "  all are open");
    sleep(PART_SECONDS);
    close_some();
    check_threads(DEVICES - (REMOVED_FROM - CLOSED_FROM), "  threads");
    remove_some();
    sleep(PART_SECONDS);
    check_no_loss(0, CLOSED_FROM, "25 reports a second each: those that were open all the time");
    check_no_loss(LATE_FROM, DEVICES, "  those that came later");
    for (int i = 0; i < DEVICES; i++)
        close_member(&members[i]);
    check_threads(0, "  all are closed");
    for (int i = 0; i < DEVICES; i++)
        device_end(&members[i].device);
}

/* ---- one, for long */

void test_rate(unsigned seconds)
{
    const unsigned long reports = (unsigned long)seconds * RATE_OF_ONE;
    struct scripted_device device;
    struct stream stream;
    DMF_IO_TARGET_STATISTICS statistics;
    char line[256];
    char what[80];
    alarm(WATCHDOG_SECONDS + 2 * seconds);
    open_pending_stream(&stream, &device);
    device_say(&device, "blast %lu %d", reports, RATE_OF_ONE);
    device_wait_line(&device, "BLAST", line, sizeof line);
    wait_for_count(&seen.reports, reports);
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);
    statistics = statistics_of(&stream);
    snprintf(what, sizeof what, "1,000 reports/s for %u s", seconds);
    check(seen.reports == reports && seen.out_of_order == 0 && seen.calls == reports && statistics.ReportsDropped == 0, what,
          "%lu reports, %lu gaps, %llu dropped; device: %s", seen.reports, seen.out_of_order,
          (unsigned long long)statistics.ReportsDropped, line);
    close_stream(&stream);
    device_end(&device);
}

/* ---- idle */

void test_idle(unsigned seconds)
{
    alarm(WATCHDOG_SECONDS + seconds);
    for (int i = 0; i < DEVICES; i++) {
        plug_in(&members[i], i);
        open_member(&members[i]);
    }
    note_idle(seconds);
    for (int i = 0; i < DEVICES; i++) {
        close_member(&members[i]);
        device_end(&members[i].device);
    }
}
