// Idea: with few queries attention reads far more than it computes, so K and V are read from memory once, by all query
//   heads of the group together, and the keys are split into chunks for the team; a chunk leaves a partial (row_max,
//   row_sum, O) per row, merged in chunk order. The chunks follow from the problem alone: same bits for any team.
// Differs from: online_softmax, whose lanes are queries (one in 32 busy in decode) and whose tasks are query blocks.
//   Here lanes are features: q.k of kBlockLanes keys is summed over lanes by one transposing add tree.
// Cost: 2 d + 2 dv FLOPs per visible pair; K and V leave DRAM once per kMaxRows rows (query, head) of a kv head.
//   Workspace: per thread up to 48 KB and kMaxRows rows of Q; partials for at most kMaxTasks chunks, about 1/16 of K
//   and V where chunks are shortest.
//   Elements of 16 bits, and int8, are widened as they are loaded, so that half or a quarter of the bytes leave DRAM.
// Numerics: f32 FMA, also of 16-bit elements, of which o is rounded once, at the end; softmax in base 2, softmax_scale
//   log2(e) folded into Q; detail/exp2.hpp, 2 ulp. Scales of int8 multiply a score once it is summed up, and a probability
//   once it has been added to row_sum.
// Limits: none; with many queries a tile of 4 rows x 4 keys stays below online_softmax.
// Rejected: fetching V while K is scored, a block ahead (loses to a short distance within one stream); fetching into L1
//   (no better than nothing on Zen 4); four rows x four columns of values, which read half of each row and then the
//   other (loses a quarter of the bandwidth against two whole rows).
// Source: Dao, Haziza, Massa, Sizov, Flash-Decoding (2023); Milakov, Gimelshein (2018) for the merge.
#include <omp.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "detail/exact_row.hpp"
#include "detail/exp2.hpp"
#include "detail/half_vectors.hpp"
#include "detail/lanes.hpp"
#include "detail/simd.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Half of the vector registers hold accumulators, the others operands.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr std::int64_t kAccumulators = 16;
#else
inline constexpr std::int64_t kAccumulators = 8;
#endif
// Scores: kScoreRows rows x kBlockLanes keys.
inline constexpr std::int64_t kScoreRows = kAccumulators / kBlockLanes;
// Values: kValueRows rows x kMaxColumns vectors of o, so that a row of 128 values is read in one go by AVX-512; 8 chains
// cover an FMA latency of 4 on two ports.
inline constexpr std::int64_t kValueRows = 2;
inline constexpr std::int64_t kMaxColumns = 8;
// The softmax of a block waits for its last key, 100 cycles and more: few beside the 2000 loads of 128 keys at d = 128.
inline constexpr std::int64_t kBlockN = 128;
// Bytes from what is read to what is fetched, measured. Hardware prefetchers stop at every page, and hardly start on the
// four interleaved keys of a tile.
inline constexpr std::int64_t kAheadOfRow = 4096;
inline constexpr std::int64_t kAheadOfTile = 16384;
// Elements of a cache line.
template <class E>
inline constexpr std::int64_t kLine = 64 / sizeof(E);
// Bytes of K or V that the row tiles share from L1.
inline constexpr std::int64_t kSharedBytes = 16384;
// Rows of one task: the whole group of most models; Q and O at d = 128 take 64 KB of L2.
inline constexpr std::int64_t kMaxRows = 64;
// Four tasks each for 64 threads. A chunk has at least 256 keys, and 8 keys per row so that partials stay small.
inline constexpr std::int64_t kMaxTasks = 256;
inline constexpr std::int64_t kMinChunk = 256;
inline constexpr std::int64_t kMinKeysPerRow = 8;
// Chunks begin at whole score vectors of any ISA.
inline constexpr std::int64_t kChunkStep = 16;

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Rows of dim features as vectors. When dim is no multiple of kLanes the last vector covers the last kLanes features,
// overlapping the one before: nothing is read past a row. Rows shorter than a vector are copied and padded first.
constexpr std::int64_t vectors_of(std::int64_t dim) { return ceil_div(dim, kLanes); }
constexpr std::int64_t padded(std::int64_t dim) { return vectors_of(dim) * kLanes; }
constexpr std::int64_t feature_of(std::int64_t vector, std::int64_t dim) {
  return std::max<std::int64_t>(0, std::min(vector * kLanes, dim - kLanes));
}

