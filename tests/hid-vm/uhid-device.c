/*
 * uhid-device: a HID device that a test scripts, made with the kernel's uhid interface.
 *
 *   uhid-device [OPTIONS]          one command per line on stdin, one event per line on stdout
 *
 * The kernel's HID core, hidraw and everything above see an ordinary device; its "hardware" is this program.
 *
 * Options: --unnumbered, --bus usb|bt|i2c|virtual, --vid HEX, --pid HEX, --name TEXT, --uniq TEXT (serial number),
 *          --phys TEXT, --descriptor HEX (a report descriptor of your own), --no-create, --quiet, --exit-on-eof
 *
 * Commands:
 *   create                       make the device (done at the start unless --no-create); answer: NODE /dev/hidrawN
 *   destroy                      unplug it; a running stream ends
 *   input HEX                    one input report (byte 0 is the report ID on a numbered device)
 *   blast N RATE [LEN [ID]]      N reports of LEN bytes (default: the longest) at RATE per second (0: as fast as possible);
 *                                further commands wait until it ends with BLAST
 *   stream N RATE [LEN [ID]]     the same, but further commands are served meanwhile
 *   stop                         end a stream
 *   echo on|off                  output reports come back as input reports (default: on)
 *   getmode ok|error|silent      how GET_REPORT is answered (error: EIO, silent: never)
 *   setmode ok|error|silent      the same for SET_REPORT
 *   delay MS                     wait before a GET_REPORT or SET_REPORT is answered
 *   sleep MS, stats, quit
 *
 * Payload of blast and stream: [report ID] u32 sequence number from 0, u64 CLOCK_MONOTONIC in ns (little-endian), zeros.
 *
 * Without --descriptor, on usage page 0xFF00, usage 1 (sizes in bytes, without the report ID):
 *   numbered     ID 1: input 63, output 63    ID 2: feature 31    ID 3: input 15, feature 15
 *   unnumbered   input 64, output 64, feature 64
 *
 * After stdin ends the device goes on serving until it is killed, unless --exit-on-eof.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <linux/input.h>
#include <linux/uhid.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    REPORT_IDS = 256,
    REPORT_MAXIMUM = 4096,        /* the largest report that uhid carries */
    UNPACED_BATCH = 64,           /* unpaced reports between two looks at commands and events */
    CATCH_UP_REPORTS = 8,         /* how far a late sender may hurry; hidraw holds 63 reports */
    NODE_TRIES = 400,
    NODE_PAUSE_US = 5000,
};

static const uint64_t NS_PER_SECOND = 1000000000U;

static const uint8_t NUMBERED_DESCRIPTOR[] = {
    0x06, 0x00, 0xFF,                                     /* Usage Page (vendor 0xFF00) */
    0x09, 0x01,                                           /* Usage 1 */
    0xA1, 0x01,                                           /* Collection (Application) */
    0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08,             /*   values 0..255, 8 bits each */
    0x85, 0x01,                                           /*   Report ID 1 */
    0x95, 0x3F, 0x09, 0x02, 0x81, 0x02,                   /*     63 bytes input */
    0x95, 0x3F, 0x09, 0x03, 0x91, 0x02,                   /*     63 bytes output */
    0x85, 0x02,                                           /*   Report ID 2 */
    0x95, 0x1F, 0x09, 0x04, 0xB1, 0x02,                   /*     31 bytes feature */
    0x85, 0x03,                                           /*   Report ID 3 */
    0x95, 0x0F, 0x09, 0x05, 0x81, 0x02,                   /*     15 bytes input */
    0x95, 0x0F, 0x09, 0x06, 0xB1, 0x02,                   /*     15 bytes feature */
    0xC0,
};

static const uint8_t UNNUMBERED_DESCRIPTOR[] = {
    0x06, 0x00, 0xFF,                                     /* Usage Page (vendor 0xFF00) */
    0x09, 0x01,                                           /* Usage 1 */
    0xA1, 0x01,                                           /* Collection (Application) */
    0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08,             /*   values 0..255, 8 bits each */
    0x95, 0x40, 0x09, 0x02, 0x81, 0x02,                   /*   64 bytes input */
    0x95, 0x40, 0x09, 0x03, 0x91, 0x02,                   /*   64 bytes output */
    0x95, 0x40, 0x09, 0x04, 0xB1, 0x02,                   /*   64 bytes feature */
    0xC0,
};

