// Columns side by side.
//   in_i [B,N_i] f32, any number of them
//   out  [B, sum of N_i] f32: out[b,:] = in_0[b,:], in_1[b,:], ...
// Backward: din_i = the columns of dout that in_i became.
// in_i and din_i may be the memory of these very columns; then there is nothing to copy.
#pragma once
#include "base/view.h"

namespace dlrm {

// Rows [range.begin, range.end) of from to to; both of from.cols columns.
struct ConcatKernels {
  void (*copy)(const View& to, const View& from, Range);
};

extern const ConcatKernels concat_scalar, concat_avx2, concat_avx512;

}  // namespace dlrm