inline Batch lane_numbers() {
  static constexpr float kNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return load(kNumbers);
}

// How a problem is cut into tasks. A unit is up to kMaxRows rows of one (batch, kv head); row r of a kv head is query
// r / group of head r % group in the group, so that neighbours see the same keys.
struct Split {
  std::int64_t group, rows, unit_rows, row_blocks, units, chunks;

  explicit Split(const Problem& p) {
    group = p.heads / p.kv_heads;
    rows = group * p.seqlen_q;
    unit_rows = std::min(rows, kMaxRows);
    row_blocks = ceil_div(rows, unit_rows);
    units = p.batch * p.kv_heads * row_blocks;
    // The most keys that a unit sees: its queries' windows overlap.
    std::int64_t keys = p.seqlen_k;
    if (p.window_left >= 0 && p.window_right >= 0)
      keys = std::min(keys, p.window_left + p.window_right + 1 + ceil_div(unit_rows, group));
    chunks = std::min(kMaxTasks / units, keys / std::max(kMinChunk, kMinKeysPerRow * unit_rows));
    chunks = std::max<std::int64_t>(chunks, 1);
  }
};

// Rows [row_begin, row_end) of a kv head against keys [key_begin, key_end).
struct Task {
  std::int64_t b, kv_head, row_begin, row_end, key_begin, key_end;
};

// The queries of a unit see keys from the first one's begin to the last one's end; each chunk has its share of them.
Task make_task(const Problem& p, const Split& split, std::int64_t unit, std::int64_t chunk) {
  Task task;
  const std::int64_t kv = unit / split.row_blocks;
  task.b = kv / p.kv_heads;
  task.kv_head = kv % p.kv_heads;
  task.row_begin = unit % split.row_blocks * split.unit_rows;
  task.row_end = std::min(task.row_begin + split.unit_rows, split.rows);
  const std::int64_t begin = visible_keys(p, task.row_begin / split.group).begin;
  const std::int64_t end = visible_keys(p, (task.row_end - 1) / split.group).end;
  const std::int64_t length = ceil_div(ceil_div(end - begin, split.chunks), kChunkStep) * kChunkStep;
  task.key_begin = std::min(begin + chunk * length, end);
  task.key_end = std::min(task.key_begin + length, end);
  return task;
}

template <class E>
struct Matrix {
  const E* data;
  std::int64_t stride;
  const E* row(std::int64_t j) const { return data + j * stride; }
};

// At most kBlockN keys; rows of k and v are at least a vector wide.
template <class E>
struct KeyBlock {
  Matrix<E> k, v;
  std::int64_t begin, keys;
  const float *k_scale, *v_scale;  // [kBlockN] of int8, which may be read past the last key
};

// The running softmax of one row: O not yet normalised, then a vector each of row_max (in every lane, base 2), row_sum
// (still to be summed over lanes) and, when chunks are merged, the chunk's weight.
struct State {
  float* o;
  std::int64_t width;

  static std::int64_t floats(const Problem& p) { return padded(p.value_dim) + 3 * kLanes; }
  float* row_max() const { return o + width; }
  float* row_sum() const { return o + width + kLanes; }
  float* weight() const { return o + width + 2 * kLanes; }
};

// Scratch of one thread.
struct Scratch {
  float* q;      // [unit_rows, padded(head_dim)] scaled
  float* probs;  // [unit_rows, kBlockN] scores, then probabilities
  float* k;      // [kBlockN, kLanes] copies of rows shorter than a vector, in whatever type these are
  float* v;
  float* scales;  // [2, kBlockN] copies of those of k and v

  static std::int64_t floats(const Problem& p, const Split& split) {
    return split.unit_rows * (padded(p.head_dim) + kBlockN) + 2 * kBlockN * (kLanes + 1);
  }

  Scratch(float* base, const Problem& p, const Split& split) {
    const auto take = [&](std::int64_t floats) { return std::exchange(base, base + floats); };
    q = take(split.unit_rows * padded(p.head_dim)), probs = take(split.unit_rows * kBlockN);
    k = take(kBlockN * kLanes), v = take(kBlockN * kLanes), scales = take(2 * kBlockN);
  }
};

// What the steps need to know of a task; rows are counted from the task's first.
struct Rows {
  const Problem& p;
  std::int64_t group, row_begin, count;
  std::int64_t head_dim, value_dim;  // at least kLanes
  Matrix<float> q;
  float* probs;
  float* states;

