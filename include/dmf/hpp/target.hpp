/**
 * dmf/hpp/target.hpp - I/O targets and HID devices for dmf.hpp.
 */
#ifndef DMF_HPP_TARGET_HPP
#define DMF_HPP_TARGET_HPP

#include "request.hpp"

namespace dmf {

/**
 * What Requests are sent to: a HID device, a recording, or a callback of the program.
 *
 * Statuses: open_recording() STATUS_OBJECT_NAME_NOT_FOUND, STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER (not a recording).
 * open_hid() STATUS_OBJECT_NAME_NOT_FOUND (no such path), STATUS_NO_SUCH_DEVICE (none matches), STATUS_ACCESS_DENIED,
 * STATUS_INVALID_PARAMETER (not a HID device), STATUS_DEVICE_NOT_CONNECTED, STATUS_UNSUCCESSFUL; DMF_LastErrorMessageGet()
 * says what to do. create_client() STATUS_INVALID_PARAMETER (no callback). All: STATUS_INSUFFICIENT_RESOURCES.
 * Threads: any. A client's callback runs on the target's own thread, one Request after the other; the removal callback on
 * the thread that serves the target. If one throws, callback_threw() tells.
 * Ownership: closing a target ends what it has with STATUS_CANCELLED.
 */
class target : public calling_owner<WDFIOTARGET> {
public:
    /**
     * Answers a Request: its status, and in `information` the bytes transferred. Moved out, it is kept, to be completed
     * later, whatever the answer says. One that threw ends with STATUS_INTERNAL_ERROR, if it was not moved out.
     */
    using request_callback = std::function<NTSTATUS(held_request& request, ContinuousRequestTarget_RequestType type,
                                                    ULONG io_control_code, ULONG_PTR& information)>;

    target() noexcept = default;
    /** speed: 0 as fast as reports are asked for; repeat: 0 for ever. */
    [[nodiscard]] static std::error_code open_recording(const device& parent, const std::string& path, double speed,
                                                        ULONG repeat, target& opened)
    {
        DMF_REPLAY_PARAMS params{};
        params.Size = sizeof params;
        params.Speed = speed;
        params.Repeat = repeat;
        WDFIOTARGET handle = nullptr;
        const NTSTATUS status = DMF_IoTarget_ReplayOpen(parent.handle(), path.c_str(), &params, &handle);
        if (NT_SUCCESS(status))
            opened = target(handle, std::make_shared<std::atomic<bool>>(false));
        return make_error_code(status);
    }
    /** Initialise params with DMF_HID_OPEN_PARAMS_INIT. */
    [[nodiscard]] static std::error_code open_hid(const device& parent, const DMF_HID_OPEN_PARAMS& params, target& opened)
    {
        WDFIOTARGET handle = nullptr;
        const NTSTATUS status = DMF_IoTarget_HidOpen(parent.handle(), &params, &handle);
        if (NT_SUCCESS(status))
            opened = target(handle, std::make_shared<std::atomic<bool>>(false));
        return make_error_code(status);
    }
    /** Makes a target that the program itself implements. */
    [[nodiscard]] static std::error_code create_client(const device& parent, request_callback on_request, target& made)
    {
        if (!on_request)
            return make_error_code(STATUS_INVALID_PARAMETER);
        auto threw = std::make_shared<std::atomic<bool>>(false);
        auto state = std::make_unique<client>(client{std::move(on_request), threw});
        WDFIOTARGET handle = nullptr;
        const NTSTATUS status = DMF_IoTarget_ClientCreate(parent.handle(), requested, state.get(), &handle);
        return adopt(handle, status, std::move(state), std::move(threw), made);
    }
    /**
     * Sets what is called once when the target's device is gone, after the last report; at once if that is known already.
     * An empty function takes it back.
     */
    [[nodiscard]] std::error_code set_removal_callback(std::function<void()> on_removal)
    {
        if (!on_removal)
            return make_error_code(DMF_IoTarget_RemovalCallbackSet(handle(), nullptr, nullptr));
        auto state = std::make_unique<removal>(removal{std::move(on_removal), threw()});
        removal* const context = state.get();
        // It lives as long as the target: a call may be under way when it is replaced.
        NTSTATUS status = detail::context<removal>::attach(handle(), std::move(state));
        if (NT_SUCCESS(status))
            status = DMF_IoTarget_RemovalCallbackSet(handle(), removed, context);
        return make_error_code(status);
    }
    /** What the target has counted since it was opened. */
    [[nodiscard]] std::error_code statistics(DMF_IO_TARGET_STATISTICS& counted) const noexcept
    {
        counted.Size = sizeof counted;
        return make_error_code(DMF_IoTarget_StatisticsGet(handle(), &counted));
    }

private:
    struct client {
        request_callback on_request;
        detail::flag threw;
    };
    struct removal {
        std::function<void()> on_removal;
        detail::flag threw;
    };
    using calling_owner::calling_owner;

