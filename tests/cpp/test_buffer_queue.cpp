// dmf::buffer_queue.
#include "check.hpp"

#include <string>

static dmf::buffer_queue made_queue(const dmf::device& device, ULONG buffers, dmf::buffer_queue::callbacks called = {})
{
    dmf::buffer_queue queue;
    CHECK(!dmf::buffer_queue::create(device, {buffers, 8, 4, false, true}, std::move(called), queue));
    return queue;
}
static dmf::buffer fetched(dmf::buffer_queue& queue, char letter)
{
    dmf::buffer buffer;
    CHECK(!queue.fetch(buffer) && buffer.size() == 8 && buffer[0] == 0);
    buffer[0] = static_cast<UCHAR>(letter);
    return buffer;
}
static char dequeued(dmf::buffer_queue& queue)
{
    dmf::buffer buffer;
    return queue.dequeue(buffer) ? '-' : static_cast<char>(buffer[0]);
}

static void work_goes_from_one_end_to_the_other()
{
    const dmf::device device = made_device();
    dmf::buffer_queue queue = made_queue(device, 2);
    CHECK(!queue.enqueue(fetched(queue, 'b')) && !queue.enqueue_at_head(fetched(queue, 'a')) && queue.count() == 2);
    dmf::buffer none;
    CHECK(queue.fetch(none) == status(STATUS_UNSUCCESSFUL) && !none);
    CHECK(dequeued(queue) == 'a' && dequeued(queue) == 'b' && dequeued(queue) == '-');
    // At the end of their scopes they were reused.
    CHECK(fetched(queue, 'c') && fetched(queue, 'd'));
}

static void a_buffer_of_another_queue_is_refused_and_stays()
{
    const dmf::device device = made_device();
    dmf::buffer_queue queue = made_queue(device, 1), other = made_queue(device, 1), none;
    dmf::buffer buffer = fetched(other, 'x'), nothing;
    CHECK(queue.enqueue(std::move(buffer)) == status(STATUS_INVALID_PARAMETER) && buffer && queue.count() == 0);
    CHECK(queue.enqueue_with_timer(std::move(buffer), std::chrono::seconds(1)) == status(STATUS_INVALID_PARAMETER));
    CHECK(queue.enqueue(std::move(nothing)) == status(STATUS_INVALID_PARAMETER));
    CHECK(!other.enqueue(std::move(buffer)) && !buffer);
    CHECK(dmf::buffer_queue::create(device, {1, 0}, none) == std::errc::invalid_argument && !none);
}

static void the_cleanup_sees_each_buffer_with_its_content()
{
    std::string seen;
    const dmf::device device = made_device();
    dmf::buffer_queue queue = made_queue(device, 3, {[&](dmf::span<UCHAR> bytes, VOID* context) {
        CHECK(bytes.size() == 8 && context);
        seen += static_cast<char>(bytes[0]);
        if (bytes[0] == 'b')
            throw std::runtime_error("ends here");
    }});
    fetched(queue, 'a').reset();
    CHECK(!queue.callback_threw());
    CHECK(!queue.enqueue(fetched(queue, 'b')) && !queue.enqueue(fetched(queue, 'c')));
    queue.flush();
    CHECK(seen == "abc" && queue.callback_threw() && queue.count() == 0);
    CHECK(!queue.enqueue(fetched(queue, 'd')));
    queue.reset();
    CHECK(seen == "abcd" && queue.callback_threw());
}

static void an_expired_buffer_is_the_callbacks()
{
    const dmf::device device = made_device();
    dmf::buffer kept;
    std::atomic<bool> expired{false};
    dmf::buffer_queue queue = made_queue(device, 1, {{}, [&](dmf::buffer buffer) {
        kept = std::move(buffer);
        expired = true;
    }}), without = made_queue(device, 1);
    CHECK(!queue.enqueue_with_timer(fetched(queue, 'e'), std::chrono::milliseconds(1)));
    CHECK(eventually([&] { return expired.load(); }) && kept[0] == 'e' && queue.count() == 0);
    dmf::buffer none;
    CHECK(queue.fetch(none) == status(STATUS_UNSUCCESSFUL));
    kept.reset();
    CHECK(!queue.enqueue_with_timer(fetched(queue, 'f'), std::chrono::hours(1)) && dequeued(queue) == 'f');
    CHECK(without.enqueue_with_timer(fetched(without, 'g'), std::chrono::hours(1)) == status(STATUS_INVALID_PARAMETER));
    CHECK(fetched(without, 'h')); // it went back
}

static void an_enumeration_takes_a_buffer_out()
{
    const dmf::device device = made_device();
    dmf::buffer_queue queue = made_queue(device, 3);
    for (char letter : {'a', 'b'})
        CHECK(!queue.enqueue(fetched(queue, letter)));
    dmf::buffer removed;
    queue.enumerate(
        [&](dmf::span<UCHAR> bytes, VOID*) {
            CHECK(fetched(queue, 'z')); // the Producer is not locked
            return bytes[0] == 'b' ? BufferPool_EnumerationDisposition_RemoveAndStopEnumeration
                                   : BufferPool_EnumerationDisposition_ContinueEnumeration;
        },
        &removed);
    CHECK(removed && removed[0] == 'b' && queue.count() == 1);
    removed.reset();
    CHECK(fetched(queue, 'y'));
}

static void buffers_outlive_their_queue()
{
    int cleaned = 0;
    dmf::buffer kept, queued;
    {
        dmf::device device = made_device();
        dmf::buffer_queue queue = made_queue(device, 2, {[&](dmf::span<UCHAR>, VOID*) { cleaned++; }});
        kept = fetched(queue, 'k');
        CHECK(!queue.enqueue(fetched(queue, 'q')) && !queue.dequeue(queued));
    }
    CHECK(kept[0] == 'k' && queued[0] == 'q' && cleaned == 0);
    kept.reset();
    queued.reset();
}

static void one_that_was_moved_from_is_refused()
{
    const dmf::device device = made_device();
    dmf::buffer_queue queue = made_queue(device, 1);
    dmf::buffer buffer = fetched(queue, 'm');
    dmf::buffer_queue moved = std::move(queue);
    CHECK(queue.enqueue(std::move(buffer)) && buffer && !queue.callback_threw());
    CHECK(queue.count() == 0 && misuses_taken() == 1);
    CHECK(!moved.enqueue(std::move(buffer)) && dequeued(moved) == 'm');
}

int main()
{
    return run({TEST(work_goes_from_one_end_to_the_other), TEST(a_buffer_of_another_queue_is_refused_and_stays),
                TEST(the_cleanup_sees_each_buffer_with_its_content), TEST(an_expired_buffer_is_the_callbacks),
                TEST(an_enumeration_takes_a_buffer_out), TEST(buffers_outlive_their_queue),
                TEST(one_that_was_moved_from_is_refused)});
}
