#include "battery.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "machine/team.hpp"
#include "measure/measurement.hpp"
#include "measure/workbench.hpp"
#include "registry.hpp"
#include "roles.hpp"
#include "run.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One call.

// Exactly the bytes asked for, poisoned. The workspace must be 64-byte aligned, so up to 60 bytes lie between
// its end and the guard page: those are watched.
class Workspace {
 public:
  explicit Workspace(std::size_t bytes) : bytes_(bytes), memory_((bytes + 63) / 64 * 64, Placement::ends_at_guard) {
    poison(memory_.bytes());
  }
  std::span<std::byte> usable() const { return memory_.bytes().first(bytes_); }
  void fill(std::byte value) const { std::fill(usable().begin(), usable().end(), value); }
  bool overrun() const {
    AlignedBuffer expected(memory_.size() - bytes_);
    poison(expected.bytes());
    return std::memcmp(expected.data(), memory_.data() + bytes_, expected.size()) != 0;
  }

 private:
  std::size_t bytes_;
  AlignedBuffer memory_;
};

std::string reproducer(const Variant& v, const Workload& w, std::uint64_t seed, int threads, std::string_view what) {
  return fmt::format("attention/{}/{}/{}/threads:{} seed {}: {}", v.name, v.isa, to_string(w), threads, seed, what);
}

std::string judge(const Variant& v, const Fixture& f, int threads, const Tensors& outputs) {
  const Verdict verdict = check(f.oracle, outputs, v.error_multiple);
  return verdict.passed ? "" : reproducer(v, f.workload, f.seed, threads, verdict.failure);
}

bool can_run(const Variant& v, const Fixture& f, int threads) { return why_not(v, f.problem(), threads).empty(); }

// Runs once with outputs and workspace poisoned, and judges the outputs.
std::string run_and_judge(const Variant& v, const Fixture& f, int threads = 1) {
  const Workspace workspace(workspace_bytes(v, f.problem(), threads));
  f.inputs.poison_outputs();
  run(v, f.problem(), f.inputs.tensors(), threads, workspace.usable());
  if (workspace.overrun()) return reproducer(v, f.workload, f.seed, threads, "wrote past its workspace");
  return judge(v, f, threads, f.inputs.tensors());
}

// The workload in the pass that the kernel computes, and of the elements that are being checked: a backward kernel meets the
// tables as backward problems. With int8 there is no dropout, nor a buffer that q shares.
Workload adapted(const Variant& v, const Fixtures& fixtures, Workload w) {
  if (v.features & ATTN_BACKWARD) w.problem.backward = 1, w.problem.lse = 0;
  w.problem.dtype = fixtures.dtype();
  w.problem.kv = fixtures.kv();
  if (has_int8_kv(w.problem)) {
    w.problem.dropout = 0;
    if (w.setup.layout == Layout::packed) w.setup.layout = Layout::bshd;
  }
  return w;
}

// Tensors that a kernel reads, or writes, in any strides.
std::vector<TensorView Tensors::*> tensors_of(const Problem& p, Use use) {
  std::vector<TensorView Tensors::*> tensors;
  for (const TensorRole& role : kTensorRoles)
    if (role.use(p) == use && !role.dense) tensors.push_back(role.view);
  return tensors;
}

// Runs every workload of a table that the kernel accepts; at least one must be.
std::string run_table(const Variant& v, Fixtures& fixtures, const std::vector<Workload>& table,
                      Placement placement = Placement::aligned) {
  std::size_t ran = 0;
  for (const Workload& entry : table) {
    const Workload w = adapted(v, fixtures, entry);
    if (!why_not(v, w.problem, 1).empty()) continue;
    ++ran;
    if (std::string failure = run_and_judge(v, fixtures.get(w, 1, placement)); !failure.empty()) return failure;
  }
  return ran > 0 ? "" : fmt::format("{}/{} accepts none of {} problems", v.name, v.isa, table.size());
}

std::vector<Workload> parse_all(std::initializer_list<const char*> texts) {
  std::vector<Workload> table;
  for (const char* text : texts) table.push_back(parse_workload(text));
  return table;
}

std::vector<Workload> parse_all(const Variant& v, const Fixtures& fixtures, std::initializer_list<const char*> texts) {
  std::vector<Workload> table = parse_all(texts);
  for (Workload& w : table) w = adapted(v, fixtures, w);
  return table;
}

// Tables of problems.

constexpr std::array kMasks = {"/mask:none",   "/mask:causal", "/window:20,7",
                               "/window:13,0", "/window:-1,9", "/window:40,-1"};

// Vector lanes of every ISA (4, 8, 16) and cache blocks (32, 64, 128), each with both neighbours; one key;
// two blocks of 64 and a tail.
std::vector<std::int64_t> lengths(Grid grid) {
  if (grid == Grid::small) return {1, 4, 15, 17, 33, 65};
  return {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 2 * 64 + 3};
}

