#include "ops/numeric_embedding/numeric_embedding.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "ops/fields.inl"
#include "ops/numeric_embedding/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const NumericEmbeddingKernels numeric_embedding_avx2 = {avx2::forward, avx2::backward, avx2::add_sums, avx2::Vec::W, 0.15};
}
#endif
