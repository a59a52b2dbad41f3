#include "measure/measurement.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/printable.hpp"
#include "base/slices.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"
#include "machine/ceiling_slices.hpp"
#include "machine/team.hpp"
#include "registry.hpp"

namespace attn::bench {
namespace {

// What the process used: all its threads together.
struct Usage {
  double wall_seconds = 0, cpu_seconds = 0;
  std::int64_t involuntary_switches = 0, page_faults = 0;
  std::int64_t address_bytes = 0;  // mapped; 0 where the system does not tell

  // `address_bytes` costs microseconds, and is the caller's.
  static Usage now() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return {.wall_seconds = clock_seconds(),
            .cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime),
            .involuntary_switches = usage.ru_nivcsw,
            .page_faults = usage.ru_minflt + usage.ru_majflt};
  }
};

std::int64_t address_bytes() {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

// Adds up what was used while it runs.
class Stopwatch {
 public:
  void start() {
    const std::int64_t bytes = address_bytes();
    begin_ = Usage::now();
    begin_.address_bytes = bytes;
  }
  void stop() {
    const Usage end = Usage::now();
    total_.address_bytes += address_bytes() - begin_.address_bytes;
    total_.wall_seconds += end.wall_seconds - begin_.wall_seconds;
    total_.cpu_seconds += end.cpu_seconds - begin_.cpu_seconds;
    total_.involuntary_switches += end.involuntary_switches - begin_.involuntary_switches;
    total_.page_faults += end.page_faults - begin_.page_faults;
  }
  void write_to(Measurement& m) const {
    m.wall_seconds = total_.wall_seconds;
    m.cpu_seconds = total_.cpu_seconds;
    m.involuntary_switches = total_.involuntary_switches;
    m.page_faults = total_.page_faults;
  }
  std::int64_t grown_bytes() const { return total_.address_bytes; }

 private:
  Usage begin_, total_;
};

// What a thread of the machine can do at most is measured in chunks of 50 us, which a neighbour may slow down; but not by
// this factor in all of them.
constexpr double kImplausibleFactor = 2;
constexpr int kPeakLooks = 20;
constexpr double kImplausiblePercent = 100 * kImplausibleFactor;

Measurement conclude(PreparedCase& prepared, const Stopwatch& stopwatch) {
  prepared.check_again();
  prepared.note_growth(stopwatch.grown_bytes());
  Measurement m{.verdict = prepared.verdict()};
  stopwatch.write_to(m);
  if (!m.verdict.passed) m.verdict.failure = "after timing: " + m.verdict.failure;
  m.checksum = prepared.checksum();
  m.workspace_bytes = static_cast<std::int64_t>(prepared.workspace_bytes());
  m.prepare_seconds = prepared.prepare_seconds();
  m.finish_seconds = prepared.finish_seconds();
  m.what_ran = prepared.what_ran();
  m.parts = prepared.part_seconds();
  m.marks = prepared.marks();
  return m;
}

constexpr double kShortCall = 0.05, kVeryShortCall = 1e-3;

void add_share(benchmark::State& state, const char* counter, std::optional<double> percent) {
  if (percent) state.counters[counter] = *percent;
}

bool is_fault(std::optional<double> percent) { return percent && is_ruler_fault(*percent); }

}  // namespace

Json to_json(const Measurement& m) {
  Json json = {{"verdict", to_json(m.verdict)},
               {"wall_seconds", m.wall_seconds},
               {"cpu_seconds", m.cpu_seconds},
               {"involuntary_switches", m.involuntary_switches},
               {"page_faults", m.page_faults},
               {"checksum", m.checksum},
               {"slice_spread", m.slice_spread},
               {"workspace_bytes", m.workspace_bytes},
               {"threads_used", m.threads_used},
               {"surplus_cpu", m.surplus_cpu},
               {"prepare_seconds", m.prepare_seconds},
               {"finish_seconds", m.finish_seconds},
               {"what_ran", m.what_ran},
               {"projections_seconds", m.parts.projections},
               {"core_seconds", m.parts.core},
               {"concat_seconds", m.parts.concat},
               {"over_parts", m.over_parts},
               {"marks", m.marks},
               {"libraries", m.libraries}};
  if (m.pct_fma_peak) json["pct_fma_peak"] = *m.pct_fma_peak;
  if (m.pct_own_peak) json["pct_own_peak"] = *m.pct_own_peak;
  if (m.pct_bandwidth) json["pct_bandwidth"] = *m.pct_bandwidth;
  return json;
}

