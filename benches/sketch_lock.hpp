// Two locks to compare others with: one atomic exchange to take it and a plain store to release it, and the same with
// compare-and-swap. Waiters back off, then yield, then sleep. Unlocking has no fence, so it may not see a sleeper that has just
// come: sleepers look again after a millisecond.
#pragma once

#include "bench.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench {

template <bool EXCHANGE> class SketchLock {
    std::atomic<uint32_t> taken{0}, sleepers{0};

    bool try_once()
    {
        if (EXCHANGE)
            return taken.exchange(1, std::memory_order_acquire) == 0;
        uint32_t free = 0;
        return taken.compare_exchange_strong(free, 1, std::memory_order_acquire);
    }
    bool try_when_free() { return taken.load(std::memory_order_relaxed) == 0 && try_once(); }

    __attribute__((noinline, cold)) void wait()
    {
        for (unsigned round = 0, pauses = 64; round < 8; round++, pauses = 256) {
            for (unsigned i = 0; i < pauses; i++)
                pause();
            if (try_when_free())
                return;
        }
        for (unsigned round = 0; round < 3; round++) {
            yield();
            if (try_when_free())
                return;
        }
        sleepers++;
        while (!try_when_free()) {
            timespec most = {0, 1000000};
            syscall(SYS_futex, &taken, FUTEX_WAIT_PRIVATE, 1, &most, nullptr, 0);
        }
        sleepers--;
    }

public:
    void lock()
    {
        if (!try_once())
            wait();
    }
    void unlock()
    {
        taken.store(0, std::memory_order_release);
        if (sleepers.load(std::memory_order_relaxed) != 0)
            syscall(SYS_futex, &taken, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
};

}  // namespace bench
