#include "workers/bindings.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string_view>
#include <vector>

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

enum Family { kBlas, kOpenMp };
constexpr std::array kFamilyNames = {"BLAS", "OpenMP"};

// Every library of a family has one of these.
constexpr std::array<std::array<const char*, 3>, 2> kMarks = {
    {{"sgemm_", "cblas_sgemm", "dgemm_"}, {"GOMP_parallel", "__kmpc_fork_call", "omp_get_max_threads"}}};

// The products, sums and solvers on f32 and f64 that attention could be made of, in Fortran's and in C's names.
bool is_blas(std::string_view name) {
  if (name.starts_with("cblas_")) name.remove_prefix(6);
  if (!name.empty() && name.back() == '_') name.remove_suffix(1);
  if (name.size() < 2 || (name[0] != 's' && name[0] != 'd')) return false;
  constexpr std::array<std::string_view, 9> kRoutines = {
      "gemm", "gemm_batch", "gemm_batch_strided", "gemv", "ger", "syrk", "trsm", "dot", "axpy"};
  return std::ranges::find(kRoutines, name.substr(1)) != kRoutines.end();
}

bool is_openmp(std::string_view name) {
  return name.starts_with("GOMP_") || name.starts_with("__kmpc_") || name.starts_with("omp_");
}

// Of several calls that went astray the one to tell: the family's mark, which everybody knows.
std::size_t rank_of(std::string_view symbol) {
  std::size_t rank = 0;
  for (const auto& marks : kMarks)
    for (const char* mark : marks) {
      if (symbol == mark) return rank;
      ++rank;
    }
  return rank;
}

struct Object {
  std::string path;  // empty for the program itself
  std::uintptr_t base;
  const ElfW(Dyn) * dynamic;
};

std::vector<Object> objects() {
  std::vector<Object> found;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* list) {
        Object object{info->dlpi_name, info->dlpi_addr, nullptr};
        for (int i = 0; i < info->dlpi_phnum; ++i)
          if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            object.dynamic = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        static_cast<std::vector<Object>*>(list)->push_back(object);
        return 0;
      },
      &found);
  return found;
}

// An entry that is an address. glibc has relocated it where it can write to the section.
std::uintptr_t address_of(const Object& object, ElfW(Sxword) tag) {
  for (const auto* d = object.dynamic; d != nullptr && d->d_tag != DT_NULL; ++d)
    if (d->d_tag == tag) return d->d_un.d_ptr < object.base ? object.base + d->d_un.d_ptr : d->d_un.d_ptr;
  return 0;
}

std::size_t size_of(const Object& object, ElfW(Sxword) tag) {
  for (const auto* d = object.dynamic; d != nullptr && d->d_tag != DT_NULL; ++d)
    if (d->d_tag == tag) return d->d_un.d_val;
  return 0;
}

// Calls f(name, slot) for every relocation that holds the address of a named symbol.
template <class F>
void for_each_slot(const Object& object, const F& f) {
  const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(address_of(object, DT_SYMTAB));
  const auto* names = reinterpret_cast<const char*>(address_of(object, DT_STRTAB));
  if (symbols == nullptr || names == nullptr) return;
  const auto walk = [&](ElfW(Sxword) table, ElfW(Sxword) bytes) {
    const auto* entries = reinterpret_cast<const ElfW(Rela)*>(address_of(object, table));
    const std::size_t count = entries == nullptr ? 0 : size_of(object, bytes) / sizeof(ElfW(Rela));
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t symbol = ELF64_R_SYM(entries[i].r_info);
      const auto type = ELF64_R_TYPE(entries[i].r_info);
#ifdef __aarch64__
      const bool is_address = type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT || type == R_AARCH64_ABS64;
#else
      const bool is_address = type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64;
#endif
      if (symbol == 0 || !is_address) continue;
      f(names + symbols[symbol].st_name, reinterpret_cast<void* const*>(object.base + entries[i].r_offset));
    }
  };
  walk(DT_JMPREL, DT_PLTRELSZ);
  walk(DT_RELA, DT_RELASZ);
}

// The library that an address is in: its base and its path.
struct Home {
  std::uintptr_t base = 0;
  std::string path;
};

