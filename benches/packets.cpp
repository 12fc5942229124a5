// Row h: a PingPongBuffer's packets.

#include "library.hpp"

#include <event2/buffer.h>
#include <event2/thread.h>
#include <jack/ringbuffer.h>
#include <memory>
#include <mutex>

namespace bench {
namespace {

constexpr size_t PIECE = 64, PIECES = 16, PACKET = PIECE * PIECES, SIZE = 2048;

template <class Library> struct OurPingPong {
    static inline const std::string name = std::string("dmf PingPongBuffer") + Library::suffix;
    static constexpr Class kind = Class::Ours;
    DMFMODULE buffer = nullptr;
    OurPingPong()
    {
        DMF_CONFIG_PingPongBuffer config;
        DMF_MODULE_ATTRIBUTES attributes;
        Library::DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferSize = SIZE;
        config.PoolType = NonPagedPoolNx;
        require(NT_SUCCESS(Library::DMF_PingPongBuffer_Create(nullptr, &attributes, nullptr, &buffer)),
                "DMF_PingPongBuffer_Create");
    }
    ~OurPingPong() { Library::WdfObjectDelete(buffer); }
    void write(void* piece, size_t size)
    {
        ULONG length;
        Library::DMF_PingPongBuffer_Write(buffer, static_cast<UCHAR*>(piece), ULONG(size), &length);
    }
    const unsigned char* consume() { return Library::DMF_PingPongBuffer_Consume(buffer, 0, PACKET); }
};

struct Arrays {
    static constexpr const char* name = "2 arrays + std::mutex";
    static constexpr Class kind = Class::Full;
    std::mutex mutex;
    unsigned char arrays[2][SIZE];
    size_t ping = 0, length = 0;
    __attribute__((noinline)) void write(void* piece, size_t size)
    {
        std::lock_guard lock(mutex);
        if (size <= SIZE - length) {
            std::memcpy(arrays[ping] + length, piece, size);
            length += size;
        }
    }
    __attribute__((noinline)) const unsigned char* consume()
    {
        std::lock_guard lock(mutex);
        unsigned char* packet = arrays[ping];
        ping ^= 1;
        length -= PACKET;
        std::memcpy(arrays[ping], packet + PACKET, length);
        return packet;
    }
};

template <bool LOCKED> struct Evbuffer {
    static constexpr const char* name = LOCKED ? "libevent evbuffer with its lock" : "libevent evbuffer without a lock";
    static constexpr Class kind = LOCKED ? Class::Many : Class::Single;
    evbuffer* buffer = evbuffer_new();
    unsigned char packet[PACKET];
    Evbuffer()
    {
        if (LOCKED)
            require(evbuffer_enable_locking(buffer, nullptr) == 0, "evbuffer_enable_locking");
    }
    ~Evbuffer() { evbuffer_free(buffer); }
    void write(void* piece, size_t size) { evbuffer_add(buffer, piece, size); }
    const unsigned char* consume()
    {
        evbuffer_remove(buffer, packet, PACKET);
        return packet;
    }
};

struct JackBytes {
    static constexpr const char* name = "jack_ringbuffer (copies out)";
    static constexpr Class kind = Class::Single;
    jack_ringbuffer_t* ring = jack_ringbuffer_create(SIZE);
    unsigned char packet[PACKET];
    ~JackBytes() { jack_ringbuffer_free(ring); }
    void write(void* piece, size_t size) { jack_ringbuffer_write(ring, static_cast<const char*>(piece), size); }
    const unsigned char* consume()
    {
        jack_ringbuffer_read(ring, reinterpret_cast<char*>(packet), PACKET);
        return packet;
    }
};

// 16 pieces make a packet; with `LEFT_OVER` 32 bytes are always behind it.
template <class Q, bool LEFT_OVER> double packets(size_t operations)
{
    auto holder = std::make_unique<Q>();
    Q& buffer = *holder;
    Item<PIECE> piece{};
    uint64_t bad = 0, value = 1;
    if (LEFT_OVER)
        buffer.write(&piece, 32);
    double start = 0;
    for (size_t n : {size_t(64), operations}) {
        start = nanoseconds();
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < PIECES; k++) {
                piece.set(value++);
                buffer.write(&piece, PIECE);
            }
            const unsigned char* packet = buffer.consume();
            uint64_t word;
            std::memcpy(&word, packet + (LEFT_OVER ? 32 : 0), 8);
            bad |= word ^ (value - PIECES);
            std::memcpy(&word, packet + PACKET - (LEFT_OVER ? 32 : PIECE), 8);
            bad |= word ^ (value - 1);
        }
    }
    double took = nanoseconds() - start;
    if (bad)
        wrong()++;
    return took / double(operations);
}

template <class Q> void add_packets()
{
    cases().push_back({"h", "PingPongBuffer: 16 x Write(64) + Consume(1024)", std::to_string(PACKET), Q::name, Q::kind,
                       packets<Q, false>, 5000});
    cases().push_back({"h2", "PingPongBuffer: the same with 32 bytes left over", std::to_string(PACKET), Q::name, Q::kind,
                       packets<Q, true>, 5000});
}

}  // namespace

void add_packets()
{
    require(evthread_use_pthreads() == 0, "evthread_use_pthreads");
    add_packets<OurPingPong<Linked>>();
    add_packets<OurPingPong<Plain>>();
    add_packets<Arrays>();
    add_packets<Evbuffer<true>>();
    add_packets<Evbuffer<false>>();
    add_packets<JackBytes>();
}

}  // namespace bench
