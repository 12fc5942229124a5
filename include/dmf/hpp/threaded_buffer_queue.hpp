/**
 * dmf/hpp/threaded_buffer_queue.hpp - the Module ThreadedBufferQueue for dmf.hpp.
 */
#ifndef DMF_HPP_THREADED_BUFFER_QUEUE_HPP
#define DMF_HPP_THREADED_BUFFER_QUEUE_HPP

#include "buffer.hpp"

namespace dmf {

/**
 * ThreadedBufferQueue: a queue of buffers with a thread of its own that works through it.
 *
 * Statuses: create() STATUS_INVALID_PARAMETER (no work callback; settings, as for a pool's Source),
 * STATUS_INSUFFICIENT_RESOURCES. start() STATUS_INVALID_DEVICE_STATE (started already). fetch() STATUS_UNSUCCESSFUL (none
 * left). enqueue() and the like STATUS_INVALID_PARAMETER (a buffer of another Module, or none; it stays the caller's),
 * STATUS_INVALID_DEVICE_STATE (being deleted). The ones that wait: what the work answered, STATUS_INTERNAL_ERROR if it
 * threw, STATUS_CANCELLED (flushed or deleted), STATUS_INVALID_DEVICE_STATE in the Module's own callbacks (misuse).
 * Threads: any. work, pre and post run on the Module's thread; on_reuse on the one that gives the buffer back.
 * Exceptions: callback_threw() tells; the work is over, unless its buffer was moved on.
 * Ownership: a buffer at the end of its scope is unused again. Deletion stops the thread and flushes.
 */
class threaded_buffer_queue : public calling_owner<DMFMODULE> {
public:
    /** What it calls; all but work may be empty. */
    struct callbacks {
        /**
         * Works on a buffer; the answer is for who waits for it. Moved out, the work stays pending: work_completed() ends
         * it, or the end of the buffer's scope, with STATUS_CANCELLED; the thread takes the next one when something is
         * enqueued.
         */
        std::function<NTSTATUS(buffer& work)> work = nullptr;
        /** The thread has started. */
        std::function<void()> pre = nullptr;
        /** The thread is about to end. */
        std::function<void()> post = nullptr;
        /** Sees a buffer with its content before it is unused again. */
        std::function<void(span<UCHAR> bytes, VOID* context)> on_reuse = nullptr;
    };

    threaded_buffer_queue() noexcept = default;
    /** Makes a queue of so many buffers; the thread does not run yet. */
    [[nodiscard]] static std::error_code create(const device& parent, const source_settings& settings, callbacks called,
                                                threaded_buffer_queue& made)
    {
        if (!called.work)
            return make_error_code(STATUS_INVALID_PARAMETER);
        DMF_CONFIG_ThreadedBufferQueue config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferQueueConfig.SourceSettings = detail::to_c(settings);
        config.EvtThreadedBufferQueueWork = work_once;
        config.EvtThreadedBufferQueuePre = called.pre ? begins : nullptr;
        config.EvtThreadedBufferQueuePost = called.post ? ends : nullptr;
        config.EvtThreadedBufferQueueReuseCleanup = called.on_reuse ? reused : nullptr;
        auto threw = std::make_shared<std::atomic<bool>>(false);
        auto state = std::make_unique<state_type>();
        state->called = std::move(called);
        state->threw = threw;
        state->buffer_size = settings.buffer_size;
        auto waiting = state->waiting;
        DMFMODULE handle = nullptr;
        const NTSTATUS status = context::create(DMF_ThreadedBufferQueue_Create, parent.handle(), attributes,
                                                std::move(state), handle);
        if (NT_SUCCESS(status)) {
            made = threaded_buffer_queue(handle, std::move(threw));
            made.buffer_size_ = settings.buffer_size;
            made.waiting_ = std::move(waiting);
        }
        return make_error_code(status);
    }
    /** Starts the thread; what is queued already is work. */
    [[nodiscard]] std::error_code start() noexcept { return make_error_code(DMF_ThreadedBufferQueue_Start(handle())); }
    /** Stops the thread, after the callback that runs; what waits stays queued. */
    void stop() noexcept { DMF_ThreadedBufferQueue_Stop(handle()); }
    /** Takes an unused buffer, of zeros. */
    [[nodiscard]] std::error_code fetch(buffer& fetched) noexcept
    {
        VOID *data = nullptr, *context = nullptr;
        const NTSTATUS status = DMF_ThreadedBufferQueue_Fetch(handle(), &data, &context);
        if (NT_SUCCESS(status))
            fetched = detail::buffers::make<DMF_ThreadedBufferQueue_Reuse>(handle(), data, buffer_size_, context);
        return make_error_code(status);
    }
    /** Moves a buffer to the tail of the queue; on failure it stays the caller's. */
    std::error_code enqueue(buffer&& one) noexcept { return put(DMF_ThreadedBufferQueue_Enqueue, one); }
    /** Moves a buffer to the head. */
    std::error_code enqueue_at_head(buffer&& one) noexcept { return put(DMF_ThreadedBufferQueue_EnqueueAtHead, one); }
    /** As enqueue(), and waits until the work is done. */
    [[nodiscard]] std::error_code enqueue_and_wait(buffer&& one) noexcept
    {
        return put_and_wait(DMF_ThreadedBufferQueue_EnqueueAndWait, one);
    }
    /** As enqueue_at_head(), and waits until the work is done. */
    [[nodiscard]] std::error_code enqueue_at_head_and_wait(buffer&& one) noexcept
    {
        return put_and_wait(DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait, one);
    }
    /** Ends work whose buffer the callback moved out; on failure the buffer stays the caller's. */
    std::error_code work_completed(buffer&& one, NTSTATUS status) noexcept
    {
        if (detail::buffers::home_of(one) != handle())
            return make_error_code(STATUS_INVALID_PARAMETER);
        DMF_ThreadedBufferQueue_WorkCompleted(handle(), one.data(), status);
        return detail::buffers::taken(one);
    }
    /** Ends what waits now with STATUS_CANCELLED. */
    void flush() noexcept { DMF_ThreadedBufferQueue_Flush(handle()); }
    /** Buffers that wait for work. */
    std::size_t count() const noexcept { return DMF_ThreadedBufferQueue_Count(handle()); }

private:
    /** Somebody who waits for the work on a buffer. */
    struct waiter {
        VOID* buffer;
        bool has_begun;
        waiter* next;
    };
    /** All of them; who waits may be the last to look, when the Module is gone already. */
    struct waiters {
        std::mutex lock;
        waiter* first = nullptr;
    };
    struct state_type {
        callbacks called;
        detail::flag threw;
        std::size_t buffer_size = 0;
        std::shared_ptr<waiters> waiting = std::make_shared<waiters>();
        std::shared_ptr<std::atomic<bool>> has_closed = std::make_shared<std::atomic<bool>>(false);

