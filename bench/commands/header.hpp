// What stands before the first row: machine, build, load and seed.
#pragma once

#include <cstdint>
#include <string>

namespace attn::bench {

// "AMD EPYC, 2 cores; attnbench 2f02c8c1f04c, GNU 12.2.0; load 0.31; seed 1"
std::string run_header(std::uint64_t seed);

// Of --version: revision, compiler and its flags, libraries.
std::string version_text();

}  // namespace attn::bench
