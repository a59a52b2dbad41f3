// Bindings: which BLAS and which OpenMP runtime the calls of a shared library ended up with. A name that the process has
// already is not searched for again: whoever loads a library beside a BLAS of its own makes it call that one, and measures
// something that exists nowhere else.
#pragma once

#include <cstdint>
#include <set>
#include <string>

namespace attn::bench {

struct Bindings {
  std::string libraries;  // "BLAS: torch/lib/libtorch_cpu.so; OpenMP: torch/lib/libgomp.so.1", and what else is there
  // Empty, or a call that goes to a library which is not the caller's own: symbol, library bound and library expected.
  std::string foreign;
};

// The objects of the process, by the address that each is loaded at.
std::set<std::uintptr_t> loaded_objects();

// Of what `handle` of dlopen(RTLD_NOW) brought along: `before` are the objects that had been there. Read from the slots
// through which its objects call; what was bound by dlsym(), or inside an object, cannot be anybody else's.
Bindings bindings_of(void* handle, const std::set<std::uintptr_t>& before);

}  // namespace attn::bench
