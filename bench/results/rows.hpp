// The rows of a result file as tables show them: one per case, of several turns the median.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/reason.hpp"
#include "cases/case.hpp"
#include "machine/peak_unit.hpp"

namespace attn::bench {

struct ResultRow {
  CaseName name;
  std::string model;  // whose attention the problem is, where a sweep says so

  // Of a failed case; the rest is then empty.
  std::string error;
  Reason reason = Reason::none;
  std::string failed_on;  // a problem other than its own

  double gflops = 0;
  double low = 0, high = 0;      // 95 % interval of the median over turns, in GFLOP/s; 0 of a single one
  double seconds = 0;            // of a call
  const PeakUnit* unit = &kFma;  // of whose peak pct_peak is
  double pct_peak = 0;
  std::optional<double> pct_fma_peak;  // empty where the file is of before there were two
  double percent = 0;                  // of the ceiling that bounds the case
  bool of_bandwidth = false;           // else of the peak of the unit
  std::string binds;                   // the highest of its roofs (roofs.hpp), and its share of that; empty: not known
  double pct_roof = 0;
  double tokens_per_second = 0;  // through this attention alone; 0 where that says nothing
  double scaled_error = 0;
  double quantisation_error = 0;  // of int8, against the numbers before; 0: not known
  std::string standing;           // among those of its problem: "fastest", "level", "behind"
  std::map<std::string, std::string> marks;
  std::string what_ran;  // inside the library behind the kernel
  double prepare_seconds = 0, finish_seconds = 0;

  bool failed() const { return !error.empty(); }
  double interval_percent() const { return low > 0 ? 50 * (high - low) / gflops : 0; }  // half of it
};

// Of whose peak the pct_peak of a row of a file is. Rows of before they said so: of the unit that the ISA has for the
// elements alone, however fast.
const PeakUnit& unit_of_row(const Json& row, const CaseName& name);

// In the order of the file.
std::vector<ResultRow> rows_of(const Json& document);

// naive or naive_backward: what speedups are over; each pass has its own.
bool is_naive(const std::string& variant);

// "WRONG", "CRASHED", "FAILED"
std::string failure_word(Reason reason);

}  // namespace attn::bench
