// The backward pass and dropout: the oracle against differences of its own forward pass, the generator against its
// published answers, the verdict on planted faults, what is refused.
#include <cmath>
#include <cstring>
#include <numeric>

#include "attention.hpp"
#include "catch.hpp"
#include "check.hpp"
#include "dropout.hpp"
#include "inputs.hpp"
#include "registry.hpp"
#include "run.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using Words = std::array<std::uint32_t, 4>;

// A backward problem with its inputs.
struct Subject {
  Problem p;
  Inputs inputs;
  Tensors t;

  explicit Subject(std::string_view text, std::uint64_t seed = 5)
      : p(parse_problem(text)), inputs(p, {}, seed), t(inputs.tensors()) {}

  // sum of do * o, o in double: a loss whose gradient with respect to o is do.
  double loss() const {
    const std::vector<Row> rows = all_rows(p);
    const auto o = reference<double>(forward_of(p), t, rows).o;
    double sum = 0;
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (std::int64_t d = 0; d < p.value_dim; ++d)
        sum += row_of<float>(t.do_, rows[r].batch, rows[r].head, rows[r].index)[d] * o[r * p.value_dim + d];
    return sum;
  }
};

// The largest difference between a gradient and central differences of the loss, relative to the gradient's scale.
double worst_difference(const Subject& s, const TensorView& x, const std::vector<double>& gradient,
                        const std::vector<double>& scale) {
  constexpr float kStep = 1.0f / 256;
  double worst = 0;
  std::size_t e = 0;
  for_each_element(x, [&](float& element, auto...) {
    const float before = element;
    element = before + kStep;
    const double after_step = element, above = s.loss();
    element = before - kStep;
    const double difference = (above - s.loss()) / (after_step - element);
    element = before;
    worst = std::max(worst, std::fabs(difference - gradient[e]) / std::max(scale[e], 1e-3));
    ++e;
  });
  return worst;
}

void write(const TensorView& t, const std::vector<float>& values) {
  std::size_t e = 0;
  for_each_element(t, [&](float& x, auto...) { x = values[e++]; });
}

}  // namespace

