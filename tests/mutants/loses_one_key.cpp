// Fault: one key in the middle of a long context is lost.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static bool loses(KeyRange visible, std::int64_t j) {
    const std::int64_t count = visible.end - visible.begin;
    return count > 200 && j == visible.begin + count / 2;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(loses_one_key, "one key in the middle of a long context is lost")
