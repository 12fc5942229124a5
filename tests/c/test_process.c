/*
 * What happens around the library in a process: fork, exec, exit, signals, threads that come and go, and the environment.
 *
 * Some tests start this program again with the name of a scene; see main().
 */
#define _GNU_SOURCE

#include "../process/every_call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <sys/time.h>
#include <sys/wait.h>

static atomic_bool leaks_are_not_the_librarys;

/*
 * What the stacks of threads point to that are gone is taken for leaks: by valgrind and by LeakSanitizer, which asks here before it
 * looks for them.
 */
HARNESS_UNUSED int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return atomic_load(&leaks_are_not_the_librarys);
}

/* The first thing in the child of a fork: the other threads' stacks are there, and the threads are not. */
static void child_begins(unsigned seconds)
{
    atomic_store(&leaks_are_not_the_librarys, true);
    VALGRIND_CLO_CHANGE("--leak-check=no");
    alarm(seconds);
}

static char self[4096];

static void world_entered(const char* callback)
{
    (void)callback;
}

/* The exit status of a child; -1 if it was killed. */
static int child_result(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Starts this program again for a scene; what it prints goes to output, if there is one. */
static int scene(const char* name, char* const environment[], char* output, size_t size)
{
    char* arguments[] = {self, (char*)(uintptr_t)name, NULL};
    int ends[2];
    pid_t child;
    size_t length = 0;
    ssize_t got;

    fflush(stdout);
    if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0)
    {
        return -2;
    }
    if (child == 0)
    {
        alarm(120);
        if (output != NULL)
        {
            dup2(ends[1], STDOUT_FILENO);
        }
        execve(self, arguments, environment);
        _exit(126);
    }
    close(ends[1]);
    while (output != NULL && length + 1 < size && (got = read(ends[0], output + length, size - 1 - length)) > 0)
    {
        length += (size_t)got;
    }
    if (output != NULL)
    {
        output[length] = '\0';
    }
    close(ends[0]);
    return child_result(child);
}

/* --------------------------------------------------------------------------------------------------- fork */

TEST(every_function_is_in_the_list)
{
    CHECK_EQUAL(calls_missing(), 0);
}

/* Such functions put their handle into the world's Made or MadeObject. */
static bool makes_an_object(const CALL* call)
{
    static const char* const makers[] = {"_Create", "_ClientCreate", "_HidOpen", "_ReplayOpen", "_WatchStart"};

    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
    {
        const char* found = strstr(call->Name, makers[i]);
        if (found != NULL && strlen(found) == strlen(makers[i]))
        {
            return true;
        }
    }
    return false;
}

TEST(in_the_child_of_a_fork_every_function_refuses)
{
    WORLD world;

    world_make(&world);
    for (size_t i = 0; i < CALLS; i++)
    {
        const CALL* call = &calls[i];
        pid_t child;
        int result;

        /* What the thread remembers is its last success. */
        REQUIRE(DMF_ParentDeviceGet(world.Ring) == world.Device);
        fflush(stdout);
        child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
        {
            void* const old = &world;
            uint64_t answer;
            child_begins(60);
            world.Made = (DMFMODULE)old;
            world.MadeObject = old;
            answer = call->Run(&world);
            if (makes_an_object(call) && world.Made != NULL && world.MadeObject != NULL)
            {
                _exit(4);
            }
            if (call->Kind == ANSWERS_ALWAYS)
            {
                _exit(0);
            }
            if (call->Kind == ANSWERS_STATUS)
            {
                _exit((NTSTATUS)answer == STATUS_INVALID_DEVICE_STATE ? 0 : 1);
            }
            _exit(answer != 0 ? 2 : DMF_LastStatusGet() == STATUS_INVALID_DEVICE_STATE ? 0 : 3);
        }
        result = child_result(child);
        if (result != 0)
        {
            printf("    %s in the child: %d\n", call->Name, result);
            CHECK_EQUAL(result, 0);
        }
    }
    /* The parent goes on as if nothing had been. */
    CHECK_SUCCESS(DMF_RingBuffer_Write(world.Ring, world.In, WORLD_BYTES));
    CHECK(DMF_ContinuousRequestTarget_StreamingCountGet(world.Streaming) == 2);
    world_end(&world);
}

