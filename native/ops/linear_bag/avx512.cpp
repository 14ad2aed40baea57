#include "ops/linear_bag/linear_bag.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "ops/linear_bag/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const LinearBagKernels linear_bag_avx512 = {avx512::forward, avx512::backward};
}
#endif
