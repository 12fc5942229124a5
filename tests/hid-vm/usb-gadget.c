/*
 * usb-gadget: a whole USB HID device in user space, for the guest's own USB host.
 *
 *   usb-gadget [--unnumbered] [--vid HEX] [--pid HEX] [--serial TEXT]
 *
 * The device is a configfs gadget whose one function is a FunctionFS; its cable is dummy_hcd. So usbcore and usbhid
 * drive it as they drive hardware: enumeration, strings, control transfers, stalls, unplug and replug are real.
 * Needs the module groups "hid usb gadget". Its reports are those of uhid-device.
 *
 * Commands on stdin: input HEX, stall on|off (answer GET_REPORT and SET_REPORT with a stall), unplug, plug, quit.
 * Events on stdout: BIND, ENABLE, DISABLE, SETUP …, OUTPUT …, SET_REPORT …. Output reports come back as input reports.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/usb/ch9.h>
#include <linux/usb/functionfs.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define GADGET "/sys/kernel/config/usb_gadget/hid"
#define FUNCTION "/dev/ffs"
#define CONTROLLER "dummy_udc.0"

enum {
    REPORT_IDS = 256,
    REPORT_MAXIMUM = 256,
    PACKET = 64,                  /* size of an interrupt packet */
    ENDPOINT_IN = 1,
    ENDPOINT_OUT = 2,
    HID_CLASS = 3,
    HID_DESCRIPTOR = 0x21,
    HID_REPORT_DESCRIPTOR = 0x22,
    HID_GET_REPORT = 0x01,
    HID_GET_IDLE = 0x02,
    HID_GET_PROTOCOL = 0x03,
    HID_SET_REPORT = 0x09,
    REPORT_TYPE_INPUT = 1,
    REPORT_TYPE_FEATURE = 3,
    REQUEST_PAUSE_US = 10000,
};

static const uint8_t NUMBERED_DESCRIPTOR[] = {
    0x06, 0x00, 0xFF, 0x09, 0x01, 0xA1, 0x01,             /* vendor page 0xFF00, usage 1, application */
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
    0x06, 0x00, 0xFF, 0x09, 0x01, 0xA1, 0x01,             /* vendor page 0xFF00, usage 1, application */
    0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08,             /*   values 0..255, 8 bits each */
    0x95, 0x40, 0x09, 0x02, 0x81, 0x02,                   /*   64 bytes input */
    0x95, 0x40, 0x09, 0x03, 0x91, 0x02,                   /*   64 bytes output */
    0x95, 0x40, 0x09, 0x04, 0xB1, 0x02,                   /*   64 bytes feature */
    0xC0,
};

struct __attribute__((packed)) hid_descriptor {
    uint8_t length;
    uint8_t type;
    uint16_t version;
    uint8_t country;
    uint8_t descriptors;
    uint8_t report_type;
    uint16_t report_length;
};

struct __attribute__((packed)) descriptor_set {
    struct usb_interface_descriptor interface;
    struct hid_descriptor hid;
    struct usb_endpoint_descriptor_no_audio in;
    struct usb_endpoint_descriptor_no_audio out;
};

enum { DESCRIPTORS_IN_SET = 4 };

struct __attribute__((packed)) function_descriptors {
    struct usb_functionfs_descs_head_v2 head;
    uint32_t full_speed_count;
    uint32_t high_speed_count;
    struct descriptor_set full_speed;
    struct descriptor_set high_speed;
};

struct __attribute__((packed)) function_strings {
    struct usb_functionfs_strings_head head;
    uint16_t language;
    char interface[4];
};

struct report {
    size_t length;                /* 0: no such report */
    uint8_t data[REPORT_MAXIMUM];
};

static struct {
    bool numbered;
    const char *vendor;
    const char *product;
    const char *serial;
    const uint8_t *report_descriptor;
    size_t report_descriptor_length;
} device = { .numbered = true, .vendor = "0x1209", .product = "0x0002", .serial = "USB-0001" };

/* Reports are touched by three threads: control requests, output reports, commands. */
static pthread_mutex_t reports_lock = PTHREAD_MUTEX_INITIALIZER;
static struct report features[REPORT_IDS];
static struct report last_inputs[REPORT_IDS];

static atomic_bool stalling;
static int control = -1;
static int endpoint_in = -1;
static int endpoint_out = -1;

