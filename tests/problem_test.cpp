// The problem: its text form, its arithmetic, its rules.
#include "problem.hpp"

#include <limits>
#include <random>

#include "catch.hpp"
#include "problem_text.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

std::string canonical(std::string_view text) { return to_string(parse_workload(text)); }

std::string short_form(std::string_view text) { return to_short_string(parse_workload(text)); }

std::int64_t brute_force_pairs(const Problem& p) {
  std::int64_t pairs = 0;
  for (std::int64_t i = 0; i < p.seqlen_q; ++i)
    for (std::int64_t j = 0; j < p.seqlen_k; ++j) {
      const std::int64_t distance = j - (i + p.seqlen_k - p.seqlen_q);
      pairs += (p.window_left < 0 || distance >= -p.window_left) && (p.window_right < 0 || distance <= p.window_right);
    }
  return pairs;
}

Workload random_workload(std::mt19937_64& random) {
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  };
  Workload w;
  Problem& p = w.problem;
  p.batch = pick(1, 3);
  p.kv_heads = pick(1, 4);
  p.heads = p.kv_heads * pick(1, 3);
  p.seqlen_q = pick(1, 12);
  p.seqlen_k = pick(1, 12);
  p.head_dim = pick(1, 9);
  p.value_dim = pick(1, 9);
  p.window_left = pick(-1, 14);
  p.window_right = pick(-1, 14);
  p.lse = static_cast<std::int32_t>(pick(0, 1));
  p.backward = p.lse ? 0 : static_cast<std::int32_t>(pick(0, 1));
  p.softcap = pick(0, 3) == 0 ? static_cast<double>(pick(1, 999)) / 10 : 0;
  p.dropout = pick(0, 1) == 0 ? 0 : static_cast<double>(pick(0, 999)) / 1000;
  if (p.backward == 0 && p.dropout == 0) p.kv = static_cast<std::int32_t>(pick(0, 1));
  w.setup.fill = static_cast<Fill>(pick(0, kFillNames.size() - 1));
  w.setup.layout = static_cast<Layout>(pick(0, 1));
  w.setup.cache = static_cast<CacheState>(pick(0, 1));
  return w;
}

}  // namespace

TEST_CASE("a problem prints canonically whatever the order of its keys", "[problem]") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"h:12/q:1024/d:64", "b:1/h:12/hkv:12/q:1024/k:1024/d:64/dv:64/dtype:f32/mask:none"},
      {"mask:causal/dv:32/d:64/k:7/q:5/hkv:4/h:12/b:2", "b:2/h:12/hkv:4/q:5/k:7/d:64/dv:32/dtype:f32/mask:causal"},
      {"lse:1/d:1/q:1/h:1", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none/lse:1"},
      {"layout:bshd/fill:peaked/lse:1/window:3,4/h:1/q:1/d:1",
       "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none/window:3,4/lse:1/fill:peaked/layout:bshd"},
      {"cache:cold/h:1/q:1/d:1/layout:bshd",
       "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none/layout:bshd/cache:cold"},
      {"h:1/q:9/d:2/mask:causal/window:3,0", "b:1/h:1/hkv:1/q:9/k:9/d:2/dv:2/dtype:f32/mask:causal/window:3,0"},
      // Defaults said aloud, and a window that says what mask:causal or mask:none says.
      {"h:1/q:1/d:1/lse:0/fill:normal/layout:bhsd/cache:warm/window:-1,-1",
       "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none"},
      {"h:1/q:1/d:1/window:-1,0", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:causal"},
      {"pass:bwd/dropout:0.10/h:1/q:1/d:1/fill:peaked",
       "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none/dropout:0.1/pass:bwd/fill:peaked"},
      {"softcap:50.0/h:1/q:1/d:1", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none/softcap:50"},
      {"h:1/q:1/d:1/softcap:0", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none"},
      {"layer:fused/h:2/q:3/d:4/pass:both/dropout:0.5",
       "b:1/h:2/hkv:2/q:3/k:3/d:4/dv:4/dtype:f32/mask:none/dropout:0.5/pass:both/layer:fused"},
      {"h:1/q:3/d:4/dmodel:12/layer:single",
       "b:1/h:1/hkv:1/q:3/k:3/d:4/dv:4/dtype:f32/mask:none/layer:single/dmodel:12"},
      {"h:2/q:3/d:4/dmodel:8/layer:per_head", "b:1/h:2/hkv:2/q:3/k:3/d:4/dv:4/dtype:f32/mask:none/layer:per_head"},
      {"h:1/q:1/d:1/dtype:bf16", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:bf16/mask:none"},
      {"h:1/q:1/d:1/dtype:f16", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f16/mask:none"},
      {"kv:int8/h:1/q:1/d:1/softcap:2", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none/softcap:2/kv:int8"},
      {"h:1/q:1/d:1/kv:same", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none"},
      {"h:1/q:1/d:1/pass:fwd/dropout:0", "b:1/h:1/hkv:1/q:1/k:1/d:1/dv:1/dtype:f32/mask:none"},
  }));
  CHECK(canonical(text) == expected);
  CHECK(canonical(expected) == expected);
}

TEST_CASE("the short form leaves every default out and reads back", "[problem]") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"b:1/h:12/hkv:12/q:1024/k:1024/d:64/dv:64/dtype:f32/mask:none", "h:12/q:1024/d:64"},
      {"b:2/h:8/hkv:2/q:1/k:9/d:64/dv:32/mask:causal/lse:1", "b:2/h:8/hkv:2/q:1/k:9/d:64/dv:32/mask:causal/lse:1"},
  }));
  CHECK(short_form(text) == expected);
  CHECK(canonical(expected) == canonical(text));
}

