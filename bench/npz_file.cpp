#include "npz_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zip.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "caches.hpp"
#include "errors.hpp"
#include "inputs.hpp"
#include "machine.hpp"
#include "printable.hpp"

namespace attn::bench {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are copied as they lie in the file");

constexpr std::array kNames = {"q", "k", "v"};
// That of an f32 array is some 130 bytes; structured types need thousands.
constexpr std::size_t kMostHeaderBytes = 65536;

// `what` may quote the file, which may hold anything.
[[noreturn]] void reject(const std::string& path, const std::string& what) {
  throw UsageError(fmt::format("--tensors {}: {}", printable(path), printable(what)));
}

// What the header of a .npy file says.
struct Header {
  std::string descr;  // as it is written; for a structured type "a structured type"
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

// Parses the Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, 4), }. Each step returns nothing
// when the text is something else.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  std::optional<Header> parse() {
    Header header;
    bool descr = false, order = false, shape = false;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const std::optional<std::string> key = string();
      if (!key || !take(':')) return std::nullopt;
      bool* const seen = *key == "descr"           ? &descr
                         : *key == "fortran_order" ? &order
                         : *key == "shape"         ? &shape
                                                   : nullptr;
      if (seen == nullptr || *seen) return std::nullopt;
      *seen = true;
      const bool parsed = seen == &descr   ? parse_descr(header)
                          : seen == &order ? parse_order(header)
                                           : parse_shape(header);
      if (!parsed) return std::nullopt;
      if (!take(',') && !peek('}')) return std::nullopt;
    }
    skip_space();
    return descr && order && shape && text_.empty() ? std::optional(header) : std::nullopt;
  }

 private:
  void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n"), text_.size())); }

  bool peek(char c) {
    skip_space();
    return !text_.empty() && text_.front() == c;
  }

  bool take(char c) {
    const bool there = peek(c);
    if (there) text_.remove_prefix(1);
    return there;
  }

  bool take(std::string_view word) {
    skip_space();
    if (text_.substr(0, word.size()) != word) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  std::optional<std::string> string() {
    const char quote = peek('"') ? '"' : '\'';
    if (!take(quote)) return std::nullopt;
    const std::size_t end = text_.find(quote);
    if (end == std::string_view::npos) return std::nullopt;
    std::string value(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    return value;
  }

  bool parse_descr(Header& header) {
    if (peek('[')) return skip_list(header);
    const std::optional<std::string> value = string();
    if (value) header.descr = *value;
    return value.has_value();
  }

  // A list of fields is never read, only named.
  bool skip_list(Header& header) {
    int depth = 0;
    while (!text_.empty()) {
      const char c = text_.front();
      text_.remove_prefix(1);
      depth += (c == '[') - (c == ']');
      if (depth == 0) break;
    }
    header.descr = "a structured type";
    return depth == 0;
  }

  bool parse_order(Header& header) {
    header.fortran_order = take(std::string_view("True"));
    return header.fortran_order || take(std::string_view("False"));
  }

  bool parse_shape(Header& header) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip_space();
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc()) return false;
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      header.shape.push_back(size);
      if (!take(',') && !peek(')')) return false;
    }
    return true;
  }

  std::string_view text_;
};

// "float64 ('<f8')"
std::string type_name(const std::string& descr) {
  const std::string_view kind = std::string_view(descr).substr(std::min<std::size_t>(1, descr.size()));
  const std::string name = kind == "f2"   ? "float16"
                           : kind == "f4" ? "float32"
                           : kind == "f8" ? "float64"
                           : kind == "V2" ? "a type of 2 bytes, perhaps bfloat16,"
                                          : "";
  if (name.empty()) return descr.find(' ') == std::string::npos ? fmt::format("'{}'", descr) : descr;
  return fmt::format("{}{} ('{}')", descr[0] == '>' ? "big-endian " : "", name, descr);
}

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};

