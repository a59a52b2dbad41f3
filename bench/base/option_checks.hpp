// Checks of numbers on the command line. CLI::Range and CLI::PositiveNumber let NaN pass, which then compares as neither
// too much nor too little.
#pragma once

#include <CLI/CLI.hpp>

namespace attn::bench {

CLI::Validator in_range(double least, double most);
CLI::Validator positive();

}  // namespace attn::bench
