// e^x, with x limited to [-87, 88] so that the result is finite and positive; such as the expected watch time that weighted
// logistic regression serves (Covington et al. 2016, section 4.2).
//   x, out [B,N]  f32
// Backward, from out alone: dx = out * dout, beyond the limits too.
#pragma once
#include "ops/unary.h"

namespace dlrm {

extern const UnaryCuda exp_cuda;
extern const UnaryKernels exp_scalar, exp_avx2, exp_avx512;

}  // namespace dlrm
