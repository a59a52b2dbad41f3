#include "durable_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "errors.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

std::string temporary_of(const std::string& path) { return path + ".tmp"; }

}  // namespace

void require_writable(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  if (fs::is_directory(path)) throw UsageError(path + " is a folder; name a file");
  if (!folder.empty() && !fs::is_directory(folder))
    throw UsageError(fmt::format("cannot write {}: there is no folder {}", path, folder.string()));
  // Tried on the temporary's name, so that nothing is overwritten by asking.
  const std::string temporary = temporary_of(path);
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) throw UsageError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  close(file);
  unlink(temporary.c_str());
}

void write_atomically(const std::string& path, const std::string& text) {
  const std::string temporary = temporary_of(path);
  const auto fail = [&](const char* what) {
    const std::string reason = std::strerror(errno);
    unlink(temporary.c_str());
    throw EnvironmentError(fmt::format("{} {}: {}; {} is as it was", what, temporary, reason, path));
  };
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail("cannot create");
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      close(file);
      fail("cannot write");
    }
    done += static_cast<std::size_t>(count);
  }
  const bool synced = fsync(file) == 0;
  if (close(file) != 0 || !synced) fail("cannot write");
  if (rename(temporary.c_str(), path.c_str()) != 0) fail("cannot rename");
}

}  // namespace attn::bench
