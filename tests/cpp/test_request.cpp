// dmf::request and dmf::held_request, through dmf::notify_user_with_request and a target of the program's own.
#include "check.hpp"

#include <mutex>
#include <string>
#include <vector>

// Keeps Requests, and hands the oldest back.
static dmf::notify_user_with_request made_keeper(const dmf::device& device)
{
    dmf::notify_user_with_request keeper;
    CHECK(!dmf::notify_user_with_request::create(device, {8, 0, 0}, {}, keeper));
    return keeper;
}
static dmf::held_request taken(dmf::notify_user_with_request& keeper)
{
    dmf::held_request held;
    CHECK(!keeper.request_return([&](dmf::held_request request) { held = std::move(request); }));
    return held;
}

static void a_request_is_completed_once_with_its_bytes()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    const std::string asked = "ask";
    UCHAR room[4] = {};
    int completions = 0;
    dmf::request request;
    CHECK(!dmf::request::create(
        device, dmf::span<const UCHAR>(reinterpret_cast<const UCHAR*>(asked.data()), asked.size()), room, 0x1234,
        [&](std::error_code error, ULONG_PTR information) {
            CHECK(!error && information == 2);
            completions++;
        },
        request));
    CHECK(request.status() == STATUS_PENDING && !keeper.event_request_add(request));
    CHECK(keeper.event_request_add(request) == status(STATUS_INVALID_DEVICE_STATE) && misuses_taken() == 1); // it is there
    dmf::held_request held = taken(keeper);
    CHECK(held.handle() == request.handle() && !held.is_canceled());
    CHECK(std::string(held.input().begin(), held.input().end()) == "ask" && held.output().size() == 4);
    held.output()[1] = 'y';
    CHECK(!held.complete(STATUS_SUCCESS, 2) && !held && completions == 1);
    CHECK(request.status() == STATUS_SUCCESS && request.information() == 2 && room[1] == 'y');
    std::error_code ended = status(STATUS_UNSUCCESSFUL);
    CHECK(!request.wait(std::chrono::seconds(1), ended) && !ended && !request.callback_threw());
}

static void one_without_buffers_or_callback_is_waited_for()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    dmf::request request;
    CHECK(!dmf::request::create(device, {}, {}, nullptr, request) && !keeper.event_request_add(request));
    std::error_code ended;
    CHECK(request.wait(std::chrono::milliseconds(1), ended) == std::errc::timed_out);
    dmf::held_request held = taken(keeper);
    CHECK(held.input().empty() && held.output().empty());
    std::thread completes([&] { held.complete(STATUS_NOT_SUPPORTED); });
    CHECK(!request.wait(std::chrono::milliseconds(0), ended) && ended == std::errc::not_supported);
    completes.join();
}

static void the_end_of_a_held_request_completes_it()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    dmf::request first, second;
    CHECK(!dmf::request::create(device, {}, {}, nullptr, first) && !dmf::request::create(device, {}, {}, nullptr, second));
    CHECK(!keeper.event_request_add(first) && !keeper.event_request_add(second));
    dmf::held_request held = taken(keeper);
    held = taken(keeper); // the first has nobody any more
    CHECK(first.status() == STATUS_CANCELLED && second.status() == STATUS_PENDING);
    dmf::held_request moved(std::move(held));
    held.reset();
    CHECK(second.status() == STATUS_PENDING);
    moved.reset();
    CHECK(second.status() == STATUS_CANCELLED);
}

static void an_exception_of_the_completion_ends_there()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    dmf::request request;
    CHECK(!dmf::request::create(device, {}, {}, [](std::error_code, ULONG_PTR) { throw 1; }, request));
    CHECK(!keeper.event_request_add(request) && !request.callback_threw());
    taken(keeper).complete(STATUS_SUCCESS);
    CHECK(request.callback_threw() && request.status() == STATUS_SUCCESS);
}

static void a_pending_request_is_canceled_at_the_end_of_its_scope()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    std::vector<std::error_code> ends;
    const auto captured = std::make_shared<std::atomic<int>>(0);
    {
        dmf::request request, never;
        for (dmf::request* one : {&request, &never})
            CHECK(!dmf::request::create(
                device, {}, {}, [&, captured](std::error_code error, ULONG_PTR) { ends.push_back(error); }, *one));
        CHECK(!keeper.event_request_add(request));
        CHECK(captured.use_count() == 3);
    }
    // The one that was never submitted is just deleted.
    CHECK(ends.size() == 1 && ends[0] == std::errc::operation_canceled && captured.use_count() == 1);
}

