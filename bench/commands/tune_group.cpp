#include "commands/tune_group.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "registry.hpp"
#include "select.hpp"
#include "workers/first_contact.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {
namespace {

const Variant* policy_of(const TuneGroup& group) {
  try {
    return &select(group.workload.problem, group.threads, group.field);
  } catch (const std::invalid_argument&) {
    return nullptr;
  }
}

}  // namespace

std::vector<TuneGroup> make_tune_groups(const Cases& cases, bool native, const Limits& limits,
                                        std::span<const Variant* const> table, std::vector<Skipped>& skipped,
                                        const Kernels* kernels) {
  std::optional<FirstContact> contact;
  if (kernels != nullptr) contact.emplace(*kernels);
  std::vector<TuneGroup> groups;
  std::vector<Cases> wanted;
  std::map<std::tuple<std::string, int, std::string>, std::size_t> places;
  for (const Case& c : cases.run) {
    const std::string isa = native ? "native" : c.variant->isa;
    const auto [place, is_new] = places.try_emplace({to_string(c.workload), c.threads, isa}, groups.size());
    const std::size_t index = place->second;
    if (is_new) {
      TuneGroup group{.workload = c.workload,
                      .threads = c.threads,
                      .field = native ? native_rows(table) : rows_of(table, isa_of(*c.variant)),
                      .entrants = {},
                      .selected = nullptr};
      group.selected = policy_of(group);
      groups.push_back(std::move(group));
      wanted.emplace_back();
    }
    wanted[index].run.push_back(c);
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    TuneGroup& group = groups[i];
    std::vector<Case>& run = wanted[i].run;
    const auto is_selected = [&](const Case& c) { return c.variant == group.selected; };
    if (group.selected != nullptr && std::none_of(run.begin(), run.end(), is_selected))
      run.push_back({group.selected, group.workload, group.threads});
    Plan plan = make_plan(wanted[i], limits, kernels, contact ? &*contact : nullptr);
    group.entrants = std::move(plan.cases);
    skipped.insert(skipped.end(), plan.skipped.begin(), plan.skipped.end());
  }
  std::erase_if(groups, [](const TuneGroup& group) { return group.entrants.empty(); });
  return groups;
}

std::string group_name(const TuneGroup& group) {
  return fmt::format("{} {} threads:{}", to_short_string(group.workload), group.entrants.front().c.variant->isa,
                     group.threads);
}

double overhead_seconds(const TuneGroup& group) {
  double seconds = 0;
  for (const PlannedCase& planned : group.entrants) seconds += planned.total_seconds;
  return seconds;
}

}  // namespace attn::bench
