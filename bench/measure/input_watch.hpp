// InputWatch: notices a write to an input while it happens; afterwards nobody could tell a kernel that restores what it
// wrote. The first write faults, is noted, and is let through: the kernel goes on, and its row says what it did.
#pragma once

#include "inputs.hpp"

namespace attn::bench {

class InputWatch {
 public:
  // One at a time.
  explicit InputWatch(const Inputs& inputs);
  ~InputWatch();
  InputWatch(const InputWatch&) = delete;
  InputWatch& operator=(const InputWatch&) = delete;

  bool saw_a_write() const;

 private:
  const Inputs& inputs_;
};

}  // namespace attn::bench
