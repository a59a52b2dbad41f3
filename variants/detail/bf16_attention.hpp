// bf16 attention on tiles, what its kernels share but for the order of phases: blocks of queries, items of keys, and the
// team. `Phases` is what a kernel adds:
//   void Phases::run(Worker&)    takes items from worker.next() and computes them
#pragma once

#include <omp.h>

#include <cmath>
#include <utility>

#include "detail/bf16_products.hpp"
#include "detail/exact_row.hpp"
#include "detail/exp2.hpp"
#include "detail/schedule.hpp"

namespace attn::ATTN_ISA {
namespace {

// Blocks of queries that are under way at once.
inline constexpr std::int64_t kMaxBlocks = 8;
// Of K and V of a head that stay in an L2 of 2 MB beside everything else; more goes by once for kMaxBlocks blocks.
inline constexpr std::int64_t kCachedBytes = 1'280 * 1024;

// K and V of one (batch, kv head), packed.
struct PackedHead {
  Bf16 *k, *v;
  std::uint8_t* tiny;  // [items]

  static std::int64_t bytes(const Shape& shape) {
    return (shape.key_values() + shape.value_values()) * static_cast<std::int64_t>(sizeof(Bf16)) +
           (shape.items + 63) / 64 * 64;
  }
  PackedHead(std::byte* base, const Shape& shape)
      : k(reinterpret_cast<Bf16*>(base)),
        v(k + shape.key_values()),
        tiny(reinterpret_cast<std::uint8_t*>(v + shape.value_values())) {}
};

// 32 rows: the query heads of a group are taken together, heads fastest, as in query_tile.hpp.
struct QueryBlock {
  std::int64_t first_row, rows;        // lanes from `rows` on are never written
  KeyRange some, all;                  // keys that some row sees; keys that every row sees (may be empty or reversed)
  std::int64_t first_step, last_step;  // of `some`
  Bf16* q;
  float* o;
  Lanes lanes;
};

// Keys of one item under one block.
struct Item {
  QueryBlock* block = nullptr;
  std::int64_t index = 0, first_step = 0, steps = 0;

  bool starts_block() const { return first_step == block->first_step; }
  bool ends_block() const { return first_step + steps == block->last_step; }
};

// One thread's part of a head: blocks of rows [begin, end) in the order in which they pass through the keys.
class Worker {
 public:
  // Slots of blocks, two steps of S^T, two items of P^T, a square that nobody reads.
  static std::int64_t bytes(const Shape& shape) {
    return kMaxBlocks * (shape.head_groups * kQuad * static_cast<std::int64_t>(sizeof(Bf16)) +
                         shape.value_groups * kSquareFloats * static_cast<std::int64_t>(sizeof(float))) +
           3 * kSquareFloats * static_cast<std::int64_t>(sizeof(float)) +
           2 * shape.item_steps * kQuad * static_cast<std::int64_t>(sizeof(Bf16));
  }

  Worker(const Args& args, const Shape& shape, Tiles& tiles, std::byte* scratch)
      : args(args), shape(shape), tiles(tiles) {
    const auto take = [&](std::int64_t size) { return std::exchange(scratch, scratch + size); };
    for (QueryBlock& block : blocks_) {
      block.q = reinterpret_cast<Bf16*>(take(shape.head_groups * kQuad * sizeof(Bf16)));
      block.o = reinterpret_cast<float*>(take(shape.value_groups * kSquareFloats * sizeof(float)));
    }
    for (float*& square : scores) square = reinterpret_cast<float*>(take(kSquareFloats * sizeof(float)));
    nowhere = reinterpret_cast<float*>(take(kSquareFloats * sizeof(float)));
    for (Bf16*& item : probs) item = reinterpret_cast<Bf16*>(take(shape.item_steps * kQuad * sizeof(Bf16)));
    state.pending = nowhere;
  }

