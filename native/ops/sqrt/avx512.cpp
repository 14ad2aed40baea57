#include "ops/sqrt/sqrt.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "ops/elementwise.inl"
#include "ops/sqrt/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const UnaryKernels sqrt_avx512 = {avx512::forward, avx512::backward, 0.6};
}
#endif
