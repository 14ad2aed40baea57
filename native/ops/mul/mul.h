// The product of two matrices of one shape, element by element.
//   x, y, out [B,N]  f32; out = x * y
// Backward: dx = dout * y, dy = dout * x
#pragma once
#include "base/view.h"
#include "cuda/plugin.h"

namespace dlrm {

// Rows [range.begin, range.end) of to = x * y; `to` is neither of them.
struct MulKernels {
  void (*multiply)(const View& to, const View& x, const View& y, Range);
};

struct MulCuda {
  void (*multiply)(const View& to, const View& x, const View& y, CudaStream);
};

extern const MulCuda mul_cuda;
extern const MulKernels mul_scalar, mul_avx2, mul_avx512;

}  // namespace dlrm
