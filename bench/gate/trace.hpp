// Traces: every chunk of a run as it was measured, and a machine that replays them: the noise of a real one, thousands of
// times in seconds. A trace of equal builds, of which one side is scaled, tells how often a slowdown of that size is
// found.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gate/gate.hpp"
#include "gate/round.hpp"

namespace attn::bench::gate {

// Writes a line of JSON per case and round, at once.
class TraceWriter : public Observer {
 public:
  explicit TraceWriter(const std::string& path) : path_(path), file_(path) {}
  // Throws EnvironmentError when the file cannot be written.
  void measured(const CaseReport& c, Phase phase, int round, const Round& measured, bool null_arm) override;

 private:
  std::string path_;
  std::ofstream file_;
};

struct TracedRound {
  std::int64_t iterations;
  std::vector<Block> blocks;
};

// Rounds in which every case was measured in full.
struct Trace {
  std::vector<std::string> cases;
  std::vector<std::map<std::string, TracedRound>> rounds;
};

// The full rounds of files of TraceWriter; rounds that lack a case are left out. Throws UsageError with file and line.
Trace load_traces(const std::vector<std::string>& paths);

class ReplayMachine {
 public:
  ReplayMachine(const Trace& trace, std::uint64_t seed);

  double seconds() const { return now_; }
  // A process whose chunks last `slower` times as long as they did; one of them plays `base`, whose launches draw the
  // recorded round that all replay, and which of its two builds is which. Must not outlive the machine.
  std::unique_ptr<Side> add(bool base, std::map<std::string, double> slower);
  // What a gate over the trace must not calibrate.
  std::map<std::string, Turn> turns() const;

 private:
  friend class ReplaySide;

  const Trace& trace_;
  Random random_;
  double now_ = 0;
  const std::map<std::string, TracedRound>* round_ = nullptr;
  bool swapped_ = false;
};

}  // namespace attn::bench::gate