static void one_that_is_held_is_waited_for()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    dmf::request request;
    bool completed = false;
    CHECK(!dmf::request::create(device, {}, {}, [&](std::error_code error, ULONG_PTR) { completed = !error; }, request));
    CHECK(!keeper.event_request_add(request));
    dmf::held_request held = taken(keeper);
    std::thread completes([&] {
        CHECK(eventually([&] { return held.is_canceled(); }));
        held.complete(STATUS_SUCCESS);
    });
    request.reset();
    CHECK(completed);
    completes.join();
}

static void a_request_may_be_reset_in_its_own_completion()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    const auto captured = std::make_shared<std::atomic<int>>(0);
    const auto request = std::make_shared<dmf::request>();
    CHECK(!dmf::request::create(
        device, {}, {},
        [&, captured, request](std::error_code, ULONG_PTR) {
            request->reset();
            ++*captured; // what was captured is still there
        },
        *request));
    CHECK(!keeper.event_request_add(*request));
    taken(keeper).complete(STATUS_SUCCESS);
    CHECK(!*request && *captured == 1 && captured.use_count() == 1 && request.use_count() == 1);
}

static void canceling_before_the_submission_ends_it_there()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    dmf::request request;
    CHECK(!dmf::request::create(device, {}, {}, nullptr, request) && request.cancel());
    CHECK(request.status() == STATUS_PENDING && !keeper.event_request_add(request));
    CHECK(request.status() == STATUS_CANCELLED && !request.cancel());
}

static void a_released_request_keeps_its_callback()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    const auto captured = std::make_shared<std::atomic<int>>(0);
    dmf::request request;
    CHECK(!dmf::request::create(device, {}, {}, [captured](std::error_code, ULONG_PTR) { ++*captured; }, request));
    CHECK(!keeper.event_request_add(request));
    const WDFREQUEST handle = request.release();
    request.reset();
    taken(keeper).complete(STATUS_SUCCESS);
    CHECK(*captured == 1 && captured.use_count() == 2);
    WdfObjectDelete(handle);
    CHECK(captured.use_count() == 1);
}

static void moving_a_request_moves_what_is_pending()
{
    const dmf::device device = made_device();
    dmf::notify_user_with_request keeper = made_keeper(device);
    int completions = 0;
    const auto count = [&](std::error_code, ULONG_PTR) { completions++; };
    dmf::request first, second;
    CHECK(!dmf::request::create(device, {}, {}, count, first) && !dmf::request::create(device, {}, {}, count, second));
    CHECK(!keeper.event_request_add(first) && !keeper.event_request_add(second));
    first = std::move(second); // cancels what it had
    CHECK(completions == 1 && !second && first.status() == STATUS_PENDING);
    dmf::request third(std::move(first));
    first.reset();
    CHECK(completions == 1);
    third.reset();
    CHECK(completions == 2);
}

// What a target of the program's own keeps; a Request that is marked leaves it when it is canceled.
struct kept_requests {
    std::mutex lock;
    std::vector<dmf::held_request> requests;

    std::size_t count()
    {
        const std::lock_guard<std::mutex> guard(lock);
        return requests.size();
    }
    dmf::held_request take()
    {
        const std::lock_guard<std::mutex> guard(lock);
        dmf::held_request taken = std::move(requests.back());
        requests.pop_back();
        return taken;
    }
};

struct sender {
    dmf::device device = made_device();
    dmf::target target;
    dmf::continuous_request_target module;
    std::atomic<int> ends{0};
    std::error_code ended;
    dmf::continuous_request_target::cancel_id id{};

    explicit sender(dmf::target::request_callback on_request)
    {
        CHECK(!dmf::target::create_client(device, std::move(on_request), target));
        CHECK(!dmf::continuous_request_target::create(device, DMF_CONFIG_ContinuousRequestTarget{}, {}, module));
        CHECK(!module.set_target(target));
    }
    void send()
    {
        CHECK(!module.send({}, {}, ContinuousRequestTarget_RequestType_Ioctl, 7, std::chrono::milliseconds(0),
                           [this](dmf::span<const UCHAR>, dmf::span<UCHAR>, std::error_code error) {
                               ended = error;
                               ends++;
                           },
                           &id));
    }
};

