/*
 * hid_control_test.c: what a HID device does besides sending reports, each control code of dmf/hid.h; and what becomes of a
 * Request when the device does not answer, answers late or is gone.
 */
#define _GNU_SOURCE
#include "hid_test.h"

#include <poll.h>
#include <stdatomic.h>

#define IOCTL ContinuousRequestTarget_RequestType_Ioctl
#define INTERNAL ContinuousRequestTarget_RequestType_InternalIoctl
#define READ ContinuousRequestTarget_RequestType_Read
#define WRITE ContinuousRequestTarget_RequestType_Write

enum {
    GET_ONE_AT_MOST_MS = 20000,       /* for Requests that are to be answered */
    SHORT_MS = 200,
    LATE_MS = 3000,
    UNTOUCHED = 0x5A,
};

/* What one Request transferred. */
struct answer {
    NTSTATUS status;
    size_t bytes;
};

struct request {
    ContinuousRequestTarget_RequestType type;
    ULONG code;
    const void *in;
    size_t in_length;
    void *out;
    size_t out_length;
    ULONG timeout_ms;
};

static struct answer send_request(const struct stream *stream, struct request request)
{
    struct answer answer = { .bytes = 12345 };
    uint8_t in[LONGEST_REPORT];
    if (request.in_length > sizeof in)
        scripted_die("a request of the test is too long");
    if (request.in_length)
        memcpy(in, request.in, request.in_length);
    answer.status = DMF_ContinuousRequestTarget_SendSynchronously(
        stream->module, request.in_length ? in : NULL, request.in_length, request.out, request.out_length, request.type,
        request.code, request.timeout_ms ? request.timeout_ms : (ULONG)GET_ONE_AT_MOST_MS, &answer.bytes);
    return answer;
}

/* A Request that brings something: byte 0 of out is set on entry. */
static struct answer get(const struct stream *stream, ULONG code, uint8_t id, uint8_t *out, size_t length)
{
    memset(out, UNTOUCHED, length);
    if (length > 0)
        out[0] = id;
    return send_request(stream, (struct request){ .type = IOCTL, .code = code, .out = out, .out_length = length });
}

static struct answer put(const struct stream *stream, ContinuousRequestTarget_RequestType type, ULONG code,
                         const uint8_t *in, size_t length)
{
    return send_request(stream, (struct request){ .type = type, .code = code, .in = in, .in_length = length });
}

static void check_answer(struct answer answer, NTSTATUS status, size_t bytes, const char *what)
{
    check(answer.status == status && answer.bytes == bytes, what, "%s, %zu bytes%s", DMF_StatusName(answer.status),
          answer.bytes, answer.status == status && answer.bytes == bytes ? "" : " (not as expected)");
}

static void check_bytes(struct answer answer, const uint8_t *got, const uint8_t *expected, size_t length, const char *what)
{
    const bool same = answer.status == STATUS_SUCCESS && answer.bytes == length && !memcmp(got, expected, length);
    check(same, what, "%s, %zu of %zu bytes%s", DMF_StatusName(answer.status), answer.bytes, length,
          same ? ", as they should be" : ", or others");
}

static bool is_untouched(const uint8_t *buffer, size_t from, size_t length)
{
    for (size_t i = from; i < length; i++) {
        if (buffer[i] != UNTOUCHED)
            return false;
    }
    return true;
}

/* A report: its ID, then first, first + 1, … */
static void fill(uint8_t *report, uint8_t id, uint8_t first, size_t length)
{
    report[0] = id;
    for (size_t i = 1; i < length; i++)
        report[i] = (uint8_t)(first + i - 1);
}

static void open_device(struct stream *stream, struct scripted_device *device, char *const options[])
{
    DMF_HID_OPEN_PARAMS params;
    device_start(device, options);
    params = select_path(device->node);
    open_stream(stream, &params, PENDING_REQUESTS);
}

static char *const UNNUMBERED[] = { "--unnumbered", NULL };
static char *const NAMED[] = { "--name", "vendor test thing", "--uniq", "S/N \xC3\xA9-7", NULL };

/* ---- a Request that is not waited for */

static struct {
    atomic_int calls;
    _Atomic NTSTATUS status;
} ended;

static EVT_DMF_ContinuousRequestTarget_SendCompletion on_end;

