// attnbench list: every variant on every ISA, what it can do, and whether it runs here.
#include <fmt/format.h>

#include "base/json.hpp"
#include "base/say.hpp"
#include "commands/commands.hpp"
#include "layers/gemm.hpp"
#include "problem_keys.hpp"
#include "problem_text.hpp"
#include "registry.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {
namespace {

Json as_json(std::span<const Variant* const> table) {
  Json rows = Json::array();
  for (const Variant* row : table) {
    const std::string& missing = missing_for(isa_of(*row));
    rows.push_back({{"name", row->name},
                    {"isa", row->isa},
                    {"runs_here", missing.empty()},
                    {"reason", missing},
                    {"features", feature_names(declared_features(*row))},
                    {"error_multiple", row->error_multiple},
                    {"summary", row->summary},
                    {"source", row->source}});
  }
  return rows;
}

Json keys_as_json() {
  Json rows = Json::array();
  for (const ProblemKey& key : problem_keys())
    rows.push_back({{"name", key.name},
                    {"values", values_text(key)},
                    {"default", key.default_text},
                    {"feature", key.feature.bit != 0 ? key.feature.name : ""},
                    {"of_layers", key.of_layers},
                    {"help", key.help}});
  return rows;
}

void print_keys() {
  put("A problem is key:value, joined by /, in any order: h:12/q:1024/d:64/mask:causal\n\n");
  for (const ProblemKey& key : problem_keys()) {
    put("{:<9}{}\n{:9}values:  {}\n{:9}default: {}\n", key.name, key.help, "", values_text(key), "", key.default_text);
    if (key.feature.bit != 0) put("{:9}feature: {}\n", "", key.feature.name);
  }
}

void print_text(std::span<const Variant* const> table) {
  for (const std::string& name : variant_names(table)) {
    const Variant* first = nullptr;
    std::string isas;
    for (const Variant* row : table) {
      if (row->name != name) continue;
      if (first == nullptr) first = row;
      isas += fmt::format("{}{}{}", isas.empty() ? "" : " ", row->isa, runs_here(isa_of(*row)) ? "" : "(no)");
    }
    put("{:<18}{}\n{:18}features: {}\n{:18}isas:     {}\n", name, first->summary, "",
        feature_names(declared_features(*first)), "", isas);
  }
  put("\nLayers around any of them, by a key of the problem:\n ");
  for (std::size_t form = 1; form < kLayerNames.size(); ++form) put(" layer:{}", kLayerNames[form]);
  put("; projections by {}\n",
      layers::default_gemm() == layers::Gemm::blas ? "CBLAS" : fmt::format("plain loops ({})", layers::why_no_blas()));
  put("\nInstruction sets on this machine:\n");
  for (std::size_t i = 0; i < kIsaNames.size(); ++i) {
    const std::string& missing = missing_for(static_cast<Isa>(i));
    put("  {:<8}{}\n", kIsaNames[i], missing.empty() ? "runs here" : "no: " + missing);
  }
  put("\nPeers, measured beside ours with --peers or --sweep peers:\n");
  for (const KnownPeer& peer : known_peers())
    put("  {:<8}{}\n", peer.name, peer.file.empty() ? "absent: " + peer.remedy : peer.file);
}

}  // namespace

Command add_list(CLI::App& app) {
  CLI::App* command = app.add_subcommand("list", "variants and instruction sets: features, which run here, why not");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "machine-readable");
  auto keys = std::make_shared<bool>(false);
  command->add_flag("--keys", *keys, "the keys of a problem instead: values, defaults, meaning");
  auto options = std::make_shared<KernelOptions>();
  add_kernel_options(*command, *options, false);
  return [json, keys, options](const Context& context) {
    if (*keys) {
      if (*json)
        put("{}", json_text(keys_as_json()));
      else
        print_keys();
      return 0;
    }
    const Kernels kernels(context.table, *options, InputOrigin(InputOptions{}));
    if (*json)
      put("{}", json_text(as_json(kernels.table())));
    else
      print_text(kernels.table());
    return 0;
  };
}

}  // namespace attn::bench
