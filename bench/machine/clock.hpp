// The core's clock, measured rather than asked for.
#pragma once

namespace attn::bench {

// Cycles per second of the calling thread, over some 15 us: a chain of additions, each of which waits a cycle for the
// one before.
double measure_clock_hz();

}  // namespace attn::bench
