#include "select.hpp"

#include <array>
#include <stdexcept>
#include <string_view>

#include "problem_text.hpp"
#include "registry.hpp"

namespace attn {
namespace {

// Fastest first, as the recorded runs in results/ show. A variant not named here is chosen only on request.
constexpr std::array<std::string_view, 5> kPreference = {"online_softmax", "parallel_heads", "vectorized",
                                                         "blocked", "naive"};

}  // namespace

const Variant& select(const Problem& problem, int threads, std::span<const Variant* const> table) {
  for (const std::string_view name : kPreference) {
    const Variant* row = find_native(table, name);
    if (row != nullptr && row->error_multiple <= 1 && why_not(*row, problem, threads).empty()) return *row;
  }
  throw std::invalid_argument("no variant can compute " + to_string(problem));
}

}  // namespace attn
