// check: error, tolerance and verdict; the only place that knows what "correct" is.
//
// err = max over elements of |o - o*| / sum_j p_j |v_j|, o* from reference<double>; a denominator of 0 demands o = 0.
// A kernel passes when err <= error_multiple * 3 * err(reference<float>) + 4 eps, and
// |lse - lse*| <= error_multiple * 3 * yardstick + 4 eps max(1, |lse*|), -inf exactly. Where the oracle is NaN, the
// kernel must be NaN too, where it is infinite infinite alike. Gradients (backward) go by the formula of o, with sums of
// absolute values as denominators (ReferenceGradients) and one yardstick for dq, dk and dv. Comparisons are written so that
// NaN fails. Where f32 itself breaks down (the yardstick is off
// by more than kMaxYardstickError, or overflows), nothing passes: a tolerance made from it would accept anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inputs.hpp"
#include "reference.hpp"

namespace attn {

// Above this much work the oracle covers a sample of rows.
inline constexpr std::int64_t kFullOracleFlops = 2'000'000'000;

inline constexpr double kMaxYardstickError = 0.01;

// What is expected of a problem's outputs, from its inputs; computed once and shared by every kernel and ISA.
struct Oracle {
  Problem problem{};
  std::vector<Row> rows;  // all of them, or per head: first, last, block edges +-1, 64 random ones
  std::vector<Row> keys;  // backward: the same of keys, for dk and dv
  bool sampled = false;
  ReferenceRows<double> expected;        // forward
  ReferenceGradients<double> gradients;  // backward
  double yardstick_error = 0;            // err of reference<float>, of reference_gradients<float>
  double yardstick_lse_error = 0;        // max |lse - lse*| of reference<float>
  std::vector<float> max_abs_value;      // [batch, kv_heads]: max |v|, which bounds |o| of the rows not covered
  std::vector<char> unbounded;  // [batch, heads, seqlen_q]: sees NaN or infinity, has no such bound; empty: none
};

// `full_flops`: problems up to this size are covered whole. Work goes over all cores.
Oracle make_oracle(const Problem& problem, const Tensors& inputs, std::uint64_t seed,
                   std::int64_t full_flops = kFullOracleFlops);

// FLOPs that make_oracle spends, and for a backward pass its inputs' o and lse, for planning.
std::int64_t oracle_flops(const Problem& problem);

struct Verdict {
  bool passed = false;
  double max_scaled_err = 0;  // of o or the gradients; finite even when the check failed
  double tolerance = 0;
  std::int64_t rows_checked = 0;
  std::string mistrusted;  // why passing means little here: inputs that leave nothing to check; mostly empty
  std::string failure;     // empty when passed: the worst element, where it is, and what was expected
};

// Judges the o and lse, or dq, dk and dv, in `outputs`.
Verdict check(const Oracle& oracle, const Tensors& outputs, double error_multiple = 1);

}  // namespace attn