        ~state_type() { *has_closed = true; }
    };
    using calling_owner::calling_owner;
    using context = detail::context<state_type>;

    std::error_code put(decltype(DMF_ThreadedBufferQueue_Enqueue)* function, buffer& one) noexcept
    {
        if (detail::buffers::home_of(one) != handle())
            return make_error_code(STATUS_INVALID_PARAMETER);
        function(handle(), one.data());
        return detail::buffers::taken(one);
    }
    std::error_code put_and_wait(decltype(DMF_ThreadedBufferQueue_EnqueueAndWait)* function, buffer& one) noexcept
    {
        if (!one || detail::buffers::home_of(one) != handle())
            return make_error_code(STATUS_INVALID_PARAMETER);
        // A failure may be the Method's, which has not taken the buffer then, or the work's.
        const std::shared_ptr<waiters> waiting = waiting_;
        waiter self{one.data(), false, nullptr};
        {
            const std::lock_guard<std::mutex> guard(waiting->lock);
            self.next = std::exchange(waiting->first, &self);
        }
        const NTSTATUS status = function(handle(), one.data());
        {
            const std::lock_guard<std::mutex> guard(waiting->lock);
            waiter** at = &waiting->first;
            while (*at != &self)
                at = &(*at)->next;
            *at = self.next;
        }
        if (self.has_begun || NT_SUCCESS(status) || status == STATUS_CANCELLED)
            one.release();
        return make_error_code(status);
    }
    /** Nobody will end work that is pending: who waits is told, while there is a Module. */
    static VOID abandoned(DMFMODULE module, VOID* data, const std::atomic<bool>* has_closed) noexcept
    {
        if (!*has_closed) {
            DMF_ThreadedBufferQueue_WorkCompleted(module, data, STATUS_CANCELLED);
            if (!detail::last_status())
                return;
        }
        DMF_ThreadedBufferQueue_Reuse(module, data);
    }
    static ThreadedBufferQueue_BufferDisposition work_once(DMFMODULE module, UCHAR* data, ULONG size, VOID* beside,
                                                           NTSTATUS* status) noexcept
    {
        state_type& state = context::of(module);
        {
            const std::lock_guard<std::mutex> guard(state.waiting->lock);
            for (waiter* at = state.waiting->first; at; at = at->next)
                if (at->buffer == data && !at->has_begun) {
                    at->has_begun = true;
                    break;
                }
        }
        buffer work = detail::buffers::make<DMF_ThreadedBufferQueue_Reuse>(module, data, size, beside);
        detail::buffers::set_give_back(work, abandoned, state.has_closed);
        *status = STATUS_INTERNAL_ERROR;
        detail::calls(state.threw, [&] { *status = state.called.work(work); });
        if (work.data() != data)
            return ThreadedBufferQueue_BufferDisposition_WorkPending;
        work.release();
        return ThreadedBufferQueue_BufferDisposition_WorkComplete;
    }
    static VOID begins(DMFMODULE thread) noexcept
    {
        state_type& state = context::of(DMF_ParentModuleGet(thread));
        detail::calls(state.threw, [&] { state.called.pre(); });
    }
    static VOID ends(DMFMODULE thread) noexcept
    {
        state_type& state = context::of(DMF_ParentModuleGet(thread));
        detail::calls(state.threw, [&] { state.called.post(); });
    }
    static VOID reused(DMFMODULE module, VOID* data, VOID* beside) noexcept
    {
        state_type& state = context::of(module);
        detail::calls(state.threw, [&] {
            state.called.on_reuse(span<UCHAR>(static_cast<UCHAR*>(data), state.buffer_size), beside);
        });
    }

    std::size_t buffer_size_ = 0;
    std::shared_ptr<waiters> waiting_;
};

} // namespace dmf

#endif /* DMF_HPP_THREADED_BUFFER_QUEUE_HPP */
