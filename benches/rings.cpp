// Rows a, b, c, c4, w, d, f, f2, n: RingBuffer and what could stand in its place. Capacity 1024.

#include "ring_peers.hpp"

#include <thread>

namespace bench {
namespace {

constexpr size_t BURST = 256;

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

// As many writers as readers, each of whom reads as many items as each writes; nanoseconds per item from start to the last
// item read.
template <class Q, size_t N, unsigned PAIRS> double threads(size_t operations)
{
    Q ring(false);
    constexpr unsigned SHIFT = 48;
    const size_t each = operations / PAIRS, total = each * PAIRS;
    std::atomic<unsigned> ready{0};
    std::atomic<bool> go{false};
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
            for (size_t mine = 0; mine < each; mine++) {
                Misses misses;
                while (!ring.read(out))
                    misses.miss();
                uint64_t value = out.first(), from = value >> SHIFT, i = value & ((1ull << SHIFT) - 1);
                bad |= out.last() ^ value;
                if (from >= PAIRS || i <= seen[from])
                    bad = 1;
                else
                    seen[from] = i;
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
    Item<N> more{};
    account(ring.read(more));
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

void add(const char* row, const char* what, unsigned size, const std::string& peer, Class kind, double (*run)(size_t),
         size_t operations)
{
    cases().push_back({row, what, std::to_string(size), peer, kind, run, operations});
}

// DPDK's ring spins until a thread that is in it has gone on, which may have lost its core: with four threads on a core, that
// can take minutes.
template <class Q> constexpr bool waits_for_the_others = false;
#ifdef BENCH_WITH_RTE
template <size_t N> constexpr bool waits_for_the_others<Rte<N>> = true;
#endif

template <class Q, size_t N> void add_peer()
{
    constexpr size_t FEW = N > 64 ? 60000 : 200000;
    constexpr size_t MANY = N > 64 ? 100000 : 200000;
    // Some time slices: with fewer, row c measures who is let run first. In c4 some peers would take minutes for so many.
    constexpr size_t SLICES = N > 64 ? 300000 : 1000000;
    auto one = [](const char* row, const char* what, double (*run)(size_t), size_t operations) {
        add(row, what, N, Q::name, Q::kind, run, operations);
    };
    one("a", "RingBuffer: Write + Read, one thread", one_thread<Q, N>, FEW);
    one("d", "RingBuffer: burst, 256 writes then 256 reads", bursts<Q, N>, FEW);
    if constexpr (Q::kind != Class::Floor)
        one("b", "RingBuffer: 1 producer + 1 consumer", threads<Q, N, 1>, MANY);
    if constexpr (Q::kind != Class::Floor && Q::kind != Class::Single) {
        one("c", "RingBuffer: 2 producers + 2 consumers", threads<Q, N, 2>, SLICES);
        if constexpr (!waits_for_the_others<Q>)
            one("c4", "RingBuffer: 4 producers + 4 consumers", threads<Q, N, 4>, 24000);
    }
    if constexpr (requires(Q& q, Item<N>& item) { q.overwrite(item); }) {
        one("f", "RingBuffer: always full, DeleteOldest, one thread", overwrites<Q, N>, FEW);
        if constexpr (Q::kind != Class::Floor)
            one("f2", "RingBuffer: overwriting writer + reader", overwrites_read<Q, N>, N > 64 ? 40000 : 120000);
    }
    if constexpr (requires(Q& q) { q.sum(); })
        one("n", "RingBuffer: Enumerate, per item", enumeration<Q, N>, 400000);
}

// The library alone: the time for an item in all, by the number of threads.
template <class Q, size_t N> void add_more_threads()
{
    const char* what = "RingBuffer: 2, 4 and 8 threads";
    constexpr size_t SLICES = N > 64 ? 1000000 : 4000000;
    add("w", what, N, "dmf, 2 threads", Class::Ours, threads<Q, N, 1>, SLICES);
    add("w", what, N, "dmf, 4 threads", Class::Full, threads<Q, N, 2>, SLICES);
    add("w", what, N, "dmf, 8 threads", Class::Full, threads<Q, N, 4>, SLICES);
}

template <size_t N> void add_size()
{
    add_more_threads<Ours<N>, N>();
    add_peer<Ours<N>, N>();
    add_peer<Ours<N, Plain>, N>();
    add_peer<Locked<N, false>, N>();
    add_peer<Locked<N, true>, N>();
    add_peer<CircularBuffer<N>, N>();
    add_peer<Ck<N>, N>();
#ifdef BENCH_WITH_RTE
    add_peer<Rte<N>, N>();
#endif
    add_peer<BoostQueue<N>, N>();
    add_peer<Moodycamel<N>, N>();
    add_peer<TbbQueue<N>, N>();
    add_peer<Cds<N>, N>();
    add_peer<Xenium<N>, N>();
    add_peer<GAsync<N>, N>();
    add_peer<ArrayQueue<N>, N>();
    add_peer<Channel<N>, N>();
    add_peer<Thingbuf<N>, N>();
    add_peer<RingbufferLocked<N>, N>();
    add_peer<Rtrb<N>, N>();
    add_peer<Ringbuf<N>, N>();
    add_peer<BoostSpsc<N>, N>();
    add_peer<Jack<N>, N>();
    add_peer<ReaderWriter<N>, N>();
    add_peer<Copies<N, true>, N>();
    add_peer<Copies<N, false>, N>();
}

}  // namespace

void add_rings()
{
    add_size<8>();
    add_size<64>();
    add_size<1024>();
}

}  // namespace bench
