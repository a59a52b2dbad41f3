#include "check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <random>
#include <set>

#include "aligned_buffer.hpp"
#include "quantisation.hpp"
#include "scores.hpp"

namespace attn {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();
constexpr double kHuge = std::numeric_limits<double>::max();

// Rows at which kernels go wrong: both ends, and around multiples of the usual block sizes.
std::vector<std::int64_t> sample_positions(std::int64_t count, std::uint64_t seed) {
  std::set<std::int64_t> positions = {0, count - 1};
  for (std::int64_t block = 16; block < count; block *= 2)
    for (const std::int64_t edge : {block, count / block * block})
      for (const std::int64_t position : {edge - 1, edge, edge + 1})
        if (position >= 0 && position < count) positions.insert(position);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 64; ++i)
    positions.insert(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(count)));
  return {positions.begin(), positions.end()};
}

// Queries of all heads, or keys of all kv heads.
std::vector<Row> sample_rows(std::int64_t batch, std::int64_t heads, std::int64_t count, std::uint64_t seed) {
  std::vector<Row> rows;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (const std::int64_t i : sample_positions(count, seed + static_cast<std::uint64_t>(b * heads + h)))
        rows.push_back({b, h, i});
  return rows;
}

// Half of the distance between the numbers of 16 bits around x: what rounding the result once may cost. Of f32 nothing,
// whose rounding is in its tolerance.
double half_ulp(const Element& element, double x) {
  if (element.dtype == ATTN_F32 || !std::isfinite(x)) return 0;
  const double magnitude = std::max(std::fabs(x), element.least_normal);
  return std::ldexp(element.eps / 2, std::ilogb(magnitude));
}

// The scaled error of one element; infinite when it can never pass.
double scaled_error(const Element& element, double actual, double expected, double denominator) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (std::isnan(expected)) return std::isnan(actual) ? 0 : kInfinity;
  // What the type has no finite number for is infinite, and may be where it nearly is.
  if (std::fabs(expected) > element.largest * (1 - 2 * element.eps) && std::isinf(actual))
    return (actual < 0) == (expected < 0) ? 0 : kInfinity;
  if (std::isinf(expected)) return actual == expected ? 0 : kInfinity;
  if (denominator == 0) return actual == 0 ? 0 : kInfinity;
  const double error = std::fabs(actual - expected) / denominator;
  return std::isnan(error) ? kInfinity : error;
}

double lse_error(double actual, double expected) {
  if (std::isnan(expected)) return std::isnan(actual) ? 0 : kHuge;
  if (std::isinf(expected)) return actual == expected ? 0 : kHuge;
  const double error = std::fabs(actual - expected);
  return std::isfinite(error) ? error : kHuge;
}

float* lse_of(const Problem& p, const Tensors& t, const Row& row) {
  return t.lse + (row.batch * p.heads + row.head) * p.seqlen_q + row.index;
}

// A tensor that is judged: how its rows are called, and its expected values in the order of the rows.
struct Judged {
  const char* name;
  const char* row_name;
  const TensorView& actual;
  const std::vector<Row>& rows;
  const std::vector<double>& expected;
  const std::vector<double>& denominator;
  const std::vector<double>& size;  // [rows]: s of the tolerance
};

double tolerance_of(double yardstick_error, double size) {
  return 3 * std::max(yardstick_error, kRounding * kEps * (1 + size));
}

double lse_size(const Oracle& oracle, std::size_t r) {
  const double lse = oracle.expected.lse[r];
  return oracle.expected.score_size[r] + (std::isfinite(lse) ? std::fabs(lse) : 0);
}

std::string where(const Judged& t, const Row& row, std::int64_t d) {
  return fmt::format("{}[b={}, h={}, {}={}, d={}]", t.name, row.batch, row.head, t.row_name, row.index, d);
}

