// The worker: a resident process that prepares, checks and times cases for a parent, over stdin and stdout. It hosts
// kernels that may crash, and the sides of a comparison that take turns. One line asks, one line of JSON answers:
//
//   (start)                     {"hello": "attnbench worker", "protocol": 1, "facts": {...}, "variants": [...]}
//                               or {"error": "..."}, exit 2, when a plugin cannot be loaded
//   inputs {"seed": 1}          what inputs are made from; the default is seed 1. With "tensors": "FILE.npz", the
//                               "tensors_dtype" that they are rounded to ("": none) and their "tensors_hash" also
//                               those of fill:file
//   plan CASE                   {"ok": true, "refused": "why", "workspace_bytes": N, "flops_per_second": X}
//   prep CASE [CHECKSUM]        {"ok": true, "verdict": {...}, "checksum": N}; outputs of that checksum passed elsewhere
//   run CASE CALLS              {"ok": true, "wall_seconds": ..., ...}: measurement.hpp, one untimed call before
//   measure CASE CALLS          the same with ceilings beside it, and the team counted
//   count CASE CALLS            the same as run, with what the CPU counted meanwhile
//   quit                        ends, as the end of stdin does
//
//   (crash)                     {"crashed": "where", "activity": "CASE"}, then the process ends by its signal: stop.hpp
//
// `attnbench worker` has the built-in variants, attnbench_plugin_worker (plugin_worker.cpp) a plugin alone.
// CASE is a row name. A request that cannot be met answers {"ok": false, "error": "..."}, with "usage": true where it is
// the user's to mend.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <iostream>
#include <map>
#include <sstream>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/stop.hpp"
#include "cases/input_origin.hpp"
#include "machine/counters.hpp"
#include "machine/machine.hpp"
#include "measure/calibration.hpp"
#include "measure/measurement.hpp"
#include "registry.hpp"
#include "workers/plugin.hpp"
#include "workers/worker_server.hpp"

namespace attn::bench {
namespace {

Json as_json(const Variant& v) {
  return {{"name", v.name},     {"isa", v.isa},           {"summary", v.summary},
          {"source", v.source}, {"features", v.features}, {"error_multiple", v.error_multiple}};
}

Json hello(std::span<const Variant* const> built_in, const std::vector<Plugin>& plugins) {
  Json variants = Json::array(), libraries = Json::array();
  for (const Variant* row : built_in) variants.push_back(as_json(*row));
  for (const Plugin& plugin : plugins) {
    Json rows = Json::array();
    for (const Variant* row : plugin.variants) rows.push_back(as_json(*row));
    libraries.push_back({{"path", path_to_json(plugin.path)}, {"version", plugin.version}, {"variants", rows}});
  }
  return {{"hello", "attnbench worker"},
          {"protocol", kWorkerProtocol},
          {"facts", machine_facts()},
          {"variants", variants},
          {"plugins", libraries}};
}

template <class Number>
Number parse_number(const std::string& what, const std::string& text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    throw std::invalid_argument(fmt::format("{} '{}' is no whole number of 64 bits", what, text));
  return number;
}

class Server {
 public:
  Server(std::vector<const Variant*> table, const std::vector<Plugin>& plugins) : table_(std::move(table)) {
    for (const Plugin& plugin : plugins)
      for (const Variant* row : plugin.variants) bindings_[row] = plugin.bindings;
  }

  Json answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb, name, number;
    words >> verb;
    if (verb == "inputs") {
      InputOrigin origin(Json::parse(line.substr(verb.size())));
      bench_.reset();
      origin_ = std::move(origin);
      bench_.emplace(origin_.source());
      return {{"ok", true}};
    }
    words >> name >> number;
    if (verb == "plan") return plan(find_case(name, false));
    if (verb == "prep") return prep(find_case(name, true), number);
    if (verb == "run" || verb == "measure" || verb == "count") {
      const auto calls = parse_number<std::int64_t>("number of calls", number);
      if (calls < 1) throw std::invalid_argument(fmt::format("{} calls; valid: 1 or more", calls));
      const Case c = find_case(name, true);
      PreparedCase& prepared = bench_->prepare(c);
      Counters counters(verb == "count" ? hardware_counters() : std::span<const CounterKind>());
      Measurement m = verb == "measure" ? measure_with_ceilings(c, prepared, calls)
                                        : measure_plainly(prepared, calls, verb == "count" ? &counters : nullptr);
      const Bindings bindings = bindings_of_case(c);
      m.libraries = bindings.libraries;
      if (!bindings.foreign.empty()) m.verdict = foreign_verdict(bindings);
      Json json = to_json(m);
      json["ok"] = true;
      for (const Counted& count : counters.counted())
        json["counted"].push_back({{"name", count.name}, {"value", count.value}, {"reason", count.reason}});
      return json;
    }
    throw std::invalid_argument(
        fmt::format("'{}' is no request; valid: inputs, plan, prep, run, measure, count, quit", verb.substr(0, 40)));
  }

