#include "measure/caller_state.hpp"

#include <fmt/format.h>

#include <atomic>

#include "float_control.hpp"
#include "machine/run_team.hpp"

namespace attn::bench {
namespace {

std::string float_text(std::uint64_t control) {
  const std::uint64_t changed = control ^ kDefaultFloatControl;
  return fmt::format("it left a floating-point control of {:#x} where {:#x} was{}{}", control, kDefaultFloatControl,
                     (changed & kFlushesDenormals) != 0 ? ": denormals are flushed" : "",
                     (changed & kRoundingMode) != 0 ? ": another rounding" : "");
}

}  // namespace

CallerState::CallerState(int threads)
    : threads_(threads), settings_(openmp_settings()), knows_cpus_(sched_getaffinity(0, sizeof cpus_, &cpus_) == 0) {
  set_float_control(kDefaultFloatControl);
  run_team(threads_, [](int, int) { set_float_control(kDefaultFloatControl); });
}

std::string CallerState::mend_changes() {
  std::string changes;
  if (const std::string setting = mend_openmp_settings(settings_); !setting.empty())
    changes = fmt::format("it left {} behind", setting);
  cpu_set_t now;
  if (knows_cpus_ && sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &cpus_) == 0) {
    sched_setaffinity(0, sizeof cpus_, &cpus_);
    changes = fmt::format("it left its caller on {} CPU(s) where {} were allowed", CPU_COUNT(&now), CPU_COUNT(&cpus_));
  }
  std::atomic<std::uint64_t> changed = kDefaultFloatControl;
  const auto look = [&] {
    if (const std::uint64_t control = float_control(); control != kDefaultFloatControl) {
      changed = control;
      set_float_control(kDefaultFloatControl);
    }
  };
  look();  // LLVM's OpenMP gives the caller of a team its own control back, whatever was set within
  run_team(threads_, [&](int, int) { look(); });
  return changed == kDefaultFloatControl ? changes : float_text(changed);
}

}  // namespace attn::bench
