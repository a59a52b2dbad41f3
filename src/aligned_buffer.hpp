// AlignedBuffer: owning memory for tensors and workspaces, optionally fenced by guard pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace attn {

// Where the bytes lie in their pages. Guard pages on both sides turn an out-of-bounds access into a fault.
enum class Placement {
  aligned,        // first byte 64-byte aligned
  ends_at_guard,  // last byte right before the guard page: any read past the end faults
};

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Throws std::bad_alloc. The bytes are zero. Zero bytes are allowed.
  explicit AlignedBuffer(std::size_t bytes, Placement placement = Placement::aligned);
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }
  // How far somebody wrote behind the last byte, before the guard page, where no fault tells; 0: nobody did.
  std::size_t overrun_bytes() const;
  // Whether writes are allowed; they are at first. Where not, they fault.
  void allow_writes(bool allowed) const;
  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;

  std::span<std::byte> slack() const;
};

// What outputs and workspaces hold before a kernel runs: a quiet NaN that no computation produces, and so are its halves
// (element.hpp).
inline constexpr std::uint32_t kPoison = 0x7fd57fd5;

// Fills whole halves of words with those of kPoison.
void poison(std::span<std::byte> bytes);

}  // namespace attn