std::vector<Judged> judged_tensors(const Oracle& oracle, const Tensors& t) {
  if (!oracle.problem.backward)
    return {{"o", "q", t.o, oracle.rows, oracle.expected.o, oracle.expected.abs_value, oracle.expected.score_size}};
  const ReferenceGradients<double>& g = oracle.gradients;
  return {{"dq", "q", t.dq, oracle.rows, g.dq, g.abs_dq, g.query_size},
          {"dk", "k", t.dk, oracle.keys, g.dk, g.abs_dk, g.key_size},
          {"dv", "k", t.dv, oracle.keys, g.dv, g.abs_dv, g.key_size}};
}

// What a yardstick's error is raised to.
double least_yardstick_error(const Element& element) {
  return element.dtype == ATTN_F32 ? 0 : kWeightRounding * element.eps / 2;
}

double worst_error(const Element& element, const std::vector<float>& actual, const std::vector<double>& expected,
                   const std::vector<double>& denominator) {
  double worst = least_yardstick_error(element);
  for (std::size_t e = 0; e < actual.size(); ++e)
    worst = std::max(worst, scaled_error(element, actual[e], expected[e], denominator[e]));
  return worst;
}

// Of o, all rows of the oracle, against the numbers before they were quantised.
template <class T>
double largest_error(const Oracle& oracle, const std::vector<T>& o) {
  double worst = 0;
  for (std::size_t e = 0; e < oracle.unquantised_o.size(); ++e)
    worst = std::max(worst, scaled_error(element_of(oracle.problem.dtype), o[e], oracle.unquantised_o[e],
                                         oracle.unquantised_abs_value[e]));
  return std::min(worst, kHuge);
}

// lse of a row as a right kernel has it that folds scale and log2(e) into q before it multiplies: products that are exact
// without, as those of 16-bit elements and of integers, are rounded then, and where all of a row are alike these roundings
// add up. Plain loops alone would be no yardstick of that.
float folded_lse(const Problem& p, const Tensors& t, const Row& row) {
  std::vector<float> q(static_cast<std::size_t>(p.head_dim)), k(q);
  read_row(t.q, row.batch, row.head, row.index, q.data());
  const double scale = softmax_scale(p, t) * std::numbers::log2e;
  for (float& x : q) x = static_cast<float>(x * scale);
  const KeyRange keys = visible_keys(p, row.index);
  std::vector<float> scores;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    read_scaled_row(t.k, t.k_scale, row.batch, kv_head_of(p, row.head), j, k.data());
    float dot = 0;
    for (std::int64_t d = 0; d < p.head_dim; ++d) dot += q[d] * k[d];
    scores.push_back(score_of(p, dot * std::numbers::ln2_v<float>));
  }
  const float row_max = scores.empty() ? 0 : *std::ranges::max_element(scores);
  double row_sum = 0;
  for (const float score : scores) row_sum += std::exp(double{score} - row_max);
  return row_max + static_cast<float>(std::log(row_sum));
}

// Of some rows: what they are for has all rows alike. Infinite scores have no roundings.
double folded_lse_error(const Oracle& oracle, const Tensors& inputs) {
  constexpr std::size_t kMostRows = 64;
  double worst = 0;
  const std::size_t step = std::max<std::size_t>(1, oracle.rows.size() / kMostRows);
  for (std::size_t r = 0; r < oracle.rows.size(); r += step)
    if (const double expected = oracle.expected.lse[r]; std::isfinite(expected)) {
      const double error = std::fabs(folded_lse(oracle.problem, inputs, oracle.rows[r]) - expected);
      if (std::isfinite(error)) worst = std::max(worst, error / (1 + lse_size(oracle, r)));
    }
  return worst;
}

