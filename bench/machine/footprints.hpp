// The footprints over which read bandwidth is measured, one per cache level and one beyond, and memory for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aligned_buffer.hpp"
#include "machine/caches.hpp"
#include "machine/ceiling_slices.hpp"

namespace attn::bench {

struct ReadLevel {
  std::string name;         // L1, L2, L3, memory
  std::int64_t bytes = 0;   // of the whole team
  std::string reason = {};  // why it cannot be measured; else empty
};

// Each thread reads half of what it can have of a cache, and so surely leaves the level below; for memory, four times
// all caches, or what memory allows down to twice: between the two some reads still hit. A level that cannot be told
// from its neighbours, or for which there is no memory, carries the reason.
std::vector<ReadLevel> read_levels(const std::vector<Cache>& caches, int threads, std::int64_t available_bytes);

// Memory that was written, each member's share by itself so that it lies near its core. Pages are those that cases get:
// nothing asks for huge ones. Keeps what it made until another team size is asked for.
class ReadGround {
 public:
  Footprint footprint(std::int64_t bytes, int threads);

 private:
  int threads_ = 0;
  std::vector<AlignedBuffer> buffers_;
};

}  // namespace attn::bench