// An archive that is open for reading.
class Archive {
 public:
  explicit Archive(const std::string& path) : path_(path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) fail("there is no such file");
    int code = 0;
    archive_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
    if (archive_ == nullptr) {
      zip_error_t reason;
      zip_error_init_with_code(&reason, code);
      const std::string text = zip_error_strerror(&reason);
      zip_error_fini(&reason);
      fail(fmt::format("cannot be read: {}; valid: a whole file of numpy.savez or savez_compressed", text));
    }
  }

  [[noreturn]] void fail(const std::string& what) const { reject(path_, what); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
    for (zip_int64_t i = 0; i < count; ++i)
      if (const char* name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), 0)) names.emplace_back(name);
    return names;
  }

  zip_t* get() const { return archive_.get(); }

 private:
  std::string path_;
  std::unique_ptr<zip_t, CloseArchive> archive_;
};

// One .npy file of an archive, read from begin to end.
class Entry {
 public:
  Entry(const Archive& archive, const std::string& array) : archive_(archive), array_(array) {
    const std::string file = array + ".npy";
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat(archive.get(), file.c_str(), 0, &stat) != 0 || !(stat.valid & ZIP_STAT_SIZE))
      fail(fmt::format("cannot be found: {}", zip_strerror(archive.get())));
    bytes_ = stat.size;
    entry_.reset(zip_fopen(archive.get(), file.c_str(), 0));
    if (entry_ == nullptr) fail(fmt::format("cannot be read: {}", zip_strerror(archive.get())));
  }

  [[noreturn]] void fail(const std::string& what) const { archive_.fail(fmt::format("array '{}' {}", array_, what)); }

  // Of the whole .npy file, as the archive's directory says.
  std::uint64_t bytes() const { return bytes_; }

  void read(std::span<std::byte> to) {
    while (!to.empty()) {
      const zip_int64_t count = zip_fread(entry_.get(), to.data(), to.size());
      if (count < 0) fail(fmt::format("cannot be read: {}", zip_file_strerror(entry_.get())));
      if (count == 0) fail("is truncated");
      to = to.subspan(static_cast<std::size_t>(count));
    }
  }

  // That there is nothing more; this is when the checksum is compared.
  void expect_end() {
    std::byte beyond;
    const zip_int64_t count = zip_fread(entry_.get(), &beyond, 1);
    if (count < 0) fail(fmt::format("is damaged: {}", zip_file_strerror(entry_.get())));
    if (count > 0) fail("is longer than the archive says");
  }

 private:
  const Archive& archive_;
  std::string array_;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<zip_file_t, CloseEntry> entry_;
};

// The bytes of the header's text, whose length stands before it in two bytes or, from version 2 on, in four.
std::string read_header_text(Entry& entry, std::uint64_t& header_bytes) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  std::array<unsigned char, 12> start{};
  const auto part = [&](std::size_t first, std::size_t count) {
    return std::as_writable_bytes(std::span(start).subspan(first, count));
  };
  if (entry.bytes() < start.size()) entry.fail(fmt::format("is no .npy file: it has {} bytes", entry.bytes()));
  entry.read(part(0, 8));
  if (!std::equal(kMagic.begin(), kMagic.end(), reinterpret_cast<const char*>(start.data())))
    entry.fail("is no .npy file: it does not begin with \\x93NUMPY");
  if (start[6] < 1 || start[6] > 3)
    entry.fail(fmt::format("is a .npy file of version {}.{}; valid: 1 to 3", start[6], start[7]));
  const std::size_t length_bytes = start[6] == 1 ? 2 : 4;
  entry.read(part(8, length_bytes));
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length |= std::uint64_t{start[8 + i]} << (8 * i);
  header_bytes = 8 + length_bytes + length;
  if (header_bytes > entry.bytes() || length > kMostHeaderBytes)
    entry.fail(fmt::format("has a header of {} bytes in {} bytes; that of an f32 array has less than {}", length,
                           entry.bytes(), kMostHeaderBytes));
  std::string text(length, '\0');
  entry.read(std::as_writable_bytes(std::span(text)));
  return text;
}

Header read_header(Entry& entry, const std::string& name, std::uint64_t& header_bytes) {
  const std::string text = read_header_text(entry, header_bytes);
  const std::optional<Header> header = HeaderParser(text).parse();
  if (!header)
    entry.fail(fmt::format("has a header that is not understood: {}",
                           text.substr(0, std::min<std::size_t>(text.size(), 160))));
  const std::string remedy = fmt::format(
      "valid: little-endian float32 in C order; convert with numpy.savez('new.npz', {}=numpy."
      "ascontiguousarray({}, dtype='float32'), ...)",
      name, name);
  if (header->descr != "<f4") entry.fail(fmt::format("is {}; {}", type_name(header->descr), remedy));
  if (header->fortran_order) entry.fail(fmt::format("is in Fortran order; {}", remedy));
  return *header;
}

