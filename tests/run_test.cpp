// The checked entry, and attention() on top of it: nothing wrong reaches a kernel.
#include "run.hpp"

#include <cmath>
#include <vector>

#include "attention.hpp"
#include "catch.hpp"
#include "check.hpp"
#include "registry.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

void run_nothing(const Args*) {}

std::size_t hundred_bytes_a_thread(const Problem*, std::int32_t threads) { return 100 * threads; }

constexpr Variant kFake{.struct_size = sizeof(Variant),
                        .name = "fake",
                        .isa = kBaselineIsa,
                        .summary = "",
                        .source = "",
                        .features = ATTN_LSE | ATTN_THREADS | ATTN_DROPOUT,
                        .error_multiple = 1,
                        .limits = nullptr,
                        .workspace_bytes = hundred_bytes_a_thread,
                        .run = run_nothing};

// A call that prepare() accepts, until a test breaks one thing.
struct Call {
  Problem p;
  Inputs inputs;
  Tensors t;
  AlignedBuffer memory{1024};
  std::span<std::byte> workspace = memory.bytes();
  int threads = 1;

  explicit Call(std::string_view text = "b:2/h:3/q:4/k:5/d:6/lse:1")
      : p(parse_problem(text)), inputs(p, {}, 1), t(inputs.tensors()) {}

  std::string rejected() {
    Variant kernel = kFake;
    if (p.backward) kernel.features |= ATTN_BACKWARD;
    return rejection([&] { prepare(kernel, p, t, threads, workspace); });
  }
};

struct Fault {
  const char* message;
  void (*plant)(Call&);
};

// The tensors of a call to attention() in bshd order.
Inputs bshd(const Problem& p) { return Inputs(p, {.layout = Layout::bshd}, 5); }

}  // namespace

TEST_CASE("prepare hands every argument on unchanged", "[run]") {
  Call call;
  REQUIRE(call.rejected().empty());
  call.threads = 3;
  const Args args = prepare(kFake, call.p, call.t, call.threads, call.workspace);
  CHECK(args.struct_size == sizeof(Args));
  CHECK(args.problem == &call.p);
  CHECK(args.threads == 3);
  CHECK(args.softmax_scale == static_cast<float>(1 / std::sqrt(6.0)));
  CHECK(args.lse == call.t.lse);
  CHECK(args.workspace == call.workspace.data());
  CHECK(args.q.data == call.t.q.data);
  CHECK(args.k.data == call.t.k.data);
  CHECK(args.v.data == call.t.v.data);
  CHECK(args.o.data == call.t.o.data);
  CHECK(args.q.batch_stride == 3 * 4 * 6);
  CHECK(args.k.head_stride == 5 * 6);
  CHECK(args.v.row_stride == 6);
  CHECK(args.o.batch_stride == 3 * 4 * 6);
}

