// Bytes decide: 16 (20 with weights) a row, 1 MB at B = 65,536, less than a microsecond; the two launches cost more.
#include "cuda/mean.cuh"
#include "ops/bce_loss/bce_loss.h"

namespace dlrm::cuda {
namespace {

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

struct Loss {
  BceLossForward a;
  __device__ double operator()(int64_t b) const {
    const float x = *row(a.logits, b), y = *row(a.labels, b), v = a.weights.data ? *row(a.weights, b) : 1;
    const float weight = v * a.class_weights[y >= 1];
    float slope;
    const float loss = loss_and_slope(a, x, y, slope);
    *row(a.slope, b) = weight * slope;
    return static_cast<double>(weight) * loss;
  }
};

__global__ void backward_kernel(View dlogits, View slope, const float* dout, int64_t batch) {
  const int64_t b = global_thread();
  if (b < batch) *row(dlogits, b) = *dout / static_cast<float>(batch) * *row(slope, b);
}

void forward(const BceLossForward& a, float* out, int64_t batch, void* scratch, CudaStream stream) {
  mean_of(Loss{a}, out, batch, scratch, stream);
}

void backward(const View& dlogits, const View& slope, const float* dout, int64_t batch, CudaStream stream) {
  launch(backward_kernel, blocks(batch, kMeanThreads), kMeanThreads, 0, stream, dlogits, slope, dout, batch);
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {
const BceLossCuda bce_loss_cuda = {cuda::mean_scratch_bytes, cuda::forward, cuda::backward};
}
