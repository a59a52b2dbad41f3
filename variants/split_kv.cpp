// Idea: with few queries attention reads far more than it computes, so K and V are read from memory once, by all query
//   heads of the group together, and the keys are split into chunks for the team; a chunk leaves a partial (row_max,
//   row_sum, O) per row, merged in chunk order. The chunks follow from the problem alone: same bits for any team.
//   A chunk's keys are read in four places in turns: memory answers four streams sooner than one.
// Differs from: online_softmax, whose lanes are queries (one in 32 busy in decode) and whose tasks are query blocks.
//   Here lanes are features: q.k of kTileKeys keys is summed over lanes by one transposing add tree.
// Cost: 2 d + 2 dv FLOPs per visible pair; K and V leave DRAM once per kMaxRows rows (query, head) of a kv head.
//   Workspace: per thread up to 192 KB and kMaxRows rows of Q; partials for at most kMaxTasks chunks, about 1/16 of K
//   and V where chunks are shortest.
//   Elements of 16 bits, and int8, are widened as they are loaded, so that half or a quarter of the bytes leave DRAM.
// Numerics: f32 FMA, also of 16-bit elements, of which o is rounded once, at the end; softmax in base 2, softmax_scale
//   log2(e) folded into Q; detail/exp2.hpp, 2 ulp. Scales of int8 multiply a score once it is summed up, and a probability
//   once it has been added to row_sum.
// Limits: none; with many queries a tile of 4 rows x 4 keys stays below online_softmax.
// Rejected: fetching V while K is scored, a block ahead (loses to a short distance within one stream); fetching into L1
//   (no better than nothing on Zen 4); half of each row of values and then the other (loses a quarter of the bandwidth
//   against whole rows). On Zen 3: keys in their order (14 GB/s, four streams 27, eight 25); fetching ahead in four streams
//   (24); blocks of 128 keys (22 GB/s of grouped f32, with 512 23.5); eight rows of values at a time for one query (24).
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
#include "detail/unroll.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Half of the vector registers hold accumulators, the others operands: kTileRows rows x kTileKeys keys.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr std::int64_t kAccumulators = 16;
#else
inline constexpr std::int64_t kAccumulators = 8;
#endif
inline constexpr std::int64_t kTileKeys = kBlockLanes;
inline constexpr std::int64_t kTileRows = kAccumulators / kTileKeys;
inline constexpr std::int64_t kBlockN = 512;
// Bytes from what is read to what is fetched into L2, if anything is. On Zen 3 the hardware's prefetchers do better alone
// (h:32/q:1/k:8192/d:128 at 27.5 and 24.2 GB/s); with AVX-512 on Zen 5 and Sapphire Rapids a page ahead was best as long as
// keys were read in their order, and is to be measured again.
#if defined(__AVX512F__)
inline constexpr std::int64_t kAhead = 4096;
#else
inline constexpr std::int64_t kAhead = 0;
#endif
// From here on arithmetic binds, and o is kept in registers over many keys instead of reading whole rows of V at a time:
// with 16 rows at d = 64 from L3 that takes 0.89 of the time, with 8 rows at d = 128 from memory 1.17, with 4 rows 1.4.
inline constexpr std::int64_t kManyRows = 9;
// Bytes of K or V that tiles share from L1.
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

