// Fault: values are the whole numbers.
#include "detail/int8_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Int8Cache {
  static float v_scale(const Problem&, const float*, std::int64_t, std::int64_t, std::int64_t) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_INT8_MUTANT(int8_v_scale_ignored, "values are not multiplied by their scale")