  // The rows that next() goes through: all items of a block and then the next block or, where K and V do not stay in L2,
  // each item for up to kMaxBlocks blocks.
  void set_rows(std::int64_t batch, std::int64_t head_of_kv, const PackedHead& packed_head, std::int64_t begin,
                std::int64_t end, bool by_block) {
    b = batch, kv_head = head_of_kv, packed = &packed_head;
    row_ = begin, end_ = end, by_block_ = by_block;
    count_ = 0, at_ = 0;
    state.held = {};  // other data may stand at the same addresses now
  }

  // The next item; one without a block when there is none. A block of the last three items is not taken up again.
  Item next() {
    if (by_block_) return next_of_block();
    for (;;) {
      for (; at_ < count_; ++at_) {
        const Item item = item_of(blocks_[at_], item_);
        if (item.steps > 0) return ++at_, item;
      }
      at_ = 0, ++item_;
      if (item_ < last_item_) continue;
      if (row_ >= end_) return {};
      start_blocks();
    }
  }

  const Bf16* keys_of(std::int64_t step) const { return packed->k + step * shape.head_groups * kQuad; }

  // S^T of a step of an item.
  Square32 scores_of(const Item& item, std::int64_t step, float* target) const {
    return {.first = {keys_of(item.first_step + step), item.block->q}, .quads = shape.head_groups, .target = target};
  }

  // Groups [begin, end) of O^T += V^T P^T of an item.
  void add_values_to(Products& products, const Item& item, const Bf16* item_probs, std::int64_t begin,
                     std::int64_t end) const {
    products.value_stride = shape.item_steps * kQuad;
    products.value_groups = end - begin;
    products.add_values = !item.starts_block();
    const std::int64_t square = item.index * shape.value_groups + begin;
    products.values = {.first = {packed->v + square * products.value_stride +
                                     (item.first_step - item.index * shape.item_steps) * kQuad,
                                 item_probs},
                       .quads = item.steps,
                       .target = item.block->o + begin * kSquareFloats};
  }

  // Hides the scores of a step that a lane does not see and, for the first step of a block, finds its references.
  void start_step(const Item& item, std::int64_t step, float* step_scores) const {
    QueryBlock& block = *item.block;
    const std::int64_t first = (item.first_step + step) * kSide;
    // With a scale of 0 hidden scores would be NaN.
    const float scale =
        args.softmax_scale == 0 ? std::numeric_limits<float>::min() : static_cast<float>(args.softmax_scale * kLog2E);
    if (first < block.all.begin || first + kSide > block.all.end)
      hide_masked(step_scores, visible_lanes(block, first), scale);
    if (step > 0 || !item.starts_block()) return;
    block.lanes.scale = _mm512_set1_ps(scale);
    for (int y = 0; y < 2; ++y) {
      block.lanes.minus_reference[y] = _mm512_set1_ps(-kNoReference);
      block.lanes.sum[y] = block.lanes.exact_sum[y] = _mm512_setzero_ps();
    }
    raise_references(step_scores, block.lanes);
  }

  // The units of a step on their own.
  void compute_softmax(QueryBlock& block, const float* step_scores, Bf16* step_probs) const {
    (args.lse != nullptr ? compute_step<true> : compute_step<false>)(step_scores, step_probs, block.lanes);
  }

  // After step `step` of `item` left a lane with too large a sum, or with none: from the lanes as they were `before`,
  // with raised references, the same step again. `item_probs` is P^T of the item, `earlier_probs` of the one before if
  // that is the same block's and not all of it is in O^T yet. Tiles 0 to 3 have been stored.
  [[gnu::noinline, gnu::cold]] void raise(const Item& item, std::int64_t step, const Lanes& before,
                                          const float* step_scores, Bf16* item_probs, Bf16* earlier_probs) const {
    QueryBlock& block = *item.block;
    block.lanes = before;
    const Factors factors = raise_references(step_scores, block.lanes);
    scale_squares(block.o, shape.value_groups, factors);
    scale_probs(item_probs, step, factors);
    if (earlier_probs != nullptr) scale_probs(earlier_probs, shape.item_steps, factors);
    compute_softmax(block, step_scores, item_probs + step * kQuad);
  }

