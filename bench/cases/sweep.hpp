// Sweep files: many workloads with where each comes from, and the time they may take. Two lines are a sweep,
//
//   [[problem]]
//   problem = "h:12/q:1024/d:64"
//
// and all that it can say is
//
//   title = "What it answers"
//   budget_seconds = 110        # the planner keeps it; without it, there is none
//   min_time_seconds = 0.1      # per case
//   threads = [1]
//   variants = ["naive"]        # regular expressions over variant names
//   isas = ["avx512", "avx2"]   # those of them that run here, instead of the native one
//   peers = true                # as --peers
//   repetitions = 5             # so many turns of every case, each of min_time_seconds, instead of up to 15 that share
//                               # them (passes.hpp)
//   [[problem]]
//   problem = "d:64/mask:causal"
//   axis = ["q=128:4096:x2", "h=1,8,32"]  # as --axis: a problem for each combination of values
//   zip = true                  # axes advance together, instead of all combinations
//   model = "GPT-2 small"       # in rows, table and page
//   source = "Radford et al. 2019"
//   note = "shape only"
//   threads = [1, 2]            # as variants and isas: for this problem alone
#pragma once

#include <string>
#include <vector>

#include "problem_text.hpp"

namespace attn::bench {

// Comma-separated lists, as on the command line.
struct SweepSelection {
  std::string threads = "1";
  std::string variants = ".*";
  std::string isas = "";  // empty: native
};

struct SweepProblem {
  Workload workload;
  std::string model, source, note;
  SweepSelection selection;
};

struct Sweep {
  std::string name, title;
  double budget_seconds = 0, min_time_seconds = 0;  // 0: not given
  bool peers = false;
  int repetitions = 0;  // 0: not given
  std::vector<SweepProblem> problems;
};

// A name of bench/sweeps/ or a path. Throws UsageError with file and line of everything that is wrong in it.
Sweep load_sweep(const std::string& name_or_path);

// Whether one of these sweeps wants peers.
bool wants_peers(const std::vector<std::string>& sweeps);

}  // namespace attn::bench
