// attnbench roofline: the machine's ceilings, measured.
#include <fmt/format.h>
#include <sched.h>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "cases/case.hpp"
#include "commands/commands.hpp"
#include "machine/ceilings.hpp"
#include "machine/machine.hpp"
#include "machine/openmp_team.hpp"

namespace attn::bench {
namespace {

struct Options {
  std::string isa = "all", threads;
  bool json = false;
};

// Long enough to meet some quiet moments of a shared machine.
constexpr double kSecondsPerCeiling = 0.05;

// One thread, and all the cores that this process may use.
std::string default_threads() {
  cpu_set_t set;
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return cores > 1 ? fmt::format("1,{}", cores) : "1";
}

std::vector<Isa> chosen_isas(const std::string& list) {
  std::vector<Isa> isas = parse_isa_list(list);
  for (std::size_t i = 0; i < kIsaNames.size() && isas.empty(); ++i) {
    if (list == "all") {
      for (std::size_t j = i; j < kIsaNames.size(); ++j)
        if (runs_here(static_cast<Isa>(j))) isas.push_back(static_cast<Isa>(j));
    } else if (const auto highest = static_cast<Isa>(kIsaNames.size() - 1 - i); runs_here(highest)) {
      isas.push_back(highest);
    }
  }
  return isas;
}

void print_json(const std::vector<Ceilings>& all) {
  Json rows = Json::array(), absent = Json::object();
  for (const Ceilings& ceilings : all) rows.push_back(to_json(ceilings));
  for (std::size_t i = 0; i < kIsaNames.size(); ++i)
    if (const std::string& missing = missing_for(static_cast<Isa>(i)); !missing.empty()) absent[kIsaNames[i]] = missing;
  const Json document = {{"context", machine_facts()}, {"ceilings", rows}, {"cannot_run_here", absent}};
  put("{}", json_text(document));
}

std::string head_of(const Ceilings& c) { return fmt::format("{:<11}{:>7}", to_string(c.isa), c.threads); }

std::string flops_cell(const std::optional<Ceiling>& ceiling, int threads) {
  if (!ceiling) return fmt::format("{:>10}{:>12}", "-", "-");
  return fmt::format("{:10.1f}{:12.1f}", ceiling->per_second / 1e9, ceiling->per_cycle(threads));
}

void print_arithmetic(const std::vector<Ceilings>& all) {
  put("{:18}{:>22}{:>22}{:>16}{:>8}\n", "", "f32 FMA", "bf16", "exp2", "clock");
  put("{:<11}{:>7}{:>10}{:>12}{:>10}{:>12}{:>16}{:>8}\n", "isa", "threads", "GFLOP/s", "FLOP/cycle", "GFLOP/s",
      "FLOP/cycle", "vectors/cycle", "GHz");
  for (const Ceilings& c : all)
    put("{}{}{}{}{}\n", head_of(c), flops_cell(c.fma, c.threads), flops_cell(c.amx ? c.amx : c.dot, c.threads),
        c.exp2 ? fmt::format("{:16.3f}", c.exp2->per_cycle(c.threads)) : fmt::format("{:>16}", "-"),
        c.fma ? fmt::format("{:8.2f}", c.fma->clock_hz / 1e9) : fmt::format("{:>8}", "-"));
}

void print_reads(const std::vector<Ceilings>& all) {
  put("\n{:<11}{:>7}  {:<8}{:>12}{:>10}{:>13}\n", "isa", "threads", "read of", "footprint", "GB/s", "bytes/cycle");
  for (const Ceilings& c : all)
    for (const ReadCeiling& read : c.reads) {
      put("{}  {:<8}{:>12}", head_of(c), read.level.name, bytes_text(read.level.bytes));
      if (read.level.reason.empty())
        put("{:10.1f}{:13.1f}\n", read.rate.per_second / 1e9, read.rate.per_cycle(c.threads));
      else
        put("  not measured: {}\n", read.level.reason);
    }
}

void print_text(const std::vector<Ceilings>& all) {
  const auto facts = machine_facts();
  put("{}; {}\n\n", facts.at("cpu"), facts.at("caches"));
  print_arithmetic(all);
  print_reads(all);
  put("\nPer cycle means per cycle and core, the clock being measured beside each. An FMA probe that shows less than "
      "the\n"
      "core's ports can do (64 FLOP/cycle with two FMA ports of 512 bits, 32 with two of 256) is weak, or the core "
      "was\n"
      "shared. bf16 is that of the tiles, or of VDPBF16PS. exp2 is the project's own, in vectors of the ISA. "
      "Footprints are those of the whole team.\n");
  for (std::size_t i = 0; i < kIsaNames.size(); ++i)
    if (const std::string& missing = missing_for(static_cast<Isa>(i)); !missing.empty())
      put("{}: not measured, {}\n", kIsaNames[i], missing);
}

int roofline(const Options& options, const Context& context) {
  if (!context.benchmark_flags.empty())
    throw UsageError(fmt::format("roofline runs no benchmark: {} belongs to run", context.benchmark_flags.front()));
  const std::vector<Isa> isas = chosen_isas(options.isa);
  const std::vector<int> teams = parse_team_sizes(options.threads.empty() ? default_threads() : options.threads);
  const Surroundings around{.available_bytes = available_bytes()};
  ReadGround ground;
  for (const int threads : teams)
    if (const std::string reason = why_not_team(form_team(threads), threads); !reason.empty())
      throw EnvironmentError(reason);
  std::vector<Ceilings> all;
  for (const int threads : teams)
    for (const Isa isa : isas) {
      if (interrupted()) return kExitInterrupted;
      set_current_activity(fmt::format("roofline of {} on {} threads", to_string(isa), threads));
      all.push_back(measure_ceilings(isa, threads, kSecondsPerCeiling, around, ground));
    }
  options.json ? print_json(all) : print_text(all);
  return kExitGood;
}

}  // namespace

Command add_roofline(CLI::App& app) {
  CLI::App* command = app.add_subcommand("roofline", "measured ceilings: arithmetic, exp2, read bandwidth");
  auto options = std::make_shared<Options>();
  command->add_option("--isa", options->isa, "native (the highest that runs here), all, or a comma-separated list")
      ->capture_default_str();
  command->add_option("--threads", options->threads, "comma-separated team sizes (default: 1 and all cores)");
  command->add_flag("--json", options->json, "machine-readable");
  return [options](const Context& context) { return roofline(*options, context); };
}

}  // namespace attn::bench
