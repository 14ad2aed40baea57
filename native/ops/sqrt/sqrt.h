// The square root, of 0 where x < 0; such as the root of a normalised feature beside it and its square (Covington et al. 2016,
// section 4.1).
//   x, out [B,N]  f32
// Backward, from out alone: dx = dout / (2 out), 0 where out is 0.
#pragma once
#include "ops/unary.h"

namespace dlrm {

extern const UnaryCuda sqrt_cuda;
extern const UnaryKernels sqrt_scalar, sqrt_avx2, sqrt_avx512;

}  // namespace dlrm