TEST(the_child_of_a_fork_says_why_exits_and_can_exec)
{
    WORLD world;
    static char output[16384];
    pid_t child;
    char* none[] = {NULL};

    world_make(&world);
    fflush(stdout);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
    {
        child_begins(60);
        if (DMF_RingBuffer_Write(world.Ring, world.In, WORLD_BYTES) != STATUS_INVALID_DEVICE_STATE ||
            strstr(DMF_LastErrorMessageGet(), "fork") == NULL)
        {
            _exit(1);
        }
        WdfObjectDelete(world.Device); /* the objects stay the parent's */
        exit(5);
    }
    CHECK_EQUAL(child_result(child), 5);
    CHECK_EQUAL(scene("library works", none, output, sizeof(output)), 0);
    CHECK_SUCCESS(DMF_RingBuffer_Read(world.Ring, world.Out, WORLD_BYTES));
    world_end(&world);
}

static atomic_bool over;

/* Is inside of Methods all the time, with and without their locks. */
static void* hammers(void* context)
{
    WORLD* world = context;
    UCHAR bytes[WORLD_BYTES] = {0};
    VOID* buffer;

    while (!atomic_load(&over))
    {
        WDFDEVICE device = NULL;
        (void)DMF_RingBuffer_Write(world->Ring, bytes, sizeof(bytes));
        (void)DMF_ContinuousRequestTarget_SendSynchronously(world->Stream, bytes, 4, bytes, 4,
                                                            ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 0,
                                                            NULL);
        if (NT_SUCCESS(DMF_BufferQueue_Fetch(world->Queue, &buffer, NULL)))
        {
            DMF_BufferQueue_Reuse(world->Queue, buffer);
        }
        if (NT_SUCCESS(DMF_Device_Create(NULL, &device)))
        {
            WdfObjectDelete(device);
        }
    }
    return NULL;
}

#define HAMMERS 4

TEST(a_fork_while_other_threads_are_inside_of_methods_harms_neither)
{
    WORLD world;
    pthread_t threads[HAMMERS];
    unsigned rounds = harness_rounds(200);
    unsigned wrong = 0;

    atomic_store(&over, false);
    world_make(&world);
    for (int i = 0; i < HAMMERS; i++)
    {
        REQUIRE(pthread_create(&threads[i], NULL, hammers, &world) == 0);
    }
    fflush(stdout);
    for (unsigned i = 0; i < rounds; i++)
    {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
        {
            WDFDEVICE device = NULL;
            child_begins(60);
            if (DMF_RingBuffer_Write(world.Ring, world.In, WORLD_BYTES) != STATUS_INVALID_DEVICE_STATE ||
                DMF_Device_Create(NULL, &device) != STATUS_INVALID_DEVICE_STATE ||
                DMF_BufferQueue_Count(world.Queue) != 0)
            {
                _exit(1);
            }
            exit(0);
        }
        wrong += child_result(child) != 0;
    }
    CHECK_EQUAL(wrong, 0);
    atomic_store(&over, true);
    for (int i = 0; i < HAMMERS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    world_end(&world);
}

static atomic_int forked_result;

static ContinuousRequestTarget_BufferDisposition ForksOnce(DMFMODULE Module, VOID* Buffer, size_t Size,
                                                           VOID* BufferContext, NTSTATUS Status)
{
    (void)Buffer, (void)Size, (void)BufferContext, (void)Status;
    if (atomic_load(&forked_result) == -1)
    {
        pid_t child = fork();
        if (child == 0)
        {
            child_begins(60);
            /* It must not return into the library: see docs/threads.md. */
            _exit(DMF_ContinuousRequestTarget_StreamingCountGet(Module) == 0 &&
                          DMF_LastStatusGet() == STATUS_INVALID_DEVICE_STATE
                      ? 0
                      : 1);
        }
        atomic_store(&forked_result, child_result(child));
    }
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static DMFMODULE stream_of(WDFDEVICE device, WDFIOTARGET target, BOOLEAN passive,
                           EVT_DMF_ContinuousRequestTarget_BufferOutput* output)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE stream = NULL;
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    attributes.PassiveLevel = passive;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = 4;
    config.BufferCountOutput = 8;
    config.BufferOutputSize = WORLD_BYTES;
    config.EvtContinuousRequestTargetBufferOutput = output;
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &stream));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(stream, target));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(stream));
    return stream;
}