Measurement measurement_from(const Json& json) {
  const auto percent = [&](const char* key) {
    return json.contains(key) ? std::optional(json.at(key).get<double>()) : std::nullopt;
  };
  return {.verdict = verdict_from(json.at("verdict")),
          .wall_seconds = json.at("wall_seconds"),
          .cpu_seconds = json.at("cpu_seconds"),
          .involuntary_switches = json.at("involuntary_switches"),
          .page_faults = json.at("page_faults"),
          .checksum = json.at("checksum"),
          .pct_fma_peak = percent("pct_fma_peak"),
          .pct_own_peak = percent("pct_own_peak"),
          .pct_bandwidth = percent("pct_bandwidth"),
          .slice_spread = json.value("slice_spread", 0.0),
          .workspace_bytes = json.at("workspace_bytes"),
          .threads_used = json.at("threads_used"),
          .surplus_cpu = json.value("surplus_cpu", 0.0),
          .prepare_seconds = json.at("prepare_seconds"),
          .finish_seconds = json.at("finish_seconds"),
          .what_ran = printable(json.at("what_ran").get<std::string>(), kMostToldBytes),
          .parts = {.projections = json.at("projections_seconds"),
                    .core = json.at("core_seconds"),
                    .concat = json.at("concat_seconds")},
          .over_parts = json.at("over_parts"),
          .marks = json.value("marks", Marks()),
          .libraries = json.value("libraries", "")};
}

std::string why_impossible(const Case& c, const Measurement& m, std::int64_t calls) {
  const double fma = m.pct_fma_peak.value_or(0), share = std::min(fma, m.pct_own_peak.value_or(fma));
  if (share < kImplausiblePercent || !(m.wall_seconds > 0)) return {};
  const double rate = static_cast<double>(flops(c.workload)) * static_cast<double>(calls) / m.wall_seconds;
  double peak = 0;
  for (int look = 0; look < kPeakLooks; ++look) peak = std::max(peak, machine_peak(c.threads));
  if (!(peak > 0) || rate <= kImplausibleFactor * peak) return {};
  return fmt::format("it did not compute: {:.4g} GFLOP/s, where {} thread{} of this machine can do {:.4g}", rate / 1e9,
                     c.threads, c.threads == 1 ? "" : "s", peak / 1e9);
}

Measurement measure_with_ceilings(const Case& c, PreparedCase& prepared, std::int64_t calls) {
  if (!prepared.verdict().passed) return {.verdict = prepared.verdict()};
  const int threads_used = prepared.threads_used();
  // Brings back what others evicted, and a worker that stood still; of long calls that is little.
  if (prepared.first_call_seconds() < kShortCall) prepared.call();
  prepared.begin_calls();
  // Those that looked at the copies of the turn before; and the team of another case that took more than its row says.
  if (prepared.copies() > 1 || c.threads == 1) wait_for_resting_teams();
  const TeamClock team;
  Ruler ruler(c, prepared);
  prepared.change_inputs();
  Stopwatch stopwatch;
  stopwatch.start();
  std::int64_t made = 0;
  call_in_slices(
      prepared, ruler, [&] { return made < calls && !interrupted() && ++made > 0; }, [&] { stopwatch.stop(); },
      [&] { stopwatch.start(); });
  stopwatch.stop();
  ruler.finish();
  const double surplus_cpu = team.surplus(c.threads);
  Measurement m = conclude(prepared, stopwatch);
  m.pct_fma_peak = ruler.pct_fma_peak();
  m.pct_own_peak = ruler.pct_own_peak();
  m.pct_bandwidth = ruler.pct_bandwidth();
  m.slice_spread = ruler.spread();
  m.over_parts = prepared.over_parts();
  m.threads_used = threads_used;
  m.surplus_cpu = surplus_cpu;
  if (const std::string reason = why_impossible(c, m, made); m.verdict.passed && !reason.empty())
    m.verdict = Verdict{.tolerance = m.verdict.tolerance, .failure = reason};
  return m;
}

