// Open files: owned, counted, and why there may be no more.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

namespace attn::bench {

// Owns an open file; negative: none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int file) : file_(file) {}
  Descriptor(Descriptor&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~Descriptor() {
    if (file_ >= 0) close(file_);
  }

  int get() const { return file_; }
  explicit operator bool() const { return file_ >= 0; }

 private:
  int file_ = -1;
};

// Throws EnvironmentError where this process may not open as many files as a command needs at once.
void require_descriptors();

// Of a file that could not be opened: EnvironmentError where `error`, an errno, is the machine's want (of descriptors, of
// memory, of space), UsageError else. Says `what`, the reason and the limit.
[[noreturn]] void throw_file_error(const std::string& what, int error);

}  // namespace attn::bench
