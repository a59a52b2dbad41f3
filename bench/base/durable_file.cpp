#include "base/durable_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/descriptors.hpp"
#include "base/errors.hpp"
#include "base/file_kind.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw UsageError(fmt::format("cannot write {}: {}", path, why));
}

// Links that the kernel makes, such as /dev/stdout or /dev/fd/63, lead to an open file, which has no name to rename to.
bool is_of_kernel(const fs::path& link) {
  std::error_code error;
  return fs::canonical(link.parent_path(), error).string().rfind("/proc/", 0) == 0;
}

// The end of all links, whose name is what a rename must give; one into nowhere names the file that is to be made.
// Empty where one of them is the kernel's.
std::string end_of_links(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel follows
  fs::path end = path;
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code error;
    const fs::path next = fs::read_symlink(end, error);
    if (error) return end.string();
    if (is_of_kernel(end)) return {};
    end = end.parent_path() / next;  // an absolute one stands for itself
  }
  refuse(path, "its links lead in a circle");
}

// Open for appending, once it is known that somebody reads.
int open_stream(const std::string& path) {
  const std::string kind = file_kind(path);
  if (kind == "a block device" || kind == "a socket") refuse(path, fmt::format("it is {}; name a file", kind));
  const int stream = open(path.c_str(), O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (stream < 0 && errno == ENXIO) refuse(path, fmt::format("it is {} that nobody reads", kind));
  if (stream < 0) refuse(path, std::strerror(errno));
  fcntl(stream, F_SETFL, fcntl(stream, F_GETFL) & ~O_NONBLOCK);  // from here on a slow reader is waited for
  return stream;
}

// A file of its own beside the target; negative, with errno, when there can be none.
int open_temporary(const std::string& target, std::string& name) {
  constexpr int kMostLeftovers = 100;  // of processes that had this one's number and crashed
  for (int i = 0; i < kMostLeftovers; ++i) {
    name = fmt::format("{}.{}.{}.tmp", target, getpid(), i);
    const int file = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file >= 0 || errno != EEXIST) return file;
  }
  return -1;
}

bool write_all(int file, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

bool is_same_file(int file, const struct stat& other) {
  struct stat own {};
  return file >= 0 && fstat(file, &own) == 0 && own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

void close_if_open(int& file) {
  if (file >= 0) close(std::exchange(file, -1));
}

}  // namespace

bool try_lock(int file) { return flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

// /proc/locks has a line such as "1: FLOCK  ADVISORY  WRITE 1234 fe:00:2146418 0 EOF" for each.
std::string busy_text(int file) {
  std::string text = "another process is writing results to it";
  struct stat status {};
  if (fstat(file, &status) != 0) return text;
  const std::string wanted = fmt::format("{:02x}:{:02x}:{}", major(status.st_dev), minor(status.st_dev), status.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, mode, access, pid, place;
    words >> number >> kind >> mode >> access >> pid >> place;
    if (kind == "FLOCK" && place == wanted) return fmt::format("{} (pid {})", text, pid);
  }
  return text;
}

OutputFile::OutputFile(const std::string& path) : path_(path), target_(path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) throw UsageError(path + " is a folder; name a file");
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    stream_ = open_stream(path);
    return;
  }
  target_ = end_of_links(path);
  if (target_.empty()) {
    target_ = path;
    stream_ = open_stream(path);
    return;
  }
  const fs::path folder = fs::path(target_).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, error))
    refuse(path, fmt::format("there is no folder {}", folder.string()));
  if (fs::exists(status) && access(target_.c_str(), W_OK) != 0) refuse(path, std::strerror(errno));
  lock_ = open(target_.c_str(), O_RDONLY | O_CLOEXEC);
  if (lock_ >= 0 && !try_lock(lock_)) {
    const std::string busy = busy_text(lock_);
    close_if_open(lock_);
    refuse(path, busy);
  }
  // Tried beside it, so that nothing is overwritten by asking.
  std::string temporary;
  int file = open_temporary(target_, temporary);
  if (file < 0) {
    const int reason = errno;
    close_if_open(lock_);
    throw_file_error(fmt::format("cannot write {}", path), reason);
  }
  close_if_open(file);
  unlink(temporary.c_str());
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      stream_(std::exchange(other.stream_, -1)),
      lock_(std::exchange(other.lock_, -1)) {}

OutputFile::~OutputFile() {
  close_if_open(stream_);
  close_if_open(lock_);
}

std::string OutputFile::path_to_open() const { return replaces() ? target_ : fmt::format("/dev/fd/{}", stream_); }

void OutputFile::write(const std::string& text) {
  if (!replaces()) {
    if (!write_all(stream_, text))
      throw EnvironmentError(fmt::format("cannot write {}: {}", path_, std::strerror(errno)));
    return;
  }
  std::string temporary;
  int file = open_temporary(target_, temporary);
  const auto fail = [&](const char* what, const std::string& reason) {
    close_if_open(file);
    unlink(temporary.c_str());
    throw EnvironmentError(fmt::format("{} {}: {}; {} is as it was", what, temporary, reason, path_));
  };
  if (file < 0) fail("cannot create", std::strerror(errno));
  struct stat old {};
  if (stat(target_.c_str(), &old) == 0) {
    // Somebody else's since it was looked at: not to be lost.
    if (!is_same_file(lock_, old)) {
      close_if_open(lock_);
      lock_ = open(target_.c_str(), O_RDONLY | O_CLOEXEC);
      if (lock_ >= 0 && !try_lock(lock_)) fail("cannot rename", busy_text(lock_));
    }
    fchmod(file, old.st_mode & 07777);
  }
  if (!write_all(file, text) || fsync(file) != 0) fail("cannot write", std::strerror(errno));
  try_lock(file);  // before it has the name by which others find it
  if (rename(temporary.c_str(), target_.c_str()) != 0) fail("cannot rename", std::strerror(errno));
  close_if_open(lock_);
  lock_ = file;
}

void require_writable(const std::string& path) { OutputFile file(path); }

void write_atomically(const std::string& path, const std::string& text) {
  try {
    OutputFile(path).write(text);
  } catch (const UsageError& error) {
    throw EnvironmentError(error.what());
  }
}

}  // namespace attn::bench