// The shape with a batch, after what the archive says about the array's size has been found to be the same.
std::array<std::int64_t, 4> checked_shape(Entry& entry, const Header& header, std::uint64_t header_bytes) {
  const std::string text = fmt::format("[{}]", fmt::join(header.shape, ", "));
  if (header.shape.size() != 3 && header.shape.size() != 4)
    entry.fail(fmt::format("has the shape {}; valid: [batch, heads, seqlen, dim] or [heads, seqlen, dim]", text));
  std::array<std::int64_t, 4> shape = {1, 1, 1, 1};
  std::uint64_t bytes = sizeof(float);
  bool fits = true;
  for (std::size_t i = 0; i < header.shape.size(); ++i) {
    const std::uint64_t size = header.shape[i];
    if (size < 1 || size > static_cast<std::uint64_t>(kMaxDimension))
      entry.fail(fmt::format("has the shape {}; each size is between 1 and {}", text, kMaxDimension));
    shape[4 - header.shape.size() + i] = static_cast<std::int64_t>(size);
    fits = fits && !__builtin_mul_overflow(bytes, size, &bytes);
  }
  if (!fits || bytes != entry.bytes() - header_bytes)
    entry.fail(fmt::format("has the shape {} in f32, but {} bytes of values", text, entry.bytes() - header_bytes));
  return shape;
}

// Values of one array, and their view in `view`.
AlignedBuffer read_array(const Archive& archive, const std::string& name, TensorView& view) {
  Entry entry(archive, name);
  std::uint64_t header_bytes = 0;
  const Header header = read_header(entry, name, header_bytes);
  const std::array<std::int64_t, 4> shape = checked_shape(entry, header, header_bytes);
  const std::uint64_t bytes = entry.bytes() - header_bytes;
  if (const std::int64_t available = available_bytes(); bytes > static_cast<std::uint64_t>(available))
    entry.fail(fmt::format("needs {} of memory, {} is available", bytes_text(static_cast<std::int64_t>(bytes)),
                           bytes_text(available)));
  AlignedBuffer memory(bytes);
  entry.read(memory.bytes());
  entry.expect_end();
  view = dense_view(memory.data(), shape, Layout::bhsd);
  return memory;
}

}  // namespace

NpzFile::NpzFile(const std::string& path) {
  const Archive archive(path);
  const std::vector<std::string> files = archive.names();
  for (const char* name : kNames) {
    const auto count = std::count(files.begin(), files.end(), fmt::format("{}.npy", name));
    if (count == 0)
      archive.fail(fmt::format("has no array '{}'; needed are q, k and v, there are: {}", name,
                               files.empty() ? "none" : fmt::format("{}", fmt::join(files, ", "))));
    if (count > 1) archive.fail(fmt::format("has {} arrays '{}'", count, name));
  }
  for (const std::string& file : files) {
    const std::string name = file.substr(0, file.rfind(".npy"));
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) ignored_.push_back(name);
  }
  path_ = std::filesystem::absolute(path).lexically_normal().string();
  const std::array views = {&tensors_.q, &tensors_.k, &tensors_.v};
  for (std::size_t i = 0; i < kNames.size(); ++i) memory_[i] = read_array(archive, kNames[i], *views[i]);
}

Problem NpzFile::problem() const {
  const auto& q = tensors_.q.shape;
  Problem p{.batch = q[0],
            .heads = q[1],
            .kv_heads = tensors_.k.shape[1],
            .seqlen_q = q[2],
            .seqlen_k = tensors_.k.shape[2],
            .head_dim = q[3],
            .value_dim = tensors_.v.shape[3],
            .window_left = -1,
            .window_right = -1,
            .dtype = ATTN_F32,
            .lse = 0};
  try {
    validate(p);
    validate_given(tensors_, p);
  } catch (const std::invalid_argument& error) {
    reject(path_, fmt::format("the shapes do not go together: {}", error.what()));
  }
  return p;
}

std::string NpzFile::name() const { return printable(path_); }

std::string NpzFile::hash() const { return fmt::format("{:016x}", hash_values(tensors_)); }

}  // namespace attn::bench