// Every length as q, as k and as both, against one odd partner that is shorter than some and longer than
// others.
std::vector<Workload> length_table(Grid grid) {
  std::vector<Workload> table;
  for (const std::int64_t n : lengths(grid))
    for (const char* mask : kMasks)
      for (const auto& [q, k] : {std::pair{n, std::int64_t{37}}, {std::int64_t{35}, n}, {n, n}})
        table.push_back(
            parse_workload(fmt::format("h:2/q:{}/k:{}/d:20{}/lse:{}", q, k, mask, (q + k) % 3 != 0 ? 1 : 0)));
  return table;
}

// Head sizes of real models (64, 80, 96, 128, 256), those shorter than any vector, and two that leave a tail
// of every width (33: 1; 47: 3, 7, 15), with dv equal and not.
std::vector<Workload> head_size_table(Grid grid) {
  std::vector<Workload> table;
  for (const int d : {1, 3, 33, 47, 64, 80, 96, 128, 256})
    for (const int dv : {d, 1, 7, 48, 128}) {
      if (grid == Grid::small && d > 80) continue;
      for (const char* mask : {"/mask:none", "/mask:causal"})
        table.push_back(parse_workload(fmt::format("h:2/q:19/k:70/d:{}/dv:{}{}", d, dv, mask)));
    }
  return table;
}

// Multi-query, grouped and plain heads, batched; a decode step; more queries than keys.
std::vector<Workload> head_count_table() {
  std::vector<Workload> table;
  for (const char* heads : {"b:1/h:4/hkv:1", "b:2/h:4/hkv:2", "b:3/h:6/hkv:3", "b:2/h:3/hkv:3", "b:2/h:8/hkv:2"})
    for (const char* shape : {"q:1/k:33", "q:18/k:18", "q:21/k:9"})
      for (const char* mask : {"/mask:none", "/mask:causal", "/window:4,3"})
        table.push_back(parse_workload(fmt::format("{}/{}/d:12{}/lse:1", heads, shape, mask)));
  return table;
}

// Every fill in every layout, in the small grid under one mask each, by turns.
std::vector<Workload> setup_table(Grid grid) {
  constexpr std::array masks = {"/mask:none", "/mask:causal", "/window:30,4"};
  std::vector<Workload> table;
  std::size_t turn = 0;
  for (const char* fill : std::span(kFillNames).first(kSeededFills)) {
    ++turn;  // or a layout would always meet the same mask, of which there are as many
    for (const char* layout : kLayoutNames) {
      ++turn;
      for (std::size_t m = 0; m < masks.size(); ++m)
        if (grid == Grid::full || m == turn % masks.size())
          table.push_back(
              parse_workload(fmt::format("b:2/h:4/hkv:2/q:70/d:24{}/lse:1/fill:{}/layout:{}", masks[m], fill, layout)));
    }
  }
  // Where all products of a row are alike their roundings add up over d, in lse too.
  for (const char* fill : {"constant", "ones", "integers"})
    for (const int d : {97, 250, 777})
      table.push_back(parse_workload(fmt::format("h:1/q:33/d:{}/lse:1/fill:{}", d, fill)));
  return table;
}

// The checks.

std::string check_lengths(const Variant& v, Fixtures& f) { return run_table(v, f, length_table(f.grid())); }

std::string check_head_sizes(const Variant& v, Fixtures& f) { return run_table(v, f, head_size_table(f.grid())); }

std::string check_head_counts(const Variant& v, Fixtures& f) { return run_table(v, f, head_count_table()); }

std::string check_setups(const Variant& v, Fixtures& f) { return run_table(v, f, setup_table(f.grid())); }

// A copy of a tensor in memory of its own: base one element past its alignment, odd gaps between rows, heads
// and batches. The gaps hold poison, so that reading one shows as NaN and writing one as its loss.
struct Gapped {
  AlignedBuffer memory;
  TensorView view;

  Gapped(const TensorView& from, bool rows_outermost) : view(from) {
    const auto [batch, heads, rows, dim] = from.shape;
    const std::int64_t inner = dim + 3;
    const std::int64_t outer = inner * (rows_outermost ? heads : rows) + 5;
    const std::int64_t batch_stride = outer * (rows_outermost ? rows : heads) + 7;
    const std::int64_t element = element_of(from.dtype).bytes;
    view.stride = {batch_stride, rows_outermost ? inner : outer, rows_outermost ? outer : inner, 1};
    memory = AlignedBuffer(static_cast<std::size_t>((1 + batch * batch_stride) * element));
    poison(memory.bytes());
    view.data = memory.data() + element;
  }

