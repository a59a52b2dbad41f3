// What this machine can do at most, measured by the probes on a whole team, in slices short enough to stand beside what
// is compared with them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "isa.hpp"
#include "machine/probe.hpp"
#include "tensor.hpp"

namespace attn::bench {

// What a read slice walks over.
using Footprint = std::vector<ReadSpan>;

std::int64_t bytes_of(const Footprint& footprint);

// The memory of a tensor, in as few spans as its strides allow; in the order of addresses, whatever that of the indices.
Footprint spans_of(const TensorView& tensor);

// The part of a span that one member of a team reads: rows, or cache lines of a contiguous span, shared out evenly.
ReadSpan share_of(const ReadSpan& span, int member, int members);

// The probe of an ISA; null where it has none, or cannot run here. What a level by name only (isa.hpp) has no probe of its
// own for is that of the levels that it implies.
const Probe* find_probe(ProbeKind kind, Isa isa);

// Work per second of the team: the fastest of three chunks of 50 us after one that wakes its threads and their vector
// units. A chunk in which a thread lost its core is no ceiling.
double compute_slice(const Probe& probe, int threads);

// The same of the fastest unit that this machine has, whatever a row's instruction set.
double machine_peak(int threads);

// Seconds that the team takes to read, `passes` times in turn, a footprint: the passes go through `copies` cyclically,
// beginning with `first`.
double read_seconds(ReadLoop loop, int threads, std::span<const Footprint> copies, std::size_t first,
                    std::int64_t passes);

struct Ceiling {
  double per_second = 0;  // of the whole team
  double clock_hz = 0;    // of the calling thread, beside the fastest slice
  double per_cycle(int threads) const { return clock_hz > 0 ? per_second / clock_hz / threads : 0; }
};

// The fastest slice within `seconds`. Where the clock is right, FLOP per cycle and core show a weak probe: 64 where two
// ports are 512 bits wide, 32 where they are 256.
Ceiling measure_compute(const Probe& probe, int threads, double seconds);
Ceiling measure_read(const Probe& probe, int threads, const Footprint& footprint, double seconds);

}  // namespace attn::bench
