#include "base/slices.hpp"

#include <algorithm>
#include <cmath>

namespace attn::bench {

void Slices::add_ceiling(double per_second) {
  const double ceiling = std::max(ceiling_, per_second);
  ceiling_ = per_second;
  if (!kernel_) return;
  const double percent = 100 * *kernel_ / ceiling;
  kernel_.reset();
  if (std::isfinite(percent)) percents_.push_back(percent);
}

std::optional<double> Slices::median_percent() const {
  if (percents_.empty()) return std::nullopt;
  std::vector<double> sorted = percents_;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

std::int64_t calls_for(double slice_seconds, std::int64_t calls, double seconds) {
  constexpr std::int64_t kGrowth = 10;
  const double wanted = std::ceil(slice_seconds / seconds * static_cast<double>(calls));
  if (!(wanted < static_cast<double>(kGrowth * calls))) return kGrowth * calls;  // also when no time has passed
  return std::max<std::int64_t>(static_cast<std::int64_t>(wanted), 1);
}

double quantile_of(std::vector<double> values, double share) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::pair<double, double> interval_of_median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  double ways = 1, missed = 0;  // C(n, trimmed); two tails of the binomial
  std::size_t trimmed = 0;
  for (; trimmed < n / 2; ++trimmed) {
    missed += 2 * ways * std::pow(0.5, static_cast<double>(n));
    if (missed > 0.05) break;
    ways = ways * static_cast<double>(n - trimmed) / static_cast<double>(trimmed + 1);
  }
  const std::size_t least = trimmed == 0 ? 0 : trimmed - 1;
  return {values[least], values[n - 1 - least]};
}

double spread_of(std::vector<double> values) {
  constexpr std::size_t kFew = 5;
  if (values.size() < 2) return 0;
  const bool few = values.size() < kFew;
  const double low = quantile_of(values, few ? 0 : 0.25), high = quantile_of(values, few ? 1 : 0.75);
  const double median = quantile_of(values, 0.5);
  return median > 0 ? (high - low) / median : 0;
}

}  // namespace attn::bench
