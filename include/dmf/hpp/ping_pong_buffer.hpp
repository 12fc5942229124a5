/**
 * dmf/hpp/ping_pong_buffer.hpp - the Module PingPongBuffer for dmf.hpp.
 */
#ifndef DMF_HPP_PING_PONG_BUFFER_HPP
#define DMF_HPP_PING_PONG_BUFFER_HPP

#include "core.hpp"

namespace dmf {

/**
 * PingPongBuffer: collects bytes in one buffer, Ping, while the packet that was taken out before is read in the other.
 *
 * Statuses: create() STATUS_INVALID_PARAMETER (the size is 0), STATUS_INSUFFICIENT_RESOURCES. write()
 * STATUS_INSUFFICIENT_RESOURCES (the bytes do not fit; nothing is written).
 * Threads: any. What get() and consume() gave is not locked: whoever reads it keeps others from switching the buffers.
 * Ownership: bytes are copied in; spans into the buffers end with the Module.
 */
class ping_pong_buffer : public owner<DMFMODULE> {
public:
    ping_pong_buffer() noexcept = default;
    /** size: bytes of each of the two buffers. */
    [[nodiscard]] static std::error_code create(const device& parent, ULONG size, ping_pong_buffer& made) noexcept
    {
        DMF_CONFIG_PingPongBuffer config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferSize = size;
        DMFMODULE handle = nullptr;
        const NTSTATUS status = DMF_PingPongBuffer_Create(parent.handle(), &attributes, nullptr, &handle);
        if (NT_SUCCESS(status))
            made = ping_pong_buffer(handle);
        return make_error_code(status);
    }
    /** Appends bytes to Ping. */
    [[nodiscard]] std::error_code write(span<const UCHAR> bytes) noexcept
    {
        ULONG in_ping = 0;
        return make_error_code(DMF_PingPongBuffer_Write(handle(), const_cast<UCHAR*>(bytes.data()),
                                                        detail::length(bytes.size()), &in_ping));
    }
    /** What was written to Ping. */
    span<UCHAR> get() const noexcept
    {
        ULONG size = 0;
        UCHAR* const ping = DMF_PingPongBuffer_Get(handle(), &size);
        return {ping, ping ? size : 0};
    }
    /**
     * Takes a packet out of Ping and switches the buffers; what is before it is discarded, what is behind it starts the
     * new Ping. The packet stays through later writes, until the next consume() or shift(); if that leaves nothing over,
     * until the write() after it. Without data if the packet reaches beyond the buffer (misuse, nothing changes).
     */
    span<UCHAR> consume(std::size_t start, std::size_t length) noexcept
    {
        UCHAR* const packet = DMF_PingPongBuffer_Consume(handle(), detail::length(start), detail::length(length));
        return {packet, packet ? length : 0};
    }
    /** Discards the bytes of Ping before start, and switches the buffers. */
    void shift(std::size_t start) noexcept { DMF_PingPongBuffer_Shift(handle(), detail::length(start)); }
    /** The Module's Reset: forgets what was written to Ping. */
    void clear() noexcept { DMF_PingPongBuffer_Reset(handle()); }

private:
    using owner::owner;
};

} // namespace dmf

#endif /* DMF_HPP_PING_PONG_BUFFER_HPP */
