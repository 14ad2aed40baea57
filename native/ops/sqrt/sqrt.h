// The square root, of 0 where x < 0; such as the root of a normalised feature beside it and its square (Covington et al. 2016,
// section 4.1).
//   x, out [B,N]  f32
// Backward, from out alone: dx = dout / (2 out), 0 where out is 0.
#pragma once
#include "base/view.h"

namespace dlrm {

// Rows [range.begin, range.end) of the batch.
struct SqrtKernels {
  void (*forward)(const View& out, const View& x, Range);
  void (*backward)(const View& dx, const View& dout, const View& out, Range);
  double forward_ns;  // per element, about
};

extern const SqrtKernels sqrt_scalar, sqrt_avx2, sqrt_avx512;

}  // namespace dlrm
