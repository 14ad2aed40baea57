// Mean squared error.
//   loss = 1/B sum_b (p_b - y_b)^2
//   p, y [B,1]  f32 (predictions, labels)
//   out  [1,1]
// Backward: dp_b = 2 dout/B (p_b - y_b). Labels get no gradient.
#pragma once
#include "base/view.h"

namespace dlrm {

struct MseLossBackward {
  View dp;
  View p, y;
  float scale;  // 2 dout/B
};

struct MseLossKernels {
  double (*forward)(const View& p, const View& y, Range);  // the sum of (p - y)^2 over rows of the batch
  void (*backward)(const MseLossBackward&, Range);
};

extern const MseLossKernels mse_loss_scalar, mse_loss_avx2, mse_loss_avx512;

}  // namespace dlrm
