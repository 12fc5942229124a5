// dmf::threaded_buffer_queue.
#include "check.hpp"

#include <string>

using queue_type = dmf::threaded_buffer_queue;

static queue_type made_queue(const dmf::device& device, queue_type::callbacks called)
{
    queue_type queue;
    CHECK(!queue_type::create(device, {2, 8, 4}, std::move(called), queue));
    return queue;
}
static dmf::buffer fetched(queue_type& queue, char letter)
{
    dmf::buffer buffer;
    CHECK(eventually([&] { return !queue.fetch(buffer); }) && buffer.size() == 8 && buffer.context());
    buffer[0] = static_cast<UCHAR>(letter);
    return buffer;
}
static queue_type::callbacks works(std::function<NTSTATUS(dmf::buffer&)> work)
{
    queue_type::callbacks called;
    called.work = std::move(work);
    return called;
}

static void the_thread_works_through_the_queue()
{
    std::string seen;
    queue_type::callbacks called = works([&](dmf::buffer& work) -> NTSTATUS {
        CHECK(work.size() == 8 && work.context());
        seen += static_cast<char>(work[0]);
        return STATUS_SUCCESS;
    });
    called.pre = [&] { seen += '<'; };
    called.post = [&] { seen += '>'; };
    called.on_reuse = [&](dmf::span<UCHAR> bytes, VOID*) { seen += static_cast<char>(bytes[0] - 'a' + 'A'); };
    const dmf::device device = made_device();
    queue_type queue = made_queue(device, std::move(called));
    CHECK(!queue.enqueue(fetched(queue, 'b')) && !queue.enqueue_at_head(fetched(queue, 'a')) && queue.count() == 2);
    CHECK(!queue.start() && queue.start() == status(STATUS_INVALID_DEVICE_STATE));
    CHECK(!queue.enqueue_and_wait(fetched(queue, 'c')));
    CHECK(!queue.enqueue_at_head_and_wait(fetched(queue, 'd')));
    queue.stop();
    CHECK(seen == "<aAbBcCdD>" && !queue.callback_threw());
}

static void what_the_work_answers_comes_back_to_who_waits()
{
    const dmf::device device = made_device();
    queue_type queue = made_queue(device, works([](dmf::buffer& work) -> NTSTATUS {
        if (work[0] == 't')
            throw std::runtime_error("ends here");
        // One that the Method itself may answer as well: the buffer is the queue's all the same.
        return STATUS_INVALID_PARAMETER;
    }));
    CHECK(!queue.start());
    for (int round = 0; round < 3; round++) {
        dmf::buffer buffer = fetched(queue, 'f');
        CHECK(queue.enqueue_and_wait(std::move(buffer)) == status(STATUS_INVALID_PARAMETER) && !buffer);
    }
    CHECK(!queue.callback_threw());
    CHECK(queue.enqueue_and_wait(fetched(queue, 't')) == status(STATUS_INTERNAL_ERROR) && queue.callback_threw());
}

static void who_waits_for_what_is_refused_keeps_the_buffer()
{
    const dmf::device device = made_device();
    std::error_code inside;
    bool kept = false;
    queue_type queue;
    CHECK(!queue_type::create(device, {2, 8}, works([&](dmf::buffer&) -> NTSTATUS {
        dmf::buffer second = fetched(queue, 's');
        inside = queue.enqueue_and_wait(std::move(second)); // in its own callback
        kept = static_cast<bool>(second);
        return STATUS_SUCCESS;
    }), queue));
    CHECK(!queue.start() && !queue.enqueue_and_wait(fetched(queue, 'f')));
    CHECK(inside == status(STATUS_INVALID_DEVICE_STATE) && kept && misuses_taken() == 1);
    CHECK(fetched(queue, 'g') && fetched(queue, 'h'));
    dmf::buffer nothing;
    CHECK(queue.enqueue_and_wait(std::move(nothing)) == status(STATUS_INVALID_PARAMETER));
}