  State state(std::int64_t r) const { return {states + r * State::floats(p), padded(value_dim)}; }
  // Keys of the block, counted from its first, that some row of [first, last] sees: windows move up with the query.
  template <class E>
  KeyRange seen(const KeyBlock<E>& block, std::int64_t first, std::int64_t last) const {
    const auto inside = [&](std::int64_t key) { return std::clamp<std::int64_t>(key - block.begin, 0, block.keys); };
    return {inside(visible_keys(p, (row_begin + first) / group).begin),
            inside(visible_keys(p, (row_begin + last) / group).end)};
  }
};

// Calls f with the constant that equals count, one of 1 ... sizeof...(kValue).
template <class F, std::size_t... kValue>
inline void with_constant(std::int64_t count, const F& f, std::index_sequence<kValue...>) {
  ((count == kValue + 1 ? f(std::integral_constant<std::int64_t, kValue + 1>()) : void()), ...);
}

// Keys or values of this many rows are shared from L1 between row tiles.
template <class E>
std::int64_t shared_rows(std::int64_t dim) {
  return std::clamp(kSharedBytes / static_cast<std::int64_t>(sizeof(E)) / dim / kLanes * kLanes, kLanes, kBlockN);
}

// Fetches into L2 what will be read after some keys more; past the end of a tensor prefetches are ignored.
template <std::int64_t kRows, class E>
inline void fetch_ahead(const E* p) {
  __builtin_prefetch(reinterpret_cast<const char*>(p) + (kRows == 1 ? kAheadOfRow : kAheadOfTile), 0, 2);
}

// K in vectors, and its tail: lanes that the vector before holds too are 0 in q, and in k since 0 x inf is NaN.
template <class E>
Batch load_tail(const E* k, std::int64_t dim) {
  const auto in_tail = lane_numbers() >= Batch(static_cast<float>(kLanes - dim % kLanes));
  return xsimd::select(in_tail, load(k + dim - kLanes), Batch(0.0f));
}

// Scores of row r against keys [begin, end), kLanes at a time: key after key, in the order of memory. The keys that
// follow are chains enough. Past the last key it is repeated; update_softmax masks what comes of that.
// kVectors: whole vectors of q, which then stay in registers; 0: any number.
template <std::int64_t kVectors, class E>
void score_row(const Rows& rows, const KeyBlock<E>& block, std::int64_t r, std::int64_t begin, std::int64_t end) {
  const std::int64_t dim = rows.head_dim, whole = kVectors > 0 ? kVectors * kLanes : dim / kLanes * kLanes;
  const Matrix<E> k_rows = block.k;
  const float* q = rows.q.row(r);
  std::array<Batch, std::max<std::int64_t>(kVectors, 1)> lanes;
  for (std::int64_t c = 0; c < kVectors; ++c) lanes[c] = load(q + c * kLanes);
  std::array<Batch, kLanes> products;
  for (std::int64_t j = begin; j < end; j += kLanes) {
    for (std::int64_t i = 0; i < kLanes; ++i) {
      const E* k = k_rows.row(std::min(j + i, end - 1));
      Batch product(0.0f);
      for (std::int64_t c = 0; c < kVectors; ++c) {
        product = fma(lanes[c], load(k + c * kLanes), product);
        if (c * kLanes % kLine<E> == 0) fetch_ahead<1>(k + c * kLanes);
      }
      std::int64_t d = kVectors * kLanes;
      for (; d + kLine<E> <= whole; d += kLine<E>) {
        fetch_ahead<1>(k + d);
        for (std::int64_t c = 0; c < kLine<E>; c += kLanes) product = fma(load(q + d + c), load(k + d + c), product);
      }
      for (; d < whole; d += kLanes) product = fma(load(q + d), load(k + d), product);
      if (whole < dim) product = fma(load(q + whole), load_tail(k, dim), product);
      products[i] = product;
    }
    store(rows.probs + r * kBlockN + j, sum_each(products));
  }
}

template <class E>
void score_single_row(const Rows& rows, const KeyBlock<E>& block, std::int64_t r, std::int64_t begin,
                      std::int64_t end) {
  const std::int64_t vectors = rows.head_dim / kLanes;
  if (vectors > kMaxColumns) return score_row<0>(rows, block, r, begin, end);
  with_constant(
      vectors, [&](auto count) { score_row<count()>(rows, block, r, begin, end); },
      std::make_index_sequence<kMaxColumns>());
}

