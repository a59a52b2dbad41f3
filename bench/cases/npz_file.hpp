// NpzFile: q, k and v of the user's own, from a zip archive of arrays as numpy.savez and savez_compressed write it.
//
// q.npy is [batch, heads, seqlen_q, head_dim], k.npy [batch, kv_heads, seqlen_k, head_dim], v.npy [batch, kv_heads,
// seqlen_k, value_dim]; three dimensions are those without batch, which is then 1. They are little-endian f32 in C
// order; any value is allowed, NaN and infinity too. Other arrays are ignored, and named.
//
// The format of .npy: NumPy Enhancement Proposal 1, and numpy.lib.format for the versions 2 and 3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aligned_buffer.hpp"
#include "problem.hpp"
#include "tensor.hpp"

namespace attn::bench {

class NpzFile {
 public:
  // Reads all three. Throws UsageError naming the file, the array, what was found and what would be valid; nothing is
  // allocated for an array before its header, the archive's directory and the free memory agree about its size.
  explicit NpzFile(const std::string& path);

  const std::string& path() const { return path_; }    // absolute; any bytes
  std::string name() const;                            // the same as it may be printed and go into a result file
  const Tensors& tensors() const { return tensors_; }  // o and lse are null
  // The attention that these shapes are: no mask, no lse. Throws UsageError naming the shapes that do not go together.
  Problem problem() const;
  // Of the values, as attn::hash_values; 16 hexadecimal digits.
  std::string hash() const;
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  std::string path_;
  std::vector<AlignedBuffer> memory_;
  Tensors tensors_;
  std::vector<std::string> ignored_;
};

}  // namespace attn::bench
