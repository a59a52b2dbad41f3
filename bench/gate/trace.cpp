#include "gate/trace.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <sstream>

#include "base/json.hpp"
#include "base/read_text.hpp"

namespace attn::bench::gate {
namespace {

Json to_json(const Block& block) {
  Json json = {{"base_first", block.base_first}};
  const auto add = [&](const char* key, auto&& member) {
    json[key] = Json::array();
    for (const Chunk& chunk : block.chunks) json[key].push_back(member(chunk));
  };
  add("wall_ns", [](const Chunk& c) { return c.wall_ns; });
  add("cpu_ns", [](const Chunk& c) { return c.cpu_ns; });
  add("steal_ns", [](const Chunk& c) { return c.steal_ns; });
  add("switches", [](const Chunk& c) { return c.involuntary_switches; });
  add("faults", [](const Chunk& c) { return c.page_faults; });
  return json;
}

Block block_from(const Json& json) {
  Block block{.base_first = json.at("base_first"), .chunks = {}};
  for (std::size_t i = 0; i < block.chunks.size(); ++i)
    block.chunks[i] = {.wall_ns = json.at("wall_ns").at(i),
                       .cpu_ns = json.at("cpu_ns").at(i),
                       .steal_ns = json.at("steal_ns").at(i),
                       .involuntary_switches = json.at("switches").at(i),
                       .page_faults = json.at("faults").at(i)};
  for (const Chunk& chunk : block.chunks)
    if (!(chunk.wall_ns > 0)) throw std::invalid_argument(fmt::format("a chunk of {} ns", chunk.wall_ns));
  return block;
}

}  // namespace

void TraceWriter::measured(const CaseReport& c, Phase phase, int round, const Round& measured, bool null_arm) {
  Json json = {{"phase", to_string(phase)},       {"round", round},
               {"case", c.pairing.label},         {"null_arm", null_arm},
               {"iterations", c.turn.iterations}, {"blocks", Json::array()}};
  for (const Block& block : measured.blocks) json["blocks"].push_back(to_json(block));
  errno = 0;
  file_ << json_line(json) << std::endl;
  if (!file_) throw EnvironmentError(fmt::format("cannot write {}: {}", path_, std::strerror(errno)));
}

namespace {

// Rounds by case.
using Rounds = std::map<int, std::map<std::string, TracedRound>>;

void add_line(const std::string& line, Rounds& rounds) {
  const Json json = Json::parse(line);
  if (json.at("null_arm") || json.at("phase") != to_string(Phase::confirm)) return;
  TracedRound& round = rounds[json.at("round")][json.at("case")];
  round.iterations = json.at("iterations");
  for (const Json& block : json.at("blocks")) round.blocks.push_back(block_from(block));
  if (round.blocks.empty() || round.iterations < 1) throw std::invalid_argument("a round without chunks");
}

Rounds load_rounds(const std::string& path) {
  std::istringstream lines(read_text(path));
  Rounds rounds;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    try {
      add_line(line, rounds);
    } catch (const std::exception& error) {
      throw UsageError(fmt::format("{}:{}: no line of a trace: {}", path, number, json_fault(error)));
    }
  }
  return rounds;
}

}  // namespace

Trace load_traces(const std::vector<std::string>& paths) {
  std::vector<Rounds> files;
  std::set<std::string> cases;
  for (const std::string& path : paths)
    for (const auto& [number, round] : files.emplace_back(load_rounds(path)))
      for (const auto& [name, traced] : round) cases.insert(name);
  Trace trace{.cases = {cases.begin(), cases.end()}, .rounds = {}};
  for (Rounds& file : files)
    for (auto& [number, round] : file)
      if (round.size() == cases.size()) trace.rounds.push_back(std::move(round));
  if (trace.rounds.empty())
    throw UsageError(fmt::format("{}: no full round of every case; record one with --rounds N --out FOLDER",
                                 fmt::join(paths, ", ")));
  return trace;
}

class ReplaySide : public Side {
 public:
  ReplaySide(ReplayMachine& machine, bool base, std::map<std::string, double> slower)
      : machine_(machine), base_(base), slower_(std::move(slower)) {}

  Facts launch(std::uint64_t) override {
    if (base_) {
      machine_.round_ = &machine_.trace_.rounds[machine_.random_() % machine_.trace_.rounds.size()];
      machine_.swapped_ = (machine_.random_() >> 63) != 0;
    }
    taken_.clear();
    return {};
  }

  void prep(const std::string&) override {}

  // The next chunk that the recorded process gave for this case: two in every block.
  Chunk run(const std::string& name, std::int64_t) override {
    const TracedRound& round = machine_.round_->at(name);
    const std::size_t taken = taken_[name]++;
    const Block& block = round.blocks[taken / 2 % round.blocks.size()];
    const bool of_base = base_ != machine_.swapped_;
    std::size_t passed = 0, chosen = 0;
    for (std::size_t i = 0; i < block.chunks.size(); ++i)
      if (block.is_base(i) == of_base && passed++ == taken % 2) chosen = i;
    Chunk chunk = block.chunks[chosen];
    const auto slower = slower_.find(name);
    const double factor = slower == slower_.end() ? 1 : slower->second;
    chunk.wall_ns *= factor;
    chunk.cpu_ns *= factor;
    machine_.now_ += 1e-9 * chunk.wall_ns;
    return chunk;
  }

 private:
  ReplayMachine& machine_;
  bool base_;
  std::map<std::string, double> slower_;
  std::map<std::string, std::size_t> taken_;
};

ReplayMachine::ReplayMachine(const Trace& trace, std::uint64_t seed)
    : trace_(trace), random_(seed), round_(&trace.rounds.front()) {}

std::unique_ptr<Side> ReplayMachine::add(bool base, std::map<std::string, double> slower) {
  return std::make_unique<ReplaySide>(*this, base, std::move(slower));
}

std::map<std::string, Turn> ReplayMachine::turns() const {
  std::map<std::string, Turn> turns;
  for (const auto& [name, round] : trace_.rounds.front()) {
    std::vector<double> chunks;
    for (const Block& block : round.blocks)
      for (const Chunk& chunk : block.chunks) chunks.push_back(chunk.wall_ns);
    turns[name] = {round.iterations, median_of(std::move(chunks))};
  }
  return turns;
}

}  // namespace attn::bench::gate
