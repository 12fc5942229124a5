// What the rows share: a case is one peer in one row; it makes a fresh object, warms it up, measures, and checks what came
// out. main.cpp runs the cases of a row one after the other, round by round, and starts each round with another one.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <time.h>
#include <vector>

namespace bench {

// What a peer offers; the bars are against those that many threads can use.
enum class Class {
    Ours,
    Full,    // many threads, overwriting, enumeration
    Many,    // many producers and consumers
    Single,  // one producer and one consumer
    Floor,   // no synchronisation at all
};

struct Case {
    std::string row;      // "a"
    std::string what;     // "Write + Read, one thread"
    std::string variant;  // bytes, or the name of a Module
    std::string peer;
    Class kind;
    // Runs `operations` of them on a fresh object; nanoseconds (or what `unit` says) for each.
    std::function<double(size_t operations)> run;
    size_t operations;
    const char* unit = "ns";
};

// One measured group: the cases of a row and variant, ours first.
struct Result {
    const Case* which;
    std::vector<double> values;  // one a round
};
struct Group {
    std::vector<Result> results;
};

double median(std::vector<double> values);
// Ours divided by the peer's, round by round.
std::vector<double> ratios(const Result& ours, const Result& peer);
const char* class_name(Class kind);

// What the library is to reach in a group; bars.cpp has the table.
struct Verdict {
    std::string row, variant, against;
    double limit, ratio;
    // To two decimals, as they are shown.
    bool met() const { return std::round(ratio * 100) <= std::round(limit * 100); }
};
std::vector<Verdict> verdicts(const std::vector<Group>& groups);

// Measures in quiet moments, if there are any in the time that a run may take in all; see quiet.cpp.
class Patience {
public:
    Patience(double seconds, size_t measurements) : left_(seconds * 1e9), expected_(measurements) {}
    // What `run` says when nobody else uses the processors; if it takes too long, when they are used least.
    double measure(unsigned cores, const std::function<double()>& run);
    size_t all() const { return all_; }
    // Those that somebody disturbed.
    size_t disturbed() const { return disturbed_; }

private:
    double left_;
    size_t expected_, all_ = 0, disturbed_ = 0;
};

// Instructions for each operation.
struct Count {
    const Case* which;
    double instructions;
};
std::vector<Count> counts(const std::string& only);
// Whether this is the process below callgrind, which is told so before the cases are made.
bool counting();
void begin_counting();
void run_counted(const std::string& only);

void print(const std::vector<Group>& groups, unsigned rounds, const Patience& patience);
void print(const std::vector<Count>& counts);
void save(const char* path, const std::vector<Group>& groups, unsigned rounds, const Patience& patience,
          const std::vector<Count>& counts);

inline std::vector<Case>& cases()
{
    static std::vector<Case> all;
    return all;
}

// What a case reads before and after what it measures.
double nanoseconds();

inline std::atomic<uint64_t>& wrong()
{
    static std::atomic<uint64_t> count;
    return count;
}

[[noreturn]] inline void fail(const char* what)
{
    std::fprintf(stderr, "bench: %s\n", what);
    std::exit(1);
}

inline void require(bool condition, const char* what)
{
    if (!condition)
        fail(what);
}

inline void pause()
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

void pin(unsigned core);
void yield();

// A full or empty ring: pause, and let another thread run after every 64th miss.
struct Misses {
    unsigned count = 0;
    void miss()
    {
        if (++count % 64 == 0)
            yield();
        else
            pause();
    }
};

// Items say in their first and last word which they are: torn ones and ones out of order are seen.
template <size_t N> struct alignas(8) Item {
    unsigned char bytes[N];
    void set(uint64_t value)
    {
        std::memcpy(bytes, &value, 8);
        if constexpr (N > 8)
            std::memcpy(bytes + N - 8, &value, 8);
    }
    uint64_t first() const
    {
        uint64_t value;
        std::memcpy(&value, bytes, 8);
        return value;
    }
    uint64_t last() const
    {
        uint64_t value;
        std::memcpy(&value, bytes + N - 8, 8);
        return value;
    }
};

void add_rings();
void add_buffers();
void add_packets();
void add_requests();
void add_timers();
void add_objects();
void add_locks();
// The process that `dmf_bench --memory NUMBER` is.
int memory(size_t number);

}  // namespace bench
