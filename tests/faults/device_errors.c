/*
 * A HID device whose reads, writes and control requests fail with each errno.
 *
 * The device is a pseudo terminal: a character device that epoll can wait for. This program stands between the library
 * and the system where hidraw would: its read() takes one report at a time, its ioctl() answers what opening asks, its
 * open64() has a report descriptor for it; each can be told to fail. The rest of the way is the real one: hidapi, the
 * library's search for the descriptor, epoll, the stream. DMF_HID_WAIT chooses how reports are read, as anywhere.
 */
#define _GNU_SOURCE

#include "harness.h"
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/hidraw.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>

#define REPORT 8
#define REQUESTS 2
#define SKIPPED 77
/* Above the last errno of Linux. */
#define ERRNOS 134

/* ------------------------------------------------------------------------------------------------- the device */

static struct
{
    int Master;
    int Slave; /* keeps the terminal while nobody else has it open */
    char Path[64];
    dev_t Number;
    char DescriptorPath[128]; /* where hidapi looks for it */
    RECORDING Descriptor;     /* and what it gets */
    /* What fails: the errno, or 0; how many reads get a report before, and how many fail. */
    atomic_int ReadError, ReadsBefore, ReadsFailing;
    atomic_int WriteError, ControlError;
} device;

static bool is_device(int descriptor)
{
    struct stat facts;
    return device.Number != 0 && fstat(descriptor, &facts) == 0 && S_ISCHR(facts.st_mode) &&
           facts.st_rdev == device.Number;
}

static int fails(int error)
{
    errno = error;
    return -1;
}

/* Whether this read fails. */
static bool takes_fault(void)
{
    if (atomic_load(&device.ReadError) == 0 || atomic_load(&device.ReadsBefore) > 0)
    {
        return false;
    }
    if (atomic_fetch_sub(&device.ReadsFailing, 1) > 0)
    {
        return true;
    }
    atomic_store(&device.ReadError, 0);
    return false;
}

/* The system's calls, for this program and for the library. */
ssize_t read(int descriptor, void* buffer, size_t size)
{
    unsigned char report[REPORT];
    long got;

    if (!is_device(descriptor) || descriptor == device.Slave)
    {
        return syscall(SYS_read, descriptor, buffer, size);
    }
    if (takes_fault())
    {
        return fails(atomic_load(&device.ReadError));
    }
    /* One report; what the caller has no room for is gone. */
    got = syscall(SYS_read, descriptor, report, sizeof(report));
    if (got > 0)
    {
        /* Not one that found nothing: the library may look once more whether there is a report. */
        atomic_fetch_sub(&device.ReadsBefore, 1);
        got = got < (long)size ? got : (long)size;
        memcpy(buffer, report, (size_t)got);
    }
    return got;
}

ssize_t write(int descriptor, const void* buffer, size_t size)
{
    if (device.Number != 0 && atomic_load(&device.WriteError) != 0 && is_device(descriptor))
    {
        return fails(atomic_load(&device.WriteError));
    }
    return syscall(SYS_write, descriptor, buffer, size);
}

int ioctl(int descriptor, unsigned long request, ...)
{
    va_list arguments;
    void* argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void*);
    va_end(arguments);
    if (_IOC_TYPE(request) != 'H' || !is_device(descriptor))
    {
        return (int)syscall(SYS_ioctl, descriptor, request, argument);
    }
    if (request == HIDIOCGRDESCSIZE)
    {
        *(int*)argument = 21;
        return 0;
    }
    if (atomic_load(&device.ControlError) != 0)
    {
        return fails(atomic_load(&device.ControlError));
    }
    return (int)_IOC_SIZE(request);
}

