// The checker checked: what is right passes, each planted fault is refused.
#include "check.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "catch.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A problem whose outputs hold the f32 reference: right, until a test spoils them.
struct Subject {
  Problem p;
  Inputs inputs;
  Tensors t;
  Oracle oracle;

  explicit Subject(std::string_view text, std::int64_t full_flops = kFullOracleFlops)
      : p(parse_problem(text)), inputs(p, {}, 3), t(inputs.tensors()) {
    oracle = make_oracle(p, t, 3, full_flops);
    write_reference();
  }

  void write_reference() const {
    const auto rows = all_rows(p);
    const auto answer = reference<float>(p, t, rows);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      std::copy_n(&answer.o[r * p.value_dim], p.value_dim,
                  row_of<float>(t.o, rows[r].batch, rows[r].head, rows[r].index));
      if (t.lse) t.lse[r] = answer.lse[r];
    }
  }

  bool passes(double error_multiple = 1) const { return check(oracle, t, error_multiple).passed; }
  float& o(std::int64_t h, std::int64_t i, std::int64_t d) const { return row_of<float>(t.o, 0, h, i)[d]; }
};

constexpr auto kSmall = "h:2/q:9/k:11/d:8/lse:1";
// Long enough that most rows fall outside a sample.
constexpr auto kLong = "h:2/q:2000/k:3/d:2/lse:1";

// A query that the sample leaves out.
std::int64_t unsampled_query(const Subject& s) {
  for (std::int64_t i = 0; i < s.p.seqlen_q; ++i) {
    const auto is_i = [&](const Row& row) { return row.head == 1 && row.index == i; };
    if (std::none_of(s.oracle.rows.begin(), s.oracle.rows.end(), is_i)) return i;
  }
  throw std::logic_error("the sample covers every row");
}

struct Fault {
  const char* name;
  std::function<void(const Subject&)> plant;
};

std::ostream& operator<<(std::ostream& out, const Fault& fault) { return out << fault.name; }

}  // namespace

TEST_CASE("the f32 reference's own output passes", "[check]") {
  const auto text = GENERATE("h:2/q:9/k:11/d:8/lse:1", "h:1/q:1/k:1/d:1", "h:1/q:9/k:4/d:3/mask:causal/lse:1",
                             "b:2/h:4/hkv:2/q:33/k:65/d:16/window:3,5/lse:1");
  CAPTURE(text);
  const Subject s(text);
  const Verdict verdict = check(s.oracle, s.t);
  CHECK(verdict.passed);
  CHECK(verdict.failure.empty());
  CHECK(verdict.rows_checked == s.p.batch * s.p.heads * s.p.seqlen_q);
  CHECK(verdict.max_scaled_err <= s.oracle.yardstick_error);
  CHECK(verdict.max_scaled_err <= verdict.tolerance);
}

TEST_CASE("a planted fault fails, with a finite error and a place", "[check]") {
  const auto fault = GENERATE(values<Fault>({
      {"NaN", [](const Subject& s) { s.o(1, 4, 2) = kNan; }},
      {"+inf", [](const Subject& s) { s.o(0, 0, 0) = kInfinity; }},
      {"-inf", [](const Subject& s) { s.o(1, 8, 7) = -kInfinity; }},
      {"one element off by 1e-4", [](const Subject& s) { s.o(1, 4, 2) += 1e-4f; }},
      {"one element of the other sign", [](const Subject& s) { s.o(1, 4, 2) *= -1; }},
      {"swapped heads", [](const Subject& s) { std::swap_ranges(&s.o(0, 0, 0), &s.o(1, 0, 0), &s.o(1, 0, 0)); }},
      {"untouched output", [](const Subject& s) { s.inputs.poison_outputs(); }},
      {"all zero", [](const Subject& s) { set_all(s.t.o, 0); }},
      {"all NaN", [](const Subject& s) { set_all(s.t.o, kNan); }},
      {"wrong lse", [](const Subject& s) { s.t.lse[7] += 1e-4f; }},
      {"NaN lse", [](const Subject& s) { s.t.lse[7] = kNan; }},
      {"-inf lse", [](const Subject& s) { s.t.lse[17] = -kInfinity; }},
      {"lse in base 2", [](const Subject& s) { s.t.lse[0] /= std::log(2.0f); }},
  }));
  CAPTURE(fault);
  const Subject s(kSmall);
  fault.plant(s);
  const Verdict verdict = check(s.oracle, s.t);
  CHECK_FALSE(verdict.passed);
  CHECK(std::isfinite(verdict.max_scaled_err));
  CHECK((contains(verdict.failure, "o[b=") || contains(verdict.failure, "lse[b=")));
}

