// Rows e and e2: a buffer's way through a BufferQueue and back, on one thread and on two.

#include "bench.hpp"
#include "ring_peers.hpp"

#include <cstddef>
#include <memory>
#include <thread>

namespace bench {
namespace {

// Row e: a buffer goes round.

constexpr size_t BUFFERS = 32;

template <size_t N, class Library = Linked> struct OurQueue {
    static inline const std::string name = std::string("dmf BufferQueue") + Library::suffix;
    static constexpr Class kind = Class::Ours;
    DMFMODULE queue = nullptr;
    OurQueue()
    {
        DMF_CONFIG_BufferQueue config;
        DMF_MODULE_ATTRIBUTES attributes;
        Library::DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.SourceSettings.BufferCount = BUFFERS;
        config.SourceSettings.BufferSize = N;
        require(NT_SUCCESS(Library::DMF_BufferQueue_Create(nullptr, &attributes, nullptr, &queue)), "DMF_BufferQueue_Create");
    }
    ~OurQueue() { Library::WdfObjectDelete(queue); }
    void* fetch()
    {
        void* buffer = nullptr;
        Library::DMF_BufferQueue_Fetch(queue, &buffer, nullptr);
        return buffer;
    }
    void enqueue(void* buffer) { Library::DMF_BufferQueue_Enqueue(queue, buffer); }
    void* dequeue()
    {
        void* buffer = nullptr;
        Library::DMF_BufferQueue_Dequeue(queue, &buffer, nullptr);
        return buffer;
    }
    void reuse(void* buffer) { Library::DMF_BufferQueue_Reuse(queue, buffer); }
};

// The buffers of a peer; a fetched buffer is zeroed, as BufferQueue's is.
template <size_t N> struct Memory {
    struct alignas(64) Buffer {
        unsigned char bytes[N];
    };
    std::unique_ptr<Buffer[]> all{new Buffer[BUFFERS]()};
};

// Two queues of pointers: one of the unused buffers, one of those with work.
template <size_t N, class Ring> struct TwoRings : Memory<N> {
    static constexpr const char* name = Ring::name;
    static constexpr Class kind = Ring::kind;
    Ring unused{false}, work{false};
    TwoRings()
    {
        for (size_t i = 0; i < BUFFERS; i++)
            put(unused, &this->all[i]);
    }
    static void put(Ring& ring, void* buffer)
    {
        Item<8> item;
        item.set(reinterpret_cast<uintptr_t>(buffer));
        ring.write(item);
    }
    static void* get(Ring& ring)
    {
        Item<8> item;
        return ring.read(item) ? reinterpret_cast<void*>(item.first()) : nullptr;
    }
    void* fetch()
    {
        void* buffer = get(unused);
        if (buffer)
            std::memset(buffer, 0, N);
        return buffer;
    }
    void enqueue(void* buffer) { put(work, buffer); }
    void* dequeue() { return get(work); }
    void reuse(void* buffer) { put(unused, buffer); }
};

#ifdef BENCH_WITH_RTE
// DPDK's pool, with a cache for each of the two threads or one for both ends, and its ring.
template <size_t N> struct Mempool {
    static constexpr const char* name = "rte_mempool with cache + rte_ring";
    static constexpr Class kind = Class::Many;
    RTE_POOL* pool;
    void* ring = rte_create(BUFFERS * 2, sizeof(void*));
    explicit Mempool(bool two_threads) : pool(rte_pool_create(N, BUFFERS, two_threads)) {}
    ~Mempool()
    {
        rte_pool_delete(pool);
        rte_delete(ring);
    }
    void* fetch()
    {
        void* buffer = rte_pool_get(pool);
        if (buffer)
            std::memset(buffer, 0, N);
        return buffer;
    }
    void enqueue(void* buffer) { rte_write(ring, &buffer, sizeof(buffer)); }
    void* dequeue()
    {
        void* buffer = nullptr;
        return rte_read(ring, &buffer, sizeof(buffer)) ? buffer : nullptr;
    }
    void reuse(void* buffer) { rte_pool_put(pool, buffer); }
};
#endif

// A crate's pool. It zeroes a buffer that comes back, not one that is fetched.
template <size_t N> struct ObjectPool {
    static constexpr const char* name = "lockfree-object-pool + ArrayQueue (crates)";
    static constexpr Class kind = Class::Many;
    void* pool = rs_pool_create(N, BUFFERS);
    ~ObjectPool() { rs_pool_delete(pool, N); }
    void* fetch() { return N == 64 ? rs_pool_fetch_64(pool) : rs_pool_fetch_4096(pool); }
    void enqueue(void*) { N == 64 ? rs_pool_enqueue_64(pool) : rs_pool_enqueue_4096(pool); }
    void* dequeue() { return N == 64 ? rs_pool_dequeue_64(pool) : rs_pool_dequeue_4096(pool); }
    void reuse(void*) { N == 64 ? rs_pool_reuse_64(pool) : rs_pool_reuse_4096(pool); }
};

// Some pools have to know whether both ends are used by one thread.
template <class Q> Q made(bool two_threads)
{
    if constexpr (std::is_constructible_v<Q, bool>)
        return Q(two_threads);
    else
        return Q();
}

template <class Q, size_t N> double round_trips(size_t operations)
{
    Q queue = made<Q>(false);
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
    Q queue = made<Q>(true);
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

template <class Q> struct IsTwoRings : std::false_type {};
template <size_t N, class Ring> struct IsTwoRings<TwoRings<N, Ring>> : std::true_type {};

template <class Q, size_t N> void add_queue()
{
    std::string name = IsTwoRings<Q>::value ? std::string("2 x ") + Q::name : Q::name;
    cases().push_back({"e2", "BufferQueue: a producer's and a consumer's thread", std::to_string(N), name, Q::kind,
                       two_threads<Q, N>, 60000});
    cases().push_back({"e", "BufferQueue: Fetch, Enqueue, Dequeue, Reuse, one thread", std::to_string(N), name, Q::kind,
                       round_trips<Q, N>, 60000});
}

template <size_t N> void add_queues()
{
    add_queue<OurQueue<N>, N>();
    add_queue<OurQueue<N, Plain>, N>();
    constexpr size_t C = BUFFERS * 2;
    add_queue<TwoRings<N, Locked<8, false, C>>, N>();
    add_queue<TwoRings<N, Locked<8, true, C>>, N>();
    add_queue<TwoRings<N, Ck<8, C>>, N>();
#ifdef BENCH_WITH_RTE
    add_queue<TwoRings<N, Rte<8, C>>, N>();
    if (!counting() && rte_pool_works())
        add_queue<Mempool<N>, N>();
#endif
    add_queue<TwoRings<N, TbbQueue<8, C>>, N>();
    add_queue<TwoRings<N, Cds<8, C>>, N>();
    add_queue<TwoRings<N, Xenium<8, C>>, N>();
    add_queue<TwoRings<N, ArrayQueue<8, C>>, N>();
    add_queue<ObjectPool<N>, N>();
}

}  // namespace

void add_buffers()
{
    add_queues<64>();
    add_queues<4096>();
}

}  // namespace bench