TEST_CASE("Philox 4x32-10 gives its published answers", "[backward]") {
  CHECK(philox({0, 0, 0, 0}, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the dropout formula is the documented one", "[backward]") {
  const Problem p = parse_problem("h:8/q:9/d:1/dropout:0.25");
  const Dropout drop = make_dropout(p.dropout, 42, 0);
  CHECK(drop.threshold == 0x40000000);
  CHECK(drop.scale == 4.0f / 3);
  CHECK(make_dropout(0.9999999999, 0, 0).threshold == 0xffffffff);
  for (std::uint32_t j = 0; j < 20; ++j)
    CHECK(dropout_factor(drop, 2, 3, 7, j) == (philox({j / 4, 7, 3, 2}, 42)[j % 4] >= 0x40000000 ? 4.0f / 3 : 0.0f));
  int kept = 0;
  for (int i = 0; i < 100; ++i)
    for (int j = 0; j < 100; ++j) kept += dropout_factor(drop, 0, 0, i, j) > 0;
  CHECK(std::abs(kept - 7500) < 5 * 44);  // five deviations of a binomial
}

TEST_CASE("dropout in the oracle is the factor times the weights, and lse knows nothing of it", "[backward]") {
  const Subject s("b:2/h:2/q:5/k:7/d:4/pass:bwd/dropout:0.4");
  Problem whole = forward_of(s.p);
  whole.dropout = 0;
  const auto rows = all_rows(s.p);
  const auto dropped = reference<double>(forward_of(s.p), s.t, rows), full = reference<double>(whole, s.t, rows);
  CHECK(dropped.lse == full.lse);
  const Dropout drop = make_dropout(s.p.dropout, s.t.seed, 0);
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::int64_t d = 0; d < 4; ++d) {
      double sum = 0;
      for (std::int64_t j = 0; j < 7; ++j) {
        const float* q = row_of<float>(s.t.q, rows[r].batch, rows[r].head, rows[r].index);
        const float* k = row_of<float>(s.t.k, rows[r].batch, rows[r].head, j);
        const double score = std::inner_product(q, q + 4, k, 0.0) / 2;
        const bool keeps = dropout_factor(drop, rows[r].batch, rows[r].head, rows[r].index, j) > 0;
        sum += keeps / 0.6 * std::exp(score - full.lse[r]) * row_of<float>(s.t.v, rows[r].batch, rows[r].head, j)[d];
      }
      CHECK(std::fabs(dropped.o[r * 4 + d] - sum) < 1e-6);
    }
}

TEST_CASE("the oracle's gradients equal central differences of its forward pass", "[backward]") {
  const auto text = GENERATE("h:2/q:5/k:6/d:4/dv:3/pass:bwd", "b:2/h:4/hkv:2/q:4/k:5/d:3/mask:causal/pass:bwd",
                             "h:2/q:7/k:5/d:4/window:2,1/pass:bwd", "h:4/hkv:1/q:4/k:6/d:5/dropout:0.3/pass:bwd",
                             "h:2/q:6/k:3/d:4/mask:causal/dropout:0.5/pass:bwd");
  CAPTURE(text);
  const Subject s(text);
  const auto g = reference_gradients<double>(s.p, s.t, all_rows(s.p), all_keys(s.p));
  CHECK(worst_difference(s, s.t.q, g.dq, g.abs_dq) < 3e-5);
  CHECK(worst_difference(s, s.t.k, g.dk, g.abs_dk) < 3e-5);
  CHECK(worst_difference(s, s.t.v, g.dv, g.abs_dv) < 3e-5);
}

TEST_CASE("a row that sees no key and a key that no row sees have zero gradients", "[backward]") {
  const Subject rows("h:1/q:5/k:2/d:3/mask:causal/pass:bwd");  // positions -3 ... 1
  const auto g = reference_gradients<double>(rows.p, rows.t, all_rows(rows.p), all_keys(rows.p));
  for (int e = 0; e < 9; ++e) CHECK(g.dq[e] == 0);
  const Subject keys("h:1/q:2/k:9/d:3/window:1,0/pass:bwd");
  const auto h = reference_gradients<double>(keys.p, keys.t, all_rows(keys.p), all_keys(keys.p));
  for (int e = 0; e < 18; ++e) CHECK((h.dk[e] == 0 && h.dv[e] == 0));
}

TEST_CASE("pairs whose score is -inf are left out of the gradients", "[backward]") {
  // Keys 0 ... 2 are -inf: queries 0 ... 2 see nothing else. What is left is the problem without them.
  const Subject s("h:1/q:6/k:6/d:3/mask:causal/pass:bwd"), alone("h:1/q:3/k:3/d:3/mask:causal/pass:bwd");
  for_each_element(s.t.q, [](float& x, auto...) { x = std::fabs(x) + 0.1f; });
  for_each_element(s.t.k, [](float& x, auto, auto, std::int64_t j, auto) { x = j < 3 ? -INFINITY : x; });
  row_of<float>(s.t.do_, 0, 0, 1)[0] = NAN;  // of an empty row: reaches nothing
  s.inputs.update_forward();
  for (const auto tensor : {&Tensors::q, &Tensors::k, &Tensors::v, &Tensors::do_})
    for_each_element(alone.t.*tensor,
                     [&](float& x, auto b, auto h, auto i, auto d) { x = row_of<float>(s.t.*tensor, b, h, i + 3)[d]; });
  alone.inputs.update_forward();
  const auto g = reference_gradients<double>(s.p, s.t, all_rows(s.p), all_keys(s.p));
  const auto e = reference_gradients<double>(alone.p, alone.t, all_rows(alone.p), all_keys(alone.p));
  for (int x = 0; x < 9; ++x) {
    CHECK((g.dq[x] == 0 && g.dk[x] == 0 && g.dv[x] == 0));
    CHECK((g.dq[9 + x] == e.dq[x] && g.dk[9 + x] == e.dk[x] && g.dv[9 + x] == e.dv[x]));
  }
}

TEST_CASE("a planted fault in a gradient fails, named and finite", "[backward]") {
  struct Fault {
    const char* name;
    void (*plant)(const Tensors&);
  };
  const auto fault = GENERATE(values<Fault>({
      {"dq[b=0, h=1, q=4, d=2]", [](const Tensors& t) { row_of<float>(t.dq, 0, 1, 4)[2] += 1e-2f; }},
      {"dk[b=0, h=0, k=7, d=0]", [](const Tensors& t) { row_of<float>(t.dk, 0, 0, 7)[0] *= -1; }},
      {"dv[b=0, h=1, k=0, d=1]", [](const Tensors& t) { row_of<float>(t.dv, 0, 1, 0)[1] = NAN; }},
      {"dv[b=", [](const Tensors& t) { set_all(t.dv, 0); }},
      {"dk[b=", [](const Tensors& t) { for_each_element(t.dk, [](float& x, auto...) { x *= 1.001f; }); }},
  }));
  CAPTURE(fault.name);
  // Sampled or whole: these elements are always covered, the first and last rows and block edges being in each sample.
  const auto full_flops = GENERATE(kFullOracleFlops, std::int64_t{1});
  const Subject s("h:2/q:9/k:11/d:8/pass:bwd");
  const Oracle oracle = make_oracle(s.p, s.t, 1, full_flops);
  const auto yardstick = reference_gradients<float>(s.p, s.t, all_rows(s.p), all_keys(s.p));
  write(s.t.dq, yardstick.dq), write(s.t.dk, yardstick.dk), write(s.t.dv, yardstick.dv);
  REQUIRE(check(oracle, s.t).passed);
  fault.plant(s.t);
  const Verdict verdict = check(oracle, s.t);
  CHECK_FALSE(verdict.passed);
  CHECK(std::isfinite(verdict.max_scaled_err));
  CHECK(contains(verdict.failure, fault.name));
}

TEST_CASE("outside the sample a gradient must be written and finite", "[backward]") {
  const Subject s("h:1/q:3/k:2000/d:2/pass:bwd");
  const Oracle oracle = make_oracle(s.p, s.t, 1, 1);
  const auto yardstick = reference_gradients<float>(s.p, s.t, all_rows(s.p), all_keys(s.p));
  write(s.t.dq, yardstick.dq), write(s.t.dk, yardstick.dk), write(s.t.dv, yardstick.dv);
  REQUIRE(check(oracle, s.t).passed);
  std::int64_t key = 0;
  const auto sampled = [&] {
    return std::any_of(oracle.keys.begin(), oracle.keys.end(), [&](const Row& row) { return row.index == key; });
  };
  while (sampled()) ++key;
  float& x = row_of<float>(s.t.dk, 0, 0, key)[1];
  x = std::bit_cast<float>(kPoison);
  CHECK(contains(check(oracle, s.t).failure, "was not written"));
  x = NAN;
  CHECK(contains(check(oracle, s.t).failure, "is not finite"));
}

TEST_CASE("inputs of a backward pass hold the oracle's o and lse, and are watched", "[backward]") {
  const Subject s("b:2/h:4/hkv:2/q:5/k:7/d:6/mask:causal/pass:bwd/dropout:0.2", 9);
  CHECK(s.t.seed == 9);
  const auto expected = reference<double>(forward_of(s.p), s.t, all_rows(s.p));
  std::size_t e = 0;
  for_each_element(s.t.o, [&](float& x, auto...) { CHECK(x == static_cast<float>(expected.o[e++])); });
  for (std::size_t r = 0; r < expected.lse.size(); ++r) CHECK(s.t.lse[r] == static_cast<float>(expected.lse[r]));
  for (const TensorView* view : {&s.t.dq, &s.t.dk, &s.t.dv})
    for_each_element(*view, [](float& x, auto...) { CHECK(std::bit_cast<std::uint32_t>(x) == kPoison); });
  CHECK(s.inputs.outputs().size() == 3);
  const std::uint64_t before = s.inputs.hash();
  const Inputs copy = s.inputs.copy(s.p, {});
  CHECK(copy.hash() == before);
  for (float* x : {row_of<float>(s.t.do_, 1, 3, 4), row_of<float>(s.t.o, 0, 0, 0), s.t.lse + 7}) {
    const float value = *x;
    *x += 1;
    CHECK(s.inputs.hash() != before);
    *x = value;
  }
  set_all(s.t.dq, 1);
  CHECK(s.inputs.hash() == before);
}

TEST_CASE("a call for some heads of a layer drops what a call for all heads drops", "[backward]") {
  const Subject s("h:3/q:40/d:8/pass:bwd/dropout:0.5");
  attention(s.t.q, s.t.k, s.t.v, s.t.o, {.dropout = 0.5, .seed = 3});
  for (const char* variant : {"flash", "naive"})
    for (std::int64_t h = 0; h < 3; ++h) {
      std::vector<float> out(40 * 8);
      const auto head = [&](TensorView t) {
        t.data = row_of<float>(t, 0, h, 0);
        t.shape[1] = 1;
        return t;
      };
      attention(head(s.t.q), head(s.t.k), head(s.t.v), dense_view(out.data(), {1, 1, 40, 8}, Layout::bhsd),
                {.dropout = 0.5, .seed = 3, .first_head = h, .variant = variant});
      for (std::size_t e = 0; e < out.size(); ++e) CHECK(std::fabs(out[e] - row_of<float>(s.t.o, 0, h, 0)[e]) < 1e-5);
    }
}

TEST_CASE("FLOPs and bytes of a backward pass", "[backward]") {
  const Problem p = parse_problem("b:2/h:4/hkv:2/q:5/k:7/d:6/dv:3/mask:causal/pass:bwd");
  CHECK(flops(p) == 2 * 4 * visible_pairs(p) * (6 * 6 + 4 * 3));
  CHECK(minimal_bytes(p) == 4 * (2 * (2 * 4 * 5 + 2 * 2 * 7) * (6 + 3) + 2 * 4 * 5));
  CHECK(required_features(p) == (ATTN_CAUSAL | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_BACKWARD | ATTN_TAKES_F32));
  CHECK(required_features(parse_problem("h:1/q:1/d:1/dropout:0.1")) == (ATTN_DROPOUT | ATTN_TAKES_F32));
}

TEST_CASE("a pass is refused to kernels of the other, and a mask of dropout to kernels without", "[backward]") {
  const Variant& naive = *find_native(variant_table(), "naive");
  const Variant& backward = *find_native(variant_table(), "naive_backward");
  CHECK(contains(why_not(naive, parse_problem("h:1/q:1/d:1/pass:bwd"), 1), "does not support: backward"));
  CHECK(contains(why_not(backward, parse_problem("h:1/q:1/d:1"), 1), "computes the backward pass only"));
  const Variant& blocked = *find_native(variant_table(), "blocked");
  CHECK(contains(why_not(blocked, parse_problem("h:1/q:1/d:1/dropout:0.1"), 1), "does not support: dropout"));
}

TEST_CASE("a backward call with something missing or superfluous is refused", "[backward]") {
  const Subject s("h:2/q:3/k:4/d:5/pass:bwd");
  const Variant& kernel = *find_native(variant_table(), "naive_backward");
  const AlignedBuffer workspace(workspace_bytes(kernel, s.p, 1));
  const auto refusal = [&](auto&& edit) {
    Tensors t = s.t;
    edit(t);
    return rejection([&] { run(kernel, s.p, t, 1, workspace.bytes()); });
  };
  CHECK(refusal([](Tensors&) {}) == "");
  CHECK(contains(refusal([](Tensors& t) { t.lse = nullptr; }), "needs lse of the forward pass"));
  CHECK(contains(refusal([](Tensors& t) { t.do_.data = nullptr; }), "do has no data"));
  CHECK(contains(refusal([](Tensors& t) { t.dk.shape[2] = 3; }), "dk has shape [1, 2, 3, 5]"));
  CHECK(contains(refusal([](Tensors& t) { t.dv.stride[3] = 2; }), "dv has last stride 2"));
  const Variant& forward = *find_native(variant_table(), "online_softmax");
  Tensors t = s.t;
  t.lse = nullptr;
  CHECK(contains(rejection([&] { run(forward, parse_problem("h:2/q:3/k:4/d:5"), t, 1, {}); }),
                 "dq is given, which the forward pass"));
}

TEST_CASE("attention() and attention_backward() agree with the oracle", "[backward]") {
  const auto [text, options] = GENERATE(table<std::string, AttentionOptions>({
      {"b:2/h:4/hkv:2/q:9/k:17/d:8/dv:5/mask:causal/pass:bwd", {.causal = true}},
      {"h:2/q:70/d:16/dropout:0.3/pass:bwd", {.threads = 2, .dropout = 0.3, .seed = 5}},
      {"h:2/q:9/k:7/d:8/window:3,2/pass:bwd", {.window_left = 3, .window_right = 2, .variant = "naive_backward"}},
  }));
  CAPTURE(text);
  const Subject s(text);
  const Oracle oracle = make_oracle(s.p, s.t, 1);
  AttentionOptions forward = options;
  forward.variant = "";
  forward.lse = s.t.lse;
  attention(s.t.q, s.t.k, s.t.v, s.t.o, forward);
  attention_backward({s.t.q, s.t.k, s.t.v, s.t.o, s.t.lse, s.t.do_, s.t.dq, s.t.dk, s.t.dv}, options);
  CHECK(check(oracle, s.t).failure == "");
}

TEST_CASE("flash_backward needs no seqlen_q x seqlen_k of workspace", "[backward]") {
  const Problem p = parse_problem("h:1/q:16384/d:64/pass:bwd");
  const Variant& kernel = *find_native(variant_table(), "flash_backward");
  for (const int threads : {1, 4})
    CHECK(workspace_bytes(kernel, p, threads) < std::size_t{9} * sizeof(float) * threads * 16384 * 64);
}

TEST_CASE("flash_backward gives the same bits whenever a team works, with heads shared among threads", "[backward]") {
  const Variant& kernel = *find_native(variant_table(), "flash_backward");
  for (const char* text : {"h:1/q:300/k:1000/d:16/pass:bwd", "b:2/h:6/hkv:3/q:90/k:500/d:8/mask:causal/pass:bwd"})
    for (const int threads : {2, 3, 5}) {
      const Subject s(text);
      const Oracle oracle = make_oracle(s.p, s.t, 1);
      const AlignedBuffer workspace(workspace_bytes(kernel, s.p, threads));
      std::vector<std::byte> first;
      for (int repetition = 0; repetition < 20; ++repetition) {
        s.inputs.poison_outputs();
        poison(workspace.bytes());
        run(kernel, s.p, s.t, threads, workspace.bytes());
        if (first.empty()) first = s.inputs.output_bits();
        REQUIRE(s.inputs.output_bits() == first);
      }
      CHECK(check(oracle, s.t).failure == "");
    }
}

}  // namespace attn::test
