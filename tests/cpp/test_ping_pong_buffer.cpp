// dmf::ping_pong_buffer.
#include "check.hpp"

#include <string>

static dmf::span<const UCHAR> bytes(const std::string& text)
{
    return {reinterpret_cast<const UCHAR*>(text.data()), text.size()};
}
static std::string text(dmf::span<const UCHAR> bytes)
{
    return std::string(bytes.begin(), bytes.end());
}

static dmf::ping_pong_buffer made_buffer(const dmf::device& device, ULONG size)
{
    dmf::ping_pong_buffer buffer;
    CHECK(!dmf::ping_pong_buffer::create(device, size, buffer));
    return buffer;
}

static void a_packet_stays_while_the_next_one_is_written()
{
    const dmf::device device = made_device();
    dmf::ping_pong_buffer buffer = made_buffer(device, 16);
    CHECK(!buffer.write(bytes("..first+sec")) && text(buffer.get()) == "..first+sec");
    const dmf::span<UCHAR> packet = buffer.consume(2, 6);
    CHECK(text(packet) == "first+" && text(buffer.get()) == "sec");
    CHECK(!buffer.write(bytes("ond")) && text(buffer.get()) == "second");
    CHECK(text(packet) == "first+");
    buffer.shift(3);
    CHECK(text(buffer.get()) == "ond");
    buffer.clear();
    CHECK(buffer.get().empty());
}

static void what_does_not_fit_is_refused()
{
    const dmf::device device = made_device();
    dmf::ping_pong_buffer buffer;
    CHECK(dmf::ping_pong_buffer::create(device, 0, buffer) == std::errc::invalid_argument && !buffer);
    buffer = made_buffer(device, 4);
    CHECK(!buffer.write(bytes("four")) && buffer.write(bytes("5")) == status(STATUS_INSUFFICIENT_RESOURCES));
    CHECK(text(buffer.get()) == "four");
    CHECK(!buffer.consume(2, 3).data() && misuses_taken() == 1);
    CHECK(text(buffer.consume(0, 4)) == "four" && buffer.get().empty());
}

static void one_that_was_moved_from_is_refused()
{
    const dmf::device device = made_device();
    dmf::ping_pong_buffer buffer = made_buffer(device, 4);
    dmf::ping_pong_buffer moved = std::move(buffer);
    CHECK(buffer.write(bytes("a")) == status(STATUS_INVALID_HANDLE) && buffer.get().empty());
    CHECK(misuses_taken() == 2);
    CHECK(!moved.write(bytes("a")));
}

int main()
{
    return run({TEST(a_packet_stays_while_the_next_one_is_written), TEST(what_does_not_fit_is_refused),
                TEST(one_that_was_moved_from_is_refused)});
}
