#include "ops/sqrt/sqrt.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "ops/elementwise.inl"
#include "ops/sqrt/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const UnaryKernels sqrt_avx2 = {avx2::forward, avx2::backward, 0.6};
}
#endif
