// Tensors of a user's own: the reader of .npz files, against whole and broken ones; and what inputs make of them.
#include "cases/npz_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <zip.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "cases/input_origin.hpp"
#include "catch.hpp"
#include "folder.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using bench::InputOrigin;
using bench::NpzFile;
using bench::UsageError;

struct Member {
  std::string name, bytes;
};

// The file that numpy.save would write, for a header and values given.
std::string npy(const std::string& header, const std::string& values, int version = 1) {
  std::string text = fmt::format("\x93NUMPY{}{}", static_cast<char>(version), '\0');
  const std::uint64_t length = header.size() + 1;
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) text += static_cast<char>(length >> (8 * i) & 0xff);
  return text + header + "\n" + values;
}

std::string header_of(const std::string& shape, const char* descr = "<f4", const char* fortran = "False") {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", descr, fortran, shape);
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// The elements of two bytes that these values round to.
template <class E>
std::string halves(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) {
    const std::uint16_t bits = round_to<E>(value).bits;
    bytes.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  return bytes;
}

// 0, 1, 2, ... times `factor`.
std::string floats(std::int64_t count, float factor) {
  std::string bytes;
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = static_cast<float>(i) * factor;
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

void write_archive(const std::string& path, const std::vector<Member>& members, zip_int32_t method = ZIP_CM_STORE) {
  std::filesystem::remove(path);
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_EXCL, &code);
  REQUIRE(archive != nullptr);
  for (const Member& member : members) {
    zip_source_t* source = zip_source_buffer(archive, member.bytes.data(), member.bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, member.name.c_str(), source, 0);
    REQUIRE(index >= 0);
    REQUIRE(zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0) == 0);
  }
  REQUIRE(zip_close(archive) == 0);
}

// b:2/h:4/hkv:2/q:3/k:5/d:6/dv:7.
constexpr auto kWorkload = "b:2/h:4/hkv:2/q:3/k:5/d:6/dv:7";
const Member kQ{"q.npy", npy(header_of("(2, 4, 3, 6)"), floats(144, 1))};
const Member kK{"k.npy", npy(header_of("(2, 2, 5, 6)"), floats(120, 2))};
const Member kV{"v.npy", npy(header_of("(2, 2, 5, 7)"), floats(140, 3))};

// What the reader says of an archive; empty when it reads it.
std::string refusal(const std::vector<Member>& members, std::optional<attn_dtype> rounded_to = std::nullopt) {
  const Folder folder;
  const std::string path = folder.file("x.npz");
  write_archive(path, members);
  try {
    (void)NpzFile(path, rounded_to).problem();
  } catch (const UsageError& error) {
    CHECK(contains(error.what(), "x.npz: "));
    return error.what();
  }
  return {};
}

std::string refusal_of_q(const std::string& bytes) { return refusal({{"q.npy", bytes}, kK, kV}); }

void check_values(const TensorView& t, float factor) {
  float next = 0;
  for_each_element(t, [&](float& x, auto...) { CHECK(x == factor * next++); });
}

}  // namespace

TEST_CASE("arrays are read as they are, stored and compressed, and are the problem of their shapes", "[npz]") {
  const auto method = GENERATE(ZIP_CM_STORE, ZIP_CM_DEFLATE);
  const Folder folder;
  write_archive(folder.file("x.npz"), {kV, kQ, {"scores.npy", "anything"}, kK}, method);
  const NpzFile file(folder.file("x.npz"));
  check_values(file.tensors().q, 1);
  check_values(file.tensors().k, 2);
  check_values(file.tensors().v, 3);
  CHECK(file.problem() == parse_problem(kWorkload));
  CHECK(file.ignored() == std::vector<std::string>{"scores"});
  CHECK(file.path() == folder.file("x.npz"));
}

