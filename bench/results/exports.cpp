#include "results/exports.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "problem_keys.hpp"
#include "results/rows.hpp"
#include "results/table.hpp"

namespace attn::bench {
namespace {

// RFC 4180, and no more lines than rows.
std::string csv_field(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  if (text.find_first_of("\",") == std::string::npos) return text;
  for (std::size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) text.insert(at, 1, '"');
  return "\"" + text + "\"";
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::vector<std::string> quoted;
  for (const std::string& field : fields) quoted.push_back(csv_field(field));
  return fmt::format("{}\n", fmt::join(quoted, ","));
}

std::string number(double value, bool is_there) { return is_there ? fmt::format("{:.6g}", value) : ""; }

std::string markdown_cell(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, 1, '\\');
  return text;
}

std::string facts_of(const Json& context) {
  const auto fact = [&](const char* key) { return context.value(key, "unknown"); };
  return fmt::format("{}, {} cores; attnbench {}, {}; {}", fact("cpu"), fact("cores"), fact("revision"),
                     fact("compiler"), fact("date"));
}

}  // namespace

std::string as_markdown(const Json& document) {
  std::vector<ResultRow> rows = rows_of(document);
  const std::vector<double> naive = naive_rates(rows);
  std::string titles = "| problem | variant | ISA | threads |", line = "|---|---|---|---:|";
  for (const TableColumn& column : table_columns()) titles += fmt::format(" {} |", column.title), line += "---:|";
  std::string text = fmt::format("{}\n\n{}\n{}\n", facts_of(document.at("context")), titles, line);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ResultRow& row = rows[i];
    const bool leads = row.standing == "fastest" || row.standing == "level";
    const auto marked = [&](const std::string& cell) {
      return leads && !cell.empty() ? fmt::format("**{}**", cell) : cell;
    };
    text += fmt::format("| `{}`{} | {} | {} | {} |", to_short_string(row.name.workload),
                        row.model.empty() ? "" : fmt::format(" {}", markdown_cell(row.model)),
                        marked(markdown_cell(row.name.variant)), row.name.isa, row.name.threads);
    for (const TableColumn& column : table_columns())
      text += fmt::format(" {} |", marked(markdown_cell(column.text(row, naive[i]))));
    text += "\n";
  }
  return text;
}

std::string as_csv(const Json& document) {
  std::vector<std::string> titles = {"variant", "isa", "threads", "model"};
  for (const ProblemKey& key : problem_keys()) titles.emplace_back(key.name);
  for (const char* title :
       {"status", "flops_per_second", "flops_per_second_low", "flops_per_second_high", "seconds", "pct_peak",
        "peak_unit", "pct_fma_peak", "pct_bandwidth", "binds", "pct_roof", "tokens_per_second", "max_scaled_err",
        "quantisation_err", "standing", "marks", "what_ran", "error"})
    titles.emplace_back(title);
  std::string text = csv_line(titles);
  for (const ResultRow& row : rows_of(document)) {
    const bool good = !row.failed();
    std::vector<std::string> fields = {row.name.variant, row.name.isa, std::to_string(row.name.threads), row.model};
    for (const ProblemKey& key : problem_keys()) fields.push_back(key.print(row.name.workload));
    std::vector<std::string> marks;
    for (const auto& [mark, reason] : row.marks) marks.push_back(mark);
    for (std::string field :
         {good ? "good" : failure_word(row.reason), number(row.gflops * 1e9, good), number(row.low * 1e9, row.low > 0),
          number(row.high * 1e9, row.low > 0), number(row.seconds, good), number(row.pct_peak, good),
          std::string(good ? row.unit->name : ""), number(row.pct_fma_peak.value_or(0), good && row.pct_fma_peak),
          number(row.percent, good && row.of_bandwidth), row.binds, number(row.pct_roof, !row.binds.empty()),
          number(row.tokens_per_second, row.tokens_per_second > 0), number(row.scaled_error, good),
          number(row.quantisation_error, row.quantisation_error > 0), row.standing,
          fmt::format("{}", fmt::join(marks, " ")), row.what_ran, row.error})
      fields.push_back(std::move(field));
    text += csv_line(fields);
  }
  return text;
}

}  // namespace attn::bench
