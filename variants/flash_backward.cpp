// Idea: the five products of the backward pass on register tiles, over blocks of keys. P^T and dS^T of a block live in L1;
//   the weights are computed again from q, k and lse, so that nothing of seqlen_q x seqlen_k is stored.
// Differs from: flash, whose tiles it takes the other way round: a block of keys stays, with its dk and dv, while all
//   tiles of queries pass by. S^T = K Q^T and dP^T = V dO^T as there (lanes are queries, exp2 straight from the
//   accumulators), dQ^T += K^T dS^T like its P V; in dv += P^T dO and dk += dS^T Q lanes are features, keys the rows.
// Cost: 6 d + 4 dv FLOPs per visible pair; 14 vector operations of softmax per 3 d + 2 dv multiply-adds. Workspace per
//   thread: the queries of a kv head twice, as they lie and transposed, with do, and two dQ^T: 6 d seqlen_q floats where
//   dv = d, times the heads of a group; a block of keys. Tensors of 16 bits are widened into these copies, each once per
//   task of keys, so that no product knows of them.
// Numerics: f32 FMA chains; exp2 of at most 2 ulp. In 16 bits each gradient is rounded once, at the end. Deterministic for a
//   given team: the blocks of keys are shared out by a static rule, and where a head is shared its partial dq are added in
//   the order of threads.
// Limits: none; a team is of no use beyond the blocks of 64 keys over all kv heads.
// Source: Dao, FlashAttention-2 (2023), algorithm 2.
#include <omp.h>

#include <algorithm>

#include "detail/drop.hpp"
#include "detail/exact_gradients.hpp"
#include "detail/exp2.hpp"
#include "detail/query_tile.hpp"
#include "detail/schedule.hpp"
#include "detail/vector_steps.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Keys whose P^T and dS^T are in L1 together: 2 x 64 x 48 x 4 = 24 KB (AVX-512), beside panels of the operands.
inline constexpr std::int64_t kBlockN = 64;
// K, V, dk and dv of a task stay in half of an L2 of 1 MB: 256 keys at d = dv = 64.
inline constexpr std::int64_t kTaskBytes = 256 * 1024;
inline constexpr std::int64_t kMaxTaskKeys = 256;

