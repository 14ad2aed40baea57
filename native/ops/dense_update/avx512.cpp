#include "ops/dense_update/dense_update.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "optim/span.inl"
#include "ops/dense_update/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const DenseUpdateKernels dense_update_avx512 = {avx512::update, avx512::squares};
}
#endif
