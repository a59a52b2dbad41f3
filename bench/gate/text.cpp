#include "gate/text.hpp"

#include <fmt/color.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantities.hpp"
#include "cases/case.hpp"

namespace attn::bench::gate {
namespace {

// From the worst: the order of rows.
int severity(const CaseReport& c) {
  if (!c.wrong.empty()) return 0;
  switch (c.judgement.verdict) {
    case Verdict::regressed:
      return 1;
    case Verdict::inconclusive:
      return 2;
    case Verdict::proven:
      break;
  }
  return 3;
}

double as_percent(double log_ratio) { return 100 * std::expm1(log_ratio); }

std::size_t most_rounds(const Report& report) {
  std::size_t most = 0;
  for (const CaseReport& c : report.cases) most = std::max(most, c.rounds().size());
  return most;
}

const char* plural(std::size_t count) { return count == 1 ? "" : "s"; }

}  // namespace

std::string percent_text(double log_ratio) {
  const double percent = as_percent(log_ratio);
  if (!std::isfinite(percent)) return "-";
  return fmt::format("{:+.{}f} %", percent, std::abs(percent) < 0.1 ? 2 : 1);
}

std::string detectable_text(const Judgement& judgement) {
  return judgement.detectable ? fmt::format("{:.1f} %", as_percent(*judgement.detectable)) : "-";
}

std::string interval_text(const Interval& interval) {
  if (!std::isfinite(interval.low)) return "not bounded yet";
  return fmt::format("{:+.1f} to {:+.1f} %", as_percent(interval.low), as_percent(interval.high));
}

std::string verdict_text(const CaseReport& c) {
  if (!c.wrong.empty()) return "WRONG";
  return fmt::format("{}{}", to_string(c.judgement.verdict), c.judgement.faster ? ", faster" : "");
}

std::string note_of(const CaseReport& c, const Criteria& criteria) {
  std::string note;
  const auto add = [&](const std::string& text) { note += (note.empty() ? "" : "; ") + text; };
  if (c.same_code && c.judgement.verdict == Verdict::regressed)
    add("the machine code of this kernel is the same in both builds");
  if (c.wrong.empty() && c.judgement.verdict == Verdict::regressed &&
      c.judgement.log_e_proven > std::log(criteria.proof))
    add("surely below the limit, too");
  if (!c.wrong.empty()) add(c.wrong);
  return note;
}

std::vector<const CaseReport*> by_severity(const Report& report) {
  std::vector<const CaseReport*> rows;
  for (const CaseReport& c : report.cases) rows.push_back(&c);
  std::stable_sort(rows.begin(), rows.end(), [](const CaseReport* a, const CaseReport* b) {
    return std::pair(severity(*a), -a->judgement.size) < std::pair(severity(*b), -b->judgement.size);
  });
  return rows;
}

std::size_t count(const Report& report, Verdict verdict) {
  return static_cast<std::size_t>(std::count_if(report.cases.begin(), report.cases.end(), [&](const CaseReport& c) {
    return c.wrong.empty() && c.judgement.verdict == verdict;
  }));
}

std::size_t count_wrong(const Report& report) {
  return static_cast<std::size_t>(
      std::count_if(report.cases.begin(), report.cases.end(), [](const CaseReport& c) { return !c.wrong.empty(); }));
}

std::string headline(const Report& report) {
  const Outcome outcome = outcome_of(report);
  const std::size_t cases = report.cases.size(), regressed = count(report, Verdict::regressed),
                    open = count(report, Verdict::inconclusive);
  const auto of_all = [&](std::size_t some) {
    return fmt::format("{} of {} case{} {}", some, cases, plural(cases), some == 1 ? "is" : "are");
  };
  switch (outcome) {
    case Outcome::interrupted:
      return fmt::format("INTERRUPTED after {}: what was measured until then is below", clock_time(report.seconds));
    case Outcome::environment:
      return "ENVIRONMENT: " + report.failure;
    case Outcome::wrong:
      return fmt::format("WRONG RESULTS: {} wrong", of_all(count_wrong(report)));
    case Outcome::regressed:
      if (regressed == 0)
        return fmt::format("REGRESSED: no single case, but the suite as a whole is slower by {}",
                           percent_text(report.suite_judgement.size));
      return fmt::format("REGRESSED: {} slower, by {}{}", of_all(regressed), regressed == 1 ? "" : "up to ",
                         percent_text(by_severity(report).front()->judgement.size));
    case Outcome::inconclusive:
      return fmt::format(
          "INCONCLUSIVE: {} neither proven nor slower{}", of_all(open),
          report.out_of_time ? ", the time is over" : fmt::format(" after up to {} rounds", most_rounds(report)));
    case Outcome::passed:
      break;
  }
  return fmt::format("PASSED: all {} case{} proven", cases, plural(cases));
}

std::vector<std::string> remarks(const Report& report) {
  std::vector<std::string> lines;
  const auto about = [](const Judgement& judgement) {
    return fmt::format("{} ({})", percent_text(judgement.size), interval_text(judgement.interval));
  };
  lines.push_back(fmt::format(
      "PROVEN: slower by less than {}. REGRESSED: slower by more than {}, or than what code placement does.",
      percent_text(report.criteria.limit).substr(1), percent_text(report.criteria.min_effect).substr(1)));
  if (!report.suite.empty())
    lines.push_back(fmt::format("Suite, mean of the middle half of the cases: {}, {}; REGRESSED is above {}.",
                                about(report.suite_judgement), to_string(report.suite_judgement.verdict),
                                percent_text(report.criteria.suite_effect()).substr(1)));
  if (!report.null.empty())
    lines.push_back(fmt::format("Null arm, the base against a copy of itself: {} over {} rounds.",
                                about(report.null_judgement), report.null.size()));
  int dropped = 0;
  for (const CaseReport& c : report.cases) dropped += c.dropped;
  const std::size_t routed = report.routed;
  lines.push_back(
      fmt::format("{} case{} in {}; {} of them measured again in full rounds; {} block{} dropped for steal, preemption "
                  "or page faults.",
                  report.cases.size(), plural(report.cases.size()), clock_time(report.seconds), routed, dropped,
                  dropped == 1 ? "" : "s"));
  if (const std::size_t skipped = report.skipped.size(); skipped > 0)
    lines.push_back(fmt::format("{} case{} of the selection not compared, such as {}: {}.", skipped, plural(skipped),
                                report.skipped.front().name, report.skipped.front().text));
  return lines;
}

std::string format_report(const Report& report, bool color) {
  const auto styled = [&](fmt::text_style style, const std::string& text) {
    return color ? fmt::format(style, "{}", text) : text;
  };
  const auto style_of = [](const CaseReport& c) {
    if (!c.wrong.empty() || c.judgement.verdict == Verdict::regressed)
      return fmt::fg(fmt::terminal_color::red) | fmt::emphasis::bold;
    return c.judgement.verdict == Verdict::inconclusive ? fmt::fg(fmt::terminal_color::yellow) : fmt::text_style{};
  };
  std::string text = fmt::format("\n{:<15} {:>9}  {:<18} {:>9} {:>7}  {}\n", "verdict", "slower by", "90 % interval",
                                 "would see", "rounds", "case");
  for (const CaseReport* c : by_severity(report)) {
    const bool measured = c->wrong.empty() && !c->rounds().empty();
    text += styled(style_of(*c), fmt::format("{:<15}", verdict_text(*c))) +
            fmt::format(" {:>9}  {:<18} {:>9} {:>7}  {}\n", measured ? percent_text(c->judgement.size) : "-",
                        measured ? interval_text(c->judgement.interval) : "-",
                        measured ? detectable_text(c->judgement) : "-", measured ? c->rounds().size() : 0,
                        short_name(c->pairing.label));
    if (const std::string note = note_of(*c, report.criteria); !note.empty())
      text += fmt::format("{:>17}{}\n", "", note);
  }
  text += "\n";
  for (const std::string& line : remarks(report)) text += line + "\n";
  return text + styled(fmt::emphasis::bold, headline(report)) + "\n";
}

}  // namespace attn::bench::gate
