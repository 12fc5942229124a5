// Row l: what a lock costs, alone and with others. Each is taken, a counter behind it counted up, and released.

#include "bench.hpp"
#include "peers_rs.h"
#include "sketch_lock.hpp"

#include <memory>
#include <mutex>
#include <pthread.h>
#include <thread>

namespace bench {
namespace {

struct Mutex {
    static constexpr const char* name = "pthread_mutex";
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    void lock() { pthread_mutex_lock(&mutex); }
    void unlock() { pthread_mutex_unlock(&mutex); }
};

struct Spin {
    static constexpr const char* name = "pthread_spinlock";
    pthread_spinlock_t spin;
    Spin() { pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE); }
    void lock() { pthread_spin_lock(&spin); }
    void unlock() { pthread_spin_unlock(&spin); }
};

struct Std : std::mutex {
    static constexpr const char* name = "std::mutex";
};

struct Exchange : SketchLock<true> {
    static constexpr const char* name = "exchange + plain store";
};

struct Swap : SketchLock<false> {
    static constexpr const char* name = "compare-and-swap + plain store";
};

struct ParkingLot {
    static constexpr const char* name = "parking_lot (crate, behind C calls)";
    void* mutex = rs_mutex_create();
    ~ParkingLot() { rs_mutex_delete(mutex); }
    void lock() { rs_mutex_lock(mutex); }
    void unlock() { rs_mutex_unlock(mutex); }
};

// The lock and what it guards, each on cache lines of its own.
template <class L> struct Guarded {
    alignas(128) L lock;
    alignas(128) uint64_t count = 0;
};

template <class L, unsigned THREADS> double counting(size_t operations)
{
    auto guarded = std::make_unique<Guarded<L>>();
    size_t each = operations / THREADS;
    std::atomic<unsigned> ready{0};
    std::atomic<bool> go{false};
    auto count = [&](unsigned core) {
        pin(core);
        ready++;
        while (!go)
            pause();
        for (size_t i = 0; i < each; i++) {
            guarded->lock.lock();
            // Not kept in a register, whatever the lock is made of.
            guarded->count = *const_cast<volatile uint64_t*>(&guarded->count) + 1;
            guarded->lock.unlock();
        }
    };
    std::vector<std::thread> others;
    for (unsigned i = 0; i < THREADS; i++)
        others.emplace_back(count, i);
    while (ready != THREADS)
        yield();
    double start = nanoseconds();
    go = true;
    for (auto& thread : others)
        thread.join();
    double took = nanoseconds() - start;
    if (guarded->count != each * THREADS)
        wrong()++;
    return took / double(each * THREADS);
}

template <class L> void add_lock(Class kind = Class::Full)
{
    const char* what = "Locks: lock, count, unlock";
    cases().push_back({"l", what, "1 thread", L::name, kind, counting<L, 1>, 200000});
    cases().push_back({"l", what, "2 threads", L::name, kind, counting<L, 2>, 400000});
    cases().push_back({"l", what, "4 threads", L::name, kind, counting<L, 4>, 400000});
}

}  // namespace

void add_locks()
{
    add_lock<Exchange>(Class::Ours);
    add_lock<Swap>();
    add_lock<Mutex>();
    add_lock<Spin>();
    add_lock<Std>();
    add_lock<ParkingLot>();
}

}  // namespace bench