Home home_of(const void* address) {
  Dl_info info{};
  if (address == nullptr || dladdr(address, &info) == 0) return {};
  return {reinterpret_cast<std::uintptr_t>(info.dli_fbase), info.dli_fname};
}

// Where the library and what it needs have a symbol, whoever else in the process has it too.
Home own_home_of(void* library, const char* symbol) { return home_of(dlsym(library, symbol)); }

// Libraries of the system by name, others with the folders by which they are known.
std::string short_path(const std::string& file) {
  const fs::path path(file);
  if (file.starts_with("/usr/lib") || file.starts_with("/lib")) return path.filename().string();
  const fs::path folder = path.parent_path();
  return (folder.parent_path().filename() / folder.filename() / path.filename()).string();
}

// A library of the same name that lies beside its caller is the one that it was delivered with.
std::string delivered_instead_of(const Home& bound, const std::string& caller) {
  std::error_code error;
  const fs::path beside = fs::path(caller).parent_path() / fs::path(bound.path).filename();
  return fs::exists(beside, error) && !fs::equivalent(beside, bound.path, error) ? beside.string() : "";
}

}  // namespace

std::set<std::uintptr_t> loaded_objects() {
  std::set<std::uintptr_t> bases;
  for (const Object& object : objects()) bases.insert(object.base);
  return bases;
}

Bindings bindings_of(void* handle, const std::set<std::uintptr_t>& before) {
  Bindings bindings;
  std::array<std::vector<std::string>, 2> bound, present;
  const auto note = [](std::vector<std::string>& list, const std::string& path) {
    if (const std::string name = short_path(path); std::ranges::find(list, name) == list.end()) list.push_back(name);
  };
  std::size_t told = rank_of("") + 1;
  const auto complain = [&](const Object& caller, const char* symbol, const Home& home, const std::string& expected) {
    if (rank_of(symbol) >= told) return;
    told = rank_of(symbol);
    bindings.foreign = fmt::format("{} of {} is bound to {}, not to {}: what ran is not the library by itself", symbol,
                                   short_path(caller.path), home.path, expected);
  };
  for (const Object& object : objects()) {
    void* library = object.path.empty() ? nullptr : dlopen(object.path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (library == nullptr) continue;
    for (const Family family : {kBlas, kOpenMp})
      for (const char* mark : kMarks[family])
        if (const Home home = own_home_of(library, mark); home.base == object.base) note(present[family], object.path);
    if (!before.contains(object.base))
      for_each_slot(object, [&](const char* symbol, void* const* slot) {
        if (!is_blas(symbol) && !is_openmp(symbol)) return;
        const Home home = home_of(*slot);
        if (home.base == 0) return;  // a weak symbol that nobody has
        note(bound[is_blas(symbol) ? kBlas : kOpenMp], home.path);
        Home own = own_home_of(library, symbol);
        if (own.base == 0) own = own_home_of(handle, symbol);  // linked without naming it: its user names it
        if (own.base != home.base && before.contains(home.base))
          complain(object, symbol, home, own.base == 0 ? "a library that it came with" : own.path);
        else if (const std::string other = delivered_instead_of(home, object.path); !other.empty())
          complain(object, symbol, home, other);
      });
    dlclose(library);
  }
  for (const Family family : {kBlas, kOpenMp}) {
    std::vector<std::string>& mine = bound[family];
    // What calls its own without a slot.
    if (mine.empty())
      for (const char* mark : kMarks[family])
        if (const Home home = own_home_of(handle, mark); home.base != 0) note(mine, home.path);
    std::erase_if(present[family],
                  [&](const std::string& name) { return std::ranges::find(mine, name) != mine.end(); });
    bindings.libraries += fmt::format("{}{}: {}", bindings.libraries.empty() ? "" : "; ", kFamilyNames[family],
                                      mine.empty() ? "none" : fmt::format("{}", fmt::join(mine, ", ")));
    if (!present[family].empty())
      bindings.libraries += fmt::format(" (also loaded: {})", fmt::join(present[family], ", "));
  }
  return bindings;
}

}  // namespace attn::bench
