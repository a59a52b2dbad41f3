// The result file: Google Benchmark JSON that is whole after every row and every pass. One of megabytes is written less often,
// so that it costs a twentieth of the time at most, and never lags by more than twenty times what writing it takes. Beside it, a journal names the case
// that is running, so that a crash is noticed when the run is resumed. A device or a pipe has neither: it gets the
// document once, at the end.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/durable_file.hpp"
#include "base/json.hpp"
#include "base/timing.hpp"
#include "results/journal.hpp"

namespace attn::bench {

class ResultFile {
 public:
  // An empty path keeps the rows in memory only. Throws UsageError when the path cannot be written.
  explicit ResultFile(std::string path);
  // Writes what has not been.
  ~ResultFile();
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;

  // From here on nobody else writes to it. Throws UsageError when another run does.
  void take_journal();

  // Takes over the rows of an earlier run. The case in which that crashed is measured once more; when it crashed there
  // before, it becomes a crashed row. Throws UsageError when there is nothing to resume, or it is not ours, or `identity`
  // (machine, revision, seed) differs from the file's. Changes nothing.
  void resume(const std::map<std::string, std::string>& identity);

  // Names of the cases that have rows already. Those of a group that was interrupted do not count: on resuming, its passes
  // begin anew.
  const std::set<std::string>& finished() const { return finished_; }

  void set_context(Json context);
  void begin_case(const std::string& name);
  void add_rows(const Json& rows);
  // Rows of the passes that are finished of cases that are not, marked as interrupted: they stand in the file until the
  // case has others. Those that an earlier run left do, too.
  void set_unfinished(const Json& rows);
  // Before work that will take so long: writes what has not been, unless it costs more than a twentieth of that.
  void catch_up(double expected_seconds);
  // No case is running any more: the journal has done its duty.
  void complete();
  // Writes what a device or a pipe is still to get; of no effect for a file. For runs that end early; complete() does it.
  void hand_over();

  // Whether there is a file that is written as rows come.
  bool is_kept() const { return out_ && out_->replaces(); }
  const Json& document() const { return document_; }
  const std::string& path() const { return path_; }
  // Rows that carry an error.
  int failures() const;

 private:
  void save();
  void write();
  void replace_unfinished(const Json& rows);

  std::string path_;
  std::optional<OutputFile> out_;
  std::optional<Journal> journal_;
  Json document_;
  Json unfinished_ = Json::array();
  std::set<std::string> finished_, crashed_once_;
  bool is_behind_ = false;  // the file, of the document
  std::size_t written_bytes_ = 0;
  Clock::time_point written_;
  Clock::duration cost_{};
};

}  // namespace attn::bench
