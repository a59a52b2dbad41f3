#include "cases/npy_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace attn::bench {
namespace {

// Each step returns nothing, or false, when the text is something else.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<NpyHeader> parse() {
    NpyHeader header;
    bool descr = false, order = false, shape = false;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const std::optional<std::string> key = string();
      if (!key || !take(':')) return std::nullopt;
      bool* const seen = *key == "descr"           ? &descr
                         : *key == "fortran_order" ? &order
                         : *key == "shape"         ? &shape
                                                   : nullptr;
      if (seen == nullptr || *seen) return std::nullopt;
      *seen = true;
      const bool parsed = seen == &descr   ? parse_descr(header)
                          : seen == &order ? parse_order(header)
                                           : parse_shape(header);
      if (!parsed) return std::nullopt;
      if (!take(',') && !peek('}')) return std::nullopt;
    }
    skip_space();
    return descr && order && shape && text_.empty() ? std::optional(header) : std::nullopt;
  }

 private:
  void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n\r\f"), text_.size())); }

  bool peek(char c) {
    skip_space();
    return !text_.empty() && text_.front() == c;
  }

  bool take(char c) {
    const bool there = peek(c);
    if (there) text_.remove_prefix(1);
    return there;
  }

  bool take(std::string_view word) {
    skip_space();
    if (text_.substr(0, word.size()) != word) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  // With the prefix u of Python 2's text. One with a backslash would need Python's escapes, which numpy never writes.
  std::optional<std::string> string() {
    if (!take('u')) take('U');
    const char quote = peek('"') ? '"' : '\'';
    if (!take(quote)) return std::nullopt;
    const std::size_t end = text_.find(quote);
    if (end == std::string_view::npos) return std::nullopt;
    std::string value(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    if (value.find_first_of("\\\n") != std::string::npos) return std::nullopt;
    return value;
  }

  bool parse_descr(NpyHeader& header) {
    if (peek('[')) return skip_list(header);
    const std::optional<std::string> value = string();
    if (value) header.descr = *value;
    return value.has_value();
  }

  // A list of fields is never read, only named.
  bool skip_list(NpyHeader& header) {
    int depth = 0;
    while (!text_.empty()) {
      const char c = text_.front();
      text_.remove_prefix(1);
      depth += (c == '[') - (c == ']');
      if (depth == 0) break;
    }
    header.descr = "a structured type";
    return depth == 0;
  }

  bool parse_order(NpyHeader& header) {
    header.fortran_order = take(std::string_view("True"));
    return header.fortran_order || take(std::string_view("False"));
  }

  bool parse_shape(NpyHeader& header) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip_space();
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc()) return false;
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      if (!text_.empty() && text_.front() == 'L') text_.remove_prefix(1);  // a long of Python 2
      header.shape.push_back(size);
      if (!take(',') && !peek(')')) return false;
    }
    return true;
  }

  std::string_view text_;
};

// The byte order that a descr begins with; '=' (native) where it has none. '|' says that there is none to speak of, which
// numpy takes for native as well.
char order_of(std::string_view descr) {
  return !descr.empty() && std::string_view("<>=|").find(descr.front()) != std::string_view::npos ? descr.front() : '=';
}

std::string_view without_order(std::string_view descr) {
  return descr.substr(std::min(descr.find_first_not_of("<>=|"), descr.size()));
}

}  // namespace

std::optional<NpyHeader> parse_npy_header(std::string_view text) { return Parser(text).parse(); }

std::optional<attn_dtype> npy_dtype(std::string_view descr) {
  if (descr == "float32" || descr == "single") return ATTN_F32;
  if (descr == "float16" || descr == "half") return ATTN_F16;
  if (descr == "<V2" || descr == "bfloat16") return ATTN_BF16;
  const std::string_view kind = without_order(descr);
  if (descr.size() - kind.size() > 1 || order_of(descr) == '>') return std::nullopt;
  if (kind == "f4" || kind == "f") return ATTN_F32;
  if (kind == "f2" || kind == "e") return ATTN_F16;
  return std::nullopt;
}

bool is_nameless_pair_of_bytes(std::string_view descr) {
  return without_order(descr) == "V2" && (order_of(descr) == '|' || order_of(descr) == '=');
}

// A byte has no order, and numpy takes any for it.
bool is_int8(std::string_view descr) {
  if (descr == "int8" || descr == "byte") return true;
  const bool one_order = descr.size() - without_order(descr).size() <= 1;
  return one_order && (without_order(descr) == "i1" || without_order(descr) == "b");
}

std::string npy_type_name(const std::string& descr) {
  const std::string_view kind = without_order(descr);
  const std::string name = kind == "f2" || kind == "e"        ? "float16"
                           : kind == "f4" || kind == "f"      ? "float32"
                           : kind == "f8" || kind == "d"      ? "float64"
                           : kind == "i1" || kind == "b"      ? "int8"
                           : is_nameless_pair_of_bytes(descr) ? "two bytes of no type, perhaps bfloat16,"
                           : kind == "V2"                     ? "bfloat16"
                                                              : "";
  if (name.empty()) return descr.find(' ') == std::string::npos ? fmt::format("'{}'", descr) : descr;
  return fmt::format("{}{} ('{}')", order_of(descr) == '>' ? "big-endian " : "", name, descr);
}

}  // namespace attn::bench
