// attnbench new: the file of a variant of one's own, a copy of one that is right, and the commands that come next.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>

#include "base/descriptors.hpp"
#include "base/errors.hpp"
#include "base/read_text.hpp"
#include "base/say.hpp"
#include "base/shell_word.hpp"
#include "cases/peers.hpp"
#include "commands/commands.hpp"
#include "machine/installation.hpp"
#include "problem_text.hpp"
#include "registry.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string name, from = "naive", tree;
};

// What no symbol may be called; and two namespaces, which a symbol of theirs would hide from the kernel's own code.
constexpr std::array kReservedWords = {
    "alignas",     "alignof",  "and",        "and_eq",    "asm",       "auto",         "bitand",
    "bitor",       "bool",     "break",      "case",      "catch",     "char",         "char16_t",
    "char32_t",    "char8_t",  "class",      "co_await",  "co_return", "co_yield",     "compl",
    "concept",     "const",    "const_cast", "consteval", "constexpr", "constinit",    "continue",
    "decltype",    "default",  "delete",     "do",        "double",    "dynamic_cast", "else",
    "enum",        "explicit", "export",     "extern",    "false",     "float",        "for",
    "friend",      "goto",     "if",         "inline",    "int",       "long",         "mutable",
    "namespace",   "new",      "noexcept",   "not",       "not_eq",    "nullptr",      "operator",
    "or",          "or_eq",    "private",    "protected", "public",    "register",     "reinterpret_cast",
    "requires",    "return",   "short",      "signed",    "sizeof",    "static",       "static_assert",
    "static_cast", "struct",   "switch",     "template",  "this",      "thread_local", "throw",
    "true",        "try",      "typedef",    "typeid",    "typename",  "union",        "unsigned",
    "using",       "virtual",  "void",       "volatile",  "wchar_t",   "while",        "xor",
    "xor_eq",      "attn",     "std"};

constexpr std::size_t kLongestName = 64;

bool is_one_of(const std::string& word, const auto& words) { return std::ranges::find(words, word) != words.end(); }

std::string stem_of(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.substr(0, name.find('.'));
}

// The files of a folder that are variants.
std::set<fs::path> variant_files(const fs::path& folder) {
  std::set<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".cpp") files.insert(entry.path());
  return files;
}

void require_name(const std::string& name, std::span<const Variant* const> table) {
  const auto reject = [&](const std::string& why) {
    throw UsageError(fmt::format("'{}' cannot name a variant: {}", name, why));
  };
  const bool spelled = !name.empty() && name[0] >= 'a' && name[0] <= 'z' && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!spelled) reject("it is a C++ symbol and a file; valid: a letter a-z, then a-z, 0-9 and _");
  if (name.size() > kLongestName) reject(fmt::format("it has {} characters; at most {}", name.size(), kLongestName));
  if (name == "best") reject("--variants best stands for what attn::attention() would choose");
  if (is_one_of(name, kReservedWords)) reject("C++ has that word already");
  if (is_one_of(name, variant_names(table))) reject("there is a variant of that name; see attnbench list");
  for (const KnownPeer& peer : known_peers())
    if (peer.name == name) reject("there is a peer of that name; see attnbench list");
}

fs::path variants_of(const fs::path& tree) {
  const fs::path folder = tree / "variants";
  std::error_code error;
  if (!fs::is_regular_file(folder / "attn_add_variants.cmake", error))
    throw UsageError(fmt::format("{} is no source tree of attnbench; --tree names one", tree.string()));
  return folder;
}

// The file that is copied: of every ISA, else of one.
fs::path file_of(const std::string& variant, const fs::path& folder) {
  std::set<std::string> stems;
  fs::path found;
  for (const fs::path& file : variant_files(folder)) {
    stems.insert(stem_of(file));
    if (stem_of(file) == variant && (found.empty() || file.stem() == variant)) found = file;
  }
  if (found.empty())
    throw UsageError(fmt::format("--from {}: there is no such variant in {}; valid: {}", variant, folder.string(),
                                 fmt::join(stems, ", ")));
  return found;
}

// Puts `by` in the place of text [begin, end).
void replace(std::string& text, std::size_t begin, std::size_t end, const std::string& by) {
  text.replace(begin, end - begin, by);
}

// The file under its new name: symbol, summary and the comment on top are of the new variant, the rest is the old one's.
std::string renamed(std::string text, const std::string& from, const std::string& name) {
  std::size_t header = 0;
  while (text.compare(header, 2, "//") == 0) header = std::min(text.find('\n', header), text.size() - 1) + 1;
  replace(text, 0, header,
          fmt::format("// Idea: say here what it does that others do not, and why that should be faster.\n"
                      "//   It began as a copy of {0}, and so far is one.\n"
                      "// Differs from: {0}, in nothing yet.\n"
                      "// Cost, Numerics, Limits, Source: those of {0}, until you say others.\n",
                      from));
  const std::size_t macro = text.find("ATTN_VARIANT(" + from);
  if (macro == std::string::npos)
    throw UsageError(fmt::format("--from {0}: its file has no ATTN_VARIANT({0}, ...)", from));
  const std::size_t symbol = macro + std::strlen("ATTN_VARIANT(");
  replace(text, symbol, symbol + from.size(), name);
  const std::size_t summary = text.find(".summary", symbol), begin = text.find('"', summary);
  if (const std::size_t end = text.find('"', begin + 1); summary != std::string::npos && end != std::string::npos)
    replace(text, begin + 1, end, fmt::format("a copy of {}, so far", from));
  return text;
}

