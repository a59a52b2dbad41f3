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

#include "base/quantities.hpp"
#include "base/slices.hpp"
#include "base/window.hpp"
#include "cases/input_origin.hpp"
#include "machine/ceilings.hpp"

namespace attn::bench {
namespace {

constexpr const char* kTokens = "tok/s";
constexpr const char* kQuantisation = "of int8";
constexpr const char* kRoof = "binds";
constexpr std::size_t kNamesShown = 3;  // of cases per reason; the result file has them all

// A figure as the table shows it.
struct Shown {
  const ResultRow* row;
  double naive;
};

// Rows of one problem and team. Where no variant has a problem on several ISAs, as when rivals are measured each on what it
// runs on, all ISAs are in one block, and the name of a variant tells its own unless it is the same for all.
struct Block {
  std::string problem, isa;  // isa: empty where the names tell it
  int threads;
  std::string model;
  std::vector<Shown> rows;

  std::string where() const {
    return fmt::format("{}{}{} thread{}", isa, isa.empty() ? "" : ", ", threads, threads == 1 ? "" : "s");
  }
};

struct Table {
  std::vector<ResultRow> rows;
  std::vector<Block> blocks;  // in order of appearance
  bool names_isa = false;     // with the variant

  std::string label(const ResultRow& row) const {
    return names_isa ? fmt::format("{}/{}", row.name.variant, row.name.isa) : row.name.variant;
  }
};

// Whether some variant has a workload with one team on two ISAs.
bool compares_isas(const std::vector<ResultRow>& rows) {
  std::map<std::tuple<std::string, std::string, int>, std::string> isas;
  return std::ranges::any_of(rows, [&](const ResultRow& row) {
    const CaseName& name = row.name;
    return isas.try_emplace({name.variant, to_string(name.workload), name.threads}, name.isa).first->second != name.isa;
  });
}

Table table_of(const Json& document) {
  Table table{.rows = rows_of(document)};
  const bool block_per_isa = compares_isas(table.rows);
  const bool one_isa = std::ranges::all_of(
      table.rows, [&](const ResultRow& row) { return row.name.isa == table.rows.front().name.isa; });
  table.names_isa = !block_per_isa && !one_isa;
  const std::vector<double> naive = naive_rates(table.rows);
  std::map<std::tuple<std::string, std::string, int>, std::size_t> places;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const ResultRow& row = table.rows[i];
    const std::string isa = table.names_isa ? "" : row.name.isa;
    const std::string problem = to_short_string(row.name.workload);
    const auto [place, is_new] = places.try_emplace({problem, isa, row.name.threads}, table.blocks.size());
    if (is_new) table.blocks.push_back({problem, isa, row.name.threads, row.model, {}});
    table.blocks[place->second].rows.push_back({&row, naive[i]});
  }
  for (Block& block : table.blocks)
    std::ranges::stable_sort(block.rows, std::greater(), [](const Shown& shown) { return shown.row->gflops; });
  return table;
}

bool leads(const Block& block, const ResultRow& row) {
  if (row.failed()) return false;
  return row.standing.empty() ? row.gflops == block.rows.front().row->gflops : row.standing != "behind";
}

std::string standing_mark(const ResultRow& row) {
  return row.standing == "fastest" ? "*" : row.standing == "level" ? "=" : " ";
}

std::string bold(const TableStyle& style, bool wanted, const std::string& text) {
  return style.color && wanted ? fmt::format(fmt::emphasis::bold, "{}", text) : text;
}

std::string padded_left(const std::string& text, std::size_t width) {
  const std::size_t length = length_of(text);
  return length < width ? std::string(width - length, ' ') + text : text;
}

std::string padded_right(const std::string& text, std::size_t width) {
  const std::size_t length = length_of(text);
  return length < width ? text + std::string(width - length, ' ') : text;
}

std::string without_trailing_space(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

// The table as blocks of lines: a mark, the variant, and as many columns as fit.
struct Layout {
  std::size_t name = 0;
  std::vector<std::pair<const TableColumn*, std::size_t>> columns;  // with their widths
  std::set<std::string> titles;
  bool has_room_for_labels = false;  // what ran, behind the last column
};

constexpr std::size_t kMark = 2, kGap = 2, kLeastName = 6;

Layout fitting_layout(const Table& table, std::size_t window) {
  Layout layout;
  for (const ResultRow& row : table.rows) layout.name = std::max(layout.name, length_of(table.label(row)));
  std::vector<std::size_t> widths;
  for (const TableColumn& column : table_columns()) {
    std::size_t width = 0;
    for (const Block& block : table.blocks)
      for (const Shown& shown : block.rows) width = std::max(width, length_of(column.text(*shown.row, shown.naive)));
    widths.push_back(width == 0 ? 0 : std::max(width, length_of(column.title)) + kGap);
  }
  // Names are cut before the first columns go.
  constexpr std::size_t kAlways = 2;
  std::size_t used = kMark;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::size_t name = layout.columns.size() < kAlways ? std::min(layout.name, kLeastName) : layout.name;
    if (widths[i] == 0 || used + name + widths[i] > window) continue;
    layout.columns.emplace_back(&table_columns()[i], widths[i]);
    layout.titles.insert(table_columns()[i].title);
    used += widths[i];
  }
  layout.name = std::min(layout.name, window > used + 1 ? window - used : 1);
  std::size_t label = 0;
  for (const ResultRow& row : table.rows) label = std::max(label, length_of(row.what_ran));
  layout.has_room_for_labels = used + layout.name + kGap + label <= window;
  return layout;
}

std::string as_blocks(const Table& table, const Layout& layout, const TableStyle& style) {
  std::string text;
  for (const Block& block : table.blocks) {
    const std::string heading =
        fmt::format("{}, {}{}{}", block.problem, block.where(), block.model.empty() ? "" : ": ", block.model);
    text += "\n" + wrapped(heading, style.columns, kMark) + "\n";
    std::string titles = std::string(kMark, ' ') + std::string(layout.name, ' ');
    for (const auto& [column, width] : layout.columns) titles += padded_left(column->title, width);
    text += cut(without_trailing_space(titles), style.columns) + "\n";
    for (const Shown& shown : block.rows) {
      const ResultRow& row = *shown.row;
      std::string line = fmt::format("{:<{}}{}", standing_mark(row), kMark,
                                     padded_right(cut(table.label(row), layout.name), layout.name));
      for (const auto& [column, width] : layout.columns) line += padded_left(column->text(row, shown.naive), width);
      if (!row.what_ran.empty() && layout.has_room_for_labels) line += std::string(kGap, ' ') + row.what_ran;
      text += bold(style, leads(block, row), cut(without_trailing_space(line), style.columns)) + "\n";
      if (!row.what_ran.empty() && !layout.has_room_for_labels)
        text += cut(fmt::format("    ran {}", row.what_ran), style.columns) + "\n";
    }
  }
  return text;
}

// Side by side there is no room for it.
bool is_for_blocks(const TableColumn& column) {
  return column.title == std::string_view(kTokens) || column.title == std::string_view(kRoof);
}

// The same side by side: a line of rates and shares, below it the rest.
std::string upper_text(const ResultRow& row, double naive) {
  const auto& columns = table_columns();
  return row.failed()
             ? columns[0].text(row, naive)
             : fmt::format("{} {}{}", columns[0].text(row, naive), columns[2].text(row, naive), standing_mark(row));
}

std::string lower_text(const ResultRow& row, double naive) {
  if (row.failed()) return "";
  const auto& columns = table_columns();
  std::string text = columns[1].text(row, naive);
  for (const TableColumn& column : std::span(columns).subspan(3))
    if (const std::string more = column.text(row, naive); !more.empty() && !is_for_blocks(column))
      text += fmt::format(" {}", more);
  return text + " ";
}

// Empty where it is wider than the window, or has a single problem.
std::string side_by_side(const Table& table, const TableStyle& style) {
  if (table.blocks.size() < 2) return {};
  std::vector<std::string> variants;
  std::map<std::string, double> totals;
  std::map<std::string, std::size_t> widths;
  std::size_t first = 0;
  for (const Block& block : table.blocks) {
    first = std::max({first, length_of(block.problem), length_of(block.where()) + 2, length_of(block.model) + 2});
    for (const auto& [row, naive] : block.rows) {
      const std::string label = table.label(*row);
      if (totals.try_emplace(label, 0).second) variants.push_back(label);
      totals[label] += row->gflops;
      if (!row->what_ran.empty()) return {};
      widths[label] = std::max({widths[label], length_of(label) + 1, length_of(upper_text(*row, naive)),
                                length_of(lower_text(*row, naive))});
    }
  }
  std::size_t total = first;
  for (const auto& [label, width] : widths) total += width + kGap;
  if (total > style.columns) return {};
  // naive, then from slow to fast, which is the ladder.
  std::ranges::stable_sort(variants, {}, [&](const std::string& label) {
    return std::pair(!is_naive(label.substr(0, label.find('/'))), totals[label]);
  });
  std::string text = "\n" + padded_right("problem", first);
  for (const std::string& label : variants) text += padded_left(label + " ", widths[label] + kGap);
  text = without_trailing_space(text) + "\n";
  for (const Block& block : table.blocks) {
    std::string upper = padded_right(block.problem, first), lower = padded_right("  " + block.where(), first);
    for (const std::string& label : variants) {
      const auto shown = std::ranges::find_if(block.rows, [&](const Shown& s) { return table.label(*s.row) == label; });
      const bool is_there = shown != block.rows.end();
      const std::size_t width = widths[label] + kGap;
      upper += is_there
                   ? bold(style, leads(block, *shown->row), padded_left(upper_text(*shown->row, shown->naive), width))
                   : padded_left("- ", width);
      lower += padded_left(is_there ? lower_text(*shown->row, shown->naive) : "", width);
    }
    text += without_trailing_space(upper) + "\n" + without_trailing_space(lower) + "\n";
    if (!block.model.empty()) text += "  " + block.model + "\n";
  }
  return text;
}

// `problem`: that it failed on, where that is not its own. `context` of the run: its inputs and plugins.
std::string reproducer(const ResultRow& row, Json context) {
  const CaseName& name = row.name;
  const std::string problem = row.failed_on.empty() ? to_string(name.workload) : row.failed_on;
  if (!row.failed_on.empty()) context.erase("tensors");  // which are of the row's own shape
  return fmt::format("attnbench verify --problem {} --variants {} --isa {} --threads {}{}{}", problem, name.variant,
                     name.isa, name.threads, input_arguments(context), context.value("plugin_arguments", ""));
}

// Rows that carry a mark, those of one reason together: those that are unsteady, each by a percentage of its own, are one
// note, and more threads than CPUs are a matter of the command.
std::string notes_text(const std::vector<ResultRow>& rows, std::size_t columns) {
  std::map<std::string, std::vector<std::string>> notes;
  for (const ResultRow& row : rows)
    for (const auto& [mark, reason] : row.marks)
      notes[mark == "unsteady" ? "unsteady, turns or the slices within them differ by more than 10 %"
                               : fmt::format("{}: {}", mark, reason)]
          .push_back(short_name(row.name));
  std::string text;
  for (const auto& [note, names] : notes) {
    const bool told = note.starts_with("oversubscribed");
    const std::string some =
        fmt::format(": {}{}", fmt::join(std::span(names).first(std::min(names.size(), kNamesShown)), ", "),
                    names.size() > kNamesShown ? ", ..." : "");
    text +=
        wrapped(fmt::format("~ {} ({} row{}){}", note, names.size(), names.size() == 1 ? "" : "s", told ? "" : some),
                columns, 2) +
        "\n";
  }
  return text;
}

// In GFLOP/s, what shares of this row are of; empty where the file has no such ceiling.
std::optional<double> peak_of(const Json& context, const ResultRow& row) {
  const std::optional<Isa> isa = parse_isa(row.name.isa);
  if (!isa || !context.contains("ceilings")) return std::nullopt;
  return peak_in(context["ceilings"], *isa, *row.unit, row.name.threads);
}

// What the columns mean that are there.
std::string legend(const Table& table, const std::set<std::string>& titles, std::size_t columns) {
  const auto some_row = [&](auto&& is_so) { return std::ranges::any_of(table.rows, is_so); };
  constexpr std::size_t kIndent = 9;
  std::string text;
  const auto tell = [&](bool wanted, std::string_view what, std::string_view meaning) {
    if (wanted) text += wrapped(fmt::format("{:<{}}{}", what, kIndent, meaning), columns, kIndent) + "\n";
  };
  tell(titles.contains("of peak"), "of peak", "of what the f32 FMA can do, measured beside the case");
  for (const PeakUnit& unit : kPeakUnits)
    tell(&unit != &kFma &&
             some_row([&](const ResultRow& row) { return !row.failed() && !row.of_bandwidth && row.unit == &unit; }),
         fmt::format("%{}", unit.mark),
         fmt::format(
             "of what the {} can do, measured beside the case; its share of the f32 FMA is pct_fma_peak in the file",
             unit.name));
  tell(some_row([](const ResultRow& row) { return row.of_bandwidth; }), "%b",
       "of how fast the same threads only read the same keys and values");
  tell(titles.contains("naive x"), "naive x", "times the speed of naive on one thread");
  tell(titles.contains("+-"), "+-", "half the 95 % interval of the median over the passes");
  tell(titles.contains("error"), "error", "the largest against the fp64 oracle, scaled");
  tell(titles.contains(kQuantisation), kQuantisation,
       "the same against the keys and values before they were quantised");
  tell(titles.contains(kTokens), kTokens, "tokens through this attention alone: one layer, nothing else of a model");
  tell(titles.contains(kRoof), kRoof,
       "the ceiling by which a call takes the most time at least, and the share of that in the time that it took; of "
       "other ceilings: roofs in the file");
  const bool has_standings = some_row([](const ResultRow& row) { return !row.standing.empty(); });
  tell(has_standings, "*", "the fastest");
  tell(has_standings, "=", "level with it: the passes do not show which is faster");
  tell(some_row([](const ResultRow& row) { return is_ruler_fault(row.percent); }), "!",
       "above 100 % the ruler was disturbed, not the kernel fast; repeat the run on a quieter machine");
  return text;
}

std::string conversions_text(const Table& table, std::size_t columns) {
  std::map<std::string, std::pair<double, double>> longest;
  for (const ResultRow& row : table.rows)
    if (row.prepare_seconds > 0 || row.finish_seconds > 0) {
      auto& [prepare, finish] = longest[table.label(row)];
      prepare = std::max(prepare, row.prepare_seconds);
      finish = std::max(finish, row.finish_seconds);
    }
  std::string text;
  for (const auto& [label, seconds] : longest)
    text += wrapped(fmt::format("{} needs up to {} before a set of inputs and {} after it, which are not in its time.",
                                label, time_text(seconds.first), time_text(seconds.second)),
                    columns, 2) +
            "\n";
  return text;
}

std::string failures_text(const Table& table, const Json& context) {
  std::string text;
  std::size_t count = 0;
  for (const ResultRow& row : table.rows) {
    if (!row.failed()) continue;
    ++count;
    text += fmt::format("  {}\n    {}\n    {}\n", short_name(row.name), row.error, reproducer(row, context));
  }
  return count == 0 ? text : fmt::format("\nFailed ({}):\n{}", count, text);
}

}  // namespace

