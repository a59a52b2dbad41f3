// The header of a .npy file: the Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, 4), }, in each
// form that numpy.load takes: of Python 2, too, whose sizes end in L (NumPy Enhancement Proposal 1, numpy.lib.format).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attn_plugin.h"

namespace attn::bench {

struct NpyHeader {
  std::string descr;  // as it is written; for a structured type "a structured type"
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

// Nothing when the text is something else.
std::optional<NpyHeader> parse_npy_header(std::string_view text);

// The elements that a descr is, by any of the names that numpy.dtype has for float32 and float16 of this machine's byte
// order. bf16 is '<V2', which numpy writes for ml_dtypes' bfloat16: a void of two bytes that has a byte order, as no void of
// numpy's own has. '|V2' is one of those, and could be anything. Nothing for another type.
std::optional<attn_dtype> npy_dtype(std::string_view descr);

// Whether it is one of int8.
bool is_int8(std::string_view descr);

// "float64 ('<f8')"
std::string npy_type_name(const std::string& descr);

// Whether it is what numpy.load makes of a bfloat16 that it knows nothing of, and saves as '|V2'.
bool is_nameless_pair_of_bytes(std::string_view descr);

}  // namespace attn::bench