enum answer_mode { ANSWER_OK, ANSWER_ERROR, ANSWER_NEVER };

/* What the device is; fixed after the command line is read. */
static struct {
    bool numbered;
    bool own_descriptor;
    bool quiet;
    bool create_at_start;
    bool exit_on_eof;
    uint16_t bus;
    uint32_t vendor;
    uint32_t product;
    const char *name;
    const char *serial;
    const char *phys;
    uint8_t descriptor[HID_MAX_DESCRIPTOR_SIZE];
    size_t descriptor_length;
} device = {
    .numbered = true,
    .create_at_start = true,
    .bus = BUS_USB,
    .vendor = 0x1209,
    .product = 0x0001,
    .name = "uhid test device",
    .serial = "SN-0001",
    .phys = "uhid-device/0",
};

/* How it behaves; commands change it. */
static struct {
    bool echo;
    enum answer_mode get;
    enum answer_mode set;
    unsigned delay_ms;
} behaviour = { .echo = true };

struct report {
    size_t length;                /* with the leading ID byte where there is one; 0: no such report */
    uint8_t data[REPORT_MAXIMUM];
};

static struct report features[REPORT_IDS];
static struct report last_inputs[REPORT_IDS];

static struct {
    uint64_t inputs;
    uint64_t outputs;
    uint64_t echoed;
    uint64_t gets;
    uint64_t sets;
} counts;

/* The running blast or stream. */
static struct {
    bool running;
    bool holds_commands;          /* blast: later commands wait */
    uint32_t next;
    uint32_t count;
    uint64_t started;
    uint64_t due;                 /* when the next report is to be sent; ns */
    uint64_t period;              /* ns; 0: unpaced */
    size_t length;
    uint8_t id;
} sending;

static int uhid = -1;
static bool created;

/* ---- small things */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

static void sleep_ms(unsigned milliseconds)
{
    struct timespec t = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 };
    while (nanosleep(&t, &t) && errno == EINTR) {
    }
}

static void print_bytes(const char *event, const uint8_t *data, size_t length)
{
    const size_t shown = length < 32 ? length : 32;
    if (device.quiet)
        return;
    printf("%s len=%zu ", event, length);
    for (size_t i = 0; i < shown; i++)
        printf("%02x", data[i]);
    puts(shown < length ? ".." : "");
}

static size_t parse_hex(const char *text, uint8_t *data, size_t capacity)
{
    size_t length = 0;
    unsigned value;
    int used;
    while (length < capacity && sscanf(text, " %2x%n", &value, &used) == 1) {
        data[length++] = (uint8_t)value;
        text += used;
    }
    return length;
}

static bool write_event(const struct uhid_event *event, size_t length)
{
    if (write(uhid, event, length) >= 0)
        return true;
    printf("ERROR uhid event %u: %s\n", event->type, strerror(errno));
    return false;
}

/* ---- input reports */

/* Kernels drop an input report that is shorter than its descriptor says. */
static size_t declared_input_length(uint8_t id)
{
    if (device.own_descriptor)
        return 0;
    return device.numbered && id == 3 ? 16 : 64;
}

static void remember_input(const uint8_t *data, size_t length)
{
    struct report *report = &last_inputs[device.numbered ? data[0] : 0];
    memcpy(report->data, data, length);
    report->length = length;
}

static bool send_input(const uint8_t *data, size_t length)
{
    static struct uhid_event event;
    event.type = UHID_INPUT2;
    event.u.input2.size = (uint16_t)length;
    memcpy(event.u.input2.data, data, length);
    remember_input(data, length);
    counts.inputs++;
    return write_event(&event, offsetof(struct uhid_event, u.input2.data) + length);
}

/* ---- coming and going */

static bool uevent_has(const char *path, const char *key, const char *value)
{
    char line[512];
    bool found = false;
    const size_t key_length = strlen(key);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        found = !strncmp(line, key, key_length) && !strcmp(line + key_length, value);
    }
    fclose(file);
    return found;
}

