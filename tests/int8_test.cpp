// Keys and values of int8: the format, what is computed from it, what quantising costs, and what is refused.
#include <cmath>
#include <limits>
#include <vector>

#include "attention.hpp"
#include "catch.hpp"
#include "check.hpp"
#include "measure/workbench.hpp"
#include "quantisation.hpp"
#include "registry.hpp"
#include "run.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float scale_at(const TensorView& scales, std::int64_t h, std::int64_t j) { return *row_of<float>(scales, 0, h, j); }

// The tensors of a problem of one head whose rows have one element each.
void set_column(const TensorView& t, const TensorView& scales, const std::vector<std::pair<int, float>>& rows) {
  for (std::size_t j = 0; j < rows.size(); ++j) {
    *row_of<Int8>(t, 0, 0, static_cast<std::int64_t>(j)) = {static_cast<std::int8_t>(rows[j].first)};
    *row_of<float>(scales, 0, 0, static_cast<std::int64_t>(j)) = rows[j].second;
  }
}

// k or v: numbers, what they are quantised to, and the scales.
struct Side {
  TensorView numbers, whole, scales;
};

std::vector<const Variant*> int8_rows() {
  std::vector<const Variant*> rows;
  for (const Variant* row : runnable(variant_table()))
    if (row->features & ATTN_TAKES_KV_INT8) rows.push_back(row);
  REQUIRE(rows.size() >= 2);
  return rows;
}

}  // namespace

TEST_CASE("a row is quantised by its largest element", "[int8]") {
  const float x[] = {-2.54f, 1.27f, 0.03f, 0.02f, 0};
  Int8 n[5];
  const float scale = quantise(x, 5, n);
  CHECK(scale == 2.54f / 127);
  CHECK(n[0].value == -127);
  CHECK((n[1].value == 63 || n[1].value == 64));  // 63.5, but for the rounding of the quotient
  CHECK((n[2].value == 1 || n[2].value == 2));
  CHECK(n[3].value == 1);
  CHECK(n[4].value == 0);
}

TEST_CASE("every scale is positive and finite, of zeros 1", "[int8]") {
  Int8 n[2];
  const float zeros[] = {0, -0.0f};
  CHECK(quantise(zeros, 2, n) == 1);
  CHECK((n[0].value == 0 && n[1].value == 0));
  constexpr float kLeast = std::numeric_limits<float>::denorm_min();
  const float tiny[] = {3 * kLeast, -kLeast};
  CHECK(quantise(tiny, 2, n) == kLeast);
  CHECK((n[0].value == 3 && n[1].value == -1));
  const float huge[] = {std::numeric_limits<float>::max(), 1};
  const float scale = quantise(huge, 2, n);
  CHECK(std::isfinite(scale));
  CHECK((n[0].value == 127 && n[1].value == 0));
}

TEST_CASE("inputs of int8 are those of the same seed, quantised", "[int8]") {
  const auto fill = GENERATE("normal", "peaked", "needle", "denormal", "one_hot", "ascending", "constant");
  const auto dtype = GENERATE("f32", "bf16", "f16");
  const std::string text = std::string("b:1/h:4/hkv:2/q:5/k:33/d:24/dv:20/dtype:") + dtype + "/fill:" + fill;
  CAPTURE(text);
  const Workload plain = parse_workload(text), quantised = parse_workload(text + "/kv:int8/layout:bshd");
  const Inputs before(plain.problem, plain.setup, 5), after(quantised.problem, quantised.setup, 5);
  const Tensors &t = before.tensors(), &n = after.tensors();
  CHECK(n.k.dtype == kInt8Dtype);
  CHECK(n.q.dtype == t.q.dtype);
  for_each_element(t.q, [&](float& x, auto b, auto h, auto i, auto d) { CHECK(element_at(n.q, b, h, i, d) == x); });
  for (const Side& side : {Side{t.k, n.k, n.k_scale}, Side{t.v, n.v, n.v_scale}}) {
    CHECK(side.scales.shape == shape_scale(quantised.problem));
    std::vector<float> largest(static_cast<std::size_t>(2 * 33));
    for_each_element(side.numbers, [&](float& x, auto b, auto h, auto j, auto d) {
      const double scale = scale_at(side.scales, h, j), number = element_at(side.whole, b, h, j, d);
      CHECK(scale > 0);
      CHECK(std::fabs(number) <= 127);
      // Half a step; the scale and the quotient are rounded, and below the normal numbers coarsely.
      const double slack = scale * 1e-4 + 64 * double{std::numeric_limits<float>::denorm_min()};
      CHECK(std::fabs(scale * number - x) <= scale / 2 + slack);
      largest[h * 33 + j] = std::max(largest[h * 33 + j], std::fabs(static_cast<float>(number)));
    });
    for (std::int64_t row = 0; row < 2 * 33; ++row) {
      const float scale = scale_at(side.scales, row / 33, row % 33);
      if (scale > 0x1p-126f) CHECK((largest[row] == 127 || (largest[row] == 0 && scale == 1)));
    }
  }
}

