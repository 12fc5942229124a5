// dmf::continuous_request_target and dmf::stream.
#include "check.hpp"

#include <mutex>
#include <string>
#include <vector>

using module_type = dmf::continuous_request_target;

// Streams the recording until it ends, or the callback throws at that report.
static unsigned stream_until(unsigned throw_at, bool& threw)
{
    unsigned reports = 0;
    const dmf::device device = made_device();
    dmf::target target;
    dmf::stream stream;
    CHECK(!dmf::target::open_recording(device, recording, 0, 1, target));
    CHECK(!dmf::stream::create(
        device, 1, 4, 64,
        [&](dmf::span<const UCHAR> report, std::error_code error) {
            CHECK(error ? report.empty() : !report.empty());
            if (error)
                return false;
            if (++reports == throw_at)
                throw std::runtime_error("ends in the trampoline");
            return true;
        },
        stream));
    CHECK(!stream.set_target(target) && !stream.start());
    CHECK(eventually([&] { return stream.streaming_count() == 0; }));
    stream.stop_and_wait();
    threw = stream.callback_threw();
    return reports;
}

static void a_stream_shows_each_report()
{
    bool threw = true;
    CHECK(stream_until(0, threw) == 1020 && !threw);
}

static void an_exception_in_a_callback_stops_the_stream()
{
    bool threw = false;
    CHECK(stream_until(7, threw) == 7 && threw);
}

static DMF_CONFIG_ContinuousRequestTarget reading(ULONG requests, ULONG buffers)
{
    DMF_CONFIG_ContinuousRequestTarget config{};
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = requests;
    config.BufferCountOutput = buffers;
    config.BufferOutputSize = 64;
    config.BufferContextOutputSize = 8;
    return config;
}

static void buffers_that_are_moved_out_are_the_programs()
{
    std::vector<dmf::buffer> kept;
    std::mutex lock;
    unsigned reports = 0;
    const dmf::device device = made_device();
    dmf::target target;
    module_type module;
    module_type::callbacks called;
    called.output = [&](dmf::buffer& output, std::error_code error) {
        const std::lock_guard<std::mutex> guard(lock);
        if (error)
            return false;
        CHECK(!output.empty() && output.size() < 64 && output.context());
        reports++;
        if (reports % 3 == 0)
            output.reset(); // back already
        else if (reports % 2 == 0)
            kept.push_back(std::move(output));
        return reports < 300;
    };
    CHECK(!dmf::target::open_recording(device, recording, 0, 1, target));
    CHECK(!module_type::create(device, reading(1, 3), called, module) && !module.set_target(target) && !module.start());
    // With all three kept the Request waits; given back, it goes on.
    CHECK(eventually([&] {
        const std::lock_guard<std::mutex> guard(lock);
        if (kept.size() == 3)
            kept.clear();
        return reports == 300;
    }));
    CHECK(eventually([&] { return module.streaming_count() == 0; }) && !module.callback_threw());
}

static void buffers_outlive_the_module()
{
    dmf::buffer kept;
    {
        dmf::device device = made_device();
        dmf::target target;
        module_type module;
        module_type::callbacks called;
        called.output = [&](dmf::buffer& output, std::error_code error) {
            if (!error)
                kept = std::move(output);
            return false;
        };
        CHECK(!dmf::target::open_recording(device, recording, 0, 1, target));
        CHECK(!module_type::create(device, reading(1, 1), called, module) && !module.set_target(target) && !module.start());
        CHECK(eventually([&] { return module.streaming_count() == 0; }));
    }
    CHECK(kept && kept.size() > 0);
    kept[0] = 1;
}

static void input_is_filled_and_sent()
{
    std::atomic<unsigned> sent{0}, failed{0};
    const dmf::device device = made_device();
    dmf::target target;
    CHECK(!dmf::target::create_client(
        device,
        [&](dmf::held_request& request, ContinuousRequestTarget_RequestType type, ULONG, ULONG_PTR& information) -> NTSTATUS {
            CHECK(type == ContinuousRequestTarget_RequestType_Write && request.input().size() == 3);
            information = 3;
            sent++;
            return STATUS_SUCCESS;
        },
        target));
    DMF_CONFIG_ContinuousRequestTarget config{};
    config.RequestType = ContinuousRequestTarget_RequestType_Write;
    config.ContinuousRequestCount = 1;
    config.BufferCountInput = 2;
    config.BufferInputSize = 8;
    config.BufferContextInputSize = 4;
    unsigned filled = 0;
    module_type::callbacks called;
    called.passive_level = true;
    called.input = [&](dmf::span<UCHAR> input, VOID* context) -> std::size_t {
        CHECK(input.size() == 8 && context);
        if (++filled == 5)
            throw std::runtime_error("ends here");
        return 3;
    };
    called.output = [&](dmf::buffer& output, std::error_code error) {
        CHECK(!output && output.empty());
        failed += error ? 1 : 0;
        return !error;
    };
    module_type module;
    CHECK(!module_type::create(device, config, called, module) && !module.set_target(target) && !module.start());
    CHECK(eventually([&] { return module.streaming_count() == 0; }));
    CHECK(filled == 5 && sent == 4 && failed == 0 && module.callback_threw());
}

