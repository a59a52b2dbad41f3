// TomlReader: what a TOML file of ours holds, or where in it the mistake is. Included by .cpp files only: toml++ is long.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

// Without it toml++ writes 78.01 as 78.010000000000005: it was written before standard libraries could do this.
#define TOML_FLOAT_CHARCONV 1
#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.hpp"

namespace attn::bench {

// Throws UsageError with file and line.
toml::table parse_toml_file(const std::string& file);

// Reads one table of a file; every complaint is a UsageError with file and line.
class TomlReader {
 public:
  TomlReader(std::string file, const toml::table& table) : file_(std::move(file)), table_(table) {}

  template <std::size_t N>
  void allow(const std::array<std::string_view, N>& keys) const {
    std::string complaints;  // all of them at once
    for (const auto& [key, value] : table_)
      if (std::find(keys.begin(), keys.end(), key.str()) == keys.end())
        complaints += fmt::format("{}{}:{}: unknown key '{}'; valid: {}", complaints.empty() ? "" : "\n", file_,
                                  value.source().begin.line, key.str(), fmt::join(keys, ", "));
    if (!complaints.empty()) throw UsageError(complaints);
  }

  // A string that is not empty.
  std::string text(std::string_view key) const;
  std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most) const;
  bool boolean(std::string_view key) const;
  // A finite number of at least 0.
  double number(std::string_view key) const;
  // A number of seconds.
  double positive_seconds(std::string_view key) const;
  // An array of strings or integers, at least one, as strings.
  std::vector<std::string> texts(std::string_view key) const;
  // The same as a comma-separated list; `otherwise` when absent.
  std::string list(std::string_view key, std::string otherwise) const;
  TomlReader table(std::string_view key) const;
  // The tables of [[key]], at least one.
  std::vector<TomlReader> tables(std::string_view key) const;

  bool has(std::string_view key) const { return table_.contains(key); }
  std::vector<std::string> keys() const;
  // Complains about this key, or about the table.
  [[noreturn]] void fail_at(std::string_view key, const std::string& what) const { fail(at(key).source(), what); }
  [[noreturn]] void fail_here(const std::string& what) const { fail(table_.source(), what); }

 private:
  const toml::node& at(std::string_view key) const;
  [[noreturn]] void fail(const toml::source_region& where, const std::string& what) const;

  std::string file_;
  const toml::table& table_;  // of the document, which must outlive this
};

}  // namespace attn::bench
