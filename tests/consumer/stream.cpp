// A C++17 program of somebody else's: streams the recording that it is given and counts the reports.
#include <dmf.h>

#include <chrono>
#include <cstdio>
#include <thread>

int main(int argc, char** argv)
{
    static unsigned reports = 0; // written on the target's thread, read once the stream is deleted
    if (argc != 2)
        return 2;
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = 4;
    config.BufferCountOutput = 8;
    config.BufferOutputSize = 64;
    config.EvtContinuousRequestTargetBufferOutput = [](DMFMODULE, VOID*, size_t, VOID*, NTSTATUS status) {
        if (!NT_SUCCESS(status))
            return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
        reports++;
        return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
    };

    DMF_REPLAY_PARAMS pace{};
    pace.Size = sizeof(pace);
    pace.Repeat = 1;
    WDFDEVICE device = nullptr;
    WDFIOTARGET target = nullptr;
    DMFMODULE stream = nullptr;
    if (!NT_SUCCESS(DMF_Device_Create(nullptr, &device)) ||
        !NT_SUCCESS(DMF_IoTarget_ReplayOpen(device, argv[1], &pace, &target)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, nullptr, &stream)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(stream, target)) ||
        !NT_SUCCESS(DMF_ContinuousRequestTarget_Start(stream))) {
        std::fprintf(stderr, "%s\n", DMF_LastErrorMessageGet());
        return 1;
    }
    while (DMF_ContinuousRequestTarget_StreamingCountGet(stream) > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    WdfObjectDelete(device);
    std::printf("%u reports\n", reports);
}