void add_forward(Oracle& oracle, const Tensors& inputs) {
  const Problem& p = oracle.problem;
  oracle.expected = reference<double>(p, inputs, oracle.rows);
  // Both orders of the products of int8 are right, and where those of a row are all alike either may round luckily.
  for (const Scales scales : {Scales::in_elements, Scales::folded}) {
    if (scales == Scales::folded && !has_int8_kv(p)) continue;
    const ReferenceRows<float> yardstick = reference<float>(p, inputs, oracle.rows, scales);
    oracle.yardstick_error =
        std::max(oracle.yardstick_error,
                 worst_error(element_of(p.dtype), yardstick.o, oracle.expected.o, oracle.expected.abs_value));
    for (std::size_t r = 0; r < oracle.rows.size(); ++r)
      oracle.yardstick_lse_error = std::max(
          oracle.yardstick_lse_error, lse_error(yardstick.lse[r], oracle.expected.lse[r]) / (1 + lse_size(oracle, r)));
  }
  if (p.lse) oracle.yardstick_lse_error = std::max(oracle.yardstick_lse_error, folded_lse_error(oracle, inputs));
}

void add_backward(Oracle& oracle, const Tensors& inputs) {
  const Problem& p = oracle.problem;
  oracle.gradients = reference_gradients<double>(p, inputs, oracle.rows, oracle.keys);
  const ReferenceGradients<double>& g = oracle.gradients;
  const ReferenceGradients<float> yardstick = reference_gradients<float>(p, inputs, oracle.rows, oracle.keys);
  const auto worst = [&](const auto& actual, const auto& expected, const auto& denominator) {
    return worst_error(element_of(p.dtype), actual, expected, denominator);
  };
  oracle.yardstick_error = std::max(
      {worst(yardstick.dq, g.dq, g.abs_dq), worst(yardstick.dk, g.dk, g.abs_dk), worst(yardstick.dv, g.dv, g.abs_dv)});
}

std::vector<float> max_abs_values(const Problem& p, const Tensors& t) {
  std::vector<float> result, row(static_cast<std::size_t>(p.value_dim));
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.kv_heads; ++h) {
      float largest = 0;
      for (std::int64_t j = 0; j < p.seqlen_k; ++j) {
        read_scaled_row(t.v, t.v_scale, b, h, j, row.data());
        for (std::int64_t d = 0; d < p.value_dim; ++d)
          if (std::isfinite(row[d])) largest = std::max(largest, std::fabs(row[d]));
      }
      result.push_back(largest);
    }
  return result;
}

bool is_finite(const TensorView& t, const Row& row) {
  return with_view_element(t.dtype, [&]<class E>(E) {
    const E* x = row_of<E>(t, row.batch, row.head, row.index);
    return std::all_of(x, x + t.shape[3], [](E value) { return std::isfinite(to_float(value)); });
  });
}

// The rows whose query, or a key or value that it sees, holds NaN or infinity; empty when there are none.
std::vector<char> unbounded_rows(const Problem& p, const Tensors& in) {
  std::vector<char> result;
  bool any = false;
  std::vector<std::int64_t> bad_before(static_cast<std::size_t>(p.seqlen_k + 1));  // keys and values
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h) {
      const std::int64_t kv_head = kv_head_of(p, h);
      if (h == 0 || kv_head != kv_head_of(p, h - 1))
        for (std::int64_t j = 0; j < p.seqlen_k; ++j)
          bad_before[j + 1] = bad_before[j] + !(is_finite(in.k, {b, kv_head, j}) && is_finite(in.v, {b, kv_head, j}));
      for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
        const KeyRange keys = visible_keys(p, i);
        const bool sees_any = keys.begin < keys.end;
        result.push_back(sees_any && (bad_before[keys.end] > bad_before[keys.begin] || !is_finite(in.q, {b, h, i})));
        any = any || result.back();
      }
    }
  return any ? result : std::vector<char>{};
}

// What makes passing say little: nothing to compare, or a tolerance that lets much through.
std::string why_mistrusted(const Oracle& oracle) {
  bool any_finite = false, any_weight = false, only_nan = true;
  double widest = 0;
  const Tensors no_outputs;
  for (const Judged& t : judged_tensors(oracle, no_outputs)) {
    for (std::size_t e = 0; e < t.expected.size(); ++e) {
      any_finite |= std::isfinite(t.expected[e]) && t.denominator[e] > 0;
      any_weight |= t.denominator[e] != 0;
      only_nan &= std::isnan(t.expected[e]);
    }
    for (const double size : t.size) widest = std::max(widest, size);
  }
  if (only_nan) return "every expected value is NaN";
  if (!any_weight) return "every expected value is 0, as no row sees a score above -inf and a value that is not 0";
  if (!any_finite) return "no expected value is a finite number other than 0";
  if (const double tolerance = tolerance_of(oracle.yardstick_error, widest); tolerance > kMaxTrustedTolerance)
    return fmt::format("scores of size {:.2g} leave f32 a tolerance of {:.2g}, which lets wrong results pass", widest,
                       tolerance);
  return {};
}

