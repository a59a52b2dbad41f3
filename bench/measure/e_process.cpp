#include "measure/e_process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace attn::bench::gate {
namespace {

constexpr double kLn2 = 0.693147180559945309417;

double log_choose(int n, int k) {
  const auto log_factorial = [](int i) { return boost::math::lgamma(i + 1.0); };
  return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

}  // namespace

double log_e_value(int hits, int signs) {
  if (hits < 0 || hits > signs || signs > kMostSigns)
    throw std::invalid_argument(
        fmt::format("{} hits among {} signs; valid: 0 <= hits <= signs <= {}", hits, signs, kMostSigns));
  const boost::math::binomial fair_coin(signs + 1, 0.5);
  return (signs + 1) * kLn2 - std::log(signs + 1.0) - log_choose(signs, hits) +
         std::log(boost::math::cdf(fair_coin, hits));
}

std::optional<int> fewest_hits(int signs, double evidence) {
  const double wanted = std::log(evidence);
  // e grows with the hits; below half of them it is at most 2.
  for (int hits = evidence > 2 ? signs / 2 : 0; hits <= signs; ++hits)
    if (log_e_value(hits, signs) >= wanted) return hits;
  return std::nullopt;
}

double log_e_above(std::span<const double> values, double bound) {
  const auto hits = std::count_if(values.begin(), values.end(), [&](double value) { return value > bound; });
  return log_e_value(static_cast<int>(hits), static_cast<int>(values.size()));
}

double log_e_below(std::span<const double> values, double bound) {
  const auto hits = std::count_if(values.begin(), values.end(), [&](double value) { return value < bound; });
  return log_e_value(static_cast<int>(hits), static_cast<int>(values.size()));
}

Interval interval_of(std::vector<double> values, double evidence) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto hits = fewest_hits(static_cast<int>(values.size()), evidence);
  if (!hits) return {-kInfinity, kInfinity};
  // A bound is rejected from below as soon as `hits` values are above it.
  std::sort(values.begin(), values.end());
  return {values[values.size() - static_cast<std::size_t>(*hits)], values[static_cast<std::size_t>(*hits) - 1]};
}

std::optional<double> smallest_detectable(std::vector<double> values, double bound, double evidence) {
  const auto hits = fewest_hits(static_cast<int>(values.size()), evidence);
  if (!hits) return std::nullopt;
  const double median = median_of(values);
  std::sort(values.begin(), values.end());
  return bound + median - values[values.size() - static_cast<std::size_t>(*hits)];
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace attn::bench::gate