TEST_CASE("keys and values of int8 are read with their scales", "[npz]") {
  const std::string keys = npy(header_of("(2, 2, 5, 6)", "|i1"), std::string(120, '\xff')),
                    values = npy(header_of("(2, 2, 5, 7)", "|i1"), std::string(140, '\x7f'));
  const std::string ones = npy(header_of("(2, 2, 5)"), floats(21, 1).substr(4));
  const auto with = [&](const std::string& k_scale, const std::string& v_scale) {
    return std::vector<Member>{
        kQ, {"k.npy", keys}, {"v.npy", values}, {"k_scale.npy", k_scale}, {"v_scale.npy", v_scale}};
  };
  const Folder folder;
  write_archive(folder.file("x.npz"), with(ones, ones));
  const NpzFile file(folder.file("x.npz"));
  CHECK(file.problem() == parse_problem(std::string(kWorkload) + "/kv:int8"));
  for_each_element(file.tensors().k, [](float& x, auto...) { CHECK(x == -1); });
  for_each_element(file.tensors().v, [](float& x, auto...) { CHECK(x == 127); });
  float next = 0;
  for_each_element(file.tensors().v_scale, [&](float& x, auto...) { CHECK(x == ++next); });
  const Workload w = parse_workload(std::string(kWorkload) + "/kv:int8/fill:file/layout:bshd");
  CHECK(Inputs(w.problem, w.setup, {1, &file.tensors()}).hash() == hash_values(file.tensors()));

  // q in 16 bits, by --tensors-dtype.
  const NpzFile rounded(folder.file("x.npz"), ATTN_BF16);
  CHECK(rounded.problem() == parse_problem(std::string(kWorkload) + "/dtype:bf16/kv:int8"));
  CHECK(rounded.tensors().k.dtype == kInt8Dtype);
  CHECK(rounded.tensors().k_scale.dtype == ATTN_F32);

  // Without a batch.
  const auto of_heads = [](const char* shape, char value) {
    return npy(header_of(shape, "|i1"), std::string(12, value));
  };
  const std::string scales = npy(header_of("(2, 3)"), floats(7, 1).substr(4));
  CHECK(refusal({{"q.npy", npy(header_of("(2, 1, 2)"), floats(4, 1))},
                 {"k.npy", of_heads("(2, 3, 2)", 1)},
                 {"v.npy", of_heads("(2, 3, 2)", 2)},
                 {"k_scale.npy", scales},
                 {"v_scale.npy", scales}})
            .empty());

  CHECK(contains(
      refusal({kQ, {"k.npy", keys}, {"v.npy", values}, {"k_scale.npy", ones}}),
      "has no array 'v_scale'; int8 of k and v needs k_scale and v_scale: float32 of [batch, kv_heads, seqlen]"));
  CHECK(contains(refusal({kQ, {"k.npy", keys}, {"v.npy", values}}), "has no array 'k_scale'"));
  std::string zero = ones;
  std::fill_n(zero.end() - 4, 4, '\0');
  CHECK(contains(refusal(with(ones, zero)), "v_scale of batch 1, kv head 1, token 4 is 0; valid: positive finite"));
  CHECK(contains(refusal(with(npy(header_of("(2, 2, 5, 1)"), floats(20, 1)), ones)),
                 "array 'k_scale' has the shape [2, 2, 5, 1]; valid: [batch, kv_heads, seqlen] or [kv_heads, seqlen]"));
  CHECK(contains(refusal(with(npy(header_of("(2, 5, 2)"), floats(21, 1).substr(4)), ones)), "k_scale is [2, 5, 2, 1]"));
  CHECK(contains(refusal(with(npy(header_of("(2, 2, 5)", "|i1"), std::string(20, 1)), ones)),
                 "array 'k_scale' is int8 ('|i1'); valid: little-endian float32 in C order; convert"));
  CHECK(contains(refusal({kQ, kK, kV, {"k_scale.npy", ones}}), "k_scale is given, and "));
  CHECK(contains(refusal({kQ, {"k.npy", keys}, kV, {"k_scale.npy", ones}, {"v_scale.npy", ones}}), "v is f32, "));
  std::string lowest = keys;
  lowest.back() = '\x80';
  std::vector<Member> with_lowest = with(ones, ones);
  with_lowest[1].bytes = lowest;
  CHECK(contains(refusal(with_lowest), "array 'k' holds -128; valid: int8 from -127 to 127"));
  CHECK(contains(refusal_of_q(npy(header_of("(2, 4, 3, 6)", "|i1"), std::string(144, 1))), "array 'q' is int8"));
  CHECK(contains(refusal({kQ, {"k.npy", npy(header_of("(2, 2, 5, 6)", "|u1"), std::string(120, 1))}, kV}),
                 "or int8 with k_scale"));
}

