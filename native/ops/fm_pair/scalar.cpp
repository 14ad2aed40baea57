#include "ops/fm_pair/fm_pair.h"

namespace dlrm {
namespace {

void forward(const FmPairForward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    float total = 0;
    for (int64_t k = 0; k < a.width; ++k) {
      float sum = x[k], pairs = 0;
      for (int64_t f = 1; f < a.fields; ++f) {
        const float v = x[f * a.width + k];
        pairs += sum * v;
        sum += v;
      }
      if (a.vector) a.out.row(b)[k] = pairs;
      total += pairs;
    }
    if (!a.vector) *a.out.row(b) = total;
  }
}

void backward(const FmPairBackward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float *x = a.x.row(b), *dout = a.dout.row(b);
    for (int64_t k = 0; k < a.width; ++k) {
      float sum = 0;
      for (int64_t f = 0; f < a.fields; ++f) sum += x[f * a.width + k];
      for (int64_t f = 0; f < a.fields; ++f)
        a.dx.row(b)[f * a.width + k] = dout[a.vector ? k : 0] * (sum - x[f * a.width + k]);
    }
  }
}

}  // namespace

const FmPairKernels fm_pair_scalar = {forward, backward, 1};

}  // namespace dlrm
