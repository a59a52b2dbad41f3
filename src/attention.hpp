// attention(): the plain library call. Chooses a variant, allocates its workspace, runs it.
#pragma once

#include <cstdint>
#include <string_view>

#include "tensor.hpp"

namespace attn {

struct AttentionOptions {
  bool causal = false;             // bottom-right: the last query sees the last key (src/reference.hpp)
  std::int64_t window_left = -1;   // -1: unlimited
  std::int64_t window_right = -1;  // -1: unlimited; with causal 0 or -1
  float* lse = nullptr;            // [batch, heads, seqlen_q] contiguous, or null
  int threads = 1;
  std::string_view variant = "";  // empty: select() chooses
};

// o = softmax(q k^T / sqrt(head_dim)) v, f32.
// q [batch, heads, seqlen_q, head_dim], k [batch, kv_heads, seqlen_k, head_dim], v [batch, kv_heads, seqlen_k,
// value_dim], o [batch, heads, seqlen_q, value_dim] in any strides whose last is 1; kv_heads divides heads; o aliases
// no input. Allocates workspace. Thread-safe. Throws std::invalid_argument naming what does not fit, std::bad_alloc.
void attention(const TensorView& q, const TensorView& k, const TensorView& v, const TensorView& o,
               const AttentionOptions& options = {});

}  // namespace attn
