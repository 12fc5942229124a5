// A pipeline of four Modules: a stream puts each report into a buffer of a queue, the queue's thread adds them up, and
// every 300 of them a summary goes to the oldest Request that waits for one. The main thread keeps two Requests waiting.
//
//     stream  ── buffer ──>  threaded_buffer_queue  ── copy ──>  notify_user_with_request  <── request ──  main
//     (target's thread)      (the queue's thread)                (whoever is second)
#include <dmf.hpp>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace {

// What stands in a report of a mouse, behind the report's ID.
struct mouse_report {
    UCHAR id, buttons;
    signed char x, y, wheel;
};

struct summary {
    std::uint32_t number, reports, clicks;
    std::int32_t x, y;
    bool is_last;
};

constexpr std::uint32_t reports_in_a_summary = 300;

void exit_if(std::error_code error, const char* what)
{
    if (!error)
        return;
    std::fprintf(stderr, "%s: %s: %s\n", what, error.message().c_str(), DMF_LastErrorMessageGet());
    std::exit(1);
}

// Adds reports up, on the queue's thread only. An empty buffer stands for the end of the stream.
class adder {
public:
    explicit adder(dmf::notify_user_with_request& readers) : readers_(readers) {}

    NTSTATUS work(const dmf::buffer& buffer)
    {
        const auto& report = *buffer.as<mouse_report>();
        const bool is_end = *buffer.context_as<bool>();
        if (!is_end) {
            sum_.reports++;
            sum_.clicks += report.buttons != 0 && buttons_ == 0;
            sum_.x += report.x;
            sum_.y += report.y;
            buttons_ = report.buttons;
        }
        if (is_end || sum_.reports == reports_in_a_summary) {
            sum_.number++;
            sum_.is_last = is_end;
            exit_if(readers_.data_process(dmf::bytes_of(sum_)), "data_process");
            sum_ = summary{sum_.number, 0, 0, 0, 0, false};
        }
        return STATUS_SUCCESS;
    }

private:
    dmf::notify_user_with_request& readers_;
    summary sum_{};
    UCHAR buttons_ = 0;
};

// A Request with room for a summary, which it waits for.
struct reader {
    summary room{};
    dmf::request request;

    void submit(const dmf::device& device, dmf::notify_user_with_request& readers)
    {
        exit_if(dmf::request::create(device, {}, dmf::bytes_of(room), nullptr, request), "request");
        exit_if(readers.request_process(request), "request_process");
    }
};

void answer(dmf::held_request request, dmf::span<const UCHAR> data, NTSTATUS status)
{
    const dmf::span<UCHAR> room = request.output();
    std::copy(data.begin(), data.end(), room.begin()); // as large as a summary, each of them
    request.complete(status, data.size());
}

} // namespace

int main(int argc, char** argv)
{
    // What is declared first goes last: the stream stops, then the queue, then the Requests and their Module.
    dmf::device device;
    dmf::target recording;
    dmf::notify_user_with_request readers;
    std::array<reader, 2> waiting;
    adder adds(readers);
    dmf::threaded_buffer_queue queue;
    dmf::stream stream;

    exit_if(dmf::device::create(device), "device");
    exit_if(dmf::target::open_recording(device, argc > 1 ? argv[1] : "examples-c/data/usb-mouse.hid", 0, 1, recording),
            "recording");

    // Two may wait, and as much data as there is.
    dmf::notify_user_with_request::settings kept;
    kept.maximum_pending_requests = waiting.size();
    kept.maximum_pending_data_buffers = 4;
    kept.size_of_data_buffer = sizeof(summary);
    kept.enable_look_aside = true;
    exit_if(dmf::notify_user_with_request::create(device, kept, {answer}, readers), "readers");

    // Reports come as fast as they are asked for: no buffer is ever missing.
    dmf::source_settings buffers;
    buffers.buffer_count = 16;
    buffers.buffer_size = sizeof(mouse_report);
    buffers.buffer_context_size = sizeof(bool);
    buffers.enable_look_aside = true;
    const auto work = [&](dmf::buffer& buffer) { return adds.work(buffer); };
    exit_if(dmf::threaded_buffer_queue::create(device, buffers, {work}, queue), "queue");
    exit_if(queue.start(), "queue");

    const auto on_report = [&](dmf::span<const UCHAR> report, std::error_code error) {
        dmf::buffer buffer;
        if (report.size() > sizeof(mouse_report) || queue.fetch(buffer))
            return false;
        std::copy(report.begin(), report.end(), buffer.begin());
        *buffer.context_as<bool>() = static_cast<bool>(error); // the end of the recording
        return !queue.enqueue(std::move(buffer)) && !error;
    };
    exit_if(dmf::stream::create(device, 1, 4, 64, on_report, stream), "stream");
    exit_if(stream.set_target(recording), "stream");

    for (reader& one : waiting)
        one.submit(device, readers);
    exit_if(stream.start(), "stream");
    for (std::size_t next = 0;; next = (next + 1) % waiting.size()) {
        std::error_code ended;
        exit_if(waiting[next].request.wait(std::chrono::milliseconds(0), ended), "wait");
        exit_if(ended, "a summary");
        const summary sum = waiting[next].room;
        std::printf("summary %" PRIu32 ": %" PRIu32 " reports, %" PRIu32 " clicks, moved by %" PRId32 ", %" PRId32 "\n",
                    sum.number, sum.reports, sum.clicks, sum.x, sum.y);
        if (sum.is_last)
            return queue.callback_threw() || stream.callback_threw();
        waiting[next].submit(device, readers);
    }
}
