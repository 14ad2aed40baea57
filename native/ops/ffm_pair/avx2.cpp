#include "ops/ffm_pair/ffm_pair.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "ops/fields.inl"
#include "ops/ffm_pair/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const FfmPairKernels ffm_pair_avx2 = {avx2::forward, avx2::backward, 0.15};
}
#endif