static VOID on_end(DMFMODULE module, VOID *context, VOID *input, size_t written, VOID *output, size_t read, NTSTATUS status)
{
    (void)module, (void)context, (void)input, (void)written, (void)output, (void)read;
    atomic_store(&ended.status, status);
    atomic_fetch_add(&ended.calls, 1);
}

static void forget_the_end(void)
{
    atomic_store(&ended.calls, 0);
}

/* How it ended; STATUS_PENDING if it did not. */
static NTSTATUS wait_for_the_end(void)
{
    for (int i = 0; i < GET_ONE_AT_MOST_MS && !atomic_load(&ended.calls); i++)
        usleep(1000);
    return atomic_load(&ended.calls) == 1 ? atomic_load(&ended.status) : STATUS_PENDING;
}

/* ---- features, reports on request, writes */

static void check_features(struct stream *stream, bool numbered)
{
    const uint8_t id = numbered ? 2 : 0;
    const size_t length = numbered ? 32 : 65;
    uint8_t expected[65];
    uint8_t got[65 + 1];
    struct answer answer;
    fill(expected, id, numbered ? 0xA1 : 0x81, length);
    answer = get(stream, IOCTL_HID_GET_FEATURE, id, got, length);
    check_bytes(answer, got, expected, length, numbered ? "get feature, with ID" : "get feature, without IDs");
    fill(expected, id, 0x11, length);
    check_answer(put(stream, IOCTL, IOCTL_HID_SET_FEATURE, expected, length), STATUS_SUCCESS, 0, "  set feature");
    answer = get(stream, IOCTL_HID_GET_FEATURE, id, got, sizeof got);
    check_bytes(answer, got, expected, length, "  get it back, into a larger buffer");
    check(is_untouched(got, length, sizeof got), "  what is behind it stays as it was", "%zu bytes", sizeof got - length);
    answer = get(stream, IOCTL_HID_GET_FEATURE, id, got, length - 1);
    check_answer(answer, STATUS_INVALID_BUFFER_SIZE, 0, "  get into a buffer that is one byte too short");
    check(is_untouched(got, 1, length - 1), "  which stays as it was", "%zu bytes", length - 1);
    check_answer(get(stream, IOCTL_HID_GET_FEATURE, id, got, 0), STATUS_INVALID_BUFFER_SIZE, 0, "  get into nothing");
    memset(got, 0, sizeof got);
    got[0] = id;
    check_answer(put(stream, IOCTL, IOCTL_HID_SET_FEATURE, got, length + 1), STATUS_INVALID_BUFFER_SIZE, 0,
                 "  set with one byte too many");
    check_answer(put(stream, IOCTL, IOCTL_HID_SET_FEATURE, NULL, 0), STATUS_INVALID_BUFFER_SIZE, 0, "  set with nothing");
}

static void check_input_on_request(struct stream *stream, struct scripted_device *device, bool numbered)
{
    const size_t length = numbered ? 64 : 65;
    uint8_t expected[65] = { 0 };
    uint8_t got[65];
    struct answer answer;
    /* The device keeps what it sent last, which nobody reads here. */
    expected[0] = numbered ? 1 : 0;
    expected[1] = 0x77;
    device_say(device, "input %s77%0*d", numbered ? "01" : "", numbered ? 124 : 126, 0);
    device_wait(device, "OK");
    answer = get(stream, IOCTL_HID_GET_INPUT_REPORT, expected[0], got, length);
    check_bytes(answer, got, expected, length, numbered ? "get input report, with ID" : "get input report, without IDs");
    answer = get(stream, IOCTL_HID_GET_INPUT_REPORT, expected[0], got, length - 1);
    check_answer(answer, STATUS_INVALID_BUFFER_SIZE, 0, "  into a buffer that is one byte too short");
}

