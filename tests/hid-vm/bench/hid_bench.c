/*
 * hid_bench: from the device's write to the program's code, three ways: a loop on poll and read, a loop on the C library hidapi,
 * and a stream of this library. Runs in the virtual machine.
 *
 *   hid_bench [ROUNDS [REPORTS]]
 *
 * The ways take turns in one boot, so that what slows the machine slows all. Of each round the median latency is taken and the CPU
 * time of this process for each report; printed are the medians of the rounds, and their ratio to poll and read.
 * Then: at which rates each way loses reports.
 */
#define _GNU_SOURCE
#include "../hid_test.h"

#include <fcntl.h>
#include <hidapi/hidapi.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/resource.h>
#include <time.h>

enum { MOST_ROUNDS = 50, MOST_REPORTS = 20000, WAYS = 3, SILENCE_MS = 500, PACE = 1000, TIME_OFFSET = 5 };

/* What one round gives. */
struct round {
    unsigned long reports;
    double latency_us;                /* median */
    double late_us;                   /* 99th of 100 */
    double cpu_us;                    /* for each report */
};

static double latencies[MOST_REPORTS];
static atomic_ulong arrived;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* What each way does with a report: the device's time stands behind ID and number. */
static void take(const uint8_t *report)
{
    const double now = now_us();
    const unsigned long index = atomic_load_explicit(&arrived, memory_order_relaxed);
    uint64_t sent_ns;
    memcpy(&sent_ns, report + TIME_OFFSET, sizeof sent_ns);
    if (index < MOST_REPORTS)
        latencies[index] = now - (double)sent_ns / 1e3;
    atomic_store_explicit(&arrived, index + 1, memory_order_relaxed);
}

/* ---- the ways: each takes reports until none comes for a while, or all have come */

struct reading {
    const char *node;
    unsigned long wanted;
};

static void *read_with_poll(void *context)
{
    const struct reading *reading = context;
    struct pollfd wait = { .fd = open(reading->node, O_RDWR | O_NONBLOCK | O_CLOEXEC), .events = POLLIN };
    uint8_t report[REPORT_SIZE];
    while (atomic_load(&arrived) < reading->wanted && poll(&wait, 1, SILENCE_MS * 4) > 0) {
        if (read(wait.fd, report, sizeof report) == REPORT_SIZE)
            take(report);
    }
    close(wait.fd);
    return NULL;
}

static void *read_with_hidapi(void *context)
{
    const struct reading *reading = context;
    hid_device *device = hid_open_path(reading->node);
    uint8_t report[REPORT_SIZE];
    if (!device)
        scripted_die("hid_open_path");
    while (atomic_load(&arrived) < reading->wanted && hid_read_timeout(device, report, sizeof report, SILENCE_MS * 4) == REPORT_SIZE)
        take(report);
    hid_close(device);
    return NULL;
}

static EVT_DMF_ContinuousRequestTarget_BufferOutput on_benchmark_report;

