#include "ops/cross/cross.h"

namespace dlrm {
namespace {

float dot(const float* a, const float* b, int64_t n) {
  float sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += a[k] * b[k];
  return sum;
}

void forward(const CrossForward& a, Range rows) {
  const CrossWeights& w = a.weights;
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    const float* x = a.x.row(b);
    float alpha = 1;
    for (int64_t l = 0; l < w.layers; ++l) {
      const float p = a.p.row(b)[l] = dot(x, w.w + l * w.stride, a.x.cols);
      alpha = alpha + alpha * p + w.c[l];
    }
    for (int64_t k = 0; k < a.x.cols; ++k) a.out.row(b)[k] = alpha * x[k] + w.beta[k];
  }
}

void backward(const CrossBackward& a, Range rows) {
  const CrossWeights& w = a.weights;
  const int64_t n = a.x.cols;
  for (int64_t k = 0; k < w.layers * w.stride; ++k) a.dw[k] = 0;
  for (int64_t k = 0; k < w.stride; ++k) a.sum[k] = 0;
  for (int64_t l = 0; l < w.layers; ++l) a.a[l] = 0;
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    const float *x = a.x.row(b), *g = a.dout.row(b), *p = a.p.row(b);
    float alpha[kMaxCrossLayers + 1] = {1};
    for (int64_t l = 0; l < w.layers; ++l) alpha[l + 1] = alpha[l] + alpha[l] * p[l] + w.c[l];
    for (int64_t k = 0; k < n; ++k) a.sum[k] += g[k];
    for (int64_t k = 0; a.dx && k < n; ++k) a.dx.row(b)[k] = alpha[w.layers] * g[k];
    float dalpha = dot(g, x, n);
    for (int64_t l = w.layers - 1; l >= 0; --l) {
      const float dp = dalpha * alpha[l];
      for (int64_t k = 0; a.dx && k < n; ++k) a.dx.row(b)[k] += dp * w.w[l * w.stride + k];
      for (int64_t k = 0; k < n; ++k) a.dw[l * w.stride + k] += dp * x[k];
      a.a[l] += dalpha;
      dalpha += dalpha * p[l];
    }
  }
}

}  // namespace

const CrossKernels cross_scalar = {forward, backward};

}  // namespace dlrm