  // Writes o and lse of a block whose O^T is whole. Rows that cannot be right are computed again.
  [[gnu::noinline]] void finish(const QueryBlock& block) const {
    const Problem& p = *args.problem;
    order_memory();
    bool tiny = false;
    for (std::int64_t item = block.first_step / shape.item_steps; item * shape.item_steps < block.last_step; ++item)
      tiny |= packed->tiny[item] != 0;
    std::array<Bf16*, kSide> row = {};
    for_each_lane(
        block, [&](std::int64_t lane, std::int64_t h, std::int64_t i) { row[lane] = row_of<Bf16>(args.o, b, h, i); });
    for (int y = 0; y * kLanes < block.rows; ++y) {
      const std::int64_t count = std::min(kLanes, block.rows - y * kLanes);
      const __m512 sum = block.lanes.sum[y];
      const WrittenLanes written =
          write_lanes(block.o, y, _mm512_div_ps(_mm512_set1_ps(1.0f), sum), &row[y * kLanes], count, p.value_dim);
      const __mmask16 sums = _mm512_cmp_ps_mask(sum, _mm512_setzero_ps(), _CMP_GT_OQ) &
                             _mm512_cmp_ps_mask(sum, _mm512_set1_ps(std::numeric_limits<float>::max()), _CMP_LE_OQ);
      if (args.lse != nullptr) write_lse(block, y, count);
      const unsigned right = written.finite & sums & (tiny ? ~unsigned{written.tiny} : 0xffff);
      if (std::uint32_t wrong = ~right & ((1u << count) - 1); wrong != 0) [[unlikely]]
        for (; wrong != 0; wrong &= wrong - 1) {
          const std::int64_t mended = block.first_row + y * kLanes + std::countr_zero(wrong);
          attend_row_exactly<Bf16>(args, b, head(mended), query(mended));
        }
    }
  }

  const Args& args;
  const Shape& shape;
  Tiles& tiles;
  TileState state = {};
  std::int64_t b = 0, kv_head = 0;
  const PackedHead* packed = nullptr;
  std::array<float*, 2> scores;
  std::array<Bf16*, 2> probs;
  float* nowhere;

 private:
  std::int64_t group() const { return args.problem->heads / args.problem->kv_heads; }
  std::int64_t head(std::int64_t row) const { return kv_head * group() + row % group(); }
  std::int64_t query(std::int64_t row) const { return row / group(); }

  // f(lane, head, query) for the rows of a block; without divisions, which take as long as the rest of a row.
  template <class F>
  void for_each_lane(const QueryBlock& block, const F& f) const {
    const std::int64_t first_head = kv_head * group();
    std::int64_t h = head(block.first_row), i = query(block.first_row);
    for (std::int64_t lane = 0; lane < block.rows; ++lane) {
      f(lane, h, i);
      if (++h == first_head + group()) h = first_head, ++i;
    }
  }

  // Of the 32 keys from `first` on.
  VisibleLanes visible_lanes(const QueryBlock& block, std::int64_t first) const {
    alignas(64) std::array<std::int32_t, kSide> begin = {}, end;
    end.fill(kSide);  // so that lanes without a row find a reference, too
    for_each_lane(block, [&](std::int64_t lane, std::int64_t, std::int64_t i) {
      const KeyRange keys = visible_keys(*args.problem, i);
      begin[lane] = static_cast<std::int32_t>(std::clamp<std::int64_t>(keys.begin - first, 0, kSide));
      end[lane] = static_cast<std::int32_t>(std::clamp<std::int64_t>(keys.end - first, 0, kSide));
    });
    VisibleLanes visible;
    for (int y = 0; y < 2; ++y) {
      visible.begin[y] = _mm512_load_si512(&begin[y * kLanes]);
      visible.end[y] = _mm512_load_si512(&end[y * kLanes]);
    }
    return visible;
  }

