// The checker checked: what is right passes, each planted fault is refused.
#include "check.hpp"

#include <cmath>
#include <functional>
#include <limits>

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
                  row_of<float>(t.o, rows[r].batch, rows[r].head, rows[r].query));
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
    const auto is_i = [&](const Row& row) { return row.head == 1 && row.query == i; };
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
  CHECK(verdict.max_scaled_err == s.oracle.yardstick_error);
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
                        [&](const Row& row) { return row.head == head && row.query == query; }));
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
