#include "ops/dense_update/dense_update.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "optim/span.inl"
#include "ops/dense_update/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const DenseUpdateKernels dense_update_avx2 = {avx2::update, avx2::squares};
}
#endif
