#include "commands/ranking.hpp"

#include <algorithm>

#include "base/slices.hpp"
#include "base/stop.hpp"
#include "measure/turns_here.hpp"

namespace attn::bench {
namespace {

constexpr double kDropAbove = 2.5;

}  // namespace

Ranking rank_in_turns(const std::vector<PlannedCase>& cases, Workbench& workbench, double seconds, const Variant* keep,
                      std::mt19937_64& random, Watchdog& watchdog) {
  PassSettings settings{.seconds = seconds / static_cast<double>(cases.size()), .drop_above = kDropAbove};
  std::vector<Entrant> entrants;
  const auto measure = [](const Case&, PreparedCase& prepared, std::int64_t calls) {
    return measure_plainly(prepared, calls);
  };
  for (const PlannedCase& planned : cases) {
    if (planned.c.variant == keep) settings.keep = entrants.size();
    entrants.push_back({case_name(planned.c), planned.iteration_seconds,
                        planned.failure
                            ? no_turns(planned.failure)
                            : turns_here(planned.c, planned.iteration_seconds, measure, workbench, watchdog)});
  }
  const PassHooks hooks{.begin_turn = [&](std::size_t e, int, int) { set_current_activity(entrants[e].name); },
                        .stop = interrupted};
  const std::vector<Series> all = take_passes(entrants, settings, random, hooks);

  Ranking result;
  std::vector<PassTimes> times;
  for (std::size_t e = 0; e < all.size(); ++e) {
    times.push_back(all[e].times());
    if (all[e].failed) result.failed.push_back({entrants[e].name, all[e].failed.reason, all[e].failed.text});
  }
  const std::vector<std::size_t> quiet = quiet_passes(times);
  std::vector<std::size_t> order;
  for (std::size_t e = 0; e < all.size(); ++e)
    if (!all[e].failed && !without_gaps(times[e]).empty()) order.push_back(e);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(all[a].dropped, median_seconds(times[a], quiet)) <
           std::pair(all[b].dropped, median_seconds(times[b], quiet));
  });
  for (const std::size_t e : order)
    result.ranks.push_back({.variant = cases[e].c.variant,
                            .seconds = median_seconds(times[e], quiet),
                            .spread = spread_of(without_gaps(times[e])),
                            .turns = static_cast<int>(without_gaps(times[e]).size()),
                            .level = !all[e].dropped && !is_slower(times[e], times[order.front()])});
  return result;
}

}  // namespace attn::bench
