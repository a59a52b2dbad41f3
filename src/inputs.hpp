// Setup: how a problem's data is laid out and filled. Fills are seeded and counter-based: a value depends on the seed,
// the tensor and the logical index alone, never on layout, thread count or platform. `file` copies given tensors.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "aligned_buffer.hpp"
#include "problem.hpp"
#include "tensor.hpp"

namespace attn {

// Each fill has a purpose:
//   normal     what trained models look like: zero mean, unit variance
//   uniform    [-1, 1): nearly equal probabilities, the mean of v
//   peaked     scores of tens: a few keys take almost all the probability
//   ascending  scores grow along the keys, so that an online softmax must rescale at every block
//   descending scores fall along the keys, so that the first block already holds the maximum
//   steep      scores rise by 4 a key: each outweighs all before it, and a late maximum is raised at every step
//   integers   -8 ... 8: plain loops compute such scores exactly, so that nothing but the tolerance allows for rounding
//   needle     each key is nearly alone in the softmax of some query (d of 32 or more; each shares it with few where keys
//              outnumber queries): one that is lost, doubled or shifted shows, whatever the tolerance
//   one_hot    one 1 a row, else zeros: many equal scores, and sums that many keys add nothing to
//   constant   the features of a row are all alike, as far from independent as can be
//   ones       v is 1 everywhere, and so is o: weights that do not add up to 1 show
//   denormal   below 2^-126 (of f16 0): units that flush to zero, and scores that are all 0
//   bf16       normal, rounded to bf16: what 16-bit weights leave in an f32 cache
//   f16        normal, rounded to f16
//   file       a user's own tensors; the one fill that is not seeded
// Where k and v are of int8, what a fill says, rounded to the dtype, is quantised (quantisation.hpp).
enum class Fill : std::int32_t {
  normal,
  uniform,
  peaked,
  ascending,
  descending,
  steep,
  integers,
  needle,
  one_hot,
  constant,
  ones,
  denormal,
  bf16,
  f16,
  file
};

// Where the inputs of a call come from. warm: every call reads the same tensors, which stay in the caches that they fit
// in. cold: calls go round copies that together exceed every cache.
enum class CacheState : std::int32_t { warm, cold };

inline constexpr std::array kFillNames = {"normal", "uniform",  "peaked", "ascending", "descending",
                                          "steep",  "integers", "needle", "one_hot",   "constant",
                                          "ones",   "denormal", "bf16",   "f16",       "file"};
inline constexpr std::size_t kSeededFills = kFillNames.size() - 1;  // the first ones
inline constexpr std::array kLayoutNames = {"bhsd", "bshd", "packed"};
inline constexpr std::array kCacheNames = {"warm", "cold"};

struct Setup {
  Layout layout = Layout::bhsd;
  Fill fill = Fill::normal;
  CacheState cache = CacheState::warm;
  bool operator==(const Setup&) const = default;
};

// Throws std::invalid_argument when the setup does not fit the problem (packed needs k == q, dv == d and one dtype).
void validate(const Setup& setup, const Problem& problem);

// What the values of q, k and v are made from: a seed or, for Fill::file, tensors of any strides, which are copied. Their
// o and lse are not looked at. They must outlive whoever keeps the source.
struct InputSource {
  std::uint64_t seed;
  const Tensors* given;
  InputSource(std::uint64_t seed, const Tensors* given = nullptr) : seed(seed), given(given) {}
};

// Throws std::invalid_argument naming the first of q, k, v and their scales whose shape or type the problem does not have,
// or a scale that is not positive and finite.
void validate_given(const Tensors& given, const Problem& problem);

// Of every byte of q, k, v and their scales in logical order, whatever their layout.
std::uint64_t hash_values(const Tensors& tensors);

// The tensors of one problem with the memory behind them; outputs start poisoned. The seed is that of the dropout mask
// too. For a backward pass o and lse are the oracle's, rounded to the dtype and to float: every kernel is fed the same, and an error of a
// forward kernel is never counted as the backward kernel's.
class Inputs {
 public:
  // Throws std::invalid_argument when setup or given tensors do not fit, or Fill::file has none given.
  Inputs(const Problem& problem, const Setup& setup, const InputSource& source,
         Placement placement = Placement::aligned);

  // The same inputs in other memory, for the problem and setup that this was made with.
  Inputs copy(const Problem& problem, const Setup& setup) const;

  const Tensors& tensors() const { return tensors_; }
  // Computes o and lse of a backward pass again, after an edit of q, k or v.
  void update_forward() const;

  // The memory of every output: o and, when it is one, lse; backward dq, dk and dv.
  std::vector<std::span<std::byte>> outputs() const;
  // All of them one after the other.
  std::vector<std::byte> output_bits() const;
  void poison_outputs() const;
  // The buffer behind whose end somebody wrote, "o" say, and how far; null while nobody did.
  struct Overrun {
    const char* name = nullptr;
    std::size_t bytes = 0;
  };
  Overrun overrun() const;
  // The inputs fault when they are written to; or no longer do.
  void allow_writes(bool allowed) const;
  // Allows them again in the input that has this byte; false when none has. Safe in a signal handler.
  bool allow_writes_at(const void* address) const;
  // A hash of every byte of the inputs: changes when a kernel writes one.
  std::uint64_t hash() const;

 private:
  Inputs(const Problem& problem, const Setup& setup, Placement placement);
  void copy_given(const InputSource& source) const;

  struct Buffer {
    const char* name;
    AlignedBuffer memory;
  };
  std::vector<Buffer> inputs_;  // q, k, v and their scales, or one packed buffer; backward o, lse and do too
  std::vector<Buffer> outputs_;
  Problem problem_;
  Tensors tensors_;
};

// Bytes that Inputs would allocate.
std::int64_t inputs_bytes(const Problem& problem);

}  // namespace attn
