// select: the policy behind attn::attention() and `--variants best`. Choosing is not a kernel: the answer is always the
// concrete row of the table.
#pragma once

#include <span>

#include "problem.hpp"
#include "variant.hpp"

namespace attn {

// The row to use for this problem and team on this machine. Throws std::invalid_argument when no variant can
// compute it. Kernels that trade accuracy (error_multiple > 1) are never chosen.
const Variant& select(const Problem& problem, int threads, std::span<const Variant* const> table = variant_table());

}  // namespace attn
