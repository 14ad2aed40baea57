#include "ops/precision.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "base/simd_bf16_avx2.h"
#include "ops/precision.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const RoundingKernels rounding_avx2 = {avx2::round};
}
#endif
