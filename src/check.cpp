#include "check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "aligned_buffer.hpp"

namespace attn {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();
constexpr double kMaxYardstickLseError = 1;
constexpr double kHuge = std::numeric_limits<double>::max();

// Rows at which kernels go wrong: both ends, and around multiples of the usual block sizes.
std::vector<std::int64_t> sample_queries(std::int64_t seqlen_q, std::uint64_t seed) {
  std::set<std::int64_t> queries = {0, seqlen_q - 1};
  for (std::int64_t block = 16; block < seqlen_q; block *= 2)
    for (const std::int64_t edge : {block, seqlen_q / block * block})
      for (const std::int64_t query : {edge - 1, edge, edge + 1})
        if (query >= 0 && query < seqlen_q) queries.insert(query);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 64; ++i)
    queries.insert(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(seqlen_q)));
  return {queries.begin(), queries.end()};
}

std::vector<Row> sample_rows(const Problem& p, std::uint64_t seed) {
  std::vector<Row> rows;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (const std::int64_t i : sample_queries(p.seqlen_q, seed + static_cast<std::uint64_t>(b * p.heads + h)))
        rows.push_back({b, h, i});
  return rows;
}

// The scaled error of one element; infinite when it can never pass.
double scaled_error(double actual, double expected, double denominator) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (std::isnan(expected)) return std::isnan(actual) ? 0 : kInfinity;
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
  return t.lse + (row.batch * p.heads + row.head) * p.seqlen_q + row.query;
}

std::string where(const Row& row, std::int64_t d) {
  return fmt::format("o[b={}, h={}, q={}, d={}]", row.batch, row.head, row.query, d);
}

std::vector<float> max_abs_values(const Problem& p, const TensorView& v) {
  std::vector<float> result;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.kv_heads; ++h) {
      float largest = 0;
      for (std::int64_t j = 0; j < p.seqlen_k; ++j) {
        const float* row = row_of<float>(v, b, h, j);
        for (std::int64_t d = 0; d < p.value_dim; ++d)
          if (std::isfinite(row[d])) largest = std::max(largest, std::fabs(row[d]));
      }
      result.push_back(largest);
    }
  return result;
}

bool is_finite(const TensorView& t, const Row& row) {
  const float* x = row_of<float>(t, row.batch, row.head, row.query);
  return std::all_of(x, x + t.shape[3], [](float value) { return std::isfinite(value); });
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

// Elements that the sample does not cover must at least be written and, where all that they are made from is finite, be
// finite and a convex combination of v.
std::string check_unsampled(const Oracle& oracle, const Tensors& t) {
  const Problem& p = oracle.problem;
  constexpr float kSlack = 1 + 64 * std::numeric_limits<float>::epsilon();
  for (const Row& row : all_rows(p)) {
    const float bound = kSlack * oracle.max_abs_value[row.batch * p.kv_heads + kv_head_of(p, row.head)];
    const std::int64_t r = (row.batch * p.heads + row.head) * p.seqlen_q + row.query;
    const bool bounded = oracle.unbounded.empty() || !oracle.unbounded[r];
    const float* o = row_of<float>(t.o, row.batch, row.head, row.query);
    for (std::int64_t d = 0; d < p.value_dim; ++d) {
      if (std::bit_cast<std::uint32_t>(o[d]) == kPoison) return where(row, d) + " was not written";
      if (bounded && !(std::fabs(o[d]) <= bound))
        return fmt::format("{} = {} exceeds max|v| = {}", where(row, d), o[d], bound);
    }
    if (!p.lse) continue;
    const float lse = *lse_of(p, t, row);
    const KeyRange keys = visible_keys(p, row.query);
    const bool sees_nothing = keys.begin == keys.end;
    if (std::bit_cast<std::uint32_t>(lse) == kPoison ||
        (bounded && !(sees_nothing ? std::isinf(lse) && lse < 0 : std::isfinite(lse))))
      return fmt::format("lse[b={}, h={}, q={}] = {} was not written or is not finite", row.batch, row.head, row.query,
                         lse);
  }
  return {};
}

}  // namespace

