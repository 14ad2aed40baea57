// p = 1 / (1 + e^-x); with 0 < threshold < 1 clamped to [threshold, 1 - threshold].
//   x, out [B,N]  f32
// Backward, from out alone: dx = p (1 - p) dout; with a threshold 0 where p lies on its bounds.
#pragma once
#include "base/view.h"
#include "cuda/plugin.h"

namespace dlrm {

struct SigmoidForward {
  View out;
  View x;
  float threshold;  // 0: no clamping
};

struct SigmoidBackward {
  View dx;
  View dout, out;
  float threshold;
};

// Rows [range.begin, range.end) of the batch.
struct SigmoidKernels {
  void (*forward)(const SigmoidForward&, Range);
  void (*backward)(const SigmoidBackward&, Range);
  double forward_ns;  // per element, about
};

struct SigmoidCuda {
  void (*forward)(const SigmoidForward&, CudaStream);
  void (*backward)(const SigmoidBackward&, CudaStream);
};

extern const SigmoidCuda sigmoid_cuda;
extern const SigmoidKernels sigmoid_scalar, sigmoid_avx2, sigmoid_avx512;

}  // namespace dlrm
