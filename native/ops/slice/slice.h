// A range of columns.
//   x   [B,N]       f32
//   out [B,length]  f32: x[b, start .. start + length)
// Backward: dx = dout in these columns, 0 in the others.
// out may be the memory of these very columns of x; then there is nothing to copy.
#pragma once
#include "ops/concat/concat.h"

namespace dlrm {

// Rows of one to a few vectors are copied as concat's are: its variants serve both.
using SliceKernels = ConcatKernels;
using SliceCuda = ConcatCuda;

}  // namespace dlrm
