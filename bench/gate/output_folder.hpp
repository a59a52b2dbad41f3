// OutputFolder: the files of a gate. gate.json is whole after every round; the others are written at the end, whatever
// the end is.
#pragma once

#include <optional>
#include <string>

#include "gate/gate.hpp"
#include "gate/trace.hpp"

namespace attn::bench::gate {

class OutputFolder : public Observer {
 public:
  // Makes the folder, and leaves what is in it alone until something is measured. Throws UsageError when a file in it
  // cannot be written.
  explicit OutputFolder(std::string folder);

  void measured(const CaseReport& c, Phase phase, int round, const Round& measured, bool null_arm) override;
  void progressed(const Report& report, const Progress& progress) override;
  // Throws EnvironmentError.
  void write(const Report& report, bool inconclusive_passes);

 private:
  std::string file(const char* name) const { return folder_ + "/" + name; }
  TraceWriter& trace();

  std::string folder_;
  std::optional<TraceWriter> trace_;
  std::size_t measured_ = 0;
};

}  // namespace attn::bench::gate