template <std::int64_t kRows>
using Tile = std::array<std::array<Batch, kBlockLanes>, kRows>;

// tile[r][i]: a vector whose lanes sum to q[r].k[i].
template <std::int64_t kRows, class E>
[[gnu::always_inline]] inline void multiply_tile(Tile<kRows>& tile, const Matrix<float>& q, std::int64_t dim,
                                                 const std::array<const E*, kBlockLanes>& k) {
  const std::int64_t whole = dim / kLanes * kLanes;
  std::array<Batch, kBlockLanes> x;
  const auto add = [&](std::int64_t d) __attribute__((always_inline)) {
    for (std::int64_t r = 0; r < kRows; ++r) {
      const Batch lanes = load(q.row(r) + d);
      for (std::int64_t i = 0; i < kBlockLanes; ++i) tile[r][i] = fma(lanes, x[i], tile[r][i]);
    }
  };
  for (auto& of_row : tile) of_row.fill(Batch(0.0f));
  for (std::int64_t d = 0; d < whole; d += kLanes) {
    for (std::int64_t i = 0; i < kBlockLanes; ++i) {
      x[i] = load(k[i] + d);
      if (d % kLine<E> == 0) fetch_ahead<kRows>(k[i] + d);
    }
    add(d);
  }
  if (whole < dim) {
    for (std::int64_t i = 0; i < kBlockLanes; ++i) x[i] = load_tail(k[i], dim);
    add(whole);
  }
}

// Scores of kRows rows from `row` on against keys [begin, end), which share each load of K.
template <std::int64_t kRows, class E>
void score_rows(const Rows& rows, const KeyBlock<E>& block, std::int64_t row, std::int64_t begin, std::int64_t end) {
  const Matrix<float> q{rows.q.row(row), rows.q.stride};
  const Matrix<E> k_rows = block.k;
  const std::int64_t dim = rows.head_dim;
  std::array<std::array<Batch, kLanes / kBlockLanes>, kRows> sums;
  for (std::int64_t j = begin; j < end; j += kLanes) {
    for (std::int64_t part = 0; part < kLanes / kBlockLanes; ++part) {
      std::array<const E*, kBlockLanes> k;
      for (std::int64_t i = 0; i < kBlockLanes; ++i) k[i] = k_rows.row(std::min(j + part * kBlockLanes + i, end - 1));
      Tile<kRows> tile;
      multiply_tile<kRows>(tile, q, dim, k);
      for (std::int64_t r = 0; r < kRows; ++r) sums[r][part] = sum_blocks(tile[r]);
    }
    for (std::int64_t r = 0; r < kRows; ++r) store(rows.probs + (row + r) * kBlockN + j, add_blocks(sums[r]));
  }
}

template <class E>
void compute_scores(const Rows& rows, const KeyBlock<E>& block) {
  const std::int64_t step = shared_rows<E>(rows.head_dim);
  for (std::int64_t begin = 0; begin < block.keys; begin += step)
    for (std::int64_t r = 0; r < rows.count; r += kScoreRows) {
      const std::int64_t count = std::min(kScoreRows, rows.count - r), end = std::min(begin + step, block.keys);
      const KeyRange seen = rows.seen(block, r, r + count - 1);
      if (seen.begin >= seen.end) continue;
      const auto score = [&](auto tile_rows) {
        if constexpr (tile_rows() == 1)
          score_single_row(rows, block, r, begin, end);
        else
          score_rows<tile_rows()>(rows, block, r, begin, end);
      };
      with_constant(count, score, std::make_index_sequence<kScoreRows>());
    }
}