// Rows of features are padded with zeros to whole vectors, blocks of scratch to cache lines.
std::int64_t padded(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

std::int64_t tiles_of(const Problem& p) { return ceil_div(rows_of(p), kTileWidth); }

// How the keys are cut into tasks and these are shared out. All (batch, kv head) pairs are alike.
struct Schedule {
  std::int64_t heads, keys, blocks;  // pairs; keys of a task; tasks of a pair
  int team;
};

std::int64_t keys_of_task(const Problem& p, std::int64_t threads) {
  const std::int64_t key_bytes = (p.head_dim + p.value_dim) * 2 * static_cast<std::int64_t>(sizeof(float));
  std::int64_t keys = std::clamp(kTaskBytes / key_bytes / kBlockN * kBlockN, kBlockN, kMaxTaskKeys);
  const auto tasks = [&] { return p.batch * p.kv_heads * ceil_div(p.seqlen_k, keys); };
  while (threads > 1 && keys > kBlockN && tasks() < kTasksPerThread * threads) keys = keys / 2 / kBlockN * kBlockN;
  return std::max(keys, kBlockN);
}

Schedule make_schedule(const Problem& p, std::int64_t threads) {
  const std::int64_t heads = p.batch * p.kv_heads, keys = keys_of_task(p, threads);
  const std::int64_t blocks = ceil_div(p.seqlen_k, keys);
  return {heads, keys, blocks, worthwhile_team(p, threads, heads * blocks, 6 * p.head_dim + 4 * p.value_dim)};
}

KeyRange keys_of(const Problem& p, const Schedule& s, std::int64_t block) {
  return {block * s.keys, std::min((block + 1) * s.keys, p.seqlen_k)};
}

// Queries that see some of these keys: visible keys move up with the query.
KeyRange seeing_queries(const Problem& p, KeyRange keys) {
  const std::int64_t offset = p.seqlen_k - p.seqlen_q;
  const auto inside = [&](std::int64_t query) { return std::clamp<std::int64_t>(query, 0, p.seqlen_q); };
  return {p.window_right < 0 ? 0 : inside(keys.begin - p.window_right - offset),
          p.window_left < 0 ? p.seqlen_q : inside(keys.end + p.window_left - offset)};
}

// Work of a task, in pairs; the keys themselves count a little where no query sees them.
std::int64_t cost_of(const Problem& p, KeyRange keys) {
  const KeyRange queries = seeing_queries(p, keys);
  return (keys.end - keys.begin) * (std::max<std::int64_t>(queries.end - queries.begin, 0) + 1);
}

// Calls f(task, owner) for every task in order. Owners are shares of equal cost, in order: a thread has consecutive tasks.
template <class F>
void for_each_task(const Problem& p, const Schedule& s, int team, const F& f) {
  double head_cost = 0, done = 0;
  for (std::int64_t block = 0; block < s.blocks; ++block)
    head_cost += static_cast<double>(cost_of(p, keys_of(p, s, block)));
  const double share = head_cost * static_cast<double>(s.heads) / team;
  for (std::int64_t task = 0; task < s.heads * s.blocks; ++task) {
    const auto cost = static_cast<double>(cost_of(p, keys_of(p, s, task % s.blocks)));
    f(task, std::min(static_cast<int>((done + cost / 2) / share), team - 1));
    done += cost;
  }
}

// Scratch of a thread.
struct Scratch {
  float* tiles;       // [tiles] packed queries of the head at work
  float* dq;          // [tiles][head_dim] dQ^T of that head, where its first keys are this thread's
  float* partial_dq;  // the same where they are another thread's: that can only be the first head of a thread
  float* dk;          // [keys of a task][padded head_dim]
  float* dv;          // [keys of a task][padded value_dim]
  float* probs;       // [kBlockN] P^T, with dropout applied
  float* ds;          // [kBlockN] dS^T
  float* factors;     // [kBlockN] of dropout
  float* k_copy;      // [keys of a task][head_dim]
  float* v_copy;      // [keys of a task][value_dim]

  static std::int64_t tile_floats(const Problem& p) {
    return (p.head_dim + p.value_dim + 4 + padded(p.head_dim) + padded(p.value_dim)) * kTileWidth;
  }

  // Lays the arrays out from `base` on; returns their floats.
  static std::int64_t lay_out(const Problem& p, std::int64_t task_keys, float* base, Scratch& s) {
    std::int64_t floats = 0;
    const auto take = [&](std::int64_t count) {
      float* const begin = base == nullptr ? nullptr : base + floats;
      floats += (count + 15) / 16 * 16;
      return begin;
    };
    s.tiles = take(tiles_of(p) * tile_floats(p));
    s.dq = take(tiles_of(p) * p.head_dim * kTileWidth);
    s.partial_dq = take(tiles_of(p) * p.head_dim * kTileWidth);
    s.dk = take(task_keys * padded(p.head_dim));
    s.dv = take(task_keys * padded(p.value_dim));
    s.probs = take(kBlockN * kTileWidth);
    s.ds = take(kBlockN * kTileWidth);
    s.factors = take(kBlockN * kTileWidth);
    s.k_copy = take(task_keys * p.head_dim);
    s.v_copy = take(task_keys * p.value_dim);
    return floats;
  }

  static std::int64_t floats(const Problem& p, std::int64_t task_keys) {
    Scratch s;
    return lay_out(p, task_keys, nullptr, s);
  }

  Scratch() = default;
  Scratch(const Args& args, std::int64_t task_keys, std::int64_t thread) {
    const Problem& p = *args.problem;
    lay_out(p, task_keys, static_cast<float*>(args.workspace) + thread * floats(p, task_keys), *this);
  }
};

// A tile of queries: of the QueryTile q, which is unscaled, the rows and the keys that they see.
struct BackwardTile : QueryTile {
  float* minus_lse;      // [width] in log2 units
  float* delta;          // [width] do . o
  float* dq;             // [head_dim] dQ^T
  float* do_transposed;  // [value_dim] dO^T
  float* q_rows;         // [width][padded head_dim]
  float* do_rows;        // [width][padded value_dim]
};

template <class E>
const E* do_row(const Rows& rows, std::int64_t row) {
  return row_of<E>(rows.args.do_, rows.b, rows.head(row), rows.query(row));
}

template <class E>
E* dq_row(const Rows& rows, std::int64_t row) {
  return row_of<E>(rows.args.dq, rows.b, rows.head(row), rows.query(row));
}

// Tile `index` in packed form, whether it has been packed or not; `dq` points to the dQ^T of tile 0.
BackwardTile tile_at(const Rows& rows, const Scratch& s, float* dq, std::int64_t index) {
  const Problem& p = *rows.args.problem;
  const std::int64_t first_row = index * kTileWidth, count = std::min(kTileWidth, rows_of(p) - first_row);
  const std::int64_t width = padded(count);
  const KeyRange low = rows.keys(first_row), high = rows.keys(first_row + count - 1);
  float* next = s.tiles + index * Scratch::tile_floats(p);
  const auto take = [&](std::int64_t floats) { return std::exchange(next, next + floats); };
  BackwardTile tile{};
  tile.first_row = first_row, tile.rows = count, tile.width = width;
  tile.some = {low.begin, high.end}, tile.all = {high.begin, low.end};
  tile.q = take(p.head_dim * width), tile.do_transposed = take(p.value_dim * width);
  tile.minus_lse = take(width), tile.delta = take(width), tile.first = take(width), tile.last = take(width);
  tile.q_rows = take(width * padded(p.head_dim)), tile.do_rows = take(width * padded(p.value_dim));
  tile.dq = dq + index * p.head_dim * kTileWidth;
  return tile;
}

// Rows of `dim` elements as floats, padded with zeros.
template <class RowOf>
void copy_padded(std::int64_t count, std::int64_t dim, const RowOf& row, float* target) {
  for (std::int64_t i = 0; i < count; ++i) {
    widen_row(row(i), dim, target + i * padded(dim));
    std::fill(target + i * padded(dim) + dim, target + (i + 1) * padded(dim), 0.0f);
  }
}

template <class E>
[[gnu::flatten]] void pack_tile(const Rows& rows, const BackwardTile& tile) {
  const Problem& p = *rows.args.problem;
  const auto q = [&](std::int64_t lane) { return rows.q<E>(tile.first_row + lane); };
  const auto d_o = [&](std::int64_t lane) { return do_row<E>(rows, tile.first_row + lane); };
  pack_transposed(tile, q, p.head_dim, 1.0f, tile.q);
  pack_transposed(tile, d_o, p.value_dim, 1.0f, tile.do_transposed);
  copy_padded(tile.rows, p.head_dim, q, tile.q_rows);
  copy_padded(tile.rows, p.value_dim, d_o, tile.do_rows);
  std::fill(tile.minus_lse, tile.minus_lse + tile.width, 0.0f);
  std::fill(tile.delta, tile.delta + tile.width, 0.0f);
  for (std::int64_t lane = 0; lane < tile.rows; ++lane) {
    // A row of lse -inf has scores of -inf alone: with -inf here their weights are 0, not NaN.
    const float lse = rows.lse(tile.first_row + lane);
    tile.minus_lse[lane] = lse == -kInfinity ? -kInfinity : -lse * static_cast<float>(kLog2E);
    tile.delta[lane] = VectorSteps::dot<E>(d_o(lane), rows.o<E>(tile.first_row + lane), p.value_dim);
  }
}

// P^T of kRows keys. Masked pairs are 0, whatever their scores.
template <std::int64_t kRows, std::int64_t kVectors, bool kMasked>
[[gnu::noinline, gnu::flatten]] void prob_tile(const Rows& rows, const BackwardTile& tile, float* probs, KeyRange keys,
                                               std::int64_t j) {
  Tile<kRows, kVectors> scores;
  compute_scores<kRows, kVectors>(rows, tile, keys.begin + j, scores);
  const Batch to_log2(static_cast<float>(rows.args.softmax_scale * kLog2E));
  unroll<kVectors>([&](auto c) {
    const Batch minus_lse = load(tile.minus_lse + c * kLanes);
    unroll<kRows>([&](auto r) {
      Batch prob = exp2(fma(scores[r][c], to_log2, minus_lse));
      if constexpr (kMasked) prob = xsimd::select(is_visible(tile, j + r, c), prob, Batch(0.0f));
      store(probs + ((j + r) * kVectors + c) * kLanes, prob);
    });
  });
}

// dS^T = P^T (factor dP^T - delta) of kRows keys, without softmax_scale; and P^T becomes factor P^T.
template <std::int64_t kRows, std::int64_t kVectors, bool kMasked, bool kDropout>
[[gnu::noinline, gnu::flatten]] void ds_tile(const Rows& rows, const BackwardTile& tile, const Scratch& s,
                                             KeyRange keys, std::int64_t j) {
  Tile<kRows, kVectors> dp;
  unroll<kRows>([&](auto r) { unroll<kVectors>([&](auto c) { dp[r][c] = Batch(0.0f); }); });
  multiply_tile<kRows, kVectors>(dp, rows.v[keys.begin + j], rows.v.stride, 1, tile.do_transposed,
                                 rows.args.problem->value_dim);
  unroll<kVectors>([&](auto c) {
    const Batch delta = load(tile.delta + c * kLanes);
    unroll<kRows>([&](auto r) {
      const std::int64_t at = ((j + r) * kVectors + c) * kLanes;
      const Batch prob = load(s.probs + at);
      Batch ds;
      if constexpr (kDropout) {
        const Batch factor = load(s.factors + at);
        ds = prob * (factor * dp[r][c] - delta);
        store(s.probs + at, prob * factor);
      } else {
        ds = prob * (dp[r][c] - delta);
      }
      if constexpr (kMasked) ds = xsimd::select(is_visible(tile, j + r, c), ds, Batch(0.0f));
      store(s.ds + at, ds);
    });
  });
}

template <std::int64_t kVectors, bool kMasked, bool kDropout>
void compute_probs_and_ds(const Rows& rows, const BackwardTile& tile, const Scratch& s, KeyRange keys) {
  const std::int64_t count = keys.end - keys.begin;
  for_each_tile(0, count, [&]<std::int64_t kRows>(std::int64_t j) {
    prob_tile<kRows, kVectors, kMasked>(rows, tile, s.probs, keys, j);
  });
  if constexpr (kDropout)
    for_each_factor<kVectors>(rows, tile, keys, [&](std::int64_t j, std::int64_t lane, const auto& factors) {
      std::copy_n(factors.data(), kHalf, s.factors + j * kVectors * kLanes + lane);
    });
  for_each_tile(0, count, [&]<std::int64_t kRows>(std::int64_t j) {
    ds_tile<kRows, kVectors, kMasked, kDropout>(rows, tile, s, keys, j);
  });
}

// sum[r][0 ... kColumns vectors) += sum over queries i of weights[r][i] x[i], for kRows keys.
template <std::int64_t kRows, std::int64_t kColumns, std::int64_t kWidth>
[[gnu::noinline, gnu::flatten]] void key_tile(const float* weights, const float* x, std::int64_t queries, float* sum,
                                              std::int64_t stride) {
  Tile<kRows, kColumns> tile;
  unroll<kRows>([&](auto r) { unroll<kColumns>([&](auto c) { tile[r][c] = load(sum + r * stride + c * kLanes); }); });
  multiply_tile<kRows, kColumns>(tile, weights, kWidth, 1, x, queries, stride);
  unroll<kRows>([&](auto r) { unroll<kColumns>([&](auto c) { store(sum + r * stride + c * kLanes, tile[r][c]); }); });
}

// sum[key] += sum over queries of weights[key][query] x[query], both in rows of `stride` floats.
template <std::int64_t kVectors>
void accumulate_keys(const float* weights, const float* x, std::int64_t queries, std::int64_t keys, float* sum,
                     std::int64_t stride) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  const auto columns = [&]<std::int64_t kColumns>(std::int64_t d) {
    for_each_tile(0, keys, [&]<std::int64_t kRows>(std::int64_t j) {
      key_tile<kRows, kColumns, kWidth>(weights + j * kWidth, x + d, queries, sum + j * stride + d, stride);
    });
  };
  // Threes, but never a single vector where two pairs do: eight chains would not fill the ports.
  std::int64_t d = 0;
  while (d < stride) {
    const std::int64_t left = (stride - d) / kLanes;
    if (left == 3 || left > 4) {
      columns.template operator()<3>(d);
      d += 3 * kLanes;
    } else if (left >= 2) {
      columns.template operator()<2>(d);
      d += 2 * kLanes;
    } else {
      columns.template operator()<1>(d);
      d += kLanes;
    }
  }
}

