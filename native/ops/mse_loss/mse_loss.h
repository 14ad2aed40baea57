// Mean squared error.
//   loss = 1/B sum_b v_b (p_b - y_b)^2
//   p, y [B,1]  f32 (predictions, labels)
//   v    [B,1]  f32 >= 0, weights of the examples: an optional third input, 1 without it. The mean is over B all the same
//   out  [1,1]
// Backward: dp_b = 2 dout/B v_b (p_b - y_b). Labels and weights get no gradient.
#pragma once
#include <cstddef>

#include "base/view.h"
#include "cuda/plugin.h"

namespace dlrm {

struct MseLossBackward {
  View dp;
  View p, y;
  View v;       // null: all 1
  float scale;  // 2 dout/B
};

struct MseLossKernels {
  double (*forward)(const View& p, const View& y, const View& v, Range);  // the sum of v (p - y)^2 over rows of the batch
  void (*backward)(const MseLossBackward&, Range);
};

struct MseLossCuda {
  size_t (*scratch_bytes)(int64_t batch);
  void (*forward)(const View& p, const View& y, const View& v, float* out, int64_t batch, void* scratch, CudaStream);
  void (*backward)(const MseLossBackward&, const float* dout, int64_t batch, CudaStream);  // its scale is not read
};

extern const MseLossCuda mse_loss_cuda;
extern const MseLossKernels mse_loss_scalar, mse_loss_avx2, mse_loss_avx512;

}  // namespace dlrm