TEST_CASE("an empty row must be exactly zero with lse exactly -inf", "[check]") {
  const Subject s("h:1/q:5/k:2/d:3/mask:causal/lse:1");
  REQUIRE(s.passes());
  s.o(0, 0, 1) = 1e-30f;
  CHECK_FALSE(s.passes());
  s.o(0, 0, 1) = 0;
  REQUIRE(s.passes());
  for (const float wrong : {-1e30f, kInfinity, kNan, 0.0f}) {
    s.t.lse[0] = wrong;
    CHECK_FALSE(s.passes());
  }
}

TEST_CASE("where the oracle is NaN the output must be NaN", "[check]") {
  Subject s(kSmall);
  row_of<float>(s.t.q, 0, 1, 3)[0] = kNan;
  s.oracle = make_oracle(s.p, s.t, 3);
  CHECK_FALSE(s.passes());
  s.write_reference();
  CHECK(s.passes());
  s.o(1, 3, 5) = 0.5f;
  CHECK_FALSE(s.passes());
}

TEST_CASE("where the oracle is infinite the output must be infinite alike", "[check]") {
  Subject s(kSmall);
  row_of<float>(s.t.v, 0, 1, 3)[5] = -kInfinity;
  s.oracle = make_oracle(s.p, s.t, 3);
  s.write_reference();
  CHECK(s.passes());
  for (const float wrong : {kInfinity, kNan, 0.5f}) {
    s.o(1, 3, 5) = wrong;
    CHECK_FALSE(s.passes());
  }
}

TEST_CASE("error_multiple widens the tolerance and nothing else", "[check]") {
  const Subject s(kSmall);
  s.o(1, 4, 2) += 1e-5f;
  CHECK_FALSE(s.passes());
  CHECK(s.passes(1000));
  CHECK(check(s.oracle, s.t, 1000).tolerance > 300 * check(s.oracle, s.t).tolerance);
  s.o(1, 4, 2) = kNan;
  CHECK_FALSE(s.passes(1000));
}

TEST_CASE("the tolerance grows with the size of a row's scores, and with nothing else", "[check]") {
  // Small integers, whose scores plain loops compute exactly: the yardstick says nothing of what rounding scores costs.
  Subject s("h:1/q:2/k:40/d:16");
  const auto integer = [](float& x, float bound) { x = std::round(std::fmod(x * 100, bound)); };
  for (const TensorView* t : {&s.t.q, &s.t.k, &s.t.v}) for_each_element(*t, [&](float& x, auto...) { integer(x, 9); });
  for_each_element(s.t.q, [](float& x, auto, auto, std::int64_t i, auto) { x = i == 1 ? std::fmod(x, 2.0f) : x; });
  s.oracle = make_oracle(s.p, s.t, 3);
  s.write_reference();
  REQUIRE(s.passes());
  const auto allowed = [&](std::int64_t row) {
    return 3 * std::max(s.oracle.yardstick_error,
                        kRounding * 0x1p-23 * (1 + s.oracle.expected.score_size[static_cast<std::size_t>(row)]));
  };
  REQUIRE(s.oracle.expected.score_size[0] > 60);
  REQUIRE(allowed(0) > 3 * allowed(1));
  for (const std::int64_t row : {0, 1}) {
    const float expected = s.o(0, row, 5);
    const auto scale = static_cast<float>(s.oracle.expected.abs_value[static_cast<std::size_t>(row * 16 + 5)]);
    s.o(0, row, 5) =
        static_cast<float>(s.oracle.expected.o[static_cast<std::size_t>(row * 16 + 5)] + 0.9 * allowed(row) * scale);
    CHECK(s.passes());
    CHECK(check(s.oracle, s.t).tolerance == allowed(row));
    s.o(0, row, 5) =
        static_cast<float>(s.oracle.expected.o[static_cast<std::size_t>(row * 16 + 5)] + 1.2 * allowed(row) * scale);
    CHECK_FALSE(s.passes());
    s.o(0, row, 5) = expected;
  }
}

