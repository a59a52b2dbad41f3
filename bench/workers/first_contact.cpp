#include "workers/first_contact.hpp"

#include <fmt/format.h>

#include "base/stop.hpp"
#include "base/timing.hpp"
#include "cases/verify_problems.hpp"
#include "registry.hpp"

namespace attn::bench {
namespace {

constexpr double kMostSeconds = 1;
// Of a problem, as far as a kernel's patience goes: plain loops take less.
constexpr double kExpectedSeconds = 0.1;

}  // namespace

Failure FirstContact::failure_of(const Case& c) {
  const Problem asked = core_problem(c.workload);
  double& spent = spent_[{c.variant, c.threads}];
  for (const char* text : kVerifyProblems) {
    Workload small = parse_workload(text);
    if (small.is_layer() || small.problem.backward != asked.backward) continue;
    if (has_int8_kv(asked) && !may_have_int8_kv(small)) continue;
    small.problem.dtype = asked.dtype;
    small.problem.kv = asked.kv;
    small.problem.lse = small.problem.lse && asked.lse;
    if (asked.batch == 1) small.problem.batch = 1;
    if (asked.heads == 1) small.problem.heads = small.problem.kv_heads = 1;
    const Problem p = core_problem(small);
    if ((required_features(p) & ~required_features(asked)) != 0) continue;
    if (!why_not(*c.variant, p, c.threads).empty() || interrupted()) continue;
    const std::string name = to_string(small);
    const auto [met, is_new] = met_.try_emplace({c.variant, c.threads, name});
    if (is_new && spent < kMostSeconds) {
      const auto begin = Clock::now();
      met->second = failure_on(name, {c.variant, small, c.threads});
      spent += seconds_since(begin);
    }
    if (met->second) return met->second;
  }
  return {};
}

Failure FirstContact::failure_on(const std::string& problem, const Case& c) {
  const Worker::Prediction told = kernels_.predict(c);  // limits are known where the kernel is
  if (!told.refused.empty() || told.failure) return told.failure;
  try {
    set_current_activity(case_name(c));
    const CaseVerdict verdict = kernels_.trial_worker_of(c).prepare(case_name(c), kExpectedSeconds).verdict;
    if (verdict.passed || interrupted()) return {};
    return on_problem(verdict.why(), problem);
  } catch (const WorkerError& error) {
    return interrupted() ? Failure{} : on_problem(error.of_its_kernel(), problem);
  }
}

}  // namespace attn::bench
