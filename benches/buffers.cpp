// Rows e and h: BufferQueue's round of a buffer, and PingPongBuffer's packets.

#include "bench.hpp"
#include "peers_c.h"

#include <cstddef>
#include <dmf.h>
#include <event2/buffer.h>
#include <jack/ringbuffer.h>
#include <memory>
#include <mutex>
#include <pthread.h>

namespace bench {
namespace {

// ----------------------------------------------------------------------------------------------------- e: a queue

constexpr size_t BUFFERS = 32;

template <size_t N> struct OurQueue {
    static constexpr const char* name = "dmf BufferQueue";
    static constexpr Class kind = Class::Ours;
    DMFMODULE queue = nullptr;
    OurQueue()
    {
        DMF_CONFIG_BufferQueue config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.SourceSettings.BufferCount = BUFFERS;
        config.SourceSettings.BufferSize = N;
        require(NT_SUCCESS(DMF_BufferQueue_Create(nullptr, &attributes, nullptr, &queue)), "DMF_BufferQueue_Create");
    }
    ~OurQueue() { WdfObjectDelete(queue); }
    void* fetch()
    {
        void* buffer = nullptr;
        DMF_BufferQueue_Fetch(queue, &buffer, nullptr);
        return buffer;
    }
    void enqueue(void* buffer) { DMF_BufferQueue_Enqueue(queue, buffer); }
    void* dequeue()
    {
        void* buffer = nullptr;
        DMF_BufferQueue_Dequeue(queue, &buffer, nullptr);
        return buffer;
    }
    void reuse(void* buffer) { DMF_BufferQueue_Reuse(queue, buffer); }
};

// The buffers of a peer; a fetched buffer is zeroed, as BufferQueue's is.
template <size_t N> struct Memory {
    struct alignas(64) Buffer {
        unsigned char bytes[N];
    };
    std::unique_ptr<Buffer[]> all{new Buffer[BUFFERS]()};
};

template <size_t N, class Ring> struct TwoRings : Memory<N> {
    static constexpr const char* name = Ring::name;
    static constexpr Class kind = Ring::kind;
    Ring producer, consumer;
    TwoRings()
    {
        for (size_t i = 0; i < BUFFERS; i++)
            producer.put(&this->all[i]);
    }
    void* fetch()
    {
        void* buffer = producer.get();
        if (buffer)
            std::memset(buffer, 0, N);
        return buffer;
    }
    void enqueue(void* buffer) { consumer.put(buffer); }
    void* dequeue() { return consumer.get(); }
    void reuse(void* buffer) { producer.put(buffer); }
};

template <bool SPIN> struct LockedPointers {
    static constexpr const char* name =
        SPIN ? "2 C rings of pointers + pthread_spinlock" : "2 C rings of pointers + pthread_mutex";
    static constexpr Class kind = Class::Full;
    LOCKED_RING* ring = locked_ring_create(BUFFERS * 2, sizeof(void*), SPIN);
    ~LockedPointers() { locked_ring_delete(ring); }
    void put(void* p) { locked_ring_write(ring, &p); }
    void* get()
    {
        void* p = nullptr;
        return locked_ring_read(ring, &p) ? p : nullptr;
    }
};

struct CkPointers {
    static constexpr const char* name = "ck_ring x 2";
    static constexpr Class kind = Class::Many;
    void* ring = ck_create(BUFFERS * 2, sizeof(void*));
    ~CkPointers() { ck_delete(ring); }
    void put(void* p) { ck_write_8(ring, &p); }
    void* get()
    {
        void* p = nullptr;
        return ck_read_8(ring, &p) ? p : nullptr;
    }
};

struct RtePointers {
    static constexpr const char* name = "rte_ring x 2";
    static constexpr Class kind = Class::Many;
    void* ring = rte_create(BUFFERS * 2, sizeof(void*));
    ~RtePointers() { rte_delete(ring); }
    void put(void* p) { rte_write(ring, &p, sizeof(p)); }
    void* get()
    {
        void* p = nullptr;
        return rte_read(ring, &p, sizeof(p)) ? p : nullptr;
    }
};

template <class Q, size_t N> double round_trips(size_t operations)
{
    Q queue;
    uint64_t bad = 0, value = 1;
    double start = 0;
    for (size_t n : {size_t(BUFFERS * 8), operations}) {
        start = nanoseconds();
        for (size_t i = 0; i < n; i++, value++) {
            void* buffer = queue.fetch();
            uint64_t word;
            std::memcpy(&word, static_cast<char*>(buffer) + N - 8, 8);
            bad |= word;  // zeroed
            std::memcpy(static_cast<char*>(buffer) + N - 8, &value, 8);
            queue.enqueue(buffer);
            void* work = queue.dequeue();
            std::memcpy(&word, static_cast<char*>(work) + N - 8, 8);
            bad |= word ^ value;
            queue.reuse(work);
        }
    }
    double took = nanoseconds() - start;
    if (bad)
        wrong()++;
    return took / double(operations);
}

template <class Q, size_t N> void add_queue()
{
    cases().push_back({"e", "BufferQueue: Fetch, Enqueue, Dequeue, Reuse, one thread", N, Q::name, Q::kind,
                       round_trips<Q, N>, 20000});
}

template <size_t N> void add_queues()
{
    add_queue<OurQueue<N>, N>();
    add_queue<TwoRings<N, LockedPointers<false>>, N>();
    add_queue<TwoRings<N, LockedPointers<true>>, N>();
    add_queue<TwoRings<N, CkPointers>, N>();
#ifdef BENCH_WITH_RTE
    add_queue<TwoRings<N, RtePointers>, N>();
#endif
}

// ----------------------------------------------------------------------------------------------------- h: packets

constexpr size_t PIECE = 64, PIECES = 16, PACKET = PIECE * PIECES, SIZE = 2048;

struct OurPingPong {
    static constexpr const char* name = "dmf PingPongBuffer";
    static constexpr Class kind = Class::Ours;
    DMFMODULE buffer = nullptr;
    OurPingPong()
    {
        DMF_CONFIG_PingPongBuffer config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferSize = SIZE;
        config.PoolType = NonPagedPoolNx;
        require(NT_SUCCESS(DMF_PingPongBuffer_Create(nullptr, &attributes, nullptr, &buffer)),
                "DMF_PingPongBuffer_Create");
    }
    ~OurPingPong() { WdfObjectDelete(buffer); }
    void write(void* piece, size_t size)
    {
        ULONG length;
        DMF_PingPongBuffer_Write(buffer, static_cast<UCHAR*>(piece), ULONG(size), &length);
    }
    const unsigned char* consume() { return DMF_PingPongBuffer_Consume(buffer, 0, PACKET); }
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

struct Evbuffer {
    static constexpr const char* name = "libevent evbuffer (no lock)";
    static constexpr Class kind = Class::Single;
    evbuffer* buffer = evbuffer_new();
    unsigned char packet[PACKET];
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
    cases().push_back({"h", "PingPongBuffer: 16 x Write(64) + Consume(1024)", PACKET, Q::name, Q::kind,
                       packets<Q, false>, 5000});
    cases().push_back({"h'", "PingPongBuffer: the same with 32 bytes left over", PACKET, Q::name, Q::kind,
                       packets<Q, true>, 5000});
}

}  // namespace

void add_buffers()
{
    add_queues<64>();
    add_queues<4096>();
    add_packets<OurPingPong>();
    add_packets<Arrays>();
    add_packets<Evbuffer>();
    add_packets<JackBytes>();
}

}  // namespace bench