int open64(const char* path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (device.Number != 0 && strcmp(path, device.DescriptorPath) == 0)
    {
        path = device.Descriptor.Path;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static bool device_create(void)
{
    /* 8 bytes of input, of output and of a feature, without a report ID. */
    static const unsigned char descriptor[] = {0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01, 0x15, 0x00, 0x26, 0xff,
                                               0x00, 0x75, 0x08, 0x95, REPORT, 0x09, 0x01, 0x81, 0x02, 0x09, 0x01,
                                               0x91, 0x02, 0x09, 0x01, 0xb1, 0x02, 0xc0};
    struct termios raw;
    struct stat facts;

    device.Master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (device.Master < 0 || grantpt(device.Master) != 0 || unlockpt(device.Master) != 0 ||
        ptsname_r(device.Master, device.Path, sizeof(device.Path)) != 0)
    {
        return false;
    }
    device.Slave = open(device.Path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (device.Slave < 0 || fstat(device.Slave, &facts) != 0 || tcgetattr(device.Slave, &raw) != 0)
    {
        return false;
    }
    cfmakeraw(&raw);
    tcsetattr(device.Slave, TCSANOW, &raw);
    snprintf(device.DescriptorPath, sizeof(device.DescriptorPath), "/sys/dev/char/%u:%u/device/report_descriptor",
             major(facts.st_rdev), minor(facts.st_rdev));
    device.Descriptor = recording_of_bytes(descriptor, sizeof(descriptor));
    device.Number = facts.st_rdev;
    return true;
}

static void device_remove(void)
{
    recording_remove(&device.Descriptor);
    close(device.Slave);
    close(device.Master);
}

/* The device sends a report: its number, in four bytes, little-endian. */
static void device_sends(ULONG number)
{
    unsigned char report[REPORT] = {(unsigned char)number, (unsigned char)(number >> 8), 0, 0, 1, 2, 3, 4};
    CHECK_EQUAL(syscall(SYS_write, device.Master, report, sizeof(report)), REPORT);
}

/* So many reads get a report, so many fail after them. */
static void reads_fail(int error, int before, int failing)
{
    atomic_store(&device.ReadsBefore, before);
    atomic_store(&device.ReadsFailing, failing);
    atomic_store(&device.ReadError, error);
}

static void reads_succeed(void)
{
    atomic_store(&device.ReadError, 0);
}

/* ------------------------------------------------------------------------------------------------- the stream */

static struct
{
    pthread_mutex_t Lock;
    ULONG Reports;
    ULONG Next; /* the number that is expected */
    ULONG Wrong;
    ULONG Failures;
    NTSTATUS Failure;
    ULONG Removals;
} stream = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static void stream_clear(void)
{
    pthread_mutex_lock(&stream.Lock);
    stream.Reports = stream.Next = stream.Wrong = stream.Failures = stream.Removals = 0;
    stream.Failure = STATUS_SUCCESS;
    pthread_mutex_unlock(&stream.Lock);
}

static ULONG stream_read(const ULONG* value)
{
    ULONG copy;
    pthread_mutex_lock(&stream.Lock);
    copy = *value;
    pthread_mutex_unlock(&stream.Lock);
    return copy;
}

static EVT_DMF_ContinuousRequestTarget_BufferOutput Arrived;

static ContinuousRequestTarget_BufferDisposition Arrived(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                         size_t OutputBufferSize, VOID* ClientBufferContextOutput,
                                                         NTSTATUS CompletionStatus)
{
    const unsigned char* bytes = OutputBuffer;

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBufferContextOutput);
    pthread_mutex_lock(&stream.Lock);
    if (NT_SUCCESS(CompletionStatus))
    {
        stream.Wrong += OutputBufferSize != REPORT + 1 || bytes[0] != 0 ||
                        (ULONG)(bytes[1] | bytes[2] << 8) != stream.Next || bytes[8] != 4;
        stream.Next++;
        stream.Reports++;
    }
    else
    {
        stream.Wrong += OutputBufferSize != 0;
        stream.Failures++;
        stream.Failure = CompletionStatus;
    }
    pthread_mutex_unlock(&stream.Lock);
    /* Also after a failure: whoever goes on is told that there is nothing to go on with. */
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static EVT_DMF_IoTarget_Removal Removed;

static VOID Removed(WDFIOTARGET Target, VOID* Context)
{
    UNREFERENCED_PARAMETER(Target);
    UNREFERENCED_PARAMETER(Context);
    pthread_mutex_lock(&stream.Lock);
    stream.Removals++;
    pthread_mutex_unlock(&stream.Lock);
}

static DMFMODULE stream_create(void)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = NULL;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = REQUESTS;
    config.BufferCountOutput = 4;
    config.BufferOutputSize = 64;
    config.EvtContinuousRequestTargetBufferOutput = Arrived;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(NULL, &attributes, NULL, &module));
    return module;
}

static WDFIOTARGET target_open(void)
{
    DMF_HID_OPEN_PARAMS params;
    WDFIOTARGET target = NULL;

    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.Path = device.Path;
    CHECK_SUCCESS(DMF_IoTarget_HidOpen(NULL, &params, &target));
    CHECK_SUCCESS(DMF_IoTarget_RemovalCallbackSet(target, Removed, NULL));
    return target;
}

static DMF_IO_TARGET_STATISTICS statistics_of(WDFIOTARGET target)
{
    DMF_IO_TARGET_STATISTICS statistics = {.Size = sizeof(statistics)};
    CHECK_SUCCESS(DMF_IoTarget_StatisticsGet(target, &statistics));
    return statistics;
}

static bool by_slices(void)
{
    const char* way = getenv("DMF_HID_WAIT");
    return way != NULL && strcmp(way, "slices") == 0;
}

/* Whether a read that fails so is just made again. */
static bool passes(int error)
{
    return error == EINTR || error == EAGAIN || (by_slices() && error == EINPROGRESS);
}

/* Whether it means that the device is gone, and nothing else. */
static bool says_gone(int error)
{
    return error == EIO || error == ENODEV || error == ENXIO || error == ESHUTDOWN;
}

/* The errnos, or some of them where a run is to be short. */
static int next_error(int error)
{
    return error + (harness_rounds(100) < 100 ? 13 : 1);
}

static void checks_reports(ULONG count)
{
    EVENTUALLY(stream_read(&stream.Reports) == count);
    CHECK_EQUAL(stream_read(&stream.Wrong), 0);
}

static void read_fails_and_passes(int error)
{
    DMFMODULE module = stream_create();
    WDFIOTARGET target = target_open();

    stream_clear();
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    device_sends(0);
    checks_reports(1);
    reads_fail(error, 1, 5);
    for (ULONG number = 1; number < 6; number++)
    {
        device_sends(number);
    }
    checks_reports(6);
    reads_succeed();
    CHECK_EQUAL(stream_read(&stream.Failures), 0);
    CHECK_EQUAL(stream_read(&stream.Removals), 0);
    CHECK_EQUAL(statistics_of(target).ReportsDropped, 0);
    CHECK_EQUAL(statistics_of(target).OverrunsSuspected, 0);
    WdfObjectDelete(module);
    WdfObjectDelete(target);
}

static void read_fails_for_good(int error)
{
    DMFMODULE module = stream_create();
    WDFIOTARGET target = target_open();
    DMF_IO_TARGET_STATISTICS statistics;
    UCHAR report[64];
    size_t bytes;

    stream_clear();
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    device_sends(0);
    checks_reports(1);

    /* What was read before comes first; then every Request that streams is told, then the program. */
    reads_fail(error, 1, 1 << 20);
    device_sends(1);
    device_sends(2);
    checks_reports(2);
    EVENTUALLY(stream_read(&stream.Failures) == REQUESTS);
    EVENTUALLY(stream_read(&stream.Removals) == 1);
    CHECK_STATUS(stream.Failure, STATUS_DEVICE_NOT_CONNECTED);
    EVENTUALLY(DMF_ContinuousRequestTarget_StreamingCountGet(module) == 0);
    statistics = statistics_of(target);
    CHECK_EQUAL(statistics.RequestsCompleted, 2);
    CHECK_EQUAL(statistics.RequestsFailed, REQUESTS);
    CHECK_EQUAL(statistics.ReportsDropped, 0);
    /* The last report was never read: that is told, unless the device itself has gone with all that it had. */
    CHECK_EQUAL(statistics.OverrunsSuspected, by_slices() || !says_gone(error) ? 1 : 0);

    CHECK_STATUS(DMF_ContinuousRequestTarget_SendSynchronously(module, NULL, 0, report, sizeof(report),
                                                               ContinuousRequestTarget_RequestType_Read, 0, 0, &bytes),
                 STATUS_DEVICE_NOT_CONNECTED);
    CHECK_STATUS(DMF_ContinuousRequestTarget_Start(module), STATUS_DEVICE_NOT_CONNECTED);
    DMF_ContinuousRequestTarget_StopAndWait(module);
    DMF_ContinuousRequestTarget_IoTargetClear(module);
    WdfObjectDelete(target);

    /* The fault is over: the same stream goes on with the device opened again. */
    reads_succeed();
    stream_clear();
    target = target_open();
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    device_sends(0);
    checks_reports(1);
    CHECK_EQUAL(stream_read(&stream.Failures), 0);
    /* Deleted while it streams. */
    WdfObjectDelete(module);
    WdfObjectDelete(target);
    MISUSE_IGNORE();
}

TEST(a_read_that_fails_in_passing_is_made_again_and_loses_nothing)
{
    for (int error = 1; error < ERRNOS; error++)
    {
        if (passes(error))
        {
            read_fails_and_passes(error);
        }
    }
}

/*
 * As many reports in a row as hidraw has room for mean that it may have had no room for more. That a signal came in between
 * does not mean that there was nothing to read.
 */
TEST(an_interrupted_read_does_not_hide_that_reports_may_be_missing)
{
    enum { ROOM = 63 };
    DMFMODULE module = stream_create();
    WDFIOTARGET target = target_open();

    stream_clear();
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    /* The callback waits while the device sends on. */
    pthread_mutex_lock(&stream.Lock);
    for (ULONG number = 0; number < ROOM + 1; number++)
    {
        device_sends(number);
    }
    reads_fail(EINTR, ROOM / 2, 1);
    pthread_mutex_unlock(&stream.Lock);
    checks_reports(ROOM + 1);
    reads_succeed();
    CHECK_EQUAL(statistics_of(target).OverrunsSuspected, 1);
    WdfObjectDelete(module);
    WdfObjectDelete(target);
    MISUSE_IGNORE();
}

TEST(a_read_that_fails_otherwise_is_the_end_of_the_device_and_everybody_is_told)
{
    for (int error = 1; error < ERRNOS && harness.Failures == 0; error = next_error(error))
    {
        if (!passes(error))
        {
            read_fails_for_good(error);
            if (harness.Failures != 0)
            {
                printf("        errno %d, %s\n", error, strerror(error));
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------ single reads */

/* Two reads, one after the other, of a device that sends a report in between. */
static struct
{
    DMFMODULE Module;
    UCHAR Report[REPORT + 1];
    bool ReadsOn; /* the first read's callback sends the second read */
    bool Cancels; /* and cancels another one before */
    RequestTarget_DmfRequestCancel Other;
    UCHAR OtherReport[REPORT + 1];
    atomic_uint Canceled;
    sem_t Inside, Leave;
    atomic_uint Ends;
    ULONG Numbers[2]; /* of the reports that they got */
} single;

/* What the device has sent has arrived, and nobody has read it. */
static void a_report_waits(void)
{
    int bytes = 0;
    EVENTUALLY(syscall(SYS_ioctl, device.Slave, FIONREAD, &bytes) == 0 && bytes == REPORT);
}

static EVT_DMF_ContinuousRequestTarget_SendCompletion TakesReport, IsCanceled;

static VOID IsCanceled(DMFMODULE DmfModule, VOID* ClientRequestContext, VOID* InputBuffer, size_t InputBufferBytesWritten,
                       VOID* OutputBuffer, size_t OutputBufferBytesRead, NTSTATUS CompletionStatus)
{
    (void)DmfModule, (void)ClientRequestContext, (void)InputBuffer, (void)InputBufferBytesWritten, (void)OutputBuffer;
    CHECK_STATUS(CompletionStatus, STATUS_CANCELLED);
    CHECK_EQUAL(OutputBufferBytesRead, 0);
    atomic_fetch_add(&single.Canceled, 1);
}

static void single_read(void)
{
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Send(single.Module, NULL, 0, single.Report, sizeof(single.Report),
                                                   ContinuousRequestTarget_RequestType_Read, 0, 0, TakesReport, NULL));
}

static VOID TakesReport(DMFMODULE DmfModule, VOID* ClientRequestContext, VOID* InputBuffer, size_t InputBufferBytesWritten,
                        VOID* OutputBuffer, size_t OutputBufferBytesRead, NTSTATUS CompletionStatus)
{
    unsigned end = atomic_load(&single.Ends);

    (void)DmfModule, (void)ClientRequestContext, (void)InputBuffer, (void)InputBufferBytesWritten, (void)OutputBuffer;
    CHECK_SUCCESS(CompletionStatus);
    CHECK_EQUAL(OutputBufferBytesRead, sizeof(single.Report));
    single.Numbers[end % 2] = single.Report[1];
    atomic_store(&single.Ends, end + 1);
    if (end != 0)
    {
        return;
    }
    if (single.ReadsOn)
    {
        device_sends(2);
        a_report_waits();
        if (single.Cancels)
        {
            CHECK(DMF_ContinuousRequestTarget_Cancel(single.Module, single.Other));
        }
        single_read();
        return;
    }
    sem_post(&single.Inside);
    sem_wait(&single.Leave);
}

/* The first read has got the report 1. */
static WDFIOTARGET single_begins(bool reads_on, bool cancels)
{
    WDFIOTARGET target = target_open();

    single.Module = stream_create();
    single.ReadsOn = reads_on;
    single.Cancels = cancels;
    atomic_store(&single.Ends, 0);
    atomic_store(&single.Canceled, 0);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(single.Module, target));
    single_read();
    if (cancels)
    {
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendEx_2025(
            single.Module, NULL, 0, single.OtherReport, sizeof(single.OtherReport), ContinuousRequestTarget_RequestType_Read, 0,
            0, IsCanceled, NULL, &single.Other));
    }
    device_sends(1);
    EVENTUALLY(atomic_load(&single.Ends) > 0);
    CHECK_EQUAL(single.Numbers[0], 1);
    return target;
}

static void single_ends(WDFIOTARGET target)
{
    EVENTUALLY(atomic_load(&single.Ends) == 2);
    WdfObjectDelete(single.Module);
    WdfObjectDelete(target);
    MISUSE_IGNORE();
}

TEST(a_report_that_comes_between_two_reads_is_forgotten)
{
    sem_init(&single.Inside, 0, 0);
    sem_init(&single.Leave, 0, 0);
    for (unsigned round = 0; round < harness_rounds(20); round++)
    {
        WDFIOTARGET target = single_begins(false, false);

        /* The second read is there before the thread that has completed the first one goes on. */
        sem_wait(&single.Inside);
        device_sends(2);
        a_report_waits();
        single_read();
        device_sends(3);
        sem_post(&single.Leave);
        single_ends(target);
        CHECK_EQUAL(single.Numbers[1], 3);
    }
}

TEST(a_read_that_is_sent_in_the_callback_of_another_gets_the_next_report)
{
    for (unsigned round = 0; round < harness_rounds(20); round++)
    {
        single_ends(single_begins(true, false));
        CHECK_EQUAL(single.Numbers[1], 2);
    }
}

TEST(so_does_one_that_is_sent_after_another_was_canceled_there)
{
    for (unsigned round = 0; round < harness_rounds(20); round++)
    {
        single_ends(single_begins(true, true));
        CHECK_EQUAL(single.Numbers[1], 2);
        CHECK_EQUAL(atomic_load(&single.Canceled), 1);
    }
}

/* ---------------------------------------------------------------------------------- writes and control requests */

static NTSTATUS status_of(int error)
{
    switch (error)
    {
        case EPERM:
        case EACCES:
            return STATUS_ACCESS_DENIED;
        case ENOENT:
            return STATUS_OBJECT_NAME_NOT_FOUND;
        case ENODEV:
        case ENXIO:
        case ESHUTDOWN:
            return STATUS_DEVICE_NOT_CONNECTED;
        case ETIMEDOUT:
            return STATUS_IO_TIMEOUT;
        case EINVAL:
        case EMSGSIZE:
        case EOVERFLOW:
            return STATUS_INVALID_BUFFER_SIZE;
        case EBUSY:
        case EAGAIN:
            return STATUS_DEVICE_BUSY;
        case ENOSYS:
        case EOPNOTSUPP:
            return STATUS_NOT_SUPPORTED;
        case ENOTTY:
            return STATUS_INVALID_PARAMETER;
        case ENOMEM:
            return STATUS_INSUFFICIENT_RESOURCES;
        default:
            return STATUS_UNSUCCESSFUL;
    }
}

#define IOCTL_GET_FEATURE 0x000B0192
#define IOCTL_SET_FEATURE 0x000B0191

static NTSTATUS sends(DMFMODULE module, ContinuousRequestTarget_RequestType type, ULONG code)
{
    UCHAR in[REPORT + 1] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    UCHAR out[REPORT + 1] = {0};
    bool gets = code == IOCTL_GET_FEATURE;
    size_t bytes = 0;
    NTSTATUS status = DMF_ContinuousRequestTarget_SendSynchronously(
        module, gets ? NULL : in, gets ? 0 : sizeof(in), gets ? out : NULL, gets ? sizeof(out) : 0, type, code, 0, &bytes);
    CHECK_EQUAL(bytes, !NT_SUCCESS(status) || code == IOCTL_SET_FEATURE ? 0 : sizeof(in));
    return status;
}

TEST(a_write_or_a_control_request_that_fails_has_the_status_of_its_errno)
{
    DMFMODULE module = stream_create();
    WDFIOTARGET target = target_open();

    stream_clear();
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(module));
    for (int error = 1; error < ERRNOS; error++)
    {
        int before = harness.Failures;

        atomic_store(&device.WriteError, error);
        atomic_store(&device.ControlError, error);
        CHECK_STATUS(sends(module, ContinuousRequestTarget_RequestType_Write, 0), status_of(error));
        CHECK_STATUS(sends(module, ContinuousRequestTarget_RequestType_Ioctl, IOCTL_SET_FEATURE), status_of(error));
        CHECK_STATUS(sends(module, ContinuousRequestTarget_RequestType_Ioctl, IOCTL_GET_FEATURE), status_of(error));
        if (harness.Failures != before)
        {
            printf("        errno %d, %s\n", error, strerror(error));
        }
    }
    atomic_store(&device.WriteError, 0);
    atomic_store(&device.ControlError, 0);
    /* The stream has seen nothing of it, and the device does what it is asked again. */
    device_sends(0);
    checks_reports(1);
    CHECK_EQUAL(stream_read(&stream.Failures), 0);
    CHECK_SUCCESS(sends(module, ContinuousRequestTarget_RequestType_Write, 0));
    CHECK_SUCCESS(sends(module, ContinuousRequestTarget_RequestType_Ioctl, IOCTL_SET_FEATURE));
    WdfObjectDelete(module);
    WdfObjectDelete(target);
}

/* ---------------------------------------------------------------------------- deletion from each other's threads */

/* Two targets, each of which is deleted in the callback of a write to the other one while both are in them. */
static struct
{
    WDFIOTARGET Targets[2];
    pthread_barrier_t BothInside;
    atomic_int Returned;
} pair;

static EVT_DMF_ContinuousRequestTarget_SendCompletion DeletesTheOther;

static VOID DeletesTheOther(DMFMODULE DmfModule, VOID* ClientRequestContext, VOID* InputBuffer, size_t InputBufferBytesWritten,
                            VOID* OutputBuffer, size_t OutputBufferBytesRead, NTSTATUS CompletionStatus)
{
    int which = *(const int*)ClientRequestContext;

    (void)DmfModule, (void)InputBuffer, (void)InputBufferBytesWritten, (void)OutputBuffer, (void)OutputBufferBytesRead;
    /* A terminal takes one write at a time. */
    CHECK(CompletionStatus == STATUS_SUCCESS || CompletionStatus == STATUS_DEVICE_BUSY);
    pthread_barrier_wait(&pair.BothInside);
    WdfObjectDelete(pair.Targets[1 - which]);
    atomic_fetch_add(&pair.Returned, 1);
}

TEST(targets_may_be_deleted_in_the_callbacks_of_each_others_writes)
{
    static const int which[2] = {0, 1};
    UCHAR report[REPORT + 1] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    DMFMODULE modules[2];

    pthread_barrier_init(&pair.BothInside, NULL, 2);
    for (unsigned round = 0; round < harness_rounds(20); round++)
    {
        atomic_store(&pair.Returned, 0);
        for (int i = 0; i < 2; i++)
        {
            modules[i] = stream_create();
            pair.Targets[i] = target_open();
            CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(modules[i], pair.Targets[i]));
        }
        for (int i = 0; i < 2; i++)
        {
            CHECK_SUCCESS(DMF_ContinuousRequestTarget_Send(modules[i], report, sizeof(report), NULL, 0,
                                                           ContinuousRequestTarget_RequestType_Write, 0, 0, DeletesTheOther,
                                                           (VOID*)&which[i]));
        }
        EVENTUALLY(atomic_load(&pair.Returned) == 2);
        WdfObjectDelete(modules[0]);
        WdfObjectDelete(modules[1]);
    }
    pthread_barrier_destroy(&pair.BothInside);
}

int main(void)
{
    if (!device_create())
    {
        printf("skipped: no pseudo terminal: %s\n", strerror(errno));
        return SKIPPED;
    }
    RUN(a_read_that_fails_in_passing_is_made_again_and_loses_nothing);
    RUN(an_interrupted_read_does_not_hide_that_reports_may_be_missing);
    RUN(a_read_that_fails_otherwise_is_the_end_of_the_device_and_everybody_is_told);
    RUN(a_report_that_comes_between_two_reads_is_forgotten);
    RUN(a_read_that_is_sent_in_the_callback_of_another_gets_the_next_report);
    RUN(so_does_one_that_is_sent_after_another_was_canceled_there);
    RUN(a_write_or_a_control_request_that_fails_has_the_status_of_its_errno);
    RUN(targets_may_be_deleted_in_the_callbacks_of_each_others_writes);
    device_remove();
    return TESTS_RESULT();
}
