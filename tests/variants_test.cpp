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
        const std::string failure = run_in_each_dtype(check, *row, fixtures);
        CHECK(failure == "");
      }
    }
}

TEST_CASE("a variant runs on every ISA of this machine that it was built for", "[variants]") {
  // An ISA that is silently never tested would be as good as untested: each one that runs here has rows.
  for (const Variant* row : variant_table())
    if (runs_here(isa_of(*row))) CHECK(find(runnable(variant_table()), row->name, isa_of(*row)) == row);
}

TEST_CASE("scores below any stand-in for no score still choose their largest", "[variants]") {
  // Tolerances are relative to the size of scores and would let anything pass here: the answer is exact, the first value.
  const Problem p = parse_problem("h:1/q:5/k:70/d:3");
  const Inputs inputs(p, {}, 1);
  set_all(inputs.tensors().q, 1e17f);
  for_each_element(inputs.tensors().k,
                   [](float& x, auto, auto, std::int64_t j, auto) { x = -1e17f * static_cast<float>(j + 1); });
  for (const Variant* row : runnable(variant_table())) {
    if (!why_not(*row, p, 1).empty()) continue;
    inputs.poison_outputs();
    const AlignedBuffer workspace(workspace_bytes(*row, p, 1));
    run(*row, p, inputs.tensors(), 1, workspace.bytes());
    CAPTURE(row->name, row->isa);
    for_each_element(inputs.tensors().o, [&](float& x, auto, auto, auto, std::int64_t d) {
      CHECK(x == row_of<float>(inputs.tensors().v, 0, 0, 0)[d]);
    });
  }
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