/* The device prints what it gets, with the ID that the kernel hands through. */
static void check_output(struct stream *stream, struct scripted_device *device, bool numbered)
{
    static const struct {
        ContinuousRequestTarget_RequestType type;
        ULONG code;
        const char *what;
    } ways[] = {
        { WRITE, 0, "Write" },
        { INTERNAL, IOCTL_HID_WRITE_REPORT, "write report" },
        { IOCTL, IOCTL_HID_SET_OUTPUT_REPORT, "set output report" },
    };
    const size_t length = numbered ? 64 : 65;
    uint8_t report[66];
    char line[512];
    char what[80];
    device_say(device, "echo off");
    device_wait(device, "OK");
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const bool is_write = ways[i].type != IOCTL;
        size_t arrived = 0;
        char data[65] = "";
        char expected[65] = "";
        struct answer answer;
        fill(report, numbered ? 1 : 0, (uint8_t)(0x21 + 0x10 * i), length);
        for (int byte = 0; byte < 32; byte++)
            snprintf(expected + 2 * byte, 3, "%02x", report[byte]);
        answer = put(stream, ways[i].type, ways[i].code, report, length);
        snprintf(what, sizeof what, "%s, %s", ways[i].what, numbered ? "with ID" : "without IDs");
        check_answer(answer, STATUS_SUCCESS, is_write ? length : 0, what);
        device_wait_line(device, "OUTPUT", line, sizeof line);
        sscanf(line, "OUTPUT rtype=output len=%zu %64[0-9a-f]", &arrived, data);
        check(arrived == length && !strcmp(data, expected), "  the device gets it", "%s", line);
        report[length] = 0;
        check_answer(put(stream, ways[i].type, ways[i].code, report, length + 1), STATUS_INVALID_BUFFER_SIZE, 0,
                     "  one byte too many");
        check_answer(put(stream, ways[i].type, ways[i].code, report, 0), STATUS_INVALID_BUFFER_SIZE, 0, "  nothing");
    }
    device_say(device, "echo on");
    device_wait(device, "OK");
}

/* The next report, by a Request of its own; without a stream. */
static void check_single_reads(struct stream *stream, struct scripted_device *device)
{
    static const struct {
        ContinuousRequestTarget_RequestType type;
        ULONG code;
        const char *what;
    } ways[] = {
        { READ, 0, "a single Read" },
        { INTERNAL, IOCTL_HID_READ_REPORT, "read report" },
    };
    uint8_t got[LONGEST_REPORT];
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct request request = { .type = ways[i].type, .code = ways[i].code, .out = got, .out_length = 64 };
        uint32_t sequence = 0;
        struct answer answer;
        /* What came before the Request is old; so reports come all the time. */
        device_say(device, "stream 100000 200");
        answer = send_request(stream, request);
        device_say(device, "stop");
        device_wait(device, "BLAST");
        memcpy(&sequence, got + 1, sizeof sequence);
        check(answer.status == STATUS_SUCCESS && answer.bytes == 64 && got[0] == 1, ways[i].what,
              "%s, %zu bytes, ID %02x, number %u", DMF_StatusName(answer.status), answer.bytes, got[0], sequence);
        request.out_length = 63;
        check_answer(send_request(stream, request), STATUS_INVALID_BUFFER_SIZE, 0, "  into a buffer that is too short");
        request.out_length = 64;
        request.timeout_ms = SHORT_MS;
        check_answer(send_request(stream, request), STATUS_IO_TIMEOUT, 0, "  when none comes");
    }
}

/* ---- what the library knows of the device */

static void check_text(struct stream *stream, ULONG code, const char *expected, const char *what)
{
    uint16_t text[128];
    uint16_t wide[128];
    size_t units = 0;
    struct answer answer;
    /* The texts of these tests are ASCII but for one Latin letter in two bytes. */
    for (const char *byte = expected; *byte; byte++) {
        const uint8_t value = (uint8_t)*byte;
        wide[units++] = value < 0x80 ? value : (uint16_t)((value & 0x1F) << 6 | (*++byte & 0x3F));
    }
    wide[units++] = 0;
    answer = get(stream, code, UNTOUCHED, (uint8_t *)text, sizeof text);
    check_bytes(answer, (uint8_t *)text, (uint8_t *)wide, 2 * units, what);
    answer = get(stream, code, UNTOUCHED, (uint8_t *)text, 2 * units);
    check_bytes(answer, (uint8_t *)text, (uint8_t *)wide, 2 * units, "  into a buffer that just fits");
    answer = get(stream, code, UNTOUCHED, (uint8_t *)text, 2 * units - 1);
    check(answer.status == STATUS_INVALID_BUFFER_SIZE && answer.bytes == 0 &&
              is_untouched((uint8_t *)text, 0, 2 * units - 1),
          "  into one byte less: nothing is written", "%s, %zu bytes", DMF_StatusName(answer.status), answer.bytes);
}

