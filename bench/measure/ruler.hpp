// Ruler: holds ceilings beside a kernel while it is timed. The timed loop is cut into slices of about 2 ms (or one call,
// where that is longer), between which the clock of the benchmark stands still and the whole team measures
//   - its arithmetic, which touches no memory, and
//   - for decode, how fast it reads the keys and values that the kernel reads: the same tensors, so that the caches are
//     left as the kernel leaves them; of cold cases the next copy. Last, so that the kernel finds what it would find.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/slices.hpp"
#include "base/timing.hpp"
#include "machine/ceiling_slices.hpp"
#include "measure/workbench.hpp"

namespace attn::bench {

class Ruler {
 public:
  // Measures the first ceilings.
  Ruler(const Case& c, const PreparedCase& prepared);

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
  std::optional<double> pct_peak() const { return arithmetic_.median_percent(); }
  std::optional<double> pct_bandwidth() const { return reading_.median_percent(); }
  // How far the slices of the ceiling that bounds the case differ (standing.hpp).
  double spread() const { return spread_of((copies_.empty() ? arithmetic_ : reading_).percents()); }

 private:
  double read_slice();
  void add_slice(std::int64_t calls, double seconds);

  const PreparedCase& prepared_;
  int threads_;
  double flops_, kv_bytes_;  // of a call
  const Probe *compute_, *read_;
  std::vector<Footprint> copies_;  // the keys and values of every copy; empty unless decode
  std::int64_t read_passes_ = 1;
  bool read_ahead_ = false;
  Slices arithmetic_, reading_;
  std::int64_t calls_ = 1, calls_left_ = 1;  // of the current slice
  std::int64_t short_calls_ = 0;             // of slices that were too short to count
  double short_seconds_ = 0;
  bool between_slices_ = false;  // the last one counts
  Clock::time_point begin_;
};

}  // namespace attn::bench
