// The oracle against closed forms of the attention equation, and the contract of src/reference.hpp.
#include "reference.hpp"

#include <cmath>
#include <limits>
#include <random>

#include "catch.hpp"
#include "inputs.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Inputs of one problem that a test may edit, and the oracle's answer for all of its rows.
struct Subject {
  Problem p;
  Inputs inputs;
  Tensors t;

  explicit Subject(std::string_view text, std::uint64_t seed = 1)
      : p(parse_problem(text)), inputs(p, {}, seed), t(inputs.tensors()) {}

  ReferenceRows<double> answer() const { return reference<double>(p, t, all_rows(p)); }
  double v(std::int64_t b, std::int64_t h, std::int64_t j, std::int64_t d) const {
    return row_of<float>(t.v, b, h, j)[d];
  }
};

bool close(double a, double b) { return std::fabs(a - b) <= 1e-12 * std::max(1.0, std::fabs(b)); }

bool close(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t e = 0; e < a.size(); ++e)
    if (!close(a[e], b[e])) return false;
  return true;
}

// Element d of row r.
double at(const ReferenceRows<double>& rows, std::int64_t r, std::int64_t d) { return rows.o[r * rows.value_dim + d]; }

}  // namespace

TEST_CASE("softcap bends scores before softmax, and its slope the gradient", "[reference]") {
  // One query at 1, keys at 3 and -1 with values 1 and 0: o is the weight of the first.
  const auto set = [](const Inputs& in) {
    *row_of<float>(in.tensors().q, 0, 0, 0) = 1;
    *row_of<float>(in.tensors().k, 0, 0, 0) = 3, *row_of<float>(in.tensors().k, 0, 0, 1) = -1;
    *row_of<float>(in.tensors().v, 0, 0, 0) = 1, *row_of<float>(in.tensors().v, 0, 0, 1) = 0;
  };
  const auto weight = [](double q) { return 1 / (1 + std::exp(2 * std::tanh(-q / 2) - 2 * std::tanh(3 * q / 2))); };
  const Problem p = parse_problem("h:1/q:1/k:2/d:1/softcap:2");
  const Inputs in(p, {}, 1);
  set(in);
  const ReferenceRows<double> rows = reference<double>(p, in.tensors(), all_rows(p));
  CHECK(rows.o[0] == Approx(weight(1)).epsilon(1e-12));
  CHECK(rows.lse[0] == Approx(std::log(std::exp(2 * std::tanh(1.5)) + std::exp(2 * std::tanh(-0.5)))).epsilon(1e-12));

  // With do = 1 the gradient of q is the derivative of o.
  const Problem backward = parse_problem("h:1/q:1/k:2/d:1/softcap:2/pass:bwd");
  const Inputs back(backward, {}, 1);
  set(back);
  *row_of<float>(back.tensors().do_, 0, 0, 0) = 1;
  back.update_forward();
  const double step = 1e-5, slope = (weight(1 + step) - weight(1 - step)) / (2 * step);
  const ReferenceGradients<double> gradients =
      reference_gradients<double>(backward, back.tensors(), all_rows(backward), all_keys(backward));
  CHECK(gradients.dq[0] == Approx(slope).epsilon(1e-6));
}

TEST_CASE("equal scores give the mean of the visible values and lse = s + log n", "[reference]") {
  const auto text =
      GENERATE("h:2/q:5/k:7/d:4/dv:3", "h:2/q:5/k:7/d:4/dv:3/mask:causal", "h:2/q:7/k:5/d:4/dv:3/mask:causal",
               "h:2/q:7/k:7/d:4/dv:3/window:2,1", "h:2/q:9/k:4/d:4/dv:3/window:1,2");
  CAPTURE(text);
  Subject s(text);
  set_all(s.t.k, 0.75f);  // every key is alike, so a query scores them all the same
  set_all(s.t.q, -1.25f);
  const double score = 4 * 0.75 * -1.25 / 2;
  const auto rows = s.answer();
  for (std::int64_t h = 0; h < 2; ++h)
    for (std::int64_t i = 0; i < s.p.seqlen_q; ++i) {
      const KeyRange keys = visible_keys(s.p, i);
      const double n = static_cast<double>(keys.end - keys.begin);
      const std::int64_t r = h * s.p.seqlen_q + i;
      CHECK((n == 0 ? rows.lse[r] == -kInfinity : close(rows.lse[r], score + std::log(n))));
      for (std::int64_t d = 0; d < s.p.value_dim; ++d) {
        double sum = 0;
        for (std::int64_t j = keys.begin; j < keys.end; ++j) sum += s.v(0, h, j, d);
        CHECK((n == 0 ? at(rows, r, d) == 0 : close(at(rows, r, d), sum / n)));
      }
    }
}

TEST_CASE("a dominating key hands over its value", "[reference]") {
  Subject s("h:1/q:3/k:8/d:4");
  set_all(s.t.q, 1);
  set_all(s.t.k, 0);
  for (std::int64_t d = 0; d < 4; ++d) row_of<float>(s.t.k, 0, 0, 5)[d] = 1000;
  const auto rows = s.answer();
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t d = 0; d < 4; ++d) CHECK(at(rows, i, d) == s.v(0, 0, 5, d));
  CHECK(rows.lse[0] == 2000);
}

