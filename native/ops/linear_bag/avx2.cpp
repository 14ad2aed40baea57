#include "ops/linear_bag/linear_bag.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "ops/linear_bag/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const LinearBagKernels linear_bag_avx2 = {avx2::forward, avx2::backward};
}
#endif
