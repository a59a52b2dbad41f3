#include "overlap.hpp"

#include <algorithm>
#include <span>
#include <vector>

namespace attn {
namespace {

using Wide = __int128;  // strides may be anything

// A multiple of the stride, from `least` to `most` times.
struct Steps {
  Wide stride, least, most;  // stride > 0
};

constexpr Wide floor_quotient(Wide a, Wide b) { return a / b - (a % b < 0); }

// Whether offset plus a multiple of each stride can be 0. The strides come from the largest down; in tensors that somebody
// allocated each is at least what the smaller ones span, so that few multiples are in question. Where they are so many that
// the search is given up, the answer is yes.
bool can_be_zero(Wide offset, std::span<const Steps> steps, int& searches_left) {
  if (steps.empty()) return offset == 0;
  if (--searches_left < 0) return true;
  const std::span<const Steps> rest = steps.subspan(1);
  Wide low = 0, high = 0;
  for (const Steps& s : rest) low += s.stride * s.least, high += s.stride * s.most;
  const auto [stride, least, most] = steps.front();
  const Wide first = std::max(least, -floor_quotient(offset + high, stride));
  const Wide last = std::min(most, floor_quotient(-offset - low, stride));
  for (Wide t = first; t <= last; ++t)
    if (can_be_zero(offset + t * stride, rest, searches_left)) return true;
  return false;
}

constexpr int kSearches = 10'000;

// Adds the multiples that the view's indices make, and the bytes of an element, `sign` times.
void add_steps(const ConstTensorView& view, int sign, std::vector<Steps>& steps) {
  const Wide bytes = element_of(view.dtype).bytes;
  const auto add = [&](Wide stride, Wide last) {
    if (last == 0 || stride == 0) return;
    const Steps added = stride > 0 ? Steps{stride, 0, last} : Steps{-stride, -last, 0};
    const auto same =
        std::find_if(steps.begin(), steps.end(), [&](const Steps& s) { return s.stride == added.stride; });
    if (same == steps.end()) {
      steps.push_back(added);
    } else {
      same->least += added.least;
      same->most += added.most;
    }
  };
  for (std::size_t d = 0; d < view.shape.size(); ++d) add(sign * bytes * view.stride[d], view.shape[d] - 1);
  add(sign, bytes - 1);
}

void sort_from_largest(std::vector<Steps>& steps) {
  std::sort(steps.begin(), steps.end(), [](const Steps& a, const Steps& b) { return a.stride > b.stride; });
}

}  // namespace

bool overlaps_itself(const ConstTensorView& view) {
  // The differences of two indices, once for each dimension that is the first in which they differ.
  std::vector<Steps> steps;
  for (std::size_t d = 0; d < view.shape.size(); ++d) {
    const Wide last = view.shape[d] - 1, stride = view.stride[d];
    if (last == 0) continue;
    if (stride == 0) return true;
    steps.push_back({stride < 0 ? -stride : stride, -last, last});
  }
  sort_from_largest(steps);
  int searches_left = kSearches;
  for (std::size_t d = 0; d < steps.size(); ++d) {
    steps[d].least = 1;
    if (can_be_zero(0, std::span(steps).subspan(d), searches_left)) return true;
  }
  return false;
}

bool overlap(const ConstTensorView& a, const ConstTensorView& b) {
  std::vector<Steps> steps;
  add_steps(a, 1, steps);
  add_steps(b, -1, steps);
  sort_from_largest(steps);
  const Wide bytes = Wide{reinterpret_cast<std::uintptr_t>(a.data)} - reinterpret_cast<std::uintptr_t>(b.data);
  int searches_left = kSearches;
  return can_be_zero(bytes, steps, searches_left);
}

}  // namespace attn