 private:
  Case find_case(const std::string& name, bool must_be_possible) const {
    const CaseName parsed = parse_case_name(name);
    const auto isa = parse_isa(parsed.isa);
    const Variant* row = isa ? find(table_, parsed.variant, *isa) : nullptr;
    if (row == nullptr) throw std::invalid_argument(fmt::format("there is no {}/{} here", parsed.variant, parsed.isa));
    if (must_be_possible)
      if (const std::string reason = why_not(*row, core_problem(parsed.workload), parsed.threads); !reason.empty())
        throw std::invalid_argument(reason);
    return {row, parsed.workload, parsed.threads};
  }

  Json plan(const Case& c) {
    const Problem p = core_problem(c.workload);
    if (const std::string reason = why_not(*c.variant, p, c.threads); !reason.empty())
      return {{"ok", true}, {"refused", reason}, {"workspace_bytes", 0}, {"flops_per_second", 0}};
    return {{"ok", true},
            {"refused", ""},
            {"workspace_bytes", workspace_bytes(*c.variant, p, c.threads)},
            {"flops_per_second", calibration_.flops_per_second(c)}};
  }

  Json prep(const Case& c, const std::string& checked_before) {
    const auto checksum =
        checked_before.empty() ? std::nullopt : std::optional(parse_number<std::uint64_t>("checksum", checked_before));
    if (const Bindings bindings = bindings_of_case(c); !bindings.foreign.empty())
      return {{"ok", true}, {"verdict", to_json(foreign_verdict(bindings))}, {"checksum", 0}};
    const PreparedCase& prepared = bench_->prepare(c, checksum);
    Json answer = {{"ok", true}, {"verdict", to_json(prepared.verdict())}, {"checksum", prepared.checksum()}};
    if (!prepared.verdict().passed) bench_->renew_if_written(c.workload);
    return answer;
  }

  Bindings bindings_of_case(const Case& c) const {
    const auto found = bindings_.find(c.variant);
    return found == bindings_.end() ? Bindings{} : found->second;
  }

  // Right or wrong, it is not what its name says.
  static CaseVerdict foreign_verdict(const Bindings& bindings) { return Verdict{.failure = bindings.foreign}; }

  std::vector<const Variant*> table_;
  std::map<const Variant*, Bindings> bindings_;  // of plugins
  InputOrigin origin_{InputOptions{}};           // what bench_ reads
  std::optional<Workbench> bench_{origin_.source()};
  Calibration calibration_;
};

// The channel to the parent. A kernel that prints must not write into it: its standard output is the error output.
int take_channel() {
  const int channel = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (channel < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) throw EnvironmentError("worker: no standard output");
  return channel;
}

bool send(int channel, const Json& json) {
  const std::string text = json_line(json) + "\n";
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t n = write(channel, text.data() + sent, text.size() - sent);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

int serve_worker(const std::vector<std::string>& plugin_files, std::span<const Variant* const> built_in,
                 const std::function<void(const std::vector<Plugin>&)>& loaded) {
  const int channel = take_channel();
  leave_crashes_to_the_parent(channel);
  std::vector<Plugin> plugins;
  try {
    plugins = load_plugins(plugin_files, built_in);
  } catch (const UsageError& error) {
    send(channel, {{"error", error.what()}});
    return kExitUsage;
  }
  std::vector<const Variant*> table(built_in.begin(), built_in.end());
  for (const Plugin& plugin : plugins) table.insert(table.end(), plugin.variants.begin(), plugin.variants.end());
  if (loaded) loaded(plugins);
  if (!send(channel, hello(built_in, plugins))) return kExitEnvironment;

  Server server(std::move(table), plugins);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    Json answer;
    try {
      answer = server.answer(line);
    } catch (const std::bad_alloc&) {
      answer = {{"ok", false}, {"error", "out of memory"}};
    } catch (const UsageError& error) {
      answer = {{"ok", false}, {"usage", true}, {"error", error.what()}};
    } catch (const std::exception& error) {
      answer = {{"ok", false}, {"error", error.what()}};
    }
    if (!send(channel, answer)) return kExitEnvironment;
  }
  return kExitGood;
}

}  // namespace attn::bench
