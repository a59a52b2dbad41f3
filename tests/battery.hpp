// The battery: what every kernel must prove. variants_test runs it on the built-in kernels, which must pass
// all of it; mutants_test on deliberately wrong ones, which must fail some of it.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "check.hpp"
#include "grid.hpp"
#include "problem_text.hpp"
#include "variant.hpp"

namespace attn::test {

// A workload with its tensors and its oracle.
struct Fixture {
  Workload workload;
  std::uint64_t seed;
  Inputs inputs;
  Oracle oracle;

  const Problem& problem() const { return workload.problem; }
};

// Fixtures by workload, seed and placement, each made once and shared by all kernels.
class Fixtures {
 public:
  explicit Fixtures(Grid grid) : grid_(grid) {}
  Grid grid() const { return grid_; }
  // The dtype of the problems that the checks are about to make, and what their keys and values are.
  std::int32_t dtype() const { return dtype_; }
  std::int32_t kv() const { return kv_; }
  void set_elements(std::int32_t dtype, std::int32_t kv) { dtype_ = dtype, kv_ = kv; }
  const Fixture& get(const Workload& workload, std::uint64_t seed = 1, Placement placement = Placement::aligned);

 private:
  Grid grid_;
  std::int32_t dtype_ = ATTN_F32, kv_ = ATTN_KV_SAME;
  std::map<std::string, std::unique_ptr<Fixture>> made_;
};

// One property. `run` returns what was wrong, with a text that reproduces it; empty when the kernel has the
// property.
struct Check {
  const char* name;
  const char* property;
  std::string (*run)(const Variant&, Fixtures&);
};

std::span<const Check> battery();

// The dtypes that a kernel computes.
std::vector<std::int32_t> dtypes_of(const Variant& variant);

// A check in all of them, and again with keys and values of int8 where the kernel takes these.
std::string run_in_each_dtype(const Check& check, const Variant& variant, Fixtures& fixtures);

}  // namespace attn::test
