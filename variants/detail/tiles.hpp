// The eight tiles of AMX, 16 rows of 64 bytes each, and the five things that are done with them. A Tiles object stands
// for the tile registers of the thread that made it: make one inside a parallel region, not before it.
//   multiply<C, A, B>: C[m][n] += sum over k < 32 of A[m][k] B[k][n]. A holds rows of 32 bf16, B row k / 2 the pairs
//   B[k][n], B[k + 1][n] ("VNNI"), C rows of 16 floats. Denormals of A, B, C and of every sum are taken for 0.
// HardTiles are the hardware's. SoftTiles are the same in plain C++, bit by bit, for machines without it; NaN payloads
// apart. `Tiles` is the one that an ISA has.
//
// Source: Intel, "Architecture Instruction Set Extensions Programming Reference" (319433), LDTILECFG and TDPBF16PS.
#pragma once

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

inline constexpr std::int64_t kTileLines = 16;
inline constexpr std::int64_t kLineBytes = 64;
inline constexpr std::int64_t kTileBytes = kTileLines * kLineBytes;

// Between writing memory and loading it into a tile, or storing a tile and reading it: the compiler does not see what
// tile instructions read and write, and so may move other code past them.
inline void order_memory() { asm volatile("" ::: "memory"); }

// Clang's name for it before version 16 is the second.
#if defined(__AMX_BF16__) || defined(__AMXBF16__)
#define ATTN_HARD_TILES
class HardTiles {
 public:
  HardTiles() {
    struct alignas(64) Config {  // what LDTILECFG reads
      std::uint8_t palette = 1, start_row = 0;
      std::uint8_t reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t rows[16] = {};
    } config;
    for (int tile = 0; tile < 8; ++tile) {
      config.row_bytes[tile] = kLineBytes;
      config.rows[tile] = kTileLines;
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~HardTiles() { asm volatile("tilerelease"); }
  HardTiles(const HardTiles&) = delete;
  HardTiles& operator=(const HardTiles&) = delete;

  // The intrinsics of GCC 12 take literal numbers only, no template parameters.
  template <int kTile>
  [[gnu::always_inline]] void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  [[gnu::always_inline]] void load(const void* from, std::int64_t stride_bytes = kLineBytes) {
    asm volatile("tileloadd (%0,%1,1),%%tmm%c2" ::"r"(from), "r"(stride_bytes), "i"(kTile));
  }
  // Of what will not be read again soon: it takes less of L1 away from the rest.
  template <int kTile>
  [[gnu::always_inline]] void load_streaming(const void* from, std::int64_t stride_bytes = kLineBytes) {
    asm volatile("tileloaddt1 (%0,%1,1),%%tmm%c2" ::"r"(from), "r"(stride_bytes), "i"(kTile));
  }
  template <int kSum, int kA, int kB>
  [[gnu::always_inline]] void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2,%%tmm%c1,%%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
  }
  template <int kTile>
  [[gnu::always_inline]] void store(void* to, std::int64_t stride_bytes = kLineBytes) {
    asm volatile("tilestored %%tmm%c2,(%0,%1,1)" ::"r"(to), "r"(stride_bytes), "i"(kTile));
  }
};

#endif

class SoftTiles {
 public:
  SoftTiles() = default;
  SoftTiles(const SoftTiles&) = delete;
  SoftTiles& operator=(const SoftTiles&) = delete;

  template <int kTile>
  void zero() {
    tiles_[kTile] = {};
  }
  template <int kTile>
  void load(const void* from, std::int64_t stride_bytes = kLineBytes) {
    for (std::int64_t r = 0; r < kTileLines; ++r)
      std::memcpy(&tiles_[kTile][r], static_cast<const std::byte*>(from) + r * stride_bytes, kLineBytes);
  }
  template <int kTile>
  void load_streaming(const void* from, std::int64_t stride_bytes = kLineBytes) {
    load<kTile>(from, stride_bytes);
  }
  template <int kSum, int kA, int kB>
  void multiply() {
    multiply(tiles_[kSum], tiles_[kA], tiles_[kB]);
  }
  template <int kTile>
  void store(void* to, std::int64_t stride_bytes = kLineBytes) {
    for (std::int64_t r = 0; r < kTileLines; ++r)
      std::memcpy(static_cast<std::byte*>(to) + r * stride_bytes, &tiles_[kTile][r], kLineBytes);
  }

 private:
  static constexpr std::int64_t kColumns = kLineBytes / 4;
  using Tile = std::array<std::array<std::uint32_t, kColumns>, kTileLines>;
  using Sums = std::array<float, kColumns>;

  static float low_half(std::uint32_t pair) { return std::bit_cast<float>(pair << 16); }
  static float high_half(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000); }

  // A row's even and odd k are two chains of fused multiply-adds from 0, added to each other and then to C; the unit
  // takes no notice of MXCSR, rounds to nearest even and flushes denormals.
  [[gnu::noinline]] static void multiply(Tile& c, const Tile& a, const Tile& b) {
    constexpr unsigned kFlushDenormals = 0x8040, kMaskExceptions = 0x1f80;
    const unsigned control = _mm_getcsr();
    _mm_setcsr(kFlushDenormals | kMaskExceptions);
    order_memory();
    for (std::int64_t m = 0; m < kTileLines; ++m) {
      Sums even = {}, odd = {};
      for (std::int64_t k = 0; k < kTileLines; ++k)
        for (std::int64_t n = 0; n < kColumns; ++n) {
          even[n] = __builtin_fmaf(low_half(a[m][k]), low_half(b[k][n]), even[n]);
          odd[n] = __builtin_fmaf(high_half(a[m][k]), high_half(b[k][n]), odd[n]);
        }
      for (std::int64_t n = 0; n < kColumns; ++n)
        c[m][n] = std::bit_cast<std::uint32_t>(std::bit_cast<float>(c[m][n]) + (even[n] + odd[n]));
    }
    order_memory();
    _mm_setcsr(control);
  }

  std::array<Tile, 8> tiles_;
};

#if defined(ATTN_HARD_TILES)
using Tiles = HardTiles;
#else
static_assert(!is_isa("amx"), "a row of amx would be computed by tiles in plain C++");
using Tiles = SoftTiles;
#endif
#undef ATTN_HARD_TILES

}  // namespace
}  // namespace attn::ATTN_ISA
