// Fault: o is rounded towards 0, by cutting off the low half of a float or what f16 has no bits for.
#include "detail/half_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Half {
  template <class E>
  static E result(float x) {
    const E nearest = round_to<E>(x);
    const bool away = std::fabs(to_float(nearest)) > std::fabs(x);
    return away ? E{static_cast<std::uint16_t>(nearest.bits - 1)} : nearest;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_HALF_MUTANT(half_truncated, "rounds o towards 0")
