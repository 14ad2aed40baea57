#include "ops/activation/activation.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_math.inl"
#include "ops/activation/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const ActivationKernels activation_avx512 = {avx512::forward, avx512::backward, 0.8};
}
#endif
