#include "inputs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "problem_text.hpp"
#include "quantisation.hpp"
#include "reference.hpp"
#include "roles.hpp"
#include "with_team.hpp"

namespace attn {
namespace {

// SplitMix64's output function (Steele, Lea, Flood 2014): a bijection whose outputs pass BigCrush on a counter.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Uniform in [-1, 1), exact in float.
float uniform(std::uint64_t bits) {
  return static_cast<float>(static_cast<std::int32_t>(bits >> 40) - (1 << 23)) / (1 << 23);
}

// Zero mean, unit variance, |x| <= 3.47: a sum of four 16-bit uniforms (Irwin-Hall), the same bits on every platform.
float normal(std::uint64_t bits) {
  constexpr float kMean = 2 * 65535.0f, kInverseDeviation = 1.0f / 37837.2f;  // sqrt(4 / 12) * 65536
  const std::int32_t sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
  return (static_cast<float>(sum) - kMean) * kInverseDeviation;
}

// ascending and descending: the first feature of q is positive and that of k a ramp over the keys, which adds
// 0 ... kRampScore to the scores. steep: kSteepScore a key.
constexpr double kRampScore = 40.0;
constexpr double kSteepScore = 4.0;
constexpr float kPeakedGain = 8.0f;  // the deviation of the scores
constexpr double kNeedleScore = 32;  // of a query and its key; others have a deviation of kNeedleScore / sqrt(head_dim)
constexpr float kDenormal = 0x1p-130f;  // |normal| < 4

// To the nearest number with `bits` significant bits and no bit below `least`, ties to even.
float rounded(float x, int bits, float least) {
  if (x == 0) return x;
  const float quantum = std::max(std::ldexp(1.0f, std::ilogb(x) + 1 - bits), least);
  return std::nearbyint(x / quantum) * quantum;
}

// needle: rows of q and k are +-1, and a query has the signs of its keys. There are as many codes as rows that read a kv
// head, or as keys if those are fewer. Queries take them from the end so that the first head of a group finds its key at
// its own position, which every mask but a shifted window lets it see, and further heads the keys before.
struct NeedleCodes {
  std::int64_t count, offset, group, seqlen_q;