TEST_CASE("prepare refuses a call with one thing wrong, and names it", "[run]") {
  const auto fault = GENERATE(values<Fault>({
      {"h=0 is not", [](Call& c) { c.p.heads = 0; }},
      {"q has shape [2, 3, 4, 5], the problem needs [2, 3, 4, 6]", [](Call& c) { c.t.q.shape[3] = 5; }},
      {"k has shape [2, 3, 4, 6]", [](Call& c) { c.t.k.shape[2] = 4; }},
      {"v has shape [2, 1, 5, 6]", [](Call& c) { c.t.v.shape[1] = 1; }},
      {"o has shape [1, 3, 4, 6]", [](Call& c) { c.t.o.shape[0] = 1; }},
      {"q has no data", [](Call& c) { c.t.q.data = nullptr; }},
      {"o has no data", [](Call& c) { c.t.o.data = nullptr; }},
      {"k has last stride 2", [](Call& c) { c.t.k.stride[3] = 2; }},
      {"o has last stride 0", [](Call& c) { c.t.o.stride[3] = 0; }},
      {"v is not aligned", [](Call& c) { c.t.v.data = static_cast<char*>(c.t.v.data) + 1; }},
      {"q has dtype bf16; valid: f32", [](Call& c) { c.t.q.dtype = ATTN_BF16; }},
      {"o has dtype 9; valid: f32", [](Call& c) { c.t.o.dtype = 9; }},
      {"no lse buffer", [](Call& c) { c.t.lse = nullptr; }},
      {"but lse=0", [](Call& c) { c.p.lse = 0; }},
      {"workspace of 99 bytes is too small, fake needs 100", [](Call& c) { c.workspace = c.workspace.first(99); }},
      {"workspace of 100 bytes is too small, fake needs 200",
       [](Call& c) { c.workspace = c.workspace.first(100), c.threads = 2; }},
      {"workspace is not 64-byte aligned", [](Call& c) { c.workspace = c.workspace.subspan(32); }},
      {"threads=0 is not between 1 and 4096", [](Call& c) { c.threads = 0; }},
      {"threads=-1 is not", [](Call& c) { c.threads = -1; }},
      {"threads=4097 is not", [](Call& c) { c.threads = 4097; }},
      {"cannot compute this problem: fake does not support: causal", [](Call& c) { c.p.window_right = 0; }},
      {"lse is not aligned", [](Call& c) { c.t.lse = reinterpret_cast<float*>(c.workspace.data() + 1); }},
      {"o of shape [2, 3, 4, 6] has strides [72, 24, 0, 1], by which elements share memory",
       [](Call& c) { c.t.o.stride[2] = 0; }},
      {"strides [72, 24, 5, 1], by which", [](Call& c) { c.t.o.stride[2] = 5; }},
      {"strides [72, 24, -5, 1], by which", [](Call& c) { c.t.o.stride[2] = -5; }},
      {"strides [0, 24, 6, 1], by which", [](Call& c) { c.t.o.stride[0] = 0; }},
      {"strides [72, 23, 6, 1], by which", [](Call& c) { c.t.o.stride[1] = 23; }},
      {"o at ", [](Call& c) { c.t.o = c.t.q; }},
      {"shares memory with q at ", [](Call& c) { c.t.o.data = row_of<float>(c.t.q, 1, 2, 3) + 5; }},
      {"shares memory with v at ", [](Call& c) { c.t.v.data = row_of<float>(c.t.o, 1, 2, 3) + 5; }},
      {"shares memory with k at ", [](Call& c) { c.t.o.data = row_of<float>(c.t.k, 1, 2, 4); }},
      {"o at", [](Call& c) { c.t.lse = row_of<float>(c.t.o, 0, 1, 0); }},
      {"shares memory with lse at", [](Call& c) { c.t.lse = static_cast<float*>(c.t.o.data) - 23; }},
      {"lse at", [](Call& c) { c.t.lse = row_of<float>(c.t.v, 1, 0, 0); }},
      {"workspace at ", [](Call& c) { c.workspace = {static_cast<std::byte*>(c.t.k.data), 1024}; }},
      {"shares memory with workspace at ", [](Call& c) { c.t.lse = reinterpret_cast<float*>(c.workspace.data()); }},
      {"softmax_scale=nan is not finite", [](Call& c) { c.t.softmax_scale = NAN; }},
      {"softmax_scale=1e+300 is not finite in f32", [](Call& c) { c.t.softmax_scale = 1e300; }},
      {"first_head=-1 is not between 0 and 4294967293", [](Call& c) { c.p.dropout = 0.5, c.t.first_head = -1; }},
      {"first_head=4294967294 is not between", [](Call& c) { c.p.dropout = 0.5, c.t.first_head = 4294967294; }},
  }));
  Call call;
  fault.plant(call);
  const std::string message = call.rejected();
  CAPTURE(message);
  CHECK(contains(message, fault.message));
}

