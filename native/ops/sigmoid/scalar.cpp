#include <algorithm>
#include <cmath>

#include "ops/sigmoid/sigmoid.h"

namespace dlrm {
namespace {

void forward(const SigmoidForward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    float* out = a.out.row(b);
    for (int64_t k = 0; k < a.out.cols; ++k) {
      const float e = std::exp(-std::fabs(x[k]));
      const float p = (x[k] < 0 ? e : 1) / (1 + e);
      out[k] = a.threshold > 0 ? std::min(std::max(p, a.threshold), 1 - a.threshold) : p;
    }
  }
}

void backward(const SigmoidBackward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float *dout = a.dout.row(b), *p = a.out.row(b);
    float* dx = a.dx.row(b);
    for (int64_t k = 0; k < a.out.cols; ++k) {
      const bool clamped = a.threshold > 0 && (p[k] <= a.threshold || p[k] >= 1 - a.threshold);
      dx[k] = clamped ? 0 : dout[k] * p[k] * (1 - p[k]);
    }
  }
}

}  // namespace

const SigmoidKernels sigmoid_scalar = {forward, backward, 6};

}  // namespace dlrm
