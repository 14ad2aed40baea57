#include "ops/add/add.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "ops/elementwise.inl"
#include "ops/add/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const AddKernels add_avx512 = {avx512::copy, avx512::add, avx512::accumulate};
}
#endif
