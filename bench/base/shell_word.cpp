#include "base/shell_word.hpp"

#include <fmt/format.h>

#include <string_view>

#include "base/printable.hpp"

namespace attn::bench {
namespace {

// The $'...' form, in ASCII throughout: for text that a terminal would obey rather than show, or that is not UTF-8.
std::string ansi_c_word(const std::string& text) {
  std::string word = "$'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\')
      word += {'\\', c};
    else if (byte < 0x20 || byte >= 0x7f)
      word += fmt::format("\\{:03o}", byte);  // not \x, which takes as many digits as follow
    else
      word += c;
  }
  return word + "'";
}

}  // namespace

std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  if (printable(text) != text) return ansi_c_word(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

}  // namespace attn::bench