TEST_CASE("random workloads survive a round trip through both text forms", "[problem]") {
  std::mt19937_64 random(1);
  for (int n = 0; n < 500; ++n) {
    const Workload w = random_workload(random);
    CAPTURE(to_string(w));
    CHECK(parse_workload(to_string(w)) == w);
    CHECK(parse_workload(to_short_string(w)) == w);
    CHECK(parse_problem(to_string(w.problem)) == w.problem);
  }
}

TEST_CASE("a bad text is refused with what is wrong and what would be right", "[problem]") {
  const auto [text, wrong, right] = GENERATE(table<std::string, std::string, std::string>({
      {"h:8/hkv:3/q:1/d:1", "hkv=3", "does not divide h=8"},
      {"h:8/hkv:16/q:1/d:1", "hkv=16", "does not divide h=8"},
      {"h:1/q:0/d:1", "q=0", "between 1 and"},
      {"h:1/q:1/d:-1", "d=-1", "between 1 and"},
      {"h:1/hkv:0/q:1/d:1", "hkv=0", "between 1 and"},
      {"b:1099511627777/h:1/q:1/d:1", "b=1099511627777", "between 1 and 1099511627776"},
      {"h:1/q:1/d:1/mask:diagonal", "mask:diagonal", "valid: none, causal"},
      {"h:1/q:1/d:1/dtype:f64", "dtype:f64", "valid: f32, bf16, f16"},
      {"h:1/q:1/d:1/lse:2", "lse:2", "valid: 0, 1"},
      {"h:1/q:1/d:1/fill:twos", "fill:twos", "valid: normal, uniform, peaked, ascending, descending"},
      {"h:1/q:1/d:1/layout:sbhd", "layout:sbhd", "valid: bhsd, bshd, packed"},
      {"h:1/q:1/d:1/cache:hot", "cache:hot", "valid: warm, cold"},
      {"h:1/q:2/k:3/d:1/layout:packed", "k:3", "packed needs k equal to q"},
      {"h:1/q:2/d:1/dv:2/layout:packed", "dv:2", "dv equal to d"},
      {"h:1/q:1/d:1/dropout:1", "dropout=1", "[0, 1)"},
      {"h:1/q:1/d:1/dropout:-0.1", "dropout=-0.1", "[0, 1)"},
      {"h:1/q:1/d:1/dropout:nan", "dropout=nan", "[0, 1)"},
      {"h:1/q:1/d:1/dropout:0.1x", "dropout:0.1x is not a number", "such as 0.1"},
      {"h:1/q:1/d:1/softcap:-1", "softcap=-1", "0 or between"},
      {"h:1/q:1/d:1/softcap:nan", "softcap=nan", "0 or between"},
      {"h:1/q:1/d:1/softcap:inf", "softcap=inf", "0 or between"},
      {"h:1/q:1/d:1/softcap:1e-30", "softcap=1e-30", "0 or between"},
      {"h:1/q:1/d:1/softcap:fifty", "softcap:fifty is not a number", "such as 50"},
      {"h:2/q:1/d:4/softcap:50/layer:fused", "softcap:50", "valid: softcap:0"},
      {"h:1/q:1/k:4294967297/d:1/dropout:0.1", "dropout=0.1", "at most 4294967296"},
      {"h:1/q:1/d:1/kv:int4", "kv:int4", "valid: same, int8"},
      {"h:1/q:1/d:1/kv:int8/pass:bwd", "kv:int8", "no backward pass; valid: pass:fwd, or kv:same"},
      {"h:1/q:1/d:1/kv:int8/dropout:0.1", "kv:int8", "dropout=0.1; valid: dropout:0, or kv:same"},
      {"h:1/q:1/d:1/kv:int8/layout:packed", "kv:int8", "one type, got kv:int8 and dtype:f32; valid: layout:bhsd"},
      {"h:2/q:1/d:4/kv:int8/layer:fused", "kv:int8", "valid: kv:same"},
      {"h:1/q:1/d:1/pass:back", "pass:back", "valid: fwd, bwd, both"},
      {"h:1/q:1/d:1/pass:bwd/lse:1", "lse=1", "valid: lse=0"},
      {"h:1/q:1/d:1/pass:both", "pass:both", "add layer:fused"},
      {"h:1/q:1/d:1/dmodel:7", "dmodel", "layer:single"},
      {"h:1/q:1/d:1/layer:double", "layer:double", "valid: none, single, per_head, fused"},
      {"h:2/q:1/d:1/layer:single", "h:2", "layer:single needs h:1"},
      {"h:2/q:1/d:4/dmodel:9/layer:fused", "dmodel=9", "h=2 times d=4"},
      {"h:2/q:1/d:4/dv:3/layer:fused", "dv:3", "dv equal to d"},
      {"h:2/q:1/d:4/fill:peaked/layer:fused", "fill:peaked", "does not go together with layer; valid: fill:normal"},
      {"h:2/q:1/d:4/lse:1/layer:fused", "lse:1", "does not go together with layer; valid: lse:0"},
      {"h:2/q:1/d:4/dtype:bf16/layer:fused", "dtype:bf16", "valid: dtype:f32"},
      {"h:1/q:4294967296/k:1/d:1/dmodel:1099511627776/layer:single", "FLOPs of the layer", "exceed 64 bits"},
      {"q:1/d:1", "'h' is missing", "h, q and d are required"},
      {"h:1/d:1", "'q' is missing", "h, q and d are required"},
      {"h:1/q:1", "'d' is missing", "h, q and d are required"},
      {"h:1/h:1/q:1/d:1", "'h'", "given twice"},
      {"h:1/q:9223372036854775808/d:1", "q:9223372036854775808", "64 bits"},
      {"h:1/q:1/d:1/window:99999999999999999999,0", "99999999999999999999", "64 bits"},
      {"h:1/q:1/d:1/heads:2", "unknown key 'heads'", "valid: b, h, hkv, q"},
      {"h:1/q:1/d:1/mask:causal/window:4,2", "window:4,2", "valid: window:4,0 or mask:none"},
      {"h:1/q:1/d:1/window:4", "window:4", "L,R"},
      {"h:1/q:1/d:1/window:1,2,3", "window:2,3", "not an integer"},
      {"h:1/q:1/d:1/window:-2,0", "window=-2,0", "-1 (unlimited)"},
      {"h:1/q:1/d:1/window:0,-2", "window=0,-2", "-1 (unlimited)"},
      {"h:1/q:x/d:1", "q:x", "not an integer"},
      {"h:1/q:1.5/d:1", "q:1.5", "not an integer"},
      {"h:1/q:+1/d:1", "q:+1", "not an integer"},
      {"h:1/q:1/d: 1", "d: 1", "not an integer"},
      {"h:1/q/d:1", "'q' is not key:value", "example:"},
      {"h:1/q:/d:1", "'q:' is not key:value", "example:"},
      {"h:1/q:1/d:1/", "'' is not key:value", "example:"},
      {"", "'' is not key:value", "example:"},
  }));
  const std::string message = rejection([&, &text = text] { parse_workload(text); });
  CAPTURE(text, message);
  CHECK(contains(message, "problem '" + text + "'"));
  CHECK(contains(message, wrong));
  CHECK(contains(message, right));
}

