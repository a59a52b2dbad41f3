#include "base/crash.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace attn::bench {
namespace {

std::atomic<const KnownCall*> in_progress = nullptr;
std::array<char, 512> uncaught{};  // what() of an exception

// Below it nothing is ever mapped: null, and what lies a little behind it.
constexpr std::uintptr_t kNullPages = std::uintptr_t{1} << 16;

// Of a thread. Room for the registers of the widest ISA, tiles included, and for what the handler needs.
constexpr std::size_t kSignalStackBytes = std::size_t{1} << 17;

class SignalStack {
 public:
  SignalStack() {
    void* memory =
        mmap(nullptr, kSignalStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    memory_ = memory;
    const stack_t stack{.ss_sp = memory, .ss_flags = 0, .ss_size = kSignalStackBytes};
    sigaltstack(&stack, nullptr);
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    void* begin = nullptr;
    std::size_t bytes = 0;
    if (pthread_attr_getstack(&attributes, &begin, &bytes) == 0) begin_ = reinterpret_cast<std::uintptr_t>(begin);
    pthread_attr_destroy(&attributes);
  }
  ~SignalStack() {
    if (memory_ == nullptr) return;
    const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    sigaltstack(&none, nullptr);
    munmap(memory_, kSignalStackBytes);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

  std::uintptr_t begin() const { return begin_; }

 private:
  void* memory_ = nullptr;
  std::uintptr_t begin_ = 0;  // of the thread's own stack
};

thread_local std::uintptr_t stack_begin = 0;

[[noreturn]] void end_uncaught() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    std::strncpy(uncaught.data(), error.what(), uncaught.size() - 1);
  } catch (...) {
    std::strncpy(uncaught.data(), "of no standard type", uncaught.size() - 1);
  }
  std::abort();
}

// A frame that does not fit reaches far below the stack; functions that call each other without end, a little.
bool is_stack_overflow(const Fault& fault) {
  constexpr std::uintptr_t kNear = std::uintptr_t{1} << 16;
  return fault.stack_begin != 0 && fault.stack_pointer < fault.stack_begin + kNear &&
         fault.address < fault.stack_begin + kNear && fault.address + kNear >= fault.stack_pointer;
}

void tell_access(const Fault& fault, SignalText& text) {
  // A general protection fault of x86-64 has no address.
  if (fault.signal_number == SIGSEGV && fault.code == SI_KERNEL) {
    text.add("it used an address that can be none, or a vector load or store that must be aligned where rows are not");
    return;
  }
  if (is_stack_overflow(fault)) {
    text.add("its stack is full: calls without end, or an array there that belongs into the workspace");
    return;
  }
  if (const KnownCall* call = in_progress; call != nullptr && call->tell_address(fault, text)) return;
  text.add(fault.access == Access::write  ? "it wrote to address "
           : fault.access == Access::read ? "it read address "
                                          : "it used address ");
  text.add_address(fault.address).add(fault.address < kNullPages ? ", a null pointer" : ", which is nobody's");
}

}  // namespace

SignalText& SignalText::add(std::string_view text) {
  const std::size_t n = std::min(text.size(), text_.size() - size_);
  std::copy_n(text.data(), n, text_.data() + size_);
  size_ += n;
  return *this;
}

SignalText& SignalText::add_digits(std::uint64_t number, unsigned base) {
  std::array<char, 20> digits;
  std::size_t first = digits.size();
  do {
    digits[--first] = "0123456789abcdef"[number % base];
    number /= base;
  } while (number != 0);
  return add({digits.data() + first, digits.size() - first});
}

SignalText& SignalText::add_number(std::uint64_t number) { return add_digits(number, 10); }

SignalText& SignalText::add_address(std::uintptr_t address) {
  return add(address == 0 ? "" : "0x").add_digits(address, 16);
}

Fault fault_of(int signal_number, const siginfo_t& info, [[maybe_unused]] const void* context) {
  Fault fault{.signal_number = signal_number, .code = info.si_code, .stack_begin = stack_begin};
  if (signal_number == SIGSEGV || signal_number == SIGBUS)
    fault.address = reinterpret_cast<std::uintptr_t>(info.si_addr);
#if defined(__x86_64__)
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs;
  constexpr greg_t kPageFault = 14, kWrite = 2;
  if (registers[REG_TRAPNO] == kPageFault)
    fault.access = (registers[REG_ERR] & kWrite) != 0 ? Access::write : Access::read;
  fault.stack_pointer = static_cast<std::uintptr_t>(registers[REG_RSP]);
  const auto* instruction = reinterpret_cast<const unsigned char*>(registers[REG_RIP]);
  fault.is_trap = signal_number == SIGILL && instruction[0] == 0x0f && instruction[1] == 0x0b;  // ud2
#elif defined(__aarch64__)
  fault.stack_pointer = static_cast<const ucontext_t*>(context)->uc_mcontext.sp;
#endif
  return fault;
}

void tell_fault(const Fault& fault, SignalText& text) {
  const bool was_sent = fault.code <= 0 && fault.signal_number != SIGABRT;
  if (was_sent)
    text.add("the signal was sent by a process");
  else if (fault.signal_number == SIGILL)
    text.add(fault.is_trap ? "a trap that the compiler put where no call may get, as __builtin_trap() does"
                           : "an instruction that this CPU does not have");
  else if (fault.signal_number == SIGFPE)
    text.add(fault.code == FPE_INTDIV ? "an integer was divided by zero"
                                      : "a floating-point exception that it had unmasked");
  else if (fault.signal_number == SIGABRT)
    text.add(uncaught[0] == '\0' ? "it called abort()" : "an exception that nobody caught: ").add(uncaught.data());
  else
    tell_access(fault, text);
}

void set_call_in_progress(const KnownCall* call) { in_progress = call; }

const KnownCall* call_in_progress() { return in_progress; }

void note_uncaught_exceptions() { std::set_terminate(end_uncaught); }

void handle_crashes(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (const int signal_number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigaction(signal_number, &action, nullptr);
}

void use_signal_stack() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which have stacks of their own, and free them
  static thread_local const SignalStack stack;
  stack_begin = stack.begin();
#endif
}

const char* signal_name(int signal_number) {
  switch (signal_number) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    default:
      return "SIGABRT";
  }
}

}  // namespace attn::bench
