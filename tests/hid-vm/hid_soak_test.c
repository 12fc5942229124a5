/*
 * hid_soak_test.c: devices are unplugged and come back for the whole time: idle, while they stream, right behind reports, and
 * with a write under way; a watch runs all the while. What arrives is checked as ever, and what the process has is measured.
 */
#define _GNU_SOURCE
#include "hid_test.h"

#include "../soak/measure.h"

#include <stdatomic.h>

static atomic_uint arrivals;
static atomic_uint removals;
static atomic_uint removal_callbacks;
static unsigned overruns;

static VOID on_change(const DMF_HID_DEVICE_INFORMATION *information, BOOLEAN arrived, VOID *context)
{
    (void)information, (void)context;
    atomic_fetch_add(arrived ? &arrivals : &removals, 1);
}

static VOID on_removal(WDFIOTARGET target, VOID *context)
{
    (void)target, (void)context;
    atomic_fetch_add(&removal_callbacks, 1);
}

static VOID on_written(DMFMODULE module, VOID *context, VOID *input, size_t input_bytes, VOID *output, size_t output_bytes,
                       NTSTATUS status)
{
    (void)module, (void)input, (void)input_bytes, (void)output, (void)output_bytes, (void)status;
    atomic_fetch_add((atomic_uint *)context, 1);
}

static void unplug_once(unsigned round)
{
    static UCHAR report[REPORT_SIZE + 1];
    struct scripted_device device;
    struct stream stream;
    atomic_uint written = 0;
    unsigned writes = 0;
    unsigned long sent = 0;
    bool counted = true;

    open_pending_stream(&stream, &device);
    must(DMF_IoTarget_RemovalCallbackSet(stream.target, on_removal, NULL), "RemovalCallbackSet");
    switch (round % 4) {
    case 0: /* idle */
        break;
    case 1: /* while it streams */
        device_say(&device, "stream 1000000 1000");
        wait_for_count(&seen.reports, 50);
        break;
    case 2: /* right behind reports */
        device_say(&device, "blast 40 0");
        break;
    default: /* with writes under way */
        for (; writes < 4; writes++)
            must(DMF_ContinuousRequestTarget_Send(stream.module, report, sizeof report, NULL, 0,
                                                  ContinuousRequestTarget_RequestType_Write, 0, 2000, on_written, &written),
                 "Send");
        break;
    }
    device_say(&device, "destroy");
    device_wait(&device, "DESTROYED");
    wait_for_count(&seen.disconnected, PENDING_REQUESTS);
    sent = round % 4 == 1 || round % 4 == 2 ? device_sent(&device) : 0;
    counted = seen.disconnected == PENDING_REQUESTS && seen.other_failures == 0 && seen.backwards == 0 && seen.reports <= sent;
    /* Where the machine stands still for longer than the kernel has room, reports are lost, and that is suspected. */
    if (!waits_in_slices() && statistics_of(&stream).OverrunsSuspected == 0)
        counted = counted && seen.reports == sent && seen.out_of_order == 0;
    if (!counted)
        check(false, "unplugged", "round %u: %lu of %lu reports, %lu gaps, %lu backwards, %lu of %d Requests ended, %lu failures", round,
              seen.reports, sent, seen.out_of_order, seen.backwards, seen.disconnected, PENDING_REQUESTS, seen.other_failures);
    overruns += statistics_of(&stream).OverrunsSuspected > 0;
    close_stream(&stream);
    if (atomic_load(&written) != writes)
        check(false, "writes end", "round %u: %u of %u", round, atomic_load(&written), writes);
    device_end(&device);
}

void test_soak(unsigned seconds)
{
    const double begin = now_ms();
    DMF_HID_OPEN_PARAMS any;
    MEASURE measure = { 0 };
    WDFDEVICE device = NULL;
    WDFOBJECT watch = NULL;
    unsigned rounds = 0;
    double measured = 0;
    double told = 0;
    double now = 0;

    alarm(seconds + WATCHDOG_SECONDS);
    must(DMF_Device_Create(NULL, &device), "Device_Create");
    DMF_HID_OPEN_PARAMS_INIT(&any);
    must(DMF_Hid_WatchStart(device, &any, on_change, NULL, &watch), "WatchStart");
    while (now < seconds && !any_failed) {
        unplug_once(rounds++);
        now = (now_ms() - begin) / 1000;
        /* Not each time: what the samples take is measured, too. */
        if (now - measured < 1)
            continue;
        measured = now;
        const SAMPLE sample = measure_take(&measure, now);
        if (now - told >= 10) {
            told = now;
            printf("%5.0f s: %6.0f KiB, %u threads, %u descriptors, slot %u; unplugged %u times\n", now, sample.MemoryKib,
                   sample.Threads, sample.Descriptors, sample.Slot, rounds);
        }
    }
    WdfObjectDelete(device);
    check(rounds > 4 && atomic_load(&removal_callbacks) == rounds, "unplugged and replugged",
          "%u times, %u removal callbacks; the watch saw %u arrivals, %u removals; overruns were suspected in %u rounds", rounds,
          atomic_load(&removal_callbacks), atomic_load(&arrivals), atomic_load(&removals), overruns);
    check(measure_judge(&measure, seconds), "memory, threads, descriptors and handles do not grow", "%zu samples", measure.Count);
    measure_end(&measure);
}
