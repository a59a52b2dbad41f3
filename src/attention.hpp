// attention(): the plain library call. Chooses a variant, allocates its workspace, runs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "aligned_buffer.hpp"
#include "tensor.hpp"
#include "variant.hpp"

namespace attn {

struct AttentionOptions {
  bool causal = false;             // bottom-right: the last query sees the last key (src/reference.hpp)
  std::int64_t window_left = -1;   // -1: unlimited
  std::int64_t window_right = -1;  // -1: unlimited; with causal 0 or -1
  float* lse = nullptr;            // [batch, heads, seqlen_q] contiguous, or null
  int threads = 1;
  double dropout = 0;               // probability with which a weight is dropped, in [0, 1)
  double softcap = 0;               // a score s becomes softcap tanh(s / softcap); 0: it stays as it is
  std::uint64_t seed = 0;           // of the dropout mask (src/dropout.hpp)
  std::int64_t first_head = 0;      // number that the mask gives to head 0: where a call does some heads of a layer
  std::string_view variant = "";    // empty: select() chooses
  const Variant* kernel = nullptr;  // this very row, instead of a name's native one
  // Of k and v of int8, [batch, kv_heads, seqlen_k] contiguous each (src/quantisation.hpp); else null.
  const float* k_scale = nullptr;
  const float* v_scale = nullptr;
  std::optional<double> softmax_scale = {};  // what scores are multiplied by; 1 / sqrt(head_dim) unless given
  // Scratch that the caller keeps from call to call, made larger when it is too small; null: new for every call, whose
  // pages then have to be mapped every time.
  AlignedBuffer* workspace = nullptr;
};

// o = softmax(q k^T / sqrt(head_dim)) v, all of the dtype of q; or k and v of kInt8Dtype, times options.k_scale and
// options.v_scale, in which a number that is not positive and finite is refused with its head and token.
// q [batch, heads, seqlen_q, head_dim], k [batch, kv_heads, seqlen_k, head_dim], v [batch, kv_heads, seqlen_k,
// value_dim], o [batch, heads, seqlen_q, value_dim] in any strides whose last is 1; kv_heads divides heads; o and lse share
// memory with nothing else, though they may interleave with it. Allocates workspace. Thread-safe, and usable in a child of
// fork(). Throws std::invalid_argument naming what does not fit, std::bad_alloc, std::system_error when threads cannot be
// started.
void attention(const ConstTensorView& q, const ConstTensorView& k, const ConstTensorView& v, const TensorView& o,
               const AttentionOptions& options = {});

struct BackwardTensors {
  ConstTensorView q, k, v, o;
  const float* lse = nullptr;  // [batch, heads, seqlen_q] contiguous
  ConstTensorView do_;         // the gradient of a loss with respect to o
  TensorView dq, dk, dv;       // shaped as q, k, v
};

// dq, dk and dv from do_ and the o and lse that attention() wrote under the same options, of which lse is not looked at.
// Otherwise as attention(), but not of int8; lse missing is std::invalid_argument.
void attention_backward(const BackwardTensors& tensors, const AttentionOptions& options = {});

}  // namespace attn
