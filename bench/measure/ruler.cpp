#include "measure/ruler.hpp"

#include <algorithm>
#include <limits>

#include "base/timing.hpp"
#include "registry.hpp"

namespace attn::bench {
namespace {

// Ceilings take 0.2 ms a slice: a tenth of the kernel's time. What a pause itself costs, about 1 us, is a two-thousandth.
constexpr double kSliceSeconds = 2e-3, kLeastSliceSeconds = kSliceSeconds / 2;
constexpr double kReadSliceSeconds = 150e-6, kReadChunkSeconds = 50e-6;

// The keys and values that some query sees.
Footprint kv_footprint(const Problem& p, const Tensors& t) {
  const KeyRange keys = needed_keys(p);
  Footprint footprint;
  for (TensorView view : {t.k, t.v}) {
    view.data = bytes_of_row(view, 0, 0, keys.begin);
    view.shape[2] = keys.end - keys.begin;
    for (const ReadSpan& span : spans_of(view)) footprint.push_back(span);
  }
  return footprint;
}

}  // namespace

Ruler::Ruler(const Case& c, const PreparedCase& prepared)
    : prepared_(prepared),
      threads_(c.threads),
      flops_(static_cast<double>(flops(c.workload))),
      kv_bytes_(static_cast<double>(needed_kv_bytes(c.workload.problem))),
      compute_(find_probe(peak_kind(isa_of(*c.variant), dtype_of(c.workload.problem)), isa_of(*c.variant))),
      read_(find_probe(ProbeKind::read, isa_of(*c.variant))) {
  if (read_ != nullptr && is_decode(c.workload.problem) && !c.workload.is_layer() && kv_bytes_ > 0)
    for (std::size_t copy = 0; copy < prepared.copies(); ++copy)
      copies_.push_back(kv_footprint(c.workload.problem, prepared.inputs(copy).tensors()));
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
  calls_ = calls_for(kSliceSeconds, calls, seconds);
  if (seconds >= kLeastSliceSeconds) {
    add_slice(calls, seconds);
    return between_slices_ = true;
  }
  short_calls_ += calls;
  short_seconds_ += seconds;
  return false;
}

void Ruler::finish() {
  if (between_slices_ || end_slice()) return measure_ceilings();
  if (arithmetic_.size() > 0 || !(short_seconds_ > 0)) return;
  add_slice(short_calls_, short_seconds_);
  measure_ceilings();
}

void Ruler::add_slice(std::int64_t calls, double seconds) {
  const double calls_per_second = static_cast<double>(calls) / seconds;
  arithmetic_.add_kernel(flops_ * calls_per_second);
  reading_.add_kernel(kv_bytes_ * calls_per_second);
}

void Ruler::measure_ceilings() {
  if (compute_ != nullptr) arithmetic_.add_ceiling(compute_slice(*compute_, threads_));
  if (!copies_.empty()) reading_.add_ceiling(read_slice());
}

// Bytes per second: the fastest of a few chunks, or a single pass where that takes longer. The two loops take turns, from
// slice to slice too: every kernel slice stands between one of each, and the faster counts.
double Ruler::read_slice() {
  double fastest = 0;
  for (double total = 0; total < kReadSliceSeconds;) {
    const std::size_t first = prepared_.skip_copies(read_passes_);
    read_ahead_ = !read_ahead_;
    const double seconds =
        read_seconds(read_ahead_ ? read_->read_ahead : read_->read, threads_, copies_, first, read_passes_);
    if (seconds > 0) fastest = std::max(fastest, kv_bytes_ * static_cast<double>(read_passes_) / seconds);
    read_passes_ = calls_for(kReadChunkSeconds, read_passes_, seconds);
    total += seconds;
  }
  return fastest;
}

}  // namespace attn::bench
