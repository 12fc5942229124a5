/**
 * dmf/hpp/core.hpp - what all classes of dmf.hpp stand on: spans, statuses as std::error_code, owners, devices, misuse.
 */
#ifndef DMF_HPP_CORE_HPP
#define DMF_HPP_CORE_HPP

#include "../../dmf.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#if __has_include(<version>)
#include <version>
#endif
#ifdef __cpp_lib_span
#include <span>
#endif

namespace dmf {

/**
 * A pointer and a length. One type in every standard, so that parts of a program may be of different ones; where there is
 * std::span, each converts to the other.
 */
template <class T>
class span {
public:
    using element_type = T;
    using value_type = std::remove_cv_t<T>;
    using iterator = T*;

    constexpr span() noexcept = default;
    constexpr span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N>
    constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    /** Of anything that has its elements one behind the other: std::vector, std::array, std::string, std::span, a buffer. */
    template <class C, class = std::enable_if_t<std::is_convertible_v<
                           std::remove_pointer_t<decltype(std::declval<C&>().data())> (*)[], T (*)[]>>>
    constexpr span(C&& container) noexcept : data_(container.data()), size_(container.size())
    {
    }
    /** Where the elements are. */
    constexpr T* data() const noexcept { return data_; }
    /** How many there are. */
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T* begin() const noexcept { return data_; }
    constexpr T* end() const noexcept { return data_ + size_; }
    constexpr T& operator[](std::size_t index) const noexcept { return data_[index]; }
    /** The first elements; count is at most size(). */
    constexpr span first(std::size_t count) const noexcept { return {data_, count}; }
    /** What is behind the first elements; offset is at most size(). */
    constexpr span subspan(std::size_t offset) const noexcept { return {data_ + offset, size_ - offset}; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

/** The bytes of an object that may be copied byte by byte, to write it or to read into it. */
template <class T>
auto bytes_of(T& object) noexcept
{
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>, "its bytes are not its value");
    using byte = std::conditional_t<std::is_const_v<T>, const UCHAR, UCHAR>;
    return span<byte>(reinterpret_cast<byte*>(&object), sizeof object);
}
/** The bytes of a span are what it refers to. */
template <class T>
void bytes_of(span<T>) = delete;

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

namespace detail {

/** How the calling thread's last Method ended that does not return NTSTATUS. */
inline std::error_code last_status() noexcept
{
    return make_error_code(DMF_LastStatusGet());
}

/** A length as C takes it; one that does not fit is larger than any buffer, and so is this. */
inline ULONG length(std::size_t size) noexcept
{
    constexpr ULONG most = std::numeric_limits<ULONG>::max();
    return size < most ? static_cast<ULONG>(size) : most;
}

inline ULONG milliseconds(std::chrono::milliseconds time) noexcept
{
    return time.count() <= 0 ? 0 : length(static_cast<std::size_t>(time.count()));
}

/** Whether a callback has thrown: known to the owner, and to what the callbacks are called with. */
using flag = std::shared_ptr<std::atomic<bool>>;

/** Calls a callback for C: what it throws ends here. False: it has thrown. */
template <class F>
bool calls(const flag& threw, F&& callback) noexcept
{
    try {
        callback();
        return true;
    } catch (...) {
        if (threw)
            *threw = true;
        return false;
    }
}

/** A callback that is called before the Method returns: what it throws is thrown again when C has returned. */
template <class F>
class visitor {
public:
    explicit visitor(F& function) noexcept : function_(function) {}
    template <class R, class... A>
    R call(R otherwise, A&&... arguments) noexcept
    {
        try {
            return static_cast<R>(function_(std::forward<A>(arguments)...));
        } catch (...) {
            if (!thrown_)
                thrown_ = std::current_exception();
            return otherwise;
        }
    }
    bool has_thrown() const noexcept { return thrown_ != nullptr; }
    void rethrow() const
    {
        if (thrown_)
            std::rethrow_exception(thrown_);
    }

private:
    F& function_;
    std::exception_ptr thrown_;
};

/** The C++ part of an object: it hangs in the object's context, and is freed when the object is destroyed. */
template <class State>
struct context {
    static const WDF_OBJECT_CONTEXT_TYPE_INFO type;

