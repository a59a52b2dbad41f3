// overlap: which views share memory, by the addresses of their elements: views that interleave, such as q, k and v of one
// packed buffer, do not.
#pragma once

#include "tensor.hpp"

namespace attn {

// Whether two elements of the view have one address.
bool overlaps_itself(const ConstTensorView& view);

// Whether the views have an element in common.
bool overlap(const ConstTensorView& a, const ConstTensorView& b);

}  // namespace attn
