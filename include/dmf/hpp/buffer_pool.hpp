/**
 * dmf/hpp/buffer_pool.hpp - the Module BufferPool for dmf.hpp.
 */
#ifndef DMF_HPP_BUFFER_POOL_HPP
#define DMF_HPP_BUFFER_POOL_HPP

#include "buffer.hpp"

namespace dmf {

/**
 * BufferPool: a Source makes buffers and takes them back; a Sink is a list of them. A Sink of this class holds the buffers
 * of one Source. Whatever buffer is taken out, of either, goes back to the Source at the end of its scope.
 *
 * Statuses: create_source() STATUS_INVALID_PARAMETER (buffer_size 0; buffer_count 0 without look-aside, or with timers),
 * STATUS_INSUFFICIENT_RESOURCES. create_sink() STATUS_INVALID_PARAMETER (the other is no Source). get()
 * STATUS_UNSUCCESSFUL (none is left). put() and the like: STATUS_INVALID_PARAMETER (a buffer of another Source, or none;
 * it stays the caller's), STATUS_INVALID_DEVICE_STATE (in an enumeration, or being deleted).
 * Threads: any. An expired buffer's callback runs on the timer thread, on which all timers wait for it; if it throws,
 * callback_threw() tells, and the buffer goes back unless it was moved on.
 * Ownership: buffers that the program holds outlive the pool.
 */
class buffer_pool : public calling_owner<DMFMODULE> {
public:
    /** Gets a buffer whose timer has expired in the Sink. */
    using expired_callback = std::function<void(buffer expired)>;

    buffer_pool() noexcept = default;
    /** Makes a pool that has these buffers. */
    [[nodiscard]] static std::error_code create_source(const device& parent, const source_settings& settings,
                                                       buffer_pool& made) noexcept
    {
        DMF_CONFIG_BufferPool config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferPoolMode = BufferPool_Mode_Source;
        config.Mode.SourceSettings = detail::to_c(settings);
        DMFMODULE handle = nullptr;
        const NTSTATUS status = DMF_BufferPool_Create(parent.handle(), &attributes, nullptr, &handle);
        if (NT_SUCCESS(status))
            made = buffer_pool(handle, nullptr, handle, settings.buffer_size);
        return make_error_code(status);
    }
    /** Makes a list of that Source's buffers. */
    [[nodiscard]] static std::error_code create_sink(const device& parent, const buffer_pool& source, buffer_pool& made)
    {
        return create_sink(parent, source, nullptr, made);
    }
    /** on_expired is needed for put_in_sink_with_timer(). */
    [[nodiscard]] static std::error_code create_sink(const device& parent, const buffer_pool& source,
                                                     expired_callback on_expired, buffer_pool& made)
    {
        if (!source.handle() || source.source_ != source.handle())
            return make_error_code(STATUS_INVALID_PARAMETER);
        DMF_CONFIG_BufferPool config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferPoolMode = BufferPool_Mode_Sink;
        auto threw = std::make_shared<std::atomic<bool>>(false);
        const bool has_timers = static_cast<bool>(on_expired);
        auto state = std::make_unique<state_type>(
            state_type{std::move(on_expired), threw, source.source_, source.buffer_size_});
        DMFMODULE handle = nullptr;
        const NTSTATUS status = detail::context<state_type>::create(DMF_BufferPool_Create, parent.handle(), attributes,
                                                                    std::move(state), handle);
        if (NT_SUCCESS(status)) {
            made = buffer_pool(handle, std::move(threw), source.source_, source.buffer_size_);
            made.has_timers_ = has_timers;
        }
        return make_error_code(status);
    }
    /** Takes the buffer at the head of the list; a Source's is zeros. */
    [[nodiscard]] std::error_code get(buffer& taken) noexcept
    {
        VOID *data = nullptr, *context = nullptr;
        WDFMEMORY memory = nullptr;
        const NTSTATUS status = DMF_BufferPool_GetWithMemory(handle(), &data, &context, &memory);
        if (NT_SUCCESS(status))
            taken = detail::buffers::make<DMF_BufferPool_Put>(source_, data, buffer_size_, context, memory);
        return make_error_code(status);
    }
    /** Moves a buffer to the tail of the list; on failure it stays the caller's. */
    std::error_code put(buffer&& one) noexcept { return put_with(DMF_BufferPool_Put, one); }
    /** Moves a buffer to the head. */
    std::error_code put_at_head(buffer&& one) noexcept { return put_with(DMF_BufferPool_PutAtHead, one); }
    /**
     * Moves a buffer to the tail of a Sink; if nobody takes it in time, the callback that the Sink was made with gets it.
     * STATUS_INVALID_PARAMETER also without such a callback, or if the Source's buffers have no timers.
     */
    std::error_code put_in_sink_with_timer(buffer&& one, std::chrono::milliseconds time) noexcept
    {
        if (!has_timers_ || detail::buffers::home_of(one) != source_)
            return make_error_code(STATUS_INVALID_PARAMETER);
        DMF_BufferPool_PutInSinkWithTimer(handle(), one.data(), detail::milliseconds(time), expired, nullptr);
        return detail::buffers::taken(one);
    }
    /** Buffers in the list. */
    std::size_t count() const noexcept { return DMF_BufferPool_Count(handle()); }
    /**
     * Shows the buffers of a Sink, from the head to the tail, to
     * `BufferPool_EnumerationDispositionType function(span<UCHAR> buffer, VOID* context)`, under the Sink's lock. What
     * RemoveAndStopEnumeration takes out goes to `removed`. What it throws ends the enumeration and is thrown here.
     */
    template <class F>
    void enumerate(F&& function, buffer* removed = nullptr)
    {
        detail::enumerate(handle(), DMF_BufferPool_Enumerate, buffer_size_, function, removed,
                          [this](VOID* data, VOID* context) {
                              return detail::buffers::make<DMF_BufferPool_Put>(source_, data, buffer_size_, context);
                          });
    }

private:
    struct state_type {
        expired_callback on_expired;
        detail::flag threw;
        DMFMODULE source;
        std::size_t buffer_size;
    };

    buffer_pool(DMFMODULE handle, detail::flag threw, DMFMODULE source, std::size_t buffer_size) noexcept
        : calling_owner(handle, std::move(threw)), source_(source), buffer_size_(buffer_size)
    {
    }
    std::error_code put_with(decltype(DMF_BufferPool_Put)* function, buffer& one) noexcept
    {
        if (detail::buffers::home_of(one) != source_)
            return make_error_code(STATUS_INVALID_PARAMETER);
        function(handle(), one.data());
        return detail::buffers::taken(one);
    }
    static VOID expired(DMFMODULE sink, VOID* data, VOID* context, VOID*) noexcept
    {
        state_type& state = detail::context<state_type>::of(sink);
        buffer one = detail::buffers::make<DMF_BufferPool_Put>(state.source, data, state.buffer_size, context);
        detail::calls(state.threw, [&] { state.on_expired(std::move(one)); });
    }

    DMFMODULE source_ = nullptr;
    std::size_t buffer_size_ = 0;
    bool has_timers_ = false;
};

} // namespace dmf

#endif /* DMF_HPP_BUFFER_POOL_HPP */
