// measure: what Google Benchmark calls for a case: check, poison, timed loop with ceilings beside it, check again.
#pragma once

#include <benchmark/benchmark.h>

#include "case.hpp"
#include "kernels.hpp"
#include "reporter.hpp"
#include "result_file.hpp"
#include "workbench.hpp"

namespace attn::bench {

// What the cases of one run share.
struct Session {
  Workbench& workbench;
  Progress& progress;
  ResultFile& file;
  RunReporter& reporter;
  double budget_seconds;                         // 0: none
  std::string current = "";                      // the case that the journal names
  std::map<std::string, std::string> lost = {};  // cases that ended their worker, and how
};

// Called for every step of the search for an iteration count and for every repetition. A wrong kernel gets an error
// instead of a number; a case that is not reached an error beginning with kNotRun.
void measure(benchmark::State& state, const Case& c, Session& session);

// The same for a case that runs in a worker, by Google Benchmark's manual time.
void measure_at(Station& station, benchmark::State& state, const PlannedCase& planned, Session& session);

}  // namespace attn::bench
