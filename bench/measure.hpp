// measure: what Google Benchmark calls for a case: check, poison, timed loop with ceilings beside it, check again.
#pragma once

#include <benchmark/benchmark.h>

#include "case.hpp"
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
  double budget_seconds;     // 0: none
  std::string current = "";  // the case that the journal names
};

// Called for every step of the search for an iteration count and for every repetition. A wrong kernel gets an error
// instead of a number; a case that is not reached an error beginning with kNotRun.
void measure(benchmark::State& state, const Case& c, Session& session);

}  // namespace attn::bench