std::int64_t oracle_flops(const Problem& p) {
  const std::int64_t whole = flops(p);
  if (whole <= kFullOracleFlops) return whole;
  const double share = static_cast<double>(sample_queries(p.seqlen_q, 0).size()) / static_cast<double>(p.seqlen_q);
  return static_cast<std::int64_t>(static_cast<double>(whole) * std::min(1.0, share));
}

Oracle make_oracle(const Problem& p, const Tensors& inputs, std::uint64_t seed, std::int64_t full_flops) {
  Oracle oracle{.problem = p};
  oracle.sampled = flops(p) > full_flops;
  oracle.rows = oracle.sampled ? sample_rows(p, seed) : all_rows(p);
  oracle.expected = reference<double>(p, inputs, oracle.rows);
  const ReferenceRows<float> yardstick = reference<float>(p, inputs, oracle.rows);
  for (std::size_t e = 0; e < yardstick.o.size(); ++e)
    oracle.yardstick_error = std::max(oracle.yardstick_error,
                                      scaled_error(yardstick.o[e], oracle.expected.o[e], oracle.expected.abs_value[e]));
  for (std::size_t r = 0; r < oracle.rows.size(); ++r)
    oracle.yardstick_lse_error =
        std::max(oracle.yardstick_lse_error, lse_error(yardstick.lse[r], oracle.expected.lse[r]));
  if (oracle.sampled) {
    oracle.max_abs_value = max_abs_values(p, inputs.v);
    oracle.unbounded = unbounded_rows(p, inputs);
  }
  return oracle;
}

Verdict check(const Oracle& oracle, const Tensors& outputs, double error_multiple) {
  const Problem& p = oracle.problem;
  Verdict verdict{.tolerance = error_multiple * 3 * oracle.yardstick_error + 4 * kEps,
                  .rows_checked = static_cast<std::int64_t>(oracle.rows.size())};
  if (!(oracle.yardstick_error <= kMaxYardstickError) || !(oracle.yardstick_lse_error <= kMaxYardstickLseError)) {
    verdict.failure =
        "f32 breaks down on these inputs: the reference in float is itself far off, so nothing can be judged";
    verdict.tolerance = 0;
    return verdict;
  }
  for (std::size_t r = 0; r < oracle.rows.size(); ++r) {
    const Row& row = oracle.rows[r];
    const float* o = row_of<float>(outputs.o, row.batch, row.head, row.query);
    for (std::int64_t d = 0; d < p.value_dim; ++d) {
      const std::size_t e = r * p.value_dim + d;
      const double error = scaled_error(o[d], oracle.expected.o[e], oracle.expected.abs_value[e]);
      if (!(error <= verdict.tolerance) && !(error <= verdict.max_scaled_err))
        verdict.failure = fmt::format("{} = {}, expected {:.9g}, scaled error {:.3g} > {:.3g}", where(row, d), o[d],
                                      oracle.expected.o[e], error, verdict.tolerance);
      verdict.max_scaled_err = std::max(verdict.max_scaled_err, std::min(error, kHuge));
    }
    if (!p.lse) continue;
    const double expected = oracle.expected.lse[r];
    const double actual = *lse_of(p, outputs, row);
    const double magnitude = std::isfinite(expected) ? std::max(1.0, std::fabs(expected)) : 1.0;
    const double tolerance = error_multiple * 3 * oracle.yardstick_lse_error + 4 * kEps * magnitude;
    if (!(lse_error(actual, expected) <= tolerance) && verdict.failure.empty())
      verdict.failure = fmt::format("lse[b={}, h={}, q={}] = {}, expected {:.9g} +- {:.3g}", row.batch, row.head,
                                    row.query, actual, expected, tolerance);
  }
  if (oracle.sampled && verdict.failure.empty()) verdict.failure = check_unsampled(oracle, outputs);
  verdict.passed = verdict.failure.empty();
  return verdict;
}

}  // namespace attn
