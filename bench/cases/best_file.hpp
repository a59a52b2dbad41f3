// The file behind `--variants best`: which variant was fastest on a machine, problem by problem, and what the compiled-in
// policy loses there. Written by `attnbench tune`, read by `--best FILE`. TOML, by example:
//
//   schema = 1
//   revision = "5194509b36f0"
//   [machine]                       # machine_facts()
//   cpu = "Intel(R) Xeon(R) Processor"
//   [[problem]]
//   problem = "b:1/h:12/hkv:12/q:1024/k:1024/d:64/dv:64/dtype:f32/mask:none"
//   threads = 1
//   isa = "avx512"
//   best = "online_softmax"         # the fastest of those in median_us, or, where turns do not tell, what select chose
//   level = ["base2_softmax"]       # optional: those that were not shown to be slower
//   median_us = { online_softmax = 27310.0, parallel_heads = 64650.0 }
//   gflops = 117.9
//   spread = 0.004                  # of best: the middle half of its turns lies within 0.4 % of the median
//   select = "online_softmax"       # what the compiled-in policy chose, by this rule
//   rule = "prefill"
//   regret = 0.0                    # median_us of select / median_us of best - 1, where turns show that best is faster
#pragma once

#include <map>
#include <string>
#include <vector>

#include "select.hpp"

namespace attn::bench {

struct BestEntry {
  Choice choice;                            // choice.variant is the best
  std::vector<std::string> level;           // others that were not shown to be slower: the choice is open
  std::map<std::string, double> median_us;  // by variant
  double gflops = 0, spread = 0;            // of the best
  std::string selected, rule;               // empty when the policy knows no variant for it
  double regret = 0;
  bool operator==(const BestEntry&) const = default;
};

struct BestFile {
  std::string revision, date, command;
  std::map<std::string, std::string> machine;
  std::vector<std::string> wrong;  // cases that failed the check, and how: never chosen
  std::vector<BestEntry> entries;
  bool operator==(const BestFile&) const = default;
};

std::string to_toml(const BestFile& file);

// Throws UsageError with file and line.
BestFile load_best_file(const std::string& path);

// What the file chose. Throws UsageError as load_best_file, EnvironmentError when the file is of another machine.
Choices choices_for_this_machine(const std::string& path);

}  // namespace attn::bench
