// All pairs of a field-aware factorization machine (Juan et al. 2016, equation 2): each field has one vector for every other
// field, and a pair of fields meets with the two that they have for each other.
//   out[b] = sum over i > j of <v_i,j , v_j,i>
//   x   [B, F*(F-1)*k]  f32: field after field; of field i its F-1 vectors of k for the other fields, in their order:
//                       v_i,j = x[b, (i (F-1) + j - (j > i)) k ...)
//   out [B,1]           f32
// libffm stores F vectors for each feature; the one for the field itself is never used, and leaving it out (as FuxiCTR's F-1
// tables do) saves 1/F of the tables, of the optimizer's state and of what every lookup reads.
// Backward:
//   dv_i,j = dout v_j,i
#pragma once
#include "base/view.h"

namespace dlrm {

struct FfmPairForward {
  View out;
  View x;
  int64_t fields, width;
};

struct FfmPairBackward {
  View dx;
  View dout, x;
  int64_t fields, width;
};

// Rows [range.begin, range.end) of the batch.
struct FfmPairKernels {
  void (*forward)(const FfmPairForward&, Range);
  void (*backward)(const FfmPairBackward&, Range);
  double ns;  // per element of x, about
};

extern const FfmPairKernels ffm_pair_scalar, ffm_pair_avx2, ffm_pair_avx512;

}  // namespace dlrm