// The same, one pair after the other, leaving masked pairs out: their weight 0 times a NaN would not be 0.
void accumulate_visible_keys(const BackwardTile& tile, const float* weights, const float* x, std::int64_t keys,
                             float* sum, std::int64_t stride) {
  for (std::int64_t j = 0; j < keys; ++j)
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      const auto key = static_cast<float>(j);
      if (key < tile.first[i] || key >= tile.last[i]) continue;
      for (std::int64_t d = 0; d < stride; ++d) sum[j * stride + d] += weights[j * tile.width + i] * x[i * stride + d];
    }
}

// The gradients that flow through the pairs of a tile and at most kBlockN keys. dk and dv are those of the first key.
template <std::int64_t kVectors, bool kDropout>
void add_block(const Rows& rows, const BackwardTile& tile, const Scratch& s, KeyRange keys, float* dk, float* dv) {
  const Problem& p = *rows.args.problem;
  const std::int64_t count = keys.end - keys.begin, dk_stride = padded(p.head_dim), dv_stride = padded(p.value_dim);
  bool apart = false;
  if (is_masked(tile, keys)) {
    find_visible_lanes(rows, tile, keys);
    compute_probs_and_ds<kVectors, true, kDropout>(rows, tile, s, keys);
    apart = !is_finite({tile.q_rows, dk_stride, 0}, dk_stride, {0, tile.rows}) ||
            !is_finite({tile.do_rows, dv_stride, 0}, dv_stride, {0, tile.rows});
  } else {
    compute_probs_and_ds<kVectors, false, kDropout>(rows, tile, s, keys);
  }
  if (apart) {
    accumulate_visible_keys(tile, s.probs, tile.do_rows, count, dv, dv_stride);
    accumulate_visible_keys(tile, s.ds, tile.q_rows, count, dk, dk_stride);
  } else {
    accumulate_keys<kVectors>(s.probs, tile.do_rows, tile.rows, count, dv, dv_stride);
    accumulate_keys<kVectors>(s.ds, tile.q_rows, tile.rows, count, dk, dk_stride);
  }
  accumulate_pv<kVectors>(rows.k, p.head_dim, tile, s.ds, keys, tile.dq);  // dQ^T += K^T dS^T
}

