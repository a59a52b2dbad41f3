// What wrong outputs are said to look like: the mutants have the faults.
#include "measure/diagnosis.hpp"
#include "catch.hpp"
#include "measure/workbench.hpp"
#include "mutant_tables.hpp"
#include "registry.hpp"
#include "support.hpp"

namespace attn::bench {
namespace {

using test::contains;

// Of a mutant on a problem that it computes wrongly.
std::string diagnosis_of(const char* mutant, const char* problem, int threads = 1) {
  Workbench bench(1);
  const Case c{find_native(mutant_table(), mutant), parse_workload(problem), threads};
  const CaseVerdict& verdict = bench.prepare(c).verdict();
  CHECK(!verdict.passed);
  CHECK(contains(verdict.why().text, verdict.failure));
  CHECK(contains(verdict.why().text, verdict.diagnosis));
  return verdict.diagnosis;
}

struct Fault {
  const char* mutant;
  const char* problem;
  const char* diagnosis;  // a part of it
};

// In the smallest way: with each fault alone.
constexpr Fault kFaults[] = {
    {"top_left_causal", "h:2/q:33/k:60/d:16/mask:causal", "it looks top-left"},
    {"top_left_causal", "b:2/h:4/hkv:2/q:60/k:33/d:16/mask:causal/lse:1/dropout:0.2", "it looks top-left"},
    {"top_left_causal", "h:2/q:33/k:300/d:16/window:20,9/layout:bshd", "it looks top-left"},
    {"mask_off_by_one", "h:2/q:60/d:16/mask:causal", "causal looks off by one: a query sees a key too many"},
    {"window_left_ignored", "h:2/q:60/d:16/window:9,3", "window_left looks ignored"},
    {"window_right_as_causal", "h:2/q:60/d:16/window:9,3", "window_right looks taken for 0"},
    {"missing_scale", "h:2/q:60/d:16/mask:causal", "softmax_scale looks missing"},
    {"missing_scale", "h:2/q:60/d:48/lse:1/fill:peaked", "softmax_scale looks missing"},
    {"wrong_kv_head", "h:8/hkv:4/q:40/d:16", "h % kv_heads"},
    {"softcap_ignored", "h:2/q:60/d:16/softcap:1", "softcap looks ignored"},
    {"softcap_clamped", "h:2/q:60/d:16/softcap:1", "cut off at softcap"},
    {"softcap_not_multiplied", "h:2/q:60/d:16/softcap:3", "tanh looks not multiplied"},
    {"dropout_ignored", "h:2/q:60/d:16/dropout:0.2", "dropout looks ignored"},
    {"dropout_not_scaled", "h:2/q:60/d:16/dropout:0.2", "not multiplied by 1 / (1 - p)"},
    {"dropout_normalised_after", "h:2/q:60/d:16/dropout:0.2", "dropped before they are summed"},
    {"dropout_same_in_batches", "b:2/h:2/q:60/d:16/dropout:0.2", "to drop the weights of batch 0"},
    {"unnormalised", "h:2/q:60/d:16", "not divided by the sum"},
    {"dropped_tail", "h:2/q:30/k:63/d:16", "do not fill a block of 4"},
    {"dropped_features", "h:2/q:60/d:18", "left out of q.k, those that do not fill a block of 4"},
    {"ignores_strides", "h:2/q:60/d:16/layout:bshd", "the strides of k look ignored"},
    {"swapped_heads", "h:3/q:40/d:16", "head 0 of o holds what belongs to head 2"},
    {"stale_output", "h:2/q:40/d:16", "o is not written in 1 of 80 rows, the first is b=0, h=1, q=39"},
    {"first_batch_only", "b:2/h:2/q:40/d:16", "o is not written in 80 of 160 rows, the first is b=1, h=0, q=0"},
    {"accumulates_into_output", "h:2/q:40/d:16", "o is never written, or added to what it held"},
    {"no_rescale", "h:2/q:60/d:16/fill:ascending", ""},
    {"scale_off_slightly", "h:3/q:17/k:3/d:3/mask:causal/lse:1", "o is nearly right, within 4 times its tolerance"},
    {"int8_k_scale_of_neighbour", "h:2/q:40/d:16/kv:int8", "scales of k look taken from the key before"},
    {"int8_k_scale_ignored", "h:2/q:40/d:16/kv:int8", "scales of k look ignored"},
    {"int8_v_scale_ignored", "h:2/q:40/d:16/kv:int8", "scales of v look ignored"},
    {"int8_v_scale_of_head_0", "h:2/q:40/d:16/kv:int8", "scales of v look taken from kv head 0"},
    {"int8_v_scale_in_sum", "h:2/q:40/d:16/kv:int8", "scales of v look multiplied into the sum"},
    {"int8_unsigned", "h:2/q:40/d:16/kv:int8", "int8 looks read as unsigned"},
    {"backward_accumulates", "h:2/q:40/d:16/pass:bwd", "never written, or added to what it held: dq, dk, dv"},
    {"backward_lse_ignored", "h:2/q:40/d:16/pass:bwd", ""},
    {"lse_base2", "h:2/q:40/d:16/lse:1", "lse looks to be to base 2"},
    {"lse_without_max", "h:2/q:40/d:16/lse:1", "lse looks to leave out the row's maximum"},
    {"empty_row_lse_zero", "h:2/q:40/k:20/d:16/mask:causal/lse:1", "only rows that see no key are wrong"},
    {"empty_row_nan", "h:2/q:40/k:20/d:16/mask:causal/lse:1", "only rows that see no key are wrong"},
    {"backward_missing_scale", "h:2/q:40/d:16/pass:bwd", "dk is off by a factor of 4: softmax_scale missing?"},
    {"backward_scale_of_dq", "h:2/q:40/d:16/pass:bwd", "dq is off by a factor of 0.25: softmax_scale applied twice?"},
    {"backward_mask_ignored", "h:2/q:40/d:16/mask:causal/pass:bwd", "the mask looks ignored"},
    {"backward_dropout_not_in_dv", "h:2/q:40/d:16/dropout:0.2/pass:bwd", "dq and dk are right, dv wrong"},
};

// A right kernel whose output is then changed.
std::string diagnosis_of_change(const char* problem, void (*change)(const Problem&, const Tensors&)) {
  const Workload w = parse_workload(problem);
  const Inputs inputs(w.problem, w.setup, 1);
  const Variant& naive = *find_native(variant_table(), "naive");
  const AlignedBuffer workspace(workspace_bytes(naive, w.problem, 1));
  const Oracle oracle = make_oracle(w.problem, inputs.tensors(), 1);
  run(naive, w.problem, inputs.tensors(), 1, workspace.bytes());
  CHECK(check(oracle, inputs.tensors()).passed);
  change(w.problem, inputs.tensors());
  CHECK(!check(oracle, inputs.tensors()).passed);
  return diagnose(oracle, inputs.tensors());
}

}  // namespace

TEST_CASE("the outputs of a mutant look like its fault", "[diagnosis]") {
  for (const Fault& fault : kFaults) {
    CAPTURE(fault.mutant, fault.problem);
    const std::string diagnosis = diagnosis_of(fault.mutant, fault.problem);
    CAPTURE(diagnosis);
    CHECK(contains(diagnosis, fault.diagnosis));
    CHECK((*fault.diagnosis != '\0' || !contains(diagnosis, "looks")));
  }
}

TEST_CASE("a right kernel has no diagnosis", "[diagnosis]") {
  Workbench bench(1);
  const CaseVerdict& verdict =
      bench.prepare({find_native(mutant_table(), "control"), parse_workload("h:2/q:40/k:60/d:16/mask:causal/lse:1"), 1})
          .verdict();
  CHECK(verdict.passed);
  CHECK(verdict.diagnosis.empty());
}

TEST_CASE("outputs that were never written, scaled or partly wrong are told", "[diagnosis]") {
  CHECK(diagnosis_of_change("h:2/q:20/d:16/lse:1", [](const Problem& p, const Tensors& t) {
          poison({reinterpret_cast<std::byte*>(t.lse), static_cast<std::size_t>(p.heads * p.seqlen_q) * 4});
        }) == "lse is never written");
  CHECK(diagnosis_of_change("h:2/q:20/d:16", [](const Problem&, const Tensors& t) {
          test::for_each_element(t.o, [](float& x, auto...) { x *= 0.5f; });
        }) == "o is off by a factor of 0.5");
  CHECK(diagnosis_of_change("h:2/q:20/d:16/dtype:bf16", [](const Problem&, const Tensors& t) {
          test::for_each_element(t.o, [](float& x, auto...) { x *= 2; });
        }) == "o is off by a factor of 2");
  CHECK(diagnosis_of_change("h:2/q:20/d:16", [](const Problem&, const Tensors& t) {
          test::for_each_element(t.o, [](float& x, std::int64_t, std::int64_t, std::int64_t, std::int64_t d) {
            if (d >= 12) x = static_cast<float>(d);
          });
        }) == "only features from 12 on are wrong");
  CHECK(diagnosis_of_change("h:2/q:20/d:16", [](const Problem&, const Tensors& t) {
          test::for_each_element(t.o, [](float& x, std::int64_t, std::int64_t, std::int64_t i, std::int64_t d) {
            if (i >= 16) x = static_cast<float>(d);
          });
        }) == "only rows from 16 on are wrong");
}

TEST_CASE("keys that are not there, with a score of 0, are counted", "[diagnosis]") {
  CHECK(diagnosis_of_change("h:2/q:20/d:16/lse:1", [](const Problem& p, const Tensors& t) {
          test::for_each_element(t.o, [&](float& x, std::int64_t, std::int64_t h, std::int64_t i, std::int64_t) {
            x /= 1 + 12 * std::exp(-t.lse[h * p.seqlen_q + i]);
          });
        }) == "it looks as if 12 more keys, with scores and values of 0, took part");
}

}  // namespace attn::bench
