// Dropout of attention weights: which are dropped, the same in the oracle and in every kernel, for any team, order of
// tiles, variant and pass.
//
// The weight of query i and key j of query head h in batch entry b is kept iff word j % 4 of Philox 4x32-10, with the
// seed as key and (j / 4, i, h, b) as counter, is at least floor(p 2^32). Kept weights are multiplied by 1 / (1 - p). lse is
// without dropout. A call that computes some heads of a layer adds the first one's number to h.
//
// Source: Srivastava et al., "Dropout" (2014); on attention weights Vaswani et al. (2017), section 5.4.
#pragma once

#include "philox.hpp"
#include "problem.hpp"

namespace attn {

struct Dropout {
  std::uint64_t seed;
  std::uint32_t threshold;  // words below it drop their weight
  float scale;              // of kept weights
  std::int64_t first_head;
};

constexpr Dropout make_dropout(double probability, std::uint64_t seed, std::int64_t first_head) {
  return {seed, static_cast<std::uint32_t>(probability * 4294967296.0), static_cast<float>(1 / (1 - probability)),
          first_head};
}

// Of a kernel's arguments.
constexpr Dropout make_dropout(const attn_args& args) {
  return make_dropout(args.problem->dropout, args.seed, args.first_head);
}

// What multiplies the weight: 0 or the scale.
constexpr float dropout_factor(const Dropout& drop, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  const auto words = philox({static_cast<std::uint32_t>(j / 4), static_cast<std::uint32_t>(i),
                             static_cast<std::uint32_t>(drop.first_head + h), static_cast<std::uint32_t>(b)},
                            drop.seed);
  return words[static_cast<std::size_t>(j % 4)] >= drop.threshold ? drop.scale : 0.0f;
}

}  // namespace attn
