#include "ops/qr_embedding_bag/qr_embedding_bag.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "ops/qr_embedding_bag/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const QrEmbeddingBagKernels qr_embedding_bag_avx2 = {avx2::forward, avx2::backward};
}
#endif
