// The mean over the batch of a double per row, summed in an order that depends on B alone.
//   mean_of(loss, out, batch, scratch, stream): *out = 1/B sum_b loss(b); loss is a struct with __device__ double operator()(int64_t)
#pragma once
#include "cuda/device.cuh"

namespace dlrm::cuda {

constexpr int kMeanThreads = 256;
constexpr int64_t kMeanRows = 2048;  // of a block: every 256th by a thread, in order

template <class F>
__global__ void __launch_bounds__(kMeanThreads) sums_kernel(F loss, double* sums, int64_t batch) {
  __shared__ double parts[kMeanThreads / kWarp];
  const int64_t first = blockIdx.x * kMeanRows, end = min(batch, first + kMeanRows);
  double sum = 0;
  for (int64_t b = first + threadIdx.x; b < end; b += kMeanThreads) sum += loss(b);
  sum = block_sum(sum, parts);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(kMeanThreads) mean_kernel(float* out, const double* sums, int64_t n, int64_t batch) {
  __shared__ double parts[kMeanThreads / kWarp];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kMeanThreads) sum += sums[i];
  sum = block_sum(sum, parts);
  if (threadIdx.x == 0) *out = static_cast<float>(sum / static_cast<double>(batch));
}

inline size_t mean_scratch_bytes(int64_t batch) { return static_cast<size_t>(blocks(batch, kMeanRows)) * sizeof(double); }

template <class F>
void mean_of(const F& loss, float* out, int64_t batch, void* scratch, CudaStream stream) {
  auto* sums = static_cast<double*>(scratch);
  const int64_t n = blocks(batch, kMeanRows);
  launch(sums_kernel<F>, n, kMeanThreads, 0, stream, loss, sums, batch);
  launch(mean_kernel, 1, kMeanThreads, 0, stream, out, sums, n, batch);
}

}  // namespace dlrm::cuda
