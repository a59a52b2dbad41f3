// float_control: how this thread rounds, and whether it flushes denormals. A kernel that leaves it changed changes what
// everybody after it computes, the oracle too.
#pragma once

#include <cstdint>

namespace attn {

// Rounding to nearest, denormals kept, no traps: what a process starts with.
#if defined(__x86_64__)
inline constexpr std::uint64_t kDefaultFloatControl = 0x1f80;
inline constexpr std::uint64_t kFlushesDenormals = 0x8040, kRoundingMode = 0x6000;
// MXCSR without the flags of what happened.
inline std::uint64_t float_control() { return __builtin_ia32_stmxcsr() & ~std::uint64_t{0x3f}; }
inline void set_float_control(std::uint64_t control) { __builtin_ia32_ldmxcsr(static_cast<unsigned>(control)); }
#elif defined(__aarch64__)
inline constexpr std::uint64_t kDefaultFloatControl = 0;
inline constexpr std::uint64_t kFlushesDenormals = 0x1000000, kRoundingMode = 0xc00000;
// FPCR.
inline std::uint64_t float_control() {
  std::uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return control;
}
inline void set_float_control(std::uint64_t control) { asm volatile("msr fpcr, %0" ::"r"(control)); }
#endif

// The default while it lives, then what was before.
class DefaultFloatControl {
 public:
  DefaultFloatControl() : before_(float_control()) {
    if (before_ != kDefaultFloatControl) set_float_control(kDefaultFloatControl);
  }
  ~DefaultFloatControl() {
    if (before_ != kDefaultFloatControl) set_float_control(before_);
  }
  DefaultFloatControl(const DefaultFloatControl&) = delete;
  DefaultFloatControl& operator=(const DefaultFloatControl&) = delete;

 private:
  std::uint64_t before_;
};

}  // namespace attn
