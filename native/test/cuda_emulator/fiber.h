// Threads of control that hand over to each other by name, on stacks of their own. AddressSanitizer is told of them.
#pragma once
#include <cstddef>

#include "test/sanitizer.h"

#if defined(DLRM_ADDRESS_SANITIZER)
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace dlrm::emulator {

struct Context {
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t at;
#endif
#if defined(DLRM_ADDRESS_SANITIZER)
  const void* bottom = nullptr;  // of its stack
  size_t bytes = 0;
  void* fake_stack = nullptr;
#endif
};

#if defined(__x86_64__)
extern "C" void dlrm_emulator_swap(void** save, void* load);
#endif

#if defined(DLRM_ADDRESS_SANITIZER)
extern Context* last;  // that has continued another
#endif

// What a fiber does first, on its new stack.
inline void arrive([[maybe_unused]] Context& own) {
#if defined(DLRM_ADDRESS_SANITIZER)
  __sanitizer_finish_switch_fiber(own.fake_stack, &last->bottom, &last->bytes);
#endif
}

// Saves the caller in `from` and continues `to`, which prepare() or another swap has left there.
inline void swap(Context& from, Context& to) {
#if defined(DLRM_ADDRESS_SANITIZER)
  last = &from;
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.bytes);
#endif
#if defined(__x86_64__)
  dlrm_emulator_swap(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(&from.at, &to.at);
#endif
  arrive(from);
}

// `entry`, which calls arrive() and never returns, starts with an empty stack that ends at `top`, aligned to 16.
void prepare(Context&, char* bottom, char* top, void (*entry)());

}  // namespace dlrm::emulator