TEST_CASE("three dimensions are those without a batch", "[npz]") {
  const Folder folder;
  const std::string array = npy(header_of("(4, 3, 6)"), floats(72, 1));
  write_archive(folder.file("x.npz"), {{"q.npy", array}, {"k.npy", array}, {"v.npy", array}});
  CHECK(NpzFile(folder.file("x.npz")).problem() == parse_problem("h:4/q:3/d:6"));
}

TEST_CASE("every version of the header and every way to write the literal is read", "[npz]") {
  const auto version = GENERATE(1, 2, 3);
  CHECK(refusal_of_q(npy(header_of("(2, 4, 3, 6)"), floats(144, 1), version)).empty());
  const auto header = GENERATE(values<std::string>({
      R"({"shape":(2,4,3,6),"fortran_order":False,"descr":"<f4"})",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4, 3, 6)}   ",
      "{ 'shape' : ( 2 , 4 , 3 , 6 , ) , 'descr':'<f4' ,'fortran_order':False , }",
      // Python 2: its longs, and its text with unicode_literals.
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 4L, 3L, 6L), }",
      "{u'descr': u'<f4', u'fortran_order': False, u'shape': (2L, 4, 3L, 6,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4, 3, 6), }                        \r",
  }));
  CHECK(refusal_of_q(npy(header, floats(144, 1), version)).empty());
}

TEST_CASE("float32 is read by each name that numpy has for it here", "[npz]") {
  const auto descr = GENERATE("<f4", "=f4", "|f4", "f4", "f", "<f", "|f", "float32", "single");
  CAPTURE(descr);
  CHECK(refusal_of_q(npy(header_of("(2, 4, 3, 6)", descr), floats(144, 1))).empty());
}

TEST_CASE("another type is refused, named, with how to convert it", "[npz]") {
  const auto [descr, name] = GENERATE(table<const char*, const char*>({
      {"<f8", "is float64 ('<f8')"},
      {">f2", "is big-endian float16 ('>f2')"},
      {">V2", "is big-endian bfloat16 ('>V2')"},
      {"<<V2", "is bfloat16 ('<<V2')"},
      {"<V4", "is '<V4'"},
      {"|V1", "is '|V1'"},  // as numpy writes ml_dtypes' types of 8 bits
      {">f4", "is big-endian float32 ('>f4')"},
      {"<i4", "is '<i4'"},
      {"f8", "is float64 ('f8')"},
      {">f", "is big-endian float32 ('>f')"},
      {"<<f4", "is float32 ('<<f4')"},  // numpy refuses it too
      {"<float32", "is '<float32'"},
      {"|O", "is '|O'"},
      {"", "is ''"},
  }));
  CAPTURE(descr);
  const std::string said = refusal_of_q(npy(header_of("(2, 4, 3, 6)", descr), floats(144, 1)));
  CHECK(contains(said, name));
  CHECK(contains(said, "array 'q'"));
  CHECK(contains(said, "valid: little-endian float32, float16 or ml_dtypes' bfloat16 in C order"));
  CHECK(contains(said, "q=numpy.ascontiguousarray(q, dtype='float32')"));
}

