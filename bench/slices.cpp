#include "slices.hpp"

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

}  // namespace attn::bench
