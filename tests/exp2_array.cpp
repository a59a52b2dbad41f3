#include "exp2_array.hpp"

#include "detail/exp2.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_exp2(const float* x, float* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLanes) store(y + i, exp2(load(x + i)));
}

void run_exp2_finite(const float* x, float* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLanes) store(y + i, exp2_finite(load(x + i)));
}

}  // namespace

extern const Exp2Array exp2_array;
constinit const Exp2Array exp2_array{.isa = ATTN_ISA_NAME, .exp2 = run_exp2, .exp2_finite = run_exp2_finite};
}  // namespace attn::ATTN_ISA
