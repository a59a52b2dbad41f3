// ISAs, the registry and select: who may run what here, and why not.
#include "registry.hpp"

#include <set>

#include "catch.hpp"
#include "select.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

void run_nothing(const Args*) {}

const char* only_even_queries(const Problem* p) { return p->seqlen_q % 2 == 0 ? nullptr : "seqlen_q is odd"; }

constexpr std::uint64_t kAllFeatures = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS;

Variant row(const char* name, std::uint64_t features, const char* isa = kBaselineIsa) {
  return {.struct_size = sizeof(Variant),
          .name = name,
          .isa = isa,
          .summary = "",
          .source = "",
          .features = features,
          .error_multiple = 1,
          .limits = nullptr,
          .workspace_bytes = nullptr,
          .run = run_nothing};
}

}  // namespace

TEST_CASE("ISA names read back and unknown ones are refused", "[isa]") {
  for (const Isa isa : {Isa::sse2, Isa::avx2, Isa::avx512, Isa::amx, Isa::neon64})
    CHECK(parse_isa(to_string(isa)) == isa);
  CHECK_FALSE(parse_isa("avx").has_value());
  CHECK_FALSE(parse_isa("").has_value());
}

TEST_CASE("the baseline ISA runs here, another architecture's does not and says why", "[isa]") {
  CHECK(runs_here(*parse_isa(kBaselineIsa)));
  CHECK(contains(missing_for(*parse_isa(kForeignIsa)), "this CPU is"));
}

TEST_CASE("an ISA that runs implies every lower one of its architecture", "[isa]") {
  for (const auto& [higher, lower] :
       {std::pair{Isa::avx2, Isa::sse2}, std::pair{Isa::avx512, Isa::avx2}, std::pair{Isa::amx, Isa::avx512}})
    CHECK((!runs_here(higher) || runs_here(lower)));
}

TEST_CASE("a kernel is denied whatever it did not declare", "[registry]") {
  const auto [text, feature] = GENERATE(table<std::string, std::string>({
      {"h:2/q:4/d:4/mask:causal", "causal"},
      {"h:2/q:4/d:4/window:1,1", "window"},
      {"h:2/hkv:1/q:4/d:4", "gqa"},
      {"h:2/q:4/d:4/dv:5", "dv_differs"},
      {"h:2/q:4/d:4/lse:1", "lse"},
  }));
  const Problem p = parse_problem(text);
  CHECK(why_not(row("plain", 0), p, 1) == "plain does not support: " + feature);
  CHECK(why_not(row("able", kAllFeatures), p, 1).empty());
  CHECK(why_not(row("but_one", kAllFeatures & ~required_features(p)), p, 1) == "but_one does not support: " + feature);
}

TEST_CASE("a team needs a kernel that declares threads", "[registry]") {
  const Problem p = parse_problem("h:2/q:4/d:4");
  CHECK(why_not(row("plain", 0), p, 1).empty());
  CHECK(why_not(row("plain", 0), p, 2) == "plain does not support: threads");
  CHECK(why_not(row("team", ATTN_THREADS), p, 2).empty());
}

TEST_CASE("unknown feature bits of a newer kernel are ignored", "[registry]") {
  CHECK(why_not(row("newer", std::uint64_t{1} << 63), parse_problem("h:2/q:4/d:4"), 1).empty());
}

TEST_CASE("limits refuse with their own reason", "[registry]") {
  Variant v = row("even", 0);
  v.limits = only_even_queries;
  CHECK(why_not(v, parse_problem("h:1/q:4/d:4"), 1).empty());
  CHECK(why_not(v, parse_problem("h:1/q:3/d:4"), 1) == "seqlen_q is odd");
}

TEST_CASE("a row of an ISA missing here is refused before anything else is asked", "[registry]") {
  const Variant v = row("foreign", 0, kForeignIsa);
  CHECK(why_not(v, parse_problem("h:2/q:4/d:4/lse:1"), 1) == missing_for(*parse_isa(kForeignIsa)));
  CHECK_THROWS_AS(isa_of(row("broken", 0, "mmx")), std::logic_error);
}

TEST_CASE("feature names are listed in one order", "[registry]") {
  CHECK(feature_names(0).empty());
  CHECK(feature_names(ATTN_GQA | ATTN_CAUSAL) == "causal, gqa");
  CHECK(feature_names(kAllFeatures) == "causal, window, gqa, dv_differs, lse, threads");
}

TEST_CASE("tables are searched by name and ISA", "[registry]") {
  const Variant a = row("a", 0), b = row("b", 0), foreign = row("a", 0, kForeignIsa);
  const std::vector<const Variant*> table = {&foreign, &a, &b};
  CHECK(find(table, "a", *parse_isa(kForeignIsa)) == &foreign);
  CHECK(find(table, "a", *parse_isa(kBaselineIsa)) == &a);
  CHECK(find(table, "c", *parse_isa(kBaselineIsa)) == nullptr);
  CHECK(find_native(table, "a") == &a);
  CHECK(find_native(table, "c") == nullptr);
  CHECK(runnable(table) == std::vector<const Variant*>{&a, &b});
  CHECK(variant_names(table) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("the built-in table is complete, and each row is whole and unique", "[registry]") {
  std::set<std::pair<std::string, std::string>> seen;
  for (const Variant* v : variant_table()) {
    CAPTURE(v->name, v->isa);
    CHECK(seen.emplace(v->name, v->isa).second);
    CHECK(v->struct_size == sizeof(Variant));
    CHECK(std::string(v->name).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos);
    CHECK(parse_isa(v->isa).has_value());
    CHECK(std::string(v->summary).size() > 0);
    CHECK(std::string(v->source).size() > 0);
    CHECK(v->error_multiple >= 1);
    CHECK((v->features & ~kAllFeatures) == 0);
    CHECK(v->run != nullptr);
  }
  CHECK(find(variant_table(), "naive", *parse_isa(kBaselineIsa)) != nullptr);
}

TEST_CASE("native is the highest ISA that runs here", "[registry]") {
  for (const std::string& name : variant_names(variant_table())) {
    const Variant* native = find_native(variant_table(), name);
    if (native == nullptr) continue;
    CHECK(runs_here(isa_of(*native)));
    for (const Variant* v : runnable(variant_table()))
      if (v->name == name) CHECK(isa_of(*v) <= isa_of(*native));
  }
}

TEST_CASE("select names an exact row that can do the work, or says that none can", "[select]") {
  for (const auto text : {"h:2/q:4/d:4", "h:4/hkv:2/q:1/k:99/d:64/mask:causal", "h:2/q:4/d:4/dv:3/window:2,1/lse:1"})
    for (const int threads : {1, 2, 64}) {
      const Problem p = parse_problem(text);
      const Variant& chosen = select(p, threads);
      CHECK(why_not(chosen, p, threads).empty());
      CHECK(chosen.error_multiple <= 1);
      CHECK(&chosen == find_native(variant_table(), chosen.name));
    }
}

TEST_CASE("select passes over kernels that refuse or trade accuracy", "[select]") {
  const Problem p = parse_problem("h:2/q:3/d:4/mask:causal");
  Variant rough = row("online_softmax", kAllFeatures);
  rough.error_multiple = 8;
  const Variant no_causal = row("vectorized", 0), good = row("naive", ATTN_CAUSAL);
  const std::vector<const Variant*> table = {&rough, &no_causal, &good};
  CHECK(&select(p, 1, table) == &good);
  const std::string message = rejection([&] { select(p, 2, table); });
  CHECK(contains(message, "no variant can compute " + to_string(p)));
}

}  // namespace attn::test
