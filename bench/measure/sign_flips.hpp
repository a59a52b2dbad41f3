// SignFlips: inputs that change between calls, while it stays known to the bit what outputs follow. The signs of some
// columns are turned: of q and k alike, which leaves every product q_d k_d, and with them the scores, as they were; and of
// v, whose columns of o turn with it. Backward o and do turn as v does, dq and dk as q and k, dv as v. Rounding to nearest
// knows no signs, so a right kernel answers with the same bits but for those signs; one that answers from what it kept of
// earlier calls (outputs, workspace, keys packed by address) does not.
//
// Of int8 the numbers turn, and their scales, which are positive, stay.
//
// Zeros and NaN keep their signs, on both sides: sums that begin with +0 would show them.
#pragma once

#include <cstdint>
#include <random>
#include <set>

#include "problem.hpp"
#include "tensor.hpp"

namespace attn::bench {

class SignFlips {
 public:
  SignFlips(const Problem& problem, const Tensors& tensors) : problem_(problem), tensors_(tensors) {}

  // Turns one more place, or one back; some place always stays turned. A place is a cache line of columns in the rows of one
  // kv head and of the query heads that read it: little beside what a call reads.
  void turn(std::mt19937_64& random);

  // Makes the inputs what they were, and the outputs what they would be had nothing been turned before the last call.
  void restore();

 private:
  struct Place {
    std::int64_t batch, kv_head, first_column;
    auto operator<=>(const Place&) const = default;
  };
  Place random_place(std::int64_t columns, std::mt19937_64& random) const;
  void turn_inputs(const Place& place) const;
  void turn_outputs(const Place& place) const;
  void turn_columns(const TensorView& t, bool of_queries, const Place& place) const;

  Problem problem_;
  Tensors tensors_;
  Place first_{};  // turned first, and until restore()
  std::set<Place> turned_;
};

}  // namespace attn::bench