TEST(a_callback_may_fork)
{
    RECORDING recording = recording_numbered(100, 100);
    DMF_REPLAY_PARAMS pace = {.Size = sizeof(pace), .Speed = 1, .Repeat = 0};
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;

    atomic_store(&forked_result, -1);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    REQUIRE_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, &pace, &target));
    (void)stream_of(device, target, FALSE, ForksOnce);
    EVENTUALLY(atomic_load(&forked_result) != -1);
    CHECK_EQUAL(atomic_load(&forked_result), 0);
    WdfObjectDelete(device);
    recording_remove(&recording);
}

/* --------------------------------------------------------------------------------------------------- exit */

/* A world in which everything runs: streams on both kinds of threads, timers, work, a thread of a queue, a watch. */
static atomic_uint busy_calls;
static atomic_bool busy_exits;

static void busy(void)
{
    if (atomic_fetch_add(&busy_calls, 1) >= 200 && atomic_exchange(&busy_exits, false))
    {
        exit(7);
    }
}

static ContinuousRequestTarget_BufferDisposition BusyOutput(DMFMODULE Module, VOID* Buffer, size_t Size,
                                                            VOID* BufferContext, NTSTATUS Status)
{
    (void)Module, (void)Buffer, (void)Size, (void)BufferContext, (void)Status;
    busy();
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static VOID BusyExpired(DMFMODULE Module, VOID* Buffer, VOID* BufferContext, VOID* Context)
{
    (void)BufferContext, (void)Context;
    busy();
    (void)DMF_BufferQueue_EnqueueWithTimer(Module, Buffer, 1, BusyExpired, NULL);
}

static ScheduledTask_Result_Type BusyWork(DMFMODULE Module, VOID* Buffer, VOID* BufferContext)
{
    (void)BufferContext;
    busy();
    (void)DMF_QueuedWorkItem_Enqueue(Module, Buffer, 4);
    return ScheduledTask_WorkResult_Success;
}

static ThreadedBufferQueue_BufferDisposition BusyThreaded(DMFMODULE Module, UCHAR* Buffer, ULONG Size,
                                                          VOID* BufferContext, NTSTATUS* Status)
{
    VOID* next;
    (void)Buffer, (void)Size, (void)BufferContext;
    busy();
    *Status = STATUS_SUCCESS;
    if (NT_SUCCESS(DMF_ThreadedBufferQueue_Fetch(DMF_ParentModuleGet(Module) != NULL ? DMF_ParentModuleGet(Module) : Module,
                                                 &next, NULL)))
    {
        DMF_ThreadedBufferQueue_Enqueue(DMF_ParentModuleGet(Module) != NULL ? DMF_ParentModuleGet(Module) : Module, next);
    }
    return ThreadedBufferQueue_BufferDisposition_WorkComplete;
}

static WDFDEVICE busy_make(void)
{
    const BufferPool_SourceSettings settings = {.BufferCount = 8, .BufferSize = WORLD_BYTES, .CreateWithTimer = TRUE};
    RECORDING recording = recording_numbered(100, 200);
    DMF_REPLAY_PARAMS pace = {.Size = sizeof(pace), .Speed = 1, .Repeat = 0};
    DMF_HID_OPEN_PARAMS any;
    WDFDEVICE device = NULL;
    WDFIOTARGET target;
    WDFOBJECT watch;
    DMFMODULE module;
    DMF_MODULE_ATTRIBUTES attributes;
    VOID* buffer;
    UCHAR work[4] = {0};

    CHECK_SUCCESS(DMF_Device_Create(NULL, &device));
    for (int passive = 0; passive < 2; passive++)
    {
        CHECK_SUCCESS(DMF_IoTarget_ReplayOpen(device, recording.Path, &pace, &target));
        (void)stream_of(device, target, (BOOLEAN)passive, BusyOutput);
        CHECK_SUCCESS(DMF_IoTarget_ClientCreate(device, WorldAnswers, NULL, &target));
        (void)stream_of(device, target, (BOOLEAN)passive, BusyOutput);
    }
    {
        DMF_CONFIG_BufferQueue config;
        DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.SourceSettings = settings;
        CHECK_SUCCESS(DMF_BufferQueue_Create(device, &attributes, NULL, &module));
        for (unsigned i = 0; i < 8; i++)
        {
            CHECK_SUCCESS(DMF_BufferQueue_Fetch(module, &buffer, NULL));
            CHECK_SUCCESS(DMF_BufferQueue_EnqueueWithTimer(module, buffer, i < 4 ? 1 : 3600000, BusyExpired, NULL));
        }
    }
    {
        DMF_CONFIG_QueuedWorkItem config;
        DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.EvtQueuedWorkitemFunction = BusyWork;
        config.BufferQueueConfig.SourceSettings = settings;
        CHECK_SUCCESS(DMF_QueuedWorkItem_Create(device, &attributes, NULL, &module));
        CHECK_SUCCESS(DMF_QueuedWorkItem_Enqueue(module, work, sizeof(work)));
    }
    {
        DMF_CONFIG_ThreadedBufferQueue config;
        DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferQueueConfig.SourceSettings = settings;
        config.EvtThreadedBufferQueueWork = BusyThreaded;
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_Create(device, &attributes, NULL, &module));
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(module));
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(module, &buffer, NULL));
        DMF_ThreadedBufferQueue_Enqueue(module, buffer);
    }
    DMF_HID_OPEN_PARAMS_INIT(&any);
    CHECK_SUCCESS(DMF_Hid_WatchStart(device, &any, WorldHidChange, NULL, &watch));
    recording_remove(&recording);
    return device;
}

