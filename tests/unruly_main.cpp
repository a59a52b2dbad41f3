// attnbench over kernels that take their process with them or never come back, built in as any other: what the command
// makes of it. `steady` is right, and cheap.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>
#include <vector>

#include "commands/commands.hpp"
#include "crash_kernels.hpp"
#include "support.hpp"

namespace attn {
namespace {

// Forward passes of one head without a mask, in plain loops.
void attend(const Args* a) {
  const Problem& p = *a->problem;
  std::vector<double> probs(static_cast<std::size_t>(p.seqlen_k));
  for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
    const float* q = row_of<float>(a->q, 0, 0, i);
    double sum = 0;
    for (std::int64_t j = 0; j < p.seqlen_k; ++j) {
      double score = 0;
      for (std::int64_t d = 0; d < p.head_dim; ++d) score += double{q[d]} * row_of<float>(a->k, 0, 0, j)[d];
      sum += probs[static_cast<std::size_t>(j)] = std::exp(score * a->softmax_scale);
    }
    float* o = row_of<float>(a->o, 0, 0, i);
    for (std::int64_t d = 0; d < p.value_dim; ++d) {
      double value = 0;
      for (std::int64_t j = 0; j < p.seqlen_k; ++j)
        value += probs[static_cast<std::size_t>(j)] / sum * row_of<float>(a->v, 0, 0, j)[d];
      o[d] = static_cast<float>(value);
    }
  }
}

// The fault shows in the cases of the test, and in nothing that kernels compute before: those have other numbers of
// queries.
bool is_before(const Args* a) { return a->problem->seqlen_q != 8; }

[[noreturn]] void stand_still() {
  for (volatile bool forever = true; forever;) continue;
  std::abort();
}

void run_hangs(const Args* a) { is_before(a) ? attend(a) : stand_still(); }
void run_hangs_at_once(const Args*) { stand_still(); }
void run_exits(const Args* a) { is_before(a) ? attend(a) : std::exit(0); }

void run_exits_at_once(const Args* a) { is_before(a) ? attend(a) : _exit(0); }
void run_crashes_at_once(const Args*) { *static_cast<volatile float*>(nullptr) = 0; }

void run_crashes(const Args* a) { is_before(a) ? attend(a) : run_crashes_at_once(a); }

// Kernels are calibrated on 192 queries, or 1.
void run_crashes_on_small(const Args* a) {
  if (const std::int64_t q = a->problem->seqlen_q; q != 192 && q != 1) run_crashes_at_once(a);
  attend(a);
}

void run_crashes_when_calibrated(const Args* a) {
  if (a->problem->seqlen_q == 192) run_crashes_at_once(a);
  attend(a);
}

// By a thread that takes no part in the work but the CPU.
void run_doubles_team(const Args* a) {
  constexpr int kBusyCalls = 12;
  static int calls = 0;
  static std::atomic<bool> busy = false;
  if (is_before(a) || ++calls < kBusyCalls) return attend(a);
  if (calls == kBusyCalls)
    std::thread([] {
      for (;;)
        if (!busy) std::this_thread::sleep_for(std::chrono::microseconds(20));
    }).detach();
  busy = true;
  attend(a);
  busy = false;
}

// Longer than a look at a signal takes, and over in the end.
void run_slow(const Args* a) {
  attend(a);
  if (is_before(a)) return;
  for (const auto begin = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() - begin < std::chrono::seconds(3);)
    continue;
}

void* prepare_nothing(const Args*) { return nullptr; }

constexpr Variant variant(const char* name, void (*run)(const Args*)) {
  return {.struct_size = sizeof(Variant),
          .name = name,
          .isa = test::kBaselineIsa,
          .summary = "for a test",
          .source = "tests",
          .features = ATTN_THREADS,
          .error_multiple = 1,
          .run = run};
}

constexpr Variant kSteady = variant("steady", attend), kHangs = variant("hangs", run_hangs),
                  kHangsAtOnce = variant("hangs_at_once", run_hangs_at_once), kExits = variant("exits", run_exits),
                  kExitsAtOnce = variant("exits_at_once", run_exits_at_once),
                  kCrashesAtOnce = variant("crashes_at_once", run_crashes_at_once),
                  kCrashes = variant("crashes", run_crashes),
                  kCrashesWhenCalibrated = variant("crashes_when_calibrated", run_crashes_when_calibrated),
                  kCrashesOnSmall = variant("crashes_on_small", run_crashes_on_small),
                  kDoublesTeam = variant("doubles_team", run_doubles_team), kSlow = variant("slow", run_slow);
constexpr Variant kCannotPrepare = [] {
  Variant v = variant("cannot_prepare", attend);
  v.prepare = prepare_nothing;
  return v;
}();
constexpr const Variant* kTable[] = {&kSteady,         &kHangs,         &kHangsAtOnce, &kExits,
                                     &kExitsAtOnce,    &kCrashesAtOnce, &kCrashes,     &kCrashesWhenCalibrated,
                                     &kCrashesOnSmall, &kDoublesTeam,   &kSlow,        &kCannotPrepare};

}  // namespace
}  // namespace attn

int main(int argc, char** argv) {
  std::vector<const attn::Variant*> table(std::begin(attn::kTable), std::end(attn::kTable));
  const auto crashing = attn::test::crash_kernels();
  table.insert(table.end(), crashing.begin(), crashing.end());
  return attn::bench::attnbench_main(argc, argv, table);
}
