#include "ops/qr_embedding_bag/qr_embedding_bag.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "ops/qr_embedding_bag/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const QrEmbeddingBagKernels qr_embedding_bag_avx512 = {avx512::forward, avx512::backward};
}
#endif
