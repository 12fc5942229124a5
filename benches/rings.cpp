// Rows a, b, c, d, f, f2, n: RingBuffer and what could stand in its place. Capacity 1024.

#include "bench.hpp"
#include "peers_c.h"

#include <boost/circular_buffer.hpp>
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <concurrentqueue/concurrentqueue.h>
#include <dmf.h>
#include <glib.h>
#include <jack/ringbuffer.h>
#include <memory>
#include <mutex>
#include <thread>

namespace bench {
namespace {

constexpr size_t CAPACITY = 1024;
constexpr size_t BURST = 256;

// ----------------------------------------------------------------------------------------------------------- peers

template <size_t N> struct Ours {
    static constexpr const char* name = "dmf RingBuffer";
    static constexpr Class kind = Class::Ours;
    DMFMODULE ring = nullptr;
    explicit Ours(bool overwrites)
    {
        DMF_CONFIG_RingBuffer config;
        DMF_MODULE_ATTRIBUTES attributes;
        DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.ItemCount = CAPACITY;
        config.ItemSize = N;
        config.Mode = overwrites ? RingBuffer_Mode_DeleteOldestIfFullOnWrite : RingBuffer_Mode_FailIfFullOnWrite;
        require(NT_SUCCESS(DMF_RingBuffer_Create(nullptr, &attributes, nullptr, &ring)), "DMF_RingBuffer_Create");
    }
    ~Ours() { WdfObjectDelete(ring); }
    bool write(Item<N>& item) { return DMF_RingBuffer_Write(ring, item.bytes, N) == STATUS_SUCCESS; }
    bool read(Item<N>& item) { return DMF_RingBuffer_Read(ring, item.bytes, N) == STATUS_SUCCESS; }
    void overwrite(Item<N>& item) { write(item); }
    static BOOLEAN show(DMFMODULE, UCHAR* item, ULONG, VOID* context)
    {
        uint64_t value;
        std::memcpy(&value, item, 8);
        *static_cast<uint64_t*>(context) += value;
        return TRUE;
    }
    uint64_t sum()
    {
        uint64_t sum = 0;
        DMF_RingBuffer_Enumerate(ring, TRUE, show, &sum);
        return sum;
    }
};

template <size_t N, bool SPIN> struct Locked {
    static constexpr const char* name = SPIN ? "C ring + pthread_spinlock" : "C ring + pthread_mutex";
    static constexpr Class kind = Class::Full;
    LOCKED_RING* ring = locked_ring_create(CAPACITY, N, SPIN);
    explicit Locked(bool) {}
    ~Locked() { locked_ring_delete(ring); }
    bool write(Item<N>& item) { return locked_ring_write(ring, item.bytes); }
    bool read(Item<N>& item) { return locked_ring_read(ring, item.bytes); }
    void overwrite(Item<N>& item) { locked_ring_overwrite(ring, item.bytes); }
    static bool show(void* item, size_t, void* context)
    {
        uint64_t value;
        std::memcpy(&value, item, 8);
        *static_cast<uint64_t*>(context) += value;
        return true;
    }
    uint64_t sum()
    {
        uint64_t sum = 0;
        locked_ring_enumerate(ring, show, &sum);
        return sum;
    }
};

template <size_t N> struct CircularBuffer {
    static constexpr const char* name = "boost::circular_buffer + std::mutex";
    static constexpr Class kind = Class::Full;
    std::mutex mutex;
    boost::circular_buffer<Item<N>> ring{CAPACITY};
    explicit CircularBuffer(bool) {}
    bool write(Item<N>& item)
    {
        std::lock_guard lock(mutex);
        if (ring.full())
            return false;
        ring.push_back(item);
        return true;
    }
    bool read(Item<N>& item)
    {
        std::lock_guard lock(mutex);
        if (ring.empty())
            return false;
        item = ring.front();
        ring.pop_front();
        return true;
    }
    void overwrite(Item<N>& item)
    {
        std::lock_guard lock(mutex);
        ring.push_back(item);
    }
};

// Queues that cannot overwrite: whoever finds them full takes an item out and tries again.
template <class Q, size_t N> void overwrite_by_reading(Q& queue, Item<N>& item)
{
    Item<N> dropped;
    while (!queue.write(item))
        queue.read(dropped);
}

template <size_t N> struct Ck {
    static constexpr const char* name = "ck_ring (MPMC)";
    static constexpr Class kind = Class::Many;
    void* ring = ck_create(CAPACITY, N);
    explicit Ck(bool) {}
    ~Ck() { ck_delete(ring); }
    bool write(Item<N>& item)
    {
        return N == 8 ? ck_write_8(ring, &item) : N == 64 ? ck_write_64(ring, &item) : ck_write_1024(ring, &item);
    }
    bool read(Item<N>& item)
    {
        return N == 8 ? ck_read_8(ring, &item) : N == 64 ? ck_read_64(ring, &item) : ck_read_1024(ring, &item);
    }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N> struct Rte {
    static constexpr const char* name = "rte_ring (MPMC)";
    static constexpr Class kind = Class::Many;
    void* ring = rte_create(CAPACITY, N);
    explicit Rte(bool) {}
    ~Rte() { rte_delete(ring); }
    bool write(Item<N>& item) { return rte_write(ring, &item, N); }
    bool read(Item<N>& item) { return rte_read(ring, &item, N); }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N> struct BoostQueue {
    static constexpr const char* name = "boost::lockfree::queue";
    static constexpr Class kind = Class::Many;
    boost::lockfree::queue<Item<N>, boost::lockfree::fixed_sized<true>> queue{CAPACITY};
    explicit BoostQueue(bool) {}
    bool write(Item<N>& item) { return queue.push(item); }
    bool read(Item<N>& item) { return queue.pop(item); }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N> struct Moodycamel {
    static constexpr const char* name = "moodycamel::ConcurrentQueue";
    static constexpr Class kind = Class::Many;
    moodycamel::ConcurrentQueue<Item<N>> queue{4 * CAPACITY};
    explicit Moodycamel(bool) {}
    bool write(Item<N>& item) { return queue.try_enqueue(item); }
    bool read(Item<N>& item) { return queue.try_dequeue(item); }
};

template <size_t N> struct GAsync {
    static constexpr const char* name = "GAsyncQueue + g_malloc";
    static constexpr Class kind = Class::Many;
    GAsyncQueue* queue = g_async_queue_new_full(g_free);
    explicit GAsync(bool) {}
    ~GAsync() { g_async_queue_unref(queue); }
    bool write(Item<N>& item)
    {
        void* copy = g_malloc(N);
        std::memcpy(copy, &item, N);
        g_async_queue_push(queue, copy);
        return true;
    }
    bool read(Item<N>& item)
    {
        void* copy = g_async_queue_try_pop(queue);
        if (!copy)
            return false;
        std::memcpy(&item, copy, N);
        g_free(copy);
        return true;
    }
};

template <size_t N> struct BoostSpsc {
    static constexpr const char* name = "boost::lockfree::spsc_queue";
    static constexpr Class kind = Class::Single;
    boost::lockfree::spsc_queue<Item<N>> queue{CAPACITY};
    explicit BoostSpsc(bool) {}
    bool write(Item<N>& item) { return queue.push(item); }
    bool read(Item<N>& item) { return queue.pop(item); }
};

template <size_t N> struct Jack {
    static constexpr const char* name = "jack_ringbuffer";
    static constexpr Class kind = Class::Single;
    jack_ringbuffer_t* ring = jack_ringbuffer_create(CAPACITY * N * 2);
    explicit Jack(bool) {}
    ~Jack() { jack_ringbuffer_free(ring); }
    bool write(Item<N>& item)
    {
        return jack_ringbuffer_write_space(ring) >= N &&
               jack_ringbuffer_write(ring, reinterpret_cast<const char*>(item.bytes), N) == N;
    }
    bool read(Item<N>& item)
    {
        return jack_ringbuffer_read_space(ring) >= N &&
               jack_ringbuffer_read(ring, reinterpret_cast<char*>(item.bytes), N) == N;
    }
};

// No synchronisation: an array, with two copies behind C calls.
template <size_t N> struct Copies {
    static constexpr const char* name = "floor: memcpy behind a C call";
    static constexpr Class kind = Class::Floor;
    std::unique_ptr<Item<N>[]> items{new Item<N>[CAPACITY]()};
    size_t head = 0, tail = 0;
    explicit Copies(bool) {}
    bool write(Item<N>& item)
    {
        copy_out(&items[tail++ % CAPACITY], &item, N);
        return true;
    }
    bool read(Item<N>& item)
    {
        copy_out(&item, &items[head++ % CAPACITY], N);
        return true;
    }
    void overwrite(Item<N>& item)
    {
        write(item);
        if (tail - head > CAPACITY)
            head = tail - CAPACITY;
    }
};

// ------------------------------------------------------------------------------------------------------------ rows

template <size_t N> inline void check(const Item<N>& item, uint64_t expected, uint64_t& bad)
{
    bad |= (item.first() ^ expected) | (item.last() ^ expected);
}

inline void account(uint64_t bad)
{
    if (bad)
        wrong()++;
}

template <class Q, size_t N> double one_thread(size_t operations)
{
    Q ring(false);
    Item<N> in{}, out{};
    uint64_t bad = 0, value = 1;
    double start = 0;
    for (size_t n : {size_t(CAPACITY * 2), operations}) {  // warm-up first
        start = nanoseconds();
        for (size_t i = 0; i < n; i++, value++) {
            in.set(value);
            bad |= !ring.write(in);
            bad |= !ring.read(out);
            check(out, value, bad);
        }
    }
    double took = nanoseconds() - start;
    account(bad);
    return took / double(operations);
}

template <class Q, size_t N> double bursts(size_t operations)
{
    Q ring(false);
    Item<N> in{}, out{};
    uint64_t bad = 0, written = 1, read = 1;
    size_t rounds = operations / BURST;
    double start = 0;
    for (size_t n : {size_t(8), rounds}) {
        start = nanoseconds();
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < BURST; k++) {
                in.set(written++);
                bad |= !ring.write(in);
            }
            for (size_t k = 0; k < BURST; k++) {
                bad |= !ring.read(out);
                check(out, read++, bad);
            }
        }
    }
    double took = nanoseconds() - start;
    account(bad);
    return took / double(rounds * BURST);
}

template <class Q, size_t N> double overwrites(size_t operations)
{
    Q ring(true);
    Item<N> in{}, out{};
    uint64_t bad = 0, value = 1;
    double start = 0;
    for (size_t n : {size_t(CAPACITY * 4), operations}) {
        start = nanoseconds();
        for (size_t i = 0; i < n; i++) {
            in.set(value++);
            ring.overwrite(in);
        }
    }
    double took = nanoseconds() - start;
    // What is left is the newest, in order.
    uint64_t last = 0;
    while (last != value - 1) {
        if (!ring.read(out) || (last && out.first() != last + 1) || out.first() != out.last()) {
            bad = 1;
            break;
        }
        last = out.first();
    }
    account(bad);
    return took / double(operations);
}

// `writers` and `readers` threads; nanoseconds per item from start to the last item read.
template <class Q, size_t N, unsigned PAIRS> double threads(size_t operations)
{
    Q ring(false);
    constexpr unsigned SHIFT = 48;
    const size_t each = operations / PAIRS, total = each * PAIRS;
    std::atomic<unsigned> ready{0};
    std::atomic<bool> go{false};
    std::atomic<size_t> taken{0};
    std::vector<std::thread> all;
    auto begin = [&] {
        ready++;
        while (!go)
            pause();
    };
    for (unsigned p = 0; p < PAIRS; p++) {
        all.emplace_back([&, p] {
            pin(p);
            Item<N> in{};
            begin();
            for (size_t i = 1; i <= each; i++) {
                in.set(uint64_t(p) << SHIFT | i);
                Misses misses;
                while (!ring.write(in))
                    misses.miss();
            }
        });
        all.emplace_back([&, p] {
            pin(p + 1);
            Item<N> out{};
            uint64_t bad = 0, seen[PAIRS] = {};
            begin();
            size_t mine = 0;
            Misses misses;
            for (;;) {
                if (ring.read(out)) {
                    uint64_t value = out.first(), from = value >> SHIFT, i = value & ((1ull << SHIFT) - 1);
                    bad |= out.last() ^ value;
                    if (from >= PAIRS || i <= seen[from])
                        bad = 1;
                    else
                        seen[from] = i;
                    if (PAIRS == 1 && ++mine == total) {
                        taken = mine;
                        break;
                    }
                    if (PAIRS > 1 && ++mine % 16 == 0)
                        taken += 16;
                    misses.count = 0;
                } else {
                    if (PAIRS > 1 && mine % 16) {
                        taken += mine % 16;
                        mine = 0;
                    }
                    if (taken == total)
                        break;
                    misses.miss();
                }
            }
            account(bad);
        });
    }
    while (ready != all.size())
        yield();
    double start = nanoseconds();
    go = true;
    for (auto& thread : all)
        thread.join();
    double took = nanoseconds() - start;
    account(taken != total);
    return took / double(total);
}

// The writer overwrites as fast as it can while somebody reads; nanoseconds per write.
template <class Q, size_t N> double overwrites_read(size_t operations)
{
    Q ring(true);
    std::atomic<bool> done{false};
    std::atomic<unsigned> ready{0};
    std::thread reader([&] {
        pin(1);
        Item<N> out{};
        uint64_t bad = 0, last = 0;
        Misses misses;
        ready++;
        for (;;) {
            bool finished = done;
            if (ring.read(out)) {
                bad |= out.first() ^ out.last();
                bad |= out.first() <= last;
                last = out.first();
            } else if (finished) {
                break;
            } else {
                misses.miss();
            }
        }
        bad |= last != operations;
        account(bad);
    });
    pin(0);
    while (!ready)
        yield();
    Item<N> in{};
    double start = nanoseconds();
    for (size_t i = 1; i <= operations; i++) {
        in.set(i);
        ring.overwrite(in);
    }
    double took = nanoseconds() - start;
    done = true;
    reader.join();
    return took / double(operations);
}

template <class Q, size_t N> double enumeration(size_t operations)
{
    constexpr uint64_t ITEMS = 1000;
    Q ring(false);
    Item<N> in{};
    for (uint64_t i = 1; i <= ITEMS; i++) {
        in.set(i);
        ring.write(in);
    }
    uint64_t bad = ring.sum() != ITEMS * (ITEMS + 1) / 2;
    size_t rounds = operations / ITEMS;
    double start = nanoseconds();
    for (size_t i = 0; i < rounds; i++)
        bad |= ring.sum() ^ (ITEMS * (ITEMS + 1) / 2);
    double took = nanoseconds() - start;
    account(bad);
    return took / double(rounds * ITEMS);
}

void add(const char* row, const char* what, unsigned size, const char* peer, Class kind, double (*run)(size_t),
         size_t operations)
{
    cases().push_back({row, what, size, peer, kind, run, operations});
}

template <class Q, size_t N> void add_peer()
{
    constexpr size_t FEW = N > 64 ? 20000 : 60000;
    auto one = [](const char* row, const char* what, double (*run)(size_t), size_t operations) {
        add(row, what, N, Q::name, Q::kind, run, operations);
    };
    one("a", "RingBuffer: Write + Read, one thread", one_thread<Q, N>, FEW);
    one("d", "RingBuffer: burst, 256 writes then 256 reads", bursts<Q, N>, FEW);
    if constexpr (Q::kind != Class::Floor)
        one("b", "RingBuffer: 1 producer + 1 consumer", threads<Q, N, 1>, FEW * 3);
    if constexpr (Q::kind != Class::Floor && Q::kind != Class::Single)
        one("c", "RingBuffer: 2 producers + 2 consumers", threads<Q, N, 2>, 24000);
    if constexpr (requires(Q& q, Item<N>& item) { q.overwrite(item); }) {
        one("f", "RingBuffer: always full, DeleteOldest, one thread", overwrites<Q, N>, FEW);
        if constexpr (Q::kind != Class::Floor)
            one("f2", "RingBuffer: overwriting writer + reader", overwrites_read<Q, N>, FEW * 2);
    }
    if constexpr (requires(Q& q) { q.sum(); })
        one("n", "RingBuffer: Enumerate, per item", enumeration<Q, N>, 100000);
}

template <size_t N> void add_size()
{
    add_peer<Ours<N>, N>();
    add_peer<Locked<N, false>, N>();
    add_peer<Locked<N, true>, N>();
    add_peer<CircularBuffer<N>, N>();
    add_peer<Ck<N>, N>();
#ifdef BENCH_WITH_RTE
    add_peer<Rte<N>, N>();
#endif
    add_peer<BoostQueue<N>, N>();
    add_peer<Moodycamel<N>, N>();
    add_peer<GAsync<N>, N>();
    add_peer<BoostSpsc<N>, N>();
    add_peer<Jack<N>, N>();
    add_peer<Copies<N>, N>();
}

}  // namespace

void add_rings()
{
    add_size<8>();
    add_size<64>();
    add_size<1024>();
}

}  // namespace bench
