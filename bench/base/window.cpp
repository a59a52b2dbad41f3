#include "base/window.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/split.hpp"

namespace attn::bench {
namespace {

bool continues_a_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::size_t window_columns(int descriptor) {
  constexpr std::size_t kOtherwise = 80;
  winsize size{};
  return isatty(descriptor) != 0 && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                                                 : kOtherwise;
}

bool rewrites_lines(int descriptor) { return isatty(descriptor) != 0 && variable("TERM") != "dumb"; }

bool wants_color(int descriptor) { return rewrites_lines(descriptor) && variable("NO_COLOR").empty(); }

std::size_t length_of(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, continues_a_character));
}

std::string cut(std::string_view text, std::size_t columns) {
  if (length_of(text) <= columns) return std::string(text);
  const std::size_t dots = std::min<std::size_t>(3, columns);
  std::size_t end = 0, taken = 0;
  for (; end < text.size(); ++end)
    if (!continues_a_character(text[end]) && taken++ == columns - dots) break;
  return std::string(text.substr(0, end)) + std::string(dots, '.');
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string lines;
  for (const std::string& given : split(text, '\n')) {
    if (!lines.empty()) lines += '\n';
    std::size_t column = 0;
    bool first = true;
    for (const std::string& word : split(given, ' ')) {
      const std::size_t length = length_of(word);
      if (!first && column + 1 + length > columns) {
        lines.erase(lines.find_last_not_of(' ') + 1);
        lines += '\n' + std::string(indent, ' ');
        column = indent;
      } else if (!first) {
        lines += ' ';
        ++column;
      }
      lines += word;
      column += length;
      first = false;
    }
  }
  return lines;
}

}  // namespace attn::bench
