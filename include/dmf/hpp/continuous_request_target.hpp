/**
 * dmf/hpp/continuous_request_target.hpp - the Module ContinuousRequestTarget for dmf.hpp.
 */
#ifndef DMF_HPP_CONTINUOUS_REQUEST_TARGET_HPP
#define DMF_HPP_CONTINUOUS_REQUEST_TARGET_HPP

#include "buffer.hpp"
#include "target.hpp"

namespace dmf {

/**
 * ContinuousRequestTarget: keeps a number of Requests at a target and shows each completed buffer to a callback; also sends
 * single Requests.
 *
 * Statuses: create() STATUS_INVALID_PARAMETER (mode, type, buffers of no number), STATUS_INSUFFICIENT_RESOURCES.
 * set_target() STATUS_INVALID_DEVICE_STATE (one is set), STATUS_INVALID_HANDLE. start() STATUS_INVALID_DEVICE_STATE (no
 * target, or started), STATUS_BUFFER_TOO_SMALL (for the device's reports), STATUS_DEVICE_NOT_CONNECTED,
 * STATUS_INVALID_DEVICE_REQUEST (nothing that the target answers), STATUS_UNSUCCESSFUL (no buffer). send() and the like
 * STATUS_INVALID_DEVICE_STATE (no target), STATUS_INVALID_BUFFER_SIZE, STATUS_INVALID_DEVICE_REQUEST,
 * STATUS_DEVICE_NOT_CONNECTED; their Request ends with STATUS_IO_TIMEOUT or STATUS_CANCELLED too.
 * Threads: any. Callbacks run on the thread that ends the Request, often the target's, and must not block there; with
 * passive_level on a passive thread. If one throws, callback_threw() tells: that Request stops, its buffer goes back.
 * Ownership: buffers that the program has moved out outlive the Module. Spans of send() are used in place until the
 * completion. Deletion stops the stream and waits for its callbacks; single Requests end with STATUS_CANCELLED.
 */
class continuous_request_target : public calling_owner<DMFMODULE> {
public:
    /** What it calls. */
    struct callbacks {
        /**
         * Gets a completed buffer, of as many bytes as arrived, and how its Request ended. True asks for more. Moved out,
         * the buffer is the program's until the end of its scope. Empty: success goes on, failure stops the Request.
         */
        std::function<bool(buffer& output, std::error_code error)> output = nullptr;
        /** Fills a buffer and its context before they are sent, and answers how many bytes to send. Empty: zeros are sent. */
        std::function<std::size_t(span<UCHAR> input, VOID* context)> input = nullptr;
        /** Both run on passive threads, where they may block; one at a time. */
        bool passive_level = false;
    };
    /**
     * The end of a single Request: the bytes that were sent and those that came, and how it ended. A read has sent nothing,
     * a write has received nothing.
     */
    using send_completion = std::function<void(span<const UCHAR> sent, span<UCHAR> received, std::error_code error)>;
    /** Says which Request to cancel. */
    using cancel_id = RequestTarget_DmfRequestCancel;
    /** A Request that can be sent again and again; it goes with the Module. */
    using reuse_id = RequestTarget_DmfRequestReuse;

