/**
 * dmf/hpp/queued_work_item.hpp - the Module QueuedWorkItem for dmf.hpp.
 */
#ifndef DMF_HPP_QUEUED_WORK_ITEM_HPP
#define DMF_HPP_QUEUED_WORK_ITEM_HPP

#include "buffer.hpp"

namespace dmf {

/**
 * QueuedWorkItem: copies of the caller's bytes are worked on in order, one at a time, on threads that may wait.
 *
 * Statuses: create() STATUS_INVALID_PARAMETER (no callback; settings, as for a pool's Source),
 * STATUS_INSUFFICIENT_RESOURCES. enqueue() STATUS_UNSUCCESSFUL (no free buffer), STATUS_BUFFER_TOO_SMALL (more bytes than a
 * buffer has; nothing is queued). enqueue_and_wait() also what the work answered, STATUS_INTERNAL_ERROR if it threw, and
 * STATUS_INVALID_DEVICE_STATE in the callback itself (misuse).
 * Threads: any; the callback runs on a passive thread.
 * Ownership: bytes are copied. Deletion waits until accepted work is done.
 */
class queued_work_item : public calling_owner<DMFMODULE> {
public:
    /** Works on the copy, which is a whole buffer: zeros are behind what was queued. Its answer is enqueue_and_wait()'s. */
    using work_callback = std::function<NTSTATUS(span<UCHAR> work)>;

    queued_work_item() noexcept = default;
    /** Makes one of so many buffers, and what works on them. */
    [[nodiscard]] static std::error_code create(const device& parent, const source_settings& settings, work_callback work,
                                                queued_work_item& made)
    {
        if (!work)
            return make_error_code(STATUS_INVALID_PARAMETER);
        DMF_CONFIG_QueuedWorkItem config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferQueueConfig.SourceSettings = detail::to_c(settings);
        config.EvtQueuedWorkitemFunction = work_once;
        auto threw = std::make_shared<std::atomic<bool>>(false);
        auto state = std::make_unique<state_type>(state_type{std::move(work), threw, settings.buffer_size});
        DMFMODULE handle = nullptr;
        const NTSTATUS status = detail::context<state_type>::create(DMF_QueuedWorkItem_Create, parent.handle(), attributes,
                                                                    std::move(state), handle);
        if (NT_SUCCESS(status))
            made = queued_work_item(handle, std::move(threw));
        return make_error_code(status);
    }
    /** Queues a copy of the bytes. */
    [[nodiscard]] std::error_code enqueue(span<const UCHAR> work) noexcept
    {
        return make_error_code(
            DMF_QueuedWorkItem_Enqueue(handle(), const_cast<UCHAR*>(work.data()), detail::length(work.size())));
    }
    /** Queues a copy and waits until it was worked on. */
    [[nodiscard]] std::error_code enqueue_and_wait(span<const UCHAR> work) noexcept
    {
        return make_error_code(
            DMF_QueuedWorkItem_EnqueueAndWait(handle(), const_cast<UCHAR*>(work.data()), detail::length(work.size())));
    }
    /** Waits until what is queued now is done. */
    void flush() noexcept { DMF_QueuedWorkItem_Flush(handle()); }

private:
    struct state_type {
        work_callback work;
        detail::flag threw;
        std::size_t buffer_size;
    };
    using calling_owner::calling_owner;

    static ScheduledTask_Result_Type work_once(DMFMODULE module, VOID* data, VOID*) noexcept
    {
        state_type& state = detail::context<state_type>::of(module);
        NTSTATUS status = STATUS_INTERNAL_ERROR;
        detail::calls(state.threw, [&] {
            status = state.work(span<UCHAR>(static_cast<UCHAR*>(data), state.buffer_size));
        });
        DMF_QueuedWorkItem_StatusSet(module, data, status);
        return NT_SUCCESS(status) ? ScheduledTask_WorkResult_Success : ScheduledTask_WorkResult_Fail;
    }
};

} // namespace dmf

#endif /* DMF_HPP_QUEUED_WORK_ITEM_HPP */