  // Whether anything but the tensor's own elements was written.
  bool gaps_written() const {
    AlignedBuffer expected(memory.size());
    poison(expected.bytes());
    TensorView own = view;
    own.data = expected.data() + element_of(view.dtype).bytes;
    copy_elements(view, own);
    return std::memcmp(expected.data(), memory.data(), memory.size()) != 0;
  }
};

std::string check_strides(const Variant& v, Fixtures& fixtures) {
  for (const Workload& w : parse_all(v, fixtures,
                                     {"b:2/h:4/hkv:2/q:19/k:37/d:21/dv:13/lse:1", "h:2/q:33/d:64/mask:causal",
                                      "b:2/h:2/q:5/k:66/d:16/window:9,3", "b:2/h:1/q:1/k:40/d:8"}))
    for (const bool rows_outermost : {false, true}) {
      const Fixture& f = fixtures.get(w);
      if (!can_run(v, f, 1)) continue;
      const Tensors& t = f.inputs.tensors();
      Tensors gapped = t;
      std::vector<Gapped> read, written;
      for (const auto tensor : tensors_of(w.problem, Use::read)) {
        gapped.*tensor = read.emplace_back(t.*tensor, rows_outermost).view;
        copy_elements(t.*tensor, gapped.*tensor);
      }
      for (const auto tensor : tensors_of(w.problem, Use::written))
        gapped.*tensor = written.emplace_back(t.*tensor, rows_outermost).view;
      f.inputs.poison_outputs();
      const Workspace workspace(workspace_bytes(v, w.problem, 1));
      run(v, w.problem, gapped, 1, workspace.usable());
      if (std::string failure = judge(v, f, 1, gapped); !failure.empty())
        return failure + (rows_outermost ? " (gapped bshd strides)" : " (gapped bhsd strides)");
      for (const Gapped& output : written)
        if (output.gaps_written()) return reproducer(v, w, f.seed, 1, "wrote between the rows of an output");
    }
  return {};
}

// Every tensor ends at a guard page, then begins at one.
std::string check_guard(const Variant& v, Fixtures& fixtures) {
  const std::vector<Workload> table =
      parse_all({"h:1/q:1/k:1/d:1", "h:2/q:5/k:7/d:3/dv:5/lse:1", "h:2/q:33/k:65/d:33/mask:causal/lse:1",
                 "h:1/q:17/k:129/d:80/dv:9/window:11,2", "b:2/h:2/q:9/d:15/layout:bshd",
                 "b:2/h:2/q:9/d:15/layout:packed", "h:4/hkv:2/q:16/k:64/d:64/lse:1", "h:1/q:1/k:31/d:7"});
  for (const Placement placement : {Placement::ends_at_guard, Placement::aligned})
    if (std::string failure = run_table(v, fixtures, table, placement); !failure.empty()) return failure;
  return {};
}

std::string check_inputs_unwritten(const Variant& v, Fixtures& fixtures) {
  for (const Workload& w : parse_all(
           v, fixtures,
           {"h:2/q:33/k:40/d:20/mask:causal/lse:1", "b:2/h:4/hkv:2/q:9/d:64/layout:packed", "h:1/q:1/k:70/d:3/dv:5"})) {
    if (!why_not(v, w.problem, 1).empty()) continue;
    const Inputs inputs(w.problem, w.setup,
                        2);  // not shared: a kernel that writes them would spoil other checks
    const std::uint64_t before = inputs.hash();
    const Workspace workspace(workspace_bytes(v, w.problem, 1));
    run(v, w.problem, inputs.tensors(), 1, workspace.usable());
    if (inputs.hash() != before) return reproducer(v, w, 2, 1, "wrote an input");
    inputs.allow_writes(false);  // one that writes and restores crashes
    run(v, w.problem, inputs.tensors(), 1, workspace.usable());
    inputs.allow_writes(true);
  }
  return {};
}

// Two calls whose outputs and workspace held different bytes before.
std::string run_twice(const Variant& v, const Fixture& f, int threads) {
  if (std::string failure = run_and_judge(v, f, threads); !failure.empty()) return failure;
  const std::vector<std::byte> first = f.inputs.output_bits();
  const Workspace workspace(workspace_bytes(v, f.problem(), threads));
  workspace.fill(std::byte{0x3f});  // floats of 0.75: no kernel may count on finding NaN, or on finding zero
  for (const auto bytes : f.inputs.outputs()) std::fill(bytes.begin(), bytes.end(), std::byte{0x3f});
  run(v, f.problem(), f.inputs.tensors(), threads, workspace.usable());
  return f.inputs.output_bits() == first ? ""
                                         : reproducer(v, f.workload, f.seed, threads, "two runs gave different bits");
}

const std::vector<Workload>& repeat_table() {
  static const std::vector<Workload> table =
      parse_all({"b:2/h:3/q:40/k:70/d:20/mask:causal/lse:1", "h:5/q:33/k:129/d:16/dv:9", "h:1/q:1/k:9/d:4",
                 "b:1/h:4/hkv:2/q:19/k:12/d:8/window:3,1/lse:1"});
  return table;
}