TEST_CASE("setup keys are refused where only a problem is meant", "[problem]") {
  CHECK(contains(rejection([] { parse_problem("h:1/q:1/d:1/fill:peaked"); }), "setup"));
  CHECK(contains(rejection([] { parse_problem("h:1/q:1/d:1/layout:bshd"); }), "setup"));
  CHECK(contains(rejection([] { parse_problem("h:1/q:1/d:1/cache:cold"); }), "setup"));
}

TEST_CASE("visible pairs and FLOPs equal a count over all pairs", "[problem]") {
  std::mt19937_64 random(2);
  for (int n = 0; n < 2000; ++n) {
    const Problem p = random_workload(random).problem;
    CAPTURE(to_string(p));
    const std::int64_t pairs = brute_force_pairs(p);
    std::int64_t visited = 0;
    for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
      const KeyRange keys = visible_keys(p, i);
      REQUIRE(0 <= keys.begin);
      REQUIRE(keys.begin <= keys.end);
      REQUIRE(keys.end <= p.seqlen_k);
      visited += keys.end - keys.begin;
    }
    REQUIRE(visited == pairs);
    REQUIRE(visible_pairs(p) == pairs);
    const std::int64_t products = p.backward ? 3 * p.head_dim + 2 * p.value_dim : p.head_dim + p.value_dim;
    REQUIRE(flops(p) == p.batch * p.heads * pairs * 2 * products);
  }
}

