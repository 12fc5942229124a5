/*
 * hid_open_test.c: ways to open a device, several opens of one, opens that must fail, and waiting for a device.
 */
#define _GNU_SOURCE
#include "hid_test.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

enum { SHARED_OPENS = 3 };

/* ---- shared */

/* The whole reports that a descriptor of our own still gets. */
static unsigned count_reports(int descriptor)
{
    uint8_t report[REPORT_SIZE];
    unsigned count = 0;
    while (read(descriptor, report, sizeof report) == REPORT_SIZE)
        count++;
    return count;
}

/*
 * Each open has its own ring in the kernel. A library that took the wrong one of the process's descriptors would leave one
 * stream without reports, or take the program's own.
 */
void test_shared(void)
{
    enum { REPORTS_SENT = 30 };
    struct scripted_device device;
    struct stream streams[SHARED_OPENS];
    DMF_HID_OPEN_PARAMS params;
    unsigned complete = 0;
    unsigned own;
    int ours;
    device_start(&device, NO_OPTIONS);
    params = select_path(device.node);
    ours = open(device.node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (ours < 0)
        scripted_die("cannot open the node");
    for (int i = 0; i < SHARED_OPENS; i++) {
        open_stream(&streams[i], &params, PENDING_REQUESTS);
        start_stream(&streams[i]);
    }
    usleep(50000);
    device_say(&device, "blast %d 1000", REPORTS_SENT);
    device_wait(&device, "BLAST");
    wait_for_count(&seen.reports, SHARED_OPENS * REPORTS_SENT);
    for (int i = 0; i < SHARED_OPENS; i++)
        complete += statistics_of(&streams[i]).RequestsCompleted == REPORTS_SENT;
    check(complete == SHARED_OPENS, "one device opened three times: each gets every report", "%u of %d, %lu reports in all",
          complete, SHARED_OPENS, look(&seen.reports));
    own = count_reports(ours);
    check(own == REPORTS_SENT, "  the program's own descriptor keeps its reports", "%u of %d reports", own, REPORTS_SENT);
    for (int i = 0; i < SHARED_OPENS; i++)
        close_stream(&streams[i]);
    close(ours);
    device_end(&device);
}

/* ---- open */

/* The other device of this test: usage page 0xFF42, usage 7, 8 bytes of input without ID. */
#define OTHER_DESCRIPTOR "0642ff0907a101150026ff007508950809028102c0"

static char *const FIRST_OPTIONS[] = { "--uniq", "SN-0001", "--phys", "vm/first", "--name", "first device", NULL };
static char *const SECOND_OPTIONS[] = { "--uniq", "SN-0002", "--phys", "vm/second", "--name", "second device", NULL };
static char *const OTHER_OPTIONS[] = { "--uniq", "SN-0003", "--phys", "vm/other", "--pid", "0003", "--unnumbered",
                                       "--descriptor", OTHER_DESCRIPTOR, NULL };

/* A report's hexadecimal form: what stands before the mark (its ID, or nothing) and the zeros behind. */
struct report_form {
    const char *before_mark;
    int zeros_behind;
};

static const struct report_form NUMBERED_FORM = { "01", REPORT_SIZE - 2 };
static const struct report_form OTHER_FORM = { "", 7 };

/* Opens what params select and sees whether this device's report comes out of it. */
static void check_opens(const DMF_HID_OPEN_PARAMS *params, struct scripted_device *device, struct report_form form,
                        const char *what)
{
    static unsigned marker;
    struct stream stream;
    uint8_t arrived;
    open_stream(&stream, params, 1);
    start_stream(&stream);
    marker++;
    device_say(device, "input %s%02x%0*d", form.before_mark, marker, 2 * form.zeros_behind, 0);
    wait_for_count(&seen.reports, 1);
    DMF_ContinuousRequestTarget_StopAndWait(stream.module);
    arrived = seen.last[1];
    check(seen.reports == 1 && arrived == marker, what, "%lu report, mark %u of %u", seen.reports, arrived, marker);
    close_stream(&stream);
}

struct listing {
    const char *path;
    unsigned devices;
    unsigned times_found;
    bool as_described;
};

static EVT_DMF_Hid_Enumeration on_listed_device;

static BOOLEAN on_listed_device(const DMF_HID_DEVICE_INFORMATION *information, VOID *context)
{
    struct listing *listing = context;
    listing->devices++;
    if (strcmp(information->Path, listing->path))
        return TRUE;
    listing->times_found++;
    listing->as_described = information->VendorId == TEST_VENDOR && information->ProductId == TEST_PRODUCT &&
                            information->UsagePage == 0xFF00 && information->Usage == 1 &&
                            !strcmp(information->SerialNumber, "SN-0002") && !strcmp(information->Product, "second device");
    if (!listing->as_described)
        printf("        listed as %04x:%04x usage %04x/%04x serial \"%s\" product \"%s\" maker \"%s\"\n",
               information->VendorId, information->ProductId, information->UsagePage, information->Usage, information->SerialNumber,
               information->Product, information->Manufacturer);
    return TRUE;
}

static EVT_DMF_Hid_Enumeration on_first_device;

static BOOLEAN on_first_device(const DMF_HID_DEVICE_INFORMATION *information, VOID *context)
{
    unsigned *calls = context;
    (void)information;
    (*calls)++;
    return FALSE;
}

static void check_listing(const char *path)
{
    struct listing listing = { .path = path };
    unsigned calls = 0;
    must(DMF_Hid_Enumerate(on_listed_device, &listing), "enumerate");
    check(listing.times_found == 1 && listing.as_described, "DMF_Hid_Enumerate lists it as it is", "%u devices, %u times this one",
          listing.devices, listing.times_found);
    must(DMF_Hid_Enumerate(on_first_device, &calls), "enumerate");
    check(calls == 1, "  FALSE ends the enumeration", "%u call", calls);
}

void test_open(void)
{
    struct scripted_device first;
    struct scripted_device second;
    struct scripted_device other;
    DMF_HID_OPEN_PARAMS params;
    device_start(&first, FIRST_OPTIONS);
    device_start(&second, SECOND_OPTIONS);
    device_start(&other, OTHER_OPTIONS);

    params = select_path(second.node);
    check_opens(&params, &second, NUMBERED_FORM, "open by path");
    params = select_product(TEST_VENDOR, 0x0003, NULL);
    check_opens(&params, &other, OTHER_FORM, "open by vendor and product");
    params = select_product(TEST_VENDOR, TEST_PRODUCT, "SN-0002");
    check_opens(&params, &second, NUMBERED_FORM, "open by vendor, product and serial number");
    params = select_product(0, 0, "SN-0001");
    check_opens(&params, &first, NUMBERED_FORM, "open by serial number");
    params = select_usage(0xFF42, 7);
    check_opens(&params, &other, OTHER_FORM, "open by usage");
    check_listing(second.node);

    device_end(&first);
    device_end(&second);
    device_end(&other);
}

/* ---- refuse */

static bool is_one_line(const char *message)
{
    return message && *message && !strchr(message, '\n');
}

static void check_refused(const DMF_HID_OPEN_PARAMS *params, NTSTATUS expected, const char *what)
{
    WDFDEVICE device;
    WDFIOTARGET target = NULL;
    NTSTATUS status;
    const char *message;
    must(DMF_Device_Create(NULL, &device), "create the device object");
    status = DMF_IoTarget_HidOpen(device, params, &target);
    message = DMF_LastErrorMessageGet();
    check(status == expected && target == NULL && is_one_line(message), what, "%s: %s", DMF_StatusName(status), message);
    WdfObjectDelete(device);
}

/* A process of its own: the library may have opened things while it was root. */
void test_nobody(const char *path)
{
    const DMF_HID_OPEN_PARAMS params = select_path(path);
    if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
        scripted_die("cannot become another user");
    check_refused(&params, STATUS_ACCESS_DENIED, "a node without permission");
}

static void run_as_nobody(char *path)
{
    char *const arguments[] = { "/proc/self/exe", "nobody", path, NULL };
    pid_t pid;
    int status = 0;
    fflush(stdout);
    if (posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ))
        scripted_die("cannot start this program again");
    waitpid(pid, &status, 0);
    any_failed = any_failed || status != 0;
}

