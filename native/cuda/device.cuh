// What every .cu file includes: the only place that knows which compiler reads it, nvcc or, for the emulator, g++ with
// DLRM_CUDA_EMULATED (native/test/cuda_emulator: threads of a block are fibers; every wrapper here has a twin there).
//
// Kernels are plain __global__ functions. They may use threadIdx, blockIdx, blockDim, gridDim, __shared__, __syncthreads,
// __syncwarp, __shfl_{,xor_,down_,up_}sync, __ballot_sync, __any_sync, __all_sync, atomics on integers, __ldg, __ldcs,
// __stcs, int2/int4/uint2/uint4/float2/float4, math functions, and what this header declares. All threads of a block must
// reach __syncthreads and all lanes of a mask the function that names it; a thread that has left by then is an error.
//   __global__ void twice(float* x, int64_t n) { ... }
//   launch(twice, blocks(n, 256), 256, 0, stream, x, n);
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/view.h"
#include "cuda/plugin.h"

#ifdef DLRM_CUDA_EMULATED
#include "test/cuda_emulator/emulator.h"
#else
#include "cuda/device_nvcc.cuh"
#endif

namespace dlrm::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffff;

// Sizes of a grid or a block.
struct Dim {
  unsigned x, y, z;
  constexpr Dim(int64_t x, int64_t y = 1, int64_t z = 1)
      : x(static_cast<unsigned>(x)), y(static_cast<unsigned>(y)), z(static_cast<unsigned>(z)) {}
};

// Blocks for n items.
constexpr int64_t blocks(int64_t n, int64_t per_block) { return (n + per_block - 1) / per_block; }

// Puts kernel(args...) into the stream; a grid of 0 blocks launches nothing. A failure is kept for CudaPlugin::launched.
template <class... P, class... A>
void launch(void (*kernel)(P...), Dim grid, Dim block, size_t shared_bytes, CudaStream stream, const A&... args) {
  if (!grid.x || !grid.y || !grid.z) return;
  launch_kernel<P...>(kernel, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes, stream, args...);
}

// Row r of a View; View's own members are for the host.
__device__ __forceinline__ float* row(const View& view, int64_t r) {
  return static_cast<float*>(view.data) + r * view.stride;
}

__device__ __forceinline__ int64_t global_thread() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t global_threads() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

// The sum over the lanes of a warp, in all of them; the order depends on nothing.
template <class T>
__device__ __forceinline__ T warp_sum(T x) {
  for (int step = kWarp / 2; step; step /= 2) x += __shfl_xor_sync(kAllLanes, x, step);
  return x;
}

// The sum over the block's threads, in all of them. `parts`: shared, one per warp; free again after a __syncthreads.
// blockDim.x is a multiple of 32 and the block has one row.
template <class T>
__device__ __forceinline__ T block_sum(T x, T* parts) {
  x = warp_sum(x);
  if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = x;
  __syncthreads();
  T sum = 0;
  for (unsigned i = 0; i < blockDim.x / kWarp; ++i) sum += parts[i];
  return sum;
}

// What device_nvcc.cuh and emulator.h both provide beside CUDA's own names:
//
//   DLRM_DYNAMIC_SHARED(T, name)       T* name: the launch's shared_bytes, aligned to 128
//   int64_t most_shared_bytes()        of a launch here: 163 KB and more on chips for servers, 99 KB on others (sm_86, sm_89, sm_120)
//
//   uint16_t to_bf16(float)            to nearest, ties to even; a NaN stays one
//   float from_bf16(uint16_t), from_f16(uint16_t)
//   uint32_t pack_bf16(float low, float high)
//   uint32_t to_tf32(float)            bits of a float with 10 bits of mantissa, to nearest, ties away from zero
//
//   void cp_async16(void* shared, const void* global, int bytes = 16)   both aligned to 16; what is behind `bytes` becomes 0
//   void cp_async4(void* shared, const void* global, int bytes = 4)     both aligned to 4; bytes 0 or 4
//   void cp_async_commit();  template <int N> void cp_async_wait()       at most the N youngest groups are still under way;
//                                                                       a barrier is needed for what other threads fetched
//   void ldmatrix_x4(uint32_t (&r)[4], const void* shared_row)          four 8 x 8 matrices of 16 bits: lanes 8 i to 8 i + 7
//   void ldmatrix_x4_trans(...)                                         give the rows (16 bytes, aligned) of matrix i; r[i] of
//                                                                       lane l: row l/4, columns 2(l%4) and 2(l%4)+1 of it
//                                                                       (trans: of its transpose)
//   void mma_bf16_16816(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])       d += a b, a 16x16, b 16x8
//   void mma_tf32_1688(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])        d += a b, a 16x8,  b 8x8
// Fragments are those of PTX's mma.m16n8k16 and m16n8k8 (row.col): with g = lane/4, t = lane%4, d[i] is row g + 8 (i/2),
// column 2t + i%2; bf16 a[i] rows g + 8 (i%2), columns 2t + 8 (i/2) and the next, b[i] rows 2t + 8i and the next, column g;
// tf32 a[i] row g + 8 (i%2), column t + 4 (i/2), b[i] row t + 4i, column g.

}  // namespace dlrm::cuda