// Features are read in groups of as many as one load brings. When dim is no multiple the last group covers the last
// features, overlapping the one before: nothing is read past a row. Rows shorter than a group are copied and padded first.
template <class KV>
inline constexpr std::int64_t kGroup = kParts<KV>* kLanes;
template <class KV>
constexpr std::int64_t groups_of(std::int64_t dim) {
  return ceil_div(dim, kGroup<KV>);
}
template <class KV>
constexpr std::int64_t padded(std::int64_t dim) {
  return groups_of<KV>(dim) * kGroup<KV>;
}
template <class KV>
constexpr std::int64_t feature_of(std::int64_t group, std::int64_t dim) {
  return std::max<std::int64_t>(0, std::min(group * kGroup<KV>, dim - kGroup<KV>));
}
// Where feature i of padded ones stands among them: group by group, the parts of a group one after the other.
template <class KV>
constexpr std::int64_t position_of(std::int64_t i) {
  const std::int64_t in_group = i % kGroup<KV>;
  return i - in_group + in_group % kParts<KV> * kLanes + in_group / kParts<KV>;
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

// Rows of keys or values, counted in the order in which they are read: kTileKeys rows that are `jump` elements apart, then
// those that follow each by `step`.
template <class E>
struct Keys {
  const E* data;
  std::int64_t jump, step;
  const E* row(std::int64_t t) const {
    const auto place = static_cast<std::uint64_t>(t) % kTileKeys, turn = static_cast<std::uint64_t>(t) / kTileKeys;
    return data + static_cast<std::int64_t>(place) * jump + static_cast<std::int64_t>(turn) * step;
  }
};

// At most kBlockN keys; rows of k and v are at least a group wide.
template <class E>
struct KeyBlock {
  Keys<E> k, v;
  std::int64_t begin;  // the first key, of a block of neighbours; kAllSeen of one that every row sees
  std::int64_t keys;
  const float *k_scale, *v_scale;  // [kBlockN] of int8, which may be read past the last key

  static constexpr std::int64_t kAllSeen = -1;
};

// The running softmax of one row: O not yet normalised, then a vector each of row_max (in every lane, base 2), row_sum
// (still to be summed over lanes) and, when chunks are merged, the chunk's weight.
struct State {
  float* o;
  std::int64_t width;

  template <class KV>
  static std::int64_t floats(const Problem& p) {
    return padded<KV>(p.value_dim) + 3 * kLanes;
  }
  float* row_max() const { return o + width; }
  float* row_sum() const { return o + width + kLanes; }
  float* weight() const { return o + width + 2 * kLanes; }
};

// Scratch of one thread.
struct Scratch {
  float* q;      // [unit_rows, padded(head_dim)] scaled, features at position_of
  float* probs;  // [unit_rows, kBlockN] scores, then probabilities
  float* k;      // [kBlockN, kGroup] copies of rows shorter than a group, of at most as many bytes as kLanes floats
  float* v;
  float* scales;  // [2, kBlockN] copies of those of k and v

  static std::int64_t floats(std::int64_t padded_dim, const Split& split) {
    return split.unit_rows * (padded_dim + kBlockN) + 2 * kBlockN * (kLanes + 1);
  }

  Scratch(float* base, std::int64_t padded_dim, const Split& split) {
    const auto take = [&](std::int64_t floats) { return std::exchange(base, base + floats); };
    q = take(split.unit_rows * padded_dim), probs = take(split.unit_rows * kBlockN);
    k = take(kBlockN * kLanes), v = take(kBlockN * kLanes), scales = take(2 * kBlockN);
  }
};

// What the steps need to know of a task; rows are counted from the task's first.
struct Rows {
  const Problem& p;
  std::int64_t group, row_begin, count;
  std::int64_t head_dim, value_dim;  // at least a group
  const float* q;
  std::int64_t q_stride;
  float* probs;
  float* states;
  std::int64_t state_floats, width;

  State state(std::int64_t r) const { return {states + r * state_floats, width}; }
  KeyRange visible(std::int64_t r) const { return visible_keys(p, (row_begin + r) / group); }
  // Keys of the block, counted from its first, that some row of [first, last] sees: windows move up with the query.
  template <class E>
  KeyRange seen(const KeyBlock<E>& block, std::int64_t first, std::int64_t last) const {
    if (block.begin == KeyBlock<E>::kAllSeen) return {0, block.keys};
    const auto inside = [&](std::int64_t key) { return std::clamp<std::int64_t>(key - block.begin, 0, block.keys); };
    return {inside(visible(first).begin), inside(visible(last).end)};
  }
};

// Calls f with the constant that equals count, one of 1 ... sizeof...(kValue).
template <class F, std::size_t... kValue>
inline void with_constant(std::int64_t count, const F& f, std::index_sequence<kValue...>) {
  ((count == kValue + 1 ? f(std::integral_constant<std::int64_t, kValue + 1>()) : void()), ...);
}

// Keys of a block whose rows wait in L1 until each row tile has read them.
template <class E>
std::int64_t shared_keys(std::int64_t rows, std::int64_t dim) {
  if (rows < kManyRows) return kLanes;
  return std::clamp(kSharedBytes / static_cast<std::int64_t>(sizeof(E)) / dim / kLanes * kLanes, kLanes, kBlockN);
}

// The last group of K, and its tail: features that the group before holds too are 0 in q, and in k since 0 x inf is NaN.
template <class E>
Parts<E> load_tail(const E* k, std::int64_t dim) {
  Parts<E> parts = load_parts(k + dim - kGroup<E>);
  for (std::int64_t i = 0; i < kParts<E>; ++i) {
    const Batch feature = lane_numbers() * Batch(static_cast<float>(kParts<E>)) + Batch(static_cast<float>(i));
    parts[i] = xsimd::select(feature >= Batch(static_cast<float>(kGroup<E> - dim % kGroup<E>)), parts[i], Batch(0.0f));
  }
  return parts;
}

// At the first group of each cache line; past the end of a tensor prefetches are ignored.
template <class E>
[[gnu::always_inline]] inline void fetch_ahead(const E* p, std::int64_t feature) {
  constexpr std::int64_t kLine = 64 / sizeof(E);
  if constexpr (kAhead > 0)
    if (feature % kLine == 0) __builtin_prefetch(reinterpret_cast<const char*>(p + feature) + kAhead, 0, 2);
}

template <std::int64_t kRows>
using Tile = std::array<std::array<Batch, kTileKeys>, kRows>;

// tile[r][i]: a vector whose lanes sum to q[r].k[i]. One row alone has a tile of even and one of odd vectors: its
// kTileKeys chains of FMAs would wait for each other.
template <std::int64_t kRows, class E>
[[gnu::always_inline]] inline Tile<kRows> multiply_tile(const float* q, std::int64_t q_stride, std::int64_t dim,
                                                        const std::array<const E*, kTileKeys>& k) {
  constexpr std::int64_t kTiles = kRows == 1 ? 2 : 1;
  std::array<Tile<kRows>, kTiles> tiles;
  for (auto& tile : tiles)
    for (auto& of_row : tile) of_row.fill(Batch(0.0f));
  const auto add = [&](auto number, std::int64_t d, const auto& load_k) __attribute__((always_inline)) {
    unroll<kTileKeys>([&](auto i) __attribute__((always_inline)) {
      const Parts<E> x = load_k(k[i]);
      unroll<kRows>([&](auto r) __attribute__((always_inline)) {
        unroll<kParts<E>>([&](auto part) __attribute__((always_inline)) {
          Batch& sum = tiles[(number() + part()) % kTiles][r][i];
          sum = fma(load(q + r * q_stride + d + part * kLanes), x[part], sum);
        });
      });
    });
  };
  const std::int64_t whole = dim / kGroup<E> * kGroup<E>;
  const auto whole_group = [&](auto number, std::int64_t d) __attribute__((always_inline)) {
    add(
        number, d, [&](const E* row) __attribute__((always_inline)) { return load_parts(row + d); });
  };
  constexpr auto kEven = std::integral_constant<std::int64_t, 0>{};
  constexpr auto kOdd = std::integral_constant<std::int64_t, 1>{};
  std::int64_t d = 0;
  for (; d + 2 * kGroup<E> <= whole; d += 2 * kGroup<E>) whole_group(kEven, d), whole_group(kOdd, d + kGroup<E>);
  if (d < whole) whole_group(kEven, d);
  if (whole < dim)
    add(
        kOdd, whole, [&](const E* row) __attribute__((always_inline)) { return load_tail(row, dim); });
  if constexpr (kTiles == 2)
    for (std::int64_t i = 0; i < kTileKeys; ++i) tiles[0][0][i] += tiles[1][0][i];
  return tiles[0];
}

// Scores of kRows rows from `row` on against kLanes keys from j on, which share each load of K. Past the last key it is
// repeated; update_softmax masks what comes of that.
template <std::int64_t kRows, class E>
void score_rows(const Rows& rows, const KeyBlock<E>& block, std::int64_t row, std::int64_t j) {
  std::array<std::array<Batch, kLanes / kTileKeys>, kRows> sums;
  for (std::int64_t part = 0; part < kLanes / kTileKeys; ++part) {
    const std::int64_t first = j + part * kTileKeys;
    std::array<const E*, kTileKeys> k;
    for (std::int64_t i = 0; i < kTileKeys; ++i) k[i] = block.k.row(std::min(first + i, block.keys - 1));
    const Tile<kRows> tile = multiply_tile<kRows>(rows.q + row * rows.q_stride, rows.q_stride, rows.head_dim, k);
    for (std::int64_t r = 0; r < kRows; ++r) sums[r][part] = sum_blocks(tile[r]);
  }
  for (std::int64_t r = 0; r < kRows; ++r) store(rows.probs + (row + r) * kBlockN + j, add_blocks(sums[r]));
}

template <class E>
void compute_scores(const Rows& rows, const KeyBlock<E>& block) {
  const std::int64_t step = shared_keys<E>(rows.count, rows.head_dim);
  for (std::int64_t begin = 0; begin < block.keys; begin += step)
    for (std::int64_t r = 0; r < rows.count; r += kTileRows) {
      const std::int64_t count = std::min(kTileRows, rows.count - r), end = std::min(begin + step, block.keys);
      const KeyRange seen = rows.seen(block, r, r + count - 1);
      if (seen.begin >= seen.end) continue;
      with_constant(
          count,
          [&](auto tile_rows) {
            for (std::int64_t j = begin; j < end; j += kLanes) score_rows<tile_rows()>(rows, block, r, j);
          },
          std::make_index_sequence<kTileRows>());
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

// o += P V of kKeys keys from j on, for kRows rows from r on. Whole rows of V, one from each of the streams, are read
// once; o is in L1, since it would not fit into registers.
template <std::int64_t kRows, std::int64_t kKeys, class E>
void accumulate_keys(const Rows& rows, const KeyBlock<E>& block, std::int64_t r, std::int64_t j) {
  std::array<std::array<Batch, kKeys>, kRows> p;
  std::array<const E*, kKeys> v;
  std::array<float*, kRows> o;
  for (std::int64_t i = 0; i < kKeys; ++i) v[i] = block.v.row(j + i);
  for (std::int64_t t = 0; t < kRows; ++t) {
    o[t] = rows.state(r + t).o;
    for (std::int64_t i = 0; i < kKeys; ++i) p[t][i] = Batch(rows.probs[(r + t) * kBlockN + j + i]);
  }
  const auto add = [&](std::int64_t at, std::int64_t feature) __attribute__((always_inline)) {
    std::array<Parts<E>, kRows> sum;
    unroll<kRows>([&](auto t) __attribute__((always_inline)) {
      unroll<kParts<E>>([&](auto part)
                            __attribute__((always_inline)) { sum[t][part] = load(o[t] + at + part * kLanes); });
    });
    unroll<kKeys>([&](auto i) __attribute__((always_inline)) {
      fetch_ahead(v[i], feature);
      const Parts<E> x = load_parts(v[i] + feature);
      unroll<kRows>([&](auto t) __attribute__((always_inline)) {
        unroll<kParts<E>>([&](auto part)
                              __attribute__((always_inline)) { sum[t][part] = fma(p[t][i], x[part], sum[t][part]); });
      });
    });
    unroll<kRows>([&](auto t) __attribute__((always_inline)) {
      unroll<kParts<E>>([&](auto part)
                            __attribute__((always_inline)) { store(o[t] + at + part * kLanes, sum[t][part]); });
    });
  };
  const std::int64_t whole = rows.value_dim / kGroup<E> * kGroup<E>;
  for (std::int64_t d = 0; d < whole; d += kGroup<E>) add(d, d);
  if (whole < rows.value_dim) add(whole, rows.value_dim - kGroup<E>);
}

// The same of any keys in kGroups groups of features, from `first` on: o stays in registers, and each row of V is read in
// pieces, from L1 but by the first rows.
template <std::int64_t kRows, std::int64_t kGroups, class E>
void accumulate_groups(const Rows& rows, const KeyBlock<E>& block, std::int64_t r, std::int64_t first, KeyRange keys) {
  std::array<std::array<Parts<E>, kGroups>, kRows> sum;
  const auto each = [&](const auto& f) __attribute__((always_inline)) {
    unroll<kRows>([&](auto t) __attribute__((always_inline)) {
      unroll<kGroups>([&](auto g) __attribute__((always_inline)) {
        unroll<kParts<E>>([&](auto part) __attribute__((always_inline)) {
          f(sum[t][g][part], rows.state(r + t).o + (first + g) * kGroup<E> + part * kLanes);
        });
      });
    });
  };
  each([](Batch & x, const float* o) __attribute__((always_inline)) { x = load(o); });
  const std::int64_t last = feature_of<E>(first + kGroups - 1, rows.value_dim);
  const float* probs = rows.probs + r * kBlockN;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const E* v = block.v.row(j);
    std::array<Parts<E>, kGroups> x;
    unroll<kGroups>([&](auto g) __attribute__((always_inline)) {
      x[g] = load_parts(g + 1 < kGroups ? v + (first + g) * kGroup<E> : v + last);
    });
    unroll<kRows>([&](auto t) __attribute__((always_inline)) {
      const Batch p(probs[t * kBlockN + j]);
      unroll<kGroups>([&](auto g) __attribute__((always_inline)) {
        unroll<kParts<E>>([&](auto part) __attribute__((always_inline)) {
          sum[t][g][part] = fma(p, x[g][part], sum[t][g][part]);
        });
      });
    });
  }
  each([](const Batch& x, float* o) __attribute__((always_inline)) { store(o, x); });
}

// All groups, in as few and as equal tiles as registers allow.
template <std::int64_t kRows, class E>
void accumulate_in_tiles(const Rows& rows, const KeyBlock<E>& block, std::int64_t r, KeyRange keys) {
  constexpr std::int64_t kGroups = kAccumulators / kTileRows / kParts<E>;
  const std::int64_t groups = groups_of<E>(rows.value_dim), tiles = ceil_div(groups, kGroups);
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = groups * t / tiles, last = groups * (t + 1) / tiles;
    with_constant(
        last - first, [&](auto count) { accumulate_groups<kRows, count()>(rows, block, r, first, keys); },
        std::make_index_sequence<kGroups>());
  }
}

template <std::int64_t kRows, class E>
void accumulate_rows(const Rows& rows, const KeyBlock<E>& block, std::int64_t r, KeyRange keys) {
  std::int64_t j = keys.begin;
  for (; j + kTileKeys <= keys.end; j += kTileKeys) accumulate_keys<kRows, kTileKeys>(rows, block, r, j);
  for (; j < keys.end; ++j) accumulate_keys<kRows, 1>(rows, block, r, j);
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
  const std::int64_t step = shared_keys<E>(rows.count, rows.value_dim);
  for (std::int64_t begin = 0; begin < block.keys; begin += step) {
    const KeyRange keys{begin, std::min(begin + step, block.keys)};
    for (std::int64_t r = 0; r < rows.count; r += kTileRows)
      with_constant(
          std::min(kTileRows, rows.count - r),
          [&](auto count) {
            if (rows.count < kManyRows)
              accumulate_rows<count()>(rows, block, r, keys);
            else
              accumulate_in_tiles<count()>(rows, block, r, keys);
          },
          std::make_index_sequence<kTileRows>());
  }
}

// Q in base-2 units, rounded once; features that the last group shares with the one before, or that pad, are 0.
template <class E, class KV>
void pack_queries(const Args& args, const Split& split, const Task& task, float* packed) {
  const std::int64_t dim = args.problem->head_dim, whole = dim / kGroup<KV> * kGroup<KV>, stride = padded<KV>(dim);
  const std::int64_t shift = dim < kGroup<KV> ? 0 : stride - dim;
  const double scale = args.softmax_scale * kLog2E;
  for (std::int64_t row = task.row_begin; row < task.row_end; ++row, packed += stride) {
    const std::int64_t head = task.kv_head * split.group + row % split.group;
    const E* q = row_of<E>(args.q, task.b, head, row / split.group);
    std::fill(packed, packed + stride, 0.0f);
    for (std::int64_t d = 0; d < dim; ++d)
      packed[position_of<KV>(d < whole ? d : d + shift)] = static_cast<float>(to_float(q[d]) * scale);
  }
}

// Rows as they lie in memory, or copied and padded when shorter than a group.
template <class E>
Keys<E> padded_rows(const Keys<E>& rows, std::int64_t dim, std::int64_t count, float* scratch) {
  if (dim >= kGroup<E>) return rows;
  E* copy = reinterpret_cast<E*>(scratch);
  std::fill(copy, copy + count * kGroup<E>, E{});
  for (std::int64_t t = 0; t < count; ++t) std::copy_n(rows.row(t), dim, copy + t * kGroup<E>);
  return {copy, kGroup<E>, kTileKeys * kGroup<E>};
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
                  .head_dim = std::max(p.head_dim, kGroup<KV>),
                  .value_dim = std::max(p.value_dim, kGroup<KV>),
                  .q = s.q,
                  .q_stride = padded<KV>(p.head_dim),
                  .probs = s.probs,
                  .states = states,
                  .state_floats = State::floats<KV>(p),
                  .width = padded<KV>(p.value_dim)};
  pack_queries<E, KV>(args, split, task, s.q);
  std::fill(states, states + rows.count * rows.state_floats, 0.0f);
  for (std::int64_t r = 0; r < rows.count; ++r) store(rows.state(r).row_max(), Batch(-kInfinity));

  // `keys` keys in the order of Keys, from `first` on.
  const auto attend_block = [&](std::int64_t first, std::int64_t keys, std::int64_t jump, std::int64_t step,
                                bool all_seen) {
    const auto rows_of = [&](const auto& x, std::int64_t dim, float* copy) {
      return padded_rows<KV>({row_of<KV>(x, task.b, task.kv_head, first), jump * x.row_stride, step * x.row_stride},
                             dim, keys, copy);
    };
    if constexpr (std::is_same_v<KV, Int8>) {
      const Keys<float> k_scales{scales_of(args.k_scale, p, task.b, task.kv_head) + first, jump, step};
      const Keys<float> v_scales{scales_of(args.v_scale, p, task.b, task.kv_head) + first, jump, step};
      for (std::int64_t t = 0; t < keys; ++t) s.scales[t] = *k_scales.row(t), s.scales[kBlockN + t] = *v_scales.row(t);
    }
    const KeyBlock<KV> block{.k = rows_of(args.k, p.head_dim, s.k),
                             .v = rows_of(args.v, p.value_dim, s.v),
                             .begin = all_seen ? KeyBlock<KV>::kAllSeen : first,
                             .keys = keys,
                             .k_scale = s.scales,
                             .v_scale = s.scales + kBlockN};
    compute_scores(rows, block);
    for (std::int64_t r = 0; r < rows.count; ++r) update_softmax(rows, block, r);
    accumulate_pv(rows, block);
  };
  const auto attend_neighbours = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t key = begin; key < end; key += kBlockN)
      attend_block(key, std::min(kBlockN, end - key), 1, kTileKeys, false);
  };
  // What all rows see is cut into streams.
  const std::int64_t begin = std::clamp(rows.visible(rows.count - 1).begin, task.key_begin, task.key_end);
  const std::int64_t end = std::clamp(rows.visible(0).end, begin, task.key_end);
  const std::int64_t stream = (end - begin) / kTileKeys;
  attend_neighbours(task.key_begin, begin);
  for (std::int64_t i = 0; i < stream; i += kBlockN / kTileKeys)
    attend_block(begin + i, kTileKeys * std::min(kBlockN / kTileKeys, stream - i), stream, 1, true);
  attend_neighbours(begin + kTileKeys * stream, task.key_end);
}

