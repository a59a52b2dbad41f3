// The phases of bf16 attention side by side: while a step's softmax is computed, the tile unit has the products of S^T of
// the step after it and a share of O^T += V^T P^T of the item before. Items follow each other in one stream, from one block
// of queries to the next.
#pragma once

#include "detail/bf16_attention.hpp"

namespace attn::ATTN_ISA {
namespace {

class OverlappedPhases {
 public:
  static void run(Worker& w) { OverlappedPhases(w).run(); }

 private:
  explicit OverlappedPhases(Worker& w) : w_(w) {}

  void run() {
    current_ = w_.next();
    if (current_.block == nullptr) return;
    Products first;
    first.scores = w_.scores_of(current_, 0, w_.scores[0]);
    compute_products(w_.tiles, w_.state, first);
    flush(w_.tiles, w_.state, w_.nowhere);
    while (current_.block != nullptr) {
      following_ = w_.next();
      for (std::int64_t step = 0; step < current_.steps; ++step) attend_step(step);
      if (earlier_.block != nullptr && earlier_.ends_block()) finish_earlier();
      earlier_ = current_;
      current_ = following_;
      std::swap(w_.probs[0], w_.probs[1]);
    }
    Products last;
    w_.add_values_to(last, earlier_, w_.probs[1], 0, w_.shape.value_groups);
    compute_products(w_.tiles, w_.state, last);
    finish_earlier();
  }

  void finish_earlier() {
    flush(w_.tiles, w_.state, w_.nowhere);
    w_.finish(*earlier_.block);
  }

  // The softmax of a step of the current item, whose S^T is in w.scores[0].
  void attend_step(std::int64_t step) {
    QueryBlock& block = *current_.block;
    const Products products = products_beside(step);
    w_.start_step(current_, step, w_.scores[0]);
    const Lanes before = block.lanes;
    Bf16* probs = w_.probs[0] + step * kQuad;
    compute_beside(products, {.scores = w_.scores[0], .probs = probs, .pairs = kUnits / 2}, block.lanes);
    // The next step reads S^T at once, whatever comes of the values.
    if (products.value_groups == 0) flush(w_.tiles, w_.state, w_.nowhere);
    if (wants_reference(block.lanes)) [[unlikely]] {
      flush(w_.tiles, w_.state, w_.nowhere);
      w_.raise(current_, step, before, w_.scores[0], w_.probs[0],
               earlier_.block == current_.block ? w_.probs[1] : nullptr);
    }
    std::swap(w_.scores[0], w_.scores[1]);
  }

  Products products_beside(std::int64_t step) const {
    Products products;
    products.scores = scores_after(step + 1);
    products.scores.target = w_.scores[1];
    if (earlier_.block != nullptr)
      w_.add_values_to(products, earlier_, w_.probs[1], step * w_.shape.value_groups / current_.steps,
                       (step + 1) * w_.shape.value_groups / current_.steps);
    products.next = scores_after(step + 2).first;
    return products;
  }

  // S^T of a step of the current item or, from its end on, of the following one; nothing where that ends, too.
  Square32 scores_after(std::int64_t step) const {
    if (step < current_.steps) return w_.scores_of(current_, step, nullptr);
    step -= current_.steps;
    if (following_.block == nullptr || step >= following_.steps) return {};
    return w_.scores_of(following_, step, nullptr);
  }

  // With as many units in a quad as the quads ask for.
  void compute_beside(const Products& products, const Units& units, Lanes& lanes) const {
    const bool lse = w_.args.lse != nullptr;
    const auto compute = [&]<int kPairs> {
      (lse ? compute_products<kPairs, true> : compute_products<kPairs, false>)(w_.tiles, w_.state, products, units,
                                                                               lanes);
    };
    const std::int64_t quads = products.quads();
    if (quads == 0) return w_.compute_softmax(*current_.block, units.scores, units.probs);
    const std::int64_t pairs = (units.pairs + quads - 1) / quads;
    if (pairs <= 1) return compute.template operator()<1>();
    if (pairs <= 2) return compute.template operator()<2>();
    if (pairs <= 3) return compute.template operator()<3>();
    if (pairs <= 4) return compute.template operator()<4>();
    if (pairs <= 6) return compute.template operator()<6>();
    compute.template operator()<8>();
  }

  Worker& w_;
  Item earlier_, current_, following_;
};

}  // namespace
}  // namespace attn::ATTN_ISA
