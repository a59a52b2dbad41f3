// Pairs of bf16 in the 32 bits of a lane, the first in the low half, and the step that multiplies them: sum += a.low b.low +
// a.high b.high in f32. HardDot is VDPBF16PS, which takes denormals for 0; SoftDot the same in two fused multiply-adds, for
// machines without it. Buffers of pairs are declared as floats, and only ever moved as such.
//
// Source: Intel, "Architecture Instruction Set Extensions Programming Reference" (319433), VDPBF16PS.
#pragma once

#include <cstdint>
#include <cstring>

#include "detail/half_vectors.hpp"
#include "detail/register_tile.hpp"
#include "detail/transpose.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

#if defined(__AVX512BF16__)
struct HardDot {
  static Batch add(const Batch& sum, const Batch& a, const Batch& b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)as_bits(a), (__m512bh)as_bits(b));
  }
};
using Dot = HardDot;
#else
struct SoftDot {
  static Batch low(const Batch& pair) { return as_floats(as_bits(pair) << 16); }
  static Batch high(const Batch& pair) { return as_floats(as_bits(pair) & 0xffff0000u); }
  static Batch add(const Batch& sum, const Batch& a, const Batch& b) {
    return fma(low(a), low(b), fma(high(a), high(b), sum));
  }
};
static_assert(!is_isa("avx512bf16"), "a row of avx512bf16 would be computed without its instruction");
using Dot = SoftDot;
#endif

// Two elements that lie side by side, in every lane.
inline Batch broadcast_pair(const void* p) {
  std::uint32_t pair;
  std::memcpy(&pair, p, sizeof pair);
  return as_floats(Bits32{} + pair);
}
// One, with a 0 behind it.
inline Batch broadcast_last(const Bf16* p) { return as_floats(Bits32{} + p->bits); }

// tile[r][lane] += pairs t < depth of a[r] and b[t][lane]. Strides of a count bf16.
template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::always_inline]] inline void multiply_pairs(Tile<kRows, kVectors>& tile, const Bf16* a, std::int64_t row_stride,
                                                  std::int64_t depth_stride, const float* b, std::int64_t depth) {
  for (std::int64_t t = 0; t < depth; ++t) {
    LaneRow<kVectors> lanes;
    unroll<kVectors>([&](auto c) { lanes[c] = load(b + c * kLanes); });
    unroll<kRows>([&](auto r) {
      const Batch pair = broadcast_pair(a + r * row_stride);
      unroll<kVectors>([&](auto c) { tile[r][c] = Dot::add(tile[r][c], pair, lanes[c]); });
    });
    a += depth_stride;
    b += kVectors * kLanes;
  }
}

// Pairs of features of a row, the last one with a 0 where their number is odd.
inline std::int64_t pairs_of(std::int64_t dim) { return (dim + 1) / 2; }

// pairs[t][lane] = features 2 t and 2 t + 1 of row(lane), `width` lanes of which `count` have a row; the others are 0.
template <class RowOf>
[[gnu::flatten]] inline void pack_pairs(std::int64_t count, std::int64_t width, const RowOf& row, std::int64_t dim,
                                        float* pairs) {
  for (std::int64_t lane = 0; lane < width; lane += kLanes) {
    const auto active = [&](std::int64_t i) { return lane + i < count; };
    std::int64_t t = 0;
    for (; 2 * (t + kLanes) <= dim; t += kLanes) {
      Square square;
      unroll<kLanes>([&](auto i) {
        Bits32 bits{};
        if (active(i)) std::memcpy(&bits, row(lane + i) + 2 * t, sizeof bits);
        square[i] = as_floats(bits);
      });
      transpose(square);
      unroll<kLanes>([&](auto i) { store(pairs + (t + i) * width + lane, square[i]); });
    }
    for (; t < pairs_of(dim); ++t)
      for (std::int64_t i = 0; i < kLanes; ++i) {
        std::uint32_t pair = 0;
        if (active(i)) std::memcpy(&pair, row(lane + i) + 2 * t, 2 * t + 1 < dim ? sizeof pair : sizeof(Bf16));
        std::memcpy(pairs + t * width + lane + i, &pair, sizeof pair);
      }
  }
}

// pairs[d] = first[d] and second[d]; second null: and 0.
inline void interleave_rows(const Bf16* first, const Bf16* second, std::int64_t dim, Bf16* pairs) {
  for (std::int64_t d = 0; d < dim; ++d) {
    pairs[2 * d] = first[d];
    pairs[2 * d + 1] = second == nullptr ? Bf16{0} : second[d];
  }
}

// Two weights of each lane as a pair, rounded to nearest. They are not negative; NaN may be lost, and shows in their sum.
inline Batch round_to_pair(const Batch& first, const Batch& second) {
  const Bits32 half = Bits32{} + 0x8000u;
  return as_floats((as_bits(first) + half) >> 16 | ((as_bits(second) + half) & 0xffff0000u));
}

}  // namespace
}  // namespace attn::ATTN_ISA
