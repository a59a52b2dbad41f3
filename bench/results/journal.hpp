// The journal of a run: a file beside its results that names the case which is running. One that is left behind tells
// whoever resumes in which case its process ended, and whether somebody had asked it to. Its lock keeps two runs apart,
// before there is a result file that could.
#pragma once

#include <string>

#include "base/descriptors.hpp"

namespace attn::bench {

class Journal {
 public:
  // `<results>.journal`; where that is a file of somebody else's, which stays as it is, `<results>.1.journal` and so on.
  // Throws UsageError, naming the process, when it belongs to one that is at work.
  explicit Journal(const std::string& results);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // The case in which the process ended that left this journal behind; empty when there was none, or it was interrupted.
  const std::string& ended_in() const { return ended_in_; }

  // It need not survive the machine, only this process, and is written before every turn.
  void begin_case(const std::string& name);

 private:
  bool take(const std::string& path, const std::string& results);

  std::string path_, ended_in_;
  Descriptor file_;
};

}  // namespace attn::bench