/* In the order in which exit() calls: after the thread's own storage has gone. */
static void calls_at_exit(void)
{
    WDFDEVICE device = NULL;
    UCHAR byte = 0;
    if (!NT_SUCCESS(DMF_Device_Create(NULL, &device)) || DMF_RingBuffer_Write(NULL, &byte, 1) != STATUS_INVALID_HANDLE ||
        strlen(DMF_LastErrorMessageGet()) == 0)
    {
        _exit(99);
    }
    WdfObjectDelete(device);
}

static pthread_key_t key;

static VOID key_ends(VOID* device)
{
    WdfObjectDelete((WDFOBJECT)device);
}

static void* ends_with_main(void* context)
{
    (void)context;
    while (atomic_load(&busy_calls) < 200)
    {
        harness_sleep_milliseconds(1);
    }
    exit(7);
}

/* One program run. Its exit status is 7 where nothing is wrong, 0 for those that print. */
static int run_scene(const char* name)
{
    if (strcmp(name, "library works") == 0 || strcmp(name, "digest") == 0)
    {
        WORLD world;
        size_t done = 0;
        setlocale(LC_ALL, "");
        DMF_MisuseHandlerSet(harness_misuse, NULL);
        for (size_t i = 0; i < CALLS; i++)
        {
            uint64_t answer;
            world_make(&world);
            answer = calls[i].Run(&world);
            done += calls[i].Kind != ANSWERS_STATUS || NT_SUCCESS((NTSTATUS)answer);
            if (calls[i].Kind == ANSWERS_STATUS)
            {
                printf("%s %s\n", calls[i].Name, DMF_StatusName((NTSTATUS)answer));
            }
            world_end(&world);
        }
        (void)DMF_RingBuffer_Write(NULL, NULL, 0);
        printf("%s\n", DMF_LastErrorMessageGet());
        return harness.Failures == 0 && done > CALLS - 10 ? 0 : 1;
    }
    (void)busy_make();
    if (harness.Failures != 0)
    {
        return 98;
    }
    if (strcmp(name, "exit in a callback") == 0)
    {
        atomic_store(&busy_exits, true);
        for (;;)
        {
            pause();
        }
    }
    if (strcmp(name, "main thread ends") == 0)
    {
        pthread_t thread;
        /* glibc keeps the list of a thread's destructors in the thread, and a main thread that ends so does not free it. */
        atomic_store(&leaks_are_not_the_librarys, true);
        if (pthread_create(&thread, NULL, ends_with_main, NULL) != 0)
        {
            return 97;
        }
        pthread_exit(NULL);
    }
    while (atomic_load(&busy_calls) < 200)
    {
        harness_sleep_milliseconds(1);
    }
    if (strcmp(name, "_exit") == 0)
    {
        _exit(7);
    }
    if (strcmp(name, "quick_exit") == 0)
    {
        quick_exit(7);
    }
    if (strcmp(name, "calls at exit") == 0)
    {
        WDFDEVICE device = NULL;
        if (pthread_key_create(&key, key_ends) != 0 || !NT_SUCCESS(DMF_Device_Create(NULL, &device)) ||
            pthread_setspecific(key, device) != 0 || atexit(calls_at_exit) != 0)
        {
            return 97;
        }
    }
    return 7; /* "return from main" */
}

