/**
 * dmf/hpp/request.hpp - Requests for dmf.hpp: as their creator has them, and as whoever is to complete them.
 */
#ifndef DMF_HPP_REQUEST_HPP
#define DMF_HPP_REQUEST_HPP

#include "core.hpp"

#include <thread>
#include <unordered_map>

namespace dmf {

class notify_user_with_request;

/**
 * A Request that the program makes, to give it to a Module.
 *
 * Statuses: create() STATUS_INSUFFICIENT_RESOURCES. wait() STATUS_IO_TIMEOUT (it stays pending), STATUS_INVALID_DEVICE_STATE
 * (in its own callback: misuse).
 * Threads: any. The callback runs exactly once, on the thread that completes or cancels the Request; if it throws,
 * callback_threw() tells. Resetting the owner there is legal.
 * Ownership: the buffers are used in place and are the caller's again from the completion on. At the end of its scope a
 * Request that is still pending is canceled and waited for: that must not be on the thread that is to complete it, nor
 * under a lock that its completion needs.
 */
class request : public calling_owner<WDFREQUEST> {
public:
    /** How it ended, and its information: bytes transferred, by convention. */
    using completion_callback = std::function<void(std::error_code error, ULONG_PTR information)>;

    request() noexcept = default;
    request(request&&) noexcept = default;
    request& operator=(request&& other) noexcept
    {
        if (this != &other) {
            reset();
            own_ = std::exchange(other.own_, nullptr);
            calling_owner::operator=(std::move(other));
        }
        return *this;
    }
    ~request() { reset(); }

    /** Either span may be empty, and so may the callback. */
    [[nodiscard]] static std::error_code create(const device& parent, span<const UCHAR> input, span<UCHAR> output,
                                                ULONG io_control_code, completion_callback on_completion, request& made)
    {
        auto own = std::make_shared<state_type>();
        auto threw = std::make_shared<std::atomic<bool>>(false);
        own->on_completion = std::move(on_completion);
        own->threw = threw;
        std::unique_ptr<std::shared_ptr<state_type>> context;
        if (own->on_completion)
            context = std::make_unique<std::shared_ptr<state_type>>(own);
        WDFREQUEST handle = nullptr;
        NTSTATUS status = DMF_Request_Create(parent.handle(), const_cast<UCHAR*>(input.data()), input.size(), output.data(),
                                             output.size(), io_control_code, context ? completed : nullptr, own.get(),
                                             &handle);
        if (NT_SUCCESS(status) && context)
            status = detail::context<std::shared_ptr<state_type>>::attach(handle, std::move(context));
        if (NT_SUCCESS(status)) {
            made = request(handle, std::move(threw));
            made.own_ = std::move(own);
        } else if (handle) {
            WdfObjectDelete(handle);
        }
        return make_error_code(status);
    }
    /** As above, with the control code 0. */
    [[nodiscard]] static std::error_code create(const device& parent, span<const UCHAR> input, span<UCHAR> output,
                                                completion_callback on_completion, request& made)
    {
        return create(parent, input, output, 0, std::move(on_completion), made);
    }
    /** True: the cancellation was delivered, or its submission will end it. False: it has ended. Never waits. */
    bool cancel() noexcept { return DMF_Request_Cancel(handle()); }
    /** Waits until it is completed and its callback has returned; 0 is for ever. How it ended is in `ended`. */
    [[nodiscard]] std::error_code wait(std::chrono::milliseconds time, std::error_code& ended) noexcept
    {
        NTSTATUS status = STATUS_SUCCESS;
        const NTSTATUS waited = DMF_Request_Wait(handle(), detail::milliseconds(time), &status, nullptr);
        if (NT_SUCCESS(waited))
            ended = make_error_code(status);
        return make_error_code(waited);
    }
    /** STATUS_PENDING until it is completed. */
    NTSTATUS status() const noexcept { return WdfRequestGetStatus(handle()); }
    /** Bytes transferred, by convention; 0 before it is set. */
    ULONG_PTR information() const noexcept { return WdfRequestGetInformation(handle()); }
    /** The Request is the caller's to delete, once it is completed; the callback stays as it is. */
    WDFREQUEST release() noexcept
    {
        own_ = nullptr;
        return calling_owner::release();
    }
    /** Cancels it and waits, if it is pending; then deletes it. */
    void reset() noexcept
    {
        if (own_ && own_->submitted && own_->caller != std::this_thread::get_id()) {
            cancel();
            DMF_Request_Wait(handle(), 0, nullptr, nullptr);
        }
        own_ = nullptr;
        calling_owner::reset();
    }
    /** It was given to a Method of C, which did not refuse it; the Methods of these classes say it themselves. */
    void submitted() noexcept
    {
        if (own_)
            own_->submitted = true;
    }

private:
    struct state_type {
        completion_callback on_completion;
        detail::flag threw;
        /** Somebody else may have it: it cannot be deleted before it is completed. */
        std::atomic<bool> submitted{false};
        /** The thread that runs the callback. */
        std::atomic<std::thread::id> caller{};
    };
    using calling_owner::calling_owner;

    static VOID completed(WDFREQUEST, NTSTATUS status, ULONG_PTR information, VOID* context) noexcept
    {
        state_type& state = *static_cast<state_type*>(context);
        state.caller = std::this_thread::get_id();
        detail::calls(state.threw, [&] { state.on_completion(make_error_code(status), information); });
        state.caller = std::thread::id();
    }

    std::shared_ptr<state_type> own_;
};

namespace detail {
/** What is known of a Request that is marked cancelable. */
struct cancelable {
    std::function<void(WDFREQUEST)> on_cancel;
    std::mutex lock;
    bool is_canceled = false;
};
/** All of them, by handle: C's cancel routine gets nothing else. */
struct cancelables {
    std::mutex lock;
    std::unordered_map<WDFREQUEST, std::shared_ptr<cancelable>> marked;

