// ISAs, the registry and select: who may run what here, and why not.
#include "registry.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "catch.hpp"
#include "select.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

void run_nothing(const Args*) {}

const char* only_even_queries(const Problem* p) { return p->seqlen_q % 2 == 0 ? nullptr : "seqlen_q is odd"; }

constexpr std::uint64_t kAllFeatures = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE |
                                       ATTN_THREADS | ATTN_DROPOUT | ATTN_TAKES_F32 | ATTN_TAKES_BF16 | ATTN_TAKES_F16 |
                                       ATTN_SOFTCAP | ATTN_TAKES_KV_INT8;

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
  for (std::size_t i = 0; i < kIsaLevels.size(); ++i) CHECK(parse_isa(kIsaNames[i]) == static_cast<Isa>(i));
  CHECK(std::string(ATTN_KNOWN_ISAS) == fmt::format("{}", fmt::join(kIsaNames, " ")));  // of the build
  CHECK_FALSE(parse_isa("avx").has_value());
  CHECK_FALSE(parse_isa("").has_value());
}

TEST_CASE("the baseline ISA runs here, another architecture's does not and says why", "[isa]") {
  CHECK(runs_here(*parse_isa(kBaselineIsa)));
  CHECK(contains(missing_for(*parse_isa(kForeignIsa)), "this CPU is"));
}

TEST_CASE("an ISA that runs implies every lower one of its architecture", "[isa]") {
  for (std::size_t i = 0; i < kIsaLevels.size(); ++i) {
    const auto isa = static_cast<Isa>(i);
    CHECK((!runs_here(isa) || runs_here(level_of(isa).implies)));
    CHECK(implies(isa, isa));
    CHECK(implies(isa, parse_isa(kBaselineIsa).value()) != implies(isa, parse_isa(kForeignIsa).value()));
  }
  CHECK(implies(Isa::amx, Isa::avx2));
  CHECK_FALSE(implies(Isa::avx512, Isa::avx512bf16));
}

TEST_CASE("a kernel is denied whatever it did not declare", "[registry]") {
  const auto [text, feature] = GENERATE(table<std::string, std::string>({
      {"h:2/q:4/d:4/mask:causal", "causal"},
      {"h:2/q:4/d:4/window:1,1", "window"},
      {"h:2/hkv:1/q:4/d:4", "gqa"},
      {"h:2/q:4/d:4/dv:5", "dv_differs"},
      {"h:2/q:4/d:4/lse:1", "lse"},
      {"h:2/q:4/d:4/softcap:30", "softcap"},
      {"h:2/q:4/d:4/kv:int8", "kv_int8"},
      {"h:2/q:4/d:4/dtype:bf16", "bf16"},
      {"h:2/q:4/d:4/dtype:f16", "f16"},
  }));
  const Problem p = parse_problem(text);
  const std::uint64_t special = required_features(p) & ~std::uint64_t{ATTN_TAKES_F32};
  CHECK(why_not(row("plain", 0), p, 1) == "plain does not support: " + feature);
  CHECK(why_not(row("able", kAllFeatures), p, 1).empty());
  CHECK(why_not(row("but_one", kAllFeatures & ~special), p, 1) == "but_one does not support: " + feature);
}

TEST_CASE("a kernel compiled before a key is denied its problems before it is asked anything", "[registry]") {
  Variant old = row("old", kAllFeatures & ~std::uint64_t{ATTN_TAKES_KV_INT8});
  static bool asked = false;
  asked = false;
  old.limits = [](const Problem*) -> const char* {
    asked = true;
    return nullptr;
  };
  CHECK(why_not(old, parse_problem("h:2/q:4/d:4/dtype:bf16/kv:int8"), 1) == "old does not support: kv_int8");
  CHECK_FALSE(asked);
  CHECK(why_not(old, parse_problem("h:2/q:4/d:4/dtype:bf16"), 1).empty());
  CHECK(asked);
}

TEST_CASE("a kernel that names dtypes computes those, one that names none f32", "[registry]") {
  const Problem f32 = parse_problem("h:2/q:4/d:4"), bf16 = parse_problem("h:2/q:4/d:4/dtype:bf16");
  CHECK(why_not(row("plain", 0), f32, 1).empty());
  CHECK(why_not(row("both", ATTN_TAKES_F32 | ATTN_TAKES_BF16), f32, 1).empty());
  CHECK(why_not(row("tiles", ATTN_TAKES_BF16), f32, 1) == "tiles does not support: f32");
  CHECK(why_not(row("tiles", ATTN_TAKES_BF16), bf16, 1).empty());
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
  CHECK(feature_names(kAllFeatures) ==
        "causal, window, gqa, dv_differs, lse, threads, dropout, f32, bf16, f16, softcap, kv_int8");
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
  CHECK(native_rows(table) == std::vector<const Variant*>{&a, &b});
  CHECK(rows_of(table, *parse_isa(kForeignIsa)) == std::vector<const Variant*>{&foreign});
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
    CHECK((v->features & ~(kAllFeatures | ATTN_BACKWARD)) == 0);
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
  for (const auto text : {"h:2/q:4/d:4", "h:2/q:4/d:4/kv:int8", "h:4/hkv:2/q:1/k:99/d:64/mask:causal",
                          "h:2/q:4/d:4/dv:3/window:2,1/lse:1"})
    for (const int threads : {1, 2, 64}) {
      const Problem p = parse_problem(text);
      const Variant& chosen = select(p, threads);
      CHECK(why_not(chosen, p, threads).empty());
      CHECK(chosen.error_multiple <= 1);
      CHECK(&chosen == find_native(variant_table(), chosen.name));
    }
}