template <class E>
void write_keys(const attn_output& target, std::int64_t b, std::int64_t kv_head, KeyRange keys, std::int64_t dim,
                const float* sum, float scale) {
  for (std::int64_t key = keys.begin; key < keys.end; ++key)
    write_row(sum + (key - keys.begin) * padded(dim), dim, scale, row_of<E>(target, b, kv_head, key));
}

// dq of a tile whose dQ^T is whole. Rows that cannot be right are computed again.
template <class E>
[[gnu::flatten]] void write_queries(const Rows& rows, const BackwardTile& tile) {
  const bool finite = unpack_transposed(
      tile, tile.dq, rows.args.problem->head_dim, [&](std::int64_t) { return Batch(rows.args.softmax_scale); },
      [&](std::int64_t lane) { return dq_row<E>(rows, tile.first_row + lane); });
  if (finite) [[likely]]
    return;
  for (std::int64_t row = tile.first_row; row < tile.first_row + tile.rows; ++row)
    mend_dq<E>(rows.args, rows.b, rows.head(row), rows.query(row));
}

// The query heads of (batch, kv head) pair `head`; keys and values are told where they can be read as floats.
Rows rows_of_head(const Args& args, std::int64_t head) {
  const Problem& p = *args.problem;
  return {.args = args,
          .b = head / p.kv_heads,
          .first_head = head % p.kv_heads * group_of(p),
          .group = group_of(p),
          .k = {},
          .v = {}};
}

