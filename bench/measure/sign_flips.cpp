#include "measure/sign_flips.hpp"

#include <algorithm>

namespace attn::bench {
namespace {

constexpr std::int64_t kColumns = 16;  // a cache line of floats, or half of one

std::int64_t below(std::int64_t n, std::mt19937_64& random) {
  return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random);
}

}  // namespace

SignFlips::Place SignFlips::random_place(std::int64_t columns, std::mt19937_64& random) const {
  return {below(problem_.batch, random), below(problem_.kv_heads, random),
          below((columns + kColumns - 1) / kColumns, random) * kColumns};
}

void SignFlips::turn(std::mt19937_64& random) {
  const auto [least, most] = std::minmax(problem_.head_dim, problem_.value_dim);
  const Place place = random_place(turned_.empty() ? least : most, random);
  if (turned_.empty())
    first_ = place;  // among the columns of q and k as well as of v
  else if (place == first_)
    return;
  if (!turned_.insert(place).second) turned_.erase(place);
  turn_inputs(place);
}

void SignFlips::restore() {
  for (const Place& place : turned_) {
    turn_inputs(place);
    turn_outputs(place);
  }
  turned_.clear();
}

void SignFlips::turn_inputs(const Place& place) const {
  turn_columns(tensors_.q, true, place);
  turn_columns(tensors_.k, false, place);
  turn_columns(tensors_.v, false, place);
  if (!problem_.backward) return;
  turn_columns(tensors_.o, true, place);
  turn_columns(tensors_.do_, true, place);
}

void SignFlips::turn_outputs(const Place& place) const {
  if (!problem_.backward) return turn_columns(tensors_.o, true, place);
  turn_columns(tensors_.dq, true, place);
  turn_columns(tensors_.dk, false, place);
  turn_columns(tensors_.dv, false, place);
}

void SignFlips::turn_columns(const TensorView& t, bool of_queries, const Place& place) const {
  const std::int64_t group = of_queries ? problem_.heads / problem_.kv_heads : 1;
  const std::int64_t columns = std::min(place.first_column + kColumns, t.shape[3]) - place.first_column;
  for (std::int64_t head = place.kv_head * group; head < (place.kv_head + 1) * group; ++head)
    for (std::int64_t i = 0; i < t.shape[2]; ++i)
      with_view_element(t.dtype, [&]<class E>(E) {
        E* x = row_of<E>(t, place.batch, head, i) + place.first_column;
        for (std::int64_t c = 0; c < columns; ++c)
          if (const float value = to_float(x[c]); value < 0 || value > 0) x[c] = round_to<E>(-value);
      });
}

}  // namespace attn::bench
