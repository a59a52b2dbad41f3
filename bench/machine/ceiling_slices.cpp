#include "machine/ceiling_slices.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <thread>

#include "base/slices.hpp"
#include "base/timing.hpp"
#include "machine/clock.hpp"
#include "machine/peak_unit.hpp"
#include "machine/read_turns.hpp"
#include "machine/run_team.hpp"

namespace attn::bench {
namespace {

// Short enough that most chunks meet no interruption, long enough that a team's start (about 1 us) does not count.
constexpr double kChunkSeconds = 50e-6;
constexpr int kChunks = 3;

// A team that begins together: nobody leaves before all of its members are there.
class Start {
 public:
  void wait(int members) {
    ++arrived_;
    while (arrived_.load() < members) std::this_thread::yield();
  }

 private:
  std::atomic<int> arrived_ = 0;
};

// What a member did; each on a cache line of its own.
struct alignas(64) Share {
  std::int64_t calls = 0;
  double seconds = 0;
};

double slowest(const std::vector<Share>& shares) {
  double seconds = 0;
  for (const Share& share : shares) seconds = std::max(seconds, share.seconds);
  return seconds;
}

// Work per second of the team in one chunk: all the work over the time of its slowest thread.
double compute_chunk(const Probe& probe, int threads) {
  std::vector<Share> shares(static_cast<std::size_t>(threads));
  Start start;
  run_team(threads, [&](int member, int members) {
    Share mine;
    start.wait(members);
    const auto begin = Clock::now();
    do {
      benchmark::DoNotOptimize(probe.run(probe.rounds_per_call));
      ++mine.calls;
      mine.seconds = seconds_since(begin);
    } while (mine.seconds < kChunkSeconds);
    shares[static_cast<std::size_t>(member)] = mine;
  });
  std::int64_t calls = 0;
  for (const Share& share : shares) calls += share.calls;
  return static_cast<double>(calls * probe.rounds_per_call * probe.work_per_round) / slowest(shares);
}

// Calls slice(), which returns a rate, for `seconds` and at least twice. The clock counts where it was measured before
// and after the fastest: the higher of both, since nothing makes a clock look fast.
template <class Slice>
Ceiling fastest_of(double seconds, const Slice& slice) {
  Ceiling best;
  const auto begin = Clock::now();
  double clock_before = measure_clock_hz();
  for (int n = 0; n < 2 || seconds_since(begin) < seconds; ++n) {
    const double rate = slice();
    const double clock_after = measure_clock_hz();
    if (rate > best.per_second) best = {rate, std::max(clock_before, clock_after)};
    clock_before = clock_after;
  }
  return best;
}

// Leaves in `mine` what one member of a team reads of a footprint.
void take_share(const Footprint& footprint, int member, int members, Footprint& mine) {
  mine = footprint;  // keeps its memory
  for (ReadSpan& span : mine) span = share_of(span, member, members);
}

}  // namespace

std::int64_t bytes_of(const Footprint& footprint) {
  std::int64_t bytes = 0;
  for (const ReadSpan& span : footprint) bytes += span.rows * span.row_bytes;
  return bytes;
}

Footprint spans_of(const TensorView& t) {
  struct Axis {
    std::int64_t count, stride_bytes;
  };
  const std::int64_t element = element_of(t.dtype).bytes;
  std::array<Axis, 4> axes;
  for (std::size_t a = 0; a < 4; ++a) axes[a] = {t.shape[a], t.stride[a] * element};
  std::stable_sort(axes.begin(), axes.end(),
                   [](const Axis& a, const Axis& b) { return a.stride_bytes > b.stride_bytes; });
  // From the innermost axis outwards: each that goes on where the ones inside it end belongs to them.
  std::vector<Axis> merged = {{1, element}};
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    if (axis->count == 1) continue;
    Axis& inner = merged.back();
    if (axis->stride_bytes == inner.count * inner.stride_bytes)
      inner.count *= axis->count;
    else
      merged.push_back(*axis);
  }
  ReadSpan span{
      .data = static_cast<const std::byte*>(t.data), .rows = 1, .row_bytes = merged[0].count * merged[0].stride_bytes};
  span.stride_bytes = span.row_bytes;
  if (merged.size() > 1) span.rows = merged[1].count, span.stride_bytes = merged[1].stride_bytes;
  Footprint spans = {span};
  for (std::size_t a = 2; a < merged.size(); ++a) {
    const Footprint once = spans;
    for (std::int64_t i = 1; i < merged[a].count; ++i)
      for (ReadSpan next : once) {
        next.data += i * merged[a].stride_bytes;
        spans.push_back(next);
      }
  }
  return spans;
}

