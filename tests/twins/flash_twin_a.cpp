// flash once more, under a name of its own: two of them that are the same must not be told apart.
#include "variant.hpp"

#undef ATTN_VARIANT
#define ATTN_VARIANT(symbol, ...)                                                                 \
  namespace attn::ATTN_ISA {                                                                      \
  extern const Variant flash_twin_a;                                                              \
  constinit const Variant flash_twin_a{                                                           \
      .struct_size = sizeof(Variant), .name = "flash_twin_a", .isa = ATTN_ISA_NAME, __VA_ARGS__}; \
  }
#include "../../variants/flash.cpp"
