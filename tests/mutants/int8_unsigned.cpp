// Fault: bytes are read as unsigned.
#include "detail/int8_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Int8Cache {
  static float number(Int8 x) { return static_cast<std::uint8_t>(x.value); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_INT8_MUTANT(int8_unsigned, "int8 is read as unsigned")
