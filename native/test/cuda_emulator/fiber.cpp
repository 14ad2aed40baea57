#include "test/cuda_emulator/fiber.h"

namespace dlrm::emulator {

#if defined(DLRM_ADDRESS_SANITIZER)
Context* last = nullptr;
#endif

namespace {

// The frames of the fiber that was here before, which it never left, are no longer forbidden.
void begin([[maybe_unused]] Context& context, char* bottom, char* top) {
  const auto bytes = static_cast<size_t>(top - bottom);
  test::allow(bottom, bytes);
#if defined(DLRM_ADDRESS_SANITIZER)
  context.bottom = bottom;
  context.bytes = bytes;
  context.fake_stack = nullptr;
#endif
}

}  // namespace

#if defined(__x86_64__)

// What the calling convention has a function keep; the floating-point modes never change here.
asm(R"(
.text
.hidden dlrm_emulator_swap
.globl dlrm_emulator_swap
.type dlrm_emulator_swap, @function
dlrm_emulator_swap:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size dlrm_emulator_swap, .-dlrm_emulator_swap
)");

void prepare(Context& context, char* bottom, char* top, void (*entry)()) {
  begin(context, bottom, top);
  auto** stack = reinterpret_cast<void**>(top);
  *--stack = nullptr;  // entry's return address, so that it finds the stack as a call leaves it
  *--stack = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--stack = nullptr;
  context.stack_pointer = stack;
}

#else

void prepare(Context& context, char* bottom, char* top, void (*entry)()) {
  begin(context, bottom, top);
  getcontext(&context.at);
  context.at.uc_stack.ss_sp = bottom;
  context.at.uc_stack.ss_size = static_cast<size_t>(top - bottom);
  context.at.uc_link = nullptr;
  makecontext(&context.at, entry, 0);
}

#endif

}  // namespace dlrm::emulator
