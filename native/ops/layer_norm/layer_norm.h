// Layer normalisation (Ba, Kiros & Hinton 2016) over the columns of each example, as torch.nn.LayerNorm, with what follows
// it in a tower. The columns are G equal groups of E = N / G, each normalised by itself: G fields of width E, say.
//   x, out        [B,N] f32;  weight, bias [N]
//   xhat = (x - mean) r,  r = 1 / sqrt(var + eps),  mean and (biased) var of the group
//   out  = dropout(f(weight xhat + bias))      f: fused_activation.h
// variance_only (VO-LN of Wang et al. 2020, arXiv 2006.12753), no parameters:
//   out  = dropout(f(x r))
// Backward, with dz = dout through dropout and f, g = weight dz, sums and means over the group:
//   dx = r (g - mean of g - xhat * mean of g xhat);  variance_only: dx = r (dz - xhat r * mean of dz x)
//   dweight = sum over the batch of dz xhat,  dbias = sum of dz: parts of it by chunks of rows, added in their order
#pragma once
#include "ops/dropout/mask.h"
#include "ops/fused_activation.h"

namespace dlrm {

struct LayerNormForward {
  View out, statistics;  // statistics [B,2G]: mean and r of each group
  View x;
  const float *weight, *bias;  // [N]; null: variance_only
  int64_t groups;
  float eps;
  Activation activation;
  DropoutMask mask;
};

struct LayerNormBackward {
  View dx;                       // or null
  View dout, x, statistics, out;  // out only if the activation is sigmoid or tanh
  const float *weight, *bias;
  int64_t groups;
  Activation activation;
  DropoutMask mask;
};

// Of rows [rows.begin, rows.end).
struct LayerNormKernels {
  void (*forward)(const LayerNormForward&, Range rows);
  // Also the sums over these rows, [N] each; not touched if variance_only.
  void (*backward)(const LayerNormBackward&, Range rows, float* dweight, float* dbias);
  double ns;  // of one element, about
};

extern const LayerNormKernels layer_norm_scalar, layer_norm_avx2, layer_norm_avx512;

}  // namespace dlrm
