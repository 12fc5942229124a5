// Measures the library through its C ABI beside what a program would use instead: one process, the same checks for all.
//
//     dmf_bench [--quick] [--trace] [--rounds N] [--only ROWS] [--document FILE]
//
// Prints ratios of times within this run: below 1, the library is faster. --quick takes a hundredth of the operations once:
// it says whether all of it works, not how fast it is. --trace
// shows each measured time, for work on the library.

#include "bench.hpp"

#include <algorithm>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <thread>

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

struct Result {
    const Case* which;
    std::vector<double> times;
};

// The cases of a row and size, ours first.
struct Group {
    std::vector<Result> results;
};

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    size_t n = values.size();
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

std::vector<double> ratios(const Result& ours, const Result& peer)
{
    std::vector<double> all;
    for (size_t i = 0; i < ours.times.size(); i++)
        all.push_back(ours.times[i] / peer.times[i]);
    return all;
}

const char* class_name(Class kind)
{
    switch (kind) {
    case Class::Ours: return "ours";
    case Class::Full: return "many threads, full semantics";
    case Class::Many: return "many threads";
    case Class::Single: return "one producer, one consumer";
    case Class::Floor: return "floor";
    }
    return "";
}

std::vector<Group> grouped(const std::string& only)
{
    std::vector<Group> groups;
    for (const Case& one : cases()) {
        if (!only.empty() && ("," + only + ",").find("," + one.row + ",") == std::string::npos)
            continue;
        auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
            const Case& head = *group.results[0].which;
            return head.row == one.row && head.size == one.size;
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

void measure(Group& group, unsigned rounds, size_t divisor, bool trace)
{
    size_t n = group.results.size();
    double start = nanoseconds();
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < n; i++) {
            Result& result = group.results[(round + i) % n];
            pin(0);
            uint64_t before = wrong();
            size_t operations = std::max<size_t>(result.which->operations / divisor, 2000);
            result.times.push_back(result.which->run(operations));
            if (trace)
                std::fprintf(stderr, "%s %u %s: %.1f ns\n", result.which->row.c_str(), result.which->size,
                             result.which->peer.c_str(), result.times.back());
            if (wrong() != before) {
                std::fprintf(stderr, "bench: row %s, %u bytes, %s: wrong results\n", result.which->row.c_str(),
                             result.which->size, result.which->peer.c_str());
                std::exit(1);
            }
        }
    }
    const Case& head = *group.results[0].which;
    std::fprintf(stderr, "row %s, %u bytes: %.1f s\n", head.row.c_str(), head.size, (nanoseconds() - start) / 1e9);
}

void print(FILE* file, const std::vector<Group>& groups, bool markdown)
{
    std::string row;
    for (const Group& group : groups) {
        const Result& ours = group.results[0];
        if (ours.which->row != row) {
            row = ours.which->row;
            std::fprintf(file, markdown ? "\n### %s. %s\n\n| bytes | peer | what it is | ours / peer | lowest – highest |\n|---|---|---|---|---|\n"
                                        : "\n%s. %s\n", row.c_str(), ours.which->what.c_str());
        }
        for (const Result& peer : group.results) {
            if (&peer == &ours)
                continue;
            auto all = ratios(ours, peer);
            auto [low, high] = std::minmax_element(all.begin(), all.end());
            std::fprintf(file, markdown ? "| %u | %s | %s | %.2f | %.2f – %.2f |\n" : "  %5u  %-42s %-30s %6.2f  (%.2f - %.2f)\n",
                         peer.which->size, peer.which->peer.c_str(), class_name(peer.which->kind), median(all), *low, *high);
        }
    }
}

void write_document(const char* path, const std::vector<Group>& groups, unsigned rounds)
{
    // The lines above the mark are written by people.
    const std::string mark = "<!-- below: written by make bench -->\n";
    std::string kept;
    if (FILE* file = std::fopen(path, "r")) {
        char buffer[4096];
        while (size_t n = std::fread(buffer, 1, sizeof(buffer), file))
            kept.append(buffer, n);
        std::fclose(file);
    }
    size_t end = kept.find(mark);
    kept = end == std::string::npos ? (kept.empty() ? "# Performance\n" : kept) + "\n" : kept.substr(0, end);
    FILE* file = std::fopen(path, "w");
    require(file != nullptr, "the document cannot be written");
    std::fprintf(file, "%s%s\n## Measured\n\nThe library's time divided by the peer's, in one run: below 1, the library is faster. "
                       "Medians of %u rounds, and the lowest and highest of them.\n", kept.c_str(), mark.c_str(), rounds);
    print(file, groups, true);
    std::fclose(file);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv)
{
    using namespace bench;
    unsigned rounds = 7;
    size_t divisor = 1;
    std::string only;
    const char* document = nullptr;
    bool quick = false, trace = false;
    for (int i = 1; i < argc; i++) {
        std::string word = argv[i];
        bool more = i + 1 < argc;
        if (word == "--quick")
            quick = true;
        else if (word == "--trace")
            trace = true;
        else if (word == "--rounds" && more)
            rounds = unsigned(std::max(1, std::atoi(argv[++i])));
        else if (word == "--only" && more)
            only = argv[++i];
        else if (word == "--document" && more)
            document = argv[++i];
        else
            fail("usage: dmf_bench [--quick] [--trace] [--rounds N] [--only ROWS] [--document FILE]");
    }
    if (quick)
        rounds = 1, divisor = 100;

    // glibc leaves atomics out of its mutexes in a process that never had a second thread.
    sem_t parked;
    sem_init(&parked, 0, 0);
    std::thread extra([&] { sem_wait(&parked); });

    add_rings();
    add_buffers();
    add_requests();
    auto groups = grouped(only);
    require(!groups.empty(), "no such row");
    for (Group& group : groups)
        measure(group, rounds, divisor, trace);
    std::printf("The library's time divided by the peer's; below 1, the library is faster. Medians of %u rounds.\n", rounds);
    print(stdout, groups, false);
    if (document)
        write_document(document, groups, rounds);
    sem_post(&parked);
    extra.join();
}
