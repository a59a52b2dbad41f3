// ElementArray: the kernels' conversions of elements of 16 bits and of int8 over arrays, compiled per ISA and sealed like a variant, so that a
// test can call each.
#pragma once

#include <cstdint>
#include <span>

#include "element.hpp"

namespace attn {

struct ElementArray {
  const char* isa;
  // Of `count` elements, a multiple of 32.
  void (*widen_bf16)(const Bf16* x, float* y, std::int64_t count);
  void (*widen_pairs)(const Bf16* x, float* y, std::int64_t count);  // by load_parts
  void (*widen_f16)(const F16* x, float* y, std::int64_t count);
  void (*widen_int8)(const Int8* x, float* y, std::int64_t count);
  void (*round_to_bf16)(const float* x, Bf16* y, std::int64_t count);
  void (*round_to_f16)(const float* x, F16* y, std::int64_t count);
};

// One row per ISA; generated.
std::span<const ElementArray* const> element_table() noexcept;

}  // namespace attn
