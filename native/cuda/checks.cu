#include "cuda/checks.h"

#include "cuda/device.cuh"

namespace dlrm::cuda {
namespace {

__device__ void load_sum(float (&sum)[4], const float* d) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  for (int i = 0; i < 4; ++i) sum[i] = d[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
}
__device__ void store_sum(float* d, const float (&sum)[4]) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}

__global__ void mma_bf16_kernel(const uint16_t* a, const uint16_t* b, float* d) {
  __shared__ __align__(16) uint16_t left[16 * 16], right[16 * 8];
  const int lane = threadIdx.x;
  cp_async16(left + lane * 8, a + lane * 8);
  if (lane < 16) cp_async16(right + lane * 8, b + lane * 8);
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  uint32_t x[4], both[4];
  ldmatrix_x4(x, left + (lane % 16) * 16 + lane / 16 * 8);
  ldmatrix_x4_trans(both, right + (lane % 16) * 8);  // the lanes of matrices 2 and 3 give those of 0 and 1 again
  const uint32_t y[2] = {both[0], both[1]};
  float sum[4];
  load_sum(sum, d);
  mma_bf16_16816(sum, x, y);
  store_sum(d, sum);
}

__global__ void mma_tf32_kernel(const float* a, const float* b, float* d) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  uint32_t x[4], y[2];
  for (int i = 0; i < 4; ++i) x[i] = to_tf32(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
  for (int i = 0; i < 2; ++i) y[i] = to_tf32(b[(t + 4 * i) * 8 + g]);
  float sum[4];
  load_sum(sum, d);
  mma_tf32_1688(sum, x, y);
  store_sum(d, sum);
}

__global__ void stages_kernel(const float* from, float* to, int64_t n) {
  constexpr int kStages = 3, kStage = 4 * kWarp;
  DLRM_DYNAMIC_SHARED(float, stages);
  const int lane = threadIdx.x;
  const auto fetch = [&](int64_t stage) {
    const int64_t at = stage * kStage + lane * 4, left = n - at;
    const int bytes = left >= 4 ? 16 : left > 0 ? static_cast<int>(left) * 4 : 0;
    cp_async16(stages + stage % kStages * kStage + lane * 4, bytes ? from + at : from, bytes);
    cp_async_commit();
  };
  for (int stage = 0; stage < kStages - 1; ++stage) fetch(stage);
  for (int64_t stage = 0; stage * kStage < n; ++stage) {
    cp_async_wait<kStages - 2>();
    __syncthreads();
    fetch(stage + kStages - 1);
    // Read in another order than fetched.
    for (int i = 0; i < 4; ++i) {
      const int k = kStage - 1 - i * kWarp - lane;
      if (stage * kStage + k < (n + 3) / 4 * 4) to[stage * kStage + k] = stages[stage % kStages * kStage + k];
    }
  }
}

__global__ void round_kernel(const float* x, uint16_t* bf16, uint32_t* tf32, int64_t n) {
  const int64_t i = global_thread();
  if (i >= n) return;
  bf16[i] = i % 2 ? static_cast<uint16_t>(pack_bf16(0, x[i]) >> 16) : to_bf16(x[i]);
  tf32[i] = to_tf32(x[i]);
}

__global__ void warp_kernel(uint32_t* out) {
  const uint32_t lane = threadIdx.x, half = lane < 16 ? 0xffff : 0xffff0000, x = lane * lane;
  uint32_t* to = out + lane * kCheckWords;
  to[0] = __shfl_sync(kAllLanes, x, 5);
  to[1] = __shfl_sync(kAllLanes, x, static_cast<int>(lane) + 3, 8);
  to[2] = __shfl_xor_sync(kAllLanes, x, 17);
  to[3] = __shfl_down_sync(kAllLanes, x, 9);
  to[4] = __shfl_up_sync(kAllLanes, x, 9);
  to[5] = __shfl_xor_sync(half, x, 3);
  to[6] = __ballot_sync(kAllLanes, lane % 3 == 0);
  to[7] = static_cast<uint32_t>(__any_sync(half, lane == 20) != 0) + 2 * static_cast<uint32_t>(__all_sync(half, lane < 16) != 0);
  to[8] = warp_sum(x);
  to[9] = __match_any_sync(kAllLanes, lane % 5);
  to[10] = static_cast<uint32_t>(__popc(x) + 100 * __ffs(static_cast<int>(x)) + 10000 * __clz(static_cast<int>(x)));
  __syncwarp();
  to[11] = static_cast<uint32_t>(__shfl_sync(kAllLanes, static_cast<double>(lane) + 0.5, 7) * 2);
}

__global__ void block_kernel(double* out) {
  __shared__ double parts[8];
  const double sum = block_sum(static_cast<double>(threadIdx.x), parts);
  if (threadIdx.x == 200) *out = sum;
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {

using namespace cuda;

const CudaChecks checks_cuda = {
    [](const uint16_t* a, const uint16_t* b, float* d, CudaStream stream) { launch(mma_bf16_kernel, 1, kWarp, 0, stream, a, b, d); },
    [](const float* a, const float* b, float* d, CudaStream stream) { launch(mma_tf32_kernel, 1, kWarp, 0, stream, a, b, d); },
    [](const float* from, float* to, int64_t n, CudaStream stream) {
      launch(stages_kernel, 1, kWarp, 3 * 128 * sizeof(float), stream, from, to, n);
    },
    [](const float* x, uint16_t* bf16, uint32_t* tf32, int64_t n, CudaStream stream) {
      launch(round_kernel, blocks(n, 128), 128, 0, stream, x, bf16, tf32, n);
    },
    [](uint32_t* out, CudaStream stream) { launch(warp_kernel, 1, kWarp, 0, stream, out); },
    [](double* out, CudaStream stream) { launch(block_kernel, 1, 256, 0, stream, out); },
};

}  // namespace dlrm
