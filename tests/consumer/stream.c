/* A C11 program of somebody else's: streams the recording that it is given and counts the reports. */
#include <dmf.h>

#include <stdio.h>
#include <threads.h>
#include <time.h>

static unsigned reports; /* written on the target's thread, read once the stream is deleted */

static ContinuousRequestTarget_BufferDisposition arrived(DMFMODULE Module, VOID* Report, size_t Size, VOID* Context,
                                                         NTSTATUS Status)
{
    (void)Module, (void)Report, (void)Size, (void)Context;
    if (!NT_SUCCESS(Status))
        return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    reports++;
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

int main(int argc, char** argv)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_REPLAY_PARAMS pace = {.Size = sizeof(pace), .Speed = 0, .Repeat = 1};
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE stream = NULL;

    if (argc != 2)
        return 2;
    if (DMF_VersionGet() != ((DMF_VERSION_MAJOR << 16) | (DMF_VERSION_MINOR << 8) | DMF_VERSION_PATCH)) {
        fprintf(stderr, "headers and library are of different versions\n");
        return 1;
    }
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = 4;
    config.BufferCountOutput = 8;
    config.BufferOutputSize = 64;
    config.EvtContinuousRequestTargetBufferOutput = arrived;
    if (!NT_SUCCESS(DMF_Device_Create(NULL, &device)) ||
        !NT_SUCCESS(DMF_IoTarget_ReplayOpen(device, argv[1], &pace, &target)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &stream)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(stream, target)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_Start(stream))) {
        fprintf(stderr, "%s\n", DMF_LastErrorMessageGet());
        return 1;
    }
    while (DMF_ContinuousRequestTarget_StreamingCountGet(stream) > 0)
        thrd_sleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    WdfObjectDelete(device);
    printf("%u reports\n", reports);
    return 0;
}
