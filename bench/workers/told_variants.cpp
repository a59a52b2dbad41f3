#include "workers/told_variants.hpp"

#include "base/printable.hpp"

namespace attn::bench {
namespace {

std::string told(const Json& text) { return printable(text.get<std::string>(), kMostToldBytes); }

}  // namespace

std::vector<const Variant*> ToldVariants::add(const Json& variants) {
  std::vector<const Variant*> added;
  for (const Json& entry : variants)
    added.push_back(&rows_.emplace_back(Variant{.struct_size = sizeof(Variant),
                                                .name = keep(entry.at("name")),
                                                .isa = keep(entry.at("isa")),
                                                .summary = keep(told(entry.at("summary"))),
                                                .source = keep(told(entry.at("source"))),
                                                .features = entry.at("features"),
                                                .error_multiple = entry.at("error_multiple")}));
  return added;
}

}  // namespace attn::bench
