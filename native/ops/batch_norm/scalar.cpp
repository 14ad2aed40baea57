#include "ops/batch_norm/batch_norm.h"

namespace dlrm {
namespace {

void moments(const View& x, Range rows, float* first, float* second) {
  const auto count = static_cast<float>(rows.end - rows.begin);
  for (int64_t k = 0; k < x.cols; ++k) {
    first[k] = second[k] = 0;
    for (int64_t b = rows.begin; b < rows.end; ++b) first[k] += x.row(b)[k] / count;
    for (int64_t b = rows.begin; b < rows.end; ++b) second[k] += (x.row(b)[k] - first[k]) * (x.row(b)[k] - first[k]);
  }
}

float preactivation(const BatchNormColumns& c, float x, int64_t k) { return (x - c.mean[k]) * c.scale[k] + c.bias[k]; }

void forward(const BatchNormForward& a, Range rows) {
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    if (a.mask.bits) dropout_row_bits(a.mask, b, a.out.cols);
    for (int64_t k = 0; k < a.out.cols; ++k) {
      const float y = activate(a.activation, preactivation(a.columns, a.x.row(b)[k], k));
      a.out.row(b)[k] = !a.mask.bits ? y : dropout_keeps(a.mask, b, k) ? y * a.mask.scale : 0;
    }
  }
}

float gradient_before_activation(const BatchNormBackward& a, int64_t b, int64_t k) {
  if (a.mask.bits && !dropout_keeps(a.mask, b, k)) return 0;
  const float dy = a.dout.row(b)[k] * a.mask.scale;
  const bool from_out = a.activation == Activation::sigmoid || a.activation == Activation::tanh;
  const float y = from_out ? a.out.row(b)[k] / a.mask.scale : preactivation(a.columns, a.x.row(b)[k], k);
  return dy * slope_at_output(a.activation, y);
}

void gradient_sums(const BatchNormBackward& a, Range rows, float* first, float* second) {
  for (int64_t k = 0; k < a.x.cols; ++k) {
    first[k] = second[k] = 0;
    for (int64_t b = rows.begin; b < rows.end; ++b) {
      const float dz = gradient_before_activation(a, b, k);
      first[k] += dz;
      second[k] += dz * (a.x.row(b)[k] - a.columns.mean[k]);
    }
  }
}

void backward(const BatchNormBackward& a, Range rows) {
  const BatchNormColumns& c = a.columns;
  for (int64_t b = rows.begin; b < rows.end; ++b)
    for (int64_t k = 0; k < a.x.cols; ++k) {
      const float dz = gradient_before_activation(a, b, k);
      a.dx.row(b)[k] = c.scale[k] * (dz - c.mean_dz[k] - (a.x.row(b)[k] - c.mean[k]) * c.slope[k]);
    }
}

}  // namespace

const BatchNormKernels batch_norm_scalar = {moments, forward, gradient_sums, backward, 2};

}  // namespace dlrm