template <class E>
void update_softmax(const Rows& rows, const KeyBlock<E>& block, std::int64_t r) {
  const KeyRange seen = rows.seen(block, r, r);
  if (seen.begin >= seen.end) return;
  const State state = rows.state(r);
  float* probs = rows.probs + r * kBlockN;
  const Batch begin(static_cast<float>(seen.begin)), end(static_cast<float>(seen.end)), old_max = load(state.row_max());
  Batch row_max = old_max;
  for (std::int64_t j = 0; j < block.keys; j += kLanes) {
    const Batch key = lane_numbers() + Batch(static_cast<float>(j));
    Batch seen_scores = load(probs + j);
    if constexpr (std::is_same_v<E, Int8>) seen_scores *= load(block.k_scale + j);
    const Batch scores = xsimd::select((key >= begin) & (key < end), seen_scores, Batch(-kInfinity));
    store(probs + j, scores);
    row_max = xsimd::max(row_max, scores);
  }
  row_max = max_of_lanes(row_max);
  // Where every score is -inf, subtracting 0 instead avoids -inf - -inf.
  const Batch shift = xsimd::select(row_max == Batch(-kInfinity), Batch(0.0f), row_max);
  const Batch correction = exp2(old_max - shift);
  Batch row_sum = load(state.row_sum()) * correction;
  for (std::int64_t j = 0; j < block.keys; j += kLanes) {
    Batch p = exp2(load(probs + j) - shift);
    row_sum += p;
    if constexpr (std::is_same_v<E, Int8>) p *= load(block.v_scale + j);
    store(probs + j, p);
  }
  store(state.row_max(), row_max);
  store(state.row_sum(), row_sum);
  for (std::int64_t d = 0; d < state.width; d += kLanes) store(state.o + d, load(state.o + d) * correction);
}

// o += P V over keys [keys.begin, keys.end) in kColumns vectors of kRows rows, from row r and vector `first` on.
template <std::int64_t kRows, std::int64_t kColumns, class E>
void accumulate_columns(const Rows& rows, const KeyBlock<E>& block, std::int64_t r, std::int64_t first, KeyRange keys) {
  std::array<std::array<Batch, kColumns>, kRows> sum;
  for (std::int64_t t = 0; t < kRows; ++t)
    for (std::int64_t c = 0; c < kColumns; ++c) sum[t][c] = load(rows.state(r + t).o + (first + c) * kLanes);
  const std::int64_t last = feature_of(first + kColumns - 1, rows.value_dim);
  const float* probs = rows.probs + r * kBlockN;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const E* v = block.v.row(j);
    std::array<Batch, kColumns> x;
    for (std::int64_t c = 0; c < kColumns; ++c) {
      x[c] = load(c + 1 < kColumns ? v + (first + c) * kLanes : v + last);
      if (c * kLanes % kLine<E> == 0) fetch_ahead<kRows>(v + (first + c) * kLanes);
    }
    for (std::int64_t t = 0; t < kRows; ++t) {
      const Batch p(probs[t * kBlockN + j]);
      for (std::int64_t c = 0; c < kColumns; ++c) sum[t][c] = fma(p, x[c], sum[t][c]);
    }
  }
  for (std::int64_t t = 0; t < kRows; ++t)
    for (std::int64_t c = 0; c < kColumns; ++c) store(rows.state(r + t).o + (first + c) * kLanes, sum[t][c]);
}

// Columns in as few and as equal tiles as registers allow: a tile of one column would wait for its only FMA chain.
template <std::int64_t kRows, class E>
void accumulate_rows(const Rows& rows, const KeyBlock<E>& block, std::int64_t r, KeyRange keys) {
  constexpr std::int64_t kColumns = std::min(kMaxColumns, kAccumulators / kRows);
  const std::int64_t vectors = vectors_of(rows.value_dim), tiles = ceil_div(vectors, kColumns);
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = vectors * t / tiles, last = vectors * (t + 1) / tiles;
    with_constant(
        last - first, [&](auto columns) { accumulate_columns<kRows, columns()>(rows, block, r, first, keys); },
        std::make_index_sequence<kColumns>());
  }
}

// Where some row does not see the whole block, each row goes alone over the keys that it sees: a hidden value is never
// touched, so that nothing in it can leak through a probability of 0.
template <class E>
void accumulate_pv(const Rows& rows, const KeyBlock<E>& block) {
  const KeyRange first = rows.seen(block, 0, 0), last = rows.seen(block, rows.count - 1, rows.count - 1);
  if (last.begin > 0 || first.end < block.keys) {
    for (std::int64_t r = 0; r < rows.count; ++r) {
      const KeyRange seen = rows.seen(block, r, r);
      if (seen.begin < seen.end) accumulate_rows<1>(rows, block, r, seen);
    }
    return;
  }
  const std::int64_t step = shared_rows<E>(rows.value_dim);
  for (std::int64_t begin = 0; begin < block.keys; begin += step) {
    const KeyRange keys{begin, std::min(begin + step, block.keys)};
    for (std::int64_t r = 0; r < rows.count; r += kValueRows)
      with_constant(
          std::min(kValueRows, rows.count - r), [&](auto count) { accumulate_rows<count()>(rows, block, r, keys); },
          std::make_index_sequence<kValueRows>());
  }
}

