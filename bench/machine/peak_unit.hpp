// Units of arithmetic of whose peak a row's share is. Every ISA has the f32 FMA; some levels have beside it a unit of their
// own for 16-bit elements, which may be many times as fast or, as VDPBF16PS on some CPUs, no faster.
#pragma once

#include <array>
#include <string_view>

#include "isa.hpp"
#include "machine/probe.hpp"

namespace attn::bench {

struct PeakUnit {
  ProbeKind kind;
  const char* name;  // in rows (peak_unit), tables and pages
  const char* key;   // in ceilings (ceilings.hpp)
  const char* mark;  // behind a share in tables; empty: the f32 FMA, which needs none
};

inline constexpr std::array kPeakUnits = {
    PeakUnit{ProbeKind::f32_fma, "f32 FMA", "f32_fma", ""},
    PeakUnit{ProbeKind::bf16_dot, "bf16 dot", "bf16_dot", "d"},
    PeakUnit{ProbeKind::bf16_amx, "bf16 tiles", "bf16_amx", "t"},
};
inline constexpr const PeakUnit& kFma = kPeakUnits[0];

constexpr const PeakUnit* find_peak_unit(std::string_view name) {
  for (const PeakUnit& unit : kPeakUnits)
    if (name == unit.name) return &unit;
  return nullptr;
}

// That a level has for these elements alone; null where their products are the f32 FMA's.
constexpr const PeakUnit* own_unit(Isa isa, attn_dtype dtype) {
  if (dtype == ATTN_F32 || level_of(isa).dot != dtype) return nullptr;
  return &kPeakUnits[isa == Isa::amx ? 2 : 1];
}

}  // namespace attn::bench