    static cancelables& only() noexcept
    {
        static cancelables* const all = new cancelables;
        return *all;
    }
    std::shared_ptr<cancelable> take(WDFREQUEST request) noexcept
    {
        const std::lock_guard<std::mutex> guard(lock);
        const auto found = marked.find(request);
        if (found == marked.end())
            return nullptr;
        auto taken = std::move(found->second);
        marked.erase(found);
        return taken;
    }
    static VOID canceled(WDFREQUEST request) noexcept
    {
        if (const auto one = only().take(request)) {
            {
                const std::lock_guard<std::mutex> guard(one->lock);
                one->is_canceled = true;
            }
            one->on_cancel(request);
        }
    }
};
} // namespace detail

/**
 * A Request that the program is to complete: a target of its own got it, or a NotifyUserWithRequest hands it back. It can be
 * kept and completed later, from any thread; at the end of its scope it is completed with STATUS_CANCELLED.
 *
 * Statuses of mark_cancelable(): STATUS_CANCELLED (it is canceled already, and still the caller's). complete(), and
 * unmark_cancelable(): STATUS_CANCELLED (it was canceled: on_cancel has it).
 * Threads: any, one at a time. on_cancel runs on the thread that cancels.
 * Ownership: input() and output() are valid until the Request is completed. One that a target keeps without
 * mark_cancelable() ends for its sender at once when that cancels it, and its bytes must not be touched any more: mark what
 * is kept. Complete it before its target is deleted, which ends it too.
 */
class held_request {
public:
    held_request() noexcept = default;
    held_request(held_request&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), marked_(std::move(other.marked_))
    {
    }
    held_request& operator=(held_request&& other) noexcept
    {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
            marked_ = std::move(other.marked_);
        }
        return *this;
    }
    ~held_request() { reset(); }
    /** Of a Request that a function of C handed over. */
    explicit held_request(WDFREQUEST handle) noexcept : handle_(handle) {}

    /** What the C functions take. */
    WDFREQUEST handle() const noexcept { return handle_; }
    /** Whether there is a Request to complete. */
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /** It is the caller's to complete. Not for one that is marked cancelable. */
    WDFREQUEST release() noexcept
    {
        marked_ = nullptr;
        return std::exchange(handle_, nullptr);
    }
    /** Completes it with STATUS_CANCELLED. */
    void reset() noexcept
    {
        if (handle_)
            complete(STATUS_CANCELLED);
    }
    /** What the sender sends. */
    span<const UCHAR> input() const noexcept { return buffer(WdfRequestRetrieveInputBuffer); }
    /** Where the answer goes. */
    span<UCHAR> output() const noexcept { return buffer(WdfRequestRetrieveOutputBuffer); }
    /** Whether it was canceled, has timed out, or lost its device. */
    bool is_canceled() const noexcept { return WdfRequestIsCanceled(handle_); }
    /** Completes it; the sender's callback runs before this returns. */
    std::error_code complete(NTSTATUS status, ULONG_PTR information = 0) noexcept
    {
        const std::error_code unmarked = marked_ ? unmark_cancelable() : std::error_code();
        if (unmarked)
            return unmarked;
        WdfRequestCompleteWithInformation(std::exchange(handle_, nullptr), status, information);
        return detail::last_status();
    }
    /**
     * Says how it is canceled while it is kept. The routine gets the Request, and completes it, at the latest at the end of
     * its scope; this object is empty then, or will be when it is used next. What the routine throws is dropped.
     */
    [[nodiscard]] std::error_code mark_cancelable(std::function<void(held_request canceled)> on_cancel)
    {
        auto& all = detail::cancelables::only();
        auto marked = std::make_shared<detail::cancelable>();
        marked->on_cancel = [routine = std::move(on_cancel)](WDFREQUEST request) {
            held_request canceled(request);
            if (routine)
                detail::calls(nullptr, [&] { routine(std::move(canceled)); });
        };
        {
            const std::lock_guard<std::mutex> guard(all.lock);
            all.marked[handle_] = marked;
        }
        const NTSTATUS status = WdfRequestMarkCancelableEx(handle_, detail::cancelables::canceled);
        if (NT_SUCCESS(status))
            marked_ = std::move(marked);
        else
            all.take(handle_);
        return make_error_code(status);
    }
    /** Takes the routine back; on failure it has the Request. */
    std::error_code unmark_cancelable() noexcept
    {
        if (!marked_)
            return make_error_code(STATUS_INVALID_DEVICE_REQUEST);
        const auto marked = std::exchange(marked_, nullptr);
        const std::lock_guard<std::mutex> guard(marked->lock);
        // Until the lock is free again the routine does not complete it, so the handle is good.
        const NTSTATUS status = marked->is_canceled ? STATUS_CANCELLED : WdfRequestUnmarkCancelable(handle_);
        if (NT_SUCCESS(status))
            detail::cancelables::only().take(handle_);
        else
            handle_ = nullptr;
        return make_error_code(status);
    }

private:
    span<UCHAR> buffer(decltype(WdfRequestRetrieveOutputBuffer)* function) const noexcept
    {
        PVOID bytes = nullptr;
        std::size_t size = 0;
        const bool is_there = NT_SUCCESS(function(handle_, 0, &bytes, &size));
        return is_there ? span<UCHAR>(static_cast<UCHAR*>(bytes), size) : span<UCHAR>();
    }

    WDFREQUEST handle_ = nullptr;
    std::shared_ptr<detail::cancelable> marked_;
};

} // namespace dmf

#endif /* DMF_HPP_REQUEST_HPP */
