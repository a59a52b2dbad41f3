#include "commands/header.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "machine/machine.hpp"

namespace attn::bench {

std::string run_header(std::uint64_t seed) {
  const auto facts = machine_facts();
  double load = 0;
  const std::string load_text = getloadavg(&load, 1) == 1 ? fmt::format("{:.2f}", load) : "unknown";
  const auto slowdown = facts.find("slowdown");
  return fmt::format("{}, {} cores; attnbench {}, {}; load {}; seed {}{}", facts.at("cpu"), facts.at("cores"),
                     facts.at("revision"), facts.at("compiler"), load_text, seed,
                     slowdown == facts.end() ? "" : "; " + slowdown->second);
}

std::string version_text() {
  const auto facts = machine_facts();
  return fmt::format("attnbench {}\n{}: {}\n{}", facts.at("revision"), facts.at("compiler"), facts.at("flags"),
                     facts.at("libraries"));
}

}  // namespace attn::bench
