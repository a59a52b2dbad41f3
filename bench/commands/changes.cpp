#include "commands/changes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <span>

#include "base/errors.hpp"
#include "base/read_text.hpp"
#include "base/slices.hpp"
#include "base/window.hpp"
#include "cases/case.hpp"
#include "machine/machine.hpp"
#include "measure/standing.hpp"
#include "results/record.hpp"
#include "results/rows.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

bool is_of_this_machine(const Json& document) {
  const auto facts = machine_facts();
  const Json& context = document.at("context");
  return std::ranges::all_of(std::array{"cpu", "cpu_model", "stepping", "cores"},
                             [&](const char* key) { return context.value(key, "") == facts.at(key); });
}

// Empty where it cannot be read, or is no result file of this machine: it is only looked at, nobody asked for it.
Json read_earlier(const fs::path& path) {
  try {
    Json document = Json::parse(read_text(path.string()));
    if (document.at("benchmarks").is_array() && is_of_this_machine(document)) return document;
  } catch (const std::exception&) {
  }
  return {};
}

// Of each case, with the unit of whose peak its shares are, by turn: how many times as long as its ceiling would have taken,
// beside which another hour's noise is small.
using TimesOverCeiling = std::map<std::pair<std::string, const PeakUnit*>, PassTimes>;
TimesOverCeiling times_over_ceiling(const Json& document) {
  TimesOverCeiling times;
  for (const Json& row : document.at("benchmarks")) {
    if (row.contains("aggregate_name") || row.value("error_occurred", false)) continue;
    const double share = row.value(row.contains("pct_bandwidth") ? "pct_bandwidth" : "pct_peak", 0.0);
    const CaseName name = parse_case_name(row.at("name").get<std::string>());
    if (share > 0) times[{case_name(name), &unit_of_row(row, name)}].push_back(100 / share);
  }
  return times;
}

struct Change {
  std::string name;
  double percent;  // of the share: below 0 is slower
};

}  // namespace

EarlierRun last_run(const std::string& out, const std::string& sweep) {
  std::vector<fs::path> candidates;
  std::error_code error;
  if (!out.empty() && fs::is_regular_file(out, error)) candidates.emplace_back(out);
  for (const auto& entry : fs::directory_iterator(recorded_runs(), error))
    if (entry.path().filename().string().ends_with(fmt::format("-{}.json", sweep))) candidates.push_back(entry.path());
  EarlierRun last;
  for (const fs::path& path : candidates) {
    Json document = read_earlier(path);
    const auto date = [](const Json& d) { return d.at("context").value("date", ""); };
    if (!document.is_null() && (last.document.is_null() || date(document) > date(last.document)))
      last = {path.string(), std::move(document)};
  }
  return last;
}

std::string changes_text(const Json& now, const EarlierRun& before, std::size_t columns) {
  constexpr std::size_t kShown = 5;
  if (before.document.is_null()) return {};
  const TimesOverCeiling ours = times_over_ceiling(now), theirs = times_over_ceiling(before.document);
  std::vector<Change> changes;
  std::size_t compared = 0;
  for (const auto& [measured, times] : ours) {
    const auto found = theirs.find(measured);
    if (found == theirs.end()) continue;
    ++compared;
    // Turns of different runs belong to nobody's pair: as good a one as any.
    const std::size_t pairs = std::min(times.size(), found->second.size());
    const PassTimes mine(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(pairs));
    const PassTimes other(found->second.begin(), found->second.begin() + static_cast<std::ptrdiff_t>(pairs));
    if (is_slower(mine, other) || is_slower(other, mine))
      changes.push_back(
          {short_name(measured.first), 100 * (quantile_of(found->second, 0.5) / quantile_of(times, 0.5) - 1)});
  }
  if (compared == 0) return {};
  std::ranges::sort(changes, {}, &Change::percent);  // the slower ones first
  std::vector<std::string> told;
  for (const Change& change : std::span(changes).first(std::min(changes.size(), kShown)))
    told.push_back(fmt::format("{} {:+.1f} %", change.name, change.percent));
  const Json& context = before.document.at("context");
  std::error_code error;
  const std::string shorter = fs::proximate(before.path, error).string();
  const std::string since =
      fmt::format("{} ({}, revision {})", !error && shorter.size() < before.path.size() ? shorter : before.path,
                  context.value("date", "").substr(0, 10), context.value("revision", "unknown"));
  const std::string text =
      changes.empty()
          ? fmt::format("Since {}: no share of the ceiling changed, in {} rows.", since, compared)
          : fmt::format("Since {}: the share of the ceiling changed in {} of {} rows: {}{}", since, changes.size(),
                        compared, fmt::join(told, ", "), changes.size() > kShown ? ", ..." : "");
  return wrapped(text, columns, 2) + "\n";
}

}  // namespace attn::bench
