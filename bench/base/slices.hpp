// Slices: the share of a ceiling that a kernel reaches, taken slice by slice, so that what disturbs the machine for a
// while disturbs a few of many ratios. Arithmetic only: it is fed rates and measures nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace attn::bench {

// Fed in turn: ceiling, kernel, ceiling, kernel, ..., ceiling.
class Slices {
 public:
  void add_ceiling(double per_second);
  void add_kernel(double per_second) { kernel_ = per_second; }

  // Kernel slices that have a ceiling on both sides.
  std::size_t size() const { return percents_.size(); }
  // The median over slices of 100 x kernel / ceiling, the ceiling being the higher of the two beside the slice: a
  // neighbour that slows one of them down must not flatter the kernel, and nothing makes a ceiling look high. Empty
  // without slices; never NaN or infinite.
  std::optional<double> median_percent() const;
  const std::vector<double>& percents() const { return percents_; }

 private:
  double ceiling_ = 0;
  std::optional<double> kernel_;
  std::vector<double> percents_;
};

// No kernel is faster than the machine: a share above 100 is a fault of the ruler, and the row carries this label.
inline constexpr const char* kRulerFault = "ruler_fault";
inline bool is_ruler_fault(double percent) { return percent > 100; }

// How many calls fill a slice of `slice_seconds`, when `calls` took `seconds`: at least one, at most ten times as many
// as before, since a first short measurement may be far off.
std::int64_t calls_for(double slice_seconds, std::int64_t calls, double seconds);

// The same found out: calls that fill `slice_seconds`, and what one takes, from calls that are made for it. `take` makes so
// many and says how long they took; nothing where it cannot, which ends it.
struct SettledCalls {
  std::int64_t calls;
  double call_seconds;
};
template <class Take>
std::optional<SettledCalls> settle_calls(double slice_seconds, std::int64_t first, const Take& take) {
  for (std::int64_t tried = first;;) {
    const std::optional<double> seconds = take(tried);
    if (!seconds) return std::nullopt;
    const std::int64_t calls = calls_for(slice_seconds, tried, *seconds);
    if (*seconds >= slice_seconds / 4 || calls <= tried)
      return SettledCalls{calls, *seconds / static_cast<double>(tried)};
    tried = calls;
  }
}

// The value below which a share of them lies; `values` is not empty.
double quantile_of(std::vector<double> values, double share);

// The narrowest pair of order statistics that covers the median with 95 %; of up to five values, where none does, their
// range. `values` is not empty.
// Source: David and Nagaraja, Order Statistics, section 7.1: the k-th smallest and the k-th largest of n cover the median
// with 1 - 2 P(Bin(n, 1/2) < k).
std::pair<double, double> interval_of_median(std::vector<double> values);

// How far values differ: their middle half, or of fewer than five all of them, as a share of the median; 0 of fewer than two.
double spread_of(std::vector<double> values);

// Values that differ by more make a row `unsteady`.
inline constexpr double kUnsteady = 0.10;

}  // namespace attn::bench
