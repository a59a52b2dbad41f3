// Fault: sums of weights times values overflow where o does not.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static constexpr bool kMends = false;
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(sums_overflow, "sums of weights times values overflow where o does not")
