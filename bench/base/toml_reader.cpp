#include "base/toml_reader.hpp"

#include <cmath>
#include <optional>

#include "base/read_text.hpp"

namespace attn::bench {

toml::table parse_toml_file(const std::string& file) {
  try {
    return toml::parse(read_text(file), file);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
  }
}

std::string TomlReader::text(std::string_view key) const {
  const auto value = at(key).value_exact<std::string>();
  if (!value || value->empty()) fail_at(key, fmt::format("'{}' is not a non-empty string", key));
  return *value;
}

std::int64_t TomlReader::integer(std::string_view key, std::int64_t least, std::int64_t most) const {
  const auto value = at(key).value_exact<std::int64_t>();
  if (!value || *value < least || *value > most)
    fail_at(key, fmt::format("'{}' is not an integer between {} and {}", key, least, most));
  return *value;
}

bool TomlReader::boolean(std::string_view key) const {
  const auto value = at(key).value_exact<bool>();
  if (!value) fail_at(key, fmt::format("'{}' is neither true nor false", key));
  return *value;
}

double TomlReader::number(std::string_view key) const {
  const auto value = at(key).value<double>();
  if (!value || !(*value >= 0) || !std::isfinite(*value))
    fail_at(key, fmt::format("'{}' is not a number of at least 0", key));
  return *value;
}

double TomlReader::positive_seconds(std::string_view key) const {
  const auto value = at(key).value<double>();
  if (!value || !(*value > 0) || !(*value < 1e6))
    fail_at(key, fmt::format("'{}' is not a number of seconds between 0 and 1e6", key));
  return *value;
}

std::vector<std::string> TomlReader::texts(std::string_view key) const {
  const toml::array* array = at(key).as_array();
  if (array == nullptr || array->empty()) fail_at(key, fmt::format("'{}' is not a non-empty array", key));
  std::vector<std::string> parts;
  for (const toml::node& node : *array) {
    if (const auto text = node.value_exact<std::string>())
      parts.push_back(*text);
    else if (const auto number = node.value_exact<std::int64_t>())
      parts.push_back(std::to_string(*number));
    else
      fail(node.source(), fmt::format("an element of '{}' is neither a string nor an integer", key));
  }
  return parts;
}

std::string TomlReader::list(std::string_view key, std::string otherwise) const {
  return has(key) ? fmt::format("{}", fmt::join(texts(key), ",")) : otherwise;
}

std::vector<std::string> TomlReader::keys() const {
  std::vector<std::string> names;
  for (const auto& [key, value] : table_) names.emplace_back(key.str());
  return names;
}

TomlReader TomlReader::table(std::string_view key) const {
  const toml::table* table = at(key).as_table();
  if (table == nullptr) fail_at(key, fmt::format("'{}' is not a table; write [{}]", key, key));
  return {file_, *table};
}

std::vector<TomlReader> TomlReader::tables(std::string_view key) const {
  const toml::array* array = at(key).as_array();
  if (array == nullptr || array->empty())
    fail_at(key, fmt::format("'{}' is not an array of tables; write [[{}]]", key, key));
  std::vector<TomlReader> readers;
  for (const toml::node& node : *array) {
    if (!node.is_table()) fail(node.source(), fmt::format("a {} is not a table; write [[{}]]", key, key));
    readers.emplace_back(file_, *node.as_table());
  }
  return readers;
}

const toml::node& TomlReader::at(std::string_view key) const {
  const toml::node* node = table_.get(key);
  if (node == nullptr) fail_here(fmt::format("'{}' is missing", key));
  return *node;
}

void TomlReader::fail(const toml::source_region& where, const std::string& what) const {
  throw UsageError(fmt::format("{}:{}: {}", file_, where.begin.line, what));
}

}  // namespace attn::bench