TEST(a_process_ends_whenever_it_wants_to)
{
    static const char* const scenes[] = {"return from main", "exit in a callback", "main thread ends",
                                         "_exit",            "quick_exit",         "calls at exit"};
    unsigned rounds = harness_rounds(5);

    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
    {
        for (unsigned round = 0; round < rounds; round++)
        {
            int result = scene(scenes[i], environ, NULL, 0);
            if (result != 7)
            {
                printf("    %s: %d\n", scenes[i], result);
                CHECK_EQUAL(result, 7);
            }
        }
    }
}

TEST(neither_locale_nor_environment_changes_what_functions_answer)
{
    static char plain[16384], other[16384];
    char* none[] = {NULL};
    char* foreign[] = {(char*)"LC_ALL=tr_TR.UTF-8", (char*)"LANG=de_DE",          (char*)"TZ=Pacific/Auckland",
                       (char*)"RUST_MIN_STACK=1",   (char*)"RUST_BACKTRACE=full", (char*)"HOME=/nonexistent",
                       (char*)"TMPDIR=/tmp",        (char*)"PATH=",               NULL};

    CHECK_EQUAL(scene("digest", none, plain, sizeof(plain)), 0);
    CHECK_EQUAL(scene("digest", foreign, other, sizeof(other)), 0);
    CHECK(strlen(plain) > 1000);
    CHECK(strcmp(plain, other) == 0);
}

/* ------------------------------------------------------------------------------------------------ signals */

static atomic_uint signals_seen;
static atomic_uint signals_elsewhere;
static _Thread_local volatile sig_atomic_t is_ours;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals_seen, 1);
    if (!is_ours)
    {
        atomic_fetch_add(&signals_elsewhere, 1);
    }
}

static NTSTATUS TakesTime(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType Type, ULONG Ioctl,
                          VOID* Input, size_t InputLength, VOID* Output, size_t OutputLength, ULONG_PTR* Information,
                          VOID* Context)
{
    (void)Target, (void)Request, (void)Type, (void)Ioctl, (void)Input, (void)InputLength, (void)Context;
    harness_sleep_milliseconds(2);
    memset(Output, 0x5A, OutputLength);
    *Information = OutputLength;
    return STATUS_SUCCESS;
}

static NTSTATUS KeepsForEver(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType Type,
                             ULONG Ioctl, VOID* Input, size_t InputLength, VOID* Output, size_t OutputLength,
                             ULONG_PTR* Information, VOID* Context)
{
    (void)Target, (void)Type, (void)Ioctl, (void)Input, (void)InputLength, (void)Context, (void)Output;
    (void)OutputLength, (void)Information;
    WdfRequestMarkCancelable(Request, WorldCanceled);
    return STATUS_PENDING;
}

static atomic_bool waiter_ready;
static atomic_bool waiter_done;

#define SIGNAL_WAIT_MILLISECONDS 5

