#include "results/result_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/durable_file.hpp"
#include "base/errors.hpp"
#include "base/file_kind.hpp"
#include "base/json.hpp"
#include "base/printable.hpp"
#include "base/read_text.hpp"
#include "base/reason.hpp"
#include "base/say.hpp"
#include "base/split.hpp"
#include "base/timing.hpp"
#include "cases/case.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

// The case part of a row name: without what Google Benchmark appended.
std::string case_of_row(const std::string& name) {
  const CaseName parsed = parse_case_name(name);
  return case_name(parsed);
}

// Of the context: cases by line.
constexpr const char* kCrashedOnce = "crashed_once";

Json load(const std::string& path) {
  try {
    Json document = Json::parse(read_text(path));
    if (document.at("context").is_object() && document.at("benchmarks").is_array()) return document;
    throw UsageError(path + ": not a result file: 'context' or 'benchmarks' has the wrong type");
  } catch (const Json::exception& error) {
    throw UsageError(fmt::format("{}: not a result file: {}", path, json_fault(error)));
  }
}

Json crashed_row(const std::string& name) {
  return {{"name", name + "/real_time"},
          {"run_name", name + "/real_time"},
          {"run_type", "iteration"},
          {"repetitions", 1},
          {"repetition_index", 0},
          {"threads", 1},
          {"error_occurred", true},
          {"error_message", "crashed"},
          {"failure", "failed"},
          {"reason", to_string(Reason::crashed)},
          {"iterations", 0},
          {"real_time", 0.0},
          {"cpu_time", 0.0},
          {"time_unit", "ns"}};
}

// Writing costs one of so many parts of the time.
constexpr int kShare = 20;

}  // namespace

ResultFile::ResultFile(std::string path) : path_(std::move(path)) {
  document_ = {{"context", Json::object()}, {"benchmarks", Json::array()}};
  if (!path_.empty()) out_.emplace(path_);
}

void ResultFile::take_journal() {
  if (is_kept()) journal_.emplace(out_->target());
}

void ResultFile::resume(const std::map<std::string, std::string>& identity) {
  if (path_.empty()) throw UsageError("--resume needs --benchmark_out=FILE, the file of the run to go on with");
  if (!out_->replaces())
    throw UsageError(fmt::format("--resume: {} is {}, which keeps nothing", path_, file_kind(path_)));
  if (!fs::is_regular_file(path_)) throw UsageError(fmt::format("--resume: there is no {}", path_));
  document_ = load(path_);
  const Json& context = document_["context"];
  for (const auto& [key, value] : identity) {
    const std::string then = context.contains(key) && context[key].is_string() ? context[key].get<std::string>() : "";
    if (then != value)
      throw UsageError(fmt::format("--resume: {} was written with {} '{}', this run has '{}'; start a new file", path_,
                                   key, then, value));
  }
  try {
    Json rows = Json::array();
    for (Json& row : document_["benchmarks"]) (row.value("interrupted", false) ? unfinished_ : rows).push_back(row);
    for (const Json& row : rows) finished_.insert(case_of_row(row.at("run_name").get<std::string>()));
    std::set<std::string> anew;
    for (const Json& row : unfinished_) anew.insert(case_of_row(row.at("run_name").get<std::string>()));
    if (!anew.empty())
      say("{}: {} case{} of which only some passes were measured begin{} anew\n", printable(path_), anew.size(),
          anew.size() == 1 ? "" : "s", anew.size() == 1 ? "s" : "");
    document_["benchmarks"] = std::move(rows);
    for (const std::string& name : split(context.value(kCrashedOnce, ""), '\n'))
      if (!name.empty()) crashed_once_.insert(name);
  } catch (const std::exception& error) {
    throw UsageError(fmt::format("--resume: {}: {}", path_, json_fault(error)));
  }
  if (!journal_ || journal_->ended_in().empty() || finished_.contains(journal_->ended_in())) return;
  const std::string& crashed = journal_->ended_in();
  if (crashed_once_.insert(crashed).second) {
    say("{}: the run before ended in {}, which is tried once more\n", printable(path_), crashed);
  } else {
    const Json row = crashed_row(crashed);
    replace_unfinished(Json::array({row}));
    document_["benchmarks"].push_back(row);
    finished_.insert(crashed);
  }
}

void ResultFile::set_context(Json context) {
  std::string crashed;
  for (const std::string& name : crashed_once_)
    if (!finished_.contains(name)) crashed += (crashed.empty() ? "" : "\n") + name;
  if (!crashed.empty()) context[kCrashedOnce] = crashed;
  document_["context"] = std::move(context);
  save();
}

void ResultFile::begin_case(const std::string& name) {
  if (journal_) journal_->begin_case(name);
}

void ResultFile::add_rows(const Json& rows) {
  replace_unfinished(rows);
  for (const Json& row : rows) {
    document_["benchmarks"].push_back(row);
    finished_.insert(case_of_row(row.at("run_name").get<std::string>()));
  }
  save();
}

void ResultFile::set_unfinished(const Json& rows) {
  replace_unfinished(rows);
  unfinished_.insert(unfinished_.end(), rows.begin(), rows.end());
  save();
}

void ResultFile::replace_unfinished(const Json& rows) {
  std::set<std::string> replaced;
  for (const Json& row : rows) replaced.insert(case_of_row(row.at("run_name").get<std::string>()));
  unfinished_.erase(std::remove_if(unfinished_.begin(), unfinished_.end(),
                                   [&](const Json& row) {
                                     return replaced.contains(case_of_row(row.at("run_name").get<std::string>()));
                                   }),
                    unfinished_.end());
}

void ResultFile::complete() {
  if (is_behind_) write();
  journal_.reset();
  hand_over();
}

ResultFile::~ResultFile() {
  if (!is_behind_) return;
  try {
    write();
  } catch (const std::exception& error) {
    say("{}\n", error.what());
  }
}

int ResultFile::failures() const {
  int count = 0;
  for (const Json& row : document_["benchmarks"]) count += row.value("error_occurred", false);
  return count;
}

void ResultFile::hand_over() {
  if (out_ && !out_->replaces()) out_->write(json_text(document_));
}

void ResultFile::save() {
  if (!is_kept()) return;
  constexpr std::size_t kSmall = std::size_t{1} << 20;
  is_behind_ = true;
  if (written_bytes_ < kSmall || Clock::now() - written_ >= kShare * cost_) write();
}

void ResultFile::catch_up(double expected_seconds) {
  if (is_behind_ && std::chrono::duration<double>(expected_seconds) >= kShare * cost_) write();
}

void ResultFile::write() {
  const auto begin = Clock::now();
  is_behind_ = false;  // also where it cannot be written: whoever hears of that does not try again
  const std::size_t finished = document_["benchmarks"].size();
  Json& rows = document_["benchmarks"];
  rows.insert(rows.end(), unfinished_.begin(), unfinished_.end());
  const std::string text = json_text(document_);
  rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(finished), rows.end());
  out_->write(text);
  written_bytes_ = text.size();
  written_ = Clock::now();
  cost_ = written_ - begin;
}

}  // namespace attn::bench
