/**
 * dmf/hpp/ring_buffer.hpp - the Module RingBuffer for dmf.hpp.
 */
#ifndef DMF_HPP_RING_BUFFER_HPP
#define DMF_HPP_RING_BUFFER_HPP

#include "core.hpp"

namespace dmf {

/**
 * RingBuffer: a fixed number of items of a fixed size, first in, first out.
 *
 * Statuses: create() STATUS_INVALID_PARAMETER (a number that is 0, or the mode), STATUS_INTEGER_OVERFLOW (the product does
 * not fit 32 bits), STATUS_INSUFFICIENT_RESOURCES. write() STATUS_UNSUCCESSFUL (full, in the mode that fails then),
 * STATUS_INVALID_BUFFER_SIZE (not an item's size). read() STATUS_UNSUCCESSFUL (empty), STATUS_BUFFER_TOO_SMALL (the items
 * stay). Segments: STATUS_INVALID_PARAMETER (one reaches beyond the item; nothing changes).
 * Threads: any, also several at the same time. Inside enumerations, which run under the ring's lock, its Methods fail with
 * STATUS_INVALID_DEVICE_STATE, except total_size(), and enumerate() and reorder() with `lock` false.
 * Ownership: bytes are copied in and out.
 */
class ring_buffer : public owner<DMFMODULE> {
public:
    /** A part of an item to write: where it stands, and at which of the item's bytes it goes. */
    struct source_segment {
        span<const UCHAR> bytes;
        ULONG offset = 0;
    };
    /** A part of an item to read: where it goes, and at which of the item's bytes it starts. */
    struct target_segment {
        span<UCHAR> bytes;
        ULONG offset = 0;
    };

    ring_buffer() noexcept = default;
    /** Makes a ring of so many items, of so many bytes each. */
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
        return make_error_code(
            DMF_RingBuffer_Write(handle(), const_cast<UCHAR*>(item.data()), detail::length(item.size())));
    }
    /** Takes the oldest item; room holds the size of an item or more. */
    [[nodiscard]] std::error_code read(span<UCHAR> room) noexcept
    {
        return make_error_code(DMF_RingBuffer_Read(handle(), room.data(), detail::length(room.size())));
    }
    /** Takes all items, oldest first, one behind the other; written gets the bytes, 0 on failure. */
    [[nodiscard]] std::error_code read_all(span<UCHAR> room, std::size_t& written) noexcept
    {
        ULONG bytes = 0;
        const NTSTATUS status = DMF_RingBuffer_ReadAll(handle(), room.data(), detail::length(room.size()), &bytes);
        written = bytes;
        return make_error_code(status);
    }
    /** Appends an item that stands in several places: `segments_write({{head, 0}, {body, 4}})`. */
    template <std::size_t N>
    [[nodiscard]] std::error_code segments_write(const source_segment (&segments)[N]) noexcept
    {
        return with_segments(DMF_RingBuffer_SegmentsWrite, segments);
    }
    /** Takes the oldest item into several places. */
    template <std::size_t N>
    [[nodiscard]] std::error_code segments_read(const target_segment (&segments)[N]) noexcept
    {
        return with_segments(DMF_RingBuffer_SegmentsRead, segments);
    }
    /**
     * Shows each item, from the oldest to the newest, to `bool function(span<UCHAR> item)` until it answers false. It may
     * change the bytes. What it throws ends the enumeration and is thrown here.
     */
    template <class F>
    void enumerate(F&& function, bool lock = true)
    {
        detail::visitor<F> visitor(function);
        DMF_RingBuffer_Enumerate(
            handle(), lock,
            [](DMFMODULE, UCHAR* item, ULONG size, VOID* context) -> BOOLEAN {
                return static_cast<detail::visitor<F>*>(context)->template call<bool>(false, span<UCHAR>(item, size));
            },
            &visitor);
        visitor.rethrow();
    }
    /**
     * Shows each item that begins with these bytes, from the oldest to the newest, to `void function(span<UCHAR> item)`.
     * After it has thrown it is shown no more, and that is thrown here.
     */
    template <class F>
    void enumerate_to_find_item(span<const UCHAR> beginning, F&& function)
    {
        auto until_it_throws = [&](span<UCHAR> item) { return function(item), true; };
        using visitor_type = detail::visitor<decltype(until_it_throws)>;
        visitor_type visitor(until_it_throws);
        DMF_RingBuffer_EnumerateToFindItem(
            handle(),
            [](DMFMODULE, UCHAR* item, ULONG size, VOID* context) -> BOOLEAN {
                auto& visitor = *static_cast<visitor_type*>(context);
                return !visitor.has_thrown() && visitor.template call<bool>(false, span<UCHAR>(item, size));
            },
            &visitor, const_cast<UCHAR*>(beginning.data()), detail::length(beginning.size()));
        visitor.rethrow();
    }
    /** Moves the oldest item to the start of the ring's memory, the others behind it. */
    void reorder(bool lock = true) noexcept { DMF_RingBuffer_Reorder(handle(), lock); }
    /** Bytes of all items that the ring can hold. */
    std::size_t total_size() const noexcept
    {
        ULONG size = 0;
        DMF_RingBuffer_TotalSizeGet(handle(), &size);
        return size;
    }

private:
    using owner::owner;

    template <class Function, class Segment, std::size_t N>
    std::error_code with_segments(Function* function, const Segment (&segments)[N]) noexcept
    {
        UCHAR* places[N];
        ULONG sizes[N], offsets[N];
        for (std::size_t index = 0; index < N; index++) {
            places[index] = const_cast<UCHAR*>(segments[index].bytes.data());
            sizes[index] = detail::length(segments[index].bytes.size());
            offsets[index] = segments[index].offset;
        }
        return make_error_code(function(handle(), places, sizes, offsets, N));
    }
};

} // namespace dmf

#endif /* DMF_HPP_RING_BUFFER_HPP */
