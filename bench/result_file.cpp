#include "result_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "case.hpp"
#include "durable_file.hpp"
#include "errors.hpp"
#include "file_kind.hpp"
#include "json_text.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

std::string journal_of(const std::string& path) { return path + ".journal"; }

// The case part of a row name: without what Google Benchmark appended.
std::string case_of_row(const std::string& name) {
  const CaseName parsed = parse_case_name(name);
  return case_name(parsed);
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

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
          {"iterations", 0},
          {"real_time", 0.0},
          {"cpu_time", 0.0},
          {"time_unit", "ns"}};
}

}  // namespace

ResultFile::ResultFile(std::string path) : path_(std::move(path)) {
  document_ = {{"context", Json::object()}, {"benchmarks", Json::array()}};
  if (!path_.empty()) out_.emplace(path_);
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
    Json& rows = document_["benchmarks"];
    rows.erase(
        std::remove_if(rows.begin(), rows.end(), [](const Json& row) { return row.value("interrupted", false); }),
        rows.end());
    for (const Json& row : rows) finished_.insert(case_of_row(row.at("run_name").get<std::string>()));
  } catch (const std::exception& error) {
    throw UsageError(fmt::format("--resume: {}: {}", path_, json_fault(error)));
  }
  const std::string begun = read_text(journal_of(out_->target()));
  if (!begun.empty() && finished_.insert(begun).second) {
    document_["benchmarks"].push_back(crashed_row(begun));
    save();
  }
}

void ResultFile::set_context(Json context) {
  document_["context"] = std::move(context);
  save();
}

// It need not survive the machine, only this process, and is written before every turn.
void ResultFile::begin_case(const std::string& name) {
  if (has_journal()) std::ofstream(journal_of(out_->target())) << name;
}

void ResultFile::add_rows(const Json& rows) {
  for (const Json& row : rows) {
    document_["benchmarks"].push_back(row);
    finished_.insert(case_of_row(row.at("run_name").get<std::string>()));
  }
  save();
}

void ResultFile::complete() {
  if (has_journal()) unlink(journal_of(out_->target()).c_str());
  hand_over();
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
  if (out_ && out_->replaces()) out_->write(json_text(document_));
}

}  // namespace attn::bench
