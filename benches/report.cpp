// What was measured, for people on standard output and for scripts/performance.py in a file.

#include "bench.hpp"

#include <algorithm>
#include <fstream>
#include <gnu/libc-version.h>
#include <sys/utsname.h>
#include <thread>

namespace bench {

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    size_t n = values.size();
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

std::vector<double> ratios(const Result& ours, const Result& peer)
{
    std::vector<double> all;
    for (size_t i = 0; i < ours.values.size(); i++)
        all.push_back(ours.values[i] / peer.values[i]);
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

void print(const std::vector<Group>& groups, unsigned rounds, const Patience& patience)
{
    std::printf("The library's time divided by the peer's; below 1, the library is faster. Medians of %u rounds.\n", rounds);
    std::string row;
    for (const Group& group : groups) {
        const Result& ours = group.results[0];
        if (ours.which->row != row) {
            row = ours.which->row;
            std::printf("\n%s. %s\n", row.c_str(), ours.which->what.c_str());
        }
        for (const Result& peer : group.results) {
            if (&peer == &ours)
                continue;
            auto all = ratios(ours, peer);
            auto [low, high] = std::minmax_element(all.begin(), all.end());
            std::printf("  %5s  %-50s %-30s %6.2f  (%.2f - %.2f)\n", peer.which->variant.c_str(), peer.which->peer.c_str(),
                        class_name(peer.which->kind), median(all), *low, *high);
        }
    }
    std::printf("\n%zu of %zu measurements were disturbed by others.\n", patience.disturbed(), patience.all());
    std::printf("\nBars: row, size, ratio, bar, and what it is compared with\n");
    for (const Verdict& one : verdicts(groups))
        std::printf("  %-3s %5s  %6.2f  %5.2f  %-6s  %s\n", one.row.c_str(), one.variant.c_str(), one.ratio, one.limit,
                    one.met() ? "met" : "MISSED", one.against.c_str());
}

void print(const std::vector<Count>& counts)
{
    std::printf("Instructions per operation, with the loop around it.\n\n");
    for (const Count& one : counts)
        std::printf("  %-3s %5s  %-50s %8.1f\n", one.which->row.c_str(), one.which->variant.c_str(), one.which->peer.c_str(),
                    one.instructions);
}

namespace {

std::string processor()
{
    std::ifstream file("/proc/cpuinfo");
    std::string line;
    while (std::getline(file, line))
        if (line.rfind("model name", 0) == 0)
            return line.substr(line.find(':') + 2);
    return "unknown processor";
}

}  // namespace

// One line each, columns separated by tabs, the first says what it is.
void save(const char* path, const std::vector<Group>& groups, unsigned rounds, const Patience& patience,
          const std::vector<Count>& counts)
{
    FILE* file = std::fopen(path, "w");
    require(file != nullptr, "the results cannot be written");
    utsname system;
    uname(&system);
    std::string release = system.release;
    std::fprintf(file, "machine\t%u cores\t%s\tLinux %s\tglibc %s\tgcc %s\n", std::thread::hardware_concurrency(),
                 processor().c_str(), release.substr(0, release.find_first_not_of("0123456789.")).c_str(), gnu_get_libc_version(), __VERSION__);
    std::fprintf(file, "disturbed\t%zu\t%zu\n", patience.disturbed(), patience.all());
    for (const Group& group : groups) {
        const Result& ours = group.results[0];
        for (const Result& peer : group.results) {
            const Case& one = *peer.which;
            auto all = ratios(ours, peer);
            auto [low, high] = std::minmax_element(all.begin(), all.end());
            std::fprintf(file, "case\t%s\t%s\t%s\t%s\t%s\t%s\t%.4g\t%.4g\t%.4g\t%.4g\t%u\n", one.row.c_str(), one.what.c_str(),
                         one.variant.c_str(), one.peer.c_str(), class_name(one.kind), one.unit, median(peer.values),
                         median(all), *low, *high, rounds);
        }
    }
    for (const Verdict& one : verdicts(groups))
        std::fprintf(file, "bar\t%s\t%s\t%s\t%.4g\t%.4g\n", one.row.c_str(), one.variant.c_str(), one.against.c_str(),
                     one.ratio, one.limit);
    for (const Count& one : counts)
        std::fprintf(file, "count\t%s\t%s\t%s\t%.1f\n", one.which->row.c_str(), one.which->variant.c_str(),
                     one.which->peer.c_str(), one.instructions);
    std::fclose(file);
}

}  // namespace bench