    continuous_request_target() noexcept = default;
    /** The Config is C's; its callbacks are set from `called`. All zeros: single Requests only. */
    [[nodiscard]] static std::error_code create(const device& parent, const DMF_CONFIG_ContinuousRequestTarget& wanted,
                                                callbacks called, continuous_request_target& made)
    {
        DMF_CONFIG_ContinuousRequestTarget config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
        config = wanted;
        config.EvtContinuousRequestTargetBufferInput = called.input ? fills : nullptr;
        config.EvtContinuousRequestTargetBufferOutput = called.output ? completed : nullptr;
        attributes.PassiveLevel = called.passive_level;
        auto threw = std::make_shared<std::atomic<bool>>(false);
        auto state = std::make_unique<state_type>(state_type{std::move(called), threw});
        DMFMODULE handle = nullptr;
        const NTSTATUS status = detail::context<state_type>::create(DMF_ContinuousRequestTarget_Create, parent.handle(),
                                                                    attributes, std::move(state), handle);
        if (NT_SUCCESS(status))
            made = continuous_request_target(handle, std::move(threw));
        return make_error_code(status);
    }
    /** Sets what Requests are sent to; in automatic mode the stream starts. */
    [[nodiscard]] std::error_code set_target(const target& to) noexcept
    {
        return make_error_code(DMF_ContinuousRequestTarget_IoTargetSet(handle(), to.handle()));
    }
    /** Takes the target back; stop the stream first, unless it is in automatic mode. */
    void clear_target() noexcept { DMF_ContinuousRequestTarget_IoTargetClear(handle()); }
    /** Starts streaming. */
    [[nodiscard]] std::error_code start() noexcept { return make_error_code(DMF_ContinuousRequestTarget_Start(handle())); }
    /** Cancels what is pending; a callback may still be running. */
    void stop() noexcept { DMF_ContinuousRequestTarget_Stop(handle()); }
    /** As stop(), and waits until every callback has returned. In one of them misuse: as stop(). */
    void stop_and_wait() noexcept { DMF_ContinuousRequestTarget_StopAndWait(handle()); }
    /** Requests that are still streaming; 0 once all have ended. */
    ULONG streaming_count() const noexcept { return DMF_ContinuousRequestTarget_StreamingCountGet(handle()); }

    /**
     * Sends one Request and waits for its end; 0 milliseconds are for ever. `transferred` gets the bytes, 0 on failure. Not
     * on the thread that is to end it, such as in a callback of the stream (misuse).
     */
    [[nodiscard]] std::error_code send_synchronously(span<const UCHAR> sent, span<UCHAR> received,
                                                     ContinuousRequestTarget_RequestType type, ULONG io_control_code,
                                                     std::chrono::milliseconds time, std::size_t& transferred) noexcept
    {
        return make_error_code(DMF_ContinuousRequestTarget_SendSynchronously(
            handle(), const_cast<UCHAR*>(sent.data()), sent.size(), received.data(), received.size(), type, io_control_code,
            detail::milliseconds(time), &transferred));
    }
    /**
     * Sends one Request without waiting; on success the completion, which may be empty, is called exactly once. `id` gets
     * what cancel() takes, before the completion can run.
     */
    [[nodiscard]] std::error_code send(span<const UCHAR> sent, span<UCHAR> received,
                                       ContinuousRequestTarget_RequestType type, ULONG io_control_code,
                                       std::chrono::milliseconds time, send_completion completion, cancel_id* id = nullptr)
    {
        return with_completion(std::move(completion), [&](auto* function, VOID* context) {
            return DMF_ContinuousRequestTarget_SendEx_2025(handle(), const_cast<UCHAR*>(sent.data()), sent.size(),
                                                           received.data(), received.size(), type, io_control_code,
                                                           detail::milliseconds(time), function, context, id);
        });
    }
    /** True: the cancellation was delivered, and the completion comes with STATUS_CANCELLED. False: the Request has ended. */
    bool cancel(cancel_id id) noexcept { return DMF_ContinuousRequestTarget_Cancel(handle(), id); }
    /** Makes a Request for reuse_send(). */
    [[nodiscard]] std::error_code reuse_create(reuse_id& made) noexcept
    {
        return make_error_code(DMF_ContinuousRequestTarget_ReuseCreate(handle(), &made));
    }
    /** As send(), with that Request. STATUS_OBJECTID_NOT_FOUND: it is unknown, or being sent. */
    [[nodiscard]] std::error_code reuse_send(reuse_id reused, span<const UCHAR> sent, span<UCHAR> received,
                                             ContinuousRequestTarget_RequestType type, ULONG io_control_code,
                                             std::chrono::milliseconds time, send_completion completion,
                                             cancel_id* id = nullptr)
    {
        return with_completion(std::move(completion), [&](auto* function, VOID* context) {
            return DMF_ContinuousRequestTarget_ReuseSend(handle(), reused, const_cast<UCHAR*>(sent.data()), sent.size(),
                                                         received.data(), received.size(), type, io_control_code,
                                                         detail::milliseconds(time), function, context, id);
        });
    }
    /** False: it is unknown, or being sent. */
    bool reuse_delete(reuse_id reused) noexcept { return DMF_ContinuousRequestTarget_ReuseDelete(handle(), reused); }

private:
    struct state_type {
        callbacks called;
        detail::flag threw;
    };
    struct single {
        send_completion completion;
        detail::flag threw;
    };
    using calling_owner::calling_owner;

