// NpzFile: q, k and v of the user's own, from a zip archive of arrays as numpy.savez and savez_compressed write it.
//
// q.npy is [batch, heads, seqlen_q, head_dim], k.npy [batch, kv_heads, seqlen_k, head_dim], v.npy [batch, kv_heads,
// seqlen_k, value_dim]; three dimensions are those without batch, which is then 1. All three are little-endian float32,
// float16 or ml_dtypes' bfloat16 in C order, and are read as f32, f16 or bf16; any value is allowed, NaN and infinity too.
// k and v may also be int8 from -127 to 127, with their scales in k_scale.npy and v_scale.npy: float32, [batch, kv_heads,
// seqlen_k] or without batch, positive and finite (src/quantisation.hpp). Other arrays are ignored, and named.
//
// The format of .npy: NumPy Enhancement Proposal 1, and numpy.lib.format for the versions 2 and 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aligned_buffer.hpp"
#include "problem.hpp"
#include "tensor.hpp"

namespace attn::bench {

class NpzFile {
 public:
  // Reads them all. With `rounded_to`, a 16-bit dtype, f32 arrays but for scales are rounded to it, ties to even; int8 and
  // arrays of that dtype are taken as they are, others refused. Throws UsageError naming the file, the array, what was found
  // and what would be valid: where the arrays are of different types, too, and with its place for a finite value that would
  // become infinite. Nothing is allocated for an array before its header, the archive's directory and the free memory agree
  // about its size.
  explicit NpzFile(const std::string& path, std::optional<attn_dtype> rounded_to = std::nullopt);

  const std::string& path() const { return path_; }    // absolute; any bytes
  std::string name() const;                            // the same as it may be printed and go into a result file
  const Tensors& tensors() const { return tensors_; }  // o and lse are null
  attn_dtype dtype() const { return static_cast<attn_dtype>(tensors_.q.dtype); }
  std::optional<attn_dtype> rounded_to() const { return rounded_to_; }
  // Infinite values of the file's own, by name: "2 in k, 1 in v"; empty where there are none.
  std::string infinities() const;
  // The attention that these arrays are: no mask, no lse. Throws UsageError naming shapes and types that do not go together,
  // or a scale that is not positive and finite.
  Problem problem() const;
  // Of the values, as attn::hash_values; 16 hexadecimal digits.
  std::string hash() const;
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  bool is_int8_cache() const;

  std::string path_;
  std::optional<attn_dtype> rounded_to_;
  std::vector<AlignedBuffer> memory_;
  Tensors tensors_;
  std::vector<std::string> ignored_;
};

}  // namespace attn::bench
