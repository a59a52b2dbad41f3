#include "calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "inputs.hpp"
#include "registry.hpp"
#include "run.hpp"
#include "stop.hpp"

namespace attn::bench {
namespace {

double measure(const Case& c, bool decode) {
  Problem p = parse_problem(decode ? "h:4/q:1/k:2048/d:64" : "h:2/q:192/d:64");
  const Problem asked = core_problem(c.workload);
  p.backward = asked.backward;
  if (!why_not(*c.variant, p, c.threads).empty()) p = asked;
  set_current_activity(fmt::format("calibrating {}/{} on {}", c.variant->name, c.variant->isa, to_string(p)));
  const Inputs inputs(p, {}, 1);
  const AlignedBuffer workspace(workspace_bytes(*c.variant, p, c.threads));
  const PreparedArgs prepared(*c.variant, prepare(*c.variant, p, inputs.tensors(), c.threads, workspace.bytes()));
  double fastest = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    prepared.run();
    fastest = std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return static_cast<double>(flops(p)) / fastest;
}

}  // namespace

double Calibration::flops_per_second(const Case& c) {
  const bool decode = is_decode(core_problem(c.workload));
  const auto [entry, inserted] = speeds_.try_emplace(std::tuple{c.variant, c.threads, decode}, 0.0);
  if (inserted) entry->second = measure(c, decode);
  return entry->second;
}

}  // namespace attn::bench
