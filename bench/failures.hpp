// What a failed row says. A verdict on outputs names what is wrong with them ("o[b=0, ...", "it wrote to an input"); every
// other failure begins with one of the phrases below: the kernel was not found wrong, it could not be measured.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace attn::bench {

inline constexpr std::array<std::string_view, 5> kUnmeasured = {"its worker ", "could not prepare itself", "a team of ",
                                                                "hung", "crashed"};

// The outputs were looked at, and are wrong.
constexpr bool is_wrong_result(std::string_view failure) {
  return std::ranges::none_of(kUnmeasured, [&](std::string_view phrase) { return failure.starts_with(phrase); });
}

}  // namespace attn::bench
