// Kernels on units that few CPUs have, compiled with stand-ins in plain C++: dot_bf16 right on any machine, those on tiles on
// any with AVX-512 and, where the tile unit is, the same bits as on it.
#include "battery.hpp"
#include "catch.hpp"
#include "registry.hpp"
#include "run.hpp"

namespace attn {
std::span<const Variant* const> soft_table() noexcept;
}

namespace attn::test {

TEST_CASE("kernels on soft units pass the battery", "[soft]") {
  const std::vector<const Variant*> rows = runnable(soft_table());
  Fixtures fixtures(test_grid());
  for (const Check& check : battery()) DYNAMIC_SECTION(check.name << ": " << check.property) {
      for (const Variant* row : rows) {
        const std::string failure = run_in_each_dtype(check, *row, fixtures);
        CHECK(failure == "");
      }
    }
}

TEST_CASE("kernels on soft tiles give the bits of the tile unit", "[soft]") {
  for (const auto& [soft_name, hard_name] :
       {std::pair{"amx_soft", "amx_overlap"}, std::pair{"amx_soft_serial", "amx_serial"}}) {
    const Variant* soft = find(runnable(soft_table()), soft_name, Isa::avx512);
    const Variant* hard = find(runnable(variant_table()), hard_name, Isa::amx);
    if (soft == nullptr || hard == nullptr) continue;
    for (const char* text :
         {"b:2/h:4/hkv:2/q:70/k:150/d:72/dv:40/dtype:bf16/mask:causal/lse:1",
          "h:2/q:100/k:300/d:64/dtype:bf16/fill:steep", "h:1/q:33/k:600/d:128/dtype:bf16/window:90,5"}) {
      const Workload w = parse_workload(text);
      const Inputs inputs(w.problem, w.setup, 1);
      const auto bits = [&](const Variant& row) {
        AlignedBuffer workspace(workspace_bytes(row, w.problem, 1));
        inputs.poison_outputs();
        run(row, w.problem, inputs.tensors(), 1, workspace.bytes());
        return inputs.output_bits();
      };
      CAPTURE(hard_name, text);
      CHECK(bits(*soft) == bits(*hard));
    }
  }
}

}  // namespace attn::test
