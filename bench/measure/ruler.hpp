// Ruler: holds ceilings beside a kernel while it is timed. The timed loop is cut into slices of about 2 ms (or one call,
// where that is longer), between which the clock of the benchmark stands still and the whole team measures
//   - its arithmetic, which touches no memory: the f32 FMA and, where the ISA has a unit of its own for the elements, that
//     too, beside slices that are then twice as long, so that ceilings take no more of the time; and
//   - for decode, how fast it reads the keys and values that the kernel reads: the same tensors, so that the caches are
//     left as the kernel leaves them; of cold cases the next copy. Last, so that the kernel finds what it would find.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/slices.hpp"
#include "base/timing.hpp"
#include "machine/ceiling_slices.hpp"
#include "machine/read_turns.hpp"
#include "measure/workbench.hpp"

namespace attn::bench {

// What a case's arithmetic is held against.
struct PeakProbes {
  const Probe* fma;  // null where nothing can be measured
  const Probe* own;  // of own_unit(); null where the ISA has none for these elements
};
PeakProbes peak_probes(const Case& c);

class Ruler {
 public:
  // Measures the first ceilings.
  Ruler(const Case& c, const PreparedCase& prepared) : Ruler(c, prepared, peak_probes(c)) {}
  Ruler(const Case& c, const PreparedCase& prepared, const PeakProbes& peaks);

  void begin_slice();
  // Asked after every call of the kernel; costs a decrement.
  bool slice_is_full() { return --calls_left_ == 0; }
  // Reads the time; true when the slice was long enough to count, and ceilings are to be measured before the next.
  bool end_slice();
  bool is_between_slices() const { return between_slices_; }
  void measure_ceilings();
  // After the last call: a begun slice counts if it is long enough, or with all that was too short if there is no other.
  void finish();

  // Shares in percent; empty where there is no such ceiling.
  std::optional<double> pct_fma_peak() const { return fma_.median_percent(); }
  std::optional<double> pct_own_peak() const { return own_.median_percent(); }
  std::optional<double> pct_bandwidth() const { return reading_.median_percent(); }
  // How far the slices of the ceiling that bounds the case differ (standing.hpp).
  double spread() const;

 private:
  double read_slice();
  void add_slice(std::int64_t calls, double seconds);

  const PreparedCase& prepared_;
  int threads_;
  double flops_, kv_bytes_;  // of a call
  PeakProbes peaks_;
  const Probe* read_;
  double slice_seconds_;
  std::vector<Footprint> copies_;  // the keys and values of every copy; empty unless decode
  std::int64_t read_passes_ = 1;
  ReadTurns* read_turns_ = nullptr;  // null where nothing is read
  Slices fma_, own_, reading_;
  std::int64_t calls_ = 1, calls_left_ = 1;  // of the current slice
  std::int64_t short_calls_ = 0;             // of slices that were too short to count
  double short_seconds_ = 0;
  bool between_slices_ = false;  // the last one counts
  Clock::time_point begin_;
};

}  // namespace attn::bench