TEST_CASE("two bytes of no type, which numpy.load makes of bfloat16, are refused with the view that names them",
          "[npz]") {
  const auto descr = GENERATE("|V2", "V2", "=V2");
  const std::string said = refusal_of_q(npy(header_of("(2, 4, 3, 6)", descr), std::string(288, 'x')));
  CHECK(contains(said, fmt::format("array 'q' is two bytes of no type, perhaps bfloat16, ('{}')", descr)));
  CHECK(contains(said, "q=q.view(ml_dtypes.bfloat16)"));
}

TEST_CASE("16-bit arrays are read bit for bit by each name that they have in files", "[npz]") {
  const auto [descr, dtype] = GENERATE(table<const char*, attn_dtype>({{"<f2", ATTN_F16},
                                                                       {"=f2", ATTN_F16},
                                                                       {"f2", ATTN_F16},
                                                                       {"e", ATTN_F16},
                                                                       {"<e", ATTN_F16},
                                                                       {"float16", ATTN_F16},
                                                                       {"half", ATTN_F16},
                                                                       {"<V2", ATTN_BF16},
                                                                       {"bfloat16", ATTN_BF16}}));
  CAPTURE(descr);
  std::string values;  // every 36th of all patterns, NaN and infinity among them
  for (std::uint32_t i = 0; i < 1820; ++i) {
    const auto bits = static_cast<std::uint16_t>(36 * i);
    values.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  const std::string array = npy(header_of("(2, 7, 10, 13)", descr), values);
  const Folder folder;
  write_archive(folder.file("x.npz"), {{"q.npy", array}, {"k.npy", array}, {"v.npy", array}});
  const NpzFile file(folder.file("x.npz"));
  CHECK(file.dtype() == dtype);
  CHECK(to_string(file.problem()) ==
        fmt::format("b:2/h:7/hkv:7/q:10/k:10/d:13/dv:13/dtype:{}/mask:none", element_of(dtype).name));
  CHECK(std::memcmp(file.tensors().v.data, values.data(), values.size()) == 0);
  CHECK(contains(refusal_of_q(npy(header_of("(2, 4, 3, 6)", descr), floats(144, 1))),
                 fmt::format("has the shape [2, 4, 3, 6] in {}, but 576 bytes of values", element_of(dtype).name)));
}

TEST_CASE("arrays of different types are refused, each named with its own", "[npz]") {
  const Member half{"k.npy", npy(header_of("(2, 2, 5, 6)", "<f2"), std::string(240, '\0'))};
  const Member brain{"v.npy", npy(header_of("(2, 2, 5, 7)", "<V2"), std::string(280, '\0'))};
  CHECK(contains(refusal({kQ, half, kV}),
                 "the arrays are of different types: q is f32, k is f16, v is f32; valid: all three of one"));
  CHECK(contains(refusal({kQ, half, brain}), "q is f32, k is f16, v is bf16"));
  CHECK(contains(refusal({kQ, half, kV}, ATTN_F16), "the arrays are of different types"));
}

TEST_CASE("f32 arrays are rounded on reading, ties to even, more than one piece of them", "[npz]") {
  const auto dtype = GENERATE(ATTN_BF16, ATTN_F16);
  // 1 + 2^-8 and 1 + 3 * 2^-8 lie halfway between numbers of bf16, 1 + 2^-11 and 1 + 3 * 2^-11 of f16.
  std::vector<float> values(8 * 9000, 0.1f);
  const std::vector<float> first = {
      1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1p-11f, 1 + 3 * 0x1p-11f, -0.0f, 0x1.fcp127f * (dtype == ATTN_BF16), 65519.0f,
      INFINITY,    -INFINITY,       NAN};
  std::copy(first.begin(), first.end(), values.begin());
  values.back() = 3 + 0x1p-12f;
  const Member array{"q.npy", npy(header_of("(1, 9000, 8)"), bytes_of(values))};
  const Folder folder;
  write_archive(folder.file("x.npz"), {array, {"k.npy", array.bytes}, {"v.npy", array.bytes}});
  const NpzFile file(folder.file("x.npz"), dtype);
  CHECK(file.dtype() == dtype);
  const std::string expected = dtype == ATTN_BF16 ? halves<Bf16>(values) : halves<F16>(values);
  CHECK(std::memcmp(file.tensors().q.data, expected.data(), expected.size()) == 0);
  CHECK(element_at(file.tensors().q, 0, 0, 0, 0) == (dtype == ATTN_BF16 ? 1 : 1 + 0x1p-8f));
  CHECK(element_at(file.tensors().q, 0, 0, 0, 1) == (dtype == ATTN_BF16 ? 1 + 0x1p-6f : 1 + 3 * 0x1p-8f));
  CHECK(element_at(file.tensors().q, 0, 0, 0, 2) == 1);
  CHECK(element_at(file.tensors().q, 0, 0, 0, 6) == (dtype == ATTN_BF16 ? 65536 : 65504));
  CHECK(file.infinities() == "2 in q, 2 in k, 2 in v");
}

TEST_CASE("a finite value that rounding would make infinite is refused with its place", "[npz]") {
  const auto [dtype, value, said] = GENERATE(table<attn_dtype, float, const char*>({
      {ATTN_F16, 65520.0f,
       "holds 65520 at [1, 3, 2, 4], which --tensors-dtype f16 would make infinite; valid: "
       "magnitudes up to 65504"},
      {ATTN_F16, -1e20f, "holds -1e+20 at [1, 3, 2, 4]"},
      {ATTN_BF16, std::numeric_limits<float>::max(),
       "holds 3.4028235e+38 at [1, 3, 2, 4], which --tensors-dtype bf16 "
       "would make infinite; valid: magnitudes up to 3.389531e+38"},
  }));
  std::vector<float> values(144, 0.5f);
  values[((1 * 4 + 3) * 3 + 2) * 6 + 4] = value;
  const Member array{"q.npy", npy(header_of("(2, 4, 3, 6)"), bytes_of(values))};
  const std::string refused = refusal({array, kK, kV}, dtype);
  CAPTURE(refused);
  CHECK(contains(refused, fmt::format("array 'q' {}", said)));
  CHECK(refusal({array, kK, kV}).empty());
  CHECK(contains(refusal({{"q.npy", npy(header_of("(8, 3, 6)"), bytes_of(values))}, kK, kV}, dtype), "at [7, 2, 4]"));
}

TEST_CASE("a 16-bit file keeps its type: to ask for the other one is refused", "[npz]") {
  const auto array = [](const char* shape, std::size_t count) {
    return npy(header_of(shape, "<V2"), std::string(2 * count, '\0'));
  };
  const std::vector<Member> members = {{"q.npy", array("(2, 4, 3, 6)", 144)},
                                       {"k.npy", array("(2, 2, 5, 6)", 120)},
                                       {"v.npy", array("(2, 2, 5, 7)", 140)}};
  CHECK(refusal(members).empty());
  CHECK(refusal(members, ATTN_BF16).empty());
  CHECK(contains(
      refusal(members, ATTN_F16),
      "its arrays are bf16, and --tensors-dtype f16 rounds none but f32; valid: --tensors-dtype bf16, or none"));
}

TEST_CASE("a file that is no array of these shapes is refused with what it is", "[npz]") {
  const std::string values = floats(144, 1);
  const auto [bytes, said] = GENERATE_COPY(table<std::string, const char*>({
      {npy(header_of("(2, 4, 3, 6)", "<f4", "True"), values), "is in Fortran order"},
      {npy(header_of("(2, 4, 18)"), values), "the arrays do not go together"},
      {npy(header_of("(8, 18)"), values), "has the shape [8, 18]; valid: [batch, heads, seqlen, dim] or"},
      {npy(header_of("()"), values), "has the shape []"},
      {npy(header_of("(2, 4, 3, 2, 3)"), values), "has the shape [2, 4, 3, 2, 3]"},
      {npy(header_of("(2, 0, 3, 6)"), ""), "each size is between 1 and"},
      {npy(header_of("(2, 4, 3, 7)"), values), "has the shape [2, 4, 3, 7] in f32, but 576 bytes of values"},
      {npy(header_of("(2, 4, 3, 5)"), values), "but 576 bytes of values"},
      {npy(header_of("(4294967296, 4294967296, 1, 1)"), values), "but 576 bytes of values"},
      {npy(header_of("(1099511627776, 1099511627776, 1099511627776)"), values), "but 576 bytes of values"},
      {npy(header_of("(99999999999999999999, 1, 1, 1)"), values), "header that is not understood"},
      {npy(header_of("(-2, 4, 3, 6)"), values), "header that is not understood"},
      {npy(header_of("(2l, 4, 3, 6)"), values), "header that is not understood"},
      {npy(header_of("(L, 4, 3, 6)"), values), "header that is not understood"},
      {npy(header_of("(2LL, 4, 3, 6)"), values), "header that is not understood"},
      {npy(header_of("[2, 4, 3, 6]"), values), "header that is not understood"},
      {npy("{b'descr': '<f4', 'fortran_order': False, 'shape': (2, 4, 3, 6)}", values),
       "header that is not understood"},
      {npy("{'descr': '<f4', 'shape': (2, 4, 3, 6)}", values), "header that is not understood"},
      {npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 4, 3, 6)}", values),
       "header that is not understood"},
      {npy(header_of("(2, 4, 3, 6)") + "x", values), "header that is not understood"},
      {npy("{'descr': [('a', '<f4'), ('b', '<i4')], 'fortran_order': False, 'shape': (2, 3)}", values),
       "is a structured type"},
      {npy("{'descr': [('a', '<f4'", values), "header that is not understood"},
      {npy("{'descr': '<f4\033[31m", values), "not understood: {'descr': '<f4\\x1b[31m"},
      {npy("", values), "header that is not understood"},
      {npy(std::string(70000, ' ') + header_of("(2, 4, 3, 6)"), values, 2), "has a header of 70"},
      {npy(header_of("(2, 4, 3, 6)"), values, 4), "version 4.0; valid: 1.0, 2.0 and 3.0"},
      {std::string("\x93NUMPY\2\0\xff\xff\xff\xff{}", 14), "has a header of 4294967295 bytes in 14 bytes"},
      {std::string("\x93NUMPY\1\0", 8), "is no .npy file: it has 8 bytes"},
      {npy(header_of("(2, 4, 3, 6)"), values).replace(7, 1, "\1"), "version 1.1; valid: 1.0, 2.0 and 3.0"},
      {"not an array at all", "does not begin with"},
      {"", "it has 0 bytes"},
  }));
  CAPTURE(said);
  const std::string refused = refusal_of_q(bytes);
  CAPTURE(refused);
  CHECK(contains(refused, said));
}

