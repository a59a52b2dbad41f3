// Sweep files: many workloads with where each comes from, and the time they may take. The format, by example:
//
//   title = "What it answers"
//   budget_seconds = 110        # the planner keeps it
//   min_time_seconds = 0.1      # per case
//   threads = [1]               # optional
//   variants = ["naive"]        # optional: regular expressions over variant names
//   [[problem]]
//   problem = "h:12/q:1024/d:64"
//   model = "GPT-2 small"
//   source = "Radford et al. 2019"
//   note = "shape only"         # optional
#pragma once

#include <string>
#include <vector>

#include "problem_text.hpp"

namespace attn::bench {

struct SweepProblem {
  Workload workload;
  std::string model, source, note;
};

struct Sweep {
  std::string name, title;
  double budget_seconds = 0, min_time_seconds = 0;
  std::string threads = "1";
  std::string variants = ".*";
  std::vector<SweepProblem> problems;
};

// A name of bench/sweeps/ or a path. Throws UsageError with file and line.
Sweep load_sweep(const std::string& name_or_path);

}  // namespace attn::bench