static size_t read_file(const char *path, uint8_t *data, size_t capacity)
{
    FILE *file = fopen(path, "r");
    size_t length;
    if (!file)
        scripted_die(path);
    length = fread(data, 1, capacity, file);
    fclose(file);
    return length;
}

static void check_descriptor(struct stream *stream, const char *node)
{
    uint8_t expected[4096];
    uint8_t got[4096 + 16];
    char path[128];
    struct request request = { .type = INTERNAL, .code = IOCTL_HID_GET_REPORT_DESCRIPTOR, .out = got };
    size_t length;
    snprintf(path, sizeof path, "/sys/class/hidraw/%s/device/report_descriptor", strrchr(node, '/') + 1);
    length = read_file(path, expected, sizeof expected);
    request.out_length = sizeof got;
    check_bytes(send_request(stream, request), got, expected, length, "report descriptor, as the kernel shows it");
    request.out_length = length - 1;
    check_answer(send_request(stream, request), STATUS_INVALID_BUFFER_SIZE, 0, "  into a buffer that is too short");
}

static void check_identity(struct stream *stream, USHORT version)
{
    HID_COLLECTION_INFORMATION collection;
    HID_DEVICE_ATTRIBUTES attributes;
    struct request request = { .type = IOCTL, .code = IOCTL_HID_GET_COLLECTION_INFORMATION, .out = &collection };
    struct answer answer;
    memset(&collection, UNTOUCHED, sizeof collection);
    request.out_length = sizeof collection;
    answer = send_request(stream, request);
    check(answer.status == STATUS_SUCCESS && answer.bytes == 12 && collection.VendorID == TEST_VENDOR &&
              collection.ProductID == TEST_PRODUCT && collection.VersionNumber == version && !collection.Polled &&
              collection.DescriptorSize > 20,
          "collection information", "%s, %zu bytes: %04x:%04x version %04x, descriptor %u bytes",
          DMF_StatusName(answer.status), answer.bytes, collection.VendorID, collection.ProductID,
          collection.VersionNumber, (unsigned)collection.DescriptorSize);
    request.out_length = 11;
    check_answer(send_request(stream, request), STATUS_INVALID_BUFFER_SIZE, 0, "  into 11 bytes");

    memset(&attributes, UNTOUCHED, sizeof attributes);
    request = (struct request){ .type = INTERNAL, .code = IOCTL_HID_GET_DEVICE_ATTRIBUTES, .out = &attributes,
                                .out_length = sizeof attributes };
    answer = send_request(stream, request);
    check(answer.status == STATUS_SUCCESS && answer.bytes == 32 && attributes.Size == 32 &&
              attributes.VendorID == TEST_VENDOR && attributes.ProductID == TEST_PRODUCT &&
              attributes.VersionNumber == version && attributes.Reserved[10] == 0,
          "device attributes", "%s, %zu bytes: %04x:%04x version %04x", DMF_StatusName(answer.status), answer.bytes,
          attributes.VendorID, attributes.ProductID, attributes.VersionNumber);
    request.out_length = 31;
    check_answer(send_request(stream, request), STATUS_INVALID_BUFFER_SIZE, 0, "  into 31 bytes");
}

static void check_depth(struct stream *stream)
{
    static const struct {
        ULONG depth;
        bool accepted;
    } depths[] = { { 2, true }, { 512, true }, { 1, false }, { 513, false }, { 0, false }, { 0xFFFFFFFF, false }, { 32, true } };
    struct request get_depth = { .type = IOCTL, .code = IOCTL_GET_NUM_DEVICE_INPUT_BUFFERS };
    ULONG depth = 0;
    ULONG expected = 32;
    char what[80];
    get_depth.out = &depth;
    get_depth.out_length = sizeof depth;
    check(send_request(stream, get_depth).status == STATUS_SUCCESS && depth == expected, "input buffers at first", "%u",
          (unsigned)depth);
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        struct answer answer = put(stream, IOCTL, IOCTL_SET_NUM_DEVICE_INPUT_BUFFERS, (const uint8_t *)&depths[i].depth, 4);
        if (depths[i].accepted)
            expected = depths[i].depth;
        send_request(stream, get_depth);
        snprintf(what, sizeof what, "  set to %u", (unsigned)depths[i].depth);
        check(answer.status == (depths[i].accepted ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER) && depth == expected, what,
              "%s, then %u", DMF_StatusName(answer.status), (unsigned)depth);
    }
    check_answer(put(stream, IOCTL, IOCTL_SET_NUM_DEVICE_INPUT_BUFFERS, (const uint8_t *)&depth, 3),
                 STATUS_INVALID_BUFFER_SIZE, 0, "  set with 3 bytes");
    get_depth.out_length = 3;
    check_answer(send_request(stream, get_depth), STATUS_INVALID_BUFFER_SIZE, 0, "  get into 3 bytes");
}

