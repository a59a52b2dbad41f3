// The plan of a run: how long each case will take, which cases fit into memory, into --max-case-seconds and into the
// sweep's time budget, and why the others are left out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "machine/caches.hpp"
#include "measure/passes.hpp"

namespace attn::bench {

class FirstContact;
class Kernels;

struct Limits {
  double max_case_seconds = 10;  // of a single iteration
  double min_time_seconds = 0.5;
  int repetitions = 0;        // 0: not given
  double budget_seconds = 0;  // 0: none
  std::int64_t memory_bytes = 0;
  std::int64_t last_level_bytes = bench::last_level_bytes();

  PassSettings passes() const { return {.seconds = min_time_seconds, .repetitions = repetitions}; }
};

struct PlannedCase {
  Case c;
  double iteration_seconds;
  double total_seconds;  // with oracle, checks, warm-up and probes
  Failure failure{};     // why it is not to be called (first_contact.hpp); mostly none
};

struct Plan {
  std::vector<PlannedCase> cases;
  std::vector<Skipped> skipped;
  double total_seconds = 0;
};

// Predicts from a few calls of each kernel on a small problem of the same kind (prefill or decode), made in a worker; without
// `kernels` in this process. `contact`: what kernels must compute before, if anything.
Plan make_plan(const Cases& cases, const Limits& limits, const Kernels* kernels = nullptr,
               FirstContact* contact = nullptr);

}  // namespace attn::bench
