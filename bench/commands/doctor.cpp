// attnbench doctor: what spoils numbers on this machine, each with its remedy.
#include <fmt/color.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/option_checks.hpp"
#include "base/read_text.hpp"
#include "base/say.hpp"
#include "base/window.hpp"
#include "commands/commands.hpp"
#include "gate/noise.hpp"
#include "machine/machine.hpp"
#include "machine/symptoms.hpp"
#include "results/table.hpp"

namespace attn::bench {
namespace {

constexpr double kSlowdown = 0.03;

struct Options {
  bool json = false;
  double seconds = 2;
  std::string after;  // a result file
};

Symptom noise_symptom(const gate::MachineNoise& noise) {
  const auto rounds = gate::rounds_to_find(std::log1p(kSlowdown), noise, {});
  const std::string state =
      fmt::format("turns of 2 ms spread by {:.1f} %, rounds of them by {:.2f} %; {:.0f} % slower takes {} rounds",
                  100 * noise.chunk_spread, 100 * noise.round_deviation, 100 * kSlowdown,
                  rounds ? fmt::format("{} or more", *rounds) : "too many");
  constexpr int kComfortable = 20;
  if (rounds && *rounds <= kComfortable) return {"noise now", state};
  return {"noise now", state, rounds ? Severity::note : Severity::bad,
          "quieten what is named above, or ask for less: --limit 10"};
}

Json as_json(const std::vector<Symptom>& symptoms, const gate::MachineNoise& noise) {
  Json json = {
      {"symptoms", Json::array()}, {"chunk_spread", noise.chunk_spread}, {"round_deviation", noise.round_deviation}};
  for (const Symptom& s : symptoms)
    json["symptoms"].push_back(
        {{"name", s.name}, {"severity", to_string(s.severity)}, {"state", s.state}, {"remedy", s.remedy}});
  return json;
}

void print_text(const std::vector<Symptom>& symptoms, bool color) {
  for (const Symptom& s : symptoms) {
    const auto style = s.severity == Severity::bad    ? fmt::fg(fmt::terminal_color::red) | fmt::emphasis::bold
                       : s.severity == Severity::note ? fmt::fg(fmt::terminal_color::yellow)
                                                      : fmt::fg(fmt::terminal_color::green);
    const std::string mark = fmt::format("{:<4}", to_string(s.severity));
    put("{}  {:<13} {}\n", color ? fmt::format(style, "{}", mark) : mark, s.name, s.state);
    if (!s.remedy.empty()) put("{:>20}> {}\n", "", s.remedy);
  }
}

// What most likely disturbed a run: what is bad now, else what the machine is.
Symptom likely_cause(const std::vector<Symptom>& symptoms) {
  const auto bad = std::ranges::find(symptoms, Severity::bad, &Symptom::severity);
  if (bad != symptoms.end()) return *bad;
  for (const char* name : {"steal", "cgroup quota", "hypervisor"})
    for (const Symptom& s : symptoms)
      if (s.name == name && s.severity != Severity::ok) return s;
  return {"noise", "nothing is seen that disturbs now", Severity::note, "repeat the run"};
}

// Two lines where the run of this file was disturbed: what does it, and what to do.
int tell_after(const std::string& file) {
  Json document;
  try {
    document = Json::parse(read_text(file));
    if (disturbance_text(document).empty()) return kExitGood;
  } catch (const nlohmann::json::exception& error) {
    throw UsageError(fmt::format("--after {}: not a result file: {}", file, error.what()));
  }
  const System system;
  const CpuTimes before = cpu_times(system);
  std::vector<Symptom> symptoms = examine(system, machine_facts().at("flags"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  symptoms.push_back(steal_symptom(before, cpu_times(system)));
  const Symptom cause = likely_cause(symptoms);
  const std::size_t columns = window_columns(STDOUT_FILENO);
  put("{}\n{}\n", wrapped(fmt::format("The machine was disturbed; now {}: {}", cause.name, cause.state), columns, 2),
      wrapped(fmt::format("What to do: {}; all symptoms: attnbench doctor", cause.remedy), columns, 2));
  return kExitGood;
}

int doctor(const Options& options, const Context& context) {
  if (!context.benchmark_flags.empty())
    throw UsageError(
        fmt::format("doctor takes no flags of Google Benchmark: {} belongs to run", context.benchmark_flags.front()));
  if (!options.after.empty()) return tell_after(options.after);
  const System system;
  std::vector<Symptom> symptoms = examine(system, machine_facts().at("flags"));
  const CpuTimes before = cpu_times(system);
  const gate::MachineNoise noise = gate::measure_noise(options.seconds);
  symptoms.push_back(steal_symptom(before, cpu_times(system)));
  symptoms.push_back(noise_symptom(noise));
  if (options.json)
    put("{}", json_text(as_json(symptoms, noise)));
  else
    print_text(symptoms, wants_color(STDOUT_FILENO));
  const bool bad =
      std::any_of(symptoms.begin(), symptoms.end(), [](const Symptom& s) { return s.severity == Severity::bad; });
  return bad ? kExitEnvironment : kExitGood;
}

}  // namespace

Command add_doctor(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "doctor", "what spoils numbers on this machine, each with its remedy; exit 3 if something does");
  auto options = std::make_shared<Options>();
  command->add_flag("--json", options->json, "machine-readable");
  command->add_option("--after", options->after,
                      "a result file: two lines on what disturbed that run and what to do, nothing where it was not");
  command->add_option("--seconds", options->seconds, "for measuring the noise")
      ->check(in_range(0.1, 600.0))
      ->capture_default_str();
  return [options](const Context& context) { return doctor(*options, context); };
}

}  // namespace attn::bench
