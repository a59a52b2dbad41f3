// bf16 attention on tiles, the data: how queries, keys, values and O^T lie in memory between steps, and the ways in and
// out. Lanes are queries. Everything is padded with zeros to 32 queries, keys and features, the operands of one quad of
// products: two tiles of A, x = 0 and 1, and two of B, y = 0 and 1, each quad 2 KB in the order in which it is read:
//   K   [step][g][x][16 keys][32 features]          a step is 32 keys, g counts 32 features of head_dim
//   V^T [item][g][step][x][16 features][32 keys]    an item is `item_steps` steps, g counts 32 features of value_dim
//   Q^T [g][y][16 pairs of features][16 queries][2]  of a block of 32 queries
//   P^T [step][y][16 pairs of keys][16 queries][2]   of an item
//   S^T, O^T [g][32][32 queries] in f32              of a step; of a block
#pragma once

#include <algorithm>

#include "detail/tiles.hpp"
#include "detail/transpose.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

inline constexpr std::int64_t kSide = 32;                     // queries of a block, keys of a step, features of a group
inline constexpr std::int64_t kQuad = kSide * kSide;          // bf16 values of two tiles
inline constexpr std::int64_t kSquareFloats = kSide * kSide;  // of S^T and O^T
inline constexpr std::int64_t kSquareStride = kSide * sizeof(float);
static_assert(kLanes == 16 && kQuad * sizeof(Bf16) == 2 * kTileBytes);

// The sizes of a problem in groups and steps.
struct Shape {
  std::int64_t head_groups, value_groups;
  std::int64_t item_steps;  // S^T, P^T, Q^T and O^T of an item fit L1: 64 keys of 64 features, 128 of more
  std::int64_t items;       // that cover all keys

  std::int64_t key_values() const { return items * item_steps * head_groups * kQuad; }
  std::int64_t value_values() const { return items * item_steps * value_groups * kQuad; }
};

inline std::int64_t groups_of(std::int64_t features) { return (features + kSide - 1) / kSide; }

inline Shape shape_of(const Problem& p) {
  const std::int64_t head_groups = groups_of(p.head_dim), value_groups = groups_of(p.value_dim);
  const std::int64_t item_steps = std::max(head_groups, value_groups) <= 2 ? 2 : 4;
  return {head_groups, value_groups, item_steps, (p.seqlen_k + item_steps * kSide - 1) / (item_steps * kSide)};
}

// 32 values from `row` + first on, zeros from `count` on.
inline __m512i load_group(const Bf16* row, std::int64_t first, std::int64_t count) {
  if (first + kSide <= count) return _mm512_loadu_si512(row + first);
  return _mm512_maskz_loadu_epi16((std::uint32_t{1} << (count - first)) - 1, row + first);
}

// 16 rows of 16 pairs become rows of what were columns.
[[gnu::always_inline]] inline void store_transposed(const __m512i (&rows)[kLanes], void* to) {
  Square square;
  unroll<kLanes>([&](auto i) { square[i] = Batch(_mm512_castsi512_ps(rows[i])); });
  transpose(square);
  unroll<kLanes>([&](auto i) { store(static_cast<float*>(to) + i * kLanes, square[i]); });
}

// The keys of one item.
inline void pack_keys(const Args& args, const Shape& shape, std::int64_t b, std::int64_t kv_head, std::int64_t item,
                      Bf16* packed) {
  const Problem& p = *args.problem;
  for (std::int64_t step = item * shape.item_steps; step < (item + 1) * shape.item_steps; ++step)
    for (std::int64_t row = 0; row < kSide; ++row) {
      const std::int64_t key = step * kSide + row;
      Bf16* to = packed + step * shape.head_groups * kQuad + row * kSide;
      const Bf16* k = key < p.seqlen_k ? row_of<Bf16>(args.k, b, kv_head, key) : nullptr;
      for (std::int64_t g = 0; g < shape.head_groups; ++g)
        _mm512_store_si512(to + g * kQuad, k ? load_group(k, g * kSide, p.head_dim) : _mm512_setzero_si512());
    }
}

// Whether a value is so small that products with it vanish in the tile unit where they are not small beside the result:
// not 0, and below 2^-100.
inline bool any_tiny(__m512i values) {
  const __m512i magnitude = _mm512_and_si512(values, _mm512_set1_epi16(0x7fff));
  constexpr std::int16_t kLimit = (127 - 100) << 7;
  return _mm512_cmplt_epu16_mask(_mm512_sub_epi16(magnitude, _mm512_set1_epi16(1)), _mm512_set1_epi16(kLimit - 1)) != 0;
}

