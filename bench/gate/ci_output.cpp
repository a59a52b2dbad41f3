#include "gate/ci_output.hpp"

#include <fmt/format.h>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <sstream>

#include "base/printable.hpp"
#include "gate/text.hpp"

namespace attn::bench::gate {
namespace {

// In a cell of a table.
std::string cell(std::string text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '`') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

std::string symbol(const CaseReport& c) {
  if (!c.wrong.empty()) return "❌";
  switch (c.judgement.verdict) {
    case Verdict::regressed:
      return "🔴";
    case Verdict::inconclusive:
      return "🟡";
    case Verdict::proven:
      break;
  }
  return "🟢";
}

std::string markdown_row(const CaseReport& c, const Criteria& criteria) {
  const bool measured = c.wrong.empty() && !c.rounds().empty();
  const std::string note = note_of(c, criteria);
  return fmt::format("| {} {} | `{}`{} | {} | {} | {} | {} |\n", symbol(c), verdict_text(c),
                     short_name(c.pairing.label), note.empty() ? "" : "<br>" + cell(note),
                     measured ? percent_text(c.judgement.size) : "-",
                     measured ? interval_text(c.judgement.interval) : "-",
                     measured ? detectable_text(c.judgement) : "-", measured ? c.rounds().size() : 0);
}

std::string sentence(const CaseReport& c) {
  return fmt::format("{}: slower by {} ({}), {} rounds, would have seen {}", short_name(c.pairing.label),
                     percent_text(c.judgement.size), interval_text(c.judgement.interval), c.rounds().size(),
                     detectable_text(c.judgement));
}

// Of a workflow command's text.
std::string escape_command(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '%' ? "%25" : c == '\n' ? "%0A" : c == '\r' ? "%0D" : std::string(1, c);
  return escaped;
}

double seconds_of(const CaseReport& c) {
  double seconds = 0;
  for (const RoundTimes& times : c.times) seconds += times.seconds;
  return seconds;
}

using Tree = boost::property_tree::ptree;

Tree& add_case(Tree& suite, const std::string& class_name, const std::string& name, double seconds) {
  Tree& node = suite.add("testcase", "");
  node.put("<xmlattr>.name", printable_lines(name));
  node.put("<xmlattr>.classname", class_name);
  node.put("<xmlattr>.time", fmt::format("{:.3f}", seconds));
  return node;
}

void add_problem(Tree& node, const char* kind, std::string_view type, const std::string& message) {
  Tree& problem = node.add(kind, printable_lines(message));
  if (std::string_view(kind) != "skipped") problem.put("<xmlattr>.type", std::string(type));
  problem.put("<xmlattr>.message", printable_lines(message.substr(0, message.find('\n'))));
}

}  // namespace

std::string markdown(const Report& report) {
  constexpr const char* kHead =
      "| verdict | case | slower by | 90 % interval | would see | rounds |\n|---|---|---:|---|---:|---:|\n";
  std::string worst, all;
  for (const CaseReport* c : by_severity(report)) {
    const std::string row = markdown_row(*c, report.criteria);
    all += row;
    if (!c->wrong.empty() || c->judgement.verdict != Verdict::proven) worst += row;
  }
  std::string text = fmt::format("### attnbench gate\n\n**{}**\n\n", cell(headline(report)));
  if (!worst.empty()) text += kHead + worst + "\n";
  for (const std::string& line : remarks(report)) text += "- " + line + "\n";
  const auto fact = [](const Facts& facts, const char* key) {
    const auto found = facts.find(key);
    return found == facts.end() ? std::string("unknown") : found->second;
  };
  text += fmt::format("- Base `{}`, candidate `{}`; {}, {}.\n", fact(report.base_facts, "revision"),
                      fact(report.candidate_facts, "revision"), fact(report.base_facts, "cpu"),
                      fact(report.base_facts, "compiler"));
  return text + fmt::format("\n<details><summary>all {} cases</summary>\n\n{}{}\n</details>\n", report.cases.size(),
                            kHead, all);
}

std::string junit(const Report& report, bool inconclusive_passes) {
  Tree suite;
  int failures = 0, errors = 0, skipped = 0, tests = 1;
  suite.put("<xmlattr>.name", "attnbench gate");
  Tree cases;
  Tree& run = add_case(cases, "attnbench.gate", "run", report.seconds);
  if (!report.failure.empty() || report.interrupted)
    ++errors, add_problem(run, "error", to_string(outcome_of(report)), headline(report));
  else if (report.suite_judgement.verdict == Verdict::regressed)
    ++failures, add_problem(run, "failure", "REGRESSED",
                            "the suite as a whole is slower by " + percent_text(report.suite_judgement.size));
  for (const CaseReport& c : report.cases) {
    ++tests;
    Tree& node = add_case(cases, "attnbench.gate.cases", c.pairing.label, seconds_of(c));
    if (!c.wrong.empty())
      ++failures, add_problem(node, "failure", "WRONG", c.wrong);
    else if (c.judgement.verdict == Verdict::regressed)
      ++failures, add_problem(node, "failure", "REGRESSED", sentence(c));
    else if (c.judgement.verdict == Verdict::inconclusive && inconclusive_passes)
      ++skipped, add_problem(node, "skipped", "INCONCLUSIVE", sentence(c));
    else if (c.judgement.verdict == Verdict::inconclusive)
      ++failures, add_problem(node, "failure", "INCONCLUSIVE", sentence(c));
  }
  suite.put("<xmlattr>.tests", tests);
  suite.put("<xmlattr>.failures", failures);
  suite.put("<xmlattr>.errors", errors);
  suite.put("<xmlattr>.skipped", skipped);
  suite.put("<xmlattr>.time", fmt::format("{:.3f}", report.seconds));
  for (const auto& [name, node] : cases) suite.add_child(name, node);
  Tree document;
  document.add_child("testsuites.testsuite", suite);
  std::ostringstream out;
  boost::property_tree::write_xml(out, document, boost::property_tree::xml_writer_make_settings<std::string>(' ', 2));
  return out.str();
}

std::string annotations(const Report& report, bool inconclusive_passes) {
  std::string text;
  const auto add = [&](const char* level, const std::string& title, const std::string& message) {
    text += fmt::format("::{} title={}::{}\n", level, title, escape_command(message));
  };
  const Outcome outcome = outcome_of(report);
  if (outcome == Outcome::environment || outcome == Outcome::interrupted)
    add("error", "attnbench gate", headline(report));
  if (report.suite_judgement.verdict == Verdict::regressed)
    add("error", "attnbench gate", "the suite as a whole is slower by " + percent_text(report.suite_judgement.size));
  for (const CaseReport* c : by_severity(report)) {
    if (!c->wrong.empty())
      add("error", "wrong result", fmt::format("{}: {}", short_name(c->pairing.label), c->wrong));
    else if (c->judgement.verdict == Verdict::regressed)
      add("error", "slower", sentence(*c));
    else if (c->judgement.verdict == Verdict::inconclusive && outcome != Outcome::environment)
      add(inconclusive_passes ? "warning" : "error", "inconclusive", sentence(*c));
  }
  return text;
}

}  // namespace attn::bench::gate