static void work_that_is_moved_out_is_pending()
{
    const dmf::device device = made_device();
    dmf::buffer pending;
    std::atomic<bool> has_it{false};
    queue_type queue = made_queue(device, works([&](dmf::buffer& work) -> NTSTATUS {
        pending = std::move(work);
        has_it = true;
        return STATUS_SUCCESS;
    }));
    CHECK(!queue.start());
    std::error_code first, second;
    std::thread waits([&] { first = queue.enqueue_and_wait(fetched(queue, 'p')); });
    CHECK(eventually([&] { return has_it.load(); }) && pending[0] == 'p');
    CHECK(!queue.work_completed(std::move(pending), STATUS_IO_TIMEOUT) && !pending);
    waits.join();
    CHECK(first == std::errc::timed_out);
    has_it = false;
    std::thread waits_too([&] { second = queue.enqueue_and_wait(fetched(queue, 'q')); });
    CHECK(eventually([&] { return has_it.load(); }));
    pending.reset(); // nobody will work on it
    waits_too.join();
    CHECK(second == std::errc::operation_canceled && !queue.callback_threw());
    CHECK(fetched(queue, 'r') && fetched(queue, 's'));
}

static void waiting_work_ends_when_it_is_flushed_or_the_device_goes()
{
    dmf::device device = made_device();
    queue_type queue = made_queue(device, works([](dmf::buffer&) -> NTSTATUS { return STATUS_SUCCESS; }));
    std::error_code ended;
    dmf::buffer work;
    const auto wait_in_vain = [&] { // the thread was never started
        work = fetched(queue, 'w');
        ended = queue.enqueue_and_wait(std::move(work));
    };
    std::thread waits(wait_in_vain);
    CHECK(eventually([&] { return queue.count() == 1; }));
    queue.flush();
    waits.join();
    CHECK(ended == std::errc::operation_canceled && !work);
    std::thread waits_too(wait_in_vain);
    CHECK(eventually([&] { return queue.count() == 1; }));
    device.reset();
    waits_too.join();
    CHECK(ended == std::errc::operation_canceled && !work);
    queue.release(); // it went with its device
}

static void it_may_be_reset_in_its_own_callback()
{
    const dmf::device device = made_device();
    std::atomic<bool> done{false};
    const auto captured = std::make_shared<std::atomic<int>>(0);
    queue_type queue;
    CHECK(!queue_type::create(device, {2, 8}, works([&, captured](dmf::buffer&) -> NTSTATUS {
        queue.reset();
        ++*captured; // what was captured is still there
        done = true;
        return STATUS_SUCCESS;
    }), queue));
    CHECK(!queue.start() && !queue.enqueue(fetched(queue, 'x')));
    CHECK(eventually([&] { return done && captured.use_count() == 1; }) && *captured == 1);
}

static void buffers_outlive_their_queue()
{
    dmf::buffer kept, pending;
    {
        dmf::device device = made_device();
        std::atomic<bool> has_it{false};
        queue_type queue = made_queue(device, works([&](dmf::buffer& work) -> NTSTATUS {
            pending = std::move(work);
            has_it = true;
            return STATUS_SUCCESS;
        }));
        kept = fetched(queue, 'k');
        CHECK(!queue.start() && !queue.enqueue(fetched(queue, 'p')) && eventually([&] { return has_it.load(); }));
    }
    CHECK(kept[0] == 'k' && pending[0] == 'p');
}

static void what_cannot_be_made_leaves_the_owner_as_it_was()
{
    const dmf::device device = made_device();
    queue_type queue;
    CHECK(queue_type::create(device, {2, 8}, {}, queue) == std::errc::invalid_argument && !queue);
    CHECK(queue_type::create(device, {2, 0}, works([](dmf::buffer&) -> NTSTATUS { return 0; }), queue) && !queue);
}

int main()
{
    return run({TEST(the_thread_works_through_the_queue), TEST(what_the_work_answers_comes_back_to_who_waits),
                TEST(who_waits_for_what_is_refused_keeps_the_buffer), TEST(work_that_is_moved_out_is_pending),
                TEST(waiting_work_ends_when_it_is_flushed_or_the_device_goes), TEST(it_may_be_reset_in_its_own_callback),
                TEST(buffers_outlive_their_queue), TEST(what_cannot_be_made_leaves_the_owner_as_it_was)});
}
