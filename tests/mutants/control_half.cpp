// No fault: what the mutants of 16 bits are made of is right.
#include "detail/half_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

using Choice = Half;

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_HALF_MUTANT(control_half, "nothing is wrong with it")
