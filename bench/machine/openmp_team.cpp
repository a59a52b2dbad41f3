#include "machine/openmp_team.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <strings.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include "base/crash.hpp"
#include "base/errors.hpp"
#include "machine/thread_limits.hpp"
#include "with_team.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace attn::bench {
namespace {

std::string setting(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

// Why the runtime gives fewer, as far as the environment tells.
std::string small_because(const FormedTeam& team) {
  const auto set = [](const char* name) {
    return setting(name).empty() ? std::string() : fmt::format("{}={} is set", name, setting(name));
  };
  if (setting("OMP_THREAD_LIMIT") == std::to_string(team.members)) return set("OMP_THREAD_LIMIT");
  if (team.may_shrink) return setting("OMP_DYNAMIC").empty() ? "dynamic adjustment of teams is on" : set("OMP_DYNAMIC");
  for (const char* name : {"OMP_MAX_ACTIVE_LEVELS", "OMP_THREAD_LIMIT"})
    if (!setting(name).empty()) return set(name);
  return "the OpenMP runtime gives no more";
}

// As require_team(), telling the limits.
void require_threads(int threads) {
  try {
    require_team(threads);
  } catch (const std::system_error& error) {
    throw EnvironmentError(fmt::format("{}; {}", error.what(), thread_limits_text()));
  }
}

#ifdef _OPENMP
int cpus_of_team(int threads, int& members) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  bool known = true;
#pragma omp parallel num_threads(threads)
  {
    use_signal_stack();
    cpu_set_t mine;
    const bool told = sched_getaffinity(0, sizeof mine, &mine) == 0;
#pragma omp critical(attn_cpus_of_team)
    {
      known = known && told;
      if (told) CPU_OR(&cpus, &cpus, &mine);
    }
#pragma omp master
    members = omp_get_num_threads();
  }
  return known ? CPU_COUNT(&cpus) : 0;
}
#else
bool is_true(const std::string& value) { return strcasecmp(value.c_str(), "true") == 0; }
#endif

}  // namespace

FormedTeam form_team(int threads) {
  FormedTeam team;
#ifdef _OPENMP
  require_threads(threads);
  team.may_shrink = omp_get_dynamic() != 0;
  team.cpus = cpus_of_team(threads, team.members);
#else
  const std::string limit = setting("OMP_THREAD_LIMIT");
  team.members = limit.empty() ? threads : std::clamp(std::atoi(limit.c_str()), 1, threads);
  team.may_shrink = is_true(setting("OMP_DYNAMIC"));
  require_threads(team.members);
  use_signal_stack();
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) team.cpus = CPU_COUNT(&cpus);
#endif
  return team;
}

std::string why_not_team(const FormedTeam& team, int threads) {
  if (threads <= 1) return {};
  if (team.members != threads)
    return fmt::format("a team of {} where {} threads were asked for: {}", team.members, threads, small_because(team));
  if (team.may_shrink)
    return fmt::format("a team of {} that may become smaller at any call: {}", threads, small_because(team));
  return {};
}

void require_default_team() { require_threads(default_team()); }

#ifdef _OPENMP
OpenMpSettings openmp_settings() {
  OpenMpSettings settings{.dynamic = omp_get_dynamic(),
                          .max_threads = omp_get_max_threads(),
                          .max_active_levels = omp_get_max_active_levels()};
  omp_sched_t schedule{};
  omp_get_schedule(&schedule, &settings.chunk);
  settings.schedule = static_cast<int>(schedule);
  return settings;
}

std::string mend_openmp_settings(const OpenMpSettings& before) {
  const OpenMpSettings now = openmp_settings();
  if (now == before) return {};
  omp_set_dynamic(before.dynamic);
  omp_set_num_threads(before.max_threads);
  omp_set_max_active_levels(before.max_active_levels);
  omp_set_schedule(static_cast<omp_sched_t>(before.schedule), before.chunk);
  if (now.dynamic != before.dynamic) return fmt::format("omp_set_dynamic({})", now.dynamic);
  if (now.max_threads != before.max_threads) return fmt::format("omp_set_num_threads({})", now.max_threads);
  if (now.max_active_levels != before.max_active_levels)
    return fmt::format("omp_set_max_active_levels({})", now.max_active_levels);
  return fmt::format("omp_set_schedule({}, {})", now.schedule, now.chunk);
}
#else
OpenMpSettings openmp_settings() { return {}; }
std::string mend_openmp_settings(const OpenMpSettings&) { return {}; }
#endif

}  // namespace attn::bench
