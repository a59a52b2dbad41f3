// Control: the kernel that mutants are made from, unchanged. It must pass whatever kills them.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

using Choice = Correct;

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(control, "the kernel that mutants are made from, unchanged")
