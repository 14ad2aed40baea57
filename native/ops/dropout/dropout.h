// Dropout (Srivastava et al. 2014), scaled in training: each element is 0 with probability `rate`, else times 1 / (1 - rate).
// Which ones: mask.h. When not training out = x, and the plan of a prediction leaves the node out.
//   x, out [B,N]  f32
// Backward: dx = dout where kept, times the same scale; else 0.
#pragma once
#include "ops/dropout/mask.h"

namespace dlrm {

// Rows [range.begin, range.end) of to = kept elements of from, scaled. `forward` draws the mask's bits first, `backward`
// reads them.
struct DropoutKernels {
  void (*forward)(const View& from, const DropoutMask& mask, const View& to, Range rows);
  void (*backward)(const View& from, const DropoutMask& mask, const View& to, Range rows);
  double draw_ns;  // per element, about
};

extern const DropoutKernels dropout_scalar, dropout_avx2, dropout_avx512;

}  // namespace dlrm
