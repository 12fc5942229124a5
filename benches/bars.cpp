// The bars: what the library is to reach, and whether it does. The only place that has these numbers.

#include "bench.hpp"

#include <algorithm>

namespace bench {
namespace {

// What ours is compared with.
enum class Rule {
    BestMany,   // the fastest peer that many threads can use
    BestFull,   // the fastest that has the same semantics: many threads, overwriting, enumeration
    Unit,       // the case `peer` in units of ours: peer / ours
    AboveBare,  // what ours takes more than `peer`, in units of the floor `per`
};

struct Bar {
    const char* row;
    const char* variant;
    double limit;
    Rule rule = Rule::BestMany;
    const char* peer = "";
    const char* per = "";
};

const Bar BARS[] = {
    {"a", "8", 0.75}, {"a", "64", 0.75}, {"a", "1024", 0.75},
    {"b", "8", 0.55}, {"b", "64", 0.50}, {"b", "1024", 0.70},
    {"c", "8", 0.90}, {"c", "64", 0.65}, {"c", "1024", 0.60},
    {"d", "8", 0.38}, {"d", "64", 0.42}, {"d", "1024", 0.88},
    {"f", "8", 0.45}, {"f", "64", 0.40}, {"f", "1024", 0.85},
    {"f2", "8", 0.70}, {"f2", "64", 0.50}, {"f2", "1024", 0.70},
    {"e", "64", 1.00}, {"e", "4096", 1.00},
    {"e2", "64", 0.95}, {"e2", "4096", 0.95},
    {"h", "1024", 0.25}, {"h2", "1024", 0.25},
    {"i", "64", 1.00}, {"i2", "64", 1.00},
    {"n", "8", 1.00, Rule::BestFull}, {"n", "64", 1.00, Rule::BestFull}, {"n", "1024", 1.00, Rule::BestFull},
    {"s", "64", 1.00, Rule::AboveBare, "floor: the two callbacks alone", "floor: 4 pthread locks and unlocks"},
    {"s", "64", 1.00, Rule::Unit, "dmf, 16 Requests"},
    {"w", "8", 1.00, Rule::Unit, "dmf, 4 threads"}, {"w", "8", 1.00, Rule::Unit, "dmf, 8 threads"},
    {"w", "64", 1.00, Rule::Unit, "dmf, 4 threads"}, {"w", "64", 1.00, Rule::Unit, "dmf, 8 threads"},
    {"w", "1024", 1.00, Rule::Unit, "dmf, 4 threads"}, {"w", "1024", 1.00, Rule::Unit, "dmf, 8 threads"},
};

const Result& named(const Group& group, const char* name)
{
    for (const Result& result : group.results)
        if (result.which->peer == name)
            return result;
    fail("a bar names a peer that is not there");
}

Verdict against_best(const Bar& bar, const Group& group)
{
    const Result* best = nullptr;
    for (const Result& peer : group.results) {
        Class kind = peer.which->kind;
        if (kind != Class::Full && (kind != Class::Many || bar.rule == Rule::BestFull))
            continue;
        if (!best || median(peer.values) < median(best->values))
            best = &peer;
    }
    require(best != nullptr, "a bar's row has no peer to compare with");
    return {bar.row, bar.variant, best->which->peer, bar.limit, median(ratios(group.results[0], *best))};
}

Verdict above_bare(const Bar& bar, const Group& group)
{
    const auto& ours = group.results[0].values;
    const auto& bare = named(group, bar.peer).values;
    const auto& unit = named(group, bar.per).values;
    std::vector<double> all;
    for (size_t i = 0; i < ours.size(); i++)
        all.push_back((ours[i] - bare[i]) / unit[i]);
    return {bar.row, bar.variant, "4 pthread locks and unlocks, above the callbacks", bar.limit, median(all)};
}

Verdict judged(const Bar& bar, const Group& group)
{
    switch (bar.rule) {
    case Rule::AboveBare: return above_bare(bar, group);
    case Rule::Unit: {
        const Result& other = named(group, bar.peer);
        return {bar.row, bar.variant, other.which->peer + " / " + group.results[0].which->peer, bar.limit,
                median(ratios(other, group.results[0]))};
    }
    default: return against_best(bar, group);
    }
}

}  // namespace

std::vector<Verdict> verdicts(const std::vector<Group>& groups)
{
    std::vector<Verdict> all;
    for (const Bar& bar : BARS)
        for (const Group& group : groups)
            if (group.results[0].which->row == bar.row && group.results[0].which->variant == bar.variant)
                all.push_back(judged(bar, group));
    return all;
}

}  // namespace bench
