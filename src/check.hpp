// check: error, tolerance and verdict; the only place that knows what "correct" is.
//
// err = max over elements of |o - o*| / sum_j p_j |v_j|, o* from reference<double>; a denominator of 0 demands o = 0.
// A kernel passes when in every row err <= error_multiple * 3 * max(err(reference<float>), kRounding eps (1 + s)), s being
// the row's score_size (reference.hpp) and eps that of f32; of a result in 16 bits half an ulp of it is added, and on average
// it must not be rounded towards 0. lse, when asked
// for: |lse - lse*| / (1 + s + |lse*|) is at most error_multiple * 3 * max(that of reference<float>, that of loops that fold
// the scale into q, kLseRounding eps), -inf exactly. Gradients (backward) go by the formula of o, with sums of
// absolute values as denominators, sizes of pairs as s (ReferenceGradients) and one yardstick for dq, dk and dv. Where the
// oracle is NaN, the kernel must be NaN too, where it is infinite infinite alike. Comparisons are written so that NaN
// fails. Where f32 itself breaks down (the yardstick of what was asked for is off by more than kMaxYardstickError, or
// overflows), nothing passes: a tolerance made from it would accept anything. Of keys and values of int8 all of this is
// about the numbers that they stand for, the yardstick being the worse of loops that multiply the scales into elements, and
// into scores and weights; what quantising them has changed is told beside it, and judged by nobody.
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

// What any f32 kernel may need, also where the yardstick is luckily exact. A score is rounded at least twice: the products
// of a Q that had the scale folded into it, and their sum; each time by up to eps s / 2. A weight moves by eps s of it, and
// o, which moves by sum_j dp_j (v_j - o), by twice that: 2 eps s sum_j p_j |v_j|, of which three yardsticks take a third
// each. The 1 stands for the rounding of the weights themselves, of their sum and of the quotient. Over all fills and
// random problems of the tests kernels need up to three quarters of it.
inline constexpr double kRounding = 2.0 / 3;

// The same for weights of 16 bits, of half an eps of theirs. A right kernel may round each to nearest, by up to half an eps
// of it, and o moves by no more than that of sum_j p_j |v_j|; where few keys count the yardstick may round luckily, and is
// raised so that three times its error allow for it.
inline constexpr double kWeightRounding = 1.0 / 3;

// The same of lse. A score's rounding does not cancel in it, and adds up where the products of a row are all alike, as codes
// of +-1 are; turning it from base 2 rounds twice more. Kernels of the tests need up to two thirds of it.
inline constexpr double kLseRounding = 4.0 / 3;

// A row whose tolerance is wider than this says little when it passes.
inline constexpr double kMaxTrustedTolerance = 0.01;

// What is expected of a problem's outputs, from its inputs; computed once and shared by every kernel and ISA.
struct Oracle {
  Problem problem{};
  std::vector<Row> rows;  // all of them, or per head: first, last, block edges +-1, 64 random ones
  std::vector<Row> keys;  // backward: the same of keys, for dk and dv
  bool sampled = false;
  ReferenceRows<double> expected;        // forward
  ReferenceGradients<double> gradients;  // backward
  double yardstick_error = 0;            // err of reference<float>, of reference_gradients<float>
  double yardstick_lse_error = 0;        // max |lse - lse*| / (1 + s + |lse*|) of both yardsticks
  std::vector<float> max_abs_value;      // [batch, kv_heads]: max |v|, which bounds |o| of the rows not covered
  std::vector<char> unbounded;  // [batch, heads, seqlen_q]: sees NaN or infinity, has no such bound; empty: none
  std::string mistrusted;       // why passing means little here; mostly empty
  // Of int8: o* and its scale from the numbers before they were quantised, where these are known; else empty.
  std::vector<double> unquantised_o, unquantised_abs_value;
  double quantisation_err = 0;  // err of `expected` against these: what the format costs where arithmetic is exact
};

// `full_flops`: problems up to this size are covered whole. Work goes over all cores.
Oracle make_oracle(const Problem& problem, const Tensors& inputs, std::uint64_t seed,
                   std::int64_t full_flops = kFullOracleFlops);

// For an oracle of int8 that covers a forward pass: adds what is known of its result from the tensors of the same problem
// with kv:same, in any layout.
void add_unquantised(Oracle& oracle, const Tensors& unquantised);

// FLOPs that make_oracle spends, and for a backward pass its inputs' o and lse, for planning.
std::int64_t oracle_flops(const Problem& problem);

// Of the outputs of a layer, relative to the largest element of a tensor: products of a depth of about a thousand, each good
// for sqrt(depth) eps, twice.
inline constexpr double kLayerTolerance = 64 * 0x1p-23;

struct Verdict {
  bool passed = false;
  // Of the element of o or the gradients that comes nearest to its row's tolerance, or exceeds it most; finite even when
  // the check failed.
  double max_scaled_err = 0;
  double tolerance = 0;  // of that row
  std::int64_t rows_checked = 0;
  // Of int8, against the numbers before they were quantised, scaled as above: of these outputs, and of exact arithmetic. 0:
  // not known. They judge nothing.
  double quantisation_err = 0, format_err = 0;
  std::string mistrusted;  // why passing means little here: inputs that leave nothing to check; mostly empty
  std::string failure;     // empty when passed: the worst element, where it is, and what was expected
};

// Whether an element, widened, is what outputs hold before a kernel runs.
bool is_poison(const Element& element, float value);

// Judges the o and lse, or dq, dk and dv, in `outputs`.
Verdict check(const Oracle& oracle, const Tensors& outputs, double error_multiple = 1);

}  // namespace attn
