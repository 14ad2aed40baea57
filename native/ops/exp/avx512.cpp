#include "ops/exp/exp.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_math.inl"
#include "ops/elementwise.inl"
#include "ops/exp/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const UnaryKernels exp_avx512 = {avx512::forward, avx512::backward, 0.6};
}
#endif
