// dmf::target, dmf::hid_enumerate and dmf::hid_watch. (Real HID devices are tested in the virtual machine, from C.)
#include "check.hpp"

#include <string>
#include <vector>

static void one_that_cannot_be_opened_leaves_its_owner_untouched()
{
    const dmf::device device = made_device();
    dmf::target target;
    CHECK(dmf::target::open_recording(device, "no such file", 0, 1, target) == std::errc::no_such_file_or_directory);
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.Path = "/no/such/device";
    CHECK(dmf::target::open_hid(device, params, target) == status(STATUS_OBJECT_NAME_NOT_FOUND));
    CHECK(dmf::target::create_client(device, nullptr, target) == std::errc::invalid_argument && !target);
    CHECK(!dmf::target::open_recording(device, recording, 0, 1, target) && target);
    const WDFIOTARGET handle = target.handle();
    CHECK(dmf::target::open_recording(device, "no such file", 0, 1, target) && target.handle() == handle);
    CHECK(dmf::target::open_hid(device, params, target) && target.handle() == handle);
}

struct sender {
    dmf::device device = made_device();
    dmf::target target;
    dmf::continuous_request_target module;

    explicit sender(dmf::target::request_callback on_request)
    {
        CHECK(!dmf::target::create_client(device, std::move(on_request), target));
        CHECK(!dmf::continuous_request_target::create(device, DMF_CONFIG_ContinuousRequestTarget{}, {}, module));
        CHECK(!module.set_target(target));
    }
    std::error_code send(const std::string& text, dmf::span<UCHAR> room, std::size_t& transferred)
    {
        const dmf::span<const UCHAR> bytes(reinterpret_cast<const UCHAR*>(text.data()), text.size());
        return module.send_synchronously(bytes, room, ContinuousRequestTarget_RequestType_Ioctl, 77,
                                         std::chrono::milliseconds(0), transferred);
    }
};

static void a_client_target_answers_with_a_lambda()
{
    sender sends([](dmf::held_request& request, ContinuousRequestTarget_RequestType type, ULONG code,
                    ULONG_PTR& information) -> NTSTATUS {
        CHECK(type == ContinuousRequestTarget_RequestType_Ioctl && code == 77);
        const dmf::span<const UCHAR> input = request.input();
        const dmf::span<UCHAR> output = request.output();
        if (input.size() > output.size())
            return STATUS_BUFFER_TOO_SMALL;
        for (UCHAR byte : input)
            output[information++] = static_cast<UCHAR>(byte - 'a' + 'A');
        return STATUS_SUCCESS;
    });
    UCHAR room[4] = {};
    std::size_t transferred = 0;
    CHECK(!sends.send("abc", room, transferred) && transferred == 3 && std::string(room, room + 3) == "ABC");
    CHECK(sends.send("abcde", room, transferred) == status(STATUS_BUFFER_TOO_SMALL) && transferred == 0);
    DMF_IO_TARGET_STATISTICS counted;
    CHECK(!sends.target.statistics(counted) && counted.RequestsCompleted == 1 && counted.RequestsFailed == 1);
}

static void a_kept_request_is_completed_later()
{
    dmf::held_request kept;
    std::atomic<bool> has_it{false};
    sender sends([&](dmf::held_request& request, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
        kept = std::move(request);
        has_it = true;
        return STATUS_SUCCESS; // it is kept all the same
    });
    std::thread completes([&] {
        CHECK(eventually([&] { return has_it.load(); }));
        kept.output()[0] = 'k';
        CHECK(!kept.complete(STATUS_SUCCESS, 1));
    });
    UCHAR room[1] = {};
    std::size_t transferred = 0;
    CHECK(!sends.send("", room, transferred) && transferred == 1 && room[0] == 'k');
    completes.join();
}

static void a_request_may_be_completed_inside_the_callback()
{
    sender sends([](dmf::held_request& request, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
        CHECK(!request.complete(STATUS_NOT_SUPPORTED));
        return STATUS_SUCCESS;
    });
    std::size_t transferred = 0;
    CHECK(sends.send("", {}, transferred) == std::errc::not_supported);
}

static void what_the_callback_throws_fails_the_request()
{
    dmf::held_request kept;
    sender sends([&](dmf::held_request& request, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
        if (request.input().size() == 1)
            return STATUS_PENDING; // but nobody has it
        if (request.input().size() == 2)
            const dmf::held_request dropped = std::move(request);
        throw std::runtime_error("ends here");
    });
    std::size_t transferred = 0;
    CHECK(sends.send("1", {}, transferred) == std::errc::operation_canceled && !sends.target.callback_threw());
    CHECK(sends.send("22", {}, transferred) == std::errc::operation_canceled);
    CHECK(eventually([&] { return sends.target.callback_threw(); }));
    CHECK(sends.send("", {}, transferred) == status(STATUS_INTERNAL_ERROR));
}

