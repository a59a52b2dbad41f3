#include "base/descriptors.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/errors.hpp"

namespace attn::bench {

void require_descriptors() {
  // A file and its journal, locks and temporaries; a worker's two pipes while it is started; what libraries read.
  constexpr int kNeeded = 16;
  std::vector<Descriptor> open_at_once;
  for (int i = 0; i < kNeeded; ++i) {
    open_at_once.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!open_at_once.back()) throw_file_error(fmt::format("cannot open {} files at once", kNeeded), errno);
  }
}

void throw_file_error(const std::string& what, int error) {
  const std::string text = fmt::format("{}: {}", what, std::strerror(error));
  switch (error) {
    case EMFILE: {
      rlimit limit{};
      getrlimit(RLIMIT_NOFILE, &limit);
      throw EnvironmentError(fmt::format("{}; the limit is ulimit -n {}", text, limit.rlim_cur));
    }
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EIO:
      throw EnvironmentError(text);
    default:
      throw UsageError(text);
  }
}

}  // namespace attn::bench
