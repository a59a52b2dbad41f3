#include "aligned_buffer.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

namespace attn {
namespace {

constexpr std::byte kSlack{0xa5};

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes, Placement placement) : size_(bytes) {
  const std::size_t page = page_bytes();
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  const std::size_t body = (std::max<std::size_t>(bytes, 1) + page - 1) / page * page;
  mapping_bytes_ = body + 2 * page;
  mapping_ = mmap(nullptr, mapping_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw std::bad_alloc();
  }
  std::byte* first = static_cast<std::byte*>(mapping_) + page;
  if (mprotect(first, body, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping_, mapping_bytes_);
    throw std::bad_alloc();
  }
  data_ = placement == Placement::aligned ? first : first + (body - bytes);
  std::ranges::fill(slack(), kSlack);
}

std::span<std::byte> AlignedBuffer::slack() const {
  if (mapping_ == nullptr) return {};
  std::byte* guard = static_cast<std::byte*>(mapping_) + mapping_bytes_ - page_bytes();
  return {data_ + size_, guard};
}

std::size_t AlignedBuffer::overrun_bytes() const {
  const std::span<std::byte> bytes = slack();
  std::size_t written = bytes.size();
  while (written > 0 && bytes[written - 1] == kSlack) --written;
  return written;
}

void AlignedBuffer::allow_writes(bool allowed) const {
  if (mapping_ == nullptr) return;
  mprotect(static_cast<std::byte*>(mapping_) + page_bytes(), mapping_bytes_ - 2 * page_bytes(),
           allowed ? PROT_READ | PROT_WRITE : PROT_READ);
}

AlignedBuffer::~AlignedBuffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept { *this = std::move(other); }

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  return *this;
}

void poison(std::span<std::byte> bytes) {
  static_assert(kPoison >> 16 == (kPoison & 0xffff));
  const std::span halves{reinterpret_cast<std::uint16_t*>(bytes.data()), bytes.size() / sizeof(std::uint16_t)};
  std::fill(halves.begin(), halves.end(), static_cast<std::uint16_t>(kPoison));
}

}  // namespace attn
