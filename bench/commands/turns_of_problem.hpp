// The cases of one problem and team in turns (passes.hpp), each checked before, between and after, with ceilings
// beside it. Google Benchmark then gets the turns as repetitions, and makes rows and aggregates of them: its own order of
// repetitions knows no passes, and what is compared would not have been measured side by side.
#pragma once

#include <benchmark/benchmark.h>

#include <random>
#include <span>
#include <vector>

#include "cases/case.hpp"
#include "commands/reporter.hpp"
#include "measure/passes.hpp"
#include "measure/watchdog.hpp"
#include "measure/workbench.hpp"
#include "results/result_file.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {

// What the cases of one run share.
struct Session {
  const Kernels& kernels;
  Workbench& workbench;
  Progress& progress;
  ResultFile& file;
  RunReporter& reporter;
  PassSettings passes;
  double warmup_seconds;  // of every case, before its first turn
  double budget_seconds;  // 0: none
  benchmark::TimeUnit time_unit;
  Watchdog& watchdog;  // of kernels in this process
  std::mt19937_64 random{std::random_device{}()};
};

// The cases of each problem and team, in order of appearance.
std::vector<std::vector<PlannedCase>> groups_of(const std::vector<PlannedCase>& cases);

// Measures and reports a group. A wrong kernel gets an error instead of a number; a case that is not reached is skipped.
// Interrupted, or out of time, it reports the passes that were finished.
void measure_group(std::span<const PlannedCase> group, Session& session);

}  // namespace attn::bench