Measurement measure_plainly(PreparedCase& prepared, std::int64_t calls, Counters* counters) {
  if (!prepared.verdict().passed) return {.verdict = prepared.verdict()};
  prepared.begin_calls();
  prepared.call();
  prepared.change_inputs();
  // Of a few short calls the first would pay for what the change did to the caches.
  if (prepared.first_call_seconds() < kVeryShortCall) prepared.call();
  Stopwatch stopwatch;
  if (counters != nullptr) counters->start();
  stopwatch.start();
  for (std::int64_t i = 0; i < calls && !interrupted(); ++i) {
    prepared.call();
    benchmark::ClobberMemory();
  }
  stopwatch.stop();
  if (counters != nullptr) counters->stop();
  return conclude(prepared, stopwatch);
}

const PeakUnit& fastest_unit(const Case& c, std::span<const Measurement> turns) {
  constexpr double kFaster = 1.25;
  const PeakUnit* own = own_unit(isa_of(*c.variant), dtype_of(c.workload.problem));
  std::vector<double> ratios;
  for (const Measurement& m : turns)
    if (m.pct_fma_peak && m.pct_own_peak) ratios.push_back(*m.pct_fma_peak / *m.pct_own_peak);
  return own != nullptr && !ratios.empty() && quantile_of(ratios, 0.5) > kFaster ? *own : kFma;
}

void add_counters(benchmark::State& state, const Workload& w, const Measurement& m, const PeakUnit& unit) {
  const Problem& p = w.problem;
  constexpr auto kPerIteration = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["flops"] = benchmark::Counter(static_cast<double>(flops(w)), kPerIteration);
  const std::optional<double> pct_peak = &unit == &kFma ? m.pct_fma_peak : m.pct_own_peak;
  add_share(state, "pct_peak", pct_peak);
  add_share(state, "pct_fma_peak", m.pct_fma_peak);
  if (is_decode(p) && !w.is_layer()) {
    state.counters["bandwidth"] = benchmark::Counter(static_cast<double>(needed_kv_bytes(p)), kPerIteration);
    add_share(state, "pct_bandwidth", m.pct_bandwidth);
  }
  if (w.is_layer()) {
    state.counters["projections_seconds"] = m.parts.projections;
    state.counters["core_seconds"] = m.parts.core;
    if (m.parts.concat > 0) state.counters["concat_seconds"] = m.parts.concat;
    if (m.over_parts > 0) state.counters["over_parts"] = m.over_parts;
  } else {
    // A causal mask, or a decode step: the queries are tokens of a language model.
    if (!p.backward && (is_decode(p) || is_causal(p)))
      state.counters["tokens_per_second"] =
          benchmark::Counter(static_cast<double>(p.batch * p.seqlen_q), kPerIteration);
    state.counters["bytes"] = static_cast<double>(minimal_bytes(p));
  }
  state.counters["workspace_bytes"] = static_cast<double>(m.workspace_bytes);
  if (m.threads_used > 0) state.counters["threads_used"] = m.threads_used;
  if (m.prepare_seconds > 0) state.counters["prepare_seconds"] = m.prepare_seconds;
  if (m.finish_seconds > 0) state.counters["finish_seconds"] = m.finish_seconds;
  state.counters["max_scaled_err"] = m.verdict.max_scaled_err;
  state.counters["tolerance"] = m.verdict.tolerance;
  if (m.verdict.quantisation_err > 0) {
    state.counters["quantisation_err"] = m.verdict.quantisation_err;
    state.counters["format_err"] = m.verdict.format_err;
  }
  state.counters["rows_checked"] = static_cast<double>(m.verdict.rows_checked);
  const bool fault = is_fault(pct_peak) || is_fault(m.pct_bandwidth);
  state.SetLabel(fmt::format("{}{}{}", m.what_ran, fault && !m.what_ran.empty() ? " " : "", fault ? kRulerFault : ""));
}

}  // namespace attn::bench
