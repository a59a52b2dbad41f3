// The header of a .npy file: the Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, 4), }, in each
// form that numpy.load takes: of Python 2, too, whose sizes end in L (NumPy Enhancement Proposal 1, numpy.lib.format).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attn::bench {

struct NpyHeader {
  std::string descr;  // as it is written; for a structured type "a structured type"
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

// Nothing when the text is something else.
std::optional<NpyHeader> parse_npy_header(std::string_view text);

// Whether a descr is this machine's float, by any of the names that numpy.dtype has for it.
bool is_f32(std::string_view descr);

// "float64 ('<f8')"
std::string npy_type_name(const std::string& descr);

}  // namespace attn::bench