void test_refuse(void)
{
    struct scripted_device device;
    DMF_HID_OPEN_PARAMS params;
    device_start(&device, NO_OPTIONS);
    if (chmod(device.node, 0))
        scripted_die("chmod");
    run_as_nobody(device.node);

    params = select_path("/dev/hidraw-that-does-not-exist");
    check_refused(&params, STATUS_OBJECT_NAME_NOT_FOUND, "a path that does not exist");
    params = select_product(0xDEAD, 0xBEEF, NULL);
    check_refused(&params, STATUS_NO_SUCH_DEVICE, "a vendor and product that is not there");
    params = select_product(TEST_VENDOR, TEST_PRODUCT, "no such serial number");
    check_refused(&params, STATUS_NO_SUCH_DEVICE, "a serial number that is not there");
    params = select_usage(0xFFEE, 1);
    check_refused(&params, STATUS_NO_SUCH_DEVICE, "a usage that is not there");
    params = select_path("/dev/null");
    check_refused(&params, STATUS_INVALID_PARAMETER, "a node that is no HID device");
    device_end(&device);
}

/* ---- wait */

enum { WAIT_MS = 20000, LATER_MS = 300 };

/* Does one thing to a device a moment from now. */
struct later {
    pthread_t thread;
    struct scripted_device *device;   /* "create" is said to it */
    const char *node;                 /* or this one is opened up */
    double done_at;
};

