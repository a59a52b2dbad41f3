#include "workers/plugin.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <filesystem>
#include <tuple>

#include "base/errors.hpp"
#include "base/file_kind.hpp"
#include "base/printable.hpp"
#include "registry.hpp"

namespace attn::bench {
namespace {

constexpr const char* kSymbol = "attn_plugin_table";
// A count beyond this is no table but memory that was never one.
constexpr std::uint32_t kMostVariants = 1000;

[[noreturn]] void reject(const std::string& path, const std::string& what) {
  throw UsageError(fmt::format("--plugin {}: {}", path, what));
}

// A path with a slash, since the loader searches the system's folders for a bare name.
std::string absolute_path(const std::string& file) {
  std::error_code error;
  const auto path = std::filesystem::absolute(file, error);
  if (error) reject(file, error.message());
  if (!std::filesystem::exists(path, error)) reject(file, "there is no such file");
  if (!std::filesystem::is_regular_file(path, error))
    reject(file, fmt::format("there is no such file; it is {}", file_kind(file)));
  return path.string();
}

void* open_library(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) reject(path, fmt::format("cannot be loaded: {}", dlerror()));
  return library;
}

const attn_plugin& table_of(void* library, const std::string& path) {
  const auto get_table = reinterpret_cast<const attn_plugin* (*)()>(dlsym(library, kSymbol));
  if (get_table == nullptr)
    reject(path, fmt::format("is no plugin: it does not export {}() of src/attn_plugin.h", kSymbol));
  const attn_plugin* plugin = get_table();
  if (plugin == nullptr) reject(path, fmt::format("{}() returned null", kSymbol));
  if (plugin->abi != ATTN_PLUGIN_ABI)
    reject(path, fmt::format("speaks version {} of the plugin ABI, this attnbench version {}; compile it with this "
                             "revision's src/attn_plugin.h",
                             plugin->abi, ATTN_PLUGIN_ABI));
  if (plugin->count == 0) reject(path, "its table has no entries");
  if (plugin->count > kMostVariants)
    reject(path, fmt::format("its table has {} entries; at most {}", plugin->count, kMostVariants));
  if (plugin->variants == nullptr) reject(path, "its table of entries is null");
  return *plugin;
}

constexpr std::size_t kLongestName = 64;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// What attn_variant had in its first revision.
constexpr std::size_t kLeastStructSize = offsetof(Variant, run) + sizeof(Variant::run);

// The entry in a struct of this revision, which lives as long as the process; what lies beyond the entry's struct_size is
// not the plugin's, and null here.
const Variant* complete(const Variant& entry) {
  static std::deque<Variant> structs;
  Variant& row = structs.emplace_back();
  std::memcpy(&row, &entry, std::min<std::size_t>(entry.struct_size, sizeof(Variant)));
  row.struct_size = sizeof(Variant);
  return &row;
}

std::string quoted(const char* text) {
  constexpr std::size_t kMostQuoted = 80;  // it need not be text at all
  return text == nullptr ? "null" : fmt::format("'{}'", printable(text, kMostQuoted));
}

// Empty when the rest of the suite can rely on this entry.
std::string fault_of(const Variant* v) {
  if (v == nullptr) return "is null";
  if (v->struct_size < kLeastStructSize)
    return fmt::format("has struct_size {}; attn_variant has at least {} bytes", v->struct_size, kLeastStructSize);
  if (v->name == nullptr || !is_name(v->name))
    return fmt::format("has {} for a name; valid: [a-z0-9_]+ of at most {} characters", quoted(v->name), kLongestName);
  if (v->name == std::string_view("best")) return "is called best, which stands for what select picks";
  if (v->isa == nullptr || !parse_isa(v->isa))
    return fmt::format("({}) names the ISA {}; valid: {}", v->name, quoted(v->isa), fmt::join(kIsaNames, ", "));
  for (const auto& [field, text, meaning] : {std::tuple{"summary", v->summary, "what it is, in one line"},
                                             {"source", v->source, "where the idea comes from"}})
    if (text == nullptr || *text == '\0') return fmt::format("({}) leaves {} out; valid: {}", v->name, field, meaning);
  if (!(v->error_multiple >= 1 && v->error_multiple <= kMostErrorMultiple))
    return fmt::format(
        "({}) has error_multiple {:g}{}; valid: 1, or more (up to {:g}) where it trades accuracy by design", v->name,
        v->error_multiple, v->error_multiple == 0 ? " or leaves it out" : "", kMostErrorMultiple);
  if (v->run == nullptr) return fmt::format("({}) has no run function", v->name);
  return {};
}

}  // namespace

std::vector<Plugin> load_plugins(const std::vector<std::string>& files, std::span<const Variant* const> table) {
  std::vector<const Variant*> known(table.begin(), table.end());
  std::vector<Plugin> plugins;
  for (const std::string& file : files) {
    const std::string path = absolute_path(file);
    const auto before = loaded_objects();
    void* const library = open_library(path);
    const attn_plugin& loaded = table_of(library, path);
    Plugin plugin{.path = path,
                  .version = loaded.version == nullptr ? "" : loaded.version,
                  .variants = {},
                  .library = library,
                  .bindings = bindings_of(library, before)};
    for (std::uint32_t i = 0; i < loaded.count; ++i) {
      const Variant* row = loaded.variants[i];
      if (const std::string fault = fault_of(row); !fault.empty()) reject(path, fmt::format("entry {} {}", i, fault));
      if (find(known, row->name, isa_of(*row)) != nullptr)
        reject(path,
               fmt::format("entry {} ({}/{}) is there already; give it a name of its own", i, row->name, row->isa));
      known.push_back(complete(*row));
      plugin.variants.push_back(known.back());
    }
    plugins.push_back(std::move(plugin));
  }
  return plugins;
}

}  // namespace attn::bench
