#include "ops/mlp/mlp.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "base/simd_math.inl"
#include "ops/mlp/kernel.inl"
#include "ops/mlp/sparse.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const MlpKernels mlp_avx2 = {
    avx2::P, avx2::pack_transposed, avx2::pack, avx2::load_rows, avx2::output_gradient,
    avx2::product, avx2::weight_gradient,
    {avx2::load_panel, avx2::store_panel, avx2::sparse_panel, avx2::sparse_example},
};
}
#endif