// The head that a thread is at: its queries are packed once, tile by tile as far as they are needed.
template <class E>
class Head {
 public:
  Head(const Args& args, const Scratch& s, std::int64_t head, bool owns_first_keys)
      : args_(args),
        s_(s),
        rows_(rows_of_head(args, head)),
        kv_head_(head % args.problem->kv_heads),
        owns_first_keys_(owns_first_keys),
        dq_(owns_first_keys ? s.dq : s.partial_dq) {
    std::fill_n(dq_, tiles_of(*args.problem) * args.problem->head_dim * kTileWidth, 0.0f);
  }

  template <bool kDropout>
  void add_task(KeyRange keys) {
    const Problem& p = *args_.problem;
    const std::int64_t dk_stride = padded(p.head_dim), dv_stride = padded(p.value_dim);
    std::fill_n(s_.dk, (keys.end - keys.begin) * dk_stride, 0.0f);
    std::fill_n(s_.dv, (keys.end - keys.begin) * dv_stride, 0.0f);
    Rows rows = rows_;
    rows.k = readable(key_rows<E>(rows, args_.k), keys, p.head_dim, s_.k_copy);
    rows.v = readable(key_rows<E>(rows, args_.v), keys, p.value_dim, s_.v_copy);
    const KeyRange queries = seeing_queries(p, keys);
    const std::int64_t first = queries.begin * group_of(p) / kTileWidth;
    const std::int64_t end = (queries.end * group_of(p) + kTileWidth - 1) / kTileWidth;
    packed_end_ = std::max(packed_end_, first);  // later tasks need no earlier tile
    for (std::int64_t index = first; index < end; ++index) {
      const BackwardTile tile = tile_at(rows, s_, dq_, index);
      if (index == packed_end_) pack_tile<E>(rows, tile), ++packed_end_;
      const KeyRange seen = clip(tile, keys);
      for (std::int64_t key = seen.begin; key < seen.end; key += kBlockN) {
        const KeyRange block{key, std::min(key + kBlockN, seen.end)};
        const std::int64_t offset = key - keys.begin;
        with_vectors(tile, [&]<std::int64_t kVectors> {
          add_block<kVectors, kDropout>(rows, tile, s_, block, s_.dk + offset * dk_stride, s_.dv + offset * dv_stride);
        });
      }
    }
    write_keys<E>(args_.dk, rows_.b, kv_head_, keys, p.head_dim, s_.dk, args_.softmax_scale);
    write_keys<E>(args_.dv, rows_.b, kv_head_, keys, p.value_dim, s_.dv, 1.0f);
    for (std::int64_t key = keys.begin; key < keys.end; ++key) mend_dk_dv<E>(args_, rows_.b, kv_head_, key);
  }

