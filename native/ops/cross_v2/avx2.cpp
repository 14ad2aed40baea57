#include "ops/cross_v2/cross_v2.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "base/simd_math.inl"
#include "ops/cross_v2/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const CrossV2Kernels cross_v2_avx2 = {
    avx2::advance,    avx2::gradients, avx2::add,              avx2::tanh_all, avx2::tanh_gradient,
    avx2::store_rows, avx2::softmax,   avx2::softmax_gradient, avx2::gate,     avx2::gate_gradient,
};
}
#endif
