#include "ops/precision.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_bf16_avx512.h"
#include "ops/precision.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const RoundingKernels rounding_avx512 = {avx512::round};
}
#endif