ReadSpan share_of(const ReadSpan& span, int member, int members) {
  constexpr std::int64_t kLineBytes = 64;
  const bool contiguous = span.rows == 1;
  const std::int64_t unit = contiguous ? kLineBytes : span.stride_bytes;
  const std::int64_t units = contiguous ? (span.row_bytes + kLineBytes - 1) / kLineBytes : span.rows;
  const std::int64_t begin = units * member / members, end = units * (member + 1) / members;
  ReadSpan share = span;
  share.data += begin * unit;
  if (contiguous)
    share.row_bytes = std::min(end * unit, span.row_bytes) - begin * unit;
  else
    share.rows = end - begin;
  return share;
}

const Probe* find_probe(ProbeKind kind, Isa isa) {
  if (!runs_here(isa)) return nullptr;
  for (const Probe* probe : probe_table())
    if (probe->kind == kind && parse_isa(probe->isa) == isa) return probe;
  return level_of(isa).by_name_only ? find_probe(kind, level_of(isa).implies) : nullptr;
}

double compute_slice(const Probe& probe, int threads) {
  double fastest = 0;
  compute_chunk(probe, threads);
  for (int chunk = 0; chunk < kChunks; ++chunk) fastest = std::max(fastest, compute_chunk(probe, threads));
  return fastest;
}

double machine_peak(int threads) {
  double peak = 0;
  for (const Probe* probe : probe_table()) {
    const std::optional<Isa> isa = parse_isa(probe->isa);
    const bool is_unit =
        std::ranges::any_of(kPeakUnits, [&](const PeakUnit& unit) { return unit.kind == probe->kind; });
    if (is_unit && isa && runs_here(*isa)) peak = std::max(peak, compute_slice(*probe, threads));
  }
  return peak;
}

double read_seconds(ReadLoop loop, int threads, std::span<const Footprint> copies, std::size_t first,
                    std::int64_t passes) {
  std::vector<Share> shares(static_cast<std::size_t>(threads));
  Start start;
  run_team(threads, [&](int member, int members) {
    Footprint mine;
    take_share(copies[first], member, members, mine);
    // A single copy is read by one call, so that what a call costs does not count where the copy is small.
    const std::int64_t calls = copies.size() == 1 ? 1 : passes, passes_per_call = passes / calls;
    std::size_t copy = first;
    start.wait(members);
    const auto begin = Clock::now();
    for (std::int64_t call = 0; call < calls; ++call) {
      if (call > 0) take_share(copies[copy], member, members, mine);
      benchmark::DoNotOptimize(loop(mine.data(), static_cast<std::int64_t>(mine.size()), passes_per_call));
      copy = copy + 1 == copies.size() ? 0 : copy + 1;
    }
    shares[static_cast<std::size_t>(member)].seconds = seconds_since(begin);
  });
  return slowest(shares);
}

Ceiling measure_compute(const Probe& probe, int threads, double seconds) {
  return fastest_of(seconds, [&] { return compute_slice(probe, threads); });
}

Ceiling measure_read(const Probe& probe, int threads, const Footprint& footprint, double seconds) {
  const auto bytes = static_cast<double>(bytes_of(footprint));
  std::int64_t passes = 1;
  ReadTurns turns(probe.read);
  return fastest_of(seconds, [&] {
    const double elapsed = read_seconds(turns.current(), threads, {&footprint, 1}, 0, passes);
    const double rate = bytes * static_cast<double>(passes) / elapsed;
    turns.add_rate(rate);
    passes = calls_for(2 * kChunkSeconds, passes, elapsed);
    return rate;
  });
}

}  // namespace attn::bench
