/**
 * dmf.hpp - the C ABI of dmf.h for C++17: owners, lambdas as callbacks, statuses as std::error_code.
 *
 * Failure: what can fail returns a std::error_code, which is false on success and true on failure; there is no exception
 * of the library's own (memory for a callback may throw std::bad_alloc). A factory `open` or `create` fills an owner
 * that is given as its last parameter, and leaves it untouched on failure.
 *
 * Owners delete their object when they go out of scope and can be moved, not copied. A device's deletion deletes what
 * was made with it, so declare the device first: it goes last.
 *
 * Exceptions: none leaves a callback. One that is thrown in a stream's callback ends there: the Request stops, the
 * buffer goes back, and `callback_threw()` tells.
 *
 * This header covers devices, targets, RingBuffer and the stream of a ContinuousRequestTarget. `handle()` gives what the
 * C functions take for all else.
 */
#ifndef DMF_HPP
#define DMF_HPP

#include "dmf.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#if __has_include(<version>)
#include <version>
#endif
#ifdef __cpp_lib_span
#include <span>
#endif

namespace dmf {

#ifdef __cpp_lib_span
using std::span;
#else
/** What of std::span is needed where the standard library has none. */
template <class T>
class span {
public:
    constexpr span() noexcept = default;
    constexpr span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N>
    constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    /** Of anything that has its elements one behind the other: std::vector, std::array, std::string, another span. */
    template <class C, class = std::enable_if_t<std::is_convertible_v<
                           std::remove_pointer_t<decltype(std::declval<C&>().data())> (*)[], T (*)[]>>>
    constexpr span(C&& container) noexcept : data_(container.data()), size_(container.size())
    {
    }
    constexpr T* data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T* begin() const noexcept { return data_; }
    constexpr T* end() const noexcept { return data_ + size_; }
    constexpr T& operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

namespace detail {
class status_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "dmf"; }
    std::string message(int value) const override { return DMF_StatusName(static_cast<NTSTATUS>(value)); }
    std::error_condition default_error_condition(int value) const noexcept override
    {
        switch (static_cast<NTSTATUS>(value)) {
        case STATUS_INVALID_PARAMETER: return std::errc::invalid_argument;
        case STATUS_OBJECT_NAME_NOT_FOUND: return std::errc::no_such_file_or_directory;
        case STATUS_NO_SUCH_DEVICE: return std::errc::no_such_device;
        case STATUS_ACCESS_DENIED: return std::errc::permission_denied;
        case STATUS_INSUFFICIENT_RESOURCES: return std::errc::not_enough_memory;
        case STATUS_IO_TIMEOUT: return std::errc::timed_out;
        case STATUS_NOT_SUPPORTED: return std::errc::not_supported;
        case STATUS_CANCELLED: return std::errc::operation_canceled;
        default: return std::error_condition(value, *this);
        }
    }
};
} // namespace detail

/** The category of statuses; a code's value is the NTSTATUS, its message the status's name. */
inline const std::error_category& error_category() noexcept
{
    static const detail::status_category category;
    return category;
}

/** Every success, STATUS_PENDING too, becomes 0, so that only failures are true. */
inline std::error_code make_error_code(NTSTATUS status) noexcept
{
    return {NT_SUCCESS(status) ? 0 : static_cast<int>(status), error_category()};
}