  // dq of a head that no other thread has a part of. Parts stay in the scratch until the team meets.
  void finish(bool owns_last_keys) const {
    if (!owns_first_keys_ || !owns_last_keys) return;
    for (std::int64_t index = 0; index < tiles_of(*args_.problem); ++index)
      write_queries<E>(rows_, tile_at(rows_, s_, dq_, index));
  }

 private:
  const Args& args_;
  const Scratch& s_;
  Rows rows_;
  std::int64_t kv_head_;
  bool owns_first_keys_;
  float* dq_;
  std::int64_t packed_end_ = 0;
};

template <class E, bool kDropout>
void run_tasks(const Args& args, const Schedule& schedule, int team, int thread) {
  const Problem& p = *args.problem;
  const Scratch scratch(args, schedule.keys, thread);
  std::int64_t begin = -1, end = -1;
  for_each_task(p, schedule, team, [&](std::int64_t task, int owner) {
    if (owner != thread) return;
    if (begin < 0) begin = task;
    end = task + 1;
  });
  for (std::int64_t task = begin; task < end;) {
    const std::int64_t head_index = task / schedule.blocks;
    Head<E> head(args, scratch, head_index, task % schedule.blocks == 0);
    for (; task < end && task / schedule.blocks == head_index; ++task)
      head.template add_task<kDropout>(keys_of(p, schedule, task % schedule.blocks));
    head.finish(task == (head_index + 1) * schedule.blocks);
  }
}

