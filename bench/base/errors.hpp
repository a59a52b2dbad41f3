// The errors that end a command, by exit code (1 wrong results, 2 usage, 3 environment, 4 regressed,
// 5 inconclusive, 130 interrupted).
#pragma once

#include <stdexcept>

namespace attn::bench {

inline constexpr int kExitGood = 0, kExitWrong = 1, kExitUsage = 2, kExitEnvironment = 3, kExitRegressed = 4,
                     kExitInconclusive = 5, kExitInterrupted = 130;

// Bad input: reported before anything is timed or overwritten.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The machine, not the user or the kernel: disk full, memory gone.
struct EnvironmentError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace attn::bench