static void *do_later(void *context)
{
    struct later *later = context;
    usleep(LATER_MS * 1000);
    later->done_at = now_ms();
    if (later->device)
        device_say(later->device, "create");
    else if (chmod(later->node, 0666))
        scripted_die("chmod");
    return NULL;
}

static void start_later(struct later *later)
{
    if (pthread_create(&later->thread, NULL, do_later, later))
        scripted_die("pthread_create");
}

static void wait_for_a_device(void)
{
    static char *const arguments[] = { "uhid-device", "--exit-on-eof", "--no-create", "--uniq", "LATER", NULL };
    struct scripted_device device;
    struct later later = { .device = &device };
    DMF_HID_OPEN_PARAMS params = select_product(TEST_VENDOR, TEST_PRODUCT, "LATER");
    struct stream stream;
    double opened_at;
    char line[512];
    scripted_spawn(&device, arguments);
    check_refused(&params, STATUS_NO_SUCH_DEVICE, "a device that is not there yet");
    params.WaitMilliseconds = LATER_MS / 3;
    check_refused(&params, STATUS_NO_SUCH_DEVICE, "  waited for, not long enough");
    params.WaitMilliseconds = WAIT_MS;
    start_later(&later);
    open_stream(&stream, &params, PENDING_REQUESTS);
    opened_at = now_ms();
    pthread_join(later.thread, NULL);
    check(opened_at > later.done_at, "  waited for until it comes", "%.0f ms after it came", opened_at - later.done_at);
    device_wait_line(&device, "NODE", line, sizeof line);
    start_stream(&stream);
    device_say(&device, "blast 10 1000");
    wait_for_count(&seen.reports, 10);
    check(seen.reports == 10 && seen.out_of_order == 0, "  and it streams", "%lu reports", seen.reports);

    device_say(&device, "destroy");
    device_wait(&device, "DESTROYED");
    wait_for_count(&seen.disconnected, PENDING_REQUESTS);
    start_later(&later);
    close_stream(&stream);
    open_stream(&stream, &params, PENDING_REQUESTS);
    opened_at = now_ms();
    pthread_join(later.thread, NULL);
    check(opened_at > later.done_at, "  plugged in again: waited for, and opened again", "%.0f ms after it came", opened_at - later.done_at);
    device_wait_line(&device, "NODE", line, sizeof line);
    start_stream(&stream);
    device_say(&device, "blast 10 1000");
    wait_for_count(&seen.reports, 10);
    check(seen.reports == 10 && seen.out_of_order == 0, "  and it streams", "%lu reports", seen.reports);
    close_stream(&stream);
    device_end(&device);
}

/* Another user: the node's permissions come after the node. Its owner, this program when it started it, sets them. */
void test_wait_as_nobody(const char *path)
{
    DMF_HID_OPEN_PARAMS params = select_path(path);
    struct stream stream;
    if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
        scripted_die("cannot become another user");
    check_refused(&params, STATUS_ACCESS_DENIED, "a node without permission yet");
    params.WaitMilliseconds = LATER_MS / 3;
    check_refused(&params, STATUS_ACCESS_DENIED, "  waited for, not long enough");
    params.WaitMilliseconds = WAIT_MS;
    /* Who started this sees the line and opens the node a moment later. */
    puts("note    waiting for the permission");
    open_stream(&stream, &params, PENDING_REQUESTS);
    check(true, "  waited for until it comes", "%s", DMF_StatusName(STATUS_SUCCESS));
    start_stream(&stream);
    close_stream(&stream);
}

static void wait_for_permission(void)
{
    struct scripted_device device;
    struct scripted_device nobody;
    struct later later = { .device = NULL };
    char line[512];
    char *const arguments[] = { "/proc/self/exe", "wait-as-nobody", device.node, NULL };
    device_start(&device, NO_OPTIONS);
    if (chmod(device.node, 0))
        scripted_die("chmod");
    later.node = device.node;
    fflush(stdout);
    scripted_spawn(&nobody, arguments);
    while (fgets(line, sizeof line, nobody.events)) {
        fputs(line, stdout);
        if (!strncmp(line, "note", 4)) {
            start_later(&later);
            pthread_join(later.thread, NULL);
        }
    }
    any_failed = any_failed || device_end(&nobody) != 0;
    device_end(&device);
}

