#include "ops/field_weighted_pair/field_weighted_pair.h"

namespace dlrm {
namespace {

float dot(const float* v, const float* w, int64_t n) {
  float sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += v[k] * w[k];
  return sum;
}

void forward(const FieldWeightedForward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    float total = 0;
    for (int64_t i = 1; i < a.fields; ++i)
      for (int32_t p = a.pairs.begin[i]; p < a.pairs.begin[i + 1]; ++p)
        total += a.pairs.weight[p] * dot(x + i * a.width, x + a.pairs.column[p], a.width);
    *a.out.row(b) = total;
  }
}

void backward(const FieldWeightedBackward& a, Range range) {
  const int64_t pairs = a.fields * (a.fields - 1) / 2;
  for (int64_t p = 0; a.sums && p < pairs; ++p) a.sums[p] = 0;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float *x = a.x.row(b), dout = *a.dout.row(b);
    for (int64_t k = 0; a.dx && k < a.fields * a.width; ++k) a.dx.row(b)[k] = 0;
    for (int64_t i = 1, p = 0; i < a.fields; ++i)
      for (int64_t j = 0; j < i; ++j, ++p) {
        const float *v = x + i * a.width, *w = x + j * a.width;
        if (a.sums) a.sums[p] += dout * dot(v, w, a.width);
        for (int64_t k = 0; a.dx && k < a.width; ++k) {
          a.dx.row(b)[i * a.width + k] += dout * a.weight[p] * w[k];
          a.dx.row(b)[j * a.width + k] += dout * a.weight[p] * v[k];
        }
      }
  }
}

void add_sums(const float* sums, int64_t count, int64_t stride, float* to, int64_t pairs) {
  for (int64_t p = 0; p < pairs; ++p) {
    to[p] = 0;
    for (int64_t i = 0; i < count; ++i) to[p] += sums[i * stride + p];
  }
}

}  // namespace

const FieldWeightedPairKernels field_weighted_pair_scalar = {forward, backward, add_sums, 1, 1};

}  // namespace dlrm
