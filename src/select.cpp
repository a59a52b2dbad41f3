#include "select.hpp"

#include <array>
#include <stdexcept>
#include <string_view>

#include "problem_text.hpp"
#include "registry.hpp"

namespace attn {
namespace {

using Preference = std::array<std::string_view, 5>;

// Fastest first, as the recorded runs in results/ show. A variant not named here is chosen only on request.
constexpr Preference kPrefill = {"online_softmax", "parallel_heads", "vectorized", "blocked", "naive"};
// online_softmax gives every query a vector lane: with a few queries most lanes idle, and row by row is
// faster.
constexpr Preference kFewQueries = {"parallel_heads", "vectorized", "online_softmax", "blocked", "naive"};
// Where the two cross over for head_dim 64 and 128 on AVX2 and AVX-512.
constexpr std::int64_t kFewerQueriesThan = 16;

}  // namespace

const Variant& select(const Problem& problem, int threads, std::span<const Variant* const> table) {
  for (const std::string_view name : problem.seqlen_q < kFewerQueriesThan ? kFewQueries : kPrefill) {
    const Variant* row = find_native(table, name);
    if (row != nullptr && row->error_multiple <= 1 && why_not(*row, problem, threads).empty()) return *row;
  }
  throw std::invalid_argument("no variant can compute " + to_string(problem));
}

}  // namespace attn
