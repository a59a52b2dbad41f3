// Every kernel of the table, on every ISA that this machine runs, through the whole battery.
#include "battery.hpp"
#include "catch.hpp"
#include "registry.hpp"
#include "run.hpp"
#include "support.hpp"

namespace attn::test {

TEST_CASE("every variant passes the battery on every ISA that runs here", "[variants]") {
  const std::vector<const Variant*> rows = runnable(variant_table());
  REQUIRE_FALSE(rows.empty());
  Fixtures fixtures(test_grid());
  for (const Check& check : battery()) DYNAMIC_SECTION(check.name << ": " << check.property) {
      for (const Variant* row : rows) {
        const std::string failure = check.run(*row, fixtures);
        CHECK(failure == "");
      }
    }
}

TEST_CASE("a variant runs on every ISA of this machine that it was built for", "[variants]") {
  // An ISA that is silently never tested would be as good as untested: each one that runs here has rows.
  for (const Variant* row : variant_table())
    if (runs_here(isa_of(*row))) CHECK(find(runnable(variant_table()), row->name, isa_of(*row)) == row);
}

TEST_CASE("split_kv gives the same bits for every team", "[variants]") {
  for (const Variant* row : runnable(variant_table())) {
    if (row->name != std::string_view("split_kv")) continue;
    for (const char* text : {"h:4/hkv:2/q:1/k:3000/d:33/lse:1", "b:2/h:2/q:70/k:900/d:16/mask:causal/lse:1"}) {
      const Workload w = parse_workload(text);
      const Inputs inputs(w.problem, w.setup, 1);
      const auto bits = [&](int threads) {
        AlignedBuffer workspace(workspace_bytes(*row, w.problem, threads));
        run(*row, w.problem, inputs.tensors(), threads, workspace.bytes());
        return inputs.output_bits();
      };
      CAPTURE(row->isa, text);
      CHECK(bits(1) == bits(2));
      CHECK(bits(1) == bits(5));
    }
  }
}

}  // namespace attn::test