static void check_unknown_codes(struct stream *stream)
{
    static const struct {
        ContinuousRequestTarget_RequestType type;
        ULONG code;
        NTSTATUS status;
        const char *what;
    } codes[] = {
        { IOCTL, 0x000B0FFF, STATUS_INVALID_DEVICE_REQUEST, "an unknown code" },
        { IOCTL, 0, STATUS_INVALID_DEVICE_REQUEST, "  0" },
        { INTERNAL, 0x000B0FFF, STATUS_INVALID_DEVICE_REQUEST, "  an unknown internal one" },
        { IOCTL, IOCTL_HID_GET_DEVICE_ATTRIBUTES, STATUS_INVALID_DEVICE_REQUEST, "  an internal one as an Ioctl" },
        { IOCTL, IOCTL_HID_READ_REPORT, STATUS_INVALID_DEVICE_REQUEST, "  another" },
        { INTERNAL, IOCTL_HID_GET_FEATURE, STATUS_INVALID_DEVICE_REQUEST, "  an Ioctl as an internal one" },
    };
    const ULONG index = 1;
    uint8_t out[64];
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const struct request request = { .type = codes[i].type, .code = codes[i].code, .out = out, .out_length = sizeof out };
        check_answer(send_request(stream, request), codes[i].status, 0, codes[i].what);
    }
    check_answer(send_request(stream, (struct request){ .type = IOCTL, .code = IOCTL_HID_GET_INDEXED_STRING, .in = &index,
                                                        .in_length = 4, .out = out, .out_length = sizeof out }),
                 STATUS_NOT_SUPPORTED, 0, "indexed string: hidraw has none");
}

/* Asked for while whoever reads is held: so it comes before what waits in the kernel. */
static void check_flush(struct stream *stream, struct scripted_device *device)
{
    enum { OLD = 20, NEW = 5 };
    start_stream(stream);
    block_the_reader(device);
    device_say(device, "blast %d 0", OLD);
    device_wait(device, "BLAST");
    forget_the_end();
    must(DMF_ContinuousRequestTarget_Send(stream->module, NULL, 0, NULL, 0, IOCTL, IOCTL_HID_FLUSH_QUEUE, 0, on_end, NULL),
         "send a flush");
    let_the_callback_go();
    check(wait_for_the_end() == STATUS_SUCCESS, "flush", "%s", DMF_StatusName(ended.status));
    device_say(device, "blast %d 0", NEW);
    device_wait(device, "BLAST");
    wait_for_count(&seen.reports, NEW);
    usleep(50000);
    DMF_ContinuousRequestTarget_StopAndWait(stream->module);
    check(seen.reports == NEW && seen.out_of_order == 0 && statistics_of(stream).ReportsDropped == 0,
          "  what waited is gone and not counted, what comes arrives", "%lu reports of %d and %d, %llu dropped",
          seen.reports, OLD, NEW, (unsigned long long)statistics_of(stream).ReportsDropped);
}

void test_control(void)
{
    struct scripted_device device;
    struct stream stream;
    open_device(&stream, &device, NAMED);
    check_features(&stream, true);
    check_input_on_request(&stream, &device, true);
    check_output(&stream, &device, true);
    check_single_reads(&stream, &device);
    check_text(&stream, IOCTL_HID_GET_MANUFACTURER_STRING, "", "manufacturer: a uhid device has none");
    check_text(&stream, IOCTL_HID_GET_PRODUCT_STRING, "vendor test thing", "product");
    check_text(&stream, IOCTL_HID_GET_SERIALNUMBER_STRING, "S/N \xC3\xA9-7", "serial number, not all ASCII");
    check_descriptor(&stream, device.node);
    check_identity(&stream, 0);
    check_depth(&stream);
    check_unknown_codes(&stream);
    check_flush(&stream, &device);
    close_stream(&stream);
    device_end(&device);
    open_device(&stream, &device, UNNUMBERED);
    check_features(&stream, false);
    check_input_on_request(&stream, &device, false);
    check_output(&stream, &device, false);
    close_stream(&stream);
    device_end(&device);
}