// Elements that the sample does not cover must at least be written and, where all that they are made from is finite, finite.
// `bounded` tells of a row whether it is so.
template <class Bounded>
std::string check_unsampled(const Judged& t, const Bounded& bounded) {
  std::vector<float> row(static_cast<std::size_t>(t.actual.shape[3]));
  for (std::int64_t b = 0; b < t.actual.shape[0]; ++b)
    for (std::int64_t h = 0; h < t.actual.shape[1]; ++h)
      for (std::int64_t i = 0; i < t.actual.shape[2]; ++i) {
        read_row(t.actual, b, h, i, row.data());
        for (std::int64_t d = 0; d < t.actual.shape[3]; ++d) {
          if (is_poison(element_of(t.actual.dtype), row[d])) return where(t, {b, h, i}, d) + " was not written";
          if (!std::isfinite(row[d]) && bounded(Row{b, h, i}))
            return fmt::format("{} = {} is not finite", where(t, {b, h, i}, d), row[d]);
        }
      }
  return {};
}

// Those of o must then be a convex combination of v, times the scale of dropout, too.
std::string check_unsampled_output(const Oracle& oracle, const Tensors& t, const Judged& judged) {
  const Problem& p = oracle.problem;
  const double slack = 1 + 64 * kEps + (p.dtype == ATTN_F32 ? 0 : 2 * element_of(p.dtype).eps);
  const auto factor = static_cast<float>(slack / (1 - p.dropout));
  std::vector<float> o(static_cast<std::size_t>(p.value_dim));
  for (const Row& row : all_rows(p)) {
    const float bound = factor * oracle.max_abs_value[row.batch * p.kv_heads + kv_head_of(p, row.head)];
    const std::int64_t r = (row.batch * p.heads + row.head) * p.seqlen_q + row.index;
    const bool bounded = oracle.unbounded.empty() || !oracle.unbounded[r];
    read_row(t.o, row.batch, row.head, row.index, o.data());
    for (std::int64_t d = 0; d < p.value_dim; ++d) {
      if (bounded && !(std::fabs(o[d]) <= bound))
        return fmt::format("{} = {} exceeds max|v| = {}", where(judged, row, d), o[d], bound);
    }
    if (!p.lse) continue;
    const float lse = *lse_of(p, t, row);
    const KeyRange keys = visible_keys(p, row.index);
    const bool sees_nothing = keys.begin == keys.end;
    if (std::bit_cast<std::uint32_t>(lse) == kPoison ||
        (bounded && !(sees_nothing ? std::isinf(lse) && lse < 0 : std::isfinite(lse))))
      return fmt::format("lse[b={}, h={}, q={}] = {} was not written or is not finite", row.batch, row.head, row.index,
                         lse);
  }
  return {};
}

