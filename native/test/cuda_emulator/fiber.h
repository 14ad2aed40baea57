// Threads of control that hand over to each other by name, on stacks of their own.
#pragma once
#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace dlrm::emulator {

#if defined(__x86_64__)
struct Context {
  void* stack_pointer = nullptr;
};
#else
struct Context {
  ucontext_t at;
};
#endif

// Saves the caller in `from` and continues `to`, which prepare() or another swap has left there.
#if defined(__x86_64__)
extern "C" void dlrm_emulator_swap(void** save, void* load);
inline void swap(Context& from, Context& to) { dlrm_emulator_swap(&from.stack_pointer, to.stack_pointer); }
#else
void swap(Context& from, Context& to);
#endif
// `entry`, which never returns, starts with an empty stack that ends at `top`, aligned to 16.
void prepare(Context&, char* bottom, char* top, void (*entry)());

}  // namespace dlrm::emulator
