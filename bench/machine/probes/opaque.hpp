// Empty assembly that keeps the optimiser from seeing through a vector, without costing an instruction.
#pragma once

#include "detail/simd.hpp"

namespace attn::ATTN_ISA {
namespace {

#if defined(__x86_64__)
#define ATTN_VECTOR_REGISTER "v"
#elif defined(__aarch64__)
#define ATTN_VECTOR_REGISTER "w"
#endif

// As if x had been given another value: what is computed from it is neither known beforehand nor done once for all.
inline void renew(Batch& x) { asm volatile("" : "+" ATTN_VECTOR_REGISTER(x.data)); }

// As if x had been looked at: what it depends on cannot be left out.
inline void consume(const Batch& x) { asm volatile("" ::ATTN_VECTOR_REGISTER(x.data)); }

#undef ATTN_VECTOR_REGISTER

}  // namespace
}  // namespace attn::ATTN_ISA