// Whether a tensor of 16 bits was rounded towards 0. Each of its elements then is within tolerance, which is a unit in the
// last place and more, but on average they lie half a unit below what rounding to nearest gives; other errors have either
// sign. Rows are looked at as wholes, since what rounds the weights moves all of a row alike.
std::string check_rounding(const Judged& t, const Element& element) {
  constexpr std::size_t kLeastElements = 8, kLeastRows = 16;
  constexpr double kLeastMean = 0.25, kLeastDeviations = 6;
  if (element.dtype == ATTN_F32) return {};
  const auto dim = static_cast<std::size_t>(t.actual.shape[3]);
  std::vector<float> actual(dim);
  std::vector<double> means;
  std::set<double> distinct;  // rows that are alike say the same thing many times
  for (std::size_t r = 0; r < t.rows.size(); ++r) {
    read_row(t.actual, t.rows[r].batch, t.rows[r].head, t.rows[r].index, actual.data());
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t d = 0; d < dim; ++d) {
      const double expected = t.expected[r * dim + d], size = std::fabs(expected);
      if (!(size >= element.least_normal && size <= element.largest / 2)) continue;
      // Where f32 itself may be off by as much, as of a sum that cancels, errors need not have either sign.
      const double unit = 2 * half_ulp(element, size), noise = tolerance_of(0, t.size[r]) * t.denominator[r * dim + d];
      if (!(noise < unit / 8)) continue;
      double rounded = 0;
      with_element(element.dtype, [&]<class E>(E) { rounded = to_float(round_to<E>(size)); });
      const double units = (std::copysign(1.0, expected) * actual[d] - rounded) / unit;
      sum += std::clamp(units, -1.0, 1.0);
      if (++count == 1) distinct.insert(expected);
    }
    if (count >= kLeastElements) means.push_back(sum / static_cast<double>(count));
  }
  const auto rows = static_cast<double>(means.size());
  if (means.size() < kLeastRows || 2 * distinct.size() < means.size()) return {};
  const double mean = std::accumulate(means.begin(), means.end(), 0.0) / rows;
  double squares = 0;
  for (const double x : means) squares += (x - mean) * (x - mean);
  if (mean > -kLeastMean || -mean < kLeastDeviations * std::sqrt(squares) / rows) return {};
  return fmt::format(
      "{} is rounded towards 0: on average {:.2g} of a unit in the last place of {} below the nearest number", t.name,
      -mean, element.name);
}

}  // namespace

std::int64_t oracle_flops(const Problem& p) {
  const std::int64_t whole = flops(p);
  const auto share_of = [](std::int64_t count) {
    return std::min(1.0, static_cast<double>(sample_positions(count, 0).size()) / static_cast<double>(count));
  };
  double share = whole <= kFullOracleFlops ? 1 : share_of(p.seqlen_q);
  double forward = 0;
  if (p.backward) {
    // Queries and keys each go through all pairs of theirs.
    share += whole <= kFullOracleFlops ? 1 : share_of(p.seqlen_k);
    forward = static_cast<double>(flops(forward_of(p)));
  }
  return static_cast<std::int64_t>(static_cast<double>(whole) * share + forward);
}

Oracle make_oracle(const Problem& p, const Tensors& inputs, std::uint64_t seed, std::int64_t full_flops) {
  Oracle oracle{.problem = p};
  oracle.sampled = flops(p) > full_flops;
  oracle.rows = oracle.sampled ? sample_rows(p.batch, p.heads, p.seqlen_q, seed) : all_rows(p);
  if (p.backward) oracle.keys = oracle.sampled ? sample_rows(p.batch, p.kv_heads, p.seqlen_k, seed) : all_keys(p);
  p.backward ? add_backward(oracle, inputs) : add_forward(oracle, inputs);
  if (oracle.sampled) {
    oracle.max_abs_value = max_abs_values(p, inputs);
    oracle.unbounded = unbounded_rows(p, inputs);
  }
  oracle.mistrusted = why_mistrusted(oracle);
  return oracle;
}

void add_unquantised(Oracle& oracle, const Tensors& unquantised) {
  ReferenceRows<double> exact = reference<double>(attn::unquantised(oracle.problem), unquantised, oracle.rows);
  oracle.unquantised_o = std::move(exact.o), oracle.unquantised_abs_value = std::move(exact.abs_value);
  oracle.quantisation_err = largest_error(oracle, oracle.expected.o);
}

bool is_poison(const Element& element, float value) {
  float poison = 0;
  read_elements(element.dtype, &element.poison, 1, &poison);  // the low bytes come first on all that this is built for
  return std::bit_cast<std::uint32_t>(value) == std::bit_cast<std::uint32_t>(poison);
}