/* Waits in every way there is, while signals interrupt it. */
static void* waits(void* context)
{
    unsigned rounds = harness_rounds(60);
    WORLD world;
    WDFIOTARGET slow, never;
    DMFMODULE to_slow = NULL, to_never = NULL;
    NTSTATUS enumerated, opened;

    (void)context;
    is_ours = 1;
    atomic_store(&waiter_ready, true);
    world_make(&world);
    CHECK_SUCCESS(DMF_IoTarget_ClientCreate(world.Device, TakesTime, NULL, &slow));
    CHECK_SUCCESS(DMF_IoTarget_ClientCreate(world.Device, KeepsForEver, NULL, &never));
    CHECK_SUCCESS(world_stream(&world, ContinuousRequestTarget_RequestType_Ioctl, FALSE, &to_slow));
    CHECK_SUCCESS(world_stream(&world, ContinuousRequestTarget_RequestType_Ioctl, FALSE, &to_never));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(to_slow, slow));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(to_never, never));
    enumerated = DMF_Hid_Enumerate(WorldHid, NULL);
    opened = DMF_IoTarget_HidOpen(world.Device, world_no_device(&world), (WDFIOTARGET*)&world.MadeObject);
    world.Hid.WaitMilliseconds = SIGNAL_WAIT_MILLISECONDS;

    for (unsigned i = 0; i < rounds; i++)
    {
        UCHAR in[4] = {1}, out[8] = {0};
        size_t written = 0;
        double begin;
        VOID* buffer;
        WDFIOTARGET replay;

        CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendSynchronously(
            to_slow, in, 4, out, 8, ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 0, &written));
        CHECK(written == 8 && harness_bytes_are(out, 0x5A, 8));
        begin = harness_seconds();
        CHECK_STATUS(DMF_ContinuousRequestTarget_SendSynchronously(to_never, in, 4, out, 8,
                                                                   ContinuousRequestTarget_RequestType_Ioctl,
                                                                   WORLD_IOCTL, SIGNAL_WAIT_MILLISECONDS, &written),
                     STATUS_IO_TIMEOUT);
        CHECK_STATUS(DMF_Request_Wait(world.Request, SIGNAL_WAIT_MILLISECONDS, NULL, NULL), STATUS_IO_TIMEOUT);
        CHECK_STATUS(DMF_IoTarget_HidOpen(world.Device, &world.Hid, (WDFIOTARGET*)&world.MadeObject), opened);
        /* No wait ended early. */
        CHECK(harness_seconds() - begin > 0.001 * 2 * SIGNAL_WAIT_MILLISECONDS);
        CHECK_SUCCESS(DMF_QueuedWorkItem_EnqueueAndWait(world.Work, in, 4));
        DMF_QueuedWorkItem_Flush(world.Work);
        if (CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(world.Threaded, &buffer, NULL)))
        {
            CHECK_SUCCESS(DMF_ThreadedBufferQueue_EnqueueAndWait(world.Threaded, buffer));
        }
        DMF_ThreadedBufferQueue_Stop(world.Threaded);
        CHECK_SUCCESS(DMF_ThreadedBufferQueue_Start(world.Threaded));
        DMF_ContinuousRequestTarget_StopAndWait(world.Streaming);
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(world.Streaming));
        CHECK_SUCCESS(DMF_IoTarget_ReplayOpen(world.Device, world.Recording.Path, &world.Pace, &replay));
        WdfObjectDelete(replay);
        CHECK_STATUS(DMF_Hid_Enumerate(WorldHid, NULL), enumerated);
    }
    world_end(&world);
    atomic_store(&waiter_done, true);
    return NULL;
}

