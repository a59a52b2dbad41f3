#include "base/say.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "base/stop.hpp"

namespace attn::bench {

// A reader that pauses is waited for, but not by whoever is to stop: no more is written than there is room for.
void say_text(std::string_view text) {
  constexpr int kLookMilliseconds = 200;
  while (!text.empty()) {
    pollfd room{STDERR_FILENO, POLLOUT, 0};
    if (poll(&room, 1, kLookMilliseconds) <= 0) {
      if (interrupted()) return;
      continue;
    }
    const ssize_t count = write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void put_text(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

bool output_is_whole() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

void keep_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // Takes the lowest number that is free. For reading: writing to it fails, as it should.
    [[maybe_unused]] const int taken = open("/dev/null", O_RDONLY);
  }
}

}  // namespace attn::bench