TEST_CASE("the keys that are needed are those that some query sees", "[problem]") {
  std::mt19937_64 random(3);
  for (int n = 0; n < 2000; ++n) {
    const Problem p = random_workload(random).problem;
    CAPTURE(to_string(p));
    std::int64_t seen = 0;
    for (std::int64_t j = 0; j < p.seqlen_k; ++j) {
      bool visible = false;
      for (std::int64_t i = 0; i < p.seqlen_q; ++i)
        visible |= visible_keys(p, i).begin <= j && j < visible_keys(p, i).end;
      const KeyRange keys = needed_keys(p);
      REQUIRE(visible == (keys.begin <= j && j < keys.end));
      seen += visible;
    }
    const std::int64_t token = p.kv == ATTN_KV_INT8 ? p.head_dim + p.value_dim + 2 * 4 : (p.head_dim + p.value_dim) * 4;
    REQUIRE(needed_kv_bytes(p) == p.batch * p.kv_heads * seen * token);
  }
}

TEST_CASE("FLOPs of a layer are those of its projections and its core", "[problem]") {
  const auto of = [](const char* text) { return flops(parse_workload(text)); };
  const std::int64_t core = flops(parse_problem("b:2/h:4/hkv:2/q:5/k:7/d:3/mask:causal"));
  const std::int64_t core_backward = flops(parse_problem("b:2/h:4/hkv:2/q:5/k:7/d:3/mask:causal/pass:bwd"));
  // q and out for 10 tokens, k and v of 2 kv heads for 14.
  const std::int64_t products = 10 * 12 * 12 * 2 + 14 * 12 * 2 * 2 * 3;
  for (const std::string form : {"fused", "per_head"}) {
    const std::string layer = "b:2/h:4/hkv:2/q:5/k:7/d:3/mask:causal/layer:" + form;
    CHECK(of(layer.c_str()) == core + 2 * products);
    CHECK(of((layer + "/pass:bwd").c_str()) == core_backward + 4 * products);
    CHECK(of((layer + "/pass:both").c_str()) == core + core_backward + 6 * products);
  }
  CHECK(of("h:1/q:5/d:3/dmodel:7/layer:single") == flops(parse_problem("h:1/q:5/d:3")) + 2 * 3 * 5 * 3 * 7);
}

TEST_CASE("the causal mask is aligned bottom-right", "[problem]") {
  const auto [text, pairs] = GENERATE(table<std::string, std::int64_t>({
      {"h:1/q:4/k:4/d:1/mask:causal", 10},
      {"h:1/q:1/k:9/d:1/mask:causal", 9},  // a decode step sees the whole cache
      {"h:1/q:4/k:2/d:1/mask:causal", 3},  // the first two queries see nothing
      {"h:1/q:2/k:5/d:1/mask:causal", 9},
  }));
  CHECK(visible_pairs(parse_problem(text)) == pairs);
}