    static State** slot(WDFOBJECT object) noexcept
    {
        return static_cast<State**>(WdfObjectGetTypedContextWorker(object, &type));
    }
    static State& of(WDFOBJECT object) noexcept { return **slot(object); }
    static void destroyed(WDFOBJECT object) noexcept
    {
        if (State** state = slot(object))
            delete *state;
    }
    /** Attributes of an object that has such a context. */
    static WDF_OBJECT_ATTRIBUTES attributes() noexcept
    {
        WDF_OBJECT_ATTRIBUTES made;
        WDF_OBJECT_ATTRIBUTES_INIT(&made);
        made.ContextTypeInfo = &type;
        made.EvtDestroyCallback = destroyed;
        return made;
    }
    /** Creates a Module with its state. None of its callbacks may run before Create has returned. */
    static NTSTATUS create(DMF_ModuleInstanceCreate* function, WDFDEVICE parent, DMF_MODULE_ATTRIBUTES& module,
                           std::unique_ptr<State> state, DMFMODULE& made) noexcept
    {
        WDF_OBJECT_ATTRIBUTES object = attributes();
        const NTSTATUS status = function(parent, &module, &object, &made);
        if (NT_SUCCESS(status))
            *slot(made) = state.release();
        return status;
    }
    /**
     * For objects that C makes without attributes: the state hangs on a child of the object, which goes when the object
     * is closed and none of its callbacks runs.
     */
    static NTSTATUS attach(WDFOBJECT parent, std::unique_ptr<State> state) noexcept
    {
        WDF_OBJECT_ATTRIBUTES object = attributes();
        object.ParentObject = parent;
        WDFDEVICE child = nullptr;
        const NTSTATUS status = DMF_Device_Create(&object, &child);
        // Without the child nobody knows when the state may go: a callback may be running. Then it stays.
        State* stays = state.release();
        if (NT_SUCCESS(status))
            *slot(child) = stays;
        return status;
    }
};
template <class State>
inline const WDF_OBJECT_CONTEXT_TYPE_INFO context<State>::type = {
    sizeof(WDF_OBJECT_CONTEXT_TYPE_INFO), "dmf.hpp", sizeof(State*), &context<State>::type, nullptr};

} // namespace detail

/**
 * Owns an object: deletes it at the end of its scope. It can be moved, not copied; one that was moved from owns nothing,
 * and its Methods fail with STATUS_INVALID_HANDLE (misuse).
 *
 * Deletion waits until no callback of the object runs, except inside a callback: there the handle is dead at once, and
 * the rest happens when the outermost callback has returned. What the callbacks have captured lives until then.
 */
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

    /** What the C functions take. */
    Handle handle() const noexcept { return handle_; }
    /** Whether it owns an object. */
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /** The object is the caller's to delete; its callbacks stay as they are. */
    Handle release() noexcept { return std::exchange(handle_, nullptr); }
    /** Deletes the object now. */
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

/** An owner whose object calls back. */
template <class Handle>
class calling_owner : public owner<Handle> {
public:
    calling_owner() noexcept = default;
    /** Whether one of the callbacks threw. What was thrown ended there; the class says what it means for the work. */
    bool callback_threw() const noexcept { return threw_ && *threw_; }

protected:
    calling_owner(Handle handle, detail::flag threw) noexcept : owner<Handle>(handle), threw_(std::move(threw)) {}
    const detail::flag& threw() const noexcept { return threw_; }

private:
    detail::flag threw_;
};

/**
 * The root of a tree of objects: its deletion deletes what was made with it. An empty one as a parent stands for none.
 *
 * Statuses of create(): STATUS_INSUFFICIENT_RESOURCES. Any thread.
 */
class device : public owner<WDFDEVICE> {
public:
    device() noexcept = default;
    /** Makes a device. */
    [[nodiscard]] static std::error_code create(device& made) noexcept
    {
        WDFDEVICE handle = nullptr;
        const NTSTATUS status = DMF_Device_Create(nullptr, &handle);
        if (NT_SUCCESS(status))
            made = device(handle);
        return make_error_code(status);
    }
    /** The program is about to sleep: streams of the device's Modules stop. */
    [[nodiscard]] std::error_code d0_exit() noexcept { return make_error_code(DMF_Device_D0Exit(handle())); }
    /** The program has woken: they start again. Fails as the first stream that cannot. */
    [[nodiscard]] std::error_code d0_entry() noexcept { return make_error_code(DMF_Device_D0Entry(handle())); }

private:
    using owner::owner;
};

/** The bytes of a pool's buffer, from the WDFMEMORY that stands for it; empty if it is none. */
inline span<UCHAR> memory_buffer(WDFMEMORY memory) noexcept
{
    std::size_t size = 0;
    VOID* const bytes = WdfMemoryGetBuffer(memory, &size);
    return {static_cast<UCHAR*>(bytes), bytes ? size : 0};
}

namespace detail {
struct misuse_slot {
    using function = std::function<void(const char*, VOID*, const char*)>;
    std::mutex lock;
    std::shared_ptr<const function> handler;

    // Never destroyed: other threads may report until the process ends.
    static misuse_slot& only() noexcept
    {
        static misuse_slot* const slot = new misuse_slot;
        return *slot;
    }
    static void reported(const char* method, VOID* handle, const char* message, VOID*) noexcept
    {
        std::shared_ptr<const function> handler;
        {
            const std::lock_guard<std::mutex> guard(only().lock);
            handler = only().handler;
        }
        if (handler)
            calls(nullptr, [&] { (*handler)(method, handle, message); });
    }
};
} // namespace detail

/**
 * Sets who is told of broken contracts: the Method, the handle and what was wrong, valid during the call. An empty
 * function brings the default back. It runs on the thread that broke the contract, on several at the same time if several
 * do, and may call Methods. What it throws is dropped. One that is running while it is replaced ends as it was.
 */
inline void set_misuse_handler(std::function<void(const char* method, VOID* handle, const char* message)> handler)
{
    using slot = detail::misuse_slot;
    const bool none = !handler;
    auto shared = none ? nullptr : std::make_shared<const slot::function>(std::move(handler));
    {
        const std::lock_guard<std::mutex> guard(slot::only().lock);
        slot::only().handler.swap(shared);
        DMF_MisuseHandlerSet(none ? nullptr : slot::reported, nullptr);
    }
}

} // namespace dmf

#ifdef __cpp_lib_span
/** std::span may be made of a dmf::span that is a temporary. */
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<dmf::span<T>> = true;
#endif

#endif /* DMF_HPP_CORE_HPP */
