// Exp2Array: the kernels' exp2 over arrays, compiled per ISA and sealed like a variant, so that a test can call each.
#pragma once

#include <cstdint>
#include <span>

namespace attn {

struct Exp2Array {
  const char* isa;
  // y[i] = 2^x[i] for `count` floats, a multiple of 16; by exp2 and by exp2_finite.
  void (*exp2)(const float* x, float* y, std::int64_t count);
  void (*exp2_finite)(const float* x, float* y, std::int64_t count);
};

// One row per ISA; generated.
std::span<const Exp2Array* const> exp2_table() noexcept;

}  // namespace attn
