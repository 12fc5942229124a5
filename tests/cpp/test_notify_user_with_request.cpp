// dmf::notify_user_with_request.
#include "check.hpp"

#include <string>

using notify_type = dmf::notify_user_with_request;

static notify_type made_notify(const dmf::device& device, notify_type::callbacks called, bool stamps = false)
{
    notify_type notify;
    CHECK(!notify_type::create(device, {4, 2, 1, false, stamps}, std::move(called), notify));
    return notify;
}
static dmf::request made_request(const dmf::device& device, dmf::span<UCHAR> room = {})
{
    dmf::request request;
    CHECK(!dmf::request::create(device, {}, room, nullptr, request));
    return request;
}
// Copies the data to the Request's output.
static void answer(dmf::held_request request, dmf::span<const UCHAR> data, NTSTATUS status)
{
    const dmf::span<UCHAR> output = request.output();
    CHECK(data.size() == 1 && output.size() == 1);
    output[0] = data[0];
    CHECK(!request.complete(status, 1));
}
static std::error_code process(notify_type& notify, char letter, NTSTATUS status = STATUS_SUCCESS)
{
    return notify.data_process(dmf::bytes_of(letter), status);
}

static void the_oldest_data_goes_to_the_oldest_request()
{
    const dmf::device device = made_device();
    notify_type notify = made_notify(device, {answer});
    UCHAR rooms[3] = {};
    dmf::request first = made_request(device, dmf::span<UCHAR>(&rooms[0], 1)),
                 second = made_request(device, dmf::span<UCHAR>(&rooms[1], 1)),
                 third = made_request(device, dmf::span<UCHAR>(&rooms[2], 1));
    CHECK(!notify.request_process(first) && !notify.event_request_add(second) && first.status() == STATUS_PENDING);
    CHECK(!process(notify, 'a') && !process(notify, 'b', STATUS_IO_TIMEOUT) && !process(notify, 'c'));
    CHECK(first.status() == STATUS_SUCCESS && second.status() == STATUS_IO_TIMEOUT && rooms[0] == 'a' && rooms[1] == 'b');
    CHECK(!notify.request_process(third) && rooms[2] == 'c' && first.information() == 1);
    CHECK(!notify.callback_threw());
}

static void without_a_callback_the_request_gets_the_status()
{
    const dmf::device device = made_device();
    notify_type notify = made_notify(device, {});
    dmf::request request = made_request(device);
    CHECK(!notify.event_request_add(request) && !process(notify, 'a', STATUS_NOT_SUPPORTED));
    CHECK(request.status() == STATUS_NOT_SUPPORTED);
}

static void data_of_another_size_is_refused()
{
    const dmf::device device = made_device();
    notify_type notify = made_notify(device, {answer}), none;
    CHECK(notify.data_process({}) == status(STATUS_INVALID_BUFFER_SIZE));
    const USHORT two = 2;
    CHECK(notify.data_process(dmf::bytes_of(two)) == status(STATUS_INVALID_BUFFER_SIZE));
    CHECK(notify_type::create(device, {1, 1, 0x80000000u}, {}, none) == std::errc::invalid_argument && !none);
    CHECK(!notify_type::create(device, {1}, {}, none) && none.data_process({}) == status(STATUS_INVALID_DEVICE_STATE));
    CHECK(misuses_taken() == 1);
}

static void too_much_data_discards_the_oldest()
{
    std::string cleaned;
    const dmf::device device = made_device();
    notify_type notify = made_notify(device, {answer, {}, [&](dmf::span<UCHAR> data) {
        cleaned += static_cast<char>(data[0]);
        if (data[0] == 'b')
            throw 1;
    }});
    for (char letter : {'a', 'b', 'c'})
        CHECK(!process(notify, letter));
    CHECK(notify.discarded_count() == 1 && cleaned == "a" && !notify.callback_threw());
    UCHAR room = 0;
    dmf::request request = made_request(device, dmf::bytes_of(room));
    CHECK(!notify.request_process(request) && room == 'b' && cleaned == "ab" && notify.callback_threw());
    notify.reset();
    CHECK(cleaned == "abc");
}

static void an_exception_cancels_the_request()
{
    const dmf::device device = made_device();
    notify_type notify = made_notify(device, {
        [](dmf::held_request request, dmf::span<const UCHAR>, NTSTATUS) {
            CHECK(request);
            throw std::runtime_error("ends here");
        }});
    dmf::request request = made_request(device);
    CHECK(!notify.event_request_add(request) && !process(notify, 'a'));
    CHECK(request.status() == STATUS_CANCELLED && notify.callback_threw());
}

