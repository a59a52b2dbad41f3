#include "sweep.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "errors.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> built_in_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(ATTN_SWEEP_DIR, error))
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

fs::path find_file(const std::string& name) {
  if (fs::is_regular_file(name)) return name;
  const fs::path built_in = fs::path(ATTN_SWEEP_DIR) / (name + ".toml");
  if (fs::is_regular_file(built_in)) return built_in;
  throw UsageError(fmt::format("sweep '{}' is neither a file nor a name in {}; valid names: {}", name, ATTN_SWEEP_DIR,
                               fmt::join(built_in_names(), ", ")));
}

// Reads one table, remembering where each value stands.
class Reader {
 public:
  Reader(std::string file, const toml::table& table) : file_(std::move(file)), table_(table) {}

  template <std::size_t N>
  void allow(const std::array<std::string_view, N>& keys) const {
    for (const auto& [key, value] : table_)
      if (std::find(keys.begin(), keys.end(), key.str()) == keys.end())
        fail(value.source(), fmt::format("unknown key '{}'; valid: {}", key.str(), fmt::join(keys, ", ")));
  }

  std::string text(std::string_view key) const {
    const auto value = at(key)->template value_exact<std::string>();
    if (!value || value->empty()) fail(at(key)->source(), fmt::format("'{}' is not a non-empty string", key));
    return *value;
  }

  double positive(std::string_view key) const {
    const auto value = at(key)->template value<double>();
    if (!value || !(*value > 0) || !(*value < 1e6))
      fail(at(key)->source(), fmt::format("'{}' is not a number of seconds between 0 and 1e6", key));
    return *value;
  }

  // An array of strings or integers as a comma-separated list; `otherwise` when absent.
  std::string list(std::string_view key, std::string otherwise) const {
    if (!table_.contains(key)) return otherwise;
    const toml::array* array = at(key)->as_array();
    if (array == nullptr || array->empty()) fail(at(key)->source(), fmt::format("'{}' is not a non-empty array", key));
    std::vector<std::string> parts;
    for (const toml::node& node : *array) {
      if (const auto text = node.value_exact<std::string>())
        parts.push_back(*text);
      else if (const auto number = node.value_exact<std::int64_t>())
        parts.push_back(std::to_string(*number));
      else
        fail(node.source(), fmt::format("an element of '{}' is neither a string nor an integer", key));
    }
    return fmt::format("{}", fmt::join(parts, ","));
  }

  const toml::node* at(std::string_view key) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) fail(table_.source(), fmt::format("'{}' is missing", key));
    return node;
  }

  [[noreturn]] void fail(const toml::source_region& where, const std::string& what) const {
    throw UsageError(fmt::format("{}:{}: {}", file_, where.begin.line, what));
  }

  const toml::table& table() const { return table_; }

 private:
  std::string file_;
  const toml::table& table_;
};

SweepProblem read_problem(const std::string& file, const toml::table& table) {
  constexpr std::array<std::string_view, 4> kKeys = {"problem", "model", "source", "note"};
  const Reader reader(file, table);
  reader.allow(kKeys);
  SweepProblem problem{.model = reader.text("model"), .source = reader.text("source")};
  if (table.contains("note")) problem.note = reader.text("note");
  try {
    problem.workload = parse_workload(reader.text("problem"));
  } catch (const std::invalid_argument& error) {
    reader.fail(reader.at("problem")->source(), error.what());
  }
  return problem;
}

}  // namespace

Sweep load_sweep(const std::string& name_or_path) {
  const fs::path path = find_file(name_or_path);
  const std::string file = path.string();
  toml::table document;
  try {
    document = toml::parse_file(file);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
  }
  constexpr std::array<std::string_view, 6> kKeys = {"title",   "budget_seconds", "min_time_seconds",
                                                     "threads", "variants",       "problem"};
  const Reader reader(file, document);
  reader.allow(kKeys);
  Sweep sweep{.name = path.stem(),
              .title = reader.text("title"),
              .budget_seconds = reader.positive("budget_seconds"),
              .min_time_seconds = reader.positive("min_time_seconds"),
              .threads = reader.list("threads", "1"),
              .variants = reader.list("variants", ".*")};
  const toml::array* problems = reader.at("problem")->as_array();
  if (problems == nullptr || problems->empty())
    reader.fail(reader.at("problem")->source(), "'problem' is not an array of tables; write [[problem]]");
  for (const toml::node& node : *problems) {
    if (!node.is_table()) reader.fail(node.source(), "a problem is not a table; write [[problem]]");
    sweep.problems.push_back(read_problem(file, *node.as_table()));
  }
  return sweep;
}

}  // namespace attn::bench
