// No fault: what the mutants of int8 are made of is right.
#include "detail/int8_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

using Choice = Int8Cache;

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_INT8_MUTANT(control_int8, "nothing is wrong with it")