/* How many of the library's threads let any signal through; glibc keeps two for itself, and two cannot be blocked. */
static unsigned threads_that_take_signals(unsigned* threads)
{
    const uint64_t all = 0xFFFFFFFE7FFBFEFFu;
    DIR* tasks = opendir("/proc/self/task");
    struct dirent* entry;
    unsigned open_ones = 0;

    *threads = 0;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL)
    {
        char path[300], line[256], name[64] = "";
        uint64_t blocked = 0;
        unsigned group = 0;
        FILE* status;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        if (entry->d_name[0] == '.' || (status = fopen(path, "r")) == NULL)
        {
            continue;
        }
        while (fgets(line, sizeof(line), status) != NULL)
        {
            (void)sscanf(line, "Name: %63s", name);
            (void)sscanf(line, "Threads: %u", &group);
            (void)sscanf(line, "SigBlk: %" SCNx64, &blocked);
        }
        fclose(status);
        /* A thread that is just ending belongs to nothing any more and takes no signal. */
        if (strncmp(name, "dmf-", 4) == 0 && group != 0)
        {
            *threads += 1;
            /* Under valgrind the system sees a mask of valgrind's own. */
            if ((blocked & all) != all && !RUNNING_ON_VALGRIND)
            {
                printf("    %s blocks %016" PRIx64 "\n", name, blocked);
                open_ones++;
            }
        }
    }
    if (tasks != NULL)
    {
        closedir(tasks);
    }
    return open_ones;
}

TEST(signals_interrupt_no_wait_and_reach_none_of_the_librarys_threads)
{
    struct sigaction action, before_user;
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    pthread_t thread;
    unsigned threads = 0, most = 0;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal; /* without SA_RESTART */
    is_ours = 1;
    atomic_store(&waiter_done, false);
    REQUIRE(sigaction(SIGUSR1, &action, &before_user) == 0 && sigaction(SIGPROF, &action, NULL) == 0);
    REQUIRE(pthread_create(&thread, NULL, waits, NULL) == 0);
    EVENTUALLY(atomic_load(&waiter_ready));
    setitimer(ITIMER_PROF, &often, NULL);
    while (!atomic_load(&waiter_done))
    {
        struct timespec pause_time = {0, 50000};
        CHECK_EQUAL(threads_that_take_signals(&threads), 0);
        most = threads > most ? threads : most;
        for (int i = 0; i < 20 && !atomic_load(&waiter_done); i++)
        {
            pthread_kill(thread, SIGUSR1);
            nanosleep(&pause_time, NULL);
        }
    }
    setitimer(ITIMER_PROF, &never, NULL);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before_user, NULL);
    /* The last one of the timer may still be on its way, and would end the process. */
    signal(SIGPROF, SIG_IGN);
    CHECK(most >= 5);
    CHECK(atomic_load(&signals_seen) > 0);
    CHECK_EQUAL(atomic_load(&signals_elsewhere), 0);
    printf("    %u signals, up to %u threads of the library\n", atomic_load(&signals_seen), most);
}

/* ------------------------------------------------------------------------------------------------ threads */

typedef struct
{
    WORLD* World;
    VOID* FromSource;
    VOID* FromQueue;
    VOID* FromThreaded;
    WDFREQUEST Request;
} LEFT;

static void* takes_and_ends(void* context)
{
    LEFT* left = context;
    CHECK_SUCCESS(DMF_BufferPool_Get(left->World->Source, &left->FromSource, NULL));
    CHECK_SUCCESS(DMF_BufferQueue_Fetch(left->World->Queue, &left->FromQueue, NULL));
    CHECK_SUCCESS(DMF_ThreadedBufferQueue_Fetch(left->World->Threaded, &left->FromThreaded, NULL));
    left->Request = world_request(left->World);
    CHECK_SUCCESS(DMF_NotifyUserWithRequest_EventRequestAdd(left->World->Notify, left->Request));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Send(left->World->Stream, left->World->In, 4, left->World->Out, 4,
                                                   ContinuousRequestTarget_RequestType_Ioctl, WORLD_IOCTL, 1000,
                                                   WorldSent, NULL));
    return NULL;
}

TEST(what_a_thread_held_when_it_ended_is_given_back_by_another)
{
    WORLD world;
    LEFT left = {.World = &world};
    pthread_t thread;
    ULONG source, queue;

    world_make(&world);
    source = DMF_BufferPool_Count(world.Source);
    queue = DMF_BufferQueue_Count(world.Queue);
    REQUIRE(pthread_create(&thread, NULL, takes_and_ends, &left) == 0);
    pthread_join(thread, NULL);
    DMF_BufferPool_Put(world.Source, left.FromSource);
    DMF_BufferQueue_Enqueue(world.Queue, left.FromQueue);
    DMF_ThreadedBufferQueue_Enqueue(world.Threaded, left.FromThreaded);
    CHECK_EQUAL(DMF_BufferPool_Count(world.Source), source);
    CHECK_EQUAL(DMF_BufferQueue_Count(world.Queue), queue + 1);
    CHECK_EQUAL(DMF_Request_Cancel(left.Request), TRUE);
    CHECK_STATUS(WdfRequestGetStatus(left.Request), STATUS_CANCELLED);
    world_end(&world);
}

