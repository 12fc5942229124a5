// dmf::ring_buffer.
#include "check.hpp"

#include <array>
#include <string>
#include <vector>

static dmf::ring_buffer made_ring(const dmf::device& device, ULONG items, ULONG item_size)
{
    dmf::ring_buffer ring;
    CHECK(!dmf::ring_buffer::create(device, items, item_size, RingBuffer_Mode_FailIfFullOnWrite, ring));
    return ring;
}

static void items_are_taken_as_they_were_given()
{
    const dmf::device device = made_device();
    dmf::ring_buffer ring = made_ring(device, 1, 4);
    const std::vector<UCHAR> item{1, 2, 3, 4};
    std::array<UCHAR, 4> room{};
    CHECK(!ring.write(item));
    CHECK(ring.write(item) == status(STATUS_UNSUCCESSFUL));
    CHECK(ring.write(dmf::span<const UCHAR>(item.data(), 3)) == status(STATUS_INVALID_BUFFER_SIZE));
    CHECK(ring.read(dmf::span<UCHAR>(room.data(), 3)) == status(STATUS_BUFFER_TOO_SMALL));
    CHECK(misuses_taken() == 2);
    CHECK(!ring.read(room) && room[0] == 1 && room[3] == 4);
    CHECK(ring.read(room) == status(STATUS_UNSUCCESSFUL));
    CHECK(ring.total_size() == 4);
}

static void the_oldest_makes_room_in_the_mode_that_says_so()
{
    const dmf::device device = made_device();
    dmf::ring_buffer ring;
    UCHAR room = 0;
    CHECK(!dmf::ring_buffer::create(device, 2, 1, RingBuffer_Mode_DeleteOldestIfFullOnWrite, ring));
    for (UCHAR item : {'a', 'b', 'c'})
        CHECK(!ring.write(dmf::bytes_of(item)));
    for (UCHAR item : {'b', 'c'})
        CHECK(!ring.read(dmf::bytes_of(room)) && room == item);
}

static void what_cannot_be_made_leaves_the_owner_as_it_was()
{
    const dmf::device device = made_device();
    dmf::ring_buffer ring = made_ring(device, 1, 1);
    const DMFMODULE handle = ring.handle();
    CHECK(dmf::ring_buffer::create(device, 0, 4, RingBuffer_Mode_FailIfFullOnWrite, ring) == std::errc::invalid_argument);
    CHECK(ring.handle() == handle);
}

static void all_items_are_read_at_once()
{
    const dmf::device device = made_device();
    dmf::ring_buffer ring = made_ring(device, 4, 2);
    UCHAR room[8] = {};
    std::size_t written = 99;
    CHECK(!ring.read_all(room, written) && written == 0);
    for (UCHAR first : {'a', 'b', 'c'})
        CHECK(!ring.write(std::array<UCHAR, 2>{first, '.'}));
    CHECK(ring.read_all(dmf::span<UCHAR>(room, 5), written) == status(STATUS_BUFFER_TOO_SMALL) && written == 0);
    CHECK(!ring.read_all(room, written) && written == 6);
    CHECK(std::string(room, room + written) == "a.b.c.");
}

static void segments_make_one_item()
{
    const dmf::device device = made_device();
    dmf::ring_buffer ring = made_ring(device, 2, 6);
    const std::array<UCHAR, 2> head{'h', 'd'};
    const std::array<UCHAR, 3> body{'x', 'y', 'z'};
    CHECK(!ring.segments_write({{head, 0}, {body, 3}}));
    CHECK(ring.segments_write({{body, 4}}) == status(STATUS_INVALID_PARAMETER) && misuses_taken() == 1);
    std::array<UCHAR, 3> first{}, second{};
    CHECK(!ring.segments_read({{first, 3}, {second, 0}}));
    CHECK(std::string(first.begin(), first.end()) == "xyz" && second[0] == 'h' && second[2] == 0);
}

static void an_enumeration_shows_the_items_in_order()
{
    const dmf::device device = made_device();
    dmf::ring_buffer ring = made_ring(device, 4, 1);
    for (UCHAR item : {'a', 'b', 'c'})
        CHECK(!ring.write(dmf::bytes_of(item)));
    std::string seen;
    ring.enumerate([&](dmf::span<UCHAR> item) {
        seen += static_cast<char>(item[0]);
        item[0] = static_cast<UCHAR>(item[0] - 'a' + 'A');
        ring.reorder(false);
        return item[0] != 'B';
    });
    CHECK(seen == "ab");
    const UCHAR wanted = 'A';
    seen.clear();
    ring.enumerate_to_find_item(dmf::bytes_of(wanted), [&](dmf::span<UCHAR> item) { seen += static_cast<char>(item[0]); });
    CHECK(seen == "A");
}

static void what_an_enumeration_throws_comes_out_of_it()
{
    const dmf::device device = made_device();
    dmf::ring_buffer ring = made_ring(device, 3, 1);
    for (UCHAR item : {'a', 'a', 'a'})
        CHECK(!ring.write(dmf::bytes_of(item)));
    int shown = 0;
    bool thrown = false;
    try {
        ring.enumerate([&](dmf::span<UCHAR>) -> bool {
            if (++shown == 2)
                throw std::runtime_error("enough");
            return true;
        });
    } catch (const std::runtime_error& error) {
        thrown = std::string(error.what()) == "enough";
    }
    CHECK(thrown && shown == 2);
    thrown = false, shown = 0;
    try {
        ring.enumerate_to_find_item({}, [&](dmf::span<UCHAR>) { throw ++shown; });
    } catch (int first) {
        thrown = first == 1;
    }
    CHECK(thrown && shown == 1);
    UCHAR item = 0;
    CHECK(!ring.read(dmf::bytes_of(item)) && item == 'a'); // the lock is free
}

static void one_that_was_moved_from_is_refused()
{
    const dmf::device device = made_device();
    dmf::ring_buffer ring = made_ring(device, 1, 1);
    dmf::ring_buffer moved = std::move(ring);
    const UCHAR item = 7;
    CHECK(ring.write(dmf::bytes_of(item)) == status(STATUS_INVALID_HANDLE) && ring.total_size() == 0);
    CHECK(misuses_taken() == 2);
    CHECK(!moved.write(dmf::bytes_of(item)));
}

int main()
{
    return run({TEST(items_are_taken_as_they_were_given), TEST(the_oldest_makes_room_in_the_mode_that_says_so),
                TEST(what_cannot_be_made_leaves_the_owner_as_it_was),
                TEST(all_items_are_read_at_once), TEST(segments_make_one_item), TEST(an_enumeration_shows_the_items_in_order),
                TEST(what_an_enumeration_throws_comes_out_of_it), TEST(one_that_was_moved_from_is_refused)});
}
