// The cross layers of DCN (Wang et al. 2017, arXiv 1708.05123, equation 3), all of them in one op.
//   x_{l+1} = x_0 (x_l . w_l) + b_l + x_l,  l = 0..L-1;  out = x_L
//   x, out [B,N];  w_l, b_l [N]
// Since every x_l = alpha_l x_0 + beta_l, with alpha_l one number of the example and beta_l = b_0 + ... + b_{l-1} the
// same for all examples, one pass over x does all layers:
//   p_l = x_0 . w_l,  c_l = beta_l . w_l,  alpha_0 = 1,  alpha_{l+1} = alpha_l (1 + p_l) + c_l,  out = alpha_L x_0 + beta_L
// Backward, g = dout:
//   dalpha_L = g . x_0,  dalpha_l = dalpha_{l+1} (1 + p_l),  dp_l = dalpha_{l+1} alpha_l
//   dx = alpha_L g + sum_l dp_l w_l
// and, sums over the batch: S = sum g,  A_l = sum dalpha_{l+1}
//   dw_l = sum dp_l x_0 + A_l beta_l,  db_l = dbeta_{l+1},  dbeta_L = S,  dbeta_l = dbeta_{l+1} + A_l w_l
#pragma once
#include "base/isa.h"
#include "base/view.h"

namespace dlrm {

constexpr int64_t kMaxCrossLayers = 64;

// Of the parameters alone; rows of `stride` >= N numbers, zero behind the N-th, stride a multiple of 16.
struct CrossWeights {
  const float* w;     // [L, stride]
  const float* c;     // [L]
  const float* beta;  // [stride], beta_L
  int64_t layers, stride;
};

struct CrossForward {
  View out, x;
  View p;  // [B,L]
  CrossWeights weights;
};

// One chunk of rows; the sums are written, not added to.
struct CrossBackward {
  View dx;  // may be null
  View dout, x, p;
  CrossWeights weights;
  float* dw;   // [L, stride]: sum dp_l x_0
  float* sum;  // [stride]: S
  float* a;    // [L]: A_l
};

struct CrossKernels {
  void (*forward)(const CrossForward&, Range rows);
  void (*backward)(const CrossBackward&, Range rows);
};

extern const CrossKernels cross_scalar, cross_avx2, cross_avx512;

}  // namespace dlrm