  explicit NeedleCodes(const Problem& p)
      : count(std::min(p.heads / p.kv_heads * p.seqlen_q, p.seqlen_k)),
        offset(p.seqlen_k - p.seqlen_q),
        group(p.heads / p.kv_heads),
        seqlen_q(p.seqlen_q) {}
  std::int64_t of_key(std::int64_t j) const { return j % count; }
  std::int64_t of_query(std::int64_t h, std::int64_t i) const {
    return ((i + offset - h % group * seqlen_q) % count + count) % count;
  }
};

// An element as far as it does not depend on its place; `bits` are its own.
float element(Fill kind, Role role, std::uint64_t bits) {
  switch (kind) {
    case Fill::uniform:
      return uniform(bits);
    case Fill::peaked:
      return role == Role::q ? kPeakedGain * normal(bits) : normal(bits);
    case Fill::integers:
      return static_cast<float>(static_cast<std::int64_t>(bits % 17) - 8);
    case Fill::ones:
      return role == Role::v ? 1.0f : normal(bits);
    case Fill::denormal:
      return normal(bits) * (role == Role::do_ ? 1.0f : kDenormal);
    case Fill::bf16:
      return rounded(normal(bits), 8, 0x1p-133f);
    case Fill::f16:
      return rounded(normal(bits), 11, 0x1p-24f);
    default:
      return normal(bits);
  }
}

// A row as numbers of the problem's dtype, which are then quantised.
void write_quantised(const Problem& p, const TensorView& t, const TensorView& scales, std::int64_t b, std::int64_t h,
                     std::int64_t i, float* row) {
  const std::int64_t dim = t.shape[3];
  with_element(p.dtype, [&]<class E>(E) {
    for (std::int64_t d = 0; d < dim; ++d) row[d] = to_float(round_to<E>(row[d]));
  });
  *row_of<float>(scales, b, h, i) = quantise(row, dim, row_of<Int8>(t, b, h, i));
}

// `scales`: of int8, else empty.
void fill(const TensorView& t, const TensorView& scales, const Problem& p, Fill kind, Role role, std::uint64_t seed) {
  // No structured binding: clang 14 refuses them inside an OpenMP region.
  const std::int64_t batch = t.shape[0], heads = t.shape[1], rows = t.shape[2], dim = t.shape[3];
  const std::uint64_t stream = mix(seed * 4 + static_cast<std::uint64_t>(role));
  const std::uint64_t codes_stream = mix(~seed);
  const NeedleCodes codes(p);
  const bool scored = role == Role::q || role == Role::k;
  const bool ramp = scored && (kind == Fill::ascending || kind == Fill::descending || kind == Fill::steep);
  const float ramp_query = static_cast<float>(1.0 / softmax_scale(p));
  const auto needle_gain = static_cast<float>(kNeedleScore / std::sqrt(static_cast<double>(p.head_dim)));
#pragma omp parallel for collapse(3) schedule(static)
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < rows; ++i) {
        std::vector<float> values(static_cast<std::size_t>(dim));
        float* row = values.data();
        const std::uint64_t first = static_cast<std::uint64_t>(((b * heads + h) * rows + i) * dim);
        const auto bits_of = [&](std::int64_t d) { return mix(stream ^ mix(first + static_cast<std::uint64_t>(d))); };
        for (std::int64_t d = 0; d < dim; ++d) row[d] = element(kind, role, bits_of(d));
        if (kind == Fill::constant) std::fill(row, row + dim, row[0]);
        if (kind == Fill::one_hot) {
          std::fill(row, row + dim, 0.0f);
          row[bits_of(0) % static_cast<std::uint64_t>(dim)] = 1;
        }
        if (kind == Fill::needle && scored) {
          const std::int64_t code = role == Role::q ? codes.of_query(h, i) : codes.of_key(i);
          for (std::int64_t d = 0; d < dim; ++d) {
            const bool negative = mix(codes_stream ^ mix(static_cast<std::uint64_t>(code * dim + d))) >> 63;
            row[d] = (negative ? -1.0f : 1.0f) * (role == Role::q ? needle_gain : 1.0f);
          }
        }
        if (ramp) {
          const double along = (kind == Fill::descending ? static_cast<double>(rows - i) : i + 1.0) / rows;
          const double score = kind == Fill::steep ? kSteepScore * (i + 1.0) : kRampScore * along;
          row[0] = role == Role::q ? ramp_query : static_cast<float>(score);
        }
        if (scales.data != nullptr)
          write_quantised(p, t, scales, b, h, i, row);
        else
          write_row(t, b, h, i, row);
      }
}

void copy_rows(const TensorView& from, const TensorView& to) {
  const std::int64_t batch = to.shape[0], heads = to.shape[1], rows = to.shape[2], dim = to.shape[3];
#pragma omp parallel for collapse(3) schedule(static)
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < rows; ++i)
        std::copy_n(bytes_of_row(from, b, h, i), dim * element_of(to.dtype).bytes, bytes_of_row(to, b, h, i));
}

std::uint64_t hash_rows(const TensorView& t, std::uint64_t hash) {
  constexpr std::int64_t kWordBytes = sizeof(std::uint32_t);
  const auto [batch, heads, rows, dim] = t.shape;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::byte* row = bytes_of_row(t, b, h, i);
        const std::int64_t bytes = dim * element_of(t.dtype).bytes, words = bytes / kWordBytes;
        // FNV-1a over words, four interleaved streams so that multiplication latency overlaps.
        std::array<std::uint64_t, 4> lane = {hash, hash + 1, hash + 2, hash + 3};
        const auto add = [&](std::int64_t w, int l) {
          std::uint32_t word = 0;
          std::memcpy(&word, row + w * kWordBytes,
                      static_cast<std::size_t>(std::min(kWordBytes, bytes - w * kWordBytes)));
          lane[l] = (lane[l] ^ word) * 0x100000001b3;
        };
        std::int64_t w = 0;
        for (; w + 4 <= words; w += 4)
          for (int l = 0; l < 4; ++l) add(w + l, l);
        for (; w * kWordBytes < bytes; ++w) add(w, static_cast<int>(w % 4));
        hash = mix(lane[0] ^ mix(lane[1] ^ mix(lane[2] ^ mix(lane[3]))));
      }
  return hash;
}

}  // namespace

