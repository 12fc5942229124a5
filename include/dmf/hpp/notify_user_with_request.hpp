/**
 * dmf/hpp/notify_user_with_request.hpp - the Module NotifyUserWithRequest for dmf.hpp.
 */
#ifndef DMF_HPP_NOTIFY_USER_WITH_REQUEST_HPP
#define DMF_HPP_NOTIFY_USER_WITH_REQUEST_HPP

#include "request.hpp"

namespace dmf {

/**
 * NotifyUserWithRequest: Requests wait for data and data for Requests; the oldest of one goes to the oldest of the other.
 *
 * Statuses: create() STATUS_INVALID_PARAMETER (a size that does not fit), STATUS_INSUFFICIENT_RESOURCES.
 * event_request_add() and request_process() STATUS_INVALID_DEVICE_STATE (too many are pending, it is submitted already, or
 * the Module is being deleted; the Request stays the caller's alone). data_process() STATUS_INVALID_BUFFER_SIZE (not an
 * entry's size). data_process() and request_process() STATUS_INVALID_DEVICE_STATE, and misuse, if the settings have no
 * data. request_return() STATUS_UNSUCCESSFUL (none is pending).
 * Threads: any, callbacks included. on_data and on_cleanup run on the thread that brings data or Requests; on_cancel on the
 * one that cancels. If one throws, callback_threw() tells, and the Request ends with STATUS_CANCELLED.
 * Ownership: data is copied. Deletion ends pending Requests with STATUS_CANCELLED.
 */
class notify_user_with_request : public calling_owner<DMFMODULE> {
public:
    /** Of a Module that is made. */
    struct settings {
        /** Requests that may be pending; 0 refuses all. */
        ULONG maximum_pending_requests = 0;
        /** Entries of data that may wait; 0: the Module keeps no data. */
        ULONG maximum_pending_data_buffers = 0;
        /** Bytes of an entry. */
        ULONG size_of_data_buffer = 0;
        /** Entries are made when none is left; else the oldest is discarded. */
        bool enable_look_aside = false;
        /** The Module keeps the times of Requests and data. */
        bool time_stamping = false;
    };
    /** What it calls; each may be empty. */
    struct callbacks {
        /** Completes a Request with the data, valid during the call, and the status that came with it. */
        std::function<void(held_request request, span<const UCHAR> data, NTSTATUS status)> on_data = nullptr;
        /** Completes a Request that was canceled while it was pending. */
        std::function<void(held_request request)> on_cancel = nullptr;
        /** Sees an entry of data after it was delivered, discarded or flushed. */
        std::function<void(span<UCHAR> data)> on_cleanup = nullptr;
    };

