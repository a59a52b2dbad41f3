#include "measure/checksum.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace attn::bench {

std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  std::array<std::uint64_t, 4> lane = {1, 2, 3, 4};
  for (std::size_t at = 0, word = 0; at < bytes.size(); at += sizeof(std::uint64_t), ++word) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, std::min(sizeof value, bytes.size() - at));
    lane[word % 4] = (lane[word % 4] ^ value) * 0x100000001b3;
  }
  std::uint64_t sum = bytes.size();
  for (const std::uint64_t l : lane) sum = (sum ^ (l >> 29) ^ l) * 0x9e3779b97f4a7c15;
  return sum;
}

}  // namespace attn::bench
