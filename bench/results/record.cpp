#include "results/record.hpp"

#include <fmt/format.h>

#include <ctime>
#include <filesystem>

#include "base/errors.hpp"
#include "machine/installation.hpp"
#include "machine/machine.hpp"

namespace attn::bench {

std::filesystem::path recorded_runs() { return std::filesystem::path(ATTN_RESULTS_DIR) / machine_folder(); }

std::string record_folder(std::string_view who) {
  if (installation() || !std::filesystem::is_directory(ATTN_RESULTS_DIR))
    throw UsageError(fmt::format("{}: results/ belongs to a checkout, and this program {}; name a file of your own",
                                 who, installation() ? "is installed, run that of a build" : "is of one that is gone"));
  if (revision() == "unknown" || revision().find("-dirty") != std::string::npos)
    throw UsageError(fmt::format("{}: the build is of revision '{}'; commit, build, and record that", who, revision()));
  const std::filesystem::path folder = recorded_runs();
  std::error_code error;  // whoever writes there reports it
  std::filesystem::create_directories(folder, error);
  return folder.string();
}

std::string utc_date() {
  const std::time_t now = std::time(nullptr);
  char date[16];
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return date;
}

}  // namespace attn::bench
