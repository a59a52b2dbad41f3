// The sign e-process: how much n signs, h of them hits, speak against "a hit is no likelier than a miss". A fair or
// unfavourable coin reaches e >= 1/alpha at any time, however often one looks, with probability at most alpha (Ville's
// inequality): measuring may stop as soon as the answer is there. Values below are log ratios of times, one per round,
// positive where the candidate is slower.
//
//   e = 2^(n+1) / ((n+1) C(n,h)) * P(Bin(n+1, 1/2) <= h)
//
// which is the likelihood of the signs, averaged over all coins with P(hit) > 1/2, relative to that of the fair coin.
// Source: Robbins 1970, Statistical methods related to the law of the iterated logarithm; Ramdas et al. 2023,
// Game-theoretic statistics and safe anytime-valid inference.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace attn::bench::gate {

// Beyond it the binomial tail leaves the range of double. A gate that needs a tenth of it has failed.
inline constexpr int kMostSigns = 1000;

// ln e of `hits` among `signs`. Throws std::invalid_argument unless 0 <= hits <= signs <= kMostSigns.
double log_e_value(int hits, int signs);

// The fewest hits among `signs` with e >= evidence; empty when even all of them are not enough.
std::optional<int> fewest_hits(int signs, double evidence);

// Evidence that the median of the values is above, or below, `bound`: ln e of their signs. Ties are misses.
double log_e_above(std::span<const double> values, double bound);
double log_e_below(std::span<const double> values, double bound);

// The bounds that neither log_e_above nor log_e_below rejects at `evidence`: order statistics of the values. Infinite
// on both sides until there are enough values. Covers the true median at all times with probability 1 - 2 / evidence.
struct Interval {
  double low, high;
};
Interval interval_of(std::vector<double> values, double evidence);

// By how much the candidate would have to be slower for these values, moved there from their median without a change of
// their noise, to be above `bound` with this evidence. Empty when there are too few of them for any effect.
std::optional<double> smallest_detectable(std::vector<double> values, double bound, double evidence);

// The middle one, or the mean of the middle two; `values` is not empty.
double median_of(std::vector<double> values);

}  // namespace attn::bench::gate