/** Owns an object: deletes it at the end of its scope. */
template <class Handle>
class owner {
public:
    owner() noexcept = default;
    owner(owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    owner& operator=(owner&& other) noexcept
    {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~owner() { reset(); }

    Handle handle() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /** The object is the caller's to delete. */
    Handle release() noexcept { return std::exchange(handle_, nullptr); }
    void reset() noexcept
    {
        if (Handle handle = release())
            WdfObjectDelete(handle);
    }

protected:
    explicit owner(Handle handle) noexcept : handle_(handle) {}

private:
    Handle handle_ = nullptr;
};

/** The root of a tree of objects. */
class device : public owner<WDFDEVICE> {
public:
    device() noexcept = default;
    [[nodiscard]] static std::error_code create(device& made) noexcept
    {
        WDFDEVICE handle = nullptr;
        const NTSTATUS status = DMF_Device_Create(nullptr, &handle);
        if (NT_SUCCESS(status))
            made = device(handle);
        return make_error_code(status);
    }

private:
    using owner::owner;
};

/** What Requests are sent to: a HID device or a recording. */
class target : public owner<WDFIOTARGET> {
public:
    target() noexcept = default;
    /** speed: 0 as fast as reports are asked for; repeat: 0 for ever. */
    [[nodiscard]] static std::error_code open_recording(const device& parent, const std::string& path, double speed,
                                                        ULONG repeat, target& opened) noexcept
    {
        DMF_REPLAY_PARAMS params{};
        params.Size = sizeof params;
        params.Speed = speed;
        params.Repeat = repeat;
        WDFIOTARGET handle = nullptr;
        const NTSTATUS status = DMF_IoTarget_ReplayOpen(parent.handle(), path.c_str(), &params, &handle);
        if (NT_SUCCESS(status))
            opened = target(handle);
        return make_error_code(status);
    }
    /** Initialise params with DMF_HID_OPEN_PARAMS_INIT. */
    [[nodiscard]] static std::error_code open_hid(const device& parent, const DMF_HID_OPEN_PARAMS& params,
                                                  target& opened) noexcept
    {
        WDFIOTARGET handle = nullptr;
        const NTSTATUS status = DMF_IoTarget_HidOpen(parent.handle(), &params, &handle);
        if (NT_SUCCESS(status))
            opened = target(handle);
        return make_error_code(status);
    }

private:
    using owner::owner;
};

/** A fixed number of items of a fixed size, first in, first out. */
class ring_buffer : public owner<DMFMODULE> {
public:
    ring_buffer() noexcept = default;
    [[nodiscard]] static std::error_code create(const device& parent, ULONG items, ULONG item_size,
                                                RingBuffer_ModeType mode, ring_buffer& made) noexcept
    {
        DMF_CONFIG_RingBuffer config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.ItemCount = items;
        config.ItemSize = item_size;
        config.Mode = mode;
        DMFMODULE handle = nullptr;
        const NTSTATUS status = DMF_RingBuffer_Create(parent.handle(), &attributes, nullptr, &handle);
        if (NT_SUCCESS(status))
            made = ring_buffer(handle);
        return make_error_code(status);
    }
    /** Appends a copy of the item. */
    [[nodiscard]] std::error_code write(span<const UCHAR> item) noexcept
    {
        if (item.size() > std::numeric_limits<ULONG>::max())
            return make_error_code(STATUS_INVALID_BUFFER_SIZE);
        return make_error_code(
            DMF_RingBuffer_Write(handle(), const_cast<UCHAR*>(item.data()), static_cast<ULONG>(item.size())));
    }
    /** Takes the oldest item; room holds the size of an item or more. */
    [[nodiscard]] std::error_code read(span<UCHAR> room) noexcept
    {
        const auto size = room.size() < std::numeric_limits<ULONG>::max() ? room.size() : std::numeric_limits<ULONG>::max();
        return make_error_code(DMF_RingBuffer_Read(handle(), room.data(), static_cast<ULONG>(size)));
    }

private:
    using owner::owner;
};

/** Keeps reads at a target and shows each report to a callback. */
class stream : public owner<DMFMODULE> {
public:
    /**
     * Gets the report, valid during the call, and how its Request ended; on failure the report is empty. TRUE asks for
     * more. Runs on the target's thread.
     */
    using callback = std::function<bool(span<const UCHAR> report, std::error_code error)>;

    stream() noexcept = default;
    /** reads: how many wait at the target; buffer_size: bytes that the largest report has. */
    [[nodiscard]] static std::error_code create(const device& parent, ULONG reads, ULONG buffers, ULONG buffer_size,
                                                callback on_report, stream& made)
    {
        DMF_CONFIG_ContinuousRequestTarget config;
        DMF_MODULE_ATTRIBUTES attributes;
        WDF_OBJECT_ATTRIBUTES object;
        DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.RequestType = ContinuousRequestTarget_RequestType_Read;
        config.ContinuousRequestCount = reads;
        config.BufferCountOutput = buffers;
        config.BufferOutputSize = buffer_size;
        config.EvtContinuousRequestTargetBufferOutput = report_arrived;
        WDF_OBJECT_ATTRIBUTES_INIT(&object);
        object.ContextTypeInfo = &context_type;
        object.EvtDestroyCallback = destroyed;

        auto state = std::make_unique<state_type>(std::move(on_report));
        DMFMODULE handle = nullptr;
        const NTSTATUS status = DMF_ContinuousRequestTarget_Create(parent.handle(), &attributes, &object, &handle);
        if (!NT_SUCCESS(status))
            return make_error_code(status);
        // No callback runs before start(), so the Module's context is set in time; the Module frees it.
        *context_of(handle) = state.release();
        made = stream(handle);
        return {};
    }
    [[nodiscard]] std::error_code set_target(const target& to) noexcept
    {
        return make_error_code(DMF_ContinuousRequestTarget_IoTargetSet(handle(), to.handle()));
    }
    [[nodiscard]] std::error_code start() noexcept { return make_error_code(DMF_ContinuousRequestTarget_Start(handle())); }
    void stop_and_wait() noexcept { DMF_ContinuousRequestTarget_StopAndWait(handle()); }
    /** Reads that are still at work; 0 once all have ended. */
    auto streaming_count() const noexcept { return DMF_ContinuousRequestTarget_StreamingCountGet(handle()); }
    /** Whether the callback threw; the Request that it was called for has stopped. */
    bool callback_threw() const noexcept
    {
        state_type* const* state = context_of(handle());
        return state && *state && (*state)->threw;
    }

private:
    struct state_type {
        explicit state_type(callback function) : on_report(std::move(function)) {}
        callback on_report;
        std::atomic<bool> threw{false};
    };
    using owner::owner;

    static state_type** context_of(WDFOBJECT module) noexcept
    {
        return static_cast<state_type**>(WdfObjectGetTypedContextWorker(module, &context_type));
    }
    static ContinuousRequestTarget_BufferDisposition report_arrived(DMFMODULE module, VOID* report, size_t size, VOID*,
                                                                    NTSTATUS status) noexcept
    {
        state_type& state = **context_of(module);
        bool more = false;
        try {
            const span<const UCHAR> bytes(static_cast<const UCHAR*>(report), NT_SUCCESS(status) ? size : 0);
            more = state.on_report(bytes, make_error_code(status));
        } catch (...) {
            state.threw = true;
        }
        return more ? ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
                    : ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming;
    }
    static void destroyed(WDFOBJECT module) noexcept
    {
        if (state_type** state = context_of(module))
            delete *state;
    }

    static const WDF_OBJECT_CONTEXT_TYPE_INFO context_type;
};

inline const WDF_OBJECT_CONTEXT_TYPE_INFO stream::context_type = {
    sizeof(WDF_OBJECT_CONTEXT_TYPE_INFO), "dmf::stream", sizeof(stream::state_type*), &stream::context_type, nullptr};

} // namespace dmf

#endif /* DMF_HPP */
