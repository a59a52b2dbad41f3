#include "results/csv_rows.hpp"

#include <ostream>

namespace attn::bench {

CsvRows::~CsvRows() { CsvRows::Finalize(); }

bool CsvRows::ReportContext(const Context& context) {
  PrintBasicContext(&GetErrorStream(), context);
  return true;
}

void CsvRows::ReportRuns(const std::vector<Run>& runs) { runs_.insert(runs_.end(), runs.begin(), runs.end()); }

void CsvRows::Finalize() {
  if (runs_.empty()) return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  benchmark::CSVReporter rows;
#pragma GCC diagnostic pop
  rows.SetOutputStream(&GetOutputStream());
  rows.SetErrorStream(&GetErrorStream());
  rows.ReportRuns(runs_);
  GetOutputStream().flush();
  runs_.clear();
}

}  // namespace attn::bench