static void a_marked_request_is_canceled_by_its_routine()
{
    kept_requests kept;
    std::atomic<int> canceled{0};
    sender sends([&](dmf::held_request& request, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
        CHECK(!request.mark_cancelable([&](dmf::held_request one) {
            canceled++;
            CHECK(!one.complete(STATUS_IO_TIMEOUT));
        }));
        const std::lock_guard<std::mutex> guard(kept.lock);
        kept.requests.push_back(std::move(request));
        return STATUS_PENDING;
    });
    sends.send();
    CHECK(eventually([&] { return kept.count() == 1; }) && sends.ends == 0);
    CHECK(sends.module.cancel(sends.id) && sends.ends == 1 && sends.ended == std::errc::timed_out && canceled == 1);
    dmf::held_request late = kept.take();
    CHECK(late.complete(STATUS_SUCCESS) == std::errc::operation_canceled && !late && sends.ends == 1);
    // The other way round: what was completed first is not canceled.
    sends.send();
    CHECK(eventually([&] { return kept.count() == 1; }));
    CHECK(!kept.take().complete(STATUS_SUCCESS) && sends.ends == 2 && !sends.ended);
    CHECK(!sends.module.cancel(sends.id) && canceled == 1);
    // Taken back, the routine is not called; what it captured goes.
    sends.send();
    CHECK(eventually([&] { return kept.count() == 1; }));
    dmf::held_request one = kept.take();
    CHECK(!one.unmark_cancelable() && one.unmark_cancelable() == status(STATUS_INVALID_DEVICE_REQUEST) && one);
    CHECK(!one.complete(STATUS_SUCCESS) && canceled == 1 && sends.ends == 3);
}

static void a_routine_that_does_nothing_or_throws_cancels()
{
    kept_requests kept;
    sender sends([&](dmf::held_request& request, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
        CHECK(!request.mark_cancelable(
            kept.count() == 0 ? nullptr : std::function<void(dmf::held_request)>([](dmf::held_request) { throw 1; })));
        const std::lock_guard<std::mutex> guard(kept.lock);
        kept.requests.push_back(std::move(request));
        return STATUS_PENDING;
    });
    for (int round = 1; round <= 2; round++) {
        sends.send();
        CHECK(eventually([&] { return kept.count() == static_cast<std::size_t>(round); }));
        CHECK(sends.module.cancel(sends.id) && sends.ends == round && sends.ended == std::errc::operation_canceled);
    }
    kept.requests.clear(); // they have ended, which they know
}

// Whoever is first, the Request ends once.
static void completion_and_cancellation_may_race()
{
    kept_requests kept;
    sender sends([&](dmf::held_request& request, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
        CHECK(!request.mark_cancelable(nullptr));
        const std::lock_guard<std::mutex> guard(kept.lock);
        kept.requests.push_back(std::move(request));
        return STATUS_PENDING;
    });
    int canceled = 0;
    for (int round = 1; round <= 200; round++) {
        sends.send();
        CHECK(eventually([&] { return kept.count() == 1; }));
        dmf::held_request one = kept.take();
        std::thread cancels([&] { sends.module.cancel(sends.id); });
        one.complete(STATUS_SUCCESS);
        cancels.join();
        CHECK(sends.ends == round);
        canceled += sends.ended ? 1 : 0;
    }
    std::printf("%d of 200 were canceled\n", canceled);
}

static void one_that_is_kept_ends_with_its_target()
{
    kept_requests kept;
    {
        sender sends([&](dmf::held_request& request, ContinuousRequestTarget_RequestType, ULONG, ULONG_PTR&) -> NTSTATUS {
            const std::lock_guard<std::mutex> guard(kept.lock);
            CHECK(!request.mark_cancelable(nullptr));
            kept.requests.push_back(std::move(request));
            return STATUS_PENDING;
        });
        sends.send();
        CHECK(eventually([&] { return kept.count() == 1; }));
        sends.target.reset();
        CHECK(eventually([&] { return sends.ends == 1; }) && sends.ended == std::errc::operation_canceled);
    }
    CHECK(kept.take().complete(STATUS_SUCCESS) == std::errc::operation_canceled);
}

int main()
{
    return run({TEST(a_request_is_completed_once_with_its_bytes), TEST(one_without_buffers_or_callback_is_waited_for),
                TEST(the_end_of_a_held_request_completes_it), TEST(an_exception_of_the_completion_ends_there),
                TEST(a_pending_request_is_canceled_at_the_end_of_its_scope), TEST(one_that_is_held_is_waited_for),
                TEST(a_request_may_be_reset_in_its_own_completion), TEST(canceling_before_the_submission_ends_it_there),
                TEST(a_released_request_keeps_its_callback), TEST(moving_a_request_moves_what_is_pending),
                TEST(a_marked_request_is_canceled_by_its_routine), TEST(a_routine_that_does_nothing_or_throws_cancels),
                TEST(completion_and_cancellation_may_race), TEST(one_that_is_kept_ends_with_its_target)});
}
