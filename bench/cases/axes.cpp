#include "cases/axes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>

#include "base/split.hpp"
#include "problem_keys.hpp"

namespace attn::bench {
namespace {

constexpr const char* kForms = "KEY=FIRST:LAST:xFACTOR, KEY=FIRST:LAST:+STEP or KEY=VALUE,VALUE,...";

[[noreturn]] void reject(std::string_view axis, const std::string& what) {
  throw std::invalid_argument(fmt::format("axis '{}': {}", axis, what));
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const ProblemKey& key_of(std::string_view axis, std::string_view name) {
  std::vector<const char*> names;
  for (const ProblemKey& key : problem_keys()) {
    if (key.name == name) return key;
    names.push_back(key.name);
  }
  reject(axis, fmt::format("unknown key '{}'; valid: {}", name, fmt::join(names, ", ")));
}

// FIRST:LAST:xFACTOR or FIRST:LAST:+STEP.
std::vector<std::string> range_of(std::string_view axis, std::string_view text) {
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() != 3 || parts[2].size() < 2 || (parts[2][0] != 'x' && parts[2][0] != '+'))
    reject(axis, fmt::format("'{}' is no range; valid: {}", text, kForms));
  const bool multiplies = parts[2][0] == 'x';
  const auto first = parse_integer(parts[0]), last = parse_integer(parts[1]),
             step = parse_integer(std::string_view(parts[2]).substr(1));
  if (!first || !last || !step || *first < 0)
    reject(axis, fmt::format("'{}' is no range of integers of at least 0; valid: {}", text, kForms));
  if (*last < *first)
    reject(axis, fmt::format("{} is below {}: the range is empty; valid: FIRST <= LAST", *last, *first));
  if (multiplies ? *step < 2 || *first == 0 : *step < 1)
    reject(axis,
           multiplies ? "a factor is at least 2, and multiplies a first value of at least 1" : "a step is at least 1");
  std::vector<std::string> values;
  for (std::int64_t value = *first;;) {
    values.push_back(std::to_string(value));
    if (values.size() > kMostProblemsOfAxes) reject(axis, fmt::format("more than {} values", kMostProblemsOfAxes));
    if (multiplies ? value > *last / *step : value > *last - *step) return values;
    value = multiplies ? value * *step : value + *step;
  }
}

bool names_key(const std::string& problem, const std::string& key) {
  return ("/" + problem).find(fmt::format("/{}:", key)) != std::string::npos;
}

void require_distinct_keys(const std::string& problem, const std::vector<Axis>& axes) {
  for (auto axis = axes.begin(); axis != axes.end(); ++axis) {
    if (names_key(problem, axis->key))
      throw std::invalid_argument(
          fmt::format("'{}' is an axis, and problem '{}' has it too; leave one of them out", axis->key, problem));
    if (std::any_of(axes.begin(), axis, [&](const Axis& other) { return other.key == axis->key; }))
      throw std::invalid_argument(fmt::format("two axes of '{}'; write one list: {}=A,B,...", axis->key, axis->key));
  }
}

// How many problems; more than are allowed count as one more than that.
std::size_t count_of(const std::vector<Axis>& axes, bool zip) {
  if (axes.empty()) return 1;
  std::size_t count = zip ? axes.front().values.size() : 1;
  for (const Axis& axis : axes) {
    const std::size_t values = axis.values.size();
    if (!zip)
      count = std::min(count * values, kMostProblemsOfAxes + 1);
    else if (values != count)
      throw std::invalid_argument(fmt::format("zipped axes differ in length: {} has {} values, {} has {}",
                                              axes.front().key, count, axis.key, values));
  }
  return count;
}

}  // namespace

Axis parse_axis(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size())
    reject(text, fmt::format("not an axis; valid: {}", kForms));
  const std::string_view name = text.substr(0, equals), values = text.substr(equals + 1);
  const ProblemKey& key = key_of(text, name);
  Axis axis{std::string(name), {}};
  if (values.find(':') != std::string_view::npos) {
    axis.values = range_of(text, values);
  } else {
    // L,R of a window is one value.
    const bool holds_commas = values.find(';') != std::string_view::npos || values_text(key).find(',') == 1;
    axis.values = split(values, holds_commas ? ';' : ',');
  }
  for (auto value = axis.values.begin(); value != axis.values.end(); ++value) {
    if (value->empty()) reject(text, "an empty value");
    if (std::find(axis.values.begin(), value, *value) != value)
      reject(text, fmt::format("'{}' is there twice", *value));
  }
  return axis;
}

std::vector<std::string> expand_axes(const std::string& problem, const std::vector<Axis>& axes, bool zip) {
  require_distinct_keys(problem, axes);
  const std::size_t count = count_of(axes, zip);
  if (count > kMostProblemsOfAxes)
    throw std::invalid_argument(
        fmt::format("the axes make more than {} problems; valid: shorter ranges, larger steps", kMostProblemsOfAxes));
  std::vector<std::string> problems;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::string> parts;
    std::size_t rest = i;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      const std::size_t at = zip ? i : rest % axis->values.size();
      rest /= axis->values.size();
      parts.push_back(fmt::format("{}:{}", axis->key, axis->values[at]));
    }
    if (!problem.empty()) parts.push_back(problem);
    std::reverse(parts.begin(), parts.end());
    problems.push_back(fmt::format("{}", fmt::join(parts, "/")));
  }
  return problems;
}

Axis parse_depths(std::string_view text) { return parse_axis(fmt::format("k={}", text)); }

std::string decode_problem(const std::string& problem) {
  if (names_key(problem, "q")) return problem;
  return problem.empty() ? "q:1" : problem + "/q:1";
}

}  // namespace attn::bench