const std::vector<TableColumn>& table_columns() {
  static const std::vector<TableColumn> columns = {
      {"GFLOP/s", [](const ResultRow& row,
                     double) { return row.failed() ? failure_word(row.reason) : fmt::format("{:.1f}", row.gflops); }},
      {"per call", [](const ResultRow& row, double) { return row.failed() ? "" : time_text(row.seconds); }},
      {"of peak",
       [](const ResultRow& row, double) {
         return row.failed() ? ""
                             : fmt::format("{:.1f}%{}{}{}", row.percent, row.of_bandwidth ? "b" : row.unit->mark,
                                           is_ruler_fault(row.percent) ? "!" : "", row.marks.empty() ? "" : "~");
       }},
      {"naive x",
       [](const ResultRow& row, double naive) {
         return row.failed() || naive <= 0 ? "" : fmt::format("{:.1f}x", row.gflops / naive);
       }},
      {"+-", [](const ResultRow& row,
                double) { return row.low > 0 ? fmt::format("+-{:.0f}%", row.interval_percent()) : ""; }},
      {"error",
       [](const ResultRow& row, double) { return row.failed() ? "" : fmt::format("{:.0e}", row.scaled_error); }},
      {kQuantisation,
       [](const ResultRow& row, double) {
         return row.quantisation_error > 0 ? fmt::format("{:.0e}", row.quantisation_error) : "";
       }},
      {kTokens,
       [](const ResultRow& row, double) { return row.tokens_per_second > 0 ? count_text(row.tokens_per_second) : ""; }},
      {kRoof, [](const ResultRow& row, double) {
         return row.failed() || row.binds.empty() ? "" : fmt::format("{} {:.0f}%", row.binds, row.pct_roof);
       }}};
  return columns;
}

