// The second-order part of a factorization machine (Rendle 2010, equation 5): all pairs of an example's F vectors in O(F E).
//   sum over i < j of v_i * v_j, element by element = 1/2 ((sum_i v_i)^2 - sum_i v_i^2)
// computed as sum_i v_i * (v_0 + ... + v_{i-1}): as many operations, and no difference of two large numbers.
//   x   [B,F*E]  f32: v_f = x[b, fE .. (f+1)E)
//   out [B,1]    f32: the sum over all elements; or, with `vector`,
//       [B,E]         element by element: bi-interaction pooling (He and Chua 2017, NFM, equation 3)
// Backward:
//   dv_i = dout * (sum_j v_j - v_i)
// The sum is computed again: saving it, [B,E], makes both passes together 5 % faster at most (B 4096, F 10, E 10: 38 + 63 us
// against 40 + 55 us on one thread) and keeps that memory alive through the step.
#pragma once
#include "base/view.h"

namespace dlrm {

struct FmPairForward {
  View out;
  View x;
  int64_t fields, width;
  bool vector;
};

struct FmPairBackward {
  View dx;
  View dout, x;
  int64_t fields, width;
  bool vector;
};

// Rows [range.begin, range.end) of the batch.
struct FmPairKernels {
  void (*forward)(const FmPairForward&, Range);
  void (*backward)(const FmPairBackward&, Range);
  double ns;  // per element of x, about
};

extern const FmPairKernels fm_pair_scalar, fm_pair_avx2, fm_pair_avx512;

}  // namespace dlrm
