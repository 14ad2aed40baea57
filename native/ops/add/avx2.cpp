#include "ops/add/add.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "ops/elementwise.inl"
#include "ops/add/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const AddKernels add_avx2 = {avx2::copy, avx2::add, avx2::accumulate};
}
#endif