static void a_canceled_request_is_completed_by_its_callback()
{
    const dmf::device device = made_device();
    notify_type notify = made_notify(device, {{}, [](dmf::held_request request) { request.complete(STATUS_IO_TIMEOUT); }});
    dmf::request request = made_request(device);
    CHECK(!notify.event_request_add(request) && request.cancel() && request.status() == STATUS_IO_TIMEOUT);
    notify_type quiet = made_notify(device, {});
    dmf::request other = made_request(device);
    CHECK(!quiet.event_request_add(other) && other.cancel() && other.status() == STATUS_CANCELLED);
}

static void requests_are_returned()
{
    const dmf::device device = made_device();
    notify_type notify = made_notify(device, {answer});
    dmf::request first = made_request(device), second = made_request(device), third = made_request(device);
    for (dmf::request* one : {&first, &second, &third})
        CHECK(!notify.event_request_add(*one));
    CHECK(!notify.request_return([&](dmf::held_request request) {
        CHECK(request.handle() == first.handle());
        request.complete(STATUS_SUCCESS, 5);
    }));
    CHECK(first.information() == 5);
    int returned = 0;
    notify.request_return_all([&](dmf::held_request request) { request.complete(++returned == 1 ? STATUS_SUCCESS : STATUS_IO_TIMEOUT); });
    CHECK(returned == 2 && second.status() == STATUS_SUCCESS && third.status() == STATUS_IO_TIMEOUT);
    CHECK(notify.request_return([](dmf::held_request) {}) == status(STATUS_UNSUCCESSFUL));
}

static void what_a_return_throws_comes_out_of_it()
{
    const dmf::device device = made_device();
    notify_type notify = made_notify(device, {});
    dmf::request request = made_request(device);
    CHECK(!notify.event_request_add(request));
    bool thrown = false;
    try {
        CHECK(!notify.request_return([](dmf::held_request) { throw 4; }));
    } catch (int four) {
        thrown = four == 4;
    }
    CHECK(thrown && request.status() == STATUS_CANCELLED && !notify.callback_threw());
}

static void times_are_kept()
{
    const dmf::device device = made_device();
    LONGLONG data_time = 0, request_time = 0;
    notify_type notify;
    CHECK(!notify_type::create(device, {1, 1, 1, false, true},
                               {[&](dmf::held_request request, dmf::span<const UCHAR> data, NTSTATUS) {
                                    data_time = notify.data_buffer_timestamp(data);
                                    request_time = notify.request_timestamp(request.handle());
                                }},
                               notify));
    dmf::request request = made_request(device);
    CHECK(!notify.event_request_add(request) && !process(notify, 'a'));
    CHECK(request_time > 0 && data_time >= request_time);
}

static void requests_end_with_the_module()
{
    const dmf::device device = made_device();
    dmf::request request = made_request(device);
    {
        notify_type notify = made_notify(device, {answer});
        CHECK(!notify.event_request_add(request));
    }
    CHECK(request.status() == STATUS_CANCELLED);
}

static void it_may_be_reset_in_its_own_callback()
{
    const dmf::device device = made_device();
    const auto captured = std::make_shared<std::atomic<int>>(0);
    notify_type notify;
    CHECK(!notify_type::create(device, {1, 1, 1},
                               {[&, captured](dmf::held_request, dmf::span<const UCHAR>, NTSTATUS) {
                                    notify.reset();
                                    ++*captured; // what was captured is still there
                                }},
                               notify));
    dmf::request request = made_request(device);
    CHECK(!notify.event_request_add(request));
    (void)process(notify, 'a');
    CHECK(!notify && *captured == 1 && captured.use_count() == 1 && request.status() == STATUS_CANCELLED);
}

int main()
{
    return run({TEST(the_oldest_data_goes_to_the_oldest_request), TEST(without_a_callback_the_request_gets_the_status),
                TEST(data_of_another_size_is_refused), TEST(too_much_data_discards_the_oldest),
                TEST(an_exception_cancels_the_request), TEST(a_canceled_request_is_completed_by_its_callback),
                TEST(requests_are_returned), TEST(what_a_return_throws_comes_out_of_it), TEST(times_are_kept),
                TEST(requests_end_with_the_module), TEST(it_may_be_reset_in_its_own_callback)});
}