void test_wait(void)
{
    wait_for_a_device();
    wait_for_permission();
}

/* ---- watch */

enum { CHANGES = 16 };

static struct {
    pthread_mutex_t lock;
    unsigned count;
    struct {
        bool arrived;
        char path[64];
        char serial[64];
    } changes[CHANGES];
    WDFOBJECT to_delete;              /* by the callback */
} watched = { .lock = PTHREAD_MUTEX_INITIALIZER };

static EVT_DMF_Hid_Change on_change;

static VOID on_change(const DMF_HID_DEVICE_INFORMATION *information, BOOLEAN arrived, VOID *context)
{
    WDFOBJECT to_delete;
    (void)context;
    pthread_mutex_lock(&watched.lock);
    if (watched.count < CHANGES) {
        watched.changes[watched.count].arrived = arrived;
        snprintf(watched.changes[watched.count].path, sizeof watched.changes[0].path, "%s", information->Path);
        snprintf(watched.changes[watched.count].serial, sizeof watched.changes[0].serial, "%s", information->SerialNumber);
    }
    watched.count++;
    to_delete = watched.to_delete;
    watched.to_delete = NULL;
    pthread_mutex_unlock(&watched.lock);
    if (to_delete)
        WdfObjectDelete(to_delete);
}

static unsigned changes_seen(void)
{
    unsigned count;
    pthread_mutex_lock(&watched.lock);
    count = watched.count;
    pthread_mutex_unlock(&watched.lock);
    return count;
}

static void check_change(unsigned index, bool arrived, const char *path, const char *serial, const char *what)
{
    for (int i = 0; i < WAIT_MS && changes_seen() <= index; i++)
        usleep(1000);
    usleep(50000);
    pthread_mutex_lock(&watched.lock);
    check(watched.count == index + 1 && watched.changes[index].arrived == arrived &&
              !strcmp(watched.changes[index].path, path) && !strcmp(watched.changes[index].serial, serial),
          what, "change %u: %s %s \"%s\"", watched.count, watched.changes[index].arrived ? "arrived" : "gone",
          watched.changes[index].path, watched.changes[index].serial);
    pthread_mutex_unlock(&watched.lock);
}

void test_watch(void)
{
    const DMF_HID_OPEN_PARAMS params = select_product(TEST_VENDOR, TEST_PRODUCT, NULL);
    struct scripted_device present;
    struct scripted_device other;
    struct scripted_device later;
    WDFOBJECT watch = NULL;
    unsigned before;
    char line[512];
    char gone[64];
    device_start(&present, FIRST_OPTIONS);
    device_start(&other, OTHER_OPTIONS);
    must(DMF_Hid_WatchStart(NULL, &params, on_change, NULL, &watch), "start the watch");
    check(changes_seen() == 1, "a watch tells what is there before it has started", "%u changes", changes_seen());
    check_change(0, true, present.node, "SN-0001", "  with its path and serial number");
    device_start(&later, SECOND_OPTIONS);
    check_change(1, true, later.node, "SN-0002", "  one that comes");
    device_say(&other, "destroy");
    device_wait(&other, "DESTROYED");
    snprintf(gone, sizeof gone, "%s", later.node);
    device_say(&later, "destroy");
    device_wait(&later, "DESTROYED");
    check_change(2, false, gone, "SN-0002", "  one that goes, and not another that was not asked for");
    device_say(&later, "create");
    device_wait_line(&later, "NODE", line, sizeof line);
    sscanf(line, "NODE %63s", later.node);
    check_change(3, true, later.node, "SN-0002", "  it comes back");
    WdfObjectDelete(watch);
    before = changes_seen();
    device_say(&later, "destroy");
    device_wait(&later, "DESTROYED");
    usleep(500000);
    check(changes_seen() == before, "  nothing is told after its deletion", "%u changes", changes_seen() - before);
    must(DMF_Hid_WatchStart(NULL, &params, on_change, NULL, &watch), "start the watch");
    pthread_mutex_lock(&watched.lock);
    watched.count = 0;
    watched.to_delete = watch;
    pthread_mutex_unlock(&watched.lock);
    device_say(&present, "destroy");
    device_wait(&present, "DESTROYED");
    check_change(0, false, present.node, "SN-0001", "deleted by its callback: that one is the last");
    device_say(&later, "create");
    device_wait(&later, "NODE");
    usleep(500000);
    check(changes_seen() == 1, "  and it was", "%u changes", changes_seen());
    device_end(&present);
    device_end(&other);
    device_end(&later);
}
