#include "gate/contenders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "machine/caches.hpp"
#include "machine/machine.hpp"
#include "measure/workbench.hpp"
#include "problem.hpp"
#include "results/table.hpp"

namespace attn::bench::gate {
namespace {

std::vector<std::string> names_of(const Cases& cases) {
  std::vector<std::string> names;
  for (const Case& c : cases.run) names.push_back(case_name(c));
  return names;
}

bool has(const std::vector<const Variant*>& table, const Variant& row) {
  return std::any_of(table.begin(), table.end(), [&](const Variant* other) {
    return std::string_view(other->name) == row.name && std::string_view(other->isa) == row.isa;
  });
}

// What both builds have, so that a variant that only one of them has is named as that one's and not as unknown.
std::vector<const Variant*> unite(std::vector<const Variant*> rows, const std::vector<const Variant*>& others) {
  for (const Variant* other : others)
    if (!has(rows, *other)) rows.push_back(other);
  return rows;
}

// Of all cases those that this side has and can run.
Cases cases_of(WorkerSide& side, const std::vector<const Variant*>& table, Cases cases, double most_seconds) {
  std::erase_if(cases.run, [&](const Case& c) { return !has(table, *c.variant); });
  std::erase_if(cases.run, [&](const Case& c) {
    const Failure why = why_not_in_turns(side.predict(c), c.workload, most_seconds);
    if (why) cases.skipped.push_back({case_name(c), why.reason, why.text});
    return static_cast<bool>(why);
  });
  return cases;
}

}  // namespace

Failure why_not_in_turns(const Worker::Prediction& told, const Workload& w, double most_seconds) {
  if (!told.refused.empty()) return {Reason::left_out, told.refused};
  const double seconds = told.flops_per_second > 0 ? static_cast<double>(flops(w)) / told.flops_per_second : 0;
  if (!(seconds > most_seconds)) return {};
  return {Reason::too_slow,
          fmt::format("one iteration is predicted to take {:.2g} s; turns are taken with those of at most {:.3g} s",
                      seconds, most_seconds)};
}

std::vector<Pairing> introduce(WorkerSide& base, WorkerSide& candidate, const CaseOptions& options, bool common,
                               Facts& base_facts, Facts& candidate_facts, std::vector<Skipped>& skipped) {
  base_facts = base.launch(0);
  candidate_facts = candidate.launch(0);
  require_alike(base_facts, candidate_facts);
  const auto base_table = base.table(), candidate_table = candidate.table();
  const Cases all = expand_cases(options, unite(base_table, candidate_table), "1");
  // What is too slow to take turns is the base's to say: a candidate that is must be measured, not left out.
  const Cases of_base = cases_of(base, base_table, all, kMostIterationSeconds),
              of_candidate = cases_of(candidate, candidate_table, all, std::numeric_limits<double>::infinity());
  skipped = of_base.skipped;
  for (const Skipped& s : of_candidate.skipped)
    if (std::none_of(skipped.begin(), skipped.end(), [&](const Skipped& known) { return known.name == s.name; }))
      skipped.push_back(s);
  Pairings pairings = pair_up(names_of(of_base), names_of(of_candidate));
  std::erase_if(pairings.only_candidate, [&](const std::string& name) {
    return std::any_of(of_base.skipped.begin(), of_base.skipped.end(),
                       [&](const Skipped& s) { return s.name == name && s.reason == Reason::too_slow; });
  });
  if (!common) require_same_cases(pairings);
  for (const std::string& name : pairings.only_base)
    skipped.push_back({name, Reason::left_out, "only the base has it"});
  for (const std::string& name : pairings.only_candidate)
    skipped.push_back({name, Reason::left_out, "only the candidate has it"});
  if (pairings.both.empty()) throw UsageError("there is nothing to compare:" + format_skipped(skipped));
  return pairings.both;
}

void require_memory(const std::vector<std::string>& cases, int processes) {
  std::set<std::string> workloads;
  std::int64_t kept = 0, largest = 0;
  for (const std::string& name : cases) {
    const Workload workload = parse_case_name(name).workload;
    // Workspaces and a copy of the output are small beside them.
    const std::int64_t bytes = Workbench::workload_bytes(workload, last_level_bytes());
    largest = std::max(largest, bytes);
    if (workloads.insert(to_string(workload)).second) kept += bytes;
  }
  const std::int64_t needed = processes * std::min(kept, largest + (std::int64_t{2} << 30));
  if (needed > available_bytes())
    throw UsageError(fmt::format("{} workers need about {} of memory, {} is available; choose smaller problems",
                                 processes, bytes_text(needed), bytes_text(available_bytes())));
}

}  // namespace attn::bench::gate
