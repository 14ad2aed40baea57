#include "ops/ffm_pair/ffm_pair.h"

namespace dlrm {
namespace {

// Where v_i,j is in a row.
int64_t place(int64_t i, int64_t j, int64_t fields, int64_t width) { return (i * (fields - 1) + j - (j > i)) * width; }

void forward(const FfmPairForward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    float total = 0;
    for (int64_t i = 1; i < a.fields; ++i)
      for (int64_t j = 0; j < i; ++j) {
        const float *v = x + place(i, j, a.fields, a.width), *w = x + place(j, i, a.fields, a.width);
        for (int64_t k = 0; k < a.width; ++k) total += v[k] * w[k];
      }
    *a.out.row(b) = total;
  }
}

void backward(const FfmPairBackward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float *x = a.x.row(b), dout = *a.dout.row(b);
    for (int64_t i = 0; i < a.fields; ++i)
      for (int64_t j = 0; j < a.fields; ++j) {
        if (i == j) continue;
        float* dv = a.dx.row(b) + place(i, j, a.fields, a.width);
        const float* w = x + place(j, i, a.fields, a.width);
        for (int64_t k = 0; k < a.width; ++k) dv[k] = dout * w[k];
      }
  }
}

}  // namespace

const FfmPairKernels ffm_pair_scalar = {forward, backward, 0.8};

}  // namespace dlrm
