// Others use the machine, too: at some moments a processor has half of what it had before, since its core's other half works
// for somebody else. What is bound by instructions then takes longer, what waits for the memory hardly does, and ratios say
// less about the library than about the moment. So the processor is asked, before and after each measurement: the same for all.

#include "bench.hpp"

#include <algorithm>
#include <unistd.h>

namespace bench {
namespace {

// Additions that do not wait for each other: as many as the core has, and nothing of the memory. Nanoseconds.
double probe()
{
    uint64_t a = 0, b = 0, c = 0, d = 0, e = 0;
    auto add = [&] {
        asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
        a++, b++, c++, d++, e++;
    };
    double start = nanoseconds();
    for (unsigned i = 0; i < 30000; i++)
        add(), add(), add(), add(), add(), add(), add(), add();
    return nanoseconds() - start;
}

// Of any processor, at the best moment so far.
double best = 1e9;

// How much longer a probe takes than at best, on the core that is busiest.
double disturbance(unsigned cores)
{
    double most = 0;
    for (unsigned core = cores; core-- > 0;) {
        pin(core);
        // Of two, since a tick of the clock falls into one at most.
        double took = std::min(probe(), probe());
        best = std::min(best, took);
        most = std::max(most, took / best);
    }
    return most;
}

constexpr double QUIET = 1.2;

}  // namespace

double Patience::measure(unsigned cores, const std::function<double()>& run)
{
    // What was not needed so far is there for those that are still to come.
    double wait = left_ / double(expected_ - std::min(expected_ - 1, all_));
    double start = nanoseconds(), value = 0, least = 1e9;
    for (bool is_last = false; !is_last && least > QUIET;) {
        double before;
        while ((before = disturbance(cores)) > QUIET && nanoseconds() - start < wait)
            usleep(1000);
        double now = run();
        pin(0);
        is_last = nanoseconds() - start >= wait;
        double most = std::max(before, disturbance(cores));
        if (most < least)
            least = most, value = now;
    }
    left_ -= std::min(left_, nanoseconds() - start);
    all_++;
    disturbed_ += least > QUIET;
    return value;
}

}  // namespace bench
