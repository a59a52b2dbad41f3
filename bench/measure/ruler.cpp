#include "measure/ruler.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "base/timing.hpp"
#include "machine/peak_unit.hpp"
#include "registry.hpp"

namespace attn::bench {
namespace {

// A ceiling takes 0.2 ms a slice: a tenth of the kernel's time. What a pause itself costs, about 1 us, is a two-thousandth.
constexpr double kSliceSeconds = 2e-3;
constexpr double kReadSliceSeconds = 150e-6, kReadChunkSeconds = 50e-6;

// The keys and values that some query sees, with their scales.
Footprint kv_footprint(const Problem& p, const Tensors& t) {
  const KeyRange keys = needed_keys(p);
  Footprint footprint;
  for (TensorView view : {t.k, t.v, t.k_scale, t.v_scale}) {
    if (view.data == nullptr) continue;
    view.data = bytes_of_row(view, 0, 0, keys.begin);
    view.shape[2] = keys.end - keys.begin;
    for (const ReadSpan& span : spans_of(view)) footprint.push_back(span);
  }
  return footprint;
}

// What this process has found of the loops over so many bytes: a case has a ruler for each of its turns, and trying all loops
// anew would take longer than the turn where much is read.
ReadTurns& turns_of(const Probe& probe, int threads, double bytes) {
  static std::map<std::tuple<const Probe*, int, double>, ReadTurns> known;
  return known.try_emplace({&probe, threads, bytes}, probe.read).first->second;
}

}  // namespace

PeakProbes peak_probes(const Case& c) {
  const Isa isa = isa_of(*c.variant);
  const PeakUnit* own = own_unit(isa, dtype_of(c.workload.problem));
  return {.fma = find_probe(kFma.kind, isa), .own = own == nullptr ? nullptr : find_probe(own->kind, isa)};
}

Ruler::Ruler(const Case& c, const PreparedCase& prepared, const PeakProbes& peaks)
    : prepared_(prepared),
      threads_(c.threads),
      flops_(static_cast<double>(flops(c.workload))),
      kv_bytes_(static_cast<double>(needed_kv_bytes(c.workload.problem))),
      peaks_(peaks),
      read_(find_probe(ProbeKind::read, isa_of(*c.variant))),
      slice_seconds_(peaks.own == nullptr ? kSliceSeconds : 2 * kSliceSeconds) {
  if (read_ != nullptr && is_decode(c.workload.problem) && !c.workload.is_layer() && kv_bytes_ > 0)
    for (std::size_t copy = 0; copy < prepared.copies(); ++copy)
      copies_.push_back(kv_footprint(c.workload.problem, prepared.inputs(copy).tensors()));
  if (!copies_.empty()) read_turns_ = &turns_of(*read_, threads_, kv_bytes_);
  measure_ceilings();
}

void Ruler::begin_slice() {
  between_slices_ = false;
  calls_left_ = calls_;
  begin_ = Clock::now();
}

bool Ruler::end_slice() {
  const double seconds = seconds_since(begin_);
  const std::int64_t calls = calls_ - calls_left_;
  if (calls == 0) return false;
  calls_ = calls_for(slice_seconds_, calls, seconds);
  if (seconds >= slice_seconds_ / 2) {
    add_slice(calls, seconds);
    return between_slices_ = true;
  }
  short_calls_ += calls;
  short_seconds_ += seconds;
  return false;
}

void Ruler::finish() {
  if (between_slices_ || end_slice()) return measure_ceilings();
  if (fma_.size() > 0 || !(short_seconds_ > 0)) return;
  add_slice(short_calls_, short_seconds_);
  measure_ceilings();
}

void Ruler::add_slice(std::int64_t calls, double seconds) {
  const double calls_per_second = static_cast<double>(calls) / seconds;
  fma_.add_kernel(flops_ * calls_per_second);
  own_.add_kernel(flops_ * calls_per_second);
  reading_.add_kernel(kv_bytes_ * calls_per_second);
}

void Ruler::measure_ceilings() {
  if (peaks_.fma != nullptr) fma_.add_ceiling(compute_slice(*peaks_.fma, threads_));
  if (peaks_.own != nullptr) own_.add_ceiling(compute_slice(*peaks_.own, threads_));
  if (!copies_.empty()) reading_.add_ceiling(read_slice());
}

double Ruler::spread() const {
  if (!copies_.empty()) return spread_of(reading_.percents());
  return spread_of((pct_own_peak() && *pct_own_peak() < pct_fma_peak().value_or(0) ? own_ : fma_).percents());
}

// Bytes per second: the fastest of a few chunks, or a single pass where that takes longer. Loops take turns, from slice to
// slice too: every kernel slice stands between one of each that is good here, and the faster counts. The first slice of
// all tries each loop.
double Ruler::read_slice() {
  double fastest = 0;
  for (double total = 0; total < kReadSliceSeconds || !read_turns_->is_settled();) {
    const std::size_t first = prepared_.skip_copies(read_passes_);
    const double seconds = read_seconds(read_turns_->current(), threads_, copies_, first, read_passes_);
    const double rate = seconds > 0 ? kv_bytes_ * static_cast<double>(read_passes_) / seconds : 0;
    fastest = std::max(fastest, rate);
    read_turns_->add_rate(rate);
    read_passes_ = calls_for(kReadChunkSeconds, read_passes_, seconds);
    total += seconds;
  }
  return fastest;
}

}  // namespace attn::bench
