// What a crash is said to be, from what the system tells of it.
#include <unistd.h>

#include <csignal>

#include "catch.hpp"
#include "inputs.hpp"
#include "measure/crash_place.hpp"
#include "support.hpp"

namespace attn::bench {
namespace {

using test::contains;

struct Call {
  Workload workload;
  Inputs inputs;
  AlignedBuffer workspace;
  CrashPlace place;

  explicit Call(const char* text, std::size_t workspace_bytes = 256)
      : workload(parse_workload(text)),
        inputs(workload.problem, workload.setup, 1),
        workspace(workspace_bytes),
        place({variant_table().front(), workload, 1}, workload.problem, inputs.tensors(), workspace.bytes()) {}
  const Tensors& tensors() const { return inputs.tensors(); }

  std::string tell(const void* address, std::int64_t offset, Access access = Access::write) const {
    SignalText text;
    place.tell_address({.signal_number = SIGSEGV,
                        .address = reinterpret_cast<std::uintptr_t>(address) + static_cast<std::uintptr_t>(offset),
                        .access = access},
                       text);
    return std::string(text.view());
  }
};

const std::int64_t kPage = sysconf(_SC_PAGESIZE);

}  // namespace

TEST_CASE("a crash behind or before a tensor names it, the distance and the row", "[crash]") {
  const Call call("h:3/q:64/d:16");  // o has three pages
  const std::int64_t bytes = 3 * 64 * 16 * 4;
  CHECK(call.tell(call.tensors().o.data, bytes) == "it wrote right past the end of o, row 63 of head 2");
  CHECK(call.tell(call.tensors().o.data, bytes + 64) == "it wrote 64 bytes past the end of o, row 63 of head 2");
  CHECK(call.tell(call.tensors().k.data, -64, Access::read) ==
        "it read 64 bytes before the begin of k, row 0 of head 0");
  CHECK(call.tell(call.tensors().v.data, bytes, Access::unknown) ==
        "it used right past the end of v, row 63 of head 2");
  CHECK(call.tell(call.workspace.data(), 2 * kPage - 1) ==
        "it wrote " + std::to_string(2 * kPage - 257) + " bytes past the end of its workspace");
  CHECK(contains(call.tell(call.tensors().o.data, std::int64_t{1} << 40), "which is in no tensor"));
}

TEST_CASE("of a batch the row has a batch, of a packed buffer the tensor at its end", "[crash]") {
  const Call batch("b:2/h:2/q:64/d:8/layout:bshd/lse:1");
  CHECK(batch.tell(batch.tensors().o.data, 2 * 2 * 64 * 8 * 4) ==
        "it wrote right past the end of o, row 63 of head 1 of batch 1");
  CHECK(batch.tell(batch.tensors().lse, kPage) == "it wrote " + std::to_string(kPage - 2 * 2 * 64 * 4) +
                                                      " bytes past the end of lse, row 63 of head 1 of batch 1");
  const Call packed("h:1/q:5/d:4/layout:packed");
  const std::int64_t bytes = 3 * 5 * 4 * 4;
  CHECK(packed.tell(packed.tensors().q.data, kPage, Access::read) ==
        "it read " + std::to_string(kPage - bytes) + " bytes past the end of v, row 4 of head 0");
  CHECK(packed.tell(packed.tensors().q.data, -4, Access::read) ==
        "it read 4 bytes before the begin of q, row 0 of head 0");
}

TEST_CASE("a null address names the tensors that are null in the call", "[crash]") {
  const Call forward("h:2/q:8/d:4"), with_lse("h:2/q:8/d:4/lse:1"), backward("h:2/q:8/d:4/pass:bwd");
  CHECK(forward.tell(nullptr, 0) == "it wrote to address 0: lse is null where lse:0");
  CHECK(forward.tell(nullptr, 60, Access::read) == "it read address 0x3c: lse is null where lse:0");
  CHECK(contains(with_lse.tell(nullptr, 4), "it wrote to address 0x4: a null pointer, as do, dq, dk and dv are"));
  CHECK(backward.tell(nullptr, 4) == "it wrote to address 0x4: a null pointer");
}

TEST_CASE("what was written behind a tensor without a fault is counted", "[crash]") {
  const Call call("h:2/q:63/d:4");
  CHECK(call.inputs.overrun().name == nullptr);
  static_cast<volatile float*>(call.tensors().o.data)[2 * 63 * 4 + 1] = 0;
  const Inputs::Overrun overrun = call.inputs.overrun();
  CHECK(call.place.overrun_text(overrun.name, overrun.bytes) == "it wrote 8 bytes past the end of o, row 62 of head 1");
  CHECK(call.place.overrun_text("its workspace", 4) == "it wrote 4 bytes past the end of its workspace");
}

TEST_CASE("signals say what they are, and addresses of nobody that", "[crash]") {
  const auto tell = [](const Fault& fault) {
    SignalText text;
    tell_fault(fault, text);
    return std::string(text.view());
  };
  CHECK(tell({.signal_number = SIGSEGV, .code = SEGV_MAPERR, .address = 0x7f00000, .access = Access::read}) ==
        "it read address 0x7f00000, which is nobody's");
  CHECK(tell({.signal_number = SIGBUS, .code = BUS_ADRERR}) == "it used address 0, a null pointer");
  CHECK(contains(tell({.signal_number = SIGSEGV, .code = SI_KERNEL}), "that must be aligned where rows are not"));
  CHECK(tell({.signal_number = SIGSEGV, .code = SI_USER}) == "the signal was sent by a process");
  CHECK(tell({.signal_number = SIGFPE, .code = FPE_INTDIV}) == "an integer was divided by zero");
  CHECK(contains(tell({.signal_number = SIGFPE, .code = FPE_FLTINV}), "a floating-point exception"));
  CHECK(contains(tell({.signal_number = SIGILL, .code = ILL_ILLOPN}), "that this CPU does not have"));
  CHECK(contains(tell({.signal_number = SIGILL, .code = ILL_ILLOPN, .is_trap = true}), "a trap that the compiler put"));
  const std::uintptr_t begin = 0x7f0000000000;
  const auto overflow = [&](std::uintptr_t address, std::uintptr_t stack_pointer) {
    return contains(tell({.signal_number = SIGSEGV,
                          .code = SEGV_MAPERR,
                          .address = address,
                          .stack_pointer = stack_pointer,
                          .stack_begin = begin}),
                    "its stack is full");
  };
  CHECK(overflow(begin - 8, begin + 64));
  CHECK(overflow(begin - 4096, begin - (std::uintptr_t{64} << 20)));
  CHECK(!overflow(begin - 8, begin + (std::uintptr_t{1} << 20)));
  CHECK(!overflow(begin - (std::uintptr_t{1} << 30), begin + 64));
}

TEST_CASE("text that does not fit is cut", "[crash]") {
  SignalText text;
  for (int i = 0; i < 1000; ++i) text.add_number(1234567890123456789).add(" ");
  CHECK(text.view().starts_with("1234567890123456789 123"));
  CHECK(text.view().size() == 2048);
  CHECK(SignalText().add_number(0).add(" ").add_address(0).add(" ").add_address(255).view() == "0 0 0xff");
}

}  // namespace attn::bench