std::string check_twice(const Variant& v, Fixtures& fixtures) {
  for (const Workload& w : repeat_table()) {
    const Fixture& f = fixtures.get(adapted(v, fixtures, w));
    if (!can_run(v, f, 1)) continue;
    if (std::string failure = run_twice(v, f, 1); !failure.empty()) return failure;
  }
  return {};
}

std::string check_threads(const Variant& v, Fixtures& fixtures) {
  for (const Workload& w : repeat_table())
    for (const int threads : {2, 3}) {
      const Fixture& f = fixtures.get(adapted(v, fixtures, w));
      if (!can_run(v, f, threads)) continue;
      if (std::string failure = run_twice(v, f, threads); !failure.empty()) return failure;
    }
  return {};
}

// Contexts long enough to be cut into chunks that are merged, for few queries: whole, with a tail, under masks whose
// first chunks a row does not see, in odd layouts; on one thread and on several.
std::string check_long_contexts(const Variant& v, Fixtures& fixtures) {
  for (const Workload& w :
       parse_all(v, fixtures,
                 {"h:4/hkv:2/q:1/k:1024/d:20/lse:1", "b:2/h:3/hkv:1/q:1/k:777/d:64/dv:33/lse:1/layout:bshd",
                  "h:5/hkv:1/q:3/k:1500/d:33/dv:80/mask:causal/lse:1", "h:2/q:4/k:1300/d:16/window:700,0/lse:1",
                  "h:2/q:1/k:2000/d:3/dv:5/fill:peaked", "h:4/hkv:2/q:40/k:1111/d:8/window:600,3/lse:1"}))
    for (const int threads : {1, 2, 3}) {
      const Fixture& f = fixtures.get(w);
      if (!can_run(v, f, threads)) continue;
      if (std::string failure = run_twice(v, f, threads); !failure.empty()) return failure;
    }
  return {};
}

// The mask of dropped weights is the oracle's for every team, whatever the order of tiles, in both passes; lse knows none.
std::string check_dropout(const Variant& v, Fixtures& fixtures) {
  if (!(v.features & ATTN_DROPOUT) || fixtures.kv() == ATTN_KV_INT8) return {};
  for (const Workload& w :
       parse_all(v, fixtures,
                 {"b:2/h:4/hkv:2/q:70/k:131/d:20/dropout:0.1/lse:1", "h:3/q:150/d:16/mask:causal/dropout:0.5/lse:1",
                  "b:2/h:2/q:33/k:90/d:24/dv:9/window:20,5/dropout:0.9/lse:1", "h:2/q:3/k:1027/d:8/dropout:0.25"}))
    for (const int threads : {1, 2, 3}) {
      const Fixture& f = fixtures.get(w, 0x123456789abcdef0);  // both words of the key count
      if (!can_run(v, f, threads)) continue;
      if (std::string failure = run_twice(v, f, threads); !failure.empty()) return failure;
    }
  return {};
}

// Caps around the size of the scores, where tanh bends, far below it and far above.
std::string check_softcap(const Variant& v, Fixtures& fixtures) {
  if (!(v.features & ATTN_SOFTCAP)) return {};
  return run_table(
      v, fixtures,
      parse_all({"b:2/h:4/hkv:2/q:33/k:70/d:20/softcap:2/lse:1", "h:2/q:40/d:16/mask:causal/softcap:0.1/lse:1",
                 "h:2/q:40/k:90/d:16/dv:9/softcap:50/fill:peaked/lse:1",
                 "h:2/q:40/d:24/softcap:20/fill:ascending/lse:1", "h:1/q:30/d:8/softcap:1000/lse:1",
                 "h:2/q:33/k:40/d:8/window:9,3/softcap:5/dropout:0.3/fill:integers"}));
}

std::string check_empty_rows(const Variant& v, Fixtures& fixtures) {
  return run_table(v, fixtures,
                   parse_all({"h:2/q:40/k:3/d:8/mask:causal/lse:1", "h:2/q:70/k:65/d:8/mask:causal/lse:1",
                              "h:1/q:100/k:20/d:9/window:2,3/lse:1", "h:1/q:2/k:1/d:1/mask:causal",
                              "h:2/q:33/k:1/d:5/window:0,0/lse:1", "h:1/q:20/k:9/d:4/window:-1,1/lse:1"}));
}