/* ---- small things */

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static bool write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, text, strlen(text)) >= 0;
    if (!ok)
        printf("ERROR %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

static void print_bytes(const char *event, const uint8_t *data, size_t length)
{
    printf("%s len=%zu ", event, length);
    for (size_t i = 0; i < length && i < 16; i++)
        printf("%02x", data[i]);
    puts("");
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

static void store_report(struct report *report, const uint8_t *data, size_t length)
{
    pthread_mutex_lock(&reports_lock);
    memcpy(report->data, data, length);
    report->length = length;
    pthread_mutex_unlock(&reports_lock);
}

static size_t load_report(const struct report *report, uint8_t *data)
{
    size_t length;
    pthread_mutex_lock(&reports_lock);
    length = report->length;
    memcpy(data, report->data, length);
    pthread_mutex_unlock(&reports_lock);
    return length;
}

static void send_input(const uint8_t *data, size_t length)
{
    if (length == 0)
        return;
    store_report(&last_inputs[device.numbered ? data[0] : 0], data, length);
    if (write(endpoint_in, data, length) < 0)
        printf("ERROR input: %s\n", strerror(errno));
}

static void plug(void)
{
    if (write_file(GADGET "/UDC", CONTROLLER))
        puts("PLUGGED");
}

static void unplug(void)
{
    if (write_file(GADGET "/UDC", "\n"))
        puts("UNPLUGGED");
}

/* ---- output reports */

static bool is_unplugged(int error)
{
    return error == ESHUTDOWN || error == EINTR || error == EAGAIN;
}

static void *serve_output(void *unused)
{
    uint8_t data[PACKET];
    (void)unused;
    for (;;) {
        /* One packet at a time: a full packet is not short, so a larger read would wait for another. */
        const ssize_t n = read(endpoint_out, data, PACKET);
        if (n >= 0) {
            print_bytes("OUTPUT", data, (size_t)n);
            send_input(data, (size_t)n);
        } else if (is_unplugged(errno)) {
            usleep(REQUEST_PAUSE_US);
        } else {
            printf("ERROR output: %s\n", strerror(errno));
            return NULL;
        }
    }
}

/* ---- control requests */

/* FunctionFS stalls a request when it is moved in the direction that it does not have. */
static void stall(bool device_to_host)
{
    uint8_t nothing = 0;
    const ssize_t n = device_to_host ? read(control, &nothing, 0) : write(control, &nothing, 0);
    if (n >= 0 || errno != EL2HLT)
        puts("ERROR the request did not stall");
}

static size_t answer_get_report(unsigned value, uint8_t *data)
{
    const unsigned type = value >> 8;
    const unsigned id = value & 0xFF;
    if (atomic_load(&stalling))
        return 0;
    if (type == REPORT_TYPE_FEATURE)
        return load_report(&features[id], data);
    if (type == REPORT_TYPE_INPUT)
        return load_report(&last_inputs[id], data);
    return 0;
}

/* Fills the answer to a request that reads from the device; 0: stall. */
static size_t answer_request(const struct usb_ctrlrequest *setup, uint8_t *data)
{
    const unsigned value = le16toh(setup->wValue);
    const unsigned kind = setup->bRequestType & USB_TYPE_MASK;
    if (kind == USB_TYPE_STANDARD && setup->bRequest == USB_REQ_GET_DESCRIPTOR && value >> 8 == HID_REPORT_DESCRIPTOR) {
        memcpy(data, device.report_descriptor, device.report_descriptor_length);
        return device.report_descriptor_length;
    }
    if (kind != USB_TYPE_CLASS)
        return 0;
    if (setup->bRequest == HID_GET_REPORT)
        return answer_get_report(value, data);
    if (setup->bRequest == HID_GET_IDLE || setup->bRequest == HID_GET_PROTOCOL) {
        data[0] = 0;
        return 1;
    }
    return 0;
}

static void serve_read_request(const struct usb_ctrlrequest *setup)
{
    uint8_t data[REPORT_MAXIMUM];
    const size_t asked = le16toh(setup->wLength);
    const size_t length = answer_request(setup, data);
    if (length == 0) {
        stall(true);
        return;
    }
    if (write(control, data, length < asked ? length : asked) < 0)
        printf("ERROR control write: %s\n", strerror(errno));
}

static void take_report(unsigned value, const uint8_t *data, size_t length)
{
    const bool feature = value >> 8 == REPORT_TYPE_FEATURE;
    print_bytes(feature ? "SET_REPORT feature" : "SET_REPORT output", data, length);
    if (feature)
        store_report(&features[value & 0xFF], data, length);
}

static void serve_write_request(const struct usb_ctrlrequest *setup)
{
    uint8_t data[REPORT_MAXIMUM];
    const size_t asked = le16toh(setup->wLength);
    ssize_t n;
    if (asked > sizeof data || (atomic_load(&stalling) && setup->bRequest == HID_SET_REPORT)) {
        stall(false);
        return;
    }
    n = read(control, data, asked);
    if (n < 0)
        printf("ERROR control read: %s\n", strerror(errno));
    else if (setup->bRequest == HID_SET_REPORT)
        take_report(le16toh(setup->wValue), data, (size_t)n);
}

static void serve_setup(const struct usb_ctrlrequest *setup)
{
    printf("SETUP %02x %02x value=%04x len=%d\n", setup->bRequestType, setup->bRequest, le16toh(setup->wValue),
           le16toh(setup->wLength));
    if (setup->bRequestType & USB_DIR_IN)
        serve_read_request(setup);
    else
        serve_write_request(setup);
}

/* The endpoints can be read once the host has chosen the configuration. */
static void on_enable(void)
{
    static bool started;
    pthread_t thread;
    if (started)
        return;
    started = true;
    if (pthread_create(&thread, NULL, serve_output, NULL))
        die("pthread_create");
}

static void serve_event(const struct usb_functionfs_event *event)
{
    static const char *const names[] = { "BIND", "UNBIND", "ENABLE", "DISABLE", "SETUP", "SUSPEND", "RESUME" };
    if (event->type == FUNCTIONFS_SETUP) {
        serve_setup(&event->u.setup);
        return;
    }
    puts(event->type < sizeof names / sizeof names[0] ? names[event->type] : "EVENT");
    if (event->type == FUNCTIONFS_ENABLE)
        on_enable();
}

/*
 * Some kernels hold a lock while a read waits for an event, and want the same lock to unbind the device: an unplug from
 * the other thread would never end. So this waits in poll, which holds nothing, and reads only what is there.
 */
static void serve_control(void)
{
    struct usb_functionfs_event events[4];
    struct pollfd wait = { .fd = control, .events = POLLIN };
    for (;;) {
        ssize_t n;
        if (poll(&wait, 1, -1) < 0)
            continue;
        n = read(control, events, sizeof events);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            die("control read");
        for (size_t i = 0; i < (size_t)n / sizeof events[0]; i++)
            serve_event(&events[i]);
    }
}

/* ---- commands */

static void run_command(const char *line)
{
    uint8_t data[REPORT_MAXIMUM];
    if (!strncmp(line, "input ", 6)) {
        send_input(data, parse_hex(line + 6, data, sizeof data));
        puts("OK");
    } else if (!strncmp(line, "stall ", 6)) {
        atomic_store(&stalling, !strncmp(line + 6, "on", 2));
        puts("OK");
    } else if (!strncmp(line, "unplug", 6)) {
        unplug();
    } else if (!strncmp(line, "plug", 4)) {
        plug();
    } else if (!strncmp(line, "quit", 4)) {
        unplug();
        exit(0);
    } else {
        printf("ERROR unknown command %s", line);
    }
}

static void *serve_commands(void *unused)
{
    char line[1024];
    (void)unused;
    while (fgets(line, sizeof line, stdin))
        run_command(line);
    return NULL;
}

/* ---- start */

static void make_directory(const char *path)
{
    if (mkdir(path, 0755) && errno != EEXIST)
        die(path);
}

static void make_gadget(void)
{
    make_directory(GADGET);
    write_file(GADGET "/idVendor", device.vendor);
    write_file(GADGET "/idProduct", device.product);
    write_file(GADGET "/bcdDevice", "0x0123");
    write_file(GADGET "/bcdUSB", "0x0200");
    make_directory(GADGET "/strings/0x409");
    write_file(GADGET "/strings/0x409/serialnumber", device.serial);
    write_file(GADGET "/strings/0x409/manufacturer", "hid-vm");
    write_file(GADGET "/strings/0x409/product", "gadget test device");
    make_directory(GADGET "/configs/c.1");
    make_directory(GADGET "/functions/ffs.hid");
    if (symlink(GADGET "/functions/ffs.hid", GADGET "/configs/c.1/ffs.hid") && errno != EEXIST)
        die("symlink");
}

static struct descriptor_set make_descriptor_set(void)
{
    return (struct descriptor_set){
        .interface = {
            .bLength = sizeof(struct usb_interface_descriptor),
            .bDescriptorType = USB_DT_INTERFACE,
            .bNumEndpoints = 2,
            .bInterfaceClass = HID_CLASS,
            .iInterface = 1,
        },
        .hid = {
            .length = sizeof(struct hid_descriptor),
            .type = HID_DESCRIPTOR,
            .version = htole16(0x0111),
            .descriptors = 1,
            .report_type = HID_REPORT_DESCRIPTOR,
            .report_length = htole16((uint16_t)device.report_descriptor_length),
        },
        .in = {
            .bLength = sizeof(struct usb_endpoint_descriptor_no_audio),
            .bDescriptorType = USB_DT_ENDPOINT,
            .bEndpointAddress = ENDPOINT_IN | USB_DIR_IN,
            .bmAttributes = USB_ENDPOINT_XFER_INT,
            .wMaxPacketSize = htole16(PACKET),
            .bInterval = 1,
        },
        .out = {
            .bLength = sizeof(struct usb_endpoint_descriptor_no_audio),
            .bDescriptorType = USB_DT_ENDPOINT,
            .bEndpointAddress = ENDPOINT_OUT | USB_DIR_OUT,
            .bmAttributes = USB_ENDPOINT_XFER_INT,
            .wMaxPacketSize = htole16(PACKET),
            .bInterval = 1,
        },
    };
}

static void write_descriptors(void)
{
    const struct function_descriptors descriptors = {
        .head = {
            .magic = htole32(FUNCTIONFS_DESCRIPTORS_MAGIC_V2),
            .length = htole32(sizeof(struct function_descriptors)),
            .flags = htole32(FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC),
        },
        .full_speed_count = htole32(DESCRIPTORS_IN_SET),
        .high_speed_count = htole32(DESCRIPTORS_IN_SET),
        .full_speed = make_descriptor_set(),
        .high_speed = make_descriptor_set(),
    };
    const struct function_strings strings = {
        .head = {
            .magic = htole32(FUNCTIONFS_STRINGS_MAGIC),
            .length = htole32(sizeof(struct function_strings)),
            .str_count = htole32(1),
            .lang_count = htole32(1),
        },
        .language = htole16(0x409),
        .interface = "HID",
    };
    if (write(control, &descriptors, sizeof descriptors) < 0)
        die("descriptors");
    if (write(control, &strings, sizeof strings) < 0)
        die("strings");
}

static int open_endpoint(const char *path)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        die(path);
    return fd;
}

static void make_function(void)
{
    make_directory(FUNCTION);
    /* An earlier gadget of the same boot left it behind. */
    umount2(FUNCTION, MNT_DETACH);
    if (mount("hid", FUNCTION, "functionfs", 0, NULL))
        die("mount functionfs");
    control = open_endpoint(FUNCTION "/ep0");
    write_descriptors();
    /* The other endpoints exist once the descriptors are written. */
    endpoint_in = open_endpoint(FUNCTION "/ep1");
    endpoint_out = open_endpoint(FUNCTION "/ep2");
}

static void fill_report(struct report *report, uint8_t first, uint8_t base, size_t length)
{
    report->length = length;
    report->data[0] = first;
    for (size_t i = 1; i < length; i++)
        report->data[i] = (uint8_t)(base + i);
}

static void set_initial_reports(void)
{
    fill_report(&features[0], 0x81, 0x81, 64);
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
    device.report_descriptor = device.numbered ? NUMBERED_DESCRIPTOR : UNNUMBERED_DESCRIPTOR;
    device.report_descriptor_length = device.numbered ? sizeof NUMBERED_DESCRIPTOR : sizeof UNNUMBERED_DESCRIPTOR;
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "unnumbered", no_argument, NULL, 'u' },
        { "vid", required_argument, NULL, 'v' },
        { "pid", required_argument, NULL, 'p' },
        { "serial", required_argument, NULL, 's' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'u': device.numbered = false; break;
        case 'v': device.vendor = optarg; break;
        case 'p': device.product = optarg; break;
        case 's': device.serial = optarg; break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_options(argc, argv);
    set_descriptor();
    set_initial_reports();
    /* A real device does not take the processor away from who reads its reports. */
    (void)nice(19);
    make_gadget();
    make_function();
    if (pthread_create(&thread, NULL, serve_commands, NULL))
        die("pthread_create");
    plug();
    serve_control();
}
