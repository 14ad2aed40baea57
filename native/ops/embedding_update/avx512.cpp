#include "ops/embedding_update/embedding_update.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_half_avx512.h"
#include "optim/span.inl"
#include "ops/embedding_update/kernel.inl"
#include "ops/embedding_update/sums.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const EmbeddingUpdateKernels embedding_update_avx512 = {avx512::update, avx512::update_all, avx512::sum, avx512::update_sums, avx512::squares};
}
#endif