TEST_CASE("minimal bytes move q, k, v, o and lse once", "[problem]") {
  CHECK(minimal_bytes(parse_problem("b:2/h:4/hkv:2/q:3/k:5/d:7/dv:11")) ==
        4 * 2 * (4 * 3 * (7 + 11) + 2 * 5 * (7 + 11)));
  // A byte for an element of k and v, four for a scale of each token.
  CHECK(minimal_bytes(parse_problem("b:2/h:4/hkv:2/q:3/k:5/d:7/dv:11/dtype:bf16/kv:int8")) ==
        2 * 2 * (4 * 3 * (7 + 11)) + 2 * 2 * 5 * (7 + 11 + 2 * 4));
  CHECK(minimal_bytes(parse_problem("h:4/q:3/d:1/lse:1")) - minimal_bytes(parse_problem("h:4/q:3/d:1")) == 4 * 4 * 3);
}

TEST_CASE("a problem needs exactly the features that its fields ask for", "[problem]") {
  const auto [text, features] = GENERATE(table<std::string, std::uint64_t>({
      {"h:2/q:3/d:4", 0},
      {"h:2/q:3/d:4/mask:causal", ATTN_CAUSAL},
      {"h:2/q:3/d:4/window:2,0", ATTN_WINDOW},
      {"h:2/q:3/d:4/window:2,-1", ATTN_WINDOW},
      {"h:2/q:3/d:4/window:-1,2", ATTN_WINDOW},
      {"h:2/hkv:1/q:3/d:4", ATTN_GQA},
      {"h:2/q:3/d:4/dv:5", ATTN_DV_DIFFERS},
      {"h:2/q:3/d:4/lse:1", ATTN_LSE},
      {"h:2/q:3/d:4/kv:int8", ATTN_TAKES_KV_INT8},
      {"h:2/hkv:1/q:3/d:4/dv:5/lse:1/mask:causal", ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_CAUSAL},
  }));
  CAPTURE(text);
  CHECK(required_features(parse_problem(text)) == (features | ATTN_TAKES_F32));
  CHECK(required_features(parse_problem(text + "/dtype:f16")) == (features | ATTN_TAKES_F16));
}

TEST_CASE("validate refuses what would overflow 64 bits and accepts what just fits", "[problem]") {
  constexpr std::int64_t kMax = kMaxDimension;
  const auto make = [](std::int64_t h, std::int64_t q, std::int64_t k, std::int64_t d) {
    return Problem{.batch = 1,
                   .heads = h,
                   .kv_heads = h,
                   .seqlen_q = q,
                   .seqlen_k = k,
                   .head_dim = d,
                   .value_dim = d,
                   .window_left = -1,
                   .window_right = -1};
  };
  const auto refused = [](const Problem& p) { return contains(rejection([&] { validate(p); }), "64 bits"); };
  // 4 d q k FLOPs: 2^62 fits, 2^63 does not.
  CHECK(rejection([&] { validate(make(1, std::int64_t{1} << 30, std::int64_t{1} << 30, 1)); }).empty());
  CHECK(flops(make(1, std::int64_t{1} << 30, std::int64_t{1} << 30, 1)) == std::int64_t{1} << 62);
  CHECK(refused(make(1, std::int64_t{1} << 31, std::int64_t{1} << 30, 1)));
  CHECK(refused(make(kMax, kMax, kMax, kMax)));
  // Few FLOPs under a narrow window, yet too many bytes.
  Problem narrow = make(kMax, 1, kMax, 1);
  narrow.window_left = narrow.window_right = 0;
  CHECK(refused(narrow));
}

TEST_CASE("validate refuses fields that no text can express", "[problem]") {
  const auto with = [](auto change) {
    Problem p = parse_problem("h:1/q:1/d:1");
    change(p);
    return rejection([&] { validate(p); });
  };
  CHECK(contains(with([](Problem& p) { p.dtype = 7; }), "dtype=7"));
  CHECK(contains(with([](Problem& p) { p.kv = 2; }), "kv=2 is not known; valid: 0 to 1"));
  CHECK(contains(with([](Problem& p) { p.dtype = kInt8Dtype; }), "dtype=256 is not known"));
  CHECK(contains(with([](Problem& p) { p.struct_size -= 8; }), "struct_size="));
  CHECK(contains(with([](Problem& p) { p.lse = -1; }), "lse=-1"));
  CHECK(contains(with([](Problem& p) { p.heads = std::numeric_limits<std::int64_t>::min(); }), "h=-"));
  CHECK(contains(with([](Problem& p) { p.window_right = kMaxDimension + 1; }), "window=-1,"));
}

}  // namespace attn::test
