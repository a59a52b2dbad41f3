#include "results/context_keys.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "machine/machine.hpp"

namespace attn::bench {
namespace {

// A star stands for whatever follows: an ISA and a team.
const std::set<std::string>& keys() {
  static const std::set<std::string> keys = [] {
    std::set<std::string> all = {
        // Of a run; whatever else one writes must stand here too, which tests/files_test.sh demands.
        "attnbench_*", "benchmarks", "command", "crashed_once", "plugin_arguments", "plugins", "seed", "skipped",
        "slowdown", "sweep", "sweeps", "tensors", "tensors_dtype", "tensors_hash",
        // machine/ceilings.hpp; as older files have them, which the report reads, too.
        "ceilings", "amx_bf16_peak_*", "exp2_rate_*", "fma_peak_*", "read_bandwidth_*",
        // Google Benchmark's, those of later versions too.
        "caches", "cpu_scaling_enabled", "date", "executable", "host_name", "json_schema_version", "library_build_type",
        "library_version", "load_avg", "mhz_per_cpu", "num_cpus"};
    for (const auto& [key, value] : machine_facts()) all.insert(key);
    return all;
  }();
  return keys;
}

}  // namespace

bool is_reserved_context_key(std::string_view key) {
  return std::any_of(keys().begin(), keys().end(), [&](std::string_view reserved) {
    return reserved.back() == '*' ? key.rfind(reserved.substr(0, reserved.size() - 1), 0) == 0 : key == reserved;
  });
}

std::string reserved_context_keys() { return fmt::format("{}", fmt::join(keys(), ", ")); }

}  // namespace attn::bench