/* ---- a USB device */

/* The gadget's node appears when the host has asked it everything. */
static void open_gadget(struct stream *stream)
{
    DMF_HID_OPEN_PARAMS params = select_product(TEST_VENDOR, 0x0002, NULL);
    params.WaitMilliseconds = GET_ONE_AT_MOST_MS;
    open_stream(stream, &params, PENDING_REQUESTS);
}

void test_gadget(void)
{
    static char *const arguments[] = { "usb-gadget", "--pid", "0x0002", "--serial", "USB-77", NULL };
    struct scripted_device device;
    struct stream stream;
    uint8_t report[64];
    uint8_t got[64];
    struct answer answer;
    scripted_spawn(&device, arguments);
    open_gadget(&stream);
    check_text(&stream, IOCTL_HID_GET_MANUFACTURER_STRING, "hid-vm", "a USB device's manufacturer");
    check_text(&stream, IOCTL_HID_GET_PRODUCT_STRING, "gadget test device", "  product");
    check_text(&stream, IOCTL_HID_GET_SERIALNUMBER_STRING, "USB-77", "  serial number");
    check_features(&stream, true);
    start_stream(&stream);
    fill(report, 1, 0x31, sizeof report);
    check_answer(put(&stream, WRITE, 0, report, sizeof report), STATUS_SUCCESS, sizeof report, "  Write");
    wait_for_count(&seen.reports, 1);
    check(seen.reports == 1 && seen.last_size == 64 && !memcmp(seen.last, report, 64), "  it comes back as a report",
          "%lu report, %zu bytes", seen.reports, seen.last_size);
    device_say(&device, "stall on");
    device_wait(&device, "OK");
    answer = get(&stream, IOCTL_HID_GET_FEATURE, 2, got, 32);
    check(answer.status == STATUS_UNSUCCESSFUL && answer.bytes == 0 && is_untouched(got, 1, 32), "  it stalls: get feature",
          "%s, %zu bytes", DMF_StatusName(answer.status), answer.bytes);
    fill(report, 2, 0x41, 32);
    check_answer(put(&stream, IOCTL, IOCTL_HID_SET_FEATURE, report, 32), STATUS_UNSUCCESSFUL, 0, "  and set feature");
    device_say(&device, "stall off");
    device_wait(&device, "OK");
    check_answer(put(&stream, IOCTL, IOCTL_HID_SET_FEATURE, report, 32), STATUS_SUCCESS, 0, "  set feature afterwards");
    device_say(&device, "unplug");
    wait_for_count(&seen.disconnected, PENDING_REQUESTS);
    check(seen.disconnected == PENDING_REQUESTS && seen.other_failures == 0, "  unplugged: the stream's Requests end",
          "%lu of %d with STATUS_DEVICE_NOT_CONNECTED", seen.disconnected, PENDING_REQUESTS);
    check_answer(put(&stream, WRITE, 0, report, sizeof report), STATUS_DEVICE_NOT_CONNECTED, 0, "  Write afterwards");
    close_stream(&stream);
    device_say(&device, "plug");
    open_gadget(&stream);
    answer = get(&stream, IOCTL_HID_GET_FEATURE, 2, got, 32);
    check_bytes(answer, got, report, 32, "  plugged in again: it has its feature still");
    close_stream(&stream);
    device_say(&device, "quit");
    device_end(&device);
}

/* ---- what goes wrong */

/* Whether the device has said nothing since: so what was measured came before its answer. */
static bool has_said_nothing(struct scripted_device *device)
{
    struct pollfd wait = { .fd = fileno(device->events), .events = POLLIN };
    return poll(&wait, 1, 0) == 0;
}

/*
 * The device is told to answer late, and behind that to print its counts: until they come it has not answered. All that it
 * prints before is read away here, so that poll sees what comes.
 */
