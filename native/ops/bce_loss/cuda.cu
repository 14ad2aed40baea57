// A thread takes every 256th row of its block's 2,048, in order; blocks' sums are added in a fixed order by a second launch.
// Bytes decide: 16 (20 with weights) a row, 1 MB at B = 65,536, less than a microsecond; the two launches cost more.
#include "cuda/device.cuh"
#include "ops/bce_loss/bce_loss.h"

namespace dlrm::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kRowsPerBlock = 2048;

__device__ float loss_and_slope(const BceLossForward& a, float x, float y, float& slope) {
  const float low = a.threshold, high = 1 - a.threshold;
  const float e = expf(-fabsf(x)), p = (x >= 0 ? 1 : e) / (1 + e);
  float loss = log1pf(e) + fmaxf(x, 0.0f) - x * y;
  slope = p - y;
  if (low > 0 && (p < low || p > high)) {
    const float clamped = fminf(fmaxf(p, low), high);
    loss = -y * logf(clamped) - (1 - y) * log1pf(-clamped);
    slope = 0;
  }
  if (a.saturates) {
    const float q = 1 - p, kept = low > 0 ? fminf(fmaxf(p, low), high) : p;
    loss = -y * fmaxf(logf(kept), -100.0f) - (1 - y) * fmaxf(log1pf(-kept), -100.0f);
    slope *= p * q / fmaxf(p * q, 1e-12f);
  }
  return loss;
}

__global__ void forward_kernel(BceLossForward a, double* sums, int64_t batch) {
  __shared__ double parts[kThreads / kWarp];
  const int64_t first = blockIdx.x * kRowsPerBlock, end = min(batch, first + kRowsPerBlock);
  double sum = 0;
  for (int64_t b = first + threadIdx.x; b < end; b += kThreads) {
    const float x = *row(a.logits, b), y = *row(a.labels, b), v = a.weights.data ? *row(a.weights, b) : 1;
    const float weight = v * a.class_weights[y >= 1];
    float slope;
    const float loss = loss_and_slope(a, x, y, slope);
    *row(a.slope, b) = weight * slope;
    sum += static_cast<double>(weight) * loss;
  }
  sum = block_sum(sum, parts);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void mean_kernel(float* out, const double* sums, int64_t n, int64_t batch) {
  __shared__ double parts[kThreads / kWarp];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += sums[i];
  sum = block_sum(sum, parts);
  if (threadIdx.x == 0) *out = static_cast<float>(sum / static_cast<double>(batch));
}

__global__ void backward_kernel(View dlogits, View slope, const float* dout, int64_t batch) {
  const int64_t b = global_thread();
  if (b < batch) *row(dlogits, b) = *dout / static_cast<float>(batch) * *row(slope, b);
}

size_t scratch_bytes(int64_t batch) { return static_cast<size_t>(blocks(batch, kRowsPerBlock)) * sizeof(double); }

void forward(const BceLossForward& a, float* out, int64_t batch, void* scratch, CudaStream stream) {
  auto* sums = static_cast<double*>(scratch);
  const int64_t n = blocks(batch, kRowsPerBlock);
  launch(forward_kernel, n, kThreads, 0, stream, a, sums, batch);
  launch(mean_kernel, 1, kThreads, 0, stream, out, sums, n, batch);
}

void backward(const View& dlogits, const View& slope, const float* dout, int64_t batch, CudaStream stream) {
  launch(backward_kernel, blocks(batch, kThreads), kThreads, 0, stream, dlogits, slope, dout, batch);
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {
const BceLossCuda bce_loss_cuda = {cuda::scratch_bytes, cuda::forward, cuda::backward};
}
