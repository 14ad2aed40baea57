// Pairwise dot products of the F vectors of each example, behind the dense vector itself if there is one
// (Naumov et al. 2019, section 2.1.3; order as dlrm_s_pytorch.py).
//   with x:    F = T + 1, z_0 = x[b,:], z_f = e[b, (f-1)E .. fE) for f = 1..T; out[b, 0..E) = x[b,:], then the pairs
//   without x: F = T, z_f = e[b, fE .. (f+1)E); out[b,:] = the pairs
//   pair p = <z_i, z_j>, p counting (i,j) row by row through the strict lower triangle: (1,0), (2,0), (2,1), ...
//            with `itself` the diagonal too: (0,0), (1,0), (1,1), ...
//   x   [B,E]     f32 or null
//   e   [B,T*E]   f32
//   out [B,E+P] or [B,P]  f32, P = F(F-1)/2, with itself F(F+1)/2
// Backward:
//   dz_i = sum_j dP_ij z_j, each pair counted for both sides (the diagonal twice); dx additionally + dout[b, 0..E)
// With precision bf16 (precision.h) z and dP are rounded where they are multiplied; x in out and dout in dx are not.
#pragma once
#include "base/isa.h"
#include "base/view.h"
#include "cuda/plugin.h"

namespace dlrm {

// The vectors of one example.
struct InteractionVectors {
  const float *x, *e;  // x may be null
  int64_t width;
  const float* operator[](int64_t i) const { return !x ? e + i * width : i ? e + (i - 1) * width : x; }
};

struct InteractionDotForward {
  View out;
  View x, e;
  int64_t vectors, width;
  bool itself;
};

struct InteractionDotBackward {
  View dx, de;  // either may be null
  View dout, x, e;
  int64_t vectors, width;
  bool itself;
};

// Rows [range.begin, range.end) of the batch.
struct InteractionDotKernels {
  void (*forward)(const InteractionDotForward&, Range);
  void (*backward)(const InteractionDotBackward&, Range);
};

extern const InteractionDotKernels interaction_dot_scalar, interaction_dot_avx2, interaction_dot_avx512;

// All rows of the batch, on the device; bf16: with that precision.
struct InteractionDotCuda {
  void (*forward)(const InteractionDotForward&, int64_t batch, bool bf16, CudaStream);
  void (*backward)(const InteractionDotBackward&, int64_t batch, bool bf16, CudaStream);
};
extern const InteractionDotCuda interaction_dot_cuda;

}  // namespace dlrm