// Scores of +-160, where exp of a score itself would overflow or vanish.
std::string check_large_scores(const Variant& v, Fixtures& fixtures) {
  for (const Workload& w :
       parse_all(v, fixtures,
                 {"h:2/q:20/k:90/d:16/fill:ascending/lse:1", "h:2/q:33/k:40/d:16/fill:descending/mask:causal/lse:1",
                  "h:2/q:20/k:90/d:16/fill:peaked/lse:1"}))
    for (const float gain : {4.0f, -4.0f}) {
      if (!why_not(v, w.problem, 1).empty()) continue;
      Fixture f{w, 1, Inputs(w.problem, w.setup, 1), {}};
      for_each_element(f.inputs.tensors().q, [&](float& x, auto...) { x *= gain; });
      f.inputs.update_forward();
      f.oracle = make_oracle(w.problem, f.inputs.tensors(), f.seed);
      if (std::string failure = run_and_judge(v, f); !failure.empty())
        return fmt::format("{} (q times {})", failure, gain);
    }
  return {};
}

// The clause on NaN in src/reference.hpp: the oracle is NaN exactly where a row sees the planted value, and
// the check demands NaN there and the finite answer everywhere else.
std::string check_nan_contract(const Variant& v, Fixtures& fixtures) {
  struct Plant {
    TensorView Tensors::*tensor;
    const char* where;
    float value;
  };
  std::vector<Plant> planted = {Plant{&Tensors::q, "q", kNan}, Plant{&Tensors::k, "k", kNan},
                                Plant{&Tensors::v, "v", kNan}};
  if (v.features & ATTN_BACKWARD) planted.push_back({&Tensors::do_, "do", kNan});
  for (const Workload& w :
       parse_all(v, fixtures,
                 {"h:2/q:37/k:70/d:20/mask:causal/lse:1", "h:2/q:70/k:70/d:9/window:5,3/lse:1",
                  "h:2/q:40/k:33/d:20/dv:17/window:4,0/lse:1", "h:2/q:35/k:66/d:20",
                  "h:4/hkv:2/q:20/k:131/d:16/window:17,-1/lse:1", "h:2/q:3/k:1025/d:16/window:600,0/lse:1"})) {
    if (!why_not(v, w.problem, 1).empty()) continue;
    for (const Plant& plant : planted) {
      if (plant.tensor != &Tensors::q && fixtures.kv() == ATTN_KV_INT8) continue;  // which has no NaN
      for (const int place : {0, 1, 2}) {
        Fixture f{w, 1, Inputs(w.problem, w.setup, 1), {}};
        const TensorView& t = f.inputs.tensors().*plant.tensor;
        const std::int64_t rows[] = {0, t.shape[2] / 2, t.shape[2] - 1};
        set_element(t, 0, t.shape[1] - 1, rows[place], t.shape[3] / 2, plant.value);
        f.inputs.update_forward();
        f.oracle = make_oracle(w.problem, f.inputs.tensors(), f.seed);
        if (std::string failure = run_and_judge(v, f); !failure.empty())
          return fmt::format("{} (NaN in row {} of {})", failure, rows[place], plant.where);
      }
    }
  }
  return {};
}

// Keys that nobody sees hold NaN and infinity, in k and v both: no output may show it.
std::string check_hidden_keys(const Variant& v, Fixtures& fixtures) {
  if (fixtures.kv() == ATTN_KV_INT8) return {};
  for (const Workload& w : parse_all(v, fixtures,
                                     {"h:2/q:5/k:70/d:20/window:3,0/lse:1", "h:2/q:20/k:150/d:9/window:10,2/lse:1",
                                      "h:4/hkv:2/q:1/k:40/d:20/window:1,0/lse:1"})) {
    if (!why_not(v, w.problem, 1).empty()) continue;
    for (const float value : {kNan, kInfinity, -kInfinity}) {
      Fixture f{w, 1, Inputs(w.problem, w.setup, 1), {}};
      const std::int64_t seen = visible_keys(w.problem, 0).begin;
      for (const auto tensor : {&Tensors::k, &Tensors::v})
        for_each_element(f.inputs.tensors().*tensor, [&](float& x, auto, auto, std::int64_t j, auto) {
          if (j < seen) x = value;
        });
      f.inputs.update_forward();
      f.oracle = make_oracle(w.problem, f.inputs.tensors(), f.seed);
      if (std::string failure = run_and_judge(v, f); !failure.empty())
        return fmt::format("{} (unseen keys hold {})", failure, value);
    }
  }
  return {};
}

// Every fill at the head size of most models, where scores are sums of many products.
std::string check_fills(const Variant& v, Fixtures& fixtures) {
  std::vector<Workload> table;
  for (const char* fill : std::span(kFillNames).first(kSeededFills))
    for (const char* problem : {"h:4/hkv:2/q:50/k:131/d:64/dv:40/lse:1", "h:2/q:90/d:64/mask:causal/lse:1"})
      table.push_back(parse_workload(fmt::format("{}/fill:{}", problem, fill)));
  return run_table(v, fixtures, table);
}

