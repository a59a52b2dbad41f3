// The command line: subcommands, Google Benchmark's flags, exit codes.
#include <fmt/format.h>

#include <cstdio>
#include <new>
#include <sstream>
#include <vector>

#include "commands.hpp"
#include "errors.hpp"
#include "json_text.hpp"
#include "printable.hpp"
#include "stop.hpp"

namespace attn::bench {
namespace {

bool is_benchmark_flag(std::string_view word) {
  return word.rfind("--benchmark_", 0) == 0 || word.rfind("--v=", 0) == 0;
}

}  // namespace

int attnbench_main(int argc, char** argv, std::span<const Variant* const> table) {
  Context context{.table = table, .benchmark_flags = {}};
  std::vector<char*> words;
  for (int i = 0; i < argc; ++i) {
    if (is_benchmark_flag(argv[i]))
      context.benchmark_flags.emplace_back(argv[i]);
    else
      words.push_back(argv[i]);
  }

  CLI::App app("Attention kernels on CPU: each checked against an fp64 oracle, then timed.", "attnbench");
  app.require_subcommand(1);
  const std::pair<const char*, Command> commands[] = {
      {"list", add_list(app)},         {"verify", add_verify(app)},   {"run", add_run(app)},
      {"roofline", add_roofline(app)}, {"tune", add_tune(app)},       {"worker", add_worker(app)},
      {"gate", add_gate(app)},         {"compare", add_compare(app)}, {"doctor", add_doctor(app)}};
  try {
    app.parse(static_cast<int>(words.size()), words.data());
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int code = app.exit(error, out, err);
    fmt::print("{}", out.str());
    fmt::print(stderr, "{}", printable_lines(err.str()));
    return code == 0 ? kExitGood : kExitUsage;
  }

  install_signal_handlers();
  const ExitGuard guard;
  const auto complain = [](const char* what, int code) {
    std::fflush(stdout);
    fmt::print(stderr, "attnbench: {}\n", printable_lines(what));
    return code;
  };
  try {
    int code = kExitUsage;
    for (const auto& [name, command] : commands)
      if (app.got_subcommand(name)) code = command(context);
    return std::fflush(stdout) == 0 ? code : complain("cannot write to standard output", kExitEnvironment);
  } catch (const Interrupted&) {
    return kExitInterrupted;
  } catch (const UsageError& error) {
    return complain(error.what(), kExitUsage);
  } catch (const std::invalid_argument& error) {
    return complain(error.what(), kExitUsage);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", kExitEnvironment);
  } catch (const std::exception& error) {
    return complain(json_fault(error).c_str(), kExitEnvironment);
  }
}

}  // namespace attn::bench
