#include "cuda/elementwise.cuh"
#include "ops/sigmoid/sigmoid.h"

namespace dlrm::cuda {
namespace {

struct Sigmoid {
  float threshold;
  __device__ float operator()(const float (&v)[1]) const {
    const float e = expf(-fabsf(v[0])), p = (v[0] < 0 ? e : 1) / (1 + e);
    // A NaN goes through the comparisons, not through fminf and fmaxf.
    if (threshold > 0) return p < threshold ? fminf(threshold, 1 - threshold) : p > 1 - threshold ? 1 - threshold : p;
    return p;
  }
};

struct Slope {
  float threshold;
  __device__ float operator()(const float (&v)[2]) const {
    const float dout = v[0], p = v[1];
    const bool clamped = threshold > 0 && (p <= threshold || p >= 1 - threshold);
    return clamped ? 0 : dout * p * (1 - p);
  }
};

void forward(const SigmoidForward& a, CudaStream stream) { each_element(stream, Sigmoid{a.threshold}, a.out, a.x); }

void backward(const SigmoidBackward& a, CudaStream stream) {
  each_element(stream, Slope{a.threshold}, a.dx, a.dout, a.out);
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {
const SigmoidCuda sigmoid_cuda = {cuda::forward, cuda::backward};
}
