// Slowdown: cases that are slower on purpose, so that the gate can be shown to find them. Only in builds with
// -DATTN_SLOWDOWN=ON, where the environment says which: ATTN_SLOWDOWN=KIND:PERCENT:CASE, CASE being a part of the row's
// name. Each call of these cases is made to last PERCENT longer: `work` keeps the core busy for that long, `memory` reads
// cache lines scattered over K and V, which also evicts what the kernel had cached. By the clock and outside of the
// kernels: the truth is then known, for every variant, and in whatever state the machine is; of tiles computed twice it
// would have to be measured, by the means that are under test.
#pragma once

#include <string>

#include "variant.hpp"

namespace attn::bench {

// What is asked for here, "work:5:flash/avx2"; empty when nothing is, as in any build that was not made for it.
std::string slowdown_text();

// What runs in the case of this row name: the variant itself, or where the case is to be slower the same with a `run` that
// lasts longer. Nothing of it is thus in the way of a call that is not. Throws std::invalid_argument when what the
// environment says is no slowdown.
const Variant& with_slowdown(const Variant& variant, const std::string& case_name);

}  // namespace attn::bench
