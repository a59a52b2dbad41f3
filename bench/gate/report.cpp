#include "gate/report.hpp"

#include <algorithm>

#include "base/errors.hpp"

namespace attn::bench::gate {

RoundTimes times_of(const Round& round, Phase phase, int number, std::int64_t iterations) {
  RoundTimes times{.phase = phase, .round = number, .value = round.value, .dropped = round.dropped};
  double chunks = 0;
  for (const Block& block : round.blocks) {
    for (const Chunk& chunk : block.chunks) times.seconds += 1e-9 * chunk.wall_ns;
    if (round.dropped > 0 && block.is_disturbed()) continue;
    for (std::size_t i = 0; i < block.chunks.size(); ++i) {
      (block.is_base(i) ? times.base_ns : times.candidate_ns) += block.chunks[i].wall_ns;
      (block.is_base(i) ? times.base_cpu_ns : times.candidate_cpu_ns) += block.chunks[i].cpu_ns;
    }
    chunks += 2;
  }
  for (double* sum : {&times.base_ns, &times.candidate_ns, &times.base_cpu_ns, &times.candidate_cpu_ns})
    *sum /= chunks * static_cast<double>(iterations);
  return times;
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::screen:
      return "screen";
    case Phase::suite:
      return "suite";
    case Phase::confirm:
      break;
  }
  return "confirm";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::passed:
      return "PASSED";
    case Outcome::wrong:
      return "WRONG RESULTS";
    case Outcome::environment:
      return "ENVIRONMENT";
    case Outcome::regressed:
      return "REGRESSED";
    case Outcome::inconclusive:
      return "INCONCLUSIVE";
    case Outcome::interrupted:
      break;
  }
  return "INTERRUPTED";
}

Outcome outcome_of(const Report& report) {
  const auto any = [&](auto&& predicate) { return std::any_of(report.cases.begin(), report.cases.end(), predicate); };
  if (report.interrupted) return Outcome::interrupted;
  if (!report.failure.empty()) return Outcome::environment;
  if (any([](const CaseReport& c) { return !c.wrong.empty(); })) return Outcome::wrong;
  if (report.suite_judgement.verdict == Verdict::regressed ||
      any([](const CaseReport& c) { return c.judgement.verdict == Verdict::regressed; }))
    return Outcome::regressed;
  if (any([](const CaseReport& c) { return c.judgement.verdict == Verdict::inconclusive; }))
    return Outcome::inconclusive;
  return Outcome::passed;
}

int exit_code(Outcome outcome, bool inconclusive_passes) {
  switch (outcome) {
    case Outcome::passed:
      return kExitGood;
    case Outcome::wrong:
      return kExitWrong;
    case Outcome::environment:
      return kExitEnvironment;
    case Outcome::regressed:
      return kExitRegressed;
    case Outcome::inconclusive:
      return inconclusive_passes ? kExitGood : kExitInconclusive;
    case Outcome::interrupted:
      break;
  }
  return kExitInterrupted;
}

}  // namespace attn::bench::gate
