#include "isa.hpp"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

// This library decides what may run, so it must itself run everywhere.
#if defined(__SSE3__) || defined(__AVX__) || defined(__ARM_FEATURE_SVE)
#error "src/ must be compiled for the baseline of its architecture"
#endif

namespace attn {
namespace {

#if defined(__x86_64__)

enum Register { eax, ebx, ecx, edx };

struct CpuFeature {
  const char* name;
  Isa needed_from;
  unsigned leaf, subleaf;
  Register reg;
  int bit;
};

// psABI x86-64-v2 and v3 make avx2, v4 makes avx512. Intel SDM volume 2A, CPUID.
constexpr CpuFeature kFeatures[] = {
    {"sse3", Isa::avx2, 1, 0, ecx, 0},
    {"ssse3", Isa::avx2, 1, 0, ecx, 9},
    {"fma", Isa::avx2, 1, 0, ecx, 12},
    {"cx16", Isa::avx2, 1, 0, ecx, 13},
    {"sse4.1", Isa::avx2, 1, 0, ecx, 19},
    {"sse4.2", Isa::avx2, 1, 0, ecx, 20},
    {"movbe", Isa::avx2, 1, 0, ecx, 22},
    {"popcnt", Isa::avx2, 1, 0, ecx, 23},
    {"osxsave", Isa::avx2, 1, 0, ecx, 27},
    {"avx", Isa::avx2, 1, 0, ecx, 28},
    {"f16c", Isa::avx2, 1, 0, ecx, 29},
    {"lahf", Isa::avx2, 0x80000001, 0, ecx, 0},
    {"lzcnt", Isa::avx2, 0x80000001, 0, ecx, 5},
    {"bmi1", Isa::avx2, 7, 0, ebx, 3},
    {"avx2", Isa::avx2, 7, 0, ebx, 5},
    {"bmi2", Isa::avx2, 7, 0, ebx, 8},
    {"avx512f", Isa::avx512, 7, 0, ebx, 16},
    {"avx512dq", Isa::avx512, 7, 0, ebx, 17},
    {"avx512cd", Isa::avx512, 7, 0, ebx, 28},
    {"avx512bw", Isa::avx512, 7, 0, ebx, 30},
    {"avx512vl", Isa::avx512, 7, 0, ebx, 31},
    {"avx512_bf16", Isa::avx512bf16, 7, 1, eax, 5},
    {"avx512_vnni", Isa::avx512bf16, 7, 0, ecx, 11},
    {"avx512_fp16", Isa::amx, 7, 0, edx, 23},
    {"amx_bf16", Isa::amx, 7, 0, edx, 22},
    {"amx_tile", Isa::amx, 7, 0, edx, 24},
    {"amx_int8", Isa::amx, 7, 0, edx, 25},
};

bool cpu_has(const CpuFeature& f) {
  unsigned regs[4] = {};
  return __get_cpuid_count(f.leaf, f.subleaf, &regs[eax], &regs[ebx], &regs[ecx], &regs[edx]) &&
         (regs[f.reg] >> f.bit & 1);
}

// XCR0 bits that the OS must have set: it saves these registers on a context switch.
std::uint64_t needed_xcr0(Isa isa) {
  constexpr std::uint64_t kYmm = 0x6, kZmm = 0xe0, kTiles = 0x60000;
  return (implies(isa, Isa::avx2) ? kYmm : 0) | (implies(isa, Isa::avx512) ? kZmm : 0) |
         (implies(isa, Isa::amx) ? kTiles : 0);
}

std::uint64_t xcr0() {
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

// Linux hands out the tile registers only to a process that asked (Documentation/arch/x86/xstate.rst).
bool request_tiles() {
  constexpr int kArchReqXcompPerm = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kTileData) == 0;
}

std::string find_missing(Isa isa) {
  if (isa == Isa::neon64) return "this CPU is x86-64, not AArch64";
  for (const CpuFeature& f : kFeatures)
    if (implies(isa, f.needed_from) && !cpu_has(f)) return std::string("this CPU lacks ") + f.name;
  // xgetbv itself needs osxsave, which every level above sse2 has checked by now.
  if (const std::uint64_t needed = needed_xcr0(isa); needed != 0 && (xcr0() & needed) != needed)
    return "the operating system does not save its registers (XCR0)";
  if (isa == Isa::amx && !request_tiles()) return "the operating system does not permit AMX tiles";
  return {};
}

#else

std::string find_missing(Isa isa) { return isa == Isa::neon64 ? "" : "this CPU is not x86-64"; }

#endif

}  // namespace

std::optional<Isa> parse_isa(std::string_view name) {
  const auto found = std::find(kIsaNames.begin(), kIsaNames.end(), name);
  if (found == kIsaNames.end()) return std::nullopt;
  return static_cast<Isa>(found - kIsaNames.begin());
}

const std::string& missing_for(Isa isa) {
  static const std::array<std::string, kIsaNames.size()> missing = [] {
    std::array<std::string, kIsaNames.size()> result;
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = find_missing(static_cast<Isa>(i));
    return result;
  }();
  return missing[static_cast<std::size_t>(isa)];
}

}  // namespace attn
