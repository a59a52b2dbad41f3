// What is left of a run that ended early, and what becomes of it when it is resumed.
#include "results/journal.hpp"

#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/errors.hpp"
#include "base/stop.hpp"
#include "cases/case.hpp"
#include "catch.hpp"
#include "folder.hpp"
#include "process.hpp"
#include "results/result_file.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;
using Catch::Matchers::Contains;

const std::map<std::string, std::string> kIdentity = {{"seed", "1"}};

std::string name_of(const char* problem) { return case_name(CaseName{"naive", "sse2", parse_workload(problem), 1}); }
const std::string kFirst = name_of("h:1/q:4/d:2"), kSecond = name_of("h:1/q:5/d:2");

Json row(const std::string& name, bool interrupted = false) {
  Json row = {{"name", name + "/real_time"}, {"run_name", name + "/real_time"}};
  if (interrupted) row["interrupted"] = true;
  return row;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t rows_in(const std::string& path) { return Json::parse(text_of(path)).at("benchmarks").size(); }

// A run that begins or resumes, and dies in the second case.
bool dies_in_second(const std::string& path, bool resumes) {
  return holds_in_a_process_that_dies([&] {
    ResultFile& file = *new ResultFile(path);  // no farewell
    file.take_journal();
    if (resumes) file.resume(kIdentity);
    file.set_context({{"seed", "1"}});
    if (!resumes) file.begin_case(kFirst), file.add_rows(Json::array({row(kFirst)}));
    file.begin_case(kSecond);
    return file.finished() == std::set<std::string>{kFirst};
  });
}

}  // namespace

TEST_CASE("a case in which a run died is tried once more, and has crashed when the next died there, too", "[journal]") {
  const Folder folder;
  const std::string path = folder.file("x.json");
  REQUIRE(dies_in_second(path, false));
  CHECK(rows_in(path) == 1);
  REQUIRE(dies_in_second(path, true));
  CHECK(Json::parse(text_of(path)).at("context").at("crashed_once") == kSecond);
  ResultFile resumed(path);
  resumed.take_journal();
  resumed.resume(kIdentity);
  CHECK(resumed.finished() == std::set<std::string>{kFirst, kSecond});
  CHECK(resumed.failures() == 1);
  CHECK(resumed.document().at("benchmarks")[1].at("error_message") == "crashed");
  resumed.set_context({{"seed", "1"}});
  CHECK(!resumed.document().at("context").contains("crashed_once"));
  resumed.complete();
  CHECK(!std::filesystem::exists(path + ".journal"));
}

TEST_CASE("a run that was asked to stop did not crash, whatever then ended it", "[journal]") {
  const Folder folder;
  const std::string path = folder.file("x.json");
  for (int times = 0; times < 3; ++times) {
    REQUIRE(holds_in_a_process_that_dies([&] {
      close(STDERR_FILENO);
      install_signal_handlers();
      ResultFile& file = *new ResultFile(path);  // no farewell
      file.take_journal();
      if (times > 0) file.resume(kIdentity);
      file.set_context({{"seed", "1"}});
      file.begin_case(kSecond);
      raise(times % 2 == 0 ? SIGINT : SIGTERM);
      return file.finished().empty();
    }));
  }
  ResultFile resumed(path);
  resumed.take_journal();
  resumed.resume(kIdentity);
  resumed.set_context({{"seed", "1"}});
  CHECK(resumed.finished().empty());
  CHECK(!resumed.document().at("context").contains("crashed_once"));
}

TEST_CASE("what is no journal of ours stays as it is, and the run has another", "[journal]") {
  const Folder folder;
  const std::string path = folder.file("x.json"), journal = path + ".journal";
  REQUIRE(dies_in_second(path, false));
  SECTION("garbage") {
    const std::string garbage("\0garbage\n", 9);
    std::ofstream(journal) << garbage;
    ResultFile resumed(path);
    resumed.take_journal();
    resumed.resume(kIdentity);
    resumed.begin_case(kSecond);
    resumed.complete();
    CHECK(resumed.finished() == std::set<std::string>{kFirst});
    CHECK(text_of(journal) == garbage);
  }
  SECTION("a journal that was cut off, or names no case, tells of no crash") {
    const std::string text = text_of(journal);
    const std::string cut = GENERATE_COPY(text.substr(0, text.find('\n') + 1), text.substr(0, text.find('\n') + 9));
    std::ofstream(journal) << cut;
    ResultFile resumed(path);
    resumed.take_journal();
    resumed.resume(kIdentity);
    CHECK(resumed.finished() == std::set<std::string>{kFirst});
  }
  SECTION("a pipe is not waited for, a folder and a link are left alone") {
    std::filesystem::remove(journal);
    const auto make = GENERATE(0, 1, 2);
    if (make == 0) REQUIRE(mkfifo(journal.c_str(), 0600) == 0);
    if (make == 1) std::filesystem::create_directory(journal);
    if (make == 2) std::filesystem::create_symlink("absent", journal);
    const auto type = std::filesystem::symlink_status(journal).type();
    { const Journal taken(path); }
    CHECK(std::filesystem::symlink_status(journal).type() == type);
    CHECK(!std::filesystem::exists(folder.file("absent")));
  }
}

TEST_CASE("two runs on one file: the second is refused, and told who the first is", "[journal]") {
  const Folder folder;
  const std::string path = folder.file("x.json"), me = "pid " + std::to_string(getpid());
  ResultFile first(path), second(path);  // nothing is there yet
  first.take_journal();
  CHECK_THROWS_AS(second.take_journal(), UsageError);
  CHECK_THROWS_WITH(second.take_journal(), Contains("another process is writing results to it") && Contains(me));
  first.set_context({{"seed", "1"}});
  CHECK_THROWS_WITH(ResultFile(path), Contains("another process is writing results to it") && Contains(me));
  first.complete();
  CHECK_NOTHROW(second.take_journal());
}

TEST_CASE("finished passes stand in the file until their case has all", "[journal]") {
  const Folder folder;
  const std::string path = folder.file("x.json");
  REQUIRE(holds_in_a_process_that_dies([&] {
    ResultFile& file = *new ResultFile(path);  // no farewell
    file.take_journal();
    file.set_context({{"seed", "1"}});
    file.set_unfinished(Json::array({row(kFirst, true), row(kSecond, true)}));
    file.set_unfinished(Json::array({row(kFirst, true), row(kFirst, true), row(kSecond, true)}));
    file.add_rows(Json::array({row(kFirst)}));
    return file.document().at("benchmarks").size() == 1;
  }));
  CHECK(rows_in(path) == 2);
  {
    ResultFile resumed(path);
    resumed.resume(kIdentity);
    CHECK(resumed.finished() == std::set<std::string>{kFirst});
    CHECK(resumed.document().at("benchmarks").size() == 1);
    resumed.set_context({{"seed", "1"}});
    CHECK(rows_in(path) == 2);  // also when this one is killed
    resumed.add_rows(Json::array({row(kSecond)}));
  }
  CHECK(rows_in(path) == 2);
  CHECK(text_of(path).find("interrupted") == std::string::npos);
}

}  // namespace attn::test
