// Kernels that crash at once, each in a way of its own, and what a crash must say of it.
#pragma once

#include <span>

#include "variant.hpp"

namespace attn::test {

std::span<const Variant* const> crash_kernels();

}  // namespace attn::test
