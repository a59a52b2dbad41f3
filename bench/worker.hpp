// What both ends of the worker's protocol agree on; worker.cpp tells it.
#pragma once

namespace attn::bench {

inline constexpr int kWorkerProtocol = 1;

}  // namespace attn::bench
