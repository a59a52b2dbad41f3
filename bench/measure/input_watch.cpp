#include "measure/input_watch.hpp"

#include <signal.h>

#include <atomic>

namespace attn::bench {
namespace {

std::atomic<const Inputs*> watched = nullptr;
std::atomic<bool> written = false;
struct sigaction others {};  // what a fault elsewhere is left to

void on_fault(int signal_number, siginfo_t* info, void*) {
  const Inputs* inputs = watched;
  if (inputs != nullptr && inputs->allow_writes_at(info->si_addr))
    written = true;
  else
    sigaction(signal_number, &others, nullptr);  // the instruction faults again
}

}  // namespace

InputWatch::InputWatch(const Inputs& inputs) : inputs_(inputs) {
  written = false;
  watched = &inputs;
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &others);
  inputs.allow_writes(false);
}

InputWatch::~InputWatch() {
  inputs_.allow_writes(true);
  watched = nullptr;
  sigaction(SIGSEGV, &others, nullptr);
}

bool InputWatch::saw_a_write() const { return written; }

}  // namespace attn::bench