TEST(what_a_thread_held_when_it_ended_does_not_keep_its_module_from_being_deleted)
{
    WORLD world;
    LEFT left = {.World = &world};
    pthread_t thread;

    world_make(&world);
    REQUIRE(pthread_create(&thread, NULL, takes_and_ends, &left) == 0);
    pthread_join(thread, NULL);
    world_end(&world);
    memset(left.FromSource, 1, WORLD_BYTES);
    memset(left.FromQueue, 1, WORLD_BYTES);
    DMF_BufferPool_Put(world.Source, left.FromSource);
    DMF_BufferQueue_Reuse(world.Queue, left.FromQueue);
    DMF_ThreadedBufferQueue_Reuse(world.Threaded, left.FromThreaded);
    CHECK_MISUSE(0);
}

static void* does_a_little(void* context)
{
    WORLD* world = context;
    UCHAR bytes[WORLD_BYTES] = {0};
    WDFDEVICE device = NULL;
    VOID* buffer;

    for (int i = 0; i < 10; i++)
    {
        CHECK_SUCCESS(DMF_Device_Create(NULL, &device));
        CHECK_SUCCESS(DMF_RingBuffer_Write(world->Ring, bytes, sizeof(bytes)));
        if (NT_SUCCESS(DMF_BufferQueue_Fetch(world->Queue, &buffer, NULL)))
        {
            DMF_BufferQueue_Reuse(world->Queue, buffer);
        }
        CHECK_SUCCESS(DMF_ContinuousRequestTarget_SendSynchronously(world->Stream, bytes, 4, bytes, 4,
                                                                    ContinuousRequestTarget_RequestType_Ioctl,
                                                                    WORLD_IOCTL, 0, NULL));
        (void)DMF_RingBuffer_Write(NULL, bytes, 1);
        CHECK(strlen(DMF_LastErrorMessageGet()) > 0);
        WdfObjectDelete(device);
        sched_yield();
    }
    return NULL;
}

#define MANY_THREADS 200

TEST(two_hundred_threads_do_a_little_each)
{
    static pthread_t threads[MANY_THREADS];
    WORLD world;
    pthread_attr_t small;

    world_make(&world);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    for (int i = 0; i < MANY_THREADS; i++)
    {
        REQUIRE(pthread_create(&threads[i], &small, does_a_little, &world) == 0);
    }
    for (int i = 0; i < MANY_THREADS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    pthread_attr_destroy(&small);
    CHECK_MISUSE(MANY_THREADS * 10);
    world_end(&world);
}

int main(int argc, char** argv)
{
    if (realpath(argv[0], self) == NULL)
    {
        perror(argv[0]);
        return 2;
    }
    if (argc > 1)
    {
        return run_scene(argv[1]);
    }
    RUN(every_function_is_in_the_list);
    RUN(in_the_child_of_a_fork_every_function_refuses);
    RUN(the_child_of_a_fork_says_why_exits_and_can_exec);
    RUN(a_fork_while_other_threads_are_inside_of_methods_harms_neither);
    RUN(a_callback_may_fork);
    RUN(a_process_ends_whenever_it_wants_to);
    RUN(neither_locale_nor_environment_changes_what_functions_answer);
    RUN(signals_interrupt_no_wait_and_reach_none_of_the_librarys_threads);
    RUN(what_a_thread_held_when_it_ended_is_given_back_by_another);
    RUN(what_a_thread_held_when_it_ended_does_not_keep_its_module_from_being_deleted);
    RUN(two_hundred_threads_do_a_little_each);
    return TESTS_RESULT();
}
