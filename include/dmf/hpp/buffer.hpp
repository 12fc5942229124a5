/**
 * dmf/hpp/buffer.hpp - buffers of pools, queues and streams for dmf.hpp.
 */
#ifndef DMF_HPP_BUFFER_HPP
#define DMF_HPP_BUFFER_HPP

#include "core.hpp"

namespace dmf {

/** How a Module's buffers are made: BufferPool_SourceSettings, without the kind of memory. */
struct source_settings {
    /** How many are made at once; 0 is allowed with enable_look_aside only. */
    ULONG buffer_count = 0;
    /** Bytes of a buffer, at least 1. */
    ULONG buffer_size = 0;
    /** Bytes of the context beside each buffer. */
    ULONG buffer_context_size = 0;
    /** When none is left a further buffer is made. */
    bool enable_look_aside = false;
    /** The buffers can be queued with a timer. */
    bool create_with_timer = false;
};

namespace detail {
class buffers;

inline BufferPool_SourceSettings to_c(const source_settings& settings) noexcept
{
    BufferPool_SourceSettings made{};
    made.BufferCount = settings.buffer_count;
    made.BufferSize = settings.buffer_size;
    made.BufferContextSize = settings.buffer_context_size;
    made.EnableLookAside = settings.enable_look_aside;
    made.CreateWithTimer = settings.create_with_timer;
    return made;
}
} // namespace detail

/**
 * A buffer that the program holds: it goes back to the Module that it is from at the end of its scope, unless it is moved
 * into another Module first. It can be moved, not copied, and converts to a span of its bytes.
 *
 * It may outlive its Module: then going back frees it. Any thread; one thread at a time, as it has no lock of its own.
 */
class buffer {
public:
    buffer() noexcept = default;
    buffer(buffer&& other) noexcept { swap(other); }
    buffer& operator=(buffer&& other) noexcept
    {
        buffer(std::move(other)).swap(*this);
        return *this;
    }
    ~buffer() { reset(); }

    /** Whether there is a buffer. */
    explicit operator bool() const noexcept { return data_ != nullptr; }
    /** Where its bytes are, aligned to 16. */
    UCHAR* data() const noexcept { return data_; }
    /** Its bytes; in a stream's callback those that arrived. */
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    UCHAR* begin() const noexcept { return data_; }
    UCHAR* end() const noexcept { return data_ + size_; }
    UCHAR& operator[](std::size_t index) const noexcept { return data_[index]; }
    /** All of them. */
    span<UCHAR> bytes() const noexcept { return {data_, size_}; }
    /** The buffer as a T, or NULL if it has fewer bytes. A fresh buffer is zeros. */
    template <class T>
    T* as() const noexcept
    {
        return size_ < sizeof(T) ? nullptr : object_at<T>(data_);
    }
    /** The context beside it, as large as the settings of its Module say. */
    VOID* context() const noexcept { return context_; }
    /** The context as a T, which the settings have room for. */
    template <class T>
    T* context_as() const noexcept
    {
        return object_at<T>(context_);
    }
    /** The handle that stands for it, where the Method that took it out gives one; else NULL. */
    WDFMEMORY memory() const noexcept { return memory_; }
    /** It is the caller's to give back, with the Method of C. */
    VOID* release() noexcept
    {
        VOID* const released = data_;
        data_ = nullptr;
        size_ = 0;
        return released;
    }
    /** Gives it back now. */
    void reset() noexcept
    {
        if (VOID* const released = release())
            give_back_(home_, released, home_has_closed_.get());
    }

private:
    friend class detail::buffers;
    using give_back = VOID (*)(DMFMODULE home, VOID* data, const std::atomic<bool>* home_has_closed);

    template <class T>
    static T* object_at(VOID* place) noexcept
    {
        static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 16, "a buffer is aligned to 16 bytes, and zeros");
        return static_cast<T*>(place);
    }
    void swap(buffer& other) noexcept
    {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(context_, other.context_);
        std::swap(memory_, other.memory_);
        std::swap(home_, other.home_);
        std::swap(give_back_, other.give_back_);
        std::swap(home_has_closed_, other.home_has_closed_);
    }

    UCHAR* data_ = nullptr;
    std::size_t size_ = 0;
    VOID* context_ = nullptr;
    WDFMEMORY memory_ = nullptr;
    DMFMODULE home_ = nullptr;
    give_back give_back_ = nullptr;
    /** Only where giving back is not the same once the Module has gone. */
    std::shared_ptr<const std::atomic<bool>> home_has_closed_;
};

namespace detail {
/** How the Modules' classes make buffers and take them over. */
class buffers {
public:
    /** A buffer that goes back with a Method that takes it also after the Module was deleted. */
    template <VOID (*Method)(DMFMODULE, VOID*)>
    static buffer make(DMFMODULE home, VOID* data, std::size_t size, VOID* context, WDFMEMORY memory = nullptr) noexcept
    {
        buffer made;
        made.data_ = static_cast<UCHAR*>(data);
        made.size_ = size;
        made.context_ = context;
        made.memory_ = memory;
        made.home_ = home;
        made.give_back_ = [](DMFMODULE to, VOID* buffer, const std::atomic<bool>*) { Method(to, buffer); };
        return made;
    }
    /** Changes how a buffer goes back; the function is told whether its Module has gone. */
    static void set_give_back(buffer& one, buffer::give_back give_back,
                              std::shared_ptr<const std::atomic<bool>> home_has_closed) noexcept
    {
        one.give_back_ = give_back;
        one.home_has_closed_ = std::move(home_has_closed);
    }
    static DMFMODULE home_of(const buffer& one) noexcept { return one.home_; }
    /** A Method without a status has got the buffer; if it refused, the buffer stays the caller's. */
    static std::error_code taken(buffer& one) noexcept
    {
        const std::error_code error = last_status();
        if (!error)
            one.release();
        return error;
    }
};

/** Shows buffers to a callback until it says otherwise; the one that it takes out goes to `removed`. */
template <class F, class Make>
void enumerate(DMFMODULE module, decltype(DMF_BufferPool_Enumerate)* function, std::size_t size, F& callback,
               buffer* removed, Make make)
{
    struct frame {
        visitor<F> visit;
        std::size_t size;
    } shown{visitor<F>(callback), size};
    VOID *data = nullptr, *context = nullptr;
    function(
        module,
        [](DMFMODULE, VOID* data, VOID* context, VOID* frame_address) -> BufferPool_EnumerationDispositionType {
            auto& shown = *static_cast<frame*>(frame_address);
            return shown.visit.template call<BufferPool_EnumerationDispositionType>(
                BufferPool_EnumerationDisposition_StopEnumeration,
                span<UCHAR>(static_cast<UCHAR*>(data), shown.size), context);
        },
        &shown, removed ? &data : nullptr, removed ? &context : nullptr);
    if (data)
        *removed = make(data, context);
    shown.visit.rethrow();
}
} // namespace detail

} // namespace dmf

#endif /* DMF_HPP_BUFFER_HPP */