TEST_CASE("scores rounded once pass, scores off by more do not", "[check]") {
  const auto [rounding, passes] = GENERATE(table<double, bool>({{0x1p-24, true}, {0x1p-20, false}, {0x1p-16, false}}));
  CAPTURE(rounding);
  const Workload w = parse_workload("h:2/q:60/d:64/fill:integers");
  const Inputs inputs(w.problem, w.setup, 1);
  const Tensors& t = inputs.tensors();
  const Oracle oracle = make_oracle(w.problem, t, 1);
  for (const Row& row : oracle.rows) {
    const float* q = row_of<float>(t.q, 0, row.head, row.index);
    std::vector<double> weights;
    double sum = 0, largest = -1e300;
    for (std::int64_t j = 0; j < 60; ++j) {
      const double score = std::inner_product(q, q + 64, row_of<float>(t.k, 0, row.head, j), 0.0) / 8;
      weights.push_back(score * (1 + (j % 2 == 0 ? rounding : -rounding)));
      largest = std::max(largest, weights.back());
    }
    for (double& weight : weights) sum += weight = std::exp(weight - largest);
    for (std::int64_t d = 0; d < 64; ++d) {
      double o = 0;
      for (std::int64_t j = 0; j < 60; ++j) o += weights[j] / sum * row_of<float>(t.v, 0, row.head, j)[d];
      row_of<float>(t.o, 0, row.head, row.index)[d] = static_cast<float>(o);
    }
  }
  CHECK(check(oracle, t).passed == passes);
}

TEST_CASE("huge scores are no breakdown where o is exact, and lse counts only when asked for", "[check]") {
  for (const char* text : {"h:1/q:1/k:2/d:1", "h:1/q:1/k:2/d:1/lse:1"}) {
    Subject s(text);
    set_all(s.t.q, 33333);
    set_all(s.t.k, 77777);
    for_each_element(s.t.v, [](float& x, auto, auto, std::int64_t j, auto) { x = j == 0 ? 1 : 3; });
    s.oracle = make_oracle(s.p, s.t, 3);
    s.write_reference();
    CHECK(s.o(0, 0, 0) == 2);
    const Verdict verdict = check(s.oracle, s.t);
    CHECK(verdict.passed);
    CHECK(contains(verdict.mistrusted, "tolerance"));  // another order of the sum could be off by e^128
    if (s.t.lse) s.t.lse[0] *= 1 + 0x1p-20f;
    CHECK(s.passes() == (s.t.lse == nullptr));
  }
}

TEST_CASE("inputs that leave nothing to check are mistrusted, with the reason", "[check]") {
  struct Case {
    const char* reason;
    void (*edit)(const Tensors&);
  };
  const auto [reason, edit] = GENERATE(values<Case>({
      {"", [](const Tensors&) {}},
      {"every expected value is NaN", [](const Tensors& t) { set_all(t.q, kNan); }},
      {"every expected value is NaN", [](const Tensors& t) { set_all(t.v, kNan); }},
      {"every expected value is 0", [](const Tensors& t) { set_all(t.v, 0); }},
      {"every expected value is 0", [](const Tensors& t) { set_all(t.q, 1), set_all(t.k, -kInfinity); }},
      {"no expected value is a finite number", [](const Tensors& t) { set_all(t.v, kInfinity); }},
      {"tolerance", [](const Tensors& t) { set_all(t.q, 1e3f), set_all(t.k, 1e3f); }},
  }));
  CAPTURE(reason);
  Subject s(kSmall);
  edit(s.t);
  s.oracle = make_oracle(s.p, s.t, 3);
  s.write_reference();
  const Verdict verdict = check(s.oracle, s.t);
  CHECK(verdict.passed);
  CHECK(contains(verdict.mistrusted, reason));
  CHECK(verdict.mistrusted.empty() == (reason == std::string_view()));
}

TEST_CASE("a gradient's tolerance grows with scores and lse, and ends there", "[check]") {
  const Workload w = parse_workload("h:2/q:30/d:16/pass:bwd/fill:integers");
  const Inputs inputs(w.problem, w.setup, 1);
  const Tensors& t = inputs.tensors();
  const Oracle oracle = make_oracle(w.problem, t, 1);
  // Every gradient off by the given share of what its row is allowed.
  const auto passes = [&](double share) {
    const auto write = [&](const TensorView& x, const std::vector<double>& exact, const std::vector<double>& scale,
                           const std::vector<double>& size) {
      std::size_t e = 0;
      for_each_element(x, [&](float& value, auto...) {
        const double allowed = 3 * std::max(oracle.yardstick_error,
                                            kRounding * 0x1p-23 * (1 + size[e / static_cast<std::size_t>(x.shape[3])]));
        value = static_cast<float>(exact[e] + share * allowed * scale[e]);
        ++e;
      });
    };
    const ReferenceGradients<double>& g = oracle.gradients;
    write(t.dq, g.dq, g.abs_dq, g.query_size), write(t.dk, g.dk, g.abs_dk, g.key_size);
    write(t.dv, g.dv, g.abs_dv, g.key_size);
    return check(oracle, t).passed;
  };
  CHECK(*std::max_element(oracle.gradients.query_size.begin(), oracle.gradients.query_size.end()) > 100);
  CHECK(passes(0.9));
  CHECK_FALSE(passes(1.1));
}

