// Files that are whole or not there: written beside their place, then renamed. Links are followed, never replaced. What
// cannot be replaced, a device or a pipe, is written to.
#pragma once

#include <string>

namespace attn::bench {

// Where a command leaves its results.
class OutputFile {
 public:
  // Throws UsageError when write() could not work: no such folder, no permission, a pipe that nobody reads, a file that
  // another process has open so. Changes nothing. A device or a pipe stays open until the end: a reader takes the first
  // close for the end of the text.
  explicit OutputFile(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  // Whether write() replaces what it wrote before; otherwise it appends.
  bool replaces() const { return stream_ < 0; }
  // A regular file or none yet: writes it as a whole or leaves the old one as it was (temporary, fsync, rename; the mode
  // stays). Throws EnvironmentError.
  void write(const std::string& text);

  // What the path leads to through all links; names beside it are those of its companions.
  const std::string& target() const { return target_; }
  // For whoever writes piece by piece: a path to open, which is the same file.
  std::string path_to_open() const;

 private:
  std::string path_, target_;
  int stream_ = -1;  // a device or a pipe
  int lock_ = -1;    // the file as it stands
};

// Locks of open files that live as long as these are open. try_lock() is false when another process has it; file systems
// without locks count as free. Then busy_text() says so, naming the process where the system tells it.
bool try_lock(int file);
std::string busy_text(int file);

// For a file that is written once. Throws UsageError when write_atomically(path, ...) could not work. Changes nothing.
void require_writable(const std::string& path);

// OutputFile(path).write(text), whose refusal is an EnvironmentError here.
void write_atomically(const std::string& path, const std::string& text);

}  // namespace attn::bench
