#include "ops/numeric_embedding/numeric_embedding.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "ops/fields.inl"
#include "ops/numeric_embedding/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const NumericEmbeddingKernels numeric_embedding_avx512 = {avx512::forward, avx512::backward, avx512::add_sums, avx512::Vec::W, 0.1};
}
#endif
