#include "base/option_checks.hpp"

#include <fmt/format.h>

#include <limits>
#include <string>

namespace attn::bench {
namespace {

CLI::Validator check(std::string wanted, double least, double most) {
  const auto complaint = [wanted, least, most](std::string& text) {
    double value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && value >= least && value <= most;
    return good ? std::string() : fmt::format("'{}' is not {}", text, wanted);
  };
  return CLI::Validator(complaint, wanted);
}

}  // namespace

CLI::Validator in_range(double least, double most) {
  return check(fmt::format("a number from {} to {}", least, most), least, most);
}

CLI::Validator positive() {
  return check("a positive number", std::numeric_limits<double>::min(), std::numeric_limits<double>::max());
}

}  // namespace attn::bench
