#include <algorithm>
#include <cmath>

#include "ops/layer_norm/layer_norm.h"

namespace dlrm {
namespace {

void statistics(const float* x, int64_t width, float eps, float* mean, float* r) {
  const auto n = static_cast<float>(width);
  float sum = 0, squares = 0;
  for (int64_t k = 0; k < width; ++k) sum += x[k];
  *mean = sum / n;
  for (int64_t k = 0; k < width; ++k) squares += (x[k] - *mean) * (x[k] - *mean);
  *r = 1 / std::sqrt(squares / n + eps);
}

void forward(const LayerNormForward& a, Range rows) {
  const int64_t width = a.x.cols / a.groups;
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    if (a.mask.bits) dropout_row_bits(a.mask, b, a.out.cols);
    const float* x = a.x.row(b);
    for (int64_t g = 0; g < a.groups; ++g) {
      float* own = a.statistics.row(b) + 2 * g;
      statistics(x + g * width, width, a.eps, own, own + 1);
      for (int64_t k = g * width; k < (g + 1) * width; ++k) {
        const float z = a.weight ? (x[k] - own[0]) * own[1] * a.weight[k] + a.bias[k] : x[k] * own[1];
        const float y = activate(a.activation, z);
        a.out.row(b)[k] = !a.mask.bits ? y : dropout_keeps(a.mask, b, k) ? y * a.mask.scale : 0;
      }
    }
  }
}

float gradient_before_activation(const LayerNormBackward& a, int64_t b, int64_t k, float z) {
  if (a.mask.bits && !dropout_keeps(a.mask, b, k)) return 0;
  const bool from_out = a.activation == Activation::sigmoid || a.activation == Activation::tanh;
  return a.dout.row(b)[k] * a.mask.scale * slope_at_output(a.activation, from_out ? a.out.row(b)[k] / a.mask.scale : z);
}

void backward_group(const LayerNormBackward& a, int64_t b, Range columns, const float* own, float* dweight, float* dbias) {
  const float *x = a.x.row(b), mean = own[0], r = own[1], origin = a.weight ? mean : 0;
  const auto n = static_cast<float>(columns.end - columns.begin);
  const auto gradient = [&](int64_t k) {
    return gradient_before_activation(a, b, k, a.weight ? (x[k] - mean) * r * a.weight[k] + a.bias[k] : x[k] * r);
  };
  float sum = 0, product = 0;
  for (int64_t k = columns.begin; k < columns.end; ++k) {
    const float dz = gradient(k), g = a.weight ? dz * a.weight[k] : dz;
    sum += a.weight ? g : 0;
    product += g * (x[k] - origin) * r;
    if (a.weight) {
      dweight[k] += dz * (x[k] - mean) * r;
      dbias[k] += dz;
    }
  }
  for (int64_t k = columns.begin; a.dx && k < columns.end; ++k) {
    const float g = a.weight ? gradient(k) * a.weight[k] : gradient(k);
    a.dx.row(b)[k] = r * (g - sum / n - (x[k] - mean) * r * product / n);
  }
}

void backward(const LayerNormBackward& a, Range rows, float* dweight, float* dbias) {
  const int64_t width = a.x.cols / a.groups;
  if (a.weight) std::fill_n(dweight, a.x.cols, 0.0f);
  if (a.weight) std::fill_n(dbias, a.x.cols, 0.0f);
  for (int64_t b = rows.begin; b < rows.end; ++b)
    for (int64_t g = 0; g < a.groups; ++g)
      backward_group(a, b, {g * width, (g + 1) * width}, a.statistics.row(b) + 2 * g, dweight, dbias);
}

}  // namespace

const LayerNormKernels layer_norm_scalar = {forward, backward, 4};

}  // namespace dlrm
