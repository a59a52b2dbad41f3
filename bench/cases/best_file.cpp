#include "cases/best_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <set>
#include <sstream>
#include <tuple>

#include "base/errors.hpp"
#include "base/toml_reader.hpp"
#include "machine/machine.hpp"
#include "problem_text.hpp"
#include "run.hpp"

namespace attn::bench {
namespace {

constexpr std::int64_t kSchema = 1;

constexpr std::string_view kHeader =
    "# Measured by `attnbench tune`; read by `attnbench run --variants best --best FILE`.\n"
    "# best: the fastest by median time of a call. level: those whose turns do not show that they are slower; where "
    "the\n"
    "# compiled-in choice, `select`, is among them, best is that. spread: the middle half of the turns of best, as a "
    "share\n"
    "# of the median. regret: what select takes longer than best, 0 where the turns do not show that it does.\n";

// Whether two files are of one machine: what names its folder under results/.
constexpr std::array kIdentity = {"cpu", "cpu_model", "stepping", "cores"};

// As many digits as a timing has; more would only look exact.
double rounded(double value, int digits) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double scale = std::pow(10.0, digits - 1 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

toml::table to_table(const BestEntry& entry) {
  toml::table medians;
  medians.is_inline(true);
  for (const auto& [variant, median] : entry.median_us) medians.insert(variant, rounded(median, 5));
  toml::table table{{"problem", to_string(entry.choice.problem)},
                    {"threads", entry.choice.threads},
                    {"isa", to_string(entry.choice.isa)},
                    {"best", entry.choice.variant},
                    {"median_us", medians},
                    {"gflops", rounded(entry.gflops, 4)},
                    {"spread", rounded(entry.spread, 2)}};
  if (!entry.level.empty()) {
    toml::array level;
    for (const std::string& variant : entry.level) level.push_back(variant);
    table.insert("level", level);
  }
  if (!entry.selected.empty()) {
    table.insert("select", entry.selected);
    table.insert("rule", entry.rule);
    table.insert("regret", rounded(entry.regret, 3));
  }
  return table;
}

std::map<std::string, double> read_medians(const TomlReader& reader) {
  std::map<std::string, double> medians;
  for (const std::string& variant : reader.keys()) medians[variant] = reader.number(variant);
  return medians;
}

BestEntry read_entry(const TomlReader& reader) {
  constexpr std::array<std::string_view, 11> kKeys = {"problem", "threads", "isa",    "best", "level", "median_us",
                                                      "gflops",  "spread",  "select", "rule", "regret"};
  reader.allow(kKeys);
  BestEntry entry;
  try {
    entry.choice.problem = parse_problem(reader.text("problem"));
  } catch (const std::invalid_argument& error) {
    reader.fail_at("problem", error.what());
  }
  entry.choice.threads = static_cast<int>(reader.integer("threads", 1, kMaxThreads));
  const auto isa = parse_isa(reader.text("isa"));
  if (!isa)
    reader.fail_at("isa", fmt::format("unknown ISA '{}'; valid: {}", reader.text("isa"), fmt::join(kIsaNames, ", ")));
  entry.choice.isa = *isa;
  entry.choice.variant = reader.text("best");
  if (reader.has("level")) entry.level = reader.texts("level");
  if (reader.has("median_us")) entry.median_us = read_medians(reader.table("median_us"));
  if (reader.has("gflops")) entry.gflops = reader.number("gflops");
  if (reader.has("spread")) entry.spread = reader.number("spread");
  if (reader.has("select")) {
    entry.selected = reader.text("select");
    entry.rule = reader.text("rule");
    entry.regret = reader.number("regret");
  }
  return entry;
}

std::string machine_text(const std::map<std::string, std::string>& facts) {
  return fmt::format("{}, model {}, stepping {}, {} cores", facts.at("cpu"), facts.at("cpu_model"),
                     facts.at("stepping"), facts.at("cores"));
}

}  // namespace

std::string to_toml(const BestFile& file) {
  toml::table document{
      {"schema", kSchema}, {"revision", file.revision}, {"date", file.date}, {"command", file.command}};
  toml::table machine;
  for (const auto& [key, value] : file.machine) machine.insert(key, value);
  document.insert("machine", machine);
  if (!file.wrong.empty()) {
    toml::array wrong;
    for (const std::string& text : file.wrong) wrong.push_back(text);
    document.insert("wrong", wrong);
  }
  toml::array problems;
  for (const BestEntry& entry : file.entries) problems.push_back(to_table(entry));
  document.insert("problem", problems);
  std::ostringstream out;
  out << kHeader << document << "\n";
  return out.str();
}

BestFile load_best_file(const std::string& path) {
  const toml::table document = parse_toml_file(path);
  constexpr std::array<std::string_view, 7> kKeys = {"schema",  "revision", "date",   "command",
                                                     "machine", "wrong",    "problem"};
  const TomlReader reader(path, document);
  reader.allow(kKeys);
  reader.integer("schema", kSchema, kSchema);
  BestFile file{.revision = reader.text("revision"), .date = reader.text("date"), .command = reader.text("command")};
  const TomlReader machine = reader.table("machine");
  for (const std::string& key : machine.keys()) file.machine[key] = machine.text(key);
  for (const char* key : kIdentity) machine.text(key);
  if (reader.has("wrong")) file.wrong = reader.texts("wrong");
  std::set<std::tuple<std::string, int, Isa>> chosen;
  for (const TomlReader& problem : reader.tables("problem")) {
    BestEntry entry = read_entry(problem);
    if (!chosen.emplace(to_string(entry.choice.problem), entry.choice.threads, entry.choice.isa).second)
      problem.fail_here("this problem, team and ISA have a choice already");
    file.entries.push_back(std::move(entry));
  }
  return file;
}

Choices choices_for_this_machine(const std::string& path) {
  const BestFile file = load_best_file(path);
  const auto here = machine_facts();
  for (const char* key : kIdentity)
    if (file.machine.at(key) != here.at(key))
      throw EnvironmentError(
          fmt::format("--best: {} was measured on '{}', this machine is '{}'; run attnbench tune here", path,
                      machine_text(file.machine), machine_text(here)));
  Choices choices;
  for (const BestEntry& entry : file.entries) choices.push_back(entry.choice);
  return choices;
}

}  // namespace attn::bench
