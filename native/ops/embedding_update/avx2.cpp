#include "ops/embedding_update/embedding_update.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "base/simd_half_avx2.h"
#include "optim/span.inl"
#include "ops/embedding_update/kernel.inl"
#include "ops/embedding_update/sums.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const EmbeddingUpdateKernels embedding_update_avx2 = {avx2::update, avx2::update_all, avx2::sum, avx2::update_sums, avx2::squares};
}
#endif
