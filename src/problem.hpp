// The problem: which attention is computed, and how much work that is. Plain data, compared by value.
#pragma once

#include <algorithm>
#include <cstdint>

#include "element.hpp"

namespace attn {

using Problem = attn_problem;

// Largest value of any dimension or window: keeps every index computation inside int64 without further thought.
inline constexpr std::int64_t kMaxDimension = std::int64_t{1} << 40;
// The same with dropout, whose random generator counts in 32 bits.
inline constexpr std::int64_t kMaxDropoutDimension = std::int64_t{1} << 32;

// Throws std::invalid_argument naming field, value and rule. Accepts exactly what every function below can handle.
void validate(const Problem& problem);

// Keys [begin, end) that a query may see. Query i stands at position i + seqlen_k - seqlen_q among the keys.
struct KeyRange {
  std::int64_t begin, end;
};

constexpr KeyRange visible_keys(const Problem& p, std::int64_t query) {
  const std::int64_t position = query + p.seqlen_k - p.seqlen_q;
  const auto inside = [&](std::int64_t key) { return std::clamp<std::int64_t>(key, 0, p.seqlen_k); };
  return {p.window_left < 0 ? 0 : inside(position - p.window_left),
          p.window_right < 0 ? p.seqlen_k : inside(position + p.window_right + 1)};
}

constexpr bool is_causal(const Problem& p) { return p.window_right == 0; }

// The keys that some query sees: windows move up with the query, so that they are one range.
constexpr KeyRange needed_keys(const Problem& p) {
  return {visible_keys(p, 0).begin, visible_keys(p, p.seqlen_q - 1).end};
}

// Few queries for each key that is read: the cache of keys and values goes by once, and reading it is the limit rather
// than arithmetic. Where that ends depends on machine, dtype and the heads of a group; 16 is below it everywhere.
constexpr bool is_decode(const Problem& p) { return p.backward == 0 && p.seqlen_q < 16; }

// The kv head that query head `head` reads.
constexpr std::int64_t kv_head_of(const Problem& p, std::int64_t head) { return head / (p.heads / p.kv_heads); }

constexpr attn_dtype dtype_of(const Problem& p) { return static_cast<attn_dtype>(p.dtype); }

constexpr std::int64_t element_bytes(const Problem& p) { return element_of(p.dtype).bytes; }

constexpr bool has_int8_kv(const Problem& p) { return p.kv == ATTN_KV_INT8; }

// The problem whose keys and values one of int8 has quantised.
constexpr Problem unquantised(Problem problem) {
  problem.kv = ATTN_KV_SAME;
  return problem;
}

// f(E{}, KV{}): what q and o consist of, and what k and v do.
template <class F>
constexpr decltype(auto) with_elements(const Problem& p, F&& f) {
  return with_element(p.dtype, [&]<class E>(E element) {
    if (has_int8_kv(p)) return f(element, Int8{});
    return f(element, element);
  });
}

// Of lse, whatever the dtype.
inline constexpr std::int64_t kLseBytes = sizeof(float);

// Unmasked (query, key) pairs of one head.
std::int64_t visible_pairs(const Problem& problem);

// Per unmasked pair 2 head_dim + 2 value_dim forward (q k^T, p v) and 6 head_dim + 4 value_dim backward (q k^T again,
// ds k, ds^T q; do v^T, p^T do), over all heads and batches. Softmax and dropout are not counted.
std::int64_t flops(const Problem& problem);

// The forward pass on the same tensors, whose o and lse a backward pass takes.
constexpr Problem forward_of(Problem problem) {
  if (problem.backward != 0) problem.backward = 0, problem.lse = 1;
  return problem;
}

// Bytes of q, k, v and their scales, o and lse, and backward of do, dq, dk and dv, each moved once.
std::int64_t minimal_bytes(const Problem& problem);

// The part of that which are keys and values that some query sees, with their scales.
std::int64_t needed_kv_bytes(const Problem& problem);

// The attn_feature bits that a kernel must declare to be given this problem.
std::uint64_t required_features(const Problem& problem);

}  // namespace attn
