#include "element_array.hpp"

#include "detail/half_vectors.hpp"

namespace attn::ATTN_ISA {
namespace {

template <class From, class To>
void convert(const From* x, To* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLanes) store(y + i, load(x + i));
}

void widen_pairs(const Bf16* x, float* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kParts<Bf16> * kLanes) {
    const Parts<Bf16> neighbours = in_order(load_parts(x + i));
    for (std::int64_t part = 0; part < kParts<Bf16>; ++part) store(y + i + part * kLanes, neighbours[part]);
  }
}

}  // namespace

extern const ElementArray element_array;
constinit const ElementArray element_array{.isa = ATTN_ISA_NAME,
                                           .widen_bf16 = convert<Bf16, float>,
                                           .widen_pairs = widen_pairs,
                                           .widen_f16 = convert<F16, float>,
                                           .widen_int8 = convert<Int8, float>,
                                           .round_to_bf16 = convert<float, Bf16>,
                                           .round_to_f16 = convert<float, F16>};
}  // namespace attn::ATTN_ISA
