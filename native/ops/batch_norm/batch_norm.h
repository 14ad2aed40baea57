// Batch normalisation (Ioffe & Szegedy 2015) over the examples, as torch.nn.BatchNorm1d, with what follows it in a tower.
//   x, out        [B,N] f32;  weight, bias, running_mean, running_var [N]
//   xhat = (x - mean) r,  r = 1 / sqrt(var + eps)
//   out  = dropout(f(weight xhat + bias))      f: fused_activation.h
// In training mean and var (biased) are those of the batch, and
//   running_mean += momentum (mean - running_mean),  running_var += momentum (B / (B-1) var - running_var)
// but a single example has no unbiased variance: it leaves running_var as it is. Otherwise the running ones are taken.
// Backward, with dz = dout through dropout and f:
//   dbias = sum of dz,  dweight = sum of dz xhat
//   dx = weight r (dz - dbias / B - xhat dweight / B);  out of training the statistics are constants: dx = weight r dz
//
// Sums over the batch are made of parts: chunks of rows that depend on B alone, added in their order.
#pragma once
#include "ops/dropout/mask.h"
#include "ops/fused_activation.h"

namespace dlrm {

// Per column, [N] each.
struct BatchNormColumns {
  const float *mean, *scale, *bias;  // z = (x - mean) scale + bias; scale = weight r
  const float *mean_dz, *slope;      // backward: dx = scale (dz - mean_dz - (x - mean) slope)
};

struct BatchNormForward {
  View out;
  View x;
  BatchNormColumns columns;
  Activation activation;
  DropoutMask mask;
};

struct BatchNormBackward {
  View dx;
  View dout, x, out;  // out only if the activation is sigmoid or tanh
  BatchNormColumns columns;
  Activation activation;
  DropoutMask mask;
};

// Of rows [rows.begin, rows.end).
struct BatchNormKernels {
  // first = their mean, second = the sum of squared deviations from it.
  void (*moments)(const View& x, Range rows, float* first, float* second);
  void (*forward)(const BatchNormForward&, Range rows);
  // first = sum of dz, second = sum of dz (x - mean).
  void (*gradient_sums)(const BatchNormBackward&, Range rows, float* first, float* second);
  void (*backward)(const BatchNormBackward&, Range rows);
  double ns;  // of one element in one of these, about
};

extern const BatchNormKernels batch_norm_scalar, batch_norm_avx2, batch_norm_avx512;

}  // namespace dlrm
