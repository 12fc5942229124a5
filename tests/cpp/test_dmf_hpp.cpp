// dmf.hpp: what its classes promise, each in a function of its own.
#include <dmf.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

#define CHECK(Condition)                                                                                               \
    do {                                                                                                               \
        if (!(Condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #Condition);                                       \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

static const char* const recording = "examples-c/data/usb-mouse.hid";

static void statuses_are_error_codes()
{
    const std::error_code error = dmf::make_error_code(STATUS_ACCESS_DENIED);
    CHECK(error && error.category() == dmf::error_category());
    CHECK(error.message() == "STATUS_ACCESS_DENIED");
    CHECK(error.value() == STATUS_ACCESS_DENIED);
    CHECK(error == std::errc::permission_denied);
    CHECK(!dmf::make_error_code(STATUS_SUCCESS) && !dmf::make_error_code(STATUS_PENDING));
}

static void an_owner_deletes_its_object_once()
{
    static_assert(!std::is_copy_constructible_v<dmf::device> && std::is_nothrow_move_constructible_v<dmf::device>);
    dmf::device device;
    CHECK(!device && !dmf::device::create(device) && device);
    dmf::device moved = std::move(device);
    CHECK(!device.handle() && moved);
    const WDFDEVICE handle = moved.handle();
    moved.reset();
    CHECK(!moved && DMF_Device_D0Exit(handle) == STATUS_INVALID_HANDLE);
}

static void a_target_that_cannot_be_opened_leaves_its_owner_untouched()
{
    dmf::device device;
    dmf::target target;
    CHECK(!dmf::device::create(device));
    CHECK(dmf::target::open_recording(device, "no such file", 0, 1, target) == std::errc::no_such_file_or_directory);
    CHECK(!target);
    DMF_HID_OPEN_PARAMS params;
    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.Path = "/no/such/device";
    CHECK(dmf::target::open_hid(device, params, target) == dmf::make_error_code(STATUS_OBJECT_NAME_NOT_FOUND));
    CHECK(!dmf::target::open_recording(device, recording, 0, 1, target) && target);
}

static void a_ring_buffer_takes_and_gives_spans()
{
    dmf::device device;
    dmf::ring_buffer ring;
    CHECK(!dmf::device::create(device));
    CHECK(!dmf::ring_buffer::create(device, 1, 4, RingBuffer_Mode_FailIfFullOnWrite, ring));
    const std::vector<UCHAR> item{1, 2, 3, 4};
    std::array<UCHAR, 4> room{};
    CHECK(!ring.write(item));
    CHECK(ring.write(item) == dmf::make_error_code(STATUS_UNSUCCESSFUL));
    CHECK(ring.write(dmf::span<const UCHAR>(item.data(), 3)) == dmf::make_error_code(STATUS_INVALID_BUFFER_SIZE));
    CHECK(!ring.read(room) && room[0] == 1 && room[3] == 4);
    CHECK(ring.read(room) == dmf::make_error_code(STATUS_UNSUCCESSFUL));
}

static unsigned stream_until(unsigned throw_at, bool& threw)
{
    unsigned reports = 0;
    dmf::device device;
    dmf::target target;
    dmf::stream stream;
    CHECK(!dmf::device::create(device) && !dmf::target::open_recording(device, recording, 0, 1, target));
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
    while (stream.streaming_count() > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stream.stop_and_wait();
    threw = stream.callback_threw();
    stream.reset();
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

int main()
{
    statuses_are_error_codes();
    an_owner_deletes_its_object_once();
    a_target_that_cannot_be_opened_leaves_its_owner_untouched();
    a_ring_buffer_takes_and_gives_spans();
    a_stream_shows_each_report();
    an_exception_in_a_callback_stops_the_stream();
}
