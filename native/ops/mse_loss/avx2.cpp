#include "ops/mse_loss/mse_loss.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "base/simd_column.inl"
#include "ops/mse_loss/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const MseLossKernels mse_loss_avx2 = {avx2::forward, avx2::backward};
}
#endif
