#include "ops/embedding_bag/embedding_bag.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "base/simd_half_avx2.h"
#include "base/table_rows.inl"
#include "ops/embedding_bag/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const EmbeddingBagKernels embedding_bag_avx2 = {avx2::forward, avx2::backward};
}
#endif