  void write_lse(const QueryBlock& block, int y, std::int64_t count) const {
    const Problem& p = *args.problem;
    alignas(64) std::array<float, kLanes> minus_reference, sum;
    _mm512_store_ps(minus_reference.data(), block.lanes.minus_reference[y]);
    _mm512_store_ps(sum.data(), block.lanes.exact_sum[y]);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = block.first_row + y * kLanes + i;
      args.lse[(b * p.heads + head(row)) * p.seqlen_q + query(row)] = std::log(sum[i]) - minus_reference[i] * kLn2;
    }
  }

  // The block of the rows from row_ on. One that sees no key is finished at once, and false.
  bool start_block(QueryBlock& block) {
    const Problem& p = *args.problem;
    block.first_row = row_, block.rows = std::min(kSide, end_ - row_);
    row_ += block.rows;
    const KeyRange low = visible_keys(p, query(block.first_row));
    const KeyRange high = visible_keys(p, query(block.first_row + block.rows - 1));
    block.some = {low.begin, high.end};
    block.all = {high.begin, low.end};
    block.first_step = block.some.begin / kSide;
    block.last_step = block.some.end > block.some.begin ? (block.some.end + kSide - 1) / kSide : block.first_step;
    if (block.first_step == block.last_step) {
      for (std::int64_t row = block.first_row; row < row_; ++row)
        attend_row_exactly<Bf16>(args, b, head(row), query(row));
      return false;
    }
    std::array<const Bf16*, kSide> rows = {};
    for_each_lane(
        block, [&](std::int64_t lane, std::int64_t h, std::int64_t i) { rows[lane] = row_of<Bf16>(args.q, b, h, i); });
    pack_block(rows, shape, p.head_dim, block.q);
    return true;
  }

  Item item_of(QueryBlock& block, std::int64_t index) const {
    const std::int64_t first = std::max(block.first_step, index * shape.item_steps);
    const std::int64_t last = std::min(block.last_step, (index + 1) * shape.item_steps);
    return {.block = &block, .index = index, .first_step = first, .steps = std::max<std::int64_t>(0, last - first)};
  }

  Item next_of_block() {
    while (count_ == 0 || item_ * shape.item_steps >= blocks_[at_].last_step) {
      if (row_ >= end_) return {};
      at_ = count_ == 0 ? 0 : (at_ + 1) % 4;
      count_ = start_block(blocks_[at_]) ? 1 : 0;
      item_ = blocks_[at_].first_step / shape.item_steps;
    }
    return item_of(blocks_[at_], item_++);
  }

  void start_blocks() {
    count_ = at_ = 0;
    item_ = last_item_ = 0;
    while (count_ < kMaxBlocks && row_ < end_)
      if (QueryBlock& block = blocks_[count_]; start_block(block)) {
        const std::int64_t first = block.first_step / shape.item_steps;
        item_ = count_ == 0 ? first : std::min(item_, first);
        last_item_ = std::max(last_item_, (block.last_step + shape.item_steps - 1) / shape.item_steps);
        ++count_;
      }
  }

