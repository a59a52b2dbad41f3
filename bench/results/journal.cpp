#include "results/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "base/durable_file.hpp"
#include "base/errors.hpp"
#include "base/file_kind.hpp"
#include "base/printable.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "cases/case.hpp"

namespace attn::bench {
namespace {

// Two lines: this with the state of the process, and the case. The first signal overwrites the state.
constexpr std::string_view kHead = "attnbench journal, ", kRunning = "running", kStopped = "stopped";
static_assert(kRunning.size() == kStopped.size());
constexpr std::size_t kHeadBytes = kHead.size() + kRunning.size() + 1;

std::string begin_of(int file) {
  std::array<char, 2048> text;  // the longest case name is a fraction of it
  const ssize_t count = pread(file, text.data(), text.size(), 0);
  return {text.data(), static_cast<std::size_t>(count > 0 ? count : 0)};
}

bool is_case(const std::string& name) {
  try {
    return case_name(parse_case_name(name)) == name;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

}  // namespace

Journal::Journal(const std::string& results) {
  constexpr int kMostForeign = 100;
  for (int i = 0; i < kMostForeign && path_.empty(); ++i) {
    const std::string path = i == 0 ? results + ".journal" : fmt::format("{}.{}.journal", results, i);
    if (take(path, results)) path_ = path;
  }
  if (path_.empty()) throw UsageError(fmt::format("{}.journal and its like are files of somebody else's", results));
  const std::string head = fmt::format("{}{}\n", kHead, kRunning);
  if (ftruncate(file_.get(), 0) != 0 || pwrite(file_.get(), head.data(), head.size(), 0) < 0)
    throw_file_error(fmt::format("cannot write {}", path_), errno);
  set_stop_note(file_.get(), kStopped.data(), static_cast<long>(kHead.size()));
}

Journal::~Journal() {
  set_stop_note(-1, "", 0);
  unlink(path_.c_str());  // before its lock is free
}

// False when it is somebody else's.
bool Journal::take(const std::string& path, const std::string& results) {
  for (;;) {
    file_ = Descriptor(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
    struct stat opened {
    }, named{};
    const bool is_file = file_ && fstat(file_.get(), &opened) == 0 && S_ISREG(opened.st_mode);
    if (!file_ && errno != ELOOP && errno != EISDIR && errno != ENXIO && errno != EACCES)
      throw_file_error(fmt::format("cannot write {}", path), errno);
    const std::string text = is_file ? begin_of(file_.get()) : "";
    if (!is_file || (opened.st_size > 0 && !text.starts_with(kHead))) {
      say("{} is no journal of attnbench's: it is left as it is\n", printable(path));
      return false;
    }
    if (!try_lock(file_.get())) throw UsageError(fmt::format("cannot write {}: {}", results, busy_text(file_.get())));
    // Its owner may have removed it meanwhile.
    if (stat(path.c_str(), &named) != 0 || named.st_ino != opened.st_ino || named.st_dev != opened.st_dev) continue;
    if (text.starts_with(fmt::format("{}{}\n", kHead, kRunning))) {
      const std::string name = text.substr(kHeadBytes, text.find('\n', kHeadBytes) - kHeadBytes);
      if (is_case(name)) ended_in_ = name;
    }
    return true;
  }
}

void Journal::begin_case(const std::string& name) {
  const std::string line = name + "\n";
  if (pwrite(file_.get(), line.data(), line.size(), kHeadBytes) != static_cast<ssize_t>(line.size())) return;
  [[maybe_unused]] const int result = ftruncate(file_.get(), static_cast<off_t>(kHeadBytes + line.size()));
}

}  // namespace attn::bench