// Whole heads of needles, and contexts that are cut into chunks, where a few keys share a query.
std::string check_needle(const Variant& v, Fixtures& fixtures) {
  for (const Workload& w :
       parse_all(v, fixtures,
                 {"h:2/q:300/d:64/lse:1/fill:needle", "h:4/hkv:2/q:130/k:260/d:40/dv:24/fill:needle",
                  "h:2/q:257/d:64/mask:causal/fill:needle", "h:8/hkv:1/q:8/k:1500/d:64/lse:1/fill:needle"}))
    for (const int threads : {1, 3}) {
      const Fixture& f = fixtures.get(w);
      if (!can_run(v, f, threads)) continue;
      if (std::string failure = run_and_judge(v, f, threads); !failure.empty()) return failure;
    }
  return {};
}

// Rows of k, or of q, that are -inf where all else is positive: their scores are -inf.
struct MinusInfinity {
  const char* what;
  bool (*key)(std::int64_t j, std::int64_t keys);
  bool (*query)(std::int64_t i, std::int64_t queries);
};

constexpr std::array kMinusInfinities = {
    MinusInfinity{"every key", [](auto, auto) { return true; }, [](auto, auto) { return false; }},
    MinusInfinity{"the first 64 keys", [](auto j, auto) { return j < 64; }, [](auto, auto) { return false; }},
    MinusInfinity{"a part of a block of keys", [](auto j, auto) { return j % 64 >= 3 && j % 64 < 41; },
                  [](auto, auto) { return false; }},
    MinusInfinity{"all keys but the last", [](auto j, auto keys) { return j + 1 < keys; },
                  [](auto, auto) { return false; }},
    MinusInfinity{"every other key and the middle query", [](auto j, auto) { return j % 2 == 0; },
                  [](auto i, auto queries) { return i == queries / 2; }},
    MinusInfinity{"every third query", [](auto, auto) { return false; }, [](auto i, auto) { return i % 3 == 1; }},
};

std::string check_minus_infinity(const Variant& v, Fixtures& fixtures) {
  if (fixtures.kv() == ATTN_KV_INT8) return {};  // no key is infinite
  for (const Workload& w :
       parse_all(v, fixtures,
                 {"h:2/q:20/k:20/d:1/lse:1", "h:2/q:96/d:12/mask:causal/lse:1", "h:2/q:70/k:150/d:20/dv:9/lse:1",
                  "h:4/hkv:2/q:50/k:90/d:8/window:30,3/lse:1", "h:4/hkv:1/q:2/k:1100/d:16/mask:causal/lse:1"})) {
    if (!why_not(v, w.problem, 1).empty()) continue;
    for (const MinusInfinity& pattern : kMinusInfinities) {
      Fixture f{w, 1, Inputs(w.problem, w.setup, 1), {}};
      const auto make = [](const TensorView& t, auto&& is_infinite) {
        for_each_element(t, [&](float& x, auto, auto, std::int64_t row, auto) {
          x = is_infinite(row, t.shape[2]) ? -kInfinity : std::fabs(x) + 0.125f;
        });
      };
      make(f.inputs.tensors().q, pattern.query);
      make(f.inputs.tensors().k, pattern.key);
      f.inputs.update_forward();
      f.oracle = make_oracle(w.problem, f.inputs.tensors(), f.seed);
      for (const int threads : {1, 3}) {
        if (!can_run(v, f, threads)) continue;
        if (std::string failure = run_and_judge(v, f, threads); !failure.empty())
          return fmt::format("{} (-inf: {})", failure, pattern.what);
      }
    }
  }
  return {};
}

// Values near the end of the range: every weighted mean of them is inside, sums of many are not. The gradients of such
// values do overflow, in any order.
std::string check_overflow(const Variant& v, Fixtures& fixtures) {
  if (v.features & ATTN_BACKWARD || fixtures.dtype() == ATTN_F16) return {};  // F16 ends where f32 has room to spare
  for (const Workload& w :
       parse_all(v, fixtures,
                 {"h:1/q:1/k:4/d:1", "h:2/q:40/k:90/d:20/dv:17/lse:1", "h:2/q:70/d:64/mask:causal",
                  "h:4/hkv:1/q:2/k:3000/d:16/lse:1", "h:2/q:20/k:1000/d:16/fill:uniform/dropout:0.25"})) {
    if (!why_not(v, w.problem, 1).empty()) continue;
    // Everywhere, with both signs, and in a single column, of those that a vector holds and one more.
    constexpr std::int64_t kAll = -1, kSigns = -2;
    std::vector<std::int64_t> columns = {kAll, kSigns};
    if (w.problem.value_dim == 17)
      for (std::int64_t d = 0; d < 17; ++d) columns.push_back(d);
    for (const std::int64_t column : columns) {
      Fixture f{w, 1, Inputs(w.problem, w.setup, 1), {}};
      constexpr float kHuge = 2e38f;
      const float largest = has_int8_kv(w.problem) ? 127 : kHuge;
      for_each_element(f.inputs.tensors().v, [&](float& x, auto, auto, auto, std::int64_t d) {
        if (column < 0 || d == column) x = column == kSigns && x < 0 ? -largest : largest;
      });
      if (has_int8_kv(w.problem)) set_all(f.inputs.tensors().v_scale, kHuge / largest);
      f.oracle = make_oracle(w.problem, f.inputs.tensors(), f.seed);
      for (const int threads : {1, 3}) {
        if (!can_run(v, f, threads)) continue;
        if (std::string failure = run_and_judge(v, f, threads); !failure.empty())
          return fmt::format("{} (v of {}2e38{})", failure, column == kSigns ? "+-" : "",
                             column < 0 ? "" : fmt::format(" in column {}", column));
      }
    }
  }
  return {};
}

