// Fault: delta has the wrong sign.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float delta(float do_o) { return -do_o; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_wrong_delta, "delta has the wrong sign")
