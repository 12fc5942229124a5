/**
 * dmf/hpp/buffer_queue.hpp - the Module BufferQueue for dmf.hpp.
 */
#ifndef DMF_HPP_BUFFER_QUEUE_HPP
#define DMF_HPP_BUFFER_QUEUE_HPP

#include "buffer.hpp"

namespace dmf {

/**
 * BufferQueue: unused buffers (the Producer) and work (the Consumer). fetch() one, fill it, enqueue() it; elsewhere
 * dequeue() it and work on it. At the end of its scope a buffer goes back to the unused ones: that is Reuse.
 *
 * Statuses: create() STATUS_INVALID_PARAMETER (settings, as for a pool's Source), STATUS_INSUFFICIENT_RESOURCES. fetch()
 * and dequeue() STATUS_UNSUCCESSFUL (none left). enqueue() and the like STATUS_INVALID_PARAMETER (a buffer of another
 * Module, or none; it stays the caller's), STATUS_INVALID_DEVICE_STATE (in an enumeration, or being deleted).
 * Threads: any. on_reuse runs on the thread that gives a buffer back, flushes or deletes, on several at the same time if
 * several do; on_expired on the timer thread. If one throws, callback_threw() tells, and the buffer goes its way.
 * Ownership: buffers that the program holds outlive the queue; deleting it flushes it first.
 */
class buffer_queue : public calling_owner<DMFMODULE> {
public:
    /** What it calls; each may be empty. */
    struct callbacks {
        /** Sees a buffer with its content before it is unused again. */
        std::function<void(span<UCHAR> bytes, VOID* context)> on_reuse = nullptr;
        /** Gets a buffer whose timer has expired in the queue. */
        std::function<void(buffer expired)> on_expired = nullptr;
    };

    buffer_queue() noexcept = default;
    /** Makes a queue that calls nobody. */
    [[nodiscard]] static std::error_code create(const device& parent, const source_settings& settings, buffer_queue& made)
    {
        return create(parent, settings, callbacks(), made);
    }
    /** Makes a queue with all its buffers unused. */
    [[nodiscard]] static std::error_code create(const device& parent, const source_settings& settings, callbacks called,
                                                buffer_queue& made)
    {
        DMF_CONFIG_BufferQueue config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.SourceSettings = detail::to_c(settings);
        if (called.on_reuse)
            config.EvtBufferQueueReuseCleanup = reused;
        auto threw = std::make_shared<std::atomic<bool>>(false);
        const bool has_timers = static_cast<bool>(called.on_expired);
        auto state = std::make_unique<state_type>(state_type{std::move(called), threw, settings.buffer_size});
        DMFMODULE handle = nullptr;
        const NTSTATUS status = detail::context<state_type>::create(DMF_BufferQueue_Create, parent.handle(), attributes,
                                                                    std::move(state), handle);
        if (NT_SUCCESS(status)) {
            made = buffer_queue(handle, std::move(threw));
            made.buffer_size_ = settings.buffer_size;
            made.has_timers_ = has_timers;
        }
        return make_error_code(status);
    }
    /** Takes an unused buffer, of zeros. */
    [[nodiscard]] std::error_code fetch(buffer& fetched) noexcept { return take(DMF_BufferQueue_Fetch, fetched); }
    /** Takes the first buffer of the Consumer. */
    [[nodiscard]] std::error_code dequeue(buffer& dequeued) noexcept { return take(DMF_BufferQueue_Dequeue, dequeued); }
    /** Moves a buffer to the tail of the Consumer; on failure it stays the caller's. */
    std::error_code enqueue(buffer&& one) noexcept { return put(DMF_BufferQueue_Enqueue, one); }
    /** Moves a buffer to the head of the Consumer. */
    std::error_code enqueue_at_head(buffer&& one) noexcept { return put(DMF_BufferQueue_EnqueueAtHead, one); }
    /**
     * As enqueue(); if nobody dequeues it in time, on_expired gets it. STATUS_INVALID_PARAMETER also without on_expired, or
     * if the settings have no timers.
     */
    std::error_code enqueue_with_timer(buffer&& one, std::chrono::milliseconds time) noexcept
    {
        if (!has_timers_ || detail::buffers::home_of(one) != handle())
            return make_error_code(STATUS_INVALID_PARAMETER);
        const NTSTATUS status = DMF_BufferQueue_EnqueueWithTimer(handle(), one.data(), detail::milliseconds(time), expired,
                                                                 nullptr);
        if (NT_SUCCESS(status))
            one.release();
        return make_error_code(status);
    }
    /** Buffers in the Consumer. */
    std::size_t count() const noexcept { return DMF_BufferQueue_Count(handle()); }
    /** Makes what the Consumer holds now unused. */
    void flush() noexcept { DMF_BufferQueue_Flush(handle()); }
    /** As buffer_pool::enumerate(), of the Consumer. fetch() works inside, and buffers may be given back. */
    template <class F>
    void enumerate(F&& function, buffer* removed = nullptr)
    {
        detail::enumerate(handle(), DMF_BufferQueue_Enumerate, buffer_size_, function, removed,
                          [this](VOID* data, VOID* context) {
                              return detail::buffers::make<DMF_BufferQueue_Reuse>(handle(), data, buffer_size_, context);
                          });
    }

private:
    struct state_type {
        callbacks called;
        detail::flag threw;
        std::size_t buffer_size;
    };
    using calling_owner::calling_owner;

    std::error_code take(decltype(DMF_BufferQueue_Fetch)* function, buffer& taken) noexcept
    {
        VOID *data = nullptr, *context = nullptr;
        const NTSTATUS status = function(handle(), &data, &context);
        if (NT_SUCCESS(status))
            taken = detail::buffers::make<DMF_BufferQueue_Reuse>(handle(), data, buffer_size_, context);
        return make_error_code(status);
    }
    std::error_code put(decltype(DMF_BufferQueue_Enqueue)* function, buffer& one) noexcept
    {
        if (detail::buffers::home_of(one) != handle())
            return make_error_code(STATUS_INVALID_PARAMETER);
        function(handle(), one.data());
        return detail::buffers::taken(one);
    }
    static VOID reused(DMFMODULE queue, VOID* data, VOID* context) noexcept
    {
        state_type& state = detail::context<state_type>::of(queue);
        detail::calls(state.threw, [&] {
            state.called.on_reuse(span<UCHAR>(static_cast<UCHAR*>(data), state.buffer_size), context);
        });
    }
    static VOID expired(DMFMODULE queue, VOID* data, VOID* context, VOID*) noexcept
    {
        state_type& state = detail::context<state_type>::of(queue);
        buffer one = detail::buffers::make<DMF_BufferQueue_Reuse>(queue, data, state.buffer_size, context);
        detail::calls(state.threw, [&] { state.called.on_expired(std::move(one)); });
    }

    std::size_t buffer_size_ = 0;
    bool has_timers_ = false;
};

} // namespace dmf

#endif /* DMF_HPP_BUFFER_QUEUE_HPP */
