// CrashPlace: which tensors a call has and where they lie, so that a crash in it is told in their terms: "it wrote 16 bytes
// past the end of o, row 63 of head 2", "it wrote to address 0: lse is null where lse:0". Tensors lie between guard pages
// (aligned_buffer.hpp), which is where a kernel faults.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/crash.hpp"
#include "cases/case.hpp"
#include "problem.hpp"
#include "roles.hpp"
#include "tensor.hpp"

namespace attn::bench {

class CrashPlace : public KnownCall {
 public:
  // `problem`: what the kernel is called with, of a layer that of its core.
  CrashPlace(const Case& c, const Problem& problem, const Tensors& tensors, std::span<const std::byte> workspace);

  bool tell_address(const Fault& fault, SignalText& text) const override;
  std::string_view command() const override { return command_; }

  // Of somebody who wrote so many bytes behind the end of the buffer of this name, as Inputs has them, and met no guard page.
  std::string overrun_text(const char* buffer, std::size_t bytes) const;

 private:
  struct Range {
    const char* name;
    std::uintptr_t begin, end;
    std::int64_t batches, heads, rows;  // 0 of the workspace, which has none
  };
  void add(const char* name, const ConstTensorView& tensor, std::int64_t element_bytes);
  static void tell_row(const Range& range, bool last, SignalText& text);
  const Range& owner(std::uintptr_t address) const;

  std::array<Range, kTensorRoles.size() + 2> ranges_{};  // and lse, and the workspace
  std::size_t count_ = 0;
  std::string command_;
  const char* null_;           // which tensors of the call are null, and why
  std::uintptr_t null_reach_;  // as far as an index into one of them may lead
};

// While it lives, this call is the one that a crash is told of. A store or two: calls are timed with it.
class CallInProgress {
 public:
  explicit CallInProgress(const CrashPlace& place) { set_call_in_progress(&place); }
  ~CallInProgress() { set_call_in_progress(nullptr); }
  CallInProgress(const CallInProgress&) = delete;
  CallInProgress& operator=(const CallInProgress&) = delete;
};

}  // namespace attn::bench