std::vector<double> naive_rates(const std::vector<ResultRow>& rows) {
  const bool same_isa = compares_isas(rows);
  std::map<std::pair<std::string, std::string>, double> naive;
  const auto key = [&](const ResultRow& row) {
    return std::pair(to_string(row.name.workload), same_isa ? row.name.isa : "");
  };
  for (const ResultRow& row : rows)
    if (is_naive(row.name.variant) && row.name.threads == 1 && !row.failed()) naive.emplace(key(row), row.gflops);
  std::vector<double> rates;
  for (const ResultRow& row : rows) {
    const auto found = naive.find(key(row));
    rates.push_back(found == naive.end() ? 0 : found->second);
  }
  return rates;
}

// A rate well under what share and peak promise: the machine was slower while the row was measured than it can be.
std::string disturbance_text(const Json& document, std::size_t columns) {
  constexpr double kDisturbed = 0.80;  // the clock alone makes a tenth between a peak of 10 ms and a run
  int known = 0;
  std::vector<double> percents;
  for (const ResultRow& row : rows_of(document)) {
    const std::optional<double> peak = peak_of(document.at("context"), row);
    if (row.failed() || !peak || !(row.pct_peak > 0)) continue;
    ++known;
    const double ratio = row.gflops / (row.pct_peak / 100 * *peak);
    if (ratio < kDisturbed) percents.push_back(100 * ratio);
  }
  if (percents.empty()) return {};
  const auto [lowest, highest] = std::ranges::minmax(percents);
  const std::string low = fmt::format("{:.0f}", lowest), high = fmt::format("{:.0f}", highest);
  return wrapped(fmt::format("disturbed: rates reached {} % of share x peak in {} of {} rows; repeat the run on a "
                             "quieter machine (attnbench doctor tells what disturbs)",
                             low == high ? low : fmt::format("{} to {}", low, high), percents.size(), known),
                 columns, 2) +
         "\n";
}

