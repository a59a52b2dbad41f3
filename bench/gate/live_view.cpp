#include "gate/live_view.hpp"

#include <fmt/color.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/quantities.hpp"
#include "base/say.hpp"
#include "base/timing.hpp"
#include "base/window.hpp"
#include "gate/text.hpp"

namespace attn::bench::gate {
namespace {

constexpr int kMostRows = 16;
constexpr auto kRedrawEvery = std::chrono::milliseconds(200);
constexpr auto kLineEvery = std::chrono::seconds(5);

std::string head(const Report& report, const Progress& progress) {
  std::string text = fmt::format("{} round {}{}: ", to_string(progress.phase), progress.round,
                                 progress.rounds > 0 ? fmt::format("/{}", progress.rounds) : "");
  text += fmt::format("{} case{}", progress.cases, progress.cases == 1 ? "" : "s");
  const std::size_t regressed = count(report, Verdict::regressed), wrong = count_wrong(report);
  if (regressed > 0) text += fmt::format(", {} REGRESSED", regressed);
  if (wrong > 0) text += fmt::format(", {} WRONG", wrong);
  if (const std::size_t proven = count(report, Verdict::proven); proven > 0) text += fmt::format(", {} proven", proven);
  return text;
}

std::vector<const CaseReport*> measured_cases(const Report& report) {
  std::vector<const CaseReport*> rows = by_severity(report);
  std::erase_if(rows, [](const CaseReport* c) { return c->wrong.empty() && c->rounds().empty(); });
  return rows;
}

}  // namespace

std::string live_line(const Report& report, const Progress& progress) {
  std::string text = head(report, progress);
  if (const auto rows = measured_cases(report); !rows.empty())
    text +=
        fmt::format(", worst {} {}", rows.front()->wrong.empty() ? percent_text(rows.front()->judgement.size) : "WRONG",
                    short_name(rows.front()->pairing.label));
  return text + fmt::format(", ETA {}", clock_time(progress.left_seconds));
}

std::string live_table(const Report& report, const Progress& progress, int rows, int columns, bool color) {
  const auto fitted = [&](const std::string& line) { return cut(line, static_cast<std::size_t>(columns)); };
  const std::string title =
      fitted(fmt::format("{}, {} elapsed, ETA {}", head(report, progress), clock_time(progress.elapsed_seconds),
                         clock_time(progress.left_seconds)));
  std::string text = (color ? fmt::format(fmt::emphasis::bold, "{}", title) : title) + "\n";
  for (const CaseReport* c : measured_cases(report)) {
    if (rows-- <= 0) break;
    const std::string line = fitted(fmt::format("{:<13} {:>8}  {:<16} {:>3}  {}",
                                                c->routed || !c->wrong.empty() ? verdict_text(*c) : "screen",
                                                c->wrong.empty() ? percent_text(c->judgement.size) : "-",
                                                c->wrong.empty() ? interval_text(c->judgement.interval) : "-",
                                                c->rounds().size(), short_name(c->pairing.label)));
    const bool red = color && (!c->wrong.empty() || c->judgement.verdict == Verdict::regressed);
    text += (red ? fmt::format(fmt::fg(fmt::terminal_color::red), "{}", line) : line) + "\n";
  }
  return text;
}

LiveView::LiveView() : terminal_(rewrites_lines(STDERR_FILENO)), color_(wants_color(STDERR_FILENO)) {}

void LiveView::progressed(const Report& report, const Progress& progress) {
  ++measured_;
  const bool round_is_over = measured_ >= progress.cases;
  if (round_is_over) measured_ = 0;
  const auto now = Clock::now();
  if (!terminal_) {
    const std::size_t decided = report.cases.size() - count(report, Verdict::inconclusive);
    if (!round_is_over || (now - drawn_ < kLineEvery && decided == decided_)) return;
    decided_ = decided;
    drawn_ = now;
    say("{}\n", live_line(report, progress));
    return;
  }
  if (now - drawn_ < kRedrawEvery && !round_is_over) return;
  drawn_ = now;
  draw(report, progress);
}

void LiveView::draw(const Report& report, const Progress& progress) {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
  const int rows = std::min(kMostRows, known ? size.ws_row - 3 : kMostRows);
  const auto columns = static_cast<int>(window_columns(STDERR_FILENO)) - 1;
  const std::string text = live_table(report, progress, rows, columns, color_);
  clear();
  say_text(text);
  lines_ = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

void LiveView::clear() {
  if (lines_ > 0) say("\033[{}A\033[J", lines_);
  lines_ = 0;
}

}  // namespace attn::bench::gate
