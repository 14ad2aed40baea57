// CUDA for g++: what cuda/device.cuh includes instead of nvcc's headers, so that the kernels of the plugin run, and are
// tested, on a machine without a GPU. Blocks run one after the other, a block's threads as fibers in an order that changes
// from barrier to barrier (DLRM_CUDA_EMULATED_SEED chooses another one), so that a missing barrier shows. Strict where the
// hardware is lenient: a thread that has left while others wait for it, a block that is no multiple of 32, more shared memory
// than the chip has, misaligned accesses are errors; dynamic shared memory starts as NaN and ends at an
// inaccessible page; a cp_async is carried out by the wait, and what lies there before is NaN.
// Under AddressSanitizer shared and device memory end at the byte.
// Not emulated: blocks that wait for each other.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>

#include "cuda/plugin.h"
#include "test/cuda_emulator/intrinsics.h"

namespace dlrm::emulator {

// Puts work into the stream: done at once if there is none, else when something synchronises with it.
void enqueue(CudaStream, std::function<void()>);

struct Launch {
  Index grid, block;
  size_t shared_bytes;
};
// Runs all blocks. A fault of the kernel becomes the error of the stream's next synchronisation.
void run_grid(const Launch&, const std::function<void()>& kernel);
// Of a block: those of sm_80, later chips for servers have more; DLRM_CUDA_EMULATED_SHARED: of another chip.
int64_t most_shared_bytes();

}  // namespace dlrm::emulator

namespace dlrm::cuda {

using emulator::most_shared_bytes;

template <class... P, class... A>
void launch_kernel(void (*kernel)(P...), unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, size_t shared_bytes, CudaStream stream, const A&... args) {
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  static_assert((sizeof(std::decay_t<P>) + ... + 0) <= 4096, "parameters of a kernel take at most 4 KB");
  static_assert((std::is_trivially_copyable_v<std::decay_t<P>> && ...), "parameters of a kernel are plain data");
  const emulator::Launch launch{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes};
  std::tuple<std::decay_t<P>...> values(args...);
  emulator::enqueue(stream, [=] { emulator::run_grid(launch, [&] { std::apply(kernel, values); }); });
}

}  // namespace dlrm::cuda
