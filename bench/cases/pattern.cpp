#include "cases/pattern.hpp"

#include <fmt/format.h>

#include "base/errors.hpp"
#include "base/printable.hpp"

namespace attn::bench {

Pattern::Pattern(const std::string& option, const std::string& text) : RE2(text, RE2::Quiet) {
  constexpr std::size_t kMostShown = 100;
  if (!ok())
    throw UsageError(
        fmt::format("{}: '{}' is no regular expression: {}; valid: the syntax of RE2, such as 'naive|flash.*'", option,
                    printable(text, kMostShown), printable(error(), kMostShown)));
}

}  // namespace attn::bench