// Writes one row of o and lse from the states that its chunks left, chunk_floats apart, in chunk order:
// o = sum_c w_c O_c / sum_c w_c row_sum_c with w_c = exp2(row_max_c - row_max).
template <class E, class KV>
void merge_row(const Args& args, const Split& split, const Task& task, std::int64_t row, float* states,
               std::int64_t chunk_floats) {
  const Problem& p = *args.problem;
  const std::int64_t dim = p.value_dim, query = row / split.group;
  const std::int64_t head = task.kv_head * split.group + row % split.group;
  const auto state = [&](std::int64_t c) { return State{states + c * chunk_floats, padded<KV>(dim)}; };
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
  for (std::int64_t g = 0; g < groups_of<KV>(dim); ++g) {
    Parts<KV> sum;
    for (std::int64_t i = 0; i < kParts<KV>; ++i) {
      sum[i] = Batch(0.0f);
      for (std::int64_t c = 0; c < split.chunks; ++c)
        sum[i] = fma(load(state(c).weight()), load(state(c).o + g * kGroup<KV> + i * kLanes), sum[i]);
      sum[i] *= inverse;
    }
    const Parts<KV> finished = in_order(sum);
    if (dim >= kGroup<KV>) {
      for (std::int64_t i = 0; i < kParts<KV>; ++i) store(o + feature_of<KV>(g, dim) + i * kLanes, finished[i]);
    } else {
      for (std::int64_t i = 0; i < kParts<KV>; ++i) store(state(0).o + i * kLanes, finished[i]);
      for (std::int64_t d = 0; d < dim; ++d) o[d] = round_to<E>(state(0).o[d]);
    }
  }
  if (args.lse)
    args.lse[(task.b * p.heads + head) * p.seqlen_q + query] = row_max.get(0) * kLn2 + std::log(row_sum.get(0));
  mend_row<E, KV>(args, task.b, head, query, row_sum.get(0));
}