// dq of the heads that several threads have a part of: that of the owner of the first keys, which came last to it and so is
// still there, plus those of the others in the order of threads. The team shares the tiles.
template <class E>
void finish_shared_heads(const Args& args, const Schedule& schedule, int team, int thread) {
  const Problem& p = *args.problem;
  const auto tile_of = [&](std::int64_t head, int owner, float* Scratch::*dq, std::int64_t index) {
    const Scratch scratch(args, schedule.keys, owner);
    return tile_at(rows_of_head(args, head), scratch, scratch.*dq, index);
  };
  const auto add_part = [&](std::int64_t head, int first_owner, int owner) {
    for (std::int64_t index = thread; index < tiles_of(p); index += team) {
      const BackwardTile sum = tile_of(head, first_owner, &Scratch::dq, index);
      const float* part = tile_of(head, owner, &Scratch::partial_dq, index).dq;
      for (std::int64_t i = 0; i < p.head_dim * sum.width; i += kLanes)
        store(sum.dq + i, load(sum.dq + i) + load(part + i));
    }
  };
  const auto write = [&](std::int64_t head, int first_owner) {
    for (std::int64_t index = thread; index < tiles_of(p); index += team)
      write_queries<E>(rows_of_head(args, head), tile_of(head, first_owner, &Scratch::dq, index));
  };
  int first_owner = 0, last_owner = 0;  // of the head that the task is of, so far
  for_each_task(p, schedule, team, [&](std::int64_t task, int owner) {
    const std::int64_t head = task / schedule.blocks, block = task % schedule.blocks;
    if (block == 0) first_owner = last_owner = owner;
    if (owner != last_owner) add_part(head, first_owner, owner);
    last_owner = owner;
    if (block == schedule.blocks - 1 && last_owner != first_owner) write(head, first_owner);
  });
}

template <class E>
void run_backward(const Args& args) {
  const Schedule schedule = make_schedule(*args.problem, args.threads);
#pragma omp parallel num_threads(schedule.team)
  {
    const int team = omp_get_num_threads(), thread = omp_get_thread_num();
    if (args.problem->dropout > 0)
      run_tasks<E, true>(args, schedule, team, thread);
    else
      run_tasks<E, false>(args, schedule, team, thread);
#pragma omp barrier
    finish_shared_heads<E>(args, schedule, team, thread);
  }
}

void run_flash_backward(const Args* args) {
  with_element(args->problem->dtype, [&]<class E>(E) { run_backward<E>(*args); });
}

const char* flash_backward_limits(const Problem* p) {
  return rows_of(*p) > (std::int64_t{1} << 50) / (p->head_dim + p->value_dim) ? "its packed queries exceed 64-bit sizes"
                                                                              : nullptr;
}

std::size_t flash_backward_workspace(const Problem* p, std::int32_t threads) {
  return threads * Scratch::floats(*p, keys_of_task(*p, threads)) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(flash_backward, .summary = "gradients on register tiles, blocks of keys stay while tiles of queries pass",
             .source = "Dao 2023, algorithm 2",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_THREADS | ATTN_DROPOUT |
                         ATTN_BACKWARD | ATTN_TAKES_F32 | ATTN_TAKES_BF16 | ATTN_TAKES_F16,
             .error_multiple = 1, .limits = flash_backward_limits, .workspace_bytes = flash_backward_workspace,
             .run = run_flash_backward)