    template <class Send>
    std::error_code with_completion(send_completion completion, Send send)
    {
        EVT_DMF_ContinuousRequestTarget_SendCompletion* const none = nullptr;
        if (!completion)
            return make_error_code(send(none, nullptr));
        auto state = std::make_unique<single>(single{std::move(completion), threw()});
        single* const context = state.release();
        EVT_DMF_ContinuousRequestTarget_SendCompletion* const ended = single_ended;
        const NTSTATUS status = send(ended, context);
        if (!NT_SUCCESS(status))
            delete context;
        return make_error_code(status);
    }
    static VOID single_ended(DMFMODULE, VOID* context, VOID* sent, size_t sent_size, VOID* received, size_t received_size,
                             NTSTATUS status) noexcept
    {
        const std::unique_ptr<single> state(static_cast<single*>(context));
        detail::calls(state->threw, [&] {
            state->completion(span<const UCHAR>(static_cast<UCHAR*>(sent), sent_size),
                              span<UCHAR>(static_cast<UCHAR*>(received), received_size), make_error_code(status));
        });
    }
    static VOID fills(DMFMODULE module, VOID* data, size_t* size, VOID* beside) noexcept
    {
        state_type& state = detail::context<state_type>::of(module);
        const span<UCHAR> input(static_cast<UCHAR*>(data), *size);
        // Larger than the buffer: what threw is not sent.
        std::size_t filled = *size + 1;
        detail::calls(state.threw, [&] { filled = state.called.input(input, beside); });
        *size = filled;
    }
    static ContinuousRequestTarget_BufferDisposition completed(DMFMODULE module, VOID* data, size_t size, VOID* beside,
                                                               NTSTATUS status) noexcept
    {
        state_type& state = detail::context<state_type>::of(module);
        buffer output = detail::buffers::make<DMF_ContinuousRequestTarget_BufferPut>(module, data, data ? size : 0, beside);
        bool more = false;
        detail::calls(state.threw, [&] { more = state.called.output(output, make_error_code(status)); });
        if (output.data() != data)
            return more ? ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming
                        : ContinuousRequestTarget_BufferDisposition_ClientAndStopStreaming;
        output.release();
        return more ? ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
                    : ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    }
};

/** A ContinuousRequestTarget that reads: each report is shown to a callback. */
class stream : public continuous_request_target {
public:
    /**
     * Gets the report, valid during the call, and how its Request ended; on failure the report is empty. True asks for
     * more. Runs on the target's thread.
     */
    using callback = std::function<bool(span<const UCHAR> report, std::error_code error)>;

    stream() noexcept = default;
    /** reads: how many wait at the target; buffer_size: bytes that the largest report has. */
    [[nodiscard]] static std::error_code create(const device& parent, ULONG reads, ULONG buffers, ULONG buffer_size,
                                                callback on_report, stream& made)
    {
        DMF_CONFIG_ContinuousRequestTarget config{};
        config.RequestType = ContinuousRequestTarget_RequestType_Read;
        config.ContinuousRequestCount = reads;
        config.BufferCountOutput = buffers;
        config.BufferOutputSize = buffer_size;
        callbacks called;
        if (on_report)
            called.output = [on_report = std::move(on_report)](buffer& output, std::error_code error) {
                return on_report(error ? span<const UCHAR>() : span<const UCHAR>(output), error);
            };
        return continuous_request_target::create(parent, config, std::move(called), made);
    }
};

} // namespace dmf

#endif /* DMF_HPP_CONTINUOUS_REQUEST_TARGET_HPP */