TEST_CASE("the hash of inputs changes with every scale and number", "[int8]") {
  const Inputs inputs(parse_problem("b:2/h:2/q:3/d:5/kv:int8"), {}, 1);
  const Tensors& t = inputs.tensors();
  const std::uint64_t before = inputs.hash();
  for (const TensorView& scales : {t.k_scale, t.v_scale})
    for_each_element(scales, [&](float& x, auto...) {
      const float saved = std::exchange(x, x + 1);
      CHECK(inputs.hash() != before);
      x = saved;
    });
  CHECK(inputs.hash() == before);
  for (const TensorView& numbers : {t.k, t.v})
    for_each_element(numbers, [&](float& x, auto b, auto h, auto j, auto d) {
      set_element(numbers, b, h, j, d, x > 0 ? -3 : 3);
      CHECK(inputs.hash() != before);
      set_element(numbers, b, h, j, d, x);
    });
  CHECK(inputs.hash() == before);
}

TEST_CASE("the oracle, and every kernel of int8, compute the formula", "[int8]") {
  // q = 2; keys 3 x 0.5 and -4 x 0.25, values 100 x 0.01 and -50 x 0.02: scores 3 and -2, values 1 and -1.
  const Problem p = parse_problem("h:1/q:1/k:2/d:1/lse:1/kv:int8");
  const Inputs inputs(p, {}, 1);
  const Tensors& t = inputs.tensors();
  set_element(t.q, 0, 0, 0, 0, 2);
  set_column(t.k, t.k_scale, {{3, 0.5f}, {-4, 0.25f}});
  set_column(t.v, t.v_scale, {{100, 0.01f}, {-50, 0.02f}});
  const double sum = std::exp(3) + std::exp(-2), o = (std::exp(3) - std::exp(-2)) / sum;
  const Oracle oracle = make_oracle(p, t, 1);
  CHECK(oracle.expected.o[0] == Approx(o).epsilon(1e-7));  // 0.01 and 0.02 are not exact in f32
  CHECK(oracle.expected.lse[0] == Approx(std::log(sum)).epsilon(1e-12));
  for (const Variant* row : int8_rows()) {
    const AlignedBuffer workspace(workspace_bytes(*row, p, 1));
    inputs.poison_outputs();
    run(*row, p, t, 1, workspace.bytes());
    CAPTURE(row->name, row->isa);
    CHECK(element_at(t.o, 0, 0, 0, 0) == Approx(o).epsilon(1e-6));
    CHECK(*t.lse == Approx(std::log(sum)).epsilon(1e-6));
    CHECK(check(oracle, t).passed);
  }
}

TEST_CASE("the oracle of int8 is that of the numbers that it stands for", "[int8]") {
  const auto text = GENERATE("b:2/h:4/hkv:2/q:9/k:33/d:20/dv:12/mask:causal/lse:1", "h:2/q:3/k:40/d:8/softcap:3");
  const Problem p = parse_problem(std::string(text) + "/kv:int8"), plain = parse_problem(text);
  const Inputs inputs(p, {.layout = Layout::bshd}, 2), numbers(plain, {}, 2);
  const Tensors &t = inputs.tensors(), &x = numbers.tensors();
  // Scales that are powers of two, so that their products are exact in f32, too.
  for (const TensorView& scales : {t.k_scale, t.v_scale})
    for_each_element(scales, [](float& scale, auto...) { scale = std::exp2(std::round(std::log2(scale))); });
  for (const Side& side : {Side{x.k, t.k, t.k_scale}, Side{x.v, t.v, t.v_scale}})
    for_each_element(side.numbers, [&](float& y, auto b, auto h, auto j, auto d) {
      y = element_at(side.whole, b, h, j, d) * *row_of<float>(side.scales, b, h, j);
    });
  const std::vector<Row> rows = all_rows(p);
  const ReferenceRows<double> a = reference<double>(p, t, rows), b = reference<double>(plain, x, rows);
  CHECK(a.o == b.o);
  CHECK(a.lse == b.lse);
  const ReferenceRows<float> c = reference<float>(p, t, rows), d = reference<float>(plain, x, rows);
  CHECK(c.o == d.o);
}

