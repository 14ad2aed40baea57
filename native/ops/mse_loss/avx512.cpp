#include "ops/mse_loss/mse_loss.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_column.inl"
#include "ops/mse_loss/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const MseLossKernels mse_loss_avx512 = {avx512::forward, avx512::backward};
}
#endif
