#include "cases/input_origin.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/printable.hpp"
#include "base/say.hpp"
#include "base/shell_word.hpp"

namespace attn::bench {
namespace {

std::string arguments_of(const std::string& seed, const std::string& path) {
  return fmt::format(" --seed {}{}", seed, path.empty() ? "" : " --tensors " + shell_word(path));
}

}  // namespace

void add_input_options(CLI::App& command, InputOptions& options) {
  command.add_option("--seed", options.seed, "of the inputs")->capture_default_str();
  command
      .add_option("--tensors", options.tensors,
                  "q, k and v of your own, f32, in a file of numpy.savez, instead of seeded inputs; without --problem "
                  "their shapes are the problem")
      ->check([](const std::string& file) { return file.empty() ? "names no file" : ""; });
}

// Bytes of other arrays' names.
constexpr std::size_t kMostListed = 400;

InputOrigin::InputOrigin(const InputOptions& options) : seed_(options.seed) {
  if (options.tensors.empty()) return;
  file_.emplace(options.tensors);
  if (!file_->ignored().empty())
    say("{}: only q, k and v are read, not {}\n", printable(options.tensors),
        printable(fmt::format("{}", fmt::join(file_->ignored(), ", ")), kMostListed));
}

InputOrigin::InputOrigin(const Json& json) : seed_(json.at("seed").get<std::uint64_t>()) {
  if (!json.contains("tensors")) return;
  file_.emplace(path_from_json(json.at("tensors")));
  if (file_->hash() != json.at("tensors_hash").get<std::string>())
    throw UsageError(fmt::format("--tensors {}: the file has changed since the command began", file_->path()));
}

Json InputOrigin::to_json() const {
  Json json = {{"seed", seed_}};
  if (file_) json.update({{"tensors", path_to_json(file_->path())}, {"tensors_hash", file_->hash()}});
  return json;
}

std::string InputOrigin::arguments() const { return arguments_of(std::to_string(seed_), file_ ? file_->path() : ""); }

std::string input_arguments(const Json& context) {
  return arguments_of(context.value("seed", "1"), context.value("tensors", ""));
}

}  // namespace attn::bench
