// reference<T>: attention as three plain loops. reference<double> is the oracle that every kernel is checked against,
// reference<float> the yardstick that says how exact f32 arithmetic can be expected to be.
//
// THE CONTRACT OF MASKS, EMPTY ROWS AND NaN (all variants keep it; tests cite it):
//  - Query i stands at position i + seqlen_k - seqlen_q: the last query sees the last key ("bottom-right"; PyTorch's
//    is_causal aligns top-left instead). It sees keys from position - window_left to position + window_right, -1
//    meaning unlimited; causal is window_right = 0. `visible_keys` in problem.hpp is the formula.
//  - A row that sees no key gives o = 0 and lse = -inf.
//  - NaN in a query row makes that output row NaN and no other. NaN in a masked key or value never reaches an output:
//    masked pairs are not computed, rather than multiplied by zero.
//  - lse is the natural logarithm of sum_j exp(softmax_scale * q.k_j) over the visible keys.
//
// Source: Vaswani et al., "Attention Is All You Need", section 3.2.1.
#pragma once

#include <cstdint>
#include <vector>

#include "problem.hpp"
#include "tensor.hpp"

namespace attn {

// One query row of the problem.
struct Row {
  std::int64_t batch, head, query;
};

// Outputs of some rows, in the order asked for.
template <class T>
struct ReferenceRows {
  std::int64_t value_dim = 0;
  std::vector<T> o;          // [rows, value_dim]
  std::vector<T> abs_value;  // [rows, value_dim]: sum_j p_j |v_j|, the scale of o's rounding error
  std::vector<T> lse;        // [rows]
};

// The softmax scale of a problem, 1 / sqrt(head_dim).
double softmax_scale(const Problem& problem);

// All rows of a problem, in [batch, head, query] order.
std::vector<Row> all_rows(const Problem& problem);

// Computes the given rows from f32 inputs in T arithmetic, over all cores. Defined for float and double.
template <class T>
ReferenceRows<T> reference(const Problem& problem, const Tensors& inputs, const std::vector<Row>& rows);

}  // namespace attn