TEST_CASE("prepare refuses gradients that share memory", "[run]") {
  const auto fault = GENERATE(values<Fault>({
      {"", [](Call&) {}},
      {"dq at ", [](Call& c) { c.t.dq.data = c.t.q.data; }},
      {"shares memory with do at ", [](Call& c) { c.t.dv.data = c.t.do_.data; }},
      {"shares memory with lse at ", [](Call& c) { c.t.dk.data = c.t.lse; }},
      {"shares memory with o at ", [](Call& c) { c.t.dv.data = row_of<float>(c.t.o, 1, 2, 3); }},
      {"dk at ", [](Call& c) { c.t.dv.data = row_of<float>(c.t.dk, 1, 2, 4); }},
      {"dq of shape", [](Call& c) { c.t.dq.stride[2] = 0; }},
      {"dk of shape", [](Call& c) { c.t.dk.stride[1] = 29; }},
      {"dv of shape", [](Call& c) { c.t.dv.stride[0] = 0; }},
  }));
  Call call("b:2/h:3/q:4/k:5/d:6/pass:bwd");
  fault.plant(call);
  const std::string message = call.rejected();
  CAPTURE(message);
  CHECK((*fault.message == '\0' ? message.empty() : contains(message, fault.message)));
}

TEST_CASE("views that interleave without sharing an element are accepted", "[run]") {
  constexpr std::int64_t kBatch = 2, kHeads = 3, kRows = 5, kDim = 4, kParts = 4, kWidth = kHeads * kDim;
  std::vector<float> memory(kBatch * kRows * kParts * kWidth + 100);
  struct Packing {
    std::int64_t part;  // from one of q, k, v and o to the next
    std::array<std::int64_t, 4> stride;
  };
  const auto [part, stride] = GENERATE(values<Packing>({
      {kWidth, {kRows * kParts * kWidth, kDim, kParts * kWidth, 1}},         // of a token side by side
      {kDim, {kRows * kParts * kWidth, kParts * kDim, kParts * kWidth, 1}},  // of a token and head
      {kRows * kWidth, {kParts * kRows * kWidth, kRows * kDim, kDim, 1}},    // of a batch entry
      {kBatch * kRows * kWidth, {kRows * kWidth, kRows * kDim, kDim, 1}},    // one after the other
      {kWidth, {kRows * kParts * kWidth + 7, kDim, kParts * kWidth, 1}},     // batch entries end in a gap
      {kWidth, {-kRows * kParts * kWidth, kDim, kParts * kWidth, 1}},        // backwards
      {kWidth, {kRows * kParts * kWidth, kDim, -kParts * kWidth, 1}},
  }));
  Call call("b:2/h:3/q:5/d:4");
  std::int64_t first = 0;
  for (const std::int64_t s : stride) first += s < 0 ? kRows * kParts * kWidth : 0;
  for (TensorView* t : {&call.t.q, &call.t.k, &call.t.v, &call.t.o}) {
    t->data = memory.data() + first;
    t->stride = stride;
    first += part;
  }
  CHECK(call.rejected() == "");
  call.t.o.data = static_cast<float*>(call.t.o.data) - 1;
  CHECK(contains(call.rejected(), "o at "));
}

TEST_CASE("strides of dimensions of size 1 mean nothing", "[run]") {
  const auto meaningless = GENERATE(0, -3, std::int64_t{1} << 40);
  for (const Variant* row : native_rows(variant_table())) {
    CAPTURE(row->name, meaningless);
    if (row->features & ATTN_BACKWARD || !takes_f32(*row)) continue;
    for (const char* text : {"h:1/q:9/k:7/d:1", "h:1/q:1/k:7/d:8/dv:8", "h:3/q:5/k:1/d:8", "h:1/q:1/k:1/d:1"}) {
      const Problem p = parse_problem(text);
      const Inputs inputs = bshd(p);
      Tensors t = inputs.tensors();
      const Oracle oracle = make_oracle(p, t, 1);
      for (TensorView* view : {&t.q, &t.k, &t.v, &t.o})
        for (std::size_t d = 0; d < 4; ++d)
          if (view->shape[d] == 1) view->stride[d] = meaningless;
      attention(t.q, t.k, t.v, t.o, {.variant = row->name});
      CHECK(check(oracle, inputs.tensors()).failure == "");
    }
  }
}

