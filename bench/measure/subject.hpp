// Subject: what a case calls, a kernel on copies of a workload's inputs or a layer around one. It knows its tensors; when they
// are poisoned, changed and checked PreparedCase says (workbench.hpp).
#pragma once

#include <cstddef>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "check.hpp"
#include "layers/attention_layers.hpp"

namespace attn::bench {

struct PreparedWorkload;

class Subject {
 public:
  virtual ~Subject() = default;

  // On the next copy of the inputs, whose outputs then count as written.
  virtual void call() = 0;
  // Poisons outputs and scratch of every copy, and forgets the calls before.
  virtual void poison() = 0;
  // No copy counts as written, and the next call is on the first.
  virtual void forget_calls() = 0;
  // Copies that count as written.
  virtual std::vector<std::size_t> written() const = 0;
  // Outputs of the next call, and scratch.
  virtual std::vector<std::span<std::byte>> written_next() = 0;

  // Whether change_inputs() costs little enough to come between slices of timed calls.
  virtual bool changes_cheaply() const { return true; }
  // What the next call meets is other than before, and so is its answer. Throws std::runtime_error where the kernel cannot
  // prepare itself again.
  virtual void change_inputs(std::mt19937_64& random) = 0;
  // Undoes it, and makes of outputs that were written since what they would have been without.
  virtual void restore_inputs() = 0;

  // Hands over what calls on the copy computed.
  virtual void finish(std::size_t copy) = 0;
  virtual std::vector<std::byte> output_bits(std::size_t copy) = 0;
  virtual Verdict check(std::size_t copy) = 0;
  // What outputs that failed the check look like.
  virtual std::string diagnose(std::size_t /*copy*/) { return {}; }
  // What calls did to memory that is not theirs to write, "it wrote to an input"; empty while nothing.
  virtual std::string damage() const = 0;

  virtual std::size_t scratch_bytes() const { return 0; }
  // Seconds that the kernel's own prepare and finish took for one set of inputs; 0 for kernels without.
  virtual double prepare_seconds() const { return 0; }
  virtual double prepare_again_seconds() { return 0; }  // of a kernel that has prepared itself before
  virtual double finish_seconds() const { return 0; }
  virtual std::string what_ran() const { return {}; }
  // Leaves out the next `count` copies, which somebody else reads; returns the first of them.
  virtual std::size_t skip_copies(std::int64_t /*count*/) { return 0; }
  // Seconds of a call in the parts of a layer, over the calls since poison().
  virtual layers::LayerTimes part_seconds() const { return {}; }
  // Of a layer's forward pass, measured now, its time over that of its parts alone; else 0.
  virtual double over_parts() { return 0; }
};

// Neither calls anything yet, but for a layer's forward pass before its backward pass. Both throw std::runtime_error where
// the kernel cannot prepare itself.
std::unique_ptr<Subject> make_attention_subject(const Case& c, PreparedWorkload& workload);
std::unique_ptr<Subject> make_layer_subject(const Case& c, PreparedWorkload& workload);

// Bytes of tensors that a layer works on beside those of its core, about.
std::int64_t layer_bytes(const Workload& workload);

}  // namespace attn::bench
