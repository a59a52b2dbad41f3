// The command line: subcommands, Google Benchmark's flags, exit codes.
#include <fmt/format.h>

#include <cstdio>
#include <new>
#include <sstream>
#include <vector>

#include "base/descriptors.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/printable.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "commands/commands.hpp"
#include "commands/header.hpp"

namespace attn::bench {
namespace {

bool is_benchmark_flag(std::string_view word) {
  return word.rfind("--benchmark_", 0) == 0 || word.rfind("--v=", 0) == 0;
}

// Returns the exit code. Whoever waits for something is woken by an interruption, and takes it for the end of what it
// waited for.
int complain(const char* what, int code) {
  std::fflush(stdout);
  say("attnbench: {}\n", printable_lines(what));
  return interrupted() ? kExitInterrupted : code;
}

int dispatch(int argc, char** argv, Context context) {
  CLI::App app("Attention kernels on CPU: each checked against an fp64 oracle, then timed.", "attnbench");
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text, "revision, compiler and libraries");
  app.footer(
      "examples:\n"
      "  attnbench run --sweep quick                                   every kernel on eight problems\n"
      "  attnbench new my_idea --from online_softmax                   a kernel of one's own: its file, what to type "
      "next\n"
      "  attnbench verify --variants my_idea                           is it right?\n"
      "  attnbench compare my_idea flash --problem h:12/q:1024/d:64    which is faster?\n"
      "  attnbench explain my_idea flash --problem h:12/q:1024/d:64    and why?\n"
      "  attnbench list --keys                                         what a problem may say\n\n"
      "exit codes: 0 good, 1 wrong results, 2 usage, 3 environment, 4 regressed (gate), 5 inconclusive (gate, "
      "compare),\n"
      "130 interrupted\n\n"
      "attnbench COMMAND --help has the options of a command; run takes the flags of Google Benchmark as well.");
  const std::pair<const char*, Command> commands[] = {
      {"list", add_list(app)},         {"verify", add_verify(app)},   {"run", add_run(app)},
      {"roofline", add_roofline(app)}, {"tune", add_tune(app)},       {"worker", add_worker(app)},
      {"gate", add_gate(app)},         {"compare", add_compare(app)}, {"explain", add_explain(app)},
      {"doctor", add_doctor(app)},     {"new", add_new(app)}};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int code = app.exit(error, out, err);
    put_text(out.str());
    say_text(printable_lines(err.str()));
    return code == 0 ? kExitGood : kExitUsage;
  }

  install_signal_handlers();
  const ExitGuard guard;
  try {
    require_descriptors();
    for (const auto& [name, command] : commands)
      if (app.got_subcommand(name)) return command(context);
    return kExitUsage;
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

}  // namespace

int attnbench_main(int argc, char** argv, std::span<const Variant* const> table) {
  keep_standard_streams();
  Context context{.table = table, .benchmark_flags = {}};
  std::vector<char*> words;
  for (int i = 0; i < argc; ++i) {
    if (is_benchmark_flag(argv[i]))
      context.benchmark_flags.emplace_back(argv[i]);
    else
      words.push_back(argv[i]);
  }
  const int code = dispatch(static_cast<int>(words.size()), words.data(), std::move(context));
  if (output_is_whole()) return code;
  return complain("cannot write to standard output; what it was to show is lost",
                  code == kExitGood ? kExitEnvironment : code);
}

}  // namespace attn::bench
