/*
 * hid_test.h: what the tests of hid_stream_test share: the table, what a stream's callback saw, a target with a stream on it.
 *
 * Times are printed and never judged by the clock.
 */
#ifndef HID_TEST_H
#define HID_TEST_H

#include <dmf.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "scripted_device.h"

enum {
    WATCHDOG_SECONDS = 120,
    REPORT_SIZE = 64,
    LONGEST_REPORT = 512,             /* that any of the tests sends */
    SEQUENCE_OFFSET = 1,              /* behind the report ID */
    QUIET_MS = 3000,                  /* a stream that is silent for so long has ended */
    PENDING_REQUESTS = 4,
    KERNEL_ROOM = 63,                 /* reports that hidraw keeps for one open */
};

#define TEST_VENDOR 0x1209
#define TEST_PRODUCT 0x0001

/* ---- the table: one line per check, the exit status is 0 if all passed */

extern bool any_failed;

__attribute__((format(printf, 3, 4))) void check(bool passed, const char *what, const char *format, ...);
/* What is worth knowing and judges nothing. */
__attribute__((format(printf, 2, 3))) void note(const char *what, const char *format, ...);
void check_status(NTSTATUS status, NTSTATUS expected, const char *what);
/* For steps that are not what the test is about: without them it cannot go on. */
void must(NTSTATUS status, const char *what);

/* ---- what the streams' callback saw */

extern struct seen {
    pthread_mutex_t lock;
    unsigned long calls;
    unsigned long reports;
    unsigned long bytes;
    unsigned long out_of_order;       /* reports whose sequence number is not the one after the last report's */
    unsigned long backwards;          /* those of them whose number is not above the last report's */
    unsigned long of_other_size;
    unsigned long disconnected;       /* calls with STATUS_DEVICE_NOT_CONNECTED and no bytes */
    unsigned long other_failures;
    unsigned long reports_after_failure;
    uint32_t next_sequence;
    size_t expected_size;             /* 0: any */
    bool never_give_up;               /* go on streaming after a failure */
    bool hold;                        /* keep the callback, and so the reading thread, waiting */
    unsigned sleep_us;                /* in each callback */
    pthread_cond_t let_go;
    long dx;
    long dy;
    size_t last_size;
    uint8_t last[LONGEST_REPORT];
} seen;

EVT_DMF_ContinuousRequestTarget_BufferOutput on_output;

void forget_what_was_seen(void);
unsigned long look(const unsigned long *counter);
void hold_the_callback(void);
void let_the_callback_go(void);
/* Waits until the counter has reached the value, or nothing has moved for a while. */
void wait_for_count(const unsigned long *counter, unsigned long value);

double now_ms(void);

/* DMF_HID_WAIT=slices */
bool waits_in_slices(void);

/* ---- a target with a stream on it */

struct stream {
    WDFDEVICE device;
    WDFIOTARGET target;
    DMFMODULE module;
};

extern char *const NO_OPTIONS[];

DMF_HID_OPEN_PARAMS select_path(const char *path);
DMF_HID_OPEN_PARAMS select_usage(USHORT page, USHORT usage);
DMF_HID_OPEN_PARAMS select_product(USHORT vendor, USHORT product, const char *serial);

/* Opens what params select, with a Module on it whose callback is on_output. */
void open_stream(struct stream *stream, const DMF_HID_OPEN_PARAMS *params, ULONG requests);
/* The same for reports of another size, or a callback of one's own. attributes: of the Module; may be NULL. */
void open_stream_with(struct stream *stream, const DMF_HID_OPEN_PARAMS *params, ULONG requests, ULONG buffer_size,
                      EVT_DMF_ContinuousRequestTarget_BufferOutput *callback, WDF_OBJECT_ATTRIBUTES *attributes);
void start_stream(struct stream *stream);
/* Starts a device without options and a stream of PENDING_REQUESTS on it. */
void open_pending_stream(struct stream *stream, struct scripted_device *device);
void close_stream(struct stream *stream);
DMF_IO_TARGET_STATISTICS statistics_of(const struct stream *stream);

/* Holds the callback of one more report: nobody reads then, and what follows waits in the kernel. Counts from 0 again. */
void block_the_reader(struct scripted_device *device);

/* ---- the tests; each is a process of its own (see hid_stream_test.c) */

/* hid_unplug_test.c */
void test_unplug(void);
void test_queued(void);

/* hid_open_test.c */
void test_shared(void);
void test_open(void);
void test_refuse(void);
void test_nobody(const char *path);
void test_wait(void);
void test_wait_as_nobody(const char *path);
void test_watch(void);

/* hid_control_test.c */
void test_control(void);
void test_gadget(void);
void test_errors(void);

/* hid_loss_test.c */
void test_ids(void);
void test_backlog(void);
void test_overrun(void);
void test_restart(void);

/* hid_many_test.c */
void test_many(void);
void test_rate(unsigned seconds);
void test_idle(unsigned seconds);

/* hid_soak_test.c */
void test_soak(unsigned seconds);

#endif
