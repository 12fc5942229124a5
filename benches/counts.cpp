// Instructions per operation, which do not depend on the machine's mood: `dmf_bench --counts` runs itself under valgrind's
// callgrind. A case reads the clock before and after what it measures; there, callgrind writes down how many instructions there
// were since it did so last.

#include "bench.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <spawn.h>
#include <sys/wait.h>
#include <valgrind/callgrind.h>

extern char** environ;

namespace bench {
namespace {

// Those that run on one thread.
const char* const ROWS[] = {"a", "d", "f", "n", "e", "h", "h2", "i", "i2"};
constexpr size_t OPERATIONS = 4000;

bool is_counted(const Case& one, const std::string& only)
{
    bool wanted = only.empty() || ("," + only + ",").find("," + one.row + ",") != std::string::npos;
    bool same_semantics = one.kind == Class::Ours || one.kind == Class::Full;
    for (const char* row : ROWS)
        if (one.row == row)
            return wanted && same_semantics;
    return false;
}

// What is written first in each of callgrind's files: which one it is, and what it counted.
std::map<std::string, double> totals_of_cases(const std::filesystem::path& folder)
{
    std::map<unsigned, std::pair<std::string, double>> dumps;  // by part
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        std::ifstream file(entry.path());
        std::string line, label;
        unsigned part = 0;
        double total = 0;
        while (std::getline(file, line)) {
            const std::string trigger = "desc: Trigger: Client Request: ";
            if (line.rfind("part: ", 0) == 0)
                part = unsigned(std::stoul(line.substr(6)));
            else if (line.rfind(trigger, 0) == 0)
                label = line.substr(trigger.size());
            else if (line.rfind("summary: ", 0) == 0 || line.rfind("totals: ", 0) == 0)
                total = std::stod(line.substr(line.find(' ')));
        }
        dumps[part] = {label, total};
    }
    std::map<std::string, double> totals;
    double last = 0;
    for (const auto& [part, dump] : dumps) {
        if (dump.first.rfind("case ", 0) == 0)
            totals[dump.first] = last;
        last = dump.second;
    }
    return totals;
}

std::string label(const Case& one)
{
    return "case " + one.row + " " + one.variant + " " + one.peer;
}

bool counting_now = false;

}  // namespace

bool counting()
{
    return counting_now;
}

double nanoseconds()
{
    if (counting_now)
        CALLGRIND_DUMP_STATS_AT("clock");
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return double(now.tv_sec) * 1e9 + double(now.tv_nsec);
}

void begin_counting()
{
    counting_now = true;
}

// The process below callgrind.
void run_counted(const std::string& only)
{
    for (const Case& one : cases()) {
        if (!is_counted(one, only))
            continue;
        one.run(OPERATIONS);
        require(wrong() == 0, "wrong results");
        std::string which = label(one);
        CALLGRIND_DUMP_STATS_AT(which.c_str());
    }
}

std::vector<Count> counts(const std::string& only)
{
    std::string folder = (std::filesystem::temp_directory_path() / "dmf_bench.XXXXXX").string();
    require(mkdtemp(folder.data()) != nullptr, "no folder for callgrind's files");
    std::string file = "--callgrind-out-file=" + folder + "/out";
    std::string self = std::filesystem::read_symlink("/proc/self/exe");
    const char* words[] = {"valgrind", "--tool=callgrind", "-q", file.c_str(), self.c_str(), "--counting", only.c_str(), nullptr};
    pid_t child;
    int status = 0;
    if (posix_spawnp(&child, words[0], nullptr, nullptr, const_cast<char**>(words), environ) != 0)
        fail("--counts needs valgrind");
    require(waitpid(child, &status, 0) == child && status == 0, "the process below callgrind failed");
    auto totals = totals_of_cases(folder);
    std::filesystem::remove_all(folder);
    std::vector<Count> all;
    for (const Case& one : cases()) {
        if (!is_counted(one, only))
            continue;
        require(totals.count(label(one)) == 1, "callgrind did not count a case");
        all.push_back({&one, totals[label(one)] / double(OPERATIONS)});
    }
    return all;
}

}  // namespace bench
