// run: the checked entry to a kernel: validate, refuse, prepare the arguments, call.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "problem.hpp"
#include "tensor.hpp"
#include "variant.hpp"

namespace attn {

inline constexpr int kMaxThreads = 4096;

// Throws std::invalid_argument unless 1 <= threads <= kMaxThreads.
void validate_threads(int threads);

// Bytes of workspace that the kernel wants for this problem and team.
std::size_t workspace_bytes(const Variant& variant, const Problem& problem, int threads);

// Arguments of a kernel, ready to be called again and again; points into `problem`, which must outlive it.
// Throws std::invalid_argument when the problem is invalid, the tensors' shapes, types or strides do not fit it, lse, a
// gradient or a scale of int8 is missing or superfluous, a scale is not positive and finite (which names head and token), an
// output or the workspace shares memory with itself or another tensor, the softmax scale is not finite, first_head is beyond
// the numbers of dropout, the team size is out of range, the workspace is too small or misaligned, or the kernel refuses
// (why_not).
Args prepare(const Variant& variant, const Problem& problem, const Tensors& tensors, int threads,
             std::span<std::byte> workspace);

// Arguments together with the state that the kernel's own prepare made for them. Movable; releases the state.
class PreparedArgs {
 public:
  // Throws std::runtime_error when the kernel says that it could not prepare itself.
  PreparedArgs(const Variant& variant, const Args& args);
  ~PreparedArgs();
  PreparedArgs(PreparedArgs&& other) noexcept;
  PreparedArgs& operator=(PreparedArgs&&) = delete;

  void run() const { variant_->run(&args_); }
  // After the inputs changed: the state that the kernel's prepare makes of them is released and made anew.
  void prepare_again();
  // After the last run, before anyone looks at the outputs.
  void finish() const;
  // What ran inside the library behind the kernel; empty when it does not tell.
  std::string what_ran() const;

 private:
  void release();

  const Variant* variant_;
  Args args_;
};

// prepare, then one call. Thread-safe as long as no two calls share outputs or workspace; in a child of fork(), too. Throws
// std::system_error when the team cannot start.
void run(const Variant& variant, const Problem& problem, const Tensors& tensors, int threads,
         std::span<std::byte> workspace);

}  // namespace attn
