// Control: the backward kernel that mutants are made from, unchanged.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

using Choice = CorrectBackward;

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(control_backward, "the backward kernel that mutants are made from, unchanged")
