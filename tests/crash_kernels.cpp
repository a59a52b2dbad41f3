#include "crash_kernels.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "support.hpp"

namespace attn::test {
namespace {

using Bytes = volatile char*;

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

Bytes end_of(const attn_output& o, const Problem& p) {
  return static_cast<Bytes>(o.data) + p.batch * p.heads * p.seqlen_q * p.value_dim * element_of(p.dtype).bytes;
}

// The first byte behind the page that this one is in.
Bytes next_page(Bytes byte) {
  const auto address = reinterpret_cast<std::uintptr_t>(byte);
  return reinterpret_cast<Bytes>((address + page_bytes() - 1) / page_bytes() * page_bytes());
}

void past_o(const Args* a) { *next_page(end_of(a->o, *a->problem)) = 0; }
void past_o_unseen(const Args* a) { *reinterpret_cast<volatile float*>(end_of(a->o, *a->problem)) = 0; }
void before_k(const Args* a) { static_cast<void>(*(static_cast<const volatile char*>(a->k.data) - 8)); }
void past_workspace(const Args* a) { *(static_cast<Bytes>(a->workspace) + page_bytes()) = 0; }
void null_lse(const Args* a) { static_cast<volatile float*>(a->lse)[3] = 0; }
void far_from_all(const Args*) { *reinterpret_cast<Bytes>(std::uintptr_t{0x100000}) = 0; }

int calls_without_end(volatile int* depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(*depth);
  *depth = *depth + 1;
  return *depth < 0 ? 0 : calls_without_end(depth) + frame[0];
}
void full_stack(const Args*) {
  volatile int depth = 0;
  static_cast<void>(calls_without_end(&depth));
}
void full_stack_in_a_team(const Args* a) {
#pragma omp parallel num_threads(a->threads)
  {
    volatile int depth = 0;
    static_cast<void>(calls_without_end(&depth));
  }
}
void trap(const Args*) { __builtin_trap(); }
void aborted(const Args*) { std::abort(); }
[[noreturn]] void refuse() { throw std::runtime_error("no \"plan\" for this"); }
void uncaught(const Args*) noexcept { refuse(); }
#if defined(__x86_64__)
void unknown_instruction(const Args*) { __asm__ volatile(".byte 0x06"); }  // push es: none of 64 bits
void division(const Args* a) {
  volatile std::int64_t zero = a->problem->seqlen_q - a->problem->seqlen_q, one = 1;
  one = one / zero;
}
void misaligned(const Args* a) { __asm__ volatile("movaps 4(%0), %%xmm0" : : "r"(a->q.data) : "xmm0"); }
#endif

constexpr Variant variant(const char* name, void (*run)(const Args*)) {
  return {.struct_size = sizeof(Variant),
          .name = name,
          .isa = kBaselineIsa,
          .summary = "for a test",
          .source = "tests",
          .features = ATTN_THREADS | ATTN_LSE,
          .error_multiple = 1,
          .workspace_bytes = [](const Problem*, std::int32_t) -> std::size_t { return 64; },
          .run = run};
}

constexpr std::array kVariants = {
    variant("past_o", past_o),
    variant("past_o_unseen", past_o_unseen),
    variant("before_k", before_k),
    variant("past_workspace", past_workspace),
    variant("null_lse", null_lse),
    variant("far_from_all", far_from_all),
    variant("full_stack", full_stack),
    variant("full_stack_in_a_team", full_stack_in_a_team),
    variant("trap", trap),
    variant("aborted", aborted),
    variant("uncaught", uncaught),
#if defined(__x86_64__)
    variant("unknown_instruction", unknown_instruction),
    variant("division", division),
    variant("misaligned", misaligned),
#endif
};

}  // namespace

std::span<const Variant* const> crash_kernels() {
  static const std::array pointers = [] {
    std::array<const Variant*, kVariants.size()> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = &kVariants[i];
    return all;
  }();
  return pointers;
}

}  // namespace attn::test