    template <class State>
    static std::error_code adopt(WDFIOTARGET handle, NTSTATUS status, std::unique_ptr<State> state, detail::flag threw,
                                 target& made)
    {
        if (NT_SUCCESS(status)) {
            target adopted(handle, std::move(threw));
            status = detail::context<State>::attach(handle, std::move(state));
            if (NT_SUCCESS(status))
                made = std::move(adopted);
        }
        return make_error_code(status);
    }
    static NTSTATUS requested(WDFIOTARGET, WDFREQUEST request, ContinuousRequestTarget_RequestType type, ULONG code, VOID*,
                              size_t, VOID*, size_t, ULONG_PTR* information, VOID* context) noexcept
    {
        client& state = *static_cast<client*>(context);
        held_request held(request);
        NTSTATUS status = STATUS_INTERNAL_ERROR;
        ULONG_PTR transferred = 0;
        detail::calls(state.threw, [&] { status = state.on_request(held, type, code, transferred); });
        if (held.handle() != request)
            return STATUS_PENDING;
        // STATUS_PENDING would keep a Request that nobody has.
        if (status == STATUS_PENDING)
            status = STATUS_CANCELLED;
        held.release();
        *information = transferred;
        return status;
    }
    static VOID removed(WDFIOTARGET, VOID* context) noexcept
    {
        removal& state = *static_cast<removal*>(context);
        detail::calls(state.threw, state.on_removal);
    }
};

/**
 * Calls `bool function(const DMF_HID_DEVICE_INFORMATION& information)` for each HID device of the system until it answers
 * false. The information is valid during the call. Fails with STATUS_UNSUCCESSFUL if the system does not tell its devices.
 * What the function throws ends the enumeration and is thrown here.
 */
template <class F>
[[nodiscard]] std::error_code hid_enumerate(F&& function)
{
    using visitor_type = detail::visitor<F>;
    visitor_type visitor(function);
    const NTSTATUS status = DMF_Hid_Enumerate(
        [](const DMF_HID_DEVICE_INFORMATION* information, VOID* context) -> BOOLEAN {
            return static_cast<visitor_type*>(context)->template call<bool>(false, *information);
        },
        &visitor);
    visitor.rethrow();
    return make_error_code(status);
}

/**
 * Watches for HID devices that come and go, until the end of its scope.
 *
 * Statuses of start(): STATUS_INVALID_PARAMETER (no callback; the selector), STATUS_UNSUCCESSFUL (the system does not tell
 * its devices), STATUS_INSUFFICIENT_RESOURCES.
 * Threads: the callback runs on the calling thread, before start() returns, for what is there; then on a thread of the
 * watch, one call after the other. If it throws, callback_threw() tells, and the watch goes on.
 */
class hid_watch : public calling_owner<WDFOBJECT> {
public:
    /** A device has arrived, or has gone; the information is valid during the call. */
    using change_callback = std::function<void(const DMF_HID_DEVICE_INFORMATION& information, bool arrived)>;

    hid_watch() noexcept = default;
    /** All devices. */
    [[nodiscard]] static std::error_code start(const device& parent, change_callback on_change, hid_watch& started)
    {
        return start(parent, nullptr, std::move(on_change), started);
    }
    /** Those that match. Initialise selector with DMF_HID_OPEN_PARAMS_INIT. */
    [[nodiscard]] static std::error_code start(const device& parent, const DMF_HID_OPEN_PARAMS& selector,
                                               change_callback on_change, hid_watch& started)
    {
        return start(parent, &selector, std::move(on_change), started);
    }

private:
    struct state_type {
        change_callback on_change;
        detail::flag threw;
    };
    using calling_owner::calling_owner;

    static std::error_code start(const device& parent, const DMF_HID_OPEN_PARAMS* selector, change_callback on_change,
                                 hid_watch& started)
    {
        if (!on_change)
            return make_error_code(STATUS_INVALID_PARAMETER);
        auto threw = std::make_shared<std::atomic<bool>>(false);
        auto state = std::make_unique<state_type>(state_type{std::move(on_change), threw});
        WDFOBJECT handle = nullptr;
        NTSTATUS status = DMF_Hid_WatchStart(parent.handle(), selector, changed, state.get(), &handle);
        if (NT_SUCCESS(status)) {
            hid_watch watch(handle, std::move(threw));
            status = detail::context<state_type>::attach(handle, std::move(state));
            if (NT_SUCCESS(status))
                started = std::move(watch);
        }
        return make_error_code(status);
    }
    static VOID changed(const DMF_HID_DEVICE_INFORMATION* information, BOOLEAN arrived, VOID* context) noexcept
    {
        state_type& state = *static_cast<state_type*>(context);
        detail::calls(state.threw, [&] { state.on_change(*information, arrived); });
    }
};

} // namespace dmf

#endif /* DMF_HPP_TARGET_HPP */
