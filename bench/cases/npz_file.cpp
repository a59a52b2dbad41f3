#include "cases/npz_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>

#include "base/errors.hpp"
#include "base/file_kind.hpp"
#include "base/printable.hpp"
#include "base/quantities.hpp"
#include "cases/npy_header.hpp"
#include "inputs.hpp"
#include "machine/caches.hpp"
#include "machine/machine.hpp"
#include "roles.hpp"

namespace attn::bench {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are copied as they lie in the file");

// That of an f32 array is some 130 bytes; structured types need thousands.
constexpr std::size_t kMostHeaderBytes = 65536;

// `what` may quote the file, which may hold anything.
[[noreturn]] void reject(const std::string& path, const std::string& what) {
  throw UsageError(fmt::format("--tensors {}: {}", printable(path), printable(what)));
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
    if (!std::filesystem::exists(path, error)) fail("there is no such file");
    // Neither does one wait for a pipe that nobody writes to: the directory of an archive is at its end.
    if (!std::filesystem::is_regular_file(path, error))
      fail(fmt::format("is {}, of which no archive can be read; valid: a file of numpy.savez", file_kind(path)));
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
  if (start[6] < 1 || start[6] > 3 || start[7] != 0)
    entry.fail(fmt::format("is a .npy file of version {}.{}; valid: 1.0, 2.0 and 3.0", start[6], start[7]));
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

bool may_be_int8(const TensorRole& role) { return role.role == Role::k || role.role == Role::v; }

// Of a type that an array of this role may have.
std::optional<std::int32_t> dtype_of(const TensorRole& role, std::string_view descr) {
  if (may_be_int8(role) && is_int8(descr)) return kInt8Dtype;
  const std::optional<attn_dtype> dtype = npy_dtype(descr);
  if (!dtype || (role.dense && dtype != ATTN_F32)) return std::nullopt;
  return *dtype;
}

// How to write the file again. `array`: the expression that makes the array what it must be.
std::string remedy(const TensorRole& role, const std::string& array) {
  return fmt::format("valid: little-endian float32{} in C order{}; convert with numpy.savez('new.npz', {}={}, ...)",
                     role.dense ? "" : ", float16 or ml_dtypes' bfloat16",
                     may_be_int8(role) ? fmt::format(", or int8 with {}_scale", role.name) : "", role.name, array);
}

NpyHeader read_header(Entry& entry, const TensorRole& role, std::uint64_t& header_bytes) {
  const char* name = role.name;
  const std::string text = read_header_text(entry, header_bytes);
  const std::optional<NpyHeader> header = parse_npy_header(text);
  if (!header)
    entry.fail(fmt::format("has a header that is not understood: {}",
                           text.substr(0, std::min<std::size_t>(text.size(), 160))));
  if (!dtype_of(role, header->descr)) {
    const std::string type = npy_type_name(header->descr);
    if (!role.dense && is_nameless_pair_of_bytes(header->descr))
      entry.fail(fmt::format("is {}; numpy.load forgets that type: {}", type,
                             remedy(role, fmt::format("{}.view(ml_dtypes.bfloat16)", name))));
    entry.fail(fmt::format("is {}; {}", type,
                           remedy(role, fmt::format("numpy.ascontiguousarray({}, dtype='float32')", name))));
  }
  if (header->fortran_order)
    entry.fail(fmt::format("is in Fortran order; {}", remedy(role, fmt::format("numpy.ascontiguousarray({})", name))));
  return *header;
}

// The shape with a batch, after what the archive says about the array's size has been found to be the same.
std::array<std::int64_t, 4> checked_shape(Entry& entry, const TensorRole& role, const NpyHeader& header,
                                          const Element& element, std::uint64_t header_bytes) {
  const std::string text = fmt::format("[{}]", fmt::join(header.shape, ", "));
  const std::size_t most = role.dense ? 3 : 4;  // scales have no dim
  if (header.shape.size() != most && header.shape.size() + 1 != most)
    entry.fail(fmt::format("has the shape {}; valid: {}", text,
                           role.dense ? "[batch, kv_heads, seqlen] or [kv_heads, seqlen]"
                                      : "[batch, heads, seqlen, dim] or [heads, seqlen, dim]"));
  std::array<std::int64_t, 4> shape = {1, 1, 1, 1};
  auto bytes = static_cast<std::uint64_t>(element.bytes);
  bool fits = true;
  for (std::size_t i = 0; i < header.shape.size(); ++i) {
    const std::uint64_t size = header.shape[i];
    if (size < 1 || size > static_cast<std::uint64_t>(kMaxDimension))
      entry.fail(fmt::format("has the shape {}; each size is between 1 and {}", text, kMaxDimension));
    shape[most - header.shape.size() + i] = static_cast<std::int64_t>(size);
    fits = fits && !__builtin_mul_overflow(bytes, size, &bytes);
  }
  if (!fits || bytes != entry.bytes() - header_bytes)
    entry.fail(fmt::format("has the shape {} in {}, but {} bytes of values", text, element.name,
                           entry.bytes() - header_bytes));
  return shape;
}

// An array whose header has been read, and whose values come next.
struct OpenArray {
  const TensorRole* role;
  Entry entry;
  std::int32_t dtype;                // attn_dtype, or kInt8Dtype
  std::vector<std::uint64_t> sizes;  // as the file has them
  std::array<std::int64_t, 4> shape;
};

OpenArray open_array(const Archive& archive, const TensorRole& role) {
  Entry entry(archive, role.name);
  std::uint64_t header_bytes = 0;
  NpyHeader header = read_header(entry, role, header_bytes);
  const std::int32_t dtype = dtype_of(role, header.descr).value();
  const auto shape = checked_shape(entry, role, header, element_of(dtype), header_bytes);
  return {&role, std::move(entry), dtype, std::move(header.shape), shape};
}

// Scales are f32, and int8 is what it is.
bool is_of_problems_dtype(const OpenArray& array) { return !array.role->dense && array.dtype != kInt8Dtype; }

// That all others are of one type, which --tensors-dtype may ask for. The first is q.
void check_dtypes(const Archive& archive, const std::vector<OpenArray>& arrays, std::optional<attn_dtype> rounded_to) {
  const std::int32_t first = arrays.front().dtype;
  if (std::ranges::any_of(arrays, [&](const OpenArray& a) { return is_of_problems_dtype(a) && a.dtype != first; })) {
    std::vector<std::string> found;
    for (const OpenArray& array : arrays)
      found.push_back(fmt::format("{} is {}", array.role->name, element_of(array.dtype).name));
    archive.fail(fmt::format("the arrays are of different types: {}; valid: all three of one", fmt::join(found, ", ")));
  }
  if (rounded_to && first != ATTN_F32 && first != *rounded_to)
    archive.fail(
        fmt::format("its arrays are {}, and --tensors-dtype {} rounds none but f32; valid: --tensors-dtype "
                    "{}, or none",
                    element_of(first).name, element_of(*rounded_to).name, element_of(first).name));
}

// Of the element at this place of the array, counted through: "[0, 3, 17]".
std::string place_text(const std::vector<std::uint64_t>& sizes, std::uint64_t at) {
  std::vector<std::uint64_t> place(sizes.size());
  for (std::size_t axis = sizes.size(); axis-- > 0; at /= sizes[axis]) place[axis] = at % sizes[axis];
  return fmt::format("[{}]", fmt::join(place, ", "));
}

// The f32 values that come next, rounded into `to`, piece by piece: the whole is never there twice.
template <class E>
void read_rounded(OpenArray& array, std::span<E> to) {
  constexpr std::size_t kPiece = 65536;
  std::vector<float> piece(std::min(kPiece, to.size()));
  for (std::size_t done = 0; done < to.size(); done += piece.size()) {
    piece.resize(std::min(kPiece, to.size() - done));
    array.entry.read(std::as_writable_bytes(std::span(piece)));
    for (std::size_t i = 0; i < piece.size(); ++i) {
      to[done + i] = round_to<E>(piece[i]);
      if (std::isfinite(piece[i]) && !std::isfinite(to_float(to[done + i])))
        array.entry.fail(
            fmt::format("holds {} at {}, which --tensors-dtype {} would make infinite; valid: magnitudes "
                        "up to {:.7g}",
                        piece[i], place_text(array.sizes, done + i), element_of(kDtypeOf<E>).name,
                        element_of(kDtypeOf<E>).largest));
    }
  }
}

// The values of an array as elements of `dtype`, and their view in `view`.
AlignedBuffer read_values(OpenArray& array, std::int32_t dtype, TensorView& view) {
  const std::int64_t bytes = elements(array.shape) * element_of(dtype).bytes;
  if (const std::int64_t available = available_bytes(); bytes > available)
    array.entry.fail(fmt::format("needs {} of memory, {} is available", bytes_text(bytes), bytes_text(available)));
  AlignedBuffer memory(static_cast<std::size_t>(bytes));
  if (dtype == array.dtype)
    array.entry.read(memory.bytes());
  else
    with_element(dtype, [&]<class E>(E) { read_rounded(array, memory.as<E>()); });
  array.entry.expect_end();
  constexpr std::byte kNoNegative{0x80};  // -128
  if (const auto values = memory.bytes(); dtype == kInt8Dtype && std::ranges::find(values, kNoNegative) != values.end())
    array.entry.fail("holds -128; valid: int8 from -127 to 127");
  view = dense_view(memory.data(), array.shape, Layout::bhsd, dtype);
  return memory;
}

std::int64_t count_infinities(const TensorView& t) {
  return with_view_element(t.dtype, [&]<class E>(E) -> std::int64_t {
    return std::ranges::count_if(std::span(static_cast<const E*>(t.data), static_cast<std::size_t>(elements(t.shape))),
                                 [](E x) { return std::isinf(to_float(x)); });
  });
}

}  // namespace

NpzFile::NpzFile(const std::string& path, std::optional<attn_dtype> rounded_to) : rounded_to_(rounded_to) {
  const Archive archive(path);
  const std::vector<std::string> files = archive.names();
  std::set<std::string> names;
  for (const TensorRole& role : kTensorRoles) {
    if (!role.given) continue;
    names.insert(role.name);
    const auto count = std::count(files.begin(), files.end(), fmt::format("{}.npy", role.name));
    if (count == 0 && !role.dense)
      archive.fail(fmt::format("has no array '{}'; needed are q, k and v, there are: {}", role.name,
                               files.empty() ? "none" : fmt::format("{}", fmt::join(files, ", "))));
    if (count > 1) archive.fail(fmt::format("has {} arrays '{}'", count, role.name));
  }
  for (const std::string& file : files)
    if (const std::string name = file.substr(0, file.rfind(".npy")); !names.contains(name)) ignored_.push_back(name);
  path_ = std::filesystem::absolute(path).lexically_normal().string();
  const auto has = [&](const TensorRole& role) {
    return std::ranges::find(files, fmt::format("{}.npy", role.name)) != files.end();
  };
  std::vector<OpenArray> arrays;
  for (const TensorRole& role : kTensorRoles)
    if (role.given && has(role)) arrays.push_back(open_array(archive, role));
  const bool some_int8 = std::ranges::any_of(arrays, [](const OpenArray& array) { return array.dtype == kInt8Dtype; });
  for (const TensorRole& role : kTensorRoles)
    if (role.given && !has(role) && some_int8)
      archive.fail(
          fmt::format("has no array '{}'; int8 of k and v needs k_scale and v_scale: float32 of [batch, kv_heads, "
                      "seqlen], there are: {}",
                      role.name, fmt::join(files, ", ")));
  check_dtypes(archive, arrays, rounded_to);
  for (OpenArray& array : arrays) {
    const std::int32_t dtype = is_of_problems_dtype(array) && rounded_to ? *rounded_to : array.dtype;
    memory_.push_back(read_values(array, dtype, tensors_.*array.role->view));
  }
}

std::string NpzFile::infinities() const {
  std::vector<std::string> found;
  for (const TensorRole& role : kTensorRoles)
    if (const std::int64_t count = role.given ? count_infinities(tensors_.*role.view) : 0; count > 0)
      found.push_back(fmt::format("{} in {}", count, role.name));
  return fmt::format("{}", fmt::join(found, ", "));
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
            .dtype = dtype(),
            .lse = 0,
            .kv = is_int8_cache() ? ATTN_KV_INT8 : ATTN_KV_SAME};
  try {
    validate(p);
    validate_given(tensors_, p);
  } catch (const std::invalid_argument& error) {
    reject(path_, fmt::format("the arrays do not go together: {}", error.what()));
  }
  return p;
}

bool NpzFile::is_int8_cache() const { return tensors_.k.dtype == kInt8Dtype || tensors_.v.dtype == kInt8Dtype; }

std::string NpzFile::name() const { return printable(path_); }

std::string NpzFile::hash() const { return fmt::format("{:016x}", hash_values(tensors_)); }

}  // namespace attn::bench