Verdict check(const Oracle& oracle, const Tensors& outputs, double error_multiple) {
  const Problem& p = oracle.problem;
  Verdict verdict{.rows_checked = static_cast<std::int64_t>(oracle.rows.size() + oracle.keys.size())};
  if (!(oracle.yardstick_error <= kMaxYardstickError) ||
      (p.lse && !(oracle.yardstick_lse_error <= kMaxYardstickError))) {
    verdict.failure =
        "f32 breaks down on these inputs: the reference in float is itself far off, so nothing can be judged";
    return verdict;
  }
  const std::vector<Judged> tensors = judged_tensors(oracle, outputs);
  const Element& element = element_of(p.dtype);
  double worst = -1;  // error over tolerance
  for (const Judged& t : tensors) {
    std::vector<float> actual(static_cast<std::size_t>(t.actual.shape[3]));
    for (std::size_t r = 0; r < t.rows.size(); ++r) {
      const Row& row = t.rows[r];
      const double of_row = error_multiple * tolerance_of(oracle.yardstick_error, t.size[r]);
      read_row(t.actual, row.batch, row.head, row.index, actual.data());
      for (std::int64_t d = 0; d < t.actual.shape[3]; ++d) {
        const std::size_t e = r * t.actual.shape[3] + d;
        const double error = scaled_error(element, actual[d], t.expected[e], t.denominator[e]);
        const double rounding = t.denominator[e] > 0 ? half_ulp(element, t.expected[e]) / t.denominator[e] : 0;
        const double tolerance = of_row + rounding;
        if (error / tolerance <= worst) continue;
        if (!(error <= tolerance))
          verdict.failure = fmt::format("{} = {}, expected {:.9g}, scaled error {:.3g} > {:.3g}", where(t, row, d),
                                        actual[d], t.expected[e], error, tolerance);
        worst = error / tolerance;
        verdict.max_scaled_err = std::min(error, kHuge);
        verdict.tolerance = tolerance;
      }
    }
  }
  for (const Judged& t : tensors)
    if (verdict.failure.empty()) verdict.failure = check_rounding(t, element);
  for (std::size_t r = 0; r < oracle.rows.size() && p.lse; ++r) {
    const Row& row = oracle.rows[r];
    const double expected = oracle.expected.lse[r], size = lse_size(oracle, r);
    const double actual = *lse_of(p, outputs, row);
    const double tolerance =
        error_multiple * 3 * std::max(oracle.yardstick_lse_error, kLseRounding * kEps) * (1 + size);
    if (!(lse_error(actual, expected) <= tolerance) && verdict.failure.empty())
      verdict.failure = fmt::format("lse[b={}, h={}, q={}] = {}, expected {:.9g} +- {:.3g}", row.batch, row.head,
                                    row.index, actual, expected, tolerance);
  }
  if (oracle.sampled)
    for (const Judged& t : tensors)
      if (verdict.failure.empty())
        verdict.failure = check_unsampled(t, [&](const Row& row) {
          if (p.backward) return oracle.unbounded.empty();  // a row reaches every key that it sees
          return oracle.unbounded.empty() ||
                 !oracle.unbounded[(row.batch * p.heads + row.head) * p.seqlen_q + row.index];
        });
  if (oracle.sampled && !p.backward && verdict.failure.empty())
    verdict.failure = check_unsampled_output(oracle, outputs, tensors[0]);
  if (!oracle.unquantised_o.empty()) {
    std::vector<float> o(oracle.unquantised_o.size());
    for (std::size_t r = 0; r < oracle.rows.size(); ++r)
      read_row(outputs.o, oracle.rows[r].batch, oracle.rows[r].head, oracle.rows[r].index, &o[r * p.value_dim]);
    verdict.quantisation_err = largest_error(oracle, o);
    verdict.format_err = oracle.quantisation_err;
  }
  verdict.passed = verdict.failure.empty();
  if (verdict.passed) verdict.mistrusted = oracle.mistrusted;
  return verdict;
}

}  // namespace attn
