// The ceiling of bf16 arithmetic in the tile unit: four accumulator tiles, two tiles of each operand, nothing leaves
// the tiles. A product takes 16 cycles and has a latency of 52: four independent ones hide it.
#include <immintrin.h>

#include <array>
#include <cstdint>

#include "machine/probe.hpp"

namespace attn::ATTN_ISA {
namespace {

constexpr std::int64_t kRows = 16, kColumns = 16, kDepth = 32;  // of C, and bf16 values along the sum
constexpr int kRowBytes = 64;

// What LDTILECFG reads (Intel SDM volume 1, section 18.3.1).
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

using Tile = std::array<std::uint32_t, kRows * kRowBytes / 4>;

// GCC 12 takes tile intrinsics to read less memory than they do, and would drop the stores before them.
inline void keep_stores(const void* p) { asm volatile("" ::"r"(p) : "memory"); }

// Every thread loads and releases a configuration of its own, at each call: it costs some hundred cycles of 20000.
float run_tiles(std::int64_t rounds) {
  TileConfig config;
  for (int t = 0; t < 8; ++t) {
    config.row_bytes[t] = kRowBytes;
    config.rows[t] = kRows;
  }
  keep_stores(&config);
  _tile_loadconfig(&config);
  alignas(64) Tile operand;
  operand.fill(0x3c003c00);  // 2^-7 in bf16, twice: the sums stay normal numbers, AMX knows no slow ones
  keep_stores(operand.data());
  _tile_loadd(4, operand.data(), kRowBytes);
  _tile_loadd(5, operand.data(), kRowBytes);
  _tile_loadd(6, operand.data(), kRowBytes);
  _tile_loadd(7, operand.data(), kRowBytes);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t r = 0; r < rounds; ++r) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  alignas(64) std::array<std::array<float, kRows * kColumns>, 4> sums;
  _tile_stored(0, sums[0].data(), kRowBytes);
  _tile_stored(1, sums[1].data(), kRowBytes);
  _tile_stored(2, sums[2].data(), kRowBytes);
  _tile_stored(3, sums[3].data(), kRowBytes);
  keep_stores(sums.data());
  _tile_release();
  return sums[0][0] + sums[1][0] + sums[2][0] + sums[3][0];
}

}  // namespace

extern const Probe amx_peak;
constinit const Probe amx_peak{.isa = ATTN_ISA_NAME,
                               .kind = ProbeKind::bf16_amx,
                               .work_per_round = 4 * 2 * kRows * kColumns * kDepth,
                               .rounds_per_call = 300,
                               .run = run_tiles,
                               .read = {}};
}  // namespace attn::ATTN_ISA