TEST_CASE("arrays that are missing, twice there or of shapes apart are refused", "[npz]") {
  CHECK(contains(refusal({kQ, kK}), "has no array 'v'; needed are q, k and v, there are: q.npy, k.npy"));
  CHECK(contains(refusal({}), "there is no such file"));  // libzip writes no empty archive
  const Member other_batch{"k.npy", npy(header_of("(1, 2, 5, 6)"), floats(60, 1))};
  CHECK(
      contains(refusal({kQ, other_batch, kV}), "k is [1, 2, 5, 6], b:2/h:4/hkv:2/q:3/k:5/d:6/dv:7 needs [2, 2, 5, 6]"));
  const Member odd_heads{"q.npy", npy(header_of("(2, 3, 4, 6)"), floats(144, 1))};
  CHECK(contains(refusal({odd_heads, kK, kV}), "hkv=2 does not divide h=3"));
  // What two writers on one file leave. libzip itself never writes a name twice: the names are made the same afterwards.
  const Folder folder;
  write_archive(folder.file("x.npz"), {kQ, kK, kV, {"w.npy", kV.bytes}});
  std::ifstream in(folder.file("x.npz"), std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  for (std::size_t at = 0; (at = bytes.find("w.npy", at)) != std::string::npos;) bytes[at] = 'v';
  std::ofstream(folder.file("x.npz"), std::ios::binary) << bytes;
  CHECK_THROWS_WITH(NpzFile(folder.file("x.npz")), Catch::Matchers::ContainsSubstring("has 2 arrays 'v'"));
}

TEST_CASE("a file cut short anywhere or with any byte flipped never reads as other values", "[npz]") {
  const Folder folder;
  const std::string whole = folder.file("x.npz"), broken = folder.file("broken.npz");
  const auto method = GENERATE(ZIP_CM_STORE, ZIP_CM_DEFLATE);
  write_archive(whole, {kQ, kK, kV}, method);
  std::ifstream in(whole, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  const std::string right = NpzFile(whole).hash();
  int refused = 0;
  const auto try_reading = [&](const std::string& text) {
    std::ofstream(broken, std::ios::binary) << text;
    try {
      const std::string hash = NpzFile(broken).hash();
      CHECK(hash == right);
    } catch (const UsageError&) {
      ++refused;
    }
  };
  for (std::size_t size = 0; size < bytes.size(); size += 7) try_reading(bytes.substr(0, size));
  CHECK(refused == static_cast<int>((bytes.size() + 6) / 7));
  refused = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 5) {
    std::string text = bytes;
    text[at] = static_cast<char>(text[at] ^ 0x55);
    try_reading(text);
  }
  CHECK(refused > static_cast<int>(bytes.size() / 10));
}

TEST_CASE("a path that is no archive is refused", "[npz]") {
  const Folder folder;
  CHECK_THROWS_WITH(NpzFile(folder.file("absent.npz")), Catch::Matchers::ContainsSubstring("there is no such file"));
  CHECK_THROWS_WITH(NpzFile(folder.path.string()), Catch::Matchers::ContainsSubstring("is a folder"));
  CHECK_THROWS_WITH(NpzFile("/dev/null"), Catch::Matchers::ContainsSubstring("is a character device"));
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(NpzFile(folder.file("pipe")),
                    Catch::Matchers::ContainsSubstring("is a pipe, of which no archive can be read"));
  std::ofstream(folder.file("text.npz")) << "text";
  CHECK_THROWS_WITH(NpzFile(folder.file("text.npz")), Catch::Matchers::ContainsSubstring("numpy.savez"));
}

TEST_CASE("fill:file copies given tensors into every layout and leaves NaN in them", "[npz]") {
  const Folder folder;
  std::string values = floats(144, 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(values.data() + 4 * 17, &nan, 4);
  const Member array{"q.npy", npy(header_of("(2, 4, 3, 6)"), values)};
  write_archive(folder.file("x.npz"), {array, {"k.npy", array.bytes}, {"v.npy", array.bytes}});
  const InputOrigin origin(bench::InputOptions{.seed = 1, .tensors = folder.file("x.npz")});
  const auto layout = GENERATE("bhsd", "bshd", "packed");
  const Workload w = parse_workload(std::string("b:2/h:4/q:3/d:6/fill:file/layout:") + layout);
  const Inputs inputs(w.problem, w.setup, origin.source());
  CHECK(inputs.hash() == hash_values(origin.file()->tensors()));
  CHECK(fmt::format("{:016x}", inputs.hash()) == origin.file()->hash());
  float next = 0;
  for_each_element(inputs.tensors().k, [&](float& x, auto...) {
    CHECK((next == 17 ? std::isnan(x) : x == next));
    ++next;
  });
}

TEST_CASE("fill:file without tensors, or with those of another problem, is refused", "[npz]") {
  const Workload w = parse_workload(std::string(kWorkload) + "/fill:file");
  CHECK(contains(rejection([&] { Inputs(w.problem, w.setup, 1); }), "none are given"));
  const Folder folder;
  write_archive(folder.file("x.npz"), {kQ, kK, kV});
  const NpzFile file(folder.file("x.npz"));
  const auto fit = [&](const char* text) {
    return rejection([&] { Inputs(parse_problem(text), w.setup, {1, &file.tensors()}); });
  };
  CHECK(fit(kWorkload).empty());
  CHECK(fit("b:2/h:4/hkv:2/q:3/k:5/d:6/dv:7/mask:causal/lse:1").empty());
  CHECK(contains(fit("b:2/h:2/q:3/k:5/d:6/dv:7"), "q is [2, 4, 3, 6], b:2/h:2/q:3/k:5/d:6/dv:7 needs [2, 2, 3, 6]"));
  CHECK(contains(fit("b:2/h:4/hkv:2/q:3/k:4/d:6/dv:7"), "k is [2, 2, 5, 6]"));
  CHECK(contains(fit("b:2/h:4/hkv:2/q:3/k:5/d:6"), "v is [2, 2, 5, 7]"));
}

TEST_CASE("a origin is the same in another process unless the file changed", "[npz]") {
  const Folder folder;
  write_archive(folder.file("it's x.npz"), {kQ, kK, kV});
  const InputOrigin origin(bench::InputOptions{.seed = 7, .tensors = folder.file("it's x.npz")});
  const InputOrigin there(origin.to_json());
  CHECK(there.source().seed == 7);
  CHECK(there.file()->hash() == origin.file()->hash());
  CHECK(origin.arguments() == fmt::format(" --seed 7 --tensors '{}/it'\\''s x.npz'", folder.path.string()));
  write_archive(folder.file("it's x.npz"), {kQ, kK, {"v.npy", npy(header_of("(2, 2, 5, 7)"), floats(140, 4))}});
  CHECK_THROWS_WITH(InputOrigin(origin.to_json()), Catch::Matchers::ContainsSubstring("has changed"));
  CHECK(InputOrigin(InputOrigin(bench::InputOptions{.seed = 3}).to_json()).file() == nullptr);
}

TEST_CASE("a origin that rounds does so in another process, and says so to a shell", "[npz]") {
  const Folder folder;
  write_archive(folder.file("x.npz"), {kQ, kK, {"v.npy", npy(header_of("(2, 2, 5, 7)"), floats(140, 0.1f))}});
  const auto origin_of = [&](const char* dtype) {
    return InputOrigin(bench::InputOptions{.seed = 7, .tensors = folder.file("x.npz"), .tensors_dtype = dtype});
  };
  const InputOrigin origin = origin_of("bf16"), there(origin.to_json());
  CHECK(there.file()->dtype() == ATTN_BF16);
  CHECK(there.file()->hash() == origin.file()->hash());
  CHECK(there.arguments() == fmt::format(" --seed 7 --tensors {}/x.npz --tensors-dtype bf16", folder.path.string()));
  CHECK(origin_of("f16").file()->hash() != origin.file()->hash());
  CHECK(origin_of("").file()->hash() != origin.file()->hash());
  CHECK_THROWS_WITH(InputOrigin(bench::InputOptions{.tensors_dtype = "bf16"}),
                    "--tensors-dtype bf16 rounds the arrays of a file; name it with --tensors FILE.npz");
}

TEST_CASE("a origin whose file has a name of any bytes is the same in another process", "[npz]") {
  const Folder folder;
  const std::string path = folder.file("it's \xff\033[31m.npz");
  write_archive(path, {kQ, kK, kV});
  const InputOrigin origin(bench::InputOptions{.seed = 7, .tensors = path});
  const InputOrigin there(bench::Json::parse(bench::json_line(origin.to_json())));
  CHECK(there.file()->path() == path);
  CHECK(there.file()->hash() == origin.file()->hash());
  CHECK(origin.file()->name() == folder.file("it's \\xff\\x1b[31m.npz"));
  CHECK(origin.arguments() == fmt::format(" --seed 7 --tensors $'{}/it\\'s \\377\\033[31m.npz'", folder.path.string()));
}

}  // namespace attn::test
