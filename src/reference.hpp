// reference<T>: attention as three plain loops. reference<double> is the oracle that every kernel is checked against,
// reference<float> the yardstick that says how exact f32 arithmetic can be expected to be.
//
// THE CONTRACT OF MASKS, EMPTY ROWS AND NaN (all variants keep it; tests cite it):
//  - Query i stands at position i + seqlen_k - seqlen_q: the last query sees the last key ("bottom-right"; PyTorch's
//    is_causal aligns top-left instead). It sees keys from position - window_left to position + window_right, -1
//    meaning unlimited; causal is window_right = 0. `visible_keys` in problem.hpp is the formula.
//  - A row that sees no key gives o = 0 and lse = -inf. So does a row all of whose visible scores are -inf (PyTorch's safe
//    softmax and ONNX agree); its weights are 0, and are multiplied like any other: NaN in a value that it sees is NaN.
//  - NaN in a query row makes that output row NaN and no other. NaN in a masked key or value never reaches an output:
//    masked pairs are not computed, rather than multiplied by zero.
//  - lse is the natural logarithm of sum_j exp(score_j) over the visible keys, without dropout. A score is
//    softmax_scale * q.k_j, or what softcap makes of it (src/scores.hpp): -softcap of -inf, which then has a weight.
//  - Backward, the same pairs are left out: NaN in a row of q, o or do reaches dk and dv of the keys that it sees and its
//    own dq; a row that sees no key has dq = 0, a key that no query sees dk = dv = 0. Left out are also pairs whose score
//    is -inf, since their weight is 0 and the infinite factor of the score must not make NaN of it: a row all of whose
//    visible scores are -inf has dq = 0 and adds nothing to dk and dv, whatever its do.
//  - A dropped weight (src/dropout.hpp) is 0, and is multiplied like any other.
//  - Keys and values of int8 are the numbers that they stand for (src/quantisation.hpp).
//
// Backward: with P the weights, C = 0 or 1 / (1 - p) where dropped or kept, delta_i = do_i . o_i:
//   dv_j = sum_i P_ij C_ij do_i,  dS_ij = P_ij (C_ij do_i . v_j - delta_i),
//   dq_i = softmax_scale sum_j dS_ij k_j,  dk_j = softmax_scale sum_i dS_ij q_i, i over all heads of the group;
// with softcap dS_ij is multiplied by the slope of the score, 1 - (score / softcap)^2.
//
// Source: Vaswani et al., "Attention Is All You Need", section 3.2.1; backward: Dao et al., FlashAttention, appendix B.2.
#pragma once

#include <cstdint>
#include <vector>

#include "problem.hpp"
#include "tensor.hpp"

namespace attn {

// A row of q, o and dq, then `index` is a query; or of k, v and their gradients, then `head` is a kv head and `index` a key.
struct Row {
  std::int64_t batch, head, index;
};

// Outputs of some rows, in the order asked for.
template <class T>
struct ReferenceRows {
  std::int64_t value_dim = 0;
  std::vector<T> o;  // [rows, value_dim]
  std::vector<T>
      abs_value;       // [rows, value_dim]: sum_j p_j |v_j| and what f32 loses to underflow, the scale of o's error
  std::vector<T> lse;  // [rows]
  std::vector<T> score_size;  // [rows]: the largest softmax_scale sum_d |q_d k_d| of the keys whose weight f32 can hold
};

// The softmax scale of a problem, 1 / sqrt(head_dim); and of a call, which may say another.
double softmax_scale(const Problem& problem);
double softmax_scale(const Problem& problem, const Tensors& tensors);

// All rows of a problem, in [batch, head, query] order; and all keys.
std::vector<Row> all_rows(const Problem& problem);
std::vector<Row> all_keys(const Problem& problem);

// Where scales of int8 are multiplied: into the elements of k and v, or into scores and weights, as kernels do.
enum class Scales { in_elements, folded };

// Computes the given rows in T arithmetic, over all cores. Defined for float and double. Inputs of 16 bits are widened, which
// is exact; plain loops in float then keep as many bits of the weights that they multiply as the type has. Rounding the
// result is left to whoever writes it.
template <class T>
ReferenceRows<T> reference(const Problem& problem, const Tensors& inputs, const std::vector<Row>& rows,
                           Scales scales = Scales::in_elements);

// Gradients of some queries and some keys, in the order asked for. The scale of a gradient's rounding error is the same
// sum with every product replaced by its absolute value, and every weight raised by what f32 loses to underflow.
template <class T>
struct ReferenceGradients {
  std::vector<T> dq, abs_dq;              // [queries, head_dim]
  std::vector<T> dk, abs_dk, dv, abs_dv;  // [keys, head_dim], [keys, value_dim]
  // [queries], [keys]: the largest softmax_scale sum_d |q_d k_d| + |lse| of the pairs whose weight f32 can hold
  std::vector<T> query_size, key_size;
};

// The backward pass, from the o and lse among the inputs. Weights are recomputed from lse.
template <class T>
ReferenceGradients<T> reference_gradients(const Problem& problem, const Tensors& inputs,
                                          const std::vector<Row>& queries, const std::vector<Row>& keys);

}  // namespace attn
