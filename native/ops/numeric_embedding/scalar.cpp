#include "ops/numeric_embedding/numeric_embedding.h"

namespace dlrm {
namespace {

void forward(const NumericEmbeddingForward& a, Range range) {
  const int64_t width = a.weight.cols;
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t d = 0; d < a.x.cols; ++d)
      for (int64_t k = 0; k < width; ++k) a.out.row(b)[d * width + k] = a.x.row(b)[d] * a.weight.row(d)[k];
}

void backward(const NumericEmbeddingBackward& a, Range range) {
  const int64_t width = a.weight.cols, columns = a.x.cols;
  for (int64_t i = 0; a.sums && i < columns * width; ++i) a.sums[i] = 0;
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t d = 0; d < columns; ++d) {
      const float *dout = a.dout.row(b) + d * width, x = a.x.row(b)[d];
      float dot = 0;
      for (int64_t k = 0; k < width; ++k) {
        dot += dout[k] * a.weight.row(d)[k];
        if (a.sums) a.sums[d * width + k] += x * dout[k];
      }
      if (a.dx) a.dx.row(b)[d] = dot;
    }
}

void add_sums(const float* sums, int64_t count, const View& dweight) {
  const int64_t n = dweight.rows * dweight.cols;
  for (int64_t i = 0; i < n; ++i) {
    float sum = 0;
    for (int64_t c = 0; c < count; ++c) sum += sums[c * n + i];
    dweight.f32()[i] = sum;
  }
}

}  // namespace

const NumericEmbeddingKernels numeric_embedding_scalar = {forward, backward, add_sums, 1, 1};

}  // namespace dlrm