static void a_target_may_be_reset_in_its_own_callback()
{
    const auto captured = std::make_shared<std::atomic<int>>(0);
    dmf::device device = made_device();
    dmf::target target;
    dmf::continuous_request_target module;
    CHECK(!dmf::target::create_client(
        device,
        [&, captured](dmf::held_request&, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
            target.reset();
            ++*captured; // what was captured is still there
            return STATUS_SUCCESS;
        },
        target));
    CHECK(!dmf::continuous_request_target::create(device, DMF_CONFIG_ContinuousRequestTarget{}, {}, module));
    CHECK(!module.set_target(target));
    std::atomic<int> ends{0};
    CHECK(!module.send({}, {}, ContinuousRequestTarget_RequestType_Ioctl, 1, std::chrono::milliseconds(0),
                       [&](dmf::span<const UCHAR>, dmf::span<UCHAR>, std::error_code) { ends++; }));
    CHECK(eventually([&] { return ends == 1 && captured.use_count() == 1; }) && *captured == 1);
}

static void the_end_of_a_recording_is_told_once()
{
    std::atomic<int> told{0};
    const auto captured = std::make_shared<std::atomic<int>>(0);
    dmf::device device = made_device();
    dmf::target target;
    dmf::stream stream;
    CHECK(!dmf::target::open_recording(device, recording, 0, 1, target));
    CHECK(!target.set_removal_callback([&told, captured] { told += 100; }));
    CHECK(!target.set_removal_callback([&told, captured] {
        told++;
        throw 1;
    }));
    CHECK(!dmf::stream::create(device, 1, 4, 64, [](dmf::span<const UCHAR>, std::error_code error) { return !error; }, stream));
    CHECK(!stream.set_target(target) && !stream.start());
    CHECK(eventually([&] { return target.callback_threw(); }) && told == 1);
    // It is known to be gone: at once.
    CHECK(!target.set_removal_callback([&told, captured] { told += 10; }) && told == 11);
    CHECK(!target.set_removal_callback(nullptr) && captured.use_count() == 4);
    target.reset();
    CHECK(captured.use_count() == 1);
}

// What there is depends on the machine: that it is called as often, and what it throws.
static void devices_are_enumerated()
{
    int counted = 0, until_first = 0;
    const std::error_code error = dmf::hid_enumerate([&](const DMF_HID_DEVICE_INFORMATION& information) {
        CHECK(information.Path && information.Product);
        return ++counted > 0;
    });
    CHECK(!error);
    const auto first = [&](const DMF_HID_DEVICE_INFORMATION&) { return ++until_first < 1; };
    CHECK(dmf::hid_enumerate(first) == error && until_first == (counted > 0 ? 1 : 0));
    bool thrown = false;
    try {
        CHECK(dmf::hid_enumerate([](const DMF_HID_DEVICE_INFORMATION&) -> bool { throw 3; }) == error);
    } catch (int three) {
        thrown = three == 3;
    }
    CHECK(thrown == (counted > 0));
    std::printf("%d devices\n", counted);
}

static void a_watch_tells_what_is_there_until_its_end()
{
    const auto captured = std::make_shared<std::atomic<int>>(0);
    dmf::device device = made_device();
    dmf::hid_watch watch;
    int there = 0;
    const std::error_code listed = dmf::hid_enumerate([&](const DMF_HID_DEVICE_INFORMATION&) { return ++there > 0; });
    const std::error_code error = dmf::hid_watch::start(
        device,
        [captured](const DMF_HID_DEVICE_INFORMATION& information, bool arrived) {
            CHECK(information.Path && arrived);
            ++*captured;
        },
        watch);
    CHECK(error == listed && static_cast<bool>(watch) == !error && *captured <= there && (*captured > 0) == (there > 0));
    CHECK(captured.use_count() == (error ? 1 : 2));
    watch.reset();
    CHECK(captured.use_count() == 1);
    DMF_HID_OPEN_PARAMS selector;
    DMF_HID_OPEN_PARAMS_INIT(&selector);
    selector.VendorId = 0xFFFF;
    const auto none = [](const DMF_HID_DEVICE_INFORMATION&, bool) { CHECK(!"a device of nobody"); };
    CHECK(dmf::hid_watch::start(device, selector, none, watch) == listed);
    dmf::hid_watch other;
    CHECK(dmf::hid_watch::start(device, nullptr, other) == std::errc::invalid_argument && !other);
    CHECK(dmf::hid_watch::start(device, DMF_HID_OPEN_PARAMS{}, none, other) == std::errc::invalid_argument);
    CHECK(misuses_taken() == 1);
}

int main()
{
    return run({TEST(one_that_cannot_be_opened_leaves_its_owner_untouched), TEST(a_client_target_answers_with_a_lambda),
                TEST(a_kept_request_is_completed_later), TEST(a_request_may_be_completed_inside_the_callback),
                TEST(what_the_callback_throws_fails_the_request), TEST(a_target_may_be_reset_in_its_own_callback),
                TEST(the_end_of_a_recording_is_told_once), TEST(devices_are_enumerated),
                TEST(a_watch_tells_what_is_there_until_its_end)});
}