static bool print_node_if_ours(const char *sysfs_path)
{
    char uevent[512];
    char node[512];
    snprintf(uevent, sizeof uevent, "%s/device/uevent", sysfs_path);
    snprintf(node, sizeof node, "/dev/%s", strrchr(sysfs_path, '/') + 1);
    if (!uevent_has(uevent, "HID_UNIQ=", device.serial) || !uevent_has(uevent, "HID_PHYS=", device.phys))
        return false;
    if (access(node, F_OK))
        return false;
    printf("NODE %s\n", node);
    return true;
}

static bool find_node_once(void)
{
    glob_t nodes;
    bool found = false;
    if (glob("/sys/class/hidraw/hidraw*", 0, NULL, &nodes))
        return false;
    for (size_t i = 0; i < nodes.gl_pathc && !found; i++)
        found = print_node_if_ours(nodes.gl_pathv[i]);
    globfree(&nodes);
    return found;
}

/* The node appears some time after the device. */
static void print_node(void)
{
    for (int i = 0; i < NODE_TRIES; i++) {
        if (find_node_once())
            return;
        usleep(NODE_PAUSE_US);
    }
    puts("ERROR no hidraw node");
}

static void create_device(void)
{
    static struct uhid_event event;
    struct uhid_create2_req *request = &event.u.create2;
    memset(&event, 0, sizeof event);
    event.type = UHID_CREATE2;
    snprintf((char *)request->name, sizeof request->name, "%s", device.name);
    snprintf((char *)request->uniq, sizeof request->uniq, "%s", device.serial);
    snprintf((char *)request->phys, sizeof request->phys, "%s", device.phys);
    memcpy(request->rd_data, device.descriptor, device.descriptor_length);
    request->rd_size = (uint16_t)device.descriptor_length;
    request->bus = device.bus;
    request->vendor = device.vendor;
    request->product = device.product;
    request->version = 0x0100;
    created = write_event(&event, sizeof event);
}

static void destroy_device(void)
{
    static const struct uhid_event event = { .type = UHID_DESTROY };
    sending.running = false;
    if (!created)
        return;
    created = false;
    write_event(&event, sizeof event.type);
}

/* ---- what the kernel asks of the device */

static void echo_output(const uint8_t *data, size_t length)
{
    uint8_t padded[REPORT_MAXIMUM] = { 0 };
    size_t wanted;
    /* hidraw hands the 0 that stands for "no ID" through to uhid. */
    if (!device.numbered && length == 65) {
        data++;
        length--;
    }
    memcpy(padded, data, length);
    wanted = declared_input_length(padded[0]);
    send_input(padded, length > wanted ? length : wanted);
    counts.echoed++;
}

static void on_output(const struct uhid_output_req *output)
{
    counts.outputs++;
    print_bytes(output->rtype == UHID_OUTPUT_REPORT ? "OUTPUT rtype=output" : "OUTPUT rtype=feature", output->data, output->size);
    if (behaviour.echo && output->size > 0)
        echo_output(output->data, output->size);
}

static void fill_get_reply(struct uhid_get_report_reply_req *reply, const struct uhid_get_report_req *request)
{
    const bool feature = request->rtype == UHID_FEATURE_REPORT;
    const struct report *report = feature ? &features[request->rnum] : &last_inputs[request->rnum];
    /* An input report without ID is kept as it was sent; the reader expects the 0 in front. */
    const size_t prefix = !feature && !device.numbered ? 1 : 0;
    if (behaviour.get == ANSWER_ERROR || report->length == 0 || report->length + prefix > sizeof reply->data) {
        reply->err = EIO;
        return;
    }
    reply->size = (uint16_t)(report->length + prefix);
    memcpy(reply->data + prefix, report->data, report->length);
}

static void on_get_report(const struct uhid_get_report_req *request)
{
    static struct uhid_event answer;
    counts.gets++;
    if (!device.quiet)
        printf("GET_REPORT rnum=%d rtype=%d\n", request->rnum, request->rtype);
    if (behaviour.get == ANSWER_NEVER)
        return;
    sleep_ms(behaviour.delay_ms);
    memset(&answer, 0, sizeof answer);
    answer.type = UHID_GET_REPORT_REPLY;
    answer.u.get_report_reply.id = request->id;
    fill_get_reply(&answer.u.get_report_reply, request);
    write_event(&answer, sizeof answer);
}

