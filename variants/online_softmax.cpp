// Idea: one pass over the keys. Each block of keys raises a running maximum and sum per query; what was accumulated
//   under the old maximum is rescaled by exp(old - new). Scores of a block live in L1 and are never a matrix.
// Differs from: parallel_heads, which keeps a row of seqlen_k scores per query, in three passes, a thread a head. Here
//   vector lanes are queries (Q^T is packed, O^T accumulated), so max, sum and mask need no horizontal step, and the
//   team shares (batch, head, query block) triples.
// Cost: 2 d + 2 dv FLOPs per visible pair, whole tiles on mask boundaries; K and V leave L2 once per query block;
//   workspace per thread (d + dv + 64 + 5) x 2 vectors, whatever the sequence lengths. Blocks of 16-bit K and V are widened
//   into 64 rows of f32 more, once per query block.
// Numerics: f32 FMA chains over d and over the keys of a block; xsimd::exp, about 1 ulp; softmax_scale folded into Q. In 16
//   bits o is rounded once, at the end, and nothing before.
// Limits: none; lanes beyond the last query idle, so a single query uses one lane in 2 x kLanes.
// Source: Milakov, Gimelshein, "Online normalizer calculation for softmax" (2018); Dao et al., FlashAttention (2022).
#include <omp.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "detail/exact_row.hpp"
#include "detail/key_rows.hpp"
#include "detail/simd.hpp"
#include "detail/unroll.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// A register tile is kTileRows broadcast operands x kVectors vectors: 8 accumulators cover an FMA latency of 4 on two
// ports, and with 2 + 1 operands fit the 16 registers of SSE2 and AVX2.
inline constexpr std::int64_t kVectors = 2;
inline constexpr std::int64_t kTileRows = 4;
inline constexpr std::int64_t kBlockM = kVectors * kLanes;
// K block 64 x 64 x 4 = 16 KB, beside P 64 x 32 x 4 = 8 KB and Q^T 8 KB (AVX-512): inside a 48 KB L1 at d = 64.
inline constexpr std::int64_t kBlockN = 64;
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

using LaneRow = std::array<Batch, kVectors>;

inline LaneRow load_lanes(const float* p) {
  LaneRow lanes;
  unroll<kVectors>([&](auto c) { lanes[c] = load(p + c * kLanes); });
  return lanes;
}

// Scratch of one thread; every row is kBlockM floats, one per query of the block.
struct Scratch {
  float* q;           // [head_dim] Q^T, scaled
  float* o;           // [value_dim] O^T, not yet normalised
  float* probs;       // [kBlockN] scores, then probabilities
  float* row_max;     // [1]
  float* row_sum;     // [1]
  float* correction;  // [1] exp(old row_max - new row_max)
  float* first;       // [1] visible keys of the current block, relative to its begin
  float* last;        // [1]
  float* k_copy;      // [kBlockN][head_dim] keys and values of 16 bits, widened
  float* v_copy;      // [kBlockN][value_dim]

  static std::int64_t floats(const Problem& p) {
    const std::int64_t widened = p.dtype == ATTN_F32 ? 0 : kBlockN * (p.head_dim + p.value_dim);
    return (p.head_dim + p.value_dim + kBlockN + 5) * kBlockM + (widened + kLanes - 1) / kLanes * kLanes;
  }

  Scratch(float* base, const Problem& p) {
    const auto take = [&](std::int64_t rows) { return std::exchange(base, base + rows * kBlockM); };
    q = take(p.head_dim), o = take(p.value_dim), probs = take(kBlockN), row_max = take(1), row_sum = take(1);
    correction = take(1), first = take(1), last = take(1);
    k_copy = base, v_copy = base + kBlockN * p.head_dim;
  }
};

struct Block {
  std::int64_t b, h, kv_head;
  std::int64_t query_begin, query_end;  // at most kBlockM queries
  std::int64_t key_begin, key_end;      // at most kBlockN keys
  KeyRows k, v;                         // these keys, as floats
};

// Q^T, zero in the lanes beyond the last query.
template <class E>
void pack_queries(const Args& args, const Block& block, const Scratch& s) {
  const std::int64_t head_dim = args.problem->head_dim;
  std::fill(s.q, s.q + head_dim * kBlockM, 0.0f);
  for (std::int64_t i = block.query_begin; i < block.query_end; ++i) {
    const E* q = row_of<E>(args.q, block.b, block.h, i);
    for (std::int64_t d = 0; d < head_dim; ++d)
      s.q[d * kBlockM + i - block.query_begin] = to_float(q[d]) * args.softmax_scale;
  }
}

