// Columns side by side.
//   in_i [B,N_i] f32, any number of them
//   out  [B, sum of N_i] f32: out[b,:] = in_0[b,:], in_1[b,:], ...
// Backward: din_i = the columns of dout that in_i became.
// in_i and din_i may be the memory of these very columns; then there is nothing to copy.
#pragma once
#include "base/view.h"
#include "cuda/plugin.h"

namespace dlrm {

// Rows [range.begin, range.end) of from to to; both of from.cols columns.
struct ConcatKernels {
  void (*copy)(const View& to, const View& from, Range);
};

struct ColumnCopy {
  View to, from;  // both of to.cols columns; from null: zeros
};

struct ConcatCuda {
  void (*copy)(const ColumnCopy*, int64_t count, int64_t rows, CudaStream);  // copies onto themselves are left out
};

extern const ConcatCuda concat_cuda;
extern const ConcatKernels concat_scalar, concat_avx2, concat_avx512;

}  // namespace dlrm
