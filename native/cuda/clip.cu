// The factor of all gradients that keeps their norm within clip_norm: clip_norm / (norm + 1e-6), at most 1.
#include "cuda/device.cuh"
#include "cuda/kernels.h"

namespace dlrm::cuda {
namespace {

__global__ void clip_kernel(float* scale, const double* squares, double clip_norm) {
  if (threadIdx.x) return;
  const double factor = clip_norm / (sqrt(*squares) + 1e-6);
  *scale = factor < 1 ? static_cast<float>(factor) : 1;
}

}  // namespace

void clip(float* scale, const double* squares, double clip_norm, CudaStream stream) {
  launch(clip_kernel, 1, kWarp, 0, stream, scale, squares, clip_norm);
}

}  // namespace dlrm::cuda
