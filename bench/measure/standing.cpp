#include "measure/standing.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/slices.hpp"
#include "measure/e_process.hpp"

namespace attn::bench {
namespace {

using gate::median_of;

// A pass that is slower than the faster quarter of them by more than this met something that the others did not.
const double kQuiet = std::log(1.05);
constexpr std::size_t kFewPasses = 5;

// Equal cases are told apart in one of a thousand groups where noise is all there is; 14 of 15 signs reach it, 9 of 9.
const double kLogEvidence = std::log(100.0);
const double kLeastLead = std::log(1.01);
// Where signs are too few. Both cases of a pass meet the same machine but at the edges of a burst, so that this takes as
// many edges, each on the same side.
const double kFarSlower = std::log(1.25);
constexpr std::ptrdiff_t kFew = 3, kSome = 5;
// More than a neighbour takes, who may halve the speed of a core.
const double kBeyondNoise = std::log(4.0);

bool took_part_in_all(const PassTimes& times) {
  return std::none_of(times.begin(), times.end(), [](double t) { return std::isnan(t); });
}

// By how much each pass was slower than usual for everybody: the median over the cases of the log ratio to their medians.
std::vector<double> slowness_of_passes(const std::vector<PassTimes>& complete) {
  std::vector<double> slowness;
  for (std::size_t pass = 0; pass < complete.front().size(); ++pass) {
    std::vector<double> ratios;
    for (const PassTimes& times : complete) ratios.push_back(std::log(times[pass] / median_of(times)));
    slowness.push_back(median_of(ratios));
  }
  return slowness;
}

}  // namespace

PassTimes without_gaps(PassTimes times) {
  std::erase_if(times, [](double t) { return std::isnan(t); });
  return times;
}

std::vector<std::size_t> quiet_passes(std::span<const PassTimes> group) {
  const std::size_t passes = group.empty() ? 0 : group.front().size();
  std::vector<std::size_t> quiet(passes);
  for (std::size_t pass = 0; pass < passes; ++pass) quiet[pass] = pass;
  std::vector<PassTimes> complete;
  std::copy_if(group.begin(), group.end(), std::back_inserter(complete), took_part_in_all);
  if (passes < kFewPasses || complete.empty()) return quiet;
  const std::vector<double> slowness = slowness_of_passes(complete);
  const double bound = quantile_of(slowness, 0.25) + kQuiet;
  std::erase_if(quiet, [&](std::size_t pass) { return slowness[pass] > bound; });
  if (quiet.size() % 2 == 0)
    quiet.erase(std::max_element(quiet.begin(), quiet.end(),
                                 [&](std::size_t a, std::size_t b) { return slowness[a] < slowness[b]; }));
  return quiet;
}

double median_seconds(const PassTimes& times, std::span<const std::size_t> quiet) {
  if (!took_part_in_all(times)) return median_of(without_gaps(times));
  std::vector<double> kept;
  for (const std::size_t pass : quiet) kept.push_back(times[pass]);
  return median_of(kept);
}

bool is_slower(const PassTimes& slow, const PassTimes& fast) {
  std::vector<double> ratios;
  for (std::size_t pass = 0; pass < slow.size(); ++pass)
    if (const double ratio = std::log(slow[pass] / fast[pass]); !std::isnan(ratio)) ratios.push_back(ratio);
  if (!ratios.empty() && gate::log_e_above(ratios, kLeastLead) >= kLogEvidence) return true;
  const auto pairs = std::ssize(ratios);
  if (pairs == 0) {  // each sat out where the other took part
    const PassTimes some_slow = without_gaps(slow), some_fast = without_gaps(fast);
    return !some_slow.empty() && !some_fast.empty() &&
           std::log(std::ranges::min(some_slow) / std::ranges::max(some_fast)) > kBeyondNoise;
  }
  if (*std::min_element(ratios.begin(), ratios.end()) > kBeyondNoise) return true;
  const auto far = std::count_if(ratios.begin(), ratios.end(), [](double ratio) { return ratio > kFarSlower; });
  return pairs >= kFew && far >= (pairs >= kSome ? pairs - 1 : pairs);
}

std::string to_string(Standing standing) {
  constexpr std::array kNames = {"fastest", "level", "behind", "unknown"};
  return kNames[static_cast<std::size_t>(standing)];
}

std::vector<Standing> standings_of(std::span<const PassTimes> group) {
  std::vector<Standing> standings(group.size(), Standing::unknown);
  const std::vector<std::size_t> quiet = quiet_passes(group);
  const auto has_times = [](const PassTimes& times) { return !without_gaps(times).empty(); };
  if (std::count_if(group.begin(), group.end(), has_times) < 2 || group.front().size() < 2) return standings;
  std::size_t fastest = group.size();
  for (std::size_t c = 0; c < group.size(); ++c)
    if (has_times(group[c]) &&
        (fastest == group.size() || median_seconds(group[c], quiet) < median_seconds(group[fastest], quiet)))
      fastest = c;
  for (std::size_t c = 0; c < group.size(); ++c)
    standings[c] = c == fastest                                                  ? Standing::fastest
                   : !has_times(group[c]) || is_slower(group[c], group[fastest]) ? Standing::behind
                                                                                 : Standing::level;
  return standings;
}

}  // namespace attn::bench