// Of a group and a step.
[[gnu::always_inline]] inline bool pack_value_square(const std::array<const Bf16*, kSide>& rows, std::int64_t first,
                                                     std::int64_t count, Bf16* to) {
  // Words 0 to 15 of two keys in turn, and words 16 to 31.
  const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                       5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  __m512i low_features[kLanes], high_features[kLanes];
  __m512i zero = _mm512_setzero_si512();
  bool tiny = false;
  for (std::int64_t pair = 0; pair < kLanes; ++pair) {
    const Bf16 *even_row = rows[2 * pair], *odd_row = rows[2 * pair + 1];
    const __m512i even = even_row ? load_group(even_row, first, count) : zero;
    const __m512i odd = odd_row ? load_group(odd_row, first, count) : zero;
    tiny = any_tiny(even) || any_tiny(odd) || tiny;
    low_features[pair] = _mm512_permutex2var_epi16(even, low, odd);
    high_features[pair] = _mm512_permutex2var_epi16(even, high, odd);
  }
  store_transposed(low_features, to);
  store_transposed(high_features, to + kQuad / 2);
  return tiny;
}

// The values of one item; true when one of them is tiny.
inline bool pack_values(const Args& args, const Shape& shape, std::int64_t b, std::int64_t kv_head, std::int64_t item,
                        Bf16* packed) {
  const Problem& p = *args.problem;
  bool tiny = false;
  for (std::int64_t step = 0; step < shape.item_steps; ++step) {
    std::array<const Bf16*, kSide> rows;
    for (std::int64_t i = 0; i < kSide; ++i) {
      const std::int64_t key = (item * shape.item_steps + step) * kSide + i;
      rows[i] = key < p.seqlen_k ? row_of<Bf16>(args.v, b, kv_head, key) : nullptr;
    }
    for (std::int64_t g = 0; g < shape.value_groups; ++g)
      tiny |= pack_value_square(rows, g * kSide, p.value_dim,
                                packed + ((item * shape.value_groups + g) * shape.item_steps + step) * kQuad);
  }
  return tiny;
}

// Q^T of 32 rows; null: zeros.
inline void pack_block(const std::array<const Bf16*, kSide>& queries, const Shape& shape, std::int64_t head_dim,
                       Bf16* packed) {
  for (std::int64_t y = 0; y < 2; ++y)
    for (std::int64_t g = 0; g < shape.head_groups; ++g) {
      __m512i rows[kLanes];
      for (std::int64_t i = 0; i < kLanes; ++i) {
        const Bf16* query = queries[y * kLanes + i];
        rows[i] = query ? load_group(query, g * kSide, head_dim) : _mm512_setzero_si512();
      }
      store_transposed(rows, packed + g * kQuad + y * kQuad / 2);
    }
}

// Two floats of each lane as a pair of bf16, rounded to nearest even.
inline __m512i round_pair(__m512 even, __m512 odd) {
  const auto rounded = [](__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(bits, _mm512_add_epi32(last, _mm512_set1_epi32(0x7fff)));
  };
  return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(rounded(even), 16), rounded(odd));
}

// Whole lines go past the caches: nobody reads o again soon.
inline void write_group(Bf16* row, std::int64_t first, std::int64_t count, __m512i values) {
  Bf16* to = row + first;
  if (first + kSide > count)
    _mm512_mask_storeu_epi16(to, (std::uint32_t{1} << (count - first)) - 1, values);
  else if (reinterpret_cast<std::uintptr_t>(to) % 64 == 0)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), values);
  else
    _mm512_storeu_si512(to, values);
}

// What became of the 16 lanes of a block.
struct WrittenLanes {
  __mmask16 finite;  // all of o
  __mmask16 tiny;    // some of o is below 2^-90, where the unit may have lost much of it
};

// Lanes y of O^T times `factor`, to `count` rows.
inline WrittenLanes write_lanes(const float* o, std::int64_t y, __m512 factor, Bf16* const* to, std::int64_t count,
                                std::int64_t value_dim) {
  __m512 zero_or_nan = _mm512_setzero_ps(), least = _mm512_set1_ps(1.0f);
  for (std::int64_t g = 0; g < groups_of(value_dim); ++g) {
    __m512i pairs[kLanes];
    for (std::int64_t pair = 0; pair < kLanes; ++pair) {
      const float* from = o + g * kSquareFloats + 2 * pair * kSide + y * kLanes;
      const __m512 even = _mm512_mul_ps(_mm512_load_ps(from), factor);
      const __m512 odd = _mm512_mul_ps(_mm512_load_ps(from + kSide), factor);
      zero_or_nan = _mm512_fmadd_ps(even, _mm512_setzero_ps(), zero_or_nan);
      zero_or_nan = _mm512_fmadd_ps(odd, _mm512_setzero_ps(), zero_or_nan);
      if (g * kSide + 2 * pair < value_dim) least = _mm512_min_ps(least, _mm512_abs_ps(even));
      if (g * kSide + 2 * pair + 1 < value_dim) least = _mm512_min_ps(least, _mm512_abs_ps(odd));
      pairs[pair] = round_pair(even, odd);
    }
    alignas(64) __m512i rows[kLanes];
    store_transposed(pairs, rows);
    for (std::int64_t i = 0; i < count; ++i) write_group(to[i], g * kSide, value_dim, rows[i]);
  }
  return {.finite = _mm512_cmp_ps_mask(zero_or_nan, zero_or_nan, _CMP_ORD_Q),
          .tiny = _mm512_cmp_ps_mask(least, _mm512_set1_ps(0x1p-90f), _CMP_LT_OQ)};
}

}  // namespace
}  // namespace attn::ATTN_ISA
