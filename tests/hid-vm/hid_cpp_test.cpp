// dmf.hpp with a device that comes before and goes after: found, watched, opened, streamed from, until it is unplugged.
// hid_cpp_test PATH: says READY when it streams; in the end, what it has seen.
#include <dmf.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

static int failed(const char* what, std::error_code error)
{
    std::fprintf(stderr, "%s: %s: %s\n", what, error.message().c_str(), DMF_LastErrorMessageGet());
    return 1;
}

int main(int argc, char** argv)
{
    if (argc != 2)
        return 2;
    const std::string path = argv[1];
    std::atomic<unsigned> reports{0}, gaps{0}, removals{0}, arrivals{0}, departures{0};
    int listed = 0;
    dmf::device device;
    dmf::target target;
    dmf::hid_watch watch;
    dmf::stream stream;

    std::error_code error = dmf::device::create(device);
    if (error)
        return failed("device", error);
    error = dmf::hid_enumerate([&](const DMF_HID_DEVICE_INFORMATION& information) {
        listed += path == information.Path;
        return listed == 0;
    });
    if (error)
        return failed("enumerate", error);
    bool thrown = false;
    try {
        error = dmf::hid_enumerate([](const DMF_HID_DEVICE_INFORMATION&) -> bool { throw 3; });
    } catch (int three) {
        thrown = three == 3;
    }
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.Path = path.c_str();
    error = dmf::hid_watch::start(
        device, params,
        [&](const DMF_HID_DEVICE_INFORMATION& information, bool arrived) {
            ++(arrived ? arrivals : departures);
            if (path != information.Path || arrived)
                throw path; // ends there, and the watch goes on
        },
        watch);
    if (error)
        return failed("watch", error);
    error = dmf::target::open_hid(device, params, target);
    if (error)
        return failed("open", error);
    error = target.set_removal_callback([&] { removals++; });
    if (error)
        return failed("removal callback", error);
    // With one Request the reports are seen in order. Behind the ID stands the number.
    error = dmf::stream::create(
        device, 1, 4, 64,
        [&](dmf::span<const UCHAR> report, std::error_code ended) {
            if (ended)
                return false;
            std::uint32_t number = 0;
            std::memcpy(&number, report.data() + 1, sizeof number);
            gaps += number != reports++;
            return true;
        },
        stream);
    if (!error)
        error = stream.set_target(target);
    if (!error)
        error = stream.start();
    if (error)
        return failed("stream", error);
    std::printf("READY\n");
    std::fflush(stdout);
    for (int round = 0; round < 3000 && (stream.streaming_count() > 0 || removals == 0 || departures == 0); round++)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    watch.reset();
    stream.reset();
    std::printf("SEEN listed %d thrown %d arrived %u gone %u removed %u threw %d reports %u gaps %u\n", listed, thrown,
                arrivals.load(), departures.load(), removals.load(), watch.callback_threw(), reports.load(), gaps.load());
}