// Floats of the scratch of a thread, and of the states of a task.
template <class KV>
struct Floats {
  std::int64_t scratch, states;
  Floats(const Problem& p, const Split& split)
      : scratch(Scratch::floats(padded<KV>(p.head_dim), split)), states(split.unit_rows * State::floats<KV>(p)) {}
};

template <class E, class KV>
void attend(const Args* args) {
  const Problem& p = *args->problem;
  const Split split(p);
  const Floats<KV> floats(p, split);
  const std::int64_t tasks = split.units * split.chunks, row_floats = State::floats<KV>(p);
  float* scratch = static_cast<float*>(args->workspace);
  float* states = scratch + args->threads * floats.scratch;
#pragma omp parallel num_threads(args->threads)
  {
    const Scratch s(scratch + omp_get_thread_num() * floats.scratch, padded<KV>(p.head_dim), split);
#pragma omp for schedule(dynamic)
    for (std::int64_t t = 0; t < tasks; ++t) {
      const Task task = make_task(p, split, t / split.chunks, t % split.chunks);
      float* own = states + (split.chunks > 1 ? t : omp_get_thread_num()) * floats.states;
      attend_chunk<E, KV>(*args, split, task, s, own);
      if (split.chunks > 1) continue;
      for (std::int64_t row = task.row_begin; row < task.row_end; ++row)
        merge_row<E, KV>(*args, split, task, row, own + (row - task.row_begin) * row_floats, 0);
    }
    if (split.chunks > 1) {
#pragma omp for schedule(static)
      for (std::int64_t r = 0; r < split.units * split.unit_rows; ++r) {
        const std::int64_t unit = r / split.unit_rows;
        const Task task = make_task(p, split, unit, 0);
        const std::int64_t row = task.row_begin + r % split.unit_rows;
        if (row >= task.row_end) continue;
        float* first = states + unit * split.chunks * floats.states + r % split.unit_rows * row_floats;
        merge_row<E, KV>(*args, split, task, row, first, floats.states);
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
  std::size_t bytes = 0;
  with_elements(*p, [&]<class E, class KV>(E, KV) {
    const Floats<KV> floats(*p, split);
    bytes = (threads * floats.scratch + slots * floats.states) * sizeof(float);
  });
  return bytes;
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(split_kv,
             .summary = "keys split over the team, partial softmaxes merged; K and V read once per head group",
             .source = "Dao et al., Flash-Decoding, 2023",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_TAKES_F32 | ATTN_TAKES_BF16 | ATTN_TAKES_F16 | ATTN_TAKES_KV_INT8,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = split_kv_workspace, .run = run_split_kv)