TEST_CASE("adding one vector to every key shifts lse and nothing else", "[reference]") {
  Subject s("h:2/q:5/k:6/d:3/mask:causal");
  // Multiples of 1/64 add without rounding.
  for_each_element(s.t.k, [](float& x, auto...) { x = std::round(x * 64) / 64; });
  const auto before = s.answer();
  for_each_element(s.t.k, [](float& x, auto...) { x += 2; });
  const auto after = s.answer();
  CHECK(close(after.o, before.o));
  for (std::int64_t r = 0; r < 10; ++r) {
    double shift = 0;
    for (std::int64_t d = 0; d < 3; ++d) shift += 2 * row_of<float>(s.t.q, 0, r / 5, r % 5)[d];
    CHECK(close(after.lse[r], before.lse[r] + shift * softmax_scale(s.p)));
  }
}

TEST_CASE("without a mask the order of the keys does not matter", "[reference]") {
  Subject s("h:2/q:4/k:9/d:5/dv:3");
  const auto before = s.answer();
  const Subject original("h:2/q:4/k:9/d:5/dv:3");
  for (std::int64_t h = 0; h < 2; ++h)
    for (std::int64_t j = 0; j < 9; ++j) {
      const std::int64_t other = (j * 4 + 1) % 9;
      std::copy_n(row_of<float>(original.t.k, 0, h, other), 5, row_of<float>(s.t.k, 0, h, j));
      std::copy_n(row_of<float>(original.t.v, 0, h, other), 3, row_of<float>(s.t.v, 0, h, j));
    }
  const auto after = s.answer();
  CHECK(close(after.o, before.o));
  CHECK(close(after.lse, before.lse));
}

TEST_CASE("every output lies between the smallest and the largest visible value", "[reference]") {
  Subject s("b:2/h:2/q:9/k:6/d:3/window:2,1");
  const auto rows = s.answer();
  const auto all = all_rows(s.p);
  for (std::size_t r = 0; r < all.size(); ++r) {
    const KeyRange keys = visible_keys(s.p, all[r].index);
    for (std::int64_t d = 0; d < 3 && keys.begin < keys.end; ++d) {
      double low = kInfinity, high = -kInfinity, abs_value = 0;
      for (std::int64_t j = keys.begin; j < keys.end; ++j) {
        low = std::min(low, s.v(all[r].batch, all[r].head, j, d));
        high = std::max(high, s.v(all[r].batch, all[r].head, j, d));
        abs_value = std::max(abs_value, std::fabs(s.v(all[r].batch, all[r].head, j, d)));
      }
      CHECK(low - 1e-12 <= at(rows, r, d));
      CHECK(at(rows, r, d) <= high + 1e-12);
      CHECK(std::fabs(at(rows, r, d)) <= rows.abs_value[r * 3 + d] + 1e-12);
      CHECK(rows.abs_value[r * 3 + d] <= abs_value + 1e-12);
    }
  }
}

TEST_CASE("a row that sees no key gives zeros and lse -inf", "[reference]") {
  Subject s("h:1/q:5/k:2/d:3/mask:causal");  // positions -3 ... 1
  const auto rows = s.answer();
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(rows.lse[i] == -kInfinity);
    for (std::int64_t d = 0; d < 3; ++d) CHECK(at(rows, i, d) == 0);
  }
  for (std::int64_t d = 0; d < 3; ++d) CHECK(at(rows, 3, d) == s.v(0, 0, 0, d));  // sees key 0 alone
}

TEST_CASE("a row all of whose visible scores are -inf gives zeros and lse -inf, and others see no such key",
          "[reference]") {
  Subject s("h:1/q:6/k:6/d:3/mask:causal"), alone("h:1/q:6/k:6/d:3/window:1,0");
  set_all(s.t.q, 1);
  set_all(alone.t.q, 1);
  copy_elements(s.t.k, alone.t.k);
  for (std::int64_t j = 0; j < 4; ++j)
    for (std::int64_t d = 0; d < 3; ++d) row_of<float>(s.t.k, 0, 0, j)[d] = -std::numeric_limits<float>::infinity();
  const auto rows = s.answer(), expected = alone.answer();
  for (std::int64_t i = 0; i < 4; ++i) {
    CHECK(rows.lse[i] == -kInfinity);
    CHECK(rows.score_size[i] == 0);
    for (std::int64_t d = 0; d < 3; ++d) CHECK(at(rows, i, d) == 0);
  }
  for (std::int64_t d = 0; d < 3; ++d) {
    CHECK(at(rows, 4, d) == s.v(0, 0, 4, d));
    CHECK(close(at(rows, 5, d), at(expected, 5, d)));  // keys 4 and 5
  }
  CHECK(close(rows.lse[5], expected.lse[5]));
  row_of<float>(s.t.v, 0, 0, 1)[2] = kNan;
  const auto with_nan = s.answer();
  for (std::int64_t i = 0; i < 6; ++i) CHECK(std::isnan(at(with_nan, i, 2)) == (i >= 1));
}

