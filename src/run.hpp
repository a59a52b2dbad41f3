// run: the checked entry to a kernel: validate, refuse, prepare the arguments, call.
#pragma once

#include <cstddef>
#include <span>

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
// Throws std::invalid_argument when the problem is invalid, the tensors' shapes, types or strides do not fit it, lse
// is missing or superfluous, the team size is out of range, the workspace is too small or misaligned, or the kernel
// refuses (why_not).
Args prepare(const Variant& variant, const Problem& problem, const Tensors& tensors, int threads,
             std::span<std::byte> workspace);

// prepare, then one call. Thread-safe as long as no two calls share outputs or workspace.
void run(const Variant& variant, const Problem& problem, const Tensors& tensors, int threads,
         std::span<std::byte> workspace);

}  // namespace attn
