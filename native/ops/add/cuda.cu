// Up to four matrices a launch.
#include "cuda/elementwise.cuh"
#include "ops/add/add.h"

namespace dlrm::cuda {
namespace {

struct Sum {
  template <int N>
  __device__ float operator()(const float (&v)[N]) const {
    float sum = v[0];
#pragma unroll
    for (int i = 1; i < N; ++i) sum += v[i];
    return sum;
  }
};

void copy(const View& to, const View& from, CudaStream stream) { each_element(stream, Sum{}, to, from); }

void sum(const View& to, const View* in, int64_t count, CudaStream stream) {
  if (count == 1) return copy(to, in[0], stream);
  if (count == 2) return each_element(stream, Sum{}, to, in[0], in[1]);
  if (count == 3) return each_element(stream, Sum{}, to, in[0], in[1], in[2]);
  each_element(stream, Sum{}, to, in[0], in[1], in[2], in[3]);
  for (int64_t i = 4; i < count; ++i) each_element(stream, Sum{}, to, to, in[i]);
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {
const AddCuda add_cuda = {cuda::sum, cuda::copy};
}