// A target that keeps what it is sent until it is told to answer.
struct slow_target {
    std::mutex lock;
    std::vector<dmf::held_request> kept;
    dmf::target target;

    explicit slow_target(const dmf::device& device)
    {
        CHECK(!dmf::target::create_client(
            device,
            [this](dmf::held_request& request, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
                // It may be canceled already.
                if (request.mark_cancelable(nullptr))
                    return STATUS_CANCELLED;
                const std::lock_guard<std::mutex> guard(lock);
                kept.push_back(std::move(request));
                return STATUS_PENDING;
            },
            target));
    }
    std::size_t count()
    {
        const std::lock_guard<std::mutex> guard(lock);
        return kept.size();
    }
    void answer(UCHAR byte)
    {
        CHECK(eventually([&] { return count() > 0; }));
        const std::lock_guard<std::mutex> guard(lock);
        kept.back().output()[0] = byte;
        CHECK(!kept.back().complete(STATUS_SUCCESS, 1));
        kept.clear();
    }
};
static module_type made_sender(const dmf::device& device, const dmf::target& target)
{
    module_type module;
    CHECK(!module_type::create(device, DMF_CONFIG_ContinuousRequestTarget{}, {}, module) && !module.set_target(target));
    return module;
}
constexpr auto ioctl = ContinuousRequestTarget_RequestType_Ioctl;
constexpr std::chrono::milliseconds for_ever(0);

static void single_requests_are_sent_and_answered()
{
    const dmf::device device = made_device();
    slow_target slow(device);
    module_type module = made_sender(device, slow.target);
    UCHAR room[4] = {};
    const UCHAR asked[2] = {1, 2};
    std::size_t transferred = 99;
    std::thread answers([&] { slow.answer(7); });
    CHECK(!module.send_synchronously(asked, room, ioctl, 5, for_ever, transferred) && transferred == 1 && room[0] == 7);
    answers.join();
    std::atomic<int> ends{0};
    CHECK(!module.send(asked, room, ioctl, 5, for_ever,
                       [&](dmf::span<const UCHAR> sent, dmf::span<UCHAR> received, std::error_code error) {
                           CHECK(!error && sent.data() == asked && sent.size() == 2);
                           CHECK(received.data() == room && received.size() == 1 && received[0] == 8);
                           ends++;
                       }));
    slow.answer(8);
    CHECK(ends == 1);
    CHECK(!module.send({}, room, ioctl, 5, for_ever, nullptr));
    slow.answer(9);
    CHECK(room[0] == 9);
    CHECK(module.send_synchronously({}, room, ioctl, 5, std::chrono::milliseconds(1), transferred) == std::errc::timed_out);
    CHECK(transferred == 0);
}

static void single_requests_are_canceled()
{
    const dmf::device device = made_device();
    slow_target slow(device);
    module_type module = made_sender(device, slow.target);
    UCHAR room[1] = {};
    std::error_code ended;
    int ends = 0;
    module_type::cancel_id id{};
    CHECK(!module.send({}, room, ioctl, 5, for_ever,
                       [&](dmf::span<const UCHAR>, dmf::span<UCHAR>, std::error_code error) {
                           ended = error;
                           ends++;
                           throw std::runtime_error("ends here");
                       },
                       &id));
    CHECK(eventually([&] { return slow.count() == 1; }) && !module.callback_threw());
    CHECK(module.cancel(id) && ends == 1 && ended == std::errc::operation_canceled && !module.cancel(id));
    CHECK(module.callback_threw());
}