void validate(const Setup& setup, const Problem& p) {
  if (setup.layout == Layout::packed && (p.seqlen_q != p.seqlen_k || p.head_dim != p.value_dim))
    throw std::invalid_argument(fmt::format(
        "layout:packed needs k equal to q and dv equal to d, got q:{} k:{} d:{} dv:{}; valid: layout:bhsd, layout:bshd",
        p.seqlen_q, p.seqlen_k, p.head_dim, p.value_dim));
  if (setup.layout == Layout::packed && has_int8_kv(p))
    throw std::invalid_argument(fmt::format(
        "layout:packed has q, k and v in one buffer of one type, got kv:int8 and dtype:{}; valid: layout:bhsd, "
        "layout:bshd",
        element_of(p.dtype).name));
}

void validate_given(const Tensors& given, const Problem& p) {
  for (const TensorRole& role : kTensorRoles) {
    const TensorView& t = given.*role.view;
    if (!role.given || (role.use(p) == Use::absent && t.data == nullptr)) continue;
    if (role.use(p) == Use::absent)
      throw std::invalid_argument(
          fmt::format("{} is given, and {} has none", role.name, to_short_string(Workload{.problem = p})));
    if (const std::int32_t dtype = role.dtype(p); t.dtype != dtype)
      throw std::invalid_argument(fmt::format("{} is {}, the problem is of {}", role.name, element_of(t.dtype).name,
                                              dtype == kInt8Dtype ? "kv:int8" : element_of(dtype).name));
    if (const std::array<std::int64_t, 4> shape = role.shape(p); t.shape != shape)
      throw std::invalid_argument(fmt::format("{} is [{}], {} needs [{}]", role.name, fmt::join(t.shape, ", "),
                                              to_short_string(Workload{.problem = p}), fmt::join(shape, ", ")));
  }
  validate_scales(given);
}

std::uint64_t hash_values(const Tensors& t) {
  std::uint64_t hash = 0;
  for (const TensorRole& role : kTensorRoles)
    if (role.given) hash = hash_rows(t.*role.view, hash);
  return hash;
}

namespace {

// o and lse of the forward pass, from the oracle.
void compute_forward(const Problem& p, const Tensors& t) {
  const Problem forward = forward_of(p);
  const std::vector<Row> rows = all_rows(forward);
  const ReferenceRows<double> expected = reference<double>(forward, t, rows);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    t.lse[r] = static_cast<float>(expected.lse[r]);
    write_row(t.o, rows[r].batch, rows[r].head, rows[r].index, &expected.o[r * p.value_dim]);
  }
}

// Those that a tensor's rows are multiplied by.
TensorView scales_of_role(const Tensors& t, Role role) {
  return role == Role::k ? t.k_scale : role == Role::v ? t.v_scale : TensorView{};
}

// Views of a packed buffer, whose rows hold a token's heads of q, then its kv_heads of k, then of v.
void set_packed_views(const Problem& p, std::byte* base, TensorView& q, TensorView& k, TensorView& v) {
  const std::int64_t token = (p.heads + 2 * p.kv_heads) * p.head_dim;
  const std::array<std::int64_t, 4> stride = {p.seqlen_q * token, p.head_dim, token, 1};
  const auto view = [&](std::int64_t first_head, const std::array<std::int64_t, 4>& shape) {
    return TensorView{base + first_head * p.head_dim * element_bytes(p), dtype_of(p), shape, stride};
  };
  q = view(0, shape_q(p));
  k = view(p.heads, shape_k(p));
  v = view(p.heads + p.kv_heads, shape_v(p));
}

}  // namespace

std::int64_t inputs_bytes(const Problem& p) { return minimal_bytes(p); }

Inputs::Inputs(const Problem& p, const Setup& setup, Placement placement) : problem_(p) {
  validate(p);
  validate(setup, p);
  const bool packed = setup.layout == Layout::packed;
  const Layout unpacked = packed ? Layout::bshd : setup.layout;  // of what is never packed
  const auto allocate = [&](std::vector<Buffer>& owner, const char* name, std::int64_t bytes) {
    owner.push_back({name, AlignedBuffer(static_cast<std::size_t>(bytes), placement)});
    return owner.back().memory.data();
  };
  const auto dense = [&](std::vector<Buffer>& owner, const TensorRole& role) {
    const std::array<std::int64_t, 4> shape = role.shape(p);
    const std::int32_t dtype = role.dtype(p);
    return dense_view(allocate(owner, role.name, elements(shape) * element_of(dtype).bytes), shape,
                      role.dense ? Layout::bhsd : unpacked, dtype);
  };
  if (packed) {
    const std::int64_t bytes = (elements(shape_q(p)) + elements(shape_k(p)) + elements(shape_v(p))) * element_bytes(p);
    set_packed_views(p, allocate(inputs_, "qkv", bytes), tensors_.q, tensors_.k, tensors_.v);
    if (p.backward) set_packed_views(p, allocate(outputs_, "dqkv", bytes), tensors_.dq, tensors_.dk, tensors_.dv);
  }
  for (const TensorRole& role : kTensorRoles) {
    TensorView& view = tensors_.*role.view;
    if (const Use use = role.use(p); use != Use::absent && view.data == nullptr)
      view = dense(use == Use::read ? inputs_ : outputs_, role);
  }
  if (p.lse || p.backward)
    tensors_.lse = reinterpret_cast<float*>(
        allocate(p.backward ? inputs_ : outputs_, "lse", p.batch * p.heads * p.seqlen_q * kLseBytes));
  poison_outputs();
}

