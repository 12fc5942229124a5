/*
 * Streams a recording through a callback and prints how many reports it has and a digest of their bytes (FNV-1a, 64 bits).
 *
 *     digest RECORDING
 *
 * The same program is there in C++ (examples-cpp/stream_recording.cpp) and in other languages (bindings/); they print the
 * same line.
 */
#include <dmf.h>

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Written on the target's thread, read once the stream is deleted. */
static uint64_t digest = 0xcbf29ce484222325;
static unsigned long reports;

static ContinuousRequestTarget_BufferDisposition report_arrived(DMFMODULE Module, VOID* Report, size_t Size,
                                                                VOID* Context, NTSTATUS Status)
{
    const UCHAR* byte = Report;
    (void)Module, (void)Context;
    if (!NT_SUCCESS(Status)) /* the recording has ended */
        return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    for (size_t i = 0; i < Size; i++)
        digest = (digest ^ byte[i]) * 0x100000001b3;
    reports++;
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

int main(int argc, char** argv)
{
    DMF_REPLAY_PARAMS pace = {.Size = sizeof(pace), .Speed = 0, .Repeat = 1};
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMFMODULE stream = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: digest RECORDING\n");
        return 2;
    }
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = 1;
    config.BufferCountOutput = 2;
    config.BufferOutputSize = 64;
    config.EvtContinuousRequestTargetBufferOutput = report_arrived;
    if (!NT_SUCCESS(DMF_Device_Create(NULL, &device)) ||
        !NT_SUCCESS(DMF_IoTarget_ReplayOpen(device, argv[1], &pace, &target)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, NULL, &stream)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(stream, target)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_Start(stream))) {
        fprintf(stderr, "digest: %s\n", DMF_LastErrorMessageGet());
        return 1;
    }
    while (DMF_ContinuousRequestTarget_StreamingCountGet(stream) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    WdfObjectDelete(device); /* the callback has returned for the last time */
    printf("%lu reports %016" PRIx64 "\n", reports, digest);
    return 0;
}
