// Axes: keys of a problem that take several values in turn, so that one line stands for a family of problems.
//   q=128:4096:x2   128, 256, ... 4096     h=1,8,32   the list     window=127,0;511,0   of values that hold a comma
//   q=64:512:+64    64, 128, ... 512
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace attn::bench {

// More problems than this are a mistake in a range.
inline constexpr std::size_t kMostProblemsOfAxes = 10'000;

struct Axis {
  std::string key;
  std::vector<std::string> values;
};

// Throws std::invalid_argument naming the axis and what would be valid.
Axis parse_axis(std::string_view text);

// The problem with each combination of values, those of the last axis changing fastest; with `zip` the first values of
// all axes, then the second ones, and so on. The problem may be empty. Throws std::invalid_argument where it has a key of an
// axis already, two axes have the same key, zipped ones differ in length, or there are too many problems.
std::vector<std::string> expand_axes(const std::string& problem, const std::vector<Axis>& axes, bool zip);

// The axis of cache lengths, and the problem with the one query of a decode step unless it says how many there are.
Axis parse_depths(std::string_view text);
std::string decode_problem(const std::string& problem);

}  // namespace attn::bench