// Sets s.first and s.last; true when some lane does not see every key of the block.
bool find_visible_lanes(const Problem& p, const Block& block, const Scratch& s) {
  const std::int64_t count = block.key_end - block.key_begin;
  bool masked = false;
  for (std::int64_t lane = 0; lane < kBlockM; ++lane) {
    const KeyRange keys = visible_keys(p, std::min(block.query_begin + lane, block.query_end - 1));
    const std::int64_t first = std::clamp<std::int64_t>(keys.begin - block.key_begin, 0, count);
    const std::int64_t last = std::clamp<std::int64_t>(keys.end - block.key_begin, 0, count);
    s.first[lane] = static_cast<float>(first);
    s.last[lane] = static_cast<float>(last);
    masked |= first > 0 || last < count;
  }
  return masked;
}

// Whether key j of the block is visible to the queries of vector c.
inline auto is_visible(const Scratch& s, std::int64_t j, std::int64_t c) {
  const Batch key(static_cast<float>(j));
  return (key >= load(s.first + c * kLanes)) & (key < load(s.last + c * kLanes));
}

// tile[r][lane] += sum over t of a[r * row_stride + t * depth_stride] * b[t][lane]: serves K Q^T and V^T P^T.
// kMasked: pairs that s hides are left out, so that NaN in a hidden value stays out. t is then the key.
template <std::int64_t kRows, bool kMasked>
[[gnu::always_inline]] inline void multiply_tile(std::array<LaneRow, kRows>& tile, const float* a,
                                                 std::int64_t row_stride, std::int64_t depth_stride, const float* b,
                                                 std::int64_t depth, const Scratch& s) {
  for (std::int64_t t = 0; t < depth; ++t) {
    const LaneRow lanes = load_lanes(b + t * kBlockM);
    unroll<kRows>([&](auto r) {
      const Batch scalar(a[r * row_stride + t * depth_stride]);
      unroll<kVectors>([&](auto c) {
        const Batch sum = fma(scalar, lanes[c], tile[r][c]);
        tile[r][c] = kMasked ? xsimd::select(is_visible(s, t, c), sum, tile[r][c]) : sum;
      });
    });
  }
}

template <std::int64_t kRows>
[[gnu::noinline, gnu::flatten]] void score_tile(const Problem& p, const Block& block, const Scratch& s,
                                                std::int64_t j) {
  std::array<LaneRow, kRows> tile;
  unroll<kRows>([&](auto r) { tile[r].fill(Batch(0.0f)); });
  multiply_tile<kRows, false>(tile, block.k[block.key_begin + j], block.k.stride, 1, s.q, p.head_dim, s);
  unroll<kRows>(
      [&](auto r) { unroll<kVectors>([&](auto c) { store(s.probs + (j + r) * kBlockM + c * kLanes, tile[r][c]); }); });
}

void compute_scores(const Problem& p, const Block& block, const Scratch& s, bool masked) {
  const std::int64_t count = block.key_end - block.key_begin;
  std::int64_t j = 0;
  for (; j + kTileRows <= count; j += kTileRows) score_tile<kTileRows>(p, block, s, j);
  for (; j < count; ++j) score_tile<1>(p, block, s, j);
  if (!masked) return;
  for (j = 0; j < count; ++j)
    for (std::int64_t c = 0; c < kVectors; ++c) {
      float* score = s.probs + j * kBlockM + c * kLanes;
      store(score, xsimd::select(is_visible(s, j, c), load(score), Batch(-kInfinity)));
    }
}

void update_softmax(const Scratch& s, std::int64_t count) {
  for (std::int64_t c = 0; c < kBlockM; c += kLanes) {
    const Batch old_max = load(s.row_max + c);
    Batch row_max = old_max;
    for (std::int64_t j = 0; j < count; ++j) row_max = xsimd::max(row_max, load(s.probs + j * kBlockM + c));
    // A query that has seen no key yet keeps -inf; subtracting 0 there instead of -inf avoids -inf - -inf.
    const Batch shift = xsimd::select(row_max == Batch(-kInfinity), Batch(0.0f), row_max);
    const Batch correction = xsimd::exp(old_max - shift);
    Batch row_sum = load(s.row_sum + c) * correction;
    for (std::int64_t j = 0; j < count; ++j) {
      float* prob = s.probs + j * kBlockM + c;
      const Batch p = xsimd::exp(load(prob) - shift);
      store(prob, p);
      row_sum += p;
    }
    store(s.row_max + c, row_max);
    store(s.row_sum + c, row_sum);
    store(s.correction + c, correction);
  }
}

template <std::int64_t kRows, bool kMasked>
[[gnu::noinline, gnu::flatten]] void value_tile(const Block& block, const Scratch& s, std::int64_t d) {
  std::array<LaneRow, kRows> tile;
  const LaneRow correction = load_lanes(s.correction);
  float* o = s.o + d * kBlockM;
  unroll<kRows>([&](auto r) {
    unroll<kVectors>([&](auto c) { tile[r][c] = load(o + r * kBlockM + c * kLanes) * correction[c]; });
  });
  multiply_tile<kRows, kMasked>(tile, block.v[block.key_begin] + d, 1, block.v.stride, s.probs,
                                block.key_end - block.key_begin, s);
  unroll<kRows>([&](auto r) { unroll<kVectors>([&](auto c) { store(o + r * kBlockM + c * kLanes, tile[r][c]); }); });
}

