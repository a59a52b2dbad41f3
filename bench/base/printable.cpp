#include "base/printable.hpp"

#include <fmt/format.h>

#include <boost/locale/utf.hpp>

namespace attn::bench {
namespace {

using Utf8 = boost::locale::utf::utf_traits<char>;
using boost::locale::utf::code_point;

// What the terminal would obey rather than show: C0, DEL and C1, where some terminals find an escape as well.
bool is_control(code_point c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); }

std::string escaped(code_point c) { return c < 0x80 ? fmt::format("\\x{:02x}", c) : fmt::format("\\u{:04x}", c); }

// Calls `add` with what stands for each character.
template <class Add>
void for_each_character(std::string_view text, Add add) {
  for (auto at = text.begin(); at != text.end();) {
    const auto begin = at;
    const code_point c = Utf8::decode(at, text.end());
    if (!boost::locale::utf::is_valid_codepoint(c)) {
      add(fmt::format("\\x{:02x}", static_cast<unsigned char>(*begin)), c);
      at = begin + 1;
    } else {
      add(is_control(c) ? escaped(c) : std::string(begin, at), c);
    }
  }
}

}  // namespace

std::string printable(std::string_view text, std::size_t most_bytes) {
  constexpr std::string_view kCut = "...";
  std::string line;
  std::size_t fits = 0;  // bytes of whole characters that leave room for the dots
  for_each_character(text, [&](const std::string& shown, code_point c) {
    if (line.size() > most_bytes) return;
    line += c == '\n' || c == '\t' || c == '\r' ? " " : shown;
    if (most_bytes != std::string_view::npos && line.size() + kCut.size() <= most_bytes) fits = line.size();
  });
  return line.size() <= most_bytes ? line : line.substr(0, fits) + std::string(kCut);
}

std::string printable_lines(std::string_view text) {
  std::string lines;
  for_each_character(text, [&](const std::string& shown, code_point c) { lines += c == '\n' ? "\n" : shown; });
  return lines;
}

bool is_utf8(std::string_view text) {
  bool valid = true;
  for_each_character(
      text, [&](const std::string&, code_point c) { valid = valid && boost::locale::utf::is_valid_codepoint(c); });
  return valid;
}

}  // namespace attn::bench
