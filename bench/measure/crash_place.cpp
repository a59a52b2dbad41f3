#include "measure/crash_place.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "roles.hpp"

namespace attn::bench {
namespace {

const std::uintptr_t page_bytes = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));

// Null, and what a small index makes of it.
constexpr std::uintptr_t kNullPages = std::uintptr_t{1} << 16;

std::uintptr_t distance(std::uintptr_t address, std::uintptr_t begin, std::uintptr_t end) {
  return address < begin ? begin - address : address >= end ? address - end : 0;
}

// Whether it lies in the page that follows the last byte's or comes before the first one's, or in the rest of those.
bool is_in_guard(std::uintptr_t address, std::uintptr_t begin, std::uintptr_t end) {
  const std::uintptr_t last = (end + page_bytes - 1) / page_bytes * page_bytes + page_bytes;
  const std::uintptr_t first = begin / page_bytes * page_bytes - page_bytes;
  return address >= end ? address < last : address < begin && address >= first;
}

const char* verb(Access access, bool towards) {
  if (access == Access::write) return towards ? "it wrote to " : "it wrote ";
  if (access == Access::read) return "it read ";
  return "it used ";
}

}  // namespace

CrashPlace::CrashPlace(const Case& c, const Problem& p, const Tensors& t, std::span<const std::byte> workspace)
    : command_(verify_command(c)) {
  for (const TensorRole& role : kTensorRoles)
    if (role.use(p) != Use::absent) add(role.name, t.*role.view, element_of(role.dtype(p)).bytes);
  const std::int64_t rows = p.batch * p.heads * p.seqlen_q;
  if (t.lse != nullptr) add("lse", dense_view(t.lse, {p.batch, p.heads, p.seqlen_q, 1}), sizeof(float));
  const auto begin = reinterpret_cast<std::uintptr_t>(workspace.data());
  ranges_[count_++] = {"its workspace", begin, begin + workspace.size(), 0, 0, 0};
  null_ = t.lse == nullptr ? "lse is null where lse:0"
          : p.backward     ? "a null pointer"
                           : "a null pointer, as do, dq, dk and dv are in the forward pass";
  null_reach_ = std::max<std::uintptr_t>(kNullPages, static_cast<std::uintptr_t>(rows) * sizeof(float));
}

void CrashPlace::add(const char* name, const ConstTensorView& t, std::int64_t element_bytes) {
  std::int64_t last = 0;  // element
  for (std::size_t i = 0; i < t.shape.size(); ++i)
    if (t.shape[i] > 1) last += (t.shape[i] - 1) * t.stride[i];
  const auto begin = reinterpret_cast<std::uintptr_t>(t.data);
  ranges_[count_++] = {name,       begin,      begin + static_cast<std::uintptr_t>((last + 1) * element_bytes),
                       t.shape[0], t.shape[1], t.shape[2]};
}

// The first or the last row of a tensor.
void CrashPlace::tell_row(const Range& range, bool last, SignalText& text) {
  if (range.rows == 0) return;
  const auto index = [&](std::int64_t count) { return static_cast<std::uint64_t>(last ? count - 1 : 0); };
  text.add(", row ").add_number(index(range.rows)).add(" of head ").add_number(index(range.heads));
  if (range.batches > 1) text.add(" of batch ").add_number(index(range.batches));
}

// Within the guard pages of which the address lies: two buffers may be neighbours. Of tensors that share a buffer the one
// whose end, or begin, is the buffer's; else the nearest.
const CrashPlace::Range& CrashPlace::owner(std::uintptr_t address) const {
  const auto rank = [&](const Range& range) {
    return std::pair(!is_in_guard(address, range.begin, range.end), distance(address, range.begin, range.end));
  };
  const std::span ranges = std::span(ranges_).first(count_);
  return *std::ranges::min_element(ranges, {}, rank);
}

bool CrashPlace::tell_address(const Fault& fault, SignalText& text) const {
  const std::uintptr_t address = fault.address;
  if (address < null_reach_) {
    text.add(verb(fault.access, true)).add("address ").add_address(address).add(": ").add(null_);
    return true;
  }
  const Range& range = owner(address);
  const std::uintptr_t bytes = distance(address, range.begin, range.end);
  const bool behind = address >= range.end;
  if (address >= range.begin && !behind) {
    text.add(verb(fault.access, true)).add(range.name).add(" where that is not allowed");
  } else if (is_in_guard(address, range.begin, range.end)) {
    text.add(verb(fault.access, false));
    if (bytes > 0) text.add_number(bytes).add(" bytes ");
    text.add(bytes == 0 ? "right past" : behind ? "past" : "before").add(behind ? " the end of " : " the begin of ");
    text.add(range.name);
    tell_row(range, behind, text);
  } else {
    // A wrong stride or index leads anywhere.
    constexpr std::uintptr_t kFar = std::uintptr_t{1} << 30;
    text.add(verb(fault.access, true)).add("address ").add_address(address).add(", which is in no tensor");
    if (bytes < kFar)
      text.add(": ")
          .add_number(bytes)
          .add(behind ? " bytes past the end of " : " bytes before the begin of ")
          .add(range.name);
  }
  return true;
}

std::string CrashPlace::overrun_text(const char* buffer, std::size_t bytes) const {
  SignalText text;
  text.add("it wrote ").add_number(bytes).add(" bytes past the end of ").add(buffer);
  for (const Range& range : std::span(ranges_).first(count_))
    if (std::string_view(range.name) == buffer) tell_row(range, true, text);
  return std::string(text.view());
}

}  // namespace attn::bench
