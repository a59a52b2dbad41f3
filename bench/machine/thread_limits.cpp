#include "machine/thread_limits.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include "machine/cgroups.hpp"

namespace attn::bench {
namespace {

std::string limit_text(const char* name, decltype(RLIMIT_AS) resource, double unit, const char* of) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return fmt::format("{} {:.0f}{}, ", name, static_cast<double>(limit.rlim_cur) / unit, of);
}

}  // namespace

std::string thread_limits_text() {
  std::string text = limit_text("ulimit -u", RLIMIT_NPROC, 1, "") + limit_text("ulimit -v", RLIMIT_AS, 1024, " KiB") +
                     limit_text("ulimit -s", RLIMIT_STACK, 1024, " KiB");
  if (const auto limit = thread_limit({})) text += fmt::format("{} {}, ", limit->file, limit->threads);
  return text.empty() ? "no limit of this process is known" : "limits: " + text.substr(0, text.size() - 2);
}

}  // namespace attn::bench
