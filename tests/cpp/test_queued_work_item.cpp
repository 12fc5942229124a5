// dmf::queued_work_item.
#include "check.hpp"

#include <string>

static dmf::queued_work_item made_item(const dmf::device& device, dmf::queued_work_item::work_callback work)
{
    dmf::queued_work_item item;
    CHECK(!dmf::queued_work_item::create(device, {2, 8}, std::move(work), item));
    return item;
}
static std::error_code enqueue(dmf::queued_work_item& item, const std::string& text)
{
    return item.enqueue(dmf::span<const UCHAR>(reinterpret_cast<const UCHAR*>(text.data()), text.size()));
}

static void copies_are_worked_on_in_order()
{
    std::string seen;
    const dmf::device device = made_device();
    dmf::queued_work_item item = made_item(device, [&](dmf::span<UCHAR> work) -> NTSTATUS {
        CHECK(work.size() == 8 && work[7] == 0);
        seen += reinterpret_cast<const char*>(work.data());
        return STATUS_SUCCESS;
    });
    CHECK(!enqueue(item, "one,"));
    CHECK(eventually([&] { return !enqueue(item, "two,"); }));
    item.flush();
    CHECK(seen == "one,two,");
    CHECK(enqueue(item, "too large") == status(STATUS_BUFFER_TOO_SMALL));
}

static void what_the_work_answers_comes_back_to_who_waits()
{
    const dmf::device device = made_device();
    dmf::queued_work_item item = made_item(device, [](dmf::span<UCHAR> work) -> NTSTATUS {
        if (work[0] == 't')
            throw std::runtime_error("ends here");
        return work[0] == 'f' ? STATUS_NOT_SUPPORTED : STATUS_SUCCESS;
    });
    const UCHAR fine = 'o', fails = 'f', throws = 't';
    CHECK(!item.enqueue_and_wait(dmf::bytes_of(fine)));
    CHECK(item.enqueue_and_wait(dmf::bytes_of(fails)) == std::errc::not_supported && !item.callback_threw());
    CHECK(item.enqueue_and_wait(dmf::bytes_of(throws)) == status(STATUS_INTERNAL_ERROR) && item.callback_threw());
    CHECK(!item.enqueue_and_wait(dmf::bytes_of(fine)));
}

static void deletion_does_what_is_queued_first()
{
    std::atomic<int> done{0};
    const auto captured = std::make_shared<std::atomic<int>>(0);
    const dmf::device device = made_device();
    dmf::queued_work_item item = made_item(device, [&done, captured](dmf::span<UCHAR>) -> NTSTATUS {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        done++;
        return STATUS_SUCCESS;
    });
    CHECK(!enqueue(item, "a") && !enqueue(item, "b"));
    item.reset();
    CHECK(done == 2 && captured.use_count() == 1);
}

static void it_may_be_reset_in_its_own_callback()
{
    std::atomic<bool> done{false};
    const auto captured = std::make_shared<std::atomic<int>>(0);
    const dmf::device device = made_device();
    dmf::queued_work_item item;
    CHECK(!dmf::queued_work_item::create(
        device, {1, 8},
        [&, captured](dmf::span<UCHAR>) -> NTSTATUS {
            item.reset();
            ++*captured; // what was captured is still there
            done = true;
            return STATUS_SUCCESS;
        },
        item));
    CHECK(!enqueue(item, "x"));
    CHECK(eventually([&] { return done && captured.use_count() == 1; }) && *captured == 1);
}

static void what_cannot_be_made_leaves_the_owner_as_it_was()
{
    const dmf::device device = made_device();
    const auto captured = std::make_shared<std::atomic<int>>(0);
    const auto work = [captured](dmf::span<UCHAR>) -> NTSTATUS { return *captured; };
    dmf::queued_work_item item;
    CHECK(dmf::queued_work_item::create(device, {2, 8}, nullptr, item) == std::errc::invalid_argument && !item);
    CHECK(dmf::queued_work_item::create(device, {2, 0}, work, item) == std::errc::invalid_argument && !item);
    CHECK(captured.use_count() == 2);
}

static void one_that_was_moved_from_is_refused()
{
    const dmf::device device = made_device();
    dmf::queued_work_item item = made_item(device, [](dmf::span<UCHAR>) -> NTSTATUS { return STATUS_SUCCESS; });
    dmf::queued_work_item moved = std::move(item);
    CHECK(enqueue(item, "x") == status(STATUS_INVALID_HANDLE) && misuses_taken() == 1);
    CHECK(!enqueue(moved, "x"));
}

int main()
{
    return run({TEST(copies_are_worked_on_in_order), TEST(what_the_work_answers_comes_back_to_who_waits),
                TEST(deletion_does_what_is_queued_first), TEST(it_may_be_reset_in_its_own_callback),
                TEST(what_cannot_be_made_leaves_the_owner_as_it_was), TEST(one_that_was_moved_from_is_refused)});
}