// Q in base-2 units, rounded once; lanes that the last vector shares with the one before, or that pad, are 0.
template <class E>
void pack_queries(const Args& args, const Split& split, const Task& task, const Scratch& s) {
  const std::int64_t dim = args.problem->head_dim, whole = dim / kLanes * kLanes;
  const std::int64_t shift = dim < kLanes ? 0 : padded(dim) - dim;
  const double scale = args.softmax_scale * kLog2E;
  for (std::int64_t row = task.row_begin; row < task.row_end; ++row) {
    const std::int64_t head = task.kv_head * split.group + row % split.group;
    const E* q = row_of<E>(args.q, task.b, head, row / split.group);
    float* packed = s.q + (row - task.row_begin) * padded(dim);
    std::fill(packed, packed + padded(dim), 0.0f);
    for (std::int64_t d = 0; d < dim; ++d)
      packed[d < whole ? d : d + shift] = static_cast<float>(to_float(q[d]) * scale);
  }
}

// Rows as they lie in memory, or copied and padded when shorter than a vector.
template <class E>
Matrix<E> padded_rows(const E* data, std::int64_t stride, std::int64_t dim, std::int64_t rows, float* scratch) {
  if (dim >= kLanes) return {data, stride};
  E* copy = reinterpret_cast<E*>(scratch);
  std::fill(copy, copy + rows * kLanes, E{});
  for (std::int64_t j = 0; j < rows; ++j) std::copy_n(data + j * stride, dim, copy + j * kLanes);
  return {copy, kLanes};
}

// Leaves the running softmax of the task's rows in states. E: of q; KV: of k and v.
template <class E, class KV>
[[gnu::noinline]] void attend_chunk(const Args& args, const Split& split, const Task& task, const Scratch& s,
                                    float* states) {
  const Problem& p = *args.problem;
  const Rows rows{.p = p,
                  .group = split.group,
                  .row_begin = task.row_begin,
                  .count = task.row_end - task.row_begin,
                  .head_dim = std::max(p.head_dim, kLanes),
                  .value_dim = std::max(p.value_dim, kLanes),
                  .q = {s.q, padded(p.head_dim)},
                  .probs = s.probs,
                  .states = states};
  pack_queries<E>(args, split, task, s);
  std::fill(states, states + rows.count * State::floats(p), 0.0f);
  for (std::int64_t r = 0; r < rows.count; ++r) store(rows.state(r).row_max(), Batch(-kInfinity));
  for (std::int64_t key = task.key_begin; key < task.key_end; key += kBlockN) {
    KeyBlock<KV> block{.k = {},
                       .v = {},
                       .begin = key,
                       .keys = std::min(kBlockN, task.key_end - key),
                       .k_scale = s.scales,
                       .v_scale = s.scales + kBlockN};
    const KV* k = row_of<KV>(args.k, task.b, task.kv_head, key);
    const KV* v = row_of<KV>(args.v, task.b, task.kv_head, key);
    if constexpr (std::is_same_v<KV, Int8>) {
      std::copy_n(scales_of(args.k_scale, p, task.b, task.kv_head) + key, block.keys, s.scales);
      std::copy_n(scales_of(args.v_scale, p, task.b, task.kv_head) + key, block.keys, s.scales + kBlockN);
    }
    block.k = padded_rows(k, args.k.row_stride, p.head_dim, block.keys, s.k);
    block.v = padded_rows(v, args.v.row_stride, p.value_dim, block.keys, s.v);
    compute_scores(rows, block);
    for (std::int64_t r = 0; r < rows.count; ++r) update_softmax(rows, block, r);
    accumulate_pv(rows, block);
  }
}