    notify_user_with_request() noexcept = default;
    /** Makes one; with settings that are 0 it refuses everything. */
    [[nodiscard]] static std::error_code create(const device& parent, const settings& wanted, callbacks called,
                                                notify_user_with_request& made)
    {
        constexpr ULONG most = std::numeric_limits<LONG>::max();
        if (wanted.maximum_pending_requests > most || wanted.maximum_pending_data_buffers > most ||
            wanted.size_of_data_buffer > most)
            return make_error_code(STATUS_INVALID_PARAMETER);
        DMF_CONFIG_NotifyUserWithRequest config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.MaximumNumberOfPendingRequests = static_cast<LONG>(wanted.maximum_pending_requests);
        config.MaximumNumberOfPendingDataBuffers = static_cast<LONG>(wanted.maximum_pending_data_buffers);
        config.SizeOfDataBuffer = static_cast<LONG>(wanted.size_of_data_buffer);
        config.EnableLookAside = wanted.enable_look_aside;
        config.TimeStamping = wanted.time_stamping;
        config.EvtPendingRequestsCancel = called.on_cancel ? canceled : nullptr;
        config.EvtDataCleanup = called.on_cleanup ? cleaned : nullptr;
        auto threw = std::make_shared<std::atomic<bool>>(false);
        const bool has_on_data = static_cast<bool>(called.on_data);
        auto state = std::make_unique<state_type>(state_type{std::move(called), threw, wanted.size_of_data_buffer});
        DMFMODULE handle = nullptr;
        const NTSTATUS status = detail::context<state_type>::create(DMF_NotifyUserWithRequest_Create, parent.handle(),
                                                                    attributes, std::move(state), handle);
        if (NT_SUCCESS(status)) {
            made = notify_user_with_request(handle, std::move(threw));
            made.has_on_data_ = has_on_data;
            made.data_size_ = wanted.size_of_data_buffer;
        }
        return make_error_code(status);
    }
    /**
     * Queues a copy of the data, then gives the oldest data to the oldest Request, if there is one: on_data completes it;
     * without on_data it is completed with the status.
     */
    [[nodiscard]] std::error_code data_process(span<const UCHAR> data, NTSTATUS status = STATUS_SUCCESS) noexcept
    {
        if (data.size() != data_size_)
            return make_error_code(STATUS_INVALID_BUFFER_SIZE);
        DMF_NotifyUserWithRequest_DataProcess(handle(), has_on_data_ ? arrived : nullptr, const_cast<UCHAR*>(data.data()),
                                              status);
        return detail::last_status();
    }
    /** Queues a Request. */
    [[nodiscard]] std::error_code event_request_add(request& added) noexcept
    {
        return submit(DMF_NotifyUserWithRequest_EventRequestAdd, added);
    }
    /** Queues a Request, then gives the oldest data to the oldest Request, if there is some. */
    [[nodiscard]] std::error_code request_process(request& added) noexcept
    {
        return submit(DMF_NotifyUserWithRequest_RequestProcess, added);
    }
    /**
     * Gives the oldest pending Request to `void function(held_request request)`, which completes it; data stays. What it
     * throws is thrown here; the Request ends with STATUS_CANCELLED then.
     */
    template <class F>
    [[nodiscard]] std::error_code request_return(F&& function)
    {
        auto answers = [&](held_request request) { return function(std::move(request)), true; };
        detail::visitor<decltype(answers)> visitor(answers);
        const NTSTATUS status = DMF_NotifyUserWithRequest_RequestReturnEx(handle(), returned<decltype(visitor)>,
                                                                          context_of(visitor), STATUS_SUCCESS);
        visitor.rethrow();
        return make_error_code(status);
    }
    /** As request_return(), for each Request that is pending now, the oldest first. */
    template <class F>
    void request_return_all(F&& function)
    {
        auto answers = [&](held_request request) { return function(std::move(request)), true; };
        detail::visitor<decltype(answers)> visitor(answers);
        DMF_NotifyUserWithRequest_RequestReturnAll(handle(), returned<decltype(visitor)>, context_of(visitor),
                                                   STATUS_SUCCESS);
        visitor.rethrow();
    }
    /** When the data came that on_data got, in nanoseconds of the monotonic clock; for calls inside on_data. */
    LONGLONG data_buffer_timestamp(span<const UCHAR> data) const noexcept
    {
        return DMF_NotifyUserWithRequest_DataBufferTimestampGet(handle(), const_cast<UCHAR*>(data.data()));
    }
    /** When a Request was queued, in nanoseconds of the monotonic clock. */
    LONGLONG request_timestamp(WDFREQUEST request) const noexcept
    {
        return DMF_NotifyUserWithRequest_RequestTimestampGet(handle(), request);
    }
    /** Entries of data that were discarded, because all were in use. */
    ULONGLONG discarded_count() const noexcept { return DMF_NotifyUserWithRequest_DiscardedCountGet(handle()); }

private:
    struct state_type {
        callbacks called;
        detail::flag threw;
        std::size_t data_size;
    };
    using calling_owner::calling_owner;

    template <class Visitor>
    static DMF_NotifyUserWithRequest_EventCallbackContext context_of(Visitor& visitor) noexcept
    {
        return (DMF_NotifyUserWithRequest_EventCallbackContext)&visitor; // a pointer or a number, by the API level
    }
    std::error_code submit(decltype(DMF_NotifyUserWithRequest_RequestProcess)* function, request& added) noexcept
    {
        const NTSTATUS status = function(handle(), added.handle());
        if (NT_SUCCESS(status))
            added.submitted();
        return make_error_code(status);
    }
    static VOID arrived(DMFMODULE module, WDFREQUEST request, ULONG_PTR data, NTSTATUS status) noexcept
    {
        state_type& state = detail::context<state_type>::of(module);
        held_request held(request);
        detail::calls(state.threw, [&] {
            state.called.on_data(std::move(held), span<const UCHAR>(reinterpret_cast<UCHAR*>(data), state.data_size), status);
        });
    }
    static VOID canceled(DMFMODULE module, WDFREQUEST request, ULONG_PTR, NTSTATUS) noexcept
    {
        state_type& state = detail::context<state_type>::of(module);
        held_request held(request);
        detail::calls(state.threw, [&] { state.called.on_cancel(std::move(held)); });
    }
    static VOID cleaned(DMFMODULE module, VOID* data, VOID*) noexcept
    {
        state_type& state = detail::context<state_type>::of(module);
        detail::calls(state.threw, [&] {
            state.called.on_cleanup(span<UCHAR>(static_cast<UCHAR*>(data), state.data_size));
        });
    }
    template <class Visitor>
    static VOID returned(DMFMODULE, WDFREQUEST request, ULONG_PTR visitor, NTSTATUS) noexcept
    {
        reinterpret_cast<Visitor*>(visitor)->template call<bool>(false, held_request(request));
    }

    bool has_on_data_ = false;
    std::size_t data_size_ = 0;
};

} // namespace dmf

#endif /* DMF_HPP_NOTIFY_USER_WITH_REQUEST_HPP */