std::string format_skipped(const std::vector<Skipped>& skipped, std::size_t columns) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const Skipped& s : skipped) by_reason[s.text].push_back(s.name);
  std::string text;
  for (const auto& [reason, names] : by_reason) {
    text += wrapped(fmt::format("  {}", reason), columns, 4) + "\n";
    for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i)
      text += fmt::format("    {}\n", short_name(names[i]));
    if (names.size() > kNamesShown) text += fmt::format("    and {} more\n", names.size() - kNamesShown);
  }
  return text.empty() ? text : fmt::format("\nSkipped ({}):\n{}", skipped.size(), text);
}

std::string format_table(const Json& document, const std::vector<Skipped>& skipped, const TableStyle& style) {
  const Table table = table_of(document);
  const Layout layout = fitting_layout(table, style.columns);
  std::string text = side_by_side(table, style);
  std::set<std::string> titles = layout.titles;
  std::string order;  // of the figures, where no titles tell it
  if (text.empty()) {
    text = as_blocks(table, layout, style);
  } else {
    const bool quantised =
        std::ranges::any_of(table.rows, [](const ResultRow& row) { return row.quantisation_error > 0; });
    std::vector<std::string_view> lower;
    for (const TableColumn& column : table_columns())
      if (!is_for_blocks(column) && (column.title != std::string_view(kQuantisation) || quantised))
        lower.push_back(column.title);
    order = wrapped(fmt::format("Upper line: {}, {}; lower line: {}, {}.", lower[0], lower[2], lower[1],
                                fmt::join(std::span(lower).subspan(3), ", ")),
                    style.columns, 2) +
            "\n";
    titles = {lower.begin() + 2, lower.end()};
  }
  const Json& context = document.at("context");
  return fmt::format("{}\n{}{}{}{}{}{}{}", text, order, legend(table, titles, style.columns),
                     disturbance_text(document, style.columns), notes_text(table.rows, style.columns),
                     conversions_text(table, style.columns), failures_text(table, context),
                     format_skipped(skipped, style.columns));
}

}  // namespace attn::bench