static void answer_late(struct scripted_device *device)
{
    device_say(device, "delay %d", LATE_MS);
    device_wait(device, "OK");
}

static void expect_request(struct scripted_device *device)
{
    device_wait(device, "GET_REPORT");
    device_say(device, "stats");
}

static void time_out(void)
{
    struct scripted_device device;
    struct stream stream;
    uint8_t got[32];
    struct answer answer;
    double before;
    open_device(&stream, &device, NO_OPTIONS);
    answer_late(&device);
    memset(got, UNTOUCHED, sizeof got);
    got[0] = 2;
    before = now_ms();
    answer = send_request(&stream, (struct request){ .type = IOCTL, .code = IOCTL_HID_GET_FEATURE, .out = got,
                                                     .out_length = sizeof got, .timeout_ms = SHORT_MS });
    expect_request(&device);
    check(answer.status == STATUS_IO_TIMEOUT && answer.bytes == 0 && has_said_nothing(&device),
          "a device that answers late: the caller is told at his time-out", "%s after %.0f ms of %d",
          DMF_StatusName(answer.status), now_ms() - before, LATE_MS);
    device_wait(&device, "STATS");
    usleep(100000);
    check(got[0] == 2 && is_untouched(got, 1, sizeof got), "  when the answer comes his buffer stays as it was", "%zu bytes",
          sizeof got);
    device_say(&device, "delay 0");
    device_wait(&device, "OK");
    answer = get(&stream, IOCTL_HID_GET_FEATURE, 2, got, sizeof got);
    check(answer.status == STATUS_SUCCESS && got[1] == 0xA1, "  the next Request is answered", "%s, %zu bytes",
          DMF_StatusName(answer.status), answer.bytes);

    device_say(&device, "getmode silent");
    device_wait(&device, "OK");
    answer = send_request(&stream, (struct request){ .type = IOCTL, .code = IOCTL_HID_GET_FEATURE, .out = got,
                                                     .out_length = sizeof got, .timeout_ms = SHORT_MS });
    check_answer(answer, STATUS_IO_TIMEOUT, 0, "a device that never answers: the caller is told at his time-out");
    device_say(&device, "getmode error");
    device_wait(&device, "OK");
    /* The system gives the silent one up after some seconds; this one waits for that. */
    answer = get(&stream, IOCTL_HID_GET_FEATURE, 2, got, sizeof got);
    check(answer.status == STATUS_UNSUCCESSFUL && answer.bytes == 0 && is_untouched(got, 1, sizeof got),
          "a device that answers with an error", "%s, %zu bytes", DMF_StatusName(answer.status), answer.bytes);
    close_stream(&stream);
    device_end(&device);
}

/* While the device thinks, the stream goes on, stops, and the target is deleted. */
static void delete_while_the_device_thinks(void)
{
    struct scripted_device device;
    struct stream stream;
    static uint8_t got[32];
    double before;
    open_device(&stream, &device, NO_OPTIONS);
    start_stream(&stream);
    answer_late(&device);
    memset(got, UNTOUCHED, sizeof got);
    got[0] = 2;
    forget_the_end();
    must(DMF_ContinuousRequestTarget_Send(stream.module, NULL, 0, got, sizeof got, IOCTL, IOCTL_HID_GET_FEATURE, 0, on_end, NULL),
         "send");
    expect_request(&device);
    before = now_ms();
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);
    check(has_said_nothing(&device), "StopAndWait does not wait for a control request", "%.1f ms of %d", now_ms() - before,
          LATE_MS);
    check(atomic_load(&ended.calls) == 0, "  which it leaves alone", "%d callbacks", atomic_load(&ended.calls));
    before = now_ms();
    DMF_ContinuousRequestTarget_IoTargetClear(stream.module);
    WdfObjectDelete(stream.module);
    WdfObjectDelete(stream.target);
    WdfObjectDelete(stream.device);
    /* hidraw does not close one open of a device while another one's control request lasts, and slices take two. */
    if (waits_in_slices())
        note("deleting", "%.1f ms of %d", now_ms() - before, LATE_MS);
    else
        check(has_said_nothing(&device), "deleting does not wait for it either", "%.1f ms of %d", now_ms() - before, LATE_MS);
    check(atomic_load(&ended.calls) == 1 && atomic_load(&ended.status) == STATUS_CANCELLED, "  it ends as canceled",
          "%d callback, %s", atomic_load(&ended.calls), DMF_StatusName(atomic_load(&ended.status)));
    device_wait(&device, "STATS");
    usleep(100000);
    check(is_untouched(got, 1, sizeof got), "  and its buffer stays as it was when the answer comes", "%zu bytes", sizeof got);
    device_end(&device);
}

