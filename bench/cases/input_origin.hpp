// InputOrigin: what the inputs of a command are made from: a seed, and with --tensors the tensors of a file (fill:file).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "base/json.hpp"
#include "cases/npz_file.hpp"
#include "inputs.hpp"

namespace attn::bench {

struct InputOptions {
  std::uint64_t seed = 1;
  std::string tensors;             // a file; empty: none
  std::string tensors_dtype = {};  // that its f32 is rounded to; empty: none
};
// --seed, --tensors and --tensors-dtype.
void add_input_options(CLI::App& command, InputOptions& options);

class InputOrigin {
 public:
  // Reads the file. Throws UsageError.
  explicit InputOrigin(const InputOptions& options);
  // In another process, from what to_json() gave: the file must hold the same values still.
  explicit InputOrigin(const Json& json);

  // Valid as long as this lives.
  InputSource source() const { return {seed_, file_ ? &file_->tensors() : nullptr}; }
  const NpzFile* file() const { return file_ ? &*file_ : nullptr; }
  // That f32 of the file was rounded to; empty where it was not.
  std::string tensors_dtype() const;
  Json to_json() const;
  // " --seed N", and " --tensors FILE --tensors-dtype DTYPE" quoted as a shell needs it, for commands that reproduce a row.
  std::string arguments() const;

 private:
  std::uint64_t seed_;
  std::optional<NpzFile> file_;
};

// The same from the context of a result file.
std::string input_arguments(const Json& context);

}  // namespace attn::bench
