// Bytes decide: 8 (12 with weights) a row; the launches cost more.
#include "cuda/elementwise.cuh"
#include "cuda/mean.cuh"
#include "ops/mse_loss/mse_loss.h"

namespace dlrm::cuda {
namespace {

struct Loss {
  View p, y, v;
  __device__ double operator()(int64_t b) const {
    const double error = static_cast<double>(*row(p, b)) - static_cast<double>(*row(y, b));
    return error * error * (v.data ? static_cast<double>(*row(v, b)) : 1);
  }
};

__global__ void backward_kernel(MseLossBackward a, const float* dout, int64_t batch) {
  const int64_t b = global_thread();
  if (b >= batch) return;
  const float scale = 2 * *dout / static_cast<float>(batch);
  *row(a.dp, b) = scale * (a.v.data ? *row(a.v, b) : 1) * (*row(a.p, b) - *row(a.y, b));
}

void forward(const View& p, const View& y, const View& v, float* out, int64_t batch, void* scratch, CudaStream stream) {
  mean_of(Loss{p, y, v}, out, batch, scratch, stream);
}

void backward(const MseLossBackward& a, const float* dout, int64_t batch, CudaStream stream) {
  launch(backward_kernel, blocks(batch, kMeanThreads), kMeanThreads, 0, stream, a, dout, batch);
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {
const MseLossCuda mse_loss_cuda = {cuda::mean_scratch_bytes, cuda::forward, cuda::backward};
}