// Never over a file that is there, whoever else makes it at the same time.
void create(const fs::path& file, const std::string& text) {
  const Descriptor created(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!created && errno == EEXIST)
    throw UsageError(fmt::format("{} exists, and is left as it is; choose another name", file.string()));
  if (!created) throw_file_error("cannot write " + file.string(), errno);
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t n = write(created.get(), text.data() + written, text.size() - written);
    if (n <= 0) {
      const int error = errno;
      unlink(file.c_str());
      throw EnvironmentError(fmt::format("cannot write {}: {}", file.string(), std::strerror(error)));
    }
    written += static_cast<std::size_t>(n);
  }
}

// As it is typed from here.
std::string from_here(const fs::path& path) {
  std::error_code error;
  const fs::path relative = fs::proximate(path, error);
  const bool climbs = error || relative.string().starts_with("../..");
  return shell_word((climbs ? path : relative).string());
}

// The build tree that this program lies in, where that is one of this source tree; else nothing.
fs::path build_of(const fs::path& tree) {
  std::error_code error;
  fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  while (folder.has_relative_path() && !fs::exists(folder / "CMakeCache.txt", error)) folder = folder.parent_path();
  if (!folder.has_relative_path()) return {};
  const std::string key = "\nCMAKE_HOME_DIRECTORY:INTERNAL=", cache = read_text((folder / "CMakeCache.txt").string());
  const std::size_t home = cache.find(key);
  if (home == std::string::npos) return {};
  const std::size_t begin = home + key.size();
  return fs::equivalent(cache.substr(begin, cache.find('\n', begin) - begin), tree, error) ? folder : fs::path();
}

// The problem that the new variant is first measured on, and against whom: flash of its pass, which is fast, where that
// can compute it.
struct Duel {
  std::string opponent, problem;
};

Duel duel_of(const std::string& from, std::span<const Variant* const> table) {
  const auto row = std::ranges::find_if(table, [&](const Variant* v) { return v->name == from; });
  const std::uint64_t features = row == table.end() ? std::uint64_t{ATTN_TAKES_F32} : declared_features(**row);
  std::string problem = "h:12/q:1024/d:64";
  for (const Element& element : kElements)
    if ((features & ATTN_TAKES_F32) == 0 && (features & element.feature) != 0) {
      problem += fmt::format("/dtype:{}", element.name);
      break;
    }
  if (features & ATTN_BACKWARD) problem += "/pass:bwd";
  const std::string fast = features & ATTN_BACKWARD ? "flash_backward" : "flash";
  const Variant* rival = find_native(table, fast);
  return {rival != nullptr && why_not(*rival, parse_problem(problem), 1).empty() ? fast : from, problem};
}

int make(const Options& options, const Context& context) {
  if (options.tree.empty() && installation())
    throw UsageError("new writes into a source tree, and this program is installed outside of any; --tree names one");
  const fs::path tree = options.tree.empty() ? source_tree() : fs::absolute(options.tree).lexically_normal();
  const fs::path folder = variants_of(tree);
  require_name(options.name, context.table);
  const fs::path from = file_of(options.from, folder);
  for (const fs::path& file : variant_files(folder))
    if (stem_of(file) == options.name)
      throw UsageError(fmt::format("{} exists, and is left as it is; choose another name", file.string()));
  const fs::path file = folder / (options.name + from.filename().string().substr(options.from.size()));
  create(file, renamed(read_text(from.string()), options.from, options.name));

  const fs::path own_build = build_of(tree), build = own_build.empty() ? tree / "build" : own_build;
  const std::string program =
      from_here(own_build.empty() ? build / "bench" / "attnbench" : fs::read_symlink("/proc/self/exe"));
  const Duel duel = duel_of(options.from, context.table);
  say("{} is a copy of {}: edit it, then\n\n", from_here(file), options.from);
  if (own_build.empty()) put("cmake -S {} -B {}\n", from_here(tree), from_here(build));
  put("cmake --build {} --target attnbench\n"
      "{} verify --variants {}\n"
      "{} compare {} {} --problem {}\n",
      from_here(build), program, options.name, program, options.name, duel.opponent, duel.problem);
  return kExitGood;
}

}  // namespace

Command add_new(CLI::App& app) {
  CLI::App* command = app.add_subcommand("new", "begin a variant of one's own: its file, and what to type next");
  auto options = std::make_shared<Options>();
  command->add_option("name", options->name, "says the technique; becomes variants/NAME.cpp")->required();
  command->add_option("--from", options->from, "the variant that is copied")->capture_default_str();
  command->add_option("--tree", options->tree, "the source tree to write to; default: the one of this program");
  return [options](const Context& context) { return make(*options, context); };
}

}  // namespace attn::bench
