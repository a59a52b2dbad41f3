// The ceiling of reading: loads and nothing else but the OR that keeps them. Several streams at once, since the hardware's
// prefetchers stop at the end of a page and the other streams go on meanwhile. One stream alone reads up to 5 % less on
// Zen 5 and Sapphire Rapids. On Zen 3 it reads 20 GB/s from memory, four streams that are 32 MB apart 27, eight that are
// 64 KB apart 30, with large pages 32.
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "detail/simd.hpp"
#include "machine/probe.hpp"

namespace attn::ATTN_ISA {
namespace {

using Words = xsimd::batch<std::uint32_t, Arch>;

inline constexpr std::int64_t kWhole = std::numeric_limits<std::int64_t>::max() / 2;
inline constexpr std::int64_t kStepBytes = 128;  // of each stream, a pair of cache lines
inline constexpr std::int64_t kVectorBytes = kLanes * static_cast<std::int64_t>(sizeof(float));
inline constexpr std::int64_t kVectors = kStepBytes / kVectorBytes;
// An OR has a latency of one cycle and two or three loads arrive in it: any four chains would do.
inline constexpr std::size_t kChains = 8;
using Chains = std::array<Words, kChains>;

inline Words load_words(const std::byte* p) { return Words::load_unaligned(reinterpret_cast<const std::uint32_t*>(p)); }

// What is left of a row after its whole steps.
void read_tail(const std::byte* p, std::int64_t bytes, Chains& chain) {
  for (; bytes >= kVectorBytes; p += kVectorBytes, bytes -= kVectorBytes) chain[0] = chain[0] | load_words(p);
  for (; bytes >= 4; p += 4, bytes -= 4) {
    std::uint32_t word;
    std::memcpy(&word, p, sizeof word);
    chain[1] = chain[1] | Words(word);
  }
}

// For the first load of a cache line: fetches the one a page ahead of it into L2. Hardware prefetchers stop at the end
// of a page; hints at addresses that are not mapped do nothing.
template <std::size_t kLoad>
inline void fetch_ahead(const std::byte* p, std::int64_t distance, std::int64_t done) {
  constexpr std::int64_t kPageBytes = 4096, kLineBytes = 64;
  constexpr auto kStream = static_cast<std::int64_t>(kLoad) / kVectors,
                 kVector = static_cast<std::int64_t>(kLoad) % kVectors;
  if constexpr (kVector * kVectorBytes % kLineBytes == 0)
    __builtin_prefetch(p + kStream * distance + done + kVector * kVectorBytes + kPageBytes, 0, 2);
}

// Rows that begin at p, p + distance, ..., one per stream, side by side.
template <bool kAhead, std::size_t... kLoad>
void read_rows(const std::byte* p, std::int64_t distance, std::int64_t bytes, Chains& out,
               std::index_sequence<kLoad...>) {
  constexpr std::size_t kPerStream = kVectors;
  Chains chain = out;  // a copy that the optimiser keeps in registers
  std::int64_t done = 0;
  for (; done + kStepBytes <= bytes; done += kStepBytes) {
    if constexpr (kAhead) (fetch_ahead<kLoad>(p, distance, done), ...);
    ((chain[kLoad % kChains] =
          chain[kLoad % kChains] | load_words(p + static_cast<std::int64_t>(kLoad / kPerStream) * distance + done +
                                              static_cast<std::int64_t>(kLoad % kPerStream) * kVectorBytes)),
     ...);
  }
  out = chain;
  if (done == bytes) return;
  for (std::int64_t s = 0; s < static_cast<std::int64_t>(sizeof...(kLoad) / kPerStream); ++s)
    read_tail(p + s * distance + done, bytes - done, out);
}

std::uint32_t or_all(const Chains& chain) {
  Words all = chain[0];
  for (std::size_t c = 1; c < kChains; ++c) all = all | chain[c];
  std::array<std::uint32_t, kLanes> lanes;
  all.store_unaligned(lanes.data());
  std::uint32_t result = 0;
  for (const std::uint32_t lane : lanes) result |= lane;
  return result;
}

template <std::int64_t kStreams, bool kAhead>
void read_span(ReadSpan span, Chains& chain) {
  constexpr auto kAllStreams = std::make_index_sequence<kStreams * kVectors>();
  constexpr auto kOneStream = std::make_index_sequence<kVectors>();
  if (span.rows == 1) {  // contiguous: its parts become the streams, whole cache lines each
    const std::int64_t part = span.row_bytes / kStreams / 64 * 64, rest = span.row_bytes - kStreams * part;
    if (rest > 0) read_rows<kAhead>(span.data + kStreams * part, 0, rest, chain, kOneStream);
    span = {span.data, kStreams, part, part};
  }
  const std::int64_t groups = span.rows / kStreams;
  for (std::int64_t row = 0; row < groups; ++row)
    read_rows<kAhead>(span.data + row * span.stride_bytes, groups * span.stride_bytes, span.row_bytes, chain,
                      kAllStreams);
  for (std::int64_t row = groups * kStreams; row < span.rows; ++row)
    read_rows<kAhead>(span.data + row * span.stride_bytes, 0, span.row_bytes, chain, kOneStream);
}

template <std::int64_t kStreams, bool kAhead, std::int64_t kPieceBytes>
std::uint32_t read_spans(const ReadSpan* spans, std::int64_t count, std::int64_t passes) {
  Chains chain;
  chain.fill(Words(0u));
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    for (std::int64_t s = 0; s < count; ++s) {
      ReadSpan span = spans[s];
      // Contiguous memory in pieces, the last of which is up to twice as long.
      for (; span.rows == 1 && span.row_bytes >= 2 * kPieceBytes;
           span.data += kPieceBytes, span.row_bytes -= kPieceBytes)
        read_span<kStreams, kAhead>({span.data, 1, kPieceBytes, kPieceBytes}, chain);
      read_span<kStreams, kAhead>(span, chain);
    }
    asm volatile("" ::: "memory");  // a second OR of the same bytes changes nothing: the compiler must not know
  }
  return or_all(chain);
}

}  // namespace

extern const Probe read_rate;
constinit const Probe read_rate{
    .isa = ATTN_ISA_NAME,
    .kind = ProbeKind::read,
    .work_per_round = 0,
    .rounds_per_call = 0,
    .run = nullptr,
    .read = {read_spans<4, false, kWhole>, read_spans<4, true, kWhole>, read_spans<8, false, 512 * 1024>}};
}  // namespace attn::ATTN_ISA
