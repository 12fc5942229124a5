// Measures the library through its C ABI beside what a program would use instead: one process, the same checks for all.
//
//     dmf_bench [--quick] [--trace] [--counts] [--rounds N] [--patience SECONDS] [--only ROWS] [--save FILE]
//
// Prints ratios of times within this run: below 1, the library is faster. --quick takes a hundredth of the operations once:
// it says whether all of it works, not how fast it is. --trace shows each measured time, for work on the library. --counts
// prints instructions per operation and measures no times; --save writes what was measured, and counts, for scripts/performance.py.
// --patience is what all may take with the waiting for moments in which nobody else uses the processors (900 s).

#include "bench.hpp"

#include <algorithm>
#include <csignal>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <thread>
#include <unistd.h>

namespace bench {

void pin(unsigned core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core % std::max(1u, std::thread::hardware_concurrency()), &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

void yield()
{
    sched_yield();
}

namespace {

std::vector<Group> grouped(const std::string& only)
{
    std::vector<Group> groups;
    for (const Case& one : cases()) {
        if (!only.empty() && ("," + only + ",").find("," + one.row + ",") == std::string::npos)
            continue;
        auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
            const Case& head = *group.results[0].which;
            return head.row == one.row && head.variant == one.variant;
        });
        if (found == groups.end()) {
            groups.push_back({});
            found = groups.end() - 1;
        }
        found->results.push_back({&one, {}});
    }
    // The sizes of a row together, the rows by name.
    std::stable_sort(groups.begin(), groups.end(), [](const Group& one, const Group& other) {
        return one.results[0].which->row < other.results[0].which->row;
    });
    return groups;
}

// A queue that loses an item leaves somebody waiting for it.
constexpr unsigned SECONDS_FOR_A_CASE = 100;
const Case* running;

void give_up(int)
{
    char words[256];
    int length = std::snprintf(words, sizeof(words), "bench: row %s, %s, %s: does not come to an end\n", running->row.c_str(),
                               running->variant.c_str(), running->peer.c_str());
    _exit(write(STDERR_FILENO, words, size_t(length)) == length ? 1 : 2);
}

// Rows with threads on both cores.
bool needs_two_cores(const Case& one)
{
    const std::string rows[] = {"b", "c", "c4", "w", "f2", "e2", "l"};
    return std::find(std::begin(rows), std::end(rows), one.row) != std::end(rows);
}

void measure(Group& group, unsigned rounds, size_t divisor, Patience& patience, bool trace)
{
    std::signal(SIGALRM, give_up);
    size_t n = group.results.size();
    double start = nanoseconds();
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < n; i++) {
            Result& result = group.results[(round + i) % n];
            uint64_t before = wrong();
            size_t operations = std::max(result.which->operations / divisor, std::min<size_t>(result.which->operations, 2000));
            running = result.which;
            result.values.push_back(patience.measure(needs_two_cores(*running) ? 2 : 1, [&] {
                alarm(SECONDS_FOR_A_CASE);
                double value = running->run(operations);
                alarm(0);
                return value;
            }));
            if (trace)
                std::fprintf(stderr, "%s %s %s: %.1f %s\n", result.which->row.c_str(), result.which->variant.c_str(),
                             result.which->peer.c_str(), result.values.back(), result.which->unit);
            if (wrong() != before) {
                std::fprintf(stderr, "bench: row %s, %s, %s: wrong results\n", result.which->row.c_str(),
                             result.which->variant.c_str(), result.which->peer.c_str());
                std::exit(1);
            }
        }
    }
    const Case& head = *group.results[0].which;
    std::fprintf(stderr, "row %s, %s: %.1f s\n", head.row.c_str(), head.variant.c_str(), (nanoseconds() - start) / 1e9);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv)
{
    using namespace bench;
    if (argc == 3 && std::string(argv[1]) == "--memory")
        return memory(size_t(std::atoi(argv[2])));
    unsigned rounds = 11;
    double seconds = 900;
    size_t divisor = 1;
    std::string only;
    const char* save_as = nullptr;
    bool quick = false, trace = false, count = false;
    for (int i = 1; i < argc; i++) {
        std::string word = argv[i];
        bool more = i + 1 < argc;
        if (word == "--quick")
            quick = true;
        else if (word == "--trace")
            trace = true;
        else if (word == "--counts")
            count = true;
        else if (word == "--counting" && more)
            begin_counting(), only = argv[++i];
        else if (word == "--rounds" && more)
            rounds = unsigned(std::max(1, std::atoi(argv[++i])));
        else if (word == "--patience" && more)
            seconds = std::atof(argv[++i]);
        else if (word == "--only" && more)
            only = argv[++i];
        else if (word == "--save" && more)
            save_as = argv[++i];
        else
            fail("usage: dmf_bench [--quick] [--trace] [--counts] [--rounds N] [--patience SECONDS] [--only ROWS] [--save FILE]");
    }
    if (quick)
        rounds = 1, divisor = 100, seconds = 0;

    // glibc leaves atomics out of its mutexes in a process that never had a second thread.
    sem_t parked;
    sem_init(&parked, 0, 0);
    std::thread extra([&] { sem_wait(&parked); });

    add_rings();
    add_buffers();
    add_packets();
    add_requests();
    add_timers();
    add_objects();
    add_locks();
    if (counting()) {
        run_counted(only);
    } else if (count) {
        print(counts(only));
    } else {
        auto groups = grouped(only);
        require(!groups.empty(), "no such row");
        size_t results = 0;
        for (Group& group : groups)
            results += group.results.size();
        Patience patience(seconds, results * rounds);
        for (Group& group : groups)
            measure(group, rounds, divisor, patience, trace);
        print(groups, rounds, patience);
        if (save_as)
            save(save_as, groups, rounds, patience, counts(only));
    }
    sem_post(&parked);
    extra.join();
}
