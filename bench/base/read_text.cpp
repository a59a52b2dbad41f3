#include "base/read_text.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "base/descriptors.hpp"
#include "base/errors.hpp"
#include "base/file_kind.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"

namespace attn::bench {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);  // with a writer that writes nothing

}  // namespace

std::string read_text(const std::string& path) {
  const std::string what = fmt::format("cannot read {}", path);
  // Without waiting for the other end of a pipe.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) throw_file_error(what, errno);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) throw_file_error(what, errno);
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode))
    throw UsageError(fmt::format("{}: it is {}; name a file", what, file_kind(path)));
  std::string text;
  std::array<char, 65536> chunk;
  for (auto heard = Clock::now();;) {
    throw_if_interrupted();
    const ssize_t count = read(file.get(), chunk.data(), chunk.size());
    if (count > 0) {
      text.append(chunk.data(), static_cast<std::size_t>(count));
      heard = Clock::now();
    } else if (count == 0) {
      if (S_ISFIFO(status.st_mode) && text.empty())
        throw UsageError(fmt::format("{}: it is a pipe that nobody writes to; name a file", what));
      return text;
    } else if (errno == EAGAIN) {
      if (Clock::now() - heard > kPatience)
        throw UsageError(
            fmt::format("{}: it is a pipe to which nothing is written for {} s; name a file", what, kPatience.count()));
      pollfd waiting{file.get(), POLLIN, 0};
      poll(&waiting, 1, 200);
    } else if (errno != EINTR) {
      throw_file_error(what, errno);
    }
  }
}

}  // namespace attn::bench