Inputs::Inputs(const Problem& p, const Setup& setup, const InputSource& source, Placement placement)
    : Inputs(p, setup, placement) {
  tensors_.seed = source.seed;
  if (setup.fill == Fill::file) copy_given(source);
  // What is nobody's file, as the gradient of o, is made from the seed.
  for (const TensorRole& role : kTensorRoles)
    if (role.filled && role.use(p) == Use::read && !(role.given && setup.fill == Fill::file))
      with_team(default_team(), [&] {
        fill(tensors_.*role.view, scales_of_role(tensors_, role.role), p, setup.fill, role.role, source.seed);
      });
  if (p.backward) update_forward();
}

void Inputs::update_forward() const {
  if (problem_.backward) compute_forward(problem_, tensors_);
}

void Inputs::copy_given(const InputSource& source) const {
  if (source.given == nullptr) throw std::invalid_argument("fill:file copies given tensors, and none are given");
  validate_given(*source.given, problem_);
  with_team(default_team(), [&] {
    for (const TensorRole& role : kTensorRoles)
      if (role.given && role.use(problem_) != Use::absent) copy_rows(source.given->*role.view, tensors_.*role.view);
  });
}

Inputs Inputs::copy(const Problem& p, const Setup& setup) const {
  Inputs copy(p, setup, Placement::aligned);
  copy.tensors_.seed = tensors_.seed;
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    std::memcpy(copy.inputs_[i].memory.data(), inputs_[i].memory.data(), inputs_[i].memory.size());
  return copy;
}

std::vector<std::span<std::byte>> Inputs::outputs() const {
  std::vector<std::span<std::byte>> spans;
  for (const Buffer& output : outputs_) spans.push_back(output.memory.bytes());
  return spans;
}

Inputs::Overrun Inputs::overrun() const {
  for (const std::vector<Buffer>* buffers : {&outputs_, &inputs_})
    for (const Buffer& buffer : *buffers)
      if (const std::size_t bytes = buffer.memory.overrun_bytes(); bytes > 0) return {buffer.name, bytes};
  return {};
}

std::vector<std::byte> Inputs::output_bits() const {
  std::vector<std::byte> bits;
  for (const std::span<std::byte> bytes : outputs()) bits.insert(bits.end(), bytes.begin(), bytes.end());
  return bits;
}

void Inputs::poison_outputs() const {
  for (const Buffer& output : outputs_) poison(output.memory.bytes());
}

void Inputs::allow_writes(bool allowed) const {
  for (const Buffer& input : inputs_) input.memory.allow_writes(allowed);
}

bool Inputs::allow_writes_at(const void* address) const {
  const auto* byte = static_cast<const std::byte*>(address);
  for (const Buffer& input : inputs_)
    if (const auto bytes = input.memory.bytes(); byte >= bytes.data() && byte < bytes.data() + bytes.size()) {
      input.memory.allow_writes(true);
      return true;
    }
  return false;
}

std::uint64_t Inputs::hash() const {
  std::uint64_t hash = hash_values(tensors_);
  if (tensors_.do_.data == nullptr) return hash;
  const std::int64_t rows = tensors_.o.shape[0] * tensors_.o.shape[1] * tensors_.o.shape[2];
  const TensorView lse = dense_view(tensors_.lse, {1, 1, 1, rows}, Layout::bhsd);
  for (const TensorView& t : {tensors_.o, tensors_.do_, lse}) hash = hash_rows(t, hash);
  return hash;
}

}  // namespace attn
