// What a mutant keeps from one call to the next, by an address and the problem.
#pragma once

#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Kept {
  static constexpr std::int64_t kMost = 1 << 16;
  const void* of = nullptr;
  Problem problem{};
  float values[kMost] = {};

  bool holds(const void* address, const Problem& p, std::int64_t floats) const {
    return floats <= kMost && address == of && p == problem;
  }
  // Whether there is room.
  bool take(const void* address, const Problem& p, std::int64_t floats) {
    if (floats > kMost) return false;
    of = address;
    problem = p;
    return true;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA
