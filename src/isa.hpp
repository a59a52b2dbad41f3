// The instruction sets that variants are compiled for, and whether this CPU and OS allow them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "attn_plugin.h"

namespace attn {

// In ascending order of preference within an architecture.
enum class Isa : std::int32_t { sse2, avx2, avx512, avx512bf16, amx, neon64 };

// One row per level. `variants/attn_add_variants.cmake` has the compiler's flags under the same names.
struct IsaLevel {
  const char* name;           // in text: rows, options, file names
  const char* label;          // for a person
  const char* needs;          // beyond the level that it implies
  Isa implies;                // runs wherever this one does; itself: the baseline of its architecture
  bool by_name_only;          // only kernels written for it are built for it, as NAME.<isa>.cpp
  std::int32_t lanes;         // floats of a vector
  attn_dtype dot = ATTN_F32;  // elements that it multiplies by a unit of its own; how fast is measured
};

inline constexpr std::array kIsaLevels = {
    IsaLevel{"sse2", "SSE2", "x86-64", Isa::sse2, false, 4},
    IsaLevel{"avx2", "AVX2", "x86-64-v3", Isa::sse2, false, 8},
    IsaLevel{"avx512", "AVX-512", "x86-64-v4", Isa::avx2, false, 16},
    IsaLevel{"avx512bf16", "AVX-512 BF16", "AVX512_BF16 and AVX512_VNNI", Isa::avx512, true, 16, ATTN_BF16},
    IsaLevel{"amx", "AMX", "AMX tiles, AVX512_FP16", Isa::avx512bf16, true, 16, ATTN_BF16},
    IsaLevel{"neon64", "NEON", "AArch64", Isa::neon64, false, 4},
};

inline constexpr auto kIsaNames = [] {
  std::array<const char*, kIsaLevels.size()> names{};
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kIsaLevels[i].name;
  return names;
}();

constexpr const IsaLevel& level_of(Isa isa) { return kIsaLevels[static_cast<std::size_t>(isa)]; }

constexpr std::string_view to_string(Isa isa) { return level_of(isa).name; }

// Whether a CPU that runs `higher` runs `lower`.
constexpr bool implies(Isa higher, Isa lower) {
  for (Isa isa = higher;; isa = level_of(isa).implies) {
    if (isa == lower) return true;
    if (isa == level_of(isa).implies) return false;
  }
}

std::optional<Isa> parse_isa(std::string_view name);

// Empty when code compiled for this ISA may run here; else the first thing missing ("this CPU lacks avx512f").
// Asks the CPU once and the OS once (XCR0; for AMX also the kernel's permission, which this call requests).
const std::string& missing_for(Isa isa);

inline bool runs_here(Isa isa) { return missing_for(isa).empty(); }

}  // namespace attn
