// The sum of any number of matrices of one shape, added from left to right.
//   in_i, out [B,N]  f32; out = in_0 + in_1 + ...
// Backward: every din_i = dout. din_0 may be the memory of dout itself; then there is nothing to copy.
#pragma once
#include "base/view.h"
#include "cuda/plugin.h"

namespace dlrm {

// Rows [range.begin, range.end). `to` is none of the others.
struct AddKernels {
  void (*copy)(const View& to, const View& a, Range);
  void (*add)(const View& to, const View& a, const View& b, Range);
  void (*accumulate)(const View& to, const View& a, Range);  // to += a
};

struct AddCuda {
  void (*sum)(const View& to, const View* in, int64_t count, CudaStream);  // in their order
  void (*copy)(const View& to, const View& from, CudaStream);
};

extern const AddCuda add_cuda;
extern const AddKernels add_scalar, add_avx2, add_avx512;

}  // namespace dlrm
