#include "gate/output_folder.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "base/durable_file.hpp"
#include "base/json.hpp"
#include "gate/ci_output.hpp"
#include "gate/json_output.hpp"

namespace attn::bench::gate {
namespace {}  // namespace

OutputFolder::OutputFolder(std::string folder) : folder_(std::move(folder)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) throw UsageError(fmt::format("--out {}: cannot make the folder: {}", folder_, error.message()));
  for (const char* name : {"gate.json", "gate.md", "junit.xml", "A.json", "B.json", "trace.jsonl"})
    require_writable(file(name));
}

void OutputFolder::measured(const CaseReport& c, Phase phase, int round, const Round& measured, bool null_arm) {
  trace().measured(c, phase, round, measured, null_arm);
}

void OutputFolder::progressed(const Report& report, const Progress& progress) {
  if (++measured_ < progress.cases) return;
  measured_ = 0;
  write_atomically(file("gate.json"), json_text(to_json(report)));
}

TraceWriter& OutputFolder::trace() { return trace_ ? *trace_ : trace_.emplace(file("trace.jsonl")); }

void OutputFolder::write(const Report& report, bool inconclusive_passes) {
  trace();  // an empty one rather than that of another run
  write_atomically(file("gate.json"), json_text(to_json(report)));
  write_atomically(file("gate.md"), markdown(report));
  write_atomically(file("junit.xml"), junit(report, inconclusive_passes));
  write_atomically(file("A.json"), json_text(benchmark_json(report, Which::base)));
  write_atomically(file("B.json"), json_text(benchmark_json(report, Which::candidate)));
}

}  // namespace attn::bench::gate