static void remember_feature(const struct uhid_set_report_req *request)
{
    struct report *report = &features[request->rnum];
    memcpy(report->data, request->data, request->size);
    report->length = request->size;
}

static void on_set_report(const struct uhid_set_report_req *request)
{
    static struct uhid_event answer;
    char event[64];
    counts.sets++;
    snprintf(event, sizeof event, "SET_REPORT rnum=%d rtype=%d data", request->rnum, request->rtype);
    print_bytes(event, request->data, request->size);
    if (behaviour.set == ANSWER_NEVER)
        return;
    sleep_ms(behaviour.delay_ms);
    if (behaviour.set == ANSWER_OK && request->rtype == UHID_FEATURE_REPORT)
        remember_feature(request);
    memset(&answer, 0, sizeof answer);
    answer.type = UHID_SET_REPORT_REPLY;
    answer.u.set_report_reply.id = request->id;
    answer.u.set_report_reply.err = behaviour.set == ANSWER_ERROR ? EIO : 0;
    write_event(&answer, sizeof answer);
}

static void serve_kernel_event(void)
{
    static struct uhid_event event;
    if (read(uhid, &event, sizeof event) <= 0)
        return;
    switch (event.type) {
    case UHID_START:
        puts("START");
        print_node();
        break;
    case UHID_STOP:
        puts("STOP");
        break;
    case UHID_OPEN:
        puts("OPEN");
        break;
    case UHID_CLOSE:
        puts("CLOSE");
        break;
    case UHID_OUTPUT:
        on_output(&event.u.output);
        break;
    case UHID_GET_REPORT:
        on_get_report(&event.u.get_report);
        break;
    case UHID_SET_REPORT:
        on_set_report(&event.u.set_report);
        break;
    default:
        printf("EVENT %u\n", event.type);
    }
}

/* ---- blast and stream */

static void start_sending(uint32_t count, double rate, size_t length, uint8_t id, bool holds_commands)
{
    sending.running = true;
    sending.holds_commands = holds_commands;
    sending.next = 0;
    sending.count = count;
    sending.started = now_ns();
    sending.due = sending.started;
    sending.period = rate > 0 ? (uint64_t)((double)NS_PER_SECOND / rate) : 0;
    sending.length = length;
    sending.id = id;
}

static void end_sending(void)
{
    const double seconds = (double)(now_ns() - sending.started) / (double)NS_PER_SECOND;
    sending.running = false;
    printf("BLAST n=%u secs=%.3f rate=%.0f/s\n", sending.next, seconds, sending.next / seconds);
}

static bool send_numbered_report(void)
{
    uint8_t report[REPORT_MAXIMUM] = { 0 };
    const uint64_t sent_at = now_ns();
    size_t offset = 0;
    if (device.numbered)
        report[offset++] = sending.id;
    memcpy(report + offset, &sending.next, sizeof sending.next);
    memcpy(report + offset + sizeof sending.next, &sent_at, sizeof sent_at);
    return send_input(report, sending.length);
}

/*
 * RATE is a ceiling. After a pause of the whole machine a sender that made up for all of it would overrun the
 * reader's queue in the kernel; this one moves its schedule instead.
 */
static void plan_next_report(void)
{
    const uint64_t now = now_ns();
    const uint64_t allowed_lag = CATCH_UP_REPORTS * sending.period;
    sending.due += sending.period;
    if (now > sending.due + allowed_lag)
        sending.due = now - allowed_lag;
}

static bool send_next(void)
{
    if (sending.next == sending.count) {
        end_sending();
        return false;
    }
    if (!send_numbered_report()) {
        end_sending();
        return false;
    }
    sending.next++;
    plan_next_report();
    return true;
}

static void continue_sending(void)
{
    int batch = UNPACED_BATCH;
    while (sending.running && batch-- > 0) {
        if (sending.period && sending.next < sending.count && now_ns() < sending.due)
            return;
        if (!send_next())
            return;
    }
}

