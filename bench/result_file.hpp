// The result file: Google Benchmark JSON that is whole after every row. Beside it, `<file>.journal` names the case that
// is running, so that a crash can be recorded and passed over by --resume. A device or a pipe has neither: it gets the
// document once, at the end.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "durable_file.hpp"

namespace attn::bench {

using Json = nlohmann::ordered_json;

class ResultFile {
 public:
  // An empty path keeps the rows in memory only. Throws UsageError when the path cannot be written.
  explicit ResultFile(std::string path);

  // Takes over the rows of an earlier run, a begun case without a row becoming a crashed row. Throws UsageError when
  // there is nothing to resume, or it is not ours, or `identity` (machine, revision, seed) differs from the file's.
  void resume(const std::map<std::string, std::string>& identity);

  // Names of the cases that have rows already. Those of a group that was interrupted do not count: on resuming, its passes
  // begin anew.
  const std::set<std::string>& finished() const { return finished_; }

  void set_context(Json context);
  void begin_case(const std::string& name);
  void add_rows(const Json& rows);
  // No case is running any more: the journal has done its duty.
  void complete();
  // Writes what a device or a pipe is still to get; of no effect for a file. For runs that end early; complete() does it.
  void hand_over();

  const Json& document() const { return document_; }
  const std::string& path() const { return path_; }
  // Rows that carry an error.
  int failures() const;

 private:
  void save();
  bool has_journal() const { return out_ && out_->replaces(); }

  std::string path_;
  std::optional<OutputFile> out_;
  Json document_;
  std::set<std::string> finished_;
};

}  // namespace attn::bench
