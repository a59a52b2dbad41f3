// Fault: no weight is dropped.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float factor(const Args&, std::int64_t, std::int64_t, std::int64_t, std::int64_t) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(dropout_ignored, "no weight is dropped")