static void what_is_not_sent_calls_nobody()
{
    const dmf::device device = made_device();
    const auto captured = std::make_shared<std::atomic<int>>(0);
    module_type module;
    CHECK(!module_type::create(device, DMF_CONFIG_ContinuousRequestTarget{}, {}, module));
    const auto completion = [captured](dmf::span<const UCHAR>, dmf::span<UCHAR>, std::error_code) { ++*captured; };
    CHECK(module.send({}, {}, ioctl, 5, for_ever, completion) == status(STATUS_INVALID_DEVICE_STATE));
    CHECK(*captured == 0 && captured.use_count() == 2);
    CHECK(!module.start() && !module.callback_threw()); // it has nothing to stream
}

static void a_request_is_sent_again_from_its_completion()
{
    const dmf::device device = made_device();
    slow_target slow(device);
    module_type module = made_sender(device, slow.target);
    UCHAR room[1] = {};
    std::atomic<int> ends{0};
    module_type::reuse_id reused{};
    CHECK(!module.reuse_create(reused));
    module_type::send_completion completion = [&](dmf::span<const UCHAR>, dmf::span<UCHAR>, std::error_code error) {
        CHECK(!error);
        if (++ends < 3)
            CHECK(!module.reuse_send(reused, {}, room, ioctl, 5, for_ever, completion));
    };
    CHECK(!module.reuse_send(reused, {}, room, ioctl, 5, for_ever, completion));
    CHECK(module.reuse_send(reused, {}, room, ioctl, 5, for_ever, completion) == status(STATUS_OBJECTID_NOT_FOUND));
    CHECK(!module.reuse_delete(reused));
    for (UCHAR answer : {1, 2, 3})
        slow.answer(answer);
    CHECK(ends == 3 && module.reuse_delete(reused) && !module.reuse_delete(reused));
}

static void what_is_sent_ends_with_the_module()
{
    const dmf::device device = made_device();
    const auto captured = std::make_shared<std::atomic<int>>(0);
    slow_target slow(device);
    UCHAR room[1] = {};
    {
        module_type module = made_sender(device, slow.target);
        CHECK(!module.send({}, room, ioctl, 5, for_ever,
                           [captured](dmf::span<const UCHAR>, dmf::span<UCHAR>, std::error_code error) {
                               *captured += error == std::errc::operation_canceled ? 1 : 100;
                           }));
    }
    CHECK(*captured == 1 && captured.use_count() == 1);
}

static void it_may_be_reset_in_its_own_callback()
{
    const auto captured = std::make_shared<std::atomic<int>>(0);
    const dmf::device device = made_device();
    dmf::target target;
    dmf::stream stream;
    CHECK(!dmf::target::open_recording(device, recording, 0, 1, target));
    CHECK(!dmf::stream::create(
        device, 2, 4, 64,
        [&, captured](dmf::span<const UCHAR>, std::error_code) {
            stream.reset();
            ++*captured; // what was captured is still there
            return true;
        },
        stream));
    CHECK(!stream.set_target(target));
    // By its handle: the owner is the callback's as soon as it has started.
    CHECK(NT_SUCCESS(DMF_ContinuousRequestTarget_Start(stream.handle())));
    CHECK(eventually([&] { return captured.use_count() == 1; }) && *captured == 1);
}

static void streams_pause_with_their_device()
{
    std::atomic<unsigned> reports{0};
    dmf::device device = made_device();
    dmf::target target;
    dmf::stream stream;
    CHECK(!dmf::target::open_recording(device, recording, 0, 0, target)); // for ever
    CHECK(!dmf::stream::create(device, 1, 4, 64, [&](dmf::span<const UCHAR>, std::error_code) { return ++reports > 0; }, stream));
    CHECK(!stream.set_target(target) && !stream.start() && eventually([&] { return reports > 10; }));
    CHECK(!device.d0_exit());
    const unsigned asleep = reports;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(reports == asleep);
    CHECK(!device.d0_entry() && eventually([&] { return reports > asleep; }));
    stream.stop();
    CHECK(eventually([&] { return stream.streaming_count() == 0; }));
    stream.stop_and_wait();
    stream.clear_target();
    CHECK(stream.start() == status(STATUS_INVALID_DEVICE_STATE));
}

int main()
{
    return run({TEST(a_stream_shows_each_report), TEST(an_exception_in_a_callback_stops_the_stream),
                TEST(buffers_that_are_moved_out_are_the_programs), TEST(buffers_outlive_the_module),
                TEST(input_is_filled_and_sent), TEST(single_requests_are_sent_and_answered),
                TEST(single_requests_are_canceled), TEST(what_is_not_sent_calls_nobody),
                TEST(a_request_is_sent_again_from_its_completion), TEST(what_is_sent_ends_with_the_module),
                TEST(it_may_be_reset_in_its_own_callback), TEST(streams_pause_with_their_device)});
}
