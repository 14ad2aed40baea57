#include "ops/batch_norm/batch_norm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_math.inl"
#include "ops/dropout/mask.inl"
#include "ops/fused_activation.inl"
#include "ops/batch_norm/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const BatchNormKernels batch_norm_avx512 = {avx512::moments, avx512::forward, avx512::gradient_sums, avx512::backward, 0.3};
}
#endif
