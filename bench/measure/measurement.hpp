// Measurement: what a number of calls of a prepared case gave, taken in this process or handed over by a worker.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/json.hpp"
#include "machine/counters.hpp"
#include "machine/peak_unit.hpp"
#include "measure/case_verdict.hpp"
#include "measure/ruler.hpp"
#include "measure/workbench.hpp"

namespace attn::bench {

// What a reader must know before believing a row that is right: "unsteady", "suspect_threads" and the like, each with the
// reason. They ride in the row's `marks`.
using Marks = std::map<std::string, std::string>;

// Beyond it a kernel has more threads at work than its row says: of well-behaved ones the share is 0, of one that takes two
// threads where the row has one about 0.5; where the row's own team has every core, the others find few.
inline constexpr double kSuspectSurplus = 0.06;

struct Measurement {
  CaseVerdict verdict;  // after the calls; where it failed, nothing else counts
  double wall_seconds = 0, cpu_seconds = 0;
  std::int64_t involuntary_switches = 0, page_faults = 0;
  std::uint64_t checksum = 0;  // of the outputs
  // Shares of ceilings, each empty without such a ceiling: of the f32 FMA, of the unit that the ISA has for these elements
  // alone, of reading.
  std::optional<double> pct_fma_peak, pct_own_peak, pct_bandwidth;
  double slice_spread = 0;  // how far the slices behind that share differ
  std::int64_t workspace_bytes = 0;
  int threads_used = 0;                            // 0: not known
  double surplus_cpu = 0;                          // share of the CPU time that no thread of the team took
  double prepare_seconds = 0, finish_seconds = 0;  // the kernel's own, outside of wall_seconds
  std::string what_ran;                            // inside the library behind the kernel
  layers::LayerTimes parts;                        // of a layer: seconds of a call in each
  double over_parts = 0;                           // of its forward pass: time over that of its parts; 0: not known
  Marks marks;
  std::string libraries;  // of a peer: which BLAS and OpenMP its calls are bound to
};

Json to_json(const Measurement& m);
// Throws Json::exception when it is none.
Measurement measurement_from(const Json& json);

// Calls the kernel for as long as `more` says, in slices between which ceilings are measured and inputs changed; `pause` and
// `resume` hold whatever clock is running meanwhile. ruler.finish() is the caller's, once that clock stands still.
template <class More, class Pause, class Resume>
void call_in_slices(PreparedCase& prepared, Ruler& ruler, More more, Pause pause, Resume resume) {
  ruler.begin_slice();
  while (more()) {
    if (ruler.is_between_slices()) {
      pause();
      ruler.measure_ceilings();
      prepared.disturb();
      resume();
      ruler.begin_slice();
    }
    prepared.call();
    benchmark::ClobberMemory();
    if (ruler.slice_is_full() && !ruler.end_slice()) ruler.begin_slice();
  }
}

// A batch of calls with a stopwatch of its own, ceilings beside them, then another look at the outputs. Of a case that was not found
// right before, only the verdict.
Measurement measure_with_ceilings(const Case& c, PreparedCase& prepared, std::int64_t calls);

// Why a kernel whose outputs are right cannot have computed them in so many calls: faster than twice what the machine can do
// at most, which no neighbour's disturbance of a ceiling explains. Empty when it can have. May measure.
std::string why_impossible(const Case& c, const Measurement& m, std::int64_t calls);

// The same without ceilings and after one untimed call: for turns of a few milliseconds between two builds, where what
// another loop leaves in the caches would be noise. `counters` run with the clock; may be null.
Measurement measure_plainly(PreparedCase& prepared, std::int64_t calls, Counters* counters = nullptr);

// The unit of whose peak shares of a case are: the one that its ISA has for its elements alone where that was faster than the
// f32 FMA, in the median of its turns, by a quarter at least: units are twice as fast or more, or as fast but for noise.
const PeakUnit& fastest_unit(const Case& c, std::span<const Measurement> turns);

// The counters and the label of a row. pct_peak is of this unit.
void add_counters(benchmark::State& state, const Workload& workload, const Measurement& m, const PeakUnit& unit);

}  // namespace attn::bench
