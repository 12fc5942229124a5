// Streams a recording through a lambda and prints how many reports it has and a digest of them (FNV-1a, 64 bits).
#include <dmf.hpp>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <thread>

int main(int argc, char** argv)
{
    std::uint64_t digest = 0xcbf29ce484222325;
    unsigned long reports = 0;
    dmf::device device;
    dmf::target recording;
    dmf::stream stream;
    // One read at a time: several end in order too, but each of them once more when the recording is over.
    const auto on_report = [&](dmf::span<const UCHAR> report, std::error_code error) {
        if (error)
            return false;
        for (UCHAR byte : report)
            digest = (digest ^ byte) * 0x100000001b3;
        reports++;
        return true;
    };
    std::error_code error = dmf::device::create(device);
    if (!error)
        error = dmf::target::open_recording(device, argc > 1 ? argv[1] : "examples-c/data/usb-mouse.hid", 0, 1, recording);
    if (!error)
        error = dmf::stream::create(device, 1, 8, 64, on_report, stream);
    if (!error)
        error = stream.set_target(recording);
    if (!error)
        error = stream.start();
    if (error) {
        std::fprintf(stderr, "%s: %s\n", error.message().c_str(), DMF_LastErrorMessageGet());
        return 1;
    }
    while (stream.streaming_count() > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stream.reset(); // the callback has returned for the last time
    std::printf("%lu reports %016" PRIx64 "\n", reports, digest);
}
