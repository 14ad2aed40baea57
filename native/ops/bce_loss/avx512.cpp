#include "ops/bce_loss/bce_loss.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_column.inl"
#include "base/simd_math.inl"
#include "ops/bce_loss/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const BceLossKernels bce_loss_avx512 = {avx512::forward, avx512::backward, 1};
}
#endif
