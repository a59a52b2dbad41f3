#include "measure/calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/errors.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"
#include "check.hpp"
#include "inputs.hpp"
#include "machine/openmp_team.hpp"
#include "measure/caller_state.hpp"
#include "measure/crash_place.hpp"
#include "registry.hpp"
#include "run.hpp"

namespace attn::bench {
namespace {

constexpr int kCalls = 3;
// FLOPs per second of plain loops on one core, low enough for any machine that this runs on.
constexpr double kSlowFlops = 1e9;

double measure(const Case& c, bool decode) {
  Problem p = parse_problem(decode ? "h:4/q:1/k:2048/d:64" : "h:2/q:192/d:64");
  const Problem asked = core_problem(c.workload);
  p.backward = asked.backward;
  p.dtype = asked.dtype;
  p.kv = asked.kv;
  if (!why_not(*c.variant, p, c.threads).empty()) p = asked;
  const Case calibrated{c.variant, {.problem = p}, c.threads};
  set_current_activity(case_name(calibrated));
  require_default_team();  // which fills the inputs
  form_team(c.threads);
  const Inputs inputs(p, {}, 1);
  const AlignedBuffer workspace(workspace_bytes(*c.variant, p, c.threads));
  const PreparedArgs prepared(*c.variant, prepare(*c.variant, p, inputs.tensors(), c.threads, workspace.bytes()));
  CallerState caller(c.threads);
  const CrashPlace place(calibrated, p, inputs.tensors(), workspace.bytes());
  const CallInProgress call(place);
  double fastest = 1e9;
  for (int i = 0; i < kCalls; ++i) fastest = std::min(fastest, seconds_of([&] { prepared.run(); }));
  caller.mend_changes();  // told of when the kernel makes them again, where it is checked
  return static_cast<double>(flops(p)) / fastest;
}

}  // namespace

double oracle_seconds(const Workload& w) {
  const Problem& p = w.problem;
  const double cores = std::max(1u, std::thread::hardware_concurrency());
  // Layers are compared with plain loops over all of their products, on one core.
  if (w.is_layer()) return static_cast<double>(flops(w)) / kSlowFlops;
  // Oracle and yardstick; of int8 two of these, and the oracle of what was quantised.
  const double passes = has_int8_kv(p) ? 4 : 2;
  return passes * static_cast<double>(oracle_flops(p)) / (kSlowFlops * cores) +
         3 * static_cast<double>(minimal_bytes(p)) / kFillBytes;
}

double Calibration::flops_per_second(const Case& c) {
  const Problem asked = core_problem(c.workload);
  const bool decode = is_decode(asked);
  const auto [entry, inserted] =
      speeds_.try_emplace(std::tuple{c.variant, c.threads, decode, asked.dtype, asked.kv}, 0.0);
  if (!inserted) return entry->second;
  entry->second = kSlowFlops;
  if (interrupted()) return kSlowFlops;
  try {
    entry->second = measure(c, decode);
  } catch (const EnvironmentError&) {
    throw;
  } catch (const std::runtime_error&) {  // from a kernel that cannot prepare itself
  }
  return entry->second;
}

}  // namespace attn::bench
