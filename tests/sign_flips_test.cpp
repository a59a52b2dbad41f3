// Inputs whose signs turn: the outputs of right kernels follow them to the bit, and nothing is left of it.
#include "measure/sign_flips.hpp"

#include <random>

#include "catch.hpp"
#include "inputs.hpp"
#include "measure/layer_subject.hpp"
#include "measure/measurement.hpp"
#include "measure/workbench.hpp"
#include "mutant_tables.hpp"
#include "problem_text.hpp"
#include "registry.hpp"
#include "run.hpp"
#include "support.hpp"

namespace attn::bench {
namespace {

// Of `n` turns, a call after each.
void turn_and_call(const Variant& v, const Workload& w, int n) {
  const Inputs inputs(w.problem, w.setup, 3);
  const AlignedBuffer workspace(workspace_bytes(v, w.problem, 1));
  const auto call = [&] {
    inputs.poison_outputs();
    run(v, w.problem, inputs.tensors(), 1, workspace.bytes());
  };
  call();
  const std::vector<std::byte> expected = inputs.output_bits();
  const std::uint64_t hash = inputs.hash();
  SignFlips flips(w.problem, inputs.tensors());
  std::mt19937_64 random(7);
  CAPTURE(v.name, v.isa, to_string(w));
  for (int i = 0; i < n; ++i) {
    flips.turn(random);
    CHECK(inputs.hash() != hash);
    call();
    CHECK(inputs.output_bits() != expected);
  }
  flips.restore();
  CHECK(inputs.hash() == hash);
  CHECK(inputs.output_bits() == expected);
}

}  // namespace

TEST_CASE("outputs follow the signs of the inputs to the bit", "[sign_flips]") {
  int ran = 0;
  for (const Variant* v : variant_table())
    for (const char* text :
         {"h:1/q:9/d:16", "b:2/h:4/hkv:2/q:33/k:70/d:40/dv:24/mask:causal/lse:1", "h:3/q:20/k:5/d:64/mask:causal",
          "h:2/q:40/d:32/layout:packed/fill:integers", "h:2/q:30/d:24/fill:one_hot", "h:2/q:1/k:600/d:64/dropout:0.3",
          "h:4/hkv:2/q:3/k:600/d:40/mask:causal/dtype:bf16/kv:int8", "h:2/q:30/k:50/d:24/kv:int8/layout:bshd/lse:1",
          "b:2/h:4/hkv:2/q:33/k:70/d:40/dv:24/mask:causal/pass:bwd", "h:2/q:40/d:32/dropout:0.2/pass:bwd"}) {
      const Workload w = parse_workload(text);
      if (!runs_here(isa_of(*v)) || !why_not(*v, w.problem, 1).empty()) continue;
      turn_and_call(*v, w, 6);
      ++ran;
    }
  CHECK(ran > 0);
}

TEST_CASE("a place stays turned, however often others are", "[sign_flips]") {
  const Workload w = parse_workload("h:1/q:2/d:5");
  const Inputs inputs(w.problem, w.setup, 3);
  const std::uint64_t hash = inputs.hash();
  SignFlips flips(w.problem, inputs.tensors());
  std::mt19937_64 random(7);
  for (int i = 0; i < 10; ++i) {
    flips.turn(random);
    CHECK(inputs.hash() != hash);
  }
  flips.restore();
  CHECK(inputs.hash() == hash);
}

TEST_CASE("outputs of layers follow the signs of their weights to the bit", "[sign_flips]") {
  for (const char* layer : {"/layer:fused", "/layer:per_head", "/layer:single"})
    for (const char* pass : {"", "/pass:bwd", "/pass:both"})
      for (const char* shape :
           {"h:1/q:9/d:16", "b:2/h:4/hkv:2/q:33/d:8/mask:causal", "h:2/q:20/k:31/d:12/dropout:0.2"}) {
        Workload w;
        try {
          w = parse_workload(std::string(shape) + pass + layer);
        } catch (const std::invalid_argument&) {  // a single head has no others
          continue;
        }
        CAPTURE(to_string(w));
        LayerWorkload workload(w, 3);
        LayerSubject subject({find_native(variant_table(), w.problem.backward ? "naive_backward" : "naive"), w, 1},
                             workload);
        const auto call = [&] {
          subject.poison();
          subject.call();
        };
        call();
        const std::vector<std::byte> expected = subject.output_bits();
        std::mt19937_64 random(7);
        for (int i = 0; i < 5; ++i) {
          subject.change_inputs(random);
          call();
        }
        subject.restore_inputs();
        CHECK(subject.output_bits() == expected);
        CHECK(subject.check().passed);
        call();
        CHECK(subject.output_bits() == expected);
      }
}

TEST_CASE("kernels that remember do not get through in a layer", "[sign_flips]") {
  const auto measured = [](const char* name, const char* layer) {
    const auto table = all_mutants();
    const Case c{find_native(table, name), parse_workload(std::string("h:1/q:24/d:8/dmodel:8") + layer), 1};
    Workbench workbench(1);
    PreparedCase& prepared = workbench.prepare(c);
    bool passed = prepared.verdict().passed;
    for (int turn = 0; turn < 4 && passed; ++turn)
      passed = (turn % 2 == 0 ? measure_plainly(prepared, 5) : measure_with_ceilings(c, prepared, 5)).verdict.passed;
    return passed;
  };
  for (const char* layer : {"/layer:fused", "/layer:per_head", "/layer:single"}) {
    CAPTURE(layer);
    CHECK(measured("control", layer));
    for (const char* name : {"memo_in_place", "memo_of_packed_keys"}) {
      CAPTURE(name);
      CHECK(!measured(name, layer));
    }
  }
  CHECK(measured("control", "/pass:both/layer:fused"));
  for (const char* layer : {"/pass:bwd/layer:fused", "/pass:bwd/layer:single"}) {
    CAPTURE(layer);
    CHECK(measured("control_backward", layer));
    CHECK(!measured("memo_of_gradients", layer));
  }
}

TEST_CASE("before a backward pass alone, dy is never what it was", "[sign_flips]") {
  const Workload w = parse_workload("h:2/q:9/d:8/pass:bwd/layer:fused");
  LayerWorkload workload(w, 3);
  LayerSubject subject({find_native(variant_table(), "naive_backward"), w, 1}, workload);
  const std::vector<float> first = workload.inputs().dy.data;
  std::mt19937_64 random(7);
  for (std::vector<float> before = first; const int turn : {1, 2, 3, 4, 5, 6, 7, 8}) {
    CAPTURE(turn);
    subject.change_inputs(random);
    CHECK(workload.inputs().dy.data != first);
    CHECK(workload.inputs().dy.data != before);
    before = workload.inputs().dy.data;
  }
  subject.call();
  subject.restore_inputs();
  CHECK(workload.inputs().dy.data == first);
  CHECK(subject.check().passed);
}

}  // namespace attn::bench