TEST_CASE("large problems are sampled at their ends and block edges, in every head", "[check]") {
  const Subject s(kLong, 0);
  REQUIRE(s.oracle.sampled);
  CHECK_FALSE(Subject(kLong).oracle.sampled);
  CHECK(s.passes());
  CHECK(check(s.oracle, s.t).rows_checked == static_cast<std::int64_t>(s.oracle.rows.size()));
  CHECK(s.oracle.rows.size() < 2 * 200);
  for (const std::int64_t head : {0, 1})
    for (const std::int64_t query : {0, 1, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 1998, 1999}) {
      if (query == 1 || query == 1998) continue;  // only the very ends are promised
      CAPTURE(head, query);
      CHECK(std::any_of(s.oracle.rows.begin(), s.oracle.rows.end(),
                        [&](const Row& row) { return row.head == head && row.index == query; }));
    }
}

TEST_CASE("outside the sample a fault that no convex combination makes is refused", "[check]") {
  const auto fault = GENERATE(values<Fault>({
      {"NaN", [](const Subject& s) { s.o(1, unsampled_query(s), 1) = kNan; }},
      {"inf", [](const Subject& s) { s.o(1, unsampled_query(s), 1) = kInfinity; }},
      {"too large", [](const Subject& s) { s.o(1, unsampled_query(s), 1) = 5; }},
      {"an unwritten row",
       [](const Subject& s) { poison(std::as_writable_bytes(std::span(&s.o(1, unsampled_query(s), 0), 2))); }},
      {"unwritten lse",
       [](const Subject& s) {
         poison(std::as_writable_bytes(std::span(&s.t.lse[s.p.seqlen_q + unsampled_query(s)], 1)));
       }},
  }));
  CAPTURE(fault);
  const Subject s(kLong, 0);
  REQUIRE(s.passes());
  fault.plant(s);
  CHECK_FALSE(s.passes());
}

TEST_CASE("outside the sample rows that see NaN or infinity have no bound, the others have", "[check]") {
  const auto what = GENERATE(kNan, kInfinity);
  Subject s("h:2/q:2000/d:2/window:5,5/lse:1", 0);
  const std::int64_t query = unsampled_query(s);
  row_of<float>(s.t.q, 0, 0, 500)[1] = kNan;
  row_of<float>(s.t.k, 0, 1, query)[0] = what;
  row_of<float>(s.t.v, 0, 1, query)[1] = what;
  s.oracle = make_oracle(s.p, s.t, 3, 0);
  s.write_reference();
  CHECK(s.passes());
  CHECK(std::count(s.oracle.unbounded.begin(), s.oracle.unbounded.end(), 1) ==
        1 + query + 5 - std::max<std::int64_t>(0, query - 5) + 1);
  CHECK(s.oracle.unbounded[500] == 1);
  CHECK(s.oracle.unbounded[2000 + query + 6] == 0);
  CHECK(s.oracle.unbounded[2000 + query + 5] == 1);
  poison(std::as_writable_bytes(std::span(&s.o(1, query, 0), 1)));
  CHECK_FALSE(s.passes());
  s.write_reference();
  s.o(0, query, 1) = kNan;  // the head that sees nothing of it
  CHECK_FALSE(s.passes());
  s.o(0, query, 1) = 100;
  CHECK_FALSE(s.passes());
}

TEST_CASE("outside the sample a NaN lse is refused", "[check]") {
  const Subject s(kLong, 0);
  s.t.lse[s.p.seqlen_q + unsampled_query(s)] = kNan;
  CHECK_FALSE(s.passes());
}

TEST_CASE("a yardstick that overflows does not excuse wrong outputs", "[check]") {
  // Scores of 1e40 are finite in fp64 and infinite in f32, so that reference<float> is NaN where the oracle
  // is not.
  Subject s("h:1/q:2/k:3/d:1/lse:1");
  set_all(s.t.q, 1e20f);
  for_each_element(s.t.k, [](float& x, auto, auto, std::int64_t j, auto) { x = static_cast<float>(j + 1) * 1e20f; });
  s.oracle = make_oracle(s.p, s.t, 3);
  set_all(s.t.o, 12345);
  s.t.lse[0] = s.t.lse[1] = 0;
  CHECK_FALSE(s.passes());
}

}  // namespace attn::test
