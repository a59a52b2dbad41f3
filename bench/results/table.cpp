#include "results/table.hpp"

#include <fmt/color.h>
#include <fmt/format.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "base/reason.hpp"
#include "base/slices.hpp"
#include "cases/input_origin.hpp"
#include "machine/ceilings.hpp"

namespace attn::bench {
namespace {

struct Cell {
  std::string error;  // of a failed case
  Reason reason = Reason::none;
  double gflops = 0, scaled_error = 0;
  double low = 0, high = 0;   // GFLOP/s of the slowest and fastest turn; 0 of a single one
  std::string standing;       // among those of its problem
  bool marked = false;        // there is a note on it below the table
  double percent = 0;         // of the ceiling that bounds the case
  bool of_bandwidth = false;  // else of the peak of the unit
  std::string what_ran;       // inside the library behind the kernel
};

// Workload in order of appearance, ISA, threads. Where no variant has a workload on several ISAs, as when rivals are
// measured each on what it runs on, all ISAs share a row and the ISA is empty: the columns tell it.
using RowKey = std::tuple<std::size_t, std::string, int>;

// A rate well under what share and peak promise: the machine was slower while the row was measured than it can be.
struct Disturbance {
  int disturbed = 0, rows = 0;
  double lowest = 1, highest = 0;  // of the disturbed rows: rate over share x peak
};

struct Table {
  std::vector<std::string> variants;
  std::vector<Workload> workloads;
  std::map<RowKey, std::map<std::string, Cell>> rows;
  std::vector<std::string> failures;
  std::map<std::string, std::pair<double, double>> conversions;  // longest prepare and finish of a column, in seconds
  std::map<std::string, std::vector<std::string>> notes;         // by mark and reason: rows
  Disturbance disturbance;
};

template <class T>
std::size_t index_of(std::vector<T>& list, const T& item) {
  const auto found = std::find(list.begin(), list.end(), item);
  if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
  list.push_back(item);
  return list.size() - 1;
}

// `problem`: that it failed on, where that is not its own. `context` of the run: its inputs and plugins.
std::string reproducer(const CaseName& name, std::string problem, Json context) {
  if (problem.empty())
    problem = to_string(name.workload);
  else
    context.erase("tensors");  // which are of the row's own shape
  return fmt::format("attnbench verify --problem {} --variants {} --isa {} --threads {}{}{}", problem, name.variant,
                     name.isa, name.threads, input_arguments(context), context.value("plugin_arguments", ""));
}

std::string short_name_of(const CaseName& name) {
  return fmt::format("{}/{} {}{}", name.variant, name.isa, to_short_string(name.workload),
                     name.threads == 1 ? "" : fmt::format(" threads:{}", name.threads));
}

// Of rows that are alike in this: those that are unsteady, each by a percentage of its own, are one note.
std::string note_of(const std::string& mark, const std::string& reason) {
  return mark == "unsteady" ? "unsteady, turns or the slices within them differ by more than 10 %"
                            : fmt::format("{}: {}", mark, reason);
}

// What speedups are over: each pass has its own.
bool is_naive(const std::string& column) {
  const std::string variant = column.substr(0, column.find('/'));
  return variant == "naive" || variant == "naive_backward";
}

// Orders the columns: naive, then from slow to fast, which is the ladder.
double total_gflops(const Table& table, const std::string& variant) {
  double sum = 0;
  for (const auto& [key, cells] : table.rows)
    if (const auto cell = cells.find(variant); cell != cells.end()) sum += cell->second.gflops;
  return sum;
}

// A label is what ran, the mark of the ruler, both or nothing.
std::string without_ruler_fault(std::string label) {
  if (const std::size_t at = label.find(kRulerFault); at != std::string::npos) label.erase(at == 0 ? 0 : at - 1);
  return label;
}

// Whether some variant has a workload with one team on two ISAs.
bool compares_isas(const Json& document) {
  std::map<std::tuple<std::string, std::string, int>, std::string> isas;
  for (const Json& row : document.at("benchmarks")) {
    const CaseName name = parse_case_name(row.at("name").get<std::string>());
    const auto [entry, inserted] = isas.try_emplace({name.variant, to_string(name.workload), name.threads}, name.isa);
    if (entry->second != name.isa) return true;
  }
  return false;
}

// The one ISA of all rows, or empty.
std::string common_isa(const Json& document) {
  std::string common;
  for (const Json& row : document.at("benchmarks")) {
    const std::string isa = parse_case_name(row.at("name").get<std::string>()).isa;
    if (common.empty()) common = isa;
    if (isa != common) return {};
  }
  return common;
}

// In GFLOP/s, what shares of this row are of; empty where the file has no such ceiling.
std::optional<double> peak_of(const Json& context, const CaseName& name) {
  const std::optional<Isa> isa = parse_isa(name.isa);
  if (!isa || !context.contains("ceilings")) return std::nullopt;
  return peak_in(context["ceilings"], *isa, dtype_of(name.workload.problem), name.threads);
}

void add_disturbance(Disturbance& d, const Cell& cell, std::optional<double> peak, double pct_peak) {
  constexpr double kDisturbed = 0.80;  // the clock alone makes a tenth between a peak of 10 ms and a run
  if (!peak || !(pct_peak > 0)) return;
  ++d.rows;
  const double ratio = cell.gflops / (pct_peak / 100 * *peak);
  if (!(ratio < kDisturbed)) return;
  ++d.disturbed;
  d.lowest = std::min(d.lowest, ratio);
  d.highest = std::max(d.highest, ratio);
}

// Of the turns of a case: a row's own rate, GB's aggregates apart.
using Rates = std::map<std::string, std::pair<double, double>>;

Rates rates_of_turns(const Json& document) {
  Rates rates;
  for (const Json& row : document.at("benchmarks")) {
    if (row.contains("aggregate_name") || row.value("error_occurred", false)) continue;
    const double rate = row.value("flops", 0.0) / 1e9;
    const auto [entry, first] = rates.try_emplace(row.at("name").get<std::string>(), rate, rate);
    entry->second = {std::min(entry->second.first, rate), std::max(entry->second.second, rate)};
  }
  return rates;
}

Table collect(const Json& document) {
  Table table;
  const bool row_per_isa = compares_isas(document);
  const std::string common = common_isa(document);
  const Rates rates = rates_of_turns(document);
  std::set<std::string> with_median;
  for (const Json& row : document.at("benchmarks"))
    if (row.value("aggregate_name", "") == "median") with_median.insert(row.at("run_name").get<std::string>());
  for (const Json& row : document.at("benchmarks")) {
    const std::string aggregate = row.value("aggregate_name", "");
    const auto run_name = row.at("run_name").get<std::string>();
    if (aggregate != "median" && (!aggregate.empty() || with_median.contains(run_name))) continue;
    const CaseName name = parse_case_name(row.at("name").get<std::string>());
    const std::string column =
        row_per_isa || !common.empty() ? name.variant : fmt::format("{}/{}", name.variant, name.isa);
    index_of(table.variants, column);
    Cell cell{.error = row.value("error_occurred", false) ? row.value("error_message", "failed") : "",
              .reason = parse_reason(row.value("reason", ""), Reason::failed)};
    if (cell.error.empty()) {
      cell.gflops = row.value("flops", 0.0) / 1e9;
      cell.of_bandwidth = row.contains("pct_bandwidth");
      cell.percent = row.value(cell.of_bandwidth ? "pct_bandwidth" : "pct_peak", 0.0);
      cell.scaled_error = row.value("max_scaled_err", 0.0);
      cell.standing = row.value("standing", "");
      if (const auto found = rates.find(run_name); found != rates.end() && aggregate == "median")
        std::tie(cell.low, cell.high) = found->second;
      if (row.contains("marks"))
        for (const auto& [mark, reason] : row["marks"].items()) {
          cell.marked = true;
          table.notes[note_of(mark, reason.get<std::string>())].push_back(short_name_of(name));
        }
      add_disturbance(table.disturbance, cell, peak_of(document.at("context"), name), row.value("pct_peak", 0.0));
      cell.what_ran = without_ruler_fault(row.value("label", ""));
      if (row.contains("prepare_seconds")) {
        auto& [prepare, finish] = table.conversions[column];
        prepare = std::max(prepare, row.value("prepare_seconds", 0.0));
        finish = std::max(finish, row.value("finish_seconds", 0.0));
      }
    } else {
      table.failures.push_back(fmt::format("{}\n    {}\n    {}", row.at("name").get<std::string>(), cell.error,
                                           reproducer(name, row.value("failed_on", ""), document.at("context"))));
    }
    table.rows[{index_of(table.workloads, name.workload), row_per_isa ? name.isa : common, name.threads}][column] =
        cell;
  }
  std::stable_sort(table.variants.begin(), table.variants.end(), [&](const std::string& a, const std::string& b) {
    return std::pair(!is_naive(a), total_gflops(table, a)) < std::pair(!is_naive(b), total_gflops(table, b));
  });
  return table;
}

// naive (or naive_backward) on the same problem and, in a row per ISA, on the same ISA; one thread.
std::optional<double> naive_gflops(const Table& table, const RowKey& key) {
  const auto row = table.rows.find({std::get<0>(key), std::get<1>(key), 1});
  if (row == table.rows.end()) return std::nullopt;
  const auto cell =
      std::find_if(row->second.begin(), row->second.end(), [](const auto& entry) { return is_naive(entry.first); });
  if (cell == row->second.end() || !cell->second.error.empty()) return std::nullopt;
  return cell->second.gflops;
}

constexpr int kCellWidth = 19;  // names that are longer widen their column

constexpr std::size_t kNamesShown = 3;  // of skipped cases per reason; the result file has them all

std::string speed_text(const Cell* cell) {
  if (cell == nullptr) return "-";
  if (!cell->error.empty())
    return cell->reason == Reason::crashed ? "CRASHED" : cell->reason == Reason::wrong ? "WRONG" : "FAILED";
  return fmt::format("{:.1f} {:4.1f}%{}{}{}{}", cell->gflops, cell->percent, cell->of_bandwidth ? "b" : "",
                     is_ruler_fault(cell->percent) ? "!" : "", cell->marked ? "~" : "",
                     cell->standing == "fastest" ? "*"
                     : cell->standing == "level" ? "="
                                                 : " ");
}

std::string quality_text(const Cell* cell, std::optional<double> naive) {
  if (cell == nullptr || !cell->error.empty()) return "";
  const std::string speedup = naive && *naive > 0 ? fmt::format("{:.1f}x", cell->gflops / *naive) : "-";
  const std::string interval =
      cell->low > 0 ? fmt::format(" +-{:.0f}%", 50 * (cell->high - cell->low) / cell->gflops) : "";
  return fmt::format("{}{}{}{} {:.0e} ", cell->what_ran, cell->what_ran.empty() ? "" : " ", speedup, interval,
                     cell->scaled_error);
}

std::string without_trailing_space(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

bool has_standings(const std::pair<const RowKey, std::map<std::string, Cell>>& row) {
  return std::any_of(row.second.begin(), row.second.end(),
                     [](const auto& cell) { return !cell.second.standing.empty(); });
}

// Rows that carry a mark, those of one reason together.
std::string notes_text(const std::map<std::string, std::vector<std::string>>& notes) {
  std::string text;
  for (const auto& [note, rows] : notes)
    text += fmt::format("~ {} ({} row{}): {}{}\n", note, rows.size(), rows.size() == 1 ? "" : "s",
                        fmt::join(std::span(rows).first(std::min(rows.size(), kNamesShown)), ", "),
                        rows.size() > kNamesShown ? ", ..." : "");
  return text;
}

std::string disturbance_text(const Disturbance& d) {
  if (d.disturbed == 0) return {};
  const std::string range = fmt::format("{:.0f}", 100 * d.lowest) == fmt::format("{:.0f}", 100 * d.highest)
                                ? fmt::format("{:.0f}", 100 * d.lowest)
                                : fmt::format("{:.0f} to {:.0f}", 100 * d.lowest, 100 * d.highest);
  return fmt::format(
      "disturbed: rates reached {} % of share x peak in {} of {} rows; repeat the run on a quieter machine\n", range,
      d.disturbed, d.rows);
}

}  // namespace

std::string format_skipped(const std::vector<Skipped>& skipped) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const Skipped& s : skipped) by_reason[s.text].push_back(s.name);
  std::string text;
  for (const auto& [reason, names] : by_reason) {
    text += fmt::format("  {}\n", reason);
    for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) text += fmt::format("    {}\n", names[i]);
    if (names.size() > kNamesShown) text += fmt::format("    and {} more\n", names.size() - kNamesShown);
  }
  return text.empty() ? text : fmt::format("\nSkipped ({}):\n{}", skipped.size(), text);
}

