// turns_here: what takes turns (passes.hpp) in this process rather than in a worker.
#pragma once

#include <functional>

#include "measure/passes.hpp"
#include "measure/watchdog.hpp"
#include "measure/workbench.hpp"

namespace attn::bench {

// measure_plainly, measure_with_ceilings.
using MeasureCase = std::function<Measurement(const Case& c, PreparedCase& prepared, std::int64_t calls)>;

// The turns of a case: prepared and checked before the first of them, checked again after each, and ended by the watchdog
// when the kernel does not come back. Where it wrote to an input, others get fresh ones.
std::function<Measurement(std::int64_t calls)> turns_here(const Case& c, double call_seconds, MeasureCase measure,
                                                          Workbench& workbench, Watchdog& watchdog);
// Of a case that is not to be called.
std::function<Measurement(std::int64_t calls)> no_turns(const Failure& failure);

}  // namespace attn::bench
