// LiveView: the gate as it runs, on stderr: on a terminal a table of the cases that look worst, rewritten in place; in a
// pipe a line for every few seconds, and for every round that decided something.
#pragma once

#include <string>

#include "base/timing.hpp"
#include "gate/gate.hpp"

namespace attn::bench::gate {

class LiveView : public Observer {
 public:
  LiveView();
  ~LiveView() override { clear(); }
  void progressed(const Report& report, const Progress& progress) override;
  // Takes the table off the terminal.
  void clear();

 private:
  void draw(const Report& report, const Progress& progress);

  bool terminal_, color_;
  int lines_ = 0;  // drawn, above the cursor
  std::size_t measured_ = 0, decided_ = 0;
  Clock::time_point drawn_{};
};

// The lines of the table, no wider than `columns`; at most `rows` cases.
std::string live_table(const Report& report, const Progress& progress, int rows, int columns, bool color);
// One line without a break: "screen 3/7: 40 cases, 1 slower, worst +5.1 % flash/avx512 ..., ETA 0:41".
std::string live_line(const Report& report, const Progress& progress);

}  // namespace attn::bench::gate
