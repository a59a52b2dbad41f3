// FirstContact: before a kernel is timed it computes the small problems of `verify` that need nothing but the features of
// its case: timed cases are few, and a kernel that is right on them may be wrong for other lengths or batches. In a worker
// process, where a kernel that crashes, exits or hangs costs its own rows and nobody else's.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "cases/case.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {

class FirstContact {
 public:
  explicit FirstContact(const Kernels& kernels) : kernels_(kernels) {}

  // Why the case is not to be timed, such as "on h:2/q:130/d:80/mask:causal: o[...] ..."; none when it may be. For each
  // kernel and team about a second at most, and each problem once.
  Failure failure_of(const Case& c);

 private:
  Failure failure_on(const std::string& problem, const Case& c);

  const Kernels& kernels_;
  std::map<std::tuple<const Variant*, int>, double> spent_;              // seconds
  std::map<std::tuple<const Variant*, int, std::string>, Failure> met_;  // failures by problem
};

}  // namespace attn::bench
