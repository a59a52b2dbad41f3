// The cache-blocked walk that `blocked`, `vectorized` and `parallel_heads` share: a block of queries against blocks of
// keys, still in three passes. What is done to a pair of rows is the Steps parameter:
//   float Steps::dot(q, k, n)                     sum_d q[d] k[d]
//   float Steps::max(row, n)                      the largest of n scores
//   float Steps::exp_and_sum(row, n, row_max)     row[j] = exp(row[j] - row_max), returns their sum
//   void  Steps::scale(row, n, factor)            row[j] *= factor
//   void  Steps::accumulate(o, n, probs, v, v_stride, keys)   o[d] += sum_j probs[j] v[j][d]
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// 64 keys x 64 features x 4 bytes = 16 KB of K (then of V): a third of a 48 KB L1, read by 32 queries before it leaves.
inline constexpr std::int64_t kBlockM = 32;
inline constexpr std::int64_t kBlockN = 64;

// Distance between rows of scores: whole cache lines, and one more, so that rows of a power-of-two length do not all
// fall into the same cache sets.
inline std::int64_t score_stride(const Problem& p) { return (p.seqlen_k + 15) / 16 * 16 + 16; }

// Queries [begin, end) of head (b, h), with the row of scores of each.
struct QueryBlock {
  std::int64_t b, h, begin, end;
  float* scores;  // [end - begin, score_stride]

  float* row(const Problem& p, std::int64_t i) const { return scores + (i - begin) * score_stride(p); }
};

// Visible keys of any query in the block: windows move up with the query.
inline KeyRange block_keys(const Problem& p, const QueryBlock& block) {
  return {visible_keys(p, block.begin).begin, visible_keys(p, block.end - 1).end};
}

// The keys of [begin, end) that query i sees.
inline KeyRange clip(const Problem& p, std::int64_t i, std::int64_t begin, std::int64_t end) {
  const KeyRange keys = visible_keys(p, i);
  const std::int64_t first = std::max(keys.begin, begin);
  return {first, std::max(first, std::min(keys.end, end))};
}

template <class Steps>
void compute_scores(const Args& args, const QueryBlock& block) {
  const Problem& p = *args.problem;
  const KeyRange all = block_keys(p, block);
  for (std::int64_t first = all.begin; first < all.end; first += kBlockN)
    for (std::int64_t i = block.begin; i < block.end; ++i) {
      const float* q = row_of<float>(args.q, block.b, block.h, i);
      const KeyRange keys = clip(p, i, first, std::min(first + kBlockN, all.end));
      for (std::int64_t j = keys.begin; j < keys.end; ++j)
        block.row(p, i)[j] =
            args.softmax_scale * Steps::dot(q, row_of<float>(args.k, block.b, kv_head_of(p, block.h), j), p.head_dim);
    }
}

template <class Steps>
void softmax_rows(const Args& args, const QueryBlock& block) {
  const Problem& p = *args.problem;
  for (std::int64_t i = block.begin; i < block.end; ++i) {
    const KeyRange keys = visible_keys(p, i);
    float* row = block.row(p, i) + keys.begin;
    const std::int64_t count = keys.end - keys.begin;
    const float row_max = Steps::max(row, count);
    // Where every score is -inf, subtracting 0 instead avoids -inf - -inf, and the weights stay 0.
    const float shift = row_max == -std::numeric_limits<float>::infinity() ? 0 : row_max;
    const float row_sum = Steps::exp_and_sum(row, count, shift);
    if (row_sum != 0) Steps::scale(row, count, 1 / row_sum);
    if (args.lse) args.lse[(block.b * p.heads + block.h) * p.seqlen_q + i] = row_max + std::log(row_sum);
  }
}

template <class Steps>
void accumulate_pv(const Args& args, const QueryBlock& block) {
  const Problem& p = *args.problem;
  for (std::int64_t i = block.begin; i < block.end; ++i) {
    float* o = row_of<float>(args.o, block.b, block.h, i);
    std::fill(o, o + p.value_dim, 0.0f);
  }
  const KeyRange all = block_keys(p, block);
  for (std::int64_t first = all.begin; first < all.end; first += kBlockN)
    for (std::int64_t i = block.begin; i < block.end; ++i) {
      const KeyRange keys = clip(p, i, first, std::min(first + kBlockN, all.end));
      Steps::accumulate(row_of<float>(args.o, block.b, block.h, i), p.value_dim, block.row(p, i) + keys.begin,
                        row_of<float>(args.v, block.b, kv_head_of(p, block.h), keys.begin), args.v.row_stride,
                        keys.end - keys.begin);
    }
}

// One head. `scores` holds block_scores(problem) floats.
template <class Steps>
void attend_head(const Args& args, std::int64_t b, std::int64_t h, float* scores) {
  const Problem& p = *args.problem;
  for (std::int64_t begin = 0; begin < p.seqlen_q; begin += kBlockM) {
    const QueryBlock block{b, h, begin, std::min(begin + kBlockM, p.seqlen_q), scores};
    compute_scores<Steps>(args, block);
    softmax_rows<Steps>(args, block);
    accumulate_pv<Steps>(args, block);
  }
}

inline std::int64_t block_scores(const Problem& p) { return std::min(kBlockM, p.seqlen_q) * score_stride(p); }

}  // namespace
}  // namespace attn::ATTN_ISA
