#include "workbench.hpp"

#include <algorithm>
#include <limits>

#include "stop.hpp"

namespace attn::bench {
namespace {

// Random interleaving returns to a workload again and again; this much of inputs and oracles is kept for it.
constexpr std::int64_t kKeptBytes = std::int64_t{2} << 30;

// Oracle and yardstick: o and abs_value in double and in float for every row that is checked.
std::int64_t oracle_bytes(const Problem& p) {
  const double share = static_cast<double>(oracle_flops(p)) / static_cast<double>(std::max<std::int64_t>(flops(p), 1));
  return static_cast<std::int64_t>(static_cast<double>(elements(shape_o(p))) * std::min(1.0, share) * 24);
}

std::int64_t workload_bytes(const Workload& w) { return inputs_bytes(w.problem) + oracle_bytes(w.problem); }

}  // namespace

PreparedWorkload::PreparedWorkload(const Workload& w, std::uint64_t seed)
    : workload(w),
      inputs(w.problem, w.setup, seed),
      hash(inputs.hash()),
      oracle(make_oracle(w.problem, inputs.tensors(), seed)) {}

PreparedCase::PreparedCase(const Case& c, PreparedWorkload& workload)
    : case_(c),
      workload_(workload),
      workspace_(attn::workspace_bytes(*c.variant, c.workload.problem, c.threads)),
      args_(attn::prepare(*c.variant, workload.workload.problem, workload.inputs.tensors(), c.threads,
                          workspace_.bytes())) {
  poison();
  call();
  judge();
  checked_ = outputs();
}

void PreparedCase::poison() const {
  workload_.inputs.poison_outputs();
  attn::poison(workspace_.bytes());
}

void PreparedCase::judge() {
  verdict_ = check(workload_.oracle, workload_.inputs.tensors(), case_.variant->error_multiple);
  if (workload_.inputs.hash() != workload_.hash) {
    verdict_.passed = false;
    verdict_.failure = "it wrote to q, k or v";
  }
}

void PreparedCase::check_again() {
  if (workload_.inputs.hash() == workload_.hash && outputs() == checked_) return;
  judge();
}

std::vector<std::byte> PreparedCase::outputs() const {
  std::vector<std::byte> bytes;
  for (const auto part : {workload_.inputs.output_bytes(), workload_.inputs.lse_bytes()})
    bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

PreparedCase& Workbench::prepare(const Case& c) {
  const std::string name = case_name(c);
  if (name != current_name_) {
    current_.reset();
    current_name_.clear();
    set_current_activity(name);
    current_.emplace(c, workload(c.workload));
    current_name_ = name;
  }
  return *current_;
}

std::int64_t Workbench::bytes_needed(const Case& c) {
  const Problem& p = c.workload.problem;
  const auto workspace = static_cast<double>(attn::workspace_bytes(*c.variant, p, c.threads));
  const double output = 2.0 * static_cast<double>(elements(shape_o(p)) * element_bytes(p));
  const double total = static_cast<double>(workload_bytes(c.workload)) + workspace + output;
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  return total >= static_cast<double>(kMax) ? kMax : static_cast<std::int64_t>(total);
}

PreparedWorkload& Workbench::workload(const Workload& w) {
  std::unique_ptr<PreparedWorkload>& kept = workloads_[to_string(w)];
  if (kept == nullptr) {
    if (kept_bytes_ + workload_bytes(w) > kKeptBytes) {
      for (auto& [name, other] : workloads_) other.reset();
      kept_bytes_ = 0;
    }
    kept = std::make_unique<PreparedWorkload>(w, seed_);
    kept_bytes_ += workload_bytes(w);
  }
  return *kept;
}

}  // namespace attn::bench
