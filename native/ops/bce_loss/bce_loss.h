// Mean binary cross entropy, from logits, so that it neither overflows nor loses digits.
//   loss   = 1/B sum_b v_b w(y_b) l_b
//   l      = log(1 + e^-|x|) + max(x, 0) - x y  =  -y log p - (1-y) log(1-p), p = 1 / (1 + e^-x)
//   w(y)   = class_weights[1] if y >= 1, else class_weights[0] (the reference's wbce: labels truncated to integers)
//   logits x [B,1]  f32
//   labels y [B,1]  f32 in [0,1], checked in binding/
//   weights v [B,1] f32 >= 0, of the examples: an optional third input, 1 without it. The mean is over B all the same
//                   (PyTorch's BCEWithLogitsLoss(weight=v)); it gets no gradient
// With 0 < threshold < 1 p is first clamped to [threshold, 1 - threshold], as dlrm_s_pytorch.py does: where that changes
// p the loss is constant and the gradient zero. Unlike PyTorch's BCELoss no logarithm is cut off at -100, unless `saturates`:
// then everything is computed from p in float32 as BCELoss does, so that p = 1 may come from x = 17, logarithms are at least
// -100, and the slope has the factor p (1-p) / max(p (1-p), 1e-12). For runs that must equal the reference's.
//   out [1,1]
// Backward: dlogits_b = dout/B v w(y) (p - y), 0 where clamped. Labels get no gradient.
#pragma once
#include <cstddef>

#include "base/view.h"
#include "cuda/plugin.h"

namespace dlrm {

struct BceLossForward {
  View slope;  // [B,1]: v w(y) (p - y), 0 where clamped; kept for backward
  View logits, labels;
  View weights;  // null: all 1
  float threshold;  // 0: no clamping
  float class_weights[2];
  bool saturates;  // read by the scalar and the CUDA variant alone
};

struct BceLossKernels {
  double (*forward)(const BceLossForward&, Range);  // the sum of v w l over rows of the batch
  void (*backward)(const View& dlogits, const View& slope, float scale, Range);  // dlogits = scale slope
  double forward_ns;  // per row, about
};

struct BceLossCuda {
  size_t (*scratch_bytes)(int64_t batch);
  void (*forward)(const BceLossForward&, float* out, int64_t batch, void* scratch, CudaStream);
  void (*backward)(const View& dlogits, const View& slope, const float* dout, int64_t batch, CudaStream);
};
extern const BceLossCuda bce_loss_cuda;

extern const BceLossKernels bce_loss_scalar, bce_loss_avx2, bce_loss_avx512;

}  // namespace dlrm
