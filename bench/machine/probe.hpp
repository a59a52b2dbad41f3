// Probe: a measuring loop that is compiled per ISA and sealed like a variant.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace attn {

enum class ProbeKind : std::int32_t { f32_fma, bf16_dot, bf16_amx, exp2, read };

// Rows of bytes at a fixed distance; one row when the memory is contiguous.
struct ReadSpan {
  const std::byte* data = nullptr;
  std::int64_t rows = 0, row_bytes = 0, stride_bytes = 0;
};

// Loads every byte of the spans, one span after the other, `passes` times; returns a value that depends on all of them.
using ReadLoop = std::uint32_t (*)(const ReadSpan* spans, std::int64_t count, std::int64_t passes);
// Four streams at once, which is best within the caches; four that fetch ahead, and eight near each other. Beyond the caches
// one of these is best, which one depends on the CPU's own prefetchers.
using ReadLoops = std::array<ReadLoop, 3>;

struct Probe {
  const char* isa;
  ProbeKind kind;
  // Arithmetic probes: what a round does (FLOPs; vectors for exp2), and rounds that take some 10 us: starting and
  // summing the chains then costs less than 1 %, and a slice still holds many calls.
  std::int64_t work_per_round;
  std::int64_t rounds_per_call;
  // In registers only; returns a value that depends on every result. Null for read.
  float (*run)(std::int64_t rounds);
  ReadLoops read;  // null for the arithmetic probes
};

// A row per probe and ISA; generated.
std::span<const Probe* const> probe_table() noexcept;

}  // namespace attn
