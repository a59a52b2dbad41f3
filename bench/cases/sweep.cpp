#include "cases/sweep.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "base/errors.hpp"
#include "base/file_kind.hpp"
#include "base/toml_reader.hpp"
#include "isa.hpp"
#include "machine/installation.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> built_in_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(sweep_folder(), error))
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

fs::path find_file(const std::string& name) {
  if (fs::is_regular_file(name)) return name;
  const fs::path built_in = sweep_folder() / (name + ".toml");
  if (fs::is_regular_file(built_in)) return built_in;
  const bool is_there = fs::exists(name);
  throw UsageError(fmt::format("sweep '{}' is {}neither a file nor a name in {}; valid names: {}", name,
                               is_there ? fmt::format("{}, ", file_kind(name)) : "", sweep_folder().string(),
                               fmt::join(built_in_names(), ", ")));
}

// What a table says, and what holds where it says nothing.
SweepSelection read_selection(const TomlReader& reader, const SweepSelection& otherwise) {
  const SweepSelection selection{.threads = reader.list("threads", otherwise.threads),
                                 .variants = reader.list("variants", otherwise.variants),
                                 .isas = reader.list("isas", otherwise.isas)};
  if (reader.has("isas"))
    for (const std::string& isa : reader.texts("isas"))
      if (!parse_isa(isa))
        reader.fail_at("isas", fmt::format("'{}' is no ISA; valid: {}", isa, fmt::join(kIsaNames, ", ")));
  return selection;
}

SweepProblem read_problem(const TomlReader& reader, const SweepSelection& of_sweep) {
  constexpr std::array<std::string_view, 7> kKeys = {"problem", "model",    "source", "note",
                                                     "threads", "variants", "isas"};
  reader.allow(kKeys);
  SweepProblem problem{
      .model = reader.text("model"), .source = reader.text("source"), .selection = read_selection(reader, of_sweep)};
  if (reader.has("note")) problem.note = reader.text("note");
  try {
    problem.workload = parse_workload(reader.text("problem"));
  } catch (const std::invalid_argument& error) {
    reader.fail_at("problem", error.what());
  }
  return problem;
}

}  // namespace

Sweep load_sweep(const std::string& name_or_path) {
  const fs::path path = find_file(name_or_path);
  const toml::table document = parse_toml_file(path.string());
  constexpr std::array<std::string_view, 9> kKeys = {
      "title", "budget_seconds", "min_time_seconds", "threads", "variants", "isas", "peers", "repetitions", "problem"};
  const TomlReader reader(path.string(), document);
  reader.allow(kKeys);
  Sweep sweep{.name = path.stem(),
              .title = reader.text("title"),
              .budget_seconds = reader.positive_seconds("budget_seconds"),
              .min_time_seconds = reader.positive_seconds("min_time_seconds")};
  if (reader.has("peers")) sweep.peers = reader.boolean("peers");
  constexpr int kMostRepetitions = 1000;
  if (reader.has("repetitions"))
    sweep.repetitions = static_cast<int>(reader.integer("repetitions", 1, kMostRepetitions));
  const SweepSelection selection = read_selection(reader, {});
  for (const TomlReader& problem : reader.tables("problem")) sweep.problems.push_back(read_problem(problem, selection));
  return sweep;
}

bool wants_peers(const std::vector<std::string>& sweeps) {
  return std::ranges::any_of(sweeps, [](const std::string& name) { return load_sweep(name).peers; });
}

}  // namespace attn::bench
