#include "machine/footprints.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cstring>

namespace attn::bench {
namespace {

// What one thread of the team can have of a cache, the others taking their parts.
std::int64_t part_of(const Cache& cache, int threads) { return cache.bytes / std::min(threads, cache.shared_by); }

ReadLevel memory_level(std::int64_t cached_bytes, std::int64_t available) {
  ReadLevel level{.name = "memory", .bytes = 4 * cached_bytes};
  if (cached_bytes == 0) {
    level.bytes = 0;
    level.reason = "the system does not tell the sizes of its caches";
  } else if (level.bytes > available / 2) {
    level.bytes = available / 2;
    if (level.bytes < 2 * cached_bytes)
      level.reason = fmt::format("needs {} of memory to leave the caches, {} is available",
                                 bytes_text(4 * cached_bytes), bytes_text(available));
  }
  return level;
}

}  // namespace

std::vector<ReadLevel> read_levels(const std::vector<Cache>& caches, int threads, std::int64_t available) {
  std::vector<ReadLevel> levels;
  std::int64_t below = 0;   // a thread's part of the level below
  std::int64_t cached = 0;  // a thread's part of all levels
  for (const Cache& cache : caches) {
    const std::int64_t part = part_of(cache, threads);
    ReadLevel level{.name = fmt::format("L{}", cache.level), .bytes = threads * (part / 2)};
    // Half of the part must overflow the level below by as much again.
    if (part / 2 < 2 * below)
      level.reason = fmt::format("half of a thread's {} of it is not twice its {} of the level below", bytes_text(part),
                                 bytes_text(below));
    levels.push_back(std::move(level));
    below = part;
    cached += part;
  }
  levels.push_back(memory_level(threads * cached, available));
  return levels;
}

Footprint ReadGround::footprint(std::int64_t bytes, int threads) {
  if (threads != threads_) buffers_.clear();
  threads_ = threads;
  const auto span_of = [](const AlignedBuffer& buffer) {
    const auto size = static_cast<std::int64_t>(buffer.size());
    return ReadSpan{.data = buffer.data(), .rows = 1, .row_bytes = size, .stride_bytes = size};
  };
  for (const AlignedBuffer& buffer : buffers_)
    if (buffer.size() == static_cast<std::size_t>(bytes)) return {span_of(buffer)};
  const AlignedBuffer& buffer = buffers_.emplace_back(static_cast<std::size_t>(bytes));
  const ReadSpan span = span_of(buffer);
#pragma omp parallel num_threads(threads)
  {
    const ReadSpan share = share_of(span, omp_get_thread_num(), omp_get_num_threads());
    std::memset(const_cast<std::byte*>(share.data), 1, static_cast<std::size_t>(share.row_bytes));
  }
  return {span};
}

}  // namespace attn::bench
