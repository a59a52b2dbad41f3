#include "quantisation.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace attn {

void validate_scales(const Tensors& tensors) {
  for (const auto& [name, scales] : {std::pair{"k_scale", tensors.k_scale}, {"v_scale", tensors.v_scale}}) {
    const auto [batch, heads, tokens, one] = scales.shape;
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t j = 0; j < tokens; ++j)
          if (const float scale = *row_of<float>(scales, b, h, j); !(scale > 0 && std::isfinite(scale)))
            throw std::invalid_argument(
                fmt::format("{} of batch {}, kv head {}, token {} is {}; valid: positive finite numbers, 1 where all "
                            "elements of the row are 0",
                            name, b, h, j, scale));
  }
}

}  // namespace attn