/* The device goes away while it is asked, and is asked when it has gone. */
static void gone(void)
{
    struct scripted_device device;
    struct stream stream;
    uint8_t report[64];
    uint8_t got[64];
    struct answer answer;
    open_device(&stream, &device, NO_OPTIONS);
    fill(report, 1, 1, sizeof report);
    check_answer(put(&stream, WRITE, 0, report, sizeof report), STATUS_SUCCESS, sizeof report, "Write while it is there");
    device_say(&device, "getmode silent");
    device_wait(&device, "OK");
    forget_the_end();
    got[0] = 2;
    must(DMF_ContinuousRequestTarget_Send(stream.module, NULL, 0, got, 32, IOCTL, IOCTL_HID_GET_FEATURE, 0, on_end, NULL), "send");
    device_wait(&device, "GET_REPORT");
    device_say(&device, "destroy");
    device_wait(&device, "DESTROYED");
    check(!NT_SUCCESS(wait_for_the_end()), "unplugged while it is asked: the Request ends",
          "%d callback, %s", atomic_load(&ended.calls), DMF_StatusName(atomic_load(&ended.status)));
    /* Nobody reads it; so a Request may be the first to notice. */
    answer = put(&stream, WRITE, 0, report, sizeof report);
    check_answer(answer, STATUS_DEVICE_NOT_CONNECTED, 0, "  Write afterwards");
    check_answer(put(&stream, IOCTL, IOCTL_HID_SET_OUTPUT_REPORT, report, sizeof report), STATUS_DEVICE_NOT_CONNECTED, 0,
                 "  set output report");
    check_answer(get(&stream, IOCTL_HID_GET_FEATURE, 2, got, sizeof got), STATUS_DEVICE_NOT_CONNECTED, 0, "  get feature");
    answer = send_request(&stream, (struct request){ .type = READ, .out = got, .out_length = sizeof got });
    check_answer(answer, STATUS_DEVICE_NOT_CONNECTED, 0, "  Read");
    close_stream(&stream);
    device_end(&device);
}

/* The removal is told, once, whether somebody reads or not. */
static atomic_int removals;

static EVT_DMF_IoTarget_Removal on_removal;

static VOID on_removal(WDFIOTARGET target, VOID *context)
{
    (void)target, (void)context;
    atomic_fetch_add(&removals, 1);
}

static void tell_the_removal(bool reading)
{
    struct scripted_device device;
    struct stream stream;
    open_device(&stream, &device, NO_OPTIONS);
    atomic_store(&removals, 0);
    must(DMF_IoTarget_RemovalCallbackSet(stream.target, on_removal, NULL), "set the removal callback");
    if (reading)
        start_stream(&stream);
    device_say(&device, "destroy");
    device_wait(&device, "DESTROYED");
    for (int i = 0; i < QUIET_MS && !atomic_load(&removals); i++)
        usleep(1000);
    usleep(50000);
    if (reading || !waits_in_slices())
        check(atomic_load(&removals) == 1, reading ? "the removal is told while a stream runs" : "  and while nobody reads",
              "%d times", atomic_load(&removals));
    else
        note("  while nobody reads it is not noticed", "told %d times", atomic_load(&removals));
    if (reading)
        check(seen.disconnected == PENDING_REQUESTS, "  after the last Request has ended", "%lu of %d", look(&seen.disconnected),
              PENDING_REQUESTS);
    atomic_store(&removals, 0);
    if (reading || !waits_in_slices()) {
        must(DMF_IoTarget_RemovalCallbackSet(stream.target, on_removal, NULL), "set the removal callback");
        check(atomic_load(&removals) == 1, "  one that is set afterwards is called at once", "%d times", atomic_load(&removals));
    }
    close_stream(&stream);
    device_end(&device);
}

void test_errors(void)
{
    time_out();
    delete_while_the_device_thinks();
    gone();
    tell_the_removal(true);
    tell_the_removal(false);
}
