// What changed since an earlier run: shares of the ceiling, by the rule of who leads.
#include "commands/changes.hpp"

#include <fstream>

#include "catch.hpp"
#include "folder.hpp"
#include "machine/machine.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

constexpr int kTurns = 15;

// A file of one case whose turns reach these shares of the peak.
Json run_of(double percent, double rate, const char* variant = "flash",
            const std::string& date = "2026-01-02T03:04:05") {
  const std::string name = std::string("attention/") + variant + "/sse2/h:1/q:64/d:8/threads:1/real_time";
  Json context = {{"date", date}, {"revision", "abc"}};
  for (const auto& [key, value] : machine_facts()) context.emplace(key, value);
  Json rows = Json::array();
  for (int turn = 0; turn < kTurns; ++turn)
    rows.push_back({{"name", name},
                    {"run_name", name},
                    {"flops", rate * 1e9},
                    {"pct_peak", percent * (1 + 0.002 * (turn % 5 - 2))}});
  return {{"context", context}, {"benchmarks", rows}};
}

void write(const std::filesystem::path& path, const Json& document) { std::ofstream(path) << document.dump(); }

}  // namespace

TEST_CASE("a share of the ceiling that is another is told, a rate on another hour's machine is not", "[changes]") {
  const EarlierRun before{"before.json", run_of(60, 100)};
  const std::string slower = changes_text(run_of(55, 100), before, 200);
  CHECK(contains(slower, "Since before.json (2026-01-02, revision abc)"));
  CHECK(contains(slower, "changed in 1 of 1 rows: flash/sse2 h:1/q:64/d:8 -8.3 %"));
  CHECK(contains(changes_text(run_of(66, 100), before, 200), "+10.0 %"));
  CHECK(contains(changes_text(run_of(60, 50), before, 200), "no share of the ceiling changed, in 1 rows"));
  CHECK(contains(changes_text(run_of(60.2, 100), before, 200), "no share"));
  CHECK(changes_text(run_of(60, 100, "naive"), before, 200).empty());
  CHECK(changes_text(run_of(60, 100), {}, 200).empty());
}

TEST_CASE("shares of different units are not compared", "[changes]") {
  const auto of_unit = [](double percent, const char* unit) {
    Json document = run_of(percent, 100);
    for (Json& row : document["benchmarks"]) row["peak_unit"] = unit;
    return document;
  };
  const EarlierRun before{"before.json", of_unit(60, "bf16 tiles")};
  CHECK(changes_text(of_unit(600, "f32 FMA"), before, 200).empty());
  CHECK(contains(changes_text(of_unit(55, "bf16 tiles"), before, 200), "-8.3 %"));
  CHECK(contains(changes_text(of_unit(55, "f32 FMA"), {"before.json", run_of(60, 100)}, 200), "-8.3 %"));
}

TEST_CASE("the last run is the newest of this machine", "[changes]") {
  const Folder folder;
  const std::filesystem::path out = folder.path / "out.json";
  CHECK(last_run(out, "no_sweep_of_that_name").document.is_null());
  write(out, run_of(60, 100));
  CHECK(last_run(out, "no_sweep_of_that_name").path == out);
  Json elsewhere = run_of(60, 100);
  elsewhere["context"]["cpu"] = "another CPU";
  write(out, elsewhere);
  CHECK(last_run(out, "no_sweep_of_that_name").document.is_null());
  std::ofstream(out) << "{ not a result file";
  CHECK(last_run(out, "no_sweep_of_that_name").document.is_null());
}

}  // namespace attn::test
