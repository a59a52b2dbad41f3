// What failures are said to have in common.
#include <fmt/format.h>

#include <deque>

#include "catch.hpp"
#include "commands/failure_groups.hpp"
#include "support.hpp"

namespace attn::bench {
namespace {

using test::contains;

// Cases of kernels that need not be there.
class Checks {
 public:
  void add(const char* variant, const char* isa, const char* problem, const char* failure = "",
           const char* diagnosis = "", Reason reason = Reason::wrong, int threads = 1) {
    const Variant& row = rows_.emplace_back(Variant{.name = variant, .isa = isa});
    CaseVerdict verdict(Verdict{.passed = *failure == '\0', .failure = failure});
    verdict.diagnosis = diagnosis;
    if (!verdict.passed) verdict.reason = reason;
    checked_.push_back({{&row, parse_workload(problem), threads}, verdict});
  }
  std::vector<FailureGroup> groups() const { return failure_groups(checked_); }
  std::string text() const {
    std::string all;
    for (const FailureGroup& group : groups()) all += to_text(group, " --seed 1");
    return all;
  }

 private:
  std::deque<Variant> rows_;
  std::vector<CheckedCase> checked_;
};

constexpr const char* kProblems[] = {"h:2/q:64/d:16",
                                     "h:2/q:64/d:16/mask:causal",
                                     "h:2/q:64/k:99/d:16",
                                     "h:2/q:64/k:99/d:16/mask:causal",
                                     "h:4/hkv:2/q:99/k:64/d:16/mask:causal/lse:1",
                                     "h:4/hkv:2/q:48/d:16",
                                     "h:2/q:64/d:16/lse:1",
                                     "h:2/q:64/d:18/dtype:bf16",
                                     "h:2/q:64/d:16/window:9,3/fill:needle"};

// Of a kernel that is wrong where `fails` says.
Checks of_all(bool (*fails)(const Problem&, int threads)) {
  Checks checks;
  for (const char* problem : kProblems)
    for (const int threads : {1, 2})
      checks.add("k", "sse2", problem, fails(parse_workload(problem).problem, threads) ? "o[...] = 1" : "", "",
                 Reason::wrong, threads);
  return checks;
}

std::string where(bool (*fails)(const Problem&, int threads)) {
  const std::vector<FailureGroup> groups = of_all(fails).groups();
  REQUIRE(groups.size() == 1);
  return fmt::format("{}: {} of {}", groups[0].where, groups[0].failed, groups[0].of);
}

}  // namespace

TEST_CASE("failures that one feature explains are told by it, else by two", "[failure_groups]") {
  CHECK(where([](const Problem& p, int) { return is_causal(p); }) == "causal: 6 of 6");
  CHECK(where([](const Problem& p, int) { return p.lse != 0; }) == "lse:1: 4 of 4");
  CHECK(where([](const Problem& p, int) { return p.kv_heads < p.heads; }) == "hkv < h: 4 of 4");
  CHECK(where([](const Problem&, int threads) { return threads > 1; }) == "threads > 1: 9 of 9");
  CHECK(where([](const Problem& p, int) { return is_causal(p) && p.seqlen_q != p.seqlen_k; }) ==
        "causal and q != k: 4 of 4");
  CHECK(where([](const Problem& p, int threads) { return is_causal(p) && threads > 1; }) ==
        "causal and threads > 1: 3 of 3");
  CHECK(where([](const Problem& p, int threads) { return p.lse == 0 && threads > 1 && p.dtype == ATTN_F32; }) ==
        "lse:0 and threads > 1: 6 of 7");
}

TEST_CASE("where nothing separates failures nothing is said to", "[failure_groups]") {
  CHECK(where([](const Problem&, int) { return true; }) == ": 18 of 18");
  CHECK(contains(of_all([](const Problem&, int) { return true; }).text(), "FAILED k on sse2, everywhere: 18 of 18\n"));
  const auto once = [](const Problem& p, int threads) { return p.dtype == ATTN_BF16 && threads == 1; };
  CHECK(contains(of_all(once).text(), "FAILED k on sse2, in 1 of 18\n"));
  CHECK(of_all([](const Problem&, int) { return false; }).text().empty());
}

TEST_CASE("ISAs on which the same fails are one group; kinds of failures are apart", "[failure_groups]") {
  Checks checks;
  for (const char* isa : {"sse2", "avx2", "avx512"})
    for (const char* problem : kProblems) {
      const bool wrong = contains(problem, "causal"), crashes = contains(problem, "bf16");
      if (contains(problem, "needle"))
        checks.add("k", isa, problem, isa == std::string_view("avx512") ? "hung" : "", "", Reason::hung);
      else
        checks.add("k", isa, problem,
                   wrong     ? "o[...] = 1"
                   : crashes ? "its worker crashed"
                             : "",
                   wrong ? "it looks top-left" : "", crashes ? Reason::crashed : Reason::wrong);
    }
  checks.add("other", "sse2", kProblems[0], "o[...] = 2");
  const std::vector<FailureGroup> groups = checks.groups();
  REQUIRE(groups.size() == 4);
  CHECK((groups[0].isas == std::vector<std::string>{"sse2", "avx2", "avx512"} && groups[0].where == "causal"));
  CHECK((groups[1].isas.size() == 3 && groups[1].failed == 1 && groups[1].of == 9));
  CHECK((groups[2].isas == std::vector<std::string>{"avx512"} && groups[2].smallest->verdict.reason == Reason::hung));
  CHECK(groups[3].variant == "other");
}

TEST_CASE("the smallest failure of the most frequent look stands for its group", "[failure_groups]") {
  Checks checks;
  checks.add("k", "sse2", "h:1/q:1/d:1", "o[1]");
  checks.add("k", "sse2", "h:2/q:64/d:16", "o[2]", "o is not written in 64 of 128 rows?");
  checks.add("k", "sse2", "h:2/q:32/d:16", "o[3]", "o is not written in 32 of 64 rows");
  checks.add("k", "sse2", "h:2/q:8/d:16", "o[4]", "something else");
  CHECK(checks.text() ==
        "FAILED k on sse2, everywhere: 4 of 4\n"
        "  o is not written in 32 of 64 rows\n"
        "  something else\n"
        "  o[3]\n"
        "  attnbench verify --problem b:1/h:2/hkv:2/q:32/k:32/d:16/dv:16/dtype:f32/mask:none --variants k --isa sse2 "
        "--threads 1 --seed 1\n");
}

}  // namespace attn::bench
