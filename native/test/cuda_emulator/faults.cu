#include "test/cuda_emulator/faults.h"

#include "cuda/device.cuh"

namespace dlrm::cuda {
namespace {

__global__ void leaves_kernel() {
  if (threadIdx.x == 7) return;
  __syncthreads();
}

__global__ void lane_missing_kernel() {
  if (threadIdx.x % 2) __shfl_xor_sync(kAllLanes, 1, 2);
}

__global__ void nothing_kernel() {}

__global__ void misaligned_kernel(const float* from) {
  __shared__ __align__(16) float to[4];
  cp_async16(to, from + 1);
}

__global__ void exchange_kernel(int32_t* out, bool barrier, bool in_warp) {
  __shared__ int32_t all[256];
  const int i = static_cast<int>(threadIdx.x), other = in_warp ? i ^ 31 : 255 - i;
  all[i] = -1;
  __syncthreads();
  all[i] = i;
  if (barrier && in_warp) __syncwarp();
  if (barrier && !in_warp) __syncthreads();
  out[i] = all[other];
}

__global__ void early_kernel(const float* from, float* out) {
  __shared__ __align__(16) float to[4];
  if (threadIdx.x) return;
  cp_async16(to, from);
  cp_async_commit();
  *out = to[0];
}

__global__ void unwritten_kernel(float* out) {
  DLRM_DYNAMIC_SHARED(float, shared);
  if (!threadIdx.x) *out = shared[3];
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {

using namespace cuda;

const CudaFaults faults_cuda = {
    [](CudaStream stream) { launch(leaves_kernel, 2, 64, 0, stream); },
    [](CudaStream stream) { launch(lane_missing_kernel, 1, 32, 0, stream); },
    [](CudaStream stream) { launch(nothing_kernel, 1, 48, 0, stream); },
    [](CudaStream stream) { launch(nothing_kernel, 1, 32, 164 << 10, stream); },
    [](const float* from, CudaStream stream) { launch(misaligned_kernel, 1, 32, 0, stream, from); },
    [](int32_t* out, bool barrier, bool in_warp, CudaStream stream) { launch(exchange_kernel, 1, 256, 0, stream, out, barrier, in_warp); },
    [](const float* from, float* out, CudaStream stream) { launch(early_kernel, 1, 32, 0, stream, from, out); },
    [](float* out, CudaStream stream) { launch(unwritten_kernel, 1, 32, 64, stream, out); },
};

}  // namespace dlrm
