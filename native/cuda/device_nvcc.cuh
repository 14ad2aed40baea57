// The part of device.cuh that nvcc reads.
#pragma once
#include <cuda_runtime.h>

#include <tuple>
#include <utility>

// Every formula text that the CPU variants inline (optim/*.h) is for the device as well.
#include "base/target.h"
#undef DLRM_INLINE
#define DLRM_INLINE __host__ __device__ __forceinline__

#define DLRM_DYNAMIC_SHARED(T, name) \
  extern __shared__ __align__(128) unsigned char dlrm_dynamic_shared[]; \
  T* const name = reinterpret_cast<T*>(dlrm_dynamic_shared)

namespace dlrm::cuda {

// runtime.cu
void note_launch(cudaError_t);
int64_t most_shared_bytes();
// Lets launches of the kernel have so much dynamic shared memory, and keeps what earlier ones were let have.
cudaError_t allow_shared(const void* kernel, size_t bytes);

template <class... P, class... A>
void launch_kernel(void (*kernel)(P...), unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, size_t shared_bytes, CudaStream stream, const A&... args) {
  constexpr size_t kWithoutAsking = 48 << 10;
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  std::tuple<std::decay_t<P>...> values(args...);
  cudaError_t error = cudaSuccess;
  if (shared_bytes > kWithoutAsking) error = allow_shared(reinterpret_cast<const void*>(kernel), shared_bytes);
  if (error == cudaSuccess)
    std::apply(
        [&](auto&... value) {
          void* pointers[] = {const_cast<void*>(static_cast<const volatile void*>(&value))..., nullptr};
          error = cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(grid_x, grid_y, grid_z),
                                   dim3(block_x, block_y, block_z), pointers, shared_bytes, static_cast<cudaStream_t>(stream));
        },
        values);
  if (error != cudaSuccess) note_launch(error);
}

__device__ __forceinline__ uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}
__device__ __forceinline__ uint16_t to_bf16(float x) { return static_cast<uint16_t>(pack_bf16(x, 0.0f)); }
__device__ __forceinline__ float from_bf16(uint16_t half) { return __uint_as_float(static_cast<uint32_t>(half) << 16); }
__device__ __forceinline__ float from_f16(uint16_t half) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(half));
  return x;
}
__device__ __forceinline__ uint32_t to_tf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

__device__ __forceinline__ void cp_async16(void* shared, const void* global, int bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
}
__device__ __forceinline__ void cp_async4(void* shared, const void* global, int bytes = 4) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
}
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared_row))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared_row))
               : "memory");
}

// Not volatile: what they do is all in their operands, and kernels at the limit of registers need the compiler free to move them.
__device__ __forceinline__ void mma_bf16_16816(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_tf32_1688(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace dlrm::cuda