/* How long the main loop may sleep; NULL: until something happens. */
static const struct timespec *time_to_next_report(struct timespec *t)
{
    uint64_t now;
    uint64_t wait;
    if (!sending.running)
        return NULL;
    now = now_ns();
    wait = sending.period && sending.next < sending.count && sending.due > now ? sending.due - now : 0;
    t->tv_sec = (time_t)(wait / NS_PER_SECOND);
    t->tv_nsec = (long)(wait % NS_PER_SECOND);
    return t;
}

/* ---- commands */

static enum answer_mode parse_mode(const char *word)
{
    if (!strcmp(word, "error"))
        return ANSWER_ERROR;
    if (!strcmp(word, "silent"))
        return ANSWER_NEVER;
    return ANSWER_OK;
}

static void command_input(const char *arguments)
{
    uint8_t data[REPORT_MAXIMUM];
    const size_t length = parse_hex(arguments, data, sizeof data);
    if (length > 0 && send_input(data, length))
        puts("OK");
}

static void command_send(const char *arguments, bool holds_commands)
{
    unsigned count;
    double rate;
    unsigned length = 64;
    unsigned id = 1;
    if (sscanf(arguments, "%u %lf %u %u", &count, &rate, &length, &id) < 2 || length < 13 || length > REPORT_MAXIMUM) {
        puts("ERROR usage: N RATE [LEN [ID]], LEN from 13");
        return;
    }
    start_sending(count, rate, length, (uint8_t)id, holds_commands);
}

static void print_counts(void)
{
    printf("STATS sent=%llu outputs=%llu echoed=%llu gets=%llu sets=%llu\n", (unsigned long long)counts.inputs,
           (unsigned long long)counts.outputs, (unsigned long long)counts.echoed, (unsigned long long)counts.gets,
           (unsigned long long)counts.sets);
}

static void run_setting(const char *name, const char *value)
{
    if (!strcmp(name, "echo"))
        behaviour.echo = !strcmp(value, "on");
    else if (!strcmp(name, "getmode"))
        behaviour.get = parse_mode(value);
    else if (!strcmp(name, "setmode"))
        behaviour.set = parse_mode(value);
    else if (!strcmp(name, "delay"))
        behaviour.delay_ms = (unsigned)strtoul(value, NULL, 10);
    else if (!strcmp(name, "sleep"))
        sleep_ms((unsigned)strtoul(value, NULL, 10));
    else {
        printf("ERROR unknown command %s\n", name);
        return;
    }
    puts("OK");
}

/* Returns false for "quit". */
static bool run_command(const char *line)
{
    char name[32] = "";
    char value[64] = "";
    const char *arguments;
    if (sscanf(line, "%31s %63s", name, value) < 1)
        return true;
    arguments = line + strspn(line, " ") + strlen(name);
    if (!strcmp(name, "quit"))
        return false;
    if (!strcmp(name, "create"))
        create_device();
    else if (!strcmp(name, "destroy")) {
        destroy_device();
        puts("DESTROYED");
    } else if (!strcmp(name, "input"))
        command_input(arguments);
    else if (!strcmp(name, "blast"))
        command_send(arguments, true);
    else if (!strcmp(name, "stream"))
        command_send(arguments, false);
    else if (!strcmp(name, "stop"))
        end_sending();
    else if (!strcmp(name, "stats"))
        print_counts();
    else
        run_setting(name, value);
    return true;
}

/* ---- the main loop */

static struct {
    char text[2 * REPORT_MAXIMUM + 64];
    size_t length;
    bool ended;
} commands;

static bool commands_are_held(void)
{
    return sending.running && sending.holds_commands;
}

static void read_commands(void)
{
    const size_t space = sizeof commands.text - 1 - commands.length;
    const ssize_t n = read(STDIN_FILENO, commands.text + commands.length, space);
    if (n <= 0) {
        commands.ended = true;
        return;
    }
    commands.length += (size_t)n;
}

