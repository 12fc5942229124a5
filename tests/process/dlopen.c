/*
 * A program that is not linked with the library: dlopen, dlclose with objects alive and streams running, dlopen again.
 *
 *     dlopen LIBRARY
 */
#define _GNU_SOURCE

#include <dmf.h>

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FUNCTIONS(X)                                                                                                   \
    X(DMF_Device_Create)                                                                                               \
    X(DMF_IoTarget_ReplayOpen)                                                                                         \
    X(DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT)                                                          \
    X(DMF_ContinuousRequestTarget_Create)                                                                              \
    X(DMF_ContinuousRequestTarget_IoTargetSet)                                                                         \
    X(DMF_ContinuousRequestTarget_Start)                                                                               \
    X(DMF_ContinuousRequestTarget_StreamingCountGet)                                                                   \
    X(DMF_LastErrorMessageGet)                                                                                         \
    X(WdfObjectDelete)

#define MEMBER(Name) __typeof__(&Name) Name;
static struct
{
    FUNCTIONS(MEMBER)
} dmf;

static void* library;

static int load(const char* path)
{
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
    {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
#define FIND(Name) memcpy(&dmf.Name, &(void*){dlsym(library, #Name)}, sizeof(void*));
    FUNCTIONS(FIND)
    return dmf.WdfObjectDelete != NULL;
}

static atomic_uint reports;

static ContinuousRequestTarget_BufferDisposition Arrived(DMFMODULE Module, VOID* Report, size_t Size, VOID* Context,
                                                         NTSTATUS Status)
{
    (void)Module, (void)Report, (void)Size, (void)Context, (void)Status;
    atomic_fetch_add(&reports, 1);
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static WDFDEVICE device;
static DMFMODULE stream;

static int start(void)
{
    DMF_REPLAY_PARAMS pace = {.Size = sizeof(pace), .Speed = 100, .Repeat = 0};
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDFIOTARGET target;
    dmf.DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = 2;
    config.BufferCountOutput = 4;
    config.BufferOutputSize = 64;
    config.EvtContinuousRequestTargetBufferOutput = Arrived;
    return NT_SUCCESS(dmf.DMF_Device_Create(NULL, &device)) &&
           NT_SUCCESS(dmf.DMF_IoTarget_ReplayOpen(device, "examples-c/data/usb-mouse.hid", &pace, &target)) &&
           NT_SUCCESS(dmf.DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &stream)) &&
           NT_SUCCESS(dmf.DMF_ContinuousRequestTarget_IoTargetSet(stream, target)) &&
           NT_SUCCESS(dmf.DMF_ContinuousRequestTarget_Start(stream));
}

/* Whether 100 more reports come. */
static int streams(void)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    unsigned before = atomic_load(&reports);
    for (int i = 0; i < 3000 && atomic_load(&reports) < before + 100; i++)
    {
        nanosleep(&moment, NULL);
    }
    return atomic_load(&reports) >= before + 100;
}

#define ROUNDS 10

static int failed(const char* what)
{
    fprintf(stderr, "failed: %s\n", what);
    return 1;
}

int main(int argc, char** argv)
{
    if (argc != 2 || !load(argv[1]))
    {
        return failed("dlopen LIBRARY");
    }
    /* Nothing is in use: unloading, as far as there is such a thing, and loading again. */
    for (int i = 0; i < ROUNDS; i++)
    {
        if (dlclose(library) != 0 || !load(argv[1]))
        {
            return failed("dlclose and dlopen");
        }
    }
    if (!start() || !streams())
    {
        return failed("a stream");
    }
    for (int i = 0; i < ROUNDS; i++)
    {
        if (dlclose(library) != 0)
        {
            return failed("dlclose");
        }
        /* The library's threads run on, its objects live on. */
        if (!streams())
        {
            return failed("the stream after dlclose");
        }
        if (!load(argv[1]))
        {
            return failed("dlopen after dlclose");
        }
        if (dmf.DMF_ContinuousRequestTarget_StreamingCountGet(stream) != 2)
        {
            return failed("the handle after dlopen");
        }
    }
    dmf.WdfObjectDelete(device);
    if (!start() || !streams())
    {
        return failed("another stream");
    }
    dlclose(library);
    printf("%u reports\n", atomic_load(&reports));
    return 0; /* with the stream running */
}
