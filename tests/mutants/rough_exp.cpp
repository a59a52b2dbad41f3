// Fault: exp is good to three digits. (1 + x / 1024)^1024, as fast approximations begin.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float exp(float x) {
    float power = std::max(0.0f, 1 + x / 1024);
    for (int squaring = 0; squaring < 10; ++squaring) power *= power;
    return std::isnan(x) ? x : power;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(rough_exp, "exp is good to three digits")