  std::array<QueryBlock, kMaxBlocks> blocks_;
  std::int64_t row_ = 0, end_ = 0;  // rows that no block has taken yet
  std::int64_t count_ = 0;          // of blocks under way
  std::int64_t at_ = 0, item_ = 0, last_item_ = 0;
  bool by_block_ = true;
};

// How heads and rows are shared out: as many heads are packed at once as there are threads, then blocks of their rows are
// taken one after the other.
struct Bf16Schedule {
  std::int64_t heads, packed_heads;  // (batch, kv head) pairs
  std::int64_t task_rows, tasks_per_head;
  KeyRange items;  // that some query sees
  bool by_block;
  int team;
};

inline Bf16Schedule schedule_of(const Problem& p, const Shape& shape, std::int64_t threads) {
  const std::int64_t heads = p.batch * p.kv_heads, blocks = (rows_of(p) + kSide - 1) / kSide;
  const std::int64_t packed_heads = std::min(heads, threads);
  const KeyRange keys = needed_keys(p);
  const std::int64_t item_keys = shape.item_steps * kSide;
  const KeyRange items{keys.begin / item_keys, (std::max(keys.begin, keys.end) + item_keys - 1) / item_keys};
  const bool by_block = (items.end - items.begin) * shape.item_steps * (shape.head_groups + shape.value_groups) *
                            kQuad * static_cast<std::int64_t>(sizeof(Bf16)) <=
                        kCachedBytes;
  std::int64_t task_blocks = by_block ? blocks : std::min(blocks, kMaxBlocks);
  if (threads > 1)
    task_blocks = std::clamp<std::int64_t>(packed_heads * blocks / (kTasksPerThread * threads), 1, task_blocks);
  const std::int64_t tasks_per_head = (blocks + task_blocks - 1) / task_blocks;
  return {.heads = heads,
          .packed_heads = packed_heads,
          .task_rows = task_blocks * kSide,
          .tasks_per_head = tasks_per_head,
          .items = items,
          .by_block = by_block,
          .team = static_cast<int>(std::min(threads, packed_heads * tasks_per_head))};
}

template <class Phases>
void attend_bf16(const Args* args) {
  const Problem& p = *args->problem;
  const Shape shape = shape_of(p);
  const Bf16Schedule s = schedule_of(p, shape, args->threads);
  std::byte* workspace = static_cast<std::byte*>(args->workspace);
  std::byte* scratch = workspace + s.packed_heads * PackedHead::bytes(shape);
  const std::int64_t items = s.items.end - s.items.begin;
#pragma omp parallel num_threads(s.team)
  {
    Tiles tiles;  // of this thread
    Worker worker(*args, shape, tiles, scratch + omp_get_thread_num() * Worker::bytes(shape));
    for (std::int64_t first = 0; first < s.heads; first += s.packed_heads) {
      const std::int64_t heads = std::min(s.packed_heads, s.heads - first);
#pragma omp for schedule(dynamic, 4)
      for (std::int64_t part = 0; part < heads * items; ++part) {
        const std::int64_t head = first + part / items, item = s.items.begin + part % items;
        const PackedHead packed(workspace + part / items * PackedHead::bytes(shape), shape);
        pack_keys(*args, shape, head / p.kv_heads, head % p.kv_heads, item, packed.k);
        packed.tiny[item] = pack_values(*args, shape, head / p.kv_heads, head % p.kv_heads, item, packed.v);
      }
#pragma omp for schedule(dynamic)
      for (std::int64_t task = 0; task < heads * s.tasks_per_head; ++task) {
        const std::int64_t head = first + task / s.tasks_per_head;
        const PackedHead packed(workspace + task / s.tasks_per_head * PackedHead::bytes(shape), shape);
        // The last rows of a head first: under a causal mask they have the most keys.
        const std::int64_t begin = (s.tasks_per_head - 1 - task % s.tasks_per_head) * s.task_rows;
        worker.set_rows(head / p.kv_heads, head % p.kv_heads, packed, begin, std::min(begin + s.task_rows, rows_of(p)),
                        s.by_block);
        Phases::run(worker);
      }
    }
    _mm_sfence();  // for what write_group() sent past the caches
  }
}

inline std::size_t bf16_workspace(const Problem* p, std::int32_t threads) {
  const Shape shape = shape_of(*p);
  return static_cast<std::size_t>(schedule_of(*p, shape, threads).packed_heads * PackedHead::bytes(shape) +
                                  threads * Worker::bytes(shape));
}

}  // namespace
}  // namespace attn::ATTN_ISA
