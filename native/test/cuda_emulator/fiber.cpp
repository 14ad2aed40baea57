#include "test/cuda_emulator/fiber.h"

namespace dlrm::emulator {

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

void prepare(Context& context, char*, char* top, void (*entry)()) {
  auto** stack = reinterpret_cast<void**>(top);
  *--stack = nullptr;  // entry's return address, so that it finds the stack as a call leaves it
  *--stack = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--stack = nullptr;
  context.stack_pointer = stack;
}

#else

void swap(Context& from, Context& to) { swapcontext(&from.at, &to.at); }

void prepare(Context& context, char* bottom, char* top, void (*entry)()) {
  getcontext(&context.at);
  context.at.uc_stack.ss_sp = bottom;
  context.at.uc_stack.ss_size = static_cast<size_t>(top - bottom);
  context.at.uc_link = nullptr;
  makecontext(&context.at, entry, 0);
}

#endif

}  // namespace dlrm::emulator
