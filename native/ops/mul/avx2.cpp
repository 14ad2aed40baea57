#include "ops/mul/mul.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "ops/elementwise.inl"
#include "ops/mul/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const MulKernels mul_avx2 = {avx2::multiply};
}
#endif
