#include "cases/sweep.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "base/errors.hpp"
#include "base/file_kind.hpp"
#include "base/stop.hpp"
#include "base/toml_reader.hpp"
#include "cases/axes.hpp"
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

// Collects what is wrong, so that a file is mended in one go.
class Faults {
 public:
  // Does a part of the reading; a complaint is kept, and the reading goes on.
  template <class F>
  void attempt(const F& part) {
    try {
      part();
    } catch (const UsageError& error) {
      text_ += fmt::format("{}{}", text_.empty() ? "" : "\n", error.what());
    }
  }
  void throw_if_any() const {
    if (!text_.empty()) throw UsageError(text_);
  }

 private:
  std::string text_;
};

// What a table says, and what holds where it says nothing.
SweepSelection read_selection(const TomlReader& reader, const SweepSelection& otherwise, Faults& faults) {
  SweepSelection selection = otherwise;
  faults.attempt([&] { selection.threads = reader.list("threads", otherwise.threads); });
  faults.attempt([&] { selection.variants = reader.list("variants", otherwise.variants); });
  faults.attempt([&] { selection.isas = reader.list("isas", otherwise.isas); });
  if (reader.has("isas"))
    faults.attempt([&] {
      for (const std::string& isa : reader.texts("isas"))
        if (!parse_isa(isa))
          reader.fail_at("isas", fmt::format("'{}' is no ISA; valid: {}", isa, fmt::join(kIsaNames, ", ")));
    });
  return selection;
}

std::vector<Workload> read_workloads(const TomlReader& reader) {
  std::vector<Axis> axes;
  std::string text;
  if (!reader.has("axis") || reader.has("problem")) text = reader.text("problem");
  const char* at = "problem";
  try {
    if (reader.has("axis")) {
      at = "axis";
      for (const std::string& axis : reader.texts("axis")) axes.push_back(parse_axis(axis));
    }
    const bool zip = reader.has("zip") && reader.boolean("zip");
    std::vector<Workload> workloads;
    for (const std::string& problem : expand_axes(text, axes, zip)) {
      throw_if_interrupted();
      workloads.push_back(parse_workload(problem));
    }
    return workloads;
  } catch (const std::invalid_argument& error) {
    reader.fail_at(at, error.what());
  }
}

void read_problem(const TomlReader& reader, const SweepSelection& of_sweep, Sweep& sweep, Faults& faults) {
  constexpr std::array<std::string_view, 9> kKeys = {"problem", "axis",    "zip",      "model", "source",
                                                     "note",    "threads", "variants", "isas"};
  faults.attempt([&] { reader.allow(kKeys); });
  SweepProblem problem{.selection = read_selection(reader, of_sweep, faults)};
  const auto read_text = [&](const char* key, std::string& text) {
    if (reader.has(key)) faults.attempt([&] { text = reader.text(key); });
  };
  read_text("model", problem.model);
  read_text("source", problem.source);
  read_text("note", problem.note);
  faults.attempt([&] {
    for (const Workload& workload : read_workloads(reader)) {
      problem.workload = workload;
      sweep.problems.push_back(problem);
    }
  });
}

}  // namespace

Sweep load_sweep(const std::string& name_or_path) {
  const fs::path path = find_file(name_or_path);
  const toml::table document = parse_toml_file(path.string());
  constexpr std::array<std::string_view, 9> kKeys = {
      "title", "budget_seconds", "min_time_seconds", "threads", "variants", "isas", "peers", "repetitions", "problem"};
  const TomlReader reader(path.string(), document);
  Faults faults;
  faults.attempt([&] { reader.allow(kKeys); });
  Sweep sweep{.name = path.stem()};
  const auto read = [&](const char* key, const auto& part) {
    if (reader.has(key)) faults.attempt(part);
  };
  read("title", [&] { sweep.title = reader.text("title"); });
  read("budget_seconds", [&] { sweep.budget_seconds = reader.positive_seconds("budget_seconds"); });
  read("min_time_seconds", [&] { sweep.min_time_seconds = reader.positive_seconds("min_time_seconds"); });
  read("peers", [&] { sweep.peers = reader.boolean("peers"); });
  constexpr int kMostRepetitions = 1000;
  read("repetitions",
       [&] { sweep.repetitions = static_cast<int>(reader.integer("repetitions", 1, kMostRepetitions)); });
  const SweepSelection selection = read_selection(reader, {}, faults);
  faults.attempt([&] {
    for (const TomlReader& problem : reader.tables("problem")) read_problem(problem, selection, sweep, faults);
  });
  faults.throw_if_any();
  return sweep;
}

bool wants_peers(const std::vector<std::string>& sweeps) {
  return std::ranges::any_of(sweeps, [](const std::string& name) { return load_sweep(name).peers; });
}

}  // namespace attn::bench