/* Runs the complete lines that have come, as far as no blast holds them. Returns false for "quit". */
static bool run_commands(void)
{
    bool go_on = true;
    char *newline;
    commands.text[commands.length] = '\0';
    while (go_on && !commands_are_held() && (newline = strchr(commands.text, '\n')) != NULL) {
        const size_t line_length = (size_t)(newline - commands.text) + 1;
        *newline = '\0';
        go_on = run_command(commands.text);
        commands.length -= line_length;
        memmove(commands.text, commands.text + line_length, commands.length + 1);
    }
    return go_on;
}

static void serve(void)
{
    struct pollfd waits[2] = { { .fd = uhid, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
    struct timespec timeout;
    while (run_commands()) {
        if (commands.ended && device.exit_on_eof && !sending.running)
            return;
        waits[1].fd = commands.ended || commands_are_held() ? -1 : STDIN_FILENO;
        if (ppoll(waits, 2, time_to_next_report(&timeout), NULL) < 0)
            continue;
        if (waits[0].revents & POLLIN)
            serve_kernel_event();
        if (waits[1].fd >= 0 && waits[1].revents)
            read_commands();
        continue_sending();
    }
}

/* ---- start */

static void fill_report(struct report *report, uint8_t first, uint8_t base, size_t length)
{
    report->length = length;
    report->data[0] = first;
    for (size_t i = 1; i < length; i++)
        report->data[i] = (uint8_t)(base + i);
}

static void set_initial_reports(void)
{
    fill_report(&features[0], 0, 0x80, 65);
    fill_report(&features[2], 2, 0xA0, 32);
    fill_report(&features[3], 3, 0xC0, 16);
    last_inputs[0].length = 64;
    last_inputs[1].length = 64;
    last_inputs[1].data[0] = 1;
    last_inputs[3].length = 16;
    last_inputs[3].data[0] = 3;
}

static void set_descriptor(void)
{
    if (device.own_descriptor)
        return;
    device.descriptor_length = device.numbered ? sizeof NUMBERED_DESCRIPTOR : sizeof UNNUMBERED_DESCRIPTOR;
    memcpy(device.descriptor, device.numbered ? NUMBERED_DESCRIPTOR : UNNUMBERED_DESCRIPTOR, device.descriptor_length);
}

static uint16_t parse_bus(const char *word)
{
    if (!strcmp(word, "bt"))
        return BUS_BLUETOOTH;
    if (!strcmp(word, "i2c"))
        return BUS_I2C;
    if (!strcmp(word, "virtual"))
        return BUS_VIRTUAL;
    return BUS_USB;
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "unnumbered", no_argument, NULL, 'u' },   { "bus", required_argument, NULL, 'b' },
        { "vid", required_argument, NULL, 'v' },    { "pid", required_argument, NULL, 'p' },
        { "name", required_argument, NULL, 'n' },   { "uniq", required_argument, NULL, 's' },
        { "phys", required_argument, NULL, 'y' },   { "descriptor", required_argument, NULL, 'd' },
        { "no-create", no_argument, NULL, 'c' },    { "quiet", no_argument, NULL, 'q' },
        { "exit-on-eof", no_argument, NULL, 'e' },  { NULL, 0, NULL, 0 },
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'u': device.numbered = false; break;
        case 'b': device.bus = parse_bus(optarg); break;
        case 'v': device.vendor = (uint32_t)strtoul(optarg, NULL, 16); break;
        case 'p': device.product = (uint32_t)strtoul(optarg, NULL, 16); break;
        case 'n': device.name = optarg; break;
        case 's': device.serial = optarg; break;
        case 'y': device.phys = optarg; break;
        case 'c': device.create_at_start = false; break;
        case 'q': device.quiet = true; break;
        case 'e': device.exit_on_eof = true; break;
        case 'd':
            device.own_descriptor = true;
            device.descriptor_length = parse_hex(optarg, device.descriptor, sizeof device.descriptor);
            break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_options(argc, argv);
    set_descriptor();
    set_initial_reports();
    /* The default slack of 50 us would bend the rate of a paced stream. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    /* A real device does not take the processor away from who reads its reports. */
    (void)nice(19);
    uhid = open("/dev/uhid", O_RDWR | O_CLOEXEC);
    if (uhid < 0) {
        perror("/dev/uhid");
        return 1;
    }
    if (device.create_at_start)
        create_device();
    serve();
    destroy_device();
    return 0;
}