TEST_CASE("first_head means nothing without dropout", "[run]") {
  Call call;
  call.t.first_head = -1;
  CHECK(call.rejected() == "");
  call.p.dropout = 0.5;
  call.t.first_head = (std::int64_t{1} << 32) - call.p.heads;
  CHECK(call.rejected() == "");
}

TEST_CASE("run refuses before the kernel touches anything", "[run]") {
  const Call call("h:1/q:4/d:6");
  const Variant* naive = find_native(variant_table(), "naive");
  REQUIRE(naive != nullptr);
  CHECK_THROWS_AS(run(*naive, call.p, call.t, 1, {}), std::invalid_argument);
  CHECK_THROWS_AS(run(*naive, call.p, call.t, 2, call.workspace), std::invalid_argument);
  for_each_element(call.t.o, [](float& x, auto...) { CHECK(std::isnan(x)); });
}

TEST_CASE("a kernel without workspace needs none", "[run]") {
  Variant v = kFake;
  v.workspace_bytes = nullptr;
  const Call call;
  CHECK(workspace_bytes(v, call.p, 4) == 0);
  CHECK(rejection([&] { prepare(v, call.p, call.t, 1, {}); }).empty());
}

TEST_CASE("attention() agrees with the oracle in bshd order", "[attention]") {
  const auto [text, options] = GENERATE(table<std::string, AttentionOptions>({
      {"b:2/h:4/q:9/d:8", {}},
      {"b:2/h:4/hkv:2/q:9/k:17/d:8/dv:5/mask:causal", {.causal = true}},
      {"h:2/q:9/k:7/d:8/window:3,2", {.window_left = 3, .window_right = 2}},
      {"h:2/q:9/k:7/d:8/window:3,0", {.causal = true, .window_left = 3}},
      {"h:3/q:33/d:16/mask:causal", {.causal = true, .threads = 2}},
      {"h:3/q:33/d:16", {.variant = "naive"}},
      {"h:3/q:33/d:16/mask:causal/softcap:2.5", {.causal = true, .softcap = 2.5}},
  }));
  CAPTURE(text);
  const Problem p = parse_problem(text);
  const Inputs inputs = bshd(p);
  const Tensors& t = inputs.tensors();
  attention(t.q, t.k, t.v, t.o, options);
  CHECK(check(make_oracle(p, t, 1), t).failure == "");
}

TEST_CASE("attention() writes lse when given room for it", "[attention]") {
  const Problem p = parse_problem("h:2/q:9/k:7/d:8/mask:causal/lse:1");
  const Inputs inputs = bshd(p);
  const Tensors& t = inputs.tensors();
  attention(t.q, t.k, t.v, t.o, {.causal = true, .lse = t.lse});
  CHECK(check(make_oracle(p, t, 1), t).failure == "");
}

TEST_CASE("every variant takes the softmax scale that the call says, forward and backward", "[attention]") {
  const double scale = GENERATE(0.05, 1.0, 0.0, -0.3);
  const Problem p = parse_problem("b:2/h:4/q:19/k:23/d:8/mask:causal/pass:bwd");
  const Inputs inputs = bshd(p);
  Tensors t = inputs.tensors();
  t.softmax_scale = scale;
  for (const Variant* row : native_rows(variant_table())) {
    CAPTURE(row->name, scale);
    if (!takes_f32(*row)) continue;
    const bool backward = row->features & ATTN_BACKWARD;
    const AttentionOptions options{
        .causal = true, .lse = t.lse, .variant = backward ? "naive" : row->name, .softmax_scale = scale};
    attention(t.q, t.k, t.v, t.o, options);
    const Problem problem = backward ? p : forward_of(p);
    const Oracle oracle = make_oracle(problem, t, 1);
    if (backward)
      attention_backward({t.q, t.k, t.v, t.o, t.lse, t.do_, t.dq, t.dk, t.dv},
                         {.causal = true, .variant = row->name, .softmax_scale = scale});
    CHECK(check(oracle, t).failure == "");
  }
}

