// A C++17 program of somebody else's: streams the recording that it is given, hands each report to a thread of its own, and
// counts them there.
#include <dmf.hpp>

#include <chrono>
#include <cstdio>
#include <thread>

int main(int argc, char** argv)
{
    if (argc != 2)
        return 2;
    unsigned reports = 0; // written on the queue's thread, read once that is gone
    dmf::device device;
    dmf::target recording;
    dmf::threaded_buffer_queue queue;
    dmf::stream stream;
    dmf::source_settings buffers;
    buffers.buffer_count = 8;
    buffers.buffer_size = 64;
    buffers.enable_look_aside = true;
    const auto count = [&](dmf::buffer& report) -> NTSTATUS { return ++reports, report ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL; };
    const auto hand_over = [&](dmf::span<const UCHAR>, std::error_code error) {
        dmf::buffer buffer;
        return !error && !queue.fetch(buffer) && !queue.enqueue(std::move(buffer));
    };
    std::error_code error = dmf::device::create(device);
    if (!error)
        error = dmf::target::open_recording(device, argv[1], 0, 1, recording);
    if (!error)
        error = dmf::threaded_buffer_queue::create(device, buffers, {count}, queue);
    if (!error)
        error = queue.start();
    if (!error)
        error = dmf::stream::create(device, 4, 8, 64, hand_over, stream);
    if (!error)
        error = stream.set_target(recording);
    if (!error)
        error = stream.start();
    if (error) {
        std::fprintf(stderr, "%s: %s\n", error.message().c_str(), DMF_LastErrorMessageGet());
        return 1;
    }
    while (stream.streaming_count() > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stream.reset();
    dmf::buffer last; // what is before it has been worked on when it has
    if (queue.fetch(last) || queue.enqueue_and_wait(std::move(last)))
        return 1;
    queue.reset();
    std::printf("%u reports\n", reports - 1);
}