TEST_CASE("what quantising changed is told beside the error, and is 0 where it changed nothing", "[int8]") {
  const Workload w = parse_workload("h:4/hkv:2/q:3/k:200/d:64/kv:int8");
  bench::Workbench bench(1);
  const bench::PreparedCase& prepared = bench.prepare({find_native(variant_table(), "naive"), w, 1});
  const Verdict& verdict = prepared.verdict();
  CHECK(verdict.passed);
  CHECK(verdict.max_scaled_err < 1e-6);
  CHECK(verdict.quantisation_err > 1e-4);
  CHECK(verdict.quantisation_err < 2e-2);
  CHECK(verdict.quantisation_err == Approx(verdict.format_err).epsilon(1e-3));
  CHECK(bench.prepare({find_native(variant_table(), "naive"), parse_workload("h:2/q:3/d:8"), 1})
            .verdict()
            .quantisation_err == 0);

  // Whole numbers with a 127 in every row have the scale 1 and are kept.
  const Problem plain = unquantised(w.problem);
  const Inputs whole(plain, {}, 1), inputs(w.problem, {}, 1);
  const Tensors &x = whole.tensors(), &n = inputs.tensors();
  for (const Side& side : {Side{x.k, n.k, n.k_scale}, Side{x.v, n.v, n.v_scale}}) {
    for_each_element(side.numbers,
                     [](float& y, auto, auto, auto, std::int64_t d) { y = d == 7 ? 127 : std::round(9 * y); });
    for (std::int64_t h = 0; h < 2; ++h)
      for (std::int64_t j = 0; j < 200; ++j)
        *row_of<float>(side.scales, 0, h, j) =
            quantise(row_of<float>(side.numbers, 0, h, j), 64, row_of<Int8>(side.whole, 0, h, j));
  }
  Oracle oracle = make_oracle(w.problem, inputs.tensors(), 1);
  add_unquantised(oracle, whole.tensors());
  CHECK(oracle.quantisation_err == 0);
  CHECK(oracle.unquantised_o == oracle.expected.o);
}

TEST_CASE("a scale that is not positive and finite is refused with its head and token", "[int8]") {
  const float bad = GENERATE(0.0f, -0.0f, -0.5f, kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN());
  const bool of_k = GENERATE(true, false);
  const Problem p = parse_problem("b:2/h:4/hkv:2/q:3/k:7/d:8/kv:int8");
  const Inputs inputs(p, {}, 1);
  const Tensors& t = inputs.tensors();
  *row_of<float>(of_k ? t.k_scale : t.v_scale, 1, 0, 5) = bad;
  const std::string message = rejection([&] {
    attention(t.q, t.k, t.v, t.o,
              {.k_scale = static_cast<float*>(t.k_scale.data), .v_scale = static_cast<float*>(t.v_scale.data)});
  });
  CAPTURE(message);
  CHECK(contains(message, std::string(of_k ? "k" : "v") + "_scale of batch 1, kv head 0, token 5 is "));
  CHECK(contains(message, "valid: positive finite numbers"));
  CHECK(rejection([&] { validate_given(t, p); }) == message);
}

TEST_CASE("attention() takes int8 with its scales", "[int8]") {
  const auto dtype = GENERATE("f32", "bf16", "f16");
  const Problem p = parse_problem(std::string("b:2/h:4/hkv:2/q:3/k:70/d:40/mask:causal/lse:1/kv:int8/dtype:") + dtype);
  const Inputs inputs(p, {.layout = Layout::bshd}, 1);
  const Tensors& t = inputs.tensors();
  attention(t.q, t.k, t.v, t.o,
            {.causal = true,
             .lse = t.lse,
             .k_scale = static_cast<float*>(t.k_scale.data),
             .v_scale = static_cast<float*>(t.v_scale.data)});
  CHECK(check(make_oracle(p, t, 1), t).failure == "");
}