// Writes one row of o and lse from the states that its chunks left, chunk_floats apart, in chunk order:
// o = sum_c w_c O_c / sum_c w_c row_sum_c with w_c = exp2(row_max_c - row_max).
template <class E, class KV>
void merge_row(const Args& args, const Split& split, const Task& task, std::int64_t row, float* states,
               std::int64_t chunk_floats) {
  const Problem& p = *args.problem;
  const std::int64_t dim = p.value_dim, query = row / split.group;
  const std::int64_t head = task.kv_head * split.group + row % split.group;
  const auto state = [&](std::int64_t c) { return State{states + c * chunk_floats, padded(dim)}; };
  Batch row_max(-kInfinity), row_sum(0.0f);
  for (std::int64_t c = 0; c < split.chunks; ++c) row_max = xsimd::max(row_max, load(state(c).row_max()));
  const Batch shift = xsimd::select(row_max == Batch(-kInfinity), Batch(0.0f), row_max);
  for (std::int64_t c = 0; c < split.chunks; ++c) {
    const Batch weight = exp2(load(state(c).row_max()) - shift);
    row_sum = fma(weight, load(state(c).row_sum()), row_sum);
    store(state(c).weight(), weight);
  }
  row_sum = sum_of_lanes(row_sum);
  const Batch inverse = Batch(1.0f) / row_sum;
  E* o = row_of<E>(args.o, task.b, head, query);
  for (std::int64_t i = 0; i < vectors_of(dim); ++i) {
    Batch sum(0.0f);
    for (std::int64_t c = 0; c < split.chunks; ++c)
      sum = fma(load(state(c).weight()), load(state(c).o + i * kLanes), sum);
    const Batch finished = sum * inverse;
    if (dim >= kLanes) {
      store(o + feature_of(i, dim), finished);
    } else {
      store(state(0).o, finished);
      for (std::int64_t d = 0; d < dim; ++d) o[d] = round_to<E>(state(0).o[d]);
    }
  }
  if (args.lse)
    args.lse[(task.b * p.heads + head) * p.seqlen_q + query] = row_max.get(0) * kLn2 + std::log(row_sum.get(0));
  mend_row<E, KV>(args, task.b, head, query, row_sum.get(0));
}

// Floats of the states of one task.
std::int64_t task_floats(const Problem& p, const Split& split) { return split.unit_rows * State::floats(p); }

template <class E, class KV>
void attend(const Args* args) {
  const Problem& p = *args->problem;
  const Split split(p);
  const std::int64_t tasks = split.units * split.chunks;
  float* scratch = static_cast<float*>(args->workspace);
  float* states = scratch + args->threads * Scratch::floats(p, split);
#pragma omp parallel num_threads(args->threads)
  {
    const Scratch s(scratch + omp_get_thread_num() * Scratch::floats(p, split), p, split);
#pragma omp for schedule(dynamic)
    for (std::int64_t t = 0; t < tasks; ++t) {
      const Task task = make_task(p, split, t / split.chunks, t % split.chunks);
      float* own = states + (split.chunks > 1 ? t : omp_get_thread_num()) * task_floats(p, split);
      attend_chunk<E, KV>(*args, split, task, s, own);
      if (split.chunks > 1) continue;
      for (std::int64_t row = task.row_begin; row < task.row_end; ++row)
        merge_row<E, KV>(*args, split, task, row, own + (row - task.row_begin) * State::floats(p), 0);
    }
    if (split.chunks > 1) {
#pragma omp for schedule(static)
      for (std::int64_t r = 0; r < split.units * split.unit_rows; ++r) {
        const std::int64_t unit = r / split.unit_rows;
        const Task task = make_task(p, split, unit, 0);
        const std::int64_t row = task.row_begin + r % split.unit_rows;
        if (row >= task.row_end) continue;
        float* first = states + unit * split.chunks * task_floats(p, split) + r % split.unit_rows * State::floats(p);
        merge_row<E, KV>(*args, split, task, row, first, task_floats(p, split));
      }
    }
  }
}

void run_split_kv(const Args* args) {
  with_elements(*args->problem, [&]<class E, class KV>(E, KV) { attend<E, KV>(args); });
}

std::size_t split_kv_workspace(const Problem* p, std::int32_t threads) {
  const Split split(*p);
  const std::int64_t slots = split.chunks > 1 ? split.units * split.chunks : threads;
  return (threads * Scratch::floats(*p, split) + slots * task_floats(*p, split)) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(split_kv,
             .summary = "keys split over the team, partial softmaxes merged; K and V read once per head group",
             .source = "Dao et al., Flash-Decoding, 2023",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_TAKES_F32 | ATTN_TAKES_BF16 | ATTN_TAKES_F16 | ATTN_TAKES_KV_INT8,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = split_kv_workspace, .run = run_split_kv)
