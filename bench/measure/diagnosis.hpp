// Diagnosis: what a wrong output looks like. The outputs of a kernel that failed are compared with what it would have
// computed with one fault of the usual kind: a mask aligned top-left, softmax_scale missing, kv heads dealt in turn, a tail
// that was dropped, lse to base 2. Tolerances are those of the check, so that a fault is named where it explains everything.
#pragma once

#include <string>

#include "check.hpp"

namespace attn::bench {

// "it looks top-left: query i stands at key i"; ends in a question mark where little speaks for it; empty where no fault
// that is known here fits. `tensors`: the inputs, as they were, and outputs that `oracle` refused. Looks at a sample of
// rows, within some tens of milliseconds.
std::string diagnose(const Oracle& oracle, const Tensors& tensors, double error_multiple = 1);

}  // namespace attn::bench
