#include "base/quantities.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attn::bench {
namespace {

// 1.23, 12.3, 123, and no 1.23e+03 just below the next unit.
std::string three_digits(double value) {
  return value >= 99.95   ? fmt::format("{:.0f}", value)
         : value >= 9.995 ? fmt::format("{:.1f}", value)
                          : fmt::format("{:.2f}", value);
}

}  // namespace

std::string time_text(double seconds) {
  return seconds >= 0.9995      ? three_digits(seconds) + " s"
         : seconds >= 0.9995e-3 ? three_digits(seconds * 1e3) + " ms"
         : seconds >= 0.9995e-6 ? three_digits(seconds * 1e6) + " us"
                                : three_digits(seconds * 1e9) + " ns";
}

std::string count_text(double count) {
  return count >= 0.9995e9   ? three_digits(count * 1e-9) + "G"
         : count >= 0.9995e6 ? three_digits(count * 1e-6) + "M"
         : count >= 0.9995e3 ? three_digits(count * 1e-3) + "k"
                             : three_digits(count);
}

std::string clock_time(double seconds) {
  const auto whole = static_cast<long>(std::lround(std::max(seconds, 0.0)));
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace attn::bench
