// Fault: the upper half of the seed is lost.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float factor(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
    return dropout_factor(make_dropout(a.problem->dropout, a.seed & 0xffffffff, a.first_head), b, h, i, j);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(dropout_short_key, "the upper half of the seed is lost")
