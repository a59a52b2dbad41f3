// Roles: the tensors of a call, one row each. What allocates, fills, hashes, checks or counts tensors walks this table, so that
// a new one is a new row. lse is none of them: f32 and dense, whatever they are.
#pragma once

#include <array>
#include <cstdint>

#include "tensor.hpp"

namespace attn {

// The first ones number streams of random values (inputs.cpp).
enum class Role : std::int32_t { q, k, v, do_, o, dq, dk, dv, k_scale, v_scale };

// What a call does with a tensor.
enum class Use { absent, read, written };

struct TensorRole {
  Role role;
  const char* name;
  TensorView Tensors::*view;
  std::array<std::int64_t, 4> (*shape)(const Problem&);
  Use (*use)(const Problem&);
  std::int32_t (*dtype)(const Problem&);
  bool filled;  // when read: from a seed; else it is computed from the others
  bool given;   // may come from a user's file
  bool dense;   // contiguous in the order of its shape, whatever the layout
};

namespace detail {
constexpr std::int32_t dtype_of_problem(const Problem& p) { return p.dtype; }
constexpr std::int32_t dtype_of_kv(const Problem& p) { return p.kv == ATTN_KV_INT8 ? kInt8Dtype : p.dtype; }
constexpr std::int32_t dtype_of_scale(const Problem&) { return ATTN_F32; }
constexpr Use read_int8(const Problem& p) { return p.kv == ATTN_KV_INT8 ? Use::read : Use::absent; }
constexpr Use always_read(const Problem&) { return Use::read; }
constexpr Use result(const Problem& p) { return p.backward ? Use::read : Use::written; }
constexpr Use read_backward(const Problem& p) { return p.backward ? Use::read : Use::absent; }
constexpr Use written_backward(const Problem& p) { return p.backward ? Use::written : Use::absent; }
}  // namespace detail

inline constexpr std::array kTensorRoles = {
    TensorRole{Role::q, "q", &Tensors::q, shape_q, detail::always_read, detail::dtype_of_problem, true, true, false},
    TensorRole{Role::k, "k", &Tensors::k, shape_k, detail::always_read, detail::dtype_of_kv, true, true, false},
    TensorRole{Role::v, "v", &Tensors::v, shape_v, detail::always_read, detail::dtype_of_kv, true, true, false},
    TensorRole{Role::k_scale, "k_scale", &Tensors::k_scale, shape_scale, detail::read_int8, detail::dtype_of_scale,
               false, true, true},
    TensorRole{Role::v_scale, "v_scale", &Tensors::v_scale, shape_scale, detail::read_int8, detail::dtype_of_scale,
               false, true, true},
    TensorRole{Role::dq, "dq", &Tensors::dq, shape_q, detail::written_backward, detail::dtype_of_problem, false, false,
               false},
    TensorRole{Role::dk, "dk", &Tensors::dk, shape_k, detail::written_backward, detail::dtype_of_problem, false, false,
               false},
    TensorRole{Role::dv, "dv", &Tensors::dv, shape_v, detail::written_backward, detail::dtype_of_problem, false, false,
               false},
    TensorRole{Role::o, "o", &Tensors::o, shape_o, detail::result, detail::dtype_of_problem, false, false, false},
    TensorRole{Role::do_, "do", &Tensors::do_, shape_o, detail::read_backward, detail::dtype_of_problem, true, false,
               false},
};

}  // namespace attn
