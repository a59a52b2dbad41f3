// Roles: the tensors of a call, one row each. What allocates, fills, hashes, checks or counts tensors walks this table, so that
// a new one is a new row. lse is none of them: f32 and dense, whatever they are.
#pragma once

#include <array>
#include <cstdint>

#include "tensor.hpp"

namespace attn {

// The first ones number streams of random values (inputs.cpp).
enum class Role : std::int32_t { q, k, v, do_, o, dq, dk, dv };

// What a call does with a tensor.
enum class Use { absent, read, written };

struct TensorRole {
  Role role;
  const char* name;
  TensorView Tensors::*view;
  std::array<std::int64_t, 4> (*shape)(const Problem&);
  Use (*use)(const Problem&);
  bool filled;  // when read: from a seed; else it is computed from the others
  bool given;   // may come from a user's file
};

namespace detail {
constexpr Use always_read(const Problem&) { return Use::read; }
constexpr Use result(const Problem& p) { return p.backward ? Use::read : Use::written; }
constexpr Use read_backward(const Problem& p) { return p.backward ? Use::read : Use::absent; }
constexpr Use written_backward(const Problem& p) { return p.backward ? Use::written : Use::absent; }
}  // namespace detail

inline constexpr std::array kTensorRoles = {
    TensorRole{Role::q, "q", &Tensors::q, shape_q, detail::always_read, true, true},
    TensorRole{Role::k, "k", &Tensors::k, shape_k, detail::always_read, true, true},
    TensorRole{Role::v, "v", &Tensors::v, shape_v, detail::always_read, true, true},
    TensorRole{Role::dq, "dq", &Tensors::dq, shape_q, detail::written_backward, false, false},
    TensorRole{Role::dk, "dk", &Tensors::dk, shape_k, detail::written_backward, false, false},
    TensorRole{Role::dv, "dv", &Tensors::dv, shape_v, detail::written_backward, false, false},
    TensorRole{Role::o, "o", &Tensors::o, shape_o, detail::result, false, false},
    TensorRole{Role::do_, "do", &Tensors::do_, shape_o, detail::read_backward, true, false},
};

}  // namespace attn