template <bool kMasked>
void accumulate_pv(const Problem& p, const Block& block, const Scratch& s) {
  std::int64_t d = 0;
  for (; d + kTileRows <= p.value_dim; d += kTileRows) value_tile<kTileRows, kMasked>(block, s, d);
  for (; d < p.value_dim; ++d) value_tile<1, kMasked>(block, s, d);
}

template <class E>
void normalize(const Args& args, const Block& block, const Scratch& s) {
  const Problem& p = *args.problem;
  for (std::int64_t i = block.query_begin; i < block.query_end; ++i) {
    const std::int64_t lane = i - block.query_begin;
    const float inverse = 1 / s.row_sum[lane];
    E* o = row_of<E>(args.o, block.b, block.h, i);
    for (std::int64_t d = 0; d < p.value_dim; ++d) o[d] = round_to<E>(s.o[d * kBlockM + lane] * inverse);
    if (args.lse)
      args.lse[(block.b * p.heads + block.h) * p.seqlen_q + i] = s.row_max[lane] + std::log(s.row_sum[lane]);
    mend_row<E>(args, block.b, block.h, i, s.row_sum[lane]);
  }
}

// The keys of a block as floats, as they lie there or widened into `copy`.
template <class E>
KeyRows readable(const attn_input& x, const Block& block, std::int64_t dim, float* copy) {
  const KeyRowsOf<E> rows{row_of<E>(x, block.b, block.kv_head, 0), x.row_stride, 0};
  if constexpr (std::is_same_v<E, float>)
    return rows;
  else
    return widened(rows, {block.key_begin, block.key_end}, dim, copy);
}

template <class E>
void attend_block(const Args& args, Block block, const Scratch& s) {
  const Problem& p = *args.problem;
  pack_queries<E>(args, block, s);
  std::fill(s.o, s.o + p.value_dim * kBlockM, 0.0f);
  std::fill(s.row_max, s.row_max + kBlockM, -kInfinity);
  std::fill(s.row_sum, s.row_sum + kBlockM, 0.0f);
  const std::int64_t begin = visible_keys(p, block.query_begin).begin;
  const std::int64_t end = visible_keys(p, block.query_end - 1).end;
  for (std::int64_t key = begin; key < end; key += kBlockN) {
    block.key_begin = key;
    block.key_end = std::min(key + kBlockN, end);
    block.k = readable<E>(args.k, block, p.head_dim, s.k_copy);
    block.v = readable<E>(args.v, block, p.value_dim, s.v_copy);
    const bool masked = find_visible_lanes(p, block, s);
    compute_scores(p, block, s, masked);
    update_softmax(s, block.key_end - block.key_begin);
    masked ? accumulate_pv<true>(p, block, s) : accumulate_pv<false>(p, block, s);
  }
  normalize<E>(args, block, s);
}

template <class E>
void attend_blocks(const Args* args) {
  const Problem& p = *args->problem;
  const std::int64_t query_blocks = (p.seqlen_q + kBlockM - 1) / kBlockM;
#pragma omp parallel for num_threads(args->threads) schedule(dynamic)
  for (std::int64_t task = 0; task < p.batch * p.heads * query_blocks; ++task) {
    const std::int64_t bh = task / query_blocks, begin = task % query_blocks * kBlockM;
    const Block block{.b = bh / p.heads,
                      .h = bh % p.heads,
                      .kv_head = kv_head_of(p, bh % p.heads),
                      .query_begin = begin,
                      .query_end = std::min(begin + kBlockM, p.seqlen_q),
                      .key_begin = 0,
                      .key_end = 0,
                      .k = {},
                      .v = {}};
    float* base = static_cast<float*>(args->workspace) + omp_get_thread_num() * Scratch::floats(p);
    attend_block<E>(*args, block, Scratch(base, p));
  }
}

void run_online_softmax(const Args* args) {
  with_element(args->problem->dtype, [&]<class E>(E) { attend_blocks<E>(args); });
}

std::size_t online_softmax_workspace(const Problem* p, std::int32_t threads) {
  return threads * Scratch::floats(*p) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(online_softmax, .summary = "one pass over key blocks with running max and sum, lanes are queries",
             .source = "Milakov, Gimelshein 2018; Dao et al. 2022",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_TAKES_F32 | ATTN_TAKES_BF16 | ATTN_TAKES_F16,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = online_softmax_workspace,
             .run = run_online_softmax)
