// dmf.hpp: statuses, spans, owners, devices, the misuse handler.
#include "check.hpp"

#include <array>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

static void statuses_are_error_codes()
{
    const std::error_code error = status(STATUS_ACCESS_DENIED);
    CHECK(error && error.category() == dmf::error_category());
    CHECK(error.message() == "STATUS_ACCESS_DENIED");
    CHECK(error.value() == STATUS_ACCESS_DENIED);
    CHECK(error == std::errc::permission_denied && error != std::errc::invalid_argument);
    CHECK(status(STATUS_INVALID_PARAMETER) == std::errc::invalid_argument);
    CHECK(status(STATUS_OBJECT_NAME_NOT_FOUND) == std::errc::no_such_file_or_directory);
    CHECK(status(STATUS_NO_SUCH_DEVICE) == std::errc::no_such_device);
    CHECK(status(STATUS_INSUFFICIENT_RESOURCES) == std::errc::not_enough_memory);
    CHECK(status(STATUS_IO_TIMEOUT) == std::errc::timed_out);
    CHECK(status(STATUS_NOT_SUPPORTED) == std::errc::not_supported);
    CHECK(status(STATUS_CANCELLED) == std::errc::operation_canceled);
    CHECK(status(STATUS_DEVICE_NOT_CONNECTED).default_error_condition().category() == dmf::error_category());
    CHECK(!status(STATUS_SUCCESS) && !status(STATUS_PENDING));
}

static std::size_t length_of(dmf::span<const UCHAR> bytes)
{
    return bytes.size();
}

static void spans_are_made_of_what_has_bytes()
{
    UCHAR array[3] = {1, 2, 3};
    const std::vector<UCHAR> vector{1, 2, 3, 4};
    std::array<UCHAR, 5> fixed{};
    CHECK(length_of(array) == 3 && length_of(vector) == 4 && length_of(fixed) == 5 && length_of({}) == 0);
    const dmf::span<UCHAR> span(array);
    CHECK(length_of(span) == 3 && span.first(2).size() == 2 && span.subspan(1)[0] == 2);
    static_assert(!std::is_convertible_v<const std::vector<UCHAR>&, dmf::span<UCHAR>>);
    const ULONG number = 0x01020304;
    CHECK(dmf::bytes_of(number).size() == 4 && std::memcmp(dmf::bytes_of(number).data(), &number, 4) == 0);
#ifdef __cpp_lib_span
    const std::span<UCHAR> theirs = span;
    const std::span<const UCHAR> of_a_temporary = dmf::span<UCHAR>(array);
    CHECK(theirs.data() == array && of_a_temporary.size() == 3);
    CHECK(length_of(theirs) == 3 && dmf::span<UCHAR>(theirs).data() == array);
#endif
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
    CHECK(misuses_taken() == 1);
}

static void assigning_to_an_owner_deletes_what_it_had()
{
    dmf::device first = made_device(), second = made_device();
    const WDFDEVICE gone = first.handle(), kept = second.handle();
    first = std::move(second);
    CHECK(first.handle() == kept && !second);
    CHECK(DMF_Device_D0Exit(gone) == STATUS_INVALID_HANDLE && misuses_taken() == 1);
    dmf::device& itself = first;
    first = std::move(itself);
    CHECK(first.handle() == kept && !first.d0_exit() && !first.d0_entry());
}

static void a_released_object_is_the_callers()
{
    dmf::device device = made_device();
    const WDFDEVICE handle = device.release();
    device.reset();
    CHECK(NT_SUCCESS(DMF_Device_D0Exit(handle)));
    WdfObjectDelete(handle);
}

static void one_that_was_moved_from_is_refused()
{
    dmf::device device = made_device();
    const dmf::device moved = std::move(device);
    CHECK(device.d0_exit() == status(STATUS_INVALID_HANDLE) && misuses_taken() == 1);
}

static void misuse_is_told_to_the_handler_and_its_exceptions_end_there()
{
    dmf::device device = made_device();
    const WDFDEVICE gone = device.handle();
    device.reset();
    int told = 0;
    dmf::set_misuse_handler([&](const char* method, VOID* handle, const char* message) {
        CHECK(std::string(method) == "DMF_Device_D0Exit" && handle == gone && std::strlen(message) > 10);
        told++;
        throw std::runtime_error("ends here");
    });
    CHECK(DMF_Device_D0Exit(gone) == STATUS_INVALID_HANDLE && told == 1 && misuses == 0);
}

// Ends as it was, when it replaces itself while it runs.
static void a_handler_may_replace_itself()
{
    int told = 0;
    const auto large = std::make_shared<std::atomic<int>>(7);
    dmf::set_misuse_handler([&told, large](const char*, VOID*, const char*) {
        dmf::set_misuse_handler([&told](const char*, VOID*, const char*) { told += 100; });
        told += *large;
    });
    CHECK(large.use_count() == 2);
    CHECK(DMF_Device_D0Exit(nullptr) == STATUS_INVALID_HANDLE && told == 7 && large.use_count() == 1);
    CHECK(DMF_Device_D0Exit(nullptr) == STATUS_INVALID_HANDLE && told == 107);
    dmf::set_misuse_handler(nullptr);
}

int main()
{
    return run({TEST(statuses_are_error_codes), TEST(spans_are_made_of_what_has_bytes),
                TEST(an_owner_deletes_its_object_once), TEST(assigning_to_an_owner_deletes_what_it_had),
                TEST(a_released_object_is_the_callers), TEST(one_that_was_moved_from_is_refused),
                TEST(misuse_is_told_to_the_handler_and_its_exceptions_end_there), TEST(a_handler_may_replace_itself)});
}
