#include "measure/turns_here.hpp"

#include "measure/calibration.hpp"

namespace attn::bench {
namespace {

// Checks and the untimed calls around the timed ones, at the most.
constexpr double kFurtherCalls = 4;

}  // namespace

std::function<Measurement(std::int64_t)> turns_here(const Case& c, double call_seconds, MeasureCase measure,
                                                    Workbench& workbench, Watchdog& watchdog) {
  return [=, &workbench, &watchdog](std::int64_t calls) {
    const Watched watched(&watchdog, case_name(c),
                          oracle_seconds(c.workload) + (static_cast<double>(calls) + kFurtherCalls) * call_seconds);
    PreparedCase& prepared = workbench.prepare(c);
    const bool passed = prepared.verdict().passed;
    const Measurement m = passed ? measure(c, prepared, calls) : Measurement{.verdict = prepared.verdict()};
    if (m.verdict.passed) return m;
    workbench.renew_if_written(c.workload);
    throw CaseFailed(m.verdict.why());
  };
}

std::function<Measurement(std::int64_t)> no_turns(const Failure& failure) {
  return [failure](std::int64_t) -> Measurement { throw CaseFailed(failure); };
}

}  // namespace attn::bench
