// The phases of bf16 attention one after the other.
#pragma once

#include "detail/bf16_attention.hpp"

namespace attn::ATTN_ISA {
namespace {

struct SerialPhases {
  static void run(Worker& w) {
    for (Item item = w.next(); item.block != nullptr; item = w.next()) {
      for (std::int64_t step = 0; step < item.steps; ++step) attend_step(w, item, step);
      Products products;
      w.add_values_to(products, item, w.probs[0], 0, w.shape.value_groups);
      compute_products(w.tiles, w.state, products);
      flush(w.tiles, w.state, w.nowhere);
      if (item.ends_block()) w.finish(*item.block);
    }
  }

  // S^T of a step, and P^T from it.
  static void attend_step(Worker& w, const Item& item, std::int64_t step) {
    QueryBlock& block = *item.block;
    Products products;
    products.scores = w.scores_of(item, step, w.scores[0]);
    compute_products(w.tiles, w.state, products);
    flush(w.tiles, w.state, w.nowhere);
    w.start_step(item, step, w.scores[0]);
    const Lanes before = block.lanes;
    w.compute_softmax(block, w.scores[0], w.probs[0] + step * kQuad);
    if (wants_reference(block.lanes)) [[unlikely]]
      w.raise(item, step, before, w.scores[0], w.probs[0], nullptr);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA
