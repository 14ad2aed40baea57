// e^x, with x limited to [-87, 88] so that the result is finite and positive; such as the expected watch time that weighted
// logistic regression serves (Covington et al. 2016, section 4.2).
//   x, out [B,N]  f32
// Backward, from out alone: dx = out * dout, beyond the limits too.
#pragma once
#include "base/view.h"

namespace dlrm {

// Rows [range.begin, range.end) of the batch.
struct ExpKernels {
  void (*forward)(const View& out, const View& x, Range);
  void (*backward)(const View& dx, const View& dout, const View& out, Range);
  double forward_ns;  // per element, about
};

extern const ExpKernels exp_scalar, exp_avx2, exp_avx512;

}  // namespace dlrm