// A random problem of at most a few MFLOP, from the seed alone.
Workload random_workload(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  };
  Workload w;
  Problem& p = w.problem;
  p.batch = pick(1, 2);
  p.kv_heads = pick(1, 2);
  p.heads = p.kv_heads * pick(1, 3);
  p.seqlen_q = pick(1, 150);
  p.seqlen_k = pick(0, 3) == 0 ? p.seqlen_q : pick(1, 150);
  p.head_dim = pick(1, 100);
  p.value_dim = pick(0, 1) == 0 ? p.head_dim : pick(1, 100);
  const std::int64_t mask = pick(0, 3);
  p.window_left = mask < 2 ? -1 : pick(-1, 60);
  p.window_right = mask == 0 ? -1 : mask == 1 ? 0 : pick(-1, 60);
  p.lse = static_cast<std::int32_t>(pick(0, 1));
  w.setup.fill = static_cast<Fill>(pick(0, kSeededFills - 1));
  const bool may_pack = p.seqlen_q == p.seqlen_k && p.head_dim == p.value_dim;
  w.setup.layout = static_cast<Layout>(pick(0, may_pack ? 2 : 1));
  return w;
}

// The ISA that users get is swept widest.
std::uint64_t random_problems(const Variant& v, Grid grid) {
  const bool native = find_native(variant_table(), "naive")->isa == std::string_view(v.isa);
  if (grid == Grid::small) return native ? 12 : 6;
  return native ? 200 : 40;
}

std::string check_random(const Variant& v, Fixtures& fixtures) {
  std::uint64_t ran = 0;
  const std::uint64_t count = random_problems(v, fixtures.grid());
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    Workload w = random_workload(seed);
    // Every third one drops weights, where the kernel can.
    if (seed % 3 == 0 && (v.features & ATTN_DROPOUT)) w.problem.dropout = static_cast<double>(seed % 10) / 10;
    if (seed % 4 == 0 && (v.features & ATTN_SOFTCAP)) w.problem.softcap = static_cast<double>(seed % 7) * 3;
    const Fixture& f = fixtures.get(adapted(v, fixtures, w), seed);
    const int threads = v.features & ATTN_THREADS ? 1 + static_cast<int>(seed % 3) : 1;
    if (!can_run(v, f, threads)) continue;
    ++ran;
    if (std::string failure = run_and_judge(v, f, threads); !failure.empty()) return failure;
  }
  return ran > 0 ? "" : fmt::format("{}/{} accepts none of {} random problems", v.name, v.isa, count);
}

// Long enough for plain loops to show how many threads are at work.
constexpr const char* kLongCalls = "h:4/q:96/d:32";

// What tells that a kernel takes more threads than it is given; of calls that are over too soon nothing does.
std::string larger_team(const bench::Case& c, bench::PreparedCase& prepared) {
  constexpr int kCalls = 40;
  constexpr double kLongEnough = 10e-3;
  bench::wait_for_resting_teams();
  const bench::Measurement m = bench::measure_with_ceilings(c, prepared, kCalls);
  if (!m.verdict.passed) return m.verdict.failure;
  if (m.wall_seconds < kLongEnough || m.surplus_cpu <= bench::kSuspectSurplus) return {};
  return fmt::format("{:.0f} % of its CPU time is of other threads", 100 * m.surplus_cpu);
}