std::string format_table(const Json& document, const std::vector<Skipped>& skipped, bool color) {
  const Table table = collect(document);
  std::size_t width = 24;
  for (const Workload& w : table.workloads) width = std::max(width, to_short_string(w).size());

  std::string text = fmt::format("\n{:<{}}", "problem", width);
  const auto cell_width = [](const std::string& variant) {
    return std::max(kCellWidth, static_cast<int>(variant.size()) + 2);
  };
  for (const std::string& variant : table.variants) text += fmt::format("{:>{}}", variant, cell_width(variant));
  text += "\n";
  for (const auto& [key, cells] : table.rows) {
    const auto& [workload, isa, threads] = key;
    const auto cell_of = [&cells = cells](const std::string& variant) {
      const auto found = cells.find(variant);
      return found == cells.end() ? nullptr : &found->second;
    };
    double fastest = 0;
    for (const auto& [variant, cell] : cells) fastest = std::max(fastest, cell.gflops);
    const auto leads = [&](const Cell& cell) {
      return cell.standing.empty() ? cell.gflops == fastest && fastest > 0 : cell.standing != "behind";
    };
    std::string speeds = fmt::format("{:<{}}", to_short_string(table.workloads[workload]), width);
    std::string qualities = fmt::format(
        "{:<{}}", fmt::format("  {}{}{} thread{}", isa, isa.empty() ? "" : ", ", threads, threads == 1 ? "" : "s"),
        width);
    for (const std::string& variant : table.variants) {
      const Cell* cell = cell_of(variant);
      const std::string speed = fmt::format("{:>{}}", speed_text(cell), cell_width(variant));
      const bool bold = color && cell != nullptr && leads(*cell);
      speeds += bold ? fmt::format(fmt::emphasis::bold, "{}", speed) : speed;
      qualities += fmt::format("{:>{}}", quality_text(cell, naive_gflops(table, key)), cell_width(variant));
    }
    text += without_trailing_space(speeds) + "\n" + without_trailing_space(qualities) + "\n";
  }
  text +=
      "\nUpper line: GFLOP/s (exact FLOPs of the unmasked pairs) and share of the peak measured beside "
      "the case, f32 FMA's or,\nof bf16, that of the instruction set's unit for it.\n"
      "Lower line: speedup over naive (one thread), half the range of the turns, and largest error against the fp64 "
      "oracle, scaled.\n";
  if (std::any_of(table.rows.begin(), table.rows.end(), has_standings))
    text += "*: the fastest. =: level with it, the turns do not show which is faster.\n";
  text += disturbance_text(table.disturbance) + notes_text(table.notes);
  for (const auto& [column, seconds] : table.conversions)
    text += fmt::format(
        "{} needs up to {:.2g} ms before a set of inputs and {:.2g} ms after it, which are not in its time.\n", column,
        1e3 * seconds.first, 1e3 * seconds.second);
  if (text.find("%b") != std::string::npos)
    text +=
        "%b: of the rate at which the same threads only read the same keys and values, for fewer than 16 queries.\n";
  if (text.find("%!") != std::string::npos || text.find("%b!") != std::string::npos)
    text += "!: above 100 % the ruler was disturbed, not the kernel fast; repeat the run on a quieter machine.\n";
  if (!table.failures.empty()) {
    text += fmt::format("\nFailed ({}):\n", table.failures.size());
    for (const std::string& failure : table.failures) text += "  " + failure + "\n";
  }
  return text + format_skipped(skipped);
}

}  // namespace attn::bench
