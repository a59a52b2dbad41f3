// The instruction sets that variants are compiled for, and whether this CPU and OS allow them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace attn {

// In ascending order of preference within an architecture. Levels of the x86-64 psABI, and AMX on top.
enum class Isa : std::int32_t { sse2, avx2, avx512, amx, neon64 };

inline constexpr std::array kIsaNames = {"sse2", "avx2", "avx512", "amx", "neon64"};

constexpr std::string_view to_string(Isa isa) { return kIsaNames[static_cast<std::size_t>(isa)]; }

std::optional<Isa> parse_isa(std::string_view name);

// Empty when code compiled for this ISA may run here; else the first thing missing ("this CPU lacks avx512f").
// Asks the CPU once and the OS once (XCR0; for AMX also the kernel's permission, which this call requests).
const std::string& missing_for(Isa isa);

inline bool runs_here(Isa isa) { return missing_for(isa).empty(); }

}  // namespace attn
