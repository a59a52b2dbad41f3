// How much the suite sweeps: `full` on real hardware, `small` under sanitizers and emulation.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace attn::test {

enum class Grid { small, full };

// ATTN_TEST_GRID of the environment, or the build's default. Throws std::invalid_argument for another value.
inline Grid test_grid() {
  const char* value = std::getenv("ATTN_TEST_GRID");
  const std::string name = value != nullptr ? value : ATTN_TEST_DEFAULT_GRID;
  if (name == "small") return Grid::small;
  if (name == "full") return Grid::full;
  throw std::invalid_argument("ATTN_TEST_GRID=" + name + " is not known; valid: full, small");
}

}  // namespace attn::test