// As `run` times it: what it kept of the check before must not help it, and nothing may be left behind.
std::string check_timed(const Variant& v, Fixtures& fixtures) {
  constexpr int kTurns = 4, kCalls = 5;
  bench::Workbench workbench(1);
  for (const Workload& w :
       parse_all({"b:2/h:4/hkv:2/q:19/k:37/d:20/dv:33/lse:1", "h:1/q:33/d:16/mask:causal", kLongCalls}))
    for (const int threads : {1, 2}) {
      const bench::Case c{&v, adapted(v, fixtures, w), threads};
      if (!why_not(v, c.workload.problem, threads).empty()) continue;
      bench::PreparedCase& prepared = workbench.prepare(c);
      if (!prepared.verdict().passed) return reproducer(v, c.workload, 1, threads, prepared.verdict().failure);
      for (int turn = 0; turn < kTurns; ++turn) {
        const bench::Measurement m = turn % 2 == 0 ? bench::measure_plainly(prepared, kCalls)
                                                   : bench::measure_with_ceilings(c, prepared, kCalls);
        if (!m.verdict.passed) return reproducer(v, c.workload, 1, threads, m.verdict.failure);
      }
      if (to_string(w) == to_string(parse_workload(kLongCalls)))
        if (const std::string team = larger_team(c, prepared); !team.empty())
          return reproducer(v, c.workload, 1, threads, team);
      if (const auto mark = prepared.marks().find("untimed_work"); mark != prepared.marks().end())
        return reproducer(v, c.workload, 1, threads, mark->second);
    }
  return {};
}

// A kernel may trade accuracy, but not so much that its errors could be anything.
std::string check_tolerance(const Variant& v, Fixtures&) {
  constexpr double kMost = 64;
  return v.error_multiple <= kMost ? ""
                                   : fmt::format("{}/{} asks for {:g} times the tolerance of others, {:g} are the most",
                                                 v.name, v.isa, v.error_multiple, kMost);
}

// The slowest last: emulated, a mutant is run until one kills it.
constexpr std::array kBattery = {
    Check{"lengths", "agrees with the oracle around vector lanes and block sizes, under every mask", check_lengths},
    Check{"head_sizes", "agrees with the oracle for every head size, dv equal to d or not", check_head_sizes},
    Check{"head_counts", "agrees with the oracle for batches and grouped heads", check_head_counts},
    Check{"strides", "honours odd strides and unaligned bases, writes only its own elements", check_strides},
    Check{"guard", "touches nothing before or behind its tensors and workspace", check_guard},
    Check{"inputs", "writes no input", check_inputs_unwritten},
    Check{"twice", "gives the same bits again, whatever outputs and workspace held", check_twice},
    Check{"threads", "is right and repeatable for teams of 2 and 3", check_threads},
    Check{"long_contexts", "is right and repeatable where the keys of a few queries are shared out",
          check_long_contexts},
    Check{"dropout", "drops the same weights as the oracle, for every team", check_dropout},
    Check{"softcap", "caps scores before softmax", check_softcap},
    Check{"empty_rows", "a row that sees no key gives zeros and lse -inf", check_empty_rows},
    Check{"large_scores", "scores of hundreds neither overflow nor vanish", check_large_scores},
    Check{"nan", "NaN reaches the rows that see it and no other", check_nan_contract},
    Check{"hidden_keys", "keys that nobody sees may hold anything", check_hidden_keys},
    Check{"minus_infinity", "scores of -inf have no weight, and a row of nothing else is empty", check_minus_infinity},
    Check{"overflow", "finite means of large values are finite", check_overflow},
    Check{"timed", "computes in every call, leaves nothing behind but its outputs", check_timed},
    Check{"tolerance", "asks for little more tolerance than others", check_tolerance},
    Check{"setups", "agrees with the oracle for every fill and layout", check_setups},
    Check{"fills", "agrees with the oracle for every fill at a usual head size, grouped and causal", check_fills},
    Check{"needle", "loses, doubles and shifts no key", check_needle},
    Check{"random", "agrees with the oracle on seeded random problems", check_random},
};

}  // namespace

const Fixture& Fixtures::get(const Workload& w, std::uint64_t seed, Placement placement) {
  auto& fixture = made_[fmt::format("{} {} {}", to_string(w), seed, static_cast<int>(placement))];
  if (fixture == nullptr) {
    Inputs inputs(w.problem, w.setup, seed, placement);
    Oracle oracle = make_oracle(w.problem, inputs.tensors(), seed);
    fixture.reset(new Fixture{w, seed, std::move(inputs), std::move(oracle)});
  }
  return *fixture;
}

std::span<const Check> battery() { return kBattery; }

std::vector<std::int32_t> dtypes_of(const Variant& v) {
  std::vector<std::int32_t> dtypes;
  for (const Element& element : kElements)
    if (declared_features(v) & element.feature) dtypes.push_back(element.dtype);
  return dtypes;
}

std::string run_in_each_dtype(const Check& check, const Variant& v, Fixtures& fixtures) {
  std::string failure;
  for (const std::int32_t dtype : dtypes_of(v))
    for (const std::int32_t kv : {ATTN_KV_SAME, ATTN_KV_INT8}) {
      if (!failure.empty() || (kv == ATTN_KV_INT8 && !(v.features & ATTN_TAKES_KV_INT8))) continue;
      fixtures.set_elements(dtype, kv);
      failure = check.run(v, fixtures);
    }
  fixtures.set_elements(ATTN_F32, ATTN_KV_SAME);
  return failure;
}

}  // namespace attn::test