static ContinuousRequestTarget_BufferDisposition on_benchmark_report(DMFMODULE module, VOID *buffer, size_t size, VOID *context,
                                                                     NTSTATUS status)
{
    (void)module;
    (void)context;
    if (!NT_SUCCESS(status))
        return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    if (size == REPORT_SIZE)
        take(buffer);
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static const char *const names[WAYS] = { "poll and read", "C hidapi", "stream" };
static void *(*const readers[])(void *) = { read_with_poll, read_with_hidapi };

/* ---- a round */

static void wait_for_silence(unsigned long wanted)
{
    unsigned long before = 0;
    double since = now_us();
    while (atomic_load(&arrived) < wanted && now_us() - since < SILENCE_MS * 1e3) {
        const unsigned long now = atomic_load(&arrived);
        if (now != before)
            since = now_us();
        before = now;
        usleep(10000);
    }
}

static struct round measure(struct scripted_device *device, int way, unsigned long reports, unsigned rate)
{
    struct reading reading = { device->node, reports };
    struct stream stream;
    pthread_t thread;
    struct round round = { 0 };
    double cpu;
    atomic_store(&arrived, 0);
    if (way == WAYS - 1) {
        const DMF_HID_OPEN_PARAMS params = select_path(device->node);
        open_stream_with(&stream, &params, PENDING_REQUESTS, REPORT_SIZE, on_benchmark_report, WDF_NO_OBJECT_ATTRIBUTES);
        start_stream(&stream);
    } else if (pthread_create(&thread, NULL, readers[way], &reading)) {
        scripted_die("pthread_create");
    }
    /* It is to be open and to wait. */
    usleep(100000);
    cpu = cpu_us();
    device_say(device, "blast %lu %u", reports, rate);
    device_wait(device, "BLAST");
    wait_for_silence(reports);
    cpu = cpu_us() - cpu;
    if (way == WAYS - 1)
        close_stream(&stream);
    else
        pthread_join(thread, NULL);
    round.reports = atomic_load(&arrived);
    if (round.reports == 0)
        scripted_die("no report arrived");
    qsort(latencies, round.reports, sizeof latencies[0], compare);
    round.latency_us = latencies[round.reports / 2];
    round.late_us = latencies[round.reports * 99 / 100];
    round.cpu_us = cpu / (double)round.reports;
    return round;
}

static double median_of(const struct round *rounds, int count, size_t offset)
{
    double values[MOST_ROUNDS];
    for (int i = 0; i < count; i++)
        values[i] = *(const double *)((const char *)&rounds[i] + offset);
    qsort(values, (size_t)count, sizeof values[0], compare);
    return values[count / 2];
}

static void compare_ways(struct scripted_device *device, int count, unsigned long reports)
{
    static struct round rounds[WAYS][MOST_ROUNDS];
    double latency[WAYS];
    double cpu[WAYS];
    for (int i = 0; i < count; i++) {
        /* Not always in the same order. */
        for (int j = 0; j < WAYS; j++)
            rounds[(i + j) % WAYS][i] = measure(device, (i + j) % WAYS, reports, PACE);
    }
    printf("%d rounds of %lu reports at %d/s; medians in microseconds, and their ratio to poll and read\n", count, reports, PACE);
    printf("%-14s  %9s %6s  %9s  %14s %6s\n", "", "latency", "ratio", "99 of 100", "CPU per report", "ratio");
    for (int way = 0; way < WAYS; way++) {
        latency[way] = median_of(rounds[way], count, offsetof(struct round, latency_us));
        cpu[way] = median_of(rounds[way], count, offsetof(struct round, cpu_us));
        printf("%-14s  %9.1f %6.2f  %9.1f  %14.1f %6.2f\n", names[way], latency[way], latency[way] / latency[0],
               median_of(rounds[way], count, offsetof(struct round, late_us)), cpu[way], cpu[way] / cpu[0]);
    }
}

static void compare_losses(struct scripted_device *device)
{
    static const unsigned rates[] = { 1000, 2000, 4000, 8000, 16000, 0 };
    enum { SECONDS_WORTH = 1, ROUNDS = 2 };
    printf("reports lost, of all sent (0: unpaced); %d rounds each\n%-14s", ROUNDS, "reports/s");
    for (int way = 0; way < WAYS; way++)
        printf("  %14s", names[way]);
    puts("");
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        const unsigned long reports = rates[i] ? (unsigned long)rates[i] * SECONDS_WORTH : 10000;
        const unsigned long of_a_round = reports < MOST_REPORTS ? reports : MOST_REPORTS;
        unsigned long lost[WAYS] = { 0 };
        for (int round = 0; round < ROUNDS; round++) {
            for (int way = 0; way < WAYS; way++)
                lost[way] += of_a_round - measure(device, way, of_a_round, rates[i]).reports;
        }
        printf("%-14u", rates[i]);
        for (int way = 0; way < WAYS; way++)
            printf("  %6lu/%7lu", lost[way], ROUNDS * of_a_round);
        puts(lost[0] == 0 && lost[WAYS - 1] > 0 ? "  the stream lost what the plain loop did not" : "");
    }
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 15;
    const unsigned long reports = argc > 2 ? strtoul(argv[2], NULL, 10) : 500;
    static char *const options[] = { "--quiet", NULL };
    struct scripted_device device;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (rounds < 1 || rounds > MOST_ROUNDS || reports < 1 || reports > MOST_REPORTS) {
        fprintf(stderr, "usage: hid_bench [ROUNDS [REPORTS]]\n");
        return 2;
    }
    device_start(&device, options);
    compare_ways(&device, rounds, reports);
    compare_losses(&device);
    return device_end(&device) != 0;
}