TEST_CASE("attention() refuses int8 that does not fit, and says what", "[int8]") {
  const auto [message, plant] = GENERATE(table<std::string, void (*)(Tensors&, AttentionOptions&)>({
      {"k_scale is missing: int8 needs a scale of every token and kv head, [2, 2, 7] in f32",
       [](Tensors&, AttentionOptions& o) { o.k_scale = nullptr; }},
      {"v_scale is missing", [](Tensors&, AttentionOptions& o) { o.v_scale = nullptr; }},
      {"v has dtype f32; valid: int8", [](Tensors& t, AttentionOptions&) { t.v.dtype = ATTN_F32; }},
      {"v_scale is given, which keys and values of f32 do not have",
       [](Tensors& t, AttentionOptions& o) {
         t.k = t.v = t.q;
         t.k.shape = t.v.shape = {2, 4, 3, 8};
         o.k_scale = nullptr;
       }},
      {"v_scale is not aligned to its 4-byte elements",
       [](Tensors&, AttentionOptions& o) {
         o.v_scale = reinterpret_cast<const float*>(reinterpret_cast<const char*>(o.v_scale) + 1);
       }},
      {"o at ", [](Tensors& t, AttentionOptions& o) { o.v_scale = static_cast<float*>(t.o.data); }},
      {"kv:int8 is a cache that is read, and drops no weights: dropout=0.5",
       [](Tensors&, AttentionOptions& o) { o.dropout = 0.5; }},
      {"flash does not support: kv_int8", [](Tensors&, AttentionOptions& o) { o.variant = "flash"; }},
      {"dtype=256 is not known", [](Tensors& t, AttentionOptions&) { t.q.dtype = kInt8Dtype; }},
  }));
  const Problem p = parse_problem("b:2/h:4/hkv:2/q:3/k:7/d:8/kv:int8");
  const Inputs inputs(p, {}, 1);
  Tensors t = inputs.tensors();
  AttentionOptions options{.k_scale = static_cast<float*>(t.k_scale.data),
                           .v_scale = static_cast<float*>(t.v_scale.data)};
  set_all(t.o, 1);  // positive, where it is taken for scales
  plant(t, options);
  const std::string actual = rejection([&] { attention(t.q, t.k, t.v, t.o, options); });
  CAPTURE(message, actual);
  CHECK(contains(actual, message));
}

TEST_CASE("the backward pass has no int8", "[int8]") {
  const Problem p = parse_problem("h:2/q:3/d:8/pass:bwd");
  const Inputs inputs(p, {}, 1), quantised(parse_problem("h:2/q:3/d:8/kv:int8"), {}, 1);
  const Tensors &t = inputs.tensors(), &n = quantised.tensors();
  CHECK(contains(rejection([&] {
                   attention_backward({t.q, n.k, n.v, t.o, t.lse, t.do_, t.dq, t.dk, t.dv},
                                      {.k_scale = static_cast<float*>(n.k_scale.data),
                                       .v_scale = static_cast<float*>(n.v_scale.data)});
                 }),
                 "kv:int8 is a cache that is read, and has no backward pass"));
}

TEST_CASE("scales are contiguous", "[int8]") {
  const Problem p = parse_problem("h:2/q:3/k:7/d:8/kv:int8");
  const Inputs inputs(p, {}, 1);
  Tensors t = inputs.tensors();
  t.k_scale.stride = {28, 14, 2, 1};
  const Variant& naive = *find_native(variant_table(), "naive");
  const AlignedBuffer workspace(workspace_bytes(naive, p, 1));
  CHECK(contains(rejection([&] { prepare(naive, p, t, 1, workspace.bytes()); }),
                 "k_scale has strides [28, 14, 2, 1]; valid: [14, 7, 1, 1]"));
  const Args args = prepare(naive, p, inputs.tensors(), 1, workspace.bytes());
  CHECK(args.k_scale == inputs.tensors().k_scale.data);
  CHECK(args.v_scale == inputs.tensors().v_scale.data);
}

}  // namespace attn::test
