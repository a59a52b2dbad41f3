// Crash: what is known of a signal that ends the process, and who is told. Everything here may be called by a signal handler.
#pragma once

#include <signal.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attn::bench {

// Text that a signal handler puts together: nothing is allocated. What does not fit is cut.
class SignalText {
 public:
  SignalText& add(std::string_view text);
  SignalText& add_number(std::uint64_t number);
  SignalText& add_address(std::uintptr_t address);  // 0x7f00; 0 as it is
  std::string_view view() const { return {text_.data(), size_}; }

 private:
  SignalText& add_digits(std::uint64_t number, unsigned base);

  std::array<char, 2048> text_{};
  std::size_t size_ = 0;
};

enum class Access { unknown, read, write };

// What the system tells of a signal.
struct Fault {
  int signal_number = 0, code = 0;
  std::uintptr_t address = 0;  // of SIGSEGV and SIGBUS: that could not be used
  Access access = Access::unknown;
  bool is_trap = false;                               // SIGILL: an instruction that compilers put where none may get
  std::uintptr_t stack_pointer = 0, stack_begin = 0;  // the lowest address of the stack; 0: not known
};

Fault fault_of(int signal_number, const siginfo_t& info, const void* context);

// "it wrote to address 0x7f00, which is nobody's", "an integer was divided by zero".
void tell_fault(const Fault& fault, SignalText& text);

// A call of a kernel, as far as the message of a crash in it needs to know.
class KnownCall {
 public:
  virtual ~KnownCall() = default;
  // As which tensor the address is behind; false where it has nothing to do with the call.
  virtual bool tell_address(const Fault& fault, SignalText& text) const = 0;
  // Does the same alone.
  virtual std::string_view command() const = 0;
};

// The call that is going on, else null. It lives as long as that.
void set_call_in_progress(const KnownCall* call);
const KnownCall* call_in_progress();

// Why abort() is called where an exception is caught by nobody.
void note_uncaught_exceptions();

// Calls `handler` for every signal that a crash is, on a stack of its own where use_signal_stack() was called.
void handle_crashes(void (*handler)(int, siginfo_t*, void*));

// Lets handlers run on this thread although its stack is full, as that of a kernel that recurses or has a large array there.
void use_signal_stack();

// SIGSEGV and the like.
const char* signal_name(int signal_number);

}  // namespace attn::bench
