// Rows e and e2: a buffer's way through a BufferQueue and back, on one thread and on two.

#include "bench.hpp"
#include "peers_c.h"

#include <cstddef>
#include <dmf.h>
#include <memory>
#include <thread>

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

// One thread fetches and enqueues, another dequeues and reuses; nanoseconds per buffer.
template <class Q, size_t N> double two_threads(size_t operations)
{
    Q queue;
    std::atomic<unsigned> ready{0};
    std::thread consumer([&] {
        pin(1);
        uint64_t bad = 0;
        ready++;
        for (uint64_t value = 1; value <= operations; value++) {
            void* work;
            Misses misses;
            while (!(work = queue.dequeue()))
                misses.miss();
            uint64_t word;
            std::memcpy(&word, static_cast<char*>(work) + N - 8, 8);
            bad |= word ^ value;
            queue.reuse(work);
        }
        if (bad)
            wrong()++;
    });
    uint64_t bad = 0;
    while (!ready)
        yield();
    double start = nanoseconds();
    for (uint64_t value = 1; value <= operations; value++) {
        void* buffer;
        Misses misses;
        while (!(buffer = queue.fetch()))
            misses.miss();
        uint64_t word;
        std::memcpy(&word, static_cast<char*>(buffer) + N - 8, 8);
        bad |= word;  // zeroed
        std::memcpy(static_cast<char*>(buffer) + N - 8, &value, 8);
        queue.enqueue(buffer);
    }
    consumer.join();
    double took = nanoseconds() - start;
    if (bad)
        wrong()++;
    return took / double(operations);
}

template <class Q, size_t N> void add_queue()
{
    cases().push_back({"e2", "BufferQueue: a producer's and a consumer's thread", std::to_string(N), Q::name, Q::kind,
                       two_threads<Q, N>, 60000});
    cases().push_back({"e", "BufferQueue: Fetch, Enqueue, Dequeue, Reuse, one thread", std::to_string(N), Q::name, Q::kind,
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

}  // namespace

void add_buffers()
{
    add_queues<64>();
    add_queues<4096>();
}

}  // namespace bench