TEST_CASE("the compiled-in rules name the variant for each kind of problem", "[select]") {
  const auto [text, threads, rule, name] = GENERATE(table<std::string, int, std::string, std::string>({
      {"h:12/q:1024/d:64/mask:causal", 1, "prefill", "flash"},
      {"h:12/q:1024/d:64", 2, "prefill", "flash"},
      {"h:1/q:16/d:64", 1, "prefill", "flash"},
      {"h:32/q:1/k:4096/d:128", 1, "decode", "split_kv"},
      {"h:32/q:1/k:4096/d:128", 8, "decode", "split_kv"},
      {"h:32/hkv:8/q:3/k:4096/d:128", 1, "decode", "split_kv"},  // 12 rows per kv head
      {"h:32/hkv:8/q:4/k:4096/d:128", 1, "few rows, long context", "split_kv"},
      {"h:48/hkv:1/q:1/k:8192/d:128", 1, "few rows, long context", "split_kv"},
      {"h:8/q:63/k:1024/d:128", 1, "few rows, long context", "split_kv"},
      {"h:8/q:64/k:1024/d:128", 1, "prefill", "flash"},
      {"h:8/q:63/k:1023/d:128", 1, "prefill", "flash"},
      {"h:1/q:96/k:2048/d:64", 1, "prefill", "flash"},
      {"h:1/q:96/k:2048/d:64", 2, "prefill", "flash"},  // 48 + 48 rows, a task for each thread
      {"h:1/q:96/k:2048/d:64", 3, "few tasks, long context", "split_kv"},
      {"h:1/q:96/k:1023/d:64", 3, "prefill", "flash"},
      {"b:3/h:1/q:96/k:2048/d:64", 6, "prefill", "flash"},
  }));
  CAPTURE(text, threads);
  const Problem p = parse_problem(text);
  CHECK(rule_for(p, threads).name == rule);
  std::vector<Variant> rows;
  for (const char* each : {"naive", "blocked", "vectorized", "parallel_heads", "online_softmax", "flash", "split_kv"})
    rows.push_back(row(each, kAllFeatures));
  std::vector<const Variant*> table;
  for (const Variant& each : rows) table.push_back(&each);
  CHECK(select(p, threads, table).name == name);
}

TEST_CASE("the last rule holds for every forward problem, and every rule of a pass names the same variants",
          "[select]") {
  const std::vector<std::string_view> last(rules().back().preference.begin(), rules().back().preference.end());
  for (const Rule& rule : rules())
    if (!rule.backward)
      CHECK(std::is_permutation(last.begin(), last.end(), rule.preference.begin(), rule.preference.end()));
  for (const char* text : {"h:1/q:1/d:1", "b:1000/h:1/q:1000000/k:1/d:1", "h:64/hkv:1/q:1/k:1000000000/d:1"}) {
    const Problem p = parse_problem(text);
    for (const int threads : {1, 4096}) CHECK(!rule_for(p, threads).preference.empty());
    for (const int threads : {1, 4096})
      CHECK(rule_for(parse_problem(std::string(text) + "/pass:bwd"), threads).name == "backward");
  }
}

TEST_CASE("a preference falls to the next variant that is built and can do the work", "[select]") {
  const Problem p = parse_problem("h:12/q:64/d:64/mask:causal");
  const Variant no_causal = row("flash", 0), foreign = row("online_softmax", kAllFeatures, kForeignIsa);
  const Variant third = row("parallel_heads", kAllFeatures), fourth = row("vectorized", kAllFeatures);
  const std::vector<const Variant*> table = {&fourth, &third, &foreign, &no_causal};
  CHECK(&select(p, 1, table) == &third);
}

TEST_CASE("a measured choice goes before the rules, for exactly its problem and team", "[select]") {
  const Problem p = parse_problem("h:2/q:64/d:32"), other = parse_problem("h:2/q:65/d:32");
  const Variant flash = row("flash", kAllFeatures), naive = row("naive", kAllFeatures);
  const std::vector<const Variant*> table = {&naive, &flash};
  const Choices choices = {{p, 2, *parse_isa(kBaselineIsa), "naive"}};
  CHECK(&select(p, 2, table, choices) == &naive);
  CHECK(&select(p, 1, table, choices) == &flash);
  CHECK(&select(other, 2, table, choices) == &flash);
}

TEST_CASE("a measured choice that cannot be taken is passed over", "[select]") {
  const Problem p = parse_problem("h:2/q:64/d:32");
  Variant rough = row("rough", kAllFeatures);
  rough.error_multiple = 2;
  const Variant flash = row("flash", kAllFeatures), one_thread = row("naive", 0), foreign = row("far", 0, kForeignIsa);
  const std::vector<const Variant*> table = {&rough, &flash, &one_thread, &foreign};
  const Isa isa = *parse_isa(kBaselineIsa);
  for (const Choice& choice : {Choice{p, 2, isa, "absent"}, Choice{p, 2, isa, "rough"}, Choice{p, 2, isa, "naive"},
                               Choice{p, 2, *parse_isa(kForeignIsa), "far"}, Choice{p, 2, isa, "far"}}) {
    CAPTURE(choice.variant);
    CHECK(find_choice({choice}, p, 2, table) == nullptr);
    CHECK(&select(p, 2, table, {choice}) == &flash);
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
