#include "ops/cross_v2/cross_v2.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_math.inl"
#include "ops/cross_v2/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const CrossV2Kernels cross_v2_avx512 = {
    avx512::advance,    avx512::gradients, avx512::add,              avx512::tanh_all, avx512::tanh_gradient,
    avx512::store_rows, avx512::softmax,   avx512::softmax_gradient, avx512::gate,     avx512::gate_gradient,
};
}
#endif
