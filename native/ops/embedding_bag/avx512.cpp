#include "ops/embedding_bag/embedding_bag.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_half_avx512.h"
#include "base/table_rows.inl"
#include "ops/embedding_bag/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const EmbeddingBagKernels embedding_bag_avx512 = {avx512::forward, avx512::backward};
}
#endif
