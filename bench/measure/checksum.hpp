// A checksum that tells whether bytes changed: four interleaved FNV-1a streams over 8-byte words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace attn::bench {

std::uint64_t checksum_of(std::span<const std::byte> bytes);

}  // namespace attn::bench
