#include "commands/match.hpp"

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

const Variant* policy_of(const Match& match) {
  try {
    return &select(match.workload.problem, match.threads, match.field);
  } catch (const std::invalid_argument&) {
    return nullptr;
  }
}

}  // namespace

std::vector<Match> make_matches(const Cases& cases, bool native, const Limits& limits,
                                std::span<const Variant* const> table, std::vector<Skipped>& skipped,
                                const Kernels* kernels) {
  std::optional<FirstContact> contact;
  if (kernels != nullptr) contact.emplace(*kernels);
  std::vector<Match> matches;
  std::vector<Cases> wanted;
  std::map<std::tuple<std::string, int, std::string>, std::size_t> places;
  for (const Case& c : cases.run) {
    const std::string isa = native ? "native" : c.variant->isa;
    const auto [place, is_new] = places.try_emplace({to_string(c.workload), c.threads, isa}, matches.size());
    const std::size_t index = place->second;
    if (is_new) {
      Match match{.workload = c.workload,
                  .threads = c.threads,
                  .field = native ? native_rows(table) : rows_of(table, isa_of(*c.variant)),
                  .entrants = {},
                  .selected = nullptr};
      match.selected = policy_of(match);
      matches.push_back(std::move(match));
      wanted.emplace_back();
    }
    wanted[index].run.push_back(c);
  }
  for (std::size_t i = 0; i < matches.size(); ++i) {
    Match& match = matches[i];
    std::vector<Case>& run = wanted[i].run;
    const auto is_selected = [&](const Case& c) { return c.variant == match.selected; };
    if (match.selected != nullptr && std::none_of(run.begin(), run.end(), is_selected))
      run.push_back({match.selected, match.workload, match.threads});
    Plan plan = make_plan(wanted[i], limits, kernels, contact ? &*contact : nullptr);
    match.entrants = std::move(plan.cases);
    skipped.insert(skipped.end(), plan.skipped.begin(), plan.skipped.end());
  }
  std::erase_if(matches, [](const Match& match) { return match.entrants.empty(); });
  return matches;
}

std::string match_name(const Match& match) {
  return fmt::format("{} {} threads:{}", to_short_string(match.workload), match.entrants.front().c.variant->isa,
                     match.threads);
}

double overhead_seconds(const Match& match) {
  double seconds = 0;
  for (const PlannedCase& planned : match.entrants) seconds += planned.total_seconds;
  return seconds;
}

}  // namespace attn::bench
