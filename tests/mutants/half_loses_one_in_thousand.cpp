// Fault: of a thousand keys one is lost.
#include "detail/half_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Half {
  static bool loses(std::int64_t key) { return key % 1000 == 500; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_HALF_MUTANT(half_loses_one_in_thousand, "loses one key in a thousand")