TEST_CASE("the size of scores is that of the keys that have a weight", "[reference]") {
  Subject s("h:1/q:1/k:3/d:4");
  for_each_element(s.t.q, [](float& x, auto, auto, auto, std::int64_t d) { x = d % 2 == 0 ? 3.0f : -3.0f; });
  set_all(s.t.k, 5);
  CHECK(s.answer().score_size[0] == 4 * 15 / 2);  // though every score is 0
  for_each_element(s.t.k, [](float& x, auto, auto, std::int64_t j, std::int64_t d) {
    if (j == 1) x = d == 0 ? -1e9f : 0;  // as padding is often made
  });
  CHECK(s.answer().score_size[0] == 4 * 15 / 2);
}

TEST_CASE("grouped heads read what repeated kv heads would give them", "[reference]") {
  Subject grouped("b:2/h:6/hkv:2/q:3/k:5/d:4");
  Subject repeated("b:2/h:6/hkv:6/q:3/k:5/d:4");
  copy_elements(grouped.t.q, repeated.t.q);
  const auto repeat = [](const TensorView& from, const TensorView& to) {
    for_each_element(to, [&](float& x, auto b, auto h, auto j, auto d) { x = row_of<float>(from, b, h / 3, j)[d]; });
  };
  repeat(grouped.t.k, repeated.t.k);
  repeat(grouped.t.v, repeated.t.v);
  CHECK(grouped.answer().o == repeated.answer().o);
  CHECK(grouped.answer().lse == repeated.answer().lse);
}

TEST_CASE("a mask equals leaving the hidden keys out", "[reference]") {
  Subject s("h:1/q:6/k:9/d:4/window:2,1");
  const auto rows = s.answer();
  for (std::int64_t i = 0; i < 6; ++i) {
    const KeyRange keys = visible_keys(s.p, i);
    Problem alone = s.p;
    alone.seqlen_q = 1;
    alone.seqlen_k = keys.end - keys.begin;
    alone.window_left = alone.window_right = -1;
    Tensors t = s.t;
    t.q.data = row_of<float>(s.t.q, 0, 0, i);
    t.k.data = row_of<float>(s.t.k, 0, 0, keys.begin);
    t.v.data = row_of<float>(s.t.v, 0, 0, keys.begin);
    const auto row = reference<double>(alone, t, {{0, 0, 0}});
    CHECK(row.lse[0] == rows.lse[i]);
    for (std::int64_t d = 0; d < 4; ++d) CHECK(at(row, 0, d) == at(rows, i, d));
  }
}

TEST_CASE("NaN in a query row stays in that row", "[reference]") {
  Subject s("h:2/q:4/k:5/d:3");
  row_of<float>(s.t.q, 0, 1, 2)[0] = kNan;
  const auto rows = s.answer();
  for (std::int64_t r = 0; r < 8; ++r) {
    CHECK(std::isnan(rows.lse[r]) == (r == 6));
    for (std::int64_t d = 0; d < 3; ++d) CHECK(std::isnan(at(rows, r, d)) == (r == 6));
  }
}

TEST_CASE("NaN in a key or value reaches only the rows that see it", "[reference]") {
  Subject s("h:1/q:6/k:6/d:3/mask:causal");
  const auto clean = s.answer();
  const bool in_key = GENERATE(true, false);
  row_of<float>(in_key ? s.t.k : s.t.v, 0, 0, 4)[1] = kNan;
  const auto rows = s.answer();
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t d = 0; d < 3; ++d) {
      const bool reached = i >= 4 && (in_key || d == 1);
      CAPTURE(in_key, i, d);
      CHECK((reached ? std::isnan(at(rows, i, d)) : at(rows, i, d) == at(clean, i, d)));
    }
}

TEST_CASE("asking for some rows gives those rows in that order", "[reference]") {
  Subject s("b:2/h:2/q:3/k:4/d:2");
  const auto all = s.answer();
  const auto some = reference<double>(s.p, s.t, {{1, 1, 2}, {0, 1, 0}});
  for (std::int64_t d = 0; d < 2; ++d) {
    CHECK(at(some, 0, d) == at(all, 11, d));
    CHECK(at(some, 1, d) == at(all, 3, d));
  }
  CHECK(some.lse == std::vector<double>{all.lse[11], all.lse[3]});
}

TEST_CASE("the f32 yardstick follows the oracle to f32 accuracy", "[reference]") {
  Subject s("h:2/q:20/k:70/d:32");
  const auto exact = s.answer();
  const auto yardstick = reference<float>(s.p, s.t, all_rows(s.p));
  for (std::size_t e = 0; e < exact.o.size(); ++e)
    CHECK(std::fabs(yardstick.o[e] - exact.o[e]) <= 1e-5 * exact.abs_value[e]);
}

}  // namespace attn::test