TEST_CASE("attention() takes const data as it is", "[attention]") {
  const std::vector<float> q(2 * 3 * 4, 0.5f), v(2 * 3 * 4, 2.0f);
  std::vector<float> o(q.size());
  const ConstTensorView q_view = dense_view(q.data(), {1, 2, 3, 4});
  attention(q_view, q_view, dense_view(v.data(), {1, 2, 3, 4}), dense_view(o.data(), {1, 2, 3, 4}));
  for (const float x : o) CHECK(x == Approx(2));
}

TEST_CASE("attention() throws on what does not fit, and says what", "[attention]") {
  const auto [message, plant] = GENERATE(table<std::string, void (*)(Tensors&, AttentionOptions&)>({
      {"k has shape", [](Tensors& t, AttentionOptions&) { t.k.shape[3] = 7; }},
      {"v has shape", [](Tensors& t, AttentionOptions&) { t.v.shape[2] = 3; }},
      {"o has shape", [](Tensors& t, AttentionOptions&) { t.o.shape[3] = 3; }},
      {"k has shape", [](Tensors& t, AttentionOptions&) { t.k.shape[0] = 9; }},
      {"hkv=3 does not divide h=4", [](Tensors& t, AttentionOptions&) { t.k.shape[1] = 3; }},
      {"hkv=0", [](Tensors& t, AttentionOptions&) { t.k.shape[1] = 0; }},
      {"q=0", [](Tensors& t, AttentionOptions&) { t.q.shape[2] = 0; }},
      {"last stride", [](Tensors& t, AttentionOptions&) { t.v.stride[3] = 2; }},
      {"no data", [](Tensors& t, AttentionOptions&) { t.q.data = nullptr; }},
      {"window=-2", [](Tensors&, AttentionOptions& o) { o.window_left = -2; }},
      {"threads=0", [](Tensors&, AttentionOptions& o) { o.threads = 0; }},
      {"variant 'fastest' is not known", [](Tensors&, AttentionOptions& o) { o.variant = "fastest"; }},
      {"softmax_scale=inf is not finite", [](Tensors&, AttentionOptions& o) { o.softmax_scale = INFINITY; }},
      {"shares memory with k", [](Tensors& t, AttentionOptions&) { t.o.data = t.k.data; }},
      {"first_head=-7", [](Tensors&, AttentionOptions& o) { o.dropout = 0.1, o.first_head = -7; }},
      {"naive does not support: threads", [](Tensors&, AttentionOptions& o) { o.variant = "naive", o.threads = 2; }},
  }));
  const Problem p = parse_problem("b:2/h:4/q:5/d:8");
  const Inputs inputs = bshd(p);
  Tensors t = inputs.tensors();
  AttentionOptions options;
  plant(t, options);
  const std::string actual = rejection([&] { attention(t.q, t.k, t.v, t.o, options); });
  CAPTURE(message, actual);
  CHECK(contains(actual, message));
}

TEST_CASE("no built-in kernel asks for less workspace when the problem outgrows 64 bits", "[run]") {
  // seqlen_q x seqlen_k is 2^64 elements, though a window of one key makes the problem itself a small one.
  const Problem huge = parse_problem("h:1/q:4294967296/d:1/window:0,0");
  const Problem half = parse_problem("h:1/q:2147483648/d:1/window:0,0");
  for (const Variant* v : runnable(variant_table())) {
    CAPTURE(v->name, v->isa);
    CHECK((!why_not(*v, huge, 1).empty() || workspace_bytes(*v, huge, 1) >= workspace_bytes(*v, half, 1)));
    CHECK((!why_not(*v, half, 1).empty() || workspace_bytes(*v, half, 1) > 0));
  }
}

}  // namespace attn::test
