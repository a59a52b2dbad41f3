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

std::string arguments_of(const std::string& seed, const std::string& path, const std::string& dtype) {
  return fmt::format(" --seed {}{}{}{}", seed, path.empty() ? "" : " --tensors " + shell_word(path),
                     dtype.empty() ? "" : " --tensors-dtype ", dtype);
}

// A 16-bit dtype by its name; nothing of another text.
std::optional<attn_dtype> half_dtype(const std::string& name) {
  for (const Element& element : kElements)
    if (element.dtype != ATTN_F32 && name == element.name) return static_cast<attn_dtype>(element.dtype);
  return std::nullopt;
}

}  // namespace

void add_input_options(CLI::App& command, InputOptions& options) {
  command.add_option("--seed", options.seed, "of the inputs")->capture_default_str();
  command
      .add_option("--tensors", options.tensors,
                  "q, k and v of your own, float32, float16 or ml_dtypes' bfloat16, in a file of numpy.savez, instead "
                  "of seeded inputs; without --problem their shapes are the problem")
      ->check([](const std::string& file) { return file.empty() ? "names no file" : ""; });
  command
      .add_option("--tensors-dtype", options.tensors_dtype,
                  "bf16 or f16: float32 arrays of --tensors are rounded to it, ties to even")
      ->check([](const std::string& name) {
        return half_dtype(name) ? "" : fmt::format("is '{}'; valid: bf16, f16", printable(name));
      });
}

// Bytes of other arrays' names.
constexpr std::size_t kMostListed = 400;

InputOrigin::InputOrigin(const InputOptions& options) : seed_(options.seed) {
  if (options.tensors.empty()) {
    if (options.tensors_dtype.empty()) return;
    throw UsageError(fmt::format("--tensors-dtype {} rounds the arrays of a file; name it with --tensors FILE.npz",
                                 options.tensors_dtype));
  }
  file_.emplace(options.tensors, half_dtype(options.tensors_dtype));
  if (const std::string infinities = file_->infinities(); !infinities.empty())
    say("{}: there are infinite values, which stay as they are: {}\n", printable(options.tensors), infinities);
  if (!file_->ignored().empty())
    say("{}: only q, k and v are read, not {}\n", printable(options.tensors),
        printable(fmt::format("{}", fmt::join(file_->ignored(), ", ")), kMostListed));
}

InputOrigin::InputOrigin(const Json& json) : seed_(json.at("seed").get<std::uint64_t>()) {
  if (!json.contains("tensors")) return;
  file_.emplace(path_from_json(json.at("tensors")), half_dtype(json.value("tensors_dtype", "")));
  if (file_->hash() != json.at("tensors_hash").get<std::string>())
    throw UsageError(fmt::format("--tensors {}: the file has changed since the command began", file_->path()));
}

std::string InputOrigin::tensors_dtype() const {
  return file_ && file_->rounded_to() ? element_of(*file_->rounded_to()).name : "";
}

Json InputOrigin::to_json() const {
  Json json = {{"seed", seed_}};
  if (file_)
    json.update({{"tensors", path_to_json(file_->path())},
                 {"tensors_dtype", tensors_dtype()},
                 {"tensors_hash", file_->hash()}});
  return json;
}

std::string InputOrigin::arguments() const {
  return arguments_of(std::to_string(seed_), file_ ? file_->path() : "", tensors_dtype());
}

std::string input_arguments(const Json& context) {
  return arguments_of(context.value("seed", "1"), context.value("tensors", ""), context.value("tensors_dtype", ""));
}

}  // namespace attn::bench
